//! The list of messages: each is appended at the end, which the list follows while the reader is there. Leaves what is
//! shown and what waits to [`LogBuffer`].
//!
//! The list hangs from its end (`column-reverse` in the stylesheet): the browser itself keeps the newest row in view,
//! without JavaScript and from the first paint on. A scroll position of 0 is the end, and older rows are below 0.

use std::sync::Arc;

use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;

use super::button::QuietButton;
use super::filter_field::FilterField;
use super::message_row::MessageRow;
use crate::app::live::{Action, EventStream, on_change};
use crate::app::log_buffer::LogBuffer;

/// How far from the end, in CSS pixels, a reader still counts as being there: fractions of pixels and a careless finger.
const NEAR_END: i32 = 16;

/// The list, and the quiet button that leads back to its end.
#[component]
pub fn MessageLog(
    /// The stream whose messages it shows.
    stream: EventStream,
    /// Whether the list can be filtered, and each row has buttons.
    has_tools: bool,
    /// Path of the stream as a browser opens it.
    stream_link: String,
    /// Words for the events before those of the page; empty if there are none.
    older: String,
    /// Path of those events.
    older_path: String,
) -> impl IntoView {
    let texts = stream.texts;
    let log = stream.log.buffer;
    let scroller = NodeRef::<html::Div>::new();
    let is_at_end = RwSignal::new(true);
    // Whether the keyboard has brought the reader to the start of the list, whose rows are still being added.
    let stays_at_start = StoredValue::new(false);

    let note = Signal::derive(move || log.with(|log| texts.list_note(log)));
    let is_not_empty = Signal::derive(move || log.with(|log| !log.is_empty()));
    let empty = Signal::derive(move || {
        let words = if log.with(|log| log.filter().is_active()) {
            texts.topic.nothing_passes()
        } else {
            texts.live.list_empty()
        };
        words.to_owned()
    });
    let waiting = move || {
        if is_at_end.get() {
            0
        } else {
            log.with(LogBuffer::waiting)
        }
    };
    let new_rows = Signal::derive(move || texts.new_rows(waiting()));
    let offers_jump = Signal::derive(move || {
        (waiting() > 0 && !log.with(LogBuffer::is_paused)).then(String::new)
    });
    let class = if has_tools {
        "messages with-tools"
    } else {
        "messages"
    };
    let stream_link: Arc<str> = stream_link.into();
    let has_no_older = older.is_empty();

    let on_scroll = move |_| {
        let Some(scroller) = scroller.get_untracked() else {
            return;
        };
        let is_at_end_now = scroller.scroll_top() > -NEAR_END;
        if is_at_end_now == is_at_end.get_untracked() {
            return;
        }
        is_at_end.set(is_at_end_now);
        if is_at_end_now {
            stream.perform(Action::ReachEnd);
        } else {
            stream.perform(Action::LeaveEnd);
        }
    };
    // A browser glides to the end or the beginning, and stops half-way when a row is added meanwhile.
    let on_key = move |event: KeyboardEvent| {
        stays_at_start.set_value(false);
        let Some(scroller) = scroller.get_untracked() else {
            return;
        };
        if event.alt_key() || event.ctrl_key() || event.meta_key() || event.shift_key() {
            return;
        }
        match event.key().as_str() {
            "End" => stream.perform(Action::Jump),
            "Home" if scroller.scroll_height() > scroller.client_height() => {
                is_at_end.set(false);
                stream.perform(Action::LeaveEnd);
                scroller.set_scroll_top(-scroller.scroll_height());
                stays_at_start.set_value(true);
            }
            _ => return,
        }
        event.prevent_default();
    };
    // While older rows are added to the document above a reader that has gone to the start, the list stays at its start, until
    // all are there. In the next frame: the rows are in the document then.
    on_change(Box::new(move || {
        let _ = stream.log.revision.get();
        let is_whole = log.with_untracked(LogBuffer::is_whole);
        request_animation_frame(move || {
            stay_at_start(stays_at_start, scroller);
            // Once more when the rows there have been laid out.
            request_animation_frame(move || {
                stay_at_start(stays_at_start, scroller);
                // From now on the reader alone moves the list.
                if is_whole {
                    let _ = stays_at_start.try_set_value(false);
                }
            });
        });
    }));
    on_change(Box::new(move || {
        if stream.log.jumps.get() > 0
            && let Some(scroller) = scroller.get_untracked()
        {
            scroller.set_scroll_top(0);
        }
    }));

    view! {
        <div class=class>
            <div class="messages-head">
                <h2 id="messages-heading" class="label">{texts.live.messages()}</h2>
                <a class="older" href=older_path hidden=has_no_older>{older}</a>
                <p class="note">{note}</p>
            </div>
            {has_tools.then(|| view! { <FilterField stream /> })}
            <div class="messages-frame">
                <div
                    id="messages"
                    class="scroller"
                    role="region"
                    aria-labelledby="messages-heading"
                    tabindex="0"
                    node_ref=scroller
                    on:scroll=on_scroll
                    on:keydown=on_key
                >
                    <ol class="rows">
                        <For each=move || stream.log.rows() key=|row| row.sequence let:row>
                            <MessageRow
                                row
                                texts
                                tools=has_tools.then_some(stream)
                                stream_link=Arc::clone(&stream_link)
                            />
                        </For>
                    </ol>
                </div>
                <p class="empty" hidden=is_not_empty>{empty}</p>
                <QuietButton
                    stream
                    action=Action::Jump
                    label=new_rows
                    class="quiet jump"
                    offered=offers_jump
                />
            </div>
        </div>
    }
}

/// Scrolls to the start of a list that stays there, and has grown.
fn stay_at_start(stays_at_start: StoredValue<bool>, scroller: NodeRef<html::Div>) {
    if stays_at_start.try_get_value() == Some(true)
        && let Some(scroller) = scroller.try_get_untracked().flatten()
    {
        scroller.set_scroll_top(-scroller.scroll_height());
    }
}
