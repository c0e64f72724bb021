//! The form that publishes: sends what is in its fields, and says what became of it. Used by any page with such a form;
//! leaves the words to the form itself, and trying again to `fairwind.js`.

use leptos::prelude::*;

use super::{DATA_ELEMENT_ID, TYPE_ELEMENT_ID, refusal};
use crate::app::publishing::Publishing;
use crate::browser::{document, fairwind};

/// Publishes what is in the form to a topic, unless the last attempt is still under way.
pub(super) fn publish(topic: &str, publishing: RwSignal<Publishing>) {
    let is_under_way = publishing.with_untracked(|now| *now == Publishing::UnderWay);
    let Some(data) = document::value_of(DATA_ELEMENT_ID).filter(|_| !is_under_way) else {
        return;
    };
    let event_type = document::value_of(TYPE_ELEMENT_ID).filter(|named| !named.is_empty());
    publishing.set(Publishing::UnderWay);
    let sent = data.clone();
    fairwind::send(topic, &sent, event_type.as_deref(), move |answer| {
        let outcome = match answer {
            Ok(receipt) => Publishing::Done(receipt.count("subscribers")),
            Err(error) if error.number("status").is_none() => Publishing::Unreachable,
            Err(error) => {
                Publishing::Refused(refusal(error.count("status"), &error.object("problem")))
            }
        };
        // What has been typed meanwhile stays.
        let is_same = document::value_of(DATA_ELEMENT_ID).as_ref() == Some(&data);
        if is_same && matches!(outcome, Publishing::Done(_)) {
            document::empty(DATA_ELEMENT_ID);
        }
        // Fails only if the page is gone.
        publishing.try_set(outcome);
    });
}
