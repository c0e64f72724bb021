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
    /// There is news of a topic. It is called with the topic's list of listeners locked: it must not subscribe or leave.
    fn wake(&self, topic: TopicId, news: News) -> Woken;

    /// Called with no lock held, on the thread that published, if [`Self::wake`] asked for it.
    fn lend_thread(&self, _topic: TopicId) -> Woken {
        Woken::Nothing
    }
}

/// What a listener has done about news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// It is done, or will be done by a thread that is at work.
    Nothing,
    /// It has woken an idle thread that readers wait for.
    Thread,
    /// It wants to do it on the caller's thread, by [`Listener::lend_thread`].
    Caller,
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
        let mut asking = Vec::new();
        for (_, registered) in &registry.listeners {
            if news == News::Events || registered.counts {
                match registered.listener.wake(topic, news) {
                    Woken::Nothing => {}
                    Woken::Thread => has_woken = true,
                    Woken::Caller => asking.push(Arc::clone(&registered.listener)),
                }
            }
        }
        drop(registry);
        for listener in asking {
            has_woken |= listener.lend_thread(topic) == Woken::Thread;
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
    use std::time::Duration;

    use super::*;
    use crate::hub::publication::{Conditions, Publication};
    use crate::hub::subscriber::{Read, Subscriber};
    use crate::hub::subscription::{SlowReader, Start, Subscription};
    use crate::hub::topic::Topic;
    use crate::hub::{Hub, Limits};

    /// Reads on the thread of the publisher, and leaves with the last event.
    struct Reader(Mutex<(Vec<String>, Option<Subscriber>)>);

    impl Listener for Reader {
        fn wake(&self, _: TopicId, news: News) -> Woken {
            match news {
                News::Events => Woken::Caller,
                News::Subscribers => Woken::Nothing,
            }
        }

        fn lend_thread(&self, _: TopicId) -> Woken {
            let mut reader = self.0.lock();
            let (seen, subscriber) = &mut *reader;
            if let Some(Read::Batch(batch)) = subscriber.as_mut().map(|reader| reader.read(1_000)) {
                let data = batch.entries().iter().map(|entry| entry.event.data.clone());
                seen.extend(data);
            }
            if seen.len() == 2 {
                *subscriber = None;
            }
            Woken::Nothing
        }
    }

    #[tokio::test]
    async fn a_listener_reads_and_leaves_on_the_thread_that_the_publisher_lends() {
        let hub = Hub::new(Limits {
            events: 10,
            age: Duration::from_secs(3_600),
            bytes: 1 << 20,
            tail_bytes: 1 << 20,
            topics: 10,
            subscriptions: 10,
        });
        let topic = Topic::new("a").expect("a topic");
        let wanted = Subscription::public(topic.clone(), Start::Now, SlowReader::Disconnect);
        let subscriber = hub.subscribe(&wanted).expect("a subscriber");
        let id = subscriber.topics().next().expect("its topic");
        let reader = Arc::new(Reader(Mutex::default()));
        let listener: Arc<dyn Listener> = Arc::<Reader>::clone(&reader);
        let listening = subscriber.listen(id, listener).expect("it goes on");
        reader.0.lock().1 = Some(subscriber);
        for data in ["1", "2", "3"] {
            hub.publish(&topic, Publication::text(data), Conditions::default())
                .await
                .expect("published");
        }
        assert_eq!(reader.0.lock().0, ["1", "2"]);
        assert_eq!(hub.subscribers(&topic), 0);
        drop(listening);
    }
}
