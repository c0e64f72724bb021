//! A topic over WebSocket, read and written by an independent client.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::client::{self, PATIENCE};
use crate::support::{QUIET, TestServer};

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn open(server: &TestServer, target: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{}{target}", server.address))
            .await
            .expect("a WebSocket");
        Self(socket)
    }

    async fn next(&mut self) -> Message {
        timeout(PATIENCE, self.0.next())
            .await
            .expect("in time")
            .expect("another frame")
            .expect("a whole frame")
    }

    async fn json(&mut self) -> Value {
        loop {
            match self.next().await {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) => {}
                other => panic!("expected text, got {other:?}"),
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.next().await {
                return frame.expect("a reason").code.into();
            }
        }
    }

    async fn send(&mut self, text: &str) {
        self.0
            .send(Message::text(text))
            .await
            .expect("the frame is taken");
    }
}

#[tokio::test]
async fn the_same_events_come_as_json_and_can_be_resumed() {
    let server = TestServer::start(&QUIET).await;
    let mut socket = Socket::open(&server, "/topics/a").await;
    let start = socket.json().await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    client::send_body(server.address, "POST", "/topics/a?type=news", &[], b"one").await;
    let event = socket.json().await;
    assert_eq!(
        (&event["topic"], &event["type"], &event["data"]),
        (&json!("a"), &json!("news"), &json!("one"))
    );
    let mut again = Socket::open(
        &server,
        &format!("/topics/a?last_event_id={}", start.replace('#', "%23")),
    )
    .await;
    again.json().await;
    assert_eq!(again.json().await, event);
    let mut lost = Socket::open(&server, "/topics/a?last_event_id=nowhere").await;
    assert_eq!(lost.json().await["gap"]["requested"], "nowhere");
    assert_eq!(lost.json().await, event);
}

#[tokio::test]
async fn a_client_publishes_on_the_same_connection_under_the_rules_of_post() {
    let server = TestServer::start(&QUIET).await;
    let mut socket = Socket::open(&server, "/topics/a").await;
    socket.json().await;
    socket.send("{\"data\":\"hi\",\"type\":\"chat\"}").await;
    let (mut published, mut event) = (socket.json().await, socket.json().await);
    if published["published"].is_null() {
        std::mem::swap(&mut published, &mut event);
    }
    assert_eq!(published["published"]["id"], event["id"]);
    assert_eq!(
        (&event["data"], &event["type"]),
        (&json!("hi"), &json!("chat"))
    );
    for (frame, expected) in [
        ("nonsense", "write {"),
        ("{\"data\":\"x\",\"type\":\"end\"}", "server alone"),
    ] {
        socket.send(frame).await;
        let detail = socket.json().await["problem"]["detail"]
            .as_str()
            .expect("a detail")
            .to_owned();
        assert!(detail.contains(expected), "{detail}");
    }
    let mut clock = Socket::open(&server, "/topics/clock").await;
    clock.json().await;
    clock.send("{\"data\":\"cuckoo\"}").await;
    assert_eq!(clock.json().await["problem"]["status"], 403);
}

#[tokio::test]
async fn close_codes_say_why() {
    let server = TestServer::start(&QUIET).await;
    let mut ended = Socket::open(&server, "/topics/a").await;
    ended.json().await;
    client::send(server.address, "DELETE", "/topics/a", &[]).await;
    assert_eq!(ended.json().await["type"], "end");
    assert_eq!(ended.close_code().await, 1000);
    let mut later = Socket::open(&server, "/topics/a").await;
    assert_eq!(later.close_code().await, 1000);
    let mut binary = Socket::open(&server, "/topics/b").await;
    binary.json().await;
    binary
        .0
        .send(Message::binary(vec![1]))
        .await
        .expect("taken");
    assert_eq!(binary.close_code().await, 1003);
    let mut open = Socket::open(&server, "/topics/b").await;
    open.json().await;
    let stopping = tokio::spawn(server.stop());
    assert_eq!(open.close_code().await, 1001);
    // The client answers the close by reading on; the server does not wait for it for ever.
    drop(open);
    stopping.await.expect("a clean stop");
}

#[tokio::test]
async fn a_silent_connection_is_pinged_and_one_that_does_not_answer_is_closed() {
    let server = TestServer::start(&["--clock-interval", "1h", "--heartbeat", "100ms"]).await;
    let mut answers = Socket::open(&server, "/topics/a").await;
    let mut silent = Socket::open(&server, "/topics/a").await;
    answers.json().await;
    // Reading is what answers pings, so this one is not read until the other has been pinged several times.
    for _ in 0..5 {
        assert!(matches!(answers.next().await, Message::Ping(_)));
    }
    assert_eq!(silent.close_code().await, 1008);
    assert_eq!(
        server
            .hub
            .subscribers(&fairwind::hub::topic::Topic::new("a").expect("a topic")),
        1
    );
}

#[tokio::test]
async fn consumers_are_counted_and_told_who_asks() {
    let server = TestServer::start(&QUIET).await;
    let mut socket = Socket::open(&server, "/topics/a?consumers=event").await;
    socket.json().await;
    assert_eq!(socket.json().await["consumers"], 1);
    let other = Socket::open(&server, "/topics/a").await;
    assert_eq!(socket.json().await["consumers"], 2);
    drop(other);
    assert_eq!(socket.json().await["consumers"], 1);
}

#[tokio::test]
async fn a_wrong_query_is_refused_before_the_upgrade() {
    let server = TestServer::start(&QUIET).await;
    let refused = connect_async(format!("ws://{}/topics/a?last=x", server.address)).await;
    match refused {
        Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 400),
        other => panic!("expected an answer, got {other:?}"),
    }
}

fn topic(name: &str) -> fairwind::hub::topic::Topic {
    fairwind::hub::topic::Topic::new(name).expect("a topic")
}

#[tokio::test]
async fn a_websocket_counts_as_a_connection_for_as_long_as_it_is_open() {
    let flags = ["--clock-interval=1h", "--max-connections-per-address=1"];
    let server = TestServer::start(&flags).await;
    let mut socket = Socket::open(&server, "/topics/a").await;
    socket.json().await;
    let refused = connect_async(format!("ws://{}/topics/a", server.address)).await;
    assert!(refused.is_err(), "one connection is all");
    drop(socket);
    server
        .until(|server| server.hub.subscribers(&topic("a")) == 0)
        .await;
    let again = async {
        while connect_async(format!("ws://{}/topics/a", server.address))
            .await
            .is_err()
        {}
    };
    timeout(PATIENCE, again).await.expect("a free place");
}

#[tokio::test]
async fn a_frame_may_say_all_that_a_line_of_json_may() {
    let server = TestServer::start(&QUIET).await;
    let mut socket = Socket::open(&server, "/topics/a").await;
    socket.json().await;
    let frame = r#"{"data":{"b":12345678901234567890123,"a":1E2},"id":"own","keep":false}"#;
    socket.send(frame).await;
    let (mut published, mut event) = (socket.json().await, socket.json().await);
    if published["published"].is_null() {
        std::mem::swap(&mut published, &mut event);
    }
    assert_eq!(event["data"], r#"{"b":12345678901234567890123,"a":1E2}"#);
    assert_eq!(published["published"]["id"], "own");
    let later = client::events(server.address, "/topics/a?last_event_id=earliest", &[]);
    let mut later = later.await;
    client::send_body(server.address, "POST", "/topics/a", &[], b"kept").await;
    assert_eq!(later.next().await.data, "kept");
    socket.send(r#"{"data":"x","private":true}"#).await;
    let refused = loop {
        let frame = socket.json().await;
        if !frame["problem"].is_null() {
            break frame;
        }
    };
    assert_eq!(refused["problem"]["status"], 400, "there is no key");
}

#[tokio::test]
async fn a_client_that_may_not_publish_sends_little_and_every_frame_counts_for_its_rate() {
    let flags = [
        "--clock-interval=1h",
        "--anonymous-publish=off",
        "--publish-rate=3/h",
    ];
    let server = TestServer::start(&flags).await;
    let mut socket = Socket::open(&server, "/topics/a").await;
    socket.json().await;
    for status in [403, 403, 403, 429] {
        socket.send("nonsense").await;
        assert_eq!(socket.json().await["problem"]["status"], status);
    }
    socket.send(&"x".repeat(5_000)).await;
    assert_eq!(socket.close_code().await, 1009);
}

#[tokio::test]
async fn a_frame_that_does_not_come_to_its_end_is_not_waited_for() {
    let flags = ["--clock-interval=1h", "--request-timeout=300ms"];
    let server = TestServer::start(&flags).await;
    let mut socket = Socket::open(&server, "/topics/a").await;
    socket.json().await;
    // The head of a masked text frame of 100 bytes, and the first of them.
    let MaybeTlsStream::Plain(plain) = socket.0.get_mut() else {
        panic!("plain");
    };
    let begun = [0x81, 0x80 | 100, 1, 2, 3, 4, b'x'];
    tokio::io::AsyncWriteExt::write_all(plain, &begun)
        .await
        .expect("it is taken");
    assert_eq!(socket.close_code().await, 1008);
}

#[tokio::test]
async fn a_message_may_come_in_fragments_with_a_ping_between_them() {
    let server = TestServer::start(&QUIET).await;
    let mut socket = Socket::open(&server, "/topics/a").await;
    socket.json().await;
    let fragment = |text: &str, kind, is_final| {
        Message::Frame(Frame::message(
            text.to_owned(),
            OpCode::Data(kind),
            is_final,
        ))
    };
    for message in [
        fragment("{\"data\":", Data::Text, false),
        Message::Ping("still here".into()),
        fragment("\"in ", Data::Continue, false),
        fragment("parts\"}", Data::Continue, true),
    ] {
        socket.0.send(message).await.expect("it is taken");
    }
    assert_eq!(socket.next().await, Message::Pong("still here".into()));
    let (first, second) = (socket.json().await, socket.json().await);
    let event = if first["data"].is_null() {
        second
    } else {
        first
    };
    assert_eq!(event["data"], "in parts");
}

#[tokio::test]
async fn frames_that_are_sent_at_once_are_published_in_their_order() {
    let server = TestServer::start(&QUIET).await;
    let mut socket = Socket::open(&server, "/topics/a").await;
    socket.json().await;
    for number in 0..100 {
        let frame = Message::text(format!("{{\"data\":\"{number}\"}}"));
        socket.0.feed(frame).await.expect("it is taken");
    }
    socket.0.flush().await.expect("all are taken");
    let (mut published, mut events) = (Vec::new(), Vec::new());
    while published.len() + events.len() < 200 {
        let frame = socket.json().await;
        match frame["data"].as_str() {
            Some(data) => events.push((data.to_owned(), frame["id"].clone())),
            None => published.push(frame["published"]["id"].clone()),
        }
    }
    let (data, ids): (Vec<_>, Vec<_>) = events.into_iter().unzip();
    let expected: Vec<_> = (0..100).map(|number: i32| number.to_string()).collect();
    assert_eq!(data, expected);
    assert_eq!(ids, published);
}

#[tokio::test]
async fn frames_that_break_the_protocol_close_the_connection_with_its_code() {
    let server = TestServer::start(&QUIET).await;
    let masked = |first: u8, payload: &[u8]| {
        let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        frame
    };
    for (frame, code) in [
        // Not masked.
        (vec![0x81, 1, b'x'], 1002),
        // An extension that nothing has agreed on.
        (masked(0xc1, b"x"), 1002),
        // The rest of a message that has not begun.
        (masked(0x80, b"x"), 1002),
        // A ping in parts.
        (masked(0x09, b"x"), 1002),
        // A type of frame that there is not.
        (masked(0x83, b"x"), 1002),
        // A text that is none.
        (masked(0x81, &[0xff]), 1007),
        // A close, whose code is sent back.
        (masked(0x88, &4_000_u16.to_be_bytes()), 4_000),
        // A close with a code that is never sent.
        (masked(0x88, &1_005_u16.to_be_bytes()), 1002),
    ] {
        let mut socket = Socket::open(&server, "/topics/a").await;
        socket.json().await;
        let MaybeTlsStream::Plain(plain) = socket.0.get_mut() else {
            panic!("plain");
        };
        tokio::io::AsyncWriteExt::write_all(plain, &frame)
            .await
            .expect("it is taken");
        assert_eq!(socket.close_code().await, code, "{frame:?}");
    }
}

#[tokio::test]
async fn who_is_there_comes_in_frames_of_its_own() {
    let server = TestServer::start(&QUIET).await;
    let mut socket = Socket::open(&server, "/topics/a?name=Ada&presence=event").await;
    assert!(socket.json().await["id"].is_string());
    assert_eq!(
        socket.json().await,
        json!({"presence": {"present": ["Ada"]}})
    );
    let _bob = Socket::open(&server, "/topics/a?name=Bob").await;
    assert_eq!(
        socket.json().await,
        json!({"presence": {"joined": ["Bob"]}})
    );
}
