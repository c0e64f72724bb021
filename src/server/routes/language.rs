//! The control for the language, which stands in the masthead of each page: a link that sets a cookie and leads back to the
//! page. It works without JavaScript, and the server has the cookie when it renders the next page.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};

use crate::protocol::locale::Locale;
use crate::protocol::problem::ProblemCode;
use crate::protocol::{LANGUAGE_COOKIE, LANGUAGE_PATH};
use crate::server::http::problem::Problem;
use crate::server::http::referer::referring_page;

/// How long a browser keeps the choice.
const YEAR: Duration = Duration::days(365);

/// `GET` of a language's path: the browser's pages have this language from now on, and it goes back to the page that it
/// comes from.
///
/// # Errors
///
/// A problem if there is no such language.
pub(crate) async fn choose(
    Path(tag): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let locale = Locale::from_tag(&tag).ok_or_else(|| {
        let [first, second] = Locale::ALL.map(Locale::path);
        let detail =
            format!("there is no language {tag}; the languages are at {first} and {second}");
        Problem::new(ProblemCode::NotFound, detail)
    })?;
    let cookie = Cookie::build((LANGUAGE_COOKIE, locale.tag()))
        .path("/")
        .same_site(SameSite::Lax)
        .http_only(true)
        .max_age(YEAR)
        .build();
    let set_cookie = HeaderValue::from_str(&cookie.to_string());
    let mut response = StatusCode::SEE_OTHER.into_response();
    let response_headers = response.headers_mut();
    response_headers.insert(header::LOCATION, way_back(&headers));
    response_headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Names and tags are ASCII: this cannot fail.
    response_headers.extend(set_cookie.ok().map(|value| (header::SET_COOKIE, value)));
    Ok(response)
}

/// Where the reader goes back to; `/` without a `Referer`.
fn way_back(headers: &HeaderMap) -> HeaderValue {
    referring_page(headers)
        // It would lead back to itself.
        .filter(|path| !path.as_bytes().starts_with(LANGUAGE_PATH.as_bytes()))
        .unwrap_or(HeaderValue::from_static("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_the_path_of_the_page_and_never_another_server() {
        for (referer, expected) in [
            ("http://a:80/topics/b?filter=x", "/topics/b?filter=x"),
            ("http://a/topics/b#c", "/topics/b"),
            ("https://a", "/"),
            ("https://elsewhere.example/help", "/help"),
            ("https://elsewhere.example//evil.example/", "/"),
            ("https://elsewhere.example/\\evil.example/", "/"),
            ("http://a/language/en", "/"),
            ("http://a/topics/%0d%0ax", "/topics/%0d%0ax"),
            ("/help", "/help"),
            ("*", "/"),
            ("nonsense", "/"),
            ("", "/"),
        ] {
            assert_eq!(
                way_back(&HeaderMap::from_iter([(
                    header::REFERER,
                    HeaderValue::from_static(referer),
                )])),
                expected,
                "{referer}"
            );
        }
        assert_eq!(way_back(&HeaderMap::new()), "/");
    }
}
