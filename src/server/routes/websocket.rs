//! A topic over WebSocket (RFC 6455): the same events, each as one JSON text frame, and publishing on the same
//! connection. What is sent when is decided by the delivery, as for an event stream.
//!
//! Frames from the server: an event is `{"id", "topic", "type", "data"}`. Whatever has no `topic` is news of the server
//! itself: `{"id"}` says where the reader is, at first and, with `gap`, where events are missing; `{"consumers"}` how
//! many there are; `{"published"}` and `{"problem"}` answer a frame of the client's, which is `{"data", "type"?, "id"?}`.

mod arriving;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::handshake::server::create_response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use self::arriving::{Arriving, Watched};
use super::publish_service::publish_frame;
use super::subscribe::{Outcome, Plan, StreamQuery};
use crate::hub::Entry;
use crate::hub::publication::Published;
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;
use crate::server::auth::Caller;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::problem::Problem;
use crate::server::net::guard::ConnectionGuard;
use crate::server::ops::metrics::Tally;
use crate::server::ops::notices;
use crate::server::state::AppState;
use crate::server::stream::session::{Delivery, Ending, Item};

/// How much larger a frame may be than the data in it: the other members, and escapes.
const FRAME_ALLOWANCE: usize = 6;

/// The largest frame of a client that may not publish, in bytes: enough for it to learn why.
const MAX_BYTES_OF_READER: usize = 4 * 1_024;

/// How much is read at once, in bytes. Clients send little, and the buffer is wiped each time that somebody looks whether
/// they have sent anything: the library's own size makes that half of a delivery's cost.
const READ_BUFFER_BYTES: usize = 4 * 1_024;

/// How much is sent at once without being counted as held for the client, in bytes.
const UNCOUNTED_BYTES: usize = 16 * 1_024;

/// What the server sends.
#[derive(Serialize)]
#[serde(untagged)]
enum Frame<'a> {
    Event {
        id: &'a EventId,
        topic: &'a str,
        r#type: &'a str,
        data: &'a str,
    },
    /// Where the reader is, at first and after a gap.
    Position {
        #[serde(skip_serializing_if = "Option::is_none")]
        gap: Option<&'a Gap>,
        id: &'a EventId,
    },
    Consumers {
        consumers: usize,
    },
    Published {
        published: Receipt<'a>,
    },
}

#[derive(Serialize)]
struct Receipt<'a> {
    id: &'a EventId,
    subscribers: usize,
}

/// Whether a request asks for a WebSocket.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let upgrade = headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// Opens a WebSocket on a topic.
///
/// # Errors
///
/// A problem if the request is wrong, or there is no place.
pub(super) async fn open(
    state: &AppState,
    topic: Topic,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let query = StreamQuery::read(&parts.uri)?.without_topics()?;
    let handshake = handshake(&parts)?;
    let upgrade = parts
        .extensions
        .remove::<OnUpgrade>()
        .ok_or_else(|| Problem::invalid_request("this connection cannot become a WebSocket"))?;
    let caller = Caller::of(&parts);
    let plan = Plan::read(state, &caller, vec![topic.clone()], &query)?;
    let client = ClientAddress::of_request(&parts.extensions);
    let delivery = match plan.start(state, client) {
        Outcome::Open(subscriber, admission) => Some(Delivery::new(
            subscriber,
            admission,
            plan.pace,
            plan.extras.consumers,
        )),
        Outcome::Ended => None,
        Outcome::Full => return Err(Problem::too_many_streams()),
    };
    let max_bytes = if state.access.check_publish(&caller, &topic).is_ok() {
        state
            .publish_config
            .max_bytes
            .saturating_mul(FRAME_ALLOWANCE)
            .saturating_add(MAX_BYTES_OF_READER)
    } else {
        MAX_BYTES_OF_READER
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(max_bytes))
        .max_frame_size(Some(max_bytes))
        .read_buffer_size(READ_BUFFER_BYTES);
    let arriving = Arriving::new(state.held_by(&parts));
    let peer = caller.peer;
    let guard = parts.extensions.remove::<ConnectionGuard>();
    let state = state.clone();
    tokio::spawn(async move {
        // The socket counts as a connection, and is waited for at a stop, for as long as this task runs.
        let _guard = guard;
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => {
                tracing::debug!("a connection did not become a WebSocket: {error}");
                return;
            }
        };
        let watched = Watched::new(TokioIo::new(upgraded), arriving.clone());
        let socket = WebSocketStream::from_raw_socket(watched, Role::Server, Some(config)).await;
        let (sink, source) = socket.split();
        let mut connection = Connection {
            state,
            topic,
            headers: parts.headers,
            peer,
            client,
            sink,
            source,
            arriving,
            awaits_pong: false,
        };
        let (code, reason) = match delivery {
            Some(delivery) => connection.run(delivery).await,
            None => reason_of(Ending::TopicEnded),
        };
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        // A client that has gone needs no reason.
        let _ = connection.sink.send(Message::Close(Some(frame))).await;
    });
    Ok(handshake)
}

/// The answer that makes a connection a WebSocket; RFC 6455, section 4.2.
fn handshake(parts: &axum::http::request::Parts) -> Result<Response, Problem> {
    let mut request = axum::http::Request::builder()
        .method(Method::GET)
        .version(parts.version)
        .uri(parts.uri.clone())
        .body(())
        .map_err(|error| Problem::invalid_request(error.to_string()))?;
    request.headers_mut().clone_from(&parts.headers);
    let response = create_response(&request).map_err(|error| {
        Problem::invalid_request(format!("this is no WebSocket handshake: {error}"))
    })?;
    Ok(response.map(|()| Body::empty()))
}

struct Connection {
    state: AppState,
    topic: Topic,
    headers: HeaderMap,
    peer: Option<std::net::IpAddr>,
    client: Option<ClientAddress>,
    sink: SplitSink<Socket, Message>,
    source: SplitStream<Socket>,
    arriving: Arriving,
    /// A ping has been sent, and nothing has come since.
    awaits_pong: bool,
}

type Socket = WebSocketStream<Watched<TokioIo<Upgraded>>>;

/// Why a connection is closed: a code of RFC 6455, section 7.4.1, and a sentence.
type Reason = (CloseCode, &'static str);

const GONE: Reason = (CloseCode::Normal, "the client has closed the connection");

const TOO_SLOW: Reason = (
    CloseCode::Again,
    "the reader was too slow: come back and resume",
);

impl Connection {
    /// Sends and hears until one side ends it.
    async fn run(&mut self, mut delivery: Delivery) -> Reason {
        let (gap, id) = delivery.start();
        let opening = json(&Frame::Position {
            gap: gap.as_ref(),
            id: &id,
        });
        let mut messages = vec![Message::text(opening)];
        let mut run = None;
        loop {
            if !messages.is_empty() {
                let bytes = messages.iter().map(Message::len).sum();
                // Until the socket has taken them; a reader that leaves too many has to come back.
                let held = if bytes > UNCOUNTED_BYTES {
                    let Ok(share) = delivery.hold(bytes) else {
                        return TOO_SLOW;
                    };
                    Some(share)
                } else {
                    None
                };
                if self.send(messages).await.is_err() {
                    return GONE;
                }
                drop(held);
                let mut tally = Tally::default();
                delivery.hand_over(bytes, run.take().as_deref(), Instant::now(), &mut tally);
                delivery.metrics().count(&mut tally);
            }
            let arriving = self.arriving.clone();
            messages = tokio::select! {
                item = delivery.next() => match item {
                    Ok(Item::Heartbeat) if self.awaits_pong => {
                        return (CloseCode::Policy, "no answer to a ping: come back and resume");
                    }
                    Ok(Item::Heartbeat) => {
                        self.awaits_pong = true;
                        vec![Message::Ping(Default::default())]
                    }
                    Ok(Item::Batch(events)) => {
                        let messages = events.entries().iter().map(|entry| Message::text(event(entry)));
                        let messages = messages.collect();
                        run = Some(events);
                        messages
                    }
                    Ok(Item::Gap(gap, id)) => vec![Message::text(json(&Frame::Position {
                        gap: Some(&gap),
                        id: &id,
                    }))],
                    Ok(Item::Consumers(consumers)) => {
                        vec![Message::text(json(&Frame::Consumers { consumers }))]
                    }
                    Err(ending) => return reason_of(ending),
                },
                () = arriving.takes_too_long(self.state.publish_config.frame_timeout) => {
                    return (CloseCode::Policy, "a frame took too long to arrive: send it faster");
                }
                heard = self.source.next() => {
                    self.awaits_pong = false;
                    self.arriving.has_arrived();
                    match heard {
                        Some(Ok(Message::Text(text))) => {
                            let caller = Caller {
                                headers: &self.headers,
                                peer: self.peer,
                            };
                            let published =
                                publish_frame(&self.state, &caller, self.client, &self.topic, &text);
                            let answer = answer(published.await, self.client, &self.topic);
                            vec![Message::text(answer)]
                        }
                        Some(Ok(Message::Binary(_))) => {
                            return (CloseCode::Unsupported, "send text frames: an event's data is text");
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Vec::new(),
                        Some(Err(WebSocketError::Capacity(_))) => {
                            return (CloseCode::Size, "the frame is larger than what this client may publish");
                        }
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return GONE,
                    }
                }
            };
        }
    }

    /// Sends messages together.
    async fn send(&mut self, messages: Vec<Message>) -> Result<(), WebSocketError> {
        for message in messages {
            self.sink.feed(message).await?;
        }
        self.sink.flush().await
    }
}

/// The answer to a frame that a client has sent to be published.
fn answer(
    published: Result<Published, Problem>,
    client: Option<ClientAddress>,
    topic: &Topic,
) -> String {
    match published {
        Ok(published) => json(&Frame::Published {
            published: Receipt {
                id: &published.id,
                subscribers: published.subscribers,
            },
        }),
        Err(problem) => {
            if let Some(kind) = notices::Kind::of(problem.status) {
                kind.notice(client, || {
                    let status = problem.status.as_u16();
                    format!("{status} for a frame to {topic}: {}", problem.detail)
                });
            }
            format!("{{\"problem\":{}}}", problem.to_json())
        }
    }
}

fn event(entry: &Entry) -> String {
    json(&Frame::Event {
        id: &entry.event.id,
        topic: entry.topic.as_str(),
        r#type: entry.event.event_type.as_str(),
        data: &entry.event.data,
    })
}

fn reason_of(ending: Ending) -> Reason {
    match ending {
        Ending::Closed => (
            CloseCode::Away,
            "the stream was closed: come back and resume",
        ),
        Ending::LifetimeOver => (
            CloseCode::Restart,
            "the stream was open for its lifetime: come back and resume",
        ),
        Ending::Expired => (
            CloseCode::Policy,
            "the token has expired: come back with a new one",
        ),
        Ending::Idle => (
            CloseCode::Away,
            "nothing was published for long: come back and resume",
        ),
        Ending::TooSlow => TOO_SLOW,
        Ending::TopicEnded => (CloseCode::Normal, "the topic has ended"),
    }
}

fn json(frame: &Frame<'_>) -> String {
    // Texts and numbers: this cannot fail.
    serde_json::to_string(frame).unwrap_or_default()
}
