//! How a stream looks in the event stream format (WHATWG HTML, section 9.2): its opening, each item, and each event with
//! what the reader asked for beside it. Functions from facts to text; when something is sent is left to the session.

use std::time::Duration;

use crate::hub::Entry;
use crate::hub::batch::Batch;
use crate::hub::presence::PresenceUpdate;
use crate::hub::topic::Topic;
use crate::protocol::event::{EventId, EventType};
use crate::protocol::event_stream::{
    push_comment, push_event_without_id, push_fields, push_id_and_dispatch, push_retry,
};
use crate::protocol::gap::Gap;
use crate::protocol::{
    CONSUMERS_EVENT, GAP_EVENT, HEARTBEAT_EVENT, PRESENCE_EVENT, TOPIC_EVENT, TYPE_EVENT,
};
use crate::server::stream::json::{ConsumersJson, EventJson, PresenceJson, to_text};
use crate::server::stream::session::{StreamSession, StreamTimings};

/// What a reader asked for beside the topic's events.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StreamOptions {
    /// The number of consumers as events.
    pub(crate) consumers: bool,
    /// Who is present, as events.
    pub(crate) presence: bool,
    /// Heartbeats as events.
    pub(crate) heartbeat: bool,
    /// Before each event, the name of its topic as an event.
    pub(crate) topics: bool,
    /// Every publisher's event as a message, with an event before it that names its type.
    pub(crate) types: bool,
    /// Every event as a message whose data is the JSON of a WebSocket's frame.
    pub(crate) json: bool,
}

/// What a server that cannot serve a stream now sends in its place. An EventSource gives up for good on any status but
/// 200, so it gets one, and the time after which it comes back.
pub(crate) fn come_back_later(timings: StreamTimings) -> String {
    let mut out = String::new();
    push_comment(&mut out, "no place is free: come back later");
    push_retry(&mut out, timings.jittered_retry().as_millis());
    out.push('\n');
    out
}

/// What is sent before anything else. A stream of JSON begins with the end of each topic that had ended already.
pub(super) fn opening(
    session: &mut StreamSession,
    timings: &StreamTimings,
    options: StreamOptions,
    ended: &[Topic],
) -> String {
    let mut out = String::new();
    push_comment(&mut out, "fairwind");
    push_retry(&mut out, timings.jittered_retry().as_millis());
    out.push('\n');
    let (gap, position) = session.start();
    if let Some(gap) = &gap {
        push_gap(&mut out, gap, &position);
    }
    // Firefox takes an id from an event with data only: a heartbeat that is asked for as an event carries it.
    if options.heartbeat {
        push_fields(
            &mut out,
            &EventType::constant(HEARTBEAT_EVENT),
            &timings.heartbeat.as_millis().to_string(),
        );
        push_id_and_dispatch(&mut out, &position);
    } else if gap.is_none() {
        push_id_and_dispatch(&mut out, &position);
    }
    if options.json {
        for topic in ended {
            push_json(&mut out, &EventJson::earlier_end(topic));
            out.push('\n');
        }
    }
    out
}

/// Events are missing, up to a position. The gap comes before the id that ends it: a reader that is cut off in between asks again
/// and learns of it again.
pub(super) fn push_gap(out: &mut String, gap: &Gap, position: &EventId) {
    // Two ids, which are plain texts: this cannot fail.
    let data = serde_json::to_string(gap).unwrap_or_default();
    push_named(out, GAP_EVENT, &data);
    push_id_and_dispatch(out, position);
}

/// The numbers of consumers.
pub(super) fn push_consumers(out: &mut String, options: StreamOptions, counts: &[(Topic, usize)]) {
    for (topic, count) in counts {
        let data = if options.json {
            to_text(&ConsumersJson {
                topic: Some(topic.as_str()),
                consumers: *count,
            })
        } else {
            count.to_string()
        };
        push_named(out, CONSUMERS_EVENT, &data);
    }
}

/// Who is present.
pub(super) fn push_presence(out: &mut String, updates: &[(Topic, PresenceUpdate)]) {
    for (topic, update) in updates {
        let data = to_text(&PresenceJson::new(Some(topic.as_str()), update));
        push_named(out, PRESENCE_EVENT, &data);
    }
}

/// A heartbeat: a comment, or an event that says how long a silence can be, for a page that wants to hear it.
pub(super) fn push_heartbeat(out: &mut String, options: StreamOptions, interval: Duration) {
    if options.heartbeat {
        push_named(out, HEARTBEAT_EVENT, &interval.as_millis().to_string());
    } else {
        out.push_str(":\n\n");
    }
}

/// The events of a batch as a session's reader knows them.
pub(super) fn events(batch: &Batch, options: StreamOptions, session: &StreamSession) -> String {
    let of_each = if options.types || options.topics || options.json {
        96
    } else {
        32
    };
    let capacity = batch.text_bytes() + batch.entries().len() * of_each;
    let mut out = String::with_capacity(capacity);
    let subscriber = session.subscriber();
    for entry in batch.entries() {
        if options.json {
            let event = EventJson::new(entry);
            let is_of_one = entry.topics().nth(1).is_none();
            let event = if is_of_one {
                event
            } else {
                event.by_topics(subscriber.topics_of(entry))
            };
            push_json(&mut out, &event);
        } else {
            push_entry(&mut out, entry, options);
        }
        if subscriber.uses_log_ids() {
            push_id_and_dispatch(&mut out, &subscriber.id_of(entry));
        } else {
            push_id_and_dispatch(&mut out, &entry.event.id);
        }
    }
    out
}

/// An event without its id, after what the reader wants to know of it.
fn push_entry(out: &mut String, entry: &Entry, options: StreamOptions) {
    let event_type = &entry.event.event_type;
    if options.topics {
        push_named(out, TOPIC_EVENT, entry.topic.as_str());
    }
    // The end of a topic is the server's own event: it keeps its type.
    let is_named = options.types && !entry.is_end && !event_type.is_message();
    if is_named {
        push_named(out, TYPE_EVENT, event_type.as_str());
        push_fields(out, &EventType::default(), &entry.event.data);
    } else {
        push_fields(out, event_type, &entry.event.data);
    }
    // The delay is for the readers of this topic: on a stream of several it would keep a reader from the others.
    if let Some(retry) = entry.retry.filter(|_| !options.topics) {
        push_retry(out, retry.as_millis());
    }
}

fn push_json(out: &mut String, event: &EventJson<'_>) {
    push_fields(out, &EventType::default(), &to_text(event));
}

fn push_named(out: &mut String, event_type: &'static str, data: &str) {
    push_event_without_id(out, &EventType::constant(event_type), data);
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use bytes::Bytes;
    use futures_util::{FutureExt, Stream, StreamExt};
    use regex::Regex;
    use tokio_util::sync::CancellationToken;

    use tokio::time::Instant;

    use super::*;
    use crate::hub::presence::Name;
    use crate::hub::publish::{Preconditions, PublishRequest};
    use crate::hub::subscriber::{LagPolicy, Start, Subscriber, Subscription};
    use crate::hub::{HistoryQuery, Hub, Limits};
    use crate::server::limits::streams::{StreamLimits, StreamPermit, StreamRegistry};
    use crate::server::ops::metrics::Metrics;
    use crate::server::stream::session::SessionPresence;
    use crate::server::stream::wire::WireStream;

    type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>;

    const TIMINGS: StreamTimings = StreamTimings {
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
            PublishRequest::text(data),
            Preconditions::default(),
        )
        .now_or_never()
        .expect("a log in memory commits at once")
        .expect("published");
    }

    fn subscribe(hub: &Hub, start: Start, slow_reader: LagPolicy) -> Subscriber {
        hub.subscribe(&Subscription::public(Topic::clock(), start, slow_reader))
            .expect("a subscriber")
    }

    fn start(
        hub: &Hub,
        slow_reader: LagPolicy,
        timings: StreamTimings,
        options: StreamOptions,
    ) -> (Chunks, StreamRegistry) {
        let streams = StreamRegistry::new(limits(), CancellationToken::new(), Metrics::default());
        let admission = streams.admit(None, 1).expect("a place");
        let subscriber = subscribe(hub, Start::Now, slow_reader);
        (body(subscriber, admission, timings, options), streams)
    }

    fn body(
        subscriber: Subscriber,
        admission: StreamPermit,
        timings: StreamTimings,
        options: StreamOptions,
    ) -> Chunks {
        let session = StreamSession::new(subscriber, admission, timings, options.consumers);
        let stream = WireStream::events(session, &timings, options, None, &[]);
        Box::pin(stream.into_body().into_data_stream())
    }

    async fn next(chunks: &mut Chunks) -> String {
        let chunk = chunks.next().await.expect("a chunk").expect("no error");
        String::from_utf8(chunk.to_vec()).expect("UTF-8")
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_bytes_are_a_comment_the_retry_delay_and_a_priming_id() {
        let hub = hub();
        publish(&hub, "1");
        let (mut chunks, _streams) = start(
            &hub,
            LagPolicy::Disconnect,
            TIMINGS,
            StreamOptions::default(),
        );
        let id = hub
            .snapshot(
                &Topic::clock(),
                &HistoryQuery {
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
        let (mut chunks, _streams) = start(
            &hub,
            LagPolicy::Disconnect,
            TIMINGS,
            StreamOptions::default(),
        );
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
    async fn a_visible_heartbeat_says_how_long_a_silence_can_be_and_the_first_has_the_id() {
        let options = StreamOptions {
            heartbeat: true,
            ..StreamOptions::default()
        };
        let (mut chunks, _streams) = start(&hub(), LagPolicy::Disconnect, TIMINGS, options);
        let opening = next(&mut chunks).await;
        let (_, first) = opening.split_once("\n\n").expect("a blank line");
        let fields = "event: heartbeat\ndata: 15000\n";
        let id = first.strip_prefix(fields).expect("a heartbeat");
        assert!(id.starts_with("id: #"), "{first}");
        assert!(id.ends_with("-0\n\n"), "{first}");
        assert_eq!(next(&mut chunks).await, format!("{fields}\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn consumers_are_told_at_once_and_then_when_their_number_changes() {
        let hub = hub();
        let options = StreamOptions {
            consumers: true,
            ..StreamOptions::default()
        };
        let (mut chunks, _streams) = start(&hub, LagPolicy::Disconnect, TIMINGS, options);
        next(&mut chunks).await;
        assert_eq!(next(&mut chunks).await, "event: consumers\ndata: 1\n\n");
        let crowd: Vec<_> = (0..100)
            .map(|_| subscribe(&hub, Start::Now, LagPolicy::Disconnect))
            .collect();
        assert_eq!(next(&mut chunks).await, "event: consumers\ndata: 101\n\n");
        drop(crowd);
        assert_eq!(next(&mut chunks).await, "event: consumers\ndata: 1\n\n");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_present_is_told_at_once_and_then_what_has_changed_in_half_a_second() {
        let hub = hub();
        let task = hub.clone().keep_within_limits(CancellationToken::new());
        let task = tokio::spawn(task);
        let enter = |text| {
            let name = Name::new(text).expect("a name");
            let grace = Duration::from_secs(4);
            let entered = hub.enter(&Topic::clock(), name, grace, Box::new(()));
            entered.expect("a place")
        };
        let streams = StreamRegistry::new(limits(), CancellationToken::new(), Metrics::default());
        let subscriber = subscribe(&hub, Start::Now, LagPolicy::Disconnect);
        let permit = streams.admit(None, 1).expect("a permit");
        let presence = SessionPresence {
            names: vec![enter("Ada")],
            watches: vec![hub.watch_presence(&Topic::clock())],
        };
        let session =
            StreamSession::new(subscriber, permit, TIMINGS, false).with_presence(presence);
        let options = StreamOptions::default();
        let stream = WireStream::events(session, &TIMINGS, options, None, &[]);
        let mut chunks: Chunks = Box::pin(stream.into_body().into_data_stream());
        let update =
            |members: &str| format!("event: presence\ndata: {{\"topic\":\"clock\",{members}}}\n\n");
        next(&mut chunks).await;
        let began = Instant::now();
        let expected = update("\"present\":[\"Ada\"]");
        assert_eq!(next(&mut chunks).await, expected);
        let (bob, cy) = (enter("Bob"), enter("Cy"));
        let expected = update("\"joined\":[\"Bob\",\"Cy\"]");
        assert_eq!(next(&mut chunks).await, expected);
        assert!(began.elapsed() >= Duration::from_millis(500));
        drop((bob, cy));
        let expected = update("\"left\":[\"Bob\",\"Cy\"]");
        assert_eq!(next(&mut chunks).await, expected);
        assert!(began.elapsed() < Duration::from_secs(5));
        task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn types_are_named_before_their_events_which_are_messages_then() {
        let hub = hub();
        let options = StreamOptions {
            types: true,
            topics: true,
            ..StreamOptions::default()
        };
        let (mut chunks, _streams) = start(&hub, LagPolicy::Disconnect, TIMINGS, options);
        next(&mut chunks).await;
        let news = PublishRequest {
            event_type: EventType::new("news").expect("a type"),
            ..PublishRequest::text("a\nb")
        };
        hub.publish(&Topic::clock(), news, Preconditions::default())
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
        let (mut chunks, _streams) = start(
            &hub,
            LagPolicy::Disconnect,
            TIMINGS,
            StreamOptions::default(),
        );
        next(&mut chunks).await;
        let news = PublishRequest {
            event_type: EventType::new("news").expect("a type"),
            retry: Some(Duration::from_millis(1_500)),
            ..PublishRequest::text("1")
        };
        let clock = Topic::clock();
        let published = hub.publish(&clock, news, Preconditions::default()).await;
        let id = published.expect("published").id;
        assert_eq!(
            next(&mut chunks).await,
            format!("event: news\ndata: 1\nretry: 1500\nid: {id}\n\n")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_within_the_last_fifth_of_its_lifetime() {
        let hub = hub();
        let (mut chunks, _streams) = start(
            &hub,
            LagPolicy::Disconnect,
            TIMINGS,
            StreamOptions::default(),
        );
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
        let (mut chunks, _streams) = start(
            &hub(),
            LagPolicy::Disconnect,
            TIMINGS,
            StreamOptions::default(),
        );
        let started = Instant::now();
        while chunks.next().await.is_some() {}
        assert_eq!(started.elapsed().as_secs(), 1_800);
    }

    #[tokio::test(start_paused = true)]
    async fn closing_all_streams_ends_each() {
        let (mut chunks, streams) = start(
            &hub(),
            LagPolicy::Disconnect,
            TIMINGS,
            StreamOptions::default(),
        );
        next(&mut chunks).await;
        streams.close_all();
        assert!(chunks.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_took_nothing_for_the_write_timeout_loses_the_messages_or_the_stream() {
        for (policy, expected) in [
            (LagPolicy::Skip, Some("event: gap\n")),
            (LagPolicy::Latest, Some("data: 3\n")),
            (LagPolicy::Disconnect, None),
        ] {
            let hub = hub();
            let (mut chunks, _streams) = start(&hub, policy, TIMINGS, StreamOptions::default());
            next(&mut chunks).await;
            for number in ["1", "2", "3"] {
                publish(&hub, number);
            }
            tokio::time::sleep(TIMINGS.write_timeout + Duration::from_secs(1)).await;
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
        let streams = StreamRegistry::new(limits(), CancellationToken::new(), Metrics::default());
        let subscriber = subscribe(&hub, Start::After(unknown), LagPolicy::Disconnect);
        let position = subscriber.position().to_string();
        let admission = streams.admit(None, 1).expect("a place");
        let mut chunks = body(subscriber, admission, TIMINGS, StreamOptions::default());
        let opening = next(&mut chunks).await;
        let gap = format!(
            "event: gap\ndata: {{\"requested\":\"#old-7\",\"resumed_from\":\"{position}\"}}\n\nid: {position}\n\n"
        );
        assert!(opening.ends_with(&gap), "{opening}");
        assert!(next(&mut chunks).await.starts_with("data: 1\n"));
    }
}
