//! What server and browser must agree on. Nothing here does I/O; everything compiles for both sides.

pub mod event;
pub mod event_stream;
pub mod gap;
pub mod page;

/// The clock's event stream.
pub const CLOCK_PATH: &str = "/events";

/// Query parameter (and, by its standard name `Last-Event-ID`, request header) that names the event after which the
/// stream shall go on.
pub const LAST_EVENT_ID: &str = "last_event_id";

/// The value of [`LAST_EVENT_ID`] that means everything that is kept.
pub const EARLIEST: &str = "earliest";

/// Query parameter that asks for the number of consumers as events of type [`CONSUMERS_EVENT`]; its one value is
/// [`AS_EVENT`].
pub const CONSUMERS: &str = "consumers";

/// Query parameter that asks for heartbeats that a page can see, as events of type [`HEARTBEAT_EVENT`]; its one value
/// is [`AS_EVENT`].
pub const HEARTBEAT: &str = "heartbeat";

/// The value of [`CONSUMERS`] and of [`HEARTBEAT`].
pub const AS_EVENT: &str = "event";

/// Type of the event that says how many consumers a topic has; its data is that number in decimal digits.
pub const CONSUMERS_EVENT: &str = "consumers";

/// Type of the event that is sent in place of a heartbeat comment; its data is the longest silence to expect, in
/// whole milliseconds.
pub const HEARTBEAT_EVENT: &str = "heartbeat";

/// Type of the event that says that events are missing; its data is a [`gap::Gap`] as JSON.
pub const GAP_EVENT: &str = "gap";
