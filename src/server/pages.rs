//! The pages as HTTP answers: rendered by Leptos from what the hub knows now, under a strict content security policy.
//! What they look like is in `app`.

use std::net::SocketAddr;

use any_spawner::Executor;
use axum::body::Body;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use axum::response::Response;
use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::{IntoView, use_context};
use leptos_axum::ResponseOptions;

use super::problem::Problem;
use super::state::AppState;
use crate::app::pages::problem::RefusedRequest;
use crate::app::pages::topics::TopicList;
use crate::app::{messages, problem_shell, shell, topics_shell};
use crate::hub::Page;
use crate::hub::topic::Topic;
use crate::protocol::page::{PageEvent, TopicPage};
use crate::protocol::{CLOCK_PATH, FILTER, topic_path};

/// How many of the newest events a page is rendered with: about as many as fit on a wide screen.
const RENDERED_EVENTS: usize = 20;

/// The crate's name as cargo-leptos calls the site's files.
const OUTPUT_NAME: &str = "fairwind";

/// Where the page of a request comes from, in a browser's words.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The variable by which cargo-leptos says on which port it tells pages to reload.
const RELOAD_PORT: &str = "LEPTOS_RELOAD_PORT";

/// Prepares Leptos to render, and gives what it has to know to write a page's links and its live reload.
pub(super) fn leptos_options(address: SocketAddr, package_folder: &str) -> LeptosOptions {
    // Rendering spawns tasks; it fails only if another server in this process has said so before.
    let _ = Executor::init_tokio();
    let reload_port = std::env::var(RELOAD_PORT)
        .ok()
        .and_then(|port| port.parse().ok());
    let options = LeptosOptions::builder()
        .output_name(OUTPUT_NAME)
        .site_addr(address)
        .site_pkg_dir(package_folder);
    match reload_port {
        Some(port) => options.reload_port(port).build(),
        None => options.build(),
    }
}

/// `GET /`: the clock.
pub(super) async fn clock(State(state): State<AppState>, request: Request<Body>) -> Response {
    let (parts, _) = request.into_parts();
    let page = TopicPage {
        is_clock: true,
        stream_path: CLOCK_PATH.to_owned(),
        ..topic_page(&state, &Topic::clock(), &parts, false)
    };
    render_live(&state, page).await
}

/// `GET` and `HEAD` of a topic, for a browser.
///
/// # Errors
///
/// A problem if the reader has a token that does not hold.
pub(super) async fn topic(
    state: &AppState,
    topic: &Topic,
    parts: Parts,
) -> Result<Response, Problem> {
    let with_private = state.access.reader(&parts.headers)?.may_read_private(topic);
    // The page's own form will send this, whoever has led the reader here.
    let mut headers = parts.headers.clone();
    headers.remove(header::ORIGIN);
    headers.insert(SEC_FETCH_SITE, HeaderValue::from_static("same-origin"));
    let refusal = match state.access.check_publish(&headers, topic) {
        Ok(()) => String::new(),
        Err(problem) => messages::refusal(problem.status.as_u16(), &problem.detail),
    };
    let page = TopicPage {
        filter: filter(&parts.uri),
        refusal,
        ..topic_page(state, topic, &parts, with_private)
    };
    Ok(render_live(state, page).await)
}

/// The list of topics, for a browser.
pub(super) async fn topics(state: &AppState, status: StatusCode, list: TopicList) -> Response {
    let options = state.leptos_options.clone();
    render(status, move || topics_shell(options.clone(), list.clone())).await
}

/// A topic as its page shows it now.
fn topic_page(state: &AppState, topic: &Topic, parts: &Parts, with_private: bool) -> TopicPage {
    let newest = Page {
        // One more than is shown: the stream from there on begins with the first that is shown.
        count: RENDERED_EVENTS + 1,
        before: None,
        with_private,
    };
    let snapshot = state.hub.snapshot(topic, &newest);
    let newest = snapshot.events.iter().rev().take(RENDERED_EVENTS).rev();
    let shown = PageEvent::newest(newest.map(|entry| &entry.event));
    let before = &snapshot.events[..snapshot.events.len() - shown.len()];
    TopicPage {
        origin: origin(&parts.headers, &parts.uri, state.leptos_options.site_addr),
        topic: topic.to_string(),
        is_clock: false,
        stream_path: topic_path(topic.as_str()),
        events: shown,
        before: before.last().map(|entry| entry.event.id.clone()),
        last_event_id: snapshot.last_event_id,
        consumers: snapshot.subscribers,
        has_ended: snapshot.has_ended,
        filter: String::new(),
        refusal: String::new(),
    }
}

async fn render_live(state: &AppState, page: TopicPage) -> Response {
    let options = state.leptos_options.clone();
    render(StatusCode::OK, move || shell(options.clone(), page.clone())).await
}

/// What the page's list is to be filtered by. A page's URL gets parameters from elsewhere, which mean nothing here.
fn filter(uri: &Uri) -> String {
    let pairs: Vec<(String, String)> =
        serde_html_form::from_str(uri.query().unwrap_or_default()).unwrap_or_default();
    let filter = pairs.into_iter().find(|(name, _)| name == FILTER);
    // It goes into the page as it is, and NUL cannot.
    filter.map_or(String::new(), |(_, filter)| filter.replace('\0', ""))
}

/// A request that was refused, for a browser.
pub(super) async fn problem(
    state: &AppState,
    status: StatusCode,
    problem: RefusedRequest,
) -> Response {
    let options = state.leptos_options.clone();
    render(status, move || {
        problem_shell(options.clone(), problem.clone())
    })
    .await
}

async fn render<View>(
    status: StatusCode,
    view: impl Fn() -> View + Clone + Send + Sync + 'static,
) -> Response
where
    View: IntoView + 'static,
{
    let set_headers = move || {
        let Some(response) = use_context::<ResponseOptions>() else {
            return;
        };
        response.set_status(status);
        response.insert_header(header::VARY, HeaderValue::from_static("accept"));
        // A page shows one moment, and its policy names a nonce: nobody may keep it.
        response.insert_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for (name, value) in SECURITY_HEADERS {
            response.insert_header(name, HeaderValue::from_static(value));
        }
        let nonce = use_nonce()
            .map(|nonce| nonce.to_string())
            .unwrap_or_default();
        if let Ok(policy) = HeaderValue::try_from(content_security_policy(&nonce)) {
            response.insert_header(header::CONTENT_SECURITY_POLICY, policy);
        }
    };
    // The pages are made from data and know no URL. Leptos panics on a request whose URL has no path, such as that of
    // CONNECT, so it gets one that is always the same.
    let request = Request::new(Body::empty());
    leptos_axum::render_app_async_with_context(set_headers, view)(request).await
}

const SECURITY_HEADERS: [(HeaderName, &str); 3] = [
    // No other site learns where its readers come from. This one does, or its own form would say that it comes from nowhere.
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

fn content_security_policy(nonce: &str) -> String {
    // In development, live reload comes over a WebSocket on a port of its own.
    let live_reload = if std::env::var_os("LEPTOS_WATCH").is_some() {
        " ws: wss:"
    } else {
        ""
    };
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'{live_reload}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Scheme and authority under which the reader reached the server, as far as it says.
fn origin(headers: &HeaderMap, uri: &Uri, address: SocketAddr) -> String {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = match text(HeaderName::from_static("x-forwarded-proto")) {
        Some("https") => "https",
        _ => "http",
    };
    let authority = text(header::HOST).or(uri.authority().map(|authority| authority.as_str()));
    match authority {
        Some(authority) => format!("{scheme}://{authority}"),
        None => format!("{scheme}://{address}"),
    }
}
