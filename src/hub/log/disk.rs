//! The log on disk: files of its own, since the hub's one order makes its log its write-ahead log. An event is committed when
//! the frame that has it is as durable as the [`SyncPolicy`] says.
//!
//! * [`storage`]: what is needed of a folder
//! * `format`, `bytes`: the bytes of a segment's file
//! * `segment`, `index`: one file with a stretch of the log, and where each topic's events stand in it
//! * `segments`: all of them, and which indexes are in memory
//! * `stage_queue`, `writer`: from publishers to the thread that writes, syncs, commits, and removes what is too old
//! * `older`: the threads that read what the hub's memory no longer has
//! * `meta`, `lost`: small files beside the segments: epochs, and which events are gone
//! * `notes`, `schedule`: a file that grows by frames beside the segments, and what the hub's schedule keeps in one
//! * `recovery`, `select`: what a start finds, and what of it belongs into memory
//! * [`inspect`]: a look at a folder from outside
//!
//! # The folder
//!
//! ```text
//! lock                       held by the server that has the folder open
//! meta                       epochs, and how the last run ended
//! lost                       the newest event of each topic that is no longer kept
//! schedule                   publications for later
//! 00000000000000000001.log   a segment, named by its first offset; complete ones never change
//! 00000000000000000001.idx   its index, which can be made again
//! ```
//!
//! The hub's memory has the newest events within its limits; the folder has everything until it takes more than
//! [`DiskConfig::history_bytes`], or is older than [`DiskConfig::history_age`]. Whole segments go then, the oldest first.

mod bytes;
mod format;
mod index;
pub mod inspect;
mod lost;
mod meta;
mod notes;
mod older;
mod recovery;
pub(in crate::hub) mod schedule;
mod segment;
mod segments;
mod select;
#[cfg(any(test, fuzzing))]
pub(in crate::hub) mod simulated;
mod stage_queue;
pub mod storage;
#[cfg(any(test, fuzzing))]
pub mod testing;
mod writer;

/// What `stage_queue` needs; its test puts a model checker's in their place.
mod sync {
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
}

use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::Mutex;

use self::meta::this_boot;
use self::older::OlderReader;
pub use self::recovery::OpenError;
use self::segments::Segments;
use self::select::{Selection, select};
use self::stage_queue::StageQueue;
use self::storage::{Folder, Storage};
use self::writer::Writer;
use super::older::OlderEvents;
use super::{AnyLog, Committer, KeyRecord, Log, Recovered, Staged, Unavailable, UnavailableKind};
use crate::hub::Limits;
use crate::hub::entry::Entry;
use crate::hub::publish::IdempotencyKey;

/// Most bytes of staged events before publishers wait.
const MAX_STAGED_BYTES: usize = 8 << 20;

/// What a staged event counts beside its texts, in bytes.
const STAGED_BYTES: usize = 64;

/// When an event is durable, and so committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPolicy {
    /// When the disk has it. A power cut loses nothing.
    Always,
    /// When the system has it, which gives it to the disk at this interval. A power cut may lose so much; a process that is
    /// killed loses nothing.
    Every(Duration),
    /// When the system has it, which gives it to the disk when it likes.
    Never,
}

/// What to do with a log that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamagePolicy {
    /// Not to open it.
    Stop,
    /// To go on: what is lost is a gap for its readers.
    Gap,
}

/// How the log uses its folder.
#[derive(Debug, Clone, Copy)]
pub struct DiskConfig {
    /// When an event is committed.
    pub sync: SyncPolicy,
    /// Most bytes of all segments; up to a segment more while one is written.
    pub history_bytes: u64,
    /// How long an event is kept. It may stay a quarter longer.
    pub history_age: Duration,
    /// What to do with damage that a start finds.
    pub on_damage: DamagePolicy,
    /// How many bytes a segment has before the next one begins; see [`Self::segment_bytes_for`].
    pub segment_bytes: u64,
}

impl DiskConfig {
    /// A length for segments: 64 MiB, or an eighth of a small history.
    pub fn segment_bytes_for(history_bytes: u64) -> u64 {
        const LARGEST: u64 = 64 << 20;
        const SMALLEST: u64 = 64 << 10;
        (history_bytes / 8).clamp(SMALLEST, LARGEST)
    }
}

/// A log on disk. Dropping it closes it.
pub struct DiskLog {
    staging: Staging,
    segments: Arc<Segments>,
    older: Arc<OlderReader>,
    /// Until it is started.
    writer: Mutex<Option<Writer>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where publishers meet the thread that writes.
#[derive(Clone)]
struct Staging {
    queue: Arc<StageQueue<StagedEvent, Unavailable>>,
    /// Why nothing can be committed, for as long as that is so.
    trouble: Arc<Mutex<Option<Unavailable>>>,
}

/// An event on its way to the disk.
struct StagedEvent {
    entry: Arc<Entry>,
    key: Option<StagedKey>,
}

/// The idempotency key of a staged event.
struct StagedKey {
    key: IdempotencyKey,
    subscribers: usize,
}

impl StagedKey {
    fn record(&self) -> KeyRecord<'_> {
        KeyRecord {
            key: &self.key,
            subscribers: self.subscribers,
        }
    }
}

impl DiskLog {
    /// Opens a folder, or creates it, and finds out what it has. Blocks while it reads.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says what to do.
    pub fn open(
        path: &Path,
        config: DiskConfig,
        limits: &Limits,
    ) -> Result<(Self, Recovered), OpenError> {
        let folder = Folder::open(path)?;
        Self::open_storage(Arc::new(folder), config, limits, &this_boot())
    }

    /// The folder, for what stands beside the segments.
    pub(in crate::hub) fn storage(&self) -> Arc<dyn Storage> {
        Arc::clone(&self.segments.storage)
    }

    /// As [`Self::open`], for any storage and any boot of the machine.
    pub(in crate::hub) fn open_storage(
        storage: Arc<dyn Storage>,
        config: DiskConfig,
        limits: &Limits,
        boot: &str,
    ) -> Result<(Self, Recovered), OpenError> {
        let (writer, recovered) = open_writer(storage, config, limits, boot)?;
        let older = OlderReader::start(Arc::clone(&writer.segments))?;
        let log = Self {
            staging: writer.staging.clone(),
            segments: Arc::clone(&writer.segments),
            older: Arc::new(older),
            writer: Mutex::new(Some(writer)),
            thread: Mutex::new(None),
        };
        Ok((log, recovered))
    }
}

/// What writes a log, and what the log has.
fn open_writer(
    storage: Arc<dyn Storage>,
    config: DiskConfig,
    limits: &Limits,
    boot: &str,
) -> Result<(Writer, Recovered), OpenError> {
    let opened = recovery::open(&*storage, &config, boot)?;
    let recovery::Opened {
        segments,
        lost,
        meta,
        newest,
    } = opened;
    let epochs = meta.epochs.clone();
    let floor = lost.floor();
    let segments = Segments::new(storage, epochs.clone(), segments, lost);
    let Selection {
        entries,
        evicted,
        evicted_floor,
        keys,
    } = select(&segments, limits, config.on_damage)?;
    // From here on the folder is one that a run has open.
    meta.write(&*segments.storage)?;
    let recovered = Recovered {
        epochs,
        newest,
        entries,
        evicted,
        evicted_floor: evicted_floor.max(floor),
        keys,
    };
    let writer = Writer {
        segments: Arc::new(segments),
        staging: Staging {
            queue: Arc::new(StageQueue::new()),
            trouble: Arc::default(),
        },
        meta,
        config,
        newest,
        active: None,
        has_failed: false,
        retained_at: None,
    };
    Ok((writer, recovered))
}

impl Staging {
    fn has_room(&self) -> bool {
        self.queue.bytes() < MAX_STAGED_BYTES
    }

    fn stage(&self, entry: &Arc<Entry>, key: Option<KeyRecord<'_>>) -> Result<Staged, Unavailable> {
        let key = key.map(|KeyRecord { key, subscribers }| StagedKey {
            key: key.clone(),
            subscribers,
        });
        let bytes = entry.text_bytes() + STAGED_BYTES;
        let entry = Arc::clone(entry);
        self.queue.put(StagedEvent { entry, key }, bytes)?;
        Ok(Staged::Pending)
    }

    /// Drops what is staged, and refuses what comes.
    fn refuse(&self, refusal: Unavailable) {
        *self.trouble.lock() = Some(refusal.clone());
        self.queue.refuse(refusal);
    }

    fn health(&self) -> Result<(), Unavailable> {
        self.trouble.lock().clone().map_or(Ok(()), Err)
    }
}

impl Log for DiskLog {
    fn open(&self, committer: Committer) {
        let Some(writer) = self.writer.lock().take() else {
            return;
        };
        let thread = thread::Builder::new()
            .name("log writer".to_owned())
            .spawn(move || writer.run(&committer));
        match thread {
            Ok(thread) => *self.thread.lock() = Some(thread),
            Err(error) => {
                let refusal = Unavailable {
                    reason: format!("the system has no thread for it ({error})"),
                    kind: UnavailableKind::Failed,
                    fate_unknown: false,
                };
                self.staging.refuse(refusal);
            }
        }
    }

    fn has_room(&self) -> bool {
        self.staging.has_room()
    }

    fn stage(&self, entry: &Arc<Entry>, key: Option<KeyRecord<'_>>) -> Result<Staged, Unavailable> {
        self.staging.stage(entry, key)
    }
}

impl AnyLog for DiskLog {
    fn older(&self) -> Option<Arc<dyn OlderEvents>> {
        Some(Arc::clone(&self.older) as Arc<dyn OlderEvents>)
    }

    fn health(&self) -> Result<(), Unavailable> {
        self.staging.health()
    }

    fn stored_bytes(&self) -> u64 {
        self.segments.bytes()
    }

    fn close(&self) {
        self.staging.queue.close(Unavailable {
            reason: "the server is stopping".to_owned(),
            kind: UnavailableKind::Temporary,
            fate_unknown: false,
        });
        let thread = self.thread.lock().take();
        // The thread itself may hold the hub last, while it commits.
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
        self.older.close();
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
pub(in crate::hub) mod tests;
