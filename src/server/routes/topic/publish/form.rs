//! Publishing by a form (`multipart/form-data`): what a page without JavaScript sends, and `curl -F`.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::{preconditions, receipt, text};
use crate::hub::topic::Topic;
use crate::protocol::topic_path;
use crate::server::auth::Caller;
use crate::server::http::negotiation::prefers_html;
use crate::server::http::problem::Problem;
use crate::server::http::referer::referring_page;
use crate::server::http::request_body;
use crate::server::routes::event_fields::{EventFields, TextFields};
use crate::server::routes::publish_service::publish;
use crate::server::routes::scheduled;
use crate::server::state::AppState;

/// How much larger than its data a form may be, in bytes: the other fields, and what stands between them.
const FORM_ALLOWANCE: usize = 16 * 1_024;

/// How many fields a form may have: more than there are names.
const MAX_FORM_FIELDS: usize = 16;

/// Publishes the event of a form. A browser is sent back to the page that the form is on, or to the topic's; a program gets the receipt.
///
/// # Errors
///
/// A problem if the publisher may not, or the form is wrong.
pub(super) async fn post(
    state: &AppState,
    topic: Topic,
    parts: &Parts,
    body: Body,
    boundary: Option<String>,
) -> Result<Response, Problem> {
    let by_request = EventFields::of_request(&parts.uri, &parts.headers)?;
    let publisher = state.access.check_publish(&Caller::of(parts), &topic)?;
    let conditions = preconditions::read(parts, &publisher)?;
    let max_data = state.publish_config.max_bytes;
    let max_form = max_data.saturating_add(FORM_ALLOWANCE);
    request_body::check_length(&parts.headers, max_form)?;
    let boundary = boundary
        .ok_or_else(|| Problem::invalid_body("the form has no boundary in its Content-Type"))?;
    let mut form = multer::Multipart::new(body.into_data_stream(), boundary);
    let mut held = state.held_by(parts);
    let (mut data, mut fields, mut count) = (None, TextFields::default(), 0);
    while let Some(mut field) = form.next_field().await.map_err(form_problem)? {
        count += 1;
        if count > MAX_FORM_FIELDS {
            return Err(Problem::invalid_body("the form has too many fields"));
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
            return Err(Problem::invalid_body(format!(
                "the form has a field '{name}'; it takes data, id, type, retry, keep, private, in and at"
            )));
        }
    }
    let data = data.ok_or_else(|| Problem::invalid_body("the form has no field data"))?;
    let fields = by_request.or(fields.typed()?);
    let when = fields.when;
    let publication = fields.publication(data).map_err(Problem::invalid_event)?;
    // A browser goes back to the page that the form is on.
    let page =
        referring_page(&parts.headers).or_else(|| topic_path(topic.as_str()).try_into().ok());
    let answer = match when {
        None => receipt(&publish(state, &topic, publication, conditions).await?),
        Some(when) => {
            let later =
                scheduled::schedule(state, topic, publication, when, parts, conditions).await?;
            scheduled::receipt(&later)
        }
    };
    if prefers_html(&parts.headers)
        && let Some(page) = page
    {
        return Ok((StatusCode::SEE_OTHER, [(header::LOCATION, page)]).into_response());
    }
    Ok(answer)
}

fn form_problem(error: multer::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<axum::Error>() {
            return request_body::problem(error);
        }
        cause = error.source();
    }
    Problem::invalid_body(format!("the form cannot be read: {error}"))
}
