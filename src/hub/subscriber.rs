//! A subscriber: a cursor into the logs of one or more topics. What has been published is read from the logs at the
//! reader's own pace, in the order in which it was published, so replay and live are one path and a slow reader costs no
//! memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::select_all;
use tokio::sync::watch;

use super::log::{Entry, Found, TopicLog, View};
use super::position::Offset;
use super::topic::Topic;
use super::{Channel, Hub};
use crate::protocol::EARLIEST;
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;

/// What somebody wants to read.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The topics, at least one.
    pub topics: Vec<WantedTopic>,
    /// Where to start.
    pub start: Start,
    /// What happens if the reader is too slow.
    pub slow_reader: SlowReader,
}

/// A topic that somebody wants to read.
#[derive(Debug, Clone)]
pub struct WantedTopic {
    /// The topic.
    pub topic: Topic,
    /// Whether the reader may see the topic's private events.
    pub with_private: bool,
}

/// Where a subscriber starts to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the next event that is published.
    Now,
    /// With the oldest event that is kept.
    Earliest,
    /// With what came after this event.
    After(EventId),
    /// With so many of the newest events that are kept.
    Last(usize),
    /// With what was published at or after this moment, as far as it is kept.
    Since(SystemTime),
}

/// What happens to a reader that is so slow that what it should read next is no longer kept, or that has taken nothing
/// for longer than the write timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SlowReader {
    /// Its stream ends; it comes back and resumes from its last event ID.
    Disconnect,
    /// It is told of the gap and goes on with the newest event.
    Skip,
    /// It goes on with the newest event of each topic and is told nothing: for values of which only the newest counts.
    Latest,
}

/// Why somebody cannot subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The topics have ended, and the reader has everything.
    #[error("the topic has ended")]
    Ended,
    /// It would be one topic too many.
    #[error(
        "there are too many topics; subscribe to one that exists, or wait until others have been forgotten"
    )]
    TooManyTopics,
}

/// What a subscriber reads.
#[derive(Debug)]
pub enum Read {
    /// What came next.
    Event(Arc<Entry>),
    /// Everything has been read.
    Nothing,
    /// Events are missing; reading goes on after them.
    Gap(Gap),
    /// The reader was too slow and is to be disconnected.
    TooSlow,
    /// Everything has been read, and nothing will follow: all topics have ended.
    End,
}

/// How much is taken from a log at once, in bytes of frames, so that its lock is not needed for every event of a long
/// replay.
const BATCH_BYTES: usize = 64 * 1_024;

/// A reader of topics. It counts as a consumer of each until it is dropped.
pub struct Subscriber {
    hub: Hub,
    /// The topics that have not ended.
    sources: Vec<Source>,
    slow_reader: SlowReader,
    /// The newest event that was there when the reader came.
    replayed_through: Offset,
    /// Everything up to here has been read, or is not for this reader.
    cursor: Offset,
    /// Events that have been taken from the logs and not yet been read.
    batch: VecDeque<Arc<Entry>>,
    /// Where the cursor stands when the batch has been read.
    batch_through: Offset,
    /// The id that the reader knows the cursor by.
    position: EventId,
    /// What the reader asked for and did not get; read first.
    gap: Option<Gap>,
}

/// One topic of a subscriber.
struct Source {
    channel: Arc<Channel>,
    with_private: bool,
    /// What was dropped up to here is not missed: the reader did not ask for it, or has been told.
    forgiven_through: Offset,
    appended: watch::Receiver<Offset>,
}

impl Subscription {
    /// A reader of the public events of one topic.
    pub fn public(topic: Topic, start: Start, slow_reader: SlowReader) -> Self {
        Self {
            topics: vec![WantedTopic {
                topic,
                with_private: false,
            }],
            start,
            slow_reader,
        }
    }
}

impl Start {
    /// The start that a reader names by its last event ID.
    pub fn after(id: EventId) -> Self {
        if id.as_str() == EARLIEST {
            Self::Earliest
        } else {
            Self::After(id)
        }
    }
}

impl Subscriber {
    /// `newest` is the newest offset of all topics. The channels count this subscriber already.
    pub(super) fn new(
        hub: Hub,
        channels: Vec<(Arc<Channel>, bool)>,
        subscription: &Subscription,
        newest: Offset,
    ) -> Result<Self, SubscribeError> {
        let sources: Vec<_> = channels
            .into_iter()
            .map(|(channel, with_private)| {
                let appended = channel.appended.subscribe();
                let forgiven_through = channel.log().dropped_through();
                Source {
                    channel,
                    with_private,
                    forgiven_through,
                    appended,
                }
            })
            .collect();
        let mut subscriber = Self {
            position: hub.0.epoch.id(newest),
            hub,
            sources,
            slow_reader: subscription.slow_reader,
            replayed_through: newest,
            cursor: newest,
            batch: VecDeque::new(),
            batch_through: newest,
            gap: None,
        };
        subscriber.go_to(&subscription.start);
        subscriber.leave_what_has_been_read_to_its_end();
        match subscriber.sources.is_empty() {
            true => Err(SubscribeError::Ended),
            false => Ok(subscriber),
        }
    }

    /// The id after which the next event comes: what a reader that has seen nothing yet resumes from.
    pub fn position(&self) -> &EventId {
        &self.position
    }

    /// What the reader asked for and cannot get, once. Whoever does not take it reads it first.
    pub fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take()
    }

    /// Waits until there may be something to read. Dropping the future and calling again loses nothing.
    pub async fn ready(&mut self) {
        let cursor = self.cursor;
        let is_ready = self.gap.is_some()
            || !self.batch.is_empty()
            || self.sources.is_empty()
            || self
                .sources
                .iter_mut()
                .any(|source| *source.appended.borrow_and_update() > cursor);
        if is_ready {
            return;
        }
        // The senders live in channels that this subscriber holds, so none can be gone.
        if let [source] = self.sources.as_mut_slice() {
            let _ = source.appended.changed().await;
        } else {
            let _ = select_all(
                self.sources
                    .iter_mut()
                    .map(|source| Box::pin(source.appended.changed())),
            )
            .await;
        }
    }

    /// Reads on from the cursor.
    pub fn read(&mut self) -> Read {
        if let Some(gap) = self.take_gap() {
            return Read::Gap(gap);
        }
        if self.batch.is_empty() && !self.fill_batch() {
            return self.fall_behind();
        }
        self.read_from_batch()
    }

    /// Treats the reader as too slow: whatever it has not read yet but for the newest event is left out, or it is to be
    /// disconnected, as its policy says. A reader that has everything, or all but the newest, has lost nothing.
    pub fn fall_behind(&mut self) -> Read {
        if self.slow_reader == SlowReader::Disconnect {
            return Read::TooSlow;
        }
        if let Some(gap) = self.take_gap() {
            return Read::Gap(gap);
        }
        self.batch.clear();
        let committed = self.hub.committed();
        let mut has_lost = false;
        let mut waiting = 0;
        let mut newest = Vec::new();
        for source in &mut self.sources {
            let log = source.channel.log();
            has_lost |= self.cursor.max(source.forgiven_through) < log.dropped_through();
            source.forgiven_through = log.dropped_through();
            waiting += log.unread_up_to_two(self.cursor);
            let view = View {
                with_private: source.with_private,
                replayed_through: self.replayed_through,
            };
            let unread = log
                .newest_first(view)
                .find(|entry| entry.offset <= committed);
            newest.extend(unread.filter(|entry| entry.offset > self.cursor).cloned());
        }
        newest.sort_by_key(|entry| entry.offset);
        if !has_lost && waiting <= 1 {
            self.fill_batch();
            return self.read_from_batch();
        }
        let is_told = self.slow_reader == SlowReader::Skip;
        if is_told {
            newest.drain(..newest.len().saturating_sub(1));
        }
        let skipped_through = newest
            .first()
            .map_or(committed, |entry| entry.offset.previous());
        let resumed_from = self.hub.0.epoch.id(skipped_through);
        self.cursor = skipped_through;
        self.batch = newest.into();
        self.batch_through = committed;
        let requested = std::mem::replace(&mut self.position, resumed_from.clone());
        match is_told {
            true => Read::Gap(Gap {
                requested,
                resumed_from,
            }),
            false => self.read_from_batch(),
        }
    }

    /// How many consumers the first of the topics has, this one among them, as a value to watch.
    pub fn consumers(&self) -> Option<watch::Receiver<usize>> {
        self.sources
            .first()
            .map(|source| source.channel.subscribers.subscribe())
    }

    fn go_to(&mut self, start: &Start) {
        let logs: Vec<_> = self
            .sources
            .iter()
            .map(|source| source.channel.log())
            .collect();
        let earliest = logs
            .iter()
            .map(|log| log.dropped_through())
            .min()
            .unwrap_or(Offset::START);
        let target = match start {
            Start::Now => self.replayed_through,
            Start::Earliest => earliest,
            Start::Last(count) => {
                let views = self
                    .sources
                    .iter()
                    .map(|source| View::of_the_past(source.with_private));
                before_the_newest(*count, logs.iter().zip(views)).unwrap_or(self.replayed_through)
            }
            Start::Since(moment) => {
                let firsts = logs.iter().filter_map(|log| log.first_since(*moment));
                firsts.min().map_or(self.replayed_through, Offset::previous)
            }
            Start::After(id) => {
                let known = self.hub.0.epoch.offset(id);
                let known = known.or_else(|| logs.iter().find_map(|log| log.find(id)));
                let known = known.filter(|offset| *offset <= self.replayed_through);
                // After the newest loss of any topic nothing is missing.
                let lost_through = logs.iter().map(|log| log.dropped_through()).max();
                let lost_through = lost_through.unwrap_or(Offset::START);
                if known.is_none_or(|offset| offset < lost_through) {
                    let resumed_from = self.hub.0.epoch.id(lost_through);
                    self.gap = Some(Gap {
                        requested: id.clone(),
                        resumed_from,
                    });
                }
                known.unwrap_or(earliest)
            }
        };
        drop(logs);
        self.cursor = target;
        self.position = match (start, &self.gap) {
            (_, Some(gap)) => gap.resumed_from.clone(),
            // The publisher's own id stays what the reader knows.
            (Start::After(id), None) => id.clone(),
            _ => self.hub.0.epoch.id(target),
        };
    }

    /// Takes what comes next from the logs, in the order of publication. Fails if something is no longer there.
    fn fill_batch(&mut self) -> bool {
        // Read before the logs are, so that what is taken from one is not newer than what another does not have yet.
        let committed = self.hub.committed();
        let mut merged = Vec::new();
        let mut merged_through = committed.max(self.cursor);
        for source in &self.sources {
            let cursor = self.cursor.max(source.forgiven_through);
            let view = View {
                with_private: source.with_private,
                replayed_through: self.replayed_through,
            };
            match source
                .channel
                .log()
                .after(cursor, committed, view, BATCH_BYTES)
            {
                Found::Events { entries, through } => {
                    merged_through = merged_through.min(through.max(self.cursor));
                    merged.extend(entries);
                }
                Found::Dropped => return false,
            }
        }
        merged.retain(|entry| entry.offset <= merged_through);
        if self.sources.len() > 1 {
            merged.sort_by_key(|entry| entry.offset);
        }
        self.batch = merged.into();
        self.batch_through = merged_through;
        true
    }

    fn read_from_batch(&mut self) -> Read {
        let Some(entry) = self.batch.pop_front() else {
            self.cursor = self.cursor.max(self.batch_through);
            return if self.sources.is_empty() {
                Read::End
            } else {
                Read::Nothing
            };
        };
        self.cursor = if self.batch.is_empty() {
            self.batch_through
        } else {
            entry.offset
        };
        self.position.clone_from(&entry.event.id);
        if entry.is_end {
            self.leave(|source| source.channel.topic == entry.topic);
        }
        Read::Event(entry)
    }

    fn leave_what_has_been_read_to_its_end(&mut self) {
        let cursor = self.cursor;
        self.leave(|source| {
            let log: &TopicLog = &source.channel.log();
            log.has_ended() && log.newest().is_none_or(|end| end.offset <= cursor)
        });
    }

    fn leave(&mut self, is_over: impl Fn(&Source) -> bool) {
        let hub = &self.hub;
        self.sources.retain(|source| {
            let is_over = is_over(source);
            if is_over {
                hub.leave(&source.channel);
            }
            !is_over
        });
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.leave(|_| true);
    }
}

/// The place before the `count` newest events of several logs together, or none if they have no events.
fn before_the_newest<'a>(
    count: usize,
    logs: impl Iterator<Item = (&'a std::sync::MutexGuard<'a, TopicLog>, View)>,
) -> Option<Offset> {
    let mut newest: Vec<_> = logs
        .flat_map(|(log, view)| log.newest_first(view).take(count).map(|entry| entry.offset))
        .collect();
    newest.sort_unstable_by(|a, b| b.cmp(a));
    newest.truncate(count);
    newest.last().map(|offset| offset.previous())
}
