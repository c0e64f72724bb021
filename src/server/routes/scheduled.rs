//! Publications for later: `POST /topics/{topic}` with `in` or `at` makes one, `/scheduled?topic=` lists those of a topic, and
//! `/scheduled/{id}` is one of them, which `DELETE` cancels. All of it is for clients that may publish to the topic; a
//! private event is shown to those alone that may also read it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::publish_service;
use super::topic::read_topic;
use crate::hub::HistoryQuery;
use crate::hub::publish::{Preconditions, PublishError, PublishRequest};
use crate::hub::schedule::{
    CancelError, Schedule, ScheduleError, ScheduleReceipt, ScheduleRequest, Scheduled, When,
};
use crate::hub::topic::Topic;
use crate::protocol::problem::ProblemCode;
use crate::protocol::scheduled_path;
use crate::server::auth::{Caller, Publisher};
use crate::server::http::answers::{self, rfc3339, to_json};
use crate::server::http::client_address::ClientAddress;
use crate::server::http::media_type::JSON;
use crate::server::http::pieces;
use crate::server::http::problem::Problem;
use crate::server::http::query;
use crate::server::http::referer::referring_page;
use crate::server::state::AppState;

/// What can be done with scheduled publications, beside asking for that.
pub(crate) const METHODS: [Method; 3] = [Method::GET, Method::HEAD, Method::DELETE];

/// The same as a header says it.
pub(crate) const ALLOW: &str = "GET, HEAD, DELETE, OPTIONS";

/// How long a client waits before it tries again where the schedule is full.
const FULL_WAIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    topic: Option<String>,
}

/// The answer to a publisher.
#[derive(Serialize)]
struct Receipt<'a> {
    scheduled: &'a str,
    topic: &'a str,
    at: String,
    url: String,
    #[serde(skip_serializing_if = "is_false")]
    repeated: bool,
}

/// A publication in a list.
#[derive(Serialize)]
struct Listed<'a> {
    scheduled: &'a str,
    topic: &'a str,
    at: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    event_type: Option<&'a str>,
    #[serde(skip_serializing_if = "is_false")]
    private: bool,
    #[serde(skip_serializing_if = "is_false")]
    ephemeral: bool,
    data: &'a str,
}

/// Schedules an event for a client that may publish it.
///
/// # Errors
///
/// A problem if the schedule refuses it, or it depends on what only the moment of its publication knows.
pub(super) async fn schedule(
    state: &AppState,
    topic: Topic,
    publication: PublishRequest,
    when: When,
    parts: &Parts,
    conditions: Preconditions,
) -> Result<ScheduleReceipt, Problem> {
    let schedule = schedule_of(state)?;
    if conditions.newest.is_some() {
        return Err(Problem::invalid_header(
            "If-Match is about the topic as it is now: leave it out to publish later",
        ));
    }
    publish_service::check_private(state, &publication)?;
    let glance = HistoryQuery {
        count: 0,
        max_bytes: 0,
        before: None,
        with_private: false,
    };
    if state.hub.snapshot(&topic, &glance).has_ended {
        let ended = PublishError::Ended.to_string();
        return Err(Problem::new(ProblemCode::TopicEnded, ended));
    }
    let request = ScheduleRequest {
        topic,
        publication,
        when,
        publisher: publish_service::share_of(parts),
        key: conditions.idempotency.map(|key| key.key),
    };
    schedule.add(request).await.map_err(refusal)
}

/// The answer to a publisher of an event for later.
pub(super) fn receipt(receipt: &ScheduleReceipt) -> Response {
    let ScheduleReceipt {
        scheduled,
        is_repeat,
    } = receipt;
    let url = scheduled_path(&scheduled.id);
    let mut response = answers::json(&Receipt {
        scheduled: &scheduled.id,
        topic: scheduled.topic.as_str(),
        at: rfc3339(scheduled.at),
        url: url.clone(),
        repeated: *is_repeat,
    });
    *response.status_mut() = StatusCode::ACCEPTED;
    // Hexadecimal digits.
    if let Ok(location) = HeaderValue::try_from(url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// `GET /scheduled?topic=NAME`.
pub(crate) async fn list(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let schedule = schedule_of(&state)?;
    let (parts, _) = request.into_parts();
    let query: ListQuery = query::read(&parts.uri, &[])?;
    let Some(topic) = query.topic else {
        return Err(Problem::invalid_query(
            "name the topic whose scheduled publications you want, as in /scheduled?topic=kitchen",
        ));
    };
    let topic = read_topic(&topic)?;
    let publisher = state.access.check_publish(&Caller::of(&parts), &topic)?;
    let mut scheduled = schedule.of_topic(&topic).await;
    scheduled.retain(|one| is_shown(one, &publisher));
    let bytes = scheduled.iter().map(|one| one.bytes()).sum();
    let share = state.hold(&parts, bytes)?;
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
    ];
    let listed = scheduled.into_iter().enumerate().map(|(index, one)| {
        let comma = if index == 0 { "" } else { "," };
        format!("{comma}{}", to_json(&Listed::of(&one)))
    });
    let texts = std::iter::once("[".to_owned())
        .chain(listed)
        .chain(std::iter::once("]\n".to_owned()));
    Ok((headers, pieces::body(texts, share)).into_response())
}

/// Every method of `/scheduled/{id}` but `OPTIONS`.
pub(crate) async fn one(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    match parts.method {
        Method::GET | Method::HEAD => {
            let (scheduled, publisher) = find(&state, &id, &parts).await?;
            if !is_shown(&scheduled, &publisher) {
                return Err(refused_cancel(CancelError::Unknown));
            }
            Ok(answers::json(&Listed::of(&scheduled)))
        }
        Method::DELETE => {
            let client = ClientAddress::of_request(&parts.extensions);
            state.rates.check_publish(client)?;
            let (scheduled, _) = find(&state, &id, &parts).await?;
            cancel(&state, &scheduled).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Problem::wrong_method(&parts.method, ALLOW)),
    }
}

/// `POST /scheduled/{id}/cancel`: as `DELETE`, for a form, which leads back to its page.
pub(crate) async fn cancel_by_form(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    if parts.method != Method::POST {
        return Err(Problem::wrong_method(&parts.method, "POST"));
    }
    state
        .rates
        .check_publish(ClientAddress::of_request(&parts.extensions))?;
    let (scheduled, _) = find(&state, &id, &parts).await?;
    cancel(&state, &scheduled).await?;
    match referring_page(&parts.headers) {
        Some(page) => Ok((StatusCode::SEE_OTHER, [(header::LOCATION, page)]).into_response()),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Cancels a publication for a client that may publish it.
///
/// # Errors
///
/// A problem if it is over by now, or the disk cannot take it.
async fn cancel(state: &AppState, scheduled: &Scheduled) -> Result<(), Problem> {
    let cancelled = schedule_of(state)?.cancel(&scheduled.id).await;
    cancelled.map_err(refused_cancel)
}

/// The publication with this name, if the client may publish to its topic.
async fn find(
    state: &AppState,
    id: &str,
    parts: &Parts,
) -> Result<(Arc<Scheduled>, Publisher), Problem> {
    let found = schedule_of(state)?.get(id).await;
    let scheduled = found.ok_or_else(|| refused_cancel(CancelError::Unknown))?;
    let caller = Caller::of(parts);
    let publisher = state.access.check_publish(&caller, &scheduled.topic)?;
    Ok((scheduled, publisher))
}

/// The schedule, if there is one.
///
/// # Errors
///
/// A problem if the log is one that several servers share.
fn schedule_of(state: &AppState) -> Result<&Schedule, Problem> {
    state.schedule.as_ref().ok_or_else(|| {
        Problem::new(
            ProblemCode::NoSchedule,
            "a server with --nats publishes nothing later, since each of the servers would: publish it when it is due",
        )
    })
}

fn is_shown(scheduled: &Scheduled, publisher: &Publisher) -> bool {
    !scheduled.publication.is_private || publisher.sees_private
}

impl<'a> Listed<'a> {
    fn of(scheduled: &'a Scheduled) -> Self {
        let publication = &scheduled.publication;
        let event_type = &publication.event_type;
        Self {
            scheduled: &scheduled.id,
            topic: scheduled.topic.as_str(),
            at: rfc3339(scheduled.at),
            url: scheduled_path(&scheduled.id),
            id: publication.id.as_ref().map(|id| id.as_str()),
            event_type: (!event_type.is_message()).then(|| event_type.as_str()),
            private: publication.is_private,
            ephemeral: publication.is_ephemeral,
            data: &publication.data,
        }
    }
}

fn refusal(error: ScheduleError) -> Problem {
    let detail = error.to_string();
    match error {
        ScheduleError::TooFarAhead => Problem::invalid_event(detail),
        ScheduleError::KeyReused => Problem::new(ProblemCode::KeyReused, detail),
        ScheduleError::TooManyOfTopic(_)
        | ScheduleError::TooManyOfPublisher
        | ScheduleError::TooMany => {
            Problem::new(ProblemCode::TooManyScheduled, detail).with_retry_after(FULL_WAIT)
        }
        ScheduleError::Unavailable(error) => Problem::unavailable(&error),
    }
}

fn refused_cancel(error: CancelError) -> Problem {
    match error {
        CancelError::Unknown => Problem::new(ProblemCode::NotScheduled, error.to_string()),
        CancelError::Unavailable(error) => Problem::unavailable(&error),
    }
}

fn is_false(value: &bool) -> bool {
    !value
}
