//! The server's numbers.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::server::metrics::CONTENT_TYPE;
use crate::server::state::AppState;

/// `GET`: all numbers, in the text format of Prometheus and OpenMetrics.
pub(crate) async fn metrics(State(state): State<AppState>) -> Response {
    let text = state
        .streams
        .metrics()
        .text(state.hub.totals(), state.streams.open());
    let headers = [
        (header::CONTENT_TYPE, CONTENT_TYPE),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, text).into_response()
}
