//! Whether the server is there, and whether it takes more work.

use axum::extract::State;
use axum::http::StatusCode;

use crate::server::http::problem::Problem;
use crate::server::state::AppState;

/// Answers as long as the server takes requests.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// Answers as long as new clients are welcome: not when the server stops, and only finishes what has begun.
///
/// # Errors
///
/// A problem when it stops.
pub(crate) async fn readyz(State(state): State<AppState>) -> Result<&'static str, Problem> {
    match state.streams.shutdown().is_cancelled() {
        false => Ok("ready\n"),
        true => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the server is stopping; go to another, or come back later",
        )),
    }
}
