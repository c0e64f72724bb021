//! The page for every path where nothing is. Static: the server renders it, and no script follows.

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::messages;

/// Says that nothing is here, and leads back.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    view! {
        <Masthead is_heading=true />
        <main id="main" class="not-found">
            <p class="not-found-status">"404"</p>
            <h2>{messages::NOT_FOUND_HEADING}</h2>
            <p>{messages::NOT_FOUND_TEXT}</p>
            <p><a href="/">{messages::NOT_FOUND_LINK}</a></p>
        </main>
    }
}
