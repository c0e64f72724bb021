//! One row of the list: a message as it came, with its type and id shown quietly, or the notice that messages are
//! missing. It never changes.

use leptos::either::Either;
use leptos::prelude::*;

use crate::app::log_buffer::{Content, Row};
use crate::app::messages;

/// One row.
#[component]
pub fn MessageRow(
    /// What it shows.
    row: Row,
) -> impl IntoView {
    let is_fresh = row.is_fresh.then_some("");
    match row.content {
        Content::Message(message) => Either::Left(view! {
            <li class="row" data-id=message.id.clone() data-fresh=is_fresh>
                <span class="data">{message.data.clone()}</span>
                <span class="meta">
                    <span class="type">{message.event_type.clone()}</span>
                    " "
                    <span class="id">{message.id.clone()}</span>
                </span>
            </li>
        }),
        Content::Gap(gap) => Either::Right(view! {
            <li class="row gap" data-kind="gap">
                {messages::gap(gap.requested.as_str(), gap.resumed_from.as_str())}
            </li>
        }),
    }
}
