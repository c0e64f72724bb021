//! A request to read: which topics, from where on, and what happens to a reader that is too slow.

use std::time::SystemTime;

use super::pattern::Pattern;
use super::topic::Topic;
use super::visibility::Visibility;
use crate::protocol::EARLIEST;
use crate::protocol::event::EventId;

/// A request to read topics, and the topics that match patterns: one topic or pattern at least.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The topics.
    pub topics: Vec<WantedTopic>,
    /// The patterns. Topics that match and appear later are included.
    pub patterns: Vec<WantedPattern>,
    /// Where to start.
    pub start: Start,
    /// What happens if the reader is too slow.
    pub slow_reader: LagPolicy,
}

/// A topic to read.
#[derive(Debug, Clone)]
pub struct WantedTopic {
    /// The topic.
    pub topic: Topic,
    /// Whether the reader may see the topic's private events.
    pub with_private: bool,
}

/// A pattern whose topics to read.
#[derive(Debug, Clone)]
pub struct WantedPattern {
    /// The pattern.
    pub pattern: Pattern,
    /// Which events of these topics the reader may see.
    pub visibility: Visibility,
}

/// Where a subscriber starts to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the next event that is published.
    Now,
    /// With the oldest event that is kept, in memory or by the log.
    Earliest,
    /// With what came after this event. If it is not known, or not to this subscriber, with what is kept, after a gap.
    After(EventId),
    /// The same for an event that the log cannot know, since a text that is no id was given for it; the id is like that text.
    AfterUnknown(EventId),
    /// With so many of the newest events that are kept in memory.
    Last(usize),
    /// With what was published at or after this moment, as far as it is kept in memory.
    Since(SystemTime),
}

/// What happens to a reader that is so slow that what it should read next is no longer kept, or that has taken nothing
/// for longer than the write timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LagPolicy {
    /// Its stream ends; it comes back and resumes from its last event ID.
    Disconnect,
    /// It gets a gap and goes on with the newest event.
    Skip,
    /// It goes on with the newest event of each topic, without a gap: for values of which only the newest counts.
    Latest,
}

/// Why a subscription is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The topics have ended, and the reader has everything.
    #[error("the topic has ended")]
    Ended,
    /// There are as many subscriptions as the hub allows.
    #[error("there are too many subscriptions; come back later")]
    TooManySubscriptions,
}

impl Subscription {
    /// How many topics and patterns it names.
    pub fn len(&self) -> usize {
        self.topics.len() + self.patterns.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.patterns.is_empty()
    }

    /// A reader of the public events of one topic.
    pub fn public(topic: Topic, start: Start, slow_reader: LagPolicy) -> Self {
        Self {
            topics: vec![WantedTopic {
                topic,
                with_private: false,
            }],
            patterns: Vec::new(),
            start,
            slow_reader,
        }
    }
}

impl Start {
    /// The start that a reader names by its last event ID.
    pub fn after(id: EventId) -> Self {
        if id.as_str() == EARLIEST {
            Self::Earliest
        } else {
            Self::After(id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_names_earliest_starts_with_the_oldest_event() {
        let id = |text| EventId::new(text).expect("an id");
        assert_eq!(Start::after(id(EARLIEST)), Start::Earliest);
        assert_eq!(Start::after(id("7")), Start::After(id("7")));
    }
}
