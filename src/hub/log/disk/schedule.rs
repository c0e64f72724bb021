//! What the hub's schedule keeps in a log's folder: a file of notes, each of which adds a publication for later or says that
//! one is over, since it was published or cancelled.
//!
//! ```text
//! note       kind u8, the rest
//! scheduled  flags u8, id, scheduled at (number, ms since 1970), due at (number, ms since 1970), [delay asked for (number,
//!            ms)], topic, [other topics: count and names], [own id], [type], [retry in ms (number)], [key], publisher u64, data
//! over       id
//! ```
//!
//! A publication that was made just before a crash may not be over in this file. The log has it then, under a key with its
//! id ([`key_of`]), and a start takes that for the end of it. So a start opens this file before the log takes events, and
//! removes old ones: nothing is published twice.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::bytes::{Reader, put, put_bytes};
use super::notes::Notes;
use super::recovery::OpenError;
use super::storage::Storage;
use super::{DamagePolicy, DiskLog};
use crate::hub::log::Recovered;
use crate::hub::publish::{IdempotencyKey, PublishRequest};
use crate::hub::schedule::{Scheduled, When};
use crate::hub::topic::Topic;
use crate::hub::wall_clock::{self, milliseconds};
use crate::protocol::event::{EventId, EventType};

/// The file's name.
pub(super) const NAME: &str = "schedule";

const SCHEDULED: u8 = 1;
const OVER: u8 = 2;

/// What the key of a scheduled publication begins with in the log. A header cannot have this character, so that no client's
/// own key is one.
const KEY_PREFIX: &str = "\nscheduled ";

/// The file is written anew when it has this many bytes more than twice what still counts.
const SLACK_BYTES: u64 = 1 << 20;

/// What a scheduled publication's flags say.
mod flag {
    pub(super) const PRIVATE: u8 = 1;
    pub(super) const EPHEMERAL: u8 = 1 << 1;
    pub(super) const DELAY: u8 = 1 << 2;
    pub(super) const ID: u8 = 1 << 3;
    pub(super) const TYPE: u8 = 1 << 4;
    pub(super) const RETRY: u8 = 1 << 5;
    pub(super) const KEY: u8 = 1 << 6;
    pub(super) const ALSO_IN: u8 = 1 << 7;
}

/// A change of the schedule.
#[derive(Debug, Clone)]
pub(in crate::hub) enum Note {
    /// There is one more publication for later.
    Scheduled(Arc<Scheduled>),
    /// The one with this id has been published or cancelled.
    Over(Arc<str>),
}

/// The file, open.
pub(in crate::hub) struct ScheduleFile {
    storage: Arc<dyn Storage>,
    notes: Notes,
}

/// What the file has: publications for later, and those that are over.
#[derive(Debug, Default)]
pub(in crate::hub) struct FoundSchedule {
    /// In the order in which they were asked for.
    pub(in crate::hub) scheduled: Vec<Arc<Scheduled>>,
    pub(in crate::hub) over: HashSet<Arc<str>>,
}

/// The key under which the log keeps a scheduled publication.
pub(in crate::hub) fn key_of(scheduled: &Scheduled) -> IdempotencyKey {
    IdempotencyKey {
        key: format!("{KEY_PREFIX}{}", scheduled.id),
        publisher: scheduled.publisher,
    }
}

impl ScheduleFile {
    /// Opens the file of a log's folder, or creates it, and takes from what the log has recovered the keys that are the
    /// schedule's.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says what to do.
    pub(in crate::hub) fn open(
        log: &DiskLog,
        recovered: &mut Recovered,
        policy: DamagePolicy,
    ) -> Result<(Self, FoundSchedule), OpenError> {
        Self::open_storage(log.storage(), recovered, policy)
    }

    /// As [`Self::open`], for any storage.
    pub(in crate::hub) fn open_storage(
        storage: Arc<dyn Storage>,
        recovered: &mut Recovered,
        policy: DamagePolicy,
    ) -> Result<(Self, FoundSchedule), OpenError> {
        let mut found = FoundSchedule::read(&*storage, policy)?;
        recovered.keys.retain(|recovered| {
            let id = recovered.key.key.strip_prefix(KEY_PREFIX);
            found.over.extend(id.map(Arc::from));
            id.is_none()
        });
        found.forget(wall_clock::now());
        let notes = Self::write(&*storage, found.notes())?;
        Ok((Self { storage, notes }, found))
    }

    /// Appends changes, durably: all of them, or none.
    ///
    /// # Errors
    ///
    /// When that fails. If the error says that the disk is full, the file is as it was; otherwise nothing can be appended any
    /// more.
    pub(in crate::hub) fn append(&mut self, notes: &[Note]) -> io::Result<()> {
        let bodies: Vec<_> = notes.iter().map(Note::encode).collect();
        self.notes.append(bodies.iter().map(Vec::as_slice))
    }

    /// Whether much of the file no longer counts, if what counts takes so many bytes.
    pub(in crate::hub) fn is_long(&self, bytes: usize) -> bool {
        self.notes.length() > 2 * bytes as u64 + SLACK_BYTES
    }

    /// Writes the file anew, with these notes.
    ///
    /// # Errors
    ///
    /// When that fails. The file is as it was then, unless the error says something else than that the disk is full.
    pub(in crate::hub) fn rewrite(&mut self, notes: &[Note]) -> io::Result<()> {
        self.notes = Self::write(&*self.storage, notes.iter().cloned())?;
        Ok(())
    }

    fn write(storage: &dyn Storage, notes: impl Iterator<Item = Note>) -> io::Result<Notes> {
        let bodies: Vec<_> = notes.map(|note| note.encode()).collect();
        Notes::create(storage, NAME, bodies.iter().map(Vec::as_slice))
    }
}

impl FoundSchedule {
    /// What the file has; nothing if there is none.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says what to do.
    pub(super) fn read(storage: &dyn Storage, policy: DamagePolicy) -> Result<Self, OpenError> {
        let mut found = Self::default();
        for body in Notes::read(storage, NAME, policy)? {
            match Note::decode(&body) {
                Some(Note::Scheduled(scheduled)) => found.scheduled.push(scheduled),
                Some(Note::Over(id)) => {
                    found.over.insert(id);
                }
                None => {
                    let what = format!("{NAME} has a note that says nothing");
                    if policy == DamagePolicy::Stop {
                        return Err(OpenError::Damaged(what));
                    }
                    tracing::error!("{what}; it is left out");
                }
            }
        }
        Ok(found)
    }

    /// Forgets what is over, and what no client can ask for again.
    fn forget(&mut self, now: SystemTime) {
        let over = &self.over;
        self.scheduled
            .retain(|scheduled| !over.contains(&scheduled.id) || scheduled.has_fresh_key(now));
        let left: HashSet<_> = self
            .scheduled
            .iter()
            .map(|left| Arc::clone(&left.id))
            .collect();
        self.over.retain(|id| left.contains(id));
    }

    fn notes(&self) -> impl Iterator<Item = Note> {
        let scheduled = self.scheduled.iter().cloned().map(Note::Scheduled);
        scheduled.chain(self.over.iter().cloned().map(Note::Over))
    }
}

impl Note {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Scheduled(scheduled) => {
                out.push(SCHEDULED);
                encode(scheduled, &mut out);
            }
            Self::Over(id) => {
                out.push(OVER);
                put_bytes(&mut out, id.as_bytes());
            }
        }
        out
    }

    fn decode(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let note = match reader.u8()? {
            SCHEDULED => Self::Scheduled(Arc::new(decode(&mut reader)?)),
            OVER => Self::Over(reader.text()?.into()),
            _ => return None,
        };
        reader.is_empty().then_some(note)
    }
}

fn encode(scheduled: &Scheduled, out: &mut Vec<u8>) {
    let PublishRequest {
        id,
        event_type,
        data,
        retry,
        is_private,
        is_ephemeral,
        also_in,
    } = &scheduled.publication;
    let delay = match scheduled.when {
        When::In(delay) => Some(delay),
        When::At(_) => None,
    };
    let flags = [
        (*is_private, flag::PRIVATE),
        (*is_ephemeral, flag::EPHEMERAL),
        (delay.is_some(), flag::DELAY),
        (id.is_some(), flag::ID),
        (!event_type.is_message(), flag::TYPE),
        (retry.is_some(), flag::RETRY),
        (scheduled.key.is_some(), flag::KEY),
        (!also_in.is_empty(), flag::ALSO_IN),
    ];
    let set = flags.iter().filter(|(is_set, _)| *is_set);
    out.push(set.fold(0, |flags, (_, flag)| flags | flag));
    let put_text = |out: &mut Vec<u8>, text: &str| put_bytes(out, text.as_bytes());
    let put_duration = |out: &mut Vec<u8>, duration: Duration| {
        put(out, duration.as_millis().try_into().unwrap_or(u64::MAX));
    };
    put_text(out, &scheduled.id);
    put(out, milliseconds(scheduled.scheduled_at));
    put(out, milliseconds(scheduled.at));
    if let Some(delay) = delay {
        put_duration(out, delay);
    }
    put_text(out, scheduled.topic.as_str());
    if !also_in.is_empty() {
        put(out, also_in.len() as u64);
        for topic in also_in {
            put_text(out, topic.as_str());
        }
    }
    if let Some(id) = id {
        put_text(out, id.as_str());
    }
    if !event_type.is_message() {
        put_text(out, event_type.as_str());
    }
    if let Some(retry) = retry {
        put_duration(out, *retry);
    }
    if let Some(key) = &scheduled.key {
        put_text(out, key);
    }
    out.extend_from_slice(&scheduled.publisher.to_le_bytes());
    put_text(out, data);
}

fn decode(reader: &mut Reader<'_>) -> Option<Scheduled> {
    let flags = reader.u8()?;
    let has = |flag: u8| flags & flag != 0;
    let moment = |number: u64| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(number));
    let id = reader.text()?.into();
    let scheduled_at = moment(reader.number()?)?;
    let at = moment(reader.number()?)?;
    let when = match has(flag::DELAY) {
        true => When::In(Duration::from_millis(reader.number()?)),
        false => When::At(at),
    };
    let topic = Topic::new(reader.text()?).ok()?;
    let mut also_in = Vec::new();
    if has(flag::ALSO_IN) {
        for _ in 0..reader.number()? {
            also_in.push(Topic::new(reader.text()?).ok()?);
        }
    }
    let mut text = |flag: u8| match has(flag) {
        true => reader.text().map(Some),
        false => Some(None),
    };
    let own_id = match text(flag::ID)? {
        Some(id) => Some(EventId::new(id).ok()?),
        None => None,
    };
    let event_type = match text(flag::TYPE)? {
        Some(event_type) => EventType::new(event_type).ok()?,
        None => EventType::default(),
    };
    let retry = match has(flag::RETRY) {
        true => Some(Duration::from_millis(reader.number()?)),
        false => None,
    };
    let key = match has(flag::KEY) {
        true => Some(reader.text()?.to_owned()),
        false => None,
    };
    Some(Scheduled {
        id,
        topic,
        at,
        when,
        scheduled_at,
        publisher: reader.u64()?,
        key,
        publication: PublishRequest {
            id: own_id,
            event_type,
            data: reader.text()?.to_owned(),
            retry,
            is_private: has(flag::PRIVATE),
            is_ephemeral: has(flag::EPHEMERAL),
            also_in,
        },
    })
}

#[cfg(any(test, fuzzing))]
pub(super) fn read_any(body: &[u8]) {
    if let Some(note) = Note::decode(body) {
        let again = Note::decode(&note.encode());
        assert!(again.is_some_and(|again| again.encode() == note.encode()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_scheduled_is_read_as_it_was_written(
            flags: [bool; 8], data: String, numbers: [u32; 3], publisher: u64,
        ) {
            let [is_private, is_ephemeral, has_delay, has_id, has_type, has_retry, has_key, has_others] = flags;
            let [scheduled_at, at, delay] = numbers.map(|number| Duration::from_millis(number.into()));
            let at = SystemTime::UNIX_EPOCH + at;
            let topic = |name| Topic::new(name).expect("a topic");
            let scheduled = Scheduled {
                id: "id".into(),
                topic: topic("kitchen"),
                at,
                when: if has_delay { When::In(delay) } else { When::At(at) },
                scheduled_at: SystemTime::UNIX_EPOCH + scheduled_at,
                publisher,
                key: has_key.then(|| "key".to_owned()),
                publication: PublishRequest {
                    id: has_id.then(|| EventId::new("own").expect("an id")),
                    event_type: if has_type { EventType::new("news").expect("a type") } else { EventType::default() },
                    data,
                    retry: has_retry.then_some(delay),
                    is_private,
                    is_ephemeral,
                    also_in: if has_others { vec![topic("a"), topic("b")] } else { Vec::new() },
                },
            };
            let encoded = Note::Scheduled(Arc::new(scheduled.clone())).encode();
            let Some(Note::Scheduled(decoded)) = Note::decode(&encoded) else { panic!("a note") };
            prop_assert_eq!(&*decoded, &scheduled);
            for length in 0..encoded.len() {
                prop_assert!(Note::decode(&encoded[..length]).is_none());
            }
        }

        #[test]
        fn any_note_is_read_without_a_panic(body: Vec<u8>) {
            read_any(&body);
            read_any(&[&[SCHEDULED][..], &body].concat());
        }
    }
}
