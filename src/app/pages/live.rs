//! The page of a topic, live: the clock at `/`, and the page that every topic has. Puts the parts in their places; leaves
//! what each shows to it.

use leptos::either::Either;
use leptos::prelude::*;

use crate::app::components::announcer::Announcer;
use crate::app::components::button::Button;
use crate::app::components::clock_face::ClockFace;
use crate::app::components::connection_panel::ConnectionPanel;
use crate::app::components::controls::Controls;
use crate::app::components::masthead::Masthead;
use crate::app::components::message_log::MessageLog;
use crate::app::components::publish_form::PublishForm;
use crate::app::components::terminal_panel::TerminalPanel;
use crate::app::components::topic_header::TopicHeader;
use crate::app::live::{Action, use_event_stream};
use crate::app::snippets::Language;
use crate::app::texts::Texts;
use crate::protocol::page::PageData;
use crate::protocol::{older_path, stream_link};

/// A live page. The clock's page has a clock; the page of any other topic has tools: a filter, buttons of rows, a form.
#[component]
pub fn LivePage(
    /// The topic as the server saw it when it rendered the page.
    data: PageData,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let (is_clock, page) = match data {
        PageData::Clock(page) => (true, page),
        PageData::Topic(page) => (false, page),
    };
    let stream = use_event_stream(&page, texts);
    let stream_link = if is_clock {
        page.stream_path.clone()
    } else {
        stream_link(&page.topic)
    };
    let (older, older_path) = if is_clock {
        (String::new(), String::new())
    } else {
        (texts.older(page.older), older_path(&page))
    };
    let header = if is_clock {
        Either::Left(view! { <ClockFace texts newest=stream.log.newest /> })
    } else {
        Either::Right(view! { <TopicHeader topic=page.topic stream /> })
    };
    let copy_as = move |language| {
        view! { <Button stream action=Action::CopyAs(language) label=texts.copy_as(language) /> }
    };
    let more_copies = (!is_clock).then(|| {
        view! {
            {copy_as(Language::JavaScript)}
            {copy_as(Language::Python)}
            <Button stream action=Action::Download label=texts.topic.download() />
        }
    });
    let topic_path = page.stream_path.clone();
    let form =
        (!is_clock).then(|| view! { <PublishForm stream topic_path refusal=page.refusal /> });
    view! {
        <a class="skip-link" href="#messages">{texts.live.skip_to_messages()}</a>
        <Masthead texts is_heading=is_clock />
        <main id="main" class="live-page">
            {header}
            <div class="side">
                <ConnectionPanel stream />
                <Controls stream />
                <div class="copies" role="group" aria-label=texts.live.copies()>
                    {copy_as(Language::Curl)}
                    {more_copies}
                </div>
                <Announcer text=stream.announcement />
                // As text, because that is what its content is to a browser with JavaScript: elements in it would be
                // sought there when the page is hydrated, and not be found.
                <noscript inner_html=texts.without_script_html(&stream_link)></noscript>
                {form}
            </div>
            <MessageLog stream has_tools=!is_clock stream_link=stream_link.clone() older older_path />
        </main>
        <footer class="page-foot">
            <TerminalPanel stream stream_link />
        </footer>
    }
}
