//! The hub: topics, their log, and subscribers that read it. Knows nothing of HTTP; whoever publishes or subscribes
//! (a route, a feed, a test) does it through the handle [`Hub`].
//!
//! * [`topic`]: the name of a topic, checked once
//! * [`publication`]: what is published, under which conditions, and what becomes of it
//! * [`position`]: where in the log something stands, and how that is written as an event id
//! * `entry`: an event that has its place, encoded
//! * `log`: what is kept of one topic
//! * [`run`]: what is read of it at once
//! * [`listeners`]: who is told that there is something to read
//! * [`subscriber`]: a cursor into the logs of one or more topics
//!
//! There is one order: every event of every topic gets the next offset under one lock, and is in its topic's log
//! before the offset counts as committed. So whoever has read up to a committed offset has read everything before it.

mod entry;
mod idempotency;
pub mod listeners;
mod log;
pub mod position;
pub mod publication;
pub mod run;
pub mod subscriber;
pub mod topic;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use self::entry::Draft;
pub use self::entry::Entry;
use self::idempotency::Idempotency;
use self::listeners::{Listeners, News, TopicId};
use self::log::{TopicLog, View};
use self::position::{Epoch, Offset};
use self::publication::{Conditions, Publication, PublishError, Published};
use self::subscriber::{SubscribeError, Subscriber, Subscription};
use self::topic::Topic;
use crate::protocol::event::EventId;

/// How much the hub holds. What goes over a bound of history is dropped, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most events kept of one topic.
    pub events: usize,
    /// Longest that an event is kept.
    pub age: Duration,
    /// Most bytes kept of all topics together, counted as [`Entry::bytes`].
    pub bytes: usize,
    /// Most topics at once.
    pub topics: usize,
}

/// A topic at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Some of its events, oldest first.
    pub events: Vec<Arc<Entry>>,
    /// Whether there are older ones.
    pub has_older: bool,
    /// Where the log stood: subscribing after this id misses nothing and repeats nothing.
    pub last_event_id: EventId,
    /// How many subscribers the topic has.
    pub subscribers: usize,
    /// Whether the topic has ended.
    pub has_ended: bool,
}

/// Which of a topic's events a snapshot shows.
#[derive(Debug, Clone)]
pub struct Page {
    /// Most events.
    pub count: usize,
    /// Only events before this one; the newest otherwise.
    pub before: Option<EventId>,
    /// Whether private events are among them.
    pub with_private: bool,
}

/// A topic in a list of all.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The topic.
    pub topic: Topic,
    /// How many events are kept.
    pub events: usize,
    /// How many subscribers it has.
    pub subscribers: usize,
    /// When its newest event was published.
    pub published_at: Option<SystemTime>,
    /// Whether it has ended.
    pub has_ended: bool,
}

/// The hub as a whole at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// How many topics there are.
    pub topics: usize,
    /// How many bytes are kept, counted as [`Entry::bytes`].
    pub bytes: usize,
    /// How many events have been published, kept or not.
    pub published: u64,
}

/// There is no such topic: it has neither events nor subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no such topic: nothing has been published to it lately, and nobody subscribes to it"
)]
pub struct UnknownTopic;

/// A handle to the hub; clones share it.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    epoch: Epoch,
    limits: Limits,
    /// Every event up to here is in its log. Readers look at it without the lock.
    committed: AtomicU64,
    /// A std mutex, since it is never held across an await and what is done under it is short.
    state: Mutex<State>,
}

struct State {
    /// The newest event of all topics.
    newest: Offset,
    bytes: usize,
    topics: HashMap<Topic, Arc<Channel>>,
    next_topic: TopicId,
    /// Every topic that has events, by the offset of its oldest: what to drop first when the whole is too large.
    oldest: BTreeMap<Offset, Arc<Channel>>,
    /// The newest event that was dropped from a topic which is no longer known. A topic of that name starts as if it
    /// had lost everything up to here: a gap too many rather than a silent one.
    forgotten_through: Offset,
    idempotency: Idempotency,
}

/// One topic, shared by the hub and the topic's subscribers.
struct Channel {
    topic: Topic,
    id: TopicId,
    log: Mutex<TopicLog>,
    /// The offset of the newest event. Readers look at it without the lock.
    newest: AtomicU64,
    /// Changed only while the hub is locked.
    subscribers: AtomicUsize,
    listeners: Listeners,
}

impl Hub {
    /// An empty hub, with an epoch of its own: ids of an earlier run are unknown to it.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            epoch: Epoch::now(),
            limits,
            committed: AtomicU64::new(Offset::START.number()),
            state: Mutex::new(State {
                newest: Offset::START,
                bytes: 0,
                topics: HashMap::new(),
                next_topic: TopicId(0),
                oldest: BTreeMap::new(),
                forgotten_through: Offset::START,
                idempotency: Idempotency::default(),
            }),
        }))
    }

    /// Appends an event to a topic's log and tells the topic's listeners.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if a condition does not hold, the topic has ended, or there are too many topics.
    pub fn publish(
        &self,
        topic: &Topic,
        publication: Publication,
        conditions: Conditions,
    ) -> Result<Published, PublishError> {
        let draft = Draft::new(publication);
        let mut state = self.lock();
        let repeated = conditions.idempotency_key.as_deref();
        if let Some(first) = repeated.and_then(|key| state.idempotency.first_result(topic, key)) {
            return Ok(first);
        }
        state.check(topic, conditions.newest)?;
        let (channel, published) = self.append(&mut state, topic, draft)?;
        if let Some(key) = conditions.idempotency_key {
            state.idempotency.remember(key, &published);
        }
        drop(state);
        if channel.tell(News::Events) {
            // It may have been put in line for this very processor. Readers wait for it, so it goes first; while it is
            // at work it need not be woken, and what is published meanwhile goes out together.
            std::thread::yield_now();
        }
        Ok(published)
    }

    /// Ends a topic: its subscribers get a last event of type `end`, nothing more can be published to it, and it is
    /// forgotten when that event has expired. Ending it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`UnknownTopic`] if there is nothing to end.
    pub fn end(&self, topic: &Topic) -> Result<(), UnknownTopic> {
        let mut state = self.lock();
        let has_ended = state
            .topics
            .get(topic)
            .ok_or(UnknownTopic)?
            .log()
            .has_ended();
        if !has_ended {
            let draft = Draft::end(topic);
            let (channel, _) = self
                .append(&mut state, topic, draft)
                .map_err(|_| UnknownTopic)?;
            drop(state);
            channel.tell(News::Events);
        }
        Ok(())
    }

    /// Subscribes to topics. The subscriber is counted, as one for each of them, until it is dropped.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if all topics have ended and there is nothing left to read, or there are too many topics.
    pub fn subscribe(&self, subscription: &Subscription) -> Result<Subscriber, SubscribeError> {
        let mut wanted: Vec<_> = subscription.topics.iter().collect();
        // In one order, since a subscriber may lock the logs of all its topics; and each once.
        wanted.sort_by(|a, b| a.topic.cmp(&b.topic));
        wanted.dedup_by(|a, b| a.topic == b.topic);
        let mut state = self.lock();
        state.drop_expired(&self.0.limits);
        let mut channels: Vec<(Arc<Channel>, bool)> = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let Ok(channel) = state.channel(&wanted.topic, &self.0.limits) else {
                for (channel, _) in &channels {
                    state.forget_if_unused(channel);
                }
                return Err(SubscribeError::TooManyTopics);
            };
            channels.push((channel, wanted.with_private));
        }
        // Counted while the hub is locked, so that no topic is forgotten in between.
        for (channel, _) in &channels {
            channel.subscribers.fetch_add(1, Ordering::Relaxed);
        }
        let newest = state.newest;
        // From here on the subscriber itself ends the counting, which takes the lock.
        drop(state);
        for (channel, _) in &channels {
            channel.tell(News::Subscribers);
        }
        Subscriber::new(self.clone(), channels, subscription, newest)
    }

    /// Some of a topic's events. A topic that does not exist has none.
    pub fn snapshot(&self, topic: &Topic, page: &Page) -> Snapshot {
        let mut state = self.lock();
        state.drop_expired(&self.0.limits);
        let last_event_id = self.0.epoch.id(state.newest);
        let Some(channel) = state.topics.get(topic) else {
            return Snapshot {
                events: Vec::new(),
                has_older: false,
                last_event_id,
                subscribers: 0,
                has_ended: false,
            };
        };
        let log = channel.log();
        let before = page
            .before
            .as_ref()
            .map(|id| self.0.epoch.offset(id).or_else(|| log.find(id)));
        let before = before.map_or(Offset::END, |offset| offset.unwrap_or(Offset::START));
        let mut newest_first = log
            .newest_first(View::of_the_past(page.with_private))
            .filter(|entry| entry.offset < before)
            .cloned();
        let mut events: Vec<_> = newest_first.by_ref().take(page.count).collect();
        events.reverse();
        let has_older = newest_first.next().is_some();
        let subscribers = channel.subscribers();
        Snapshot {
            events,
            has_older,
            last_event_id,
            subscribers,
            has_ended: log.has_ended(),
        }
    }

    /// All topics, by name.
    pub fn topics(&self) -> Vec<Summary> {
        let mut state = self.lock();
        state.drop_expired(&self.0.limits);
        let mut summaries: Vec<_> = state
            .topics
            .values()
            .map(|channel| channel.summary())
            .collect();
        drop(state);
        summaries.sort_by(|a, b| a.topic.cmp(&b.topic));
        summaries
    }

    /// How much there is.
    pub fn totals(&self) -> Totals {
        let state = self.lock();
        Totals {
            topics: state.topics.len(),
            bytes: state.bytes,
            published: state.newest.number() - Offset::START.number(),
        }
    }

    /// How many subscribers a topic has.
    pub fn subscribers(&self, topic: &Topic) -> usize {
        self.lock()
            .topics
            .get(topic)
            .map_or(0, |channel| channel.subscribers())
    }

    /// The epoch of this hub's ids.
    pub fn epoch(&self) -> &str {
        self.0.epoch.as_str()
    }

    /// How much the hub holds.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a draft the next place in a topic's log. Telling is left to the caller, who gives back the lock before.
    fn append(
        &self,
        state: &mut State,
        topic: &Topic,
        draft: Draft,
    ) -> Result<(Arc<Channel>, Published), TooManyTopics> {
        let channel = state.channel(topic, &self.0.limits)?;
        let offset = state.newest.next();
        let entry = Arc::new(draft.finish(topic, &self.0.epoch, offset));
        let subscribers = channel.subscribers();
        let published = Published {
            id: entry.event.id.clone(),
            topic: topic.clone(),
            subscribers,
            is_repeat: false,
        };
        state.append(&channel, entry, &self.0.limits);
        state.newest = offset;
        self.0.committed.store(offset.number(), Ordering::Release);
        channel.newest.store(offset.number(), Ordering::Release);
        Ok((channel, published))
    }

    /// Every event up to here is in its log.
    fn committed(&self) -> Offset {
        Offset::from_number(self.0.committed.load(Ordering::Acquire))
    }

    /// A subscriber has gone from a topic.
    fn leave(&self, channel: &Arc<Channel>) {
        let mut state = self.lock();
        channel.subscribers.fetch_sub(1, Ordering::Relaxed);
        state.forget_if_unused(channel);
        drop(state);
        channel.tell(News::Subscribers);
    }
}

/// There is no room for another topic.
struct TooManyTopics;

impl From<TooManyTopics> for PublishError {
    fn from(TooManyTopics: TooManyTopics) -> Self {
        Self::TooManyTopics
    }
}

impl State {
    /// The topic's channel, made if there is none.
    fn channel(&mut self, topic: &Topic, limits: &Limits) -> Result<Arc<Channel>, TooManyTopics> {
        if let Some(channel) = self.topics.get(topic) {
            return Ok(Arc::clone(channel));
        }
        if self.topics.len() >= limits.topics {
            return Err(TooManyTopics);
        }
        let channel = Arc::new(Channel {
            topic: topic.clone(),
            id: self.next_topic,
            log: Mutex::new(TopicLog::new(self.forgotten_through)),
            newest: AtomicU64::new(Offset::START.number()),
            subscribers: AtomicUsize::new(0),
            listeners: Listeners::default(),
        });
        self.next_topic.0 += 1;
        self.topics.insert(topic.clone(), Arc::clone(&channel));
        Ok(channel)
    }

    /// Whether the topic goes on, and stands where the publisher thinks.
    fn check(&self, topic: &Topic, expected: Option<EventId>) -> Result<(), PublishError> {
        let log = self.topics.get(topic).map(|channel| channel.log());
        if log.as_ref().is_some_and(|log| log.has_ended()) {
            return Err(PublishError::Ended);
        }
        let newest = log
            .as_ref()
            .and_then(|log| log.newest())
            .map(|entry| &entry.event.id);
        match expected {
            Some(expected) if newest != Some(&expected) => {
                Err(PublishError::Moved(newest.cloned()))
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, channel: &Arc<Channel>, entry: Arc<Entry>, limits: &Limits) {
        self.bytes += entry.bytes();
        let offset = entry.offset;
        let (was_empty, front, removed) = {
            let mut log = channel.log();
            let front = log.oldest().map(|entry| entry.offset);
            log.push(entry);
            let removed = log.make_room(limits.events);
            (front.is_none(), front, removed)
        };
        if was_empty {
            self.oldest.insert(offset, Arc::clone(channel));
        }
        if let Some(removed) = removed {
            self.bytes -= removed.bytes();
            if front == Some(removed.offset) {
                self.front_has_changed(channel, removed.offset);
            }
        }
        while self.bytes > limits.bytes && self.drop_oldest() {}
        self.drop_expired(limits);
    }

    /// Drops what is too old, in every topic. It is called whenever somebody publishes or looks, which is often enough:
    /// in between nobody can tell.
    fn drop_expired(&mut self, limits: &Limits) {
        let Some(oldest_to_keep) = Instant::now().checked_sub(limits.age) else {
            return;
        };
        let is_expired = |entry: &Entry| entry.is_older_than(oldest_to_keep);
        while let Some(oldest) = self.oldest.values().next()
            && oldest.log().oldest().is_some_and(is_expired)
        {
            self.drop_oldest();
        }
    }

    /// Drops the oldest event of all topics.
    fn drop_oldest(&mut self) -> bool {
        let Some(channel) = self.oldest.values().next().cloned() else {
            return false;
        };
        let dropped = channel.log().drop_oldest();
        if let Some(dropped) = dropped {
            self.bytes -= dropped.bytes();
            self.front_has_changed(&channel, dropped.offset);
        }
        true
    }

    fn front_has_changed(&mut self, channel: &Arc<Channel>, was: Offset) {
        self.oldest.remove(&was);
        let front = channel.log().oldest().map(|entry| entry.offset);
        match front {
            Some(offset) => {
                self.oldest.insert(offset, Arc::clone(channel));
            }
            None => self.forget_if_unused(channel),
        }
    }

    /// A topic exists from its first event or subscriber on, and is forgotten when it has neither.
    fn forget_if_unused(&mut self, channel: &Channel) {
        let log = channel.log();
        if log.is_empty() && channel.subscribers() == 0 {
            self.forgotten_through = self.forgotten_through.max(log.dropped_through());
            self.topics.remove(&channel.topic);
        }
    }
}

impl Channel {
    fn log(&self) -> MutexGuard<'_, TopicLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Relaxed)
    }

    /// Tells the listeners that there is news. Those that wake lock the hub and the log, so both are free by then.
    /// Says whether a thread has been woken.
    fn tell(&self, news: News) -> bool {
        self.listeners.tell(self.id, news)
    }

    fn summary(&self) -> Summary {
        let log = self.log();
        Summary {
            topic: self.topic.clone(),
            events: log.len(),
            subscribers: self.subscribers(),
            published_at: log.newest().map(|entry| entry.published_at),
            has_ended: log.has_ended(),
        }
    }
}

#[cfg(test)]
mod tests;
