//! What a reader is sent next, and when its stream ends: events as the subscriber reads them, heartbeats when it is
//! silent, the number of consumers, who is present. How that looks on the wire is left to [`super::wire`], and how it gets to a socket to
//! `net`. A task with one stream waits in [`StreamSession::next`]; a writer thread with many looks with
//! [`StreamSession::poll`] when a topic has news or the time has come:
//!
//! ```text
//! while let Some(item) = session.poll(now, &mut memo)? {
//!     session.begin_sending(bytes, batch, now, &mut stats);
//!     session.progress(now);                       // each time that the socket takes some of it
//!     if session.done(now) == Next::OnNews { break }   // when it has taken all
//! }
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, Version};
use tokio::time::{Instant, sleep_until};

use super::observer::{Observed, Observer};
use crate::hub::batch::Batch;
use crate::hub::presence::{PresenceGuard, PresenceUpdate, PresenceWatch};
use crate::hub::subscriber::{ReadMemo, ReadOutcome, Subscriber};
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;
use crate::server::auth::expiry::Expiry;
use crate::server::limits::shares::{Exhausted, Share};
use crate::server::limits::streams::StreamPermit;
use crate::server::ops::metrics::{DeliveryStats, Metrics};
use crate::server::ops::notices::Kind;

/// The shortest time between two numbers of consumers, and between two lists of names, so that a crowd that comes at once
/// causes a few.
const COUNT_INTERVAL: Duration = Duration::from_millis(500);

/// How much is read from the log at once, in bytes of text: what a reader that stops reading makes the server hold for
/// it, and enough that a long replay costs few writes.
const BATCH_BYTES: usize = 64 * 1_024;

/// How one stream is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamTimings {
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
pub(crate) enum StreamItem {
    /// The next events.
    Batch(Arc<Batch>),
    /// Events are missing; the id is where the reader is now.
    Gap(Gap, EventId),
    /// How many consumers these topics have.
    Consumers(Vec<(Topic, usize)>),
    /// Who is present in these topics, or what has changed of it.
    Presence(Vec<(Topic, PresenceUpdate)>),
    /// The silence has been long.
    Heartbeat,
}

/// Why a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseReason {
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
    /// The reader has what there was when it came, and wants no more.
    Read,
    /// The reader has not answered a ping.
    NoPong,
}

/// When a stream is polled next, after its reader has taken everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// At once: there may be more to send.
    Now,
    /// When a topic has news, or when it is due.
    OnNews,
}

/// What a reader is sent, from its first event to its last.
pub(crate) struct StreamSession {
    subscriber: Subscriber,
    admission: StreamPermit,
    heartbeat: Milliseconds,
    idle_timeout: Milliseconds,
    write_timeout: Milliseconds,
    socket_timeout: Milliseconds,
    ends_at: Instant,
    expires_at: Option<Box<Expiry>>,
    /// Set while something is not yet accepted by the socket; start of the stall clock.
    sending_since: Option<Instant>,
    /// The reader has taken nothing for longer than the write timeout, and goes on now.
    has_stalled: bool,
    last_sent: Instant,
    last_event: Instant,
    opened_at: Instant,
    /// What goes beyond the events, for a reader that asked for it.
    extras: Option<Box<Extras>>,
    /// Whether it ends when the reader has what there was when it came.
    ends_when_read: bool,
    /// Counts what is written, for a page that shows it.
    observed: Option<Box<Observed>>,
}

/// The number of consumers and who is present, for readers that ask; and the names of the reader itself.
struct Extras {
    consumers: Option<Consumers>,
    presence: Option<PresenceNews>,
    /// Keep the reader present until its stream ends.
    names: Vec<PresenceGuard>,
}

/// What a reader knows of the number of consumers.
struct Consumers {
    sent: Vec<(Topic, usize)>,
    next_at: Instant,
}

/// What a reader learns of the names of its topics.
struct PresenceNews {
    watches: Vec<PresenceWatch>,
    next_at: Instant,
}

/// The names that a reader gives, and those that it wants to know.
#[derive(Default)]
pub(crate) struct SessionPresence {
    /// Keep the reader present.
    pub(crate) names: Vec<PresenceGuard>,
    /// The topics of which the reader wants to know who is present.
    pub(crate) watches: Vec<PresenceWatch>,
}

/// A time in four bytes, since there are many streams. Longer ones are cut to 49 days.
#[derive(Debug, Clone, Copy)]
struct Milliseconds(u32);

impl From<Duration> for Milliseconds {
    fn from(duration: Duration) -> Self {
        let rounded_up = duration.as_nanos().div_ceil(1_000_000);
        Self(u32::try_from(rounded_up).unwrap_or(u32::MAX))
    }
}

impl Milliseconds {
    fn duration(self) -> Duration {
        Duration::from_millis(self.0.into())
    }
}

impl StreamTimings {
    /// The same, but for a stream that ends with a token, if that comes first.
    pub(crate) fn until(self, expires_at: Option<Expiry>) -> Self {
        Self { expires_at, ..self }
    }

    /// How long one reader waits before it comes back: spread over a fifth to either side, so that readers that lost one
    /// server do not find the next at one moment.
    pub(crate) fn jittered_retry(&self) -> Duration {
        self.retry.mul_f64(0.8 + 0.4 * fastrand::f64())
    }

    /// Spread over the last fifth, so that streams which began together do not end together.
    fn jittered_lifetime(&self) -> Duration {
        self.lifetime.mul_f64(0.8 + 0.2 * fastrand::f64())
    }
}

impl StreamSession {
    pub(crate) fn new(
        subscriber: Subscriber,
        admission: StreamPermit,
        timings: StreamTimings,
        with_consumers: bool,
    ) -> Self {
        let now = Instant::now();
        let lifetime_over = now + timings.jittered_lifetime();
        let extras = with_consumers.then(|| {
            Box::new(Extras {
                consumers: Some(Consumers {
                    sent: Vec::new(),
                    next_at: now,
                }),
                presence: None,
                names: Vec::new(),
            })
        });
        Self {
            subscriber,
            admission,
            ends_at: timings
                .expires_at
                .map_or(lifetime_over, |end| end.at().min(lifetime_over)),
            expires_at: timings.expires_at.map(Box::new),
            heartbeat: timings.heartbeat.into(),
            idle_timeout: timings.idle_timeout.into(),
            write_timeout: timings.write_timeout.into(),
            socket_timeout: timings.socket_timeout.into(),
            sending_since: None,
            has_stalled: false,
            last_sent: now,
            last_event: now,
            opened_at: now,
            extras,
            ends_when_read: false,
            observed: None,
        }
    }

    /// The same, but it ends when the reader has what there was when it came.
    pub(crate) fn ending_when_read(mut self) -> Self {
        self.ends_when_read = true;
        self
    }

    /// The same session of a reader that gives names, or wants to know them.
    pub(crate) fn with_presence(mut self, presence: SessionPresence) -> Self {
        let SessionPresence { names, watches } = presence;
        if !names.is_empty() || !watches.is_empty() {
            let consumers = self.extras.take().and_then(|extras| extras.consumers);
            let next_at = Instant::now();
            self.extras = Some(Box::new(Extras {
                consumers,
                presence: (!watches.is_empty()).then_some(PresenceNews { watches, next_at }),
                names,
            }));
        }
        self
    }

    /// The same session, counted by an observer, which can hold it and end it.
    pub(crate) fn observed_by(mut self, observer: &Arc<Observer>) -> Self {
        self.admission.ended = self.admission.ended.child_token();
        self.observed = Some(Box::new(observer.observe(self.admission.ended.clone())));
        self
    }

    /// The response is about to be written, and with it an opening of so many bytes, which is not announced otherwise.
    pub(crate) fn note_response(
        &mut self,
        version: Version,
        status: StatusCode,
        headers: &HeaderMap,
        opening: usize,
    ) {
        if let Some(observed) = &mut self.observed {
            observed.note_response(version, status, headers, opening);
        }
    }

    /// The client has sent so many bytes after its request.
    pub(crate) fn note_received(&self, bytes: usize) {
        if let Some(observed) = &self.observed {
            observed.note_received(bytes);
        }
    }

    /// Whether an observer can hold it.
    pub(crate) fn can_be_held(&self) -> bool {
        self.observed.is_some()
    }

    /// Until when an observer holds it. A stream without an observer does not look at the clock for this.
    fn held_until(&self) -> Option<Instant> {
        self.observed.as_ref()?.held_until(Instant::now())
    }

    /// What the reader asked for and cannot get, once; and the id from which it goes on.
    pub(crate) fn start(&mut self) -> (Option<Gap>, EventId) {
        let gap = self.subscriber.take_gap();
        if gap.is_some() {
            self.admission.metrics.gaps.inc();
        }
        (gap, self.subscriber.position())
    }

    /// Waits for what is to be sent next. Dropping the future and calling again loses nothing.
    ///
    /// # Errors
    ///
    /// Why the stream ends.
    pub(crate) async fn next(&mut self) -> Result<StreamItem, CloseReason> {
        loop {
            // Looked at before anything else, since a stream that always has something to read ends too.
            if self.is_closed() {
                return Err(CloseReason::Closed);
            }
            if let Some(item) = self.poll(Instant::now(), &mut ReadMemo::default())? {
                return Ok(item);
            }
            let due = self.due();
            let is_held = self.held_until().is_some();
            tokio::select! {
                () = self.admission.ended.cancelled() => {}
                () = self.subscriber.changed(self.watches_subscribers()), if !is_held => {}
                () = sleep_until(due) => {}
            }
        }
    }

    /// What is to be sent now, if anything is. Whether all streams have been ended is not looked at; see
    /// [`Self::is_closed`].
    ///
    /// # Errors
    ///
    /// Why the stream ends.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        memo: &mut ReadMemo,
    ) -> Result<Option<StreamItem>, CloseReason> {
        self.progress(now);
        self.sending_since = None;
        if let Some(observed) = &self.observed {
            // It can be ended alone, of which its writer is not notified.
            if self.is_closed() {
                return Err(CloseReason::Closed);
            }
            if observed.held_until(now).is_some() {
                return Ok(None);
            }
        }
        if std::mem::take(&mut self.has_stalled) {
            let read = self.handle_lag();
            if let Some(item) = self.item(read, now)? {
                return Ok(Some(item));
            }
        }
        if let Some(reason) = self.time_is_over(now) {
            return Err(reason);
        }
        while self.subscriber.is_ready() {
            let read = self.subscriber.read_shared(BATCH_BYTES, memo);
            if let Some(item) = self.item(read, now)? {
                return Ok(Some(item));
            }
        }
        if let Some(updates) = self.presence_to_send(now) {
            return Ok(Some(StreamItem::Presence(updates)));
        }
        if self.ends_when_read && self.subscriber.has_read_what_there_was() {
            return Err(CloseReason::Read);
        }
        if let Some(counts) = self.consumers_to_send(now) {
            return Ok(Some(StreamItem::Consumers(counts)));
        }
        let is_silent = now >= self.last_sent + self.heartbeat.duration();
        Ok(is_silent.then_some(StreamItem::Heartbeat))
    }

    /// So many bytes are sent from now on, and with them a batch if there is one. Every chunk is announced here before it is
    /// written.
    pub(crate) fn begin_sending(
        &mut self,
        bytes: usize,
        batch: Option<&Batch>,
        now: Instant,
        stats: &mut DeliveryStats,
    ) {
        stats.sent_bytes += bytes as u64;
        if let Some(observed) = &self.observed {
            observed.note_sent(bytes, batch);
        }
        if let Some(batch) = batch {
            let count = batch.entries().len() as u64;
            stats.delivered += count;
            // What was published before the reader came waited for the reader, not for the server.
            if let Some(first) = batch.entries().first()
                && first.appended_at() >= self.opened_at
            {
                let delay = now.saturating_duration_since(first.appended_at());
                stats.delays.add(delay, count);
            }
        }
        self.last_sent = now;
        self.sending_since = Some(now);
    }

    /// The socket has taken some of what is sent: the stall clock starts again.
    pub(crate) fn progress(&mut self, now: Instant) {
        if let Some(since) = &mut self.sending_since {
            self.has_stalled |=
                now.saturating_duration_since(*since) > self.write_timeout.duration();
            *since = now;
        }
    }

    /// The socket has taken all of it.
    pub(crate) fn done(&mut self, now: Instant) -> Next {
        self.progress(now);
        // A reader that had stalled is handled by the next poll, as one that has not lost anything.
        if self.has_stalled || self.ends_when_read || self.subscriber.is_ready() {
            Next::Now
        } else {
            self.sending_since = None;
            Next::OnNews
        }
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
            Kind::LagPolicy.notice(self.admission.client(), || {
                format!("a reader that left {bytes} bytes was disconnected: the server holds as much as --max-held-bytes or --max-held-bytes-per-address allows")
            });
        }
        held
    }

    /// The heartbeat's interval.
    pub(crate) fn heartbeat(&self) -> Duration {
        self.heartbeat.duration()
    }

    /// How long the reader's socket may take nothing before it is closed.
    pub(crate) fn socket_timeout(&self) -> Duration {
        self.socket_timeout.duration()
    }

    /// When there is something to be done even without any news.
    pub(crate) fn due(&self) -> Instant {
        if let Some(until) = self.held_until() {
            return until;
        }
        let due = (self.last_sent + self.heartbeat.duration())
            .min(self.last_event + self.idle_timeout.duration())
            .min(self.ends_at);
        match &self.extras {
            Some(extras) => extras.due(&self.subscriber).fold(due, Instant::min),
            None => due,
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

    /// Whether it sends the number of consumers, or who is present.
    pub(crate) fn watches_subscribers(&self) -> bool {
        self.extras
            .as_ref()
            .is_some_and(|extras| extras.consumers.is_some() || extras.presence.is_some())
    }

    /// Whether its reader is present under a name.
    pub(crate) fn is_present(&self) -> bool {
        self.extras
            .as_ref()
            .is_some_and(|extras| !extras.names.is_empty())
    }

    /// Where statistics are counted.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.admission.metrics
    }

    /// Counts a slow reader that may stay; one that may not is counted when its stream ends.
    fn handle_lag(&mut self) -> ReadOutcome {
        let read = self.subscriber.handle_lag();
        if !matches!(read, ReadOutcome::TooSlow) {
            self.count_as_slow("was sent on to the newest events");
        }
        read
    }

    fn item(&mut self, read: ReadOutcome, now: Instant) -> Result<Option<StreamItem>, CloseReason> {
        match read {
            ReadOutcome::Batch(batch) => {
                self.last_event = now;
                Ok(Some(StreamItem::Batch(batch)))
            }
            ReadOutcome::Gap(gap) => {
                self.admission.metrics.gaps.inc();
                Ok(Some(StreamItem::Gap(gap, self.subscriber.position())))
            }
            ReadOutcome::Nothing => Ok(None),
            ReadOutcome::TooSlow => {
                self.count_as_slow("was disconnected");
                Err(CloseReason::TooSlow)
            }
            ReadOutcome::End => Err(CloseReason::TopicEnded),
        }
    }

    fn count_as_slow(&self, outcome: &str) {
        self.admission.metrics.slow_readers.inc();
        Kind::LagPolicy.notice(self.admission.client(), || {
            let longest = humantime::format_duration(self.write_timeout.duration());
            format!(
                "a reader that is too slow {outcome}: it took nothing for {longest} (--write-timeout), or its next event is no longer kept"
            )
        });
    }

    fn time_is_over(&self, now: Instant) -> Option<CloseReason> {
        if self.expires_at.as_ref().is_some_and(|end| end.is_over(now)) {
            Some(CloseReason::Expired)
        } else if now >= self.ends_at {
            Some(CloseReason::LifetimeOver)
        } else if now >= self.last_event + self.idle_timeout.duration() {
            Some(CloseReason::Idle)
        } else {
            None
        }
    }

    /// The numbers of consumers that the reader does not know, if they may be sent again.
    fn consumers_to_send(&mut self, now: Instant) -> Option<Vec<(Topic, usize)>> {
        let consumers = self.extras.as_mut()?.consumers.as_mut()?;
        if now < consumers.next_at {
            return None;
        }
        let counts: Vec<_> = consumers
            .unsent(&self.subscriber)
            .map(|(topic, count)| (topic.clone(), count))
            .collect();
        if counts.is_empty() {
            return None;
        }
        for (topic, count) in &counts {
            match consumers.sent.iter_mut().find(|(known, _)| known == topic) {
                Some((_, sent)) => *sent = *count,
                None => consumers.sent.push((topic.clone(), *count)),
            }
        }
        consumers.next_at = now + COUNT_INTERVAL;
        Some(counts)
    }

    /// What the reader does not know of who is present, if it may be sent again.
    fn presence_to_send(&mut self, now: Instant) -> Option<Vec<(Topic, PresenceUpdate)>> {
        let presence = self.extras.as_mut()?.presence.as_mut()?;
        if now < presence.next_at {
            return None;
        }
        let changed = presence
            .watches
            .iter_mut()
            .filter(|watch| watch.has_changed());
        let updates: Vec<_> = changed
            .filter_map(|watch| Some((watch.take()?, watch)))
            .map(|(update, watch)| (watch.topic().clone(), update))
            .collect();
        if updates.is_empty() {
            return None;
        }
        presence.next_at = now + COUNT_INTERVAL;
        Some(updates)
    }
}

impl Extras {
    /// When there is something to send of each.
    fn due(&self, subscriber: &Subscriber) -> impl Iterator<Item = Instant> {
        let consumers = self.consumers.as_ref();
        let consumers = consumers.filter(|consumers| consumers.unsent(subscriber).next().is_some());
        let presence = self.presence.as_ref();
        let presence =
            presence.filter(|presence| presence.watches.iter().any(PresenceWatch::has_changed));
        let consumers = consumers.map(|consumers| consumers.next_at);
        consumers
            .into_iter()
            .chain(presence.map(|presence| presence.next_at))
    }
}

impl Consumers {
    /// The topics of whose number the reader does not know.
    fn unsent<'a>(
        &'a self,
        subscriber: &'a Subscriber,
    ) -> impl Iterator<Item = (&'a Topic, usize)> {
        subscriber.consumers().filter(|(topic, count)| {
            let mut sent = self.sent.iter();
            !sent.any(|(known, sent)| known == *topic && sent == count)
        })
    }
}

impl Drop for StreamSession {
    /// Counts a stalled reader whose socket was closed before the next poll.
    fn drop(&mut self) {
        let was_stalled = self
            .sending_since
            .is_some_and(|since| since.elapsed() >= self.write_timeout.duration());
        if was_stalled {
            self.count_as_slow("was disconnected");
        }
    }
}
