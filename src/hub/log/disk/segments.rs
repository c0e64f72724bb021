//! The segments of an open log, as the thread that writes and the threads that read share them: which there are, what has
//! been lost, and which indexes are in memory.

use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use super::index::Index;
use super::lost::LostEvents;
use super::segment::{Segment, file_name, index_name};
use super::storage::Storage;
use crate::hub::position::{Epochs, Offset};

/// How much memory the indexes of complete segments may take, about. One is always kept.
const MAX_INDEX_BYTES: usize = 64 << 20;

/// The segments that readers have.
pub(super) struct Segments {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) epochs: Epochs,
    /// Oldest first; the last is the one that is written, if one is.
    list: RwLock<Vec<Arc<Segment>>>,
    pub(super) lost: Mutex<LostEvents>,
    /// Complete segments whose indexes are in memory, with their sizes, the least recently used first.
    loaded: Mutex<Vec<(Arc<Segment>, usize)>>,
}

impl Segments {
    pub(super) fn new(
        storage: Arc<dyn Storage>,
        epochs: Epochs,
        list: Vec<Arc<Segment>>,
        lost: LostEvents,
    ) -> Self {
        Self {
            storage,
            epochs,
            list: RwLock::new(list),
            lost: Mutex::new(lost),
            loaded: Mutex::default(),
        }
    }

    /// All segments, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Segment>> {
        self.list.read().clone()
    }

    /// How many bytes all segments have.
    pub(super) fn bytes(&self) -> u64 {
        let list = self.list.read();
        list.iter().map(|segment| segment.state().length).sum()
    }

    /// The segments that may have an event after `after` and up to `through`, oldest first.
    pub(super) fn between(&self, after: Offset, through: Offset) -> Vec<Arc<Segment>> {
        let list = self.list.read();
        let start = list.partition_point(|segment| segment.state().last <= after);
        let end = list.partition_point(|segment| segment.header.first <= through);
        list.get(start..end).unwrap_or_default().to_vec()
    }

    /// A new segment is written.
    pub(super) fn add(&self, segment: Arc<Segment>) {
        self.list.write().push(segment);
    }

    /// A segment is complete: its index is in memory as long as others are not needed more.
    pub(super) fn complete(&self, segment: &Arc<Segment>) -> io::Result<()> {
        let (index, _) = segment.index(&*self.storage)?;
        let bytes = index.read().bytes();
        self.note_loaded(segment, bytes);
        Ok(())
    }

    /// The index of a segment.
    ///
    /// # Errors
    ///
    /// When the segment cannot be read, or is damaged.
    pub(super) fn index(&self, segment: &Arc<Segment>) -> io::Result<Arc<RwLock<Index>>> {
        let (index, was_loaded) = segment.index(&*self.storage)?;
        if was_loaded {
            let bytes = index.read().bytes();
            self.note_loaded(segment, bytes);
        } else {
            self.note_used(segment);
        }
        Ok(index)
    }

    /// Removes the oldest segment and its index, and remembers what its topics have lost.
    ///
    /// # Errors
    ///
    /// When its file cannot be removed. Readers do not have it any more.
    pub(super) fn remove_oldest(&self) -> io::Result<()> {
        let Some(segment) = self.list.read().first().cloned() else {
            return Ok(());
        };
        {
            let index = self.index(&segment);
            let mut lost = self.lost.lock();
            match index {
                Ok(index) => {
                    for of_topic in index.read().topics() {
                        if let Some(newest) = of_topic.places.last() {
                            lost.add(&of_topic.topic, newest.offset(&segment.header));
                        }
                    }
                }
                // Any topic may have been in it.
                Err(_) => lost.raise_floor(segment.state().last),
            }
            lost.covers(segment.state().last);
        }
        // A folder without room for the table loses less precisely: the next start finds that the table is too old.
        if let Err(error) = self.write_lost() {
            tracing::warn!("cannot note which events are no longer kept: {error}");
        }
        self.list.write().remove(0);
        self.loaded
            .lock()
            .retain(|(loaded, _)| !Arc::ptr_eq(loaded, &segment));
        segment.unload();
        let first = segment.header.first;
        // It may have none.
        let _ = self.storage.remove(&index_name(first));
        self.storage.remove(&file_name(first))
    }

    /// Writes which events are lost.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn write_lost(&self) -> io::Result<()> {
        let bytes = self.lost.lock().encode();
        LostEvents::write(&*self.storage, &bytes)
    }

    fn note_loaded(&self, segment: &Arc<Segment>, bytes: usize) {
        let mut loaded = self.loaded.lock();
        loaded.push((Arc::clone(segment), bytes));
        let mut sum: usize = loaded.iter().map(|(_, bytes)| bytes).sum();
        while sum > MAX_INDEX_BYTES && loaded.len() > 1 {
            let (segment, bytes) = loaded.remove(0);
            segment.unload();
            sum -= bytes;
        }
    }

    fn note_used(&self, segment: &Arc<Segment>) {
        let mut loaded = self.loaded.lock();
        let found = loaded
            .iter()
            .position(|(loaded, _)| Arc::ptr_eq(loaded, segment));
        if let Some(found) = found
            && found + 1 < loaded.len()
        {
            let used = loaded.remove(found);
            loaded.push(used);
        }
    }
}
