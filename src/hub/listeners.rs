//! Who is told that a topic has news. What the news is they look up themselves, so that one word is enough however much
//! has happened, and telling costs a publisher no more than there are listeners: a task for each stream that waits by
//! itself, or one for all streams that one thread writes.

use std::sync::Arc;

use parking_lot::Mutex;
use slab::Slab;

use super::channel::Channel;

/// Names a topic while it lives. A topic that was forgotten and comes back has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub(super) u64);

/// What a listener is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum News {
    /// There is something to read.
    Events,
    /// The number of subscribers has changed.
    Subscribers,
}

/// Somebody who is told that a topic has news. It is told by the thread that publishes, subscribes or leaves, which must
/// not be held up: all that is done here is to wake somebody else.
pub trait Listener: Send + Sync {
    /// There is news of a topic. Says whether a thread has been woken for it that was not told of anything yet, and that
    /// readers wait for.
    fn wake(&self, topic: TopicId, news: News) -> bool;
}

/// A listener's place at one topic; it is told nothing any more when this is dropped.
pub struct Listening {
    channel: Arc<Channel>,
    key: usize,
}

/// The listeners of one topic.
#[derive(Default)]
pub(super) struct Listeners(Mutex<Registry>);

#[derive(Default)]
struct Registry {
    listeners: Slab<Registered>,
    /// How many of them are told of the number of subscribers too: without any, a reader that comes or goes costs nothing.
    counting: usize,
}

struct Registered {
    listener: Arc<dyn Listener>,
    counts: bool,
}

impl Listeners {
    /// Tells all; says whether one of them has woken a thread.
    pub(super) fn tell(&self, topic: TopicId, news: News) -> bool {
        let registry = self.0.lock();
        if news == News::Subscribers && registry.counting == 0 {
            return false;
        }
        let mut has_woken = false;
        for (_, registered) in &registry.listeners {
            if news == News::Events || registered.counts {
                has_woken |= registered.listener.wake(topic, news);
            }
        }
        has_woken
    }
}

impl Listening {
    pub(super) fn new(channel: Arc<Channel>, listener: Arc<dyn Listener>, counts: bool) -> Self {
        let mut registry = channel.listeners.0.lock();
        registry.counting += usize::from(counts);
        let key = registry.listeners.insert(Registered { listener, counts });
        drop(registry);
        Self { channel, key }
    }

    /// From now on the listener is told of the number of subscribers too.
    pub fn count_subscribers(&self) {
        let registry = &mut *self.channel.listeners.0.lock();
        if let Some(registered) = registry.listeners.get_mut(self.key)
            && !std::mem::replace(&mut registered.counts, true)
        {
            registry.counting += 1;
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut registry = self.channel.listeners.0.lock();
        if let Some(registered) = registry.listeners.try_remove(self.key) {
            registry.counting -= usize::from(registered.counts);
        }
    }
}
