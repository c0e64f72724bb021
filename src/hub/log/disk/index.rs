//! The index of one segment: where each topic's events stand. It is made while the segment is written, and can be made again
//! from it at any time; the file that it is kept in once the segment is complete only saves that work.

use std::collections::BTreeMap;

use super::bytes::{Reader, put, put_bytes};
use super::format::{Header, Record};
use crate::hub::channel::Matcher;
use crate::hub::position::Offset;
use crate::hub::topic::Topic;

/// The first bytes of an index file, with the version of its format.
const MAGIC: [u8; 8] = *b"fwindex1";

/// What a topic takes in memory beside its places and its name, in bytes.
const TOPIC_BYTES: usize = 160;

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Its offset, counted from the segment's first.
    pub(super) offset: u32,
    /// The position of its record, or of a frame, in the segment's file.
    pub(super) position: u32,
}

/// A topic of a segment, and its retained events.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TopicIndex {
    pub(super) topic: Topic,
    pub(super) places: Vec<Place>,
}

/// What a segment has.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Index {
    /// The topics, by their numbers in the segment.
    topics: Vec<TopicIndex>,
    by_name: BTreeMap<Topic, usize>,
    /// Every frame, by its first offset.
    frames: Vec<Place>,
    /// The events that have an idempotency key, ephemeral ones too.
    keyed: Vec<Place>,
    /// How many places of topics there are.
    places: usize,
    /// When the newest event was published, in milliseconds since 1970.
    newest_time: u64,
}

impl Index {
    /// A frame follows.
    pub(super) fn add_frame(&mut self, place: Place) {
        self.frames.push(place);
    }

    /// A topic gets the next number.
    pub(super) fn add_topic(&mut self, topic: &Topic) {
        self.by_name.insert(topic.clone(), self.topics.len());
        self.topics.push(TopicIndex {
            topic: topic.clone(),
            places: Vec::new(),
        });
    }

    /// An event follows, of topics with these numbers.
    pub(super) fn add_event(
        &mut self,
        place: Place,
        topics: impl Iterator<Item = usize>,
        is_ephemeral: bool,
        has_key: bool,
        published_at: u64,
    ) {
        self.newest_time = self.newest_time.max(published_at);
        if has_key {
            self.keyed.push(place);
        }
        if is_ephemeral {
            return;
        }
        for number in topics {
            if let Some(of_topic) = self.topics.get_mut(number)
                // A topic that is named twice has the event once.
                && of_topic.places.last() != Some(&place)
            {
                of_topic.places.push(place);
                self.places += 1;
            }
        }
    }

    /// Adds what a whole frame has. Nothing is returned if a record is none.
    pub(super) fn add_records(
        &mut self,
        mut records: &[u8],
        position: u32,
        header: &Header,
        seed: &crc32fast::Hasher,
    ) -> Option<()> {
        let length = records.len();
        while !records.is_empty() {
            let position = position.checked_add((length - records.len()).try_into().ok()?)?;
            match Record::next(&mut records, header, seed)? {
                Record::Topic(name) => self.add_topic(&Topic::new(name).ok()?),
                Record::Event(event) => {
                    let place = Place {
                        offset: relative(event.offset, header)?,
                        position,
                    };
                    if event.topics().any(|number| number >= self.topics.len()) {
                        return None;
                    }
                    let has_key = event.key.is_some();
                    let (is_ephemeral, time) = (event.is_ephemeral, event.published_at);
                    self.add_event(place, event.topics(), is_ephemeral, has_key, time);
                }
            }
        }
        Some(())
    }

    pub(super) fn topics(&self) -> &[TopicIndex] {
        &self.topics
    }

    pub(super) fn keyed(&self) -> &[Place] {
        &self.keyed
    }

    pub(super) fn newest_time(&self) -> u64 {
        self.newest_time
    }

    /// How many places of topics there are.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// The numbers of the topics that match.
    pub(super) fn matching(&self, of: &Matcher) -> Vec<usize> {
        match of {
            Matcher::Topic(topic) => self.by_name.get(topic).copied().into_iter().collect(),
            Matcher::Pattern(pattern) => pattern
                .range(&self.by_name)
                .map(|(_, number)| *number)
                .collect(),
        }
    }

    /// The position of the frame that an offset stands in, or the first one after it.
    pub(super) fn frame_of(&self, offset: u32) -> Option<Place> {
        let after = self.frames.partition_point(|frame| frame.offset <= offset);
        self.frames.get(after.saturating_sub(1)).copied()
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        let names = self.topics.iter().map(|of| of.topic.as_str().len());
        let places = self.places + self.frames.len() + self.keyed.len();
        names.sum::<usize>() + self.topics.len() * TOPIC_BYTES + places * size_of::<Place>()
    }

    /// The bytes of the index's file, for a segment of this length.
    pub(super) fn encode(&self, header: &Header, last: Offset, length: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + self.places * 4);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&header.salt.to_le_bytes());
        put(&mut out, last.number());
        put(&mut out, length);
        put(&mut out, self.newest_time);
        put(&mut out, self.topics.len() as u64);
        for TopicIndex { topic, places } in &self.topics {
            put_bytes(&mut out, topic.as_str().as_bytes());
            put_places(&mut out, places);
        }
        put_places(&mut out, &self.frames);
        put_places(&mut out, &self.keyed);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// The index in these bytes, and the last offset of its segment. Nothing if they are damaged, or of another segment.
    pub(super) fn decode(bytes: &[u8], header: &Header, length: u64) -> Option<(Self, Offset)> {
        let (content, crc) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut reader = Reader(content);
        let is_of_segment = reader.take(MAGIC.len())? == MAGIC && reader.u64()? == header.salt;
        let last = Offset::from_number(reader.number()?);
        if !is_of_segment || reader.number()? != length {
            return None;
        }
        let mut index = Self {
            newest_time: reader.number()?,
            ..Self::default()
        };
        for number in 0..reader.length()? {
            let topic = Topic::new(reader.text()?).ok()?;
            let places = take_places(&mut reader)?;
            index.places += places.len();
            index.by_name.insert(topic.clone(), number);
            index.topics.push(TopicIndex { topic, places });
        }
        index.frames = take_places(&mut reader)?;
        index.keyed = take_places(&mut reader)?;
        reader.is_empty().then_some((index, last))
    }
}

impl Place {
    /// The event's offset.
    pub(super) fn offset(self, header: &Header) -> Offset {
        Offset::from_number(header.first.number() + u64::from(self.offset))
    }
}

/// An offset, counted from the segment's first; nothing if it lies before it or too far after it.
pub(super) fn relative(offset: Offset, header: &Header) -> Option<u32> {
    let relative = offset.number().checked_sub(header.first.number())?;
    relative.try_into().ok()
}

fn put_places(out: &mut Vec<u8>, places: &[Place]) {
    put(out, places.len() as u64);
    let mut before = Place {
        offset: 0,
        position: 0,
    };
    for place in places {
        put(out, u64::from(place.offset - before.offset));
        put(out, u64::from(place.position - before.position));
        before = *place;
    }
}

fn take_places(reader: &mut Reader<'_>) -> Option<Vec<Place>> {
    let count = reader.length()?;
    // Each takes two bytes at least.
    let mut places = Vec::with_capacity(count.min(reader.0.len() / 2));
    let (mut offset, mut position) = (0u32, 0u32);
    for _ in 0..count {
        offset = offset.checked_add(reader.number()?.try_into().ok()?)?;
        position = position.checked_add(reader.number()?.try_into().ok()?)?;
        places.push(Place { offset, position });
    }
    Some(places)
}
