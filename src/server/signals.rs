//! What the operating system asks for: SIGINT and SIGTERM stop the server, SIGUSR1 ends all streams and lets it go on,
//! SIGHUP reads the certificate again.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::streams::Streams;
use super::tls::Tls;

/// Obeys signals from now on.
///
/// # Errors
///
/// When the system does not let the process handle its signals.
pub(super) fn listen(streams: &Streams, tls: Option<&Tls>) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut close_all = signal(SignalKind::user_defined1())?;
    if let Some(tls) = tls {
        // Without a certificate SIGHUP keeps its meaning: the terminal is gone, and so is what ran in it.
        let mut hang_up = signal(SignalKind::hangup())?;
        let tls = tls.clone();
        streams.supervisor().spawn("SIGHUP", async move {
            while hang_up.recv().await.is_some() {
                tls.reload();
            }
        });
    }
    let supervisor = streams.supervisor().clone();
    let streams = streams.clone();
    supervisor.spawn("the signals", async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = close_all.recv() => {
                    tracing::info!("ending all streams: their readers will come back and resume");
                    streams.close_all();
                }
            }
        }
        tracing::info!("stopping");
        streams.shutdown().cancel();
    });
    Ok(())
}
