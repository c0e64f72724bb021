//! The binary under a crowd that comes and goes: readers that join, leave, stall and resume while events are published
//! without a pause. Each checks that it misses nothing and gets nothing twice; when all have left, the server has given
//! back what it took for them: memory, files, places.
//!
//! Every run prints its seed; `SOAK_SEED` repeats what was chosen by it. `SOAK_SECONDS` is the length of the long run:
//! `SOAK_SECONDS=600 cargo test --release --test soak -- --ignored --nocapture`.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, unreachable_pub)]

#[allow(dead_code)]
#[path = "server/client.rs"]
mod client;
#[path = "server/parser.rs"]
mod parser;

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::sync::CancellationToken;

use self::client::{Answer, PATIENCE, Upload};
use self::parser::{Message, Parser};

/// Topics of small events, which most readers read.
const LIGHT_TOPICS: usize = 5;

/// The one topic whose events are so large that a reader which stalls fills its socket.
const HEAVY_TOPIC: usize = LIGHT_TOPICS;

/// One reader in so many reads the heavy topic, but no more than [`MOST_HEAVY_READERS`] do.
const HEAVY_SHARE: usize = 20;
const MOST_HEAVY_READERS: usize = 40;

/// Events that are published each second: to the heavy topic, and to the others for all their readers together.
const HEAVY_RATE: f64 = 30.0;
const LIGHT_DELIVERIES: f64 = 6_000.0;

const HEAVY_BYTES: usize = 64 * 1_024;

/// As much as the server keeps is published before anything is measured.
const HISTORY: [&str; 2] = ["--history-events=1000", "--history-bytes=40MiB"];
const LIGHT_HISTORY: usize = 1_000;
const HEAVY_HISTORY: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_comes_and_goes_misses_nothing_and_leaves_nothing_behind() {
    soak(300, 4, 1, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_large_crowd_that_comes_and_goes_for_long_misses_nothing_and_leaves_nothing_behind() {
    let seconds = number_from("SOAK_SECONDS").unwrap_or(180);
    soak(5_000, (seconds / 6).clamp(10, 30), 8, seconds).await;
}

/// One wave of so many readers after another: some short ones that warm the server up, until its memory has found its
/// size, and the one that counts.
async fn soak(readers: usize, warm_up_seconds: u64, most_warm_ups: usize, seconds: u64) {
    let seed = number_from("SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("SOAK_SEED={seed}");
    rlimit::increase_nofile_limit(2 * readers as u64 + 1_000).expect("enough open files");
    let server = Server::start().await;
    let mut publishers = Publishers::fill_history(server.address).await;
    server.until_readers_have_left(None).await;
    let files = server.settled_files().await;
    let mut random = Rng::with_seed(seed);
    let mut memory = 0;
    for _ in 0..most_warm_ups {
        wave(
            &server,
            &mut publishers,
            readers,
            warm_up_seconds,
            &mut random,
        )
        .await;
        server.until_readers_have_left(Some(files)).await;
        let before = std::mem::replace(&mut memory, server.memory());
        if memory < before + before / 30 {
            break;
        }
    }
    wave(&server, &mut publishers, readers, seconds, &mut random).await;
    server.until_readers_have_left(Some(files)).await;
    let bound = memory + memory / 5 + (8 << 20);
    server
        .until("memory has been given back", async || {
            server.memory() <= bound
        })
        .await;
    println!(
        "memory: {} KiB after the warm-up, {} KiB at the end; {files} open files",
        memory / 1_024,
        server.memory() / 1_024,
    );
    server.stop().await;
}

fn number_from(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

/// The running binary.
struct Server {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Server {
    async fn start() -> Self {
        let log = std::env::temp_dir().join(format!("fairwind-soak-{}.log", fastrand::u64(..)));
        let mut child = Command::new(env!("CARGO_BIN_EXE_fairwind"))
            .args(["--addr=127.0.0.1:0", "--clock-interval=1h", "--log=warn"])
            .args([
                "--anonymous-publish=on",
                "--metrics=on",
                "--max-streams-per-address=20000",
            ])
            .args(["--max-held-bytes-per-address=256MiB"])
            .args(["--publish-rate=off", "--stream-rate=off"])
            .args(["--max-connections-per-address=20000", "--max-streams=20000"])
            .args(["--write-timeout=500ms", "--heartbeat=2s"])
            .args(HISTORY)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a file for the log"))
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let line = timeout(PATIENCE, lines.next_line()).await;
        let line = line.expect("in time").expect("readable").expect("a line");
        let address = line
            .strip_prefix("listening on http://")
            .expect("the line that scripts wait for");
        Self {
            child,
            address: address.parse().expect("an address"),
            log,
        }
    }

    fn process(&self) -> PathBuf {
        let id = self.child.id().expect("a running process");
        PathBuf::from(format!("/proc/{id}"))
    }

    /// How many files it has open, sockets among them.
    fn files(&self) -> usize {
        let folder = std::fs::read_dir(self.process().join("fd"));
        folder.expect("the list of its files").count()
    }

    /// The same when the last connections have been closed.
    async fn settled_files(&self) -> usize {
        let (mut files, mut times) = (self.files(), 0);
        while times < 20 {
            sleep(Duration::from_millis(10)).await;
            let now = self.files();
            times = if now == files { times + 1 } else { 0 };
            files = now;
        }
        files
    }

    /// How much memory it has in use, in bytes.
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(self.process().join("status")).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.expect("its memory").trim().trim_end_matches(" kB");
        kibibytes.parse::<usize>().expect("a number") * 1_024
    }

    /// One of the numbers that it tells.
    async fn number(&self, name: &str) -> f64 {
        let close = ["Connection: close"];
        let answer = client::send(self.address, "GET", "/metrics", &close).await;
        let text = answer.text().await;
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.expect("the number").parse().expect("a number")
    }

    /// Waits until the server counts no subscriber, and has as many open files as it is to have.
    async fn until_readers_have_left(&self, files: Option<usize>) {
        self.until("no subscriber is counted", async || {
            self.number("fairwind_subscribers").await == 0.0
        })
        .await;
        // The connection of the question is the only one.
        self.until("no connection is open", async || {
            self.number("fairwind_connections").await <= 1.0
        })
        .await;
        self.until("its files are closed", async || {
            files.is_none_or(|files| self.files() == files)
        })
        .await;
    }

    async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let waiting = async {
            while !holds().await {
                sleep(Duration::from_millis(50)).await;
            }
        };
        let is_so = timeout(PATIENCE, waiting).await.is_ok();
        assert!(
            is_so,
            "not so after {PATIENCE:?}: {what}; {} KiB, {} open files",
            self.memory() / 1_024,
            self.files()
        );
    }

    /// Stops it as a supervisor would.
    async fn stop(mut self) {
        let id = self.child.id().expect("a running process").to_string();
        let kill = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(kill.expect("kill runs").success());
        let status = timeout(PATIENCE, self.child.wait()).await.expect("an end");
        let log = std::fs::read_to_string(&self.log).expect("a log in UTF-8");
        assert!(status.expect("a status").success(), "{log}");
        assert!(!log.contains("panicked"), "{log}");
        let _ = std::fs::remove_file(&self.log);
    }
}

/// What publishes, and where each topic stands.
struct Publishers {
    address: SocketAddr,
    /// The number of each topic's next event.
    next: [usize; LIGHT_TOPICS + 1],
}

impl Publishers {
    async fn fill_history(address: SocketAddr) -> Self {
        let mut next = [0; LIGHT_TOPICS + 1];
        for (topic, next) in next.iter_mut().enumerate() {
            let count = match topic {
                HEAVY_TOPIC => HEAVY_HISTORY,
                _ => LIGHT_HISTORY,
            };
            let mut upload = upload(address, topic).await;
            for number in 0..count {
                upload.send(&line(topic, number)).await;
            }
            assert_eq!(upload.finish().await.status, 200);
            *next = count;
        }
        Self { address, next }
    }

    /// Publishes to all topics until told to stop.
    async fn run(&mut self, light_rate: f64, random: &mut Rng, stop: &CancellationToken) {
        let mut tasks = Vec::new();
        for (topic, next) in self.next.into_iter().enumerate() {
            let rate = match topic {
                HEAVY_TOPIC => HEAVY_RATE,
                _ => light_rate,
            };
            let (address, stop, random) = (self.address, stop.clone(), random.fork());
            tasks.push(tokio::spawn(publish(
                address, topic, next, rate, random, stop,
            )));
        }
        for (next, task) in self.next.iter_mut().zip(tasks) {
            *next = task.await.expect("no panic");
        }
    }
}

/// Publishes in bursts that come to so many events a second; gives the number of the next event.
async fn publish(
    address: SocketAddr,
    topic: usize,
    mut next: usize,
    rate: f64,
    mut random: Rng,
    stop: CancellationToken,
) -> usize {
    let mut upload = upload(address, topic).await;
    loop {
        let burst = random.usize(1..10);
        let mut lines = Vec::new();
        for _ in 0..burst {
            lines.extend(line(topic, next));
            next += 1;
        }
        upload.send(&lines).await;
        let pause = sleep(Duration::from_secs_f64(burst as f64 / rate));
        if stop.run_until_cancelled(pause).await.is_none() {
            assert_eq!(upload.finish().await.status, 200);
            return next;
        }
    }
}

async fn upload(address: SocketAddr, topic: usize) -> Upload {
    let ndjson = ["Content-Type: application/x-ndjson"];
    Upload::start(address, "POST", &target(topic), &ndjson).await
}

fn target(topic: usize) -> String {
    format!("/topics/soak-{topic}")
}

/// An event, whose length depends on its number only: the history is of one size whenever it is looked at.
fn line(topic: usize, number: usize) -> Vec<u8> {
    let length = match (topic, number % 100) {
        (HEAVY_TOPIC, _) => HEAVY_BYTES,
        (_, 0) => 20_000,
        (_, rest) => 5 * rest,
    };
    let data = format!("{number} {}", "x".repeat(length));
    let mut line = json!({ "data": data }).to_string();
    line.push('\n');
    line.into_bytes()
}

/// What the readers of a wave have seen together.
#[derive(Default)]
struct Report {
    connections: AtomicUsize,
    resumed: AtomicUsize,
    events: AtomicUsize,
    cut_off: AtomicUsize,
    gaps: AtomicUsize,
}

/// Lets a crowd come, read for a while, and go.
async fn wave(
    server: &Server,
    publishers: &mut Publishers,
    readers: usize,
    seconds: u64,
    random: &mut Rng,
) {
    let report = Arc::new(Report::default());
    let ends_at = Instant::now() + Duration::from_secs(seconds);
    let heavy = (readers / HEAVY_SHARE).min(MOST_HEAVY_READERS);
    let tasks: Vec<_> = (0..readers)
        .map(|number| {
            let topic = match number < heavy {
                true => HEAVY_TOPIC,
                false => number % LIGHT_TOPICS,
            };
            let reader = Reader {
                address: server.address,
                topic,
                stays: 1 + readers as u64 / 1_000,
                random: random.fork(),
                report: Arc::clone(&report),
                last: None,
            };
            tokio::spawn(reader.run(ends_at))
        })
        .collect();
    let stop = CancellationToken::new();
    let rate = (LIGHT_DELIVERIES / readers as f64).clamp(1.0, 20.0);
    let (before, after) = (publishers.next, {
        let read = async {
            for task in tasks {
                task.await.expect("a reader that missed nothing");
            }
            stop.cancel();
        };
        tokio::join!(read, publishers.run(rate, random, &stop));
        publishers.next
    });
    let published: usize = after.iter().sum::<usize>() - before.iter().sum::<usize>();
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    println!(
        "{readers} readers for {seconds} s: {published} events published and {} read on {} connections; {} resumed, {} \
         were cut off by the server, {} were told of a gap; {} were slow",
        count(&report.events),
        count(&report.connections),
        count(&report.resumed),
        count(&report.cut_off),
        count(&report.gaps),
        server.number("fairwind_slow_readers_total").await,
    );
    assert!(count(&report.events) > readers, "hardly anything was read");
}

/// Somebody who reads a topic, on one connection after another.
struct Reader {
    address: SocketAddr,
    topic: usize,
    /// How much longer than in a small crowd it stays.
    stays: u64,
    random: Rng,
    report: Arc<Report>,
    /// The id and the number of the last event that was read, if the next is to follow it.
    last: Option<(String, usize)>,
}

impl Reader {
    async fn run(mut self, ends_at: Instant) {
        self.pause(1_000, ends_at).await;
        while Instant::now() < ends_at {
            let stays = match self.is_heavy() {
                true => self.random.u64(2_000..5_000),
                false => self.random.u64(200..4_000),
            };
            let leaves_at = Instant::now() + Duration::from_millis(self.stays * stays);
            let leaves_at = leaves_at.min(ends_at);
            let was_cut_off = self.session(leaves_at).await;
            if was_cut_off {
                self.report.cut_off.fetch_add(1, Ordering::Relaxed);
            } else if self.random.u8(..4) == 0 {
                // Somebody else, who has read nothing.
                self.last = None;
            }
            self.pause(300, ends_at).await;
        }
    }

    /// Whether its events are so large that it must not stall for long.
    fn is_heavy(&self) -> bool {
        self.topic == HEAVY_TOPIC
    }

    /// Takes nothing for some time.
    async fn stall(&mut self, ends_at: Instant) {
        let stall = Duration::from_millis(self.random.u64(1_000..3_000));
        tokio::time::sleep_until(ends_at.min(Instant::now() + stall)).await;
    }

    /// Does nothing for some time.
    async fn pause(&mut self, most_milliseconds: u64, ends_at: Instant) {
        let pause = Duration::from_millis(self.random.u64(..most_milliseconds));
        tokio::time::sleep_until(ends_at.min(Instant::now() + pause)).await;
    }

    /// Reads on one connection until it is time to leave; true if the server ended it before.
    async fn session(&mut self, leaves_at: Instant) -> bool {
        let stalls_at = match self.random.u8(..if self.is_heavy() { 2 } else { 4 }) {
            0 => Some(Instant::now() + Duration::from_millis(self.random.u64(..1_000))),
            _ => None,
        };
        let mut stalls_at = stalls_at.filter(|stalls_at| *stalls_at < leaves_at);
        let Ok(mut link) = timeout_at(leaves_at, self.connect()).await else {
            return false;
        };
        self.report.connections.fetch_add(1, Ordering::Relaxed);
        while Instant::now() < leaves_at {
            // Not given up when the reader stalls: half a message may have been taken.
            let mut read = pin!(link.read());
            let mut messages = timeout_at(stalls_at.unwrap_or(leaves_at), read.as_mut()).await;
            if stalls_at.is_some_and(|stalls_at| stalls_at <= Instant::now()) {
                stalls_at = None;
                self.stall(leaves_at).await;
                if messages.is_err() {
                    messages = timeout_at(leaves_at, read).await;
                }
            }
            match messages {
                Err(_) => return false,
                Ok(None) => return true,
                Ok(Some(messages)) => messages.into_iter().for_each(|message| self.check(message)),
            }
        }
        false
    }

    /// A connection from one of several addresses of this machine: one alone has not enough ports for a crowd that comes
    /// and goes, since each rests for a minute after its use.
    async fn socket(&mut self, is_narrow: bool) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        let own = Ipv4Addr::new(127, 0, 0, self.random.u8(2..34));
        socket.bind((own, 0).into()).expect("a free port");
        if is_narrow {
            socket.set_recv_buffer_size(4_096).expect("a small buffer");
        }
        socket.connect(self.address).await.expect("a connection")
    }

    async fn connect(&mut self) -> Link {
        let is_narrow = self.is_heavy() || self.random.u8(..4) == 0;
        let socket = self.socket(is_narrow).await;
        let mut target = target(self.topic);
        let mut header = None;
        match &self.last {
            Some((id, _)) => {
                self.report.resumed.fetch_add(1, Ordering::Relaxed);
                header = Some(("Last-Event-ID", id.as_str()));
            }
            None if self.random.bool() => target += "?last=10",
            None => {}
        }
        match self.random.u8(..10) {
            0 => Link::websocket(socket, &target, header).await,
            _ => Link::event_stream(socket, &target, header).await,
        }
    }

    /// Each event follows the one before, however often the reader has come back in between, unless a gap is told.
    fn check(&mut self, message: Message) {
        match message.event_type.as_str() {
            "gap" => {
                self.report.gaps.fetch_add(1, Ordering::Relaxed);
                self.last = None;
            }
            "message" => {
                let number = message.data.split(' ').next();
                let number = number.and_then(|number| number.parse().ok());
                let number: usize = number.expect("a number");
                if let Some((id, last)) = &self.last {
                    assert_eq!(number, last + 1, "after {id} of topic {}", self.topic);
                }
                self.report.events.fetch_add(1, Ordering::Relaxed);
                self.last = Some((message.last_event_id, number));
            }
            other => panic!("nobody asked for {other}"),
        }
    }
}

/// One connection of a reader.
enum Link {
    EventStream(Box<Answer>, Parser),
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

impl Link {
    async fn event_stream(socket: TcpStream, target: &str, header: Option<(&str, &str)>) -> Self {
        let header = header.map(|(name, value)| format!("{name}: {value}"));
        let headers: Vec<&str> = header.iter().map(String::as_str).collect();
        let answer = client::ask(socket, &client::head("GET", target, &headers)).await;
        assert_eq!(answer.status, 200);
        Self::EventStream(Box::new(answer), Parser::default())
    }

    async fn websocket(socket: TcpStream, target: &str, header: Option<(&str, &str)>) -> Self {
        let request = format!("ws://fairwind.test{target}").into_client_request();
        let mut request = request.expect("a request");
        if let Some((_, id)) = header {
            let id = id.parse().expect("a header's value");
            request.headers_mut().insert("last-event-id", id);
        }
        let (socket, _) = client_async(request, socket).await.expect("a WebSocket");
        Self::WebSocket(Box::new(socket))
    }

    /// What comes next, or none at the end, proper or not.
    async fn read(&mut self) -> Option<Vec<Message>> {
        match self {
            Self::EventStream(answer, parser) => {
                parser.feed(&answer.part().await.ok()??);
                Some(std::mem::take(&mut parser.messages))
            }
            Self::WebSocket(socket) => match socket.next().await?.ok()? {
                Frame::Text(text) => Some(message(&text).into_iter().collect()),
                Frame::Close(_) => None,
                _ => Some(Vec::new()),
            },
        }
    }
}

/// The message that a WebSocket's frame holds, if it does.
fn message(frame: &str) -> Option<Message> {
    let frame: Value = serde_json::from_str(frame).expect("JSON");
    let text = |name: &str| frame[name].as_str().expect("text").to_owned();
    if frame.get("gap").is_some() {
        return Some(Message {
            event_type: "gap".to_owned(),
            data: String::new(),
            last_event_id: text("id"),
        });
    }
    frame.get("topic")?;
    Some(Message {
        event_type: text("type"),
        data: text("data"),
        last_event_id: text("id"),
    })
}
