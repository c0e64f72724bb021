//! Notification of changes. A [`Watcher`] is notified that a topic or a pattern has changed and reads the change itself, so
//! one notification is enough for any number of events. A notification costs the publisher as much as there are watchers:
//! one for each stream that has a task of its own, and one for all streams that one thread writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use slab::Slab;

use super::channel::Channel;

/// Names a topic or a pattern for as long as it exists. A topic that is forgotten and comes back has another id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub(super) u64);

impl ChannelId {
    /// The first id of a new hub. A writer thread has the streams of every hub of the process in one table by channel, so no
    /// two hubs have an id in common.
    pub(super) fn first_of_a_hub() -> Self {
        static HUBS: AtomicU64 = AtomicU64::new(0);
        Self(HUBS.fetch_add(1, Ordering::Relaxed) << 40)
    }
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TopicChange {
    /// There are new events.
    Events,
    /// The number of subscribers has changed, or who is present.
    Subscribers,
}

/// Is notified of changes, on the thread that publishes, subscribes or unsubscribes. It must not block that thread.
pub trait Watcher: Send + Sync {
    /// A topic or pattern has changed. Called while its watchers are locked: it must not subscribe or unsubscribe.
    fn wake(&self, channel: ChannelId, change: TopicChange) -> Woken;

    /// Called on the publisher's thread with no lock held, if [`Self::wake`] returned [`Woken::Caller`].
    fn lend_thread(&self, _channel: ChannelId) -> Woken {
        Woken::Nothing
    }
}

/// What a watcher has done about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Nothing is left to do: the watcher has handled the change, or a running thread will.
    Nothing,
    /// It has woken an idle thread, for which readers wait.
    Thread,
    /// It asks for the caller's thread: [`Watcher::lend_thread`].
    Caller,
}

/// Registers a watcher with one topic or pattern until it is dropped.
pub struct WatchGuard {
    channel: Arc<Channel>,
    key: usize,
}

/// The watchers of one topic or pattern.
#[derive(Default)]
pub(super) struct Watchers(Mutex<Registry>);

#[derive(Default)]
struct Registry {
    watchers: Slab<Registered>,
    /// How many of them watch the number of subscribers too. With 0, a reader that comes or goes notifies none.
    counting: usize,
}

struct Registered {
    watcher: Arc<dyn Watcher>,
    counts: bool,
}

impl Watchers {
    /// Notifies all. Returns whether one of them has woken a thread.
    pub(super) fn notify(&self, topic: ChannelId, change: TopicChange) -> bool {
        let registry = self.0.lock();
        if change == TopicChange::Subscribers && registry.counting == 0 {
            return false;
        }
        let mut has_woken = false;
        let mut asking = Vec::new();
        for (_, registered) in &registry.watchers {
            if change == TopicChange::Events || registered.counts {
                match registered.watcher.wake(topic, change) {
                    Woken::Nothing => {}
                    Woken::Thread => has_woken = true,
                    Woken::Caller => asking.push(Arc::clone(&registered.watcher)),
                }
            }
        }
        drop(registry);
        for watcher in asking {
            has_woken |= watcher.lend_thread(topic) == Woken::Thread;
        }
        has_woken
    }
}

impl WatchGuard {
    pub(super) fn new(channel: Arc<Channel>, watcher: Arc<dyn Watcher>, counts: bool) -> Self {
        let mut registry = channel.watchers.0.lock();
        registry.counting += usize::from(counts);
        let key = registry.watchers.insert(Registered { watcher, counts });
        drop(registry);
        Self { channel, key }
    }

    /// From now on the watcher is notified of the number of subscribers and of who is present too.
    pub fn count_subscribers(&self) {
        let registry = &mut *self.channel.watchers.0.lock();
        if let Some(registered) = registry.watchers.get_mut(self.key)
            && !std::mem::replace(&mut registered.counts, true)
        {
            registry.counting += 1;
        }
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        let mut registry = self.channel.watchers.0.lock();
        if let Some(registered) = registry.watchers.try_remove(self.key) {
            registry.counting -= usize::from(registered.counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::hub::publish::{Preconditions, PublishRequest};
    use crate::hub::subscriber::{LagPolicy, ReadOutcome, Start, Subscriber, Subscription};
    use crate::hub::topic::Topic;
    use crate::hub::{Hub, Limits};

    /// Reads on the thread of the publisher, and leaves with the last event.
    struct Reader(Mutex<(Vec<String>, Option<Subscriber>)>);

    impl Watcher for Reader {
        fn wake(&self, _: ChannelId, change: TopicChange) -> Woken {
            match change {
                TopicChange::Events => Woken::Caller,
                TopicChange::Subscribers => Woken::Nothing,
            }
        }

        fn lend_thread(&self, _: ChannelId) -> Woken {
            let mut reader = self.0.lock();
            let (seen, subscriber) = &mut *reader;
            if let Some(ReadOutcome::Batch(batch)) =
                subscriber.as_mut().map(|reader| reader.read(1_000))
            {
                let data = batch.entries().iter().map(|entry| entry.event.data.clone());
                seen.extend(data);
            }
            if seen.len() == 2 {
                *subscriber = None;
            }
            Woken::Nothing
        }
    }

    #[test]
    fn a_listener_reads_and_leaves_on_the_thread_that_the_publisher_lends() {
        let hub = Hub::new(Limits::default());
        let topic = Topic::new("a").expect("a topic");
        let wanted = Subscription::public(topic.clone(), Start::Now, LagPolicy::Disconnect);
        let subscriber = hub.subscribe(&wanted).expect("a subscriber");
        let id = subscriber.topics().next().expect("its topic");
        let reader = Arc::new(Reader(Mutex::default()));
        let watcher: Arc<dyn Watcher> = Arc::<Reader>::clone(&reader);
        let listening = subscriber.listen(id, watcher).expect("it goes on");
        reader.0.lock().1 = Some(subscriber);
        for data in ["1", "2", "3"] {
            hub.publish(&topic, PublishRequest::text(data), Preconditions::default())
                .now_or_never()
                .expect("committed at once")
                .expect("published");
        }
        assert_eq!(reader.0.lock().0, ["1", "2"]);
        assert_eq!(hub.subscribers(&topic), 0);
        drop(listening);
    }
}

#[cfg(test)]
mod counts {
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

    impl Watcher for Count {
        fn wake(&self, _: ChannelId, news: TopicChange) -> Woken {
            let counter = match news {
                TopicChange::Events => &self.events,
                TopicChange::Subscribers => &self.subscribers,
            };
            counter.fetch_add(1, Relaxed);
            if self.wakes {
                Woken::Thread
            } else {
                Woken::Nothing
            }
        }
    }

    fn channel() -> Arc<Channel> {
        let matcher = Matcher::Topic(Topic::clock());
        Arc::new(Channel::new(
            ChannelId(7),
            matcher,
            ChannelLog::new(Offset::START),
        ))
    }

    fn listen(channel: &Arc<Channel>, watcher: &Arc<Count>, counts: bool) -> WatchGuard {
        let watcher: Arc<dyn Watcher> = Arc::<Count>::clone(watcher);
        WatchGuard::new(Arc::clone(channel), watcher, counts)
    }

    #[test]
    fn every_watcher_is_notified_and_it_is_known_whether_one_has_woken_a_thread() {
        let channel = channel();
        assert!(!channel.notify(TopicChange::Events));
        let [first, second, third] = [false, true, false].map(Count::new);
        let _first = listen(&channel, &first, false);
        assert!(!channel.notify(TopicChange::Events));
        let second_listening = listen(&channel, &second, false);
        let _third = listen(&channel, &third, false);
        assert!(channel.notify(TopicChange::Events));
        assert_eq!(
            [first.seen(), second.seen(), third.seen()],
            [(2, 0), (1, 0), (1, 0)]
        );
        drop(second_listening);
        assert!(!channel.notify(TopicChange::Events));
        assert_eq!(second.seen(), (1, 0));
    }

    #[test]
    fn only_watchers_that_count_subscribers_are_notified_of_their_number() {
        let channel = channel();
        let [plain, counting] = [true, true].map(Count::new);
        let plain_listening = listen(&channel, &plain, false);
        assert!(!channel.notify(TopicChange::Subscribers));
        let listening = listen(&channel, &counting, true);
        assert!(channel.notify(TopicChange::Subscribers));
        assert_eq!((plain.seen(), counting.seen()), ((0, 0), (0, 1)));
        plain_listening.count_subscribers();
        plain_listening.count_subscribers();
        listening.count_subscribers();
        assert_eq!(channel.watchers.0.lock().counting, 2);
        assert!(channel.notify(TopicChange::Subscribers));
        assert_eq!((plain.seen(), counting.seen()), ((0, 1), (0, 2)));
        drop(listening);
        assert_eq!(channel.watchers.0.lock().counting, 1);
        drop(plain_listening);
        assert_eq!(channel.watchers.0.lock().counting, 0);
    }

    /// Asks for the publisher's thread, and wakes another one there or not.
    struct Borrower(Woken);

    impl Watcher for Borrower {
        fn wake(&self, _: ChannelId, _: TopicChange) -> Woken {
            Woken::Caller
        }

        fn lend_thread(&self, _: ChannelId) -> Woken {
            self.0
        }
    }

    #[test]
    fn what_a_watcher_does_on_the_lent_thread_counts_as_well() {
        let channel = channel();
        let register = |woken| {
            let watcher: Arc<dyn Watcher> = Arc::new(Borrower(woken));
            WatchGuard::new(Arc::clone(&channel), watcher, false)
        };
        let first = register(Woken::Nothing);
        assert!(!channel.notify(TopicChange::Events));
        let second = register(Woken::Thread);
        assert!(channel.notify(TopicChange::Events));
        let third = register(Woken::Thread);
        assert!(
            channel.notify(TopicChange::Events),
            "two are as good as one"
        );
        drop((second, third));
        assert!(!channel.notify(TopicChange::Events));
        drop(first);
    }
}
