//! Fairwind in another axum program: `examples/mount.rs`, run as its readers run it.

#![allow(clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The example as it runs.
struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Cargo builds examples before it runs tests, beside the tests' own folder.
fn example() -> PathBuf {
    let mut path = std::env::current_exe().expect("the test's own path");
    path.pop();
    path.set_file_name("examples");
    path.join("mount")
}

/// Starts the example; returns it with its address.
fn start() -> (Example, String) {
    let mut child = Command::new(example())
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the example starts");
    let output = BufReader::new(child.stdout.take().expect("its output"));
    let example = Example(child);
    let line = output.lines().map_while(Result::ok).find_map(|line| {
        let address = line.strip_prefix("listening on http://")?;
        Some(address.to_owned())
    });
    (example, line.expect("an address"))
}

/// Sends a request, and reads the answer until it has `expected` in it.
fn read_until(address: &str, request: &str, expected: &str) -> String {
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    let head = format!("{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).expect("a request");
    let mut answer = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let read = socket.read(&mut buffer).expect("an answer in time");
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        if text.contains(expected) {
            return text.into_owned();
        }
        assert!(read > 0, "the answer ended: {text}");
    }
}

#[test]
fn a_mounted_router_streams_what_the_program_publishes_beside_the_programs_own_pages() {
    let (_example, address) = start();
    let page = read_until(&address, "GET / HTTP/1.1", "EventSource");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let stream = "GET /topics/time?last=1 HTTP/1.1\r\nAccept: text/event-stream";
    let first = read_until(&address, stream, "\ndata: ");
    assert!(first.contains("content-type: text/event-stream"), "{first}");
    // A live event comes after the replayed one.
    let live = read_until(&address, "GET /topics/time HTTP/1.1", "\ndata: ");
    assert!(live.contains("\nid: #"), "{live}");
    let topic = "GET /topics/time HTTP/1.1\r\nAccept: text/html";
    read_until(&address, topic, "</html>");
    let refused = "GET /topics/time HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let refused = read_until(&address, refused, "\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    // Without a built site the file is missing, and it is the mounted routes that say so.
    let script = read_until(&address, "GET /fairwind.js HTTP/1.1", "\r\n\r\n");
    assert!(script.contains("x-content-type-options"), "{script}");
    let nothing = read_until(&address, "GET /nothing HTTP/1.1", "\r\n\r\n");
    assert!(
        nothing.starts_with("HTTP/1.1 404"),
        "the program's own: {nothing}"
    );
}
