//! Sockets: accepting connections, serving HTTP/1.1 and HTTP/2 on them, TLS, and the threads that write event streams.
//!
//! * `connections`: accepts, serves and ends connections within bounded times
//! * `tls`: certificates, and the handshake
//! * `writers`: threads that write many event streams each

pub(crate) mod connections;
pub(crate) mod tls;
pub(crate) mod writers;
