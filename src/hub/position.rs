//! Where in the log something stands, and how that is written as an event id: `#<epoch>-<offset>`.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::protocol::event::EventId;

/// A place in the log: events are numbered from 1 on, over all topics. As a cursor it is the newest event that has been
/// read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

/// One life of a log. It changes when history was lost, so that an id of an earlier life is not taken for a place in
/// this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch(String);

impl Offset {
    /// Before the first event.
    pub const START: Self = Self(0);

    /// After every event there will ever be.
    pub const END: Self = Self(u64::MAX);

    /// The place as a number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The place that has this number.
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The place of the next event.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The place just before this one.
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl Epoch {
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

    /// The epoch as it stands in ids.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id that stands for a place in this epoch's log.
    pub fn id(&self, offset: Offset) -> EventId {
        // An epoch is short and has digits and letters only, so this is always an id.
        EventId::new(format!("#{}-{}", self.0, offset.0)).unwrap_or_else(|_| unreachable!())
    }

    /// The place that an id stands for, if it is an id of this epoch.
    pub fn offset(&self, id: &EventId) -> Option<Offset> {
        let digits = id
            .as_str()
            .strip_prefix('#')?
            .strip_prefix(self.0.as_str())?
            .strip_prefix('-')?;
        let is_canonical = digits == "0" || !digits.starts_with('0');
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_canonical && is_number)
            .then(|| digits.parse().ok().map(Offset))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_place() {
        let epoch = Epoch::now();
        for number in [0, 1, 36, u64::MAX] {
            assert_eq!(
                epoch.offset(&epoch.id(Offset(number))),
                Some(Offset(number))
            );
        }
    }

    #[test]
    fn anything_else_is_no_place_in_this_log() {
        let epoch = Epoch("abc".to_owned());
        for text in [
            "#abd-1",
            "#abc-",
            "#abc-+1",
            "#abc-01",
            "abc-1",
            "#abc-18446744073709551616",
            "#abc-1 2",
            "1",
        ] {
            assert_eq!(
                epoch.offset(&EventId::new(text).expect("an id")),
                None,
                "{text}"
            );
        }
    }
}
