//! Looking at a log's folder from outside: whether it is whole ([`check`]), what it has ([`read_events`]), and how long its
//! disk takes to make an append durable ([`sync_times`]). A server may have the folder open meanwhile. Nothing of the log is
//! changed.
//!
//! ```no_run
//! let report = fairwind::hub::log::disk::inspect::check("data".as_ref())?;
//! for damage in &report.damage {
//!     println!("{damage}");
//! }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Opening a folder, and repairing it as far as that is possible, is left to `recovery`. `check` reads more than a start does:
//! every byte of every segment, also where an index would do. How the results are printed is left to the caller.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::DamagePolicy;
use super::format::{
    EventRecord, FRAME_HEAD_BYTES, FrameHead, HEADER_BYTES, Header, HeaderError, Record,
};
use super::index::{Index, Place, relative};
use super::lost::LostEvents;
use super::meta::{Meta, MetaError, Run, this_boot};
use super::recovery::OpenError;
use super::schedule::{self, FoundSchedule};
use super::segment::{
    Window, file_name, find_frame, first_of, index_name, read_header, read_index,
};
use super::storage::{Folder, Storage, StoredFile};
use crate::hub::entry::{Entry, Moment};
use crate::hub::position::{Epoch, Epochs, Offset};
use crate::hub::publish::IdempotencyKey;
use crate::hub::topic::Topic;
use crate::protocol::event::EventId;

/// What a look at a folder has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The segments whose headers can be read, oldest first.
    pub segments: Vec<SegmentReport>,
    /// What has been lost or changed on the disk. A log without any is whole.
    pub damage: Vec<Finding>,
    /// What is out of the ordinary, and no loss.
    pub notes: Vec<Finding>,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file's name.
    pub file: String,
    /// The first offset that it covers.
    pub first: Offset,
    /// The last offset of its last whole frame; nothing if it has none.
    pub last: Option<Offset>,
    /// How many whole frames it has. Each is one commit.
    pub frames: u64,
    /// How many events the frames have. Ephemeral events without an idempotency key are not stored.
    pub events: u64,
    /// How many topics the events belong to.
    pub topics: usize,
    /// The file's length.
    pub bytes: u64,
}

/// Something about one file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file's name.
    pub file: String,
    /// Where in the file, if it is about one place.
    pub position: Option<u64>,
    /// What there is, and what follows from it.
    pub text: String,
}

/// An event as the log has it.
#[derive(Debug)]
pub struct LoggedEvent {
    /// The event. Its id is the one that its publisher chose, or else the log's.
    pub entry: Entry,
    /// The id that the log gives the event.
    pub log_id: EventId,
    /// The idempotency key under which it was published.
    pub key: Option<IdempotencyKey>,
}

/// How long appends took until the disk had them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncTimes {
    /// Half of them took at most this long.
    pub p50: Duration,
    /// 99 of 100 took at most this long.
    pub p99: Duration,
    /// The longest time.
    pub max: Duration,
}

impl Report {
    /// Whether the log has everything that it should have.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty()
    }

    fn damage(&mut self, file: &str, position: impl Into<Option<u64>>, text: impl Into<String>) {
        self.damage.push(Finding::new(file, position, text));
    }

    fn note(&mut self, file: &str, position: impl Into<Option<u64>>, text: impl Into<String>) {
        self.notes.push(Finding::new(file, position, text));
    }
}

impl Finding {
    fn new(file: &str, position: impl Into<Option<u64>>, text: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            position: position.into(),
            text: text.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(position) = self.position {
            write!(f, ", byte {position}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Reads every byte of a folder's log.
///
/// # Errors
///
/// When the folder cannot be read, or has no log. A file that cannot be read is damage in the report.
pub fn check(folder: &Path) -> io::Result<Report> {
    check_storage(&Folder::for_reading(folder), &this_boot())
}

/// Reads all events of a folder, in order, or those of one topic. Where something is damaged, `take` gets that instead, and
/// then the events after it whose topics are still known. It says whether to go on.
///
/// # Errors
///
/// When the folder cannot be read, or has no log.
pub fn read_events(
    folder: &Path,
    topic: Option<&Topic>,
    mut take: impl FnMut(Result<LoggedEvent, Finding>) -> ControlFlow<()>,
) -> io::Result<()> {
    read_stored_events(&Folder::for_reading(folder), topic, &mut take)
}

/// Appends to a temporary file in a folder, 256 bytes and 16 KiB in turn, and measures how long each append takes until it is
/// durable.
///
/// # Errors
///
/// When the file cannot be written, or made durable.
pub fn sync_times(folder: &Path, count: usize) -> io::Result<SyncTimes> {
    let storage = Folder::for_reading(folder);
    // A server that starts removes what has been left under such a name.
    let name = format!("sync-times-{}.tmp", std::process::id());
    let file = storage.create(&name)?;
    let measured = measure(&*file, count.max(1));
    match storage.remove(&name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => measured,
    }
}

pub(super) fn measure(file: &dyn StoredFile, count: usize) -> io::Result<SyncTimes> {
    let sizes = [256, 16 << 10];
    let bytes = [0xa5; 16 << 10];
    let mut times = Vec::new();
    let mut length = 0;
    for number in 0..count {
        let size = sizes[number % sizes.len()];
        let start = Instant::now();
        file.write_at(length, &bytes[..size])?;
        file.sync()?;
        times.push(start.elapsed());
        length += size as u64;
    }
    times.sort_unstable();
    let percentile = |part: usize| {
        let rank = (times.len() * part).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied()
    };
    Ok(SyncTimes {
        p50: percentile(50).unwrap_or_default(),
        p99: percentile(99).unwrap_or_default(),
        max: percentile(100).unwrap_or_default(),
    })
}

/// The first offsets of all segments, in order, and the names of all files.
fn list(storage: &dyn Storage) -> io::Result<(Vec<Offset>, Vec<String>)> {
    let mut names = storage.names()?;
    names.sort_unstable();
    let firsts: Vec<_> = names.iter().filter_map(|name| first_of(name)).collect();
    if firsts.is_empty() && !names.iter().any(|name| name == "meta") {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the folder has no log: neither the file meta nor a segment",
        ));
    }
    Ok((firsts, names))
}

/// A segment's file.
struct OpenSegment {
    header: Header,
    file: Arc<dyn StoredFile>,
    length: u64,
}

/// What the name of a segment leads to.
enum Opened {
    Segment(OpenSegment),
    /// Retention has removed it since the files were listed.
    Removed,
    /// A segment that was being created.
    Unfinished,
    Damaged(String),
}

fn open(storage: &dyn Storage, first: Offset, is_last: bool) -> Opened {
    let file = match storage.open(&file_name(first)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Opened::Removed,
        Err(error) => return Opened::Damaged(format!("it cannot be read: {error}")),
    };
    let header = file
        .length()
        .and_then(|length| Ok((length, read_header(&*file)?)));
    match header {
        Ok((length, Ok(header))) if header.first == first => Opened::Segment(OpenSegment {
            header,
            file,
            length,
        }),
        Ok((_, Ok(header))) => {
            let name = file_name(header.first);
            Opened::Damaged(format!("it has the header of {name}"))
        }
        Ok((_, Err(HeaderError::Version(version)))) => Opened::Damaged(format!(
            "it is of version {version} of the log's format, which this program does not know: use a newer fairwind"
        )),
        Ok((length, Err(HeaderError::Damaged))) if is_last && length <= HEADER_BYTES as u64 => {
            Opened::Unfinished
        }
        Ok((_, Err(HeaderError::Damaged))) => Opened::Damaged("it has no header".to_owned()),
        Err(error) => Opened::Damaged(format!("it cannot be read: {error}")),
    }
}

/// What a walk through a segment meets.
enum Met<'a> {
    Frame(u64, FrameHead),
    Topic(&'a Topic),
    /// With the segment's topics by their numbers; nothing where damage has taken them.
    Event(u64, &'a EventRecord<'a>, Option<&'a [Topic]>),
    Damage(u64, String),
}

/// Where a walk has ended.
struct End {
    /// The last offset of the last whole frame; the offset before the segment if there is none.
    last: Offset,
    /// Where the bytes begin that are no whole frame, with none behind them.
    torn_at: Option<u64>,
    /// Whether there was damage before that.
    is_damaged: bool,
}

/// Why a walk has no end.
enum Stop {
    /// The file cannot be read.
    Io(io::Error),
    /// It was asked to stop.
    Asked,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The topics of a segment by their numbers, as far as a walk knows them.
enum Names {
    /// Every record of a topic has been read.
    Read(Vec<Topic>),
    /// Records of topics may be missing, and the index has them all.
    FromIndex(Vec<Topic>),
    /// Records of topics may be missing.
    Unknown,
}

/// Reads a segment frame by frame, and past damage, as far as whole frames follow.
struct Walk<'a> {
    storage: &'a dyn Storage,
    segment: &'a OpenSegment,
    seed: crc32fast::Hasher,
    names: Names,
    end: End,
    meet: &'a mut dyn FnMut(Met<'_>) -> ControlFlow<()>,
}

impl<'a> Walk<'a> {
    fn new(
        storage: &'a dyn Storage,
        segment: &'a OpenSegment,
        meet: &'a mut dyn FnMut(Met<'_>) -> ControlFlow<()>,
    ) -> Self {
        Self {
            storage,
            segment,
            seed: segment.header.seed(),
            names: Names::Read(Vec::new()),
            end: End {
                last: segment.header.first.previous(),
                torn_at: None,
                is_damaged: false,
            },
            meet,
        }
    }

    fn run(mut self) -> Result<End, Stop> {
        let OpenSegment {
            header,
            file,
            length,
        } = self.segment;
        let mut window = Window::new(&**file, *length);
        let mut at = HEADER_BYTES as u64;
        let mut crc = 0;
        while at < *length {
            let Some((head, records)) = window.frame(at, &self.seed)? else {
                let Some((next, head)) = find_frame(&**file, header, at + 1, *length)? else {
                    self.end.torn_at = Some(at);
                    break;
                };
                let bytes = next - at;
                let text = format!(
                    "{bytes} bytes are not what was written; the next whole commit stands at byte {next}"
                );
                self.damage(at, text)?;
                (at, crc) = (next, head.previous_crc);
                continue;
            };
            if head.previous_crc != crc {
                let text =
                    "the commit does not follow the one before it: something is missing in between";
                self.damage(at, text)?;
            }
            if head.first <= self.end.last {
                let (first, last) = (head.first.number(), self.end.last.number());
                let text =
                    format!("offset {first} comes after offset {last}, and should be higher");
                self.damage(at, text)?;
            }
            self.meet(Met::Frame(at, head))?;
            self.records(&head, at + FRAME_HEAD_BYTES as u64, records)?;
            at += (FRAME_HEAD_BYTES + head.length) as u64;
            (self.end.last, crc) = (head.last, head.crc);
        }
        Ok(self.end)
    }

    /// The records of a whole frame.
    fn records(&mut self, head: &FrameHead, start: u64, records: &[u8]) -> Result<(), Stop> {
        let mut rest = records;
        let mut lowest = head.first;
        while !rest.is_empty() {
            let at = start + (records.len() - rest.len()) as u64;
            match Record::next(&mut rest, &self.segment.header, &self.seed) {
                Some(Record::Topic(name)) => match Topic::new(name) {
                    Ok(topic) => {
                        self.meet(Met::Topic(&topic))?;
                        if let Names::Read(names) = &mut self.names {
                            names.push(topic);
                        }
                    }
                    Err(_) => self.damage(at, "the record has no topic's name")?,
                },
                Some(Record::Event(event)) => {
                    if event.offset < lowest || event.offset > head.last {
                        let offset = event.offset.number();
                        let text = format!("the event has offset {offset}, which is out of order");
                        self.damage(at, text)?;
                    }
                    lowest = event.offset.next();
                    let names = match &self.names {
                        Names::Read(names) | Names::FromIndex(names) => Some(names.as_slice()),
                        Names::Unknown => None,
                    };
                    if (self.meet)(Met::Event(at, &event, names)).is_break() {
                        return Err(Stop::Asked);
                    }
                }
                None => return self.damage(at, "the record is damaged"),
            }
        }
        Ok(())
    }

    /// Something is damaged, which may have given a topic its number.
    fn damage(&mut self, at: u64, text: impl Into<String>) -> Result<(), Stop> {
        self.end.is_damaged = true;
        let OpenSegment { header, length, .. } = self.segment;
        self.names = match read_index(self.storage, header, *length) {
            Some((index, _)) => Names::FromIndex(index.all_topics()),
            None => Names::Unknown,
        };
        self.meet(Met::Damage(at, text.into()))
    }

    fn meet(&mut self, met: Met<'_>) -> Result<(), Stop> {
        match (self.meet)(met) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop::Asked),
        }
    }
}

/// What the small files say.
struct Papers {
    /// Whether everything that was committed must be there.
    is_proven: bool,
    /// The newest offset, if the last run has closed the log.
    closed_at: Option<Offset>,
    epochs: Option<Epochs>,
    /// Every topic has lost what there was up to here.
    floor: Offset,
    /// Segments up to here have been removed.
    covered: Offset,
}

pub(super) fn check_storage(storage: &dyn Storage, boot: &str) -> io::Result<Report> {
    // Before the segments, which a server may remove meanwhile.
    let lost = LostEvents::read(storage);
    let (firsts, names) = list(storage)?;
    let mut report = Report::default();
    let mut papers = Papers {
        is_proven: true,
        closed_at: None,
        epochs: None,
        floor: lost.as_ref().map_or(Offset::START, LostEvents::floor),
        covered: lost.as_ref().map_or(Offset::START, LostEvents::covered),
    };
    if lost.is_none() && names.iter().any(|name| name == "lost") {
        let text = "its checksum is wrong: a start takes every topic as one that has lost all events before the oldest segment";
        report.damage("lost", None, text);
    }
    match Meta::read(storage) {
        Ok(meta) => {
            papers.is_proven = meta.proves_all(&Run::of(storage, boot));
            papers.closed_at = meta.closed_at;
            papers.epochs = Some(meta.epochs);
        }
        Err(error) => report.damage("meta", None, meta_text(&error)),
    }
    let mut before = None;
    for (number, first) in firsts.iter().enumerate() {
        let is_last = number + 1 == firsts.len();
        before = check_segment(storage, *first, is_last, before, &papers, &mut report);
    }
    check_end(&papers, before, &mut report);
    if let Err(error) = FoundSchedule::read(storage, DamagePolicy::Stop) {
        report.damage(schedule::NAME, None, schedule_text(error));
    }
    check_names(&names, &firsts, &mut report);
    Ok(report)
}

fn meta_text(error: &MetaError) -> String {
    match error {
        MetaError::Missing => "it is missing, so no id can be trusted".to_owned(),
        MetaError::Damaged => "it is damaged, so no id can be trusted".to_owned(),
        MetaError::Version(version) => format!(
            "it is of version {version} of the log's format, which this program does not know: use a newer fairwind"
        ),
        MetaError::Io(error) => format!("it cannot be read: {error}"),
    }
}

fn schedule_text(error: OpenError) -> String {
    match error {
        OpenError::Damaged(what) => format!(
            "{what}: publications for later are lost there, and a start with --on-damage gap leaves them out"
        ),
        OpenError::Io(error) => format!("it cannot be read: {error}"),
        other => other.to_string(),
    }
}

/// Checks one segment, and that it follows the one that ends with `before`. Returns where it ends itself.
fn check_segment(
    storage: &dyn Storage,
    first: Offset,
    is_last: bool,
    before: Option<Offset>,
    papers: &Papers,
    report: &mut Report,
) -> Option<Offset> {
    let name = file_name(first);
    let segment = match open(storage, first, is_last) {
        Opened::Segment(segment) => segment,
        // Those before it have been removed as well.
        Opened::Removed => return None,
        Opened::Unfinished => {
            report.note(&name, None, "it was being created, and has no event");
            return before;
        }
        Opened::Damaged(text) => {
            report.damage(&name, None, text);
            return None;
        }
    };
    if let Some(before) = before
        && first != before.next()
        && first.previous() > papers.floor
    {
        let (from, to) = (before.next().number(), first.previous().number());
        let text = format!(
            "offsets {from} to {to} should stand before it, and do not: a segment is missing"
        );
        report.damage(&name, None, text);
    }
    let (header, length) = (segment.header, segment.length);
    let mut seen = SegmentReport {
        file: name.clone(),
        first,
        last: None,
        frames: 0,
        events: 0,
        topics: 0,
        bytes: length,
    };
    let mut index = Index::default();
    let mut found = Vec::new();
    let mut meet = |met: Met<'_>| {
        let mut damage = |position, text: &str| found.push((position, text.to_owned()));
        let place = |offset, position: u64| {
            Some(Place {
                offset: relative(offset, &header)?,
                position: position.try_into().ok()?,
            })
        };
        match met {
            Met::Frame(position, head) => {
                seen.frames += 1;
                match place(head.first, position) {
                    Some(place) => index.add_frame(place),
                    None => damage(position, "the segment is larger than one can be"),
                }
            }
            Met::Topic(topic) => index.add_topic(topic),
            Met::Event(position, event, topics) => {
                seen.events += 1;
                if topics.is_some_and(|topics| {
                    event.stored(|number| topics.get(number).cloned()).is_none()
                }) {
                    damage(position, "the event has a name that there is not");
                }
                if let Some(place) = place(event.offset, position) {
                    let has_key = event.key.is_some();
                    let (is_ephemeral, time) = (event.is_ephemeral, event.published_at);
                    index.add_event(place, event.topics(), is_ephemeral, has_key, time);
                }
            }
            Met::Damage(position, text) => damage(position, &text),
        }
        ControlFlow::Continue(())
    };
    let walked = Walk::new(storage, &segment, &mut meet).run();
    seen.topics = index.topics().len();
    let end = match walked {
        Ok(end) => end,
        Err(stop) => {
            if let Stop::Io(error) = stop {
                report.damage(&name, None, format!("it cannot be read: {error}"));
            }
            report.segments.push(seen);
            return None;
        }
    };
    seen.last = (seen.frames > 0).then_some(end.last);
    report.segments.push(seen);
    // Without a sync after each commit, the system may have written a later one first.
    let may_be_torn = is_last && !papers.is_proven;
    for (position, text) in found {
        if may_be_torn {
            let text = format!(
                "{text}. The machine went down before all was written: the next start cuts the file off here"
            );
            report.note(&name, position, text);
        } else {
            report.damage(&name, position, text);
        }
    }
    if let Some(at) = end.torn_at {
        let bytes = length - at;
        if is_last && papers.closed_at.is_none() || may_be_torn {
            let text = format!(
                "the last {bytes} bytes are the beginning of a commit: it was never committed, and the next start cuts it off"
            );
            report.note(&name, at, text);
        } else {
            let text = format!("the last {bytes} bytes are not what was written");
            report.damage(&name, at, text);
        }
    }
    let is_complete = !is_last || papers.closed_at.is_some();
    if !end.is_damaged && end.torn_at.is_none() {
        check_index(
            storage,
            &header,
            (length, end.last),
            &index,
            is_complete,
            report,
        );
    }
    Some(end.last)
}

/// Compares the index file of a whole segment with what the segment has.
fn check_index(
    storage: &dyn Storage,
    header: &Header,
    (length, last): (u64, Offset),
    index: &Index,
    is_complete: bool,
    report: &mut Report,
) {
    let name = index_name(header.first);
    let text = match read_index(storage, header, length) {
        Some((stored, stored_last)) if stored == *index && stored_last == last => return,
        Some(_) => {
            let text = "it does not agree with its segment: remove the file, and it is made again when it is needed";
            return report.damage(&name, None, text);
        }
        None if !is_complete => return,
        None => match storage.open(&name) {
            Ok(_) => {
                "it is damaged or of another state of its segment, and is made again when it is needed"
            }
            Err(_) => "it is missing, and is made again when it is needed",
        },
    };
    report.note(&name, None, text);
}

/// Checks that the end of the log is where the small files say that it must be.
fn check_end(papers: &Papers, last: Option<Offset>, report: &mut Report) {
    let removed = papers.floor.max(papers.covered);
    if let Some(last) = last
        && papers.covered > last
    {
        let (covered, last) = (papers.covered.number(), last.number());
        let text = format!(
            "segments up to offset {covered} have been removed, and the log ends with offset {last}: the newest segments are missing"
        );
        report.damage("lost", None, text);
    }
    let end = last.unwrap_or_default().max(removed);
    if let Some(closed_at) = papers.closed_at
        && closed_at > end
    {
        let (closed_at, end) = (closed_at.number(), end.number());
        let text = format!(
            "the log was closed at offset {closed_at}, and ends with offset {end}: the newest segments are missing"
        );
        report.damage("meta", None, text);
    }
    if let Some(epochs) = &papers.epochs
        && let [_, .., (epoch, first)] = epochs.ranges()
        && *first > end.next()
    {
        let (first, end) = (first.number(), end.number());
        let text = format!(
            "epoch {} begins with offset {first}, and the log ends with offset {end}: the newest segments are missing",
            epoch.as_str()
        );
        report.damage("meta", None, text);
    }
}

/// Notes files that are no part of the log.
fn check_names(names: &[String], firsts: &[Offset], report: &mut Report) {
    for name in names {
        let is_index_of = |first: &Offset| *name == index_name(*first);
        if name.ends_with(".tmp") {
            let text = "it was left by a write that was interrupted, or is being written; a start removes it";
            report.note(name, None, text);
        } else if name.ends_with(".damaged") {
            let text = "a start with --on-damage gap has set it aside, since it was damaged";
            report.note(name, None, text);
        } else if name.ends_with(".idx") && !firsts.iter().any(is_index_of) {
            report.note(name, None, "its segment is not there");
        } else if name.ends_with(".log") && first_of(name).is_none() {
            let text = "no segment has such a name, so the server does not read it";
            report.note(name, None, text);
        }
    }
}

pub(super) fn read_stored_events(
    storage: &dyn Storage,
    topic: Option<&Topic>,
    take: &mut dyn FnMut(Result<LoggedEvent, Finding>) -> ControlFlow<()>,
) -> io::Result<()> {
    let (firsts, _) = list(storage)?;
    let mut failed = None;
    let epochs = match Meta::read(storage) {
        Ok(meta) => Some(meta.epochs),
        Err(error) => {
            failed = Some(Finding::new("meta", None, meta_text(&error)));
            Epoch::new("unknown").map(Epochs::new)
        }
    };
    if let Some(failed) = failed
        && take(Err(failed)).is_break()
    {
        return Ok(());
    }
    let Some(epochs) = epochs else {
        return Ok(());
    };
    let now = Moment::now();
    for (number, first) in firsts.iter().enumerate() {
        let is_last = number + 1 == firsts.len();
        let name = file_name(*first);
        let segment = match open(storage, *first, is_last) {
            Opened::Segment(segment) => segment,
            Opened::Removed | Opened::Unfinished => continue,
            Opened::Damaged(text) => {
                if take(Err(Finding::new(&name, None, text))).is_break() {
                    return Ok(());
                }
                continue;
            }
        };
        let mut meet = |met: Met<'_>| match met {
            Met::Frame(..) | Met::Topic(_) => ControlFlow::Continue(()),
            Met::Damage(position, text) => take(Err(Finding::new(&name, position, text))),
            Met::Event(position, event, names) => {
                let Some(names) = names else {
                    let text =
                        "the event's topic is unknown, since damage before it has taken its name";
                    return take(Err(Finding::new(&name, position, text)));
                };
                let has_topic = |topic: &Topic| {
                    event
                        .topics()
                        .any(|number| names.get(number) == Some(topic))
                };
                if topic.is_some_and(|topic| !has_topic(topic)) {
                    return ControlFlow::Continue(());
                }
                let Some(stored) = event.stored(|number| names.get(number).cloned()) else {
                    let text = "the event has a name that there is not";
                    return take(Err(Finding::new(&name, position, text)));
                };
                take(Ok(LoggedEvent {
                    log_id: epochs.id(event.offset),
                    key: event.key.as_ref().map(|key| key.to_key()),
                    entry: stored.restore(&epochs, now),
                }))
            }
        };
        let damage = match Walk::new(storage, &segment, &mut meet).run() {
            Err(Stop::Asked) => return Ok(()),
            Ok(end) => {
                let at = end.torn_at.filter(|_| !is_last);
                at.map(|at| Finding::new(&name, at, "the rest is not what was written"))
            }
            Err(Stop::Io(error)) => {
                let text = format!("it cannot be read: {error}");
                Some(Finding::new(&name, None, text))
            }
        };
        if let Some(damage) = damage
            && take(Err(damage)).is_break()
        {
            return Ok(());
        }
    }
    Ok(())
}
