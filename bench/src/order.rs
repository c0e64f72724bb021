//! Whether one reader got every event of one publisher once and in order.

use std::ops::Range;

/// What one reader has got of one publisher.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// The number after the highest that came.
    next: u32,
    /// What has not come of the numbers below; nothing is allocated as long as nothing is wrong.
    #[allow(
        clippy::box_collection,
        reason = "eight bytes in place of 24, for each of thousands of readers"
    )]
    holes: Option<Box<Vec<Range<u32>>>>,
}

/// What went wrong, over any number of readers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) missing: u64,
    pub(crate) duplicate: u64,
    pub(crate) reordered: u64,
}

impl Faults {
    pub(crate) fn any(self) -> bool {
        self != Self::default()
    }
}

impl Order {
    /// Takes note of an event; true when it is the first with its number.
    #[inline]
    pub(crate) fn got(&mut self, number: u32, faults: &mut Faults) -> bool {
        if number == self.next {
            self.next += 1;
            return true;
        }
        self.got_another(number, faults)
    }

    #[cold]
    fn got_another(&mut self, number: u32, faults: &mut Faults) -> bool {
        let holes = self.holes.get_or_insert_default();
        if number > self.next {
            holes.push(self.next..number);
            self.next = number.saturating_add(1);
            return true;
        }
        let Some(at) = holes.iter().position(|hole| hole.contains(&number)) else {
            faults.duplicate += 1;
            return false;
        };
        let hole = holes.swap_remove(at);
        for part in [hole.start..number, number + 1..hole.end] {
            if !part.is_empty() {
                holes.push(part);
            }
        }
        faults.reordered += 1;
        true
    }

    /// How many of the first `published` events have not come.
    pub(crate) fn missing(&self, published: u32) -> u64 {
        let holes = self.holes.iter().flat_map(|holes| holes.iter());
        let inside: u64 = holes.map(|hole| hole.len() as u64).sum();
        inside + u64::from(published.saturating_sub(self.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(numbers: &[u32], published: u32) -> (u64, Faults) {
        let mut order = Order::default();
        let mut faults = Faults::default();
        let mut first = 0;
        for &number in numbers {
            first += u64::from(order.got(number, &mut faults));
        }
        faults.missing = order.missing(published);
        (first, faults)
    }

    #[test]
    fn all_in_order_is_no_fault() {
        assert_eq!(faults(&[0, 1, 2, 3], 4), (4, Faults::default()));
        assert!(!faults(&[], 0).1.any());
    }

    #[test]
    fn missing_at_the_start_inside_and_at_the_end() {
        let (first, found) = faults(&[1, 2, 5], 8);
        assert_eq!(first, 3);
        assert_eq!(
            found,
            Faults {
                missing: 5,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn duplicates_at_once_and_late() {
        let (first, found) = faults(&[0, 0, 1, 2, 1], 3);
        assert_eq!(first, 3);
        assert_eq!(
            found,
            Faults {
                duplicate: 2,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn reordered_is_not_missing() {
        let (first, found) = faults(&[0, 3, 2, 1, 4], 5);
        assert_eq!(first, 5);
        assert_eq!(
            found,
            Faults {
                reordered: 2,
                ..Faults::default()
            }
        );
    }

    #[test]
    fn reordered_and_then_again_is_a_duplicate() {
        let (_, found) = faults(&[4, 2, 2, 0], 5);
        assert_eq!(
            found,
            Faults {
                missing: 2,
                duplicate: 1,
                reordered: 2
            }
        );
    }
}
