//! Counts what the streams of one page do, and stops or ends them when the page asks for it: the page that compares an
//! EventSource with a WebSocket has an observer for each. A session that has one tells it of every chunk that is written;
//! any other session has none, and looks once per chunk whether it does.
//!
//! ```text
//! let session = StreamSession::new(subscriber, permit, timings, false).observed_by(&observer);
//! observer.counts().messages;            // what has been written so far
//! observer.hold(Duration::from_secs(5)); // the session sends no event until then
//! observer.end();                        // the session ends when it looks next: wake it by an event
//! ```
//!
//! Bytes are those of HTTP and WebSocket, before TLS encrypts them: heads as a client writes them with one space behind each
//! colon, chunks and frames with their own heads. On HTTP/2 the heads of requests and responses are compressed by its
//! library and not counted.

use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::hub::batch::Batch;

/// What stands around the bytes of a chunk of HTTP/1.1, beside its size: two line breaks.
const CHUNK_BREAKS: usize = 4;

/// The head of a frame of HTTP/2; RFC 9113, section 4.1.
const HTTP2_FRAME_HEAD: usize = 9;

/// The most that a frame of HTTP/2 carries unless the client allows more, in bytes.
const HTTP2_FRAME_BYTES: usize = 16 * 1_024;

/// The header that the HTTP library adds to every response: its name, a moment, a line break.
const DATE_BYTES: usize = "date: Thu, 26 Nov 2026 16:12:37 GMT\r\n".len();

/// The header that the HTTP library adds to a response whose length is not known.
const CHUNKED: &str = "transfer-encoding: chunked";

/// The request's headers that are shown. Cookies and tokens are not among them.
const SHOWN_OF_REQUEST: [HeaderName; 11] = [
    header::HOST,
    header::ACCEPT,
    header::CACHE_CONTROL,
    HeaderName::from_static("last-event-id"),
    header::ORIGIN,
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_PROTOCOL,
];

/// The response's headers that are shown.
const SHOWN_OF_RESPONSE: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_ACCEPT,
    HeaderName::from_static("x-accel-buffering"),
];

/// The longest line of a head that is shown, in characters: a client may send any value.
const MAX_LINE: usize = 200;

/// Counts the streams of one kind, one after the other as a rule.
#[derive(Default)]
pub(crate) struct Observer(Mutex<State>);

#[derive(Default)]
struct State {
    counts: Counts,
    handshake: Handshake,
    held_until: Option<Instant>,
    /// Each ends one of the streams that are open.
    ends: Vec<CancellationToken>,
}

/// What has been written to the client, and read from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Streams that are open.
    pub(crate) open: usize,
    /// Streams that have been opened.
    pub(crate) opened: u64,
    /// Events that have been written.
    pub(crate) messages: u64,
    /// The bytes that carried them.
    pub(crate) message_bytes: u64,
    /// The bytes of their data alone.
    pub(crate) data_bytes: u64,
    /// Bytes that carried no event: openings, heartbeats, answers, ends.
    pub(crate) other_bytes: u64,
    /// Bytes that the client has sent after its request.
    pub(crate) received_bytes: u64,
}

/// The newest request for a stream, and its response.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Handshake {
    /// The version of HTTP.
    pub(crate) http: &'static str,
    /// The lines of the request's head that are shown.
    pub(crate) request: String,
    /// The bytes of all of it; `None` on HTTP/2.
    pub(crate) request_bytes: Option<usize>,
    /// The response's status; 0 before it is there.
    pub(crate) status: u16,
    /// The lines of the response's head that are shown.
    pub(crate) response: String,
    /// The bytes of all of it; `None` on HTTP/2, and where no stream was opened.
    pub(crate) response_bytes: Option<usize>,
}

/// A session's side of an observer, for as long as the stream is open.
pub(crate) struct Observed {
    observer: Arc<Observer>,
    ends: CancellationToken,
    is_http2: bool,
}

impl Observer {
    /// What has been counted.
    pub(crate) fn counts(&self) -> Counts {
        self.0.lock().counts
    }

    /// The newest handshake.
    pub(crate) fn handshake(&self) -> Handshake {
        self.0.lock().handshake.clone()
    }

    /// A client asks for a stream.
    pub(crate) fn note_request(&self, request: &Parts) {
        let line = request_line(request);
        self.0.lock().handshake = Handshake {
            http: name_of(request.version),
            request_bytes: head_bytes(request.version, &line, &request.headers),
            request: shown(line, &request.headers, &SHOWN_OF_REQUEST),
            ..Handshake::default()
        };
    }

    /// The client gets no stream, but a response with this status. What else is in its head is not known here.
    pub(crate) fn note_refusal(&self, version: Version, status: StatusCode) {
        let mut state = self.0.lock();
        state.handshake.status = status.as_u16();
        state.handshake.response = status_line(version, status);
    }

    /// Lets the streams send no event for this time. What is published meanwhile is sent then.
    pub(crate) fn hold(&self, time: Duration) {
        self.0.lock().held_until = Some(Instant::now() + time);
    }

    /// Ends the streams that are open, each when it looks next.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock();
        state.held_until = None;
        for ends in state.ends.drain(..) {
            ends.cancel();
        }
    }

    /// A stream has been opened that `ends` ends.
    pub(super) fn observe(self: &Arc<Self>, ends: CancellationToken) -> Observed {
        let mut state = self.0.lock();
        state.counts.open += 1;
        state.counts.opened += 1;
        state.ends.push(ends.clone());
        drop(state);
        Observed {
            observer: Arc::clone(self),
            ends,
            is_http2: false,
        }
    }
}

impl Observed {
    /// The response is about to be written, and with it the beginning of a body of so many bytes.
    pub(super) fn note_response(
        &mut self,
        version: Version,
        status: StatusCode,
        headers: &HeaderMap,
        opening: usize,
    ) {
        self.is_http2 = version == Version::HTTP_2;
        let is_chunked = version == Version::HTTP_11 && status == StatusCode::OK;
        let line = status_line(version, status);
        // The HTTP library adds the date, and where the length is not known, that the body comes in chunks. It leaves out a
        // length where the status has no body.
        let added = DATE_BYTES + if is_chunked { CHUNKED.len() + 2 } else { 0 };
        let left_out = match headers.get(header::CONTENT_LENGTH) {
            Some(length) if status.is_informational() => {
                header::CONTENT_LENGTH.as_str().len() + ": ".len() + length.len() + "\r\n".len()
            }
            _ => 0,
        };
        let bytes = head_bytes(version, &line, headers).map(|bytes| bytes + added - left_out);
        let mut response = shown(line, headers, &SHOWN_OF_RESPONSE);
        if is_chunked {
            response = response + "\n" + CHUNKED;
        }
        let mut state = self.observer.0.lock();
        state.handshake.status = status.as_u16();
        state.handshake.response_bytes = bytes;
        state.handshake.response = response;
        if opening > 0 {
            let digits = usize::try_from(opening.ilog(16)).unwrap_or_default() + 1;
            state.counts.other_bytes += (digits + CHUNK_BREAKS + opening) as u64;
        }
    }

    /// So many bytes are written, which carry these events if there are any.
    pub(super) fn note_sent(&self, bytes: usize, batch: Option<&Batch>) {
        let heads = if self.is_http2 {
            bytes.div_ceil(HTTP2_FRAME_BYTES) * HTTP2_FRAME_HEAD
        } else {
            0
        };
        let bytes = (bytes + heads) as u64;
        let mut state = self.observer.0.lock();
        let counts = &mut state.counts;
        match batch {
            None => counts.other_bytes += bytes,
            Some(batch) => {
                let entries = batch.entries().iter();
                let data: usize = entries.map(|entry| entry.event.data.len()).sum();
                counts.messages += batch.entries().len() as u64;
                counts.message_bytes += bytes;
                counts.data_bytes += data as u64;
            }
        }
    }

    /// The client has sent so many bytes after its request.
    pub(super) fn note_received(&self, bytes: usize) {
        self.observer.0.lock().counts.received_bytes += bytes as u64;
    }

    /// Until when no event is sent, if that is later than now.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.observer
            .0
            .lock()
            .held_until
            .filter(|until| *until > now)
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.ends.cancel();
        let mut state = self.observer.0.lock();
        state.counts.open -= 1;
        state.ends.retain(|ends| !ends.is_cancelled());
    }
}

/// The version of HTTP as it is written.
fn name_of(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// The first line of a response.
fn status_line(version: Version, status: StatusCode) -> String {
    let line = format!("{} {}", name_of(version), status.as_u16());
    match status.canonical_reason() {
        Some(reason) if version != Version::HTTP_2 => line + " " + reason,
        _ => line,
    }
}

/// The first line of a request.
fn request_line(request: &Parts) -> String {
    let target = request.uri.path_and_query();
    let target = target.map_or("/", |target| target.as_str());
    format!("{} {target} {}", request.method, name_of(request.version))
}

/// The bytes of a request's head; `None` where heads are compressed.
pub(crate) fn request_bytes(request: &Parts) -> Option<usize> {
    head_bytes(request.version, &request_line(request), &request.headers)
}

/// The bytes of a head that begins with this line; `None` where heads are compressed.
fn head_bytes(version: Version, line: &str, headers: &HeaderMap) -> Option<usize> {
    let of_header = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + ": ".len() + value.len() + "\r\n".len()
    };
    let headers: usize = headers.iter().map(of_header).sum();
    (version != Version::HTTP_2).then_some(line.len() + "\r\n".len() + headers + "\r\n".len())
}

/// The lines of a head that are shown: the first, and these headers.
fn shown(line: String, headers: &HeaderMap, names: &[HeaderName]) -> String {
    let headers = names.iter().flat_map(|name| {
        let values = headers.get_all(name).iter();
        values.map(move |value| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
    });
    let lines =
        std::iter::once(line)
            .chain(headers)
            .map(|line| match line.char_indices().nth(MAX_LINE) {
                Some((end, _)) => format!("{}…", &line[..end]),
                None => line,
            });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handshake_shows_no_cookie_and_no_token_and_counts_them() {
        let (parts, ()) = axum::http::Request::get("/compare/a/events")
            .header("Host", "a.test")
            .header("Accept", "text/event-stream")
            .header("Cookie", "fairwind_token=secret")
            .header("Authorization", "Bearer secret")
            .body(())
            .expect("a request")
            .into_parts();
        let observer = Observer::default();
        observer.note_request(&parts);
        let handshake = observer.handshake();
        assert_eq!(
            handshake.request,
            "GET /compare/a/events HTTP/1.1\nhost: a.test\naccept: text/event-stream"
        );
        let written = "GET /compare/a/events HTTP/1.1\r\nHost: a.test\r\nAccept: text/event-stream\r\n\
                       Cookie: fairwind_token=secret\r\nAuthorization: Bearer secret\r\n\r\n";
        assert_eq!(handshake.request_bytes, Some(written.len()));
    }

    #[test]
    fn a_long_header_is_shown_in_part() {
        let headers = HeaderMap::from_iter([(
            header::ACCEPT,
            HeaderValue::from_str(&"x".repeat(1_000)).expect("a value"),
        )]);
        let text = shown("GET".to_owned(), &headers, &SHOWN_OF_REQUEST);
        assert_eq!(text.chars().count(), "GET\n".len() + MAX_LINE + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hold_is_over_when_its_time_is_or_the_stream_ends() {
        let observer = Arc::new(Observer::default());
        let ends = CancellationToken::new();
        let observed = observer.observe(ends.clone());
        observer.hold(Duration::from_secs(5));
        assert!(observed.held_until(Instant::now()).is_some());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(observed.held_until(Instant::now()).is_none());
        observer.hold(Duration::from_secs(5));
        observer.end();
        assert!(observed.held_until(Instant::now()).is_none() && ends.is_cancelled());
        drop(observed);
        assert_eq!((observer.counts().open, observer.counts().opened), (0, 1));
        assert!(observer.0.lock().ends.is_empty());
    }
}
