//! A topic, or a pattern that has readers: its log, its readers, and whom to notify of changes.
//!
//! A channel's log has two parts. The history is what retention leaves of a topic (a pattern has none of its own). The tail
//! is what feeds live readers. A reader with a cursor reads what comes after it, from whichever part has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::batch::{Batch, ends_before};
use super::entry::Entry;
use super::history::History;
use super::pattern::Pattern;
use super::position::Offset;
use super::tail::Tail;
use super::topic::Topic;
use super::visibility::{View, Visibility};
use super::watch::{ChannelId, TopicChange, Watchers};
use crate::protocol::event::EventId;

/// One topic or pattern, shared by the hub and its subscribers.
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) matcher: Matcher,
    log: Mutex<ChannelLog>,
    /// The offset of the newest event that reached the channel, or may have reached an earlier one of the same topic. Readers
    /// look at it without the lock.
    newest: AtomicU64,
    /// Changed only while the hub is locked.
    subscribers: AtomicUsize,
    /// Those of other hubs that share the log. Changed only while the hub is locked.
    subscribers_elsewhere: AtomicUsize,
    pub(super) watchers: Watchers,
    /// Whether retention has the channel on its list.
    is_listed: AtomicBool,
}

/// Which events reach a channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// Those of one topic.
    Topic(Topic),
    /// Those of every topic that matches.
    Pattern(Pattern),
}

/// What a channel has of its events.
#[derive(Debug)]
pub(super) struct ChannelLog {
    pub(super) history: History,
    /// While the channel has readers.
    tail: Option<Tail>,
    lost: Lost,
    /// Offsets by the id that the publisher chose, of every event that is retained, and of ephemeral ones in the tail.
    own_ids: HashMap<EventId, Offset>,
    has_ended: bool,
    last_batch: SharedBatch,
}

/// The newest events that neither part of the log has any more.
#[derive(Debug, Default)]
struct Lost {
    /// Of those that were retained.
    retained: Offset,
    /// Of the ephemeral ones, all of them and the public ones.
    ephemeral: Offset,
    public_ephemeral: Offset,
}

/// The last batch read (weak). Readers at the same cursor reuse it while it is alive.
#[derive(Debug)]
struct SharedBatch {
    batch: Weak<Batch>,
    cursor: Offset,
    visibility: Visibility,
    /// Whether an ephemeral event stands in its range, which is for live readers only.
    has_ephemeral: bool,
}

/// What a reader with a cursor finds.
pub(super) enum LogRead {
    /// The events after the cursor.
    Batch(Arc<Batch>),
    /// No event that the reader sees, up to this offset.
    Nothing(Offset),
    /// Events after the cursor are neither in the history nor in the tail.
    Dropped,
    /// The log reads the events after the cursor.
    Later,
    /// Events after the cursor are lost.
    Lost,
}

/// Where a reader stands at one channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standpoint<'a> {
    /// Everything up to here has been read, or is not for this reader.
    pub(super) cursor: Offset,
    /// Losses up to here predate the subscription, or have been reported as a gap.
    pub(super) acknowledged: Offset,
    pub(super) view: View<'a>,
}

impl Standpoint<'_> {
    /// Losses up to here do not matter to the reader.
    pub(super) fn known(&self) -> Offset {
        self.cursor.max(self.acknowledged)
    }
}

impl Channel {
    pub(super) fn new(id: ChannelId, matcher: Matcher, log: ChannelLog) -> Self {
        Self {
            id,
            matcher,
            // A reader of a topic that comes back has to look for what the topic had before.
            newest: AtomicU64::new(log.lost.retained.number()),
            log: Mutex::new(log),
            subscribers: AtomicUsize::new(0),
            subscribers_elsewhere: AtomicUsize::new(0),
            watchers: Watchers::default(),
            is_listed: AtomicBool::new(false),
        }
    }

    /// Never held across an await; no other lock is taken while it is held.
    pub(super) fn log(&self) -> MutexGuard<'_, ChannelLog> {
        self.log.lock()
    }

    /// The topic, unless the channel is a pattern.
    pub(super) fn topic(&self) -> Option<&Topic> {
        match &self.matcher {
            Matcher::Topic(topic) => Some(topic),
            Matcher::Pattern(_) => None,
        }
    }

    /// The pattern, unless the channel is a topic.
    pub(super) fn pattern(&self) -> Option<&Pattern> {
        match &self.matcher {
            Matcher::Topic(_) => None,
            Matcher::Pattern(pattern) => Some(pattern),
        }
    }

    /// The offset of the newest event that reached the channel.
    pub(super) fn newest(&self) -> Offset {
        Offset::from_number(self.newest.load(Ordering::Acquire))
    }

    /// Readers may look for events up to here.
    pub(super) fn set_newest(&self, offset: Offset) {
        self.newest.store(offset.number(), Ordering::Release);
    }

    pub(super) fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Relaxed)
    }

    /// The subscribers of this hub and of others that share the log.
    pub(super) fn subscribers_everywhere(&self) -> usize {
        self.subscribers() + self.subscribers_elsewhere.load(Ordering::Relaxed)
    }

    pub(super) fn set_subscribers_elsewhere(&self, count: usize) {
        self.subscribers_elsewhere.store(count, Ordering::Relaxed);
    }

    /// Counts one more subscriber. From the first on there is a tail: it has every event after `committed`.
    pub(super) fn add_subscriber(&self, committed: Offset) {
        if self.subscribers.fetch_add(1, Ordering::Relaxed) == 0 {
            self.log().open_tail(committed);
        }
    }

    /// Counts one subscriber less; the last takes the tail along. Returns how many are left.
    pub(super) fn remove_subscriber(&self) -> usize {
        let left = self.subscribers.fetch_sub(1, Ordering::Relaxed) - 1;
        if left == 0 {
            self.log().close_tail();
        }
        left
    }

    /// Notifies the watchers. Those that wake up lock the hub and the log, so both are free by then. Returns whether a
    /// thread has been woken.
    pub(super) fn notify(&self, change: TopicChange) -> bool {
        self.watchers.notify(self.id, change)
    }

    /// Returns `true` to the first that puts the channel on retention's list.
    pub(super) fn list(&self) -> bool {
        !self.is_listed.load(Ordering::Relaxed) && !self.is_listed.swap(true, Ordering::Relaxed)
    }

    /// Retention has taken the channel from its list.
    pub(super) fn unlist(&self) {
        self.is_listed.store(false, Ordering::Relaxed);
    }
}

impl ChannelLog {
    /// An empty log that counts everything up to `lost_through` as lost.
    pub(super) fn new(lost_through: Offset) -> Self {
        Self {
            history: History::new(lost_through),
            tail: None,
            lost: Lost {
                retained: lost_through,
                ..Lost::default()
            },
            own_ids: HashMap::new(),
            has_ended: false,
            last_batch: SharedBatch {
                batch: Weak::new(),
                cursor: Offset::START,
                visibility: Visibility::Public,
                has_ephemeral: false,
            },
        }
    }

    /// Appends an event to a topic's log, whose offset is higher than any before it, and whose own id, if it has one, no
    /// other has. Returns whether it is in the tail.
    pub(super) fn push(&mut self, entry: &Arc<Entry>) -> bool {
        // What comes after an end begins the topic anew: it had been forgotten, before a restart or by another hub that shares
        // the log, and its name used again.
        self.has_ended = entry.is_end;
        let is_in_tail = self.push_to_tail(entry);
        if entry.has_own_id && (!entry.is_ephemeral || is_in_tail) {
            self.own_ids.insert(entry.event.id.clone(), entry.offset);
        }
        if !entry.is_ephemeral {
            self.history.push(Arc::clone(entry));
        }
        is_in_tail
    }

    /// Appends an event to a pattern's log: it has a tail only.
    pub(super) fn push_to_tail(&mut self, entry: &Arc<Entry>) -> bool {
        if let Some(tail) = &mut self.tail {
            tail.push(Arc::clone(entry));
        }
        self.tail.is_some()
    }

    /// Evicts the oldest retained event.
    pub(super) fn evict(&mut self) -> Option<Arc<Entry>> {
        let entry = self.history.evict()?;
        self.forget_own_id(&entry);
        if entry.offset <= self.tail_start() {
            self.lost.retained = entry.offset;
        }
        Some(entry)
    }

    /// Trims the tail: events up to an offset need no longer be there.
    pub(super) fn trim_tail(&mut self, through: Offset) {
        while let Some(entry) = self.tail.as_mut().and_then(|tail| tail.trim(through)) {
            self.note_trimmed(&entry);
        }
    }

    /// Counts everything up to an offset as lost, once retention has evicted it.
    pub(super) fn lose_through(&mut self, through: Offset) {
        self.trim_tail(through);
        if let Some(tail) = &mut self.tail {
            tail.skip_through(through);
        }
        self.history.skip_through(through);
        self.lost.retained = self.lost.retained.max(through);
        if self.history.is_empty() {
            self.has_ended = false;
        }
    }

    fn open_tail(&mut self, start: Offset) {
        self.tail = Some(Tail::new(start));
    }

    fn close_tail(&mut self) {
        self.trim_tail(Offset::END);
        self.tail = None;
    }

    /// An event goes that its publisher may have given an id. A restart may have put an event back into memory whose id has
    /// been used again since it had been evicted: then the id is the newer event's.
    fn forget_own_id(&mut self, entry: &Entry) {
        if entry.has_own_id && self.own_ids.get(&entry.event.id) == Some(&entry.offset) {
            self.own_ids.remove(&entry.event.id);
        }
    }

    fn note_trimmed(&mut self, entry: &Entry) {
        if !entry.is_ephemeral {
            if entry.offset <= self.history.evicted_through() {
                self.lost.retained = self.lost.retained.max(entry.offset);
            }
            return;
        }
        self.forget_own_id(entry);
        self.lost.ephemeral = entry.offset;
        if !entry.is_private {
            self.lost.public_ephemeral = entry.offset;
        }
    }

    /// The tail has every event after this offset.
    pub(super) fn tail_start(&self) -> Offset {
        self.tail.as_ref().map_or(Offset::END, Tail::start)
    }

    /// Whether the topic has ended: nothing can be appended after its last event.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether the topic's oldest retained event was appended before a moment.
    pub(super) fn has_older_than(&self, moment: Instant) -> bool {
        self.history
            .oldest()
            .is_some_and(|oldest| oldest.is_older_than(moment))
    }

    /// Whether an event that the log has got this id from its publisher.
    pub(super) fn has_own_id(&self, id: &EventId) -> bool {
        self.own_ids.contains_key(id)
    }

    /// The offset of the event whose publisher gave it this id, if the reader may see that event. A reader that may not does
    /// not learn from an answer that it exists.
    pub(super) fn find(&self, id: &EventId, visibility: &Visibility) -> Option<Offset> {
        let offset = *self.own_ids.get(id)?;
        let in_tail = || self.tail.as_ref()?.at(offset);
        let entry = self.history.at(offset).or_else(in_tail)?;
        visibility.shows(entry).then_some(offset)
    }

    /// The newest event that neither part of the log has any more, and that a reader with this view would have been sent.
    pub(super) fn lost_through(&self, view: View<'_>) -> Offset {
        self.lost.retained.max(self.lost_ephemeral(view))
    }

    /// The newest ephemeral event that has left the tail, and that a reader with this view would have been sent.
    fn lost_ephemeral(&self, view: View<'_>) -> Offset {
        let ephemeral = if view.visibility.may_show_private() {
            self.lost.ephemeral
        } else {
            self.lost.public_ephemeral
        };
        if ephemeral > view.replayed_through {
            ephemeral
        } else {
            Offset::START
        }
    }

    /// The newest event that was retained, and that neither part of the log has any more.
    pub(super) fn lost_retained(&self) -> Offset {
        self.lost.retained
    }

    /// The newest event that either part has.
    pub(super) fn newest(&self) -> Option<&Arc<Entry>> {
        let in_tail = self
            .tail
            .as_ref()
            .and_then(|tail| tail.newest_first().next());
        in_tail.or_else(|| self.history.newest(true))
    }

    /// Whether events are missing that the reader would have been sent next.
    pub(super) fn has_lost(&self, standpoint: Standpoint<'_>) -> bool {
        standpoint.known() < self.lost_through(standpoint.view)
    }

    /// The same for ephemeral events only.
    pub(super) fn has_lost_ephemeral(&self, standpoint: Standpoint<'_>) -> bool {
        standpoint.known() < self.lost_ephemeral(standpoint.view)
    }

    /// The events after a cursor that either part of the log has, oldest first.
    pub(super) fn entries_after(&self, cursor: Offset) -> impl Iterator<Item = &Arc<Entry>> {
        let tail_start = self.tail_start();
        let old = self
            .history
            .after(cursor)
            .take_while(move |entry| entry.offset <= tail_start);
        let new = self.tail.iter().flat_map(move |tail| tail.after(cursor));
        old.chain(new)
    }

    /// The events that a view shows, newest first.
    pub(super) fn newest_first(&self, view: View<'_>) -> impl Iterator<Item = &Arc<Entry>> {
        let new = self.tail.iter().flat_map(Tail::newest_first);
        let old = self.history.newest_first(self.tail_start());
        new.chain(old).filter(move |entry| view.shows(entry))
    }

    /// The first event after a cursor and up to an offset that a view shows.
    pub(super) fn first_after(
        &self,
        cursor: Offset,
        through: Offset,
        view: View<'_>,
    ) -> Option<&Arc<Entry>> {
        self.entries_after(cursor)
            .take_while(|entry| entry.offset <= through)
            .find(|entry| view.shows(entry))
    }

    /// The events after a cursor and up to `committed`: at least one if there is any, and no more than fit into
    /// `max_bytes` of frames. Readers that stand at the same place get the same batch.
    pub(super) fn after(
        &mut self,
        standpoint: Standpoint<'_>,
        committed: Offset,
        max_bytes: usize,
    ) -> LogRead {
        if self.has_lost(standpoint) {
            return LogRead::Dropped;
        }
        let Standpoint { cursor, view, .. } = standpoint;
        // No ephemeral event after its cursor is hidden from a reader because it came late.
        let is_live = cursor >= view.replayed_through;
        let shared = &self.last_batch;
        if shared.cursor == cursor
            && shared.visibility.is_same(view.visibility)
            && (is_live || !shared.has_ephemeral)
            && let Some(batch) = shared.batch.upgrade()
            && (batch.text_bytes() <= max_bytes || batch.entries().len() == 1)
        {
            return LogRead::Batch(batch);
        }
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut through = committed.max(cursor);
        let mut has_ephemeral = false;
        let mut has_end = false;
        for entry in self
            .entries_after(cursor)
            .take_while(|entry| entry.offset <= committed)
        {
            if !view.shows(entry) {
                has_ephemeral |= entry.is_ephemeral;
                continue;
            }
            // A reader leaves a topic at its end, even if the name has been used again since.
            let is_after_end = has_end && ends_before(&entries, entry);
            if is_after_end || (bytes > 0 && bytes + entry.text_bytes() > max_bytes) {
                through = entry.offset.previous();
                break;
            }
            has_ephemeral |= entry.is_ephemeral;
            bytes += entry.text_bytes();
            entries.push(Arc::clone(entry));
            has_end |= entry.is_end;
        }
        if entries.is_empty() {
            return LogRead::Nothing(through);
        }
        let batch = Arc::new(Batch::new(entries, through));
        if is_live || !has_ephemeral {
            self.last_batch = SharedBatch {
                batch: Arc::downgrade(&batch),
                cursor,
                visibility: view.visibility.clone(),
                has_ephemeral,
            };
        }
        LogRead::Batch(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::entry::UnsequencedEntry;
    use crate::hub::position::{Epoch, Epochs};
    use crate::hub::publish::PublishRequest;

    #[derive(Clone, Copy)]
    enum Kind {
        Kept,
        Ephemeral,
    }
    use Kind::{Ephemeral, Kept};

    fn entry(number: u64, kind: Kind) -> Arc<Entry> {
        let publication = PublishRequest {
            is_ephemeral: matches!(kind, Ephemeral),
            ..PublishRequest::text("x")
        };
        let epochs = Epochs::new(Epoch::new("e").expect("a name"));
        let draft = UnsequencedEntry::new(publication);
        Arc::new(draft.finish(&Topic::clock(), &epochs, Offset::from_number(number)))
    }

    /// A log with readers that has these events.
    fn log(kinds: &[Kind]) -> ChannelLog {
        let mut log = ChannelLog::new(Offset::START);
        log.open_tail(Offset::START);
        for (number, kind) in (1..).zip(kinds) {
            log.push(&entry(number, *kind));
        }
        log
    }

    /// What a reader at the start reads that came when the newest event had an offset.
    fn read(log: &mut ChannelLog, came_at: u64, max_bytes: usize) -> Arc<Batch> {
        let standpoint = Standpoint {
            cursor: Offset::START,
            acknowledged: Offset::START,
            view: View {
                visibility: &Visibility::Public,
                replayed_through: Offset::from_number(came_at),
            },
        };
        match log.after(standpoint, Offset::from_number(100), max_bytes) {
            LogRead::Batch(batch) => batch,
            _ => panic!("there are events"),
        }
    }

    fn numbers(batch: &Batch) -> Vec<u64> {
        let entries = batch.entries().iter();
        entries.map(|entry| entry.offset.number()).collect()
    }

    #[test]
    fn readers_at_one_cursor_share_a_batch_if_it_is_not_too_large_for_them() {
        let mut log = log(&[Kept, Kept, Kept]);
        let each = entry(1, Kept).text_bytes();
        let two = read(&mut log, 0, 2 * each);
        assert_eq!(numbers(&two), [1, 2]);
        assert_eq!(two.through(), Offset::from_number(2));
        assert!(Arc::ptr_eq(&two, &read(&mut log, 0, 2 * each)));
        let one = read(&mut log, 0, 2 * each - 1);
        assert_eq!(numbers(&one), [1]);
        assert!(
            Arc::ptr_eq(&one, &read(&mut log, 0, 1)),
            "one event is the least"
        );
        drop(one);
        let all = read(&mut log, 0, usize::MAX);
        assert_eq!(numbers(&all), [1, 2, 3]);
        assert_eq!(all.through(), Offset::from_number(100));
        assert!(
            Arc::ptr_eq(&all, &read(&mut log, 3, usize::MAX)),
            "a reader that came later"
        );
    }

    #[test]
    fn a_reader_that_came_later_shares_no_batch_with_ephemeral_events() {
        let mut log = log(&[Kept, Ephemeral, Kept]);
        let live = read(&mut log, 0, usize::MAX);
        assert_eq!(numbers(&live), [1, 2, 3]);
        assert!(Arc::ptr_eq(&live, &read(&mut log, 0, usize::MAX)));
        assert_eq!(numbers(&read(&mut log, 3, usize::MAX)), [1, 3]);
    }

    #[test]
    fn a_live_reader_shares_no_batch_that_leaves_ephemeral_events_out() {
        let mut log = log(&[Kept, Ephemeral, Kept]);
        let late = read(&mut log, 3, usize::MAX);
        assert_eq!(numbers(&late), [1, 3]);
        assert_eq!(numbers(&read(&mut log, 0, usize::MAX)), [1, 2, 3]);
    }

    #[test]
    fn an_ephemeral_event_is_lost_for_readers_that_came_before_it() {
        let mut log = log(&[Kept, Ephemeral]);
        log.trim_tail(Offset::from_number(2));
        let lost = |came_at| {
            log.lost_through(View {
                visibility: &Visibility::Public,
                replayed_through: Offset::from_number(came_at),
            })
        };
        assert_eq!(
            [1, 2, 3].map(lost),
            [Offset::from_number(2), Offset::START, Offset::START]
        );
    }

    #[test]
    fn only_ids_of_publishers_are_remembered_by_name() {
        let mut log = log(&[Kept, Ephemeral]);
        assert!(log.own_ids.is_empty());
        assert!(log.evict().is_some());
        assert!(log.own_ids.is_empty());
    }
}
