//! Every URL, and what wraps them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header,
};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::Predicate;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::trace::TraceLayer;

use super::client_address::{self, TrustedProxies};
use super::problem::wrong_method;
use super::request_body::{self, BodyTimes};
use super::routes::{clock, health, metrics, topic, topics};
use super::settings::Settings;
use super::state::AppState;
use super::{assets, pages};
use crate::protocol::{CLOCK_PATH, TOPICS_PATH};

/// The methods of a resource that can be read.
const READ_ONLY: &str = "GET, HEAD, OPTIONS";

/// The headers that another origin's page may send.
const REQUEST_HEADERS: [&str; 12] = [
    "accept",
    "authorization",
    "cache-control",
    "content-type",
    "event-id",
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

/// All routes of the server.
pub(super) fn router(state: AppState) -> Router {
    // Outermost last: the CORS layer answers OPTIONS by itself, and what it answers also says what is allowed.
    let read_only = Router::new()
        .route(CLOCK_PATH, get(clock::stream).fallback(wrong_method))
        .route(TOPICS_PATH, get(topics::get).fallback(wrong_method))
        .layer(cors(&state.settings, &[Method::GET, Method::HEAD]))
        .layer(page_compression())
        .layer(middleware::map_response(allow_read_only));
    let topic = Router::new()
        .route(&format!("{TOPICS_PATH}/{{*topic}}"), any(topic::any))
        .layer(cors(&state.settings, &topic::METHODS))
        .layer(page_compression())
        .layer(middleware::map_response(topic::allow));
    let plain = Router::new()
        .route("/healthz", get(health::healthz).fallback(wrong_method))
        .route("/readyz", get(health::readyz).fallback(wrong_method))
        .route("/metrics", get(metrics::metrics).fallback(wrong_method))
        .route("/", get(pages::clock).fallback(wrong_method))
        .fallback(any(assets::file_or_not_found))
        // What is embedded is compressed already, and this leaves it alone.
        .layer(CompressionLayer::new().br(true).gzip(true))
        .layer(middleware::map_response(allow_read_only));
    read_only
        .merge(topic)
        .merge(plain)
        .layer(middleware::from_fn_with_state(
            Arc::new(Common::new(&state.settings)),
            around,
        ))
        .layer(TraceLayer::new_for_http())
        .with_state(state)
}

/// Who asks for the methods, or uses a wrong one, is told the right ones.
async fn allow_read_only(method: Method, mut response: Response) -> Response {
    if method == Method::OPTIONS || response.status() == StatusCode::METHOD_NOT_ALLOWED {
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(READ_ONLY));
    }
    response
}

/// What can be read is open to every page, without credentials, unless origins are listed. Only the pages of listed
/// origins may do more than read.
fn cors(settings: &Settings, methods: &[Method]) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_headers(REQUEST_HEADERS.map(HeaderName::from_static))
        .max_age(PREFLIGHT_MAX_AGE);
    if settings.allow_origin.is_empty() {
        let layer = layer.allow_methods([Method::GET, Method::HEAD]);
        return layer.allow_origin(AllowOrigin::any()).vary([]);
    }
    layer
        .allow_methods(methods.to_vec())
        .allow_origin(AllowOrigin::list(settings.allow_origin.clone()))
        .allow_credentials(true)
        .expose_headers([header::ETAG])
        .vary([header::ORIGIN])
}

/// Compresses pages, and only those: a stream has a compression of its own, which flushes every event.
fn page_compression() -> CompressionLayer<impl Predicate> {
    let is_page = |_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions| {
        headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|content_type| content_type.as_bytes().starts_with(b"text/html"))
    };
    CompressionLayer::new()
        .br(true)
        .gzip(true)
        .compress_when(is_page)
}

/// What holds for every request and every answer.
struct Common {
    trusted: TrustedProxies,
    body_times: BodyTimes,
}

impl Common {
    fn new(settings: &Settings) -> Self {
        Self {
            trusted: settings.trusted_proxy.as_slice().into(),
            body_times: BodyTimes::new(settings),
        }
    }
}

/// One layer and not one for each, since each costs every request a copy of all that it wraps.
async fn around(State(common): State<Arc<Common>>, mut request: Request, next: Next) -> Response {
    client_address::note(&mut request, &common.trusted);
    let request = request_body::limit_time(request, common.body_times);
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .entry(header::X_CONTENT_TYPE_OPTIONS)
        .or_insert(HeaderValue::from_static("nosniff"));
    response
}
