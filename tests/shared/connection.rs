//! An HTTP/1 client for a server that may be killed at any moment: everything that breaks off is an error, not a panic.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::parser::{Message, Parser};

/// Longer than anything here should take, so that a test that hangs says where.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection that is kept alive.
pub struct Connection {
    socket: BufReader<TcpStream>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// By name in small letters.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

/// An event stream.
pub struct Stream {
    connection: Connection,
    parser: Parser,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the answer {self:?}"))
    }

    /// The code of a problem.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Connection {
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let socket = in_time(TcpStream::connect(address)).await?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket: BufReader::new(socket),
        })
    }

    /// Sends a request with a body, and reads the whole answer.
    pub async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &[u8],
    ) -> io::Result<Answer> {
        let length = format!("Content-Length: {}", body.len());
        let head = head(method, target, &[headers, &[&length]].concat());
        self.write(&[head.as_bytes(), body].concat()).await?;
        self.answer().await
    }

    /// Sends the head of a request whose body comes in pieces.
    pub async fn begin(&mut self, method: &str, target: &str, headers: &[&str]) -> io::Result<()> {
        let chunked = ["Transfer-Encoding: chunked"];
        let head = head(method, target, &[headers, &chunked].concat());
        self.write(head.as_bytes()).await
    }

    /// Sends a piece of a body.
    pub async fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        let size = format!("{:x}\r\n", piece.len());
        let chunk = [size.as_bytes(), piece, b"\r\n"].concat();
        self.write(&chunk).await
    }

    /// Ends a body that came in pieces, and reads the whole answer.
    pub async fn finish(&mut self) -> io::Result<Answer> {
        // A server that has answered already may take no more.
        let _ = self.write(b"0\r\n\r\n").await;
        self.answer().await
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        in_time(self.socket.get_mut().write_all(bytes)).await
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        let (status, headers) = self.answer_head().await?;
        let mut body = Vec::new();
        if is_chunked(&headers) {
            while let Some(chunk) = self.chunk().await? {
                body.extend(chunk);
            }
        } else if let Some(length) = headers.get("content-length") {
            body.resize(length.parse().expect("a length"), 0);
            in_time(self.socket.read_exact(&mut body)).await?;
        } else {
            assert!(matches!(status, 204 | 304), "{status} has no length");
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    async fn answer_head(&mut self) -> io::Result<(u16, HashMap<String, String>)> {
        let line = self.line().await?;
        let status = line.split(' ').nth(1).and_then(|text| text.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {line}"));
        let mut headers = HashMap::new();
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok((status, headers));
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        in_time(self.socket.read_line(&mut line)).await?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The next chunk of a body, or none at its proper end.
    async fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = self.line().await?;
        let size = usize::from_str_radix(&size, 16).expect("a chunk's size");
        let mut chunk = vec![0; size + 2];
        in_time(self.socket.read_exact(&mut chunk)).await?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }
}

impl Stream {
    /// Opens an event stream, after an event if one is named. Nothing if the topic has ended and the reader has everything.
    pub async fn open(
        address: SocketAddr,
        target: &str,
        last_event_id: Option<&str>,
    ) -> io::Result<Option<Self>> {
        let mut connection = Connection::open(address).await?;
        let last = last_event_id.map(|id| format!("Last-Event-ID: {id}"));
        let mut headers = vec!["Accept: text/event-stream"];
        headers.extend(last.as_deref());
        connection
            .write(head("GET", target, &headers).as_bytes())
            .await?;
        let (status, headers) = connection.answer_head().await?;
        match status {
            204 => return Ok(None),
            // A server that is stopping asks its readers to come back.
            200 if !is_chunked(&headers) => return Err(io::ErrorKind::UnexpectedEof.into()),
            200 => {}
            _ => panic!("a reader of {target} got {status}"),
        }
        Ok(Some(Self {
            connection,
            parser: Parser::default(),
        }))
    }

    /// What comes next: some messages or none. Nothing at the end of the stream.
    pub async fn next(&mut self) -> io::Result<Option<Vec<Message>>> {
        let Some(chunk) = self.connection.chunk().await? else {
            return Ok(None);
        };
        self.parser.feed(&chunk);
        Ok(Some(std::mem::take(&mut self.parser.messages)))
    }

    /// The id with which a reader resumes, once there is one.
    pub fn last_event_id(&self) -> Option<&str> {
        let id = self.parser.last_event_id.as_str();
        (!id.is_empty()).then_some(id)
    }
}

/// One request on a connection of its own, to a server that runs.
pub async fn ask(address: SocketAddr, method: &str, target: &str, body: &str) -> Answer {
    let mut connection = Connection::open(address).await.expect("a connection");
    let answer = connection
        .request(
            method,
            target,
            &["Accept: application/json"],
            body.as_bytes(),
        )
        .await;
    answer.expect("an answer")
}

fn head(method: &str, target: &str, headers: &[&str]) -> String {
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: fairwind.test\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    head + "\r\n"
}

fn is_chunked(headers: &HashMap<String, String>) -> bool {
    headers
        .get("transfer-encoding")
        .is_some_and(|coding| coding == "chunked")
}

async fn in_time<T>(doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(PATIENCE, doing).await {
        Ok(done) => done,
        Err(_) => panic!("nothing came for {PATIENCE:?}"),
    }
}
