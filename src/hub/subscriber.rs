//! A subscriber: a cursor into a topic's log. What has been published is read from the log at the reader's own pace,
//! so replay and live are one path and a slow reader costs no memory.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::log::{Entry, Found};
use super::position::Offset;
use super::{Channel, Hub};
use crate::protocol::EARLIEST;
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;

/// Where a subscriber starts to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the next event that is published.
    Now,
    /// With the oldest event that is kept.
    Earliest,
    /// With what came after this event.
    After(EventId),
}

/// What happens to a reader that is so slow that what it should read next is no longer kept, or that has taken nothing
/// for longer than the write timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SlowReader {
    /// Its stream ends; it comes back and resumes from its last event ID.
    Disconnect,
    /// It is told of the gap and goes on with the newest event.
    Skip,
    /// It goes on with the newest event and is told nothing: for values of which only the newest counts.
    Latest,
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
}

/// How much is taken from the log at once, in bytes of frames, so that its lock is not needed for every event of a
/// long replay.
const BATCH_BYTES: usize = 64 * 1_024;

/// A reader of one topic. It counts as a consumer of the topic until it is dropped.
pub struct Subscriber {
    hub: Hub,
    channel: Arc<Channel>,
    /// The newest event that has been read.
    cursor: Offset,
    /// Events that have been taken from the log and not yet been read.
    batch: VecDeque<Arc<Entry>>,
    /// The id that the reader knows the cursor by.
    position: EventId,
    slow_reader: SlowReader,
    /// What the reader asked for and did not get; read first.
    gap: Option<Gap>,
    appended: watch::Receiver<Offset>,
    subscribers: watch::Receiver<usize>,
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
    /// `newest` is the newest offset of all topics.
    pub(super) fn new(
        hub: Hub,
        channel: Arc<Channel>,
        start: &Start,
        newest: Offset,
        slow_reader: SlowReader,
    ) -> Self {
        let epoch = &hub.0.epoch;
        let appended = channel.appended.subscribe();
        let subscribers = channel.subscribers.subscribe();
        let (cursor, position, gap) = {
            let log = channel.log();
            let earliest = log.dropped_through();
            match start {
                Start::Now => (newest, epoch.id(newest), None),
                Start::Earliest => (earliest, epoch.id(earliest), None),
                Start::After(id) => {
                    let known = epoch.offset(id).or_else(|| log.find(id));
                    match known.filter(|offset| (earliest..=newest).contains(offset)) {
                        Some(offset) => (offset, id.clone(), None),
                        None => {
                            let resumed_from = epoch.id(earliest);
                            let gap = Gap {
                                requested: id.clone(),
                                resumed_from: resumed_from.clone(),
                            };
                            (earliest, resumed_from, Some(gap))
                        }
                    }
                }
            }
        };
        Self {
            hub,
            channel,
            cursor,
            batch: VecDeque::new(),
            position,
            slow_reader,
            gap,
            appended,
            subscribers,
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
        if self.gap.is_some()
            || !self.batch.is_empty()
            || *self.appended.borrow_and_update() > self.cursor
        {
            return;
        }
        // The sender lives in the channel that this subscriber holds, so it cannot be gone.
        let _ = self.appended.changed().await;
    }

    /// Reads on from the cursor.
    pub fn read(&mut self) -> Read {
        if let Some(gap) = self.take_gap() {
            return Read::Gap(gap);
        }
        if self.batch.is_empty() {
            let found = self.channel.log().after(self.cursor, BATCH_BYTES);
            match found {
                Found::Events(entries) => self.batch = entries,
                Found::Dropped => return self.fall_behind(),
            }
        }
        let Some(entry) = self.batch.pop_front() else {
            return Read::Nothing;
        };
        self.cursor = entry.offset;
        self.position.clone_from(&entry.event.id);
        Read::Event(entry)
    }

    /// Treats the reader as too slow: whatever it has not read yet but for the newest event is left out, or it is to be
    /// disconnected, as its policy says. A reader that has everything, or all but the newest, has lost nothing.
    pub fn fall_behind(&mut self) -> Read {
        if self.slow_reader == SlowReader::Disconnect {
            return Read::TooSlow;
        }
        self.batch.clear();
        let Some(target) = self.channel.log().before_newest(self.cursor) else {
            return self.read();
        };
        self.cursor = target;
        let requested = std::mem::replace(&mut self.position, self.hub.0.epoch.id(target));
        match self.slow_reader {
            SlowReader::Skip => Read::Gap(Gap {
                requested,
                resumed_from: self.position.clone(),
            }),
            SlowReader::Latest | SlowReader::Disconnect => self.read(),
        }
    }

    /// How many consumers the topic has, this one among them, as a value to watch.
    pub fn consumers(&self) -> watch::Receiver<usize> {
        self.subscribers.clone()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.hub.leave(&self.channel);
    }
}
