//! A delivery as a stream of bytes in the event stream format: what is sent first, and how each item looks. What is sent
//! when is decided by the delivery, the headers by the route, and how the bytes get to the reader by the connection:
//! as the body of an answer, or by a thread that writes many streams, which a connection may offer to the body.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::time::Instant;

use crate::hub::Entry;
use crate::hub::batch::{Batch, Format};
use crate::hub::subscriber::Subscriber;
use crate::protocol::event::EventType;
use crate::protocol::event_stream::{
    push_comment, push_event_without_id, push_fields, push_id_and_dispatch, push_retry,
};
use crate::protocol::gap::Gap;
use crate::protocol::{CONSUMERS_EVENT, GAP_EVENT, HEARTBEAT_EVENT, TOPIC_EVENT, TYPE_EVENT};
use crate::server::limits::shares::Share;
use crate::server::limits::streams::StreamPermit;
use crate::server::ops::metrics::Tally;
use crate::server::stream::encoded::{Encoded, recent};
use crate::server::stream::session::{Delivery, Ending, Item, Pace};

/// How much a body gives at once, in bytes: a reader that takes so much within the write timeout is not too slow, however
/// large an event is.
const PIECE_BYTES: usize = 16 * 1_024;

/// What a reader asked for beside the topic's events.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extras {
    /// The number of consumers as events.
    pub(crate) consumers: bool,
    /// Heartbeats as events.
    pub(crate) heartbeat: bool,
    /// Before each event, the name of its topic as an event.
    pub(crate) topics: bool,
    /// Every publisher's event as a message, with an event before it that names its type.
    pub(crate) types: bool,
}

/// Sends what a subscriber reads until the stream has to end, as a body. The stream may be taken out of the body when its
/// beginning has been sent, which the transfer is for.
pub(crate) fn open(
    subscriber: Subscriber,
    admission: StreamPermit,
    pace: Pace,
    extras: Extras,
) -> (
    impl Stream<Item = Result<Bytes, Infallible>> + Send,
    Transfer,
) {
    let stream = EventStream::new(subscriber, admission, pace, extras);
    let transfer = Transfer::default();
    let state = (stream, transfer.clone());
    let body = stream::unfold(state, |(mut stream, transfer)| async move {
        if stream.has_begun() && transfer.is_wanted() {
            transfer.give(stream);
            return std::future::pending().await;
        }
        stream
            .next()
            .await
            .map(|chunk| (Ok(chunk), (stream, transfer)))
    });
    (body, transfer)
}

/// How long the reader of a stream may take nothing before its connection is closed, in the extensions of the answer.
#[derive(Clone, Copy)]
pub(crate) struct Patience(pub(crate) Duration);

/// The way of an event stream out of the body that it began in, to who writes it better. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Transfer(Arc<Mutex<TransferState>>);

#[derive(Default)]
enum TransferState {
    #[default]
    Unwanted,
    Wanted,
    Given(Box<EventStream>),
}

impl Transfer {
    /// Asks for the stream. It will be given when its beginning has been taken from the body, which then goes silent.
    pub(crate) fn want(&self) {
        *self.lock() = TransferState::Wanted;
    }

    /// Takes the stream, if it has been given.
    pub(crate) fn take(&self) -> Option<Box<EventStream>> {
        let mut state = self.lock();
        match std::mem::take(&mut *state) {
            TransferState::Given(stream) => Some(stream),
            other => {
                *state = other;
                None
            }
        }
    }

    fn is_wanted(&self) -> bool {
        matches!(*self.lock(), TransferState::Wanted)
    }

    fn give(&self, stream: EventStream) {
        *self.lock() = TransferState::Given(Box::new(stream));
    }

    /// Never held across an await.
    fn lock(&self) -> MutexGuard<'_, TransferState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a server that cannot serve a stream now sends in its place. An EventSource gives up for good on any status but
/// 200, so it gets one, and is told when to come back.
pub(crate) fn come_back_later(pace: Pace) -> String {
    let mut out = String::new();
    push_comment(&mut out, "no place is free: come back later");
    push_retry(&mut out, pace.jittered_retry().as_millis());
    out.push('\n');
    out
}

/// An event stream on its way.
pub(crate) struct EventStream {
    delivery: Delivery,
    extras: Extras,
    heartbeat: Duration,
    /// What is sent before anything else.
    opening: Option<Bytes>,
    /// The rest of what a body gives in pieces, and the batch that ends with it.
    rest: Bytes,
    batch: Option<Arc<Batch>>,
    /// Accounts for what is large and has not been taken.
    held: Option<Box<Share>>,
}

/// What is sent at once.
pub(crate) enum Chunk {
    /// Events: the same for all readers at one cursor that asked for the same.
    Events(Arc<Batch>),
    /// Bytes for this reader alone.
    Own(Bytes),
}

impl EventStream {
    fn new(subscriber: Subscriber, admission: StreamPermit, pace: Pace, extras: Extras) -> Self {
        let mut delivery = Delivery::new(subscriber, admission, pace, extras.consumers);
        let mut opening = String::new();
        push_comment(&mut opening, "fairwind");
        push_retry(&mut opening, pace.jittered_retry().as_millis());
        opening.push('\n');
        // The gap comes before the id that ends it: a reader that is cut off in between asks again and is told again.
        let (gap, position) = delivery.start();
        if let Some(gap) = gap {
            push_gap(&mut opening, &gap);
        }
        push_id_and_dispatch(&mut opening, &position);
        if extras.heartbeat {
            push_heartbeat(&mut opening, pace.heartbeat);
        }
        Self {
            delivery,
            extras,
            heartbeat: pace.heartbeat,
            opening: Some(opening.into()),
            rest: Bytes::new(),
            batch: None,
            held: None,
        }
    }

    /// Waits for the next bytes; there are none when the stream has ended.
    async fn next(&mut self) -> Option<Bytes> {
        self.delivery.take(Instant::now());
        if self.rest.is_empty() {
            self.held = None;
            (self.rest, self.batch) = match self.opening.take() {
                Some(opening) => (opening, None),
                None => match self.delivery.next().await {
                    Ok(item) => match self.chunk(item) {
                        Chunk::Events(batch) => {
                            let encoded =
                                recent::encoded(&batch, self.format(), || self.encode(&batch));
                            (encoded.bytes(), Some(batch))
                        }
                        Chunk::Own(bytes) => (bytes, None),
                    },
                    Err(ending) => {
                        tracing::debug!(?ending, "event stream ended");
                        return None;
                    }
                },
            };
        }
        if self.held.is_none() && self.rest.len() > PIECE_BYTES {
            match self.delivery.hold(self.rest.len()) {
                Ok(share) => self.held = Some(Box::new(share)),
                Err(exhausted) => {
                    tracing::debug!(?exhausted, "event stream ended: its reader is behind");
                    return None;
                }
            }
        }
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        let batch = if self.rest.is_empty() {
            self.batch.take()
        } else {
            None
        };
        let mut tally = Tally::default();
        self.delivery
            .hand_over(piece.len(), batch.as_deref(), Instant::now(), &mut tally);
        self.delivery.metrics().count(&mut tally);
        Some(piece)
    }

    /// What is to be written now, if anything is, or why the stream ends. The writer says how long a chunk is with
    /// [`Self::hand_over`], and writes all of it before it asks again; [`Self::delivery`] says when that is.
    pub(crate) fn poll(&mut self, now: Instant) -> Result<Option<Chunk>, Ending> {
        let item = self.delivery.poll(now)?;
        Ok(item.map(|item| self.chunk(item)))
    }

    /// A chunk of so many bytes, and of these events, is written now.
    pub(crate) fn hand_over(
        &mut self,
        bytes: usize,
        batch: Option<&Batch>,
        now: Instant,
        tally: &mut Tally,
    ) {
        self.delivery.hand_over(bytes, batch, now, tally);
    }

    /// The reader has taken some of the last chunk.
    pub(crate) fn take(&mut self, now: Instant) {
        self.delivery.take(now);
    }

    /// The reader has taken all of the last chunk; whether there is nothing else for it yet.
    pub(crate) fn rests(&mut self, now: Instant) -> bool {
        self.delivery.rests(now)
    }

    /// Whether the opening has been given, as a whole.
    fn has_begun(&self) -> bool {
        self.opening.is_none() && self.rest.is_empty()
    }

    /// What is sent when.
    pub(crate) fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// How an item looks.
    fn chunk(&self, item: Item) -> Chunk {
        let mut out = String::new();
        match item {
            Item::Batch(batch) => return Chunk::Events(batch),
            Item::Gap(gap, position) => {
                push_gap(&mut out, &gap);
                push_id_and_dispatch(&mut out, &position);
            }
            Item::Consumers(count) => push_named(&mut out, CONSUMERS_EVENT, &count.to_string()),
            Item::Heartbeat if self.extras.heartbeat => push_heartbeat(&mut out, self.heartbeat),
            Item::Heartbeat => out.push_str(":\n\n"),
        }
        Chunk::Own(out.into())
    }

    /// The format of this stream's events.
    pub(crate) fn format(&self) -> Format {
        let has_log_ids = self.delivery.subscriber().is_of_several();
        let flags = [self.extras.types, self.extras.topics, has_log_ids];
        Format(
            flags
                .into_iter()
                .fold(EVENT_STREAM, |format, flag| format << 1 | u8::from(flag)),
        )
    }

    /// A batch in that format.
    pub(crate) fn encode(&self, batch: &Batch) -> Encoded {
        let of_each = if self.extras.types || self.extras.topics {
            96
        } else {
            48
        };
        let capacity = batch.text_bytes() + batch.entries().len() * of_each;
        Encoded::new(capacity, |out| {
            for entry in batch.entries() {
                self.push_entry(out, entry);
            }
        })
    }

    /// An event after what the reader wants to know of it.
    fn push_entry(&self, out: &mut String, entry: &Entry) {
        let event_type = &entry.event.event_type;
        if self.extras.topics {
            push_named(out, TOPIC_EVENT, entry.topic.as_str());
        }
        // The end of a topic is the server's own event: it keeps its type.
        let is_named = self.extras.types && !entry.is_end && !event_type.is_message();
        if is_named {
            push_named(out, TYPE_EVENT, event_type.as_str());
        }
        let shown_type = if is_named {
            &EventType::default()
        } else {
            event_type
        };
        push_fields(out, shown_type, &entry.event.data);
        // The delay is for the readers of this topic: on a stream of several it would keep a reader from the others.
        if let Some(retry) = entry.retry.filter(|_| !self.extras.topics) {
            push_retry(out, retry.as_millis());
        }
        let subscriber = self.delivery.subscriber();
        if subscriber.is_of_several() {
            push_id_and_dispatch(out, &subscriber.id_of(entry));
        } else {
            push_id_and_dispatch(out, &entry.event.id);
        }
    }
}

/// The formats of event streams begin with this bit; see [`EventStream::format`].
const EVENT_STREAM: u8 = 1;

/// A heartbeat that a page can hear: it says how long a silence can be.
fn push_heartbeat(out: &mut String, interval: Duration) {
    push_named(out, HEARTBEAT_EVENT, &interval.as_millis().to_string());
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
    push_event_without_id(out, &EventType::constant(event_type), data);
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::{FutureExt, StreamExt};
    use regex::Regex;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::hub::publication::{Conditions, Publication};
    use crate::hub::subscriber::{SlowReader, Start, Subscription};
    use crate::hub::topic::Topic;
    use crate::hub::{Hub, Limits, Page};
    use crate::protocol::event::EventId;
    use crate::server::limits::streams::{StreamLimits, StreamRegistry};
    use crate::server::ops::metrics::Metrics;

    type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send>>;

    const PACE: Pace = Pace {
        retry: Duration::from_secs(2),
        heartbeat: Duration::from_secs(15),
        lifetime: Duration::from_secs(3_600),
        idle_timeout: Duration::from_secs(1_800),
        write_timeout: Duration::from_secs(10),
        socket_timeout: Duration::from_secs(10),
        expires_at: None,
    };

    fn limits() -> StreamLimits {
        StreamLimits {
            streams: [10, 10],
            subscriptions: [10, 10],
            held_bytes: [1 << 20, 1 << 20],
        }
    }

    fn registry() -> StreamRegistry {
        StreamRegistry::new(limits(), CancellationToken::new(), Metrics::default())
    }

    fn hub() -> Hub {
        Hub::new(Limits {
            events: 1_000,
            age: Duration::from_secs(86_400),
            bytes: 1 << 20,
            tail_bytes: 1 << 20,
            topics: 10,
            subscriptions: 1_000,
        })
    }

    fn publish(hub: &Hub, data: &str) {
        hub.publish(
            &Topic::clock(),
            Publication::text(data),
            Conditions::default(),
        )
        .now_or_never()
        .expect("a log in memory commits at once")
        .expect("published");
    }

    fn subscribe(hub: &Hub, start: Start, slow_reader: SlowReader) -> Subscriber {
        hub.subscribe(&Subscription::public(Topic::clock(), start, slow_reader))
            .expect("a subscriber")
    }

    fn start(
        hub: &Hub,
        slow_reader: SlowReader,
        pace: Pace,
        extras: Extras,
    ) -> (Chunks, StreamRegistry) {
        let streams = registry();
        let admission = streams.admit(None, 1).expect("a place");
        let subscriber = subscribe(hub, Start::Now, slow_reader);
        (body(subscriber, admission, pace, extras), streams)
    }

    fn body(subscriber: Subscriber, admission: StreamPermit, pace: Pace, extras: Extras) -> Chunks {
        let (body, _) = open(subscriber, admission, pace, extras);
        Box::pin(body)
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
        let id = hub
            .snapshot(
                &Topic::clock(),
                &Page {
                    max_bytes: usize::MAX,
                    count: 1,
                    before: None,
                    with_private: false,
                },
            )
            .last_event_id;
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
        let heartbeat = "event: heartbeat\ndata: 15000\n\n";
        let opening = next(&mut chunks).await;
        assert!(opening.ends_with(&format!("\n\n{heartbeat}")), "{opening}");
        assert_eq!(next(&mut chunks).await, heartbeat);
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
            .map(|_| subscribe(&hub, Start::Now, SlowReader::Disconnect))
            .collect();
        assert_eq!(next(&mut chunks).await, "event: consumers\ndata: 101\n\n");
        drop(crowd);
        assert_eq!(next(&mut chunks).await, "event: consumers\ndata: 1\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn types_are_named_before_their_events_which_are_messages_then() {
        let hub = hub();
        let extras = Extras {
            types: true,
            topics: true,
            ..Extras::default()
        };
        let (mut chunks, _streams) = start(&hub, SlowReader::Disconnect, PACE, extras);
        next(&mut chunks).await;
        let news = Publication {
            event_type: EventType::new("news").expect("a type"),
            ..Publication::text("a\nb")
        };
        hub.publish(&Topic::clock(), news, Conditions::default())
            .await
            .expect("published");
        publish(&hub, "plain");
        hub.end(&Topic::clock()).await.expect("ended");
        let sent = next(&mut chunks).await;
        let ids = Regex::new(r"id: #\S+").expect("a pattern");
        assert_eq!(
            ids.replace_all(&sent, "id: #"),
            "event: topic\ndata: clock\n\nevent: type\ndata: news\n\ndata: a\ndata: b\nid: #\n\n\
             event: topic\ndata: clock\n\ndata: plain\nid: #\n\n\
             event: topic\ndata: clock\n\nevent: end\ndata: clock\nid: #\n\n"
        );
        assert!(chunks.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_that_a_publisher_sets_is_sent_with_its_event() {
        let hub = hub();
        let (mut chunks, _streams) = start(&hub, SlowReader::Disconnect, PACE, Extras::default());
        next(&mut chunks).await;
        let news = Publication {
            event_type: EventType::new("news").expect("a type"),
            retry: Some(Duration::from_millis(1_500)),
            ..Publication::text("1")
        };
        let clock = Topic::clock();
        let published = hub.publish(&clock, news, Conditions::default()).await;
        let id = published.expect("published").id;
        assert_eq!(
            next(&mut chunks).await,
            format!("event: news\ndata: 1\nretry: 1500\nid: {id}\n\n")
        );
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
        let streams = registry();
        let subscriber = subscribe(&hub, Start::After(unknown), SlowReader::Disconnect);
        let position = subscriber.position().to_string();
        let admission = streams.admit(None, 1).expect("a place");
        let mut chunks = body(subscriber, admission, PACE, Extras::default());
        let opening = next(&mut chunks).await;
        let gap = format!(
            "event: gap\ndata: {{\"requested\":\"#old-7\",\"resumed_from\":\"{position}\"}}\n\nid: {position}\n\n"
        );
        assert!(opening.ends_with(&gap), "{opening}");
        assert!(next(&mut chunks).await.starts_with("data: 1\n"));
    }
}
