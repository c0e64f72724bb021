//! The page `/`: the clock, live. Puts the parts in their places; leaves what each shows to it.

use leptos::prelude::*;

use crate::app::components::announcer::Announcer;
use crate::app::components::button::Button;
use crate::app::components::clock_face::ClockFace;
use crate::app::components::connection_panel::ConnectionPanel;
use crate::app::components::controls::Controls;
use crate::app::components::masthead::Masthead;
use crate::app::components::message_log::MessageLog;
use crate::app::components::tabs_note::TabsNote;
use crate::app::components::terminal_panel::TerminalPanel;
use crate::app::live::{Action, use_event_stream};
use crate::app::messages;
use crate::app::snippets::Language;
use crate::protocol::page::TopicPage;

/// The clock's page.
#[component]
pub fn ClockPage(
    /// The topic as the server saw it when it rendered the page.
    page: TopicPage,
) -> impl IntoView {
    let stream = use_event_stream(&page);
    view! {
        <a class="skip-link" href="#messages">{messages::SKIP_TO_MESSAGES}</a>
        <Masthead is_heading=true />
        <main id="main" class="live-page">
            <ClockFace newest=stream.newest />
            <div class="side">
                <ConnectionPanel stream />
                <Controls stream />
                <div class="copies">
                    <Button stream action=Action::CopyAs(Language::Curl) label=messages::copy_as(Language::Curl) />
                </div>
                <Announcer text=stream.announcement />
                // As text, because that is what its content is to a browser with JavaScript: elements in it would be
                // sought there when the page is hydrated, and not be found.
                <noscript inner_html=messages::WITHOUT_SCRIPT_HTML></noscript>
            </div>
            <MessageLog stream has_tools=false stream_link=page.stream_path.clone() older=String::new() older_path=String::new() />
        </main>
        <footer class="page-foot">
            <TerminalPanel stream origin=page.origin stream_link=page.stream_path.clone() stream_path=page.stream_path />
            <TabsNote tabs=stream.crowded_tabs />
        </footer>
    }
}
