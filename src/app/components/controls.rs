//! The buttons. Each says what on_press it will do; two change their words with what there is to do.

use leptos::prelude::*;

use super::button::Button;
use crate::app::connection::Connection;
use crate::app::live::{Action, EventStream};
use crate::app::log_buffer::LogBuffer;
use crate::app::messages;

/// The row of buttons.
#[component]
pub fn Controls(
    /// The stream they control.
    stream: EventStream,
) -> impl IntoView {
    let pause = Signal::derive(move || {
        let label = if stream.log.buffer.with(LogBuffer::is_paused) {
            messages::RESUME
        } else {
            messages::PAUSE
        };
        label.to_owned()
    });
    let connect = Signal::derive(move || {
        let label = if stream.connection.state.with(Connection::is_over) {
            messages::RECONNECT
        } else {
            messages::DISCONNECT
        };
        label.to_owned()
    });

    view! {
        <div class="controls" role="group" aria-label=messages::CONTROLS_LABEL>
            <Button stream action=Action::TogglePause label=pause class="main" />
            <Button stream action=Action::Clear label=messages::CLEAR />
            <Button stream action=Action::ToggleConnection label=connect />
        </div>
    }
}
