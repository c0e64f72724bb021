//! How a page's client starts in the browser, and how long it lives.

use std::rc::Rc;

use leptos::prelude::*;
use send_wrapper::SendWrapper;

use super::{Controls, on_change};
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

impl<A: 'static> Controls<A> {
    /// From now on this performs what the reader does.
    pub(super) fn enable(self, perform: Callback<A>) {
        self.on_action.set_value(Some(perform));
        self.is_disabled.set(false);
    }

    /// From now on nothing is performed, whatever the page shows.
    pub(super) fn forget(self) {
        self.on_action.try_set_value(None);
    }
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
