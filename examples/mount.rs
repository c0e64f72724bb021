//! Fairwind inside an axum program, which tells every browser how long it runs: `cargo run --example mount`.
use axum::{Router, response::Html, routing::get};
use fairwind::hub::{publish::PublishRequest, topic::Topic};
use std::{net::SocketAddr, time::Duration};

const PAGE: &str =
    "<p id=t><script>new EventSource('/topics/time').onmessage = e => t.append(e.data)</script>";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let fairwind = fairwind::server::Mount::new(["--clock-interval=off"]).await?;
    let (hub, time) = (fairwind.hub().clone(), Topic::new("time")?);
    tokio::spawn(async move {
        for seconds in 0.. {
            let event = PublishRequest::text(format!("{seconds} s "));
            let _ = hub.publish(&time, event, Default::default()).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let app = Router::new().route("/", get(Html(PAGE)));
    let app = app.merge(fairwind.router());
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, service).await?)
}
