//! Fairwind servers that share a log, and what tests ask them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use crate::binary::{Binary, pause};
use crate::connection::{Answer, Connection, PATIENCE, Stream, ask};
use crate::engine::{Engine, LOOK, own_host};
use crate::parser::Message;

/// A server, which can be killed and started again at another port.
pub struct Node {
    flags: Vec<String>,
    host: SocketAddr,
    binary: Option<Binary>,
}

/// A reader, and what it has read. It comes back when its stream ends, as an EventSource does.
pub struct Tail {
    address: SocketAddr,
    target: String,
    stream: Option<Stream>,
    last_event_id: Option<String>,
    pub read: Vec<Message>,
}

/// What every node is started with, beside where its nats-servers are.
const FLAGS: [&str; 4] = [
    "--anonymous-publish=on",
    "--publish-rate=off",
    "--stream-rate=off",
    "--heartbeat=1s",
];

impl Node {
    /// A server that shares the log of these nats-servers, once it listens.
    pub async fn start(engines: &[&Engine], flags: &[&str]) -> Self {
        let urls: Vec<String> = engines.iter().map(|engine| engine.url()).collect();
        Self::start_at(&urls, flags).await
    }

    /// The same with the nats-servers' addresses.
    pub async fn start_at(urls: &[String], flags: &[&str]) -> Self {
        let mut node = Self::new(urls, flags);
        node.run().await;
        node
    }

    fn new(urls: &[String], flags: &[&str]) -> Self {
        let urls = urls.iter().map(|url| format!("--nats={url}"));
        let own = FLAGS.iter().chain(flags).map(|flag| (*flag).to_owned());
        Self {
            flags: urls.chain(own).collect(),
            host: SocketAddr::from((own_host(), 0)),
            binary: None,
        }
    }

    /// Starts it again.
    pub async fn run(&mut self) {
        assert!(self.binary.is_none(), "it runs already");
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        self.binary = Some(Binary::start_at(self.host, &flags, &[]).await);
    }

    /// Kills it with SIGKILL.
    pub async fn kill(&mut self) {
        self.check_log();
        self.binary.take().expect("a running node").kill().await;
    }

    /// Stops it in an orderly way.
    pub async fn stop(&mut self) {
        let binary = self.binary.take().expect("a running node");
        let logged = binary.logged();
        assert!(!logged.contains("panicked"), "{logged}");
        binary.stop().await;
    }

    pub async fn pause(&self) {
        pause(self.binary().child.id().expect("a running process")).await;
    }

    pub async fn resume(&self) {
        self.binary().signal("-CONT").await;
    }

    pub fn binary(&self) -> &Binary {
        self.binary.as_ref().expect("a running node")
    }

    pub fn address(&self) -> SocketAddr {
        self.binary().address
    }

    pub fn address_if_running(&self) -> Option<SocketAddr> {
        Some(self.binary.as_ref()?.address)
    }

    /// It has not panicked.
    pub fn check_log(&self) {
        let logged = self.binary().logged();
        assert!(!logged.contains("panicked"), "{logged}");
    }

    pub async fn ask(&self, method: &str, target: &str, body: &str) -> Answer {
        ask(self.address(), method, target, body).await
    }

    /// Publishes with these headers.
    pub async fn post(&self, target: &str, headers: &[&str], data: &str) -> Answer {
        let mut connection = Connection::open(self.address())
            .await
            .expect("a connection");
        let answer = connection
            .request("POST", target, headers, data.as_bytes())
            .await;
        answer.expect("an answer")
    }

    /// Publishes an event, which is taken. Returns its id.
    pub async fn publish(&self, topic: &str, data: &str) -> String {
        let answer = self.ask("POST", &format!("/topics/{topic}"), data).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        id_of(&answer)
    }

    /// Publishes an event as soon as the node takes events again. Returns its id.
    pub async fn publish_again(&self, topic: &str, data: &str) -> String {
        let mut key = format!("Idempotency-Key: {:x}", fastrand::u64(..));
        let target = format!("/topics/{topic}");
        let begun = Instant::now();
        loop {
            let answer = self.post(&target, &[&key], data).await;
            if answer.status == 200 {
                return id_of(&answer);
            }
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(begun.elapsed() < PATIENCE, "{}", answer.text());
            if answer.text().contains("use another key") {
                // The store has lost the event under the first one.
                key = format!("Idempotency-Key: {:x}", fastrand::u64(..));
            }
            sleep(LOOK).await;
        }
    }

    /// The newest events of a topic, as ids and data.
    pub async fn snapshot(&self, topic: &str) -> Vec<(String, String)> {
        let target = format!("/topics/{topic}?limit=1000");
        let answer = self.ask("GET", &target, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let snapshot = answer.json();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let events = snapshot["events"].as_array().expect("events").iter();
        events
            .map(|event| (text(&event["id"]), text(&event["data"])))
            .collect()
    }

    /// Waits until the snapshot of a topic is as it should be.
    pub async fn await_snapshot(&self, topic: &str, wanted: &[(String, String)]) {
        eventually("the snapshot of a node is that of another", async || {
            self.snapshot(topic).await == wanted
        })
        .await;
    }

    pub async fn readiness(&self) -> u16 {
        self.ask("GET", "/readyz", "").await.status
    }

    /// Waits until the node takes events.
    pub async fn await_readiness(&self) {
        eventually("a node takes events", async || {
            self.readiness().await == 200
        })
        .await;
    }

    /// A reader, which has begun to read when this returns.
    pub async fn read(&self, target: &str, last_event_id: Option<&str>) -> Tail {
        let mut tail = Tail {
            address: self.address(),
            target: target.to_owned(),
            stream: None,
            last_event_id: last_event_id.map(str::to_owned),
            read: Vec::new(),
        };
        tail.open().await;
        tail
    }
}

impl Tail {
    /// Reads on until there is an event that comes after those that have been read.
    pub async fn next(&mut self) -> Message {
        let before = self.read.len();
        self.until(before + 1).await;
        self.read[before].clone()
    }

    /// Reads on until it has so many events.
    pub async fn until(&mut self, count: usize) {
        let patience = Instant::now();
        while self.read.len() < count {
            assert!(
                patience.elapsed() < PATIENCE,
                "{} of {count} events came: {:?}",
                self.read.len(),
                self.read.last()
            );
            self.take_some().await;
        }
    }

    /// Reads on until there is an event with this data.
    pub async fn until_data(&mut self, data: &str) {
        while !self.read.iter().any(|read| read.data == data) {
            let count = self.read.len() + 1;
            self.until(count).await;
        }
    }

    async fn open(&mut self) {
        let opened = Stream::open(self.address, &self.target, self.last_event_id.as_deref()).await;
        self.stream = opened.expect("a running server");
    }

    /// Reads what comes next, which may be a heartbeat alone.
    pub async fn take_some(&mut self) {
        let stream = self.stream.as_mut().expect("a stream that goes on");
        let messages = timeout(PATIENCE, stream.next()).await;
        let messages = messages.expect("an event or a heartbeat in time");
        let messages = messages.expect("an unbroken stream");
        if let Some(id) = stream.last_event_id() {
            self.last_event_id = Some(id.to_owned());
        }
        match messages {
            Some(messages) => self.read.extend(messages),
            None => self.open().await,
        }
    }

    /// Reads until there is nothing more to come.
    pub async fn read_to_the_end(&mut self) {
        while self.stream.is_some() {
            self.take_some().await;
        }
    }

    /// The id with which it goes on elsewhere.
    pub fn last_event_id(&self) -> String {
        self.last_event_id.clone().expect("an id")
    }

    pub fn data(&self) -> Vec<&str> {
        self.read.iter().map(|read| read.data.as_str()).collect()
    }

    /// Ids and data of what it has read.
    pub fn events(&self) -> Vec<(String, String)> {
        let events = self.read.iter();
        events
            .map(|read| (read.last_event_id.clone(), read.data.clone()))
            .collect()
    }

    pub fn count(&self, event_type: &str) -> usize {
        let read = self.read.iter();
        read.filter(|read| read.event_type == event_type).count()
    }
}

/// The id that an answer names.
pub fn id_of(answer: &Answer) -> String {
    let receipt = answer.json();
    receipt["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id: {receipt}"))
        .to_owned()
}

/// Waits until a condition holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        sleep(LOOK).await;
    }
}

/// How long something takes.
pub async fn timed<T>(doing: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    let done = doing.await;
    (done, begun.elapsed())
}
