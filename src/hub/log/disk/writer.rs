//! The thread that writes: it takes staged events in groups, writes each group as one frame, makes it durable as the policy
//! says, and commits it. It begins new segments and removes the oldest.
//!
//! The first error of a write or a sync is final: nothing is committed after it, since a sync that is tried again may succeed
//! without having made anything durable. Only a write that finds the disk full is not: what did not fit is taken away, its
//! publishers get an error, and the writer tries the next group. A sync that finds the disk full is final like any other.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::format::milliseconds_ago;
use super::meta::Meta;
use super::segment::SegmentWriter;
use super::segments::Segments;
use super::stage_queue::Work;
use super::{DiskConfig, StagedEvent, Staging, SyncPolicy};
use crate::hub::log::{Committer, Unavailable, UnavailableKind};
use crate::hub::position::Offset;
use crate::hub::wall_clock::{self, milliseconds};

/// Most events of one frame.
pub(super) const MAX_FRAME_EVENTS: usize = 4_096;

/// Most bytes of one frame's events; a single event may have more.
pub(super) const MAX_FRAME_BYTES: usize = 1 << 20;

/// How long the thread waits at most before it looks whether the oldest segment has expired.
const MAX_AGE_PAUSE: Duration = Duration::from_secs(1);

/// A segment is complete after this part of the time for which events are kept, so that it can be removed not much later
/// than its first event expires.
const AGE_SHARE: u32 = 4;

pub(super) struct Writer {
    pub(super) segments: Arc<Segments>,
    pub(super) staging: Staging,
    pub(super) config: DiskConfig,
    pub(super) meta: Meta,
    /// The newest offset that has been written.
    pub(super) newest: Offset,
    pub(super) active: Option<Active>,
    /// Whether nothing will ever be committed again.
    pub(super) has_failed: bool,
    /// When the oldest segments were looked at; nothing if that is due.
    pub(super) retained_at: Option<Instant>,
}

/// The segment that is written.
pub(super) struct Active {
    writer: SegmentWriter,
    since: Instant,
    /// When the oldest frame was written that is not durable.
    unsynced_since: Option<Instant>,
}

/// If the thread panics, fails the staged events and refuses new ones, so that no publisher waits for a commit that never
/// comes.
struct PanicGuard {
    staging: Staging,
    committer: Committer,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let failure = Unavailable {
                reason: "the thread that writes it has ended; start the server again".to_owned(),
                kind: UnavailableKind::Failed,
                fate_unknown: true,
            };
            self.staging.refuse(failure.clone());
            self.committer.fail(&failure);
        }
    }
}

impl Writer {
    /// Writes until the queue is closed.
    pub(super) fn run(mut self, committer: &Committer) {
        let _guard = PanicGuard {
            staging: self.staging.clone(),
            committer: committer.clone(),
        };
        loop {
            let queue = Arc::clone(&self.staging.queue);
            match queue.take(MAX_FRAME_EVENTS, MAX_FRAME_BYTES, Some(self.pause())) {
                Work::Write(group) => self.commit(&group, committer),
                Work::Tend => {}
                Work::Close => break,
            }
            if let Err(error) = self.tend() {
                self.fail(&error, committer);
            }
        }
        self.close();
    }

    /// How long nothing is due.
    fn pause(&self) -> Duration {
        let unsynced = self
            .active
            .as_ref()
            .and_then(|active| active.unsynced_since);
        match (self.config.sync, unsynced) {
            (SyncPolicy::Every(interval), Some(since)) => interval
                .saturating_sub(since.elapsed())
                .min(self.age_pause()),
            _ => self.age_pause(),
        }
    }

    /// How often the thread looks at the ages of segments.
    fn age_pause(&self) -> Duration {
        (self.config.history_age / AGE_SHARE).min(MAX_AGE_PAUSE)
    }

    /// Writes a group, and commits it.
    pub(super) fn commit(&mut self, group: &[StagedEvent], committer: &Committer) {
        match self.write(group) {
            Ok(through) => {
                *self.staging.trouble.lock() = None;
                committer.commit(through);
            }
            Err(error) => self.fail(&error, committer),
        }
    }

    /// Writes a group so that it is as durable as the policy says. Returns the newest offset.
    fn write(&mut self, group: &[StagedEvent]) -> io::Result<Offset> {
        let is_always_synced = self.config.sync == SyncPolicy::Always;
        let newest = self.newest;
        let active = self.active()?;
        if let Err(error) = active.writer.append(group) {
            active.writer.cut()?;
            return Err(error);
        }
        if is_always_synced {
            active.writer.sync()?;
        } else {
            active.unsynced_since.get_or_insert_with(Instant::now);
        }
        active.writer.show();
        self.newest = group.last().map_or(newest, |staged| staged.entry.offset);
        Ok(self.newest)
    }

    /// The segment to write to: a new one if there is none, or it is complete.
    fn active(&mut self) -> io::Result<&mut Active> {
        let (config, age) = (&self.config, self.config.history_age / AGE_SHARE);
        let is_complete = |active: &Active| {
            let is_full = active.writer.length() >= config.segment_bytes;
            is_full || active.writer.is_at_its_limits() || active.since.elapsed() > age
        };
        if self.active.as_ref().is_some_and(is_complete) {
            self.complete()?;
        }
        if self.active.is_none() {
            let now = milliseconds(wall_clock::now());
            let writer = SegmentWriter::create(&*self.segments.storage, self.newest, now)?;
            self.segments.add(Arc::clone(&writer.segment));
            self.active = Some(Active {
                writer,
                since: Instant::now(),
                unsynced_since: None,
            });
        }
        // There is one from here on.
        self.active
            .as_mut()
            .ok_or_else(|| io::Error::other("no segment"))
    }

    /// The segment that is written gets no more events. It is durable before the next one begins.
    fn complete(&mut self) -> io::Result<()> {
        let Some(active) = &self.active else {
            return Ok(());
        };
        if active.unsynced_since.is_some() {
            active.writer.sync()?;
        }
        let storage = &*self.segments.storage;
        if active.writer.is_empty() {
            // The next one has the same first offset, and so the same name.
            self.segments.remove_newest()?;
        } else {
            if let Err(error) = active.writer.write_index(storage) {
                // It can be made again.
                tracing::warn!("cannot write the index of a segment: {error}");
            }
            self.segments.complete(&active.writer.segment)?;
        }
        self.active = None;
        self.retained_at = None;
        Ok(())
    }

    /// Does what is due: a sync, a segment that is complete by its age, segments to remove.
    pub(super) fn tend(&mut self) -> io::Result<()> {
        if self.has_failed {
            return Ok(());
        }
        if let SyncPolicy::Every(interval) = self.config.sync
            && let Some(active) = &mut self.active
            && active
                .unsynced_since
                .is_some_and(|since| since.elapsed() >= interval)
        {
            active.writer.sync()?;
            active.unsynced_since = None;
        }
        let age = self.config.history_age;
        if self
            .active
            .as_ref()
            .is_some_and(|active| active.since.elapsed() > age / AGE_SHARE)
        {
            self.complete()?;
        }
        let pause = self.age_pause();
        if self
            .retained_at
            .is_none_or(|since| since.elapsed() >= pause)
        {
            self.retain();
            self.retained_at = Some(Instant::now());
        }
        Ok(())
    }

    /// Removes the oldest segments as long as there are too many bytes, or all their events have expired.
    fn retain(&self) {
        let oldest_to_keep = milliseconds_ago(self.config.history_age);
        loop {
            let all = self.segments.all();
            let is_active = |segment| {
                let active = self.active.as_ref();
                active.is_some_and(|active| Arc::ptr_eq(&active.writer.segment, segment))
            };
            let Some(oldest) = all.first().filter(|oldest| !is_active(oldest)) else {
                break;
            };
            let has_expired = oldest.state().newest_time < oldest_to_keep;
            if self.segments.bytes() <= self.config.history_bytes && !has_expired {
                break;
            }
            if let Err(error) = self.segments.remove_oldest() {
                tracing::warn!(
                    "cannot remove a segment of the log that is no longer kept: {error}"
                );
                break;
            }
        }
    }

    /// Fails what is staged: for good, unless the disk is full and nothing is left of what did not fit.
    pub(super) fn fail(&mut self, error: &io::Error, committer: &Committer) {
        let is_full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        let failure = if is_full {
            Unavailable {
                reason: "the disk is full".to_owned(),
                kind: UnavailableKind::Full,
                fate_unknown: false,
            }
        } else {
            tracing::error!(
                "the log's storage has failed: {error}. Nothing is published any more, and reading goes on; mend the storage, then start the server again"
            );
            Unavailable {
                reason: format!(
                    "its storage has failed ({error}); nothing can be published until the server has been started again"
                ),
                kind: UnavailableKind::Failed,
                fate_unknown: true,
            }
        };
        // Those that come from now on have no event on the way.
        let refusal = Unavailable {
            fate_unknown: false,
            ..failure.clone()
        };
        self.staging.refuse(refusal);
        committer.fail(&failure);
        if is_full {
            self.staging.queue.accept();
        } else {
            self.has_failed = true;
        }
    }

    /// Marks the log as closed: everything is durable.
    pub(super) fn close(&mut self) {
        if self.has_failed {
            return;
        }
        let closed = self.complete().and_then(|()| {
            let meta = Meta {
                closed_at: Some(self.newest),
                ..self.meta.clone()
            };
            meta.write(&*self.segments.storage)
        });
        if let Err(error) = closed {
            tracing::error!(
                "cannot close the log: {error}; the next start looks whether it is whole"
            );
        }
    }
}
