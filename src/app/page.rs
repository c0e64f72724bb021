//! Every page that the server renders, as data: [`super::document`] makes the HTML of each.

use super::pages::problem::RefusedRequest;
use super::pages::topics::TopicList;
use crate::protocol::compare::ComparePage;
use crate::protocol::page::{PageData, Refusal, TopicPage};

/// A page and what is on it.
#[derive(Debug, Clone)]
pub enum Page {
    /// One that the browser hydrates.
    Live(PageData),
    /// A topic's older events.
    Older(TopicPage),
    /// The list of topics.
    Topics(TopicList),
    /// What this server can do.
    Help {
        /// Scheme and authority of the server.
        origin: String,
        /// Why the reader may not publish; `None` if the reader may.
        refusal: Option<Refusal>,
    },
    /// An EventSource beside a WebSocket.
    Compare(ComparePage),
    /// The answer to a request that was refused.
    Problem(RefusedRequest),
}
