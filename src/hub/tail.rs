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
use super::entry::{Entry, index_after};
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

    /// Events up to an offset, of which there is none left, are not here.
    pub(super) fn skip_through(&mut self, through: Offset) {
        self.start = self.start.max(through);
    }

    /// The events after a cursor, oldest first.
    pub(super) fn after(&self, cursor: Offset) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.range(index_after(&self.entries, cursor)..)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::channel::{ChannelLog, Matcher};
    use crate::hub::entry::UnsequencedEntry;
    use crate::hub::position::{Epoch, Epochs};
    use crate::hub::publish::PublishRequest;
    use crate::hub::topic::Topic;
    use crate::hub::watch::ChannelId;

    fn channel(number: u64) -> Arc<Channel> {
        let matcher = Matcher::Topic(Topic::clock());
        let log = ChannelLog::new(Offset::START);
        let channel = Arc::new(Channel::new(ChannelId(number), matcher, log));
        channel.add_subscriber(Offset::START);
        channel
    }

    fn entry(number: u64) -> Arc<Entry> {
        let epochs = Epochs::new(Epoch::new("e").expect("a name"));
        let entry = UnsequencedEntry::new(PublishRequest::text("x"));
        Arc::new(entry.finish(&Topic::clock(), &epochs, Offset::from_number(number)))
    }

    #[test]
    fn tails_take_exactly_their_budget() {
        for count in [1, 3] {
            let channels: SmallVec<[_; 1]> = (0..count as u64).map(channel).collect();
            let mut budget = TailBudget::new(2 * (entry(1).bytes() + count * PLACE_BYTES));
            for (number, tail_start) in [(1, 0), (2, 0), (3, 1), (4, 2)] {
                let entry = entry(number);
                for channel in &channels {
                    channel.log().push(&entry);
                }
                budget.add(&entry, channels.clone());
                for channel in &channels {
                    let start = channel.log().tail_start();
                    assert_eq!(start, Offset::from_number(tail_start), "{count} channels");
                }
            }
            budget.trim_older_than(Instant::now() + std::time::Duration::from_secs(1));
            assert_eq!((budget.bytes, budget.places.len()), (0, 0));
        }
    }

    #[test]
    fn the_newest_event_stays_however_large_it_is() {
        let channel = channel(1);
        let mut budget = TailBudget::new(1);
        for number in [1, 2] {
            let entry = entry(number);
            channel.log().push(&entry);
            budget.add(&entry, SmallVec::from_elem(Arc::clone(&channel), 1));
            assert_eq!(channel.log().tail_start(), entry.offset.previous());
        }
        let appended_at = budget.places[0].appended_at;
        budget.trim_older_than(appended_at);
        assert_eq!(budget.places.len(), 1, "it is not older than itself");
    }
}
