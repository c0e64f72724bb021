//! A hub whose log gives the order, since other hubs share it: how the hub proposes events, and applies what the log has
//! ordered. See [`SharedLog`] for the contract.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::channel::Matcher;
use super::entry::{Moment, UnsequencedEntry};
use super::log::shared::{Answer, OrderedEvent, Proposal, SharedLog};
use super::position::{Epochs, Offset};
use super::publish::{IdempotencyKey, Preconditions, PublishError, PublishReceipt, PublishRequest};
use super::topic::Topic;
use super::watch::TopicChange;
use super::{
    Channel, EndError, Entry, Hub, Progress, Reached, State, Submitted, Unavailable,
    UnavailableKind, UnknownTopic, answered, closed, notify, wall_clock,
};

/// What a proposal takes beside its texts, in bytes: the message that carries it, its place among those that wait, and the
/// task that waits for the answer.
const PROPOSAL_BYTES: usize = 1_024;

impl Hub {
    /// Proposes an event, unless the hub refuses it or knows the answer. Waits while the log has no room for another proposal.
    pub(super) async fn submit_to(
        &self,
        log: &dyn SharedLog,
        topic: &Topic,
        draft: UnsequencedEntry,
        conditions: Preconditions,
    ) -> Submitted {
        let publication = draft.into_publication();
        let progress = match self.begin_proposal(log, topic, publication).await {
            Ok((mut proposal, answer)) => {
                proposal.key = conditions.idempotency;
                proposal.expected = conditions.newest;
                match self.review(&mut proposal) {
                    Ok(None) => log.propose(proposal),
                    Ok(Some(first)) => proposal.answer(Ok(first)),
                    Err(error) => return refused(error),
                }
                Progress::Proposed(answer)
            }
            Err(error) => return refused(error),
        };
        Submitted(progress)
    }

    /// Ends a topic; see [`Hub::end`].
    pub(super) async fn end_in(&self, log: &dyn SharedLog, topic: &Topic) -> Result<(), EndError> {
        let last = UnsequencedEntry::end(topic).into_publication();
        let proposed = self.begin_proposal(log, topic, last).await;
        let (mut proposal, answer) = match proposed {
            Ok(proposed) => proposed,
            Err(PublishError::Unavailable(failure)) => return Err(failure.into()),
            Err(_) => return Err(closed().into()),
        };
        {
            let mut state = self.0.state.lock();
            let channel = state.current(topic, &self.0.retention);
            if self.has_ended(&state, topic, channel.as_deref()) {
                return Ok(());
            }
            if channel.is_none() && state.elsewhere.of_topic(topic) == 0 {
                return Err(UnknownTopic.into());
            }
            proposal.subscribers = state.reached_everywhere_by(&proposal);
            proposal.checked_through = self.committed();
        }
        proposal.is_end = true;
        log.propose(proposal);
        match answered(answer).await {
            // Another hub was quicker.
            Ok(_) | Err(PublishError::Ended) => Ok(()),
            Err(PublishError::Unavailable(failure)) => Err(failure.into()),
            Err(_) => Err(closed().into()),
        }
    }

    /// Commits events that the log has ordered.
    pub(super) fn apply_ordered(&self, events: Vec<OrderedEvent>, through: Offset) {
        let moment = Moment::now();
        let mut answers = Vec::new();
        let mut reached = Reached::new();
        let mut state = self.0.state.lock();
        // Offsets never go back, whatever the log says.
        let mut through = through.max(self.committed());
        for OrderedEvent {
            mut event,
            key,
            proposal,
        } in events
        {
            // The channel's own copy of the name, so that all its entries share one.
            if let Some(channel) = state.topics.get(&event.topic)
                && let Some(name) = channel.topic()
            {
                event.topic = name.clone();
            }
            let entry = Arc::new(event.restore(&self.0.epochs.read(), moment));
            through = through.max(entry.offset);
            for channel in state.apply(&entry, &self.0.retention) {
                channel.set_newest(entry.offset);
                if !reached.iter().any(|other| other.id == channel.id) {
                    reached.push(channel);
                }
            }
            if let Some((key, subscribers)) = &key {
                state.remember(&entry, key, *subscribers);
            }
            if let Some(proposal) = proposal {
                answers.push((receipt(&entry, &proposal), proposal));
            }
        }
        state.sequencer.commit_at_once(through);
        self.0.publish_committed(through, &[]);
        drop(state);
        notify(reached);
        for (receipt, proposal) in answers {
            proposal.answer(Ok(receipt));
        }
        if self.0.retention.is_overdue() {
            self.retain();
        }
    }

    /// Checks a proposal against what has been applied.
    ///
    /// # Errors
    ///
    /// [`PublishError`] if the event cannot be published.
    pub(super) fn check_proposal(&self, proposal: &Proposal) -> Result<(), PublishError> {
        let mut state = self.0.state.lock();
        if let Some(key) = &proposal.key {
            let (topic, publication) = (&proposal.topic, &proposal.publication);
            let first = state.idempotency.look_up(topic, key, publication)?;
            // The log has the first event, and repeats its answer. It has none that is lost.
            if first.is_ok_and(|first| first.offset > state.evicted_topics.floor()) {
                return Ok(());
            }
        }
        self.check_in(&mut state, proposal)
    }

    /// Checks everything of a proposal but its key.
    fn check_in(&self, state: &mut State, proposal: &Proposal) -> Result<(), PublishError> {
        let (topic, publication) = (&proposal.topic, &proposal.publication);
        self.check(state, topic, publication, &proposal.expected)
            .map(|_| ())
    }

    /// Answers a proposal whose key the log has seen in an event that has been applied.
    pub(super) fn repeat(&self, proposal: Proposal) {
        let mut state = self.0.state.lock();
        let first = match self.first_result(&mut state, &proposal) {
            Ok(Some(first)) => Ok(first),
            Ok(None) => Err(self.reason_for_none(&mut state, &proposal)),
            Err(error) => Err(error),
        };
        drop(state);
        proposal.answer(first);
    }

    /// Why the log has seen a proposal's key, and the hub no event under it.
    fn reason_for_none(&self, state: &mut State, proposal: &Proposal) -> PublishError {
        let checked = self.check_in(state, proposal);
        checked.err().unwrap_or_else(|| {
            let failure = Unavailable {
                reason: "an earlier request under this key came too late and was not published; use another key"
                    .to_owned(),
                kind: UnavailableKind::Temporary,
                fate_unknown: false,
            };
            failure.into()
        })
    }

    /// Ids stand for other offsets from now on.
    pub(super) fn set_epochs(&self, epochs: Epochs) {
        let _state = self.0.state.lock();
        *self.0.epochs.write() = epochs;
    }

    /// Forgets everything up to an offset, and counts it as lost.
    pub(super) fn lose_through(&self, through: Offset) {
        let mut state = self.0.state.lock();
        let through = through.max(self.committed());
        let channels = state.topics.values().chain(state.patterns.values());
        let channels: Vec<Arc<Channel>> = channels.cloned().collect();
        for channel in &channels {
            self.0.retention.lose_through(channel, through);
            channel.set_newest(through);
        }
        state.evicted_topics.raise_floor(through);
        state.sequencer.commit_at_once(through);
        self.0.publish_committed(through, &[]);
        drop(state);
        for channel in &channels {
            channel.notify(TopicChange::Events);
        }
        self.retain();
    }

    /// How many subscribers there are by topic and pattern.
    pub(super) fn subscribers_by_matcher(&self) -> HashMap<Matcher, usize> {
        let state = self.0.state.lock();
        let channels = state.topics.values().chain(state.patterns.values());
        channels
            .filter(|channel| channel.subscribers() > 0)
            .map(|channel| (channel.matcher.clone(), channel.subscribers()))
            .collect()
    }

    /// How many subscribers the other hubs have.
    pub(super) fn set_subscribers_elsewhere(&self, subscribers: &HashMap<Matcher, usize>) {
        let mut state = self.0.state.lock();
        let changed = state.elsewhere.set(subscribers);
        let channel = |of: &Matcher| match of {
            Matcher::Topic(topic) => state.topics.get(topic),
            Matcher::Pattern(pattern) => state.patterns.get(pattern),
        };
        let channels = changed.iter().filter_map(channel);
        let channels: Vec<Arc<Channel>> = channels.cloned().collect();
        for channel in &channels {
            channel.set_subscribers_elsewhere(state.elsewhere.of(&channel.matcher));
        }
        drop(state);
        for channel in channels {
            channel.notify(TopicChange::Subscribers);
        }
    }

    /// A proposal, as soon as the log has room for it.
    async fn begin_proposal(
        &self,
        log: &dyn SharedLog,
        topic: &Topic,
        publication: PublishRequest,
    ) -> Result<(Proposal, oneshot::Receiver<Answer>), PublishError> {
        log.health()?;
        // An event that is larger than all the room takes all of it.
        let bytes = PROPOSAL_BYTES + 2 * publication.data.len();
        let share = bytes.min(log.room_bytes());
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        let room = Arc::clone(log.room()).acquire_many_owned(share);
        let room = room.await.map_err(|_| Unavailable {
            fate_unknown: false,
            ..closed()
        })?;
        Ok(Proposal::new(topic, publication, room))
    }

    /// Checks a proposal for the first time. Gives the receipt if its key has one.
    fn review(&self, proposal: &mut Proposal) -> Result<Option<PublishReceipt>, PublishError> {
        let mut state = self.0.state.lock();
        if let Some(first) = self.first_result(&mut state, proposal)? {
            return Ok(Some(first));
        }
        proposal.holds = match self.check_in(&mut state, proposal) {
            Ok(()) => true,
            // The event that is expected may be one that this hub has not applied yet: the log has it checked again.
            Err(PublishError::Moved(_)) => false,
            Err(error) => return Err(error),
        };
        proposal.subscribers = state.reached_everywhere_by(proposal);
        proposal.checked_through = self.committed();
        Ok(None)
    }

    /// What a proposal's key has been answered, if it has been used.
    fn first_result(
        &self,
        state: &mut State,
        proposal: &Proposal,
    ) -> Result<Option<PublishReceipt>, PublishError> {
        let Some(key) = &proposal.key else {
            return Ok(None);
        };
        let publication = &proposal.publication;
        let known = state
            .idempotency
            .look_up(&proposal.topic, key, publication)?;
        Ok(known
            .ok()
            .map(|first| self.first_receipt(&proposal.topic, publication, first)))
    }
}

impl State {
    /// Remembers under which key an event was published.
    fn remember(&mut self, entry: &Entry, key: &IdempotencyKey, subscribers: usize) {
        let age = wall_clock::now().duration_since(entry.published_at);
        let first = (entry.offset, subscribers);
        let publication = entry.publication();
        self.idempotency.restore(
            &entry.topic,
            key,
            &publication,
            first,
            age.unwrap_or_default(),
        );
    }

    /// How many subscribers a proposed event will reach, here and elsewhere.
    fn reached_everywhere_by(&self, proposal: &Proposal) -> usize {
        self.reached_by(proposal.topics()) + self.elsewhere.reached_by(proposal.topics())
    }
}

fn receipt(entry: &Entry, proposal: &Proposal) -> PublishReceipt {
    PublishReceipt {
        id: entry.event.id.clone(),
        topic: entry.topic.clone(),
        subscribers: proposal.subscribers,
        is_repeat: false,
    }
}

fn refused(error: PublishError) -> Submitted {
    Submitted(Progress::Staged {
        answer: Err(error),
        commit: None,
    })
}
