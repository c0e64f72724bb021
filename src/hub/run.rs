//! A run of events: what one read of the log gives, shared by all subscribers that stand at the same place. However many
//! events it has, its frames are one piece of memory, so that a reader which is far behind costs one write.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use super::entry::Entry;
use super::position::Offset;

/// Some events that follow each other in the log, as one kind of reader sees them: at least one.
pub struct Run {
    entries: Vec<Arc<Entry>>,
    /// Where a cursor stands when it has read them. Events after the last one may be none of this reader's.
    through: Offset,
    frame_bytes: usize,
    /// Whether one of them is the last of its topic.
    has_end: bool,
    frames: OnceLock<Bytes>,
}

impl Run {
    pub(super) fn new(entries: Vec<Arc<Entry>>, through: Offset) -> Self {
        let frame_bytes = entries.iter().map(|entry| entry.frame.len()).sum();
        let has_end = entries.iter().any(|entry| entry.is_end);
        Self {
            entries,
            through,
            frame_bytes,
            has_end,
            frames: OnceLock::new(),
        }
    }

    /// The events, in the order in which they were published.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The frames of all events, one after the other, put together by whoever asks first.
    pub fn frames(&self) -> &Bytes {
        self.frames.get_or_init(|| match self.entries.as_slice() {
            [entry] => entry.frame.clone(),
            entries => {
                let mut frames = BytesMut::with_capacity(self.frame_bytes);
                for entry in entries {
                    frames.extend_from_slice(&entry.frame);
                }
                frames.freeze()
            }
        })
    }

    /// How many bytes the frames have together.
    pub fn frame_bytes(&self) -> usize {
        self.frame_bytes
    }

    pub(super) fn through(&self) -> Offset {
        self.through
    }

    /// The last events of topics that have ended.
    pub(super) fn ends(&self) -> impl Iterator<Item = &Arc<Entry>> {
        // Every reader asks, and hardly ever is there one.
        let searched = match self.has_end {
            true => self.entries.as_slice(),
            false => &[],
        };
        searched.iter().filter(|entry| entry.is_end)
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("entries", &self.entries)
            .field("through", &self.through)
            .finish_non_exhaustive()
    }
}
