//! An open stream: what its reader is sent next, and how that looks on the wire. How the bytes reach the socket is the
//! business of `net`.
//!
//! * `config`: how streams are sent unless a request says otherwise
//! * `session`: what is sent next, and when the stream ends
//! * `sse`: a session in the event stream format (WHATWG HTML, section 9.2)
//! * `encoded`: what is written to many readers is encoded once
//! * `gzip`: an event stream compressed, flushed after every event

pub(crate) mod config;
pub(crate) mod encoded;
pub(crate) mod gzip;
pub(crate) mod session;
pub(crate) mod sse;
