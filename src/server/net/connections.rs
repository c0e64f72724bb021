//! Accepts connections and serves each on HTTP/1.1 or HTTP/2, with or without TLS. Nothing that a client leaves undone
//! keeps a connection for ever. At the end they are given a short time to finish.
//!
//! A route answers with a stream; this decides how it is written. On HTTP/1.1 its socket is reclaimed from the HTTP library
//! when the stream's opening has been written, and given to a writer thread, which has many; so is a WebSocket's after the
//! handshake. On HTTP/2, and for clients that speak HTTP/1.0, the stream becomes the body of the answer.
//!
//! What travels in the extensions of a request: `ConnectInfo`, from which the router makes a `ClientAddress`, and a `BodyObserver` of one
//! that has a body. Of an answer: [`OpenStream`], and the detail of a problem.
//!
//! * `reclaim`: a socket that can be reclaimed
//! * `rest`: what a request that is answered early has left of its body
//! * `activity`: what the streams of one HTTP/2 connection are doing

mod activity;
mod reclaim;
mod rest;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use axum::response::IntoResponse;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::Level;

use self::activity::{Activity, Verdict};
use self::reclaim::ReclaimableSocket;
use crate::server::direct_publish::DirectPublish;
use crate::server::http::client_address::{
    ClientAddress, TrustedProxies, X_FORWARDED_FOR, is_trusted,
};
use crate::server::http::pieces;
use crate::server::http::problem::Reported;
use crate::server::http::request_head;
use crate::server::limits::connections::{ConnectionLimiter, ConnectionPermit};
use crate::server::limits::streams::StreamRegistry;
use crate::server::net::tls::Tls;
use crate::server::net::writers::{NewStream, Writers};
use crate::server::ops::metrics::Metrics;
use crate::server::ops::notices;
use crate::server::ops::supervision::Supervisor;
use crate::server::stream::wire::{OpenStream, Opened};

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

/// How long the answer to an HTTP/2 ping may take, which is sent after a silence of `--request-timeout`.
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait before accepting again when the system has no more open files or memory to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What an HTTP/2 connection without TLS begins with; RFC 9113, section 3.4.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first pause before looking again at a preface that has not arrived as a whole. It doubles each time.
const PREFACE_PAUSE: Duration = Duration::from_millis(5);

/// A stream on its way from the HTTP library to a writer.
#[derive(Clone, Default)]
struct Handoff(Arc<HandoffState>);

#[derive(Default)]
struct HandoffState {
    opened: Mutex<Option<Opened>>,
    /// The library has taken the opening, and asked for more.
    is_opened: AtomicBool,
}

/// The body of a stream that goes to a writer: its opening, and then nothing more.
struct OpeningBody {
    opening: Bytes,
    handoff: Handoff,
}

/// What a writer goes on with.
struct HandedOff<S> {
    socket: S,
    opened: Opened,
    received: Bytes,
}

/// A socket that can leave the runtime.
trait LeavesRuntime {
    fn leave(self) -> io::Result<(std::net::TcpStream, Option<Box<ServerConnection>>)>;
}

impl LeavesRuntime for TcpStream {
    fn leave(self) -> io::Result<(std::net::TcpStream, Option<Box<ServerConnection>>)> {
        Ok((self.into_std()?, None))
    }
}

impl LeavesRuntime for TlsStream<TcpStream> {
    fn leave(self) -> io::Result<(std::net::TcpStream, Option<Box<ServerConnection>>)> {
        let (socket, session) = self.into_inner();
        Ok((socket.into_std()?, Some(Box::new(session))))
    }
}

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
    pub(crate) direct_publish: DirectPublish,
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
    routes: Arc<Routes>,
    tls: Option<Tls>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    /// How long a client may take for a request's head, a handshake, and between two requests.
    request_timeout: Duration,
    /// How long a client may take nothing of what waits for it.
    write_timeout: Duration,
    writers: Writers,
    shutdown: CancellationToken,
}

/// What answers requests.
struct Routes {
    router: Router,
    direct_publish: DirectPublish,
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
                connections.spawn(Arc::clone(&server).connection(socket, peer, permit));
            }
        }
    };
    tokio::join!(accepting, server.writers.follow_closing(streams, shutdown));
    drop(listener);
    connections.close();
    server.writers.end_all(Instant::now() + STOP_WITHIN);
    let finished = async {
        // Until then a connection may hand a stream to a writer, which has to end it properly.
        connections.wait().await;
        server.writers.stop().await;
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
            // A device that has vanished answers no ping.
            .keep_alive_interval(config.request_timeout)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .max_header_list_size(HEADER_LIST_BYTES)
            .initial_stream_window_size(RECEIVE_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(CONNECTION_BUFFER_BYTES);
        Ok(Self {
            routes: Arc::new(Routes {
                router: service.router.clone(),
                direct_publish: service.direct_publish.clone(),
                trusted: Arc::clone(&config.trusted_proxies),
            }),
            tls: service.tls.clone(),
            http1,
            http2,
            request_timeout: config.request_timeout,
            write_timeout: config.socket_timeout,
            writers: Writers::start(&service.supervisor, &service.metrics)?,
            shutdown: service.shutdown.clone(),
        })
    }

    /// One connection from its first byte to its last, or until a writer takes it over.
    async fn connection(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        permit: ConnectionPermit,
    ) {
        let served = match &self.tls {
            None => self.serve_plain(socket, peer, permit).await,
            Some(tls) => self.serve_tls(tls, socket, peer, permit).await,
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
        permit: ConnectionPermit,
    ) -> Result<(), BoxError> {
        let Some(protocol) = self.beginning(protocol_of(&socket)).await? else {
            return Ok(());
        };
        let socket = prepared(socket);
        match protocol {
            Protocol::Http2 => self.serve_http2(socket, peer).await,
            Protocol::Http1 => {
                self.serve_http1(socket, peer, permit, HalfClosed::Waits)
                    .await
            }
        }
    }

    async fn serve_tls(
        &self,
        tls: &Tls,
        socket: TcpStream,
        peer: SocketAddr,
        permit: ConnectionPermit,
    ) -> Result<(), BoxError> {
        let Some(socket) = self.beginning(tls.accept(prepared(socket))).await? else {
            return Ok(());
        };
        match socket.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.serve_http2(socket, peer).await,
            // A client that does not say what it speaks, speaks HTTP/1.1.
            _ => {
                self.serve_http1(socket, peer, permit, HalfClosed::Goes)
                    .await
            }
        }
    }

    /// What a connection begins with, or nothing when the server stops before. The server closes a connection whose
    /// client sends nothing, or half of a beginning, for too long.
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

    /// Serves until the connection ends, or a writer goes on with it.
    async fn serve_http1<S>(
        &self,
        socket: S,
        peer: SocketAddr,
        permit: ConnectionPermit,
        half_closed: HalfClosed,
    ) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + LeavesRuntime + Unpin + Send + 'static,
    {
        let socket = ReclaimableSocket::new(socket, self.write_timeout);
        let Some(handed_off) = self.serve_requests(socket, peer, half_closed).await? else {
            return Ok(());
        };
        let mut socket = handed_off.socket;
        match handed_off.opened {
            Opened::Stream(stream) => {
                let (socket, tls) = socket.leave()?;
                self.writers.take_over(NewStream {
                    socket,
                    tls,
                    stream,
                    received: handed_off.received,
                    permit,
                });
            }
            Opened::Farewell(frame) => {
                let written = async {
                    socket.write_all(&frame).await?;
                    socket.shutdown().await
                };
                timeout(self.write_timeout, written).await??;
            }
        }
        Ok(())
    }

    async fn serve_requests<S>(
        &self,
        socket: ReclaimableSocket<S>,
        peer: SocketAddr,
        half_closed: HalfClosed,
    ) -> Result<Option<HandedOff<S>>, BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let routes = Arc::clone(&self.routes);
        let state = socket.state();
        let handoff = Handoff::default();
        let (socket_state, for_answers) = (state.clone(), handoff.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let answering = (half_closed == HalfClosed::Waits).then(|| socket_state.begin_answer());
            let has_body = !request.body().is_end_stream();
            if has_body {
                let observer = socket_state.body_observer();
                request.extensions_mut().insert(observer);
            }
            let version = request.version();
            let waits_to_send = request.headers().contains_key(header::EXPECT);
            let state = has_body.then(|| socket_state.clone());
            let answered = answer(Arc::clone(&routes), peer, request);
            let handoff = for_answers.clone();
            async move {
                let mut response = answered.await?;
                if let Some(rest) = state.and_then(|state| state.take_rest())
                    && (waits_to_send || !rest::read(rest).await)
                {
                    // The library closes the connection, and a client is to know before it sends the next request.
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                // A short answer is written before anything is read again. That the reader of a stream has gone has to be
                // seen while it is open.
                if let Some(opened) = take_opened(&mut response) {
                    drop(answering);
                    response = handoff.answer(response, opened, version);
                } else if response.body().size_hint().exact().is_some() {
                    drop(answering);
                } else {
                    response = response.map(|body| pieces::with(body, answering));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut connection = self.http1.serve_connection(TokioIo::new(socket), service);
        let mut stopping = pin!(self.shutdown.cancelled());
        let mut is_stopping = false;
        std::future::poll_fn(|context| {
            loop {
                let mut connection = Pin::new(&mut connection);
                if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                    return Poll::Ready(ended);
                }
                if handoff.is_opened() && state.is_flushed() {
                    return Poll::Ready(Ok(()));
                }
                if is_stopping || stopping.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                is_stopping = true;
                connection.graceful_shutdown();
            }
        })
        .await?;
        Ok(handoff.take().map(|opened| {
            let parts = connection.into_parts();
            HandedOff {
                socket: parts.io.into_inner().into_inner(),
                opened,
                received: parts.read_buf,
            }
        }))
    }

    /// On HTTP/2 the socket alone does not show whether a client is there: it may answer every ping and ask for nothing,
    /// or take nothing of one stream while it takes others.
    async fn serve_http2<S>(&self, socket: S, peer: SocketAddr) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let socket = ReclaimableSocket::new(socket, self.write_timeout);
        let activity = Activity::new(self.request_timeout, self.write_timeout);
        let routes = Arc::clone(&self.routes);
        let watching = activity.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let request_is_open = watching.begin();
            let answered = answer(Arc::clone(&routes), peer, request);
            async move {
                let mut response = answered.await?;
                let mut stall_limit = None;
                if let Some(Opened::Stream(mut stream)) = take_opened(&mut response) {
                    stream.note_response(Version::HTTP_2, &response, false);
                    stall_limit = Some(stream.socket_timeout());
                    response = response.map(|_| stream.into_body());
                }
                Ok::<_, Infallible>(response.map(|body| request_is_open.watch(body, stall_limit)))
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

/// What becomes of a client that says that it sends no more while its request is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HalfClosed {
    /// It waits for the answer, and gets it.
    Waits,
    /// It goes: inside TLS that is what the end means.
    Goes,
}

fn take_opened(response: &mut Response<Body>) -> Option<Opened> {
    response.extensions_mut().remove::<OpenStream>()?.take()
}

impl Handoff {
    /// The answer with which a stream begins.
    fn answer(
        &self,
        mut response: Response<Body>,
        mut opened: Opened,
        version: Version,
    ) -> Response<Body> {
        if let Opened::Stream(stream) = &mut opened
            && !stream.is_websocket()
        {
            // Before HTTP/1.1 there are no chunks.
            if version != Version::HTTP_11 {
                stream.note_response(version, &response, false);
                return response.map(|body| match opened {
                    Opened::Stream(stream) => stream.into_body(),
                    Opened::Farewell(_) => body,
                });
            }
            // The connection ends with the stream.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
            stream.note_response(version, &response, true);
            let opening = stream.take_opening();
            let handoff = self.clone();
            response = response.map(|_| Body::new(OpeningBody { opening, handoff }));
        } else if let Opened::Stream(stream) = &mut opened {
            stream.note_response(version, &response, false);
        }
        *self.lock() = Some(opened);
        response
    }

    fn is_opened(&self) -> bool {
        self.0.is_opened.load(Ordering::Relaxed)
    }

    /// What is to be gone on with, now that the library is done.
    fn take(&self) -> Option<Opened> {
        let opened = self.lock().take()?;
        match &opened {
            // One whose opening has not been written has lost its client.
            Opened::Stream(stream) if !stream.is_websocket() && !self.is_opened() => None,
            _ => Some(opened),
        }
    }

    /// Never held across an await.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Opened>> {
        self.0.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for OpeningBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let opening = std::mem::take(&mut self.opening);
        if opening.is_empty() {
            // The connection sees it when the library has written what it has.
            self.handoff.0.is_opened.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(opening))))
    }
}

async fn answer(
    routes: Arc<Routes>,
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
    let origin = Origin::of(&request, peer, &routes.trusted);
    let mut answered = match request_head::check(&request) {
        Ok(()) if routes.direct_publish.takes(&request) => {
            Ok(routes.direct_publish.answer(request).await)
        }
        Ok(()) => routes.router.clone().oneshot(request).await,
        Err(problem) => Ok(problem.into_response()),
    };
    if let Ok(response) = &mut answered
        && let Some(reported) = response.extensions_mut().remove::<Reported>()
    {
        notice_refusal(
            response.status(),
            &reported.detail,
            &origin,
            peer,
            &routes.trusted,
        );
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
    /// What the client's proxies say of it, if the nearest is trusted.
    forwarded: HeaderMap,
}

impl Origin {
    fn of(request: &Request<Body>, peer: SocketAddr, trusted: &TrustedProxies) -> Self {
        let path = request.uri().path_and_query().cloned();
        let forwarded = is_trusted(peer.ip(), trusted).then(|| {
            let values = request.headers().get_all(X_FORWARDED_FOR).iter();
            values.map(|value| (X_FORWARDED_FOR, value.clone()))
        });
        Self {
            method: request.method().clone(),
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            forwarded: forwarded.into_iter().flatten().collect(),
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
/// reader takes something, however slowly, and a reader that skips to the newest event gets there. A socket that refuses
/// these options still works.
fn prepared(socket: TcpStream) -> TcpStream {
    let _ = socket.set_nodelay(true);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket2::SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES);
    socket
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
