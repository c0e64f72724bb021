//! A model behind an OpenAI-compatible server: `POST {URL}/chat/completions` with `stream: true`. Everything that such a server can do
//! wrong has a [`FailureCode`]; its own words go to the log and never to a reader, since they may show the key. Redirects
//! are not followed. Dropping a [`Completion`] closes the connection, which cancels the request.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::uri::Scheme;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::ring;

use super::{Failure, Stop};
use crate::protocol::answers::{FailureCode, Question, Role};
use crate::protocol::event_stream::CONTENT_TYPE;
use crate::protocol::event_stream_parser::{EventStreamParser, ParsedEvent};

/// The largest event that is taken.
const MAX_EVENT_BYTES: usize = 64 * 1_024;

/// Asks a model to go on with what it has written.
const CONTINUE: &str = "Your last message was cut off. Continue it exactly where it ends. Repeat nothing, and do not comment on it.";

/// A model's server.
pub struct Upstream {
    uri: Uri,
    model: String,
    /// `Authorization`, which is never shown.
    authorization: Option<HeaderValue>,
    client: Client<HttpsConnector<HttpConnector>, Body>,
}

/// The settings name no server that can be asked.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The URL is none.
    #[error(
        "--answers-upstream takes the base URL of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1"
    )]
    Url,
    /// There is no model.
    #[error("--answers-upstream needs --answers-model: the name of a model that the server has")]
    NoModel,
    /// The key cannot be sent.
    #[error("the key for the model's server has characters that no header can carry")]
    Key,
    /// TLS needs the system's authorities.
    #[error("the system's certificate authorities cannot be read: {0}")]
    Authorities(std::io::Error),
}

#[derive(Serialize)]
struct CompletionRequest<'a> {
    model: &'a str,
    stream: bool,
    messages: Vec<Message<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: Role,
    content: &'a str,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

impl Upstream {
    /// The server at this base URL.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if it cannot be asked.
    pub fn new(base: &str, model: &str, key: Option<&str>) -> Result<Self, UpstreamError> {
        let uri: Uri = format!("{}/chat/completions", base.trim_end_matches('/'))
            .parse()
            .map_err(|_| UpstreamError::Url)?;
        let is_http = [Scheme::HTTP, Scheme::HTTPS]
            .iter()
            .any(|scheme| uri.scheme() == Some(scheme));
        if !is_http || uri.query().is_some() || base.contains(['#', '@']) {
            return Err(UpstreamError::Url);
        }
        if model.is_empty() {
            return Err(UpstreamError::NoModel);
        }
        let authorization = key.map(|key| {
            let value = HeaderValue::try_from(format!("Bearer {key}"));
            value.map(|mut value| {
                value.set_sensitive(true);
                value
            })
        });
        let authorization = authorization.transpose().map_err(|_| UpstreamError::Key)?;
        let https = HttpsConnectorBuilder::new();
        let https = if uri.scheme() == Some(&Scheme::HTTPS) {
            https
                .with_provider_and_native_roots(ring::default_provider())
                .map_err(UpstreamError::Authorities)?
        } else {
            // No certificate is looked at.
            https.with_tls_config(
                tokio_rustls::rustls::ClientConfig::builder_with_provider(
                    ring::default_provider().into(),
                )
                .with_safe_default_protocol_versions()
                .map_err(|error| UpstreamError::Authorities(std::io::Error::other(error)))?
                .with_root_certificates(tokio_rustls::rustls::RootCertStore::empty())
                .with_no_client_auth(),
            )
        };
        let client = Client::builder(TokioExecutor::new())
            // A connection is for one answer, so that the end of one is the end of the other.
            .pool_max_idle_per_host(0)
            .build(https.https_or_http().enable_http1().build());
        Ok(Self {
            uri,
            model: model.to_owned(),
            authorization,
            client,
        })
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    /// Asks the model, which goes on after `begun`.
    pub(super) async fn complete(
        &self,
        question: &Question,
        begun: &str,
        silence: Duration,
    ) -> Result<Completion, Failure> {
        let response = timeout(silence, self.client.request(self.request(question, begun)));
        let response = match response.await {
            Err(_) => return Err(FailureCode::Silent.into()),
            Ok(Err(error)) => {
                tracing::warn!("the model's server cannot be asked: {error}");
                let code = if error.is_connect() {
                    FailureCode::Unreachable
                } else {
                    FailureCode::Cut
                };
                return Err(code.into());
            }
            Ok(Ok(response)) => response,
        };
        let (status, headers) = (response.status(), response.headers());
        if let Some(failure) = failure_of(status, headers) {
            tracing::warn!("the model's server answers {status}");
            return Err(failure);
        }
        let content_type = headers.get(header::CONTENT_TYPE);
        let is_stream = content_type.is_some_and(|value| {
            let named = value.as_bytes().get(..CONTENT_TYPE.len());
            named.is_some_and(|named| named.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes()))
        });
        if !is_stream {
            tracing::warn!("the model's server sends {content_type:?} in place of an event stream");
            return Err(FailureCode::NotAStream.into());
        }
        Ok(Completion {
            body: Body::new(response.into_body()).into_data_stream(),
            reader: CompletionReader::default(),
            silence,
        })
    }

    fn request(&self, question: &Question, begun: &str) -> Request<Body> {
        let turn = |role, content| Message { role, content };
        let turns = question.turns.iter();
        let mut messages: Vec<_> = turns
            .map(|turn| Message {
                role: turn.role,
                content: &turn.content,
            })
            .collect();
        messages.push(turn(Role::User, &question.question));
        if !begun.is_empty() {
            messages.push(turn(Role::Assistant, begun));
            messages.push(turn(Role::User, CONTINUE));
        }
        let body = super::to_json(&CompletionRequest {
            model: &self.model,
            stream: true,
            messages,
        });
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::ACCEPT, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(authorization) = &self.authorization {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        request
    }
}

/// How long a header `Retry-After` asks a client to wait, in seconds: a number, or a date (RFC 9110, section 10.2.3).
fn seconds_of(value: &str) -> Option<u64> {
    value.parse().ok().or_else(|| {
        let until = DateTime::parse_from_rfc2822(value).ok()?;
        let wait = until.timestamp().saturating_sub(Utc::now().timestamp());
        Some(u64::try_from(wait).unwrap_or_default())
    })
}

fn failure_of(status: StatusCode, headers: &HeaderMap) -> Option<Failure> {
    let code = match status.as_u16() {
        200..=299 => return None,
        300..=399 => FailureCode::Redirects,
        401 | 403 => FailureCode::KeyRefused,
        404 => FailureCode::NotFound,
        429 => FailureCode::Busy,
        400..=499 => FailureCode::Refused,
        _ => FailureCode::Failed,
    };
    let retry_after = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| seconds_of(value.to_str().ok()?.trim()));
    Some(Failure { code, retry_after })
}

/// The text of a response, as it comes.
pub(super) struct Completion {
    body: BodyDataStream,
    reader: CompletionReader,
    silence: Duration,
}

impl Completion {
    /// More of the text.
    pub(super) async fn next(&mut self) -> Result<String, Stop> {
        loop {
            if let Some(next) = self.reader.take() {
                return next;
            }
            let bytes: Option<Result<Bytes, _>> = timeout(self.silence, self.body.next())
                .await
                .map_err(|_| Stop::Failed(FailureCode::Silent.into()))?;
            match bytes {
                Some(Ok(bytes)) => self.reader.feed(&bytes),
                Some(Err(_)) | None => self.reader.end(),
            }
        }
    }
}

/// Reads a completion's event stream, in whatever pieces it comes.
struct CompletionReader {
    parser: EventStreamParser,
    texts: VecDeque<String>,
    /// What a `finish_reason` has said.
    reason: Option<Stop>,
    stop: Option<Stop>,
}

impl Default for CompletionReader {
    fn default() -> Self {
        Self {
            parser: EventStreamParser::new(MAX_EVENT_BYTES),
            texts: VecDeque::new(),
            reason: None,
            stop: None,
        }
    }
}

impl CompletionReader {
    /// What has been read: texts, and then why there are no more. `None` if more bytes are needed.
    fn take(&mut self) -> Option<Result<String, Stop>> {
        if let Some(text) = self.texts.pop_front() {
            return Some(Ok(text));
        }
        self.stop.clone().map(Err)
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut events = Vec::new();
        let fed = self.parser.feed(bytes, &mut events);
        for event in events {
            if self.stop.is_none() {
                self.read(&event);
            }
        }
        if fed.is_err() {
            self.stop_with(Stop::Failed(FailureCode::Malformed.into()));
        }
    }

    /// The body has ended, in whatever way.
    fn end(&mut self) {
        let reason = self.reason.take();
        self.stop_with(reason.unwrap_or(Stop::Failed(FailureCode::Cut.into())));
    }

    fn stop_with(&mut self, stop: Stop) {
        self.stop.get_or_insert(stop);
    }

    fn read(&mut self, event: &ParsedEvent) {
        if event.data.trim() == "[DONE]" {
            let reason = self.reason.take();
            self.stop_with(reason.unwrap_or(Stop::Complete));
            return;
        }
        let Ok(chunk) = serde_json::from_str::<Chunk>(&event.data) else {
            self.stop_with(Stop::Failed(FailureCode::Malformed.into()));
            return;
        };
        if chunk.error.is_some_and(|error| !error.is_null()) {
            self.stop_with(Stop::Failed(FailureCode::ReportedError.into()));
            return;
        }
        let Some(choice) = chunk.choices.into_iter().next() else {
            return;
        };
        if let Some(text) = choice.delta.and_then(|delta| delta.content)
            && !text.is_empty()
        {
            self.texts.push_back(text);
        }
        if let Some(reason) = choice.finish_reason {
            self.reason = Some(match reason.as_str() {
                "length" => Stop::Failed(FailureCode::Length.into()),
                "content_filter" => Stop::Failed(FailureCode::Filtered.into()),
                _ => Stop::Complete,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_given_in_seconds_or_as_a_date() {
        let in_a_minute =
            (Utc::now() + Duration::from_secs(60)).format("%a, %d %b %Y %H:%M:%S GMT");
        let wait = seconds_of(&in_a_minute.to_string()).expect("a date");
        assert!((55..=61).contains(&wait), "{wait}");
        assert_eq!(seconds_of("20"), Some(20));
        assert_eq!(seconds_of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(0));
        for other in ["", "soon", "-1", "1.5"] {
            assert_eq!(seconds_of(other), None, "{other}");
        }
    }

    fn read(stream: &[u8], size: usize) -> (String, Option<Stop>) {
        let mut reader = CompletionReader::default();
        for piece in stream.chunks(size) {
            reader.feed(piece);
        }
        reader.end();
        let mut text = String::new();
        loop {
            match reader.take() {
                Some(Ok(more)) => text.push_str(&more),
                Some(Err(stop)) => return (text, Some(stop)),
                None => return (text, None),
            }
        }
    }

    fn chunk(text: &str) -> String {
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\r\n\r\n")
    }

    #[test]
    fn a_stream_is_read_the_same_wherever_it_is_cut() {
        let stream = format!(
            ": comment\r\n\r\n{}{}data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: {{\"choices\":[],\"usage\":{{}}}}\n\ndata: [DONE]\n\n",
            chunk("风 "),
            chunk("é\\n")
        );
        for size in 1..stream.len() {
            let expected = ("风 é\n".to_owned(), Some(Stop::Complete));
            assert_eq!(read(stream.as_bytes(), size), expected, "{size}");
        }
    }

    #[test]
    fn a_stream_that_goes_wrong_keeps_its_text_and_says_what_was_wrong() {
        let failed = |code: FailureCode| Some(Stop::Failed(code.into()));
        for (rest, stop) in [
            ("", failed(FailureCode::Cut)),
            ("data: nothing\n\n", failed(FailureCode::Malformed)),
            (
                "data: {\"error\":{\"message\":\"no\"}}\n\n",
                failed(FailureCode::ReportedError),
            ),
            (
                "data: {\"choices\":[{\"finish_reason\":\"length\"}]}\n\n",
                failed(FailureCode::Length),
            ),
            (
                "data: {\"choices\":[{\"finish_reason\":\"content_filter\"}]}\n\n",
                failed(FailureCode::Filtered),
            ),
            ("data: [DONE]\n\n", Some(Stop::Complete)),
            (
                "data: {\"choices\":[{\"finish_reason\":\"stop\"}]}\n\n",
                Some(Stop::Complete),
            ),
        ] {
            let stream = chunk("a") + rest;
            assert_eq!(read(stream.as_bytes(), 7), ("a".to_owned(), stop), "{rest}");
        }
        let long = format!("data: {}", "x".repeat(2 * MAX_EVENT_BYTES));
        assert_eq!(
            read(long.as_bytes(), 4_096).1,
            failed(FailureCode::Malformed)
        );
    }

    #[test]
    fn a_url_that_cannot_be_asked_is_refused() {
        for url in [
            "",
            "127.0.0.1:1",
            "ftp://a/v1",
            "http://a/v1?x=1",
            "http://user@a/v1",
        ] {
            assert!(
                matches!(Upstream::new(url, "m", None), Err(UpstreamError::Url)),
                "{url}"
            );
        }
        assert!(Upstream::new("http://a/v1/", "m", Some("k")).is_ok());
        let no_model = Upstream::new("http://a/v1", "", None);
        assert!(matches!(no_model, Err(UpstreamError::NoModel)));
        let wrong_key = Upstream::new("http://a/v1", "m", Some("a\nb"));
        assert!(matches!(wrong_key, Err(UpstreamError::Key)));
    }
}
