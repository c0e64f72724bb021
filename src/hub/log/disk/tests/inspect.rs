//! What a look at a folder finds: on a simulated disk that the tests damage, and on real files for the copy of a folder that
//! is in use.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::FutureExt;

use super::super::format::{FRAME_HEAD_BYTES, HEADER_BYTES};
use super::super::inspect::{
    LoggedEvent, Report, check, check_storage, read_events, read_stored_events, sync_times,
};
use super::super::schedule::{Note, ScheduleFile};
use super::super::segment::{State, read_header, read_index, write_index};
use super::super::simulated::SimulatedDisk;
use super::super::storage::Storage;
use super::*;
use crate::hub::HistoryQuery;
use crate::hub::log::disk::DiskLog;
use crate::hub::log::memory::MemoryLog;
use crate::hub::publish::{IdempotencyKey, Preconditions, PublishRequest};
use crate::hub::topic::Topic;
use crate::protocol::END_EVENT;
use crate::protocol::event::{EventId, EventType};

const BOOT: &str = "boot";

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a topic")
}

fn small() -> DiskConfig {
    DiskConfig {
        segment_bytes: 400,
        ..config()
    }
}

fn open(disk: &SimulatedDisk) -> (Hub, SteppedLog) {
    SteppedLog::open(disk, small(), Limits::default(), BOOT).expect("a disk that works")
}

fn publish_with(
    hub: &Hub,
    log: &SteppedLog,
    name: &str,
    request: PublishRequest,
    preconditions: Preconditions,
) {
    let topic = topic(name);
    let submitted = hub.submit(&topic, request, preconditions);
    let submitted = submitted.now_or_never().expect("there is room");
    log.step();
    let receipt = submitted.receipt().now_or_never().expect("an answer");
    receipt.expect("taken");
}

fn publish(hub: &Hub, log: &SteppedLog, name: &str, data: &str) {
    let request = PublishRequest::text(data);
    publish_with(hub, log, name, request, Preconditions::default());
}

/// 40 events of two topics in several segments, whose server was killed.
fn killed() -> SimulatedDisk {
    let disk = SimulatedDisk::new(1);
    let (hub, log) = open(&disk);
    for number in 1..=20 {
        publish(&hub, &log, "a", &format!("a{number}"));
        publish(&hub, &log, "b", &format!("b{number}"));
    }
    disk
}

fn names(disk: &SimulatedDisk, end: &str) -> Vec<String> {
    let names = disk.lengths().into_iter().map(|(name, _)| name);
    names.filter(|name| name.ends_with(end)).collect()
}

fn length(disk: &SimulatedDisk, name: &str) -> usize {
    let found = disk.lengths().into_iter().find(|(known, _)| known == name);
    found.expect("a file").1
}

fn report(disk: &SimulatedDisk) -> Report {
    check_storage(disk, BOOT).expect("a folder")
}

/// The events that are found, and how many places are damaged.
fn events(disk: &SimulatedDisk, of: Option<&str>) -> (Vec<LoggedEvent>, Vec<String>) {
    let of = of.map(topic);
    let (mut events, mut damage) = (Vec::new(), Vec::new());
    let read = read_stored_events(disk, of.as_ref(), &mut |event| {
        match event {
            Ok(event) => events.push(event),
            Err(found) => damage.push(found.to_string()),
        }
        ControlFlow::Continue(())
    });
    read.expect("a folder");
    (events, damage)
}

fn data(events: &[LoggedEvent]) -> Vec<&str> {
    let data = events.iter().map(|event| event.entry.event.data.as_str());
    data.collect()
}

#[test]
fn a_log_is_whole_after_a_kill_and_after_a_stop() {
    let disk = killed();
    let killed = report(&disk);
    assert_eq!((killed.damage.len(), killed.notes.len()), (0, 0));
    let (_, log) = open(&disk.after_kill());
    log.stop();
    let stopped = report(&disk);
    assert!(stopped.is_whole() && stopped.notes.is_empty());
    let segments = &stopped.segments;
    assert!(segments.len() > 3, "{segments:?}");
    assert_eq!(segments.iter().map(|of| of.events).sum::<u64>(), 40);
    assert_eq!(segments.iter().map(|of| of.frames).sum::<u64>(), 40);
    assert_eq!((segments[0].first.number(), segments[0].topics), (1, 2));
    assert_eq!(segments[0].bytes, length(&disk, &segments[0].file) as u64);
    let newest = segments.last().and_then(|segment| segment.last);
    assert_eq!(newest, Some(Offset::from_number(40)));
}

#[test]
fn damage_of_the_file_of_publications_for_later_is_found() {
    let disk = killed();
    let opened = ScheduleFile::open_storage(
        Arc::new(disk.clone()),
        &mut MemoryLog::recovered(),
        DamagePolicy::Stop,
    );
    let (mut file, _) = opened.expect("a new file");
    for id in ["first", "second"] {
        file.append(&[Note::Over(id.into())]).expect("room");
    }
    assert!(report(&disk).is_whole());
    disk.flip("schedule", HEADER_BYTES + FRAME_HEAD_BYTES);
    let damage = report(&disk).damage;
    let text = damage[0].to_string();
    assert!(
        text.starts_with("schedule: schedule is damaged at byte 40"),
        "{text}"
    );
    assert_eq!(damage.len(), 1);
}

#[test]
fn a_commit_that_was_not_finished_is_noted_and_is_no_damage() {
    let disk = killed();
    let newest = names(&disk, ".log").pop().expect("a segment");
    let end = length(&disk, &newest);
    disk.write(&newest, end, b"\xf2frm and so on");
    let torn = report(&disk);
    assert!(torn.is_whole(), "{torn:?}");
    let note = &torn.notes[0];
    assert_eq!(
        (note.file.as_str(), note.position),
        (newest.as_str(), Some(end as u64))
    );
    assert!(note.text.contains("never committed"), "{note}");
    assert_eq!(events(&disk, None).0.len(), 40);
    // In a segment that is complete it is damage.
    let first = names(&disk, ".log").remove(0);
    let end = length(&disk, &first);
    disk.write(&first, end, b"x");
    let damage = report(&disk).damage;
    assert_eq!(damage[0].position, Some(end as u64), "{damage:?}");
    assert_eq!(damage[0].file, first);
}

#[test]
fn a_byte_that_has_changed_is_damage_with_its_place_wherever_it_stands() {
    let whole = killed();
    for file in names(&whole, "").iter().filter(|name| *name != "lock") {
        for position in 0..length(&whole, file) {
            let disk = whole.after_kill();
            disk.flip(file, position);
            let report = report(&disk);
            let is_newest = names(&disk, ".log").last() == Some(file);
            let found = report.damage.iter().chain(&report.notes);
            let found: Vec<_> = found.filter(|found| found.file == *file).collect();
            assert!(!found.is_empty(), "{file} {position}: {report:?}");
            // The last commit of the newest segment cannot be told from one that was not finished, and an index is made again.
            if !is_newest && !file.ends_with(".idx") {
                assert!(!report.is_whole(), "{file} {position}: {report:?}");
            }
            if file.ends_with(".log")
                && position >= 40
                && let Some(at) = found[0].position
            {
                assert!(at <= position as u64, "{file} {position}: {report:?}");
            }
        }
    }
}

#[test]
fn after_damage_the_events_follow_whose_topics_the_index_still_names() {
    let disk = killed();
    let first = names(&disk, ".log").remove(0);
    disk.flip(&first, disk.position_of(&first, b"\x02a2"));
    let (found, damage) = events(&disk, None);
    assert_eq!((found.len(), damage.len()), (39, 1), "{damage:?}");
    assert!(!data(&found).contains(&"a2"));
    // Without the index, a topic of the segment may have another's number: those events are left out, not misnamed.
    Storage::remove(&disk, &first.replace(".log", ".idx")).expect("a file");
    let (found, damage) = events(&disk, Some("b"));
    assert!(damage.len() > 1, "{damage:?}");
    assert!(
        data(&found).iter().all(|data| data.starts_with('b')),
        "{found:?}"
    );
    assert_eq!(data(&found).last(), Some(&"b20"));
}

#[test]
fn a_segment_that_is_missing_is_damage_in_the_middle_and_at_the_end() {
    let disk = killed();
    let segments = names(&disk, ".log");
    Storage::remove(&disk, &segments[1]).expect("a file");
    let found = report(&disk);
    assert_eq!(found.damage.len(), 1, "{found:?}");
    assert_eq!(found.damage[0].file, segments[2]);
    let notes: Vec<_> = found.notes.iter().map(|note| note.file.as_str()).collect();
    assert_eq!(notes, [segments[1].replace(".log", ".idx")]);
    // A new epoch begins where the log had ended, so the log must reach so far.
    let disk = killed();
    let (hub, log) = SteppedLog::open(
        &disk,
        DiskConfig {
            sync: SyncPolicy::Never,
            ..small()
        },
        Limits::default(),
        "another boot",
    )
    .expect("a disk that works");
    publish(&hub, &log, "a", "last");
    let (_, log) = SteppedLog::open(&disk, small(), Limits::default(), "third").expect("a disk");
    log.stop();
    assert!(report(&disk).is_whole());
    let newest = names(&disk, ".log").pop().expect("a segment");
    Storage::remove(&disk, &newest).expect("a file");
    let found = report(&disk);
    assert!(
        found.damage[0]
            .text
            .contains("the newest segments are missing"),
        "{found:?}"
    );
}

#[test]
fn an_index_that_is_missing_is_noted_and_one_that_lies_is_damage() {
    let disk = killed();
    let indexes = names(&disk, ".idx");
    Storage::remove(&disk, &indexes[0]).expect("a file");
    let found = report(&disk);
    assert!(found.is_whole());
    assert_eq!(found.notes[0].file, indexes[0]);
    // The index of another segment, with a checksum that is right.
    let headers = [1, 2].map(|number: usize| {
        let file = Storage::open(&disk, &names(&disk, ".log")[number]).expect("a file");
        read_header(&*file).expect("bytes").expect("a header")
    });
    let lengths = [1, 2].map(|number: usize| length(&disk, &names(&disk, ".log")[number]) as u64);
    let (_, last) = read_index(&disk, &headers[0], lengths[0]).expect("an index");
    let (wrong, _) = read_index(&disk, &headers[1], lengths[1]).expect("an index");
    let state = State {
        length: lengths[0],
        last,
        newest_time: 0,
    };
    write_index(&disk, &headers[0], state, &wrong).expect("a file");
    let found = report(&disk);
    assert_eq!(found.damage.len(), 1, "{found:?}");
    assert_eq!(found.damage[0].file, indexes[1]);
}

#[test]
fn small_files_that_are_missing_or_later_are_named() {
    let disk = killed();
    Storage::remove(&disk, "meta").expect("a file");
    let found = report(&disk);
    assert!(found.damage[0].text.contains("no id can be trusted"));
    let (events, damage) = events(&disk, None);
    assert_eq!((events.len(), damage.len()), (40, 1));
    assert_eq!(events[0].log_id.as_str(), "#unknown-1");
    let disk = killed();
    let first = names(&disk, ".log").remove(0);
    disk.make_later_version(&first);
    assert!(report(&disk).damage[0].text.contains("newer fairwind"));
    assert!(check_storage(&SimulatedDisk::new(1), BOOT).is_err());
}

#[test]
fn an_event_has_all_that_was_published_and_its_ids() {
    let disk = SimulatedDisk::new(1);
    let (hub, log) = open(&disk);
    let request = PublishRequest {
        id: EventId::new("own").ok(),
        event_type: EventType::new("news").expect("a type"),
        retry: Some(Duration::from_secs(3)),
        is_private: true,
        also_in: vec![topic("b")],
        ..PublishRequest::text("one")
    };
    let key = IdempotencyKey {
        key: "key".to_owned(),
        publisher: 7,
    };
    let under_key = Preconditions {
        idempotency: Some(key.clone()),
        ..Preconditions::default()
    };
    publish_with(&hub, &log, "a", request.clone(), Preconditions::default());
    let ephemeral = PublishRequest {
        is_ephemeral: true,
        ..PublishRequest::text("two")
    };
    publish_with(&hub, &log, "a", ephemeral.clone(), Preconditions::default());
    publish_with(&hub, &log, "a", ephemeral.clone(), under_key);
    publish(&hub, &log, "c", "four");
    let ended = topic("c");
    let mut end = Box::pin(hub.end(&ended));
    assert!(end.as_mut().now_or_never().is_none());
    log.step();
    end.now_or_never().expect("an answer").expect("ended");
    let (all, damage) = events(&disk, None);
    assert!(damage.is_empty(), "{damage:?}");
    let [one, three, four, end] = all.as_slice() else {
        panic!("{all:?}");
    };
    assert_eq!(one.entry.publication(), request);
    assert_eq!(
        (one.entry.event.id.as_str(), &one.log_id),
        ("own", &hub.id(Offset::from_number(1)))
    );
    assert!(one.entry.has_own_id && one.key.is_none());
    let age = one.entry.published_at.elapsed().expect("the past");
    assert!(age < Duration::from_secs(60), "{age:?}");
    assert_eq!(three.entry.publication(), ephemeral);
    assert_eq!(three.key, Some(key));
    assert_eq!(three.entry.event.id, hub.id(Offset::from_number(3)));
    assert_eq!(four.entry.offset.number(), 4);
    assert!(end.entry.is_end && end.entry.event.event_type.as_str() == END_EVENT);
    assert_eq!(data(&events(&disk, Some("b")).0), ["one"]);
    assert_eq!(data(&events(&disk, Some("c")).0), ["four", "c"]);
    assert!(events(&disk, Some("d")).0.is_empty());
}

/// A folder of a test's own. It is removed when this is dropped.
struct TestFolder(PathBuf);

impl TestFolder {
    fn new(name: &str) -> Self {
        let id = std::process::id();
        let path = std::env::temp_dir().join(format!("fairwind-{id}-inspect-{name}"));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_disk_is_measured_and_nothing_is_left_behind() {
    let folder = TestFolder::new("sync-times");
    let times = sync_times(&folder.0, 10).expect("times");
    assert!(times.p50 <= times.p99 && times.p99 <= times.max && !times.max.is_zero());
    let left = std::fs::read_dir(&folder.0).expect("a folder").count();
    assert_eq!(left, 0);
    assert!(sync_times(&folder.0.join("missing"), 1).is_err());
}

/// Copies a folder as `docs/durability.md` says: `meta`, the segments from the newest to the oldest until one has been removed
/// meanwhile, and `lost`.
fn copy(from: &Path, to: &Path) {
    let copy = |name: &str| std::fs::copy(from.join(name), to.join(name));
    copy("meta").expect("a copy");
    let names = std::fs::read_dir(from).expect("a folder");
    let names = names.map(|entry| entry.expect("a file").file_name());
    let mut names: Vec<_> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name.ends_with(".log"));
    names.sort_unstable();
    for name in names.iter().rev() {
        if copy(name).is_err() {
            break;
        }
    }
    // A log that has removed nothing has none.
    let _ = copy("lost");
}

#[tokio::test]
async fn the_copy_of_a_folder_in_use_has_every_event_that_was_committed_before() {
    for (round, sync) in [SyncPolicy::Always, SyncPolicy::Never]
        .into_iter()
        .cycle()
        .take(8)
        .enumerate()
    {
        let (folder, backup) = (TestFolder::new("in-use"), TestFolder::new("copy"));
        let config = DiskConfig {
            sync,
            segment_bytes: 4_000,
            // In some rounds segments are removed while they are copied.
            history_bytes: if round < 4 { 1 << 30 } else { 16_000 },
            ..config()
        };
        let limits = Limits::default();
        let (log, recovered) = DiskLog::open(&folder.0, config, &limits).expect("a folder");
        let hub = Hub::open(limits, log, recovered);
        let of = topic("a");
        let publish = async |number: u64| {
            let request = PublishRequest::text(number.to_string());
            let receipt = hub.publish(&of, request, Preconditions::default()).await;
            receipt.expect("taken");
        };
        for number in 1..=300 {
            publish(number).await;
        }
        let (from, to) = (folder.0.clone(), backup.0.clone());
        let copying = tokio::task::spawn_blocking(move || copy(&from, &to));
        let mut newest = 300;
        while !copying.is_finished() {
            newest += 1;
            publish(newest).await;
        }
        copying.await.expect("a copy");
        // A server that has its folder open can be looked at as well.
        let in_use = check(&folder.0).expect("a folder");
        assert!(in_use.is_whole(), "{in_use:?}");
        let copied = check(&backup.0).expect("a folder");
        assert!(copied.is_whole(), "{copied:?}");
        let mut offsets = Vec::new();
        read_events(&backup.0, None, |event| {
            offsets.push(event.expect("an event").entry.offset.number());
            ControlFlow::Continue(())
        })
        .expect("a folder");
        let (first, last) = (offsets[0], *offsets.last().expect("events"));
        assert!(offsets.iter().copied().eq(first..=last), "{offsets:?}");
        assert!((300..=newest).contains(&last), "{last} {newest}");
        assert!(round >= 4 || first == 1, "{first}");
        // The copy opens as it is. But its meta does not know that the server has gone on, so ids would be given twice.
        let (log, recovered) = DiskLog::open(&backup.0, config, &Limits::default()).expect("whole");
        assert_eq!(recovered.newest.number(), last);
        drop(log);
        std::fs::remove_file(backup.0.join("meta")).expect("a file");
        let restoring = DiskConfig {
            on_damage: DamagePolicy::Gap,
            ..config
        };
        let opened = DiskLog::open(&backup.0, restoring, &Limits::default());
        let (log, recovered) = opened.expect("whole but for meta");
        assert_eq!(recovered.newest.number(), last);
        let restored = Hub::open(Limits::default(), log, recovered);
        assert_ne!(restored.epoch(), hub.epoch());
        let newest = HistoryQuery {
            count: 1,
            max_bytes: 1_000,
            before: None,
            with_private: false,
        };
        let events = restored.snapshot(&of, &newest).events;
        assert_eq!(events[0].event.data, last.to_string());
        let request = PublishRequest::text("restored");
        let receipt = restored.publish(&of, request, Preconditions::default());
        receipt.await.expect("taken");
        restored.close();
        hub.close();
        assert!(check(&backup.0).expect("a folder").is_whole());
    }
}
