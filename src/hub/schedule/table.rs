//! What is scheduled: by its name, by its time, and by its key, within the limits. A publication that is over stays as long
//! as its key may be repeated, and counts as long: so the table of keys is bounded as well.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::{
    MAX_DELAY, ScheduleError, ScheduleLimits, ScheduleReceipt, ScheduleRequest, Scheduled, When,
};
use crate::hub::log::disk::schedule::{FoundSchedule, Note};
use crate::hub::publish::IDEMPOTENCY_AGE;
use crate::hub::topic::Topic;

pub(super) struct Table {
    limits: ScheduleLimits,
    items: HashMap<Arc<str>, Item>,
    /// What is not over, by when it is to be published; at one time, in the order in which it was asked for.
    by_time: BTreeMap<(SystemTime, u64), Arc<str>>,
    by_key: HashMap<(Topic, String), Arc<str>>,
    /// What is over and has a key, by when the key is forgotten.
    by_end: BTreeMap<(SystemTime, u64), Arc<str>>,
    bytes: usize,
    /// How many are not over, for those who do not wait for a change to be written.
    pending: Arc<AtomicUsize>,
    next_number: u64,
    ids: RandomState,
}

struct Item {
    scheduled: Arc<Scheduled>,
    number: u64,
    /// When it is to be published; nothing if it is over.
    due: Option<SystemTime>,
}

impl Table {
    pub(super) fn new(limits: ScheduleLimits) -> Self {
        Self {
            limits,
            items: HashMap::new(),
            by_time: BTreeMap::new(),
            by_key: HashMap::new(),
            by_end: BTreeMap::new(),
            bytes: 0,
            pending: Arc::default(),
            next_number: 0,
            ids: RandomState::new(),
        }
    }

    /// A table with what a file has, whether the limits have room for it or not.
    pub(super) fn restored(limits: ScheduleLimits, found: FoundSchedule) -> Self {
        let mut table = Self::new(limits);
        for scheduled in found.scheduled {
            table.insert(scheduled);
        }
        for id in found.over {
            // What is to be forgotten by now is forgotten before anything is published.
            table.finish(&id, SystemTime::UNIX_EPOCH);
        }
        table
    }

    /// Checks a request, and gives it a name: the receipt of what is to be inserted, or of the first request under its key.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] if it is too far ahead, there is no room, or its key was used for another.
    pub(super) fn prepare(
        &mut self,
        mut request: ScheduleRequest,
        now: SystemTime,
    ) -> Result<ScheduleReceipt, ScheduleError> {
        self.forget(now);
        let now = whole_milliseconds(now);
        let (when, at) = match request.when {
            When::In(delay) => {
                let delay = Duration::from_millis(delay.as_millis().try_into().unwrap_or(u64::MAX));
                let at = now.checked_add(delay);
                (When::In(delay), at.ok_or(ScheduleError::TooFarAhead)?)
            }
            When::At(at) => {
                let at = whole_milliseconds(at);
                (When::At(at), at)
            }
        };
        if let Some(key) = &request.key {
            let of_key = (request.topic.clone(), key.clone());
            if let Some(first) = self.by_key.get(&of_key).and_then(|id| self.items.get(id)) {
                let first = &first.scheduled;
                if first.publication == request.publication && first.when == when {
                    return Ok(ScheduleReceipt {
                        scheduled: Arc::clone(first),
                        is_repeat: true,
                    });
                }
                return Err(ScheduleError::KeyReused);
            }
        }
        if at.duration_since(now).unwrap_or_default() > MAX_DELAY {
            return Err(ScheduleError::TooFarAhead);
        }
        // A body that arrived in pieces may hold up to twice its length.
        request.publication.data.shrink_to_fit();
        let scheduled = Scheduled {
            id: self.new_id(),
            topic: request.topic,
            at,
            when,
            scheduled_at: now,
            publisher: request.publisher,
            key: request.key,
            publication: request.publication,
        };
        self.check_room(&scheduled)?;
        Ok(ScheduleReceipt {
            scheduled: Arc::new(scheduled),
            is_repeat: false,
        })
    }

    fn check_room(&self, new: &Scheduled) -> Result<(), ScheduleError> {
        let ScheduleLimits {
            in_all,
            of_publisher,
            of_topic,
            bytes,
            bytes_of_publisher,
        } = self.limits;
        let (mut topics_own, mut publishers_own, mut publishers_bytes) = (0, 0, 0);
        for Item { scheduled, .. } in self.items.values() {
            topics_own += usize::from(scheduled.topic == new.topic);
            if scheduled.publisher == new.publisher {
                publishers_own += 1;
                publishers_bytes += scheduled.bytes();
            }
        }
        if topics_own >= of_topic {
            return Err(ScheduleError::TooManyOfTopic(topics_own));
        }
        if publishers_own >= of_publisher || publishers_bytes + new.bytes() > bytes_of_publisher {
            return Err(ScheduleError::TooManyOfPublisher);
        }
        if self.items.len() >= in_all || self.bytes + new.bytes() > bytes {
            return Err(ScheduleError::TooMany);
        }
        Ok(())
    }

    fn new_id(&self) -> Arc<str> {
        let mut seed = self.next_number;
        loop {
            let id = format!("{:016x}", self.ids.hash_one(seed));
            if !self.items.contains_key(&*id) {
                return id.into();
            }
            seed = seed.wrapping_add(1 << 32);
        }
    }

    /// Inserts what has been [prepared](Self::prepare), or was found in a file.
    pub(super) fn insert(&mut self, scheduled: Arc<Scheduled>) {
        let (id, number) = (Arc::clone(&scheduled.id), self.next_number);
        self.next_number += 1;
        self.bytes += scheduled.bytes();
        self.by_time.insert((scheduled.at, number), Arc::clone(&id));
        self.count_pending();
        if let Some(key) = &scheduled.key {
            let key = (scheduled.topic.clone(), key.clone());
            self.by_key.insert(key, Arc::clone(&id));
        }
        let item = Item {
            number,
            due: Some(scheduled.at),
            scheduled,
        };
        self.items.insert(id, item);
    }

    /// What is not over and has this name.
    pub(super) fn pending(&self, id: &str) -> Option<Arc<Scheduled>> {
        let item = self.items.get(id).filter(|item| item.due.is_some())?;
        Some(Arc::clone(&item.scheduled))
    }

    /// What is not over of a topic, in the order of the times.
    pub(super) fn of_topic(&self, topic: &Topic) -> Vec<Arc<Scheduled>> {
        let of_topic = |item: &&Item| item.due.is_some() && item.scheduled.topic == *topic;
        let mut found: Vec<_> = self.items.values().filter(of_topic).collect();
        found.sort_by_key(|item| (item.scheduled.at, item.number));
        found
            .iter()
            .map(|item| Arc::clone(&item.scheduled))
            .collect()
    }

    /// What is due, the earliest first, so many at most.
    pub(super) fn due(&self, now: SystemTime, count: usize) -> Vec<Arc<Scheduled>> {
        let due = self.by_time.range(..=(now, u64::MAX)).take(count);
        due.filter_map(|(_, id)| self.pending(id)).collect()
    }

    /// When the earliest is due.
    pub(super) fn next_due(&self) -> Option<SystemTime> {
        self.by_time.keys().next().map(|(at, _)| *at)
    }

    /// It is to be published later than it was due.
    pub(super) fn put_off(&mut self, scheduled: &Scheduled, until: SystemTime) {
        if let Some(item) = self.items.get_mut(&scheduled.id)
            && let Some(due) = item.due.replace(until)
            && let Some(id) = self.by_time.remove(&(due, item.number))
        {
            self.by_time.insert((until, item.number), id);
        }
    }

    /// It has been published or cancelled.
    pub(super) fn finish(&mut self, id: &str, now: SystemTime) {
        let Some(item) = self.items.get_mut(id) else {
            return;
        };
        let Some(due) = item.due.take() else { return };
        let (scheduled, number) = (Arc::clone(&item.scheduled), item.number);
        self.by_time.remove(&(due, number));
        self.count_pending();
        if scheduled.has_fresh_key(now) {
            let end = scheduled.scheduled_at + IDEMPOTENCY_AGE;
            self.by_end.insert((end, number), Arc::clone(&scheduled.id));
        } else {
            self.remove(&scheduled.id);
        }
    }

    /// Forgets what is over and can no longer be repeated.
    pub(super) fn forget(&mut self, now: SystemTime) {
        while let Some((end, id)) = self
            .by_end
            .first_key_value()
            .map(|(end, id)| (*end, id.clone()))
            && end.0 < now
        {
            self.by_end.remove(&end);
            self.remove(&id);
        }
    }

    fn remove(&mut self, id: &str) {
        let Some(Item { scheduled, .. }) = self.items.remove(id) else {
            return;
        };
        self.bytes -= scheduled.bytes();
        if let Some(key) = &scheduled.key {
            // The key may have been used again since.
            let key = (scheduled.topic.clone(), key.clone());
            if self.by_key.get(&key).is_some_and(|of_key| **of_key == *id) {
                self.by_key.remove(&key);
            }
        }
    }

    fn count_pending(&self) {
        self.pending.store(self.by_time.len(), Ordering::Relaxed);
    }

    /// How many are not over, from now on.
    pub(super) fn pending_count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.pending)
    }

    /// How many bytes it holds, counted as [`Scheduled::bytes`].
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything that it has, as a file keeps it.
    pub(super) fn notes(&self) -> Vec<Note> {
        let mut items: Vec<_> = self.items.values().collect();
        items.sort_by_key(|item| item.number);
        let scheduled = items
            .iter()
            .map(|item| Note::Scheduled(Arc::clone(&item.scheduled)));
        let over = items.iter().filter(|item| item.due.is_none());
        let over = over.map(|item| Note::Over(Arc::clone(&item.scheduled.id)));
        scheduled.chain(over).collect()
    }
}

fn whole_milliseconds(time: SystemTime) -> SystemTime {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let milliseconds = since.as_millis().try_into().unwrap_or(u64::MAX);
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}
