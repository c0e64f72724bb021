//! Every URL, and what wraps them.

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tower::ServiceBuilder;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;

use super::problem::Problem;
use super::routes::{clock, health};
use super::settings::Settings;
use super::state::AppState;
use super::{assets, pages};
use crate::protocol::CLOCK_PATH;

/// The methods of a resource that can be read.
const READ_ONLY: &str = "GET, HEAD, OPTIONS";

/// How long a browser may remember what another origin may do here, in seconds: two hours is the most that browsers
/// take.
const PREFLIGHT_MAX_AGE: std::time::Duration = std::time::Duration::from_secs(7_200);

/// All routes of the server.
pub(super) fn router(state: AppState) -> Router {
    let streams = Router::new()
        .route(CLOCK_PATH, get(clock::stream).fallback(wrong_method))
        // Outermost last: the CORS layer answers OPTIONS by itself, and what it answers also says what is allowed.
        .layer(cors(&state.settings))
        .layer(axum::middleware::map_response(allow_read_only));
    let plain = Router::new()
        .route("/healthz", get(health::healthz).fallback(wrong_method))
        .route("/", get(pages::clock).fallback(wrong_method))
        .fallback(any(assets::file_or_not_found))
        // What is embedded is compressed already, and this leaves it alone.
        .layer(CompressionLayer::new().br(true).gzip(true))
        .layer(axum::middleware::map_response(allow_read_only));
    streams
        .merge(plain)
        .layer(
            ServiceBuilder::new()
                .layer(TraceLayer::new_for_http())
                .layer(no_sniffing()),
        )
        .with_state(state)
}

/// Every method but those of [`READ_ONLY`], the last of which only asks for them.
pub(super) async fn wrong_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("{method} is not for this resource; it can be read with GET or HEAD");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
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

/// Event streams are open to every page, without credentials, unless origins are listed.
fn cors(settings: &Settings) -> CorsLayer {
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([
            header::ACCEPT,
            header::CACHE_CONTROL,
            HeaderName::from_static("last-event-id"),
        ])
        .max_age(PREFLIGHT_MAX_AGE);
    if settings.allow_origin.is_empty() {
        layer.allow_origin(AllowOrigin::any()).vary([])
    } else {
        let origins = AllowOrigin::list(settings.allow_origin.clone());
        layer
            .allow_origin(origins)
            .allow_credentials(true)
            .vary([header::ORIGIN])
    }
}

fn no_sniffing() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    )
}
