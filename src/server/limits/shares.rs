//! Amounts that clients share: connections, streams, subscriptions, bytes held in memory. Each is bounded in all and for one
//! client, so that no client can use up what the others need. A client is an address, as [`ClientAddress`] defines it.
//!
//! ```text
//! let share = shares.take(client, 1)?;   // given back when it is dropped
//! ```

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use crate::server::http::client_address::ClientAddress;

/// One bounded amount; clones share it.
#[derive(Clone)]
pub(crate) struct Shares(Arc<Bounds>);

struct Bounds {
    in_all: usize,
    of_one: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    in_all: usize,
    /// Clients without a share are not listed, so the table is never longer than there are shares.
    of: HashMap<ClientAddress, usize>,
}

/// What a client has taken; given back when it is dropped.
pub(crate) struct Share {
    shares: Shares,
    /// Requests without an address, and those of many clients at once, count in all only.
    client: Option<ClientAddress>,
    amount: usize,
}

/// Why a client gets no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// The client has as much as one may have.
    OfClient,
    /// All clients together have as much as there is.
    InAll,
}

impl Shares {
    /// An amount of which there is `in_all`, and no more than `of_one` for one client.
    pub(crate) fn new(in_all: usize, of_one: usize) -> Self {
        Self(Arc::new(Bounds {
            in_all,
            of_one,
            taken: Mutex::default(),
        }))
    }

    /// Takes an amount for a client.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if it is not there.
    pub(crate) fn take(
        &self,
        client: Option<ClientAddress>,
        amount: usize,
    ) -> Result<Share, Exhausted> {
        let mut share = Share {
            shares: self.clone(),
            client,
            amount: 0,
        };
        share.grow(amount)?;
        Ok(share)
    }

    /// How much is taken in all.
    pub(crate) fn taken(&self) -> usize {
        self.lock().in_all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock()
    }
}

impl Share {
    /// How much it is.
    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    /// Takes more. What has been taken stays if that fails.
    ///
    /// # Errors
    ///
    /// As [`Shares::take`].
    pub(crate) fn grow(&mut self, by: usize) -> Result<(), Exhausted> {
        let Bounds { in_all, of_one, .. } = *self.shares.0;
        let mut taken = self.shares.lock();
        let all_taken = taken.in_all.saturating_add(by);
        if all_taken > in_all {
            return Err(Exhausted::InAll);
        }
        if let Some(client) = self.client {
            let of_client = taken.of.get(&client).copied().unwrap_or_default();
            let client_taken = of_client.saturating_add(by);
            if client_taken > of_one {
                return Err(Exhausted::OfClient);
            }
            taken.of.insert(client, client_taken);
        }
        taken.in_all = all_taken;
        drop(taken);
        self.amount += by;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.lock();
        taken.in_all -= self.amount;
        if let Some(Entry::Occupied(mut of_client)) =
            self.client.map(|client| taken.of.entry(client))
        {
            *of_client.get_mut() -= self.amount;
            if *of_client.get() == 0 {
                of_client.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Option<ClientAddress> {
        Some(ClientAddress::new(address.parse().expect("an address")))
    }

    #[test]
    fn one_client_cannot_take_everything() {
        let shares = Shares::new(3, 2);
        let (one, other) = (client("2001:db8::1"), client("2001:db8:0:1::1"));
        let first = shares.take(one, 1);
        let second = shares.take(client("2001:db8::2"), 1);
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(shares.take(one, 1).err(), Some(Exhausted::OfClient));
        let third = shares.take(other, 1);
        assert!(third.is_ok());
        assert_eq!(
            shares.take(client("192.0.2.1"), 1).err(),
            Some(Exhausted::InAll)
        );
        assert_eq!(shares.taken(), 3);
        drop((first, second, third));
        assert_eq!(shares.taken(), 0);
        assert!(shares.lock().of.is_empty());
    }

    #[test]
    fn a_share_that_cannot_grow_keeps_what_it_has() {
        let shares = Shares::new(10, 6);
        let mut share = shares.take(client("192.0.2.1"), 4).expect("a share");
        assert_eq!(share.grow(3), Err(Exhausted::OfClient));
        assert_eq!(share.grow(usize::MAX), Err(Exhausted::InAll));
        assert_eq!(share.grow(2), Ok(()));
        assert_eq!(shares.taken(), 6);
        drop(share);
        assert!(
            shares.take(None, 10).is_ok(),
            "requests without an address count in all only"
        );
    }
}
