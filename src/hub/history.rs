//! What is retained of one topic: its newest events, in order, for readers that come or come back. How much is retained is
//! decided by [`retention`](super::retention); ephemeral events are never here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use super::entry::{Entry, index_after};
use super::position::Offset;

/// A topic's retained events, oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    entries: VecDeque<Arc<Entry>>,
    /// Number of private entries.
    private: usize,
    /// What the entries cost together, in bytes.
    bytes: usize,
    /// Newest event that is no longer retained.
    evicted_through: Offset,
    newest_public: Option<Arc<Entry>>,
}

impl History {
    /// An empty history whose events up to `evicted_through` count as evicted.
    pub(super) fn new(evicted_through: Offset) -> Self {
        Self {
            evicted_through,
            ..Self::default()
        }
    }

    /// Appends an event, whose offset is higher than any before it.
    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        self.bytes += entry.bytes();
        if entry.is_private {
            self.private += 1;
        } else {
            self.newest_public = Some(Arc::clone(&entry));
        }
        self.entries.push_back(entry);
    }

    /// Removes the oldest event.
    pub(super) fn evict(&mut self) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.bytes();
        self.private -= usize::from(entry.is_private);
        self.evicted_through = entry.offset;
        // Events are evicted oldest first, so the newest public one goes when no other is left.
        self.newest_public
            .take_if(|newest| newest.offset == entry.offset);
        Some(entry)
    }

    /// Counts everything up to an offset as evicted, of which there is nothing left.
    pub(super) fn skip_through(&mut self, through: Offset) {
        self.evicted_through = self.evicted_through.max(through);
    }

    pub(super) fn oldest(&self) -> Option<&Arc<Entry>> {
        self.entries.front()
    }

    /// The newest event, among all events or among the public ones.
    pub(super) fn newest(&self, with_private: bool) -> Option<&Arc<Entry>> {
        if with_private {
            self.entries.back()
        } else {
            self.newest_public.as_ref()
        }
    }

    /// The number of events that such a reader sees.
    pub(super) fn count(&self, with_private: bool) -> usize {
        let hidden = if with_private { 0 } else { self.private };
        self.entries.len() - hidden
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the events cost together, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The newest event that is no longer retained. A reader with this cursor has missed nothing.
    pub(super) fn evicted_through(&self) -> Offset {
        self.evicted_through
    }

    /// The events after a cursor, oldest first.
    pub(super) fn after(&self, cursor: Offset) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.range(index_after(&self.entries, cursor)..)
    }

    /// The events up to an offset, newest first.
    pub(super) fn newest_first(&self, through: Offset) -> impl Iterator<Item = &Arc<Entry>> {
        let end = self
            .entries
            .partition_point(|entry| entry.offset <= through);
        self.entries.range(..end).rev()
    }

    /// The event at an offset.
    pub(super) fn at(&self, offset: Offset) -> Option<&Arc<Entry>> {
        self.after(offset.previous())
            .next()
            .filter(|entry| entry.offset == offset)
    }

    /// The offset of the first event that was published at or after a moment.
    pub(super) fn first_since(&self, moment: SystemTime) -> Option<Offset> {
        self.entries
            .iter()
            .find(|entry| entry.published_at >= moment)
            .map(|entry| entry.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::entry::UnsequencedEntry;
    use crate::hub::position::{Epoch, Epochs};
    use crate::hub::publish::PublishRequest;
    use crate::hub::topic::Topic;

    fn entry(number: u64, is_private: bool) -> Arc<Entry> {
        let publication = PublishRequest {
            is_private,
            ..PublishRequest::text("x")
        };
        let epochs = Epochs::new(Epoch::new("e").expect("a name"));
        let draft = UnsequencedEntry::new(publication);
        Arc::new(draft.finish(&Topic::clock(), &epochs, Offset::from_number(number)))
    }

    #[test]
    fn a_history_counts_what_it_has_and_what_a_reader_sees_of_it() {
        let mut history = History::new(Offset::from_number(3));
        assert_eq!(history.evicted_through(), Offset::from_number(3));
        let entries = [(4, true), (5, false), (7, true)]
            .map(|(number, is_private)| entry(number, is_private));
        for entry in &entries {
            history.push(Arc::clone(entry));
        }
        let state = |history: &History| {
            let newest = |with_private| {
                history
                    .newest(with_private)
                    .map(|entry| entry.offset.number())
            };
            (
                history.count(true),
                history.count(false),
                newest(true),
                newest(false),
            )
        };
        assert_eq!(state(&history), (3, 1, Some(7), Some(5)));
        assert_eq!(
            history.bytes(),
            entries.iter().map(|entry| entry.bytes()).sum::<usize>()
        );
        let at = |number| history.at(Offset::from_number(number)).is_some();
        assert_eq!(
            [3, 4, 5, 6, 7, 8].map(at),
            [false, true, true, false, true, false]
        );
        let found = history.first_since(entries[1].published_at);
        assert!(found.is_some_and(|found| found <= Offset::from_number(5)));
        let later = SystemTime::now() + std::time::Duration::from_secs(60);
        assert_eq!(history.first_since(later), None);
        history.evict();
        assert_eq!(state(&history), (2, 1, Some(7), Some(5)));
        history.evict();
        assert_eq!(state(&history), (1, 0, Some(7), None));
        assert_eq!(history.evicted_through(), Offset::from_number(5));
        history.evict();
        assert_eq!(state(&history), (0, 0, None, None));
        assert!(history.is_empty() && history.evict().is_none());
        assert_eq!(history.bytes(), 0);
    }
}
