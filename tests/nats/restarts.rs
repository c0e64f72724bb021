//! Nodes that are killed, stopped and started while others go on.

use crate::connection::Stream;
use crate::engine::Engine;
use crate::node::{Node, id_of};
use crate::trial::{self, Trial};

#[tokio::test]
async fn a_reader_of_a_node_that_was_killed_goes_on_without_a_gap() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let mut node = Node::start(&[&engine], &["--history-events=5"]).await;
    for number in 0..20 {
        node.publish("kitchen", &number.to_string()).await;
    }
    let mut tail = node.read("/topics/kitchen", Some("earliest")).await;
    tail.until(3).await;
    let last = tail.read[2].last_event_id.clone();
    node.kill().await;
    node.run().await;
    node.publish("kitchen", "20").await;
    let mut resumed = node.read("/topics/kitchen", Some(&last)).await;
    resumed.until(18).await;
    assert_eq!(resumed.count("gap"), 0);
    let wanted: Vec<String> = (3..21).map(|number| number.to_string()).collect();
    assert_eq!(resumed.data(), wanted);
    // It had not been told when the other began to read.
    let mut all = node.read("/topics?match=k*", Some("earliest")).await;
    all.until(42).await;
    assert_eq!(all.count("gap"), 0);
}

#[tokio::test]
async fn keys_ends_ids_and_history_hold_at_a_node_that_starts_later() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let engines = [&engine];
    let mut first = Node::start(&engines, &[]).await;
    let key = ["Idempotency-Key: order-7"];
    let answered = first.post("/topics/orders", &key, "seven").await.json();
    let own = first
        .post("/topics/orders", &["Event-Id: own"], "eight")
        .await;
    assert_eq!(id_of(&own), "own");
    let newest = first.publish("orders", "nine").await;
    first.publish("over", "last").await;
    assert_eq!(first.ask("DELETE", "/topics/over", "").await.status, 204);
    let history = first.snapshot("orders").await;
    let check = async |node: &Node| {
        assert_eq!(node.snapshot("orders").await, history);
        let repeated = node.post("/topics/orders", &key, "seven").await.json();
        assert_eq!(
            (&repeated["id"], &repeated["repeated"]),
            (&answered["id"], &true.into())
        );
        let other = node.post("/topics/orders", &key, "other").await;
        assert_eq!(other.status, 422, "{}", other.text());
        let same_id = node
            .post("/topics/orders", &["Event-Id: own"], "again")
            .await;
        assert_eq!(same_id.code(), "duplicate-id");
        let too_late = node.ask("POST", "/topics/over", "too late").await;
        assert_eq!(too_late.code(), "topic-ended");
        let mut over = node.read("/topics/over", Some("earliest")).await;
        over.read_to_the_end().await;
        assert_eq!(over.count("end"), 1);
        let again = Stream::open(node.address(), "/topics/over", Some(&over.last_event_id())).await;
        assert!(matches!(again, Ok(None)));
        let stale = format!("If-Match: \"{}\"", history[0].0);
        let stale = node.post("/topics/orders", &[&stale], "stale").await;
        assert_eq!(stale.status, 412, "{}", stale.text());
    };
    check(&first).await;
    let second = Node::start(&engines, &[]).await;
    check(&second).await;
    first.kill().await;
    first.run().await;
    check(&first).await;
    let condition = format!("If-Match: \"{newest}\"");
    let next = first.post("/topics/orders", &[&condition], "ten").await;
    assert_eq!(next.status, 200, "{}", next.text());
}

/// Two nodes under load, one after the other of which goes and comes back.
async fn nodes_go_and_come_back(goes: impl AsyncFn(&mut Node)) {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let engines = [&engine];
    let mut nodes = [
        Node::start(&engines, &trial::FLAGS).await,
        Node::start(&engines, &trial::FLAGS).await,
    ];
    let mut trial = Trial::begin(&nodes).await;
    for round in 0..4 {
        trial.go_on(150).await;
        goes(&mut nodes[round % 2]).await;
        trial.tell(&nodes);
        trial.go_on(50).await;
        nodes[round % 2].run().await;
        trial.tell(&nodes);
        trial.check_answered().await;
    }
    trial.end(&nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_nodes_under_load_loses_nothing_that_was_answered() {
    nodes_go_and_come_back(async |node| node.kill().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_under_load_loses_nothing_and_fails_nothing() {
    nodes_go_and_come_back(async |node| node.stop().await).await;
}
