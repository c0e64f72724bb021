//! The connection in words and shape, and the facts about it.

use leptos::prelude::*;

use super::button::QuietButton;
use super::stat::Stat;
use crate::app::connection::Connection;
use crate::app::live::{Action, EventStream};
use crate::app::messages;

/// The connection's panel. Its shape and colour follow from `data-state`, in the stylesheet.
#[component]
pub fn ConnectionPanel(
    /// The stream whose connection it shows.
    stream: EventStream,
) -> impl IntoView {
    let connection = stream.connection;
    let log = stream.log;
    let state = Signal::derive(move || connection.state.with(Connection::name).to_owned());
    let word = Signal::derive(move || connection.state.with(messages::connection_word).to_owned());
    let detail = Signal::derive(move || {
        let seconds_left = connection.seconds_left.get();
        connection
            .state
            .with(|connection| messages::connection_detail(connection, seconds_left))
    });
    let can_hurry = Signal::derive(move || {
        connection
            .state
            .with(|connection| matches!(connection, Connection::Reconnecting(..)))
            .then(String::new)
    });

    let ready_state =
        Signal::derive(move || messages::ready_state(connection.ready_state.get()).to_owned());
    let last_event = Signal::derive(move || {
        let age = (log.received.get() > 0).then(|| log.age.get());
        log.newest_rendered
            .with_value(|rendered| messages::last_message(age, rendered.as_ref()))
    });
    let received = Signal::derive(move || messages::number(log.received.get()));
    // Without a stream the number is not known, and an old one would pass for a new one.
    let is_known = move || connection.state.with(Connection::is_current);
    let consumers = Signal::derive(move || {
        if is_known() {
            messages::number(stream.consumers.get())
        } else {
            messages::CONSUMERS_UNKNOWN.to_owned()
        }
    });

    view! {
        <section id="connection" class="connection" data-state=state aria-labelledby="connection-heading">
            <h2 id="connection-heading" class="label">{messages::CONNECTION_HEADING}</h2>
            <div class="state">
                <span class="shape" aria-hidden="true"></span>
                <span class="word">{word}</span>
                <QuietButton
                    stream
                    action=Action::TryNow
                    label=messages::TRY_NOW
                    class="quiet try-now"
                    offered=can_hurry
                />
            </div>
            <p class="detail">{detail}</p>
            <dl class="stats">
                <Stat key="ready-state" name=messages::STAT_READY_STATE value=ready_state />
                <Stat key="last-event" name=messages::STAT_LAST_EVENT value=last_event />
                <Stat key="messages" name=messages::STAT_MESSAGES value=received />
                <Stat key="consumers" name=messages::STAT_CONSUMERS value=consumers />
            </dl>
        </section>
    }
}
