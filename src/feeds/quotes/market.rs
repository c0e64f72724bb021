//! The simulated market: a random walk of the price of each symbol. Its numbers follow from a seed alone, so that equal seeds give
//! equal prices.

use fastrand::Rng;

/// The symbols, and what each costs at the opening, in cents. The names are real and the prices are not.
pub(super) const LISTING: [(&str, u32); 50] = [
    ("AAPL", 22_750),
    ("ABBV", 18_720),
    ("ABNB", 12_640),
    ("ADBE", 41_230),
    ("AMD", 16_480),
    ("AMZN", 21_960),
    ("ASML", 89_540),
    ("AVGO", 27_310),
    ("BA", 20_480),
    ("BABA", 11_870),
    ("BAC", 4_630),
    ("CAT", 38_520),
    ("COST", 97_640),
    ("CRM", 26_180),
    ("CVX", 15_430),
    ("DIS", 11_290),
    ("GE", 24_760),
    ("GOOGL", 18_940),
    ("GS", 70_350),
    ("HD", 36_870),
    ("IBM", 28_420),
    ("INTC", 2_340),
    ("JNJ", 15_580),
    ("JPM", 28_930),
    ("KO", 7_020),
    ("LLY", 77_860),
    ("MA", 56_140),
    ("MCD", 29_370),
    ("META", 70_920),
    ("MRK", 8_140),
    ("MSFT", 49_780),
    ("NFLX", 122_450),
    ("NKE", 7_160),
    ("NVDA", 15_840),
    ("ORCL", 22_190),
    ("PEP", 13_260),
    ("PFE", 2_480),
    ("PG", 15_970),
    ("QCOM", 15_910),
    ("SAP", 29_840),
    ("SBUX", 9_280),
    ("SHOP", 11_530),
    ("SONY", 2_610),
    ("TM", 17_480),
    ("TSLA", 31_650),
    ("TSM", 22_740),
    ("UBER", 9_120),
    ("V", 35_290),
    ("WMT", 9_810),
    ("XOM", 10_870),
];

/// How far a price goes in one step, as a share of it: two steps a second make a fifth of a per cent in a minute.
const STRIDE: f64 = 0.000_35;

/// How strongly a price is drawn back to that of the opening, so that it stays plausible for days.
const PULL: f64 = 0.000_05;

/// The lowest price, in cents.
const LOWEST: f64 = 100.0;

/// The prices, and what chooses the next.
#[derive(Debug)]
pub(super) struct Market {
    rng: Rng,
    /// In whole cents, by the symbol's place in [`LISTING`].
    cents: Vec<f64>,
    /// The symbols that are still to move in this round, the next one last.
    round: Vec<usize>,
}

impl Market {
    /// A market at its opening.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            cents: LISTING.map(|(_, cents)| f64::from(cents)).into(),
            round: Vec::new(),
        }
    }

    /// Moves the price of the next symbol, and returns the symbol's place. In a round each symbol moves once, in an order of its
    /// own.
    pub(super) fn step(&mut self) -> usize {
        if self.round.is_empty() {
            self.round.extend(0..LISTING.len());
            self.rng.shuffle(&mut self.round);
        }
        let index = self.round.pop().unwrap_or_default();
        self.move_price(index);
        index
    }

    /// Moves the price of one symbol.
    pub(super) fn move_price(&mut self, index: usize) {
        let opening = f64::from(LISTING[index].1);
        let cents = self.cents[index];
        // The sum of four even numbers is close to a normal one.
        let drift: f64 = (0..4).map(|_| self.rng.f64() - 0.5).sum();
        let moved = cents * (1.0 + STRIDE * drift + PULL * (opening / cents - 1.0));
        // A step below half a cent would never be taken.
        let rounded = if self.rng.bool() {
            moved.ceil()
        } else {
            moved.floor()
        };
        self.cents[index] = rounded.max(LOWEST);
    }

    /// The price of a symbol.
    pub(super) fn price(&self, index: usize) -> f64 {
        self.cents[index] / 100.0
    }

    /// The market goes on from this price, which an earlier run or another server has published.
    pub(super) fn set_price(&mut self, index: usize, price: f64) {
        if price.is_finite() {
            self.cents[index] = (price * 100.0).round().max(LOWEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn walk(seed: u64, steps: usize) -> Vec<(usize, f64)> {
        let mut market = Market::new(seed);
        let steps = (0..steps).map(|_| {
            let index = market.step();
            (index, market.price(index))
        });
        steps.collect()
    }

    #[test]
    fn equal_seeds_give_equal_prices_and_others_do_not() {
        assert_eq!(walk(7, 1_000), walk(7, 1_000));
        assert_ne!(walk(7, 1_000), walk(8, 1_000));
    }

    #[test]
    fn each_symbol_moves_once_in_a_round() {
        let steps = walk(1, 2 * LISTING.len());
        for round in steps.chunks(LISTING.len()) {
            let moved: HashSet<usize> = round.iter().map(|(index, _)| *index).collect();
            assert_eq!(moved.len(), LISTING.len());
        }
    }

    #[test]
    fn prices_move_and_stay_plausible_for_an_hour() {
        const STEPS: usize = 2 * 3_600 * LISTING.len();
        let mut market = Market::new(3);
        let mut moves = 0;
        for _ in 0..STEPS {
            let before = market.cents.clone();
            let index = market.step();
            moves += usize::from(before[index] != market.cents[index]);
            let opening = f64::from(LISTING[index].1) / 100.0;
            let share = market.price(index) / opening;
            assert!(
                (0.8..1.25).contains(&share),
                "{}: {share}",
                LISTING[index].0
            );
        }
        assert!(moves > STEPS * 3 / 4, "most steps change a price: {moves}");
    }

    #[test]
    fn a_market_goes_on_from_a_price_that_was_published() {
        let mut market = Market::new(1);
        market.set_price(4, 12.345);
        assert_eq!(market.price(4), 12.35);
        market.set_price(4, f64::NAN);
        assert_eq!(market.price(4), 12.35);
        market.set_price(4, -1.0);
        assert_eq!(market.price(4), 1.0);
    }

    #[test]
    fn the_listing_is_sorted_and_names_topics() {
        assert!(
            LISTING
                .iter()
                .all(|(symbol, _)| super::super::check_symbol(symbol).is_ok())
        );
        let names: HashSet<&str> = LISTING.iter().map(|(symbol, _)| *symbol).collect();
        assert_eq!(names.len(), LISTING.len());
        assert!(LISTING.is_sorted());
    }
}
