//! An event as it is published and delivered, and the two short texts in it that are checked once, at the edge: its
//! id and its type. Leaves how they look on the wire to [`super::event_stream`].

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An event as a subscriber gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Where the event stands in its log; what a subscriber resumes from.
    pub id: EventId,
    /// What a page listens for; `message` unless the publisher says otherwise.
    #[serde(
        rename = "type",
        default,
        skip_serializing_if = "EventType::is_message"
    )]
    pub event_type: EventType,
    /// Any text. A line ends with LF: CR and CRLF have been read as the HTML standard's parser would.
    pub data: String,
}

/// The default type, which needs no `event` field.
const MESSAGE: &str = "message";

/// The longest id and the longest type that are taken, in bytes. An id travels in a request header, where servers and
/// proxies allow some 8 KiB for all of them.
pub const MAX_NAME_BYTES: usize = 256;

/// The id of an event: opaque to clients, 1 to [`MAX_NAME_BYTES`] bytes, without control characters and without white
/// space at either end (a header would lose it).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(String);

/// The type of an event: 1 to [`MAX_NAME_BYTES`] bytes without control characters. `message`, the default, is what
/// `onmessage` hears.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType(Cow<'static, str>);

/// Why a text cannot be an id or a type. The message says what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// The text is empty.
    Empty,
    /// The text is longer than [`MAX_NAME_BYTES`]; its length is given.
    TooLong(usize),
    /// The text has a control character (a line break and NUL are some), which would end or void the field.
    ControlCharacter(char),
    /// The text begins or ends with white space.
    OuterWhiteSpace,
}

impl EventId {
    /// Takes a text as an id.
    ///
    /// # Errors
    ///
    /// [`NameError`] if the text could not travel in an `id` field and back in a `Last-Event-ID` header.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        check(&text)?;
        if text.trim() != text {
            return Err(NameError::OuterWhiteSpace);
        }
        Ok(Self(text))
    }

    /// What of a text can be an id, for showing a text that is none.
    pub fn like(text: &str) -> Self {
        let mut id = String::new();
        for c in text.chars().filter(|c| !c.is_control()) {
            if id.len() + c.len_utf8() > MAX_NAME_BYTES {
                break;
            }
            id.push(c);
        }
        let id = id.trim();
        Self(if id.is_empty() { "(unreadable)" } else { id }.to_owned())
    }

    /// The id as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EventType {
    /// Takes a text as a type.
    ///
    /// # Errors
    ///
    /// [`NameError`] if the text could not travel in an `event` field.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        let text = text.into();
        check(&text)?;
        if text == MESSAGE {
            return Ok(Self::default());
        }
        Ok(Self(text.into()))
    }

    /// A type of the server's own, which is a constant without control characters.
    pub const fn constant(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// How many bytes of heap the type takes: none for [`Self::default`] and constants.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Cow::Borrowed(_) => 0,
            Cow::Owned(text) => text.capacity(),
        }
    }

    /// The type as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the default type, which needs no `event` field.
    pub fn is_message(&self) -> bool {
        self.0 == MESSAGE
    }
}

impl Default for EventType {
    fn default() -> Self {
        Self::constant(MESSAGE)
    }
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong(text.len()));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(NameError::ControlCharacter(c)),
        None => Ok(()),
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it is empty; give at least one character"),
            Self::TooLong(bytes) => {
                write!(
                    f,
                    "it has {bytes} bytes; at most {MAX_NAME_BYTES} are taken"
                )
            }
            Self::ControlCharacter(c) => {
                write!(
                    f,
                    "it has the control character {c:?}; leave line breaks and other control characters out"
                )
            }
            Self::OuterWhiteSpace => {
                write!(
                    f,
                    "it begins or ends with white space, which a header would lose; trim it"
                )
            }
        }
    }
}

impl std::error::Error for NameError {}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EventId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for EventType {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.0
    }
}

impl From<EventType> for String {
    fn from(event_type: EventType) -> Self {
        event_type.0.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_not_come_back_in_a_header_is_refused() {
        assert_eq!(EventId::new(""), Err(NameError::Empty));
        assert_eq!(EventId::new("a\nb"), Err(NameError::ControlCharacter('\n')));
        assert_eq!(EventId::new("a\0b"), Err(NameError::ControlCharacter('\0')));
        assert_eq!(EventId::new(" a"), Err(NameError::OuterWhiteSpace));
        assert_eq!(EventId::new("x".repeat(257)), Err(NameError::TooLong(257)));
        assert!(EventId::new("x".repeat(256)).is_ok());
        assert!(EventId::new("#1f-12").is_ok());
    }

    #[test]
    fn a_text_that_is_no_id_is_like_one() {
        assert_eq!(EventId::like("#x-1").as_str(), "#x-1");
        assert_eq!(EventId::like(" a\0b\n").as_str(), "ab");
        assert_eq!(EventId::like("\0").as_str(), "(unreadable)");
        let long = EventId::like(&"上".repeat(100));
        assert!(long.as_str().len() <= MAX_NAME_BYTES && EventId::new(long.as_str()).is_ok());
    }

    #[test]
    fn the_default_type_is_message() {
        assert!(EventType::default().is_message());
        assert_eq!(
            EventType::new("a\rb"),
            Err(NameError::ControlCharacter('\r'))
        );
    }

    #[test]
    fn a_text_that_is_too_long_for_an_id_is_cut_at_the_longest() {
        assert_eq!(EventId::like(&"x".repeat(300)).as_str(), "x".repeat(256));
        assert_eq!(EventId::like(&"x".repeat(256)).as_str(), "x".repeat(256));
        assert_eq!(EventId::like(&"上".repeat(100)).as_str(), "上".repeat(85));
    }

    #[test]
    fn a_type_is_kept_as_it_was_given_and_the_default_takes_no_memory() {
        let news = EventType::new("news").expect("a type");
        assert_eq!(
            (news.as_str(), news.to_string()),
            ("news", "news".to_owned())
        );
        assert!(!news.is_message());
        assert_eq!(news.heap_bytes(), 4);
        let message = EventType::new("message").expect("a type");
        assert_eq!(message.heap_bytes(), 0);
        assert_eq!(message, EventType::default());
        assert_eq!(EventType::constant("gap").heap_bytes(), 0);
        assert_eq!(EventType::new("").unwrap_err(), NameError::Empty);
        let id = EventId::new("#e-1").expect("an id");
        assert_eq!(
            (id.to_string(), String::from(id)),
            ("#e-1".to_owned(), "#e-1".to_owned())
        );
    }

    #[test]
    fn json_has_an_event_without_its_type_if_that_is_the_default_and_is_checked() {
        let event = |event_type: &str| Event {
            id: EventId::new("7").expect("an id"),
            event_type: EventType::new(event_type).expect("a type"),
            data: "x".to_owned(),
        };
        for (event_type, json) in [
            ("message", r#"{"id":"7","data":"x"}"#),
            ("news", r#"{"id":"7","type":"news","data":"x"}"#),
        ] {
            let event = event(event_type);
            assert_eq!(serde_json::to_string(&event).expect("JSON"), json);
            assert_eq!(
                serde_json::from_str::<Event>(json).expect("an event"),
                event
            );
        }
        for json in [
            r#"{"id":"","data":""}"#,
            r#"{"id":"7","type":"a\nb","data":""}"#,
        ] {
            assert!(serde_json::from_str::<Event>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_text_that_is_refused_is_refused_with_what_would_be_right() {
        for (error, part) in [
            (NameError::Empty, "at least one character"),
            (NameError::TooLong(300), "300 bytes; at most 256"),
            (NameError::ControlCharacter('\n'), r"control character '\n'"),
            (NameError::OuterWhiteSpace, "trim it"),
        ] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
