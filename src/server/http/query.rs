//! The query of a URL. Programs' queries are read strictly ([`read`]): what is unknown, repeated or not UTF-8 is refused, where
//! it would otherwise be ignored silently. Pages' queries are read leniently ([`parameter`]): links from elsewhere add
//! parameters of their own.

use axum::http::Uri;
use serde::de::DeserializeOwned;

use crate::server::http::problem::Problem;

/// Reads a query. Only `repeatable` names may stand more than once.
///
/// # Errors
///
/// A problem that names what is wrong.
pub(crate) fn read<T: DeserializeOwned>(uri: &Uri, repeatable: &[&str]) -> Result<T, Problem> {
    let query = uri.query().unwrap_or_default();
    // The parser below puts a replacement character where the bytes are not UTF-8; an id would then be another one.
    if percent_encoding::percent_decode_str(query)
        .decode_utf8()
        .is_err()
    {
        return Err(Problem::invalid_query(
            "the query is not UTF-8: percent-encode the UTF-8 bytes of its values",
        ));
    }
    let wrong = |error: serde_html_form::de::Error| {
        Problem::invalid_query(format!("the query is wrong: {error}"))
    };
    let pairs: Vec<(String, String)> = serde_html_form::from_str(query).map_err(wrong)?;
    let mut names: Vec<_> = pairs
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !repeatable.contains(&name.as_str()))
        .collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Problem::invalid_query(format!(
            "the query gives {} twice; give it once",
            pair[0]
        )));
    }
    serde_html_form::from_str(query).map_err(wrong)
}

/// All parameters of this name.
pub(crate) fn parameters(uri: &Uri, name: &str) -> Vec<String> {
    let pairs: Vec<(String, String)> =
        serde_html_form::from_str(uri.query().unwrap_or_default()).unwrap_or_default();
    let named = pairs.into_iter().filter(|(known, _)| known == name);
    named.map(|(_, value)| value).collect()
}

/// The first parameter of this name; `None` if there is none, or the query cannot be read.
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs: Vec<(String, String)> =
        serde_html_form::from_str(uri.query().unwrap_or_default()).unwrap_or_default();
    pairs
        .into_iter()
        .find_map(|(known, value)| (known == name).then_some(value))
}
