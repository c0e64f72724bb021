//! Patterns, and events of several topics.

use proptest::prelude::*;

use super::super::pattern::Pattern;
use super::super::subscriber::WantedPattern;
use super::super::visibility::{Rights, TopicRights, Visibility};
use super::*;

fn wanted(pattern: &str, visibility: Visibility) -> WantedPattern {
    WantedPattern {
        pattern: Pattern::new(pattern).expect("a pattern"),
        visibility,
    }
}

fn of_pattern(pattern: &str, start: Start, slow_reader: LagPolicy) -> Subscription {
    Subscription {
        topics: Vec::new(),
        patterns: vec![wanted(pattern, Visibility::Public)],
        start,
        slow_reader,
    }
}

fn read_pattern(hub: &Hub, pattern: &str, start: Start) -> Subscriber {
    hub.subscribe(&of_pattern(pattern, start, LagPolicy::Disconnect))
        .expect("a subscriber")
}

fn send(hub: &Hub, name: &str, publication: PublishRequest) -> PublishReceipt {
    let topic = topic(name);
    let published = hub.publish(&topic, publication, Preconditions::default());
    let published = published.now_or_never().expect("committed at once");
    hub.retain();
    published.expect("a request that is taken")
}

fn publish(hub: &Hub, name: &str, text: &str) -> EventId {
    send(hub, name, PublishRequest::text(text)).id
}

fn end(hub: &Hub, name: &str) {
    let topic = topic(name);
    let ended = hub.end(&topic).now_or_never();
    ended.expect("committed at once").expect("an end");
}

/// Everything that there is to read.
fn data(subscriber: &mut Subscriber) -> Vec<String> {
    let mut read = Vec::new();
    loop {
        match subscriber.read(100) {
            ReadOutcome::Batch(batch) => {
                read.extend(batch.entries().iter().map(|entry| entry.event.data.clone()));
            }
            ReadOutcome::Nothing => return read,
            other => panic!("expected events, got {other:?}"),
        }
    }
}

fn hub() -> Hub {
    Hub::new(Limits {
        events: 5,
        ..Limits::default()
    })
}

#[test]
fn a_pattern_takes_in_topics_that_appear_later_and_no_others() {
    let hub = hub();
    publish(&hub, "orders/1", "a");
    publish(&hub, "orders", "not one of them");
    let mut live = read_pattern(&hub, "orders/*", Start::Now);
    let mut all = read_pattern(&hub, "orders/*", Start::Earliest);
    publish(&hub, "orders/2", "b");
    publish(&hub, "other", "not one of them");
    publish(&hub, "orders/eu/3", "c");
    assert_eq!(data(&mut live), ["b", "c"]);
    assert_eq!(data(&mut all), ["a", "b", "c"]);
    assert!(!live.is_ready());
    publish(&hub, "orders/1", "d");
    assert!(live.is_ready());
    assert_eq!(data(&mut live), ["d"]);
    assert_eq!(data(&mut all), ["d"]);
    assert_eq!(
        data(&mut read_pattern(&hub, "*", Start::Last(3))),
        ["not one of them", "c", "d"]
    );
}

#[tokio::test]
async fn a_task_that_waits_for_a_pattern_is_woken_by_a_topic_that_is_new() {
    let hub = hub();
    let mut reader = read_pattern(&hub, "orders/*", Start::Now);
    let waiting = tokio::spawn(async move {
        reader.ready().await;
        data(&mut reader)
    });
    tokio::task::yield_now().await;
    publish(&hub, "orders/new", "a");
    assert_eq!(waiting.await.expect("the reader"), ["a"]);
}

#[test]
fn a_reader_of_a_pattern_resumes_after_the_event_that_it_names() {
    let hub = hub();
    let first = publish(&hub, "orders/1", "a");
    publish(&hub, "orders/2", "b");
    assert_eq!(
        data(&mut read_pattern(
            &hub,
            "orders/*",
            Start::After(first.clone())
        )),
        ["b"]
    );
    let own = PublishRequest {
        id: EventId::new("own").ok(),
        ..PublishRequest::text("c")
    };
    send(&hub, "orders/3", own);
    let mut reader = read_pattern(&hub, "orders/*", Start::After(first));
    assert_eq!(data(&mut reader), ["b", "c"]);
    assert_eq!(
        reader.position(),
        hub.id(Offset::from_number(3)),
        "the log's own id"
    );
    let unknown = EventId::new("own").expect("an id");
    let mut reader = read_pattern(&hub, "orders/*", Start::After(unknown));
    assert!(
        matches!(reader.read(1), ReadOutcome::Gap(_)),
        "own ids are unique within a topic only"
    );
    assert_eq!(data(&mut reader), ["a", "b", "c"]);
}

#[test]
fn a_loss_of_any_matching_topic_is_a_gap_for_a_reader_that_comes_back() {
    let hub = hub();
    let id = publish(&hub, "orders/1", "a");
    for number in 0..7 {
        publish(&hub, "orders/2", &number.to_string());
    }
    let mut back = read_pattern(&hub, "orders/*", Start::After(id.clone()));
    assert!(matches!(back.read(1), ReadOutcome::Gap(_)));
    assert_eq!(data(&mut back), ["2", "3", "4", "5", "6"]);
    let mut other = read_pattern(&hub, "orders/1*", Start::After(id));
    assert_eq!(data(&mut other), [""; 0], "and no gap");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_forgotten_is_a_gap_for_a_reader_that_comes_back() {
    let hub = hub();
    let id = publish(&hub, "orders/1", "a");
    publish(&hub, "orders/1", "b");
    tokio::time::advance(Duration::from_secs(3_601)).await;
    hub.retain();
    assert_eq!(hub.totals().topics, 0);
    let mut back = read_pattern(&hub, "orders/*", Start::After(id));
    assert!(matches!(back.read(1), ReadOutcome::Gap(_)));
    let mut live = read_pattern(&hub, "orders/*", Start::Now);
    publish(&hub, "orders/2", "c");
    assert_eq!(data(&mut live), ["c"]);
}

#[test]
fn a_pattern_does_not_end_with_its_topics() {
    let hub = hub();
    let mut reader = read_pattern(&hub, "orders/*", Start::Now);
    publish(&hub, "orders/1", "a");
    end(&hub, "orders/1");
    assert_eq!(data(&mut reader), ["a", "orders/1"]);
    publish(&hub, "orders/2", "b");
    assert_eq!(data(&mut reader), ["b"]);
}

#[test]
fn topics_and_patterns_on_one_stream_show_each_event_once() {
    let hub = hub();
    let subscription = Subscription {
        topics: vec![WantedTopic {
            topic: topic("orders/1"),
            with_private: false,
        }],
        patterns: vec![
            wanted("orders/*", Visibility::Public),
            wanted("*", Visibility::Public),
        ],
        start: Start::Earliest,
        slow_reader: LagPolicy::Disconnect,
    };
    publish(&hub, "orders/1", "a");
    let mut reader = hub.subscribe(&subscription).expect("a subscriber");
    publish(&hub, "orders/1", "b");
    publish(&hub, "other", "c");
    assert_eq!(data(&mut reader), ["a", "b", "c"]);
    assert_eq!(reader.topics().count(), 3);
}

#[test]
fn an_event_of_several_topics_reaches_the_readers_of_each_once() {
    let hub = hub();
    let reader = |name: &str, start| {
        let subscription = Subscription::public(topic(name), start, LagPolicy::Disconnect);
        hub.subscribe(&subscription).expect("a subscriber")
    };
    let (mut a, mut b) = (reader("a", Start::Now), reader("b", Start::Now));
    let mut all = read_pattern(&hub, "*", Start::Now);
    let in_both = PublishRequest {
        also_in: vec![topic("b"), topic("a")],
        ..PublishRequest::text("both")
    };
    let published = send(&hub, "a", in_both.clone());
    assert_eq!(published.subscribers, 3);
    publish(&hub, "b", "only b");
    assert_eq!(data(&mut a), ["both"]);
    assert_eq!(data(&mut b), ["both", "only b"]);
    assert_eq!(data(&mut all), ["both", "only b"]);
    assert_eq!(data(&mut reader("b", Start::Earliest)), ["both", "only b"]);
    assert_eq!(
        data(&mut read_pattern(&hub, "*", Start::Earliest)),
        ["both", "only b"]
    );
    // Each topic lets go of it by itself.
    for number in 0..5 {
        publish(&hub, "a", &number.to_string());
    }
    assert_eq!(data(&mut reader("b", Start::Earliest)), ["both", "only b"]);
    end(&hub, "b");
    let refused = hub
        .publish(&topic("a"), in_both, Preconditions::default())
        .now_or_never();
    assert_eq!(
        refused,
        Some(Err(PublishError::Ended)),
        "since one of its topics has ended"
    );
}

struct OnlyEven;

impl TopicRights for OnlyEven {
    fn of(&self, topic: &Topic) -> Rights {
        match topic.as_str().as_bytes().last() {
            Some(b'2') => Rights::Private,
            Some(b'4') => Rights::Public,
            _ => Rights::Nothing,
        }
    }
}

#[test]
fn a_reader_of_a_pattern_sees_of_each_topic_what_its_rights_allow() {
    let hub = hub();
    let subscribe = |start| {
        let subscription = Subscription {
            patterns: vec![wanted("orders/*", Visibility::PerTopic(Arc::new(OnlyEven)))],
            ..of_pattern("orders/*", start, LagPolicy::Disconnect)
        };
        hub.subscribe(&subscription).expect("a subscriber")
    };
    let mut live = subscribe(Start::Now);
    let mut public = read_pattern(&hub, "orders/*", Start::Now);
    for number in 1..=4 {
        let name = format!("orders/{number}");
        publish(&hub, &name, &number.to_string());
        send(&hub, &name, private(&format!("{number} in private")));
    }
    assert_eq!(data(&mut live), ["2", "2 in private", "4"]);
    assert_eq!(data(&mut public), ["1", "2", "3", "4"]);
    assert_eq!(
        data(&mut subscribe(Start::Earliest)),
        ["2", "2 in private", "4"]
    );
    assert_eq!(data(&mut subscribe(Start::Last(2))), ["2 in private", "4"]);
}

#[test]
fn a_slow_reader_of_a_pattern_is_treated_as_its_policy_says() {
    for tail_bytes in [1, 1 << 20] {
        let hub = Hub::new(Limits {
            events: 100,
            tail_bytes,
            ..Limits::default()
        });
        let subscribe = |policy| {
            let subscription = of_pattern("t/*", Start::Now, policy);
            hub.subscribe(&subscription).expect("a subscriber")
        };
        let (mut skip, mut latest) = (subscribe(LagPolicy::Skip), subscribe(LagPolicy::Latest));
        assert!(matches!(
            subscribe(LagPolicy::Disconnect).handle_lag(),
            ReadOutcome::TooSlow
        ));
        for text in ["1", "2", "3"] {
            publish(&hub, "t/a", text);
            publish(&hub, "t/b", text);
        }
        publish(&hub, "other", "x");
        assert!(
            matches!(skip.handle_lag(), ReadOutcome::Gap(_)),
            "{tail_bytes}"
        );
        assert_eq!(data(&mut skip), ["3"]);
        let ReadOutcome::Batch(newest) = latest.handle_lag() else {
            panic!("the newest of each topic");
        };
        let newest: Vec<_> = newest
            .entries()
            .iter()
            .map(|entry| entry.topic.as_str())
            .collect();
        assert_eq!(newest, ["t/a", "t/b"]);
        assert_eq!(data(&mut latest), [""; 0]);
        publish(&hub, "t/c", "4");
        assert!(
            matches!(skip.handle_lag(), ReadOutcome::Batch(_)),
            "nothing to skip is no gap"
        );
        assert_eq!(data(&mut latest), ["4"]);
    }
}

#[test]
fn a_lagging_reader_of_a_pattern_loses_ephemeral_events_and_gets_the_others() {
    let hub = Hub::new(Limits {
        events: 100,
        tail_bytes: 1,
        ..Limits::default()
    });
    let mut skipping = hub
        .subscribe(&of_pattern("t/*", Start::Now, LagPolicy::Skip))
        .expect("a subscriber");
    let mut kept = read_pattern(&hub, "t/*", Start::Now);
    publish(&hub, "t/a", "1");
    publish(&hub, "t/b", "2");
    assert_eq!(data(&mut kept), ["1", "2"], "from the histories");
    assert_eq!(data(&mut skipping), ["1", "2"]);
    send(&hub, "t/c", ephemeral("typing"));
    assert_eq!(data(&mut kept), ["typing"]);
    publish(&hub, "t/a", "3");
    assert!(matches!(skipping.read(1), ReadOutcome::Gap(_)));
    assert_eq!(data(&mut skipping), ["3"]);
    assert_eq!(data(&mut kept), ["3"]);
    drop((skipping, kept));
    assert_eq!(
        data(&mut read_pattern(&hub, "t/*", Start::Earliest)),
        ["1", "2", "3"]
    );
}

#[test]
fn a_pattern_counts_as_one_subscription_and_leaves_nothing_behind() {
    let hub = Hub::new(Limits {
        subscriptions: 2,
        ..Limits::default()
    });
    let first = read_pattern(&hub, "a*", Start::Now);
    let second = read_pattern(&hub, "a*", Start::Now);
    let refused = hub.subscribe(&of_pattern("b*", Start::Now, LagPolicy::Disconnect));
    assert!(matches!(refused, Err(SubscribeError::TooManySubscriptions)));
    assert_eq!(send(&hub, "abc", PublishRequest::text("x")).subscribers, 2);
    drop((first, second));
    assert_eq!(send(&hub, "abc", PublishRequest::text("x")).subscribers, 0);
    assert!(
        hub.0
            .state
            .lock()
            .patterns
            .matching(&topic("abc"))
            .next()
            .is_none()
    );
}

const NAMES: [&str; 5] = ["t/1", "t/2", "t/1/x", "u/1", "t"];
const PATTERNS: [&str; 4] = ["t/*", "t/1*", "*", "u*"];

#[derive(Debug, Clone)]
enum Action {
    Publish {
        name: usize,
        is_kept: bool,
        also: Option<usize>,
    },
    Subscribe {
        pattern: usize,
        is_live: bool,
    },
    ReadOutcome {
        reader: usize,
        bytes: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => (0..NAMES.len(), prop::bool::weighted(0.8), prop::option::weighted(0.2, 0..NAMES.len()))
            .prop_map(|(name, is_kept, also)| Action::Publish { name, is_kept, also }),
        1 => (0..PATTERNS.len(), any::<bool>())
            .prop_map(|(pattern, is_live)| Action::Subscribe { pattern, is_live }),
        4 => (0..4_usize, 1..200_usize).prop_map(|(reader, bytes)| Action::ReadOutcome { reader, bytes }),
    ]
}

/// A reader, and what it should have read and has not.
struct Reader {
    subscriber: Subscriber,
    pattern: Pattern,
    expected: std::collections::VecDeque<u64>,
    /// The newest offset that it has read.
    seen: u64,
    /// Whether it was given a gap after that.
    has_gap: bool,
}

impl Reader {
    fn read(&mut self, bytes: usize, loses: bool) -> Result<bool, TestCaseError> {
        match self.subscriber.read(bytes) {
            ReadOutcome::Batch(batch) => {
                for entry in batch.entries() {
                    prop_assert!(entry.topics().any(|topic| self.pattern.matches(topic)));
                    let offset = entry.offset.number();
                    prop_assert!(offset > self.seen, "{offset} came twice or out of order");
                    self.seen = offset;
                    while self.expected.front().is_some_and(|next| *next < offset) {
                        let missing = self.expected.pop_front();
                        prop_assert!(self.has_gap, "{missing:?} is missing without a gap");
                    }
                    prop_assert_eq!(self.expected.pop_front(), Some(offset));
                }
                self.has_gap = false;
                Ok(true)
            }
            ReadOutcome::Nothing => {
                let has_all = self.expected.is_empty();
                prop_assert!(has_all || self.has_gap, "{:?} are missing", self.expected);
                Ok(false)
            }
            ReadOutcome::Gap(_) => {
                prop_assert!(loses, "nothing can be lost");
                self.has_gap = true;
                Ok(true)
            }
            other => Err(TestCaseError::fail(format!("unexpected {other:?}"))),
        }
    }
}

proptest! {
    #![proptest_config(super::cases(1_000))]

    /// With room for everything in histories or tails, a pattern reads exactly what its topics have; without, nothing comes
    /// twice or out of order, and what is missing is before a gap.
    #[test]
    fn a_pattern_reads_what_its_topics_have_in_order_and_once(
        events in prop::sample::select(vec![2_usize, 1_000]),
        tail_bytes in prop::sample::select(vec![1_usize, 1_500, 1 << 20]),
        actions in prop::collection::vec(action(), 1..80),
    ) {
        let hub = Hub::new(Limits { events, tail_bytes, ..Limits::default() });
        let loses = tail_bytes < 1 << 20;
        let mut readers: Vec<Reader> = Vec::new();
        let mut published: Vec<(u64, Vec<Topic>, bool)> = Vec::new();
        for action in actions {
            match action {
                Action::Publish { name, is_kept, also } => {
                    let also_in: Vec<_> = also.map(|also| topic(NAMES[also])).into_iter().collect();
                    let event = PublishRequest { is_ephemeral: !is_kept, also_in: also_in.clone(), ..PublishRequest::text("x") };
                    send(&hub, NAMES[name], event);
                    let offset = published.len() as u64 + 1;
                    let topics: Vec<_> = std::iter::once(topic(NAMES[name])).chain(also_in).collect();
                    for reader in &mut readers {
                        if topics.iter().any(|topic| reader.pattern.matches(topic)) {
                            reader.expected.push_back(offset);
                        }
                    }
                    published.push((offset, topics, is_kept));
                }
                Action::Subscribe { pattern, is_live } => {
                    // What the histories have lost is another test's concern.
                    let is_live = is_live || events < 1_000;
                    let start = if is_live { Start::Now } else { Start::Earliest };
                    let subscription = of_pattern(PATTERNS[pattern], start, LagPolicy::Skip);
                    let pattern = Pattern::new(PATTERNS[pattern]).expect("a pattern");
                    let kept = published.iter().filter(|(_, topics, is_kept)| {
                        !is_live && *is_kept && topics.iter().any(|topic| pattern.matches(topic))
                    });
                    readers.push(Reader {
                        subscriber: hub.subscribe(&subscription).expect("a subscriber"),
                        expected: kept.map(|(offset, ..)| *offset).collect(),
                        seen: 0,
                        has_gap: false,
                        pattern,
                    });
                }
                Action::ReadOutcome { reader, bytes } => {
                    if let Some(reader) = readers.get_mut(reader) {
                        reader.read(bytes, loses)?;
                    }
                }
            }
        }
        for reader in &mut readers {
            while reader.read(1, loses)? {}
        }
    }
}
