//! The current time, large: the moment in the newest message. Leaves reading it to [`ClockText`].

use leptos::prelude::*;

use crate::app::clock_text::ClockText;
use crate::app::messages;

/// The large clock.
#[component]
pub fn ClockFace(
    /// The newest message's data; empty before any.
    #[prop(into)]
    newest: Signal<String>,
) -> impl IntoView {
    let clock = Memo::new(move |_| newest.with(|text| ClockText::read(text)));
    let time = move || match clock.get() {
        Some(clock) => clock.time,
        None if newest.with(String::is_empty) => messages::CLOCK_EMPTY.to_owned(),
        // Any publisher may write any text, and then the text itself is the news.
        None => newest.get(),
    };
    let date = move || match clock.get() {
        Some(clock) => clock.date,
        None if newest.with(String::is_empty) => messages::CLOCK_EMPTY_DATE.to_owned(),
        None => String::new(),
    };
    let is_other_text = move || clock.with(Option::is_none) && !newest.with(String::is_empty);

    view! {
        <section class="clock-face" aria-labelledby="clock-heading">
            <h2 id="clock-heading" class="label">{messages::CLOCK_HEADING}</h2>
            <time
                id="now"
                class="now"
                class:other-text=is_other_text
                datetime=move || clock.get().map(|clock| clock.datetime)
            >
                <span class="now-time">{time}</span>
                <span class="now-fraction">{move || clock.get().map(|clock| clock.fraction).unwrap_or_default()}</span>
            </time>
            <p class="date">
                <span>{date}</span>
                <span class="offset">{move || clock.get().map(|clock| clock.offset).unwrap_or_default()}</span>
            </p>
        </section>
    }
}
