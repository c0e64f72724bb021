//! Which pages a browser may publish from. A browser sends its user's cookies, and reaches what its machine reaches, for any
//! page: so a page may publish to the server that it came from, and to others that allow its origin.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use headers::{HeaderMapExt, Host, Origin};

use crate::protocol::problem::ProblemCode;
use crate::server::http::problem::Problem;

/// Where the page of a request comes from, seen from what is asked for; no page can forge it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses what a page of another origin sends, unless that origin is allowed. What no browser sends passes. (The
/// algorithm is that of Go's `http.CrossOriginProtection`.)
///
/// # Errors
///
/// A problem that names the setting.
pub(super) fn check(headers: &HeaderMap, allowed: &[HeaderValue]) -> Result<(), Problem> {
    let is_own = match headers.get(SEC_FETCH_SITE) {
        Some(site) => site == "same-origin" || site == "none",
        None => !headers.contains_key(header::ORIGIN) || is_origin_of_host(headers),
    };
    if is_own || is_allowed(headers, allowed) {
        return Ok(());
    }
    Err(Problem::new(
        ProblemCode::OtherOrigin,
        "a page of another origin may not publish here, nor use this server's cookies; list its origin with --allow-origin, or ask from a server",
    ))
}

/// Whether the page's origin is listed.
pub(super) fn is_allowed(headers: &HeaderMap, allowed: &[HeaderValue]) -> bool {
    headers
        .get(header::ORIGIN)
        .is_some_and(|origin| allowed.contains(origin))
}

/// Whether the request names this machine by a name or address that can only mean it.
pub(super) fn is_host_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.typed_get::<Host>() else {
        return false;
    };
    let name = host
        .hostname()
        .trim_start_matches('[')
        .trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a request names the origin of its page as its own host. Schemes are not compared: behind a proxy the server does not
/// know its own.
fn is_origin_of_host(headers: &HeaderMap) -> bool {
    let (Some(origin), Some(host)) = (headers.typed_get::<Origin>(), headers.typed_get::<Host>())
    else {
        return false;
    };
    let default_port = match origin.scheme() {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    origin.hostname().eq_ignore_ascii_case(host.hostname())
        && origin.port().unwrap_or(default_port) == host.port().unwrap_or(default_port)
}

#[cfg(test)]
mod tests {
    use super::super::tests::headers;
    use super::*;

    #[test]
    fn a_page_may_publish_to_its_own_server_and_where_it_is_listed() {
        let allowed = [HeaderValue::from_static("https://friend.example")];
        let passes =
            |lines: &[(&'static str, &'static str)]| check(&headers(lines), &allowed).is_ok();
        let host = ("host", "a.example:8080");
        assert!(passes(&[host]), "no browser");
        assert!(passes(&[host, ("origin", "http://a.example:8080")]));
        assert!(passes(&[host, ("origin", "https://A.example:8080")]));
        assert!(passes(&[
            ("host", "a.example"),
            ("origin", "https://a.example")
        ]));
        assert!(passes(&[
            ("host", "a.example:443"),
            ("origin", "https://a.example")
        ]));
        assert!(passes(&[host, ("origin", "https://friend.example")]));
        assert!(!passes(&[host, ("origin", "http://a.example")]));
        assert!(!passes(&[host, ("origin", "http://b.example:8080")]));
        assert!(!passes(&[host, ("origin", "null")]));
        assert!(!passes(&[("origin", "http://a.example")]), "no host");
    }

    #[test]
    fn what_the_browser_says_of_the_page_counts_more_than_names() {
        let passes = |lines: &[(&'static str, &'static str)]| check(&headers(lines), &[]).is_ok();
        let host = ("host", "a.example");
        let origin = ("origin", "https://proxy.example");
        assert!(passes(&[host, origin, ("sec-fetch-site", "same-origin")]));
        assert!(passes(&[host, ("sec-fetch-site", "none")]));
        assert!(!passes(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(!passes(&[
            host,
            ("origin", "https://a.example"),
            ("sec-fetch-site", "same-site")
        ]));
    }

    #[test]
    fn only_names_that_mean_this_machine_are_local() {
        let is_local = |host| is_host_local(&headers(&[("host", host)]));
        for host in [
            "localhost:8080",
            "app.localhost",
            "127.0.0.1:8080",
            "[::1]:8080",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in ["a.example:8080", "localhost.example", "192.168.0.1", ""] {
            assert!(!is_local(host), "{host}");
        }
    }
}
