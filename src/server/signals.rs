//! What the operating system asks for: SIGINT and SIGTERM stop the server, SIGUSR1 ends all streams and lets it go on.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

use super::streams::Streams;

/// Obeys signals from now on.
///
/// # Errors
///
/// When the system does not let the process handle its signals.
pub(super) fn listen(streams: &Streams) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut close_all = signal(SignalKind::user_defined1())?;
    let streams = streams.clone();
    tokio::spawn(async move {
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
