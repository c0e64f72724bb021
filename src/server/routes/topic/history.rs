//! A topic at one moment, as JSON.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::hub::presence::Name;
use crate::hub::topic::Topic;
use crate::hub::{Entry, HistoryQuery, Hub};
use crate::protocol::event::EventId;
use crate::protocol::topic_path;
use crate::server::auth::Caller;
use crate::server::http::answers::{rfc3339, to_json};
use crate::server::http::media_type::JSON;
use crate::server::http::pieces;
use crate::server::http::problem::Problem;
use crate::server::http::query;
use crate::server::state::AppState;

/// How many events a page has unless the client says otherwise.
const DEFAULT_COUNT: usize = 100;

/// The most events of one page.
const MAX_COUNT: usize = 1_000;

/// The most bytes that the events of one page take in the log; one event may take more. `older` leads to the rest.
const MAX_BYTES: usize = 1_024 * 1_024;

/// How much of an event's data is made JSON of at once, in bytes. An escape has six.
const DATA_PIECE_BYTES: usize = 8 * 1_024;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotQuery {
    limit: Option<usize>,
    before: Option<String>,
}

/// A topic at one moment.
#[derive(Serialize)]
struct SnapshotBody<'a> {
    topic: &'a str,
    epoch: &'a str,
    subscribers: usize,
    /// The names under which readers are present.
    present: Vec<Name>,
    ended: bool,
    /// The oldest and the newest of `events`.
    first_id: Option<&'a EventId>,
    last_id: Option<&'a EventId>,
    /// What to subscribe from so that nothing is missed and nothing comes twice.
    last_event_id: &'a EventId,
    /// Where the events before these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    older: Option<String>,
    limits: Limits,
}

#[derive(Serialize)]
struct Limits {
    history_events: usize,
    history_age_seconds: u64,
    max_body_bytes: usize,
}

/// `GET` and `HEAD`: some of the topic's events, the newest unless the query says otherwise. The `ETag` is the id of
/// the newest event, as `If-Match` takes it when publishing.
///
/// # Errors
///
/// A problem if the query is wrong, or a token.
pub(super) fn answer(state: &AppState, topic: &Topic, parts: &Parts) -> Result<Response, Problem> {
    let query: SnapshotQuery = query::read(&parts.uri, &[])?;
    let count = query.limit.unwrap_or(DEFAULT_COUNT);
    if count == 0 || count > MAX_COUNT {
        return Err(Problem::invalid_query(format!(
            "limit takes a number of events from 1 to {MAX_COUNT}"
        )));
    }
    let is_newest = query.before.is_none();
    let before = query.before.map(EventId::new).transpose();
    let before = before.map_err(|error| {
        Problem::invalid_query(format!("before cannot be an event's id: {error}"))
    })?;
    let reader = state.access.reader(&Caller::of(parts))?;
    state.access.authorize_read(&reader, topic)?;
    let snapshot = state.hub.snapshot(
        topic,
        &HistoryQuery {
            count,
            max_bytes: MAX_BYTES,
            before,
            with_private: reader.may_read_private(topic),
        },
    );
    let held = snapshot.events.iter().map(|entry| entry.bytes()).sum();
    let share = state.hold(parts, held)?;
    let ids = || snapshot.events.iter().map(|entry| &entry.event.id);
    let (first_id, last_id) = (ids().next(), ids().next_back());
    let older = snapshot.older_than.map(|before| {
        let query = serde_html_form::to_string([
            ("before", before.as_str()),
            ("limit", &count.to_string()),
        ]);
        format!(
            "{}?{}",
            topic_path(topic.as_str()),
            query.unwrap_or_default()
        )
    });
    let limits = state.hub.limits();
    let body = SnapshotBody {
        topic: topic.as_str(),
        epoch: &state.hub.epoch(),
        subscribers: snapshot.subscribers,
        present: state.hub.present(topic),
        ended: snapshot.has_ended,
        first_id,
        last_id,
        last_event_id: &snapshot.last_event_id,
        older,
        limits: Limits {
            history_events: limits.events,
            history_age_seconds: limits.age.as_secs(),
            max_body_bytes: state.publish_config.max_bytes,
        },
    };
    let mut answer_headers = HeaderMap::from_iter([
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, HeaderValue::from_static("accept")),
        (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
    ]);
    if is_newest && let Some(newest) = snapshot.events.last() {
        answer_headers.extend(etag(&state.hub, newest).map(|tag| (header::ETAG, tag)));
    }
    let mut start = to_json(&body);
    start.truncate(start.len().saturating_sub(1));
    start.push_str(",\"events\":[");
    let events = snapshot.events.into_iter().enumerate();
    let events = events.flat_map(|(index, entry)| event_texts(index == 0, entry));
    let texts = std::iter::once(start)
        .chain(events)
        .chain(std::iter::once("]}\n".to_owned()));
    Ok((answer_headers, pieces::body(texts, share)).into_response())
}

/// The tag of a snapshot whose newest event this is: the event's id, or the log's if a tag cannot have that in it. RFC 9110,
/// section 8.8.3.
fn etag(hub: &Hub, newest: &Entry) -> Option<HeaderValue> {
    let id = newest.event.id.as_str();
    if id.contains('"') {
        let id = hub.id(newest.offset);
        return HeaderValue::try_from(format!("\"{id}\"")).ok();
    }
    HeaderValue::try_from(format!("\"{id}\"")).ok()
}

/// An event as JSON, in texts of bounded length.
fn event_texts(is_first: bool, entry: Arc<Entry>) -> impl Iterator<Item = String> {
    let published_at = rfc3339(entry.published_at);
    let mut start = String::new();
    if !is_first {
        start.push(',');
    }
    start.push_str("{\"id\":");
    start.push_str(&json_text(entry.event.id.as_str()));
    if !entry.event.event_type.is_message() {
        start.push_str(",\"type\":");
        start.push_str(&json_text(entry.event.event_type.as_str()));
    }
    start.push_str(",\"data\":\"");
    let end = format!("\",\"published_at\":\"{published_at}\"}}");
    let mut from = 0;
    let data = std::iter::from_fn(move || {
        let rest = entry
            .event
            .data
            .get(from..)
            .filter(|rest| !rest.is_empty())?;
        let mut length = rest.len().min(DATA_PIECE_BYTES);
        while !rest.is_char_boundary(length) {
            length += 1;
        }
        from += length;
        let quoted = json_text(&rest[..length]);
        // Without its quotes, it is a part of a longer text.
        Some(quoted[1..quoted.len() - 1].to_owned())
    });
    std::iter::once(start)
        .chain(data)
        .chain(std::iter::once(end))
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
