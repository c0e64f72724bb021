//! What a reader is to be sent next, and when its stream ends: events as the subscriber reads them, heartbeats when it is
//! silent, the number of consumers. Every way in which a stream is written (`event_stream`, `websocket`) asks here; how
//! it looks on the wire is theirs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::streams::Admission;
use crate::hub::Entry;
use crate::hub::subscriber::{Read, Subscriber};
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;

/// The shortest time between two numbers of consumers, so that a crowd that comes at once is told in a few.
const CONSUMERS_INTERVAL: Duration = Duration::from_millis(500);

/// How one stream is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long the reader waits before it connects again, before jitter.
    pub(super) retry: Duration,
    /// The longest silence.
    pub(super) heartbeat: Duration,
    /// The longest time that a stream is open, before jitter.
    pub(super) lifetime: Duration,
    /// The longest time without an event.
    pub(super) idle_timeout: Duration,
    /// How long a reader may take nothing before it counts as slow.
    pub(super) write_timeout: Duration,
    /// When the stream ends whatever its lifetime, if its reader's right to read does.
    pub(super) expires_at: Option<Instant>,
}

/// Something to send.
#[derive(Debug)]
pub(super) enum Item {
    /// The next event.
    Event(Arc<Entry>),
    /// Events are missing; the id is where the reader is now.
    Gap(Gap, EventId),
    /// How many consumers the topic has.
    Consumers(usize),
    /// Nothing, but the silence has been long.
    Heartbeat,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// All streams are ended: the server stops, or was asked to.
    Closed,
    /// It has been open for its lifetime.
    LifetimeOver,
    /// The reader's right to read has ended.
    Expired,
    /// There was no event for as long as the idle timeout.
    Idle,
    /// The reader is too slow.
    TooSlow,
    /// All its topics have ended.
    TopicEnded,
}

/// One stream on its way.
pub(super) struct Delivery {
    subscriber: Subscriber,
    admission: Admission,
    pace: Pace,
    ends_at: Instant,
    /// When something was handed over last, if the reader has not asked for more since. It asks at once unless its
    /// socket is full.
    handed_over: Option<Instant>,
    last_sent: Instant,
    last_event: Instant,
    opened_at: Instant,
    /// When the event entered the log that is handed over next, if there is one.
    next_is_from: Option<Instant>,
    consumers: Option<Consumers>,
}

/// The number of consumers, for a reader that asked for it.
struct Consumers {
    count: watch::Receiver<usize>,
    next_at: Instant,
}

/// What happened first.
enum Step {
    End(Ending),
    Readable,
    Consumers(usize),
    Heartbeat,
}

impl Pace {
    /// The same, but for a stream that ends at a moment, if that comes first.
    pub(super) fn until(self, expires_at: Option<Instant>) -> Self {
        Self { expires_at, ..self }
    }

    /// How long one reader waits before it comes back: spread over a fifth to either side, so that readers who lost one
    /// server do not find the next at one moment.
    pub(super) fn jittered_retry(&self) -> Duration {
        self.retry.mul_f64(0.8 + 0.4 * fastrand::f64())
    }

    /// Spread over the last fifth, so that streams which began together do not end together.
    fn jittered_lifetime(&self) -> Duration {
        self.lifetime.mul_f64(0.8 + 0.2 * fastrand::f64())
    }
}

impl Delivery {
    pub(super) fn new(
        subscriber: Subscriber,
        admission: Admission,
        pace: Pace,
        with_consumers: bool,
    ) -> Self {
        let now = Instant::now();
        let lifetime_over = now + pace.jittered_lifetime();
        let consumers = subscriber
            .consumers()
            .filter(|_| with_consumers)
            .map(|mut count| {
                count.mark_changed();
                Consumers {
                    count,
                    next_at: now,
                }
            });
        Self {
            subscriber,
            admission,
            pace,
            ends_at: pace
                .expires_at
                .map_or(lifetime_over, |expires_at| expires_at.min(lifetime_over)),
            handed_over: None,
            last_sent: now,
            last_event: now,
            opened_at: now,
            next_is_from: None,
            consumers,
        }
    }

    /// What the reader asked for and cannot get, once; and the id from which it goes on.
    pub(super) fn start(&mut self) -> (Option<Gap>, &EventId) {
        let gap = self.subscriber.take_gap();
        if gap.is_some() {
            self.admission.metrics.gaps.inc();
        }
        (gap, self.subscriber.position())
    }

    /// What is to be sent next, or why nothing is any more. Dropping the future and calling again loses nothing.
    pub(super) async fn next(&mut self) -> Result<Item, Ending> {
        let next = self.find_next().await;
        let metrics = &self.admission.metrics;
        match &next {
            Ok(Item::Event(entry)) => {
                self.last_event = Instant::now();
                self.next_is_from = Some(entry.appended_at());
            }
            Ok(Item::Gap(..)) => {
                metrics.gaps.inc();
            }
            Err(Ending::TooSlow) => {
                metrics.slow_readers.inc();
            }
            _ => {}
        }
        next
    }

    async fn find_next(&mut self) -> Result<Item, Ending> {
        let was_stalled = self
            .handed_over
            .take()
            .is_some_and(|at| at.elapsed() > self.pace.write_timeout);
        let mut found = match was_stalled {
            true => Self::item(self.fall_behind(), &self.subscriber)?,
            false => None,
        };
        loop {
            if let Some(item) = found.take() {
                return Ok(item);
            }
            match self.step().await {
                Step::End(ending) => return Err(ending),
                Step::Readable => found = Self::item(self.subscriber.read(), &self.subscriber)?,
                Step::Consumers(count) => found = Some(Item::Consumers(count)),
                Step::Heartbeat => found = Some(Item::Heartbeat),
            }
        }
    }

    /// So many bytes are handed over to be written now; whoever writes says so for everything, and then asks for what is
    /// next as soon as it has been taken.
    pub(super) fn hand_over(&mut self, bytes: usize) {
        let now = Instant::now();
        let metrics = &self.admission.metrics;
        metrics
            .sent_bytes
            .inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
        if let Some(appended_at) = self.next_is_from.take() {
            metrics.delivered.inc();
            // What was there before the reader came waited for the reader, not for the server.
            if appended_at >= self.opened_at {
                metrics.delivered_after(now - appended_at);
            }
        }
        self.last_sent = now;
        self.handed_over = Some(now);
    }

    /// A reader that is slow and may stay is counted here; one that may not, when its stream ends.
    fn fall_behind(&mut self) -> Read {
        let read = self.subscriber.fall_behind();
        if !matches!(read, Read::TooSlow) {
            self.admission.metrics.slow_readers.inc();
        }
        read
    }

    fn item(read: Read, subscriber: &Subscriber) -> Result<Option<Item>, Ending> {
        match read {
            Read::Event(entry) => Ok(Some(Item::Event(entry))),
            Read::Gap(gap) => Ok(Some(Item::Gap(gap, subscriber.position().clone()))),
            Read::Nothing => Ok(None),
            Read::TooSlow => Err(Ending::TooSlow),
            Read::End => Err(Ending::TopicEnded),
        }
    }

    async fn step(&mut self) -> Step {
        let silent_until = self.last_sent + self.pace.heartbeat;
        let idle_until = self.last_event + self.pace.idle_timeout;
        // Looked at before anything else, since a stream that always has something to read ends too.
        if let Some(ending) = self.time_is_over(idle_until) {
            return Step::End(ending);
        }
        tokio::select! {
            biased;
            () = self.admission.ended.cancelled() => Step::End(Ending::Closed),
            () = self.subscriber.ready() => Step::Readable,
            count = next_count(&mut self.consumers) => Step::Consumers(count),
            () = sleep_until(silent_until.min(self.ends_at).min(idle_until)) => match self.time_is_over(idle_until) {
                Some(ending) => Step::End(ending),
                None => Step::Heartbeat,
            },
        }
    }

    fn time_is_over(&self, idle_until: Instant) -> Option<Ending> {
        let now = Instant::now();
        if self
            .pace
            .expires_at
            .is_some_and(|expires_at| now >= expires_at)
        {
            Some(Ending::Expired)
        } else if now >= self.ends_at {
            Some(Ending::LifetimeOver)
        } else if now >= idle_until {
            Some(Ending::Idle)
        } else {
            None
        }
    }
}

impl Drop for Delivery {
    /// A reader that took nothing until its socket was closed was slow, and nobody asked again on its behalf.
    fn drop(&mut self) {
        let was_stalled = self
            .handed_over
            .is_some_and(|at| at.elapsed() >= self.pace.write_timeout);
        if was_stalled {
            self.admission.metrics.slow_readers.inc();
        }
    }
}

/// Waits for a number of consumers that the reader has not been told.
async fn next_count(consumers: &mut Option<Consumers>) -> usize {
    let Some(consumers) = consumers else {
        return std::future::pending().await;
    };
    sleep_until(consumers.next_at).await;
    if consumers.count.changed().await.is_err() {
        return std::future::pending().await;
    }
    consumers.next_at = Instant::now() + CONSUMERS_INTERVAL;
    *consumers.count.borrow_and_update()
}
