//! An open stream: what its reader is sent next, and how that looks on the wire. How the bytes reach the socket is left to
//! `net`.
//!
//! * `config`: how streams are sent unless a request says otherwise
//! * `session`: what is sent next, and when the stream ends
//! * `wire`: a session in the form that its reader wants, as a route hands it to the connection
//! * `sse`: the event stream format (WHATWG HTML, section 9.2)
//! * `websocket`: frames of a WebSocket, both ways
//! * `json`: what both of them send as JSON
//! * `observer`: counts the streams of one page, and stops or ends them
//! * `gzip`: event streams compressed once for all readers
//! * `encoded`: batches in these forms, made once for all readers

pub(crate) mod config;
pub(crate) mod encoded;
pub(crate) mod gzip;
mod json;
pub(crate) mod observer;
pub(crate) mod session;
pub(crate) mod sse;
pub(crate) mod websocket;
pub(crate) mod wire;
