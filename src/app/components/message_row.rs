//! One row of the list: a message as it came, with its type and id shown quietly, or a notice: that messages are missing,
//! or that no more will come. On a topic's page a row has buttons of its own.

use std::sync::Arc;

use leptos::either::Either;
use leptos::prelude::*;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::json_text;
use crate::app::live::{Action, EventStream, data_element_id};
use crate::app::log_buffer::{Content, Message, Row};
use crate::app::texts::Texts;
use crate::protocol::page::{MAX_RENDERED_BYTES, start_of};
use crate::protocol::{EARLIEST, LAST_EVENT_ID};

/// Data of more characters, or more lines, than this is clamped until the reader wants all of it.
const MAX_CHARACTERS: usize = 600;
const MAX_LINES: usize = 8;

/// One row.
#[component]
pub fn MessageRow(
    /// What it shows.
    row: Row,
    /// What the page says.
    texts: &'static Texts,
    /// The stream that it came over, if the row has buttons.
    tools: Option<EventStream>,
    /// Path of the stream as a browser opens it; without a query on the clock's page, whose rows are never cut.
    stream_link: Arc<str>,
) -> impl IntoView {
    let is_fresh = row.is_fresh.then_some("");
    let sequence = row.sequence;
    let notice = |class, kind, words: String| {
        Either::Right(view! { <li class=class data-kind=kind>{words}</li> })
    };
    let message = match row.content {
        Content::Message(message) => message,
        Content::Gap(gap) => {
            let words = texts
                .live
                .gap(gap.requested.as_str(), gap.resumed_from.as_str());
            return notice("row gap", "gap", words);
        }
        Content::End => return notice("row end", "end", texts.live.end_row().to_owned()),
    };
    let is_all = RwSignal::new(false);
    let is_json = RwSignal::new(false);
    let is_long = is_long(&message.data) && tools.is_some();
    let text = {
        let message = Arc::clone(&message);
        Signal::derive(move || shown_text(&message, is_all.get(), is_json.get()))
    };
    let is_clamped = Signal::derive(move || is_long && !is_all.get() && !is_json.get());
    let time = texts.message_time(&message.time);
    let datetime = message.time.at.to_string();
    let (id, event_type) = (message.id.clone(), message.event_type.clone());
    let data_id = id.clone();
    let cut = message
        .cut
        .as_ref()
        .filter(|_| stream_link.as_bytes().contains(&b'?'))
        .map(|cut| {
            let after = cut.after.as_deref().unwrap_or(EARLIEST);
            let after = utf8_percent_encode(after, NON_ALPHANUMERIC);
            let href = format!("{stream_link}&{LAST_EVENT_ID}={after}");
            let words = texts.cut(message.data.len(), cut.whole_bytes);
            view! { <p class="cut">{words} " " <a href=href>{texts.topic.whole_event()}</a></p> }
        });
    let tools = tools.map(|stream| {
        let show_all = is_long.then(
            || view! { <Toggle key="aria-expanded" is_on=is_all label=texts.topic.show_all() /> },
        );
        let json = json_text::is_json(&message.data).then(
            || view! { <Toggle key="aria-pressed" is_on=is_json label=texts.topic.json() /> },
        );
        view! {
            <span class="tools">
                {show_all} {json}
                <button type="button" on:click=stream.on_press(Action::CopyMessage(sequence))>
                    {texts.topic.copy()}
                </button>
            </span>
        }
    });
    Either::Left(view! {
        <li class="row" data-id=data_id data-fresh=is_fresh>
            <span id=data_element_id(sequence) class="data" class:clamped=is_clamped class:json=is_json dir="auto">
                {text}
            </span>
            <span class="meta">
                <span class="type">{event_type}</span>
                " "
                <span class="id">{id}</span>
                " "
                <time datetime=datetime>{time}</time>
            </span>
            {cut}
            {tools}
        </li>
    })
}

/// A button that is on or off, which a screen reader announces.
#[component]
fn Toggle(key: &'static str, is_on: RwSignal<bool>, label: &'static str) -> impl IntoView {
    let state = Signal::derive(move || is_on.get().to_string());
    view! {
        <button type="button" on:click=move |_| is_on.update(|is_on| *is_on = !*is_on)>
            {label}
        </button>
    }
    .attr(key, state)
}

/// A very long text is not in the document until it is wanted.
fn shown_text(message: &Message, is_all: bool, is_json: bool) -> String {
    let laid_out = is_json
        .then(|| json_text::indented(&message.data))
        .flatten();
    match laid_out {
        Some(text) => text,
        None if is_all => message.data.clone(),
        None => start_of(&message.data, MAX_RENDERED_BYTES).0.to_owned(),
    }
}

fn is_long(data: &str) -> bool {
    data.len() > MAX_CHARACTERS || data.lines().nth(MAX_LINES).is_some()
}
