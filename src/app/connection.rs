//! The connection's states and what leads from one to the next, as plain data and one pure function. Leaves doing what
//! a [`ConnectionEffect`] says to [`super::live`], and the words to [`super::messages`].

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
    /// The stream was lost; the browser or the page works on a new one.
    Reconnecting(Retry),
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

/// Why a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The reader pressed Disconnect.
    Reader,
    /// The server refused.
    Refused(Refusal),
}

/// What can happen to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// The page has come to life, or the reader pressed Reconnect.
    Connect,
    /// The stream is open.
    Opened,
    /// The stream broke, and the browser tries again by itself.
    Lost,
    /// The stream broke, or was refused, and the browser does not try again.
    GivenUp,
    /// The server has been asked why.
    Probed(ProbeResult),
    /// The stream said that the topic has ended.
    Ended,
    /// The wait is over.
    WaitOver,
    /// Nothing came for much longer than the server announced: the stream is dead, but neither end has closed it.
    Silent,
    /// The reader pressed Try now.
    TryNow,
    /// The reader pressed Disconnect.
    Disconnect,
}

/// What the server says when it is asked why there is no stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeResult {
    /// There will be no more events.
    Ended,
    /// Not for this page, or not like this; asking again changes nothing.
    Refused(Refusal),
    /// Not now: no answer, or one that speaks of trouble that passes.
    NotNow,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionEffect {
    /// Nothing.
    None,
    /// Drop what there is and open a stream from the last id.
    Open,
    /// Drop what there is.
    Close,
    /// Ask the server why there is no stream.
    Probe,
    /// Wait, then open.
    Wait,
}

impl Connection {
    /// The state's name, which the stylesheet and tests know it by.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Snapshot => "snapshot",
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Reconnecting(_) => "reconnecting",
            Self::Ended => "ended",
            Self::Closed(_) => "closed",
        }
    }

    /// Whether the reader can only reconnect, not disconnect.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Ended | Self::Closed(_))
    }

    /// What follows when something happens. What comes too late, such as an answer after a disconnect, changes
    /// nothing.
    pub fn after(&self, event: ConnectionEvent) -> (Self, ConnectionEffect) {
        let trying = matches!(self, Self::Connecting | Self::Live | Self::Reconnecting(_));
        match event {
            ConnectionEvent::Connect => (Self::Connecting, ConnectionEffect::Open),
            ConnectionEvent::Disconnect if *self != Self::Ended => {
                (Self::Closed(Reason::Reader), ConnectionEffect::Close)
            }
            ConnectionEvent::Opened if trying => (Self::Live, ConnectionEffect::None),
            ConnectionEvent::Lost if trying => {
                (Self::Reconnecting(Retry::Browser), ConnectionEffect::None)
            }
            ConnectionEvent::GivenUp if trying => {
                (Self::Reconnecting(Retry::Asking), ConnectionEffect::Probe)
            }
            ConnectionEvent::Silent if trying => {
                (Self::Reconnecting(Retry::Opening), ConnectionEffect::Open)
            }
            ConnectionEvent::TryNow if matches!(self, Self::Reconnecting(_)) => {
                (Self::Reconnecting(Retry::Opening), ConnectionEffect::Open)
            }
            ConnectionEvent::WaitOver if *self == Self::Reconnecting(Retry::Waiting) => {
                (Self::Reconnecting(Retry::Opening), ConnectionEffect::Open)
            }
            ConnectionEvent::Ended if trying => (Self::Ended, ConnectionEffect::Close),
            ConnectionEvent::Probed(answer) if *self == Self::Reconnecting(Retry::Asking) => {
                match answer {
                    ProbeResult::Ended => (Self::Ended, ConnectionEffect::Close),
                    ProbeResult::Refused(refusal) => (
                        Self::Closed(Reason::Refused(refusal)),
                        ConnectionEffect::Close,
                    ),
                    ProbeResult::NotNow => {
                        (Self::Reconnecting(Retry::Waiting), ConnectionEffect::Wait)
                    }
                }
            }
            _ => (self.clone(), ConnectionEffect::None),
        }
    }
}

impl ProbeResult {
    /// Reads a response to the same request that the stream makes. `code` and `detail` are what its problem document says.
    pub fn from_response(
        status: u16,
        is_event_stream: bool,
        code: Option<String>,
        detail: Option<String>,
    ) -> Self {
        match status {
            204 => Self::Ended,
            // The stream is there after all: the page tries again, but not in a tight loop.
            200 if is_event_stream => Self::NotNow,
            // Request Timeout, Too Early, Too Many Requests: the 4xx that pass by themselves.
            408 | 425 | 429 | 500.. => Self::NotNow,
            _ => Self::Refused(Refusal {
                status,
                code: code.unwrap_or_default(),
                detail: detail.unwrap_or_default(),
            }),
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

impl ReadyState {
    /// Reads the standard's number.
    pub fn from_number(number: u16) -> Self {
        match number {
            0 => Self::Connecting,
            1 => Self::Open,
            _ => Self::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKING: Connection = Connection::Reconnecting(Retry::Asking);
    const BROWSER: Connection = Connection::Reconnecting(Retry::Browser);
    const OPENING: Connection = Connection::Reconnecting(Retry::Opening);
    const WAITING: Connection = Connection::Reconnecting(Retry::Waiting);

    fn all_states() -> Vec<Connection> {
        vec![
            Connection::Snapshot,
            Connection::Connecting,
            Connection::Live,
            ASKING,
            BROWSER,
            OPENING,
            WAITING,
            Connection::Ended,
            Connection::Closed(Reason::Reader),
        ]
    }

    #[test]
    fn an_ordinary_day() {
        let (state, step) = Connection::Snapshot.after(ConnectionEvent::Connect);
        assert_eq!(
            (&state, step),
            (&Connection::Connecting, ConnectionEffect::Open)
        );
        let (state, step) = state.after(ConnectionEvent::Opened);
        assert_eq!((&state, step), (&Connection::Live, ConnectionEffect::None));
        let (state, step) = state.after(ConnectionEvent::Lost);
        assert_eq!((&state, step), (&BROWSER, ConnectionEffect::None));
        assert_eq!(
            state.after(ConnectionEvent::Opened),
            (Connection::Live, ConnectionEffect::None)
        );
    }

    #[test]
    fn when_the_browser_gives_up_the_server_is_asked_why() {
        assert_eq!(
            Connection::Live.after(ConnectionEvent::GivenUp),
            (ASKING, ConnectionEffect::Probe)
        );
        assert_eq!(
            ASKING.after(ConnectionEvent::Probed(ProbeResult::Ended)),
            (Connection::Ended, ConnectionEffect::Close)
        );
        assert_eq!(
            ASKING.after(ConnectionEvent::Probed(ProbeResult::NotNow)),
            (WAITING, ConnectionEffect::Wait)
        );
        assert_eq!(
            WAITING.after(ConnectionEvent::WaitOver),
            (OPENING, ConnectionEffect::Open)
        );
        let refusal = Refusal {
            status: 403,
            code: "forbidden".to_owned(),
            detail: "no".to_owned(),
        };
        assert_eq!(
            ASKING.after(ConnectionEvent::Probed(ProbeResult::Refused(
                refusal.clone()
            ))),
            (
                Connection::Closed(Reason::Refused(refusal)),
                ConnectionEffect::Close
            )
        );
    }

    #[test]
    fn who_has_disconnected_stays_disconnected() {
        let closed = Connection::Closed(Reason::Reader);
        for late in [
            ConnectionEvent::Opened,
            ConnectionEvent::Lost,
            ConnectionEvent::GivenUp,
            ConnectionEvent::Silent,
            ConnectionEvent::WaitOver,
            ConnectionEvent::TryNow,
            ConnectionEvent::Probed(ProbeResult::NotNow),
        ] {
            assert_eq!(closed.after(late), (closed.clone(), ConnectionEffect::None));
        }
        assert_eq!(
            closed.after(ConnectionEvent::Connect),
            (Connection::Connecting, ConnectionEffect::Open)
        );
    }

    #[test]
    fn the_end_is_the_end() {
        assert_eq!(
            Connection::Live.after(ConnectionEvent::Ended),
            (Connection::Ended, ConnectionEffect::Close)
        );
        for late in [
            ConnectionEvent::Lost,
            ConnectionEvent::Silent,
            ConnectionEvent::TryNow,
            ConnectionEvent::Disconnect,
        ] {
            assert_eq!(
                Connection::Ended.after(late),
                (Connection::Ended, ConnectionEffect::None)
            );
        }
    }

    #[test]
    fn silence_reopens_whatever_the_browser_believes() {
        for state in [Connection::Live, Connection::Connecting, BROWSER] {
            assert_eq!(
                state.after(ConnectionEvent::Silent),
                (OPENING, ConnectionEffect::Open)
            );
        }
    }

    #[test]
    fn try_now_works_in_every_kind_of_reconnecting_and_nowhere_else() {
        for state in all_states() {
            let reconnecting = matches!(state, Connection::Reconnecting(_));
            assert_eq!(
                state.after(ConnectionEvent::TryNow).1 == ConnectionEffect::Open,
                reconnecting,
                "{state:?}"
            );
        }
    }

    #[test]
    fn an_answer_counts_only_while_one_is_awaited() {
        for state in all_states().into_iter().filter(|state| *state != ASKING) {
            assert_eq!(
                state.after(ConnectionEvent::Probed(ProbeResult::Ended)),
                (state.clone(), ConnectionEffect::None)
            );
        }
    }

    #[test]
    fn a_response_says_whether_to_come_back() {
        assert_eq!(
            ProbeResult::from_response(204, false, None, None),
            ProbeResult::Ended
        );
        assert_eq!(
            ProbeResult::from_response(200, true, None, None),
            ProbeResult::NotNow
        );
        for passing in [408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(
                ProbeResult::from_response(passing, false, None, None),
                ProbeResult::NotNow
            );
        }
        let [code, words] = ["unknown-topic", "no such topic"].map(|text| Some(text.to_owned()));
        assert_eq!(
            ProbeResult::from_response(404, false, code, words),
            ProbeResult::Refused(Refusal {
                status: 404,
                code: "unknown-topic".to_owned(),
                detail: "no such topic".to_owned()
            })
        );
        for status in [200, 403] {
            let [code, detail] = [const { String::new() }; 2];
            assert_eq!(
                ProbeResult::from_response(status, false, None, None),
                ProbeResult::Refused(Refusal {
                    status,
                    code,
                    detail
                })
            );
        }
    }
}
