//! Gives every decoder of the log's files any bytes. The fuzz target `log` in `fuzz/` and the property tests below call the
//! same function.

use std::sync::Arc;
use std::time::Duration;

use super::format::{FrameHead, Header, put_any};
use super::index::Index;
use super::lost::LostEvents;
use super::meta::Meta;
use super::segment::file_name;
use super::simulated::SimulatedDisk;
use super::storage::Storage;
use super::{DamagePolicy, DiskConfig, SyncPolicy, older, open_writer, schedule};
use crate::hub::Limits;
use crate::hub::log::older::{Matcher, OlderRange};
use crate::hub::pattern::Pattern;
use crate::hub::position::Offset;

/// A segment's header.
const HEADER: Header = Header {
    first: Offset::FIRST,
    base_time: 1_700_000_000_000,
    salt: 7,
};

/// Reads bytes as whatever their first byte says: a whole segment, the frames of one, one record, an index, or one of the
/// small files. None of it may panic, or take memory out of proportion.
pub fn file(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 7 {
        0 => open_segment(bytes),
        1 => open_segment(&[&HEADER.encode(), bytes].concat()),
        2 => open_segment(&frame_with(bytes)),
        3 => {
            let with_checksum = [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat();
            if let Some((index, _)) = Index::decode(&with_checksum, &HEADER, 1_000) {
                let again = index.encode(&HEADER, Offset::START, 1_000);
                assert!(
                    Index::decode(&again, &HEADER, 1_000).is_some_and(|(again, _)| again == index)
                );
            }
        }
        4 => {
            let with_checksum = [bytes, &crc32fast::hash(bytes).to_le_bytes()].concat();
            let disk = SimulatedDisk::new(1);
            if LostEvents::write(&disk, &with_checksum).is_ok() {
                let _ = LostEvents::read(&disk);
            }
        }
        5 => schedule::read_any(bytes),
        _ => {
            let text = String::from_utf8_lossy(bytes);
            let crc = crc32fast::hash(text.as_bytes());
            let _ = Meta::parse(&format!("{text}crc {crc:08x}\n"));
        }
    }
}

/// A segment with one frame with one record, whose body is anything, and whose checksums are right.
fn frame_with(body: &[u8]) -> Vec<u8> {
    let seed = HEADER.seed();
    let mut records = Vec::new();
    put_any(&mut records, b"topic", body, &seed);
    let last = Offset::from_number(1_000);
    let head = FrameHead::of(&records, 0, HEADER.first, last, &seed);
    [&HEADER.encode()[..], &head.encode(), &records].concat()
}

/// Opens a folder with one segment, and reads all of it.
fn open_segment(bytes: &[u8]) {
    let disk = SimulatedDisk::new(1);
    let name = file_name(HEADER.first);
    let written = disk.create(&name).and_then(|file| file.write_at(0, bytes));
    let config = DiskConfig {
        sync: SyncPolicy::Always,
        history_bytes: 1 << 20,
        history_age: Duration::from_secs(3_600),
        on_damage: DamagePolicy::Gap,
        segment_bytes: 1 << 16,
    };
    let Ok(pattern) = Pattern::new("*") else {
        return;
    };
    if written.is_ok()
        && let Ok((writer, _)) = open_writer(Arc::new(disk), config, &Limits::default(), "boot")
    {
        let range = OlderRange {
            sources: vec![(Matcher::Pattern(pattern), Offset::START)],
            through: Offset::END,
            max_bytes: 1 << 16,
        };
        let _ = older::page(&writer.segments, &range);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_as_any_file_without_a_panic(bytes: Vec<u8>) {
            file(&bytes);
        }

        #[test]
        fn any_record_with_right_checksums_is_read_without_a_panic(flags: u8, numbers in prop::collection::vec(any::<u8>(), 0..60)) {
            file(&[&[2, flags][..], &numbers].concat());
        }
    }
}
