//! The one line that speaks: changes of the connection and results of what the reader did, politely. Never the messages
//! themselves, which would drown everything else.

use leptos::prelude::*;

/// The polite line. It is in the page, and empty, before anything is to be said: only then is it listened to.
#[component]
pub fn Announcer(
    /// What is said.
    #[prop(into)]
    text: Signal<String>,
) -> impl IntoView {
    view! { <p id="announcer" class="announcer" role="status">{text}</p> }
}
