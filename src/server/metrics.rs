//! The numbers that an operator looks at, in the text format of Prometheus. Who does something counts it here; what the
//! hub knows by itself is asked when the numbers are read.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::hub::Totals;

/// All numbers; clones share them.
#[derive(Clone)]
pub(super) struct Metrics(Arc<Numbers>);

pub(super) struct Numbers {
    registry: Registry,
    pub(super) connections: Gauge,
    pub(super) refused_connections: Counter,
    pub(super) rate_limited: Counter,
    pub(super) delivered: Counter,
    pub(super) gaps: Counter,
    pub(super) slow_readers: Counter,
    pub(super) sent_bytes: Counter,
    delay: Histogram,
    subscribers: Gauge,
    published: Counter,
    topics: Gauge,
    log_bytes: Gauge,
}

/// The media type of the numbers.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the histogram's buckets, in seconds: from what a busy loop takes to what nobody calls live.
const DELAY_BUCKETS: [f64; 13] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0,
];

impl Default for Metrics {
    fn default() -> Self {
        let mut numbers = Numbers {
            registry: Registry::with_prefix("fairwind"),
            connections: Gauge::default(),
            refused_connections: Counter::default(),
            rate_limited: Counter::default(),
            delivered: Counter::default(),
            gaps: Counter::default(),
            slow_readers: Counter::default(),
            sent_bytes: Counter::default(),
            delay: Histogram::new(DELAY_BUCKETS),
            subscribers: Gauge::default(),
            published: Counter::default(),
            topics: Gauge::default(),
            log_bytes: Gauge::default(),
        };
        numbers.register();
        Self(Arc::new(numbers))
    }
}

impl std::ops::Deref for Metrics {
    type Target = Numbers;

    fn deref(&self) -> &Numbers {
        &self.0
    }
}

impl Numbers {
    /// The registry adds the suffixes of counters and units to the names.
    fn register(&mut self) {
        let to = &mut self.registry;
        to.register("connections", "Open connections", self.connections.clone());
        to.register(
            "refused_connections",
            "Connections closed at once because there were too many, in all or from one address",
            self.refused_connections.clone(),
        );
        to.register(
            "rate_limited",
            "Requests refused because their address sent too many",
            self.rate_limited.clone(),
        );
        to.register(
            "subscribers",
            "Open streams: event streams and WebSockets",
            self.subscribers.clone(),
        );
        to.register("published", "Events published", self.published.clone());
        to.register(
            "delivered",
            "Events handed to subscribers' sockets",
            self.delivered.clone(),
        );
        to.register(
            "gaps",
            "Times that a subscriber was told that events are missing",
            self.gaps.clone(),
        );
        to.register(
            "slow_readers",
            "Times that a subscriber was too slow",
            self.slow_readers.clone(),
        );
        to.register_with_unit(
            "sent",
            "What was handed to subscribers' sockets, before compression",
            Unit::Bytes,
            self.sent_bytes.clone(),
        );
        to.register("topics", "Topics that are alive", self.topics.clone());
        to.register_with_unit(
            "log",
            "Memory that kept events take",
            Unit::Bytes,
            self.log_bytes.clone(),
        );
        to.register_with_unit(
            "publish_to_socket",
            "Time from an event's entry into the log until it is handed to a socket; replays are not counted",
            Unit::Seconds,
            self.delay.clone(),
        );
    }

    /// An event was handed to a socket so long after it was published.
    pub(super) fn delivered_after(&self, delay: Duration) {
        self.delay.observe(delay.as_secs_f64());
    }

    /// All numbers as text.
    pub(super) fn text(&self, hub: Totals, subscribers: usize) -> String {
        self.subscribers.set(signed(subscribers));
        self.topics.set(signed(hub.topics));
        self.log_bytes.set(signed(hub.bytes));
        self.published
            .inner()
            .store(hub.published, Ordering::Relaxed);
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_unit_and_its_kind() {
        let metrics = Metrics::default();
        metrics.delivered.inc();
        metrics.sent_bytes.inc_by(100);
        metrics.delivered_after(Duration::from_millis(3));
        let hub = Totals {
            topics: 2,
            bytes: 300,
            published: 7,
        };
        let text = metrics.text(hub, 5);
        for line in [
            "# TYPE fairwind_connections gauge",
            "fairwind_subscribers 5",
            "fairwind_published_total 7",
            "fairwind_delivered_total 1",
            "fairwind_sent_bytes_total 100",
            "fairwind_topics 2",
            "fairwind_log_bytes 300",
            "fairwind_gaps_total 0",
            "fairwind_slow_readers_total 0",
            "fairwind_publish_to_socket_seconds_bucket{le=\"0.0025\"} 0",
            "fairwind_publish_to_socket_seconds_bucket{le=\"0.005\"} 1",
            "fairwind_publish_to_socket_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
