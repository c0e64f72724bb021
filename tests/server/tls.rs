//! HTTP/2, with TLS and without, and what TLS needs beside it: a certificate that can be changed, and an end for clients
//! that stall.

use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::certificate::Certificate;
use crate::client::{self, PATIENCE};
use crate::support::{QUIET, TestServer};

async fn tcp(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.address)
        .await
        .expect("a connection")
}

/// An HTTP/2 client; the task ends with the connection.
async fn http2(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let (client, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
    let client = client.ready().await.expect("a ready connection");
    (client, tokio::spawn(connection))
}

async fn get(client: &mut SendRequest<Bytes>, target: &str) -> (u16, RecvStream) {
    let request = Request::get(format!("https://localhost{target}"))
        .body(())
        .expect("a request");
    let (response, _) = client.send_request(request, true).expect("it is taken");
    let response = timeout(PATIENCE, response)
        .await
        .expect("in time")
        .expect("an answer");
    (response.status().as_u16(), response.into_body())
}

/// Reads until the text is there, and makes room for more.
async fn read_until(body: &mut RecvStream, wanted: &str) {
    let mut text = String::new();
    while !text.contains(wanted) {
        let chunk = timeout(PATIENCE, body.data()).await.expect("in time");
        let chunk = chunk.expect("an open stream").expect("an unbroken one");
        body.flow_control()
            .release_capacity(chunk.len())
            .expect("capacity");
        text += std::str::from_utf8(&chunk).expect("UTF-8");
    }
}

#[tokio::test]
async fn who_knows_beforehand_speaks_http_2_without_tls() {
    let server = TestServer::start(&QUIET).await;
    let (mut client, _connection) = http2(tcp(&server).await).await;
    let mut streams = Vec::new();
    // More than a browser opens on HTTP/1.1.
    for _ in 0..20 {
        let (status, body) = get(&mut client, "/events").await;
        assert_eq!(status, 200);
        streams.push(body);
    }
    server.until(|server| server.consumers() == 20).await;
    server.publish("to all of them");
    for body in &mut streams {
        read_until(body, "data: to all of them\n").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn tls_offers_http_2_and_http_1() {
    let certificate = Certificate::new("both");
    let server = certificate.server(&[]).await;
    let socket = certificate
        .connect(tcp(&server).await, "h2")
        .await
        .expect("TLS");
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, _connection) = http2(socket).await;
    let (status, mut body) = get(&mut client, "/events").await;
    assert_eq!(status, 200);
    read_until(&mut body, "\nid: ").await;
    server.publish("over TLS");
    read_until(&mut body, "data: over TLS\n").await;
    let mut socket = certificate
        .connect(tcp(&server).await, "http/1.1")
        .await
        .expect("TLS");
    socket
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .expect("it is taken");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn pages_name_the_scheme_by_which_they_were_reached() {
    let certificate = Certificate::new("scheme");
    let proxied = "X-Forwarded-Proto: https\r\n";
    let direct = "";
    let (trusted, other) = ("--trusted-proxy=127.0.0.0/8", "--trusted-proxy=10.0.0.0/8");
    for (is_tls, flag, header, scheme) in [
        (true, "--clock-interval=1h", direct, "https"),
        (false, "--clock-interval=1h", direct, "http"),
        (false, "--clock-interval=1h", proxied, "https"),
        (false, trusted, proxied, "https"),
        (false, other, proxied, "http"),
    ] {
        let request = |path: &str| {
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n{header}\r\n")
        };
        let server = if is_tls {
            certificate.server(&[]).await
        } else {
            TestServer::start(&[flag]).await
        };
        let mut pages = Vec::new();
        for path in ["/", "/topics/a", "/help"] {
            let socket = tcp(&server).await;
            let answer = if is_tls {
                let socket = certificate.connect(socket, "http/1.1").await.expect("TLS");
                client::ask(socket, &request(path)).await
            } else {
                client::ask(socket, &request(path)).await
            };
            pages.push(answer.text().await);
        }
        for html in pages {
            assert!(
                html.contains(&format!("{scheme}://localhost/")),
                "{flag} {header}"
            );
            let wrong = if scheme == "http" {
                "https://"
            } else {
                "http://"
            };
            let foreign = html.replace("http://www.w3.org", "");
            assert!(!foreign.contains(wrong), "{flag} {header}: {html}");
        }
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let certificate = Certificate::new("handshake");
    let server = certificate.server(&["--request-timeout", "300ms"]).await;
    for beginning in [&b""[..], &[22, 3, 1, 2, 0, 1], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut socket = tcp(&server).await;
        socket.write_all(beginning).await.expect("it is taken");
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, socket.read_to_end(&mut rest))
            .await
            .expect("an end");
    }
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_disconnected_over_tls_too() {
    let certificate = Certificate::new("slow");
    let server = certificate.server(&["--write-timeout", "200ms"]).await;
    let mut socket = certificate
        .connect(tcp(&server).await, "http/1.1")
        .await
        .expect("TLS");
    socket
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .expect("it is taken");
    server.until(|server| server.consumers() == 1).await;
    for _ in 0..32 {
        server.publish("x".repeat(512 * 1_024));
    }
    server.until(|server| server.consumers() == 0).await;
}

#[tokio::test]
async fn on_http_2_a_stream_that_nobody_reads_does_not_stay() {
    // The first chunk that finds no room is taken off the stream all the same; the next shows that nobody reads.
    let server = TestServer::start(&[
        "--clock-interval=1h",
        "--write-timeout=200ms",
        "--heartbeat=200ms",
    ])
    .await;
    let (mut client, connection) = http2(tcp(&server).await).await;
    let (_, _never_read) = get(&mut client, "/events").await;
    server.until(|server| server.consumers() == 1).await;
    server.publish("x".repeat(512 * 1_024));
    server.until(|server| server.consumers() == 0).await;
    assert!(
        timeout(PATIENCE, connection).await.is_ok(),
        "its connection is closed"
    );
}

#[tokio::test]
async fn an_idle_http_2_connection_is_closed_however_it_answers_pings() {
    let server = TestServer::start(&["--clock-interval=1h", "--request-timeout=300ms"]).await;
    let (mut client, connection) = http2(tcp(&server).await).await;
    let (status, body) = get(&mut client, "/events").await;
    assert_eq!(status, 200);
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert!(!connection.is_finished(), "a silent stream is no idleness");
    drop(body);
    timeout(PATIENCE, connection)
        .await
        .expect("an end")
        .expect("no panic")
        .expect("a clean end");
}

#[tokio::test]
async fn sighup_changes_the_certificate_and_leaves_connections_alone() {
    let mut certificate = Certificate::new("sighup");
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_fairwind"))
        .args(["--addr=127.0.0.1:0", "--clock-interval=100ms"])
        .args(certificate.flags())
        .current_dir(std::env::temp_dir())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
    let mut log = BufReader::new(child.stderr.take().expect("standard error")).lines();
    let line = lines.next_line().await.expect("readable").expect("a line");
    let address = line
        .strip_prefix("listening on https://")
        .expect("the line that scripts wait for")
        .to_owned();
    let connect = async || TcpStream::connect(&address).await.expect("a connection");
    let id = child.id().expect("a running process").to_string();
    let mut hang_up = async |wanted: &str| {
        let status = tokio::process::Command::new("kill")
            .args(["-HUP", &id])
            .status()
            .await;
        assert!(status.expect("kill runs").success());
        let reading = async {
            while let Some(line) = log.next_line().await.expect("a log") {
                if line.contains(wanted) {
                    return;
                }
            }
        };
        timeout(PATIENCE, reading).await.expect("a line in the log");
    };
    let socket = certificate
        .connect(connect().await, "h2")
        .await
        .expect("TLS");
    let (mut client, _connection) = http2(socket).await;
    let (_, mut body) = get(&mut client, "/events").await;
    certificate.renew();
    hang_up("new connections get the certificate").await;
    certificate
        .connect(connect().await, "h2")
        .await
        .expect("the new certificate");
    std::fs::write(&certificate.chain_file, "nonsense").expect("a file");
    hang_up("the old certificate stays").await;
    certificate
        .connect(connect().await, "h2")
        .await
        .expect("still the new certificate");
    for _ in 0..3 {
        read_until(&mut body, "data: ").await;
    }
}
