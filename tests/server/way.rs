//! Every way in which a stream can be written, as one kind of reader: what comes over any of them is told as the event
//! stream parser tells it.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::write::GzDecoder;
use futures_util::StreamExt;
use h2::RecvStream;
use h2::client::SendRequest;
use http::Request;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, http::HeaderName, http::HeaderValue};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::certificate::Certificate;
use crate::client::{self, Answer, PATIENCE, Transport};
use crate::parser::{Message, Parser};
use crate::support::{QUIET, TestServer};

/// How a stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// HTTP/1.1 over a plain socket, in chunks.
    Http1,
    /// HTTP/1.0 over a plain socket: as it is, until the connection is closed.
    Http1UntilClosed,
    /// HTTP/1.1 over a plain socket, in chunks, and compressed.
    Http1Compressed,
    /// HTTP/1.1 over TLS.
    Http1OverTls,
    /// HTTP/2 over a plain socket.
    Http2,
    /// HTTP/2 over TLS.
    Http2OverTls,
    /// WebSocket over a plain socket.
    WebSocket,
}

/// A stream that has been opened, and what has been read of it.
pub struct Stream {
    wire: Wire,
    pub parser: Parser,
    taken: usize,
    /// Why a WebSocket was closed.
    pub close_code: Option<u16>,
}

/// A stream that broke off, and how.
#[derive(Debug)]
pub struct Broken(#[expect(dead_code, reason = "it is shown when a test fails")] String);

enum Wire {
    Http1 {
        answer: Box<Answer>,
        gunzip: Option<GzDecoder<Vec<u8>>>,
    },
    Http2 {
        body: RecvStream,
        /// The connection is closed when nobody holds this.
        _client: SendRequest<Bytes>,
    },
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

impl Way {
    /// Starts a server that writes in this way.
    pub async fn server(self, flags: &[&str]) -> TestServer {
        let flags = [&QUIET, flags].concat();
        match self {
            Self::Http1Compressed => {
                TestServer::start(&[&flags[..], &["--stream-compression=gzip"]].concat()).await
            }
            Self::Http1OverTls | Self::Http2OverTls => {
                let own = certificate().flags();
                TestServer::start(&[&flags[..], &[&own[0], &own[1]]].concat()).await
            }
            _ => TestServer::start(&flags).await,
        }
    }

    /// Opens a stream. Headers are lines without line breaks.
    pub async fn open(self, server: &TestServer, target: &str, headers: &[&str]) -> Stream {
        let socket = TcpStream::connect(server.address).await;
        self.open_on(socket.expect("a connection"), target, headers)
            .await
    }

    /// Opens a stream whose reader has little room, so that the server notices soon when it stops reading.
    pub async fn open_with_little_room(self, address: SocketAddr, target: &str) -> Stream {
        let socket = client::connect_with_little_room(address).await;
        self.open_on(socket, target, &[]).await
    }

    async fn open_on(self, socket: TcpStream, target: &str, headers: &[&str]) -> Stream {
        // What a reader says on HTTP/2 and WebSocket is short and awaited.
        socket.set_nodelay(true).expect("an open socket");
        let opening = async {
            match self {
                Self::Http1 | Self::Http1UntilClosed | Self::Http1Compressed => {
                    self.open_http1(socket, target, headers).await
                }
                Self::Http1OverTls => {
                    let socket = certificate().connect(socket, "http/1.1").await;
                    self.open_http1(socket.expect("TLS"), target, headers).await
                }
                Self::Http2 => open_http2(socket, target, headers).await,
                Self::Http2OverTls => {
                    let socket = certificate().connect(socket, "h2").await;
                    open_http2(socket.expect("TLS"), target, headers).await
                }
                Self::WebSocket => open_websocket(socket, target, headers).await,
            }
        };
        Stream {
            wire: timeout(PATIENCE, opening).await.expect("in time"),
            parser: Parser::default(),
            taken: 0,
            close_code: None,
        }
    }

    async fn open_http1(
        self,
        socket: impl Transport + 'static,
        target: &str,
        headers: &[&str],
    ) -> Wire {
        let mut headers = headers.to_vec();
        if self == Self::Http1Compressed {
            headers.push("Accept-Encoding: gzip");
        }
        let mut request = client::head("GET", target, &headers);
        if self == Self::Http1UntilClosed {
            request = request.replace(" HTTP/1.1\r\n", " HTTP/1.0\r\n");
        }
        let answer = client::ask(socket, &request).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        let coding = match self {
            Self::Http1UntilClosed => None,
            _ => Some("chunked"),
        };
        assert_eq!(answer.header("transfer-encoding"), coding);
        assert_eq!(answer.header("content-length"), None);
        let encoding = answer.header("content-encoding");
        let gunzip = match self {
            Self::Http1Compressed => {
                assert_eq!(encoding, Some("gzip"));
                Some(GzDecoder::new(Vec::new()))
            }
            _ => {
                assert_eq!(encoding, None);
                None
            }
        };
        Wire::Http1 {
            answer: Box::new(answer),
            gunzip,
        }
    }
}

impl Stream {
    /// The next message of any type, or none at the stream's proper end.
    ///
    /// # Errors
    ///
    /// When the connection breaks off before that.
    pub async fn try_next(&mut self) -> Result<Option<Message>, Broken> {
        loop {
            if let Some(message) = self.parser.messages.get(self.taken) {
                self.taken += 1;
                return Ok(Some(message.clone()));
            }
            if !self.read().await? {
                return Ok(None);
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
            assert!(self.read().await.expect("an unbroken connection"), "an end");
        }
    }

    /// Reads the opening, after which the reader has an id to come back with; gives that id.
    pub async fn read_opening(&mut self) -> String {
        self.read_until(|parser| !parser.last_event_id.is_empty())
            .await;
        self.parser.last_event_id.clone()
    }

    /// Reads to the proper end, before which no other message comes.
    pub async fn read_to_end(&mut self) {
        let end = self.try_next().await.expect("a proper end");
        assert_eq!(end, None);
    }

    /// Reads some more; false at the proper end.
    async fn read(&mut self) -> Result<bool, Broken> {
        match timeout(PATIENCE, self.read_in_time()).await {
            Ok(read) => read,
            Err(_) => panic!("nothing came for {PATIENCE:?}"),
        }
    }

    async fn read_in_time(&mut self) -> Result<bool, Broken> {
        match &mut self.wire {
            Wire::Http1 { answer, gunzip } => {
                let part = answer.part().await.map_err(broken)?;
                let Some(gunzip) = gunzip else {
                    part.iter().for_each(|part| self.parser.feed(part));
                    return Ok(part.is_some());
                };
                match &part {
                    Some(part) => gunzip.write_all(part).and_then(|()| gunzip.flush()),
                    // The trailer is there only if nothing has been cut off.
                    None => gunzip.try_finish(),
                }
                .map_err(broken)?;
                self.parser.feed(&std::mem::take(gunzip.get_mut()));
                Ok(part.is_some())
            }
            Wire::Http2 { body, .. } => {
                let Some(chunk) = body.data().await else {
                    return Ok(false);
                };
                let chunk = chunk.map_err(broken)?;
                self.parser.feed(&chunk);
                body.flow_control()
                    .release_capacity(chunk.len())
                    .map_err(broken)?;
                Ok(true)
            }
            Wire::WebSocket(socket) => {
                let frame = socket
                    .next()
                    .await
                    .ok_or_else(|| broken("no close frame"))?;
                match frame.map_err(broken)? {
                    tungstenite::Message::Text(text) => {
                        let frame = serde_json::from_str(&text).expect("JSON");
                        feed_frame(&mut self.parser, &frame);
                    }
                    tungstenite::Message::Ping(_) => self.parser.comments.push(String::new()),
                    tungstenite::Message::Close(frame) => {
                        self.close_code = Some(frame.expect("a reason").code.into());
                        // The connection is closed after that, and nothing follows.
                        if let Some(Ok(more)) = socket.next().await {
                            panic!("after the close frame came {more:?}");
                        }
                        return Ok(false);
                    }
                    other => panic!("expected text, got {other:?}"),
                }
                Ok(true)
            }
        }
    }
}

/// How many heartbeats have been read.
pub fn heartbeats(parser: &Parser) -> usize {
    let is_empty = |comment: &&String| comment.is_empty();
    parser.comments.iter().filter(is_empty).count()
}

async fn open_http2(socket: impl Transport + 'static, target: &str, headers: &[&str]) -> Wire {
    // A burst of small events is no attack.
    let handshake = h2::client::Builder::new()
        .data_frame_budget(1 << 20)
        .handshake(socket);
    let (client, connection) = handshake.await.expect("HTTP/2");
    tokio::spawn(connection);
    let mut client = client.ready().await.expect("a ready connection");
    let mut request = Request::get(format!("http://fairwind.test{target}"));
    for (name, value) in headers.iter().map(|line| split(line)) {
        request = request.header(name, value);
    }
    let request = request.body(()).expect("a request");
    let (response, _) = client.send_request(request, true).expect("it is taken");
    let response = response.await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Wire::Http2 {
        body: response.into_body(),
        _client: client,
    }
}

async fn open_websocket(socket: TcpStream, target: &str, headers: &[&str]) -> Wire {
    let request = format!("ws://fairwind.test{target}").into_client_request();
    let mut request = request.expect("a request");
    for (name, value) in headers.iter().map(|line| split(line)) {
        let name: HeaderName = name.parse().expect("a name");
        let value = HeaderValue::from_str(value).expect("a value");
        request.headers_mut().insert(name, value);
    }
    let (socket, _) = client_async(request, socket).await.expect("a WebSocket");
    Wire::WebSocket(Box::new(socket))
}

/// Takes a frame as what the same would be on an event stream.
fn feed_frame(parser: &mut Parser, frame: &Value) {
    let mut message = |event_type: &str, data: &str, id: &str| {
        parser.messages.push(Message {
            event_type: event_type.to_owned(),
            data: data.to_owned(),
            last_event_id: id.to_owned(),
        });
    };
    let known = parser.last_event_id.clone();
    if let Some(consumers) = frame.get("consumers") {
        message("consumers", &consumers.to_string(), &known);
        return;
    }
    let text = |name: &str| frame[name].as_str().expect("text");
    if let Some(gap) = frame.get("gap") {
        message("gap", &gap.to_string(), &known);
    } else if frame.get("topic").is_some() {
        message(text("type"), text("data"), text("id"));
    }
    text("id").clone_into(&mut parser.last_event_id);
}

fn split(header: &str) -> (&str, &str) {
    header.split_once(": ").expect("a header")
}

fn broken(error: impl ToString) -> Broken {
    Broken(error.to_string())
}

/// One for all tests, since nothing of it changes.
fn certificate() -> &'static Certificate {
    static CERTIFICATE: OnceLock<Certificate> = OnceLock::new();
    CERTIFICATE.get_or_init(|| Certificate::new("ways"))
}
