//! Retention: how much of the topics' histories stays, by count and age of one topic, and by bytes in all. It decides what
//! readers that come later can still get, and nothing else: live readers are fed from the [tails](super::tail).
//!
//! A publisher's request does constant work for it: it bounds the count of its own topic, and puts the topic on a list.
//! Everything that looks at other topics is done by [`Hub::retain`](super::Hub::retain), which a task calls, or a publisher
//! if that task has fallen far behind.
//!
//! When all histories together take too much, the topic that takes the most loses its oldest events first, as long as it
//! has more than a sixteenth of the whole, so that one busy topic does not cost every other its history; otherwise the
//! oldest event of all goes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Limits;
use super::channel::{Channel, ChannelLog};
use super::entry::Entry;
use super::position::Offset;
use super::watch::ChannelId;

/// A topic loses events before older events of other topics if it takes more than this part of all bytes.
pub(super) const LARGE_TOPIC_SHARE: usize = 16;

/// How long events may outstay their age before the task looks, at most. What has expired is not shown before that either.
const AGE_PAUSE: Duration = Duration::from_secs(1);

/// How many topics may be on the list before the task looks at them.
const MAX_LISTED: usize = 1_024;

/// A publisher retains by itself when all histories together exceed their bytes by more than this part of them.
const BACKSTOP_SHARE: usize = 4;

/// How much all histories take, and which topics to look at.
pub(super) struct Retention {
    limits: Limits,
    /// What all histories take together, counted as [`Entry::bytes`].
    bytes: AtomicUsize,
    /// How many topics have a history.
    topics: AtomicUsize,
    /// The offset of the newest event that has been appended.
    newest: AtomicU64,
    /// Topics whose history has changed since the last round.
    listed: Mutex<Vec<Arc<Channel>>>,
    ranks: Mutex<Ranks>,
    /// Wakes the task.
    due: Notify,
}

/// Which topic loses events first.
#[derive(Default)]
struct Ranks {
    of: HashMap<ChannelId, Rank>,
    /// Every topic that has a history, by its oldest event.
    oldest: BTreeMap<Front, Arc<Channel>>,
    /// The same topics, the largest last; among topics of about one size, the one with the oldest event last.
    largest: BTreeSet<Rank>,
}

/// The offset of a topic's oldest event. Several topics may have the same event.
type Front = (Offset, ChannelId);

type Rank = (SizeClass, Reverse<Front>);

/// A number of bytes, to within a quarter: a topic changes its rank only when its size has changed by so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SizeClass(u32);

impl SizeClass {
    fn of(bytes: usize) -> Self {
        let exponent = bytes.max(4).ilog2();
        let quarter = (bytes.max(4) >> (exponent - 2)) as u32 & 3;
        Self(exponent * 4 + quarter)
    }
}

impl Retention {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: AtomicUsize::new(0),
            topics: AtomicUsize::new(0),
            newest: AtomicU64::new(0),
            listed: Mutex::default(),
            ranks: Mutex::default(),
            due: Notify::new(),
        }
    }

    /// What all histories take together, counted as [`Entry::bytes`].
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many topics have a history.
    pub(super) fn topics(&self) -> usize {
        self.topics.load(Ordering::Relaxed)
    }

    /// Appends an event to a topic's log, and evicts the topic's oldest if it has too many then. Returns whether the event
    /// is in the topic's tail.
    pub(super) fn append(&self, channel: &Arc<Channel>, entry: &Arc<Entry>) -> bool {
        let mut log = channel.log();
        let was_empty = log.history.is_empty();
        let is_in_tail = log.push(entry);
        if entry.is_ephemeral {
            return is_in_tail;
        }
        self.newest.store(entry.offset.number(), Ordering::Relaxed);
        let bytes = entry.bytes();
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.limits.bytes {
            self.due.notify_one();
        }
        if was_empty {
            self.topics.fetch_add(1, Ordering::Relaxed);
        }
        while log.history.count(true) > self.limits.events && self.evict(&mut log) {}
        drop(log);
        self.list(channel);
        is_in_tail
    }

    /// Evicts a channel's events up to an offset, and counts everything up to there as lost.
    pub(super) fn lose_through(&self, channel: &Arc<Channel>, through: Offset) {
        let mut log = channel.log();
        let is_due = |log: &ChannelLog| {
            log.history
                .oldest()
                .is_some_and(|oldest| oldest.offset <= through)
        };
        while is_due(&log) && self.evict(&mut log) {}
        log.lose_through(through);
        drop(log);
        if channel.topic().is_some() {
            self.list(channel);
        }
    }

    /// Whether the task has fallen so far behind that a publisher has to retain by itself.
    pub(super) fn is_overdue(&self) -> bool {
        self.bytes() > self.limits.bytes + self.limits.bytes / BACKSTOP_SHARE
    }

    /// Waits until the task is woken, or events may have expired.
    pub(super) async fn wait(&self) {
        // Without a second chance to run out of time, an event would outlive its age by as much as the hub is quiet.
        let _ = tokio::time::timeout(AGE_PAUSE, self.due.notified()).await;
    }

    /// Events that were appended before this moment have expired.
    pub(super) fn oldest_to_keep(&self) -> Option<Instant> {
        Instant::now().checked_sub(self.limits.age)
    }

    /// Evicts what has expired of one topic. Returns whether its history is empty.
    pub(super) fn expire(&self, channel: &Arc<Channel>) -> bool {
        let mut log = channel.log();
        let mut has_evicted = false;
        if let Some(moment) = self.oldest_to_keep() {
            while log.has_older_than(moment) && self.evict(&mut log) {
                has_evicted = true;
            }
        }
        let is_empty = log.history.is_empty();
        drop(log);
        if has_evicted {
            self.list(channel);
        }
        is_empty
    }

    /// Evicts from all topics what has expired or is too much. Returns the topics that have no history left. A topic does not
    /// lose the newest event of all at once for being large.
    pub(super) fn run(&self) -> Vec<Arc<Channel>> {
        let mut emptied = Vec::new();
        let mut ranks = self.ranks.lock();
        for channel in std::mem::take(&mut *self.listed.lock()) {
            channel.unlist();
            if ranks.update(&channel) {
                emptied.push(channel);
            }
        }
        if let Some(moment) = self.oldest_to_keep() {
            while let Some(channel) = ranks.oldest.values().next().cloned() {
                let mut log = channel.log();
                let has_expired = log.has_older_than(moment);
                while log.has_older_than(moment) && self.evict(&mut log) {}
                drop(log);
                if !has_expired {
                    break;
                }
                if ranks.update(&channel) {
                    emptied.push(channel);
                }
            }
        }
        while self.bytes() > self.limits.bytes
            && let Some(channel) = self.victim(&ranks)
        {
            self.evict(&mut channel.log());
            if ranks.update(&channel) {
                emptied.push(channel);
            }
        }
        emptied
    }

    /// The topic that loses an event next since all of them take too much.
    fn victim(&self, ranks: &Ranks) -> Option<Arc<Channel>> {
        let newest = Offset::from_number(self.newest.load(Ordering::Relaxed));
        let large = SizeClass::of(self.limits.bytes / LARGE_TOPIC_SHARE);
        ranks
            .largest
            .iter()
            .rev()
            .take_while(|(class, _)| *class > large)
            .filter(|(_, Reverse((front, _)))| *front != newest)
            .find_map(|(_, Reverse(front))| ranks.oldest.get(front))
            .or_else(|| ranks.oldest.values().next())
            .cloned()
    }

    fn list(&self, channel: &Arc<Channel>) {
        if channel.list() {
            let mut listed = self.listed.lock();
            listed.push(Arc::clone(channel));
            if listed.len() > MAX_LISTED {
                self.due.notify_one();
            }
        }
    }

    fn evict(&self, log: &mut ChannelLog) -> bool {
        let Some(evicted) = log.evict() else {
            return false;
        };
        self.bytes.fetch_sub(evicted.bytes(), Ordering::Relaxed);
        if log.history.is_empty() {
            self.topics.fetch_sub(1, Ordering::Relaxed);
        }
        true
    }
}

impl Ranks {
    /// Ranks a topic by what it has now. Returns whether that is nothing.
    fn update(&mut self, channel: &Arc<Channel>) -> bool {
        let rank = {
            let log = channel.log();
            let oldest = log.history.oldest();
            oldest.map(|oldest| {
                let front = (oldest.offset, channel.id);
                (SizeClass::of(log.history.bytes()), Reverse(front))
            })
        };
        let was = match rank {
            Some(rank) => self.of.insert(channel.id, rank),
            None => self.of.remove(&channel.id),
        };
        if was != rank {
            if let Some(was @ (_, Reverse(front))) = was {
                self.largest.remove(&was);
                self.oldest.remove(&front);
            }
            if let Some(rank @ (_, Reverse(front))) = rank {
                self.largest.insert(rank);
                self.oldest.insert(front, Arc::clone(channel));
            }
        }
        rank.is_none()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::hub::channel::Matcher;
    use crate::hub::entry::UnsequencedEntry;
    use crate::hub::position::{Epoch, Epochs};
    use crate::hub::publish::PublishRequest;
    use crate::hub::topic::Topic;

    fn channel(number: u64) -> Arc<Channel> {
        let topic = Topic::new(&number.to_string()).expect("a topic");
        let log = ChannelLog::new(Offset::START);
        Arc::new(Channel::new(ChannelId(number), Matcher::Topic(topic), log))
    }

    fn entry(number: u64, is_kept: bool) -> Arc<Entry> {
        let publication = PublishRequest {
            is_ephemeral: !is_kept,
            ..PublishRequest::text("x")
        };
        let epochs = Epochs::new(Epoch::new("e").expect("a name"));
        let offset = Offset::from_number(number);
        Arc::new(UnsequencedEntry::new(publication).finish(&Topic::clock(), &epochs, offset))
    }

    fn retention(events: usize, bytes: usize) -> Retention {
        Retention::new(Limits {
            events,
            bytes,
            ..Limits::default()
        })
    }

    /// Whether the task has been woken since the last time.
    fn is_due(retention: &Retention) -> bool {
        retention.due.notified().now_or_never().is_some()
    }

    #[test]
    fn a_size_class_is_a_quarter_of_a_power_of_two() {
        let class = |bytes| SizeClass::of(bytes).0;
        assert_eq!([0, 3, 4, 5, 6, 7].map(class), [8, 8, 8, 9, 10, 11]);
        assert_eq!(
            [8, 9, 10, 12, 14, 15, 16].map(class),
            [12, 12, 13, 14, 15, 15, 16]
        );
        assert_eq!([1_023, 1_024, 1_279, 1_280].map(class), [39, 40, 40, 41]);
    }

    #[test]
    fn the_task_is_woken_when_the_histories_take_more_than_they_may() {
        let bytes = entry(1, true).bytes();
        let retention = retention(10, 2 * bytes);
        let channel = channel(1);
        for number in 1..=2 {
            assert!(!retention.append(&channel, &entry(number, true)), "no tail");
            assert_eq!(retention.bytes(), number as usize * bytes);
            assert!(!is_due(&retention));
        }
        retention.append(&channel, &entry(3, true));
        assert!(is_due(&retention));
        retention.append(&channel, &entry(4, false));
        assert_eq!((retention.bytes(), retention.topics()), (3 * bytes, 1));
        assert!(!is_due(&retention), "an ephemeral event is in no history");
    }

    #[test]
    fn a_publisher_retains_when_the_histories_take_a_quarter_too_much() {
        let retention = retention(10, 1_002);
        for (bytes, is_overdue) in [(1_002, false), (1_252, false), (1_253, true)] {
            retention.bytes.store(bytes, Ordering::Relaxed);
            assert_eq!(retention.is_overdue(), is_overdue, "{bytes}");
        }
    }

    #[test]
    fn a_topic_keeps_as_many_events_as_it_may_and_those_that_remain_are_counted() {
        let retention = retention(2, usize::MAX);
        let channel = channel(1);
        for number in 1..=5 {
            retention.append(&channel, &entry(number, true));
            let count = channel.log().history.count(true);
            assert_eq!(count, 2.min(number as usize));
        }
        assert_eq!(retention.bytes(), channel.log().history.bytes());
        assert_eq!(retention.topics(), 1);
    }

    #[test]
    fn the_task_is_woken_when_many_topics_have_changed() {
        let retention = retention(10, usize::MAX / 2);
        let channels: Vec<_> = (0..=MAX_LISTED as u64).map(channel).collect();
        for (number, channel) in channels.iter().enumerate() {
            assert!(!is_due(&retention), "{number}");
            for offset in [1, 2] {
                retention.append(channel, &entry(offset, true));
            }
        }
        assert!(is_due(&retention));
        assert_eq!(retention.topics(), MAX_LISTED + 1);
        assert!(retention.run().is_empty());
        retention.append(&channels[0], &entry(3, true));
        assert_eq!(retention.listed.lock().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_looks_for_expired_events_every_second_and_at_once_when_it_is_woken() {
        let retention = retention(10, 1);
        let start = Instant::now();
        retention.wait().await;
        assert_eq!(start.elapsed(), AGE_PAUSE);
        retention.append(&channel(1), &entry(1, true));
        retention.wait().await;
        assert_eq!(start.elapsed(), AGE_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_expired_is_evicted_from_all_topics_and_empty_ones_are_found() {
        let retention = retention(10, usize::MAX);
        let [old, mixed, young] = [1, 2, 3].map(channel);
        retention.append(&old, &entry(1, true));
        retention.append(&mixed, &entry(2, true));
        let age = Limits::default().age;
        tokio::time::advance(age).await;
        retention.append(&mixed, &entry(3, true));
        retention.append(&young, &entry(4, true));
        assert!(retention.run().is_empty(), "nothing has expired");
        tokio::time::advance(Duration::from_millis(1)).await;
        let emptied: Vec<_> = retention.run().iter().map(|channel| channel.id).collect();
        assert_eq!(emptied, [old.id]);
        assert_eq!(retention.topics(), 2);
        assert!(!retention.expire(&mixed));
        tokio::time::advance(age).await;
        assert!(retention.expire(&mixed));
        assert_eq!(retention.listed.lock().len(), 1, "its rank has changed");
        assert!(retention.expire(&mixed));
        assert_eq!(retention.topics(), 1);
        let emptied: Vec<_> = retention.run().iter().map(|channel| channel.id).collect();
        assert_eq!(emptied.len(), 2);
        assert_eq!((retention.bytes(), retention.topics()), (0, 0));
    }

    #[test]
    fn a_large_topic_loses_events_before_older_ones_of_small_topics() {
        // All ids are equally long.
        let bytes = entry(101, true).bytes();
        let limits = 40 * bytes;
        let retention = retention(100, limits);
        let [small, large] = [1, 2].map(channel);
        retention.append(&small, &entry(101, true));
        for number in 102..=143 {
            retention.append(&large, &entry(number, true));
        }
        assert!(retention.run().is_empty());
        assert_eq!(retention.bytes(), limits);
        assert_eq!(small.log().history.count(true), 1);
        // Without large topics, the oldest event of all goes first.
        let retention = self::retention(100, limits);
        let channels: Vec<_> = (0..41).map(channel).collect();
        for (number, channel) in channels.iter().enumerate() {
            retention.append(channel, &entry(number as u64 + 101, true));
        }
        // Larger than the others, and not large.
        retention.append(&channels[5], &entry(142, true));
        let emptied: Vec<_> = retention.run().iter().map(|channel| channel.id.0).collect();
        assert_eq!(emptied, [0, 1]);
        // As large as the share, and not larger.
        let retention = self::retention(100, 48 * bytes);
        let channels: Vec<_> = (0..47).map(channel).collect();
        for (number, channel) in channels.iter().chain([&channels[5]; 2]).enumerate() {
            retention.append(channel, &entry(number as u64 + 101, true));
        }
        let emptied = retention.run();
        assert_eq!(emptied.len(), 1);
        assert_eq!(channels[5].log().history.count(true), 3);
    }
}
