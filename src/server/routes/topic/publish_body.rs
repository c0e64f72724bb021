//! Streams that are published: bytes as they arrive become publications, in the event stream format or as one JSON
//! object a line (NDJSON).

use std::time::Duration;

use super::super::event_fields::{EventFields, JsonEvent};
use crate::hub::publish::{PublishRequest, RETRY_BOUNDS, check_id};
use crate::protocol::event_stream_parser::{EventStreamParser, ParsedEvent, TooLarge};
use crate::protocol::problem::ProblemCode;
use crate::server::http::problem::Problem;

/// How much longer than its data a line of JSON may be: each of its bytes may be an escape of six, and there are other
/// members.
const LINE_ALLOWANCE: usize = 6;
const LINE_RESERVE: usize = 4 * 1_024;

/// A stream of events that is being read.
pub(crate) struct PublishBody {
    format: Format,
    /// Fields of every event that does not say otherwise.
    defaults: EventFields,
    /// What has been read: a publication, or nothing where an event is left out.
    read: Vec<Option<PublishRequest>>,
    has_content: bool,
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
pub(crate) enum PublishBodyError {
    #[error("an event of the stream is too large; at most {0} bytes are taken")]
    TooLarge(usize),
    #[error("line {0} of the stream is no event: {1}")]
    Line(usize, String),
    #[error("the stream broke off")]
    BrokenOff,
    #[error(
        "the body has no event: each needs a line 'data: …' and a blank line after it; send one event with POST, or lines of JSON as application/x-ndjson"
    )]
    NoEvent,
    #[error("the body ends within an event, which was left out: an event ends with a blank line")]
    EndsWithinEvent,
}

impl PublishBody {
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
            defaults: EventFields::default(),
            read: Vec::new(),
            has_content: false,
            is_over: false,
        }
    }

    /// The same, with fields for every event that does not say otherwise.
    pub(super) fn with_defaults(self, defaults: EventFields) -> Self {
        Self { defaults, ..self }
    }

    /// Reads on. What could be read is there for [`Self::take`] even if it fails.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), PublishBodyError> {
        self.has_content |= !bytes.is_empty();
        match &mut self.format {
            Format::EventStream(parser) => {
                let mut events = Vec::new();
                let result = parser.feed(bytes, &mut events);
                let defaults = &self.defaults;
                let events = events.into_iter();
                self.read
                    .extend(events.map(|event| from_event_stream(event, defaults)));
                result.map_err(|TooLarge(limit)| PublishBodyError::TooLarge(limit))
            }
            Format::Ndjson {
                max_bytes,
                line,
                line_number,
            } => {
                let max_line = max_bytes
                    .saturating_mul(LINE_ALLOWANCE)
                    .saturating_add(LINE_RESERVE);
                for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                    if line.len() + piece.len() > max_line {
                        return Err(PublishBodyError::TooLarge(*max_bytes));
                    }
                    line.extend_from_slice(piece);
                    if piece.ends_with(b"\n") {
                        let event = from_line(line, *line_number, *max_bytes, &self.defaults)?;
                        self.read.extend(event);
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
    pub(crate) fn finish(&mut self) -> Result<(), PublishBodyError> {
        self.is_over = true;
        match &self.format {
            Format::EventStream(parser) if parser.is_in_event() => {
                Err(PublishBodyError::EndsWithinEvent)
            }
            Format::EventStream(_) => Ok(()),
            Format::Ndjson {
                line,
                line_number,
                max_bytes,
            } => {
                let event = from_line(line, *line_number, *max_bytes, &self.defaults)?;
                self.read.extend(event);
                Ok(())
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether the body had anything in it.
    pub(super) fn has_content(&self) -> bool {
        self.has_content
    }

    /// How many bytes of an event that has not ended are held.
    pub(super) fn buffered_bytes(&self) -> usize {
        match &self.format {
            Format::EventStream(parser) => parser.buffered_bytes(),
            Format::Ndjson { line, .. } => line.len(),
        }
    }

    /// What has been read since the last time.
    pub(crate) fn take(&mut self) -> Vec<Option<PublishRequest>> {
        std::mem::take(&mut self.read)
    }
}

/// A stream may come from another server, whose own events are no news here, whose own ids mean nothing, and whose `retry`
/// may be out of the bounds that readers here are given.
fn from_event_stream(event: ParsedEvent, defaults: &EventFields) -> Option<PublishRequest> {
    let has_type = !event.event_type.is_empty();
    let fields = EventFields {
        id: event.id.filter(|id| check_id(id.clone()).is_ok()),
        event_type: has_type.then_some(event.event_type),
        retry: event.retry.map(|retry| {
            let milliseconds = |bound: &Duration| bound.as_millis().try_into().unwrap_or(u64::MAX);
            retry.clamp(
                milliseconds(RETRY_BOUNDS.start()),
                milliseconds(RETRY_BOUNDS.end()),
            )
        }),
        ..EventFields::default()
    };
    fields.or(defaults.clone()).publication(event.data).ok()
}

fn from_line(
    line: &[u8],
    line_number: usize,
    max_bytes: usize,
    defaults: &EventFields,
) -> Result<Option<Option<PublishRequest>>, PublishBodyError> {
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let wrong = |reason: String| PublishBodyError::Line(line_number, reason);
    let publication = JsonEvent::read(line)
        .and_then(|event| event.publication(defaults.clone()))
        .map_err(wrong)?;
    if publication.data.len() > max_bytes {
        return Err(PublishBodyError::TooLarge(max_bytes));
    }
    Ok(Some(Some(publication)))
}

impl From<PublishBodyError> for Problem {
    fn from(error: PublishBodyError) -> Self {
        let code = match error {
            PublishBodyError::TooLarge(_) => ProblemCode::TooLarge,
            PublishBodyError::Line(..) => ProblemCode::InvalidEvent,
            PublishBodyError::BrokenOff
            | PublishBodyError::NoEvent
            | PublishBodyError::EndsWithinEvent => ProblemCode::InvalidBody,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(body: &mut PublishBody) -> Vec<Option<String>> {
        body.take()
            .into_iter()
            .map(|publication| publication.map(|publication| publication.data))
            .collect()
    }

    #[test]
    fn an_event_can_be_published_as_soon_as_it_is_whole() {
        let mut body = PublishBody::event_stream(100);
        body.feed(b"data: 1\n\ndata: 2\n").expect("a stream");
        assert_eq!(data(&mut body), [Some("1".to_owned())]);
        body.feed(b"\n").expect("a stream");
        assert_eq!(data(&mut body), [Some("2".to_owned())]);
    }

    #[test]
    fn the_own_events_and_ids_of_another_server_are_left_out() {
        let mut body = PublishBody::event_stream(100);
        body.feed(
            b"event: gap\ndata: {}\n\nid: #other-1\ndata: a\n\nid: own\nevent: news\ndata: b\n\n",
        )
        .expect("a stream");
        let read = body.take();
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
        let mut body = PublishBody::ndjson(100);
        body.feed(b"{\"data\":\"a\",\"type\":\"news\"}\n\n{\"data\":{\"x\"")
            .expect("lines");
        body.feed(b":1}}").expect("lines");
        body.finish().expect("a last line");
        assert_eq!(
            data(&mut body),
            [Some("a".to_owned()), Some("{\"x\":1}".to_owned())]
        );
        assert!(body.is_over());
    }

    #[test]
    fn a_wrong_line_is_named_and_those_before_it_are_published() {
        for (line, expected) in [
            ("{\"dat\":1}", "data"),
            ("nonsense", "write {\"data\""),
            ("{\"data\":1,\"type\":\"end\"}", "from the server alone"),
            ("{\"data\":1,\"id\":\"#x\"}", "without # in front"),
        ] {
            let mut body = PublishBody::ndjson(100);
            let wrong = body
                .feed(format!("{{\"data\":1}}\n{line}\n").as_bytes())
                .expect_err("a wrong line");
            assert!(
                wrong.to_string().contains("line 2") && wrong.to_string().contains(expected),
                "{wrong}"
            );
            assert_eq!(body.take().len(), 1);
        }
    }
}
