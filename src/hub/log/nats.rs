//! A log over several machines: one JetStream stream of nats-servers, which every node writes to and follows.
//!
//! * One stream has all events; a message's sequence is its event's offset, so that an event has the same id at every node.
//!   `places` says where that needs more than adding nothing, `subjects` how a topic is a subject, `message` how an event is a
//!   message.
//! * `publisher` sends what the hub proposes, in atomic batches, and sees to preconditions; `waiting` has the proposals until
//!   they are answered. `consumer` reads the stream in order and hands events to the hub. It makes sure, whenever it begins
//!   to read, that the stream is still the one that it has read; if it is not, readers are told.
//! * `older` reads events that the hub's memory no longer has; `subscribers` tells the other nodes how many there are here;
//!   `upkeep` looks after the stream's size and its marker.
//! * `connection` and `stream` open both. `ended` knows the topics that have ended.
//!
//! The stream keeps events by age and size alone, as the log on disk does: the oldest go first. A maximum per subject would take
//! events out of the middle, which no reader that comes later could notice.
//!
//! # What the nats-servers promise
//!
//! An event is published when the stream has acknowledged it and this node has read it back. How much that is worth is a matter
//! of the servers' settings: see `docs/durability.md`.

mod connection;
mod consumer;
mod ended;
mod message;
mod older;
mod places;
mod publisher;
mod stream;
mod subjects;
mod subscribers;
mod upkeep;
mod waiting;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{Context, ContextBuilder};
use async_nats::{Client, ServerAddr};
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::connection::NatsCredentials;
use self::consumer::Seen;
use self::ended::EndedTopics;
use self::message::{ReadMessage, RequestId};
use self::places::Places;
use self::publisher::Outgoing;
use self::subjects::Subjects;
use self::waiting::Waiting;
use super::older::OlderEvents;
use super::shared::{Follower, Proposal, SharedLog};
use super::{AnyLog, Unavailable, UnavailableKind};
use crate::hub::position::Offset;
use crate::hub::wall_clock::milliseconds;

/// The oldest nats-server that does everything that this log needs: atomic batches that are checked for repeated messages.
const OLDEST_SERVER: (i64, i64, i64) = (2, 12, 1);

/// Room for proposals that are not answered, in bytes.
const ROOM: usize = 16 * 1_024 * 1_024;

/// A publisher is answered within this time, whatever the servers do.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_800);

/// For how long a message counts, by the stream's clock, once it has been sent. It has to be well below the stream's window of
/// duplicates, and well above the time in which a publisher is answered.
const MESSAGE_VALIDITY: Duration = Duration::from_secs(30);

/// A node that has not followed the stream for so long takes no events, since it could not answer for them.
const TOLERATED_PAUSE: Duration = Duration::from_secs(2);

/// How long closing waits for what has been proposed.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// How the log is opened.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// Addresses of nats-servers, as `nats://host:port` or `tls://host:port`. One that answers names the others.
    pub servers: Vec<String>,
    /// Who the servers are told that this is.
    pub credentials: NatsCredentials,
    /// The stream's name: 1 to 32 ASCII letters, digits, `-` and `_`.
    pub stream: String,
    /// On how many servers the stream is, if it has to be made: 1, 3 or 5.
    pub replicas: usize,
    /// How long the stream keeps events, if it has to be made.
    pub history_age: Duration,
    /// How many bytes the stream keeps, if it has to be made.
    pub history_bytes: u64,
}

/// Why the log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An address is none.
    #[error("'{0}' is no address of a nats-server ({1}); write it like nats://host:4222")]
    Address(String, String),
    /// A file cannot be read.
    #[error("cannot read {path}: {reason}", path = .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A server refuses the connection.
    #[error(
        "the nats-server refuses the connection: {0}; check --nats, its user, and the files of --nats-credentials, --nats-nkey, --nats-ca, --nats-cert and --nats-key"
    )]
    Refused(String),
    /// The server is too old.
    #[error("the nats-server is of version {0}; at least {major}.{minor}.{patch} is needed", major = OLDEST_SERVER.0, minor = OLDEST_SERVER.1, patch = OLDEST_SERVER.2)]
    Version(String),
    /// The stream can be neither found nor made.
    #[error(
        "the nats-server gives no stream: {0}; JetStream has to be enabled for this account, with room for --history-disk and as many servers as --nats-replicas"
    )]
    Stream(String),
    /// The servers do not answer, or not now.
    #[error("the nats-server gives no stream now: {0}")]
    NoAnswer(String),
    /// The stream exists and is not fit for events.
    #[error(
        "the stream {stream} exists, but readers could miss events in it without being told. It is right if {rules}. Change it, or choose another with --nats-stream"
    )]
    Unfit {
        /// Its name.
        stream: String,
        /// What it lacks.
        rules: String,
    },
    /// The stream has a marker that this version does not understand.
    #[error(
        "the stream has a marker that this version of Fairwind does not understand (message {0}); a later version may have written it"
    )]
    Marker(u64),
}

/// The log of one node. Clones share it.
#[derive(Clone)]
pub struct NatsLog(Arc<Node>);

/// One node's part in the log, shared by its tasks.
pub(super) struct Node {
    /// Tells its messages apart from those of other nodes, and of earlier runs.
    name: String,
    config: NatsConfig,
    client: Client,
    context: Context,
    stream: Stream,
    subjects: Subjects,
    is_connected: watch::Receiver<bool>,
    waiting: Waiting,
    outbox: mpsc::UnboundedSender<Outgoing>,
    room: Arc<Semaphore>,
    places: RwLock<Places>,
    /// When the newest marker was written, by the stream's clock.
    marker_at: Mutex<SystemTime>,
    /// The sequence of the oldest message that the stream had when it was asked last.
    first_sequence: AtomicU64,
    stored_bytes: AtomicU64,
    ended: Mutex<EndedTopics>,
    clock: Mutex<StreamClock>,
    /// The newest sequence that the hub has applied.
    applied: watch::Sender<u64>,
    /// Since when the stream is not being followed.
    paused_since: Mutex<Option<Instant>>,
    follower: OnceLock<Follower>,
    /// What the tasks begin with, until the log is opened.
    beginning: Mutex<Option<Beginning>>,
    runtime: Handle,
    tasks: TaskTracker,
    closed: CancellationToken,
}

struct Beginning {
    outgoing: mpsc::UnboundedReceiver<Outgoing>,
    seen: Seen,
}

/// What time it is in the stream, as far as this node can know: the servers' clocks may differ from its own.
struct StreamClock {
    stream: SystemTime,
    here: Instant,
}

impl NatsConfig {
    /// Checks an address of a nats-server.
    ///
    /// # Errors
    ///
    /// A sentence that says what would be right.
    pub fn check_address(text: &str) -> Result<(), String> {
        match text.parse::<ServerAddr>() {
            Ok(address) if ["nats", "tls"].contains(&address.scheme()) => Ok(()),
            _ => Err("write it like nats://host:4222, or tls://host:4222".to_owned()),
        }
    }

    /// Checks a stream's name.
    ///
    /// # Errors
    ///
    /// A sentence that says what would be right.
    pub fn check_stream(text: &str) -> Result<(), String> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if (1..=32).contains(&text.len()) && text.bytes().all(is_letter) {
            return Ok(());
        }
        Err("it must have 1 to 32 ASCII letters, digits, - and _".to_owned())
    }
}

impl NatsLog {
    /// Connects, opens the stream, and begins an epoch of this node. It waits for as long as no server answers.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if waiting cannot help.
    pub async fn open(config: &NatsConfig) -> Result<Self, OpenError> {
        let (client, is_connected) = connection::connect(config).await?;
        let version = client.server_info().version;
        let (major, minor, patch) = OLDEST_SERVER;
        if !client.is_server_compatible(major, minor, patch) {
            return Err(OpenError::Version(version));
        }
        let context = ContextBuilder::new()
            .timeout(Duration::from_secs(2))
            .build(client.clone());
        let subjects = Subjects::of_stream(&config.stream);
        let stream = stream::open(&context, config, &subjects).await?;
        let begun = upkeep::begin(&client, &stream, &subjects).await?;
        tracing::info!(
            "nats-server {version}, stream {}: messages {} to {}, epoch {}",
            config.stream,
            begun.info.state.first_sequence,
            begun.places.marker,
            begun.places.epoch(),
        );
        let (outbox, outgoing) = mpsc::unbounded_channel();
        let state = &begun.info.state;
        Ok(Self(Arc::new(Node {
            name: random_name(),
            config: config.clone(),
            client,
            context,
            subjects,
            is_connected,
            waiting: Waiting::default(),
            outbox,
            room: Arc::new(Semaphore::new(ROOM)),
            marker_at: Mutex::new(begun.at),
            first_sequence: AtomicU64::new(state.first_sequence),
            stored_bytes: AtomicU64::new(state.bytes),
            ended: Mutex::new(EndedTopics::new(stream::age(&begun.info))),
            clock: Mutex::new(StreamClock::heard(begun.at)),
            applied: watch::Sender::new(0),
            paused_since: Mutex::new(Some(Instant::now())),
            follower: OnceLock::new(),
            beginning: Mutex::new(Some(Beginning {
                outgoing,
                seen: Seen::before(&begun.info),
            })),
            places: RwLock::new(begun.places),
            stream,
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
        })))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn_on(task, &self.0.runtime);
    }

    /// Waits until the hub has everything that the stream had when this log was opened.
    pub async fn caught_up(&self) {
        let marker = self.0.places.read().marker;
        let mut applied = self.0.applied.subscribe();
        // The sender lives as long as the log.
        let _ = applied.wait_for(|applied| *applied >= marker).await;
    }
}

impl Node {
    fn follower(&self) -> Option<&Follower> {
        self.follower.get()
    }

    /// The newest event that the stream no longer has.
    fn lost_through(&self) -> Offset {
        let places = self.places.read();
        let first = self.first_sequence.load(Ordering::Relaxed);
        let gone = places.offset(first).previous();
        gone.max(places.lost_through())
    }

    /// The stream has nothing before a message any more.
    fn begins_with(&self, first_sequence: u64) {
        self.first_sequence
            .fetch_max(first_sequence, Ordering::Relaxed);
    }

    /// What a new message is marked with.
    fn request(&self, number: u64) -> RequestId {
        let until = self.clock.lock().now() + MESSAGE_VALIDITY;
        RequestId {
            node: self.name.clone(),
            number,
            before: milliseconds(until),
        }
    }

    /// Whether events can be taken.
    fn health(&self) -> Result<(), Unavailable> {
        let refusal = |reason: &str| {
            Err(Unavailable {
                reason: reason.to_owned(),
                kind: UnavailableKind::Temporary,
                fate_unknown: false,
            })
        };
        if self.closed.is_cancelled() {
            return refusal("the server is stopping");
        }
        if !*self.is_connected.borrow() {
            return refusal("the nats-server cannot be reached");
        }
        match *self.paused_since.lock() {
            Some(since) if since.elapsed() > TOLERATED_PAUSE => {
                refusal("the stream on the nats-server cannot be read")
            }
            _ => Ok(()),
        }
    }

    /// Whether readers may see the event of a message that the stream has stored at a moment.
    fn is_shown(&self, read: &ReadMessage, at: SystemTime) -> bool {
        !read.is_late(at) && !self.ended.lock().forbid(&read.event, at)
    }

    /// Resolves when the log is closed and nothing waits any more.
    async fn is_over(&self) {
        self.closed.cancelled().await;
        while !self.waiting.is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs something, unless the log is closed and nothing waits any more.
    async fn run_until_over<T>(&self, running: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = running => Some(done),
            () = self.is_over() => None,
        }
    }

    /// The stream has just stored something of this node's, at a moment of its own clock.
    fn heard_at(&self, stream: SystemTime) {
        *self.clock.lock() = StreamClock::heard(stream);
    }
}

impl StreamClock {
    /// The stream has just stored something of this node's.
    fn heard(stream: SystemTime) -> Self {
        Self {
            stream,
            here: Instant::now(),
        }
    }

    fn now(&self) -> SystemTime {
        self.stream + self.here.elapsed()
    }
}

impl AnyLog for NatsLog {
    fn older(&self) -> Option<Arc<dyn OlderEvents>> {
        Some(Arc::new(older::Reader::new(Arc::clone(&self.0))))
    }

    fn health(&self) -> Result<(), Unavailable> {
        self.0.health()
    }

    fn stored_bytes(&self) -> u64 {
        self.0.stored_bytes.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.0.closed.cancel();
        let begun = Instant::now();
        // What has been sent is answered as soon as it comes back.
        while !self.0.waiting.is_empty() && begun.elapsed() < CLOSE_WITHIN {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.0.waiting.fail_all("the server is stopping");
        self.0.room.close();
        self.0.tasks.close();
    }
}

impl SharedLog for NatsLog {
    fn open(&self, follower: Follower) {
        let Some(Beginning { outgoing, seen }) = self.0.beginning.lock().take() else {
            return;
        };
        if let Some(epochs) = self.0.places.read().epochs() {
            follower.begin(epochs);
        }
        // What the stream no longer had when this node came is lost to readers that come back for it.
        follower.lose_through(self.0.lost_through());
        // The log is opened once.
        let _ = self.0.follower.set(follower.clone());
        let node = || Arc::clone(&self.0);
        self.spawn(publisher::run(node(), outgoing));
        self.spawn(waiting::expire(node()));
        self.spawn(consumer::run(node(), follower.clone(), seen));
        self.spawn(subscribers::run(node(), follower));
        self.spawn(upkeep::run(node()));
    }

    fn room(&self) -> &Arc<Semaphore> {
        &self.0.room
    }

    fn room_bytes(&self) -> usize {
        ROOM
    }

    fn propose(&self, proposal: Proposal) {
        if let Err(refusal) = self.0.health() {
            proposal.fail(refusal);
            return;
        }
        publisher::take(&self.0, proposal);
    }
}

impl From<OpenError> for io::Error {
    fn from(error: OpenError) -> Self {
        Self::other(error)
    }
}

/// A name that no other node has: ASCII letters and digits.
fn random_name() -> String {
    std::iter::repeat_with(fastrand::alphanumeric)
        .take(10)
        .collect()
}
