//! The current time, large: the moment in the newest message. Leaves reading it to [`ClockText`].

use leptos::prelude::*;

use crate::app::clock_text::ClockText;
use crate::app::texts::Texts;

/// The large clock before any message.
const EMPTY: &str = "--:--:--";

/// The large clock.
#[component]
pub fn ClockFace(
    /// What the page says.
    texts: &'static Texts,
    /// The newest message's data; empty before any.
    #[prop(into)]
    newest: Signal<String>,
) -> impl IntoView {
    // Read for each of its parts: that costs less than the code which would spare it.
    let clock = Signal::derive(move || newest.with(|text| ClockText::read(text)));
    let time = Signal::derive(move || match clock.get() {
        Some(clock) => clock.time,
        None if newest.with(String::is_empty) => EMPTY.to_owned(),
        // Any publisher may write any text, and then the text itself is the news.
        None => newest.get(),
    });
    let date = Signal::derive(move || match clock.get() {
        Some(clock) => texts.date(&clock.date),
        None if newest.with(String::is_empty) => texts.clock.waiting().to_owned(),
        None => String::new(),
    });
    let is_other_text =
        Signal::derive(move || clock.with(Option::is_none) && !newest.with(String::is_empty));
    let datetime = Signal::derive(move || clock.get().map(|clock| clock.datetime));
    let fraction =
        Signal::derive(move || clock.get().map(|clock| clock.fraction).unwrap_or_default());
    let offset = Signal::derive(move || clock.get().map(|clock| clock.offset).unwrap_or_default());

    view! {
        <section class="clock-face" aria-labelledby="clock-heading">
            <h2 id="clock-heading" class="label">{texts.clock.heading()}</h2>
            <time
                id="now"
                class="now"
                class:other-text=is_other_text
                datetime=datetime
            >
                <span class="now-time">{time}</span>
                <span class="now-fraction">{fraction}</span>
            </time>
            <p class="date">
                <span>{date}</span>
                <span class="offset">{offset}</span>
            </p>
            <p class="lead">{texts.clock.lead()}</p>
        </section>
    }
}
