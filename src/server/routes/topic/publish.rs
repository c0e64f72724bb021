//! Publishing over HTTP: one event as a body or a form, at once or later, or a stream of events, each of which goes out as it arrives. What
//! may be said about an event is the same everywhere: see [`crate::server::routes::event_fields`].
//!
//! * `form`: what a page without JavaScript sends, and `curl -F`
//! * `preconditions`: `If-Match` and `Idempotency-Key`

mod form;
mod preconditions;

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use futures_util::StreamExt;
use serde::Serialize;
use tokio::time::{Instant, sleep_until};

use super::publish_body::{PublishBody, PublishBodyError};
use crate::hub::Submitted;
use crate::hub::publish::{Preconditions, PublishReceipt};
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;
use crate::protocol::problem::ProblemCode;
use crate::server::auth::{Caller, Publisher};
use crate::server::http::media_type::BodyType;
use crate::server::http::problem::Problem;
use crate::server::http::{answers, request_body};
use crate::server::routes::event_fields::EventFields;
use crate::server::routes::publish_service::{self, publish, submit};
use crate::server::routes::scheduled;
use crate::server::state::AppState;

/// How many events of one stream may wait for the log.
const MAX_UNCOMMITTED: usize = 256;

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
    match BodyType::of(&parts.headers) {
        // In boxes, so that the future of one event is short: it is moved several times.
        BodyType::Form { boundary } => {
            Box::pin(form::post(state, topic, &parts, body, boundary)).await
        }
        BodyType::EventStream => {
            Box::pin(stream(
                state,
                topic,
                &parts,
                body,
                PublishBody::event_stream,
            ))
            .await
        }
        BodyType::Ndjson => Box::pin(stream(state, topic, &parts, body, PublishBody::ndjson)).await,
        BodyType::Unnamed | BodyType::Other => one(state, topic, &parts, body).await,
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
    match BodyType::of(&parts.headers) {
        BodyType::Ndjson => stream(state, topic, &parts, body, PublishBody::ndjson).await,
        BodyType::Unnamed | BodyType::EventStream => {
            stream(state, topic, &parts, body, PublishBody::event_stream).await
        }
        BodyType::Form { .. } | BodyType::Other => Err(Problem::new(
            ProblemCode::UnsupportedType,
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
    let conditions = preconditions::read(parts, &publisher)?;
    let data = whole_text(state, parts, body, state.publish_config.max_bytes).await?;
    let when = fields.when;
    let publication = fields.publication(data).map_err(Problem::invalid_event)?;
    if let Some(when) = when {
        let later = Box::pin(scheduled::schedule(
            state,
            topic,
            publication,
            when,
            parts,
            conditions,
        ));
        return Ok(scheduled::receipt(&later.await?));
    }
    let published = publish(state, &topic, publication, conditions).await?;
    Ok(receipt(&published))
}

/// Publishes each event as it arrives. Up to [`MAX_UNCOMMITTED`] wait for the log at a time, so that a log that commits in
/// groups has something to group; with a log in memory, what holds a fast publisher back is the connection. The request ends
/// with the body, with the publisher's token, or when the server stops; each time the publisher learns what has been
/// published.
async fn stream(
    state: &AppState,
    topic: Topic,
    parts: &Parts,
    body: Body,
    format: fn(usize) -> PublishBody,
) -> Result<Response, Problem> {
    let defaults = EventFields::of_request(&parts.uri, &parts.headers)?;
    if defaults.id.is_some() {
        return Err(Problem::invalid_header(
            "each event of a stream has an id of its own: leave id out of the query and the headers",
        ));
    }
    if defaults.when.is_some() {
        return Err(Problem::invalid_event(
            "the events of a stream go out as they arrive: publish each with a POST of its own to have it published later",
        ));
    }
    for name in [header::IF_MATCH, preconditions::IDEMPOTENCY_KEY] {
        if parts.headers.contains_key(&name) {
            return Err(Problem::invalid_header(format!(
                "{name} is for one event: publish each with a POST of its own, or leave it out"
            )));
        }
    }
    let publisher = state.access.check_publish(&Caller::of(parts), &topic)?;
    let mut events = format(state.publish_config.max_bytes).with_defaults(defaults);
    let mut published = Published::to(&topic);
    let mut held = state.held_by(parts);
    let mut chunks = body.into_data_stream();
    loop {
        let chunk = tokio::select! {
            biased;
            () = expiry(&publisher) => return Err(published.end(token_has_expired()).await),
            () = state.shutdown.cancelled() => return Err(published.end(stopping()).await),
            chunk = chunks.next() => chunk,
            failed = published.settle_one() => match failed {
                Ok(()) => continue,
                Err(problem) => return Err(published.end(problem).await),
            },
        };
        let read = match chunk {
            Some(Ok(chunk)) => events.feed(&chunk),
            Some(Err(_)) => Err(PublishBodyError::BrokenOff),
            None => events.finish(),
        };
        let is_over = events.is_over();
        for publication in events.take() {
            match publication {
                Some(publication) => {
                    let conditions = Preconditions::default();
                    let taken = match submit(state, &topic, publication, conditions).await {
                        Ok(submitted) => published.add(submitted).await,
                        Err(problem) => Err(problem),
                    };
                    if let Err(problem) = taken {
                        return Err(published.end(problem).await);
                    }
                }
                None => published.receipt.left_out += 1,
            }
        }
        if let Err(wrong) = read {
            return Err(published.end(wrong.into()).await);
        }
        if is_over {
            if let Err(problem) = published.settle_all().await {
                return Err(published.receipt.with(problem));
            }
            let receipt = published.receipt;
            let is_empty = receipt.published + receipt.left_out == 0;
            if is_empty && events.has_content() {
                return Err(receipt.with(PublishBodyError::NoEvent.into()));
            }
            return Ok(answers::json(&receipt));
        }
        if let Err(exhausted) = held.set(events.buffered_bytes()) {
            return Err(published.end(exhausted.into()).await);
        }
    }
}

/// What a stream has published so far.
struct Published<'a> {
    receipt: StreamReceipt<'a>,
    /// Events that the log may not have committed yet, in the order of the stream.
    submitted: VecDeque<Submitted>,
    /// Whether an event has failed. Later ones are not counted, so that a publisher that goes on after those that were loses
    /// none.
    has_failed: bool,
}

impl<'a> Published<'a> {
    fn to(topic: &'a Topic) -> Self {
        Self {
            receipt: StreamReceipt {
                topic: topic.as_str(),
                published: 0,
                left_out: 0,
                first_id: None,
                last_id: None,
            },
            submitted: VecDeque::new(),
            has_failed: false,
        }
    }

    /// Adds an event. Waits for the oldest one if too many are not committed, and for all if the hub has refused this one.
    async fn add(&mut self, submitted: Submitted) -> Result<(), Problem> {
        let is_refused = submitted.is_refused();
        self.submitted.push_back(submitted);
        if is_refused {
            self.settle_all().await
        } else if self.submitted.len() > MAX_UNCOMMITTED {
            self.settle_one().await
        } else {
            Ok(())
        }
    }

    /// Waits until the oldest event is committed, and counts it. Without an event it never resolves. Dropping the future loses nothing.
    async fn settle_one(&mut self) -> Result<(), Problem> {
        let Some(oldest) = self.submitted.front_mut() else {
            return std::future::pending().await;
        };
        // The receipt says what is wrong.
        let _ = oldest.committed().await;
        let Some(oldest) = self.submitted.pop_front() else {
            return Ok(());
        };
        let published = publish_service::receipt(oldest).await;
        self.has_failed |= published.is_err();
        let published = published?;
        if self.has_failed {
            return Ok(());
        }
        self.receipt.published += 1;
        let first_id = &mut self.receipt.first_id;
        first_id.get_or_insert_with(|| published.id.clone());
        self.receipt.last_id = Some(published.id);
        Ok(())
    }

    /// Waits until all events are committed, and counts those that are.
    async fn settle_all(&mut self) -> Result<(), Problem> {
        let mut settled = Ok(());
        while !self.submitted.is_empty() {
            let one = self.settle_one().await;
            settled = settled.and(one);
        }
        settled
    }

    /// What went wrong, with what has been published all the same.
    async fn end(mut self, problem: Problem) -> Problem {
        // The first problem is the one to tell.
        let _ = self.settle_all().await;
        self.receipt.with(problem)
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
        ProblemCode::TokenExpired,
        "the token has expired within the stream; go on with a new one after the last event that was published",
    )
}

fn stopping() -> Problem {
    Problem::new(
        ProblemCode::Stopping,
        "the server is stopping; go on after the last event that was published",
    )
    .with_retry_after(Duration::from_secs(1))
}

/// The body as text, with at most `limit` bytes.
///
/// # Errors
///
/// A problem if it is larger, breaks off, or is no text.
pub(in crate::server::routes) async fn whole_text(
    state: &AppState,
    parts: &Parts,
    body: Body,
    limit: usize,
) -> Result<String, Problem> {
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

pub(super) fn text(bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|_| {
        Problem::invalid_body(
            "the body is not UTF-8: an event's data is text; encode bytes, as base64 say",
        )
    })
}

fn receipt(published: &PublishReceipt) -> Response {
    let body = Receipt {
        id: &published.id,
        topic: published.topic.as_str(),
        subscribers: published.subscribers,
        repeated: published.is_repeat,
    };
    answers::json(&body)
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

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &usize) -> bool {
    *value == 0
}
