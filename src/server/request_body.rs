//! How long a request's body may take to arrive. One event has to be there within a time; a stream of events may take
//! for ever, but not be silent for longer than an event stream may.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;
use super::settings::Settings;

/// How long bodies may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct BodyTimes {
    /// A body that is taken as a whole.
    whole: Duration,
    /// The silence in a body that is a stream of events.
    silence: Duration,
}

#[derive(Debug, thiserror::Error)]
#[error("the request's body took too long")]
struct TookTooLong;

impl BodyTimes {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            whole: settings.request_timeout,
            silence: settings.idle_timeout,
        }
    }
}

/// Makes the body of a request fail when its time is over.
pub(super) fn limit_time(request: Request, times: BodyTimes) -> Request {
    let is_stream = is_stream(request.method(), request.headers());
    let whole_until = (!is_stream).then(|| Instant::now() + times.whole);
    request.map(|body| limited(body, whole_until, times.silence))
}

/// What is wrong when a body could not be read to its end.
pub(super) fn problem(error: &axum::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let is_ours = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
        if is_ours || error.is::<TookTooLong>() {
            return Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body took too long to arrive; send one event faster, or many as a stream",
            );
        }
        cause = error.source();
    }
    Problem::bad_request("the body broke off")
}

fn is_stream(method: &Method, headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let name = content_type.split(';').next().unwrap_or_default().trim();
    method == Method::PUT
        || name.eq_ignore_ascii_case("text/event-stream")
        || name.eq_ignore_ascii_case("application/x-ndjson")
}

fn limited(body: Body, whole_until: Option<Instant>, silence: Duration) -> Body {
    // Most requests have none, and it stays known that they have none.
    if axum::body::HttpBody::is_end_stream(&body) {
        return body;
    }
    let chunks = stream::unfold(Some(body.into_data_stream()), move |chunks| async move {
        let mut chunks = chunks?;
        let until = whole_until.unwrap_or_else(|| Instant::now() + silence);
        match timeout_at(until, chunks.next()).await {
            Ok(Some(chunk)) => Some((chunk, Some(chunks))),
            Ok(None) => None,
            Err(_) => Some((Err(axum::Error::new(TookTooLong)), None)),
        }
    });
    Body::from_stream(chunks)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(100);

    /// A body that sends a byte every ten seconds.
    fn dripping(bytes: usize) -> Body {
        Body::from_stream(stream::unfold(bytes, |left| async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            (left > 0).then(|| (Ok::<_, io::Error>("x"), left - 1))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn one_event_has_to_arrive_within_a_time_however_it_drips() {
        let until = Some(Instant::now() + Duration::from_secs(35));
        let body = limited(dripping(2), until, SILENCE);
        assert_eq!(
            axum::body::to_bytes(body, 99).await.expect("a body").len(),
            2
        );
        let until = Some(Instant::now() + Duration::from_secs(35));
        let body = limited(dripping(9), until, SILENCE);
        let error = axum::body::to_bytes(body, 99)
            .await
            .expect_err("it is slow");
        assert_eq!(problem(&error).status, StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_take_for_ever_but_not_be_silent() {
        let body = limited(dripping(50), None, SILENCE);
        assert_eq!(
            axum::body::to_bytes(body, 99).await.expect("a body").len(),
            50
        );
        let body = limited(dripping(50), None, Duration::from_secs(5));
        assert!(axum::body::to_bytes(body, 99).await.is_err());
    }
}
