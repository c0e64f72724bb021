//! A command or program to copy.

use leptos::prelude::*;

/// One. It scrolls sideways when it is long, so the keyboard must get there, and a screen reader says what it is.
#[component]
pub fn Command(
    /// Where links lead.
    #[prop(optional)]
    id: Option<&'static str>,
    /// Its accessible name.
    label: &'static str,
    /// What a reader copies.
    text: String,
) -> impl IntoView {
    view! {
        <pre id=id class="command" role="group" aria-label=label tabindex="0"><code>{text}</code></pre>
    }
}
