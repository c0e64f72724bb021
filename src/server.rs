//! The server: from settings to a running HTTP server, and back to a clean stop.
//!
//! * [`settings`]: the command line: flags, environment and `Leptos.toml`, and the subcommands
//! * `auth`: who a client is, and what it may publish and read
//! * `limits`: bounds per client and in total
//! * `http`: what a request says, and how a problem is reported
//! * `stream`: what a reader is sent next, and how it looks on the wire
//! * `net`: sockets, TLS, and the threads that write streams
//! * `routes`: one file for each resource; `router` lists every URL and what wraps them; `direct_publish` is the short way to
//!   one of them; `state` is what routes share
//! * `comparisons`: what the page that compares an EventSource with a WebSocket has at the server
//! * `slow_readers`: what a slow reader sees under each policy, for the page of quotes
//! * `random_id`: names that a client cannot guess
//! * `site`: what browsers show
//! * `mount`: Fairwind as a part of another axum program
//! * `ops`: the log, metrics, signals and supervision

pub mod settings;

#[cfg(any(test, fuzzing))]
pub mod testing;

mod auth;
mod comparisons;
mod direct_publish;
mod http;
mod limits;
mod mount;
mod net;
mod ops;
mod random_id;
mod router;
mod routes;
mod site;
mod slow_readers;
mod state;
mod stream;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Instant, SystemTime};

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::auth::{AccessPolicy, AnonymousPublish, Keys};
use self::comparisons::Comparisons;
use self::direct_publish::DirectPublish;
use self::limits::connections::ConnectionLimiter;
use self::limits::request_rate::RequestRates;
use self::limits::shares::Shares;
pub use self::limits::streams::StreamRegistry;
pub use self::mount::Mount;
use self::net::connections::{self, Service};
use self::net::tls::Tls;
use self::ops::metrics::Metrics;
use self::ops::supervision::Supervisor;
use self::ops::{notices, signals, telemetry};
use self::settings::{Settings, log_command, token_command};
use self::site::{assets, pages};
use self::state::AppState;
use crate::feeds::answers::Answers;
use crate::feeds::quotes::Quotes;
use crate::feeds::{Feed, TopicOwners};
use crate::hub::Hub;
use crate::hub::log::disk::DiskLog;
use crate::hub::log::nats::NatsLog;
use crate::hub::schedule::Schedule;

/// How many connections may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4_096;

/// The whole program: runs a subcommand if the command line asks for one; otherwise reads the settings and serves until
/// a signal stops it.
pub fn main() -> ExitCode {
    let arguments = std::env::args_os;
    let code = token_command::run(arguments()).or_else(|| log_command::run(arguments()));
    if let Some(code) = code {
        return code;
    }
    let settings = match Settings::load() {
        Ok(settings) => settings,
        Err(error) => error.exit(),
    };
    let _logging = match telemetry::start(settings.log.as_str()) {
        Ok(logging) => logging,
        Err(error) => {
            // There is no log, and standard error may be closed as well.
            let _ = writeln!(io::stderr(), "error: cannot start the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    raise_open_files_limit();
    let served = check_wall_clock(SystemTime::now())
        .and_then(|()| runtime())
        .and_then(|runtime| runtime.block_on(serve(settings)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// HTTP, tokens and ids cannot express a time before 1970. A machine without a clock of its own starts there until it has the
/// time from the network.
fn check_wall_clock(now: SystemTime) -> io::Result<()> {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(_) => Ok(()),
        Err(_) => Err(io::Error::other(
            "the machine's clock stands before 1970; set it, or start the server when it has been set",
        )),
    }
}

fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(connections::prepare_thread)
        .build()
}

async fn serve(settings: Settings) -> io::Result<()> {
    let address = settings.addr;
    let listener = listen(address).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot listen on {address}: {error}; choose another address with --addr"),
        )
    })?;
    let server = Server::new(settings, CancellationToken::new()).await?;
    server.listen_to_signals()?;
    warn_of_open_publishing(server.settings.anonymous_publish);
    let scheme = if server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    announce(format!(
        "listening on {scheme}://{}",
        listener.local_addr()?
    ));
    server.serve(listener).await
}

/// Logs once that publishing is not limited to clients with a token.
fn warn_of_open_publishing(anonymous_publish: AnonymousPublish) {
    match anonymous_publish {
        AnonymousPublish::Off => {}
        AnonymousPublish::Local => tracing::warn!(
            "programs of this machine may publish without a token (--anonymous-publish=local): let no reverse proxy lead here"
        ),
        AnonymousPublish::On => {
            tracing::warn!("every client may publish without a token (--anonymous-publish=on)");
        }
    }
}

/// Prints the line on standard output for which scripts wait. It has a thread of its own, since standard output may be closed
/// or blocked.
fn announce(line: String) {
    let printed = thread::Builder::new()
        .name("announce".to_owned())
        .spawn(move || {
            let mut output = io::stdout();
            if let Err(error) = writeln!(output, "{line}").and_then(|()| output.flush()) {
                tracing::warn!("cannot write to standard output ({error}): {line}");
            }
        });
    if let Err(error) = printed {
        tracing::warn!("cannot write to standard output: {error}");
    }
}

/// Listens with a backlog for many clients that reconnect at one moment: a client that finds it full waits for a second or more.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server need not wait until the system has forgotten the connections of the one before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A server that has not been started yet: everything that the settings describe, put together.
pub struct Server {
    settings: Settings,
    hub: Hub,
    quotes: Option<Arc<Quotes>>,
    answers: Option<Arc<Answers>>,
    feeds: Vec<Arc<dyn Feed>>,
    schedule: Option<Schedule>,
    streams: StreamRegistry,
    tls: Option<Tls>,
    keys: Keys,
    metrics: Metrics,
    supervisor: Supervisor,
    shutdown: CancellationToken,
}

impl Server {
    /// A server with a hub that has what its log has, and is empty without one. It stops when `shutdown` is cancelled.
    ///
    /// # Errors
    ///
    /// When the certificate or its key, the file of quotes or the server of answers cannot be used, or the log cannot be opened.
    pub async fn new(settings: Settings, shutdown: CancellationToken) -> io::Result<Self> {
        let metrics = Metrics::default();
        let quotes = settings.quotes()?;
        let answers = settings.answers()?;
        let feeds = settings.feeds(quotes.as_ref(), answers.as_ref());
        let (hub, schedule) = open_hub(&settings).await?;
        Ok(Self {
            hub,
            schedule,
            quotes,
            answers,
            feeds,
            streams: StreamRegistry::new(
                settings.stream_limits(),
                shutdown.clone(),
                metrics.clone(),
            ),
            tls: Tls::from_files(settings.tls_cert.as_deref(), settings.tls_key.as_deref())?,
            keys: settings.keys(),
            supervisor: Supervisor::new(shutdown.clone()),
            settings,
            metrics,
            shutdown,
        })
    }

    /// The hub that it serves.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Its open streams.
    pub fn streams(&self) -> &StreamRegistry {
        &self.streams
    }

    /// Serves on a listener until the shutdown token is cancelled, then ends every stream and connection.
    ///
    /// # Errors
    ///
    /// When the listener's own address cannot be read, there are no threads to write event streams, or a task or thread
    /// that the server cannot do without has ended unexpectedly.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let state = self.state(listener.local_addr()?);
        let feeds = self.start_feeds();
        self.start_tasks(&state);
        let config = self.settings.router_config();
        let service = Service {
            router: router::router(state.clone(), &config),
            direct_publish: DirectPublish::new(state, config),
            tls: self.tls,
            config: self.settings.connection_config(),
            limiter: ConnectionLimiter::new(
                self.settings.connection_limits(),
                self.metrics.clone(),
            ),
            streams: self.streams,
            supervisor: self.supervisor.clone(),
            metrics: self.metrics,
            shutdown: self.shutdown,
        };
        let served = connections::serve(listener, service).await;
        // The feeds end with the shutdown; the panic of one would have been reported by the supervisor.
        for feed in feeds {
            let _ = feed.await;
        }
        // No publisher is left. What is staged becomes durable.
        let hub = self.hub.clone();
        let closed = tokio::task::spawn_blocking(move || hub.close()).await;
        served?;
        closed.map_err(io::Error::other)?;
        self.supervisor.result()?;
        tracing::info!("stopped");
        Ok(())
    }

    /// What the routes of a server at this address share.
    fn state(&self, address: SocketAddr) -> AppState {
        let Self { settings, .. } = self;
        let compressed = settings.max_compressed_streams;
        AppState::new(state::Shared {
            hub: self.hub.clone(),
            schedule: self.schedule.clone(),
            streams: self.streams.clone(),
            access: AccessPolicy::new(
                settings.access_config(address, TopicOwners::of(&self.feeds)),
                self.keys.clone(),
            ),
            rates: RequestRates::new(settings.rate_limits(), self.metrics.clone()),
            compressed: Shares::new(compressed, compressed),
            metrics: self.metrics.clone(),
            shutdown: self.shutdown.clone(),
            stream_config: settings.stream_config(),
            publish_config: settings.publish_config(),
            site_config: settings
                .site_config(pages::leptos_options(address, &assets::package_folder())),
            has_clock: settings.has_clock(),
            has_chat: settings.has_chat(),
            quotes: self.quotes.clone(),
            answers: self.answers.clone(),
            answer_places: settings.answer_places(),
            slow_readers: slow_readers::places(),
            has_notifications: settings.has_notifications(),
            comparisons: settings
                .has_comparisons()
                .then(|| Comparisons::new(self.shutdown.clone())),
        })
    }

    /// Starts what runs beside the requests, until the shutdown.
    fn start_tasks(&self, state: &AppState) {
        self.supervisor.spawn(
            "retention",
            state.hub.clone().keep_within_limits(self.shutdown.clone()),
        );
        if let Some(schedule) = &state.schedule {
            let publishing = schedule
                .clone()
                .run(state.hub.clone(), self.shutdown.clone());
            self.supervisor.spawn("the schedule", publishing);
        }
        if let Some(comparisons) = &state.comparisons {
            self.supervisor.spawn(
                "the retention of comparisons",
                comparisons
                    .hub()
                    .clone()
                    .keep_within_limits(self.shutdown.clone()),
            );
        }
        self.supervisor.spawn(
            "the answers to publishers",
            state.hub.clone().answer_publishers(self.shutdown.clone()),
        );
        self.supervisor.spawn(
            "the notices",
            notices::report_what_was_left_out(self.shutdown.clone()),
        );
        self.supervisor.spawn(
            "the forgetting of old clients",
            state
                .rates
                .clone()
                .forget_old_clients(self.shutdown.clone()),
        );
    }

    fn start_feeds(&self) -> Vec<JoinHandle<()>> {
        let feeds = self.feeds.iter().map(|feed| {
            let publishing = Arc::clone(feed).run(self.hub.clone(), self.shutdown.clone());
            self.supervisor.spawn(feed.name(), publishing)
        });
        feeds.collect()
    }

    fn listen_to_signals(&self) -> io::Result<()> {
        let streams = self.streams.clone();
        let (tls, keys) = (self.tls.clone(), self.keys.clone());
        let actions = signals::Actions {
            close_streams: move || streams.close_all(),
            reload: move || reload(tls.as_ref(), &keys),
        };
        signals::listen(&self.supervisor, self.shutdown.clone(), actions)
    }
}

/// Reads again what can be changed while the server runs. No stream ends.
fn reload(tls: Option<&Tls>, keys: &Keys) {
    if let Some(tls) = tls {
        tls.reload();
    }
    if !keys.is_empty() {
        keys.reload();
    }
    if tls.is_none() && keys.is_empty() {
        tracing::info!("nothing to reload: there is no certificate and no key");
    }
}

/// The hub, over the log that the settings name: nats-servers, a folder, or memory; and its schedule, unless other servers
/// have the same log.
async fn open_hub(settings: &Settings) -> io::Result<(Hub, Option<Schedule>)> {
    match (&settings.data, settings.nats.is_empty()) {
        (None, true) => {
            let schedule = Schedule::in_memory(settings.schedule_limits());
            Ok((Hub::new(settings.hub_limits()), Some(schedule)))
        }
        (Some(folder), true) => {
            let (hub, schedule) = open_disk(settings, folder)?;
            Ok((hub, Some(schedule)))
        }
        (None, false) => Ok((open_nats(settings).await?, None)),
        (Some(_), false) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "--data and --nats exclude each other: the log is in a folder, or on nats-servers",
        )),
    }
}

fn open_disk(settings: &Settings, folder: &Path) -> io::Result<(Hub, Schedule)> {
    let started = Instant::now();
    let limits = settings.hub_limits();
    let config = settings.disk_config();
    let opened = DiskLog::open(folder, config, &limits);
    let (log, mut recovered) = opened.map_err(io::Error::other)?;
    let schedule_limits = settings.schedule_limits();
    let schedule = Schedule::open(&log, &mut recovered, config.on_damage, schedule_limits);
    let schedule = schedule.map_err(io::Error::other)?;
    let (newest, in_memory) = (recovered.newest.number(), recovered.entries.len());
    let hub = Hub::open(limits, log, recovered);
    tracing::info!(
        "the log in {} is open after {} ms: the newest event is {newest}, {in_memory} events are in memory",
        folder.display(),
        started.elapsed().as_millis()
    );
    Ok((hub, schedule))
}

/// Waits until the hub has what the stream has, so that no reader finds less here than at another node.
async fn open_nats(settings: &Settings) -> io::Result<Hub> {
    let started = Instant::now();
    let log = NatsLog::open(&settings.nats_config()).await?;
    let hub = Hub::follow(settings.hub_limits(), log.clone());
    log.caught_up().await;
    tracing::info!(
        "the log on the nats-server is open after {} ms: the newest event is {}",
        started.elapsed().as_millis(),
        hub.totals().published
    );
    Ok(hub)
}

/// Every stream is an open file, and many systems allow a process no more than 1,024 unless it asks.
fn raise_open_files_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!("cannot raise the limit of open files, which limits connections: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_before_1970_is_refused_with_the_reason() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        let refused = check_wall_clock(before).expect_err("a refusal").to_string();
        assert!(refused.contains("clock"), "{refused}");
        check_wall_clock(SystemTime::UNIX_EPOCH).expect("a time");
    }
}
