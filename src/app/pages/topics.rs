//! The list of all topics that are alive. The server renders it; a small script, `public/topics.js`, fetches it again and
//! takes over what has changed, without the WebAssembly of the other pages. Without JavaScript a link has the browser load
//! the page again and again.

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::messages;
use crate::protocol::{OPEN, REFRESH, TOPICS_PATH, topic_path};

/// How often a browser loads the page again whose reader wants that.
pub const REFRESH_SECONDS: u32 = 5;

/// The topics at one moment.
#[derive(Debug, Clone)]
pub struct TopicList {
    /// The moment.
    pub moment: Moment,
    /// The topics, or as many of them as a page can have.
    pub topics: Vec<ListedTopic>,
    /// How many more there are.
    pub left_out: usize,
    /// Why the reader may not see the list, if that is so.
    pub closed: Option<String>,
    /// Whether the browser loads the page again every [`REFRESH_SECONDS`].
    pub is_refreshing: bool,
    /// The name that the reader wanted to open and cannot, and why.
    pub refused: Option<(String, String)>,
}

/// A moment as a page shows it.
#[derive(Debug, Clone)]
pub struct Moment {
    /// As RFC 3339.
    pub datetime: String,
    /// Such as `2026-11-22 16:12:37 UTC`.
    pub text: String,
}

/// A topic in the list.
#[derive(Debug, Clone)]
pub struct ListedTopic {
    /// Its name.
    pub name: String,
    /// How many events are kept.
    pub events: usize,
    /// How many subscribers it has.
    pub subscribers: usize,
    /// When its newest event was published.
    pub newest: Option<Moment>,
    /// Whether it has ended.
    pub has_ended: bool,
}

/// The page.
#[component]
pub fn TopicsPage(
    /// What it shows.
    list: TopicList,
) -> impl IntoView {
    let is_empty = list.topics.is_empty();
    let rows = list
        .topics
        .into_iter()
        .map(|topic| view! { <TopicRow topic /> })
        .collect_view();
    let (name, wrong) = list.refused.unzip();
    let is_wrong = wrong.is_some();
    let refreshing = format!("{TOPICS_PATH}?{REFRESH}={REFRESH_SECONDS}");
    let live = (!list.is_refreshing).then(|| view! { <LiveStatus /> });
    let (ways, words) = if list.is_refreshing {
        let ways = [&*refreshing, TOPICS_PATH];
        (ways, messages::TOPICS_STOP.to_owned())
    } else {
        let ways = [TOPICS_PATH, &*refreshing];
        (ways, messages::topics_refresh(REFRESH_SECONDS))
    };
    let [reload, other] = ways.map(str::to_owned);
    view! {
        <Masthead is_heading=false />
        <main id="main" class="topics-page">
            <h1>{messages::TOPICS}</h1>
            <div class="moment">
                <p>
                    <span id="topics-moment">
                        {messages::topics_moment(&list.moment.text, list.left_out)}
                    </span>
                    <span class=if list.is_refreshing { "" } else { "for-plain" }>
                        " " <a href=reload>{messages::TOPICS_RELOAD}</a> " · "
                        <a href=other>{words}</a>
                    </span>
                </p>
                {live}
            </div>
            <form class="open" method="get" action=TOPICS_PATH>
                <label for="open">{messages::OPEN_LABEL}</label>
                <div class="open-line">
                    <input
                        id="open"
                        name=OPEN
                        type="text"
                        required
                        autocomplete="off"
                        autocapitalize="none"
                        spellcheck="false"
                        value=name
                        aria-invalid=is_wrong.then_some("true")
                        aria-describedby=is_wrong.then_some("open-wrong")
                    />
                    <button type="submit" class="main">{messages::OPEN_BUTTON}</button>
                </div>
                {wrong.map(|words| view! { <p id="open-wrong" class="hint wrong">{words}</p> })}
            </form>
            <div id="topics-list">
                {if let Some(reason) = list.closed {
                    view! { <p class="none">{messages::topics_closed(&reason)}</p> }.into_any()
                } else if is_empty {
                    view! { <p class="none">{messages::TOPICS_EMPTY}</p> }.into_any()
                } else {
                    view! {
                        <table>
                            <thead>
                                <tr>
                                    <th scope="col">{messages::COLUMN_TOPIC}</th>
                                    <th scope="col" class="number">{messages::COLUMN_EVENTS}</th>
                                    <th scope="col" class="number">{messages::COLUMN_SUBSCRIBERS}</th>
                                    <th scope="col">{messages::COLUMN_NEWEST}</th>
                                </tr>
                            </thead>
                            <tbody>{rows}</tbody>
                        </table>
                    }
                        .into_any()
                }}
            </div>
        </main>
    }
}

/// Whether the list is live, and the button that holds it. The script enables it, and finds its words here.
#[component]
fn LiveStatus() -> impl IntoView {
    view! {
        <p class="live-status">
            <button
                id="topics-toggle"
                type="button"
                disabled
                data-pause=messages::PAUSE
                data-resume=messages::RESUME
            >
                {messages::PAUSE}
            </button>
            <span
                id="topics-status"
                data-live=messages::TOPICS_LIVE
                data-paused=messages::TOPICS_PAUSED
                data-lost=messages::TOPICS_LOST
            >
                {messages::TOPICS_LIVE}
            </span>
        </p>
    }
}

#[component]
fn TopicRow(topic: ListedTopic) -> impl IntoView {
    let number = |count: usize| messages::number(u64::try_from(count).unwrap_or(u64::MAX));
    let newest = match topic.newest {
        Some(moment) => view! { <time datetime=moment.datetime>{moment.text}</time> }.into_any(),
        None => messages::NONE_YET.into_any(),
    };
    view! {
        <tr>
            <th scope="row">
                <a href=topic_path(&topic.name) dir="auto">{topic.name.clone()}</a>
                {topic.has_ended.then(|| view! { " " <span class="ended">{messages::HAS_ENDED}</span> })}
            </th>
            <td class="number" data-label=messages::COLUMN_EVENTS>{number(topic.events)}</td>
            <td class="number" data-label=messages::COLUMN_SUBSCRIBERS>{number(topic.subscribers)}</td>
            <td data-label=messages::COLUMN_NEWEST>{newest}</td>
        </tr>
    }
}
