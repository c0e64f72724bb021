//! Requests that come a byte at a time.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::binary::Binary;
use crate::client::{ATTACKER, BYSTANDER, PATIENCE, ask, connect};

const CONNECTIONS: usize = 500;

/// Between two bytes: well within what any silence may last.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::test]
async fn requests_that_never_end_are_not_waited_for() {
    let flags = ["--anonymous-publish=on", "--request-timeout=1s"];
    let server = Binary::start(&flags, &[]).await;
    let beginnings = [
        "GET /topics/a HTTP/1.1\r\nHost: localhost\r\nX: ",
        "POST /topics/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n",
        "P",
    ];
    let mut attackers = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (address, beginning) = (server.address, beginnings[number % beginnings.len()]);
        attackers.spawn(async move {
            let mut socket = connect(ATTACKER, address).await;
            let started = Instant::now();
            let mut sent = socket.write_all(beginning.as_bytes()).await;
            let mut seen = [0; 1_024];
            // An answer (408) is an end as well.
            while sent.is_ok() && timeout(PAUSE, socket.read(&mut seen)).await.is_err() {
                assert!(
                    started.elapsed() < PATIENCE,
                    "{beginning:?} is still waited for"
                );
                sent = socket.write_all(b"x").await;
            }
        });
    }
    while !attackers.is_empty() {
        let (status, _) = ask(BYSTANDER, server.address, "GET", "/healthz", b"").await;
        assert_eq!(status, 200);
        sleep(PAUSE).await;
        while let Some(attacker) = attackers.try_join_next() {
            attacker.expect("no panic");
        }
    }
}
