//! The three requests that a page is made of, for whoever wants to build the like.

use leptos::prelude::*;

use super::command::Command;
use crate::app::texts::Texts;

/// A section with the requests, and under them what the page says of its source.
#[component]
pub fn Requests(
    /// What the page says.
    texts: &'static Texts,
    /// What each gives, and its command.
    requests: [(&'static str, String); 3],
    /// What follows the requests.
    children: Children,
) -> impl IntoView {
    let requests = requests.map(|(what, command)| {
        view! {
            <li>
                <p>{what}</p>
                <Command label=what text=command />
            </li>
        }
    });
    view! {
        <section class="requests" aria-labelledby="requests-heading">
            <h2 id="requests-heading">{texts.site.made_of()}</h2>
            <ol>{requests}</ol>
            {children()}
        </section>
    }
}
