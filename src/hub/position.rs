//! Offsets in the log, and how they are written as event ids: `#<epoch>-<offset>`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::protocol::event::EventId;

/// The number of an event in the one order of all topics, from 1 on. A cursor is the offset of the newest event that has
/// been read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

/// Names a range of offsets. A new epoch begins whenever events may have been lost, so that an id from before the loss is
/// never taken for an event that got the same offset after it. ASCII letters and digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch(String);

/// Every epoch whose ids a log still knows, and the offsets that each covers. A restart that lost nothing goes on in the
/// same epoch, and all ids stay valid. A restart that may have lost events begins a new epoch at the first offset that may
/// be used twice: exactly the older ids from there on become unknown.
///
/// ```
/// use fairwind::hub::position::{Epoch, Epochs, Offset};
///
/// let at = Offset::from_number;
/// let mut epochs = Epochs::new(Epoch::new("first").unwrap());
/// let (kept, lost) = (epochs.id(at(7)), epochs.id(at(9)));
/// // The log proves that it has everything through offset 8, and nothing more.
/// epochs.begin(Epoch::new("second").unwrap(), at(9)).unwrap();
/// assert_eq!(epochs.offset(&kept), Some(at(7)));
/// assert_eq!(epochs.offset(&lost), None);
/// assert_ne!(epochs.id(at(9)), lost);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epochs {
    /// Each epoch with its first offset, in order. The first covers everything before the second.
    ranges: Vec<(Epoch, Offset)>,
}

/// A new epoch that has the name of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a new epoch needs a name of its own")]
pub struct EpochOrder;

/// How many digits the largest number has.
const MAX_DIGITS: usize = 20;

impl Offset {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// The first event's.
    pub const FIRST: Self = Self(1);

    /// After every event there will ever be.
    pub const END: Self = Self(u64::MAX);

    /// The offset as a number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The offset with this number.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The offset of the next event.
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The offset just before this one.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl Epoch {
    /// Takes a text as the name of an epoch: 1 to 32 ASCII letters and digits, or `None`.
    pub fn new(name: &str) -> Option<Self> {
        let is_name =
            (1..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_name.then(|| Self(name.to_owned()))
    }

    /// An epoch that no earlier run on this machine has had: the time in milliseconds, in base 36 to keep ids short.
    pub fn now() -> Self {
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut rest = since_1970.as_millis();
        let mut digits = Vec::new();
        while rest > 0 {
            digits.extend(char::from_digit((rest % 36) as u32, 36));
            rest /= 36;
        }
        Self(digits.iter().rev().collect())
    }

    /// The epoch's name, as it stands in ids.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Epochs {
    /// A log whose every offset is in one epoch.
    pub fn new(epoch: Epoch) -> Self {
        Self {
            ranges: vec![(epoch, Offset::START.next())],
        }
    }

    /// Epochs with their first offsets, in order; nothing if there are none, or two are out of order or have one name.
    pub fn of(ranges: Vec<(Epoch, Offset)>) -> Option<Self> {
        let mut ranges = ranges.into_iter();
        let mut epochs = Self {
            ranges: vec![ranges.next()?],
        };
        for (epoch, first) in ranges {
            if epochs.newest().1 >= first {
                return None;
            }
            epochs.begin(epoch, first).ok()?;
        }
        Some(epochs)
    }

    /// Each epoch with its first offset, in order.
    pub fn ranges(&self) -> &[(Epoch, Offset)] {
        &self.ranges
    }

    /// Begins a new epoch: `first` and every offset after it belong to it from now on. An epoch that begins there or later
    /// has no event left, and goes.
    ///
    /// # Errors
    ///
    /// [`EpochOrder`] if another epoch has that name.
    pub fn begin(&mut self, epoch: Epoch, first: Offset) -> Result<(), EpochOrder> {
        if self.ranges.iter().any(|(known, _)| *known == epoch) {
            return Err(EpochOrder);
        }
        self.ranges.retain(|(_, known)| *known < first);
        self.ranges.push((epoch, first));
        Ok(())
    }

    /// Forgets the epochs whose every offset is at most `through`: nothing is left that their ids stand for.
    pub fn forget_through(&mut self, through: Offset) {
        let next_first = |number: usize| self.ranges.get(number + 1).map(|(_, first)| *first);
        let kept = (0..self.ranges.len())
            .find(|number| next_first(*number).is_none_or(|first| first > through.next()));
        self.ranges.drain(..kept.unwrap_or_default());
    }

    /// The epoch that new events belong to.
    pub fn current(&self) -> &Epoch {
        &self.newest().0
    }

    /// The id of an offset, in the epoch that the offset belongs to: `#<epoch>-<offset>`.
    pub fn id(&self, offset: Offset) -> EventId {
        let later = self.ranges.partition_point(|(_, first)| *first <= offset);
        let epoch = &self.ranges[later.saturating_sub(1)].0;
        // An epoch is short and has digits and letters only, so this is always an id.
        let mut digits = [0; MAX_DIGITS];
        let id = ["#", &epoch.0, "-", decimal(offset.0, &mut digits)].concat();
        EventId::new(id).unwrap_or_else(|_| unreachable!())
    }

    /// The offset that an id stands for, if the log knows the id's epoch and the offset lies in that epoch's range. Whether
    /// there is an event at the offset is another question.
    pub fn offset(&self, id: &EventId) -> Option<Offset> {
        let (name, digits) = id.as_str().strip_prefix('#')?.split_once('-')?;
        let range = self.ranges.iter().position(|(epoch, _)| epoch.0 == name)?;
        let is_canonical = digits == "0" || !digits.starts_with('0');
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        let offset = Offset(digits.parse().ok()?);
        let is_in_range = (range == 0 || self.ranges[range].1 <= offset)
            && self
                .ranges
                .get(range + 1)
                .is_none_or(|(_, next)| offset < *next);
        (is_canonical && is_number && is_in_range).then_some(offset)
    }

    fn newest(&self) -> &(Epoch, Offset) {
        // There is at least one from the start on.
        &self.ranges[self.ranges.len() - 1]
    }
}

/// A number in decimal. Every event's id has one, and `format!` takes several times as long.
fn decimal(number: u64, digits: &mut [u8; MAX_DIGITS]) -> &str {
    let (mut rest, mut start) = (number, MAX_DIGITS);
    while rest > 0 || start == MAX_DIGITS {
        start -= 1;
        // The remainder is less than 10.
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    std::str::from_utf8(&digits[start..]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(name: &str) -> Epoch {
        Epoch::new(name).expect("a name")
    }

    fn at(number: u64) -> Offset {
        Offset(number)
    }

    #[test]
    fn an_id_leads_back_to_its_offset() {
        let epochs = Epochs::new(Epoch::now());
        for number in [0, 1, 9, 10, 36, u64::MAX] {
            let id = epochs.id(at(number));
            assert_eq!(
                id.as_str(),
                format!("#{}-{number}", epochs.current().as_str())
            );
            assert_eq!(epochs.offset(&id), Some(at(number)));
        }
    }

    #[test]
    fn any_other_text_is_no_offset_of_this_log() {
        let epochs = Epochs::new(epoch("abc"));
        for text in [
            "#abd-1",
            "#abc-",
            "#abc-+1",
            "#abc-01",
            "abc-1",
            "#abc-18446744073709551616",
            "#abc-1 2",
            "#abc",
            "1",
        ] {
            assert_eq!(
                epochs.offset(&EventId::new(text).expect("an id")),
                None,
                "{text}"
            );
        }
    }

    #[test]
    fn after_a_possible_loss_exactly_the_ids_from_the_cut_on_are_unknown() {
        let mut epochs = Epochs::new(epoch("a"));
        let old: Vec<_> = (0..=10).map(|number| epochs.id(at(number))).collect();
        epochs.begin(epoch("b"), at(7)).expect("a later epoch");
        let known: Vec<_> = old.iter().map(|id| epochs.offset(id)).collect();
        for number in 0..=10 {
            let expected = (number < 7).then_some(at(number));
            assert_eq!(known[number as usize], expected, "{number}");
        }
        assert_eq!(epochs.id(at(6)).as_str(), "#a-6");
        assert_eq!(epochs.id(at(7)).as_str(), "#b-7");
        assert_eq!(epochs.current(), &epoch("b"));
        let early = EventId::new("#b-6").expect("an id");
        assert_eq!(epochs.offset(&early), None, "before its epoch began");
        epochs.begin(epoch("c"), at(8)).expect("a later epoch");
        assert_eq!(
            epochs.offset(&EventId::new("#b-7").expect("an id")),
            Some(at(7))
        );
        assert_eq!(epochs.offset(&EventId::new("#b-8").expect("an id")), None);
    }

    #[test]
    fn an_epoch_has_a_name_of_its_own() {
        let mut epochs = Epochs::new(epoch("a"));
        assert_eq!(epochs.begin(epoch("a"), at(5)), Err(EpochOrder));
        epochs.begin(epoch("b"), at(2)).expect("a later epoch");
        assert_eq!(epochs.begin(epoch("a"), at(5)), Err(EpochOrder));
        for name in ["", "a-b", "a b", "ä", &"x".repeat(33)] {
            assert_eq!(Epoch::new(name), None, "{name}");
        }
        assert!(Epoch::new(&"x".repeat(32)).is_some());
    }

    #[test]
    fn an_epoch_of_which_no_event_is_left_goes() {
        let mut epochs = Epochs::new(epoch("a"));
        epochs.begin(epoch("b"), at(5)).expect("a name");
        let lost = epochs.id(at(5));
        epochs.begin(epoch("c"), at(5)).expect("a name");
        assert_eq!(epochs.ranges(), [(epoch("a"), at(1)), (epoch("c"), at(5))]);
        assert_eq!(epochs.offset(&lost), None);
        epochs.begin(epoch("d"), at(1)).expect("a name");
        assert_eq!(epochs.ranges(), [(epoch("d"), at(1))]);
    }

    #[test]
    fn epochs_are_forgotten_with_their_last_offset() {
        let ranges = [("a", 1), ("b", 5), ("c", 9)].map(|(name, first)| (epoch(name), at(first)));
        let forgotten = |through| {
            let mut epochs = Epochs::of(ranges.to_vec()).expect("in order");
            epochs.forget_through(at(through));
            epochs.ranges().len()
        };
        assert_eq!([0, 3, 4, 7, 8, 100].map(forgotten), [3, 3, 2, 2, 1, 1]);
        let swapped = [1, 0, 2].map(|number| ranges[number].clone());
        assert_eq!(Epochs::of(swapped.to_vec()), None);
        assert_eq!(Epochs::of(Vec::new()), None);
    }

    #[test]
    fn a_new_epoch_is_the_time_in_milliseconds() {
        let before = SystemTime::now();
        let name = Epoch::now();
        let milliseconds = u64::from_str_radix(name.as_str(), 36).expect("base 36");
        let named = UNIX_EPOCH + std::time::Duration::from_millis(milliseconds);
        let earliest = before - std::time::Duration::from_millis(1);
        assert!(earliest <= named && named <= SystemTime::now(), "{name:?}");
        assert_eq!(Epoch::new(name.as_str()), Some(name));
    }

    #[test]
    fn an_offset_has_neighbours_but_at_its_ends() {
        assert_eq!(at(7).next(), at(8));
        assert_eq!(at(7).previous(), at(6));
        assert_eq!(Offset::START.previous(), Offset::START);
        assert_eq!(Offset::END.next(), Offset::END);
        assert_eq!(Offset::from_number(7).number(), 7);
    }
}
