//! What routes share.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;

use leptos::config::LeptosOptions;

use super::access::{Access, Keys};
use super::client_address::ClientAddress;
use super::notices::Kind;
use super::rates::Rates;
use super::settings::Settings;
use super::streams::{Admission, Streams};
use crate::hub::Hub;

/// One handle to everything, since each layer of the router clones it for each request.
#[derive(Clone)]
pub(super) struct AppState(Arc<Shared>);

pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) hub: Hub,
    pub(super) streams: Streams,
    pub(super) access: Access,
    pub(super) rates: Rates,
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
            rates,
            settings,
            hub,
            streams,
            leptos_options,
        }))
    }

    /// Lets a client open one more stream, or not if there are enough, it opens them too often, or the server
    /// is stopping.
    pub(super) fn admit(&self, client: Option<ClientAddress>) -> Option<Admission> {
        if !self.rates.may_open_stream(client) {
            Kind::Stream.notice(client, || {
                format!(
                    "it opens streams more often than --stream-rate ({}) allows",
                    self.settings.stream_rate
                )
            });
            return None;
        }
        let admission = self.streams.admit();
        if admission.is_none() && !self.streams.shutdown().is_cancelled() {
            Kind::Stream.notice(client, || {
                format!(
                    "its stream was not opened: there are as many as --max-streams ({}) allows",
                    self.settings.max_streams
                )
            });
        }
        admission
    }
}

impl Deref for AppState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
