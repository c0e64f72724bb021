//! What the operating system asks for: SIGINT and SIGTERM stop the server, SIGUSR1 ends all streams and lets it go on,
//! SIGHUP reads the certificate and the keys again.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{SignalKind, signal};

use crate::server::auth::Keys;
use crate::server::limits::streams::Streams;
use crate::server::net::tls::Tls;

/// Obeys signals from now on.
///
/// # Errors
///
/// When the system does not let the process handle its signals.
pub(crate) fn listen(streams: &Streams, tls: Option<&Tls>, keys: &Keys) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut close_all = signal(SignalKind::user_defined1())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let has_terminal = io::stdin().is_terminal();
    let supervisor = streams.supervisor().clone();
    let (streams, tls, keys) = (streams.clone(), tls.cloned(), keys.clone());
    supervisor.spawn("the signals", async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = close_all.recv() => {
                    tracing::info!("ending all streams: their readers will come back and resume");
                    streams.close_all();
                }
                _ = hang_up.recv() => {
                    // The signal's first meaning: the terminal is gone in which the server was started.
                    if has_terminal && !io::stdin().is_terminal() {
                        break;
                    }
                    reload(tls.as_ref(), &keys);
                }
            }
        }
        tracing::info!("stopping");
        streams.shutdown().cancel();
    });
    Ok(())
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
