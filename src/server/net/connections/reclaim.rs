//! A socket as the HTTP library uses it, that can be reclaimed from the library when all that the library has written has
//! been taken. It ends a write that makes no progress for too long.
//!
//! A client may say that it sends no more and still wait for the answer (`nc -N` does). The library would take that for the
//! end of the connection, so it is shown the end only when the answer has been given.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::server::http::request_body::{BodyObserver, ObserveBody};

/// How much is put together before it is written, in bytes.
const SHORT_BYTES: usize = 1_024;

/// The socket. [`Self::into_inner`] reclaims it.
pub(super) struct ReclaimableSocket<S> {
    socket: S,
    state: Arc<State>,
    write_timeout: Duration,
    /// Runs while a write makes no progress.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// Says how far the socket's owner and its library have come; clones share it.
#[derive(Clone)]
pub(super) struct SocketState(Arc<State>);

/// Held while a request is being answered.
pub(super) struct Answering(Arc<State>);

#[derive(Default)]
struct State {
    /// Whether the socket has not taken all that it was last offered.
    has_backlog: AtomicBool,
    /// Whether a request is being answered. Until then the end of what the client sends is not shown, unless the rest of
    /// the request is waited for.
    is_answering: AtomicBool,
    /// How often a request's body has been looked at in vain.
    waits_for_body: AtomicUsize,
    /// The same when the end of what the client sends was seen, plus one; or 0.
    end_seen: AtomicUsize,
    /// The reader that waits for that.
    reader: AtomicWaker,
    /// What a request that is answered has left of its body.
    rest: Mutex<Option<Body>>,
}

impl ObserveBody for State {
    fn waits_for_body(&self) {
        self.waits_for_body.fetch_add(1, Ordering::AcqRel);
        self.reader.wake();
    }

    fn leaves_body(&self, rest: Body) {
        *self.rest.lock() = Some(rest);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.is_answering.store(false, Ordering::Release);
        self.0.reader.wake();
    }
}

impl SocketState {
    /// Whether the socket has taken all that it was offered. A library that offers what it has as soon as it has it, as
    /// hyper does, then holds nothing back.
    pub(super) fn is_flushed(&self) -> bool {
        !self.0.has_backlog.load(Ordering::Relaxed)
    }

    /// A request is being answered until what is returned is dropped.
    pub(super) fn begin_answer(&self) -> Answering {
        self.0.is_answering.store(true, Ordering::Release);
        Answering(Arc::clone(&self.0))
    }

    /// What the request that has been answered last has left of its body.
    pub(super) fn take_rest(&self) -> Option<Body> {
        self.0.rest.lock().take()
    }

    /// For the extensions of a request that has a body.
    pub(super) fn body_observer(&self) -> BodyObserver {
        BodyObserver(Weak::<State>::clone(&Arc::downgrade(&self.0)))
    }
}

impl<S> ReclaimableSocket<S> {
    pub(super) fn new(socket: S, write_timeout: Duration) -> Self {
        Self {
            socket,
            state: Arc::default(),
            write_timeout,
            stalled: None,
        }
    }

    pub(super) fn state(&self) -> SocketState {
        SocketState(Arc::clone(&self.state))
    }

    /// The socket itself.
    pub(super) fn into_inner(self) -> S {
        self.socket
    }

    /// Ends a write that has been pending for too long.
    fn timed<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(self.write_timeout)));
        ready!(stalled.as_mut().poll(context));
        self.stalled = None;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        offered: usize,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let has_backlog = !matches!(polled, Poll::Ready(Ok(taken)) if taken == offered);
        self.state.has_backlog.store(has_backlog, Ordering::Relaxed);
        self.timed(context, polled)
    }
}

impl State {
    /// The client sends no more. The library learns it when there is no request to answer, or when the rest of one is
    /// waited for that will not come: the body is looked at once more, since the last of it may just have been read.
    fn poll_end(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.reader.register(context.waker());
        let waits = self.waits_for_body.load(Ordering::Acquire);
        let seen = self.end_seen.load(Ordering::Acquire);
        let is_hidden = self.is_answering.load(Ordering::Acquire) && (seen == 0 || waits < seen);
        if seen == 0 {
            self.end_seen.store(waits + 1, Ordering::Release);
            context.waker().wake_by_ref();
        }
        if is_hidden {
            Poll::Pending
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReclaimableSocket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(context, buffer))?;
        if buffer.filled().len() == before && buffer.remaining() > 0 {
            return self.state.poll_end(context);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReclaimableSocket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(context, bytes.len(), polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        // A short answer is head and body; to put them together costs less than a list of pieces costs the system.
        let mut short = [0; SHORT_BYTES];
        let polled = if offered <= SHORT_BYTES {
            let mut end = 0;
            for slice in slices {
                short[end..end + slice.len()].copy_from_slice(slice);
                end += slice.len();
            }
            Pin::new(&mut self.socket).poll_write(context, &short[..end])
        } else {
            Pin::new(&mut self.socket).poll_write_vectored(context, slices)
        };
        self.written(context, offered, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_flush(context);
        self.timed(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.socket).poll_shutdown(context);
        self.timed(context, polled)
    }
}
