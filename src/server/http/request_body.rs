//! How long a request's body may take to arrive. One event has to be there within a time; a stream of events may take for
//! ever, but not be silent for longer than an event stream may.

use std::io;
use std::pin::Pin;
use std::sync::Weak;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use headers::{ContentLength, HeaderMapExt};
use hyper::body::Frame;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::protocol::problem::ProblemCode;
use crate::server::http::media_type::BodyType;
use crate::server::http::problem::Problem;

/// How long bodies may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyTimes {
    /// A body that is taken as a whole.
    pub(crate) whole: Duration,
    /// The silence in a body that is a stream of events.
    pub(crate) silence: Duration,
}

/// A connection that has to know when the body of a request is waited for. It puts itself into the extensions of a request
/// that has one.
#[derive(Clone)]
pub(crate) struct BodyObserver(pub(crate) Weak<dyn ObserveBody>);

/// What a [`BodyObserver`] does.
pub(crate) trait ObserveBody: Send + Sync {
    /// The body has been polled, and no more of it is there yet.
    fn waits_for_body(&self);

    /// The request is answered without the rest of its body.
    fn leaves_body(&self, rest: Body);
}

#[derive(Debug, thiserror::Error)]
#[error("the request's body took too long")]
struct TookTooLong;

/// Makes the body of a request fail when its time is over.
pub(crate) fn limit_time(request: Request, times: BodyTimes) -> Request {
    let is_stream = BodyType::of(request.headers()).is_stream(request.method());
    let limit = if is_stream {
        TimeLimit::Silence(times.silence)
    } else {
        TimeLimit::Whole(times.whole)
    };
    let observer = request.extensions().get::<BodyObserver>().cloned();
    request.map(|body| limited(body, limit, observer))
}

/// What is wrong when a body could not be read to its end.
pub(crate) fn problem(error: &axum::Error) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let is_ours = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
        if is_ours || error.is::<TookTooLong>() {
            return Problem::new(
                ProblemCode::BodyTimeout,
                "the body took too long to arrive; send one event faster, or many as a stream",
            );
        }
        cause = error.source();
    }
    Problem::invalid_body("the body broke off")
}

/// Refuses a body whose coding the server does not undo: its bytes would be published as they are.
///
/// # Errors
///
/// A problem with status 415.
pub(crate) fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let coding = headers.get(header::CONTENT_ENCODING);
    if coding.is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::UnsupportedEncoding,
        "the body has a Content-Encoding; send it as it is",
    )
    .with_header(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    ))
}

/// Refuses a body that says by its `Content-Length` that it is too large, before it is read.
///
/// # Errors
///
/// A problem with status 413.
pub(crate) fn check_length(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    let length = headers.typed_get::<ContentLength>();
    if length.is_some_and(|ContentLength(length)| length > limit as u64) {
        return Err(Problem::too_large(limit));
    }
    Ok(())
}

/// How long a body may take.
enum TimeLimit {
    /// In all, from when it is first waited for.
    Whole(Duration),
    WholeUntil(Instant),
    /// Between two of its parts.
    Silence(Duration),
}

impl TimeLimit {
    /// Until when the next part may be waited for, if it is waited for from now on.
    fn until(&mut self) -> Instant {
        match *self {
            Self::Whole(time) => {
                let until = Instant::now() + time;
                *self = Self::WholeUntil(until);
                until
            }
            Self::WholeUntil(until) => until,
            Self::Silence(time) => Instant::now() + time,
        }
    }
}

fn limited(body: Body, limit: TimeLimit, observer: Option<BodyObserver>) -> Body {
    // Most requests have none, and it stays known that they have none.
    if body.is_end_stream() {
        return body;
    }
    Body::new(Limited {
        body,
        limit,
        observer,
        has_waited: false,
        timer: None,
        is_over: false,
        is_read: false,
    })
}

/// A body that fails when its time is over.
struct Limited {
    body: Body,
    limit: TimeLimit,
    observer: Option<BodyObserver>,
    /// Whether the next part of the body has been polled in vain.
    has_waited: bool,
    /// Runs while the next part is waited for.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether nothing more is read.
    is_over: bool,
    /// Whether all of it has been read.
    is_read: bool,
}

impl Drop for Limited {
    fn drop(&mut self) {
        if !self.is_read
            && !self.body.is_end_stream()
            && let Some(BodyObserver(observer)) = &self.observer
            && let Some(observer) = observer.upgrade()
        {
            observer.leaves_body(std::mem::take(&mut self.body));
        }
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self {
            body,
            limit,
            observer,
            has_waited,
            timer,
            is_over,
            is_read,
        } = &mut *self;
        if *is_over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            (*has_waited, *timer) = (false, None);
            *is_read = frame.is_none();
            *is_over = *is_read;
            return Poll::Ready(frame);
        }
        if let Some(BodyObserver(observer)) = observer
            && let Some(observer) = observer.upgrade()
        {
            observer.waits_for_body();
        }
        // Most bodies arrive with the head of their request, and the HTTP library passes them on with the next poll: these
        // need no timer.
        if !std::mem::replace(has_waited, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(limit.until())));
        ready!(timer.as_mut().poll(context));
        *is_over = true;
        Poll::Ready(Some(Err(axum::Error::new(TookTooLong))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// A body that sends a byte every ten seconds.
    fn dripping(bytes: usize) -> Body {
        Body::from_stream(stream::unfold(bytes, |left| async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            (left > 0).then(|| (Ok::<_, io::Error>("x"), left - 1))
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn one_event_has_to_arrive_within_a_time_however_it_drips() {
        let limit = || TimeLimit::Whole(Duration::from_secs(35));
        let body = limited(dripping(2), limit(), None);
        assert_eq!(
            axum::body::to_bytes(body, 99).await.expect("a body").len(),
            2
        );
        let body = limited(dripping(9), limit(), None);
        let error = axum::body::to_bytes(body, 99)
            .await
            .expect_err("it is slow");
        assert_eq!(problem(&error).code, ProblemCode::BodyTimeout);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_take_for_ever_but_not_be_silent() {
        let limit = |seconds| TimeLimit::Silence(Duration::from_secs(seconds));
        let body = limited(dripping(50), limit(100), None);
        assert_eq!(
            axum::body::to_bytes(body, 99).await.expect("a body").len(),
            50
        );
        let body = limited(dripping(50), limit(5), None);
        assert!(axum::body::to_bytes(body, 99).await.is_err());
    }
}
