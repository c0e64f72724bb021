//! What the server writes into a page for the browser to go on from.

use serde::{Deserialize, Serialize};

use super::event::{Event, EventId};

/// How much of an event's data a page has, in bytes: it keeps a page small whose twenty events are a megabyte each.
pub const MAX_RENDERED_BYTES: usize = 4_096;

/// How much a page's events weigh together, at most: see [`PageEvent::weight`]. A page is in memory as a whole until its
/// reader has taken it.
pub const MAX_PAGE_WEIGHT: usize = 128 << 10;

/// How far the events are counted that a page does not show.
pub const MAX_OLDER: usize = 1_000;

/// A topic's page at one moment: the browser subscribes from [`Self::last_event_id`], so that between the page and the
/// stream nothing is missed and nothing comes twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPage {
    /// Scheme and authority under which the reader reached the server, such as `http://127.0.0.1:8080`.
    pub origin: String,
    /// The topic's name.
    pub topic: String,
    /// Path of the topic's event stream, such as `/events`.
    pub stream_path: String,
    /// The topic's newest events, oldest first.
    pub events: Vec<PageEvent>,
    /// The event before the first of [`Self::events`], if there is one.
    pub before: Option<EventId>,
    /// How many events are kept before the first of [`Self::events`], counted up to [`MAX_OLDER`].
    pub older: usize,
    /// Where the log stood when the page was rendered.
    pub last_event_id: EventId,
    /// How many consumers the topic had then.
    pub consumers: usize,
    /// Whether the topic has ended: there is nothing to subscribe to.
    pub has_ended: bool,
    /// What the list is filtered by, as the reader wrote it.
    pub filter: String,
    /// Why the reader may not publish here; `None` if the reader may.
    pub refusal: Option<Refusal>,
    /// When the page was rendered: a moment as [`PageEvent::published_at`] has it.
    pub rendered_at: String,
}

/// A page that the browser hydrates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum PageData {
    /// `/`: the clock.
    Clock(TopicPage),
    /// The page that every topic has.
    Topic(TopicPage),
}

/// A request that the server refused. The page finds the words for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, as a [`ProblemCode`](super::problem::ProblemCode) is written; empty if the answer had none.
    pub code: String,
    /// What is wrong, in the server's words; empty if it had none.
    pub detail: String,
}

/// An event on a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageEvent {
    /// The event, with as much of its data as the page has.
    pub event: Event,
    /// How many bytes its data has as a whole, if that is more than the page has.
    pub whole_bytes: Option<usize>,
    /// When it was published, as RFC 3339 in UTC with milliseconds, which is what browsers write as well.
    pub published_at: String,
}

impl PageEvent {
    /// An event as a page shows it: with at most [`MAX_RENDERED_BYTES`] of its data. NUL, which no HTML can carry,
    /// becomes what browsers show in its place.
    pub fn new(event: &Event, published_at: String) -> Self {
        let (data, is_cut) = start_of(&event.data, MAX_RENDERED_BYTES);
        Self {
            event: Event {
                id: event.id.clone(),
                event_type: event.event_type.clone(),
                data: data.replace('\0', "\u{fffd}"),
            },
            whole_bytes: is_cut.then_some(event.data.len()),
            published_at,
        }
    }

    /// The newest of these events that a page has room for, oldest first.
    pub fn newest<'a>(events: impl DoubleEndedIterator<Item = (&'a Event, String)>) -> Vec<Self> {
        let mut room = MAX_PAGE_WEIGHT;
        let mut shown: Vec<Self> = events
            .rev()
            .map(|(event, published_at)| Self::new(event, published_at))
            .map_while(|event| {
                room = room.checked_sub(event.weight())?;
                Some(event)
            })
            .collect();
        shown.reverse();
        shown
    }

    /// The event's size as HTML and as a script carry it, roughly: a character that either of them escapes counts as five.
    fn weight(&self) -> usize {
        let Event {
            id,
            event_type,
            data,
        } = &self.event;
        let is_escaped = |c: &char| {
            if c.is_ascii() {
                matches!(c, '<' | '>' | '&' | '"' | '\\' | '\x00'..='\x1f' | '\x7f')
            } else {
                !c.is_alphanumeric()
            }
        };
        [id.as_str(), event_type.as_str(), data]
            .iter()
            .map(|text| text.len() + 4 * text.chars().filter(is_escaped).count())
            .sum()
    }
}

/// As much of a text's beginning as fits into so many bytes, and whether that is not all.
pub fn start_of(text: &str, max_bytes: usize) -> (&str, bool) {
    let mut end = max_bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], end < text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::event::EventType;

    #[test]
    fn a_long_event_is_cut_between_two_characters() {
        assert_eq!(start_of("aé", 2), ("a", true));
        assert_eq!(start_of("aé", 3), ("aé", false));
        let event = Event {
            id: EventId::new("#a-1").expect("an id"),
            event_type: EventType::default(),
            data: "上\0".repeat(2_000),
        };
        let shown = PageEvent::new(&event, "2026-11-26T16:12:37.045Z".to_owned());
        assert_eq!(shown.published_at, "2026-11-26T16:12:37.045Z");
        assert_eq!(shown.whole_bytes, Some(8_000));
        assert!(shown.event.data.starts_with("上\u{fffd}上"));
        assert_eq!(shown.event.data.chars().count(), 2_048);
    }

    #[test]
    fn a_page_has_the_newest_events_that_fit() {
        let event = |data: String| Event {
            id: EventId::new("#a-1").expect("an id"),
            event_type: EventType::default(),
            data,
        };
        let shown = |text: &str| {
            let long = event(text.repeat(1 << 20));
            let events: Vec<Event> = (0..20).map(|_| long.clone()).collect();
            let first = event("first".to_owned());
            let all = std::iter::once(&first).chain(&events);
            PageEvent::newest(all.map(|event| (event, String::new())))
        };
        let plain = shown("x");
        assert_eq!((plain.len(), plain[0].event.data.as_str()), (21, "first"));
        assert_eq!(shown("<").len(), 6, "HTML writes < in four bytes");
        assert!(PageEvent::newest([].into_iter()).is_empty());
    }

    fn of(id: &str, event_type: &str, data: &str) -> Event {
        Event {
            id: EventId::new(id).expect("an id"),
            event_type: EventType::new(event_type).expect("a type"),
            data: data.to_owned(),
        }
    }

    fn shown(event: &Event) -> PageEvent {
        PageEvent::new(event, String::new())
    }

    #[test]
    fn a_character_that_is_escaped_weighs_as_much_as_five() {
        let weight = |id, event_type, data| shown(&of(id, event_type, data)).weight();
        let plain = weight("1", "news", "");
        assert_eq!(plain, 5);
        assert_eq!(weight("1", "news", "abc '()"), plain + 7);
        for escaped in ["<", ">", "&", "\"", "\\", "\n", "\u{7f}"] {
            assert_eq!(weight("1", "news", escaped), plain + 5, "{escaped:?}");
        }
        assert_eq!(weight("1", "news", "é"), plain + 2, "a letter");
        assert_eq!(
            weight("1", "news", "\u{2028}"),
            plain + 3 + 4,
            "a separator"
        );
        assert_eq!(weight("<", "a>", "&<"), 5 + 6 + 10);
    }

    #[test]
    fn an_event_that_a_page_has_as_a_whole_says_so() {
        let whole = of("1", "message", &"x".repeat(MAX_RENDERED_BYTES));
        assert_eq!(shown(&whole).whole_bytes, None);
        assert_eq!(shown(&whole).event, whole);
        let longer = of("1", "message", &"x".repeat(MAX_RENDERED_BYTES + 1));
        assert_eq!(shown(&longer).whole_bytes, Some(MAX_RENDERED_BYTES + 1));
        assert_eq!(start_of("", 5), ("", false));
        assert_eq!(start_of("abc", 0), ("", true));
    }
}
