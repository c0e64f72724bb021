//! Which server may open a folder, and what a reader sees of an orderly restart.

use std::net::SocketAddr;
use std::process::Output;

use tokio::process::Command;
use tokio::time::timeout;

use crate::binary::Binary;
use crate::connection::{Connection, PATIENCE, Stream, ask};
use crate::folder::Folder;

async fn start(folder: &Folder) -> Binary {
    let flags = [folder.flag(), "--anonymous-publish=on".to_owned()];
    Binary::start(&flags.each_ref().map(String::as_str), &[]).await
}

/// Starts a server that is to refuse, and waits until it has.
async fn refusal(folder: &Folder) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_fairwind"))
        .args(["--addr=127.0.0.1:0", &folder.flag()])
        .current_dir(std::env::temp_dir())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, output).await.expect("an end");
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("the binary starts");
    assert!(stdout.is_empty(), "it does not listen");
    (status.code(), String::from_utf8(stderr).expect("UTF-8"))
}

async fn publish(address: SocketAddr, data: &str) {
    let answer = ask(address, "POST", "/topics/kitchen", data).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Reads data until it has so many events.
async fn read(stream: &mut Stream, count: usize) -> Vec<String> {
    let mut read = Vec::new();
    while read.len() < count {
        let messages = timeout(PATIENCE, stream.next()).await.expect("in time");
        for message in messages.expect("an unbroken stream").expect("more events") {
            assert_eq!(message.event_type, "message", "{}", message.data);
            read.push(message.data);
        }
    }
    read
}

async fn open(address: SocketAddr, last_event_id: Option<&str>) -> Stream {
    let opened = Stream::open(address, "/topics/kitchen", last_event_id).await;
    opened
        .expect("a running server")
        .expect("a topic that has not ended")
}

#[tokio::test]
async fn a_second_server_does_not_start_on_a_folder_that_is_in_use() {
    let folder = Folder::new("in-use");
    let server = start(&folder).await;
    publish(server.address, "before").await;
    let (code, said) = refusal(&folder).await;
    assert_eq!(code, Some(1), "{said}");
    let sentence = format!(
        "{} is in use by another process: stop it, or choose another folder with --data",
        folder.path().display()
    );
    assert!(said.contains(&sentence), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    // The first one does not notice.
    publish(server.address, "after").await;
    server.kill().await;
    // A server that was killed leaves no lock behind.
    let server = start(&folder).await;
    let mut stream = open(server.address, Some("earliest")).await;
    assert_eq!(read(&mut stream, 2).await, ["before", "after"]);
    server.stop().await;
}

#[tokio::test]
async fn a_folder_of_a_newer_version_is_refused_and_stays_as_it_is() {
    let folder = Folder::new("newer");
    let server = start(&folder).await;
    publish(server.address, "kept").await;
    server.stop().await;
    let meta = folder.path().join("meta");
    let known = std::fs::read_to_string(&meta).expect("a text file");
    let newer = known.replace("fairwind log 1\n", "fairwind log 2\n");
    assert_ne!(known, newer);
    std::fs::write(&meta, &newer).expect("a file");
    let (code, said) = refusal(&folder).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("version 2") && said.contains("use a newer fairwind"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(&meta).expect("a text file"), newer);
    std::fs::write(&meta, known).expect("a file");
    let server = start(&folder).await;
    let mut stream = open(server.address, Some("earliest")).await;
    assert_eq!(read(&mut stream, 1).await, ["kept"]);
    server.stop().await;
}

#[tokio::test]
async fn a_reader_goes_on_after_an_orderly_restart_without_a_gap() {
    let folder = Folder::new("restart");
    let server = start(&folder).await;
    publish(server.address, "1").await;
    let mut stream = open(server.address, Some("earliest")).await;
    assert_eq!(read(&mut stream, 1).await, ["1"]);
    // A stream that is being published is answered, and says how much is there.
    let mut upload = Connection::open(server.address)
        .await
        .expect("a connection");
    let ndjson = ["Content-Type: application/x-ndjson"];
    let begun = upload.begin("POST", "/topics/kitchen", &ndjson).await;
    begun.expect("the head is taken");
    upload
        .send(b"{\"data\":\"2\"}\n")
        .await
        .expect("it is taken");
    assert_eq!(read(&mut stream, 1).await, ["2"]);
    let address = server.address;
    server.stop().await;
    let answer = upload.finish().await.expect("an answer");
    let receipt = answer.json();
    assert_eq!((answer.status, answer.code().as_str()), (503, "stopping"));
    assert_eq!(receipt["published"], 1);
    while let Some(messages) = stream.next().await.expect("a proper end") {
        assert!(messages.is_empty(), "{messages:?}");
    }
    let last = stream.last_event_id().expect("an id").to_owned();
    assert_eq!(receipt["last_id"], last.as_str());
    assert!(Connection::open(address).await.is_err(), "it has stopped");
    let server = start(&folder).await;
    publish(server.address, "3").await;
    let mut resumed = open(server.address, Some(&last)).await;
    publish(server.address, "4").await;
    assert_eq!(read(&mut resumed, 2).await, ["3", "4"]);
    server.stop().await;
}
