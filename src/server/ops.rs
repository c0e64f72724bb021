//! Operating the server: the log, metrics, signals, and supervision of vital tasks and threads.
//!
//! * `telemetry`: the log, written by a thread of its own
//! * `notices`: rate-limited log lines about clients that are refused or slow
//! * `metrics`: counters and gauges for Prometheus
//! * `signals`: SIGINT, SIGTERM and SIGHUP
//! * `supervision`: tasks and threads that the server cannot do without

pub(crate) mod metrics;
pub(crate) mod notices;
pub(crate) mod signals;
pub(crate) mod supervision;
pub(crate) mod telemetry;
