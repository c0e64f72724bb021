//! The browser's APIs, one per file, each behind a small type that cleans up when it is dropped. Knows no page: what to
//! do with what the browser reports is decided in `app/live.rs` and its parts, the only modules that name this one.
//!
//! Nothing here is `Send`: make these values in an effect, where there is only one thread.

pub(crate) mod animation_frame;
pub(crate) mod clipboard;
pub(crate) mod clock;
pub(crate) mod document;
pub(crate) mod download;
pub(crate) mod event_source;
pub(crate) mod fairwind;
pub(crate) mod json;
pub(crate) mod location;
pub(crate) mod request;
pub(crate) mod storage;
pub(crate) mod timer;
pub(crate) mod web_socket;
