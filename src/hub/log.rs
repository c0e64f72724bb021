//! What is kept of one topic: its newest events, in order, each encoded once. How much is kept is decided by the hub.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::Publication;
use super::position::{Epoch, Offset};
use crate::protocol::event::{Event, EventId};
use crate::protocol::event_stream;

/// An event in the log.
#[derive(Debug)]
pub struct Entry {
    /// Its place.
    pub offset: Offset,
    /// The event itself.
    pub event: Event,
    /// The event in the event stream format, shared by everybody who reads it.
    pub frame: Bytes,
    /// When it entered the log.
    pub appended_at: Instant,
}

/// An event that has no place yet: everything that can be done before the hub is locked has been done.
pub(super) struct Draft {
    id: Option<EventId>,
    event: Publication,
    fields: String,
}

/// A topic's events, oldest first.
#[derive(Debug)]
pub(super) struct TopicLog {
    entries: VecDeque<Arc<Entry>>,
    dropped_through: Offset,
}

/// What a reader with a cursor finds.
pub(super) enum Found {
    /// The events after the cursor, oldest first; none if there are none yet.
    Events(VecDeque<Arc<Entry>>),
    /// Events after the cursor have been dropped.
    Dropped,
}

impl Entry {
    /// Encodes a publication as far as that can be done without an id.
    pub(super) fn draft(mut publication: Publication) -> Draft {
        publication.data = event_stream::as_read(publication.data);
        let mut fields = String::with_capacity(publication.data.len() + 64);
        event_stream::push_fields(&mut fields, &publication.event_type, &publication.data);
        Draft {
            id: publication.id.clone(),
            event: publication,
            fields,
        }
    }

    /// What the event costs while it is kept, in bytes: its texts, and its frame.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.event.id.as_str().len() + self.event.data.len() + self.frame.len()
    }
}

impl Draft {
    pub(super) fn finish(self, epoch: &Epoch, offset: Offset, appended_at: Instant) -> Entry {
        let id = self.id.unwrap_or_else(|| epoch.id(offset));
        let mut frame = self.fields;
        event_stream::push_id_and_dispatch(&mut frame, &id);
        let event = Event {
            id,
            event_type: self.event.event_type,
            data: self.event.data,
        };
        Entry {
            offset,
            event,
            frame: frame.into(),
            appended_at,
        }
    }
}

impl TopicLog {
    /// An empty log that counts everything up to `dropped_through` as lost.
    pub(super) fn new(dropped_through: Offset) -> Self {
        Self {
            entries: VecDeque::new(),
            dropped_through,
        }
    }

    /// Appends an event, whose offset is higher than any before it.
    pub(super) fn push(&mut self, entry: Arc<Entry>) {
        self.entries.push_back(entry);
    }

    pub(super) fn drop_oldest(&mut self) -> Option<Arc<Entry>> {
        let entry = self.entries.pop_front()?;
        self.dropped_through = entry.offset;
        Some(entry)
    }

    pub(super) fn oldest(&self) -> Option<&Entry> {
        self.entries.front().map(AsRef::as_ref)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The newest event that is no longer kept. Whoever has read up to here has missed nothing.
    pub(super) fn dropped_through(&self) -> Offset {
        self.dropped_through
    }

    /// The newest events, at most `count`, oldest first.
    pub(super) fn newest(&self, count: usize) -> Vec<Arc<Entry>> {
        let skipped = self.entries.len().saturating_sub(count);
        self.entries.iter().skip(skipped).cloned().collect()
    }

    /// Where a reader goes on that is to see nothing but the newest event, or none if it would skip nothing.
    pub(super) fn before_newest(&self, cursor: Offset) -> Option<Offset> {
        let mut newest_first = self.entries.iter().rev().map(|entry| entry.offset);
        let target = newest_first
            .next()
            .map_or(self.dropped_through, Offset::previous);
        let skipped = newest_first.next().unwrap_or(self.dropped_through);
        (cursor < skipped).then_some(target)
    }

    /// The place of the newest event whose publisher gave it this id.
    pub(super) fn find(&self, id: &EventId) -> Option<Offset> {
        self.entries
            .iter()
            .rev()
            .find(|entry| entry.event.id == *id)
            .map(|entry| entry.offset)
    }

    /// The events after a cursor: at least one if there is any, and no more than fit into `max_bytes` of frames.
    pub(super) fn after(&self, cursor: Offset, max_bytes: usize) -> Found {
        if cursor < self.dropped_through {
            return Found::Dropped;
        }
        let start = self.entries.partition_point(|entry| entry.offset <= cursor);
        let mut bytes = 0;
        let events = self.entries.iter().skip(start).take_while(|entry| {
            let fits = bytes == 0 || bytes + entry.frame.len() <= max_bytes;
            bytes += entry.frame.len();
            fits
        });
        Found::Events(events.cloned().collect())
    }
}
