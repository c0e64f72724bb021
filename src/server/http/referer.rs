//! The page that a request comes from, for links and forms that lead back to it.

use axum::http::{HeaderMap, HeaderValue, Uri, header};

/// The path and query of the page that the request comes from. Never another server: what a `Referer` says of it is left
/// out, so that a link elsewhere leads to a page of this server at most. `None` without a `Referer`.
pub(crate) fn referring_page(headers: &HeaderMap) -> Option<HeaderValue> {
    let from = headers
        .get(header::REFERER)
        .and_then(|referer| Uri::try_from(referer.as_bytes()).ok())?;
    let path = from.path_and_query()?.as_str();
    // A browser takes what begins with two slashes for another server.
    let is_here = path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/\\");
    HeaderValue::from_str(path).ok().filter(|_| is_here)
}
