//! Where a page stands towards its event stream, as plain data. What leads from one state to the next is decided in
//! `public/fairwind.js`, since all pages of a browser share one stream; the words are [`super::texts`]'s.

use crate::protocol::page::Refusal;

/// Where the page stands towards the event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// As the server rendered it: nothing has been connected yet.
    Snapshot,
    /// The first attempt, or one that the reader asked for after a close.
    Connecting,
    /// Events arrive as they happen.
    Live,
    /// Something on the way holds the stream back: the page asks every few seconds.
    Polling,
    /// The stream was lost, and is being replaced.
    Reconnecting(Retry, Option<Cause>),
    /// The server said that there will be no more events.
    Ended,
    /// Neither the browser nor the page tries again.
    Closed(Reason),
}

/// How a lost stream is being replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The browser, by itself; when it tries next cannot be observed.
    Browser,
    /// The page is opening a new stream.
    Opening,
    /// The browser gave up without a reason, and the page asks the server for it.
    Asking,
    /// The page waits before it opens a new stream.
    Waiting,
}

/// Why a stream was lost, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The browser says that it has no network.
    Offline,
    /// The machine has slept.
    Sleep,
    /// The stream was open, and nothing came for longer than the server announced.
    Silence,
}

/// Why a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The reader pressed Disconnect.
    Reader,
    /// The server refused.
    Refused(Refusal),
}

impl Connection {
    /// The state's name, which the stylesheet and tests know it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Polling => "polling",
            Self::Reconnecting(..) => "reconnecting",
            Self::Ended => "ended",
            Self::Closed(_) => "closed",
        }
    }

    /// Whether the reader can only reconnect, not disconnect.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Ended | Self::Closed(_))
    }

    /// Whether what the page shows of the topic is up to date.
    pub fn is_current(&self) -> bool {
        matches!(self, Self::Snapshot | Self::Live | Self::Polling)
    }

    /// The `readyState` of the stream that the page shares.
    pub fn ready_state(&self) -> ReadyState {
        match self {
            Self::Live => ReadyState::Open,
            Self::Connecting | Self::Reconnecting(Retry::Browser | Retry::Opening, _) => {
                ReadyState::Connecting
            }
            Self::Snapshot
            | Self::Polling
            | Self::Reconnecting(Retry::Asking | Retry::Waiting, _)
            | Self::Ended
            | Self::Closed(_) => ReadyState::Closed,
        }
    }
}

/// The `readyState` of an EventSource, as the standard numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyState {
    /// 0: connecting, or waiting to reconnect.
    Connecting,
    /// 1: open.
    Open,
    /// 2: closed, and not trying again.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_state_is_that_of_an_event_source_in_each_state() {
        let retrying = |retry| Connection::Reconnecting(retry, None).ready_state();
        assert_eq!(Connection::Live.ready_state(), ReadyState::Open);
        assert_eq!(retrying(Retry::Browser), ReadyState::Connecting);
        assert_eq!(retrying(Retry::Opening), ReadyState::Connecting);
        assert_eq!(retrying(Retry::Waiting), ReadyState::Closed);
        assert_eq!(Connection::Ended.ready_state(), ReadyState::Closed);
    }
}
