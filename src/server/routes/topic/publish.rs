//! Publishing over HTTP: one event as a body or a form, or a stream of events, each of which goes out as it arrives. What
//! may be said about an event is the same everywhere: see [`super::super::event_fields`].

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::StreamExt;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::super::event_fields::{self, EventFields, TextFields};
use super::publish_body::{PublishBody, PublishBodyError};
use crate::hub::publication::{
    Conditions, ExpectedNewest, IdempotencyKey, Publication, PublishError, Published,
};
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;
use crate::protocol::topic_path;
use crate::server::auth::{Caller, Publisher};
use crate::server::http::client_address::ClientAddress;
use crate::server::http::negotiation::prefers_html;
use crate::server::http::problem::Problem;
use crate::server::http::request_body;
use crate::server::state::AppState;

/// The longest `Idempotency-Key`, in bytes: more than any UUID or hash needs.
const MAX_KEY_BYTES: usize = 256;

/// How much larger than its data a form may be, in bytes: the other fields, and what stands between them.
const FORM_ALLOWANCE: usize = 16 * 1_024;

/// How many fields a form may have: more than there are names.
const MAX_FORM_FIELDS: usize = 16;

/// The answer to a publisher of one event.
#[derive(Serialize)]
struct Receipt<'a> {
    id: &'a EventId,
    topic: &'a str,
    subscribers: usize,
    #[serde(skip_serializing_if = "is_false")]
    repeated: bool,
}

/// The answer to a publisher of a stream.
#[derive(Serialize)]
struct StreamReceipt<'a> {
    topic: &'a str,
    published: usize,
    #[serde(skip_serializing_if = "is_zero")]
    left_out: usize,
    first_id: Option<EventId>,
    last_id: Option<EventId>,
}

/// `POST`: publishes the body, as its type says: a form, a stream of events, or the data of one event.
///
/// # Errors
///
/// A problem if the publisher may not, or the request is wrong.
pub(in crate::server::routes) async fn post(
    state: &AppState,
    topic: Topic,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    request_body::check_coding(&parts.headers)?;
    match media_type(&parts.headers) {
        "multipart/form-data" => form(state, topic, &parts, body).await,
        "text/event-stream" => stream(state, topic, &parts, body, PublishBody::event_stream).await,
        "application/x-ndjson" => stream(state, topic, &parts, body, PublishBody::ndjson).await,
        _ => one(state, topic, &parts, body).await,
    }
}

/// `PUT`: publishes a stream of events, as `curl -T -` sends it: without saying its type.
///
/// # Errors
///
/// As [`post`].
pub(in crate::server::routes) async fn put(
    state: &AppState,
    topic: Topic,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    request_body::check_coding(&parts.headers)?;
    match media_type(&parts.headers) {
        "application/x-ndjson" => stream(state, topic, &parts, body, PublishBody::ndjson).await,
        "" | "text/event-stream" => {
            stream(state, topic, &parts, body, PublishBody::event_stream).await
        }
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "PUT publishes a stream: send text/event-stream or application/x-ndjson; for one event use POST",
        )),
    }
}

async fn one(
    state: &AppState,
    topic: Topic,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let fields = EventFields::of_request(&parts.uri, &parts.headers)?;
    let publisher = state.access.check_publish(&Caller::of(parts), &topic)?;
    let conditions = conditions(parts, &publisher)?;
    let data = whole_text(state, parts, body).await?;
    let publication = fields.publication(data).map_err(Problem::bad_request)?;
    let published = publish(state, &topic, publication, conditions).await?;
    Ok(receipt(&published))
}

/// What a page without JavaScript sends, and `curl -F`. A browser is sent back to the topic's page, a program gets the
/// receipt.
async fn form(
    state: &AppState,
    topic: Topic,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    let by_request = EventFields::of_request(&parts.uri, &parts.headers)?;
    let publisher = state.access.check_publish(&Caller::of(parts), &topic)?;
    let conditions = conditions(parts, &publisher)?;
    let max_data = state.publish_config.max_bytes;
    let max_form = max_data.saturating_add(FORM_ALLOWANCE);
    request_body::check_length(&parts.headers, max_form)?;
    let boundary = parts
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| multer::parse_boundary(value).ok())
        .ok_or_else(|| Problem::bad_request("the form has no boundary in its Content-Type"))?;
    let mut form = multer::Multipart::new(body.into_data_stream(), boundary);
    let mut held = state.held_by(parts);
    let (mut data, mut fields, mut count) = (None, TextFields::default(), 0);
    while let Some(mut field) = form.next_field().await.map_err(form_problem)? {
        count += 1;
        if count > MAX_FORM_FIELDS {
            return Err(Problem::bad_request("the form has too many fields"));
        }
        let name = field.name().unwrap_or_default().to_owned();
        let limit = if name == "data" {
            max_data
        } else {
            FORM_ALLOWANCE
        };
        let mut bytes = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(form_problem)? {
            if bytes.len() + chunk.len() > limit {
                return Err(Problem::too_large(limit));
            }
            held.add(chunk.len())?;
            bytes.extend_from_slice(&chunk);
        }
        let text = text(bytes)?;
        if name == "data" {
            data = Some(text);
        } else if !fields.set(&name, text) {
            return Err(Problem::bad_request(format!(
                "the form has a field '{name}'; it takes data, id, type, retry, keep and private"
            )));
        }
    }
    let data = data.ok_or_else(|| Problem::bad_request("the form has no field data"))?;
    let fields = by_request.or(fields.typed()?);
    let publication = fields.publication(data).map_err(Problem::bad_request)?;
    let published = publish(state, &topic, publication, conditions).await?;
    if prefers_html(&parts.headers) {
        return Ok(Redirect::to(&topic_path(topic.as_str())).into_response());
    }
    Ok(receipt(&published))
}

fn form_problem(error: multer::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<axum::Error>() {
            return request_body::problem(error);
        }
        cause = error.source();
    }
    Problem::bad_request(format!("the form cannot be read: {error}"))
}

/// Publishes each event as it arrives. The hub takes it at once, so what holds a fast publisher back is the connection. The
/// request ends with the body, with the publisher's token, or when the server stops; each time the publisher learns what
/// has been published.
async fn stream(
    state: &AppState,
    topic: Topic,
    parts: &Parts,
    body: Body,
    incoming: fn(usize) -> PublishBody,
) -> Result<Response, Problem> {
    let defaults = EventFields::of_request(&parts.uri, &parts.headers)?;
    if defaults.id.is_some() {
        return Err(Problem::bad_request(
            "each event of a stream has an id of its own: leave id out of the query and the headers",
        ));
    }
    for name in [header::IF_MATCH, IDEMPOTENCY_KEY] {
        if parts.headers.contains_key(&name) {
            return Err(Problem::bad_request(format!(
                "{name} is for one event: publish each with a POST of its own, or leave it out"
            )));
        }
    }
    let publisher = state.access.check_publish(&Caller::of(parts), &topic)?;
    let mut incoming = incoming(state.publish_config.max_bytes).with_defaults(defaults);
    let mut receipt = StreamReceipt {
        topic: topic.as_str(),
        published: 0,
        left_out: 0,
        first_id: None,
        last_id: None,
    };
    let mut held = state.held_by(parts);
    let mut chunks = body.into_data_stream();
    loop {
        let chunk = tokio::select! {
            biased;
            () = expiry(&publisher) => return Err(receipt.with(token_has_expired())),
            () = state.shutdown.cancelled() => return Err(receipt.with(stopping())),
            chunk = chunks.next() => chunk,
        };
        let read = match chunk {
            Some(Ok(chunk)) => incoming.feed(&chunk),
            Some(Err(_)) => Err(PublishBodyError::BrokenOff),
            None => incoming.finish(),
        };
        let is_over = incoming.is_over();
        for publication in incoming.take() {
            match publication {
                Some(publication) => {
                    let published = publish(state, &topic, publication, Conditions::default())
                        .await
                        .map_err(|problem| receipt.with(problem))?;
                    receipt.published += 1;
                    receipt.first_id.get_or_insert_with(|| published.id.clone());
                    receipt.last_id = Some(published.id);
                }
                None => receipt.left_out += 1,
            }
        }
        read.map_err(|wrong| receipt.with(wrong.into()))?;
        if is_over {
            let is_empty = receipt.published + receipt.left_out == 0;
            if is_empty && incoming.has_content() {
                return Err(receipt.with(PublishBodyError::NoEvent.into()));
            }
            return Ok(json(StatusCode::OK, &receipt));
        }
        held.set(incoming.buffered_bytes())
            .map_err(|exhausted| receipt.with(exhausted.into()))?;
    }
}

/// Waits until a publisher may publish no longer.
async fn expiry(publisher: &Publisher) {
    match publisher.expires_at {
        Some(expiry) if expiry.is_over(Instant::now()) => {}
        Some(expiry) => sleep_until(expiry.at()).await,
        None => std::future::pending().await,
    }
}

fn token_has_expired() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "the token has expired within the stream; go on with a new one after the last event that was published",
    )
}

fn stopping() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the server is stopping; go on after the last event that was published",
    )
    .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

/// Publishes for a client that may.
///
/// # Errors
///
/// A problem if the hub does not take it.
pub(in crate::server::routes) async fn publish(
    state: &AppState,
    topic: &Topic,
    publication: Publication,
    conditions: Conditions,
) -> Result<Published, Problem> {
    if publication.is_private && !state.access.can_be_private() {
        return Err(Problem::bad_request(
            "nobody could read a private event: configure a key for tokens first, or leave private out",
        ));
    }
    state
        .hub
        .publish(topic, publication, conditions)
        .await
        .map_err(|error| {
            if let PublishError::Unavailable(error) = &error {
                return Problem::unavailable(error);
            }
            let status = match error {
                PublishError::Ended | PublishError::DuplicateId(_) => StatusCode::CONFLICT,
                PublishError::Moved(_) => StatusCode::PRECONDITION_FAILED,
                PublishError::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
                PublishError::TooManyKeys(_) => StatusCode::TOO_MANY_REQUESTS,
                PublishError::TooManyTopics | PublishError::Unavailable(_) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
            };
            let problem = Problem::new(status, error.to_string());
            match error {
                PublishError::TooManyKeys(wait) => {
                    let seconds = HeaderValue::from(wait.as_secs() + 1);
                    problem.with_header(header::RETRY_AFTER, seconds)
                }
                _ => problem,
            }
        })
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What must hold for one event to be published: `If-Match` (RFC 9110, section 13.1.1) and `Idempotency-Key`.
fn conditions(parts: &Parts, publisher: &Publisher) -> Result<Conditions, Problem> {
    let headers = &parts.headers;
    let newest = if headers.contains_key(header::IF_MATCH) {
        Some(ExpectedNewest {
            with_private: publisher.sees_private,
            one_of: if_match(headers)?,
        })
    } else {
        None
    };
    let idempotency = event_fields::header(headers, "idempotency-key")?;
    if idempotency
        .as_ref()
        .is_some_and(|key| key.is_empty() || key.len() > MAX_KEY_BYTES)
    {
        return Err(Problem::bad_request(format!(
            "Idempotency-Key takes 1 to {MAX_KEY_BYTES} bytes"
        )));
    }
    let client = ClientAddress::of_request(&parts.extensions);
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    Ok(Conditions {
        newest,
        idempotency: idempotency.map(|key| IdempotencyKey {
            key,
            publisher: hasher.hash_one(client),
        }),
    })
}

/// The ids that `If-Match` names; none for `*`, which any event matches. Weak tags match nothing: the comparison is strong.
fn if_match(headers: &HeaderMap) -> Result<Option<Vec<EventId>>, Problem> {
    let wrong = || {
        Problem::bad_request(
            "If-Match takes the id of the topic's newest event in double quotes, such as \"#x-1\", several of them with commas between, or *",
        )
    };
    let mut ids = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let mut rest = std::str::from_utf8(value.as_bytes())
            .map_err(|_| wrong())?
            .trim();
        if rest == "*" {
            return Ok(None);
        }
        while !rest.is_empty() {
            let (is_weak, tag) = match rest.strip_prefix("W/") {
                Some(tag) => (true, tag),
                None => (false, rest),
            };
            let (id, after) = match tag.strip_prefix('"') {
                Some(tag) => tag.split_once('"').ok_or_else(wrong)?,
                // An id as it stands in a receipt, without quotes.
                None => tag.split_at(tag.find(',').unwrap_or(tag.len())),
            };
            if !is_weak {
                ids.push(EventId::new(id.trim()).map_err(|_| wrong())?);
            }
            rest = after.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err(wrong()),
            };
        }
    }
    Ok(Some(ids))
}

async fn whole_text(state: &AppState, parts: &Parts, body: Body) -> Result<String, Problem> {
    let limit = state.publish_config.max_bytes;
    request_body::check_length(&parts.headers, limit)?;
    let mut held = state.held_by(parts);
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| request_body::problem(&error))?;
        if bytes.len() + chunk.len() > limit {
            return Err(Problem::too_large(limit));
        }
        held.add(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    text(bytes)
}

fn text(bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|_| {
        Problem::bad_request(
            "the body is not UTF-8: an event's data is text; encode bytes, as base64 say",
        )
    })
}

/// The type of a request's body, in lower case and without parameters; empty if it does not say.
fn media_type(headers: &HeaderMap) -> &str {
    let name = request_body::media_type(headers);
    [
        "multipart/form-data",
        "text/event-stream",
        "application/x-ndjson",
    ]
    .into_iter()
    .find(|known| name.eq_ignore_ascii_case(known))
    .unwrap_or(name)
}

fn receipt(published: &Published) -> Response {
    let body = Receipt {
        id: &published.id,
        topic: published.topic.as_str(),
        subscribers: published.subscribers,
        repeated: published.is_repeat,
    };
    json(StatusCode::OK, &body)
}

impl StreamReceipt<'_> {
    /// What went wrong, with what had been published by then.
    fn with(&self, problem: Problem) -> Problem {
        let members = serde_json::to_value(self).ok();
        problem.with_members(
            members
                .and_then(|members| members.as_object().cloned())
                .unwrap_or_default(),
        )
    }
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    // Texts and numbers: this cannot fail.
    let text = serde_json::to_string(body).unwrap_or_default();
    let no_store: (HeaderName, HeaderValue) =
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let content_type = (
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    (status, [no_store, content_type], text + "\n").into_response()
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(value: &str) -> Option<Vec<String>> {
        let headers = HeaderMap::from_iter([(header::IF_MATCH, value.parse().expect("a header"))]);
        let ids = if_match(&headers).expect("a condition")?;
        Some(ids.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn if_match_is_a_list_of_strong_tags_or_any() {
        assert_eq!(ids("*"), None);
        assert_eq!(ids("\"#x-1\""), Some(vec!["#x-1".to_owned()]));
        assert_eq!(
            ids("\"a\", W/\"weak\",\"b,c\" , d"),
            Some(["a", "b,c", "d"].map(str::to_owned).to_vec())
        );
        assert_eq!(ids("W/\"a\""), Some(vec![]));
        for wrong in ["\"a", "\"a\" \"b\"", "\"\""] {
            let headers =
                HeaderMap::from_iter([(header::IF_MATCH, wrong.parse().expect("a header"))]);
            assert!(if_match(&headers).is_err(), "{wrong}");
        }
    }
}
