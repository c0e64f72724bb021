//! An event in the log, encoded once; and on its way there.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::time::Instant;

use super::position::{Epochs, Offset};
use super::publication::Publication;
use super::topic::Topic;
use crate::protocol::event::{Event, EventType};
use crate::protocol::{END_EVENT, event_stream};

/// Room in a frame for the log's own id and the names of fields beside `data`, in bytes, so that a frame is written into
/// memory of its final size.
const RESERVED_BYTES: usize = 48;

/// What the allocator and the log's own tables take for each event, in bytes: five allocations, rounded up and with what the
/// allocator cannot use between them, and a slot in the topic's queue, which may be half empty. `tests/hostile/history.rs`
/// measures it.
const OVERHEAD_BYTES: usize = 5 * 32 + 2 * size_of::<usize>();

/// What the index of a topic's own ids takes for each id, beside the id, in bytes.
const OWN_ID_BYTES: usize = 64;

/// An event in the log.
#[derive(Debug)]
pub struct Entry {
    /// Its place.
    pub offset: Offset,
    /// The topic that it was published to.
    pub topic: Topic,
    /// Other topics that it belongs to as well.
    pub also_in: Box<[Topic]>,
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
    pub has_own_id: bool,
    /// How long readers wait from now on before they connect again, if the publisher says so.
    pub retry: Option<Duration>,
    frame_capacity: usize,
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
        // A body that arrived in pieces may hold up to twice its length, for as long as the event is kept.
        publication.data.shrink_to_fit();
        let lines = memchr::memchr_iter(b'\n', publication.data.as_bytes()).count() + 1;
        let field_names = lines * "data: \n".len() + publication.event_type.as_str().len();
        let id_bytes = publication.id.as_ref().map_or(0, |id| id.as_str().len());
        let capacity = publication.data.len() + field_names + id_bytes + RESERVED_BYTES;
        let mut fields = String::with_capacity(capacity);
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
        let publication = Publication {
            event_type: EventType::constant(END_EVENT),
            ..Publication::text(topic.as_str())
        };
        Self {
            is_end: true,
            ..Self::new(publication)
        }
    }

    /// What is published, its data as a reader will see it.
    pub(super) fn publication(&self) -> &Publication {
        &self.publication
    }

    /// The event at its offset.
    pub(super) fn finish(self, topic: &Topic, epochs: &Epochs, offset: Offset) -> Entry {
        let Publication {
            id,
            event_type,
            data,
            retry,
            is_private,
            is_kept,
            also_in,
        } = self.publication;
        let has_own_id = id.is_some();
        let id = id.unwrap_or_else(|| epochs.id(offset));
        let mut frame = self.fields;
        event_stream::push_id_and_dispatch(&mut frame, &id);
        let frame_capacity = frame.capacity();
        Entry {
            offset,
            topic: topic.clone(),
            also_in: also_in.into(),
            event: Event {
                id,
                event_type,
                data,
            },
            frame: frame.into(),
            frame_capacity,
            published_at: SystemTime::now(),
            is_private,
            is_kept,
            is_end: self.is_end,
            has_own_id,
            retry,
            appended_at: Instant::now(),
        }
    }
}

impl Entry {
    /// What the event costs while it is in the log, in bytes: its texts, its frame, and what the allocator and the
    /// log's tables add. The topic's name is not counted, since all events of a topic share it.
    pub fn bytes(&self) -> usize {
        let id = self.event.id.as_str().len();
        let own_id = if self.has_own_id {
            id + OWN_ID_BYTES
        } else {
            0
        };
        size_of::<Self>()
            + OVERHEAD_BYTES
            + id
            + own_id
            + self.event.event_type.heap_bytes()
            + self.event.data.capacity()
            + self.frame_capacity
            + size_of_val(&*self.also_in)
    }

    /// All topics that it belongs to; the one that it was published to comes first.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        std::iter::once(&self.topic).chain(&self.also_in)
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
