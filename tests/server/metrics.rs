//! The numbers that an operator looks at, and whether the server takes more work.

use std::time::Duration;

use crate::client;
use crate::support::{QUIET, TestServer};

/// The value of one of the server's numbers.
pub async fn number(server: &TestServer, name: &str) -> f64 {
    let answer = client::get(server.address, "/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .expect("a type")
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    let text = answer.text().await;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")))
        .unwrap_or_else(|| panic!("no {name} in\n{text}"));
    line.parse().expect("a number")
}

/// Waits until a number is so: a writer counts what it has sent after a client may have read it.
async fn becomes(server: &TestServer, name: &str, expected: f64) {
    let waiting = async {
        while number(server, name).await != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let is_so = tokio::time::timeout(client::PATIENCE, waiting)
        .await
        .is_ok();
    assert!(
        is_so,
        "{name}: {} in place of {expected}",
        number(server, name).await
    );
}

#[tokio::test]
async fn the_numbers_follow_what_happens() {
    let server = TestServer::start(&QUIET).await;
    assert_eq!(number(&server, "fairwind_subscribers").await, 0.0);
    let mut readers = Vec::new();
    for _ in 0..2 {
        let mut events = client::events(server.address, "/events", &[]).await;
        events.read_opening().await;
        readers.push(events);
    }
    for data in ["1", "2", "3"] {
        server.publish(data);
    }
    for events in &mut readers {
        for _ in 0..3 {
            events.next().await;
        }
    }
    for (name, expected) in [
        ("fairwind_subscribers", 2.0),
        // The clock has ticked once.
        ("fairwind_published_total", 4.0),
        ("fairwind_delivered_total", 6.0),
        ("fairwind_publish_to_socket_seconds_count", 6.0),
        ("fairwind_topics", 1.0),
        ("fairwind_gaps_total", 0.0),
        ("fairwind_slow_readers_total", 0.0),
    ] {
        becomes(&server, name, expected).await;
    }
    assert!(number(&server, "fairwind_connections").await >= 2.0);
    assert!(number(&server, "fairwind_sent_bytes_total").await > 60.0);
    assert!(number(&server, "fairwind_log_bytes").await > 12.0);
    let mut resumed = client::events(server.address, "/events?last_event_id=earliest", &[]).await;
    for _ in 0..4 {
        resumed.next().await;
    }
    becomes(&server, "fairwind_delivered_total", 10.0).await;
    assert_eq!(
        number(&server, "fairwind_publish_to_socket_seconds_count").await,
        6.0,
        "a replay says nothing about how fast the server is"
    );
    let mut lost = client::events(server.address, "/events?last_event_id=unknown", &[]).await;
    lost.read_opening().await;
    assert_eq!(number(&server, "fairwind_gaps_total").await, 1.0);
}

#[tokio::test]
async fn a_slow_reader_is_counted() {
    let server = TestServer::start(&["--clock-interval=1h", "--write-timeout=200ms"]).await;
    let mut events = client::events_with_little_room(server.address, "/events").await;
    events.read_opening().await;
    for _ in 0..24 {
        server.publish("x".repeat(512 * 1_024));
    }
    server.until(|server| server.consumers() == 0).await;
    assert_eq!(number(&server, "fairwind_slow_readers_total").await, 1.0);
}

#[tokio::test]
async fn the_server_is_ready_while_it_serves() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::get(server.address, "/readyz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text().await, "ready\n");
    server.stop().await;
}
