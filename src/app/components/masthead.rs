//! The top of every page: the mark, the name, what it is, and the links to the other pages and to the other language.

use leptos::either::Either;
use leptos::prelude::*;

use crate::app::texts::{NAME, Texts};
use crate::protocol::{HELP_PATH, TOPICS_PATH};

/// The masthead. The mark is drawn by the stylesheet.
#[component]
pub fn Masthead(
    /// What the page says.
    texts: &'static Texts,
    /// Whether the name is the page's heading; it leads to the clock otherwise.
    is_heading: bool,
) -> impl IntoView {
    let name = if is_heading {
        Either::Left(view! { <h1 class="name">{NAME}</h1> })
    } else {
        Either::Right(view! { <p class="name"><a href="/">{NAME}</a></p> })
    };
    let other = texts.locale.other();
    view! {
        <header class="masthead">
            <span class="mark" aria-hidden="true"></span>
            {name}
            <p class="tagline">{texts.site.tagline()}</p>
            <nav class="site" aria-label=texts.site.links()>
                <a href=TOPICS_PATH>{texts.site.topics()}</a>
                <a href=HELP_PATH>{texts.site.help()}</a>
                // The server sets a cookie and leads back to the page that the link is on.
                <a href=other.path() lang=other.tag() hreflang=other.tag()>{other.name()}</a>
            </nav>
        </header>
    }
}
