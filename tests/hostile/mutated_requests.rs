//! Requests of every kind with some of their bytes changed. `HOSTILE_SEED` repeats what was chosen by it.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::binary::Binary;
use crate::client::{ATTACKER, BYSTANDER, ask, connect, request};
use crate::{MIB, bound_for_one_address};

const REQUESTS: usize = 4_000;
const AT_ONCE: usize = 64;

/// How long an answer is waited for: many of these requests get none, because they are not complete.
const PATIENCE: Duration = Duration::from_millis(50);

/// What the requests are made of: methods, targets, headers and bodies, each of which goes with each other.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "BREW",
];
const TARGETS: [&str; 22] = [
    "/",
    "/events",
    "/events?last_event_id=%23x-1&consumers=event&heartbeat=event",
    "/topics",
    "/topics?topic=a&topic=b&types=event",
    "/topics/",
    "/topics/a",
    "/topics/a?last=10&slow_reader=latest",
    "/topics/a?limit=3&before=x",
    "/topics/a?since=1h",
    "/topics/a?id=x&type=news&retry=1&keep=false&private=true",
    "/topics/%FF",
    "/topics/..%2F..",
    "/topics/clock",
    "/healthz",
    "/readyz",
    "/metrics",
    "/pkg/fairwind.js",
    "/../../etc/passwd",
    "http://example.org/topics/a",
    "example.org:80",
    "*",
];
const HEADERS: [&str; 26] = [
    "Accept: text/html",
    "Accept: application/json",
    "Accept: text/event-stream;q=0.1, */*;q=0",
    "Accept-Encoding: gzip, br",
    "Last-Event-ID: #x-1",
    "Last-Event-ID: \u{ff}",
    "Content-Type: text/event-stream",
    "Content-Type: application/x-ndjson",
    "Content-Type: multipart/form-data; boundary=b",
    "Content-Encoding: gzip",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Content-Length: 5",
    "Content-Length: 18446744073709551615",
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Connection: close",
    "Expect: 100-continue",
    "Host: example.org",
    "Origin: null",
    "Sec-Fetch-Site: cross-site",
    "Authorization: Bearer e30.e30.",
    "Cookie: fairwind_token=%00; a=b; fairwind_token=x",
    "Idempotency-Key: k",
    "If-Match: *, W/\"x\", \"y",
    "If-None-Match: \"x\"",
    "X-Forwarded-For: 1.1.1.1, nonsense, ::1",
];
const BODIES: [&[u8]; 9] = [
    b"",
    b"hello",
    b"data: x\nid: y\nevent: end\nretry: 9\n\n",
    b"{\"data\":1,\"type\":\"x\"}\n{\"data\":\"\\ud800\"}\n",
    b"--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nx\r\n--b--\r\n",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b"\x81\x85\0\0\0\0hello\x88\x80\0\0\0\0",
    b"\xff\xfe\0",
];
const HTTP_2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x05\x01\x05\0\0\0\x01\x82\x86\x84\x41\0";

/// A request of any kind.
fn any_request(random: &mut Rng) -> Vec<u8> {
    if random.u8(..) < 8 {
        return HTTP_2_PREFACE.to_vec();
    }
    let headers: Vec<&str> = (0..random.usize(..4))
        .map(|_| HEADERS[random.usize(..HEADERS.len())])
        .collect();
    let body = BODIES[random.usize(..BODIES.len())];
    let method = METHODS[random.usize(..METHODS.len())];
    let target = TARGETS[random.usize(..TARGETS.len())];
    if random.bool() {
        return request(method, target, &headers, body);
    }
    // A body whose length only a header gives, if any does.
    [request(method, target, &headers, b""), body.to_vec()].concat()
}

/// Changes some bytes.
fn mutate(bytes: &mut Vec<u8>, random: &mut Rng) {
    for _ in 0..random.usize(..4) {
        let place = random.usize(..bytes.len());
        match random.u8(..6) {
            0 => bytes[place] = random.u8(..),
            1 => bytes[place] ^= 1 << random.u8(..8),
            2 => drop(bytes.remove(place)),
            3 => bytes.insert(place, *random.choice(b"\r\n\0 :;,%/\xff").unwrap_or(&0)),
            4 => {
                let end = (place + random.usize(..64)).min(bytes.len());
                let again = bytes[place..end].to_vec();
                bytes.splice(place..place, again);
            }
            _ => bytes.truncate(place.max(1)),
        }
        if bytes.is_empty() {
            return bytes.push(0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_breaks_the_server() {
    let seed = std::env::var("HOSTILE_SEED")
        .map(|seed| seed.parse().expect("a number"))
        .unwrap_or_else(|_| fastrand::u64(..));
    println!("HOSTILE_SEED={seed}");
    let flags = [
        "--anonymous-publish=on",
        "--request-timeout=2s",
        "--stream-compression=gzip",
    ];
    let server = Binary::start(&flags, &[]).await;
    let mut random = Rng::with_seed(seed);
    let (places, mut clients) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for number in 0..REQUESTS {
        let mut bytes = any_request(&mut random);
        // Some are sent as they are: they may be odd enough.
        if number % 4 > 0 {
            mutate(&mut bytes, &mut random);
        }
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .expect("an open semaphore");
        let address = server.address;
        clients.spawn(async move {
            let mut socket = connect(ATTACKER, address).await;
            // A server may refuse before it has read everything.
            let _ = socket.write_all(&bytes).await;
            let mut answer = [0; 4_096];
            let _ = timeout(PATIENCE, socket.read(&mut answer)).await;
            drop(place);
        });
    }
    while let Some(client) = clients.join_next().await {
        client.expect("no panic");
    }
    let (status, _) = ask(BYSTANDER, server.address, "GET", "/healthz", b"").await;
    assert_eq!(status, 200);
    let log = server.logged();
    let panic = log.lines().find(|line| line.contains("panicked"));
    assert_eq!(panic, None, "HOSTILE_SEED={seed}");
    let (memory, bound) = (server.resident_bytes(), bound_for_one_address(AT_ONCE));
    println!("{REQUESTS} mutated requests: {} MiB in use", memory / MIB);
    assert!(
        memory <= bound,
        "{} MiB, more than {} MiB",
        memory / MIB,
        bound / MIB
    );
}
