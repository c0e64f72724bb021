//! What the controls of a live page do: nothing before the page is hydrated, and then what its client does. Leaves
//! who performs it to `start`, in the browser.

use leptos::prelude::*;

/// The controls of a page on which a reader does `A`. A cheap handle; copy it around.
pub struct Controls<A: 'static> {
    /// Whether they do nothing: until the page is hydrated, so always in a browser without JavaScript.
    pub is_disabled: RwSignal<bool>,
    /// What performs the reader's actions.
    pub(super) on_action: StoredValue<Option<Callback<A>>>,
}

// By hand, since a derived implementation would have all actions be `Copy`.
impl<A> Clone for Controls<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Controls<A> {}

impl<A: 'static> Controls<A> {
    /// Controls that do nothing yet.
    pub(super) fn disabled() -> Self {
        Self {
            is_disabled: RwSignal::new(true),
            on_action: StoredValue::new(None),
        }
    }

    /// Performs what the reader does. Returns whether it was performed: not before the page is hydrated.
    pub(super) fn perform(self, action: A) -> bool {
        let on_action = self.on_action.try_get_value().flatten();
        on_action.map(|on_action| on_action.run(action)).is_some()
    }
}
