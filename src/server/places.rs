//! How many connections there may be at once, in all and from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::client_address::{ClientAddress, TrustedProxies, is_trusted};
use super::metrics::Metrics;
use super::notices::Kind;
use super::settings::Settings;

/// Counts connections.
pub(super) struct Places(Arc<Shared>);

struct Shared {
    most: usize,
    most_of_one: usize,
    trusted: TrustedProxies,
    metrics: Metrics,
    /// A std mutex, since it is never held across an await.
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of: HashMap<ClientAddress, usize>,
}

/// The right of one connection to be open; given back when it is dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    /// None for a trusted proxy, whose connections are many clients'.
    client: Option<ClientAddress>,
}

impl Places {
    pub(super) fn new(settings: &Settings, metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            most: settings.max_connections,
            most_of_one: settings.max_connections_per_address,
            trusted: settings.trusted_proxy.clone().into(),
            metrics,
            taken: Mutex::default(),
        }))
    }

    /// A place for one more connection, if there is one.
    pub(super) fn take(&self, peer: IpAddr) -> Option<Place> {
        let shared = &self.0;
        let client = (!is_trusted(peer, &shared.trusted)).then(|| ClientAddress::new(peer));
        let is_taken = shared.lock().take(client, shared.most, shared.most_of_one);
        if !is_taken {
            shared.metrics.refused_connections.inc();
            Kind::Connection.notice(Some(ClientAddress::new(peer)), || {
                format!(
                    "its connection was closed at once: there are as many as --max-connections ({}) or --max-connections-per-address ({}) allow",
                    shared.most, shared.most_of_one
                )
            });
            return None;
        }
        shared.metrics.connections.inc();
        Some(Place {
            shared: Arc::clone(shared),
            client,
        })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn take(&mut self, client: Option<ClientAddress>, most: usize, most_of_one: usize) -> bool {
        if self.all >= most {
            return false;
        }
        if let Some(client) = client {
            let of_client = self.of.get(&client).copied().unwrap_or_default();
            if of_client >= most_of_one {
                return false;
            }
            self.of.insert(client, of_client + 1);
        }
        self.all += 1;
        true
    }

    fn give_back(&mut self, client: Option<ClientAddress>) {
        self.all -= 1;
        // Whoever has none is forgotten, so that the table is never longer than there are connections.
        if let Some(Entry::Occupied(mut of_client)) = client.map(|client| self.of.entry(client)) {
            *of_client.get_mut() -= 1;
            if *of_client.get() == 0 {
                of_client.remove();
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.lock().give_back(self.client);
        self.shared.metrics.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(flags: &[&str]) -> Places {
        let arguments = std::iter::once("fairwind").chain(flags.iter().copied());
        let settings =
            Settings::read(arguments.map(Into::into).collect(), Vec::new()).expect("settings");
        Places::new(&settings, Metrics::default())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let places = places(&[
            "--max-connections=3",
            "--max-connections-per-address=2",
            "--trusted-proxy=10.0.0.1",
        ]);
        let (one, other) = (address("2001:db8::1"), address("2001:db8:0:1::1"));
        let first = places.take(one);
        let second = places.take(address("2001:db8::2"));
        assert!(first.is_some() && second.is_some());
        assert!(places.take(one).is_none(), "of one address");
        let third = places.take(other);
        assert!(third.is_some());
        assert!(places.take(address("192.0.2.1")).is_none(), "in all");
        assert_eq!(places.0.metrics.refused_connections.get(), 2);
        drop((first, second, third));
        let proxied: Vec<_> = (0..3)
            .filter_map(|_| places.take(address("10.0.0.1")))
            .collect();
        assert_eq!(proxied.len(), 3, "a trusted proxy may");
        assert_eq!(places.0.metrics.connections.get(), 3);
        drop(proxied);
        assert_eq!(places.0.metrics.connections.get(), 0);
        assert!(places.0.lock().of.is_empty());
    }
}
