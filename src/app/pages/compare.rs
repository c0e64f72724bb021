//! An EventSource and a WebSocket on the same topic, side by side: both connections, which is first, the experiments, the
//! handshakes, and the article's claims. Puts the parts in their places; leaves what each shows to it.

use leptos::prelude::*;

use crate::app::comparison::{Attempt, Side};
use crate::app::components::command::Command;
use crate::app::components::compare::{AttemptRow, Claims, Handshake, RacePlot, SideCard};
use crate::app::components::masthead::Masthead;
use crate::app::curl;
use crate::app::live::compare::{CompareAction, use_comparison};
use crate::app::texts::{Texts, compare as words};
use crate::protocol::compare::{self, EVENTS, Experiment, SOCKET};

/// What a reader can try, in the order of the page.
const ATTEMPTS: [Attempt; 5] = [
    Attempt::Experiment(Experiment::Cut),
    Attempt::Experiment(Experiment::Hold),
    Attempt::Experiment(Experiment::Burst),
    Attempt::Experiment(Experiment::Refuse),
    Attempt::Send,
];

/// The page.
#[component]
pub fn ComparePage(
    /// What it is rendered with.
    page: compare::ComparePage,
    /// What the page says.
    texts: &'static Texts,
) -> impl IntoView {
    let comparison = use_comparison(&page.id, texts);
    let pause = comparison.text(|shown| texts.pause_or_resume(shown.is_paused).to_owned());
    let attempts = ATTEMPTS.map(|attempt| view! { <AttemptRow comparison attempt /> });
    let [events, socket] = [EVENTS, SOCKET].map(|segment| compare::path(&page.id, segment));
    let commands = [
        curl::plain(&page.origin, &events),
        words::socket_command(&curl::word(&format!("{}{socket}", page.origin))),
    ];
    let label = texts.compare.command();
    let commands = commands.map(|text| view! { <Command label text /> });
    let advice = words::advice(texts.compare_document).map(|(what, which)| {
        view! { <li><strong>{what}</strong> " " {which}</li> }
    });
    view! {
        <a class="skip-link" href="#experiments">{texts.compare_document.skip()}</a>
        <Masthead texts is_heading=false />
        <main id="main" class="compare-page">
            <div class="compare-lede">
                <h1>{texts.compare_document.heading()}</h1>
                <p>{texts.compare_document.lede()}</p>
                <noscript inner_html=texts.compare_document.without_script()></noscript>
            </div>
            <SideCard comparison side=Side::EventSource />
            <SideCard comparison side=Side::WebSocket />
            <section id="experiments" class="experiments" aria-labelledby="experiments-heading">
                <div class="section-head">
                    <h2 id="experiments-heading" class="label">{texts.compare_document.experiments()}</h2>
                    <button
                        type="button"
                        class="quiet"
                        data-offered=""
                        disabled=comparison.controls.is_disabled
                        on:click=comparison.on_press(CompareAction::TogglePause)
                    >
                        {pause}
                    </button>
                </div>
                <p id="said" class="said" role="status">{comparison.said}</p>
                <ul class="attempts">{attempts}</ul>
            </section>
            <RacePlot comparison />
            <section class="handshakes" aria-labelledby="handshakes-heading">
                <h2 id="handshakes-heading" class="label">{texts.compare_document.handshakes()}</h2>
                <Handshake comparison side=Side::EventSource />
                <Handshake comparison side=Side::WebSocket />
            </section>
            <Claims comparison />
            <section class="advice" aria-labelledby="advice-heading">
                <h2 id="advice-heading">{texts.compare_document.advice()}</h2>
                <ul>{advice}</ul>
            </section>
            <section class="commands" aria-labelledby="commands-heading">
                <h2 id="commands-heading">{texts.compare_document.terminal()}</h2>
                {commands}
            </section>
        </main>
    }
}
