//! Topics that were forgotten, and the newest event that each had lost. A topic that comes back counts those events as lost,
//! so that a reader that resumes gets a gap. A topic with a new name has lost nothing, and its readers get none.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use super::position::Offset;
use super::topic::Topic;

/// How many forgotten topics are remembered, in some 50 bytes each.
const MAX_TOPICS: usize = 65_536;

/// The newest event that each forgotten topic had lost.
#[derive(Debug, Default)]
pub(super) struct EvictedTopics {
    hasher: RandomState,
    /// By the hash of the topic's name. Two names with one hash may cause a gap too many.
    lost_through: HashMap<u64, Offset>,
    oldest_first: VecDeque<(u64, Offset)>,
    /// Every topic may have lost events up to here: what is no longer remembered by name.
    floor: Offset,
    /// The newest event that any forgotten topic had lost.
    newest: Offset,
}

impl EvictedTopics {
    /// Every topic may have had events up to an offset.
    pub(super) fn new(floor: Offset) -> Self {
        Self {
            floor,
            newest: floor,
            ..Self::default()
        }
    }

    /// The newest event that a topic may have lost before it became known again.
    pub(super) fn lost_through(&self, topic: &Topic) -> Offset {
        let known = self.lost_through.get(&self.hash(topic)).copied();
        known.unwrap_or_default().max(self.floor)
    }

    /// The newest event that any forgotten topic had lost: what a pattern may have lost beside the topics that exist.
    pub(super) fn lost_through_of_any(&self) -> Offset {
        self.newest
    }

    /// Remembers a topic that is forgotten, and the newest event that it has lost.
    pub(super) fn remember(&mut self, topic: &Topic, lost_through: Offset) {
        self.newest = self.newest.max(lost_through);
        if lost_through <= self.floor {
            return;
        }
        let hash = self.hash(topic);
        if self.lost_through.get(&hash) == Some(&lost_through) {
            return;
        }
        self.lost_through.insert(hash, lost_through);
        self.oldest_first.push_back((hash, lost_through));
        while self.oldest_first.len() > MAX_TOPICS {
            if let Some((hash, offset)) = self.oldest_first.pop_front()
                // A newer loss of the same topic stands further back in the queue.
                && self.lost_through.get(&hash) == Some(&offset)
            {
                self.lost_through.remove(&hash);
                self.floor = self.floor.max(offset);
            }
        }
    }

    /// Every topic may have had events up to here.
    pub(super) fn floor(&self) -> Offset {
        self.floor
    }

    /// Every topic may have had events up to an offset.
    pub(super) fn raise_floor(&mut self, through: Offset) {
        self.floor = self.floor.max(through);
        self.newest = self.newest.max(through);
    }

    fn hash(&self, topic: &Topic) -> u64 {
        self.hasher.hash_one(topic.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_comes_back_has_lost_what_it_had_lost_and_others_nothing() {
        let topic = |name: &str| Topic::new(name).expect("a topic");
        let mut evicted = EvictedTopics::default();
        evicted.remember(&topic("a"), Offset::from_number(7));
        evicted.remember(&topic("a"), Offset::from_number(9));
        assert_eq!(evicted.lost_through(&topic("a")), Offset::from_number(9));
        assert_eq!(evicted.lost_through(&topic("b")), Offset::START);
        assert_eq!(evicted.lost_through_of_any(), Offset::from_number(9));
        for number in 0..MAX_TOPICS as u64 {
            let name = format!("filler {number}");
            evicted.remember(&topic(&name), Offset::from_number(100 + number));
        }
        assert_eq!(
            evicted.lost_through(&topic("b")),
            Offset::from_number(9),
            "once names are no longer remembered, every topic may have lost what they had lost"
        );
        assert_eq!(evicted.lost_through.len(), MAX_TOPICS);
    }

    #[test]
    fn an_older_loss_of_a_topic_is_let_go_of_without_the_newer_one() {
        let topic = |name: &str| Topic::new(name).expect("a topic");
        let mut evicted = EvictedTopics::default();
        evicted.remember(&topic("a"), Offset::from_number(7));
        evicted.remember(&topic("a"), Offset::from_number(9));
        for number in 2..=MAX_TOPICS as u64 {
            evicted.remember(&topic(&number.to_string()), Offset::from_number(100));
        }
        assert_eq!(evicted.oldest_first.len(), MAX_TOPICS);
        assert_eq!(evicted.floor, Offset::START);
        assert_eq!(evicted.lost_through(&topic("a")), Offset::from_number(9));
        evicted.remember(&topic("b"), Offset::from_number(100));
        assert_eq!(evicted.floor, Offset::from_number(9));
        // What every topic may have lost need not be remembered by name.
        evicted.remember(&topic("c"), Offset::from_number(9));
        evicted.remember(&topic("b"), Offset::from_number(100));
        assert_eq!(evicted.oldest_first.len(), MAX_TOPICS);
        assert_eq!(evicted.lost_through(&topic("d")), Offset::from_number(9));
        let floored = EvictedTopics::new(Offset::from_number(5));
        assert_eq!(floored.lost_through(&topic("a")), Offset::from_number(5));
        assert_eq!(floored.lost_through_of_any(), Offset::from_number(5));
    }
}
