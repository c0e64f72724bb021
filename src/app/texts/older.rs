//! What the page of a topic's older events says. Only the server renders it.

use super::texts;

texts! {
    /// The page of older events.
    OlderTexts {
        /// Title and heading.
        heading(topic): "{0}: older events", "{0}：更早的事件";
        /// Link to the page that goes on.
        to_the_live_page: "The newest, live", "最新事件（实时）";
        /// The list when there are no events.
        empty: "No older events are kept.", "没有保留更早的事件。";
    }
}
