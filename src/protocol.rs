//! What server and browser must agree on. Nothing here does I/O; everything compiles for both sides.

use page::TopicPage;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub mod answers;
pub mod chat;
pub mod compare;
pub mod event;
pub mod event_stream;
pub mod event_stream_parser;
pub mod gap;
pub mod locale;
pub mod notifications;
pub mod page;
pub mod problem;
pub mod quotes;

/// The clock's page.
pub const CLOCK_PAGE_PATH: &str = "/";

/// Publications for later.
pub const SCHEDULED_PATH: &str = "/scheduled";

/// The clock's event stream.
pub const CLOCK_PATH: &str = "/events";

/// Query parameter (and, by its standard name `Last-Event-ID`, request header) that names the event after which the
/// stream shall go on.
pub const LAST_EVENT_ID: &str = "last_event_id";

/// The value of [`LAST_EVENT_ID`] that means everything that is kept.
pub const EARLIEST: &str = "earliest";

/// Query parameter that asks for the number of consumers as events of type [`CONSUMERS_EVENT`]; its one value is
/// [`AS_EVENT`].
pub const CONSUMERS: &str = "consumers";

/// Query parameter that gives the name under which a reader is present in a topic.
pub const NAME: &str = "name";

/// Query parameter that asks who is present, as events of type [`PRESENCE_EVENT`]; its one value is [`AS_EVENT`].
pub const PRESENCE: &str = "presence";

/// Query parameter that asks for heartbeats that a page can see, as events of type [`HEARTBEAT_EVENT`]; its one value
/// is [`AS_EVENT`].
pub const HEARTBEAT: &str = "heartbeat";

/// Query parameter that asks for every publisher's event as a message, its type named before it by an event of type
/// [`TYPE_EVENT`]: an EventSource hears no types but those it knows of. Its one value is [`AS_EVENT`].
pub const TYPES: &str = "types";

/// Query parameter that asks for another form of the events; its one value is [`JSON_FORMAT`].
pub const FORMAT: &str = "format";

/// The value of [`FORMAT`] by which each event is a message whose data is JSON, as in a WebSocket's frame, and whose id is the
/// log's.
pub const JSON_FORMAT: &str = "json";

/// Query parameter of a stream that ends when its reader has what there was when it came: `false`.
pub const FOLLOW: &str = "follow";

/// The value of [`CONSUMERS`], of [`PRESENCE`], of [`HEARTBEAT`] and of [`TYPES`].
pub const AS_EVENT: &str = "event";

/// Type of the event that says how many consumers a topic has; its data is that number in decimal digits.
pub const CONSUMERS_EVENT: &str = "consumers";

/// Type of the event that says who is present in a topic, by the names that its readers gave; its data is JSON.
pub const PRESENCE_EVENT: &str = "presence";

/// Type of the event that is sent in place of a heartbeat comment; its data is the longest silence to expect, in
/// whole milliseconds.
pub const HEARTBEAT_EVENT: &str = "heartbeat";

/// Type of the event that says that events are missing; its data is a [`gap::Gap`] as JSON.
pub const GAP_EVENT: &str = "gap";

/// Type of the event that says that the topic has ended; its data is the topic's name, and nothing follows.
pub const END_EVENT: &str = "end";

/// Type of the event that, on a stream of several topics, comes before each event and names the topic it is from.
pub const TOPIC_EVENT: &str = "topic";

/// Type of the event that, where [`TYPES`] asks for it, comes before each event that is no `message` by itself and names
/// its type. A publisher may use it too: where it has this meaning, publishers' types are not on the wire.
pub const TYPE_EVENT: &str = "type";

/// The types that no publisher may use. The first six are those of the server's own events; `error` and `open` are the
/// EventSource's own, and an event of that type would call a page's `onerror` or `onopen`.
pub const RESERVED_EVENTS: [&str; 8] = [
    CONSUMERS_EVENT,
    PRESENCE_EVENT,
    HEARTBEAT_EVENT,
    GAP_EVENT,
    END_EVENT,
    TOPIC_EVENT,
    "error",
    "open",
];

/// Where topics are: the list of all, and each below it.
pub const TOPICS_PATH: &str = "/topics";

/// What stands in a path as it is: RFC 3986, `pchar` and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// Query parameter of [`TOPICS_PATH`] that names a topic of the stream.
pub const TOPIC: &str = "topic";

/// Query parameter of [`TOPICS_PATH`] that names a pattern, such as `orders/*`: every topic that matches is on the stream.
pub const MATCH: &str = "match";

/// Query parameter of [`TOPICS_PATH`] that leads to a topic by its name.
pub const OPEN: &str = "open";

/// Query parameter of a topic's page: what its list is filtered by.
pub const FILTER: &str = "filter";

/// Query parameter of a topic's page and of its snapshot: the event before which the events are wanted.
pub const BEFORE: &str = "before";

/// Query parameter of the list's page: the browser loads it again and again.
pub const REFRESH: &str = "refresh";

/// What this server can do, for people.
pub const HELP_PATH: &str = "/help";

/// Where a browser's language is chosen; the path of each is [`locale::Locale::path`].
pub const LANGUAGE_PATH: &str = "/language";

/// The cookie that holds the language that a reader has chosen.
pub const LANGUAGE_COOKIE: &str = "fairwind_language";

/// A topic's stream under a URL that is a stream whatever a browser would rather have. A browser that follows a link
/// to the topic itself gets its page.
pub fn stream_link(topic: &str) -> String {
    format!(
        "{TOPICS_PATH}?{TOPIC}={}",
        utf8_percent_encode(topic, NON_ALPHANUMERIC)
    )
}

/// The page of the events before those of a page.
pub fn older_path(page: &TopicPage) -> String {
    let first = page.events.first();
    let first = first.map_or("", |first| first.event.id.as_str());
    let id = utf8_percent_encode(first, NON_ALPHANUMERIC);
    format!("{}?{BEFORE}={id}", page.stream_path)
}

/// The path of a scheduled publication.
pub fn scheduled_path(id: &str) -> String {
    format!("{SCHEDULED_PATH}/{id}")
}

/// The URL of a topic, from the root of the server on.
pub fn topic_path(topic: &str) -> String {
    format!("{TOPICS_PATH}/{}", utf8_percent_encode(topic, PATH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topics_url_has_nothing_in_it_that_a_url_or_a_shell_reads_otherwise() {
        assert_eq!(topic_path("kitchen"), "/topics/kitchen");
        assert_eq!(
            topic_path("a/b c?d#e%'f\""),
            "/topics/a/b%20c%3Fd%23e%25%27f%22"
        );
        assert_eq!(topic_path("上"), "/topics/%E4%B8%8A");
        assert_eq!(stream_link("a/b&c"), "/topics?topic=a%2Fb%26c");
    }

    #[test]
    fn older_events_are_those_before_the_first_of_a_page() {
        let event = |id: &str| page::PageEvent {
            event: event::Event {
                id: event::EventId::new(id).expect("an id"),
                event_type: event::EventType::default(),
                data: String::new(),
            },
            whole_bytes: None,
            published_at: String::new(),
        };
        let mut page = TopicPage {
            origin: "http://127.0.0.1:8080".to_owned(),
            topic: "a".to_owned(),
            stream_path: "/topics/a".to_owned(),
            events: vec![event("#e-7"), event("#e-8")],
            before: None,
            older: 0,
            last_event_id: event::EventId::new("#e-8").expect("an id"),
            consumers: 0,
            has_ended: false,
            filter: String::new(),
            rendered_at: String::new(),
            refusal: None,
        };
        assert_eq!(older_path(&page), "/topics/a?before=%23e%2D7");
        page.events.clear();
        assert_eq!(older_path(&page), "/topics/a?before=");
    }
}
