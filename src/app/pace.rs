//! How often the document is updated, and whether a reader can still follow. Plain numbers; leaves clocks and timers to
//! [`super::live`].
//!
//! An update that took long is followed by a rest in proportion, so that updates take at most a part of the main thread
//! whatever the machine and the topic are; input, scrolling and parsing get the rest of it.

use super::log_buffer::Pace;

/// How long the document rests after an update, as a multiple of what the update took.
const REST: f64 = 5.0;

/// The longest rest, in milliseconds.
const LONGEST_REST: f64 = 250.0;

/// Above so many rows a second a topic is busy, and below so many it is calm again.
const BUSY_ABOVE: f64 = 40.0;
const CALM_BELOW: f64 = 20.0;

/// Up to so many rows a second, each can be noticed.
const SLOW_UP_TO: f64 = 10.0;

/// Over how many milliseconds the rate is smoothed.
const SMOOTHED_OVER: f64 = 1_000.0;

/// Measures updates. Moments are in milliseconds, of any clock that does not go back.
#[derive(Debug, Clone, Default)]
pub struct UpdateMeter {
    last_update: f64,
    /// Rows per second.
    rate: f64,
    is_busy: bool,
    rest_until: f64,
}

impl UpdateMeter {
    /// An update begins, with so many rows that have come since the last one.
    pub fn begin(&mut self, now: f64, rows: usize) -> Pace {
        let elapsed = (now - self.last_update).max(1.0);
        self.last_update = now;
        let rows = f64::from(u32::try_from(rows).unwrap_or(u32::MAX));
        let weight = (elapsed / SMOOTHED_OVER).min(1.0);
        self.rate += (rows * 1_000.0 / elapsed - self.rate) * weight;
        let threshold = if self.is_busy { CALM_BELOW } else { BUSY_ABOVE };
        self.is_busy = self.rate > threshold;
        self.pace()
    }

    /// The update that began at `began` is painted.
    pub fn end(&mut self, began: f64, now: f64) {
        self.rest_until = now + ((now - began) * REST).clamp(0.0, LONGEST_REST);
    }

    /// How many milliseconds the next update waits; 0 if it may begin.
    pub fn rest(&self, now: f64) -> f64 {
        (self.rest_until - now).clamp(0.0, LONGEST_REST)
    }

    fn pace(&self) -> Pace {
        if self.is_busy {
            Pace::Busy
        } else if self.rate > SLOW_UP_TO {
            Pace::Calm
        } else {
            Pace::Slow
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_decides_the_pace() {
        let pace_at = |rows: usize| {
            let mut meter = UpdateMeter::default();
            for update in 1..=60 {
                meter.begin(f64::from(update) * 100.0, rows);
            }
            meter.pace()
        };
        assert_eq!(pace_at(0), Pace::Slow);
        assert_eq!(pace_at(1), Pace::Slow);
        assert_eq!(pace_at(3), Pace::Calm);
        assert_eq!(pace_at(5), Pace::Busy);
        assert_eq!(pace_at(200), Pace::Busy);
    }

    #[test]
    fn a_busy_topic_is_calm_again_a_second_after_its_last_row() {
        let mut meter = UpdateMeter::default();
        for update in 1..=20 {
            meter.begin(f64::from(update) * 100.0, 200);
        }
        assert_eq!(meter.begin(2_100.0, 0), Pace::Busy);
        assert_eq!(meter.begin(3_100.0, 0), Pace::Slow);
    }

    #[test]
    fn a_rate_between_both_bounds_keeps_the_pace() {
        let mut meter = UpdateMeter::default();
        for update in 1..=20 {
            assert_ne!(meter.begin(f64::from(update) * 100.0, 3), Pace::Busy);
        }
        for update in 21..=40 {
            meter.begin(f64::from(update) * 100.0, 20);
        }
        for update in 41..=60 {
            assert_eq!(meter.begin(f64::from(update) * 100.0, 3), Pace::Busy);
        }
    }

    #[test]
    fn a_slow_update_is_followed_by_a_rest_in_proportion_and_bounded() {
        let mut meter = UpdateMeter::default();
        assert_eq!(meter.rest(0.0), 0.0);
        meter.end(100.0, 110.0);
        assert_eq!(meter.rest(110.0), 50.0);
        assert_eq!(meter.rest(150.0), 10.0);
        assert_eq!(meter.rest(1_000.0), 0.0);
        meter.end(1_000.0, 9_000.0);
        assert_eq!(meter.rest(9_000.0), LONGEST_REST);
    }
}
