//! Metrics in the text format of Prometheus. Each part of the server counts here what it does; the hub's own figures are taken
//! when the metrics are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::hub::Totals;
use crate::server::ops::telemetry;

/// All numbers; clones share them.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Numbers>);

pub(crate) struct Numbers {
    registry: Registry,
    pub(crate) connections: Gauge,
    pub(crate) refused_connections: Counter,
    pub(crate) refused_streams: Counter,
    pub(crate) rate_limited: Counter,
    pub(crate) delivered: Counter,
    pub(crate) gaps: Counter,
    pub(crate) slow_readers: Counter,
    pub(crate) sent_bytes: Counter,
    delays: DelayHistogram,
    subscribers: Gauge,
    published: Counter,
    topics: Gauge,
    log_bytes: Gauge,
    stored_bytes: Gauge,
    log_ready: Gauge,
    held_bytes: Gauge,
    scheduled: Gauge,
    log_lines_dropped: Counter,
}

/// What is taken of the server when its numbers are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerTotals {
    /// Open streams.
    pub(crate) subscribers: usize,
    /// Bytes held for clients beside the log.
    pub(crate) held_bytes: usize,
    /// Publications for later that are neither made nor cancelled.
    pub(crate) scheduled: usize,
}

/// The media type of the numbers.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the histogram's buckets, in microseconds: from the cost of a busy loop to ten seconds.
const DELAY_BUCKETS: [u64; 13] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
    10_000_000,
];

/// What a writer has sent and not counted yet: each adds up for a while, to avoid contended atomics.
#[derive(Debug, Default)]
pub(crate) struct DeliveryStats {
    pub(crate) delivered: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) delays: Delays,
}

/// How long events took from the log to a socket.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    /// One for each bucket, and one for what is above all.
    counts: [u64; DELAY_BUCKETS.len() + 1],
    sum_nanoseconds: u64,
}

/// A histogram that a whole [`Delays`] is added to at once; the library's own takes a lock for each value.
#[derive(Debug, Clone, Default)]
struct DelayHistogram(Arc<DelayTotals>);

#[derive(Debug, Default)]
struct DelayTotals {
    counts: [AtomicU64; DELAY_BUCKETS.len() + 1],
    sum_nanoseconds: AtomicU64,
}

impl Delays {
    /// So many events took so long.
    pub(crate) fn add(&mut self, delay: Duration, count: u64) {
        let nanoseconds = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let bucket = DELAY_BUCKETS.partition_point(|bound| bound * 1_000 < nanoseconds);
        self.counts[bucket] += count;
        self.sum_nanoseconds += nanoseconds.saturating_mul(count);
    }
}

impl EncodeMetric for DelayHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        let bounds = DELAY_BUCKETS.map(|bound| bound as f64 / 1e6);
        let counts = self
            .0
            .counts
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds
            .into_iter()
            .chain([f64::INFINITY])
            .zip(counts)
            .collect();
        let sum = self.0.sum_nanoseconds.load(Ordering::Relaxed) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut numbers = Numbers {
            registry: Registry::with_prefix("fairwind"),
            connections: Gauge::default(),
            refused_connections: Counter::default(),
            refused_streams: Counter::default(),
            rate_limited: Counter::default(),
            delivered: Counter::default(),
            gaps: Counter::default(),
            slow_readers: Counter::default(),
            sent_bytes: Counter::default(),
            delays: DelayHistogram::default(),
            subscribers: Gauge::default(),
            published: Counter::default(),
            topics: Gauge::default(),
            log_bytes: Gauge::default(),
            stored_bytes: Gauge::default(),
            log_ready: Gauge::default(),
            held_bytes: Gauge::default(),
            scheduled: Gauge::default(),
            log_lines_dropped: Counter::default(),
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
            "refused_streams",
            "Streams refused because there were too many, or too many subscriptions, in all or from one address",
            self.refused_streams.clone(),
        );
        to.register_with_unit(
            "held",
            "Memory held for clients beside the log: bodies that are arriving, answers that are not taken",
            Unit::Bytes,
            self.held_bytes.clone(),
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
        to.register("gaps", "Gaps reported to subscribers", self.gaps.clone());
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
            "stored",
            "Size of the log on disk",
            Unit::Bytes,
            self.stored_bytes.clone(),
        );
        to.register(
            "log_ready",
            "1 while the log can take events, and 0 while its disk is full or has failed",
            self.log_ready.clone(),
        );
        to.register(
            "scheduled",
            "Publications for later that are neither made nor cancelled",
            self.scheduled.clone(),
        );
        to.register(
            "log_lines_dropped",
            "Lines of the server's own log that could not be written to standard error",
            self.log_lines_dropped.clone(),
        );
        to.register_with_unit(
            "publish_to_socket",
            "Time from an event's entry into the log until it is handed to a socket; replays are not counted",
            Unit::Seconds,
            self.delays.clone(),
        );
    }

    /// Counts what has been sent, and begins the stats anew.
    pub(crate) fn count(&self, stats: &mut DeliveryStats) {
        let stats = std::mem::take(stats);
        self.sent_bytes.inc_by(stats.sent_bytes);
        if stats.delivered == 0 {
            return;
        }
        self.delivered.inc_by(stats.delivered);
        let totals = &self.delays.0;
        for (total, count) in totals.counts.iter().zip(stats.delays.counts) {
            if count > 0 {
                total.fetch_add(count, Ordering::Relaxed);
            }
        }
        totals
            .sum_nanoseconds
            .fetch_add(stats.delays.sum_nanoseconds, Ordering::Relaxed);
    }

    /// All numbers as text.
    pub(crate) fn text(&self, hub: Totals, server: ServerTotals) -> String {
        self.held_bytes.set(signed(server.held_bytes));
        self.subscribers.set(signed(server.subscribers));
        self.scheduled.set(signed(server.scheduled));
        self.topics.set(signed(hub.topics));
        self.log_bytes.set(signed(hub.bytes));
        let stored = i64::try_from(hub.stored).unwrap_or(i64::MAX);
        self.stored_bytes.set(stored);
        self.log_ready.set(i64::from(hub.is_ready));
        self.published
            .inner()
            .store(hub.published, Ordering::Relaxed);
        self.log_lines_dropped
            .inner()
            .store(telemetry::dropped_lines(), Ordering::Relaxed);
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
        let mut stats = DeliveryStats {
            delivered: 1,
            sent_bytes: 100,
            ..DeliveryStats::default()
        };
        stats.delays.add(Duration::from_millis(3), 1);
        metrics.count(&mut stats);
        metrics.count(&mut stats);
        let hub = Totals {
            topics: 2,
            bytes: 300,
            published: 7,
            stored: 1_000,
            is_ready: true,
        };
        let server = ServerTotals {
            subscribers: 5,
            held_bytes: 4_096,
            scheduled: 3,
        };
        let text = metrics.text(hub, server);
        for line in [
            "# TYPE fairwind_connections gauge",
            "fairwind_subscribers 5",
            "fairwind_published_total 7",
            "fairwind_delivered_total 1",
            "fairwind_sent_bytes_total 100",
            "fairwind_topics 2",
            "fairwind_log_bytes 300",
            "fairwind_stored_bytes 1000",
            "fairwind_log_ready 1",
            "fairwind_held_bytes 4096",
            "fairwind_scheduled 3",
            "fairwind_gaps_total 0",
            "fairwind_slow_readers_total 0",
            "fairwind_publish_to_socket_seconds_bucket{le=\"0.0025\"} 0",
            "fairwind_publish_to_socket_seconds_bucket{le=\"0.005\"} 1",
            "fairwind_publish_to_socket_seconds_bucket{le=\"+Inf\"} 1",
            "fairwind_publish_to_socket_seconds_count 1",
            "fairwind_log_lines_dropped_total 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
