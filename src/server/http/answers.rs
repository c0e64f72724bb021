//! What many answers have in common: JSON that no cache keeps, and moments as text.

use std::time::SystemTime;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::media_type::JSON;

/// How many headers an answer in JSON has, as a rule.
const COMMON_HEADERS: usize = 6;

/// An answer in JSON that no cache keeps.
pub(crate) fn json(body: &impl Serialize) -> Response {
    let mut response = Response::new(Body::from(to_json(body) + "\n"));
    let headers = response.headers_mut();
    // With room for what the layers and the HTTP library add.
    headers.reserve(COMMON_HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Texts and numbers as JSON.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    // It fails only for maps whose keys are no texts.
    serde_json::to_string(value).unwrap_or_default()
}

/// A moment in UTC as RFC 3339 writes it, to the millisecond.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}
