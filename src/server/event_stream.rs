//! A subscriber as a stream of bytes in the event stream format: what is sent first, when a heartbeat is due, and when
//! the stream ends. What a subscriber reads is decided by the hub, and the headers by the route.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::streams::Admission;
use crate::hub::subscriber::{Read, Subscriber};
use crate::protocol::event::EventType;
use crate::protocol::event_stream::{
    push_comment, push_event_without_id, push_id_and_dispatch, push_retry,
};
use crate::protocol::gap::Gap;
use crate::protocol::{CONSUMERS_EVENT, GAP_EVENT, HEARTBEAT_EVENT};

/// The shortest time between two events of type `consumers`, so that a crowd that comes at once is told in a few.
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
}

/// What a reader asked for beside the topic's events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extras {
    /// The number of consumers as events.
    pub(super) consumers: bool,
    /// Heartbeats as events.
    pub(super) heartbeat: bool,
}

/// Sends what a subscriber reads until the stream has to end.
pub(super) fn open(
    subscriber: Subscriber,
    admission: Admission,
    pace: Pace,
    extras: Extras,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let stream = EventStream::new(subscriber, admission, pace, extras);
    stream::unfold(stream, |mut stream| async move {
        stream.next().await.map(|chunk| (Ok(chunk), stream))
    })
}

/// What a server that cannot serve a stream now sends in its place. An EventSource gives up for good on any status but
/// 200, so it gets one, and is told when to come back.
pub(super) fn come_back_later(retry: Duration) -> String {
    let mut out = String::new();
    push_comment(&mut out, "no place is free: come back later");
    push_retry(&mut out, jittered_retry(retry).as_millis());
    out.push('\n');
    out
}

struct EventStream {
    subscriber: Subscriber,
    admission: Admission,
    pace: Pace,
    ends_at: Instant,
    /// What is to be sent before the next event.
    pending: VecDeque<Bytes>,
    /// When the last chunk was handed over, if the reader has not asked for more since. It asks at once unless its
    /// socket is full.
    handed_over: Option<Instant>,
    last_sent: Instant,
    last_event: Instant,
    heartbeat: Bytes,
    consumers: Option<Consumers>,
}

/// The number of consumers, for a reader that asked for it.
struct Consumers {
    count: watch::Receiver<usize>,
    next_at: Instant,
}

/// What happened first.
enum Step {
    End(&'static str),
    Readable,
    Consumers(usize),
    Heartbeat,
}

impl EventStream {
    fn new(mut subscriber: Subscriber, admission: Admission, pace: Pace, extras: Extras) -> Self {
        let now = Instant::now();
        let consumers = extras.consumers.then(|| {
            let mut count = subscriber.consumers();
            count.mark_changed();
            Consumers {
                count,
                next_at: now,
            }
        });
        let heartbeat = heartbeat_frame(pace.heartbeat, extras.heartbeat);
        let mut opening = String::new();
        push_comment(&mut opening, "fairwind");
        push_retry(&mut opening, jittered_retry(pace.retry).as_millis());
        opening.push('\n');
        // The gap comes before the id that ends it: a reader that is cut off in between asks again and is told again.
        if let Some(gap) = subscriber.take_gap() {
            push_gap(&mut opening, &gap);
        }
        push_id_and_dispatch(&mut opening, subscriber.position());
        let mut pending = VecDeque::from([Bytes::from(opening)]);
        if extras.heartbeat {
            pending.push_back(heartbeat.clone());
        }
        Self {
            subscriber,
            admission,
            pace,
            ends_at: now + jittered_lifetime(pace.lifetime),
            pending,
            handed_over: None,
            last_sent: now,
            last_event: now,
            heartbeat,
            consumers,
        }
    }

    /// The next chunk, or none when the stream has ended.
    async fn next(&mut self) -> Option<Bytes> {
        let was_stalled = self
            .handed_over
            .take()
            .is_some_and(|at| at.elapsed() > self.pace.write_timeout);
        if was_stalled {
            let read = self.subscriber.fall_behind();
            self.take(read).ok()?;
        }
        loop {
            if let Some(chunk) = self.pending.pop_front() {
                let now = Instant::now();
                self.last_sent = now;
                self.handed_over = Some(now);
                return Some(chunk);
            }
            match self.step().await {
                Step::End(reason) => {
                    tracing::debug!(reason, "stream ended");
                    return None;
                }
                Step::Readable => {
                    let read = self.subscriber.read();
                    self.take(read).ok()?;
                }
                Step::Consumers(count) => self.pending.push_back(consumers_frame(count)),
                Step::Heartbeat => self.pending.push_back(self.heartbeat.clone()),
            }
        }
    }

    async fn step(&mut self) -> Step {
        let silent_until = self.last_sent + self.pace.heartbeat;
        let idle_until = self.last_event + self.pace.idle_timeout;
        let now = Instant::now();
        if now >= self.ends_at {
            return Step::End("its lifetime is over");
        }
        if now >= idle_until {
            return Step::End("no event for as long as the idle timeout");
        }
        tokio::select! {
            biased;
            () = self.admission.ended.cancelled() => Step::End("all streams are ended"),
            () = self.subscriber.ready() => Step::Readable,
            count = next_count(&mut self.consumers) => Step::Consumers(count),
            () = sleep_until(silent_until) => Step::Heartbeat,
            () = sleep_until(self.ends_at.min(idle_until)) => Step::End("its time is over"),
        }
    }

    /// Queues what was read, or fails if the reader is to be disconnected.
    fn take(&mut self, read: Read) -> Result<(), TooSlow> {
        match read {
            Read::Event(entry) => {
                self.last_event = Instant::now();
                self.pending.push_back(entry.frame.clone());
                Ok(())
            }
            Read::Nothing => Ok(()),
            Read::Gap(gap) => {
                let mut frame = String::new();
                push_gap(&mut frame, &gap);
                push_id_and_dispatch(&mut frame, self.subscriber.position());
                self.pending.push_back(frame.into());
                Ok(())
            }
            Read::TooSlow => {
                tracing::debug!("stream ended: its reader is too slow");
                Err(TooSlow)
            }
        }
    }
}

struct TooSlow;

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

fn consumers_frame(count: usize) -> Bytes {
    event_frame(CONSUMERS_EVENT, &count.to_string())
}

fn heartbeat_frame(interval: Duration, is_visible: bool) -> Bytes {
    if is_visible {
        return event_frame(HEARTBEAT_EVENT, &interval.as_millis().to_string());
    }
    Bytes::from_static(b":\n\n")
}

fn event_frame(event_type: &'static str, data: &str) -> Bytes {
    let mut frame = String::new();
    push_named(&mut frame, event_type, data);
    frame.into()
}

fn push_gap(out: &mut String, gap: &Gap) {
    // Two ids, which are plain texts: this cannot fail.
    push_named(
        out,
        GAP_EVENT,
        &serde_json::to_string(gap).unwrap_or_default(),
    );
}

fn push_named(out: &mut String, event_type: &'static str, data: &str) {
    // The names of the server's own events are constants without line breaks.
    let event_type = EventType::new(event_type).unwrap_or_default();
    push_event_without_id(out, &event_type, data);
}

/// Spread over a fifth to either side, so that readers who lost one server do not find the next at one moment.
fn jittered_retry(retry: Duration) -> Duration {
    retry.mul_f64(0.8 + 0.4 * fastrand::f64())
}

/// Spread over the last fifth, so that streams which began together do not end together.
fn jittered_lifetime(lifetime: Duration) -> Duration {
    lifetime.mul_f64(0.8 + 0.2 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::StreamExt;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::hub::subscriber::{SlowReader, Start};
    use crate::hub::topic::Topic;
    use crate::hub::{History, Hub, Publication};
    use crate::protocol::event::EventId;
    use crate::server::Streams;

    type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send>>;

    const PACE: Pace = Pace {
        retry: Duration::from_secs(2),
        heartbeat: Duration::from_secs(15),
        lifetime: Duration::from_secs(3_600),
        idle_timeout: Duration::from_secs(1_800),
        write_timeout: Duration::from_secs(10),
    };

    fn hub() -> Hub {
        Hub::new(History {
            events: 1_000,
            age: Duration::from_secs(86_400),
            bytes: 1 << 20,
        })
    }

    fn publish(hub: &Hub, data: &str) {
        let publication = Publication {
            id: None,
            event_type: EventType::default(),
            data: data.to_owned(),
        };
        hub.publish(&Topic::clock(), publication);
    }

    fn start(hub: &Hub, slow_reader: SlowReader, pace: Pace, extras: Extras) -> (Chunks, Streams) {
        let streams = Streams::new(10, CancellationToken::new());
        let admission = streams.admit().expect("a place");
        let subscriber = hub.subscribe(&Topic::clock(), &Start::Now, slow_reader);
        (Box::pin(open(subscriber, admission, pace, extras)), streams)
    }

    async fn next(chunks: &mut Chunks) -> String {
        let chunk = chunks.next().await.expect("a chunk").expect("infallible");
        String::from_utf8(chunk.to_vec()).expect("UTF-8")
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_bytes_are_a_comment_the_retry_delay_and_a_priming_id() {
        let hub = hub();
        publish(&hub, "1");
        let (mut chunks, _streams) = start(&hub, SlowReader::Disconnect, PACE, Extras::default());
        let id = hub.snapshot(&Topic::clock(), 1).last_event_id;
        let opening = next(&mut chunks).await;
        let retry = opening
            .strip_prefix(": fairwind\nretry: ")
            .expect("the comment");
        let (retry, rest) = retry.split_once('\n').expect("a line");
        assert!(
            (1_600..=2_400).contains(&retry.parse().expect("milliseconds")),
            "{retry}"
        );
        assert_eq!(rest, format!("\nid: {id}\n\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_follows_a_silence_and_an_event_puts_it_off() {
        let hub = hub();
        let (mut chunks, _streams) = start(&hub, SlowReader::Disconnect, PACE, Extras::default());
        next(&mut chunks).await;
        let started = Instant::now();
        assert_eq!(next(&mut chunks).await, ":\n\n");
        assert_eq!(started.elapsed().as_secs(), 15);
        tokio::time::sleep(Duration::from_secs(8)).await;
        publish(&hub, "1");
        assert!(next(&mut chunks).await.starts_with("data: 1\n"));
        assert_eq!(next(&mut chunks).await, ":\n\n");
        assert_eq!(started.elapsed().as_secs(), 15 + 8 + 15);
    }

    #[tokio::test(start_paused = true)]
    async fn a_visible_heartbeat_says_how_long_a_silence_can_be() {
        let extras = Extras {
            heartbeat: true,
            ..Extras::default()
        };
        let (mut chunks, _streams) = start(&hub(), SlowReader::Disconnect, PACE, extras);
        next(&mut chunks).await;
        assert_eq!(next(&mut chunks).await, "event: heartbeat\ndata: 15000\n\n");
        assert_eq!(next(&mut chunks).await, "event: heartbeat\ndata: 15000\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn consumers_are_told_at_once_and_then_when_their_number_changes() {
        let hub = hub();
        let extras = Extras {
            consumers: true,
            ..Extras::default()
        };
        let (mut chunks, _streams) = start(&hub, SlowReader::Disconnect, PACE, extras);
        next(&mut chunks).await;
        assert_eq!(next(&mut chunks).await, "event: consumers\ndata: 1\n\n");
        let crowd: Vec<_> = (0..100)
            .map(|_| hub.subscribe(&Topic::clock(), &Start::Now, SlowReader::Disconnect))
            .collect();
        assert_eq!(next(&mut chunks).await, "event: consumers\ndata: 101\n\n");
        drop(crowd);
        assert_eq!(next(&mut chunks).await, "event: consumers\ndata: 1\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_within_the_last_fifth_of_its_lifetime() {
        let hub = hub();
        let (mut chunks, _streams) = start(&hub, SlowReader::Disconnect, PACE, Extras::default());
        let started = Instant::now();
        tokio::spawn(async move {
            loop {
                publish(&hub, "tick");
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        });
        while chunks.next().await.is_some() {}
        assert!(
            (2_880..=3_600).contains(&started.elapsed().as_secs()),
            "{:?}",
            started.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_events_ends_after_the_idle_timeout() {
        let (mut chunks, _streams) = start(&hub(), SlowReader::Disconnect, PACE, Extras::default());
        let started = Instant::now();
        while chunks.next().await.is_some() {}
        assert_eq!(started.elapsed().as_secs(), 1_800);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_all_streams_ends_each() {
        let (mut chunks, streams) = start(&hub(), SlowReader::Disconnect, PACE, Extras::default());
        next(&mut chunks).await;
        streams.close_all();
        assert!(chunks.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_took_nothing_for_the_write_timeout_loses_the_messages_or_the_stream() {
        for (policy, expected) in [
            (SlowReader::Skip, Some("event: gap\n")),
            (SlowReader::Latest, Some("data: 3\n")),
            (SlowReader::Disconnect, None),
        ] {
            let hub = hub();
            let (mut chunks, _streams) = start(&hub, policy, PACE, Extras::default());
            next(&mut chunks).await;
            for number in ["1", "2", "3"] {
                publish(&hub, number);
            }
            tokio::time::sleep(PACE.write_timeout + Duration::from_secs(1)).await;
            match expected {
                Some(expected) => {
                    assert!(next(&mut chunks).await.starts_with(expected), "{policy:?}")
                }
                None => assert!(chunks.next().await.is_none()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_is_told_before_the_id_that_ends_it() {
        let hub = hub();
        publish(&hub, "1");
        let unknown = EventId::new("#old-7").expect("an id");
        let streams = Streams::new(1, CancellationToken::new());
        let subscriber = hub.subscribe(
            &Topic::clock(),
            &Start::After(unknown),
            SlowReader::Disconnect,
        );
        let position = subscriber.position().to_string();
        let mut chunks: Chunks = Box::pin(open(
            subscriber,
            streams.admit().expect("a place"),
            PACE,
            Extras::default(),
        ));
        let opening = next(&mut chunks).await;
        let gap = format!(
            "event: gap\ndata: {{\"requested\":\"#old-7\",\"resumed_from\":\"{position}\"}}\n\nid: {position}\n\n"
        );
        assert!(opening.ends_with(&gap), "{opening}");
        assert!(next(&mut chunks).await.starts_with("data: 1\n"));
    }
}
