//! A subscriber: a cursor into the logs of one or more topics. What has been published is read from the logs at the
//! reader's own pace, in the order in which it was published, so replay and live are one path and a slow reader costs no
//! memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use tokio::sync::Notify;

use super::batch::Batch;
use super::entry::Entry;
use super::listeners::{Listener, Listening, News, TopicId, Woken};
use super::log::{Found, TopicLog, View};
use super::position::Offset;
use super::topic::Topic;
use super::{Channel, Hub};
use crate::protocol::EARLIEST;
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;

/// What somebody wants to read.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The topics, at least one.
    pub topics: Vec<WantedTopic>,
    /// Where to start.
    pub start: Start,
    /// What happens if the reader is too slow.
    pub slow_reader: SlowReader,
}

/// A topic that somebody wants to read.
#[derive(Debug, Clone)]
pub struct WantedTopic {
    /// The topic.
    pub topic: Topic,
    /// Whether the reader may see the topic's private events.
    pub with_private: bool,
}

/// Where a subscriber starts to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// With the next event that is published.
    Now,
    /// With the oldest event that is kept.
    Earliest,
    /// With what came after this event. If it is not known, or not to this subscriber, with what is kept, after a gap.
    After(EventId),
    /// The same for an event that the log cannot know, since a text that is no id was given for it; the id is like that text.
    AfterUnknown(EventId),
    /// With so many of the newest events that are kept.
    Last(usize),
    /// With what was published at or after this moment, as far as it is kept.
    Since(SystemTime),
}

/// What happens to a reader that is so slow that what it should read next is no longer kept, or that has taken nothing
/// for longer than the write timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SlowReader {
    /// Its stream ends; it comes back and resumes from its last event ID.
    Disconnect,
    /// It is told of the gap and goes on with the newest event.
    Skip,
    /// It goes on with the newest event of each topic and is told nothing: for values of which only the newest counts.
    Latest,
}

/// Why somebody cannot subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The topics have ended, and the reader has everything.
    #[error("the topic has ended")]
    Ended,
    /// There are as many subscriptions as the hub allows.
    #[error("there are too many subscriptions; come back later")]
    TooManySubscriptions,
}

/// What a subscriber reads.
#[derive(Debug)]
pub enum Read {
    /// What came next: one event or several.
    Batch(Arc<Batch>),
    /// Everything has been read.
    Nothing,
    /// Events are missing; reading goes on after them.
    Gap(Gap),
    /// The reader was too slow and is to be disconnected.
    TooSlow,
    /// Everything has been read, and nothing will follow: all topics have ended.
    End,
}

/// The last batch that a thread has read for one of its subscribers: the next subscriber at the same cursor takes it from
/// here, without a look at the log. It is for one pass over many subscribers.
#[derive(Debug, Default)]
pub struct ReadMemo(Option<(MemoKey, Arc<Batch>)>);

/// Which live readers a batch is right for: those of one topic that see all that is published from their cursor on.
#[derive(Debug, PartialEq, Eq)]
struct MemoKey {
    topic: TopicId,
    with_private: bool,
    cursor: Offset,
}

/// A reader of topics. It counts as a consumer of each until it is dropped.
pub struct Subscriber {
    hub: Hub,
    /// The topics that have not ended.
    sources: Vec<Source>,
    /// Whether it began with several topics. Publishers' own ids are unique within a topic only, so that such a reader knows
    /// every event by the log's id.
    is_of_several: bool,
    slow_reader: SlowReader,
    /// The newest event that was there when the reader came.
    replayed_through: Offset,
    /// Everything up to here has been read, or is not for this reader.
    cursor: Offset,
    /// What has been taken from the logs and not yet been read.
    pending: Option<Arc<Batch>>,
    /// The id that the reader knows the cursor by.
    position: Position,
    /// What the reader asked for and did not get; read first.
    gap: Option<Box<Gap>>,
    /// Wakes [`Self::changed`]; made when somebody waits there.
    bell: Option<Arc<Bell>>,
}

/// An id: the one that the hub gives to a place, or the publisher's own.
enum Position {
    At(Offset),
    Own(EventId),
}

/// One topic of a subscriber.
struct Source {
    channel: Arc<Channel>,
    with_private: bool,
    /// What was dropped up to here is not missed: the reader did not ask for it, or has been told.
    forgiven_through: Offset,
    /// Keeps the subscriber's own bell on the topic.
    listening: Option<Listening>,
}

/// Wakes the task of one subscriber.
#[derive(Default)]
struct Bell(Notify);

impl Listener for Bell {
    fn wake(&self, _: TopicId, _: News) -> Woken {
        self.0.notify_one();
        Woken::Nothing
    }
}

impl Subscription {
    /// A reader of the public events of one topic.
    pub fn public(topic: Topic, start: Start, slow_reader: SlowReader) -> Self {
        Self {
            topics: vec![WantedTopic {
                topic,
                with_private: false,
            }],
            start,
            slow_reader,
        }
    }
}

impl Start {
    /// The start that a reader names by its last event ID.
    pub fn after(id: EventId) -> Self {
        if id.as_str() == EARLIEST {
            Self::Earliest
        } else {
            Self::After(id)
        }
    }
}

impl Subscriber {
    /// `newest` is the newest offset of all topics. The channels count this subscriber already.
    pub(super) fn new(
        hub: Hub,
        channels: Vec<(Arc<Channel>, bool)>,
        subscription: &Subscription,
        newest: Offset,
    ) -> Result<Self, SubscribeError> {
        let sources: Vec<_> = channels
            .into_iter()
            .map(|(channel, with_private)| {
                let forgiven_through = channel.log().dropped_through();
                Source {
                    channel,
                    with_private,
                    forgiven_through,
                    listening: None,
                }
            })
            .collect();
        let mut subscriber = Self {
            position: Position::At(newest),
            hub,
            is_of_several: sources.len() > 1,
            sources,
            slow_reader: subscription.slow_reader,
            replayed_through: newest,
            cursor: newest,
            pending: None,
            gap: None,
            bell: None,
        };
        subscriber.go_to(&subscription.start);
        subscriber.leave_what_has_been_read_to_its_end();
        match subscriber.sources.is_empty() {
            true => Err(SubscribeError::Ended),
            false => Ok(subscriber),
        }
    }

    /// The id after which the next event comes: what a reader that has seen nothing yet resumes from.
    pub fn position(&self) -> EventId {
        match &self.position {
            Position::At(offset) => self.hub.id(*offset),
            Position::Own(id) => id.clone(),
        }
    }

    /// The id that this reader knows an event by: its own, or the log's if the reader reads several topics.
    pub fn id_of(&self, entry: &Entry) -> EventId {
        if self.is_of_several {
            self.hub.id(entry.offset)
        } else {
            entry.event.id.clone()
        }
    }

    /// Whether this reader knows every event by the log's id rather than the event's own.
    pub fn is_of_several(&self) -> bool {
        self.is_of_several
    }

    /// What the reader asked for and cannot get, once. Whoever does not take it reads it first.
    pub fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take().map(|gap| *gap)
    }

    /// Whether there may be something to read. It takes no lock.
    pub fn is_ready(&self) -> bool {
        self.gap.is_some()
            || self.pending.is_some()
            || self.sources.is_empty()
            || self
                .sources
                .iter()
                .any(|source| source.channel.newest.load(Ordering::Acquire) > self.cursor.number())
    }

    /// Waits until there may be something to read. Dropping the future and calling again loses nothing.
    pub async fn ready(&mut self) {
        while !self.is_ready() {
            self.changed(false).await;
        }
    }

    /// Waits until there is news of a topic: events, and if it `counts`, another number of subscribers. It may also
    /// return without any. Dropping the future and calling again loses nothing.
    pub async fn changed(&mut self, counts: bool) {
        match &self.bell {
            Some(bell) => bell.0.notified().await,
            None => {
                let bell = Arc::<Bell>::default();
                for source in &mut self.sources {
                    let listener = Arc::<Bell>::clone(&bell);
                    let channel = Arc::clone(&source.channel);
                    source.listening = Some(Listening::new(channel, listener, counts));
                }
                // Returns at once: what came before now has not been told.
                self.bell = Some(bell);
            }
        }
    }

    /// The topics that have not ended, for a listener that is told of them on behalf of many subscribers.
    pub fn topics(&self) -> impl Iterator<Item = TopicId> {
        self.sources.iter().map(|source| source.channel.id)
    }

    /// Tells a listener of one of the topics. It is told nothing of what came before; nothing if that topic has ended.
    pub fn listen(&self, topic: TopicId, listener: Arc<dyn Listener>) -> Option<Listening> {
        let mut sources = self.sources.iter();
        let source = sources.find(|source| source.channel.id == topic)?;
        let channel = Arc::clone(&source.channel);
        Some(Listening::new(channel, listener, false))
    }

    /// Reads on from the cursor: one event at least, if there is any, and then no more than fit into `max_bytes` of
    /// text.
    pub fn read(&mut self, max_bytes: usize) -> Read {
        if let Some(gap) = self.take_gap() {
            return Read::Gap(gap);
        }
        if let Some(batch) = self.pending.take() {
            return self.finish(batch);
        }
        match self.find(max_bytes) {
            Found::Batch(batch) => self.finish(batch),
            Found::Nothing(through) => {
                self.cursor = self.cursor.max(through);
                match self.sources.is_empty() {
                    true => Read::End,
                    false => Read::Nothing,
                }
            }
            Found::Dropped => self.fall_behind(),
        }
    }

    /// As [`Self::read`]; a batch that another subscriber has read is taken from the memo, and the memo gets what is read.
    pub fn read_shared(&mut self, max_bytes: usize, memo: &mut ReadMemo) -> Read {
        let Some(key) = self.memo_key() else {
            return self.read(max_bytes);
        };
        if let Some((known, batch)) = &memo.0
            && *known == key
        {
            let batch = Arc::clone(batch);
            return self.finish(batch);
        }
        let read = self.read(max_bytes);
        if let Read::Batch(batch) = &read {
            memo.0 = Some((key, Arc::clone(batch)));
        }
        read
    }

    /// Which batch this subscriber can share, if it is a live reader of one topic with nothing else to read first.
    fn memo_key(&self) -> Option<MemoKey> {
        let [source] = self.sources.as_slice() else {
            return None;
        };
        let cursor = self.cursor.max(source.forgiven_through);
        let is_live = cursor >= self.replayed_through;
        (is_live && self.gap.is_none() && self.pending.is_none()).then_some(MemoKey {
            topic: source.channel.id,
            with_private: source.with_private,
            cursor,
        })
    }

    /// Treats the reader as too slow: whatever it has not read yet but for the newest event is left out, or it is to be
    /// disconnected, as its policy says. A reader that has everything, or all but the newest, has lost nothing.
    pub fn fall_behind(&mut self) -> Read {
        if self.slow_reader == SlowReader::Disconnect {
            return Read::TooSlow;
        }
        if let Some(gap) = self.take_gap() {
            return Read::Gap(gap);
        }
        let committed = self.hub.committed();
        let mut has_lost = false;
        let mut lost_through = Offset::START;
        let mut waiting = 0;
        let mut newest = Vec::new();
        for source in &mut self.sources {
            let view = View {
                with_private: source.with_private,
                replayed_through: self.replayed_through,
            };
            let log = source.channel.log();
            let lost = log.lost_through(view);
            if self.cursor.max(source.forgiven_through) < lost {
                has_lost = true;
                lost_through = lost_through.max(lost);
            }
            source.forgiven_through = lost;
            waiting += log.unread_up_to_two(self.cursor, view);
            let unread = log
                .newest_first(view)
                .find(|entry| entry.offset <= committed);
            newest.extend(unread.filter(|entry| entry.offset > self.cursor).cloned());
        }
        newest.sort_by_key(|entry| entry.offset);
        let is_told = self.slow_reader == SlowReader::Skip;
        let mut goes_on_with = newest.first().map(|entry| entry.offset);
        if is_told {
            let last = newest.last().map(|entry| entry.offset);
            // A gap that ended before something that another topic has lost would not tell of it.
            goes_on_with = last.filter(|last| *last > lost_through);
            // The end of a topic is sent even if the gap ends after it: the reader would wait for more for ever.
            newest.retain(|entry| entry.is_end || Some(entry.offset) == goes_on_with);
        }
        if !has_lost && waiting <= newest.len() {
            return self.read(usize::MAX);
        }
        // Ends that were to be sent after an earlier gap, and have not been read yet.
        if let Some(earlier) = self.pending.take() {
            newest.extend(earlier.ends().cloned());
            newest.sort_by_key(|entry| entry.offset);
            newest.dedup_by_key(|entry| entry.offset);
        }
        let skipped_through = goes_on_with.map_or(committed, Offset::previous);
        let requested = self.position();
        self.cursor = skipped_through;
        self.position = Position::At(skipped_through);
        self.pending = if newest.is_empty() {
            None
        } else {
            Some(Arc::new(Batch::new(newest, committed)))
        };
        // What has been dropped may have been the end of a topic.
        self.leave_what_has_been_read_to_its_end();
        if is_told {
            Read::Gap(Gap {
                requested,
                resumed_from: self.position(),
            })
        } else {
            self.read(usize::MAX)
        }
    }

    /// How many consumers the first of the topics has, this one among them; none if it has ended.
    pub fn consumers(&self) -> Option<usize> {
        self.sources
            .first()
            .map(|source| source.channel.subscribers())
    }

    /// Goes to where a subscription starts. Each log is locked by itself and shortly, so that no publisher waits for all of
    /// them; what is dropped meanwhile is found to be missing with the first read.
    fn go_to(&mut self, start: &Start) {
        let dropped_through = || {
            let sources = self.sources.iter();
            sources.map(|source| source.channel.log().dropped_through())
        };
        let earliest = dropped_through().min().unwrap_or(Offset::START);
        let mut gap_ends_at = None;
        let target = match start {
            Start::Now => self.replayed_through,
            Start::Earliest => earliest,
            Start::Last(count) => self
                .before_the_newest(*count)
                .unwrap_or(self.replayed_through),
            Start::Since(moment) => {
                let sources = self.sources.iter();
                let firsts = sources.filter_map(|source| source.channel.log().first_since(*moment));
                firsts.min().map_or(self.replayed_through, Offset::previous)
            }
            Start::After(_) | Start::AfterUnknown(_) => {
                let id = match start {
                    Start::After(id) => Some(id),
                    _ => None,
                };
                let find = |source: &Source| source.channel.log().find(id?, source.with_private);
                // If events of several topics have this id, the reader may have seen any of them, and after the oldest
                // nothing is missing.
                let by_own_id = || self.sources.iter().filter_map(find).min();
                let known = id.and_then(|id| self.hub.offset(id)).or_else(by_own_id);
                let known = known.filter(|offset| *offset <= self.replayed_through);
                // After the newest loss of any topic nothing is missing.
                let lost_through = dropped_through().max().unwrap_or(Offset::START);
                if known.is_none_or(|offset| offset < lost_through) {
                    gap_ends_at = Some(lost_through);
                }
                known.unwrap_or(earliest)
            }
        };
        if let Start::After(id) | Start::AfterUnknown(id) = start
            && let Some(lost_through) = gap_ends_at
        {
            self.gap = Some(Box::new(Gap {
                requested: id.clone(),
                resumed_from: self.hub.id(lost_through),
            }));
        }
        self.cursor = target;
        self.position = match (start, gap_ends_at) {
            (_, Some(resumed_from)) => Position::At(resumed_from),
            // The publisher's own id stays what the reader knows.
            (Start::After(id), None) if !self.is_of_several && self.hub.offset(id).is_none() => {
                Position::Own(id.clone())
            }
            _ => Position::At(target),
        };
    }

    /// The offset before the `count` newest events of all topics together, or none if they have no events.
    fn before_the_newest(&self, count: usize) -> Option<Offset> {
        let mut newest: Vec<Offset> = Vec::new();
        for source in &self.sources {
            let view = View::of_the_past(source.with_private);
            let log = source.channel.log();
            newest.extend(log.newest_first(view).take(count).map(|entry| entry.offset));
        }
        newest.sort_unstable_by(|a, b| b.cmp(a));
        newest.truncate(count);
        newest.last().map(|offset| offset.previous())
    }

    /// What comes next in the logs, in the order of publication.
    fn find(&self, max_bytes: usize) -> Found {
        // Read before the logs are, so that what is taken from one is not newer than what another does not have yet.
        let committed = self.hub.committed();
        if let [source] = self.sources.as_slice() {
            return self.find_in(source, committed, max_bytes);
        }
        let mut merged = Vec::new();
        let mut merged_through = committed.max(self.cursor);
        for source in &self.sources {
            let through = match self.find_in(source, committed, max_bytes) {
                Found::Batch(batch) => {
                    merged.extend(batch.entries().iter().cloned());
                    batch.through()
                }
                Found::Nothing(through) => through,
                Found::Dropped => return Found::Dropped,
            };
            merged_through = merged_through.min(through.max(self.cursor));
        }
        merged.retain(|entry: &Arc<Entry>| entry.offset <= merged_through);
        merged.sort_by_key(|entry| entry.offset);
        match merged.is_empty() {
            true => Found::Nothing(merged_through),
            false => Found::Batch(Arc::new(Batch::new(merged, merged_through))),
        }
    }

    fn find_in(&self, source: &Source, committed: Offset, max_bytes: usize) -> Found {
        let cursor = self.cursor.max(source.forgiven_through);
        let view = View {
            with_private: source.with_private,
            replayed_through: self.replayed_through,
        };
        source
            .channel
            .log()
            .after(cursor, committed, view, max_bytes)
    }

    /// A batch has been read.
    fn finish(&mut self, batch: Arc<Batch>) -> Read {
        self.cursor = self.cursor.max(batch.through());
        if let Some(last) = batch.entries().last() {
            self.position = if last.has_own_id && !self.is_of_several {
                Position::Own(last.event.id.clone())
            } else {
                Position::At(last.offset)
            };
        }
        for end in batch.ends() {
            self.leave(|source| source.channel.topic == end.topic);
        }
        Read::Batch(batch)
    }

    fn leave_what_has_been_read_to_its_end(&mut self) {
        let cursor = self.cursor;
        self.leave(|source| {
            let log: &TopicLog = &source.channel.log();
            log.has_ended() && log.newest().is_none_or(|end| end.offset <= cursor)
        });
    }

    fn leave(&mut self, is_over: impl Fn(&Source) -> bool) {
        let hub = &self.hub;
        self.sources.retain(|source| {
            let is_over = is_over(source);
            if is_over {
                hub.leave(&source.channel);
            }
            !is_over
        });
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.leave(|_| true);
    }
}
