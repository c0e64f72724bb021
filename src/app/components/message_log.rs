//! The list of messages: each is appended at the end, which the list follows while the reader is there. Leaves what is
//! shown and what waits to [`LogBuffer`].
//!
//! The list hangs from its end (`column-reverse` in the stylesheet): the browser itself keeps the newest row in view,
//! without JavaScript and from the first paint on. A scroll position of 0 is the end, and older rows are below 0.

use leptos::html;
use leptos::prelude::*;

use super::message_row::MessageRow;
use crate::app::live::EventStream;
use crate::app::log_buffer::LogBuffer;
use crate::app::messages;

/// How far from the end, in CSS pixels, a reader still counts as being there: fractions of pixels and a careless finger.
const NEAR_END: i32 = 16;

/// The list, and the quiet button that leads back to its end.
#[component]
pub fn MessageLog(
    /// The stream whose messages it shows.
    stream: EventStream,
) -> impl IntoView {
    let log = stream.log;
    let scroller = NodeRef::<html::Div>::new();
    let is_at_end = RwSignal::new(true);

    // What waits changes more often than what is shown, and only the latter is worth comparing all rows.
    let revision = Memo::new(move |_| log.with(LogBuffer::revision));
    let rows = move || {
        // Read, not only tracked: a memo that nobody reads never runs, and never learns what it depends on.
        let _ = revision.get();
        log.with_untracked(LogBuffer::rows)
    };
    let note = move || {
        log.with(|log| messages::list_note(log.is_paused(), log.waiting(), log.has_dropped()))
    };
    let waiting = move || {
        if is_at_end.get() {
            0
        } else {
            log.with(LogBuffer::waiting)
        }
    };
    let offers_jump = move || waiting() > 0 && !log.with(LogBuffer::is_paused);

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
            stream.reach_end();
        } else {
            stream.leave_end();
        }
    };
    Effect::new(move |_| {
        if stream.jumps.get() > 0
            && let Some(scroller) = scroller.get_untracked()
        {
            scroller.set_scroll_top(0);
        }
    });

    view! {
        <div class="messages">
            <div class="messages-head">
                <h2 id="messages-heading" class="label">{messages::MESSAGES_HEADING}</h2>
                <p class="note">{note}</p>
            </div>
            <div class="messages-frame">
                <div
                    id="messages"
                    class="scroller"
                    role="region"
                    aria-labelledby="messages-heading"
                    tabindex="0"
                    node_ref=scroller
                    on:scroll=on_scroll
                >
                    <ol class="rows">
                        <For each=rows key=|row| row.sequence let:row>
                            <MessageRow row />
                        </For>
                    </ol>
                </div>
                <p class="empty" hidden=move || log.with(|log| !log.is_empty())>
                    {messages::LIST_EMPTY}
                </p>
                <button
                    type="button"
                    class="quiet jump"
                    disabled=move || !stream.is_alive.get()
                    data-offered=move || offers_jump().then_some("")
                    on:click=move |_| stream.jump_to_newest()
                >
                    {move || messages::new_rows(waiting())}
                </button>
            </div>
        </div>
    }
}
