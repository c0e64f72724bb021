//! A disk that fails, or has no room: strace injects errors into the server's system calls on the log's files, and a small
//! file system is really full.
//!
//! Without strace its tests are skipped, each with a line; where the variable `CI` is set, they fail.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use crate::binary::Binary;
use crate::connection::{Answer, Connection, PATIENCE, Stream, ask};
use crate::folder::Folder;

const FLAGS: [&str; 2] = ["--anonymous-publish=on", "--publish-rate=off"];

/// A segment that a run begins in an empty folder.
const FIRST_SEGMENT: &str = "00000000000000000001.log";

/// An event that was sent with a key, and the answer.
struct Published {
    number: usize,
    answer: Answer,
}

impl Published {
    fn is_ok(&self) -> bool {
        self.answer.status == 200
    }

    fn id(&self) -> String {
        self.answer.json()["id"].as_str().expect("an id").to_owned()
    }

    fn data(&self) -> String {
        data(self.number)
    }

    /// Whether the answer says that the event may be published all the same.
    fn is_unknown(&self) -> bool {
        self.answer
            .text()
            .contains("may have been published all the same")
    }
}

fn data(number: usize) -> String {
    format!("event {number}")
}

/// Says which test is skipped, and why. The test harness captures what is printed by macros, but not this.
fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test}: {why}");
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {why}");
}

/// Where strace is, and whether it can trace here.
async fn find_strace(test: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join("strace"));
    let Some(strace) = found.find(|file| file.is_file()) else {
        skip(test, "no strace (Debian: apt-get install strace)");
        return None;
    };
    let works = Command::new(&strace)
        .args(["-f", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status()
        .await;
    if works.is_ok_and(|status| status.success()) {
        return Some(strace);
    }
    skip(test, "strace may not trace here");
    None
}

/// Starts the server under strace, which injects an error into the calls that write or sync the folder's first segment.
async fn start_with_fault(strace: &Path, folder: &Folder, fault: &str, flags: &[&str]) -> Binary {
    let mut command = Command::new(strace);
    // The server is the process that the test has started, and strace its descendant: when the one is killed, both end.
    command.args(["-D", "-f", "-qq", "-o", "/dev/null"]);
    command.arg("-P").arg(
        folder
            .path()
            .canonicalize()
            .expect("a folder")
            .join(FIRST_SEGMENT),
    );
    command.arg(format!("--inject={fault}"));
    command.arg(env!("CARGO_BIN_EXE_fairwind"));
    start_command(command, folder, flags).await
}

async fn start_command(command: Command, folder: &Folder, flags: &[&str]) -> Binary {
    let data = folder.flag();
    let flags = [&FLAGS[..], &[data.as_str()], flags].concat();
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    Binary::start_command(command, any_port, &flags, &[]).await
}

async fn start(folder: &Folder) -> Binary {
    start_command(Command::new(env!("CARGO_BIN_EXE_fairwind")), folder, &[]).await
}

async fn publish(connection: &mut Connection, number: usize) -> Published {
    let key = format!("Idempotency-Key: key-{number}");
    let body = data(number);
    let answer = connection
        .request("POST", "/topics/faults", &[&key], body.as_bytes())
        .await;
    Published {
        number,
        answer: answer.expect("an answer"),
    }
}

/// Publishes with so many publishers until each is refused. Returns what each got.
async fn publish_until_refused(address: SocketAddr, publishers: usize) -> Vec<Published> {
    let publisher = async |own: usize| {
        let mut connection = Connection::open(address).await.expect("a connection");
        let mut all = Vec::new();
        loop {
            let published = publish(&mut connection, own + publishers * all.len()).await;
            let is_ok = published.is_ok();
            all.push(published);
            if !is_ok {
                return all;
            }
        }
    };
    let publishing = futures_util::future::join_all((0..publishers).map(publisher));
    let all = timeout(PATIENCE * 2, publishing).await.expect("in time");
    all.into_iter().flatten().collect()
}

/// Reads the topic's events after an id, until it has so many.
async fn read(stream: &mut Stream, count: usize) -> Vec<(String, String)> {
    let mut events = Vec::new();
    while events.len() < count {
        let messages = timeout(PATIENCE, stream.next()).await.expect("in time");
        let messages = messages.expect("an unbroken stream").expect("more events");
        for message in messages {
            assert_eq!(message.event_type, "message", "{}", message.data);
            events.push((message.last_event_id, message.data));
        }
    }
    events
}

async fn open_stream(address: SocketAddr, last_event_id: &str) -> Stream {
    let opened = Stream::open(address, "/topics/faults", Some(last_event_id)).await;
    opened
        .expect("a running server")
        .expect("a topic that has not ended")
}

/// The answered events, in the order of the log.
fn in_order(published: &[Published]) -> Vec<(String, String)> {
    let published = published.iter().filter(|published| published.is_ok());
    let mut all: Vec<_> = published.map(|one| (one.id(), one.data())).collect();
    all.sort_by_key(|(id, _)| {
        let offset = id.rsplit_once('-').expect("an id of the log").1;
        offset.parse::<u64>().expect("an offset")
    });
    all
}

/// Everything that holds when the storage has failed: nothing can be published, and everything that was can be read.
async fn check_failed(server: &Binary, published: &[Published], mut live: Stream) {
    let address = server.address;
    let expected = in_order(published);
    for refused in published.iter().filter(|published| !published.is_ok()) {
        assert_eq!(
            (refused.answer.status, refused.answer.code().as_str()),
            (503, "storage-failed")
        );
    }
    let later = ask(address, "POST", "/topics/faults", "later").await;
    assert_eq!(
        (later.status, later.code().as_str()),
        (503, "storage-failed")
    );
    assert!(later.text().contains("started again"), "{}", later.text());
    assert!(
        !later.text().contains("may have been published"),
        "{}",
        later.text()
    );
    let ready = ask(address, "GET", "/readyz", "").await;
    assert_eq!(
        (ready.status, ready.code().as_str()),
        (503, "storage-failed")
    );
    assert_eq!(ask(address, "GET", "/healthz", "").await.status, 200);
    assert_eq!(
        read(&mut live, expected.len()).await,
        expected,
        "the open stream"
    );
    for after in [0, expected.len() / 2] {
        let id = match after {
            0 => "earliest",
            after => expected[after - 1].0.as_str(),
        };
        let mut resumed = open_stream(address, id).await;
        let rest = &expected[after..];
        assert_eq!(read(&mut resumed, rest.len()).await, rest, "after {id}");
    }
    let snapshot = ask(address, "GET", "/topics/faults?limit=1", "")
        .await
        .json();
    let newest = expected.last().map(|(id, _)| id.as_str());
    assert_eq!(snapshot["last_id"].as_str(), newest);
    let nothing_more = timeout(Duration::from_millis(50), live.next()).await;
    assert!(
        nothing_more.is_err(),
        "the reader gets what was not committed"
    );
    let logged = server.logged();
    assert_eq!(
        logged.matches("the log's storage has failed").count(),
        1,
        "{logged}"
    );
}

/// Restarts a server whose storage has failed, and checks that it has what it promised. Each event is sent again under its
/// key.
async fn check_restarted(folder: &Folder, published: &[Published]) {
    let server = start(folder).await;
    let mut connection = Connection::open(server.address)
        .await
        .expect("a connection");
    for first in published {
        let again = publish(&mut connection, first.number).await;
        assert_eq!(again.answer.status, 200, "{}", again.answer.text());
        let is_repeated = again.answer.json()["repeated"] == true;
        if first.is_ok() {
            assert_eq!(
                (again.id(), is_repeated),
                (first.id(), true),
                "{}",
                first.data()
            );
        } else if !first.is_unknown() {
            assert!(!is_repeated, "{} was refused, and is there", first.data());
        }
    }
    let mut stream = open_stream(server.address, "earliest").await;
    let all = read(&mut stream, published.len()).await;
    let answered = in_order(published);
    assert_eq!(all[..answered.len()], answered);
    let mut known: Vec<&String> = all.iter().map(|(_, data)| data).collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), published.len(), "an event is there twice");
    // A reader from before resumes.
    if let Some((id, _)) = answered.last() {
        let mut resumed = open_stream(server.address, id).await;
        let rest = &all[answered.len()..];
        assert_eq!(read(&mut resumed, rest.len()).await, rest);
    }
    assert_eq!(ask(server.address, "GET", "/readyz", "").await.status, 200);
    server.stop().await;
}

/// A fault after which nothing can be published until a restart.
async fn failure(test: &str, fault: &str, flags: &[&str], publishers: usize) {
    let Some(strace) = find_strace(test).await else {
        return;
    };
    let folder = Folder::new("failure");
    std::fs::create_dir(folder.path()).expect("a folder");
    let server = start_with_fault(&strace, &folder, fault, flags).await;
    let live = open_stream(server.address, "earliest").await;
    let published = publish_until_refused(server.address, publishers).await;
    let answered = published
        .iter()
        .filter(|published| published.is_ok())
        .count();
    let unknown = published
        .iter()
        .filter(|published| published.is_unknown())
        .count();
    println!("{test}: {answered} events published, the fate of {unknown} is unknown");
    assert!(answered > 0);
    check_failed(&server, &published, live).await;
    if flags.is_empty() {
        assert!(
            unknown > 0,
            "no publisher learns that its event may be there"
        );
    }
    if publishers == 1 {
        server.kill().await;
    } else {
        // It can be stopped as ever, and does not say that the log is whole.
        server.stop().await;
    }
    check_restarted(&folder, &published).await;
}

#[tokio::test]
async fn after_an_fdatasync_that_fails_nothing_is_published_until_a_restart() {
    let test = "after_an_fdatasync_that_fails_nothing_is_published_until_a_restart";
    failure(test, "fdatasync:error=EIO:when=20+", &[], 1).await;
}

#[tokio::test]
async fn an_fdatasync_that_fails_once_is_not_tried_again() {
    let test = "an_fdatasync_that_fails_once_is_not_tried_again";
    failure(test, "fdatasync:error=EIO:when=20", &[], 8).await;
}

#[tokio::test]
async fn an_fdatasync_that_finds_the_disk_full_is_not_tried_again() {
    let test = "an_fdatasync_that_finds_the_disk_full_is_not_tried_again";
    failure(test, "fdatasync:error=ENOSPC:when=20", &[], 8).await;
}

#[tokio::test]
async fn after_a_write_that_fails_nothing_is_published_until_a_restart() {
    let test = "after_a_write_that_fails_nothing_is_published_until_a_restart";
    failure(test, "write:error=EIO:when=20", &[], 8).await;
}

#[tokio::test]
async fn an_fdatasync_at_an_interval_that_fails_loses_nothing_that_was_answered() {
    let test = "an_fdatasync_at_an_interval_that_fails_loses_nothing_that_was_answered";
    failure(test, "fdatasync:error=EIO:when=4+", &["--sync=20ms"], 4).await;
}

#[tokio::test]
async fn a_full_disk_refuses_events_and_takes_them_by_itself_when_there_is_room() {
    let test = "a_full_disk_refuses_events_and_takes_them_by_itself_when_there_is_room";
    let Some(strace) = find_strace(test).await else {
        return;
    };
    let folder = Folder::new("full");
    std::fs::create_dir(folder.path()).expect("a folder");
    // The first write is the segment's header.
    let fault = "write:error=ENOSPC:when=5..8";
    let server = start_with_fault(&strace, &folder, fault, &[]).await;
    let address = server.address;
    let mut live = open_stream(address, "earliest").await;
    let mut connection = Connection::open(address).await.expect("a connection");
    let mut taken = Vec::new();
    let mut refused = 0;
    let mut numbers = 0;
    while taken.len() < 16 {
        let number = numbers;
        numbers += 1;
        let published = publish(&mut connection, number).await;
        if published.is_ok() {
            if refused > 0 {
                assert_eq!(ask(address, "GET", "/readyz", "").await.status, 200);
            }
            taken.push(published);
            continue;
        }
        refused += 1;
        let answer = &published.answer;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (507, "storage-full")
        );
        assert!(!published.is_unknown(), "{}", answer.text());
        let ready = ask(address, "GET", "/readyz", "").await;
        assert_eq!((ready.status, ready.code().as_str()), (507, "storage-full"));
        assert_eq!(ask(address, "GET", "/healthz", "").await.status, 200);
        let mut reader = open_stream(address, "earliest").await;
        assert_eq!(read(&mut reader, taken.len()).await, in_order(&taken));
    }
    // Those that come while the writer still drops the others are refused too.
    assert!((4..20).contains(&refused), "{refused} were refused");
    let expected = in_order(&taken);
    assert_eq!(
        read(&mut live, expected.len()).await,
        expected,
        "the open stream"
    );
    server.kill().await;
    let server = start(&folder).await;
    let mut resumed = open_stream(server.address, &expected[1].0).await;
    assert_eq!(read(&mut resumed, expected.len() - 2).await, expected[2..]);
    // What was refused is not there, and its key is free.
    let mut connection = Connection::open(server.address)
        .await
        .expect("a connection");
    for number in 0..numbers {
        let again = publish(&mut connection, number).await.answer.json();
        let was_taken = taken.iter().any(|taken| taken.number == number);
        let repeated = if was_taken {
            Value::Bool(true)
        } else {
            Value::Null
        };
        assert_eq!(again["repeated"], repeated, "event {number}");
    }
    server.stop().await;
}

/// A file system of two megabytes in memory. It is unmounted when this is dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    async fn mount(test: &str, path: &'a Path) -> Option<Self> {
        std::fs::create_dir(path).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "fairwind-test"])
            .arg(path)
            .stderr(Stdio::null())
            .status()
            .await;
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(path));
        }
        // Not even the machine that has everything else may mount.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {test}: no file system can be mounted here"
        );
        None
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.0)
            .status();
    }
}

/// Publishes until the disk is full, and adds what was answered.
async fn fill(address: SocketAddr, published: &mut Vec<(String, String)>) {
    loop {
        let body = format!("{} {}", published.len(), "x".repeat(7_000));
        let answer = ask(address, "POST", "/topics/faults", &body).await;
        if answer.status != 200 {
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (507, "storage-full")
            );
            return;
        }
        let id = answer.json()["id"].as_str().expect("an id").to_owned();
        published.push((id, body));
    }
}

#[tokio::test]
async fn a_disk_that_is_really_full_loses_nothing_and_is_written_again_when_there_is_room() {
    let test = "a_disk_that_is_really_full_loses_nothing_and_is_written_again_when_there_is_room";
    let folder = Folder::new("small-disk");
    let Some(disk) = SmallDisk::mount(test, folder.path()).await else {
        return;
    };
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).expect("room");
    let server = start(&folder).await;
    let address = server.address;
    let mut live = open_stream(address, "earliest").await;
    let mut expected = Vec::new();
    fill(address, &mut expected).await;
    assert_eq!(
        ask(address, "GET", "/readyz", "").await.code(),
        "storage-full"
    );
    std::fs::remove_file(&ballast).expect("the ballast");
    let fitted = expected.len();
    let until_taken = async {
        while expected.len() == fitted {
            fill(address, &mut expected).await;
        }
    };
    timeout(PATIENCE, until_taken).await.expect("there is room");
    assert!(expected.len() > 200, "{} events fit", expected.len());
    assert_eq!(read(&mut live, expected.len()).await, expected);
    server.kill().await;
    // The start itself needs room: it copies the unfinished segment.
    let data = folder.flag();
    let restart = Command::new(env!("CARGO_BIN_EXE_fairwind"))
        .args(["--addr=127.0.0.1:0", &data])
        .current_dir(std::env::temp_dir())
        .output();
    let restart = timeout(PATIENCE, restart)
        .await
        .expect("an end")
        .expect("it runs");
    let said = String::from_utf8_lossy(&restart.stderr).into_owned();
    assert_eq!(restart.status.code(), Some(1), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    let remounted = Command::new("mount")
        .args(["-o", "remount,size=8m"])
        .arg(folder.path())
        .status()
        .await;
    assert!(remounted.expect("mount runs").success());
    let server = start(&folder).await;
    let mut all = open_stream(server.address, "earliest").await;
    assert_eq!(read(&mut all, expected.len()).await, expected);
    assert_eq!(
        ask(server.address, "POST", "/topics/faults", "more")
            .await
            .status,
        200
    );
    server.stop().await;
    drop(disk);
}
