//! Problem documents (RFC 9457): what is wrong with a request and what would be right, with a stable code for programs.
//!
//! ```text
//! return Err(Problem::new(ProblemCode::InvalidQuery, "limit takes a number of events from 1 to 1000"));
//! ```

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::media_type::PROBLEM_JSON;
use crate::hub::log::{Unavailable, UnavailableKind};
use crate::protocol::page::Refusal;
use crate::protocol::problem::ProblemCode;

/// The cookie that carries a token for clients that cannot send a header, such as EventSource.
pub(crate) const TOKEN_COOKIE: &str = "fairwind_token";

/// An answer that says what is wrong with a request, and what would be right.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: ProblemCode,
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    /// Extension members.
    members: serde_json::Map<String, serde_json::Value>,
    /// Headers that the status asks for, such as `Retry-After`.
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Document<'a> {
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(flatten)]
    members: &'a serde_json::Map<String, serde_json::Value>,
}

/// What a problem says, in the extensions of its answer, for the page that a browser shows and for the log.
#[derive(Debug, Clone)]
pub(crate) struct Reported {
    pub(crate) code: ProblemCode,
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            // Every code has a status that there is.
            status: StatusCode::from_u16(code.status()).unwrap_or_default(),
            detail: detail.into(),
            members: serde_json::Map::new(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidRequest, detail)
    }

    pub(crate) fn invalid_query(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidQuery, detail)
    }

    pub(crate) fn invalid_header(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidHeader, detail)
    }

    pub(crate) fn invalid_body(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidBody, detail)
    }

    pub(crate) fn invalid_event(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InvalidEvent, detail)
    }

    /// The client may not do this; no token is missing.
    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Forbidden, detail)
    }

    /// `what` needs a token, and the request has none.
    pub(crate) fn token_required(what: &str) -> Self {
        let detail = format!(
            "{what} needs a token; send it as 'Authorization: Bearer TOKEN' or in the cookie {TOKEN_COOKIE}"
        );
        Self::new(ProblemCode::TokenRequired, detail).with_challenge("Bearer realm=\"fairwind\"")
    }

    /// The token does not hold.
    pub(crate) fn invalid_token(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::TokenInvalid, detail)
            .with_challenge("Bearer realm=\"fairwind\", error=\"invalid_token\"")
    }

    /// The token holds, and does not grant this.
    pub(crate) fn insufficient_scope(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::InsufficientScope, detail)
            .with_challenge("Bearer realm=\"fairwind\", error=\"insufficient_scope\"")
    }

    /// A method that a resource does not have; `allow` lists those that it has (RFC 9110, section 15.5.6).
    pub(crate) fn wrong_method(method: &Method, allow: &'static str) -> Self {
        let detail = format!("{method} is not for this; it has {allow}");
        Self::new(ProblemCode::MethodNotAllowed, detail)
            .with_header(header::ALLOW, HeaderValue::from_static(allow))
    }

    /// The body is larger than the limit, in bytes.
    pub(crate) fn too_large(limit: usize) -> Self {
        let detail = format!("the body is too large; at most {limit} bytes are taken");
        Self::new(ProblemCode::TooLarge, detail)
    }

    /// There are as many streams as there may be.
    pub(crate) fn too_many_streams() -> Self {
        let detail = "there are as many streams as there may be: come back later";
        Self::new(ProblemCode::TooManyStreams, detail).with_retry_after(Duration::from_secs(1))
    }

    /// The server would have to hold more than it may, `whose` says for which clients.
    pub(crate) fn memory_limit(whose: &str) -> Self {
        let detail = format!(
            "the server holds as much as it may {whose}: take the answers that wait, send less at once, and try again"
        );
        Self::new(ProblemCode::MemoryLimit, detail).with_retry_after(Duration::from_secs(1))
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
        let (code, wait) = match error.kind {
            UnavailableKind::Temporary => (ProblemCode::Unavailable, 1),
            UnavailableKind::Full => (ProblemCode::StorageFull, 10),
            UnavailableKind::Failed => (ProblemCode::StorageFailed, 60),
        };
        Self::new(code, detail).with_retry_after(Duration::from_secs(wait))
    }

    /// Adds extension members.
    pub(crate) fn with_members(self, members: serde_json::Map<String, serde_json::Value>) -> Self {
        Self { members, ..self }
    }

    /// Adds a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds `Retry-After`, in whole seconds.
    pub(crate) fn with_retry_after(self, wait: Duration) -> Self {
        self.with_header(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()))
    }

    fn with_challenge(self, challenge: &'static str) -> Self {
        let challenge = HeaderValue::from_static(challenge);
        self.with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// The document as text.
    pub(crate) fn to_json(&self) -> String {
        let document = Document {
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code.as_str(),
            detail: &self.detail,
            members: &self.members,
        };
        // Texts and numbers: this cannot fail.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut response = (self.status, headers, self.to_json()).into_response();
        response.headers_mut().extend(self.headers);
        response.extensions_mut().insert(Reported {
            code: self.code,
            detail: self.detail,
        });
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            status: problem.status.as_u16(),
            code: problem.code.as_str().to_owned(),
            detail: problem.detail,
        }
    }
}

/// The methods of a resource that can only be read.
pub(crate) const READ_ONLY: &str = "GET, HEAD, OPTIONS";

/// Answers every method but `GET` and `HEAD` of a resource that can only be read; `OPTIONS` only asks for them.
pub(crate) async fn wrong_method(method: Method) -> Response {
    let allow = (header::ALLOW, HeaderValue::from_static(READ_ONLY));
    if method == Method::OPTIONS {
        return (StatusCode::NO_CONTENT, [allow]).into_response();
    }
    let detail = format!("{method} is not for this resource; it can be read with GET or HEAD");
    Problem::new(ProblemCode::MethodNotAllowed, detail)
        .with_header(allow.0, allow.1)
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_of_its_own_word_and_is_documented() {
        let documented = include_str!("../../../docs/problems.md");
        for code in ProblemCode::ALL {
            let (text, number) = (code.as_str(), code.status());
            let problem = Problem::new(*code, "");
            assert_eq!(problem.status.as_u16(), number, "{text}");
            assert!(
                problem.status.is_client_error() || problem.status.is_server_error(),
                "{text}"
            );
            assert!(
                documented.contains(&format!("| `{text}` | {number} |")),
                "docs/problems.md does not list {text} with its status {number}"
            );
            let same = ProblemCode::ALL
                .iter()
                .filter(|other| other.as_str() == text);
            assert_eq!(same.count(), 1, "{text}");
        }
    }

    #[test]
    fn a_document_has_its_code_and_the_members_of_its_case() {
        let members = serde_json::Map::from_iter([("published".to_owned(), 3.into())]);
        let problem = Problem::too_large(7).with_members(members).to_json();
        assert_eq!(
            problem,
            "{\"title\":\"Payload Too Large\",\"status\":413,\"code\":\"too-large\",\"detail\":\"the body is too large; at most 7 bytes are taken\",\"published\":3}"
        );
    }
}
