//! A batch: what one read of the log gives, shared by all subscribers that stand at the same cursor. Its wire forms are
//! made once for all of them, by the first that asks:
//!
//! ```text
//! let encoded = batch.encoded(format, || encode(batch.entries()));   // an Arc, the same for every caller
//! ```
//!
//! A batch keeps its wire forms weakly. A writer holds the form that it is writing; a reader that stalls keeps the batch,
//! whose events are the log's own memory, and lets go of the form. What the formats are is decided outside the hub.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::entry::Entry;
use super::position::Offset;

/// Events that follow each other in the log, as one kind of reader sees them: at least one.
#[derive(Debug)]
pub struct Batch {
    entries: Vec<Arc<Entry>>,
    /// Where a cursor stands when it has read them. Events after the last one may be hidden from this kind of reader.
    through: Offset,
    text_bytes: usize,
    /// Whether one of them is the last of its topic.
    has_end: bool,
    /// The wire forms that have been asked for, few as a rule. A std mutex, since it is never held across an await.
    encodings: Mutex<Vec<(Format, Weak<dyn Any + Send + Sync>)>>,
}

/// Names a wire form of batches. The hub compares formats and knows nothing else of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format(pub u8);

/// Whether a topic of an event has its end among earlier events.
pub(super) fn ends_before(earlier: &[Arc<Entry>], entry: &Entry) -> bool {
    let mut ends = earlier.iter().filter(|earlier| earlier.is_end);
    ends.any(|end| entry.topics().any(|topic| *topic == end.topic))
}

impl Batch {
    pub(super) fn new(entries: Vec<Arc<Entry>>, through: Offset) -> Self {
        Self {
            text_bytes: entries.iter().map(|entry| entry.text_bytes()).sum(),
            has_end: entries.iter().any(|entry| entry.is_end),
            entries,
            through,
            encodings: Mutex::default(),
        }
    }

    /// The events, in the order in which they were published.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// How many bytes the events' texts have together, as [`Entry::text_bytes`] counts them.
    pub fn text_bytes(&self) -> usize {
        self.text_bytes
    }

    /// The batch in a format: what `encode` gives, which is called unless another caller still holds the result.
    pub fn encoded<E: Send + Sync + 'static>(
        &self,
        format: Format,
        encode: impl FnOnce() -> E,
    ) -> Arc<E> {
        let mut encodings = self
            .encodings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = encodings.iter().position(|(known, _)| *known == format);
        let made = known.and_then(|index| encodings[index].1.upgrade());
        if let Some(Ok(encoded)) = made.map(|made| made.downcast()) {
            return encoded;
        }
        // Encoded under the lock: another thread that wants the same would otherwise do the same work.
        let encoded = Arc::new(encode());
        let shared: Arc<dyn Any + Send + Sync> = Arc::<E>::clone(&encoded);
        let kept = Arc::downgrade(&shared);
        match known {
            Some(index) => encodings[index].1 = kept,
            None => encodings.push((format, kept)),
        }
        encoded
    }

    pub(super) fn through(&self) -> Offset {
        self.through
    }

    /// The last events of topics that have ended.
    pub(super) fn ends(&self) -> impl Iterator<Item = &Arc<Entry>> {
        // Every reader asks, and hardly ever is there one.
        let searched = if self.has_end {
            self.entries.as_slice()
        } else {
            &[]
        };
        searched.iter().filter(|entry| entry.is_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::entry::UnsequencedEntry;
    use crate::hub::position::{Epoch, Epochs};
    use crate::hub::publish::PublishRequest;
    use crate::hub::topic::Topic;

    #[test]
    fn a_format_is_encoded_once_for_as_long_as_the_result_is_held() {
        let batch = Batch::new(Vec::new(), Offset::START);
        let first = batch.encoded(Format(1), || "one".to_owned());
        let again = batch.encoded(Format(1), || unreachable!());
        assert!(Arc::ptr_eq(&first, &again));
        let other = batch.encoded(Format(2), || 2);
        assert_eq!((first.as_str(), *other), ("one", 2));
        drop((first, again));
        assert_eq!(*batch.encoded(Format(1), || "new".to_owned()), "new");
    }

    #[test]
    fn the_texts_of_a_batch_are_those_of_its_events() {
        let entry = |text: &str| {
            let topic = Topic::new("a").expect("a topic");
            let draft = UnsequencedEntry::new(PublishRequest::text(text));
            let epochs = Epochs::new(Epoch::new("e").expect("a name"));
            Arc::new(draft.finish(&topic, &epochs, Offset::from_number(1)))
        };
        let entries = vec![entry("one"), entry("three")];
        let bytes: usize = entries.iter().map(|entry| entry.text_bytes()).sum();
        let batch = Batch::new(entries, Offset::from_number(9));
        assert_eq!(batch.text_bytes(), bytes);
        assert_eq!(batch.through(), Offset::from_number(9));
        assert_eq!(batch.ends().count(), 0);
    }
}
