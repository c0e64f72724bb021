//! Which topics a token allows.

use serde::Deserialize;

use crate::hub::pattern::Pattern;
use crate::hub::topic::Topic;

/// Some topics: each entry is a topic's name, or the beginning of names with `*` behind it; `*` alone is every topic.
/// A `*` elsewhere is an ordinary character.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::server) struct Grants(Vec<String>);

impl Grants {
    /// Whether a topic is among them.
    pub(in crate::server) fn cover(&self, topic: &Topic) -> bool {
        let topic = topic.as_str();
        self.0.iter().any(|entry| match entry.strip_suffix('*') {
            Some(beginning) => topic.starts_with(beginning),
            None => topic == entry,
        })
    }
}

impl Grants {
    /// Whether every topic is among them.
    pub(in crate::server) fn cover_everything(&self) -> bool {
        self.0.iter().any(|entry| entry == "*")
    }

    /// Whether every topic that a pattern matches is among them.
    pub(in crate::server) fn cover_all_of(&self, pattern: &Pattern) -> bool {
        self.0.iter().any(|entry| {
            let beginning = entry.strip_suffix('*');
            beginning.is_some_and(|beginning| pattern.prefix().starts_with(beginning))
        })
    }

    /// Whether some topic that a pattern matches is among them.
    pub(in crate::server) fn cover_some_of(&self, pattern: &Pattern) -> bool {
        self.cover_all_of(pattern)
            || self.0.iter().any(|entry| {
                let beginning = entry.strip_suffix('*').unwrap_or(entry);
                beginning.starts_with(pattern.prefix())
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_name_a_beginning_or_everything() {
        let cover = |entries: &[&str], topic| {
            let entries = entries.iter().map(ToString::to_string).collect();
            Grants(entries).cover(&Topic::new(topic).expect("a topic"))
        };
        assert!(cover(&["kitchen"], "kitchen"));
        assert!(!cover(&["kitchen"], "kitchen/lamp"));
        assert!(!cover(&["kitchen"], "Kitchen"));
        assert!(cover(&["orders/*"], "orders/42"));
        assert!(!cover(&["orders/*"], "orders"));
        assert!(!cover(&["orders/*"], "my/orders/42"));
        assert!(cover(&["a", "*"], "anything"));
        assert!(!cover(&["a*b"], "aab") && cover(&["a*b"], "a*b"));
        assert!(!cover(&[""], "a") && !cover(&[], "a"));
    }

    #[test]
    fn a_pattern_is_covered_as_a_whole_in_part_or_not() {
        let covered = |entries: &[&str], pattern: &str| {
            let grants = Grants(entries.iter().map(ToString::to_string).collect());
            let pattern = Pattern::new(pattern).expect("a pattern");
            (
                grants.cover_all_of(&pattern),
                grants.cover_some_of(&pattern),
            )
        };
        assert_eq!(covered(&["orders/*"], "orders/*"), (true, true));
        assert_eq!(covered(&["o*"], "orders/*"), (true, true));
        assert_eq!(covered(&["*"], "*"), (true, true));
        assert_eq!(covered(&["orders/eu/*"], "orders/*"), (false, true));
        assert_eq!(covered(&["orders/7"], "orders/*"), (false, true));
        assert_eq!(covered(&["orders"], "orders/*"), (false, false));
        assert_eq!(covered(&["kitchen", "k*"], "orders/*"), (false, false));
        assert_eq!(covered(&[], "*"), (false, false));
    }
}
