//! How many connections there may be at once, in all and from one address.

use std::net::IpAddr;

use crate::server::http::client_address::{ClientAddress, TrustedProxies, is_trusted};
use crate::server::limits::shares::{Exhausted, Share, Shares};
use crate::server::ops::metrics::Metrics;
use crate::server::ops::notices::Kind;
use crate::server::settings::Settings;

/// Counts connections.
pub(crate) struct Places {
    connections: Shares,
    trusted: TrustedProxies,
    metrics: Metrics,
}

/// The right of one connection to be open; given back when it is dropped.
pub(crate) struct Place {
    _share: Share,
    metrics: Metrics,
}

impl Places {
    pub(crate) fn new(settings: &Settings, metrics: Metrics) -> Self {
        Self {
            connections: Shares::new(
                settings.max_connections,
                settings.max_connections_per_address,
            ),
            trusted: settings.trusted_proxy.clone().into(),
            metrics,
        }
    }

    /// A place for one more connection, if there is one.
    pub(crate) fn take(&self, peer: IpAddr) -> Option<Place> {
        // The connections of a trusted proxy are many clients'.
        let client = (!is_trusted(peer, &self.trusted)).then(|| ClientAddress::new(peer));
        match self.connections.take(client, 1) {
            Ok(share) => {
                self.metrics.connections.inc();
                Some(Place {
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

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trusted_proxy_may_have_more_connections_than_one_client() {
        let flags = [
            "fairwind",
            "--max-connections=4",
            "--max-connections-per-address=1",
            "--trusted-proxy=10.0.0.1",
        ];
        let settings =
            Settings::read(flags.map(Into::into).to_vec(), Vec::new()).expect("settings");
        let places = Places::new(&settings, Metrics::default());
        let take = |address: &str| places.take(address.parse().expect("an address"));
        let client = take("192.0.2.1");
        assert!(client.is_some() && take("192.0.2.1").is_none());
        assert_eq!(places.metrics.refused_connections.get(), 1);
        let proxied: Vec<_> = (0..3).filter_map(|_| take("10.0.0.1")).collect();
        assert_eq!(proxied.len(), 3);
        assert_eq!(places.metrics.connections.get(), 4);
        drop((client, proxied));
        assert_eq!(places.metrics.connections.get(), 0);
    }
}
