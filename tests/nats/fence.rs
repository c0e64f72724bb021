//! The nats-server loses events that readers have been shown, or that a node has not read: readers are told, and no id ever
//! stands for two events.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::engine::Engine;
use crate::node::{Node, Tail, eventually};
use crate::parser::Message;
use crate::wire::Wire;

const TARGET: &str = "/topics/kitchen";

/// Publishes events of this name at the nodes in turn. Returns their ids.
async fn publish(nodes: &[Node], name: &str, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let node = &nodes[number % nodes.len()];
        let data = format!("{name} {number}");
        ids.push(node.publish_again("kitchen", &data).await);
    }
    ids
}

/// A connected reader: it gets a gap before the first new event, and then everything.
async fn check_connected(tail: &mut Tail, name: &str, count: usize) {
    let before = tail.read.len();
    tail.until_data(&format!("{name} {}", count - 1)).await;
    let later = &tail.read[before..];
    let gap = later.iter().position(|read| read.event_type == "gap");
    let first = later.iter().position(|read| read.event_type == "message");
    assert!(gap.is_some() && gap < first, "no gap before {later:?}");
    let data = later.iter().filter(|read| read.event_type == "message");
    let data: Vec<&str> = data.map(|read| read.data.as_str()).collect();
    let wanted: Vec<String> = (0..count)
        .map(|number| format!("{name} {number}"))
        .collect();
    assert_eq!(data, wanted);
}

/// A reader that comes back with an id from before the loss: it gets a gap, and then what is there.
async fn check_resumed(node: &Node, id: &str, name: &str, count: usize) {
    let mut tail = node.read(TARGET, Some(id)).await;
    tail.until_data(&format!("{name} {}", count - 1)).await;
    assert_eq!(tail.read[0].event_type, "gap", "{id}: {:?}", tail.read);
    let position = |data: &str| tail.read.iter().position(|read| read.data == data);
    for number in 0..count {
        assert!(
            position(&format!("{name} {number}")).is_some(),
            "{:?}",
            tail.read
        );
    }
}

/// No id names two events, whatever became of them.
fn check_ids<'a>(ids: impl IntoIterator<Item = &'a Vec<String>>) {
    let all: Vec<&String> = ids.into_iter().flatten().collect();
    let different: BTreeSet<&String> = all.iter().copied().collect();
    assert_eq!(all.len(), different.len(), "{all:?}");
    let offset = |id: &String| id.rsplit_once('-').map(|(_, offset)| offset.to_owned());
    let offsets: BTreeSet<Option<String>> = all.iter().map(|id| offset(id)).collect();
    assert!(!offsets.contains(&None), "{all:?}");
}

/// Ids and data of the events that a reader has read.
fn messages(tail: &Tail) -> Vec<(&str, &str)> {
    let messages = tail.read.iter();
    let messages = messages.filter(|read| read.event_type == "message");
    messages
        .map(|read| (read.last_event_id.as_str(), read.data.as_str()))
        .collect()
}

async fn stream_state(wire: &mut Wire) -> Value {
    let info = wire.request("$JS.API.STREAM.INFO.FAIRWIND", &[], b"").await;
    info["state"].clone()
}

#[tokio::test]
async fn a_store_that_is_wiped_is_a_gap_at_both_nodes() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let engines = [&engine];
    let nodes = [
        Node::start(&engines, &[]).await,
        Node::start(&engines, &[]).await,
    ];
    let mut tails = [
        nodes[0].read(TARGET, None).await,
        nodes[1].read(TARGET, None).await,
    ];
    let old = publish(&nodes, "old", 6).await;
    for tail in &mut tails {
        tail.until(6).await;
    }
    engine.kill().await;
    engine.wipe();
    engine.run().await;
    for node in &nodes {
        node.await_readiness().await;
    }
    let new = publish(&nodes, "new", 6).await;
    for (tail, node) in tails.iter_mut().zip(&nodes) {
        check_connected(tail, "new", 6).await;
        for id in &old {
            check_resumed(node, id, "new", 6).await;
        }
        let mut all = node.read(TARGET, Some("earliest")).await;
        all.until_data("new 5").await;
        assert_eq!(all.count("message"), 6, "{:?}", all.read);
    }
    assert_eq!(messages(&tails[0]), messages(&tails[1]));
    check_ids([&old, &new]);
    let gaps = tails.each_ref().map(|tail| tail.count("gap"));
    // A node that starts now agrees.
    let third = Node::start(&[&engine], &[]).await;
    for id in &old {
        check_resumed(&third, id, "new", 6).await;
    }
    let snapshot = third.snapshot("kitchen").await;
    for node in &nodes {
        node.await_snapshot("kitchen", &snapshot).await;
    }
    let more = publish(&[third], "more", 3).await;
    for (tail, gaps) in tails.iter_mut().zip(gaps) {
        tail.until_data("more 2").await;
        assert_eq!(tail.count("gap"), gaps, "there was another");
    }
    check_ids([&old, &new, &more]);
}

#[tokio::test]
async fn a_store_that_is_wiped_while_no_node_runs_is_a_gap() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let mut nodes = [Node::start(&[&engine], &[]).await];
    let old = publish(&nodes, "old", 6).await;
    nodes[0].stop().await;
    engine.stop().await;
    engine.wipe();
    engine.run().await;
    nodes[0].run().await;
    let new = publish(&nodes, "new", 9).await;
    for id in &old {
        check_resumed(&nodes[0], id, "new", 9).await;
    }
    check_ids([&old, &new]);
}

#[tokio::test]
async fn a_store_that_goes_back_is_a_gap_at_nodes_that_run() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let engines = [&engine];
    let nodes = [
        Node::start(&engines, &[]).await,
        Node::start(&engines, &[]).await,
    ];
    let mut tails = [
        nodes[0].read(TARGET, None).await,
        nodes[1].read(TARGET, None).await,
    ];
    let kept = publish(&nodes, "kept", 4).await;
    nodes[0].publish("over", "last").await;
    assert_eq!(nodes[0].ask("DELETE", "/topics/over", "").await.status, 204);
    engine.stop().await;
    engine.save("copy");
    let mut all = vec![kept];
    // Fewer new events than were lost, and then more than were lost.
    for (round, count) in [(0, 3), (1, 9)] {
        engine.run().await;
        let lost = publish(&nodes, &format!("lost {round}"), 6).await;
        for tail in &mut tails {
            tail.until_data(&format!("lost {round} 5")).await;
        }
        engine.stop().await;
        engine.put_back("copy");
        engine.run().await;
        let name = format!("new {round}");
        let new = publish(&nodes, &name, count).await;
        for (tail, node) in tails.iter_mut().zip(&nodes) {
            check_connected(tail, &name, count).await;
            for id in &lost {
                check_resumed(node, id, &name, count).await;
            }
        }
        all.extend([lost, new]);
        // One that starts now has the same history: what came before the loss is lost everywhere.
        let third = Node::start(&[&engine], &[]).await;
        let snapshot = third.snapshot("kitchen").await;
        assert_eq!(snapshot.len(), count, "{snapshot:?}");
        for node in &nodes {
            node.await_snapshot("kitchen", &snapshot).await;
        }
        // Ends are lost as well: all nodes say the same.
        for node in nodes.iter().chain([&third]) {
            node.publish_again("over", "goes on").await;
        }
        drop(third);
        engine.stop().await;
    }
    check_ids(&all);
    assert_eq!(messages(&tails[0]), messages(&tails[1]));
}

#[tokio::test]
async fn a_store_that_goes_back_is_a_gap_at_nodes_that_were_all_restarted() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let engines = [&engine];
    let mut nodes = [
        Node::start(&engines, &[]).await,
        Node::start(&engines, &[]).await,
    ];
    let kept = publish(&nodes, "kept", 4).await;
    engine.stop().await;
    engine.save("copy");
    engine.run().await;
    let lost = publish(&nodes, "lost", 6).await;
    for node in &mut nodes {
        node.kill().await;
    }
    engine.stop().await;
    engine.put_back("copy");
    engine.run().await;
    for node in &mut nodes {
        node.run().await;
    }
    let new = publish(&nodes, "new", 9).await;
    for node in &nodes {
        for id in &lost {
            check_resumed(node, id, "new", 9).await;
        }
        // What the copy has is there, and its ids are valid.
        let mut tail = node.read(TARGET, Some(&kept[1])).await;
        tail.until_data("new 8").await;
        assert_eq!(tail.data()[..2], ["kept 2", "kept 3"]);
        assert_eq!((tail.count("gap"), tail.read.len()), (0, 11));
    }
    check_ids([&kept, &lost, &new]);
}

#[tokio::test]
async fn one_node_that_was_restarted_and_one_that_was_not_agree_after_a_store_went_back() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let engines = [&engine];
    let mut nodes = [
        Node::start(&engines, &[]).await,
        Node::start(&engines, &[]).await,
    ];
    let kept = publish(&nodes, "kept", 4).await;
    engine.stop().await;
    engine.save("copy");
    engine.run().await;
    let lost = publish(&nodes, "lost", 6).await;
    let mut tail = nodes[0].read(TARGET, Some(&kept[3])).await;
    tail.until(6).await;
    nodes[1].kill().await;
    nodes[0].pause().await;
    engine.stop().await;
    engine.put_back("copy");
    engine.run().await;
    // The one without a memory comes first, and takes the numbers of what was lost.
    nodes[1].run().await;
    let first = publish(&nodes[1..], "first", 4).await;
    nodes[0].resume().await;
    let new = publish(&nodes, "new", 4).await;
    tail.until_data("new 3").await;
    let gap = tail.read.iter().position(|read| read.event_type == "gap");
    let new_at = tail.read.iter().position(|read| read.data == "new 0");
    assert!(gap.is_some() && gap < new_at, "{:?}", tail.read);
    for node in &nodes {
        for id in &lost {
            check_resumed(node, id, "new", 4).await;
        }
    }
    // Whoever has read what came in between goes on, or is told.
    for node in &nodes {
        let mut tail = node.read(TARGET, Some(&first[0])).await;
        tail.until_data("new 3").await;
        assert!(tail.count("gap") > 0 || tail.data().starts_with(&["first 1"]));
    }
    let [a, b] = nodes.each_ref();
    let newest = async |node: &Node| {
        let mut events = node.snapshot("kitchen").await;
        events.drain(..events.len().saturating_sub(4));
        events
    };
    let of_a = newest(a).await;
    eventually("both nodes agree", async || newest(b).await == of_a).await;
    check_ids([&kept, &lost, &first, &new]);
}

/// Publishes at one node while the other is paused, until the stream has dropped some of it.
async fn check_dropped_events(flag: &str, data: &str) {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let nodes = [
        Node::start(&[&engine], &[flag]).await,
        Node::start(&[&engine], &[flag]).await,
    ];
    let mut wire = Wire::connect(&engine).await;
    let mut tail = nodes[0].read(TARGET, None).await;
    let first = nodes[1].publish("kitchen", "first").await;
    tail.until(1).await;
    nodes[0].pause().await;
    nodes[1].publish("kitchen", "missed").await;
    let state = stream_state(&mut wire).await;
    let missed_sequence = state["last_seq"].as_u64().expect("a number");
    eventually("the stream has dropped an event", async || {
        nodes[1].publish("others", data).await;
        let state = stream_state(&mut wire).await;
        state["first_seq"].as_u64() > Some(missed_sequence)
    })
    .await;
    nodes[0].resume().await;
    nodes[0].publish_again("kitchen", "new").await;
    // The event may have been on its way already; but nobody goes on as if there had been none.
    tail.until_data("new").await;
    check_nothing_is_silent(&tail.read[1..]);
    for node in &nodes {
        let mut late = node.read(TARGET, Some(&first)).await;
        late.until_data("new").await;
        check_nothing_is_silent(&late.read);
    }
}

fn check_nothing_is_silent(read: &[Message]) {
    let is_told = read[0].data == "missed" || read[0].event_type == "gap";
    assert!(is_told, "{read:?}");
}

#[tokio::test]
async fn events_that_expired_while_a_node_was_paused_are_a_gap() {
    check_dropped_events("--history-age=2s", "small").await;
}

#[tokio::test]
async fn events_that_had_no_room_while_a_node_was_paused_are_a_gap() {
    check_dropped_events("--history-disk=1MiB", &"x".repeat(100_000)).await;
}

#[tokio::test]
async fn a_node_that_starts_when_the_markers_have_expired_disturbs_nobody() {
    let Some(mut engine) = Engine::start().await else {
        return;
    };
    let flags = ["--history-age=2s"];
    let first = [Node::start(&[&engine], &flags).await];
    let mut tail = first[0].read(TARGET, None).await;
    let old = publish(&first, "old", 20).await;
    tail.until(20).await;
    // From now on offsets are not the stream's sequences: that stands in a marker alone.
    engine.kill().await;
    engine.wipe();
    engine.run().await;
    let new = publish(&first, "new", 3).await;
    check_connected(&mut tail, "new", 3).await;
    let mut wire = Wire::connect(&engine).await;
    eventually("the markers have expired", async || {
        let query = br#"{"last_by_subj":"fairwind-epoch"}"#;
        let answer = wire
            .request("$JS.API.STREAM.MSG.GET.FAIRWIND", &[], query)
            .await;
        answer["error"]["code"] == 404
    })
    .await;
    let second = Node::start(&[&engine], &flags).await;
    let nodes = [first.into_iter().next().expect("a node"), second];
    let more = publish(&nodes, "more", 4).await;
    tail.until_data("more 3").await;
    let other = nodes[1].read(TARGET, Some("earliest")).await;
    let mut other = other;
    other.until_data("more 3").await;
    check_ids([&old, &new, &more]);
}
