//! The hub against a model that is too simple to be wrong: one list of everything that was ever published. Whatever
//! happens, a reader sees exactly the list from its cursor on, or is told of a gap that accounts for the rest.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Action {
    Publish {
        topic: usize,
        bytes: usize,
        is_private: bool,
        is_kept: bool,
    },
    Subscribe {
        topics: Vec<usize>,
        slow_reader: usize,
        with_private: bool,
        resume: bool,
    },
    Read {
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
}

const TOPICS: [&str; 3] = ["a", "b", "c"];
const POLICIES: [SlowReader; 3] = [SlowReader::Disconnect, SlowReader::Skip, SlowReader::Latest];

fn action() -> impl Strategy<Value = Action> {
    let topics = prop::sample::subsequence(vec![0, 1, 2], 1..=3);
    prop_oneof![
        6 => (0..3_usize, 0..400_usize, prop::bool::weighted(0.2), prop::bool::weighted(0.8)).prop_map(
            |(topic, bytes, is_private, is_kept)| Action::Publish { topic, bytes, is_private, is_kept },
        ),
        2 => (topics, 0..3_usize, any::<bool>(), any::<bool>()).prop_map(
            |(topics, slow_reader, with_private, resume)| {
                Action::Subscribe { topics, slow_reader, with_private, resume }
            },
        ),
        4 => (0..6_usize, 0..8_usize, 1..1_000_usize)
            .prop_map(|(reader, count, bytes)| Action::Read { reader, count, bytes }),
        1 => (0..6_usize).prop_map(|reader| Action::FallBehind { reader }),
        1 => (0..6_usize).prop_map(|reader| Action::Leave { reader }),
    ]
}

/// What the model knows of an event: its place in the one list is its index.
struct Known {
    topic: usize,
    id: EventId,
    is_private: bool,
    is_kept: bool,
}

struct Reader {
    subscriber: Subscriber,
    topics: Vec<usize>,
    slow_reader: SlowReader,
    with_private: bool,
    /// The index of the first event that was published after it came.
    came_at: usize,
    /// The index of the first event that it has not been shown or told to be missing.
    next: usize,
    /// Events before this index may be missing: it has been told of a gap that ends there.
    told_through: usize,
}

impl Reader {
    /// Takes what one read gave. Says whether there may be more.
    fn take(&mut self, read: Read, all: &[Known]) -> Result<bool, TestCaseError> {
        match read {
            Read::Run(run) => {
                prop_assert!(!run.entries().is_empty());
                for entry in run.entries() {
                    self.take_event(entry, all)?;
                }
                let frames: Vec<_> = run.entries().iter().map(|entry| &entry.frame[..]).collect();
                prop_assert_eq!(&run.frames()[..], frames.concat());
                Ok(true)
            }
            Read::Gap(gap) => {
                prop_assert_eq!(&gap.resumed_from, &self.subscriber.position());
                let offset = gap
                    .resumed_from
                    .as_str()
                    .rsplit('-')
                    .next()
                    .and_then(|number| number.parse().ok());
                self.told_through =
                    offset.ok_or_else(|| TestCaseError::fail("a place that is none"))?;
                Ok(true)
            }
            Read::Nothing => {
                self.check_missed(all.len(), all)?;
                Ok(false)
            }
            Read::TooSlow => {
                prop_assert_eq!(self.slow_reader, SlowReader::Disconnect);
                Ok(false)
            }
            Read::End => Err(TestCaseError::fail("nobody has ended a topic")),
        }
    }

    fn take_event(&mut self, entry: &Entry, all: &[Known]) -> Result<(), TestCaseError> {
        let index = all.iter().position(|known| known.id == entry.event.id);
        let index =
            index.ok_or_else(|| TestCaseError::fail("an event that was never published"))?;
        prop_assert!(
            index >= self.next,
            "event {index} came twice or out of order"
        );
        prop_assert!(
            self.topics.contains(&all[index].topic),
            "event {index} is of another topic"
        );
        prop_assert!(
            self.with_private || !all[index].is_private,
            "event {index} is private"
        );
        prop_assert!(
            all[index].is_kept || index >= self.came_at,
            "event {index} was not kept for those who came later"
        );
        self.check_missed(index, all)?;
        self.next = index + 1;
        Ok(())
    }

    /// Whatever this reader has not seen up to an index has been accounted for.
    fn check_missed(&self, index: usize, all: &[Known]) -> Result<(), TestCaseError> {
        let missed = (self.next..index).filter(|place| {
            let known = &all[*place];
            self.topics.contains(&known.topic)
                && (self.with_private || !known.is_private)
                && known.is_kept
        });
        let untold: Vec<_> = missed.filter(|place| *place >= self.told_through).collect();
        let may_miss = self.slow_reader == SlowReader::Latest;
        prop_assert!(
            untold.is_empty() || may_miss,
            "events {untold:?} are missing without a gap"
        );
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_reader_sees_the_log_from_its_cursor_on_or_is_told_of_a_gap(
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let hub = Hub::new(Limits { events: 4, bytes: 4_000, ..limits() });
        let mut all: Vec<Known> = Vec::new();
        let mut readers: Vec<Reader> = Vec::new();
        // Where readers that left could come back: what they wanted, their last id, and what they have seen.
        let mut left: Vec<(Vec<usize>, bool, EventId, usize)> = Vec::new();
        // What has been read stays alive, as it does while it is written, so that readers share it.
        let mut runs = Vec::new();
        for action in actions {
            match action {
                Action::Publish { topic: index, bytes, is_private, is_kept } => {
                    let text = Publication::text("x".repeat(bytes));
                    let publication = Publication { is_private, is_kept, ..text };
                    let id = send(&hub, &topic(TOPICS[index]), publication).id;
                    all.push(Known { topic: index, id, is_private, is_kept });
                }
                Action::Subscribe { topics, slow_reader, with_private, resume } => {
                    let (topics, with_private, start, next) = match left.pop().filter(|_| resume) {
                        Some((topics, with_private, id, next)) => {
                            (topics, with_private, Start::After(id), next)
                        }
                        None => (topics, with_private, Start::Now, all.len()),
                    };
                    let slow_reader = POLICIES[slow_reader];
                    let wanted = topics.iter().map(|index| WantedTopic {
                        topic: topic(TOPICS[*index]),
                        with_private,
                    });
                    let subscription = Subscription { topics: wanted.collect(), start, slow_reader };
                    let subscriber = hub.subscribe(&subscription).expect("a subscriber");
                    let came_at = all.len();
                    let mut reader = Reader {
                        subscriber, topics, slow_reader, with_private, came_at, next, told_through: 0,
                    };
                    // Whoever sends a reader its position has told it of the gap first.
                    if let Some(gap) = reader.subscriber.take_gap() {
                        reader.take(Read::Gap(gap), &all)?;
                    }
                    readers.push(reader);
                }
                Action::Read { reader, count, bytes } => {
                    if let Some(reader) = readers.get_mut(reader) {
                        for _ in 0..count {
                            let read = reader.subscriber.read(bytes);
                            if let Read::Run(run) = &read {
                                runs.push(Arc::clone(run));
                            }
                            if !reader.take(read, &all)? {
                                break;
                            }
                        }
                    }
                }
                Action::FallBehind { reader } => {
                    if let Some(reader) = readers.get_mut(reader) {
                        let read = reader.subscriber.fall_behind();
                        reader.take(read, &all)?;
                    }
                }
                Action::Leave { reader } => {
                    if reader < readers.len() {
                        let reader = readers.remove(reader);
                        if reader.told_through <= reader.next && reader.slow_reader != SlowReader::Latest {
                            let position = reader.subscriber.position();
                            left.push((reader.topics, reader.with_private, position, reader.next));
                        }
                    }
                }
            }
            for (index, name) in TOPICS.iter().enumerate() {
                let expected = readers.iter().filter(|reader| reader.topics.contains(&index)).count();
                prop_assert_eq!(hub.subscribers(&topic(name)), expected);
            }
        }
        for reader in &mut readers {
            loop {
                let read = reader.subscriber.read(1);
                if !reader.take(read, &all)? {
                    break;
                }
            }
        }
        drop(readers);
        prop_assert!(hub.totals().bytes <= 4_000);
    }
}
