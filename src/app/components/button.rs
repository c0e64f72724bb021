//! A button that says what the reader wants. All buttons of the page are of one of these two types, and what changes
//! about them is behind a `Signal`: a type of its own for each would be half of the WebAssembly.

use leptos::prelude::*;

use crate::app::live::{Action, EventStream};

/// A button. It is disabled until the page is alive, when a click would be lost, but looks the same then: the moment is
/// too short to show.
#[component]
pub fn Button(
    /// The stream whose controls it belongs to.
    stream: EventStream,
    /// What the reader wants by it.
    action: Action,
    /// What it says.
    #[prop(into)]
    label: Signal<String>,
    /// How it looks.
    #[prop(default = "")]
    class: &'static str,
) -> impl IntoView {
    view! {
        <button type="button" class=class disabled=stream.controls.is_disabled on:click=stream.on_press(action)>
            {label}
        </button>
    }
}

/// A button that comes and goes, and keeps its place.
#[component]
pub fn QuietButton(
    /// The stream whose controls it belongs to.
    stream: EventStream,
    /// What the reader wants by it.
    action: Action,
    /// What it says.
    #[prop(into)]
    label: Signal<String>,
    /// How it looks.
    class: &'static str,
    /// Whether it is there: an empty text if so.
    offered: Signal<Option<String>>,
) -> impl IntoView {
    view! {
        <button
            type="button"
            class=class
            disabled=stream.controls.is_disabled
            data-offered=offered
            on:click=stream.on_press(action)
        >
            {label}
        </button>
    }
}
