//! The page of a topic's older events. Static: the server renders it, and no script follows.

use std::sync::Arc;

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::components::message_row::MessageRow;
use crate::app::log_buffer::LogBuffer;
use crate::app::texts::Texts;
use crate::app::texts::older::OlderTexts;
use crate::protocol::page::TopicPage;
use crate::protocol::{older_path, stream_link, topic_path};

/// The events, and the ways to those before and after.
#[component]
pub fn OlderPage(
    /// The topic, with the events to show.
    page: TopicPage,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let words = OlderTexts::of(texts.locale);
    let stream_link: Arc<str> = stream_link(&page.topic).into();
    let log = LogBuffer::from_page(&page);
    let rows = log
        .window()
        .into_iter()
        .map(|row| view! { <MessageRow row texts tools=None stream_link=Arc::clone(&stream_link) /> })
        .collect_view();
    let list = if log.is_empty() {
        view! { <p class="none">{words.empty()}</p> }.into_any()
    } else {
        view! { <ol class="rows">{rows}</ol> }.into_any()
    };
    let older =
        (page.older > 0).then(|| view! { <a href=older_path(&page)>{texts.older(page.older)}</a> });
    view! {
        <Masthead texts is_heading=false />
        <main id="main" class="older-page">
            <h1 class="topic-name" dir="auto">{words.heading(&page.topic)}</h1>
            <p class="ways-on">
                {older} <a href=topic_path(&page.topic)>{words.to_the_live_page()}</a>
            </p>
            {list}
        </main>
    }
}
