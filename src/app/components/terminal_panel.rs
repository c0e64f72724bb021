//! The stream outside this page: the command that shows it in a terminal, and the link to the stream itself.

use leptos::prelude::*;

use crate::app::curl;
use crate::app::live::{COMMAND_ELEMENT_ID, EventStream};
use crate::app::messages;

/// The command and the link.
#[component]
pub fn TerminalPanel(
    /// The stream; its command stands here when the clipboard refused it.
    stream: EventStream,
    /// Scheme and authority of the server.
    origin: String,
    /// Path of the stream.
    stream_path: String,
    /// Path of the stream as a browser opens it.
    stream_link: String,
) -> impl IntoView {
    let plain = curl::plain(&origin, &stream_path);
    let command = Signal::derive(move || {
        stream
            .uncopied_command
            .get()
            .unwrap_or_else(|| plain.clone())
    });
    view! {
        <section class="terminal" aria-labelledby="terminal-heading">
            <h2 id="terminal-heading" class="label">{messages::TERMINAL_HEADING}</h2>
            // It scrolls sideways when it is long, so the keyboard must get there.
            <pre class="command" role="group" aria-labelledby="terminal-heading" tabindex="0"><code id=COMMAND_ELEMENT_ID>{command}</code></pre>
            <a class="raw" href=stream_link>{messages::RAW_STREAM}</a>
        </section>
    }
}
