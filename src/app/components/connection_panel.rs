//! The connection in words and shape, and the facts about it.

use leptos::prelude::*;

use super::button::QuietButton;
use super::stat::Stat;
use crate::app::connection::Connection;
use crate::app::live::{Action, EventStream};
use crate::app::texts::number;

/// The connection's panel. Its shape and colour follow from `data-state`, in the stylesheet.
#[component]
pub fn ConnectionPanel(
    /// The stream whose connection it shows.
    stream: EventStream,
) -> impl IntoView {
    let texts = stream.texts;
    let connection = stream.connection;
    let log = stream.log;
    let state = Signal::derive(move || connection.state.with(Connection::name).to_owned());
    let word = Signal::derive(move || {
        connection
            .state
            .with(|connection| texts.connection_word(connection))
            .to_owned()
    });
    let detail = Signal::derive(move || {
        let seconds_left = connection.seconds_left.get();
        connection
            .state
            .with(|connection| texts.connection_detail(connection, seconds_left))
    });
    let server_words = Signal::derive(move || {
        connection
            .state
            .with(|connection| texts.connection_server_words(connection))
    });
    let can_hurry = Signal::derive(move || {
        connection
            .state
            .with(|connection| matches!(connection, Connection::Reconnecting(..)))
            .then(String::new)
    });

    let ready_state =
        Signal::derive(move || texts.ready_state(connection.ready_state.get()).to_owned());
    let last_event = Signal::derive(move || {
        let age = (log.received.get() > 0).then(|| log.age.get());
        log.newest_rendered
            .with_value(|rendered| texts.last_message(age, rendered.as_ref()))
    });
    let received = Signal::derive(move || number(log.received.get()));
    // Without a stream the number is not known, and an old one would pass for a new one.
    let is_known = move || connection.state.with(Connection::is_current);
    let consumers = Signal::derive(move || {
        if is_known() {
            number(stream.consumers.get())
        } else {
            texts.live.unknown().to_owned()
        }
    });

    view! {
        <section id="connection" class="connection" data-state=state aria-labelledby="connection-heading">
            <h2 id="connection-heading" class="label">{texts.live.connection()}</h2>
            <div class="state">
                <span class="shape" aria-hidden="true"></span>
                <span class="word">{word}</span>
                <QuietButton
                    stream
                    action=Action::TryNow
                    label=texts.live.try_now()
                    class="quiet try-now"
                    offered=can_hurry
                />
            </div>
            <p class="detail">{detail} " " <span lang="en">{server_words}</span></p>
            <dl class="stats">
                <Stat key="ready-state" name=texts.live.stat_ready_state() value=ready_state />
                <Stat key="last-event" name=texts.live.stat_last_message() value=last_event />
                <Stat key="messages" name=texts.live.stat_received() value=received />
                <Stat key="consumers" name=texts.live.stat_consumers() value=consumers />
            </dl>
        </section>
    }
}
