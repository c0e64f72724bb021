//! All open streams (event streams and WebSockets) together: how many there may be, what they may hold in memory, and ending
//! them all.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::server::http::client_address::ClientAddress;
use crate::server::limits::shares::{Exhausted, Share, Shares};
use crate::server::ops::metrics::Metrics;
use crate::server::ops::notices::Kind;

/// The setting that limits subscriptions and names.
const SUBSCRIPTIONS_SETTING: &str = "--max-subscriptions";

/// Gives out the permits of streams, and ends all open streams on request; clones share it.
#[derive(Clone)]
pub struct StreamRegistry {
    shutdown: CancellationToken,
    /// Ends the streams that are open now; replaced when it has been used.
    current: Arc<Mutex<CancellationToken>>,
    open: Shares,
    subscriptions: Shares,
    held_bytes: Shares,
    metrics: Metrics,
}

/// How much there may be at once, each in total and per client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamLimits {
    /// Event streams and WebSockets.
    pub(crate) streams: [usize; 2],
    /// Streams, each counted once for every topic that it reads, and once for every topic in which its reader has a name.
    pub(crate) subscriptions: [usize; 2],
    /// Bytes that are held for clients beside the log: bodies that are arriving, and answers that are not taken.
    pub(crate) held_bytes: [usize; 2],
}

/// The right of one stream to be open; given back when it is dropped.
pub(crate) struct StreamPermit {
    /// Cancelled when the stream is to end.
    pub(crate) ended: CancellationToken,
    /// Where the stream counts what it does.
    pub(crate) metrics: Metrics,
    /// Apart, since it is seldom looked at, and the tables of open streams have room for more than there are.
    permit: Box<Permit>,
}

struct Permit {
    client: Option<ClientAddress>,
    held_bytes: Shares,
    _stream: Share,
    _subscriptions: Share,
}

impl StreamRegistry {
    /// Permits as many streams as `limits` allow, until `shutdown` is cancelled; counts refusals in `metrics`.
    pub(crate) fn new(limits: StreamLimits, shutdown: CancellationToken, metrics: Metrics) -> Self {
        let shares = |[in_all, of_one]: [usize; 2]| Shares::new(in_all, of_one);
        Self {
            current: Arc::new(Mutex::new(shutdown.child_token())),
            shutdown,
            open: shares(limits.streams),
            subscriptions: shares(limits.subscriptions),
            held_bytes: shares(limits.held_bytes),
            metrics,
        }
    }

    /// How many streams are open.
    pub(crate) fn open(&self) -> usize {
        self.open.taken()
    }

    /// The bytes that are held for clients.
    pub(crate) fn held_bytes(&self) -> &Shares {
        &self.held_bytes
    }

    /// How many bytes are held for clients beside the log: bodies that are arriving, and answers that are not taken.
    pub fn held(&self) -> usize {
        self.held_bytes.taken()
    }

    /// Ends every open stream. Their readers come back after the retry delay and resume.
    pub fn close_all(&self) {
        let next = self.shutdown.child_token();
        let current = std::mem::replace(&mut *self.current.lock(), next);
        current.cancel();
    }

    /// Is cancelled when the streams that are open now are to end.
    pub(crate) fn current(&self) -> CancellationToken {
        self.current.lock().clone()
    }

    /// Permits a client one more name in a topic, which counts as a subscription. `None` if a limit is reached.
    pub(crate) fn permit_name(&self, client: Option<ClientAddress>) -> Option<Share> {
        self.take(&self.subscriptions, client, 1, SUBSCRIPTIONS_SETTING)
    }

    /// Permits a client one more stream of so many topics. `None` if a limit is reached or the server is stopping.
    pub(crate) fn admit(
        &self,
        client: Option<ClientAddress>,
        topics: usize,
    ) -> Option<StreamPermit> {
        if self.shutdown.is_cancelled() {
            return None;
        }
        let permit = Permit {
            _stream: self.take(&self.open, client, 1, "--max-streams")?,
            _subscriptions: self.take(
                &self.subscriptions,
                client,
                topics,
                SUBSCRIPTIONS_SETTING,
            )?,
            client,
            held_bytes: self.held_bytes.clone(),
        };
        Some(StreamPermit {
            ended: self.current(),
            metrics: self.metrics.clone(),
            permit: Box::new(permit),
        })
    }

    fn take(
        &self,
        shares: &Shares,
        client: Option<ClientAddress>,
        amount: usize,
        setting: &'static str,
    ) -> Option<Share> {
        let refused = |exhausted: Exhausted| {
            self.metrics.refused_streams.inc();
            Kind::Stream.notice(client, || {
                let of_one = match exhausted {
                    Exhausted::InAll => "",
                    Exhausted::OfClient => "-per-address",
                };
                format!("its stream was not opened: there are as many as {setting}{of_one} allows")
            });
        };
        shares.take(client, amount).map_err(refused).ok()
    }
}

impl StreamPermit {
    /// Whose stream it is, if that is known.
    pub(crate) fn client(&self) -> Option<ClientAddress> {
        self.permit.client
    }

    /// Accounts for bytes that the stream's reader does not take for now.
    ///
    /// # Errors
    ///
    /// [`Exhausted`] if the server holds too many for this client already, or for all: the reader has to come back.
    pub(crate) fn hold(&self, bytes: usize) -> Result<Share, Exhausted> {
        self.permit.held_bytes.take(self.permit.client, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(limit: usize, shutdown: &CancellationToken) -> StreamRegistry {
        let limits = StreamLimits {
            streams: [limit, limit],
            subscriptions: [3, 3],
            held_bytes: [0, 0],
        };
        StreamRegistry::new(limits, shutdown.clone(), Metrics::default())
    }

    #[test]
    fn a_stream_can_be_opened_again_when_another_has_ended() {
        let streams = registry(1, &CancellationToken::new());
        let first = streams.admit(None, 1).expect("a permit");
        assert!(streams.admit(None, 1).is_none());
        drop(first);
        assert!(streams.admit(None, 1).is_some());
    }

    #[test]
    fn a_stream_counts_once_for_each_of_its_topics() {
        let streams = registry(10, &CancellationToken::new());
        let first = streams.admit(None, 2).expect("a permit");
        assert!(streams.admit(None, 2).is_none());
        assert_eq!(streams.open(), 1, "a refused stream takes nothing");
        assert!(streams.admit(None, 1).is_some());
        drop(first);
        assert!(streams.admit(None, 3).is_some());
    }

    #[test]
    fn closing_all_ends_the_open_streams_and_not_the_next() {
        let shutdown = CancellationToken::new();
        let streams = registry(2, &shutdown);
        let before = streams.admit(None, 1).expect("a permit");
        streams.close_all();
        let after = streams.admit(None, 1).expect("a permit");
        assert!(before.ended.is_cancelled() && !after.ended.is_cancelled());
        shutdown.cancel();
        assert!(after.ended.is_cancelled());
        assert!(streams.admit(None, 1).is_none());
    }
}
