//! Clients that want too much, or do nothing: each is bounded, and everybody else is served.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{self, PATIENCE, Upload};
use crate::support::{QUIET, TestServer};

async fn server(flags: &[&str]) -> TestServer {
    TestServer::start(&[&QUIET, flags].concat()).await
}

/// A connection on which this much of a request has been sent.
async fn half_open(server: &TestServer, beginning: &str) -> TcpStream {
    let mut socket = TcpStream::connect(server.address)
        .await
        .expect("a connection");
    socket
        .write_all(beginning.as_bytes())
        .await
        .expect("it is taken");
    socket
}

/// Reads until the server closes the connection.
async fn read_until_closed(socket: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A reset is as much an end as any.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer))
        .await
        .expect("an end");
    answer
}

#[tokio::test]
async fn half_open_connections_are_closed_and_meanwhile_others_are_served() {
    let server = server(&["--request-timeout", "500ms"]).await;
    let mut sockets = Vec::new();
    for _ in 0..50 {
        for beginning in [
            "",
            "P",
            "PRI",
            "PRI * HTTP/2.0\r\n\r\nSM",
            "GET / HT",
            "GET / HTTP/1.1\r\nHost: a",
        ] {
            sockets.push(half_open(&server, beginning).await);
        }
    }
    assert_eq!(client::get(server.address, "/healthz").await.status, 200);
    let started = Instant::now();
    for socket in &mut sockets {
        read_until_closed(socket).await;
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_more_is_closed() {
    let server = server(&["--request-timeout", "300ms"]).await;
    let mut socket = half_open(&server, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let started = Instant::now();
    let answer = read_until_closed(&mut socket).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_preface_that_comes_in_pieces_is_still_a_preface() {
    let server = server(&[]).await;
    let mut socket = half_open(&server, "PRI * HT").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    // The rest, and an empty SETTINGS frame.
    let rest = [
        &b"TP/2.0\r\n\r\nSM\r\n\r\n"[..],
        &[0, 0, 0, 4, 0, 0, 0, 0, 0],
    ]
    .concat();
    socket.write_all(&rest).await.expect("it is taken");
    let mut frame = [0; 9];
    timeout(PATIENCE, socket.read_exact(&mut frame))
        .await
        .expect("in time")
        .expect("a frame");
    assert_eq!(frame[3], 4, "the server's own SETTINGS");
}

#[tokio::test]
async fn endless_headers_are_cut_off() {
    let server = server(&[]).await;
    let mut socket = half_open(&server, "GET /events HTTP/1.1\r\n").await;
    let line = format!("X-Filler: {}\r\n", "x".repeat(1_000));
    let mut sent = 0;
    // Far more than any buffer on the way takes.
    while sent < 64 << 20 && socket.write_all(line.as_bytes()).await.is_ok() {
        sent += line.len();
    }
    assert!(sent < 64 << 20, "the server took {sent} bytes of headers");
    assert_eq!(client::get(server.address, "/healthz").await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let server = server(&["--request-timeout", "300ms"]).await;
    let mut upload = Upload::start(server.address, "POST", "/topics/a", &[]).await;
    upload.send(b"x").await;
    let answer = upload.answer().await;
    assert_eq!(answer.status, 408);
    assert!(answer.text().await.contains("took too long"));
    assert_eq!(server.hub.totals().topics, 1, "nothing was published");
}

#[tokio::test]
async fn a_stream_of_events_may_pause_for_longer_than_a_request_may_take() {
    let server = server(&["--request-timeout", "200ms"]).await;
    let ndjson = "Content-Type: application/x-ndjson";
    let mut upload = Upload::start(server.address, "POST", "/topics/a", &[ndjson]).await;
    upload.send(b"{\"data\":\"1\"}\n").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    upload.send(b"{\"data\":\"2\"}\n").await;
    assert_eq!(upload.finish().await.status, 200);
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_no_more() {
    let server = server(&["--max-connections-per-address", "3"]).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut events = client::events(server.address, "/events", &[]).await;
        events.read_opening().await;
        open.push(events);
    }
    let mut refused = half_open(&server, "").await;
    assert!(read_until_closed(&mut refused).await.is_empty());
    open.pop();
    server.until(|server| server.consumers() == 2).await;
    // The place is free a moment after the stream has gone: until then the connection is closed without a word.
    let answered = async {
        loop {
            let mut socket = half_open(&server, "").await;
            let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            let is_sent = socket.write_all(request).await.is_ok();
            if is_sent
                && read_until_closed(&mut socket)
                    .await
                    .starts_with(b"HTTP/1.1 200")
            {
                return;
            }
        }
    };
    timeout(PATIENCE, answered).await.expect("a free place");
}

#[tokio::test]
async fn who_publishes_too_often_is_told_how_long_to_wait() {
    let server = server(&["--publish-rate", "2/h"]).await;
    let post = async || client::send_body(server.address, "POST", "/topics/a", &[], b"1").await;
    assert_eq!(post().await.status, 200);
    assert_eq!(post().await.status, 200);
    let answer = post().await;
    assert_eq!(answer.status, 429);
    let seconds: u64 = answer
        .header("retry-after")
        .expect("a time")
        .parse()
        .expect("seconds");
    assert!((1_700..=1_801).contains(&seconds), "{seconds}");
    assert_eq!(
        client::get(server.address, "/healthz").await.status,
        200,
        "reading is no publishing"
    );
}

#[tokio::test]
async fn who_opens_streams_too_often_is_told_to_come_back() {
    let server = server(&["--stream-rate", "1/h"]).await;
    let mut first = client::events(server.address, "/events", &[]).await;
    first.read_opening().await;
    // With 200: any other status would be the end for an EventSource.
    let mut second = client::events(server.address, "/events", &[]).await;
    second.read_to_end().await;
    assert!(second.parser.retry.is_some());
    assert_eq!(server.consumers(), 1);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_a_rate_of_its_own() {
    let server = server(&[
        "--publish-rate=1/h",
        "--trusted-proxy=127.0.0.1",
        "--anonymous-publish=on",
    ])
    .await;
    for (client, expected) in [("192.0.2.1", 200), ("192.0.2.2", 200), ("192.0.2.1", 429)] {
        let forwarded = format!("X-Forwarded-For: 198.51.100.9, {client}");
        let answer =
            client::send_body(server.address, "POST", "/topics/a", &[&forwarded], b"1").await;
        assert_eq!(answer.status, expected, "{client}");
    }
}

#[tokio::test]
async fn there_are_no_more_topics_than_allowed() {
    let server = TestServer::start(&["--clock-interval", "1h", "--max-topics", "3"]).await;
    for topic in ["a", "b"] {
        let target = format!("/topics/{topic}");
        let answer = client::send_body(server.address, "POST", &target, &[], b"1").await;
        assert_eq!(answer.status, 200);
    }
    let refused = client::send_body(server.address, "POST", "/topics/c", &[], b"1").await;
    assert_eq!(refused.status, 503);
    assert!(refused.text().await.contains("too many topics"));
    let again = client::send_body(server.address, "POST", "/topics/a", &[], b"2").await;
    assert_eq!(again.status, 200);
    // A reader of a topic without events takes no place of a publisher.
    let mut reader = client::events(server.address, "/topics/c", &[]).await;
    reader.read_opening().await;
}

#[tokio::test]
async fn readers_of_topics_without_events_leave_publishers_their_topics() {
    let flags = ["--clock-interval=1h", "--max-topics=5"];
    let server = TestServer::start(&flags).await;
    let mut readers = Vec::new();
    for first in 0..3 {
        let topics: Vec<_> = (0..100)
            .map(|number| format!("topic={first}-{number}"))
            .collect();
        let target = format!("/topics?{}", topics.join("&"));
        let mut events = client::events(server.address, &target, &[]).await;
        events.read_opening().await;
        readers.push(events);
    }
    let answer = client::send_body(server.address, "POST", "/topics/new", &[], b"1").await;
    assert_eq!(answer.status, 200);
    let mut events = client::events(server.address, "/topics/another", &[]).await;
    events.read_opening().await;
}

#[tokio::test]
async fn one_address_has_so_many_streams_and_subscriptions_and_no_more() {
    let server = server(&[
        "--max-streams-per-address=2",
        "--max-subscriptions-per-address=3",
        "--trusted-proxy=127.0.0.1",
    ])
    .await;
    let open = async |client: &str, target: &str| {
        let forwarded = format!("X-Forwarded-For: {client}");
        client::events(server.address, target, &[&forwarded]).await
    };
    let mut first = open("192.0.2.1", "/topics?topic=a&topic=b").await;
    first.read_opening().await;
    let mut many = open("192.0.2.1", "/topics?topic=a&topic=b").await;
    many.read_to_end().await;
    assert!(many.parser.retry.is_some(), "it is to come back");
    let mut second = open("192.0.2.1", "/topics/a").await;
    second.read_opening().await;
    open("192.0.2.1", "/topics/a").await.read_to_end().await;
    let mut other = open("192.0.2.2", "/topics/a").await;
    other.read_opening().await;
}

#[tokio::test]
async fn bodies_that_arrive_are_held_up_to_a_bound_and_answered_above_it() {
    let server = server(&["--max-held-bytes-per-address=100KiB"]).await;
    let mut waiting = Upload::start(server.address, "POST", "/topics/a", &[]).await;
    waiting.send(&vec![b'x'; 80 * 1_024]).await;
    server
        .until(|server| server.held_bytes() >= 80 * 1_024)
        .await;
    let refused = client::send_body(
        server.address,
        "POST",
        "/topics/a",
        &[],
        &vec![b'x'; 64 * 1_024],
    )
    .await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    let small = client::send_body(server.address, "POST", "/topics/a", &[], b"small").await;
    assert_eq!(small.status, 200, "small events always fit");
    assert_eq!(waiting.finish().await.status, 200);
    server.until(|server| server.held_bytes() == 0).await;
}

#[tokio::test]
async fn what_is_kept_stays_within_its_bound_whatever_is_published() {
    let flags = ["--clock-interval", "1h", "--history-bytes", "4MiB"];
    let server = TestServer::start(&flags).await;
    let body = vec![b'x'; 512 * 1_024];
    for number in 0..32 {
        let target = format!("/topics/{number}");
        let answer = client::send_body(server.address, "POST", &target, &[], &body).await;
        assert_eq!(answer.status, 200);
        assert!(server.hub.totals().bytes <= 4 << 20);
    }
    assert!(
        server.hub.totals().topics < 10,
        "topics without events are forgotten"
    );
}
