//! One fact of the connection: a name and a value that changes.

use leptos::prelude::*;

/// A name and its value, as a pair of a `<dl>`.
#[component]
pub fn Fact(
    /// What tests know the fact by.
    key: &'static str,
    /// The fact's name.
    name: &'static str,
    /// The fact's value.
    #[prop(into)]
    value: Signal<String>,
) -> impl IntoView {
    view! {
        <div class="fact">
            <dt>{name}</dt>
            <dd data-fact=key>{value}</dd>
        </div>
    }
}
