//! Tokens over HTTP: who publishes, who reads what is private, and when that ends.

use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};

use crate::client::{self, Answer};
use crate::support::TestServer;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The setting of a server that takes [`master_token`], whose file has this in its name.
pub fn secret_flag(name: &str) -> String {
    let file = std::env::temp_dir().join(format!("fairwind-{}-{name}.secret", std::process::id()));
    std::fs::write(&file, SECRET).expect("a file in the temporary folder");
    format!("--jwt-secret-file={}", file.display())
}

async fn server(name: &str) -> TestServer {
    let flags = ["--clock-interval=1h", "--read=public", &secret_flag(name)];
    TestServer::start(&flags).await
}

pub fn token(claims: &Value) -> String {
    encode(
        &Header::new(Algorithm::HS256),
        claims,
        &EncodingKey::from_secret(SECRET),
    )
    .expect("a token")
}

/// A token that may do everything for so many seconds.
pub fn master_token(seconds: u64) -> String {
    token(&json!({
        "exp": get_current_timestamp() + seconds, "publish": ["*"], "subscribe": ["*"],
    }))
}

async fn publish(server: &TestServer, target: &str, headers: &[&str], data: &str) -> Answer {
    client::send_body(server.address, "POST", target, headers, data.as_bytes()).await
}

#[tokio::test]
async fn with_a_key_publishing_needs_a_token_that_names_the_topic() {
    let server = server("publish").await;
    let refused = publish(&server, "/topics/kitchen", &[], "1").await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer realm=\"fairwind\"")
    );
    let token = token(&json!({"exp": get_current_timestamp() + 60, "publish": ["kitchen"]}));
    let bearer = format!("Authorization: Bearer {token}");
    let status = publish(&server, "/topics/kitchen", &[&bearer], "1")
        .await
        .status;
    assert_eq!(status, 200);
    let refused = publish(&server, "/topics/cellar", &[&bearer], "1").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text().await.contains("cellar"));
    let end = client::send(server.address, "DELETE", "/topics/kitchen", &[]).await;
    assert_eq!(end.status, 401, "ending a topic is publishing");
    let in_query = publish(&server, &format!("/topics/kitchen?token={token}"), &[], "1").await;
    assert_eq!(in_query.status, 400, "a URL ends up in logs");
}

#[tokio::test]
async fn private_events_reach_only_who_may_read_them_in_replay_too() {
    let server = server("private").await;
    let bearer = format!("Authorization: Bearer {}", master_token(60));
    let cookie = format!("Cookie: fairwind_token={}", master_token(60));
    let target = "/topics/kitchen?last_event_id=earliest";
    let mut live = client::events(server.address, target, &[&cookie]).await;
    live.read_opening().await;
    for (query, data) in [("", "1"), ("?private=true", "secret"), ("", "3")] {
        let target = format!("/topics/kitchen{query}");
        assert_eq!(
            publish(&server, &target, &[&bearer], data).await.status,
            200
        );
    }
    let mut replayed = client::events(server.address, target, &[&bearer]).await;
    for events in [&mut live, &mut replayed] {
        for expected in ["1", "secret", "3"] {
            assert_eq!(events.next().await.data, expected);
        }
    }
    let mut public = client::events(server.address, target, &[]).await;
    for expected in ["1", "3"] {
        assert_eq!(public.next().await.data, expected);
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_readers_token() {
    let server = server("end").await;
    let bearer = format!("Authorization: Bearer {}", master_token(2));
    let mut events = client::events(server.address, "/topics/kitchen", &[&bearer]).await;
    events.read_opening().await;
    let started = Instant::now();
    events.read_to_end().await;
    assert!(started.elapsed() < Duration::from_secs(3));
    // The page learns at once that it needs a new token, and does not read on without what is private.
    let again = client::send(server.address, "GET", "/topics/kitchen", &[&bearer]).await;
    assert_eq!(again.status, 401);
    assert!(
        again
            .header("www-authenticate")
            .expect("a challenge")
            .contains("invalid_token")
    );
}

#[tokio::test]
async fn a_published_stream_ends_with_its_publishers_token_and_says_what_was_published() {
    let server = server("stream-end").await;
    let bearer = format!("Authorization: Bearer {}", master_token(2));
    let mut upload =
        client::Upload::start(server.address, "PUT", "/topics/kitchen", &[&bearer]).await;
    upload.send(b"data: 1\n\n").await;
    // The publisher neither sends more nor ends the body.
    let answer = upload.answer().await;
    assert_eq!(answer.status, 401);
    let document: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    assert_eq!(document["published"], 1);
    assert!(document["last_id"].is_string());
}

#[tokio::test]
async fn with_a_key_reading_needs_a_token_and_the_clock_does_not() {
    let flags = ["--clock-interval=1h", &secret_flag("read")];
    let server = TestServer::start(&flags).await;
    let get = async |target: &str, headers: &[&str]| {
        client::send(server.address, "GET", target, headers)
            .await
            .status
    };
    let granted = token(&json!({"exp": get_current_timestamp() + 60, "subscribe": ["kitchen"]}));
    let bearer = format!("Authorization: Bearer {granted}");
    let json = "Accept: application/json";
    for headers in [&[][..], &[json]] {
        let with_token = [headers, &[&bearer]].concat();
        assert_eq!(get("/topics/kitchen", headers).await, 401);
        assert_eq!(get("/topics/kitchen", &with_token).await, 200);
        assert_eq!(get("/topics/cellar", &with_token).await, 403);
    }
    let several = "/topics?topic=kitchen&topic=cellar";
    assert_eq!(get(several, &[&bearer]).await, 403);
    assert_eq!(get("/topics?match=kit*", &[]).await, 401);
    assert_eq!(get("/topics?match=cel*", &[&bearer]).await, 403);
    assert_eq!(get("/events", &[]).await, 200);
    assert_eq!(get("/metrics", &[&bearer]).await, 401);
    let list = client::send(server.address, "GET", "/topics", &[json, &bearer]).await;
    assert_eq!(list.status, 200);
    assert!(!list.text().await.contains("cellar"));
}

#[tokio::test]
async fn a_pattern_shows_of_each_topic_what_the_token_allows() {
    let flags = ["--clock-interval=1h", &secret_flag("pattern")];
    let server = TestServer::start(&flags).await;
    let claims = json!({
        "exp": get_current_timestamp() + 60,
        "publish": ["*"],
        "subscribe": ["orders/1", "orders/eu/*"],
    });
    let bearer = format!("Authorization: Bearer {}", token(&claims));
    let mut events = client::events(server.address, "/topics?match=orders/*", &[&bearer]).await;
    events.read_opening().await;
    let mut all = client::events(server.address, "/topics?match=*", &[&bearer]).await;
    all.read_opening().await;
    for (topic, query) in [
        ("orders/2", ""),
        ("orders/1", ""),
        ("orders/1", "?private=true"),
        ("other", ""),
        ("orders/eu/3", "?private=true"),
    ] {
        let target = format!("/topics/{topic}{query}");
        let answer = client::send_body(server.address, "POST", &target, &[&bearer], b"x").await;
        assert_eq!(answer.status, 200, "{target}");
    }
    for expected in ["orders/1", "orders/1", "orders/eu/3"] {
        assert_eq!(events.next().await.data, expected);
        assert_eq!(events.next().await.data, "x");
    }
    // The clock's topic is public, and its first tick may be among them.
    for expected in ["orders/1", "orders/1", "orders/eu/3"] {
        let mut topic = all.next().await.data;
        if topic == "clock" {
            all.next().await;
            topic = all.next().await.data;
        }
        assert_eq!(topic, expected);
        all.next().await;
    }
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_publish() {
    let server =
        TestServer::start(&["--clock-interval=1h", "--allow-origin=https://b.example"]).await;
    for (header, expected) in [
        ("Origin: https://a.example", 403),
        ("Origin: null", 403),
        ("Sec-Fetch-Site: cross-site", 403),
        ("Origin: https://b.example", 200),
    ] {
        let answer = publish(&server, "/topics/kitchen", &[header], "1").await;
        assert_eq!(answer.status, expected, "{header}");
    }
}

#[tokio::test]
async fn with_a_key_the_name_of_a_reader_is_the_subject_of_its_token() {
    let server = server("names").await;
    let bearer = |claims: Value| format!("Authorization: Bearer {}", token(&claims));
    let exp = get_current_timestamp() + 60;
    let ada = bearer(json!({"exp": exp, "subscribe": ["*"], "sub": "Ada"}));
    for query in ["name=", "name=Ada"] {
        let target = format!("/topics/a?{query}&presence=event");
        let mut events = client::events(server.address, &target, &[&ada]).await;
        let message = events.next().await;
        assert_eq!(message.data, "{\"topic\":\"a\",\"present\":[\"Ada\"]}");
    }
    let nameless = bearer(json!({"exp": exp, "subscribe": ["*"], "sub": 7}));
    let unusable = bearer(json!({"exp": exp, "subscribe": ["*"], "sub": "a/b"}));
    for (query, headers, status, expected) in [
        ("name=Bob", &[&*ada][..], 403, "name="),
        ("name=Bob", &[], 401, "a name needs a token"),
        ("name=", &[&*nameless], 403, "no claim sub"),
        ("name=", &[&*unusable], 403, "slashes"),
    ] {
        let target = format!("/topics/a?{query}");
        let refused = client::send(server.address, "GET", &target, headers).await;
        assert_eq!(refused.status, status, "{query}");
        let detail = refused.text().await;
        assert!(detail.contains(expected), "{detail}");
    }
    let without = client::send(server.address, "GET", "/topics/a", &[&nameless]).await;
    assert_eq!(
        without.status, 200,
        "a reader without a name needs no subject"
    );
}
