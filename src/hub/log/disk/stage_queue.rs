//! The way of staged events from publishers to the thread that writes them. Publishers add one event each, under the hub's
//! lock; the thread takes as many as have come while it wrote those before, which makes a group without any timer. Only this
//! is shared between threads by hand; `tests/threads` tries every way in which they can meet.

use std::collections::VecDeque;
use std::time::Duration;

use super::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Events that wait to be written. `Failure` is why none can be.
pub(super) struct StageQueue<Event, Failure> {
    queue: Mutex<Queue<Event, Failure>>,
    changed: Condvar,
}

struct Queue<Event, Failure> {
    /// Each with its size in bytes.
    events: VecDeque<(Event, usize)>,
    bytes: usize,
    /// Why events are refused.
    refusal: Option<Failure>,
    is_closed: bool,
}

/// What the thread has to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work<Event> {
    /// Write a group of events.
    Write(Vec<Event>),
    /// Whatever is due: the time is over, and no event has come.
    Tend,
    /// Nothing more will come.
    Close,
}

impl<Event, Failure: Clone> StageQueue<Event, Failure> {
    pub(super) fn new() -> Self {
        Self {
            queue: Mutex::new(Queue {
                events: VecDeque::new(),
                bytes: 0,
                refusal: None,
                is_closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Adds an event, and wakes the thread if it waits for one.
    ///
    /// # Errors
    ///
    /// Why events are refused.
    pub(super) fn put(&self, event: Event, bytes: usize) -> Result<(), Failure> {
        let mut queue = self.lock();
        if let Some(refusal) = &queue.refusal {
            return Err(refusal.clone());
        }
        queue.events.push_back((event, bytes));
        queue.bytes += bytes;
        let is_first = queue.events.len() == 1;
        drop(queue);
        if is_first {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// How many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Waits for events, and takes at least one, and no more than so many events and bytes. Without any, it waits for so
    /// long, or until the queue is closed.
    pub(super) fn take(
        &self,
        max_events: usize,
        max_bytes: usize,
        mut wait: Option<Duration>,
    ) -> Work<Event> {
        let mut queue = self.lock();
        loop {
            if !queue.events.is_empty() {
                return Work::Write(queue.group(max_events, max_bytes));
            }
            if queue.is_closed {
                return Work::Close;
            }
            queue = match wait {
                None => self
                    .changed
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Work::Tend,
                Some(time) => {
                    let waited = self.changed.wait_timeout(queue, time);
                    let (queue, result) = waited.unwrap_or_else(PoisonError::into_inner);
                    if result.timed_out() {
                        wait = Some(Duration::ZERO);
                    }
                    queue
                }
            };
        }
    }

    /// Drops all events, and refuses others until [`Self::accept`].
    pub(super) fn refuse(&self, refusal: Failure) {
        let mut queue = self.lock();
        queue.events.clear();
        queue.bytes = 0;
        queue.refusal = Some(refusal);
    }

    /// Takes events again, unless the queue is closed.
    pub(super) fn accept(&self) {
        let mut queue = self.lock();
        if !queue.is_closed {
            queue.refusal = None;
        }
    }

    /// Refuses events from now on. Those that wait are still taken.
    pub(super) fn close(&self, refusal: Failure) {
        let mut queue = self.lock();
        queue.is_closed = true;
        queue.refusal.get_or_insert(refusal);
        drop(queue);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue<Event, Failure>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Event, Failure> Queue<Event, Failure> {
    fn group(&mut self, max_events: usize, max_bytes: usize) -> Vec<Event> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while let Some((_, next)) = self.events.front()
            && (group.is_empty() || group.len() < max_events && bytes + next <= max_bytes)
        {
            bytes += next;
            group.extend(self.events.pop_front().map(|(event, _)| event));
        }
        self.bytes -= bytes;
        group
    }
}
