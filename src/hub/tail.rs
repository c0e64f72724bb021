//! The newest events of a topic or pattern that has readers: what feeds live readers. An event stays here although
//! retention has evicted it, and an ephemeral event is nowhere else, so that readers that keep up miss nothing, whatever
//! retention does.
//!
//! All tails together have one budget ([`TailBudget`]): a reader that falls further behind reads on from the history, and
//! has lost what is not there.

use std::collections::VecDeque;
use std::sync::Arc;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::channel::Channel;
use super::entry::Entry;
use super::position::Offset;

/// The bytes that all tails together take unless the hub is given another limit.
pub const TAIL_BYTES: usize = 16 * 1_024 * 1_024;

/// What a place in a tail takes, in bytes: an event has one in the tail of each topic and pattern with readers that it
/// reaches.
pub(super) const PLACE_BYTES: usize = 48;

/// Every event of one topic or pattern after an offset.
#[derive(Debug)]
pub(super) struct Tail {
    entries: VecDeque<Arc<Entry>>,
    /// Every event after this one is in `entries`.
    start: Offset,
}

impl Tail {
    /// An empty tail: every event after `start` will be in it.
    pub(super) fn new(start: Offset) -> Self {
        Self {
            entries: VecDeque::new(),
            start,
        }
    }

    pub(super) fn start(&self) -> Offset {
        self.start
    }

    /// Appends an event, whose offset is higher than any before it.
    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        self.entries.push_back(entry);
    }

    /// Removes the oldest event, if its offset is at most `through`.
    pub(super) fn trim(&mut self, through: Offset) -> Option<Arc<Entry>> {
        let is_due = self.entries.front()?.offset <= through;
        let entry = is_due.then(|| self.entries.pop_front()).flatten()?;
        self.start = entry.offset;
        Some(entry)
    }

    /// The events after a cursor, oldest first.
    pub(super) fn after(&self, cursor: Offset) -> impl Iterator<Item = &Arc<Entry>> {
        let start = self.entries.partition_point(|entry| entry.offset <= cursor);
        self.entries.range(start..)
    }

    /// All events, newest first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.iter().rev()
    }

    /// The event at an offset.
    pub(super) fn at(&self, offset: Offset) -> Option<&Arc<Entry>> {
        self.after(offset.previous())
            .next()
            .filter(|entry| entry.offset == offset)
    }
}

/// What is in all tails, oldest first, so that the oldest can be trimmed.
pub(super) struct TailBudget {
    limit: usize,
    places: VecDeque<Place>,
    bytes: usize,
}

/// An event, and in whose tails it is.
struct Place {
    offset: Offset,
    bytes: usize,
    appended_at: Instant,
    channels: SmallVec<[Arc<Channel>; 1]>,
}

impl TailBudget {
    /// No event yet, and at most `limit` bytes of them, counted as [`Entry::bytes`] and [`PLACE_BYTES`].
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            places: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Accounts for an event that is in the tails of these channels, and trims the oldest events while the budget is
    /// exceeded. Costs as much as the events that it trims, which is one for each as a rule.
    pub(super) fn add(&mut self, entry: &Entry, channels: SmallVec<[Arc<Channel>; 1]>) {
        if channels.is_empty() {
            return;
        }
        let bytes = entry.bytes() + channels.len() * PLACE_BYTES;
        self.bytes += bytes;
        self.places.push_back(Place {
            offset: entry.offset,
            bytes,
            appended_at: entry.appended_at(),
            channels,
        });
        // The newest event stays, however large it is.
        while self.bytes > self.limit && self.places.len() > 1 {
            self.trim_oldest();
        }
    }

    /// Trims what was appended before a moment.
    pub(super) fn trim_older_than(&mut self, moment: Instant) {
        while self
            .places
            .front()
            .is_some_and(|place| place.appended_at < moment)
        {
            self.trim_oldest();
        }
    }

    fn trim_oldest(&mut self) {
        if let Some(place) = self.places.pop_front() {
            self.bytes -= place.bytes;
            for channel in place.channels {
                channel.log().trim_tail(place.offset);
            }
        }
    }
}
