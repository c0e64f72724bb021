//! The peers `floor` and `floor-batch`: about as little as a server of events can do, in one thread over epoll. They
//! keep no limits, know two requests, and are no servers to use; what others need beyond them is what their features cost.
//!
//! GET /stream subscribes (with ?from=earliest, in `floor-batch`, from the first event on), POST /publish sends the body
//! to everybody. `floor` writes each event to each subscriber at once. `floor-batch` appends it to one log; when a turn's
//! requests are read, every subscriber is written all that it has not had, at once. The arguments are the mode, `each` or
//! `batch`, and the address to listen on.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(0);
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    cache-control: no-store\r\nconnection: close\r\n\r\n: welcome\n\n";
const PUBLISHED: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

/// The head and body of one request may not be longer.
const MAX_REQUEST: usize = 1 << 20;

/// What everybody has had is cut off the log when it is longer than this.
const MAX_LOG: usize = 64 << 20;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Each,
    Batch,
}

struct Connection {
    socket: TcpStream,
    /// What was read of requests that are not complete.
    request: Vec<u8>,
    /// What the socket did not take: answers, and in mode `each` events.
    unsent: Vec<u8>,
    /// Where a subscriber of mode `batch` is in the log.
    cursor: usize,
    subscribed: bool,
    /// Whether the socket took less than it was given; it tells when it can take more.
    full: bool,
}

struct Server {
    mode: Mode,
    poll: Poll,
    /// By token; a token is used once.
    connections: Vec<Option<Connection>>,
    subscribers: Vec<Token>,
    next_id: u64,
    /// Mode `batch`: the encoded events, and how much has been cut off before them.
    log: Vec<u8>,
    cut: usize,
    buffer: Vec<u8>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, address] = arguments.as_slice() else {
        return Err("usage: floor each|batch ADDRESS:PORT".into());
    };
    let mode = match mode.as_str() {
        "each" => Mode::Each,
        "batch" => Mode::Batch,
        _ => return Err("the mode is 'each' or 'batch'".into()),
    };
    let address: SocketAddr = address.parse()?;
    let mut listener = TcpListener::bind(address)?;
    let poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut server = Server {
        mode,
        poll,
        // The listener has the first token.
        connections: vec![None],
        subscribers: Vec::new(),
        next_id: 0,
        log: Vec::new(),
        cut: 0,
        buffer: vec![0; 64 << 10],
    };
    let mut events = Events::with_capacity(1024);
    loop {
        match server.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                server.accept(&listener)?;
                continue;
            }
            let alive = (!event.is_writable() || server.flush(event.token()))
                && (!event.is_readable() || server.read(event.token()));
            if !alive {
                server.forget(event.token());
            }
        }
        if server.mode == Mode::Batch {
            server.deliver_log();
        }
    }
}

impl Server {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let mut socket = match listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => continue,
            };
            socket.set_nodelay(true)?;
            let token = Token(self.connections.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut socket, token, interest)?;
            let connection = Connection {
                socket,
                request: Vec::new(),
                unsent: Vec::new(),
                cursor: 0,
                subscribed: false,
                full: false,
            };
            self.connections.push(Some(connection));
        }
    }

    /// Reads what there is and does what it asks for; false when the connection is over.
    fn read(&mut self, token: Token) -> bool {
        loop {
            let Some(connection) = &mut self.connections[token.0] else {
                return true;
            };
            match connection.socket.read(&mut self.buffer) {
                Ok(0) => return false,
                Ok(length) => connection.request.extend_from_slice(&self.buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return false,
            }
            if !self.serve(token) {
                return false;
            }
        }
    }

    /// Serves every complete request that has been read; false when one is wrong.
    fn serve(&mut self, token: Token) -> bool {
        loop {
            let Some(connection) = &mut self.connections[token.0] else {
                return true;
            };
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut request = httparse::Request::new(&mut headers);
            let body_at = match request.parse(&connection.request) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) => return connection.request.len() <= MAX_REQUEST,
                Err(_) => return false,
            };
            let body_length = request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case("content-length"))
                .and_then(|header| str::from_utf8(header.value).ok()?.parse().ok())
                .unwrap_or(0);
            if body_length > MAX_REQUEST {
                return false;
            }
            let end = body_at + body_length;
            if connection.request.len() < end {
                return true;
            }
            match (request.method, request.path) {
                (Some("GET"), Some("/stream")) => {
                    let cursor = self.cut + self.log.len();
                    self.subscribe(token, cursor);
                }
                (Some("GET"), Some("/stream?from=earliest")) => self.subscribe(token, self.cut),
                (Some("POST"), Some("/publish")) => {
                    let data = connection.request[body_at..end].to_vec();
                    self.publish(&data);
                    self.send(token, PUBLISHED);
                }
                _ => self.send(token, NOT_FOUND),
            }
            if let Some(connection) = &mut self.connections[token.0] {
                connection.request.drain(..end);
            }
        }
    }

    fn subscribe(&mut self, token: Token, cursor: usize) {
        if let Some(connection) = &mut self.connections[token.0] {
            connection.subscribed = true;
            connection.cursor = cursor;
            self.subscribers.push(token);
        }
        self.send(token, STREAM_HEAD);
    }

    fn publish(&mut self, data: &[u8]) {
        self.next_id += 1;
        let mut frame = format!("id: {}\ndata: ", self.next_id).into_bytes();
        frame.extend_from_slice(data);
        frame.extend_from_slice(b"\n\n");
        match self.mode {
            Mode::Batch => self.log.extend_from_slice(&frame),
            Mode::Each => {
                for at in 0..self.subscribers.len() {
                    self.send(self.subscribers[at], &frame);
                }
            }
        }
    }

    fn send(&mut self, token: Token, bytes: &[u8]) {
        let Some(connection) = &mut self.connections[token.0] else {
            return;
        };
        let mut sent = 0;
        if connection.unsent.is_empty() {
            // An error shows again when the connection is read.
            sent = connection.socket.write(bytes).unwrap_or(0);
        }
        connection.unsent.extend_from_slice(&bytes[sent..]);
        connection.full = !connection.unsent.is_empty();
    }

    /// Goes on with what the socket did not take; false when the connection is over.
    fn flush(&mut self, token: Token) -> bool {
        let Some(connection) = &mut self.connections[token.0] else {
            return true;
        };
        connection.full = false;
        while !connection.unsent.is_empty() {
            match connection.socket.write(&connection.unsent) {
                Ok(sent) => drop(connection.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    connection.full = true;
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    fn deliver_log(&mut self) {
        let end = self.cut + self.log.len();
        let mut slowest = end;
        for token in &self.subscribers {
            let Some(connection) = &mut self.connections[token.0] else {
                continue;
            };
            while connection.cursor < end && !connection.full {
                match connection
                    .socket
                    .write(&self.log[connection.cursor - self.cut..])
                {
                    Ok(sent) => connection.cursor += sent,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    // An error shows again when the connection is read.
                    Err(_) => connection.full = true,
                }
            }
            slowest = slowest.min(connection.cursor);
        }
        if self.log.len() > MAX_LOG {
            self.log.drain(..slowest - self.cut);
            self.cut = slowest;
        }
    }

    fn forget(&mut self, token: Token) {
        if self.connections[token.0]
            .take()
            .is_some_and(|connection| connection.subscribed)
        {
            self.subscribers.retain(|subscriber| *subscriber != token);
        }
    }
}
