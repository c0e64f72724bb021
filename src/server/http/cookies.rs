//! The cookies that a request carries (RFC 6265).

use axum::http::{HeaderMap, header};
use cookie::Cookie;

/// The first cookie of this name that can be read; a request may carry several headers of cookies.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cookie<'a>> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(Cookie::split_parse)
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == name)
}
