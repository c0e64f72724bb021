//! What this server can do, with commands for this very server. Static: the server renders it, and no script follows.

use leptos::prelude::*;

use crate::app::components::command::Command;
use crate::app::components::masthead::Masthead;
use crate::app::texts::Texts;
use crate::app::texts::help::HelpTexts;
use crate::app::texts::problems::ProblemTexts;
use crate::app::{curl, examples};
use crate::protocol::page::Refusal;
use crate::protocol::{CLOCK_PATH, TOPICS_PATH, topic_path};

/// The page.
#[component]
pub fn HelpPage(
    /// Scheme and authority of the server.
    origin: String,
    /// Why the reader may not publish; `None` if the reader may.
    refusal: Option<Refusal>,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let words = HelpTexts::of(texts.locale);
    let topic = topic_path(examples::TOPIC);
    let url = format!("{origin}{topic}");
    let read = curl::plain(&origin, &topic);
    let word = curl::word(&url);
    let publish = format!("curl -d 'tea is ready' {word}");
    let publish_with_token =
        format!("curl -H 'Authorization: Bearer TOKEN' -d 'tea is ready' {word}");
    let refusal = refusal.map(|refusal| {
        view! { <p class="refusal">{texts.cannot_publish(&refusal)} " " <span lang="en">{texts.server_words(&refusal)}</span></p> }
    });
    view! {
        <Masthead texts is_heading=false />
        <main id="main" class="help-page">
            <h1>{texts.site.help()}</h1>
            <p>{words.topics_are_urls()}</p>
            <p class="ways-on">
                <a href=topic>{words.example_page()}</a>
                <a href=TOPICS_PATH>{words.all_topics()}</a>
                <a href=CLOCK_PATH>{ProblemTexts::of(texts.locale).to_the_stream()}</a>
            </p>
            <h2>{words.read()}</h2>
            <p>{words.read_text()}</p>
            <Command id="read" label=words.example() text=read />
            <Command id="read-page" label=words.example() text=examples::read_in_a_page(&url) />
            <h2>{words.publish()}</h2>
            <p>{words.publish_text()}</p>
            {refusal}
            <Command id="publish" label=words.example() text=publish />
            <Command id="publish-token" label=words.example() text=publish_with_token />
            <h2>{words.state()}</h2>
            <p>{words.state_text()}</p>
            <Command id="state" label=words.example() text=examples::state_then_live(&url) />
            <h2>{words.streamed()}</h2>
            <p>{words.streamed_text()}</p>
            <Command id="streamed" label=words.example() text=examples::streamed(&url) />
            <h2>{words.several()}</h2>
            <p>{words.several_text()}</p>
            <Command id="several" label=words.example() text=examples::several(&origin) />
            <h2>{words.run()}</h2>
            <p>{words.run_text()}</p>
            <Command id="run" label=words.example() text=examples::RUN.to_owned() />
        </main>
    }
}
