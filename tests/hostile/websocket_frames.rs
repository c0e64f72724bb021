//! WebSocket frames that begin and never end.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::binary::Binary;
use crate::client::{ATTACKER, BYSTANDER, PATIENCE, ask, connect};
use crate::{CONNECTION, HELD_FOR_ONE_ADDRESS, MIB, PROCESS};

const CONNECTIONS: usize = 100;

/// What a frame says that it has, and how little of that never comes.
const FRAME: usize = 6 * MIB;
const MISSING: usize = 100;

/// Opens a WebSocket and sends most of one frame, as far as the server takes it. Gives the memory that the server has in use then.
async fn attack(server: &Binary) -> usize {
    let mut attackers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let address = server.address;
        attackers.spawn(async move {
            let mut socket = connect(ATTACKER, address).await;
            let handshake = "GET /topics/clock HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
                Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            socket.write_all(handshake.as_bytes()).await.expect("it is taken");
            let mut answer = [0; 12];
            socket.read_exact(&mut answer).await.expect("an answer");
            // A text frame, masked with zeros, whose length takes eight bytes.
            let mut frame = vec![0x81, 0xff];
            frame.extend((FRAME as u64).to_be_bytes());
            frame.extend([0; 4]);
            frame.resize(frame.len() + FRAME - MISSING, b'x');
            // A server that takes no more lets it wait, or closes the connection.
            let _ = timeout(Duration::from_secs(5), socket.write_all(&frame)).await;
            socket
        });
    }
    // The sockets stay open while the memory is looked at.
    let sockets = attackers.join_all().await;
    let memory = server.resident_bytes();
    drop(sockets);
    memory
}

#[tokio::test]
async fn half_frames_of_clients_that_may_not_publish_are_not_kept() {
    let server = Binary::start(&["--anonymous-publish=off"], &[]).await;
    let bound = PROCESS + CONNECTIONS * CONNECTION;
    let memory = attack(&server).await;
    println!(
        "{CONNECTIONS} half frames without a right: {} MiB in use",
        memory / MIB
    );
    assert!(
        memory <= bound,
        "{} MiB, more than {} MiB",
        memory / MIB,
        bound / MIB
    );
    let (status, _) = ask(BYSTANDER, server.address, "GET", "/topics/small", b"").await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn half_frames_of_clients_that_may_publish_take_bounded_memory() {
    let server = Binary::start(&["--anonymous-publish=on"], &[]).await;
    let bound = PROCESS + HELD_FOR_ONE_ADDRESS + CONNECTIONS * CONNECTION;
    let memory = attack(&server).await;
    println!("{CONNECTIONS} half frames: {} MiB in use", memory / MIB);
    assert!(
        memory <= bound,
        "{} MiB, more than {} MiB",
        memory / MIB,
        bound / MIB
    );
    let (status, answer) = ask(BYSTANDER, server.address, "POST", "/topics/a", b"x").await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_frame_that_does_not_come_is_not_waited_for() {
    // There are events all the time, so that no silence ends the connection.
    let flags = [
        "--anonymous-publish=on",
        "--request-timeout=1s",
        "--heartbeat=200ms",
    ];
    let server = Binary::start(&flags, &[]).await;
    let mut socket = connect(ATTACKER, server.address).await;
    let handshake = "GET /topics/a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
        Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket
        .write_all(handshake.as_bytes())
        .await
        .expect("it is taken");
    // The beginning of a text frame of five bytes.
    socket
        .write_all(&[0x81, 0x85, 0, 0, 0, 0, b'x'])
        .await
        .expect("it is taken");
    let address = server.address;
    let publisher = tokio::spawn(async move {
        loop {
            ask(BYSTANDER, address, "POST", "/topics/a", b"x").await;
            sleep(Duration::from_millis(100)).await;
        }
    });
    let mut seen = Vec::new();
    let closed = timeout(PATIENCE / 2, socket.read_to_end(&mut seen)).await;
    publisher.abort();
    assert!(closed.is_ok(), "the connection is still open");
}
