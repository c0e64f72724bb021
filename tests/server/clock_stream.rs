//! The clock's stream as its readers see it: what comes, from where, and until when.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::{self, Events};
use crate::support::{QUIET, TestServer};

fn data_of(events: &Events) -> Vec<&str> {
    events
        .parser
        .messages
        .iter()
        .map(|message| message.data.as_str())
        .collect()
}

async fn events(server: &TestServer, target: &str) -> Events {
    client::events(server.address, target, &[]).await
}

#[tokio::test]
async fn the_clock_ticks_with_the_time_and_an_id() {
    let server = TestServer::start(&["--clock-interval", "100ms"]).await;
    let mut events = events(&server, "/events").await;
    let started = Instant::now();
    let ticks = [
        events.next().await,
        events.next().await,
        events.next().await,
    ];
    assert!(started.elapsed() >= Duration::from_millis(200));
    for tick in &ticks {
        assert_eq!(tick.event_type, "message");
        let time = tick
            .data
            .strip_prefix("hello, now is: ")
            .expect("the greeting");
        chrono::DateTime::parse_from_rfc3339(time).expect("RFC 3339");
    }
    assert_ne!(ticks[0].last_event_id, ticks[1].last_event_id);
    server.stop().await;
}

#[tokio::test]
async fn the_first_bytes_come_at_once_and_prime_the_reader() {
    let server = TestServer::start(&QUIET).await;
    let mut events = events(&server, "/events").await;
    events.read_opening().await;
    assert_eq!(events.parser.comments, ["fairwind"]);
    assert!((1_600..=2_400).contains(&events.parser.retry.expect("a delay")));
    assert!(events.parser.messages.is_empty());
    assert_eq!(
        events.header("cache-control"),
        Some("no-store, no-transform")
    );
    assert_eq!(events.header("x-accel-buffering"), Some("no"));
    let primed = events.parser.last_event_id.clone();
    drop(events);
    server.publish("while away");
    let header = format!("Last-Event-ID: {primed}");
    let mut back = client::events(server.address, "/events", &[&header]).await;
    assert_eq!(back.next().await.data, "while away");
}

#[tokio::test]
async fn a_reader_resumes_by_header_or_query_and_the_header_wins() {
    let server = TestServer::start(&QUIET).await;
    let ids: Vec<String> = ["1", "2", "3"]
        .map(|data| server.publish(data).id.to_string())
        .to_vec();
    let query = format!("/events?last_event_id={}", ids[0].replace('#', "%23"));
    let mut by_query = events(&server, &query).await;
    assert_eq!(by_query.next().await.data, "2");
    let header = format!("Last-Event-ID: {}", ids[1]);
    let mut by_both = client::events(server.address, &query, &[&header]).await;
    let message = by_both.next().await;
    assert_eq!(
        (message.data.as_str(), message.last_event_id.as_str()),
        ("3", ids[2].as_str())
    );
}

#[tokio::test]
async fn earliest_is_everything_that_is_kept_and_then_what_is_live() {
    let server = TestServer::start(&["--clock-interval", "1h", "--history-events", "3"]).await;
    for data in ["1", "2", "3", "4"] {
        server.publish(data);
    }
    let mut events = events(&server, "/events?last_event_id=earliest").await;
    events.read_until(|parser| parser.messages.len() == 3).await;
    server.publish("5");
    events.read_until(|parser| parser.messages.len() == 4).await;
    assert_eq!(data_of(&events), ["2", "3", "4", "5"]);
}

#[tokio::test]
async fn an_unknown_id_is_told_as_a_gap_in_the_stream_and_what_is_kept_follows() {
    let server = TestServer::start(&QUIET).await;
    server.publish("kept");
    let mut events = client::events(server.address, "/events", &["Last-Event-ID: #lost-9"]).await;
    let gap = events.next().await;
    assert_eq!(gap.event_type, "gap");
    assert_eq!(gap.last_event_id, "", "a gap has no id");
    let gap: serde_json::Value = serde_json::from_str(&gap.data).expect("JSON");
    assert_eq!(gap["requested"], "#lost-9");
    assert!(events.next().await.data.starts_with("hello, now is: "));
    assert_eq!(events.next().await.data, "kept");
    let resumed_from = gap["resumed_from"].as_str().expect("an id");
    let header = format!("Last-Event-ID: {resumed_from}");
    let mut again = client::events(server.address, "/events", &[&header]).await;
    assert_eq!(
        again.next().await.event_type,
        "message",
        "after a gap has been told, its end is a place to resume from"
    );
}

#[tokio::test]
async fn a_reader_that_comes_back_to_another_run_of_the_server_is_told_of_a_gap() {
    let first = TestServer::start(&QUIET).await;
    let id = first.publish("1").id.to_string();
    first.stop().await;
    let second = TestServer::start(&QUIET).await;
    let header = format!("Last-Event-ID: {id}");
    let mut events = client::events(second.address, "/events", &[&header]).await;
    assert_eq!(events.next().await.event_type, "gap");
}

// The streams of these three tests are written by threads, which keep the real time; so the times are short, and only what
// is too early is wrong. That the defaults are kept to is shown beside the code, with a clock that can be turned.

#[tokio::test]
async fn a_heartbeat_comes_after_each_silence() {
    let flags = ["--clock-interval", "1h", "--heartbeat", "200ms"];
    let server = TestServer::start(&flags).await;
    let mut events = events(&server, "/events").await;
    let started = Instant::now();
    events.read_until(|parser| parser.comments.len() == 3).await;
    assert_eq!(events.parser.comments, ["fairwind", "", ""]);
    assert!(started.elapsed() >= Duration::from_millis(390));
}

#[tokio::test]
async fn a_stream_ends_properly_within_the_last_fifth_of_its_lifetime() {
    let flags = ["--clock-interval", "100ms", "--stream-lifetime", "1s"];
    let server = TestServer::start(&flags).await;
    let started = Instant::now();
    let mut events = events(&server, "/events").await;
    events.read_to_end().await;
    assert!(started.elapsed() >= Duration::from_millis(800));
    assert!(events.parser.messages.len() > 1, "it was not silent");
}

#[tokio::test]
async fn a_stream_without_events_ends_after_the_idle_timeout() {
    let flags = ["--clock-interval", "1h", "--idle-timeout", "300ms"];
    let server = TestServer::start(&flags).await;
    let started = Instant::now();
    let mut events = events(&server, "/events").await;
    events.read_to_end().await;
    assert!(started.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn consumers_are_counted_and_who_has_left_is_not() {
    let server = TestServer::start(&QUIET).await;
    let mut first = events(&server, "/events").await;
    let mut second = events(&server, "/events").await;
    first.read_opening().await;
    second.read_opening().await;
    assert_eq!(server.publish("1").subscribers, 2);
    drop(second);
    server.until(|server| server.consumers() == 1).await;
    assert_eq!(server.publish("2").subscribers, 1);
    drop(first);
    server.until(|server| server.consumers() == 0).await;
}

#[tokio::test]
async fn a_reader_that_asks_is_told_how_many_consumers_there_are() {
    let server = TestServer::start(&QUIET).await;
    let mut asks = events(&server, "/events?consumers=event").await;
    let told = asks.next().await;
    assert_eq!(
        (told.event_type.as_str(), told.data.as_str()),
        ("consumers", "1")
    );
    let mut other = events(&server, "/events").await;
    other.read_opening().await;
    let primed = asks.parser.last_event_id.clone();
    let told = asks.next().await;
    assert_eq!(
        (told.event_type.as_str(), told.data.as_str()),
        ("consumers", "2")
    );
    assert_eq!(
        told.last_event_id, primed,
        "it does not move the reader's place"
    );
    server.publish("only this");
    other.read_until(|parser| !parser.messages.is_empty()).await;
    assert_eq!(
        data_of(&other),
        ["only this"],
        "who has not asked is not told"
    );
    drop(other);
    asks.read_until(|parser| {
        parser
            .messages
            .iter()
            .filter(|message| message.data == "1")
            .count()
            == 2
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_asks_sees_heartbeats() {
    let server = TestServer::start(&["--clock-interval", "1h", "--heartbeat", "50ms"]).await;
    let mut events = events(&server, "/events?heartbeat=event").await;
    for _ in 0..3 {
        let heartbeat = events.next().await;
        assert_eq!(
            (heartbeat.event_type.as_str(), heartbeat.data.as_str()),
            ("heartbeat", "50")
        );
    }
}

#[tokio::test]
async fn a_compressed_stream_arrives_event_by_event() {
    use std::io::Read;
    let server =
        TestServer::start(&["--clock-interval", "1h", "--stream-compression", "gzip"]).await;
    let plain = client::get(server.address, "/events").await;
    assert_eq!(
        plain.header("content-encoding"),
        None,
        "a client that does not ask for it gets none"
    );
    let mut answer =
        client::send(server.address, "GET", "/events", &["Accept-Encoding: gzip"]).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(answer.header("vary"), Some("accept, accept-encoding"));
    let mut compressed = Vec::new();
    for data in ["first", "second"] {
        server.publish(data);
        let wanted = format!("data: {data}\n");
        loop {
            compressed.extend(
                answer
                    .part()
                    .await
                    .expect("an unbroken connection")
                    .expect("an open stream"),
            );
            let mut read = Vec::new();
            // The stream goes on, so the decoder runs out of input after what is there.
            let _ = flate2::read::GzDecoder::new(compressed.as_slice()).read_to_end(&mut read);
            if String::from_utf8(read).expect("UTF-8").contains(&wanted) {
                break;
            }
        }
    }
}

#[tokio::test]
async fn extra_headers_are_on_every_stream() {
    let flags = [
        "--clock-interval",
        "1h",
        "--stream-header",
        "X-One: 1",
        "--stream-header",
        "X-Two: 2",
    ];
    let server = TestServer::start(&flags).await;
    let events = events(&server, "/events").await;
    assert_eq!(
        (events.header("x-one"), events.header("x-two")),
        (Some("1"), Some("2"))
    );
}

#[tokio::test]
async fn a_full_server_tells_the_next_reader_to_come_back() {
    let server = TestServer::start(&["--clock-interval", "1h", "--max-streams", "1"]).await;
    let mut first = events(&server, "/events").await;
    first.read_opening().await;
    let mut refused = events(&server, "/events").await;
    refused.read_to_end().await;
    assert!(refused.parser.retry.is_some());
    assert_eq!(server.consumers(), 1);
    drop(first);
    server.until(|server| server.consumers() == 0).await;
    let mut next = events(&server, "/events").await;
    next.read_opening().await;
}

#[tokio::test]
async fn closing_all_streams_ends_each_properly_and_the_server_goes_on() {
    let server = TestServer::start(&QUIET).await;
    let mut first = events(&server, "/events").await;
    first.read_opening().await;
    server.streams.close_all();
    first.read_to_end().await;
    let mut next = events(&server, "/events").await;
    next.read_opening().await;
}

#[tokio::test]
async fn stopping_with_streams_open_ends_each_properly_within_two_seconds() {
    let server = TestServer::start(&QUIET).await;
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut events = events(&server, "/events").await;
        events.read_opening().await;
        readers.push(events);
    }
    let half_open = tokio::net::TcpStream::connect(server.address)
        .await
        .expect("a connection");
    let started = std::time::Instant::now();
    server.stop().await;
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    for mut events in readers {
        events.read_to_end().await;
    }
    drop(half_open);
}

#[tokio::test]
async fn the_clock_is_an_ordinary_topic_of_the_hub() {
    let server = TestServer::start(&["--clock-interval", "100ms"]).await;
    server
        .until(|server| server.clock_events(10).events.len() >= 3)
        .await;
}
