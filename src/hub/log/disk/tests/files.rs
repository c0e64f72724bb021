//! What a start makes of the files that it finds: damage, other versions, folders in use; and what retention leaves.

use futures_util::FutureExt;

use super::super::simulated::{Faults, SimulatedDisk};
use super::super::storage::{Folder, FolderError};
use super::*;
use crate::hub::log::UnavailableKind;
use crate::hub::log::disk::DiskLog;
use crate::hub::publish::{Preconditions, PublishError, PublishReceipt, PublishRequest};
use crate::hub::subscriber::{LagPolicy, ReadOutcome, Start, Subscription};
use crate::hub::topic::Topic;

const BOOT: &str = "boot";

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a topic")
}

/// Memory has little, so that readers need the log.
fn limits() -> Limits {
    Limits {
        events: 2,
        tail_bytes: 1,
        ..Limits::default()
    }
}

fn open(disk: &SimulatedDisk, config: DiskConfig) -> Result<(Hub, SteppedLog), OpenError> {
    SteppedLog::open(disk, config, limits(), BOOT)
}

fn publish(
    hub: &Hub,
    log: &SteppedLog,
    name: &str,
    data: &str,
) -> Result<PublishReceipt, PublishError> {
    let topic = topic(name);
    let submitted = hub.submit(&topic, PublishRequest::text(data), Preconditions::default());
    let submitted = submitted.now_or_never().expect("there is room");
    log.step();
    submitted.receipt().now_or_never().expect("an answer")
}

fn publish_all(hub: &Hub, log: &SteppedLog, name: &str, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        publish(hub, log, name, &number.to_string()).expect("taken");
    }
}

/// What a reader of a topic gets that has seen everything up to an offset: the data, with "gap" for a gap.
fn read_after(hub: &Hub, name: &str, offset: u64) -> Vec<String> {
    let start = Start::After(hub.id(Offset::from_number(offset)));
    let subscription = Subscription::public(topic(name), start, LagPolicy::Skip);
    let mut reader = hub.subscribe(&subscription).expect("a subscriber");
    let mut read = Vec::new();
    loop {
        match reader.read(1_000) {
            ReadOutcome::Batch(batch) => {
                read.extend(batch.entries().iter().map(|entry| entry.event.data.clone()));
            }
            ReadOutcome::Gap(_) => read.push("gap".to_owned()),
            ReadOutcome::Nothing if reader.is_ready() => {}
            ReadOutcome::Nothing | ReadOutcome::End => return read,
            ReadOutcome::TooSlow => panic!("a reader that skips is never too slow"),
        }
    }
}

fn numbers(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

/// The names of the segments.
fn segments(disk: &SimulatedDisk) -> Vec<String> {
    let names = disk.lengths().into_iter().map(|(name, _)| name);
    names.filter(|name| name.ends_with(".log")).collect()
}

/// A disk with 20 events of one topic in one segment, whose server was killed.
fn killed() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let (hub, log) = open(&disk, config()).expect("an empty disk");
    publish_all(&hub, &log, "a", 1..=20);
    disk
}

#[test]
fn an_end_that_is_torn_is_cut_off_and_nothing_before_it_is_lost() {
    let disk = killed();
    let (name, length) = disk.lengths().remove(0);
    disk.flip(&name, length - 1);
    let (hub, _) = open(&disk, config()).expect("a torn end");
    assert_eq!(read_after(&hub, "a", 0), numbers(1..=19));
}

#[test]
fn damage_before_a_whole_commit_stops_the_start_or_becomes_a_gap() {
    let disk = killed();
    let (name, length) = disk.lengths().remove(0);
    disk.flip(&name, length / 2);
    let refused = open(&disk, config()).err().expect("a refusal").to_string();
    assert!(
        refused.contains(&name) && refused.contains("--on-damage gap"),
        "{refused}"
    );
    let config = DiskConfig {
        on_damage: DamagePolicy::Gap,
        ..config()
    };
    let (hub, log) = open(&disk, config).expect("the policy is to go on");
    publish(&hub, &log, "a", "new").expect("taken");
    assert_eq!(read_after(&hub, "a", 2), ["gap", "new"]);
    // Once is enough: it is a gap from now on.
    let (hub, _) = open(&disk.after_kill(), super::config()).expect("mended");
    assert_eq!(read_after(&hub, "a", 2), ["gap", "new"]);
}

#[test]
fn an_event_that_is_found_to_be_damaged_when_it_is_read_is_a_gap_for_its_topic_alone() {
    let disk = SimulatedDisk::new(1);
    let (hub, log) = open(&disk, config()).expect("an empty disk");
    for number in 1..=20 {
        publish_all(&hub, &log, "a", number..=number);
        publish_all(&hub, &log, "b", number..=number);
    }
    let (name, _) = disk.lengths().remove(0);
    // The data of one event, with its length.
    disk.flip(&name, disk.position_of(&name, b"\x0211") + 1);
    let read = ["a", "b"].map(|topic| read_after(&hub, topic, 0));
    let whole = read.iter().filter(|read| **read == numbers(1..=20)).count();
    assert_eq!(whole, 1, "{read:?}");
    assert!(
        read.iter()
            .any(|read| read[0] == "gap" && read.last().is_some_and(|last| last == "20")),
        "{read:?}"
    );
}

#[test]
fn a_segment_that_is_missing_between_others_is_damage() {
    let disk = SimulatedDisk::new(1);
    let config = DiskConfig {
        segment_bytes: 300,
        ..config()
    };
    let (hub, log) = open(&disk, config).expect("an empty disk");
    publish_all(&hub, &log, "a", 1..=30);
    let names = segments(&disk);
    assert!(names.len() > 4, "{names:?}");
    super::super::storage::Storage::remove(&disk, &names[1]).expect("a file");
    let refused = open(&disk, config).err().expect("a refusal").to_string();
    assert!(refused.contains(&names[2]), "{refused}");
    let config = DiskConfig {
        on_damage: DamagePolicy::Gap,
        ..config
    };
    let (hub, _) = open(&disk, config).expect("the policy is to go on");
    let read = read_after(&hub, "a", 0);
    assert_eq!(
        (read[0].as_str(), read.last().map(String::as_str)),
        ("gap", Some("30"))
    );
}

#[test]
fn files_of_a_later_version_are_refused_with_a_sentence() {
    for file in ["segment", "meta"] {
        let disk = killed();
        let storage: &dyn super::super::storage::Storage = &disk;
        if file == "segment" {
            let (name, _) = disk.lengths().remove(0);
            // The version stands behind the eight bytes of the title.
            disk.write(&name, 8, &2_u32.to_le_bytes());
        } else {
            let meta = storage.create("meta").expect("a file");
            meta.write_at(0, b"fairwind log 2\nsomething new\n")
                .expect("a file");
        }
        let refused = open(&disk, config()).err().expect("a refusal").to_string();
        assert!(
            refused.contains("version 2") && refused.contains("newer fairwind"),
            "{refused}"
        );
    }
}

#[test]
fn segments_that_are_too_much_are_removed_and_are_a_gap_for_topics_that_had_events_there() {
    let disk = SimulatedDisk::new(1);
    let config = DiskConfig {
        segment_bytes: 500,
        history_bytes: 3_000,
        ..config()
    };
    let (hub, log) = open(&disk, config).expect("an empty disk");
    publish(&hub, &log, "quiet", "1").expect("taken");
    publish(&hub, &log, "busy", "2").expect("taken");
    for _ in 0..10 {
        publish(&hub, &log, "filler", &"x".repeat(400)).expect("taken");
    }
    publish_all(&hub, &log, "busy", 3..=6);
    let bytes: usize = disk
        .lengths()
        .iter()
        .filter(|(name, _)| name.ends_with(".log"))
        .map(|(_, length)| length)
        .sum();
    assert!(bytes <= 3_500, "{bytes}");
    let check = |hub: &Hub| {
        assert_eq!(read_after(hub, "busy", 1)[0], "gap");
        assert_eq!(read_after(hub, "busy", 2), numbers(3..=6));
        assert_eq!(read_after(hub, "new", 1), [""; 0], "it has lost nothing");
        assert_eq!(
            read_after(hub, "quiet", 1),
            [""; 0],
            "what it has lost was read"
        );
    };
    check(&hub);
    let (hub, _) = open(&disk.after_kill(), config).expect("a whole log");
    check(&hub);
}

#[test]
fn segments_whose_events_have_all_expired_are_removed() {
    let disk = SimulatedDisk::new(1);
    let config = DiskConfig {
        history_age: Duration::from_millis(40),
        ..config()
    };
    let (hub, log) = open(&disk, config).expect("an empty disk");
    publish_all(&hub, &log, "a", 1..=3);
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !segments(&disk).is_empty() {
        assert!(std::time::Instant::now() < deadline);
        log.step();
        std::thread::yield_now();
    }
    assert_eq!(
        read_after(&hub, "a", 0),
        ["gap", "2", "3"],
        "memory has two"
    );
    publish_all(&hub, &log, "a", 4..=4);
    assert_eq!(segments(&disk), ["00000000000000000004.log"]);
}

#[test]
fn a_full_disk_refuses_events_and_takes_them_again_when_there_is_room() {
    let disk = killed();
    let (hub, log) = open(&disk, config()).expect("a whole log");
    let used: usize = disk.lengths().iter().map(|(_, length)| length).sum();
    let room = |more: usize| Faults {
        capacity: Some((used + more) as u64),
        ..Faults::default()
    };
    disk.set_faults(room(500));
    let mut taken = 20;
    let refusal = loop {
        match publish(&hub, &log, "a", &"x".repeat(100)) {
            Ok(_) => taken += 1,
            Err(refusal) => break refusal,
        }
    };
    let PublishError::Unavailable(refusal) = refusal else {
        panic!("{refusal}");
    };
    assert_eq!(
        (refusal.kind, refusal.fate_unknown),
        (UnavailableKind::Full, false)
    );
    assert_eq!(
        hub.health().map_err(|error| error.kind),
        Err(UnavailableKind::Full)
    );
    assert_eq!(read_after(&hub, "a", 0).len(), taken, "reading goes on");
    disk.set_faults(room(5_000));
    publish(&hub, &log, "a", "again").expect("there is room");
    assert_eq!(hub.health(), Ok(()));
    let (hub, _) = open(&disk.after_kill(), config()).expect("a whole log");
    let read = read_after(&hub, "a", 0);
    assert_eq!(
        (read.len(), read.last().map(String::as_str)),
        (taken + 1, Some("again"))
    );
}

#[test]
fn a_sync_that_fails_is_final_and_reading_goes_on() {
    let disk = killed();
    let (hub, log) = open(&disk, config()).expect("a whole log");
    publish(&hub, &log, "a", "21").expect("taken");
    disk.set_faults(Faults {
        syncs_left: Some(0),
        ..Faults::default()
    });
    let Err(PublishError::Unavailable(refusal)) = publish(&hub, &log, "a", "lost?") else {
        panic!("the disk has failed");
    };
    assert!(refusal.fate_unknown && refusal.kind == UnavailableKind::Failed);
    disk.set_faults(Faults::default());
    let Err(PublishError::Unavailable(refusal)) = publish(&hub, &log, "a", "refused") else {
        panic!("the first error is final");
    };
    assert!(!refusal.fate_unknown && refusal.kind == UnavailableKind::Failed);
    assert_eq!(
        hub.health().map_err(|error| error.kind),
        Err(UnavailableKind::Failed)
    );
    assert_eq!(read_after(&hub, "a", 0), numbers(1..=21));
}

#[test]
fn an_index_that_is_damaged_or_missing_is_made_again() {
    let disk = SimulatedDisk::new(1);
    let config = DiskConfig {
        segment_bytes: 300,
        ..config()
    };
    let (hub, log) = open(&disk, config).expect("an empty disk");
    publish_all(&hub, &log, "a", 1..=20);
    let names: Vec<_> = disk.lengths().into_iter().map(|(name, _)| name).collect();
    let indexes: Vec<_> = names.iter().filter(|name| name.ends_with(".idx")).collect();
    assert!(indexes.len() > 2, "{names:?}");
    disk.flip(indexes[0], 20);
    super::super::storage::Storage::remove(&disk, indexes[1]).expect("a file");
    let (hub, _) = open(&disk.after_kill(), config).expect("a whole log");
    assert_eq!(read_after(&hub, "a", 0), numbers(1..=20));
}

#[test]
fn a_folder_has_one_server() {
    let folder = std::env::temp_dir().join(format!("fairwind-{}-one-server", std::process::id()));
    let first = DiskLog::open(&folder, config(), &limits()).expect("a new folder");
    let second = DiskLog::open(&folder, config(), &limits())
        .err()
        .expect("a refusal");
    assert!(
        matches!(second, OpenError::Folder(FolderError::InUse(_))),
        "{second}"
    );
    drop(first);
    drop(DiskLog::open(&folder, config(), &limits()).expect("it is free again"));
    drop(Folder::open(&folder).expect("it is free again"));
    std::fs::remove_dir_all(&folder).expect("a folder");
}

#[tokio::test]
async fn a_hub_over_real_files_goes_on_after_a_restart_where_it_was() {
    let folder = std::env::temp_dir().join(format!("fairwind-{}-restart", std::process::id()));
    let mut ids = Vec::new();
    for round in 0..3 {
        let (log, recovered) = DiskLog::open(&folder, config(), &limits()).expect("a folder");
        assert_eq!(recovered.newest.number(), round * 10);
        let hub = Hub::open(limits(), log, recovered);
        for number in 1..=10 {
            let event = PublishRequest::text(number.to_string());
            let receipt = hub
                .publish(&topic("a"), event, Preconditions::default())
                .await;
            ids.push(receipt.expect("taken").id);
        }
        let start = Start::After(ids[0].clone());
        let subscription = Subscription::public(topic("a"), start, LagPolicy::Disconnect);
        let mut reader = hub.subscribe(&subscription).expect("a subscriber");
        let mut read = 0;
        while read + 1 < ids.len() {
            reader.ready().await;
            if let ReadOutcome::Batch(batch) = reader.read(100) {
                for entry in batch.entries() {
                    read += 1;
                    assert_eq!(entry.event.id, ids[read]);
                }
            }
        }
        hub.close();
    }
    std::fs::remove_dir_all(&folder).expect("a folder");
}
