//! A topic over WebSocket (RFC 6455): the handshake, and publishing what the client sends. What is sent when is decided by the
//! session, as for an event stream; the frames are those of [`crate::server::stream::websocket`]; a writer thread has the
//! socket.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use hyper::upgrade::OnUpgrade;
use serde::Serialize;
use tokio_tungstenite::tungstenite::handshake::server::create_response;

use super::publish_service::publish_frame;
use super::subscribe::{Outcome, Plan, StreamQuery};
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;
use crate::server::auth::Caller;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::problem::Problem;
use crate::server::ops::notices;
use crate::server::state::AppState;
use crate::server::stream::session::CloseReason;
use crate::server::stream::websocket::{self, Client, Publisher};
use crate::server::stream::wire::{OpenStream, Opened, WireStream};

/// How much larger a frame may be than the data in it: the other members, and escapes.
const FRAME_ALLOWANCE: usize = 6;

/// The largest frame of a client that may not publish, in bytes: enough for it to learn why.
const MAX_BYTES_OF_READER: usize = 4 * 1_024;

/// The answer to a frame that has been published.
#[derive(Serialize)]
struct PublishReceipt<'a> {
    published: Receipt<'a>,
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
    let (parts, _) = request.into_parts();
    let query = StreamQuery::read(&parts.uri)?.without_topics()?;
    let mut handshake = handshake(&parts)?;
    let caller = Caller::of(&parts);
    let plan = Plan::read(state, &caller, vec![topic.clone()], &query)?;
    let client = ClientAddress::of_request(&parts.extensions);
    let session = match plan.start(state, client) {
        Outcome::Open(session) => Some(session),
        Outcome::Ended => None,
        Outcome::Full => return Err(Problem::too_many_streams()),
    };
    let max_bytes = if state.access.check_publish(&caller, &topic).is_ok() {
        let max_data = state.publish_config.max_bytes;
        max_data
            .saturating_mul(FRAME_ALLOWANCE)
            .saturating_add(MAX_BYTES_OF_READER)
    } else {
        MAX_BYTES_OF_READER
    };
    let opened = match session {
        Some(session) => {
            let held = state.held_by(&parts);
            let publisher = FramePublisher {
                state: state.clone(),
                topic,
                peer: caller.peer,
                client,
                headers: parts.headers,
            };
            let timeout = state.publish_config.frame_timeout;
            let client = Client::new(Arc::new(publisher), max_bytes, timeout, held);
            Opened::Stream(Box::new(WireStream::websocket(*session, client)))
        }
        None => {
            let close = websocket::reason_of(CloseReason::TopicEnded);
            Opened::Farewell(websocket::close_frame(close))
        }
    };
    // The connection goes on with it after the handshake.
    handshake.extensions_mut().insert(OpenStream::new(opened));
    Ok(handshake)
}

/// The answer that makes a connection a WebSocket; RFC 6455, section 4.2.
///
/// # Errors
///
/// A problem if the request is no handshake, or its connection can carry nothing else than requests.
pub(super) fn handshake(parts: &axum::http::request::Parts) -> Result<Response, Problem> {
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
    if parts.extensions.get::<OnUpgrade>().is_none() {
        return Err(Problem::invalid_request(
            "this connection cannot become a WebSocket",
        ));
    }
    Ok(response.map(|()| Body::empty()))
}

/// Publishes what one client sends.
struct FramePublisher {
    state: AppState,
    topic: Topic,
    headers: HeaderMap,
    peer: Option<IpAddr>,
    client: Option<ClientAddress>,
}

impl Publisher for FramePublisher {
    fn publish(self: Arc<Self>, text: String) -> Pin<Box<dyn Future<Output = String> + Send>> {
        Box::pin(async move { self.answer(&text).await })
    }
}

impl FramePublisher {
    /// Publishes a frame under the rules of `POST`; returns the answer.
    async fn answer(&self, text: &str) -> String {
        let caller = Caller {
            headers: &self.headers,
            peer: self.peer,
        };
        match publish_frame(&self.state, &caller, self.client, &self.topic, text).await {
            Ok(published) => {
                let published = PublishReceipt {
                    published: Receipt {
                        id: &published.id,
                        subscribers: published.subscribers,
                    },
                };
                // Texts and numbers: this cannot fail.
                serde_json::to_string(&published).unwrap_or_default()
            }
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
}
