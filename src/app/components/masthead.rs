//! The top of every page: the mark, the name, and what it is.

use leptos::either::Either;
use leptos::prelude::*;

use crate::app::messages;
use crate::protocol::{HELP_PATH, TOPICS_PATH};

/// The masthead. The mark is drawn by the stylesheet.
#[component]
pub fn Masthead(
    /// Whether the name is the page's heading; it leads to the clock otherwise.
    is_heading: bool,
) -> impl IntoView {
    let name = if is_heading {
        Either::Left(view! { <h1 class="name">{messages::NAME}</h1> })
    } else {
        Either::Right(view! { <p class="name"><a href="/">{messages::NAME}</a></p> })
    };
    view! {
        <header class="masthead">
            <span class="mark" aria-hidden="true"></span>
            {name}
            <p class="tagline">{messages::TAGLINE}</p>
            <nav class="site" aria-label=messages::SITE_LABEL>
                <a href=TOPICS_PATH>{messages::TOPICS}</a>
                <a href=HELP_PATH>{messages::HELP}</a>
            </nav>
        </header>
    }
}
