//! The list of all topics that are alive. The server renders it; a small script, `public/topics.js`, fetches it again and
//! takes over what has changed, without the WebAssembly of the other pages. Without JavaScript a link has the browser load
//! the page again and again.

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::components::open_form::OpenForm;
use crate::app::texts::topics::TopicsTexts;
use crate::app::texts::{Texts, number_of};
use crate::protocol::page::Refusal;
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
    pub closed: Option<Refusal>,
    /// Whether the browser loads the page again every [`REFRESH_SECONDS`].
    pub is_refreshing: bool,
    /// The name that the reader wanted to open and cannot, and why.
    pub refused: Option<(String, Refusal)>,
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
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let words = TopicsTexts::of(texts.locale);
    let is_empty = list.topics.is_empty();
    let rows = list
        .topics
        .into_iter()
        .map(|topic| view! { <TopicRow topic texts /> })
        .collect_view();
    let refreshing = format!("{TOPICS_PATH}?{REFRESH}={REFRESH_SECONDS}");
    let live = (!list.is_refreshing).then(|| view! { <LiveStatus texts /> });
    let (ways, other_words) = if list.is_refreshing {
        let ways = [&*refreshing, TOPICS_PATH];
        (ways, words.stop().to_owned())
    } else {
        let ways = [TOPICS_PATH, &*refreshing];
        (ways, words.refresh(&REFRESH_SECONDS.to_string()))
    };
    let [reload, other] = ways.map(str::to_owned);
    view! {
        <Masthead texts is_heading=false />
        <main id="main" class="topics-page">
            <h1>{texts.site.topics()}</h1>
            <div class="moment">
                <p>
                    <span id="topics-moment">
                        {words.moment_and_rest(&list.moment.text, list.left_out)}
                    </span>
                    <span class=if list.is_refreshing { "" } else { "for-plain" }>
                        " " <a href=reload>{words.reload()}</a> " · "
                        <a href=other>{other_words}</a>
                    </span>
                </p>
                {live}
            </div>
            <OpenForm
                action=TOPICS_PATH
                parameter=OPEN
                label=words.open_label()
                button=words.open()
                refused=list.refused
                wrong=move |why: &str| TopicsTexts::of(texts.locale).not_opened(why)
                texts
            />
            <div id="topics-list">
                {if let Some(refusal) = list.closed {
                    let why = words.closed(&texts.refusal(&refusal));
                    view! {
                        <p class="none">{why} " " <span lang="en">{texts.server_words(&refusal)}</span></p>
                    }
                        .into_any()
                } else if is_empty {
                    view! { <p class="none">{words.empty()}</p> }.into_any()
                } else {
                    view! {
                        <table>
                            <thead>
                                <tr>
                                    <th scope="col">{words.topic()}</th>
                                    <th scope="col" class="number">{words.events()}</th>
                                    <th scope="col" class="number">{words.subscribers()}</th>
                                    <th scope="col">{words.newest()}</th>
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
fn LiveStatus(texts: &'static Texts) -> impl IntoView {
    let words = TopicsTexts::of(texts.locale);
    view! {
        <p class="live-status">
            <button
                id="topics-toggle"
                type="button"
                disabled
                data-pause=texts.live.pause()
                data-resume=texts.live.resume()
            >
                {texts.live.pause()}
            </button>
            <span
                id="topics-status"
                data-live=words.live()
                data-paused=words.paused()
                data-lost=words.lost()
            >
                {words.live()}
            </span>
        </p>
    }
}

#[component]
fn TopicRow(topic: ListedTopic, texts: &'static Texts) -> impl IntoView {
    let words = TopicsTexts::of(texts.locale);
    let newest = match topic.newest {
        Some(moment) => view! { <time datetime=moment.datetime>{moment.text}</time> }.into_any(),
        None => texts.live.none_yet().into_any(),
    };
    view! {
        <tr>
            <th scope="row">
                <a href=topic_path(&topic.name) dir="auto">{topic.name.clone()}</a>
                {topic.has_ended.then(|| view! { " " <span class="ended">{words.ended()}</span> })}
            </th>
            <td class="number" data-label=words.events()>{number_of(topic.events)}</td>
            <td class="number" data-label=words.subscribers()>{number_of(topic.subscribers)}</td>
            <td data-label=words.newest()>{newest}</td>
        </tr>
    }
}
