//! Which topics a token allows.

use serde::Deserialize;

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
}
