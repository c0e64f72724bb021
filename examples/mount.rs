//! Fairwind inside an axum program: it tells every browser the time. Run it with `cargo run --example mount`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::{Router, response::Html, routing::get};
use fairwind::hub::publish::{Preconditions, PublishRequest};
use fairwind::hub::topic::Topic;

const PAGE: &str = "<p id=t></p><script>new EventSource('/topics/time').onmessage = e => t.append(e.data)</script>";

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let fairwind = fairwind::server::Mount::new(["--clock-interval=off"])?;
    let (hub, time) = (fairwind.hub().clone(), Topic::new("time").expect("a name"));
    tokio::spawn(async move {
        for seconds in 0.. {
            let event = PublishRequest::text(format!("{seconds} s "));
            let sent = hub.publish(&time, event, Preconditions::default()).await;
            println!(
                "hello has been sent (consumers: {})",
                sent.map_or(0, |sent| sent.subscribers)
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let app = Router::new()
        .route("/", get(Html(PAGE)))
        .merge(fairwind.router());
    let address = std::env::args()
        .nth(1)
        .unwrap_or("127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(
        listener,
        app.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await
}
