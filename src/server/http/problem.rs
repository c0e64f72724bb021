//! How a client is told what is wrong: problem details for HTTP APIs, RFC 9457.

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::hub::log::Unavailable;

/// The cookie that carries a token for clients that cannot send a header, such as EventSource.
pub(crate) const TOKEN_COOKIE: &str = "fairwind_token";

/// An answer that says what is wrong with a request, and what would be right.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    /// What a program may want to know beside that.
    members: serde_json::Map<String, serde_json::Value>,
    /// What the status asks for beside the document, such as `Retry-After`.
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Document<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    members: &'a serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            members: serde_json::Map::new(),
            headers: Vec::new(),
        }
    }

    /// A body that is larger than the limit, in bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is too large; at most {limit} bytes are taken"),
        )
    }

    /// The same with extension members.
    pub(crate) fn with_members(self, members: serde_json::Map<String, serde_json::Value>) -> Self {
        Self { members, ..self }
    }

    /// The same with one more header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// There is no place for a stream now; there may be one soon.
    pub(crate) fn no_place() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no place is free: come back later",
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The log cannot take events now.
    pub(crate) fn unavailable(error: &Unavailable) -> Self {
        let detail = if error.fate_unknown {
            format!(
                "{error}; the event may have been published all the same: repeat the request with its Idempotency-Key"
            )
        } else {
            format!("{error}; repeat the request later")
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The server would have to hold more for a client than it may, or more for all than it can.
    pub(crate) fn holds_too_much(whose: &str) -> Self {
        let detail = format!(
            "the server holds as much as it may {whose}: take the answers that wait, send less at once, and try again"
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// The client may not do this, whoever it is.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// The request was sent for a page of another origin, which may not do this.
    pub(crate) fn other_origin(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// Only the server publishes to this topic.
    pub(crate) fn reserved_topic() -> Self {
        Self::forbidden("only the clock publishes to its topic; choose another")
    }

    /// `what` needs a token, and there is none.
    pub(crate) fn token_required(what: &str) -> Self {
        let detail = format!(
            "{what} needs a token; send it as 'Authorization: Bearer TOKEN' or in the cookie {TOKEN_COOKIE}"
        );
        Self::new(StatusCode::UNAUTHORIZED, detail).with_challenge("Bearer realm=\"fairwind\"")
    }

    /// The token does not hold.
    pub(crate) fn invalid_token(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
            .with_challenge("Bearer realm=\"fairwind\", error=\"invalid_token\"")
    }

    /// The token holds, and does not grant this.
    pub(crate) fn insufficient_scope(detail: impl Into<String>) -> Self {
        Self::forbidden(detail)
            .with_challenge("Bearer realm=\"fairwind\", error=\"insufficient_scope\"")
    }

    fn with_challenge(self, challenge: &'static str) -> Self {
        self.with_header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(challenge),
        )
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The document as text.
    pub(crate) fn to_json(&self) -> String {
        let document = Document {
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            members: &self.members,
        };
        // Texts and numbers: this cannot fail.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

/// A problem's own words, in the extensions of its answer: a browser is shown them on a page.
#[derive(Debug, Clone)]
pub(crate) struct Detail(pub(crate) String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = [
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/problem+json"),
            ),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (self.status, headers, self.to_json()).into_response();
        response.headers_mut().extend(self.headers);
        response.extensions_mut().insert(Detail(self.detail));
        response
    }
}

/// The methods of a resource that can only be read.
pub(crate) const READ_ONLY: &str = "GET, HEAD, OPTIONS";

/// Answers every method but `GET` and `HEAD` for a resource that can only be read; `OPTIONS` only asks for them.
pub(crate) async fn wrong_method(method: Method) -> Response {
    let allow = (header::ALLOW, HeaderValue::from_static(READ_ONLY));
    if method == Method::OPTIONS {
        return (StatusCode::NO_CONTENT, [allow]).into_response();
    }
    let detail = format!("{method} is not for this resource; it can be read with GET or HEAD");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        .with_header(allow.0, allow.1)
        .into_response()
}
