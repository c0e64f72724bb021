//! How event streams are sent unless a request says otherwise.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};

use crate::hub::subscriber::LagPolicy;
use crate::server::stream::session::StreamTimings;

/// The defaults of all streams.
#[derive(Debug, Clone)]
pub(crate) struct StreamConfig {
    /// How long a reader waits before it connects again, before jitter.
    pub(crate) retry: Duration,
    /// The longest silence.
    pub(crate) heartbeat: Duration,
    /// The longest time that a stream is open, before jitter.
    pub(crate) lifetime: Duration,
    /// The longest time without an event.
    pub(crate) idle_timeout: Duration,
    /// How long a reader may take nothing before it counts as slow.
    pub(crate) write_timeout: Duration,
    /// What happens to a slow reader.
    pub(crate) slow_reader: LagPolicy,
    /// Whether streams are compressed for clients that accept gzip.
    pub(crate) is_gzip_offered: bool,
    /// Headers that every stream has beside its own.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl StreamConfig {
    /// The timings of a stream under this policy for slow readers.
    pub(crate) fn timings(&self, slow_reader: LagPolicy) -> StreamTimings {
        StreamTimings {
            retry: self.retry,
            heartbeat: self.heartbeat,
            lifetime: self.lifetime,
            idle_timeout: self.idle_timeout,
            write_timeout: self.write_timeout,
            socket_timeout: self.socket_timeout(slow_reader),
            expires_at: None,
        }
    }

    /// How long a name stays present when its reader has gone: for two attempts to reconnect, and no longer than the silence
    /// after which a page looks whether its stream is alive.
    pub(crate) fn presence_grace(&self) -> Duration {
        (2 * self.retry).min(self.heartbeat)
    }

    /// How long a socket may take nothing before it is closed. A slow reader that keeps its stream keeps its socket for as long
    /// as a stream can last.
    pub(crate) fn socket_timeout(&self, slow_reader: LagPolicy) -> Duration {
        match slow_reader {
            LagPolicy::Disconnect => self.write_timeout,
            LagPolicy::Skip | LagPolicy::Latest => self.write_timeout.max(self.lifetime),
        }
    }
}
