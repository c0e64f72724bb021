//! Every sentence that a reader sees or hears, so that they can be read, and one day translated, in one place. Pure
//! functions of data.

pub mod compare;
pub mod help;

use super::connection::{Connection, ReadyState, Reason, Retry};
use super::filter::FilterError;
use super::log_buffer::{CAPACITY, LogBuffer, MAX_BYTES, MessageTime, TimeKind};
use super::publishing::Publishing;
use super::snippets::Language;
use crate::protocol::compare::COMPARE_PATH;
use crate::protocol::page::{MAX_OLDER, Refusal};
use crate::protocol::{HELP_PATH, TOPICS_PATH};

/// The product's name, and the heading of its page.
pub const NAME: &str = "Fairwind";
/// What follows the name.
pub const TAGLINE: &str = "Live events from a server to every browser";
/// Title of the clock's page.
pub const PAGE_TITLE: &str = "Fairwind: the server’s clock, live";
/// Description of the clock's page, for search engines and link previews.
pub const PAGE_DESCRIPTION: &str = "A clock that ticks from the server, over EventSource, and stays alive through everything a network does.";
/// The first link of the page.
pub const SKIP_TO_MESSAGES: &str = "Skip to the messages";

/// The advice for a reader without JavaScript, with a link to the stream; HTML, since it stands in a `<noscript>`, whose
/// content a browser with JavaScript takes for text. `stream_link` is percent-encoded.
pub fn without_script_html(stream_link: &str) -> String {
    format!(
        "<p>This is how things stood when the page was made. With JavaScript the page is live; without it, reload it, see \
         the stream in a terminal with the <code>curl</code> command on this page, or open the \
         <a href=\"{}\">raw stream</a>.</p>",
        stream_link
            .replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;")
    )
}

/// Accessible name of the links to the other pages.
pub const SITE_LABEL: &str = "Site";
/// Link to the page that says what this server can do, and that page's heading.
pub const HELP: &str = "Help";
/// Link to the list of topics, and that page's heading.
pub const TOPICS: &str = "Topics";

/// The links to the other pages, as HTML.
pub fn site_links_html(has_comparisons: bool) -> String {
    let link = |path, text| format!("<a href=\"{path}\">{text}</a>");
    let compare = if has_comparisons {
        link(COMPARE_PATH, compare::LINK)
    } else {
        String::new()
    };
    link(TOPICS_PATH, TOPICS) + &compare + &link(HELP_PATH, HELP)
}

/// Label of the newest message.
pub const NEWEST_HEADING: &str = "Newest message";
/// In its place before any.
pub const NEWEST_EMPTY: &str = "Nothing yet";

/// Label of the field that filters the list.
pub const FILTER_LABEL: &str = "Filter";
/// How to write a filter.
pub const FILTER_HINT: &str =
    "Words that must be there. type:news for a type, \"two words\" together, -word to leave out.";
/// Button that filters where there is no JavaScript.
pub const FILTER_BUTTON: &str = "Filter";
/// The list when the filter lets nothing through.
pub const NOTHING_PASSES: &str = "Nothing here passes the filter.";

/// Button: everything that is listed, as a file.
pub const DOWNLOAD: &str = "Download";
/// Button of a row.
pub const COPY: &str = "Copy";
/// Button of a row: lays JSON out, or shows it as it came.
pub const JSON: &str = "JSON";
/// Button of a row: shows all of a long event, or its beginning.
pub const SHOW_ALL: &str = "Show all";
/// Link of a row to an event that is not on the page as a whole.
pub const WHOLE_EVENT: &str = "The whole event, raw";
/// The row that stands at the end of a topic.
pub const END_ROW: &str = "The topic has ended. Nothing more will come.";

/// Heading of the form, and its button.
pub const PUBLISH: &str = "Publish";
/// Label of a field.
pub const PUBLISH_DATA: &str = "Text";
/// Label of a field.
pub const PUBLISH_TYPE: &str = "Type, if not message";
/// Said when an event's data is in the clipboard.
pub const SAID_COPIED_EVENT: &str = "Copied the event’s data.";
/// Said when the browser refused the clipboard, and the event is selected instead.
pub const SAID_EVENT_NOT_COPIED: &str =
    "The browser refused the clipboard. The event is selected, for you to copy.";

/// In place of the list of topics, where the reader may not see it.
pub fn topics_closed(reason: &str) -> String {
    format!("The list is not shown: {reason}. A topic whose name you know opens above.")
}

/// The list of topics when there is none.
pub const TOPICS_EMPTY: &str = "No topic is alive. A topic comes into being with its first event or its first reader: open one above.";
/// Beside the list of topics, while it is live.
pub const TOPICS_LIVE: &str = "Live: the list updates itself every few seconds.";
/// The same while the reader has paused it.
pub const TOPICS_PAUSED: &str = "Paused: the list stays as it is.";
/// The same while the server does not answer.
pub const TOPICS_LOST: &str = "Not live: the server does not answer. Trying again.";
/// Link that makes the list anew.
pub const TOPICS_RELOAD: &str = "Reload";
/// Label of the field that opens a topic.
pub const OPEN_LABEL: &str = "Open a topic, or start one, by its name";
/// Button beside that field.
pub const OPEN_BUTTON: &str = "Open";
/// Column of the list.
pub const COLUMN_TOPIC: &str = "Topic";
/// Column of the list.
pub const COLUMN_EVENTS: &str = "Events kept";
/// Column of the list.
pub const COLUMN_SUBSCRIBERS: &str = "Watching";
/// Column of the list.
pub const COLUMN_NEWEST: &str = "Last event";
/// In a column that has nothing.
pub const NONE_YET: &str = "none yet";
/// Behind the name of a topic that has ended.
pub const HAS_ENDED: &str = "ended";

/// Link to the events before those of a page; empty if there are none.
pub fn older(count: usize) -> String {
    if count == 0 {
        return String::new();
    }
    let more = if count == MAX_OLDER { "+" } else { "" };
    format!("{}{more} older", number_of(count))
}

/// Title and heading of the page of older events.
pub fn older_events(topic: &str) -> String {
    format!("{topic}: older events")
}

/// Link from the older events to the page that goes on.
pub const TO_THE_LIVE_PAGE: &str = "The newest, live";
/// The list of older events when there are none.
pub const OLDER_EMPTY: &str = "No older events are kept.";

/// Link that has the list of topics loaded again and again.
pub fn topics_refresh(seconds: u32) -> String {
    format!("Refresh every {seconds} s")
}

/// Link that ends that.
pub const TOPICS_STOP: &str = "Stop refreshing";

/// What the list of topics shows.
pub fn topics_moment(moment: &str, left_out: usize) -> String {
    let left_out = match left_out {
        0 => String::new(),
        _ => format!(
            " {} more are not shown; all of them are there as JSON.",
            number_of(left_out)
        ),
    };
    format!("What was alive at {moment}.{left_out}")
}

/// How much of the list passes the filter.
pub fn filter_count(shown: usize, of: usize) -> String {
    format!("{} of {} shown", number_of(shown), number_of(of))
}

/// Why a filter cannot be understood.
pub fn filter_error(wrong: FilterError) -> &'static str {
    match wrong {
        FilterError::OpenQuote => "A quotation mark is not closed, so everything is shown.",
        FilterError::Nothing => {
            "There is nothing after type:, after - or between quotation marks, so everything is shown."
        }
    }
}

/// The button that copies the stream as a command or program.
pub fn copy_as(language: Language) -> &'static str {
    match language {
        Language::Curl => "Copy as curl",
        Language::JavaScript => "Copy as JavaScript",
        Language::Python => "Copy as Python",
    }
}

/// Said when the stream is in the clipboard as a command or program.
pub fn said_copied(language: Language) -> &'static str {
    match language {
        Language::Curl => "Copied as curl.",
        Language::JavaScript => "Copied as JavaScript.",
        Language::Python => "Copied as Python.",
    }
}

/// Said when what is listed has been saved.
pub fn said_downloaded(count: usize) -> String {
    format!("Saved {} events as JSON lines.", number_of(count))
}

/// How much of an event is on the page.
pub fn cut(shown_bytes: usize, whole_bytes: usize) -> String {
    format!(
        "The first {} of {}.",
        bytes(shown_bytes),
        bytes(whole_bytes)
    )
}

/// What became of an attempt to publish.
pub fn publishing(publishing: &Publishing) -> String {
    match publishing {
        Publishing::Idle => String::new(),
        Publishing::UnderWay => "Publishing.".to_owned(),
        Publishing::Done(1) => "Published to 1 subscriber.".to_owned(),
        Publishing::Done(subscribers) => {
            format!("Published to {} subscribers.", number(*subscribers))
        }
        Publishing::Refused(refusal) => not_published(refusal),
        Publishing::Unreachable => {
            "The server could not be reached. The text is still here.".to_owned()
        }
    }
}

/// Why an event was not published, and what to do about it.
fn not_published(refusal: &Refusal) -> String {
    with_remedy("Not published:", refusal)
}

/// Why there is no form, and what to do about it.
pub fn cannot_publish(refusal: &Refusal) -> String {
    with_remedy("You cannot publish here:", refusal)
}

fn with_remedy(what: &str, refusal: &Refusal) -> String {
    let mut words = format!("{what} {}.", refusal_detail(refusal).trim_end_matches('.'));
    if refusal.status == 401 {
        words.push_str(" From a terminal: curl -H 'Authorization: Bearer TOKEN' -d hello, and this page’s address.");
    }
    words
}

/// Said quietly where pages of one host can use up the connections that a browser allows.
pub fn many_tabs(tabs: u64) -> String {
    format!(
        "{} pages of this server are open over HTTP/1.1, over which browsers allow six connections per host: with more, \
         new ones wait. Over HTTPS (HTTP/2) they share one.",
        number(tabs)
    )
}

fn bytes(bytes: usize) -> String {
    match bytes {
        ..1_024 => format!("{bytes} bytes"),
        1_024..1_048_576 => format!("{} KiB", number_of(bytes / 1_024)),
        _ => format!("{} MiB", number_of(bytes / 1_048_576)),
    }
}

/// Heading of the large clock.
pub const CLOCK_HEADING: &str = "The server’s time";
/// The large clock before any message.
pub const CLOCK_EMPTY: &str = "--:--:--";
/// The line under the large clock before any message.
pub const CLOCK_EMPTY_DATE: &str = "Waiting for the first message";

/// Heading of the connection's panel.
pub const CONNECTION_HEADING: &str = "Connection";
/// Name of the stat.
pub const STAT_READY_STATE: &str = "readyState";
/// Name of the stat.
pub const STAT_LAST_EVENT: &str = "Last message";
/// Name of the stat.
pub const STAT_MESSAGES: &str = "Received live";
/// Name of the stat.
pub const STAT_CONSUMERS: &str = "Watching now";
/// The number of consumers while it is unknown.
pub const CONSUMERS_UNKNOWN: &str = "unknown";
/// Button in the connection's panel.
pub const TRY_NOW: &str = "Try now";

/// Accessible name of the row of buttons.
pub const CONTROLS_LABEL: &str = "Controls";
/// Button.
pub const PAUSE: &str = "Pause";
/// Button.
pub const RESUME: &str = "Resume";
/// Button.
pub const CLEAR: &str = "Clear";
/// Button.
pub const DISCONNECT: &str = "Disconnect";
/// Button.
pub const RECONNECT: &str = "Reconnect";
/// Accessible name of the buttons that copy the stream.
pub const COPY_AS_LABEL: &str = "Copy the stream";

/// Heading and accessible name of the list.
pub const MESSAGES_HEADING: &str = "Messages";
/// The list when it has no rows.
pub const LIST_EMPTY: &str = "No messages here yet. The next one will be.";
/// The button that leads to the newest message, while nothing is new.
pub const AT_THE_NEWEST: &str = "At the newest";

/// Heading of the panel for a terminal.
pub const TERMINAL_HEADING: &str = "The same in a terminal";
/// Link to the event stream itself.
pub const RAW_STREAM: &str = "Raw stream";

/// Said when the list was paused.
pub const SAID_PAUSED: &str = "Paused. The connection stays, and messages wait.";
/// Said when the list was cleared.
pub const SAID_CLEARED: &str = "Cleared. The count of received messages goes on.";
/// Said when the list was cleared while it is paused.
pub const SAID_CLEARED_PAUSED: &str = "Cleared. The messages that wait are kept.";
/// Said when the browser refused the clipboard, and the command is selected instead.
pub const SAID_NOT_COPIED: &str = "The browser refused the clipboard. The command is selected at the foot of the page, for you to copy.";

/// Link from the page of a refused request.
pub const TO_THE_CLOCK: &str = "The clock";
/// Link from the page of a refused request.
pub const TO_THE_TOPICS: &str = "The topics";
/// Link from the page of a refused request.
pub const TO_THE_STREAM: &str = "The clock’s raw stream";
/// Link to the page whose form was refused.
pub const BACK_TO_TOPIC: &str = "Back to the topic";

/// What kind of refusal an HTTP status is.
pub fn problem_heading(status: u16) -> &'static str {
    match status {
        400 => "The server cannot take this",
        401 => "This needs a valid token",
        403 => "This is not allowed",
        404 => "Nothing lies this way",
        405 => "Not with this method",
        406 => "Not in this form",
        408 => "This took too long",
        409 | 412 => "This does not fit what is there",
        413 => "This is too large",
        429 => "Too many requests",
        501 => "The server does not do this",
        503 => "Not now",
        _ => "This did not work",
    }
}

/// What a reader in front of a browser can do about a refusal. Empty where the server's own words say it.
pub fn problem_remedy(status: u16) -> &'static str {
    match status {
        401 => {
            "A browser sends its token in the cookie fairwind_token. Get a new token where this one came from, or delete the cookie to read what is public."
        }
        403 => "The operator of this server decides who may publish and read.",
        413 => "Go back and send less at once, or send many events as one stream.",
        408 | 429 | 503 => "Wait a moment, then go back and try again.",
        _ => "",
    }
}

/// The title of a page.
pub fn titled(heading: &str) -> String {
    format!("{heading} – {NAME}")
}

/// A server's words as a sentence: they begin in lower case, and have no full stop.
pub fn sentence(words: &str) -> String {
    let mut rest = words.trim_end_matches('.').chars();
    let first = rest.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), rest.as_str())
}

/// The connection in a word or two.
pub fn connection_word(connection: &Connection) -> &'static str {
    match connection {
        Connection::Snapshot => "Snapshot",
        Connection::Connecting => "Connecting",
        Connection::Live => "Live",
        Connection::Reconnecting(_) => "Reconnecting",
        Connection::Ended => "Ended",
        Connection::Closed(_) => "Closed",
    }
}

/// What more there is to say about the connection. `seconds_left` counts while the page waits.
pub fn connection_detail(connection: &Connection, seconds_left: u64) -> String {
    match connection {
        Connection::Snapshot => "As the server rendered this page.".to_owned(),
        Connection::Connecting => "Opening the event stream.".to_owned(),
        Connection::Live => "Each message arrives as it is sent.".to_owned(),
        Connection::Reconnecting(Retry::Browser) => {
            "The stream is lost. The browser tries again by itself.".to_owned()
        }
        Connection::Reconnecting(Retry::Opening) => "Trying now.".to_owned(),
        Connection::Reconnecting(Retry::Asking) => {
            "The stream is lost. Asking the server why.".to_owned()
        }
        Connection::Reconnecting(Retry::Waiting) => {
            format!("No stream. Trying again in {seconds_left} s.")
        }
        Connection::Ended => "The server has ended this topic. Nothing more will come.".to_owned(),
        Connection::Closed(Reason::Reader) => {
            "You disconnected. Reconnect goes on from the last message.".to_owned()
        }
        Connection::Closed(Reason::Refused(refusal)) => {
            format!("The server refused: {}", refusal_detail(refusal))
        }
    }
}

/// What is said aloud when the connection has changed; `None` where a state only leads to the next.
pub fn connection_said(connection: &Connection) -> Option<String> {
    match connection {
        Connection::Snapshot | Connection::Connecting => None,
        Connection::Live => Some("Connected. Messages are live.".to_owned()),
        Connection::Reconnecting(_) => Some("The connection is lost. Reconnecting.".to_owned()),
        Connection::Ended => Some("The server has ended the stream.".to_owned()),
        Connection::Closed(Reason::Reader) => Some("Disconnected.".to_owned()),
        Connection::Closed(Reason::Refused(refusal)) => Some(format!(
            "The server refused the stream: {}",
            refusal_detail(refusal)
        )),
    }
}

/// The server's words; if it gave none, what the status says.
fn refusal_detail(refusal: &Refusal) -> String {
    match refusal.status {
        _ if !refusal.detail.is_empty() => refusal.detail.clone(),
        200..300 => "what it answered is no event stream.".to_owned(),
        status => format!("it answered with status {status}."),
    }
}

/// When a message was published or arrived, for its row.
pub fn message_time(time: &MessageTime) -> String {
    let [verb, date, gap] = match time.kind {
        TimeKind::Published => ["published ", "", ""],
        TimeKind::PublishedOnOtherDay => ["published ", time.date(), " "],
        TimeKind::Arrived => ["arrived ", "", ""],
    };
    [verb, date, gap, time.time(), " UTC"].concat()
}

/// The ready state by its number and name.
pub fn ready_state(ready_state: ReadyState) -> &'static str {
    match ready_state {
        ReadyState::Connecting => "0 CONNECTING",
        ReadyState::Open => "1 OPEN",
        ReadyState::Closed => "2 CLOSED",
    }
}

/// How long ago the last message came over the stream; before any, when the one was published that the page came with.
pub fn last_message(seconds: Option<u64>, rendered: Option<&MessageTime>) -> String {
    match seconds {
        None => rendered.map_or_else(|| "none yet".to_owned(), short_time),
        Some(0) => "just now".to_owned(),
        Some(seconds @ ..60) => format!("{seconds} s ago"),
        Some(seconds @ ..3_600) => format!("{} min ago", seconds / 60),
        Some(seconds) => format!("{} h ago", seconds / 3_600),
    }
}

fn short_time(time: &MessageTime) -> String {
    if time.kind == TimeKind::PublishedOnOtherDay {
        time.date().to_owned()
    } else {
        [time.time(), " UTC"].concat()
    }
}

/// A number with its thousands apart.
pub fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What stands above the list: whether it is paused, and whether rows had to go.
pub fn list_note(log: &LogBuffer) -> String {
    if log.is_paused() {
        format!("Paused: {} waiting", number_of(log.waiting()))
    } else if !log.has_dropped() {
        String::new()
    } else if log.is_full() {
        format!("Newest {} kept; older rows dropped", number_of(CAPACITY))
    } else {
        format!("Newest {} kept; older rows dropped", bytes(MAX_BYTES))
    }
}

/// The button that leads to the newest message.
pub fn new_rows(waiting: usize) -> String {
    match waiting {
        0 => AT_THE_NEWEST.to_owned(),
        _ => format!("{} new", number_of(waiting)),
    }
}

/// Said when the list goes on after a pause.
pub fn said_resumed(waiting: usize) -> String {
    match waiting {
        0 => "Resumed. Nothing had to wait.".to_owned(),
        1 => "Resumed. 1 message waited and is in the list.".to_owned(),
        _ => format!(
            "Resumed. {} messages waited and are in the list.",
            number_of(waiting)
        ),
    }
}

/// The row that stands where events are missing.
pub fn gap(requested: &str, resumed_from: &str) -> String {
    format!(
        "Messages may be missing here. The stream was to go on after {requested} and goes on after {resumed_from}."
    )
}

fn number_of(count: usize) -> String {
    number(u64::try_from(count).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::log_buffer::Content;

    fn time(kind: TimeKind) -> MessageTime {
        MessageTime {
            at: "2026-11-26T16:12:37.045Z".into(),
            kind,
        }
    }

    #[test]
    fn a_refusal_without_words_says_the_status() {
        let refusal = |status, detail: &str| Refusal {
            status,
            detail: detail.to_owned(),
        };
        assert_eq!(
            not_published(&refusal(413, "too large.")),
            "Not published: too large."
        );
        assert_eq!(
            not_published(&refusal(502, "")),
            "Not published: it answered with status 502."
        );
        assert!(cannot_publish(&refusal(401, "no token")).contains("Bearer TOKEN"));
    }

    #[test]
    fn a_row_says_when_its_message_was_published_or_arrived() {
        let words = |kind| message_time(&time(kind));
        assert_eq!(words(TimeKind::Published), "published 16:12:37 UTC");
        assert_eq!(words(TimeKind::Arrived), "arrived 16:12:37 UTC");
        assert_eq!(
            words(TimeKind::PublishedOnOtherDay),
            "published 2026-11-26 16:12:37 UTC"
        );
    }

    #[test]
    fn thousands_are_apart() {
        let texts: Vec<String> = [0, 12, 999, 1_000, 123_456, 1_234_567]
            .into_iter()
            .map(number)
            .collect();
        assert_eq!(texts, ["0", "12", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn an_age_is_told_in_the_largest_unit_that_fits() {
        let texts: Vec<String> = [
            None,
            Some(0),
            Some(3),
            Some(59),
            Some(60),
            Some(3_599),
            Some(7_200),
        ]
        .into_iter()
        .map(|seconds| last_message(seconds, None))
        .collect();
        let today = time(TimeKind::Published);
        assert_eq!(last_message(None, Some(&today)), "16:12:37 UTC");
        let earlier = time(TimeKind::PublishedOnOtherDay);
        assert_eq!(last_message(None, Some(&earlier)), "2026-11-26");
        assert_eq!(last_message(Some(3), Some(&earlier)), "3 s ago");
        assert_eq!(
            texts,
            [
                "none yet",
                "just now",
                "3 s ago",
                "59 s ago",
                "1 min ago",
                "59 min ago",
                "2 h ago"
            ]
        );
    }

    #[test]
    fn a_pause_says_how_many_wait() {
        let mut log = LogBuffer::default();
        let push = |log: &mut LogBuffer, count: usize| {
            for _ in 0..count {
                log.push(Content::message(
                    String::new(),
                    "message".to_owned(),
                    "x".to_owned(),
                    "".into(),
                ));
            }
        };
        push(&mut log, 3);
        assert_eq!(list_note(&log), "");
        push(&mut log, CAPACITY);
        assert_eq!(list_note(&log), "Newest 1,000 kept; older rows dropped");
        log.pause();
        push(&mut log, 12);
        assert_eq!(list_note(&log), "Paused: 12 waiting");
        assert_eq!(new_rows(12), "12 new");
    }
}
