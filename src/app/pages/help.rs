//! What this server can do, with commands for this very server. Static: the server renders it, and no script follows.

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::messages::help as words;
use crate::app::{curl, messages};
use crate::protocol::page::Refusal;
use crate::protocol::{CLOCK_PATH, TOPICS_PATH, topic_path};

/// The topic of the examples.
pub const EXAMPLE: &str = "kitchen";

/// The page.
#[component]
pub fn HelpPage(
    /// Scheme and authority of the server.
    origin: String,
    /// Why the reader may not publish; `None` if the reader may.
    refusal: Option<Refusal>,
) -> impl IntoView {
    let topic = topic_path(EXAMPLE);
    let url = format!("{origin}{topic}");
    let read = curl::plain(&origin, &topic);
    let word = curl::word(&url);
    let publish = format!("curl -d 'tea is ready' {word}");
    let publish_with_token =
        format!("curl -H 'Authorization: Bearer TOKEN' -d 'tea is ready' {word}");
    let refusal = refusal.map(|refusal| {
        view! { <p class="refusal">{messages::cannot_publish(&refusal)}</p> }
    });
    view! {
        <Masthead is_heading=false />
        <main id="main" class="help-page">
            <h1>{messages::HELP}</h1>
            <p>{words::TOPICS_ARE_URLS}</p>
            <p class="ways-on">
                <a href=topic>{words::EXAMPLE_PAGE}</a>
                <a href=TOPICS_PATH>{words::ALL_TOPICS}</a>
                <a href=CLOCK_PATH>{messages::TO_THE_STREAM}</a>
            </p>
            <h2>{words::READ}</h2>
            <p>{words::READ_TEXT}</p>
            <Example id="read" text=read />
            <Example id="read-page" text=words::read_in_a_page(&url) />
            <h2>{words::PUBLISH}</h2>
            <p>{words::PUBLISH_TEXT}</p>
            {refusal}
            <Example id="publish" text=publish />
            <Example id="publish-token" text=publish_with_token />
            <h2>{words::STATE}</h2>
            <p>{words::STATE_TEXT}</p>
            <Example id="state" text=words::state_then_live(&url) />
            <h2>{words::STREAMED}</h2>
            <p>{words::STREAMED_TEXT}</p>
            <Example id="streamed" text=words::streamed(&url) />
            <h2>{words::SEVERAL}</h2>
            <p>{words::SEVERAL_TEXT}</p>
            <Example id="several" text=words::several(&origin) />
            <h2>{words::RUN}</h2>
            <p>{words::RUN_TEXT}</p>
            <Example id="run" text=words::RUN_COMMANDS.to_owned() />
        </main>
    }
}

/// A command or program. It scrolls sideways when it is long, so the keyboard must get there.
#[component]
fn Example(id: &'static str, text: String) -> impl IntoView {
    view! {
        <pre id=id class="command" role="group" aria-label=words::EXAMPLE tabindex="0"><code>{text}</code></pre>
    }
}
