//! The direct way of a publish by a program: `POST /topics/NAME` goes to its handler without the router, whose boxed
//! layers take as long as the rest of a publish. The handler is the router's own, and so are the headers of its answers:
//! what the layers add to an answer is taken from them once, at the start.
//!
//! Left to the router is each request for which a layer does more: those of pages of other origins (CORS), and those of
//! clients that name HTML, whose problems are shown as pages, and compressed.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tower::{Layer, Service, service_fn};

use super::router::{self, RouterConfig};
use super::routes::topic;
use super::site::problem_pages::names_html;
use super::state::AppState;

/// A handle to the direct way; clones share it.
#[derive(Clone)]
pub(super) struct DirectPublish(Arc<Shared>);

struct Shared {
    state: AppState,
    config: RouterConfig,
    /// What the router's layers add to each answer.
    headers: HeaderMap,
}

impl DirectPublish {
    pub(super) fn new(state: AppState, config: RouterConfig) -> Self {
        Self(Arc::new(Shared {
            headers: common_headers(&config),
            state,
            config,
        }))
    }

    /// Whether the router would do no more with a request than [`Self::answer`] does.
    pub(super) fn takes<B>(&self, request: &axum::http::Request<B>) -> bool {
        let headers = request.headers();
        *request.method() == Method::POST
            && topic::name_in(request.uri()).is_some()
            && !headers.contains_key(header::ORIGIN)
            && !names_html(headers)
    }

    /// Answers a request that it [takes](Self::takes).
    pub(super) async fn answer(&self, request: Request) -> Response {
        let Shared {
            state,
            config,
            headers,
        } = &*self.0;
        let request = router::prepare(request, config);
        let mut response = topic::post(state, request).await.into_response();
        for (name, value) in headers {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

/// What the router's layers add to an answer if the request does not name an origin.
fn common_headers(config: &RouterConfig) -> HeaderMap {
    let empty = service_fn(async |_: Request| Ok::<_, Infallible>(Response::new(Body::empty())));
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::POST;
    let answered = router::answer_layers(config).layer(empty).call(request);
    // Nothing in it waits.
    match answered.now_or_never() {
        Some(Ok(response)) => response.headers().clone(),
        None => HeaderMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::body::to_bytes;
    use axum::extract::ConnectInfo;
    use axum::http::StatusCode;
    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    use super::*;
    use crate::server::{Server, Settings};

    type Headers = &'static [(&'static str, &'static str)];

    /// Requests: target, headers, body; and the status of the answer.
    const REQUESTS: [(&str, Headers, &str, u16); 14] = [
        ("/topics/a", &[], "x", 200),
        ("/topics/a", &[("content-type", "text/plain")], "x", 200),
        (
            "/topics/a%2Fb%C3%A4?type=news",
            &[("event-keep", "false")],
            "x",
            200,
        ),
        ("/topics/a//b/", &[], "", 200),
        (
            "/topics/a",
            &[("content-type", "application/x-ndjson")],
            "{\"data\":1}\n",
            200,
        ),
        (
            "/topics/a",
            &[("content-type", "application/x-ndjson")],
            "{\"dat\":1}\n",
            400,
        ),
        (
            "/topics/a",
            &[("content-type", "text/event-stream")],
            "data: 1\n\n",
            200,
        ),
        (
            "/topics/a",
            &[("content-type", "multipart/form-data")],
            "x",
            400,
        ),
        ("/topics/%FF", &[], "x", 400),
        ("/topics/a?typ=news", &[], "x", 400),
        ("/topics/a", &[("event-retry", "soon")], "x", 400),
        ("/topics/a", &[("content-encoding", "gzip")], "x", 415),
        ("/topics/a", &[("if-match", "\"other\"")], "x", 412),
        ("/topics/a", &[], "0123456789 0123456789", 413),
    ];

    async fn server(flags: &[&str]) -> (axum::Router, DirectPublish) {
        let arguments = ["fairwind", "--max-body=20B"].iter().chain(flags);
        let arguments = arguments.map(Into::into).collect();
        let settings = Settings::read(arguments, Vec::new()).expect("settings");
        let server = Server::new(settings, CancellationToken::new())
            .await
            .expect("a server");
        let state = server.state(server.settings.addr);
        let config = server.settings.router_config();
        let router = router::router(state.clone(), &config);
        (router, DirectPublish::new(state, config))
    }

    fn request(target: &str, headers: &[(&str, &str)], body: &str) -> Request {
        let mut request = Request::post(target).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let peer = SocketAddr::from(([192, 0, 2, 1], 1_000));
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    }

    /// The status, the headers by name, and the body of a problem.
    async fn read(response: Response) -> (StatusCode, Vec<(String, String)>, Option<String>) {
        let (head, body) = response.into_parts();
        let headers = head.headers.iter();
        let mut headers: Vec<_> = headers
            // The HTTP library adds it where the router did not.
            .filter(|(name, _)| *name != header::CONTENT_LENGTH)
            .map(|(name, value)| (name.to_string(), format!("{value:?}")))
            .collect();
        headers.sort();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        let body = String::from_utf8_lossy(&body).into_owned();
        // A receipt has the id of its event.
        let body = (!head.status.is_success()).then_some(body);
        (head.status, headers, body)
    }

    #[tokio::test]
    async fn the_direct_way_answers_as_the_router_does() {
        let listed = "--allow-origin=https://friend.example";
        for flags in [
            &["--anonymous-publish=on"][..],
            &["--anonymous-publish=on", listed],
            &["--anonymous-publish=off"],
            &["--anonymous-publish=on", "--publish-rate=1/h", listed],
        ] {
            let (router, direct) = server(flags).await;
            for (target, headers, body, status) in REQUESTS {
                let asked = || request(target, headers, body);
                assert!(direct.takes(&asked()), "{target}");
                let Ok(by_router) = router.clone().oneshot(asked()).await;
                let by_router = read(by_router).await;
                let by_itself = read(direct.answer(asked()).await).await;
                if flags.len() < 3 {
                    assert_eq!(by_router, by_itself, "{target} {headers:?} {flags:?}");
                }
                if flags == ["--anonymous-publish=on"] {
                    assert_eq!(by_itself.0.as_u16(), status, "{target} {headers:?}");
                }
                if flags.len() == 3 {
                    assert_eq!(by_itself.0, StatusCode::TOO_MANY_REQUESTS, "{target}");
                }
            }
        }
    }

    #[tokio::test]
    async fn what_a_layer_changes_is_left_to_the_router() {
        let (_, direct) = server(&[]).await;
        let takes = |target, headers| direct.takes(&request(target, headers, "x"));
        assert!(takes("/topics/a", &[("accept", "*/*")]));
        assert!(!takes("/topics/a", &[("origin", "http://localhost")]));
        assert!(!takes("/topics/a", &[("accept", "text/html")]));
        for other in ["/topics", "/topics/", "/topicsa", "/events", "/"] {
            assert!(!takes(other, &[]), "{other}");
        }
        let mut reading = request("/topics/a", &[], "");
        *reading.method_mut() = Method::GET;
        assert!(!direct.takes(&reading));
    }
}
