//! A delivery as a stream of bytes in the event stream format: what is sent first, and how each item looks. What is sent
//! when is decided by the delivery, and the headers by the route.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, stream};

use super::delivery::{Delivery, Item, Pace};
use super::streams::Admission;
use crate::hub::Entry;
use crate::hub::subscriber::Subscriber;
use crate::protocol::event::EventType;
use crate::protocol::event_stream::{
    push_comment, push_event_without_id, push_id_and_dispatch, push_retry,
};
use crate::protocol::gap::Gap;
use crate::protocol::{CONSUMERS_EVENT, GAP_EVENT, HEARTBEAT_EVENT, TOPIC_EVENT, TYPE_EVENT};

/// What a reader asked for beside the topic's events.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extras {
    /// The number of consumers as events.
    pub(super) consumers: bool,
    /// Heartbeats as events.
    pub(super) heartbeat: bool,
    /// Before each event, the name of its topic as an event.
    pub(super) topics: bool,
    /// Every publisher's event as a message, with an event before it that names its type.
    pub(super) types: bool,
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
pub(super) fn come_back_later(pace: Pace) -> String {
    let mut out = String::new();
    push_comment(&mut out, "no place is free: come back later");
    push_retry(&mut out, pace.jittered_retry().as_millis());
    out.push('\n');
    out
}

struct EventStream {
    delivery: Delivery,
    /// What is to be sent before the next item.
    pending: VecDeque<Bytes>,
    has_topics: bool,
    has_types: bool,
    heartbeat: Bytes,
}

impl EventStream {
    fn new(subscriber: Subscriber, admission: Admission, pace: Pace, extras: Extras) -> Self {
        let mut delivery = Delivery::new(subscriber, admission, pace, extras.consumers);
        let heartbeat = heartbeat_frame(pace.heartbeat, extras.heartbeat);
        let mut opening = String::new();
        push_comment(&mut opening, "fairwind");
        push_retry(&mut opening, pace.jittered_retry().as_millis());
        opening.push('\n');
        // The gap comes before the id that ends it: a reader that is cut off in between asks again and is told again.
        let (gap, position) = delivery.start();
        if let Some(gap) = gap {
            push_gap(&mut opening, &gap);
        }
        push_id_and_dispatch(&mut opening, position);
        let mut pending = VecDeque::from([Bytes::from(opening)]);
        if extras.heartbeat {
            pending.push_back(heartbeat.clone());
        }
        Self {
            delivery,
            pending,
            has_topics: extras.topics,
            has_types: extras.types,
            heartbeat,
        }
    }

    /// The next chunk, or none when the stream has ended.
    async fn next(&mut self) -> Option<Bytes> {
        let chunk = self.next_chunk().await?;
        self.delivery.hand_over(chunk.len());
        Some(chunk)
    }

    async fn next_chunk(&mut self) -> Option<Bytes> {
        if let Some(chunk) = self.pending.pop_front() {
            return Some(chunk);
        }
        match self.delivery.next().await {
            Ok(Item::Event(entry)) => Some(self.event(&entry)),
            Ok(Item::Gap(gap, position)) => {
                let mut frame = String::new();
                push_gap(&mut frame, &gap);
                push_id_and_dispatch(&mut frame, &position);
                Some(frame.into())
            }
            Ok(Item::Consumers(count)) => Some(event_frame(CONSUMERS_EVENT, &count.to_string())),
            Ok(Item::Heartbeat) => Some(self.heartbeat.clone()),
            Err(ending) => {
                tracing::debug!(?ending, "event stream ended");
                None
            }
        }
    }
}

impl EventStream {
    /// The event's frame, or what has to be sent before it, which is told in the same order for every event.
    fn event(&mut self, entry: &Entry) -> Bytes {
        // The end of a topic is no publisher's event: it keeps its type.
        let is_named = self.has_types && !entry.is_end && !entry.event.event_type.is_message();
        let mut before = String::new();
        if self.has_topics {
            push_named(&mut before, TOPIC_EVENT, entry.topic.as_str());
        }
        if is_named {
            push_named(&mut before, TYPE_EVENT, entry.event.event_type.as_str());
        }
        let frame = match is_named {
            true => as_message(&entry.frame),
            false => entry.frame.clone(),
        };
        if before.is_empty() {
            return frame;
        }
        self.pending.push_back(frame);
        before.into()
    }
}

/// The frame of an event of some type without its first line, which says that type. It shares the frame's bytes.
fn as_message(frame: &Bytes) -> Bytes {
    let end = frame.iter().position(|byte| *byte == b'\n');
    frame.slice(end.map_or(0, |end| end + 1)..)
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

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use futures_util::StreamExt;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::hub::publication::{Conditions, Publication};
    use crate::hub::subscriber::{SlowReader, Start, Subscription};
    use crate::hub::topic::Topic;
    use crate::hub::{Hub, Limits, Page};
    use crate::protocol::event::EventId;
    use crate::server::Streams;

    type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Infallible>> + Send>>;

    const PACE: Pace = Pace {
        retry: Duration::from_secs(2),
        heartbeat: Duration::from_secs(15),
        lifetime: Duration::from_secs(3_600),
        idle_timeout: Duration::from_secs(1_800),
        write_timeout: Duration::from_secs(10),
        expires_at: None,
    };

    fn hub() -> Hub {
        Hub::new(Limits {
            events: 1_000,
            age: Duration::from_secs(86_400),
            bytes: 1 << 20,
            topics: 10,
        })
    }

    fn publish(hub: &Hub, data: &str) {
        hub.publish(
            &Topic::clock(),
            Publication::text(data),
            Conditions::default(),
        )
        .expect("published");
    }

    fn subscribe(hub: &Hub, start: Start, slow_reader: SlowReader) -> Subscriber {
        hub.subscribe(&Subscription::public(Topic::clock(), start, slow_reader))
            .expect("a subscriber")
    }

    fn start(hub: &Hub, slow_reader: SlowReader, pace: Pace, extras: Extras) -> (Chunks, Streams) {
        let streams = Streams::new(10, CancellationToken::new());
        let admission = streams.admit().expect("a place");
        let subscriber = subscribe(hub, Start::Now, slow_reader);
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
        let id = hub
            .snapshot(
                &Topic::clock(),
                &Page {
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
            .expect("published");
        publish(&hub, "plain");
        hub.end(&Topic::clock()).expect("ended");
        assert_eq!(
            next(&mut chunks).await,
            "event: topic\ndata: clock\n\nevent: type\ndata: news\n\n"
        );
        assert!(
            next(&mut chunks)
                .await
                .starts_with("data: a\ndata: b\nid: #")
        );
        assert_eq!(next(&mut chunks).await, "event: topic\ndata: clock\n\n");
        assert!(next(&mut chunks).await.starts_with("data: plain\n"));
        assert_eq!(next(&mut chunks).await, "event: topic\ndata: clock\n\n");
        assert!(next(&mut chunks).await.starts_with("event: end\n"));
        assert!(chunks.next().await.is_none());
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
        let subscriber = subscribe(&hub, Start::After(unknown), SlowReader::Disconnect);
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
