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
    // Not the repository's own file, which is for development.
    let arguments = ["fairwind", "--config=/dev/null"].into_iter();
    let arguments = arguments.chain(flags.iter().copied());
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

/// A program of this machine, with these headers.
fn here(headers: &HeaderMap) -> Caller<'_> {
    Caller {
        headers,
        peer: Some(std::net::Ipv4Addr::LOCALHOST.into()),
    }
}

fn status_of(access: &Access, caller: &Caller<'_>, topic: &str) -> u16 {
    let topic = Topic::new(topic).expect("a topic");
    access
        .check_publish(caller, &topic)
        .map_or_else(|problem| problem.status.as_u16(), |_| 200)
}

fn status(access: &Access, headers: &HeaderMap, topic: &str) -> u16 {
    status_of(access, &here(headers), topic)
}

const LOOPBACK: &str = "127.0.0.1:80";
const NONE: [(&str, &str); 0] = [];
const LOCAL: [(&str, &str); 1] = [("host", "localhost:80")];
const LOCAL_PUBLISH: &[&str] = &["--anonymous-publish=local"];

#[test]
fn without_a_setting_or_keys_no_client_publishes() {
    for address in [LOOPBACK, "[::1]:80", "0.0.0.0:80"] {
        let by_default = access(&[], address);
        assert_eq!(status(&by_default, &headers(&LOCAL), "a"), 403, "{address}");
        let open = access(&["--anonymous-publish"], address);
        assert_eq!(status(&open, &headers(&NONE), "a"), 200, "{address}");
    }
}

#[test]
fn local_means_programs_of_this_machine() {
    let local = headers(&LOCAL);
    for flag in ["--anonymous-publish=local", "--anonymous-publish=auto"] {
        assert_eq!(status(&access(&[flag], LOOPBACK), &local, "a"), 200);
        assert_eq!(status(&access(&[flag], "[::1]:80"), &local, "a"), 200);
    }
    for address in ["0.0.0.0:80", "192.168.0.1:80", "[::]:80"] {
        assert_eq!(status(&access(LOCAL_PUBLISH, address), &local, "a"), 403);
    }
    let access = access(LOCAL_PUBLISH, LOOPBACK);
    assert_eq!(status(&access, &headers(&NONE), "a"), 403, "no Host");
    let from = |peer: Option<&str>| Caller {
        headers: &local,
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
    let access_with = |flags: &[&str]| access(&[LOCAL_PUBLISH, flags].concat(), LOOPBACK);
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
        assert_eq!(status(&access_with(&[]), &forwarded, "a"), 403, "{header}");
        let open = access(&["--anonymous-publish=on"], LOOPBACK);
        assert_eq!(status(&open, &forwarded, "a"), 200, "{header}");
    }
    let proxied = access_with(&["--trusted-proxy=127.0.0.1"]);
    assert_eq!(
        status(&proxied, &headers(&LOCAL), "a"),
        403,
        "whatever a proxy leaves out of its headers"
    );
}

#[test]
fn a_page_whose_name_was_made_to_lead_here_may_not_publish() {
    let access = access(LOCAL_PUBLISH, LOOPBACK);
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
    let access = with_keys(&[]);
    let topic = |name| Topic::new(name).expect("a topic");
    let exp = get_current_timestamp() + 60;
    let reader = access
        .reader(&here(&bearer(&json!({"exp": exp, "subscribe": ["a/*"]}))))
        .expect("a reader");
    assert!(reader.may_read_private(&topic("a/b")));
    assert!(!reader.may_read_private(&topic("b")));
    let left = reader.expires_at().expect("an end").at() - Instant::now();
    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(57));
    let anybody = access.reader(&here(&headers(&NONE))).expect("a reader");
    assert!(!anybody.may_read_private(&topic("a/b")));
    assert_eq!(anybody.expires_at(), None);
    let wrong = access.reader(&here(&headers(&[("cookie", "fairwind_token=x")])));
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
    assert!(!access(&[], LOOPBACK).can_be_private());
    assert!(with_keys(&[]).can_be_private());
}

fn may_read(access: &Access, headers: &HeaderMap, topic: &str) -> u16 {
    let topic = Topic::new(topic).expect("a topic");
    let reader = access.reader(&here(headers)).expect("a reader");
    access
        .check_read(&reader, &topic)
        .map_or_else(|problem| problem.status.as_u16(), |()| 200)
}

#[test]
fn keys_close_reading_unless_it_is_public() {
    let none = headers(&NONE);
    let token = bearer(&json!({"exp": get_current_timestamp() + 60, "subscribe": ["a"]}));
    assert_eq!(may_read(&access(&[], LOOPBACK), &none, "a"), 200);
    let closed = access(&["--read=token"], LOOPBACK);
    assert_eq!(may_read(&closed, &none, "a"), 403, "there is no key");
    for flags in [&[][..], &["--read=token"]] {
        let with_keys = with_keys(flags);
        assert_eq!(may_read(&with_keys, &none, "a"), 401);
        assert_eq!(may_read(&with_keys, &token, "a"), 200);
        assert_eq!(may_read(&with_keys, &token, "b"), 403);
        assert_eq!(
            may_read(&with_keys, &none, "clock"),
            200,
            "the clock is public"
        );
    }
    assert_eq!(may_read(&with_keys(&["--read=public"]), &none, "a"), 200);
}

#[test]
fn the_list_of_topics_is_for_this_machine_and_for_tokens() {
    let sees = |access: &Access, headers: &HeaderMap, topic| {
        let lister = access
            .lister(&here(headers))
            .map_err(|problem| problem.status.as_u16())?;
        Ok(lister.sees(&Topic::new(topic).expect("a topic")))
    };
    let (local, elsewhere) = (headers(&LOCAL), headers(&[("host", "a.example")]));
    let by_default = access(&[], LOOPBACK);
    assert_eq!(sees(&by_default, &local, "a"), Ok(Some(false)));
    assert_eq!(sees(&by_default, &elsewhere, "a"), Err(403));
    let off_loopback = access(&[], "0.0.0.0:80");
    assert_eq!(sees(&off_loopback, &local, "a"), Err(403));
    let open = access(&["--list-topics=on"], "0.0.0.0:80");
    assert_eq!(sees(&open, &elsewhere, "a"), Ok(Some(false)));
    let closed = access(&["--list-topics=off"], LOOPBACK);
    assert_eq!(sees(&closed, &local, "a"), Err(403));
    let with_keys = with_keys(&[]);
    let token = bearer(&json!({"exp": get_current_timestamp() + 60, "subscribe": ["a"]}));
    assert_eq!(sees(&with_keys, &elsewhere, "a"), Err(401));
    assert_eq!(sees(&with_keys, &token, "a"), Ok(Some(true)));
    assert_eq!(sees(&with_keys, &token, "b"), Ok(None));
}

#[test]
fn the_numbers_are_for_this_machine_and_for_tokens_that_read_everything() {
    let status = |access: &Access, headers: &HeaderMap| {
        let checked = access.check_metrics(&here(headers));
        checked.map_or_else(|problem| problem.status.as_u16(), |()| 200)
    };
    let (local, elsewhere) = (headers(&LOCAL), headers(&[("host", "a.example")]));
    let by_default = access(&[], LOOPBACK);
    assert_eq!(status(&by_default, &local), 200);
    assert_eq!(status(&by_default, &elsewhere), 403);
    assert_eq!(status(&access(&["--metrics=off"], LOOPBACK), &local), 403);
    assert_eq!(
        status(&access(&["--metrics=on"], "0.0.0.0:80"), &elsewhere),
        200
    );
    let exp = get_current_timestamp() + 60;
    let with_keys = with_keys(&[]);
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
