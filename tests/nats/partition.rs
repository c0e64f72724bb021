//! One node is cut off from the nats-server, and the other is not.

use std::time::Duration;

use crate::engine::Engine;
use crate::node::{Node, eventually, timed};
use crate::proxy::{Network, Proxy};
use crate::trial::{self, Trial};
use crate::wire::Wire;

async fn partitioned(flags: &[&str]) -> Option<(Engine, Proxy, [Node; 2])> {
    let engine = Engine::start().await?;
    let proxy = Proxy::to(engine.address()).await;
    let cut_off = Node::start_at(&[proxy.url()], flags).await;
    let connected = Node::start(&[&engine], flags).await;
    Some((engine, proxy, [cut_off, connected]))
}

#[tokio::test]
async fn a_node_that_is_cut_off_says_so_and_the_other_goes_on() {
    let Some((_engine, proxy, nodes)) = partitioned(&[]).await else {
        return;
    };
    let mut tails = [
        nodes[0].read("/topics/kitchen?heartbeat=event", None).await,
        nodes[1].read("/topics/kitchen", None).await,
    ];
    nodes[0].publish("kitchen", "before").await;
    for network in [Network::Silent, Network::Cut] {
        proxy.become_network(network);
        let refused = nodes[0].post("/topics/kitchen", &[], "lost?");
        let (refused, took) = timed(refused).await;
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(took < Duration::from_secs(4), "{took:?}");
        eventually("the node is not ready", async || {
            nodes[0].readiness().await == 503
        })
        .await;
        let meanwhile = format!("meanwhile {network:?}");
        for number in 0..5 {
            nodes[1]
                .publish("kitchen", &format!("{meanwhile} {number}"))
                .await;
        }
        tails[1].until_data(&format!("{meanwhile} 4")).await;
        assert_eq!(nodes[1].readiness().await, 200);
        // Its readers stay, and are not shown what it cannot know.
        let heartbeats = tails[0].count("heartbeat");
        eventually("heartbeats go on", async || {
            tails[0].take_some().await;
            tails[0].count("heartbeat") > heartbeats
        })
        .await;
        assert!(!tails[0].data().contains(&format!("{meanwhile} 0").as_str()));
        proxy.become_network(Network::Whole);
        nodes[0].await_readiness().await;
        let healed = format!("healed {network:?}");
        nodes[0].publish_again("kitchen", &healed).await;
        for tail in &mut tails {
            tail.until_data(&healed).await;
        }
    }
    let events = nodes[1].snapshot("kitchen").await;
    nodes[0].await_snapshot("kitchen", &events).await;
    let read = tails.each_ref().map(|tail| {
        let read = tail
            .read
            .iter()
            .filter(|read| read.event_type != "heartbeat");
        read.map(|read| (read.last_event_id.clone(), read.data.clone()))
            .collect::<Vec<_>>()
    });
    assert_eq!(read[0], read[1]);
    assert_eq!(read[0], events);
}

/// Publishes at one node while the other is cut off, until the stream has dropped an event.
async fn check_dropped_events(flag: &str, data: &str) {
    let Some((engine, proxy, nodes)) = partitioned(&[flag]).await else {
        return;
    };
    let mut wire = Wire::connect(&engine).await;
    let mut state = async || {
        let info = wire.request("$JS.API.STREAM.INFO.FAIRWIND", &[], b"").await;
        let number = |name: &str| info["state"][name].as_u64().expect("a number");
        (number("first_seq"), number("last_seq"))
    };
    let mut tail = nodes[0].read("/topics/kitchen", None).await;
    let first = nodes[1].publish("kitchen", "first").await;
    tail.until(1).await;
    proxy.become_network(Network::Cut);
    eventually("the node is not ready", async || {
        nodes[0].readiness().await == 503
    })
    .await;
    nodes[1].publish("kitchen", "missed").await;
    let (_, missed) = state().await;
    eventually("the stream has dropped the event", async || {
        nodes[1].publish("others", data).await;
        state().await.0 > missed
    })
    .await;
    proxy.become_network(Network::Whole);
    nodes[0].publish_again("kitchen", "new").await;
    tail.until_data("new").await;
    let types: Vec<&str> = tail
        .read
        .iter()
        .map(|read| read.event_type.as_str())
        .collect();
    assert_eq!(types[..2], ["message", "gap"], "{:?}", tail.read);
    assert_eq!(tail.count("message"), 2, "{:?}", tail.read);
    let mut late = nodes[0].read("/topics/kitchen", Some(&first)).await;
    late.until_data("new").await;
    assert_eq!(late.read[0].event_type, "gap", "{:?}", late.read);
}

#[tokio::test]
async fn events_that_expired_while_a_node_was_cut_off_are_a_gap() {
    check_dropped_events("--history-age=2s", "small").await;
}

#[tokio::test]
async fn events_that_had_no_room_while_a_node_was_cut_off_are_a_gap() {
    check_dropped_events("--history-disk=1MiB", &"x".repeat(100_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_under_load_lose_nothing_that_was_answered() {
    let Some((_engine, proxy, nodes)) = partitioned(&trial::FLAGS).await else {
        return;
    };
    let mut trial = Trial::begin(&nodes).await;
    for network in [Network::Silent, Network::Cut] {
        trial.go_on(150).await;
        proxy.become_network(network);
        eventually("the node is not ready", async || {
            nodes[0].readiness().await == 503
        })
        .await;
        trial.go_on(50).await;
        proxy.become_network(Network::Whole);
        trial.check_answered().await;
        nodes[0].await_readiness().await;
    }
    trial.end(&nodes).await;
}
