//! The load client: one thread that publishes on schedule and reads what thousands of subscribers get.
//!
//! It holds every subscriber's connection in one epoll and reads all of them into one buffer. Events are numbered for each
//! connection that publishes; each subscriber is checked for missing, repeated and reordered ones.

mod streamed;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};

use crate::event::{LENGTH, Stamp};
use crate::http2::Http2Reader;
use crate::order::{Faults, Order};
use crate::socket::SocketReader;
use crate::stream::StreamReader;
use crate::transport::{Protocol, Socket, Tls};

/// How many connections publish.
const PUBLISHERS: usize = 4;

/// How many connections may be waiting for the answer to their subscription.
const OPENING: usize = 64;

/// How long anything may take that is not measured: opening connections, answers to what was published.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many connections are looked after before the schedule is looked at again.
const EVENTS: usize = 128;

/// What one read may give, of any connection.
const BUFFER: usize = 256 << 10;

/// Publishers' tokens begin here, subscribers' at 0.
const PUBLISHER_TOKEN: usize = 1 << 32;

/// How a subscriber is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    /// A stream that may come compressed.
    Gzip,
    Socket,
    /// So many streams over each connection of HTTP/2.
    Http2(usize),
}

pub(crate) struct Client {
    address: SocketAddr,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    start: Instant,
    stop: Arc<AtomicBool>,
    /// How TLS is spoken, on all connections or on none.
    tls: Option<Tls>,
    /// Connections that subscribe. All but those of HTTP/2 have one subscription.
    subscribers: Vec<Option<Subscriber>>,
    subscriptions: usize,
    publishers: Vec<Publisher>,
    /// Subscription after subscription, one for each publisher.
    orders: Vec<Order>,
    run: Run,
    /// How long there was nothing to do but to wait.
    idle: Duration,
}

struct Subscriber {
    socket: Socket,
    reader: Reader,
    /// The number of its first subscription, and how many it has.
    first: usize,
    count: usize,
}

enum Reader {
    Stream(StreamReader),
    Socket(SocketReader),
    Http2(Http2Reader),
}

impl Reader {
    fn is_open(&self) -> bool {
        match self {
            Self::Stream(reader) => reader.is_open(),
            Self::Socket(reader) => reader.is_open(),
            Self::Http2(reader) => reader.is_open(),
        }
    }

    /// Takes what was read, and passes on each complete event with the number of its subscription, from 0.
    #[inline]
    fn feed(&mut self, bytes: &[u8], got: &mut impl FnMut(usize, Stamp)) -> Result<(), String> {
        match self {
            Self::Stream(reader) => reader.feed(bytes, &mut |stamp| got(0, stamp)),
            Self::Socket(reader) => reader.feed(bytes, &mut |stamp| got(0, stamp)),
            Self::Http2(reader) => reader.feed(bytes, got),
        }
    }

    /// What the protocol has to say to the server.
    fn answers(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Self::Stream(_) => None,
            Self::Socket(reader) => Some(&mut reader.answers),
            Self::Http2(reader) => Some(&mut reader.answers),
        }
    }
}

struct Publisher {
    socket: Socket,
    unsent: Vec<u8>,
    answers: Vec<u8>,
    /// The last answer.
    receipt: Vec<u8>,
    /// When each of the requests that are not answered was begun.
    waiting: VecDeque<Instant>,
    /// How many events it has published in this run.
    published: u32,
}

/// What is counted from one measurement's start on.
struct Run {
    number: u32,
    delivered: u64,
    faults: Faults,
    /// What subscribers have read, compressed if it was, without TLS.
    bytes: u64,
    latency: Histogram<u64>,
    last_latency: u64,
    closed: u64,
    problem: Option<String>,
    answered: u64,
    refused: u64,
    last_answer: Duration,
}

impl Run {
    fn new(number: u32) -> Result<Self, String> {
        let latency =
            Histogram::new_with_bounds(1, 100_000_000_000, 2).map_err(|e| e.to_string())?;
        Ok(Self {
            number,
            delivered: 0,
            faults: Faults::default(),
            bytes: 0,
            latency,
            last_latency: 0,
            closed: 0,
            problem: None,
            answered: 0,
            refused: 0,
            last_answer: Duration::ZERO,
        })
    }
}

/// What a time of publishing on schedule gave.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) offered: u64,
    pub(crate) delivered: u64,
    /// What was delivered before the time to publish was over.
    pub(crate) in_time: u64,
    pub(crate) faults: Faults,
    /// What subscribers have read, compressed if it was, without TLS.
    pub(crate) bytes: u64,
    /// Subscriptions that ended, and why the first of them did.
    pub(crate) closed: u64,
    pub(crate) problem: Option<String>,
    /// Events that were not accepted.
    pub(crate) refused: u64,
    /// In nanoseconds.
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
    /// The share of the time in which the load client had nothing to do.
    pub(crate) idle: f64,
}

impl Load {
    /// What is wrong with it, however slow it may be.
    pub(crate) fn broken(&self) -> Option<String> {
        let mut wrong = Vec::new();
        for (count, what) in [
            (self.faults.missing, "missing"),
            (self.faults.duplicate, "duplicate"),
            (self.faults.reordered, "reordered"),
            (self.closed, "streams closed"),
            (self.refused, "publishes refused"),
        ] {
            if count > 0 {
                wrong.push(format!("{count} {what}"));
            }
        }
        if let Some(problem) = &self.problem {
            wrong.push(problem.clone());
        }
        (!wrong.is_empty()).then(|| wrong.join(", "))
    }
}

impl Client {
    pub(crate) fn new(
        address: SocketAddr,
        tls: Option<Tls>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, String> {
        Ok(Self {
            address,
            poll: Poll::new().map_err(|error| format!("epoll: {error}"))?,
            events: Events::with_capacity(EVENTS),
            buffer: vec![0; BUFFER],
            start: Instant::now(),
            stop,
            tls,
            subscribers: Vec::new(),
            subscriptions: 0,
            publishers: Vec::new(),
            orders: Vec::new(),
            run: Run::new(0)?,
            idle: Duration::ZERO,
        })
    }

    /// Opens subscriptions until there are so many; subscriber `i` asks for `path(i)`.
    pub(crate) fn subscribe(
        &mut self,
        kind: Kind,
        count: usize,
        path: impl Fn(usize) -> String,
    ) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        self.run.problem = None;
        let mut first_waiting = self.subscribers.len();
        while self.subscriptions < count {
            let index = self.subscribers.len();
            let subscriber = self
                .open(kind, &path, Token(index))
                .map_err(|error| format!("subscriber {index} could not connect: {error}"))?;
            self.subscriptions += subscriber.count;
            self.subscribers.push(Some(subscriber));
            // What came with a handshake is not announced again.
            self.read_subscriber(index);
            while self.subscribers.len() - first_waiting >= OPENING {
                self.turn(Duration::from_millis(10))?;
                self.pass_open(&mut first_waiting, deadline)?;
            }
        }
        while first_waiting < self.subscribers.len() {
            self.turn(Duration::from_millis(10))?;
            self.pass_open(&mut first_waiting, deadline)?;
        }
        Ok(())
    }

    fn pass_open(&self, first_waiting: &mut usize, deadline: Instant) -> Result<(), String> {
        while let Some(subscriber) = self.subscribers.get(*first_waiting) {
            match subscriber {
                Some(subscriber) if subscriber.reader.is_open() => *first_waiting += 1,
                Some(_) if Instant::now() < deadline => return Ok(()),
                Some(_) => return Err(format!("subscriber {first_waiting} got no answer")),
                None => {
                    let why = self.run.problem.as_deref().unwrap_or("it was closed");
                    return Err(format!("subscriber {first_waiting}: {why}"));
                }
            }
        }
        Ok(())
    }

    fn open(
        &self,
        kind: Kind,
        path: impl Fn(usize) -> String,
        token: Token,
    ) -> io::Result<Subscriber> {
        let (host, first) = (self.address, self.subscriptions);
        let stream = |more: &str| {
            let path = path(first);
            format!(
                "GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n{more}\r\n"
            )
            .into_bytes()
        };
        let new_stream = || Reader::Stream(StreamReader::new());
        let (reader, count, request) = match kind {
            Kind::Stream => (new_stream(), 1, stream("")),
            Kind::Gzip => (new_stream(), 1, stream("accept-encoding: gzip\r\n")),
            Kind::Socket => (
                Reader::Socket(SocketReader::new()),
                1,
                format!(
                    "GET {} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-version: 13\r\nsec-websocket-key: dGhlIGxvYWQgY2xpZW50IQ==\r\n\r\n",
                    path(first)
                )
                .into_bytes(),
            ),
            Kind::Http2(count) => {
                let paths: Vec<String> = (first..first + count).map(&path).collect();
                let (reader, request) = Http2Reader::new(&host.to_string(), &paths);
                (Reader::Http2(reader), count, request)
            }
        };
        let protocol = match kind {
            Kind::Http2(_) => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let socket = self.connect(protocol, &request, token, Interest::READABLE)?;
        Ok(Subscriber {
            socket,
            reader,
            first,
            count,
        })
    }

    /// Connects, sends the first request, and watches what comes.
    fn connect(
        &self,
        protocol: Protocol,
        request: &[u8],
        token: Token,
        interest: Interest,
    ) -> io::Result<Socket> {
        let socket = BlockingStream::connect_timeout(&self.address, PATIENCE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let tls = self.tls.as_ref().map(|tls| (tls, protocol));
        let mut socket = Socket::begin(socket, tls, request)?;
        self.poll
            .registry()
            .register(&mut socket.tcp, token, interest)?;
        Ok(socket)
    }

    /// Whether every subscription's answer is compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.subscribers.iter().flatten().all(|subscriber| {
            matches!(&subscriber.reader, Reader::Stream(reader) if reader.is_compressed())
        })
    }

    /// Closes every subscription.
    pub(crate) fn unsubscribe(&mut self) {
        self.subscribers.clear();
        self.subscriptions = 0;
        self.orders.clear();
    }

    /// Begins a measurement: its events are told from earlier ones, and its publishers' connections are new.
    pub(crate) fn begin(&mut self, publishers: usize) -> Result<(), String> {
        self.run = Run::new(self.run.number + 1)?;
        self.publishers.clear();
        for index in 0..publishers {
            let token = Token(PUBLISHER_TOKEN + index);
            let interest = Interest::READABLE | Interest::WRITABLE;
            let socket = self
                .connect(Protocol::Http1, b"", token, interest)
                .map_err(|error| format!("a publisher could not connect: {error}"))?;
            self.publishers.push(Publisher {
                socket,
                unsent: Vec::new(),
                answers: Vec::new(),
                receipt: Vec::new(),
                waiting: VecDeque::new(),
                published: 0,
            });
        }
        self.reset_orders();
        Ok(())
    }

    fn reset_orders(&mut self) {
        self.orders.clear();
        let count = self.subscriptions * self.publishers.len();
        self.orders.resize_with(count, Order::default);
    }

    /// Publishes until every subscriber gets every event: a server may answer a subscriber before it counts it.
    pub(crate) fn warm_up(&mut self, path: &str) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let load = self.load(
                path,
                20.0,
                Duration::from_millis(200),
                Duration::from_secs(2),
            )?;
            match load.broken() {
                None => return Ok(()),
                Some(broken) if Instant::now() > deadline => {
                    return Err(format!("events of the warm-up do not arrive: {broken}"));
                }
                Some(_) => {}
            }
        }
    }

    /// Publishes on schedule, whatever the server makes of it, and waits for so long for what is under way at the end.
    pub(crate) fn load(
        &mut self,
        path: &str,
        rate: f64,
        time: Duration,
        drain: Duration,
    ) -> Result<Load, String> {
        self.begin(PUBLISHERS)?;
        let alive = self.subscribers.iter().flatten();
        let readers: u64 = alive.map(|subscriber| subscriber.count as u64).sum();
        let all = self.subscriptions as u64;
        let count = (rate * time.as_secs_f64()).round().max(1.0) as u64;
        let interval = time.as_secs_f64() / count as f64;
        let start = Instant::now() + Duration::from_millis(2);
        let due = |number: u64| start + Duration::from_secs_f64(interval * number as f64);
        let end = start + time;
        let (idle, offered) = (self.idle, count * all);
        let mut published = 0;
        let mut in_time = None;
        let finished = loop {
            let now = Instant::now();
            if published < count && due(published) <= now {
                let publisher = self.free_publisher(published as usize);
                self.publish(publisher, path, due(published))?;
                published += 1;
            }
            if in_time.is_none() && now >= end {
                in_time = Some(self.run.delivered);
            }
            let complete = published == count
                && self.run.delivered == count * readers
                && self
                    .publishers
                    .iter()
                    .all(|publisher| publisher.waiting.is_empty());
            if now > end + drain || (complete && now >= end) {
                break now;
            }
            let next = if published < count {
                due(published)
            } else {
                end + drain
            };
            let next = if now < end { next.min(end) } else { next };
            self.turn(next.saturating_duration_since(now))?;
        };
        self.run.faults.missing = self.missing();
        let unanswered: u64 = self.publishers.iter().map(|p| p.waiting.len() as u64).sum();
        let run = &self.run;
        Ok(Load {
            offered,
            delivered: run.delivered,
            in_time: in_time.unwrap_or(run.delivered),
            faults: run.faults,
            bytes: run.bytes,
            closed: run.closed,
            problem: run.problem.clone(),
            refused: run.refused + unanswered,
            p50: run.latency.value_at_quantile(0.5),
            p99: run.latency.value_at_quantile(0.99),
            max: run.latency.max(),
            idle: (self.idle - idle).as_secs_f64() / (finished - start).as_secs_f64(),
        })
    }

    /// One that waits for no answer; or else the one that waits for the fewest.
    fn free_publisher(&self, from: usize) -> usize {
        let count = self.publishers.len();
        (0..count)
            .map(|offset| (from + offset) % count)
            .min_by_key(|&index| self.publishers[index].waiting.len())
            .unwrap_or(0)
    }

    fn missing(&self) -> u64 {
        let mut missing = 0;
        for (at, order) in self.orders.iter().enumerate() {
            missing += order.missing(self.publishers[at % self.publishers.len()].published);
        }
        missing
    }

    /// Publishes one event after another to one subscriber; for each, the nanoseconds until it was there.
    pub(crate) fn echo(&mut self, path: &str, samples: usize) -> Result<Vec<u64>, String> {
        self.begin(1)?;
        let mut latencies = Vec::with_capacity(samples);
        for number in 1..=samples as u64 {
            self.publish(0, path, Instant::now())?;
            self.until(|client| client.run.delivered >= number && client.run.answered >= number)?;
            latencies.push(self.run.last_latency);
        }
        self.check()?;
        Ok(latencies)
    }

    /// Publishes so many events to one subscriber at a steady rate, on the connection that [`Self::begin`] opened; for
    /// each, the nanoseconds from before it was written until after it was read. The server sleeps in between; the
    /// client does not, so that its own waking is no part of what is measured.
    pub(crate) fn paced(
        &mut self,
        path: &str,
        rate: f64,
        samples: usize,
    ) -> Result<Vec<u64>, String> {
        let mut latencies = Vec::with_capacity(samples);
        let interval = Duration::from_secs_f64(1.0 / rate);
        let mut due = Instant::now();
        for _ in 0..samples {
            while Instant::now() < due {
                self.turn(Duration::ZERO)?;
            }
            let (delivered, answered) = (self.run.delivered + 1, self.run.answered + 1);
            // An event that is late delays the next ones; they are not sent in a burst after it.
            let now = Instant::now();
            due = (due + interval).max(now);
            self.publish(0, path, now)?;
            self.until(|client| {
                client.run.delivered >= delivered && client.run.answered >= answered
            })?;
            latencies.push(self.run.last_latency);
        }
        self.check()?;
        Ok(latencies)
    }

    /// Publishes one event after another; for each, the nanoseconds until the answer was there.
    pub(crate) fn requests(&mut self, path: &str, samples: usize) -> Result<Vec<u64>, String> {
        self.begin(1)?;
        let mut times = Vec::with_capacity(samples);
        for number in 1..=samples as u64 {
            self.publish(0, path, Instant::now())?;
            self.until(|client| client.run.answered >= number)?;
            times.push(self.run.last_answer.as_nanos() as u64);
        }
        self.check()?;
        Ok(times)
    }

    /// Publishes so many events as quickly as they are answered, but not more than so many a second; event `i` goes to
    /// `path(i)`.
    pub(crate) fn fill(
        &mut self,
        count: usize,
        most_a_second: f64,
        path: impl Fn(usize) -> String,
    ) -> Result<(), String> {
        const DEPTH: usize = 16;
        self.begin(PUBLISHERS)?;
        let start = Instant::now();
        for number in 0..count {
            let due = start + Duration::from_secs_f64(number as f64 / most_a_second);
            self.until(|_| Instant::now() >= due)?;
            let publisher = number % PUBLISHERS;
            if self.publishers[publisher].waiting.len() >= DEPTH {
                self.until(|client| client.publishers[publisher].waiting.len() < DEPTH / 2)?;
            }
            self.publish(publisher, &path(number), Instant::now())?;
        }
        self.until(|client| client.run.answered == count as u64)?;
        self.check()
    }

    /// Publishes so many events by one request, whose body is a line of JSON for each.
    pub(crate) fn fill_by_stream(&mut self, count: u32, path: &str) -> Result<(), String> {
        self.begin(1)?;
        let mut body = Vec::new();
        for number in 0..count {
            body.extend_from_slice(br#"{"data":""#);
            Stamp {
                run: self.run.number,
                publisher: 0,
                number,
                due: self.nanos(Instant::now()),
            }
            .write(&mut body);
            body.extend_from_slice(b"\"}\n");
        }
        let host = self.address;
        let length = body.len();
        let publisher = &mut self.publishers[0];
        publisher.published = count;
        publisher.waiting.push_back(Instant::now());
        publisher.unsent = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-ndjson\r\n\
             content-length: {length}\r\n\r\n"
        )
        .into_bytes();
        publisher.unsent.append(&mut body);
        self.flush(0)?;
        self.until(|client| client.run.answered == 1)?;
        self.check()
    }

    /// Subscribes once, to what has been filled; how many events came, and how long they took. No more are waited for
    /// after this time.
    pub(crate) fn replay(
        &mut self,
        count: u64,
        path: &str,
        patience: Duration,
    ) -> Result<(u64, Duration), String> {
        self.unsubscribe();
        self.orders
            .resize_with(self.publishers.len(), Order::default);
        let start = Instant::now();
        self.subscribe(Kind::Stream, 1, |_| path.to_owned())?;
        self.until(|client| client.run.delivered >= count || start.elapsed() > patience)?;
        let took = start.elapsed();
        if self.run.delivered >= count {
            self.run.faults.missing = self.missing();
        }
        self.check()?;
        Ok((self.run.delivered, took))
    }

    /// Counts what is delivered from 0 again, to read the same events once more.
    pub(crate) fn forget_delivered(&mut self) -> Result<(), String> {
        self.run = Run::new(self.run.number)?;
        Ok(())
    }

    /// Fails when anything of this run was not as it should be.
    fn check(&self) -> Result<(), String> {
        let run = &self.run;
        if run.refused > 0 || run.closed > 0 || run.faults.any() {
            let (
                Faults {
                    missing,
                    duplicate,
                    reordered,
                },
                closed,
                refused,
            ) = (run.faults, run.closed, run.refused);
            return Err(format!(
                "{missing} missing, {duplicate} duplicate, {reordered} reordered, {closed} streams closed, \
                 {refused} publishes refused {}",
                run.problem.as_deref().unwrap_or_default(),
            ));
        }
        Ok(())
    }

    fn until(&mut self, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut turns = 0_u32;
        while !done(self) {
            self.turn(Duration::ZERO)?;
            turns = turns.wrapping_add(1);
            if turns.is_multiple_of(1024) && Instant::now() > deadline {
                self.check()?;
                let Run {
                    delivered,
                    answered,
                    ..
                } = self.run;
                return Err(format!(
                    "no end in time; {delivered} events were delivered, {answered} publishes answered"
                ));
            }
            if self.run.closed > 0 {
                return self.check();
            }
        }
        Ok(())
    }

    fn nanos(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start).as_nanos() as u64
    }

    fn publish(&mut self, index: usize, path: &str, due: Instant) -> Result<(), String> {
        let (run, host, due_nanos) = (self.run.number, self.address, self.nanos(due));
        let publisher = &mut self.publishers[index];
        // A write to a buffer in memory does not fail.
        let _ = write!(
            publisher.unsent,
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: text/plain\r\ncontent-length: {LENGTH}\r\n\r\n"
        );
        let stamp = Stamp {
            run,
            publisher: index as u32,
            number: publisher.published,
            due: due_nanos,
        };
        stamp.write(&mut publisher.unsent);
        publisher.published += 1;
        publisher.waiting.push_back(due);
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
        publisher
            .socket
            .flush()
            .map_err(|error| format!("a publisher's connection failed: {error}"))
    }

    /// Waits for at most so long until there is something to read, and reads it. Waits shorter than the system's clock
    /// tick are spent asking again.
    pub(crate) fn turn(&mut self, wait: Duration) -> Result<(), String> {
        if self.stop.load(Ordering::Relaxed) {
            return Err("interrupted".to_owned());
        }
        let mut events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let before = Instant::now();
        let mut polled = self.poll.poll(&mut events, Some(Duration::ZERO));
        if polled.is_ok() && events.is_empty() {
            if wait > Duration::from_millis(2) {
                let whole = Duration::from_millis(wait.as_millis() as u64 - 1);
                polled = self
                    .poll
                    .poll(&mut events, Some(whole.min(Duration::from_millis(100))));
            }
            self.idle += before.elapsed();
        }
        match polled {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("epoll: {error}")),
            Ok(()) => {
                for event in &events {
                    let token = event.token().0;
                    if token < PUBLISHER_TOKEN {
                        self.read_subscriber(token);
                        continue;
                    }
                    let publisher = token - PUBLISHER_TOKEN;
                    if event.is_writable() {
                        self.flush(publisher)?;
                    }
                    if event.is_readable() {
                        self.read_publisher(publisher)?;
                    }
                }
            }
        }
        self.events = events;
        Ok(())
    }

    fn read_subscriber(&mut self, index: usize) {
        let Some(Some(subscriber)) = self.subscribers.get_mut(index) else {
            return;
        };
        let Subscriber {
            socket,
            reader,
            first,
            count,
        } = subscriber;
        let publishers = self.publishers.len();
        let problem = loop {
            let length = match socket.read(&mut self.buffer) {
                Ok(0) => break "the server closed the stream".to_owned(),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => break error.to_string(),
            };
            let now = self.start.elapsed().as_nanos() as u64;
            let run = &mut self.run;
            run.bytes += length as u64;
            let orders = self
                .orders
                .get_mut(*first * publishers..)
                .unwrap_or_default();
            let mut got = |number: usize, stamp: Stamp| {
                if stamp.run != run.number || stamp.publisher as usize >= publishers {
                    return;
                }
                let Some(order) = orders.get_mut(number * publishers + stamp.publisher as usize)
                else {
                    return;
                };
                if order.got(stamp.number, &mut run.faults) {
                    run.delivered += 1;
                    run.last_latency = now.saturating_sub(stamp.due);
                    run.latency.saturating_record(run.last_latency);
                }
            };
            if let Err(problem) = reader.feed(&self.buffer[..length], &mut got) {
                break problem;
            }
            if let Some(answers) = reader.answers()
                && !answers.is_empty()
            {
                // So short an answer fits; if not, the server closes the connection, which is counted.
                let _ = socket.write(answers);
                answers.clear();
            }
            // Less than was asked for: there is no more, and new bytes are news.
            if length < self.buffer.len() && socket.says_when_it_is_empty() {
                return;
            }
        };
        self.run.closed += *count as u64;
        self.run.problem.get_or_insert(problem);
        self.subscribers[index] = None;
    }

    fn read_publisher(&mut self, index: usize) -> Result<(), String> {
        let publisher = &mut self.publishers[index];
        loop {
            match publisher.socket.read(&mut self.buffer) {
                Ok(0) if publisher.waiting.is_empty() => return Ok(()),
                Ok(0) => return Err("the server closed a publisher's connection".to_owned()),
                Ok(length) => publisher.answers.extend_from_slice(&self.buffer[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("a publisher's connection failed: {error}")),
            }
        }
        let mut read = 0;
        while let Some((length, status)) = answer(&publisher.answers[read..])? {
            publisher.receipt.clear();
            let answer = &publisher.answers[read..read + length];
            publisher.receipt.extend_from_slice(answer);
            read += length;
            let begun = publisher
                .waiting
                .pop_front()
                .ok_or("an answer without a request")?;
            self.run.last_answer = begun.elapsed();
            self.run.answered += 1;
            if !(200..300).contains(&status) {
                self.run.refused += 1;
                self.run
                    .problem
                    .get_or_insert(format!("a publish was answered with {status}"));
            }
        }
        publisher.answers.drain(..read);
        Ok(())
    }
}

/// The length and the status of the first answer, if it is complete.
fn answer(bytes: &[u8]) -> Result<Option<(usize, u16)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("the answer to a publish cannot be read: {error}")),
    };
    let status = response.code.unwrap_or(0);
    let header = |name: &str| {
        let found = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| str::from_utf8(header.value).ok())
    };
    let body =
        if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            match chunks(&bytes[head..])? {
                Some(length) => length,
                None => return Ok(None),
            }
        } else {
            header("content-length")
                .and_then(|value| value.parse().ok())
                .unwrap_or(0)
        };
    Ok((bytes.len() - head >= body).then_some((head + body, status)))
}

/// The length of a chunked body, if it is complete.
fn chunks(bytes: &[u8]) -> Result<Option<usize>, String> {
    let mut at = 0;
    loop {
        let (line, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete((line, size))) => (line, size as usize),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err("the chunks of the answer to a publish cannot be read".to_owned()),
        };
        at += line + size + 2;
        if at > bytes.len() {
            return Ok(None);
        }
        if size == 0 {
            return Ok(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_every_framing() {
        let sized = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP";
        assert_eq!(answer(sized), Ok(Some((sized.len() - 4, 200))));
        assert_eq!(answer(&sized[..sized.len() - 5]), Ok(None));
        let empty = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(answer(empty), Ok(Some((empty.len(), 204))));
        let chunked = b"HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(answer(chunked), Ok(Some((chunked.len(), 429))));
        for end in 0..chunked.len() {
            assert_eq!(answer(&chunked[..end]), Ok(None), "{end}");
        }
    }
}
