//! Readers that stand before what memory has, over a log that reads its older events when a test lets it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::pattern::Pattern;
use super::super::position::{Epoch, Epochs};
use super::super::subscriber::WantedPattern;
use super::super::visibility::Visibility;
use super::super::watch::Watcher;
use super::*;

/// A hub whose memory has the three newest events of each topic, and no tails to speak of.
struct World {
    hub: Hub,
    log: Grouped,
}

fn limits() -> Limits {
    Limits {
        events: 3,
        tail_bytes: 1,
        ..Limits::default()
    }
}

fn of_topics(names: &[&str], start: Start) -> Subscription {
    let wanted = |name: &&str| WantedTopic {
        topic: topic(name),
        with_private: false,
    };
    Subscription {
        topics: names.iter().map(wanted).collect(),
        patterns: Vec::new(),
        start,
        slow_reader: LagPolicy::Skip,
    }
}

fn of_pattern(pattern: &str, start: Start) -> Subscription {
    let wanted = WantedPattern {
        pattern: Pattern::new(pattern).expect("a pattern"),
        visibility: Visibility::Public,
    };
    Subscription {
        patterns: vec![wanted],
        ..of_topics(&[], start)
    }
}

impl World {
    fn new() -> Self {
        Self::with(limits())
    }

    fn with(limits: Limits) -> Self {
        let log = Grouped::that_can_be_read();
        let hub = Hub::open(limits, log.clone(), MemoryLog::recovered());
        Self { hub, log }
    }

    fn send(&self, name: &str, publication: PublishRequest) -> EventId {
        let topic = topic(name);
        let published = self
            .hub
            .publish(&topic, publication, Preconditions::default());
        self.settle(published).expect("a request that is taken").id
    }

    fn publish(&self, name: &str, text: &str) -> EventId {
        self.send(name, PublishRequest::text(text))
    }

    /// Publishes numbers.
    fn publish_all(&self, name: &str, numbers: std::ops::RangeInclusive<u64>) {
        for number in numbers {
            self.publish(name, &number.to_string());
        }
    }

    fn end(&self, name: &str) {
        let topic = topic(name);
        self.settle(self.hub.end(&topic)).expect("a topic");
    }

    fn settle<T>(&self, request: impl Future<Output = T>) -> T {
        let mut request = std::pin::pin!(request);
        loop {
            if let Some(answer) = request.as_mut().now_or_never() {
                self.hub.retain();
                return answer;
            }
            self.log.commit();
        }
    }

    fn subscribe(&self, subscription: &Subscription) -> Subscriber {
        self.hub.subscribe(subscription).expect("a subscriber")
    }

    /// A reader of topics from the first event on.
    fn reader_of(&self, names: &[&str]) -> Subscriber {
        self.subscribe(&of_topics(names, self.after(0)))
    }

    fn after(&self, offset: u64) -> Start {
        Start::After(self.hub.id(Offset::from_number(offset)))
    }

    /// Everything that there is to read, with the log answering whenever it is asked.
    fn all(&self, subscriber: &mut Subscriber) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            all.extend(data(subscriber));
            if !self.log.answer() {
                return all;
            }
        }
    }
}

/// What there is to read for now.
fn data(subscriber: &mut Subscriber) -> Vec<String> {
    let mut read = Vec::new();
    while subscriber.is_ready() {
        match subscriber.read(100) {
            ReadOutcome::Batch(batch) => {
                read.extend(batch.entries().iter().map(|entry| entry.event.data.clone()));
            }
            ReadOutcome::Nothing => {}
            other => panic!("expected events, got {other:?}"),
        }
    }
    read
}

fn numbers(numbers: std::ops::RangeInclusive<u64>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(Mutex<usize>);

impl Watcher for Count {
    fn wake(&self, _: ChannelId, _: TopicChange) -> watch::Woken {
        *self.0.lock() += 1;
        watch::Woken::Nothing
    }
}

#[test]
fn a_reader_before_memory_reads_everything_in_order_from_the_log_the_history_and_the_tail() {
    let world = World::new();
    world.publish_all("a", 1..=20);
    let mut reader = world.reader_of(&["a"]);
    assert!(reader.take_gap().is_none());
    world.publish_all("a", 21..=24);
    world.send("a", ephemeral("25"));
    assert_eq!(world.all(&mut reader), numbers(1..=25));
    world.publish("a", "26");
    assert_eq!(data(&mut reader), ["26"]);
    assert!(world.log.reads().is_empty(), "the rest is in memory");
    assert_eq!(reader.position(), world.hub.id(Offset::from_number(26)));
}

#[tokio::test(start_paused = true)]
async fn a_reader_leaves_a_topic_at_its_end_although_the_log_has_read_on_behind_it() {
    let world = World::new();
    world.publish("a", "1");
    world.end("a");
    // Memory forgets the topic, and its name is used again; the log has everything.
    let forgotten = world.hub.limits().age + Duration::from_secs(1);
    tokio::time::advance(forgotten).await;
    world.hub.retain();
    world.publish_all("a", 3..=8);
    let mut reader = world.reader_of(&["a"]);
    let mut read = Vec::new();
    loop {
        // As much as one page of the log has.
        match reader.read(1_000) {
            ReadOutcome::Batch(batch) => {
                let entries = batch.entries().iter();
                read.extend(entries.map(|entry| entry.offset.number()));
            }
            ReadOutcome::Nothing => assert!(world.log.answer(), "the log has been asked"),
            ReadOutcome::End => break,
            other => panic!("expected events, got {other:?}"),
        }
    }
    assert_eq!(read, [1, 2]);
}

#[test]
fn a_reader_is_not_ready_while_the_log_reads_and_is_woken_when_it_has() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    let mut reader = world.reader_of(&["a"]);
    let count = Arc::new(Count::default());
    let of = reader.topics().next().expect("a topic");
    let listener: Arc<dyn Watcher> = Arc::<Count>::clone(&count);
    let _listening = reader.listen(of, listener);
    assert!(reader.is_ready());
    for _ in 0..3 {
        assert!(matches!(reader.read(1_000), ReadOutcome::Nothing));
        assert!(!reader.is_ready());
        assert_eq!(world.log.reads().len(), 1, "one read at a time");
    }
    // A change of the topic changes nothing as long as older events are missing.
    world.publish("a", "11");
    let woken = *count.0.lock();
    assert!(!reader.is_ready());
    assert!(matches!(reader.read(1_000), ReadOutcome::Nothing));
    world.log.answer();
    assert_eq!(*count.0.lock(), woken + 1);
    assert!(reader.is_ready());
    assert_eq!(world.all(&mut reader), numbers(1..=11));
}

#[tokio::test]
async fn a_task_that_waits_is_woken_when_the_log_has_read() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    let mut reader = world.reader_of(&["a"]);
    assert_eq!(data(&mut reader), [""; 0]);
    let waiting = tokio::spawn(async move {
        reader.ready().await;
        reader
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let log = world.log.clone();
    std::thread::spawn(move || log.answer());
    let mut reader = waiting.await.expect("the reader");
    assert_eq!(world.all(&mut reader), numbers(1..=10));
}

#[test]
fn a_reader_asks_for_what_memory_lacks_and_for_no_more_than_it_may_hold() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    world.publish_all("b", 11..=12);
    let mut reader = world.subscribe(&of_topics(&["a", "b"], world.after(2)));
    assert!(matches!(reader.read(70), ReadOutcome::Nothing));
    let range = world.log.reads().remove(0);
    let after = (Matcher::Topic(topic("a")), Offset::from_number(2));
    assert_eq!(range.sources, [after], "memory has all of the other topic");
    assert_eq!(range.through, Offset::from_number(7));
    assert_eq!(range.max_bytes, 70);
    let mut reader = world.reader_of(&["a", "b"]);
    assert!(matches!(reader.read(usize::MAX), ReadOutcome::Nothing));
    let range = world.log.reads().remove(1);
    assert_eq!(range.sources.len(), 1);
    assert_eq!(range.max_bytes, 64 * 1_024);
}

#[test]
fn events_of_several_topics_come_in_order_wherever_they_are() {
    let world = World::with(Limits {
        tail_bytes: 1 << 20,
        ..limits()
    });
    let mut live = world.subscribe(&of_topics(&["a", "b", "c"], Start::Now));
    for round in 0..10 {
        world.publish("a", &format!("a{round}"));
        world.publish("b", &format!("b{round}"));
        world.send("a", ephemeral("not kept"));
        world.send(
            "a",
            PublishRequest {
                also_in: vec![topic("b")],
                ..PublishRequest::text(format!("both {round}"))
            },
        );
        if round == 7 {
            world.publish("c", "c: all of it is in memory");
        }
    }
    let mut late = world.reader_of(&["a", "b", "c"]);
    assert!(late.take_gap().is_none());
    world.send("b", ephemeral("in the tail"));
    let all = data(&mut live);
    assert_eq!(all.len(), 42);
    let kept: Vec<_> = all.into_iter().filter(|text| text != "not kept").collect();
    assert_eq!(world.all(&mut late), kept);
}

#[test]
fn a_reader_of_a_pattern_gets_older_events_of_topics_that_memory_has_forgotten_too() {
    let world = World::with(Limits {
        bytes: 500,
        ..limits()
    });
    world.publish("t/1", "1");
    world.publish("other", "not one of them");
    world.publish_all("t/2", 2..=9);
    world.send("t/2", private("not for this reader"));
    assert!(world.hub.snapshot(&topic("t/1"), &page()).events.is_empty());
    let mut reader = world.subscribe(&of_pattern("t/*", world.after(0)));
    assert!(reader.take_gap().is_none());
    world.publish("t/3", "10");
    assert_eq!(world.all(&mut reader), numbers(1..=10));
    let mut earliest = world.subscribe(&of_pattern("t/*", Start::Earliest));
    assert_eq!(world.all(&mut earliest), numbers(1..=10));
    world.publish("t/1", "11");
    assert_eq!(data(&mut earliest), ["11"]);
    assert!(world.log.reads().is_empty());
}

#[test]
fn a_topic_that_memory_has_forgotten_is_read_from_the_log_to_its_end() {
    let world = World::with(Limits {
        bytes: 500,
        ..limits()
    });
    world.publish_all("a", 1..=4);
    world.end("a");
    world.publish_all("b", 1..=4);
    assert!(world.hub.snapshot(&topic("a"), &page()).events.is_empty());
    let mut reader = world.reader_of(&["a", "b"]);
    let all = world.all(&mut reader);
    assert_eq!(
        all,
        [numbers(1..=4), vec!["a".to_owned()], numbers(1..=4)].concat()
    );
    assert_eq!(reader.topics().count(), 1, "one topic has ended");
    let mut alone = world.reader_of(&["a"]);
    while world.log.answer() || !matches!(alone.read(100), ReadOutcome::End) {}
}

#[test]
fn a_read_that_fails_is_lag() {
    for is_dropped in [false, true] {
        let world = World::new();
        world.publish_all("a", 1..=10);
        let subscribe = |slow_reader| {
            world.subscribe(&Subscription {
                slow_reader,
                ..of_topics(&["a"], world.after(0))
            })
        };
        let fail = |reader: &mut Subscriber| {
            assert!(matches!(reader.read(100), ReadOutcome::Nothing));
            let (_, answer) = world.log.take_read().expect("a read");
            if is_dropped {
                drop(answer);
            } else {
                answer.failed();
            }
            assert!(reader.is_ready());
        };
        let mut reader = subscribe(LagPolicy::Disconnect);
        fail(&mut reader);
        assert!(matches!(reader.read(100), ReadOutcome::TooSlow));
        let mut reader = subscribe(LagPolicy::Skip);
        fail(&mut reader);
        assert!(matches!(reader.read(100), ReadOutcome::Gap(_)));
        assert_eq!(data(&mut reader), ["10"]);
        let mut reader = subscribe(LagPolicy::Latest);
        fail(&mut reader);
        assert_eq!(data(&mut reader), ["10"]);
        assert!(world.log.reads().is_empty());
    }
}

#[test]
fn a_page_that_does_not_lead_on_is_a_read_that_failed() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    let mut reader = world.subscribe(&of_topics(&["a"], world.after(2)));
    assert!(matches!(reader.read(100), ReadOutcome::Nothing));
    let (_, answer) = world.log.take_read().expect("a read");
    answer.found(OlderPage {
        entries: Vec::new(),
        through: Offset::from_number(2),
    });
    assert!(matches!(reader.read(100), ReadOutcome::Gap(_)));
    assert_eq!(data(&mut reader), ["10"]);
}

#[test]
fn what_memory_evicts_while_a_page_is_read_comes_from_the_log_too() {
    let world = World::new();
    world.publish_all("a", 1..=5);
    world.publish_all("b", 6..=7);
    let mut reader = world.reader_of(&["a", "b"]);
    assert!(matches!(reader.read(100), ReadOutcome::Nothing));
    assert_eq!(world.log.reads()[0].through, Offset::from_number(2));
    // Memory had all of the second topic when the log was asked.
    world.publish_all("b", 8..=20);
    world.publish_all("a", 21..=25);
    world.log.answer();
    assert_eq!(world.all(&mut reader), numbers(1..=25));
}

#[test]
fn a_reader_that_resumes_has_a_gap_only_if_the_log_itself_has_lost_events() {
    let world = World::new();
    world.publish_all("a", 1..=8);
    world.publish_all("b", 9..=15);
    world.log.lose(3);
    let mut whole = world.subscribe(&of_topics(&["a", "b"], world.after(3)));
    assert!(whole.take_gap().is_none());
    assert_eq!(world.all(&mut whole), numbers(4..=15));
    let mut lost = world.subscribe(&of_topics(&["a", "b"], world.after(2)));
    let gap = lost.take_gap().expect("a gap");
    assert_eq!(gap.resumed_from, world.hub.id(Offset::from_number(3)));
    assert_eq!(world.all(&mut lost), numbers(4..=15));
    let mut other = world.subscribe(&of_topics(&["b"], world.after(2)));
    assert!(
        other.take_gap().is_none(),
        "the other topic has lost nothing"
    );
    let mut earliest = world.subscribe(&of_topics(&["a", "b"], Start::Earliest));
    assert_eq!(earliest.position(), world.hub.id(Offset::START));
    assert_eq!(world.all(&mut earliest), numbers(4..=15));
    let unknown = EventId::new("unknown").expect("an id");
    let mut unknown = world.subscribe(&of_topics(&["a"], Start::After(unknown)));
    assert!(unknown.take_gap().is_some());
    assert_eq!(world.all(&mut unknown), numbers(4..=8));
}

#[test]
fn what_the_log_loses_before_it_is_read_is_a_gap() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    let mut asked = world.reader_of(&["a"]);
    let mut late = world.reader_of(&["a"]);
    assert!(matches!(asked.read(100), ReadOutcome::Nothing));
    world.log.lose(4);
    world.log.answer();
    for reader in [&mut asked, &mut late] {
        assert!(matches!(reader.read(100), ReadOutcome::Gap(_)));
        assert_eq!(data(reader), ["10"]);
    }
    assert!(
        world.log.reads().is_empty(),
        "lost events are not asked for"
    );
}

#[test]
fn a_page_that_has_been_read_stays_whole_whatever_the_log_loses() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    let mut reader = world.reader_of(&["a"]);
    assert!(matches!(reader.read(1_000), ReadOutcome::Nothing));
    world.log.answer();
    world.log.lose(7);
    assert_eq!(data(&mut reader), numbers(1..=10));
}

#[test]
fn a_reader_that_goes_away_is_not_read_for() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    let mut reader = world.reader_of(&["a"]);
    assert!(matches!(reader.read(100), ReadOutcome::Nothing));
    let (range, answer) = world.log.take_read().expect("a read");
    assert!(answer.is_wanted());
    drop(reader);
    assert!(!answer.is_wanted());
    let page = world.log.0.lock().page(&range).expect("a page");
    answer.found(page);
    assert_eq!(world.hub.subscribers(&topic("a")), 0);
}

#[test]
fn a_reader_that_falls_behind_lets_go_of_what_the_log_reads() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    for is_answered in [false, true] {
        let mut reader = world.reader_of(&["a"]);
        assert!(matches!(reader.read(100), ReadOutcome::Nothing));
        let (range, answer) = world.log.take_read().expect("a read");
        let mut waiting = Some(answer);
        if is_answered && let Some(answer) = waiting.take() {
            let page = world.log.0.lock().page(&range).expect("a page");
            answer.found(page);
            assert!(matches!(reader.read(1), ReadOutcome::Batch(_)));
        }
        assert!(matches!(reader.handle_lag(), ReadOutcome::Gap(_)));
        assert!(waiting.is_none_or(|answer| !answer.is_wanted()));
        assert_eq!(data(&mut reader), ["10"]);
    }
}

#[test]
fn a_live_reader_that_is_overtaken_by_retention_reads_on_from_the_log() {
    let world = World::new();
    let mut reader = world.subscribe(&of_topics(&["a"], Start::Now));
    let mut of_pattern = world.subscribe(&of_pattern("*", Start::Now));
    world.publish_all("a", 1..=10);
    assert_eq!(world.all(&mut reader), numbers(1..=10));
    assert_eq!(world.all(&mut of_pattern), numbers(1..=10));
    // An ephemeral event is not in the log.
    world.send("a", ephemeral("11"));
    world.publish_all("a", 12..=20);
    for reader in [&mut reader, &mut of_pattern] {
        assert!(matches!(reader.read(100), ReadOutcome::Gap(_)));
        assert_eq!(data(reader), ["20"]);
    }
    assert!(world.log.reads().is_empty());
}

#[test]
fn an_ephemeral_event_that_is_lost_while_a_page_is_in_hand_is_lag() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    let subscriptions = [
        of_topics(&["a"], world.after(0)),
        of_pattern("*", world.after(0)),
    ];
    for subscription in subscriptions {
        let mut reader = world.subscribe(&subscription);
        assert!(matches!(reader.read(1_000), ReadOutcome::Nothing));
        world.log.answer();
        assert!(matches!(reader.read(1), ReadOutcome::Batch(_)));
        world.send("a", ephemeral("lost"));
        world.publish("a", "newest");
        assert!(matches!(reader.read(1), ReadOutcome::Gap(_)));
        assert_eq!(data(&mut reader), ["newest"]);
    }
}

#[test]
fn a_reader_is_shown_the_private_events_of_a_page_if_it_may_see_them() {
    let world = World::new();
    for number in 1..=5 {
        world.publish("a", &number.to_string());
        world.send("a", private("secret"));
    }
    assert_eq!(world.all(&mut world.reader_of(&["a"])), numbers(1..=5));
    let mut subscription = of_topics(&["a"], world.after(0));
    subscription.topics[0].with_private = true;
    assert_eq!(world.all(&mut world.subscribe(&subscription)).len(), 10);
}

#[test]
fn the_last_events_and_those_since_a_moment_are_those_in_memory() {
    let world = World::new();
    world.publish_all("a", 1..=10);
    world.publish_all("b", 11..=20);
    let names = ["a", "b"];
    for start in [Start::Last(100), Start::Since(SystemTime::UNIX_EPOCH)] {
        let mut reader = world.subscribe(&of_topics(&names, start));
        assert_eq!(
            data(&mut reader),
            [numbers(8..=10), numbers(18..=20)].concat()
        );
    }
    assert!(world.log.reads().is_empty());
}

#[test]
fn a_restart_need_not_have_everything_in_memory() {
    let world = World::new();
    world.publish_all("a", 1..=4);
    world.publish_all("b", 5..=8);
    let committed = world.log.committed();
    let recovered = Recovered {
        epochs: Epochs::new(Epoch::new(&world.hub.epoch()).expect("a name")),
        newest: Offset::from_number(8),
        entries: committed[6..].to_vec(),
        evicted: Vec::new(),
        evicted_floor: Offset::from_number(6),
        keys: Vec::new(),
    };
    let log = Grouped::that_can_be_read();
    log.0.lock().committed = committed;
    let hub = Hub::open(limits(), log.clone(), recovered);
    let world = World { hub, log };
    assert_eq!(world.all(&mut world.reader_of(&["a"])), numbers(1..=4));
    let mut both = world.subscribe(&of_topics(&["a", "b"], world.after(2)));
    assert!(both.take_gap().is_none());
    assert_eq!(world.all(&mut both), numbers(3..=8));
    let mut pattern = world.subscribe(&of_pattern("*", Start::Earliest));
    assert_eq!(world.all(&mut pattern), numbers(1..=8));
    world.publish("c", "9");
    let mut new = world.reader_of(&["c"]);
    assert_eq!(world.all(&mut new), ["9"]);
}

fn page() -> HistoryQuery {
    HistoryQuery {
        count: 100,
        max_bytes: usize::MAX,
        before: None,
        with_private: true,
    }
}

const NAMES: [&str; 4] = ["t/1", "t/2", "u", "v"];

/// What a reader reads: the first of these topics, or those that match a pattern.
const SOURCES: [&[&str]; 5] = [&["t/1"], &["t/1", "t/2"], &["t/*"], &["u", "t/*"], &["*"]];

#[derive(Debug, Clone)]
enum Action {
    Publish {
        name: usize,
        is_kept: bool,
        also: Option<usize>,
    },
    Subscribe {
        sources: usize,
        from: From,
    },
    ReadOutcome {
        reader: usize,
        bytes: usize,
    },
    Answer,
    Fail,
    Lose(u64),
}

#[derive(Debug, Clone, Copy)]
enum From {
    Now,
    Earliest,
    After(u64),
}

fn action() -> impl Strategy<Value = Action> {
    let name = 0..NAMES.len();
    let from = prop_oneof![
        Just(From::Now),
        Just(From::Earliest),
        (0..20_u64).prop_map(From::After)
    ];
    prop_oneof![
        8 => (name.clone(), prop::bool::weighted(0.9), prop::option::weighted(0.2, name))
            .prop_map(|(name, is_kept, also)| Action::Publish { name, is_kept, also }),
        1 => (0..SOURCES.len(), from).prop_map(|(sources, from)| Action::Subscribe { sources, from }),
        4 => (0..4_usize, 1..300_usize).prop_map(|(reader, bytes)| Action::ReadOutcome { reader, bytes }),
        3 => Just(Action::Answer),
        1 => Just(Action::Fail),
        1 => (0..60_u64).prop_map(Action::Lose),
    ]
}

/// An event as the test remembers it.
struct Sent {
    topics: Vec<Topic>,
    is_kept: bool,
}

/// A reader, and what it has to read.
struct Reader {
    subscriber: Subscriber,
    sources: Vec<Matcher>,
    expected: BTreeSet<u64>,
    /// The newest offset that it has read.
    seen: u64,
    /// Events up to here may be missing: the log had lost them when it came.
    lost_through: u64,
    /// Whether events may be missing before the next that it reads.
    has_gap: bool,
    /// Whether ephemeral events are among what it has been sent, or should have been.
    is_lossy: bool,
}

impl Reader {
    fn reads(sources: &[Matcher], topics: &[Topic]) -> bool {
        topics.iter().any(|topic| {
            sources.iter().any(|source| match source {
                Matcher::Topic(wanted) => wanted == topic,
                Matcher::Pattern(pattern) => pattern.matches(topic),
            })
        })
    }

    fn may_miss(&self, offsets: &BTreeSet<u64>) -> bool {
        let newest = offsets.last().copied().unwrap_or_default();
        self.has_gap || newest <= self.lost_through
    }

    /// Reads once, if there may be anything to read. Returns whether there was.
    fn read(&mut self, bytes: usize, can_lose: bool) -> Result<bool, TestCaseError> {
        if !self.subscriber.is_ready() {
            return Ok(false);
        }
        match self.subscriber.read(bytes) {
            ReadOutcome::Batch(batch) => {
                for entry in batch.entries() {
                    let offset = entry.offset.number();
                    prop_assert!(offset > self.seen, "{offset} came twice or out of order");
                    self.seen = offset;
                    let rest = self.expected.split_off(&offset);
                    let missing = std::mem::replace(&mut self.expected, rest);
                    prop_assert!(self.may_miss(&missing), "{missing:?} are missing");
                    prop_assert!(self.expected.remove(&offset), "{offset} was not expected");
                }
                self.has_gap = false;
            }
            ReadOutcome::Gap(_) => {
                prop_assert!(can_lose || self.is_lossy, "a gap although nothing is lost");
                self.has_gap = true;
            }
            ReadOutcome::Nothing => {}
            other => return Err(TestCaseError::fail(format!("unexpected {other:?}"))),
        }
        Ok(true)
    }
}

proptest! {
    #![proptest_config(super::cases(1_000))]

    /// Whatever memory evicts and however reads of the log fall among publishes and other reads: everything comes in order
    /// and once, and what is missing is before a gap. There is no gap unless the log loses events or fails to read them, or
    /// ephemeral events are lost.
    #[test]
    fn what_memory_has_not_comes_from_the_log_in_order_and_once(
        events in 1..4_usize,
        bytes in prop::sample::select(vec![1_500_usize, 1 << 20]),
        tail_bytes in prop::sample::select(vec![1_usize, 1_500, 1 << 20]),
        can_lose in any::<bool>(),
        actions in prop::collection::vec(action(), 1..80),
    ) {
        let world = World::with(Limits { events, bytes, tail_bytes, ..Limits::default() });
        let mut readers: Vec<Reader> = Vec::new();
        let mut sent: Vec<Sent> = Vec::new();
        let mut lost_through = 0;
        for action in actions {
            match action {
                Action::Publish { name, is_kept, also } => {
                    let also_in: Vec<_> = also.map(|also| topic(NAMES[also])).into_iter().collect();
                    let topics = std::iter::once(topic(NAMES[name])).chain(also_in.clone()).collect();
                    world.send(NAMES[name], PublishRequest { is_ephemeral: !is_kept, also_in, ..PublishRequest::text("x") });
                    sent.push(Sent { topics, is_kept });
                    let (offset, event) = (sent.len() as u64, &sent[sent.len() - 1]);
                    for reader in &mut readers {
                        if Reader::reads(&reader.sources, &event.topics) {
                            reader.expected.insert(offset);
                            reader.is_lossy |= !is_kept;
                        }
                    }
                }
                Action::Subscribe { sources, from } => {
                    let names: Vec<_> = SOURCES[sources].iter().filter(|name| !name.contains('*')).copied().collect();
                    let patterns = SOURCES[sources].iter().filter(|name| name.contains('*'));
                    let (start, after) = match from {
                        From::Now => (Start::Now, sent.len() as u64),
                        From::Earliest => (Start::Earliest, 0),
                        From::After(offset) => (world.after(offset), offset),
                    };
                    let subscription = Subscription {
                        patterns: patterns.flat_map(|pattern| of_pattern(pattern, Start::Now).patterns).collect(),
                        ..of_topics(&names, start)
                    };
                    let sources: Vec<_> = subscription
                        .topics
                        .iter()
                        .map(|wanted| Matcher::Topic(wanted.topic.clone()))
                        .chain(subscription.patterns.iter().map(|wanted| Matcher::Pattern(wanted.pattern.clone())))
                        .collect();
                    let mut subscriber = world.subscribe(&subscription);
                    // An id that has not been given yet is unknown; and then everything is kept.
                    let is_unknown = after > sent.len() as u64;
                    let after = if is_unknown { 0 } else { after };
                    let concerned = |offset: u64| Reader::reads(&sources, &sent[offset as usize - 1].topics);
                    let kept = (after + 1..=sent.len() as u64)
                        .filter(|offset| sent[*offset as usize - 1].is_kept && concerned(*offset));
                    let expected: BTreeSet<_> = kept.collect();
                    let is_lost = |offset: &u64| *offset <= lost_through;
                    let has_gap = subscriber.take_gap().is_some();
                    // What the log has lost may be in memory: then there is no gap, and nothing is missing.
                    let may_have_gap = is_unknown || expected.iter().any(is_lost);
                    prop_assert!(may_have_gap || !has_gap, "a gap, and nothing is lost");
                    readers.push(Reader {
                        lost_through: if has_gap || matches!(from, From::Earliest) { lost_through } else { 0 },
                        has_gap: false,
                        subscriber,
                        sources,
                        expected,
                        seen: 0,
                        is_lossy: false,
                    });
                }
                Action::ReadOutcome { reader, bytes } => {
                    if let Some(reader) = readers.get_mut(reader) {
                        reader.read(bytes, can_lose)?;
                    }
                }
                Action::Answer => {
                    world.log.answer();
                }
                Action::Fail if can_lose => drop(world.log.take_read()),
                Action::Lose(through) if can_lose => {
                    lost_through = lost_through.max(through.min(sent.len() as u64));
                    world.log.lose(lost_through);
                }
                Action::Fail | Action::Lose(_) => {}
            }
        }
        let mut rounds = 0;
        loop {
            let mut is_busy = world.log.answer();
            for reader in &mut readers {
                is_busy |= reader.read(1, can_lose)?;
            }
            if !is_busy {
                break;
            }
            rounds += 1;
            prop_assert!(rounds < 10_000, "readers that are ready for ever");
        }
        for reader in &readers {
            prop_assert!(reader.may_miss(&reader.expected), "{:?} are missing", reader.expected);
        }
    }
}
