//! What routes share.

use std::net::SocketAddr;
use std::sync::Arc;

use leptos::config::LeptosOptions;

use super::settings::Settings;
use super::streams::Streams;
use super::{assets, pages};
use crate::hub::Hub;

/// Cheap to clone: every part is shared.
#[derive(Clone)]
pub(super) struct AppState {
    pub(super) settings: Arc<Settings>,
    pub(super) hub: Hub,
    pub(super) streams: Streams,
    pub(super) leptos_options: LeptosOptions,
}

impl AppState {
    pub(super) fn new(
        settings: Arc<Settings>,
        hub: Hub,
        streams: Streams,
        address: SocketAddr,
    ) -> Self {
        let leptos_options = pages::leptos_options(address, &assets::package_folder());
        Self {
            settings,
            hub,
            streams,
            leptos_options,
        }
    }
}
