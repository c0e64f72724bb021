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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use crate::hub::channel::{ChannelLog, Matcher};
    use crate::hub::position::Offset;
    use crate::hub::topic::Topic;

    /// Counts what it is notified of, and says that it has woken a thread or not.
    #[derive(Default)]
    struct Count {
        events: AtomicUsize,
        subscribers: AtomicUsize,
        wakes: bool,
    }

    impl Count {
        fn new(wakes: bool) -> Arc<Self> {
            Arc::new(Self {
                wakes,
                ..Self::default()
            })
        }

        fn seen(&self) -> (usize, usize) {
            (self.events.load(Relaxed), self.subscribers.load(Relaxed))
        }
    }

    impl Listener for Count {
        fn wake(&self, _: TopicId, news: News) -> bool {
            let counter = match news {
                News::Events => &self.events,
                News::Subscribers => &self.subscribers,
            };
            counter.fetch_add(1, Relaxed);
            self.wakes
        }
    }

    fn channel() -> Arc<Channel> {
        let matcher = Matcher::Topic(Topic::clock());
        Arc::new(Channel::new(
            TopicId(7),
            matcher,
            ChannelLog::new(Offset::START),
        ))
    }

    fn listen(channel: &Arc<Channel>, listener: &Arc<Count>, counts: bool) -> Listening {
        let listener: Arc<dyn Listener> = Arc::<Count>::clone(listener);
        Listening::new(Arc::clone(channel), listener, counts)
    }

    #[test]
    fn every_listener_is_notified_and_it_is_known_whether_one_has_woken_a_thread() {
        let channel = channel();
        assert!(!channel.tell(News::Events));
        let [first, second, third] = [false, true, false].map(Count::new);
        let _first = listen(&channel, &first, false);
        assert!(!channel.tell(News::Events));
        let second_listening = listen(&channel, &second, false);
        let _third = listen(&channel, &third, false);
        assert!(channel.tell(News::Events));
        assert_eq!(
            [first.seen(), second.seen(), third.seen()],
            [(2, 0), (1, 0), (1, 0)]
        );
        drop(second_listening);
        assert!(!channel.tell(News::Events));
        assert_eq!(second.seen(), (1, 0));
    }

    #[test]
    fn only_listeners_that_count_subscribers_are_notified_of_their_number() {
        let channel = channel();
        let [plain, counting] = [true, true].map(Count::new);
        let plain_listening = listen(&channel, &plain, false);
        assert!(!channel.tell(News::Subscribers));
        let listening = listen(&channel, &counting, true);
        assert!(channel.tell(News::Subscribers));
        assert_eq!((plain.seen(), counting.seen()), ((0, 0), (0, 1)));
        plain_listening.count_subscribers();
        plain_listening.count_subscribers();
        listening.count_subscribers();
        assert_eq!(channel.listeners.0.lock().counting, 2);
        assert!(channel.tell(News::Subscribers));
        assert_eq!((plain.seen(), counting.seen()), ((0, 1), (0, 2)));
        drop(listening);
        assert_eq!(channel.listeners.0.lock().counting, 1);
        drop(plain_listening);
        assert_eq!(channel.listeners.0.lock().counting, 0);
    }
}
