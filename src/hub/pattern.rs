//! Patterns: many topics by one text, those that do not exist yet included. Today a pattern is a prefix, written with a
//! `*` at its end: `orders/*` matches `orders/7` and `orders/eu/7`, and `*` matches every topic. No pattern matches an
//! [unlisted](Topic::is_unlisted) topic, since its events carry its name.
//!
//! [`PatternIndex`] finds the patterns that match a topic, at a cost that grows with the number of different lengths among
//! them, however many there are.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use super::topic::{MAX_TOPIC_BYTES, Topic};

/// A prefix of topics' names. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pattern {
    prefix: Arc<str>,
}

/// Why a text is no pattern. The message says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// The text does not end with `*`.
    #[error(
        "a pattern ends with *, such as orders/*, and then matches every topic that begins so; name a single topic with topic="
    )]
    NoWildcard,
    /// The text is too long; its length in bytes is given.
    #[error("a pattern has {0} bytes before its *; at most {MAX_TOPIC_BYTES} are taken")]
    TooLong(usize),
    /// The text has a control character, and so no topic can match.
    #[error("a pattern has the control character {0:?}; leave control characters out")]
    ControlCharacter(char),
}

impl Pattern {
    /// Takes a text as a pattern: a prefix of topics' names, of at most [`MAX_TOPIC_BYTES`] bytes, and `*`.
    ///
    /// ```
    /// use fairwind::hub::pattern::Pattern;
    /// use fairwind::hub::topic::Topic;
    ///
    /// let orders = Pattern::new("orders/*").unwrap();
    /// assert!(orders.matches(&Topic::new("orders/7").unwrap()));
    /// assert!(!orders.matches(&Topic::new("orders").unwrap()));
    /// assert!(Pattern::new("orders").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`PatternError`] if it does not end with `*`, is too long, or has control characters.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let prefix = text.strip_suffix('*').ok_or(PatternError::NoWildcard)?;
        if prefix.len() > MAX_TOPIC_BYTES {
            return Err(PatternError::TooLong(prefix.len()));
        }
        if let Some(c) = prefix.chars().find(|c| c.is_control()) {
            return Err(PatternError::ControlCharacter(c));
        }
        Ok(Self {
            prefix: prefix.into(),
        })
    }

    /// Whether a topic is one of those that the pattern stands for.
    pub fn matches(&self, topic: &Topic) -> bool {
        self.begins(topic) && !topic.is_unlisted()
    }

    fn begins(&self, topic: &Topic) -> bool {
        topic.as_str().starts_with(&*self.prefix)
    }

    /// Whether every topic that another pattern stands for is one that this pattern stands for.
    pub fn covers(&self, other: &Self) -> bool {
        other.prefix.starts_with(&*self.prefix)
    }

    /// What every topic that matches begins with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The entries of an ordered map whose topics match. Costs as much as there are of them.
    pub(super) fn range<'a, V>(
        &'a self,
        topics: &'a BTreeMap<Topic, V>,
    ) -> impl Iterator<Item = (&'a Topic, &'a V)> {
        let from = Bound::Included(&*self.prefix);
        topics
            .range::<str, _>((from, Bound::Unbounded))
            .take_while(|(topic, _)| self.begins(topic))
            .filter(|(topic, _)| !topic.is_unlisted())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*", self.prefix)
    }
}

/// Values by pattern, found by the topics that match.
#[derive(Debug)]
pub(super) struct PatternIndex<V> {
    by_length: BTreeMap<usize, HashMap<Arc<str>, V>>,
}

impl<V> Default for PatternIndex<V> {
    fn default() -> Self {
        Self {
            by_length: BTreeMap::new(),
        }
    }
}

impl<V> PatternIndex<V> {
    pub(super) fn get(&self, pattern: &Pattern) -> Option<&V> {
        self.by_length
            .get(&pattern.prefix.len())?
            .get(&pattern.prefix)
    }

    pub(super) fn insert(&mut self, pattern: &Pattern, value: V) {
        let of_length = self.by_length.entry(pattern.prefix.len()).or_default();
        of_length.insert(Arc::clone(&pattern.prefix), value);
    }

    pub(super) fn remove(&mut self, pattern: &Pattern) {
        let length = pattern.prefix.len();
        if let Some(of_length) = self.by_length.get_mut(&length) {
            of_length.remove(&pattern.prefix);
            if of_length.is_empty() {
                self.by_length.remove(&length);
            }
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.by_length.values().flat_map(HashMap::values)
    }

    /// The values of the patterns that match a topic.
    pub(super) fn matching<'a>(&'a self, topic: &'a Topic) -> impl Iterator<Item = &'a V> {
        let name = topic.as_str();
        // No length is that of a pattern which matches an unlisted topic.
        let lengths = if topic.is_unlisted() {
            0..0
        } else {
            0..name.len() + 1
        };
        self.by_length
            .range(lengths)
            .filter_map(move |(length, of_length)| of_length.get(name.get(..*length)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a topic")
    }

    #[test]
    fn a_text_without_a_wildcard_at_its_end_is_no_pattern() {
        for text in ["", "a", "a*b", "*a"] {
            assert_eq!(Pattern::new(text), Err(PatternError::NoWildcard), "{text}");
        }
        assert_eq!(
            Pattern::new("a\n*"),
            Err(PatternError::ControlCharacter('\n'))
        );
        let longest = "x".repeat(MAX_TOPIC_BYTES);
        assert!(Pattern::new(&format!("{longest}*")).is_ok());
        assert_eq!(
            Pattern::new(&format!("{longest}x*")),
            Err(PatternError::TooLong(MAX_TOPIC_BYTES + 1))
        );
        assert_eq!(Pattern::new("a/*").expect("a pattern").to_string(), "a/*");
    }

    /// Names and prefixes of few letters, some of more than one byte, so that many match.
    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop::sample::select(vec!['a', 'b', '/', '~', '上', 'é']),
            0..6,
        )
        .prop_map(|letters| letters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn the_index_and_the_range_find_what_a_comparison_of_each_finds(
            prefixes in prop::collection::vec(text(), 0..12),
            names in prop::collection::vec(text(), 1..12),
            removed in 0..12_usize,
        ) {
            let patterns: Vec<_> = prefixes
                .iter()
                .map(|prefix| Pattern::new(&format!("{prefix}*")).expect("a pattern"))
                .collect();
            let mut index = PatternIndex::default();
            for pattern in &patterns {
                index.insert(pattern, pattern.clone());
            }
            let removed = patterns.get(removed);
            if let Some(removed) = removed {
                index.remove(removed);
                prop_assert_eq!(index.get(removed), None);
            }
            let mut left: Vec<_> = patterns.iter().filter(|pattern| Some(*pattern) != removed).collect();
            left.sort();
            left.dedup();
            let names: Vec<_> = names.iter().filter(|name| !name.is_empty()).collect();
            let topics: BTreeMap<_, _> = names.iter().map(|name| (topic(name), ())).collect();
            for name in topics.keys() {
                let mut found: Vec<_> = index.matching(name).collect();
                found.sort();
                let matching: Vec<_> = left.iter().copied().filter(|pattern| pattern.matches(name)).collect();
                prop_assert_eq!(found, matching);
            }
            for pattern in left {
                prop_assert_eq!(index.get(pattern), Some(pattern));
                let found: Vec<_> = pattern.range(&topics).map(|(topic, ())| topic).collect();
                let matching: Vec<_> = topics.keys().filter(|topic| pattern.matches(topic)).collect();
                prop_assert_eq!(found, matching);
            }
        }
    }

    #[test]
    fn no_pattern_matches_an_unlisted_topic() {
        for (pattern, name, matches) in [
            ("*", "~a", false),
            ("~*", "~a", false),
            ("~a*", "~a", false),
            ("*", "a~", true),
            ("a/~*", "a/~b", true),
        ] {
            let pattern = Pattern::new(pattern).expect("a pattern");
            let mut index = PatternIndex::default();
            index.insert(&pattern, ());
            assert_eq!(pattern.matches(&topic(name)), matches, "{pattern} {name}");
            let count = index.matching(&topic(name)).count();
            assert_eq!(count, usize::from(matches), "{pattern} {name}");
        }
        // Behind them in the order of names there are others.
        let topics = BTreeMap::from([(topic("a"), 1), (topic("~b"), 2), (topic("é"), 3)]);
        let all = Pattern::new("*").expect("a pattern");
        let found: Vec<_> = all.range(&topics).map(|(_, number)| *number).collect();
        assert_eq!(found, [1, 3]);
    }

    #[test]
    fn an_index_is_empty_when_all_patterns_have_been_removed() {
        let patterns = ["a*", "b*", "ab*"].map(|text| Pattern::new(text).expect("a pattern"));
        let mut index = PatternIndex::default();
        for pattern in &patterns {
            index.insert(pattern, ());
        }
        assert_eq!(index.by_length.len(), 2);
        index.remove(&patterns[0]);
        assert_eq!(index.by_length.len(), 2, "another one is as long");
        index.remove(&patterns[1]);
        index.remove(&patterns[2]);
        assert!(index.by_length.is_empty());
        assert_eq!(patterns[2].prefix(), "ab");
    }
}
