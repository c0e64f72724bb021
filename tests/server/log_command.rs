//! `fairwind log` as an operator runs it: the real binary on a folder that the library has written, and a dump that is
//! published again.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use fairwind::hub::log::disk::{DamagePolicy, DiskConfig, DiskLog, SyncPolicy};
use fairwind::hub::publish::{Preconditions, PublishRequest};
use fairwind::hub::topic::Topic;
use fairwind::hub::{Hub, Limits};
use serde_json::Value;

use crate::client;
use crate::support::{QUIET, TestServer};

/// A folder with a log of several segments. It is removed when this is dropped.
struct LogFolder(PathBuf);

impl LogFolder {
    async fn write(name: &str) -> Self {
        let id = std::process::id();
        let folder = Self(std::env::temp_dir().join(format!("fairwind-{id}-{name}")));
        let config = DiskConfig {
            sync: SyncPolicy::Never,
            history_bytes: 1 << 30,
            history_age: Duration::from_secs(3_600),
            on_damage: DamagePolicy::Stop,
            segment_bytes: 2_000,
        };
        let limits = Limits::default();
        let (log, recovered) = DiskLog::open(&folder.0, config, &limits).expect("a folder");
        let hub = Hub::open(limits, log, recovered);
        for number in 1..=100 {
            for name in ["kitchen", "door"] {
                let topic = Topic::new(name).expect("a topic");
                let event = PublishRequest::text(format!("{name}\n{number}"));
                let receipt = hub.publish(&topic, event, Preconditions::default()).await;
                receipt.expect("taken");
            }
        }
        let ended = Topic::new("door").expect("a topic");
        hub.end(&ended).await.expect("an end");
        hub.close();
        folder
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let (action, options) = arguments.split_first().expect("an action");
        let output = Command::new(env!("CARGO_BIN_EXE_fairwind"))
            .args(["log", action])
            .arg(&self.0)
            .args(options)
            .output();
        output.expect("the binary starts")
    }

    /// The first segment's file.
    fn segment(&self) -> PathBuf {
        self.0.join(format!("{:020}.log", 1))
    }
}

impl Drop for LogFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn a_folder_is_checked_dumped_and_measured() {
    let folder = LogFolder::write("log-command").await;
    let checked = folder.run(&["check"]);
    let table = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{table}");
    assert!(
        table.lines().count() > 4 && table.ends_with("\nwhole\n"),
        "{table}"
    );
    let dumped = folder.run(&["dump"]);
    assert_eq!(dumped.status.code(), Some(0));
    assert_eq!(text(&dumped.stdout).lines().count(), 201);
    let last: Value =
        serde_json::from_str(text(&dumped.stdout).lines().last().expect("a line")).expect("JSON");
    assert_eq!(
        (&last["topic"], &last["end"]),
        (&"door".into(), &true.into())
    );
    let measured = folder.run(&["bench", "--count", "5"]);
    assert_eq!(measured.status.code(), Some(0));
    assert!(text(&measured.stdout).starts_with("5 appends with fdatasync"));
    assert_eq!(
        text(&folder.run(&["check"]).stdout),
        table,
        "nothing has changed"
    );
    let usage = folder.run(&["dump", "--publishable"]);
    assert_eq!(usage.status.code(), Some(2));
    // A reader that goes early, as `head` does.
    let folder_path = folder.0.display();
    let binary = env!("CARGO_BIN_EXE_fairwind");
    let piped = Command::new("sh")
        .args(["-c", &format!("{binary} log dump {folder_path} | head -1")])
        .output()
        .expect("a shell");
    assert_eq!(text(&piped.stdout).lines().count(), 1);
    assert_eq!(text(&piped.stderr), "");
}

#[tokio::test]
async fn damage_is_named_and_what_is_left_is_printed() {
    let folder = LogFolder::write("log-damage").await;
    let segment = folder.segment();
    let mut bytes = std::fs::read(&segment).expect("a segment");
    let place = bytes
        .windows(4)
        .position(|bytes| bytes == b"en\n3")
        .expect("an event");
    bytes[place] ^= 1;
    std::fs::write(&segment, bytes).expect("a segment");
    let checked = folder.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    let said = text(&checked.stdout);
    let mut last = said.lines().rev();
    assert!(
        last.next()
            .is_some_and(|line| line.contains("--on-damage gap")),
        "{said}"
    );
    let damage = format!("damage: {:020}.log, byte ", 1);
    assert!(
        last.next().is_some_and(|line| line.starts_with(&damage)),
        "{said}"
    );
    let dumped = folder.run(&["dump"]);
    assert_eq!(dumped.status.code(), Some(1));
    assert!(text(&dumped.stderr).starts_with(&damage));
    assert_eq!(text(&dumped.stdout).lines().count(), 200);
    std::fs::remove_dir_all(&folder.0).expect("a folder");
    let missing = folder.run(&["check"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).starts_with("error: cannot read "));
}

#[tokio::test]
async fn what_is_dumped_can_be_published_again() {
    let folder = LogFolder::write("log-publishable").await;
    let server = TestServer::start(&QUIET).await;
    for topic in ["kitchen", "door"] {
        let dumped = folder.run(&["dump", "--topic", topic, "--publishable"]);
        assert_eq!(dumped.status.code(), Some(0));
        let target = format!("/topics/{topic}");
        let headers = ["Content-Type: application/x-ndjson"];
        let answer =
            client::send_body(server.address, "PUT", &target, &headers, &dumped.stdout).await;
        assert_eq!(answer.status, 200);
        let receipt: Value = serde_json::from_str(&answer.text().await).expect("JSON");
        assert_eq!(receipt["published"], 100);
        let snapshot = client::send(
            server.address,
            "GET",
            &target,
            &["Accept: application/json"],
        );
        let snapshot: Value = serde_json::from_str(&snapshot.await.text().await).expect("JSON");
        let events = snapshot["events"].as_array().expect("events");
        assert_eq!(events.len(), 100);
        assert_eq!(events[41]["data"], format!("{topic}\n42"));
    }
}
