//! An HTTP/1 client: it sends what it is told over a plain socket or over whatever it is given, and reads answers and
//! event streams.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::parser::{Message, Parser};

/// Longer than anything here should take, so that a test that hangs says where.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a client speaks over: a socket, with TLS or without.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// An answer, whose body is read as it comes.
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    socket: Box<dyn Transport>,
    /// Bytes that have arrived and not been looked at.
    buffer: Vec<u8>,
    remaining: Remaining,
}

/// How much of the body is still to come.
enum Remaining {
    Length(usize),
    Chunks,
    UntilClosed,
    Nothing,
}

/// An answer that is an event stream, and what has been read of it.
pub struct Events {
    answer: Answer,
    pub parser: Parser,
    taken: usize,
}

/// Sends a request and reads the head of its answer. Headers are lines without line breaks.
pub async fn send(address: SocketAddr, method: &str, target: &str, headers: &[&str]) -> Answer {
    let socket = TcpStream::connect(address).await.expect("a connection");
    send_on(socket, method, target, headers).await
}

pub async fn get(address: SocketAddr, target: &str) -> Answer {
    send(address, "GET", target, &[]).await
}

/// Sends a request with a body.
pub async fn send_body(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[&str],
    body: &[u8],
) -> Answer {
    let mut upload = Upload::start(address, method, target, headers).await;
    upload.send(body).await;
    upload.finish().await
}

/// A request whose body is sent in pieces.
pub struct Upload {
    socket: TcpStream,
}

impl Upload {
    /// Sends the head.
    pub async fn start(address: SocketAddr, method: &str, target: &str, headers: &[&str]) -> Self {
        let mut socket = TcpStream::connect(address).await.expect("a connection");
        let mut headers = headers.to_vec();
        headers.push("Transfer-Encoding: chunked");
        let head = head(method, target, &headers);
        socket
            .write_all(head.as_bytes())
            .await
            .expect("the head is taken");
        Self { socket }
    }

    /// Sends a piece of the body. A server that has refused already takes no more, which its answer explains.
    pub async fn send(&mut self, piece: &[u8]) {
        if !piece.is_empty() {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            let _ = self.socket.write_all(&chunk).await;
        }
    }

    /// Ends the body and reads the head of the answer.
    pub async fn finish(mut self) -> Answer {
        let _ = self.socket.write_all(b"0\r\n\r\n").await;
        self.answer().await
    }

    /// Reads the head of the answer to a body that has not ended.
    pub async fn answer(self) -> Answer {
        read_answer(Box::new(self.socket), Vec::new(), "POST").await
    }
}

/// Opens an event stream.
pub async fn events(address: SocketAddr, target: &str, headers: &[&str]) -> Events {
    let answer = send(address, "GET", target, headers).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    Events {
        answer,
        parser: Parser::default(),
        taken: 0,
    }
}

/// Opens an event stream whose reader has little room, so that the server notices soon when it stops reading.
pub async fn events_with_little_room(address: SocketAddr, target: &str) -> Events {
    let socket = connect_with_little_room(address).await;
    let answer = send_on(socket, "GET", target, &[]).await;
    Events {
        answer,
        parser: Parser::default(),
        taken: 0,
    }
}

/// Connects a socket that takes little before it is read.
pub async fn connect_with_little_room(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small buffer");
    socket.connect(address).await.expect("a connection")
}

/// The head of a request. Its host is `fairwind.test` unless the headers name one.
pub fn head(method: &str, target: &str, headers: &[&str]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|header| header.starts_with("Host:")) {
        head.push_str("Host: fairwind.test\r\n");
    }
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head + "\r\n"
}

async fn send_on(socket: TcpStream, method: &str, target: &str, headers: &[&str]) -> Answer {
    ask(socket, &head(method, target, headers)).await
}

/// Sends a request as it is written and reads the head of its answer.
pub async fn ask(mut socket: impl Transport + 'static, request: &str) -> Answer {
    socket
        .write_all(request.as_bytes())
        .await
        .expect("the request is taken");
    let method = request.split(' ').next().expect("a method");
    read_answer(Box::new(socket), Vec::new(), method).await
}

/// Reads the head of an answer, of which these bytes have been read.
async fn read_answer(mut socket: Box<dyn Transport>, mut buffer: Vec<u8>, method: &str) -> Answer {
    let end = loop {
        if let Some(end) = find(&buffer, b"\r\n\r\n") {
            break end;
        }
        assert!(
            fill(&mut socket, &mut buffer).await.expect("an answer") > 0,
            "the connection was closed without an answer"
        );
    };
    let head = String::from_utf8(buffer.drain(..end + 4).collect()).expect("a head in UTF-8");
    let mut lines = head.lines();
    let status_line = lines.next().expect("a status line");
    let status = status_line
        .split(' ')
        .nth(1)
        .expect("a status")
        .parse()
        .expect("a number");
    let mut headers = HashMap::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').expect("a header");
        let value = value.trim();
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|known: &mut String| *known = format!("{known}, {value}"))
            .or_insert_with(|| value.to_owned());
    }
    let remaining = if method == "HEAD" || status == 204 || status == 304 {
        Remaining::Nothing
    } else if headers
        .get("transfer-encoding")
        .is_some_and(|coding| coding == "chunked")
    {
        Remaining::Chunks
    } else if let Some(length) = headers.get("content-length") {
        Remaining::Length(length.parse().expect("a length"))
    } else {
        Remaining::UntilClosed
    };
    Answer {
        status,
        headers,
        socket,
        buffer,
        remaining,
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Sends bytes on the answer's connection. A server may have closed it.
    ///
    /// # Errors
    ///
    /// When the server takes no more.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// Says that nothing more will be sent.
    pub async fn half_close(&mut self) {
        self.socket.shutdown().await.expect("an open connection");
    }

    /// Sends another request on the same connection, and reads the head of its answer.
    pub async fn next_request(mut self, request: &str) -> Self {
        while self.part().await.expect("a whole body").is_some() {}
        self.write(request.as_bytes())
            .await
            .expect("an open connection");
        let method = request.split(' ').next().expect("a method");
        read_answer(self.socket, self.buffer, method).await
    }

    /// The next answer on the same connection, to a request that has been sent.
    pub async fn next_answer(mut self, method: &str) -> Self {
        while self.part().await.expect("a whole body").is_some() {}
        read_answer(self.socket, self.buffer, method).await
    }

    /// Reads on to the end of the connection, which is to come without another byte.
    pub async fn read_to_close(&mut self) {
        while self.part().await.expect("a whole body").is_some() {}
        let rest = fill(&mut self.socket, &mut self.buffer).await;
        assert_eq!(rest.expect("a proper end"), 0, "{:?}", self.buffer);
    }

    /// The next part of the body, or none at its proper end.
    ///
    /// # Errors
    ///
    /// When the connection breaks off before that.
    pub async fn part(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.remaining {
            Remaining::Nothing | Remaining::Length(0) => Ok(None),
            Remaining::Length(length) => {
                self.fill_to(1).await?;
                let rest = self.buffer.split_off(length.min(self.buffer.len()));
                let part = std::mem::replace(&mut self.buffer, rest);
                self.remaining = Remaining::Length(length - part.len());
                Ok(Some(part))
            }
            Remaining::UntilClosed => {
                if self.buffer.is_empty() && fill(&mut self.socket, &mut self.buffer).await? == 0 {
                    return Ok(None);
                }
                Ok(Some(std::mem::take(&mut self.buffer)))
            }
            Remaining::Chunks => {
                let end = loop {
                    if let Some(end) = find(&self.buffer, b"\r\n") {
                        break end;
                    }
                    self.fill_to(self.buffer.len() + 1).await?;
                };
                let size: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let size = std::str::from_utf8(&size[..end]).expect("a chunk's size");
                let size = usize::from_str_radix(size, 16).expect("a hexadecimal number");
                self.fill_to(size + 2).await?;
                let part = self.buffer[..size].to_vec();
                self.buffer.drain(..size + 2);
                if size == 0 {
                    self.remaining = Remaining::Nothing;
                    return Ok(None);
                }
                Ok(Some(part))
            }
        }
    }

    /// The whole body as text.
    pub async fn text(mut self) -> String {
        let mut body = Vec::new();
        while let Some(part) = self.part().await.expect("a whole body") {
            body.extend(part);
        }
        String::from_utf8(body).expect("a body in UTF-8")
    }

    async fn fill_to(&mut self, length: usize) -> io::Result<()> {
        while self.buffer.len() < length {
            if fill(&mut self.socket, &mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

impl Events {
    /// The next message of any type, or none at the stream's proper end.
    ///
    /// # Errors
    ///
    /// When the connection breaks off before that.
    pub async fn try_next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.parser.messages.get(self.taken) {
                self.taken += 1;
                return Ok(Some(message.clone()));
            }
            match self.answer.part().await? {
                Some(part) => self.parser.feed(&part),
                None => return Ok(None),
            }
        }
    }

    pub async fn next(&mut self) -> Message {
        self.try_next()
            .await
            .expect("an unbroken connection")
            .expect("another message")
    }

    /// Reads until something holds for what has been read.
    pub async fn read_until(&mut self, holds: impl Fn(&Parser) -> bool) {
        while !holds(&self.parser) {
            let part = self
                .answer
                .part()
                .await
                .expect("an unbroken connection")
                .expect("an open stream");
            self.parser.feed(&part);
        }
    }

    /// Reads the opening, after which the reader has an id to come back with.
    pub async fn read_opening(&mut self) -> String {
        self.read_until(|parser| !parser.last_event_id.is_empty())
            .await;
        self.parser.last_event_id.clone()
    }

    /// Reads to the proper end.
    pub async fn read_to_end(&mut self) {
        while self.try_next().await.expect("a proper end").is_some() {}
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.header(name)
    }
}

async fn fill(socket: &mut Box<dyn Transport>, buffer: &mut Vec<u8>) -> io::Result<usize> {
    // Under a paused clock this patience is used up at once when there is nothing else to wait for; such tests wait for
    // something that comes sooner.
    match timeout(PATIENCE * 200, socket.read_buf(buffer)).await {
        Ok(read) => read,
        Err(_) => panic!("nothing came for {PATIENCE:?}"),
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes
        .windows(pattern.len())
        .position(|window| window == pattern)
}
