//! The buttons. Each says what pressing it will do; two change their words with what there is to do.

use leptos::prelude::*;

use crate::app::connection::Connection;
use crate::app::live::EventStream;
use crate::app::log_buffer::LogBuffer;
use crate::app::messages;

/// The row of buttons. They are disabled until the page is alive, when a click would be lost, but look the same then:
/// the moment is too short to show.
#[component]
pub fn Controls(
    /// The stream they control.
    stream: EventStream,
) -> impl IntoView {
    let pause = move || match stream.log.with(LogBuffer::is_paused) {
        true => messages::RESUME,
        false => messages::PAUSE,
    };
    let connect = move || match stream.connection.with(Connection::is_over) {
        true => messages::RECONNECT,
        false => messages::DISCONNECT,
    };
    let is_asleep = move || !stream.is_alive.get();

    view! {
        <div class="controls" role="group" aria-label=messages::CONTROLS_LABEL>
            <button type="button" class="main" disabled=is_asleep on:click=move |_| stream.toggle_pause()>
                {pause}
            </button>
            <button type="button" disabled=is_asleep on:click=move |_| stream.clear()>
                {messages::CLEAR}
            </button>
            <button type="button" disabled=is_asleep on:click=move |_| stream.toggle_connection()>
                {connect}
            </button>
            <button type="button" disabled=is_asleep on:click=move |_| stream.copy_as_curl()>
                {messages::COPY_AS_CURL}
            </button>
        </div>
    }
}
