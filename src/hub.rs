//! The hub: topics, their log, and subscribers that read it. Knows nothing of HTTP; whoever publishes or subscribes
//! (a route, a feed, a test) does it through the handle [`Hub`].
//!
//! * [`topic`]: the name of a topic, checked once
//! * [`publication`]: what is published, under which conditions, and what becomes of it
//! * [`position`]: where in the log something stands, and how that is written as an event id
//! * `entry`: an event that has its place
//! * `forgotten`: what topics had lost that are no longer known
//! * `idempotency`: results of requests that may be repeated
//! * `log`: what is kept of one topic
//! * [`batch`]: what is read of it at once, and its wire forms
//! * [`listeners`]: who is told that there is something to read
//! * [`subscriber`]: a cursor into the logs of one or more topics
//!
//! There is one order: every event of every topic gets the next offset under one lock, and is in its topic's log
//! before the offset counts as committed. So whoever has read up to a committed offset has read everything before it.

pub mod batch;
mod entry;
mod forgotten;
mod idempotency;
pub mod listeners;
mod log;
pub mod position;
pub mod publication;
pub mod subscriber;
pub mod topic;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use self::entry::Draft;
pub use self::entry::Entry;
use self::forgotten::Forgotten;
use self::idempotency::Idempotency;
use self::listeners::{Listeners, News, TopicId};
use self::log::{TopicLog, View};
use self::position::{Epoch, Offset};
use self::publication::{Conditions, ExpectedNewest, Publication, PublishError, Published};
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
    /// Most topics that have events.
    pub topics: usize,
    /// Most subscriptions at once: subscribers, each counted once for every topic that it reads. They bound the topics that
    /// have readers and no events.
    pub subscriptions: usize,
}

/// A topic's events are dropped before older events of other topics if they take more than this part of all bytes, so that
/// one busy topic does not cost every other its history.
const LARGE_TOPIC_SHARE: usize = 16;

/// A topic at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Some of its events, oldest first.
    pub events: Vec<Arc<Entry>>,
    /// If there are older ones: what to ask for them with, as [`Page::before`].
    pub older_than: Option<EventId>,
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
    /// Most bytes that the events take, counted as [`Entry::bytes`]; one event may take more.
    pub max_bytes: usize,
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
    /// How many events are kept that the reader of the list may see.
    pub events: usize,
    /// How many subscribers it has.
    pub subscribers: usize,
    /// When the newest of them was published.
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
    /// How many subscriptions there are; see [`Limits::subscriptions`].
    subscriptions: usize,
    /// Every topic that has events, by the offset of its oldest event.
    oldest: BTreeMap<Offset, Arc<Channel>>,
    /// The same topics, the largest last; among topics of about one size, the one with the oldest event last.
    largest: BTreeSet<(SizeClass, Reverse<Offset>)>,
    forgotten: Forgotten,
    idempotency: Idempotency,
}

/// A number of bytes, to within a quarter: a topic changes its place among others only when its size has changed by so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SizeClass(u32);

impl SizeClass {
    fn of(bytes: usize) -> Self {
        let exponent = bytes.max(4).ilog2();
        let quarter = (bytes.max(4) >> (exponent - 2)) as u32 & 3;
        Self(exponent * 4 + quarter)
    }
}

/// Where a topic stands in the indexes of what to drop first.
type Rank = (SizeClass, Reverse<Offset>);

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
                subscriptions: 0,
                oldest: BTreeMap::new(),
                largest: BTreeSet::new(),
                forgotten: Forgotten::default(),
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
        // First, so that what has expired is gone for the publisher too.
        state.drop_expired(&self.0.limits);
        let mut new_key = None;
        if let Some(key) = &conditions.idempotency {
            let publication = draft.publication();
            match state.idempotency.look_up(topic, key, publication)? {
                Ok(first) => {
                    // An equal request has the same own id, if it has one.
                    let own_id = publication.id.clone();
                    return Ok(Published {
                        id: own_id.unwrap_or_else(|| self.id(first.offset)),
                        topic: topic.clone(),
                        subscribers: first.subscribers,
                        is_repeat: true,
                    });
                }
                Err(new) => new_key = Some(new),
            }
        }
        state.check(topic, draft.publication(), conditions.newest, &self.0.epoch)?;
        let (channel, offset, published) = self.append(&mut state, topic, draft)?;
        if let Some(key) = new_key {
            state
                .idempotency
                .remember(key, offset, published.subscribers);
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
        state.drop_expired(&self.0.limits);
        let has_ended = state
            .topics
            .get(topic)
            .ok_or(UnknownTopic)?
            .log()
            .has_ended();
        if !has_ended {
            let draft = Draft::end(topic);
            let (channel, ..) = self
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
    /// [`SubscribeError`] if all topics have ended and there is nothing left to read, or there are too many subscriptions.
    pub fn subscribe(&self, subscription: &Subscription) -> Result<Subscriber, SubscribeError> {
        let mut wanted: Vec<_> = subscription.topics.iter().collect();
        // In one order, since a subscriber may lock the logs of all its topics; and each once.
        wanted.sort_by(|a, b| a.topic.cmp(&b.topic));
        wanted.dedup_by(|a, b| a.topic == b.topic);
        let mut state = self.lock();
        state.drop_expired(&self.0.limits);
        if state.subscriptions.saturating_add(wanted.len()) > self.0.limits.subscriptions {
            return Err(SubscribeError::TooManySubscriptions);
        }
        state.subscriptions += wanted.len();
        let channels: Vec<(Arc<Channel>, bool)> = wanted
            .into_iter()
            .map(|wanted| (state.channel(&wanted.topic), wanted.with_private))
            .collect();
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
        let channel = state.topics.get(topic).cloned();
        let mut snapshot = Snapshot {
            events: Vec::new(),
            older_than: None,
            last_event_id,
            subscribers: 0,
            has_ended: false,
        };
        let Some(channel) = channel else {
            return snapshot;
        };
        let log = channel.log();
        drop(state);
        let before = page
            .before
            .as_ref()
            .map(|id| self.offset(id).or_else(|| log.find(id, page.with_private)));
        let before = before.map_or(Offset::END, |offset| offset.unwrap_or(Offset::START));
        let mut newest_first = log
            .newest_first(View::of_the_past(page.with_private))
            .filter(|entry| entry.offset < before)
            .peekable();
        let mut bytes = 0;
        while let Some(entry) = newest_first.peek()
            && snapshot.events.len() < page.count
        {
            bytes += entry.bytes();
            if bytes > page.max_bytes && !snapshot.events.is_empty() {
                break;
            }
            snapshot.events.push(Arc::clone(entry));
            newest_first.next();
        }
        if newest_first.next().is_some() {
            let oldest_shown = snapshot.events.last().map(|entry| entry.offset);
            snapshot.older_than = oldest_shown.map(|offset| self.id(offset));
        }
        snapshot.events.reverse();
        snapshot.subscribers = channel.subscribers();
        snapshot.has_ended = log.has_ended();
        snapshot
    }

    /// The log's own id of an offset, which is an event's id unless its publisher chose one. Unlike that, it is unique over
    /// all topics.
    pub fn id(&self, offset: Offset) -> EventId {
        self.0.epoch.id(offset)
    }

    /// The offset that a log's own id stands for.
    pub(super) fn offset(&self, id: &EventId) -> Option<Offset> {
        self.0.epoch.offset(id)
    }

    /// The topics that a reader may see, by name. `sees` says of each topic whether the reader may know of it, and if so,
    /// whether it may see private events; a topic that has nothing but private events is not listed for others.
    pub fn topics(&self, sees: impl Fn(&Topic) -> Option<bool>) -> Vec<Summary> {
        let mut state = self.lock();
        state.drop_expired(&self.0.limits);
        let channels: Vec<_> = state.topics.values().cloned().collect();
        // Publishers do not wait until every log has been looked at.
        drop(state);
        let mut summaries: Vec<_> = channels
            .iter()
            .filter_map(|channel| channel.summary(sees(&channel.topic)?))
            .collect();
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
    ) -> Result<(Arc<Channel>, Offset, Published), TooManyTopics> {
        let channel = state.channel_to_append_to(topic, &self.0.limits)?;
        let offset = state.newest.next();
        // The channel's own copy of the name, so that all its entries share one.
        let entry = Arc::new(draft.finish(&channel.topic, &self.0.epoch, offset));
        let subscribers = channel.subscribers();
        let published = Published {
            id: entry.event.id.clone(),
            topic: topic.clone(),
            subscribers,
            is_repeat: false,
        };
        state.newest = offset;
        state.append(&channel, entry, &self.0.limits);
        self.0.committed.store(offset.number(), Ordering::Release);
        channel.newest.store(offset.number(), Ordering::Release);
        Ok((channel, offset, published))
    }

    /// Every event up to here is in its log.
    fn committed(&self) -> Offset {
        Offset::from_number(self.0.committed.load(Ordering::Acquire))
    }

    /// A subscriber has gone from a topic.
    fn leave(&self, channel: &Arc<Channel>) {
        let mut state = self.lock();
        channel.subscribers.fetch_sub(1, Ordering::Relaxed);
        state.subscriptions -= 1;
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
    fn channel(&mut self, topic: &Topic) -> Arc<Channel> {
        if let Some(channel) = self.topics.get(topic) {
            return Arc::clone(channel);
        }
        let channel = Arc::new(Channel {
            topic: topic.clone(),
            id: self.next_topic,
            log: Mutex::new(TopicLog::new(self.forgotten.lost_through(topic))),
            newest: AtomicU64::new(Offset::START.number()),
            subscribers: AtomicUsize::new(0),
            listeners: Listeners::default(),
        });
        self.next_topic.0 += 1;
        self.topics.insert(topic.clone(), Arc::clone(&channel));
        channel
    }

    /// The same for a topic that is about to have one more event.
    fn channel_to_append_to(
        &mut self,
        topic: &Topic,
        limits: &Limits,
    ) -> Result<Arc<Channel>, TooManyTopics> {
        if let Some(channel) = self.topics.get(topic)
            && !channel.log().is_empty()
        {
            return Ok(Arc::clone(channel));
        }
        if self.oldest.len() >= limits.topics {
            return Err(TooManyTopics);
        }
        Ok(self.channel(topic))
    }

    /// Whether the topic goes on, stands where the publisher thinks, and has no event with the publisher's id.
    fn check(
        &self,
        topic: &Topic,
        publication: &Publication,
        expected: Option<ExpectedNewest>,
        epoch: &Epoch,
    ) -> Result<(), PublishError> {
        let log = self.topics.get(topic).map(|channel| channel.log());
        if log.as_ref().is_some_and(|log| log.has_ended()) {
            return Err(PublishError::Ended);
        }
        if let Some(expected) = expected {
            let newest = log
                .as_ref()
                .and_then(|log| log.newest_kept(expected.with_private));
            let is_expected = match (newest, &expected.one_of) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(newest), Some(ids)) => ids
                    .iter()
                    .any(|id| *id == newest.event.id || epoch.offset(id) == Some(newest.offset)),
            };
            if !is_expected {
                return Err(PublishError::Moved(
                    newest.map(|newest| newest.event.id.clone()),
                ));
            }
        }
        match (&publication.id, log) {
            (Some(id), Some(log)) if log.has_own_id(id) => {
                Err(PublishError::DuplicateId(id.clone()))
            }
            _ => Ok(()),
        }
    }

    fn append(&mut self, channel: &Arc<Channel>, entry: Arc<Entry>, limits: &Limits) {
        self.bytes += entry.bytes();
        let (was, removed) = {
            let mut log = channel.log();
            let was = rank(&log);
            log.push(entry);
            (was, log.make_room(limits.events))
        };
        if let Some(removed) = removed {
            self.bytes -= removed.bytes();
        }
        self.rank_has_changed(channel, was);
        while self.bytes > limits.bytes && self.drop_for_room(limits) {}
    }

    /// Drops what is too old, in every topic. It is called whenever a client publishes or looks, which is often enough:
    /// in between, no client can tell.
    fn drop_expired(&mut self, limits: &Limits) {
        let Some(oldest_to_keep) = Instant::now().checked_sub(limits.age) else {
            return;
        };
        let is_expired = |entry: &Entry| entry.is_older_than(oldest_to_keep);
        while let Some(oldest) = self.oldest.values().next().cloned()
            && oldest.log().oldest().is_some_and(is_expired)
        {
            self.drop_oldest_of(&oldest);
        }
    }

    /// Drops one event since all of them take too much: the oldest of the largest topic, if that is large, or else the
    /// oldest of all. Returns `false` if there is none to drop.
    fn drop_for_room(&mut self, limits: &Limits) -> bool {
        let is_large = |class: SizeClass| class > SizeClass::of(limits.bytes / LARGE_TOPIC_SHARE);
        // The newest event of all was appended a moment ago, and no reader has seen it.
        let is_alone = |channel: &Channel| {
            let log = channel.log();
            log.oldest()
                .is_some_and(|entry| entry.offset == self.newest)
        };
        let largest = self.largest.iter().rev();
        let victim = largest
            .take_while(|(class, _)| is_large(*class))
            .filter_map(|(_, Reverse(front))| self.oldest.get(front))
            .find(|channel| !is_alone(channel))
            .or_else(|| self.oldest.values().next())
            .cloned();
        let Some(victim) = victim else {
            return false;
        };
        self.drop_oldest_of(&victim);
        true
    }

    /// Drops the oldest event of a topic.
    fn drop_oldest_of(&mut self, channel: &Arc<Channel>) {
        let (was, dropped) = {
            let mut log = channel.log();
            (rank(&log), log.drop_oldest())
        };
        if let Some(dropped) = dropped {
            self.bytes -= dropped.bytes();
        }
        self.rank_has_changed(channel, was);
    }

    /// Keeps the indexes of what to drop first.
    fn rank_has_changed(&mut self, channel: &Arc<Channel>, was: Option<Rank>) {
        let is = rank(&channel.log());
        if was == is {
            return;
        }
        if let Some(was @ (_, Reverse(front))) = was {
            self.largest.remove(&was);
            self.oldest.remove(&front);
        }
        match is {
            Some(is @ (_, Reverse(front))) => {
                self.largest.insert(is);
                self.oldest.insert(front, Arc::clone(channel));
            }
            None => self.forget_if_unused(channel),
        }
    }

    /// A topic exists from its first event or subscriber on, and is forgotten when it has neither.
    fn forget_if_unused(&mut self, channel: &Channel) {
        let log = channel.log();
        if log.is_empty() && channel.subscribers() == 0 {
            self.forgotten
                .remember(&channel.topic, log.dropped_through());
            self.topics.remove(&channel.topic);
        }
    }
}

/// Where a topic with this log stands among those that lose events first; nowhere if it has none.
fn rank(log: &TopicLog) -> Option<Rank> {
    let front = log.oldest()?.offset;
    Some((SizeClass::of(log.bytes()), Reverse(front)))
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

    /// The topic as a reader may see it in a list; nothing if all that it has is hidden from that reader.
    fn summary(&self, with_private: bool) -> Option<Summary> {
        let log = self.log();
        let events = log.kept(with_private);
        if events == 0 && log.has_private() {
            return None;
        }
        Some(Summary {
            topic: self.topic.clone(),
            events,
            subscribers: self.subscribers(),
            published_at: log
                .newest_kept(with_private)
                .map(|entry| entry.published_at),
            has_ended: log.has_ended(),
        })
    }
}

#[cfg(test)]
mod tests;
