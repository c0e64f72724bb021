//! What becomes of an attempt to publish, as plain data. Leaves the request to [`super::live`] and the words to
//! [`super::messages`].

use crate::protocol::page::Refusal;

/// The last attempt to publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Publishing {
    /// There was none.
    #[default]
    Idle,
    /// The request is on its way.
    UnderWay,
    /// The event went to so many subscribers.
    Done(u64),
    /// The server refused it.
    Refused(Refusal),
    /// There was no answer.
    Unreachable,
}
