//! One address that takes all places there are.

use std::future::poll_fn;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::RecvStream;
use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::binary::Binary;
use crate::client::{ATTACKER, BYSTANDER, LiveReader, PATIENCE, ask, connect, publish, request};

/// As many streams as fit on one connection, and as many connections as would take all streams of the server.
const HTTP_2_CONNECTIONS: usize = 40;
const HTTP_2_STREAMS: usize = 252;

/// Another address opens a stream of a new topic, publishes to it, and gets the event.
async fn check_others(server: &Binary) {
    let (status, answer) = ask(BYSTANDER, server.address, "POST", "/topics/new", b"x").await;
    assert_eq!(status, 200, "{answer}");
    let mut reader = LiveReader::open(BYSTANDER, server.address, "/topics/another").await;
    publish(server.address, "another", b"there is room").await;
    assert_eq!(reader.data().await, "there is room");
}

/// Opens a stream of these topics, and waits for its answer.
async fn open(address: SocketAddr, topics: impl Iterator<Item = String>) -> TcpStream {
    let query: Vec<String> = topics.map(|topic| format!("topic={topic}")).collect();
    let target = format!("/topics?{}", query.join("&"));
    let mut socket = connect(ATTACKER, address).await;
    let request = request("GET", &target, &[], b"");
    socket.write_all(&request).await.expect("it is taken");
    let _ = timeout(PATIENCE, socket.readable()).await.expect("in time");
    socket
}

#[tokio::test]
async fn readers_of_topics_without_events_leave_publishers_room() {
    let server = Binary::start(&["--anonymous-publish=on"], &[]).await;
    let mut sockets = Vec::new();
    for stream in 0..99 {
        let topics = (0..100).map(|topic| format!("j{stream}-{topic}"));
        sockets.push(open(server.address, topics).await);
    }
    for stream in 0..99 {
        let topic = std::iter::once(format!("k{stream}"));
        sockets.push(open(server.address, topic).await);
    }
    check_others(&server).await;
}

#[tokio::test]
async fn one_address_cannot_take_all_streams_by_http_2() {
    // An attacker with time opens them as slowly as the rate allows.
    let flags = ["--anonymous-publish=on", "--stream-rate=off"];
    let server = Binary::start(&flags, &[]).await;
    let mut attackers = JoinSet::new();
    for _ in 0..HTTP_2_CONNECTIONS {
        attackers.spawn(take_streams(server.address));
    }
    let held = attackers.join_all().await;
    let streams: usize = held.iter().map(|(_, streams)| streams.len()).sum();
    println!("{streams} streams were asked for over {HTTP_2_CONNECTIONS} connections");
    check_others(&server).await;
}

type Client = h2::client::SendRequest<Bytes>;

/// Opens as many streams on one connection as it takes, and holds them.
async fn take_streams(address: SocketAddr) -> (Client, Vec<RecvStream>) {
    let socket = connect(ATTACKER, address).await;
    let mut builder = h2::client::Builder::new();
    // The beginnings of all streams fit into it.
    builder.initial_connection_window_size(1 << 20);
    let (client, connection) = builder.handshake::<_, Bytes>(socket).await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut client = client.ready().await.expect("a ready connection");
    let mut streams = Vec::new();
    for _ in 0..HTTP_2_STREAMS {
        let request = Request::get("http://localhost/topics/a")
            .body(())
            .expect("a request");
        if poll_fn(|context| client.poll_ready(context)).await.is_err() {
            break;
        }
        let Ok((answer, _)) = client.send_request(request, true) else {
            break;
        };
        // A server that refuses may reset the stream, or end it.
        if let Ok(answer) = timeout(PATIENCE, answer).await.expect("in time") {
            streams.push(answer.into_body());
        }
    }
    (client, streams)
}
