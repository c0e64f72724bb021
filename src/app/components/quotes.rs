//! The parts of the page of quotes: the connection, the table of prices, the chart, the choice of symbols, and what slow readers
//! see.

use leptos::prelude::*;

use super::stat::Stat;
use crate::app::connection::Connection;
use crate::app::live::quotes::{Quotes, QuotesAction, RowSignals};
use crate::app::quotes::{CHART_SIZE, RowShown, SPARK_SIZE};
use crate::app::texts::{Texts, number};
use crate::protocol::quotes::{CHART, QUOTES_PATH, QuotesPage, SYMBOL, page_path};

/// The policies, in the order in which the server lists what their readers saw.
const POLICIES: [&str; 3] = ["disconnect", "skip", "latest"];

/// The connection in words and shape, and the button that holds the prices.
#[component]
pub fn QuotesConnection(
    /// The prices whose connection it shows.
    quotes: Quotes,
) -> impl IntoView {
    let texts = quotes.texts;
    let connection = quotes.connection;
    let text = move |text: fn(&Texts, &Connection) -> String| {
        Signal::derive(move || connection.state.with(|state| text(texts, state)))
    };
    let state = text(|_, state| state.name().to_owned());
    let word = text(|texts, state| texts.connection_word(state).to_owned());
    let server_words = text(|texts, state| texts.connection_server_words(state));
    let detail = Signal::derive(move || {
        let seconds_left = connection.seconds_left.get();
        let state = connection.state;
        state.with(|state| texts.connection_detail(state, seconds_left))
    });
    let is_lost = move || {
        let is_lost = connection
            .state
            .with(|state| matches!(state, Connection::Reconnecting(..)));
        is_lost.then_some("")
    };
    let pause = Signal::derive(move || {
        texts
            .pause_or_resume_quotes(quotes.is_paused.get())
            .to_owned()
    });
    let received = Signal::derive(move || number(quotes.received.get()));
    view! {
        <section id="connection" class="connection" data-state=state aria-labelledby="connection-heading">
            <h2 id="connection-heading" class="label">{texts.quotes_document.connection()}</h2>
            <div class="state">
                <span class="shape" aria-hidden="true"></span>
                <span class="word">{word}</span>
                <button
                    type="button"
                    class="quiet try-now"
                    data-offered=is_lost
                    disabled=quotes.controls.is_disabled
                    on:click=quotes.on_press(QuotesAction::TryNow)
                >
                    {texts.live.try_now()}
                </button>
                <button
                    type="button"
                    class="quiet pause"
                    data-offered=""
                    disabled=quotes.controls.is_disabled
                    on:click=quotes.on_press(QuotesAction::TogglePause)
                >
                    {pause}
                </button>
            </div>
            <p class="detail">{detail} " " <span lang="en">{server_words}</span></p>
            <dl class="stats">
                <Stat key="received" name=texts.quotes.received() value=received />
            </dl>
            <p id="said" class="said" role="status">{quotes.said}</p>
        </section>
    }
}

/// The prices of the chosen symbols.
#[component]
pub fn PriceTable(
    /// The prices that it shows.
    quotes: Quotes,
) -> impl IntoView {
    let document = quotes.texts.quotes_document;
    view! {
        <section id="prices" class="prices" tabindex="-1" aria-labelledby="prices-heading">
            <h2 id="prices-heading" class="label">{document.prices()}</h2>
            <table aria-labelledby="prices-heading">
                <thead>
                    <tr>
                        <th scope="col">{document.column_symbol()}</th>
                        <th scope="col" class="number">{document.column_price()}</th>
                        <th scope="col" class="number">{document.column_change()}</th>
                        <th scope="col">{document.column_hour()}</th>
                    </tr>
                </thead>
                <tbody>
                    <For
                        each=move || quotes.rows.get()
                        key=|row| row.symbol.clone()
                        children=move |row| view! { <PriceRow quotes row /> }
                    />
                </tbody>
            </table>
        </section>
    }
}

/// The price of one symbol. The stylesheet lets it flash as `data-moved` says, or shows an arrow alone.
#[component]
fn PriceRow(
    /// What its link acts on.
    quotes: Quotes,
    /// The symbol and its price.
    row: RowSignals,
) -> impl IntoView {
    let [symbol, name] = [(); 2].map(|()| row.symbol.clone());
    let path = {
        let symbol = symbol.clone();
        move || {
            let chosen = quotes.rows.with(|rows| {
                let symbols = rows.iter().map(|row| row.symbol.clone());
                symbols.collect::<Vec<_>>()
            });
            page_path(&chosen, &symbol) + "#chart"
        }
    };
    let follow = quotes.on_follow(QuotesAction::Chart(symbol.clone()));
    let [width, height] = SPARK_SIZE;
    let view_box = format!("0 0 {width} {height}");
    let text = |text: fn(&RowShown) -> &str| row.text(text);
    view! {
        <tr data-symbol=symbol data-moved=text(|shown| shown.moved)>
            <th scope="row"><a href=path on:click=follow>{name}</a></th>
            <td class="number price">{text(|shown| &shown.price)}</td>
            <td class="number change">{text(|shown| &shown.change)}</td>
            <td class="spark">
                <svg viewBox=view_box preserveAspectRatio="none" aria-hidden="true">
                    <path d=text(|shown| &shown.spark) />
                </svg>
            </td>
        </tr>
    }
}

/// The last hour of one symbol.
#[component]
pub fn Chart(
    /// The prices that it shows.
    quotes: Quotes,
) -> impl IntoView {
    let texts = quotes.texts;
    let heading = quotes.chart_text(move |chart| texts.quotes.chart_of(&chart.symbol));
    let summary = quotes.chart_text(move |chart| texts.chart_summary(chart));
    let [width, height] = CHART_SIZE;
    let view_box = format!("0 0 {width} {height}");
    view! {
        <section id="chart" class="chart" aria-labelledby="chart-heading">
            <h2 id="chart-heading">{heading}</h2>
            <div class="plot">
                <span class="high" aria-hidden="true">{quotes.chart_text(|chart| chart.high.clone())}</span>
                <svg
                    viewBox=view_box
                    preserveAspectRatio="none"
                    role="img"
                    aria-labelledby="chart-heading"
                    aria-describedby="chart-summary"
                >
                    <path d=quotes.chart_text(|chart| chart.path.clone()) />
                </svg>
                <span class="low" aria-hidden="true">{quotes.chart_text(|chart| chart.low.clone())}</span>
            </div>
            <p id="chart-summary" class="hint">{summary}</p>
        </section>
    }
}

/// Which symbols are in the table: a form that works without JavaScript too.
#[component]
pub fn Choice(
    /// What the checkboxes act on.
    quotes: Quotes,
    /// What the page was rendered with.
    page: QuotesPage,
) -> impl IntoView {
    let document = quotes.texts.quotes_document;
    let boxes = page.symbols.iter().map(|symbol| {
        let is_chosen = page.rows.iter().any(|row| row.symbol == *symbol);
        let check = quotes.on_check(symbol.clone());
        view! {
            <label>
                <input type="checkbox" name=SYMBOL value=symbol.clone() checked=is_chosen on:change=check />
                {symbol.clone()}
            </label>
        }
    });
    let boxes: Vec<_> = boxes.collect();
    let charted = quotes.chart_text(|chart| chart.symbol.clone());
    view! {
        <details class="choice">
            <summary>{document.choose()}</summary>
            <form method="get" action=QUOTES_PATH>
                <input type="hidden" name=CHART value=charted />
                <div class="boxes">{boxes}</div>
                <noscript inner_html=document.show()></noscript>
            </form>
        </details>
    }
}

/// What a slow reader sees under each policy.
#[component]
pub fn SlowReaders(
    /// What the button acts on.
    quotes: Quotes,
) -> impl IntoView {
    let texts = quotes.texts;
    let document = texts.quotes_document;
    let rows = POLICIES.iter().enumerate().map(|(index, policy)| {
        let seen = quotes
            .slow_text(move |slow| texts.slow_reader(slow.readers.get(index), slow.is_running));
        view! {
            <tr>
                <th scope="row"><code>{*policy}</code></th>
                <td data-policy=*policy>{seen}</td>
            </tr>
        }
    });
    let rows: Vec<_> = rows.collect();
    let is_disabled =
        move || quotes.controls.is_disabled.get() || quotes.slow.with(|slow| slow.is_running);
    view! {
        <section class="slow" aria-labelledby="slow-heading">
            <h2 id="slow-heading">{document.slow_heading()}</h2>
            <p>{document.slow_lede()}</p>
            <button type="button" disabled=is_disabled on:click=quotes.on_press(QuotesAction::WatchSlow)>
                {document.slow_button()}
            </button>
            <table aria-label=texts.quotes.slow_table()>
                <thead>
                    <tr>
                        <th scope="col">{document.column_policy()}</th>
                        <th scope="col">{document.column_seen()}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
}
