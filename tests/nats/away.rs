//! The nats-server does not answer, or is killed and comes back with what it has stored.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::connection::Answer;
use crate::engine::{Engine, LOOK};
use crate::load::MAY_BE_PUBLISHED;
use crate::node::{Node, eventually, id_of, timed};
use crate::trial::{self, Trial};
use crate::wire::Wire;

/// A publisher is answered within 2 s; a debug build on a machine that has other things to do may take longer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(4);

fn check_refusal((answer, took): &(Answer, Duration)) {
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (503, "unavailable"),
        "{}",
        answer.text()
    );
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    assert!(*took < ANSWERED_WITHIN, "it took {took:?}");
}

#[tokio::test]
async fn while_the_nats_server_does_not_answer_readers_stay_and_publishers_are_told() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let node = Node::start(&[&engine], &[]).await;
    let mut tail = node.read("/topics/kitchen?heartbeat=event", None).await;
    for topic in ["cellar", "counter", "kitchen"] {
        node.publish(topic, "before").await;
    }
    tail.until_data("before").await;
    engine.pause().await;
    let key = ["Idempotency-Key: in-between"];
    let first = timed(node.post("/topics/kitchen", &key, "in between")).await;
    check_refusal(&first);
    assert!(
        first.0.text().contains(MAY_BE_PUBLISHED),
        "{}",
        first.0.text()
    );
    let end = timed(node.ask("DELETE", "/topics/cellar", "")).await;
    check_refusal(&end);
    let expecting = timed(node.post("/topics/counter", &["If-Match: *"], "x")).await;
    check_refusal(&expecting);
    assert_eq!(node.ask("GET", "/healthz", "").await.status, 200);
    eventually("the node is not ready", async || {
        node.readiness().await == 503
    })
    .await;
    // Then it is known at once that the log takes no events, and nothing is sent.
    let second = timed(node.post("/topics/kitchen", &[], "never")).await;
    check_refusal(&second);
    assert!(
        !second.0.text().contains(MAY_BE_PUBLISHED),
        "{}",
        second.0.text()
    );
    let heartbeats = tail.count("heartbeat");
    eventually("heartbeats go on", async || {
        tail.take_some().await;
        tail.count("heartbeat") >= heartbeats + 2
    })
    .await;
    // What memory has can be read.
    assert_eq!(node.snapshot("kitchen").await.len(), 1);
    engine.resume().await;
    node.await_readiness().await;
    let mut answer = node.post("/topics/kitchen", &key, "in between").await;
    let begun = Instant::now();
    while answer.status == 503 && begun.elapsed() < ANSWERED_WITHIN {
        sleep(LOOK).await;
        answer = node.post("/topics/kitchen", &key, "in between").await;
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    node.publish("kitchen", "after").await;
    tail.until_data("after").await;
    let read = tail
        .read
        .iter()
        .filter(|read| read.event_type != "heartbeat");
    let read: Vec<&str> = read.map(|read| read.data.as_str()).collect();
    let once = read.iter().filter(|data| **data == "in between").count();
    assert_eq!(once, 1, "{read:?}");
    assert!(!read.contains(&"never"), "{read:?}");
    assert_eq!(tail.count("gap") + tail.count("end"), 0, "{read:?}");
}

#[tokio::test]
async fn after_a_kill_9_of_the_nats_server_everything_goes_on_by_itself() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let nodes = [
        Node::start(&[&engine], &[]).await,
        Node::start(&[&engine], &[]).await,
    ];
    let mut tails = [
        nodes[0].read("/topics/kitchen?heartbeat=event", None).await,
        nodes[1].read("/topics/kitchen?heartbeat=event", None).await,
    ];
    for round in 0..3 {
        let mut ids = Vec::new();
        for (number, node) in nodes.iter().enumerate() {
            let data = format!("before {round} {number}");
            ids.push((node.publish("kitchen", &data).await, data));
        }
        let snapshot = nodes[1].snapshot("kitchen").await;
        nodes[0].await_snapshot("kitchen", &snapshot).await;
        engine.kill().await;
        for node in &nodes {
            eventually("the node is not ready", async || {
                node.readiness().await == 503
            })
            .await;
            let refused = timed(node.post("/topics/kitchen", &[], "never")).await;
            check_refusal(&refused);
            assert_eq!(node.ask("GET", "/healthz", "").await.status, 200);
            // Memory has what was published.
            let snapshot = node.snapshot("kitchen").await;
            assert!(ids.iter().all(|published| snapshot.contains(published)));
        }
        for tail in &mut tails {
            let heartbeats = tail.count("heartbeat");
            eventually("heartbeats go on", async || {
                tail.take_some().await;
                tail.count("heartbeat") > heartbeats
            })
            .await;
        }
        engine.run().await;
        for node in &nodes {
            node.await_readiness().await;
        }
        for (number, node) in nodes.iter().enumerate() {
            let data = format!("after {round} {number}");
            node.publish_again("kitchen", &data).await;
            for tail in &mut tails {
                tail.until_data(&data).await;
            }
        }
    }
    let read = |tail: &crate::node::Tail| {
        let read = tail
            .read
            .iter()
            .filter(|read| read.event_type != "heartbeat");
        read.map(|read| {
            (
                read.event_type.clone(),
                read.last_event_id.clone(),
                read.data.clone(),
            )
        })
        .collect::<Vec<_>>()
    };
    let [a, b] = tails.each_ref().map(read);
    assert_eq!(a, b);
    assert_eq!(a.len(), 12);
    assert!(
        a.iter().all(|(event_type, ..)| event_type == "message"),
        "{a:?}"
    );
}

#[tokio::test]
async fn events_that_are_not_kept_are_no_loss_when_they_have_expired() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let node = Node::start(&[&engine], &[]).await;
    let mut tail = node.read("/topics/kitchen", None).await;
    node.publish("kitchen", "kept").await;
    let mut wire = Wire::connect(&engine).await;
    let mut messages = async || {
        let info = wire.request("$JS.API.STREAM.INFO.FAIRWIND", &[], b"").await;
        info["state"]["messages"].as_u64().expect("a number")
    };
    let before = messages().await;
    for _ in 0..80 {
        node.publish("kitchen?keep=false", "passing").await;
    }
    eventually("they have expired", async || messages().await <= before).await;
    engine.kill().await;
    engine.run().await;
    node.publish_again("kitchen", "after").await;
    tail.until_data("after").await;
    assert_eq!((tail.count("gap"), tail.read.len()), (0, 82));
}

#[tokio::test]
async fn a_publish_whose_fate_is_unknown_is_there_once_when_it_is_repeated_elsewhere() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = [
        Node::start(&[&engine], &[]).await,
        Node::start(&[&engine], &[]).await,
    ];
    nodes[0].publish("orders", "before").await;
    for round in 0..2 {
        let key = format!("Idempotency-Key: key-{round}");
        let data = format!("event {round}");
        engine.pause().await;
        let answer = nodes[0].post("/topics/orders", &[&key], &data).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        engine.resume().await;
        let begun = Instant::now();
        let mut ids = Vec::new();
        for node in [&nodes[1], &nodes[0]] {
            loop {
                let answer = node.post("/topics/orders", &[&key], &data).await;
                if answer.status == 200 {
                    ids.push(id_of(&answer));
                    break;
                }
                assert_eq!(answer.status, 503, "{}", answer.text());
                assert!(begun.elapsed() < ANSWERED_WITHIN * 3);
                sleep(LOOK).await;
            }
        }
        assert_eq!(ids[0], ids[1]);
    }
    let events = nodes[0].snapshot("orders").await;
    let data: Vec<&str> = events.iter().map(|(_, data)| data.as_str()).collect();
    assert_eq!(data, ["before", "event 0", "event 1"]);
    nodes[1].await_snapshot("orders", &events).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_server_that_pauses_under_load_loses_nothing_that_was_answered() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let engines = [&engine];
    let nodes = [
        Node::start(&engines, &trial::FLAGS).await,
        Node::start(&engines, &trial::FLAGS).await,
    ];
    let mut trial = Trial::begin(&nodes).await;
    for _ in 0..2 {
        trial.go_on(150).await;
        engine.pause().await;
        // Publishers are told, and some try again.
        eventually("no node is ready", async || {
            nodes[0].readiness().await == 503 && nodes[1].readiness().await == 503
        })
        .await;
        engine.resume().await;
        trial.check_answered().await;
    }
    trial.end(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_the_nats_server_under_load_loses_nothing_that_was_answered() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let nodes = [
        Node::start(&[&engine], &trial::FLAGS).await,
        Node::start(&[&engine], &trial::FLAGS).await,
    ];
    let mut trial = Trial::begin(&nodes).await;
    for _ in 0..4 {
        trial.go_on(150).await;
        engine.kill().await;
        engine.run().await;
        trial.check_answered().await;
    }
    trial.end(&nodes).await;
}
