//! A topic at one moment, as JSON.

use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::hub::topic::Topic;
use crate::hub::{Entry, Page};
use crate::protocol::event::{Event, EventId};
use crate::protocol::topic_path;
use crate::server::problem::Problem;
use crate::server::query;
use crate::server::state::AppState;

/// How many events a page has unless the client says otherwise.
const DEFAULT_COUNT: usize = 100;

/// The most events of one page.
const MAX_COUNT: usize = 1_000;

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
    events: Vec<EventBody<'a>>,
}

#[derive(Serialize)]
struct Limits {
    history_events: usize,
    history_age_seconds: u64,
    max_body_bytes: usize,
}

#[derive(Serialize)]
struct EventBody<'a> {
    #[serde(flatten)]
    event: &'a Event,
    published_at: String,
}

/// `GET` and `HEAD`: some of the topic's events, the newest unless the query says otherwise. The `ETag` is the id of
/// the newest event, as `If-Match` takes it when publishing.
///
/// # Errors
///
/// A problem if the query is wrong, or a token.
pub(super) fn answer(
    state: &AppState,
    topic: &Topic,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let query: SnapshotQuery = query::read(uri, &[])?;
    let count = query.limit.unwrap_or(DEFAULT_COUNT);
    if count == 0 || count > MAX_COUNT {
        return Err(Problem::bad_request(format!(
            "limit takes a number of events from 1 to {MAX_COUNT}"
        )));
    }
    let is_newest = query.before.is_none();
    let before = query.before.map(EventId::new).transpose();
    let before = before.map_err(|error| {
        Problem::bad_request(format!("before cannot be an event's id: {error}"))
    })?;
    let with_private = state.access.reader(headers)?.may_read_private(topic);
    let snapshot = state.hub.snapshot(
        topic,
        &Page {
            count,
            before,
            with_private,
        },
    );
    let ids = || snapshot.events.iter().map(|entry| &entry.event.id);
    let (first_id, last_id) = (ids().next(), ids().next_back());
    let older = first_id.filter(|_| snapshot.has_older).map(|first| {
        let query =
            serde_html_form::to_string([("before", first.as_str()), ("limit", &count.to_string())]);
        format!(
            "{}?{}",
            topic_path(topic.as_str()),
            query.unwrap_or_default()
        )
    });
    let limits = state.hub.limits();
    let body = SnapshotBody {
        topic: topic.as_str(),
        epoch: state.hub.epoch(),
        subscribers: snapshot.subscribers,
        ended: snapshot.has_ended,
        first_id,
        last_id,
        last_event_id: &snapshot.last_event_id,
        older,
        limits: Limits {
            history_events: limits.events,
            history_age_seconds: limits.age.as_secs(),
            max_body_bytes: state.settings.max_body_bytes(),
        },
        events: snapshot
            .events
            .iter()
            .map(|entry| EventBody::from(entry.as_ref()))
            .collect(),
    };
    let mut answer_headers = HeaderMap::from_iter([
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, HeaderValue::from_static("accept")),
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ),
    ]);
    if let Some(tag) = last_id
        .filter(|_| is_newest)
        .and_then(|id| HeaderValue::try_from(format!("\"{id}\"")).ok())
    {
        answer_headers.insert(header::ETAG, tag);
    }
    // Texts and numbers: this cannot fail.
    let text = serde_json::to_string(&body).unwrap_or_default()
        + "
";
    Ok((answer_headers, text).into_response())
}

impl<'a> From<&'a Entry> for EventBody<'a> {
    fn from(entry: &'a Entry) -> Self {
        let published_at: DateTime<Utc> = entry.published_at.into();
        Self {
            event: &entry.event,
            published_at: published_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        }
    }
}
