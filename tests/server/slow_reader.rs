//! Readers that stop reading, under each policy.

use std::time::Duration;

use tokio::time::sleep;

use crate::client::{self, Events};
use crate::support::TestServer;

/// Together more than any socket's buffers take.
const EVENTS: usize = 24;
const EVENT_BYTES: usize = 512 * 1_024;

const WRITE_TIMEOUT: Duration = Duration::from_millis(200);

async fn server(policy: &str) -> TestServer {
    TestServer::start(&[
        "--clock-interval",
        "1h",
        "--slow-reader",
        policy,
        "--write-timeout",
        "200ms",
    ])
    .await
}

/// A reader that has opened its stream and takes nothing while much is published.
async fn stalled_reader(server: &TestServer) -> Events {
    let mut events = client::events_with_little_room(server.address, "/events").await;
    events.read_opening().await;
    for number in 0..EVENTS {
        server.publish(format!("{number} {}", "x".repeat(EVENT_BYTES)));
    }
    events
}

fn number(data: &str) -> usize {
    data.split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_disconnected_and_can_resume() {
    let server = server("disconnect").await;
    let mut events = stalled_reader(&server).await;
    server.until(|server| server.consumers() == 0).await;
    while let Ok(Some(_)) = events.try_next().await {}
    let seen = events.parser.messages.len();
    assert!(seen < EVENTS);
    let header = format!("Last-Event-ID: {}", events.parser.last_event_id);
    let mut back = client::events(server.address, "/events", &[&header]).await;
    assert_eq!(
        number(&back.next().await.data),
        seen,
        "it goes on with the next, and nothing is lost"
    );
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_messages_and_is_told_if_it_is_to_skip() {
    let server = server("skip").await;
    let mut events = stalled_reader(&server).await;
    // However long it sleeps, it is at least for the write timeout: that is all that counts.
    sleep(2 * WRITE_TIMEOUT).await;
    assert_eq!(server.consumers(), 1);
    let mut before = 0;
    let gap = loop {
        let message = events.next().await;
        if message.event_type == "gap" {
            break message;
        }
        before += 1;
    };
    assert!(before < EVENTS - 1);
    assert!(gap.data.contains("resumed_from"));
    assert_eq!(number(&events.next().await.data), EVENTS - 1);
    server.publish("0 live again");
    assert_eq!(events.next().await.data, "0 live again");
}

#[tokio::test]
async fn a_reader_that_takes_nothing_goes_on_with_the_newest_if_only_that_counts() {
    let server = server("latest").await;
    let mut events = stalled_reader(&server).await;
    sleep(2 * WRITE_TIMEOUT).await;
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(EVENTS - 1)) {
        let message = events.next().await;
        assert_eq!(message.event_type, "message");
        numbers.push(number(&message.data));
    }
    assert!(numbers.len() < EVENTS && numbers.is_sorted());
}
