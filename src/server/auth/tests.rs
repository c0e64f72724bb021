//! What clients may do under which rules.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::feeds::TopicOwners;
use crate::feeds::clock::Clock;
use crate::hub::topic::Topic;

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The rules of a server that listens at `address`, with `change` made to the defaults.
fn access(change: impl Fn(&mut AccessConfig), address: &str) -> AccessPolicy {
    access_with(Vec::new(), change, address)
}

fn with_keys(change: impl Fn(&mut AccessConfig)) -> AccessPolicy {
    let key = VerificationKey::from_secret(SECRET).expect("a key");
    access_with(vec![key], change, LOOPBACK)
}

fn access_with(
    keys: Vec<VerificationKey>,
    change: impl Fn(&mut AccessConfig),
    address: &str,
) -> AccessPolicy {
    let address: std::net::SocketAddr = address.parse().expect("an address");
    let mut config = AccessConfig {
        anonymous_publish: AnonymousPublish::Off,
        read: ReadAccess::Auto,
        ask: AskAccess::Auto,
        has_model: true,
        list_topics: OperatorAccess::Auto,
        metrics: OperatorAccess::Auto,
        is_on_loopback: address.ip().is_loopback(),
        trusted_proxies: [].into(),
        allowed_origins: Vec::new(),
        owners: TopicOwners::of(&[Arc::new(Clock::new(Duration::from_secs(2)))]),
    };
    change(&mut config);
    AccessPolicy::new(config, Keys::new(keys))
}

fn unchanged(_: &mut AccessConfig) {}

fn open(config: &mut AccessConfig) {
    config.anonymous_publish = AnonymousPublish::On;
}

fn local(config: &mut AccessConfig) {
    config.anonymous_publish = AnonymousPublish::Local;
}

fn with_friend(config: &mut AccessConfig) {
    config.allowed_origins = vec![HeaderValue::from_static("https://friend.example")];
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

/// A program of this machine, with these headers.
fn here(headers: &HeaderMap) -> Caller<'_> {
    Caller {
        headers,
        peer: Some(std::net::Ipv4Addr::LOCALHOST.into()),
    }
}

fn status_of(access: &AccessPolicy, caller: &Caller<'_>, topic: &str) -> u16 {
    let topic = Topic::new(topic).expect("a topic");
    access
        .check_publish(caller, &topic)
        .map_or_else(|problem| problem.status.as_u16(), |_| 200)
}

fn status(access: &AccessPolicy, headers: &HeaderMap, topic: &str) -> u16 {
    status_of(access, &here(headers), topic)
}

const LOOPBACK: &str = "127.0.0.1:80";
const NONE: [(&str, &str); 0] = [];
const LOCAL: [(&str, &str); 1] = [("host", "localhost:80")];

#[test]
fn without_a_setting_or_keys_no_client_publishes() {
    for address in [LOOPBACK, "[::1]:80", "0.0.0.0:80"] {
        let by_default = access(unchanged, address);
        assert_eq!(status(&by_default, &headers(&LOCAL), "a"), 403, "{address}");
        let open = access(open, address);
        assert_eq!(status(&open, &headers(&NONE), "a"), 200, "{address}");
    }
}

#[test]
fn local_means_programs_of_this_machine() {
    let host = headers(&LOCAL);
    for address in [LOOPBACK, "[::1]:80"] {
        assert_eq!(status(&access(local, address), &host, "a"), 200);
    }
    for address in ["0.0.0.0:80", "192.168.0.1:80", "[::]:80"] {
        assert_eq!(status(&access(local, address), &host, "a"), 403);
    }
    let access = access(local, LOOPBACK);
    assert_eq!(status(&access, &headers(&NONE), "a"), 403, "no Host");
    let from = |peer: Option<&str>| Caller {
        headers: &host,
        peer: peer.map(|peer| peer.parse().expect("an address")),
    };
    assert_eq!(
        status_of(&access, &from(Some("::ffff:127.0.0.1")), "a"),
        200
    );
    assert_eq!(status_of(&access, &from(Some("192.0.2.1")), "a"), 403);
    assert_eq!(status_of(&access, &from(None), "a"), 403);
}

#[test]
fn what_a_proxy_passes_on_is_not_from_this_machine() {
    let by_default = access(local, LOOPBACK);
    for header in [
        "forwarded",
        "via",
        "x-real-ip",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-anything",
    ] {
        let mut forwarded = headers(&LOCAL);
        forwarded.insert(header, HeaderValue::from_static("203.0.113.7"));
        assert_eq!(status(&by_default, &forwarded, "a"), 403, "{header}");
        let open = access(open, LOOPBACK);
        assert_eq!(status(&open, &forwarded, "a"), 200, "{header}");
    }
    let behind_proxy = |config: &mut AccessConfig| {
        local(config);
        config.trusted_proxies = ["127.0.0.1/32".parse().expect("a network")].into();
    };
    let proxied = access(behind_proxy, LOOPBACK);
    assert_eq!(
        status(&proxied, &headers(&LOCAL), "a"),
        403,
        "whatever a proxy leaves out of its headers"
    );
}

#[test]
fn a_page_whose_name_was_made_to_lead_here_may_not_publish() {
    let access = access(local, LOOPBACK);
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
    let access = with_keys(with_friend);
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
    let access = with_keys(unchanged);
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
    let open = with_keys(open);
    assert_eq!(status(&open, &headers(&NONE), "kitchen"), 200);
    assert_eq!(status(&open, &only_reads, "kitchen"), 200);
}

#[test]
fn only_a_feed_publishes_to_its_topics() {
    let token = bearer(&json!({"exp": get_current_timestamp() + 60, "publish": ["*"]}));
    for access in [with_keys(unchanged), access(open, LOOPBACK)] {
        assert_eq!(status(&access, &token, Topic::clock().as_str()), 403);
    }
}

#[test]
fn a_refusal_says_how_to_get_access() {
    let access = with_keys(unchanged);
    let topic = Topic::new("a").expect("a topic");
    let refusal = |headers: &HeaderMap| {
        use axum::response::IntoResponse;
        let problem = access
            .check_publish(&here(headers), &topic)
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
    let access = with_keys(unchanged);
    let topic = |name| Topic::new(name).expect("a topic");
    let exp = get_current_timestamp() + 60;
    let reader = access
        .reader(&here(&bearer(&json!({"exp": exp, "subscribe": ["a/*"]}))))
        .expect("a reader");
    assert!(reader.may_read_private(&topic("a/b")));
    assert!(!reader.may_read_private(&topic("b")));
    let left = reader.expires_at().expect("an end").at() - Instant::now();
    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(57));
    let anonymous = access.reader(&here(&headers(&NONE))).expect("a reader");
    assert!(!anonymous.may_read_private(&topic("a/b")));
    assert_eq!(anonymous.expires_at(), None);
    let wrong = access.reader(&here(&headers(&[("cookie", "fairwind_token=x")])));
    assert_eq!(wrong.expect_err("a problem").status, 401);
}

#[test]
fn a_page_of_another_origin_cannot_read_with_a_cookie_that_it_does_not_know() {
    let access = with_keys(with_friend);
    let bearer = bearer(&json!({"exp": get_current_timestamp() + 60, "subscribe": ["*"]}));
    let token = bearer[header::AUTHORIZATION].to_str().expect("text");
    let cookie = format!("fairwind_token={}", &token["Bearer ".len()..]);
    let mut by_cookie = HeaderMap::from_iter([
        (header::COOKIE, cookie.parse().expect("a header")),
        (header::HOST, HeaderValue::from_static("a.example")),
    ]);
    assert!(access.reader(&here(&by_cookie)).is_ok(), "no page's script");
    for (origin, may) in [
        ("https://a.example", true),
        ("https://friend.example", true),
        ("https://b.example", false),
    ] {
        by_cookie.insert(header::ORIGIN, HeaderValue::from_static(origin));
        assert_eq!(access.reader(&here(&by_cookie)).is_ok(), may, "{origin}");
    }
    let mut by_header = bearer.clone();
    by_header.insert(
        header::ORIGIN,
        HeaderValue::from_static("https://b.example"),
    );
    assert!(
        access.reader(&here(&by_header)).is_ok(),
        "the page has the token"
    );
}

#[test]
fn without_keys_nothing_can_be_private() {
    assert!(!access(unchanged, LOOPBACK).can_be_private());
    assert!(with_keys(unchanged).can_be_private());
}

fn may_read(access: &AccessPolicy, headers: &HeaderMap, topic: &str) -> u16 {
    let topic = Topic::new(topic).expect("a topic");
    let reader = access.reader(&here(headers)).expect("a reader");
    access
        .authorize_read(&reader, &topic)
        .map_or_else(|problem| problem.status.as_u16(), |()| 200)
}

#[test]
fn keys_close_reading_unless_it_is_public() {
    let none = headers(&NONE);
    let token = bearer(&json!({"exp": get_current_timestamp() + 60, "subscribe": ["a"]}));
    assert_eq!(may_read(&access(unchanged, LOOPBACK), &none, "a"), 200);
    let closed = access(|config| config.read = ReadAccess::Token, LOOPBACK);
    assert_eq!(may_read(&closed, &none, "a"), 403, "there is no key");
    for read in [ReadAccess::Auto, ReadAccess::Token] {
        let with_keys = with_keys(|config| config.read = read);
        assert_eq!(may_read(&with_keys, &none, "a"), 401);
        assert_eq!(may_read(&with_keys, &token, "a"), 200);
        assert_eq!(may_read(&with_keys, &token, "b"), 403);
        assert_eq!(
            may_read(&with_keys, &none, "clock"),
            200,
            "the clock is public"
        );
    }
    assert_eq!(
        may_read(
            &with_keys(|config| config.read = ReadAccess::Public),
            &none,
            "a"
        ),
        200
    );
}

#[test]
fn the_list_of_topics_is_for_this_machine_and_for_tokens() {
    let sees = |access: &AccessPolicy, headers: &HeaderMap, topic| {
        let lister = access
            .authorize_listing(&here(headers))
            .map_err(|problem| problem.status.as_u16())?;
        Ok(lister.sees(&Topic::new(topic).expect("a topic")))
    };
    let (local, elsewhere) = (headers(&LOCAL), headers(&[("host", "a.example")]));
    let by_default = access(unchanged, LOOPBACK);
    assert_eq!(sees(&by_default, &local, "a"), Ok(Some(false)));
    assert_eq!(sees(&by_default, &elsewhere, "a"), Err(403));
    let off_loopback = access(unchanged, "0.0.0.0:80");
    assert_eq!(sees(&off_loopback, &local, "a"), Err(403));
    let open = access(
        |config| config.list_topics = OperatorAccess::On,
        "0.0.0.0:80",
    );
    assert_eq!(sees(&open, &elsewhere, "a"), Ok(Some(false)));
    let closed = access(|config| config.list_topics = OperatorAccess::Off, LOOPBACK);
    assert_eq!(sees(&closed, &local, "a"), Err(403));
    let with_keys = with_keys(unchanged);
    let token = bearer(&json!({"exp": get_current_timestamp() + 60, "subscribe": ["a"]}));
    assert_eq!(sees(&with_keys, &elsewhere, "a"), Err(401));
    assert_eq!(sees(&with_keys, &token, "a"), Ok(Some(true)));
    assert_eq!(sees(&with_keys, &token, "b"), Ok(None));
}

#[test]
fn the_numbers_are_for_this_machine_and_for_tokens_that_read_everything() {
    let status = |access: &AccessPolicy, headers: &HeaderMap| {
        let checked = access.authorize_metrics(&here(headers));
        checked.map_or_else(|problem| problem.status.as_u16(), |()| 200)
    };
    let (local, elsewhere) = (headers(&LOCAL), headers(&[("host", "a.example")]));
    let by_default = access(unchanged, LOOPBACK);
    assert_eq!(status(&by_default, &local), 200);
    assert_eq!(status(&by_default, &elsewhere), 403);
    assert_eq!(
        status(
            &access(|config| config.metrics = OperatorAccess::Off, LOOPBACK),
            &local
        ),
        403
    );
    assert_eq!(
        status(
            &access(|config| config.metrics = OperatorAccess::On, "0.0.0.0:80"),
            &elsewhere
        ),
        200
    );
    let exp = get_current_timestamp() + 60;
    let with_keys = with_keys(unchanged);
    assert_eq!(status(&with_keys, &elsewhere), 401);
    assert_eq!(
        status(
            &with_keys,
            &bearer(&json!({"exp": exp, "subscribe": ["*"]}))
        ),
        200
    );
    assert_eq!(
        status(
            &with_keys,
            &bearer(&json!({"exp": exp, "subscribe": ["a"]}))
        ),
        401
    );
}

#[test]
fn a_model_is_asked_by_clients_that_may_publish_and_the_documentation_by_every_client() {
    let ask = |access: &AccessPolicy, headers: &HeaderMap| {
        let topic = Topic::new("~answers/new").expect("a topic");
        let asked = access.authorize_ask(&here(headers), &topic);
        asked.map_or_else(|problem| problem.status.as_u16(), |()| 200)
    };
    let none = headers(&NONE);
    let may = bearer(&json!({"exp": get_current_timestamp() + 60, "publish": ["~answers/*"]}));
    let may_not = bearer(&json!({"exp": get_current_timestamp() + 60, "publish": ["kitchen"]}));
    let model = with_keys(unchanged);
    assert_eq!(ask(&model, &none), 401);
    assert_eq!(ask(&model, &may), 200);
    assert_eq!(ask(&model, &may_not), 403);
    assert_eq!(ask(&access(unchanged, LOOPBACK), &none), 403, "no key");
    let program = headers(&[("host", "localhost")]);
    assert_eq!(ask(&access(local, LOOPBACK), &program), 200);
    assert_eq!(ask(&access(open, "0.0.0.0:80"), &none), 200);
    let documentation = with_keys(|config| config.has_model = false);
    assert_eq!(ask(&documentation, &none), 200);
    let closed = with_keys(|config| {
        config.has_model = false;
        config.ask = AskAccess::Publishers;
    });
    assert_eq!(ask(&closed, &none), 401);
    assert_eq!(ask(&closed, &may), 200);
    let opened = with_keys(|config| config.ask = AskAccess::On);
    assert_eq!(ask(&opened, &none), 200);
}
