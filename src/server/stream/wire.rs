//! A stream as a route opens it: a session and the form in which its reader wants it. The route answers with headers and an
//! [`OpenStream`] among the extensions; the connection takes the stream and decides how it is written: as the body of the
//! answer, or by a writer thread.
//!
//! ```text
//! let sending = stream.poll(now, &mut pass)?;          // what to write next, and until when it may be forgotten
//! stream.progress(&mut sending, written, now);         // each time that the socket takes some
//! let next = stream.done(sending, now);                // when it has taken all
//! ```

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, Version};
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::Instant;

use super::encoded::{self, Encoded, RecentlyEncoded};
use super::gzip::{self, GzipStream};
use super::session::{CloseReason, Next, StreamItem, StreamSession, StreamTimings};
use super::sse::{self, StreamOptions};
use super::websocket::{self, Client};
use crate::hub::batch::{Batch, Format};
use crate::hub::subscriber::ReadMemo;
use crate::hub::topic::Topic;
use crate::server::limits::shares::Share;
use crate::server::ops::metrics::DeliveryStats;

/// How much a body gives at once, in bytes: a reader that takes so much within the write timeout is not too slow, however
/// large an event is.
const PIECE_BYTES: usize = 16 * 1_024;

/// What ends the body of an answer in chunks; RFC 9112, section 7.1.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A stream, and how its reader wants it.
pub(crate) struct WireStream {
    session: StreamSession,
    form: Form,
    /// Sent before anything else.
    opening: Bytes,
}

enum Form {
    /// An event stream. Its chunks are those of HTTP/1.1 if no HTTP library makes them.
    Events {
        options: StreamOptions,
        in_chunks: bool,
        gzip: Option<Box<Compressed>>,
    },
    /// Frames of a WebSocket.
    WebSocket {
        /// A ping has been sent, and nothing has come since.
        awaits_pong: bool,
        /// For the connection to take.
        client: Option<Box<Client>>,
    },
}

/// What a compressed stream has beside others.
struct Compressed {
    stream: GzipStream,
    _share: Share,
}

/// What many streams share that one thread polls one after the other.
#[derive(Default)]
pub(crate) struct Pass {
    memo: ReadMemo,
    encoded: RecentlyEncoded,
    /// Of all these streams.
    pub(crate) stats: DeliveryStats,
}

/// Bytes on their way to one reader. [`WireStream::poll`] makes one; [`WireStream::done`] takes it back.
#[must_use = "what is polled has to be written"]
pub(crate) struct Sending {
    unwritten: Bytes,
    /// The events that the bytes show, if they do: what a stalled reader holds in place of the bytes.
    batch: Option<Arc<Batch>>,
    /// How many bytes are unwritten, while they are not held.
    parked: usize,
}

/// What a route has opened.
pub(crate) enum Opened {
    Stream(Box<WireStream>),
    /// A WebSocket that ends with its first frame.
    Farewell(Bytes),
}

/// What a route has opened, in the extensions of its answer and in its body: whichever is asked first gives it.
#[derive(Clone)]
pub(crate) struct OpenStream(Arc<Mutex<Option<Opened>>>);

impl OpenStream {
    pub(crate) fn new(opened: Opened) -> Self {
        Self(Arc::new(Mutex::new(Some(opened))))
    }

    /// The stream, once.
    pub(crate) fn take(&self) -> Option<Opened> {
        // Never held across an await.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The body of an answer that nothing else has taken the stream from.
    pub(crate) fn body(&self) -> Body {
        let handle = self.clone();
        let chunks = stream::once(async move {
            match handle.take() {
                Some(Opened::Stream(stream)) => Some(stream.into_chunks()),
                Some(Opened::Farewell(_)) | None => None,
            }
        });
        Body::from_stream(chunks.flat_map(|chunks| stream::iter(chunks).flatten()))
    }
}

impl Pass {
    /// Lets go of what was shared.
    pub(crate) fn end(&mut self) {
        self.memo = ReadMemo::default();
        self.encoded.clear();
    }
}

impl Sending {
    fn own(bytes: Bytes) -> Self {
        Self {
            unwritten: bytes,
            batch: None,
            parked: 0,
        }
    }

    /// What the socket has not taken yet.
    pub(crate) fn unwritten(&self) -> &[u8] {
        &self.unwritten
    }

    /// Lets go of the bytes of a batch: they can be had again.
    pub(crate) fn park(&mut self) {
        if self.batch.is_some() {
            self.parked = std::mem::take(&mut self.unwritten).len();
        }
    }

    /// Has some bytes written after these, which then belong to this reader alone.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.unwritten = [&self.unwritten[..], bytes].concat().into();
        self.batch = None;
    }
}

impl WireStream {
    /// An event stream, compressed if there is a share for that. These of its topics have ended already.
    pub(crate) fn events(
        mut session: StreamSession,
        timings: &StreamTimings,
        options: StreamOptions,
        compressed: Option<Share>,
        ended: &[Topic],
    ) -> Self {
        let opening = sse::opening(&mut session, timings, options, ended);
        let mut gzip = compressed.map(|share| {
            Box::new(Compressed {
                stream: GzipStream::default(),
                _share: share,
            })
        });
        let opening = match &mut gzip {
            Some(gzip) => gzip.stream.begin(opening.as_bytes()).into(),
            None => opening.into(),
        };
        Self {
            session,
            form: Form::Events {
                options,
                in_chunks: false,
                gzip,
            },
            opening,
        }
    }

    /// The frames of a WebSocket.
    pub(crate) fn websocket(mut session: StreamSession, client: Client) -> Self {
        Self {
            opening: websocket::opening(&mut session),
            session,
            form: Form::WebSocket {
                awaits_pong: false,
                client: Some(Box::new(client)),
            },
        }
    }

    /// What is sent when.
    pub(crate) fn session(&self) -> &StreamSession {
        &self.session
    }

    /// The response is about to be written: with the opening, if that becomes the beginning of its body.
    pub(crate) fn note_response(
        &mut self,
        version: Version,
        response: &Response<Body>,
        with_opening: bool,
    ) {
        let opening = if with_opening { self.opening.len() } else { 0 };
        let (status, headers) = (response.status(), response.headers());
        self.session
            .note_response(version, status, headers, opening);
    }

    /// The client has sent so many bytes after its request.
    pub(crate) fn note_received(&self, bytes: usize) {
        self.session.note_received(bytes);
    }

    /// Takes the opening, as the beginning of a body.
    pub(crate) fn take_opening(&mut self) -> Bytes {
        std::mem::take(&mut self.opening)
    }

    /// From now on it is written without an HTTP library: an event stream is cut into chunks here.
    pub(crate) fn go_on_in_chunks(&mut self) {
        if let Form::Events { in_chunks, .. } = &mut self.form {
            *in_chunks = true;
        }
    }

    /// What is to be written now, if anything is.
    ///
    /// # Errors
    ///
    /// Why the stream ends.
    pub(crate) fn poll(
        &mut self,
        now: Instant,
        pass: &mut Pass,
    ) -> Result<Option<Sending>, CloseReason> {
        let sending = if self.opening.is_empty() {
            let Some(item) = self.session.poll(now, &mut pass.memo)? else {
                return Ok(None);
            };
            match item {
                StreamItem::Batch(batch) => {
                    let encoded = self.encoded(&batch, Some(&mut pass.encoded));
                    self.batch_sending(batch, &encoded)
                }
                item => Sending::own(self.own(&item)?),
            }
        } else {
            Sending::own(self.take_opening())
        };
        Ok(Some(self.announced(sending, now, &mut pass.stats)))
    }

    /// Bytes of the connection's own, to be written before the stream is polled again.
    pub(crate) fn send(&mut self, bytes: Bytes, now: Instant, pass: &mut Pass) -> Sending {
        self.announced(Sending::own(bytes), now, &mut pass.stats)
    }

    /// The socket has taken so many bytes.
    pub(crate) fn progress(&mut self, sending: &mut Sending, bytes: usize, now: Instant) {
        sending.unwritten.advance(bytes);
        if !sending.unwritten.is_empty() {
            self.session.progress(now);
        }
    }

    /// The socket has taken all.
    pub(crate) fn done(&mut self, sending: Sending, now: Instant) -> Next {
        debug_assert!(sending.unwritten.is_empty() && sending.parked == 0);
        self.session.done(now)
    }

    /// Has the bytes again of what was parked.
    pub(crate) fn unpark(&self, sending: &mut Sending, pass: &mut Pass) {
        if sending.parked > 0
            && let Some(batch) = &sending.batch
        {
            let encoded = self.encoded(batch, Some(&mut pass.encoded));
            let bytes = self.as_written(&encoded);
            sending.unwritten = bytes.slice(bytes.len() - sending.parked..);
            sending.parked = 0;
        }
    }

    /// What is written last.
    pub(crate) fn closing(&self, reason: CloseReason) -> Bytes {
        match &self.form {
            Form::Events {
                in_chunks, gzip, ..
            } => {
                let trailer = gzip.as_ref().map(|gzip| gzip.stream.trailer());
                match (trailer, in_chunks) {
                    (Some(trailer), true) => [&encoded::http1_chunk(&trailer)[..], LAST_CHUNK]
                        .concat()
                        .into(),
                    (None, true) => Bytes::from_static(LAST_CHUNK),
                    (trailer, false) => trailer.unwrap_or_default().into(),
                }
            }
            Form::WebSocket { .. } => websocket::close_frame(websocket::reason_of(reason)),
        }
    }

    /// The client's side of a WebSocket, once.
    pub(crate) fn take_client(&mut self) -> Option<Box<Client>> {
        match &mut self.form {
            Form::WebSocket { client, .. } => client.take(),
            Form::Events { .. } => None,
        }
    }

    /// Whether it is frames of a WebSocket.
    pub(crate) fn is_websocket(&self) -> bool {
        matches!(self.form, Form::WebSocket { .. })
    }

    /// The reader has sent something.
    pub(crate) fn hear(&mut self) {
        if let Form::WebSocket { awaits_pong, .. } = &mut self.form {
            *awaits_pong = false;
        }
    }

    fn announced(&mut self, sending: Sending, now: Instant, stats: &mut DeliveryStats) -> Sending {
        let batch = sending.batch.as_deref();
        self.session
            .begin_sending(sending.unwritten.len(), batch, now, stats);
        sending
    }

    fn batch_sending(&mut self, batch: Arc<Batch>, encoded: &Encoded) -> Sending {
        if let Form::Events {
            gzip: Some(gzip), ..
        } = &mut self.form
            && let Some(checksum) = encoded.checksum
        {
            gzip.stream.append(checksum);
        }
        Sending {
            unwritten: self.as_written(encoded),
            batch: Some(batch),
            parked: 0,
        }
    }

    fn as_written(&self, encoded: &Encoded) -> Bytes {
        match self.form {
            Form::Events {
                in_chunks: true, ..
            } => encoded.http1_chunk().clone(),
            _ => encoded.bytes(),
        }
    }

    /// A batch in this stream's format.
    fn encoded(&self, batch: &Arc<Batch>, recent: Option<&mut RecentlyEncoded>) -> Arc<Encoded> {
        let encode = || match &self.form {
            Form::Events { options, gzip, .. } => {
                let text = sse::events(batch, *options, &self.session);
                if gzip.is_some() {
                    gzip::compressed(text.as_bytes())
                } else {
                    Encoded::new(text.len(), |out| out.extend_from_slice(text.as_bytes()))
                }
            }
            Form::WebSocket { .. } => Encoded::new(websocket::capacity(batch), |out| {
                websocket::push_events(out, batch)
            }),
        };
        match recent {
            Some(recent) => recent.encoded(batch, self.format(), encode),
            None => encoded::encoded_for_task(batch, self.format(), encode),
        }
    }

    /// The name of that format: a bit for each choice.
    fn format(&self) -> Format {
        let choices = match &self.form {
            Form::Events { options, gzip, .. } => [
                true,
                options.types,
                options.topics,
                options.json,
                self.session.subscriber().uses_log_ids(),
                gzip.is_some(),
            ],
            Form::WebSocket { .. } => [false; 6],
        };
        let bits = choices.into_iter();
        Format(bits.fold(0, |format, choice| format << 1 | u8::from(choice)))
    }

    /// How an item looks that is this reader's own.
    fn own(&mut self, item: &StreamItem) -> Result<Bytes, CloseReason> {
        let heartbeat = self.session.heartbeat();
        match &mut self.form {
            Form::Events {
                options,
                in_chunks,
                gzip,
            } => {
                let mut text = String::new();
                match item {
                    StreamItem::Gap(gap, position) => sse::push_gap(&mut text, gap, position),
                    StreamItem::Consumers(counts) => {
                        sse::push_consumers(&mut text, *options, counts)
                    }
                    StreamItem::Presence(updates) => sse::push_presence(&mut text, updates),
                    StreamItem::Heartbeat | StreamItem::Batch(_) => {
                        sse::push_heartbeat(&mut text, *options, heartbeat);
                    }
                }
                let mut bytes = text.into_bytes();
                if let Some(gzip) = gzip {
                    let text = std::mem::take(&mut bytes);
                    gzip.stream.push_stored(&mut bytes, &text);
                }
                Ok(if *in_chunks {
                    encoded::http1_chunk(&bytes)
                } else {
                    bytes.into()
                })
            }
            Form::WebSocket { awaits_pong, .. } => match item {
                StreamItem::Heartbeat if *awaits_pong => Err(CloseReason::NoPong),
                item => {
                    *awaits_pong |= matches!(item, StreamItem::Heartbeat);
                    Ok(websocket::own_frame(item))
                }
            },
        }
    }

    /// How long its reader's socket may take nothing before it is closed.
    pub(crate) fn socket_timeout(&self) -> Duration {
        self.session.socket_timeout()
    }

    /// As the body of an answer, for a connection that writes streams by itself.
    pub(crate) fn into_body(self) -> Body {
        Body::from_stream(self.into_chunks())
    }

    fn into_chunks(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
        let state = BodyState {
            stream: self,
            sending: None,
            held: None,
            has_ended: false,
        };
        stream::unfold(state, |mut state| async move {
            let piece = state.next().await?;
            Some((Ok(piece), state))
        })
    }
}

/// A stream that is the body of an answer.
struct BodyState {
    stream: WireStream,
    sending: Option<Sending>,
    /// Accounts for what is large and has not been taken.
    held: Option<Share>,
    has_ended: bool,
}

impl BodyState {
    /// Waits for the next bytes; there are none when the stream has ended.
    async fn next(&mut self) -> Option<Bytes> {
        // It is asked for more, so the connection has taken what it got before.
        self.stream.session.progress(Instant::now());
        if let Some(sending) = self.sending.take_if(|sending| sending.unwritten.is_empty()) {
            self.held = None;
            let _ = self.stream.done(sending, Instant::now());
        }
        if self.has_ended {
            return None;
        }
        if self.sending.is_none() {
            match self.poll().await {
                Ok(sending) => self.sending = Some(sending),
                Err(reason) => {
                    tracing::debug!(?reason, "event stream ended");
                    self.has_ended = true;
                    let closing = self.stream.closing(reason);
                    return Some(closing).filter(|closing| !closing.is_empty());
                }
            }
        }
        let sending = self.sending.as_mut()?;
        if self.held.is_none() && sending.unwritten.len() > PIECE_BYTES {
            match self.stream.session.hold(sending.unwritten.len()) {
                Ok(share) => self.held = Some(share),
                Err(exhausted) => {
                    tracing::debug!(?exhausted, "event stream ended: its reader is behind");
                    return None;
                }
            }
        }
        let piece = sending.unwritten.len().min(PIECE_BYTES);
        Some(sending.unwritten.split_to(piece))
    }

    async fn poll(&mut self) -> Result<Sending, CloseReason> {
        let stream = &mut self.stream;
        let sending = if stream.opening.is_empty() {
            match stream.session.next().await? {
                StreamItem::Batch(batch) => {
                    let encoded = stream.encoded(&batch, None);
                    stream.batch_sending(batch, &encoded)
                }
                item => Sending::own(stream.own(&item)?),
            }
        } else {
            Sending::own(stream.take_opening())
        };
        let mut stats = DeliveryStats::default();
        let sending = stream.announced(sending, Instant::now(), &mut stats);
        stream.session.metrics().count(&mut stats);
        Ok(sending)
    }
}
