//! The site's files: embedded in a release build, read from disk while developing. Each is sent in the best coding that
//! the build has made of it, with an ETag; those whose URL names their version are kept by browsers for good.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use headers::{ETag, HeaderMapExt, IfNoneMatch};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::protocol::problem::ProblemCode;
use crate::protocol::{CLOCK_PATH, TOPICS_PATH};
use crate::server::http::negotiation::accepts_encoding;
use crate::server::http::problem::{Problem, wrong_method};

/// What cargo-leptos has built. A build without it (plain cargo, as for tests) has no files.
#[derive(RustEmbed)]
#[folder = "target/site"]
#[allow_missing = true]
// TypeScript types of the glue, which no code here uses.
#[exclude = "pkg/*.d.ts*"]
struct Site;

/// The codings that a build makes beside each file, best first, with the ending of their names.
const CODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// The folder that cargo-leptos puts scripts, WebAssembly and styles into.
const PACKAGE: &str = "pkg";

/// A versioned file never changes: a year is what caches understand as for good.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// Other files are asked for again, which costs a 304.
const ASK_AGAIN: &str = "no-cache";

/// The script for pages, those of other origins too.
pub(crate) const SCRIPT_PATH: &str = "/fairwind.js";

/// Changes with any file of the package. While developing there is none, since files change under a running server.
static VERSION: LazyLock<Option<String>> = LazyLock::new(|| {
    if cfg!(debug_assertions) {
        return None;
    }
    let mut names: Vec<_> = Site::iter()
        .filter(|name| name.starts_with(PACKAGE))
        .collect();
    names.sort();
    let files = names.iter().filter_map(|name| Site::get(name));
    let combined = files.fold([0_u8; 8], |mut combined, file| {
        for (position, byte) in file.metadata.sha256_hash().iter().enumerate() {
            let mixed = &mut combined[position % 8];
            *mixed = mixed.rotate_left(1) ^ byte;
        }
        combined
    });
    Some(hexadecimal(&combined))
});

/// The package's folder in URLs, without slashes at its ends.
pub(crate) fn package_folder() -> String {
    match &*VERSION {
        Some(version) => format!("{PACKAGE}/{version}"),
        None => PACKAGE.to_owned(),
    }
}

/// Whether the package has a file of this name.
pub(crate) fn is_in_package(name: &str) -> bool {
    Site::get(&format!("{PACKAGE}/{name}")).is_some()
}

/// Answers requests that match no route: with a file of the site, or 404.
///
/// # Errors
///
/// A problem that says where something is.
pub(crate) async fn file_or_not_found(request: Request<Body>) -> Result<Response, Problem> {
    if request.method() == Method::CONNECT {
        return Err(Problem::new(
            ProblemCode::NotImplemented,
            "this server is no proxy; it does not take CONNECT",
        ));
    }
    let path = request.uri().path();
    let nothing = || {
        let detail = format!(
            "there is nothing at {path}; topics are at {TOPICS_PATH}/NAME, and the clock's event stream is at {CLOCK_PATH}"
        );
        Problem::new(ProblemCode::NotFound, detail)
    };
    let (name, cache_control) = locate(path).ok_or_else(nothing)?;
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return answer(&name, cache_control, request.headers()).ok_or_else(nothing);
    }
    Site::get(&name).ok_or_else(nothing)?;
    Ok(wrong_method(request.method().clone()).await)
}

/// The name in the site of the file that a URL's path means, and how long it may be kept.
fn locate(path: &str) -> Option<(String, &'static str)> {
    let path = path.strip_prefix('/')?;
    // The compressed forms are answers, not files of their own.
    if CODINGS.iter().any(|(_, ending)| path.ends_with(ending)) {
        return None;
    }
    match (&*VERSION, path.strip_prefix("pkg/")) {
        (Some(version), Some(rest)) => {
            let name = rest.strip_prefix(version.as_str())?.strip_prefix('/')?;
            Some((format!("{PACKAGE}/{name}"), FOR_GOOD))
        }
        _ => Some((path.to_owned(), ASK_AGAIN)),
    }
}

fn answer(name: &str, cache_control: &'static str, request: &HeaderMap) -> Option<Response> {
    let plain = Site::get(name)?;
    let content_type = HeaderValue::from_str(content_type(name, &plain)).ok()?;
    let coded = CODINGS
        .iter()
        .filter(|(coding, _)| accepts_encoding(request, coding))
        .find_map(|(coding, ending)| Some((*coding, Site::get(&format!("{name}{ending}"))?)));
    let (coding, file) = match coded {
        Some((coding, file)) => (Some(coding), file),
        None => (None, plain),
    };
    let tag: ETag = format!("\"{}\"", hexadecimal(&file.metadata.sha256_hash()[..8]))
        .parse()
        .ok()?;
    let mut headers = HeaderMap::from_iter([
        (header::CONTENT_TYPE, content_type),
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static(cache_control),
        ),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ]);
    headers.typed_insert(tag.clone());
    if SCRIPT_PATH.strip_prefix('/') == Some(name) {
        let any = HeaderValue::from_static("*");
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, any);
    }
    let known = request.typed_get::<IfNoneMatch>();
    if known.is_some_and(|known| !known.precondition_passes(&tag)) {
        return Some((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    Some((headers, Body::from(file.data)).into_response())
}

fn content_type<'a>(name: &str, file: &'a EmbeddedFile) -> &'a str {
    // Types of TypeScript; the ending alone stands for a film.
    if name.ends_with(".d.ts") {
        return "text/plain; charset=utf-8";
    }
    match file.metadata.mimetype() {
        "text/css" => "text/css; charset=utf-8",
        "text/plain" => "text/plain; charset=utf-8",
        "text/javascript" | "application/javascript" => "text/javascript; charset=utf-8",
        other => other,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
