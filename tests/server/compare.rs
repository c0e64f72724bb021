//! The comparison of an EventSource with a WebSocket: what the server counts of both connections is what an independent client
//! reads byte by byte, and what it does with them when the page asks.

use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::certificate::Certificate;
use crate::client::{self, PATIENCE, head};
use crate::support::{QUIET, TestServer};

const ID: &str = "a-comparison-of-a-test";
const OTHER_ID: &str = "another-one-of-a-test_";

/// A connection whose every byte is counted.
struct Raw<S> {
    socket: S,
    /// The head of the response.
    head: String,
    /// What has come after it.
    body: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    async fn open(mut socket: S, request: &str) -> Self {
        socket
            .write_all(request.as_bytes())
            .await
            .expect("the request is taken");
        let mut raw = Self {
            socket,
            head: String::new(),
            body: Vec::new(),
        };
        while !raw.text().contains("\r\n\r\n") {
            assert!(raw.read().await > 0, "the connection ended in the head");
        }
        let end = raw.text().find("\r\n\r\n").expect("an end") + 4;
        let body = raw.body.split_off(end);
        raw.head = String::from_utf8(std::mem::replace(&mut raw.body, body)).expect("a head");
        raw
    }

    async fn read(&mut self) -> usize {
        let read = timeout(PATIENCE, self.socket.read_buf(&mut self.body));
        // A client of TLS may find the end without a word.
        read.await.expect("in time").unwrap_or_default()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    async fn read_until(&mut self, holds: impl Fn(&str) -> bool) {
        while !holds(&self.text()) {
            assert!(
                self.read().await > 0,
                "the connection ended: {}",
                self.text()
            );
        }
    }

    async fn read_to_end(&mut self) {
        while self.read().await > 0 {}
    }

    /// The numbers of the events that have come, in their order.
    fn numbers(&self) -> Vec<u64> {
        numbers_in(&self.text())
    }
}

/// In the data of an event stream and in the JSON of a WebSocket alike.
fn numbers_in(text: &str) -> Vec<u64> {
    let pattern = regex::Regex::new(r#"data(?:: |":")(\d+) \d{4}-"#).expect("a pattern");
    let found = pattern.captures_iter(text);
    found
        .map(|found| found[1].parse().expect("a number"))
        .collect()
}

fn events_request(id: &str, headers: &[&str]) -> String {
    let headers = [&["Accept: text/event-stream"], headers].concat();
    head("GET", &format!("/compare/{id}/events"), &headers)
}

fn socket_request(id: &str) -> String {
    head(
        "GET",
        &format!("/compare/{id}/socket"),
        &[
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Cookie: fairwind_token=none",
        ],
    )
}

async fn tcp(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.address)
        .await
        .expect("a connection")
}

async fn events(server: &TestServer, id: &str) -> Raw<TcpStream> {
    Raw::open(tcp(server).await, &events_request(id, &[])).await
}

async fn socket(server: &TestServer, id: &str) -> Raw<TcpStream> {
    Raw::open(tcp(server).await, &socket_request(id)).await
}

/// Asks for an experiment, which the server does in its turn.
async fn post(server: &TestServer, id: &str, what: &str) -> Value {
    let target = format!("/compare/{id}/{what}");
    let answer = client::send(server.address, "POST", &target, &["Content-Length: 0"]).await;
    assert_eq!(answer.status, 200, "{what}");
    serde_json::from_str(&answer.text().await).expect("JSON")
}

async fn numbers(server: &TestServer, id: &str) -> Value {
    let answer = client::get(server.address, &format!("/compare/{id}/numbers")).await;
    assert_eq!(answer.status, 200);
    serde_json::from_str(&answer.text().await).expect("JSON")
}

/// Waits until the server's numbers are so.
async fn until(server: &TestServer, id: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let waiting = async {
        loop {
            let numbers = numbers(server, id).await;
            if holds(&numbers) {
                return numbers;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, waiting)
        .await
        .expect("what the test waits for")
}

fn number(value: &Value) -> usize {
    let number = value
        .as_u64()
        .unwrap_or_else(|| panic!("a number, not {value}"));
    usize::try_from(number).expect("a small number")
}

fn both_closed(numbers: &Value) -> bool {
    numbers["event_source"]["open"] == 0 && numbers["web_socket"]["open"] == 0
}

/// A text frame of a client, whose mask changes nothing.
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).expect("a short text");
    assert!(length < 126);
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[tokio::test]
async fn the_server_counts_every_byte_that_an_independent_client_reads() {
    let server = TestServer::start(&QUIET).await;
    let mut events = events(&server, ID).await;
    let mut socket = socket(&server, ID).await;
    events.read_until(|text| !numbers_in(text).is_empty()).await;
    socket.read_until(|text| !numbers_in(text).is_empty()).await;
    let sent = frame("hello");
    socket.socket.write_all(&sent).await.expect("it is taken");
    let answer = "{\"received\":{\"bytes\":5}}";
    socket.read_until(|text| text.contains(answer)).await;
    post(&server, ID, "burst").await;
    events
        .read_until(|text| numbers_in(text).len() > 1_000)
        .await;
    socket
        .read_until(|text| numbers_in(text).len() > 1_000)
        .await;
    post(&server, ID, "cut").await;
    events.read_to_end().await;
    socket.read_to_end().await;

    let numbers = until(&server, ID, both_closed).await;
    let data = regex::Regex::new(r"\d+ \d{4}-\S+Z [0-9a-z]+").expect("a pattern");
    for (name, raw, request) in [
        ("event_source", &events, events_request(ID, &[])),
        ("web_socket", &socket, socket_request(ID)),
    ] {
        let counted = &numbers[name];
        assert_eq!(number(&counted["request_bytes"]), request.len(), "{name}");
        assert_eq!(
            number(&counted["response_bytes"]),
            raw.head.len(),
            "{}",
            raw.head
        );
        assert_eq!(number(&counted["messages"]), raw.numbers().len(), "{name}");
        let body = number(&counted["message_bytes"]) + number(&counted["other_bytes"]);
        assert_eq!(body, raw.body.len(), "{name}");
        let text = raw.text();
        let data: usize = data.find_iter(&text).map(|data| data.len()).sum();
        assert_eq!(number(&counted["data_bytes"]), data, "{name}");
        assert_eq!(counted["http"], "HTTP/1.1");
    }
    assert_eq!(number(&numbers["event_source"]["received_bytes"]), 0);
    assert_eq!(number(&numbers["web_socket"]["received_bytes"]), sent.len());
    assert_eq!(numbers["event_source"]["status"], 200);
    assert_eq!(numbers["web_socket"]["status"], 101);
    let handshake = numbers["web_socket"].to_string();
    assert!(handshake.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert!(!handshake.to_lowercase().contains("cookie"), "{handshake}");
    let shown = numbers["event_source"]["response"].as_str().expect("lines");
    for line in shown.lines() {
        assert!(events.head.contains(&format!("{line}\r\n")), "{line}");
    }
}

#[tokio::test]
async fn inside_tls_the_server_counts_what_comes_out_of_it() {
    let certificate = Certificate::new("compare");
    let server = certificate.server(&[]).await;
    let tls = || async {
        let connected = certificate.connect(tcp(&server).await, "http/1.1").await;
        connected.expect("TLS")
    };
    let mut events = Raw::open(tls().await, &events_request(ID, &[])).await;
    let mut socket = Raw::open(tls().await, &socket_request(ID)).await;
    events.read_until(|text| numbers_in(text).len() >= 2).await;
    let cut = head(
        "POST",
        &format!("/compare/{ID}/cut"),
        &["Content-Length: 0"],
    );
    Raw::open(tls().await, &cut).await;
    events.read_to_end().await;
    socket.read_to_end().await;
    let asking = head("GET", &format!("/compare/{ID}/numbers"), &[]);
    let numbers = loop {
        let answer = client::ask(tls().await, &asking).await;
        let numbers: Value = serde_json::from_str(&answer.text().await).expect("JSON");
        if both_closed(&numbers) {
            break numbers;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for (name, raw) in [("event_source", &events), ("web_socket", &socket)] {
        let counted = &numbers[name];
        let body = number(&counted["message_bytes"]) + number(&counted["other_bytes"]);
        assert_eq!(body, raw.body.len(), "{name}");
        assert_eq!(
            number(&counted["response_bytes"]),
            raw.head.len(),
            "{}",
            raw.head
        );
    }
}

async fn http2(server: &TestServer) -> SendRequest<Bytes> {
    let (client, connection) = h2::client::handshake(tcp(server).await)
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    client.ready().await.expect("a ready connection")
}

#[tokio::test]
async fn on_http_2_the_frames_of_an_event_stream_are_counted_and_its_heads_are_not() {
    let server = TestServer::start(&QUIET).await;
    let mut client = http2(&server).await;
    let request = Request::get(format!("https://localhost/compare/{ID}/events"))
        .body(())
        .expect("a request");
    let (response, _) = client.send_request(request, true).expect("it is taken");
    let mut body = response.await.expect("an answer").into_body();
    let (mut bytes, mut frames, mut text) = (0, 0, String::new());
    while numbers_in(&text).len() < 2 {
        let data = timeout(PATIENCE, body.data()).await.expect("in time");
        let data = data.expect("an open stream").expect("a whole frame");
        (bytes, frames) = (bytes + data.len(), frames + 1);
        text += std::str::from_utf8(&data).expect("UTF-8");
    }
    let held = Instant::now();
    post(&server, ID, "hold").await;
    let held_numbers = numbers(&server, ID).await;
    let counted = &held_numbers["event_source"];
    assert_eq!(counted["http"], "HTTP/2");
    assert_eq!(
        (&counted["request_bytes"], &counted["response_bytes"]),
        (&Value::Null, &Value::Null)
    );
    let body_bytes = number(&counted["message_bytes"]) + number(&counted["other_bytes"]);
    assert_eq!(body_bytes, bytes + 9 * frames);
    // While it is held nothing comes; then everything does, in one frame.
    let data = timeout(PATIENCE, body.data()).await.expect("in time");
    let data = data.expect("an open stream").expect("a whole frame");
    assert!(
        held.elapsed() > Duration::from_millis(4_500),
        "{:?}",
        held.elapsed()
    );
    let text = std::str::from_utf8(&data).expect("UTF-8");
    assert!(numbers_in(text).len() >= 4, "{text}");
    post(&server, ID, "cut").await;
    while let Some(data) = timeout(PATIENCE, body.data()).await.expect("in time") {
        data.expect("a whole frame");
    }
}

#[tokio::test]
async fn a_cut_ends_both_and_the_event_stream_resumes_without_missing_one() {
    let server = TestServer::start(&QUIET).await;
    let mut events = events(&server, ID).await;
    let mut socket = socket(&server, ID).await;
    events.read_until(|text| !numbers_in(text).is_empty()).await;
    let published = post(&server, ID, "cut").await["published"].clone();
    events.read_to_end().await;
    socket.read_to_end().await;
    let seen = events.numbers();
    assert_eq!(seen.last().copied(), published.as_u64(), "{seen:?}");
    assert!(events.text().ends_with("0\r\n\r\n"), "a proper end");
    // Events go on while nothing is connected.
    until(&server, ID, |numbers| {
        numbers["published"].as_u64() >= published.as_u64().map(|number| number + 2)
    })
    .await;
    let last = regex::Regex::new(r"(?m)^id: (\S+)$").expect("a pattern");
    let text = events.text();
    let last = last.captures_iter(&text).last().expect("an id")[1].to_owned();
    let header = format!("Last-Event-ID: {last}");
    let mut again = Raw::open(tcp(&server).await, &events_request(ID, &[&header])).await;
    again.read_until(|text| numbers_in(text).len() >= 3).await;
    let next = seen.last().expect("a number") + 1;
    let numbers = again.numbers();
    assert_eq!(
        numbers,
        (next..next + numbers.len() as u64).collect::<Vec<_>>()
    );
    let counted = self::numbers(&server, ID).await;
    assert_eq!(counted["event_source"]["opened"], 2);
    assert_eq!(counted["web_socket"]["opened"], 1);
    let request = counted["event_source"]["request"].as_str().expect("lines");
    assert!(
        request.contains(&format!("last-event-id: {last}")),
        "{request}"
    );
}

#[tokio::test]
async fn a_held_comparison_sends_nothing_and_then_everything() {
    let server = TestServer::start(&QUIET).await;
    let mut events = events(&server, ID).await;
    let mut socket = socket(&server, ID).await;
    events.read_until(|text| !numbers_in(text).is_empty()).await;
    socket.read_until(|text| !numbers_in(text).is_empty()).await;
    let began = Instant::now();
    post(&server, ID, "hold").await;
    let before = [events.numbers().len(), socket.numbers().len()];
    events
        .read_until(|text| numbers_in(text).len() > before[0])
        .await;
    assert!(
        began.elapsed() > Duration::from_millis(4_500),
        "{:?}",
        began.elapsed()
    );
    assert!(
        began.elapsed() < Duration::from_millis(6_500),
        "{:?}",
        began.elapsed()
    );
    socket
        .read_until(|text| numbers_in(text).len() > before[1])
        .await;
    for numbers in [events.numbers(), socket.numbers()] {
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{numbers:?}"
        );
    }
    let counted = numbers(&server, ID).await;
    assert_eq!(counted["event_source"]["open"], 1);
    assert_eq!(counted["web_socket"]["open"], 1);
}

#[tokio::test]
async fn a_refused_event_stream_gets_204_once_and_the_web_socket_goes_on() {
    let server = TestServer::start(&QUIET).await;
    let mut events = events(&server, ID).await;
    let mut socket = socket(&server, ID).await;
    post(&server, ID, "refuse").await;
    events.read_to_end().await;
    let target = format!("/compare/{ID}/events");
    assert_eq!(client::get(server.address, &target).await.status, 204);
    assert_eq!(numbers(&server, ID).await["event_source"]["status"], 204);
    let seen = socket.numbers().len();
    socket
        .read_until(|text| numbers_in(text).len() > seen + 1)
        .await;
    assert_eq!(client::get(server.address, &target).await.status, 200);
}

#[tokio::test]
async fn a_page_sends_by_post_what_it_sends_over_the_web_socket() {
    let server = TestServer::start(&QUIET).await;
    let _events = events(&server, ID).await;
    let target = format!("/compare/{ID}/send");
    let headers = ["Content-Length: 5"];
    let request = head("POST", &target, &headers) + "hello";
    let answer = client::ask(tcp(&server).await, &request).await;
    assert_eq!(answer.status, 200);
    let answer: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    assert_eq!(number(&answer["bytes"]), 5);
    assert_eq!(number(&answer["request_bytes"]), request.len());
    for large in [
        &["Content-Length: 1025"][..],
        &["Transfer-Encoding: chunked"],
    ] {
        let body = if large[0].contains("Length") {
            "x".repeat(1_025)
        } else {
            format!("401\r\n{}\r\n0\r\n\r\n", "x".repeat(1_025))
        };
        let request = head("POST", &target, large) + &body;
        let answer = client::ask(tcp(&server).await, &request).await;
        assert_eq!(answer.status, 413, "{large:?}");
    }
    let mut socket = socket(&server, ID).await;
    let large = [&[0x81, 0x80 | 126, 4, 1, 0, 0, 0, 0], &[b'x'; 1_025][..]].concat();
    socket.socket.write_all(&large).await.expect("it is taken");
    socket.read_to_end().await;
    assert!(
        socket.text().contains("larger than what this client may"),
        "{}",
        socket.text()
    );
}

#[tokio::test]
async fn two_comparisons_do_not_touch_each_other() {
    let server = TestServer::start(&QUIET).await;
    let mut first = events(&server, ID).await;
    let mut second = events(&server, OTHER_ID).await;
    let mut socket = socket(&server, OTHER_ID).await;
    post(&server, ID, "burst").await;
    first
        .read_until(|text| numbers_in(text).len() >= 1_000)
        .await;
    post(&server, ID, "cut").await;
    first.read_to_end().await;
    second.read_until(|text| numbers_in(text).len() >= 2).await;
    socket.read_until(|text| numbers_in(text).len() >= 2).await;
    let numbers = second.numbers();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let counted = self::numbers(&server, OTHER_ID).await;
    assert!(number(&counted["published"]) < 100, "{counted}");
    assert_eq!(counted["event_source"]["open"], 1);
}

#[tokio::test]
async fn the_topics_of_comparisons_are_in_no_list_and_no_ordinary_topic() {
    let server = TestServer::start(&QUIET).await;
    let mut events = events(&server, ID).await;
    let mut all = client::events(server.address, "/topics?match=*", &[]).await;
    let topic = format!("/topics/compare/{ID}");
    // The topic of this name among the others is another one.
    let published = client::send_body(server.address, "POST", &topic, &[], b"from outside").await;
    assert_eq!(published.status, 200);
    assert_eq!(all.next().await.event_type, "topic");
    assert_eq!(all.next().await.data, "from outside");
    assert_eq!(
        client::send(server.address, "DELETE", &topic, &[])
            .await
            .status,
        204
    );
    events.read_until(|text| numbers_in(text).len() >= 2).await;
    assert!(!events.text().contains("from outside"), "{}", events.text());
    assert!(!events.text().contains("event: end"), "{}", events.text());
    let list = client::send(
        server.address,
        "GET",
        "/topics",
        &["Accept: application/json"],
    )
    .await;
    let list = list.text().await;
    assert_eq!(
        list.matches("compare/").count(),
        2,
        "its name and its URL, of the ordinary one: {list}"
    );
    let json = client::send(server.address, "GET", &topic, &["Accept: application/json"]).await;
    assert!(numbers_in(&json.text().await).is_empty());
}

#[tokio::test]
async fn wrong_requests_are_refused_and_say_what_is_right() {
    let server = TestServer::start(&QUIET).await;
    let _events = events(&server, ID).await;
    let cases: [(&str, String, &[&str], u16); 9] = [
        ("GET", "/compare/short/events".to_owned(), &[], 404),
        ("GET", format!("/compare/{ID}/nothing"), &[], 404),
        ("GET", format!("/compare/{ID}"), &[], 404),
        (
            "POST",
            format!("/compare/{ID}/events"),
            &["Content-Length: 0"],
            405,
        ),
        ("GET", format!("/compare/{ID}/cut"), &[], 405),
        ("GET", format!("/compare/{ID}/events?last=3"), &[], 400),
        ("GET", format!("/compare/{ID}/socket"), &[], 400),
        ("GET", format!("/compare/{OTHER_ID}/numbers"), &[], 404),
        (
            "POST",
            format!("/compare/{ID}/cut"),
            &["Content-Length: 0", "Origin: https://other.test"],
            403,
        ),
    ];
    for (method, target, headers, status) in cases {
        let answer = client::send(server.address, method, &target, headers).await;
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{target}"
        );
    }
    assert_eq!(numbers(&server, ID).await["event_source"]["opened"], 1);
}

#[tokio::test]
async fn one_address_may_have_eight_comparisons() {
    let server = TestServer::start(&QUIET).await;
    let mut open = Vec::new();
    for number in 0..8 {
        open.push(events(&server, &format!("{number}-comparison-of-a-test")).await);
    }
    for what in ["events", "numbers"] {
        let target = format!("/compare/{ID}/{what}");
        let refused = client::get(server.address, &target).await;
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("retry-after"), Some("30"));
        let problem: Value = serde_json::from_str(&refused.text().await).expect("JSON");
        assert_eq!(problem["code"], "too-many-comparisons");
    }
    // A second connection of one of them needs no place.
    socket(&server, "0-comparison-of-a-test").await;
}

#[tokio::test]
async fn a_comparison_counts_for_the_limits_of_streams() {
    let server = TestServer::start(&[&QUIET[..], &["--max-streams=1"]].concat()).await;
    let _events = events(&server, ID).await;
    let refused = Raw::open(tcp(&server).await, &socket_request(ID)).await;
    assert!(
        refused.head.starts_with("HTTP/1.1 503 "),
        "{}",
        refused.head
    );
}

#[tokio::test]
async fn the_page_names_its_own_comparison_and_can_be_switched_off() {
    let server = TestServer::start(&QUIET).await;
    let id = regex::Regex::new(r"/compare/([A-Za-z0-9_-]{22})/events").expect("a pattern");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let page = client::send(server.address, "GET", "/compare", &["Accept: text/html"]).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let page = page.text().await;
        ids.push(id.captures(&page).expect("an id")[1].to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    events(&server, &ids[0]).await;
    let home = client::send(server.address, "GET", "/", &["Accept: text/html"]).await;
    assert!(home.text().await.contains("href=\"/compare\""));

    let without = TestServer::start(&[&QUIET[..], &["--compare=off"]].concat()).await;
    for target in ["/compare".to_owned(), format!("/compare/{ID}/events")] {
        assert_eq!(client::get(without.address, &target).await.status, 404);
    }
    let home = client::send(without.address, "GET", "/", &["Accept: text/html"]).await;
    assert!(!home.text().await.contains("href=\"/compare\""));
}
