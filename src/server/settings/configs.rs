//! What each part of the server is given of the settings: one small structure for each, so that no part knows of flags.

use std::time::Duration;

use bytesize::ByteSize;

use super::Settings;
use crate::hub::Limits;
use crate::hub::subscriber::SlowReader;
use crate::server::limits::streams::StreamLimits;
use crate::server::stream::session::Pace;

impl Settings {
    /// How much the hub holds.
    pub(in crate::server) fn limits(&self) -> Limits {
        let bytes = usize::try_from(self.history_bytes.as_u64()).unwrap_or(usize::MAX);
        Limits {
            events: self.history_events,
            age: self.history_age,
            bytes,
            topics: self.max_topics,
            subscriptions: self.max_subscriptions,
        }
    }

    /// How much streams and clients may take.
    pub(in crate::server) fn stream_limits(&self) -> StreamLimits {
        let bytes = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        StreamLimits {
            streams: [self.max_streams, self.max_streams_per_address],
            subscriptions: [self.max_subscriptions, self.max_subscriptions_per_address],
            held_bytes: [
                bytes(self.max_held_bytes),
                bytes(self.max_held_bytes_per_address),
            ],
        }
    }

    /// The largest event that can be published, in bytes.
    pub(in crate::server) fn max_body_bytes(&self) -> usize {
        usize::try_from(self.max_body.as_u64()).unwrap_or(usize::MAX)
    }

    /// How streams are sent to readers of whom this becomes if they are too slow.
    pub(in crate::server) fn pace(&self, slow_reader: SlowReader) -> Pace {
        Pace {
            retry: self.retry,
            heartbeat: self.heartbeat,
            lifetime: self.stream_lifetime,
            idle_timeout: self.idle_timeout,
            write_timeout: self.write_timeout,
            socket_timeout: self.socket_timeout(slow_reader),
            expires_at: None,
        }
    }

    /// How long a socket may take nothing before it is closed. A slow reader that is to keep its stream keeps its socket
    /// for as long as a stream can last.
    pub(in crate::server) fn socket_timeout(&self, slow_reader: SlowReader) -> Duration {
        match slow_reader {
            SlowReader::Disconnect => self.write_timeout,
            SlowReader::Skip | SlowReader::Latest => self.write_timeout.max(self.stream_lifetime),
        }
    }
}
