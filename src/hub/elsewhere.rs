//! The subscribers of the other hubs that share a log with this one, as far as this hub has been told.

use std::collections::HashMap;

use smallvec::SmallVec;

use super::channel::Matcher;
use super::pattern::{Pattern, PatternIndex};
use super::topic::Topic;

/// Numbers of subscribers. With a log of its own, a hub has none elsewhere.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// Of the topics and patterns that have any.
    subscribers: HashMap<Matcher, usize>,
    patterns: PatternIndex<Pattern>,
}

impl Elsewhere {
    /// The subscribers that are named, and no others. Returns the topics and patterns whose number has changed.
    pub(super) fn set(&mut self, subscribers: &HashMap<Matcher, usize>) -> Vec<Matcher> {
        let former = std::mem::take(self);
        for (of, count) in subscribers.iter().filter(|(_, count)| **count > 0) {
            self.subscribers.insert(of.clone(), *count);
            if let Matcher::Pattern(pattern) = of {
                self.patterns.insert(pattern, pattern.clone());
            }
        }
        let is_gone = |of: &&Matcher| !self.subscribers.contains_key(of);
        let gone = former.subscribers.keys().filter(is_gone);
        let has_changed = |of: &&Matcher| former.of(of) != self.of(of);
        let other = self.subscribers.keys().filter(has_changed);
        gone.chain(other).cloned().collect()
    }

    /// Those that read a topic by its name, or that read a pattern.
    pub(super) fn of(&self, matcher: &Matcher) -> usize {
        self.subscribers.get(matcher).copied().unwrap_or_default()
    }

    /// Those that read a topic by its name.
    pub(super) fn of_topic(&self, topic: &Topic) -> usize {
        if self.subscribers.is_empty() {
            return 0;
        }
        self.of(&Matcher::Topic(topic.clone()))
    }

    /// The topics that are read by their names, and how many subscribers each has.
    pub(super) fn topics(&self) -> impl Iterator<Item = (&Topic, usize)> {
        self.subscribers.iter().filter_map(|(of, count)| match of {
            Matcher::Topic(topic) => Some((topic, *count)),
            Matcher::Pattern(_) => None,
        })
    }

    /// Whether a topic that a pattern matches is read by its name, or by a pattern that matches no other topics.
    pub(super) fn has_any_within(&self, pattern: &Pattern) -> bool {
        self.subscribers.keys().any(|of| match of {
            Matcher::Topic(topic) => pattern.matches(topic),
            Matcher::Pattern(other) => pattern.covers(other),
        })
    }

    /// Those that an event of some topics reaches: the readers of each topic, and of each pattern that matches one.
    pub(super) fn reached_by<'a>(&self, topics: impl Iterator<Item = &'a Topic>) -> usize {
        if self.subscribers.is_empty() {
            return 0;
        }
        let mut reached = SmallVec::<[Matcher; 4]>::new();
        for topic in topics {
            let patterns = self.patterns.matching(topic).cloned();
            let of_topic = std::iter::once(Matcher::Topic(topic.clone()));
            for matcher in of_topic.chain(patterns.map(Matcher::Pattern)) {
                if !reached.contains(&matcher) {
                    reached.push(matcher);
                }
            }
        }
        reached.iter().map(|matcher| self.of(matcher)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_elsewhere_are_those_that_were_named_last() {
        let topic = |name: &str| Topic::new(name).expect("a topic");
        let of_topic = |name: &str| Matcher::Topic(topic(name));
        let orders = Matcher::Pattern(Pattern::new("orders/*").expect("a pattern"));
        let mut elsewhere = Elsewhere::default();
        let reached = |elsewhere: &Elsewhere, names: &[&str]| {
            let topics: Vec<_> = names.iter().map(|name| topic(name)).collect();
            elsewhere.reached_by(topics.iter())
        };
        let first = [
            (of_topic("orders/7"), 2),
            (of_topic("a"), 1),
            (orders.clone(), 3),
            (of_topic("none"), 0),
        ];
        let changed = elsewhere.set(&HashMap::from(first));
        assert_eq!(changed.len(), 3);
        assert!(!changed.contains(&of_topic("none")));
        assert_eq!(elsewhere.of_topic(&topic("orders/7")), 2);
        assert_eq!(elsewhere.topics().count(), 2);
        assert_eq!(reached(&elsewhere, &["orders/7"]), 5);
        assert_eq!(reached(&elsewhere, &["orders/8"]), 3);
        let several = ["orders/7", "orders/8", "a", "orders/7"];
        assert_eq!(reached(&elsewhere, &several), 6, "each once");
        let within = |elsewhere: &Elsewhere, text: &str| {
            elsewhere.has_any_within(&Pattern::new(text).expect("a pattern"))
        };
        assert!(within(&elsewhere, "orders/*") && within(&elsewhere, "a*"));
        assert!(within(&elsewhere, "ord*"), "all that orders/* matches");
        assert!(!within(&elsewhere, "orders/8*") && !within(&elsewhere, "b*"));
        let second = HashMap::from([(of_topic("a"), 1), (orders.clone(), 2)]);
        let changed = elsewhere.set(&second);
        assert_eq!(changed, [of_topic("orders/7"), orders]);
        assert_eq!(reached(&elsewhere, &["orders/7"]), 2);
        assert!(elsewhere.set(&second).is_empty());
        assert_eq!(elsewhere.set(&HashMap::new()).len(), 2);
        assert_eq!(reached(&elsewhere, &several), 0);
    }
}
