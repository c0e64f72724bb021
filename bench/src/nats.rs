//! A client of nats-server: publishes to a JetStream over its text protocol, and reads the acknowledgements, each of which
//! says that the server has stored one event.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memchr::memchr;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::event::{LENGTH, Stamp};

/// How long anything may take that is not measured.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often what is due is written, as the load client of HTTP does.
const TICK: Duration = Duration::from_micros(500);

/// How many bytes a publisher that is as quick as it can be keeps ready for the system.
const READY: usize = 64 << 10;

/// The stream that stores all events.
const STREAM: &str = r#"{"name":"BENCH","subjects":["bench.*"],"storage":"file"}"#;

/// What one line of the server says.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    /// A message to a subject, with its payload.
    Message(&'a [u8], &'a [u8]),
    /// It asks whether the client lives.
    Ping,
    /// It refuses something.
    Refusal(&'a [u8]),
    /// Anything else.
    Other,
}

struct Publisher {
    socket: TcpStream,
    unsent: Vec<u8>,
    unread: Vec<u8>,
    published: u32,
    /// When each event was due that is not acknowledged.
    waiting: VecDeque<Instant>,
    acknowledged: u32,
}

/// What a load gave.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) events: u64,
    pub(crate) took: Duration,
    /// From when an event was due to its acknowledgement.
    pub(crate) latency: Histogram<u64>,
}

pub(crate) struct Nats {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    stop: Arc<AtomicBool>,
    publishers: Vec<Publisher>,
    latency: Histogram<u64>,
}

impl Nats {
    pub(crate) fn new(address: SocketAddr, stop: Arc<AtomicBool>) -> Result<Self, String> {
        Ok(Self {
            address,
            poll: Poll::new().map_err(|error| format!("epoll: {error}"))?,
            events: Events::with_capacity(128),
            buffer: vec![0; 256 << 10],
            stop,
            publishers: Vec::new(),
            latency: new_histogram()?,
        })
    }

    /// Creates the stream.
    pub(crate) fn create_stream(&mut self) -> Result<(), String> {
        self.connect(1)?;
        let length = STREAM.len();
        let request =
            format!("PUB $JS.API.STREAM.CREATE.BENCH _INBOX.0.0 {length}\r\n{STREAM}\r\n");
        let publisher = &mut self.publishers[0];
        publisher.unsent.extend_from_slice(request.as_bytes());
        publisher.waiting.push_back(Instant::now());
        self.flush(0)?;
        let deadline = Instant::now() + PATIENCE;
        while !self.publishers[0].waiting.is_empty() {
            self.turn()?;
            if Instant::now() > deadline {
                return Err("the stream is not created in time".to_owned());
            }
        }
        Ok(())
    }

    /// Each of several publishers publishes `each` events, at so many a second in all or as quickly as they are taken, with
    /// at most `window` that are not acknowledged; or for a time, if one is given.
    pub(crate) fn publish(
        &mut self,
        publishers: usize,
        each: u32,
        window: usize,
        rate: Option<f64>,
        time: Option<Duration>,
    ) -> Result<Published, String> {
        self.connect(publishers)?;
        self.latency = new_histogram()?;
        let interval = rate.map(|rate| publishers as f64 / rate);
        let planned = interval.map_or(0.0, |interval| interval * f64::from(each));
        let start = Instant::now();
        let deadline =
            start + Duration::from_secs_f64(planned) + time.unwrap_or_default() + PATIENCE;
        let mut next_tick = start;
        loop {
            let now = Instant::now();
            let elapsed = now - start;
            let is_over = time.is_some_and(|time| elapsed >= time);
            if !is_over && (rate.is_none() || now >= next_tick) {
                next_tick = now + TICK;
                for index in 0..publishers {
                    let publisher = &self.publishers[index];
                    let room = window.saturating_sub(publisher.waiting.len()) as u32;
                    let due = match interval {
                        Some(interval) => (elapsed.as_secs_f64() / interval) as u32,
                        None if publisher.unsent.len() > READY => 0,
                        None => publisher.published + room,
                    };
                    let due_at = |number: u32| match interval {
                        Some(interval) => {
                            start + Duration::from_secs_f64(interval * f64::from(number))
                        }
                        None => now,
                    };
                    self.send(index, due.min(each), due_at)?;
                }
            }
            self.turn()?;
            let is_complete = |publisher: &Publisher| {
                publisher.waiting.is_empty() && (is_over || publisher.published == each)
            };
            if self.publishers.iter().all(is_complete) {
                let acknowledged = self.publishers.iter().map(|of| u64::from(of.acknowledged));
                return Ok(Published {
                    events: acknowledged.sum(),
                    took: start.elapsed(),
                    latency: self.latency.clone(),
                });
            }
            if now > deadline {
                return Err("no end in time".to_owned());
            }
        }
    }

    /// New connections, each of which hears its own inbox.
    fn connect(&mut self, count: usize) -> Result<(), String> {
        self.publishers.clear();
        for index in 0..count {
            let of = |error| format!("a publisher could not connect: {error}");
            let mut socket =
                BlockingStream::connect_timeout(&self.address, PATIENCE).map_err(of)?;
            socket.set_nodelay(true).map_err(of)?;
            let hello = format!(
                "CONNECT {{\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"0\",\"protocol\":1}}\r\n\
                 SUB _INBOX.{index}.* 1\r\n"
            );
            socket.write_all(hello.as_bytes()).map_err(of)?;
            socket.set_nonblocking(true).map_err(of)?;
            let mut socket = TcpStream::from_std(socket);
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll
                .registry()
                .register(&mut socket, Token(index), interest)
                .map_err(of)?;
            self.publishers.push(Publisher {
                socket,
                unsent: Vec::new(),
                unread: Vec::new(),
                published: 0,
                waiting: VecDeque::new(),
                acknowledged: 0,
            });
        }
        Ok(())
    }

    /// Sends a publisher's events before number `due`.
    fn send(
        &mut self,
        index: usize,
        due: u32,
        due_at: impl Fn(u32) -> Instant,
    ) -> Result<(), String> {
        let publisher = &mut self.publishers[index];
        for number in publisher.published..due {
            // A write to a buffer in memory does not fail.
            let _ = write!(
                publisher.unsent,
                "PUB bench.{index} _INBOX.{index}.{number} {LENGTH}\r\n"
            );
            let stamp = Stamp {
                run: 1,
                publisher: index as u32,
                number,
                due: 0,
            };
            stamp.write(&mut publisher.unsent);
            publisher.unsent.extend_from_slice(b"\r\n");
            publisher.waiting.push_back(due_at(number));
        }
        publisher.published = publisher.published.max(due);
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> Result<(), String> {
        let publisher = &mut self.publishers[index];
        let mut sent = 0;
        while sent < publisher.unsent.len() {
            match publisher.socket.write(&publisher.unsent[sent..]) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("a publisher's connection failed: {error}")),
            }
        }
        publisher.unsent.drain(..sent);
        Ok(())
    }

    fn turn(&mut self) -> Result<(), String> {
        if self.stop.load(Ordering::Relaxed) {
            return Err("interrupted".to_owned());
        }
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        match self.poll.poll(&mut events, Some(Duration::ZERO)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("epoll: {error}")),
            Ok(()) => {
                for event in &events {
                    if event.is_writable() {
                        self.flush(event.token().0)?;
                    }
                    if event.is_readable() {
                        self.read(event.token().0)?;
                    }
                }
            }
        }
        self.events = events;
        Ok(())
    }

    fn read(&mut self, index: usize) -> Result<(), String> {
        let Some(publisher) = self.publishers.get_mut(index) else {
            return Ok(());
        };
        loop {
            match publisher.socket.read(&mut self.buffer) {
                Ok(0) => return Err("the server closed a publisher's connection".to_owned()),
                Ok(length) => publisher.unread.extend_from_slice(&self.buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("a publisher's connection failed: {error}")),
            }
        }
        let mut read = 0;
        while let Some((length, said)) = next(&publisher.unread[read..])? {
            match said {
                Said::Message(subject, payload) => {
                    let is_refused = memchr::memmem::find(payload, b"\"error\"").is_some();
                    let expected = publisher.acknowledged;
                    let number = subject.rsplit(|byte| *byte == b'.').next();
                    let is_next = number == Some(expected.to_string().as_bytes());
                    if is_refused || !is_next {
                        return Err(format!(
                            "event {expected} was answered with {} {}",
                            String::from_utf8_lossy(subject),
                            String::from_utf8_lossy(payload)
                        ));
                    }
                    publisher.acknowledged += 1;
                    if let Some(due) = publisher.waiting.pop_front() {
                        self.latency
                            .saturating_record(due.elapsed().as_nanos() as u64);
                    }
                }
                Said::Ping => publisher.unsent.extend_from_slice(b"PONG\r\n"),
                Said::Refusal(text) => {
                    return Err(format!("the server says {}", String::from_utf8_lossy(text)));
                }
                Said::Other => {}
            }
            read += length;
        }
        publisher.unread.drain(..read);
        Ok(())
    }
}

fn new_histogram() -> Result<Histogram<u64>, String> {
    Histogram::new_with_bounds(1, 100_000_000_000, 2).map_err(|error| error.to_string())
}

/// What the server says first in these bytes, and its length, if it is complete.
fn next(bytes: &[u8]) -> Result<Option<(usize, Said<'_>)>, String> {
    let Some(end) = memchr(b'\n', bytes) else {
        return Ok(None);
    };
    let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
    let length = end + 1;
    let said = if line.starts_with(b"PING") {
        Said::Ping
    } else if line.starts_with(b"-ERR") {
        Said::Refusal(line)
    } else if let Some(rest) = line.strip_prefix(b"MSG ") {
        let mut words = rest.split(|byte| *byte == b' ');
        let subject = words.next().unwrap_or_default();
        let size = words.next_back().and_then(|size| str::from_utf8(size).ok());
        let size: usize = size
            .and_then(|size| size.parse().ok())
            .ok_or("a message has no size")?;
        if bytes.len() < length + size + 2 {
            return Ok(None);
        }
        let payload = &bytes[length..length + size];
        return Ok(Some((length + size + 2, Said::Message(subject, payload))));
    } else {
        Said::Other
    };
    Ok(Some((length, said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lines_and_their_parts() {
        let bytes = b"INFO {}\r\nMSG _INBOX.0.7 1 4\r\nacks\r\nPING\r\n-ERR 'no'\r\n";
        let mut at = 0;
        let mut all = Vec::new();
        while let Ok(Some((length, said))) = next(&bytes[at..]) {
            at += length;
            all.push(said);
        }
        let message = Said::Message(b"_INBOX.0.7", b"acks");
        let refusal = Said::Refusal(b"-ERR 'no'");
        assert_eq!(all, [Said::Other, message, Said::Ping, refusal]);
        assert_eq!(next(b"MSG a 1 4\r\nac"), Ok(None));
        assert!(next(b"MSG a\r\n").is_err());
    }
}
