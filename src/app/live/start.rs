//! How a page's client starts in the browser, and how long it lives.

use std::rc::Rc;

use leptos::prelude::*;
use send_wrapper::SendWrapper;

use super::on_change;
use crate::browser::document;

/// Starts a client once the page is hydrated, and drops it with the calling component. An effect, because the client belongs to the
/// browser's one thread.
pub(super) fn when_hydrated<C: 'static>(mut start: impl FnMut() -> Rc<C> + 'static) {
    on_change(Box::new(move || {
        let client = SendWrapper::new(start());
        on_cleanup(move || drop(client));
        document::mark_hydrated();
    }));
}

/// What performs a reader's actions for as long as the client lives.
pub(super) fn performer<C: 'static, A: 'static>(client: &Rc<C>, perform: fn(&C, A)) -> Callback<A> {
    let client = SendWrapper::new(Rc::downgrade(client));
    Callback::new(move |action| {
        if let Some(client) = client.upgrade() {
            perform(&client, action);
        }
    })
}
