//! Clients of the nats-server that know nothing of Fairwind.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::node::{Node, Tail};
use crate::wire::Wire;

async fn node_and_wire() -> Option<(Engine, Node, Wire)> {
    let engine = Engine::start().await?;
    let node = Node::start(&[&engine], &[]).await;
    let wire = Wire::connect(&engine).await;
    Some((engine, node, wire))
}

async fn read_all(node: &Node, topic: &str, count: usize) -> Tail {
    let mut tail = node
        .read(&format!("/topics/{topic}"), Some("earliest"))
        .await;
    tail.until(count).await;
    tail
}

#[tokio::test]
async fn what_any_client_publishes_to_a_subject_reaches_the_readers_of_its_topic() {
    let Some((_engine, node, mut wire)) = node_and_wire().await else {
        return;
    };
    let mut live = node.read("/topics/orders/7", None).await;
    wire.store("fairwind.orders.7", &[], b"plain").await;
    let headers = [
        ("Fairwind-Type", "news"),
        ("Fairwind-Id", "own%20%C3%BC"),
        ("Fairwind-Retry", "2500"),
        ("Traceparent", "00-1-2-3"),
    ];
    wire.store("fairwind.orders.7", &headers, "zwei\nZeilen: ü".as_bytes())
        .await;
    // A publisher that asks for no acknowledgement.
    wire.publish("fairwind.orders.7", "", &[], b"").await;
    let wrong = [
        ("Fairwind-Type", "end"),
        ("Fairwind-Id", "#no"),
        ("Fairwind-Retry", "soon"),
    ];
    wire.store("fairwind.orders.7", &wrong, b"odd headers")
        .await;
    live.until(4).await;
    assert_eq!(live.data(), ["plain", "zwei\nZeilen: ü", "", "odd headers"]);
    let types: Vec<&str> = live
        .read
        .iter()
        .map(|read| read.event_type.as_str())
        .collect();
    assert_eq!(types, ["message", "news", "message", "message"]);
    assert_eq!(live.read[1].last_event_id, "own ü");
    assert!(live.read[3].last_event_id.starts_with('#'));
    let resumed = node
        .read("/topics/orders/7?last_event_id=own%20%C3%BC", None)
        .await;
    let mut resumed = resumed;
    resumed.until(2).await;
    assert_eq!(resumed.events(), live.events()[2..]);
}

#[tokio::test]
async fn an_end_and_a_private_event_of_another_client_are_such() {
    let Some((_engine, node, mut wire)) = node_and_wire().await else {
        return;
    };
    let mut live = node.read("/topics/a", None).await;
    let private = [("Fairwind-Flags", "private")];
    wire.store("fairwind.a", &private, b"secret").await;
    wire.store("fairwind-live.a", &[], b"passing").await;
    wire.store("fairwind.a", &[], b"public").await;
    wire.store("fairwind.a", &[("Fairwind-Flags", "end")], b"")
        .await;
    wire.store("fairwind.a", &[], b"too late").await;
    live.read_to_the_end().await;
    let types: Vec<&str> = live
        .read
        .iter()
        .map(|read| read.event_type.as_str())
        .collect();
    assert_eq!(types, ["message", "message", "end"]);
    assert_eq!(live.data()[..2], ["passing", "public"]);
    let answer = node.ask("POST", "/topics/a", "too late").await;
    assert_eq!(answer.code(), "topic-ended");
}

#[tokio::test]
async fn what_http_publishes_can_be_read_from_the_subject() {
    let Some((_engine, node, mut wire)) = node_and_wire().await else {
        return;
    };
    wire.subscribe("fairwind.>").await;
    let headers = [
        "Event-Id: own ü",
        "Event-Type: news",
        "Event-Retry: 2500",
        "Idempotency-Key: key 7",
    ];
    let data = "zwei\nZeilen: ü";
    let answer = node.post("/topics/orders/a.b%20c", &headers, data).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let message = wire.next().await;
    assert_eq!(message.subject, "fairwind.orders.a%2Eb%20c");
    assert_eq!(message.payload, data.as_bytes());
    let wanted = BTreeMap::from([
        ("Fairwind-Type", "news"),
        ("Fairwind-Id", "own%20%C3%BC"),
        ("Fairwind-Retry", "2500"),
    ]);
    for (name, value) in wanted {
        assert_eq!(message.headers.get(name).map(String::as_str), Some(value));
    }
    node.ask("POST", "/topics/plain", "hello").await;
    let message = wire.next().await;
    assert_eq!(message.subject, "fairwind.plain");
    assert_eq!(message.payload, b"hello");
    assert!(!message.headers.contains_key("Fairwind-Type"));
    let ended = node.ask("DELETE", "/topics/plain", "").await;
    assert_eq!(ended.status, 204);
    assert_eq!(wire.next().await.headers["Fairwind-Flags"], "end");
    node.ask("POST", "/topics/other?keep=false", "passing")
        .await;
    node.ask("POST", "/topics/other", "kept").await;
    assert_eq!(
        wire.next().await.payload,
        b"kept",
        "the other has a subject of its own"
    );
}

#[tokio::test]
async fn odd_subjects_and_payloads_harm_nobody() {
    let Some((_engine, node, mut wire)) = node_and_wire().await else {
        return;
    };
    let patterns = ["/*", "g*", "a*", "b*"].map(|text| text.replace('/', "%2F"));
    let target = format!("/topics?match={}", patterns.join("&match="));
    let mut all = node.read(&target, None).await;
    // No topic has these names.
    for subject in [
        "fairwind.%FF",
        "fairwind.a.%2E%2E",
        "fairwind.a.%2E",
        "fairwind.%0A",
    ] {
        wire.store(subject, &[], b"nowhere").await;
    }
    let long = format!("fairwind.{}", "x".repeat(2_000));
    wire.store(&long, &[], b"nowhere").await;
    wire.store("fairwind.%.a.%", &[], b"slashes").await;
    wire.store("fairwind.gr\u{f6}\u{df}e", &[], b"letters")
        .await;
    wire.store("fairwind.a%2Fb", &[], b"a slash that is encoded")
        .await;
    wire.store("fairwind.bytes", &[], b"a\xff\xfeb\0c\rd").await;
    let read = async |tail: &mut Tail| {
        tail.until(8).await;
        let pairs: Vec<_> = tail.read.chunks(2).collect();
        let pairs = pairs
            .iter()
            .map(|pair| (pair[0].data.clone(), pair[1].data.clone()));
        pairs.collect::<Vec<_>>()
    };
    let read = read(&mut all).await;
    let text = |text: &str| text.to_owned();
    assert_eq!(read[0], (text("/a/"), text("slashes")));
    assert_eq!(read[1], (text("größe"), text("letters")));
    assert_eq!(read[2], (text("a/b"), text("a slash that is encoded")));
    assert_eq!(read[3].0, "bytes");
    assert!(read[3].1.starts_with("a\u{fffd}\u{fffd}b"), "{read:?}");
    // What nobody could be sent stands in nobody's way: a node that starts reads past it.
    let late = Node::start(&[&_engine], &[]).await;
    let tail = read_all(&late, "bytes", 1).await;
    assert_eq!(tail.read[0].data, read[3].1);
    assert_eq!(tail.events(), read_all(&node, "bytes", 1).await.events());
    node.publish("after", "fine").await;
}

#[tokio::test]
async fn an_event_of_several_topics_reaches_each_of_their_readers_once() {
    let Some((engine, node, mut wire)) = node_and_wire().await else {
        return;
    };
    let mut both = node.read("/topics?topic=a&topic=b/1", None).await;
    let mut pattern = node.read("/topics?match=a*&match=b*", None).await;
    let also = ("Fairwind-Also-In", "b.1");
    // One batch: the event, and its copy under the other topic.
    let batch = ("Nats-Batch-Id", "one");
    wire.publish(
        "fairwind.a",
        "",
        &[also, batch, ("Nats-Batch-Sequence", "1")],
        b"shared",
    )
    .await;
    let copy = [
        also,
        ("Fairwind-Copy", "1 a"),
        batch,
        ("Nats-Batch-Sequence", "2"),
        ("Nats-Batch-Commit", "1"),
    ];
    wire.store("fairwind.b.1", &copy, b"shared").await;
    wire.store("fairwind.b.1", &[], b"after").await;
    for tail in [&mut both, &mut pattern] {
        tail.until(4).await;
        assert_eq!(tail.data()[1], "shared");
        assert_eq!(tail.data()[2..], ["b/1", "after"]);
    }
    // The history has it under both, from memory and from the stream, at this node and at one that starts.
    let flags = ["--history-events=1", "--history-bytes=64KiB"];
    let late = Node::start(&[&engine], &flags).await;
    for node in [&node, &late] {
        let a = read_all(node, "a", 1).await;
        assert_eq!(a.data(), ["shared"]);
        let b = read_all(node, "b/1", 2).await;
        assert_eq!(b.data(), ["shared", "after"]);
        assert_eq!(a.read[0].last_event_id, b.read[0].last_event_id);
        let mut all = node
            .read("/topics?match=a*&match=b*", Some("earliest"))
            .await;
        all.until(4).await;
        assert_eq!(all.data()[1], "shared");
        assert_eq!(all.data()[3], "after");
    }
}

#[tokio::test]
async fn a_flood_from_another_client_comes_whole_and_in_order() {
    const EVENTS: usize = 20_000;
    let Some((engine, node, mut wire)) = node_and_wire().await else {
        return;
    };
    let other = Node::start(
        &[&engine],
        &["--history-events=100", "--history-bytes=1MiB"],
    )
    .await;
    let mut tail = node
        .read("/topics/flood?slow_reader=disconnect", None)
        .await;
    for number in 0..EVENTS {
        let text = number.to_string();
        wire.publish("fairwind.flood", "", &[], text.as_bytes())
            .await;
    }
    wire.flush().await;
    let wanted: Vec<String> = (0..EVENTS).map(|number| number.to_string()).collect();
    tail.until(EVENTS).await;
    assert_eq!(tail.data(), wanted);
    // From the stream, since the other's memory has little of it.
    let mut late = other.read("/topics/flood", Some("earliest")).await;
    late.until(EVENTS).await;
    assert_eq!(late.events(), tail.events());
}
