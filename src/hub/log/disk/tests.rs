//! The log on disk over a disk that is simulated: see [`super::simulated`].

mod crashes;
mod files;
mod forgotten;
mod inspect;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::schedule::ScheduleFile;
use super::segments::Segments;
use super::simulated::SimulatedDisk;
use super::stage_queue::Work;
use super::writer::{MAX_FRAME_BYTES, MAX_FRAME_EVENTS, Writer};
use super::{DamagePolicy, DiskConfig, OpenError, Staging, SyncPolicy, older, open_writer};
use crate::hub::entry::Entry;
use crate::hub::log::older::{Matcher, OlderAnswer, OlderEvents, OlderPage, OlderRange};
use crate::hub::log::{AnyLog, Committer, KeyRecord, Log, Recovered, Staged, Unavailable};
use crate::hub::pattern::Pattern;
use crate::hub::position::Offset;
use crate::hub::schedule::{Schedule, ScheduleLimits};
use crate::hub::{Hub, Limits};

/// A log on disk without threads: it commits when a test says so, and reads at once.
#[derive(Clone)]
pub(in crate::hub) struct SteppedLog(Arc<Stepped>);

struct Stepped {
    staging: Staging,
    segments: Arc<Segments>,
    writer: Mutex<Writer>,
    committer: OnceLock<Committer>,
    /// Whether readers get from it what memory has evicted.
    can_be_read: bool,
}

/// A configuration with small segments, so that there are many.
pub(in crate::hub) fn config() -> DiskConfig {
    DiskConfig {
        sync: SyncPolicy::Always,
        history_bytes: 1 << 30,
        history_age: Duration::from_secs(3_600),
        on_damage: DamagePolicy::Stop,
        segment_bytes: 8 << 10,
    }
}

impl SteppedLog {
    pub(in crate::hub) fn open(
        disk: &SimulatedDisk,
        config: DiskConfig,
        limits: Limits,
        boot: &str,
    ) -> Result<(Hub, Self), OpenError> {
        Self::recover(disk, config, limits, boot, true)
    }

    /// A log with the schedule that its folder has.
    pub(in crate::hub) fn open_with_schedule(
        disk: &SimulatedDisk,
        limits: Limits,
    ) -> Result<(Hub, Self, Schedule), OpenError> {
        let mut opened = None;
        let (hub, log) = Self::recover_with(disk, config(), limits, "boot", true, |recovered| {
            let storage = Arc::new(disk.clone());
            opened = Some(ScheduleFile::open_storage(
                storage,
                recovered,
                DamagePolicy::Stop,
            )?);
            Ok(())
        })?;
        let opened = opened.expect("the file");
        Ok((
            hub,
            log,
            Schedule::from_file(opened, ScheduleLimits::default()),
        ))
    }

    /// A log that gives memory everything at a restart, and nothing after it.
    pub(in crate::hub) fn open_unreadable(disk: &SimulatedDisk, limits: Limits) -> (Hub, Self) {
        Self::recover(disk, config(), limits, "boot", false).expect("a disk that works")
    }

    fn recover(
        disk: &SimulatedDisk,
        config: DiskConfig,
        limits: Limits,
        boot: &str,
        can_be_read: bool,
    ) -> Result<(Hub, Self), OpenError> {
        Self::recover_with(disk, config, limits, boot, can_be_read, |_| Ok(()))
    }

    fn recover_with(
        disk: &SimulatedDisk,
        config: DiskConfig,
        limits: Limits,
        boot: &str,
        can_be_read: bool,
        look: impl FnOnce(&mut Recovered) -> Result<(), OpenError>,
    ) -> Result<(Hub, Self), OpenError> {
        let (writer, mut recovered) = open_writer(Arc::new(disk.clone()), config, &limits, boot)?;
        look(&mut recovered)?;
        let log = Self(Arc::new(Stepped {
            staging: writer.staging.clone(),
            segments: Arc::clone(&writer.segments),
            writer: Mutex::new(writer),
            committer: OnceLock::new(),
            can_be_read,
        }));
        Ok((Hub::open(limits, log.clone(), recovered), log))
    }

    /// Writes and commits what is staged, and does what is due.
    pub(in crate::hub) fn step(&self) {
        let Some(committer) = self.0.committer.get() else {
            return;
        };
        let mut writer = self.0.writer.lock();
        let now = Some(Duration::ZERO);
        while let Work::Write(group) =
            self.0
                .staging
                .queue
                .take(MAX_FRAME_EVENTS, MAX_FRAME_BYTES, now)
        {
            writer.commit(&group, committer);
        }
        if let Err(error) = writer.tend() {
            writer.fail(&error, committer);
        }
    }

    /// Closes the log, as a server does that stops.
    pub(in crate::hub) fn stop(&self) {
        self.step();
        self.0.writer.lock().close();
    }

    /// The newest event of all segments that it has removed.
    pub(in crate::hub) fn removed_through(&self) -> Offset {
        self.0.segments.lost.lock().covered()
    }

    /// How many bytes all segments have.
    pub(in crate::hub) fn bytes(&self) -> u64 {
        self.0.segments.bytes()
    }

    /// Everything that the log has after an offset, as a reader of all topics gets it.
    fn all_after(&self, after: Offset) -> Vec<Arc<Entry>> {
        let mut all = Vec::new();
        let mut after = after;
        loop {
            let range = OlderRange {
                sources: vec![(
                    Matcher::Pattern(Pattern::new("*").expect("a pattern")),
                    after,
                )],
                through: Offset::END,
                max_bytes: 4_096,
            };
            let page: OlderPage = older::page(&self.0.segments, &range)
                .expect("a disk that works")
                .expect("nothing is lost");
            all.extend(page.entries);
            if page.through == Offset::END {
                return all;
            }
            after = page.through;
        }
    }
}

impl Log for SteppedLog {
    fn open(&self, committer: Committer) {
        assert!(self.0.committer.set(committer).is_ok(), "opened once");
    }

    fn has_room(&self) -> bool {
        self.0.staging.has_room()
    }

    fn stage(&self, entry: &Arc<Entry>, key: Option<KeyRecord<'_>>) -> Result<Staged, Unavailable> {
        self.0.staging.stage(entry, key)
    }
}

impl AnyLog for SteppedLog {
    fn older(&self) -> Option<Arc<dyn OlderEvents>> {
        let can_be_read = self.0.can_be_read;
        can_be_read.then(|| Arc::new(self.clone()) as Arc<dyn OlderEvents>)
    }

    fn health(&self) -> Result<(), Unavailable> {
        self.0.staging.health()
    }
}

impl OlderEvents for SteppedLog {
    fn lost_through(&self, of: &Matcher) -> Offset {
        self.0.segments.lost.lock().through(of)
    }

    fn read(&self, range: OlderRange, answer: OlderAnswer) {
        match older::page(&self.0.segments, &range) {
            Ok(Some(page)) => answer.found(page),
            _ => answer.failed(),
        }
    }
}
