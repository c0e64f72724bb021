//! What the hub and the encoder cost, each step alone: publishing, finding the subscribers of a publication, encoding,
//! and reading. What they cost together, over sockets, is another question.
//!
//! All of it takes some two minutes; a group or a single benchmark less:
//!
//! ```text
//! cargo bench --bench hub
//! cargo bench --bench hub -- publish
//! cargo bench --bench hub -- read::replay
//! ```
//!
//! To compare two versions, run the same group of each, twice, on a machine that does nothing else, and look at the
//! columns `fastest` and `median`: what differs less between versions than between two runs of one version is noise.
//! `-- --min-time 10` measures longer, `-- --help` lists what else there is.
#![allow(clippy::expect_used)]

use std::time::Duration;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use fairwind::hub::pattern::Pattern;
use fairwind::hub::publish::{Preconditions, PublishRequest};
use fairwind::hub::subscriber::{
    LagPolicy, ReadOutcome, Start, Subscriber, Subscription, WantedPattern, WantedTopic,
};
use fairwind::hub::topic::Topic;
use fairwind::hub::visibility::Visibility;
use fairwind::hub::{Hub, Limits};
use fairwind::protocol::event::{EventId, EventType};
use fairwind::protocol::event_stream::{push_fields, push_id_and_dispatch};
use futures_util::FutureExt;

fn main() {
    divan::main();
}

/// Events kept of a topic, so that every publication makes room for itself, as on a server that has run for a while.
const KEPT: usize = 1_000;

const DATA: &str = "hello, now is: 2026-11-22T16:12:37.123+00:00";

fn hub(events: usize) -> Hub {
    Hub::new(Limits {
        events,
        age: Duration::from_secs(86_400),
        bytes: 4 << 30,
        tail_bytes: 16 << 20,
        topics: 1_000_000,
        subscriptions: usize::MAX,
    })
}

fn topic(number: usize) -> Topic {
    Topic::new(&format!("topic-{number}")).expect("a topic")
}

fn publish(hub: &Hub, topic: &Topic) {
    let published = hub.publish(topic, PublishRequest::text(DATA), Preconditions::default());
    let published = published.now_or_never().expect("committed at once");
    black_box(published.expect("published"));
}

fn fill(hub: &Hub, topic: &Topic) {
    for _ in 0..KEPT {
        publish(hub, topic);
    }
}

/// The prefix of these topics' names, as a pattern.
fn pattern(prefix: &str) -> Pattern {
    Pattern::new(&format!("{prefix}*")).expect("a pattern")
}

fn subscribe_to_pattern(hub: &Hub, prefix: &str, start: Start) -> Subscriber {
    let subscription = Subscription {
        topics: Vec::new(),
        patterns: vec![WantedPattern {
            pattern: pattern(prefix),
            visibility: Visibility::Public,
        }],
        start,
        slow_reader: LagPolicy::Disconnect,
    };
    hub.subscribe(&subscription).expect("a subscriber")
}

fn subscribe(hub: &Hub, topics: impl IntoIterator<Item = Topic>, start: Start) -> Subscriber {
    let wanted = |topic| WantedTopic {
        topic,
        with_private: false,
    };
    let subscription = Subscription {
        topics: topics.into_iter().map(wanted).collect(),
        patterns: Vec::new(),
        start,
        slow_reader: LagPolicy::Disconnect,
    };
    hub.subscribe(&subscription).expect("a subscriber")
}

/// Reads everything there is; gives the number of events.
fn read_all(subscriber: &mut Subscriber) -> usize {
    let mut events = 0;
    loop {
        match subscriber.read(64 * 1_024) {
            ReadOutcome::Batch(batch) => {
                events += black_box(batch).entries().len();
            }
            ReadOutcome::Nothing => return events,
            other => panic!("expected events, got {other:?}"),
        }
    }
}

/// One publication to one topic.
#[divan::bench_group(min_time = 2)]
mod publish {
    use super::*;

    /// While there are so many other topics, each with an event.
    #[divan::bench(args = [1, 100, 10_000, 100_000])]
    fn among_topics(bencher: Bencher, topics: usize) {
        let hub = hub(KEPT);
        for number in 1..topics {
            super::publish(&hub, &topic(number));
        }
        fill(&hub, &topic(0));
        bencher.bench_local(|| super::publish(&hub, &topic(0)));
    }

    /// While so many subscribers wait for other topics, of which there are a hundred.
    #[divan::bench(args = [1, 100, 10_000, 100_000])]
    fn with_subscribers_elsewhere(bencher: Bencher, subscribers: usize) {
        let hub = hub(KEPT);
        let waiting: Vec<_> = (0..subscribers)
            .map(|number| subscribe(&hub, [topic(1 + number % 100)], Start::Now))
            .collect();
        fill(&hub, &topic(0));
        bencher.bench_local(|| super::publish(&hub, &topic(0)));
        drop(waiting);
    }

    /// While the topic has so many subscribers, which are not woken: none of them is polled.
    #[divan::bench(args = [0, 1, 10, 100, 1_000])]
    fn with_subscribers(bencher: Bencher, subscribers: usize) {
        let hub = hub(KEPT);
        let waiting: Vec<_> = (0..subscribers)
            .map(|_| subscribe(&hub, [topic(0)], Start::Now))
            .collect();
        fill(&hub, &topic(0));
        bencher.bench_local(|| super::publish(&hub, &topic(0)));
        drop(waiting);
    }

    /// While 100,000 subscribers wait for other topics, by so many different patterns; and ten for this one.
    #[divan::bench(args = [1, 10, 100, 1_000])]
    fn with_patterns(bencher: Bencher, patterns: usize) {
        let hub = hub(KEPT);
        let elsewhere = (0..100_000).map(|number| format!("other-{}/", number % patterns));
        let here = (0..10).map(|number| format!("topic-{}", &"0"[..number % 2]));
        let waiting: Vec<_> = elsewhere
            .chain(here)
            .map(|prefix| subscribe_to_pattern(&hub, &prefix, Start::Now))
            .collect();
        fill(&hub, &topic(0));
        bencher.bench_local(|| super::publish(&hub, &topic(0)));
        drop(waiting);
    }

    /// While so many patterns of different lengths match the topic, with a hundred subscribers each.
    #[divan::bench(args = [1, 10, 100])]
    fn matching_patterns(bencher: Bencher, patterns: usize) {
        let hub = hub(KEPT);
        let name = "x".repeat(200);
        let waiting: Vec<_> = (0..patterns * 100)
            .map(|number| subscribe_to_pattern(&hub, &name[..number % patterns], Start::Now))
            .collect();
        let topic = Topic::new(&name).expect("a topic");
        fill(&hub, &topic);
        bencher.bench_local(|| super::publish(&hub, &topic));
        drop(waiting);
    }

    /// From several threads at once, to four topics in turn.
    #[divan::bench(threads = [1, 2, 4])]
    fn from_threads(bencher: Bencher) {
        let hub = hub(KEPT);
        let next = std::sync::atomic::AtomicUsize::new(0);
        bencher
            .with_inputs(|| {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                topic(number % 4)
            })
            .bench_refs(|topic| super::publish(&hub, topic));
    }
}

/// The way from a publication to a subscriber of several topics among many.
#[divan::bench_group(min_time = 2)]
mod matching {
    use super::*;

    const TOPICS: [usize; 4] = [1, 100, 10_000, 100_000];

    fn hub_with(topics: usize) -> Hub {
        let hub = hub(KEPT);
        for number in 0..topics {
            super::publish(&hub, &topic(number));
        }
        hub
    }

    /// The topics are spread over all there are.
    fn wanted(count: usize, topics: usize) -> impl Iterator<Item = Topic> {
        (0..count).map(move |number| topic(number * topics.max(count) / count))
    }

    /// Publishing to one of so many topics that a subscriber reads, and its reading.
    #[divan::bench(args = TOPICS, consts = [1, 10, 100])]
    fn publish_and_read<const WANTED: usize>(bencher: Bencher, topics: usize) {
        let hub = hub_with(topics);
        let mut subscriber = subscribe(&hub, wanted(WANTED, topics), Start::Now);
        let published = topic(0);
        bencher.bench_local(|| {
            super::publish(&hub, &published);
            read_all(&mut subscriber)
        });
    }

    /// Coming and going of a subscriber of so many topics.
    #[divan::bench(args = TOPICS, consts = [1, 10, 100])]
    fn subscribe_and_leave<const WANTED: usize>(bencher: Bencher, topics: usize) {
        let hub = hub_with(topics);
        bencher.bench_local(|| drop(subscribe(&hub, wanted(WANTED, topics), Start::Now)));
    }
}

/// One event in the event stream format.
#[divan::bench_group(min_time = 2)]
mod encode {
    use super::*;

    fn encode(bencher: Bencher, data: &str) {
        let event_type = EventType::default();
        let id = EventId::new("#ml7q0x2k-42").expect("an id");
        bencher.counter(BytesCount::of_str(data)).bench_local(|| {
            let mut frame = String::with_capacity(data.len() + 64);
            push_fields(&mut frame, &event_type, black_box(data));
            push_id_and_dispatch(&mut frame, &id);
            frame
        });
    }

    /// On one line.
    #[divan::bench(args = [100, 1_000, 100_000])]
    fn one_line(bencher: Bencher, bytes: usize) {
        encode(bencher, &"x".repeat(bytes));
    }

    /// The same, in lines of ten bytes.
    #[divan::bench(args = [100, 1_000, 100_000])]
    fn many_lines(bencher: Bencher, bytes: usize) {
        encode(bencher, &"123456789\n".repeat(bytes / 10));
    }
}

/// Reading by subscribers.
#[divan::bench_group(min_time = 2)]
mod read {
    use super::*;

    /// So many events that are kept, by one subscriber.
    #[divan::bench(args = [1, 100, 10_000, 100_000])]
    fn replay(bencher: Bencher, events: usize) {
        let hub = hub(events);
        for _ in 0..events {
            super::publish(&hub, &topic(0));
        }
        bencher
            .counter(ItemsCount::new(events))
            .with_inputs(|| subscribe(&hub, [topic(0)], Start::Earliest))
            .bench_local_refs(|subscriber| assert_eq!(read_all(subscriber), events));
    }

    /// A hundred events of the ten topics that match a pattern, among so many other topics.
    #[divan::bench(args = [1, 100, 10_000, 100_000])]
    fn replay_of_a_pattern(bencher: Bencher, topics: usize) {
        let hub = hub(KEPT);
        for number in 0..topics {
            super::publish(&hub, &topic(number));
        }
        for number in 0..100 {
            super::publish(
                &hub,
                &Topic::new(&format!("wanted/{}", number % 10)).expect("a topic"),
            );
        }
        bencher
            .with_inputs(|| subscribe_to_pattern(&hub, "wanted/", Start::Earliest))
            .bench_local_refs(|subscriber| assert_eq!(read_all(subscriber), 100));
    }

    /// One event, by so many subscribers; its publication is counted in.
    #[divan::bench(args = [1, 10, 100, 1_000, 100_000])]
    fn one_event(bencher: Bencher, subscribers: usize) {
        let hub = hub(KEPT);
        let mut subscribers: Vec<_> = (0..subscribers)
            .map(|_| subscribe(&hub, [topic(0)], Start::Now))
            .collect();
        fill(&hub, &topic(0));
        for subscriber in &mut subscribers {
            read_all(subscriber);
        }
        bencher
            .counter(ItemsCount::new(subscribers.len()))
            .bench_local(|| {
                super::publish(&hub, &topic(0));
                for subscriber in &mut subscribers {
                    assert_eq!(read_all(subscriber), 1);
                }
            });
    }
}
