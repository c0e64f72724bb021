//! The hub: topics, their log, and subscribers that read it. Knows nothing of HTTP; whoever publishes or subscribes
//! (a route, a feed, a test) does it through the handle [`Hub`].
//!
//! * [`topic`]: the name of a topic, checked once
//! * [`position`]: where in the log something stands, and how that is written as an event id
//! * [`log`]: what is kept of one topic
//! * [`subscriber`]: a cursor into a log
//!
//! There is one order: every event of every topic gets the next offset under one lock, and is in its topic's log
//! before that lock is given back. So whoever has read up to an offset has read everything before it.

mod log;
pub mod position;
pub mod subscriber;
pub mod topic;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

pub use self::log::Entry;
use self::log::TopicLog;
use self::position::{Epoch, Offset};
use self::subscriber::{SlowReader, Start, Subscriber};
use self::topic::Topic;
use crate::protocol::event::{Event, EventId, EventType};

/// How much of the past is kept. What goes over any of the three is dropped, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Most events kept of one topic.
    pub events: usize,
    /// Longest that an event is kept.
    pub age: Duration,
    /// Most bytes kept of all topics together, counted as [`Entry::bytes`].
    pub bytes: usize,
}

/// What somebody publishes.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The event's id, if the publisher has one of its own; the log's otherwise.
    pub id: Option<EventId>,
    /// The event's type.
    pub event_type: EventType,
    /// The event's data: any text.
    pub data: String,
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The event's id.
    pub id: EventId,
    /// How many subscribers the topic had when the event entered the log.
    pub subscribers: usize,
}

/// A topic at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The newest events, oldest first.
    pub events: Vec<Arc<Entry>>,
    /// Where the log stood: subscribing after this id misses nothing and repeats nothing.
    pub last_event_id: EventId,
    /// How many subscribers the topic has.
    pub subscribers: usize,
}

/// A handle to the hub; clones share it.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    epoch: Epoch,
    history: History,
    /// A std mutex, since it is never held across an await and what is done under it is short.
    state: Mutex<State>,
}

struct State {
    newest: Offset,
    bytes: usize,
    topics: HashMap<Topic, Arc<Channel>>,
    /// Every topic that has events, by the offset of its oldest: what to drop first when the whole is too large.
    oldest: BTreeMap<Offset, Arc<Channel>>,
    /// The newest event that was dropped from a topic which is no longer known. A topic of that name starts as if it
    /// had lost everything up to here: a gap too many rather than a silent one.
    forgotten_through: Offset,
}

/// One topic, shared by the hub and the topic's subscribers.
struct Channel {
    topic: Topic,
    log: Mutex<TopicLog>,
    /// Wakes subscribers; its value is the topic's newest offset.
    appended: watch::Sender<Offset>,
    subscribers: watch::Sender<usize>,
}

impl Hub {
    /// An empty hub, with an epoch of its own: ids of an earlier run are unknown to it.
    pub fn new(history: History) -> Self {
        Self(Arc::new(Shared {
            epoch: Epoch::now(),
            history,
            state: Mutex::new(State {
                newest: Offset::START,
                bytes: 0,
                topics: HashMap::new(),
                oldest: BTreeMap::new(),
                forgotten_through: Offset::START,
            }),
        }))
    }

    /// Appends an event to a topic's log and wakes the topic's subscribers.
    pub fn publish(&self, topic: &Topic, publication: Publication) -> Published {
        let draft = Entry::draft(publication);
        let mut state = self.lock();
        let channel = state.channel(topic);
        let offset = state.newest.next();
        state.newest = offset;
        let entry = Arc::new(draft.finish(&self.0.epoch, offset, Instant::now()));
        let id = entry.event.id.clone();
        state.append(&channel, entry, &self.0.history);
        let subscribers = *channel.subscribers.borrow();
        // Subscribers lock the log when they wake: it is free by then.
        drop(state);
        channel
            .appended
            .send_modify(|newest| *newest = (*newest).max(offset));
        Published { id, subscribers }
    }

    /// Subscribes to a topic. The subscriber is counted until it is dropped.
    pub fn subscribe(&self, topic: &Topic, start: &Start, slow_reader: SlowReader) -> Subscriber {
        let mut state = self.lock();
        state.drop_expired(&self.0.history);
        let channel = state.channel(topic);
        let newest = state.newest;
        // Counted while the hub is locked, so that the topic is not forgotten in between.
        channel.subscribers.send_modify(|count| *count += 1);
        Subscriber::new(self.clone(), channel, start, newest, slow_reader)
    }

    /// The newest events of a topic, at most `count`.
    pub fn snapshot(&self, topic: &Topic, count: usize) -> Snapshot {
        let mut state = self.lock();
        state.drop_expired(&self.0.history);
        let channel = state.topics.get(topic);
        Snapshot {
            events: channel
                .map(|channel| channel.log().newest(count))
                .unwrap_or_default(),
            last_event_id: self.0.epoch.id(state.newest),
            subscribers: channel.map_or(0, |channel| *channel.subscribers.borrow()),
        }
    }

    /// How many subscribers a topic has.
    pub fn subscribers(&self, topic: &Topic) -> usize {
        self.lock()
            .topics
            .get(topic)
            .map_or(0, |channel| *channel.subscribers.borrow())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A subscriber has gone.
    fn leave(&self, channel: &Arc<Channel>) {
        let mut state = self.lock();
        channel.subscribers.send_modify(|count| *count -= 1);
        state.forget_if_unused(channel);
    }
}

impl State {
    fn channel(&mut self, topic: &Topic) -> Arc<Channel> {
        if let Some(channel) = self.topics.get(topic) {
            return Arc::clone(channel);
        }
        let channel = Arc::new(Channel {
            topic: topic.clone(),
            log: Mutex::new(TopicLog::new(self.forgotten_through)),
            appended: watch::Sender::new(Offset::START),
            subscribers: watch::Sender::new(0),
        });
        self.topics.insert(topic.clone(), Arc::clone(&channel));
        channel
    }

    fn append(&mut self, channel: &Arc<Channel>, entry: Arc<Entry>, history: &History) {
        self.bytes += entry.bytes();
        let (offset, is_first, is_over) = {
            let mut log = channel.log();
            let is_first = log.is_empty();
            let offset = entry.offset;
            log.push(entry);
            (offset, is_first, log.len() > history.events)
        };
        if is_first {
            self.oldest.insert(offset, Arc::clone(channel));
        }
        if is_over {
            self.drop_oldest_of(channel);
        }
        while self.bytes > history.bytes && self.drop_oldest() {}
        self.drop_expired(history);
    }

    /// Drops what is too old, in every topic. It is called whenever somebody publishes or looks, which is often enough:
    /// in between nobody can tell.
    fn drop_expired(&mut self, history: &History) {
        let Some(oldest_to_keep) = Instant::now().checked_sub(history.age) else {
            return;
        };
        let is_expired = |entry: &Entry| entry.appended_at < oldest_to_keep;
        while let Some(oldest) = self.oldest.values().next()
            && oldest.log().oldest().is_some_and(is_expired)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(channel) = self.oldest.values().next().cloned() else {
            return false;
        };
        self.drop_oldest_of(&channel);
        true
    }

    fn drop_oldest_of(&mut self, channel: &Arc<Channel>) {
        let (dropped, next) = {
            let mut log = channel.log();
            let dropped = log.drop_oldest();
            (dropped, log.oldest().map(|entry| entry.offset))
        };
        if let Some(dropped) = dropped {
            self.bytes -= dropped.bytes();
            self.oldest.remove(&dropped.offset);
        }
        match next {
            Some(offset) => {
                self.oldest.insert(offset, Arc::clone(channel));
            }
            None => self.forget_if_unused(channel),
        }
    }

    /// A topic exists from its first event or subscriber on, and is forgotten when it has neither.
    fn forget_if_unused(&mut self, channel: &Channel) {
        let log = channel.log();
        if log.is_empty() && *channel.subscribers.borrow() == 0 {
            self.forgotten_through = self.forgotten_through.max(log.dropped_through());
            self.topics.remove(&channel.topic);
        }
    }
}

impl Channel {
    fn log(&self) -> MutexGuard<'_, TopicLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<&Entry> for Event {
    fn from(entry: &Entry) -> Self {
        entry.event.clone()
    }
}

#[cfg(test)]
mod tests;
