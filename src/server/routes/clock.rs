//! The clock's event stream: what a request for it may say, and the headers of the answer.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::hub::subscriber::Start;
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;
use crate::protocol::event_stream::CONTENT_TYPE;
use crate::protocol::{AS_EVENT, CONSUMERS, HEARTBEAT, LAST_EVENT_ID};
use crate::server::event_stream::{self, Extras};
use crate::server::gzip;
use crate::server::negotiation::{accepts, accepts_encoding};
use crate::server::problem::Problem;
use crate::server::settings::{Settings, StreamCompression};
use crate::server::state::AppState;

const LAST_EVENT_ID_HEADER: HeaderName = HeaderName::from_static("last-event-id");

/// What the query of a stream's URL may say. Anything else is refused: a parameter that is misspelt would otherwise be
/// ignored in silence.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamQuery {
    last_event_id: Option<String>,
    consumers: Option<String>,
    heartbeat: Option<String>,
}

/// `GET` and `HEAD`: the clock's stream, from where the request says.
pub(crate) async fn stream(
    State(state): State<AppState>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    query: Result<Query<StreamQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    if !accepts(&headers, CONTENT_TYPE) {
        let detail = format!(
            "this is an event stream: ask for it with 'Accept: {CONTENT_TYPE}', or with no Accept at all"
        );
        return Err(Problem::new(StatusCode::NOT_ACCEPTABLE, detail));
    }
    let Query(query) = query.map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    check_encoding(&uri)?;
    let start = start(&headers, query.last_event_id)?;
    let extras = Extras {
        consumers: is_wanted(CONSUMERS, query.consumers.as_deref())?,
        heartbeat: is_wanted(HEARTBEAT, query.heartbeat.as_deref())?,
    };
    let settings = &state.settings;
    let is_compressed = settings.stream_compression == StreamCompression::Gzip
        && accepts_encoding(&headers, "gzip");
    let answer = |body: Body| (stream_headers(settings, is_compressed), body).into_response();
    if method == Method::HEAD {
        return Ok(answer(Body::empty()));
    }
    let Some(admission) = state.streams.admit() else {
        return Ok((
            stream_headers(settings, false),
            event_stream::come_back_later(settings.retry),
        )
            .into_response());
    };
    let subscriber = state
        .hub
        .subscribe(&Topic::clock(), &start, settings.slow_reader);
    let chunks = event_stream::open(subscriber, admission, settings.pace(), extras);
    Ok(answer(match is_compressed {
        true => Body::from_stream(gzip::compress(chunks)),
        false => Body::from_stream(chunks),
    }))
}

/// The header counts more than the query: a browser that comes back knows better than the URL it started with.
fn start(headers: &HeaderMap, in_query: Option<String>) -> Result<Start, Problem> {
    let in_header = match headers
        .get(LAST_EVENT_ID_HEADER)
        .map(|value| std::str::from_utf8(value.as_bytes()))
    {
        Some(Ok(text)) => Some(text.to_owned()),
        Some(Err(_)) => {
            return Err(Problem::bad_request(
                "the header Last-Event-ID is not UTF-8",
            ));
        }
        None => None,
    };
    let (source, text) = match (in_header.filter(|text| !text.is_empty()), in_query) {
        (Some(text), _) => ("the header Last-Event-ID", text),
        (None, Some(text)) => ("the query parameter last_event_id", text),
        (None, None) => return Ok(Start::Now),
    };
    EventId::new(text)
        .map(Start::after)
        .map_err(|error| Problem::bad_request(format!("{source} cannot be an event's id: {error}")))
}

fn is_wanted(parameter: &str, value: Option<&str>) -> Result<bool, Problem> {
    match value {
        None => Ok(false),
        Some(AS_EVENT) => Ok(true),
        Some(_) => Err(Problem::bad_request(format!(
            "the query parameter {parameter} takes one value: write {parameter}={AS_EVENT}, or leave it out"
        ))),
    }
}

/// The query's parser puts a replacement character where the bytes are not UTF-8; an id would then be another one.
fn check_encoding(uri: &Uri) -> Result<(), Problem> {
    let query = uri.query().unwrap_or_default();
    match percent_encoding::percent_decode_str(query).decode_utf8() {
        Ok(_) => Ok(()),
        Err(_) => Err(Problem::bad_request(format!(
            "the query is not UTF-8: percent-encode the UTF-8 bytes of a value such as {LAST_EVENT_ID}"
        ))),
    }
}

fn stream_headers(settings: &Settings, is_compressed: bool) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE)),
        // A cache or a proxy that keeps or changes a stream breaks it.
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store, no-transform"),
        ),
        // nginx and others hold an answer back unless they are told not to.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ]);
    headers.append(header::VARY, HeaderValue::from_static("accept"));
    if settings.stream_compression == StreamCompression::Gzip {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for (name, value) in &settings.stream_header {
        headers.append(name.clone(), value.clone());
    }
    headers
}
