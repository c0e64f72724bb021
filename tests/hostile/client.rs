//! A client without manners: it writes any bytes from any address of this machine, and reads as little as it likes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Longer than anything here should take, so that a test that hangs says where.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The address that most attacks come from, and one that has done nothing.
pub const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
pub const BYSTANDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Connects from one of this machine's addresses.
pub async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind((from, 0).into())
        .expect("an address of this machine");
    socket.connect(to).await.expect("a connection")
}

/// The same with so little room to receive that the server soon finds it full.
pub async fn connect_with_little_room(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    socket
        .bind((from, 0).into())
        .expect("an address of this machine");
    socket.connect(to).await.expect("a connection")
}

/// A request as bytes. Headers are lines without line breaks.
pub fn request(method: &str, target: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

/// Sends a request and reads the whole answer.
pub async fn ask(
    from: Ipv4Addr,
    to: SocketAddr,
    method: &str,
    target: &str,
    body: &[u8],
) -> (u16, String) {
    let mut socket = connect(from, to).await;
    let headers = ["Accept: application/json", "Connection: close"];
    let request = request(method, target, &headers, body);
    socket.write_all(&request).await.expect("it is taken");
    let mut answer = Vec::new();
    let reading = socket.read_to_end(&mut answer);
    timeout(PATIENCE, reading)
        .await
        .expect("in time")
        .expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    (
        status.unwrap_or_else(|| panic!("no answer: {answer:?}")),
        answer,
    )
}

/// Publishes one event from an address that attacks nothing.
pub async fn publish(to: SocketAddr, topic: &str, data: &[u8]) {
    let (status, answer) = ask(BYSTANDER, to, "POST", &format!("/topics/{topic}"), data).await;
    assert_eq!(status, 200, "{answer}");
}

/// Publishes a line of JSON many times, in one request.
pub async fn publish_lines(to: SocketAddr, topic: &str, line: &str, times: usize) {
    let mut socket = connect(BYSTANDER, to).await;
    let head = format!(
        "PUT /topics/{topic} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        line.len() * times
    );
    socket
        .write_all(head.as_bytes())
        .await
        .expect("it is taken");
    let many = line.repeat(1_000);
    for _ in 0..times / 1_000 {
        let writing = timeout(PATIENCE, socket.write_all(many.as_bytes()));
        writing.await.expect("in time").expect("it is taken");
    }
    let mut answer = Vec::new();
    let reading = timeout(PATIENCE, socket.read_to_end(&mut answer));
    reading.await.expect("in time").expect("an answer");
    assert!(
        answer.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

/// A reader of an event stream that does read.
pub struct LiveReader {
    socket: TcpStream,
    /// Bytes of the body, or of chunk sizes, that have not been looked at.
    raw: Vec<u8>,
    /// What has been read of the body and not been taken.
    text: Vec<u8>,
}

impl LiveReader {
    /// Opens a stream and reads its beginning, which has an id only if the server has let it in.
    pub async fn open(from: Ipv4Addr, to: SocketAddr, target: &str) -> Self {
        let mut socket = connect(from, to).await;
        let request = request("GET", target, &[], b"");
        socket.write_all(&request).await.expect("it is taken");
        let mut reader = Self {
            socket,
            raw: Vec::new(),
            text: Vec::new(),
        };
        while !reader.raw.windows(4).any(|window| window == b"\r\n\r\n") {
            reader.fill().await;
        }
        let end = reader
            .raw
            .windows(4)
            .position(|window| window == b"\r\n\r\n");
        let head = String::from_utf8(reader.raw.drain(..end.unwrap_or(0) + 4).collect());
        let head = head.expect("a head in UTF-8");
        let is_stream = head.starts_with("HTTP/1.1 200")
            && head
                .to_ascii_lowercase()
                .contains("\r\ntransfer-encoding: chunked\r\n");
        assert!(is_stream, "the server has not let the reader in: {head}");
        while !reader.line().await.starts_with("id: ") {}
        reader
    }

    /// The data of the next event.
    pub async fn data(&mut self) -> String {
        loop {
            if let Some(data) = self.line().await.strip_prefix("data: ") {
                return data.to_owned();
            }
        }
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).collect();
                return String::from_utf8_lossy(&line).trim_end().to_owned();
            }
            self.chunk().await;
        }
    }

    /// Reads one chunk of the body.
    async fn chunk(&mut self) {
        let size = loop {
            if let Some(end) = self.raw.windows(2).position(|window| window == b"\r\n") {
                let size: Vec<u8> = self.raw.drain(..end + 2).collect();
                let size = String::from_utf8_lossy(&size[..end]).into_owned();
                break usize::from_str_radix(&size, 16).expect("a chunk's size");
            }
            self.fill().await;
        };
        assert!(size > 0, "the stream has ended");
        while self.raw.len() < size + 2 {
            self.fill().await;
        }
        self.text.extend(self.raw.drain(..size));
        self.raw.drain(..2);
    }

    async fn fill(&mut self) {
        let read = timeout(PATIENCE, self.socket.read_buf(&mut self.raw)).await;
        let read = read.expect("in time").expect("an unbroken connection");
        assert!(read > 0, "the connection was closed");
    }
}
