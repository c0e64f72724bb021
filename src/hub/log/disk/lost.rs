//! Which events the log has had and has no more: for each topic the newest of them. Retention, which removes whole segments,
//! adds to it, and so does damage. A small file keeps it over restarts; without that file, or if it does not
//! cover every segment that has been removed, every topic counts as if it had lost everything before the oldest segment.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use super::bytes::{Reader, put, put_bytes};
use super::storage::{Storage, read_whole, replace};
use crate::hub::channel::Matcher;
use crate::hub::position::Offset;
use crate::hub::topic::Topic;

/// The file's name.
const NAME: &str = "lost";

/// Its first bytes, with the version of its format.
const MAGIC: [u8; 8] = *b"fw-lost1";

/// How many topics are remembered by name.
const MAX_TOPICS: usize = 65_536;

/// The newest lost event of each topic.
#[derive(Debug, Default)]
pub(super) struct LostEvents {
    by_topic: BTreeMap<Topic, Offset>,
    oldest_first: VecDeque<(Offset, Topic)>,
    /// Every topic may have lost events up to here.
    floor: Offset,
    /// The newest event of all segments that have been removed.
    covered: Offset,
}

impl LostEvents {
    /// Reads the file.
    pub(super) fn read(storage: &dyn Storage) -> Option<Self> {
        let bytes = read_whole(storage, NAME).ok()?;
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut reader = Reader(content);
        if reader.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let mut lost = Self {
            floor: Offset::from_number(reader.number()?),
            covered: Offset::from_number(reader.number()?),
            ..Self::default()
        };
        for _ in 0..reader.length()? {
            let topic = Topic::new(reader.text()?).ok()?;
            lost.add(&topic, Offset::from_number(reader.number()?));
        }
        Some(lost)
    }

    /// What a folder has lost whose oldest segment begins after `before_first`.
    pub(super) fn of(storage: &dyn Storage, before_first: Offset) -> Self {
        let mut lost = Self::read(storage).unwrap_or_default();
        if lost.covered < before_first {
            lost.raise_floor(before_first);
            lost.covers(before_first);
        }
        lost
    }

    /// The bytes of the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put(&mut out, self.floor.number());
        put(&mut out, self.covered.number());
        let current: Vec<_> = self.current().collect();
        put(&mut out, current.len() as u64);
        for (offset, topic) in current {
            put_bytes(&mut out, topic.as_str().as_bytes());
            put(&mut out, offset.number());
        }
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// Writes the file, durably.
    ///
    /// # Errors
    ///
    /// When that fails. The file is as it was then.
    pub(super) fn write(storage: &dyn Storage, bytes: &[u8]) -> io::Result<()> {
        replace(storage, NAME, bytes)
    }

    /// The table has what all segments up to an offset had.
    pub(super) fn covers(&mut self, through: Offset) {
        self.covered = self.covered.max(through);
    }

    /// A topic has lost an event.
    pub(super) fn add(&mut self, topic: &Topic, offset: Offset) {
        if offset <= self.of_topic(topic) {
            return;
        }
        self.by_topic.insert(topic.clone(), offset);
        self.oldest_first.push_back((offset, topic.clone()));
        while self.by_topic.len() > MAX_TOPICS || self.oldest_first.len() > 2 * MAX_TOPICS {
            let Some((offset, topic)) = self.oldest_first.pop_front() else {
                break;
            };
            // A newer loss of the topic stands further back.
            if self.by_topic.get(&topic) == Some(&offset) {
                self.by_topic.remove(&topic);
                self.floor = self.floor.max(offset);
            }
        }
    }

    /// Every topic may have lost events up to an offset.
    pub(super) fn raise_floor(&mut self, floor: Offset) {
        self.floor = self.floor.max(floor);
    }

    /// Every topic may have lost events up to here.
    pub(super) fn floor(&self) -> Offset {
        self.floor
    }

    /// The newest event of all segments that have been removed.
    pub(super) fn covered(&self) -> Offset {
        self.covered
    }

    /// The newest event that a topic, or any topic that matches, may have lost.
    pub(super) fn through(&self, of: &Matcher) -> Offset {
        match of {
            Matcher::Topic(topic) => self.of_topic(topic),
            Matcher::Pattern(pattern) => {
                let matching = pattern.range(&self.by_topic);
                matching
                    .map(|(_, offset)| *offset)
                    .fold(self.floor, Offset::max)
            }
        }
    }

    /// What each topic has lost that is remembered by name.
    pub(super) fn by_topic(&self) -> impl Iterator<Item = (Topic, Offset)> {
        let by_topic = self.by_topic.iter();
        by_topic.map(|(topic, offset)| (topic.clone(), *offset))
    }

    fn of_topic(&self, topic: &Topic) -> Offset {
        let known = self.by_topic.get(topic).copied();
        known.unwrap_or_default().max(self.floor)
    }

    fn current(&self) -> impl Iterator<Item = &(Offset, Topic)> {
        let is_current =
            |(offset, topic): &&(Offset, Topic)| self.by_topic.get(topic) == Some(offset);
        self.oldest_first.iter().filter(is_current)
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated::SimulatedDisk;
    use super::*;
    use crate::hub::pattern::Pattern;

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a topic")
    }

    fn at(number: u64) -> Offset {
        Offset::from_number(number)
    }

    fn through(lost: &LostEvents, name: &str) -> Offset {
        lost.through(&Matcher::Topic(topic(name)))
    }

    #[test]
    fn what_each_topic_has_lost_survives_a_restart() {
        let disk = SimulatedDisk::new(1);
        assert!(LostEvents::read(&disk).is_none());
        let mut lost = LostEvents::default();
        for (name, offset) in [("a", 3), ("orders/1", 5), ("a", 9), ("a", 4)] {
            lost.add(&topic(name), at(offset));
        }
        lost.raise_floor(at(2));
        LostEvents::write(&disk, &lost.encode()).expect("a file");
        let lost = LostEvents::read(&disk).expect("the file");
        assert_eq!(
            ["a", "b", "orders/1"].map(|name| through(&lost, name)),
            [at(9), at(2), at(5)]
        );
        let of_pattern =
            |text| lost.through(&Matcher::Pattern(Pattern::new(text).expect("a pattern")));
        assert_eq!(
            ["*", "orders/*", "x*"].map(of_pattern),
            [at(9), at(5), at(2)]
        );
    }

    #[test]
    fn topics_that_are_no_longer_remembered_by_name_count_as_if_they_had_lost_as_much_as_the_newest_of_them()
     {
        let mut lost = LostEvents::default();
        for number in 0..MAX_TOPICS as u64 + 2 {
            lost.add(&topic(&number.to_string()), at(number + 1));
        }
        assert_eq!(lost.floor(), at(2));
        assert_eq!(
            [
                through(&lost, "0"),
                through(&lost, "2"),
                through(&lost, "new")
            ],
            [at(2), at(3), at(2)]
        );
        for round in 0..3 * MAX_TOPICS as u64 {
            lost.add(&topic("2"), at(1_000_000 + round));
        }
        assert!(lost.oldest_first.len() <= 2 * MAX_TOPICS);
    }
}
