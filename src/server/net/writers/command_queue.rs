//! How other threads reach a writer: they add a command to its queue, and the first to do so since the writer looked last
//! wakes it. Only this is shared between threads by hand; `tests/threads` tries every way in which they can meet.

use super::sync::{Mutex, MutexGuard, PoisonError};

/// Commands for one thread to take, and how to wake it.
pub(super) struct CommandQueue<Commands, Wake> {
    slot: Mutex<Slot<Commands>>,
    wake: Wake,
}

/// What a command has done beside waiting in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    /// It has woken the thread.
    Woke,
    /// The thread had been woken before, and has not looked since.
    WasAwake,
}

#[derive(Default)]
struct Slot<Commands> {
    commands: Commands,
    is_awake: bool,
}

impl<Commands: Default, Wake: Fn()> CommandQueue<Commands, Wake> {
    /// An empty queue. `wake` wakes the thread that takes the commands, at once or as soon as it waits again.
    pub(super) fn new(wake: Wake) -> Self {
        Self {
            slot: Mutex::new(Slot::default()),
            wake,
        }
    }

    /// Adds a command.
    pub(super) fn put(&self, add: impl FnOnce(&mut Commands)) -> Put {
        let mut slot = self.lock();
        add(&mut slot.commands);
        let was_awake = std::mem::replace(&mut slot.is_awake, true);
        drop(slot);
        if was_awake {
            Put::WasAwake
        } else {
            (self.wake)();
            Put::Woke
        }
    }

    /// Takes all commands. The next one wakes the thread again.
    pub(super) fn take(&self) -> Commands {
        let mut slot = self.lock();
        slot.is_awake = false;
        std::mem::take(&mut slot.commands)
    }

    fn lock(&self) -> MutexGuard<'_, Slot<Commands>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
