//! How long the page waits before it tries again by itself, where the browser has given up. Leaves the waiting to the
//! timer that asks.

use std::time::Duration;

/// The waits of one row of failures; the last one repeats. The first is short, since most outages are a restart.
const LADDER_SECONDS: [u32; 6] = [1, 2, 4, 8, 15, 30];

/// The most that chance adds, as a part of the wait: pages that lost their server together shall not return together.
const SPREAD: f64 = 0.25;

/// The wait before the next attempt, after `failures` failed ones. `chance` is a random number from 0 to 1.
pub fn delay(failures: u32, chance: f64) -> Duration {
    let last = LADDER_SECONDS.len() - 1;
    let step = usize::try_from(failures).map_or(last, |step| step.min(last));
    let milliseconds = f64::from(LADDER_SECONDS[step]) * 1_000.0;
    // Positive and small, so that only a fraction gets lost.
    Duration::from_millis((milliseconds * (1.0 + SPREAD * chance.clamp(0.0, 1.0))) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_and_then_stays() {
        let waits: Vec<u64> = (0..8)
            .map(|failures| delay(failures, 0.0).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 15, 30, 30, 30]);
        assert_eq!(delay(u32::MAX, 0.0).as_secs(), 30);
    }

    #[test]
    fn chance_adds_at_most_a_quarter() {
        assert_eq!(delay(2, 1.0), Duration::from_secs(5));
        assert_eq!(delay(2, 7.0), Duration::from_secs(5));
        assert_eq!(delay(2, -1.0), Duration::from_secs(4));
    }
}
