//! Publications for later: each is listed, can be cancelled until it is due, and is then published to its topic once, as any
//! other event. What was due while there was no server is published when there is one, in the order of the times.
//!
//! ```
//! use std::time::Duration;
//!
//! use fairwind::hub::publish::PublishRequest;
//! use fairwind::hub::schedule::{Schedule, ScheduleLimits, ScheduleRequest, When};
//! use fairwind::hub::topic::Topic;
//! use fairwind::hub::{Hub, Limits};
//! use tokio_util::sync::CancellationToken;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let schedule = Schedule::in_memory(ScheduleLimits::default());
//! let hub = Hub::new(Limits::default());
//! tokio::spawn(schedule.clone().run(hub, CancellationToken::new()));
//! let kitchen = Topic::new("kitchen").unwrap();
//! let tea = ScheduleRequest {
//!     topic: kitchen.clone(),
//!     publication: PublishRequest::text("the tea has drawn"),
//!     when: When::In(Duration::from_secs(180)),
//!     publisher: 0,
//!     key: None,
//! };
//! let receipt = schedule.add(tea).await.unwrap();
//! assert_eq!(schedule.of_topic(&kitchen).await.len(), 1);
//! schedule.cancel(&receipt.scheduled.id).await.unwrap();
//! # });
//! ```
//!
//! * `table`: what is scheduled, within its bounds
//! * [`super::log::disk::schedule`]: how it survives a restart
//!
//! A change counts when the disk has it, whatever the log's own policy is: publications for later are few. Each change is a
//! task of its own, so that a client that goes away meanwhile leaves no change half made.
//!
//! A log that several hubs share has no schedule: each of them would publish.

mod table;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::table::Table;
use super::Hub;
use super::log::disk::schedule::{FoundSchedule, Note, ScheduleFile, key_of};
use super::log::disk::{DamagePolicy, DiskLog, OpenError};
use super::log::{Recovered, Unavailable, UnavailableKind};
use super::publish::{IDEMPOTENCY_AGE, PublishError, PublishRequest};
use super::topic::Topic;
use super::wall_clock;

/// The longest time for which a publication can be put off.
pub const MAX_DELAY: Duration = Duration::from_secs(366 * 24 * 3_600);

/// How long the schedule sleeps at most before it looks at the wall clock, which may be set.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(10);

/// How long a publication waits that could not be made for a reason that may pass.
const RETRY: Duration = Duration::from_secs(1);

/// How many publications are made between two notes that they are over.
const BATCH: usize = 256;

/// How much the schedule holds.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleLimits {
    /// Most publications in all.
    pub in_all: usize,
    /// Most publications of one publisher.
    pub of_publisher: usize,
    /// Most publications to one topic.
    pub of_topic: usize,
    /// Most bytes in all, counted as [`Scheduled::bytes`].
    pub bytes: usize,
    /// Most bytes of one publisher.
    pub bytes_of_publisher: usize,
}

impl Default for ScheduleLimits {
    /// The defaults of the server's settings.
    fn default() -> Self {
        Self {
            in_all: 10_000,
            of_publisher: 1_000,
            of_topic: 1_000,
            bytes: 16 << 20,
            bytes_of_publisher: 4 << 20,
        }
    }
}

/// When something is to be published, to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So long after it was asked for.
    In(Duration),
    /// At this time; at once if that has passed.
    At(SystemTime),
}

/// A request to publish later.
#[derive(Debug, Clone)]
pub struct ScheduleRequest {
    /// The topic.
    pub topic: Topic,
    /// The event. Its own id and its topic are looked at when it is due.
    pub publication: PublishRequest,
    /// When it is due.
    pub when: When,
    /// Whose share of the schedule it takes, such as the hash of a client's address.
    pub publisher: u64,
    /// Asking again under this key within [`IDEMPOTENCY_AGE`], or until it is due if that is later, gives the first receipt.
    /// Keys belong to a topic, and are others than those of publications.
    pub key: Option<String>,
}

/// A publication for later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    /// Its name.
    pub id: Arc<str>,
    /// The topic.
    pub topic: Topic,
    /// When it is due.
    pub at: SystemTime,
    /// What was asked for.
    pub when: When,
    /// When it was asked for.
    pub scheduled_at: SystemTime,
    /// Whose share of the schedule it takes.
    pub publisher: u64,
    /// The key under which it was asked for.
    pub key: Option<String>,
    /// The event.
    pub publication: PublishRequest,
}

impl Scheduled {
    /// What it takes in memory, in bytes.
    pub fn bytes(&self) -> usize {
        /// The publication itself, its places in the table, and the slack of the allocator.
        const OVERHEAD: usize = 512;
        let PublishRequest {
            id, data, also_in, ..
        } = &self.publication;
        let id = id.as_ref().map_or(0, |id| id.as_str().len());
        let also_in = also_in.iter().map(|topic| topic.as_str().len());
        let key = self.key.as_ref().map_or(0, String::len);
        let topics = self.topic.as_str().len() + also_in.sum::<usize>();
        OVERHEAD + data.capacity() + topics + id + key
    }

    /// Whether its key must give its receipt although it is over.
    pub(in crate::hub) fn has_fresh_key(&self, now: SystemTime) -> bool {
        let age = now.duration_since(self.scheduled_at).unwrap_or_default();
        self.key.is_some() && age <= IDEMPOTENCY_AGE
    }
}

/// The receipt of a request to publish later.
#[derive(Debug, Clone)]
pub struct ScheduleReceipt {
    /// What is scheduled.
    pub scheduled: Arc<Scheduled>,
    /// Whether it had been asked for before under the same key.
    pub is_repeat: bool,
}

/// Why nothing was scheduled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// It would be too far ahead.
    #[error("a publication can be put off for at most {} days", MAX_DELAY.as_secs() / 86_400)]
    TooFarAhead,
    /// The key was used for another request.
    #[error(
        "the idempotency key was used to schedule another event; use a new key for each event, and the same time with the same key"
    )]
    KeyReused,
    /// The topic has as many as it may have.
    #[error(
        "the topic has {0} scheduled publications, as many as one may have; cancel some, or wait until they are due"
    )]
    TooManyOfTopic(usize),
    /// The publisher has as much as one may have.
    #[error(
        "as many publications are scheduled for this address as one may have; cancel some, or wait until they are due. One that had a key counts for an hour"
    )]
    TooManyOfPublisher,
    /// There is as much as there may be.
    #[error("as many publications are scheduled as there may be; come back later")]
    TooMany,
    /// The disk cannot take it now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why nothing was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    /// There is nothing to cancel.
    #[error(
        "there is no such scheduled publication: it has been published or cancelled, or never was"
    )]
    Unknown,
    /// The disk cannot take it now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A handle to the schedule; clones share it.
#[derive(Clone)]
pub struct Schedule(Arc<Shared>);

struct Shared {
    /// Wakes [`Schedule::run`], since something may be due earlier.
    changed: Notify,
    /// How many publications are not over; the state is locked while a change is written.
    pending: Arc<AtomicUsize>,
    state: tokio::sync::Mutex<State>,
}

struct State {
    table: Table,
    store: Store,
    /// What has been published and is not noted yet, since the disk was full. Nothing else is published before it is.
    unnoted: Vec<Note>,
    /// Whether nothing is published any more, since the log has failed: only a restart finds out what it has.
    is_halted: bool,
}

/// What keeps the schedule.
enum Store {
    Memory,
    File(Arc<Mutex<ScheduleFile>>),
    /// A file that has failed.
    Failed(Unavailable),
}

impl Schedule {
    /// A schedule that a restart forgets, for a hub whose log is in memory.
    pub fn in_memory(limits: ScheduleLimits) -> Self {
        Self::with(Store::Memory, Table::new(limits))
    }

    /// The schedule in the folder of a log that has been opened and not been given to a hub yet.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which says what to do.
    pub fn open(
        log: &DiskLog,
        recovered: &mut Recovered,
        on_damage: DamagePolicy,
        limits: ScheduleLimits,
    ) -> Result<Self, OpenError> {
        let opened = ScheduleFile::open(log, recovered, on_damage)?;
        Ok(Self::from_file(opened, limits))
    }

    /// The schedule of a file that has been opened.
    pub(in crate::hub) fn from_file(
        (file, found): (ScheduleFile, FoundSchedule),
        limits: ScheduleLimits,
    ) -> Self {
        let store = Store::File(Arc::new(Mutex::new(file)));
        Self::with(store, Table::restored(limits, found))
    }

    fn with(store: Store, table: Table) -> Self {
        Self(Arc::new(Shared {
            changed: Notify::new(),
            pending: table.pending_count(),
            state: tokio::sync::Mutex::new(State {
                table,
                store,
                unnoted: Vec::new(),
                is_halted: false,
            }),
        }))
    }

    /// Schedules a publication. It is on the disk when this returns. If the future is dropped, it may be scheduled all the
    /// same.
    ///
    /// # Errors
    ///
    /// [`ScheduleError`] if it is too far ahead, there is no room, the key was used for another, or the disk cannot take it.
    pub async fn add(&self, request: ScheduleRequest) -> Result<ScheduleReceipt, ScheduleError> {
        let schedule = self.clone();
        let adding = tokio::spawn(async move {
            let mut state = schedule.0.state.lock().await;
            let now = wall_clock::now();
            let receipt = state.table.prepare(request, now)?;
            if !receipt.is_repeat {
                let scheduled = &receipt.scheduled;
                state
                    .note(vec![Note::Scheduled(Arc::clone(scheduled))])
                    .await?;
                state.table.insert(Arc::clone(scheduled));
                schedule.0.changed.notify_one();
            }
            Ok(receipt)
        });
        adding.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Cancels a publication. It is never made once this has returned, unless it was before.
    ///
    /// # Errors
    ///
    /// [`CancelError`] if there is nothing to cancel, or the disk cannot take it.
    pub async fn cancel(&self, id: &str) -> Result<(), CancelError> {
        let (schedule, id) = (self.clone(), id.to_owned());
        let cancelling = tokio::spawn(async move {
            let mut state = schedule.0.state.lock().await;
            let scheduled = state.table.pending(&id).ok_or(CancelError::Unknown)?;
            state
                .note(vec![Note::Over(Arc::clone(&scheduled.id))])
                .await?;
            state.table.finish(&id, wall_clock::now());
            Ok(())
        });
        cancelling.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// How many publications are neither made nor cancelled. Never waits for the disk.
    pub fn pending(&self) -> usize {
        self.0.pending.load(Ordering::Relaxed)
    }

    /// A publication that is not due yet.
    pub async fn get(&self, id: &str) -> Option<Arc<Scheduled>> {
        self.0.state.lock().await.table.pending(id)
    }

    /// The publications to a topic that are not due yet, in the order of their times.
    pub async fn of_topic(&self, topic: &Topic) -> Vec<Arc<Scheduled>> {
        self.0.state.lock().await.table.of_topic(topic)
    }

    /// Publishes what is due, until it is cancelled. A schedule needs one such task.
    pub async fn run(self, hub: Hub, cancelled: CancellationToken) {
        loop {
            let wait = self.0.state.lock().await.publish_due(&hub).await;
            let sleeping = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = self.0.changed.notified() => {}
                () = sleeping => {}
            }
        }
    }
}

impl State {
    /// Publishes what is due, in order. Returns how long nothing will be, as far as that is known; nothing if that is until
    /// something is scheduled.
    async fn publish_due(&mut self, hub: &Hub) -> Option<Duration> {
        loop {
            if self.is_halted || matches!(self.store, Store::Failed(_)) {
                return None;
            }
            if self.settle().await.is_err() {
                return Some(RETRY);
            }
            let now = wall_clock::now();
            self.table.forget(now);
            let due = self.table.due(now, BATCH);
            if due.is_empty() {
                let next = self.table.next_due()?;
                let wait = next.duration_since(now).unwrap_or_default();
                return Some(wait.min(LOOK_AT_CLOCK));
            }
            let mut submitted = Vec::with_capacity(due.len());
            for scheduled in due {
                let publication = scheduled.publication.clone();
                let key = key_of(&scheduled);
                let one = hub.submit_scheduled(&scheduled.topic, publication, &key);
                submitted.push((one.await, scheduled));
            }
            let mut is_unavailable = false;
            for (submitted, scheduled) in submitted {
                match submitted.receipt().await {
                    Ok(_) => {}
                    Err(PublishError::Unavailable(error)) => {
                        self.is_halted |= error.fate_unknown;
                        is_unavailable = true;
                        continue;
                    }
                    Err(PublishError::TooManyTopics) => {
                        self.table.put_off(&scheduled, now + RETRY);
                        continue;
                    }
                    Err(error) => tracing::warn!(
                        "the publication {} to the topic {} is due and cannot be made: {error}",
                        scheduled.id,
                        scheduled.topic
                    ),
                }
                self.table.finish(&scheduled.id, now);
                self.unnoted.push(Note::Over(Arc::clone(&scheduled.id)));
            }
            if is_unavailable {
                let _ = self.settle().await;
                return Some(RETRY);
            }
        }
    }

    /// Notes what has been published.
    async fn settle(&mut self) -> Result<(), Unavailable> {
        if self.unnoted.is_empty() {
            return Ok(());
        }
        self.note(Vec::new()).await
    }

    /// Makes changes durable, and before them what is not noted yet.
    async fn note(&mut self, notes: Vec<Note>) -> Result<(), Unavailable> {
        let file = match &self.store {
            Store::Memory => {
                self.unnoted.clear();
                return Ok(());
            }
            Store::File(file) => Arc::clone(file),
            Store::Failed(failure) => return Err(failure.clone()),
        };
        let mut all = self.unnoted.clone();
        all.extend(notes);
        let bytes = self.table.bytes();
        let whole = file.lock().is_long(bytes).then(|| self.table.notes());
        let writing = tokio::task::spawn_blocking(move || {
            let mut file = file.lock();
            if let Some(whole) = whole {
                file.rewrite(&whole)?;
            }
            file.append(&all)
        });
        let written = writing
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        match written {
            Ok(()) => {
                self.unnoted.clear();
                Ok(())
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn failure(&mut self, error: &io::Error) -> Unavailable {
        if matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return Unavailable {
                reason: "the disk is full".to_owned(),
                kind: UnavailableKind::Full,
                fate_unknown: false,
            };
        }
        tracing::error!(
            "the schedule's storage has failed: {error}. Nothing is scheduled or published from it any more; mend the storage, then start the server again"
        );
        let failure = Unavailable {
            reason: format!(
                "the schedule's storage has failed ({error}); nothing can be scheduled or cancelled until the server has been started again"
            ),
            kind: UnavailableKind::Failed,
            fate_unknown: false,
        };
        self.store = Store::Failed(failure.clone());
        Unavailable {
            fate_unknown: true,
            ..failure
        }
    }
}

/// What a client gets whose change was begun when the server stopped.
fn stopped() -> Unavailable {
    Unavailable {
        reason: "the server is stopping".to_owned(),
        kind: UnavailableKind::Temporary,
        fate_unknown: true,
    }
}

#[cfg(test)]
mod tests;
