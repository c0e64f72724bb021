//! Where a message of the stream stands: its offset, and the epoch that its id belongs to.
//!
//! An offset is the message's sequence in the stream, as long as the stream's sequences only grow. After a power cut they may
//! not, and a stream that has been made again begins with 1; offsets never go back (readers rest on that), so from such a loss
//! on they are shifted by a number. A marker in the stream tells every node of the shift and of the new epoch, at one place in
//! the one order.
//!
//! Every node that starts begins an epoch as well: it has no memory that could show whether the stream lost its end while no
//! node was there. That costs readers nothing, since all ids before the marker stay valid.

use serde::{Deserialize, Serialize};

use crate::hub::position::{Epoch, Epochs, Offset};

/// How many epochs a marker names. Older ids become unknown.
const MAX_EPOCHS: usize = 64;

/// The payload of a marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    /// The epoch that begins with the marker; without one, the marker repeats what is known, before that expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) begins: Option<String>,
    /// What is added to a sequence from the marker on.
    pub(super) shift: u64,
    /// Whether events before it are lost that readers may have been shown, or should have been.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) has_lost: bool,
    /// The epochs before it.
    pub(super) before: Vec<Range>,
}

/// The messages that an epoch has, from one on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Range {
    pub(super) epoch: String,
    /// The first message's sequence.
    pub(super) sequence: u64,
    /// What is added to a sequence to get an offset.
    pub(super) shift: u64,
    /// Whether it began because of a loss.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) has_lost: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Marker {
    /// The epoch begins because of a loss: its offset comes after every one up to `shown`, which readers may have seen, if the
    /// stream's newest message is `last_sequence` or a later one. One offset in between stands for what nobody can know of:
    /// who has read everything up to `shown` has missed it.
    pub(super) fn after_loss(mut self, last_sequence: u64, shown: Offset) -> Self {
        self.has_lost = true;
        let unknown = shown.next();
        self.shift = self
            .shift
            .max(unknown.number().saturating_sub(last_sequence));
        self
    }
}

impl Range {
    fn first(&self) -> Offset {
        Offset::from_number(self.sequence.saturating_add(self.shift))
    }
}

/// The places of all messages in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// In order; there is at least one, which covers everything before it too.
    ranges: Vec<Range>,
    /// The newest marker's sequence.
    pub(super) marker: u64,
}

impl Places {
    /// What a marker at a sequence says. Nothing if it says nothing that can be true.
    pub(super) fn of(marker: Marker, sequence: u64) -> Option<Self> {
        let mut ranges = marker.before;
        if let Some(epoch) = marker.begins {
            ranges.push(Range {
                epoch,
                sequence,
                shift: marker.shift,
                has_lost: marker.has_lost,
            });
        }
        let places = Self {
            ranges,
            marker: sequence,
        };
        let is_ordered = places
            .ranges
            .windows(2)
            .all(|pair| pair[0].sequence < pair[1].sequence && pair[0].shift <= pair[1].shift);
        (is_ordered && places.epochs().is_some()).then_some(places)
    }

    /// The epochs that ids belong to.
    pub(super) fn epochs(&self) -> Option<Epochs> {
        let range = |range: &Range| Some((Epoch::new(&range.epoch)?, range.first()));
        Epochs::of(self.ranges.iter().map(range).collect::<Option<_>>()?)
    }

    /// The name of the newest epoch.
    pub(super) fn epoch(&self) -> &str {
        self.ranges.last().map_or("", |range| &range.epoch)
    }

    /// Whether there is an epoch of this name.
    pub(super) fn has(&self, epoch: &str) -> bool {
        self.ranges.iter().any(|range| range.epoch == epoch)
    }

    /// The marker of the newest loss: the first message that follows it.
    pub(super) fn newest_loss(&self) -> Option<u64> {
        self.lossy_range().map(|range| range.sequence)
    }

    /// Every event up to here counts as lost for a reader that has not read it.
    pub(super) fn lost_through(&self) -> Offset {
        self.lossy_range()
            .map_or(Offset::START, |range| range.first().previous())
    }

    /// The newest epoch that began because of a loss.
    fn lossy_range(&self) -> Option<&Range> {
        self.ranges.iter().rev().find(|range| range.has_lost)
    }

    /// The offset of a message.
    pub(super) fn offset(&self, sequence: u64) -> Offset {
        let later = self
            .ranges
            .partition_point(|range| range.sequence <= sequence);
        let range = self.ranges.get(later.saturating_sub(1));
        let shift = range.map_or(0, |range| range.shift);
        Offset::from_number(sequence.saturating_add(shift))
    }

    /// The first sequence whose offset comes after another.
    pub(super) fn sequence_after(&self, offset: Offset) -> u64 {
        let next = offset.number().saturating_add(1);
        for (number, range) in self.ranges.iter().enumerate() {
            let first = if number == 0 { 1 } else { range.sequence };
            let sequence = next.saturating_sub(range.shift).max(first);
            let end = self.ranges.get(number + 1).map(|next| next.sequence);
            if end.is_none_or(|end| sequence < end) {
                return sequence;
            }
        }
        next
    }

    /// The marker to publish when an epoch begins at the end of this stream, whose oldest message is `first_sequence`.
    pub(super) fn next_marker(former: Option<&Self>, epoch: String, first_sequence: u64) -> Marker {
        let before = former.map_or_else(Vec::new, |former| former.known(first_sequence));
        Marker {
            begins: Some(epoch),
            shift: before.last().map_or(0, |range| range.shift),
            has_lost: false,
            before,
        }
    }

    /// The marker that repeats what is known.
    pub(super) fn repeated(&self, first_sequence: u64) -> Marker {
        Marker {
            begins: None,
            shift: self.ranges.last().map_or(0, |range| range.shift),
            has_lost: false,
            before: self.known(first_sequence),
        }
    }

    /// The newest epochs that still have messages.
    fn known(&self, first_sequence: u64) -> Vec<Range> {
        let ends = self.ranges.iter().skip(1).map(|range| range.sequence);
        let ends = ends.chain(std::iter::once(u64::MAX));
        let mut known: Vec<_> = self
            .ranges
            .iter()
            .zip(ends)
            .filter(|(_, end)| *end > first_sequence)
            .map(|(range, _)| range.clone())
            .collect();
        known.drain(..known.len().saturating_sub(MAX_EPOCHS - 1));
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u64) -> Offset {
        Offset::from_number(number)
    }

    fn begin(former: Option<&Places>, epoch: &str, last: u64, shown: u64) -> Places {
        let mut marker = Places::next_marker(former, epoch.to_owned(), 1);
        if shown > last {
            marker = marker.after_loss(last, at(shown));
        }
        let json = serde_json::to_string(&marker).expect("JSON");
        let read = serde_json::from_str(&json).expect("a marker");
        assert_eq!(marker, read);
        Places::of(marker, last + 1).expect("places")
    }

    #[test]
    fn offsets_are_the_sequences_as_long_as_these_only_grow() {
        let first = begin(None, "a", 0, 0);
        let second = begin(Some(&first), "b", 9, 9);
        for sequence in [1, 5, 9, 10, 11, 1_000] {
            assert_eq!(second.offset(sequence), at(sequence));
            assert_eq!(second.sequence_after(at(sequence - 1)), sequence);
        }
        let epochs = second.epochs().expect("epochs");
        assert_eq!(epochs.id(at(9)).as_str(), "#a-9");
        assert_eq!(epochs.id(at(10)).as_str(), "#b-10");
    }

    #[test]
    fn an_epoch_of_another_node_may_come_between_and_a_name_is_not_taken_again() {
        let first = begin(None, "a", 0, 0);
        let second = begin(Some(&first), "b", 1, 1);
        assert!(second.has("a") && second.has("b") && !second.has("c"));
        let again = Places::next_marker(Some(&second), "a".to_owned(), 1);
        assert_eq!(Places::of(again, 3), None);
        assert_eq!(begin(Some(&second), "c", 2, 2).epoch(), "c");
    }

    #[test]
    fn after_sequences_went_back_offsets_go_on_beyond_every_one_that_was_shown() {
        let first = begin(None, "a", 0, 0);
        // Readers were shown events up to 100; the stream has forgotten what came after 90.
        let second = begin(Some(&first), "b", 90, 100);
        assert_eq!(second.offset(90), at(90));
        assert_eq!(second.offset(91), at(102));
        for (offset, sequence) in [(89, 90), (90, 91), (95, 91), (101, 91), (102, 92)] {
            assert_eq!(second.sequence_after(at(offset)), sequence, "{offset}");
        }
        assert_eq!(
            second.lost_through(),
            at(101),
            "who has read 100 has missed something as well"
        );
        let third = begin(Some(&second), "c", 95, 60);
        assert_eq!(third.offset(96), at(107), "a shift never shrinks");
        assert_eq!(third.lost_through(), at(101), "no other loss");
    }

    #[test]
    fn a_stream_that_was_made_again_begins_beyond_every_offset_that_was_shown() {
        let again = begin(None, "b", 0, 100);
        assert_eq!(again.offset(1), at(102));
        assert_eq!(again.sequence_after(at(40)), 1);
        assert_eq!(again.sequence_after(at(102)), 2);
        let epochs = again.epochs().expect("epochs");
        let old = crate::protocol::event::EventId::new("#a-100").expect("an id");
        assert_eq!(epochs.offset(&old), None);
    }

    #[test]
    fn a_marker_that_is_repeated_changes_nothing() {
        let first = begin(None, "a", 0, 0);
        let second = begin(Some(&first), "b", 9, 30);
        let repeated = Places::of(second.repeated(1), 50).expect("places");
        assert_eq!(repeated.ranges, second.ranges);
        assert_eq!(repeated.marker, 50);
        let later = Places::of(second.repeated(10), 50).expect("places");
        assert_eq!(
            later.ranges.len(),
            1,
            "no message of the first epoch is left"
        );
        assert_eq!(later.offset(40), second.offset(40));
    }

    #[test]
    fn a_marker_names_a_bounded_number_of_epochs() {
        let mut places = begin(None, "e0", 0, 0);
        for number in 1..200 {
            places = begin(Some(&places), &format!("e{number}"), number, number);
        }
        assert_eq!(places.ranges.len(), MAX_EPOCHS);
        assert_eq!(places.offset(200), at(200));
        assert_eq!(places.offset(3), at(3));
    }

    #[test]
    fn a_marker_that_cannot_be_true_is_no_marker() {
        let range = |epoch: &str, sequence, shift| Range {
            epoch: epoch.to_owned(),
            sequence,
            shift,
            has_lost: false,
        };
        let of = |before, begins: Option<&str>| {
            let marker = Marker {
                begins: begins.map(str::to_owned),
                shift: 0,
                has_lost: false,
                before,
            };
            Places::of(marker, 9)
        };
        assert!(of(vec![range("a", 1, 0)], Some("b")).is_some());
        assert!(of(vec![], None).is_none(), "no epoch at all");
        assert!(of(vec![range("a", 1, 0)], Some("a")).is_none(), "one name");
        assert!(of(vec![range("a", 10, 0)], Some("b")).is_none(), "order");
        assert!(of(vec![range("a", 1, 5)], Some("b")).is_none(), "back");
        assert!(of(vec![], Some("a b")).is_none(), "no name");
    }
}
