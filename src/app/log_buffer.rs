//! The list of messages: what is shown, what waits, and what was dropped. Plain Rust; leaves showing it to the
//! component, and when to hold it to [`super::live`].

use std::collections::VecDeque;
use std::sync::Arc;

use super::filter::Filter;
use crate::protocol::END_EVENT;
use crate::protocol::gap::Gap;
use crate::protocol::page::TopicPage;

/// How many rows are shown, and as many may wait. A browser lays this many out without effort; for more there is the
/// raw stream.
pub const CAPACITY: usize = 1_000;

/// How many bytes of data are shown, and as many may wait: a thousand events of a megabyte would be more than a tab has.
pub const MAX_BYTES: usize = 16 << 20;

/// One row of the list. Cheap to clone, and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Our own number, increasing by one. Ids are no keys: they come from publishers.
    pub sequence: u64,
    /// Whether the row came over the stream, rather than with the page.
    pub is_fresh: bool,
    /// What the row shows.
    pub content: Content,
}

/// What a row shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// An event.
    Message(Arc<Message>),
    /// Events are missing here.
    Gap(Arc<Gap>),
    /// The topic has ended.
    End,
}

/// An event as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The event's id; empty if it has none.
    pub id: String,
    /// The event's type.
    pub event_type: String,
    /// The event's data.
    pub data: String,
    /// Where this is only the beginning of the data: how large it is, and where the rest is.
    pub cut: Option<Cut>,
}

/// What is not there of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// How many bytes the data has as a whole.
    pub whole_bytes: usize,
    /// The event before this one, if there is one: the stream after it has this one first.
    pub after: Option<String>,
}

/// Rows within the bounds.
#[derive(Debug, Clone, Default)]
struct Rows {
    rows: VecDeque<Row>,
    bytes: usize,
}

/// The list. While it is held (by the reader's Pause, or because the reader has scrolled away from the end) new rows
/// wait and nothing that is shown changes.
#[derive(Debug, Clone, Default)]
pub struct LogBuffer {
    shown: Rows,
    waiting: Rows,
    /// The newest ids, whether their rows are still shown or not: what came once is not shown again.
    seen: VecDeque<String>,
    newest: Option<Arc<Message>>,
    is_paused: bool,
    is_away: bool,
    has_dropped: bool,
    next_sequence: u64,
    /// Changes whenever `shown` does.
    revision: u64,
}

impl Content {
    /// The row of an event.
    pub fn message(id: String, event_type: String, data: String) -> Self {
        Self::Message(Arc::new(Message {
            id,
            event_type,
            data,
            cut: None,
        }))
    }

    /// The row that says that events are missing.
    pub fn gap(gap: Gap) -> Self {
        Self::Gap(Arc::new(gap))
    }

    /// The event's data, if it is one.
    pub fn data(&self) -> Option<&str> {
        match self {
            Self::Message(message) => Some(&message.data),
            Self::Gap(_) | Self::End => None,
        }
    }
}

impl LogBuffer {
    /// The list as the server rendered it.
    pub fn from_page(page: &TopicPage) -> Self {
        let mut log = Self::default();
        let mut before = page.before.as_ref();
        for shown in &page.events {
            let event = &shown.event;
            log.push(match event.event_type.as_str() {
                END_EVENT => Content::End,
                event_type => Content::Message(Arc::new(Message {
                    id: event.id.as_str().to_owned(),
                    event_type: event_type.to_owned(),
                    data: event.data.clone(),
                    cut: shown.whole_bytes.map(|whole_bytes| Cut {
                        whole_bytes,
                        after: before.map(ToString::to_string),
                    }),
                })),
            });
            before = Some(&event.id);
        }
        for row in &mut log.shown.rows {
            row.is_fresh = false;
        }
        log
    }

    /// Appends a row. Returns whether it was new: an event whose id has been here before is left out.
    pub fn push(&mut self, content: Content) -> bool {
        if let Content::Message(message) = &content {
            // From the newest backwards: a repetition is far likelier to be of them.
            if !message.id.is_empty() && self.seen.iter().rev().any(|seen| *seen == message.id) {
                return false;
            }
            if self.seen.len() == CAPACITY {
                self.seen.pop_front();
            }
            self.seen.push_back(message.id.clone());
            self.newest = Some(Arc::clone(message));
        }
        let row = Row {
            sequence: self.next_sequence,
            is_fresh: true,
            content,
        };
        self.next_sequence += 1;
        if self.is_paused || self.is_away {
            // What would be dropped as soon as it is shown need not wait for that.
            self.has_dropped |= self.waiting.push(row);
        } else {
            self.has_dropped |= self.shown.push(row);
            self.revision += 1;
        }
        true
    }

    /// Holds the list until [`Self::resume`].
    pub fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Shows everything that waited and follows the newest again.
    pub fn resume(&mut self) {
        self.is_paused = false;
        self.is_away = false;
        self.flush();
    }

    /// Holds the list because the reader is looking at older rows.
    pub fn leave_end(&mut self) {
        self.is_away = true;
    }

    /// The reader is back at the end: what waited for that is shown.
    pub fn reach_end(&mut self) {
        self.is_away = false;
        if !self.is_paused {
            self.flush();
        }
    }

    /// Empties the list. What waits because of a pause is kept, since a pause loses nothing; what waits because the
    /// reader had scrolled away goes, since the reader meant all that was there.
    pub fn clear(&mut self) {
        self.shown = Rows::default();
        if !self.is_paused {
            self.waiting = Rows::default();
        }
        self.is_away = false;
        self.has_dropped = false;
        self.revision += 1;
    }

    /// The rows that are shown and pass a filter, oldest first. Notices always pass.
    pub fn rows_passing(&self, filter: &Filter) -> Vec<Row> {
        let passes = |row: &&Row| match &row.content {
            Content::Message(message) => filter.passes(&message.event_type, &message.data),
            Content::Gap(_) | Content::End => true,
        };
        self.shown.rows.iter().filter(passes).cloned().collect()
    }

    /// How many events are shown, filter or not.
    pub fn message_count(&self) -> usize {
        messages_in(self.shown.rows.iter())
    }

    /// The event of a row that is shown.
    pub fn message(&self, sequence: u64) -> Option<Arc<Message>> {
        let row = self
            .shown
            .rows
            .iter()
            .find(|row| row.sequence == sequence)?;
        match &row.content {
            Content::Message(message) => Some(Arc::clone(message)),
            Content::Gap(_) | Content::End => None,
        }
    }

    /// The newest event's data, whether its row is shown, waits, or has been cleared.
    pub fn newest_data(&self) -> Option<&str> {
        self.newest.as_ref().map(|message| message.data.as_str())
    }

    /// Whether no row is shown.
    pub fn is_empty(&self) -> bool {
        self.shown.rows.is_empty()
    }

    /// How many rows wait.
    pub fn waiting(&self) -> usize {
        self.waiting.rows.len()
    }

    /// Whether the reader has paused the list.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether older rows had to go to make room.
    pub fn has_dropped(&self) -> bool {
        self.has_dropped
    }

    /// Whether the list has as many rows as it takes; it may have dropped some for their size before.
    pub fn is_full(&self) -> bool {
        self.shown.rows.len() == CAPACITY
    }

    /// A number that changes whenever the rows do.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn flush(&mut self) {
        if self.waiting.rows.is_empty() {
            return;
        }
        for row in std::mem::take(&mut self.waiting).rows {
            self.has_dropped |= self.shown.push(row);
        }
        self.revision += 1;
    }
}

impl Rows {
    /// Appends a row and drops the oldest if there are too many. Returns whether any was dropped.
    fn push(&mut self, row: Row) -> bool {
        let bytes = |row: &Row| row.content.data().map_or(0, str::len);
        self.bytes += bytes(&row);
        self.rows.push_back(row);
        let mut has_dropped = false;
        // The newest stays, however large it is.
        while self.rows.len() > CAPACITY || (self.bytes > MAX_BYTES && self.rows.len() > 1) {
            self.bytes -= self.rows.pop_front().as_ref().map_or(0, bytes);
            has_dropped = true;
        }
        has_dropped
    }
}

/// How many of the rows are events.
pub fn messages_in<'a>(rows: impl Iterator<Item = &'a Row>) -> usize {
    rows.filter(|row| row.content.data().is_some()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: usize) -> Content {
        Content::message(
            format!("#a-{id}"),
            "message".to_owned(),
            format!("hello {id}"),
        )
    }

    fn push_many(log: &mut LogBuffer, ids: std::ops::Range<usize>) {
        for id in ids {
            assert!(log.push(message(id)));
        }
    }

    impl LogBuffer {
        fn rows(&self) -> Vec<Row> {
            self.rows_passing(&Filter::default())
        }
    }

    fn ids(log: &LogBuffer) -> Vec<String> {
        let id = |row: Row| match row.content {
            Content::Message(message) => message.id.clone(),
            Content::Gap(_) => "gap".to_owned(),
            Content::End => "end".to_owned(),
        };
        log.rows().into_iter().map(id).collect()
    }

    #[test]
    fn what_came_once_is_not_shown_again() {
        let mut log = LogBuffer::default();
        assert!(log.push(message(1)));
        assert!(!log.push(message(1)));
        log.clear();
        assert!(
            !log.push(message(1)),
            "clearing the list does not make old news new"
        );
        let nameless = Content::message(String::new(), "message".to_owned(), "hello".to_owned());
        assert!(log.push(nameless.clone()));
        assert!(log.push(nameless), "without an id nobody can tell");
        assert_eq!(log.rows().len(), 2);
    }

    #[test]
    fn a_pause_loses_nothing() {
        let mut log = LogBuffer::default();
        push_many(&mut log, 0..2);
        let revision = log.revision();
        log.pause();
        push_many(&mut log, 2..14);
        assert_eq!(
            (log.rows().len(), log.waiting(), log.revision()),
            (2, 12, revision)
        );
        log.clear();
        assert_eq!((log.rows().len(), log.waiting()), (0, 12));
        log.resume();
        assert_eq!((log.rows().len(), log.waiting()), (12, 0));
        push_many(&mut log, 14..15);
        assert_eq!(log.rows().len(), 13);
    }

    #[test]
    fn rows_wait_while_the_reader_looks_at_older_ones() {
        let mut log = LogBuffer::default();
        push_many(&mut log, 0..1);
        log.leave_end();
        push_many(&mut log, 1..4);
        assert_eq!((log.rows().len(), log.waiting()), (1, 3));
        log.reach_end();
        assert_eq!(ids(&log), ["#a-0", "#a-1", "#a-2", "#a-3"]);
    }

    #[test]
    fn reaching_the_end_does_not_end_a_pause() {
        let mut log = LogBuffer::default();
        log.pause();
        log.leave_end();
        push_many(&mut log, 0..3);
        log.reach_end();
        assert_eq!((log.rows().len(), log.waiting()), (0, 3));
    }

    #[test]
    fn clearing_while_scrolled_away_leaves_an_empty_list_that_follows_again() {
        let mut log = LogBuffer::default();
        push_many(&mut log, 0..1);
        log.leave_end();
        push_many(&mut log, 1..3);
        log.clear();
        assert_eq!((log.rows().len(), log.waiting()), (0, 0));
        push_many(&mut log, 3..4);
        assert_eq!(ids(&log), ["#a-3"]);
    }

    #[test]
    fn the_list_is_capped_and_says_so() {
        let mut log = LogBuffer::default();
        push_many(&mut log, 0..CAPACITY);
        assert!(!log.has_dropped());
        push_many(&mut log, CAPACITY..CAPACITY + 1);
        assert!(log.has_dropped());
        assert_eq!(log.rows().len(), CAPACITY);
        assert_eq!(log.rows()[0].sequence, 1);
        log.pause();
        push_many(&mut log, CAPACITY + 1..3 * CAPACITY);
        assert_eq!((log.rows().len(), log.waiting()), (CAPACITY, CAPACITY));
        log.resume();
        assert_eq!(log.rows().len(), CAPACITY);
        assert_eq!(ids(&log)[CAPACITY - 1], format!("#a-{}", 3 * CAPACITY - 1));
    }

    #[test]
    fn a_gap_has_its_place_among_the_messages() {
        let id = |text| crate::protocol::event::EventId::new(text);
        let (Ok(requested), Ok(resumed_from)) = (id("#a-1"), id("#b-7")) else {
            panic!("both are ids");
        };
        let mut log = LogBuffer::default();
        push_many(&mut log, 0..2);
        log.push(Content::gap(Gap {
            requested,
            resumed_from,
        }));
        push_many(&mut log, 8..9);
        assert_eq!(ids(&log), ["#a-0", "#a-1", "gap", "#a-8"]);
    }

    #[test]
    fn rows_of_the_page_are_not_fresh_and_know_where_the_rest_of_them_is() {
        use crate::protocol::event::{Event, EventId, EventType};
        use crate::protocol::page::PageEvent;
        let event = |id: &str, event_type: &str, whole_bytes| PageEvent {
            event: Event {
                id: EventId::new(id).expect("an id"),
                event_type: EventType::new(event_type).expect("a type"),
                data: "hello".to_owned(),
            },
            whole_bytes,
        };
        let page = TopicPage {
            origin: String::new(),
            topic: "a".to_owned(),
            is_clock: false,
            stream_path: "/topics/a".to_owned(),
            events: vec![
                event("#a-1", "message", Some(9)),
                event("own", "news", Some(9)),
                event("#a-3", "end", None),
            ],
            before: None,
            older: 0,
            last_event_id: EventId::new("#a-3").expect("an id"),
            consumers: 0,
            has_ended: true,
            filter: String::new(),
            refusal: String::new(),
        };
        let mut log = LogBuffer::from_page(&page);
        assert!(!log.push(message(1)));
        push_many(&mut log, 4..5);
        let fresh: Vec<bool> = log.rows().iter().map(|row| row.is_fresh).collect();
        assert_eq!(fresh, [false, false, false, true]);
        let after = |sequence| {
            log.message(sequence)
                .and_then(|message| message.cut.clone()?.after)
        };
        assert_eq!((after(0), after(1)), (None, Some("#a-1".to_owned())));
        assert_eq!((log.message(2), log.message_count()), (None, 3));
        let passing = log.rows_passing(&Filter::read("type:news"));
        assert_eq!((passing.len(), messages_in(passing.iter())), (2, 1));
    }

    #[test]
    fn large_events_drop_older_ones_and_one_alone_stays() {
        let large = |id: usize, bytes| {
            Content::message(id.to_string(), "message".to_owned(), "x".repeat(bytes))
        };
        let mut log = LogBuffer::default();
        for id in 0..3 {
            log.push(large(id, MAX_BYTES / 2));
        }
        assert!(log.has_dropped() && !log.is_full());
        assert_eq!(ids(&log), ["1", "2"]);
        log.push(large(3, MAX_BYTES + 1));
        assert_eq!(ids(&log), ["3"]);
        push_many(&mut log, 4..6);
        assert_eq!(ids(&log), ["#a-4", "#a-5"]);
    }
}
