//! An event in the log: the facts that are kept of it; and an event on its way there. How it looks on the wire is decided
//! by its readers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::position::{Epochs, Offset};
use super::publish::PublishRequest;
use super::topic::Topic;
use super::wall_clock;
use crate::protocol::event::{Event, EventType};
use crate::protocol::{END_EVENT, event_stream};

/// What the allocator and the log's own tables take for each event, in bytes: four allocations, rounded up and with what the
/// allocator cannot use between them, and a slot in the topic's queue, which may be half empty. `tests/hostile/history.rs`
/// measures it.
const OVERHEAD_BYTES: usize = 4 * 32 + 2 * size_of::<usize>();

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
    /// When it was published, by the wall clock.
    pub published_at: SystemTime,
    /// Whether only readers that may read the topic's private events get it.
    pub is_private: bool,
    /// Whether it went to connected readers only, and is not retained.
    pub is_ephemeral: bool,
    /// Whether it is the topic's last event.
    pub is_end: bool,
    /// Whether its publisher gave it its id.
    pub has_own_id: bool,
    /// How long readers wait from now on before they connect again, if the publisher says so.
    pub retry: Option<Duration>,
    appended_at: Instant,
}

/// The index of the first event after a cursor, in events in their order. Most readers have read all but the newest event,
/// so that is looked at first: to halve a long queue finds most of it outside the processor's caches.
pub(super) fn index_after(entries: &VecDeque<Arc<Entry>>, cursor: Offset) -> usize {
    let is_read = |index: usize| {
        entries
            .get(index)
            .is_none_or(|entry| entry.offset <= cursor)
    };
    let newest = entries.len().saturating_sub(1);
    if is_read(newest) {
        entries.len()
    } else if newest == 0 || is_read(newest - 1) {
        newest
    } else {
        entries.partition_point(|entry| entry.offset <= cursor)
    }
}

/// An event that has no place yet: everything that can be done before the hub is locked has been done.
pub(super) struct UnsequencedEntry {
    publication: PublishRequest,
    is_end: bool,
}

impl UnsequencedEntry {
    /// Prepares a publication as far as that can be done without an id.
    pub(super) fn new(mut publication: PublishRequest) -> Self {
        publication.data = event_stream::as_read(publication.data);
        // A body that arrived in pieces may hold up to twice its length, for as long as the event is kept.
        publication.data.shrink_to_fit();
        Self {
            publication,
            is_end: false,
        }
    }

    /// The last event of a topic, whose data is the topic's name.
    pub(super) fn end(topic: &Topic) -> Self {
        let publication = PublishRequest {
            event_type: EventType::constant(END_EVENT),
            ..PublishRequest::text(topic.as_str())
        };
        Self {
            is_end: true,
            ..Self::new(publication)
        }
    }

    /// What is published, its data as a reader will see it.
    pub(super) fn publication(&self) -> &PublishRequest {
        &self.publication
    }

    /// What is published, its data as a reader will see it; whether it ends its topic is forgotten.
    pub(super) fn into_publication(self) -> PublishRequest {
        self.publication
    }

    /// The event at its offset, as of now.
    pub(super) fn finish(self, topic: &Topic, epochs: &Epochs, offset: Offset) -> Entry {
        self.finish_at(topic, epochs, offset, wall_clock::now(), Instant::now())
    }

    /// The event at its offset, published and appended at these times.
    fn finish_at(
        self,
        topic: &Topic,
        epochs: &Epochs,
        offset: Offset,
        published_at: SystemTime,
        appended_at: Instant,
    ) -> Entry {
        let PublishRequest {
            id,
            event_type,
            data,
            retry,
            is_private,
            is_ephemeral,
            also_in,
        } = self.publication;
        let has_own_id = id.is_some();
        let id = id.unwrap_or_else(|| epochs.id(offset));
        Entry {
            offset,
            topic: topic.clone(),
            also_in: also_in.into(),
            event: Event {
                id,
                event_type,
                data,
            },
            published_at,
            is_private,
            is_ephemeral,
            is_end: self.is_end,
            has_own_id,
            retry,
            appended_at,
        }
    }
}

/// The facts of an event as a log has stored them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredEvent {
    /// Its place.
    pub offset: Offset,
    /// The topic that it was published to.
    pub topic: Topic,
    /// What was published.
    pub publication: PublishRequest,
    /// Whether it is the topic's last event.
    pub is_end: bool,
    /// When it was published, by the wall clock.
    pub published_at: SystemTime,
}

/// One moment on the wall clock and on the monotonic clock: what ties the times of stored events to this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    wall: SystemTime,
    monotonic: Instant,
}

impl Moment {
    /// This moment.
    pub(super) fn now() -> Self {
        Self {
            wall: wall_clock::now(),
            monotonic: Instant::now(),
        }
    }

    /// When something was appended that has this time on the wall clock; now, if that time has not come yet.
    fn appended_at(self, published_at: SystemTime) -> Instant {
        let age = self.wall.duration_since(published_at).unwrap_or_default();
        self.monotonic.checked_sub(age).unwrap_or(self.monotonic)
    }
}

impl StoredEvent {
    /// The event as it was before the restart.
    pub(super) fn restore(self, epochs: &Epochs, now: Moment) -> Entry {
        let draft = UnsequencedEntry {
            publication: self.publication,
            is_end: self.is_end,
        };
        let appended_at = now.appended_at(self.published_at);
        draft.finish_at(
            &self.topic,
            epochs,
            self.offset,
            self.published_at,
            appended_at,
        )
    }
}

impl Entry {
    /// The request that published it.
    pub fn publication(&self) -> PublishRequest {
        PublishRequest {
            id: self.has_own_id.then(|| self.event.id.clone()),
            event_type: self.event.event_type.clone(),
            data: self.event.data.clone(),
            retry: self.retry,
            is_private: self.is_private,
            is_ephemeral: self.is_ephemeral,
            also_in: self.also_in.to_vec(),
        }
    }

    /// What the event costs while it is in the log, in bytes: its texts, and what the allocator and the log's
    /// tables add. The topic's name is not counted, since all events of a topic share it.
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
            + size_of_val(&*self.also_in)
    }

    /// All topics that it belongs to; the one that it was published to comes first.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        std::iter::once(&self.topic).chain(&self.also_in)
    }

    /// How many bytes its texts have, with some for each event: what a read of the log goes by.
    pub fn text_bytes(&self) -> usize {
        const OF_EACH_EVENT: usize = 16;
        OF_EACH_EVENT
            + self.event.id.as_str().len()
            + self.event.event_type.as_str().len()
            + self.event.data.len()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::position::Epoch;
    use crate::protocol::event::EventId;

    fn entry(publication: PublishRequest) -> Entry {
        let topic = Topic::new("a").expect("a topic");
        let epochs = Epochs::new(Epoch::new("e").expect("a name"));
        UnsequencedEntry::new(publication).finish(&topic, &epochs, Offset::from_number(7))
    }

    fn text(data: &str) -> PublishRequest {
        PublishRequest::text(data)
    }

    #[test]
    fn an_event_costs_its_texts_and_what_the_log_and_the_allocator_add() {
        let plain = entry(text("")).bytes();
        assert_eq!(plain, size_of::<Entry>() + 128 + 16 + "#e-7".len());
        assert_eq!(entry(text("12345")).bytes(), plain + 5);
        let own_id = PublishRequest {
            id: EventId::new("abcdef").ok(),
            ..text("")
        };
        assert_eq!(entry(own_id).bytes(), plain + 2 + 6 + 64);
        let typed = PublishRequest {
            event_type: EventType::new("news").expect("a type"),
            ..text("")
        };
        assert_eq!(entry(typed).bytes(), plain + 4);
        let also_in = vec![Topic::clock(), Topic::clock()];
        let of_three = PublishRequest {
            also_in,
            ..text("")
        };
        assert_eq!(entry(of_three).bytes(), plain + 2 * size_of::<Topic>());
    }

    #[test]
    fn the_texts_of_an_event_are_its_id_type_and_data() {
        let typed = PublishRequest {
            event_type: EventType::new("news").expect("a type"),
            ..text("12345")
        };
        assert_eq!(entry(typed).text_bytes(), 16 + "#e-7".len() + 4 + 5);
    }

    #[test]
    fn an_event_is_not_older_than_the_moment_at_which_it_was_appended() {
        let entry = entry(text(""));
        assert!(!entry.is_older_than(entry.appended_at()));
        assert!(entry.is_older_than(entry.appended_at() + Duration::from_nanos(1)));
    }

    #[test]
    fn the_last_event_of_a_topic_names_it() {
        let topic = Topic::new("a").expect("a topic");
        let epochs = Epochs::new(Epoch::new("e").expect("a name"));
        let end = UnsequencedEntry::end(&topic).finish(&topic, &epochs, Offset::from_number(7));
        assert!(end.is_end && !end.is_ephemeral && !end.is_private && !end.has_own_id);
        assert_eq!(end.event.event_type.as_str(), END_EVENT);
        assert_eq!(end.event.data, "a");
        assert!(!entry(text("")).is_end);
    }
}
