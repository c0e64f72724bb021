//! The form that publishes to the page's topic. Without JavaScript the server takes it and leads back to the page; with
//! it, nothing is loaded anew, and what became of it stands beside the button.

use leptos::either::Either;
use leptos::prelude::*;

use crate::app::live::{Action, DATA_ELEMENT_ID, EventStream, TYPE_ELEMENT_ID};
use crate::app::publishing::Publishing;
use crate::protocol::page::Refusal;

/// The form, or why there is none.
#[component]
pub fn PublishForm(
    /// The stream whose page this is.
    stream: EventStream,
    /// The topic's URL.
    topic_path: String,
    /// Why the reader may not publish; `None` if the reader may.
    refusal: Option<Refusal>,
) -> impl IntoView {
    let texts = stream.texts;
    let content = match refusal {
        None => Either::Left(view! { <Fields stream topic_path /> }),
        Some(refusal) => Either::Right(view! {
            <p class="refusal">{texts.cannot_publish(&refusal)} " " <span lang="en">{texts.server_words(&refusal)}</span></p>
        }),
    };
    view! {
        <section id="publish" class="publish" aria-labelledby="publish-heading">
            <h2 id="publish-heading" class="label">{texts.topic.publish()}</h2>
            {content}
        </section>
    }
}

#[component]
fn Fields(stream: EventStream, topic_path: String) -> impl IntoView {
    let texts = stream.texts;
    let outcome = stream.publishing;
    let words = Signal::derive(move || outcome.with(|outcome| texts.publishing(outcome)));
    let server_words =
        Signal::derive(move || outcome.with(|outcome| texts.publishing_server_words(outcome)));
    let is_refused = Signal::derive(move || {
        outcome.with(|outcome| matches!(outcome, Publishing::Refused(_) | Publishing::Unreachable))
    });
    view! {
        <form
            method="post"
            enctype="multipart/form-data"
            action=topic_path
            on:submit=stream.on_submit(Action::Publish)
        >
            <label for=DATA_ELEMENT_ID>{texts.topic.data()}</label>
            <textarea id=DATA_ELEMENT_ID name="data" rows="3" required autocomplete="off"></textarea>
            <label for=TYPE_ELEMENT_ID>{texts.topic.event_type()}</label>
            <div class="publish-line">
                <input id=TYPE_ELEMENT_ID name="type" type="text" autocomplete="off" spellcheck="false" />
                <button type="submit">{texts.topic.publish()}</button>
            </div>
            <p id="published" class="outcome" class:wrong=is_refused role="status">
                {words} " " <span lang="en">{server_words}</span>
            </p>
        </form>
    }
}
