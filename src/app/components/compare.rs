//! The parts of the page that compares an EventSource with a WebSocket: a card for each connection, the plot of which was first,
//! an experiment, a handshake, and the table of claims.

use leptos::prelude::*;

use super::stat::Stat;
use crate::app::comparison::{Attempt, BARS, Counted, Link, Side};
use crate::app::live::compare::{CompareAction, Comparison};
use crate::app::texts::{Texts, compare as words, number};

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
    let texts = comparison.texts;
    let link = move |text: fn(&Texts, Side, Link) -> &'static str| {
        comparison.text(move |shown| text(texts, side, shown.sides[index].link).to_owned())
    };
    let counted = move |text: fn(&Texts, Side, &Counted) -> String| {
        comparison.text(move |shown| text(texts, side, &shown.sides[index].counted))
    };
    let received = comparison.text(move |shown| number(shown.sides[index].received));
    let missed = comparison.text(move |shown| number(shown.sides[index].missed));
    let [heading, labelled_by, described_by] = [(); 3].map(|()| format!("{}-heading", name(side)));
    view! {
        <section
            id=name(side)
            class="connection side-card"
            data-state=link(|_, _, link| link.name())
            aria-labelledby=labelled_by
        >
            <h2 id=heading>{words::side(side)}</h2>
            <div class="state">
                <span class="shape" aria-hidden="true"></span>
                <span class="word">{link(|texts, _, link| texts.link_word(link))}</span>
                <button
                    type="button"
                    class="quiet toggle"
                    data-offered=""
                    disabled=comparison.controls.is_disabled
                    aria-describedby=described_by
                    on:click=comparison.on_press(CompareAction::Toggle(side))
                >
                    // One over the other, of which the stylesheet shows one: neither moves when the state changes.
                    <span class="when-on">{texts.compare.close()}</span>
                    <span class="when-off">{texts.compare.open_again()}</span>
                </button>
            </div>
            <p class="detail">{link(Texts::link_detail)}</p>
            <dl class="stats">
                <Stat key="received" name=texts.compare.stat_received() value=received />
                <Stat key="missed" name=texts.compare.stat_missed() value=missed />
                <Stat key="each" name=texts.compare.stat_each() value=counted(|texts, _, counted| texts.bytes_of_each(counted)) />
                <Stat key="all" name=texts.compare.stat_all() value=counted(|_, _, counted| words::bytes_in_all(counted)) />
            </dl>
            <p class="hint beside">{counted(Texts::beside)}</p>
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
                disabled=comparison.controls.is_disabled
                on:click=comparison.on_press(CompareAction::Attempt(attempt))
            >
                {comparison.texts.attempt(attempt)}
            </button>
            <span>{comparison.texts.attempt_text(attempt)}</span>
        </li>
    }
}

/// Which connection had each event first, and by how much.
#[component]
pub fn RacePlot(
    /// The comparison that it shows.
    comparison: Comparison,
) -> impl IntoView {
    let texts = comparison.texts;
    let document = texts.compare_document;
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
    let summary = comparison.text(move |shown| texts.race(&shown.race));
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
            <h2 id="race-heading" class="label">{document.race_heading()}</h2>
            <svg
                class="plot"
                viewBox=view_box
                preserveAspectRatio="none"
                role="img"
                aria-label=texts.compare.race_plot()
                aria-describedby="race-summary"
            >
                {bars}
            </svg>
            <div class="bounds" aria-hidden="true">
                {below} {above}
            </div>
            <div class="ends" aria-hidden="true">
                <span>{document.race_left()}</span>
                <span>{document.race_middle()}</span>
                <span>{document.race_right()}</span>
            </div>
            <p id="race-summary" class="race-summary">{summary}</p>
            <p class="hint">{document.race_note()}</p>
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
    let texts = comparison.texts;
    let lines = comparison.text(move |shown| texts.handshake(&shown.sides[index].counted));
    let size = comparison.text(move |shown| texts.handshake_size(&shown.sides[index].counted));
    view! {
        <div class="handshake">
            <h3>{words::side(side)}</h3>
            <pre class="command" role="group" aria-label=texts.compare.handshake_of(words::side(side)) tabindex="0"><code>{lines}</code></pre>
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
    let texts = comparison.texts;
    let document = texts.compare_document;
    let rows = words::CLAIMS.iter().map(|claim| {
        let of = claim.measured;
        let measured = comparison.text(move |shown| texts.measured(of, shown));
        let sources = claim.sources.iter().map(|(name, url)| {
            view! { <a href=*url rel="noreferrer">{*name}</a> }
        });
        let sources: Vec<_> = sources.collect();
        view! {
            <tr>
                <th scope="row">{(claim.says)(document)}</th>
                <td data-label=texts.compare.column_holds()>{(claim.holds)(document)}</td>
                <td class="measured" data-label=texts.compare.column_measured()>{measured}</td>
                <td class="sources" data-label=texts.compare.column_source()>{sources}</td>
            </tr>
        }
    });
    let rows: Vec<_> = rows.collect();
    view! {
        <section class="claims" aria-labelledby="claims-heading">
            <h2 id="claims-heading">{document.claims()}</h2>
            <table aria-labelledby="claims-heading">
                <thead>
                    <tr>
                        <th scope="col">{document.column_claim()}</th>
                        <th scope="col">{texts.compare.column_holds()}</th>
                        <th scope="col">{texts.compare.column_measured()}</th>
                        <th scope="col">{texts.compare.column_source()}</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </section>
    }
}
