//! A segment: a file with a stretch of the log, and its index. One is written at a time, by [`SegmentWriter`]; complete ones
//! never change. A [`Segment`] is read by any thread.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use crc32fast::Hasher;
use parking_lot::{Mutex, RwLock};

use super::StagedEvent;
use super::format::{
    FRAME_HEAD_BYTES, FRAME_MAGIC, FrameHead, HEADER_BYTES, Header, HeaderError, Record, put_event,
    put_topic,
};
use super::index::{Index, Place, relative};
use super::storage::{Storage, StoredFile, read_whole};
use crate::hub::position::Offset;
use crate::hub::topic::Topic;
use crate::hub::wall_clock::milliseconds;

/// How much of a file is read at once, if all of it is.
const WINDOW_BYTES: usize = 1 << 20;

/// How much of a file is read at once for single records.
const RECORDS_WINDOW_BYTES: usize = 64 << 10;

/// A segment, as readers and retention see it.
pub(super) struct Segment {
    pub(super) header: Header,
    pub(super) seed: Hasher,
    state: RwLock<State>,
    /// The file, while it is open.
    file: Mutex<Option<Arc<dyn StoredFile>>>,
    /// The index, while it is in memory: always while the segment is written.
    index: Mutex<Option<Arc<RwLock<Index>>>>,
}

/// How far a segment reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// The length of the header and all whole frames, in bytes.
    pub(super) length: u64,
    /// The last offset of the last frame.
    pub(super) last: Offset,
    /// When the newest event was published, in milliseconds since 1970.
    pub(super) newest_time: u64,
}

/// The name of a segment's file.
pub(super) fn file_name(first: Offset) -> String {
    format!("{:020}.log", first.number())
}

/// The name of an index's file.
pub(super) fn index_name(first: Offset) -> String {
    format!("{:020}.idx", first.number())
}

/// The first offset of the segment whose file has this name, if it is a segment's.
pub(super) fn first_of(name: &str) -> Option<Offset> {
    let digits = name.strip_suffix(".log")?;
    let is_name = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_name
        .then(|| digits.parse().ok())
        .flatten()
        .map(Offset::from_number)
}

impl Segment {
    pub(super) fn new(header: Header, state: State) -> Self {
        Self {
            seed: header.seed(),
            header,
            state: RwLock::new(state),
            file: Mutex::new(None),
            index: Mutex::new(None),
        }
    }

    pub(super) fn state(&self) -> State {
        *self.state.read()
    }

    /// The file, opened if it is not.
    pub(super) fn file(&self, storage: &dyn Storage) -> io::Result<Arc<dyn StoredFile>> {
        let mut file = self.file.lock();
        if let Some(file) = &*file {
            return Ok(Arc::clone(file));
        }
        let opened = storage.open(&file_name(self.header.first))?;
        *file = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// The index, read or made again if it is not in memory. Returns whether it was not.
    ///
    /// # Errors
    ///
    /// When the segment cannot be read, or is damaged (`InvalidData`).
    pub(super) fn index(&self, storage: &dyn Storage) -> io::Result<(Arc<RwLock<Index>>, bool)> {
        let mut index = self.index.lock();
        if let Some(index) = &*index {
            return Ok((Arc::clone(index), false));
        }
        let length = self.state().length;
        let found = read_index(storage, &self.header, length).map(|(index, _)| index);
        let found = match found {
            Some(found) => found,
            None => {
                let file = self.file(storage)?;
                let scan = scan(&*file, &self.header, length)?;
                if scan.length != length {
                    return Err(damaged(&self.header, scan.length));
                }
                scan.index
            }
        };
        let found = Arc::new(RwLock::new(found));
        *index = Some(Arc::clone(&found));
        Ok((found, true))
    }

    /// Closes the file and drops the index.
    pub(super) fn unload(&self) {
        *self.index.lock() = None;
        *self.file.lock() = None;
    }
}

/// Why something of a segment cannot be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The system does not read it.
    Io(io::Error),
    /// It is damaged at a position.
    Damaged(u64),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The error of a segment that is damaged at a position.
pub(super) fn damaged(header: &Header, position: u64) -> io::Error {
    let name = file_name(header.first);
    let text = format!("{name} is damaged at byte {position}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// Reads the header of a segment.
///
/// # Errors
///
/// When it cannot be read. The inner result says whether it is a header.
pub(super) fn read_header(file: &dyn StoredFile) -> io::Result<Result<Header, HeaderError>> {
    let mut bytes = [0; HEADER_BYTES];
    match file.read_at(0, &mut bytes) {
        Ok(()) => Ok(Header::decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Err(HeaderError::Damaged)),
        Err(error) => Err(error),
    }
}

/// The index that a file has of a segment of this length, and the segment's last offset.
pub(super) fn read_index(
    storage: &dyn Storage,
    header: &Header,
    length: u64,
) -> Option<(Index, Offset)> {
    let bytes = read_whole(storage, &index_name(header.first)).ok()?;
    Index::decode(&bytes, header, length)
}

/// Writes the index of a complete segment. It is not made durable, since it can be made again.
pub(super) fn write_index(
    storage: &dyn Storage,
    header: &Header,
    state: State,
    index: &Index,
) -> io::Result<()> {
    let file = storage.create(&index_name(header.first))?;
    file.write_at(0, &index.encode(header, state.last, state.length))
}

/// What a look at every frame of a segment has found.
pub(super) struct Scan {
    /// The length of the header and the frames that are whole.
    pub(super) length: u64,
    /// The last offset of the last whole frame.
    pub(super) last: Offset,
    /// The checksum of the last whole frame.
    pub(super) crc: u32,
    pub(super) index: Index,
}

/// Reads the frames of a segment up to the first that is not whole.
///
/// # Errors
///
/// When the file cannot be read.
pub(super) fn scan(file: &dyn StoredFile, header: &Header, end: u64) -> io::Result<Scan> {
    let seed = header.seed();
    let mut window = Window::new(file, end);
    let mut scan = Scan {
        length: HEADER_BYTES as u64,
        last: header.first.previous(),
        crc: 0,
        index: Index::default(),
    };
    while let Some((head, records)) = window.frame(scan.length, &seed)? {
        let start = scan.length;
        let position = |at: u64| u32::try_from(at).ok();
        if head.previous_crc != scan.crc || head.first <= scan.last {
            break;
        }
        let (Some(frame), Some(offset)) = (position(start), relative(head.first, header)) else {
            break;
        };
        let Some(records_at) = position(start + FRAME_HEAD_BYTES as u64) else {
            break;
        };
        scan.index.add_frame(Place {
            offset,
            position: frame,
        });
        if scan
            .index
            .add_records(records, records_at, &head, header, &seed)
            .is_none()
        {
            break;
        }
        scan.length = start + (FRAME_HEAD_BYTES + records.len()) as u64;
        scan.last = head.last;
        scan.crc = head.crc;
    }
    Ok(scan)
}

/// The position of the first whole frame at or after a position, if there is one.
///
/// # Errors
///
/// When the file cannot be read.
pub(super) fn find_frame(
    file: &dyn StoredFile,
    header: &Header,
    from: u64,
    end: u64,
) -> io::Result<Option<(u64, FrameHead)>> {
    let seed = header.seed();
    let mut window = Window::new(file, end);
    let mut at = from;
    while at + FRAME_HEAD_BYTES as u64 <= end {
        let bytes = window.bytes(at, WINDOW_BYTES)?;
        let found = bytes
            .windows(FRAME_MAGIC.len())
            .position(|bytes| bytes == FRAME_MAGIC);
        let Some(found) = found else {
            // The magic bytes may stand across the border.
            at += (bytes.len() - (FRAME_MAGIC.len() - 1).min(bytes.len())).max(1) as u64;
            continue;
        };
        at += found as u64;
        if let Some((head, _)) = window.frame(at, &seed)?
            && head.first >= header.first
        {
            return Ok(Some((at, head)));
        }
        at += 1;
    }
    Ok(None)
}

/// A file that is read in large pieces.
pub(super) struct Window<'a> {
    file: &'a dyn StoredFile,
    end: u64,
    piece: usize,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    /// A file up to an end.
    pub(super) fn new(file: &'a dyn StoredFile, end: u64) -> Self {
        Self {
            file,
            end,
            piece: WINDOW_BYTES,
            start: 0,
            bytes: Vec::new(),
        }
    }

    /// The bytes at a position, so many as asked for or as there are.
    pub(super) fn bytes(&mut self, position: u64, count: usize) -> io::Result<&[u8]> {
        let left = self.end.saturating_sub(position);
        let count = count.min(left.try_into().unwrap_or(usize::MAX));
        let is_here = position >= self.start
            && position + count as u64 <= self.start + self.bytes.len() as u64;
        if !is_here {
            let wanted = (count.max(self.piece) as u64).min(left) as usize;
            self.bytes.resize(wanted, 0);
            self.start = position;
            if let Err(error) = self.file.read_at(position, &mut self.bytes) {
                self.bytes.clear();
                return Err(error);
            }
        }
        let from = (position - self.start) as usize;
        Ok(&self.bytes[from..from + count])
    }

    /// The whole frame at a position; nothing if there is none.
    pub(super) fn frame(
        &mut self,
        position: u64,
        seed: &Hasher,
    ) -> io::Result<Option<(FrameHead, &[u8])>> {
        let bytes = self.bytes(position, FRAME_HEAD_BYTES)?;
        let Some(head) = FrameHead::decode(bytes) else {
            return Ok(None);
        };
        let left = self.end - position - FRAME_HEAD_BYTES as u64;
        if head.length as u64 > left {
            return Ok(None);
        }
        let records = self.bytes(position + FRAME_HEAD_BYTES as u64, head.length)?;
        Ok(head.is_whole(records, seed).then_some((head, records)))
    }
}

/// Reads single records, in the order of their positions. Those that are near to each other are read together. `take` says
/// whether to go on, or nothing if the record is not what it should be.
///
/// # Errors
///
/// When the segment cannot be read, or is damaged.
pub(super) fn read_records(
    storage: &dyn Storage,
    segment: &Segment,
    places: impl Iterator<Item = Place>,
    mut take: impl FnMut(Record<'_>) -> Option<ControlFlow<()>>,
) -> Result<(), ReadError> {
    /// More than the front of a record has.
    const FRONT: usize = 16;
    let file = segment.file(storage)?;
    let mut window = Window {
        piece: RECORDS_WINDOW_BYTES,
        ..Window::new(&*file, segment.state().length)
    };
    for place in places {
        let position = u64::from(place.position);
        let damaged = || ReadError::Damaged(position);
        let length = Record::length(window.bytes(position, FRONT)?).ok_or_else(damaged)?;
        let mut bytes = window.bytes(position, length)?;
        let record = Record::next(&mut bytes, &segment.header, &segment.seed);
        let step = take(record.ok_or_else(damaged)?).ok_or_else(damaged)?;
        if step.is_break() {
            break;
        }
    }
    Ok(())
}

/// An error after which what the file has is unknown. Without its kind, by which the writer would know that the disk is only
/// full: some file systems find that out as late as in a sync.
pub(super) fn final_error(error: io::Error) -> io::Error {
    io::Error::other(error)
}

/// Appends frames to a segment.
pub(super) struct SegmentWriter {
    pub(super) segment: Arc<Segment>,
    file: Arc<dyn StoredFile>,
    length: u64,
    crc: u32,
    last: Offset,
    topics: HashMap<Topic, u64>,
    frame: Vec<u8>,
    body: Vec<u8>,
    /// What the index gets of frames that are not readable yet.
    unindexed: Vec<Unindexed>,
    newest_time: u64,
}

enum Unindexed {
    Frame(Place),
    Topic(Topic),
    Event {
        place: Place,
        topics: Vec<usize>,
        is_ephemeral: bool,
        has_key: bool,
        published_at: u64,
    },
}

impl SegmentWriter {
    /// Creates a segment, durably. Its events come after `after`.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub(super) fn create(storage: &dyn Storage, after: Offset, now: u64) -> io::Result<Self> {
        let header = Header {
            first: after.next(),
            base_time: now,
            // Publishers cannot foresee it.
            salt: RandomState::new().hash_one(now),
        };
        let name = file_name(header.first);
        let file = storage.create(&name)?;
        let written = file
            .write_at(0, &header.encode())
            .and_then(|()| file.sync().map_err(final_error))
            .and_then(|()| storage.sync_names().map_err(final_error));
        if let Err(error) = written {
            // An empty segment may stay behind: the next start removes it.
            let _ = storage.remove(&name);
            return Err(error);
        }
        let state = State {
            length: HEADER_BYTES as u64,
            last: after,
            newest_time: 0,
        };
        let segment = Segment::new(header, state);
        *segment.file.lock() = Some(Arc::clone(&file));
        *segment.index.lock() = Some(Arc::default());
        Ok(Self {
            segment: Arc::new(segment),
            file,
            length: state.length,
            crc: 0,
            last: after,
            topics: HashMap::new(),
            frame: Vec::new(),
            body: Vec::new(),
            unindexed: Vec::new(),
            newest_time: 0,
        })
    }

    /// The length in bytes, with what is not readable yet.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Whether no event has been appended.
    pub(super) fn is_empty(&self) -> bool {
        self.length == HEADER_BYTES as u64
    }

    /// Whether positions and offsets come near to what an index can have.
    pub(super) fn is_at_its_limits(&self) -> bool {
        const LIMIT: u64 = 1 << 31;
        let offsets = self.last.number() - self.segment.header.first.previous().number();
        self.length >= LIMIT || offsets >= LIMIT
    }

    /// Writes a group of events as one frame. It is not durable, and readers do not see it yet.
    ///
    /// # Errors
    ///
    /// When it could not be written. The file may have some of it after its length, which [`Self::cut`] takes away.
    pub(super) fn append(&mut self, group: &[StagedEvent]) -> io::Result<()> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return Ok(());
        };
        let header = self.segment.header;
        let too_far = || io::Error::other("the segment is full");
        let position = |at: u64| u32::try_from(at).map_err(|_| too_far());
        let [first, last] = [first, last].map(|staged| staged.entry.offset);
        let mut unindexed = vec![Unindexed::Frame(Place {
            offset: relative(first, &header).ok_or_else(too_far)?,
            position: position(self.length)?,
        })];
        let known_topics = self.topics.len();
        self.frame.clear();
        self.frame.resize(FRAME_HEAD_BYTES, 0);
        for StagedEvent { entry, key } in group {
            if entry.is_ephemeral && key.is_none() {
                continue;
            }
            let mut topics = Vec::with_capacity(1 + entry.also_in.len());
            for topic in entry.topics() {
                let known = self.topics.get(topic).copied();
                let number = known.unwrap_or_else(|| {
                    let number = self.topics.len() as u64;
                    self.topics.insert(topic.clone(), number);
                    put_topic(&mut self.frame, topic, &self.segment.seed);
                    unindexed.push(Unindexed::Topic(topic.clone()));
                    number
                });
                topics.push(number as usize);
            }
            let key = key.as_ref().map(super::StagedKey::record);
            let at = position(self.length + self.frame.len() as u64)?;
            put_event(
                &mut self.frame,
                &mut self.body,
                entry,
                key,
                &header,
                &self.segment.seed,
                &topics,
            );
            unindexed.push(Unindexed::Event {
                place: Place {
                    offset: relative(entry.offset, &header).ok_or_else(too_far)?,
                    position: at,
                },
                topics,
                is_ephemeral: entry.is_ephemeral,
                has_key: key.is_some(),
                published_at: milliseconds(entry.published_at),
            });
        }
        let records = &self.frame[FRAME_HEAD_BYTES..];
        let head = FrameHead::of(records, self.crc, first, last, &self.segment.seed);
        self.frame[..FRAME_HEAD_BYTES].copy_from_slice(&head.encode());
        if let Err(error) = self.file.write_at(self.length, &self.frame) {
            self.topics
                .retain(|_, number| *number < known_topics as u64);
            return Err(error);
        }
        self.length += self.frame.len() as u64;
        self.crc = head.crc;
        self.last = last;
        self.unindexed.append(&mut unindexed);
        Ok(())
    }

    /// Takes away what an append that failed has left.
    ///
    /// # Errors
    ///
    /// When that fails: then nothing can be appended any more.
    pub(super) fn cut(&self) -> io::Result<()> {
        self.file.set_length(self.length).map_err(final_error)
    }

    /// Makes durable what has been appended.
    ///
    /// # Errors
    ///
    /// When that fails: then nothing can be appended any more. The error never says that the disk is full, even if the system
    /// does: what has been written may be there or not.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync().map_err(final_error)
    }

    /// Shows readers what has been appended.
    pub(super) fn show(&mut self) {
        let Some(index) = self.segment.index.lock().clone() else {
            return;
        };
        let mut index = index.write();
        for unindexed in self.unindexed.drain(..) {
            match unindexed {
                Unindexed::Frame(place) => index.add_frame(place),
                Unindexed::Topic(topic) => index.add_topic(&topic),
                Unindexed::Event {
                    place,
                    topics,
                    is_ephemeral,
                    has_key,
                    published_at,
                } => {
                    self.newest_time = self.newest_time.max(published_at);
                    index.add_event(
                        place,
                        topics.into_iter(),
                        is_ephemeral,
                        has_key,
                        published_at,
                    );
                }
            }
        }
        *self.segment.state.write() = State {
            length: self.length,
            last: self.last,
            newest_time: self.newest_time,
        };
    }

    /// Writes the index of the segment, which is complete. The segment works without.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub(super) fn write_index(&self, storage: &dyn Storage) -> io::Result<()> {
        let Some(index) = self.segment.index.lock().clone() else {
            return Ok(());
        };
        write_index(
            storage,
            &self.segment.header,
            self.segment.state(),
            &index.read(),
        )
    }
}
