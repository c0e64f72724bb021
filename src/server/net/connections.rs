//! Accepts connections and serves each on HTTP/1.1 or HTTP/2, with or without TLS. Nothing that a client leaves undone
//! keeps a connection for ever. At the end they are given a short time to finish.
//!
//! The socket of an event stream that is plain HTTP/1.1 is taken back from the HTTP library when the stream's beginning has
//! been written, and given to a writer, which has many.
//!
//! * `lent`: a socket that can be taken back
//! * `activity`: what the streams of one HTTP/2 connection are doing

mod activity;
mod lent;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::Level;

use self::activity::{Activity, Verdict};
use self::lent::{Answers, Lender, lend};
use crate::server::http::client_address::{ClientAddress, TrustedProxies, X_FORWARDED_FOR};
use crate::server::http::pieces;
use crate::server::http::problem::Detail;
use crate::server::http::request_head;
use crate::server::limits::connections::ConnectionLimiter;
use crate::server::limits::streams::StreamRegistry;
use crate::server::net::guard::ConnectionGuard;
use crate::server::net::tls::Tls;
use crate::server::net::writers::Writers;
use crate::server::ops::metrics::Metrics;
use crate::server::ops::notices;
use crate::server::ops::supervision::Supervisor;
use crate::server::stream::sse::{EventStream, Patience, Transfer};

/// How long open connections have to finish when the server stops. The contract is two seconds in all.
const STOP_WITHIN: Duration = Duration::from_millis(1_500);

/// How much is buffered for one connection before its reader must take some, in bytes; on HTTP/2, for one stream. It
/// also bounds what a request's head takes while it arrives.
const CONNECTION_BUFFER_BYTES: usize = request_head::MAX_HEAD_BYTES;

/// The same as a number of the type that HTTP/2 wants.
const HEADER_LIST_BYTES: u32 = 32 * 1_024;

/// How much of a body a client may send on HTTP/2 before the server reads it, in bytes: of one request, and of all requests
/// on a connection.
const RECEIVE_WINDOW_BYTES: u32 = 64 * 1_024;
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1_024;

/// How much a socket takes before it has been sent, in bytes; what has been sent and not acknowledged comes on top.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 64 * 1_024;

/// How many requests may be open at once on one HTTP/2 connection: some hundred tabs of one browser, since a refused
/// stream waits there without a word.
const STREAMS_PER_CONNECTION: u32 = 256;

/// How long to wait before accepting again when the system has no more open files or memory to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What an HTTP/2 connection without TLS begins with; RFC 9113, section 3.4.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first pause before looking again at a preface that has not arrived as a whole. It doubles each time.
const PREFACE_PAUSE: Duration = Duration::from_millis(5);

/// How long clients may take, and which proxies are trusted.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionConfig {
    /// For a request's head, a handshake, and between two requests.
    pub(crate) request_timeout: Duration,
    /// How long a socket may take nothing of what waits for it.
    pub(crate) socket_timeout: Duration,
    pub(crate) trusted_proxies: TrustedProxies,
}

/// What connections are served with.
pub(crate) struct Service {
    pub(crate) router: Router,
    pub(crate) tls: Option<Tls>,
    pub(crate) config: ConnectionConfig,
    pub(crate) limiter: ConnectionLimiter,
    pub(crate) streams: StreamRegistry,
    pub(crate) supervisor: Supervisor,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: CancellationToken,
}

/// What all connections share.
struct Server {
    router: Router,
    tls: Option<Tls>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    /// How long a client may take for a request's head, a handshake, and between two requests.
    request_timeout: Duration,
    /// How long a client may take nothing of what waits for it.
    write_timeout: Duration,
    writers: Writers,
    shutdown: CancellationToken,
    trusted: TrustedProxies,
}

enum Protocol {
    Http1,
    Http2,
}

/// Serves until the service's shutdown.
///
/// # Errors
///
/// When there are no threads to write event streams.
pub(crate) async fn serve(listener: TcpListener, service: Service) -> io::Result<()> {
    let (limiter, streams) = (&service.limiter, &service.streams);
    let shutdown = &service.shutdown;
    let server = Arc::new(Server::new(&service)?);
    let connections = TaskTracker::new();
    let guards = TaskTracker::new();
    let accepting = async {
        while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause_if_exhausted(&error).await;
                    continue;
                }
            };
            // Closed without a word: for an EventSource any answer but 200 would be the end, and this is not.
            if let Some(permit) = limiter.admit(peer.ip()) {
                let guard = ConnectionGuard::new(permit, guards.token());
                connections.spawn(Arc::clone(&server).connection(socket, peer, guard));
            }
        }
    };
    tokio::join!(accepting, server.writers.end_when_told(streams, shutdown));
    drop(listener);
    connections.close();
    guards.close();
    server.writers.end_all(Instant::now() + STOP_WITHIN);
    let finished = async {
        // Until then a connection may hand a stream to a writer, which has to end it properly.
        connections.wait().await;
        server.writers.stop().await;
        // And what has left HTTP for a task of its own.
        guards.wait().await;
    };
    if timeout(STOP_WITHIN, finished).await.is_err() {
        tracing::info!("closing the connections that are still open");
    }
    Ok(())
}

/// Prepares a thread that will serve connections: the HTTP library renders the date once for each thread and again when
/// the clock has gone on. If it had to do so for the first time when the clock was set to before 1970, it would panic.
pub(crate) fn prepare_thread() {
    let (socket, _) = tokio::io::duplex(1);
    let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty())));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    let mut context = Context::from_waker(Waker::noop());
    // It ends at once, since nothing is at its other end.
    let _ = pin!(connection).poll(&mut context);
}

impl Server {
    fn new(service: &Service) -> io::Result<Self> {
        let config = &service.config;
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(config.request_timeout)
            .max_buf_size(CONNECTION_BUFFER_BYTES);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(config.request_timeout)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .max_header_list_size(HEADER_LIST_BYTES)
            .initial_stream_window_size(RECEIVE_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(CONNECTION_BUFFER_BYTES);
        Ok(Self {
            router: service.router.clone(),
            tls: service.tls.clone(),
            http1,
            http2,
            request_timeout: config.request_timeout,
            write_timeout: config.socket_timeout,
            writers: Writers::start(&service.supervisor, &service.metrics)?,
            shutdown: service.shutdown.clone(),
            trusted: Arc::clone(&config.trusted_proxies),
        })
    }

    /// One connection from its first byte to its last, or until a writer takes it over.
    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        guard: ConnectionGuard,
    ) {
        let served = match &self.tls {
            None => self.serve_plain(socket, peer, guard).await,
            Some(tls) => self.serve_tls(tls, socket, peer, guard).await,
        };
        if let Err(error) = served {
            // A client that goes away, or is too slow, is an ordinary event.
            tracing::debug!(%peer, "connection ended: {error}");
        }
    }

    async fn serve_plain(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        guard: ConnectionGuard,
    ) -> Result<(), BoxError> {
        let Some(protocol) = self.beginning(protocol_of(&socket)).await? else {
            return Ok(());
        };
        let (lender, lent) = lend(prepared(socket));
        let socket = with_timeouts(lent, self.write_timeout);
        match protocol {
            Protocol::Http2 => self.serve_http2(socket, peer).await,
            Protocol::Http1 => {
                let served = self.serve_http1(socket, peer, &guard, Some(&lender));
                if let Some(stream) = served.await? {
                    self.writers.take_over(lender.take_back()?, stream, guard);
                }
                Ok(())
            }
        }
    }

    async fn serve_tls(
        &self,
        tls: &Tls,
        socket: TcpStream,
        peer: SocketAddr,
        guard: ConnectionGuard,
    ) -> Result<(), BoxError> {
        let socket = with_timeouts(prepared(socket), self.write_timeout);
        let Some(socket) = self.beginning(tls.accept(socket)).await? else {
            return Ok(());
        };
        match socket.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.serve_http2(socket, peer).await,
            // A client that does not say what it speaks, speaks HTTP/1.1.
            _ => self.serve_http1(socket, peer, &guard, None).await.map(drop),
        }
    }

    /// What a connection begins with, or nothing when the server stops before. Whoever connects and says nothing, or
    /// half a word, is not served for ever.
    async fn beginning<T>(
        &self,
        read: impl Future<Output = io::Result<T>>,
    ) -> Result<Option<T>, BoxError> {
        match self
            .shutdown
            .run_until_cancelled(timeout(self.request_timeout, read))
            .await
        {
            Some(in_time) => Ok(Some(in_time??)),
            None => Ok(None),
        }
    }

    /// Serves until the connection ends, or until a stream is to be written by a writer: that stream is given back, and
    /// its socket has been let go.
    async fn serve_http1<S>(
        &self,
        socket: S,
        peer: SocketAddr,
        guard: &ConnectionGuard,
        lender: Option<&Lender>,
    ) -> Result<Option<Box<EventStream>>, BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (router, trusted) = (self.router.clone(), Arc::clone(&self.trusted));
        let guard = guard.clone();
        let transfer = Arc::new(OnceLock::<Transfer>::new());
        let wanted = lender.map(|_| Arc::clone(&transfer));
        let answers = lender.map(Lender::answers);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(guard.clone());
            let answering = answers.as_ref().and_then(Answers::begin);
            if let Some(answers) = &answers
                && !request.body().is_end_stream()
            {
                request.extensions_mut().insert(answers.body_observer());
            }
            // Before HTTP/1.1 there are no chunks.
            let wanted = wanted
                .clone()
                .filter(|_| request.version() == Version::HTTP_11);
            let answered = answer(router.clone(), Arc::clone(&trusted), peer, request);
            async move {
                let mut response = answered.await?;
                if let Some(wanted) = wanted
                    && let Some(transfer) = response.extensions_mut().remove::<Transfer>()
                {
                    // A connection has at most one stream, since it ends with it.
                    wanted.get_or_init(|| transfer).want();
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                // A short answer is written before anything is read again. That the reader of a stream has gone has to be
                // seen while it is open.
                let is_stream = response.extensions_mut().remove::<Patience>().is_some();
                if is_stream || response.body().size_hint().exact().is_some() {
                    drop(answering);
                } else {
                    response = response.map(|body| pieces::with(body, answering));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = self
            .http1
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut stopping = pin!(self.shutdown.cancelled());
        let mut is_stopping = false;
        std::future::poll_fn(|context| {
            loop {
                if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                    return Poll::Ready(ended.map(|()| None).map_err(Into::into));
                }
                // A stream is given while its beginning is on the way, and taken when that has arrived in the socket.
                if lender.is_some_and(Lender::is_flushed)
                    && let Some(stream) = transfer.get().and_then(Transfer::take)
                {
                    return Poll::Ready(Ok(Some(stream)));
                }
                if is_stopping || stopping.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                is_stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        })
        .await
    }

    /// On HTTP/2 the socket alone does not show whether a client is there: it may answer every ping and ask for nothing,
    /// or take nothing of one stream while it takes others.
    async fn serve_http2<S>(&self, socket: S, peer: SocketAddr) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new(self.request_timeout, self.write_timeout);
        let (router, trusted) = (self.router.clone(), Arc::clone(&self.trusted));
        let watching = activity.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let request_is_open = watching.begin();
            let answered = answer(router.clone(), Arc::clone(&trusted), peer, request);
            async move {
                let mut response = answered.await?;
                let patience = response.extensions_mut().remove::<Patience>();
                let patience = patience.map(|Patience(patience)| patience);
                Ok::<_, Infallible>(response.map(|body| request_is_open.watch(body, patience)))
            }
        });
        let connection = self.http2.serve_connection(TokioIo::new(socket), service);
        tokio::pin!(connection);
        let mut is_ending = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => return Ok(ended?),
                () = self.shutdown.cancelled(), if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = sleep(activity.look_again_after()) => match activity.verdict() {
                    Verdict::Fine => {}
                    Verdict::Idle if is_ending => return Err("it was idle and did not go away".into()),
                    Verdict::Idle => {
                        is_ending = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    // Its other streams come back and resume; there is no way to end this one alone.
                    Verdict::Stalled => return Err("one of its streams took nothing for too long".into()),
                },
            }
        }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

async fn answer(
    router: Router,
    trusted: TrustedProxies,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    // HTTP/2 names the host in the URL. Here it is looked for where HTTP/1.1 has it.
    let authority = request
        .uri()
        .authority()
        .and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        request
            .headers_mut()
            .entry(header::HOST)
            .or_insert(authority);
    }
    let asked =
        tracing::enabled!(Level::DEBUG).then(|| (request.method().clone(), request.uri().clone()));
    let origin = Origin::of(&request);
    let mut answered = match request_head::check(&request) {
        Ok(()) => router.oneshot(request).await,
        Err(problem) => Ok(problem.into_response()),
    };
    if let Ok(response) = &mut answered
        && let Some(Detail(detail)) = response.extensions_mut().remove::<Detail>()
    {
        notice_refusal(response.status(), &detail, &origin, peer, &trusted);
    }
    if let (Some((method, uri)), Ok(response)) = (asked, &answered) {
        tracing::debug!(%peer, %method, %uri, status = response.status().as_u16(), "answered");
    }
    answered
}

/// What has to be known of a request to write about its refusal in the log.
struct Origin {
    method: Method,
    path: PathAndQuery,
    forwarded: HeaderMap,
}

impl Origin {
    fn of(request: &Request<Body>) -> Self {
        let forwarded = request.headers().get_all(X_FORWARDED_FOR).iter();
        let path = request.uri().path_and_query().cloned();
        Self {
            method: request.method().clone(),
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            // Of most requests it is empty, and takes no memory.
            forwarded: forwarded
                .map(|value| (X_FORWARDED_FOR, value.clone()))
                .collect(),
        }
    }
}

fn notice_refusal(
    status: StatusCode,
    detail: &str,
    origin: &Origin,
    peer: SocketAddr,
    trusted: &TrustedProxies,
) {
    if let Some(kind) = notices::Kind::of(status) {
        let client = ClientAddress::of(peer.ip(), &origin.forwarded, trusted);
        let Origin { method, path, .. } = origin;
        kind.notice(Some(client), || {
            format!("{} for {method} {path}: {detail}", status.as_u16())
        });
    }
}

/// What the client speaks without TLS; who knows beforehand that this is an HTTP/2 server begins with its preface.
async fn protocol_of(socket: &TcpStream) -> io::Result<Protocol> {
    let mut beginning = [0; HTTP2_PREFACE.len()];
    let mut pause = PREFACE_PAUSE;
    loop {
        let length = socket.peek(&mut beginning).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !HTTP2_PREFACE.starts_with(&beginning[..length]) {
            return Ok(Protocol::Http1);
        }
        if length == HTTP2_PREFACE.len() {
            return Ok(Protocol::Http2);
        }
        // The rest is on its way, as a rule. The socket is readable already, so there is nothing else to wait for.
        sleep(pause).await;
        pause *= 2;
    }
}

/// Events are small and wanted at once. And a socket shall hold back no more than it has to: then it shows soon that its
/// reader takes something, however slowly, and a reader that skips to the newest event gets there. A socket that cannot
/// be told so still works.
fn prepared(socket: TcpStream) -> TcpStream {
    let _ = socket.set_nodelay(true);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES);
    socket
}

fn with_timeouts<S: AsyncRead + AsyncWrite>(
    socket: S,
    write_timeout: Duration,
) -> std::pin::Pin<Box<TimeoutStream<S>>> {
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
        sleep(ACCEPT_PAUSE).await;
    }
}
