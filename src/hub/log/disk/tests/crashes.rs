//! The promise about loss, over many seeds: a hub is used over a simulated disk that is cut off at any moment, and opened
//! again. Each seed goes through several lives of one folder.
//!
//! What must hold after each: every event that was answered is there once, whole and in order; an event that was not
//! answered is there whole, or not at all; no id ever names two events; an answered key gives its first answer; a topic that
//! was ended stays so; a reader that resumes misses nothing. The recovery itself may be cut off as well.
//!
//! `FAIRWIND_SIMULATED_SEEDS=10000` tries more; `FAIRWIND_SIMULATED_SEED=7` tries one, with a line for each life.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;

use super::super::meta::Meta;
use super::super::simulated::{Faults, SimulatedDisk};
use super::*;
use crate::hub::publish::{
    ExpectedNewest, IdempotencyKey, Preconditions, PublishError, PublishReceipt, PublishRequest,
};
use crate::hub::subscriber::{LagPolicy, ReadOutcome, Start, Subscription};
use crate::hub::topic::Topic;
use crate::hub::{EndError, HistoryQuery, Submitted};
use crate::protocol::event::{EventId, EventType};

/// What a publisher has asked for.
#[derive(Debug, Clone)]
struct Asked {
    topic: Topic,
    request: PublishRequest,
    key: Option<IdempotencyKey>,
}

/// What must be true of a folder's log, whatever happens to it.
#[derive(Default)]
struct Oracle {
    /// What each id names, of events that were answered or seen.
    named: BTreeMap<String, String>,
    /// Events that were answered and are to be kept, in the order of their offsets.
    answered: BTreeMap<Offset, (EventId, Asked)>,
    /// Keys that were answered, with the answer.
    keys: Vec<(Asked, PublishReceipt)>,
    /// Topics whose end was answered.
    ended: BTreeSet<Topic>,
    /// The data of everything that was ever asked for.
    asked: BTreeSet<String>,
    /// The newest offset that anybody has seen.
    newest_seen: Offset,
    next_number: u64,
}

struct Life<'a> {
    random: &'a mut fastrand::Rng,
    oracle: &'a mut Oracle,
    hub: Hub,
    log: SteppedLog,
}

fn limits() -> Limits {
    Limits {
        events: 1_000_000,
        bytes: 1 << 30,
        ..Limits::default()
    }
}

fn topic(number: u8) -> Topic {
    Topic::new(&format!("topic/{number}")).expect("a topic")
}

impl Life<'_> {
    fn ask(&mut self) -> Asked {
        let random = &mut *self.random;
        let number = self.oracle.next_number;
        self.oracle.next_number += 1;
        let data = format!("{number} {}", "x".repeat(random.usize(..200)));
        self.oracle.asked.insert(data.clone());
        let topic = topic(random.u8(..6));
        let mut request = PublishRequest {
            is_private: random.u8(..5) == 0,
            is_ephemeral: random.u8(..6) == 0,
            ..PublishRequest::text(data)
        };
        if random.u8(..5) == 0 {
            request.id = EventId::new(format!("own {number}")).ok();
        }
        if random.u8(..5) == 0 {
            request.event_type = EventType::new("news").expect("a type");
            request.retry = Some(Duration::from_millis(random.u64(100..10_000)));
        }
        if random.u8(..8) == 0 {
            request.also_in.push(self::topic(random.u8(..6)));
        }
        let key = (random.u8(..4) == 0).then(|| IdempotencyKey {
            key: format!("key {number}"),
            publisher: u64::from(random.u8(..3)),
        });
        Asked {
            topic,
            request,
            key,
        }
    }

    fn submit(&self, asked: &Asked, newest: Option<ExpectedNewest>) -> Submitted {
        let conditions = Preconditions {
            newest,
            idempotency: asked.key.clone(),
        };
        let submitted = self
            .hub
            .submit(&asked.topic, asked.request.clone(), conditions);
        submitted.now_or_never().expect("there is room")
    }

    /// Publishes a group of events, and ends topics, until the log has failed or enough has been done.
    fn live(&mut self, groups: usize) {
        for _ in 0..groups {
            let mut submitted = Vec::new();
            for _ in 0..self.random.usize(1..12) {
                let asked = self.ask();
                let waiting = self.submit(&asked, None);
                submitted.push((asked, waiting));
            }
            let end = (self.random.u8(..30) == 0).then(|| topic(self.random.u8(..6)));
            let hub = self.hub.clone();
            let mut ending = end.as_ref().map(|topic| Box::pin(hub.end(topic)));
            let mut ended = ending
                .as_mut()
                .and_then(|ending| ending.as_mut().now_or_never());
            self.log.step();
            ended = ended.or_else(|| {
                ending
                    .as_mut()
                    .and_then(|ending| ending.as_mut().now_or_never())
            });
            let mut has_failed = false;
            for (asked, waiting) in submitted {
                let receipt = waiting.receipt().now_or_never().expect("an answer");
                has_failed |= matches!(receipt, Err(PublishError::Unavailable(_)));
                self.answered(asked, receipt);
            }
            if let (Some(topic), Some(Ok(()))) = (&end, &ended) {
                self.oracle.ended.insert(topic.clone());
            }
            if has_failed || matches!(ended, Some(Err(EndError::Unavailable(_)))) {
                return;
            }
        }
    }

    fn answered(&mut self, asked: Asked, receipt: Result<PublishReceipt, PublishError>) {
        let receipt = match receipt {
            Ok(receipt) => receipt,
            Err(PublishError::Ended) => {
                let mut topics = std::iter::once(&asked.topic).chain(&asked.request.also_in);
                assert!(
                    topics.any(|topic| self.hub.snapshot(topic, &page()).has_ended),
                    "only an ended topic refuses"
                );
                return;
            }
            Err(PublishError::Unavailable(_)) => return,
            Err(other) => panic!("{other}"),
        };
        assert!(!receipt.is_repeat);
        let offset = self.hub.offset(&receipt.id);
        self.name(&receipt.id, &asked.topic, &asked.request.data);
        if asked.key.is_some() {
            self.oracle.keys.push((asked.clone(), receipt.clone()));
        }
        self.oracle.newest_seen = self.oracle.newest_seen.max(self.hub.committed());
        if asked.request.is_ephemeral {
            return;
        }
        let offset = offset.unwrap_or_else(|| {
            // An own id: the event itself says where it stands.
            let snapshot = self.hub.snapshot(&asked.topic, &page());
            let found = snapshot
                .events
                .iter()
                .find(|entry| entry.event.id == receipt.id);
            found.expect("an answered event").offset
        });
        self.oracle.answered.insert(offset, (receipt.id, asked));
    }

    /// An id names one event for ever.
    fn name(&mut self, id: &EventId, topic: &Topic, data: &str) {
        let is_own = !id.as_str().starts_with('#');
        let scope = if is_own { topic.as_str() } else { "" };
        let id = format!("{scope} {}", id.as_str());
        let named = self
            .oracle
            .named
            .entry(id)
            .or_insert_with(|| data.to_owned());
        assert_eq!(named, data, "one id, two events");
    }

    /// Checks everything that must be true after a restart. `is_proven` says whether nothing may be missing.
    fn check(&mut self, is_proven: bool) {
        let all = self.log.all_after(Offset::START);
        assert!(
            all.is_sorted_by(|a, b| a.offset < b.offset),
            "each once, in order"
        );
        for entry in &all {
            assert!(!entry.is_ephemeral);
            if !entry.is_end {
                assert!(
                    self.oracle.asked.contains(&entry.event.data),
                    "nothing that nobody published"
                );
            }
            self.name(&entry.event.id, &entry.topic, &entry.event.data);
        }
        let newest = self.hub.committed();
        let by_offset: BTreeMap<_, _> = all.iter().map(|entry| (entry.offset, entry)).collect();
        if !is_proven {
            // What is missing is the end.
            let is_there = |offset: &Offset| by_offset.contains_key(offset);
            let offsets = self.oracle.answered.keys();
            let mut missing = offsets.skip_while(|offset| is_there(offset));
            assert!(
                missing.all(|offset| !is_there(offset) && *offset > newest),
                "a hole"
            );
            self.oracle
                .answered
                .retain(|offset, _| by_offset.contains_key(offset));
            let hub = &self.hub;
            self.oracle
                .keys
                .retain(|(_, receipt)| is_known(hub, &by_offset, receipt));
            self.oracle
                .ended
                .retain(|topic| hub.snapshot(topic, &page()).has_ended);
            self.oracle.newest_seen = newest;
        }
        assert!(
            newest >= self.oracle.newest_seen,
            "an offset would be used again"
        );
        for (offset, (id, asked)) in &self.oracle.answered {
            let entry = by_offset
                .get(offset)
                .unwrap_or_else(|| panic!("{offset:?} is lost"));
            assert_eq!(entry.event.id, *id);
            assert_eq!(entry.topic, asked.topic);
            assert_eq!(entry.publication(), asked.request);
        }
        for topic in &self.oracle.ended {
            let refused = self.hub.publish(
                topic,
                PublishRequest::text("late"),
                Preconditions::default(),
            );
            assert_eq!(refused.now_or_never(), Some(Err(PublishError::Ended)));
        }
        self.check_memory(&all);
        self.check_readers(&all);
        for (asked, receipt) in self.oracle.keys.clone() {
            let repeated = self.submit(&asked, None).receipt().now_or_never();
            let repeated = repeated
                .expect("an answer at once")
                .expect("the first answer");
            assert!(repeated.is_repeat);
            assert_eq!(repeated.id, receipt.id);
            assert_eq!(repeated.subscribers, receipt.subscribers);
        }
    }

    /// Memory has what the log has.
    fn check_memory(&mut self, all: &[Arc<Entry>]) {
        for number in 0..6 {
            let topic = topic(number);
            let of_topic: Vec<_> = all
                .iter()
                .filter(|entry| entry.topics().any(|of| *of == topic))
                .map(|entry| entry.offset)
                .collect();
            let snapshot = self.hub.snapshot(&topic, &page());
            let in_memory: Vec<_> = snapshot.events.iter().map(|entry| entry.offset).collect();
            assert_eq!(in_memory, of_topic);
            if snapshot.has_ended {
                continue;
            }
            // A condition on the newest event holds, and one on another does not.
            let wrong = ExpectedNewest {
                with_private: true,
                one_of: Some(vec![EventId::new("other").expect("an id")]),
            };
            let asked = Asked {
                topic,
                request: PublishRequest::text("refused"),
                key: None,
            };
            let refused = self.submit(&asked, Some(wrong)).receipt().now_or_never();
            let newest = snapshot.events.last().map(|entry| entry.event.id.clone());
            assert_eq!(refused, Some(Err(PublishError::Moved(newest))));
        }
    }

    /// A reader that resumes after any event gets all that came after it, and no gap.
    fn check_readers(&mut self, all: &[Arc<Entry>]) {
        for number in 0..6 {
            let topic = topic(number);
            let of_topic: Vec<_> = all
                .iter()
                .filter(|entry| entry.topics().any(|of| *of == topic) && !entry.is_private)
                .collect();
            let seen = self.random.usize(..=of_topic.len());
            let start = match seen.checked_sub(1).map(|seen| of_topic[seen]) {
                Some(entry) => Start::After(self.hub.id(entry.offset)),
                None => Start::Earliest,
            };
            let subscription = Subscription::public(topic, start, LagPolicy::Disconnect);
            let Ok(mut reader) = self.hub.subscribe(&subscription) else {
                continue;
            };
            let mut read = Vec::new();
            loop {
                match reader.read(1_000) {
                    ReadOutcome::Batch(batch) => read.extend(batch.entries().to_vec()),
                    ReadOutcome::Nothing if reader.is_ready() => {}
                    ReadOutcome::Nothing | ReadOutcome::End => break,
                    other => panic!("{other:?}"),
                }
            }
            let read: Vec<_> = read.iter().map(|entry| entry.offset).collect();
            let expected: Vec<_> = of_topic[seen..].iter().map(|entry| entry.offset).collect();
            assert_eq!(read, expected);
        }
    }
}

/// Whether the event of a receipt is still there.
fn is_known(
    hub: &Hub,
    by_offset: &BTreeMap<Offset, &Arc<Entry>>,
    receipt: &PublishReceipt,
) -> bool {
    match hub.offset(&receipt.id) {
        Some(offset) => offset <= hub.committed(),
        None => by_offset.values().any(|entry| entry.event.id == receipt.id),
    }
}

fn page() -> HistoryQuery {
    HistoryQuery {
        count: usize::MAX,
        max_bytes: usize::MAX,
        before: None,
        with_private: true,
    }
}

/// Whether the last run has closed the log.
fn is_closed(disk: &SimulatedDisk) -> bool {
    Meta::read(disk).is_ok_and(|meta| meta.is_closed)
}

/// Several lives of one folder.
fn try_seed(seed: u64, is_verbose: bool) {
    let mut random = fastrand::Rng::with_seed(seed);
    let config = DiskConfig {
        sync: match random.u8(..4) {
            0 => SyncPolicy::Every(Duration::from_secs(3_600)),
            1 => SyncPolicy::Never,
            _ => SyncPolicy::Always,
        },
        segment_bytes: random.u64(500..20_000),
        ..config()
    };
    let mut disk = SimulatedDisk::new(seed);
    let mut oracle = Oracle::default();
    let mut boot = 0;
    let mut may_have_lost = false;
    for life in 0..6 {
        // The recovery may be cut off too, once or more often.
        let (hub, log) = loop {
            if random.u8(..4) == 0 {
                disk.set_faults(Faults {
                    operations_left: Some(random.u64(..12)),
                    ..Faults::default()
                });
            }
            match SteppedLog::open(&disk, config, limits(), &boot.to_string()) {
                Ok(opened) => break opened,
                Err(OpenError::Io(_)) => {
                    let is_power_cut = random.bool();
                    boot += u64::from(is_power_cut);
                    may_have_lost |=
                        is_power_cut && config.sync != SyncPolicy::Always && !is_closed(&disk);
                    disk = if is_power_cut {
                        disk.after_power_cut(random.u64(..))
                    } else {
                        disk.after_kill()
                    };
                }
                Err(error) => panic!("{error}"),
            }
        };
        disk.set_faults(Faults::default());
        let mut life_of = Life {
            random: &mut random,
            oracle: &mut oracle,
            hub,
            log,
        };
        life_of.check(!may_have_lost);
        let kind = life_of.random.u8(..5);
        let groups = life_of.random.usize(..40);
        let faults = Faults {
            operations_left: (kind == 1).then(|| life_of.random.u64(..groups as u64 * 3 + 1)),
            syncs_left: (kind == 2).then(|| life_of.random.u64(..groups as u64 + 1)),
            capacity: (kind == 3).then(|| life_of.random.u64(1_000..40_000)),
        };
        disk.set_faults(faults);
        life_of.live(groups);
        let log = life_of.log.clone();
        let stops = random.u8(..3) == 0;
        if stops {
            log.stop();
        }
        let is_power_cut = random.bool();
        if is_verbose {
            eprintln!(
                "life {life}: {faults:?}, stops {stops}, power cut {is_power_cut}: {:?}",
                disk.lengths()
            );
        }
        boot += u64::from(is_power_cut);
        may_have_lost = is_power_cut && config.sync != SyncPolicy::Always && !is_closed(&disk);
        disk = if is_power_cut {
            disk.after_power_cut(random.u64(..))
        } else {
            disk.after_kill()
        };
    }
}

#[test]
fn no_crash_loses_what_was_answered() {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    if let Some(seed) = number("FAIRWIND_SIMULATED_SEED") {
        return try_seed(seed, true);
    }
    for seed in 0..number("FAIRWIND_SIMULATED_SEEDS").unwrap_or(200) {
        let tried = std::panic::catch_unwind(|| try_seed(seed, false));
        assert!(tried.is_ok(), "FAIRWIND_SIMULATED_SEED={seed} fails");
    }
}
