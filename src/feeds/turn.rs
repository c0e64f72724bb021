//! Which of several servers that share a log publishes: the one that published last. The others look at the newest event of the
//! feed's topics, and leave their turn out while it is recent and not their own. When two begin at one moment, both publish
//! once; from then on the log's order says whose event is the newest. An ephemeral event does not count.

use std::time::{Duration, SystemTime};

use crate::hub::topic::Topic;
use crate::hub::{HistoryQuery, Hub};
use crate::protocol::event::EventId;

/// The turns of this server at a feed.
pub(super) struct Turn {
    topics: Vec<Topic>,
    /// The newest event that this server has published.
    last: Option<EventId>,
}

impl Turn {
    /// A server that has not published to these topics yet.
    pub(super) fn new(topics: Vec<Topic>) -> Self {
        Self { topics, last: None }
    }

    /// This server has published an event.
    pub(super) fn published(&mut self, id: EventId) {
        self.last = Some(id);
    }

    /// Whether another server has published within the last `time`.
    pub(super) fn is_of_another(&self, hub: &Hub, time: Duration) -> bool {
        let newest = |topic| hub.snapshot(topic, &HistoryQuery::newest()).events.pop();
        let newest = self.topics.iter().filter_map(newest);
        newest
            .max_by_key(|event| event.offset)
            .is_some_and(|newest| {
                let age = SystemTime::now().duration_since(newest.published_at);
                self.last.as_ref() != Some(&newest.event.id) && age.unwrap_or_default() < time
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Limits;
    use crate::hub::publish::{Preconditions, PublishRequest};

    #[tokio::test]
    async fn a_turn_is_of_another_server_while_its_event_is_the_newest_and_recent() {
        let (hub, topic) = (Hub::new(Limits::default()), Topic::clock());
        let minute = Duration::from_secs(60);
        let publish = async || {
            let event = PublishRequest::text("a");
            let receipt = hub.publish(&topic, event, Preconditions::default()).await;
            receipt.expect("published").id
        };
        let other = Topic::new("other").expect("a topic");
        let mut turn = Turn::new(vec![other, topic.clone()]);
        assert!(!turn.is_of_another(&hub, minute), "there is no event");
        publish().await;
        assert!(turn.is_of_another(&hub, minute));
        assert!(!turn.is_of_another(&hub, Duration::ZERO), "it is old");
        turn.published(publish().await);
        assert!(!turn.is_of_another(&hub, minute), "its own");
        publish().await;
        assert!(turn.is_of_another(&hub, minute));
    }
}
