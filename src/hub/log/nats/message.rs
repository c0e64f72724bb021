//! An event as a message of the stream, and back. The data is the payload, so that any NATS client can read it; the other facts
//! are headers, which a foreign publisher may set or leave out.
//!
//! | header | what it says |
//! | --- | --- |
//! | `Fairwind-Type` | the event's type |
//! | `Fairwind-Id` | the id that its publisher chose |
//! | `Fairwind-Retry` | milliseconds that readers wait from now on before they connect again |
//! | `Fairwind-Flags` | words: `private`, `end` |
//! | `Fairwind-Also-In` | the other topics of the event, as parts of subjects, parted by spaces |
//! | `Fairwind-Copy` | in the message that another topic of the event gets: how many messages before it the event stands |
//! | `Fairwind-Key` | idempotency key: whose share it counts against, how many subscribers were answered, the key |
//! | `Fairwind-Request` | which node asked for it, under which number, and until when it counts |
//!
//! Ids, types and keys are percent-encoded, since a header can carry ASCII only.

use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::subjects;
use crate::hub::entry::{StoredEvent, UnsequencedEntry};
use crate::hub::log::shared::Proposal;
use crate::hub::position::Offset;
use crate::hub::publish::{IdempotencyKey, PublishRequest, RETRY_BOUNDS, check_id, check_type};
use crate::hub::topic::Topic;
use crate::hub::wall_clock::milliseconds;
use crate::protocol::event::EventType;

const TYPE: &str = "Fairwind-Type";
const ID: &str = "Fairwind-Id";
const RETRY: &str = "Fairwind-Retry";
const FLAGS: &str = "Fairwind-Flags";
const ALSO_IN: &str = "Fairwind-Also-In";
const COPY: &str = "Fairwind-Copy";
const KEY: &str = "Fairwind-Key";
const REQUEST: &str = "Fairwind-Request";

/// Most other topics of an event: a foreign client may name any number.
const MAX_ALSO_IN: usize = 400;

const PRIVATE: &str = "private";
const END: &str = "end";

/// What a header's value cannot have, and what parts values.
const NOT_IN_A_VALUE: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// Which proposal of which node a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RequestId {
    pub(super) node: String,
    pub(super) number: u64,
    /// The stream takes it until then, by its own clock: a message that was delayed for longer would come as a surprise to a
    /// publisher that has repeated its request elsewhere. In milliseconds since 1970.
    pub(super) before: u64,
}

/// What a message of the stream says about an event.
#[derive(Debug)]
pub(super) struct ReadMessage {
    pub(super) event: StoredEvent,
    pub(super) key: Option<(IdempotencyKey, usize)>,
    pub(super) request: Option<RequestId>,
    /// Whether it is the copy for another topic of the event, and not the event itself.
    pub(super) is_copy: bool,
}

impl RequestId {
    fn text(&self) -> String {
        let Self {
            node,
            number,
            before,
        } = self;
        format!("{node} {number} {before}")
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            node: words.next()?.to_owned(),
            number: words.next()?.parse().ok()?,
            before: words.next()?.parse().ok()?,
        })
    }

    /// Whether the message came too late.
    pub(super) fn is_over(&self, at: SystemTime) -> bool {
        milliseconds(at) > self.before
    }
}

impl ReadMessage {
    /// Whether it came to the stream, at this moment, later than it counts.
    pub(super) fn is_late(&self, at: SystemTime) -> bool {
        let request = self.request.as_ref();
        request.is_some_and(|request| request.is_over(at))
    }
}

/// The headers that say what a proposal says beside its data.
pub(super) fn headers(proposal: &Proposal, request: &RequestId) -> HeaderMap {
    let PublishRequest {
        id,
        event_type,
        data: _,
        retry,
        is_private,
        // The subject says so.
        is_ephemeral: _,
        also_in,
    } = &proposal.publication;
    let mut headers = HeaderMap::new();
    headers.insert(REQUEST, request.text());
    if *event_type != EventType::default() {
        headers.insert(TYPE, encoded(event_type.as_str()));
    }
    if let Some(id) = id {
        headers.insert(ID, encoded(id.as_str()));
    }
    if let Some(retry) = retry {
        headers.insert(RETRY, retry.as_millis().to_string());
    }
    let flags = [(*is_private, PRIVATE), (proposal.is_end, END)];
    let flags: Vec<_> = flags
        .iter()
        .filter_map(|(is_set, word)| is_set.then_some(*word))
        .collect();
    if !flags.is_empty() {
        headers.insert(FLAGS, flags.join(" "));
    }
    if !also_in.is_empty() {
        let topics = also_in
            .iter()
            .map(|topic| encoded(&subjects::encode(topic.as_str())));
        headers.insert(ALSO_IN, topics.collect::<Vec<_>>().join(" "));
    }
    if let Some(IdempotencyKey { key, publisher }) = &proposal.key {
        let key = encoded(key);
        headers.insert(KEY, format!("{publisher:x} {} {key}", proposal.subscribers));
    }
    headers
}

/// The same headers for the message that the event's `number`th other topic gets, from 1 on. `first` is the topic that the
/// event was published to.
pub(super) fn copy(headers: &HeaderMap, first: &Topic, number: usize) -> HeaderMap {
    let mut headers = headers.clone();
    let first = encoded(&subjects::encode(first.as_str()));
    headers.insert(COPY, format!("{number} {first}"));
    headers
}

/// What a message says. A header that makes no sense is left out of account, as if the publisher had not set it.
pub(super) fn read(
    topic: Topic,
    is_ephemeral: bool,
    headers: Option<&HeaderMap>,
    payload: &[u8],
    offset: Offset,
    published_at: SystemTime,
) -> ReadMessage {
    let get = |name| headers.and_then(|headers| Some(headers.get(name)?.as_str()));
    let decoded = |name| get(name).and_then(decoded);
    let flags = get(FLAGS).unwrap_or_default();
    let has_flag = |flag| flags.split(' ').any(|word| word == flag);
    let is_end = has_flag(END);
    let copy = get(COPY).and_then(|copy| {
        let (number, first) = copy.split_once(' ')?;
        Some((
            number.parse::<u64>().ok()?,
            subjects::decode(&self::decoded(first)?)?,
        ))
    });
    let mut also_in: Vec<Topic> = get(ALSO_IN)
        .into_iter()
        .flat_map(|topics| topics.split(' '))
        .filter_map(|topic| subjects::decode(&self::decoded(topic)?))
        .take(MAX_ALSO_IN)
        .collect();
    let (topic, offset, is_copy) = match copy {
        // The message stands under another topic than the event.
        Some((number, first)) => (
            first,
            Offset::from_number(offset.number().saturating_sub(number)),
            true,
        ),
        None => (topic, offset, false),
    };
    also_in.retain(|other| *other != topic);
    let data = String::from_utf8_lossy(payload).into_owned();
    let event_type = if is_end {
        EventType::constant(crate::protocol::END_EVENT)
    } else {
        let chosen = decoded(TYPE).and_then(|text| check_type(text).ok());
        chosen.unwrap_or_default()
    };
    let publication = PublishRequest {
        id: decoded(ID).and_then(|text| check_id(text).ok()),
        event_type,
        data,
        retry: get(RETRY)
            .and_then(|text| Some(Duration::from_millis(text.parse().ok()?)))
            .filter(|retry| RETRY_BOUNDS.contains(retry)),
        is_private: has_flag(PRIVATE),
        is_ephemeral,
        also_in,
    };
    let key = get(KEY).and_then(|text| {
        let mut words = text.splitn(3, ' ');
        let publisher = u64::from_str_radix(words.next()?, 16).ok()?;
        let subscribers = words.next()?.parse().ok()?;
        let key = self::decoded(words.next()?)?;
        Some((IdempotencyKey { key, publisher }, subscribers))
    });
    ReadMessage {
        event: StoredEvent {
            offset,
            topic,
            publication: UnsequencedEntry::new(publication).into_publication(),
            is_end,
            published_at,
        },
        key,
        request: get(REQUEST).and_then(RequestId::parse),
        is_copy,
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NOT_IN_A_VALUE).to_string()
}

fn decoded(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::protocol::event::EventId;

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a topic")
    }

    fn proposal(publication: PublishRequest, key: Option<IdempotencyKey>) -> Proposal {
        let room = Arc::new(Semaphore::new(1));
        let permit = room.try_acquire_owned().expect("room");
        let (mut proposal, _) = Proposal::new(&topic("orders/7"), publication, permit);
        proposal.key = key;
        proposal.subscribers = 3;
        proposal
    }

    fn request() -> RequestId {
        RequestId {
            node: "node".to_owned(),
            number: 9,
            before: 1_000,
        }
    }

    fn read_at(topic: &Topic, headers: &HeaderMap, data: &str, offset: u64) -> ReadMessage {
        let offset = Offset::from_number(offset);
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        read(
            topic.clone(),
            false,
            Some(headers),
            data.as_bytes(),
            offset,
            at,
        )
    }

    fn publications() -> impl Strategy<Value = (PublishRequest, Option<IdempotencyKey>)> {
        let text = || "[a-z %\\t\u{e9}\u{1f600}./*>=]{1,12}";
        let own_id = proptest::option::of(text());
        let retry = proptest::option::of(100u64..3_600_000);
        let also_in = proptest::collection::vec("[a-z./ %\u{e9}]{1,8}", 0..3);
        let key = proptest::option::of((text(), any::<u64>()));
        (
            own_id,
            text(),
            "(?s).{0,40}",
            retry,
            any::<bool>(),
            also_in,
            key,
        )
            .prop_map(|(id, event_type, data, retry, is_private, also_in, key)| {
                let mut also_in: Vec<_> = also_in
                    .iter()
                    .filter_map(|name| Topic::new(name).ok())
                    .collect();
                also_in.retain(|other| *other != topic("orders/7"));
                let publication = PublishRequest {
                    id: id.and_then(|id| check_id(id).ok()),
                    event_type: check_type(event_type).unwrap_or_default(),
                    retry: retry.map(Duration::from_millis),
                    is_private,
                    also_in,
                    ..PublishRequest::text(data)
                };
                let key = key.map(|(key, publisher)| IdempotencyKey { key, publisher });
                (UnsequencedEntry::new(publication).into_publication(), key)
            })
    }

    proptest! {
        #[test]
        fn every_event_comes_back_as_it_was_published((publication, key) in publications()) {
            let proposal = proposal(publication.clone(), key.clone());
            let headers = headers(&proposal, &request());
            let is_ascii = headers.iter().flat_map(|(_, values)| values).all(|value| {
                value.as_str().bytes().all(|byte| (b' '..=b'~').contains(&byte))
            });
            prop_assert!(is_ascii, "{:?}", headers);
            let message = read_at(&topic("orders/7"), &headers, &publication.data, 7);
            prop_assert_eq!(&message.event.publication, &publication);
            prop_assert_eq!(&message.event.topic, &topic("orders/7"));
            prop_assert_eq!(message.key, key.map(|key| (key, 3)));
            prop_assert_eq!(message.request, Some(request()));
            prop_assert!(!message.is_copy && !message.event.is_end);
            // Each other topic gets a copy, which says the same and where the event stands.
            for (number, other) in (1..).zip(&publication.also_in) {
                let headers = copy(&headers, &topic("orders/7"), number);
                let copy = read_at(other, &headers, &publication.data, 7 + number as u64);
                prop_assert!(copy.is_copy);
                prop_assert_eq!(&copy.event, &message.event);
            }
        }
    }

    #[test]
    fn a_message_of_a_foreign_client_is_a_public_event_that_is_kept() {
        let at = SystemTime::UNIX_EPOCH;
        let message = read(topic("a"), false, None, b"a\xffb", Offset::FIRST, at);
        assert_eq!(
            message.event.publication,
            PublishRequest::text("a\u{fffd}b")
        );
        assert_eq!((message.key, message.request), (None, None));
    }

    #[test]
    fn headers_that_make_no_sense_are_left_out_of_account() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (TYPE, "end"),
            (ID, "#e-7"),
            (RETRY, "soon"),
            (FLAGS, "secret"),
            (ALSO_IN, "%FF a.%252E%252E"),
            (COPY, "1"),
            (KEY, "1 2"),
            (REQUEST, "me"),
        ] {
            headers.insert(name, value);
        }
        let message = read_at(&topic("a"), &headers, "x", 7);
        assert_eq!(message.event.publication, PublishRequest::text("x"));
        assert_eq!(message.event.offset, Offset::from_number(7));
        assert!(message.key.is_none() && message.request.is_none() && !message.is_copy);
        let mut headers = HeaderMap::new();
        headers.insert(TYPE, "status");
        headers.insert(ID, "caf%C3%A9");
        headers.insert(FLAGS, "private");
        let message = read_at(&topic("a"), &headers, "x", 7);
        assert_eq!(message.event.publication.event_type.as_str(), "status");
        assert_eq!(message.event.publication.id, EventId::new("café").ok());
        assert!(message.event.publication.is_private);
    }

    #[test]
    fn a_message_counts_until_its_moment_is_over() {
        let at = |milliseconds| SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
        assert!(!request().is_over(at(1_000)));
        assert!(request().is_over(at(1_001)));
    }
}
