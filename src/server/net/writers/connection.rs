//! One event stream on a plain socket: what is written next, and what the socket says. When to look is decided by the
//! shard.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use mio::net::TcpStream;
use tokio::time::Instant;

use crate::hub::batch::Batch;
use crate::server::limits::shares::Share;
use crate::server::net::guard::ConnectionGuard;
use crate::server::ops::metrics::Tally;
use crate::server::stream::encoded::{Recent, http1_chunk};
use crate::server::stream::session::{Delivery, Ending};
use crate::server::stream::sse::{Chunk, EventStream};

/// How much one connection may be sent before it is the others' turn, in bytes.
const TURN_BYTES: usize = 1_024 * 1_024;

/// How much a client may send after its request. It has no reason to send anything, but some clients do.
const MAX_INPUT_BYTES: usize = 64 * 1_024;

/// What ends the body of an answer in chunks; RFC 9112, section 7.1.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// An open event stream and its socket, which comes with a place among all connections.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    stream: EventStream,
    /// What is still to be written before the stream is asked again.
    unwritten: Bytes,
    /// The batch that is being written, if it is one.
    batch: Option<Arc<Batch>>,
    /// How many bytes of the batch's chunk are still to be written while the socket takes no more: then `unwritten` is
    /// empty, and what a stalled reader holds is the log's own memory.
    parked: Option<usize>,
    /// Since when the socket takes nothing.
    blocked_since: Option<Instant>,
    /// Accounts for what is unwritten while the socket takes nothing.
    held: Option<Box<Share>>,
    is_ending: bool,
    input_bytes: usize,
    _guard: ConnectionGuard,
}

/// What goes on with a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has everything, or its socket is full.
    Waits,
    /// There is more to be written, and the socket takes it.
    HasMore,
    /// It has ended, from either side.
    HasEnded,
}

/// What all connections share that are written to one after the other.
#[derive(Default)]
pub(super) struct Pass {
    recent: Recent,
    pub(super) tally: Tally,
}

impl Pass {
    /// Lets go of what was shared.
    pub(super) fn end(&mut self) {
        self.recent.clear();
    }

    fn chunk(&mut self, stream: &EventStream, batch: &Arc<Batch>) -> Bytes {
        let encode = || stream.encode(batch);
        let encoded = self.recent.encoded(batch, stream.format(), encode);
        encoded.http1_chunk().clone()
    }
}

impl Connection {
    /// Goes on with a stream whose beginning has been written.
    pub(super) fn new(socket: TcpStream, stream: EventStream, guard: ConnectionGuard) -> Self {
        Self {
            socket,
            stream,
            unwritten: Bytes::new(),
            batch: None,
            parked: None,
            blocked_since: None,
            held: None,
            is_ending: false,
            input_bytes: 0,
            _guard: guard,
        }
    }

    pub(super) fn delivery(&self) -> &Delivery {
        self.stream.delivery()
    }

    /// Whether the socket takes nothing at present; it says when it does again.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked_since.is_some()
    }

    /// When to look again even if nothing happens.
    pub(super) fn due(&self) -> Instant {
        match self.blocked_since {
            Some(since) => since + self.delivery().socket_timeout(),
            None => self.delivery().due(),
        }
    }

    /// Whether what has been written can only have put off when it is due.
    pub(super) fn is_due_later_than_before(&self) -> bool {
        !self.is_blocked() && !self.delivery().counts_consumers()
    }

    /// Writes what there is to write, until there is nothing, the socket is full, or it is the others' turn.
    pub(super) fn advance(&mut self, pass: &mut Pass) -> Progress {
        let now = Instant::now();
        let mut turn = TURN_BYTES;
        self.unpark(pass);
        loop {
            while !self.unwritten.is_empty() {
                match self.socket.write(&self.unwritten) {
                    Ok(0) => return Progress::HasEnded,
                    Ok(written) => {
                        self.unwritten.advance(written);
                        if self.blocked_since.take().is_some() {
                            self.stream.take(now);
                        }
                        turn = turn.saturating_sub(written);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.blocked_since.get_or_insert(now);
                        return self.wait_for_room();
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return Progress::HasEnded,
                }
            }
            self.held = None;
            self.batch = None;
            if self.is_ending {
                return Progress::HasEnded;
            }
            if turn == 0 {
                return Progress::HasMore;
            }
            // Nothing is due right after something has been written; only news can be there.
            if turn < TURN_BYTES && self.stream.rests(now) {
                self.unwritten = Bytes::new();
                return Progress::Waits;
            }
            match self.stream.poll(now) {
                Ok(Some(Chunk::Own(bytes))) => self.unwritten = http1_chunk(&bytes),
                Ok(Some(Chunk::Events(batch))) => {
                    self.unwritten = pass.chunk(&self.stream, &batch);
                    self.batch = Some(batch);
                }
                Ok(None) => {
                    self.unwritten = Bytes::new();
                    return Progress::Waits;
                }
                Err(ending) => {
                    self.begin_to_end(ending);
                    continue;
                }
            }
            let batch = self.batch.as_deref();
            self.stream
                .hand_over(self.unwritten.len(), batch, now, &mut pass.tally);
        }
    }

    /// The socket is full. What is unwritten counts as held for the client; if that is too much, the client has to come back.
    fn wait_for_room(&mut self) -> Progress {
        if self.held.is_none() {
            match self.delivery().hold(self.unwritten.len()) {
                Ok(share) => self.held = Some(Box::new(share)),
                Err(exhausted) => {
                    tracing::debug!(?exhausted, "event stream closed: its reader is behind");
                    return Progress::HasEnded;
                }
            }
        }
        if self.batch.is_some() {
            self.parked = Some(std::mem::take(&mut self.unwritten).len());
        }
        Progress::Waits
    }

    /// Goes on with a chunk that was let go of while the socket took nothing.
    fn unpark(&mut self, pass: &mut Pass) {
        if let Some(unwritten) = self.parked.take()
            && let Some(batch) = &self.batch
        {
            let chunk = pass.chunk(&self.stream, batch);
            self.unwritten = chunk.slice(chunk.len() - unwritten..);
        }
    }

    /// Ends the stream: what has been begun is still written.
    pub(super) fn end(&mut self, ending: Ending, pass: &mut Pass) -> Progress {
        if self.is_ending {
            return Progress::Waits;
        }
        self.unpark(pass);
        if self.unwritten.is_empty() {
            self.begin_to_end(ending);
        } else {
            // What waits is whole chunks, of which part may have been written.
            self.unwritten = [&self.unwritten, LAST_CHUNK].concat().into();
            self.batch = None;
            self.is_ending = true;
        }
        self.advance(pass)
    }

    /// Reads and drops what the client sends, which is nothing, as a rule, until it goes.
    pub(super) fn read_input(&mut self) -> Progress {
        let mut input = [0; 4_096];
        loop {
            match self.socket.read(&mut input) {
                Ok(0) => return Progress::HasEnded,
                Ok(read) => {
                    self.input_bytes += read;
                    if self.input_bytes > MAX_INPUT_BYTES {
                        return Progress::HasEnded;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Waits,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Progress::HasEnded,
            }
        }
    }

    fn begin_to_end(&mut self, ending: Ending) {
        tracing::debug!(?ending, "event stream ended");
        self.unwritten = Bytes::from_static(LAST_CHUNK);
        self.is_ending = true;
    }
}
