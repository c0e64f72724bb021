//! The list of messages: what is shown, what waits, and what was dropped. Plain Rust; leaves showing it to the
//! component, and when to hold it to [`super::live`].

use std::collections::VecDeque;
use std::sync::Arc;

use crate::protocol::event::Event;
use crate::protocol::gap::Gap;

/// How many rows are shown, and as many may wait. A browser lays this many out without effort; for more there is the
/// raw stream.
pub const CAPACITY: usize = 1_000;

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
}

/// The list. While it is held (by the reader's Pause, or because the reader has scrolled away from the end) new rows
/// wait and nothing that is shown changes.
#[derive(Debug, Clone, Default)]
pub struct LogBuffer {
    shown: VecDeque<Row>,
    waiting: VecDeque<Row>,
    /// The newest ids, whether their rows are still shown or not: what came once is not shown again.
    seen: VecDeque<Arc<Message>>,
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
            Self::Gap(_) => None,
        }
    }
}

impl LogBuffer {
    /// The list as the server rendered it.
    pub fn from_page(events: &[Event]) -> Self {
        let mut log = Self::default();
        for event in events {
            log.push(Content::message(
                event.id.as_str().to_owned(),
                event.event_type.as_str().to_owned(),
                event.data.clone(),
            ));
        }
        for row in &mut log.shown {
            row.is_fresh = false;
        }
        log
    }

    /// Appends a row. Returns whether it was new: an event whose id has been here before is left out.
    pub fn push(&mut self, content: Content) -> bool {
        if let Content::Message(message) = &content {
            // From the newest backwards: a repetition is far likelier to be of them.
            if !message.id.is_empty() && self.seen.iter().rev().any(|seen| seen.id == message.id) {
                return false;
            }
            if self.seen.len() == CAPACITY {
                self.seen.pop_front();
            }
            self.seen.push_back(Arc::clone(message));
        }
        let row = Row {
            sequence: self.next_sequence,
            is_fresh: true,
            content,
        };
        self.next_sequence += 1;
        if self.is_paused || self.is_away {
            // What would be dropped as soon as it is shown need not wait for that.
            self.has_dropped |= push_bounded(&mut self.waiting, row);
        } else {
            self.has_dropped |= push_bounded(&mut self.shown, row);
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
        self.shown.clear();
        if !self.is_paused {
            self.waiting.clear();
        }
        self.is_away = false;
        self.has_dropped = false;
        self.revision += 1;
    }

    /// The rows that are shown, oldest first.
    pub fn rows(&self) -> Vec<Row> {
        self.shown.iter().cloned().collect()
    }

    /// The newest event's data, whether its row is shown, waits, or has been cleared.
    pub fn newest_data(&self) -> Option<&str> {
        self.seen.back().map(|message| message.data.as_str())
    }

    /// Whether no row is shown.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// How many rows wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether the reader has paused the list.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether older rows had to go to make room.
    pub fn has_dropped(&self) -> bool {
        self.has_dropped
    }

    /// A number that changes whenever the rows do.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        for row in std::mem::take(&mut self.waiting) {
            self.has_dropped |= push_bounded(&mut self.shown, row);
        }
        self.revision += 1;
    }
}

/// Appends a row and drops the oldest if there are too many. Returns whether one was dropped.
fn push_bounded(rows: &mut VecDeque<Row>, row: Row) -> bool {
    let is_full = rows.len() == CAPACITY;
    if is_full {
        rows.pop_front();
    }
    rows.push_back(row);
    is_full
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

    fn ids(log: &LogBuffer) -> Vec<String> {
        let id = |row: Row| match row.content {
            Content::Message(message) => message.id.clone(),
            Content::Gap(_) => "gap".to_owned(),
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
    fn rows_of_the_page_are_not_fresh() {
        let id = crate::protocol::event::EventId::new("#a-1");
        let Ok(id) = id else { panic!("it is an id") };
        let event = Event {
            id,
            event_type: Default::default(),
            data: "hello".to_owned(),
        };
        let mut log = LogBuffer::from_page(&[event]);
        assert!(!log.push(message(1)));
        push_many(&mut log, 2..3);
        let fresh: Vec<bool> = log.rows().iter().map(|row| row.is_fresh).collect();
        assert_eq!(fresh, [false, true]);
    }
}
