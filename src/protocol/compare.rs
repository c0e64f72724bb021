//! What server and browser must agree on for the page that compares an EventSource with a WebSocket: its paths, and the
//! events that both connections carry.

use std::fmt;

/// The page, and what stands below it for each comparison; see [`path`].
pub const COMPARE_PATH: &str = "/compare";

/// The event stream of a comparison.
pub const EVENTS: &str = "events";

/// Its WebSocket.
pub const SOCKET: &str = "socket";

/// What the server has counted of both, as JSON.
pub const NUMBERS: &str = "numbers";

/// Where a page posts what is beside the EventSource the counterpart of a WebSocket's frame.
pub const SEND: &str = "send";

/// The most that a page may send to the server, in bytes of UTF-8.
pub const MAX_SENT_BYTES: usize = 1_024;

/// How many events a burst has.
pub const BURST_EVENTS: usize = 1_000;

/// How long the server stops when it is asked to, in seconds.
pub const HOLD_SECONDS: u64 = 5;

/// What a page asks the server to do with its two connections, by `POST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Experiment {
    /// End both.
    Cut,
    /// Send nothing on either for [`HOLD_SECONDS`].
    Hold,
    /// Publish [`BURST_EVENTS`] events at once.
    Burst,
    /// End the event stream, and answer the next request for it with 204.
    Refuse,
}

impl Experiment {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cut, Self::Hold, Self::Burst, Self::Refuse];

    /// The last segment of its path.
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Hold => "hold",
            Self::Burst => "burst",
            Self::Refuse => "refuse",
        }
    }
}

/// Where something of a comparison is, from the root of the server on.
pub fn path(id: &str, segment: &str) -> String {
    format!("{COMPARE_PATH}/{id}/{segment}")
}

/// What the page is rendered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparePage {
    /// Scheme and authority under which the reader reached the server, such as `http://127.0.0.1:8080`.
    pub origin: String,
    /// Names the page's comparison. No one who does not have the page can guess it.
    pub id: String,
}

/// The data of an event: its number, when the server published it, and the run that the number belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick<'a> {
    /// 1 for the first event of a run.
    pub number: u64,
    /// The time of day as RFC 3339 in UTC with milliseconds.
    pub time: &'a str,
    /// Changes when the server begins to count anew.
    pub run: &'a str,
}

impl<'a> Tick<'a> {
    /// Reads an event's data; `None` if it is none of a comparison's.
    pub fn read(data: &'a str) -> Option<Self> {
        let mut words = data.split(' ');
        let number = words.next()?.parse().ok()?;
        let tick = Self {
            number,
            time: words.next()?,
            run: words.next()?,
        };
        words.next().is_none().then_some(tick)
    }
}

impl fmt::Display for Tick<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.number, self.time, self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_read_as_it_was_written() {
        let tick = Tick {
            number: 12,
            time: "2026-11-26T16:12:37.123Z",
            run: "mf3z",
        };
        let data = tick.to_string();
        assert_eq!(data, "12 2026-11-26T16:12:37.123Z mf3z");
        assert_eq!(Tick::read(&data), Some(tick));
        for other in [
            "",
            "12",
            "12 now",
            "x now run",
            "12 now run more",
            "-1 now run",
        ] {
            assert_eq!(Tick::read(other), None, "{other:?}");
        }
    }
}
