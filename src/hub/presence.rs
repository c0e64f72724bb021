//! Presence: the names under which subscribers read a topic, as its readers may see them.
//!
//! ```text
//! let present = hub.enter(&topic, Name::new("Ada")?, grace, permit);   // Ada leaves when it is dropped, after the grace
//! let mut watch = hub.watch_presence(&topic);
//! if watch.has_changed() { watch.take() }                              // everybody at first, then joined and left
//! ```
//!
//! A name is present once, however many subscribers give it: a second tab is not a second person. When the last of them goes,
//! the name stays for the grace that was given with it, so that a reader which reconnects has not left. What is present is not in
//! a topic's log and has no offsets; watchers of a topic's number of subscribers are notified of it too. Subscribers without a
//! name and without a watch do not come here at all.
//!
//! How many names a client may have is left to the caller: the permit that comes with a name is held until the name has left.

use std::any::Any;
use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::Hub;
use super::topic::Topic;
use super::watch::TopicChange;

/// The longest name, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// The most names that are present in one topic. A subscriber that comes then reads, and is not listed.
pub const MAX_NAMES: usize = 1_000;

/// How many changes of a topic are remembered at least. With more names than this, as many as there are names: a list of all
/// is shorter than what would be remembered beyond.
const MIN_CHANGES: usize = 8;

/// The name of a subscriber: 1 to [`MAX_NAME_BYTES`] bytes of UTF-8 without control characters and slashes, and without
/// spaces around it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// Why a text cannot be a name. The message says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty, or begins or ends with a space.
    #[error(
        "a name is empty or has spaces around it; give at least one other character, and no space around it"
    )]
    Spaces,
    /// The text is too long; its length is given.
    #[error("a name has {0} bytes; at most {MAX_NAME_BYTES} are taken")]
    TooLong(usize),
    /// The text has a character that no name has.
    #[error("a name has the character {0:?}; leave control characters and slashes out")]
    Character(char),
}

/// What a name takes of the caller's limits, held until the name has left.
pub type Permit = Box<dyn Any + Send + Sync>;

/// What has become of the names since a watch was last asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresenceUpdate {
    /// All that are present, by name: the first answer, and the one to a watch that has missed more than is remembered.
    All(Vec<Name>),
    /// What has changed.
    Changes {
        /// Names that have come.
        joined: Vec<Name>,
        /// Names that have gone.
        left: Vec<Name>,
    },
}

/// Keeps a name present. When it is dropped and is the last of its name, the name leaves after the grace.
pub struct PresenceGuard {
    hub: Hub,
    topic: Topic,
    name: Name,
    grace: Duration,
    permit: Option<Permit>,
}

/// Sees who is present in one topic.
pub struct PresenceWatch {
    hub: Hub,
    topic: Topic,
    /// How many changes there have been; shared with the topic's room.
    changes: Arc<AtomicU64>,
    /// How many of them have been taken.
    seen: Option<u64>,
}

/// The names of a hub's topics. Its lock is the last: no other is taken while it is held.
#[derive(Default)]
pub(super) struct Presence {
    rooms: Mutex<Rooms>,
    /// Wakes the task that lets names leave.
    scheduled: Notify,
}

#[derive(Default)]
struct Rooms {
    /// Topics with names or watches.
    of: HashMap<Topic, Room>,
    /// When to look at names whose subscribers have gone, the earliest first; each name once at most.
    departures: BinaryHeap<Reverse<Departure>>,
}

/// One topic with names or watches.
#[derive(Default)]
struct Room {
    people: BTreeMap<Name, Person>,
    /// The newest changes, oldest first.
    recent: VecDeque<(Name, Change)>,
    /// How many there have been in all.
    changes: Arc<AtomicU64>,
    watches: usize,
}

/// One name.
#[derive(Default)]
struct Person {
    subscribers: usize,
    /// Since it has no subscribers: when it leaves, and what it holds until then.
    absence: Option<(Instant, Option<Permit>)>,
    /// Whether it is among the departures.
    is_scheduled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Joined,
    Left,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Departure {
    at: Instant,
    topic: Topic,
    name: Name,
}

impl Name {
    /// Takes a text as a name.
    ///
    /// # Errors
    ///
    /// [`NameError`] says what would be right.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.trim() != text {
            return Err(NameError::Spaces);
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong(text.len()));
        }
        if let Some(c) = text.chars().find(|c| c.is_control() || *c == '/') {
            return Err(NameError::Character(c));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Hub {
    /// Makes a name present in a topic until the guard is dropped and the grace is over. `None` if as many names are present as
    /// there may be.
    pub fn enter(
        &self,
        topic: &Topic,
        name: Name,
        grace: Duration,
        permit: Permit,
    ) -> Option<PresenceGuard> {
        let (has_joined, former) = self.0.presence.rooms.lock().enter(topic, &name)?;
        // Permits are given back while nothing is locked.
        drop(former);
        if has_joined {
            self.notify_of_presence(topic);
        }
        Some(PresenceGuard {
            hub: self.clone(),
            topic: topic.clone(),
            name,
            grace,
            permit: Some(permit),
        })
    }

    /// A watch of a topic's names. Its first update has all of them.
    pub fn watch_presence(&self, topic: &Topic) -> PresenceWatch {
        let mut rooms = self.0.presence.rooms.lock();
        let room = rooms.of.entry(topic.clone()).or_default();
        room.watches += 1;
        PresenceWatch {
            hub: self.clone(),
            topic: topic.clone(),
            changes: Arc::clone(&room.changes),
            seen: None,
        }
    }

    /// The names that are present in a topic.
    pub fn present(&self, topic: &Topic) -> Vec<Name> {
        let rooms = self.0.presence.rooms.lock();
        rooms.of.get(topic).map(Room::names).unwrap_or_default()
    }

    /// Lets names leave whose grace is over, for as long as it is polled. A hub needs one such task.
    pub(super) async fn let_names_leave(&self) {
        let presence = &self.0.presence;
        loop {
            let next = presence.rooms.lock().next_departure();
            match next {
                // Whether it was woken or the time has come, it looks again.
                Some(at) => drop(timeout_at(at, presence.scheduled.notified()).await),
                None => presence.scheduled.notified().await,
            }
            let (topics, gone) = presence.rooms.lock().depart(Instant::now());
            drop(gone);
            for topic in topics {
                self.notify_of_presence(&topic);
            }
        }
    }

    fn notify_of_presence(&self, topic: &Topic) {
        let channel = self.0.state.lock().topics.get(topic).cloned();
        if let Some(channel) = channel {
            channel.notify(TopicChange::Subscribers);
        }
    }
}

impl Drop for PresenceGuard {
    fn drop(&mut self) {
        let presence = &self.hub.0.presence;
        let leaves_at = Instant::now() + self.grace;
        let mut rooms = presence.rooms.lock();
        if rooms.leave(&self.topic, &self.name, leaves_at, &mut self.permit) {
            drop(rooms);
            presence.scheduled.notify_one();
        }
    }
}

impl PresenceWatch {
    /// The topic.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Whether there is something to take. It takes no lock.
    pub fn has_changed(&self) -> bool {
        self.seen != Some(self.changes.load(Ordering::Acquire))
    }

    /// What has changed; nothing if that has been undone since.
    pub fn take(&mut self) -> Option<PresenceUpdate> {
        let rooms = self.hub.0.presence.rooms.lock();
        // It is there for as long as it has a watch.
        let room = rooms.of.get(&self.topic)?;
        let changes = room.changes.load(Ordering::Acquire);
        let seen = self.seen.replace(changes);
        match seen.and_then(|seen| usize::try_from(changes - seen).ok()) {
            Some(missed) if missed <= room.recent.len() => room.newest(missed),
            _ => Some(PresenceUpdate::All(room.names())),
        }
    }
}

impl Drop for PresenceWatch {
    fn drop(&mut self) {
        let mut rooms = self.hub.0.presence.rooms.lock();
        if let Some(room) = rooms.of.get_mut(&self.topic) {
            room.watches -= 1;
        }
        rooms.forget_if_unused(&self.topic);
    }
}

#[cfg(test)]
impl Presence {
    /// Whether nothing is left of any name or watch.
    pub(super) fn is_empty(&self) -> bool {
        let rooms = self.rooms.lock();
        rooms.of.is_empty() && rooms.departures.is_empty()
    }
}

impl Rooms {
    /// One more subscriber of a name. Returns whether the name was not present before, and the permit that it had in absence;
    /// `None` if it finds no place.
    fn enter(&mut self, topic: &Topic, name: &Name) -> Option<(bool, Option<Permit>)> {
        let room = self.of.entry(topic.clone()).or_default();
        let count = room.people.len();
        match room.people.entry(name.clone()) {
            Entry::Occupied(mut person) => {
                let person = person.get_mut();
                person.subscribers += 1;
                let former = person.absence.take().and_then(|(_, permit)| permit);
                Some((false, former))
            }
            Entry::Vacant(_) if count >= MAX_NAMES => None,
            Entry::Vacant(vacant) => {
                vacant.insert(Person {
                    subscribers: 1,
                    ..Person::default()
                });
                room.note(name, Change::Joined);
                Some((true, None))
            }
        }
    }

    /// One subscriber less. Returns whether the task has to learn of a departure. The last subscriber of a name leaves its permit.
    fn leave(
        &mut self,
        topic: &Topic,
        name: &Name,
        leaves_at: Instant,
        permit: &mut Option<Permit>,
    ) -> bool {
        let room = self.of.get_mut(topic);
        let Some(person) = room.and_then(|room| room.people.get_mut(name)) else {
            return false;
        };
        person.subscribers -= 1;
        if person.subscribers > 0 {
            return false;
        }
        person.absence = Some((leaves_at, permit.take()));
        // One that came back before it had left is looked at again then.
        if std::mem::replace(&mut person.is_scheduled, true) {
            return false;
        }
        self.schedule(leaves_at, topic, name);
        true
    }

    fn schedule(&mut self, at: Instant, topic: &Topic, name: &Name) {
        self.departures.push(Reverse(Departure {
            at,
            topic: topic.clone(),
            name: name.clone(),
        }));
    }

    fn next_departure(&self) -> Option<Instant> {
        self.departures.peek().map(|Reverse(next)| next.at)
    }

    /// Names leave whose time has come. Returns their topics, and what they had.
    fn depart(&mut self, now: Instant) -> (Vec<Topic>, Vec<Person>) {
        let (mut topics, mut gone) = (Vec::new(), Vec::new());
        while self.next_departure().is_some_and(|at| at <= now) {
            let Some(Reverse(Departure { topic, name, .. })) = self.departures.pop() else {
                break;
            };
            let Some(room) = self.of.get_mut(&topic) else {
                continue;
            };
            let Entry::Occupied(mut person) = room.people.entry(name.clone()) else {
                continue;
            };
            match person.get().absence {
                None => person.get_mut().is_scheduled = false,
                Some((until, _)) if until > now => self.schedule(until, &topic, &name),
                Some(_) => {
                    gone.push(person.remove());
                    room.note(&name, Change::Left);
                    self.forget_if_unused(&topic);
                    if topics.last() != Some(&topic) {
                        topics.push(topic);
                    }
                }
            }
        }
        (topics, gone)
    }

    fn forget_if_unused(&mut self, topic: &Topic) {
        let room = self.of.get(topic);
        if room.is_some_and(|room| room.watches == 0 && room.people.is_empty()) {
            self.of.remove(topic);
        }
    }
}

impl Room {
    fn names(&self) -> Vec<Name> {
        self.people.keys().cloned().collect()
    }

    fn note(&mut self, name: &Name, change: Change) {
        self.recent.push_back((name.clone(), change));
        while self.recent.len() > self.people.len().max(MIN_CHANGES) {
            self.recent.pop_front();
        }
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// The newest changes, without those that cancel each other: a name joins and leaves in turn.
    fn newest(&self, count: usize) -> Option<PresenceUpdate> {
        let mut changes = BTreeMap::new();
        for (name, change) in self.recent.range(self.recent.len() - count..) {
            if changes.remove(name).is_none() {
                changes.insert(name, *change);
            }
        }
        let of = |wanted| {
            let names = changes.iter().filter(move |(_, change)| **change == wanted);
            names.map(|(name, _)| (*name).clone()).collect()
        };
        (!changes.is_empty()).then(|| PresenceUpdate::Changes {
            joined: of(Change::Joined),
            left: of(Change::Left),
        })
    }
}
