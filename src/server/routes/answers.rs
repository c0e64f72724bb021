//! Answers over HTTP: `POST /answers` asks, `/answers/{id}` is what there is of an answer, and `DELETE` stops it. The text itself is on
//! the answer's topic, which is read like any other. `--ask` says which clients may ask; a client that has an answer's id may read and
//! stop it. Browsers get a page for each.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::{Deserialize, Serialize};

use super::publish_service;
use super::topic::whole_text;
use crate::feeds::answers::{self, Answers, Record};
use crate::hub::topic::Topic;
use crate::protocol::answers::{
    ANSWER_TOPICS, AnswersPage, Finish, MAX_CONVERSATION_BYTES, MAX_QUESTION_BYTES, MAX_TURNS,
    PageAnswer, Question, Turn, answer_path, answer_topic,
};
use crate::protocol::page::Refusal;
use crate::protocol::problem::ProblemCode;
use crate::protocol::topic_path;
use crate::server::auth::Caller;
use crate::server::http::answers::json;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::media_type::JSON;
use crate::server::http::negotiation::prefers_html;
use crate::server::http::problem::Problem;
use crate::server::http::request_body;
use crate::server::limits::shares::Exhausted;
use crate::server::random_id;
use crate::server::site::pages;
use crate::server::state::AppState;

/// The largest body: a conversation with the escapes of JSON or of a form.
const MAX_BODY_BYTES: usize = 4 * MAX_CONVERSATION_BYTES;

/// How long a client waits before it asks again where there are too many answers.
const FULL_WAIT: Duration = Duration::from_secs(10);

/// What a client asks, as JSON or as a form.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// The question; not with `continue` or `retry`.
    #[serde(default)]
    question: String,
    /// What was said before; in JSON only.
    #[serde(default)]
    turns: Vec<Turn>,
    /// The answer to go on with, from where its text ends.
    #[serde(rename = "continue")]
    continues: Option<String>,
    /// The answer whose question is asked again.
    retry: Option<String>,
}

/// The answer to a client that has asked.
#[derive(Serialize)]
struct Begun<'a> {
    answer: &'a str,
    topic: String,
    url: String,
    stream: String,
}

/// What there is of an answer, as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    answer: &'a str,
    topic: String,
    stream: String,
    #[serde(flatten)]
    question: &'a Question,
    text: &'a str,
    finish: Option<&'a Finish>,
    last_event_id: &'a str,
}

/// `/answers`: `GET` is the page with the form, `POST` asks.
///
/// # Errors
///
/// A problem if the question is wrong, or there are too many answers.
pub(crate) async fn all(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let answers = answers_of(&state)?;
    let (parts, body) = request.into_parts();
    match parts.method {
        Method::GET | Method::HEAD => {
            let page = page_of(&state, answers, None, &parts);
            pages::answers(&state, page, &parts).await
        }
        Method::POST => ask(&state, answers, &parts, body).await,
        _ => Err(Problem::wrong_method(&parts.method, "GET, HEAD, POST")),
    }
}

/// `/answers/{id}`: `GET` shows the answer, `DELETE` stops it.
///
/// # Errors
///
/// A problem if there is no such answer.
pub(crate) async fn one(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let answers = answers_of(&state)?;
    let (parts, _) = request.into_parts();
    match parts.method {
        Method::GET | Method::HEAD if prefers_html(&parts.headers) => {
            let answer = page_answer(&id, find(&state, &id)?);
            let page = page_of(&state, answers, Some(answer), &parts);
            pages::answers(&state, page, &parts).await
        }
        Method::GET | Method::HEAD => show(&state, &id, &parts),
        Method::DELETE => {
            stop_one(&state, answers, &id, &parts).await?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        _ => Err(Problem::wrong_method(&parts.method, "GET, HEAD, DELETE")),
    }
}

/// `POST /answers/{id}/stop`: the same as `DELETE`, for a form. It leads back to the answer.
///
/// # Errors
///
/// A problem if there is no such answer.
pub(crate) async fn stop(
    State(state): State<AppState>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let answers = answers_of(&state)?;
    let (parts, _) = request.into_parts();
    if parts.method != Method::POST {
        return Err(Problem::wrong_method(&parts.method, "POST"));
    }
    stop_one(&state, answers, &id, &parts).await?;
    Ok(Redirect::to(&answer_path(&id)).into_response())
}

/// `GET /docs/{name}`: a document, to which answers lead.
///
/// # Errors
///
/// A problem if there is none.
pub(crate) async fn document(Path(name): Path<String>) -> Result<Response, Problem> {
    let text = answers::document(&name)
        .ok_or_else(|| Problem::new(ProblemCode::NotFound, "there is no such document"))?;
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    Ok((headers, text).into_response())
}

fn answers_of(state: &AppState) -> Result<&Arc<Answers>, Problem> {
    state.answers.as_ref().ok_or_else(|| {
        Problem::new(
            ProblemCode::NotFound,
            "this server answers no questions: --answers is off",
        )
    })
}

fn unknown() -> Problem {
    Problem::new(
        ProblemCode::UnknownAnswer,
        "there is no answer of this id, or its history has expired; ask again with POST /answers",
    )
}

fn find(state: &AppState, id: &str) -> Result<Record, Problem> {
    answers::read(&state.hub, id).ok_or_else(unknown)
}

fn show(state: &AppState, id: &str, parts: &Parts) -> Result<Response, Problem> {
    let record = find(state, id)?;
    let _held = state.hold(parts, record.text.len())?;
    let topic = answer_topic(id);
    Ok(json(&Shown {
        answer: id,
        stream: topic_path(&topic),
        topic,
        question: &record.question,
        text: &record.text,
        finish: record.finish.as_ref(),
        last_event_id: &record.last_event_id,
    }))
}

fn page_of(
    state: &AppState,
    answers: &Answers,
    answer: Option<PageAnswer>,
    parts: &Parts,
) -> AnswersPage {
    AnswersPage {
        origin: pages::origin(state, parts),
        model: answers.model().map(str::to_owned),
        refusal: check_may_ask(state, parts).err().map(Refusal::from),
        answer,
    }
}

fn page_answer(id: &str, record: Record) -> PageAnswer {
    PageAnswer {
        id: id.to_owned(),
        question: record.question,
        // It goes into the page as it is, and NUL cannot.
        text: record.text.replace('\0', "\u{fffd}"),
        finish: record.finish,
        last_event_id: record.last_event_id,
    }
}

/// The topics of answers are not known before they begin, so a token names them by a pattern.
fn check_may_ask(state: &AppState, parts: &Parts) -> Result<(), Problem> {
    let topic = Topic::new(&answer_topic("new")).map_err(|_| unknown())?;
    state.access.authorize_ask(&Caller::of(parts), &topic)
}

async fn stop_one(
    state: &AppState,
    answers: &Answers,
    id: &str,
    parts: &Parts,
) -> Result<(), Problem> {
    state.access.check_origin(&parts.headers)?;
    let client = ClientAddress::of_request(&parts.extensions);
    state.rates.check_publish(client)?;
    if answers.stop(id).await {
        return Ok(());
    }
    // One that is over has stopped.
    find(state, id)?.finish.map(|_| ()).ok_or_else(|| {
        Problem::new(
            ProblemCode::UnknownAnswer,
            "another server answers this; stop it there",
        )
    })
}

async fn ask(
    state: &AppState,
    answers: &Arc<Answers>,
    parts: &Parts,
    body: Body,
) -> Result<Response, Problem> {
    state.access.check_origin(&parts.headers)?;
    check_may_ask(state, parts)?;
    let client = ClientAddress::of_request(&parts.extensions);
    state.rates.check_publish(client)?;
    request_body::check_coding(&parts.headers)?;
    let text = whole_text(state, parts, body, MAX_BODY_BYTES).await?;
    let (question, begun) = read_question(state, answers, read_body(parts, &text)?)?;

    let places = &state.answer_places;
    if state.hub.topics_below(ANSWER_TOPICS).len() >= places.max_kept {
        return Err(too_many(Exhausted::InAll));
    }
    let running = places.running.take(client, 1).map_err(too_many)?;
    let kept = places.kept.take(client, 1).map_err(too_many)?;
    let id = random_id::new()?;
    answers
        .ask(&state.hub, id.clone(), question, begun, (running, kept))
        .await
        .map_err(publish_service::refusal)?;

    let url = answer_path(&id);
    if prefers_html(&parts.headers) {
        return Ok(Redirect::to(&url).into_response());
    }
    let topic = answer_topic(&id);
    let mut response = json(&Begun {
        answer: &id,
        stream: topic_path(&topic),
        topic,
        url: url.clone(),
    });
    *response.status_mut() = StatusCode::CREATED;
    // Characters of a URL.
    if let Ok(location) = HeaderValue::try_from(url) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn too_many(exhausted: Exhausted) -> Problem {
    let whose = match exhausted {
        Exhausted::OfClient => "of your address ",
        Exhausted::InAll => "",
    };
    let detail = format!(
        "there are as many answers {whose}as there may be, under way or kept: wait until one is over, and ask again"
    );
    Problem::new(ProblemCode::TooManyAnswers, detail).with_retry_after(FULL_WAIT)
}

fn read_body(parts: &Parts, text: &str) -> Result<Asked, Problem> {
    let content_type = parts.headers.get(header::CONTENT_TYPE);
    let is = |name: &str| {
        content_type.is_some_and(|value| {
            let named = value.as_bytes().get(..name.len());
            named.is_some_and(|named| named.eq_ignore_ascii_case(name.as_bytes()))
        })
    };
    if is(JSON) {
        return serde_json::from_str(text)
            .map_err(|error| Problem::invalid_body(format!("the JSON cannot be read: {error}")));
    }
    if is("application/x-www-form-urlencoded") {
        return serde_html_form::from_str(text)
            .map_err(|error| Problem::invalid_body(format!("the form cannot be read: {error}")));
    }
    Err(Problem::new(
        ProblemCode::UnsupportedType,
        "send application/json such as {\"question\":\"…\"}, or a form with the field question",
    ))
}

/// The question, and the text that there is already.
fn read_question(
    state: &AppState,
    answers: &Answers,
    asked: Asked,
) -> Result<(Question, String), Problem> {
    let earlier = match (&asked.continues, &asked.retry) {
        (None, None) => None,
        (Some(id), None) => Some((id, true)),
        (None, Some(id)) => Some((id, false)),
        (Some(_), Some(_)) => {
            return Err(Problem::invalid_body("give continue or retry, not both"));
        }
    };
    let Some((id, goes_on)) = earlier else {
        let question = Question {
            question: asked.question.replace("\r\n", "\n").trim().to_owned(),
            turns: asked.turns,
            ..Question::default()
        };
        check(&question)?;
        return Ok((question, String::new()));
    };
    if !asked.question.is_empty() || !asked.turns.is_empty() {
        return Err(Problem::invalid_body(
            "continue and retry take the question of the answer that they name: leave question and turns out",
        ));
    }
    let record = find(state, id)?;
    if answers.is_running(id) || record.finish.is_none() {
        return Err(Problem::new(
            ProblemCode::AnswerRunning,
            "the answer is under way: wait for its end, or stop it",
        ));
    }
    check(&record.question)?;
    let question = Question {
        continues: goes_on.then(|| id.clone()),
        ..record.question
    };
    let begun = if goes_on { record.text } else { String::new() };
    if begun.len() >= answers.limits().bytes {
        // It has as much text as an answer may have.
        return Err(Problem::too_large(answers.limits().bytes));
    }
    Ok((question, begun))
}

fn check(question: &Question) -> Result<(), Problem> {
    if question.question.is_empty() {
        return Err(Problem::invalid_body(
            "the question is empty; write at least one character",
        ));
    }
    if question.question.len() > MAX_QUESTION_BYTES {
        return Err(Problem::too_large(MAX_QUESTION_BYTES));
    }
    if question.turns.len() > MAX_TURNS {
        let detail =
            format!("a question takes at most {MAX_TURNS} earlier turns; leave the oldest out");
        return Err(Problem::new(ProblemCode::TooLarge, detail));
    }
    let turns = question.turns.iter().map(|turn| turn.content.len());
    if question.question.len() + turns.sum::<usize>() > MAX_CONVERSATION_BYTES {
        return Err(Problem::too_large(MAX_CONVERSATION_BYTES));
    }
    Ok(())
}
