//! Threads that write event streams to plain sockets, many each. A task and the HTTP library's buffers for each of ten
//! thousand readers cost more than what is written to them; here a stream is a cursor and a socket, a topic's news
//! wakes a thread once, and what has been encoded for one reader is written to all that stand at the same place.
//!
//! * `mailbox`: how other threads reach a writer
//! * `shard`: one thread's share of the streams, and when each is looked at
//! * `connection`: one stream and its socket
//!
//! What is sent when is decided by the delivery, and how it looks by the event stream, as for every other way of writing.
//! Compressed streams, TLS and HTTP/2 stay where they are: there the bytes of each reader differ.

mod connection;
mod mailbox;
mod shard;
/// What the mailbox is made of, in one place so that a test can put other things there.
mod sync {
    pub(crate) use std::sync::{Mutex, MutexGuard, PoisonError};
}

use std::collections::HashSet;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mio::{Poll, Waker};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::mailbox::Mailbox;
use self::shard::{BELL, Shard};
use crate::hub::listeners::{Listener, News, TopicId};
use crate::server::limits::streams::StreamRegistry;
use crate::server::net::guard::ConnectionGuard;
use crate::server::ops::metrics::Metrics;
use crate::server::ops::supervision::Supervisor;
use crate::server::stream::sse::EventStream;

/// All writers.
pub(crate) struct Writers {
    inboxes: Vec<Arc<Inbox>>,
    /// Its tasks are the threads.
    threads: TaskTracker,
    next: AtomicUsize,
}

/// What reaches a writer.
#[derive(Default)]
struct Mail {
    arrivals: Vec<Arrival>,
    news: HashSet<(TopicId, News)>,
    /// Some streams have been ended.
    is_closing: bool,
    stops_at: Option<Instant>,
    /// No stream will be handed over any more.
    is_last: bool,
}

/// A stream to go on with.
struct Arrival {
    socket: TcpStream,
    stream: Box<EventStream>,
    guard: ConnectionGuard,
}

/// The mailbox of a writer.
struct Inbox(Mailbox<Mail, Box<dyn Fn() + Send + Sync>>);

impl Inbox {
    fn new(waker: Waker, supervisor: Supervisor) -> Self {
        Self(Mailbox::new(Box::new(move || {
            if let Err(error) = waker.wake() {
                let failure = format!("a writer of event streams cannot be woken: {error}");
                supervisor.fail(failure);
            }
        })))
    }

    fn take(&self) -> Mail {
        self.0.take()
    }
}

impl Listener for Inbox {
    fn wake(&self, topic: TopicId, news: News) -> bool {
        self.0.put(|mail| {
            mail.news.insert((topic, news));
        })
    }
}

impl Writers {
    /// Starts as many writers as there are processors.
    ///
    /// # Errors
    ///
    /// When the system has no more open files or threads to give.
    pub(crate) fn start(supervisor: &Supervisor, metrics: &Metrics) -> io::Result<Self> {
        let count = thread::available_parallelism()?.get();
        let mut writers = Self {
            inboxes: Vec::with_capacity(count),
            threads: TaskTracker::new(),
            next: AtomicUsize::new(0),
        };
        for number in 0..count {
            let poll = Poll::new()?;
            let waker = Waker::new(poll.registry(), BELL)?;
            let inbox = Arc::new(Inbox::new(waker, supervisor.clone()));
            let shard = Shard::new(poll, Arc::clone(&inbox), metrics.clone());
            let running = writers.threads.token();
            let name = format!("writer-{number}");
            // Without it, its share of the streams would stay open and be sent nothing.
            let vital = supervisor.vital(name.clone());
            thread::Builder::new().name(name).spawn(move || {
                shard.run();
                drop(vital);
                drop(running);
            })?;
            writers.inboxes.push(inbox);
        }
        writers.threads.close();
        Ok(writers)
    }

    /// Goes on with a stream whose beginning has been written to its socket, which does not block.
    pub(crate) fn take_over(
        &self,
        socket: TcpStream,
        stream: Box<EventStream>,
        guard: ConnectionGuard,
    ) {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.inboxes.len();
        self.inboxes[number].0.put(|mail| {
            mail.arrivals.push(Arrival {
                socket,
                stream,
                guard,
            });
        });
    }

    /// Tells the writers when streams have been ended, until the server stops.
    pub(crate) async fn end_when_told(
        &self,
        streams: &StreamRegistry,
        shutdown: &CancellationToken,
    ) {
        while !shutdown.is_cancelled() {
            streams.current().cancelled().await;
            for inbox in &self.inboxes {
                inbox.0.put(|mail| mail.is_closing = true);
            }
        }
    }

    /// Ends all streams, also those that are still handed over; and the threads at a moment, whatever is open then.
    pub(crate) fn end_all(&self, at: Instant) {
        for inbox in &self.inboxes {
            inbox.0.put(|mail| {
                mail.is_closing = true;
                mail.stops_at = Some(at);
            });
        }
    }

    /// Ends the threads as soon as nothing is left to be written: no stream is handed over any more.
    pub(crate) async fn stop(&self) {
        for inbox in &self.inboxes {
            inbox.0.put(|mail| mail.is_last = true);
        }
        self.threads.wait().await;
    }
}
