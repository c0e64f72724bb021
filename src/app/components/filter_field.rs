//! The field that filters the list. Without JavaScript it is a form that loads the page anew with the filter in its URL;
//! with it, the list follows every letter. Leaves what a filter means to [`crate::app::filter`].

use leptos::prelude::*;

use crate::app::live::{Action, EventStream, FILTER_ELEMENT_ID};
use crate::protocol::FILTER;

/// The field, what passes, and how to write a filter or why it cannot be understood.
#[component]
pub fn FilterField(
    /// The stream whose list it filters.
    stream: EventStream,
) -> impl IntoView {
    let texts = stream.texts;
    let log = stream.log.buffer;
    let count = Signal::derive(move || {
        log.with(|log| texts.filter_count(log.passing_message_count(), log.message_count()))
    });
    let error = move || log.with(|log| log.filter().error());
    let is_wrong = Signal::derive(move || error().is_some());
    let invalid = Signal::derive(move || error().map(|_| "true".to_owned()));
    let hint = Signal::derive(move || {
        error()
            .map_or_else(
                || texts.topic.filter_hint(),
                |wrong| texts.filter_error(wrong),
            )
            .to_owned()
    });
    view! {
        <form class="filter" method="get" role="search" on:submit=stream.on_submit(Action::Filter)>
            <label for=FILTER_ELEMENT_ID class="label">{texts.topic.filter()}</label>
            <div class="filter-line">
                <input
                    id=FILTER_ELEMENT_ID
                    name=FILTER
                    type="search"
                    value=log.with_untracked(|log| log.filter().text().to_owned())
                    autocomplete="off"
                    spellcheck="false"
                    aria-describedby="filter-hint"
                    aria-invalid=invalid
                    on:input=move |_| stream.perform(Action::Filter)
                />
                <button type="submit" class="for-plain">{texts.topic.filter()}</button>
                <span id="filter-count" class="filter-count">{count}</span>
            </div>
            <p id="filter-hint" class="hint" class:wrong=is_wrong>{hint}</p>
        </form>
    }
}
