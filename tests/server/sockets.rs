//! What a client may do with the connection of a stream on plain HTTP/1.1, and what it sees of the connection: requests
//! before the stream and behind it, heads in pieces, ends of either side.

use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fairwind::hub::publish::{Preconditions, PublishRequest};
use fairwind::hub::topic::Topic;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{self, Answer, PATIENCE};
use crate::metrics::number;
use crate::support::{QUIET, TestServer};

const STREAM: &str = "GET /topics/a HTTP/1.1\r\nHost: fairwind.test\r\n\r\n";
const SNAPSHOT: &str =
    "GET /topics/a HTTP/1.1\r\nHost: fairwind.test\r\nAccept: application/json\r\n\r\n";

async fn server() -> TestServer {
    TestServer::start(&QUIET).await
}

async fn connect(server: &TestServer) -> TcpStream {
    let socket = TcpStream::connect(server.address).await;
    let socket = socket.expect("a connection");
    socket.set_nodelay(true).expect("an open socket");
    socket
}

fn topic() -> Topic {
    Topic::new("a").expect("a topic")
}

fn publish(server: &TestServer, data: impl Into<String>) {
    let event = PublishRequest::text(data);
    server
        .hub
        .publish(&topic(), event, Preconditions::default())
        .now_or_never()
        .expect("a log in memory commits at once")
        .expect("published");
}

async fn until_consumers_are(server: &TestServer, count: usize) {
    server
        .until(|server| server.hub.subscribers(&topic()) == count)
        .await;
}

/// Waits until a reader that has gone is not counted. At the latest, what is written next shows that it has.
async fn until_forgotten(server: &TestServer) {
    let is_forgotten = |server: &TestServer| {
        publish(server, "is it there?");
        server.hub.subscribers(&topic()) == 0
    };
    server.until(is_forgotten).await;
}

/// Reads a stream until the text is there.
async fn read_until(stream: &mut Answer, wanted: &str) {
    let reading = async {
        let mut text = String::new();
        while !text.contains(wanted) {
            let part = stream.part().await.expect("an unbroken connection");
            text += std::str::from_utf8(&part.expect("an open stream")).expect("UTF-8");
        }
    };
    timeout(PATIENCE, reading).await.expect("in time");
}

/// An event reaches the stream, which is the topic's only one.
async fn assert_works(server: &TestServer, stream: &mut Answer) {
    until_consumers_are(server, 1).await;
    publish(server, "it works");
    read_until(stream, "data: it works\n").await;
}

#[tokio::test]
async fn a_stream_may_follow_other_requests_on_the_same_connection() {
    let server = server().await;
    publish(&server, "kept");
    let first = client::ask(connect(&server).await, SNAPSHOT).await;
    assert_eq!(first.header("content-type"), Some("application/json"));
    let mut second = first.next_request(SNAPSHOT).await;
    assert_eq!(second.status, 200);
    while second.part().await.expect("a whole body").is_some() {}
    let mut stream = second.next_request(STREAM).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_works(&server, &mut stream).await;
}

#[tokio::test]
async fn a_stream_may_be_asked_for_before_the_answers_before_it_have_come() {
    let server = server().await;
    publish(&server, "kept");
    let pipelined = [SNAPSHOT, SNAPSHOT, STREAM].concat();
    let first = client::ask(connect(&server).await, &pipelined).await;
    assert_eq!(first.header("content-type"), Some("application/json"));
    let second = first.next_answer("GET").await;
    assert_eq!(second.header("content-type"), Some("application/json"));
    let mut stream = second.next_answer("GET").await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_works(&server, &mut stream).await;
}

#[tokio::test]
async fn a_stream_may_be_asked_for_with_a_body() {
    let server = server().await;
    let request = STREAM.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n") + "hello";
    let mut stream = client::ask(connect(&server).await, &request).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_works(&server, &mut stream).await;
}

#[tokio::test]
async fn what_a_client_sends_behind_its_request_does_not_break_the_stream() {
    let server = server().await;
    for behind in [SNAPSHOT, "\r\n\r\n", "nonsense", "\0\u{1}\u{2}"] {
        // With the request, and later.
        let request = [STREAM, behind].concat();
        let mut stream = client::ask(connect(&server).await, &request).await;
        assert_works(&server, &mut stream).await;
        stream
            .write(behind.as_bytes())
            .await
            .expect("an open socket");
        assert_works(&server, &mut stream).await;
        drop(stream);
        until_forgotten(&server).await;
    }
}

#[tokio::test]
async fn a_client_that_sends_without_end_holds_nobody_up_and_is_forgotten_when_it_goes() {
    let server = server().await;
    let mut stream = client::ask(connect(&server).await, STREAM).await;
    read_until(&mut stream, "\nid: ").await;
    let flood = tokio::spawn(async move {
        let piece = vec![b'x'; 64 * 1_024];
        // The server may take it all, none of it, or close the connection.
        for _ in 0..256 {
            if stream.write(&piece).await.is_err() {
                return;
            }
        }
    });
    for number in 0..50 {
        let mut other = client::events(server.address, "/topics/a", &[]).await;
        other.read_opening().await;
        publish(&server, number.to_string());
        assert_eq!(other.next().await.data, number.to_string());
        assert_eq!(client::get(server.address, "/healthz").await.status, 200);
    }
    flood.abort();
    until_forgotten(&server).await;
}

#[tokio::test]
async fn a_client_that_will_send_nothing_more_counts_as_gone() {
    let server = server().await;
    let mut stream = client::ask(connect(&server).await, STREAM).await;
    read_until(&mut stream, "\nid: ").await;
    until_consumers_are(&server, 1).await;
    stream.half_close().await;
    until_consumers_are(&server, 0).await;
    // The connection ends, properly or not.
    while let Ok(Some(_)) = timeout(PATIENCE, stream.part()).await.expect("an end") {}
}

#[tokio::test]
async fn a_request_may_come_byte_by_byte() {
    let server = server().await;
    let mut socket = connect(&server).await;
    for byte in STREAM.bytes() {
        socket.write_all(&[byte]).await.expect("an open socket");
        // A packet of its own, and time to look at it.
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    let mut stream = client::ask(socket, "").await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    assert_works(&server, &mut stream).await;
}

fn headers_of(answer: &Answer) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<_, _> = answer.headers.clone().into_iter().collect();
    assert!(headers.remove("date").is_some(), "when it was sent");
    headers
}

#[tokio::test]
async fn the_streams_headers_are_these_and_no_others() {
    let server = server().await;
    let stream = client::ask(connect(&server).await, STREAM).await;
    let expected = [
        ("access-control-allow-origin", "*"),
        ("cache-control", "no-store, no-transform"),
        ("connection", "close"),
        ("content-type", "text/event-stream"),
        ("transfer-encoding", "chunked"),
        ("vary", "accept"),
        ("x-accel-buffering", "no"),
        ("x-content-type-options", "nosniff"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(headers_of(&stream), BTreeMap::from(expected));
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let server = server().await;
    let stream = client::ask(connect(&server).await, STREAM).await;
    let head = client::ask(connect(&server).await, &STREAM.replace("GET", "HEAD")).await;
    let mut expected = headers_of(&stream);
    // How a body is cut into pieces need not be said where there is none, and the connection goes on.
    expected.remove("transfer-encoding");
    expected.remove("connection");
    assert_eq!((head.status, headers_of(&head)), (200, expected));
    // The next answer begins where the head's ends.
    let next = head.next_request(SNAPSHOT).await;
    assert_eq!(next.header("content-type"), Some("application/json"));
    until_consumers_are(&server, 1).await;
}

#[tokio::test]
async fn a_connection_that_is_to_be_closed_is_closed_after_its_stream() {
    let server = server().await;
    let request = STREAM.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
    let mut stream = client::ask(connect(&server).await, &request).await;
    assert_eq!(stream.header("connection"), Some("close"));
    assert_eq!(stream.header("transfer-encoding"), Some("chunked"));
    assert_works(&server, &mut stream).await;
    server.hub.end(&topic()).await.expect("ended");
    read_until(&mut stream, "event: end\ndata: a\n").await;
    timeout(PATIENCE, stream.read_to_close())
        .await
        .expect("an end");
}

#[tokio::test]
async fn a_stream_on_http_1_0_says_that_the_connection_ends_with_it() {
    let server = server().await;
    let request = STREAM.replace("HTTP/1.1", "HTTP/1.0");
    let mut stream = client::ask(connect(&server).await, &request).await;
    assert_eq!(stream.header("transfer-encoding"), None);
    assert_eq!(stream.header("content-length"), None);
    assert_ne!(stream.header("connection"), Some("keep-alive"));
    assert_works(&server, &mut stream).await;
    server.streams.close_all();
    timeout(PATIENCE, stream.read_to_close())
        .await
        .expect("an end");
}

#[tokio::test]
async fn a_large_event_arrives_whole_through_little_room_and_others_do_not_wait() {
    let server = server().await;
    let mut narrow = client::events_with_little_room(server.address, "/topics/a").await;
    let mut wide = client::events(server.address, "/topics/a", &[]).await;
    narrow.read_opening().await;
    wide.read_opening().await;
    let large: String = (0..1 << 20)
        .map(|number: u32| char::from(b'a' + (number % 251 % 26) as u8))
        .collect();
    publish(&server, large.clone());
    publish(&server, "small");
    for events in [&mut wide, &mut narrow] {
        assert!(events.next().await.data == large);
        assert_eq!(events.next().await.data, "small");
    }
}

#[tokio::test]
async fn readers_that_reset_their_connections_are_forgotten() {
    let server = server().await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(client::ask(connect(&server).await, STREAM).await);
    }
    until_consumers_are(&server, 20).await;
    // What has not been read makes the end a reset.
    publish(&server, "x".repeat(100_000));
    drop(streams);
    until_consumers_are(&server, 0).await;
    let mut stream = client::ask(connect(&server).await, STREAM).await;
    assert_works(&server, &mut stream).await;
}

#[tokio::test]
async fn a_server_stops_in_time_though_readers_take_nothing() {
    let server = server().await;
    let mut readers = Vec::new();
    for _ in 0..3 {
        let mut events = client::events_with_little_room(server.address, "/topics/a").await;
        events.read_opening().await;
        readers.push(events);
    }
    for _ in 0..24 {
        publish(&server, "x".repeat(256 * 1_024));
    }
    let mut prompt = client::ask(connect(&server).await, STREAM).await;
    read_until(&mut prompt, "\nid: ").await;
    let started = Instant::now();
    let stopping = tokio::spawn(server.stop());
    while prompt.part().await.expect("a proper end").is_some() {}
    assert!(started.elapsed() < Duration::from_secs(1));
    stopping.await.expect("a clean stop");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn after_the_stop_every_connection_is_closed() {
    let server = server().await;
    let mut idle = connect(&server).await;
    let mut stream = client::ask(connect(&server).await, STREAM).await;
    read_until(&mut stream, "\nid: ").await;
    server.stop().await;
    timeout(PATIENCE, stream.read_to_close())
        .await
        .expect("an end");
    let mut rest = Vec::new();
    // A reset is as much an end as any.
    let _ = timeout(PATIENCE, idle.read_to_end(&mut rest))
        .await
        .expect("an end");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_streams_connection_is_counted_until_its_end() {
    let server = server().await;
    // The connection of the question is not meant.
    let connections = async || number(&server, "fairwind_connections").await - 1.0;
    let until_there_are = async |count| {
        let waiting = async { while connections().await != count {} };
        timeout(PATIENCE, waiting)
            .await
            .expect("so many connections");
    };
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = client::ask(connect(&server).await, STREAM).await;
        read_until(&mut stream, "\nid: ").await;
        streams.push(stream);
    }
    until_there_are(5.0).await;
    drop(streams.split_off(3));
    until_there_are(3.0).await;
    publish(&server, "still there");
    for stream in &mut streams {
        read_until(stream, "data: still there\n").await;
    }
    assert_eq!(connections().await, 3.0);
    drop(streams);
    until_there_are(0.0).await;
}

/// Sends a request, says that nothing more will be sent, and reads everything that comes.
async fn half_closed(address: std::net::SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    socket
        .write_all(request.as_bytes())
        .await
        .expect("it is taken");
    socket.shutdown().await.expect("an open connection");
    let mut answer = String::new();
    let reading = tokio::io::AsyncReadExt::read_to_string(&mut socket, &mut answer);
    tokio::time::timeout(crate::client::PATIENCE, reading)
        .await
        .expect("an end")
        .expect("an answer");
    answer
}

#[tokio::test]
async fn a_client_that_sends_no_more_gets_its_answer_as_a_whole() {
    let server = TestServer::start(&QUIET).await;
    for number in 0..20 {
        let body = format!("{number:02}{}", "x".repeat(50_000));
        let request = format!(
            "POST /topics/a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = half_closed(server.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let health = half_closed(server.address, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(health.ends_with("ok\n"), "{health}");
    let request = "GET /topics/a HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n";
    let snapshot = half_closed(server.address, request).await;
    assert!(snapshot.contains("\"19xxx") && snapshot.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_not_waited_for() {
    let server = TestServer::start(&QUIET).await;
    let request = "PUT /topics/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
    half_closed(server.address, request).await;
    assert_eq!(server.hub.totals().topics, 2, "what had come is published");
}
