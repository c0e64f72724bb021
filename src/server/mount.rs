//! Fairwind as a part of another axum program: a hub to publish to, and a router to merge. `examples/mount.rs` is a whole
//! program.
//!
//! The other program's server writes the streams, one task for each; the standalone server's writer threads and the limits
//! per connection are not there. Limits of streams, of bytes held, and of rates are the settings'.

use std::ffi::OsString;
use std::io;

use axum::Router;
use axum::extract::Request;
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;
use tower::util::MapRequestLayer;

use super::settings::Settings;
use super::settings::values::Switch;
use super::{Server, router};
use crate::hub::Hub;

/// A hub, and the routes that read it and publish to it: `/topics`, `/topics/{topic}`, `/scheduled`, `/events` for the clock,
/// `/help`, `/language/{tag}`, and the files that their pages load.
///
/// The program serves with [`axum::extract::ConnectInfo`] of a socket address, since limits and local access go by the
/// client's address:
///
/// ```no_run
/// use std::net::SocketAddr;
///
/// use fairwind::server::Mount;
///
/// # async fn serve() -> std::io::Result<()> {
/// let fairwind = Mount::new(["--clock-interval=off"]).await?;
/// let app = axum::Router::new().merge(fairwind.router());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
/// # }
/// ```
///
/// A mounted router offers no WebSockets. Streams end when the mount is dropped.
pub struct Mount {
    hub: Hub,
    router: Router,
    shutdown: CancellationToken,
}

impl Mount {
    /// Fairwind with these settings, as flags of `fairwind --help` (environment and `Leptos.toml` do not count), and with
    /// the tasks that it needs.
    ///
    /// # Errors
    ///
    /// If a setting is unknown or has an invalid value; the error names it.
    pub async fn new<F: Into<OsString>>(flags: impl IntoIterator<Item = F>) -> io::Result<Self> {
        let name = OsString::from("fairwind");
        let flags = flags.into_iter().map(Into::into);
        let arguments = std::iter::once(name).chain(flags).collect();
        let mut settings = Settings::read(arguments, Vec::new())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        // Without WebSockets there is nothing to compare.
        settings.compare = Switch::Off;
        // The other program has pages of its own.
        settings.chat = Switch::Off;
        // The topics are the program's own.
        settings.quotes = Switch::Off;
        settings.answers = Switch::Off;
        // Its page is not among what is mounted.
        settings.notifications = Switch::Off;
        let shutdown = CancellationToken::new();
        let server = Server::new(settings, shutdown.clone()).await?;
        let state = server.state(server.settings.addr);
        server.start_tasks(&state);
        server.start_feeds();
        let router = router::mounted(state, &server.settings.router_config());
        Ok(Self {
            hub: server.hub,
            router: router.layer(MapRequestLayer::new(without_upgrade)),
            shutdown,
        })
    }

    /// The hub that the routes read and publish to.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The routes, to be merged into the program's own. They leave `/` and the fallback to the program.
    pub fn router(&self) -> Router {
        self.router.clone()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// A WebSocket needs a connection that hands its socket over, which the other program's server does not.
fn without_upgrade(mut request: Request) -> Request {
    request.extensions_mut().remove::<OnUpgrade>();
    request
}
