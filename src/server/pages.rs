//! The pages as HTTP answers: rendered by Leptos from what the hub knows now, under a strict content security policy.
//! What they look like is in `app`.

use std::net::SocketAddr;

use any_spawner::Executor;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header};
use axum::response::Response;
use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::{IntoView, use_context};
use leptos_axum::ResponseOptions;

use super::state::AppState;
use crate::app::{not_found_shell, shell};
use crate::hub::topic::Topic;
use crate::protocol::CLOCK_PATH;
use crate::protocol::page::TopicPage;

/// How many of the newest events a page is rendered with: about as many as fit on a wide screen.
const RENDERED_EVENTS: usize = 20;

/// The crate's name as cargo-leptos calls the site's files.
const OUTPUT_NAME: &str = "fairwind";

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
    let snapshot = state.hub.snapshot(&Topic::clock(), RENDERED_EVENTS);
    let page = TopicPage {
        origin: origin(
            request.headers(),
            request.uri(),
            state.leptos_options.site_addr,
        ),
        stream_path: CLOCK_PATH.to_owned(),
        events: snapshot
            .events
            .iter()
            .map(|entry| entry.event.clone())
            .collect(),
        last_event_id: snapshot.last_event_id,
        consumers: snapshot.subscribers,
    };
    let options = state.leptos_options;
    render(request, StatusCode::OK, move || {
        shell(options.clone(), page.clone())
    })
    .await
}

/// What a browser is shown where there is nothing.
pub(super) async fn not_found(State(state): State<AppState>, request: Request<Body>) -> Response {
    let options = state.leptos_options;
    render(request, StatusCode::NOT_FOUND, move || {
        not_found_shell(options.clone())
    })
    .await
}

async fn render<View>(
    request: Request<Body>,
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
    leptos_axum::render_app_async_with_context(set_headers, view)(request).await
}

const SECURITY_HEADERS: [(HeaderName, &str); 3] = [
    (header::REFERRER_POLICY, "no-referrer"),
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
