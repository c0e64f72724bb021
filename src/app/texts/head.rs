//! What stands in the head of a document: titles, and the description of the clock's page.

use super::{NAME, texts};

texts! {
    /// Titles and descriptions.
    HeadTexts {
        /// Title of the clock's page.
        clock_title: "Fairwind: the server’s clock, live", "Fairwind：服务器的实时时钟";
        /// Description of the clock's page, for search engines and link previews.
        clock_description:
            "A clock that ticks from the server, over EventSource, and stays alive through everything a network does.",
            "由服务器通过 EventSource 推送的时钟：无论网络发生什么，它都能继续走下去。";
    }
}

/// The title of a page with this heading.
pub fn titled(heading: &str) -> String {
    format!("{heading} – {NAME}")
}
