//! What a stream is written to: a plain socket, or one with TLS on it. Neither blocks.

use std::io::{self, IoSlice, Read, Write};

use mio::net::TcpStream;
use tokio_rustls::rustls::ServerConnection;

/// How much is encrypted before the socket has taken it, in bytes.
const PLAINTEXT_BYTES: usize = 16 * 1_024;

/// A socket.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsTransport>),
}

/// A socket and its side of TLS.
pub(super) struct TlsTransport {
    socket: TcpStream,
    session: ServerConnection,
}

impl Transport {
    pub(super) fn new(socket: std::net::TcpStream, tls: Option<Box<ServerConnection>>) -> Self {
        let socket = TcpStream::from_std(socket);
        match tls {
            None => Self::Plain(socket),
            Some(session) => Self::Tls(Box::new(TlsTransport {
                socket,
                session: *session,
            })),
        }
    }

    /// What is registered with the system.
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &mut tls.socket,
        }
    }

    /// Writes some bytes; how many is returned. What TLS has encrypted and the socket has not taken is written with what
    /// comes next, or with [`Self::flush`].
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(tls) => {
                tls.flush()?;
                let piece = &bytes[..bytes.len().min(PLAINTEXT_BYTES)];
                let taken = tls.session.writer().write(piece)?;
                match tls.flush() {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
                    _ => Ok(taken),
                }
            }
        }
    }

    /// Writes what has been encrypted.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] if the socket does not take all of it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => tls.flush(),
        }
    }

    /// Reads some bytes; none are there any more if it gives 0.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }

    /// Says to the client that nothing follows.
    pub(super) fn close(&mut self) {
        if let Self::Tls(tls) = self {
            tls.session.send_close_notify();
            // A client that takes no more does not learn it.
            let _ = tls.flush();
        }
    }
}

/// Writes one piece by `send`, which costs the system less than a list of pieces.
struct OneSend<'a>(&'a mut TcpStream);

impl Write for OneSend<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match pieces {
            [piece] => self.0.write(piece),
            pieces => self.0.write_vectored(pieces),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsTransport {
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut OneSend(&mut self.socket))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A client that closes the socket without a word of TLS.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            if self.session.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            let processed = self.session.process_new_packets();
            // An alert, or the answer to a new key. What the socket does not take is written with the next event.
            let _ = self.flush();
            processed.map_err(io::Error::other)?;
        }
    }
}
