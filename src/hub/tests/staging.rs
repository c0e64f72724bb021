//! Staging is not committing: what a log promises its hub, seen with a log that commits when a test lets it.

use super::*;

fn limits() -> Limits {
    Limits {
        events: 5,
        topics: 3,
        ..Limits::default()
    }
}

fn open() -> (Hub, Grouped) {
    <Grouped as Store>::open(limits())
}

pub(super) fn page() -> HistoryQuery {
    HistoryQuery {
        count: 100,
        max_bytes: usize::MAX,
        before: None,
        with_private: true,
    }
}

/// A request that a hub has taken and not answered yet.
pub(super) type Pending<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + 'a>>;

/// Makes a request, which stages what it publishes.
pub(super) fn pending<'a, T>(request: impl Future<Output = T> + 'a) -> Pending<'a, T> {
    let mut request: Pending<'a, T> = Box::pin(request);
    assert!(
        request.as_mut().now_or_never().is_none(),
        "an answer before the event is committed"
    );
    request
}

pub(super) fn answer<T>(request: Pending<'_, T>) -> T {
    request.now_or_never().expect("an answer")
}

pub(super) fn text(data: &str) -> PublishRequest {
    PublishRequest::text(data)
}

pub(super) fn own(id: &str) -> PublishRequest {
    PublishRequest {
        id: EventId::new(id).ok(),
        ..text(id)
    }
}

pub(super) fn after(id: &EventId) -> Preconditions {
    Preconditions {
        newest: Some(ExpectedNewest {
            with_private: false,
            one_of: Some(vec![id.clone()]),
        }),
        ..Preconditions::default()
    }
}

pub(super) fn keyed(key: &str) -> Preconditions {
    Preconditions {
        idempotency: Some(IdempotencyKey {
            key: key.to_owned(),
            publisher: 1,
        }),
        ..Preconditions::default()
    }
}

#[test]
fn a_staged_event_is_invisible_until_it_is_committed() {
    let (hub, log) = open();
    let a = topic("a");
    let mut reader = hub
        .subscribe(&Subscription::public(
            a.clone(),
            Start::Now,
            LagPolicy::Disconnect,
        ))
        .expect("a subscriber");
    let first = pending(hub.publish(&a, text("1"), Preconditions::default()));
    let second = pending(hub.publish(&a, text("2"), Preconditions::default()));
    let other = topic("b");
    let end = pending(hub.publish(&other, text("3"), Preconditions::default()));
    assert!(!reader.is_ready());
    assert!(matches!(reader.read(1), ReadOutcome::Nothing));
    let snapshot = hub.snapshot(&a, &page());
    assert!(snapshot.events.is_empty());
    assert_eq!(snapshot.last_event_id, hub.id(Offset::START));
    assert_eq!((hub.totals().published, hub.totals().bytes), (0, 0));
    assert_eq!(
        hub.topics(|_| Some(true)).len(),
        1,
        "the topic that is read"
    );
    let mut late = hub
        .subscribe(&Subscription::public(
            a.clone(),
            Start::Earliest,
            LagPolicy::Disconnect,
        ))
        .expect("a subscriber");
    assert!(matches!(late.read(1), ReadOutcome::Nothing));
    log.commit();
    let ids = [answer(first), answer(second), answer(end)].map(|answer| answer.expect("taken").id);
    assert_eq!(
        ids,
        [1, 2, 3].map(|number| hub.id(Offset::from_number(number)))
    );
    for reader in [&mut reader, &mut late] {
        let ReadOutcome::Batch(batch) = reader.read(1_000) else {
            panic!("a group is read at once");
        };
        assert_eq!(batch.entries().len(), 2);
    }
    assert_eq!(hub.totals().published, 3);
}

#[test]
fn a_group_wakes_its_readers_once() {
    struct Count(Mutex<usize>);
    impl watch::Watcher for Count {
        fn wake(&self, _: ChannelId, _: TopicChange) -> watch::Woken {
            *self.0.lock() += 1;
            watch::Woken::Nothing
        }
    }
    let (hub, log) = open();
    let a = topic("a");
    let reader = hub
        .subscribe(&Subscription::public(
            a.clone(),
            Start::Now,
            LagPolicy::Disconnect,
        ))
        .expect("a subscriber");
    let count = Arc::new(Count(Mutex::new(0)));
    let topic = reader.topics().next().expect("a topic");
    let listener: Arc<dyn watch::Watcher> = Arc::<Count>::clone(&count);
    let _listening = reader.listen(topic, listener);
    let requests: Vec<_> = (0..10)
        .map(|_| pending(hub.publish(&a, text("x"), Preconditions::default())))
        .collect();
    assert_eq!(*count.0.lock(), 0);
    log.commit();
    assert_eq!(*count.0.lock(), 1);
    for request in requests {
        answer(request).expect("taken");
    }
}

#[test]
fn a_commit_of_the_first_leaves_the_others_staged() {
    let (hub, log) = open();
    let a = topic("a");
    let first = pending(hub.publish(&a, text("1"), Preconditions::default()));
    let mut second = pending(hub.publish(&a, text("2"), Preconditions::default()));
    let committer = log.0.lock().committer.clone().expect("an open log");
    committer.commit(Offset::from_number(1));
    answer(first).expect("taken");
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(hub.snapshot(&a, &page()).events.len(), 1);
    committer.commit(Offset::from_number(1));
    assert!(second.as_mut().now_or_never().is_none());
    committer.commit(Offset::END);
    answer(second).expect("taken");
}

#[test]
fn what_is_staged_counts_for_later_publishers_and_is_answered_when_it_is_committed() {
    let (hub, log) = open();
    let a = topic("a");
    let first = pending(hub.publish(&a, own("x"), Preconditions::default()));
    // The second rests on the first, which is not committed yet.
    let x = EventId::new("x").expect("an id");
    let on_first = pending(hub.publish(&a, text("2"), after(&x)));
    let too_late = pending(hub.publish(&a, text("3"), after(&x)));
    let again = pending(hub.publish(&a, own("x"), Preconditions::default()));
    log.commit();
    answer(first).expect("taken");
    let second = answer(on_first).expect("taken").id;
    assert_eq!(answer(too_late), Err(PublishError::Moved(Some(second))));
    assert_eq!(answer(again), Err(PublishError::DuplicateId(x)));
    let private = PublishRequest {
        is_private: true,
        ..text("secret")
    };
    let newest = hub.snapshot(&a, &page()).last_event_id;
    let hidden = pending(hub.publish(&a, private, Preconditions::default()));
    let on_public = pending(hub.publish(&a, text("4"), after(&newest)));
    log.commit();
    answer(hidden).expect("taken");
    answer(on_public).expect("a private event does not count for this publisher");
}

#[test]
fn a_staged_end_ends_the_topic_for_later_publishers() {
    let (hub, log) = open();
    let a = topic("a");
    let first = pending(hub.publish(&a, text("1"), Preconditions::default()));
    let end = pending(hub.end(&a));
    let again = pending(hub.end(&a));
    let after_end = pending(hub.publish(&a, text("2"), Preconditions::default()));
    assert!(!hub.snapshot(&a, &page()).has_ended);
    log.commit();
    answer(first).expect("taken");
    answer(end).expect("ended");
    answer(again).expect("ended");
    assert_eq!(answer(after_end), Err(PublishError::Ended));
    assert_eq!(hub.totals().published, 2, "one end");
    assert_eq!(
        hub.end(&topic("b")).now_or_never(),
        Some(Err(UnknownTopic.into()))
    );
}

#[test]
fn a_repeated_request_is_answered_when_the_first_is_committed() {
    let (hub, log) = open();
    let a = topic("a");
    let first = pending(hub.publish(&a, text("1"), keyed("k")));
    let repeat = pending(hub.publish(&a, text("1"), keyed("k")));
    let reused = pending(hub.publish(&a, text("2"), keyed("k")));
    log.commit();
    let first = answer(first).expect("taken");
    let repeat = answer(repeat).expect("the first answer");
    assert_eq!((&repeat.id, repeat.is_repeat), (&first.id, true));
    assert_eq!(answer(reused), Err(PublishError::KeyReused));
    let next = pending(hub.publish(&a, text("3"), Preconditions::default()));
    let later = hub.publish(&a, text("1"), keyed("k")).now_or_never();
    assert!(
        later
            .expect("an answer at once")
            .expect("the first")
            .is_repeat,
        "although a later event is staged"
    );
    assert_eq!(hub.totals().published, 1);
    drop(next);
}

#[test]
fn staged_topics_count_against_the_most_that_there_may_be() {
    let (hub, log) = open();
    let names = ["a", "b", "c"].map(topic);
    let requests: Vec<_> = names
        .iter()
        .map(|name| pending(hub.publish(name, text("1"), Preconditions::default())))
        .collect();
    let fourth = topic("d");
    let refused = pending(hub.publish(&fourth, text("1"), Preconditions::default()));
    log.commit();
    for request in requests {
        answer(request).expect("taken");
    }
    assert_eq!(answer(refused), Err(PublishError::TooManyTopics));
}

#[test]
fn a_log_that_refuses_changes_nothing_and_takes_the_event_later() {
    let (hub, log) = open();
    let a = topic("a");
    log.refuse(true);
    let refused = hub.publish(&a, text("1"), keyed("k")).now_or_never();
    let Some(Err(PublishError::Unavailable(error))) = refused else {
        panic!("an answer at once: {refused:?}");
    };
    assert!(!error.fate_unknown);
    let end = hub.end(&a).now_or_never();
    assert_eq!(end, Some(Err(UnknownTopic.into())));
    log.refuse(false);
    let taken = pending(hub.publish(&a, text("1"), keyed("k")));
    log.commit();
    let taken = answer(taken).expect("taken");
    assert!(!taken.is_repeat, "the key was not remembered");
    assert_eq!(
        taken.id,
        hub.id(Offset::from_number(1)),
        "nor an offset used"
    );
    log.refuse(true);
    let end = hub.end(&a).now_or_never().expect("an answer at once");
    assert!(matches!(end, Err(EndError::Unavailable(_))));
}

#[test]
fn a_log_that_fails_loses_what_is_staged_and_says_that_its_fate_is_unknown() {
    let (hub, log) = open();
    let a = topic("a");
    let kept = pending(hub.publish(&a, text("kept"), Preconditions::default()));
    log.commit();
    let kept = answer(kept).expect("taken");
    let first = pending(hub.publish(&a, own("x"), keyed("k")));
    let end = pending(hub.end(&a));
    let repeat = pending(hub.publish(&a, own("x"), keyed("k")));
    log.fail();
    for failed in [answer(first), answer(repeat)] {
        let Err(PublishError::Unavailable(error)) = failed else {
            panic!("expected a failure, got {failed:?}");
        };
        assert!(error.fate_unknown);
    }
    assert!(matches!(answer(end), Err(EndError::Unavailable(_))));
    let snapshot = hub.snapshot(&a, &page());
    assert_eq!(snapshot.events.len(), 1);
    assert_eq!(snapshot.last_event_id, kept.id);
    // Neither the end nor the key is left; and no offset is used twice.
    let again = pending(hub.publish(&a, own("x"), keyed("k")));
    log.commit();
    let again = answer(again).expect("taken");
    assert!(!again.is_repeat);
    let offset = hub.snapshot(&a, &page()).events[1].offset;
    assert_eq!(offset, Offset::from_number(4));
}

#[test]
fn a_publisher_that_goes_away_does_not_take_its_event_along() {
    let (hub, log) = open();
    let a = topic("a");
    drop(pending(hub.publish(
        &a,
        text("1"),
        Preconditions::default(),
    )));
    log.commit();
    assert_eq!(hub.snapshot(&a, &page()).events.len(), 1);
}

#[test]
fn a_restart_has_what_was_committed_under_the_same_ids() {
    let (hub, log) = open();
    let a = topic("a");
    let committed: Vec<_> = (0..3)
        .map(|number| pending(hub.publish(&a, own(&number.to_string()), Preconditions::default())))
        .collect();
    log.commit();
    for request in committed {
        answer(request).expect("taken");
    }
    drop(pending(hub.publish(
        &a,
        text("lost"),
        Preconditions::default(),
    )));
    let before: Vec<_> = (0..=4)
        .map(|number| hub.id(Offset::from_number(number)))
        .collect();
    let mut epochs = position::Epochs::new(position::Epoch::new(&hub.epoch()).expect("a name"));
    epochs
        .begin(
            position::Epoch::new("second").expect("a name"),
            Offset::from_number(4),
        )
        .expect("a later epoch");
    let recovered = Recovered {
        epochs,
        newest: Offset::from_number(3),
        entries: log.committed(),
        evicted: Vec::new(),
        evicted_floor: Offset::START,
        keys: Vec::new(),
    };
    let log = Grouped::default();
    let hub = Hub::open(limits(), log.clone(), recovered);
    let resume = |id: &EventId| {
        let start = Start::After(id.clone());
        let subscription = Subscription::public(a.clone(), start, LagPolicy::Disconnect);
        let mut reader = hub.subscribe(&subscription).expect("a subscriber");
        let gap = reader.take_gap();
        let mut count = 0;
        while let ReadOutcome::Batch(batch) = reader.read(1) {
            count += batch.entries().len();
        }
        (gap.is_some(), count)
    };
    assert_eq!(
        resume(&before[1]),
        (false, 2),
        "an id from before the restart"
    );
    assert_eq!(
        resume(&EventId::new("1").expect("an id")),
        (false, 1),
        "an own id"
    );
    assert_eq!(resume(&before[3]), (false, 0));
    assert_eq!(
        resume(&before[4]),
        (true, 3),
        "an id of an event that was lost"
    );
    let again = hub.publish(&a, own("2"), Preconditions::default());
    let again = again.now_or_never().expect("an answer at once");
    assert!(matches!(again, Err(PublishError::DuplicateId(_))));
    let next = pending(hub.publish(&a, text("4"), Preconditions::default()));
    log.commit();
    let next = answer(next).expect("taken");
    assert_eq!(next.id.as_str(), "#second-4");
    assert_ne!(next.id, before[4]);
}

#[test]
fn a_reader_of_several_topics_reads_what_a_restart_has_recovered() {
    let (hub, log) = open();
    let names = ["a", "b"].map(topic);
    for name in &names {
        let published = pending(hub.publish(name, text("x"), Preconditions::default()));
        log.commit();
        answer(published).expect("taken");
    }
    let recovered = Recovered {
        newest: Offset::from_number(2),
        entries: log.committed(),
        ..MemoryLog::recovered()
    };
    let hub = Hub::open(limits(), Grouped::default(), recovered);
    let wanted = names.map(|topic| WantedTopic {
        topic,
        with_private: false,
    });
    let subscription = Subscription {
        topics: wanted.to_vec(),
        ..Subscription::public(topic("a"), Start::Earliest, LagPolicy::Disconnect)
    };
    let mut reader = hub.subscribe(&subscription).expect("a subscriber");
    let ReadOutcome::Batch(batch) = reader.read(1_000) else {
        panic!("the recovered events");
    };
    assert_eq!(batch.entries().len(), 2);
}

#[test]
fn a_hub_that_is_closed_fails_what_is_staged_and_takes_nothing_more() {
    let (hub, _) = open();
    let a = topic("a");
    let request = pending(hub.publish(&a, text("1"), Preconditions::default()));
    hub.close();
    assert!(matches!(answer(request), Err(PublishError::Unavailable(_))));
    let later = hub.publish(&a, text("2"), Preconditions::default());
    let later = later.now_or_never().expect("an answer at once");
    assert!(matches!(later, Err(PublishError::Unavailable(_))));
}
