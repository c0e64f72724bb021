//! The form that leads to a page by name: to a topic, to a chat room. The server answers it with a redirect to that page, or
//! with the page that the form is on and what is wrong with the name. It works without JavaScript.

use leptos::prelude::*;

use crate::app::texts::Texts;
use crate::protocol::page::Refusal;

/// The form.
#[component]
pub fn OpenForm(
    /// The path that answers it.
    action: &'static str,
    /// The parameter that carries the name, and the field's id.
    parameter: &'static str,
    /// What stands before the field.
    label: &'static str,
    /// What stands on the button.
    button: &'static str,
    /// The name that the reader wanted and that cannot be one, and why.
    refused: Option<(String, Refusal)>,
    /// Makes the sentence that says so of the reason.
    wrong: impl Fn(&str) -> String,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let (name, refusal) = refused.unzip();
    let is_wrong = refusal.is_some();
    let wrong_id = format!("{parameter}-wrong");
    let described_by = is_wrong.then(|| wrong_id.clone());
    view! {
        <form class="open" method="get" action=action>
            <label for=parameter>{label}</label>
            <div class="open-line">
                <input
                    id=parameter
                    name=parameter
                    type="text"
                    required
                    autocomplete="off"
                    autocapitalize="none"
                    spellcheck="false"
                    value=name
                    aria-invalid=is_wrong.then_some("true")
                    aria-describedby=described_by
                />
                <button type="submit" class="main">{button}</button>
            </div>
            {refusal.map(|refusal| {
                let why = wrong(&texts.refusal(&refusal));
                view! {
                    <p id=wrong_id class="hint wrong">
                        {why} " " <span lang="en">{texts.server_words(&refusal)}</span>
                    </p>
                }
            })}
        </form>
    }
}
