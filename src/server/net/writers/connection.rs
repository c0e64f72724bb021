//! One stream and its socket: what is written next, and what the client sends. When to look is decided by the shard.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::NewStream;
use super::transport::Transport;
use crate::server::limits::connections::ConnectionPermit;
use crate::server::limits::shares::Share;
use crate::server::stream::session::{CloseReason, Next, StreamSession};
use crate::server::stream::websocket::{self, Client, Close, Heard, Publisher};
use crate::server::stream::wire::{Pass, Sending, WireStream};

/// How much one connection may be sent before it is the others' turn, in bytes.
const TURN_BYTES: usize = 1_024 * 1_024;

/// How much a client may send after its request, if it has no reason to send anything. Some clients do.
const MAX_INPUT_BYTES: usize = 64 * 1_024;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 16 * 1_024;

/// How many bytes of answers a client may leave before no more of its frames are read.
const MAX_REPLY_BYTES: usize = 4 * 1_024;

/// An open stream and its socket.
pub(super) struct Connection {
    transport: Transport,
    stream: WireStream,
    /// What is being written.
    sending: Option<Sending>,
    /// Since when the socket takes nothing.
    blocked_since: Option<Instant>,
    /// Accounts for what is unwritten while the socket takes nothing.
    held: Option<Box<Share>>,
    input: Input,
    is_ending: bool,
    _permit: ConnectionPermit,
}

/// What becomes of what the client sends.
enum Input {
    /// It is dropped; so many bytes so far.
    Ignored(usize),
    WebSocket(Box<WebSocket>),
}

struct WebSocket {
    client: Client,
    /// Frames that answer the client's, to be written after what is being written.
    replies: Vec<u8>,
    /// A frame of the client's is being published; the next one waits.
    is_publishing: bool,
    /// The client may have sent more than has been read.
    has_unread: bool,
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

/// What a client has sent.
pub(super) enum Received {
    /// Nothing that needs anything to be done.
    Nothing,
    /// Something that is answered, so that there is something to be written.
    Answered,
    /// An event, which is to be published; [`Connection::reply`] takes the answer.
    ToPublish(Arc<dyn Publisher>, String),
    /// Something for which the connection is closed.
    Closes(Progress),
}

impl Connection {
    /// Goes on with a stream.
    pub(super) fn new(new: NewStream) -> Self {
        let NewStream {
            socket,
            tls,
            mut stream,
            received,
            permit,
        } = new;
        stream.go_on_in_chunks();
        let input = match stream.take_client() {
            None => Input::Ignored(0),
            Some(mut client) => {
                // What is too much is found with the next frame.
                let _ = client.feed(&received, Instant::now());
                stream.note_received(received.len());
                Input::WebSocket(Box::new(WebSocket {
                    client: *client,
                    replies: Vec::new(),
                    is_publishing: false,
                    has_unread: true,
                }))
            }
        };
        Self {
            transport: Transport::new(socket, tls),
            stream: *stream,
            sending: None,
            blocked_since: None,
            held: None,
            input,
            is_ending: false,
            _permit: permit,
        }
    }

    /// Has the system close the connection if its client acknowledges nothing for as long as the socket may take nothing: a
    /// device that has vanished says nothing, and would be present for a quarter of an hour. A system that refuses the option
    /// finds out later.
    pub(super) fn close_if_vanished(&mut self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            let timeout = Some(self.stream.socket_timeout());
            let socket = self.transport.socket();
            let _ = socket2::SockRef::from(&*socket).set_tcp_user_timeout(timeout);
        }
    }

    pub(super) fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    pub(super) fn session(&self) -> &StreamSession {
        self.stream.session()
    }

    /// Whether the socket takes nothing at present; the system says when it does again.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked_since.is_some()
    }

    /// When to look again even if nothing happens.
    pub(super) fn due(&self) -> Instant {
        let due = match self.blocked_since {
            Some(since) => since + self.stream.socket_timeout(),
            None => self.session().due(),
        };
        match self.input_due() {
            Some(input_due) => due.min(input_due),
            None => due,
        }
    }

    /// When a frame that is arriving has taken too long.
    fn input_due(&self) -> Option<Instant> {
        match &self.input {
            Input::WebSocket(websocket) if !websocket.is_publishing && !self.is_ending => {
                websocket.client.due()
            }
            _ => None,
        }
    }

    /// Whether what has been written can only have put off when it is due.
    pub(super) fn is_due_later_than_before(&self) -> bool {
        let session = self.session();
        !self.is_blocked()
            && self.input_due().is_none()
            && !session.watches_subscribers()
            && !session.can_be_held()
    }

    /// It is due: what waits too long is given up.
    pub(super) fn expire(&mut self, now: Instant, pass: &mut Pass) -> Progress {
        let is_over = |at: Instant| at <= now;
        if self
            .blocked_since
            .is_some_and(|since| is_over(since + self.stream.socket_timeout()))
        {
            return Progress::HasEnded;
        }
        if self.input_due().is_some_and(is_over) {
            return self.close(websocket::TOOK_TOO_LONG, pass);
        }
        if self.is_blocked() {
            return Progress::Waits;
        }
        self.advance(pass)
    }

    /// Writes what there is to write, until there is nothing, the socket is full, or it is the others' turn.
    pub(super) fn advance(&mut self, pass: &mut Pass) -> Progress {
        let now = Instant::now();
        let mut turn = TURN_BYTES;
        if let Some(sending) = &mut self.sending {
            self.stream.unpark(sending, pass);
        }
        loop {
            let mut next = Next::Now;
            if let Some(sending) = &mut self.sending {
                let before = sending.unwritten().len();
                let written = write(&mut self.transport, &mut self.stream, sending, now);
                let taken = before - sending.unwritten().len();
                turn = turn.saturating_sub(taken);
                if taken > 0 {
                    self.blocked_since = None;
                }
                match written {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.blocked_since.get_or_insert(now);
                        return self.wait_for_room();
                    }
                    Err(_) => return Progress::HasEnded,
                }
                self.blocked_since = None;
                self.held = None;
                if self.is_ending {
                    self.transport.close();
                    return Progress::HasEnded;
                }
                if let Some(sending) = self.sending.take() {
                    next = self.stream.done(sending, now);
                }
            }
            if let Some(replies) = self.take_replies() {
                self.sending = Some(self.stream.send(replies, now, pass));
                continue;
            }
            if turn == 0 {
                return Progress::HasMore;
            }
            if next == Next::OnNews {
                return Progress::Waits;
            }
            match self.stream.poll(now, pass) {
                Ok(Some(sending)) => self.sending = Some(sending),
                Ok(None) => return Progress::Waits,
                Err(reason) => {
                    tracing::debug!(?reason, "stream ended");
                    let closing = self.stream.closing(reason);
                    self.sending = Some(self.stream.send(closing, now, pass));
                    self.is_ending = true;
                }
            }
        }
    }

    /// The socket is full. What is unwritten counts as held for the client; if that is too much, the client has to come back.
    fn wait_for_room(&mut self) -> Progress {
        let Some(sending) = &mut self.sending else {
            return Progress::Waits;
        };
        if self.held.is_none() {
            match self.stream.session().hold(sending.unwritten().len()) {
                Ok(share) => self.held = Some(Box::new(share)),
                Err(exhausted) => {
                    tracing::debug!(?exhausted, "stream closed: its reader is behind");
                    return Progress::HasEnded;
                }
            }
        }
        sending.park();
        Progress::Waits
    }

    /// Ends the stream: what has been begun is still written.
    pub(super) fn end(&mut self, reason: CloseReason, pass: &mut Pass) -> Progress {
        if self.is_ending {
            return Progress::Waits;
        }
        tracing::debug!(?reason, "stream ended");
        let closing = self.stream.closing(reason);
        self.write_last(closing, pass)
    }

    /// Closes a WebSocket.
    fn close(&mut self, close: Close, pass: &mut Pass) -> Progress {
        if self.is_ending {
            return Progress::Waits;
        }
        self.write_last(websocket::close_frame(close), pass)
    }

    fn write_last(&mut self, closing: Bytes, pass: &mut Pass) -> Progress {
        self.is_ending = true;
        match &mut self.sending {
            Some(sending) => {
                self.stream.unpark(sending, pass);
                // What waits is whole chunks or frames, of which a part may have been written.
                sending.append(&closing);
            }
            None => self.sending = Some(self.stream.send(closing, Instant::now(), pass)),
        }
        self.advance(pass)
    }

    /// Reads what the client sends: nothing, as a rule, until it goes; or frames.
    pub(super) fn receive(&mut self, pass: &mut Pass) -> Received {
        let mut buffer = [0; READ_BYTES];
        loop {
            match self.next_frame(pass) {
                ControlFlow::Break(received) => return received,
                ControlFlow::Continue(()) => {}
            }
            let read = match self.transport.read(&mut buffer) {
                Ok(0) => return Received::Closes(Progress::HasEnded),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.has_received_all();
                }
                Err(_) => return Received::Closes(Progress::HasEnded),
            };
            match &mut self.input {
                Input::Ignored(bytes) => {
                    *bytes += read;
                    if *bytes > MAX_INPUT_BYTES {
                        return Received::Closes(Progress::HasEnded);
                    }
                }
                // After the last frame has been sent, none is read.
                Input::WebSocket(_) if self.is_ending => {}
                Input::WebSocket(websocket) => {
                    self.stream.note_received(read);
                    if let Err(close) = websocket.client.feed(&buffer[..read], Instant::now()) {
                        return Received::Closes(self.close(close, pass));
                    }
                }
            }
        }
    }

    /// Takes the frames that are whole, up to one that is to be published.
    fn next_frame(&mut self, pass: &mut Pass) -> ControlFlow<Received> {
        let Input::WebSocket(websocket) = &mut self.input else {
            return ControlFlow::Continue(());
        };
        if self.is_ending {
            return ControlFlow::Continue(());
        }
        loop {
            if websocket.is_publishing || websocket.replies.len() > MAX_REPLY_BYTES {
                websocket.has_unread = true;
                return ControlFlow::Break(Received::Answered);
            }
            match websocket.client.next(Instant::now()) {
                Ok(None) => return ControlFlow::Continue(()),
                Ok(Some(heard)) => {
                    self.stream.hear();
                    match heard {
                        Heard::Text(text) => {
                            websocket.is_publishing = true;
                            websocket.has_unread = true;
                            let publisher = websocket.client.publisher();
                            return ControlFlow::Break(Received::ToPublish(publisher, text));
                        }
                        Heard::Ping(payload) => {
                            let pong = websocket::pong_frame(&payload);
                            websocket.replies.extend_from_slice(&pong);
                        }
                        Heard::Pong => {}
                    }
                }
                Err(close) => return ControlFlow::Break(Received::Closes(self.close(close, pass))),
            }
        }
    }

    fn has_received_all(&mut self) -> Received {
        match &mut self.input {
            Input::WebSocket(websocket) => {
                websocket.has_unread = false;
                if websocket.replies.is_empty() {
                    Received::Nothing
                } else {
                    Received::Answered
                }
            }
            Input::Ignored(_) => Received::Nothing,
        }
    }

    /// A frame of the client's has been published, with this answer.
    pub(super) fn reply(&mut self, text: &str) {
        if let Input::WebSocket(websocket) = &mut self.input {
            websocket.is_publishing = false;
            let frame = websocket::text_frame(text);
            websocket.replies.extend_from_slice(&frame);
        }
    }

    /// Whether frames of the client's wait that can be read now.
    pub(super) fn can_receive(&self) -> bool {
        match &self.input {
            Input::WebSocket(websocket) => {
                websocket.has_unread
                    && !websocket.is_publishing
                    && websocket.replies.len() <= MAX_REPLY_BYTES
                    && !self.is_ending
            }
            Input::Ignored(_) => false,
        }
    }

    fn take_replies(&mut self) -> Option<Bytes> {
        match &mut self.input {
            Input::WebSocket(websocket) if !websocket.replies.is_empty() => {
                Some(std::mem::take(&mut websocket.replies).into())
            }
            _ => None,
        }
    }
}

/// Writes all of what is being sent.
fn write(
    transport: &mut Transport,
    stream: &mut WireStream,
    sending: &mut Sending,
    now: Instant,
) -> io::Result<()> {
    while !sending.unwritten().is_empty() {
        match transport.write(sending.unwritten()) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => stream.progress(sending, bytes, now),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    transport.flush()
}
