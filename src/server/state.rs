//! What routes share.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::http::request::Parts;
use leptos::config::LeptosOptions;

use crate::hub::Hub;
use crate::server::auth::{Access, Keys};
use crate::server::http::client_address::ClientAddress;
use crate::server::http::problem::Problem;
use crate::server::http::request_body;
use crate::server::limits::request_rate::Rates;
use crate::server::limits::shares::{Share, Shares};
use crate::server::limits::streams::{Admission, Streams};
use crate::server::ops::notices::Kind;
use crate::server::settings::Settings;

/// One handle to everything, since each layer of the router clones it for each request.
#[derive(Clone)]
pub(super) struct AppState(Arc<Shared>);

pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) hub: Hub,
    pub(super) streams: Streams,
    pub(super) access: Access,
    pub(super) rates: Rates,
    /// Streams that are compressed.
    pub(super) compressed: Shares,
    pub(super) leptos_options: LeptosOptions,
}

impl AppState {
    pub(super) fn new(
        settings: Arc<Settings>,
        hub: Hub,
        streams: Streams,
        keys: Keys,
        address: SocketAddr,
        leptos_options: LeptosOptions,
    ) -> Self {
        let access = Access::new(&settings, keys, address);
        let rates = Rates::new(&settings, streams.metrics().clone());
        Self(Arc::new(Shared {
            access,
            compressed: Shares::new(
                settings.max_compressed_streams,
                settings.max_compressed_streams,
            ),
            rates,
            settings,
            hub,
            streams,
            leptos_options,
        }))
    }

    /// Lets a client open one more stream, of so many topics. None when the limit of streams, of subscriptions or the
    /// client's rate is reached, or the server is stopping.
    pub(super) fn admit(&self, client: Option<ClientAddress>, topics: usize) -> Option<Admission> {
        if !self.rates.may_open_stream(client) {
            Kind::Stream.notice(client, || {
                format!(
                    "it opens streams more often than --stream-rate ({}) allows",
                    self.settings.stream_rate
                )
            });
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
        let share = self.streams.held_bytes().take(client, bytes);
        share.map_err(request_body::holds_too_much)
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
