//! Subscribing over HTTP: what a request for an event stream may say, and the answer. The caller of [`open`] decides which
//! topics it is for; the hub, what a subscriber reads; the connection, how the stream is written.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::DateTime;
use clap::ValueEnum;
use futures_util::stream;
use serde::Deserialize;

use crate::hub::HistoryQuery;
use crate::hub::pattern::{Pattern, PatternError};
use crate::hub::presence::Name;
use crate::hub::subscriber::{
    LagPolicy, Start, SubscribeError, Subscription, WantedPattern, WantedTopic,
};
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;
use crate::protocol::event_stream::CONTENT_TYPE;
use crate::protocol::{
    AS_EVENT, CONSUMERS, FOLLOW, FORMAT, HEARTBEAT, JSON_FORMAT, MATCH, NAME, PRESENCE, TOPIC,
    TYPES,
};
use crate::server::auth::{Caller, Reader};
use crate::server::http::client_address::ClientAddress;
use crate::server::http::negotiation::accepts_encoding;
use crate::server::http::problem::Problem;
use crate::server::http::query;
use crate::server::state::AppState;
use crate::server::stream::config::StreamConfig;
use crate::server::stream::session::{SessionPresence, StreamSession, StreamTimings};
use crate::server::stream::sse::{self, StreamOptions};
use crate::server::stream::wire::{OpenStream, Opened, WireStream};

const LAST_EVENT_ID_HEADER: HeaderName = HeaderName::from_static("last-event-id");

/// What the query of a stream's URL may say. Anything else is refused: a parameter that is misspelt would otherwise be
/// ignored in silence.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamQuery {
    /// The topics of a stream of several; the path names the topic of any other.
    #[serde(default)]
    pub(super) topic: Vec<String>,
    /// Patterns: every topic that matches one is on the stream too.
    #[serde(default)]
    pub(super) r#match: Vec<String>,
    last_event_id: Option<String>,
    last: Option<String>,
    since: Option<String>,
    consumers: Option<String>,
    /// The reader's names: in every topic of the request, or as `TOPIC/NAME` in one of several.
    #[serde(default)]
    name: Vec<String>,
    presence: Option<String>,
    heartbeat: Option<String>,
    types: Option<String>,
    format: Option<String>,
    follow: Option<String>,
    slow_reader: Option<String>,
}

impl StreamQuery {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// A problem that names what is wrong.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        query::read(uri, &[TOPIC, MATCH, NAME])
    }

    /// For a URL whose path names the topic.
    ///
    /// # Errors
    ///
    /// A problem if the query names topics too.
    pub(super) fn without_topics(self) -> Result<Self, Problem> {
        if self.topic.is_empty() && self.r#match.is_empty() {
            return Ok(self);
        }
        Err(Problem::invalid_query(
            "the path names the topic; for several on one connection ask for /topics?topic=a&topic=b or /topics?match=orders/*",
        ))
    }

    /// The patterns, checked.
    ///
    /// # Errors
    ///
    /// A problem that says what would be right.
    fn patterns(&self) -> Result<Vec<Pattern>, Problem> {
        let patterns = self.r#match.iter().map(|text| Pattern::new(text));
        let patterns: Result<_, _> = patterns.collect();
        patterns.map_err(|error: PatternError| Problem::invalid_query(error.to_string()))
    }

    /// Where to start.
    pub(crate) fn start(&self, headers: &HeaderMap) -> Result<Start, Problem> {
        let places = [&self.last_event_id, &self.last, &self.since];
        if places.iter().filter(|place| place.is_some()).count() > 1 {
            return Err(Problem::invalid_query(
                "a stream has one start: give last_event_id, last, or since",
            ));
        }
        if let Some(start) = resume(headers, self.last_event_id.as_deref()) {
            return Ok(start);
        }
        if let Some(count) = &self.last {
            let detail = "the query parameter last takes a number of events, such as last=10";
            return count
                .parse()
                .map(Start::Last)
                .map_err(|_| Problem::invalid_query(detail));
        }
        match &self.since {
            Some(since) => read_since(since).map(Start::Since),
            None => Ok(Start::Now),
        }
    }

    /// What happens if the reader is too slow, where it says so itself.
    pub(super) fn slow_reader(&self, default: LagPolicy) -> Result<LagPolicy, Problem> {
        match &self.slow_reader {
            None => Ok(default),
            Some(policy) => LagPolicy::from_str(policy, false).map_err(|_| {
                Problem::invalid_query(
                    "the query parameter slow_reader takes disconnect, skip or latest",
                )
            }),
        }
    }

    fn options(&self) -> Result<StreamOptions, Problem> {
        Ok(StreamOptions {
            consumers: is_wanted(CONSUMERS, self.consumers.as_deref())?,
            presence: is_wanted(PRESENCE, self.presence.as_deref())?,
            heartbeat: is_wanted(HEARTBEAT, self.heartbeat.as_deref())?,
            types: is_wanted(TYPES, self.types.as_deref())?,
            json: self.is_json()?,
            topics: false,
        })
    }

    fn is_json(&self) -> Result<bool, Problem> {
        match self.format.as_deref() {
            None => Ok(false),
            Some(JSON_FORMAT) if self.types.is_none() => Ok(true),
            Some(JSON_FORMAT) => Err(Problem::invalid_query(format!(
                "with {FORMAT}={JSON_FORMAT} each event has its type anyway: leave {TYPES} out"
            ))),
            Some(_) => Err(Problem::invalid_query(format!(
                "the query parameter {FORMAT} takes one value: write {FORMAT}={JSON_FORMAT}, or leave it out"
            ))),
        }
    }

    /// Whether the stream goes on when the reader has what there is.
    pub(super) fn follows(&self) -> Result<bool, Problem> {
        match self.follow.as_deref() {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(Problem::invalid_query(format!(
                "the query parameter {FOLLOW} takes true or false"
            ))),
        }
    }
}

/// What a request for a stream asks for, checked; whichever way the stream is then written.
pub(super) struct Plan {
    subscription: Subscription,
    pub(super) timings: StreamTimings,
    pub(super) options: StreamOptions,
    follows: bool,
    /// The names under which the reader is present.
    names: Vec<(Topic, Name)>,
    /// How long a name stays when its reader has gone: long enough to come back.
    grace: Duration,
}

/// The most names that one request gives: as many as it may name topics.
const MAX_NAMES: usize = 100;

/// What becomes of a plan.
pub(super) enum Outcome {
    /// The stream can be sent.
    Open(Box<StreamSession>),
    /// There is nothing left to read, now or later.
    Ended,
    /// There is no place; there may be one later.
    Full,
}

impl Plan {
    /// Reads what a request asks for.
    ///
    /// # Errors
    ///
    /// A problem if the request is wrong.
    pub(super) fn read(
        state: &AppState,
        caller: &Caller<'_>,
        topics: Vec<Topic>,
        query: &StreamQuery,
    ) -> Result<Self, Problem> {
        let patterns = query.patterns()?;
        let is_of_several = !query.topic.is_empty() || !patterns.is_empty();
        let options = StreamOptions {
            topics: is_of_several,
            ..query.options()?
        };
        if is_of_several && options.consumers && !options.json {
            return Err(Problem::invalid_query(format!(
                "a stream of several topics has no one number of consumers: leave it out, or add {FORMAT}={JSON_FORMAT}, which names the topic of each"
            )));
        }
        let reader = state.access.reader(caller)?;
        for topic in &topics {
            state.access.authorize_read(&reader, topic)?;
        }
        let names = names(state, &reader, &topics, query, is_of_several)?;
        let topics = topics
            .into_iter()
            .map(|topic| WantedTopic {
                with_private: reader.may_read_private(&topic),
                topic,
            })
            .collect();
        let patterns: Result<_, Problem> = patterns
            .into_iter()
            .map(|pattern| {
                Ok(WantedPattern {
                    visibility: state.access.authorize_pattern(&reader, &pattern)?,
                    pattern,
                })
            })
            .collect();
        let slow_reader = query.slow_reader(state.stream_config.slow_reader)?;
        let subscription = Subscription {
            topics,
            patterns: patterns?,
            start: query.start(caller.headers)?,
            slow_reader,
        };
        Ok(Self {
            subscription,
            timings: state
                .stream_config
                .timings(slow_reader)
                .until(reader.expires_at()),
            options,
            follows: query.follows()?,
            names,
            grace: state.stream_config.presence_grace(),
        })
    }

    /// Whether all topics have ended, so that nothing may be left to read.
    fn can_be_over(&self, state: &AppState) -> bool {
        let nothing = HistoryQuery {
            max_bytes: 0,
            count: 0,
            before: None,
            with_private: false,
        };
        let mut topics = self.subscription.topics.iter();
        // A pattern never ends: a topic that matches may appear.
        self.subscription.patterns.is_empty()
            && topics.all(|wanted| state.hub.snapshot(&wanted.topic, &nothing).has_ended)
    }

    /// The topics that had ended, and were read to their end, before this session began.
    fn ended(&self, session: &StreamSession) -> Vec<Topic> {
        let topics = self.subscription.topics.iter().map(|wanted| &wanted.topic);
        let subscriber = session.subscriber();
        topics
            .filter(|topic| !subscriber.reads(topic))
            .cloned()
            .collect()
    }

    /// Subscribes.
    pub(super) fn start(&self, state: &AppState, client: Option<ClientAddress>) -> Outcome {
        let Some(admission) = state.admit(client, self.subscription.len()) else {
            return Outcome::Full;
        };
        match state.hub.subscribe(&self.subscription) {
            Ok(subscriber) => {
                let Some(presence) = self.presence(state, client) else {
                    return Outcome::Full;
                };
                let subscriber = if self.options.json {
                    subscriber.with_log_ids()
                } else {
                    subscriber
                };
                let counts = self.options.consumers;
                let session = StreamSession::new(subscriber, admission, self.timings, counts)
                    .with_presence(presence);
                Outcome::Open(Box::new(if self.follows {
                    session
                } else {
                    session.ending_when_read()
                }))
            }
            Err(SubscribeError::Ended) => Outcome::Ended,
            Err(SubscribeError::TooManySubscriptions) => Outcome::Full,
        }
    }
}

impl Plan {
    /// Makes the reader present, and sees who is. Each name counts as a subscription until it has left; `None` if that exceeds
    /// the client's.
    fn presence(&self, state: &AppState, client: Option<ClientAddress>) -> Option<SessionPresence> {
        let mut presence = SessionPresence::default();
        for (topic, name) in &self.names {
            let permit = Box::new(state.streams.permit_name(client)?);
            let entered = state.hub.enter(topic, name.clone(), self.grace, permit);
            presence.names.extend(entered);
        }
        if self.options.presence {
            let topics = self.subscription.topics.iter();
            let watches = topics.map(|wanted| state.hub.watch_presence(&wanted.topic));
            presence.watches = watches.collect();
        }
        Some(presence)
    }
}

/// The names that a request gives, each with its topic.
///
/// # Errors
///
/// A problem if one cannot be a name, is not the reader's to give, or is for a topic that the request does not name.
fn names(
    state: &AppState,
    reader: &Reader,
    topics: &[Topic],
    query: &StreamQuery,
    is_of_several: bool,
) -> Result<Vec<(Topic, Name)>, Problem> {
    let mut names = Vec::new();
    for given in &query.name {
        let (topics, given) = match given.rsplit_once('/').filter(|_| is_of_several) {
            None => (topics, given.as_str()),
            Some((topic, name)) => {
                let of = topics.iter().position(|known| known.as_str() == topic);
                let Some(of) = of else {
                    return Err(Problem::invalid_query(format!(
                        "{NAME}={given} is for the topic {topic}, which the query does not name: add {TOPIC}={topic}"
                    )));
                };
                (&topics[of..=of], name)
            }
        };
        let name = state.access.presence_name(reader, given)?;
        names.extend(topics.iter().map(|topic| (topic.clone(), name.clone())));
    }
    names.sort();
    names.dedup();
    if names.len() > MAX_NAMES {
        return Err(Problem::invalid_query(format!(
            "the query gives {} names in topics; at most {MAX_NAMES} are taken",
            names.len()
        )));
    }
    Ok(names)
}

/// `GET` and `HEAD`: the event stream of one topic or several.
///
/// # Errors
///
/// A problem if the request is wrong.
pub(super) fn open(
    state: &AppState,
    request: &Parts,
    topics: Vec<Topic>,
    query: &StreamQuery,
) -> Result<Response, Problem> {
    let config = &state.stream_config;
    let plan = Plan::read(state, &Caller::of(request), topics, query)?;
    let may_be_compressed = config.is_gzip_offered && accepts_encoding(&request.headers, "gzip");
    // Where as many are compressed as may be, a stream is sent as it is.
    let compressed = if may_be_compressed {
        state.compressed.take(None, 1).ok()
    } else {
        None
    };
    let is_compressed = compressed.is_some();
    let answer = |body: Body| (stream_headers(config, is_compressed), body).into_response();
    // A topic that goes on is not subscribed to for its headers: its subscribers are counted.
    if request.method == Method::HEAD && !plan.can_be_over(state) {
        // Empty, but of a length that is not known: a stream has none.
        return Ok(answer(Body::from_stream(stream::empty::<
            Result<Bytes, Infallible>,
        >())));
    }
    let client = ClientAddress::of_request(&request.extensions);
    Ok(match plan.start(state, client) {
        Outcome::Open(..) if request.method == Method::HEAD => answer(Body::empty()),
        Outcome::Open(session) => {
            let ended = plan.ended(&session);
            let stream =
                WireStream::events(*session, &plan.timings, plan.options, compressed, &ended);
            let stream = OpenStream::new(Opened::Stream(Box::new(stream)));
            let mut answer = answer(stream.body());
            // The connection decides how it is written.
            answer.extensions_mut().insert(stream);
            answer
        }
        // An EventSource takes this as the end and does not come back.
        Outcome::Ended => StatusCode::NO_CONTENT.into_response(),
        Outcome::Full => (
            stream_headers(config, false),
            sse::come_back_later(plan.timings),
        )
            .into_response(),
    })
}

/// Where a client that has read something goes on. The header counts more than the query: a browser that comes back knows
/// better than the URL that it started with.
pub(super) fn resume(headers: &HeaderMap, by_query: Option<&str>) -> Option<Start> {
    // One that a browser sends without having seen an event is empty.
    let by_header = headers.get(LAST_EVENT_ID_HEADER);
    match by_header.filter(|id| !id.is_empty()) {
        Some(id) => Some(after(&String::from_utf8_lossy(id.as_bytes()))),
        None => by_query.map(after),
    }
}

/// A text that cannot be an id is answered as an id that is not known: by a gap. A status would be final for an
/// EventSource, which sends what some server has given it.
fn after(text: &str) -> Start {
    match EventId::new(text) {
        Ok(id) => Start::after(id),
        Err(_) => Start::AfterUnknown(EventId::like(text)),
    }
}

/// A moment, or how long ago it was.
fn read_since(text: &str) -> Result<SystemTime, Problem> {
    // In a query an unescaped + is a space.
    if let Ok(moment) = DateTime::parse_from_rfc3339(&text.replace(' ', "+")) {
        return Ok(moment.into());
    }
    let ago: Option<Duration> = humantime::parse_duration(text).ok();
    ago.and_then(|ago| SystemTime::now().checked_sub(ago)).ok_or_else(|| {
        Problem::invalid_query(
            "the query parameter since takes a moment such as 2026-11-22T16:00:00Z, or how long ago, such as 10m",
        )
    })
}

fn is_wanted(parameter: &str, value: Option<&str>) -> Result<bool, Problem> {
    match value {
        None => Ok(false),
        Some(AS_EVENT) => Ok(true),
        Some(_) => Err(Problem::invalid_query(format!(
            "the query parameter {parameter} takes one value: write {parameter}={AS_EVENT}, or leave it out"
        ))),
    }
}

/// The headers of an event stream.
pub(super) fn stream_headers(config: &StreamConfig, is_compressed: bool) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE)),
        // A cache or a proxy that keeps or changes a stream breaks it.
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store, no-transform"),
        ),
        // nginx and other proxies buffer a response unless this header says no.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ]);
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    if config.is_gzip_offered {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for (name, value) in &config.headers {
        headers.append(name.clone(), value.clone());
    }
    headers
}
