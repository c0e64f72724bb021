//! Lag: what happens to a reader that is too slow.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{LagPolicy, Position, ReadOutcome, Source, Subscriber};
use crate::hub::batch::Batch;
use crate::hub::entry::Entry;
use crate::hub::position::Offset;
use crate::protocol::gap::Gap;

/// What one source has that its reader has not read.
#[derive(Default)]
struct Unread {
    /// Events up to here are lost.
    lost_through: Offset,
    /// How many events there are at least: all of them, or more than are in `newest`.
    waiting: usize,
    /// The newest event of each topic.
    newest: Vec<Arc<Entry>>,
}

impl Subscriber {
    /// Treats the reader as too slow: events that it has not read are left out, but for the newest, or it is to be
    /// disconnected, as its policy says. A reader that has everything, or all but the newest, has lost nothing.
    pub fn handle_lag(&mut self) -> ReadOutcome {
        if self.slow_reader == LagPolicy::Disconnect {
            return ReadOutcome::TooSlow;
        }
        if let Some(gap) = self.take_gap() {
            return ReadOutcome::Gap(gap);
        }
        let committed = self.hub.committed();
        let mut has_lost = false;
        let mut lost_through = Offset::START;
        let mut waiting = 0;
        let mut newest = Vec::new();
        let unread: Vec<_> = self
            .sources
            .iter()
            .map(|source| self.unread(source, committed))
            .collect();
        for (source, unread) in self.sources.iter_mut().zip(unread) {
            if self.cursor.max(source.acknowledged) < unread.lost_through {
                has_lost = true;
                lost_through = lost_through.max(unread.lost_through);
            }
            source.acknowledged = source.acknowledged.max(unread.lost_through);
            waiting += unread.waiting;
            newest.extend(unread.newest);
        }
        newest.sort_by_key(|entry| entry.offset);
        newest.dedup_by_key(|entry| entry.offset);
        let is_told = self.slow_reader == LagPolicy::Skip;
        let mut goes_on_with = newest.first().map(|entry| entry.offset);
        if is_told {
            let last = newest.last().map(|entry| entry.offset);
            // A gap that ended before a loss of another topic would not report that loss.
            goes_on_with = last.filter(|last| *last > lost_through);
            // The end of a topic is sent even if the gap ends after it: without it, the reader would never stop waiting.
            newest.retain(|entry| entry.is_end || Some(entry.offset) == goes_on_with);
        }
        if !has_lost && waiting <= newest.len() {
            return self.read(usize::MAX);
        }
        // Ends that were to be sent after an earlier gap, and have not been read yet.
        if let Some(earlier) = self.pending.take() {
            newest.extend(earlier.ends().cloned());
            newest.sort_by_key(|entry| entry.offset);
            newest.dedup_by_key(|entry| entry.offset);
        }
        let skipped_through = goes_on_with.map_or(committed, Offset::previous);
        let requested = self.position();
        self.cursor = skipped_through;
        self.older = None;
        self.position = Position::At(skipped_through);
        self.pending = if newest.is_empty() {
            None
        } else {
            Some(Arc::new(Batch::new(newest, committed)))
        };
        // What has been evicted may have been the end of a topic.
        self.leave_what_has_been_read_to_its_end();
        if is_told {
            ReadOutcome::Gap(Gap {
                requested,
                resumed_from: self.position(),
            })
        } else {
            self.read(usize::MAX)
        }
    }

    fn unread(&self, source: &Source, committed: Offset) -> Unread {
        let view = source.view(self.replayed_through);
        let mut unread = Unread::default();
        let Some(pattern) = source.channel.pattern() else {
            let log = source.channel.log();
            unread.lost_through = log.lost_through(view);
            let after_cursor = log.newest_first(view);
            let mut after_cursor = after_cursor
                .take_while(|entry| entry.offset > self.cursor)
                .filter(|entry| entry.offset <= committed);
            unread.newest.extend(after_cursor.next().cloned());
            unread.waiting = unread.newest.len() + after_cursor.take(1).count();
            return unread;
        };
        let (topics, lost) = self.hub.matching(pattern, self.cursor);
        let mut newest: BTreeMap<_, Arc<Entry>> = BTreeMap::new();
        let mut add = |entry: &Arc<Entry>| {
            unread.waiting += 1;
            let of_topic = newest
                .entry(entry.topic.clone())
                .or_insert_with(|| Arc::clone(entry));
            if of_topic.offset < entry.offset {
                *of_topic = Arc::clone(entry);
            }
        };
        let tail_start = {
            let log = source.channel.log();
            unread.lost_through = log.lost_through(view);
            let in_tail = log
                .newest_first(view)
                .take_while(|entry| entry.offset > self.cursor)
                .filter(|entry| entry.offset <= committed);
            in_tail.for_each(&mut add);
            log.tail_start()
        };
        if self.cursor < tail_start {
            unread.lost_through = unread.lost_through.max(lost);
            for topic in topics {
                let log = topic.log();
                unread.lost_through = unread.lost_through.max(log.lost_retained());
                let retained = log.history.newest_first(tail_start.min(committed));
                let older = retained
                    .take_while(|entry| entry.offset > self.cursor)
                    .filter(|entry| view.shows(entry));
                older.take(2).for_each(&mut add);
            }
        }
        unread.newest = newest.into_values().collect();
        unread
    }
}
