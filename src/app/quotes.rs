//! What the page of quotes shows, as a function of the prices that it has had: a row for each chosen symbol, and the chart of one.
//! Nothing here knows where prices come from. Prices are whole ten-thousandths, since a browser needs much code to read and write
//! fractions.

use crate::protocol::quotes::{CHART_SECONDS, QuotesPage, SymbolPage};

/// The time between two points of a row's small curve, in seconds.
pub const SPARK_STEP: u64 = 60;

/// The time between two points of the chart, in seconds.
pub const CHART_STEP: u64 = 15;

/// The size of a small curve, in the units of its drawing.
pub const SPARK_SIZE: [i64; 2] = [120, 32];

/// The size of the chart.
pub const CHART_SIZE: [i64; 2] = [720, 240];

/// One, as a price.
const ONE: i64 = 10_000;

/// A price at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Seconds since 1970.
    pub at: u64,
    /// In ten-thousandths.
    pub price: i64,
    /// How much more than at the opening.
    pub change: i64,
}

/// The last price of each step of time, of the last hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    step: u64,
    /// The number of the step, and the price.
    points: Vec<(u64, i64)>,
}

/// Where the newest price moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Move {
    /// It did not.
    #[default]
    Same,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// A chosen symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    symbol: String,
    newest: Option<Tick>,
    moved: Move,
    /// Alternates with each move, so that the same move twice is seen twice.
    is_odd: bool,
    spark: Series,
    is_changed: bool,
}

/// A row as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowShown {
    /// The price; empty before there is one.
    pub price: String,
    /// How much it has changed, with its sign and in per cent.
    pub change: String,
    /// Which way the price moved last, and a letter that alternates: `up-a`, `up-b`, `down-a` and so on; empty if it did not.
    pub moved: &'static str,
    /// The small curve, as the path of a drawing.
    pub spark: String,
}

/// The chart as it is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChartShown {
    /// Whose it is.
    pub symbol: String,
    /// The curve, as the path of a drawing.
    pub path: String,
    /// The highest price in it.
    pub high: String,
    /// The lowest.
    pub low: String,
    /// The first.
    pub first: String,
    /// The newest.
    pub newest: String,
    /// When it begins, as hours and minutes of UTC.
    pub from: String,
    /// When it ends.
    pub to: String,
}

/// Everything that the page has had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    rows: Vec<Row>,
    charted: String,
    chart: Series,
    is_chart_changed: bool,
    /// How many prices have arrived.
    received: u64,
}

impl Series {
    /// Without a price.
    pub fn new(step: u64) -> Self {
        Self {
            step,
            points: Vec::new(),
        }
    }

    /// Adds a price, unless a newer one is there.
    pub fn push(&mut self, at: u64, price: i64) {
        let number = at / self.step;
        match self.points.last_mut() {
            Some((last, _)) if number < *last => return,
            Some((last, newest)) if number == *last => *newest = price,
            _ => self.points.push((number, price)),
        }
        let oldest = number.saturating_sub(CHART_SECONDS / self.step);
        let gone = self.points.partition_point(|(number, _)| *number < oldest);
        if gone > 0 {
            self.points.drain(..gone);
        }
    }

    /// Puts prices of the past before those that are there.
    fn put_before(&mut self, past: &[Tick]) {
        let newer = std::mem::replace(self, Self::new(self.step)).points;
        let first = newer.first().map_or(u64::MAX, |(number, _)| *number);
        let step = self.step;
        for tick in past.iter().filter(|tick| tick.at / step < first) {
            self.push(tick.at, tick.price);
        }
        for (number, price) in newer {
            self.push(number * step, price);
        }
    }

    /// The time of each point, in seconds since 1970, and its price.
    pub fn points(&self) -> impl Iterator<Item = (u64, i64)> {
        let step = self.step;
        self.points
            .iter()
            .map(move |(number, price)| (number * step, *price))
    }

    /// The lowest price and the highest.
    fn range(&self) -> Option<(i64, i64)> {
        let prices = || self.points.iter().map(|(_, price)| *price);
        Some((prices().min()?, prices().max()?))
    }

    /// The curve in a drawing of this size: the newest point at its right edge, the hour before it to the left.
    fn path(&self, [width, height]: [i64; 2]) -> String {
        let (Some((low, high)), Some((end, _))) = (self.range(), self.points.last()) else {
            return String::new();
        };
        // A line's width of room at the edges.
        let (top, room) = (2, height - 4);
        let span = (CHART_SECONDS / self.step) as i64;
        let mut path = String::new();
        for (number, price) in &self.points {
            // Far below what the type holds.
            let age = (end - number) as i64;
            let x = width - age * width / span;
            let y = match high - low {
                0 => top + room / 2,
                range => top + (high - price) * room / range,
            };
            path.push(if path.is_empty() { 'M' } else { 'L' });
            path.push_str(&x.to_string());
            path.push(' ');
            path.push_str(&y.to_string());
        }
        if self.points.len() == 1 {
            // A point alone is a dot.
            path.push_str("h0");
        }
        path
    }
}

impl Move {
    const fn name(self, is_odd: bool) -> &'static str {
        match (self, is_odd) {
            (Self::Same, _) => "",
            (Self::Up, false) => "up-a",
            (Self::Up, true) => "up-b",
            (Self::Down, false) => "down-a",
            (Self::Down, true) => "down-b",
        }
    }
}

impl Row {
    fn from_page(page: &SymbolPage) -> Self {
        let mut spark = Series::new(SPARK_STEP);
        for (at, price) in &page.history {
            spark.push(*at, *price);
        }
        let newest = page.history.last().map(|(at, price)| Tick {
            at: *at,
            price: *price,
            change: page.change,
        });
        Self {
            symbol: page.symbol.clone(),
            newest,
            moved: Move::Same,
            is_odd: false,
            spark,
            is_changed: false,
        }
    }

    fn without_price(symbol: &str) -> Self {
        Self::from_page(&SymbolPage {
            symbol: symbol.to_owned(),
            change: 0,
            history: Vec::new(),
        })
    }

    fn take(&mut self, tick: Tick) {
        // What the market did while it slept comes before what is newest.
        if let Some(newest) = self.newest
            && tick.at >= newest.at
        {
            let moved = match tick.price.cmp(&newest.price) {
                std::cmp::Ordering::Less => Move::Down,
                std::cmp::Ordering::Equal => self.moved,
                std::cmp::Ordering::Greater => Move::Up,
            };
            if tick.price != newest.price {
                self.is_odd = !self.is_odd;
            }
            self.moved = moved;
        }
        if self.newest.is_none_or(|newest| tick.at >= newest.at) {
            self.newest = Some(tick);
        }
        self.spark.push(tick.at, tick.price);
        self.is_changed = true;
    }

    fn shown(&self) -> RowShown {
        RowShown {
            price: self
                .newest
                .map_or_else(String::new, |tick| price_text(tick.price)),
            change: self
                .newest
                .map_or_else(String::new, |tick| change_text(&tick)),
            moved: self.moved.name(self.is_odd),
            spark: self.spark.path(SPARK_SIZE),
        }
    }
}

impl Board {
    /// What the server rendered.
    pub fn from_page(page: &QuotesPage) -> Self {
        let mut chart = Series::new(CHART_STEP);
        for (at, price) in &page.chart {
            chart.push(*at, *price);
        }
        Self {
            rows: page.rows.iter().map(Row::from_page).collect(),
            charted: page.charted.clone(),
            chart,
            is_chart_changed: false,
            received: 0,
        }
    }

    /// A price of a symbol has arrived.
    pub fn take(&mut self, symbol: &str, tick: Tick) {
        self.received += 1;
        if let Some(row) = self.row(symbol) {
            row.take(tick);
        }
        if symbol == self.charted {
            self.chart.push(tick.at, tick.price);
            self.is_chart_changed = true;
        }
    }

    /// Prices of a symbol that the server has kept, oldest first.
    pub fn put_before(&mut self, symbol: &str, past: &[Tick]) {
        if let Some(row) = self.row(symbol) {
            row.spark.put_before(past);
            row.newest = row.newest.or(past.last().copied());
            row.is_changed = true;
        }
        if symbol == self.charted {
            self.chart.put_before(past);
            self.is_chart_changed = true;
        }
    }

    /// The reader has chosen these symbols. Returns those that have no prices yet.
    pub fn choose(&mut self, symbols: &[String]) -> Vec<String> {
        let mut known = std::mem::take(&mut self.rows);
        let mut added = Vec::new();
        for symbol in symbols {
            let place = known.iter().position(|row| row.symbol == *symbol);
            self.rows.push(match place {
                Some(place) => known.swap_remove(place),
                None => {
                    added.push(symbol.clone());
                    Row::without_price(symbol)
                }
            });
        }
        added
    }

    /// The chart is of this symbol now.
    pub fn chart(&mut self, symbol: &str) {
        self.charted = symbol.to_owned();
        self.chart = Series::new(CHART_STEP);
        self.is_chart_changed = true;
    }

    /// Whose chart it is.
    pub fn charted(&self) -> &str {
        &self.charted
    }

    /// The chosen symbols.
    pub fn symbols(&self) -> Vec<String> {
        self.rows.iter().map(|row| row.symbol.clone()).collect()
    }

    /// How many prices have arrived.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// A symbol's row as it is shown.
    pub fn shown(&self, symbol: &str) -> RowShown {
        let mut rows = self.rows.iter();
        let row = rows.find(|row| row.symbol == symbol);
        row.map_or_else(RowShown::default, Row::shown)
    }

    /// The rows that have changed since they were taken last.
    pub fn take_changed(&mut self) -> Vec<(String, RowShown)> {
        let changed = self.rows.iter_mut().filter(|row| row.is_changed);
        let shown = changed.map(|row| {
            row.is_changed = false;
            (row.symbol.clone(), row.shown())
        });
        shown.collect()
    }

    /// The chart, if it has changed since it was taken last.
    pub fn take_changed_chart(&mut self) -> Option<ChartShown> {
        std::mem::take(&mut self.is_chart_changed).then(|| self.chart_shown())
    }

    /// The chart as it is shown.
    pub fn chart_shown(&self) -> ChartShown {
        let text = |price: Option<i64>| price.map_or_else(String::new, price_text);
        let (low, high) = self.chart.range().unzip();
        let [first, newest] = [self.chart.points.first(), self.chart.points.last()];
        let price = |point: Option<&(u64, i64)>| text(point.map(|(_, price)| *price));
        let time = |point: Option<&(u64, i64)>| {
            point.map_or_else(String::new, |(number, _)| clock_time(number * CHART_STEP))
        };
        ChartShown {
            symbol: self.charted.clone(),
            path: self.chart.path(CHART_SIZE),
            high: text(high),
            low: text(low),
            first: price(first),
            newest: price(newest),
            from: time(first),
            to: time(newest),
        }
    }

    fn row(&mut self, symbol: &str) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.symbol == symbol)
    }
}

/// A price as people write it: with four decimals below ten, with two above.
pub fn price_text(price: i64) -> String {
    let magnitude = price.unsigned_abs();
    let decimals = if price.abs() < 10 * ONE { 4 } else { 2 };
    let sign = if price < 0 { "\u{2212}" } else { "" };
    format!("{sign}{}", fixed(magnitude, decimals))
}

/// Ten-thousandths with so many decimals, two or four.
fn fixed(magnitude: u64, decimals: usize) -> String {
    const ONE: u64 = super::quotes::ONE as u64;
    let (units, fraction) = if decimals == 4 {
        (magnitude / ONE, magnitude % ONE)
    } else {
        let cents = (magnitude + 50) / 100;
        (cents / 100, cents % 100)
    };
    let mut text = units.to_string();
    text.push('.');
    let fraction = fraction.to_string();
    for _ in fraction.len()..decimals {
        text.push('0');
    }
    text.push_str(&fraction);
    text
}

/// A change with its sign, and in per cent of the opening.
fn change_text(tick: &Tick) -> String {
    let sign = match tick.change {
        0 => "\u{b1}",
        change if change < 0 => "\u{2212}",
        _ => "+",
    };
    let opening = tick.price.saturating_sub(tick.change);
    let per_cent = match opening {
        0 => 0,
        opening => tick.change.saturating_mul(100 * ONE) / opening,
    };
    let decimals = if tick.price.abs() < 10 * ONE { 4 } else { 2 };
    let [change, per_cent] = [(tick.change, decimals), (per_cent, 2)]
        .map(|(number, decimals)| fixed(number.unsigned_abs(), decimals));
    format!("{sign}{change} ({sign}{per_cent}\u{a0}%)")
}

/// The hours and minutes of UTC.
fn clock_time(at: u64) -> String {
    let minutes = at / 60 % (24 * 60);
    let digits =
        |number: u64| [number / 10, number % 10].map(|digit| char::from(b'0' + digit as u8));
    let [hours, minutes] = [digits(minutes / 60), digits(minutes % 60)];
    hours.into_iter().chain([':']).chain(minutes).collect()
}

/// The seconds since 1970 of a time such as `2026-11-26T16:12:37.123Z`; `None` if the text is none.
pub fn seconds_since_1970(time: &str) -> Option<u64> {
    let number = |from: usize, to: usize| time.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !time.ends_with('Z') || year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    // A year begins in March, so that a leap day is its last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days_before_month = (153 * month + 2) / 5;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + days_before_month + day - 1;
    /// From the first of March of the year 0.
    const DAYS_BEFORE_1970: u64 = 719_468;
    let days = days.checked_sub(DAYS_BEFORE_1970)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(at: u64, price: i64) -> Tick {
        Tick {
            at,
            price,
            change: price - 1_000_000,
        }
    }

    fn board() -> Board {
        let of = |symbol: &str| SymbolPage {
            symbol: symbol.to_owned(),
            change: 0,
            history: vec![(1_200, 1_000_000)],
        };
        Board::from_page(&QuotesPage {
            origin: String::new(),
            is_simulated: true,
            last_event_id: "#a-1".to_owned(),
            symbols: vec!["A".to_owned(), "B".to_owned(), "C".to_owned()],
            rows: vec![of("A"), of("B")],
            charted: "A".to_owned(),
            chart: vec![(1_200, 1_000_000)],
        })
    }

    #[test]
    fn a_row_shows_the_newest_price_its_change_and_which_way_it_moved() {
        let mut board = board();
        assert_eq!(board.shown("A").moved, "");
        board.take("A", tick(1_201, 1_012_345));
        let shown = board.shown("A");
        assert_eq!(shown.price, "101.23");
        assert_eq!(shown.change, "+1.23 (+1.23\u{a0}%)");
        assert_eq!(shown.moved, "up-b");
        board.take("A", tick(1_202, 1_013_000));
        assert_eq!(board.shown("A").moved, "up-a", "a second move is seen");
        board.take("A", tick(1_202, 1_013_000));
        assert_eq!(board.shown("A").moved, "up-a", "no move");
        board.take("A", tick(1_203, 987_600));
        assert_eq!(
            board.shown("A").change,
            "\u{2212}1.24 (\u{2212}1.24\u{a0}%)"
        );
        assert_eq!(board.shown("A").moved, "down-b");
        board.take("A", tick(100, 1));
        assert_eq!(board.shown("A").price, "98.76", "an older price is none");
        assert_eq!(board.received(), 5);
    }

    #[test]
    fn only_what_has_changed_is_shown_again() {
        let mut board = board();
        assert!(board.take_changed().is_empty());
        board.take("B", tick(1_201, 1));
        let changed = board.take_changed();
        assert_eq!(changed.len(), 1);
        assert_eq!(changed[0].0, "B");
        assert!(board.take_changed().is_empty() && board.take_changed_chart().is_none());
        board.take("A", tick(1_201, 1));
        assert!(board.take_changed_chart().is_some());
    }

    #[test]
    fn another_choice_keeps_the_rows_that_stay() {
        let mut board = board();
        board.take("B", tick(1_201, 2_000_000));
        let [b, c] = ["B", "C"].map(str::to_owned);
        assert_eq!(board.choose(&[b, c.clone()]), [c]);
        assert_eq!(board.symbols(), ["B", "C"]);
        assert_eq!(board.shown("B").price, "200.00");
        assert_eq!(board.shown("C"), RowShown::default());
        board.put_before("C", &[tick(1_100, 30_000), tick(1_160, 31_000)]);
        assert_eq!(board.shown("C").price, "3.1000");
        assert_eq!(board.shown("C").spark, "M118 30L120 2");
    }

    #[test]
    fn a_chart_of_another_symbol_begins_with_what_is_kept() {
        let mut board = board();
        board.chart("B");
        board.take("B", tick(3_600, 1_500_000));
        board.put_before("B", &[tick(1_800, 1_000_000), tick(3_600, 7)]);
        let shown = board.chart_shown();
        assert_eq!(shown.path, "M360 238L720 2");
        assert_eq!(
            (shown.low.as_str(), shown.high.as_str()),
            ("100.00", "150.00")
        );
        assert_eq!((shown.from.as_str(), shown.to.as_str()), ("00:30", "01:00"));
        assert_eq!(
            (shown.first.as_str(), shown.newest.as_str()),
            ("100.00", "150.00")
        );
    }

    #[test]
    fn a_series_has_the_last_price_of_each_step_of_an_hour() {
        let mut series = Series::new(60);
        for second in 0..2 * CHART_SECONDS {
            series.push(second, second as i64);
        }
        let points: Vec<_> = series.points().collect();
        assert_eq!(points.len(), 61);
        assert_eq!(points.first(), Some(&(3_540, 3_599)));
        assert_eq!(points.last(), Some(&(7_140, 7_199)));
        series.push(0, 1);
        assert_eq!(series.points().last(), Some((7_140, 7_199)));
    }

    #[test]
    fn a_curve_of_one_price_is_a_dot_and_of_equal_ones_a_line_in_the_middle() {
        let mut series = Series::new(60);
        assert_eq!(series.path(SPARK_SIZE), "");
        series.push(60, 5);
        assert_eq!(series.path(SPARK_SIZE), "M120 16h0");
        series.push(120, 5);
        assert_eq!(series.path(SPARK_SIZE), "M118 16L120 16");
    }

    #[test]
    fn prices_are_written_as_people_write_them() {
        let texts = [0, 1, 12_345, 99_999, 100_000, 2_275_000, 10_000_050].map(price_text);
        assert_eq!(
            texts,
            [
                "0.0000", "0.0001", "1.2345", "9.9999", "10.00", "227.50", "1000.01"
            ]
        );
    }

    #[test]
    fn a_time_is_read_as_seconds() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T12:00:00.000Z", 951_825_600),
            ("2026-11-27T03:44:00.123Z", 1_795_751_040),
            ("2027-01-01T00:00:00Z", 1_798_761_600),
        ] {
            assert_eq!(seconds_since_1970(text), Some(seconds), "{text}");
        }
        for text in [
            "",
            "now",
            "2026-11-27T03:44:00.123+01:00",
            "2026-13-27T03:44:00Z",
            "é026-11-27T03:44:00Z",
            "1969-01-01T00:00:00Z",
        ] {
            assert_eq!(seconds_since_1970(text), None, "{text}");
        }
    }
}
