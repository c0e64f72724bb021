//! Threads that write streams to sockets, many each. A task and the HTTP library's buffers for each of ten thousand readers
//! cost more than what is written to them; here a stream is a cursor and a socket, a topic's news wakes a thread once, and
//! what has been encoded for one reader is written to all that stand at the same cursor.
//!
//! * `command_queue`: how other threads reach a writer
//! * `shard`: one thread's share of the streams, and when each is looked at
//! * `connection`: one stream and its socket
//! * `transport`: a plain socket, or one with TLS on it
//!
//! A topic with few readers is not worth waking a thread for: while the writer waits, the publisher's own thread writes to
//! them (see [`ShardHandle::lend_thread`]).
//!
//! What is sent when is decided by the session, and how it looks by the stream's form, as for every other way of writing.
//! HTTP/2 stays with its library, since there the streams of a client share one socket.

mod command_queue;
mod connection;
mod shard;
mod transport;
/// What the command queue is made of, in one place so that a test can put other things there.
mod sync {
    pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
}

use std::collections::HashSet;
use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::thread;

use bytes::Bytes;
use mio::{Poll, Waker};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_rustls::rustls::ServerConnection;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::command_queue::{CommandQueue, Put};
use self::shard::{Lent, Shard, WAKER};
use crate::hub::watch::{ChannelId, TopicChange, Watcher, Woken};
use crate::server::limits::connections::ConnectionPermit;
use crate::server::limits::streams::StreamRegistry;
use crate::server::ops::metrics::Metrics;
use crate::server::ops::supervision::Supervisor;
use crate::server::stream::wire::WireStream;

/// All writers.
pub(crate) struct Writers {
    shards: Vec<Arc<ShardHandle>>,
    /// Its tasks are the threads.
    threads: TaskTracker,
    next: AtomicUsize,
}

/// A stream to go on with.
pub(crate) struct NewStream {
    /// It does not block.
    pub(crate) socket: TcpStream,
    /// The server's side of TLS, if the socket has it.
    pub(crate) tls: Option<Box<ServerConnection>>,
    pub(crate) stream: Box<WireStream>,
    /// What the client has sent after its request.
    pub(crate) received: Bytes,
    pub(crate) permit: ConnectionPermit,
}

/// What a writer is to do.
#[derive(Default)]
struct Commands {
    new_streams: Vec<NewStream>,
    news: HashSet<(ChannelId, TopicChange)>,
    answers: Vec<Answer>,
    /// Some streams have been ended.
    is_closing: bool,
    stops_at: Option<Instant>,
    /// No stream will be handed over any more.
    is_last: bool,
}

/// The answer to a frame that a client has published.
struct Answer {
    key: usize,
    id: u64,
    text: String,
}

/// A shard as other threads see it.
struct ShardHandle {
    commands: CommandQueue<Commands, Box<dyn Fn() + Send + Sync>>,
    /// Held by the writer while it is at work, and by a publisher's thread that writes in its place. Never across an await.
    shard: Mutex<Option<Shard>>,
    /// Whether the writer waits. A hint: what is put into the queue wakes it in any case.
    is_idle: AtomicBool,
}

impl ShardHandle {
    fn new(waker: Waker, supervisor: Supervisor) -> Self {
        let wake = move || {
            if let Err(error) = waker.wake() {
                let failure = format!("a writer of event streams cannot be woken: {error}");
                supervisor.fail(failure);
            }
        };
        Self {
            commands: CommandQueue::new(Box::new(wake)),
            shard: Mutex::new(None),
            is_idle: AtomicBool::new(false),
        }
    }

    fn note(&self, topic: ChannelId, news: TopicChange) -> Woken {
        let put = self.commands.put(|commands| {
            commands.news.insert((topic, news));
        });
        match put {
            Put::Woke => Woken::Thread,
            Put::WasAwake => Woken::Nothing,
        }
    }
}

impl Watcher for ShardHandle {
    fn wake(&self, topic: ChannelId, news: TopicChange) -> Woken {
        if news == TopicChange::Events && self.is_idle.load(Ordering::Relaxed) {
            return Woken::Caller;
        }
        self.note(topic, news)
    }

    /// Writes to the readers of a topic if they are few and events are not many, or else wakes the writer.
    fn lend_thread(&self, topic: ChannelId) -> Woken {
        let lent = match self.shard.try_lock() {
            Ok(mut shard) => shard.as_mut().map(|shard| shard.write_to_few(topic)),
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => None,
        };
        match lent {
            Some(Lent::Done) => Woken::Nothing,
            Some(Lent::ChangedTimers) => {
                // What it is due to do next has come nearer.
                self.commands.put(|_| {});
                Woken::Nothing
            }
            Some(Lent::Declined) | None => self.note(topic, TopicChange::Events),
        }
    }
}

impl Writers {
    /// Starts as many writers as there are processors. What clients publish over WebSockets is published by tasks of the
    /// current runtime.
    ///
    /// # Errors
    ///
    /// When the system has no more open files or threads to give.
    pub(crate) fn start(supervisor: &Supervisor, metrics: &Metrics) -> io::Result<Self> {
        let count = thread::available_parallelism()?.get();
        let mut writers = Self {
            shards: Vec::with_capacity(count),
            threads: TaskTracker::new(),
            next: AtomicUsize::new(0),
        };
        for number in 0..count {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), WAKER)?;
            let handle = Arc::new(ShardHandle::new(waker, supervisor.clone()));
            let shard = Shard::new(
                poll.registry().try_clone()?,
                Arc::clone(&handle),
                metrics.clone(),
                Handle::current(),
            );
            if let Ok(mut slot) = handle.shard.lock() {
                *slot = Some(shard);
            }
            let running = writers.threads.token();
            let name = format!("writer-{number}");
            // Without it, its share of the streams would stay open and be sent nothing.
            let vital = supervisor.vital(name.clone());
            let thread_handle = Arc::clone(&handle);
            thread::Builder::new().name(name).spawn(move || {
                shard::run(&thread_handle, poll);
                drop(vital);
                drop(running);
            })?;
            writers.shards.push(handle);
        }
        writers.threads.close();
        Ok(writers)
    }

    /// Goes on with a stream.
    pub(crate) fn take_over(&self, stream: NewStream) {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        self.put(number, |commands| commands.new_streams.push(stream));
    }

    /// Passes on to the writers that streams have been ended, until the server stops.
    pub(crate) async fn follow_closing(
        &self,
        streams: &StreamRegistry,
        shutdown: &CancellationToken,
    ) {
        while !shutdown.is_cancelled() {
            streams.current().cancelled().await;
            for number in 0..self.shards.len() {
                self.put(number, |commands| commands.is_closing = true);
            }
        }
    }

    /// Ends all streams, also those that are still handed over; and the threads at a moment, whatever is open then.
    pub(crate) fn end_all(&self, at: Instant) {
        for number in 0..self.shards.len() {
            self.put(number, |commands| {
                commands.is_closing = true;
                commands.stops_at = Some(at);
            });
        }
    }

    /// Ends the threads as soon as nothing is left to be written: no stream is handed over any more.
    pub(crate) async fn stop(&self) {
        for number in 0..self.shards.len() {
            self.put(number, |commands| commands.is_last = true);
        }
        self.threads.wait().await;
    }

    fn put(&self, number: usize, add: impl FnOnce(&mut Commands)) {
        if let Some(shard) = self.shards.get(number) {
            shard.commands.put(add);
        }
    }
}
