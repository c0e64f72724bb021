//! How many connections there may be at once, in total and per client.

use std::net::IpAddr;

use crate::server::http::client_address::{ClientAddress, TrustedProxies, is_trusted};
use crate::server::limits::shares::{Exhausted, Share, Shares};
use crate::server::ops::metrics::Metrics;
use crate::server::ops::notices::Kind;

/// How many connections there may be at once.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLimits {
    pub(crate) in_all: usize,
    /// Of one client. Trusted proxies are exempt, since their connections are many clients'.
    pub(crate) of_client: usize,
    pub(crate) trusted_proxies: TrustedProxies,
}

/// Gives out the permits of connections.
pub(crate) struct ConnectionLimiter {
    connections: Shares,
    trusted_proxies: TrustedProxies,
    metrics: Metrics,
}

/// Permits one connection to be open, until it is dropped.
pub(crate) struct ConnectionPermit {
    _share: Share,
    metrics: Metrics,
}

impl ConnectionLimiter {
    pub(crate) fn new(limits: ConnectionLimits, metrics: Metrics) -> Self {
        Self {
            connections: Shares::new(limits.in_all, limits.of_client),
            trusted_proxies: limits.trusted_proxies,
            metrics,
        }
    }

    /// Permits one more connection; `None` if a limit is reached.
    pub(crate) fn admit(&self, peer: IpAddr) -> Option<ConnectionPermit> {
        let client = (!is_trusted(peer, &self.trusted_proxies)).then(|| ClientAddress::new(peer));
        match self.connections.take(client, 1) {
            Ok(share) => {
                self.metrics.connections.inc();
                Some(ConnectionPermit {
                    _share: share,
                    metrics: self.metrics.clone(),
                })
            }
            Err(exhausted) => {
                self.metrics.refused_connections.inc();
                Kind::Connection.notice(Some(ClientAddress::new(peer)), || {
                    let setting = match exhausted {
                        Exhausted::InAll => "--max-connections",
                        Exhausted::OfClient => "--max-connections-per-address",
                    };
                    format!(
                        "its connection was closed at once: there are as many as {setting} allows"
                    )
                });
                None
            }
        }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trusted_proxy_may_have_more_connections_than_one_client() {
        let proxy = "10.0.0.1/32".parse().expect("a network");
        let limits = ConnectionLimits {
            in_all: 4,
            of_client: 1,
            trusted_proxies: [proxy].into(),
        };
        let limiter = ConnectionLimiter::new(limits, Metrics::default());
        let admit = |address: &str| limiter.admit(address.parse().expect("an address"));
        let client = admit("192.0.2.1");
        assert!(client.is_some() && admit("192.0.2.1").is_none());
        assert_eq!(limiter.metrics.refused_connections.get(), 1);
        let proxied: Vec<_> = (0..3).filter_map(|_| admit("10.0.0.1")).collect();
        assert_eq!(proxied.len(), 3);
        assert_eq!(limiter.metrics.connections.get(), 4);
        drop((client, proxied));
        assert_eq!(limiter.metrics.connections.get(), 0);
    }
}
