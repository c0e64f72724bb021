//! Every URL, and what wraps them.

use axum::Router;
use axum::extract::Request;
use axum::http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version, header,
};
use axum::routing::{any, get};
use tower::ServiceBuilder;
use tower::layer::util::Stack;
use tower::util::MapRequestLayer;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::Predicate;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use super::{assets, pages};
use crate::protocol::answers::{ANSWERS_PATH, DOCS_PATH, STOP};
use crate::protocol::chat::CHAT_PATH;
use crate::protocol::compare::COMPARE_PATH;
use crate::protocol::notifications::NOTIFICATIONS_PATH;
use crate::protocol::quotes::{QUOTES_PATH, SLOW_PATH};
use crate::protocol::{CLOCK_PATH, HELP_PATH, LANGUAGE_PATH, SCHEDULED_PATH, TOPICS_PATH};
use crate::server::http::client_address::{self, TrustedProxies};
use crate::server::http::problem::{READ_ONLY, wrong_method};
use crate::server::http::request_body::{self, BodyTimes};
use crate::server::routes::{
    answers, chat, clock, compare, health, language, metrics, notifications, quotes, scheduled,
    topic, topics,
};
use crate::server::site::problem_pages::ProblemPages;
use crate::server::state::AppState;

/// The script of the page that lists topics; see `public/`.
const SCRIPT_PATHS: [&str; 3] = ["/topics.js", assets::SCRIPT_PATH, "/fairwind.d.ts"];

/// The headers that another origin's page may send.
const REQUEST_HEADERS: [&str; 14] = [
    "accept",
    "authorization",
    "cache-control",
    "content-type",
    "event-at",
    "event-id",
    "event-in",
    "event-keep",
    "event-private",
    "event-retry",
    "event-type",
    "idempotency-key",
    "if-match",
    "last-event-id",
];

/// How long a browser may remember what another origin may do here, in seconds: two hours is the most that browsers
/// take.
const PREFLIGHT_MAX_AGE: std::time::Duration = std::time::Duration::from_secs(7_200);

/// What wraps every route is configured with.
#[derive(Debug, Clone)]
pub(super) struct RouterConfig {
    pub(super) trusted_proxies: TrustedProxies,
    /// Origins whose pages may do more than read.
    pub(super) allowed_origins: Vec<HeaderValue>,
    pub(super) body_times: BodyTimes,
}

/// All routes of the server. What wraps a route is one stack, outermost first: a router's every further layer would cost
/// every request a copy of all that it wraps.
pub(super) fn router(state: AppState, config: &RouterConfig) -> Router {
    let plain = Router::new()
        .route("/healthz", get(health::healthz).fallback(wrong_method))
        .route("/readyz", get(health::readyz).fallback(wrong_method))
        .route("/metrics", get(metrics::metrics).fallback(wrong_method))
        .route("/", get(pages::clock).fallback(wrong_method))
        .route(COMPARE_PATH, get(compare::page).fallback(wrong_method))
        .route(ANSWERS_PATH, any(answers::all))
        .route(&format!("{ANSWERS_PATH}/{{id}}"), any(answers::one))
        .route(&format!("{ANSWERS_PATH}/{{id}}/{STOP}"), any(answers::stop))
        .route(
            &format!("{DOCS_PATH}/{{name}}"),
            get(answers::document).fallback(wrong_method),
        )
        .route(QUOTES_PATH, get(quotes::page).fallback(wrong_method))
        .route(SLOW_PATH, get(quotes::slow).fallback(wrong_method))
        .route(CHAT_PATH, get(chat::door).fallback(wrong_method))
        .route(&format!("{CHAT_PATH}/{{*room}}"), any(chat::room))
        .route(
            NOTIFICATIONS_PATH,
            get(notifications::page).fallback(wrong_method),
        )
        .fallback(any(assets::file_or_not_found));
    topics_router(&state, config)
        .merge(comparison_router(&state, config))
        .merge(as_pages(plain, &state, config))
        .with_state(state)
}

/// What a page that compares asks of the server. It is for that page alone, so there is no CORS.
fn comparison_router(state: &AppState, config: &RouterConfig) -> Router<AppState> {
    let path = format!("{COMPARE_PATH}/{{id}}/{{segment}}");
    Router::new().route(&path, any(compare::any)).layer(
        ServiceBuilder::new()
            .layer(preparing(config))
            .layer(no_sniffing())
            .layer(page_compression())
            .layer(ProblemPages(state.clone())),
    )
}

/// The routes that another program mounts beside its own: the topics and what their pages load.
pub(super) fn mounted(state: AppState, config: &RouterConfig) -> Router {
    let package = format!("/{}/{{*file}}", assets::package_folder());
    let files = Router::new().route(&package, any(assets::file_or_not_found));
    let files = SCRIPT_PATHS.iter().fold(files, |files, path| {
        files.route(path, any(assets::file_or_not_found))
    });
    topics_router(&state, config)
        .merge(as_pages(files, &state, config))
        .with_state(state)
}

/// The topics, the clock's shorter URL, the page about all of them, and the choice of a language.
fn topics_router(state: &AppState, config: &RouterConfig) -> Router<AppState> {
    let common = ServiceBuilder::new()
        .layer(preparing(config))
        .layer(no_sniffing());
    let problem_pages = ProblemPages(state.clone());
    let read_only = Router::new()
        .route(CLOCK_PATH, get(clock::stream).fallback(wrong_method))
        .route(TOPICS_PATH, get(topics::get).fallback(wrong_method))
        .layer(
            ServiceBuilder::new()
                .layer(common.clone())
                .layer(allow_preflight(READ_ONLY))
                .layer(page_compression())
                .layer(cors(config, &[Method::GET, Method::HEAD]))
                .layer(problem_pages.clone()),
        );
    let topic = Router::new()
        .route(&format!("{TOPICS_PATH}/{{*topic}}"), any(topic::any))
        .layer(
            ServiceBuilder::new()
                .layer(common.clone())
                .layer(allow_preflight(topic::ALLOW))
                .layer(page_compression())
                .layer(cors(config, &topic::METHODS))
                .layer(problem_pages.clone()),
        );
    let scheduled = Router::new()
        .route(SCHEDULED_PATH, get(scheduled::list).fallback(wrong_method))
        .route(&format!("{SCHEDULED_PATH}/{{id}}"), any(scheduled::one))
        .route(
            &format!("{SCHEDULED_PATH}/{{id}}/cancel"),
            any(scheduled::cancel_by_form),
        )
        .layer(
            ServiceBuilder::new()
                .layer(common)
                .layer(allow_preflight(scheduled::ALLOW))
                .layer(page_compression())
                .layer(cors(config, &scheduled::METHODS))
                .layer(problem_pages),
        );
    let pages = Router::new()
        .route(HELP_PATH, get(pages::help).fallback(wrong_method))
        .route(
            &format!("{LANGUAGE_PATH}/{{tag}}"),
            get(language::choose).fallback(wrong_method),
        );
    let topics = read_only.merge(topic).merge(scheduled);
    topics.merge(as_pages(pages, state, config))
}

/// Wraps routes of pages and files.
fn as_pages(routes: Router<AppState>, state: &AppState, config: &RouterConfig) -> Router<AppState> {
    routes.layer(
        ServiceBuilder::new()
            .layer(preparing(config))
            .layer(no_sniffing())
            // What is embedded is compressed already, and this leaves it alone.
            .layer(page_compressor())
            .layer(ProblemPages(state.clone())),
    )
}

/// Prepares every request before any other layer sees it.
fn preparing(
    config: &RouterConfig,
) -> MapRequestLayer<impl Fn(Request) -> Request + Clone + use<>> {
    let config = config.clone();
    MapRequestLayer::new(move |request| prepare(request, &config))
}

/// Prepares a request: notes its client, and limits how long its body may take.
pub(super) fn prepare(mut request: Request, config: &RouterConfig) -> Request {
    client_address::note(&mut request, &config.trusted_proxies);
    request_body::limit_time(request, config.body_times)
}

fn no_sniffing() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    )
}

/// The layers that add headers to the answer to a publish, for [`DirectPublish`](super::direct_publish::DirectPublish).
pub(super) fn answer_layers(
    config: &RouterConfig,
) -> Stack<CorsLayer, SetResponseHeaderLayer<HeaderValue>> {
    Stack::new(cors(config, &topic::METHODS), no_sniffing())
}

/// The CORS layer answers OPTIONS by itself; this adds what a client wants to know that is no page.
fn allow_preflight<B>(
    methods: &'static str,
) -> SetResponseHeaderLayer<impl Fn(&Response<B>) -> Option<HeaderValue> + Clone> {
    SetResponseHeaderLayer::if_not_present(header::ALLOW, move |response: &Response<B>| {
        let is_preflight = response
            .headers()
            .contains_key(header::ACCESS_CONTROL_ALLOW_METHODS);
        is_preflight.then_some(HeaderValue::from_static(methods))
    })
}

/// What can be read is open to every page, without credentials, unless origins are listed. Only the pages of listed
/// origins may do more than read.
fn cors(config: &RouterConfig, methods: &[Method]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_headers(REQUEST_HEADERS.map(HeaderName::from_static))
        .max_age(PREFLIGHT_MAX_AGE);
    if config.allowed_origins.is_empty() {
        let layer = layer.allow_methods([Method::GET, Method::HEAD]);
        return layer.allow_origin(AllowOrigin::any()).vary([]);
    }
    layer
        .allow_methods(methods.to_vec())
        .allow_origin(AllowOrigin::list(config.allowed_origins.clone()))
        .allow_credentials(true)
        .expose_headers([header::ETAG, header::RETRY_AFTER])
        .vary([header::ORIGIN])
}

/// Compresses pages, and only those: a stream has a compression of its own, which flushes every event.
fn page_compression() -> CompressionLayer<impl Predicate> {
    let is_page = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|content_type| content_type.as_bytes().starts_with(b"text/html"))
    };
    page_compressor().compress_when(is_page)
}

/// The fastest level costs a page a tenth more bytes and a fraction of the memory.
fn page_compressor() -> CompressionLayer {
    CompressionLayer::new()
        .br(true)
        .gzip(true)
        .quality(CompressionLevel::Fastest)
}
