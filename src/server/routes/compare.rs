//! The comparison of an EventSource with a WebSocket: below `/compare/ID` are both connections, what the server has counted of
//! them, and what it does with them when the page asks. The connections are the streams of any other topic, with an observer.
//! What a comparison is stands in [`crate::server::comparisons`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::subscribe;
use super::websocket;
use crate::hub::subscriber::{Start, Subscription};
use crate::protocol::compare::{EVENTS, Experiment, MAX_SENT_BYTES, NUMBERS, SEND, SOCKET};
use crate::protocol::problem::ProblemCode;
use crate::server::comparisons::{Comparison, ComparisonId, Comparisons};
use crate::server::http::answers;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::problem::Problem;
use crate::server::http::{query, request_body};
use crate::server::site::pages;
use crate::server::state::AppState;
use crate::server::stream::observer::{self, Observer};
use crate::server::stream::session::StreamSession;
use crate::server::stream::sse::StreamOptions;
use crate::server::stream::websocket::{Client, Publisher};
use crate::server::stream::wire::{OpenStream, Opened, WireStream};

/// Where a connection goes on from.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResumeQuery {
    last_event_id: Option<String>,
}

/// The answer to an experiment.
#[derive(Serialize)]
struct Done {
    /// The number of the newest event before it.
    published: u64,
}

/// The answer to what a page has sent.
#[derive(Serialize)]
struct Received {
    /// The bytes of the text.
    bytes: usize,
    /// The bytes of the whole request: its head, as a client writes it on HTTP/1.1, and its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_bytes: Option<usize>,
}

/// The same in a frame.
#[derive(Serialize)]
struct ReceivedFrame {
    received: Received,
}

/// `GET /compare`: the page.
///
/// # Errors
///
/// A problem if there are no comparisons here, or the server holds too much for the client already.
pub(crate) async fn page(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    comparisons(&state)?;
    let (parts, _) = request.into_parts();
    pages::compare(&state, ComparisonId::random()?.as_str(), &parts).await
}

/// Everything below a comparison.
///
/// # Errors
///
/// A problem if the request is wrong, or a limit is reached.
pub(crate) async fn any(
    State(state): State<AppState>,
    Path((id, segment)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let comparisons = comparisons(&state)?;
    let id = ComparisonId::read(&id).ok_or_else(|| {
        not_found("a comparison's id has 22 letters and digits: load /compare to get one")
    })?;
    let (parts, body) = request.into_parts();
    state.access.check_origin(&parts.headers)?;
    let client = ClientAddress::of_request(&parts.extensions);
    let experiment = Experiment::ALL
        .into_iter()
        .find(|experiment| experiment.segment() == segment);
    let allowed = match segment.as_str() {
        EVENTS | SOCKET | NUMBERS => Method::GET,
        SEND => Method::POST,
        _ if experiment.is_some() => Method::POST,
        _ => return Err(not_found("a comparison has nothing of this name")),
    };
    if parts.method != allowed {
        let detail = format!("{} is not for this; it takes {allowed}", parts.method);
        let allow = HeaderValue::from_str(allowed.as_str());
        let problem = Problem::new(ProblemCode::MethodNotAllowed, detail);
        return Err(match allow {
            Ok(allow) => problem.with_header(header::ALLOW, allow),
            Err(_) => problem,
        });
    }
    if allowed == Method::POST {
        state.rates.check_publish(client)?;
    }
    match segment.as_str() {
        EVENTS => events(
            &state,
            comparisons,
            &*comparisons.join(&id, client)?,
            &parts,
        ),
        SOCKET => {
            // What is no handshake begins no comparison.
            let handshake = websocket::handshake(&parts)?;
            socket(
                &state,
                comparisons,
                &*comparisons.join(&id, client)?,
                parts,
                handshake,
            )
        }
        NUMBERS => Ok(answers::json(&comparisons.find(&id, client)?.numbers())),
        SEND => {
            comparisons.find(&id, client)?;
            send(&state, &parts, body).await
        }
        _ => {
            let comparison = comparisons.find(&id, client)?;
            let published = match experiment {
                Some(experiment) => comparison.experiment(experiment).await?,
                None => 0,
            };
            Ok(answers::json(&Done { published }))
        }
    }
}

fn comparisons(state: &AppState) -> Result<&Comparisons, Problem> {
    let comparisons = state.comparisons.as_ref();
    comparisons.ok_or_else(|| not_found("this server compares nothing: --compare is off"))
}

fn not_found(detail: &str) -> Problem {
    Problem::new(ProblemCode::NotFound, detail)
}

fn events(
    state: &AppState,
    comparisons: &Comparisons,
    comparison: &Comparison,
    parts: &Parts,
) -> Result<Response, Problem> {
    let start = start(parts)?;
    let observer = &comparison.events;
    observer.note_request(parts);
    if comparison.refuses_once() {
        observer.note_refusal(parts.version, StatusCode::NO_CONTENT);
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let session = session(state, comparisons, comparison, observer, parts, start)?;
    let config = &state.stream_config;
    let timings = config.timings(config.slow_reader);
    let stream = WireStream::events(session, &timings, StreamOptions::default(), None, &[]);
    let stream = OpenStream::new(Opened::Stream(Box::new(stream)));
    let mut response = (subscribe::stream_headers(config, false), stream.body()).into_response();
    response.extensions_mut().insert(stream);
    Ok(response)
}

fn socket(
    state: &AppState,
    comparisons: &Comparisons,
    comparison: &Comparison,
    parts: Parts,
    mut handshake: Response,
) -> Result<Response, Problem> {
    let start = start(&parts)?;
    let observer = &comparison.socket;
    observer.note_request(&parts);
    let session = session(state, comparisons, comparison, observer, &parts, start)?;
    let client = Client::new(
        Arc::new(Echo {
            state: state.clone(),
            client: ClientAddress::of_request(&parts.extensions),
        }),
        MAX_SENT_BYTES,
        state.publish_config.frame_timeout,
        state.held_by(&parts),
    );
    let stream = WireStream::websocket(session, client);
    let stream = OpenStream::new(Opened::Stream(Box::new(stream)));
    handshake.extensions_mut().insert(stream);
    Ok(handshake)
}

fn session(
    state: &AppState,
    comparisons: &Comparisons,
    comparison: &Comparison,
    observer: &Arc<Observer>,
    parts: &Parts,
    start: Start,
) -> Result<StreamSession, Problem> {
    let config = &state.stream_config;
    let client = ClientAddress::of_request(&parts.extensions);
    let permit = state
        .admit(client, 1)
        .ok_or_else(Problem::too_many_streams)?;
    let subscription = Subscription::public(comparison.topic.clone(), start, config.slow_reader);
    let subscriber = comparisons.hub().subscribe(&subscription);
    // Its topic never ends, so there are too many subscriptions.
    let subscriber = subscriber.map_err(|_| Problem::too_many_streams())?;
    let timings = config.timings(config.slow_reader);
    Ok(StreamSession::new(subscriber, permit, timings, false).observed_by(observer))
}

/// Where a connection starts: after the event that the header names, or else the query, or with the next one.
fn start(parts: &Parts) -> Result<Start, Problem> {
    let query: ResumeQuery = query::read(&parts.uri, &[])?;
    let resumed = subscribe::resume(&parts.headers, query.last_event_id.as_deref());
    Ok(resumed.unwrap_or(Start::Now))
}

/// Takes what a page sends beside its EventSource.
async fn send(state: &AppState, parts: &Parts, body: Body) -> Result<Response, Problem> {
    request_body::check_length(&parts.headers, MAX_SENT_BYTES)?;
    let _held = state.hold(parts, MAX_SENT_BYTES)?;
    let bytes = to_bytes(body, MAX_SENT_BYTES)
        .await
        .map_err(|_| Problem::too_large(MAX_SENT_BYTES))?;
    let head = observer::request_bytes(parts);
    Ok(answers::json(&Received {
        bytes: bytes.len(),
        request_bytes: head.map(|head| head + bytes.len()),
    }))
}

/// Answers what a page sends over its WebSocket. Nothing is published.
struct Echo {
    state: AppState,
    client: Option<ClientAddress>,
}

impl Publisher for Echo {
    fn publish(self: Arc<Self>, text: String) -> Pin<Box<dyn Future<Output = String> + Send>> {
        let answer = match self.state.rates.check_publish(self.client) {
            Ok(()) => answers::to_json(&ReceivedFrame {
                received: Received {
                    bytes: text.len(),
                    request_bytes: None,
                },
            }),
            Err(problem) => format!("{{\"problem\":{}}}", problem.to_json()),
        };
        Box::pin(std::future::ready(answer))
    }
}
