//! How often a client may publish and open streams.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio_util::sync::CancellationToken;

use crate::protocol::problem::ProblemCode;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::problem::Problem;
use crate::server::ops::metrics::Metrics;
use crate::server::ops::notices::Kind;

/// How often something may happen: so many times in a unit of time, all of which may come at once; or any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(Option<(NonZeroU32, Unit)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

/// How often one client may do what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateLimits {
    /// Requests to publish, and frames.
    pub(crate) publish: Rate,
    /// Streams that are opened.
    pub(crate) streams: Rate,
}

/// Counts what each client does; clones share it.
#[derive(Clone)]
pub(crate) struct RequestRates {
    limits: RateLimits,
    publish: Option<Arc<Limiter>>,
    streams: Option<Arc<Limiter>>,
    metrics: Metrics,
}

type Limiter = DefaultKeyedRateLimiter<ClientAddress>;

/// How often idle clients are forgotten. Each takes some 100 bytes, and one machine can add no more addresses in this time
/// than it can open connections from.
const FORGET_EVERY: Duration = Duration::from_secs(10);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self(None));
        }
        let wrong =
            || "it must look like 100/s, 1000/m or 10000/h, or be 'off' for any number".to_owned();
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            _ => return Err(wrong()),
        };
        let count = count.parse().map_err(|_| wrong())?;
        Ok(Self(Some((count, unit))))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("off"),
            Some((count, Unit::Second)) => write!(f, "{count}/s"),
            Some((count, Unit::Minute)) => write!(f, "{count}/m"),
            Some((count, Unit::Hour)) => write!(f, "{count}/h"),
        }
    }
}

impl Rate {
    fn limiter(self) -> Option<Arc<Limiter>> {
        let (count, unit) = self.0?;
        let quota = match unit {
            Unit::Second => Quota::per_second(count),
            Unit::Minute => Quota::per_minute(count),
            Unit::Hour => Quota::per_hour(count),
        };
        Some(Arc::new(RateLimiter::keyed(quota)))
    }
}

impl RequestRates {
    pub(crate) fn new(limits: RateLimits, metrics: Metrics) -> Self {
        Self {
            limits,
            publish: limits.publish.limiter(),
            streams: limits.streams.limiter(),
            metrics,
        }
    }

    /// Whether the client may open one more stream now. Counts the stream, or logs the refusal.
    pub(crate) fn may_open_stream(&self, client: Option<ClientAddress>) -> bool {
        let may_open = check(self.streams.as_deref(), client).is_ok();
        if !may_open {
            self.metrics.rate_limited.inc();
            Kind::Stream.notice(client, || {
                format!(
                    "it opens streams more often than --stream-rate ({}) allows",
                    self.limits.streams
                )
            });
        }
        may_open
    }

    /// Whether the client may publish once more now.
    ///
    /// # Errors
    ///
    /// A problem that says how long to wait.
    pub(crate) fn check_publish(&self, client: Option<ClientAddress>) -> Result<(), Problem> {
        check(self.publish.as_deref(), client).map_err(|wait| {
            self.metrics.rate_limited.inc();
            // In whole seconds, rounded up, so that the next request is taken.
            let seconds = wait.as_secs() + 1;
            let detail = format!(
                "too many requests to publish come from this address; wait {seconds} s, and send many events as one stream"
            );
            Problem::new(ProblemCode::RateLimited, detail)
                .with_retry_after(Duration::from_secs(seconds))
        })
    }

    /// Forgets idle clients, until `shutdown` is cancelled.
    pub(crate) async fn forget_old_clients(self, shutdown: CancellationToken) {
        let mut ticks = tokio::time::interval(FORGET_EVERY);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            for limiter in [&self.publish, &self.streams].into_iter().flatten() {
                limiter.retain_recent();
                limiter.shrink_to_fit();
            }
        }
    }
}

/// How long the client has to wait, if it has to.
fn check(limiter: Option<&Limiter>, client: Option<ClientAddress>) -> Result<(), Duration> {
    let (Some(limiter), Some(client)) = (limiter, client) else {
        return Ok(());
    };
    limiter
        .check_key(&client)
        .map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_in_a_unit_of_time() {
        for text in ["1/s", "1000/m", "10000/h", "off"] {
            assert_eq!(
                text.parse::<Rate>().map(|rate| rate.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["", "0/s", "1", "1/d", "-1/s", "1.5/s", "/s", "OFF"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_client_has_a_number_of_its_own() {
        let limiter = "2/h".parse::<Rate>().expect("a rate").limiter();
        let may = |address: &str| {
            let client = ClientAddress::new(address.parse().expect("an address"));
            check(limiter.as_deref(), Some(client))
        };
        assert!(may("192.0.2.1").is_ok() && may("192.0.2.1").is_ok());
        let wait = may("192.0.2.1").expect_err("enough");
        assert!(
            wait > Duration::from_secs(1_700) && wait <= Duration::from_secs(1_800),
            "{wait:?}"
        );
        assert!(may("192.0.2.2").is_ok());
    }
}
