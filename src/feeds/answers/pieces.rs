//! How much text is one event: what comes within a thirtieth of a second, and more as an answer goes on, so that all of its events
//! fit into the topic's history and a reader that loads the page again gets the whole.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two pieces.
const SHORTEST: Duration = Duration::from_millis(33);

/// That of the second third.
const MIDDLE: Duration = Duration::from_millis(330);

/// Events of an answer that are no pieces, and some room.
const OTHER_EVENTS: usize = 4;

/// Text that waits to be published.
pub(super) struct Pieces {
    text: String,
    due: Instant,
    taken: usize,
    /// How many pieces there are at most.
    budget: usize,
    /// The longest time that the answer may take.
    time: Duration,
}

impl Pieces {
    /// Pieces of an answer that takes at most `time`, in a history of so many events.
    pub(super) fn new(history_events: usize, time: Duration) -> Self {
        Self {
            text: String::new(),
            due: Instant::now(),
            taken: 0,
            budget: history_events.saturating_sub(OTHER_EVENTS).max(1),
            time,
        }
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// When the next piece may be published.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// The next piece.
    pub(super) fn take(&mut self) -> String {
        self.taken += 1;
        let third = (self.budget / 3).max(1);
        let wait = match self.taken / third {
            0 => SHORTEST,
            1 => MIDDLE,
            _ => MIDDLE.max(self.time / u32::try_from(third).unwrap_or(u32::MAX)),
        };
        self.due = Instant::now() + wait;
        std::mem::take(&mut self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_fits_into_the_history_however_long_it_takes() {
        for events in [6, 100, 1_000] {
            let time = Duration::from_secs(300);
            let began = Instant::now();
            let mut pieces = Pieces::new(events, time);
            let mut count = 0;
            while began.elapsed() < time {
                pieces.push("a");
                tokio::time::sleep_until(pieces.due()).await;
                pieces.take();
                count += 1;
            }
            assert!(count <= events.max(8), "{count} of {events}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_thirty_pieces_are_due_in_a_second() {
        let began = Instant::now();
        let mut pieces = Pieces::new(1_000, Duration::from_secs(300));
        for _ in 0..31 {
            pieces.push("a");
            tokio::time::sleep_until(pieces.due()).await;
            assert_eq!(pieces.take(), "a");
        }
        assert!(began.elapsed() >= Duration::from_millis(990));
    }
}
