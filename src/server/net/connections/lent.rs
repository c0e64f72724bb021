//! A socket that is lent to the HTTP library and can be had back, when all that the library has written is on its way.
//!
//! A client may say that it sends no more and still wait for the answer (`nc -N` does). The library would take that for the
//! end of the connection, so it is shown the end only when the answer has been given.

use std::io::{self, IoSlice};
use std::net::{self, Shutdown};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::server::http::request_body::{BodyObserver, ObserveBody};

/// The lender's side of a socket.
pub(super) struct Lender(Arc<Shared>);

/// Says how far the answer to a request has come.
#[derive(Clone)]
pub(super) struct Answers(Weak<Shared>);

impl Answers {
    /// For the extensions of a request that has a body.
    pub(super) fn body_observer(&self) -> BodyObserver {
        BodyObserver(Weak::<Shared>::clone(&self.0))
    }

    /// A request is being answered until what is returned is dropped.
    pub(super) fn begin(&self) -> Option<Answering> {
        let shared = self.0.upgrade()?;
        shared.is_answering.store(true, Ordering::Release);
        Some(Answering(shared))
    }
}

/// The socket as the borrower uses it.
pub(super) struct Lent(Arc<Shared>);

struct Shared {
    socket: TcpStream,
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
}

/// Held while a request is being answered.
pub(super) struct Answering(Arc<Shared>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.is_answering.store(false, Ordering::Release);
        self.0.reader.wake();
    }
}

/// Lends a socket.
pub(super) fn lend(socket: TcpStream) -> (Lender, Lent) {
    let shared = Arc::new(Shared {
        socket,
        has_backlog: AtomicBool::new(false),
        is_answering: AtomicBool::new(false),
        waits_for_body: AtomicUsize::new(0),
        end_seen: AtomicUsize::new(0),
        reader: AtomicWaker::new(),
    });
    (Lender(Arc::clone(&shared)), Lent(shared))
}

impl Lender {
    /// Whether the socket has taken all that it was offered. A borrower that offers what it has as soon as it has it, as
    /// hyper does, then holds nothing back.
    pub(super) fn is_flushed(&self) -> bool {
        !self.0.has_backlog.load(Ordering::Relaxed)
    }

    /// Where to say that a request is being answered.
    pub(super) fn answers(&self) -> Answers {
        Answers(Arc::downgrade(&self.0))
    }

    /// The socket, without a runtime, when the borrower is gone.
    ///
    /// # Errors
    ///
    /// When the borrower still has it, or the runtime cannot let go of it.
    pub(super) fn take_back(self) -> io::Result<net::TcpStream> {
        let shared = Arc::into_inner(self.0).ok_or(io::ErrorKind::ResourceBusy)?;
        shared.socket.into_std()
    }
}

impl ObserveBody for Shared {
    fn waits_for_body(&self) {
        self.waits_for_body.fetch_add(1, Ordering::AcqRel);
        self.reader.wake();
    }
}

impl Shared {
    /// The client sends no more. The borrower learns it when there is no request to answer, or when the rest of one is
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

    fn poll_write(
        &self,
        context: &mut Context<'_>,
        offered: usize,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.has_backlog.store(true, Ordering::Relaxed);
        loop {
            ready!(self.socket.poll_write_ready(context))?;
            match write(&self.socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(taken) => {
                    self.has_backlog.store(taken < offered, Ordering::Relaxed);
                    return Poll::Ready(Ok(taken));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let socket = &self.0.socket;
        loop {
            ready!(socket.poll_read_ready(context))?;
            match socket.try_read_buf(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(0) => return self.0.poll_end(context),
                read => return Poll::Ready(read.map(drop)),
            }
        }
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = |socket: &TcpStream| socket.try_write(bytes);
        self.0.poll_write(context, bytes.len(), write)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let write = |socket: &TcpStream| socket.try_write_vectored(slices);
        self.0.poll_write(context, offered, write)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&self.0.socket).shutdown(Shutdown::Write))
    }
}
