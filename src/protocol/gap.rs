//! Reports to a subscriber that events are missing. It goes into the stream itself, since an EventSource cannot see
//! response headers.

use serde::{Deserialize, Serialize};

use super::event::EventId;

/// The data of an event of type `gap`: what was asked for is not, or no longer, in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The id after which the subscriber wanted to go on.
    pub requested: EventId,
    /// The id after which it goes on instead. What lies between the two may be missing.
    pub resumed_from: EventId,
}
