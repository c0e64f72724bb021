//! Chat rooms for browsers: the page of each, the way to one, and the form by which a browser without JavaScript writes. A room is
//! the topic that [`topic_of`] names; its messages and its presence are those of any topic (see [`crate::protocol::chat`]).

use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use cookie::{Cookie, SameSite};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use super::publish_service::publish;
use super::topic::{read_topic, whole_text};
use crate::app::links::{self, Piece};
use crate::app::pages::chat::{ChatDoor, ChatMessage, ChatRoom};
use crate::hub::presence::Name;
use crate::hub::publish::{Preconditions, PublishRequest, check_id};
use crate::hub::topic::Topic;
use crate::hub::{Entry, HistoryQuery};
use crate::protocol::chat::{CHAT_NAME_COOKIE, CHAT_PATH, ROOM, topic_of};
use crate::protocol::page::{Refusal, start_of};
use crate::protocol::problem::ProblemCode;
use crate::protocol::{TOPICS_PATH, topic_path};
use crate::server::auth::{Caller, Reader};
use crate::server::http::answers::rfc3339;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::cookies::cookie;
use crate::server::http::problem::Problem;
use crate::server::http::{query, request_body};
use crate::server::site::pages;
use crate::server::state::AppState;

/// How many of the newest messages a page is rendered with.
const RENDERED_MESSAGES: usize = 50;

/// The most bytes that these take in the log; one may take more.
const MAX_RENDERED_BYTES: usize = 64 * 1_024;

/// How much of one message a page shows, in bytes.
const MAX_MESSAGE_BYTES: usize = 8 * 1_024;

/// The largest form, in bytes: a text and a name, percent-encoded.
const MAX_FORM_BYTES: usize = 32 * 1_024;

/// After so long, a message of the same person has a heading again.
const GROUP: Duration = Duration::from_secs(300);

/// How long a browser keeps the reader's name.
const YEAR: cookie::time::Duration = cookie::time::Duration::days(365);

/// The data of a message.
#[derive(Debug, Default, Serialize, Deserialize)]
struct MessageJson {
    #[serde(default)]
    name: String,
    text: String,
}

/// What the form of a room sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    id: String,
    name: String,
    text: String,
}

/// `GET /chat`: the way to a room, or to the room that the reader names.
///
/// # Errors
///
/// A problem if there is no chat here, or the server holds too much for the client already.
pub(crate) async fn door(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    check_exists(&state)?;
    let (parts, _) = request.into_parts();
    let mut door = ChatDoor::default();
    let mut status = StatusCode::OK;
    if let Some(room) = query::parameter(&parts.uri, ROOM) {
        let room = room.trim().to_owned();
        match read_room(&room) {
            Ok(_) => return Ok(Redirect::to(&path_of(&room)).into_response()),
            Err(problem) => {
                status = StatusCode::BAD_REQUEST;
                door.refused = Some((room, Refusal::from(problem)));
            }
        }
    }
    pages::chat_door(&state, status, door, &parts).await
}

/// `GET` and `POST` of a room: its page, and a message from the page's form.
///
/// # Errors
///
/// A problem if there is no chat here, or the request is wrong.
pub(crate) async fn room(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    check_exists(&state)?;
    let (parts, body) = request.into_parts();
    let room = parts.uri.path().strip_prefix(CHAT_PATH);
    let room = room
        .and_then(|path| path.strip_prefix('/'))
        .unwrap_or_default();
    let room = percent_decode_str(room).decode_utf8().map_err(|_| {
        Problem::new(
            ProblemCode::InvalidTopic,
            "the room's name is not UTF-8: percent-encode its UTF-8 bytes",
        )
    })?;
    let topic = read_room(&room)?;
    match parts.method {
        Method::GET | Method::HEAD => show(&state, &room, &topic, &parts).await,
        Method::POST => write(&state, &room, topic, &parts, body).await,
        _ => Err(Problem::new(
            ProblemCode::MethodNotAllowed,
            format!(
                "{} is not for a chat room; it has GET and POST",
                parts.method
            ),
        )
        .with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD, POST"))),
    }
}

fn check_exists(state: &AppState) -> Result<(), Problem> {
    if state.has_chat {
        return Ok(());
    }
    let detail =
        format!("this server has no chat rooms: --chat is off; topics are at {TOPICS_PATH}/NAME");
    Err(Problem::new(ProblemCode::NotFound, detail))
}

/// The topic of a room.
fn read_room(room: &str) -> Result<Topic, Problem> {
    // Its topic would be no room's.
    if room.is_empty() {
        let detail = "a room's name is empty; give at least one character";
        return Err(Problem::new(ProblemCode::InvalidTopic, detail));
    }
    read_topic(&topic_of(room))
}

/// The path of a room's page: as that of its topic, which is below `/topics`.
fn path_of(room: &str) -> String {
    let path = topic_path(&topic_of(room));
    path.strip_prefix(TOPICS_PATH).unwrap_or(&path).to_owned()
}

async fn show(
    state: &AppState,
    room: &str,
    topic: &Topic,
    parts: &Parts,
) -> Result<Response, Problem> {
    let reader = state.access.reader(&Caller::of(parts))?;
    state.access.authorize_read(&reader, topic)?;
    let snapshot = state.hub.snapshot(
        topic,
        &HistoryQuery {
            count: RENDERED_MESSAGES,
            max_bytes: MAX_RENDERED_BYTES,
            before: None,
            with_private: reader.may_read_private(topic),
        },
    );
    let by_token = name_of_token(state, &reader);
    let room = ChatRoom {
        origin: pages::origin(state, parts),
        room: room.to_owned(),
        path: path_of(room),
        topic: topic.to_string(),
        messages: messages(snapshot.events.iter().map(|entry| &**entry)),
        last_event_id: snapshot.last_event_id.to_string(),
        is_named_by_token: by_token.is_some(),
        can_be_present: by_token.is_some() || !state.access.can_be_private(),
        name: by_token
            .map(|name| name.to_string())
            .or_else(|| name_in_cookie(&parts.headers))
            .unwrap_or_default(),
        present: state
            .hub
            .present(topic)
            .iter()
            .map(Name::to_string)
            .collect(),
        next_id: format!("{:032x}", fastrand::u128(..)),
        refusal: pages::refusal(state, topic, parts),
        has_ended: snapshot.has_ended,
    };
    pages::chat_room(state, room, parts).await
}

/// Publishes the message of a form, and leads back to the room. A form that is sent twice is one message, by its id.
async fn write(
    state: &AppState,
    room: &str,
    topic: Topic,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    state
        .rates
        .check_publish(ClientAddress::of_request(&parts.extensions))?;
    state.access.check_publish(&Caller::of(parts), &topic)?;
    request_body::check_coding(&parts.headers)?;
    let body = whole_text(state, parts, body, MAX_FORM_BYTES).await?;
    let form: Form = serde_html_form::from_str(&body)
        .map_err(|error| Problem::invalid_body(format!("the form cannot be read: {error}")))?;
    let reader = state.access.reader(&Caller::of(parts))?;
    let name = match name_of_token(state, &reader) {
        Some(name) => name,
        None => Name::new(form.name.trim())
            .map_err(|error| Problem::invalid_event(error.to_string()))?,
    };
    // Browsers send line breaks as a network does.
    let text = form.text.replace("\r\n", "\n").trim().to_owned();
    if text.is_empty() {
        return Err(Problem::invalid_event(
            "the message is empty; write at least one character",
        ));
    }
    let message = MessageJson {
        name: name.to_string(),
        text,
    };
    // Two texts: this cannot fail.
    let data = serde_json::to_string(&message).unwrap_or_default();
    if data.len() > state.publish_config.max_bytes {
        return Err(Problem::too_large(state.publish_config.max_bytes));
    }
    let request = PublishRequest {
        id: Some(check_id(form.id).map_err(Problem::invalid_event)?),
        ..PublishRequest::text(data)
    };
    match publish(state, &topic, request, Preconditions::default()).await {
        Ok(_) => {}
        // It was sent twice.
        Err(problem) if problem.code == ProblemCode::DuplicateId => {}
        Err(problem) => return Err(problem),
    }
    let mut response = Redirect::to(&format!("{}#write", path_of(room))).into_response();
    response
        .headers_mut()
        .extend(name_cookie(&message.name).map(|value| (header::SET_COOKIE, value)));
    Ok(response)
}

/// The name that a reader's token gives, if it gives one.
fn name_of_token(state: &AppState, reader: &Reader) -> Option<Name> {
    if !state.access.can_be_private() {
        return None;
    }
    state.access.presence_name(reader, "").ok()
}

/// The name under which this browser's reader has written before.
fn name_in_cookie(headers: &HeaderMap) -> Option<String> {
    let cookie = cookie(headers, CHAT_NAME_COOKIE)?;
    let name = percent_decode_str(cookie.value()).decode_utf8().ok()?;
    let name = Name::new(&name).ok()?;
    Some(name.to_string())
}

/// The page's script sets the same cookie.
fn name_cookie(name: &str) -> Option<HeaderValue> {
    let cookie = Cookie::build((CHAT_NAME_COOKIE, name))
        .path(CHAT_PATH)
        .same_site(SameSite::Lax)
        .max_age(YEAR)
        .build();
    HeaderValue::from_str(&cookie.encoded().to_string()).ok()
}

/// The messages among a topic's events, oldest first.
fn messages<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<ChatMessage> {
    let mut before: Option<(String, SystemTime)> = None;
    let messages = entries.filter(|entry| entry.event.event_type.is_message() && !entry.is_end);
    messages
        .map(|entry| {
            let message = read_message(&entry.event.data);
            let at = entry.published_at;
            let is_first = before.as_ref().is_none_or(|(name, earlier)| {
                let apart = at.duration_since(*earlier).unwrap_or_default();
                *name != message.name || apart > GROUP
            });
            before = Some((message.name.clone(), at));
            ChatMessage {
                name: message.name,
                text: cut(&message.text),
                is_first,
                sent_at: rfc3339(at),
                time: DateTime::<Utc>::from(at).format("%H:%M UTC").to_string(),
            }
        })
        .collect()
}

/// A message as its event has it. Data that is no such JSON is a message without a name.
fn read_message(data: &str) -> MessageJson {
    let message: MessageJson = serde_json::from_str(data).unwrap_or_else(|_| MessageJson {
        name: String::new(),
        text: data.to_owned(),
    });
    let name = Name::new(message.name.trim());
    MessageJson {
        name: name.map_or_else(|_| String::new(), |name| name.to_string()),
        // No HTML can carry NUL.
        text: message.text.replace('\0', "\u{fffd}"),
    }
}

/// The beginning of a text, in pieces.
fn cut(text: &str) -> Vec<Piece> {
    let (start, is_cut) = start_of(text, MAX_MESSAGE_BYTES);
    let mut pieces = links::pieces(start);
    if is_cut {
        pieces.push(Piece::Text(" …".to_owned()));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_data_is_a_message() {
        for (data, expected) in [
            (r#"{"name":"Ada","text":"hello"}"#, ("Ada", "hello")),
            (
                r#"{"name":" Ada ","text":"hello","more":1}"#,
                ("Ada", "hello"),
            ),
            (r#"{"text":"hello"}"#, ("", "hello")),
            (r#"{"name":"a/b","text":"hello"}"#, ("", "hello")),
            ("hello", ("", "hello")),
            (r#"{"name":"Ada"}"#, ("", r#"{"name":"Ada"}"#)),
            (r#"{"text":7}"#, ("", r#"{"text":7}"#)),
            ("7", ("", "7")),
            (r#"{"text":"a\u0000b"}"#, ("", "a\u{fffd}b")),
        ] {
            let message = read_message(data);
            assert_eq!((&*message.name, &*message.text), expected, "{data}");
        }
    }

    #[test]
    fn a_name_comes_back_from_the_cookie_that_it_was_put_into() {
        for name in ["Ada", "王 芳", "a;b=\"c\"", "%41"] {
            let cookie = name_cookie(name).expect("a cookie");
            let pair = cookie.to_str().expect("ASCII").split(';').next();
            let pair = HeaderValue::from_str(pair.expect("a pair")).expect("a header");
            let headers = HeaderMap::from_iter([(header::COOKIE, pair)]);
            assert_eq!(name_in_cookie(&headers).as_deref(), Some(name));
        }
        assert_eq!(name_in_cookie(&HeaderMap::new()), None);
    }

    #[test]
    fn a_rooms_path_is_a_path_of_this_server() {
        assert_eq!(path_of("tea"), "/chat/tea");
        assert_eq!(path_of("a/b c?"), "/chat/a/b%20c%3F");
        assert!(
            read_room("").is_err() && read_room("a/../b").is_err() && read_room("a\n").is_err()
        );
    }
}
