//! What stands on every page: the masthead's words.

use super::texts;

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
        /// Link to the page that says what this server can do, and that page's heading.
        help: "Help", "帮助";
    }
}
