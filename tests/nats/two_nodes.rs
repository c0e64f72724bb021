//! Two nodes that share one nats-server are one log to their clients.

use std::collections::BTreeSet;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::connection::{Answer, Connection, PATIENCE, Stream};
use crate::engine::{Engine, LOOK};
use crate::node::{Node, Tail, eventually, id_of};

/// How often a race is run.
const RACES: usize = 12;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

async fn two_nodes(engine: &Engine) -> [Node; 2] {
    let engines = [engine];
    let (a, b) = tokio::join!(Node::start(&engines, &[]), Node::start(&engines, &[]));
    [a, b]
}

/// Publishes at both nodes at one moment.
async fn at_both(
    nodes: &[Node; 2],
    target: &str,
    headers: &[&str],
    data: [&str; 2],
) -> [Answer; 2] {
    let [a, b] = nodes;
    let (a, b) = tokio::join!(
        a.post(target, headers, data[0]),
        b.post(target, headers, data[1])
    );
    [a, b]
}

fn statuses(answers: &[Answer; 2]) -> [u16; 2] {
    let mut statuses = answers.each_ref().map(|answer| answer.status);
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn a_node_refuses_to_publish_later_and_its_page_of_notifications_offers_it_not() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let node = Node::start(&[&engine], &[]).await;
    for target in [
        "/topics/kitchen?in=1s",
        "/topics/kitchen?at=2100-01-01T00:00:00Z",
    ] {
        let refused = node.ask("POST", target, "later").await;
        assert_eq!(refused.status, 501, "{target}: {}", refused.text());
        assert!(refused.text().contains("no-schedule"), "{}", refused.text());
    }
    let listed = node.ask("GET", "/scheduled?topic=kitchen", "").await;
    assert_eq!(listed.status, 501, "{}", listed.text());
    assert_eq!(node.snapshot("kitchen").await, []);
    let page = node.ask("GET", "/notifications", "").await;
    assert_eq!(page.status, 200);
    assert!(!page.text().contains("<select"), "a choice of times");
}

#[tokio::test]
async fn an_event_has_the_same_id_at_both_nodes_and_readers_of_both_get_it() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    let mut tails = [
        nodes[0].read("/topics/kitchen", None).await,
        nodes[1].read("/topics/kitchen", None).await,
    ];
    let mut published = Vec::new();
    for number in 0..20 {
        let data = format!("event {number}");
        let id = nodes[number % 2].publish("kitchen", &data).await;
        published.push((id, data));
        // What is answered can be read at the same node.
        assert_eq!(nodes[number % 2].snapshot("kitchen").await, published);
    }
    for (tail, node) in tails.iter_mut().zip(&nodes) {
        tail.until(20).await;
        assert_eq!(tail.events(), published);
        node.await_snapshot("kitchen", &published).await;
    }
}

#[tokio::test]
async fn a_reader_goes_on_at_the_other_node_with_nothing_missing_and_nothing_twice() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    let publishing = async {
        for number in 0..300 {
            nodes[number % 2]
                .publish("kitchen", &number.to_string())
                .await;
        }
    };
    let reading = async {
        let mut read = Vec::new();
        let mut last = "earliest".to_owned();
        let mut turn = 0;
        while read.last().is_none_or(|last| last != "299") {
            let mut tail = nodes[turn % 2].read("/topics/kitchen", Some(&last)).await;
            tail.until(1).await;
            assert_eq!(tail.count("gap"), 0, "{last}: {:?}", tail.read);
            read.extend(tail.data().into_iter().map(str::to_owned));
            last = tail.last_event_id();
            turn += 1;
        }
        assert!(turn > 2, "it has not moved");
        read
    };
    let ((), read) = tokio::join!(publishing, reading);
    let wanted: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    assert_eq!(read, wanted);
}

#[tokio::test]
async fn of_two_publishers_that_expect_the_same_newest_event_one_wins() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    let mut newest = nodes[0].publish("counter", "0").await;
    for round in 0..RACES {
        let condition = format!("If-Match: \"{newest}\"");
        let data = format!("{round}");
        let answers = at_both(&nodes, "/topics/counter", &[&condition], [&data, &data]).await;
        assert_eq!(statuses(&answers), [200, 412], "{answers:?}");
        let winner = answers.iter().find(|answer| answer.status == 200);
        newest = id_of(winner.expect("a winner"));
    }
    let events = nodes[0].snapshot("counter").await;
    assert_eq!(events.len(), RACES + 1);
    nodes[1].await_snapshot("counter", &events).await;
}

#[tokio::test]
async fn an_expectation_holds_at_the_other_node_at_once() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    let mut newest = nodes[0].publish("counter", "0").await;
    for round in 1..60 {
        // The other node may not have read yet what this one has published.
        let condition = format!("If-Match: \"{newest}\"");
        let answer = nodes[round % 2]
            .post("/topics/counter", &[&condition], "next")
            .await;
        assert_eq!(answer.status, 200, "round {round}: {}", answer.text());
        newest = id_of(&answer);
    }
}

#[tokio::test]
async fn a_key_gives_the_first_answer_at_every_node() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    let _reader = nodes[0].read("/topics/orders", None).await;
    let target = "/topics/orders";
    let key = ["Idempotency-Key: order-7"];
    let first = nodes[0].post(target, &key, "seven").await.json();
    let repeated = nodes[1].post(target, &key, "seven").await.json();
    for member in ["id", "topic", "subscribers"] {
        assert_eq!(first[member], repeated[member]);
    }
    assert_eq!(repeated["repeated"], true);
    let other = nodes[1].post(target, &key, "eight").await;
    assert_eq!(other.status, 422, "{}", other.text());
    let mut wanted = 1;
    for round in 0..RACES {
        let key = format!("Idempotency-Key: race-{round}");
        let answers = at_both(&nodes, target, &[&key], ["same", "same"]).await;
        assert_eq!(statuses(&answers), [200, 200], "{answers:?}");
        let [a, b] = answers.each_ref().map(Answer::json);
        assert_eq!(a["id"], b["id"]);
        assert_ne!(a["repeated"] == true, b["repeated"] == true, "{a} {b}");
        let key = format!("Idempotency-Key: quarrel-{round}");
        let answers = at_both(&nodes, target, &[&key], ["one", "another"]).await;
        assert_eq!(statuses(&answers), [200, 422], "{answers:?}");
        wanted += 2;
    }
    let events = nodes[0].snapshot("orders").await;
    assert_eq!(events.len(), wanted);
    nodes[1].await_snapshot("orders", &events).await;
}

#[tokio::test]
async fn a_key_gives_the_first_answer_though_what_was_expected_has_changed_by_it() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    let mut newest = nodes[0].publish("counter", "0").await;
    for round in 0..RACES {
        let headers = [
            format!("If-Match: \"{newest}\""),
            format!("Idempotency-Key: {round}"),
        ];
        let headers = headers.each_ref().map(String::as_str);
        let answers = at_both(&nodes, "/topics/counter", &headers, ["same", "same"]).await;
        assert_eq!(statuses(&answers), [200, 200], "{answers:?}");
        newest = id_of(&answers[0]);
        assert_eq!(newest, id_of(&answers[1]));
    }
    assert_eq!(nodes[0].snapshot("counter").await.len(), RACES + 1);
}

#[tokio::test]
async fn of_two_events_with_one_id_of_their_publishers_own_one_is_taken() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    for round in 0..RACES {
        let id = format!("Event-Id: own {round} ü");
        let answers = at_both(&nodes, "/topics/own", &[&id], ["one", "another"]).await;
        assert_eq!(statuses(&answers), [200, 409], "{answers:?}");
        // With a key as well.
        let key = format!("Idempotency-Key: {round}");
        let id = format!("Event-Id: both-{round}");
        let answers = at_both(&nodes, "/topics/own", &[&id, &key], ["same", "same"]).await;
        assert_eq!(statuses(&answers), [200, 200], "{answers:?}");
        assert_eq!(id_of(&answers[0]), id_of(&answers[1]));
        let late = nodes[1].post("/topics/own", &[&id], "later").await;
        assert_eq!((late.status, late.code().as_str()), (409, "duplicate-id"));
    }
    let events = nodes[0].snapshot("own").await;
    assert_eq!(events.len(), 2 * RACES);
    let ids: BTreeSet<&String> = events.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 2 * RACES);
    nodes[1].await_snapshot("own", &events).await;
    // A reader of the other node resumes from such an id.
    let mut tail = nodes[1].read("/topics/own", Some(&events[2].0)).await;
    tail.until(2 * RACES - 3).await;
    assert_eq!(tail.events(), events[3..]);
}

#[tokio::test]
async fn nothing_comes_after_the_end_of_a_topic_at_either_node() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    for round in 0..RACES {
        let topic = format!("ending-{round}");
        let target = format!("/topics/{topic}");
        nodes[0].publish(&topic, "first").await;
        let mut tails = [
            nodes[0].read(&target, Some("earliest")).await,
            nodes[1].read(&target, Some("earliest")).await,
        ];
        for tail in &mut tails {
            assert_eq!(tail.next().await.data, "first");
        }
        let publish_until_refused = async |node: &Node| {
            let mut taken = 0;
            loop {
                let answer = node.ask("POST", &target, &format!("{taken}")).await;
                if answer.status != 200 {
                    assert_eq!(
                        (answer.status, answer.code().as_str()),
                        (409, "topic-ended")
                    );
                    return taken;
                }
                taken += 1;
            }
        };
        let (a, b, end, other_end) = tokio::join!(
            publish_until_refused(&nodes[0]),
            publish_until_refused(&nodes[1]),
            nodes[round % 2].ask("DELETE", &target, ""),
            nodes[(round + 1) % 2].ask("DELETE", &target, ""),
        );
        assert_eq!((end.status, other_end.status), (204, 204));
        for tail in &mut tails {
            tail.read_to_the_end().await;
            let last = tail.read.last().expect("an end");
            assert_eq!((last.event_type.as_str(), &last.data), ("end", &topic));
            assert_eq!(tail.read.len(), 2 + a + b, "what was answered, and the end");
        }
        assert_eq!(tails[0].events(), tails[1].events());
        let last = tails[0].last_event_id();
        for node in &nodes {
            let again = Stream::open(node.address(), &target, Some(&last)).await;
            assert!(matches!(again, Ok(None)));
        }
    }
}

#[tokio::test]
async fn private_events_and_events_that_are_not_kept_are_so_at_the_other_node() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let secret = engine.folder.path().join("secret");
    std::fs::write(&secret, SECRET).expect("a file");
    let secret = format!("--jwt-secret-file={}", secret.display());
    let flags = [secret.as_str(), "--read=public"];
    let nodes = [
        Node::start(&[&engine], &flags).await,
        Node::start(&[&engine], &flags).await,
    ];
    let claims = json!({"exp": get_current_timestamp() + 600, "subscribe": ["*"]});
    let key = EncodingKey::from_secret(SECRET);
    let token = encode(&Header::new(Algorithm::HS256), &claims, &key).expect("a token");
    let bearer = format!("Authorization: Bearer {token}");
    let mut live = nodes[1].read("/topics/kitchen", None).await;
    for target in [
        "/topics/kitchen",
        "/topics/kitchen?private=true",
        "/topics/kitchen?keep=false&type=news&retry=3000",
        "/topics/kitchen",
    ] {
        let answer = nodes[0].ask("POST", target, target).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    live.until(3).await;
    let types: Vec<&str> = live
        .read
        .iter()
        .map(|read| read.event_type.as_str())
        .collect();
    assert_eq!(types, ["message", "news", "message"]);
    assert!(!live.data().contains(&"/topics/kitchen?private=true"));
    for node in &nodes {
        let mut late = node.read("/topics/kitchen", Some("earliest")).await;
        late.until(2).await;
        assert_eq!(late.data(), ["/topics/kitchen"; 2]);
        let headers = ["Accept: application/json", &bearer];
        let mut connection = Connection::open(node.address())
            .await
            .expect("a connection");
        let answer = connection
            .request("GET", "/topics/kitchen", &headers, b"")
            .await;
        let snapshot = answer.expect("an answer").json();
        let events = snapshot["events"].as_array().expect("events");
        let data: Vec<&Value> = events.iter().map(|event| &event["data"]).collect();
        let wanted = ["", "?private=true", ""].map(|query| format!("/topics/kitchen{query}"));
        assert_eq!(data, wanted.each_ref());
    }
}

#[tokio::test]
async fn readers_of_several_topics_and_of_patterns_get_one_order_at_both_nodes() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    let targets = [
        "/topics?topic=a/1&topic=b",
        "/topics?match=a/*",
        "/topics?match=*",
    ];
    let mut tails: Vec<[Tail; 2]> = Vec::new();
    for target in targets {
        let [a, b] = nodes.each_ref();
        tails.push([a.read(target, None).await, b.read(target, None).await]);
    }
    let topics = ["a/1", "a/2", "b", "c/ü.*> %"];
    let publish = async |node: &Node, from: usize| {
        for number in from..from + 20 {
            let topic = topics[number % topics.len()];
            let topic = topic
                .replace('%', "%25")
                .replace(' ', "%20")
                .replace('>', "%3E");
            node.publish(&topic, &number.to_string()).await;
        }
    };
    tokio::join!(publish(&nodes[0], 0), publish(&nodes[1], 20));
    // Before each event comes one that names its topic.
    for ([a, b], count) in tails.iter_mut().zip([20, 20, 40]) {
        a.until(2 * count).await;
        b.until(2 * count).await;
        assert_eq!(a.events(), b.events());
    }
    let named = &tails[2][0].data();
    assert!(named.contains(&"c/ü.*> %"), "{named:?}");
}

#[tokio::test]
async fn subscribers_add_up_over_the_nodes() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    nodes[0].publish("orders/7", "first").await;
    let subscribers = async |node: &Node, count: u64| {
        eventually(&format!("there are {count} subscribers"), async || {
            let answer = node.ask("GET", "/topics/orders/7", "").await;
            answer.status == 200 && answer.json()["subscribers"] == count
        })
        .await;
    };
    let here = nodes[0].read("/topics/orders/7", None).await;
    let there = nodes[1].read("/topics/orders/7", None).await;
    let of_pattern = nodes[1].read("/topics?match=orders/*", None).await;
    for node in &nodes {
        subscribers(node, 2).await;
        // An event reaches the pattern's reader as well.
        eventually("an event reaches three readers", async || {
            let answer = node.ask("POST", "/topics/orders/7", "x").await;
            answer.json()["subscribers"] == 3
        })
        .await;
    }
    drop((here, of_pattern));
    subscribers(&nodes[1], 1).await;
    drop(there);
    subscribers(&nodes[0], 0).await;
}

#[tokio::test]
async fn a_stream_of_many_events_arrives_in_order_at_both_nodes() {
    const EVENTS: usize = 5_000;
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = two_nodes(&engine).await;
    let mut tails = [
        nodes[0].read("/topics/stream", Some("earliest")).await,
        nodes[1].read("/topics/stream", Some("earliest")).await,
    ];
    let ndjson = ["Content-Type: application/x-ndjson"];
    let upload = async {
        let mut upload = Connection::open(nodes[0].address())
            .await
            .expect("a connection");
        let begun = upload.begin("POST", "/topics/stream", &ndjson).await;
        begun.expect("the head is taken");
        for chunk in 0..EVENTS / 100 {
            let lines: String = (0..100)
                .map(|line| format!("{{\"data\":\"{}\"}}\n", chunk * 100 + line))
                .collect();
            upload.send(lines.as_bytes()).await.expect("it is taken");
        }
        upload.finish().await.expect("an answer")
    };
    let [a, b] = &mut tails;
    let (answer, (), ()) = tokio::join!(upload, a.until(EVENTS), b.until(EVENTS));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["published"], EVENTS as u64);
    assert_eq!(a.events(), b.events());
    let wanted: Vec<String> = (0..EVENTS).map(|number| number.to_string()).collect();
    assert_eq!(a.data(), wanted);
}

#[tokio::test]
async fn a_node_that_starts_waits_for_a_nats_server() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let first = Node::start(&[&engine], &[]).await;
    first.publish("kitchen", "before").await;
    engine.kill().await;
    let urls = [engine.url()];
    let mut starting = Box::pin(Node::start_at(&urls, &[]));
    let too_early = timeout(Duration::from_millis(500), &mut starting).await;
    assert!(too_early.is_err(), "it listens without a log");
    engine.run().await;
    let second = timeout(PATIENCE, starting).await.expect("it listens");
    assert_eq!(second.snapshot("kitchen").await.len(), 1);
    while first.readiness().await != 200 {
        sleep(LOOK).await;
    }
}
