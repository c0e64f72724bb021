//! Publishing over HTTP: one event as a body, or a stream of events, each of which goes out as it arrives.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::incoming::{Incoming, Wrong};
use crate::hub::publication::{
    Conditions, Publication, PublishError, Published, check_id, check_type,
};
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;
use crate::protocol::topic_path;
use crate::server::problem::Problem;
use crate::server::query;
use crate::server::request_body;
use crate::server::state::AppState;

/// The longest `Idempotency-Key`, in bytes: more than any UUID or hash needs.
const MAX_KEY_BYTES: usize = 256;

/// What a publisher may say about an event beside its data, in the query or, under the names of [`Attributes::header`],
/// in headers. The query counts more.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attributes {
    id: Option<String>,
    r#type: Option<String>,
    retry: Option<String>,
    keep: Option<String>,
    private: Option<String>,
}

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
pub(super) async fn post(
    state: &AppState,
    topic: Topic,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    match media_type(&parts.headers) {
        "multipart/form-data" => form(state, topic, Request::from_parts(parts, body)).await,
        "text/event-stream" => stream(state, topic, &parts, body, Incoming::event_stream).await,
        "application/x-ndjson" => stream(state, topic, &parts, body, Incoming::ndjson).await,
        _ => one(state, topic, &parts, body).await,
    }
}

/// `PUT`: publishes a stream of events, as `curl -T -` sends it: without saying its type.
///
/// # Errors
///
/// As [`post`].
pub(super) async fn put(
    state: &AppState,
    topic: Topic,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    match media_type(&parts.headers) {
        "application/x-ndjson" => stream(state, topic, &parts, body, Incoming::ndjson).await,
        "" | "text/event-stream" => {
            stream(state, topic, &parts, body, Incoming::event_stream).await
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
    let attributes = Attributes::read(&parts.uri, &parts.headers)?;
    let conditions = conditions(&parts.headers)?;
    state.access.check_publish(&parts.headers, &topic)?;
    let data = whole_text(state, body).await?;
    let published = publish(state, &topic, attributes.publication(data)?, conditions)?;
    Ok(receipt(&published))
}

/// What a page without JavaScript sends; its reader is sent back to it.
async fn form(state: &AppState, topic: Topic, request: Request) -> Result<Response, Problem> {
    state.access.check_publish(request.headers(), &topic)?;
    let wrong = |error: axum::extract::multipart::MultipartError| {
        Problem::new(error.status(), error.body_text())
    };
    let limit = state.settings.max_body_bytes();
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
    let (mut data, mut attributes) = (None, Attributes::default());
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        let name = field.name().unwrap_or_default().to_owned();
        let text = field.text().await.map_err(wrong)?;
        match name.as_str() {
            "data" if text.len() > limit => return Err(Problem::too_large(limit)),
            "data" => data = Some(text),
            "type" if !text.is_empty() => attributes.r#type = Some(text),
            "type" => {}
            _ => {
                return Err(Problem::bad_request(format!(
                    "the form has a field '{name}'; it takes data and type"
                )));
            }
        }
    }
    let data = data.ok_or_else(|| Problem::bad_request("the form has no field data"))?;
    publish(
        state,
        &topic,
        attributes.publication(data)?,
        Conditions::default(),
    )?;
    Ok(Redirect::to(&topic_path(topic.as_str())).into_response())
}

/// Publishes each event as it arrives. The hub takes it at once, so what holds a fast publisher back is the connection.
async fn stream(
    state: &AppState,
    topic: Topic,
    parts: &Parts,
    body: Body,
    incoming: fn(usize) -> Incoming,
) -> Result<Response, Problem> {
    if !Attributes::read(&parts.uri, &parts.headers)?.is_empty() {
        return Err(Problem::bad_request(
            "each event of a stream has its own id, type and retry: leave them out of the query and the headers",
        ));
    }
    state.access.check_publish(&parts.headers, &topic)?;
    let mut incoming = incoming(state.settings.max_body_bytes());
    let mut receipt = StreamReceipt {
        topic: topic.as_str(),
        published: 0,
        left_out: 0,
        first_id: None,
        last_id: None,
    };
    let mut chunks = body.into_data_stream();
    let outcome = loop {
        let read = match chunks.next().await {
            Some(Ok(chunk)) => incoming.feed(&chunk),
            Some(Err(_)) => Err(Wrong::BrokenOff),
            None => incoming.finish(),
        };
        let is_over = incoming.is_over();
        for publication in incoming.take() {
            match publication {
                Some(publication) => {
                    let published = publish(state, &topic, publication, Conditions::default())
                        .map_err(|problem| receipt.with(problem))?;
                    receipt.published += 1;
                    receipt.first_id.get_or_insert_with(|| published.id.clone());
                    receipt.last_id = Some(published.id);
                }
                None => receipt.left_out += 1,
            }
        }
        match read {
            Ok(()) if is_over => break Ok(()),
            Ok(()) => {}
            Err(wrong) => break Err(wrong),
        }
    };
    match outcome {
        Ok(()) => Ok(json(StatusCode::OK, &receipt)),
        Err(wrong) => Err(receipt.with(wrong.into())),
    }
}

/// Publishes for somebody who may.
///
/// # Errors
///
/// A problem if the hub does not take it.
pub(super) fn publish(
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
        .map_err(|error| {
            let status = match error {
                PublishError::Ended => StatusCode::CONFLICT,
                PublishError::Moved(_) => StatusCode::PRECONDITION_FAILED,
                PublishError::TooManyTopics => StatusCode::SERVICE_UNAVAILABLE,
            };
            Problem::new(status, error.to_string())
        })
}

impl Attributes {
    fn read(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let by_query: Self = query::read(uri, &[])?;
        Ok(Self {
            id: by_query.id.or(Self::header(headers, "event-id")?),
            r#type: by_query.r#type.or(Self::header(headers, "event-type")?),
            retry: by_query.retry.or(Self::header(headers, "event-retry")?),
            keep: by_query.keep.or(Self::header(headers, "event-keep")?),
            private: by_query.private.or(Self::header(headers, "event-private")?),
        })
    }

    fn header(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
        match headers
            .get(name)
            .map(|value| std::str::from_utf8(value.as_bytes()))
        {
            None => Ok(None),
            Some(Ok(text)) => Ok(Some(text.to_owned())),
            Some(Err(_)) => Err(Problem::bad_request(format!(
                "the header {name} is not UTF-8"
            ))),
        }
    }

    fn is_empty(&self) -> bool {
        [
            &self.id,
            &self.r#type,
            &self.retry,
            &self.keep,
            &self.private,
        ]
        .iter()
        .all(|attribute| attribute.is_none())
    }

    fn publication(self, data: String) -> Result<Publication, Problem> {
        let id = self
            .id
            .map(check_id)
            .transpose()
            .map_err(Problem::bad_request)?;
        let event_type = self
            .r#type
            .map(check_type)
            .transpose()
            .map_err(Problem::bad_request)?;
        let retry = self.retry.as_deref().map(read_retry).transpose()?;
        Ok(Publication {
            id,
            event_type: event_type.unwrap_or_default(),
            data,
            retry,
            is_kept: yes_or_no("keep", self.keep.as_deref(), true)?,
            is_private: yes_or_no("private", self.private.as_deref(), false)?,
        })
    }
}

fn read_retry(text: &str) -> Result<Duration, Problem> {
    let milliseconds = text.parse().map_err(|_| {
        Problem::bad_request("retry takes whole milliseconds, such as 2000: how long readers wait before they come back")
    })?;
    Ok(Duration::from_millis(milliseconds))
}

fn yes_or_no(name: &str, value: Option<&str>, default: bool) -> Result<bool, Problem> {
    match value {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(Problem::bad_request(format!("{name} takes true or false"))),
    }
}

fn conditions(headers: &HeaderMap) -> Result<Conditions, Problem> {
    let newest = Attributes::header(headers, "if-match")?.map(|tag| {
        let id = tag.trim().trim_matches('"');
        EventId::new(id).map_err(|error| {
            Problem::bad_request(format!(
                "If-Match takes the id of the topic's newest event, such as \"#x-1\": {error}"
            ))
        })
    });
    let idempotency_key = Attributes::header(headers, "idempotency-key")?;
    if idempotency_key
        .as_ref()
        .is_some_and(|key| key.is_empty() || key.len() > MAX_KEY_BYTES)
    {
        return Err(Problem::bad_request(format!(
            "Idempotency-Key takes 1 to {MAX_KEY_BYTES} bytes"
        )));
    }
    Ok(Conditions {
        newest: newest.transpose()?,
        idempotency_key,
    })
}

async fn whole_text(state: &AppState, body: Body) -> Result<String, Problem> {
    let limit = state.settings.max_body_bytes();
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| request_body::problem(&error))?;
        if bytes.len() + chunk.len() > limit {
            return Err(Problem::too_large(limit));
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| {
        Problem::bad_request(
            "the body is not UTF-8: an event's data is text; encode bytes, as base64 say",
        )
    })
}

/// The type of a request's body, in lower case and without parameters; empty if it does not say.
fn media_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let name = value.split(';').next().unwrap_or_default().trim();
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
