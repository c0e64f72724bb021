//! The parts of the page that compares an EventSource with a WebSocket: a card for each connection, the plot of which was first,
//! an experiment, a handshake, and the table of claims.

use leptos::prelude::*;

use super::stat::Stat;
use crate::app::comparison::{Attempt, BARS, Counted, Side};
use crate::app::live::compare::{CompareAction, Comparison};
use crate::app::messages::{self, compare as words};

/// The size of a bar's column, and of the plot, in the units of its drawing.
const COLUMN: usize = 30;
const HEIGHT: u32 = 120;

/// What elements of a connection are called by.
const fn name(side: Side) -> &'static str {
    match side {
        Side::EventSource => "event-source",
        Side::WebSocket => "web-socket",
    }
}

/// One connection: what it is doing, and what it costs.
#[component]
pub fn SideCard(
    /// The comparison that it belongs to.
    comparison: Comparison,
    /// Which connection.
    side: Side,
) -> impl IntoView {
    let index = side.index();
    let link = move |text: fn(Side, crate::app::comparison::Link) -> &'static str| {
        comparison.text(move |shown| text(side, shown.sides[index].link).to_owned())
    };
    let counted = move |text: fn(&Counted) -> String| {
        comparison.text(move |shown| text(&shown.sides[index].counted))
    };
    let received = comparison.text(move |shown| messages::number(shown.sides[index].received));
    let missed = comparison.text(move |shown| messages::number(shown.sides[index].missed));
    let [heading, labelled_by, described_by] = [(); 3].map(|()| format!("{}-heading", name(side)));
    view! {
        <section
            id=name(side)
            class="connection side-card"
            data-state=link(|_, link| link.name())
            aria-labelledby=labelled_by
        >
            <h2 id=heading>{words::side(side)}</h2>
            <div class="state">
                <span class="shape" aria-hidden="true"></span>
                <span class="word">{link(|_, link| words::link_word(link))}</span>
                <button
                    type="button"
                    class="quiet toggle"
                    data-offered=""
                    disabled=comparison.is_disabled
                    aria-describedby=described_by
                    on:click=comparison.on_press(CompareAction::Toggle(side))
                >
                    // One over the other, of which the stylesheet shows one: neither moves when the state changes.
                    <span class="when-on">{words::CLOSE}</span>
                    <span class="when-off">{words::OPEN}</span>
                </button>
            </div>
            <p class="detail">{link(words::link_detail)}</p>
            <dl class="stats">
                <Stat key="received" name=words::STAT_RECEIVED value=received />
                <Stat key="missed" name=words::STAT_MISSED value=missed />
                <Stat key="each" name=words::STAT_EACH value=counted(words::bytes_of_each) />
                <Stat key="all" name=words::STAT_ALL value=counted(words::bytes_in_all) />
            </dl>
            <p class="hint beside">{counted(match side {
                Side::EventSource => words::beside_source,
                Side::WebSocket => words::beside_socket,
            })}</p>
        </section>
    }
}

/// Something to try: its button, and what will happen.
#[component]
pub fn AttemptRow(
    /// The comparison that it is done with.
    comparison: Comparison,
    /// What is tried.
    attempt: Attempt,
) -> impl IntoView {
    view! {
        <li>
            <button
                type="button"
                disabled=comparison.is_disabled
                on:click=comparison.on_press(CompareAction::Attempt(attempt))
            >
                {words::attempt(attempt)}
            </button>
            <span>{words::attempt_text(attempt)}</span>
        </li>
    }
}

/// Which connection had each event first, and by how much.
#[component]
pub fn RacePlot(
    /// The comparison that it shows.
    comparison: Comparison,
) -> impl IntoView {
    let height = move |bar: usize| {
        comparison.text(move |shown| {
            let bars = &shown.race.bars;
            let most = bars.iter().copied().max().unwrap_or_default().max(1);
            (u64::from(bars[bar]) * u64::from(HEIGHT) / u64::from(most)).to_string()
        })
    };
    let bars = (0..BARS).map(|bar| {
        let middle = BARS / 2;
        let class = match bar {
            _ if bar < middle => "bar source",
            _ if bar == middle => "bar same",
            _ => "bar socket",
        };
        // From the lower edge upwards: the drawing is upside down.
        let x = (bar * COLUMN + 2).to_string();
        view! { <rect class=class x=x y="0" width=COLUMN - 4 height=height(bar) /> }
    });
    let bars: Vec<_> = bars.collect();
    let summary = comparison.text(|shown| words::race(&shown.race));
    let view_box = format!("0 0 {} {HEIGHT}", BARS * COLUMN);
    let [below, above] = [true, false].map(|is_left| {
        let mut bounds = words::RACE_BOUNDS.map(|bound| view! { <span>{bound}</span> });
        if is_left {
            bounds.reverse();
        }
        bounds
    });
    view! {
        <section class="race" aria-labelledby="race-heading">
            <h2 id="race-heading" class="label">{words::RACE_HEADING}</h2>
            <svg
                class="plot"
                viewBox=view_box
                preserveAspectRatio="none"
                role="img"
                aria-label=words::RACE_PLOT
                aria-describedby="race-summary"
            >
                {bars}
            </svg>
            <div class="bounds" aria-hidden="true">
                {below} {above}
            </div>
            <div class="ends" aria-hidden="true">
                <span>{words::RACE_LEFT}</span>
                <span>{words::RACE_MIDDLE}</span>
                <span>{words::RACE_RIGHT}</span>
            </div>
            <p id="race-summary" class="race-summary">{summary}</p>
            <p class="hint">{words::RACE_NOTE}</p>
        </section>
    }
}

/// The head of a request and of its response.
#[component]
pub fn Handshake(
    /// The comparison that it belongs to.
    comparison: Comparison,
    /// Of which connection.
    side: Side,
) -> impl IntoView {
    let index = side.index();
    let lines = comparison.text(move |shown| words::handshake(&shown.sides[index].counted));
    let size = comparison.text(move |shown| words::handshake_size(&shown.sides[index].counted));
    view! {
        <div class="handshake">
            <h3>{words::side(side)}</h3>
            <pre class="command" role="group" aria-label=words::handshake_label(side) tabindex="0"><code>{lines}</code></pre>
            <p class="hint">{size}</p>
        </div>
    }
}

/// What the article says, what holds, and what was measured.
#[component]
pub fn Claims(
    /// The comparison that measures.
    comparison: Comparison,
) -> impl IntoView {
    let rows = words::CLAIMS.iter().map(|claim| {
        let of = claim.measured;
        let measured = comparison.text(move |shown| words::measured(of, shown));
        let sources = claim.sources.iter().map(|(name, url)| {
            view! { <a href=*url rel="noreferrer">{*name}</a> }
        });
        let sources: Vec<_> = sources.collect();
        view! {
            <tr>
                <th scope="row">{claim.says}</th>
                <td data-label=words::COLUMN_HOLDS>{claim.holds}</td>
                <td class="measured" data-label=words::COLUMN_MEASURED>{measured}</td>
                <td class="sources" data-label=words::COLUMN_SOURCE>{sources}</td>
            </tr>
        }
    });
    let rows: Vec<_> = rows.collect();
    view! {
        <section class="claims" aria-labelledby="claims-heading">
            <h2 id="claims-heading">{words::CLAIMS_HEADING}</h2>
            <table aria-labelledby="claims-heading">
                <thead>
                    <tr>
                        <th scope="col">{words::COLUMN_CLAIM}</th>
                        <th scope="col">{words::COLUMN_HOLDS}</th>
                        <th scope="col">{words::COLUMN_MEASURED}</th>
                        <th scope="col">{words::COLUMN_SOURCE}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
}
