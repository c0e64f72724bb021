//! The stream outside this page: the command that shows it in a terminal, and the link to the stream itself.

use leptos::prelude::*;

use crate::app::live::{COMMAND_ELEMENT_ID, EventStream};

/// The command and the link.
#[component]
pub fn TerminalPanel(
    /// The stream whose command stands here.
    stream: EventStream,
    /// Path of the stream as a browser opens it.
    stream_link: String,
) -> impl IntoView {
    let texts = stream.texts;
    let command: Signal<String> = stream.command.into();
    view! {
        <section class="terminal" aria-labelledby="terminal-heading">
            <h2 id="terminal-heading" class="label">{texts.live.terminal()}</h2>
            // It scrolls sideways when it is long, so the keyboard must get there.
            <pre class="command" role="group" aria-labelledby="terminal-heading" tabindex="0"><code id=COMMAND_ELEMENT_ID>{command}</code></pre>
            <a class="raw" href=stream_link>{texts.live.raw_stream()}</a>
        </section>
    }
}
