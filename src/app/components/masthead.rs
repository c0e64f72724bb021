//! The top of every page: the mark, the name, and what it is.

use leptos::prelude::*;

use crate::app::messages;

/// The masthead. The mark is drawn by the stylesheet.
#[component]
pub fn Masthead() -> impl IntoView {
    view! {
        <header class="masthead">
            <span class="mark" aria-hidden="true"></span>
            <h1>{messages::NAME}</h1>
            <p class="tagline">{messages::TAGLINE}</p>
        </header>
    }
}
