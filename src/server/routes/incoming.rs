//! Streams that are published: bytes as they arrive become publications, in the event stream format or as one JSON
//! object a line (NDJSON).

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;

use crate::hub::publication::{Publication, check_id, check_type};
use crate::protocol::event_stream_parser::{EventStreamParser, ParsedEvent, TooLarge};
use crate::server::problem::Problem;

/// A stream of events that is being read.
pub(crate) struct Incoming {
    format: Format,
    /// What has been read: a publication, or nothing where an event is left out.
    read: Vec<Option<Publication>>,
    is_over: bool,
}

enum Format {
    EventStream(EventStreamParser),
    Ndjson {
        max_bytes: usize,
        line: Vec<u8>,
        line_number: usize,
    },
}

/// Why a stream cannot be read on.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Wrong {
    #[error("an event of the stream is too large; at most {0} bytes are taken")]
    TooLarge(usize),
    #[error("line {0} of the stream is no event: {1}")]
    Line(usize, String),
    #[error("the stream broke off")]
    BrokenOff,
}

/// An event as a line of JSON. Data that is no text is published as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    data: serde_json::Value,
    r#type: Option<String>,
    id: Option<String>,
    retry: Option<u64>,
}

impl Incoming {
    pub(crate) fn event_stream(max_bytes: usize) -> Self {
        Self::new(Format::EventStream(EventStreamParser::new(max_bytes)))
    }

    pub(crate) fn ndjson(max_bytes: usize) -> Self {
        Self::new(Format::Ndjson {
            max_bytes,
            line: Vec::new(),
            line_number: 1,
        })
    }

    fn new(format: Format) -> Self {
        Self {
            format,
            read: Vec::new(),
            is_over: false,
        }
    }

    /// Reads on. What could be read is there for [`Self::take`] even if it fails.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Wrong> {
        match &mut self.format {
            Format::EventStream(parser) => {
                let mut events = Vec::new();
                let result = parser.feed(bytes, &mut events);
                self.read.extend(events.into_iter().map(from_event_stream));
                result.map_err(|TooLarge(limit)| Wrong::TooLarge(limit))
            }
            Format::Ndjson {
                max_bytes,
                line,
                line_number,
            } => {
                for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                    if line.len() + piece.len() > *max_bytes {
                        return Err(Wrong::TooLarge(*max_bytes));
                    }
                    line.extend_from_slice(piece);
                    if piece.ends_with(b"\n") {
                        self.read.extend(from_line(line, *line_number)?);
                        line.clear();
                        *line_number += 1;
                    }
                }
                Ok(())
            }
        }
    }

    /// The stream has ended. A last line of JSON needs no line break; a last event without its blank line is given up,
    /// as the standard says.
    pub(crate) fn finish(&mut self) -> Result<(), Wrong> {
        self.is_over = true;
        if let Format::Ndjson {
            line, line_number, ..
        } = &self.format
        {
            self.read.extend(from_line(line, *line_number)?);
        }
        Ok(())
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// What has been read since the last time.
    pub(crate) fn take(&mut self) -> Vec<Option<Publication>> {
        std::mem::take(&mut self.read)
    }
}

/// A stream may come from another server, whose own events are no news here, and whose own ids mean nothing.
fn from_event_stream(event: ParsedEvent) -> Option<Publication> {
    let event_type = match event.event_type.as_str() {
        "" => Ok(Default::default()),
        _ => check_type(event.event_type),
    };
    Some(Publication {
        id: event.id.and_then(|id| check_id(id).ok()),
        event_type: event_type.ok()?,
        retry: event.retry.map(Duration::from_millis),
        ..Publication::text(event.data)
    })
}

fn from_line(line: &[u8], line_number: usize) -> Result<Option<Option<Publication>>, Wrong> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let wrong = |reason: String| Wrong::Line(line_number, reason);
    let line: Line = serde_json::from_slice(line).map_err(|error| {
        wrong(format!(
            "{error}; write {{\"data\": …}}, with type, id and retry if you like"
        ))
    })?;
    let data = match line.data {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(Some(Some(Publication {
        id: line.id.map(check_id).transpose().map_err(wrong)?,
        event_type: line
            .r#type
            .map(check_type)
            .transpose()
            .map_err(wrong)?
            .unwrap_or_default(),
        retry: line.retry.map(Duration::from_millis),
        ..Publication::text(data)
    })))
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        match wrong {
            Wrong::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, wrong.to_string()),
            Wrong::Line(..) | Wrong::BrokenOff => Self::bad_request(wrong.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(incoming: &mut Incoming) -> Vec<Option<String>> {
        incoming
            .take()
            .into_iter()
            .map(|publication| publication.map(|publication| publication.data))
            .collect()
    }

    #[test]
    fn an_event_can_be_published_as_soon_as_it_is_whole() {
        let mut incoming = Incoming::event_stream(100);
        incoming.feed(b"data: 1\n\ndata: 2\n").expect("a stream");
        assert_eq!(data(&mut incoming), [Some("1".to_owned())]);
        incoming.feed(b"\n").expect("a stream");
        assert_eq!(data(&mut incoming), [Some("2".to_owned())]);
    }

    #[test]
    fn the_own_events_and_ids_of_another_server_are_left_out() {
        let mut incoming = Incoming::event_stream(100);
        incoming.feed(b"event: gap\ndata: {}\n\nid: #other-1\ndata: a\n\nid: own\nevent: news\ndata: b\n\n").expect("a stream");
        let read = incoming.take();
        assert!(read[0].is_none());
        assert!(
            read[1]
                .as_ref()
                .is_some_and(|publication| publication.id.is_none())
        );
        let last = read[2].as_ref().expect("a publication");
        assert_eq!(
            (
                last.id.as_ref().map(|id| id.as_str()),
                last.event_type.as_str()
            ),
            (Some("own"), "news")
        );
    }

    #[test]
    fn a_line_of_json_is_an_event() {
        let mut incoming = Incoming::ndjson(100);
        incoming
            .feed(b"{\"data\":\"a\",\"type\":\"news\"}\n\n{\"data\":{\"x\"")
            .expect("lines");
        incoming.feed(b":1}}").expect("lines");
        incoming.finish().expect("a last line");
        assert_eq!(
            data(&mut incoming),
            [Some("a".to_owned()), Some("{\"x\":1}".to_owned())]
        );
        assert!(incoming.is_over());
    }

    #[test]
    fn a_wrong_line_is_named_and_those_before_it_are_published() {
        for (line, expected) in [
            ("{\"dat\":1}", "data"),
            ("nonsense", "write {\"data\""),
            ("{\"data\":1,\"type\":\"end\"}", "from the server alone"),
            ("{\"data\":1,\"id\":\"#x\"}", "without # in front"),
        ] {
            let mut incoming = Incoming::ndjson(100);
            let wrong = incoming
                .feed(format!("{{\"data\":1}}\n{line}\n").as_bytes())
                .expect_err("a wrong line");
            assert!(
                wrong.to_string().contains("line 2") && wrong.to_string().contains(expected),
                "{wrong}"
            );
            assert_eq!(incoming.take().len(), 1);
        }
    }
}
