//! The page of a topic's older events. Static: the server renders it, and no script follows.

use std::sync::Arc;

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::components::message_row::MessageRow;
use crate::app::log_buffer::LogBuffer;
use crate::app::messages;
use crate::protocol::page::TopicPage;
use crate::protocol::{older_path, stream_link, topic_path};

/// The events, and the ways to those before and after.
#[component]
pub fn OlderPage(
    /// The topic, with the events to show.
    page: TopicPage,
) -> impl IntoView {
    let stream_link: Arc<str> = stream_link(&page.topic).into();
    let log = LogBuffer::from_page(&page);
    let rows = log
        .window()
        .into_iter()
        .map(|row| view! { <MessageRow row tools=None stream_link=Arc::clone(&stream_link) /> })
        .collect_view();
    let list = if log.is_empty() {
        view! { <p class="none">{messages::OLDER_EMPTY}</p> }.into_any()
    } else {
        view! { <ol class="rows">{rows}</ol> }.into_any()
    };
    let older = (page.older > 0)
        .then(|| view! { <a href=older_path(&page)>{messages::older(page.older)}</a> });
    view! {
        <Masthead is_heading=false />
        <main id="main" class="older-page">
            <h1 class="topic-name" dir="auto">{messages::older_events(&page.topic)}</h1>
            <p class="ways-on">
                {older} <a href=topic_path(&page.topic)>{messages::TO_THE_LIVE_PAGE}</a>
            </p>
            {list}
        </main>
    }
}
