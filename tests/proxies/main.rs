//! The reverse proxies of `docs/deploy.md`: real nginx and real Caddy, with the very blocks that the document shows, in
//! front of the binary. A proxy that is not installed is skipped with a line that says so.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, unreachable_pub)]

#[path = "../shared/binary.rs"]
mod binary;
#[allow(dead_code)]
#[path = "../server/client.rs"]
mod client;
#[allow(dead_code)]
#[path = "../shared/document.rs"]
mod document;
#[path = "../server/parser.rs"]
mod parser;
mod proxy;
mod tls;

use std::net::Ipv4Addr;
use std::path::Path;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use h2::RecvStream;
use http::Request;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use self::binary::Binary;
use self::client::PATIENCE;
use self::proxy::{Configuration, Program, Proxy};

const PUBLISH_WITHOUT_TOKEN: &str = "--anonymous-publish=on";

/// A server, and a proxy in front of it.
struct Site {
    server: Binary,
    proxy: Proxy,
}

/// Each of these is a test for each proxy.
macro_rules! behind_each_proxy {
    ($($test:ident),* $(,)?) => {
        mod nginx {
            $(#[tokio::test]
            async fn $test() {
                if let Some(path) = super::Program::Nginx.find(stringify!($test)) {
                    super::$test(super::Program::Nginx, &path).await;
                }
            })*
        }
        mod caddy {
            $(#[tokio::test]
            async fn $test() {
                if let Some(path) = super::Program::Caddy.find(stringify!($test)) {
                    super::$test(super::Program::Caddy, &path).await;
                }
            })*
        }
    };
}

behind_each_proxy!(
    publishing_needs_a_token_by_default,
    publishing_needs_a_token_if_only_programs_of_this_machine_may_publish,
    publishing_needs_a_token_by_default_behind_a_careless_proxy,
    topics_and_metrics_are_not_listed_by_default,
    each_client_has_limits_of_its_own,
    http_2_is_offered,
    an_event_passes_before_the_next_is_published,
    a_websocket_passes_in_both_directions,
    a_large_streamed_publish_passes_event_by_event,
    the_page_knows_its_own_address,
);

async fn publishing_needs_a_token_by_default(program: Program, path: &Path) {
    let site = Site::start(program, path, &[]).await;
    site.refuses_to_publish().await;
}

async fn publishing_needs_a_token_if_only_programs_of_this_machine_may_publish(
    program: Program,
    path: &Path,
) {
    let site = Site::start(program, path, &["--anonymous-publish=local"]).await;
    site.refuses_to_publish().await;
    // Nor does it depend on the line that names the proxy.
    let server = Binary::start(&["--anonymous-publish=local"], &[]).await;
    let proxy = Proxy::start(program, path, Configuration::Documented, server.address).await;
    Site { server, proxy }.refuses_to_publish().await;
}

async fn publishing_needs_a_token_by_default_behind_a_careless_proxy(
    program: Program,
    path: &Path,
) {
    let server = Binary::start(&[], &[]).await;
    let proxy = Proxy::start(program, path, Configuration::Careless, server.address).await;
    let answer = client::get(proxy.address, "/healthz").await;
    assert_eq!(answer.status, 200, "the proxy reaches the server");
    for host in ["example.org", "localhost", "127.0.0.1"] {
        for (method, body) in [("POST", "x"), ("PUT", "data: x\n\n"), ("DELETE", "")] {
            let request = request(method, "/topics/open", host, body);
            let socket = TcpStream::connect(proxy.address)
                .await
                .expect("a connection");
            let answer = client::ask(socket, &request).await;
            let status = answer.status;
            assert!(
                matches!(status, 401 | 403),
                "{method} with Host: {host} got {status}: {}",
                answer.text().await
            );
        }
    }
}

async fn topics_and_metrics_are_not_listed_by_default(program: Program, path: &Path) {
    let site = Site::start(program, path, &[]).await;
    for target in ["/topics", "/metrics"] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json, text/plain, application/openmetrics-text\r\n\r\n"
        );
        let socket = site.connect_from(Ipv4Addr::LOCALHOST, "http/1.1").await;
        let status = client::ask(socket, &request).await.status;
        assert!(matches!(status, 401 | 403), "{target} got {status}");
    }
}

async fn each_client_has_limits_of_its_own(program: Program, path: &Path) {
    let flags = [PUBLISH_WITHOUT_TOKEN, "--publish-rate=1/h"];
    let site = Site::start(program, path, &flags).await;
    let publish = async |from: Ipv4Addr, header: &str| {
        let head = format!(
            "POST /topics/a HTTP/1.1\r\nHost: localhost\r\n{header}Content-Length: 1\r\n\r\nx"
        );
        let socket = site.connect_from(from, "http/1.1").await;
        client::ask(socket, &head).await.status
    };
    let (one, other) = (Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3));
    assert_eq!(publish(one, "").await, 200);
    assert_eq!(publish(one, "").await, 429);
    let forged = "X-Forwarded-For: 198.51.100.7\r\nForwarded: for=198.51.100.7\r\n";
    assert_eq!(
        publish(one, forged).await,
        429,
        "a client cannot choose its address"
    );
    assert_eq!(publish(other, "").await, 200);
}

async fn http_2_is_offered(program: Program, path: &Path) {
    let site = Site::start(program, path, &[]).await;
    let mut client = site
        .proxy
        .certificate
        .connect_http2(site.proxy.address)
        .await;
    let mut streams = Vec::new();
    // More than a browser opens over HTTP/1.1.
    for _ in 0..20 {
        streams.push(open(&mut client, "/topics/a").await);
    }
    for stream in &mut streams {
        read_until(stream, "\nid: ").await;
    }
}

async fn an_event_passes_before_the_next_is_published(program: Program, path: &Path) {
    let site = Site::start(program, path, &[PUBLISH_WITHOUT_TOKEN]).await;
    let mut client = site
        .proxy
        .certificate
        .connect_http2(site.proxy.address)
        .await;
    let mut over_http_2 = open(&mut client, "/topics/a").await;
    read_until(&mut over_http_2, "\nid: ").await;
    let socket = site.connect_from(Ipv4Addr::LOCALHOST, "http/1.1").await;
    let request = request("GET", "/topics/a", "localhost", "");
    let mut over_http_1 = client::ask(socket, &request).await;
    assert_eq!(over_http_1.status, 200);
    read_part_until(&mut over_http_1, "\nid: ").await;
    for event in ["first", "second", "third"] {
        client::send_body(
            site.server.address,
            "POST",
            "/topics/a",
            &[],
            event.as_bytes(),
        )
        .await;
        read_until(&mut over_http_2, &format!("data: {event}\n")).await;
        read_part_until(&mut over_http_1, &format!("data: {event}\n")).await;
    }
}

async fn a_websocket_passes_in_both_directions(program: Program, path: &Path) {
    let site = Site::start(program, path, &[PUBLISH_WITHOUT_TOKEN]).await;
    let socket = site.connect_from(Ipv4Addr::LOCALHOST, "http/1.1").await;
    let request = "wss://localhost/topics/a"
        .into_client_request()
        .expect("a request");
    let (mut socket, response) = tokio_tungstenite::client_async(request, socket)
        .await
        .expect("a WebSocket");
    assert_eq!(response.status(), 101);
    let sent = Frame::text("{\"data\":\"hello\"}");
    socket.send(sent).await.expect("the frame is taken");
    loop {
        let frame = timeout(PATIENCE, socket.next()).await.expect("in time");
        let Frame::Text(text) = frame.expect("another frame").expect("a whole frame") else {
            continue;
        };
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        if frame["data"] == "hello" {
            break;
        }
    }
}

async fn a_large_streamed_publish_passes_event_by_event(program: Program, path: &Path) {
    // Larger than nginx takes of a body by default, and than the server takes of one event.
    const EVENTS: usize = 40;
    const EVENT_BYTES: usize = 100_000;
    let site = Site::start(program, path, &[PUBLISH_WITHOUT_TOKEN]).await;
    let address = site.server.address;
    let mut reader = client::events(address, "/topics/a", &[]).await;
    reader.read_opening().await;
    let mut pass = async |data: &str, number: usize| {
        let seen = reader.next().await.data;
        assert_eq!(seen, data, "event {number} passes before the next is sent");
    };
    let event = |number: usize| format!("{number} {}", "x".repeat(EVENT_BYTES));

    let mut client = site
        .proxy
        .certificate
        .connect_http2(site.proxy.address)
        .await;
    let request = Request::put("https://localhost/topics/a")
        .body(())
        .expect("a request");
    let (answer, mut body) = client.send_request(request, false).expect("it is taken");
    for number in 0..EVENTS {
        let data = event(number);
        let bytes = Bytes::from(format!("data: {data}\n\n"));
        body.send_data(bytes, false).expect("it is taken");
        pass(&data, number).await;
    }
    body.send_data(Bytes::new(), true).expect("it is taken");
    let answer = timeout(PATIENCE, answer)
        .await
        .expect("in time")
        .expect("an answer");
    assert_eq!(answer.status(), 200);

    let mut socket = site.connect_from(Ipv4Addr::LOCALHOST, "http/1.1").await;
    let head = "PUT /topics/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    socket
        .write_all(head.as_bytes())
        .await
        .expect("it is taken");
    for number in 0..EVENTS {
        let data = event(number);
        let piece = format!("data: {data}\n\n");
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        socket
            .write_all(chunk.as_bytes())
            .await
            .expect("it is taken");
        socket.flush().await.expect("it is sent");
        pass(&data, number).await;
    }
    let answer = client::ask(socket, "0\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    let receipt: Value = serde_json::from_str(&answer.text().await).expect("JSON");
    assert_eq!(receipt["published"], EVENTS);
}

async fn the_page_knows_its_own_address(program: Program, path: &Path) {
    let site = Site::start(program, path, &[]).await;
    let socket = site.connect_from(Ipv4Addr::LOCALHOST, "http/1.1").await;
    let host = format!("localhost:{}", site.proxy.address.port());
    let request =
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    let page = client::ask(socket, &request).await.text().await;
    assert!(page.contains(&format!("https://{host}/events")), "{page}");
}

impl Site {
    /// A server with these flags and the variables that the documentation sets, behind a proxy as it is documented.
    async fn start(program: Program, path: &Path, flags: &[&str]) -> Self {
        let variables = proxy::variables();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let server = Binary::start(flags, &variables).await;
        let proxy = Proxy::start(program, path, Configuration::Documented, server.address).await;
        Self { server, proxy }
    }

    async fn connect_from(
        &self,
        address: Ipv4Addr,
        protocol: &str,
    ) -> tokio_rustls::client::TlsStream<TcpStream> {
        let certificate = &self.proxy.certificate;
        certificate
            .connect(address, self.proxy.address, &[protocol])
            .await
    }

    /// No method and no host that a client of the proxy may name lets it publish.
    async fn refuses_to_publish(&self) {
        // Caddy passes nothing on for a host that it does not know; nginx does.
        for host in [
            "localhost".to_owned(),
            format!("localhost:{}", self.proxy.address.port()),
        ] {
            for (method, body) in [("POST", "x"), ("PUT", "data: x\n\n"), ("DELETE", "")] {
                let socket = self.connect_from(Ipv4Addr::LOCALHOST, "http/1.1").await;
                let answer =
                    client::ask(socket, &request(method, "/topics/open", &host, body)).await;
                let status = answer.status;
                assert!(
                    matches!(status, 401 | 403),
                    "{method} with Host: {host} got {status}: {}",
                    answer.text().await
                );
            }
        }
    }
}

fn request(method: &str, target: &str, host: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn open(client: &mut h2::client::SendRequest<Bytes>, target: &str) -> RecvStream {
    let request = Request::get(format!("https://localhost{target}"))
        .body(())
        .expect("a request");
    let (response, _) = client.send_request(request, true).expect("it is taken");
    let response = timeout(PATIENCE, response).await.expect("in time");
    let response = response.expect("an answer");
    assert_eq!(response.status(), 200);
    response.into_body()
}

async fn read_until(body: &mut RecvStream, wanted: &str) {
    let mut text = String::new();
    while !text.contains(wanted) {
        let chunk = timeout(PATIENCE, body.data()).await;
        let chunk = chunk
            .unwrap_or_else(|_| panic!("{wanted:?} does not come, but {text:?}"))
            .expect("an open stream")
            .expect("an unbroken one");
        body.flow_control()
            .release_capacity(chunk.len())
            .expect("capacity");
        text += std::str::from_utf8(&chunk).expect("UTF-8");
    }
}

async fn read_part_until(answer: &mut client::Answer, wanted: &str) {
    let mut text = String::new();
    while !text.contains(wanted) {
        let part = timeout(PATIENCE, answer.part()).await;
        let part = part
            .unwrap_or_else(|_| panic!("{wanted:?} does not come, but {text:?}"))
            .expect("an unbroken stream")
            .expect("an open stream");
        text += std::str::from_utf8(&part).expect("UTF-8");
    }
}
