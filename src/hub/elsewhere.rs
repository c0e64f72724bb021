//! The subscribers of the other hubs that share a log with this one, as far as this hub has been told.

use std::collections::HashMap;

use super::channel::Matcher;
use super::pattern::PatternIndex;
use super::topic::Topic;

/// Numbers of subscribers. With a log of its own, a hub has none elsewhere.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    topics: HashMap<Topic, usize>,
    patterns: PatternIndex<usize>,
}

impl Elsewhere {
    /// The subscribers that are named, and no others. Returns the topics whose number has changed.
    pub(super) fn set(&mut self, subscribers: &HashMap<Matcher, usize>) -> Vec<Topic> {
        let former = std::mem::take(self);
        for (of, count) in subscribers {
            match of {
                Matcher::Topic(topic) => {
                    self.topics.insert(topic.clone(), *count);
                }
                Matcher::Pattern(pattern) => self.patterns.insert(pattern, *count),
            }
        }
        let both = former.topics.keys().chain(self.topics.keys());
        let mut changed: Vec<_> = both
            .filter(|topic| former.topics.get(*topic) != self.topics.get(*topic))
            .cloned()
            .collect();
        changed.sort();
        changed.dedup();
        changed
    }

    /// Those that read a topic by its name.
    pub(super) fn of(&self, topic: &Topic) -> usize {
        self.topics.get(topic).copied().unwrap_or_default()
    }

    /// Those that an event of a topic reaches: readers of patterns are among them.
    pub(super) fn reached_by(&self, topic: &Topic) -> usize {
        let by_pattern: usize = self.patterns.matching(topic).sum();
        self.of(topic) + by_pattern
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::pattern::Pattern;

    #[test]
    fn subscribers_elsewhere_are_those_that_were_named_last() {
        let topic = |name: &str| Topic::new(name).expect("a topic");
        let of_topic = |name: &str| Matcher::Topic(topic(name));
        let orders = Matcher::Pattern(Pattern::new("orders/*").expect("a pattern"));
        let mut elsewhere = Elsewhere::default();
        let first = [(of_topic("orders/7"), 2), (of_topic("a"), 1), (orders, 3)];
        let changed = elsewhere.set(&HashMap::from(first));
        assert_eq!(changed, [topic("a"), topic("orders/7")]);
        assert_eq!(elsewhere.of(&topic("orders/7")), 2);
        assert_eq!(elsewhere.reached_by(&topic("orders/7")), 5);
        assert_eq!(elsewhere.reached_by(&topic("orders/8")), 3);
        let changed = elsewhere.set(&HashMap::from([(of_topic("a"), 1)]));
        assert_eq!(changed, [topic("orders/7")]);
        assert_eq!(elsewhere.reached_by(&topic("orders/7")), 0);
    }
}
