//! What a restarted hub has in memory: of each topic its newest events, as they were before the restart, and the idempotency
//! keys that still hold. Segments are looked at from the newest to the oldest, by their indexes; only what is taken is read.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use super::DamagePolicy;
use super::format::{Record, milliseconds_ago};
use super::index::Place;
use super::older::note_damage;
use super::recovery::OpenError;
use super::segment::{ReadError, Segment, file_name, read_records};
use super::segments::Segments;
use crate::hub::Limits;
use crate::hub::entry::{Entry, Moment};
use crate::hub::log::RecoveredKey;
use crate::hub::log::older::Matcher;
use crate::hub::position::Offset;
use crate::hub::publish::IDEMPOTENCY_AGE;
use crate::hub::topic::Topic;

/// What an event takes in memory beside its record's bytes, about.
const ENTRY_BYTES: usize = size_of::<Entry>() + 144;

/// Most keys that are recovered.
const MAX_KEYS: usize = 300_000;

/// What belongs into memory.
#[derive(Default)]
pub(super) struct Selection {
    /// In order.
    pub(super) entries: Vec<Arc<Entry>>,
    /// The newest event of each topic that is not among the entries, oldest first.
    pub(super) evicted: Vec<(Topic, Offset)>,
    /// Topics that are not named may have events up to here that are not among the entries.
    pub(super) evicted_floor: Offset,
    /// Oldest first.
    pub(super) keys: Vec<RecoveredKey>,
}

/// How far one topic has been taken.
#[derive(Default)]
struct Taken {
    count: usize,
    /// Older events stay where they are, since a newer one does.
    is_closed: bool,
}

/// What is read of one segment.
struct Wanted {
    segment: Arc<Segment>,
    topics: Vec<Topic>,
    places: BTreeSet<Place>,
    keyed: Vec<Place>,
}

/// Selects what fits into a hub's limits.
///
/// # Errors
///
/// When a segment cannot be read, or is damaged and the policy is to stop.
pub(super) fn select(
    segments: &Segments,
    limits: &Limits,
    policy: DamagePolicy,
) -> Result<Selection, OpenError> {
    loop {
        let (mut selection, wanted) = choose(segments, limits)?;
        let mut damage = None;
        for wanted in wanted.iter().rev() {
            match read(segments, wanted, &mut selection) {
                Ok(()) => {}
                Err(ReadError::Io(error)) => return Err(error.into()),
                Err(ReadError::Damaged(position)) => {
                    stop_at_damage(policy, &wanted.segment, position)?;
                    damage = Some((Arc::clone(&wanted.segment), position));
                    break;
                }
            }
        }
        let Some((segment, position)) = damage else {
            for wanted in wanted.iter().rev() {
                read_keys(segments, wanted, policy, &mut selection)?;
            }
            return Ok(selection);
        };
        // Then without what is lost.
        note_damage(segments, &segment, position)?;
    }
}

fn stop_at_damage(policy: DamagePolicy, segment: &Segment, position: u64) -> Result<(), OpenError> {
    match policy {
        DamagePolicy::Gap => Ok(()),
        DamagePolicy::Stop => {
            let name = file_name(segment.header.first);
            let what = format!("{name} is damaged at byte {position}");
            Err(OpenError::Damaged(what))
        }
    }
}

/// Chooses events by the indexes. Segments come newest first.
fn choose(segments: &Segments, limits: &Limits) -> Result<(Selection, Vec<Wanted>), OpenError> {
    let oldest_to_keep = milliseconds_ago(limits.age);
    // Counted from the end of the log at the latest: the schedule asks which of its publications were the last of a run that
    // may have ended long ago.
    let newest_time = segments
        .all()
        .last()
        .map(|newest| newest.state().newest_time);
    let hour = IDEMPOTENCY_AGE.as_millis().try_into().unwrap_or(u64::MAX);
    let oldest_key = newest_time
        .map(|newest| newest.saturating_sub(hour))
        .map_or(u64::MAX, |oldest| {
            oldest.min(milliseconds_ago(IDEMPOTENCY_AGE))
        });
    // The hub evicts what is too much, and knows better which.
    let mut room = limits.bytes.saturating_add(limits.bytes / 4);
    let mut room_for_keys = MAX_KEYS;
    let lost = segments.lost.lock();
    let mut selection = Selection::default();
    selection.evicted.extend(lost.by_topic());
    let mut taken: HashMap<Topic, Taken> = HashMap::new();
    let mut all_wanted = Vec::new();
    for segment in segments.all().iter().rev() {
        if room == 0 && taken.len() >= limits.topics {
            selection.evicted_floor = segment.state().last;
            break;
        }
        let index = segments.index(segment)?;
        let index = index.read();
        let state = segment.state();
        let has_expired = state.newest_time < oldest_to_keep;
        let record_bytes = state.length as usize / index.places().max(1);
        let mut wanted = Wanted {
            segment: Arc::clone(segment),
            topics: Vec::new(),
            places: BTreeSet::new(),
            keyed: Vec::new(),
        };
        for of_topic in index.topics() {
            let lost_through = lost.through(&Matcher::Topic(of_topic.topic.clone()));
            let is_lost = |place: &Place| place.offset(&segment.header) <= lost_through;
            let places = &of_topic.places[of_topic.places.partition_point(is_lost)..];
            if places.is_empty() {
                continue;
            }
            let taken = taken.entry(of_topic.topic.clone()).or_default();
            if taken.is_closed {
                continue;
            }
            let fitting = (room / (ENTRY_BYTES + record_bytes)).max(usize::from(taken.count == 0));
            let most = if has_expired {
                0
            } else {
                fitting.min(limits.events - taken.count)
            };
            let (left, taking) = places.split_at(places.len().saturating_sub(most));
            room = room.saturating_sub(taking.len() * (ENTRY_BYTES + record_bytes));
            taken.count += taking.len();
            wanted.places.extend(taking.iter().copied());
            if let Some(newest_left) = left.last() {
                taken.is_closed = true;
                let offset = newest_left.offset(&segment.header);
                selection.evicted.push((of_topic.topic.clone(), offset));
            }
        }
        if state.newest_time >= oldest_key {
            let keyed = index.keyed();
            let keyed = &keyed[keyed.len().saturating_sub(room_for_keys)..];
            room_for_keys -= keyed.len();
            wanted.keyed.extend_from_slice(keyed);
        }
        if !(wanted.places.is_empty() && wanted.keyed.is_empty()) {
            wanted.topics = index.all_topics();
            all_wanted.push(wanted);
        }
    }
    // The least recent first, as they would have been evicted.
    selection.evicted.sort_by_key(|(_, offset)| *offset);
    Ok((selection, all_wanted))
}

/// Reads what is wanted of one segment.
fn read(segments: &Segments, wanted: &Wanted, selection: &mut Selection) -> Result<(), ReadError> {
    let now = Moment::now();
    let Wanted {
        segment,
        topics,
        places,
        ..
    } = wanted;
    let topic = |number: usize| topics.get(number).cloned();
    let storage = &*segments.storage;
    read_records(storage, segment, places.iter().copied(), |record| {
        let Record::Event(event) = record else {
            return None;
        };
        let entry = event.stored(topic)?.restore(&segments.epochs, now);
        selection.entries.push(Arc::new(entry));
        Some(ControlFlow::Continue(()))
    })
}

/// Reads the keys of one segment. One that is damaged is left out: its event can be published once more.
fn read_keys(
    segments: &Segments,
    wanted: &Wanted,
    policy: DamagePolicy,
    selection: &mut Selection,
) -> Result<(), OpenError> {
    let now = Moment::now();
    let Wanted {
        segment,
        topics,
        keyed,
        ..
    } = wanted;
    let topic = |number: usize| topics.get(number).cloned();
    let mut left = keyed.as_slice();
    loop {
        let mut read = 0;
        let places = left.iter().copied();
        let result = read_records(&*segments.storage, segment, places, |record| {
            let Record::Event(event) = record else {
                return None;
            };
            let key = event.key.as_ref()?;
            let (subscribers, key) = (key.subscribers, key.to_key());
            let entry = event.stored(topic)?.restore(&segments.epochs, now);
            selection.keys.push(RecoveredKey {
                entry: Arc::new(entry),
                key,
                subscribers,
            });
            read += 1;
            Some(ControlFlow::Continue(()))
        });
        match result {
            Ok(()) => return Ok(()),
            Err(ReadError::Io(error)) => return Err(error.into()),
            Err(ReadError::Damaged(position)) => {
                stop_at_damage(policy, segment, position)?;
                note_damage(segments, segment, position)?;
                left = &left[read + 1..];
            }
        }
    }
}
