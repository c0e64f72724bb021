//! The name of a topic, checked once.

use std::fmt;
use std::sync::Arc;

/// The longest name of a topic, in bytes; percent-encoded it then still fits into every common limit for a URL.
pub const MAX_TOPIC_BYTES: usize = 1_024;

/// The name of a topic: 1 to [`MAX_TOPIC_BYTES`] bytes of UTF-8 without control characters. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

/// Why a text cannot name a topic. The message says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// The text is empty.
    #[error("a topic's name is empty; give at least one character")]
    Empty,
    /// The text is too long; its length is given.
    #[error("a topic's name has {0} bytes; at most {MAX_TOPIC_BYTES} are taken")]
    TooLong(usize),
    /// The text has a control character.
    #[error("a topic's name has the control character {0:?}; leave control characters out")]
    ControlCharacter(char),
}

impl Topic {
    /// Takes a text as the name of a topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if it is empty, too long, or has control characters.
    pub fn new(name: &str) -> Result<Self, TopicError> {
        if name.is_empty() {
            return Err(TopicError::Empty);
        }
        if name.len() > MAX_TOPIC_BYTES {
            return Err(TopicError::TooLong(name.len()));
        }
        match name.chars().find(|c| c.is_control()) {
            Some(c) => Err(TopicError::ControlCharacter(c)),
            None => Ok(Self(name.into())),
        }
    }

    /// The topic that the clock publishes to.
    pub fn clock() -> Self {
        Self("clock".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_without_control_characters_names_a_topic() {
        assert!(Topic::new("küche/上海?x=1#y").is_ok());
        assert!(Topic::new(&"x".repeat(MAX_TOPIC_BYTES)).is_ok());
        assert_eq!(Topic::new(""), Err(TopicError::Empty));
        assert_eq!(
            Topic::new(&"x".repeat(1_025)),
            Err(TopicError::TooLong(1_025))
        );
        assert_eq!(
            Topic::new("a\u{85}b"),
            Err(TopicError::ControlCharacter('\u{85}'))
        );
    }
}
