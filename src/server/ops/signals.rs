//! Signals of the operating system: SIGINT and SIGTERM stop the server, SIGUSR1 ends all streams and the server goes on,
//! SIGHUP reloads the certificate and the keys.

use std::io::{self, IsTerminal};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::server::ops::supervision::Supervisor;

/// What signals do beside stopping the server.
pub(crate) struct Actions<CloseStreams, Reload> {
    /// Ends all open streams.
    pub(crate) close_streams: CloseStreams,
    /// Reads again what can be changed while the server runs.
    pub(crate) reload: Reload,
}

/// Handles signals from now on, until one of them stops the server by cancelling `shutdown`.
///
/// # Errors
///
/// When the system does not let the process handle its signals.
pub(crate) fn listen(
    supervisor: &Supervisor,
    shutdown: CancellationToken,
    actions: Actions<impl Fn() + Send + 'static, impl Fn() + Send + 'static>,
) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut close_all = signal(SignalKind::user_defined1())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let has_terminal = io::stdin().is_terminal();
    supervisor.spawn("the signals", async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = close_all.recv() => {
                    tracing::info!("ending all streams: their clients reconnect and resume");
                    (actions.close_streams)();
                }
                _ = hang_up.recv() => {
                    // The signal's first meaning: the terminal in which the server was started is gone.
                    if has_terminal && !io::stdin().is_terminal() {
                        break;
                    }
                    (actions.reload)();
                }
            }
        }
        tracing::info!("stopping");
        shutdown.cancel();
    });
    Ok(())
}
