//! Accepts connections and serves each on HTTP/1.1 or HTTP/2. At the end they are given a short time to finish.

use std::io;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

/// How long a client may take for the head of a request, and may wait between two: long enough for a bad line, short
/// enough that idle connections do not pile up.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// How long open connections have to finish when the server stops. The contract is two seconds in all.
const STOP_WITHIN: Duration = Duration::from_millis(1_500);

/// How much is buffered for one connection before its reader must take some, in bytes. It also bounds a request's head.
const CONNECTION_BUFFER_BYTES: usize = 64 * 1_024;

/// How long to wait before accepting again when the system has no more open files or memory to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is cancelled. A connection that takes nothing for `write_timeout` while there is something
/// to write is closed.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    write_timeout: Duration,
    shutdown: CancellationToken,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD_TIMEOUT)
        .max_buf_size(CONNECTION_BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(REQUEST_HEAD_TIMEOUT);
    let graceful = GracefulShutdown::new();
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                pause_if_exhausted(&error).await;
                continue;
            }
        };
        let builder = builder.clone();
        let service = TowerToHyperService::new(router.clone());
        let watcher = graceful.watcher();
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            // Whoever connects and says nothing is not served for ever.
            match shutdown
                .run_until_cancelled(timeout(REQUEST_HEAD_TIMEOUT, socket.readable()))
                .await
            {
                Some(Ok(Ok(()))) => {}
                _ => return,
            }
            let io = TokioIo::new(with_timeouts(socket, write_timeout));
            let connection = builder.serve_connection_with_upgrades(io, service);
            if let Err(error) = watcher.watch(connection.into_owned()).await {
                // A client that goes away, or is too slow, is an ordinary event.
                tracing::debug!("connection ended: {error}");
            }
        });
    }
    drop(listener);
    if timeout(STOP_WITHIN, graceful.shutdown()).await.is_err() {
        tracing::info!("closing the connections that are still open");
    }
}

fn with_timeouts(
    socket: TcpStream,
    write_timeout: Duration,
) -> std::pin::Pin<Box<TimeoutStream<TcpStream>>> {
    // Events are small and wanted at once. A socket that cannot be told so still works.
    let _ = socket.set_nodelay(true);
    let mut socket = TimeoutStream::new(socket);
    socket.set_write_timeout(Some(write_timeout));
    Box::pin(socket)
}

async fn pause_if_exhausted(error: &io::Error) {
    let is_the_clients = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    );
    if !is_the_clients {
        tracing::warn!("cannot accept a connection: {error}");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
