//! What stands on every page: the masthead's words.

use super::{Texts, texts};
use crate::protocol::compare::COMPARE_PATH;
use crate::protocol::{HELP_PATH, TOPICS_PATH};

/// The product's name, which is the same in every language.
pub const NAME: &str = "Fairwind";

texts! {
    /// The masthead of every page.
    SiteTexts {
        /// What follows the name.
        tagline: "Live events from a server to every browser", "让服务器的实时事件到达每个浏览器";
        /// Accessible name of the links to the other pages.
        links: "Site", "网站";
        /// Link to the list of topics, and that page's heading.
        topics: "Topics", "主题";
        /// Link to the page that compares an EventSource with a WebSocket.
        compare: "Compare", "对比";
        /// Link to the page that says what this server can do, and that page's heading.
        help: "Help", "帮助";
    }
}

impl Texts {
    /// The links to the other pages and to the other language, as HTML. Behind the last, the server sets a cookie and leads back to
    /// the page that the link is on.
    pub fn site_links_html(&self, has_comparisons: bool) -> String {
        let link = |path, text| format!("<a href=\"{path}\">{text}</a>");
        let compare = if has_comparisons {
            link(COMPARE_PATH, self.site.compare())
        } else {
            String::new()
        };
        let other = self.locale.other();
        let (path, tag, name) = (other.path(), other.tag(), other.name());
        link(TOPICS_PATH, self.site.topics())
            + &compare
            + &link(HELP_PATH, self.site.help())
            + &format!("<a href=\"{path}\" lang=\"{tag}\" hreflang=\"{tag}\">{name}</a>")
    }
}
