//! Lines in the log about clients that are refused or slow. Each kind of notice writes at most a few lines in a window of time:
//! one per client address, for the first few addresses. Further notices are counted, and a line says how many they were.

use std::fmt;
use std::time::Duration;

use axum::http::StatusCode;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::server::http::client_address::ClientAddress;

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(10);

/// How many addresses have a line of their own in one window.
const LINES: usize = 8;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 401 and 403: no token, or one that does not hold or does not allow it; or a page of another origin.
    NotAllowed,
    /// 429 and 503: too much, too often.
    OverLimit,
    /// A connection that was closed at once.
    Connection,
    /// A stream that was not opened.
    Stream,
    /// A reader that took nothing for too long.
    LagPolicy,
}

const KINDS: [Kind; 5] = [
    Kind::NotAllowed,
    Kind::OverLimit,
    Kind::Connection,
    Kind::Stream,
    Kind::LagPolicy,
];

/// A window for each kind, in the order of [`KINDS`]. They belong to the process, as the log does.
static WINDOWS: [Mutex<Window>; KINDS.len()] = [const { Mutex::new(Window::new()) }; KINDS.len()];

/// What has been written about one kind.
struct Window {
    began: Option<Instant>,
    clients: Vec<Option<ClientAddress>>,
    left_out: u64,
}

impl Window {
    const fn new() -> Self {
        Self {
            began: None,
            clients: Vec::new(),
            left_out: 0,
        }
    }

    /// Whether a line is written about this client now; else it is counted.
    fn admit(&mut self, client: Option<ClientAddress>, now: Instant) -> bool {
        if self.is_over(now) {
            self.began = Some(now);
            self.clients.clear();
        }
        if self.clients.len() < LINES && !self.clients.contains(&client) {
            self.clients.push(client);
            return true;
        }
        self.left_out += 1;
        false
    }

    /// How many have been left out of a window that is over; each is given once.
    fn take_left_out(&mut self, now: Instant) -> u64 {
        if self.is_over(now) {
            std::mem::take(&mut self.left_out)
        } else {
            0
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        self.began.is_none_or(|began| now >= began + WINDOW)
    }
}

impl Kind {
    /// The kind of a refusal by its status, if such refusals are noticed.
    pub(crate) fn of(status: StatusCode) -> Option<Self> {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(Self::NotAllowed),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Some(Self::OverLimit)
            }
            _ => None,
        }
    }

    fn window<T>(self, look: impl FnOnce(&mut Window) -> T) -> T {
        let window = &WINDOWS[self as usize];
        look(&mut window.lock())
    }

    /// Writes a line, unless there have been enough.
    pub(crate) fn notice(self, client: Option<ClientAddress>, text: impl FnOnce() -> String) {
        let now = Instant::now();
        let (left_out, is_written) =
            self.window(|window| (window.take_left_out(now), window.admit(client, now)));
        self.report(left_out);
        if is_written {
            let text = text();
            match client {
                Some(client) => self.log(format_args!("{client}: {}", OneLine(&text))),
                None => self.log(format_args!("{}", OneLine(&text))),
            }
        }
    }

    fn report(self, left_out: u64) {
        if left_out > 0 {
            let what = match self {
                Self::NotAllowed => "requests that were not allowed",
                Self::OverLimit => "requests over a limit",
                Self::Connection => "connections that were closed at once",
                Self::Stream => "streams that were not opened",
                Self::LagPolicy => "slow readers",
            };
            self.log(format_args!("{left_out} more {what}"));
        }
    }

    /// A slow reader is its network's fault, as a rule; the others may need an operator.
    fn log(self, text: fmt::Arguments<'_>) {
        match self {
            Self::LagPolicy => tracing::info!("{text}"),
            _ => tracing::warn!("{text}"),
        }
    }
}

/// Says how many notices have been left out, until `shutdown` is cancelled and once more then.
pub(crate) async fn report_what_was_left_out(shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(WINDOW);
    loop {
        let goes_on = shutdown.run_until_cancelled(ticks.tick()).await.is_some();
        let now = if goes_on {
            Instant::now()
        } else {
            // Every window is over.
            Instant::now() + WINDOW
        };
        for kind in KINDS {
            let left_out = kind.window(|window| window.take_left_out(now));
            kind.report(left_out);
        }
        if !goes_on {
            return;
        }
    }
}

/// A text, part of which may be a client's, as one line.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .split(char::is_control)
            .enumerate()
            .try_for_each(|(number, part)| {
                if number > 0 {
                    f.write_str("\u{fffd}")?;
                }
                f.write_str(part)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u8) -> Option<ClientAddress> {
        Some(ClientAddress::new([192, 0, 2, number].into()))
    }

    #[test]
    fn in_a_window_each_of_the_first_addresses_has_one_line_and_the_others_are_counted() {
        let mut window = Window::new();
        let start = Instant::now();
        for number in 0..20 {
            for _ in 0..5 {
                let is_first = !window.clients.contains(&client(number));
                let is_written = window.admit(client(number), start);
                assert_eq!(is_written, is_first && usize::from(number) < LINES);
            }
        }
        assert_eq!(window.take_left_out(start), 0, "it goes on");
        let after = start + WINDOW;
        assert_eq!(window.take_left_out(after), 100 - LINES as u64);
        assert_eq!(window.take_left_out(after), 0);
        assert!(window.admit(client(19), after));
        assert!(!window.admit(client(19), after));
        assert!(window.admit(None, after));
        assert_eq!(window.clients.len(), 2, "no more than are written about");
    }

    #[test]
    fn every_kind_has_its_window() {
        for (number, kind) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
    }

    #[test]
    fn a_notice_is_one_line() {
        let text = OneLine("a\nb\r\u{1b}[31mc").to_string();
        assert_eq!(text, "a\u{fffd}b\u{fffd}\u{fffd}[31mc");
    }
}
