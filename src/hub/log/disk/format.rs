//! The bytes of a segment, version 1. Numbers are little-endian; `number` is one of variable length (see `bytes`).
//!
//! ```text
//! segment  header, frames
//! header   "fairwind", version u32, first offset u64, base time u64 (ms since 1970), salt u64, crc u32
//! frame    magic u32, length of the records u32, crc u32, crc of the frame before u32, first offset u64, last offset u64, records
//! record   kind u8, length of the body (number), crc u32, body
//! topic    the name. The first topic record of a segment has the number 0, the next 1, and so on
//! note     anything: what a file beside the segments has in its frames, whose offsets count the frames (see `notes`)
//! event    flags u8, offset − first offset of the segment (number), time − base time (number with sign, ms), topic (number),
//!          [other topics: count and numbers], [id], [type], [retry in ms (number)],
//!          [key, publisher u64, subscribers (number)], data
//! ```
//!
//! * A frame is one commit: a group of events that is written at once and becomes durable as a whole. Its offsets include
//!   those of ephemeral events, which have no record unless they have an idempotency key.
//! * A frame names the checksum of the one before, and every checksum (CRC-32) covers the segment's random salt. So bytes
//!   of another segment, or bytes that a publisher made up, are never taken for a frame.
//! * Every version has this header, so that a later one can be told from damage.
//! * A record has a checksum of its own, since readers of old events read single records.

use std::time::{Duration, SystemTime};

use crc32fast::Hasher;

use super::bytes::{Reader, put, put_bytes, put_signed};
use crate::hub::entry::{Entry, StoredEvent};
use crate::hub::log::KeyRecord;
use crate::hub::position::Offset;
use crate::hub::publish::{IdempotencyKey, PublishRequest};
use crate::hub::topic::Topic;
use crate::hub::wall_clock::{self, milliseconds};
use crate::protocol::END_EVENT;
use crate::protocol::event::{EventId, EventType};

/// The version of the format that this program writes. It reads no later one.
pub(super) const VERSION: u32 = 1;

/// The length of a segment's header, in bytes.
pub(super) const HEADER_BYTES: usize = 40;

/// The length of a frame's head, in bytes.
pub(super) const FRAME_HEAD_BYTES: usize = 32;

/// A segment's first bytes.
const MAGIC: [u8; 8] = *b"fairwind";

/// A frame's first bytes.
pub(super) const FRAME_MAGIC: [u8; 4] = *b"\xf2frm";

const TOPIC: u8 = 1;
const EVENT: u8 = 2;
const NOTE: u8 = 3;

/// What an event's flags say.
mod flag {
    pub(super) const PRIVATE: u8 = 1;
    pub(super) const EPHEMERAL: u8 = 1 << 1;
    pub(super) const END: u8 = 1 << 2;
    pub(super) const ID: u8 = 1 << 3;
    pub(super) const TYPE: u8 = 1 << 4;
    pub(super) const RETRY: u8 = 1 << 5;
    pub(super) const KEY: u8 = 1 << 6;
    pub(super) const ALSO_IN: u8 = 1 << 7;
}

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Every event of the segment has this offset or a later one, and every older event is in an older segment.
    pub(super) first: Offset,
    /// What the events' times are counted from, in milliseconds since 1970.
    pub(super) base_time: u64,
    pub(super) salt: u64,
}

/// Why bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeaderError {
    /// They are of this other version of the format.
    Version(u32),
    /// They are damaged, or of something else.
    Damaged,
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHead {
    /// How many bytes of records follow.
    pub(super) length: usize,
    pub(super) crc: u32,
    pub(super) previous_crc: u32,
    pub(super) first: Offset,
    pub(super) last: Offset,
}

/// A record as it stands in its segment.
#[derive(Debug)]
pub(super) enum Record<'a> {
    /// Gives the next number to a topic.
    Topic(&'a str),
    Event(EventRecord<'a>),
}

/// An event's record. Topics are the segment's numbers.
#[derive(Debug)]
pub(super) struct EventRecord<'a> {
    pub(super) offset: Offset,
    pub(super) topic: usize,
    pub(super) also_in: Vec<usize>,
    pub(super) is_ephemeral: bool,
    /// In milliseconds since 1970.
    pub(super) published_at: u64,
    is_private: bool,
    is_end: bool,
    id: Option<&'a str>,
    event_type: Option<&'a str>,
    retry: Option<u64>,
    pub(super) key: Option<StoredKey<'a>>,
    data: &'a str,
}

/// The idempotency key of an event.
#[derive(Debug)]
pub(super) struct StoredKey<'a> {
    pub(super) key: &'a str,
    pub(super) publisher: u64,
    pub(super) subscribers: usize,
}

/// The moment that was so long ago, in milliseconds since 1970.
pub(super) fn milliseconds_ago(age: Duration) -> u64 {
    wall_clock::now().checked_sub(age).map_or(0, milliseconds)
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        for number in [self.first.number(), self.base_time, self.salt] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&out);
        header
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, HeaderError> {
        let mut reader = Reader(bytes);
        let mut read = || {
            let has_magic = reader.take(MAGIC.len())? == MAGIC;
            let version = reader.u32()?;
            let header = Self {
                first: Offset::from_number(reader.u64()?),
                base_time: reader.u64()?,
                salt: reader.u64()?,
            };
            let is_whole = reader.u32()? == crc32fast::hash(&bytes[..HEADER_BYTES - 4]);
            Some((has_magic, version, header, is_whole))
        };
        match read() {
            Some((true, VERSION, header, true)) => Ok(header),
            Some((true, version, _, true)) => Err(HeaderError::Version(version)),
            _ => Err(HeaderError::Damaged),
        }
    }

    /// What every checksum of the segment begins with.
    pub(super) fn seed(&self) -> Hasher {
        let mut hasher = Hasher::new();
        hasher.update(&self.salt.to_le_bytes());
        hasher.update(&self.first.number().to_le_bytes());
        hasher
    }
}

impl FrameHead {
    /// The head of a frame with these records.
    pub(super) fn of(
        records: &[u8],
        previous_crc: u32,
        first: Offset,
        last: Offset,
        seed: &Hasher,
    ) -> Self {
        let mut head = Self {
            length: records.len(),
            crc: 0,
            previous_crc,
            first,
            last,
        };
        head.crc = head.checksum(records, seed);
        head
    }

    pub(super) fn encode(&self) -> [u8; FRAME_HEAD_BYTES] {
        let mut head = [0; FRAME_HEAD_BYTES];
        // A frame is much shorter: one event has at most 4 GiB.
        let length = u32::try_from(self.length).unwrap_or(u32::MAX);
        head[..4].copy_from_slice(&FRAME_MAGIC);
        head[4..8].copy_from_slice(&length.to_le_bytes());
        head[8..12].copy_from_slice(&self.crc.to_le_bytes());
        head[12..16].copy_from_slice(&self.previous_crc.to_le_bytes());
        head[16..24].copy_from_slice(&self.first.number().to_le_bytes());
        head[24..].copy_from_slice(&self.last.number().to_le_bytes());
        head
    }

    /// The head, if these are a head's bytes; whether the frame is whole, its checksum says.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.take(4)? != FRAME_MAGIC {
            return None;
        }
        let length = reader.u32()? as usize;
        let head = Self {
            length,
            crc: reader.u32()?,
            previous_crc: reader.u32()?,
            first: Offset::from_number(reader.u64()?),
            last: Offset::from_number(reader.u64()?),
        };
        (head.first <= head.last).then_some(head)
    }

    pub(super) fn is_whole(&self, records: &[u8], seed: &Hasher) -> bool {
        records.len() == self.length && self.checksum(records, seed) == self.crc
    }

    fn checksum(&self, records: &[u8], seed: &Hasher) -> u32 {
        let mut hasher = seed.clone();
        hasher.update(&(self.length as u64).to_le_bytes());
        hasher.update(&self.previous_crc.to_le_bytes());
        hasher.update(&self.first.number().to_le_bytes());
        hasher.update(&self.last.number().to_le_bytes());
        hasher.update(records);
        hasher.finalize()
    }
}

/// Appends the record of a topic.
pub(super) fn put_topic(out: &mut Vec<u8>, topic: &Topic, seed: &Hasher) {
    put_record(out, TOPIC, topic.as_str().as_bytes(), seed);
}

/// Appends the record of an event. `topics` has the numbers of its topics in the segment, in their order; `body` is room to
/// work in.
pub(super) fn put_event(
    out: &mut Vec<u8>,
    body: &mut Vec<u8>,
    entry: &Entry,
    key: Option<KeyRecord<'_>>,
    header: &Header,
    seed: &Hasher,
    topics: &[usize],
) {
    let has_type = entry.is_end || !entry.event.event_type.is_message();
    let flags = [
        (entry.is_private, flag::PRIVATE),
        (entry.is_ephemeral, flag::EPHEMERAL),
        (entry.is_end, flag::END),
        (entry.has_own_id, flag::ID),
        (has_type, flag::TYPE),
        (entry.retry.is_some(), flag::RETRY),
        (key.is_some(), flag::KEY),
        (!entry.also_in.is_empty(), flag::ALSO_IN),
    ];
    let flags = flags.iter().filter(|(is_set, _)| *is_set);
    body.clear();
    body.push(flags.fold(0, |all, (_, flag)| all | flag));
    put(body, entry.offset.number() - header.first.number());
    let time = milliseconds(entry.published_at) as i64 - header.base_time as i64;
    put_signed(body, time);
    let (first, others) = topics.split_first().unwrap_or((&0, &[]));
    put(body, *first as u64);
    if !others.is_empty() {
        put(body, others.len() as u64);
        for topic in others {
            put(body, *topic as u64);
        }
    }
    if entry.has_own_id {
        put_bytes(body, entry.event.id.as_str().as_bytes());
    }
    if has_type {
        put_bytes(body, entry.event.event_type.as_str().as_bytes());
    }
    if let Some(retry) = entry.retry {
        put(body, retry.as_millis().try_into().unwrap_or(u64::MAX));
    }
    if let Some(KeyRecord { key, subscribers }) = key {
        put_bytes(body, key.key.as_bytes());
        body.extend_from_slice(&key.publisher.to_le_bytes());
        put(body, subscribers as u64);
    }
    put_bytes(body, entry.event.data.as_bytes());
    put_record(out, EVENT, body, seed);
}

/// Appends a note.
pub(super) fn put_note(out: &mut Vec<u8>, body: &[u8], seed: &Hasher) {
    put_record(out, NOTE, body, seed);
}

/// The body of the next record, if it is a note. Nothing if the bytes are damaged, or are not all of it.
pub(super) fn next_note<'a>(bytes: &mut &'a [u8], seed: &Hasher) -> Option<&'a [u8]> {
    let (kind, crc, body) = Record::split(bytes)?;
    (kind == NOTE && record_checksum(kind, body, seed) == crc).then_some(body)
}

/// Appends a topic's record, and an event's with any body.
#[cfg(any(test, fuzzing))]
pub(super) fn put_any(out: &mut Vec<u8>, topic: &[u8], body: &[u8], seed: &Hasher) {
    put_record(out, TOPIC, topic, seed);
    put_record(out, EVENT, body, seed);
}

fn put_record(out: &mut Vec<u8>, kind: u8, body: &[u8], seed: &Hasher) {
    out.push(kind);
    put(out, body.len() as u64);
    out.extend_from_slice(&record_checksum(kind, body, seed).to_le_bytes());
    out.extend_from_slice(body);
}

fn record_checksum(kind: u8, body: &[u8], seed: &Hasher) -> u32 {
    let mut hasher = seed.clone();
    hasher.update(&[kind]);
    hasher.update(body);
    hasher.finalize()
}

impl<'a> Record<'a> {
    /// The next record. Nothing if the bytes are damaged, or are not all of it.
    pub(super) fn next(bytes: &mut &'a [u8], header: &Header, seed: &Hasher) -> Option<Self> {
        let (kind, crc, body) = Self::split(bytes)?;
        if record_checksum(kind, body, seed) != crc {
            return None;
        }
        match kind {
            TOPIC => std::str::from_utf8(body).ok().map(Self::Topic),
            EVENT => EventRecord::decode(body, header).map(Self::Event),
            _ => None,
        }
    }

    /// How many bytes the record takes that these bytes begin with, if they have so much of it that it can be told.
    pub(super) fn length(bytes: &[u8]) -> Option<usize> {
        let mut reader = Reader(bytes);
        reader.u8()?;
        let body = reader.length()?;
        reader.u32()?;
        (bytes.len() - reader.0.len()).checked_add(body)
    }

    fn split(bytes: &mut &'a [u8]) -> Option<(u8, u32, &'a [u8])> {
        let mut reader = Reader(bytes);
        let kind = reader.u8()?;
        let length = reader.length()?;
        let crc = reader.u32()?;
        let body = reader.take(length)?;
        *bytes = reader.0;
        Some((kind, crc, body))
    }
}

impl<'a> EventRecord<'a> {
    fn decode(body: &'a [u8], header: &Header) -> Option<Self> {
        let mut reader = Reader(body);
        let flags = reader.u8()?;
        let has = |flag: u8| flags & flag != 0;
        let offset = header.first.number().checked_add(reader.number()?)?;
        let published_at = header.base_time.checked_add_signed(reader.signed()?)?;
        let topic = reader.length()?;
        let mut also_in = Vec::new();
        if has(flag::ALSO_IN) {
            for _ in 0..reader.number()? {
                also_in.push(reader.length()?);
            }
        }
        let id = if has(flag::ID) {
            Some(reader.text()?)
        } else {
            None
        };
        let event_type = if has(flag::TYPE) {
            Some(reader.text()?)
        } else {
            None
        };
        let retry = if has(flag::RETRY) {
            Some(reader.number()?)
        } else {
            None
        };
        let key = if has(flag::KEY) {
            Some(StoredKey {
                key: reader.text()?,
                publisher: reader.u64()?,
                subscribers: reader.length()?,
            })
        } else {
            None
        };
        let data = reader.text()?;
        reader.is_empty().then_some(Self {
            offset: Offset::from_number(offset),
            topic,
            also_in,
            is_ephemeral: has(flag::EPHEMERAL),
            published_at,
            is_private: has(flag::PRIVATE),
            is_end: has(flag::END),
            id,
            event_type,
            retry,
            key,
            data,
        })
    }

    /// All topics that the event belongs to, as the segment's numbers.
    pub(super) fn topics(&self) -> impl Iterator<Item = usize> {
        std::iter::once(self.topic).chain(self.also_in.iter().copied())
    }

    /// The event, with the segment's topics by their numbers. Nothing if the record names a topic that there is not.
    pub(super) fn stored(&self, topic: impl Fn(usize) -> Option<Topic>) -> Option<StoredEvent> {
        let also_in = self.also_in.iter().map(|number| topic(*number));
        let id = match self.id {
            Some(id) => Some(EventId::new(id).ok()?),
            None => None,
        };
        let event_type = match self.event_type {
            Some(END_EVENT) => EventType::constant(END_EVENT),
            Some(text) => EventType::new(text).ok()?,
            None => EventType::default(),
        };
        let published_at = Duration::from_millis(self.published_at);
        Some(StoredEvent {
            offset: self.offset,
            topic: topic(self.topic)?,
            publication: PublishRequest {
                id,
                event_type,
                data: self.data.to_owned(),
                retry: self.retry.map(Duration::from_millis),
                is_private: self.is_private,
                is_ephemeral: self.is_ephemeral,
                also_in: also_in.collect::<Option<_>>()?,
            },
            is_end: self.is_end,
            published_at: SystemTime::UNIX_EPOCH.checked_add(published_at)?,
        })
    }
}

impl StoredKey<'_> {
    pub(super) fn to_key(&self) -> IdempotencyKey {
        IdempotencyKey {
            key: self.key.to_owned(),
            publisher: self.publisher,
        }
    }
}
