//! The server: from settings to a running HTTP server, and back to a clean stop.
//!
//! In the order in which they come into play: `settings` (flags, environment, `Leptos.toml`), `telemetry` (logging),
//! `signals` (what the operating system asks for), `connections` (accepting, and ending within a bounded time; `places`: how many there may be), `state`
//! (what routes share), `router` (every URL, and what wraps them), `routes` (one file for each resource),
//! `delivery` (what a reader is sent next; `event_stream` and `websocket` are how it looks on the wire, `streams` are all
//! of them together, `gzip` is how one is compressed, and `writers` are the threads that write most of them), `pages` and `assets` (what browsers show), `negotiation`, `problem` and `problem_pages` (what a client asked for, and how
//! it is told what is wrong).

pub mod settings;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

mod access;
mod assets;
mod client_address;
mod connections;
mod delivery;
mod event_stream;
mod gzip;
mod metrics;
mod negotiation;
mod pages;
mod places;
mod problem;
mod problem_pages;
mod query;
mod rates;
mod request_body;
mod router;
mod routes;
mod signals;
mod state;
mod streams;
mod telemetry;
mod tls;
mod writers;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

use self::settings::Settings;
use self::state::AppState;
pub use self::streams::Streams;
use self::tls::Tls;
use crate::feeds;
use crate::hub::Hub;

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4_096;

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
    let listener = listen(address).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address}: {error}; choose another address with --addr"),
        )
    })?;
    let server = Server::new(settings)?;
    signals::listen(server.streams(), server.tls.as_ref())?;
    let scheme = if server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    // The one line on standard output: scripts wait for it.
    println!("listening on {scheme}://{}", listener.local_addr()?);
    server.serve(listener).await
}

/// Listens with room for a crowd that comes back at one moment: who finds none waits a second and more.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that comes after another at the same address need not wait until the other's connections are forgotten.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A server that has not been started yet.
pub struct Server {
    settings: Settings,
    hub: Hub,
    streams: Streams,
    tls: Option<Tls>,
}

impl Server {
    /// A server with an empty hub.
    ///
    /// # Errors
    ///
    /// When the certificate or its key cannot be used.
    pub fn new(settings: Settings) -> io::Result<Self> {
        let tls = Tls::from_settings(&settings)?;
        let hub = Hub::new(settings.limits());
        let streams = Streams::new(settings.max_streams, CancellationToken::new());
        Ok(Self {
            settings,
            hub,
            streams,
            tls,
        })
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
    /// When the listener's own address cannot be read, or there are no threads to write event streams.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let Self {
            settings,
            hub,
            streams,
            tls,
        } = self;
        let shutdown = streams.shutdown().clone();
        let clock = tokio::spawn(feeds::clock::run(
            hub.clone(),
            settings.clock_interval,
            shutdown.clone(),
        ));
        let settings = Arc::new(settings);
        let address = listener.local_addr()?;
        let leptos_options = pages::leptos_options(address, &assets::package_folder());
        let state = AppState::new(
            Arc::clone(&settings),
            hub,
            streams.clone(),
            address,
            leptos_options,
        );
        tokio::spawn(state.rates.clone().forget_old_clients(shutdown));
        let router = router::router(state);
        connections::serve(listener, router, tls, &settings, &streams).await?;
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
