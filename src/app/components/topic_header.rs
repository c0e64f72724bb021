//! The name of the topic, and its newest message, large.

use leptos::prelude::*;

use crate::app::live::EventStream;

/// A text of up to so many characters stands large; a longer one, smaller. The box has the same height for both.
const SHORT: usize = 48;

/// The heading of a topic's page and what is newest.
#[component]
pub fn TopicHeader(
    /// The topic's name.
    topic: String,
    /// The stream whose newest message it shows.
    stream: EventStream,
) -> impl IntoView {
    let texts = stream.texts;
    let newest = stream.log.newest;
    // As a byte: looking for a character brings along all that looks for texts.
    let is_long =
        move |text: &String| text.chars().nth(SHORT).is_some() || text.as_bytes().contains(&b'\n');
    let is_none = Signal::derive(move || newest.with(String::is_empty));
    let short = Signal::derive(move || {
        newest.with(|text| match text.as_str() {
            "" => texts.topic.nothing_yet().to_owned(),
            _ if is_long(text) => String::new(),
            text => text.to_owned(),
        })
    });
    let long = Signal::derive(move || {
        newest.with(|text| {
            if is_long(text) {
                text.clone()
            } else {
                String::new()
            }
        })
    });
    view! {
        <div class="topic-header">
            <h1 class="topic-name" dir="auto">{topic}</h1>
            <p class="lead">{stream.texts.topic.lead()}</p>
            <section class="newest" aria-labelledby="newest-heading">
                <h2 id="newest-heading" class="label">{texts.topic.newest()}</h2>
                // Two places, since one text that changes its size would shift.
                <div id="newest" class:none=is_none>
                    <p class="newest-text" dir="auto">{short}</p>
                    <p class="newest-text long" dir="auto">{long}</p>
                </div>
            </section>
        </div>
    }
}
