//! What is kept of one topic: its newest events, in order. How much is kept is decided by the hub.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use super::batch::Batch;
use super::entry::Entry;
use super::position::Offset;
use crate::protocol::event::EventId;

/// A topic's events, oldest first.
#[derive(Debug)]
pub(super) struct TopicLog {
    entries: VecDeque<Arc<Entry>>,
    /// Number of ephemeral entries; 0 lets [`Self::make_room`] skip its scan.
    passing: usize,
    /// Number of private entries that are kept.
    private: usize,
    /// What the entries cost together, in bytes.
    bytes: usize,
    dropped_through: Offset,
    /// Newest ephemeral event that was dropped: a live reader that stands before it has missed it.
    lost_passing: Lost,
    /// Offsets by the id that the publisher chose.
    own_ids: HashMap<EventId, Offset>,
    /// Newest entry that is kept, and newest that is kept and public.
    newest_kept: Option<Arc<Entry>>,
    newest_public: Option<Arc<Entry>>,
    has_ended: bool,
    /// The last batch that was read (weak). Readers at the same cursor reuse it while it is alive.
    last_batch: Shared,
}

/// The newest event of a kind that was dropped, of all events and of the public ones.
#[derive(Debug, Default)]
struct Lost {
    any: Offset,
    public: Offset,
}

/// A batch, and the readers that it is right for.
#[derive(Debug, Default)]
struct Shared {
    batch: Weak<Batch>,
    cursor: Offset,
    with_private: bool,
    /// Whether there was an event in the log that is not kept, which some readers see and others do not.
    has_passing: bool,
}

/// Which part of a log a reader wants to see, and may.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    /// Whether the reader sees private events.
    pub(super) with_private: bool,
    /// Up to here, the reader sees only what is kept: it was published before the reader came.
    pub(super) replayed_through: Offset,
}

/// What a reader with a cursor finds.
pub(super) enum Found {
    /// The events after the cursor.
    Batch(Arc<Batch>),
    /// Nothing that this reader sees, up to here.
    Nothing(Offset),
    /// Events after the cursor have been dropped.
    Dropped,
}

/// How many of the newest events of a topic are spared when room is made at the cost of events that need not be kept:
/// readers who are at the end have not read those yet.
const SPARED_EVENTS: usize = 100;

impl View {
    /// What a reader sees that comes now: nothing that is not kept.
    pub(super) fn of_the_past(with_private: bool) -> Self {
        Self {
            with_private,
            replayed_through: Offset::END,
        }
    }

    fn shows(self, entry: &Entry) -> bool {
        (self.with_private || !entry.is_private)
            && (entry.is_kept || entry.offset > self.replayed_through)
    }
}

impl TopicLog {
    /// An empty log that counts everything up to `dropped_through` as lost.
    pub(super) fn new(dropped_through: Offset) -> Self {
        Self {
            entries: VecDeque::new(),
            passing: 0,
            private: 0,
            bytes: 0,
            dropped_through,
            lost_passing: Lost::default(),
            own_ids: HashMap::new(),
            newest_kept: None,
            newest_public: None,
            has_ended: false,
            last_batch: Shared::default(),
        }
    }

    /// Appends an event, whose offset is higher than any before it, and whose own id, if it has one, no other has.
    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        self.has_ended |= entry.is_end;
        self.bytes += entry.bytes();
        if entry.has_own_id {
            self.own_ids.insert(entry.event.id.clone(), entry.offset);
        }
        if entry.is_kept {
            if entry.is_private {
                self.private += 1;
            } else {
                self.newest_public = Some(Arc::clone(&entry));
            }
            self.newest_kept = Some(Arc::clone(&entry));
        } else {
            self.passing += 1;
        }
        self.entries.push_back(entry);
    }

    /// Makes room for one event more than `limit`: an old event goes that need not be kept, or else the oldest.
    pub(super) fn make_room(&mut self, limit: usize) -> Option<Arc<Entry>> {
        let length = self.entries.len();
        if length <= limit {
            return None;
        }
        let mut old = self
            .entries
            .iter()
            .take(length.saturating_sub(SPARED_EVENTS));
        let oldest_passing = match self.passing {
            0 => None,
            _ => old.position(|entry| !entry.is_kept),
        };
        match oldest_passing {
            Some(place) if place > 0 => {
                let entry = self.entries.remove(place)?;
                self.note_dropped(&entry);
                Some(entry)
            }
            _ => self.drop_oldest(),
        }
    }

    pub(super) fn drop_oldest(&mut self) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.note_dropped(&entry);
        Some(entry)
    }

    fn note_dropped(&mut self, entry: &Arc<Entry>) {
        self.bytes -= entry.bytes();
        if entry.has_own_id {
            self.own_ids.remove(&entry.event.id);
        }
        if entry.is_kept {
            self.private -= usize::from(entry.is_private);
            self.dropped_through = entry.offset;
            // Kept entries are dropped oldest first, so the newest is dropped when none is left.
            for newest in [&mut self.newest_kept, &mut self.newest_public] {
                newest.take_if(|newest| newest.offset == entry.offset);
            }
        } else {
            // No resuming reader was promised it; a reader that was connected has missed it.
            self.passing -= 1;
            self.lost_passing.any = self.lost_passing.any.max(entry.offset);
            if !entry.is_private {
                self.lost_passing.public = self.lost_passing.public.max(entry.offset);
            }
        }
    }

    pub(super) fn oldest(&self) -> Option<&Entry> {
        self.entries.front().map(AsRef::as_ref)
    }

    pub(super) fn newest(&self) -> Option<&Entry> {
        self.entries.back().map(AsRef::as_ref)
    }

    /// The newest event that is kept, as a reader sees the topic who does, or does not, see private events.
    pub(super) fn newest_kept(&self, with_private: bool) -> Option<&Entry> {
        let newest = if with_private {
            &self.newest_kept
        } else {
            &self.newest_public
        };
        newest.as_deref()
    }

    /// How many events are kept, as such a reader sees the topic.
    pub(super) fn kept(&self, with_private: bool) -> usize {
        let kept = self.entries.len() - self.passing;
        if with_private {
            kept
        } else {
            kept - self.private
        }
    }

    /// Whether private events are kept.
    pub(super) fn has_private(&self) -> bool {
        self.private > 0
    }

    /// What the events cost together, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether the topic has ended: nothing can be appended after its last event.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The newest event that is no longer kept. Whoever has read up to here has missed nothing.
    pub(super) fn dropped_through(&self) -> Offset {
        self.dropped_through
    }

    /// The events that a view shows, newest first.
    pub(super) fn newest_first(&self, view: View) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries
            .iter()
            .rev()
            .filter(move |entry| view.shows(entry))
    }

    /// The place of the first event that was published at or after a moment.
    pub(super) fn first_since(&self, moment: SystemTime) -> Option<Offset> {
        self.entries
            .iter()
            .find(|entry| entry.published_at >= moment)
            .map(|entry| entry.offset)
    }

    /// Whether an event in the log has this id by its publisher's choice.
    pub(super) fn has_own_id(&self, id: &EventId) -> bool {
        self.own_ids.contains_key(id)
    }

    /// The offset of the event whose publisher gave it this id, if the view shows that event. A reader who may not see the
    /// event does not learn from an answer that it exists.
    pub(super) fn find(&self, id: &EventId, with_private: bool) -> Option<Offset> {
        let offset = *self.own_ids.get(id)?;
        let place = self
            .entries
            .binary_search_by_key(&offset, |entry| entry.offset)
            .ok()?;
        let entry = self.entries.get(place)?;
        (with_private || !entry.is_private).then_some(offset)
    }

    /// The newest event that a live reader with this view may have missed because it was dropped.
    pub(super) fn lost_through(&self, view: View) -> Offset {
        let passing = if view.with_private {
            self.lost_passing.any
        } else {
            self.lost_passing.public
        };
        if passing > view.replayed_through {
            self.dropped_through.max(passing)
        } else {
            self.dropped_through
        }
    }

    /// The number of events after a cursor that a view shows, up to two: a reader that skips to the newest loses any more.
    pub(super) fn unread_up_to_two(&self, cursor: Offset, view: View) -> usize {
        self.entries
            .iter()
            .rev()
            .take_while(|entry| entry.offset > cursor)
            .filter(|entry| view.shows(entry))
            .take(2)
            .count()
    }

    /// The events after a cursor and up to `committed`: at least one if there is any, and no more than fit into
    /// `max_bytes` of text.
    pub(super) fn after(
        &mut self,
        cursor: Offset,
        committed: Offset,
        view: View,
        max_bytes: usize,
    ) -> Found {
        if cursor < self.lost_through(view) {
            return Found::Dropped;
        }
        // Nothing after its cursor is hidden from a reader because it came late.
        let is_live = cursor >= view.replayed_through;
        let shared = &self.last_batch;
        if shared.cursor == cursor
            && shared.with_private == view.with_private
            && (is_live || !shared.has_passing)
            && let Some(batch) = shared.batch.upgrade()
            && (batch.text_bytes() <= max_bytes || batch.entries().len() == 1)
        {
            return Found::Batch(batch);
        }
        let (entries, through) = self.collect(cursor, committed, view, max_bytes);
        if entries.is_empty() {
            return Found::Nothing(through);
        }
        let batch = Arc::new(Batch::new(entries, through));
        let has_passing = self.passing > 0;
        if is_live || !has_passing {
            self.last_batch = Shared {
                batch: Arc::downgrade(&batch),
                cursor,
                with_private: view.with_private,
                has_passing,
            };
        }
        Found::Batch(batch)
    }

    fn collect(
        &self,
        cursor: Offset,
        committed: Offset,
        view: View,
        max_bytes: usize,
    ) -> (Vec<Arc<Entry>>, Offset) {
        let start = self.entries.partition_point(|entry| entry.offset <= cursor);
        let mut entries = Vec::new();
        let mut bytes = 0;
        for entry in self
            .entries
            .range(start..)
            .take_while(|entry| entry.offset <= committed)
        {
            if !view.shows(entry) {
                continue;
            }
            if bytes > 0 && bytes + entry.text_bytes() > max_bytes {
                return (entries, entry.offset.previous());
            }
            bytes += entry.text_bytes();
            entries.push(Arc::clone(entry));
        }
        (entries, committed.max(cursor))
    }
}
