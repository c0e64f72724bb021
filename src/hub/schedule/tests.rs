//! The schedule over memory, and over a simulated disk that is cut off at any moment.

use std::collections::{BTreeMap, BTreeSet};

use super::super::log::disk::simulated::{Faults, SimulatedDisk};
use super::super::log::disk::tests::SteppedLog;
use super::super::{HistoryQuery, Limits};
use super::wall_clock::Stopped;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a topic")
}

fn request(data: &str, when: When) -> ScheduleRequest {
    ScheduleRequest {
        topic: topic("kitchen"),
        publication: PublishRequest::text(data),
        when,
        publisher: 1,
        key: None,
    }
}

fn with_key(data: &str, key: &str) -> ScheduleRequest {
    ScheduleRequest {
        key: Some(key.to_owned()),
        ..request(data, When::In(MINUTE))
    }
}

fn limits() -> Limits {
    Limits {
        events: 1_000_000,
        bytes: 1 << 30,
        ..Limits::default()
    }
}

/// What a topic has, oldest first.
fn published(hub: &Hub, name: &str) -> Vec<String> {
    let page = HistoryQuery {
        count: usize::MAX,
        max_bytes: usize::MAX,
        before: None,
        with_private: true,
    };
    let snapshot = hub.snapshot(&topic(name), &page);
    let data = snapshot.events.iter().map(|entry| entry.event.data.clone());
    data.collect()
}

async fn listed(schedule: &Schedule) -> Vec<String> {
    let scheduled = schedule.of_topic(&topic("kitchen")).await;
    let data = scheduled.iter().map(|one| one.publication.data.clone());
    data.collect()
}

async fn publish_due(schedule: &Schedule, hub: &Hub) -> Option<Duration> {
    schedule.0.state.lock().await.publish_due(hub).await
}

/// The same over a log that commits when it is told to.
async fn publish_due_stepping(schedule: &Schedule, hub: &Hub, log: &SteppedLog) {
    let stepping = async {
        loop {
            log.step();
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = publish_due(schedule, hub) => {}
        () = stepping => {}
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_published_once_in_the_order_of_the_times() {
    let schedule = Schedule::in_memory(ScheduleLimits::default());
    let hub = Hub::new(limits());
    let cancelled = CancellationToken::new();
    let mut clock = Stopped::new();
    let running = tokio::spawn(schedule.clone().run(hub.clone(), cancelled.clone()));
    let noon = wall_clock::now() + 2 * MINUTE;
    for (data, when) in [
        ("third", When::In(3 * MINUTE)),
        ("second", When::At(noon)),
        ("also second", When::In(2 * MINUTE)),
        ("first", When::At(noon - 3 * MINUTE)),
    ] {
        schedule.add(request(data, when)).await.expect("room");
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(published(&hub, "kitchen"), ["first"]);
    assert_eq!(listed(&schedule).await, ["second", "also second", "third"]);
    for expected in [1, 3, 4, 4] {
        clock.advance(MINUTE);
        tokio::time::sleep(MINUTE).await;
        let count = published(&hub, "kitchen").len();
        assert_eq!(count, expected);
    }
    assert_eq!(
        published(&hub, "kitchen"),
        ["first", "second", "also second", "third"]
    );
    assert!(listed(&schedule).await.is_empty());
    cancelled.cancel();
    running.await.expect("an end");
}

#[tokio::test]
async fn what_was_cancelled_is_not_published_and_cannot_be_cancelled_again() {
    let schedule = Schedule::in_memory(ScheduleLimits::default());
    let hub = Hub::new(limits());
    let mut clock = Stopped::new();
    let [one, other] = ["cancelled", "published"].map(|data| request(data, When::In(MINUTE)));
    let one = schedule.add(one).await.expect("room").scheduled;
    let other = schedule.add(other).await.expect("room").scheduled;
    schedule.cancel(&one.id).await.expect("it is scheduled");
    assert_eq!(schedule.cancel(&one.id).await, Err(CancelError::Unknown));
    assert!(schedule.get(&one.id).await.is_none());
    assert_eq!(schedule.get(&other.id).await.as_ref(), Some(&other));
    assert_eq!(publish_due(&schedule, &hub).await, Some(LOOK_AT_CLOCK));
    clock.advance(MINUTE);
    assert_eq!(publish_due(&schedule, &hub).await, None);
    assert_eq!(published(&hub, "kitchen"), ["published"]);
    assert_eq!(schedule.cancel(&other.id).await, Err(CancelError::Unknown));
}

#[tokio::test]
async fn a_repeated_key_gives_the_first_receipt_for_an_hour_and_as_long_as_it_is_not_due() {
    let schedule = Schedule::in_memory(ScheduleLimits::default());
    let hub = Hub::new(limits());
    let mut clock = Stopped::new();
    let first = schedule.add(with_key("tea", "k")).await.expect("room");
    assert!(!first.is_repeat);
    for step in [Duration::ZERO, MINUTE, IDEMPOTENCY_AGE - MINUTE] {
        clock.advance(step);
        let _ = publish_due(&schedule, &hub).await;
        let again = schedule.add(with_key("tea", "k")).await.expect("the first");
        assert!(again.is_repeat);
        assert_eq!(again.scheduled, first.scheduled);
    }
    let later = ScheduleRequest {
        when: When::In(2 * MINUTE),
        ..with_key("tea", "k")
    };
    for other in [with_key("coffee", "k"), later] {
        let refused = schedule.add(other).await.expect_err("another request");
        assert_eq!(refused, ScheduleError::KeyReused);
    }
    let elsewhere = ScheduleRequest {
        topic: topic("garden"),
        ..with_key("coffee", "k")
    };
    schedule
        .add(elsewhere)
        .await
        .expect("keys belong to a topic");
    clock.advance(Duration::from_millis(1));
    let anew = schedule
        .add(with_key("coffee", "k"))
        .await
        .expect("a new key");
    assert!(!anew.is_repeat);
    assert_eq!(published(&hub, "kitchen"), ["tea"]);
    // One that is far ahead is remembered as long as it is scheduled.
    let far = ScheduleRequest {
        when: When::In(3 * IDEMPOTENCY_AGE),
        ..with_key("far", "far")
    };
    schedule.add(far.clone()).await.expect("room");
    clock.advance(2 * IDEMPOTENCY_AGE);
    assert!(schedule.add(far).await.expect("the first").is_repeat);
}

#[tokio::test]
async fn each_bound_is_kept_and_what_is_over_makes_room() {
    let schedule = Schedule::in_memory(ScheduleLimits {
        in_all: 4,
        of_publisher: 3,
        of_topic: 2,
        ..ScheduleLimits::default()
    });
    let _clock = Stopped::new();
    let of = |name: &str, publisher| ScheduleRequest {
        topic: topic(name),
        publisher,
        ..request("x", When::In(MINUTE))
    };
    let add = async |request| schedule.add(request).await.map(|receipt| receipt.scheduled);
    let first = add(of("a", 1)).await.expect("room");
    add(of("a", 1)).await.expect("room");
    let refused = add(of("a", 2)).await.expect_err("of the topic");
    assert_eq!(refused, ScheduleError::TooManyOfTopic(2));
    add(of("b", 1)).await.expect("room");
    let refused = add(of("c", 1)).await.expect_err("of the publisher");
    assert_eq!(refused, ScheduleError::TooManyOfPublisher);
    add(of("c", 2)).await.expect("room");
    let refused = add(of("c", 2)).await.expect_err("in all");
    assert_eq!(refused, ScheduleError::TooMany);
    schedule.cancel(&first.id).await.expect("scheduled");
    add(of("a", 2)).await.expect("room");
}

#[tokio::test]
async fn bytes_are_bounded_per_publisher_and_in_all_and_a_key_counts_until_it_is_forgotten() {
    let of = |publisher, key: Option<&str>| ScheduleRequest {
        publisher,
        key: key.map(str::to_owned),
        ..request(&"x".repeat(1_000), When::In(MINUTE))
    };
    let mut clock = Stopped::new();
    let probe = Schedule::in_memory(ScheduleLimits::default());
    let bytes = probe.add(of(1, Some("k"))).await.expect("room");
    let bytes = bytes.scheduled.bytes();
    assert!(bytes > 1_000);
    let schedule = Schedule::in_memory(ScheduleLimits {
        bytes: 3 * bytes,
        bytes_of_publisher: 2 * bytes,
        ..ScheduleLimits::default()
    });
    for key in ["k", "l"] {
        let added = schedule.add(of(1, Some(key))).await.expect("room");
        schedule
            .cancel(&added.scheduled.id)
            .await
            .expect("scheduled");
    }
    let refused = schedule.add(of(1, None)).await.expect_err("of one");
    assert_eq!(refused, ScheduleError::TooManyOfPublisher);
    schedule.add(of(2, Some("m"))).await.expect("room");
    let refused = schedule.add(of(3, None)).await.expect_err("of all");
    assert_eq!(refused, ScheduleError::TooMany);
    clock.advance(IDEMPOTENCY_AGE + Duration::from_millis(1));
    schedule.add(of(1, None)).await.expect("room again");
}

#[tokio::test]
async fn a_time_is_at_most_a_year_ahead() {
    let schedule = Schedule::in_memory(ScheduleLimits::default());
    let _clock = Stopped::new();
    let just = When::In(MAX_DELAY);
    schedule.add(request("x", just)).await.expect("a year");
    let millisecond = Duration::from_millis(1);
    for far in [
        When::In(MAX_DELAY + millisecond),
        When::In(Duration::MAX),
        When::At(wall_clock::now() + MAX_DELAY + millisecond),
    ] {
        let refused = schedule.add(request("x", far)).await.expect_err("too far");
        assert_eq!(refused, ScheduleError::TooFarAhead);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_published_now_waits_and_what_never_can_is_dropped() {
    let schedule = Schedule::in_memory(ScheduleLimits::default());
    let hub = Hub::new(Limits {
        topics: 1,
        ..limits()
    });
    let mut clock = Stopped::new();
    for name in ["a", "b", "ended"] {
        let due = ScheduleRequest {
            topic: topic(name),
            ..request("x", When::In(Duration::ZERO))
        };
        schedule.add(due).await.expect("room");
    }
    let _reader = hub.subscribe(&crate::hub::subscriber::Subscription::public(
        topic("ended"),
        crate::hub::subscriber::Start::Now,
        crate::hub::subscriber::LagPolicy::Disconnect,
    ));
    hub.end(&topic("ended")).await.expect("it has a reader");
    // The end takes the only place of a topic.
    assert_eq!(publish_due(&schedule, &hub).await, Some(RETRY));
    assert_eq!(listed_count(&schedule).await, 2);
    let age = 2 * Limits::default().age;
    clock.advance(age);
    tokio::time::advance(age).await;
    hub.retain();
    let _ = publish_due(&schedule, &hub).await;
    assert_eq!(published(&hub, "a"), ["x"]);
    assert_eq!(
        listed_count(&schedule).await,
        1,
        "there is room for one topic"
    );
}

async fn listed_count(schedule: &Schedule) -> usize {
    let state = schedule.0.state.lock().await;
    ["a", "b", "ended"]
        .iter()
        .map(|name| state.table.of_topic(&topic(name)).len())
        .sum()
}

#[tokio::test]
async fn a_restart_has_what_was_scheduled_without_what_was_cancelled_and_with_its_keys() {
    let disk = SimulatedDisk::new(1);
    let mut clock = Stopped::new();
    let (_hub, _log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    let late = schedule.add(request("late", When::In(3 * MINUTE))).await;
    late.expect("room");
    let first = schedule.add(with_key("early", "k")).await.expect("room");
    let one = schedule
        .add(request("cancelled", When::In(MINUTE)))
        .await
        .expect("room");
    schedule.cancel(&one.scheduled.id).await.expect("scheduled");
    let disk = disk.after_power_cut(7);
    clock.advance(10 * MINUTE);
    let (hub, log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    assert_eq!(listed(&schedule).await, ["early", "late"]);
    publish_due_stepping(&schedule, &hub, &log).await;
    assert_eq!(published(&hub, "kitchen"), ["early", "late"]);
    let again = schedule
        .add(with_key("early", "k"))
        .await
        .expect("the first");
    assert_eq!(
        (again.is_repeat, &again.scheduled),
        (true, &first.scheduled)
    );
    // It is over for the next start, too.
    let disk = disk.after_kill();
    let (_hub, _log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    assert!(listed(&schedule).await.is_empty());
    assert!(
        schedule
            .add(with_key("early", "k"))
            .await
            .expect("the first")
            .is_repeat
    );
}

/// The log has removed the event by then: what is known of it was read before.
#[tokio::test]
async fn what_was_published_just_before_a_crash_is_not_published_again_however_long_the_server_was_down()
 {
    let disk = SimulatedDisk::new(1);
    let mut clock = Stopped::new();
    let (hub, log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    let due = request("once", When::In(Duration::ZERO));
    let due = schedule.add(due).await.expect("room").scheduled;
    let key = key_of(&due);
    let publishing = hub.submit_scheduled(&due.topic, due.publication.clone(), &key);
    let submitted = publishing.await;
    log.step();
    submitted.receipt().await.expect("published");
    // Killed before the schedule has noted it; then killed again as soon as it has started.
    let mut disk = disk.after_kill();
    for _ in 0..2 {
        clock.advance(5 * IDEMPOTENCY_AGE);
        let (_hub, log, schedule) =
            SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
        log.step();
        assert!(listed(&schedule).await.is_empty());
        disk = disk.after_kill();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_lets_none_of_the_published_be_published_twice() {
    let disk = SimulatedDisk::new(1);
    let _clock = Stopped::new();
    let (hub, log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    let due = schedule
        .add(request("once", When::In(Duration::ZERO)))
        .await;
    let due = due.expect("room").scheduled;
    schedule
        .0
        .state
        .lock()
        .await
        .table
        .finish(&due.id, wall_clock::now());
    schedule
        .0
        .state
        .lock()
        .await
        .unnoted
        .push(Note::Over(Arc::clone(&due.id)));
    let used: usize = disk.lengths().iter().map(|(_, length)| length).sum();
    disk.set_faults(Faults {
        capacity: Some(used as u64),
        ..Faults::default()
    });
    let refused = schedule.add(request("x", When::In(MINUTE))).await;
    let Err(ScheduleError::Unavailable(full)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(full.kind, UnavailableKind::Full);
    assert_eq!(publish_due(&schedule, &hub).await, Some(RETRY));
    disk.set_faults(Faults::default());
    schedule
        .add(request("x", When::In(MINUTE)))
        .await
        .expect("room again");
    assert!(schedule.0.state.lock().await.unnoted.is_empty());
    drop((hub, log));
    let disk = disk.after_kill();
    let (_hub, _log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    assert_eq!(listed(&schedule).await, ["x"]);
}

#[tokio::test]
async fn a_disk_that_has_failed_stops_the_schedule_until_a_restart() {
    let disk = SimulatedDisk::new(1);
    let mut clock = Stopped::new();
    let (hub, _log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    schedule
        .add(request("kept", When::In(MINUTE)))
        .await
        .expect("room");
    disk.set_faults(Faults {
        syncs_left: Some(0),
        ..Faults::default()
    });
    for fate_unknown in [true, false] {
        let refused = schedule.add(request("x", When::In(MINUTE))).await;
        let Err(ScheduleError::Unavailable(failed)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(
            (failed.kind, failed.fate_unknown),
            (UnavailableKind::Failed, fate_unknown)
        );
    }
    clock.advance(MINUTE);
    assert_eq!(publish_due(&schedule, &hub).await, None);
    let disk = disk.after_power_cut(1);
    let (_hub, _log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    assert_eq!(listed(&schedule).await[0], "kept");
}

#[tokio::test]
async fn the_file_is_written_anew_when_most_of_it_no_longer_counts() {
    let disk = SimulatedDisk::new(1);
    let _clock = Stopped::new();
    let (_hub, _log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    let large = "x".repeat(100_000);
    schedule
        .add(request("kept", When::In(MINUTE)))
        .await
        .expect("room");
    for _ in 0..100 {
        let one = schedule
            .add(request(&large, When::In(MINUTE)))
            .await
            .expect("room");
        schedule.cancel(&one.scheduled.id).await.expect("scheduled");
    }
    let lengths: BTreeMap<_, _> = disk.lengths().into_iter().collect();
    assert!(lengths["schedule"] < 2 << 20, "{lengths:?}");
    let disk = disk.after_power_cut(1);
    let (_hub, _log, schedule) = SteppedLog::open_with_schedule(&disk, limits()).expect("a folder");
    assert_eq!(listed(&schedule).await, ["kept"]);
}

/// What clients were answered.
#[derive(Default)]
struct Oracle {
    /// The data of every request.
    asked: BTreeSet<String>,
    scheduled: BTreeMap<Arc<str>, String>,
    cancelled: BTreeSet<String>,
    /// Cancelled by a request that was not answered.
    uncertain: BTreeSet<String>,
}

impl Oracle {
    fn check(&self, seed: u64, published: &[String], is_end: bool) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for data in published {
            *counts.entry(data).or_default() += 1;
            assert!(
                self.asked.contains(data),
                "seed {seed}: {data} came from nowhere"
            );
            assert!(
                !self.cancelled.contains(data),
                "seed {seed}: {data} was cancelled"
            );
        }
        assert!(
            counts.values().all(|count| *count == 1),
            "seed {seed}: {counts:?}"
        );
        for data in self.scheduled.values().filter(|_| is_end) {
            let may_be_missing = self.cancelled.contains(data) || self.uncertain.contains(data);
            assert!(
                may_be_missing || counts.contains_key(&**data),
                "seed {seed}: {data} is lost"
            );
        }
    }
}

/// Each seed goes through several lives of a folder, each of which ends with a power cut at any operation of the disk.
#[tokio::test]
async fn a_power_cut_at_any_moment_loses_nothing_and_repeats_nothing() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut clock = Stopped::new();
        let mut disk = SimulatedDisk::new(seed);
        let mut oracle = Oracle::default();
        for life in 0..4 {
            disk.set_faults(Faults {
                operations_left: (life < 3).then(|| random.u64(5..60)),
                ..Faults::default()
            });
            if let Ok((hub, log, schedule)) = SteppedLog::open_with_schedule(&disk, limits()) {
                for number in 0..random.u64(1..12) {
                    let data = format!("{life}/{number}");
                    oracle.asked.insert(data.clone());
                    let when = When::In(Duration::from_secs(random.u64(0..120)));
                    if let Ok(receipt) = schedule.add(request(&data, when)).await {
                        let id = Arc::clone(&receipt.scheduled.id);
                        oracle.scheduled.insert(id, data);
                    }
                    if random.u8(..3) == 0 {
                        let nth = random.usize(..oracle.scheduled.len().max(1));
                        if let Some((id, data)) = oracle.scheduled.iter().nth(nth) {
                            match schedule.cancel(id).await {
                                Ok(()) => drop(oracle.cancelled.insert(data.clone())),
                                Err(CancelError::Unavailable(_)) => {
                                    oracle.uncertain.insert(data.clone());
                                }
                                Err(CancelError::Unknown) => {}
                            }
                        }
                    }
                    clock.advance(Duration::from_secs(random.u64(0..30)));
                    publish_due_stepping(&schedule, &hub, &log).await;
                }
                if life == 3 {
                    clock.advance(4 * MINUTE);
                    publish_due_stepping(&schedule, &hub, &log).await;
                }
                oracle.check(seed, &published(&hub, "kitchen"), life == 3);
            }
            disk = if random.bool() {
                disk.after_power_cut(random.u64(..))
            } else {
                disk.after_kill()
            };
        }
    }
}
