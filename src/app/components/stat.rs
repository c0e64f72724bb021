//! One stat of the connection: a name and a value that changes.

use leptos::prelude::*;

/// A name and its value, as a pair of a `<dl>`.
#[component]
pub fn Stat(
    /// What tests know the stat by.
    key: &'static str,
    /// The stat's name.
    name: &'static str,
    /// The stat's value.
    #[prop(into)]
    value: Signal<String>,
) -> impl IntoView {
    view! {
        <div class="stat">
            <dt>{name}</dt>
            <dd data-stat=key>{value}</dd>
        </div>
    }
}
