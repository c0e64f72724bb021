//! An event in the log, encoded once; and on its way there.

use std::time::SystemTime;

use bytes::Bytes;
use tokio::time::Instant;

use super::position::{Epoch, Offset};
use super::publication::Publication;
use super::topic::Topic;
use crate::protocol::event::{Event, EventType};
use crate::protocol::{END_EVENT, event_stream};

/// An event in the log.
#[derive(Debug)]
pub struct Entry {
    /// Its place.
    pub offset: Offset,
    /// The topic that it was published to.
    pub topic: Topic,
    /// The event itself.
    pub event: Event,
    /// The event in the event stream format, shared by everybody who reads it.
    pub frame: Bytes,
    /// When it was published, by the wall clock.
    pub published_at: SystemTime,
    /// Whether only those see it who may read the topic's private events.
    pub is_private: bool,
    /// Whether those see it who come later.
    pub is_kept: bool,
    /// Whether it is the topic's last event.
    pub is_end: bool,
    /// Whether its publisher gave it its id.
    pub(super) has_own_id: bool,
    appended_at: Instant,
}

/// An event that has no place yet: everything that can be done before the hub is locked has been done.
pub(super) struct Draft {
    publication: Publication,
    fields: String,
    is_end: bool,
}

impl Draft {
    /// Encodes a publication as far as that can be done without an id.
    pub(super) fn new(mut publication: Publication) -> Self {
        publication.data = event_stream::as_read(publication.data);
        let mut fields = String::with_capacity(publication.data.len() + 64);
        event_stream::push_fields(&mut fields, &publication.event_type, &publication.data);
        if let Some(retry) = publication.retry {
            event_stream::push_retry(&mut fields, retry.as_millis());
        }
        Self {
            publication,
            fields,
            is_end: false,
        }
    }

    /// The last event of a topic, whose data is the topic's name.
    pub(super) fn end(topic: &Topic) -> Self {
        let event_type = EventType::new(END_EVENT).unwrap_or_default();
        let publication = Publication {
            event_type,
            ..Publication::text(topic.as_str())
        };
        Self {
            is_end: true,
            ..Self::new(publication)
        }
    }

    pub(super) fn finish(self, topic: &Topic, epoch: &Epoch, offset: Offset) -> Entry {
        let Publication {
            id,
            event_type,
            data,
            retry: _,
            is_private,
            is_kept,
        } = self.publication;
        let has_own_id = id.is_some();
        let id = id.unwrap_or_else(|| epoch.id(offset));
        let mut frame = self.fields;
        event_stream::push_id_and_dispatch(&mut frame, &id);
        Entry {
            offset,
            topic: topic.clone(),
            event: Event {
                id,
                event_type,
                data,
            },
            frame: frame.into(),
            published_at: SystemTime::now(),
            is_private,
            is_kept,
            is_end: self.is_end,
            has_own_id,
            appended_at: Instant::now(),
        }
    }
}

impl Entry {
    /// What the event costs while it is in the log, in bytes: its texts, and its frame.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.event.id.as_str().len() + self.event.data.len() + self.frame.len()
    }

    /// When it entered the log.
    pub fn appended_at(&self) -> Instant {
        self.appended_at
    }

    /// Whether it was appended before a moment.
    pub(super) fn is_older_than(&self, moment: Instant) -> bool {
        self.appended_at < moment
    }
}
