//! The pages as HTTP answers: rendered by Leptos from what the hub knows now, under a strict content security policy.
//! What they look like is in `app`.

use std::net::SocketAddr;
use std::time::SystemTime;

use any_spawner::Executor;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, SecondsFormat, Utc};
use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;

use super::assets;
use crate::app;
use crate::app::components::entry_scripts::{EntryPoint, Modules};
use crate::app::examples;
use crate::app::markdown::HTML_PER_BYTE;
use crate::app::page::{Page, SitePages};
use crate::app::pages::chat::{ChatDoor, ChatRoom};
use crate::app::pages::notifications::{Inbox, Note, ScheduledNote};
use crate::app::pages::problem::RefusedRequest;
use crate::app::pages::topics::{Moment, REFRESH_SECONDS, TopicList};
use crate::app::quotes::{CHART_STEP, SPARK_STEP, Series, Tick, seconds_since_1970};
use crate::feeds::quotes::Quotes;
use crate::hub::topic::Topic;
use crate::hub::{self, HistoryQuery};
use crate::protocol::answers::AnswersPage;
use crate::protocol::compare::ComparePage;
use crate::protocol::event::EventId;
use crate::protocol::locale::Locale;
use crate::protocol::page::{MAX_OLDER, PageData, PageEvent, Refusal, TopicPage, start_of};
use crate::protocol::quotes::{CHART, Quote, QuotesPage, SYMBOL, SymbolPage, ten_thousandths};
use crate::protocol::{BEFORE, CLOCK_PATH, FILTER, TOPICS_PATH, topic_path};
use crate::server::auth::Caller;
use crate::server::http::client_address::is_trusted;
use crate::server::http::problem::Problem;
use crate::server::http::{language, pieces, query};
use crate::server::limits::shares::Share;
use crate::server::state::AppState;

/// How many of the newest events a page is rendered with: about as many as fit on a wide screen.
const RENDERED_EVENTS: usize = 20;

/// The symbols that the page of quotes shows to a reader who has not chosen any.
const CHOSEN_FIRST: [&str; 8] = [
    "AAPL", "AMZN", "GOOGL", "JPM", "META", "MSFT", "NVDA", "TSLA",
];

/// How many of a symbol's prices that page reads: one in four seconds is more than an hour.
const MAX_TICKS: usize = 1_000;

/// How many notifications the page has at most, and how much of each, in bytes.
const RENDERED_NOTES: usize = 50;
const MAX_NOTE_BYTES: usize = 1_000;

/// What a page takes until its reader has taken it, in bytes: a few hundred KiB at most, and its compression.
pub(crate) const PAGE_BYTES: usize = 512 * 1_024;

/// The crate's name as cargo-leptos calls the site's files.
const OUTPUT_NAME: &str = "fairwind";

/// The scheme by which a client reached a reverse proxy.
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The variable by which cargo-leptos says on which port it tells pages to reload.
const RELOAD_PORT: &str = "LEPTOS_RELOAD_PORT";

/// Prepares Leptos to render, and gives what it has to know to write a page's links and its live reload.
pub(crate) fn leptos_options(address: SocketAddr, package_folder: &str) -> LeptosOptions {
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

/// `GET /`: the clock, or the list of topics where there is no clock.
///
/// # Errors
///
/// A problem if the server holds too much for the client already.
pub(crate) async fn clock(
    State(state): State<AppState>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    if !state.has_clock {
        return Ok(Redirect::temporary(TOPICS_PATH).into_response());
    }
    let (parts, _) = request.into_parts();
    let held = state.hold(&parts, PAGE_BYTES)?;
    let page = TopicPage {
        stream_path: CLOCK_PATH.to_owned(),
        ..topic_page(&state, &Topic::clock(), &parts, false, None)
    };
    let page = Page::Live(PageData::Clock(page));
    Ok(ok(&state, held, page, &parts).await)
}

/// `GET` and `HEAD` of a topic, for a browser: its newest events, live, or the events before one of them.
///
/// # Errors
///
/// A problem if the reader has a token that does not hold, or the event cannot be one.
pub(crate) async fn topic(
    state: &AppState,
    topic: &Topic,
    parts: Parts,
) -> Result<Response, Problem> {
    let caller = Caller::of(&parts);
    let reader = state.access.reader(&caller)?;
    state.access.authorize_read(&reader, topic)?;
    let with_private = reader.may_read_private(topic);
    let held = state.hold(&parts, PAGE_BYTES)?;
    if let Some(before) = query::parameter(&parts.uri, BEFORE) {
        let before = EventId::new(before).map_err(|error| {
            Problem::invalid_query(format!("{BEFORE} cannot be an event's id: {error}"))
        })?;
        let page = topic_page(state, topic, &parts, with_private, Some(before));
        return Ok(ok(state, held, Page::Older(page), &parts).await);
    }
    let filter = query::parameter(&parts.uri, FILTER).unwrap_or_default();
    let page = TopicPage {
        // It goes into the page as it is, and NUL cannot.
        filter: filter.replace('\0', ""),
        refusal: refusal(state, topic, &parts),
        ..topic_page(state, topic, &parts, with_private, None)
    };
    let page = Page::Live(PageData::Topic(page));
    Ok(ok(state, held, page, &parts).await)
}

/// Why a page's reader may not publish from it; `None` if the reader may.
pub(crate) fn refusal(state: &AppState, topic: &Topic, parts: &Parts) -> Option<Refusal> {
    let allowed = state.access.authorize_publish(&Caller::of(parts), topic);
    allowed.err().map(Refusal::from)
}

/// `GET /help`: what this server can do.
///
/// # Errors
///
/// A problem if the server holds too much for the client already.
pub(crate) async fn help(
    State(state): State<AppState>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    let held = state.hold(&parts, PAGE_BYTES)?;
    let origin = origin(&state, &parts);
    let refusal = Topic::new(examples::TOPIC).map(|topic| refusal(&state, &topic, &parts));
    let refusal = refusal.unwrap_or_default();
    let page = Page::Help { origin, refusal };
    Ok(ok(&state, held, page, &parts).await)
}

/// The page that compares an EventSource with a WebSocket.
///
/// # Errors
///
/// A problem if the server holds too much for the client already.
pub(crate) async fn compare(
    state: &AppState,
    id: &str,
    parts: &Parts,
) -> Result<Response, Problem> {
    let held = state.hold(parts, PAGE_BYTES)?;
    let page = ComparePage {
        origin: origin(state, parts),
        id: id.to_owned(),
    };
    Ok(ok(state, held, Page::Compare(page), parts).await)
}

/// The page that leads to a chat room.
///
/// # Errors
///
/// A problem if the server holds too much for the client already.
pub(crate) async fn chat_door(
    state: &AppState,
    status: StatusCode,
    door: ChatDoor,
    parts: &Parts,
) -> Result<Response, Problem> {
    let held = state.hold(parts, PAGE_BYTES)?;
    let locale = language::of(&parts.headers);
    Ok(render(state, status, held, Page::ChatDoor(door), locale).await)
}

/// The page of a chat room.
///
/// # Errors
///
/// A problem if the server holds too much for the client already.
pub(crate) async fn chat_room(
    state: &AppState,
    room: ChatRoom,
    parts: &Parts,
) -> Result<Response, Problem> {
    let held = state.hold(parts, PAGE_BYTES)?;
    Ok(ok(state, held, Page::Chat(room), parts).await)
}

/// The page of a question, or of the answer to one.
///
/// # Errors
///
/// A problem if the server holds too much for the client already.
pub(crate) async fn answers(
    state: &AppState,
    page: AnswersPage,
    parts: &Parts,
) -> Result<Response, Problem> {
    let text = page.answer.as_ref().map_or(0, |answer| answer.text.len());
    let held = state.hold(parts, PAGE_BYTES + text * HTML_PER_BYTE)?;
    Ok(ok(state, held, Page::Answers(page), parts).await)
}

/// The page of quotes: the symbols that the query names, or some.
///
/// # Errors
///
/// A problem if the server holds too much for the client already.
pub(crate) async fn quotes(
    state: &AppState,
    quotes: &Quotes,
    parts: &Parts,
) -> Result<Response, Problem> {
    let held = state.hold(parts, PAGE_BYTES)?;
    let page = quotes_page(state, quotes, parts);
    let locale = language::of(&parts.headers);
    Ok(render(state, StatusCode::OK, held, Page::Quotes(page), locale).await)
}

fn quotes_page(state: &AppState, quotes: &Quotes, parts: &Parts) -> QuotesPage {
    let symbols: Vec<String> = quotes.symbols().map(str::to_owned).collect();
    let wanted = query::parameters(&parts.uri, SYMBOL);
    let chosen = |is_chosen: &dyn Fn(&str) -> bool| -> Vec<&String> {
        let mut all = symbols.iter();
        all.by_ref().filter(|symbol| is_chosen(symbol)).collect()
    };
    let mut shown = chosen(&|symbol| wanted.iter().any(|wanted| wanted == symbol));
    if shown.is_empty() {
        shown = chosen(&|symbol| CHOSEN_FIRST.contains(&symbol));
    }
    if shown.is_empty() {
        shown = symbols.iter().take(CHOSEN_FIRST.len()).collect();
    }
    let charted = query::parameter(&parts.uri, CHART)
        .filter(|chart| symbols.contains(chart))
        .or_else(|| shown.first().map(|symbol| (*symbol).clone()))
        .unwrap_or_default();
    // Before the prices are read, so that none is missing between them and the stream.
    let last_event_id = state.hub.snapshot(&Topic::clock(), &HistoryQuery::newest());
    let rows = shown.into_iter().map(|symbol| {
        let ticks = ticks(state, quotes, symbol);
        SymbolPage {
            symbol: symbol.clone(),
            change: ticks.last().map_or(0, |tick| tick.change),
            history: series(SPARK_STEP, &ticks),
        }
    });
    let rows = rows.collect();
    let chart = series(CHART_STEP, &ticks(state, quotes, &charted));
    QuotesPage {
        origin: origin(state, parts),
        is_simulated: quotes.is_simulated(),
        last_event_id: last_event_id.last_event_id.to_string(),
        symbols,
        rows,
        charted,
        chart,
    }
}

/// What is kept of a symbol's prices, oldest first.
fn ticks(state: &AppState, quotes: &Quotes, symbol: &str) -> Vec<Tick> {
    let wanted = hub::HistoryQuery {
        count: MAX_TICKS,
        ..HistoryQuery::newest()
    };
    let kept = quotes
        .topic(symbol)
        .map(|topic| state.hub.snapshot(topic, &wanted).events);
    let ticks = kept.iter().flatten().filter_map(|entry| {
        let quote: Quote = serde_json::from_str(&entry.event.data).ok()?;
        Some(Tick {
            at: seconds_since_1970(&quote.time)?,
            price: ten_thousandths(quote.price),
            change: ten_thousandths(quote.change),
        })
    });
    ticks.collect()
}

fn series(step: u64, ticks: &[Tick]) -> Vec<(u64, i64)> {
    let mut series = Series::new(step);
    for tick in ticks {
        series.push(tick.at, tick.price);
    }
    series.points().collect()
}

/// The page of a browser's notifications, which are the events of its own topic.
///
/// # Errors
///
/// A problem if the reader may not read the topic, or the server holds too much for the client already.
pub(crate) async fn notifications(
    state: &AppState,
    topic: &Topic,
    parts: &Parts,
) -> Result<Response, Problem> {
    let reader = state.access.reader(&Caller::of(parts))?;
    state.access.authorize_read(&reader, topic)?;
    let with_private = reader.may_read_private(topic);
    let held = state.hold(parts, PAGE_BYTES)?;
    let wanted = hub::HistoryQuery {
        count: RENDERED_NOTES,
        max_bytes: usize::MAX,
        before: None,
        with_private,
    };
    let snapshot = state.hub.snapshot(topic, &wanted);
    let notes = snapshot.events.iter().rev().map(|entry| Note {
        position: state.hub.id(entry.offset).to_string(),
        at: moment(entry.published_at),
        text: note_text(&entry.event.data),
    });
    let older = snapshot.older_than.as_ref().map(|id| {
        let query = serde_html_form::to_string([(BEFORE, id.as_str())]);
        let path = topic_path(topic.as_str());
        format!("{path}?{}", query.unwrap_or_default())
    });
    let refusal = refusal(state, topic, parts);
    let mut scheduled = match &state.schedule {
        // Those who may publish may see what is scheduled.
        Some(schedule) if refusal.is_none() => schedule.of_topic(topic).await,
        _ => Vec::new(),
    };
    scheduled.retain(|one| with_private || !one.publication.is_private);
    let shown = scheduled.iter().take(RENDERED_NOTES);
    let shown = shown.map(|one| ScheduledNote {
        id: one.id.to_string(),
        at: moment(one.at),
        text: note_text(&one.publication.data),
    });
    let inbox = Inbox {
        origin: origin(state, parts),
        topic: topic.to_string(),
        last_event_id: snapshot.last_event_id.to_string(),
        notes: notes.collect(),
        older,
        has_schedule: state.schedule.is_some(),
        more_scheduled: scheduled.len().saturating_sub(RENDERED_NOTES),
        scheduled: shown.collect(),
        refusal,
    };
    let locale = language::of(&parts.headers);
    Ok(render(
        state,
        StatusCode::OK,
        held,
        Page::Notifications(inbox),
        locale,
    )
    .await)
}

/// As much of a notification as the page shows.
fn note_text(data: &str) -> String {
    match start_of(data, MAX_NOTE_BYTES) {
        (whole, false) => whole.to_owned(),
        (beginning, true) => format!("{beginning}…"),
    }
}

/// A moment as a page shows it.
pub(crate) fn moment(at: SystemTime) -> Moment {
    Moment {
        datetime: rfc_3339(at),
        text: DateTime::<Utc>::from(at)
            .format("%Y-%m-%d %H:%M:%S UTC")
            .to_string(),
    }
}

/// The list of topics, for a browser.
pub(crate) async fn topics(
    state: &AppState,
    status: StatusCode,
    held: Share,
    list: TopicList,
    locale: Locale,
) -> Response {
    let is_refreshing = list.is_refreshing;
    let mut response = render(state, status, held, Page::Topics(list), locale).await;
    if is_refreshing {
        let seconds = HeaderValue::from(REFRESH_SECONDS);
        response.headers_mut().insert(header::REFRESH, seconds);
    }
    response
}

/// A topic as its page shows it now: its newest events, or those before one of them.
fn topic_page(
    state: &AppState,
    topic: &Topic,
    parts: &Parts,
    with_private: bool,
    before: Option<EventId>,
) -> TopicPage {
    let wanted = hub::HistoryQuery {
        // More than are shown: the stream goes on after the event before them, and the page says how many there are.
        count: RENDERED_EVENTS + MAX_OLDER,
        // Of each event, the page shows a little.
        max_bytes: usize::MAX,
        before,
        with_private,
    };
    let snapshot = state.hub.snapshot(topic, &wanted);
    let newest = snapshot.events.iter().rev().take(RENDERED_EVENTS).rev();
    let shown = PageEvent::newest(newest.map(|entry| (&entry.event, rfc_3339(entry.published_at))));
    let before = &snapshot.events[..snapshot.events.len() - shown.len()];
    TopicPage {
        origin: origin(state, parts),
        topic: topic.to_string(),
        stream_path: topic_path(topic.as_str()),
        events: shown,
        before: before.last().map(|entry| entry.event.id.clone()),
        older: before.len().min(MAX_OLDER),
        last_event_id: snapshot.last_event_id,
        consumers: snapshot.subscribers,
        has_ended: snapshot.has_ended,
        filter: String::new(),
        refusal: None,
        rendered_at: rfc_3339(SystemTime::now()),
    }
}

fn rfc_3339(moment: SystemTime) -> String {
    DateTime::<Utc>::from(moment).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A request that was refused, for a browser.
pub(crate) async fn problem(
    state: &AppState,
    status: StatusCode,
    held: Share,
    problem: RefusedRequest,
    locale: Locale,
) -> Response {
    render(state, status, held, Page::Problem(problem), locale).await
}

/// A page that a request asked for, in the language of its reader.
async fn ok(state: &AppState, held: Share, page: Page, request: &Parts) -> Response {
    let locale = language::of(&request.headers);
    render(state, StatusCode::OK, held, page, locale).await
}

async fn render(
    state: &AppState,
    status: StatusCode,
    held: Share,
    page: Page,
    locale: Locale,
) -> Response {
    let options = state.site_config.leptos_options.clone();
    let pages = SitePages {
        clock: state.has_clock,
        quotes: state.quotes.is_some(),
        answers: state.answers.is_some(),
        comparisons: state.comparisons.is_some(),
        chat: state.has_chat,
        notifications: state.has_notifications,
    };
    let modules = modules();
    let view = move || app::document(options.clone(), page.clone(), locale, modules, pages);
    let set_headers = move || {
        let Some(response) = use_context::<ResponseOptions>() else {
            return;
        };
        response.set_status(status);
        response.insert_header(header::VARY, HeaderValue::from_static(VARY));
        let language = HeaderValue::from_static(locale.tag());
        response.insert_header(header::CONTENT_LANGUAGE, language);
        // A page shows one moment, and its policy names a nonce: no cache may keep it.
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
    let page = leptos_axum::render_app_async_with_context(set_headers, view)(request).await;
    page.map(|body| pieces::with(body, held))
}

/// What a page depends on, beside its URL: its form and its language.
const VARY: &str = "accept, accept-language, cookie";
/// A release build has a module for each entry point.
fn modules() -> Modules {
    let name = format!("{}.js", EntryPoint::Compare.module());
    if assets::is_in_package(&name) {
        Modules::Apart
    } else {
        Modules::Together(OUTPUT_NAME)
    }
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

/// Scheme and authority under which the reader reached the server, as far as the request says. It is only shown: in
/// commands and programs to copy.
pub(crate) fn origin(state: &AppState, request: &Parts) -> String {
    let scheme = if is_https(state, request) {
        "https"
    } else {
        "http"
    };
    let host = request
        .headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .or(request.uri.authority().map(Authority::as_str));
    match host {
        Some(host) => format!("{scheme}://{host}"),
        None => format!("{scheme}://{}", state.site_config.leptos_options.site_addr),
    }
}

/// Whether the reader reached the server over HTTPS, as far as the request says.
pub(crate) fn is_https(state: &AppState, request: &Parts) -> bool {
    state.site_config.is_https || is_https_before_proxy(state, request)
}

/// Whether a reverse proxy says that it was reached over HTTPS: a trusted proxy, or, where none is configured, a program
/// of this machine.
fn is_https_before_proxy(state: &AppState, request: &Parts) -> bool {
    let trusted = &state.site_config.trusted_proxies;
    let is_proxy = request
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .is_some_and(|ConnectInfo(peer)| {
            let address = peer.ip().to_canonical();
            is_trusted(address, trusted) || (trusted.is_empty() && address.is_loopback())
        });
    let scheme = request
        .headers
        .get(X_FORWARDED_PROTO)
        .and_then(|value| value.to_str().ok())
        .and_then(|schemes| schemes.split(',').next());
    is_proxy && scheme.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}
