//! One topic: what each method of its URL does, and in which form it is read.
//!
//! * `publish`: one event, a form, or a stream of events; `publish_body` reads streams
//! * `history`: some of its events as JSON

mod history;
mod publish;
pub(in crate::server) mod publish_body;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;

pub(super) use self::publish::whole_text;
use super::subscribe::{self, StreamQuery};
use super::{clock, websocket};
use crate::hub::EndError;
use crate::hub::topic::Topic;
use crate::protocol::TOPICS_PATH;
use crate::protocol::problem::ProblemCode;
use crate::server::auth::Caller;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::media_type::{EVENT_STREAM, HTML, JSON};
use crate::server::http::negotiation::preferred;
use crate::server::http::problem::Problem;
use crate::server::site::pages;
use crate::server::state::AppState;

/// What can be done with a topic, beside asking for that.
pub(crate) const METHODS: [Method; 5] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
];

/// The same as a header says it.
pub(crate) const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

/// Every method of a topic's URL but `OPTIONS`, which the CORS layer answers.
pub(crate) async fn any(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let topic = admit(&state, &request)?;
    match *request.method() {
        Method::GET if websocket::is_wanted(request.headers()) => {
            websocket::open(&state, topic, request).await
        }
        Method::GET | Method::HEAD => get(&state, topic, request).await,
        Method::POST => publish::post(&state, topic, request).await,
        Method::PUT => publish::put(&state, topic, request).await,
        Method::DELETE => end(&state, &topic, &request.into_parts().0).await,
        _ => Err(Problem::new(
            ProblemCode::MethodNotAllowed,
            format!("{} is not for a topic; it has {ALLOW}", request.method()),
        )
        .with_header(header::ALLOW, HeaderValue::from_static(ALLOW))),
    }
}

/// `POST` alone, as [`any`] answers it.
///
/// # Errors
///
/// A problem if the publisher may not, or the request is wrong.
pub(crate) async fn post(state: &AppState, request: Request) -> Result<Response, Problem> {
    let topic = admit(state, &request)?;
    publish::post(state, topic, request).await
}

/// The topic of a request, if the client does not publish more often than it may.
fn admit(state: &AppState, request: &Request) -> Result<Topic, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let client = ClientAddress::of_request(request.extensions());
        state.rates.check_publish(client)?;
    }
    let name = percent_decode_str(name_in(request.uri()).unwrap_or_default());
    let name = name.decode_utf8().map_err(|_| {
        Problem::new(
            ProblemCode::InvalidTopic,
            "the topic's name is not UTF-8: percent-encode its UTF-8 bytes",
        )
    })?;
    let topic = read_topic(&name)?;
    clock::check_exists(state, &topic)?;
    Ok(topic)
}

/// The name of a topic in its URL, percent-encoded; `None` in other URLs.
pub(crate) fn name_in(uri: &Uri) -> Option<&str> {
    let name = uri.path().strip_prefix(TOPICS_PATH)?.strip_prefix('/')?;
    Some(name).filter(|name| !name.is_empty())
}

/// Takes a text from a URL as a topic.
///
/// # Errors
///
/// A problem that says why it cannot be one.
pub(super) fn read_topic(name: &str) -> Result<Topic, Problem> {
    Topic::new(name).map_err(|error| Problem::new(ProblemCode::InvalidTopic, error.to_string()))
}

async fn get(state: &AppState, topic: Topic, request: Request) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    match preferred(&parts.headers, &[EVENT_STREAM, HTML, JSON]) {
        Some(HTML) => pages::topic(state, &topic, parts).await,
        Some(JSON) => history::answer(state, &topic, &parts),
        Some(_) => {
            let query = StreamQuery::read(&parts.uri)?.without_topics()?;
            subscribe::open(state, &parts, vec![topic], &query)
        }
        None => Err(Problem::new(
            ProblemCode::NotAcceptable,
            format!(
                "a topic can be read as {EVENT_STREAM}, {HTML} or {JSON}: name one of them in Accept"
            ),
        )),
    }
}

async fn end(state: &AppState, topic: &Topic, parts: &Parts) -> Result<Response, Problem> {
    state.access.check_publish(&Caller::of(parts), topic)?;
    match state.hub.end(topic).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(EndError::UnknownTopic(error)) => {
            Err(Problem::new(ProblemCode::UnknownTopic, error.to_string()))
        }
        Err(EndError::Unavailable(error)) => Err(Problem::unavailable(&error)),
    }
}
