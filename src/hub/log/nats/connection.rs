//! The connection to the nats-servers, and whether it stands. It is made again for ever, to whichever server answers.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use percent_encoding::percent_decode_str;
use tokio::fs::File;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::rustls;

use super::{NatsConfig, OpenError};

/// How long one attempt to connect may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often the server has to show that it lives. A connection that is silent for twice as long is made again.
const PING: Duration = Duration::from_secs(2);

/// Most of what waits in the client to be sent: more would be sent when the connection is made again, long after its
/// publishers have been told that it may not have been.
const UNSENT: usize = 4_096;

/// Who the server is told that this is.
#[derive(Debug, Clone, Default)]
pub struct NatsCredentials {
    /// File with a user's JWT and nkey seed, as `nsc` writes it.
    pub credentials: Option<PathBuf>,
    /// File with an nkey seed alone.
    pub nkey: Option<PathBuf>,
    /// File with the certificates, in PEM, of authorities that the servers' certificates may be from, beside the system's.
    pub ca: Option<PathBuf>,
    /// Files with a certificate and its private key, in PEM, that the servers are shown.
    pub certificate: Option<(PathBuf, PathBuf)>,
}

/// Connects, and goes on trying until it has. The receiver says whether the connection stands.
///
/// # Errors
///
/// [`OpenError`] if a file cannot be read, or a server refuses the credentials.
pub(super) async fn connect(
    config: &NatsConfig,
) -> Result<(Client, watch::Receiver<bool>), OpenError> {
    let (stands, is_connected) = watch::channel(false);
    let mut pause = Duration::from_millis(100);
    loop {
        let addresses = addresses(config)?;
        let options = with_user(options(config, stands.clone()).await?, &addresses);
        match options.connect(addresses).await {
            Ok(client) => {
                stands.send_replace(true);
                return Ok((client, is_connected));
            }
            Err(error) if is_final(&error) => {
                return Err(OpenError::Refused(error.to_string()));
            }
            Err(error) => {
                tracing::warn!(
                    "no nats-server answers yet ({error}); the server listens as soon as one does"
                );
                sleep(pause).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}

/// The user and the password that an address names, or a token.
fn with_user(options: ConnectOptions, addresses: &[ServerAddr]) -> ConnectOptions {
    let Some(address) = addresses.iter().find(|address| address.has_user_pass()) else {
        return options;
    };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let user = address.username().map(decoded).unwrap_or_default();
    match address.password() {
        Some(password) => options.user_and_password(user, decoded(password)),
        None => options.token(user),
    }
}

fn addresses(config: &NatsConfig) -> Result<Vec<ServerAddr>, OpenError> {
    let addresses = config.servers.iter().map(|address| {
        let parsed = address.parse::<ServerAddr>();
        parsed.map_err(|error| OpenError::Address(address.clone(), error.to_string()))
    });
    addresses.collect()
}

async fn options(
    config: &NatsConfig,
    stands: watch::Sender<bool>,
) -> Result<ConnectOptions, OpenError> {
    let NatsCredentials {
        credentials,
        nkey,
        ca,
        certificate,
    } = &config.credentials;
    let mut options = ConnectOptions::new()
        .name("fairwind")
        .connection_timeout(ATTEMPT)
        .ping_interval(PING)
        .client_capacity(UNSENT)
        .max_reconnects(None)
        .reconnect_delay_callback(|attempts| {
            let pause = Duration::from_millis(20 << attempts.min(6));
            // Nodes that lose one server at one moment come to the next at different ones.
            pause.min(LONGEST_PAUSE).mul_f64(0.5 + fastrand::f64())
        })
        .event_callback(move |event| {
            let stands = stands.clone();
            async move {
                match event {
                    Event::Connected => {
                        if !stands.send_replace(true) {
                            tracing::info!("connected to a nats-server");
                        }
                    }
                    Event::Disconnected | Event::Closed => {
                        if stands.send_replace(false) {
                            tracing::warn!("the connection to the nats-server is lost");
                        }
                    }
                    other => tracing::debug!("nats-server: {other}"),
                }
            }
        });
    if let Some(path) = credentials {
        options = options
            .credentials_file(path)
            .await
            .map_err(|error| unreadable(path, &error))?;
    }
    if let Some(path) = nkey {
        let seed = tokio::fs::read_to_string(path)
            .await
            .map_err(|error| unreadable(path, &error))?;
        options = options.nkey(seed.trim().to_owned());
    }
    let certificates = certificate.iter().flat_map(|(chain, key)| [chain, key]);
    for path in ca.iter().chain(certificates) {
        // The client reads them when a server answers, which may be later.
        File::open(path)
            .await
            .map_err(|error| unreadable(path, &error))?;
    }
    if let Some(path) = ca {
        options = options
            .add_root_certificates(path.clone())
            .require_tls(true);
    }
    if let Some((certificate, key)) = certificate {
        options = options
            .add_client_certificate(certificate.clone(), key.clone())
            .require_tls(true);
    }
    Ok(options)
}

fn unreadable(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::File {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Whether trying again cannot help.
fn is_final(error: &ConnectError) -> bool {
    let is_final = matches!(
        error.kind(),
        ConnectErrorKind::Authentication
            | ConnectErrorKind::AuthorizationViolation
            | ConnectErrorKind::ServerParse
            | ConnectErrorKind::Tls
    );
    is_final || is_about_tls(error)
}

/// Whether one side does not accept the other's certificate, which is an error of reading or writing.
fn is_about_tls(error: &ConnectError) -> bool {
    let mut next = error.source();
    while let Some(source) = next {
        let inner = source
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if source.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        next = source.source();
    }
    false
}
