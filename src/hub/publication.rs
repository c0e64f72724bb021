//! What somebody publishes, under which conditions, and what becomes of it.

use std::time::Duration;

use super::topic::Topic;
use crate::protocol::event::{EventId, EventType};
use crate::protocol::{EARLIEST, RESERVED_EVENTS};

/// What somebody publishes.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The event's id, if the publisher has one of its own; the log's otherwise.
    pub id: Option<EventId>,
    /// The event's type.
    pub event_type: EventType,
    /// The event's data: any text.
    pub data: String,
    /// How long readers wait from now on before they connect again, if the publisher says so.
    pub retry: Option<Duration>,
    /// Whether only those see it who may read the topic's private events.
    pub is_private: bool,
    /// Whether those see it who come later. What is not kept reaches only who is reading when it is published.
    pub is_kept: bool,
}

/// What must hold for something to be published.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// The topic's newest event must be this one: nobody has published in between.
    pub newest: Option<EventId>,
    /// Publishing again under this key gives the first result instead of a second event. Keys belong to a topic and
    /// are forgotten as `Idempotency` says.
    pub idempotency_key: Option<String>,
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The event's id.
    pub id: EventId,
    /// The topic that it was published to.
    pub topic: Topic,
    /// How many subscribers the topic had when the event entered the log.
    pub subscribers: usize,
    /// Whether it had been published before under the same key, and this is the first result.
    pub is_repeat: bool,
}

/// Why something could not be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The topic has ended.
    #[error("the topic has ended; publish to another, or wait until this one has been forgotten")]
    Ended,
    /// The condition on the newest event does not hold.
    #[error("the topic has moved on: its newest event is {}", newest_text(.0))]
    Moved(Option<EventId>),
    /// It would be one topic too many.
    #[error(
        "there are too many topics; publish to one that exists, or wait until others have been forgotten"
    )]
    TooManyTopics,
}

impl Publication {
    /// A kept, public message with an id of the log's.
    pub fn text(data: impl Into<String>) -> Self {
        Self {
            id: None,
            event_type: EventType::default(),
            data: data.into(),
            retry: None,
            is_private: false,
            is_kept: true,
        }
    }
}

/// Takes a text as an id that a publisher chooses.
///
/// # Errors
///
/// A sentence that says why it cannot be one, and what would be right.
pub fn check_id(text: String) -> Result<EventId, String> {
    if text.starts_with('#') || text == EARLIEST {
        return Err(format!(
            "the id '{text}' could be taken for one of the server's own; choose one without # in front"
        ));
    }
    EventId::new(text).map_err(|error| format!("the id cannot be one: {error}"))
}

/// Takes a text as a type that a publisher chooses.
///
/// # Errors
///
/// As [`check_id`].
pub fn check_type(text: String) -> Result<EventType, String> {
    if RESERVED_EVENTS.contains(&text.as_str()) {
        return Err(format!(
            "events of type '{text}' come from the server alone or from the EventSource itself; choose another type"
        ));
    }
    EventType::new(text).map_err(|error| format!("the type cannot be one: {error}"))
}

fn newest_text(newest: &Option<EventId>) -> &str {
    newest.as_ref().map_or("none", EventId::as_str)
}
