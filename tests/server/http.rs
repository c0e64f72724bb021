//! Methods, headers, queries and paths, right and wrong.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{self, Answer, PATIENCE};
use crate::support::{QUIET, TestServer};

async fn problem(answer: Answer, status: u16) -> String {
    assert_eq!(answer.status, status);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let document: serde_json::Value = serde_json::from_str(&answer.text().await).expect("JSON");
    assert_eq!(document["status"], status);
    document["detail"].as_str().expect("a detail").to_owned()
}

#[tokio::test]
async fn head_has_the_streams_headers_and_counts_nobody() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::send(server.address, "HEAD", "/events", &["Connection: close"]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(
        answer.header("cache-control"),
        Some("no-store, no-transform")
    );
    assert_eq!(answer.header("content-length"), None, "a stream has none");
    assert_eq!(answer.text().await, "");
    assert_eq!(server.consumers(), 0);
}

#[tokio::test]
async fn options_says_what_is_allowed() {
    let server = TestServer::start(&QUIET).await;
    for target in ["/events", "/", "/healthz"] {
        let answer = client::send(server.address, "OPTIONS", target, &[]).await;
        assert!(
            matches!(answer.status, 200 | 204),
            "{target}: {}",
            answer.status
        );
        assert_eq!(
            answer.header("allow"),
            Some("GET, HEAD, OPTIONS"),
            "{target}"
        );
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let server = TestServer::start(&QUIET).await;
    for (method, target) in [("POST", "/events"), ("DELETE", "/"), ("PUT", "/healthz")] {
        let answer = client::send(server.address, method, target, &["Content-Length: 0"]).await;
        assert_eq!(
            answer.header("allow"),
            Some("GET, HEAD, OPTIONS"),
            "{target}"
        );
        assert!(problem(answer, 405).await.contains(method));
    }
}

#[tokio::test]
async fn the_pages_of_every_origin_may_read_without_credentials() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::send(
        server.address,
        "GET",
        "/events",
        &["Origin: https://a.example"],
    )
    .await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let preflight = [
        "Origin: https://a.example",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Headers: last-event-id",
    ];
    let answer = client::send(server.address, "OPTIONS", "/events", &preflight).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(
        answer
            .header("access-control-allow-headers")
            .expect("headers")
            .contains("last-event-id")
    );
}

#[tokio::test]
async fn listed_origins_may_read_with_credentials_and_no_others() {
    let server = TestServer::start(&[
        "--clock-interval",
        "1h",
        "--allow-origin",
        "https://a.example",
    ])
    .await;
    let answer = client::send(
        server.address,
        "GET",
        "/events",
        &["Origin: https://a.example"],
    )
    .await;
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://a.example")
    );
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        Some("true")
    );
    assert!(answer.header("vary").expect("vary").contains("origin"));
    let answer = client::send(
        server.address,
        "GET",
        "/events",
        &["Origin: https://b.example"],
    )
    .await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn a_client_that_takes_no_event_stream_is_told_so() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::send(
        server.address,
        "GET",
        "/events",
        &["Accept: application/json"],
    )
    .await;
    assert!(problem(answer, 406).await.contains("text/event-stream"));
    for accept in [
        "Accept: */*",
        "Accept: text/html,*/*;q=0.8",
        "Accept: text/event-stream",
    ] {
        assert_eq!(
            client::send(server.address, "GET", "/events", &[accept])
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn a_wrong_query_is_refused_with_what_would_be_right() {
    let server = TestServer::start(&QUIET).await;
    for (query, expected) in [
        ("last_event_di=1", "last_event_id"),
        ("consumers=yes", "consumers=event"),
        ("heartbeat=1", "heartbeat=event"),
        ("last_event_id=%ff", "UTF-8"),
        ("last_event_id=1&last_event_id=2", "last_event_id"),
    ] {
        let detail = problem(
            client::get(server.address, &format!("/events?{query}")).await,
            400,
        )
        .await;
        assert!(detail.contains(expected), "{query}: {detail}");
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_one_is_answered_with_a_gap_and_the_stream_goes_on() {
    let server = TestServer::start(&QUIET).await;
    let long = format!("Last-Event-ID: {}", "x".repeat(257));
    let not_utf8 = "/events?last_event_id=a%0Ab";
    for (target, headers) in [("/events", vec![long.as_str()]), (not_utf8, vec![])] {
        let mut events = client::events(server.address, target, &headers).await;
        events
            .read_until(|parser| !parser.messages.is_empty())
            .await;
        assert_eq!(events.parser.messages[0].event_type, "gap", "{target}");
        assert!(events.parser.messages[0].data.contains("resumed_from"));
    }
    let empty = client::send(server.address, "GET", "/events", &["Last-Event-ID:"]).await;
    assert_eq!(empty.status, 200, "an empty one is none");
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_for_programs_and_a_page_for_people() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::get(server.address, "/event").await;
    assert!(problem(answer, 404).await.contains("/events"));
    let answer = client::send(server.address, "GET", "/event", &["Accept: text/html"]).await;
    assert_eq!(answer.status, 404);
    assert!(
        answer
            .header("content-type")
            .expect("a type")
            .starts_with("text/html")
    );
}

#[tokio::test]
async fn the_page_has_the_clocks_events_and_a_strict_policy() {
    let server = TestServer::start(&QUIET).await;
    let id = server
        .publish("hello, now is: 2026-11-22T16:12:37.123+00:00")
        .id;
    let answer = client::send(server.address, "GET", "/", &["Accept: text/html"]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let policy = answer
        .header("content-security-policy")
        .expect("a policy")
        .to_owned();
    let script_sources = policy
        .split("; ")
        .find(|part| part.starts_with("script-src"))
        .expect("sources of scripts");
    assert!(!script_sources.contains("unsafe-inline"));
    let nonce = script_sources
        .split("'nonce-")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .expect("a nonce");
    let html = answer.text().await;
    assert!(html.contains("2026-11-22T16:12:37.123+00:00"));
    assert!(html.contains(&format!("data-id=\"{id}\"")));
    assert!(
        html.contains("http://fairwind.test/events"),
        "the reader's own address is in the instructions"
    );
    for script in html.split("<script").skip(1) {
        let tag = script.split('>').next().expect("a tag");
        assert!(tag.contains(nonce) || tag.contains("src="), "{tag}");
    }
}

#[tokio::test]
async fn nothing_that_is_published_leaves_its_place_in_a_page() {
    let server = TestServer::start(&QUIET).await;
    let hostile = [
        "</script><script>alert(1)</script>",
        "<!--<script>",
        "<img src=x onerror=alert(2)>",
        "</textarea></noscript></title><h1>no",
        "\"'\\u003c/script>\u{2028}\u{202e}",
        "\0",
        "",
    ];
    let topic = "%3Cscript%3E%22%27%26";
    for data in hostile {
        let target = format!("/topics/{topic}?type=%3C/script%3E&id={}", data.len());
        let answer = client::send_body(server.address, "POST", &target, &[], data.as_bytes()).await;
        assert_eq!(answer.status, 200);
    }
    let target = format!("/topics/{topic}?filter=%22%3E%3C/script%3E%3Cscript%3E");
    for target in [format!("/topics/{topic}"), target] {
        let answer = client::send(server.address, "GET", &target, &["Accept: text/html"]).await;
        let policy = answer.header("content-security-policy").expect("a policy");
        let nonce = policy.split("'nonce-").nth(1).expect("a nonce");
        let nonce = nonce.split('\'').next().expect("its end").to_owned();
        let html = answer.text().await;
        // Each script is the page's own, and ends where the page ends it.
        for script in html.split("<script").skip(1) {
            assert!(script.contains(&nonce), "{script}");
            let content = script.split("</script>").next().expect("content");
            assert!(!content.contains("<!--"), "{content}");
        }
        assert_eq!(
            html.matches("<script").count(),
            html.matches("</script>").count()
        );
        assert!(!html.contains("<img") && !html.contains("<h1>no") && !html.contains('\0'));
        assert!(!html.contains("</textarea></noscript>"));
    }
}

#[tokio::test]
async fn large_events_do_not_make_a_large_page() {
    let server = TestServer::start(&QUIET).await;
    for number in 0..25 {
        let data = format!("{number}{}", "上".repeat(300_000));
        let target = format!("/topics/a?id=event-{number}");
        let answer = client::send_body(server.address, "POST", &target, &[], data.as_bytes()).await;
        assert_eq!(answer.status, 200);
    }
    let answer = client::send(server.address, "GET", "/topics/a", &["Accept: text/html"]).await;
    let html = answer.text().await;
    assert!(html.len() < 300_000, "{} bytes", html.len());
    assert!(
        html.contains("The first 4 KiB of 878 KiB."),
        "a note says so"
    );
    // The first of the page, and the stream that begins with it.
    assert!(html.contains("data-id=\"event-5\"") && !html.contains("data-id=\"event-4\""));
    let raw = "/topics?topic=a&amp;last_event_id=event%2D4";
    assert!(html.contains(raw), "a link leads to the whole");
    let mut events = client::events(server.address, &raw.replace("amp;", ""), &[]).await;
    assert_eq!(events.next().await.event_type, "topic");
    let whole = events.next().await;
    assert_eq!(
        (whole.last_event_id.as_str(), whole.data.len()),
        ("event-5", 900_001)
    );
}

#[tokio::test]
async fn a_page_stays_small_whatever_is_published() {
    let server = TestServer::start(&["--clock-interval=1h", "--history-bytes=1GiB"]).await;
    let hostile = ["<", "&", "\u{1}", "\"", "\u{202e}", "\u{e0001}", "\\"];
    for (topic, data) in hostile.iter().enumerate() {
        let id = |number: usize| format!("{}{number}", "%3C".repeat(250));
        for number in 0..20 {
            let target = format!("/topics/{topic}?id={0}&type={0}", id(number));
            let body = data.repeat((1 << 20) / data.len());
            let answer =
                client::send_body(server.address, "POST", &target, &[], body.as_bytes()).await;
            assert_eq!(answer.status, 200);
        }
        let target = format!("/topics/{topic}");
        let answer = client::send(server.address, "GET", &target, &["Accept: text/html"]).await;
        let html = answer.text().await;
        assert!(html.len() < 400_000, "{data:?}: {} bytes", html.len());
        // The stream goes on after the event before the first that is shown.
        let shown = html.matches("data-id=").count();
        assert!((1..20).contains(&shown), "{data:?}: {shown} rows");
        let before = format!("last_event_id={}\"", id(19 - shown));
        assert!(html.contains(&before), "{data:?}");
    }
}

#[tokio::test]
async fn healthz_says_ok() {
    let server = TestServer::start(&QUIET).await;
    let answer = client::get(server.address, "/healthz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text().await, "ok\n");
}

#[tokio::test]
async fn without_a_clock_its_urls_say_so_and_the_first_page_is_the_list_of_topics() {
    let server = TestServer::start(&["--clock-interval=off"]).await;
    for target in ["/events", "/topics/clock", "/topics?topic=clock"] {
        let answer = client::get(server.address, target).await;
        assert_eq!(answer.status, 404, "{target}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert!(answer.text().await.contains("--clock-interval off"));
    }
    let publish = client::send_body(server.address, "POST", "/topics/clock", &[], b"1").await;
    assert_eq!(publish.status, 404);
    let first = client::send(server.address, "GET", "/", &["Accept: text/html"]).await;
    assert_eq!(first.status, 307);
    assert_eq!(first.header("location"), Some("/topics"));
    let kitchen = client::events(server.address, "/topics/kitchen", &[]).await;
    drop(kitchen);
    server.stop().await;
}

/// Reads until a text has come, or the connection ends. Returns everything that has come.
async fn read_until(socket: &mut TcpStream, text: &str) -> String {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        let more = timeout(PATIENCE, socket.read_buf(&mut read)).await;
        if more.expect("in time").expect("a readable socket") == 0 {
            break;
        }
    }
    String::from_utf8(read).expect("UTF-8")
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_refusal_whose_body_comes_late() {
    let server = TestServer::start(&["--anonymous-publish=off", "--clock-interval=1h"]).await;
    for method in ["POST", "PUT"] {
        let mut socket = TcpStream::connect(server.address)
            .await
            .expect("a connection");
        socket.set_nodelay(true).expect("an option");
        let head = format!("{method} /topics/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("written");
        // The server has the head alone before it gets the body.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        socket.write_all(b"data: x\n\n").await.expect("written");
        let refusal = read_until(&mut socket, "}").await;
        assert!(refusal.starts_with("HTTP/1.1 403"), "{refusal}");
        assert!(!refusal.contains("connection: close"), "{refusal}");
        socket
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            .await
            .expect("written");
        let next = read_until(&mut socket, "ok\n").await;
        assert!(next.starts_with("HTTP/1.1 200"), "{next:?}");
    }
}

#[tokio::test]
async fn a_refusal_that_leaves_a_long_body_unread_says_that_the_connection_closes() {
    let server = TestServer::start(&["--anonymous-publish=off", "--clock-interval=1h"]).await;
    for body in [
        "Content-Length: 100000",
        "Transfer-Encoding: chunked",
        "Content-Length: 9\r\nExpect: 100-continue",
    ] {
        let mut socket = TcpStream::connect(server.address)
            .await
            .expect("a connection");
        let head = format!("POST /topics/a HTTP/1.1\r\nHost: a\r\n{body}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("written");
        let refusal = read_until(&mut socket, "nothing more comes").await;
        assert!(refusal.starts_with("HTTP/1.1 403"), "{body}: {refusal}");
        assert!(refusal.contains("connection: close"), "{body}: {refusal}");
    }
}
