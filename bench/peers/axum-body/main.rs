//! The peer `axum-body`: axum with a body made by hand. An event is encoded once, and every reader's body gets the same
//! bytes from a broadcast channel. GET /stream subscribes, POST /publish sends the body to everybody. The only argument
//! is the address to listen on.

use std::convert::Infallible;
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
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// How many events a slow reader may be behind before it misses some.
const CAPACITY: usize = 4096;

#[derive(Clone)]
struct Hub {
    frames: broadcast::Sender<Bytes>,
    next_id: Arc<AtomicU64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("usage: axum-body ADDRESS:PORT")?;
    let hub = Hub {
        frames: broadcast::Sender::new(CAPACITY),
        next_id: Arc::default(),
    };
    let app = Router::new()
        .route("/stream", get(subscribe))
        .route("/publish", post(publish))
        .with_state(hub);
    let listener = TcpListener::bind(address).await?.tap_io(|socket| {
        // Without this an event may wait for the last one's acknowledgement.
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
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
