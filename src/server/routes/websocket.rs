//! A topic over WebSocket (RFC 6455): the same events, each as one JSON text frame, and publishing on the same
//! connection. What is sent when is decided by the delivery, as for an event stream.
//!
//! Frames from the server: an event is `{"id", "topic", "type", "data"}`. Whatever has no `topic` is news of the server
//! itself: `{"id"}` says where the reader is, at first and, with `gap`, where events are missing; `{"consumers"}` how
//! many there are; `{"published"}` and `{"problem"}` answer a frame of the client's, which is `{"data", "type"?, "id"?}`.

use axum::RequestExt;
use axum::extract::Request;
use axum::extract::ws::{CloseCode, CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::publish::publish;
use super::subscribe::{Outcome, Plan, StreamQuery};
use crate::hub::Entry;
use crate::hub::publication::{Conditions, Publication, check_id, check_type};
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;
use crate::server::client_address::ClientAddress;
use crate::server::delivery::{Delivery, Ending, Item};
use crate::server::metrics::Tally;
use crate::server::notices;
use crate::server::problem::Problem;
use crate::server::state::AppState;

/// How much larger a frame may be than the data in it: the other members, and escapes.
const FRAME_ALLOWANCE: usize = 6;

/// How much is read at once, in bytes. Clients send little, and the buffer is wiped each time that somebody looks whether
/// they have sent anything: the library's own size makes that half of a delivery's cost.
const READ_BUFFER_BYTES: usize = 4 * 1_024;

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

/// What a client sends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    data: String,
    r#type: Option<String>,
    id: Option<String>,
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
    mut request: Request,
) -> Result<Response, Problem> {
    let query = StreamQuery::read(request.uri())?.without_topics()?;
    let headers = request.headers().clone();
    let upgrade = request
        .extract_parts::<WebSocketUpgrade>()
        .await
        .map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    let plan = Plan::read(state, &headers, vec![topic.clone()], &query)?;
    let client = ClientAddress::of_request(request.extensions());
    let delivery = match plan.start(state, client) {
        Outcome::Open(subscriber, admission) => Some(Delivery::new(
            subscriber,
            admission,
            plan.pace,
            plan.extras.consumers,
        )),
        Outcome::Ended => None,
        Outcome::Full => {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "no place is free: come back later",
            ));
        }
    };
    let state = state.clone();
    let limit = state
        .settings
        .max_body_bytes()
        .saturating_mul(FRAME_ALLOWANCE);
    Ok(upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .read_buffer_size(READ_BUFFER_BYTES)
        .on_upgrade(async move |socket| {
            let (sink, source) = socket.split();
            let mut connection = Connection {
                state,
                topic,
                headers,
                client,
                sink,
                source,
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
        }))
}

struct Connection {
    state: AppState,
    topic: Topic,
    headers: HeaderMap,
    client: Option<ClientAddress>,
    sink: SplitSink<WebSocket, Message>,
    source: SplitStream<WebSocket>,
    /// A ping has been sent, and nothing has come since.
    awaits_pong: bool,
}

/// Why a connection is closed: a code of RFC 6455, section 7.4.1, and a sentence.
type Reason = (CloseCode, &'static str);

const GONE: Reason = (close_code::NORMAL, "the client has closed the connection");

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
                let Ok(bytes) = self.send(messages).await else {
                    return GONE;
                };
                let mut tally = Tally::default();
                delivery.hand_over(bytes, run.take().as_deref(), Instant::now(), &mut tally);
                delivery.metrics().count(&mut tally);
            }
            messages = tokio::select! {
                item = delivery.next() => match item {
                    Ok(Item::Heartbeat) if self.awaits_pong => {
                        return (close_code::POLICY, "no answer to a ping: come back and resume");
                    }
                    Ok(Item::Heartbeat) => {
                        self.awaits_pong = true;
                        vec![Message::Ping(Default::default())]
                    }
                    Ok(Item::Run(events)) => {
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
                heard = self.source.next() => {
                    self.awaits_pong = false;
                    match heard {
                        Some(Ok(Message::Text(text))) => vec![Message::text(self.publish(&text))],
                        Some(Ok(Message::Binary(_))) => {
                            return (close_code::UNSUPPORTED, "send text frames: an event's data is text");
                        }
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Vec::new(),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return GONE,
                    }
                }
            };
        }
    }

    /// Sends messages together; gives the bytes of their texts.
    async fn send(&mut self, messages: Vec<Message>) -> Result<usize, axum::Error> {
        let mut bytes = 0;
        for message in messages {
            if let Message::Text(text) = &message {
                bytes += text.len();
            }
            self.sink.feed(message).await?;
        }
        self.sink.flush().await?;
        Ok(bytes)
    }

    /// Publishes what a client has sent, under the rules of `POST`; gives the answer.
    fn publish(&self, text: &str) -> String {
        let published = self.publication(text).and_then(|publication| {
            self.state.rates.check_publish(self.client)?;
            self.state
                .access
                .check_publish(&self.headers, &self.topic)?;
            publish(&self.state, &self.topic, publication, Conditions::default())
        });
        match published {
            Ok(published) => json(&Frame::Published {
                published: Receipt {
                    id: &published.id,
                    subscribers: published.subscribers,
                },
            }),
            Err(problem) => {
                if let Some(kind) = notices::Kind::of(problem.status) {
                    let (status, topic) = (problem.status.as_u16(), &self.topic);
                    kind.notice(self.client, || {
                        format!("{status} for a frame to {topic}: {}", problem.detail)
                    });
                }
                format!("{{\"problem\":{}}}", problem.to_json())
            }
        }
    }

    fn publication(&self, text: &str) -> Result<Publication, Problem> {
        let sent: Sent = serde_json::from_str(text).map_err(|error| {
            Problem::bad_request(format!(
                "the frame is no event: {error}; send {{\"data\": \"…\"}}, with type and id if you like"
            ))
        })?;
        let limit = self.state.settings.max_body_bytes();
        if sent.data.len() > limit {
            return Err(Problem::too_large(limit));
        }
        Ok(Publication {
            id: sent
                .id
                .map(check_id)
                .transpose()
                .map_err(Problem::bad_request)?,
            event_type: sent
                .r#type
                .map(check_type)
                .transpose()
                .map_err(Problem::bad_request)?
                .unwrap_or_default(),
            ..Publication::text(sent.data)
        })
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
            close_code::AWAY,
            "the stream was closed: come back and resume",
        ),
        Ending::LifetimeOver => (
            close_code::RESTART,
            "the stream was open for its lifetime: come back and resume",
        ),
        Ending::Expired => (
            close_code::POLICY,
            "the token has expired: come back with a new one",
        ),
        Ending::Idle => (
            close_code::AWAY,
            "nothing was published for long: come back and resume",
        ),
        Ending::TooSlow => (
            close_code::AGAIN,
            "the reader was too slow: come back and resume",
        ),
        Ending::TopicEnded => (close_code::NORMAL, "the topic has ended"),
    }
}

fn json(frame: &Frame<'_>) -> String {
    // Texts and numbers: this cannot fail.
    serde_json::to_string(frame).unwrap_or_default()
}
