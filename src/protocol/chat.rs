//! What the server and the chat's page agree on: a room is an ordinary topic, and a message an ordinary event, so that any
//! client takes part. An event of type `message` whose data is `{"name":"Ada","text":"hello"}` is a message; data that is no such
//! JSON is a message without a name. An ephemeral event of type [`TYPING_EVENT`] with `{"name":"Ada"}` says that somebody writes.

/// The page that leads to a room; each room is below it.
pub const CHAT_PATH: &str = "/chat";

/// Query parameter of [`CHAT_PATH`] that leads to a room by its name.
pub const ROOM: &str = "room";

/// Type of the ephemeral event that says that somebody writes.
pub const TYPING_EVENT: &str = "typing";

/// The cookie that holds the name under which a reader writes.
pub const CHAT_NAME_COOKIE: &str = "fairwind_chat_name";

/// The longest name that the page's form takes, in UTF-16 units, as browsers count: at most 120 bytes.
pub const MAX_NAME_UNITS: usize = 40;

/// The longest text that the page's form takes, in UTF-16 units.
pub const MAX_TEXT_UNITS: usize = 2_000;

/// The topic of a room.
pub fn topic_of(room: &str) -> String {
    format!("chat/{room}")
}
