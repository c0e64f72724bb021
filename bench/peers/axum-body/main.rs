//! The peer `axum-body`: axum with a body made by hand. An event is encoded once, and every reader's body gets the same
//! bytes from a broadcast channel. GET /stream subscribes, POST /publish sends the body to everybody. The
//! arguments are the address to listen on and, for HTTPS with HTTP/1.1 and HTTP/2, the files with the certificate and its
//! key.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use futures_util::{StreamExt, future, stream};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_stream::wrappers::BroadcastStream;

/// How many events a slow reader may be behind before it misses some.
const CAPACITY: usize = 4096;

#[derive(Clone)]
struct Hub {
    frames: broadcast::Sender<Bytes>,
    next_id: Arc<AtomicU64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (address, files) = arguments
        .split_first()
        .ok_or("usage: axum-body ADDRESS:PORT [CERTIFICATE KEY]")?;
    let hub = Hub {
        frames: broadcast::Sender::new(CAPACITY),
        next_id: Arc::default(),
    };
    let app = Router::new()
        .route("/stream", get(subscribe))
        .route("/publish", post(publish))
        .with_state(hub);
    let listener = TcpListener::bind(address).await?;
    if let [certificate, key] = files {
        return serve_tls(listener, app, certificate, key).await;
    }
    let listener = listener.tap_io(|socket| {
        // Without this an event may wait for the last one's acknowledgement.
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}

async fn serve_tls(
    listener: TcpListener,
    app: Router,
    certificate: &str,
    key: &str,
) -> Result<(), Box<dyn Error>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    loop {
        let (socket, _) = listener.accept().await?;
        let _ = socket.set_nodelay(true);
        let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(app.clone()));
        tokio::spawn(async move {
            // A handshake or a connection that fails is the client's loss.
            if let Ok(socket) = acceptor.accept(socket).await {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            }
        });
    }
}

async fn subscribe(State(hub): State<Hub>) -> Response {
    let welcome = stream::iter([Bytes::from_static(b": welcome\n\n")]);
    let frames =
        BroadcastStream::new(hub.frames.subscribe()).filter_map(|frame| future::ready(frame.ok()));
    let body = Body::from_stream(welcome.chain(frames).map(Ok::<_, Infallible>));
    let head = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (head, body).into_response()
}

async fn publish(State(hub): State<Hub>, data: String) -> StatusCode {
    let id = hub.next_id.fetch_add(1, Ordering::Relaxed);
    // It fails if nobody is subscribed, which is no mistake.
    let _ = hub
        .frames
        .send(Bytes::from(format!("id: {id}\ndata: {data}\n\n")));
    StatusCode::NO_CONTENT
}
