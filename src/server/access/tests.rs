//! Who may do what under which settings.

use std::sync::LazyLock;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The rules under some flags; the address is `127.0.0.1:80` or another.
fn access(flags: &[&str], address: &str) -> Access {
    let arguments = std::iter::once("fairwind").chain(flags.iter().copied());
    let settings =
        Settings::read(arguments.map(Into::into).collect(), Vec::new()).expect("settings");
    let keys = Keys::new(&settings);
    Access::new(&settings, keys, address.parse().expect("an address"))
}

/// Written once for all tests.
static SECRET_FILE: LazyLock<String> = LazyLock::new(|| {
    let path = std::env::temp_dir().join(format!("fairwind-{}-secret", std::process::id()));
    std::fs::write(&path, SECRET).expect("a file in the temporary folder");
    path.to_str().expect("a path in UTF-8").to_owned()
});

fn with_keys(more: &[&str]) -> Access {
    access(
        &[&["--jwt-secret-file", &SECRET_FILE], more].concat(),
        LOOPBACK,
    )
}

fn bearer(claims: &Value) -> HeaderMap {
    let token = encode(
        &Header::new(Algorithm::HS256),
        claims,
        &EncodingKey::from_secret(SECRET),
    )
    .expect("a token");
    HeaderMap::from_iter([(
        header::AUTHORIZATION,
        format!("Bearer {token}").parse().expect("a header"),
    )])
}

/// Headers of a request.
pub(super) fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    lines
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect()
}

fn status(access: &Access, headers: &HeaderMap, topic: &str) -> u16 {
    let topic = Topic::new(topic).expect("a topic");
    access
        .check_publish(headers, &topic)
        .map_or_else(|problem| problem.status.as_u16(), |()| 200)
}

const LOOPBACK: &str = "127.0.0.1:80";
const NONE: [(&str, &str); 0] = [];

#[test]
fn without_keys_only_this_machine_publishes() {
    let none = headers(&NONE);
    assert_eq!(status(&access(&[], LOOPBACK), &none, "a"), 200);
    assert_eq!(status(&access(&[], "[::1]:80"), &none, "a"), 200);
    for address in ["0.0.0.0:80", "192.168.0.1:80", "[::]:80"] {
        assert_eq!(status(&access(&[], address), &none, "a"), 403, "{address}");
        let open = access(&["--anonymous-publish"], address);
        assert_eq!(status(&open, &none, "a"), 200, "{address}");
    }
    let closed = access(&["--anonymous-publish=off"], LOOPBACK);
    assert_eq!(status(&closed, &none, "a"), 403);
}

#[test]
fn what_a_proxy_passes_on_is_not_from_this_machine() {
    let forwarded = headers(&[("x-forwarded-for", "203.0.113.7")]);
    assert_eq!(status(&access(&[], LOOPBACK), &forwarded, "a"), 403);
    let open = access(&["--anonymous-publish=on"], LOOPBACK);
    assert_eq!(status(&open, &forwarded, "a"), 200);
}

#[test]
fn a_page_whose_name_was_made_to_lead_here_may_not_publish() {
    let access = access(&[], LOOPBACK);
    let rebound = [("host", "evil.example"), ("origin", "http://evil.example")];
    assert_eq!(status(&access, &headers(&rebound), "a"), 403);
    let own = [
        ("host", "localhost:8080"),
        ("origin", "http://localhost:8080"),
    ];
    assert_eq!(status(&access, &headers(&own), "a"), 200);
}

#[test]
fn a_page_of_another_origin_may_not_publish_even_with_a_token() {
    let access = with_keys(&["--allow-origin", "https://friend.example"]);
    let mut headers = bearer(&json!({"exp": get_current_timestamp() + 60, "publish": ["*"]}));
    headers.insert(header::HOST, HeaderValue::from_static("a.example"));
    for (origin, expected) in [
        ("https://a.example", 200),
        ("https://friend.example", 200),
        ("https://b.example", 403),
    ] {
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        assert_eq!(status(&access, &headers, "a"), expected, "{origin}");
    }
}

#[test]
fn with_keys_a_token_names_what_may_be_published() {
    let access = with_keys(&[]);
    let exp = get_current_timestamp() + 60;
    let token = bearer(&json!({"exp": exp, "publish": ["kitchen", "orders/*"]}));
    assert_eq!(status(&access, &token, "kitchen"), 200);
    assert_eq!(status(&access, &token, "orders/1"), 200);
    assert_eq!(status(&access, &token, "cellar"), 403);
    assert_eq!(
        status(&access, &headers(&NONE), "kitchen"),
        401,
        "even on loopback"
    );
    let expired = bearer(&json!({"exp": exp - 120, "publish": ["*"]}));
    assert_eq!(status(&access, &expired, "kitchen"), 401);
    let only_reads = bearer(&json!({"exp": exp, "subscribe": ["*"]}));
    assert_eq!(status(&access, &only_reads, "kitchen"), 403);
    let open = with_keys(&["--anonymous-publish=on"]);
    assert_eq!(status(&open, &headers(&NONE), "kitchen"), 200);
    assert_eq!(status(&open, &only_reads, "kitchen"), 200);
}

#[test]
fn nobody_publishes_to_the_clocks_topic() {
    let token = bearer(&json!({"exp": get_current_timestamp() + 60, "publish": ["*"]}));
    for access in [
        with_keys(&[]),
        access(&["--anonymous-publish=on"], LOOPBACK),
    ] {
        assert_eq!(status(&access, &token, Topic::clock().as_str()), 403);
    }
}

#[test]
fn a_refusal_says_how_to_come_in() {
    let access = with_keys(&[]);
    let topic = Topic::new("a").expect("a topic");
    let refusal = |headers: &HeaderMap| {
        use axum::response::IntoResponse;
        let problem = access
            .check_publish(headers, &topic)
            .expect_err("a refusal");
        let response = problem.into_response();
        response.headers()[header::WWW_AUTHENTICATE]
            .to_str()
            .expect("text")
            .to_owned()
    };
    assert_eq!(refusal(&headers(&NONE)), "Bearer realm=\"fairwind\"");
    let wrong = headers(&[("authorization", "Bearer x")]);
    assert!(refusal(&wrong).contains("error=\"invalid_token\""));
    let small = bearer(&json!({"exp": get_current_timestamp() + 60}));
    assert!(refusal(&small).contains("error=\"insufficient_scope\""));
}

#[tokio::test(start_paused = true)]
async fn a_reader_sees_what_its_token_names_until_the_token_ends() {
    let access = with_keys(&[]);
    let topic = |name| Topic::new(name).expect("a topic");
    let exp = get_current_timestamp() + 60;
    let reader = access
        .reader(&bearer(&json!({"exp": exp, "subscribe": ["a/*"]})))
        .expect("a reader");
    assert!(reader.may_read_private(&topic("a/b")));
    assert!(!reader.may_read_private(&topic("b")));
    let left = reader.expires_at().expect("an end").at() - Instant::now();
    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(57));
    let anybody = access.reader(&headers(&NONE)).expect("a reader");
    assert!(!anybody.may_read_private(&topic("a/b")));
    assert_eq!(anybody.expires_at(), None);
    let wrong = access.reader(&headers(&[("cookie", "fairwind_token=x")]));
    assert_eq!(wrong.expect_err("a problem").status, 401);
}

#[test]
fn a_page_of_another_origin_cannot_read_with_a_cookie_that_it_does_not_know() {
    let access = with_keys(&["--allow-origin=https://friend.example"]);
    let bearer = bearer(&json!({"exp": get_current_timestamp() + 60, "subscribe": ["*"]}));
    let token = bearer[header::AUTHORIZATION].to_str().expect("text");
    let cookie = format!("fairwind_token={}", &token["Bearer ".len()..]);
    let mut by_cookie = HeaderMap::from_iter([
        (header::COOKIE, cookie.parse().expect("a header")),
        (header::HOST, HeaderValue::from_static("a.example")),
    ]);
    assert!(access.reader(&by_cookie).is_ok(), "no page's script");
    for (origin, may) in [
        ("https://a.example", true),
        ("https://friend.example", true),
        ("https://b.example", false),
    ] {
        by_cookie.insert(header::ORIGIN, HeaderValue::from_static(origin));
        assert_eq!(access.reader(&by_cookie).is_ok(), may, "{origin}");
    }
    let mut by_header = bearer.clone();
    by_header.insert(
        header::ORIGIN,
        HeaderValue::from_static("https://b.example"),
    );
    assert!(access.reader(&by_header).is_ok(), "the page has the token");
}

#[test]
fn without_keys_nothing_can_be_private() {
    assert!(!access(&[], LOOPBACK).can_be_private());
    assert!(with_keys(&[]).can_be_private());
}
