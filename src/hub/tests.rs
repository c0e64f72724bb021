//! The hub over its logs: the scenarios that each log has to pass, and the hub in memory against a model.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use proptest::test_runner::Config as ProptestConfig;

use super::log::disk::simulated::SimulatedDisk;
use super::log::disk::tests::SteppedLog;
use super::log::older::{Matcher, OlderAnswer, OlderPage, OlderRange};
use super::publish::IdempotencyKey;
use super::subscriber::{LagPolicy, ReadOutcome, Start, WantedTopic};
use super::*;
use crate::protocol::EARLIEST;
use crate::protocol::event::EventType;
use crate::protocol::gap::Gap;

mod bounds;
mod model;
mod older;
mod patterns;
mod presence;
mod scenarios;
mod several;
mod shared;
mod staging;

/// A log that the scenarios run over.
pub(super) trait Store: Sized + Send + Sync + 'static {
    /// How far apart the offsets of two events are. A log of one hub has no hole between them; one that several hubs share may
    /// leave any offset without an event, since it learns only then that an event is not to be.
    const STRIDE: u64 = 1;

    /// Whether other hubs may have shown readers an event that this hub does not have yet. Then an id from the future is one
    /// of those, and not unknown.
    const IS_SHARED: bool = false;

    /// Opens a hub over an empty log.
    fn open(limits: Limits) -> (Hub, Self);

    /// Commits what is staged.
    fn settle(&self);
}

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("a topic")
}

fn ephemeral(text: &str) -> PublishRequest {
    PublishRequest {
        is_ephemeral: true,
        ..PublishRequest::text(text)
    }
}

fn private(text: &str) -> PublishRequest {
    PublishRequest {
        is_private: true,
        ..PublishRequest::text(text)
    }
}

/// A hub and its log.
struct World<S> {
    hub: Hub,
    store: Arc<S>,
}

impl<S> Clone for World<S> {
    fn clone(&self) -> Self {
        Self {
            hub: self.hub.clone(),
            store: Arc::clone(&self.store),
        }
    }
}

impl<S> Deref for World<S> {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl<S: Store> World<S> {
    /// The offset of an event, counted from 1.
    fn nth(number: u64) -> Offset {
        Offset::from_number((number - 1) * S::STRIDE + 1)
    }

    fn open(limits: Limits) -> Self {
        let (hub, store) = S::open(limits);
        Self {
            hub,
            store: Arc::new(store),
        }
    }

    /// Publishes, and waits until the log has committed it.
    fn publish_now(
        &self,
        topic: &Topic,
        publication: PublishRequest,
        conditions: Preconditions,
    ) -> Result<PublishReceipt, PublishError> {
        let published = self.settle(self.hub.publish(topic, publication, conditions));
        self.hub.retain();
        published
    }

    /// Ends a topic, and waits until the log has committed it.
    fn end_now(&self, topic: &Topic) -> Result<(), EndError> {
        self.settle(self.hub.end(topic))
    }

    fn settle<T>(&self, request: impl Future<Output = T>) -> T {
        // A test polls more often than tokio lets a task do before others have their turn.
        let mut request = std::pin::pin!(tokio::task::unconstrained(request));
        loop {
            if let Some(answer) = request.as_mut().now_or_never() {
                return answer;
            }
            self.store.settle();
        }
    }
}

/// The log in memory.
struct Memory;

impl Store for Memory {
    fn open(limits: Limits) -> (Hub, Self) {
        (Hub::new(limits), Self)
    }

    fn settle(&self) {
        unreachable!("an event is committed when it is staged");
    }
}

/// A log that commits when it is asked to, as one on disk does when a group of events is on it.
#[derive(Clone, Default)]
pub(super) struct Grouped(Arc<Mutex<Group>>);

#[derive(Default)]
struct Group {
    committer: Option<Committer>,
    staged: Vec<Arc<Entry>>,
    /// Everything that has been committed: what a restart finds.
    committed: Vec<Arc<Entry>>,
    refuses: bool,
    /// Whether it can be read.
    can_read: bool,
    /// What it has committed up to here, it has no more.
    lost_through: Offset,
    /// The reads that are under way.
    reads: VecDeque<(OlderRange, OlderAnswer)>,
}

impl Grouped {
    /// Commits what is staged, as one group.
    pub(super) fn commit(&self) {
        let (committer, through) = {
            let mut group = self.0.lock();
            let staged = std::mem::take(&mut group.staged);
            group.committed.extend(staged);
            let through = group.committed.last().map(|entry| entry.offset);
            (group.committer.clone(), through)
        };
        if let (Some(committer), Some(through)) = (committer, through) {
            committer.commit(through);
        }
    }

    /// Fails what is staged.
    pub(super) fn fail(&self) {
        self.0.lock().staged.clear();
        let committer = self.0.lock().committer.clone();
        committer.expect("an open log").fail(&Unavailable {
            reason: "the disk is gone".to_owned(),
            kind: UnavailableKind::Failed,
            fate_unknown: true,
        });
    }

    /// From now on it takes events, or refuses them.
    pub(super) fn refuse(&self, refuses: bool) {
        self.0.lock().refuses = refuses;
    }

    /// A log that reads what the hub's memory no longer has, when the test lets it answer.
    pub(super) fn that_can_be_read() -> Self {
        let log = Self::default();
        log.0.lock().can_read = true;
        log
    }

    /// The reads that are under way.
    pub(super) fn reads(&self) -> Vec<OlderRange> {
        let group = self.0.lock();
        group.reads.iter().map(|(range, _)| range.clone()).collect()
    }

    /// Takes the oldest read away from the log.
    pub(super) fn take_read(&self) -> Option<(OlderRange, OlderAnswer)> {
        self.0.lock().reads.pop_front()
    }

    /// Answers the oldest read. Returns whether there was one.
    pub(super) fn answer(&self) -> bool {
        let Some((range, answer)) = self.take_read() else {
            return false;
        };
        let page = self.0.lock().page(&range);
        match page {
            Some(page) => answer.found(page),
            None => answer.failed(),
        }
        true
    }

    /// Loses what it has up to an offset.
    pub(super) fn lose(&self, through: u64) {
        let mut group = self.0.lock();
        group.lost_through = group.lost_through.max(Offset::from_number(through));
    }

    /// What a restart finds.
    pub(super) fn committed(&self) -> Vec<Arc<Entry>> {
        self.0.lock().committed.clone()
    }
}

impl Group {
    fn lost_through(&self, of: &Matcher) -> Offset {
        let lost = self.committed.iter().rev().find(|entry| {
            !entry.is_ephemeral && entry.offset <= self.lost_through && concerns(entry, of)
        });
        lost.map_or(Offset::START, |entry| entry.offset)
    }

    fn page(&self, range: &OlderRange) -> Option<OlderPage> {
        let is_lost = |(of, after): &(Matcher, Offset)| self.lost_through(of) > *after;
        if range.sources.iter().any(is_lost) {
            return None;
        }
        let mut page = OlderPage {
            entries: Vec::new(),
            through: range.through,
        };
        let mut bytes = 0;
        for entry in &self.committed {
            let is_wanted = !entry.is_ephemeral
                && entry.offset <= range.through
                && range
                    .sources
                    .iter()
                    .any(|(of, after)| entry.offset > *after && concerns(entry, of));
            if is_wanted {
                bytes += entry.text_bytes();
                if bytes > range.max_bytes && !page.entries.is_empty() {
                    page.through = entry.offset.previous();
                    break;
                }
                page.entries.push(Arc::clone(entry));
            }
        }
        Some(page)
    }
}

/// Whether an event is one of a topic, or of the topics that a pattern matches.
fn concerns(entry: &Entry, of: &Matcher) -> bool {
    entry.topics().any(|topic| match of {
        Matcher::Topic(wanted) => topic == wanted,
        Matcher::Pattern(pattern) => pattern.matches(topic),
    })
}

impl OlderEvents for Grouped {
    fn lost_through(&self, of: &Matcher) -> Offset {
        self.0.lock().lost_through(of)
    }

    fn read(&self, range: OlderRange, answer: OlderAnswer) {
        self.0.lock().reads.push_back((range, answer));
    }
}

impl AnyLog for Grouped {
    fn older(&self) -> Option<Arc<dyn OlderEvents>> {
        let can_read = self.0.lock().can_read;
        can_read.then(|| Arc::new(self.clone()) as Arc<dyn OlderEvents>)
    }

    fn close(&self) {
        self.refuse(true);
        self.fail();
    }
}

impl Log for Grouped {
    fn open(&self, committer: Committer) {
        self.0.lock().committer = Some(committer);
    }

    fn stage(&self, entry: &Arc<Entry>, _: Option<KeyRecord<'_>>) -> Result<Staged, Unavailable> {
        let mut group = self.0.lock();
        if group.refuses {
            return Err(Unavailable {
                reason: "the disk is full".to_owned(),
                kind: UnavailableKind::Full,
                fate_unknown: false,
            });
        }
        group.staged.push(Arc::clone(entry));
        Ok(Staged::Pending)
    }
}

impl Store for Grouped {
    fn open(limits: Limits) -> (Hub, Self) {
        let log = Self::default();
        let hub = Hub::open(limits, log.clone(), MemoryLog::recovered());
        (hub, log)
    }

    fn settle(&self) {
        self.commit();
    }
}

/// The log on disk, on a disk that is simulated. What memory has evicted is not read from it here, so that retention is what
/// the scenarios see.
impl Store for SteppedLog {
    fn open(limits: Limits) -> (Hub, Self) {
        Self::open_unreadable(&SimulatedDisk::new(1), limits)
    }

    fn settle(&self) {
        self.step();
    }
}

/// How often a property is tried, unless the environment asks for another number.
fn cases(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    ProptestConfig {
        cases: if is_set { config.cases } else { cases },
        ..config
    }
}

/// A runtime for one test, whose clock stands still unless a test moves it.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(test);
}

macro_rules! scenarios {
    ($($name:ident,)*) => {
        mod over_memory {
            $(#[test] fn $name() { super::run(super::scenarios::$name::<super::Memory>()); })*
        }
        mod over_a_log_on_disk {
            $(#[test] fn $name() { super::run(super::scenarios::$name::<super::SteppedLog>()); })*
        }
        mod over_a_log_that_commits_in_groups {
            $(#[test] fn $name() { super::run(super::scenarios::$name::<super::Grouped>()); })*
        }
        mod over_a_log_that_hubs_share {
            $(#[test] fn $name() { super::run(super::scenarios::$name::<super::shared::SimulatedLog>()); })*
        }
    };
}

scenarios! {
    a_subscriber_reads_what_is_published_after_it_came,
    a_subscriber_resumes_after_the_event_it_names,
    a_subscriber_that_has_seen_nothing_can_resume_from_its_position,
    a_publishers_own_id_is_a_place_to_resume_from,
    earliest_is_everything_that_is_kept,
    an_unknown_id_is_told_as_a_gap_and_then_what_is_kept_follows,
    an_id_from_the_future_is_unknown,
    an_expired_id_is_told_as_a_gap,
    a_long_replay_is_whole_although_the_log_moves_on,
    a_reader_that_fell_out_of_tail_and_history_is_treated_as_its_policy_says,
    a_live_reader_misses_nothing_that_retention_evicts,
    a_lagging_reader_goes_on_in_the_history_and_loses_ephemeral_events_only,
    falling_behind_with_nothing_to_skip_is_no_gap,
    history_is_bounded_in_bytes_over_all_topics_at_the_cost_of_the_largest,
    history_is_bounded_in_age,
    a_topic_with_neither_events_nor_subscribers_is_forgotten_but_not_its_loss,
    subscribers_are_counted_until_they_are_dropped,
    a_waiting_subscriber_is_woken,
    a_snapshot_is_a_place_to_subscribe_from,
    many_publishers_at_once_lose_and_reorder_nothing,
    several_topics_come_in_the_order_of_publication,
    a_reader_of_several_topics_resumes_after_the_event_it_names,
    a_reader_of_several_topics_is_told_of_a_gap_in_any,
    a_waiting_reader_of_several_topics_is_woken_by_each,
    readers_miss_nothing_while_several_threads_publish,
    the_last_few_and_what_came_since_are_places_to_start,
    what_is_not_kept_reaches_only_who_is_reading,
    what_is_not_kept_does_not_push_out_what_is,
    private_events_reach_only_who_may_read_them_in_replay_too,
    the_end_of_a_topic_is_its_last_event_and_after_that_there_is_nothing,
    a_reader_of_several_topics_goes_on_until_the_last_has_ended,
    publishing_on_a_condition_fails_if_the_topic_has_moved_on,
    publishing_again_under_a_key_gives_the_first_result,
    there_are_no_more_topics_than_allowed,
    a_snapshot_can_be_paged_backwards,
    a_snapshot_is_bounded_in_bytes_and_has_one_event_at_least,
    an_own_id_that_is_kept_is_not_taken_again_and_one_that_is_gone_is,
    pages_of_a_topic_with_own_ids_lead_to_its_oldest_event,
    a_reader_of_several_topics_knows_events_by_the_logs_ids,
    a_reader_learns_nothing_of_a_private_own_id,
    a_condition_is_about_the_newest_event_that_the_publisher_sees_in_a_snapshot,
    a_live_reader_that_misses_passing_events_is_treated_as_its_policy_says,
    one_busy_topic_does_not_cost_the_others_their_history,
    a_quiet_topic_on_a_busy_hub_has_no_gap,
    a_reader_that_skips_is_told_of_the_end_of_a_topic,
    a_reader_whose_topic_has_ended_and_is_forgotten_does_not_wait_for_more,
    the_bytes_that_are_counted_are_those_that_are_taken,
    events_that_have_expired_do_not_count_for_a_publisher,
    a_reader_that_skips_twice_is_still_sent_the_end_of_a_topic,
    a_slow_reader_that_skips_no_event_has_no_gap,
}
