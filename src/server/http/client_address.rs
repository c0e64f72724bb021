//! The client that a request counts for: the address of its connection, or the one that a trusted proxy names.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request};
use axum::http::{Extensions, HeaderMap, HeaderName};
use ipnet::IpNet;

/// A client for which limits count. It stands in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(IpAddr);

/// The networks of proxies that name the clients of their requests.
pub(crate) type TrustedProxies = Arc<[IpNet]>;

pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many of the 128 bits of an IPv6 address identify a client: a client that has one address of a network has all of it.
const IPV6_CLIENT_BITS: u32 = 64;

impl ClientAddress {
    pub(crate) fn new(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = u128::from(v6) >> IPV6_CLIENT_BITS << IPV6_CLIENT_BITS;
                Ipv6Addr::from(network).into()
            }
            v4 => v4,
        })
    }

    /// The client that [`note`] has added to the extensions of a request.
    pub(crate) fn of_request(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// The first address from the right that is not a trusted proxy's: the client may have written anything left of it.
    pub(crate) fn of(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        if !is_trusted(peer, trusted) {
            return Self::new(peer);
        }
        let forwarded: Vec<&str> = headers
            .get_all(X_FORWARDED_FOR)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        let mut client = peer.to_canonical();
        for hop in forwarded.iter().rev() {
            if !is_trusted(client, trusted) {
                break;
            }
            let Ok(address) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            client = address.to_canonical();
        }
        Self::new(client)
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether an address is a trusted proxy's.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// Adds the client to the extensions of a request.
pub(crate) fn note(request: &mut Request, trusted: &[IpNet]) {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let client = ClientAddress::of(peer.ip(), request.headers(), trusted);
        request.extensions_mut().insert(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let headers = forwarded
            .iter()
            .map(|value| (X_FORWARDED_FOR, value.parse().expect("a header")))
            .collect();
        let trusted: Vec<IpNet> = trusted
            .iter()
            .map(|network| network.parse().expect("a network"))
            .collect();
        let peer = peer.parse().expect("an address");
        ClientAddress::of(peer, &headers, &trusted).0.to_string()
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        assert_eq!(of("2001:db8:1:2:3:4:5:6", &[], &[]), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.1", &[], &[]), "192.0.2.1");
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let spoofed = ["198.51.100.1"];
        assert_eq!(of("203.0.113.1", &spoofed, &[]), "203.0.113.1");
        assert_eq!(of("203.0.113.1", &spoofed, &["10.0.0.0/8"]), "203.0.113.1");
        assert_eq!(of("10.0.0.1", &spoofed, &["10.0.0.0/8"]), "198.51.100.1");
    }

    #[test]
    fn of_several_hops_the_last_that_is_not_a_proxy_counts() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(
            of("10.0.0.1", &["1.1.1.1, 2.2.2.2", "10.0.0.2"], &trusted),
            "2.2.2.2"
        );
        assert_eq!(of("10.0.0.1", &["1.1.1.1, nonsense"], &trusted), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &[], &trusted), "10.0.0.1");
    }
}
