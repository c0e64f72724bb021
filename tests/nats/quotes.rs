//! Two nodes that share one nats-server have one feed of quotes.

use std::time::Duration;

use tokio::time::Instant;

use crate::engine::Engine;
use crate::node::{Node, Tail, eventually};

/// How long a node takes at most to see that another publishes.
const SETTLED: Duration = Duration::from_secs(3);

/// How long prices are counted.
const COUNTED: Duration = Duration::from_secs(6);

/// How many prices of one symbol a node publishes in that time.
const PRICES: usize = 12;

/// How many events come in this time.
async fn read_for(tail: &mut Tail, time: Duration) -> usize {
    let (before, end) = (tail.read.len(), Instant::now() + time);
    while Instant::now() < end {
        tail.take_some().await;
    }
    tail.read.len() - before
}

#[tokio::test]
async fn one_node_publishes_quotes_and_the_other_goes_on_when_it_dies() {
    let Some(engine) = Engine::start().await else {
        return;
    };
    let engines = [&engine];
    let mut first = Node::start(&engines, &[]).await;
    let mut reader = first.read("/topics/quotes/KO", None).await;
    reader.until(1).await;
    let second = Node::start(&engines, &[]).await;
    let mut other = second.read("/topics/quotes/KO", None).await;
    other.until(1).await;
    // Both have readers, and the second looks whether it is its turn.
    read_for(&mut other, SETTLED).await;
    let count = read_for(&mut other, COUNTED).await;
    assert!(
        (PRICES / 2..=PRICES * 3 / 2).contains(&count),
        "{count} prices, which two nodes would have doubled"
    );
    first.kill().await;
    let before = other.read.len();
    eventually("the other node publishes", async || {
        other.take_some().await;
        other.read.len() > before + PRICES
    })
    .await;
}
