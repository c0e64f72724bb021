//! Prices of the chosen symbols, the chart of one, what a slow reader sees, and the requests that the page is made of. Puts the
//! parts in their places; leaves what each shows to it.

use leptos::prelude::*;

use crate::app::components::masthead::Masthead;
use crate::app::components::quotes::{Chart, Choice, PriceTable, QuotesConnection, SlowReaders};
use crate::app::components::requests::Requests;
use crate::app::curl;
use crate::app::live::quotes::use_quotes;
use crate::app::texts::Texts;
use crate::protocol::quotes::{self, QUOTE_TOPICS, quote_topic};
use crate::protocol::{stream_link, topic_path};

/// The same page in plain JavaScript.
const SOURCE_PATH: &str = "/quotes.html";

/// The page.
#[component]
pub fn QuotesPage(
    /// What it is rendered with.
    page: quotes::QuotesPage,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let quotes = use_quotes(&page, texts);
    let document = texts.quotes_document;
    let label = if page.is_simulated {
        document.simulated()
    } else {
        document.replayed()
    };
    let mut symbols = page.symbols.iter();
    let [first, second] = [(); 2].map(|()| symbols.next().map_or("AAPL", String::as_str));
    let [first_topic, second_topic] = [first, second].map(quote_topic);
    let stream = format!(
        "{}&{}&slow_reader=latest",
        stream_link(&first_topic),
        stream_link(&second_topic)
            .rsplit('?')
            .next()
            .unwrap_or_default()
    );
    let requests = [
        (
            document.request_stream(),
            curl::plain(&page.origin, &stream),
        ),
        (
            document.request_past(),
            format!(
                "curl -H 'Accept: application/json' {}",
                curl::word(&format!(
                    "{}{}?limit=1000",
                    page.origin,
                    topic_path(&first_topic)
                ))
            ),
        ),
        (
            document.request_all(),
            curl::plain(
                &page.origin,
                &format!("/topics?match={QUOTE_TOPICS}*&slow_reader=latest"),
            ),
        ),
    ];
    view! {
        <a class="skip-link" href="#prices">{document.skip()}</a>
        <Masthead texts is_heading=false />
        <main id="main" class="quotes-page">
            <div class="quotes-lede">
                <h1>{document.heading()}</h1>
                <p class="market">{label}</p>
                <p>{document.lede()}</p>
                <noscript inner_html=document.without_script()></noscript>
            </div>
            <QuotesConnection quotes />
            <PriceTable quotes />
            <Chart quotes />
            <Choice quotes page />
            <SlowReaders quotes />
            <Requests texts requests>
                <p><a href=SOURCE_PATH>{document.source()}</a></p>
            </Requests>
        </main>
    }
}
