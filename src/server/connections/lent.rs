//! A socket that is lent to the HTTP library and can be had back, when all that the library has written is on its way.

use std::io::{self, IoSlice};
use std::net::{self, Shutdown};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Who has lent a socket.
pub(super) struct Lender(Arc<Shared>);

/// The socket as the borrower uses it.
pub(super) struct Lent(Arc<Shared>);

struct Shared {
    socket: TcpStream,
    /// Whether the socket has not taken all that it was last offered.
    has_backlog: AtomicBool,
}

/// Lends a socket.
pub(super) fn lend(socket: TcpStream) -> (Lender, Lent) {
    let shared = Arc::new(Shared {
        socket,
        has_backlog: AtomicBool::new(false),
    });
    (Lender(Arc::clone(&shared)), Lent(shared))
}

impl Lender {
    /// Whether the socket has taken all that it was offered. A borrower that offers what it has as soon as it has it, as
    /// hyper does, then holds nothing back.
    pub(super) fn is_flushed(&self) -> bool {
        !self.0.has_backlog.load(Ordering::Relaxed)
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

impl Shared {
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
