//! Every setting of the running server. A setting has one name everywhere: `--clock-interval` as a flag,
//! `FAIRWIND_CLOCK_INTERVAL` in the environment, `clock-interval` in `Leptos.toml`. The first of these that is given
//! counts, then the default.
//!
//! One definition, [`Settings`], is all there is: the file's values become the defaults of the command line, so that
//! every value is read, checked and explained in one place.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Uri, header};
use bytesize::ByteSize;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, CommandFactory, FromArgMatches, Parser, ValueEnum};
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use crate::hub::Limits;
use crate::hub::subscriber::SlowReader;
use crate::server::auth::VerificationKey;
use crate::server::limits::request_rate::Rate;
use crate::server::limits::streams::StreamLimits;
use crate::server::ops::token_command;
use crate::server::stream::session::StreamTimings;

/// Live events from a server to every browser over EventSource, from one binary.
///
/// Every setting can be given as a flag (--clock-interval 1s), as a variable in the environment
/// (FAIRWIND_CLOCK_INTERVAL=1s) or as a key in Leptos.toml (clock-interval = "1s"); the first of these counts. Durations
/// are written like 500ms, 2s, 15m or 1h, sizes like 64MiB. Several values in one variable are parted by |.
#[derive(Debug, Clone, Parser)]
#[command(name = "fairwind", version, max_term_width = 110)]
pub struct Settings {
    /// Address and port to listen on, such as 0.0.0.0:8080, localhost:8080, or 8080 alone for this machine only; port 0
    /// lets the system choose
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080", value_parser = address)]
    pub addr: SocketAddr,

    /// File to read settings from [default: Leptos.toml in the current folder, if there is one]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Time between two ticks of the clock, 100ms to 1h, or 'off': then there is no clock, and /events does not exist
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = clock_interval)]
    pub clock_interval: ClockInterval,

    /// Most events kept of one topic, at least 1
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = count)]
    pub history_events: usize,

    /// Longest that an event is kept
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub history_age: Duration,

    /// Most memory that kept events take, over all topics
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = history_size)]
    pub history_bytes: ByteSize,

    /// How long a reader waits before it connects again; spread by a fifth to either side for each stream
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub retry: Duration,

    /// Longest silence on a stream: then a comment is sent, which keeps proxies from closing it
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    pub heartbeat: Duration,

    /// Longest that a stream stays open; it ends somewhere in the last fifth, and its reader comes back and resumes
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    pub stream_lifetime: Duration,

    /// Longest that a stream stays open without an event
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = duration)]
    pub idle_timeout: Duration,

    /// How long a reader may take nothing of what waits for it before it counts as slow
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub write_timeout: Duration,

    /// What happens to a slow reader, and to one whose next event is no longer kept
    #[arg(long, value_name = "POLICY", default_value = "disconnect", value_enum)]
    pub slow_reader: SlowReader,

    /// Whether event streams are compressed for clients that accept it, flushed at every event
    #[arg(long, value_name = "CODING", default_value = "off", value_enum)]
    pub stream_compression: StreamCompression,

    /// Header to add to every event stream, as 'Name: value'; can be given several times
    #[arg(long, value_name = "HEADER", value_parser = extra_header)]
    pub stream_header: Vec<(HeaderName, HeaderValue)>,

    /// Most topics that have events at once. Topics that have readers and no events count as subscriptions
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    pub max_topics: usize,

    /// Largest body of a request to publish one event, and largest event of a stream that is published
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = body_size)]
    pub max_body: ByteSize,

    /// Most event streams open at once. Further clients get 200 with 'retry:' and an immediate end, so that an EventSource
    /// comes back
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    pub max_streams: usize,

    /// The same for one address
    #[arg(long, value_name = "COUNT", default_value = "2500", value_parser = count)]
    pub max_streams_per_address: usize,

    /// Most subscriptions at once: streams, each counted once for every topic that it reads. Further clients get the same
    /// answer
    #[arg(long, value_name = "COUNT", default_value = "100000", value_parser = count)]
    pub max_subscriptions: usize,

    /// The same for one address
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    pub max_subscriptions_per_address: usize,

    /// Most memory held for clients beside the history: bodies that are arriving, and answers that clients do not take.
    /// Further requests get 503; a reader that would hold more is disconnected, and resumes when it comes back
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub max_held_bytes: ByteSize,

    /// The same for one address
    #[arg(long, value_name = "SIZE", default_value = "64MiB")]
    pub max_held_bytes_per_address: ByteSize,

    /// Most streams compressed at once; further ones are sent as they are
    #[arg(long, value_name = "COUNT", default_value = "10000", value_parser = count)]
    pub max_compressed_streams: usize,

    /// Most connections open at once; further ones are closed at once, and an EventSource tries again
    #[arg(long, value_name = "COUNT", default_value = "20000", value_parser = count)]
    pub max_connections: usize,

    /// Most connections open at once from one address (an IPv6 network of 64 bits counts as one address). Trusted
    /// proxies are exempt
    #[arg(long, value_name = "COUNT", default_value = "4000", value_parser = count)]
    pub max_connections_per_address: usize,

    /// How often one address may publish, such as 100/s, 1000/m or 10000/h, or 'off' for any number. So many may come
    /// at once
    #[arg(long, value_name = "RATE", default_value = "5000/s")]
    pub publish_rate: Rate,

    /// How often one address may open an event stream; who comes more often is told to come back later
    #[arg(long, value_name = "RATE", default_value = "5000/s")]
    pub stream_rate: Rate,

    /// Address or network of a reverse proxy, such as 10.0.0.0/8: what it says in X-Forwarded-For counts as the
    /// client's address. Can be given several times
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub trusted_proxy: Vec<IpNet>,

    /// How long a client may take for the head of a request, for the body of one event, for a TLS handshake, and
    /// between two requests
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,

    /// File with the certificate chain in PEM: then HTTPS is served, and HTTP/2 with it. SIGHUP reads it
    /// and the keys for tokens again
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// File with the certificate's private key in PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Origin whose pages may read event streams with credentials, such as https://example.org; can be given several
    /// times. Without any, the pages of every origin may read them, without credentials
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub allow_origin: Vec<HeaderValue>,

    /// File with a secret of at least 32 bytes: tokens that are signed with it (HS256) hold. Can be given several times
    #[arg(long, value_name = "FILE", value_parser = VerificationKey::from_secret_file)]
    pub jwt_secret_file: Vec<VerificationKey>,

    /// File with a public key in PEM: tokens that are signed with its private half hold. RSA is for RS256, P-256 for
    /// ES256, Ed25519 for EdDSA. Can be given several times
    #[arg(long, value_name = "FILE", value_parser = VerificationKey::from_public_key_file)]
    pub jwt_public_key: Vec<VerificationKey>,

    /// Who may publish without a token
    #[arg(long, value_name = "WHO", default_value = "off", value_enum, num_args = 0..=1, default_missing_value = "on")]
    pub anonymous_publish: AnonymousPublish,

    /// Who may read events that are not private. The clock is public always
    #[arg(long, value_name = "WHO", default_value = "auto", value_enum)]
    pub read: ReadAccess,

    /// Who may list the topics
    #[arg(long, value_name = "WHO", default_value = "auto", value_enum)]
    pub list_topics: OperatorAccess,

    /// Who may read /metrics
    #[arg(long, value_name = "WHO", default_value = "auto", value_enum)]
    pub metrics: OperatorAccess,

    /// What is logged to standard error: error, warn, info, debug or trace, also for each part (info,fairwind=debug)
    #[arg(long, value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log: LogFilter,
}

/// How often the clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockInterval {
    /// Never: there is no clock.
    Off,
    /// Once in this time.
    Every(Duration),
}

/// Whether event streams are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StreamCompression {
    /// Never.
    Off,
    /// For clients that accept gzip.
    Gzip,
}

/// Who may publish without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnonymousPublish {
    /// No client: publishing needs a token.
    Off,
    /// Programs of this machine, for development: the server listens on loopback, has no keys, and no reverse proxy leads
    /// to it.
    #[value(alias = "auto")]
    Local,
    /// Every client.
    On,
}

/// Who may read events that are not private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadAccess {
    /// Every client if the server has no keys; with keys, clients with a token for the topic.
    Auto,
    /// Every client.
    Public,
    /// Clients with a token for the topic.
    Token,
}

/// Who may see what operators look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OperatorAccess {
    /// Programs of this machine if the server listens on loopback; and clients with a token that allows to read the topics.
    Auto,
    /// Every client.
    On,
    /// No client.
    Off,
}

/// A filter for the log, kept as it was written.
#[derive(Debug, Clone)]
pub struct LogFilter(String);

/// Why there are no settings, or that the help was asked for. The message names the setting, where it stands, and what
/// would be right.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The command line, or a value, is wrong; or it asks for the help or the version.
    #[error("{error}{}", origin_of(.source_name))]
    Value {
        /// What the parser says.
        error: clap::Error,
        /// Where the value stands if it is not on the command line.
        source_name: Option<String>,
    },
    /// A source names a setting that does not exist.
    #[error(
        "error: {source_name} names the setting '{name}', which does not exist\n\n'fairwind --help' lists them all"
    )]
    Unknown {
        /// The setting as it is written there.
        name: String,
        /// The file or `the environment`.
        source_name: String,
    },
    /// The settings file cannot be used.
    #[error("error: cannot use {path} for settings: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

const ENVIRONMENT_PREFIX: &str = "FAIRWIND_";

/// The variable that cargo-leptos sets for the server it runs. It counts more than the file and less than
/// `FAIRWIND_ADDR`.
const LEPTOS_ADDRESS: &str = "LEPTOS_SITE_ADDR";

const DEFAULT_FILE: &str = "Leptos.toml";

/// Parts the values of one variable for a setting that can be given several times: a character that neither a header
/// nor an origin has a use for.
const SEPARATOR: char = '|';

/// The values that a source gives to a setting.
struct Given {
    source_name: String,
    values: Vec<String>,
}

/// By the setting's id in the command.
type Layer = BTreeMap<String, Given>;

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
        // Only for the help: whoever asks for it is served elsewhere.
        let command = Self::command()
            .subcommand(token_command::command())
            .args_conflicts_with_subcommands(true)
            .mut_args(take_values_with_hyphens);
        let environment = environment_layer(&command, environment)?;
        let mut layer = match config_file(&command, &arguments, &environment)? {
            Some((path, text)) => file_layer(&command, &path, &text)?,
            None => Layer::new(),
        };
        layer.extend(environment);
        let parsed = with_defaults(command, &layer)
            .try_get_matches_from(&arguments)
            .and_then(|matches| Self::from_arg_matches(&matches));
        parsed.map_err(|error| {
            let source_name = source_of(&error, &layer, &arguments);
            SettingsError::Value { error, source_name }
        })
    }

    /// How much the hub holds.
    pub(super) fn limits(&self) -> Limits {
        let bytes = usize::try_from(self.history_bytes.as_u64()).unwrap_or(usize::MAX);
        Limits {
            events: self.history_events,
            age: self.history_age,
            bytes,
            topics: self.max_topics,
            subscriptions: self.max_subscriptions,
        }
    }

    /// How much streams and clients may take.
    pub(super) fn stream_limits(&self) -> StreamLimits {
        let bytes = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        StreamLimits {
            streams: [self.max_streams, self.max_streams_per_address],
            subscriptions: [self.max_subscriptions, self.max_subscriptions_per_address],
            held_bytes: [
                bytes(self.max_held_bytes),
                bytes(self.max_held_bytes_per_address),
            ],
        }
    }

    /// The largest event that can be published, in bytes.
    pub(super) fn max_body_bytes(&self) -> usize {
        usize::try_from(self.max_body.as_u64()).unwrap_or(usize::MAX)
    }

    /// Timings of a stream under this lag policy.
    pub(super) fn timings(&self, slow_reader: SlowReader) -> StreamTimings {
        StreamTimings {
            retry: self.retry,
            heartbeat: self.heartbeat,
            lifetime: self.stream_lifetime,
            idle_timeout: self.idle_timeout,
            write_timeout: self.write_timeout,
            socket_timeout: self.socket_timeout(slow_reader),
            expires_at: None,
        }
    }

    /// How long a socket may take nothing before it is closed. A slow reader that is to keep its stream keeps its socket
    /// for as long as a stream can last.
    pub(super) fn socket_timeout(&self, slow_reader: SlowReader) -> Duration {
        match slow_reader {
            SlowReader::Disconnect => self.write_timeout,
            SlowReader::Skip | SlowReader::Latest => self.write_timeout.max(self.stream_lifetime),
        }
    }
}

impl LogFilter {
    /// The filter as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SettingsError {
    /// Says what is wrong, or what was asked for, and ends the process.
    pub fn exit(self) -> ! {
        match self {
            Self::Value {
                error,
                source_name: None,
            } => error.exit(),
            other => {
                // It may be closed; the exit code says that something is wrong all the same.
                let _ = writeln!(io::stderr(), "{other}");
                std::process::exit(2)
            }
        }
    }
}

fn origin_of(source_name: &Option<String>) -> String {
    source_name
        .as_ref()
        .map(|name| format!("\nThe value stands in {name}."))
        .unwrap_or_default()
}

fn environment_layer(
    command: &Command,
    environment: Vec<(String, String)>,
) -> Result<Layer, SettingsError> {
    let mut layer = Layer::new();
    for (variable, value) in environment {
        let source_name = format!("the environment variable {variable}");
        if variable == LEPTOS_ADDRESS {
            layer.entry("addr".to_owned()).or_insert(Given {
                source_name,
                values: vec![value],
            });
        } else if let Some(name) = variable.strip_prefix(ENVIRONMENT_PREFIX) {
            let id = name.to_ascii_lowercase();
            let argument = argument(command, &id).ok_or_else(|| SettingsError::Unknown {
                name: variable.clone(),
                source_name: "the environment".into(),
            })?;
            let values = match argument.get_action() {
                ArgAction::Append => value
                    .split(SEPARATOR)
                    .map(|value| value.trim().to_owned())
                    .collect(),
                _ => vec![value],
            };
            layer.insert(
                id,
                Given {
                    source_name,
                    values,
                },
            );
        }
    }
    Ok(layer)
}

fn file_layer(command: &Command, path: &Path, text: &str) -> Result<Layer, SettingsError> {
    let broken = |reason: String| SettingsError::File {
        path: path.to_owned(),
        reason,
    };
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| broken(error.to_string()))?;
    let mut layer = Layer::new();
    for (key, value) in table {
        let source_name = format!("the file {}", path.display());
        let id = key.replace('-', "_");
        if argument(command, &id).is_none() || key.contains('_') || id == "config" {
            return Err(SettingsError::Unknown {
                name: key,
                source_name,
            });
        }
        let values = match value {
            toml::Value::Array(values) => values
                .into_iter()
                .map(plain_text)
                .collect::<Option<Vec<_>>>(),
            value => plain_text(value).map(|value| vec![value]),
        };
        let values = values.ok_or_else(|| {
            broken(format!(
                "'{key}' must be a text, a number, or a list of texts"
            ))
        })?;
        layer.insert(
            id,
            Given {
                source_name,
                values,
            },
        );
    }
    Ok(layer)
}

fn plain_text(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The settings file's path and text. The default file may be missing, one that was named may not.
fn config_file(
    command: &Command,
    arguments: &[OsString],
    environment: &Layer,
) -> Result<Option<(PathBuf, String)>, SettingsError> {
    let matches = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(arguments)
        .ok();
    let by_flag = matches.and_then(|matches| matches.get_one::<PathBuf>("config").cloned());
    let by_variable = environment
        .get("config")
        .and_then(|given| given.values.first())
        .map(PathBuf::from);
    let named = by_flag.or(by_variable);
    let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.into());
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SettingsError::File {
            path,
            reason: error.to_string(),
        }),
    }
}

fn with_defaults(command: Command, layer: &Layer) -> Command {
    layer.iter().fold(command, |command, (id, given)| {
        let values = given.values.clone();
        command.mut_arg(id, |argument| argument.default_values(values))
    })
}

/// What follows a setting is its value, even if it begins with a hyphen: then the error about it names the setting.
fn take_values_with_hyphens(argument: Arg) -> Arg {
    let needs_value = argument.get_action().takes_values() && argument.get_num_args().is_none();
    argument.allow_hyphen_values(needs_value)
}

fn argument<'a>(command: &'a Command, id: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|argument| argument.get_id() == id)
}

/// Where the value stands that an error is about, if it is not on the command line.
fn source_of(error: &clap::Error, layer: &Layer, arguments: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    let flag = flag.split_whitespace().next()?;
    let is_on_command_line = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .any(|argument| argument.split('=').next() == Some(flag));
    let given = layer.get(&flag.trim_start_matches('-').replace('-', "_"))?;
    (!is_on_command_line).then(|| given.source_name.clone())
}

/// The range of every duration but the clock's.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

const CLOCK_INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3_600);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it like 500ms, 2s, 15m or 1h"))?;
    if !(SHORTEST..=LONGEST).contains(&duration) {
        return Err("it must be from 1ms to 366d".to_owned());
    }
    Ok(duration)
}

fn clock_interval(text: &str) -> Result<ClockInterval, String> {
    if text == "off" {
        return Ok(ClockInterval::Off);
    }
    match duration(text) {
        Ok(interval) if CLOCK_INTERVALS.contains(&interval) => Ok(ClockInterval::Every(interval)),
        _ => Err("it must be from 100ms to 1h, such as 2s, or 'off'".to_owned()),
    }
}

/// An address with its port, as people write it. A name is looked up; an address of IPv4 is preferred, since that is what
/// `localhost` means to most programs.
fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || {
        "write it like 127.0.0.1:8080, [::1]:8080 or localhost:8080; 8080 or :8080 alone is 127.0.0.1:8080, and every address is 0.0.0.0:8080 or [::]:8080"
            .to_owned()
    };
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    let (name, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if name.is_empty() || name.contains([':', '/', '[']) {
        return Err(wrong());
    }
    let found: Vec<_> = (name, port)
        .to_socket_addrs()
        .map_err(|error| format!("cannot find the address of '{name}': {error}; {}", wrong()))?
        .collect();
    let v4 = found.iter().find(|address| address.is_ipv4());
    v4.or(found.first()).copied().ok_or_else(wrong)
}

fn history_size(text: &str) -> Result<ByteSize, String> {
    size(text, ByteSize::kib(1)..=ByteSize::tib(1))
}

fn body_size(text: &str) -> Result<ByteSize, String> {
    size(text, ByteSize::b(1)..=ByteSize::gib(1))
}

fn size(text: &str, range: RangeInclusive<ByteSize>) -> Result<ByteSize, String> {
    match text.parse() {
        Ok(size) if range.contains(&size) => Ok(size),
        _ => Err(format!(
            "it must be a size from {} to {}, such as 64KiB or 1MiB",
            range.start(),
            range.end()
        )),
    }
}

/// A network, or a single address.
fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            "it must be an address or a network, such as 127.0.0.1 or 10.0.0.0/8".to_owned()
        })
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it must be a whole number from 1 on".to_owned()),
        Ok(count) => Ok(count),
    }
}

/// The headers that say how a stream is to be read, or how the connection is: these are the server's own.
const RESERVED_HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
];

fn extra_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("it must look like 'Name: value'")?;
    let name = HeaderName::try_from(name.trim()).map_err(|error| error.to_string())?;
    let value = HeaderValue::try_from(value.trim()).map_err(|error| error.to_string())?;
    if RESERVED_HEADERS.contains(&name) {
        return Err(format!("the header {name} is set by the server"));
    }
    Ok((name, value))
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let wrong = || {
        "it must look like https://example.org or http://localhost:3000, without a path".to_owned()
    };
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let is_origin = matches!(uri.scheme_str(), Some("http" | "https"))
        && uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'))
        && !text.ends_with('/')
        && uri.path() == "/"
        && uri.query().is_none();
    if !is_origin {
        return Err(wrong());
    }
    HeaderValue::try_from(text).map_err(|_| wrong())
}

fn log_filter(text: &str) -> Result<LogFilter, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(LogFilter(text.to_owned())),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
