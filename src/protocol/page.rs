//! What the server writes into a page for the browser to go on from.

use serde::{Deserialize, Serialize};

use super::event::{Event, EventId};

/// A topic's page at one moment: the browser subscribes from [`Self::last_event_id`], so that between the page and the
/// stream nothing is missed and nothing comes twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPage {
    /// Scheme and authority under which the reader reached the server, such as `http://127.0.0.1:8080`.
    pub origin: String,
    /// Path of the topic's event stream, such as `/events`.
    pub stream_path: String,
    /// The topic's newest events, oldest first.
    pub events: Vec<Event>,
    /// Where the log stood when the page was rendered.
    pub last_event_id: EventId,
    /// How many consumers the topic had then.
    pub consumers: usize,
}
