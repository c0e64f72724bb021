//! Several hubs over one log: what a client can rely on whichever hub it talks to, and what a hub that lags behind the others
//! does.

use std::sync::atomic::AtomicUsize;

use super::super::pattern::Pattern;
use super::super::subscriber::WantedPattern;
use super::shared::SimulatedLog;
use super::staging::{Pending, after, answer, keyed, own, page, pending, text};
use super::*;

mod model;

type Receipt = Result<PublishReceipt, PublishError>;

/// A log, and hubs that share it.
fn open<const HUBS: usize>() -> (SimulatedLog, [Hub; HUBS]) {
    let log = SimulatedLog::default();
    let hubs = log.join_all(Limits::default());
    (log, hubs)
}

fn propose<'a>(
    hub: &'a Hub,
    topic: &'a Topic,
    publication: PublishRequest,
) -> Pending<'a, Receipt> {
    pending(hub.publish(topic, publication, Preconditions::default()))
}

/// Publishes, and waits until every hub has applied it.
fn send(log: &SimulatedLog, hub: &Hub, name: &str, publication: PublishRequest) -> PublishReceipt {
    let topic = topic(name);
    let request = propose(hub, &topic, publication);
    log.settle_all();
    answer(request).expect("a request that is taken")
}

fn publish(log: &SimulatedLog, hub: &Hub, name: &str, data: &str) -> EventId {
    send(log, hub, name, text(data)).id
}

fn end(log: &SimulatedLog, hub: &Hub, name: &str) {
    let topic = topic(name);
    let request = pending(hub.end(&topic));
    log.settle_all();
    answer(request).expect("an end");
}

fn subscription(name: &str, start: Start) -> Subscription {
    Subscription::public(topic(name), start, LagPolicy::Disconnect)
}

fn subscribe(hub: &Hub, name: &str, start: Start) -> Subscriber {
    hub.subscribe(&subscription(name, start))
        .expect("a subscriber")
}

fn subscribe_as(hub: &Hub, name: &str, slow_reader: LagPolicy) -> Subscriber {
    let subscription = Subscription::public(topic(name), Start::Now, slow_reader);
    hub.subscribe(&subscription).expect("a subscriber")
}

fn of_pattern(text: &str, start: Start) -> Subscription {
    Subscription {
        topics: Vec::new(),
        patterns: vec![WantedPattern {
            pattern: Pattern::new(text).expect("a pattern"),
            visibility: Visibility::Public,
        }],
        start,
        slow_reader: LagPolicy::Disconnect,
    }
}

fn subscribe_to_pattern(hub: &Hub, text: &str, start: Start) -> Subscriber {
    hub.subscribe(&of_pattern(text, start))
        .expect("a subscriber")
}

/// Everything that there is to read.
fn entries(reader: &mut Subscriber) -> Vec<Arc<Entry>> {
    std::iter::from_fn(|| match reader.read(100) {
        ReadOutcome::Batch(batch) => Some(batch.entries().to_vec()),
        ReadOutcome::Nothing => None,
        other => panic!("expected events, got {other:?}"),
    })
    .flatten()
    .collect()
}

fn data(reader: &mut Subscriber) -> Vec<String> {
    let entries = entries(reader);
    entries
        .iter()
        .map(|entry| entry.event.data.clone())
        .collect()
}

/// The next event, and no more.
fn next(reader: &mut Subscriber) -> String {
    match reader.read(1) {
        ReadOutcome::Batch(batch) if batch.entries().len() == 1 => {
            batch.entries()[0].event.data.clone()
        }
        other => panic!("expected an event, got {other:?}"),
    }
}

fn gap(read: ReadOutcome) -> Gap {
    match read {
        ReadOutcome::Gap(gap) => gap,
        other => panic!("expected a gap, got {other:?}"),
    }
}

fn snapshot(hub: &Hub, name: &str) -> Snapshot {
    hub.snapshot(&topic(name), &page())
}

fn kept(hub: &Hub, name: &str) -> Vec<String> {
    let events = snapshot(hub, name).events;
    events
        .iter()
        .map(|entry| entry.event.data.clone())
        .collect()
}

fn is_waiting<T>(request: &mut Pending<'_, T>) -> bool {
    request.as_mut().now_or_never().is_none()
}

#[test]
fn every_hub_has_every_event_in_one_order_under_one_id() {
    let (log, [a, b, c]) = open();
    let names = ["x", "y"].map(topic);
    let mut readers = [&a, &b, &c].map(|hub| subscribe_to_pattern(hub, "*", Start::Now));
    for round in 0..3 {
        let requests: Vec<_> = [&a, &b, &c, &b]
            .iter()
            .enumerate()
            .map(|(number, hub)| {
                let id = format!("{round} {number}");
                let publication = if number == 2 { own(&id) } else { text(&id) };
                propose(hub, &names[number % 2], publication)
            })
            .collect();
        log.settle_all();
        for request in requests {
            answer(request).expect("taken");
        }
    }
    let [seen, others @ ..] = readers.each_mut().map(|reader| {
        let entries = entries(reader);
        let seen = entries.iter().map(|entry| {
            let Entry {
                offset,
                topic,
                event,
                ..
            } = &**entry;
            (*offset, topic.clone(), event.id.clone(), event.data.clone())
        });
        seen.collect::<Vec<_>>()
    });
    assert_eq!(seen.len(), 12);
    assert!(seen.is_sorted_by_key(|(offset, ..)| *offset));
    assert!(others.iter().all(|other| *other == seen));
    // One that comes later has them too.
    let late = log.join(Limits::default());
    log.settle_all();
    let all = [&a, &late].map(|hub| snapshot(hub, "x"));
    assert_eq!(all[0].last_event_id, all[1].last_event_id);
    assert!(
        all[0]
            .events
            .iter()
            .map(|entry| &entry.event.id)
            .eq(all[1].events.iter().map(|entry| &entry.event.id))
    );
    assert_eq!(late.epoch(), a.epoch());
}

#[test]
fn a_reader_that_changes_hubs_misses_nothing_and_reads_nothing_twice_however_far_the_other_hub_is()
{
    let texts = ["1", "2", "3", "4", "5"];
    for read_first in 0..=texts.len() {
        for applied in 0..=texts.len() {
            for is_of_pattern in [false, true] {
                let (log, [a, b]) = open();
                let topic = topic("x");
                let open_at = |hub: &Hub, start| {
                    if is_of_pattern {
                        subscribe_to_pattern(hub, "x*", start)
                    } else {
                        subscribe(hub, "x", start)
                    }
                };
                let mut first = open_at(&a, Start::Now);
                let requests = texts.map(|data| propose(&a, &topic, text(data)));
                log.order();
                log.catch_up(0);
                log.apply(1, applied);
                for request in requests {
                    answer(request).expect("taken");
                }
                let mut seen: Vec<_> = (0..read_first).map(|_| next(&mut first)).collect();
                let position = first.position();
                drop(first);
                let mut second = open_at(&b, Start::After(position.clone()));
                assert_eq!(second.position(), position);
                seen.extend(data(&mut second));
                assert_eq!(seen.len(), applied.max(read_first));
                log.catch_up(1);
                assert_eq!(
                    second.is_ready(),
                    seen.len() < texts.len() || applied < read_first
                );
                seen.extend(data(&mut second));
                assert_eq!(seen, texts, "{read_first} {applied}");
                assert!(!second.is_ready());
            }
        }
    }
}

#[test]
fn a_reader_that_has_read_the_end_of_a_topic_elsewhere_does_not_wait_for_it() {
    run(async {
        let (log, [a, b]) = open();
        let names = ["x", "y"].map(topic);
        let mut both = subscription("x", Start::Now);
        both.topics.push(WantedTopic {
            topic: topic("y"),
            with_private: false,
        });
        let mut first = a.subscribe(&both).expect("a subscriber");
        let requests = names.each_ref().map(|topic| pending(a.end(topic)));
        log.order();
        log.catch_up(0);
        for request in requests {
            answer(request).expect("an end");
        }
        let ended = entries_to_the_end(&mut first);
        assert_eq!(ended, ["x", "y"]);
        both.start = Start::After(first.position());
        let mut second = b.subscribe(&both).expect("the end is not here yet");
        assert!(matches!(second.read(1), ReadOutcome::Nothing));
        let mut waits = Box::pin(second.ready());
        assert!(waits.as_mut().now_or_never().is_none());
        log.apply(1, 1);
        assert!(waits.as_mut().now_or_never().is_none(), "one goes on");
        log.catch_up(1);
        waits.await;
        assert!(matches!(second.read(1), ReadOutcome::End));
        assert_eq!(b.subscribers(&names[0]), 0);
        assert!(matches!(b.subscribe(&both), Err(SubscribeError::Ended)));
    });
}

/// What a reader reads until all its topics have ended.
fn entries_to_the_end(reader: &mut Subscriber) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        match reader.read(1) {
            ReadOutcome::Batch(batch) => {
                seen.extend(batch.entries().iter().map(|entry| entry.event.data.clone()));
            }
            ReadOutcome::End => return seen,
            other => panic!("expected the end, got {other:?}"),
        }
    }
}

#[test]
fn a_publisher_is_answered_when_its_own_hub_shows_the_event() {
    let (log, [a, b]) = open();
    let x = topic("x");
    let mut request = propose(&a, &x, text("1"));
    log.order();
    assert!(is_waiting(&mut request));
    log.catch_up(1);
    assert_eq!(kept(&b, "x"), ["1"]);
    assert!(is_waiting(&mut request), "its own hub does not have it yet");
    assert!(kept(&a, "x").is_empty());
    log.catch_up(0);
    let id = answer(request).expect("taken").id;
    assert_eq!(snapshot(&a, "x").events[0].event.id, id);
    let mut ahead = propose(&b, &x, text("2"));
    log.order();
    log.catch_up(0);
    assert!(is_waiting(&mut ahead));
    log.catch_up(1);
    answer(ahead).expect("taken");
}

#[test]
fn of_two_publishers_with_one_condition_exactly_one_wins_at_whichever_hubs_they_are() {
    for winner_at in [0, 1] {
        let (log, hubs) = open::<2>();
        let x = topic("x");
        let first = publish(&log, &hubs[0], "x", "1");
        let winner = &hubs[winner_at];
        let loser = &hubs[1 - winner_at];
        let won = pending(winner.publish(&x, text("won"), after(&first)));
        let mut lost = pending(loser.publish(&x, text("lost"), after(&first)));
        log.order();
        log.catch_up(winner_at);
        let won = answer(won).expect("taken").id;
        log.order();
        assert!(is_waiting(&mut lost), "its hub does not know yet why");
        log.settle_all();
        assert_eq!(answer(lost), Err(PublishError::Moved(Some(won.clone()))));
        for hub in &hubs {
            assert_eq!(kept(hub, "x"), ["1", "won"]);
        }
        let next = pending(loser.publish(&x, text("next"), after(&won)));
        log.settle_all();
        answer(next).expect("taken");
    }
}

#[test]
fn a_condition_holds_although_what_the_publisher_does_not_see_has_come_in_between() {
    let (log, [a, b]) = open();
    let x = topic("x");
    let first = publish(&log, &a, "x", "1");
    let hidden = propose(&b, &x, private("secret"));
    let on_public = pending(a.publish(&x, text("2"), after(&first)));
    log.settle_all();
    answer(hidden).expect("taken");
    answer(on_public).expect("checked again, and found to hold");
}

#[test]
fn one_key_at_two_hubs_is_one_event_with_one_id() {
    for is_strict in [false, true] {
        let (log, [a, b]) = open();
        let x = topic("x");
        let base = publish(&log, &a, "x", "1");
        let conditions = || Preconditions {
            newest: after(&base).newest.filter(|_| is_strict),
            ..keyed("k")
        };
        let first = pending(a.publish(&x, text("2"), conditions()));
        let second = pending(b.publish(&x, text("2"), conditions()));
        let other = pending(b.publish(&x, text("3"), keyed("k")));
        let elsewhere = topic("y");
        let of_other_topic = pending(b.publish(&elsewhere, text("2"), keyed("k")));
        log.settle_all();
        let [first, second] = [first, second].map(|request| answer(request).expect("taken"));
        assert_eq!(first.id, second.id);
        assert_eq!([first.is_repeat, second.is_repeat], [false, true]);
        assert_eq!(answer(other), Err(PublishError::KeyReused));
        assert!(!answer(of_other_topic).expect("taken").is_repeat);
        for hub in [&a, &b] {
            assert_eq!(kept(hub, "x"), ["1", "2"]);
            let later = hub.publish(&x, text("2"), conditions()).now_or_never();
            let later = later.expect("an answer at once").expect("the first");
            assert_eq!((later.id, later.is_repeat), (first.id.clone(), true));
        }
        // A hub that comes later knows the key too.
        let late = log.join(Limits::default());
        log.settle_all();
        let later = late.publish(&x, text("2"), conditions()).now_or_never();
        assert!(later.expect("at once").expect("the first").is_repeat);
    }
}

#[test]
fn one_own_id_at_two_hubs_is_refused_to_one() {
    let (log, [a, b]) = open();
    let [x, y] = ["x", "y"].map(topic);
    let duplicate = Err(PublishError::DuplicateId(own("7").id.expect("an id")));
    let first = propose(&a, &x, own("7"));
    let second = propose(&b, &x, own("7"));
    let of_other_topic = propose(&b, &y, own("7"));
    log.settle_all();
    answer(first).expect("taken");
    answer(of_other_topic).expect("taken");
    assert_eq!(answer(second), duplicate);
    let at_once = b.publish(&x, own("7"), Preconditions::default());
    assert_eq!(at_once.now_or_never(), Some(duplicate));
    // An id belongs to all topics of its event.
    let of_both = || PublishRequest {
        also_in: vec![topic("y")],
        ..own("8")
    };
    let duplicate = Err(PublishError::DuplicateId(own("8").id.expect("an id")));
    let first = propose(&a, &x, of_both());
    let second = propose(&b, &y, own("8"));
    let third = propose(&b, &y, of_both());
    log.settle_all();
    answer(first).expect("taken");
    assert_eq!(
        [answer(second), answer(third)],
        [duplicate.clone(), duplicate]
    );
    for hub in [&a, &b] {
        assert_eq!((kept(hub, "x").len(), kept(hub, "y").len()), (2, 2));
    }
}

#[test]
fn what_comes_after_an_end_is_refused_to_its_publisher_and_shown_nowhere() {
    let (log, [a, b]) = open();
    let [x, y] = ["x", "y"].map(topic);
    publish(&log, &a, "x", "1");
    publish(&log, &a, "y", "1");
    let mut readers = [&a, &b].map(|hub| subscribe(hub, "x", Start::Now));
    let ended = pending(a.end(&x));
    let mut late = propose(&b, &x, text("late"));
    let of_both = PublishRequest {
        also_in: vec![topic("x")],
        ..text("late in both")
    };
    let late_in_both = propose(&b, &y, of_both);
    let again = pending(b.end(&x));
    log.order();
    log.catch_up(0);
    answer(ended).expect("an end");
    assert!(is_waiting(&mut late), "its hub does not have the end yet");
    log.settle_all();
    assert_eq!(answer(late), Err(PublishError::Ended));
    assert_eq!(answer(late_in_both), Err(PublishError::Ended));
    answer(again).expect("ended all the same");
    for (hub, reader) in [&a, &b].into_iter().zip(&mut readers) {
        assert!(snapshot(hub, "x").has_ended);
        assert_eq!(kept(hub, "x"), ["1", "x"]);
        assert_eq!(kept(hub, "y"), ["1"]);
        assert_eq!(entries_to_the_end(reader), ["x"]);
    }
    // The other way around, both are taken.
    let early = propose(&b, &y, text("early"));
    let ended = pending(a.end(&y));
    log.settle_all();
    answer(early).expect("taken");
    answer(ended).expect("an end");
    assert_eq!(kept(&a, "y"), ["1", "early", "y"]);
}

#[test]
fn a_topic_that_one_hub_has_forgotten_begins_anew_at_the_others_too() {
    run(async {
        let (log, [a, b]) = open();
        let x = topic("x");
        let mut stale = subscribe(&b, "x", Start::Now);
        publish(&log, &a, "x", "old");
        end(&log, &a, "x");
        tokio::time::advance(Limits::default().age + Duration::from_secs(1)).await;
        // Its end has expired, and at this hub nobody reads it.
        assert!(!snapshot(&a, "x").has_ended);
        publish(&log, &a, "x", "new");
        for hub in [&a, &b] {
            let snapshot = snapshot(hub, "x");
            assert_eq!((snapshot.has_ended, snapshot.events.len()), (false, 1));
        }
        let more = propose(&b, &x, text("more"));
        log.settle_all();
        answer(more).expect("the topic goes on");
        let mut late = subscribe(&b, "x", Start::Earliest);
        assert_eq!(data(&mut late), ["new", "more"]);
        while matches!(stale.read(1), ReadOutcome::Batch(_)) {}
    });
}

#[test]
fn private_and_ephemeral_events_reach_at_every_hub_who_they_are_for() {
    let (log, [a, b]) = open();
    let mut public = [&a, &b].map(|hub| subscribe(hub, "x", Start::Now));
    let granted = |start| Subscription {
        topics: vec![WantedTopic {
            topic: topic("x"),
            with_private: true,
        }],
        ..subscription("x", start)
    };
    let mut trusted = [&a, &b].map(|hub| hub.subscribe(&granted(Start::Now)).expect("a reader"));
    send(&log, &a, "x", private("secret"));
    send(&log, &b, "x", ephemeral("typing"));
    publish(&log, &a, "x", "1");
    for reader in &mut public {
        assert_eq!(data(reader), ["typing", "1"]);
    }
    for reader in &mut trusted {
        assert_eq!(data(reader), ["secret", "typing", "1"]);
    }
    for hub in [&a, &b] {
        let mut late = hub.subscribe(&granted(Start::Earliest)).expect("a reader");
        assert_eq!(data(&mut late), ["secret", "1"]);
        assert_eq!(data(&mut subscribe(hub, "x", Start::Earliest)), ["1"]);
        let public = HistoryQuery {
            with_private: false,
            ..page()
        };
        assert_eq!(hub.snapshot(&topic("x"), &public).events.len(), 1);
    }
}

#[test]
fn an_event_of_several_topics_reaches_the_readers_of_each_once_at_every_hub() {
    let (log, [a, b]) = open();
    let mut readers: Vec<_> = [&a, &b]
        .into_iter()
        .flat_map(|hub| {
            let both = Subscription {
                topics: ["x", "y"]
                    .map(|name| WantedTopic {
                        topic: topic(name),
                        with_private: false,
                    })
                    .to_vec(),
                ..subscription("x", Start::Now)
            };
            [
                subscribe(hub, "x", Start::Now),
                subscribe(hub, "y", Start::Now),
                subscribe_to_pattern(hub, "*", Start::Now),
                hub.subscribe(&both).expect("a subscriber"),
            ]
        })
        .collect();
    log.tell_subscribers();
    let in_both = PublishRequest {
        also_in: vec![topic("y"), topic("x")],
        ..text("both")
    };
    let receipt = send(&log, &a, "x", in_both);
    // A reader of two topics counts as one of each.
    assert_eq!(receipt.subscribers, 10);
    for reader in &mut readers {
        assert_eq!(data(reader), ["both"]);
    }
    for hub in [&a, &b] {
        assert_eq!((kept(hub, "x").len(), kept(hub, "y").len()), (1, 1));
    }
}

/// Counts how often it is told of another number of subscribers.
#[derive(Default)]
struct Counts(AtomicUsize);

impl watch::Watcher for Counts {
    fn wake(&self, _: ChannelId, change: TopicChange) -> watch::Woken {
        if change == TopicChange::Subscribers {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        watch::Woken::Nothing
    }
}

fn count(reader: &Subscriber) -> (Arc<Counts>, watch::WatchGuard) {
    let counts = Arc::<Counts>::default();
    let id = reader.topics().next().expect("a topic");
    let watcher: Arc<dyn watch::Watcher> = Arc::<Counts>::clone(&counts);
    let guard = reader.listen(id, watcher).expect("it goes on");
    guard.count_subscribers();
    (counts, guard)
}

#[test]
fn subscribers_of_all_hubs_add_up() {
    let (log, [a, b, c]) = open();
    let x = topic("x");
    publish(&log, &a, "x", "1");
    let at_a = subscribe(&a, "x", Start::Now);
    let of_pattern = subscribe_to_pattern(&a, "x*", Start::Now);
    let (told, _listening) = count(&at_a);
    let (pattern_told, _also_listening) = count(&of_pattern);
    let at_b = [(); 2].map(|()| subscribe(&b, "x", Start::Now));
    let at_c = subscribe_to_pattern(&c, "x*", Start::Now);
    log.tell_subscribers();
    assert_eq!(told.0.load(Ordering::Relaxed), 1);
    assert_eq!(pattern_told.0.load(Ordering::Relaxed), 1);
    log.tell_subscribers();
    assert_eq!(told.0.load(Ordering::Relaxed), 1, "nothing has changed");
    assert_eq!(counts(&at_a), [("x", 3)]);
    assert_eq!(counts(&at_b[0]), [("x", 3)]);
    assert_eq!(counts(&of_pattern), [], "a pattern is not counted");
    for (hub, key) in [(&a, "a"), (&b, "b"), (&c, "c")] {
        assert_eq!(hub.subscribers(&x), 3);
        assert_eq!(snapshot(hub, "x").subscribers, 3);
        assert_eq!(hub.topics(|_| Some(true))[0].subscribers, 3);
        assert_eq!(send(&log, hub, "x", text("2")).subscribers, 5);
        let receipt = pending(hub.publish(&x, text("3"), keyed(key)));
        log.settle_all();
        assert_eq!(answer(receipt).expect("taken").subscribers, 5);
    }
    drop((at_b, at_c));
    log.tell_subscribers();
    assert_eq!(told.0.load(Ordering::Relaxed), 2);
    assert_eq!(counts(&at_a), [("x", 1)]);
    assert_eq!(c.subscribers(&x), 1);
    assert_eq!(send(&log, &c, "x", text("4")).subscribers, 2);
    // A reader that comes when others are known of counts them from the start on.
    let late = subscribe(&b, "x", Start::Now);
    assert_eq!(counts(&late), [("x", 2)]);
}

fn counts(subscriber: &Subscriber) -> Vec<(&str, usize)> {
    let counts = subscriber.consumers();
    counts
        .map(|(topic, count)| (topic.as_str(), count))
        .collect()
}

#[test]
fn a_topic_that_has_subscribers_at_another_hub_only_exists_at_every_hub() {
    let (log, [a, b]) = open();
    let x = topic("x");
    let _reader = subscribe(&b, "x", Start::Now);
    assert!(a.topics(|_| Some(false)).is_empty());
    assert_eq!(a.end(&x).now_or_never(), Some(Err(UnknownTopic.into())));
    log.tell_subscribers();
    for hub in [&a, &b] {
        let listed = hub.topics(|_| Some(false));
        assert_eq!(listed.len(), 1);
        let TopicSummary {
            topic,
            events,
            subscribers,
            published_at,
            has_ended,
        } = &listed[0];
        assert_eq!((topic, *events, *subscribers), (&x, 0, 1));
        assert_eq!((*published_at, *has_ended), (None, false));
    }
    assert!(a.topics(|_| None).is_empty(), "to none that may not know");
    end(&log, &a, "x");
    assert!(snapshot(&b, "x").has_ended);
}

#[test]
fn a_loss_is_told_to_those_that_miss_something() {
    let (log, [a, b]) = open();
    let id = publish(&log, &a, "x", "1");
    let old = publish(&log, &a, "x", "2");
    let policies = [LagPolicy::Disconnect, LagPolicy::Skip, LagPolicy::Latest];
    let mut behind = policies.map(|policy| subscribe_as(&a, "x", policy));
    let mut up_to_date = policies.map(|policy| subscribe_as(&a, "x", policy));
    let mut several = subscription("x", Start::Now);
    several.topics.push(WantedTopic {
        topic: topic("y"),
        with_private: false,
    });
    several.slow_reader = LagPolicy::Skip;
    let mut of_both = a.subscribe(&several).expect("a subscriber");
    let mut of_pattern = subscribe_to_pattern(&a, "*", Start::Now);
    let lost = publish(&log, &a, "x", "lost");
    for reader in &mut up_to_date {
        assert_eq!(data(reader), ["lost"]);
    }
    let epoch = a.epoch();
    let kept_through = log.offsets()[1];
    log.lose_after(kept_through, "second");
    assert!(up_to_date.iter().all(|reader| !reader.is_ready()));
    log.catch_up(0);
    log.catch_up(1);
    assert_ne!(a.epoch(), epoch);
    assert_eq!(a.epoch(), b.epoch());
    assert!(behind.iter().all(Subscriber::is_ready));
    let [disconnected, skipping, latest] = &mut behind;
    assert!(matches!(disconnected.read(1), ReadOutcome::TooSlow));
    let skipped = gap(skipping.read(1));
    assert_eq!(skipped.resumed_from, skipping.position());
    assert!(matches!(latest.read(1), ReadOutcome::Nothing));
    gap(of_both.read(1));
    assert!(matches!(of_pattern.read(1), ReadOutcome::TooSlow));
    let mut resumed: Vec<_> = [&a, &b]
        .into_iter()
        .flat_map(|hub| {
            [
                subscribe(hub, "x", Start::After(id.clone())),
                subscribe(hub, "x", Start::After(old.clone())),
                subscribe_to_pattern(hub, "*", Start::After(old.clone())),
            ]
        })
        .collect();
    for reader in &mut resumed {
        gap(reader.read(1));
        assert!(matches!(reader.read(1), ReadOutcome::Nothing));
    }
    // What a topic that is new to the hub may have lost is not known either.
    gap(subscribe(&b, "z", Start::After(old.clone())).read(1));
    let starts = [Start::Now, Start::Earliest, Start::Last(9)];
    let mut new: Vec<_> = [&a, &b]
        .into_iter()
        .flat_map(|hub| {
            let of_topic = starts.clone().map(|start| subscribe(hub, "x", start));
            let of_pattern = starts.clone();
            let of_pattern = of_pattern.map(|start| subscribe_to_pattern(hub, "*", start));
            of_topic.into_iter().chain(of_pattern)
        })
        .collect();
    for reader in &mut new {
        assert!(matches!(reader.read(1), ReadOutcome::Nothing));
    }
    assert!(kept(&a, "x").is_empty());
    assert_eq!((a.totals().bytes, b.totals().bytes), (0, 0));
    let new_id = publish(&log, &b, "x", "new");
    assert!(new_id.as_str().starts_with("#second-"));
    let readers = up_to_date.iter_mut().chain(&mut new).chain(&mut resumed);
    for reader in readers.chain([skipping, latest, &mut of_both]) {
        assert_eq!(data(reader), ["new"]);
    }
    assert!(log.offsets().is_sorted());
    let offset = a.offset(&new_id).expect("a known id");
    assert!(a.offset(&lost).is_none_or(|lost| lost < offset));
    assert_eq!(kept(&b, "x"), ["new"]);
}

#[test]
fn a_hub_that_lags_tells_its_readers_of_what_it_will_never_get() {
    for applies_what_is_left in [false, true] {
        let (log, [a, b]) = open();
        let x = topic("x");
        let policies = [LagPolicy::Disconnect, LagPolicy::Skip];
        let [mut disconnected, mut skipping] = policies.map(|policy| subscribe_as(&b, "x", policy));
        let requests = ["1", "2", "3"].map(|data| propose(&a, &x, text(data)));
        log.order();
        log.catch_up(0);
        let ids = requests.map(|request| answer(request).expect("taken").id);
        // This reader has read at the other hub what is lost here, and that one half of it.
        let mut resumed = subscribe(&b, "x", Start::After(ids[2].clone()));
        let mut half = subscribe(&b, "x", Start::After(ids[1].clone()));
        for reader in [&mut resumed, &mut half] {
            assert!(matches!(reader.read(1), ReadOutcome::Nothing));
        }
        log.lose_after(log.offsets()[0], "second");
        if applies_what_is_left {
            log.apply(1, 1);
            assert_eq!(data(&mut skipping), ["1"]);
        }
        log.catch_up(1);
        assert!(matches!(disconnected.read(1), ReadOutcome::TooSlow));
        gap(skipping.read(1));
        assert!(matches!(half.read(1), ReadOutcome::TooSlow));
        log.catch_up(0);
        publish(&log, &a, "x", "new");
        assert_eq!(data(&mut skipping), ["new"]);
        // It has missed nothing but what the log says may be missing up to there.
        match resumed.read(1) {
            ReadOutcome::TooSlow => {}
            other => panic!("expected that it comes back, got {other:?}"),
        }
        gap(subscribe(&b, "x", Start::After(ids[2].clone())).read(1));
    }
}

#[test]
fn ids_of_events_that_the_log_has_lost_stand_for_no_other_event() {
    let (log, [a, b]) = open();
    let kept_id = publish(&log, &a, "x", "kept");
    let lost = publish(&log, &a, "x", "lost");
    let applied = [&a, &b].map(Hub::committed);
    log.lose_after(log.offsets()[0], "second");
    log.catch_up(0);
    log.catch_up(1);
    for (hub, before) in [&a, &b].into_iter().zip(applied) {
        assert!(hub.committed() >= before);
    }
    let new = publish(&log, &b, "x", "new");
    assert!(![&kept_id, &lost].contains(&&new));
    // The log may also say that nothing from the first lost event on is known any more.
    let mut epochs = Epochs::new(position::Epoch::new("first").expect("a name"));
    let third = position::Epoch::new("third").expect("a name");
    let first_lost = a.offset(&lost).expect("an offset");
    epochs.begin(third, first_lost).expect("a name of its own");
    let newest = a.committed();
    log.follower(0).lose_through(Offset::START);
    log.follower(0).begin(epochs);
    assert_eq!(a.committed(), newest, "offsets never go back");
    assert_eq!(a.offset(&lost), None);
    assert!(a.offset(&kept_id).is_some());
    for id in [lost, new, kept_id] {
        gap(subscribe(&a, "x", Start::After(id)).read(1));
    }
}

#[test]
fn a_topic_whose_end_is_lost_goes_on() {
    let (log, [a, b]) = open();
    publish(&log, &a, "x", "1");
    let mut reader = subscribe_as(&b, "x", LagPolicy::Skip);
    end(&log, &a, "x");
    log.lose_after(log.offsets()[0], "second");
    log.settle_all();
    gap(reader.read(1));
    publish(&log, &b, "x", "2");
    assert_eq!(data(&mut reader), ["2"]);
    assert!(!snapshot(&a, "x").has_ended);
}

#[test]
fn offsets_never_go_back_although_a_log_says_so() {
    let (log, [a, _]) = open::<2>();
    publish(&log, &a, "x", "1");
    let newest = a.committed();
    log.follower(0).apply(Vec::new(), Offset::FIRST);
    assert_eq!(a.committed(), newest);
    log.follower(0).apply(Vec::new(), newest.next());
    assert_eq!(a.committed(), newest.next());
}

#[test]
fn the_fate_of_a_proposal_that_the_log_has_dropped_is_unknown() {
    let (log, [a, b]) = open();
    let x = topic("x");
    publish(&log, &a, "x", "1");
    let publication = pending(a.publish(&x, text("2"), keyed("k")));
    let end = pending(a.end(&x));
    let submitted = a.submit(&x, text("3"), Preconditions::default());
    let mut submitted = submitted.now_or_never().expect("proposed");
    log.drop_proposals();
    let Err(PublishError::Unavailable(failure)) = answer(publication) else {
        panic!("nobody knows what has become of it");
    };
    assert!(failure.fate_unknown);
    let Err(EndError::Unavailable(failure)) = answer(end) else {
        panic!("nobody knows what has become of it");
    };
    assert!(failure.fate_unknown);
    let committed = submitted.committed().now_or_never().expect("at once");
    assert!(committed.is_err_and(|failure| failure.fate_unknown));
    let receipt = submitted.receipt().now_or_never().expect("at once");
    assert!(matches!(receipt, Err(PublishError::Unavailable(_))));
    // Under its key, the request can be repeated anywhere.
    let again = pending(b.publish(&x, text("2"), keyed("k")));
    log.settle_all();
    assert!(!answer(again).expect("taken").is_repeat);
    // One that was placed and is lost before its hub has it.
    let placed = propose(&a, &x, text("3"));
    log.order();
    log.lose_after(Offset::START, "second");
    log.settle_all();
    let Err(PublishError::Unavailable(failure)) = answer(placed) else {
        panic!("nobody knows what has become of it");
    };
    assert!(failure.fate_unknown);
}

#[test]
fn a_publisher_waits_while_the_log_has_no_room() {
    let log = SimulatedLog::new(0, 4_000);
    let [a, b] = log.join_all(Limits::default());
    let x = topic("x");
    let large = || text(&"x".repeat(1_000));
    let mut first = propose(&a, &x, large());
    let mut second = propose(&a, &x, large());
    assert_eq!(log.proposals(), 1);
    let elsewhere = propose(&b, &x, large());
    assert_eq!(log.proposals(), 2, "every hub has room of its own");
    log.order();
    assert!(is_waiting(&mut second), "the first has not been answered");
    log.settle_all();
    assert!(!is_waiting(&mut first));
    assert_eq!(log.proposals(), 0);
    assert!(is_waiting(&mut second));
    assert_eq!(log.proposals(), 1);
    // One that gives up makes room for the next.
    let gives_up = propose(&a, &x, large());
    let too_large = || text(&"x".repeat(10_000));
    let mut largest = propose(&a, &x, too_large());
    assert_eq!(log.proposals(), 1);
    log.settle_all();
    answer(second).expect("taken");
    drop(gives_up);
    assert!(is_waiting(&mut largest));
    assert_eq!(
        log.proposals(),
        1,
        "alone, it is taken although it is larger than the room"
    );
    let mut last = propose(&a, &x, text("last"));
    log.settle_all();
    answer(largest).expect("taken");
    answer(elsewhere).expect("taken");
    assert!(is_waiting(&mut last));
    log.settle_all();
    answer(last).expect("taken");
    assert_eq!(kept(&b, "x").len(), 5);
}

#[test]
fn a_hub_that_is_closed_fails_what_it_has_proposed_and_the_others_go_on() {
    let log = SimulatedLog::new(0, 2_000);
    let [a, b] = log.join_all(Limits::default());
    let x = topic("x");
    let first = publish(&log, &a, "x", "1");
    let placed = propose(&b, &x, text("2"));
    log.order();
    let failed = propose(&a, &x, text("3"));
    let waits = propose(&a, &x, text("4"));
    a.close();
    for request in [failed, waits] {
        let Err(PublishError::Unavailable(failure)) = answer(request) else {
            panic!("a hub that is closed takes nothing");
        };
        assert!(!failure.fate_unknown);
    }
    assert!(a.health().is_err() && !a.totals().is_ready);
    log.settle_all();
    answer(placed).expect("taken");
    assert_eq!(kept(&a, "x"), ["1", "2"], "it still reads");
    drop(a);
    publish(&log, &b, "x", "5");
    assert_eq!(
        log.follower(0).applied(),
        Offset::START,
        "there is no such hub"
    );
    let mut reader = subscribe(&b, "x", Start::After(first));
    assert_eq!(data(&mut reader), ["2", "5"]);
}

#[test]
fn a_waiting_reader_is_woken_by_what_is_published_at_another_hub() {
    run(async {
        let (log, [a, b]) = open();
        let mut reader = subscribe(&b, "x", Start::Now);
        let waits = tokio::spawn(async move {
            reader.ready().await;
            data(&mut reader)
        });
        tokio::task::yield_now().await;
        publish(&log, &a, "x", "1");
        assert_eq!(waits.await.expect("the reader"), ["1"]);
    });
}

#[test]
fn a_large_event_stays_although_offsets_without_an_event_come_after_it() {
    let log = SimulatedLog::new(5, 1 << 20);
    let limits = Limits {
        bytes: 40_000,
        ..Limits::default()
    };
    let hub = log.join(limits);
    publish(&log, &hub, "small", "1");
    for _ in 0..100 {
        publish(&log, &hub, "small", "1");
    }
    hub.retain();
    send(&log, &hub, "large", text(&"x".repeat(30_000)));
    hub.retain();
    assert_eq!(kept(&hub, "large").len(), 1);
}

#[test]
fn publishers_at_two_hubs_at_once_lose_and_reorder_nothing() {
    const EVENTS: usize = 200;
    let (log, [a, b]) = open::<2>();
    let mut readers = [&a, &b].map(|hub| subscribe_to_pattern(hub, "*", Start::Now));
    std::thread::scope(|scope| {
        for (publisher, hub) in [&a, &b, &a, &b].into_iter().enumerate() {
            let log = &log;
            scope.spawn(move || {
                let topic = topic(&format!("{publisher}"));
                for number in 0..EVENTS {
                    let publication = own(&format!("{publisher} {number}"));
                    let mut request =
                        Box::pin(hub.publish(&topic, publication, Preconditions::default()));
                    let receipt = loop {
                        if let Some(answer) = request.as_mut().now_or_never() {
                            break answer;
                        }
                        log.settle_all();
                    };
                    receipt.expect("taken");
                    let newest = kept(hub, topic.as_str()).pop();
                    assert_eq!(newest, Some(format!("{publisher} {number}")));
                }
            });
        }
    });
    let seen = readers.each_mut().map(data);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].len(), 4 * EVENTS);
    for publisher in 0..4 {
        let of_publisher = |text: &&String| text.starts_with(&format!("{publisher} "));
        let own: Vec<_> = seen[0].iter().filter(of_publisher).collect();
        let expected = (0..EVENTS).map(|number| format!("{publisher} {number}"));
        assert!(own.into_iter().cloned().eq(expected));
    }
}
