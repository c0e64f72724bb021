//! What the server holds of one client's request while it arrives.

use crate::server::http::client_address::ClientAddress;
use crate::server::http::problem::Problem;
use crate::server::limits::shares::{Exhausted, Share, Shares};

/// How much is held without being counted, in bytes: what a connection's own buffer may hold as well.
const UNCOUNTED_BYTES: usize = 16 * 1_024;

/// What the server holds of a body or a frame that is arriving, counted among what it holds for the client.
pub(crate) struct HeldBytes {
    shares: Shares,
    client: Option<ClientAddress>,
    bytes: usize,
    share: Option<Share>,
}

impl HeldBytes {
    /// Holds nothing yet; counts against `shares`.
    pub(crate) fn new(shares: &Shares, client: Option<ClientAddress>) -> Self {
        Self {
            shares: shares.clone(),
            client,
            bytes: 0,
            share: None,
        }
    }

    /// Holds so many bytes more.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the server holds too much already.
    pub(crate) fn add(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.set(self.bytes + bytes)
    }

    /// Holds so many bytes.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.bytes = bytes;
        if bytes <= UNCOUNTED_BYTES {
            self.share = None;
            return Ok(());
        }
        let counted = self.share.as_ref().map_or(0, Share::amount);
        let more = bytes.saturating_sub(counted);
        if more == 0 {
            return Ok(());
        }
        match &mut self.share {
            Some(share) => share.grow(more),
            share @ None => self
                .shares
                .take(self.client, more)
                .map(|taken| *share = Some(taken)),
        }
    }
}

impl From<Exhausted> for Problem {
    fn from(exhausted: Exhausted) -> Self {
        Self::memory_limit(match exhausted {
            Exhausted::OfClient => "for this address",
            Exhausted::InAll => "for all clients",
        })
    }
}
