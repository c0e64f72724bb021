//! The page of a topic, live: what the clock's page has, without a clock, and with what a reader needs who works with a
//! topic. Puts the parts in their places; leaves what each shows to it.

use leptos::prelude::*;

use crate::app::components::announcer::Announcer;
use crate::app::components::button::Button;
use crate::app::components::connection_panel::ConnectionPanel;
use crate::app::components::controls::Controls;
use crate::app::components::masthead::Masthead;
use crate::app::components::message_log::MessageLog;
use crate::app::components::publish_form::PublishForm;
use crate::app::components::tabs_note::TabsNote;
use crate::app::components::terminal_panel::TerminalPanel;
use crate::app::components::topic_header::TopicHeader;
use crate::app::live::{Action, use_event_stream};
use crate::app::messages;
use crate::app::snippets::Language;
use crate::protocol::page::TopicPage;
use crate::protocol::{older_path, stream_link};

/// A topic's page.
#[component]
pub fn LiveTopicPage(
    /// The topic as the server saw it when it rendered the page.
    page: TopicPage,
) -> impl IntoView {
    let stream = use_event_stream(&page);
    let stream_link = stream_link(&page.topic);
    let older = messages::older(page.older);
    let older_path = older_path(&page);
    view! {
        <a class="skip-link" href="#messages">{messages::SKIP_TO_MESSAGES}</a>
        <Masthead is_heading=false />
        <main id="main" class="live-page">
            <TopicHeader topic=page.topic stream />
            <div class="side">
                <ConnectionPanel stream />
                <Controls stream />
                <div class="copies" role="group" aria-label=messages::COPY_AS_LABEL>
                    <Button stream action=Action::CopyAs(Language::Curl) label=messages::copy_as(Language::Curl) />
                    <Button stream action=Action::CopyAs(Language::JavaScript) label=messages::copy_as(Language::JavaScript) />
                    <Button stream action=Action::CopyAs(Language::Python) label=messages::copy_as(Language::Python) />
                    <Button stream action=Action::Download label=messages::DOWNLOAD />
                </div>
                <Announcer text=stream.announcement />
                // As text, as on the clock's page.
                <noscript inner_html=messages::without_script_html(&stream_link)></noscript>
                <PublishForm stream topic_path=page.stream_path.clone() refusal=page.refusal />
            </div>
            <MessageLog stream has_tools=true stream_link=stream_link.clone() older older_path />
        </main>
        <footer class="page-foot">
            <TerminalPanel stream origin=page.origin stream_path=page.stream_path stream_link />
            <TabsNote tabs=stream.crowded_tabs />
        </footer>
    }
}
