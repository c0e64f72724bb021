//! How a stream looks in frames of a WebSocket (RFC 6455), and what a client may send: one JSON text frame for each event,
//! and frames to publish with. A server's frames are not masked, so that those of a batch are the same for all readers.
//!
//! An event is `{"id", "topic", "type", "data"}`. Frames without `topic` are the server's own: `{"id"}` says where the reader
//! is, at first and, with `gap`, where events are missing; `{"consumers"}` how many there are; `{"presence"}` who is present;
//! `{"published"}` and `{"problem"}` answer a frame of the client's, which is `{"data", "type"?, "id"?}`.

use std::future::Future;
use std::io::Cursor;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use super::json::{ConsumersJson, EventJson, PresenceJson, to_text};
use super::session::{CloseReason, StreamItem, StreamSession};
use crate::hub::batch::Batch;
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;
use crate::server::limits::held_bytes::HeldBytes;

/// The most that a control frame carries, in bytes; RFC 6455, section 5.5.
const MAX_CONTROL_BYTES: u64 = 125;

/// Room for one event's names and quotes and for its frame's head, in bytes.
const OF_EACH_EVENT: usize = 64;

/// What the server sends, as JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Message<'a> {
    /// Where the reader is, at first and after a gap.
    Position {
        #[serde(skip_serializing_if = "Option::is_none")]
        gap: Option<&'a Gap>,
        id: &'a EventId,
    },
    Consumers(ConsumersJson<'a>),
    Presence {
        presence: PresenceJson<'a>,
    },
}

/// Why a connection is closed: a code of RFC 6455, section 7.4.1, and a sentence.
pub(crate) type Close = (CloseCode, &'static str);

const GONE: Close = (CloseCode::Normal, "the client has closed the connection");

const PROTOCOL: Close = (CloseCode::Protocol, "the frame breaks RFC 6455");

/// Publishes what a client sends.
pub(crate) trait Publisher: Send + Sync {
    /// Publishes the text of a frame; gives the text of the answer.
    fn publish(self: Arc<Self>, text: String) -> Pin<Box<dyn Future<Output = String> + Send>>;
}

/// The client's side of a WebSocket: what it sends is put together here until a frame is whole.
pub(crate) struct Client {
    publisher: Arc<dyn Publisher>,
    /// The most that a message may have, in bytes.
    max_bytes: usize,
    /// How long a message may take to arrive.
    timeout: Duration,
    held: HeldBytes,
    /// What has come of the next frame, and perhaps of further ones.
    arrived: Vec<u8>,
    /// The text of a message's frames before its last.
    message: Option<Vec<u8>>,
    /// When the first byte came after the last message.
    since: Option<Instant>,
}

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message to publish.
    Text(String),
    /// A ping, to be answered by a pong that says the same.
    Ping(Vec<u8>),
    /// The answer to a ping.
    Pong,
}

impl Client {
    pub(crate) fn new(
        publisher: Arc<dyn Publisher>,
        max_bytes: usize,
        timeout: Duration,
        held: HeldBytes,
    ) -> Self {
        Self {
            publisher,
            max_bytes,
            timeout,
            held,
            arrived: Vec::new(),
            message: None,
            since: None,
        }
    }

    pub(crate) fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::clone(&self.publisher)
    }

    /// When the frame that is arriving has taken too long.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + self.timeout)
    }

    /// Some bytes have come.
    ///
    /// # Errors
    ///
    /// Why the connection is to be closed, if the server holds too much already.
    pub(crate) fn feed(&mut self, bytes: &[u8], now: Instant) -> Result<(), Close> {
        self.since.get_or_insert(now);
        self.arrived.extend_from_slice(bytes);
        self.count_held()
    }

    /// The next message, if it is whole.
    ///
    /// # Errors
    ///
    /// Why the connection is to be closed.
    pub(crate) fn next(&mut self, now: Instant) -> Result<Option<Heard>, Close> {
        while let Some((header, payload)) = self.next_frame()? {
            let heard = match header.opcode {
                OpCode::Control(_) if !header.is_final => return Err(PROTOCOL),
                OpCode::Control(Control::Close) => return Err(echo(&payload)),
                OpCode::Control(Control::Ping) => Heard::Ping(payload),
                OpCode::Control(Control::Pong) => Heard::Pong,
                OpCode::Data(Data::Binary) => {
                    let reason = "send text frames: an event's data is text";
                    return Err((CloseCode::Unsupported, reason));
                }
                OpCode::Data(kind @ (Data::Text | Data::Continue)) => {
                    let mut message = match (kind, self.message.take()) {
                        (Data::Text, None) => payload,
                        (Data::Continue, Some(mut message)) => {
                            message.extend_from_slice(&payload);
                            message
                        }
                        _ => return Err(PROTOCOL),
                    };
                    if !header.is_final {
                        self.message = Some(message);
                        continue;
                    }
                    message.shrink_to_fit();
                    let text = String::from_utf8(message)
                        .map_err(|_| (CloseCode::Invalid, "the text is not UTF-8"))?;
                    Heard::Text(text)
                }
                OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                    return Err(PROTOCOL);
                }
            };
            // What has come of the next frame begins to take its time now.
            self.since = (!self.arrived.is_empty()).then_some(now);
            self.count_held()?;
            return Ok(Some(heard));
        }
        Ok(None)
    }

    /// The next frame and what it carries, without the mask.
    fn next_frame(&mut self) -> Result<Option<(FrameHeader, Vec<u8>)>, Close> {
        let mut cursor = Cursor::new(&self.arrived);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| PROTOCOL)?;
        let head = cursor.position() as usize;
        let Some((header, length)) = parsed else {
            return Ok(None);
        };
        let Some(mask) = header.mask else {
            return Err(PROTOCOL);
        };
        let has_extension = header.rsv1 || header.rsv2 || header.rsv3;
        let is_control = matches!(header.opcode, OpCode::Control(_));
        if has_extension || (is_control && length > MAX_CONTROL_BYTES) {
            return Err(PROTOCOL);
        }
        let before = self.message.as_ref().map_or(0, Vec::len);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !is_control && length.saturating_add(before) > self.max_bytes {
            let reason = "the frame is larger than what this client may publish";
            return Err((CloseCode::Size, reason));
        }
        if self.arrived.len() - head < length {
            return Ok(None);
        }
        let rest = self.arrived.split_off(head + length);
        let mut payload = std::mem::replace(&mut self.arrived, rest);
        payload.drain(..head);
        for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
            *byte ^= mask;
        }
        Ok(Some((header, payload)))
    }

    fn count_held(&mut self) -> Result<(), Close> {
        let bytes = self.arrived.len() + self.message.as_ref().map_or(0, Vec::len);
        let held = self.held.set(bytes);
        held.map_err(|_| (CloseCode::Again, "the server holds too much: send it later"))
    }
}

/// A client that closes the connection gets its own code back, if that can be sent.
fn echo(payload: &[u8]) -> Close {
    match payload.first_chunk::<2>() {
        Some(code) => {
            let code = CloseCode::from(u16::from_be_bytes(*code));
            if code.is_allowed() {
                (code, GONE.1)
            } else {
                PROTOCOL
            }
        }
        None => GONE,
    }
}

/// What is sent before anything else: where the reader is.
pub(super) fn opening(session: &mut StreamSession) -> Bytes {
    let (gap, id) = session.start();
    let message = Message::Position {
        gap: gap.as_ref(),
        id: &id,
    };
    text_frame(&to_text(&message))
}

/// How an item looks that is a reader's own.
pub(super) fn own_frame(item: &StreamItem) -> Bytes {
    match item {
        StreamItem::Gap(gap, id) => text_frame(&to_text(&Message::Position { gap: Some(gap), id })),
        StreamItem::Consumers(counts) => {
            let consumers = counts.first().map_or(0, |(_, count)| *count);
            let topic = None;
            let message = Message::Consumers(ConsumersJson { topic, consumers });
            text_frame(&to_text(&message))
        }
        // It reads one topic.
        StreamItem::Presence(updates) => match updates.first() {
            Some((_, update)) => {
                let presence = PresenceJson::new(None, update);
                text_frame(&to_text(&Message::Presence { presence }))
            }
            None => Bytes::new(),
        },
        StreamItem::Heartbeat | StreamItem::Batch(_) => frame(OpCode::Control(Control::Ping), &[]),
    }
}

/// Appends the events of a batch, a frame for each.
pub(super) fn push_events(out: &mut Vec<u8>, batch: &Batch) {
    for entry in batch.entries() {
        let message = to_text(&EventJson::new(entry));
        push_frame(out, OpCode::Data(Data::Text), message.as_bytes());
    }
}

/// How many bytes these are, about.
pub(super) fn capacity(batch: &Batch) -> usize {
    let of_topic = |entry: &Arc<crate::hub::Entry>| entry.topic.as_str().len() + OF_EACH_EVENT;
    batch.text_bytes() + batch.entries().iter().map(of_topic).sum::<usize>()
}

/// A text in a frame.
pub(crate) fn text_frame(text: &str) -> Bytes {
    frame(OpCode::Data(Data::Text), text.as_bytes())
}

/// The answer to a ping.
pub(crate) fn pong_frame(payload: &[u8]) -> Bytes {
    frame(OpCode::Control(Control::Pong), payload)
}

/// The last frame.
pub(crate) fn close_frame((code, reason): Close) -> Bytes {
    let mut payload = u16::from(code).to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    frame(OpCode::Control(Control::Close), &payload)
}

/// Why a stream that ends is closed.
pub(crate) fn reason_of(reason: CloseReason) -> Close {
    match reason {
        CloseReason::Closed => (
            CloseCode::Away,
            "the stream was closed: come back and resume",
        ),
        CloseReason::LifetimeOver => (
            CloseCode::Restart,
            "the stream was open for its lifetime: come back and resume",
        ),
        CloseReason::Expired => (
            CloseCode::Policy,
            "the token has expired: come back with a new one",
        ),
        CloseReason::Idle => (
            CloseCode::Away,
            "nothing was published for long: come back and resume",
        ),
        CloseReason::TooSlow => (
            CloseCode::Again,
            "the reader was too slow: come back and resume",
        ),
        CloseReason::TopicEnded => (CloseCode::Normal, "the topic has ended"),
        CloseReason::Read => (CloseCode::Normal, "everything that there was has been sent"),
        CloseReason::NoPong => (
            CloseCode::Policy,
            "no answer to a ping: come back and resume",
        ),
    }
}

/// What is said of a frame that does not come to its end in time.
pub(crate) const TOOK_TOO_LONG: Close = (
    CloseCode::Policy,
    "a frame took too long to arrive: send it faster",
);

fn frame(opcode: OpCode, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + 10);
    push_frame(&mut out, opcode, payload);
    out.into()
}

fn push_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    // Writing into a vector cannot fail.
    let _ = header.format(payload.len() as u64, out);
    out.extend_from_slice(payload);
}
