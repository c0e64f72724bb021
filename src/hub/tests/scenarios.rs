//! What every log has to give its hub, as publishers and subscribers see it: order, commit, replay, gaps, preconditions,
//! idempotency, retention, ends and restarts. Each scenario runs over every log; `tests.rs` lists both.

use super::*;

fn limits() -> Limits {
    Limits {
        events: 5,
        age: Duration::from_secs(3_600),
        bytes: 1 << 20,
        tail_bytes: 1 << 16,
        topics: 10,
        subscriptions: 100,
    }
}

fn send<S: Store>(hub: &World<S>, topic: &Topic, publication: PublishRequest) -> PublishReceipt {
    hub.publish_now(topic, publication, Preconditions::default())
        .expect("a request that is taken")
}

fn publish<S: Store>(
    hub: &World<S>,
    topic: &Topic,
    texts: impl IntoIterator<Item = u32>,
) -> Vec<EventId> {
    texts
        .into_iter()
        .map(|number| send(hub, topic, PublishRequest::text(number.to_string())).id)
        .collect()
}

fn subscribe<S: Store>(hub: &World<S>, topic: &Topic, start: Start) -> Subscriber {
    subscribe_as(hub, topic, start, LagPolicy::Disconnect)
}

fn subscribe_as<S: Store>(
    hub: &World<S>,
    topic: &Topic,
    start: Start,
    slow_reader: LagPolicy,
) -> Subscriber {
    hub.subscribe(&Subscription::public(topic.clone(), start, slow_reader))
        .expect("a subscriber")
}

fn subscribe_to_all<S: Store>(hub: &World<S>, topics: &[&str], start: Start) -> Subscriber {
    let topics = topics
        .iter()
        .map(|name| WantedTopic {
            topic: topic(name),
            with_private: false,
        })
        .collect();
    hub.subscribe(&Subscription {
        topics,
        patterns: Vec::new(),
        start,
        slow_reader: LagPolicy::Disconnect,
    })
    .expect("a subscriber")
}

fn counts(subscriber: &Subscriber) -> Vec<usize> {
    subscriber.consumers().map(|(_, count)| count).collect()
}

fn page(count: usize) -> HistoryQuery {
    HistoryQuery {
        count,
        max_bytes: usize::MAX,
        before: None,
        with_private: false,
    }
}

fn texts(snapshot: &Snapshot) -> Vec<&str> {
    snapshot
        .events
        .iter()
        .map(|entry| entry.event.data.as_str())
        .collect()
}

/// Everything that there is to read.
fn data(subscriber: &mut Subscriber) -> Vec<String> {
    std::iter::from_fn(|| match subscriber.read(1_000) {
        ReadOutcome::Batch(batch) => Some(batch),
        ReadOutcome::Nothing => None,
        other => panic!("expected events, got {other:?}"),
    })
    .flat_map(|batch| batch.entries().to_vec())
    .map(|entry| entry.event.data.clone())
    .collect()
}

/// The one event that was read.
fn event(read: ReadOutcome) -> Arc<Entry> {
    match read {
        ReadOutcome::Batch(batch) if batch.entries().len() == 1 => Arc::clone(&batch.entries()[0]),
        other => panic!("expected one event, got {other:?}"),
    }
}

fn gap(read: ReadOutcome) -> Gap {
    match read {
        ReadOutcome::Gap(gap) => gap,
        other => panic!("expected a gap, got {other:?}"),
    }
}

pub(super) async fn a_subscriber_reads_what_is_published_after_it_came<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    publish(&hub, &a, [1]);
    let mut subscriber = subscribe(&hub, &a, Start::Now);
    publish(&hub, &a, [2, 3]);
    publish(&hub, &topic("b"), [9]);
    assert_eq!(data(&mut subscriber), ["2", "3"]);
    assert_eq!(data(&mut subscriber), [""; 0]);
}

pub(super) async fn a_subscriber_resumes_after_the_event_it_names<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let ids = publish(&hub, &a, [1, 2, 3]);
    let mut subscriber = subscribe(&hub, &a, Start::After(ids[0].clone()));
    assert_eq!(subscriber.position(), ids[0]);
    assert_eq!(data(&mut subscriber), ["2", "3"]);
    assert_eq!(subscriber.position(), ids[2]);
}

pub(super) async fn a_subscriber_that_has_seen_nothing_can_resume_from_its_position<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    publish(&hub, &topic("b"), [9]);
    let position = subscribe(&hub, &a, Start::Now).position();
    publish(&hub, &a, [1]);
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::After(position))),
        ["1"]
    );
}

pub(super) async fn a_publishers_own_id_is_a_place_to_resume_from<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let own = EventId::new("order-7").expect("an id");
    send(
        &hub,
        &a,
        PublishRequest {
            id: Some(own.clone()),
            ..PublishRequest::text("1")
        },
    );
    publish(&hub, &a, [2]);
    assert_eq!(data(&mut subscribe(&hub, &a, Start::After(own))), ["2"]);
}

pub(super) async fn earliest_is_everything_that_is_kept<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    publish(&hub, &a, 1..=7);
    let earliest = Start::after(EventId::new(EARLIEST).expect("an id"));
    assert_eq!(
        data(&mut subscribe(&hub, &a, earliest)),
        ["3", "4", "5", "6", "7"]
    );
}

pub(super) async fn an_unknown_id_is_told_as_a_gap_and_then_what_is_kept_follows<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    publish(&hub, &a, [1, 2]);
    for id in ["#other-1", "nonsense"] {
        let id = EventId::new(id).expect("an id");
        let mut subscriber = subscribe(&hub, &a, Start::After(id.clone()));
        let gap = gap(subscriber.read(1));
        assert_eq!(gap.requested, id);
        assert_eq!(gap.resumed_from, subscriber.position());
        assert_eq!(data(&mut subscriber), ["1", "2"]);
    }
}

pub(super) async fn an_id_from_the_future_is_unknown<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    publish(&hub, &a, [1]);
    let future = hub.id(World::<S>::nth(2));
    let read = subscribe(&hub, &a, Start::After(future)).read(1);
    if S::IS_SHARED {
        assert!(matches!(read, ReadOutcome::Nothing), "{read:?}");
    } else {
        gap(read);
    }
}

pub(super) async fn an_expired_id_is_told_as_a_gap<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let ids = publish(&hub, &a, 1..=7);
    gap(subscribe(&hub, &a, Start::After(ids[0].clone())).read(1));
    // The hub dropped event 2 last: a subscriber that resumes after it has missed nothing.
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::After(ids[1].clone()))),
        ["3", "4", "5", "6", "7"]
    );
}

pub(super) async fn a_long_replay_is_whole_although_the_log_moves_on<S: Store>() {
    let (hub, a) = (
        World::<S>::open(Limits {
            events: 100,
            bytes: 10 << 20,
            ..limits()
        }),
        topic("a"),
    );
    let long = "x".repeat(10_000);
    for number in 0..100 {
        send(&hub, &a, PublishRequest::text(format!("{number} {long}")));
    }
    let mut subscriber = subscribe(&hub, &a, Start::Earliest);
    for number in 0..100 {
        let entry = event(subscriber.read(1));
        assert!(entry.event.data.starts_with(&format!("{number} ")));
        // What has been read may be dropped, and what is new comes at the end.
        send(&hub, &a, PublishRequest::text("new"));
    }
    assert_eq!(data(&mut subscriber).len(), 100);
}

pub(super) async fn a_reader_that_fell_out_of_tail_and_history_is_treated_as_its_policy_says<
    S: Store,
>() {
    let hub = World::<S>::open(Limits {
        tail_bytes: 1,
        ..limits()
    });
    let a = topic("a");
    let mut disconnect = subscribe_as(&hub, &a, Start::Now, LagPolicy::Disconnect);
    let mut skip = subscribe_as(&hub, &a, Start::Now, LagPolicy::Skip);
    let mut latest = subscribe_as(&hub, &a, Start::Now, LagPolicy::Latest);
    publish(&hub, &a, 1..=6);
    assert!(matches!(disconnect.read(1), ReadOutcome::TooSlow));
    let gap = gap(skip.read(1));
    assert_eq!(gap.resumed_from, skip.position());
    assert_eq!(data(&mut skip), ["6"]);
    assert_eq!(data(&mut latest), ["6"]);
}

pub(super) async fn a_live_reader_misses_nothing_that_retention_evicts<S: Store>() {
    let hub = World::<S>::open(Limits {
        bytes: 10_000,
        ..limits()
    });
    let a = topic("a");
    let mut live = subscribe(&hub, &a, Start::Now);
    let mut others = subscribe_to_all(&hub, &["a", "b"], Start::Now);
    publish(&hub, &a, 1..=20);
    for _ in 0..20 {
        send(&hub, &topic("b"), PublishRequest::text("x".repeat(900)));
    }
    let counted = hub.snapshot(&a, &page(100)).events.len();
    assert!(counted <= 5, "{counted} events are retained");
    let all: Vec<_> = (1..=20).map(|number| number.to_string()).collect();
    assert_eq!(data(&mut live), all);
    assert_eq!(data(&mut others)[..20], all);
    // A reader that comes back is served from the tail too, as long as another reads the topic.
    let after_first = hub.id(World::<S>::nth(1));
    let mut back = subscribe(&hub, &a, Start::After(after_first.clone()));
    assert_eq!(data(&mut back), all[1..]);
    drop((live, others, back));
    gap(subscribe(&hub, &a, Start::After(after_first)).read(1));
    let mut earliest = subscribe(&hub, &a, Start::Earliest);
    assert_eq!(data(&mut earliest).len(), counted);
}

pub(super) async fn a_lagging_reader_goes_on_in_the_history_and_loses_ephemeral_events_only<
    S: Store,
>() {
    let hub = World::<S>::open(Limits {
        events: 100,
        tail_bytes: 2_000,
        ..limits()
    });
    let a = topic("a");
    let mut lagging = subscribe(&hub, &a, Start::Now);
    let mut skipping = subscribe_as(&hub, &a, Start::Now, LagPolicy::Skip);
    publish(&hub, &a, 1..=50);
    let all: Vec<_> = (1..=50).map(|number| number.to_string()).collect();
    assert_eq!(data(&mut lagging), all);
    assert_eq!(data(&mut skipping), all);
    let typing = PublishRequest {
        is_ephemeral: true,
        ..PublishRequest::text("typing")
    };
    send(&hub, &a, typing);
    publish(&hub, &a, 51..=99);
    assert!(matches!(lagging.read(1), ReadOutcome::TooSlow));
    gap(skipping.read(1));
    assert_eq!(data(&mut skipping), ["99"]);
}

pub(super) async fn falling_behind_with_nothing_to_skip_is_no_gap<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let mut skip = subscribe_as(&hub, &a, Start::Now, LagPolicy::Skip);
    publish(&hub, &a, [1]);
    assert!(event(skip.handle_lag()).event.data == "1");
    publish(&hub, &a, [2, 3, 4]);
    assert!(event(skip.read(1)).event.data == "2");
    let gap = gap(skip.handle_lag());
    assert_eq!(gap.resumed_from, skip.position());
    assert_eq!(
        data(&mut skip),
        ["4"],
        "what had been taken from the log but not been read is skipped too"
    );
}

pub(super) async fn history_is_bounded_in_bytes_over_all_topics_at_the_cost_of_the_largest<
    S: Store,
>() {
    let hub = World::<S>::open(Limits {
        bytes: 10_000,
        events: 1_000,
        ..limits()
    });
    let (a, b) = (topic("a"), topic("b"));
    send(&hub, &a, PublishRequest::text("old"));
    for _ in 0..100 {
        send(&hub, &b, PublishRequest::text("x".repeat(100)));
    }
    assert_eq!(texts(&hub.snapshot(&a, &page(10))), ["old"]);
    let kept: usize = hub
        .snapshot(&b, &page(1_000))
        .events
        .iter()
        .map(|entry| entry.bytes())
        .sum();
    assert!((5_000..=10_000).contains(&kept), "{kept}");
}

pub(super) async fn history_is_bounded_in_age<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
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

pub(super) async fn a_topic_with_neither_events_nor_subscribers_is_forgotten_but_not_its_loss<
    S: Store,
>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let ids = publish(&hub, &a, [1, 2]);
    let subscriber = subscribe(&hub, &a, Start::Now);
    tokio::time::advance(Duration::from_secs(3_601)).await;
    hub.snapshot(&a, &page(1));
    assert_eq!(hub.totals().topics, 1);
    drop(subscriber);
    assert_eq!(hub.totals().topics, 0);
    assert_eq!(hub.totals().bytes, 0);
    gap(subscribe(&hub, &a, Start::After(ids[0].clone())).read(1));
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::After(ids[1].clone()))),
        [""; 0]
    );
}

pub(super) async fn subscribers_are_counted_until_they_are_dropped<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let first = subscribe(&hub, &a, Start::Now);
    let second = subscribe(&hub, &a, Start::Now);
    assert_eq!(send(&hub, &a, PublishRequest::text("1")).subscribers, 2);
    assert_eq!(counts(&second), [2]);
    drop(first);
    assert_eq!(hub.subscribers(&a), 1);
    assert_eq!(counts(&second), [1]);
}

pub(super) async fn a_waiting_subscriber_is_woken<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let mut subscriber = subscribe(&hub, &a, Start::Now);
    let reader = tokio::spawn(async move {
        subscriber.ready().await;
        data(&mut subscriber)
    });
    tokio::task::yield_now().await;
    publish(&hub, &a, [1]);
    assert_eq!(reader.await.expect("the reader"), ["1"]);
}

pub(super) async fn a_snapshot_is_a_place_to_subscribe_from<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    publish(&hub, &a, 1..=4);
    let snapshot = hub.snapshot(&a, &page(2));
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

pub(super) async fn many_publishers_at_once_lose_and_reorder_nothing<S: Store>() {
    let hub = World::<S>::open(Limits {
        events: 10_000,
        ..limits()
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

pub(super) async fn several_topics_come_in_the_order_of_publication<S: Store>() {
    let hub = World::<S>::open(limits());
    let (a, b) = (topic("a"), topic("b"));
    publish(&hub, &a, [1]);
    publish(&hub, &b, [2]);
    publish(&hub, &a, [3]);
    publish(&hub, &topic("c"), [9]);
    // One topic named twice is one topic, and the order in which they are named does not count.
    let mut both = subscribe_to_all(&hub, &["b", "a", "b"], Start::Earliest);
    assert_eq!(data(&mut both), ["1", "2", "3"]);
    assert_eq!(hub.subscribers(&b), 1);
    publish(&hub, &b, [4]);
    publish(&hub, &a, [5]);
    assert_eq!(data(&mut both), ["4", "5"]);
}

pub(super) async fn a_reader_of_several_topics_resumes_after_the_event_it_names<S: Store>() {
    let hub = World::<S>::open(limits());
    let (a, b) = (topic("a"), topic("b"));
    let id = publish(&hub, &a, [1]).remove(0);
    publish(&hub, &b, [2]);
    publish(&hub, &a, [3]);
    assert_eq!(
        data(&mut subscribe_to_all(&hub, &["a", "b"], Start::After(id))),
        ["2", "3"]
    );
}

pub(super) async fn a_reader_of_several_topics_is_told_of_a_gap_in_any<S: Store>() {
    let hub = World::<S>::open(limits());
    let (a, b) = (topic("a"), topic("b"));
    let id = publish(&hub, &a, [1]).remove(0);
    publish(&hub, &b, 10..=16);
    let mut both = subscribe_to_all(&hub, &["a", "b"], Start::After(id));
    gap(both.read(1));
    assert_eq!(data(&mut both), ["12", "13", "14", "15", "16"]);
}

pub(super) async fn a_waiting_reader_of_several_topics_is_woken_by_each<S: Store>() {
    let hub = World::<S>::open(limits());
    let mut both = subscribe_to_all(&hub, &["a", "b"], Start::Now);
    for name in ["a", "b", "a"] {
        publish(&hub, &topic(name), [1]);
        both.ready().await;
        assert_eq!(data(&mut both), ["1"]);
    }
}

pub(super) async fn readers_miss_nothing_while_several_threads_publish<S: Store>() {
    const EVENTS: u32 = 2_000;
    let hub = World::<S>::open(Limits {
        events: 10_000,
        bytes: 1 << 26,
        ..limits()
    });
    let readers: Vec<_> = (0..4)
        .map(|_| subscribe_to_all(&hub, &["a", "b"], Start::Earliest))
        .collect();
    // Two ends are among them.
    let all: Vec<_> = (1..=u64::from(2 * EVENTS + 2))
        .map(World::<S>::nth)
        .collect();
    std::thread::scope(|scope| {
        for mut reader in readers {
            let all = &all;
            scope.spawn(move || {
                let mut offsets = Vec::new();
                loop {
                    match reader.read(1_000) {
                        ReadOutcome::Batch(batch) => {
                            offsets.extend(batch.entries().iter().map(|entry| entry.offset));
                        }
                        ReadOutcome::Nothing => std::thread::yield_now(),
                        ReadOutcome::End => break,
                        other => panic!("expected events, got {other:?}"),
                    }
                }
                assert_eq!(offsets, *all);
            });
        }
        for name in ["a", "b"] {
            let hub = &hub;
            scope.spawn(move || {
                publish(hub, &topic(name), 0..EVENTS);
                hub.end_now(&topic(name)).expect("an end");
            });
        }
    });
}

pub(super) async fn the_last_few_and_what_came_since_are_places_to_start<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    publish(&hub, &a, [1, 2, 3]);
    assert_eq!(data(&mut subscribe(&hub, &a, Start::Last(2))), ["2", "3"]);
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::Last(9))),
        ["1", "2", "3"]
    );
    assert_eq!(data(&mut subscribe(&hub, &a, Start::Last(0))), [""; 0]);
    let second = hub.snapshot(&a, &page(2)).events[0].published_at;
    assert!(
        data(&mut subscribe(&hub, &a, Start::Since(second)))
            .ends_with(&["2".to_owned(), "3".to_owned()])
    );
    let future = SystemTime::now() + Duration::from_secs(60);
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::Since(future))),
        [""; 0]
    );
}

pub(super) async fn what_is_not_kept_reaches_only_who_is_reading<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let mut present = subscribe(&hub, &a, Start::Now);
    let passing = || PublishRequest {
        is_ephemeral: true,
        ..PublishRequest::text("passing")
    };
    let id = send(&hub, &a, passing()).id;
    publish(&hub, &a, [1]);
    assert_eq!(data(&mut present), ["passing", "1"]);
    assert_eq!(data(&mut subscribe(&hub, &a, Start::Earliest)), ["1"]);
    assert_eq!(data(&mut subscribe(&hub, &a, Start::Last(5))), ["1"]);
    assert_eq!(data(&mut subscribe(&hub, &a, Start::After(id))), ["1"]);
    assert_eq!(texts(&hub.snapshot(&a, &page(5))), ["1"]);
}

pub(super) async fn what_is_not_kept_does_not_push_out_what_is<S: Store>() {
    let (hub, a) = (
        World::<S>::open(Limits {
            events: 200,
            ..limits()
        }),
        topic("a"),
    );
    let ids = publish(&hub, &a, [1]);
    for _ in 0..1_000 {
        send(
            &hub,
            &a,
            PublishRequest {
                is_ephemeral: true,
                ..PublishRequest::text("passing")
            },
        );
    }
    assert_eq!(texts(&hub.snapshot(&a, &page(5))), ["1"]);
    assert_eq!(
        data(&mut subscribe(&hub, &a, Start::After(ids[0].clone()))),
        [""; 0]
    );
}

pub(super) async fn private_events_reach_only_who_may_read_them_in_replay_too<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let of = |with_private, start| Subscription {
        topics: vec![WantedTopic {
            topic: topic("a"),
            with_private,
        }],
        patterns: Vec::new(),
        start,
        slow_reader: LagPolicy::Disconnect,
    };
    let mut public = hub.subscribe(&of(false, Start::Now)).expect("a subscriber");
    let mut private = hub.subscribe(&of(true, Start::Now)).expect("a subscriber");
    send(
        &hub,
        &a,
        PublishRequest {
            is_private: true,
            ..PublishRequest::text("secret")
        },
    );
    publish(&hub, &a, [1]);
    assert_eq!(data(&mut public), ["1"]);
    assert_eq!(data(&mut private), ["secret", "1"]);
    assert_eq!(
        data(
            &mut hub
                .subscribe(&of(false, Start::Earliest))
                .expect("a subscriber")
        ),
        ["1"]
    );
    assert_eq!(
        data(
            &mut hub
                .subscribe(&of(false, Start::Last(2)))
                .expect("a subscriber")
        ),
        ["1"]
    );
    assert_eq!(
        data(
            &mut hub
                .subscribe(&of(true, Start::Earliest))
                .expect("a subscriber")
        ),
        ["secret", "1"]
    );
    assert_eq!(texts(&hub.snapshot(&a, &page(5))), ["1"]);
    assert_eq!(
        texts(&hub.snapshot(
            &a,
            &HistoryQuery {
                with_private: true,
                ..page(5)
            }
        )),
        ["secret", "1"]
    );
}

pub(super) async fn the_end_of_a_topic_is_its_last_event_and_after_that_there_is_nothing<
    S: Store,
>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    assert_eq!(hub.end_now(&a), Err(UnknownTopic.into()));
    let mut reader = subscribe(&hub, &a, Start::Now);
    let id = publish(&hub, &a, [1]).remove(0);
    hub.end_now(&a).expect("an end");
    hub.end_now(&a).expect("ending it again changes nothing");
    assert!(event(reader.read(1)).event.data == "1");
    let end = event(reader.read(1));
    assert!(end.is_end && end.event.event_type.as_str() == "end");
    assert!(matches!(reader.read(1), ReadOutcome::End));
    reader.ready().await;
    let end = reader.position();
    drop(reader);
    let refused = hub.publish_now(&a, PublishRequest::text("2"), Preconditions::default());
    assert_eq!(refused, Err(PublishError::Ended));
    let later = |start| {
        hub.subscribe(&Subscription::public(
            topic("a"),
            start,
            LagPolicy::Disconnect,
        ))
    };
    assert!(matches!(later(Start::Now), Err(SubscribeError::Ended)));
    assert!(matches!(
        later(Start::After(end)),
        Err(SubscribeError::Ended)
    ));
    let mut missed_the_end = later(Start::After(id)).expect("a subscriber");
    assert!(event(missed_the_end.read(1)).is_end);
    drop(missed_the_end);
    assert_eq!(hub.subscribers(&a), 0);
    tokio::time::advance(Duration::from_secs(3_601)).await;
    hub.topics(|_| Some(true));
    publish(&hub, &a, [3]);
}

pub(super) async fn a_reader_of_several_topics_goes_on_until_the_last_has_ended<S: Store>() {
    let hub = World::<S>::open(limits());
    let mut both = subscribe_to_all(&hub, &["a", "b"], Start::Now);
    hub.end_now(&topic("a")).expect("an end");
    publish(&hub, &topic("b"), [1]);
    assert_eq!(data(&mut both), ["a", "1"]);
    hub.end_now(&topic("b")).expect("an end");
    assert!(event(both.read(1)).is_end);
    assert!(matches!(both.read(1), ReadOutcome::End));
}

pub(super) async fn publishing_on_a_condition_fails_if_the_topic_has_moved_on<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let ids = publish(&hub, &a, [1, 2]);
    let on = |newest: &EventId| Preconditions {
        newest: Some(ExpectedNewest {
            with_private: false,
            one_of: Some(vec![newest.clone()]),
        }),
        ..Preconditions::default()
    };
    let refused = hub.publish_now(&a, PublishRequest::text("3"), on(&ids[0]));
    assert_eq!(refused, Err(PublishError::Moved(Some(ids[1].clone()))));
    assert!(
        hub.publish_now(&a, PublishRequest::text("3"), on(&ids[1]))
            .is_ok()
    );
    let empty = hub.publish_now(&topic("b"), PublishRequest::text("1"), on(&ids[1]));
    assert_eq!(empty, Err(PublishError::Moved(None)));
    assert_eq!(
        hub.topics(|_| Some(true)).len(),
        1,
        "a refused publication makes no topic"
    );
}

pub(super) async fn publishing_again_under_a_key_gives_the_first_result<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let keyed = || Preconditions {
        idempotency: Some(IdempotencyKey {
            key: "k".to_owned(),
            publisher: 1,
        }),
        ..Preconditions::default()
    };
    let first = hub
        .publish_now(&a, PublishRequest::text("1"), keyed())
        .expect("published");
    let again = hub
        .publish_now(&a, PublishRequest::text("1"), keyed())
        .expect("the first result");
    assert_eq!((&again.id, again.is_repeat), (&first.id, true));
    assert_eq!(texts(&hub.snapshot(&a, &page(5))), ["1"]);
    let elsewhere = hub
        .publish_now(&topic("b"), PublishRequest::text("1"), keyed())
        .expect("published");
    assert!(!elsewhere.is_repeat, "a key belongs to its topic");
    let other = hub.publish_now(&a, PublishRequest::text("2"), keyed());
    assert_eq!(other, Err(PublishError::KeyReused));
    // Whatever else is published meanwhile, and however much of it, the key holds.
    hub.end_now(&a).expect("an end");
    tokio::time::advance(Duration::from_secs(3_500)).await;
    let late = hub.publish_now(&a, PublishRequest::text("1"), keyed());
    assert_eq!(late.expect("the first result").id, first.id);
}

pub(super) async fn there_are_no_more_topics_than_allowed<S: Store>() {
    let hub = World::<S>::open(Limits {
        topics: 2,
        ..limits()
    });
    publish(&hub, &topic("a"), [1]);
    let refused = hub.subscribe(&Subscription {
        topics: ["b", "c"]
            .map(|name| WantedTopic {
                topic: topic(name),
                with_private: false,
            })
            .to_vec(),
        patterns: Vec::new(),
        start: Start::Now,
        slow_reader: LagPolicy::Disconnect,
    });
    let readers = refused.expect("topics without events do not count");
    publish(&hub, &topic("b"), [1]);
    drop(readers);
    let refused = hub.publish_now(
        &topic("c"),
        PublishRequest::text("1"),
        Preconditions::default(),
    );
    assert_eq!(refused, Err(PublishError::TooManyTopics));
    publish(&hub, &topic("a"), [2]);
}

pub(super) async fn a_snapshot_can_be_paged_backwards<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    publish(&hub, &a, 1..=5);
    let newest = hub.snapshot(&a, &page(2));
    assert_eq!(texts(&newest), ["4", "5"]);
    let before = newest.older_than;
    assert!(before.is_some());
    let older = hub.snapshot(&a, &HistoryQuery { before, ..page(3) });
    assert_eq!(texts(&older), ["1", "2", "3"]);
    assert_eq!(older.older_than, None);
}

pub(super) async fn a_snapshot_is_bounded_in_bytes_and_has_one_event_at_least<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    for _ in 0..3 {
        send(&hub, &a, PublishRequest::text("x".repeat(1_000)));
    }
    let small = HistoryQuery {
        max_bytes: 3_000,
        ..page(3)
    };
    let newest = hub.snapshot(&a, &small);
    assert_eq!(newest.events.len(), 2);
    let before = newest.older_than;
    let older = hub.snapshot(
        &a,
        &HistoryQuery {
            before,
            max_bytes: 1,
            ..page(3)
        },
    );
    assert_eq!((older.events.len(), older.older_than), (1, None));
}

fn own(id: &str) -> PublishRequest {
    PublishRequest {
        id: Some(EventId::new(id).expect("an id")),
        ..PublishRequest::text(id)
    }
}

pub(super) async fn an_own_id_that_is_kept_is_not_taken_again_and_one_that_is_gone_is<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    send(&hub, &a, own("x"));
    let again = hub.publish_now(&a, own("x"), Preconditions::default());
    assert_eq!(
        again,
        Err(PublishError::DuplicateId(EventId::new("x").expect("an id")))
    );
    send(&hub, &topic("b"), own("x"));
    publish(&hub, &a, 1..=5);
    send(&hub, &a, own("x"));
    let mut resumed = subscribe(&hub, &a, Start::After(EventId::new("x").expect("an id")));
    publish(&hub, &a, [6]);
    assert_eq!(data(&mut resumed), ["6"]);
}

pub(super) async fn pages_of_a_topic_with_own_ids_lead_to_its_oldest_event<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    for id in ["s", "t", "u"] {
        send(&hub, &a, own(id));
    }
    let mut before = None;
    let mut seen = Vec::new();
    loop {
        let shown = hub.snapshot(&a, &HistoryQuery { before, ..page(1) });
        seen.extend(texts(&shown).into_iter().map(str::to_owned));
        before = shown.older_than;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["u", "t", "s"]);
}

pub(super) async fn a_reader_of_several_topics_knows_events_by_the_logs_ids<S: Store>() {
    let hub = World::<S>::open(limits());
    for name in ["b", "a"] {
        for id in ["1", "2", "3"] {
            send(&hub, &topic(name), own(id));
        }
    }
    let mut both = subscribe_to_all(&hub, &["a", "b"], Start::Earliest);
    let ReadOutcome::Batch(batch) = both.read(1_000) else {
        panic!("events");
    };
    let seen = both.id_of(&batch.entries()[1]);
    assert_eq!(both.position(), both.id_of(&batch.entries()[5]));
    let mut resumed = subscribe_to_all(&hub, &["a", "b"], Start::After(seen));
    assert_eq!(data(&mut resumed), ["3", "1", "2", "3"]);
    // An own id that a reader brings may be any topic's: nothing after the oldest is left out.
    let own_id = EventId::new("2").expect("an id");
    let mut resumed = subscribe_to_all(&hub, &["a", "b"], Start::After(own_id));
    assert_eq!(data(&mut resumed), ["3", "1", "2", "3"]);
}

pub(super) async fn a_reader_learns_nothing_of_a_private_own_id<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let private = PublishRequest {
        is_private: true,
        ..own("secret")
    };
    send(&hub, &a, private);
    let start = || Start::After(EventId::new("secret").expect("an id"));
    let mut public = subscribe(&hub, &a, start());
    assert!(
        matches!(public.read(1), ReadOutcome::Gap(_)),
        "as any unknown id"
    );
    let subscription = Subscription {
        topics: vec![WantedTopic {
            topic: a.clone(),
            with_private: true,
        }],
        ..Subscription::public(a.clone(), start(), LagPolicy::Disconnect)
    };
    let mut granted = hub.subscribe(&subscription).expect("a subscriber");
    assert!(matches!(granted.read(1), ReadOutcome::Nothing));
    let list = |with_private| hub.topics(|_| Some(with_private));
    drop((public, granted));
    assert_eq!((list(false).len(), list(true).len()), (0, 1));
    assert_eq!(list(true)[0].events, 1);
    assert!(hub.topics(|_| None).is_empty());
}

pub(super) async fn a_condition_is_about_the_newest_event_that_the_publisher_sees_in_a_snapshot<
    S: Store,
>() {
    let hub = World::<S>::open(Limits {
        events: 100,
        ..limits()
    });
    let a = topic("a");
    let first = publish(&hub, &a, [1]).remove(0);
    let expect = |with_private, ids: Option<&[&EventId]>| Preconditions {
        newest: Some(ExpectedNewest {
            with_private,
            one_of: ids.map(|ids| ids.iter().map(|id| (*id).clone()).collect()),
        }),
        ..Preconditions::default()
    };
    let passing = || PublishRequest {
        is_ephemeral: true,
        ..PublishRequest::text("typing")
    };
    send(&hub, &a, passing());
    let private = PublishRequest {
        is_private: true,
        ..own("secret")
    };
    let private = send(&hub, &a, private).id;
    let publish = |conditions| hub.publish_now(&a, passing(), conditions);
    assert!(publish(expect(false, Some(&[&first]))).is_ok());
    assert_eq!(
        publish(expect(false, Some(&[&private]))),
        Err(PublishError::Moved(Some(first.clone()))),
        "whose id is not shown to a publisher that may not see it"
    );
    assert!(publish(expect(true, Some(&[&first, &private]))).is_ok());
    assert!(publish(expect(true, Some(&[&hub.id(World::<S>::nth(3))]))).is_ok());
    assert_eq!(
        publish(expect(true, Some(&[]))),
        Err(PublishError::Moved(Some(private)))
    );
    assert!(publish(expect(false, None)).is_ok());
    let empty = hub.publish_now(&topic("b"), passing(), expect(true, None));
    assert_eq!(empty, Err(PublishError::Moved(None)));
}

pub(super) async fn a_live_reader_that_misses_passing_events_is_treated_as_its_policy_says<
    S: Store,
>() {
    let passing = || PublishRequest {
        is_ephemeral: true,
        ..PublishRequest::text("typing")
    };
    let flood = |hub: &World<S>| {
        for _ in 0..200 {
            send(hub, &topic("a"), passing());
        }
    };
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let mut disconnected = subscribe(&hub, &a, Start::Now);
    let mut skipping = subscribe_as(&hub, &a, Start::Now, LagPolicy::Skip);
    let mut later_gone = subscribe(&hub, &a, Start::Now);
    flood(&hub);
    assert!(matches!(disconnected.read(1), ReadOutcome::TooSlow));
    gap(skipping.read(1));
    assert_eq!(data(&mut skipping), ["typing"]);
    // A reader that comes now was promised none of them.
    let mut late = subscribe(&hub, &a, Start::Earliest);
    assert_eq!(data(&mut late), [""; 0]);
    assert!(matches!(later_gone.read(1), ReadOutcome::TooSlow));
}

pub(super) async fn one_busy_topic_does_not_cost_the_others_their_history<S: Store>() {
    let hub = World::<S>::open(Limits {
        bytes: 100_000,
        events: 1_000,
        ..limits()
    });
    for name in ["quiet", "still"] {
        publish(&hub, &topic(name), [1, 2]);
    }
    let mut reader = subscribe(&hub, &topic("busy"), Start::Now);
    for number in 0..500 {
        send(&hub, &topic("busy"), PublishRequest::text("x".repeat(900)));
        if number % 10 == 0 {
            data(&mut reader);
        }
    }
    for name in ["quiet", "still"] {
        assert_eq!(texts(&hub.snapshot(&topic(name), &page(5))), ["1", "2"]);
    }
    assert!(hub.totals().bytes <= 100_000);
}

pub(super) async fn a_quiet_topic_on_a_busy_hub_has_no_gap<S: Store>() {
    let hub = World::<S>::open(Limits {
        bytes: 10_000,
        ..limits()
    });
    let quiet = topic("quiet");
    let position = subscribe(&hub, &quiet, Start::Now).position();
    let lost = topic("lost");
    let large = || PublishRequest::text("x".repeat(900));
    let lost_position = send(&hub, &lost, large()).id;
    send(&hub, &lost, large());
    // Much is published, dropped and forgotten while the reader is away.
    for number in 0..100 {
        let busy = topic(&format!("busy {number}"));
        send(&hub, &busy, large());
    }
    let mut back = subscribe(&hub, &quiet, Start::After(position));
    publish(&hub, &quiet, [1]);
    assert_eq!(data(&mut back), ["1"], "and no gap before it");
    let mut lost_reader = subscribe(&hub, &lost, Start::After(lost_position));
    gap(lost_reader.read(1));
}

pub(super) async fn a_reader_that_skips_is_told_of_the_end_of_a_topic<S: Store>() {
    for events_after in [0, 1, 20] {
        let hub = World::<S>::open(limits());
        let mut subscription = Subscription::public(topic("a"), Start::Now, LagPolicy::Skip);
        subscription.topics.push(WantedTopic {
            topic: topic("b"),
            with_private: false,
        });
        let mut reader = hub.subscribe(&subscription).expect("a subscriber");
        publish(&hub, &topic("a"), 1..=3);
        hub.end_now(&topic("a")).expect("an end");
        publish(&hub, &topic("b"), 0..events_after);
        gap(reader.handle_lag());
        let read = reader.read(1_000);
        let ReadOutcome::Batch(batch) = read else {
            panic!("expected the end, got {read:?}");
        };
        assert!(batch.entries()[0].is_end);
        publish(&hub, &topic("b"), [99]);
        assert_eq!(data(&mut reader), ["99"]);
        assert_eq!(reader.topics().count(), 1);
        assert_eq!(hub.subscribers(&topic("a")), 0);
    }
}

pub(super) async fn a_reader_whose_topic_has_ended_and_is_forgotten_does_not_wait_for_more<
    S: Store,
>() {
    for policy in [LagPolicy::Skip, LagPolicy::Latest] {
        let (hub, a) = (World::<S>::open(limits()), topic("a"));
        let mut reader = subscribe_as(&hub, &a, Start::Now, policy);
        publish(&hub, &a, [1]);
        hub.end_now(&a).expect("an end");
        tokio::time::advance(Duration::from_secs(3_601)).await;
        hub.topics(|_| Some(true));
        if policy == LagPolicy::Skip {
            gap(reader.read(1));
        }
        assert!(matches!(reader.read(1), ReadOutcome::End));
    }
}

pub(super) async fn the_bytes_that_are_counted_are_those_that_are_taken<S: Store>() {
    let hub = World::<S>::open(Limits {
        events: 1_000,
        ..limits()
    });
    let name = topic(&"x".repeat(1_000));
    for number in 0..100 {
        let text = PublishRequest::text(number.to_string());
        let event_type = EventType::new("t".repeat(256)).expect("a type");
        send(&hub, &name, PublishRequest { event_type, ..text });
    }
    let snapshot = hub.snapshot(&name, &page(100));
    let entry = &snapshot.events[0];
    assert!(
        snapshot
            .events
            .iter()
            .all(|other| other.topic.as_str().as_ptr() == entry.topic.as_str().as_ptr()),
        "all entries share the name"
    );
    // The type, and what the structures take.
    assert!((450..700).contains(&entry.bytes()), "{}", entry.bytes());
    let counted: usize = snapshot.events.iter().map(|entry| entry.bytes()).sum();
    assert_eq!(hub.totals().bytes, counted);
}

pub(super) async fn events_that_have_expired_do_not_count_for_a_publisher<S: Store>() {
    let (hub, a) = (World::<S>::open(limits()), topic("a"));
    let expire = || tokio::time::advance(Duration::from_secs(3_601));
    let any = || Preconditions {
        newest: Some(ExpectedNewest {
            with_private: false,
            one_of: None,
        }),
        ..Preconditions::default()
    };
    // Nothing else is published, and no client looks at the topic in between.
    send(&hub, &a, own("x"));
    expire().await;
    let moved = hub.publish_now(&a, PublishRequest::text("1"), any());
    assert_eq!(moved, Err(PublishError::Moved(None)));
    send(&hub, &a, own("x"));
    expire().await;
    send(&hub, &a, own("x"));
    hub.end_now(&a).expect("an end");
    expire().await;
    send(&hub, &a, own("x"));
    expire().await;
    assert_eq!(hub.end_now(&a), Err(UnknownTopic.into()));
}

/// A reader of two topics that skips.
fn skip_in_two<S: Store>(hub: &World<S>) -> Subscriber {
    let mut subscription = Subscription::public(topic("a"), Start::Now, LagPolicy::Skip);
    subscription.topics.push(WantedTopic {
        topic: topic("b"),
        with_private: false,
    });
    hub.subscribe(&subscription).expect("a subscriber")
}

pub(super) async fn a_reader_that_skips_twice_is_still_sent_the_end_of_a_topic<S: Store>() {
    let hub = World::<S>::open(limits());
    let mut reader = skip_in_two(&hub);
    publish(&hub, &topic("a"), 1..=2);
    hub.end_now(&topic("a")).expect("an end");
    publish(&hub, &topic("b"), 1..=2);
    gap(reader.handle_lag());
    publish(&hub, &topic("b"), 3..=4);
    gap(reader.handle_lag());
    assert_eq!(data(&mut reader), ["a", "4"]);
}

pub(super) async fn a_slow_reader_that_skips_no_event_has_no_gap<S: Store>() {
    let hub = World::<S>::open(limits());
    let mut reader = skip_in_two(&hub);
    for text in ["1", "2"] {
        let private = PublishRequest {
            is_private: true,
            ..PublishRequest::text(text)
        };
        send(&hub, &topic("b"), private);
    }
    let read = reader.handle_lag();
    assert!(
        matches!(read, ReadOutcome::Nothing),
        "{read:?}, although the reader sees no private events"
    );
    hub.end_now(&topic("a")).expect("an end");
    publish(&hub, &topic("b"), [3]);
    let ReadOutcome::Batch(batch) = reader.handle_lag() else {
        panic!("the end and the newest event, which are all there are");
    };
    assert_eq!(batch.entries().len(), 2);
}
