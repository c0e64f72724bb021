//! The control for the language, which stands in the masthead of each page: a link that sets a cookie and leads back to the
//! page. It works without JavaScript, and the server has the cookie when it renders the next page.

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};

use crate::protocol::locale::Locale;
use crate::protocol::problem::ProblemCode;
use crate::protocol::{LANGUAGE_COOKIE, LANGUAGE_PATH};
use crate::server::http::problem::Problem;

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

/// The path and query of the page that the request comes from. Never another server: what a `Referer` says of it is left
/// out, so that a link elsewhere leads to a page of this server at most. `/` without a `Referer`.
fn way_back(headers: &HeaderMap) -> HeaderValue {
    let from = headers
        .get(header::REFERER)
        .and_then(|referer| Uri::try_from(referer.as_bytes()).ok());
    let path_and_query = from.as_ref().and_then(Uri::path_and_query);
    path_and_query
        .map(|path_and_query| path_and_query.as_str())
        .filter(|path| path.starts_with('/'))
        // A browser takes these for another server, and the last would lead back to itself.
        .filter(|path| !path.starts_with("//") && !path.starts_with("/\\"))
        .filter(|path| !path.starts_with(LANGUAGE_PATH))
        .and_then(|path| HeaderValue::from_str(path).ok())
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
