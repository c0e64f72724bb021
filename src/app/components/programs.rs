//! The programs that a topic's page offers to copy. They stand in the document, out of sight and outside what is hydrated:
//! in the WebAssembly every page would pay for them.

use leptos::prelude::*;

use crate::app::live::program_element_id;
use crate::app::snippets::{self, Language};

/// The programs.
#[component]
pub fn Programs(
    /// Scheme and authority of the server.
    origin: String,
    /// Path of the stream.
    stream_path: String,
) -> impl IntoView {
    view! {
        <div hidden>
            <pre id=program_element_id(Language::JavaScript)>
                {snippets::javascript(&origin, &stream_path)}
            </pre>
            <pre id=program_element_id(Language::Python)>
                {snippets::python(&origin, &stream_path)}
            </pre>
        </div>
    }
}
