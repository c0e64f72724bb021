//! Who reads a topic, by name: on streams, on a WebSocket and in the snapshot. And events for those who are there now.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use crate::client::{self, Events};
use crate::support::{QUIET, TestServer};

/// Names stay for 400 ms.
const SHORT_GRACE: [&str; 2] = ["--retry", "200ms"];

async fn server(flags: &[&str]) -> TestServer {
    TestServer::start(&[&QUIET, flags].concat()).await
}

async fn events(server: &TestServer, target: &str) -> Events {
    client::events(server.address, target, &[]).await
}

/// The data of the next event, which is one about presence.
async fn presence(events: &mut Events) -> Value {
    let message = events.next().await;
    assert_eq!(message.event_type, "presence", "{}", message.data);
    serde_json::from_str(&message.data).expect("JSON")
}

/// Who is present, as the topic's snapshot says.
async fn present(server: &TestServer, path: &str) -> Value {
    let accept = ["Accept: application/json"];
    let answer = client::send(server.address, "GET", path, &accept).await;
    let mut snapshot: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    snapshot["present"].take()
}

#[tokio::test]
async fn a_reader_that_asks_learns_who_is_there_who_comes_and_who_goes() {
    let server = server(&SHORT_GRACE).await;
    let mut ada = events(&server, "/topics/chat/tea?name=Ada&presence=event").await;
    let start = ada.read_opening().await;
    let expected = json!({"topic": "chat/tea", "present": ["Ada"]});
    assert_eq!(presence(&mut ada).await, expected);
    let bob = events(&server, "/topics/chat/tea?name=%E7%8E%8B%E8%8A%B3").await;
    let expected = json!({"topic": "chat/tea", "joined": ["王芳"]});
    assert_eq!(presence(&mut ada).await, expected);
    assert_eq!(
        present(&server, "/topics/chat/tea").await,
        json!(["Ada", "王芳"])
    );
    let anonymous = events(&server, "/topics/chat/tea").await;
    drop((bob, anonymous));
    let expected = json!({"topic": "chat/tea", "left": ["王芳"]});
    assert_eq!(presence(&mut ada).await, expected);
    assert_eq!(present(&server, "/topics/chat/tea").await, json!(["Ada"]));
    // Nothing of this is in the topic, or moves the place from which a reader resumes.
    assert!(
        ada.parser
            .messages
            .iter()
            .all(|message| message.last_event_id == start)
    );
    let target = "/topics/chat/tea?last_event_id=earliest&follow=false";
    let mut replayed = events(&server, target).await;
    replayed.read_to_end().await;
    assert_eq!(replayed.parser.messages, []);
    drop(ada);
    let topic = fairwind::hub::topic::Topic::new("chat/tea").expect("a topic");
    server
        .until(|server| server.hub.present(&topic).is_empty())
        .await;
    server.stop().await;
}

#[tokio::test]
async fn a_second_tab_and_a_reader_that_reconnects_are_one_presence() {
    let server = server(&["--retry", "2s"]).await;
    let mut watch = events(&server, "/topics/a?presence=event").await;
    assert_eq!(
        presence(&mut watch).await,
        json!({"topic": "a", "present": []})
    );
    let first = events(&server, "/topics/a?name=Ada").await;
    assert_eq!(
        presence(&mut watch).await,
        json!({"topic": "a", "joined": ["Ada"]})
    );
    let second = events(&server, "/topics/a?name=Ada").await;
    drop(first);
    drop(second);
    let watched = fairwind::hub::topic::Topic::new("a").expect("a topic");
    server
        .until(|server| server.hub.subscribers(&watched) == 1)
        .await;
    let _again = events(&server, "/topics/a?name=Ada").await;
    let _bob = events(&server, "/topics/a?name=Bob").await;
    assert_eq!(
        presence(&mut watch).await,
        json!({"topic": "a", "joined": ["Bob"]})
    );
}

#[tokio::test]
async fn on_a_stream_of_several_topics_a_name_is_for_all_or_for_one() {
    let server = server(&[]).await;
    let target = "/topics?topic=a&topic=b/c&name=Ada&name=b/c/Bob&presence=event&format=json";
    let mut stream = events(&server, target).await;
    let expected = [
        json!({"topic": "a", "present": ["Ada"]}),
        json!({"topic": "b/c", "present": ["Ada", "Bob"]}),
    ];
    for expected in expected {
        assert_eq!(presence(&mut stream).await, expected);
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_one_is_refused_with_what_would_be_right() {
    let server = server(&[]).await;
    for (target, expected) in [
        ("/topics/a?name=", "at least one other character"),
        ("/topics/a?name=a%2Fb", "slashes"),
        (
            &format!("/topics/a?name={}", "x".repeat(129)),
            "at most 128",
        ),
        ("/topics/a?presence=yes", "presence=event"),
        ("/topics?topic=a&name=b/Ada", "add topic=b"),
    ] {
        let answer = client::get(server.address, target).await;
        assert_eq!(answer.status, 400, "{target}");
        let detail = answer.text().await;
        assert!(detail.contains(expected), "{target}: {detail}");
    }
    let many: String = (0..101).map(|number| format!("&name={number}")).collect();
    let answer = client::get(server.address, &format!("/topics/a?last=1{many}")).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().await.contains("at most 100"));
}

#[tokio::test]
async fn each_name_counts_as_a_subscription_of_its_client_until_it_has_left() {
    let flags = ["--max-subscriptions-per-address", "4", "--retry", "200ms"];
    let server = server(&flags).await;
    let mut one = events(&server, "/topics/a?name=1").await;
    let mut two = events(&server, "/topics/a?name=2").await;
    one.read_opening().await;
    two.read_opening().await;
    let mut refused = events(&server, "/topics/a?name=3").await;
    refused.read_to_end().await;
    assert!(refused.parser.comments[0].contains("come back later"));
    assert_eq!(present(&server, "/topics/a").await, json!(["1", "2"]));
    drop(one);
    let topic = fairwind::hub::topic::Topic::new("a").expect("a topic");
    server
        .until(|server| server.hub.present(&topic).len() == 1)
        .await;
    let mut three = events(&server, "/topics/a?name=3").await;
    three.read_opening().await;
    assert_eq!(present(&server, "/topics/a").await, json!(["2", "3"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_readers_of_one_topic_know_each_other() {
    const CROWD: usize = 500;
    rlimit::increase_nofile_limit(4 * CROWD as u64).expect("enough open files");
    let server = server(&[]).await;
    let started = Instant::now();
    let names: BTreeSet<_> = (0..CROWD)
        .map(|number| format!("reader {number}"))
        .collect();
    let mut readers = Vec::new();
    for name in &names {
        let name = name.replace(' ', "%20");
        let target = format!("/topics/chat/tea?name={name}&presence=event");
        let mut stream = events(&server, &target).await;
        let everybody = names.clone();
        readers.push(tokio::spawn(async move {
            let mut known = BTreeSet::new();
            let mut messages = 0;
            while known != everybody {
                let update = presence(&mut stream).await;
                messages += 1;
                for member in ["present", "joined"] {
                    let names = update[member].as_array().into_iter().flatten();
                    known.extend(names.filter_map(|name| name.as_str().map(str::to_owned)));
                }
            }
            (stream, messages)
        }));
    }
    let (mut open, mut most) = (Vec::new(), 0);
    for reader in readers {
        let (stream, messages) = reader.await.expect("no panic");
        open.push(stream);
        most = most.max(messages);
    }
    // A crowd that comes at once causes a few events, each with many names, and not one for each name.
    let bound = 3 + started.elapsed().as_millis() / 400;
    assert!(
        most <= bound,
        "{most} events, at most {bound} were expected"
    );
    server.stop().await;
}

#[tokio::test]
async fn an_ephemeral_event_leaves_no_gap_and_is_not_repeated_wherever_a_reader_resumes() {
    let server = server(&[]).await;
    let mut live = events(&server, "/topics/a").await;
    live.read_opening().await;
    for (query, data) in [
        ("", "1"),
        ("?keep=false&type=typing", "typing"),
        ("", "2"),
        ("?keep=false", "3"),
    ] {
        let target = format!("/topics/a{query}");
        client::send_body(server.address, "POST", &target, &[], data.as_bytes()).await;
    }
    live.read_until(|parser| parser.messages.len() == 4).await;
    let ids: Vec<_> = live
        .parser
        .messages
        .iter()
        .map(|message| message.last_event_id.clone())
        .collect();
    for (after, expected) in [(0, vec!["2"]), (1, vec!["2"]), (2, vec![]), (3, vec![])] {
        let from = format!("Last-Event-ID: {}", ids[after]);
        let mut resumed = client::events(server.address, "/topics/a?follow=false", &[&from]).await;
        resumed.read_to_end().await;
        let messages = resumed.parser.messages.iter();
        let seen: Vec<_> = messages
            .map(|message| (&*message.event_type, &*message.data))
            .collect();
        let expected: Vec<_> = expected.into_iter().map(|data| ("message", data)).collect();
        assert_eq!(seen, expected, "after event {after}");
    }
}
