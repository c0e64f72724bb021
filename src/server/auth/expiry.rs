//! When a right ends that a token gives.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The end of a token. It is reached when either clock says so: the monotonic one, by which streams wait, or the wall clock,
/// which may be set while a stream is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry {
    at: Instant,
    wall_clock: SystemTime,
}

impl Expiry {
    /// From seconds since 1970. An end that is too far away for a clock is none.
    pub(crate) fn from_seconds(seconds: f64) -> Option<Self> {
        let since_1970 = Duration::try_from_secs_f64(seconds).ok()?;
        let wall_clock = SystemTime::UNIX_EPOCH.checked_add(since_1970)?;
        let left = wall_clock
            .duration_since(SystemTime::now())
            .unwrap_or(Duration::ZERO);
        Some(Self {
            at: Instant::now().checked_add(left)?,
            wall_clock,
        })
    }

    /// When to look, unless the wall clock is set.
    pub(crate) fn at(self) -> Instant {
        self.at
    }

    /// Whether it is reached.
    pub(crate) fn is_over(self, now: Instant) -> bool {
        now >= self.at || SystemTime::now() >= self.wall_clock
    }
}

/// The wall clock in seconds since 1970; negative before.
pub(crate) fn seconds_since_1970(at: SystemTime) -> f64 {
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => since.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_is_set_forward_ends_a_token_too() {
        let now = Instant::now();
        let in_an_hour = Expiry {
            at: now + Duration::from_secs(3_600),
            wall_clock: SystemTime::now() + Duration::from_secs(3_600),
        };
        assert!(!in_an_hour.is_over(now));
        assert!(in_an_hour.is_over(now + Duration::from_secs(3_600)));
        let clock_was_set = Expiry {
            wall_clock: SystemTime::now() - Duration::from_secs(1),
            ..in_an_hour
        };
        assert!(clock_was_set.is_over(now));
    }

    #[test]
    fn a_clock_before_1970_gives_a_negative_number() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_millis(1_500);
        assert_eq!(seconds_since_1970(before), -1.5);
        let after = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(seconds_since_1970(after), 1.5);
    }

    #[test]
    fn an_end_that_no_clock_reaches_is_none() {
        assert_eq!(Expiry::from_seconds(f64::NAN), None);
        assert_eq!(Expiry::from_seconds(1e30), None);
        assert!(Expiry::from_seconds(0.0).is_some_and(|end| end.is_over(Instant::now())));
    }
}
