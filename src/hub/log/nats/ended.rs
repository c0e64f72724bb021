//! Topics that have ended, by what the stream says, so that every node lets the same events pass: an end holds for as long as
//! the stream keeps events, counted in the stream's own time.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime};

use crate::hub::entry::StoredEvent;
use crate::hub::position::Offset;
use crate::hub::topic::Topic;

/// How many ends are remembered, in some 150 bytes each beside the topic's name. The oldest goes first.
const MAX_ENDS: usize = 1_000_000;

/// The ends that hold.
#[derive(Debug, Default)]
pub(super) struct EndedTopics {
    /// For how long an end holds; for ever without an age.
    age: Option<Duration>,
    /// The end's offset, and when the stream has stored it.
    ends: HashMap<Topic, (Offset, SystemTime)>,
    oldest_first: VecDeque<(Topic, Offset, SystemTime)>,
}

impl EndedTopics {
    /// Ends hold for as long as the stream keeps events.
    pub(super) fn new(age: Option<Duration>) -> Self {
        Self {
            age,
            ..Self::default()
        }
    }

    /// Whether an event, which the stream has stored at a moment, comes after the end of its topic.
    pub(super) fn has_ended(&self, topic: &Topic, event: Offset, at: SystemTime) -> bool {
        let end = self.ends.get(topic);
        end.is_some_and(|(end, ended_at)| *end < event && self.holds(*ended_at, at))
    }

    /// Whether an event comes after the end of one of its topics.
    pub(super) fn forbid(&self, event: &StoredEvent, at: SystemTime) -> bool {
        let mut topics = std::iter::once(&event.topic).chain(&event.publication.also_in);
        topics.any(|topic| self.has_ended(topic, event.offset, at))
    }

    /// An event has ended its topic.
    pub(super) fn end(&mut self, topic: &Topic, event: Offset, at: SystemTime) {
        self.ends.insert(topic.clone(), (event, at));
        self.oldest_first.push_back((topic.clone(), event, at));
        while let Some((topic, end, ended_at)) = self.oldest_first.front()
            && (self.oldest_first.len() > MAX_ENDS || !self.holds(*ended_at, at))
        {
            // The topic may have begun and ended again since.
            if self
                .ends
                .get(topic)
                .is_some_and(|(newest, _)| newest == end)
            {
                self.ends.remove(topic);
            }
            self.oldest_first.pop_front();
        }
    }

    /// All ends so far are lost with the events before them.
    pub(super) fn forget(&mut self) {
        self.ends.clear();
        self.oldest_first.clear();
    }

    fn holds(&self, end: SystemTime, at: SystemTime) -> bool {
        let since = at.duration_since(end).unwrap_or_default();
        self.age.is_none_or(|age| since < age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_holds_for_as_long_as_the_stream_keeps_events() {
        let topic = |name: &str| Topic::new(name).expect("a topic");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let offset = Offset::from_number;
        let mut ended = EndedTopics::new(Some(Duration::from_secs(10)));
        ended.end(&topic("a"), offset(5), at(100));
        let of_a = |ended: &EndedTopics, event, seconds| {
            ended.has_ended(&topic("a"), offset(event), at(seconds))
        };
        assert!(!of_a(&ended, 4, 100), "before the end");
        assert!(!of_a(&ended, 5, 100), "the end itself");
        assert!(of_a(&ended, 6, 100) && of_a(&ended, 7, 109));
        assert!(!of_a(&ended, 8, 110), "the stream has dropped the end");
        assert!(!ended.has_ended(&topic("b"), offset(6), at(100)));
        ended.end(&topic("a"), offset(9), at(115));
        ended.end(&topic("b"), offset(10), at(120));
        assert!(of_a(&ended, 11, 120), "it has ended again");
        assert_eq!(ended.oldest_first.len(), 2, "the first end is forgotten");
        let mut for_ever = EndedTopics::new(None);
        for_ever.end(&topic("a"), offset(1), at(0));
        assert!(of_a(&for_ever, 2, 1_000_000_000));
    }
}
