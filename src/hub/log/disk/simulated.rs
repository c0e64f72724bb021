//! A disk in memory with two planes: what the system shows, and what would survive a power cut.
//!
//! * A sector of 512 bytes that has been written and not synced is, after a power cut, as it was, as it should be, partly so,
//!   or zero where it had nothing. A file's length is the old one or the new one. Bytes of the sector that were durable and
//!   have not been written again stay as they were, which file systems and databases rely on ("powersafe overwrite").
//! * Names that have been created, renamed or removed survive in the order in which that was done, up to some point, at least
//!   up to the last sync of the names.
//! * A sync that fails drops what it should have made durable: reads still show it, no later sync makes it durable, and a
//!   power cut takes it.
//! * The disk may be full.

// A test that uses the disk wrongly is to fail at once.
#![allow(clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::hub::log::disk::storage::{Storage, StoredFile};

const SECTOR: usize = 512;

type FileId = u64;

/// The disk; clones share it.
#[derive(Clone)]
pub(in crate::hub) struct SimulatedDisk(Arc<Mutex<State>>);

struct State {
    random: fastrand::Rng,
    files: HashMap<FileId, File>,
    names: BTreeMap<String, FileId>,
    durable_names: BTreeMap<String, FileId>,
    /// Changes of names since the last sync of them.
    changes: Vec<Change>,
    next_file: FileId,
    faults: Faults,
}

/// What goes wrong next.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::hub) struct Faults {
    /// How many operations that change something succeed before each fails as if the power were off.
    pub(in crate::hub) operations_left: Option<u64>,
    /// How many syncs succeed before one fails.
    pub(in crate::hub) syncs_left: Option<u64>,
    /// How many bytes all files may have.
    pub(in crate::hub) capacity: Option<u64>,
}

#[derive(Clone)]
enum Change {
    Set(String, FileId),
    Remove(String),
}

#[derive(Clone, Default)]
struct File {
    /// What reads show.
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that differ.
    dirty: BTreeSet<usize>,
    /// Sectors that differ, and that no sync will make durable.
    dropped: BTreeSet<usize>,
}

struct Handle {
    disk: SimulatedDisk,
    file: FileId,
}

fn power_is_off() -> io::Error {
    io::Error::other("the power is off")
}

impl SimulatedDisk {
    pub(in crate::hub) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: fastrand::Rng::with_seed(seed),
            files: HashMap::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            next_file: 0,
            faults: Faults::default(),
        })))
    }

    pub(in crate::hub) fn set_faults(&self, faults: Faults) {
        self.0.lock().faults = faults;
    }

    /// Another disk with what this one shows: the process has died, and the system has not.
    pub(in crate::hub) fn after_kill(&self) -> Self {
        let state = self.0.lock();
        Self(Arc::new(Mutex::new(State {
            random: state.random.clone(),
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            changes: state.changes.clone(),
            next_file: state.next_file,
            faults: Faults::default(),
        })))
    }

    /// Another disk with what has survived a power cut. `seed` decides what that is, where the disk is free to choose.
    pub(in crate::hub) fn after_power_cut(&self, seed: u64) -> Self {
        let state = self.0.lock();
        let mut random = fastrand::Rng::with_seed(seed);
        let mut names = state.durable_names.clone();
        for change in &state.changes[..random.usize(..=state.changes.len())] {
            change.apply(&mut names);
        }
        let mut files = HashMap::new();
        for file in names.values() {
            let survived = state.files[file].after_power_cut(&mut random);
            files.insert(*file, survived);
        }
        Self(Arc::new(Mutex::new(State {
            random,
            files,
            durable_names: names.clone(),
            names,
            changes: Vec::new(),
            next_file: state.next_file,
            faults: Faults::default(),
        })))
    }

    /// Changes a byte of a file, durably.
    pub(in crate::hub) fn flip(&self, name: &str, position: usize) {
        let mut state = self.0.lock();
        let file = state.names[name];
        let file = state.files.get_mut(&file).expect("a file");
        file.bytes[position] ^= 0x55;
        if let Some(byte) = file.durable.get_mut(position) {
            *byte ^= 0x55;
        }
    }

    /// Where bytes stand first in a file.
    pub(in crate::hub) fn position_of(&self, name: &str, bytes: &[u8]) -> usize {
        let state = self.0.lock();
        let file = &state.files[&state.names[name]];
        let mut windows = file.bytes.windows(bytes.len());
        windows
            .position(|window| window == bytes)
            .expect("the bytes")
    }

    /// Puts bytes into a file, durably.
    pub(in crate::hub) fn write(&self, name: &str, position: usize, bytes: &[u8]) {
        let mut state = self.0.lock();
        let file = state.names[name];
        let file = state.files.get_mut(&file).expect("a file");
        file.write(position, bytes);
        file.sync();
    }

    /// The files' names, and their lengths.
    pub(in crate::hub) fn lengths(&self) -> Vec<(String, usize)> {
        let state = self.0.lock();
        let names = state.names.iter();
        names
            .map(|(name, file)| (name.clone(), state.files[file].bytes.len()))
            .collect()
    }
}

impl State {
    /// One more operation that changes something.
    fn operate(&mut self) -> io::Result<()> {
        match &mut self.faults.operations_left {
            Some(0) => Err(power_is_off()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn find(&self, name: &str) -> io::Result<FileId> {
        let found = self.names.get(name).copied();
        found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Whether a sync fails.
    fn sync_fails(&mut self) -> bool {
        match &mut self.faults.syncs_left {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, FileId>) {
        match self {
            Self::Set(name, file) => names.insert(name.clone(), *file),
            Self::Remove(name) => names.remove(name),
        };
    }
}

impl File {
    fn write(&mut self, position: usize, bytes: &[u8]) {
        let end = position + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[position..end].copy_from_slice(bytes);
        for sector in position / SECTOR..end.div_ceil(SECTOR) {
            self.dirty.insert(sector);
            self.dropped.remove(&sector);
        }
    }

    fn sync(&mut self) {
        let dropped = self.dropped.clone();
        let before = std::mem::replace(&mut self.durable, self.bytes.clone());
        for sector in dropped {
            let range = sector_of(sector, self.durable.len());
            for at in range {
                self.durable[at] = before.get(at).copied().unwrap_or_default();
            }
        }
        self.dirty.clear();
    }

    fn after_power_cut(&self, random: &mut fastrand::Rng) -> Self {
        let mut length = self.durable.len();
        if !self.dirty.is_empty() && random.bool() {
            length = self.bytes.len();
        }
        let mut bytes = self.durable.clone();
        bytes.resize(length, 0);
        for sector in &self.dirty {
            let range = sector_of(*sector, length);
            let new = |at: usize| self.bytes.get(at).copied().unwrap_or_default();
            match random.u8(..4) {
                0 => {}
                1 => range.for_each(|at| bytes[at] = new(at)),
                2 => {
                    let new = range.filter(|at| *at >= self.durable.len());
                    new.for_each(|at| bytes[at] = 0);
                }
                _ => {
                    let torn = random.usize(..=range.len());
                    range.take(torn).for_each(|at| bytes[at] = new(at));
                }
            }
        }
        Self {
            durable: bytes.clone(),
            bytes,
            ..Self::default()
        }
    }
}

fn sector_of(sector: usize, length: usize) -> std::ops::Range<usize> {
    (sector * SECTOR).min(length)..((sector + 1) * SECTOR).min(length)
}

impl Storage for SimulatedDisk {
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.0.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let mut state = self.0.lock();
        state.operate()?;
        let file = state.next_file;
        state.next_file += 1;
        state.files.insert(file, File::default());
        state.change(Change::Set(name.to_owned(), file));
        Ok(Arc::new(Handle {
            disk: self.clone(),
            file,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StoredFile>> {
        let file = self.0.lock().find(name)?;
        Ok(Arc::new(Handle {
            disk: self.clone(),
            file,
        }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        let file = state.find(from)?;
        // One step: both names change, or neither does.
        Change::Remove(from.to_owned()).apply(&mut state.names);
        state.change(Change::Set(to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        state.find(name)?;
        state.change(Change::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.0.lock();
        state.operate()?;
        if state.sync_fails() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.durable_names = state.names.clone();
        state.changes.clear();
        Ok(())
    }
}

impl StoredFile for Handle {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().files[&self.file].bytes.len() as u64)
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.disk.0.lock();
        let bytes = &state.files[&self.file].bytes;
        let start = usize::try_from(position).expect("a small file");
        let found = bytes.get(start..start + buffer.len());
        buffer.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let start = usize::try_from(position).expect("a small file");
        let is_off = state.operate().is_err();
        let used: usize = state.files.values().map(|file| file.bytes.len()).sum();
        let more = (start + bytes.len()).saturating_sub(state.files[&self.file].bytes.len());
        let free = state.faults.capacity.map_or(usize::MAX, |capacity| {
            usize::try_from(capacity)
                .expect("a small disk")
                .saturating_sub(used)
        });
        let fitting = if is_off {
            // Some of it may have been written.
            state.random.usize(..=bytes.len())
        } else {
            bytes.len() - more.saturating_sub(free).min(bytes.len())
        };
        let file = state.files.get_mut(&self.file).expect("an open file");
        file.write(start, &bytes[..fitting]);
        if is_off {
            Err(power_is_off())
        } else if fitting < bytes.len() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.operate()?;
        let length = usize::try_from(length).expect("a small file");
        let file = state.files.get_mut(&self.file).expect("an open file");
        file.bytes.resize(length, 0);
        file.dirty.insert(length / SECTOR);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.operate()?;
        let fails = state.sync_fails();
        let file = state.files.get_mut(&self.file).expect("an open file");
        if fails {
            let dirty = std::mem::take(&mut file.dirty);
            file.dropped.extend(dirty);
            // As a file system does that finds out late.
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.sync();
        Ok(())
    }
}
