//! The clock's event stream under its own URL.

use axum::extract::{Request, State};
use axum::response::Response;

use super::subscribe::{self, StreamQuery};
use crate::hub::topic::Topic;
use crate::protocol::problem::ProblemCode;
use crate::server::http::media_type::EVENT_STREAM;
use crate::server::http::negotiation::accepts;
use crate::server::http::problem::Problem;
use crate::server::state::AppState;

/// `GET` and `HEAD`: the stream, whatever else the client would rather have; the clock's page is elsewhere.
pub(crate) async fn stream(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    check_exists(&state, &Topic::clock())?;
    if !accepts(request.headers(), EVENT_STREAM) {
        let detail = format!(
            "this is an event stream: ask for it with 'Accept: {EVENT_STREAM}', or with no Accept at all"
        );
        return Err(Problem::new(ProblemCode::NotAcceptable, detail));
    }
    let query = StreamQuery::read(request.uri())?.without_topics()?;
    let (parts, _) = request.into_parts();
    subscribe::open(&state, &parts, vec![Topic::clock()], &query)
}

/// Refuses the clock's topic where there is no clock.
///
/// # Errors
///
/// A problem that names the setting.
pub(super) fn check_exists(state: &AppState, topic: &Topic) -> Result<(), Problem> {
    if !state.has_clock && *topic == Topic::clock() {
        return Err(Problem::new(
            ProblemCode::NoClock,
            "the clock is off on this server (--clock-interval off), and its topic with it; other topics are at /topics/NAME",
        ));
    }
    Ok(())
}
