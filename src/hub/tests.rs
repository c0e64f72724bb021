//! The hub as publishers and subscribers see it.

use std::time::Duration;

use super::subscriber::Read;
use super::*;
use crate::protocol::EARLIEST;

fn history() -> History {
    History {
        events: 5,
        age: Duration::from_secs(3_600),
        bytes: 1 << 20,
    }
}

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a topic")
}

fn text(data: impl Into<String>) -> Publication {
    Publication {
        id: None,
        event_type: EventType::default(),
        data: data.into(),
    }
}

fn publish(hub: &Hub, topic: &Topic, texts: impl IntoIterator<Item = u32>) -> Vec<EventId> {
    texts
        .into_iter()
        .map(|number| hub.publish(topic, text(number.to_string())).id)
        .collect()
}

fn subscribe(hub: &Hub, topic: &Topic, start: Start) -> Subscriber {
    hub.subscribe(topic, &start, SlowReader::Disconnect)
}

/// Everything that there is to read.
fn data(subscriber: &mut Subscriber) -> Vec<String> {
    std::iter::from_fn(|| match subscriber.read() {
        Read::Event(entry) => Some(entry.event.data.clone()),
        Read::Nothing => None,
        other => panic!("expected events, got {other:?}"),
    })
    .collect()
}

fn gap(read: Read) -> crate::protocol::gap::Gap {
    match read {
        Read::Gap(gap) => gap,
        other => panic!("expected a gap, got {other:?}"),
    }
}

#[test]
fn a_subscriber_reads_what_is_published_after_it_came() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    publish(&hub, &a, [1]);
    let mut subscriber = subscribe(&hub, &a, Start::Now);
    publish(&hub, &a, [2, 3]);
    publish(&hub, &topic("b"), [9]);
    assert_eq!(data(&mut subscriber), ["2", "3"]);
    assert_eq!(data(&mut subscriber), [""; 0]);
}

#[test]
fn a_subscriber_resumes_after_the_event_it_names() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let ids = publish(&hub, &a, [1, 2, 3]);
    let mut subscriber = subscribe(&hub, &a, Start::After(ids[0].clone()));
    assert_eq!(subscriber.position(), &ids[0]);
    assert_eq!(data(&mut subscriber), ["2", "3"]);
    assert_eq!(subscriber.position(), &ids[2]);
}

#[test]
fn a_subscriber_that_has_seen_nothing_can_resume_from_its_position() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    publish(&hub, &topic("b"), [9]);
    let position = subscribe(&hub, &a, Start::Now).position().clone();
    publish(&hub, &a, [1]);
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::After(position))),
        ["1"]
    );
}

#[test]
fn a_publishers_own_id_is_a_place_to_resume_from() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let own = EventId::new("order-7").expect("an id");
    hub.publish(
        &a,
        Publication {
            id: Some(own.clone()),
            ..text("1")
        },
    );
    publish(&hub, &a, [2]);
    assert_eq!(data(&mut subscribe(&hub, &a, Start::After(own))), ["2"]);
}

#[test]
fn earliest_is_everything_that_is_kept() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    publish(&hub, &a, 1..=7);
    let earliest = Start::after(EventId::new(EARLIEST).expect("an id"));
    assert_eq!(
        data(&mut subscribe(&hub, &a, earliest)),
        ["3", "4", "5", "6", "7"]
    );
}

#[test]
fn an_unknown_id_is_told_as_a_gap_and_then_what_is_kept_follows() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    publish(&hub, &a, [1, 2]);
    for id in ["#other-1", "nonsense"] {
        let id = EventId::new(id).expect("an id");
        let mut subscriber = subscribe(&hub, &a, Start::After(id.clone()));
        let gap = gap(subscriber.read());
        assert_eq!(gap.requested, id);
        assert_eq!(&gap.resumed_from, subscriber.position());
        assert_eq!(data(&mut subscriber), ["1", "2"]);
    }
}

#[test]
fn an_id_from_the_future_is_unknown() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let newest = publish(&hub, &a, [1]).remove(0);
    let future = EventId::new(newest.as_str().replace("-1", "-2")).expect("an id");
    gap(subscribe(&hub, &a, Start::After(future)).read());
}

#[test]
fn an_expired_id_is_told_as_a_gap() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let ids = publish(&hub, &a, 1..=7);
    gap(subscribe(&hub, &a, Start::After(ids[0].clone())).read());
    // Event 2 was the last to be dropped: who has it has missed nothing.
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::After(ids[1].clone()))),
        ["3", "4", "5", "6", "7"]
    );
}

#[test]
fn a_long_replay_is_whole_although_the_log_moves_on() {
    let (hub, a) = (
        Hub::new(History {
            events: 100,
            bytes: 10 << 20,
            ..history()
        }),
        topic("a"),
    );
    let long = "x".repeat(10_000);
    for number in 0..100 {
        hub.publish(&a, text(format!("{number} {long}")));
    }
    let mut subscriber = subscribe(&hub, &a, Start::Earliest);
    for number in 0..100 {
        match subscriber.read() {
            Read::Event(entry) => assert!(entry.event.data.starts_with(&format!("{number} "))),
            other => panic!("expected event {number}, got {other:?}"),
        }
        // What has been read may be dropped, and what is new comes at the end.
        hub.publish(&a, text("new"));
    }
    assert_eq!(data(&mut subscriber).len(), 100);
}

#[test]
fn a_reader_that_fell_out_of_what_is_kept_is_treated_as_its_policy_says() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let mut disconnect = hub.subscribe(&a, &Start::Now, SlowReader::Disconnect);
    let mut skip = hub.subscribe(&a, &Start::Now, SlowReader::Skip);
    let mut latest = hub.subscribe(&a, &Start::Now, SlowReader::Latest);
    publish(&hub, &a, 1..=6);
    assert!(matches!(disconnect.read(), Read::TooSlow));
    let gap = gap(skip.read());
    assert_eq!(&gap.resumed_from, skip.position());
    assert_eq!(data(&mut skip), ["6"]);
    assert_eq!(data(&mut latest), ["6"]);
}

#[test]
fn falling_behind_with_nothing_to_skip_is_no_gap() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let mut skip = hub.subscribe(&a, &Start::Now, SlowReader::Skip);
    publish(&hub, &a, [1]);
    assert!(matches!(skip.fall_behind(), Read::Event(entry) if entry.event.data == "1"));
    publish(&hub, &a, [2, 3, 4]);
    assert!(matches!(skip.read(), Read::Event(entry) if entry.event.data == "2"));
    let gap = gap(skip.fall_behind());
    assert_eq!(&gap.resumed_from, skip.position());
    assert_eq!(
        data(&mut skip),
        ["4"],
        "what had been taken from the log but not been read is skipped too"
    );
}

#[test]
fn history_is_bounded_in_bytes_over_all_topics_oldest_first() {
    let hub = Hub::new(History {
        bytes: 10_000,
        events: 1_000,
        ..history()
    });
    let (a, b) = (topic("a"), topic("b"));
    hub.publish(&a, text("old"));
    for _ in 0..100 {
        hub.publish(&b, text("x".repeat(100)));
    }
    assert!(hub.snapshot(&a, 10).events.is_empty());
    let kept: usize = hub
        .snapshot(&b, 1_000)
        .events
        .iter()
        .map(|entry| entry.bytes())
        .sum();
    assert!((5_000..=10_000).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn history_is_bounded_in_age() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let ids = publish(&hub, &a, [1]);
    tokio::time::advance(Duration::from_secs(1_800)).await;
    publish(&hub, &a, [2]);
    tokio::time::advance(Duration::from_secs(1_801)).await;
    assert_eq!(data(&mut subscribe(&hub, &a, Start::Earliest)), ["2"]);
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::After(ids[0].clone()))),
        ["2"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_topic_with_neither_events_nor_subscribers_is_forgotten_but_not_its_loss() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let ids = publish(&hub, &a, [1, 2]);
    let subscriber = subscribe(&hub, &a, Start::Now);
    tokio::time::advance(Duration::from_secs(3_601)).await;
    hub.snapshot(&a, 1);
    assert_eq!(hub.lock().topics.len(), 1);
    drop(subscriber);
    assert_eq!(hub.lock().topics.len(), 0);
    assert_eq!(hub.lock().bytes, 0);
    gap(subscribe(&hub, &a, Start::After(ids[0].clone())).read());
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::After(ids[1].clone()))),
        [""; 0]
    );
}

#[test]
fn subscribers_are_counted_until_they_are_dropped() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let first = subscribe(&hub, &a, Start::Now);
    let second = subscribe(&hub, &a, Start::Now);
    assert_eq!(hub.publish(&a, text("1")).subscribers, 2);
    assert_eq!(*second.consumers().borrow(), 2);
    drop(first);
    assert_eq!(hub.subscribers(&a), 1);
    assert_eq!(*second.consumers().borrow(), 1);
}

#[tokio::test]
async fn a_waiting_subscriber_is_woken() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    let mut subscriber = subscribe(&hub, &a, Start::Now);
    let reader = tokio::spawn(async move {
        subscriber.ready().await;
        data(&mut subscriber)
    });
    tokio::task::yield_now().await;
    publish(&hub, &a, [1]);
    assert_eq!(reader.await.expect("the reader"), ["1"]);
}

#[test]
fn a_snapshot_is_a_place_to_subscribe_from() {
    let (hub, a) = (Hub::new(history()), topic("a"));
    publish(&hub, &a, 1..=4);
    let snapshot = hub.snapshot(&a, 2);
    assert_eq!(
        snapshot
            .events
            .iter()
            .map(|entry| entry.event.data.as_str())
            .collect::<Vec<_>>(),
        ["3", "4"]
    );
    publish(&hub, &a, [5]);
    assert_eq!(
        data(&mut subscribe(
            &hub,
            &a,
            Start::After(snapshot.last_event_id)
        )),
        ["5"]
    );
}

#[test]
fn many_publishers_at_once_lose_and_reorder_nothing() {
    let hub = Hub::new(History {
        events: 10_000,
        ..history()
    });
    let a = topic("a");
    let mut subscriber = subscribe(&hub, &a, Start::Now);
    std::thread::scope(|scope| {
        for publisher in 0..4 {
            let (hub, a) = (&hub, &a);
            scope.spawn(move || publish(hub, a, (0..500).map(|number| publisher * 1_000 + number)));
        }
    });
    let seen: Vec<u32> = data(&mut subscriber)
        .iter()
        .map(|text| text.parse().expect("a number"))
        .collect();
    assert_eq!(seen.len(), 2_000);
    for publisher in 0..4 {
        let own: Vec<u32> = seen
            .iter()
            .filter(|number| *number / 1_000 == publisher)
            .copied()
            .collect();
        assert!(
            own.is_sorted(),
            "the events of publisher {publisher} are out of order"
        );
    }
}
