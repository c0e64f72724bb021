//! The peer `axum-broadcast`: axum's own `Sse` on tokio's broadcast channel. GET /stream subscribes, POST /publish sends
//! the body to everybody. The only argument is the address to listen on.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures_util::{Stream, StreamExt, future};
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// How many events a slow reader may be behind before it misses some.
const CAPACITY: usize = 4096;

#[derive(Clone)]
struct Hub {
    events: broadcast::Sender<Arc<(u64, String)>>,
    next_id: Arc<AtomicU64>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("usage: axum-broadcast ADDRESS:PORT")?;
    let hub = Hub {
        events: broadcast::Sender::new(CAPACITY),
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

async fn subscribe(State(hub): State<Hub>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = BroadcastStream::new(hub.events.subscribe())
        .filter_map(|event| future::ready(event.ok()))
        .map(|event| Ok(Event::default().id(event.0.to_string()).data(&event.1)));
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn publish(State(hub): State<Hub>, data: String) -> StatusCode {
    let id = hub.next_id.fetch_add(1, Ordering::Relaxed);
    // It fails if nobody is subscribed, which is no mistake.
    let _ = hub.events.send(Arc::new((id, data)));
    StatusCode::NO_CONTENT
}
