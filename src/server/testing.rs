//! Calls every parser of input, and every route, with any input, and checks what must hold for it. The fuzz
//! targets in `fuzz/` and the property tests below call the same functions, so that a seed of one is a test of the other.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use futures_util::StreamExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Server, router};
use crate::hub::Hub;
use crate::hub::topic::{MAX_TOPIC_BYTES, Topic};
use crate::protocol::event::{EventId, EventType, MAX_NAME_BYTES};
use crate::protocol::event_stream::{as_read, push_fields, push_id_and_dispatch};
use crate::protocol::event_stream_parser::EventStreamParser;
use crate::protocol::topic_path;
use crate::server::auth::Claims;
use crate::server::direct_publish::DirectPublish;
use crate::server::routes::subscribe::StreamQuery;
use crate::server::routes::topic::publish_body::PublishBody;
use crate::server::settings::Settings;

/// The largest event that the stream parsers are given leave to take here, in bytes.
const MAX_EVENT_BYTES: usize = 1_000;

/// The line that separates two requests to the same server.
const NEXT_REQUEST: &str = "\n---\n";

/// How long an answer may take, and each piece of it that comes at once.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The address that requests come from: one that has no right by itself.
const CLIENT: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    50_000,
);

/// A topic's name from a URL: what is taken leads to a URL that leads back to it.
pub fn topic(bytes: &[u8]) {
    let Ok(topic) = Topic::new(&String::from_utf8_lossy(bytes)) else {
        return;
    };
    assert!((1..=MAX_TOPIC_BYTES).contains(&topic.as_str().len()));
    let path = topic_path(topic.as_str());
    assert!(path.parse::<Uri>().is_ok(), "{path}");
    let name = path.strip_prefix("/topics/").unwrap_or_default();
    assert_eq!(
        percent_encoding::percent_decode_str(name).decode_utf8_lossy(),
        topic.as_str()
    );
}

/// The query of a stream's URL: it is read or refused.
pub fn query(bytes: &[u8]) {
    let query = String::from_utf8_lossy(bytes);
    if let Ok(uri) = format!("/topics/a?{query}").parse::<Uri>()
        && let Ok(query) = StreamQuery::read(&uri)
    {
        let _ = query.start(&Default::default());
    }
}

/// A body in the event stream format, cut into pieces of every size: the cuts change nothing, no event is over the
/// limit, and what has been read can be written and read again.
pub fn event_stream(bytes: &[u8]) {
    let whole = parse(bytes, bytes.len().max(1));
    for size in [1, 2, 7] {
        assert_eq!(parse(bytes, size).0, whole.0);
    }
    for event in whole.0 {
        assert!(event.data.len() <= MAX_EVENT_BYTES);
        let (Ok(id), Ok(event_type)) = (EventId::new("x"), EventType::new(event.event_type)) else {
            continue;
        };
        let mut written = String::new();
        push_fields(&mut written, &event_type, &event.data);
        push_id_and_dispatch(&mut written, &id);
        let (again, _) = parse(written.as_bytes(), written.len());
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].data, as_read(event.data));
    }
    published(PublishBody::event_stream(MAX_EVENT_BYTES), bytes);
}

/// A body of JSON lines: whatever is published could have been published alone.
pub fn ndjson(bytes: &[u8]) {
    published(PublishBody::ndjson(MAX_EVENT_BYTES), bytes);
}

/// The claims of a token: they are read or refused, and grant no topic that they do not name at least the beginning of.
pub fn claims(bytes: &[u8]) {
    let Ok(claims) = serde_json::from_slice::<Claims>(bytes) else {
        return;
    };
    assert!(!claims.exp.is_nan());
    let Ok(topic) = Topic::new("a topic that no claim of these names") else {
        return;
    };
    let names_it =
        |text: &str| text.contains('*') || text.contains('\\') || text.contains(topic.as_str());
    if claims.publish.cover(&topic) || claims.subscribe.cover(&topic) {
        assert!(names_it(&String::from_utf8_lossy(bytes)));
    }
}

/// Requests to one server, one after another: a line `METHOD TARGET`, lines of headers, an empty line, and the body. No
/// request makes a route panic or wait, each answer is well formed, and none is published where publishing is off.
pub fn request(bytes: &[u8]) {
    static SETTINGS: OnceLock<[Settings; 2]> = OnceLock::new();
    let [open, closed] = SETTINGS.get_or_init(|| [settings("on"), settings("off")]);
    let input = String::from_utf8_lossy(bytes);
    let requests = || {
        input
            .split(NEXT_REQUEST)
            .filter_map(|text| read_request(text, bytes))
    };
    if requests().next().is_none() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let Ok(runtime) = runtime else {
        return;
    };
    // Leptos renders on the thread that asks.
    let local = tokio::task::LocalSet::new();
    for (settings, may_publish) in [(open, true), (closed, false)] {
        local.block_on(&runtime, async {
            let Some((router, direct_publish, hub)) = routes(settings.clone()).await else {
                return;
            };
            for request in requests() {
                let (method, target) = (request.method().clone(), request.uri().clone());
                // As a connection does it.
                let answered = async {
                    if direct_publish.takes(&request) {
                        Ok(direct_publish.answer(request).await)
                    } else {
                        router.clone().oneshot(request).await
                    }
                };
                let Ok(Ok(answer)) = timeout(ANSWER_TIME, answered).await else {
                    unreachable!("{method} {target} is not answered");
                };
                let (head, body) = answer.into_parts();
                check_head(&method, &target, head.status, &head.headers);
                read_what_has_come(body.into_data_stream(), &head.headers).await;
            }
            let events: usize = hub
                .topics(|_| Some(true))
                .iter()
                .map(|topic| topic.events)
                .sum();
            assert!(may_publish || events == 0, "published without a right");
        });
    }
}

fn settings(anonymous_publish: &str) -> Settings {
    let arguments = [
        "fairwind".to_owned(),
        format!("--anonymous-publish={anonymous_publish}"),
        format!("--max-body={MAX_EVENT_BYTES}"),
    ];
    match Settings::read(arguments.map(Into::into).into(), Vec::new()) {
        Ok(settings) => settings,
        Err(error) => unreachable!("{error}"),
    }
}

/// The routes of a new server.
async fn routes(settings: Settings) -> Option<(Router, DirectPublish, Hub)> {
    let server = Server::new(settings, CancellationToken::new()).await.ok()?;
    let state = server.state(server.settings.addr);
    let config = server.settings.router_config();
    let router = router::router(state.clone(), &config);
    let direct_publish = DirectPublish::new(state, config);
    Some((router, direct_publish, server.hub.clone()))
}

/// A request, if its method, target and headers are such as HTTP lets through. `all` is where its text is from, for
/// bodies that are not UTF-8.
fn read_request(text: &str, all: &[u8]) -> Option<Request<Body>> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, target) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(method).uri(target);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.header(name, value.trim());
    }
    let is_text = !body.contains(char::REPLACEMENT_CHARACTER);
    let body = if is_text {
        body.as_bytes().to_vec()
    } else {
        all.iter().rev().take(body.len()).rev().copied().collect()
    };
    let mut request = request.body(Body::from(body)).ok()?;
    request.extensions_mut().insert(ConnectInfo(CLIENT));
    Some(request)
}

/// Every error is a problem document, or a page for a browser; none is an internal error.
fn check_head(method: &Method, target: &Uri, status: StatusCode, headers: &HeaderMap) {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map(|content_type| content_type.to_str().unwrap_or_default());
    let is_known = matches!(
        content_type,
        None | Some("application/problem+json") | Some("text/html; charset=utf-8")
    );
    assert!(
        !status.is_client_error() || is_known,
        "{method} {target} is answered by {status} and {content_type:?}"
    );
    let is_refusal = matches!(
        status,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::NOT_IMPLEMENTED
    );
    assert!(
        !status.is_server_error() || is_refusal,
        "{method} {target} is answered by {status}"
    );
}

/// Reads an answer, which is whole or does not break off; of a stream, what comes first.
async fn read_what_has_come(mut body: BodyDataStream, headers: &HeaderMap) {
    let is_stream = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|content_type| content_type == "text/event-stream");
    loop {
        let Ok(piece) = timeout(ANSWER_TIME, body.next()).await else {
            unreachable!("an answer does not come");
        };
        match piece {
            Some(piece) => assert!(piece.is_ok(), "an answer breaks off"),
            None => return,
        }
        if is_stream {
            return;
        }
    }
}

fn parse(
    bytes: &[u8],
    size: usize,
) -> (Vec<crate::protocol::event_stream_parser::ParsedEvent>, bool) {
    let mut parser = EventStreamParser::new(MAX_EVENT_BYTES);
    let mut events = Vec::new();
    let is_whole = bytes
        .chunks(size)
        .all(|piece| parser.feed(piece, &mut events).is_ok());
    (events, is_whole)
}

fn published(mut body: PublishBody, bytes: &[u8]) {
    for piece in bytes.chunks(5) {
        if body.feed(piece).is_err() {
            break;
        }
    }
    let _ = body.finish();
    for publication in body.take().into_iter().flatten() {
        assert!(publication.event_type.as_str().len() <= MAX_NAME_BYTES);
        assert!(
            publication
                .id
                .is_none_or(|id| !id.as_str().starts_with('#'))
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// A target's name, and what it does with its input.
    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 8] = [
        ("topic", topic),
        ("query", query),
        ("event_stream", event_stream),
        ("ndjson", ndjson),
        ("claims", claims),
        ("request", request),
        ("log", crate::hub::log::disk::testing::file),
        ("markdown", crate::app::markdown::testing::markdown),
    ];

    /// What requests are made of.
    const METHODS: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "BREW",
    ];
    const PATHS: [&str; 20] = [
        "/",
        "/events",
        "/events?consumers=event&heartbeat=event",
        "/topics",
        "/topics?topic=a&topic=b&types=event",
        "/topics?topic=a&name=a/x&name=y&presence=event",
        "/chat?room=a",
        "/chat/a",
        "/topics/",
        "/topics/a",
        "/topics/a?last=10&slow_reader=latest",
        "/topics/a?limit=3&before=x",
        "/topics/a?last_event_id=earliest",
        "/topics/a?id=x&type=news&retry=200&keep=false",
        "/topics/%FF",
        "/topics/..",
        "/healthz",
        "/metrics",
        "example.org:80",
        "*",
    ];
    const HEADERS: [&str; 17] = [
        "Accept: text/html",
        "Accept: application/json",
        "Accept: text/event-stream;q=0.1, */*;q=0",
        "Accept-Encoding: gzip, br",
        "Last-Event-ID: #x-1",
        "Last-Event-ID: \u{ff}",
        "Content-Type: text/event-stream",
        "Content-Type: application/x-ndjson",
        "Content-Type: multipart/form-data; boundary=b",
        "Content-Type: multipart/form-data",
        "Content-Type: application/x-www-form-urlencoded",
        "Event-Private: true",
        "Origin: null",
        "Authorization: Bearer e30.e30.",
        "Idempotency-Key: k",
        "If-Match: *, W/\"x\", \"y",
        "X-Forwarded-For: 1.1.1.1, nonsense, ::1",
    ];
    const BODIES: [&str; 7] = [
        "id=1&name=a&text=b",
        "",
        "hello",
        "data: x\nid: y\nevent: end\nretry: 900\n\n",
        "{\"data\":1,\"type\":\"x\"}\n{\"data\":\"\\ud800\"}\n",
        "--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\nx\r\n--b--\r\n",
        "--b\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n\0",
    ];

    /// Requests of every kind, one after another.
    fn requests() -> impl Strategy<Value = String> {
        use prop::sample::select;
        let headers = prop::collection::vec(select(HEADERS.to_vec()), 0..4);
        let request = (
            select(METHODS.to_vec()),
            select(PATHS.to_vec()),
            headers,
            select(BODIES.to_vec()),
        )
            .prop_map(|(method, path, headers, body)| {
                let mut lines = vec![format!("{method} {path}")];
                lines.extend(headers.into_iter().map(str::to_owned));
                format!("{}\n\n{body}", lines.join("\n"))
            });
        prop::collection::vec(request, 1..6).prop_map(|requests| requests.join(NEXT_REQUEST))
    }

    /// Bytes that are rich in what the formats are made of.
    fn input() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "data:",
                "data: ",
                "event:",
                "id:",
                "id: #x-1",
                "retry: 12",
                ":",
                "\n",
                "\r",
                "\r\n",
                "\n\n",
                "\u{feff}",
                "\0",
                "{\"data\":",
                "\"x\"",
                "}",
                ",\"type\":\"end\"",
                ",\"id\":\"a\"",
                "{\"data\":1}\n",
                "{\"exp\":1,\"publish\":[\"",
                "*",
                "\"]}",
                "last=",
                "since=1h",
                "&",
                "=",
                "%ff",
                "%0A",
                "topic=a",
                "last_event_id=",
                "+",
                "#",
                "上",
            ])
            .prop_map(|piece| piece.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..6),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_input_breaks_a_parser(input in input()) {
            for (_, target) in TARGETS {
                target(&input);
            }
        }
    }

    proptest! {
        #[test]
        fn no_request_breaks_a_route(requests in requests()) {
            request(requests.as_bytes());
        }
    }

    #[test]
    fn the_seeds_of_the_fuzz_targets_break_no_parser() {
        for (name, target) in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("fuzz/seeds")
                .join(name);
            let seeds: Vec<_> = std::fs::read_dir(&folder)
                .expect("a folder of seeds")
                .collect();
            assert!(!seeds.is_empty(), "{name} has no seeds");
            for seed in seeds {
                target(&std::fs::read(seed.expect("a seed").path()).expect("a readable seed"));
            }
        }
    }
}
