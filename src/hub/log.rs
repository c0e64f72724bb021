//! The edge between the hub and its log, and the contract that every log keeps. The log of one hub is a [`Log`]: [`memory`]
//! commits at once, [`disk`] when the disk has the event. One that several hubs share is a
//! [`SharedLog`](shared::SharedLog), whose differences [`shared`] describes.
//!
//! # Responsibilities
//!
//! * **The hub orders.** It checks an event against the topic's state, gives it the next offset, and stages it with
//!   [`Log::stage`], all under one lock, so that a log is called in the order of offsets, without holes, by one thread at a
//!   time.
//! * **Staging is not committing.** A staged event is invisible: to readers, snapshots, lists, counts, and to the
//!   preconditions that publishers see answered. Only the checks of later publishes take staged events into account, since
//!   they will be committed before; an answer that rests on a staged event (a conflict, a repeated key) is given when that
//!   event is committed, since a crash would make it a lie before.
//! * **The log commits**, in order and in groups: [`Committer::commit`] with an offset commits every staged event up to it,
//!   whole groups or nothing. The hub then applies the group (history, tails, counts), wakes its readers once, and answers
//!   its publishers. An event counts as committed when the log can promise that a restart has it, in as far as the log's
//!   settings promise anything.
//! * **What may block.** `stage` never does: it runs under the hub's lock. A log that has too much staged refuses with
//!   [`Unavailable`]; publishers ask [`Log::has_room`] before, and wait until something is committed. `commit` may be called
//!   from any thread but from within `stage`; it takes the hub's lock for as long as applying the group takes. A thread that
//!   serves readers never waits for the log: see below.
//! * **What a log stores.** The facts of an [`Entry`], and the idempotency key that its publisher gave, so that a restarted
//!   hub gives the first answer too. An ephemeral event is for the readers of the moment: a log may forget its content (not
//!   its key), but not its offset, which readers resume from.
//!
//! # Reading behind the memory
//!
//! Readers get events from the hub's memory. What retention has evicted there is lost, unless the log gives
//! [`Log::older`]: then a reader that stands before what memory has gets the events in between from the log, page by page,
//! read on the log's own threads. Only events that the log itself has lost are a gap for a reader that resumes.
//!
//! * Readers of topics and of patterns get them, also from topics that memory has forgotten: the log matches names itself.
//! * The log has committed, retained events. An ephemeral event that has left memory is lost.
//! * A reader whose page cannot be read is treated as one that lags: it is disconnected and resumes, or gets a gap. The log
//!   itself reports the cause to the operator.
//! * A subscription that starts with the earliest event or after an event takes the log into account; one that starts with
//!   the last events, or at a moment, does not, nor do snapshots, lists and counts, since none of them waits for storage.
//! * Preconditions, own ids and the ends of topics are those that memory knows. When memory forgets a topic that has ended,
//!   publishers can use its name again, although the log still has the end. A reader that meets such an end in the log leaves
//!   the topic there, as at any other, and can resume after it. After a restart the topic has ended if the end is its newest
//!   event in memory, and an own id that was used again is the newest event's.
//!
//! # Failures
//!
//! * `stage` fails: nothing happened. The publisher gets [`Unavailable`] and may repeat the request. The next event gets the
//!   offset that this one would have had.
//! * The log fails after staging ([`Committer::fail`]): every staged event is dropped, its publishers get the log's
//!   [`Unavailable`], and the hub goes on with the offset after the newest one that was staged, so that no id ever names two
//!   events. What was committed stays readable. No event may be staged between the log's own dropping and the call.
//! * After [`Log::close`], `stage` fails, and what was staged is committed or failed before `close` returns.
//!
//! # Restart
//!
//! A log opens with what it proves to have ([`Recovered`]): the epochs that its ids belong to, the events that belong into
//! memory, and what each topic has beside them. If it may have lost events, it begins a new epoch at the first offset that
//! may be used twice ([`Epochs::begin`](super::position::Epochs::begin)).

pub mod disk;
pub mod memory;
pub mod nats;
pub mod older;
pub mod shared;

use std::sync::{Arc, Weak};

use self::older::OlderEvents;
use super::Shared;
use super::entry::Entry;
use super::position::{Epochs, Offset};
use super::publish::IdempotencyKey;
use super::topic::Topic;

/// What every log can do, be it the hub or the log that orders the events.
pub trait AnyLog: Send + Sync + 'static {
    /// What reads the events that the hub's memory no longer has, if the log can. Asked once, before the log is opened.
    fn older(&self) -> Option<Arc<dyn OlderEvents>> {
        None
    }

    /// Whether the log can take events, for the operator.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] as a publisher would get it.
    fn health(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    /// How many bytes it has stored.
    fn stored_bytes(&self) -> u64 {
        0
    }

    /// Takes no more events, and commits or fails what it has. Calling it again changes nothing.
    fn close(&self) {}
}

/// The log of one hub: makes events durable, or whatever its settings call committed. See the [contract](self).
pub trait Log: AnyLog {
    /// Gives the log the handle that it commits with. Called once, before anything is staged.
    fn open(&self, committer: Committer);

    /// Whether the log has room for another staged event. Without it, publishers wait for a commit.
    fn has_room(&self) -> bool {
        true
    }

    /// Takes the next event, and the key that its publisher gave. Its offset is higher than that of the event staged before.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the log cannot take the event now. Then it has not taken it.
    fn stage(&self, entry: &Arc<Entry>, key: Option<KeyRecord<'_>>) -> Result<Staged, Unavailable>;
}

/// The idempotency key of an event, and what its publisher was answered beside the event's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRecord<'a> {
    /// The key.
    pub key: &'a IdempotencyKey,
    /// How many subscribers the event reached.
    pub subscribers: usize,
}

/// Whether an event that a log has taken is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staged {
    /// It is, and so is everything before it.
    Committed,
    /// It will be, when the log calls [`Committer::commit`].
    Pending,
}

/// The log cannot take events, or cannot say whether it has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the log cannot take events now: {reason}")]
pub struct Unavailable {
    /// What is wrong, for the publisher.
    pub reason: String,
    /// How long it will last.
    pub kind: UnavailableKind,
    /// Whether the event may have been stored all the same. Repeating the request under the same idempotency key is safe.
    pub fate_unknown: bool,
}

/// How long a log will be unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnavailableKind {
    /// For a while.
    Temporary,
    /// Until there is room in its storage.
    Full,
    /// Until an operator has looked: its storage has failed.
    Failed,
}

/// What a log has when it is opened.
#[derive(Debug)]
pub struct Recovered {
    /// The epochs whose ids are valid.
    pub epochs: Epochs,
    /// The offset of the newest event that may ever have been given an offset. The next one gets the offset after it.
    pub newest: Offset,
    /// The events to have in memory, in order: of each topic the newest.
    pub entries: Vec<Arc<Entry>>,
    /// The newest event of a topic that is not among them, of each topic that has one.
    pub evicted: Vec<(Topic, Offset)>,
    /// Topics that are not named may have events up to here that are not among them.
    pub evicted_floor: Offset,
    /// The idempotency keys that still hold, oldest first.
    pub keys: Vec<RecoveredKey>,
}

/// An idempotency key that a log has recovered.
#[derive(Debug)]
pub struct RecoveredKey {
    /// The event that was published under it.
    pub entry: Arc<Entry>,
    /// The key.
    pub key: IdempotencyKey,
    /// How many subscribers the event reached.
    pub subscribers: usize,
}

/// The log's handle to its hub. Once the hub is dropped, it does nothing.
#[derive(Clone)]
pub struct Committer(Weak<Shared>);

impl Committer {
    pub(super) fn new(hub: &Arc<Shared>) -> Self {
        Self(Arc::downgrade(hub))
    }

    /// Commits every staged event up to an offset: readers see them from now on, and their publishers get their receipts.
    pub fn commit(&self, through: Offset) {
        if let Some(hub) = self.0.upgrade() {
            hub.commit(through);
        }
    }

    /// Fails every staged event.
    pub fn fail(&self, failure: &Unavailable) {
        if let Some(hub) = self.0.upgrade() {
            hub.fail_staged(failure);
        }
    }
}
