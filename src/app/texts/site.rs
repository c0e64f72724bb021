//! What stands on every page: the masthead's words.

use super::{Texts, texts};
use crate::app::page::SitePages;
use crate::protocol::answers::ANSWERS_PATH;
use crate::protocol::chat::CHAT_PATH;
use crate::protocol::compare::COMPARE_PATH;
use crate::protocol::notifications::NOTIFICATIONS_PATH;
use crate::protocol::quotes::QUOTES_PATH;
use crate::protocol::{CLOCK_PAGE_PATH, HELP_PATH, TOPICS_PATH};

/// The product's name, which is the same in every language.
pub const NAME: &str = "Fairwind";

texts! {
    /// The masthead of every page.
    SiteTexts {
        /// What follows the name.
        tagline: "Live events from a server to every browser", "让服务器的实时事件到达每个浏览器";
        /// Accessible name of the links to the other pages.
        links: "Site", "网站";
        /// Link to the clock's page.
        clock: "Clock", "时钟";
        /// Link to the list of topics, and that page's heading.
        topics: "Topics", "主题";
        /// Link to the page of quotes.
        quotes: "Quotes", "行情";
        /// Link to the page of answers.
        answers: "Answers", "问答";
        /// Link to the page that compares an EventSource with a WebSocket.
        compare: "Compare", "对比";
        /// Link to the page that leads to chat rooms.
        chat: "Chat", "聊天";
        /// Link to a browser's notifications, and that page's heading.
        notifications: "Notifications", "通知";
        /// Link to the page that says what this server can do, and that page's heading.
        help: "Help", "帮助";
        /// Heading of the requests that a page is made of.
        made_of: "Three requests make this page", "此页面由三个请求构成";
    }
}

impl Texts {
    /// The links to the site's pages and to the other language, as HTML. Behind the last, the server sets a cookie and leads back to
    /// the page that the link is on, which is at `current` if it is one of the site's pages.
    pub fn site_links_html(&self, current: Option<&str>, pages: SitePages) -> String {
        let links = [
            (pages.clock, CLOCK_PAGE_PATH, self.site.clock()),
            (true, TOPICS_PATH, self.site.topics()),
            (pages.quotes, QUOTES_PATH, self.site.quotes()),
            (pages.answers, ANSWERS_PATH, self.site.answers()),
            (pages.comparisons, COMPARE_PATH, self.site.compare()),
            (pages.chat, CHAT_PATH, self.site.chat()),
            (
                pages.notifications,
                NOTIFICATIONS_PATH,
                self.site.notifications(),
            ),
            (true, HELP_PATH, self.site.help()),
        ];
        let mut html = String::new();
        for (_, path, text) in links.into_iter().filter(|(exists, ..)| *exists) {
            let is_current = if current == Some(path) {
                " aria-current=\"page\""
            } else {
                ""
            };
            html.push_str(&format!("<a href=\"{path}\"{is_current}>{text}</a>"));
        }
        let other = self.locale.other();
        let (path, tag, name) = (other.path(), other.tag(), other.name());
        html + &format!("<a href=\"{path}\" lang=\"{tag}\" hreflang=\"{tag}\">{name}</a>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::locale::Locale;

    #[test]
    fn the_masthead_leads_to_the_pages_that_there_are_and_says_which_this_is() {
        let links = |current, clock, others| {
            let pages = SitePages {
                clock,
                answers: clock,
                quotes: clock,
                comparisons: others,
                chat: others,
                notifications: others,
            };
            Texts::of(Locale::English).site_links_html(current, pages)
        };
        let all = links(Some("/help"), true, true);
        assert!(all.starts_with("<a href=\"/\">Clock</a><a href=\"/topics\">Topics</a>"));
        assert!(all.contains("<a href=\"/help\" aria-current=\"page\">Help</a>"));
        assert!(all.contains("<a href=\"/chat\">Chat</a>"));
        assert!(all.contains("hreflang=\"zh-CN\">中文</a>"));
        assert!(all.contains("<a href=\"/notifications\">Notifications</a>"));
        let few = links(None, false, false);
        assert!(
            !few.contains("/compare")
                && !few.contains("/chat")
                && !few.contains("/notifications")
                && !few.contains("Clock")
                && !few.contains("aria-current")
        );
    }
}
