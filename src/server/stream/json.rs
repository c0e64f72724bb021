//! What readers are sent as JSON: a text frame of a WebSocket, or the data of a message on an event stream that asks for it.

use serde::Serialize;

use crate::hub::Entry;
use crate::hub::presence::{Name, PresenceUpdate};
use crate::hub::topic::Topic;
use crate::protocol::END_EVENT;
use crate::protocol::event::EventId;

/// An event.
#[derive(Serialize)]
pub(super) struct EventJson<'a> {
    /// The publisher's own id, or the log's.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a EventId>,
    topic: &'a str,
    /// All topics by which it came to the reader, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    topics: Vec<&'a str>,
    r#type: &'a str,
    data: &'a str,
}

/// How many subscribers a topic has.
#[derive(Serialize)]
pub(super) struct ConsumersJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) topic: Option<&'a str>,
    pub(super) consumers: usize,
}

/// Who is present in a topic, or who has come and gone.
#[derive(Serialize)]
pub(super) struct PresenceJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    present: Option<&'a [Name]>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    joined: &'a [Name],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    left: &'a [Name],
}

impl<'a> PresenceJson<'a> {
    pub(super) fn new(topic: Option<&'a str>, update: &'a PresenceUpdate) -> Self {
        let (present, joined, left) = match update {
            PresenceUpdate::All(names) => (Some(&names[..]), &[][..], &[][..]),
            PresenceUpdate::Changes { joined, left } => (None, &joined[..], &left[..]),
        };
        Self {
            topic,
            present,
            joined,
            left,
        }
    }
}

impl<'a> EventJson<'a> {
    /// An event as every reader knows it.
    pub(super) fn new(entry: &'a Entry) -> Self {
        Self {
            id: Some(&entry.event.id),
            topic: entry.topic.as_str(),
            topics: Vec::new(),
            r#type: entry.event.event_type.as_str(),
            data: &entry.event.data,
        }
    }

    /// The same for a reader that it came to by these topics.
    pub(super) fn by_topics(self, topics: impl Iterator<Item = &'a Topic>) -> Self {
        let mut topics: Vec<_> = topics.map(Topic::as_str).collect();
        let topic = topics.first().copied().unwrap_or(self.topic);
        if topics.len() == 1 {
            topics.clear();
        }
        Self {
            topic,
            topics,
            ..self
        }
    }

    /// The end of a topic that ended before the reader came.
    pub(super) fn earlier_end(topic: &'a Topic) -> Self {
        Self {
            id: None,
            topic: topic.as_str(),
            topics: Vec::new(),
            r#type: END_EVENT,
            data: topic.as_str(),
        }
    }
}

/// As a text.
pub(super) fn to_text(value: &impl Serialize) -> String {
    // Texts and numbers: this cannot fail.
    serde_json::to_string(value).unwrap_or_default()
}
