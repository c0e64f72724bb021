//! The log in memory: an event is committed as soon as it is staged, and a restart has none.

use std::sync::Arc;

use super::{AnyLog, Committer, KeyRecord, Log, Recovered, Staged, Unavailable};
use crate::hub::entry::Entry;
use crate::hub::position::{Epoch, Epochs, Offset};

/// A log that stores nothing: the hub's own memory is all there is.
#[derive(Debug, Default)]
pub struct MemoryLog;

impl MemoryLog {
    /// What every start begins with: no events, and an epoch of its own, so that ids of an earlier run are unknown.
    pub fn recovered() -> Recovered {
        Recovered {
            epochs: Epochs::new(Epoch::now()),
            newest: Offset::START,
            entries: Vec::new(),
            evicted: Vec::new(),
            evicted_floor: Offset::START,
            keys: Vec::new(),
        }
    }
}

impl AnyLog for MemoryLog {}

impl Log for MemoryLog {
    fn open(&self, _: Committer) {}

    fn stage(&self, _: &Arc<Entry>, _: Option<KeyRecord<'_>>) -> Result<Staged, Unavailable> {
        Ok(Staged::Committed)
    }
}
