//! A file of notes beside the segments, made of the same frames. A frame is appended and made durable before anything rests
//! on it; each start writes the file anew, so that it has only what still counts, and none of it is bytes that a sync which
//! failed has left in the system's memory.
//!
//! ```text
//! let bodies = Notes::read(&*storage, "schedule", DamagePolicy::Stop)?;
//! let mut notes = Notes::create(storage, "schedule", &bodies)?;
//! notes.append(&[b"one more".to_vec()])?;
//! ```
//!
//! What a note says is left to its reader.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;

use crc32fast::Hasher;

use super::DamagePolicy;
use super::format::{
    FRAME_HEAD_BYTES, FrameHead, HEADER_BYTES, Header, HeaderError, next_note, put_note,
};
use super::recovery::OpenError;
use super::segment::{Window, final_error, find_frame, read_header};
use super::storage::{Storage, StoredFile};
use crate::hub::position::Offset;

/// About how many bytes of notes a frame has where there are many.
const FRAME_BYTES: usize = 1 << 20;

/// A file that is open for appending.
pub(super) struct Notes {
    file: Arc<dyn StoredFile>,
    seed: Hasher,
    length: u64,
    crc: u32,
    next: Offset,
}

impl Notes {
    /// What the notes of a file say, oldest first; nothing if there is no file. A frame at its end that is not whole was
    /// never made durable, and is left out.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the file cannot be read, is of a later version, or is damaged and the policy is to stop.
    pub(super) fn read(
        storage: &dyn Storage,
        name: &str,
        policy: DamagePolicy,
    ) -> Result<Vec<Vec<u8>>, OpenError> {
        let file = match storage.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let damaged = |position: u64| {
            let what = format!("{name} is damaged at byte {position}");
            match policy {
                DamagePolicy::Stop => Err(OpenError::Damaged(what)),
                DamagePolicy::Gap => {
                    tracing::error!("{what}; what stood there is lost");
                    Ok(())
                }
            }
        };
        let header = match read_header(&*file)? {
            Ok(header) => header,
            Err(HeaderError::Version(version)) => {
                return Err(OpenError::Version {
                    file: name.to_owned(),
                    version: version.to_string(),
                });
            }
            Err(HeaderError::Damaged) => return damaged(0).map(|()| Vec::new()),
        };
        let (seed, end) = (header.seed(), file.length()?);
        let mut window = Window::new(&*file, end);
        let mut bodies = Vec::new();
        let (mut at, mut crc) = (HEADER_BYTES as u64, 0);
        while at < end {
            let Some((head, mut records)) = window.frame(at, &seed)? else {
                let Some((later, later_head)) = find_frame(&*file, &header, at, end)? else {
                    break;
                };
                damaged(at)?;
                (at, crc) = (later, later_head.previous_crc);
                continue;
            };
            if head.previous_crc != crc {
                damaged(at)?;
            }
            while !records.is_empty() {
                let Some(body) = next_note(&mut records, &seed) else {
                    damaged(at)?;
                    break;
                };
                bodies.push(body.to_vec());
            }
            at += (FRAME_HEAD_BYTES + head.length) as u64;
            crc = head.crc;
        }
        Ok(bodies)
    }

    /// Replaces a file by one with these notes, durably, and leaves it open.
    ///
    /// # Errors
    ///
    /// When that fails. The file is as it was then.
    pub(super) fn create<'a>(
        storage: &dyn Storage,
        name: &str,
        bodies: impl Iterator<Item = &'a [u8]>,
    ) -> io::Result<Self> {
        let header = Header {
            first: Offset::FIRST,
            base_time: 0,
            // Publishers cannot foresee it.
            salt: RandomState::new().hash_one(name),
        };
        let new_name = format!("{name}.tmp");
        let file = storage.create(&new_name)?;
        file.write_at(0, &header.encode())?;
        let mut notes = Self {
            file,
            seed: header.seed(),
            length: HEADER_BYTES as u64,
            crc: 0,
            next: header.first,
        };
        let mut frame = Frame::default();
        for body in bodies {
            frame.put(body, &notes.seed);
            if frame.0.len() >= FRAME_BYTES {
                notes.write(std::mem::take(&mut frame))?;
            }
        }
        notes.write(frame)?;
        notes.file.sync().map_err(final_error)?;
        storage.rename(&new_name, name)?;
        storage.sync_names().map_err(final_error)?;
        Ok(notes)
    }

    /// Appends notes as one frame, durably: a start finds all of them, or none.
    ///
    /// # Errors
    ///
    /// When that fails. If the error says that the disk is full, the file is as it was; otherwise what it has is unknown, and
    /// nothing can be appended any more.
    pub(super) fn append<'a>(&mut self, bodies: impl Iterator<Item = &'a [u8]>) -> io::Result<()> {
        let mut frame = Frame::default();
        for body in bodies {
            frame.put(body, &self.seed);
        }
        self.write(frame)?;
        self.file.sync().map_err(final_error)
    }

    /// How many bytes the file has.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    fn write(&mut self, Frame(mut bytes): Frame) -> io::Result<()> {
        let Some(records) = bytes.get(FRAME_HEAD_BYTES..) else {
            return Ok(());
        };
        let head = FrameHead::of(records, self.crc, self.next, self.next, &self.seed);
        bytes[..FRAME_HEAD_BYTES].copy_from_slice(&head.encode());
        if let Err(error) = self.file.write_at(self.length, &bytes) {
            // Takes away what an unfinished write has left.
            self.file.set_length(self.length).map_err(final_error)?;
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.crc = head.crc;
        self.next = self.next.next();
        Ok(())
    }
}

/// The bytes of a frame: empty, or room for its head and some records.
#[derive(Default)]
struct Frame(Vec<u8>);

impl Frame {
    fn put(&mut self, body: &[u8], seed: &Hasher) {
        if self.0.is_empty() {
            self.0.resize(FRAME_HEAD_BYTES, 0);
        }
        put_note(&mut self.0, body, seed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated::{Faults, SimulatedDisk};
    use super::*;

    const NAME: &str = "notes";

    fn read(disk: &SimulatedDisk, policy: DamagePolicy) -> Result<Vec<String>, OpenError> {
        let bodies = Notes::read(disk, NAME, policy)?;
        let text = |body| String::from_utf8(body).expect("a text");
        Ok(bodies.into_iter().map(text).collect())
    }

    fn append(notes: &mut Notes, bodies: &[&str]) -> io::Result<()> {
        notes.append(bodies.iter().map(|body| body.as_bytes()))
    }

    fn create(disk: &SimulatedDisk, bodies: &[&str]) -> Notes {
        Notes::create(disk, NAME, bodies.iter().map(|body| body.as_bytes())).expect("a file")
    }

    #[test]
    fn what_was_appended_is_read_in_order_and_a_file_that_is_written_anew_has_only_what_it_is_given()
     {
        let disk = SimulatedDisk::new(1);
        assert!(read(&disk, DamagePolicy::Stop).expect("no file").is_empty());
        let mut notes = create(&disk, &[]);
        append(&mut notes, &["a", ""]).expect("room");
        append(&mut notes, &["b"]).expect("room");
        assert_eq!(
            read(&disk, DamagePolicy::Stop).expect("a file"),
            ["a", "", "b"]
        );
        let long = "x".repeat(FRAME_BYTES);
        let mut notes = create(&disk, &["b", &long]);
        append(&mut notes, &["c"]).expect("room");
        assert_eq!(
            read(&disk, DamagePolicy::Stop).expect("a file"),
            ["b", &long, "c"]
        );
    }

    #[test]
    fn a_power_cut_takes_no_note_that_was_appended() {
        for seed in 0..200 {
            let disk = SimulatedDisk::new(seed);
            let mut notes = create(&disk, &["first"]);
            disk.set_faults(Faults {
                operations_left: Some(seed % 12),
                ..Faults::default()
            });
            let mut kept = vec!["first".to_owned()];
            let mut next = String::new();
            for number in 0.. {
                next = format!("{number}");
                if append(&mut notes, &[&next]).is_err() {
                    break;
                }
                kept.push(next.clone());
            }
            let disk = disk.after_power_cut(seed);
            let found = read(&disk, DamagePolicy::Stop).expect("a file");
            // The one that failed is there whole, or not at all.
            assert!(
                found == kept || found == [&kept[..], &[next]].concat(),
                "{found:?}"
            );
        }
    }

    #[test]
    fn damage_before_a_whole_frame_is_named_or_left_out() {
        let disk = SimulatedDisk::new(1);
        let mut notes = create(&disk, &[]);
        append(&mut notes, &["lost"]).expect("room");
        let end_of_first = notes.length() as usize;
        append(&mut notes, &["kept"]).expect("room");
        disk.flip(NAME, end_of_first - 1);
        let refused = read(&disk, DamagePolicy::Stop)
            .expect_err("damage")
            .to_string();
        assert!(refused.contains("notes is damaged at byte 40"), "{refused}");
        assert_eq!(read(&disk, DamagePolicy::Gap).expect("a file"), ["kept"]);
    }

    #[test]
    fn a_full_disk_leaves_the_file_as_it_was() {
        let disk = SimulatedDisk::new(1);
        let mut notes = create(&disk, &["a"]);
        disk.set_faults(Faults {
            capacity: Some(notes.length() + 20),
            ..Faults::default()
        });
        let full = append(&mut notes, &["b"]).expect_err("no room");
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        disk.set_faults(Faults::default());
        append(&mut notes, &["c"]).expect("room");
        assert_eq!(read(&disk, DamagePolicy::Stop).expect("a file"), ["a", "c"]);
    }
}
