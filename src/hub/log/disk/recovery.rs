//! Opening a folder: which segments there are, where the log ends, and whether that is provably all that was ever committed.
//!
//! * **A torn end.** The next frame is written when the one before is durable (with `--sync always`). So a frame that is not
//!   whole, with no whole one after it, was never committed, and is cut off.
//! * **Damage.** A frame that is not whole before one that is: something durable has been lost. The policy says whether to
//!   stop, or to go on after a gap. The same holds for a segment that is missing between two others.
//! * **A run that did not close the log.** The system may show bytes that are not on the disk, since a sync that failed marks
//!   them as written. So the whole frames of the last segment are copied to a new file, which is made durable. A segment that
//!   is complete was durable before the next one began.
//! * **Epochs.** If everything committed is here, ids stay valid. A run that does not sync always, and whose machine has gone
//!   down, may have lost events: then the ids after the end of the log become unknown.

use std::io;
use std::sync::Arc;

use super::format::{HEADER_BYTES, Header, HeaderError};
use super::lost::LostEvents;
use super::meta::{Meta, MetaError};
use super::segment::{
    Scan, Segment, State, file_name, find_frame, first_of, index_name, read_header, read_index,
    scan, write_index,
};
use super::storage::{FolderError, Storage, StoredFile};
use super::{DamagePolicy, DiskConfig, SyncPolicy};
use crate::hub::position::{Epoch, Epochs, Offset};

/// Where the whole frames of an unfinished segment are copied to.
const NEW_SEGMENT: &str = "segment.tmp";

/// Why a folder cannot be opened as a log. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file cannot be read or written.
    #[error("cannot open the log: {0}")]
    Io(#[from] io::Error),
    /// A file is of a later version of the format.
    #[error(
        "{file} is of version {version} of the log's format, which this program does not know: use a newer fairwind"
    )]
    Version {
        /// The file's name.
        file: String,
        /// Its version.
        version: String,
    },
    /// Something durable is damaged or missing.
    #[error(
        "the log is damaged: {0}. Restore the folder from a copy, or start with --on-damage gap: what is lost becomes a gap for its readers"
    )]
    Damaged(String),
}

/// A folder that has been opened.
pub(super) struct Opened {
    /// The segments, oldest first.
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) lost: LostEvents,
    pub(super) epochs: Epochs,
    /// The newest offset that may have been used.
    pub(super) newest: Offset,
}

/// What was found of one segment.
struct Found {
    header: Header,
    state: State,
}

struct Recovery<'a> {
    storage: &'a dyn Storage,
    policy: DamagePolicy,
    /// Whether everything that was committed must be here.
    is_proven: bool,
    /// Whether the last run has closed the log.
    is_closed: bool,
    /// Every topic has lost what there was up to here: damage of earlier runs.
    floor: Offset,
    /// Damage that the policy lets pass.
    damage: Vec<String>,
}

/// Opens a folder, and marks it as one that a run has open.
///
/// # Errors
///
/// [`OpenError`] if files cannot be read or written, are of a later version, or are damaged and the policy is to stop.
pub(super) fn open(
    storage: &dyn Storage,
    config: &DiskConfig,
    boot: &str,
) -> Result<Opened, OpenError> {
    let mut firsts = Vec::new();
    for name in storage.names()? {
        if name.ends_with(".tmp") {
            storage.remove(&name)?;
        }
        firsts.extend(first_of(&name));
    }
    firsts.sort_unstable();
    let mut recovery = Recovery {
        storage,
        policy: config.on_damage,
        is_proven: true,
        is_closed: false,
        floor: LostEvents::read(storage).map_or(Offset::START, |lost| lost.floor()),
        damage: Vec::new(),
    };
    let meta = recovery.meta(firsts.is_empty())?;
    if let Some(meta) = &meta {
        let is_same_boot = !boot.is_empty() && meta.boot == boot;
        recovery.is_proven = meta.is_closed || meta.is_always_synced || is_same_boot;
        recovery.is_closed = meta.is_closed;
    }
    let (segments, gap_through) = recovery.segments(&firsts)?;
    let last = segments.last().map(|segment| segment.state().last);
    let newest = last.unwrap_or_default().max(gap_through);
    let mut epochs = match &meta {
        Some(meta) => meta.epochs.clone(),
        None => Epochs::new(new_epoch(&[])),
    };
    let has_lost = !recovery.is_proven || gap_through > Offset::START;
    if meta.is_some() && has_lost {
        let cut = newest.next();
        let name = new_epoch(epochs.ranges());
        // Its name is a new one.
        let _ = epochs.begin(name, cut);
    }
    for damage in &recovery.damage {
        tracing::error!("the log is damaged: {damage}; readers that need what is lost get a gap");
    }
    let before_first = segments
        .first()
        .map_or(newest, |segment| segment.header.first.previous());
    let mut lost = LostEvents::of(storage, before_first);
    if gap_through > Offset::START {
        lost.raise_floor(gap_through);
        LostEvents::write(storage, &lost.encode())?;
    }
    epochs.forget_through(before_first);
    let meta = Meta {
        epochs: epochs.clone(),
        is_always_synced: config.sync == SyncPolicy::Always,
        boot: boot.to_owned(),
        is_closed: false,
    };
    meta.write(storage)?;
    Ok(Opened {
        segments,
        lost,
        epochs,
        newest,
    })
}

/// An epoch with a name that none of these has.
fn new_epoch(known: &[(Epoch, Offset)]) -> Epoch {
    loop {
        let epoch = Epoch::now();
        if known.iter().all(|(known, _)| *known != epoch) {
            return epoch;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

impl Recovery<'_> {
    fn meta(&mut self, is_empty: bool) -> Result<Option<Meta>, OpenError> {
        match Meta::read(self.storage) {
            Ok(meta) => Ok(Some(meta)),
            Err(MetaError::Missing) if is_empty => Ok(None),
            Err(MetaError::Io(error)) => Err(error.into()),
            Err(MetaError::Version(version)) => Err(OpenError::Version {
                file: "meta".to_owned(),
                version,
            }),
            Err(MetaError::Missing | MetaError::Damaged) => {
                self.damaged(
                    "the file meta is missing or damaged, so no id can be trusted".into(),
                )?;
                Ok(None)
            }
        }
    }

    /// Something durable is damaged: an error, unless the policy is to go on.
    fn damaged(&mut self, what: String) -> Result<(), OpenError> {
        match self.policy {
            DamagePolicy::Stop => Err(OpenError::Damaged(what)),
            DamagePolicy::Gap => {
                self.damage.push(what);
                Ok(())
            }
        }
    }

    /// The segments, and the newest offset of an event that damage has taken.
    fn segments(&mut self, firsts: &[Offset]) -> Result<(Vec<Arc<Segment>>, Offset), OpenError> {
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        let mut gap_through = Offset::START;
        for (number, first) in firsts.iter().enumerate() {
            let is_last = number + 1 == firsts.len();
            let before = segments.last().map(|segment| segment.state().last);
            let Some((found, lost_through)) = self.segment(*first, is_last)? else {
                continue;
            };
            gap_through = gap_through.max(lost_through);
            if let Some(before) = before
                && found.header.first != before.next()
                && found.header.first.previous() > self.floor
            {
                let (name, before) = (file_name(*first), before.number());
                self.damaged(format!(
                    "there is nothing between offset {before} and {name}"
                ))?;
                gap_through = gap_through.max(found.header.first.previous());
            }
            segments.push(Arc::new(Segment::new(found.header, found.state)));
        }
        Ok((segments, gap_through))
    }

    /// One segment, and the newest event that damage has taken of it. Nothing if it has no event.
    fn segment(
        &mut self,
        first: Offset,
        is_last: bool,
    ) -> Result<Option<(Found, Offset)>, OpenError> {
        let name = file_name(first);
        let file = self.storage.open(&name)?;
        let length = file.length()?;
        let header = match read_header(&*file)? {
            Ok(header) if header.first == first => header,
            Err(HeaderError::Version(version)) => {
                return Err(OpenError::Version {
                    file: name,
                    version: version.to_string(),
                });
            }
            // A frame is written when the header is durable.
            Err(HeaderError::Damaged) if is_last && length <= HEADER_BYTES as u64 => {
                self.storage.remove(&name)?;
                return Ok(None);
            }
            _ => {
                self.damaged(format!("{name} has no header"))?;
                self.storage.rename(&name, &format!("{name}.damaged"))?;
                // How far it reached, the next segment says.
                return Ok(None);
            }
        };
        let is_complete = !is_last || self.is_closed;
        if is_complete && let Some((index, last)) = read_index(self.storage, &header, length) {
            let newest_time = index.newest_time();
            let state = State {
                length,
                last,
                newest_time,
            };
            return Ok(Some((Found { header, state }, Offset::START)));
        }
        let scan = scan(&*file, &header, length)?;
        let mut lost_through = Offset::START;
        if scan.length < length {
            lost_through = self.cut(&*file, &header, &scan, length, is_last)?;
        }
        let state = State {
            length: scan.length,
            last: scan.last,
            newest_time: scan.index.newest_time(),
        };
        let is_empty = scan.length == HEADER_BYTES as u64;
        if is_empty {
            self.storage.remove(&name)?;
            return Ok(None);
        }
        if scan.length < length || !is_complete {
            self.rewrite(&*file, &name, scan.length)?;
        }
        if let Err(error) = write_index(self.storage, &header, state, &scan.index) {
            tracing::warn!("cannot write {}: {error}", index_name(first));
        }
        Ok(Some((Found { header, state }, lost_through)))
    }

    /// A segment has more bytes than whole frames. Returns the newest event that is lost with them, as far as it is known.
    fn cut(
        &mut self,
        file: &dyn StoredFile,
        header: &Header,
        scan: &Scan,
        length: u64,
        is_last: bool,
    ) -> Result<Offset, OpenError> {
        let name = file_name(header.first);
        let at = scan.length;
        let mut newest_after = None;
        let mut from = at + 1;
        while let Some((found, head)) = find_frame(file, header, from, length)? {
            newest_after = Some(head.last);
            from = found + 1;
        }
        match newest_after {
            // Without a sync after each frame, the system may have written a later one first.
            _ if is_last && !self.is_proven => {
                tracing::warn!(
                    "{name} is cut at byte {at}: the machine went down before the rest was written"
                );
                Ok(Offset::START)
            }
            None if is_last && !self.is_closed => {
                tracing::info!("{name} is cut at byte {at}, after its last whole commit");
                Ok(Offset::START)
            }
            newest => {
                self.damaged(format!("{name} is damaged at byte {at}"))?;
                Ok(newest.unwrap_or(scan.last.next()))
            }
        }
    }

    /// Replaces a segment by a durable copy of its first bytes.
    fn rewrite(&self, file: &dyn StoredFile, name: &str, length: u64) -> io::Result<()> {
        const PIECE: u64 = 1 << 20;
        let copy = self.storage.create(NEW_SEGMENT)?;
        let mut at = 0;
        let mut piece = Vec::new();
        while at < length {
            piece.resize(PIECE.min(length - at) as usize, 0);
            file.read_at(at, &mut piece)?;
            copy.write_at(at, &piece)?;
            at += piece.len() as u64;
        }
        copy.sync()?;
        self.storage.rename(NEW_SEGMENT, name)?;
        self.storage.sync_names()
    }
}
