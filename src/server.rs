//! The server: from settings to a running HTTP server, and back to a clean stop.
//!
//! In the order in which they come into play: `settings` (flags, environment, `Leptos.toml`), `telemetry` (logging),
//! `signals` (what the operating system asks for), `connections` (accepting, and ending within a bounded time), `state`
//! (what routes share), `router` (every URL, and what wraps them), `routes` (one file for each resource),
//! `event_stream` (a subscriber as a stream of bytes; `streams` are all of them together, `gzip` is how one is
//! compressed), `pages` and `assets` (what browsers show), `negotiation` and `problem` (what a client asked for, and how
//! it is told what is wrong).

pub mod settings;

mod assets;
mod connections;
mod event_stream;
mod gzip;
mod negotiation;
mod pages;
mod problem;
mod router;
mod routes;
mod signals;
mod state;
mod streams;
mod telemetry;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::settings::Settings;
use self::state::AppState;
pub use self::streams::Streams;
use crate::feeds;
use crate::hub::Hub;

/// The whole program: reads the settings, serves until it is told to stop, and says how it went.
pub fn main() -> ExitCode {
    let settings = match Settings::load() {
        Ok(settings) => settings,
        Err(error) => error.exit(),
    };
    telemetry::start(&settings.log);
    raise_open_files_limit();
    match serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(settings: Settings) -> io::Result<()> {
    let address = settings.addr;
    let listener = TcpListener::bind(address).await.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address}: {error}; choose another address with --addr"),
        )
    })?;
    let server = Server::new(settings);
    signals::listen(server.streams())?;
    // The one line on standard output: scripts wait for it.
    println!("listening on http://{}", listener.local_addr()?);
    server.serve(listener).await
}

/// A server that has not been started yet.
pub struct Server {
    settings: Settings,
    hub: Hub,
    streams: Streams,
}

impl Server {
    /// A server with an empty hub.
    pub fn new(settings: Settings) -> Self {
        let hub = Hub::new(settings.history());
        let streams = Streams::new(settings.max_streams, CancellationToken::new());
        Self {
            settings,
            hub,
            streams,
        }
    }

    /// The hub that it serves.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// All its streams; by them it is stopped.
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Serves on a listener until [`Streams::shutdown`] is cancelled, then ends every stream and connection.
    ///
    /// # Errors
    ///
    /// When the listener's own address cannot be read.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let Self {
            settings,
            hub,
            streams,
        } = self;
        let shutdown = streams.shutdown().clone();
        let clock = tokio::spawn(feeds::clock::run(
            hub.clone(),
            settings.clock_interval,
            shutdown.clone(),
        ));
        let write_timeout = settings.socket_write_timeout();
        let state = AppState::new(Arc::new(settings), hub, streams, listener.local_addr()?);
        connections::serve(listener, router::router(state), write_timeout, shutdown).await;
        // It ends with the shutdown; a panic in it has been reported where it happened.
        let _ = clock.await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Every stream is an open file, and many systems allow a process no more than 1,024 unless it asks.
fn raise_open_files_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!("cannot raise the limit of open files, which limits connections: {error}");
    }
}
