//! What a hub counts and bounds, seen at each bound, over the log in memory.

use super::super::pattern::Pattern;
use super::super::subscriber::WantedPattern;
use super::super::visibility::Visibility;
use super::*;

fn publish(
    hub: &Hub,
    name: &str,
    publication: PublishRequest,
) -> Result<PublishReceipt, PublishError> {
    let topic = topic(name);
    let published = hub.publish(&topic, publication, Preconditions::default());
    published.now_or_never().expect("committed at once")
}

fn text(data: &str) -> PublishRequest {
    PublishRequest::text(data)
}

fn reader(hub: &Hub, name: &str, start: Start) -> Result<Subscriber, SubscribeError> {
    hub.subscribe(&Subscription::public(
        topic(name),
        start,
        LagPolicy::Disconnect,
    ))
}

fn reader_of_pattern(hub: &Hub, pattern: &str) -> Subscriber {
    lagging_reader(hub, pattern, LagPolicy::Disconnect)
}

fn lagging_reader(hub: &Hub, pattern: &str, policy: LagPolicy) -> Subscriber {
    let wanted = WantedPattern {
        pattern: Pattern::new(pattern).expect("a pattern"),
        visibility: Visibility::Public,
    };
    hub.subscribe(&Subscription {
        topics: Vec::new(),
        patterns: vec![wanted],
        start: Start::Now,
        slow_reader: policy,
    })
    .expect("a subscriber")
}

#[test]
fn a_page_is_just_as_large_as_it_may_be() {
    let hub = Hub::new(Limits::default());
    for data in ["1", "2", "3"] {
        publish(&hub, "a", text(data)).expect("taken");
    }
    let page = |count, max_bytes| {
        let page = HistoryQuery {
            count,
            max_bytes,
            before: None,
            with_private: false,
        };
        let snapshot = hub.snapshot(&topic("a"), &page);
        let bytes: usize = snapshot.events.iter().map(|entry| entry.bytes()).sum();
        (snapshot.events.len(), bytes, snapshot.older_than.is_some())
    };
    let (_, bytes_of_two, _) = page(2, usize::MAX);
    assert_eq!(page(3, bytes_of_two), (2, bytes_of_two, true));
    assert_eq!(page(3, bytes_of_two - 1).0, 1);
    assert_eq!(page(3, usize::MAX).0, 3);
    assert!(!page(3, usize::MAX).2);
    assert_eq!(page(0, usize::MAX), (0, 0, false));
}

#[test]
fn subscriptions_that_have_gone_make_room_for_others() {
    let hub = Hub::new(Limits {
        subscriptions: 2,
        ..Limits::default()
    });
    for _ in 0..3 {
        let first = reader(&hub, "a", Start::Now).expect("room");
        let _second = reader(&hub, "b", Start::Now).expect("room");
        let third = reader(&hub, "c", Start::Now);
        assert_eq!(third.err(), Some(SubscribeError::TooManySubscriptions));
        drop(first);
        reader(&hub, "c", Start::Now).expect("room");
    }
}

#[tokio::test(start_paused = true)]
async fn a_publisher_of_a_new_topic_evicts_what_has_expired_if_there_is_no_room() {
    let hub = Hub::new(Limits {
        topics: 1,
        age: Duration::from_secs(60),
        ..Limits::default()
    });
    publish(&hub, "a", text("1")).expect("taken");
    let refused = publish(&hub, "b", text("1"));
    assert_eq!(refused, Err(PublishError::TooManyTopics));
    tokio::time::advance(Duration::from_secs(61)).await;
    publish(&hub, "b", text("1")).expect("taken");
    let names: Vec<_> = hub
        .topics(|_| Some(true))
        .into_iter()
        .map(|it| it.topic)
        .collect();
    assert_eq!(names, [topic("b")]);
}

#[tokio::test(start_paused = true)]
async fn the_task_evicts_what_has_expired_until_it_is_cancelled() {
    let hub = Hub::new(Limits {
        age: Duration::from_secs(60),
        ..Limits::default()
    });
    publish(&hub, "a", text("1")).expect("taken");
    let cancelled = CancellationToken::new();
    let task = tokio::spawn(hub.clone().keep_within_limits(cancelled.clone()));
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert!(hub.0.retention.bytes() > 0);
    tokio::time::sleep(Duration::from_secs(20)).await;
    // Not the totals, which evict by themselves.
    assert_eq!(hub.0.retention.bytes(), 0);
    cancelled.cancel();
    task.await.expect("the task");
}

#[test]
fn a_pattern_finds_the_topics_that_have_events_after_the_cursor() {
    let hub = Hub::new(Limits::default());
    for name in ["t/1", "t/2", "other"] {
        publish(&hub, name, text("x")).expect("taken");
    }
    let pattern = Pattern::new("t/*").expect("a pattern");
    let found = |after| {
        let (channels, lost) = hub.matching(&pattern, Offset::from_number(after));
        assert_eq!(lost, Offset::START);
        channels.len()
    };
    assert_eq!([0, 1, 2].map(found), [2, 1, 0]);
    let _reader = reader_of_pattern(&hub, "t/*");
    assert_eq!(found(0), 2);
}

#[test]
fn it_is_known_whether_an_event_has_woken_a_thread() {
    struct Wakes(bool);
    impl watch::Watcher for Wakes {
        fn wake(&self, _: ChannelId, _: TopicChange) -> watch::Woken {
            if self.0 {
                watch::Woken::Thread
            } else {
                watch::Woken::Nothing
            }
        }
    }
    let hub = Hub::new(Limits::default());
    let readers = ["a", "b"].map(|name| reader(&hub, name, Start::Now).expect("room"));
    let listen = |wakes: [bool; 2]| -> Vec<_> {
        let with = |(reader, wakes): (&Subscriber, bool)| {
            let topic = reader.topics().next().expect("a topic");
            reader.listen(topic, Arc::new(Wakes(wakes)))
        };
        readers.iter().zip(wakes).map(with).collect()
    };
    let reached = || -> Reached {
        let mut state = hub.0.state.lock();
        ["a", "b"]
            .iter()
            .map(|name| state.topic(&topic(name)))
            .collect()
    };
    for wakes in [[false, false], [true, false], [false, true]] {
        let _listening = listen(wakes);
        assert_eq!(notify(reached()), wakes.contains(&true), "{wakes:?}");
    }
}

#[test]
fn a_reader_of_one_topic_knows_events_by_their_own_ids_and_others_by_the_logs() {
    let hub = Hub::new(Limits::default());
    let one = reader(&hub, "a", Start::Now).expect("room");
    assert!(!one.uses_log_ids());
    assert!(reader_of_pattern(&hub, "a*").uses_log_ids());
}

#[test]
fn a_reader_with_a_gap_is_ready_although_there_is_no_event() {
    let hub = Hub::new(Limits::default());
    let unknown = EventId::new("unknown").expect("an id");
    let mut reader = reader(&hub, "a", Start::After(unknown)).expect("room");
    assert!(reader.is_ready());
    assert!(reader.take_gap().is_some());
    assert!(!reader.is_ready());
}

#[test]
fn readers_at_one_place_share_what_they_read_in_the_history_and_in_the_tail() {
    let hub = Hub::new(Limits::default());
    for data in ["1", "2"] {
        publish(&hub, "a", text(data)).expect("taken");
    }
    let batch = |reader: &mut Subscriber| match reader.read(1_000) {
        ReadOutcome::Batch(batch) => batch,
        other => panic!("expected events, got {other:?}"),
    };
    let mut readers = [(); 2].map(|()| reader(&hub, "a", Start::Earliest).expect("room"));
    let [first, second] = readers.each_mut().map(batch);
    assert!(Arc::ptr_eq(&first, &second));
    let mut readers = [(); 2].map(|()| reader_of_pattern(&hub, "a*"));
    publish(&hub, "a", text("3")).expect("taken");
    let [first, second] = readers.each_mut().map(batch);
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn an_ephemeral_event_with_an_own_id_is_a_place_to_resume_from_while_it_is_in_the_tail() {
    let hub = Hub::new(Limits::default());
    let live = reader(&hub, "a", Start::Now).expect("room");
    let id = EventId::new("own").expect("an id");
    let ephemeral = PublishRequest {
        id: Some(id.clone()),
        is_ephemeral: true,
        ..text("1")
    };
    publish(&hub, "a", ephemeral).expect("taken");
    publish(&hub, "a", text("2")).expect("taken");
    let has_gap = || {
        let mut reader = reader(&hub, "a", Start::After(id.clone())).expect("room");
        reader.take_gap().is_some()
    };
    assert!(!has_gap());
    drop(live);
    assert!(has_gap(), "the tail has gone");
}

/// The data of the events of a batch.
fn data(read: ReadOutcome) -> Vec<String> {
    match read {
        ReadOutcome::Batch(batch) => {
            let entries = batch.entries().iter();
            entries.map(|entry| entry.event.data.clone()).collect()
        }
        other => panic!("expected events, got {other:?}"),
    }
}

#[test]
fn a_lagging_reader_of_a_pattern_is_sent_the_newest_event_of_a_topic_whatever_topics_share_it() {
    let hub = Hub::new(Limits {
        tail_bytes: 1,
        ..Limits::default()
    });
    let mut reader = lagging_reader(&hub, "t/*", LagPolicy::Latest);
    let in_both = PublishRequest {
        also_in: vec![topic("t/a")],
        ..text("1")
    };
    publish(&hub, "t/z", in_both).expect("taken");
    publish(&hub, "t/z", text("2")).expect("taken");
    publish(&hub, "t/b", text("3")).expect("taken");
    assert_eq!(data(reader.handle_lag()), ["2", "3"]);
}

#[test]
fn a_lagging_reader_of_a_pattern_is_not_sent_again_what_it_has_read() {
    let hub = Hub::new(Limits::default());
    let mut reader = lagging_reader(&hub, "t/*", LagPolicy::Latest);
    publish(&hub, "t/a", text("1")).expect("taken");
    assert_eq!(data(reader.read(1_000)), ["1"]);
    publish(&hub, "t/b", text("2")).expect("taken");
    publish(&hub, "t/b", text("3")).expect("taken");
    assert_eq!(data(reader.handle_lag()), ["3"]);
}

#[test]
fn a_lagging_reader_of_a_pattern_has_no_gap_if_one_event_waits_in_a_history() {
    let hub = Hub::new(Limits {
        tail_bytes: 1,
        ..Limits::default()
    });
    let mut reader = lagging_reader(&hub, "*", LagPolicy::Skip);
    publish(&hub, "a", text("1")).expect("taken");
    assert_eq!(data(reader.read(1_000)), ["1"]);
    publish(&hub, "a", text("2")).expect("taken");
    publish(&hub, "b", private("hidden")).expect("taken");
    assert_eq!(data(reader.handle_lag()), ["2"]);
}

#[test]
fn a_lagging_reader_of_a_pattern_has_no_gap_for_what_its_tail_still_has() {
    let hub = Hub::new(Limits {
        events: 1,
        ..Limits::default()
    });
    let mut reader = lagging_reader(&hub, "*", LagPolicy::Skip);
    publish(&hub, "a", private("evicted")).expect("taken");
    publish(&hub, "a", text("2")).expect("taken");
    assert_eq!(data(reader.handle_lag()), ["2"]);
}

#[test]
fn a_read_of_several_topics_is_just_as_large_as_it_may_be() {
    let hub = Hub::new(Limits::default());
    for name in ["a", "b", "c"] {
        publish(&hub, name, text("x")).expect("taken");
    }
    let wanted = |name| WantedTopic {
        topic: topic(name),
        with_private: false,
    };
    let subscription = Subscription {
        topics: ["a", "b", "c"].map(wanted).to_vec(),
        ..Subscription::public(topic("a"), Start::Earliest, LagPolicy::Disconnect)
    };
    let read = |max_bytes| {
        let mut reader = hub.subscribe(&subscription).expect("room");
        match reader.read(max_bytes) {
            ReadOutcome::Batch(batch) => (batch.entries().len(), batch.text_bytes()),
            other => panic!("expected events, got {other:?}"),
        }
    };
    let (count, bytes) = read(usize::MAX);
    assert_eq!(count, 3);
    assert_eq!(read(bytes).0, 3);
    assert_eq!(read(bytes - 1).0, 2);
    assert_eq!(read(1).0, 1);
}

#[test]
fn a_reader_of_one_topic_that_resumes_after_an_own_id_stands_at_it() {
    let hub = Hub::new(Limits::default());
    let own = EventId::new("own").expect("an id");
    let event = PublishRequest {
        id: Some(own.clone()),
        ..text("1")
    };
    publish(&hub, "a", event).expect("taken");
    let by_log_id = Start::After(hub.id(Offset::from_number(1)));
    for (start, position) in [
        (Start::After(own.clone()), own.clone()),
        (by_log_id, hub.id(Offset::from_number(1))),
    ] {
        let reader = reader(&hub, "a", start).expect("room");
        assert_eq!(reader.position(), position);
    }
}

#[test]
fn a_gap_ends_no_earlier_than_the_newest_loss_of_any_topic() {
    let hub = Hub::new(Limits {
        events: 1,
        tail_bytes: 1,
        ..Limits::default()
    });
    let wanted = |name| WantedTopic {
        topic: topic(name),
        with_private: false,
    };
    let subscription = Subscription {
        topics: ["a", "b"].map(wanted).to_vec(),
        ..Subscription::public(topic("a"), Start::Now, LagPolicy::Skip)
    };
    let mut reader = hub.subscribe(&subscription).expect("room");
    let in_both = PublishRequest {
        also_in: vec![topic("b")],
        ..text("1")
    };
    publish(&hub, "a", in_both).expect("taken");
    publish(&hub, "b", private("2")).expect("taken");
    let ReadOutcome::Gap(gap) = reader.handle_lag() else {
        panic!("one of the topics has lost an event");
    };
    assert_eq!(gap.resumed_from, hub.id(Offset::from_number(2)));
    assert!(matches!(reader.read(1_000), ReadOutcome::Nothing));
}
