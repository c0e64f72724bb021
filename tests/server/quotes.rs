//! The feed of quotes over HTTP: who may publish and read its topics, and what is published when.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{self, PATIENCE};
use crate::metrics::number;
use crate::support::{QUIET, TestServer};

#[tokio::test]
async fn no_client_publishes_to_a_feeds_topic_by_any_way() {
    let server = TestServer::start(&QUIET).await;
    for (topic, owner) in [
        ("quotes/AAPL", "the feed of quotes"),
        ("quotes/NEW", "the feed of quotes"),
        ("clock", "the clock"),
    ] {
        let target = format!("/topics/{topic}");
        for (method, content_type) in [
            ("POST", "text/plain"),
            ("POST", "application/x-ndjson"),
            ("POST", "text/event-stream"),
            ("PUT", "application/x-ndjson"),
            ("PUT", "text/event-stream"),
            ("DELETE", "text/plain"),
        ] {
            let header = format!("Content-Type: {content_type}");
            let body = b"{\"data\":1}";
            let answer = client::send_body(server.address, method, &target, &[&header], body).await;
            let status = answer.status;
            let text = answer.text().await;
            assert_eq!(status, 403, "{method} {content_type} {text}");
            let problem: Value = serde_json::from_str(&text).expect("a problem");
            assert_eq!(problem["code"], "reserved-topic");
            let detail = problem["detail"].as_str().expect("words");
            assert!(detail.contains(owner), "{detail}");
        }
        let opened = connect_async(format!("ws://{}{target}", server.address)).await;
        let (mut socket, _) = opened.expect("a WebSocket");
        let sent = socket.send(Message::text(r#"{"data":1}"#)).await;
        sent.expect("the frame is taken");
        let code = loop {
            let frame = timeout(PATIENCE, socket.next()).await.expect("in time");
            let frame = frame.expect("another frame").expect("a whole frame");
            let Ok(text) = frame.into_text() else {
                continue;
            };
            let frame: Value = serde_json::from_str(&text).unwrap_or_default();
            if let Some(code) = frame["problem"]["code"].as_str() {
                break code.to_owned();
            }
        };
        assert_eq!(code, "reserved-topic");
    }
}

#[tokio::test]
async fn prices_begin_when_a_client_reads_a_symbol_and_carry_what_is_documented() {
    let server = TestServer::start(&QUIET).await;
    let published = server.hub.totals().published;
    let mut events = client::events(server.address, "/topics/quotes/AAPL", &[]).await;
    let quote: Value = serde_json::from_str(&events.next().await.data).expect("JSON");
    assert_eq!(quote["symbol"], "AAPL");
    assert!(quote["price"].as_f64().expect("a price") > 0.0);
    assert!(quote["change"].is_number() && quote["time"].is_string());
    assert_eq!(published, 1, "the clock's only, until the client came");
}

#[tokio::test]
async fn a_feed_that_is_off_leaves_its_topics_to_others() {
    let server = TestServer::start(&["--clock-interval", "1h", "--quotes", "off"]).await;
    let answer = client::send_body(server.address, "POST", "/topics/quotes/AAPL", &[], b"1").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_page_shows_the_chosen_symbols_and_wakes_the_feed() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::get(
        server.address,
        "/quotes?symbol=KO&symbol=V&symbol=%3Cb%3E&chart=V",
    )
    .await;
    assert_eq!(answer.status, 200);
    let html = answer.text().await;
    let rows: Vec<&str> = html
        .match_indices("<tr data-symbol=\"")
        .map(|(at, found)| {
            html[at + found.len()..]
                .split('"')
                .next()
                .unwrap_or_default()
        })
        .collect();
    assert_eq!(rows, ["KO", "V"]);
    assert!(html.contains("V, the last hour"));
    assert!(!html.contains("<b>"));
    assert!(
        server.hub.totals().published > 2_000,
        "the market woke and told its last hour"
    );
}

#[tokio::test]
async fn slow_readers_see_what_their_policies_say() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::get(server.address, "/quotes/slow").await;
    assert_eq!(answer.status, 200);
    let seen: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    let published = seen["published"].as_u64().expect("a number");
    let of = |policy: &str, member: &str| {
        let mut readers = seen["readers"].as_array().expect("readers").iter();
        let reader = readers.find(|reader| reader["policy"] == policy);
        reader.expect("a reader")[member]
            .as_u64()
            .expect("a number")
    };
    assert!(of("disconnect", "received") >= published - 1, "{seen}");
    assert_eq!(of("disconnect", "reconnects"), 1);
    assert!(of("disconnect", "first_after_ms") > 3_000, "{seen}");
    for policy in ["skip", "latest"] {
        assert!((20..60).contains(&of(policy, "missed")), "{seen}");
        assert!(of(policy, "first_after_ms") < 500, "{seen}");
        assert_eq!(of(policy, "reconnects"), 0);
    }
    assert_eq!([of("skip", "gaps"), of("latest", "gaps")], [1, 0]);
}

#[tokio::test]
async fn a_client_watches_a_bounded_number_of_slow_readers() {
    let server = TestServer::start(&QUIET).await;
    let watch = || tokio::spawn(client::get(server.address, "/quotes/slow"));
    let running = [watch(), watch()];
    while number(&server, "fairwind_subscribers").await != 6.0 {
        tokio::task::yield_now().await;
    }
    let refused = client::get(server.address, "/quotes/slow").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("9"));
    for run in running {
        assert_eq!(run.await.expect("an answer").status, 200);
    }
}
