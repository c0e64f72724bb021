//! Reading events that the hub's memory no longer has, on threads of the log's own; see
//! [`OlderEvents`](crate::hub::log::older::OlderEvents).
//!
//! A segment's index says where a topic's events stand. They are read singly, neighbours together. Where many topics are read
//! and have many events, the segment is read frame by frame instead.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::format::{FRAME_HEAD_BYTES, FrameHead, Record};
use super::index::{Index, Place};
use super::segment::{ReadError, Segment, Window, read_records, topics_of};
use super::segments::Segments;
use crate::hub::entry::{Entry, Moment};
use crate::hub::log::older::{Matcher, OlderAnswer, OlderEvents, OlderPage, OlderRange};
use crate::hub::position::Offset;
use crate::hub::topic::Topic;

/// How many threads read.
const THREADS: usize = 4;

/// What each event counts for a page at least, as in [`Entry::text_bytes`].
const MIN_TEXT_BYTES: usize = 16;

/// How many events of several topics are sorted at most; more are read frame by frame.
const MAX_SORTED: usize = 8_192;

/// The threads that read, and what they have to.
pub(super) struct OlderReader {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    segments: Arc<Segments>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    reads: VecDeque<(OlderRange, OlderAnswer)>,
    is_closed: bool,
}

impl OlderReader {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// When the system has no threads to give.
    pub(super) fn start(segments: Arc<Segments>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            segments,
            queue: Mutex::default(),
            changed: Condvar::new(),
        });
        let reader = Self {
            shared: Arc::clone(&shared),
            threads: Mutex::default(),
        };
        for number in 1..=THREADS {
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new()
                .name(format!("log reader {number}"))
                .spawn(move || shared.run())?;
            reader.threads.lock().push(thread);
        }
        Ok(reader)
    }

    /// Stops the threads. Reads that wait fail.
    pub(super) fn close(&self) {
        let reads = {
            let mut queue = self.shared.queue.lock();
            queue.is_closed = true;
            std::mem::take(&mut queue.reads)
        };
        self.shared.changed.notify_all();
        drop(reads);
        for thread in self.threads.lock().drain(..) {
            // A panic has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl OlderEvents for OlderReader {
    fn lost_through(&self, of: &Matcher) -> Offset {
        self.shared.segments.lost.lock().through(of)
    }

    fn read(&self, range: OlderRange, answer: OlderAnswer) {
        let mut queue = self.shared.queue.lock();
        if queue.is_closed {
            drop(queue);
            return answer.failed();
        }
        queue.reads.push_back((range, answer));
        drop(queue);
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let (range, answer) = {
                let mut queue = self.queue.lock();
                loop {
                    if let Some(read) = queue.reads.pop_front() {
                        break read;
                    }
                    if queue.is_closed {
                        return;
                    }
                    self.changed.wait(&mut queue);
                }
            };
            if !answer.is_wanted() {
                continue;
            }
            match page(&self.segments, &range) {
                Ok(Some(page)) => answer.found(page),
                Ok(None) => answer.failed(),
                Err(error) => {
                    tracing::warn!("cannot read older events from the log: {error}");
                    answer.failed();
                }
            }
        }
    }
}

/// A page that is being filled.
struct Page<'a> {
    segments: &'a Segments,
    range: &'a OlderRange,
    now: Moment,
    entries: Vec<Arc<Entry>>,
    bytes: usize,
    /// The event that had no room.
    next: Option<Offset>,
}

/// A topic of a segment that is read.
struct Wanted {
    number: usize,
    places: std::ops::Range<usize>,
}

/// Reads one page. Nothing if some of it is lost.
pub(super) fn page(segments: &Segments, range: &OlderRange) -> io::Result<Option<OlderPage>> {
    let has_lost = || {
        let lost = segments.lost.lock();
        let mut sources = range.sources.iter();
        sources.any(|(of, after)| lost.through(of) > *after)
    };
    let Some(after) = range.sources.iter().map(|(_, after)| *after).min() else {
        return Ok(None);
    };
    if has_lost() {
        return Ok(None);
    }
    let mut page = Page {
        segments,
        range,
        now: Moment::now(),
        entries: Vec::new(),
        bytes: 0,
        next: None,
    };
    for segment in segments.between(after, range.through) {
        match page.read(&segment) {
            Ok(()) => {}
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Damaged(position)) => {
                note_damage(segments, &segment, position)?;
                return Ok(None);
            }
        }
        if page.next.is_some() {
            break;
        }
    }
    // Retention may have removed a segment meanwhile.
    if has_lost() {
        return Ok(None);
    }
    let through = page.next.map_or(range.through, Offset::previous);
    Ok(Some(OlderPage {
        entries: page.entries,
        through,
    }))
}

impl Page<'_> {
    /// Adds what a segment has of the range, as far as there is room.
    fn read(&mut self, segment: &Arc<Segment>) -> Result<(), ReadError> {
        let index = self.segments.index(segment)?;
        let index = index.read();
        let wanted = self.wanted(segment, &index);
        let count: usize = wanted.iter().map(|wanted| wanted.places.len()).sum();
        let topics = topics_of(&index);
        // One more than fit, so that it shows that there is no room.
        let most = self.range.max_bytes / MIN_TEXT_BYTES + 2;
        let places_of =
            |wanted: &Wanted| &index.topics()[wanted.number].places[wanted.places.clone()];
        let places: Vec<Place> = if let [only] = wanted.as_slice() {
            places_of(only).iter().take(most).copied().collect()
        } else if count <= MAX_SORTED {
            let mut places: Vec<_> = wanted.iter().flat_map(places_of).copied().collect();
            places.sort_unstable();
            places.dedup();
            places.truncate(most);
            places
        } else {
            let afters = self.afters(segment, &index, &wanted);
            let first = wanted
                .iter()
                .filter_map(|wanted| places_of(wanted).first())
                .min();
            let frame = first.and_then(|first| index.frame_of(first.offset));
            drop(index);
            let Some(frame) = frame else {
                return Ok(());
            };
            return self.read_frames(segment, frame, &afters, &topics);
        };
        drop(index);
        let storage = &*self.segments.storage;
        read_records(
            storage,
            segment,
            places.into_iter(),
            |record| match record {
                Record::Event(event) => {
                    let stored = event.stored(&topics)?;
                    Some(self.take(stored.restore(&self.segments.epochs, self.now)))
                }
                Record::Topic(_) => None,
            },
        )
    }

    /// The topics of a segment that are read, with the places that are in the range.
    fn wanted(&self, segment: &Segment, index: &Index) -> Vec<Wanted> {
        let first = segment.header.first;
        let relative = |offset: Offset| offset.number().saturating_sub(first.number());
        let mut wanted: Vec<Wanted> = Vec::new();
        for (of, after) in &self.range.sources {
            for number in index.matching(of) {
                let places = &index.topics()[number].places;
                let is_before = |place: &Place| {
                    // Before the segment begins there is nothing to leave out.
                    *after >= first && u64::from(place.offset) <= relative(*after)
                };
                let start = places.partition_point(is_before);
                let is_in_range =
                    |place: &Place| u64::from(place.offset) <= relative(self.range.through);
                let end = places.partition_point(is_in_range);
                if start < end {
                    wanted.push(Wanted {
                        number,
                        places: start..end,
                    });
                }
            }
        }
        wanted
    }

    /// After which offset each topic of the segment is read; [`Offset::END`] for those that are not.
    fn afters(&self, segment: &Segment, index: &Index, wanted: &[Wanted]) -> Vec<Offset> {
        let mut afters = vec![Offset::END; index.topics().len()];
        for Wanted { number, places } in wanted {
            let first = index.topics()[*number].places[places.start];
            let after = &mut afters[*number];
            *after = (*after).min(first.offset(&segment.header).previous());
        }
        afters
    }

    /// Reads a segment from a frame on.
    fn read_frames(
        &mut self,
        segment: &Segment,
        frame: Place,
        afters: &[Offset],
        topics: &[Topic],
    ) -> Result<(), ReadError> {
        let file = segment.file(&*self.segments.storage)?;
        let length = segment.state().length;
        let mut window = Window::new(&*file, length);
        let mut position = u64::from(frame.position);
        while position < length {
            let head = FrameHead::decode(window.bytes(position, FRAME_HEAD_BYTES)?);
            let head = head.ok_or(ReadError::Damaged(position))?;
            if head.first > self.range.through {
                break;
            }
            let start = position + FRAME_HEAD_BYTES as u64;
            let mut records = window.bytes(start, head.length)?;
            if records.len() < head.length {
                return Err(ReadError::Damaged(position));
            }
            while !records.is_empty() {
                let at = start + (head.length - records.len()) as u64;
                let damaged = ReadError::Damaged(at);
                let record = Record::next(&mut records, &segment.header, &segment.seed);
                let Record::Event(event) = record.ok_or(damaged)? else {
                    continue;
                };
                let is_wanted = !event.is_ephemeral
                    && event.offset <= self.range.through
                    && event.topics().any(|number| {
                        afters
                            .get(number)
                            .is_some_and(|after| event.offset > *after)
                    });
                if is_wanted {
                    let stored = event.stored(topics).ok_or(ReadError::Damaged(at))?;
                    let entry = stored.restore(&self.segments.epochs, self.now);
                    if self.take(entry).is_break() {
                        return Ok(());
                    }
                }
            }
            position = start + head.length as u64;
        }
        Ok(())
    }

    /// Adds an event, if there is room for it.
    fn take(&mut self, entry: Entry) -> std::ops::ControlFlow<()> {
        let bytes = entry.text_bytes();
        if self.bytes + bytes > self.range.max_bytes && !self.entries.is_empty() {
            self.next = Some(entry.offset);
            return std::ops::ControlFlow::Break(());
        }
        self.bytes += bytes;
        self.entries.push(Arc::new(entry));
        std::ops::ControlFlow::Continue(())
    }
}

/// Counts an event as lost whose record is damaged, so that its readers get a gap and go on after it.
pub(super) fn note_damage(
    segments: &Segments,
    segment: &Arc<Segment>,
    position: u64,
) -> io::Result<()> {
    let index = segments.index(segment)?;
    let index = index.read();
    let mut lost = segments.lost.lock();
    let mut is_known = false;
    for of_topic in index.topics() {
        let found = of_topic
            .places
            .binary_search_by_key(&position, |place| u64::from(place.position));
        if let Ok(found) = found {
            is_known = true;
            lost.add(
                &of_topic.topic,
                of_topic.places[found].offset(&segment.header),
            );
        }
    }
    if !is_known {
        // What stands there no longer says whose it is.
        lost.raise_floor(segment.state().last);
    }
    drop(lost);
    let name = super::segment::file_name(segment.header.first);
    tracing::error!(
        "{name} is damaged at byte {position}: readers that need the event there get a gap"
    );
    segments.write_lost()
}
