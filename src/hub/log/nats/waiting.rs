//! Proposals that have no answer yet, by number.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, interval};

use super::{ANSWER_WITHIN, CLOSE_WITHIN, Node};
use crate::hub::log::shared::{Follower, Proposal, Unique};
use crate::hub::log::{Unavailable, UnavailableKind};
use crate::hub::publish::{PublishError, check_id};

/// How often it is looked for proposals that have waited for too long.
const PAUSE: Duration = Duration::from_millis(50);

/// The proposals that wait. The hub bounds them by the log's room.
#[derive(Default)]
pub(super) struct Waiting {
    last_number: AtomicU64,
    by_number: Mutex<HashMap<u64, Waiter>>,
    /// Proposals that the stream has refused since it has a message of the same kind, by that message's sequence. They are
    /// answered when the hub has applied it.
    repeats: Mutex<BTreeMap<u64, Vec<u64>>>,
    /// What the stream has said to a proposal that still waits, or to none.
    refusal: Mutex<Option<String>>,
}

struct Waiter {
    proposal: Proposal,
    since: Instant,
    /// Whether the stream may have it.
    is_sent: bool,
}

impl Waiting {
    /// A number for the next proposal.
    pub(super) fn number(&self) -> u64 {
        self.last_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes a proposal under its number.
    pub(super) fn add(&self, number: u64, proposal: Proposal) {
        let waiter = Waiter {
            proposal,
            since: Instant::now(),
            is_sent: false,
        };
        self.by_number.lock().insert(number, waiter);
    }

    /// Gives a proposal away, to be answered.
    pub(super) fn take(&self, number: u64) -> Option<Proposal> {
        let waiter = self.by_number.lock().remove(&number)?;
        Some(waiter.proposal)
    }

    /// The stream takes proposals.
    pub(super) fn accepted(&self) {
        *self.refusal.lock() = None;
    }

    /// The stream may have a proposal from now on. Returns how long its publisher still waits; nothing if it has been
    /// answered.
    pub(super) fn send(&self, number: u64) -> Option<Duration> {
        let mut by_number = self.by_number.lock();
        let waiter = by_number.get_mut(&number)?;
        waiter.is_sent = true;
        Some(ANSWER_WITHIN.saturating_sub(waiter.since.elapsed()))
    }

    /// Whether a proposal still waits.
    pub(super) fn has(&self, number: u64) -> bool {
        self.by_number.lock().contains_key(&number)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.by_number.lock().is_empty()
    }

    /// Looks at a proposal that still waits.
    pub(super) fn with<T>(&self, number: u64, look: impl FnOnce(&Proposal) -> T) -> Option<T> {
        let by_number = self.by_number.lock();
        Some(look(&by_number.get(&number)?.proposal))
    }

    /// The stream has a message with the same unique text as a proposal: it is the proposal's own, sent twice, or another's.
    /// What it means is known when the hub has applied that message.
    pub(super) fn is_repeat_of(&self, number: u64, sequence: u64) {
        self.repeats
            .lock()
            .entry(sequence)
            .or_default()
            .push(number);
    }

    /// Answers the proposals that waited for messages up to a sequence, which the hub has applied.
    pub(super) fn answer_repeats(&self, through: u64, follower: &Follower) {
        let mut repeats = self.repeats.lock();
        if repeats
            .first_key_value()
            .is_none_or(|(first, _)| *first > through)
        {
            return;
        }
        let later = repeats.split_off(&through.saturating_add(1));
        let due = std::mem::replace(&mut *repeats, later);
        drop(repeats);
        for number in due.into_values().flatten() {
            // Its own message, sent twice, has answered it.
            let Some(proposal) = self.take(number) else {
                continue;
            };
            match proposal.unique() {
                Some(Unique::OwnId(id)) => {
                    let id = check_id(id.to_owned());
                    match id {
                        Ok(id) => proposal.refuse(PublishError::DuplicateId(id)),
                        Err(_) => drop(proposal),
                    }
                }
                _ => follower.repeat(proposal),
            }
        }
    }

    /// The stream does not take a proposal now. The operator is told once, and publishers when they have waited for long enough.
    pub(super) fn refused(&self, reason: String) {
        let mut refusal = self.refusal.lock();
        if refusal.as_ref() != Some(&reason) {
            tracing::warn!("{reason}");
            *refusal = Some(reason);
        }
    }

    /// Fails a proposal, unless it has been answered.
    pub(super) fn fail(&self, number: u64, reason: &str) {
        let waiter = self.by_number.lock().remove(&number);
        if let Some(waiter) = waiter {
            waiter.fail(reason);
        }
    }

    /// Fails everything.
    pub(super) fn fail_all(&self, reason: &str) {
        let all = std::mem::take(&mut *self.by_number.lock());
        for waiter in all.into_values() {
            waiter.fail(reason);
        }
    }

    /// Fails what has waited for too long. Of the proposals that are sent in order, those behind it fail as well: a stream of
    /// events has no hole.
    fn expire(&self) {
        let mut by_number = self.by_number.lock();
        let is_over = |waiter: &Waiter| waiter.since.elapsed() >= ANSWER_WITHIN;
        let is_stuck = by_number
            .values()
            .any(|waiter| is_over(waiter) && !waiter.proposal.is_strict());
        let over = by_number
            .extract_if(|_, waiter| is_over(waiter) || is_stuck && !waiter.proposal.is_strict());
        let over: Vec<_> = over.collect();
        drop(by_number);
        if over.is_empty() {
            return;
        }
        let refusal = self.refusal.lock().clone();
        let reason = refusal
            .as_deref()
            .unwrap_or("the nats-server does not answer");
        for (_, waiter) in over {
            waiter.fail(reason);
        }
    }
}

impl Waiter {
    fn fail(self, reason: &str) {
        self.proposal.fail(Unavailable {
            reason: reason.to_owned(),
            kind: UnavailableKind::Temporary,
            fate_unknown: self.is_sent,
        });
    }
}

/// Fails what has waited for too long, until the log is closed.
pub(super) async fn expire(node: Arc<Node>) {
    let mut ticks = interval(PAUSE);
    let mut closing = None;
    loop {
        ticks.tick().await;
        node.waiting.expire();
        if node
            .follower()
            .is_some_and(|follower| !follower.is_wanted())
        {
            node.closed.cancel();
        }
        if node.closed.is_cancelled() {
            let since = *closing.get_or_insert_with(Instant::now);
            if node.waiting.is_empty() || since.elapsed() > CLOSE_WITHIN {
                return;
            }
        }
    }
}
