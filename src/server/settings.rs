//! Every setting of the running server. A setting has one name everywhere: `--clock-interval` as a flag,
//! `FAIRWIND_CLOCK_INTERVAL` in the environment, `clock-interval` in `Leptos.toml`. The first of these that is given
//! counts, then the default.
//!
//! [`Settings`] is the only definition: the values of the file and the environment become the defaults of the command line, so
//! that one parser reads, checks and explains every value.

//!
//! * [`values`]: the types of settings that are no plain numbers, and how they are read
//! * [`sources`]: flags, environment and file, and which of them a value came from
//! * `configs`: what each part of the server is given of them
//! * `subcommand`, `token_command`, `log_command`: `fairwind token` and `fairwind log`

mod configs;
pub(super) mod log_command;
pub mod sources;
mod subcommand;
pub(super) mod token_command;
pub mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use bytesize::ByteSize;
use clap::{CommandFactory, Parser};
use ipnet::IpNet;

pub use self::sources::SettingsError;
use self::values::{
    ClockInterval, LogFilter, Secret, StreamCompression, Switch, address, body_size,
    clock_interval, count, disk_size, duration, extra_header, history_size, log_filter,
    nats_address, nats_replicas, nats_stream, network, origin, sync_policy,
};
use crate::hub::log::disk::{DamagePolicy, SyncPolicy};
use crate::hub::subscriber::LagPolicy;
use crate::server::auth::VerificationKey;
pub use crate::server::auth::{AnonymousPublish, AskAccess, OperatorAccess, ReadAccess};
use crate::server::limits::request_rate::Rate;

/// Live events from a server to every browser over EventSource, from one binary.
///
/// Every setting can be given as a flag (--clock-interval 1s), as a variable in the environment
/// (FAIRWIND_CLOCK_INTERVAL=1s) or as a key in Leptos.toml (clock-interval = "1s"); the first of these counts. Durations
/// are written like 500ms, 2s, 15m or 1h, sizes like 64MiB. Several values in one variable are separated by |.
#[derive(Debug, Clone, Parser)]
#[command(name = "fairwind", version, max_term_width = 110)]
pub struct Settings {
    /// Address and port to listen on, such as 0.0.0.0:8080, localhost:8080, or 8080 for this machine only. With port 0 the
    /// system chooses one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    pub addr: SocketAddr,

    /// Settings file [default: Leptos.toml in the current folder, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Time between two ticks of the clock, 100ms to 1h. 'off' disables the clock and /events with it
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = clock_interval)]
    pub clock_interval: ClockInterval,

    /// The page /compare, which measures an EventSource and a WebSocket side by side
    #[arg(long, value_name = "SWITCH", default_value = "on", value_enum)]
    pub compare: Switch,

    /// The pages of chat rooms, /chat/ROOM, which are topics chat/ROOM
    #[arg(long, value_name = "SWITCH", default_value = "on", value_enum)]
    pub chat: Switch,

    /// The page /quotes, and the feed of its prices on the topics quotes/SYMBOL. The feed sleeps while no client reads it
    #[arg(long, value_name = "SWITCH", default_value = "on", value_enum)]
    pub quotes: Switch,

    /// File of ticks to publish with their own timing in place of a simulated market: CSV with the columns time, symbol and
    /// price, or NDJSON with such members if its name ends with .ndjson, .jsonl or .json
    #[arg(long, value_name = "FILE")]
    pub quotes_from: Option<PathBuf>,

    /// Seed of the simulated market: equal seeds give equal prices
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub quotes_seed: u64,

    /// Answers at /answers: a question gets one piece by piece, from the documentation or from a model
    #[arg(long, value_name = "SWITCH", default_value = "on", value_enum)]
    pub answers: Switch,

    /// Base URL of an OpenAI-compatible server whose model answers in place of the documentation, such as
    /// http://127.0.0.1:11434/v1
    #[arg(long, value_name = "URL", requires = "answers_model")]
    pub answers_upstream: Option<String>,

    /// Name of the model
    #[arg(long, value_name = "NAME")]
    pub answers_model: Option<String>,

    /// File with the key for that server. FAIRWIND_ANSWERS_KEY in the environment can hold the key itself
    #[arg(long, value_name = "FILE")]
    pub answers_key_file: Option<PathBuf>,

    /// The key itself. Only for the environment: other programs see a command line
    #[arg(long, value_name = "KEY", hide = true)]
    pub answers_key: Option<Secret>,

    /// Maximum size of an answer
    #[arg(long, value_name = "SIZE", default_value = "256KiB", value_parser = body_size)]
    pub answers_bytes: ByteSize,

    /// Maximum time that an answer takes
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub answers_time: Duration,

    /// Maximum time in which the model's server sends nothing
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub answers_silence: Duration,

    /// Maximum number of answers under way
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = count)]
    pub max_answers: usize,

    /// The same per address
    #[arg(long, value_name = "COUNT", default_value = "4", value_parser = count)]
    pub max_answers_per_address: usize,

    /// Maximum number of answers that are kept, under way or not. An address may have a tenth of it
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = count)]
    pub max_kept_answers: usize,

    /// The page /notifications, which gives each browser a topic of its own
    #[arg(long, value_name = "SWITCH", default_value = "on", value_enum)]
    pub notifications: Switch,

    /// Maximum number of events kept per topic, at least 1
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = count)]
    pub history_events: usize,

    /// Maximum age of a kept event
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub history_age: Duration,

    /// Maximum memory of kept events, over all topics
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = history_size)]
    pub history_bytes: ByteSize,

    /// Maximum memory of the newest events for connected readers, whatever the history keeps. A reader that lags further behind
    /// continues from the history
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = history_size)]
    pub live_bytes: ByteSize,

    /// Folder for a log on disk, which survives restarts; it is created if there is none. Without it, the log is in memory
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// When an event is published with --data: 'always' when the disk has it, so that a power cut loses nothing; a duration
    /// such as 1s, or 'never', when the system has it, so that a power cut loses up to so much (a process that dies loses
    /// nothing)
    #[arg(long, value_name = "WHEN", default_value = "always", value_parser = sync_policy)]
    pub sync: SyncPolicy,

    /// Maximum size of the log on disk; the oldest events go first. Events older than --history-age go too
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = disk_size)]
    pub history_disk: ByteSize,

    /// What to do if the log on disk is damaged where no crash can have damaged it
    #[arg(long, value_name = "WHAT", default_value = "stop", value_enum)]
    pub on_damage: DamagePolicy,

    /// Address of a nats-server, such as nats://10.0.0.7:4222, for a log that several servers share: what one publishes, the
    /// readers of all get. It survives restarts. Can be given several times; one that answers names the others of its cluster
    #[arg(long, value_name = "URL", value_parser = nats_address)]
    pub nats: Vec<String>,

    /// Name of the JetStream stream. Its subjects begin with the same name in lower case
    #[arg(long, value_name = "NAME", default_value = "FAIRWIND", value_parser = nats_stream)]
    pub nats_stream: String,

    /// Number of nats-servers that have the stream, if it is created: 1, 3 or 5. It keeps events for --history-age, up to
    /// --history-disk
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = nats_replicas)]
    pub nats_replicas: usize,

    /// File with a user's credentials for the nats-servers (JWT and seed)
    #[arg(long, value_name = "FILE")]
    pub nats_credentials: Option<PathBuf>,

    /// File with an nkey seed for the nats-servers
    #[arg(long, value_name = "FILE")]
    pub nats_nkey: Option<PathBuf>,

    /// File with the certificates, in PEM, of authorities that may have signed the nats-servers' certificates, beside the
    /// system's. The connection is encrypted then
    #[arg(long, value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,

    /// File with a certificate chain, in PEM, to show to the nats-servers
    #[arg(long, value_name = "FILE", requires = "nats_key")]
    pub nats_cert: Option<PathBuf>,

    /// File with that certificate's private key in PEM
    #[arg(long, value_name = "FILE", requires = "nats_cert")]
    pub nats_key: Option<PathBuf>,

    /// Delay before a reader reconnects, varied by up to a fifth for each stream
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub retry: Duration,

    /// Maximum silence on a stream before the server sends a comment, which keeps proxies from closing it
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub heartbeat: Duration,

    /// Maximum lifetime of a stream. It ends at a random moment of the last fifth; its reader reconnects and resumes
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub stream_lifetime: Duration,

    /// Maximum time that a stream stays open without an event
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = duration)]
    pub idle_timeout: Duration,

    /// Time that a reader may leave its data unread before it counts as slow
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub write_timeout: Duration,

    /// Policy for a slow reader, and for one whose next event is no longer kept
    #[arg(long, value_name = "POLICY", default_value = "disconnect", value_enum)]
    pub slow_reader: LagPolicy,

    /// Compression of event streams for clients that accept it, flushed after every event
    #[arg(long, value_name = "CODING", default_value = "off", value_enum)]
    pub stream_compression: StreamCompression,

    /// Header of every event stream, as 'Name: value'. Can be given several times
    #[arg(long, value_name = "HEADER", value_parser = extra_header)]
    pub stream_header: Vec<(HeaderName, HeaderValue)>,

    /// Maximum number of topics with events. Topics with readers and no events count as subscriptions
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    pub max_topics: usize,

    /// Maximum size of a published event: of the body of one, or of each in a stream
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = body_size)]
    pub max_body: ByteSize,

    /// Maximum number of streams. Further clients get 200 with 'retry:' and an immediate end, so that an EventSource
    /// reconnects
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    pub max_streams: usize,

    /// The same per address
    #[arg(long, value_name = "COUNT", default_value = "2500", value_parser = count)]
    pub max_streams_per_address: usize,

    /// Maximum number of subscriptions: streams, each counted once for every topic that it reads and for every topic in which
    /// its reader has a name. Further clients get the same answer
    #[arg(long, value_name = "COUNT", default_value = "100000", value_parser = count)]
    pub max_subscriptions: usize,

    /// The same per address
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    pub max_subscriptions_per_address: usize,

    /// Maximum memory held for clients beside the history: bodies that are arriving, and answers that clients leave unread.
    /// Further requests get 503; a reader that would hold more is disconnected, reconnects and resumes
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub max_held_bytes: ByteSize,

    /// The same per address
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub max_held_bytes_per_address: ByteSize,

    /// Maximum number of compressed streams. Further streams are sent uncompressed
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    pub max_compressed_streams: usize,

    /// Maximum number of connections. Further connections are closed on accept; an EventSource reconnects
    #[arg(long, value_name = "COUNT", default_value = "20000", value_parser = count)]
    pub max_connections: usize,

    /// Maximum number of connections per address (an IPv6 network of 64 bits counts as one address). Trusted proxies are
    /// exempt
    #[arg(long, value_name = "COUNT", default_value = "4000", value_parser = count)]
    pub max_connections_per_address: usize,

    /// Maximum number of publications that wait for their time (?in= and ?at=), in all; a topic may have 1,000. Further ones
    /// get 503
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    pub max_scheduled: usize,

    /// The same per address
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = count)]
    pub max_scheduled_per_address: usize,

    /// Maximum memory of publications that wait for their time. An address may take a quarter of it
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = history_size)]
    pub max_scheduled_bytes: ByteSize,

    /// How often an address may publish, such as 100/s, 1000/m or 10000/h, or 'off' for no limit. The whole number may come
    /// at once
    #[arg(long, value_name = "RATE", default_value = "5000/s")]
    pub publish_rate: Rate,

    /// How often an address may open a stream. Further attempts are answered as above --max-streams
    #[arg(long, value_name = "RATE", default_value = "5000/s")]
    pub stream_rate: Rate,

    /// Address or network of a reverse proxy, such as 10.0.0.0/8, whose X-Forwarded-For names the client's address. Can be
    /// given several times
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub trusted_proxy: Vec<IpNet>,

    /// Time that a client may take for the head of a request, for the body of one event, for a TLS handshake, and between
    /// two requests
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,

    /// File with the certificate chain in PEM: enables HTTPS and HTTP/2. SIGHUP reloads it, and the keys for tokens
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// File with the certificate's private key in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Origin whose pages may publish, and read event streams with credentials, such as https://example.org. Can be given
    /// several times. Without any, the pages of every origin may read event streams without credentials
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub allow_origin: Vec<HeaderValue>,

    /// File with a secret of at least 32 bytes that signs tokens (HS256). Can be given several times
    #[arg(long, value_name = "FILE", value_parser = VerificationKey::from_secret_file)]
    pub jwt_secret_file: Vec<VerificationKey>,

    /// File with the public key in PEM of the private key that signs tokens: RSA for RS256, P-256 for ES256, Ed25519 for
    /// EdDSA. Can be given several times
    #[arg(long, value_name = "FILE", value_parser = VerificationKey::from_public_key_file)]
    pub jwt_public_key: Vec<VerificationKey>,

    /// Clients that may publish without a token
    #[arg(long, value_name = "WHO", default_value = "off", value_enum, num_args = 0..=1, default_missing_value = "on")]
    pub anonymous_publish: AnonymousPublish,

    /// Clients that may read public events. The clock, quotes and answers are always public
    #[arg(long, value_name = "WHO", default_value = "auto", value_enum)]
    pub read: ReadAccess,

    /// Clients that may ask at /answers
    #[arg(long, value_name = "WHO", default_value = "auto", value_enum)]
    pub ask: AskAccess,

    /// Clients that may list the topics
    #[arg(long, value_name = "WHO", default_value = "auto", value_enum)]
    pub list_topics: OperatorAccess,

    /// Clients that may read /metrics
    #[arg(long, value_name = "WHO", default_value = "auto", value_enum)]
    pub metrics: OperatorAccess,

    /// Level of the log on standard error: error, warn, info, debug or trace, also per module (info,fairwind=debug)
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log: LogFilter,
}

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] if a setting is unknown or invalid, or if the help or the version was asked for.
    pub fn load() -> Result<Self, SettingsError> {
        let variable = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self::read(
            std::env::args_os().collect(),
            std::env::vars_os().filter_map(variable).collect(),
        )
    }

    /// Reads the settings from a command line, whose first item is the program's name, and an environment.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn read(
        arguments: Vec<OsString>,
        environment: Vec<(String, String)>,
    ) -> Result<Self, SettingsError> {
        // The subcommands are listed by --help; the program runs them before it reads any settings.
        let command = Self::command()
            .subcommand(token_command::command())
            .subcommand(log_command::command())
            .args_conflicts_with_subcommands(true);
        sources::parse(command, &arguments, environment)
    }
}

#[cfg(test)]
mod tests;
