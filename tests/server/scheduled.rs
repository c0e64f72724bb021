//! Publications for later over HTTP: made, listed, cancelled, published in time, and bounded.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::access::{master_token, secret_flag, token};
use crate::client::{self, Answer};
use crate::metrics::number;
use crate::support::{QUIET, TestServer};

async fn post(server: &TestServer, target: &str, headers: &[&str], body: &str) -> Answer {
    client::send_body(server.address, "POST", target, headers, body.as_bytes()).await
}

async fn read(answer: Answer, status: u16) -> Value {
    assert_eq!(answer.status, status);
    serde_json::from_str(&answer.text().await).expect("JSON")
}

async fn code(answer: Answer, status: u16) -> String {
    let document = read(answer, status).await;
    document["code"].as_str().expect("a code").to_owned()
}

async fn list(server: &TestServer, topic: &str) -> Value {
    let target = format!("/scheduled?topic={topic}");
    read(client::get(server.address, &target).await, 200).await
}

#[tokio::test]
async fn an_event_is_published_when_its_time_has_come_and_is_listed_until_then() {
    let server = TestServer::start(&QUIET).await;
    let mut events = client::events(server.address, "/topics/kitchen", &[]).await;
    events.read_opening().await;
    let asked = Instant::now();
    let answer = post(&server, "/topics/kitchen?in=1s&type=news", &[], "tea").await;
    let location = answer.header("location").expect("a URL").to_owned();
    let receipt = read(answer, 202).await;
    assert_eq!(
        (&receipt["url"], &receipt["topic"]),
        (&json!(location), &json!("kitchen"))
    );
    let one = json!({
        "scheduled": receipt["scheduled"], "topic": "kitchen", "at": receipt["at"], "url": location,
        "type": "news", "data": "tea",
    });
    assert_eq!(list(&server, "kitchen").await, json!([one]));
    assert_eq!(list(&server, "garden").await, json!([]));
    assert_eq!(number(&server, "fairwind_scheduled").await, 1.0);
    assert_eq!(
        read(client::get(server.address, &location).await, 200).await,
        one
    );
    let message = events.next().await;
    assert_eq!(
        (message.event_type.as_str(), message.data.as_str()),
        ("news", "tea")
    );
    assert!(asked.elapsed() >= Duration::from_secs(1));
    assert_eq!(list(&server, "kitchen").await, json!([]));
    assert_eq!(number(&server, "fairwind_scheduled").await, 0.0);
    let gone = client::send(server.address, "DELETE", &location, &[]).await;
    assert_eq!(code(gone, 404).await, "not-scheduled");
    // By a header and a time; one that has passed is due at once.
    let at = ["Event-At: 2026-01-01T00:00:00Z"];
    let receipt = read(post(&server, "/topics/kitchen", &at, "late").await, 202).await;
    assert_eq!(receipt["at"], "2026-01-01T00:00:00.000Z");
    assert_eq!(events.next().await.data, "late");
}

#[tokio::test]
async fn what_is_cancelled_is_not_published() {
    let server = TestServer::start(&QUIET).await;
    let mut events = client::events(server.address, "/topics/kitchen", &[]).await;
    events.read_opening().await;
    let answer = post(&server, "/topics/kitchen?in=1s", &[], "cancelled").await;
    let location = answer.header("location").expect("a URL").to_owned();
    let cancelled = client::send(server.address, "DELETE", &location, &[]).await;
    assert_eq!(cancelled.status, 204);
    post(&server, "/topics/kitchen?in=1s", &[], "next").await;
    assert_eq!(events.next().await.data, "next");
    let again = client::send(server.address, "DELETE", &location, &[]).await;
    assert_eq!(code(again, 404).await, "not-scheduled");
    let wrong = client::send(server.address, "PUT", &location, &[]).await;
    assert_eq!(wrong.header("allow"), Some("GET, HEAD, DELETE, OPTIONS"));
    assert_eq!(code(wrong, 405).await, "method-not-allowed");
}

#[tokio::test]
async fn a_form_schedules_too_and_leads_back_to_the_topic() {
    let server = TestServer::start(&QUIET).await;
    let headers = [
        "Content-Type: multipart/form-data; boundary=b",
        "Accept: text/html",
    ];
    let field = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let form = |delay| field("data", "tea") + &field("at", "") + &field("in", delay) + "--b--\r\n";
    let answer = post(&server, "/topics/kitchen", &headers, &form("1h")).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/topics/kitchen"))
    );
    assert_eq!(list(&server, "kitchen").await[0]["data"], "tea");
    // An empty field is none.
    let answer = post(&server, "/topics/kitchen", &headers[..1], &form("")).await;
    assert_eq!(read(answer, 200).await["topic"], "kitchen");
}

#[tokio::test]
async fn a_repeated_request_schedules_once() {
    let server = TestServer::start(&QUIET).await;
    let key = ["Idempotency-Key: k"];
    let first = read(post(&server, "/topics/a?in=1h", &key, "x").await, 202).await;
    let again = read(post(&server, "/topics/a?in=1h", &key, "x").await, 202).await;
    assert_eq!(again["repeated"], true);
    assert_eq!(
        (&again["scheduled"], &again["at"]),
        (&first["scheduled"], &first["at"])
    );
    for (target, body) in [("/topics/a?in=2h", "x"), ("/topics/a?in=1h", "y")] {
        let reused = post(&server, target, &key, body).await;
        assert_eq!(code(reused, 422).await, "idempotency-key-reused");
    }
    assert_eq!(list(&server, "a").await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_cannot_be_scheduled_is_refused_with_what_would_be_right() {
    let server = TestServer::start(&QUIET).await;
    post(&server, "/topics/ended", &[], "x").await;
    client::send(server.address, "DELETE", "/topics/ended", &[]).await;
    let ndjson = "Content-Type: application/x-ndjson";
    for (target, headers, status, expected) in [
        ("/topics/a?in=soon", &[][..], 400, "such as 30s"),
        ("/topics/a?at=tomorrow", &[], 400, "RFC 3339"),
        (
            "/topics/a?in=1s&at=2026-11-27T12:00:00Z",
            &[],
            400,
            "one of them",
        ),
        ("/topics/a?in=367d", &[], 400, "at most 366 days"),
        ("/topics/a?in=1s", &["If-Match: *"], 400, "leave it out"),
        ("/topics/a?in=1s", &[ndjson], 400, "POST of its own"),
        ("/topics/a?in=1s&private=true", &[], 400, "private"),
        ("/topics/ended?in=1s", &[], 409, "ended"),
        ("/topics/clock?in=1s", &[], 403, "only the clock"),
    ] {
        let refused = read(post(&server, target, headers, "{\"data\":1}").await, status).await;
        let detail = refused["detail"].as_str().expect("a detail");
        assert!(detail.contains(expected), "{target}: {detail}");
    }
    let unnamed = client::get(server.address, "/scheduled").await;
    assert_eq!(code(unnamed, 400).await, "invalid-query");
}

#[tokio::test]
async fn the_schedule_is_bounded_per_address_and_in_all() {
    let flags = [
        "--trusted-proxy=127.0.0.0/8",
        "--max-scheduled=3",
        "--max-scheduled-per-address=2",
        "--max-scheduled-bytes=64KiB",
    ];
    let server = TestServer::start(&[&QUIET[..], &flags].concat()).await;
    let of = |last: u8| format!("X-Forwarded-For: 203.0.113.{last}");
    let schedule = async |last, topic: &str, body: &str| {
        post(
            &server,
            &format!("/topics/{topic}?in=1h"),
            &[&of(last)],
            body,
        )
        .await
    };
    for (last, topic) in [(1, "a"), (1, "b")] {
        assert_eq!(schedule(last, topic, "x").await.status, 202);
    }
    let refused = schedule(1, "c", "x").await;
    assert!(refused.header("retry-after").is_some());
    assert_eq!(code(refused, 503).await, "too-many-scheduled");
    let refused = schedule(2, "c", &"x".repeat(20 << 10)).await;
    assert_eq!(code(refused, 503).await, "too-many-scheduled");
    assert_eq!(schedule(2, "c", "x").await.status, 202);
    let refused = read(schedule(3, "d", "x").await, 503).await;
    assert!(
        refused["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("come back later"))
    );
}

#[tokio::test]
async fn only_clients_that_may_publish_list_and_cancel() {
    let secret = secret_flag("scheduled");
    let server = TestServer::start(&["--clock-interval=1h", "--read=public", &secret]).await;
    let bearer = |token: String| format!("Authorization: Bearer {token}");
    let master = bearer(master_token(60));
    let publisher = bearer(token(
        &json!({"exp": 4_000_000_000_u64, "publish": ["kitchen"]}),
    ));
    let stranger = bearer(token(
        &json!({"exp": 4_000_000_000_u64, "publish": ["garden"]}),
    ));
    assert_eq!(
        post(&server, "/topics/kitchen?in=1h", &[], "x")
            .await
            .status,
        401
    );
    let one = post(&server, "/topics/kitchen?in=1h", &[&publisher], "x").await;
    let location = one.header("location").expect("a URL").to_owned();
    let private = post(
        &server,
        "/topics/kitchen?in=2h&private=true",
        &[&master],
        "secret",
    )
    .await;
    let secret = private.header("location").expect("a URL").to_owned();
    for (method, target) in [
        ("GET", "/scheduled?topic=kitchen"),
        ("GET", &location),
        ("DELETE", &location),
    ] {
        for (headers, status) in [(&[][..], 401), (&[stranger.as_str()], 403)] {
            let refused = client::send(server.address, method, target, headers).await;
            assert_eq!(refused.status, status, "{method} {target}");
        }
    }
    for (token, expected) in [(&publisher, 1), (&master, 2)] {
        let target = "/scheduled?topic=kitchen";
        let listed = client::send(server.address, "GET", target, &[token]).await;
        assert_eq!(
            read(listed, 200).await.as_array().map(Vec::len),
            Some(expected)
        );
    }
    let hidden = client::send(server.address, "GET", &secret, &[&publisher]).await;
    assert_eq!(hidden.status, 404);
    let other_site = [publisher.as_str(), "Sec-Fetch-Site: cross-site"];
    let refused = client::send(server.address, "DELETE", &location, &other_site).await;
    assert_eq!(code(refused, 403).await, "other-origin");
    let cancelled = client::send(server.address, "DELETE", &location, &[&publisher]).await;
    assert_eq!(cancelled.status, 204);
}
