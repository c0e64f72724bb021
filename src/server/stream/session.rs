//! What a reader is to be sent next, and when its stream ends: events as the subscriber reads them, heartbeats when it is
//! silent, the number of consumers. Every way in which a stream is written asks here; how it looks on the wire
//! (`event_stream`, `websocket`), and how it gets there, is theirs. Whoever has a task for the stream waits in
//! [`Delivery::next`]; whoever has many streams looks with [`Delivery::poll`] when a topic has news or the time has come.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::hub::batch::Batch;
use crate::hub::subscriber::{Read, Subscriber};
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;
use crate::server::auth::expiry::Expiry;
use crate::server::limits::shares::{Exhausted, Share};
use crate::server::limits::streams::StreamPermit;
use crate::server::ops::metrics::{Metrics, Tally};
use crate::server::ops::notices::Kind;

/// The shortest time between two numbers of consumers, so that a crowd that comes at once is told in a few.
const CONSUMERS_INTERVAL: Duration = Duration::from_millis(500);

/// How much is read from the log at once, in bytes of text: what a reader that stops reading makes the server hold for
/// it, and enough that a long replay costs few writes.
const BATCH_BYTES: usize = 64 * 1_024;

/// How one stream is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long the reader waits before it connects again, before jitter.
    pub(crate) retry: Duration,
    /// The longest silence.
    pub(crate) heartbeat: Duration,
    /// The longest time that a stream is open, before jitter.
    pub(crate) lifetime: Duration,
    /// The longest time without an event.
    pub(crate) idle_timeout: Duration,
    /// How long a reader may take nothing before it counts as slow.
    pub(crate) write_timeout: Duration,
    /// How long its socket may take nothing before it is closed.
    pub(crate) socket_timeout: Duration,
    /// When the stream ends whatever its lifetime, if its reader's right to read does.
    pub(crate) expires_at: Option<Expiry>,
}

/// Something to send.
#[derive(Debug)]
pub(crate) enum Item {
    /// The next events.
    Batch(Arc<Batch>),
    /// Events are missing; the id is where the reader is now.
    Gap(Gap, EventId),
    /// How many consumers the topic has.
    Consumers(usize),
    /// Nothing, but the silence has been long.
    Heartbeat,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
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
pub(crate) struct Delivery {
    subscriber: Subscriber,
    admission: StreamPermit,
    pace: Pace,
    ends_at: Instant,
    /// When something was handed over last, if the reader has not asked for more since. It asks at once unless its
    /// socket is full.
    handed_over: Option<Instant>,
    /// The reader has taken nothing for longer than the write timeout, and goes on now.
    has_stalled: bool,
    last_sent: Instant,
    last_event: Instant,
    opened_at: Instant,
    /// The number of consumers, for a reader that asked for it.
    consumers: Option<Consumers>,
}

/// What a reader knows of the number of consumers.
struct Consumers {
    told: Option<usize>,
    next_at: Instant,
}

impl Pace {
    /// The same, but for a stream that ends with a token, if that comes first.
    pub(crate) fn until(self, expires_at: Option<Expiry>) -> Self {
        Self { expires_at, ..self }
    }

    /// How long one reader waits before it comes back: spread over a fifth to either side, so that readers who lost one
    /// server do not find the next at one moment.
    pub(crate) fn jittered_retry(&self) -> Duration {
        self.retry.mul_f64(0.8 + 0.4 * fastrand::f64())
    }

    /// Spread over the last fifth, so that streams which began together do not end together.
    fn jittered_lifetime(&self) -> Duration {
        self.lifetime.mul_f64(0.8 + 0.2 * fastrand::f64())
    }
}

impl Delivery {
    pub(crate) fn new(
        subscriber: Subscriber,
        admission: StreamPermit,
        pace: Pace,
        with_consumers: bool,
    ) -> Self {
        let now = Instant::now();
        let lifetime_over = now + pace.jittered_lifetime();
        let consumers = with_consumers.then_some(Consumers {
            told: None,
            next_at: now,
        });
        Self {
            subscriber,
            admission,
            pace,
            ends_at: pace
                .expires_at
                .map_or(lifetime_over, |end| end.at().min(lifetime_over)),
            handed_over: None,
            has_stalled: false,
            last_sent: now,
            last_event: now,
            opened_at: now,
            consumers,
        }
    }

    /// What the reader asked for and cannot get, once; and the id from which it goes on.
    pub(crate) fn start(&mut self) -> (Option<Gap>, EventId) {
        let gap = self.subscriber.take_gap();
        if gap.is_some() {
            self.admission.metrics.gaps.inc();
        }
        (gap, self.subscriber.position())
    }

    /// Waits for what is to be sent next, or says why nothing is any more. Dropping the future and calling again loses
    /// nothing.
    pub(crate) async fn next(&mut self) -> Result<Item, Ending> {
        loop {
            // Looked at before anything else, since a stream that always has something to read ends too.
            if self.is_closed() {
                return Err(Ending::Closed);
            }
            if let Some(item) = self.poll(Instant::now())? {
                return Ok(item);
            }
            let due = self.due();
            tokio::select! {
                () = self.admission.ended.cancelled() => {}
                () = self.subscriber.changed(self.consumers.is_some()) => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// What is to be sent now, if anything is, or why nothing is any more. It does not look whether all streams have
    /// been ended; see [`Self::is_closed`].
    pub(crate) fn poll(&mut self, now: Instant) -> Result<Option<Item>, Ending> {
        self.take(now);
        self.handed_over = None;
        if std::mem::take(&mut self.has_stalled) {
            let read = self.fall_behind();
            if let Some(item) = self.item(read, now)? {
                return Ok(Some(item));
            }
        }
        if let Some(ending) = self.time_is_over(now) {
            return Err(ending);
        }
        while self.subscriber.is_ready() {
            let read = self.subscriber.read(BATCH_BYTES);
            if let Some(item) = self.item(read, now)? {
                return Ok(Some(item));
            }
        }
        if let Some(count) = self.consumers_to_tell(now) {
            return Ok(Some(Item::Consumers(count)));
        }
        let is_silent = now >= self.last_sent + self.pace.heartbeat;
        Ok(is_silent.then_some(Item::Heartbeat))
    }

    /// The reader has taken some of what was handed over.
    pub(crate) fn take(&mut self, now: Instant) {
        if let Some(at) = &mut self.handed_over {
            self.has_stalled |= now.saturating_duration_since(*at) > self.pace.write_timeout;
            *at = now;
        }
    }

    /// The reader has taken all of it; whether there is nothing to read, so that only time brings something to send.
    pub(crate) fn rests(&mut self, now: Instant) -> bool {
        self.take(now);
        // One that had stalled, and has everything now, is looked at as one that has not lost anything.
        let rests = !self.has_stalled && !self.subscriber.is_ready();
        if rests {
            self.handed_over = None;
        }
        rests
    }

    /// Accounts for bytes that the reader does not take for now.
    ///
    /// # Errors
    ///
    /// If the server holds too much already: then the reader is too slow, and counted as such.
    pub(crate) fn hold(&self, bytes: usize) -> Result<Share, Exhausted> {
        let held = self.admission.hold(bytes);
        if held.is_err() {
            self.admission.metrics.slow_readers.inc();
            Kind::SlowReader.notice(self.admission.client(), || {
                format!("a reader that left {bytes} bytes was disconnected: the server holds as much as --max-held-bytes or --max-held-bytes-per-address allows")
            });
        }
        held
    }

    /// How long the reader's socket may take nothing before it is closed.
    pub(crate) fn socket_timeout(&self) -> Duration {
        self.pace.socket_timeout
    }

    /// When there is something to be done even without any news.
    pub(crate) fn due(&self) -> Instant {
        let due = (self.last_sent + self.pace.heartbeat)
            .min(self.last_event + self.pace.idle_timeout)
            .min(self.ends_at);
        match (&self.consumers, self.subscriber.consumers()) {
            (Some(consumers), Some(count)) if consumers.told != Some(count) => {
                due.min(consumers.next_at)
            }
            _ => due,
        }
    }

    /// Whether all streams have been ended, and this one with them.
    pub(crate) fn is_closed(&self) -> bool {
        self.admission.ended.is_cancelled()
    }

    /// What the stream reads.
    pub(crate) fn subscriber(&self) -> &Subscriber {
        &self.subscriber
    }

    /// Whether it is told of the number of consumers.
    pub(crate) fn counts_consumers(&self) -> bool {
        self.consumers.is_some()
    }

    /// Where what has been tallied is counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.admission.metrics
    }

    /// So many bytes are handed over to be written now, and with them the last of a batch if there is one; whoever writes
    /// says so for everything, and then asks for what is next as soon as it has been taken. Of what is large it says with
    /// [`Self::take`] when some has been taken: then a reader that is slow is told from one that takes nothing.
    pub(crate) fn hand_over(
        &mut self,
        bytes: usize,
        batch: Option<&Batch>,
        now: Instant,
        tally: &mut Tally,
    ) {
        tally.sent_bytes += bytes as u64;
        if let Some(batch) = batch {
            let count = batch.entries().len() as u64;
            tally.delivered += count;
            // What was there before the reader came waited for the reader, not for the server.
            if let Some(first) = batch.entries().first()
                && first.appended_at() >= self.opened_at
            {
                let delay = now.saturating_duration_since(first.appended_at());
                tally.delays.add(delay, count);
            }
        }
        self.last_sent = now;
        self.handed_over = Some(now);
    }

    /// A reader that is slow and may stay is counted here; one that may not, when its stream ends.
    fn fall_behind(&mut self) -> Read {
        let read = self.subscriber.fall_behind();
        if !matches!(read, Read::TooSlow) {
            self.count_as_slow("was sent on to the newest events");
        }
        read
    }

    fn item(&mut self, read: Read, now: Instant) -> Result<Option<Item>, Ending> {
        let metrics = &self.admission.metrics;
        match read {
            Read::Batch(batch) => {
                self.last_event = now;
                Ok(Some(Item::Batch(batch)))
            }
            Read::Gap(gap) => {
                metrics.gaps.inc();
                Ok(Some(Item::Gap(gap, self.subscriber.position())))
            }
            Read::Nothing => Ok(None),
            Read::TooSlow => {
                self.count_as_slow("was disconnected");
                Err(Ending::TooSlow)
            }
            Read::End => Err(Ending::TopicEnded),
        }
    }

    fn count_as_slow(&self, outcome: &str) {
        self.admission.metrics.slow_readers.inc();
        Kind::SlowReader.notice(self.admission.client(), || {
            let patience = humantime::format_duration(self.pace.write_timeout);
            format!(
                "a reader that is too slow {outcome}: it took nothing for {patience} (--write-timeout), or its next event is no longer kept"
            )
        });
    }

    fn time_is_over(&self, now: Instant) -> Option<Ending> {
        if self.pace.expires_at.is_some_and(|end| end.is_over(now)) {
            Some(Ending::Expired)
        } else if now >= self.ends_at {
            Some(Ending::LifetimeOver)
        } else if now >= self.last_event + self.pace.idle_timeout {
            Some(Ending::Idle)
        } else {
            None
        }
    }

    /// A number of consumers that the reader has not been told, if it may be told again.
    fn consumers_to_tell(&mut self, now: Instant) -> Option<usize> {
        let consumers = self.consumers.as_mut()?;
        let count = self.subscriber.consumers()?;
        if consumers.told == Some(count) || now < consumers.next_at {
            return None;
        }
        consumers.told = Some(count);
        consumers.next_at = now + CONSUMERS_INTERVAL;
        Some(count)
    }
}

impl Drop for Delivery {
    /// A reader that took nothing until its socket was closed was slow, and nobody asked again on its behalf.
    fn drop(&mut self) {
        let was_stalled = self
            .handed_over
            .is_some_and(|at| at.elapsed() >= self.pace.write_timeout);
        if was_stalled {
            self.count_as_slow("was disconnected");
        }
    }
}
