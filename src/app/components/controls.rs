//! The buttons. Each says what on_press it will do; two change their words with what there is to do.

use leptos::prelude::*;

use super::button::Button;
use crate::app::connection::Connection;
use crate::app::live::{Action, EventStream};
use crate::app::log_buffer::LogBuffer;

/// The row of buttons.
#[component]
pub fn Controls(
    /// The stream they control.
    stream: EventStream,
) -> impl IntoView {
    let texts = stream.texts;
    let pause = Signal::derive(move || {
        let label = if stream.log.buffer.with(LogBuffer::is_paused) {
            texts.live.resume()
        } else {
            texts.live.pause()
        };
        label.to_owned()
    });
    let connect = Signal::derive(move || {
        let label = if stream.connection.state.with(Connection::is_over) {
            texts.live.reconnect()
        } else {
            texts.live.disconnect()
        };
        label.to_owned()
    });

    view! {
        <div class="controls" role="group" aria-label=texts.live.controls()>
            <Button stream action=Action::TogglePause label=pause class="main" />
            <Button stream action=Action::Clear label=texts.live.clear() />
            <Button stream action=Action::ToggleConnection label=connect />
        </div>
    }
}
