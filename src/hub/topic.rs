//! The name of a topic, checked once.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name of a topic, in bytes; percent-encoded it then still fits into every common limit for a URL.
pub const MAX_TOPIC_BYTES: usize = 1_024;

/// What the name of an unlisted topic begins with; see [`Topic::is_unlisted`].
pub const UNLISTED_PREFIX: char = '~';

/// The name of a topic: 1 to [`MAX_TOPIC_BYTES`] bytes of UTF-8 without control characters, and without the segments `.`
/// and `..`. Every URL parser resolves those (as `%2E` too), so that a link to such a topic would lead to another one.
/// Cheap to clone.
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
    /// A segment of the text is `.` or `..`.
    #[error(
        "a topic's name has the segment '{0}', which URLs resolve as a step between folders; use another word there"
    )]
    DotSegment(&'static str),
}

impl Topic {
    /// Takes a text as the name of a topic.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if it is empty, too long, has control characters, or segments that no URL can carry.
    pub fn new(name: &str) -> Result<Self, TopicError> {
        if name.is_empty() {
            return Err(TopicError::Empty);
        }
        if name.len() > MAX_TOPIC_BYTES {
            return Err(TopicError::TooLong(name.len()));
        }
        if let Some(c) = name.chars().find(|c| c.is_control()) {
            return Err(TopicError::ControlCharacter(c));
        }
        for segment in [".", ".."] {
            if name.split('/').any(|part| part == segment) {
                return Err(TopicError::DotSegment(segment));
            }
        }
        Ok(Self(name.into()))
    }

    /// The topic that the clock publishes to.
    pub fn clock() -> Self {
        Self("clock".into())
    }

    /// Whether only those read the topic who know its name: it stands in no list, and no pattern matches it.
    pub fn is_unlisted(&self) -> bool {
        self.0.starts_with(UNLISTED_PREFIX)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// Ordered and hashed as its name, so that a map of topics is searched by names and prefixes.
impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
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
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{TOPICS_PATH, topic_path};

    /// Names made of what means something to a URL parser, and of anything else.
    fn name() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            3 => prop::sample::select(vec![
                "/", ".", "..", "%2e", "%2E", "%2F", "%", "\\", "?", "#", ":", "@", "//", " ", "http:", "a",
            ])
            .prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn every_name_survives_a_browsers_url_parser(name in name()) {
            let Ok(topic) = Topic::new(&name) else { return Ok(()) };
            let page = url::Url::parse("http://127.0.0.1:8080/topics").expect("a URL");
            let link = page.join(&topic_path(topic.as_str())).expect("a link");
            prop_assert_eq!((link.query(), link.fragment()), (None, None));
            prop_assert_eq!(link.origin(), page.origin());
            let path = link.path().strip_prefix(TOPICS_PATH).and_then(|path| path.strip_prefix('/'));
            let path = path.expect("a topic's path");
            prop_assert_eq!(percent_encoding::percent_decode_str(path).decode_utf8_lossy(), name);
        }
    }

    #[test]
    fn a_name_that_a_url_would_resolve_is_refused() {
        for name in [".", "..", "a/../b", "a/./b", "../x", "a/.."] {
            assert!(
                matches!(Topic::new(name), Err(TopicError::DotSegment(_))),
                "{name}"
            );
        }
        for name in [
            "...", "a.b", ".a", "..a/b..", "/", "a//b", "a/", "%2E", "a\\..\\b",
        ] {
            assert!(Topic::new(name).is_ok(), "{name}");
        }
    }

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

    #[test]
    fn a_topic_is_written_and_found_by_its_name() {
        assert_eq!(Topic::clock().as_str(), "clock");
        assert_eq!(Topic::clock().to_string(), "clock");
        let topics = std::collections::BTreeMap::from([(Topic::clock(), 7)]);
        assert_eq!(topics.get("clock"), Some(&7));
        assert_eq!(topics.get("other"), None);
        let longest = "x".repeat(MAX_TOPIC_BYTES);
        assert!(Topic::new(&longest).is_ok());
        assert_eq!(
            Topic::new(&format!("{longest}x")),
            Err(TopicError::TooLong(MAX_TOPIC_BYTES + 1))
        );
    }
}
