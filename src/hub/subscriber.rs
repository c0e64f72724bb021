//! A subscriber: a cursor into the logs of topics and patterns. It reads what has been published at its own pace, in the
//! order of publication, so replay and live delivery are one path and a slow reader costs no memory of its own.
//!
//! * `merge`: one read over several logs
//! * `older`: what memory no longer has, read from the log
//! * `resume`: from a subscription's start to a cursor, and whether that leaves a gap
//! * `lag`: what happens to a reader that is too slow

mod lag;
mod merge;
mod older;
mod resume;

use std::sync::Arc;

use tokio::sync::Notify;

use self::older::Older;
use super::Hub;
use super::batch::Batch;
use super::channel::{Channel, LogRead, Matcher, Standpoint};
use super::entry::Entry;
use super::position::Offset;
pub use super::subscription::{
    LagPolicy, Start, SubscribeError, Subscription, WantedPattern, WantedTopic,
};
use super::topic::Topic;
use super::visibility::{View, Visibility};
use super::watch::{ChannelId, TopicChange, WatchGuard, Watcher, Woken};
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;

/// What a subscriber reads.
#[derive(Debug)]
pub enum ReadOutcome {
    /// What came next: one event or several.
    Batch(Arc<Batch>),
    /// Everything has been read, or the log is reading what comes next.
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
    channel: ChannelId,
    with_private: bool,
    cursor: Offset,
}

/// A reader of topics and patterns. Each counts it as a subscriber until it is dropped.
pub struct Subscriber {
    hub: Hub,
    /// The topics that have not ended, and the patterns.
    sources: Vec<Source>,
    /// Whether the reader knows every event by the log's id. It does if it began with several topics: publishers' own ids are
    /// unique within a topic only.
    uses_log_ids: bool,
    slow_reader: LagPolicy,
    /// The newest event at the time of the subscription.
    replayed_through: Offset,
    /// Everything up to here has been read, or is not for this reader.
    cursor: Offset,
    /// What has been taken from the logs and not yet been read.
    pending: Option<Arc<Batch>>,
    /// While the cursor stands before what memory has.
    older: Option<Box<Older>>,
    /// Whether another hub has shown it events that this hub has not applied yet: the cursor stands at the last of them.
    is_ahead: bool,
    /// The id that the reader knows the cursor by.
    position: Position,
    /// What the reader asked for and did not get; read first.
    gap: Option<Box<Gap>>,
    /// Wakes [`Self::changed`]; made when a task first waits there.
    bell: Option<Arc<Bell>>,
}

/// An id: the log's own of an offset, or one that a publisher chose.
enum Position {
    At(Offset),
    Own(EventId),
}

/// One topic or pattern of a subscriber.
struct Source {
    channel: Arc<Channel>,
    visibility: Visibility,
    /// Losses up to here predate the subscription, or have been reported as a gap.
    acknowledged: Offset,
    /// Keeps the subscriber's own bell registered.
    listening: Option<WatchGuard>,
}

/// Wakes the task of one subscriber.
#[derive(Default)]
struct Bell(Notify);

impl Watcher for Bell {
    fn wake(&self, _: ChannelId, _: TopicChange) -> Woken {
        self.0.notify_one();
        Woken::Nothing
    }
}

impl Source {
    fn view(&self, replayed_through: Offset) -> View<'_> {
        View {
            visibility: &self.visibility,
            replayed_through,
        }
    }

    fn is_pattern(&self) -> bool {
        matches!(self.channel.matcher, Matcher::Pattern(_))
    }

    fn reads(&self, topic: &Topic) -> bool {
        match &self.channel.matcher {
            Matcher::Topic(own) => own == topic,
            Matcher::Pattern(pattern) => pattern.matches(topic),
        }
    }
}

impl Subscriber {
    /// `newest` is the newest committed offset. The channels count this subscriber already.
    pub(super) fn new(
        hub: Hub,
        channels: Vec<(Arc<Channel>, Visibility)>,
        subscription: &Subscription,
        newest: Offset,
    ) -> Result<Self, SubscribeError> {
        let sources: Vec<_> = channels
            .into_iter()
            .map(|(channel, visibility)| Source {
                channel,
                visibility,
                acknowledged: Offset::START,
                listening: None,
            })
            .collect();
        let mut subscriber = Self {
            position: Position::At(newest),
            hub,
            uses_log_ids: sources.len() > 1 || sources.iter().any(Source::is_pattern),
            sources,
            slow_reader: subscription.slow_reader,
            replayed_through: newest,
            cursor: newest,
            pending: None,
            older: None,
            is_ahead: false,
            gap: None,
            bell: None,
        };
        subscriber.go_to(&subscription.start);
        subscriber.leave_what_has_been_read_to_its_end();
        if subscriber.sources.is_empty() {
            Err(SubscribeError::Ended)
        } else {
            Ok(subscriber)
        }
    }

    /// The id after which the next event comes: what a reader that has seen nothing yet resumes from.
    pub fn position(&self) -> EventId {
        match &self.position {
            Position::At(offset) => self.hub.id(*offset),
            Position::Own(id) => id.clone(),
        }
    }

    /// The same subscriber, which knows every event by the log's id even if it reads one topic.
    #[must_use]
    pub fn with_log_ids(mut self) -> Self {
        self.uses_log_ids = true;
        if let Position::Own(_) = self.position {
            self.position = Position::At(self.cursor);
        }
        self
    }

    /// Whether it reads this topic: not if the topic has ended, and this reader has its end or comes after it.
    pub fn reads(&self, topic: &Topic) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| source.reads(topic))
    }

    /// The topics of an event by which it came to this reader, the one that it was published to first.
    pub fn topics_of<'a>(&self, entry: &'a Entry) -> impl Iterator<Item = &'a Topic> {
        entry.topics().filter(|topic| self.reads(topic))
    }

    /// Whether it has read all that there was when it subscribed.
    pub fn has_read_what_there_was(&self) -> bool {
        self.gap.is_none()
            && self.pending.is_none()
            && self.older.is_none()
            && self.cursor >= self.replayed_through
    }

    /// The id that this reader knows an event by: its own, or the log's if the reader reads several topics.
    pub fn id_of(&self, entry: &Entry) -> EventId {
        if self.uses_log_ids {
            self.hub.id(entry.offset)
        } else {
            entry.event.id.clone()
        }
    }

    /// Whether this reader knows every event by the log's id rather than the event's own.
    pub fn uses_log_ids(&self) -> bool {
        self.uses_log_ids
    }

    /// What the reader asked for and cannot get, once. If it is not taken, it is read first.
    pub fn take_gap(&mut self) -> Option<Gap> {
        self.gap.take().map(|gap| *gap)
    }

    /// Whether there may be something to read. It takes no lock.
    pub fn is_ready(&self) -> bool {
        if self.gap.is_some() || self.pending.is_some() {
            return true;
        }
        if let Some(older) = &self.older {
            return older.is_ready();
        }
        self.sources.is_empty()
            || self.cursor < self.replayed_through
            || self.is_caught_up_with()
            || self
                .sources
                .iter()
                .any(|source| source.channel.newest() > self.cursor)
    }

    /// Waits until there may be something to read. Dropping the future and calling again loses nothing.
    pub async fn ready(&mut self) {
        while !self.is_ready() {
            self.changed(false).await;
        }
    }

    /// Waits until a topic has changed: it has new events, or if it `counts`, another number of subscribers. It may also
    /// return without any change. Dropping the future and calling again loses nothing.
    pub async fn changed(&mut self, counts: bool) {
        match &self.bell {
            Some(bell) => bell.0.notified().await,
            None => {
                let bell = Arc::<Bell>::default();
                for source in &mut self.sources {
                    let listener = Arc::<Bell>::clone(&bell);
                    let channel = Arc::clone(&source.channel);
                    source.listening = Some(WatchGuard::new(channel, listener, counts));
                }
                // The first call registers and returns at once, since changes before that were not notified.
                self.bell = Some(bell);
            }
        }
    }

    /// The topics that have not ended, and the patterns, for a listener on behalf of many subscribers.
    pub fn topics(&self) -> impl Iterator<Item = ChannelId> {
        self.sources.iter().map(|source| source.channel.id)
    }

    /// Registers a listener with one of the topics. It is not notified of earlier changes. Nothing if that topic has ended.
    pub fn listen(&self, topic: ChannelId, listener: Arc<dyn Watcher>) -> Option<WatchGuard> {
        let mut sources = self.sources.iter();
        let source = sources.find(|source| source.channel.id == topic)?;
        let channel = Arc::clone(&source.channel);
        Some(WatchGuard::new(channel, listener, false))
    }

    /// Reads on from the cursor: one event at least, if there is any, and then no more than fit into `max_bytes` of
    /// frames.
    pub fn read(&mut self, max_bytes: usize) -> ReadOutcome {
        if let Some(gap) = self.take_gap() {
            return ReadOutcome::Gap(gap);
        }
        if let Some(batch) = self.pending.take() {
            return self.finish(batch);
        }
        match self.find(max_bytes) {
            LogRead::Batch(batch) => self.finish(batch),
            LogRead::Nothing(through) => {
                self.cursor = self.cursor.max(through);
                if self.is_caught_up_with() {
                    self.is_ahead = false;
                    // Another hub has shown it the ends that this one has applied only now.
                    self.leave_what_has_been_read_to_its_end();
                }
                if self.sources.is_empty() {
                    ReadOutcome::End
                } else {
                    ReadOutcome::Nothing
                }
            }
            LogRead::Later => ReadOutcome::Nothing,
            LogRead::Dropped if self.ask_for_older(max_bytes) => ReadOutcome::Nothing,
            LogRead::Dropped | LogRead::Lost => self.handle_lag(),
        }
    }

    /// As [`Self::read`]; a batch that another subscriber has read is taken from the memo, and the memo gets what is read.
    pub fn read_shared(&mut self, max_bytes: usize, memo: &mut ReadMemo) -> ReadOutcome {
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
        if let ReadOutcome::Batch(batch) = &read {
            memo.0 = Some((key, Arc::clone(batch)));
        }
        read
    }

    /// Which batch this subscriber can share, if it is a live reader of one topic with nothing else to read first.
    fn memo_key(&self) -> Option<MemoKey> {
        let [source] = self.sources.as_slice() else {
            return None;
        };
        let with_private = match source.visibility {
            Visibility::Public => false,
            Visibility::Private => true,
            Visibility::PerTopic(_) => return None,
        };
        let is_live = self.cursor >= self.replayed_through;
        (is_live && self.gap.is_none() && self.pending.is_none()).then_some(MemoKey {
            channel: source.channel.id,
            with_private,
            cursor: self.cursor,
        })
    }

    /// How many subscribers each of the topics has at all hubs, this one among them. A topic that has ended has none, and a
    /// pattern is not counted.
    pub fn consumers(&self) -> impl Iterator<Item = (&Topic, usize)> {
        self.sources.iter().filter_map(|source| {
            let topic = source.channel.topic()?;
            Some((topic, source.channel.subscribers_everywhere()))
        })
    }

    /// What comes next in the logs, in the order of publication.
    fn find(&mut self, max_bytes: usize) -> LogRead {
        if self.older.is_some() {
            return self.find_older(max_bytes);
        }
        // Loaded before the logs are read, so that what one log returns is not newer than what another does not have yet.
        let committed = self.hub.committed();
        if let [source] = self.sources.as_slice() {
            let mut log = source.channel.log();
            // A pattern's own log begins with its tail.
            if !source.is_pattern() || self.cursor >= log.tail_start() {
                return log.after(self.standpoint(source), committed, max_bytes);
            }
        }
        self.merge(committed, max_bytes)
    }

    fn standpoint<'a>(&self, source: &'a Source) -> Standpoint<'a> {
        Standpoint {
            cursor: self.cursor,
            acknowledged: source.acknowledged,
            view: source.view(self.replayed_through),
        }
    }

    /// A batch has been read.
    fn finish(&mut self, batch: Arc<Batch>) -> ReadOutcome {
        self.cursor = self.cursor.max(batch.through());
        if let Some(last) = batch.entries().last() {
            self.position = if last.has_own_id && !self.uses_log_ids {
                Position::Own(last.event.id.clone())
            } else {
                Position::At(last.offset)
            };
        }
        for end in batch.ends() {
            self.leave(|source| source.channel.topic() == Some(&end.topic));
            // The log may have read on behind the end, if the name has been used again since.
            self.narrow_page();
        }
        ReadOutcome::Batch(batch)
    }

    /// Whether the hub has applied by now what another hub had shown this reader.
    fn is_caught_up_with(&self) -> bool {
        self.is_ahead && self.hub.committed() >= self.cursor
    }

    /// Leaves the topics that have ended and whose end the reader has read, or cannot get any more.
    fn leave_what_has_been_read_to_its_end(&mut self) {
        let cursor = self.cursor;
        let older = self.hub.0.older.clone();
        self.leave(|source| {
            let log = source.channel.log();
            if !log.has_ended() {
                return false;
            }
            let Some(end) = log.newest() else {
                let end = log.lost_retained();
                // The log is asked while no lock is held.
                drop(log);
                return end <= cursor.max(source.acknowledged)
                    || older
                        .as_ref()
                        .is_none_or(|older| older.lost_through(&source.channel.matcher) >= end);
            };
            end.offset <= cursor
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
