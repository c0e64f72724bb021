//! Liveness and readiness.

use axum::extract::State;

use crate::protocol::problem::ProblemCode;
use crate::server::http::problem::Problem;
use crate::server::state::AppState;

/// Answers as long as the server takes requests.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Answers as long as the server takes new clients: not when it stops, and only finishes what has begun.
///
/// # Errors
///
/// A problem when it stops.
pub(crate) async fn readyz(State(state): State<AppState>) -> Result<&'static str, Problem> {
    if state.shutdown.is_cancelled() {
        return Err(Problem::new(
            ProblemCode::Stopping,
            "the server is stopping; go to another, or come back later",
        ));
    }
    Ok("ready\n")
}
