//! The server's numbers.

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::hub::schedule::Schedule;
use crate::server::auth::Caller;
use crate::server::http::problem::Problem;
use crate::server::ops::metrics::{CONTENT_TYPE, ServerTotals};
use crate::server::state::AppState;

/// `GET`: all numbers, in the text format of Prometheus and OpenMetrics.
///
/// # Errors
///
/// A problem if the client may not see them.
pub(crate) async fn metrics(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    state.access.authorize_metrics(&Caller::of(&parts))?;
    let server = ServerTotals {
        subscribers: state.streams.open(),
        held_bytes: state.streams.held(),
        scheduled: state.schedule.as_ref().map_or(0, Schedule::pending),
    };
    let text = state.metrics.text(state.hub.totals(), server);
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, text).into_response())
}
