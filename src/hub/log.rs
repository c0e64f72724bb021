//! What is kept of one topic: its newest events, in order. How much is kept is decided by the hub.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use super::entry::Entry;
use super::position::Offset;
use super::run::Run;
use crate::protocol::event::EventId;

/// A topic's events, oldest first.
#[derive(Debug)]
pub(super) struct TopicLog {
    entries: VecDeque<Arc<Entry>>,
    /// How many of them need not be kept: without any, nobody has to look for one.
    passing: usize,
    dropped_through: Offset,
    has_ended: bool,
    /// What was read last. Whoever stands where its reader stood gets the same, for as long as somebody has it.
    last_run: Shared,
}

/// A run, and for whom it is right.
#[derive(Debug, Default)]
struct Shared {
    run: Weak<Run>,
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
    Run(Arc<Run>),
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
            dropped_through,
            has_ended: false,
            last_run: Shared::default(),
        }
    }

    /// Appends an event, whose offset is higher than any before it.
    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        self.has_ended |= entry.is_end;
        self.passing += usize::from(!entry.is_kept);
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
            // Nobody was promised that it stays, so this is no loss that a reader has to be told of.
            Some(place) if place > 0 => {
                self.passing -= 1;
                self.entries.remove(place)
            }
            _ => self.drop_oldest(),
        }
    }

    pub(super) fn drop_oldest(&mut self) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        match entry.is_kept {
            true => self.dropped_through = entry.offset,
            false => self.passing -= 1,
        }
        Some(entry)
    }

    pub(super) fn oldest(&self) -> Option<&Entry> {
        self.entries.front().map(AsRef::as_ref)
    }

    pub(super) fn newest(&self) -> Option<&Entry> {
        self.entries.back().map(AsRef::as_ref)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
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

    /// The place of the newest event whose publisher gave it this id.
    pub(super) fn find(&self, id: &EventId) -> Option<Offset> {
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.event.id == *id)
            .map(|entry| entry.offset)
    }

    /// How many events there are after a cursor, up to two: a reader that skips to the newest would lose any more.
    pub(super) fn unread_up_to_two(&self, cursor: Offset) -> usize {
        self.entries
            .iter()
            .rev()
            .take(2)
            .filter(|entry| entry.offset > cursor)
            .count()
    }

    /// The events after a cursor and up to `committed`: at least one if there is any, and no more than fit into
    /// `max_bytes` of frames.
    pub(super) fn after(
        &mut self,
        cursor: Offset,
        committed: Offset,
        view: View,
        max_bytes: usize,
    ) -> Found {
        if cursor < self.dropped_through {
            return Found::Dropped;
        }
        // Nothing after its cursor is hidden from a reader because it came late.
        let is_live = cursor >= view.replayed_through;
        let shared = &self.last_run;
        if shared.cursor == cursor
            && shared.with_private == view.with_private
            && (is_live || !shared.has_passing)
            && let Some(run) = shared.run.upgrade()
            && (run.frame_bytes() <= max_bytes || run.entries().len() == 1)
        {
            return Found::Run(run);
        }
        let (entries, through) = self.collect(cursor, committed, view, max_bytes);
        if entries.is_empty() {
            return Found::Nothing(through);
        }
        let run = Arc::new(Run::new(entries, through));
        let has_passing = self.passing > 0;
        if is_live || !has_passing {
            self.last_run = Shared {
                run: Arc::downgrade(&run),
                cursor,
                with_private: view.with_private,
                has_passing,
            };
        }
        Found::Run(run)
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
            if bytes > 0 && bytes + entry.frame.len() > max_bytes {
                return (entries, entry.offset.previous());
            }
            bytes += entry.frame.len();
            entries.push(Arc::clone(entry));
        }
        (entries, committed.max(cursor))
    }
}
