//! Every page that the server renders, as data: [`super::document`] makes the HTML of each.

use super::pages::chat::{ChatDoor, ChatRoom};
use super::pages::notifications::Inbox;
use super::pages::problem::RefusedRequest;
use super::pages::topics::TopicList;
use crate::protocol::answers::{ANSWERS_PATH, AnswersPage};
use crate::protocol::chat::CHAT_PATH;
use crate::protocol::compare::{COMPARE_PATH, ComparePage};
use crate::protocol::notifications::NOTIFICATIONS_PATH;
use crate::protocol::page::{PageData, Refusal, TopicPage};
use crate::protocol::quotes::{QUOTES_PATH, QuotesPage};
use crate::protocol::{CLOCK_PAGE_PATH, HELP_PATH, TOPICS_PATH};

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
    /// A question, or the answer to one.
    Answers(AnswersPage),
    /// Prices.
    Quotes(QuotesPage),
    /// The way to a chat room.
    ChatDoor(ChatDoor),
    /// A chat room.
    Chat(ChatRoom),
    /// A browser's notifications.
    Notifications(Inbox),
    /// The answer to a request that was refused.
    Problem(RefusedRequest),
}

/// Which pages a server has that others may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SitePages {
    /// The clock's.
    pub clock: bool,
    /// That of quotes.
    pub quotes: bool,
    /// Those of answers.
    pub answers: bool,
    /// That of comparisons.
    pub comparisons: bool,
    /// Those of chat rooms.
    pub chat: bool,
    /// That of a browser's notifications.
    pub notifications: bool,
}

impl Page {
    /// Its path, if the masthead of every page leads to it.
    pub fn path(&self) -> Option<&'static str> {
        match self {
            Self::Live(PageData::Clock(_)) => Some(CLOCK_PAGE_PATH),
            Self::Topics(_) => Some(TOPICS_PATH),
            Self::Help { .. } => Some(HELP_PATH),
            Self::Compare(_) => Some(COMPARE_PATH),
            Self::Notifications(_) => Some(NOTIFICATIONS_PATH),
            Self::Answers(_) => Some(ANSWERS_PATH),
            Self::Quotes(_) => Some(QUOTES_PATH),
            Self::ChatDoor(_) => Some(CHAT_PATH),
            Self::Live(PageData::Topic(_)) | Self::Older(_) | Self::Chat(_) | Self::Problem(_) => {
                None
            }
        }
    }
}
