//! What the streams of one HTTP/2 connection are doing: whether there are any, and whether their reader takes what it is
//! sent.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// A handle to one connection's activity; clones share it.
#[derive(Clone)]
pub(super) struct Activity {
    idle_timeout: Duration,
    write_timeout: Duration,
    /// A std mutex, since it is never held across an await.
    state: Arc<Mutex<State>>,
}

struct State {
    next_id: u64,
    /// Every open request. Where its answer has handed something over and not been asked for more, until when it may wait.
    open: HashMap<u64, Option<Instant>>,
    idle_since: Instant,
}

/// How a connection is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is used.
    Fine,
    /// It has had no request for the idle timeout.
    Idle,
    /// The reader of a stream has taken nothing for the write timeout. It shows with the second chunk that finds no
    /// room, since hyper takes one ahead: at the latest with a heartbeat.
    Stalled,
}

/// An open request, until it is dropped.
pub(super) struct OpenRequest {
    activity: Activity,
    id: u64,
}

/// The body of an answer, and the request that it is for.
struct Watched {
    body: Body,
    request: OpenRequest,
    /// How long its reader may take nothing.
    stall_limit: Duration,
}

impl Activity {
    pub(super) fn new(idle_timeout: Duration, write_timeout: Duration) -> Self {
        Self {
            idle_timeout,
            write_timeout,
            state: Arc::new(Mutex::new(State {
                next_id: 0,
                open: HashMap::new(),
                idle_since: Instant::now(),
            })),
        }
    }

    /// A request has come.
    pub(super) fn begin(&self) -> OpenRequest {
        let mut state = self.lock();
        let id = state.next_id;
        state.next_id += 1;
        state.open.insert(id, None);
        OpenRequest {
            activity: self.clone(),
            id,
        }
    }

    /// Often enough that neither timeout is missed by more than a quarter.
    pub(super) fn look_again_after(&self) -> Duration {
        self.idle_timeout.min(self.write_timeout) / 4
    }

    pub(super) fn verdict(&self) -> Verdict {
        let state = self.lock();
        if state.open.is_empty() {
            return if state.idle_since.elapsed() >= self.idle_timeout {
                Verdict::Idle
            } else {
                Verdict::Fine
            };
        }
        let now = Instant::now();
        let is_stalled = state.open.values().flatten().any(|until| now >= *until);
        if is_stalled {
            Verdict::Stalled
        } else {
            Verdict::Fine
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenRequest {
    /// The body of its answer, watched: its reader may take nothing for so long, or for the connection's write timeout.
    pub(super) fn watch(self, body: Body, stall_limit: Option<Duration>) -> Body {
        Body::new(Watched {
            body,
            stall_limit: stall_limit.unwrap_or(self.activity.write_timeout),
            request: self,
        })
    }

    fn may_wait_until(&self, until: Option<Instant>) {
        self.activity.lock().open.insert(self.id, until);
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.open.remove(&self.id);
        if state.open.is_empty() {
            state.idle_since = Instant::now();
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let is_handed_over = matches!(polled, Poll::Ready(Some(_)));
        let until = is_handed_over.then(|| Instant::now() + self.stall_limit);
        self.request.may_wait_until(until);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};

    use super::*;

    const IDLE: Duration = Duration::from_secs(30);
    const WRITE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_requests_is_idle_after_a_while() {
        let activity = Activity::new(IDLE, WRITE);
        tokio::time::advance(Duration::from_secs(20)).await;
        let request = activity.begin();
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(activity.verdict(), Verdict::Fine, "a request may wait");
        drop(request);
        assert_eq!(activity.verdict(), Verdict::Fine);
        tokio::time::advance(IDLE).await;
        assert_eq!(activity.verdict(), Verdict::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_stalled_when_its_reader_does_not_ask_for_more() {
        let activity = Activity::new(IDLE, WRITE);
        let silent = stream::iter(["1", "2"])
            .map(Ok::<_, std::convert::Infallible>)
            .chain(stream::pending());
        let body = activity.begin().watch(Body::from_stream(silent), None);
        let mut chunks = body.into_data_stream();
        for _ in 0..2 {
            chunks.next().await.expect("a chunk").expect("whole");
        }
        let waits = tokio::time::timeout(Duration::from_secs(60), chunks.next());
        assert!(waits.await.is_err());
        assert_eq!(
            activity.verdict(),
            Verdict::Fine,
            "it is the server that is silent"
        );
        let body = activity.begin().watch(Body::from("1"), None);
        let mut chunks = body.into_data_stream();
        chunks.next().await.expect("a chunk").expect("whole");
        tokio::time::advance(WRITE).await;
        assert_eq!(activity.verdict(), Verdict::Stalled);
        drop(chunks);
        assert_eq!(activity.verdict(), Verdict::Fine);
    }
}
