//! The form that publishes: sends what is in its fields, and says what became of it. Used by any page with such a form;
//! leaves the words to the form itself.

use leptos::prelude::*;

use super::{DATA_ELEMENT_ID, TYPE_ELEMENT_ID};
use crate::app::publishing::Publishing;
use crate::browser::document;
use crate::browser::probe;
use crate::protocol::page::Refusal;

/// Publishes what is in the form to the topic at this path, unless the last attempt is still under way.
pub(super) fn publish(stream_path: &str, publishing: RwSignal<Publishing>) {
    let is_under_way = publishing.with_untracked(|now| *now == Publishing::UnderWay);
    let Some(data) = document::value_of(DATA_ELEMENT_ID).filter(|_| !is_under_way) else {
        return;
    };
    let event_type = document::value_of(TYPE_ELEMENT_ID).unwrap_or_default();
    let mut url = stream_path.to_owned();
    if !event_type.is_empty() {
        url.push_str("?type=");
        url.extend(js_sys::encode_uri_component(&event_type).as_string());
    }
    publishing.set(Publishing::UnderWay);
    probe::post(&url, &data.clone(), move |response| {
        let outcome = match response {
            None => Publishing::Unreachable,
            Some(response) if response.status == 200 => {
                Publishing::Done(response.subscribers.unwrap_or_default())
            }
            Some(response) => Publishing::Refused(Refusal {
                status: response.status,
                code: response.code.unwrap_or_default(),
                detail: response.detail.unwrap_or_default(),
            }),
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
