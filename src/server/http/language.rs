//! Which language a page has: the one in the reader's cookie, or else the one that the browser asks for. The cookie is set
//! by [`crate::server::routes::language`].

use axum::http::HeaderMap;

use super::cookies::cookie;
use super::negotiation::preferred_locale;
use crate::protocol::LANGUAGE_COOKIE;
use crate::protocol::locale::Locale;

/// The language of the answer to a request with these headers.
pub(crate) fn of(headers: &HeaderMap) -> Locale {
    cookie(headers, LANGUAGE_COOKIE)
        .and_then(|cookie| Locale::from_tag(cookie.value()))
        .or_else(|| preferred_locale(headers))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn the_cookie_counts_more_than_what_the_browser_asks_for() {
        for (cookie, expected) in [
            ("fairwind_language=zh-CN", Locale::Chinese),
            ("a=b; fairwind_language=zh-CN; c=d", Locale::Chinese),
            ("fairwind_language=en", Locale::English),
            ("fairwind_language=fr", Locale::English),
            ("fairwind_language=", Locale::English),
            ("fairwind_languages=zh-CN", Locale::English),
            ("=;;", Locale::English),
        ] {
            let headers = headers(&[("cookie", cookie), ("accept-language", "en")]);
            assert_eq!(of(&headers), expected, "{cookie}");
        }
        let chinese = [("accept-language", "zh")];
        assert_eq!(of(&headers(&chinese)), Locale::Chinese);
        let with_english = [chinese[0], ("cookie", "fairwind_language=en")];
        assert_eq!(of(&headers(&with_english)), Locale::English);
        assert_eq!(of(&HeaderMap::new()), Locale::English);
    }
}
