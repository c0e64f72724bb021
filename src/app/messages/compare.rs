//! The words of the page that compares an EventSource with a WebSocket: its labels, what happened in an experiment, and the
//! article's claims beside what the standards say. Pure functions of data.

use super::number;
use crate::app::comparison::{Attempt, Counted, Link, OfSide, Outcome, Race, Sent, Shown, Side};
use crate::protocol::compare::{BURST_EVENTS, Experiment, HOLD_SECONDS};

/// Link to the page.
pub const LINK: &str = "Compare";
/// Title of the page.
pub const TITLE: &str = "EventSource and WebSocket, measured";
/// Heading of the page.
pub const HEADING: &str = "EventSource and WebSocket, side by side";
/// What one sees, and what to try.
pub const LEDE: &str = "Both are open on one topic, and the server publishes a numbered event to it each second. See what each event costs, which connection has it first, and what happens when one breaks: cut both, and watch which comes back.";
/// The first link of the page.
pub const SKIP: &str = "Skip to the experiments";
/// In place of what is measured, for a reader without JavaScript.
pub const WITHOUT_SCRIPT_HTML: &str = "<p>Measuring needs JavaScript: an EventSource and a WebSocket are opened by a script. What holds of both stands below, with its sources, and two commands that open the same connections from a terminal.</p>";

/// Name of a connection.
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::EventSource => "EventSource",
        Side::WebSocket => "WebSocket",
    }
}

/// What a connection is doing, in one word.
pub const fn link_word(link: Link) -> &'static str {
    match link {
        Link::Waiting => "Waiting",
        Link::Connecting => "Connecting",
        Link::Open => "Open",
        Link::Reconnecting => "Reconnecting",
        Link::Lost => "Lost",
        Link::Closed => "Closed",
    }
}

/// The same in a sentence.
pub const fn link_detail(side: Side, link: Link) -> &'static str {
    match (side, link) {
        (_, Link::Waiting) => "It opens when the page has come alive.",
        (_, Link::Connecting) => "The browser opens it.",
        (Side::EventSource, Link::Open) => "One response of the server, which goes on.",
        (Side::WebSocket, Link::Open) => "One connection, on which both sides send frames.",
        (Side::EventSource, Link::Reconnecting) => {
            "The browser opens it again by itself, and names the last event that it had."
        }
        (Side::WebSocket, Link::Reconnecting) => "The page opens it again.",
        (Side::EventSource, Link::Lost) => {
            "The browser has given up: the answer was no event stream. A page has to open another."
        }
        (Side::WebSocket, Link::Lost) => {
            "The browser does not open it again: a page has to do that itself."
        }
        (_, Link::Closed) => "You have closed it.",
    }
}

/// Name of a stat.
pub const STAT_RECEIVED: &str = "Events received";
/// Name of a stat.
pub const STAT_MISSED: &str = "Events missed";
/// Name of a stat.
pub const STAT_EACH: &str = "Bytes for one event";
/// Name of a stat.
pub const STAT_ALL: &str = "Bytes in all";
/// In place of a number that is not there yet.
pub const NONE: &str = "–";

/// The bytes on the wire for one event, and how many of them are its data.
pub fn bytes_of_each(counted: &Counted) -> String {
    match (
        counted.messages,
        each(counted.message_bytes, counted),
        each(counted.data_bytes, counted),
    ) {
        (0, ..) => NONE.to_owned(),
        (_, bytes, data) => format!("{} ({} of data)", number(bytes), number(data)),
    }
}

/// All bytes after the head of the response.
pub fn bytes_in_all(counted: &Counted) -> String {
    match counted.opened {
        0 => NONE.to_owned(),
        _ => number(counted.message_bytes + counted.other_bytes),
    }
}

fn each(bytes: u64, counted: &Counted) -> u64 {
    (bytes + counted.messages / 2) / counted.messages.max(1)
}

/// What an event has beside its data in an event stream.
pub fn beside_source(_counted: &Counted) -> String {
    "Beside the data: the names of the fields, the event’s id and, on HTTP/1.1, the head of a chunk.".to_owned()
}

/// What it has on the WebSocket.
pub fn beside_socket(counted: &Counted) -> String {
    let alone = match counted.messages {
        0 => String::new(),
        _ => format!(
            " A frame with nothing but the data would have {}.",
            number(FRAME_HEAD + each(counted.data_bytes, counted))
        ),
    };
    format!(
        "Beside the data: the head of a frame, and the JSON in which this server sends id, topic and type, which WebSocket does not have.{alone}"
    )
}

/// The head of a server’s frame with up to 125 bytes; RFC 6455, section 5.2.
const FRAME_HEAD: u64 = 2;

/// Button of a connection that is open, or opens.
pub const CLOSE: &str = "Close";
/// Button of one that does not.
pub const OPEN: &str = "Open it again";

/// Button: the numbers stand still, or go on.
pub const fn pause(is_paused: bool) -> &'static str {
    if is_paused { "Resume" } else { "Pause" }
}

/// Heading of the plot.
pub const RACE_HEADING: &str = "Which had each event first?";
/// Under the left half of the plot.
pub const RACE_LEFT: &str = "← EventSource first";
/// Under its middle.
pub const RACE_MIDDLE: &str = "same time";
/// Under the right half of the plot.
pub const RACE_RIGHT: &str = "WebSocket first →";
/// Name of the plot for those who do not see it; the sentence under it says the rest.
pub const RACE_PLOT: &str = "Bars: how often which connection was first, and by how much";
/// The bounds between the bars of one half, from the middle on.
pub const RACE_BOUNDS: [&str; 6] = ["0.1", "0.3", "1", "3", "10", "30 ms"];

/// What the plot shows.
pub fn race(race: &Race) -> String {
    let [source, socket] = race.first;
    let all = source + socket + race.same;
    if all == 0 {
        return "No event has come over both yet.".to_owned();
    }
    let lead = match race.median {
        0 => "In the middle they came at the same time.".to_owned(),
        lead => {
            let first = if lead > 0 {
                Side::EventSource
            } else {
                Side::WebSocket
            };
            let lead = u64::from(lead.unsigned_abs());
            format!(
                "In the middle the {} leads by {} ms.",
                side(first),
                tenths(lead)
            )
        }
    };
    format!(
        "Of {} events the EventSource had {} first and the WebSocket {}; {} came at the same time. {lead}",
        number(all),
        number(source),
        number(socket),
        number(race.same)
    )
}

/// What the plot does not show.
pub const RACE_NOTE: &str = "Differences this small come from the order in which one server writes and one browser reads, not from the protocols. A burst is left out.";

/// Heading of the experiments.
pub const EXPERIMENTS_HEADING: &str = "Experiments";
/// Said before any.
pub const EXPERIMENTS_HINT: &str = "The server does each with this page’s two connections only.";

/// Button of an experiment.
pub const fn attempt(attempt: Attempt) -> &'static str {
    match attempt {
        Attempt::Experiment(Experiment::Cut) => "Cut both",
        Attempt::Experiment(Experiment::Hold) => "Stop for 5 s",
        Attempt::Experiment(Experiment::Burst) => "1,000 events",
        Attempt::Experiment(Experiment::Refuse) => "Answer 204",
        Attempt::Send => "Send something",
    }
}

/// What will happen.
pub const fn attempt_text(attempt: Attempt) -> &'static str {
    match attempt {
        Attempt::Experiment(Experiment::Cut) => {
            "The server ends both connections. Which comes back, and what has each missed by then?"
        }
        Attempt::Experiment(Experiment::Hold) => {
            "The server sends nothing for a while. Both stay open; then everything comes at once."
        }
        Attempt::Experiment(Experiment::Burst) => {
            "The server publishes them at once. How long do they take on each connection?"
        }
        Attempt::Experiment(Experiment::Refuse) => {
            "The server ends the event stream and answers the next request for it with 204: do not come back."
        }
        Attempt::Send => {
            "Five letters to the server and back: in a frame of the WebSocket, and by POST beside the EventSource."
        }
    }
}

/// How an attempt goes, or has gone.
pub fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Begun(attempt) => begun(*attempt).to_owned(),
        Outcome::NotOpen(None) => "Neither connection is open: open one first.".to_owned(),
        Outcome::NotOpen(Some(of)) => format!("The {} is not open: open it first.", side(*of)),
        Outcome::CutOver {
            after,
            missed: [source, socket],
            of,
            is_socket_open,
        } => {
            let socket = if *is_socket_open {
                format!("The WebSocket was opened again by hand and missed {socket} of them.")
            } else {
                format!("The WebSocket is closed and has missed {socket} so far: open it again.")
            };
            format!(
                "The EventSource was back by itself after {} s and missed {source} of {of}: the server sent what came meanwhile. {socket}",
                seconds(*after)
            )
        }
        Outcome::HoldOver { silence, missed } => {
            format!(
                "Silence: {}. The connections stayed open, and then came what was published meanwhile: {}.",
                for_each(
                    silence.map(|silence| (silence > 0).then(|| format!("{} s", seconds(silence))))
                ),
                missed_by_each(*missed)
            )
        }
        Outcome::BurstOver { took, missed } => {
            format!(
                "{} events from the first to the last: {}. {}.",
                number(BURST_EVENTS as u64),
                for_each(took.map(|took| took.map(|took| format!("{} ms", tenths(took))))),
                capital(&missed_by_each(*missed))
            )
        }
        Outcome::RefusedForGood { is_socket_open } => {
            let socket = if *is_socket_open {
                " The WebSocket went on: 204 is for the event stream alone."
            } else {
                ""
            };
            format!(
                "The EventSource got 204 and is closed for good: this is how a server says that nothing more will come.{socket}"
            )
        }
        Outcome::SendOver(sent) => {
            let [by_post, by_frame] = sent.map(|sent| sent.map(|sent| sent_text(&sent)));
            let by_frame = by_frame.unwrap_or_else(|| "not open".to_owned());
            let by_post = by_post.unwrap_or_default();
            format!("Over the WebSocket: {by_frame}. By POST beside the EventSource: {by_post}.")
        }
        Outcome::NotDone(detail) if detail.is_empty() => "The server cannot be reached.".to_owned(),
        Outcome::NotDone(detail) => format!("{}.", capital(detail)),
    }
}

const fn begun(attempt: Attempt) -> &'static str {
    match attempt {
        Attempt::Experiment(Experiment::Cut) => {
            "Both are being cut. The EventSource waits for the time that the server has set, and comes back."
        }
        Attempt::Experiment(Experiment::Hold) => "The server sends nothing for now.",
        Attempt::Experiment(Experiment::Burst) => "The events are on their way.",
        Attempt::Experiment(Experiment::Refuse) => {
            "The event stream is being ended. The EventSource asks again soon."
        }
        Attempt::Send => "On the way.",
    }
}

fn for_each([source, socket]: [Option<String>; 2]) -> String {
    let closed = || "not open".to_owned();
    format!(
        "{} on the EventSource, {} on the WebSocket",
        source.unwrap_or_else(closed),
        socket.unwrap_or_else(closed)
    )
}

fn missed_by_each([source, socket]: [u64; 2]) -> String {
    match (source, socket) {
        (0, 0) => "neither missed any".to_owned(),
        _ => format!(
            "the EventSource missed {}, the WebSocket {}",
            number(source),
            number(socket)
        ),
    }
}

fn capital(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// What sending cost.
fn sent_text(sent: &Sent) -> String {
    match sent.bytes {
        0 => format!("answered after {} ms", tenths(sent.tenths)),
        bytes => format!(
            "{} bytes, answered after {} ms",
            number(bytes),
            tenths(sent.tenths)
        ),
    }
}

/// Heading of the handshakes.
pub const HANDSHAKES_HEADING: &str = "The handshakes, as they went";
/// Before there is one.
pub const NO_HANDSHAKE: &str = "Nothing has been asked yet.";

/// Name of a handshake.
pub fn handshake_label(of: Side) -> String {
    format!("Handshake of the {}", side(of))
}

/// The lines of a handshake that matter.
pub fn handshake(counted: &Counted) -> String {
    if counted.request.is_empty() {
        return NO_HANDSHAKE.to_owned();
    }
    format!("{}\n\n{}", counted.request, counted.response)
}

/// Its size.
pub fn handshake_size(counted: &Counted) -> String {
    match (counted.request_bytes, counted.response_bytes) {
        _ if counted.request.is_empty() => NONE.to_owned(),
        (0, _) => "Its heads are compressed by HTTP/2, and not counted.".to_owned(),
        (request, 0) => format!("{} bytes asked, with all headers.", number(request)),
        (request, response) => format!(
            "{} bytes asked, {} bytes answered, with all headers.",
            number(request),
            number(response)
        ),
    }
}

/// Heading of the table.
pub const CLAIMS_HEADING: &str = "What the article says, and what holds";
/// Column of the table.
pub const COLUMN_CLAIM: &str = "The article";
/// Column of the table.
pub const COLUMN_HOLDS: &str = "What holds";
/// Column of the table.
pub const COLUMN_MEASURED: &str = "Measured here";
/// Column of the table.
pub const COLUMN_SOURCE: &str = "Source";

/// A claim of the article, and what holds.
pub struct Claim {
    /// Where the article says it, and what.
    pub says: &'static str,
    /// What is right.
    pub holds: &'static str,
    /// What this page measures of it.
    pub measured: Measured,
    /// Where it stands: names and addresses.
    pub sources: &'static [(&'static str, &'static str)],
}

/// What the page measures of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// The size of a connection's handshake.
    Handshake(Side),
    /// How the EventSource came back.
    CameBack,
    /// What an event costs on each.
    EachEvent,
    /// Which was first.
    Race,
    /// What sending took.
    Sent(Side),
    /// Over which version of HTTP each came.
    Versions,
    /// Nothing.
    Nothing,
}

const SSE: (&str, &str) = (
    "WHATWG HTML 9.2",
    "https://html.spec.whatwg.org/multipage/server-sent-events.html",
);
const MDN: (&str, &str) = (
    "MDN: EventSource",
    "https://developer.mozilla.org/en-US/docs/Web/API/EventSource",
);
const fn rfc(name: &'static str, url: &'static str) -> (&'static str, &'static str) {
    (name, url)
}

/// The claims, in the article's order.
pub const CLAIMS: [Claim; 11] = [
    Claim {
        says: "3.1 EventSource is simple: HTTP, and no complex handshake.",
        holds: "Right. It asks by an ordinary GET, and the response is an ordinary one that does not end.",
        measured: Measured::Handshake(Side::EventSource),
        sources: &[
            SSE,
            rfc(
                "RFC 9112, 7.1",
                "https://www.rfc-editor.org/rfc/rfc9112#section-7.1",
            ),
        ],
    },
    Claim {
        says: "3.1 It reconnects by itself.",
        holds: "Right after a loss, and after an end. It waits for as long as the server’s retry field says and sends Last-Event-ID, so the server can send what was missed. After 204, any other status than 200, or another content type it stays closed.",
        measured: Measured::CameBack,
        sources: &[SSE],
    },
    Claim {
        says: "3.1 It is light: it uses long polling, and suits low bandwidth.",
        holds: "Light, but not by long polling. Long polling answers every message by a response of its own, after which the client asks again. An EventSource asks once, and the one response goes on: an event costs its field names, its id and, on HTTP/1.1, the head of a chunk.",
        measured: Measured::EachEvent,
        sources: &[
            SSE,
            rfc(
                "RFC 6202, 2",
                "https://www.rfc-editor.org/rfc/rfc6202#section-2",
            ),
        ],
    },
    Claim {
        says: "3.1 It works across origins.",
        holds: "Right, under the rules of CORS: the response allows the origin, and cookies go along only withCredentials. A WebSocket works across origins too, but no CORS protects it: the server has to look at Origin itself.",
        measured: Measured::Nothing,
        sources: &[
            SSE,
            rfc(
                "RFC 6455, 10.2",
                "https://www.rfc-editor.org/rfc/rfc6455#section-10.2",
            ),
        ],
    },
    Claim {
        says: "3.2 It goes one way only.",
        holds: "Right for the stream. What a page has to say goes beside it by ordinary requests; on HTTP/2 and later they share its connection.",
        measured: Measured::Sent(Side::EventSource),
        sources: &[
            SSE,
            rfc(
                "RFC 9113, 5",
                "https://www.rfc-editor.org/rfc/rfc9113#section-5",
            ),
        ],
    },
    Claim {
        says: "3.2 Fewer browsers have it.",
        holds: "No longer: every current browser has it. Edge was the last to get it, in January 2020. Internet Explorer never had it; it had the WebSocket.",
        measured: Measured::Nothing,
        sources: &[MDN],
    },
    Claim {
        says: "3.3 WebSocket goes both ways on one connection.",
        holds: "Right: after the handshake either side sends frames whenever it wants to.",
        measured: Measured::Sent(Side::WebSocket),
        sources: &[rfc(
            "RFC 6455, 1.2",
            "https://www.rfc-editor.org/rfc/rfc6455#section-1.2",
        )],
    },
    Claim {
        says: "3.3 It has low latency, and is efficient.",
        holds: "Right, and an EventSource is no slower: both are an open connection on which an event is one write. A frame’s head has 2 to 14 bytes. WebSocket has no ids and no types, so an application that needs them sends them in its data.",
        measured: Measured::Race,
        sources: &[rfc(
            "RFC 6455, 5.2",
            "https://www.rfc-editor.org/rfc/rfc6455#section-5.2",
        )],
    },
    Claim {
        says: "3.3 It suits large and complex applications.",
        holds: "It suits those that send much both ways. How many clients a server bears is a matter of the server: either costs it one open connection. A browser opens six HTTP/1.1 connections to a host, so many tabs with an EventSource want HTTP/2, where they are streams of one.",
        measured: Measured::Versions,
        sources: &[
            MDN,
            rfc(
                "RFC 9113, 5.1.2",
                "https://www.rfc-editor.org/rfc/rfc9113#section-5.1.2",
            ),
        ],
    },
    Claim {
        says: "3.4 WebSocket’s handshake is complex.",
        holds: "A little: a GET with Upgrade and a key, answered by 101 and a hash of that key. What follows is a protocol of its own, with frames, masks, pings and close codes, for which both sides need code.",
        measured: Measured::Handshake(Side::WebSocket),
        sources: &[
            rfc(
                "RFC 6455, 4",
                "https://www.rfc-editor.org/rfc/rfc6455#section-4",
            ),
            rfc(
                "RFC 9110, 7.8",
                "https://www.rfc-editor.org/rfc/rfc9110#section-7.8",
            ),
        ],
    },
    Claim {
        says: "3.4 Firewalls and proxies may stop it.",
        holds: "Some do, above all without TLS: Upgrade is for one hop, so each proxy has to be told to pass it on. An event stream passes wherever HTTP does, if no proxy buffers it. On HTTP/2 a WebSocket needs extended CONNECT; this server does not offer that, and a browser then opens a connection with HTTP/1.1.",
        measured: Measured::Versions,
        sources: &[
            rfc("RFC 8441", "https://www.rfc-editor.org/rfc/rfc8441"),
            rfc(
                "RFC 9110, 7.8",
                "https://www.rfc-editor.org/rfc/rfc9110#section-7.8",
            ),
        ],
    },
];

/// In the table where nothing is measured.
pub const NOT_MEASURED: &str = "not measured here";

/// What has been measured of a claim.
pub fn measured(of: Measured, shown: &Shown) -> String {
    let none = || NONE.to_owned();
    let counted = |side: Side| &shown.sides[side.index()].counted;
    match of {
        Measured::Nothing => NOT_MEASURED.to_owned(),
        Measured::Handshake(side) => {
            let counted = counted(side);
            match (
                counted.status,
                counted.request_bytes,
                counted.response_bytes,
            ) {
                (0, ..) => none(),
                (status, 0, _) => format!("{}, status {status}", counted.http),
                (status, request, 0) => format!("{} bytes, status {status}", number(request)),
                (status, request, response) => format!(
                    "{} + {} bytes, status {status}",
                    number(request),
                    number(response)
                ),
            }
        }
        Measured::CameBack => match shown.came_back {
            None => "cut both to see".to_owned(),
            Some((after, missed)) => {
                format!("back after {} s, {} missed", seconds(after), number(missed))
            }
        },
        Measured::EachEvent => {
            let counted = counted(Side::EventSource);
            match (counted.messages, counted.opened) {
                (0, _) => none(),
                (messages, opened) => format!(
                    "{} events by {} requests, {} bytes each",
                    number(messages),
                    number(opened),
                    number(each(counted.message_bytes, counted))
                ),
            }
        }
        Measured::Race => match shown.race {
            Race {
                first: [0, 0],
                same: 0,
                ..
            } => none(),
            Race { median: 0, .. } => "the same time, in the middle".to_owned(),
            Race { median, .. } => {
                let first = if median > 0 {
                    Side::EventSource
                } else {
                    Side::WebSocket
                };
                let lead = tenths(u64::from(median.unsigned_abs()));
                format!("{} first by {lead} ms, in the middle", side(first))
            }
        },
        Measured::Sent(side) => match &shown.sent[side.index()] {
            None => "send something to see".to_owned(),
            Some(sent) => sent_text(sent),
        },
        Measured::Versions => {
            let of = |OfSide { counted, .. }: &OfSide| match counted.http.as_str() {
                "" => none(),
                http => http.to_owned(),
            };
            let [source, socket] = &shown.sides;
            format!("EventSource {}, WebSocket {}", of(source), of(socket))
        }
    }
}

/// Heading of the advice.
pub const ADVICE_HEADING: &str = "When to use which";
/// The advice: for what, and which.
pub const ADVICE: [(&str, &str); 5] = [
    (
        "News from the server:",
        "prices, notifications, progress, a model’s answer as it grows. EventSource: it comes back and resumes by itself.",
    ),
    (
        "The page answers now and then:",
        "EventSource, and POST beside it.",
    ),
    (
        "Both sides send many times a second:",
        "a game, a drawing board, a remote terminal. WebSocket.",
    ),
    (
        "Bytes that are no text:",
        "WebSocket; an event stream is UTF-8.",
    ),
    (
        "A header of your own, or a POST that starts the stream:",
        "neither can. Read the event stream with fetch, and reconnect yourself.",
    ),
];

/// Heading of the commands.
pub const TERMINAL_HEADING: &str = "The same in a terminal";
/// Name of a command.
pub const COMMAND: &str = "Command";

/// The command that opens the WebSocket, and shows its handshake and its frames as bytes.
pub fn socket_command(url: &str) -> String {
    format!(
        "curl -N --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' --output - {url}"
    )
}

/// Milliseconds as seconds with one digit behind the point.
fn seconds(milliseconds: u64) -> String {
    tenths((milliseconds + 50) / 100)
}

/// A number of tenths.
fn tenths(tenths: u64) -> String {
    format!("{}.{}", number(tenths / 10), tenths % 10)
}

const _: () = assert!(
    HOLD_SECONDS == 5 && BURST_EVENTS == 1_000,
    "buttons name them"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_says_what_each_connection_did() {
        let cut = Outcome::CutOver {
            after: 2_104,
            missed: [0, 3],
            of: 3,
            is_socket_open: false,
        };
        assert_eq!(
            outcome(&cut),
            "The EventSource was back by itself after 2.1 s and missed 0 of 3: the server sent what came meanwhile. \
             The WebSocket is closed and has missed 3 so far: open it again."
        );
        let burst = Outcome::BurstOver {
            took: [Some(345), None],
            missed: [0, 1_000],
        };
        assert_eq!(
            outcome(&burst),
            "1,000 events from the first to the last: 34.5 ms on the EventSource, not open on the WebSocket. \
             The EventSource missed 0, the WebSocket 1,000."
        );
        let hold = Outcome::HoldOver {
            silence: [5_012, 5_030],
            missed: [0, 0],
        };
        assert!(outcome(&hold).starts_with("Silence: 5.0 s on the EventSource, 5.0 s on"));
        let sent = |tenths, bytes| Some(Sent { tenths, bytes });
        assert_eq!(
            outcome(&Outcome::SendOver([sent(21, 412), sent(8, 11)])),
            "Over the WebSocket: 11 bytes, answered after 0.8 ms. By POST beside the EventSource: 412 bytes, answered after 2.1 ms."
        );
        assert_eq!(
            outcome(&Outcome::NotDone(String::new())),
            "The server cannot be reached."
        );
    }

    #[test]
    fn the_race_is_told_by_who_was_first_and_by_the_median() {
        let told = race(&Race {
            first: [1_200, 30],
            same: 4,
            median: 3,
            ..Race::default()
        });
        assert_eq!(
            told,
            "Of 1,234 events the EventSource had 1,200 first and the WebSocket 30; 4 came at the same time. \
             In the middle the EventSource leads by 0.3 ms."
        );
        assert_eq!(race(&Race::default()), "No event has come over both yet.");
    }

    #[test]
    fn bytes_are_told_for_one_event_and_in_all() {
        let counted = Counted {
            opened: 1,
            messages: 3,
            message_bytes: 281,
            data_bytes: 120,
            other_bytes: 50,
            ..Counted::default()
        };
        assert_eq!(bytes_of_each(&counted), "94 (40 of data)");
        assert_eq!(bytes_in_all(&counted), "331");
        assert_eq!(bytes_of_each(&Counted::default()), NONE);
    }

    #[test]
    fn a_claim_shows_what_was_measured_and_says_where_nothing_was() {
        let mut shown = Shown::default();
        let told = |claim: &Claim, shown: &Shown| measured(claim.measured, shown);
        assert_eq!(told(&CLAIMS[0], &shown), NONE);
        shown.sides[0].counted = Counted {
            http: "HTTP/1.1".to_owned(),
            status: 200,
            request_bytes: 1_012,
            response_bytes: 210,
            ..Counted::default()
        };
        assert_eq!(told(&CLAIMS[0], &shown), "1,012 + 210 bytes, status 200");
        assert_eq!(
            told(&CLAIMS[8], &shown),
            "EventSource HTTP/1.1, WebSocket –"
        );
        shown.sides[0].counted.request_bytes = 0;
        shown.sides[0].counted.http = "HTTP/2".to_owned();
        assert_eq!(told(&CLAIMS[0], &shown), "HTTP/2, status 200");
        shown.came_back = Some((2_149, 0));
        assert_eq!(told(&CLAIMS[1], &shown), "back after 2.1 s, 0 missed");
        for claim in &CLAIMS {
            assert!(!claim.sources.is_empty() && !told(claim, &shown).is_empty());
        }
    }
}
