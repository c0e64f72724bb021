//! A log that several hubs share: how it differs from a log of one hub, and the contract that it keeps.
//!
//! # Who orders
//!
//! A log of one hub stages what that hub has ordered ([`Log`](super::Log)). A shared log gives events their offsets itself,
//! since only it knows what the other hubs publish. A hub therefore proposes an event ([`SharedLog::propose`]), and every hub
//! gets every event of the log in the log's order ([`Follower::apply`]), its own among them. The publisher is answered when
//! its own hub has applied the event, so that it reads what it has written.
//!
//! # What the hub checks, and what the log checks
//!
//! The hub checks a proposal against what it has applied: ends, own ids, keys, the number of topics. A refusal rests on committed
//! events only, so it is given at once. A precondition that does not hold may hold when the hub has applied more, so it is the
//! log that has it checked again ([`Proposal::holds`]). What has reached the proposal's topics since, after
//! [`Proposal::checked_through`], is the log's matter. What came before is not: the hub knew of it, or had forgotten it, as it
//! forgets the end of a topic or an own id with the event.
//!
//! * Of several proposals that have a [unique](Proposal::unique) text in common, the log takes one. A request that is repeated
//!   under its key gets the first answer even if its condition no longer holds or its topic has ended: the hub's second check
//!   finds nothing wrong with it, so that the log comes to its key.
//! * It lets no event past the end of one of its topics.
//! * For a [strict](Proposal::is_strict) proposal it makes sure that nothing reaches the topics between the check and the event
//!   itself. When something has, or a loss, or the precondition did not hold, it has the hub [check again](Follower::check) once
//!   the hub has applied that. A loss has the offset of an event that the hub may have applied before it checked, so that a
//!   proposal which was checked through that very offset is checked again too.
//! * A refusal that rests on another hub's event is given when the publisher's hub has applied that event: then the publisher
//!   sees why.
//! * An offset may stay without an event: readers never notice.
//!
//! # Losses
//!
//! A shared log can lose events that a hub has shown to readers, or that a hub has never seen. The log then says so:
//! [`Follower::lose_through`] turns everything up to an offset into a loss, which a reader gets as a gap, and
//! [`Follower::begin`] begins an epoch, so that ids from before are not taken for the events that have their numbers now.
//! Offsets never go back, whatever the log behind them does: a loss goes through the newest offset that any hub has shown, and
//! the next event comes after it.
//!
//! * The hub forgets that a topic had ended if the end is lost, and so does the log.
//! * Keys hold for their hour even if the event is lost, at the hubs that had applied it.
//! * If the log reads [older events](AnyLog::older), it counts what it has declared a loss as lost there too.
//!
//! # Readers that change hubs
//!
//! All hubs have the same epochs, so that an id means the same at each. A reader may bring an id that its new hub has not
//! applied yet: the hub takes it for one that another hub has shown, and the reader goes on after it. The hub cannot tell such
//! an own id of a publisher's from one that is unknown, and gives a gap.
//!
//! # Calls
//!
//! The log calls [`Follower::begin`] within [`SharedLog::open`], since until then the hub has an epoch of its own, whose ids no
//! other hub knows. It calls `apply`, `lose_through` and `begin` from one thread at a time. The hub calls the log with no lock
//! of its own held, and answers wake tasks without running them, so that the log may call the hub under a lock.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{AnyLog, Unavailable};
pub use crate::hub::channel::Matcher;
pub(in crate::hub) use crate::hub::entry::StoredEvent;
use crate::hub::position::{Epochs, Offset};
use crate::hub::publish::{
    ExpectedNewest, IdempotencyKey, PublishError, PublishReceipt, PublishRequest,
};
use crate::hub::topic::Topic;
use crate::hub::{Hub, Shared};

/// Orders the events of several hubs, and makes them durable. See the [contract](self).
pub trait SharedLog: AnyLog {
    /// Gives the log the handle that it hands events to. Called once, before anything is proposed.
    fn open(&self, follower: Follower);

    /// Room for what is proposed and not answered, in bytes. A proposal holds its share until it is answered.
    fn room(&self) -> &Arc<Semaphore>;

    /// How many bytes of room there are in all.
    fn room_bytes(&self) -> usize;

    /// Takes a proposal, and answers it later. It does not block.
    fn propose(&self, proposal: Proposal);
}

/// An event that a hub would like to have in the log. It is answered once; a proposal that is dropped counts as one whose
/// fate is unknown.
#[derive(Debug)]
pub struct Proposal {
    /// The topic that it is published to.
    pub topic: Topic,
    /// What is published, its data as a reader will see it.
    pub publication: PublishRequest,
    /// Whether it ends its topic.
    pub is_end: bool,
    /// The key that its publisher gave.
    pub key: Option<IdempotencyKey>,
    /// What the topic's newest event must be.
    pub expected: Option<ExpectedNewest>,
    /// How many subscribers it reaches, over all hubs, as far as this one knows.
    pub subscribers: usize,
    /// The newest offset that the hub had applied when it checked the proposal. What is placed after it, the hub has not
    /// taken into account.
    pub checked_through: Offset,
    /// Whether its precondition held then.
    pub holds: bool,
    answer: oneshot::Sender<Answer>,
    _room: OwnedSemaphorePermit,
}

/// What a publisher is told.
pub(in crate::hub) type Answer = Result<PublishReceipt, PublishError>;

/// What tells a proposal apart from others that would publish the same; see [`Proposal::unique`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique<'a> {
    /// The idempotency key of the topic that it is published to. A second proposal with it gets the answer of the first.
    Key(&'a str),
    /// The id that its publisher chose, in all its topics. A second proposal with it in one of them is refused.
    OwnId(&'a str),
}

impl Proposal {
    /// A proposal, and what resolves with its answer.
    pub(in crate::hub) fn new(
        topic: &Topic,
        publication: PublishRequest,
        room: OwnedSemaphorePermit,
    ) -> (Self, oneshot::Receiver<Answer>) {
        let (answer, receiver) = oneshot::channel();
        let proposal = Self {
            topic: topic.clone(),
            publication,
            is_end: false,
            key: None,
            expected: None,
            subscribers: 0,
            checked_through: Offset::START,
            holds: true,
            answer,
            _room: room,
        };
        (proposal, receiver)
    }

    /// Whether nothing may reach its topics between the hub's check and the event itself: it has a precondition, or needs two
    /// things to be unique.
    pub fn is_strict(&self) -> bool {
        let has_own_id = self.publication.id.is_some();
        let is_of_several = !self.publication.also_in.is_empty();
        self.expected.is_some() || has_own_id && (self.key.is_some() || is_of_several)
    }

    /// What no other event of its topic may have, if anything.
    pub fn unique(&self) -> Option<Unique<'_>> {
        let key = self.key.as_ref().map(|key| Unique::Key(&key.key));
        key.or_else(|| Some(Unique::OwnId(self.publication.id.as_ref()?.as_str())))
    }

    /// All topics that it belongs to; the one that it is published to comes first.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        std::iter::once(&self.topic).chain(&self.publication.also_in)
    }

    /// Refuses it.
    pub fn refuse(self, error: PublishError) {
        self.answer(Err(error));
    }

    /// The log cannot take it.
    pub fn fail(self, failure: Unavailable) {
        self.answer(Err(failure.into()));
    }

    /// Whether its publisher still waits.
    pub fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    pub(in crate::hub) fn answer(self, answer: Answer) {
        // A publisher that has gone needs no answer.
        let _ = self.answer.send(answer);
    }
}

/// An event that the log has ordered.
#[derive(Debug)]
pub struct OrderedEvent {
    /// The event. Its offset is higher than those of all events that the hub has applied.
    pub(in crate::hub) event: StoredEvent,
    /// The key that its publisher gave, and how many subscribers it reached.
    pub key: Option<(IdempotencyKey, usize)>,
    /// What this hub has proposed, if the event comes from here.
    pub proposal: Option<Proposal>,
}

/// A log's handle to one of its hubs. Once the hub is dropped, it does nothing.
#[derive(Clone)]
pub struct Follower(Weak<Shared>);

impl Follower {
    pub(in crate::hub) fn new(hub: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(hub))
    }

    /// Whether the hub is still there.
    pub fn is_wanted(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Commits events, in their order: readers see them from now on, and their publishers get their receipts. The log has
    /// nothing else up to `through`.
    pub fn apply(&self, events: Vec<OrderedEvent>, through: Offset) {
        if let Some(hub) = self.hub() {
            hub.apply_ordered(events, through);
        }
    }

    /// Checks a proposal once more. With one whose key has been used meanwhile nothing is wrong: the log finds the first event,
    /// and has the hub [repeat](Self::repeat) its answer.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the event can no longer be published.
    pub fn check(&self, proposal: &Proposal) -> Result<(), PublishError> {
        let hub = self.hub();
        hub.map_or(Ok(()), |hub| hub.check_proposal(proposal))
    }

    /// Answers a proposal whose idempotency key the log has seen in an event that the hub has applied.
    pub fn repeat(&self, proposal: Proposal) {
        if let Some(hub) = self.hub() {
            hub.repeat(proposal);
        }
    }

    /// The epochs whose ids are valid from now on.
    pub fn begin(&self, epochs: Epochs) {
        if let Some(hub) = self.hub() {
            hub.set_epochs(epochs);
        }
    }

    /// Every event up to an offset that a reader has not read yet is lost. The hub forgets what it has of them.
    pub fn lose_through(&self, through: Offset) {
        if let Some(hub) = self.hub() {
            hub.lose_through(through);
        }
    }

    /// The newest offset that the hub has applied.
    pub fn applied(&self) -> Offset {
        let hub = self.hub();
        hub.map_or(Offset::START, |hub| hub.committed())
    }

    /// How many subscribers this hub has, by topic and pattern.
    pub fn subscribers(&self) -> HashMap<Matcher, usize> {
        let hub = self.hub();
        hub.map_or_else(HashMap::new, |hub| hub.subscribers_by_matcher())
    }

    /// How many subscribers the other hubs have, by topic and pattern. Those that are not named have none.
    pub fn set_subscribers_elsewhere(&self, subscribers: &HashMap<Matcher, usize>) {
        if let Some(hub) = self.hub() {
            hub.set_subscribers_elsewhere(subscribers);
        }
    }

    fn hub(&self) -> Option<Hub> {
        self.0.upgrade().map(Hub)
    }
}
