//! Media types: their names, and what kind of body a request has.

use axum::http::{HeaderMap, Method, header};
use headers::{ContentType, HeaderMapExt};
use mime::Mime;

pub(crate) use crate::protocol::event_stream::CONTENT_TYPE as EVENT_STREAM;

pub(crate) const HTML: &str = "text/html";
pub(crate) const JSON: &str = "application/json";
pub(crate) const NDJSON: &str = "application/x-ndjson";
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

const FORM: &str = "multipart/form-data";

/// What kind of body a request has, by its `Content-Type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BodyType {
    /// The request does not say it.
    Unnamed,
    EventStream,
    Ndjson,
    /// A form, with the boundary between its fields if there is one.
    Form {
        boundary: Option<String>,
    },
    /// Another type, or a text that cannot be one.
    Other,
}

impl BodyType {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.get(header::CONTENT_TYPE) {
            None => return Self::Unnamed,
            // The body of most events is of no type that matters here, and need not be parsed to see that.
            Some(value) if !begins_with_known_type(value.as_bytes()) => return Self::Other,
            Some(_) => {}
        }
        let content_type: Mime = match headers.typed_try_get::<ContentType>() {
            Ok(Some(content_type)) => content_type.into(),
            Ok(None) => return Self::Unnamed,
            Err(_) => return Self::Other,
        };
        match content_type.essence_str() {
            EVENT_STREAM => Self::EventStream,
            NDJSON => Self::Ndjson,
            FORM => Self::Form {
                boundary: content_type
                    .get_param(mime::BOUNDARY)
                    .map(|name| name.to_string()),
            },
            _ => Self::Other,
        }
    }

    /// Whether a body is a stream of events, which may take any time to arrive.
    pub(crate) fn is_stream(&self, method: &Method) -> bool {
        *method == Method::PUT || matches!(self, Self::EventStream | Self::Ndjson)
    }
}

fn begins_with_known_type(value: &[u8]) -> bool {
    [EVENT_STREAM, NDJSON, FORM].iter().any(|known| {
        let beginning = value.get(..known.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(known.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_type(value: &'static str) -> BodyType {
        let value = axum::http::HeaderValue::from_static(value);
        BodyType::of(&HeaderMap::from_iter([(
            axum::http::header::CONTENT_TYPE,
            value,
        )]))
    }

    #[test]
    fn a_type_is_known_whatever_its_case_and_parameters() {
        assert_eq!(BodyType::of(&HeaderMap::new()), BodyType::Unnamed);
        assert_eq!(
            body_type("Text/Event-Stream; charset=utf-8"),
            BodyType::EventStream
        );
        assert_eq!(body_type("application/X-NDJSON"), BodyType::Ndjson);
        let boundary = Some("A b".to_owned());
        assert_eq!(
            body_type("multipart/form-data; boundary=\"A b\""),
            BodyType::Form { boundary }
        );
        assert_eq!(
            body_type("multipart/form-data"),
            BodyType::Form { boundary: None }
        );
        for other in ["text/plain", "text", "", "text/event-stream; charset"] {
            assert_eq!(body_type(other), BodyType::Other, "{other}");
        }
    }

    #[test]
    fn put_sends_a_stream_whatever_its_type() {
        assert!(BodyType::Unnamed.is_stream(&Method::PUT));
        assert!(BodyType::Ndjson.is_stream(&Method::POST));
        assert!(!BodyType::Other.is_stream(&Method::POST));
    }
}
