//! Three nats-servers that have the stream together, and three nodes.

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::connection::PATIENCE;
use crate::engine::{Engine, LOOK};
use crate::node::Node;
use crate::trial::{self, Trial};
use crate::wire::Wire;

/// What the servers say of the stream, and of its copies.
async fn stream_info(engines: &[Engine]) -> Option<Value> {
    let running = engines.iter().find(|engine| engine.is_running())?;
    let asking = async {
        let mut wire = Wire::connect(running).await;
        wire.request("$JS.API.STREAM.INFO.FAIRWIND", &[], b"").await
    };
    // While there is no leader, nobody answers.
    let info = timeout(LOOK * 50, asking).await.ok()?;
    Some(info["cluster"].clone()).filter(|cluster| cluster["leader"].is_string())
}

/// The place of the server that leads the stream.
async fn leader(engines: &[Engine]) -> usize {
    let begun = Instant::now();
    loop {
        if let Some(cluster) = stream_info(engines).await {
            let name = cluster["leader"].as_str().expect("a name");
            return name[1..].parse().expect("a number");
        }
        assert!(begun.elapsed() < PATIENCE, "the stream has no leader");
        sleep(LOOK).await;
    }
}

/// Waits until all three copies are complete.
async fn await_copies(engines: &[Engine]) {
    let begun = Instant::now();
    loop {
        let cluster = stream_info(engines).await;
        let replicas = cluster
            .as_ref()
            .and_then(|cluster| cluster["replicas"].as_array());
        let is_complete = replicas.is_some_and(|replicas| {
            replicas.len() == 2 && replicas.iter().all(|replica| replica["current"] == true)
        });
        if is_complete {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "a copy is behind: {cluster:?}");
        sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_survives_the_death_and_the_restart_of_each_of_its_members_under_load() {
    let Some(mut engines) = Engine::cluster(3).await else {
        return;
    };
    let urls: Vec<String> = engines.iter().map(Engine::url).collect();
    let flags = [&trial::FLAGS[..], &["--nats-replicas=3"]].concat();
    let mut nodes = Vec::new();
    for place in 0..3 {
        let mut urls = urls.clone();
        urls.rotate_left(place);
        nodes.push(Node::start_at(&urls, &flags).await);
    }
    await_copies(&engines).await;
    let mut trial = Trial::begin(&nodes).await;
    trial.go_on(100).await;
    // The stream's leader is killed, and then another server.
    for is_leader in [true, false] {
        let place = match (leader(&engines).await, is_leader) {
            (leader, true) => leader,
            (leader, false) => (leader + 1) % 3,
        };
        engines[place].kill().await;
        trial.go_on(100).await;
        engines[place].run().await;
        await_copies(&engines).await;
        trial.check_answered().await;
    }
    for place in 0..3 {
        nodes[place].stop().await;
        trial.tell(&nodes);
        trial.go_on(50).await;
        nodes[place].run().await;
        trial.tell(&nodes);
    }
    trial.check_answered().await;
    for place in 0..3 {
        engines[place].stop().await;
        trial.go_on(50).await;
        engines[place].run().await;
        await_copies(&engines).await;
    }
    trial.check_answered().await;
    trial.end(&nodes).await;
}

#[tokio::test]
async fn without_a_majority_publishers_are_told_and_with_it_everything_goes_on() {
    let Some(mut engines) = Engine::cluster(3).await else {
        return;
    };
    let all: Vec<&Engine> = engines.iter().collect();
    let node = Node::start(&all, &["--nats-replicas=3"]).await;
    await_copies(&engines).await;
    let mut tail = node.read("/topics/kitchen", None).await;
    let before = node.publish("kitchen", "before").await;
    engines[1].kill().await;
    engines[2].kill().await;
    let key = ["Idempotency-Key: in-between"];
    let answer = node.post("/topics/kitchen", &key, "in between").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    engines[1].run().await;
    let begun = Instant::now();
    while node
        .post("/topics/kitchen", &key, "in between")
        .await
        .status
        != 200
    {
        assert!(begun.elapsed() < PATIENCE, "nothing is published any more");
        sleep(LOOK).await;
    }
    node.publish_again("kitchen", "after").await;
    tail.until_data("after").await;
    assert_eq!(tail.data(), ["before", "in between", "after"]);
    let mut resumed = node.read("/topics/kitchen", Some(&before)).await;
    resumed.until(2).await;
    assert_eq!(resumed.data(), ["in between", "after"]);
}
