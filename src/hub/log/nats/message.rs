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
use crate::protocol::event::EventType;

const TYPE: &str = "Fairwind-Type";
const ID: &str = "Fairwind-Id";
const RETRY: &str = "Fairwind-Retry";
const FLAGS: &str = "Fairwind-Flags";
const ALSO_IN: &str = "Fairwind-Also-In";
const COPY: &str = "Fairwind-Copy";
const KEY: &str = "Fairwind-Key";
const REQUEST: &str = "Fairwind-Request";

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

/// A moment as milliseconds since 1970.
pub(super) fn milliseconds(at: SystemTime) -> u64 {
    let since = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
