//! The hub against a model that is too simple to be wrong: one list of everything that was published. A reader sees
//! exactly the list from its cursor on, or gets a gap that accounts for the rest; and it gets a gap only if
//! something is missing.
//!
//! The model predicts every answer of the hub but one: which retained events make room for others. It looks at the histories
//! after each action, and checks that the events that are gone had to go. What is in the tails it predicts.
//!
//! It is the same model for every log. What a log keeps beside the hub's memory, and what a restart finds of it, a
//! [`RestartedLog`] says: nothing of a log in memory, and of one on disk all events but the oldest, for which there was no
//! room any more. An event is lost when neither memory nor the log has it.

use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::super::log::disk::DiskConfig;
use super::super::log::disk::tests::config;
use super::super::log::older::OlderEvents;
use super::super::publish::IDEMPOTENCY_AGE;
use super::super::retention::LARGE_TOPIC_SHARE;
use super::super::tail::PLACE_BYTES;
use super::super::visibility::{View, Visibility};
use super::super::wall_clock;
use super::*;
use crate::protocol::END_EVENT;

const TOPICS: [&str; 3] = ["a", "b", "c"];
const OWN_IDS: [&str; 3] = ["x", "y", "z"];
const POLICIES: [LagPolicy; 3] = [LagPolicy::Disconnect, LagPolicy::Skip, LagPolicy::Latest];
const AGE: Duration = Duration::from_secs(600);
type Checked<T = ()> = Result<T, TestCaseError>;

#[derive(Debug, Clone)]
enum Action {
    Publish(Request),
    /// Publishes ephemeral events, more than a topic holds.
    Flood {
        topic: usize,
    },
    End {
        topic: usize,
    },
    Subscribe {
        topics: Vec<usize>,
        policy: usize,
        with_private: bool,
        from: StartAt,
    },
    ReadOutcome {
        reader: usize,
        count: usize,
        bytes: usize,
    },
    FallBehind {
        reader: usize,
    },
    Leave {
        reader: usize,
    },
    /// Pages backwards through everything that a topic shows.
    HistoryQuery {
        topic: usize,
        count: usize,
        max_bytes: usize,
        with_private: bool,
    },
    Wait {
        seconds: u64,
    },
    Restart(Stop),
}

/// How a server stops.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// It closes its log.
    Close,
    /// It is killed.
    Kill,
}

#[derive(Debug, Clone)]
struct Request {
    topic: usize,
    bytes: usize,
    own_id: Option<usize>,
    is_private: bool,
    is_kept: bool,
    condition: Option<Condition>,
    key: Option<Key>,
}

/// What the publisher says of the topic's newest event.
#[derive(Debug, Clone)]
struct Condition {
    with_private: bool,
    newest: Expected,
}

#[derive(Debug, Clone)]
enum Expected {
    Any,
    /// The newest that a snapshot shows, by its own id or by the log's.
    Shown {
        by_log_id: bool,
    },
    /// Some event that was published, to this topic or another.
    Some(usize),
}

#[derive(Debug, Clone, Copy)]
struct Key {
    key: usize,
    /// Whether the request under a key that has been used is the same again.
    is_repeat: bool,
}

/// Where a subscription starts.
#[derive(Debug, Clone)]
enum StartAt {
    Now,
    Earliest,
    Last(usize),
    LogId(usize),
    OwnId(usize),
    /// Where a reader that left can go on: with its topics, after the last id that it got.
    LastSeen,
}

/// An action; `restarts` says how often it is a restart, in a hundred or so.
fn action(restarts: u32) -> impl Strategy<Value = Action> {
    let topics = prop::sample::subsequence(vec![0, 1, 2], 1..=3);
    let from = prop_oneof![
        3 => Just(StartAt::Now),
        1 => Just(StartAt::Earliest),
        1 => (0..4_usize).prop_map(StartAt::Last),
        1 => (0..60_usize).prop_map(StartAt::LogId),
        1 => (0..OWN_IDS.len()).prop_map(StartAt::OwnId),
        6 => Just(StartAt::LastSeen),
    ];
    let seconds = prop::sample::select(vec![1, 200, 400, 601, 3_001]);
    prop_oneof![
        24 => request().prop_map(Action::Publish),
        1 => (0..3_usize).prop_map(|topic| Action::Flood { topic }),
        4 => (0..3_usize).prop_map(|topic| Action::End { topic }),
        10 => (topics, 0..3_usize, any::<bool>(), from).prop_map(
            |(topics, policy, with_private, from)| {
                Action::Subscribe { topics, policy, with_private, from }
            },
        ),
        16 => (0..4_usize, 0..8_usize, 1..1_000_usize)
            .prop_map(|(reader, count, bytes)| Action::ReadOutcome { reader, count, bytes }),
        8 => (0..4_usize).prop_map(|reader| Action::FallBehind { reader }),
        5 => (0..4_usize).prop_map(|reader| Action::Leave { reader }),
        3 => (0..3_usize, 1..4_usize, 1..3_000_usize, any::<bool>()).prop_map(
            |(topic, count, max_bytes, with_private)| {
                Action::HistoryQuery { topic, count, max_bytes, with_private }
            },
        ),
        2 => seconds.prop_map(|seconds| Action::Wait { seconds }),
        restarts => stop().prop_map(Action::Restart),
    ]
}

fn stop() -> impl Strategy<Value = Stop> {
    prop_oneof![Just(Stop::Close), Just(Stop::Kill)]
}

fn request() -> impl Strategy<Value = Request> {
    let newest = prop_oneof![
        1 => Just(Expected::Any),
        3 => any::<bool>().prop_map(|by_log_id| Expected::Shown { by_log_id }),
        1 => (0..60_usize).prop_map(Expected::Some),
    ];
    let condition = (any::<bool>(), newest).prop_map(|(with_private, newest)| Condition {
        with_private,
        newest,
    });
    let key = (0..2_usize, any::<bool>()).prop_map(|(key, is_repeat)| Key { key, is_repeat });
    let event = (
        0..400_usize,
        prop::option::weighted(0.3, 0..OWN_IDS.len()),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.7),
    );
    let conditions = (
        prop::option::weighted(0.2, condition),
        prop::option::weighted(0.15, key),
    );
    (0..3_usize, event, conditions).prop_map(
        |(topic, (bytes, own_id, is_private, is_kept), (condition, key))| Request {
            topic,
            bytes,
            own_id,
            is_private,
            is_kept,
            condition,
            key,
        },
    )
}

/// Small logs, in which each bound is reached, with tails that hold nothing, little, or everything.
fn bounds() -> impl Strategy<Value = Limits> {
    let sizes = prop_oneof![
        3 => Just((4, 4_000)),
        1 => Just((20, 8_000)),
        1 => Just((4, 1 << 20)),
    ];
    let tails = prop::sample::select(vec![1, 1_200, 1 << 20]);
    (sizes, tails).prop_map(|((events, bytes), tail_bytes)| Limits {
        events,
        bytes,
        tail_bytes,
        age: AGE,
        topics: 10,
        subscriptions: 100,
    })
}

/// A disk that has room for everything, for little, or for what is young.
fn disks() -> impl Strategy<Value = DiskConfig> {
    const LONG: Duration = Duration::from_secs(1_000_000);
    const SHORT: Duration = Duration::from_secs(1_500);
    let kinds = prop::sample::select(vec![
        (1 << 30, 8 << 10, LONG),
        (6_000, 1_500, LONG),
        (1 << 30, 1_500, SHORT),
    ]);
    kinds.prop_map(|(history_bytes, segment_bytes, history_age)| DiskConfig {
        history_bytes,
        segment_bytes,
        history_age,
        ..config()
    })
}

/// The log that the hub runs over.
trait RestartedLog {
    /// Commits what is staged, and does what is due.
    fn settle(&self);

    /// Stops, and starts again with what is left: the hub after the restart.
    fn restart(&mut self, stop: Stop, limits: Limits) -> Hub;

    /// How many of the oldest events it no longer has. It has every later one that is meant to be retained.
    fn removed(&self) -> usize;

    /// How many bytes it has stored.
    fn stored_bytes(&self) -> usize;

    /// It has removed the events that the history says. Checks that they had to go, and what it says of each topic.
    fn check_removed(&self, history: &History) -> Checked;
}

/// The log in memory: a restart begins with nothing, and with another epoch.
struct InMemory {
    epoch: String,
}

impl InMemory {
    fn open(limits: Limits) -> (Hub, Self) {
        let hub = Hub::new(limits);
        let epoch = hub.epoch().to_owned();
        (hub, Self { epoch })
    }
}

impl RestartedLog for InMemory {
    fn settle(&self) {}

    fn restart(&mut self, _: Stop, limits: Limits) -> Hub {
        // An epoch is a time in milliseconds.
        loop {
            let hub = Hub::new(limits);
            if hub.epoch() != self.epoch {
                self.epoch = hub.epoch().to_owned();
                return hub;
            }
        }
    }

    fn removed(&self) -> usize {
        usize::MAX
    }

    fn stored_bytes(&self) -> usize {
        0
    }

    fn check_removed(&self, _: &History) -> Checked {
        Ok(())
    }
}

/// The log on disk. A restart finds everything that was committed.
struct OnDisk {
    disk: SimulatedDisk,
    config: DiskConfig,
    log: SteppedLog,
}

impl OnDisk {
    fn open(config: DiskConfig, limits: Limits) -> (Hub, Self) {
        let disk = SimulatedDisk::new(1);
        let (hub, log) = Self::open_disk(&disk, config, limits);
        (hub, Self { disk, config, log })
    }

    fn open_disk(disk: &SimulatedDisk, config: DiskConfig, limits: Limits) -> (Hub, SteppedLog) {
        SteppedLog::open(disk, config, limits, "boot").expect("a disk that works")
    }

    /// Most bytes of a segment: another frame is written as long as it is not full.
    fn largest_segment(&self) -> usize {
        const LARGEST_FRAME: usize = 1_000;
        self.config.segment_bytes as usize + LARGEST_FRAME
    }
}

impl RestartedLog for OnDisk {
    fn settle(&self) {
        self.log.step();
    }

    fn restart(&mut self, stop: Stop, limits: Limits) -> Hub {
        if matches!(stop, Stop::Close) {
            self.log.stop();
        }
        self.disk = self.disk.after_kill();
        let (hub, log) = Self::open_disk(&self.disk, self.config, limits);
        self.log = log;
        hub
    }

    fn removed(&self) -> usize {
        self.log.removed_through().number() as usize
    }

    fn stored_bytes(&self) -> usize {
        self.log.bytes() as usize
    }

    fn check_removed(&self, history: &History) -> Checked {
        // Of an ephemeral event, the log has the key at most.
        let keyed = history.firsts.values().map(|first| first.index);
        let kept = (0..history.all.len()).filter(|index| history.all[*index].is_kept());
        let removed = keyed.chain(kept).filter(|index| *index < history.removed);
        if let Some(newest) = removed.max() {
            let age = history.now - history.all[newest].published_at;
            let is_full =
                self.stored_bytes() + self.largest_segment() > self.config.history_bytes as usize;
            prop_assert!(
                age > self.config.history_age || is_full,
                "event {newest} went for no reason"
            );
        }
        for (index, name) in TOPICS.iter().enumerate() {
            let lost_through = self.log.lost_through(&Matcher::Topic(topic(name)));
            let removed = history.newest_of(index, |index, _| index < history.removed);
            prop_assert_eq!(lost_through.number() as usize, removed);
        }
        Ok(())
    }
}

fn own_id(number: usize) -> EventId {
    EventId::new(OWN_IDS[number]).expect("an id")
}

/// What the model knows of an event. Its offset is its index in the list, plus one.
#[derive(Debug)]
struct Known {
    topic: usize,
    publication: PublishRequest,
    /// Its own id, or the log's.
    id: EventId,
    is_end: bool,
    bytes: usize,
    published_at: Duration,
    /// The number of the loss, if neither history nor tail has the event any more.
    gone: Option<usize>,
    /// The number of the loss, if the log does not have it either.
    lost: Option<usize>,
}

impl Known {
    fn is_kept(&self) -> bool {
        !self.publication.is_ephemeral
    }

    fn is_private(&self) -> bool {
        self.publication.is_private
    }

    /// Whether this is the event, whole.
    fn check(&self, entry: &Entry) -> Checked {
        prop_assert_eq!(&entry.event.id, &self.id);
        prop_assert_eq!(entry.topic.as_str(), TOPICS[self.topic]);
        prop_assert_eq!(entry.is_end, self.is_end);
        prop_assert_eq!(&entry.publication(), &self.publication);
        Ok(())
    }
}

/// An event in the tail of its topic.
struct InTail {
    index: usize,
    bytes: usize,
    /// Which tail of its topic: there is a new one when readers come after the last had gone.
    generation: usize,
}

/// The result of the first request under a key.
struct First {
    index: usize,
    publication: PublishRequest,
    published: PublishReceipt,
    at: Duration,
}

/// Everything that was published to one hub.
struct History {
    limits: Limits,
    epoch: String,
    now: Duration,
    all: Vec<Known>,
    /// The events that the history of each topic has.
    logs: [Vec<usize>; 3],
    /// What the tails have, oldest first.
    tails: VecDeque<InTail>,
    /// The tail of each topic that has readers.
    generations: [Option<usize>; 3],
    next_generation: usize,
    /// The last event of each topic that has ended and is not forgotten.
    ends: [Option<usize>; 3],
    /// How many of the oldest events the log no longer has.
    removed: usize,
    losses: usize,
    firsts: HashMap<(usize, usize), First>,
}

impl History {
    fn new(hub: &Hub, removed: usize, now: Duration) -> Self {
        Self {
            removed,
            limits: *hub.limits(),
            epoch: hub.epoch().to_owned(),
            now,
            all: Vec::new(),
            logs: Default::default(),
            tails: VecDeque::new(),
            generations: [None; 3],
            next_generation: 0,
            ends: [None; 3],
            losses: 0,
            firsts: HashMap::new(),
        }
    }

    /// The log's id of an offset.
    fn log_id(&self, offset: usize) -> EventId {
        EventId::new(format!("#{}-{offset}", self.epoch)).expect("an id")
    }

    fn offset_of_log_id(&self, id: &EventId) -> Option<usize> {
        let number = id.as_str().strip_prefix(&format!("#{}-", self.epoch))?;
        number.parse().ok()
    }

    /// The offset after which a reader of these topics goes on that names an id.
    fn resolve(&self, id: &EventId, topics: &[usize], with_private: bool) -> Option<usize> {
        let own = || {
            // Of a topic, the newest: an id can be used again when memory has forgotten it, and a restart may put both
            // events back.
            let newest = |topic: &usize| {
                self.identified(*topic)
                    .filter(|index| self.all[*index].id == *id)
                    .max()
            };
            let is_shown = |index: &usize| with_private || !self.all[*index].is_private();
            let with_id = topics.iter().filter_map(newest).filter(is_shown);
            with_id.min().map(|index| index + 1)
        };
        let offset = self.offset_of_log_id(id).or_else(own)?;
        (offset <= self.all.len()).then_some(offset)
    }

    /// The events that the topic knows by their publishers' ids: those retained, and ephemeral ones in the tail.
    fn identified(&self, topic: usize) -> impl Iterator<Item = usize> {
        let in_tail = self
            .in_tail(topic)
            .filter(|index| !self.all[*index].is_kept());
        let retained = self.logs[topic].iter().copied();
        retained
            .chain(in_tail)
            .filter(|index| self.all[*index].publication.id.is_some())
    }

    fn in_tail(&self, topic: usize) -> impl Iterator<Item = usize> {
        let of_topic = move |place: &&InTail| {
            self.all[place.index].topic == topic
                && self.generations[topic] == Some(place.generation)
        };
        self.tails.iter().filter(of_topic).map(|place| place.index)
    }

    /// What history and tail of a topic have, in order.
    fn present(&self, topic: usize) -> Vec<usize> {
        let mut present = self.logs[topic].clone();
        present.extend(self.in_tail(topic));
        present.sort_unstable();
        present.dedup();
        present
    }

    /// The offset of the newest event that is nowhere any more and was meant to be retained.
    fn lost_through(&self, topic: usize) -> usize {
        self.newest_of(topic, |_, known| known.lost.is_some())
    }

    /// The offset of the newest event that is neither in the history nor in the log, and was meant to be.
    fn evicted_through(&self, topic: usize) -> usize {
        self.newest_of(topic, |index, _| {
            !self.logs[topic].contains(&index) && !self.is_in_log(index)
        })
    }

    /// Whether the log has an event, whatever memory has.
    fn is_in_log(&self, index: usize) -> bool {
        self.all[index].is_kept() && index >= self.removed
    }

    fn newest_of(&self, topic: usize, is_gone: impl Fn(usize, &Known) -> bool) -> usize {
        let newest = self.all.iter().enumerate().rfind(|(index, known)| {
            known.topic == topic && known.is_kept() && is_gone(*index, known)
        });
        newest.map_or(0, |(index, _)| index + 1)
    }

    /// The kept events that a snapshot shows, oldest first.
    fn shown(&self, topic: usize, with_private: bool) -> impl DoubleEndedIterator<Item = usize> {
        let is_shown = move |index: &usize| {
            let known = &self.all[*index];
            known.is_kept() && (with_private || !known.is_private())
        };
        self.logs[topic].iter().copied().filter(is_shown)
    }

    fn bytes_of(&self, topic: usize) -> usize {
        let log = self.logs[topic].iter();
        log.map(|index| self.all[*index].bytes).sum()
    }

    fn is_expired(&self, index: usize) -> bool {
        self.now - self.all[index].published_at > AGE
    }

    /// Events that are neither in the history nor in the tail are gone, and lost unless the log has them.
    fn note_losses(&mut self) {
        for topic in 0..3 {
            let present = self.present(topic);
            for index in 0..self.all.len() {
                let is_lost = !self.is_in_log(index);
                let known = &mut self.all[index];
                let is_new = known.gone.is_none() || is_lost && known.lost.is_none();
                if known.topic == topic && is_new && !present.contains(&index) {
                    self.losses += 1;
                    known.gone.get_or_insert(self.losses);
                    if is_lost {
                        known.lost.get_or_insert(self.losses);
                    }
                }
            }
        }
    }

    /// What a hub does first when a client publishes to a topic, or looks at it.
    fn expire(&mut self, topic: usize, readers: &[Reader]) {
        let expired: Vec<_> = self.logs[topic]
            .iter()
            .copied()
            .filter(|index| self.is_expired(*index))
            .collect();
        self.logs[topic].retain(|index| !expired.contains(index));
        self.note_losses();
        self.forget(readers);
    }

    /// What retention does.
    fn retain(&mut self, readers: &[Reader]) {
        while let Some(oldest) = self.tails.front()
            && self.is_expired(oldest.index)
        {
            self.tails.pop_front();
        }
        for topic in 0..3 {
            self.expire(topic, readers);
        }
    }

    /// The tail of a topic begins with its first reader.
    fn open_tail(&mut self, topic: usize) {
        if self.generations[topic].is_none() {
            self.generations[topic] = Some(self.next_generation);
            self.next_generation += 1;
        }
    }

    /// The tail of a topic goes with its last reader.
    fn close_tails(&mut self, readers: &[Reader]) {
        for topic in 0..3 {
            if count(readers, topic) == 0 {
                self.generations[topic] = None;
            }
        }
        self.note_losses();
    }

    /// An event of a topic that has readers goes to the tail; the oldest there make room.
    fn push_to_tail(&mut self, index: usize) {
        let known = &self.all[index];
        if let Some(generation) = self.generations[known.topic] {
            let bytes = known.bytes + PLACE_BYTES;
            self.tails.push_back(InTail {
                index,
                bytes,
                generation,
            });
        }
        let bytes = |tails: &VecDeque<InTail>| tails.iter().map(|place| place.bytes).sum::<usize>();
        while bytes(&self.tails) > self.limits.tail_bytes && self.tails.len() > 1 {
            self.tails.pop_front();
        }
    }

    /// A topic with neither events nor readers is forgotten, and so is that it had ended.
    fn forget(&mut self, readers: &[Reader]) {
        for topic in 0..3 {
            if self.logs[topic].is_empty() && count(readers, topic) == 0 {
                self.ends[topic] = None;
            }
        }
    }

    /// A restart has put events of the log into memory: of each topic the newest, as far as there is room.
    fn recover(&mut self, hub: &Hub, stored_bytes: usize) -> Checked {
        let mut wanted: [Vec<usize>; 3] = Default::default();
        for (topic, wanted) in wanted.iter_mut().enumerate() {
            let is_wanted = |index: &usize| {
                let is_of_topic = self.all[*index].topic == topic;
                is_of_topic && self.is_in_log(*index) && !self.is_expired(*index)
            };
            *wanted = (0..self.all.len()).filter(is_wanted).collect();
            let too_many = wanted.len().saturating_sub(self.limits.events);
            wanted.drain(..too_many);
        }
        // The log reckons with what the events take in memory and on disk.
        let bytes = wanted.iter().flatten().map(|index| self.all[*index].bytes);
        let is_room_for_all = bytes.sum::<usize>() + stored_bytes <= self.limits.bytes;
        for (topic, wanted) in wanted.iter().enumerate() {
            let recovered = retained(hub, topic);
            prop_assert!(
                wanted.ends_with(&recovered),
                "{recovered:?} of {wanted:?} in memory"
            );
            prop_assert!(!is_room_for_all || recovered == *wanted);
            for index in &recovered {
                self.all[*index].gone = None;
            }
            let newest = recovered.last();
            self.ends[topic] = newest.copied().filter(|newest| self.all[*newest].is_end);
            self.logs[topic] = recovered;
        }
        let removed = self.removed;
        self.firsts.retain(|_, first| first.index >= removed);
        self.compare(hub, None)
    }

    /// Looks at the logs: what is gone had to make room for a new event, if there is one.
    fn compare(&mut self, hub: &Hub, new: Option<usize>) -> Checked {
        let mut gone = Vec::new();
        for topic in 0..3 {
            let retained = retained(hub, topic);
            let is_gone = |index: &&usize| !retained.contains(index);
            let gone_here: Vec<_> = self.logs[topic].iter().filter(is_gone).copied().collect();
            prop_assert_eq!(
                retained.len() + gone_here.len(),
                self.logs[topic].len(),
                "events that no longer were"
            );
            prop_assert!(retained.len() <= self.limits.events);
            gone.extend(gone_here);
        }
        if let Some(new) = new {
            self.check_room(&gone, new)?;
        } else {
            prop_assert!(gone.is_empty(), "events {gone:?} went for no reason");
        }
        self.note_losses();
        for topic in 0..3 {
            prop_assert_eq!(present(hub, topic), self.present(topic));
        }
        let (published, bytes) = (hub.committed().number(), hub.0.retention.bytes());
        prop_assert_eq!(published, self.all.len() as u64);
        prop_assert_eq!(
            bytes,
            (0..3).map(|topic| self.bytes_of(topic)).sum::<usize>()
        );
        prop_assert!(bytes <= self.limits.bytes);
        Ok(())
    }

    /// What is gone from the logs had to, and in this order.
    fn check_room(&mut self, gone: &[usize], new: usize) -> Checked {
        let topic = self.all[new].topic;
        let sizes: Vec<_> = (0..3).map(|topic| self.bytes_of(topic)).collect();
        let is_over = self.logs[topic].len() > self.limits.events;
        let oldest_of_topic = gone
            .iter()
            .copied()
            .find(|index| self.all[*index].topic == topic);
        prop_assert!(!is_over || oldest_of_topic.is_some());
        let for_number = oldest_of_topic.filter(|_| is_over);
        for index in gone {
            let log = &self.logs[self.all[*index].topic];
            let mut older = log.iter().take_while(|older| *older < index);
            prop_assert!(
                older.all(|older| gone.contains(older)),
                "event {index} went before an older one"
            );
        }
        for log in &mut self.logs {
            log.retain(|index| !gone.contains(index));
        }
        let for_bytes: Vec<_> = gone
            .iter()
            .copied()
            .filter(|index| Some(*index) != for_number)
            .collect();
        let Some(largest) = for_bytes.iter().map(|index| self.all[*index].bytes).max() else {
            return Ok(());
        };
        let rest: usize = (0..3).map(|topic| self.bytes_of(topic)).sum();
        prop_assert!(
            rest + largest > self.limits.bytes,
            "there was room for one of {for_bytes:?}"
        );
        for index in for_bytes {
            let size = sizes[self.all[index].topic].max(self.limits.bytes / LARGE_TOPIC_SHARE);
            // Sizes are compared to within a quarter. A topic does not lose its only event as soon as it has it.
            let larger = (0..3)
                .find(|other| self.logs[*other] != [new] && self.bytes_of(*other) > size * 5 / 4);
            prop_assert_eq!(
                larger,
                None,
                "event {} went before those of a larger topic",
                index
            );
        }
        Ok(())
    }
}

/// The events in a topic's history.
fn retained(hub: &Hub, index: usize) -> Vec<usize> {
    events(hub, index, |log| {
        log.history
            .after(Offset::START)
            .map(|entry| index_of(entry))
            .collect()
    })
}

/// The events that history and tail of a topic have.
fn present(hub: &Hub, index: usize) -> Vec<usize> {
    let everything = View {
        visibility: &Visibility::Private,
        replayed_through: Offset::START,
    };
    let newest_first: Vec<_> = events(hub, index, |log| {
        log.newest_first(everything)
            .map(|entry| index_of(entry))
            .collect()
    });
    let oldest_first: Vec<_> = events(hub, index, |log| {
        log.entries_after(Offset::START)
            .map(|entry| index_of(entry))
            .collect()
    });
    assert!(oldest_first.iter().rev().eq(&newest_first));
    oldest_first
}

fn events(hub: &Hub, index: usize, of: impl Fn(&ChannelLog) -> Vec<usize>) -> Vec<usize> {
    let state = hub.0.state.lock();
    let channel = state.topics.get(&topic(TOPICS[index]));
    channel.map_or_else(Vec::new, |channel| of(&channel.log()))
}

fn index_of(entry: &Entry) -> usize {
    entry.offset.number() as usize - 1
}

/// How many readers a topic has.
fn count(readers: &[Reader], topic: usize) -> usize {
    readers
        .iter()
        .filter(|reader| reader.is_open(topic))
        .count()
}

/// What a reader that has left comes back with.
struct Away {
    topics: Vec<usize>,
    with_private: bool,
    last_id: EventId,
}

struct Reader {
    subscriber: Subscriber,
    topics: Vec<usize>,
    policy: LagPolicy,
    with_private: bool,
    /// The last id that it got.
    last_id: EventId,
    /// For each topic that has ended for this reader: the index after the end.
    until: [usize; 3],
    /// The index of the first event that was published after it came.
    came_at: usize,
    /// The index of the first event that has not been read for it.
    next: usize,
    /// Events before this index may be missing, but for the ends of topics: the reader was too slow for them.
    skipped_through: usize,
    /// Those that it gets all the same: the newest of each topic.
    spared: Vec<usize>,
    /// The number of the last loss that it did not ask for, or that has been reported to it.
    accounted: usize,
    /// The number of the last loss from memory that it has been led past, although the log may have the event.
    led_past: usize,
    /// How many reads in a row have waited for the log.
    waits: usize,
}

impl Reader {
    fn is_open(&self, topic: usize) -> bool {
        self.topics.contains(&topic) && self.until[topic] == usize::MAX
    }

    fn may_see(&self, index: usize, history: &History) -> bool {
        let known = &history.all[index];
        self.topics.contains(&known.topic)
            && index < self.until[known.topic]
            && (self.with_private || !known.is_private())
            && (known.is_kept() || index >= self.came_at)
    }

    /// Whether the reader knows that an event is missing.
    fn is_accounted(&self, known: &Known) -> bool {
        known.lost.is_some_and(|loss| loss <= self.accounted)
            || known.gone.is_some_and(|loss| loss <= self.led_past)
    }

    /// Whether events are lost that this reader has not been shown, and does not know to be missing. A reader that does not
    /// see private events does not know that only such events are lost.
    fn has_lost(&self, history: &History) -> bool {
        self.lacks(history, |known| known.lost.is_some())
    }

    /// The same of events that memory no longer has: a reader that is too slow is led past them.
    fn has_lost_from_memory(&self, history: &History) -> bool {
        self.lacks(history, |known| known.gone.is_some())
    }

    fn lacks(&self, history: &History, is_missing: impl Fn(&Known) -> bool) -> bool {
        (self.next.max(self.skipped_through)..history.all.len()).any(|index| {
            let known = &history.all[index];
            let is_its = self.topics.contains(&known.topic) && index < self.until[known.topic];
            let counts = known.is_kept() || self.may_see(index, history);
            is_its && counts && is_missing(known) && !self.is_accounted(known)
        })
    }

    /// The subscriber reads once. Says whether it may go on.
    fn read(&mut self, bytes: usize, history: &History) -> Checked<(ReadOutcome, bool)> {
        let is_ready = self.subscriber.is_ready();
        let has_lost = self.has_lost(history);
        let read = self.subscriber.read(bytes);
        prop_assert!(
            is_ready || matches!(read, ReadOutcome::Nothing),
            "there was {read:?} to read"
        );
        if matches!(read, ReadOutcome::Nothing) && self.subscriber.is_ready() {
            // The log reads what memory no longer has.
            self.waits += 1;
            let most = if history.removed == usize::MAX {
                0
            } else {
                2 * history.all.len() + 2
            };
            prop_assert!(self.waits <= most, "the reader gets nowhere");
            return Ok((read, true));
        }
        self.waits = 0;
        let goes_on = self.take(&read, has_lost, has_lost, history)?;
        Ok((read, goes_on))
    }

    /// The subscriber is too slow.
    fn handle_lag(&mut self, history: &History) -> Checked<(ReadOutcome, bool)> {
        let has_lost = self.has_lost_from_memory(history);
        let read = self.subscriber.handle_lag();
        let goes_on = self.take(&read, has_lost, true, history)?;
        Ok((read, goes_on))
    }

    fn take(
        &mut self,
        read: &ReadOutcome,
        has_lost: bool,
        is_slow: bool,
        history: &History,
    ) -> Checked<bool> {
        if is_slow && self.policy == LagPolicy::Latest {
            self.skip_to_latest(history);
        }
        match read {
            ReadOutcome::Batch(batch) => {
                prop_assert!(!batch.entries().is_empty());
                for entry in batch.entries() {
                    self.take_event(entry, history)?;
                }
                // What follows the last event and has been read too is not for this reader.
                let through = batch.through().number() as usize;
                self.check_missed(through, history)?;
                self.next = self.next.max(through);
            }
            ReadOutcome::Gap(gap) => self.take_gap(gap, has_lost, is_slow, history)?,
            ReadOutcome::Nothing | ReadOutcome::End => {
                self.check_missed(history.all.len(), history)?;
                self.next = history.all.len();
                let is_open = (0..3).any(|topic| self.is_open(topic));
                prop_assert_eq!(
                    is_open,
                    matches!(read, ReadOutcome::Nothing),
                    "whether a topic goes on"
                );
            }
            ReadOutcome::TooSlow => {
                prop_assert_eq!(self.policy, LagPolicy::Disconnect);
                prop_assert!(is_slow, "the reader has lost nothing");
            }
        }
        if self.policy != LagPolicy::Latest {
            prop_assert_eq!(&self.subscriber.position(), &self.last_id);
        }
        Ok(matches!(read, ReadOutcome::Batch(_) | ReadOutcome::Gap(_)))
    }

    fn take_event(&mut self, entry: &Entry, history: &History) -> Checked {
        let index = entry.offset.number() as usize - 1;
        let known = history.all.get(index);
        let known =
            known.ok_or_else(|| TestCaseError::fail("an event that was never published"))?;
        known.check(entry)?;
        prop_assert!(
            index >= self.next,
            "event {index} came twice or out of order"
        );
        // The end of a topic that the reader has left may still be on its way.
        prop_assert!(
            self.may_see(index, history),
            "event {index} is not for this reader"
        );
        if self.policy == LagPolicy::Skip {
            prop_assert!(
                index >= self.skipped_through || known.is_end,
                "event {index} was skipped"
            );
        }
        self.check_missed(index, history)?;
        self.next = index + 1;
        self.last_id = self.subscriber.id_of(entry);
        if self.topics.len() > 1 {
            prop_assert_eq!(&self.last_id, &history.log_id(index + 1));
        } else {
            prop_assert_eq!(&self.last_id, &known.id);
        }
        if known.is_end {
            self.until[known.topic] = index + 1;
        }
        Ok(())
    }

    /// A reader that is too slow gets a gap.
    fn take_gap(&mut self, gap: &Gap, has_lost: bool, is_slow: bool, history: &History) -> Checked {
        prop_assert_eq!(self.policy, LagPolicy::Skip);
        prop_assert_eq!(&gap.requested, &self.last_id);
        let end = history.offset_of_log_id(&gap.resumed_from);
        let end = end.ok_or_else(|| TestCaseError::fail("a gap that ends nowhere"))?;
        let first = self.next.max(self.skipped_through);
        let mut left_out = (first..end)
            .filter(|index| self.may_see(*index, history) && !history.all[*index].is_end);
        prop_assert!(
            has_lost || (is_slow && left_out.next().is_some()),
            "a gap in which nothing is missing"
        );
        for index in end..history.all.len() {
            let known = &history.all[index];
            let is_gone = known.gone.is_some() && !self.is_accounted(known);
            prop_assert!(
                !is_gone || !self.may_see(index, history),
                "event {index} is missing after the gap"
            );
        }
        self.skipped_through = end;
        self.accounted = history.losses;
        self.led_past = history.losses;
        self.last_id = gap.resumed_from.clone();
        self.close_ended(end, history);
        Ok(())
    }

    /// A slow reader of the latest events gets the newest of each topic.
    fn skip_to_latest(&mut self, history: &History) {
        let newest = |topic: &usize| {
            let mut present = history.present(*topic).into_iter();
            present.rfind(|index| self.may_see(*index, history))
        };
        self.spared = self.topics.iter().filter_map(newest).collect();
        self.skipped_through = history.all.len();
        self.accounted = history.losses;
        self.led_past = history.losses;
        self.close_ended(0, history);
    }

    /// The reader has been shown every event up to an index, or given a gap, or was too slow.
    fn check_missed(&self, index: usize, history: &History) -> Checked {
        for missed in (self.next..index).filter(|index| self.may_see(*index, history)) {
            let known = &history.all[missed];
            let is_accounted = self.is_accounted(known);
            let is_spared = known.is_end || self.spared.contains(&missed);
            let is_skipped = missed < self.skipped_through && !is_spared;
            prop_assert!(
                is_accounted || is_skipped,
                "event {missed} is missing without a gap"
            );
        }
        Ok(())
    }

    /// Topics that have ended before an offset, or whose end is gone, go on no more for this reader.
    fn close_ended(&mut self, offset: usize, history: &History) {
        for topic in self.topics.clone() {
            if let Some(end) = history.ends[topic]
                && self.is_open(topic)
                && (end < offset || self.is_accounted(&history.all[end]))
            {
                self.until[topic] = end + 1;
            }
        }
    }
}

/// A hub and its log, what was published to it, and its readers.
struct World {
    hub: Hub,
    log: Box<dyn RestartedLog>,
    history: History,
    readers: Vec<Reader>,
    away: Vec<Away>,
    /// What has been read stays alive, as it does while it is written, so that readers share it.
    runs: Vec<ReadOutcome>,
    runtime: tokio::runtime::Runtime,
    wall_clock: wall_clock::Stopped,
}

impl World {
    /// `open` gives the hub and its log. Both clocks stand still but for what the actions wait.
    fn try_actions<L: RestartedLog + 'static>(
        open: impl FnOnce() -> (Hub, L),
        actions: Vec<Action>,
    ) -> Checked {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.handle().clone();
        let _entered = handle.enter();
        let wall_clock = wall_clock::Stopped::new();
        let (hub, log) = open();
        let history = History::new(&hub, log.removed(), Duration::ZERO);
        let mut world = Self {
            hub,
            log: Box::new(log),
            history,
            readers: Vec::new(),
            away: Vec::new(),
            runs: Vec::new(),
            runtime,
            wall_clock,
        };
        for action in actions {
            world.act(action)?;
        }
        // In the end every reader reads everything.
        for reader in &mut world.readers {
            while reader.read(1, &world.history)?.1 {}
        }
        Ok(())
    }

    /// The log commits what is staged, and does what is due.
    fn settle(&mut self) -> Checked {
        self.log.settle();
        let removed = self.log.removed();
        if removed != self.history.removed {
            prop_assert!(removed > self.history.removed, "events came back");
            self.history.removed = removed;
            self.log.check_removed(&self.history)?;
            self.history.note_losses();
        }
        Ok(())
    }

    fn act(&mut self, action: Action) -> Checked {
        match action {
            Action::Publish(request) => self.publish(&request)?,
            Action::Flood { topic } => self.flood(topic)?,
            Action::End { topic } => self.end(topic)?,
            Action::Subscribe {
                topics,
                policy,
                with_private,
                from,
            } => {
                self.subscribe(topics, POLICIES[policy], with_private, &from)?;
            }
            Action::ReadOutcome {
                reader,
                count,
                bytes,
            } => {
                for _ in 0..count {
                    if !self.read(reader, |reader, history| reader.read(bytes, history))? {
                        break;
                    }
                }
            }
            Action::FallBehind { reader } => {
                self.read(reader, Reader::handle_lag)?;
            }
            Action::Leave { reader } if reader < self.readers.len() => self.leave(reader),
            Action::Leave { .. } => {}
            Action::HistoryQuery {
                topic,
                count,
                max_bytes,
                with_private,
            } => {
                self.page(
                    topic,
                    &HistoryQuery {
                        count,
                        max_bytes,
                        before: None,
                        with_private,
                    },
                )?;
            }
            Action::Wait { seconds } => {
                let time = Duration::from_secs(seconds);
                self.runtime.block_on(tokio::time::advance(time));
                self.wall_clock.advance(time);
                self.history.now += time;
            }
            Action::Restart(stop) => self.restart(stop)?,
        }
        self.settle()?;
        self.history.close_tails(&self.readers);
        self.history.compare(&self.hub, None)?;
        self.history.forget(&self.readers);
        for (index, name) in TOPICS.iter().enumerate() {
            prop_assert_eq!(
                self.hub.subscribers(&topic(name)),
                count(&self.readers, index)
            );
        }
        Ok(())
    }

    fn publish(&mut self, request: &Request) -> Checked {
        let index = request.topic;
        let first = request
            .key
            .and_then(|key| self.history.firsts.get(&(index, key.key)));
        let first = first.filter(|first| self.history.now - first.at <= IDEMPOTENCY_AGE);
        let mut publication = PublishRequest {
            id: request.own_id.map(own_id),
            is_private: request.is_private,
            is_ephemeral: !request.is_kept,
            // The event's number, and so much that it has its length.
            ..PublishRequest::text(format!("{:.<1$}", self.history.all.len(), request.bytes))
        };
        if let Some(first) = first
            && request.key.is_some_and(|key| key.is_repeat)
        {
            publication = first.publication.clone();
        }
        // A repeated request is answered before the hub looks at the topic.
        let is_repeat = first.is_some();
        let first = first.map(|first| {
            if first.publication != publication {
                return Err(PublishError::KeyReused);
            }
            Ok(PublishReceipt {
                is_repeat: true,
                ..first.published.clone()
            })
        });
        if !is_repeat {
            self.history.expire(index, &self.readers);
        }
        let newest = request
            .condition
            .as_ref()
            .map(|condition| self.expected_newest(index, condition));
        let refusal = first.or_else(|| self.refusal(index, &publication, newest.as_ref()).map(Err));
        let conditions = Preconditions {
            newest,
            idempotency: request.key.map(|key| IdempotencyKey {
                key: key.key.to_string(),
                publisher: 1,
            }),
        };
        let topic_name = topic(TOPICS[index]);
        let hub = self.hub.clone();
        let mut publishing = Box::pin(hub.publish(&topic_name, publication.clone(), conditions));
        let mut result = publishing.as_mut().now_or_never();
        self.settle()?;
        result = result.or_else(|| publishing.as_mut().now_or_never());
        let result = result.expect("an answer once it is committed");
        if let Some(expected) = refusal {
            prop_assert_eq!(result, expected);
            return Ok(());
        }
        let published = result.map_err(|error| TestCaseError::fail(error.to_string()))?;
        self.published(index, &publication, false)?;
        let new = self.history.all.len();
        let expected = PublishReceipt {
            id: publication
                .id
                .clone()
                .unwrap_or_else(|| self.history.log_id(new)),
            topic: topic(TOPICS[index]),
            subscribers: count(&self.readers, index),
            is_repeat: false,
        };
        prop_assert_eq!(&published, &expected);
        if let Some(key) = request.key {
            let at = self.history.now;
            self.history.firsts.insert(
                (index, key.key),
                First {
                    index: new - 1,
                    publication,
                    published,
                    at,
                },
            );
        }
        Ok(())
    }

    fn expected_newest(&self, topic: usize, condition: &Condition) -> ExpectedNewest {
        let history = &self.history;
        let some_id = |index: usize| history.all.get(index).map(|known| known.id.clone());
        let id = match condition.newest {
            Expected::Any => None,
            Expected::Shown { by_log_id } => {
                let newest = history.shown(topic, condition.with_private).next_back();
                newest.and_then(|newest| {
                    if by_log_id {
                        Some(history.log_id(newest + 1))
                    } else {
                        some_id(newest)
                    }
                })
            }
            Expected::Some(index) => some_id(index),
        };
        ExpectedNewest {
            with_private: condition.with_private,
            one_of: match condition.newest {
                Expected::Any => None,
                _ => Some(Vec::from_iter(id)),
            },
        }
    }

    /// Why a publication is not taken, if it is not.
    fn refusal(
        &self,
        topic: usize,
        publication: &PublishRequest,
        expected: Option<&ExpectedNewest>,
    ) -> Option<PublishError> {
        let history = &self.history;
        if history.ends[topic].is_some() {
            return Some(PublishError::Ended);
        }
        if let Some(expected) = expected {
            let newest = history.shown(topic, expected.with_private).next_back();
            let is_expected = newest.is_some_and(|newest| {
                let ids = [history.all[newest].id.clone(), history.log_id(newest + 1)];
                expected
                    .one_of
                    .as_ref()
                    .is_none_or(|one_of| one_of.iter().any(|id| ids.contains(id)))
            });
            if !is_expected {
                return Some(PublishError::Moved(
                    newest.map(|newest| history.all[newest].id.clone()),
                ));
            }
        }
        let id = publication.id.as_ref()?;
        let is_taken = history
            .identified(topic)
            .any(|index| history.all[index].id == *id);
        is_taken.then(|| PublishError::DuplicateId(id.clone()))
    }

    /// An event has been published.
    fn published(&mut self, topic: usize, publication: &PublishRequest, is_end: bool) -> Checked {
        let new = self.history.all.len();
        let bytes = events(&self.hub, topic, |log| {
            let last = log.entries_after(Offset::from_number(new as u64)).next();
            last.map(|entry| entry.bytes()).into_iter().collect()
        });
        let is_stored = !publication.is_ephemeral || self.history.generations[topic].is_some();
        prop_assert_eq!(bytes.len(), usize::from(is_stored));
        let bytes = bytes.first().copied().unwrap_or_default();
        self.history.all.push(Known {
            topic,
            publication: publication.clone(),
            id: publication
                .id
                .clone()
                .unwrap_or_else(|| self.history.log_id(new + 1)),
            is_end,
            bytes,
            published_at: self.history.now,
            gone: None,
            lost: None,
        });
        if !publication.is_ephemeral {
            self.history.logs[topic].push(new);
        }
        self.history.push_to_tail(new);
        if is_end {
            self.history.ends[topic] = Some(new);
        }
        self.hub.retain();
        self.history.retain(&self.readers);
        self.history.compare(&self.hub, Some(new))?;
        self.history.forget(&self.readers);
        Ok(())
    }

    fn flood(&mut self, topic: usize) -> Checked {
        for _ in 0..self.history.limits.events + 2 {
            self.publish(&Request {
                topic,
                bytes: 1,
                own_id: None,
                is_private: false,
                is_kept: false,
                condition: None,
                key: None,
            })?;
        }
        Ok(())
    }

    fn end(&mut self, index: usize) -> Checked {
        self.history.expire(index, &self.readers);
        let is_known = !self.history.logs[index].is_empty() || count(&self.readers, index) > 0;
        let topic_name = topic(TOPICS[index]);
        let hub = self.hub.clone();
        let mut ending = Box::pin(hub.end(&topic_name));
        let mut result = ending.as_mut().now_or_never();
        self.settle()?;
        result = result.or_else(|| ending.as_mut().now_or_never());
        let result = result.expect("an answer once it is committed");
        prop_assert_eq!(result.is_ok(), is_known);
        if is_known && self.history.ends[index].is_none() {
            let end = PublishRequest {
                event_type: EventType::constant(END_EVENT),
                ..PublishRequest::text(TOPICS[index])
            };
            self.published(index, &end, true)?;
        }
        Ok(())
    }

    fn subscribe(
        &mut self,
        topics: Vec<usize>,
        policy: LagPolicy,
        with_private: bool,
        from: &StartAt,
    ) -> Checked {
        let history = &self.history;
        let (mut topics, mut with_private) = (topics, with_private);
        let start = match from {
            StartAt::Now => Start::Now,
            StartAt::Earliest => Start::Earliest,
            StartAt::Last(count) => Start::Last(*count),
            StartAt::LogId(offset) => Start::After(history.log_id(*offset)),
            StartAt::OwnId(number) => Start::After(own_id(*number)),
            StartAt::LastSeen => match self.away.pop() {
                Some(away) => {
                    (topics, with_private) = (away.topics, away.with_private);
                    Start::After(away.last_id)
                }
                None => Start::Now,
            },
        };
        for topic in &topics {
            self.history.expire(*topic, &self.readers);
            self.history.open_tail(*topic);
        }
        let history = &self.history;
        let expected = Expectation::new(&start, &topics, with_private, history);
        let wanted = topics.iter().map(|index| WantedTopic {
            topic: topic(TOPICS[*index]),
            with_private,
        });
        let subscription = Subscription {
            topics: wanted.collect(),
            patterns: Vec::new(),
            start,
            slow_reader: policy,
        };
        let start = &subscription.start;
        let subscriber = self.hub.subscribe(&subscription);
        // The last few are the last in memory.
        let led_past = if matches!(start, Start::Last(_)) {
            history.losses
        } else {
            0
        };
        let is_over = |topic: &usize| {
            let end = history.ends[*topic];
            end.is_some_and(|end| {
                let known = &history.all[end];
                let is_led_past = known.gone.is_some_and(|loss| loss <= led_past);
                end < expected.next || known.lost.is_some() || is_led_past
            })
        };
        if topics.iter().all(is_over) {
            prop_assert_eq!(subscriber.err(), Some(SubscribeError::Ended));
            return Ok(());
        }
        let mut subscriber = subscriber.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(subscriber.position(), expected.position);
        prop_assert_eq!(subscriber.take_gap(), expected.gap);
        let mut reader = Reader {
            last_id: subscriber.position(),
            subscriber,
            topics,
            policy,
            with_private,
            until: [usize::MAX; 3],
            came_at: history.all.len(),
            next: expected.next,
            skipped_through: 0,
            spared: Vec::new(),
            accounted: history.losses,
            led_past,
            waits: 0,
        };
        reader.close_ended(expected.next, history);
        self.readers.push(reader);
        Ok(())
    }

    /// A reader reads. It leaves if its stream ends.
    fn read(
        &mut self,
        index: usize,
        read: impl Fn(&mut Reader, &History) -> Checked<(ReadOutcome, bool)>,
    ) -> Checked<bool> {
        let Some(reader) = self.readers.get_mut(index) else {
            return Ok(false);
        };
        let (read, goes_on) = read(reader, &self.history)?;
        match read {
            ReadOutcome::End => drop(self.readers.remove(index)),
            ReadOutcome::TooSlow => self.leave(index),
            read => self.runs.push(read),
        }
        Ok(goes_on)
    }

    fn leave(&mut self, index: usize) {
        let Reader {
            topics,
            with_private,
            last_id,
            ..
        } = self.readers.remove(index);
        self.away.push(Away {
            topics,
            with_private,
            last_id,
        });
    }

    fn page(&mut self, index: usize, first: &HistoryQuery) -> Checked {
        self.history.expire(index, &self.readers);
        let history = &self.history;
        let mut expected: Vec<_> = history.shown(index, first.with_private).collect();
        let mut page = first.clone();
        loop {
            let snapshot = self.hub.snapshot(&topic(TOPICS[index]), &page);
            prop_assert_eq!(&snapshot.last_event_id, &history.log_id(history.all.len()));
            prop_assert_eq!(snapshot.has_ended, history.ends[index].is_some());
            prop_assert_eq!(snapshot.subscribers, count(&self.readers, index));
            let events = snapshot.events.iter().map(|entry| index_of(entry));
            let bytes: usize = snapshot.events.iter().map(|entry| entry.bytes()).sum();
            prop_assert!(snapshot.events.len() <= page.count);
            prop_assert!(bytes <= page.max_bytes || snapshot.events.len() == 1);
            for entry in &snapshot.events {
                history.all[index_of(entry)].check(entry)?;
            }
            for event in events.rev() {
                prop_assert_eq!(expected.pop(), Some(event));
            }
            prop_assert_eq!(snapshot.older_than.is_some(), !expected.is_empty());
            prop_assert!(expected.is_empty() || !snapshot.events.is_empty());
            if snapshot.older_than.is_none() {
                return Ok(());
            }
            page.before = snapshot.older_than;
        }
    }

    /// The hub after a restart: one that knows no id of this one, or has all that the log has.
    fn restart(&mut self, stop: Stop) -> Checked {
        while !self.readers.is_empty() {
            self.leave(0);
        }
        self.history.close_tails(&self.readers);
        self.history.forget(&self.readers);
        // An event that is staged, and that nobody has got an answer for.
        let first_topic = topic(TOPICS[0]);
        let request = PublishRequest::text("unanswered");
        let request = (first_topic, request, Preconditions::default());
        let unanswered = (!matches!(stop, Stop::Close)).then(|| {
            let submitted = self.hub.submit(&request.0, request.1, request.2);
            submitted.now_or_never().expect("there is room")
        });
        let is_unanswered = unanswered.is_none_or(|unanswered| {
            unanswered.is_refused() || unanswered.receipt().now_or_never().is_none()
        });
        self.hub = self.log.restart(stop, self.history.limits);
        let (now, removed) = (self.history.now, self.log.removed());
        if self.hub.epoch() != self.history.epoch {
            self.history = History::new(&self.hub, removed, now);
            return Ok(());
        }
        prop_assert!(is_unanswered, "an answer for what is not committed");
        prop_assert_eq!(removed, self.history.removed);
        self.history.tails.clear();
        self.log.check_removed(&self.history)?;
        self.history.recover(&self.hub, self.log.stored_bytes())
    }
}

/// Where a reader starts, and the gap that it gets.
struct Expectation {
    next: usize,
    gap: Option<Gap>,
    position: EventId,
}

impl Expectation {
    fn new(start: &Start, topics: &[usize], with_private: bool, history: &History) -> Self {
        let lost = topics.iter().map(|topic| history.lost_through(*topic));
        let lost = lost.max().unwrap_or(0);
        let evicted = topics.iter().map(|topic| history.evicted_through(*topic));
        let earliest = evicted.min().unwrap_or(0);
        let without_gap = |next| Self {
            next,
            gap: None,
            position: history.log_id(next),
        };
        match start {
            Start::Earliest => without_gap(earliest),
            Start::Last(count) => {
                let shown = topics
                    .iter()
                    .flat_map(|topic| history.shown(*topic, with_private));
                let mut shown: Vec<_> = shown.collect();
                shown.sort_unstable();
                let first = shown.iter().rev().take(*count).next_back();
                without_gap(first.copied().unwrap_or(history.all.len()))
            }
            Start::After(id) => {
                let known = history.resolve(id, topics, with_private);
                let next = known.unwrap_or(earliest);
                if known.is_none_or(|known| known < lost) {
                    let resumed_from = history.log_id(lost);
                    let position = resumed_from.clone();
                    let gap = Some(Gap {
                        requested: id.clone(),
                        resumed_from,
                    });
                    return Self {
                        next,
                        gap,
                        position,
                    };
                }
                let is_known_by_own_id =
                    topics.len() == 1 && history.offset_of_log_id(id).is_none();
                let position = if is_known_by_own_id {
                    id.clone()
                } else {
                    history.log_id(next)
                };
                Self {
                    next,
                    gap: None,
                    position,
                }
            }
            _ => without_gap(history.all.len()),
        }
    }
}

proptest! {
    #![proptest_config(super::cases(2_000))]

    #[test]
    fn every_answer_of_the_hub_is_the_one_that_the_list_of_all_events_gives(
        limits in bounds(),
        actions in prop::collection::vec(action(1), 1..60),
    ) {
        World::try_actions(|| InMemory::open(limits), actions)?;
    }
}

proptest! {
    #![proptest_config(super::cases(1_000))]

    #[test]
    fn every_answer_over_a_log_on_disk_is_the_one_that_the_list_of_all_events_gives(
        limits in bounds(),
        config in disks(),
        actions in prop::collection::vec(action(4), 1..60),
    ) {
        World::try_actions(|| OnDisk::open(config, limits), actions)?;
    }
}
