//! What a publisher may say about an event beside its data: one set of fields with the same rules, however they are sent.
//! The query, the headers and a form have them as text ([`TextFields`]), NDJSON and WebSocket frames as JSON ([`JsonEvent`]).

use axum::http::{HeaderMap, HeaderName, Uri};
use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::hub::publish::{PublishRequest, check_id, check_retry, check_type};
use crate::hub::schedule::When;
use crate::server::http::problem::Problem;
use crate::server::http::query;

const EVENT_ID: HeaderName = HeaderName::from_static("event-id");
const EVENT_TYPE: HeaderName = HeaderName::from_static("event-type");
const EVENT_RETRY: HeaderName = HeaderName::from_static("event-retry");
const EVENT_KEEP: HeaderName = HeaderName::from_static("event-keep");
const EVENT_PRIVATE: HeaderName = HeaderName::from_static("event-private");
const EVENT_IN: HeaderName = HeaderName::from_static("event-in");
const EVENT_AT: HeaderName = HeaderName::from_static("event-at");

/// What the names of these headers begin with.
const HEADER_PREFIX: &str = "event-";

/// The fields. What is `None` was not given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct EventFields {
    pub(super) id: Option<String>,
    pub(super) event_type: Option<String>,
    /// Milliseconds.
    pub(super) retry: Option<u64>,
    pub(super) keep: Option<bool>,
    pub(super) private: Option<bool>,
    /// When it is to be published, if later. JSON has no such field: a stream's events and a frame go out as they arrive.
    pub(super) when: Option<When>,
}

/// The same as text.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TextFields {
    id: Option<String>,
    r#type: Option<String>,
    retry: Option<String>,
    keep: Option<String>,
    private: Option<String>,
    r#in: Option<String>,
    at: Option<String>,
}

/// An event as JSON. Data that is not a text is published as the JSON that it is, with every digit and in its own order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JsonEvent {
    data: Box<RawValue>,
    id: Option<String>,
    r#type: Option<String>,
    retry: Option<u64>,
    keep: Option<bool>,
    private: Option<bool>,
}

impl EventFields {
    /// The fields of a request: of its query, or else of its headers.
    ///
    /// # Errors
    ///
    /// A problem that names what is wrong.
    pub(super) fn of_request(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let has_any = |name: &HeaderName| name.as_str().starts_with(HEADER_PREFIX);
        if uri.query().is_none() && !headers.keys().any(has_any) {
            return Ok(Self::default());
        }
        let by_query: TextFields = query::read(uri, &[])?;
        let by_header = TextFields {
            id: header(headers, &EVENT_ID)?,
            r#type: header(headers, &EVENT_TYPE)?,
            retry: header(headers, &EVENT_RETRY)?,
            keep: header(headers, &EVENT_KEEP)?,
            private: header(headers, &EVENT_PRIVATE)?,
            r#in: header(headers, &EVENT_IN)?,
            at: header(headers, &EVENT_AT)?,
        };
        let fields = by_query.typed()?.or(by_header.typed()?);
        Ok(fields)
    }

    /// These fields, and where one is missing, that of `defaults`.
    pub(super) fn or(self, defaults: Self) -> Self {
        Self {
            id: self.id.or(defaults.id),
            event_type: self.event_type.or(defaults.event_type),
            retry: self.retry.or(defaults.retry),
            keep: self.keep.or(defaults.keep),
            private: self.private.or(defaults.private),
            when: self.when.or(defaults.when),
        }
    }

    /// An event with these fields.
    ///
    /// # Errors
    ///
    /// A sentence that says which field is wrong, and what would be right.
    pub(super) fn publication(self, data: String) -> Result<PublishRequest, String> {
        Ok(PublishRequest {
            id: self.id.map(check_id).transpose()?,
            event_type: self
                .event_type
                .map(check_type)
                .transpose()?
                .unwrap_or_default(),
            retry: self.retry.map(check_retry).transpose()?,
            is_ephemeral: !self.keep.unwrap_or(true),
            is_private: self.private.unwrap_or(false),
            ..PublishRequest::text(data)
        })
    }
}

impl TextFields {
    /// Sets one field of a form. An empty field is what a page's empty input sends, and means that it is not given. Returns
    /// `false` if there is no field of that name.
    pub(super) fn set(&mut self, name: &str, value: String) -> bool {
        let field = match name {
            "id" => &mut self.id,
            "type" => &mut self.r#type,
            "retry" => &mut self.retry,
            "keep" => &mut self.keep,
            "private" => &mut self.private,
            "in" => &mut self.r#in,
            "at" => &mut self.at,
            _ => return false,
        };
        *field = Some(value).filter(|value| !value.is_empty());
        true
    }

    /// The fields with their types.
    ///
    /// # Errors
    ///
    /// A problem that names what is wrong.
    pub(super) fn typed(self) -> Result<EventFields, Problem> {
        let retry = self.retry.map(|text| {
            text.parse().map_err(|_| {
                Problem::invalid_event("retry takes whole milliseconds, such as 2000: how long readers wait before they reconnect")
            })
        });
        Ok(EventFields {
            id: self.id,
            event_type: self.r#type,
            retry: retry.transpose()?,
            keep: yes_or_no("keep", self.keep.as_deref())?,
            private: yes_or_no("private", self.private.as_deref())?,
            when: when(self.r#in.as_deref(), self.at.as_deref())?,
        })
    }
}

fn when(delay: Option<&str>, at: Option<&str>) -> Result<Option<When>, Problem> {
    match (delay, at) {
        (None, None) => Ok(None),
        (Some(text), None) => match humantime::parse_duration(text) {
            Ok(delay) => Ok(Some(When::In(delay))),
            Err(error) => Err(Problem::invalid_event(format!(
                "in takes a duration such as 30s, 15m or 2h: {error}"
            ))),
        },
        (None, Some(text)) => match DateTime::parse_from_rfc3339(text) {
            Ok(at) => Ok(Some(When::At(at.into()))),
            Err(error) => Err(Problem::invalid_event(format!(
                "at takes a time as RFC 3339 writes it, such as 2026-11-27T12:00:00Z (in a query, write + as %2B): {error}"
            ))),
        },
        (Some(_), Some(_)) => Err(Problem::invalid_event(
            "in and at both say when the event is to be published; give one of them",
        )),
    }
}

impl JsonEvent {
    /// Reads an event from JSON.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong, and what would be right.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| {
            format!(
                "{error}; write {{\"data\": …}}, with id, type, retry, keep and private if you like"
            )
        })
    }

    /// The event, with `defaults` for the fields that it does not have.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong.
    pub(super) fn publication(self, defaults: EventFields) -> Result<PublishRequest, String> {
        let data = self.data.get();
        let data = if data.starts_with('"') {
            serde_json::from_str(data).map_err(|error| error.to_string())?
        } else {
            data.to_owned()
        };
        let fields = EventFields {
            id: self.id,
            event_type: self.r#type,
            retry: self.retry,
            keep: self.keep,
            private: self.private,
            when: None,
        };
        fields.or(defaults).publication(data)
    }
}

/// The text of a header that stands at most once.
///
/// # Errors
///
/// A problem if it is not UTF-8.
pub(super) fn header(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let value = headers.get(name);
    match value.map(|value| std::str::from_utf8(value.as_bytes())) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text.to_owned())),
        Some(Err(_)) => Err(Problem::invalid_header(format!(
            "the header {name} is not UTF-8"
        ))),
    }
}

fn yes_or_no(name: &str, value: Option<&str>) -> Result<Option<bool>, Problem> {
    match value {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Problem::invalid_event(format!(
            "{name} takes true or false"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn event(json: &str) -> Result<PublishRequest, String> {
        JsonEvent::read(json.as_bytes())?.publication(EventFields::default())
    }

    #[test]
    fn json_that_is_not_a_text_is_published_as_it_came() {
        for (json, data) in [
            (r#""a\u0041""#, "aA"),
            ("12345678901234567890123", "12345678901234567890123"),
            (
                r#"{"b":1E2,"a":[1.0, 2],"b":null}"#,
                r#"{"b":1E2,"a":[1.0, 2],"b":null}"#,
            ),
            ("null", "null"),
        ] {
            let published = event(&format!("{{\"data\":{json}}}")).expect("an event");
            assert_eq!(published.data, data);
        }
    }

    #[test]
    fn every_field_has_one_meaning_as_text_and_as_json() {
        let json =
            event(r#"{"data":"x","id":"i","type":"t","retry":200,"keep":false,"private":true}"#)
                .expect("an event");
        let mut text = TextFields::default();
        for (name, value) in [
            ("id", "i"),
            ("type", "t"),
            ("retry", "200"),
            ("keep", "false"),
            ("private", "true"),
        ] {
            assert!(text.set(name, value.to_owned()));
        }
        assert!(!text.set("tpye", String::new()));
        let text = text.typed().expect("fields").publication("x".to_owned());
        assert_eq!(text.expect("an event"), json);
        assert!(json.is_ephemeral && json.is_private && json.retry.is_some());
    }

    #[test]
    fn a_time_to_publish_is_a_duration_or_a_time_with_its_zone() {
        let when = |delay, at| when(delay, at).map_err(|problem| problem.detail);
        assert_eq!(when(None, None), Ok(None));
        let delay = Duration::from_secs(5_400);
        assert_eq!(when(Some("1h 30m"), None), Ok(Some(When::In(delay))));
        let at = UNIX_EPOCH + Duration::from_millis(1_500);
        for text in ["1970-01-01T00:00:01.5Z", "1970-01-01T02:00:01.5+02:00"] {
            assert_eq!(when(None, Some(text)), Ok(Some(When::At(at))));
        }
        for (delay, at, expected) in [
            (Some("soon"), None, "such as 30s"),
            (Some("-5s"), None, "such as 30s"),
            (None, Some("1970-01-01T00:00:01"), "such as 2026"),
            (None, Some("1970-01-01T02:00:01 02:00"), "%2B"),
            (Some("1s"), Some("1970-01-01T00:00:01Z"), "one of them"),
        ] {
            let refused = when(delay, at).expect_err("a refusal");
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn a_retry_out_of_bounds_is_refused_with_the_bounds() {
        for retry in ["0", "99", "3600001", "18446744073709551615"] {
            let refused = event(&format!("{{\"data\":1,\"retry\":{retry}}}"));
            let refused = refused.expect_err("a refusal");
            assert!(refused.contains("100 to 3600000 ms"), "{refused}");
        }
    }
}
