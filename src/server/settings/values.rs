//! The types of settings that are no plain numbers, and how each value is read from its text. A message about a wrong value says
//! what would be right.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Uri, header};
use bytesize::ByteSize;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use ipnet::IpNet;
use tracing_subscriber::EnvFilter;

use crate::hub::log::disk::{DamagePolicy, SyncPolicy};
use crate::hub::log::nats::NatsConfig;
use crate::hub::subscriber::LagPolicy;

/// How often the clock ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClockInterval {
    /// Never: there is no clock.
    Off,
    /// Once in this time.
    Every(Duration),
}

/// The policies' names as values of a setting, and in a query.
impl ValueEnum for LagPolicy {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Disconnect, Self::Skip, Self::Latest]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Disconnect => PossibleValue::new("disconnect")
                .help("The stream ends; the reader reconnects and resumes from its last event ID"),
            Self::Skip => {
                PossibleValue::new("skip").help("It gets a gap and goes on with the newest event")
            }
            Self::Latest => PossibleValue::new("latest")
                .help("It goes on with the newest event of each topic, without a gap"),
        })
    }
}

/// The policies' names as values of a setting.
impl ValueEnum for DamagePolicy {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Stop, Self::Gap]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Stop => PossibleValue::new("stop")
                .help("The server does not start, and says which file is damaged"),
            Self::Gap => PossibleValue::new("gap")
                .help("It goes on; readers that need what is lost get a gap"),
        })
    }
}

/// Whether event streams are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StreamCompression {
    /// Never.
    Off,
    /// For clients that accept gzip.
    Gzip,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// A filter for the log, kept as it was written.
#[derive(Debug, Clone)]
pub struct LogFilter(String);

impl LogFilter {
    /// The filter as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The range of every duration but the clock's.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

const CLOCK_INTERVALS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3_600);

pub(super) fn sync_policy(text: &str) -> Result<SyncPolicy, String> {
    match text {
        "always" => Ok(SyncPolicy::Always),
        "never" => Ok(SyncPolicy::Never),
        text => duration(text)
            .map(SyncPolicy::Every)
            .map_err(|error| format!("{error}, or always, or never")),
    }
}

/// At least a few of the smallest segments.
pub(super) fn disk_size(text: &str) -> Result<ByteSize, String> {
    const SMALLEST: ByteSize = ByteSize::mib(1);
    let size: ByteSize = text.parse()?;
    if size < SMALLEST {
        return Err(format!("it must be at least {SMALLEST}"));
    }
    Ok(size)
}

/// The address of a nats-server.
pub(super) fn nats_address(text: &str) -> Result<String, String> {
    NatsConfig::check_address(text)?;
    Ok(text.to_owned())
}

pub(super) fn nats_stream(text: &str) -> Result<String, String> {
    NatsConfig::check_stream(text)?;
    Ok(text.to_owned())
}

pub(super) fn nats_replicas(text: &str) -> Result<usize, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        "5" => Ok(5),
        _ => Err("it must be 1, 3 or 5, so that there is a majority".to_owned()),
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it like 500ms, 2s, 15m or 1h"))?;
    if !(SHORTEST..=LONGEST).contains(&duration) {
        return Err("it must be from 1ms to 366d".to_owned());
    }
    Ok(duration)
}

pub(super) fn clock_interval(text: &str) -> Result<ClockInterval, String> {
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
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
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

pub(super) fn history_size(text: &str) -> Result<ByteSize, String> {
    size(text, ByteSize::kib(1)..=ByteSize::tib(1))
}

pub(super) fn body_size(text: &str) -> Result<ByteSize, String> {
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
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| {
            "it must be an address or a network, such as 127.0.0.1 or 10.0.0.0/8".to_owned()
        })
}

pub(super) fn count(text: &str) -> Result<usize, String> {
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

pub(super) fn extra_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
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

pub(super) fn origin(text: &str) -> Result<HeaderValue, String> {
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

pub(super) fn log_filter(text: &str) -> Result<LogFilter, String> {
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(LogFilter(text.to_owned())),
        Err(error) => Err(error.to_string()),
    }
}
