//! Several topics: a stream of those that the query names, or the list of all that are alive.

use std::time::SystemTime;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Serialize;

use super::clock;
use super::subscribe::{self, StreamQuery};
use super::topic::read_topic;
use crate::app::pages::topics::{ListedTopic, TopicList};
use crate::hub::TopicSummary;
use crate::protocol::page::Refusal;
use crate::protocol::problem::ProblemCode;
use crate::protocol::{MATCH, OPEN, REFRESH, TOPIC, topic_path};
use crate::server::auth::Caller;
use crate::server::http::answers::{rfc3339, to_json};
use crate::server::http::media_type::{EVENT_STREAM, HTML, JSON};
use crate::server::http::negotiation::preferred;
use crate::server::http::problem::Problem;
use crate::server::http::{language, pieces, query};
use crate::server::site::pages;
use crate::server::state::AppState;

/// The most topics on one connection: more would make each of its reads long.
const MAX_TOPICS: usize = 100;

/// The most topics on the page that lists them.
const MAX_LISTED: usize = 500;

/// How long their names may be together, in bytes: a page is in memory as a whole until its reader has taken it.
const MAX_LISTED_BYTES: usize = 32 << 10;

/// A topic in the list.
#[derive(Serialize)]
struct SummaryBody {
    topic: String,
    url: String,
    events: usize,
    subscribers: usize,
    published_at: Option<String>,
    ended: bool,
}

/// `GET` and `HEAD`.
pub(crate) async fn get(
    State(state): State<AppState>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    // A query that names topics asks for their stream, even in a browser: it is how a page links to one.
    let names_topics = [TOPIC, MATCH]
        .iter()
        .any(|name| query::parameter(&parts.uri, name).is_some());
    let forms: &[&str] = if names_topics {
        &[EVENT_STREAM, JSON]
    } else {
        &[EVENT_STREAM, HTML, JSON]
    };
    match preferred(&parts.headers, forms) {
        Some(HTML) => page(&state, &parts).await,
        Some(EVENT_STREAM) => {
            let query = StreamQuery::read(&parts.uri)?;
            let count = query.topic.len() + query.r#match.len();
            if count == 0 || count > MAX_TOPICS {
                return Err(Problem::invalid_query(format!(
                    "name 1 to {MAX_TOPICS} topics or patterns, as in /topics?topic=a&match=orders/*; the list of all topics is there as {JSON}"
                )));
            }
            let topics: Result<Vec<_>, _> =
                query.topic.iter().map(|name| read_topic(name)).collect();
            let topics = topics?;
            for topic in &topics {
                clock::check_exists(&state, topic)?;
            }
            subscribe::open(&state, &parts, topics, &query)
        }
        Some(_) if parts.uri.query().is_some() => Err(Problem::invalid_query(
            "the list of topics takes no query; leave it out",
        )),
        Some(_) => list(&state, &parts),
        None => Err(Problem::new(
            ProblemCode::NotAcceptable,
            format!(
                "topics can be read as {EVENT_STREAM} and listed as {JSON}: name one of them in Accept"
            ),
        )),
    }
}

/// The list for a browser, or the way to a topic that the reader names.
async fn page(state: &AppState, parts: &Parts) -> Result<Response, Problem> {
    let uri = &parts.uri;
    let name = query::parameter(uri, OPEN);
    let mut refused = None;
    if let Some(name) = name {
        match read_topic(&name) {
            Ok(topic) => return Ok(Redirect::to(&topic_path(topic.as_str())).into_response()),
            Err(problem) => refused = Some((name, Refusal::from(problem))),
        }
    }
    let status = match refused {
        None => StatusCode::OK,
        Some(_) => StatusCode::BAD_REQUEST,
    };
    // Where the list is closed, the page still leads to a topic that the reader knows.
    let (mut topics, closed) = match state.access.authorize_listing(&Caller::of(parts)) {
        Ok(lister) => (state.hub.topics(|topic| lister.sees(topic)), None),
        Err(problem) => (Vec::new(), Some(Refusal::from(problem))),
    };
    let mut room = MAX_LISTED_BYTES;
    let fitting = topics.iter().take(MAX_LISTED).take_while(|summary| {
        let left = room.checked_sub(summary.topic.as_str().len());
        room = left.unwrap_or_default();
        left.is_some()
    });
    let listed = fitting.count();
    let left_out = topics.len() - listed;
    topics.truncate(listed);
    let list = TopicList {
        moment: pages::moment(SystemTime::now()),
        topics: topics.into_iter().map(ListedTopic::from).collect(),
        left_out,
        closed,
        is_refreshing: query::parameter(uri, REFRESH).is_some(),
        refused,
    };
    let held = state.hold(parts, pages::PAGE_BYTES)?;
    Ok(pages::topics(state, status, held, list, language::of(&parts.headers)).await)
}

impl From<TopicSummary> for ListedTopic {
    fn from(summary: TopicSummary) -> Self {
        Self {
            name: summary.topic.to_string(),
            events: summary.events,
            subscribers: summary.subscribers,
            newest: summary.published_at.map(pages::moment),
            has_ended: summary.has_ended,
        }
    }
}

/// How much the server holds for each topic of a list, in bytes; the name is the topic's own.
const SUMMARY_BYTES: usize = 128;

fn list(state: &AppState, parts: &Parts) -> Result<Response, Problem> {
    let lister = state.access.authorize_listing(&Caller::of(parts))?;
    let topics = state.hub.topics(|topic| lister.sees(topic));
    let share = state.hold(parts, topics.len() * SUMMARY_BYTES)?;
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, HeaderValue::from_static("accept")),
        (header::CONTENT_TYPE, HeaderValue::from_static(JSON)),
    ];
    let topics = topics.into_iter().enumerate().map(|(index, summary)| {
        let comma = if index == 0 { "" } else { "," };
        format!("{comma}{}", to_json(&SummaryBody::from(summary)))
    });
    let texts = std::iter::once("[".to_owned())
        .chain(topics)
        .chain(std::iter::once("]".to_owned()));
    Ok((headers, pieces::body(texts, share)).into_response())
}

impl From<TopicSummary> for SummaryBody {
    fn from(summary: TopicSummary) -> Self {
        Self {
            url: topic_path(summary.topic.as_str()),
            topic: summary.topic.to_string(),
            events: summary.events,
            subscribers: summary.subscribers,
            published_at: summary.published_at.map(rfc3339),
            ended: summary.has_ended,
        }
    }
}
