//! Fairwind: live events from a server to every browser over EventSource.
//!
//! # Map
//!
//! | room | runs | holds |
//! | --- | --- | --- |
//! | [`protocol`] | everywhere | what server and browser must agree on: paths, ids, events, the stream's format |
//! | [`app`] | everywhere | the pages and their components; `app/live.rs`, with its parts, is the one seam to the browser |
//! | `browser` | browser | one browser API per file: EventSource, clipboard, frames, timers |
//! | `hub` | server | topics, their log, subscribers as cursors into it; knows no HTTP |
//! | `feeds` | server | what publishes by itself (the clock, quotes, answers, the comparisons); uses the hub like any publisher |
//! | `server` | server | settings, router, routes, stream encoding, assets, shutdown |
//!
//! # Invariants (`scripts/check-rooms.sh` holds them)
//!
//! 1. `protocol` names no tokio, axum, leptos or web-sys.
//! 2. `app` never names `server` or `hub`; only `app/live.rs` and its parts in `app/live/` name `browser`.
//! 3. `hub` never names axum, http, leptos, clap or `server`.
//! 4. `cfg(feature …)` stands in `lib.rs`, `main.rs` and `app/live.rs` only.
//! 5. Text that both sides render is a pure function of data: never of now, locale or time zone.

// A view is one nested type: that of a page with many parts is deeper than the compiler expects.
#![recursion_limit = "256"]

pub mod app;
pub mod protocol;

#[cfg(feature = "hydrate")]
mod browser;

#[cfg(feature = "ssr")]
pub mod feeds;
#[cfg(feature = "ssr")]
pub mod hub;
#[cfg(feature = "ssr")]
pub mod server;

#[cfg(feature = "ssr")]
pub use hub::Hub;

/// Brings the page that the server rendered to life. The page's own script calls it once.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    if cfg!(debug_assertions) {
        console_error_panic_hook::set_once();
    }
    leptos::mount::hydrate_body(app::App);
}

/// The same for the page that compares an EventSource with a WebSocket: an entry point of its own, so that a release build can
/// cut the module apart (`scripts/shrink.mjs`).
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate_compare() {
    if cfg!(debug_assertions) {
        console_error_panic_hook::set_once();
    }
    leptos::mount::hydrate_body(app::CompareApp);
}

/// The same for the page of quotes.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate_quotes() {
    if cfg!(debug_assertions) {
        console_error_panic_hook::set_once();
    }
    leptos::mount::hydrate_body(app::QuotesApp);
}

/// The same for the page of answers.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate_answers() {
    if cfg!(debug_assertions) {
        console_error_panic_hook::set_once();
    }
    leptos::mount::hydrate_body(app::AnswersApp);
}
