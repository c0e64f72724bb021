//! The words of the page that compares an EventSource with a WebSocket.

/// Link to the page.
pub const LINK: &str = "Compare";
/// Heading of the page.
pub const HEADING: &str = "Compare";
