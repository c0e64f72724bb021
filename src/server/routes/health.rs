//! Liveness and readiness.

use axum::extract::State;

use crate::protocol::problem::ProblemCode;
use crate::server::http::problem::Problem;
use crate::server::state::AppState;

/// Answers as long as the server takes requests.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Answers as long as the server takes new clients and events: not when it stops, and only finishes what has begun, and not
/// while its log cannot take events.
///
/// # Errors
///
/// A problem when it stops, or the log cannot take events.
pub(crate) async fn readyz(State(state): State<AppState>) -> Result<&'static str, Problem> {
    if state.shutdown.is_cancelled() {
        return Err(Problem::new(
            ProblemCode::Stopping,
            "the server is stopping; go to another, or come back later",
        ));
    }
    state
        .hub
        .health()
        .map_err(|error| Problem::unavailable(&error))?;
    Ok("ready\n")
}
