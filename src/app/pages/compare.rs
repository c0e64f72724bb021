//! An EventSource and a WebSocket on the same topic, side by side.

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::messages::compare as words;
use crate::app::texts::Texts;
use crate::protocol::compare::{self, EVENTS};

/// The page.
#[component]
pub fn ComparePage(
    /// What it is rendered with.
    page: compare::ComparePage,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    view! {
        <Masthead texts is_heading=false />
        <main id="main" class="compare-page">
            <h1>{words::HEADING}</h1>
            <pre class="command"><code>{format!("curl -N {}{}", page.origin, compare::path(&page.id, EVENTS))}</code></pre>
        </main>
    }
}
