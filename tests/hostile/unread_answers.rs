//! Clients that ask for much and read nothing.

use std::future::poll_fn;

use bytes::Bytes;
use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::binary::Binary;
use crate::client::{
    ATTACKER, BYSTANDER, LiveReader, PATIENCE, ask, connect_with_little_room, publish, request,
};
use crate::{MIB, bound_for_one_address};

/// Events of the largest size. As JSON each of their bytes takes six.
const EVENTS: usize = 30;
const CONNECTIONS: usize = 60;

/// A server that has the events, and a topic with one small event beside.
async fn server() -> Binary {
    let server = Binary::start(&["--anonymous-publish=on"], &[]).await;
    let data = vec![1; MIB];
    for _ in 0..EVENTS {
        publish(server.address, "large", &data).await;
    }
    publish(server.address, "small", b"hello").await;
    server
}

/// Checks that the memory is bounded, and that others are served all the same.
async fn check(server: &Binary, what: &str, connections: usize) {
    let memory = server.resident_bytes();
    let bound = bound_for_one_address(connections);
    assert!(
        memory <= bound,
        "{what}: {connections} connections: {} MiB, more than {} MiB",
        memory / MIB,
        bound / MIB
    );
}

async fn check_others(server: &Binary) {
    let (status, answer) = ask(BYSTANDER, server.address, "GET", "/topics/small", b"").await;
    assert_eq!(status, 200, "{answer}");
    let mut reader = LiveReader::open(BYSTANDER, server.address, "/topics/small").await;
    publish(server.address, "small", b"still alive").await;
    assert_eq!(reader.data().await, "still alive");
}

#[tokio::test]
async fn snapshots_that_are_not_read_take_bounded_memory() {
    let server = server().await;
    let accept = ["Accept: application/json"];
    let request = request("GET", "/topics/large?limit=1000", &accept, b"");
    let mut sockets = Vec::new();
    for connections in 1..=CONNECTIONS {
        let mut socket = connect_with_little_room(ATTACKER, server.address).await;
        socket.write_all(&request).await.expect("it is taken");
        // An answer has begun, or the connection has been closed.
        let _ = timeout(PATIENCE, socket.readable()).await.expect("in time");
        sockets.push(socket);
        check(&server, "unread snapshots", connections).await;
    }
    println!(
        "{CONNECTIONS} unread snapshots of {EVENTS} MiB: {} MiB in use",
        server.resident_bytes() / MIB
    );
    check_others(&server).await;
}

#[tokio::test]
async fn snapshots_that_are_not_read_over_http_2_take_bounded_memory() {
    let server = server().await;
    let (mut connections, mut answers) = (0, Vec::new());
    for _ in 0..2 {
        let socket = connect_with_little_room(ATTACKER, server.address).await;
        // No room for a byte of any answer.
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(0);
        let (client, connection) = builder.handshake::<_, Bytes>(socket).await.expect("HTTP/2");
        tokio::spawn(connection);
        let mut client = client.ready().await.expect("a ready connection");
        for _ in 0..50 {
            let request = Request::get("http://localhost/topics/large?limit=1000")
                .header("accept", "application/json")
                .body(())
                .expect("a request");
            if poll_fn(|context| client.poll_ready(context)).await.is_err() {
                break;
            }
            let Ok((answer, _)) = client.send_request(request, true) else {
                break;
            };
            // The head of an answer needs no room; a server that refuses may reset the stream.
            answers.push(timeout(PATIENCE, answer).await.expect("in time"));
            connections += 1;
            check(&server, "unread snapshots over HTTP/2", connections).await;
        }
    }
    println!(
        "{connections} unread snapshots of {EVENTS} MiB over HTTP/2: {} MiB in use",
        server.resident_bytes() / MIB
    );
    check_others(&server).await;
}
