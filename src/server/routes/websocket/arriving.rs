//! How long a frame has been arriving, and how much of it the server holds: the WebSocket library shows a frame only when it
//! is whole, so both are seen where its bytes are read.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::server::http::problem::Problem;
use crate::server::limits::held_bytes::HeldBytes;

/// What is arriving on one connection; clones share it.
#[derive(Clone)]
pub(super) struct Arriving(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    has_begun: Notify,
}

struct State {
    /// When the first byte came after the last whole frame.
    since: Option<Instant>,
    bytes: usize,
    held: HeldBytes,
}

/// A connection whose incoming bytes are seen.
pub(super) struct Watched<Io> {
    io: Io,
    arriving: Arriving,
}

impl Arriving {
    /// Nothing yet.
    pub(super) fn new(held: HeldBytes) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                since: None,
                bytes: 0,
                held,
            }),
            has_begun: Notify::new(),
        }))
    }

    /// A whole frame has been taken.
    pub(super) fn has_arrived(&self) {
        let mut state = self.lock();
        state.since = None;
        state.bytes = 0;
        // Letting go of what is held cannot fail.
        let _ = state.held.set(0);
    }

    /// Waits until a frame has been arriving for this long.
    pub(super) async fn takes_too_long(&self, longest: Duration) {
        loop {
            let since = self.lock().since;
            match since {
                None => self.0.has_begun.notified().await,
                Some(since) => {
                    sleep_until(since + longest).await;
                    if self.lock().since == Some(since) {
                        return;
                    }
                }
            }
        }
    }

    fn read(&self, bytes: usize) -> io::Result<()> {
        let mut state = self.lock();
        state.bytes += bytes;
        if state.since.is_none() {
            state.since = Some(Instant::now());
            self.0.has_begun.notify_one();
        }
        let bytes = state.bytes;
        state
            .held
            .set(bytes)
            .map_err(|exhausted| io::Error::other(Problem::from(exhausted).detail))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Io> Watched<Io> {
    pub(super) fn new(io: Io, arriving: Arriving) -> Self {
        Self { io, arriving }
    }
}

impl<Io: AsyncRead + Unpin> AsyncRead for Watched<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        Poll::Ready(if read == 0 {
            Ok(())
        } else {
            self.arriving.read(read)
        })
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Watched<Io> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
