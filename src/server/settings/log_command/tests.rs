use std::time::SystemTime;

use clap::error::ErrorKind;
use serde_json::{Value, json};

use super::*;
use crate::hub::log::disk::inspect::{Finding, SegmentReport};
use crate::hub::log::disk::{DamagePolicy, DiskConfig, DiskLog, SyncPolicy};
use crate::hub::position::Offset;
use crate::hub::publish::{IdempotencyKey, Preconditions, PublishRequest};
use crate::hub::{Hub, Limits};
use crate::protocol::event::{EventId, EventType};

fn parse(arguments: &[&str]) -> Result<LogCommand, clap::Error> {
    LogCommand::try_parse_from([&[NAME], arguments].concat())
}

/// A folder with a log. It is removed when this is dropped.
struct TestFolder(PathBuf);

impl TestFolder {
    /// A log with one event of each kind.
    async fn with_events(name: &str) -> Self {
        let id = std::process::id();
        let folder = Self(std::env::temp_dir().join(format!("fairwind-{id}-log-command-{name}")));
        let config = DiskConfig {
            sync: SyncPolicy::Never,
            history_bytes: 1 << 30,
            history_age: Duration::from_secs(3_600),
            on_damage: DamagePolicy::Stop,
            segment_bytes: 1 << 20,
        };
        let limits = Limits::default();
        let (log, recovered) = DiskLog::open(&folder.0, config, &limits).expect("a folder");
        let hub = Hub::open(limits, log, recovered);
        let topic = |name| Topic::new(name).expect("a topic");
        let full = PublishRequest {
            id: EventId::new("own").ok(),
            event_type: EventType::new("news").expect("a type"),
            retry: Some(Duration::from_secs(3)),
            is_private: true,
            also_in: vec![topic("b")],
            ..PublishRequest::text("one\ntwo")
        };
        let ephemeral = PublishRequest {
            is_ephemeral: true,
            ..PublishRequest::text("three")
        };
        let key = IdempotencyKey {
            key: "key".to_owned(),
            publisher: 7,
        };
        let under_key = Preconditions {
            idempotency: Some(key),
            ..Preconditions::default()
        };
        for (request, preconditions) in [(full, Preconditions::default()), (ephemeral, under_key)] {
            let receipt = hub.publish(&topic("a"), request, preconditions).await;
            receipt.expect("taken");
        }
        hub.end(&topic("a")).await.expect("an end");
        hub.close();
        folder
    }

    fn dump(&self, of: Option<&str>, form: Form) -> (Vec<Value>, String) {
        let topic = of.map(|name| Topic::new(name).expect("a topic"));
        let (mut out, mut remarks) = (Vec::new(), Vec::new());
        let condition = dump(&self.0, topic.as_ref(), form, &mut out, &mut remarks);
        assert_eq!(condition, Ok(Condition::Whole));
        let out = String::from_utf8(out).expect("text");
        let lines = out.lines().map(serde_json::from_str);
        let lines = lines.collect::<Result<_, _>>().expect("JSON");
        (lines, String::from_utf8(remarks).expect("text"))
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A reader that has gone, or a disk that is full.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_command_that_cannot_work_is_refused_with_what_is_missing() {
    for (arguments, expected) in [
        (&["check"][..], "DIR"),
        (&["dump", "d", "--publishable"], "--topic"),
        (&["dump", "d", "--topic", ""], "--topic"),
        (&["bench", "d", "--count", "0"], "--count"),
        (&["burn", "d"], "burn"),
    ] {
        let error = parse(arguments).expect_err("a refusal");
        assert_eq!(error.exit_code(), 2, "{arguments:?}");
        let message = error.to_string();
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(parse(&[]).expect_err("a refusal").exit_code(), 2);
    let help = parse(&["dump", "--help"]).expect_err("the help");
    assert_eq!(help.kind(), ErrorKind::DisplayHelp);
    assert!(help.to_string().contains("fairwind log dump"), "{help}");
}

#[test]
fn without_the_subcommand_nothing_is_done() {
    assert!(run(["fairwind"].map(Into::into)).is_none());
    assert!(run(["fairwind", "--log=debug"].map(Into::into)).is_none());
}

#[test]
fn a_report_is_a_table_then_notes_and_damage_then_what_to_do() {
    let segment = |first, last: Option<u64>| SegmentReport {
        file: format!("{first:020}.log"),
        first: Offset::from_number(first),
        last: last.map(Offset::from_number),
        frames: 10,
        events: 1_000,
        topics: 3,
        bytes: 4_096,
    };
    let finding = |position| Finding {
        file: "meta".to_owned(),
        position,
        text: "it is odd".to_owned(),
    };
    let mut report = Report {
        segments: vec![segment(1, Some(1_000)), segment(1_001, None)],
        notes: vec![finding(None)],
        damage: Vec::new(),
    };
    let print = |report: &Report| {
        let mut out = Vec::new();
        print_report(report, &mut out).expect("a text");
        String::from_utf8(out).expect("text")
    };
    assert_eq!(
        print(&report),
        "segment                   first  last  commits  events  topics  bytes\n\
         00000000000000000001.log      1  1000       10    1000       3   4096\n\
         00000000000000001001.log   1001     -       10    1000       3   4096\n\
         note: meta: it is odd\n\
         whole\n"
    );
    report.damage = vec![finding(Some(7))];
    let printed = print(&report);
    let last: Vec<_> = printed.lines().rev().take(2).collect();
    assert_eq!(last[1], "damage: meta, byte 7: it is odd");
    assert!(last[0].starts_with("damaged in 1 place: restore the folder"));
}

#[tokio::test]
async fn a_dump_has_every_fact_of_an_event_under_the_names_that_publishing_has() {
    let folder = TestFolder::with_events("dump").await;
    let (mut lines, remarks) = folder.dump(None, Form::Whole);
    assert_eq!(remarks, "");
    let mut log_ids = Vec::new();
    for line in &mut lines {
        let members = line.as_object_mut().expect("an object");
        let at = members.remove("published_at").expect("a time");
        let at = humantime::parse_rfc3339(at.as_str().expect("a text")).expect("a time");
        assert!(at <= SystemTime::now());
        let name = if members.contains_key("log_id") {
            "log_id"
        } else {
            "id"
        };
        let id = members.remove(name).expect("an id");
        log_ids.push(id.as_str().expect("a text").to_owned());
    }
    for (number, id) in log_ids.iter().enumerate() {
        let end = format!("-{}", number + 1);
        assert!(id.starts_with('#') && id.ends_with(&end), "{id}");
    }
    assert_eq!(
        lines,
        [
            json!({"id": "own", "topic": "a", "also_in": ["b"], "type": "news", "data": "one\ntwo", "retry": 3_000, "private": true}),
            json!({"topic": "a", "data": "three", "keep": false, "idempotency_key": "key"}),
            json!({"topic": "a", "type": "end", "data": "a", "end": true}),
        ]
    );
    assert_eq!(folder.dump(Some("b"), Form::Whole).0.len(), 1);
    let (lines, remarks) = folder.dump(Some("a"), Form::Publishable);
    assert_eq!(
        lines,
        [
            json!({"id": "own", "type": "news", "data": "one\ntwo", "retry": 3_000, "private": true}),
            json!({"data": "three", "keep": false}),
        ]
    );
    assert!(remarks.contains("the end of the topic a"), "{remarks}");
}

#[tokio::test]
async fn output_that_nobody_reads_is_no_error_and_a_full_disk_is_one() {
    let folder = TestFolder::with_events("output").await;
    let path = folder.0.as_path();
    let mut gone = Broken(io::ErrorKind::BrokenPipe);
    assert_eq!(check(path, &mut gone), Ok(Condition::Whole));
    let dumped = dump(path, None, Form::Whole, &mut gone, &mut io::sink());
    assert_eq!(dumped, Ok(Condition::Whole));
    assert_eq!(bench(path, 2, &mut gone), Ok(Condition::Whole));
    let mut full = Broken(io::ErrorKind::StorageFull);
    let error = check(path, &mut full).expect_err("an error");
    assert!(error.contains("standard output"), "{error}");
    for error in [
        check("/missing".as_ref(), &mut gone),
        bench("/missing".as_ref(), 1, &mut gone),
    ] {
        assert!(error.is_err_and(|error| error.contains("/missing")));
    }
}

#[test]
fn times_are_told_with_what_they_mean() {
    let told = |p50: Duration| {
        let times = SyncTimes {
            p50,
            p99: 3 * p50,
            max: 9 * p50,
        };
        let mut out = Vec::new();
        print_times(200, &times, &mut out).expect("a text");
        String::from_utf8(out).expect("text")
    };
    let disk = told(Duration::from_millis(2));
    assert!(
        disk.contains("p50 2.000 ms, p99 6.000 ms, max 18.000 ms"),
        "{disk}"
    );
    assert!(disk.contains("about 500 commits a second"), "{disk}");
    assert!(told(Duration::from_micros(5)).contains("No disk is as quick as 0.005 ms"));
}
