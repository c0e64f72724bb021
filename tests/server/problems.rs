//! Requests that are refused: every one is answered, a program in JSON and a browser with a page.

use tokio::net::TcpStream;

use crate::client::{self, Answer};
use crate::support::{QUIET, TestServer};

const BROWSER: &str =
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

async fn send_raw(server: &TestServer, request: &str) -> Answer {
    let socket = TcpStream::connect(server.address).await;
    client::ask(socket.expect("a connection"), request).await
}

#[tokio::test]
async fn every_method_on_every_route_is_answered_whatever_the_client_accepts() {
    let server = TestServer::start(&QUIET).await;
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "BREW",
    ];
    let targets = [
        "/",
        "/?",
        "//",
        "/events",
        "/events?wrong",
        "/topics",
        "/topics?open=",
        "/topics?open=a",
        "/topics?topic=a",
        "/topics?topic=%FF",
        "/topics/",
        "/topics/a",
        "/topics/a?filter=%FF%00",
        "/topics/clock",
        "/topics/%FF",
        "/topics/..",
        "/help",
        "/healthz",
        "/readyz",
        "/metrics",
        "/favicon.svg",
        "/pkg/fairwind.js",
        "/nothing/here",
        "/%",
        "*",
        "a:80",
        "http://a",
        "http://a/topics/a",
        "http://a?b",
    ];
    let accepts = [
        "",
        "Accept: */*\r\n",
        "Accept: text/html\r\n",
        "Accept: text/html;q=0.1, application/json\r\n",
        "Accept: text/event-stream\r\n",
        "Accept: application/json\r\n",
        "Accept: image/png\r\n",
        "Accept:\r\n",
        "Accept: html;;q=,/,\u{e9}\r\nAccept: text/html\r\n",
    ];
    for method in methods {
        for target in targets {
            for accept in accepts {
                let request = format!(
                    "{method} {target} HTTP/1.1\r\nHost: a\r\n{accept}Content-Length: 0\r\n\r\n"
                );
                let answer = send_raw(&server, &request).await;
                assert_ne!(answer.status, 500, "{request}");
                if answer.status >= 400 && method != "HEAD" {
                    let expected = if accept.contains("text/html\r") {
                        "text/html; charset=utf-8"
                    } else {
                        "application/problem+json"
                    };
                    // What hyper itself cannot read has no body.
                    if let Some(content_type) = answer.header("content-type") {
                        assert_eq!(content_type, expected, "{request}");
                    } else {
                        assert_eq!(answer.header("content-length"), Some("0"), "{request}");
                    }
                }
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_browser_is_shown_a_page_that_says_what_is_wrong_and_what_to_do() {
    let server = TestServer::start(&["--clock-interval=1h", "--max-body=100B"]).await;
    let refused = async |method: &str, target: &str, header: &str, body: &str| {
        let headers = [BROWSER, "Host: b.example", header];
        client::send_body(server.address, method, target, &headers, body.as_bytes()).await
    };
    let foreign = "Sec-Fetch-Site: cross-site";
    let any = "X-Any: 1";
    for (method, target, header, body, status, expected) in [
        ("GET", "/nothing", any, "", 404, "/topics/NAME"),
        ("GET", "/topics/%2E%2E", any, "", 400, "segment"),
        ("POST", "/topics/a", foreign, "x", 403, "another origin"),
        ("POST", "/events", any, "x", 405, "GET or HEAD"),
        (
            "POST",
            "/topics/a",
            any,
            &"x".repeat(101),
            413,
            "at most 100 bytes",
        ),
    ] {
        let answer = refused(method, target, header, body).await;
        assert_eq!(answer.status, status, "{target}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("content-security-policy").is_some());
        assert_eq!(answer.header("allow").is_some(), status == 405);
        let html = answer.text().await;
        for expected in [expected, &format!(">{status}</p>"), "href=\"/\""] {
            assert!(html.contains(expected), "{target}: {expected}: {html}");
        }
        let leads_back = html.contains("href=\"/topics/a\"");
        assert_eq!(leads_back, target == "/topics/a", "{target}");
    }
}

#[tokio::test]
async fn a_program_is_told_where_something_is() {
    let server = TestServer::start(&QUIET).await;
    for target in ["/nothing", "/topics/"] {
        let answer = client::get(server.address, target).await;
        assert_eq!(answer.status, 404);
        let text = answer.text().await;
        assert!(text.contains("/topics/NAME") && text.contains("/events"));
    }
}

#[tokio::test]
async fn a_page_is_refused_to_a_token_that_is_not_accepted_and_says_what_to_do() {
    let flags = [
        &*crate::access::secret_flag("problems"),
        "--clock-interval=1h",
        "--publish-rate=1/h",
    ];
    let server = TestServer::start(&flags).await;
    let headers = [BROWSER, "Cookie: fairwind_token=nonsense"];
    let answer = client::send(server.address, "GET", "/topics/a", &headers).await;
    assert_eq!(answer.status, 401);
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("invalid_token"));
    let html = answer.text().await;
    assert!(html.contains("cookie fairwind_token"), "{html}");

    let post =
        async || client::send_body(server.address, "POST", "/topics/a", &[BROWSER], b"x").await;
    assert_eq!(post().await.status, 401);
    let answer = post().await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").is_some());
    assert!(answer.text().await.contains("Wait a moment"));
}
