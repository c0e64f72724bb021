//! The order of events: which offset is next, and what is staged, that is, has an offset and is not committed yet.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::answers::{Commit, Publisher};
use super::entry::Entry;
use super::idempotency::KeyHash;
use super::position::Offset;
use super::topic::Topic;
use crate::protocol::event::EventId;

/// What has an offset and is not committed yet, in order. With a log that commits at once, there never is anything.
pub(super) struct Sequencer {
    /// The newest offset that an event has been given.
    newest: Offset,
    staged: VecDeque<StagedEvent>,
    /// The staged events of each topic.
    by_topic: HashMap<Topic, Vec<Arc<Entry>>>,
    /// Publishers that wait until everything up to an offset is committed, in the order of these offsets.
    waiting: VecDeque<(Offset, Publisher)>,
}

/// A staged event, and the idempotency key that its publisher gave.
pub(super) struct StagedEvent {
    pub(super) entry: Arc<Entry>,
    pub(super) key: Option<KeyHash>,
}

impl Sequencer {
    /// A sequencer that goes on after an offset.
    pub(super) fn new(newest: Offset) -> Self {
        Self {
            newest,
            staged: VecDeque::new(),
            by_topic: HashMap::new(),
            waiting: VecDeque::new(),
        }
    }

    /// The offset of the next event.
    pub(super) fn next(&self) -> Offset {
        self.newest.next()
    }

    /// An event that has been given a later offset, the next as a rule, is committed at once.
    pub(super) fn commit_at_once(&mut self, offset: Offset) {
        self.newest = offset;
    }

    /// An event that has been given the next offset is staged.
    pub(super) fn stage(&mut self, entry: Arc<Entry>, key: Option<KeyHash>) {
        self.newest = entry.offset;
        for topic in entry.topics() {
            let of_topic = self.by_topic.entry(topic.clone()).or_default();
            of_topic.push(Arc::clone(&entry));
        }
        self.staged.push_back(StagedEvent { entry, key });
    }

    /// Resolves when everything that is staged now has been committed; nothing if nothing is.
    pub(super) fn wait(&mut self) -> Option<Commit> {
        self.staged.back()?;
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back((self.newest, sender));
        Some(receiver)
    }

    /// How many topics have staged events.
    pub(super) fn topics(&self) -> usize {
        self.by_topic.len()
    }

    /// Whether an event is staged that ends a topic.
    pub(super) fn has_end(&self, topic: &Topic) -> bool {
        self.of(topic).any(|entry| entry.is_end)
    }

    /// Whether an event is staged for a topic with an id of its publisher's choice.
    pub(super) fn has_own_id(&self, topic: &Topic, id: &EventId) -> bool {
        self.of(topic)
            .any(|entry| entry.has_own_id && entry.event.id == *id)
    }

    /// The newest event to be retained that is staged for a topic, as a publisher sees it who does, or does not, see private
    /// events.
    pub(super) fn newest(&self, topic: &Topic, with_private: bool) -> Option<&Arc<Entry>> {
        self.of(topic)
            .rev()
            .find(|entry| !entry.is_ephemeral && (with_private || !entry.is_private))
    }

    /// Takes the oldest staged event, if its offset is at most `through`.
    pub(super) fn take(&mut self, through: Offset) -> Option<StagedEvent> {
        if self.staged.front()?.entry.offset > through {
            return None;
        }
        let event = self.staged.pop_front()?;
        for topic in event.entry.topics() {
            if let Some(of_topic) = self.by_topic.get_mut(topic) {
                of_topic.retain(|entry| entry.offset != event.entry.offset);
                if of_topic.is_empty() {
                    self.by_topic.remove(topic);
                }
            }
        }
        Some(event)
    }

    /// The publishers that waited for what has been taken by now.
    pub(super) fn take_waiting(&mut self) -> Vec<Publisher> {
        let through = match self.staged.front() {
            Some(staged) => staged.entry.offset.previous(),
            None => self.newest,
        };
        let due = self
            .waiting
            .partition_point(|(offset, _)| *offset <= through);
        self.waiting
            .drain(..due)
            .map(|(_, sender)| sender)
            .collect()
    }

    fn of(&self, topic: &Topic) -> impl DoubleEndedIterator<Item = &Arc<Entry>> {
        self.by_topic.get(topic).into_iter().flatten()
    }
}
