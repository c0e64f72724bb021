//! The quiet note for readers whose pages share the few connections of HTTP/1.1. Its place is kept, so that nothing moves
//! when it comes.

use leptos::prelude::*;

use crate::app::texts::Texts;

/// The note; empty unless there is something to note.
#[component]
pub fn TabsNote(
    /// What the page says.
    texts: &'static Texts,
    /// How many pages share the connections; 0 if they do not.
    #[prop(into)]
    tabs: Signal<u64>,
) -> impl IntoView {
    let note = Signal::derive(move || match tabs.get() {
        0 => String::new(),
        tabs => texts.many_tabs(tabs),
    });
    view! { <p id="tabs-note" class="tabs-note">{note}</p> }
}
