//! Publishing, whichever way an event came: as a body, in a form, in a stream, or in a frame. Only this module calls
//! [`crate::hub::Hub::submit`], and it answers each of the hub's refusals.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

use axum::http::request::Parts;

use super::event_fields::{EventFields, JsonEvent};
use crate::hub::Submitted;
use crate::hub::publish::{Preconditions, PublishError, PublishReceipt, PublishRequest};
use crate::hub::topic::Topic;
use crate::protocol::problem::ProblemCode;
use crate::server::auth::Caller;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::problem::Problem;
use crate::server::state::AppState;

/// Publishes an event for a client that may.
///
/// # Errors
///
/// A problem if the hub refuses it.
pub(super) async fn publish(
    state: &AppState,
    topic: &Topic,
    publication: PublishRequest,
    conditions: Preconditions,
) -> Result<PublishReceipt, Problem> {
    let submitted = submit(state, topic, publication, conditions).await?;
    receipt(submitted).await
}

/// Submits an event for a client that may: as [`publish`], but the log need not have committed it yet. [`receipt`] gives the
/// answer.
///
/// # Errors
///
/// A problem if no client could read it.
pub(super) async fn submit(
    state: &AppState,
    topic: &Topic,
    publication: PublishRequest,
    conditions: Preconditions,
) -> Result<Submitted, Problem> {
    check_private(state, &publication)?;
    Ok(state.hub.submit(topic, publication, conditions).await)
}

/// Refuses a private event where no client could read it.
///
/// # Errors
///
/// A problem that says what is missing.
pub(super) fn check_private(state: &AppState, publication: &PublishRequest) -> Result<(), Problem> {
    if publication.is_private && !state.access.can_be_private() {
        return Err(Problem::new(
            ProblemCode::PrivateWithoutKeys,
            "no client could read a private event: configure a key for tokens first, or leave private out",
        ));
    }
    Ok(())
}

/// Whose share of what is bounded per client a request takes: the hash of its client's address, the same in every run.
pub(super) fn share_of(parts: &Parts) -> u64 {
    let client = ClientAddress::of_request(&parts.extensions);
    BuildHasherDefault::<DefaultHasher>::default().hash_one(client)
}

/// Waits until a submitted event is committed.
///
/// # Errors
///
/// A problem if the hub refuses it.
pub(super) async fn receipt(submitted: Submitted) -> Result<PublishReceipt, Problem> {
    submitted.receipt().await.map_err(refusal)
}

/// Publishes what a client has sent as one frame of JSON, under the rules of `POST`. Every frame counts for the client's rate,
/// also one that cannot be read.
///
/// # Errors
///
/// A problem if the client may not publish, the frame is no event, or the hub refuses it.
pub(super) async fn publish_frame(
    state: &AppState,
    caller: &Caller<'_>,
    client: Option<ClientAddress>,
    topic: &Topic,
    text: &str,
) -> Result<PublishReceipt, Problem> {
    state.rates.check_publish(client)?;
    state.access.check_publish(caller, topic)?;
    let publication = JsonEvent::read(text.as_bytes())
        .map_err(|error| Problem::invalid_event(format!("the frame is no event: {error}")))?
        .publication(EventFields::default())
        .map_err(Problem::invalid_event)?;
    let limit = state.publish_config.max_bytes;
    if publication.data.len() > limit {
        return Err(Problem::too_large(limit));
    }
    publish(state, topic, publication, Preconditions::default()).await
}

pub(super) fn refusal(error: PublishError) -> Problem {
    let detail = error.to_string();
    match error {
        PublishError::Ended => Problem::new(ProblemCode::TopicEnded, detail),
        PublishError::DuplicateId(_) => Problem::new(ProblemCode::DuplicateId, detail),
        PublishError::Moved(_) => Problem::new(ProblemCode::PreconditionFailed, detail),
        PublishError::KeyReused => Problem::new(ProblemCode::KeyReused, detail),
        PublishError::TooManyKeys(wait) => Problem::new(ProblemCode::TooManyKeys, detail)
            .with_retry_after(wait + Duration::from_secs(1)),
        PublishError::TooManyTopics => Problem::new(ProblemCode::TooManyTopics, detail),
        PublishError::TooLarge(_) => Problem::new(ProblemCode::TooLarge, detail),
        PublishError::Unavailable(error) => Problem::unavailable(&error),
    }
}
