//! How other threads reach a writer: they put something into its mailbox, and the first to do so since the writer looked
//! last rings. Only this is shared between threads by hand; `tests/mailbox.rs` tries every way in which they can meet.

use super::sync::{Mutex, MutexGuard, PoisonError};

/// What is there for one thread to take, and how to wake it.
pub(super) struct Mailbox<Mail, Ring> {
    slot: Mutex<Slot<Mail>>,
    ring: Ring,
}

#[derive(Default)]
struct Slot<Mail> {
    mail: Mail,
    has_rung: bool,
}

impl<Mail: Default, Ring: Fn()> Mailbox<Mail, Ring> {
    /// An empty mailbox. `ring` wakes the thread that takes the mail, at once or as soon as it waits again.
    pub(super) fn new(ring: Ring) -> Self {
        Self {
            slot: Mutex::new(Slot::default()),
            ring,
        }
    }

    /// Puts something in; says whether it rang.
    pub(super) fn put(&self, put: impl FnOnce(&mut Mail)) -> bool {
        let mut slot = self.lock();
        put(&mut slot.mail);
        let is_first = !std::mem::replace(&mut slot.has_rung, true);
        drop(slot);
        if is_first {
            (self.ring)();
        }
        is_first
    }

    /// Takes everything out. Whoever puts something in from now on rings again.
    pub(super) fn take(&self) -> Mail {
        let mut slot = self.lock();
        slot.has_rung = false;
        std::mem::take(&mut slot.mail)
    }

    fn lock(&self) -> MutexGuard<'_, Slot<Mail>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
