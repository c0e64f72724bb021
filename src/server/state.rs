//! What routes share.

use std::ops::Deref;
use std::sync::Arc;

use axum::http::request::Parts;
use leptos::config::LeptosOptions;
use tokio_util::sync::CancellationToken;

use crate::feeds::answers::Answers;
use crate::feeds::quotes::Quotes;
use crate::hub::Hub;
use crate::hub::schedule::Schedule;
use crate::server::auth::AccessPolicy;
use crate::server::comparisons::Comparisons;
use crate::server::http::client_address::{ClientAddress, TrustedProxies};
use crate::server::http::problem::Problem;
use crate::server::limits::held_bytes::HeldBytes;
use crate::server::limits::request_rate::RequestRates;
use crate::server::limits::shares::{Share, Shares};
use crate::server::limits::streams::{StreamPermit, StreamRegistry};
use crate::server::ops::metrics::Metrics;
use crate::server::stream::config::StreamConfig;

/// One handle to everything, since each layer of the router clones it for each request.
#[derive(Clone)]
pub(super) struct AppState(Arc<Shared>);

pub(super) struct Shared {
    pub(super) hub: Hub,
    /// Publications for later, unless the log is one that several servers share.
    pub(super) schedule: Option<Schedule>,
    pub(super) streams: StreamRegistry,
    pub(super) access: AccessPolicy,
    pub(super) rates: RequestRates,
    /// Permits of streams that are compressed.
    pub(super) compressed: Shares,
    pub(super) metrics: Metrics,
    /// Is cancelled when the server stops.
    pub(super) shutdown: CancellationToken,
    pub(super) stream_config: StreamConfig,
    pub(super) publish_config: PublishConfig,
    pub(super) site_config: SiteConfig,
    /// Whether the clock and its topic exist.
    pub(super) has_clock: bool,
    /// Whether there are pages of chat rooms.
    pub(super) has_chat: bool,
    /// What `/answers` does, if it is there.
    pub(super) answers: Option<Arc<Answers>>,
    /// Places of answers.
    pub(super) answer_places: AnswerPlaces,
    /// What `/quotes` shows, if it is there.
    pub(super) quotes: Option<Arc<Quotes>>,
    /// Places of runs with slow readers.
    pub(super) slow_readers: Shares,
    /// Whether the page of notifications exists.
    pub(super) has_notifications: bool,
    /// What `/compare` shows, if it is there.
    pub(super) comparisons: Option<Comparisons>,
}

/// How many answers there may be.
pub(super) struct AnswerPlaces {
    /// Those under way.
    pub(super) running: Shares,
    /// Those whose topic is kept.
    pub(super) kept: Shares,
    /// Most topics of answers, those of an earlier run included.
    pub(super) max_kept: usize,
}

/// How large a published event may be, and how long it may take to arrive.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublishConfig {
    /// The largest data of one event, in bytes.
    pub(super) max_bytes: usize,
    /// How long a WebSocket's frame may take to arrive.
    pub(super) frame_timeout: std::time::Duration,
}

/// What pages are rendered with.
#[derive(Debug, Clone)]
pub(super) struct SiteConfig {
    pub(super) leptos_options: LeptosOptions,
    /// Whether the server itself speaks HTTPS.
    pub(super) is_https: bool,
    pub(super) trusted_proxies: TrustedProxies,
}

impl AppState {
    pub(super) fn new(shared: Shared) -> Self {
        Self(Arc::new(shared))
    }

    /// Permits a client one more stream of so many topics. `None` if a limit of streams or subscriptions or the client's rate
    /// is reached, or the server is stopping.
    pub(super) fn admit(
        &self,
        client: Option<ClientAddress>,
        topics: usize,
    ) -> Option<StreamPermit> {
        if !self.rates.may_open_stream(client) {
            return None;
        }
        self.streams.admit(client, topics)
    }

    /// Accounts for bytes that are held until a client has taken an answer.
    ///
    /// # Errors
    ///
    /// A problem if the server holds too much already.
    pub(super) fn hold(&self, parts: &Parts, bytes: usize) -> Result<Share, Problem> {
        let client = ClientAddress::of_request(&parts.extensions);
        Ok(self.streams.held_bytes().take(client, bytes)?)
    }

    /// Accounts for the bytes of a request that are held while it arrives.
    pub(super) fn held_by(&self, parts: &Parts) -> HeldBytes {
        let client = ClientAddress::of_request(&parts.extensions);
        HeldBytes::new(self.streams.held_bytes(), client)
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
