//! The list of messages: what it keeps, what waits, what was dropped, and how much of it is in the document. Plain Rust;
//! leaves rendering it to the component, and when to hold it to [`super::live`].
//!
//! While a reader follows a busy topic, only the newest [`SMALLEST_WINDOW`] rows are in the document: older ones leave the
//! view before they can be read. As soon as the list stands still (paused, scrolled away from its end, or the topic is
//! quiet again) the window grows by half at a time, and by [`WINDOW_STEP`] rows at least, until all rows are there: an update
//! lays out the whole list, so few large ones are done sooner than many small ones. Scrolling, the browser's own
//! search, the keyboard and a screen reader therefore always work on real rows, and no row's height has to be guessed.

use std::collections::VecDeque;
use std::sync::Arc;

use super::filter::Filter;
use crate::protocol::END_EVENT;
use crate::protocol::gap::Gap;
use crate::protocol::page::TopicPage;

/// How many rows are kept, and as many may wait. A browser lays this many out without effort; for more there is the
/// raw stream.
pub const CAPACITY: usize = 1_000;

/// How many bytes of data are kept, and as many may wait: a thousand events of a megabyte would be more than a tab has.
pub const MAX_BYTES: usize = 16 << 20;

/// How many rows are in the document at least: more than twice what fits into the list on a large screen.
pub const SMALLEST_WINDOW: usize = 50;

/// How many rows that come together are highlighted at most.
const MOST_HIGHLIGHTED: usize = 5;

/// How many older rows one update adds to the document at least: what a slow machine lays out within a frame or two.
pub const WINDOW_STEP: usize = 25;

/// One row of the list. Cheap to clone, and never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Our own number, increasing by one. Ids are no keys: they come from publishers.
    pub sequence: u64,
    /// Whether the row is highlighted when it comes: it came over the stream, and not with many others.
    pub is_fresh: bool,
    /// What the row shows.
    pub content: Content,
    /// Whether it passes the list's filter. Judged once for each row and filter.
    passes: bool,
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
    /// When it was published or arrived.
    pub time: MessageTime,
}

/// When a message was published, if the page came with it, or arrived: a stream does not say when an event was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTime {
    /// As RFC 3339 in UTC with milliseconds.
    pub at: Arc<str>,
    /// What happened then.
    pub kind: TimeKind,
}

/// What happened at a [`MessageTime`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeKind {
    /// The event was published, on the day on which the page was rendered.
    Published,
    /// The event was published on another day.
    PublishedOnOtherDay,
    /// The event arrived in this browser.
    Arrived,
}

impl MessageTime {
    fn published(at: &str, rendered_at: &str) -> Self {
        let kind = if date(at) == date(rendered_at) {
            TimeKind::Published
        } else {
            TimeKind::PublishedOnOtherDay
        };
        Self {
            at: at.into(),
            kind,
        }
    }

    /// Such as `2026-11-26`.
    pub fn date(&self) -> &str {
        date(&self.at)
    }

    /// Such as `16:12:37`.
    pub fn time(&self) -> &str {
        self.at.get(11..19).unwrap_or_default()
    }
}

fn date(moment: &str) -> &str {
    moment.get(..10).unwrap_or_default()
}

/// The part of an event that is missing.
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
    /// How many of the rows are events.
    messages: usize,
    /// How many of the rows pass the filter, and how many of those are events.
    passing: usize,
    passing_messages: usize,
}

/// The list. While it is held (by the reader's Pause, or because the reader has scrolled away from the end) new rows
/// wait and no row that is kept changes.
#[derive(Debug, Clone)]
pub struct LogBuffer {
    kept: Rows,
    waiting: Rows,
    filter: Filter,
    /// How many of the newest rows that pass the filter are in the document.
    window: usize,
    /// How many rows have been added to `kept` since the window was looked at.
    added: usize,
    /// The sequence number from which rows are highlighted.
    fresh_from: u64,
    /// The newest ids, whether their rows are still kept or not: an event is listed once. Each with a hash, so that a
    /// search compares numbers.
    seen: VecDeque<(u32, String)>,
    newest: Option<Arc<Message>>,
    is_paused: bool,
    is_away: bool,
    has_dropped: bool,
    next_sequence: u64,
    /// Changes whenever the rows in the document do.
    revision: u64,
}

impl Default for LogBuffer {
    fn default() -> Self {
        Self {
            kept: Rows::default(),
            waiting: Rows::default(),
            filter: Filter::default(),
            window: SMALLEST_WINDOW,
            added: 0,
            fresh_from: u64::MAX,
            seen: VecDeque::new(),
            newest: None,
            is_paused: false,
            is_away: false,
            has_dropped: false,
            next_sequence: 0,
            revision: 0,
        }
    }
}

/// What [`LogBuffer::push`] did with an event or notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is in the list, or waits.
    New,
    /// An event with this id has been in the list before; it is left out.
    Repeated,
}

/// How fast rows come, as far as the document is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Each row can be noticed, and is highlighted.
    Slow,
    /// A reader can follow, and every row may stay in the document.
    Calm,
    /// Rows leave the view before they are read.
    Busy,
}

/// What [`LogBuffer::fit_window`] leaves to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Every row that passes is in the document.
    Complete,
    /// Older rows are to be added with the next update.
    Continues,
    /// Older rows are to be added once the topic is calm.
    Waits,
}

impl Content {
    /// The row of an event that arrived at this moment.
    pub fn message(id: String, event_type: String, data: String, arrived_at: Arc<str>) -> Self {
        Self::Message(Arc::new(Message {
            id,
            event_type,
            data,
            cut: None,
            time: MessageTime {
                at: arrived_at,
                kind: TimeKind::Arrived,
            },
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
        let mut log = Self {
            filter: Filter::read(&page.filter),
            ..Self::default()
        };
        let mut before = page.before.as_ref();
        for shown in &page.events {
            let event = &shown.event;
            let content = match event.event_type.as_str() {
                END_EVENT => Content::End,
                event_type => Content::Message(Arc::new(Message {
                    id: event.id.as_str().to_owned(),
                    event_type: event_type.to_owned(),
                    data: event.data.clone(),
                    cut: shown.whole_bytes.map(|whole_bytes| Cut {
                        whole_bytes,
                        after: before.map(ToString::to_string),
                    }),
                    time: MessageTime::published(&shown.published_at, &page.rendered_at),
                })),
            };
            log.push(content);
            before = Some(&event.id);
        }
        log.added = 0;
        log
    }

    /// Appends a row.
    pub fn push(&mut self, content: Content) -> Pushed {
        if let Content::Message(message) = &content {
            let hash = hash(&message.id);
            // From the newest backwards: a repetition is far likelier to be of them.
            let is_same = |seen: &(u32, String)| seen.0 == hash && seen.1 == message.id;
            if !message.id.is_empty() && self.seen.iter().rev().any(is_same) {
                return Pushed::Repeated;
            }
            if self.seen.len() == CAPACITY {
                self.seen.pop_front();
            }
            self.seen.push_back((hash, message.id.clone()));
            self.newest = Some(Arc::clone(message));
        }
        let row = Row {
            sequence: self.next_sequence,
            is_fresh: false,
            content,
            passes: true,
        };
        self.next_sequence += 1;
        if self.is_held() {
            // What would be dropped as soon as it is shown need not wait for that.
            self.has_dropped |= self.waiting.push(row);
        } else {
            self.keep(row);
        }
        Pushed::New
    }

    fn keep(&mut self, mut row: Row) {
        row.passes = passes(&self.filter, &row.content);
        self.has_dropped |= self.kept.push(row);
        self.added += 1;
        self.revision += 1;
    }

    fn is_held(&self) -> bool {
        self.is_paused || self.is_away
    }

    /// The filter that rows have to pass.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Judges every row anew, and begins with a small window.
    pub fn set_filter(&mut self, filter: Filter) {
        self.filter = filter;
        self.window = SMALLEST_WINDOW;
        self.kept.judge(&self.filter);
        self.revision += 1;
    }

    /// Fits the window to the pace, once per update of the document: an update adds at most half as many
    /// rows as there are.
    pub fn fit_window(&mut self, pace: Pace) -> Growth {
        let added = std::mem::take(&mut self.added);
        let before = self.window;
        let is_fresh = pace == Pace::Slow && added <= MOST_HIGHLIGHTED;
        let added_rows = u64::try_from(added).unwrap_or(u64::MAX);
        self.fresh_from = if is_fresh {
            self.next_sequence.saturating_sub(added_rows)
        } else {
            u64::MAX
        };
        if added > SMALLEST_WINDOW {
            self.window = SMALLEST_WINDOW;
        } else if pace == Pace::Busy && !self.is_held() {
            self.window = self.window.saturating_sub(4 * WINDOW_STEP);
        } else if self.window < self.kept.passing {
            let step = WINDOW_STEP.max(self.window / 2);
            let wider = self.window.saturating_add(step.saturating_sub(added));
            // No wider than what there is, so that it shrinks from there when the topic is busy again.
            self.window = wider.min(self.kept.passing + WINDOW_STEP);
        }
        self.window = self.window.clamp(SMALLEST_WINDOW, CAPACITY);
        if self.window.min(self.kept.passing) != before.min(self.kept.passing) {
            self.revision += 1;
        }
        if self.window >= self.kept.passing {
            Growth::Complete
        } else if pace != Pace::Busy || self.is_held() {
            Growth::Continues
        } else {
            Growth::Waits
        }
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
        self.kept = Rows::default();
        if !self.is_paused {
            self.waiting = Rows::default();
        }
        self.is_away = false;
        self.has_dropped = false;
        self.revision += 1;
    }

    /// The rows of the document, oldest first.
    pub fn window(&self) -> Vec<Row> {
        let with_mark = |row: &Row| Row {
            is_fresh: row.sequence >= self.fresh_from,
            ..row.clone()
        };
        let mut rows: Vec<Row> = self
            .passing()
            .rev()
            .take(self.window)
            .map(with_mark)
            .collect();
        rows.reverse();
        rows
    }

    /// The rows that are kept and pass the filter, oldest first. Notices always pass.
    pub fn passing(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.kept.rows.iter().filter(|row| row.passes)
    }

    /// How many events are kept, filter or not.
    pub fn message_count(&self) -> usize {
        self.kept.messages
    }

    /// How many events are kept and pass the filter.
    pub fn passing_message_count(&self) -> usize {
        self.kept.passing_messages
    }

    /// The event of a row that is shown.
    pub fn message(&self, sequence: u64) -> Option<Arc<Message>> {
        let row = self.kept.rows.iter().find(|row| row.sequence == sequence)?;
        match &row.content {
            Content::Message(message) => Some(Arc::clone(message)),
            Content::Gap(_) | Content::End => None,
        }
    }

    /// The newest event, whether its row is kept, waits, or has been cleared.
    pub fn newest(&self) -> Option<&Message> {
        self.newest.as_deref()
    }

    /// Whether every row that passes the filter is in the document.
    pub fn is_whole(&self) -> bool {
        self.window >= self.kept.passing
    }

    /// Whether no row that is kept passes the filter.
    pub fn is_empty(&self) -> bool {
        self.kept.passing == 0
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
        self.kept.rows.len() == CAPACITY
    }

    /// A number that changes whenever the rows of the document do.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn flush(&mut self) {
        for row in std::mem::take(&mut self.waiting).rows {
            self.keep(row);
        }
    }
}

impl Rows {
    /// Appends a row and drops the oldest if there are too many. Returns whether any was dropped.
    fn push(&mut self, row: Row) -> bool {
        self.count(&row, usize::wrapping_add);
        self.rows.push_back(row);
        let mut has_dropped = false;
        // The newest stays, however large it is.
        while self.rows.len() > CAPACITY || (self.bytes > MAX_BYTES && self.rows.len() > 1) {
            if let Some(row) = self.rows.pop_front() {
                self.count(&row, usize::wrapping_sub);
            }
            has_dropped = true;
        }
        has_dropped
    }

    /// Judges every row by a filter.
    fn judge(&mut self, filter: &Filter) {
        let mut judged = Self::default();
        for mut row in std::mem::take(&mut self.rows) {
            row.passes = passes(filter, &row.content);
            judged.count(&row, usize::wrapping_add);
            judged.rows.push_back(row);
        }
        *self = judged;
    }

    /// Counts a row in or out. What is counted out has been counted in.
    fn count(&mut self, row: &Row, add: fn(usize, usize) -> usize) {
        let data = row.content.data();
        let (message, passing) = (usize::from(data.is_some()), usize::from(row.passes));
        self.bytes = add(self.bytes, data.map_or(0, str::len));
        self.messages = add(self.messages, message);
        self.passing = add(self.passing, passing);
        self.passing_messages = add(self.passing_messages, message * passing);
    }
}

fn passes(filter: &Filter, content: &Content) -> bool {
    match content {
        Content::Message(message) => filter.passes(&message.event_type, &message.data),
        Content::Gap(_) | Content::End => true,
    }
}

/// FNV-1a.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: usize) -> Content {
        Content::message(
            format!("#a-{id}"),
            "message".to_owned(),
            format!("hello {id}"),
            "2026-11-26T16:12:37.045Z".into(),
        )
    }

    fn push_many(log: &mut LogBuffer, ids: std::ops::Range<usize>) {
        for id in ids {
            assert_eq!(log.push(message(id)), Pushed::New);
        }
    }

    impl LogBuffer {
        fn rows(&self) -> Vec<Row> {
            self.passing().cloned().collect()
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
        assert_eq!(log.push(message(1)), Pushed::New);
        assert_eq!(log.push(message(1)), Pushed::Repeated);
        log.clear();
        assert_eq!(
            log.push(message(1)),
            Pushed::Repeated,
            "clearing the list does not make an old event new"
        );
        let nameless = Content::message(
            String::new(),
            "message".to_owned(),
            "hello".to_owned(),
            "".into(),
        );
        assert_eq!(log.push(nameless.clone()), Pushed::New);
        assert_eq!(
            log.push(nameless),
            Pushed::New,
            "without an id repetitions cannot be recognised"
        );
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
        let gap = Gap {
            requested,
            resumed_from,
        };
        log.push(Content::gap(gap));
        push_many(&mut log, 8..9);
        assert_eq!(ids(&log), ["#a-0", "#a-1", "gap", "#a-8"]);
    }

    #[test]
    fn rows_of_the_page_are_not_fresh_and_know_where_the_rest_of_them_is() {
        use crate::protocol::event::{Event, EventId, EventType};
        use crate::protocol::page::PageEvent;
        let event = |id: &str, event_type: &str, whole_bytes, day| PageEvent {
            event: Event {
                id: EventId::new(id).expect("an id"),
                event_type: EventType::new(event_type).expect("a type"),
                data: "hello".to_owned(),
            },
            whole_bytes,
            published_at: format!("2026-11-2{day}T16:12:37.045Z"),
        };
        let page = TopicPage {
            origin: String::new(),
            topic: "a".to_owned(),
            stream_path: "/topics/a".to_owned(),
            events: vec![
                event("#a-1", "message", Some(9), 5),
                event("own", "news", Some(9), 6),
                event("#a-3", "end", None, 6),
            ],
            before: None,
            older: 0,
            last_event_id: EventId::new("#a-3").expect("an id"),
            consumers: 0,
            has_ended: true,
            filter: String::new(),
            refusal: None,
            rendered_at: "2026-11-26T16:12:38.123Z".to_owned(),
        };
        let mut log = LogBuffer::from_page(&page);
        assert_eq!(log.push(message(1)), Pushed::Repeated);
        push_many(&mut log, 4..5);
        log.fit_window(Pace::Slow);
        let fresh: Vec<bool> = log.window().iter().map(|row| row.is_fresh).collect();
        assert_eq!(fresh, [false, false, false, true]);
        let kind = |sequence| log.message(sequence).map(|message| message.time.kind);
        assert_eq!(kind(0), Some(TimeKind::PublishedOnOtherDay));
        assert_eq!(kind(1), Some(TimeKind::Published));
        assert_eq!(kind(3), Some(TimeKind::Arrived));
        let after = |sequence| {
            log.message(sequence)
                .and_then(|message| message.cut.clone()?.after)
        };
        assert_eq!((after(0), after(1)), (None, Some("#a-1".to_owned())));
        assert_eq!((log.message(2), log.message_count()), (None, 3));
        log.set_filter(Filter::read("type:news"));
        assert_eq!((log.rows().len(), log.passing_message_count()), (2, 1));
    }

    #[test]
    fn large_events_drop_older_ones_and_one_alone_stays() {
        let large = |id: usize, bytes| {
            Content::message(
                id.to_string(),
                "message".to_owned(),
                "x".repeat(bytes),
                "".into(),
            )
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

    fn window(log: &LogBuffer) -> usize {
        log.window().len()
    }

    #[test]
    fn a_burst_leaves_its_newest_rows_in_the_document_until_the_topic_is_quiet() {
        let mut log = LogBuffer::default();
        push_many(&mut log, 0..CAPACITY);
        let revision = log.revision();
        assert_eq!(log.fit_window(Pace::Busy), Growth::Waits);
        assert_eq!(window(&log), SMALLEST_WINDOW);
        assert_eq!(
            log.window().last().map(|row| row.sequence),
            Some(u64::try_from(CAPACITY).unwrap_or_default() - 1)
        );
        assert!(log.revision() >= revision);
        let mut sizes = vec![window(&log)];
        while log.fit_window(Pace::Calm) == Growth::Continues {
            sizes.push(window(&log));
        }
        assert_eq!(sizes, [50, 75, 112, 168, 252, 378, 567, 850]);
        assert_eq!(window(&log), CAPACITY);
        push_many(&mut log, CAPACITY..CAPACITY + 1);
        assert_eq!(log.fit_window(Pace::Calm), Growth::Complete);
        assert_eq!(window(&log), CAPACITY);
    }

    #[test]
    fn the_window_shrinks_while_the_topic_is_busy_and_grows_while_the_list_is_held() {
        let mut log = LogBuffer::default();
        push_many(&mut log, 0..400);
        while log.fit_window(Pace::Calm) == Growth::Continues {}
        assert_eq!(window(&log), 400);
        push_many(&mut log, 400..410);
        while window(&log) > SMALLEST_WINDOW {
            let before = window(&log);
            assert_eq!(log.fit_window(Pace::Busy), Growth::Waits);
            assert!(window(&log) < before);
        }
        log.leave_end();
        push_many(&mut log, 410..500);
        while log.fit_window(Pace::Busy) == Growth::Continues {}
        assert_eq!((window(&log), log.waiting()), (410, 90));
        log.reach_end();
        log.fit_window(Pace::Busy);
        assert_eq!((window(&log), log.waiting()), (SMALLEST_WINDOW, 0));
    }

    #[test]
    fn the_window_counts_what_passes_the_filter() {
        let mut log = LogBuffer::default();
        push_many(&mut log, 0..400);
        log.set_filter(Filter::read("3"));
        let passing = log.passing().count();
        assert_eq!(log.passing_message_count(), passing);
        assert_eq!(window(&log), SMALLEST_WINDOW);
        while log.fit_window(Pace::Calm) == Growth::Continues {}
        assert_eq!(window(&log), passing);
        push_many(&mut log, 400..404);
        assert_eq!(log.passing_message_count(), passing + 1);
        log.set_filter(Filter::default());
        assert_eq!(
            (log.passing_message_count(), log.message_count()),
            (404, 404)
        );
        log.set_filter(Filter::read("nowhere"));
        assert!(log.is_empty() && log.message_count() == 404);
    }

    #[test]
    fn counts_follow_what_is_dropped() {
        let mut log = LogBuffer::default();
        log.set_filter(Filter::read("hello"));
        push_many(&mut log, 0..2 * CAPACITY);
        assert_eq!(
            (log.passing_message_count(), log.message_count()),
            (CAPACITY, CAPACITY)
        );
        log.clear();
        assert_eq!((log.passing_message_count(), log.message_count()), (0, 0));
    }
}
