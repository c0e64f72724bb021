//! Which of several servers that share a log publishes: the one that published last. The others look at the topic's newest event,
//! and leave their turn out while it is recent and not their own. When two begin at one moment, both publish once; from then
//! on the log's order says whose event is the newest.

use std::time::{Duration, SystemTime};

use crate::hub::topic::Topic;
use crate::hub::{HistoryQuery, Hub};
use crate::protocol::event::EventId;

/// The turns of this server at one topic.
pub(super) struct Turn {
    topic: Topic,
    /// The newest event that this server has published.
    last: Option<EventId>,
}

impl Turn {
    /// A server that has not published yet.
    pub(super) fn new(topic: Topic) -> Self {
        Self { topic, last: None }
    }

    /// This server has published an event.
    pub(super) fn published(&mut self, id: EventId) {
        self.last = Some(id);
    }

    /// Whether another server has published within the last `time`.
    pub(super) fn is_of_another(&self, hub: &Hub, time: Duration) -> bool {
        let newest = hub.snapshot(
            &self.topic,
            &HistoryQuery {
                count: 1,
                max_bytes: usize::MAX,
                before: None,
                with_private: false,
            },
        );
        newest.events.last().is_some_and(|newest| {
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
        let mut turn = Turn::new(topic.clone());
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
