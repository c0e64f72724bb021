//! The hub: topics, their logs, and subscribers that read them. It knows no HTTP: a route, a feed or a test publishes and
//! subscribes through the handle [`Hub`].
//!
//! * [`topic`], [`pattern`]: names of topics, and texts that stand for many
//! * [`publish`]: a request to publish, its preconditions, and its receipt
//! * [`position`]: offsets and epochs, and how they are written as event ids
//! * [`log`]: the edge to whatever makes events durable, and its contract
//! * `sequencer`: the order of events, and what is staged but not committed; `answers`: how its publishers learn that it is
//! * `follow`: a hub whose log gives the order
//! * `entry`: an event with its offset; [`batch`]: some of them, as one read returns them
//! * `channel`: a topic, or a pattern with readers; its log is a `history` and a [`tail`]
//! * [`retention`]: how much of the histories stays
//! * `evicted_topics`, `idempotency`: what is remembered of forgotten topics, and of requests that may be repeated
//! * [`schedule`]: publications for later
//! * `elsewhere`: the subscribers of other hubs that share the log
//! * [`presence`]: the names under which subscribers read
//! * [`subscriber`]: a cursor into the logs of topics and patterns; [`visibility`]: which events it sees
//! * [`watch`]: notification of changes
//!
//! There is one order: every event of every topic gets the next offset under one lock, and is in the logs of its topics
//! before the offset counts as committed. A subscriber that has read up to a committed offset has read everything before
//! it.
//!
//! # Locks
//!
//! All locks are blocking, held for short work and never across an await. They are taken in this order: the hub's state,
//! retention's ranks, one channel's log, retention's list; and that of the presence when no other is held. Watchers are notified
//! when none is held.

mod answers;
pub mod batch;
mod channel;
mod elsewhere;
mod entry;
mod evicted_topics;
mod follow;
mod history;
mod idempotency;
pub mod log;
pub mod pattern;
pub mod position;
pub mod presence;
pub mod publish;
pub mod retention;
pub mod schedule;
mod sequencer;
pub mod subscriber;
mod subscription;
pub mod tail;
pub mod topic;
pub mod visibility;
mod wall_clock;
pub mod watch;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;
use tokio_util::sync::CancellationToken;

use self::answers::{Answers, Commit};
use self::channel::{Channel, ChannelLog, Matcher};
use self::elsewhere::Elsewhere;
pub use self::entry::Entry;
use self::entry::UnsequencedEntry;
use self::evicted_topics::EvictedTopics;
use self::idempotency::{FirstResult, Idempotency, KeyHash, NewKey};
use self::log::memory::MemoryLog;
use self::log::older::OlderEvents;
use self::log::shared::{self, Follower, SharedLog};
use self::log::{
    AnyLog, Committer, KeyRecord, Log, Recovered, RecoveredKey, Staged, Unavailable,
    UnavailableKind,
};
use self::pattern::PatternIndex;
use self::position::{Epochs, Offset};
use self::presence::Presence;
use self::publish::{
    ExpectedNewest, IdempotencyKey, Preconditions, PublishError, PublishReceipt, PublishRequest,
};
use self::retention::Retention;
use self::sequencer::Sequencer;
use self::subscriber::{SubscribeError, Subscriber, Subscription};
use self::tail::TailBudget;
use self::topic::Topic;
use self::visibility::{View, Visibility};
use self::watch::{ChannelId, TopicChange};
use crate::protocol::event::EventId;

/// How much the hub holds. What exceeds a bound of the histories is evicted, oldest first.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most events retained of one topic.
    pub events: usize,
    /// Longest that an event is retained.
    pub age: Duration,
    /// Most bytes retained of all topics together, counted as [`Entry::bytes`].
    pub bytes: usize,
    /// Most bytes of the newest events that stay in memory for connected readers, whatever is retained; as
    /// [`tail::TAIL_BYTES`] unless there is a reason.
    pub tail_bytes: usize,
    /// Most topics that have events.
    pub topics: usize,
    /// Most subscriptions at once: subscribers, each counted once for every topic and pattern that it reads. They bound the
    /// topics that have readers and no events.
    pub subscriptions: usize,
}

/// A topic at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Some of its events, oldest first.
    pub events: Vec<Arc<Entry>>,
    /// If there are older ones: what to ask for them with, as [`HistoryQuery::before`].
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
pub struct HistoryQuery {
    /// Most events.
    pub count: usize,
    /// Most bytes that the events take, counted as [`Entry::bytes`]; one event may take more.
    pub max_bytes: usize,
    /// Only events before this one; the newest otherwise.
    pub before: Option<EventId>,
    /// Whether private events are among them.
    pub with_private: bool,
}

impl HistoryQuery {
    /// A topic's newest public event.
    pub fn newest() -> Self {
        Self {
            count: 1,
            max_bytes: usize::MAX,
            before: None,
            with_private: false,
        }
    }
}

/// A topic in a list of all.
#[derive(Debug, Clone)]
pub struct TopicSummary {
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
    /// How many bytes the log has stored; 0 for a log in memory.
    pub stored: u64,
    /// Whether the log can take events.
    pub is_ready: bool,
}

/// There is no such topic: it has neither events nor subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no such topic: nothing has been published to it lately, and it has no subscribers"
)]
pub struct UnknownTopic;

/// Why a topic could not be ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// There is nothing to end.
    #[error(transparent)]
    UnknownTopic(#[from] UnknownTopic),
    /// The log cannot take events now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A handle to the hub; clones share it.
///
/// ```
/// use fairwind::hub::publish::{Preconditions, PublishRequest};
/// use fairwind::hub::subscriber::{ReadOutcome, LagPolicy, Start, Subscription};
/// use fairwind::hub::topic::Topic;
/// use fairwind::hub::{Hub, Limits};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let hub = Hub::new(Limits::default());
/// let kitchen = Topic::new("kitchen").unwrap();
/// let subscription = Subscription::public(kitchen.clone(), Start::Now, LagPolicy::Disconnect);
/// let mut subscriber = hub.subscribe(&subscription).unwrap();
/// hub.publish(&kitchen, PublishRequest::text("hello"), Preconditions::default()).await.unwrap();
/// subscriber.ready().await;
/// let ReadOutcome::Batch(events) = subscriber.read(64 * 1_024) else { panic!("an event was published") };
/// assert_eq!(events.entries()[0].event.data, "hello");
/// # });
/// ```
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

pub(crate) struct Shared {
    /// Changed only while the hub is locked.
    epochs: RwLock<Epochs>,
    limits: Limits,
    order: Order,
    /// What the log still has of events that memory no longer has.
    older: Option<Arc<dyn OlderEvents>>,
    /// Every event up to here is in the logs of its topics. Readers look at it without the lock.
    committed: AtomicU64,
    retention: Retention,
    answers: Answers,
    presence: Presence,
    state: Mutex<State>,
}

/// Who gives events their offsets.
enum Order {
    /// The hub, which stages them with its log.
    Hub(Box<dyn Log>),
    /// The log, which several hubs share.
    Log(Box<dyn SharedLog>),
}

struct State {
    sequencer: Sequencer,
    topics: HashMap<Topic, Arc<Channel>>,
    /// The same topics by name, for patterns.
    names: BTreeMap<Topic, Arc<Channel>>,
    /// The patterns that have readers.
    patterns: PatternIndex<Arc<Channel>>,
    next_channel: ChannelId,
    /// How many subscriptions there are; see [`Limits::subscriptions`].
    subscriptions: usize,
    tails: TailBudget,
    evicted_topics: EvictedTopics,
    idempotency: Idempotency,
    elsewhere: Elsewhere,
}

/// Channels that an event has reached.
type Reached = SmallVec<[Arc<Channel>; 2]>;

/// An event that has been staged, or refused; see [`Hub::submit`].
#[must_use = "the event is published, but whether it is stored remains unknown"]
pub struct Submitted(Progress);

/// How far a request has come.
enum Progress {
    /// There is an answer, to be given when what it rests on is committed.
    Staged {
        answer: Result<PublishReceipt, PublishError>,
        commit: Option<Commit>,
    },
    /// A shared log will answer.
    Proposed(oneshot::Receiver<shared::Answer>),
}

/// What becomes of a request once everything that it rests on is committed.
struct Proposed<T> {
    answer: T,
    commit: Option<Commit>,
    reached: Reached,
}

impl Default for Limits {
    /// The defaults of the server's settings.
    fn default() -> Self {
        Self {
            events: 1_000,
            age: Duration::from_secs(3_600),
            bytes: 64 * 1_024 * 1_024,
            tail_bytes: tail::TAIL_BYTES,
            topics: 10_000,
            subscriptions: 100_000,
        }
    }
}

impl Hub {
    /// An empty hub whose log is in memory, with an epoch of its own: ids of an earlier run are unknown to it.
    pub fn new(limits: Limits) -> Self {
        Self::open(limits, MemoryLog, MemoryLog::recovered())
    }

    /// A hub over a log of its own, and what that log has.
    pub fn open(limits: Limits, log: impl Log, recovered: Recovered) -> Self {
        let older = log.older();
        let order = Order::Hub(Box::new(log));
        let shared = Shared::new(limits, order, older, &recovered);
        shared.recover(&recovered.entries, &recovered.evicted, &recovered.keys);
        if let Order::Hub(log) = &shared.order {
            log.open(Committer::new(&shared));
        }
        Self(shared)
    }

    /// A hub over a log that it shares with others. It is empty until the log hands it events.
    pub fn follow(limits: Limits, log: impl SharedLog) -> Self {
        let older = log.older();
        let order = Order::Log(Box::new(log));
        let shared = Shared::new(limits, order, older, &MemoryLog::recovered());
        if let Order::Log(log) = &shared.order {
            log.open(Follower::new(&shared));
        }
        Self(shared)
    }

    /// Publishes an event: checks the preconditions, gives it the next offset, and answers when the log has committed it.
    /// With a log in memory that is at once. If the future is dropped, the event may be published all the same.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if a precondition does not hold, the topic has ended, there are too many topics, or the log cannot
    /// take events.
    pub async fn publish(
        &self,
        topic: &Topic,
        publication: PublishRequest,
        conditions: Preconditions,
    ) -> Result<PublishReceipt, PublishError> {
        let submitted = self.submit(topic, publication, conditions).await;
        submitted.receipt().await
    }

    /// Stages an event as [`Self::publish`] does, and returns before the log has committed it. A publisher of many events
    /// submits some before it awaits the receipt of the first, so that a log that commits in groups has something to group.
    /// Waits while the log has no room for another staged event.
    pub async fn submit(
        &self,
        topic: &Topic,
        publication: PublishRequest,
        conditions: Preconditions,
    ) -> Submitted {
        let draft = UnsequencedEntry::new(publication);
        let log = match &self.0.order {
            Order::Hub(log) => &**log,
            Order::Log(log) => return self.submit_to(&**log, topic, draft, conditions).await,
        };
        while let Some(commit) = self.wait_for_room(log) {
            // Whether that fails is its publishers' matter.
            let _ = committed(commit).await;
        }
        let proposed = self.propose(log, topic, draft, &conditions);
        self.staged(proposed)
    }

    /// Stages an event of the schedule, as [`Self::submit`] does. The log keeps the key with the event, so that a restart
    /// finds out that it was published; the table of keys does not, which has no room for keys that cannot be repeated.
    async fn submit_scheduled(
        &self,
        topic: &Topic,
        publication: PublishRequest,
        key: &IdempotencyKey,
    ) -> Submitted {
        let draft = UnsequencedEntry::new(publication);
        let Order::Hub(log) = &self.0.order else {
            // There is no schedule over such a log.
            return Submitted(Progress::Staged {
                answer: Err(closed().into()),
                commit: None,
            });
        };
        while let Some(commit) = self.wait_for_room(&**log) {
            let _ = committed(commit).await;
        }
        let mut state = self.0.state.lock();
        let proposed = self.propose_new(&**log, &mut state, topic, draft, &None, (None, Some(key)));
        drop(state);
        self.staged(proposed)
    }

    /// Wakes the readers that a proposal has reached.
    fn staged(&self, proposed: Proposed<Result<PublishReceipt, PublishError>>) -> Submitted {
        if notify(proposed.reached) {
            // A writer thread was just woken, possibly on this core. Yield once so that it runs first: readers wait for it,
            // and what is published meanwhile goes out together.
            std::thread::yield_now();
        }
        if self.0.retention.is_overdue() {
            self.retain();
        }
        Submitted(Progress::Staged {
            answer: proposed.answer,
            commit: proposed.commit,
        })
    }

    /// Resolves when something is committed, if the log has no room for another staged event.
    fn wait_for_room(&self, log: &dyn Log) -> Option<Commit> {
        if log.has_room() {
            return None;
        }
        self.0.state.lock().sequencer.wait()
    }

    /// Ends a topic: its subscribers get a last event of type `end`, nothing more can be published to it, and it is
    /// forgotten when that event has expired. Ending it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`EndError`] if there is nothing to end, or the log cannot take events.
    pub async fn end(&self, topic: &Topic) -> Result<(), EndError> {
        let proposed = match &self.0.order {
            Order::Hub(log) => self.propose_end(&**log, topic),
            Order::Log(log) => return self.end_in(&**log, topic).await,
        };
        notify(proposed.reached);
        if let Some(commit) = proposed.commit {
            committed(commit).await?;
        }
        proposed.answer
    }

    /// Subscribes to topics and patterns. The subscriber is counted, as one for each of them, until it is dropped.
    ///
    /// # Errors
    ///
    /// [`SubscribeError`] if all topics have ended and there is nothing left to read, or there are too many subscriptions.
    pub fn subscribe(&self, subscription: &Subscription) -> Result<Subscriber, SubscribeError> {
        let mut topics: Vec<_> = subscription.topics.iter().collect();
        topics.sort_by(|a, b| a.topic.cmp(&b.topic));
        topics.dedup_by(|a, b| a.topic == b.topic);
        let mut patterns: Vec<_> = subscription.patterns.iter().collect();
        patterns.sort_by(|a, b| a.pattern.cmp(&b.pattern));
        patterns.dedup_by(|a, b| a.pattern == b.pattern);
        let count = topics.len() + patterns.len();
        let mut state = self.0.state.lock();
        if state.subscriptions.saturating_add(count) > self.0.limits.subscriptions {
            return Err(SubscribeError::TooManySubscriptions);
        }
        state.subscriptions += count;
        let mut channels = Vec::with_capacity(count);
        for wanted in topics {
            // Without what has expired, which may have been the end of the topic.
            state.current(&wanted.topic, &self.0.retention);
            let channel = state.topic(&wanted.topic);
            channels.push((channel, Visibility::with_private(wanted.with_private)));
        }
        for wanted in patterns {
            channels.push((state.pattern(&wanted.pattern), wanted.visibility.clone()));
        }
        let newest = self.committed();
        // Counted while the hub is locked, so that no topic is forgotten in between.
        for (channel, _) in &channels {
            channel.add_subscriber(newest);
        }
        // From here on the subscriber itself ends the counting, which takes the lock.
        drop(state);
        for (channel, _) in &channels {
            channel.notify(TopicChange::Subscribers);
        }
        Subscriber::new(self.clone(), channels, subscription, newest)
    }

    /// Some of a topic's events. A topic that does not exist has none.
    pub fn snapshot(&self, topic: &Topic, page: &HistoryQuery) -> Snapshot {
        let mut state = self.0.state.lock();
        let mut snapshot = Snapshot {
            events: Vec::new(),
            older_than: None,
            last_event_id: self.id(self.committed()),
            subscribers: 0,
            has_ended: false,
        };
        let Some(channel) = state.current(topic, &self.0.retention) else {
            snapshot.subscribers = state.elsewhere.of_topic(topic);
            return snapshot;
        };
        let log = channel.log();
        drop(state);
        let visibility = Visibility::with_private(page.with_private);
        let view = View::of_the_past(&visibility);
        let before = page
            .before
            .as_ref()
            .map(|id| self.offset(id).or_else(|| log.find(id, &visibility)));
        let through = before.map_or(Offset::END, |offset| {
            offset.unwrap_or(Offset::START).previous()
        });
        let mut newest_first = log
            .history
            .newest_first(through)
            .filter(|entry| view.shows(entry))
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
        snapshot.subscribers = channel.subscribers_everywhere();
        snapshot.has_ended = log.has_ended();
        snapshot
    }

    /// The log's own id of an offset, which is an event's id unless its publisher chose one. Unlike that, it is unique over
    /// all topics.
    pub fn id(&self, offset: Offset) -> EventId {
        self.0.epochs.read().id(offset)
    }

    /// The offset that a log's own id stands for.
    pub(super) fn offset(&self, id: &EventId) -> Option<Offset> {
        self.0.epochs.read().offset(id)
    }

    /// The topics that a reader may see, by name. `sees` says of each topic whether the reader may know of it, and if so,
    /// whether it may see private events; a topic that has nothing but private events is not listed for others. An
    /// [unlisted](Topic::is_unlisted) one is listed for none.
    pub fn topics(&self, sees: impl Fn(&Topic) -> Option<bool>) -> Vec<TopicSummary> {
        let sees = |topic: &Topic| sees(topic).filter(|_| !topic.is_unlisted());
        self.retain();
        let state = self.0.state.lock();
        let channels: Vec<_> = state.names.values().cloned().collect();
        // Some have nothing here but subscribers at other hubs.
        let elsewhere = state.elsewhere.topics();
        let is_elsewhere_only = |(topic, _): &(&Topic, usize)| !state.topics.contains_key(*topic);
        let elsewhere: Vec<_> = elsewhere
            .filter(is_elsewhere_only)
            .map(|(topic, count)| (topic.clone(), count))
            .collect();
        // Publishers do not wait until every log has been looked at.
        drop(state);
        let here = channels.iter().filter_map(|channel| {
            let topic = channel.topic()?;
            channel.summary(topic, sees(topic)?)
        });
        let mut listed: Vec<_> = here.collect();
        if !elsewhere.is_empty() {
            let elsewhere = elsewhere.into_iter();
            let elsewhere = elsewhere.filter(|(topic, _)| sees(topic).is_some());
            listed.extend(elsewhere.map(|(topic, subscribers)| TopicSummary {
                topic,
                events: 0,
                subscribers,
                published_at: None,
                has_ended: false,
            }));
            listed.sort_by(|a, b| a.topic.cmp(&b.topic));
        }
        listed
    }

    /// The topics whose names begin with a text, unlisted ones too. For feeds, which look for their own.
    pub fn topics_below(&self, beginning: &str) -> Vec<Topic> {
        let state = self.0.state.lock();
        let names = state.names.range::<str, _>((
            std::ops::Bound::Included(beginning),
            std::ops::Bound::Unbounded,
        ));
        let names = names.map(|(topic, _)| topic);
        let below = names.take_while(|topic| topic.as_str().starts_with(beginning));
        below.cloned().collect()
    }

    /// How much there is, within the limits.
    pub fn totals(&self) -> Totals {
        self.retain();
        let log = self.0.order.log();
        // The log is asked while the hub is not locked, since it may call the hub under a lock of its own.
        let (stored, is_ready) = (log.stored_bytes(), log.health().is_ok());
        let state = self.0.state.lock();
        Totals {
            topics: state.topics.len(),
            bytes: self.0.retention.bytes(),
            // Offsets count from 1.
            published: self.committed().number(),
            stored,
            is_ready,
        }
    }

    /// How many subscribers a topic has by its name; readers of patterns are not among them.
    pub fn subscribers(&self, topic: &Topic) -> usize {
        let state = self.0.state.lock();
        match state.topics.get(topic) {
            Some(channel) => channel.subscribers_everywhere(),
            None => state.elsewhere.of_topic(topic),
        }
    }

    /// Whether a topic that a pattern matches has a subscriber, by its name or by a pattern that matches no other topics. Readers of
    /// wider patterns do not count. Costs as much as there are matching topics and patterns of any kind.
    pub fn has_subscribers_within(&self, pattern: &pattern::Pattern) -> bool {
        let state = self.0.state.lock();
        let is_read = |channel: &Channel| channel.subscribers_everywhere() > 0;
        let is_within =
            |channel: &Channel| channel.pattern().is_some_and(|own| pattern.covers(own));
        pattern
            .range(&state.names)
            .any(|(_, channel)| is_read(channel))
            || state.patterns.values().any(|channel| is_within(channel))
            || state.elsewhere.has_any_within(pattern)
    }

    /// The epoch of new events' ids.
    pub fn epoch(&self) -> String {
        self.0.epochs.read().current().as_str().to_owned()
    }

    /// How much the hub holds.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Evicts what exceeds the limits, of all topics, and forgets topics that have neither events nor subscribers. A
    /// publisher does so by itself only if the histories exceed their bytes by a quarter; see [`Self::keep_within_limits`].
    pub fn retain(&self) {
        let emptied = self.0.retention.run();
        self.0.state.lock().let_go(&emptied, &self.0.retention);
    }

    /// Retains whenever there is something to evict, and lets the names leave whose subscribers have gone, until it is cancelled.
    /// A hub needs one such task; without it, it keeps what has expired until its topic is used again, and names for ever.
    pub async fn keep_within_limits(self, cancelled: CancellationToken) {
        let retaining = async {
            loop {
                self.0.retention.wait().await;
                self.retain();
            }
        };
        tokio::select! {
            () = cancelled.cancelled() => {}
            () = retaining => {}
            () = self.let_names_leave() => {}
        }
    }

    /// Answers publishers whose events the log has committed, until it is cancelled. A hub that publishers of one runtime use
    /// is faster with one such task there; without it, the log's own thread answers them.
    pub async fn answer_publishers(self, cancelled: CancellationToken) {
        self.0.answers.give_out(&cancelled).await;
    }

    /// Whether the log can take events, for the operator.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] as a publisher would get it.
    pub fn health(&self) -> Result<(), Unavailable> {
        self.0.order.log().health()
    }

    /// Takes no more events. What was staged is committed, or has failed, when this returns.
    pub fn close(&self) {
        self.0.order.log().close();
    }

    /// Checks an event, gives it the next offset, and stages it.
    fn propose(
        &self,
        log: &dyn Log,
        topic: &Topic,
        draft: UnsequencedEntry,
        conditions: &Preconditions,
    ) -> Proposed<Result<PublishReceipt, PublishError>> {
        let mut state = self.0.state.lock();
        let mut new_key = None;
        if let Some(key) = &conditions.idempotency {
            let publication = draft.publication();
            match state.idempotency.look_up(topic, key, publication) {
                Ok(Ok(first)) => {
                    let published = self.first_receipt(topic, publication, first);
                    let is_staged = first.offset > self.committed();
                    return state.answer_after(is_staged, Ok(published));
                }
                Ok(Err(new)) => new_key = Some(new),
                Err(error) => return state.answer_after(true, Err(error)),
            }
        }
        let key = (new_key, conditions.idempotency.as_ref());
        self.propose_new(log, &mut state, topic, draft, &conditions.newest, key)
    }

    /// Checks an event that has not been published under its key, gives it the next offset, and stages it. The log keeps the
    /// key, and the table of keys does if there is an entry for it.
    fn propose_new(
        &self,
        log: &dyn Log,
        state: &mut State,
        topic: &Topic,
        draft: UnsequencedEntry,
        newest: &Option<ExpectedNewest>,
        (new_key, key): (Option<NewKey>, Option<&IdempotencyKey>),
    ) -> Proposed<Result<PublishReceipt, PublishError>> {
        let checked = self.check(state, topic, draft.publication(), newest);
        let channel = match checked {
            Ok(channel) => channel,
            Err(error) => return state.answer_after(true, Err(error)),
        };
        // The channel's own copy of the name, so that all its entries share one.
        let name = channel.as_deref().and_then(Channel::topic).unwrap_or(topic);
        let key = key.map(|key| (new_key.as_ref().map(NewKey::hash), key));
        match self.0.append(log, state, name, draft, key) {
            Ok((entry, subscribers, proposed)) => {
                if let Some(key) = new_key {
                    state.idempotency.remember(key, entry.offset, subscribers);
                }
                proposed.with(Ok(PublishReceipt {
                    id: entry.event.id.clone(),
                    topic: topic.clone(),
                    subscribers,
                    is_repeat: false,
                }))
            }
            Err(error) => Proposed::at_once(Err(error.into())),
        }
    }

    /// What the first request under a key was answered, for one that repeats it.
    fn first_receipt(
        &self,
        topic: &Topic,
        publication: &PublishRequest,
        first: FirstResult,
    ) -> PublishReceipt {
        PublishReceipt {
            // An equal request has the same own id, if it has one.
            id: publication
                .id
                .clone()
                .unwrap_or_else(|| self.id(first.offset)),
            topic: topic.clone(),
            subscribers: first.subscribers,
            is_repeat: true,
        }
    }

    fn propose_end(&self, log: &dyn Log, topic: &Topic) -> Proposed<Result<(), EndError>> {
        let mut state = self.0.state.lock();
        let channel = state.current(topic, &self.0.retention);
        if self.has_ended(&state, topic, channel.as_deref()) {
            return state.answer_after(true, Ok(()));
        }
        if channel.is_none() && state.sequencer.newest(topic, true).is_none() {
            return Proposed::at_once(Err(UnknownTopic.into()));
        }
        match self
            .0
            .append(log, &mut state, topic, UnsequencedEntry::end(topic), None)
        {
            Ok((_, _, proposed)) => proposed.with(Ok(())),
            Err(error) => Proposed::at_once(Err(error.into())),
        }
    }

    /// Whether the topics go on, the first stands where the publisher thinks, and there is room and no event with the
    /// publisher's id. What is staged counts, since it will be committed before. Returns the first topic's channel, if there
    /// is one.
    fn check(
        &self,
        state: &mut State,
        topic: &Topic,
        publication: &PublishRequest,
        expected: &Option<ExpectedNewest>,
    ) -> Result<Option<Arc<Channel>>, PublishError> {
        let mut new_topics = 0;
        let mut first = None;
        for (number, topic) in std::iter::once(topic)
            .chain(&publication.also_in)
            .enumerate()
        {
            let channel = state.current(topic, &self.0.retention);
            if self.has_ended(state, topic, channel.as_deref()) {
                return Err(PublishError::Ended);
            }
            let log = channel.as_ref().map(|channel| channel.log());
            if let Some(expected) = expected
                && number == 0
            {
                self.check_newest(state, topic, log.as_deref(), expected)?;
            }
            if let Some(id) = &publication.id
                && (state.sequencer.has_own_id(topic, id)
                    || log.as_ref().is_some_and(|log| log.has_own_id(id)))
            {
                return Err(PublishError::DuplicateId(id.clone()));
            }
            let is_new = log.is_none_or(|log| log.history.is_empty());
            new_topics += usize::from(is_new && !publication.is_ephemeral);
            if number == 0 {
                first = channel;
            }
        }
        let has_room = |state: &State| {
            let topics = self.0.retention.topics() + state.sequencer.topics();
            new_topics == 0 || topics + new_topics <= self.0.limits.topics
        };
        if !has_room(state) {
            // Others may have expired, which the task would find out within a second.
            self.0.retain(state);
        }
        if has_room(state) {
            Ok(first)
        } else {
            Err(PublishError::TooManyTopics)
        }
    }

    fn has_ended(&self, state: &State, topic: &Topic, channel: Option<&Channel>) -> bool {
        state.sequencer.has_end(topic) || channel.is_some_and(|channel| channel.log().has_ended())
    }

    fn check_newest(
        &self,
        state: &State,
        topic: &Topic,
        log: Option<&ChannelLog>,
        expected: &ExpectedNewest,
    ) -> Result<(), PublishError> {
        let staged = state.sequencer.newest(topic, expected.with_private);
        let newest = staged.or_else(|| log?.history.newest(expected.with_private));
        let is_expected = match (newest, &expected.one_of) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(newest), Some(ids)) => ids
                .iter()
                .any(|id| *id == newest.event.id || self.offset(id) == Some(newest.offset)),
        };
        if is_expected {
            return Ok(());
        }
        Err(PublishError::Moved(
            newest.map(|newest| newest.event.id.clone()),
        ))
    }

    /// Every event up to here is in the logs of its topics.
    fn committed(&self) -> Offset {
        self.0.committed()
    }

    /// Whether other hubs have the same log.
    pub fn shares_its_log(&self) -> bool {
        matches!(self.0.order, Order::Log(_))
    }

    /// The topics that a pattern matches and that have got events after a cursor; and the newest event that a matching topic
    /// which is forgotten may have lost.
    fn matching(&self, pattern: &pattern::Pattern, after: Offset) -> (Vec<Arc<Channel>>, Offset) {
        let state = self.0.state.lock();
        let channels = pattern
            .range(&state.names)
            .filter(|(_, channel)| channel.newest() > after)
            .map(|(_, channel)| Arc::clone(channel));
        (
            channels.collect(),
            state.evicted_topics.lost_through_of_any(),
        )
    }

    /// The newest event that a forgotten topic may have lost.
    fn lost_with_forgotten_topics(&self) -> Offset {
        self.0.state.lock().evicted_topics.lost_through_of_any()
    }

    /// A subscriber has gone from a channel.
    fn leave(&self, channel: &Arc<Channel>) {
        let mut state = self.0.state.lock();
        state.subscriptions -= 1;
        if channel.remove_subscriber() == 0 {
            if let Some(pattern) = channel.pattern() {
                state.patterns.remove(pattern);
            }
            state.forget_if_unused(channel);
        }
        drop(state);
        channel.notify(TopicChange::Subscribers);
    }
}

impl Order {
    fn log(&self) -> &dyn AnyLog {
        match self {
            Self::Hub(log) => &**log,
            Self::Log(log) => &**log,
        }
    }
}

impl Shared {
    /// A hub whose memory is empty still.
    fn new(
        limits: Limits,
        order: Order,
        older: Option<Arc<dyn OlderEvents>>,
        recovered: &Recovered,
    ) -> Arc<Self> {
        Arc::new(Self {
            epochs: RwLock::new(recovered.epochs.clone()),
            limits,
            order,
            older,
            committed: AtomicU64::new(recovered.newest.number()),
            retention: Retention::new(limits),
            answers: Answers::default(),
            presence: Presence::default(),
            state: Mutex::new(State {
                sequencer: Sequencer::new(recovered.newest),
                topics: HashMap::new(),
                names: BTreeMap::new(),
                patterns: PatternIndex::default(),
                next_channel: ChannelId::first_of_a_hub(),
                subscriptions: 0,
                tails: TailBudget::new(limits.tail_bytes),
                evicted_topics: EvictedTopics::new(recovered.evicted_floor),
                idempotency: Idempotency::default(),
                elsewhere: Elsewhere::default(),
            }),
        })
    }

    /// Puts what a log has recovered into memory. There is no subscriber yet to be notified.
    fn recover(&self, entries: &[Arc<Entry>], evicted: &[(Topic, Offset)], keys: &[RecoveredKey]) {
        /// How many events are put into memory between two looks at the limits.
        const ROUND: usize = 4_096;
        let mut state = self.state.lock();
        for (topic, through) in evicted {
            state.evicted_topics.remember(topic, *through);
        }
        for round in entries.chunks(ROUND) {
            for entry in round {
                for channel in state.reach(entry) {
                    // An event of several topics may be too old for one of them.
                    if channel.log().history.evicted_through() < entry.offset {
                        self.retention.append(&channel, entry);
                        channel.set_newest(entry.offset);
                    }
                }
            }
            self.retain(&mut state);
        }
        let now = wall_clock::now();
        for RecoveredKey {
            entry,
            key,
            subscribers,
        } in keys
        {
            let age = now.duration_since(entry.published_at).unwrap_or_default();
            let first = (entry.offset, *subscribers);
            let publication = entry.publication();
            state
                .idempotency
                .restore(&entry.topic, key, &publication, first, age);
        }
    }

    /// As [`Hub::retain`], while the hub is locked.
    fn retain(&self, state: &mut State) {
        let emptied = self.retention.run();
        state.let_go(&emptied, &self.retention);
    }

    fn committed(&self) -> Offset {
        Offset::from_number(self.committed.load(Ordering::Acquire))
    }

    /// Gives an event the next offset, and stages it. Returns it, and how many subscribers its topics have.
    fn append(
        &self,
        log: &dyn Log,
        state: &mut State,
        topic: &Topic,
        draft: UnsequencedEntry,
        key: Option<(Option<KeyHash>, &IdempotencyKey)>,
    ) -> Result<(Arc<Entry>, usize, Proposed<()>), Unavailable> {
        let entry = draft.finish(topic, &self.epochs.read(), state.sequencer.next());
        let entry = Arc::new(entry);
        let record = key.map(|(_, key)| KeyRecord {
            key,
            subscribers: state.reached_by(entry.topics()),
        });
        match log.stage(&entry, record)? {
            Staged::Committed => {
                state.sequencer.commit_at_once(entry.offset);
                let reached = state.apply(&entry, &self.retention);
                self.publish_committed(entry.offset, &reached);
                let subscribers = subscribers(&reached);
                let proposed = Proposed {
                    reached,
                    ..Proposed::at_once(())
                };
                Ok((entry, subscribers, proposed))
            }
            Staged::Pending => {
                let subscribers = match record {
                    Some(record) => record.subscribers,
                    None => state.reached_by(entry.topics()),
                };
                let hash = key.and_then(|(hash, _)| hash);
                state.sequencer.stage(Arc::clone(&entry), hash);
                Ok((entry, subscribers, state.answer_after(true, ())))
            }
        }
    }

    /// Commits what is staged, up to an offset.
    fn commit(&self, through: Offset) {
        let mut state = self.state.lock();
        let mut reached = Reached::new();
        let mut newest = None;
        while let Some(staged) = state.sequencer.take(through) {
            for channel in state.apply(&staged.entry, &self.retention) {
                channel.set_newest(staged.entry.offset);
                if !reached.iter().any(|other| other.id == channel.id) {
                    reached.push(channel);
                }
            }
            newest = Some(staged.entry.offset);
        }
        if let Some(newest) = newest {
            self.publish_committed(newest, &[]);
        }
        let waiting = state.sequencer.take_waiting();
        drop(state);
        notify(reached);
        self.answers.give(waiting);
    }

    /// Drops what is staged.
    fn fail_staged(&self, failure: &Unavailable) {
        let mut state = self.state.lock();
        while let Some(staged) = state.sequencer.take(Offset::END) {
            if let Some(key) = &staged.key {
                state.idempotency.forget(key);
            }
        }
        let waiting = state.sequencer.take_waiting();
        drop(state);
        for publisher in waiting {
            let _ = publisher.send(Err(failure.clone()));
        }
    }

    /// Readers may look for events up to here: they are in the logs. A reader that sees the committed offset sees the
    /// newest of each channel too, so that it need not look at the others.
    fn publish_committed(&self, offset: Offset, reached: &[Arc<Channel>]) {
        for channel in reached {
            channel.set_newest(offset);
        }
        self.committed.store(offset.number(), Ordering::Release);
    }
}

impl Submitted {
    /// Whether the hub has refused the event. The log may fail all others, and a log that several hubs share refuse them.
    pub fn is_refused(&self) -> bool {
        matches!(&self.0, Progress::Staged { answer: Err(_), .. })
    }

    /// The answer, when the log has committed what it rests on. Dropping the future leaves the event as it is.
    ///
    /// # Errors
    ///
    /// As [`Hub::publish`].
    pub async fn receipt(mut self) -> Result<PublishReceipt, PublishError> {
        self.committed().await?;
        match self.0 {
            Progress::Staged { answer, .. } => answer,
            Progress::Proposed(_) => Err(closed().into()),
        }
    }

    /// Waits until [`Self::receipt`] has its answer. Dropping the future and calling again loses nothing.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the log has failed; the receipt says so as well.
    pub async fn committed(&mut self) -> Result<(), Unavailable> {
        let outcome = match &mut self.0 {
            Progress::Staged { commit: None, .. } => return Ok(()),
            Progress::Staged {
                answer,
                commit: Some(commit),
            } => match committed(commit).await {
                Ok(()) => std::mem::replace(answer, Err(closed().into())),
                Err(failure) => Err(failure.into()),
            },
            Progress::Proposed(answer) => answered(answer).await,
        };
        let failure = match &outcome {
            Err(PublishError::Unavailable(failure)) => Some(failure.clone()),
            _ => None,
        };
        self.0 = Progress::Staged {
            answer: outcome,
            commit: None,
        };
        failure.map_or(Ok(()), Err)
    }
}

impl<T> Proposed<T> {
    fn with<U>(self, answer: U) -> Proposed<U> {
        Proposed {
            answer,
            commit: self.commit,
            reached: self.reached,
        }
    }

    fn at_once(answer: T) -> Self {
        Self {
            answer,
            commit: None,
            reached: Reached::new(),
        }
    }
}

impl State {
    /// An answer that is given when everything that is staged now has been committed, if it rests on that.
    fn answer_after<T>(&mut self, rests_on_staged: bool, answer: T) -> Proposed<T> {
        let commit = if rests_on_staged {
            self.sequencer.wait()
        } else {
            None
        };
        Proposed {
            commit,
            ..Proposed::at_once(answer)
        }
    }

    /// The topic's channel, made if there is none.
    fn topic(&mut self, topic: &Topic) -> Arc<Channel> {
        if let Some(channel) = self.topics.get(topic) {
            return Arc::clone(channel);
        }
        let log = ChannelLog::new(self.evicted_topics.lost_through(topic));
        let channel = self.channel(Matcher::Topic(topic.clone()), log);
        self.topics.insert(topic.clone(), Arc::clone(&channel));
        self.names.insert(topic.clone(), Arc::clone(&channel));
        channel
    }

    /// The pattern's channel, made if there is none.
    fn pattern(&mut self, pattern: &pattern::Pattern) -> Arc<Channel> {
        if let Some(channel) = self.patterns.get(pattern) {
            return Arc::clone(channel);
        }
        let log = ChannelLog::new(Offset::START);
        let channel = self.channel(Matcher::Pattern(pattern.clone()), log);
        self.patterns.insert(pattern, Arc::clone(&channel));
        channel
    }

    fn channel(&mut self, matcher: Matcher, log: ChannelLog) -> Arc<Channel> {
        let elsewhere = self.elsewhere.of(&matcher);
        let channel = Arc::new(Channel::new(self.next_channel, matcher, log));
        channel.set_subscribers_elsewhere(elsewhere);
        self.next_channel.0 += 1;
        channel
    }

    /// Puts a committed event into the logs of its topics, and of the patterns that match them. Returns their channels.
    fn apply(&mut self, entry: &Arc<Entry>, retention: &Retention) -> Reached {
        let reached = self.reach(entry);
        let in_tails = reached.iter().filter(|channel| match channel.matcher {
            Matcher::Topic(_) => retention.append(channel, entry),
            Matcher::Pattern(_) => channel.log().push_to_tail(entry),
        });
        let in_tails = in_tails.cloned().collect();
        self.tails.add(entry, in_tails);
        reached
    }

    /// The channels of an event's topics, made for topics that will retain it, and of the patterns that match them; each
    /// once.
    fn reach(&mut self, entry: &Entry) -> Reached {
        let mut reached = Reached::new();
        for topic in entry.topics() {
            let of_topic = if !entry.is_ephemeral {
                Some(self.topic(topic))
            } else {
                self.topics.get(topic).cloned()
            };
            for channel in of_topic.iter().chain(self.patterns.matching(topic)) {
                // An event of one topic reaches no channel twice.
                let is_new =
                    entry.also_in.is_empty() || !reached.iter().any(|other| other.id == channel.id);
                if is_new {
                    reached.push(Arc::clone(channel));
                }
            }
        }
        reached
    }

    /// The topic's channel without what has expired, if the topic exists.
    fn current(&mut self, topic: &Topic, retention: &Retention) -> Option<Arc<Channel>> {
        let channel = Arc::clone(self.topics.get(topic)?);
        if retention.expire(&channel) && self.forget_if_unused(&channel) {
            return None;
        }
        Some(channel)
    }

    /// Forgets what retention has emptied, and trims expired events from the tails.
    fn let_go(&mut self, emptied: &[Arc<Channel>], retention: &Retention) {
        if let Some(moment) = retention.oldest_to_keep() {
            self.tails.trim_older_than(moment);
        }
        for channel in emptied {
            self.forget_if_unused(channel);
        }
    }

    /// How many subscribers an event of some topics will reach: the readers of each topic, and of each pattern that matches
    /// one.
    fn reached_by<'a>(&self, topics: impl Iterator<Item = &'a Topic>) -> usize {
        let mut reached = Reached::new();
        for topic in topics {
            let of_topic = self.topics.get(topic).into_iter();
            for channel in of_topic.chain(self.patterns.matching(topic)) {
                if !reached.iter().any(|other| other.id == channel.id) {
                    reached.push(Arc::clone(channel));
                }
            }
        }
        subscribers(&reached)
    }

    /// A topic exists from its first event or subscriber on, and is forgotten when it has neither.
    /// Returns whether it is.
    fn forget_if_unused(&mut self, channel: &Channel) -> bool {
        let Some(topic) = channel.topic() else {
            return false;
        };
        let log = channel.log();
        let is_current = || {
            self.topics
                .get(topic)
                .is_some_and(|current| current.id == channel.id)
        };
        let is_unused = log.history.is_empty() && channel.subscribers() == 0 && is_current();
        if is_unused {
            let evicted_through = log.history.evicted_through();
            self.evicted_topics.remember(topic, evicted_through);
            self.topics.remove(topic);
            self.names.remove(topic);
        }
        is_unused
    }
}

impl Channel {
    /// The topic as a reader may see it in a list; nothing if all that it has is hidden from that reader.
    fn summary(&self, topic: &Topic, with_private: bool) -> Option<TopicSummary> {
        let log = self.log();
        let events = log.history.count(with_private);
        if events == 0 && log.history.count(true) > 0 {
            return None;
        }
        Some(TopicSummary {
            topic: topic.clone(),
            events,
            subscribers: self.subscribers_everywhere(),
            published_at: log
                .history
                .newest(with_private)
                .map(|entry| entry.published_at),
            has_ended: log.has_ended(),
        })
    }
}

/// How many subscribers an event has reached.
fn subscribers(reached: &[Arc<Channel>]) -> usize {
    reached.iter().map(|channel| channel.subscribers()).sum()
}

/// Notifies the readers of new events. Returns whether a thread was woken.
fn notify(reached: Reached) -> bool {
    let mut has_woken = false;
    for channel in reached {
        has_woken |= channel.notify(TopicChange::Events);
    }
    has_woken
}

/// Waits until what a request rests on is committed.
async fn committed(
    commit: impl Future<Output = Result<Result<(), Unavailable>, RecvError>>,
) -> Result<(), Unavailable> {
    commit.await.unwrap_or_else(|_| Err(closed()))
}

/// What a shared log says of a proposal.
async fn answered(
    answer: impl Future<Output = Result<shared::Answer, RecvError>>,
) -> shared::Answer {
    let dropped = || Unavailable {
        reason: "it has not said what has become of the event".to_owned(),
        ..closed()
    };
    answer.await.unwrap_or_else(|_| Err(dropped().into()))
}

/// The error of a request that the hub has left without an answer because it was closed.
fn closed() -> Unavailable {
    Unavailable {
        reason: "the hub has been closed".to_owned(),
        kind: UnavailableKind::Temporary,
        fate_unknown: true,
    }
}

#[cfg(test)]
mod tests;
