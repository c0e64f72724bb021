//! Reads the clock's messages: `hello, now is: 2026-11-22T16:12:37.123+00:00` becomes the parts that the large clock
//! shows. A pure function of the text, never of the reader's own clock, locale or time zone, so that server and browser
//! render the same.

/// A moment as the large clock shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockText {
    /// The moment as RFC 3339, for `<time datetime>`.
    pub datetime: String,
    /// The day; how a language writes it is in [`super::texts`].
    pub date: Date,
    /// Such as `16:12:37`.
    pub time: String,
    /// The fraction with its point, such as `.123`; empty if there is none.
    pub fraction: String,
    /// Such as `UTC+01:00`.
    pub offset: String,
}

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// 0 to 9999.
    pub year: usize,
    /// 1 to 12.
    pub month: usize,
    /// 1 to 31.
    pub day: usize,
    /// 0 for Sunday, to 6.
    pub weekday: usize,
}

impl ClockText {
    /// Finds the moment that a text ends with. `None` if it ends with none: any publisher may write any text, and the
    /// page then shows the text itself.
    pub fn read(text: &str) -> Option<Self> {
        let datetime = text.split_whitespace().next_back()?;
        // A multi-byte character would make slicing by position panic; no moment has one.
        if !datetime.is_ascii() || datetime.len() < "2026-11-22T16:12:37Z".len() {
            return None;
        }
        let (date, rest) = datetime.split_at(10);
        let (time, rest) = rest.strip_prefix(['T', 't'])?.split_at(8);
        let offset_at = rest.find(['Z', 'z', '+', '-'])?;
        let (fraction, offset) = rest.split_at(offset_at);

        Some(Self {
            datetime: datetime.to_owned(),
            date: Date::read(date)?,
            time: matches_pattern(time, "00:00:00").then(|| time.to_owned())?,
            fraction: is_fraction(fraction).then(|| fraction.to_owned())?,
            offset: match offset {
                "Z" | "z" => "UTC".to_owned(),
                _ => matches_pattern(&offset[1..], "00:00").then(|| format!("UTC{offset}"))?,
            },
        })
    }
}

impl Date {
    /// Reads a date such as `2026-11-22`.
    pub fn read(text: &str) -> Option<Self> {
        if !matches_pattern(text, "0000-00-00") {
            return None;
        }
        let year: usize = text[..4].parse().ok()?;
        let month: usize = text[5..7].parse().ok()?;
        let day: usize = text[8..].parse().ok()?;
        let exists = (1..=12).contains(&month) && (1..=31).contains(&day);
        exists.then(|| Self {
            year,
            month,
            day,
            weekday: weekday(year, month, day),
        })
    }
}

/// The day of the week, 0 for Sunday (Sakamoto's method; `month` is 1 to 12).
fn weekday(year: usize, month: usize, day: usize) -> usize {
    const SHIFT: [usize; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
    // A whole cycle of 400 years later every date falls on the same day; it keeps year 0 from going below zero.
    let year = if month < 3 { year + 399 } else { year + 400 };
    (year + year / 4 - year / 100 + year / 400 + SHIFT[month - 1] + day) % 7
}

/// Whether `text` looks like `pattern`, in which `0` stands for any digit.
fn matches_pattern(text: &str, pattern: &str) -> bool {
    text.len() == pattern.len()
        && text
            .bytes()
            .zip(pattern.bytes())
            .all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                _ => byte == wanted,
            })
}

fn is_fraction(text: &str) -> bool {
    match text.strip_prefix('.') {
        Some(digits) => !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()),
        None => text.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_message_is_taken_apart() {
        let clock = ClockText::read("hello, now is: 2026-11-22T16:12:37.123+01:00");
        let expected = ClockText {
            datetime: "2026-11-22T16:12:37.123+01:00".to_owned(),
            date: Date {
                year: 2026,
                month: 11,
                day: 22,
                weekday: 0,
            },
            time: "16:12:37".to_owned(),
            fraction: ".123".to_owned(),
            offset: "UTC+01:00".to_owned(),
        };
        assert_eq!(clock, Some(expected));
    }

    #[test]
    fn utc_and_whole_seconds_are_moments_too() {
        let clock = ClockText::read("2024-02-29T00:00:00Z")
            .map(|clock| (clock.date.weekday, clock.fraction, clock.offset));
        assert_eq!(clock, Some((4, String::new(), "UTC".to_owned())));
    }

    #[test]
    fn weekdays_are_right_across_leap_years() {
        assert_eq!(weekday(1970, 1, 1), 4);
        assert_eq!(weekday(2000, 2, 29), 2);
        assert_eq!(weekday(2000, 3, 1), 3);
        assert_eq!(weekday(2100, 3, 1), 1);
        // A publisher may send year 0, which must not panic.
        assert_eq!(weekday(0, 1, 1), 6);
    }

    #[test]
    fn any_other_text_is_no_moment() {
        for text in [
            "",
            "hello",
            "hello, now is: soon",
            "2026-11-22 16:12:37.123+00:00",
            "2026-13-22T16:12:37.123+00:00",
            "2026-00-22T16:12:37.123+00:00",
            "2026-11-00T16:12:37.123+00:00",
            "2026-11-22T16.12.37.123+00:00",
            "2026-11-22T16:12:37,123+00:00",
            "2026-11-22T16:12:37.+00:00",
            "2026-11-22T16:12:37.123+0000",
            "2026-11-22T16:12:37.123456789",
            "二〇二六年十一月二十二日十六時十二分",
            "2026-11-22Té16:12:37.123+00:00",
        ] {
            assert_eq!(ClockText::read(text), None, "{text:?}");
        }
    }
}
