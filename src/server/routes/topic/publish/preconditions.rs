//! What must hold for one event to be published, as its request says.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};

use crate::hub::publish::{ExpectedNewest, IdempotencyKey, Preconditions};
use crate::protocol::event::EventId;
use crate::server::auth::Publisher;
use crate::server::http::problem::Problem;
use crate::server::routes::event_fields;
use crate::server::routes::publish_service::share_of;

/// The longest `Idempotency-Key`, in bytes: more than any UUID or hash needs.
const MAX_KEY_BYTES: usize = 256;

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What must hold for one event to be published: `If-Match` (RFC 9110, section 13.1.1) and `Idempotency-Key`.
///
/// # Errors
///
/// A problem if a header cannot be read.
pub(super) fn read(parts: &Parts, publisher: &Publisher) -> Result<Preconditions, Problem> {
    let headers = &parts.headers;
    let newest = if headers.contains_key(header::IF_MATCH) {
        Some(ExpectedNewest {
            with_private: publisher.sees_private,
            one_of: if_match(headers)?,
        })
    } else {
        None
    };
    let idempotency = event_fields::header(headers, &IDEMPOTENCY_KEY)?;
    if idempotency
        .as_ref()
        .is_some_and(|key| key.is_empty() || key.len() > MAX_KEY_BYTES)
    {
        return Err(Problem::invalid_header(format!(
            "Idempotency-Key takes 1 to {MAX_KEY_BYTES} bytes"
        )));
    }
    Ok(Preconditions {
        newest,
        idempotency: idempotency.map(|key| IdempotencyKey {
            key,
            publisher: share_of(parts),
        }),
    })
}

/// The ids that `If-Match` names; none for `*`, which any event matches. Weak tags match nothing: the comparison is strong.
fn if_match(headers: &HeaderMap) -> Result<Option<Vec<EventId>>, Problem> {
    let wrong = || {
        Problem::invalid_header(
            "If-Match takes the id of the topic's newest event in double quotes, such as \"#x-1\", several of them with commas between, or *",
        )
    };
    let mut ids = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let mut rest = std::str::from_utf8(value.as_bytes())
            .map_err(|_| wrong())?
            .trim();
        if rest == "*" {
            return Ok(None);
        }
        while !rest.is_empty() {
            let (is_weak, tag) = match rest.strip_prefix("W/") {
                Some(tag) => (true, tag),
                None => (false, rest),
            };
            let (id, after) = match tag.strip_prefix('"') {
                Some(tag) => tag.split_once('"').ok_or_else(wrong)?,
                // An id as it stands in a receipt, without quotes.
                None => tag.split_at(tag.find(',').unwrap_or(tag.len())),
            };
            if !is_weak {
                ids.push(EventId::new(id.trim()).map_err(|_| wrong())?);
            }
            rest = after.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err(wrong()),
            };
        }
    }
    Ok(Some(ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(value: &str) -> Option<Vec<String>> {
        let headers = HeaderMap::from_iter([(header::IF_MATCH, value.parse().expect("a header"))]);
        let ids = if_match(&headers).expect("a condition")?;
        Some(ids.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn if_match_is_a_list_of_strong_tags_or_any() {
        assert_eq!(ids("*"), None);
        assert_eq!(ids("\"#x-1\""), Some(vec!["#x-1".to_owned()]));
        assert_eq!(
            ids("\"a\", W/\"weak\",\"b,c\" , d"),
            Some(["a", "b,c", "d"].map(str::to_owned).to_vec())
        );
        assert_eq!(ids("W/\"a\""), Some(vec![]));
        for wrong in ["\"a", "\"a\" \"b\"", "\"\""] {
            let headers =
                HeaderMap::from_iter([(header::IF_MATCH, wrong.parse().expect("a header"))]);
            assert!(if_match(&headers).is_err(), "{wrong}");
        }
    }
}
