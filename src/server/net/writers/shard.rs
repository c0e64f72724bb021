//! One thread's share of the streams: it waits for news of topics, sockets and the clock, and writes. A topic's news
//! reaches it once, however many of its streams read that topic.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Registry, Token};
use slab::Slab;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::connection::{Connection, Progress, Received};
use super::{Answer, Commands, NewStream, ShardHandle};
use crate::hub::watch::{ChannelId, TopicChange, WatchGuard, Watcher};
use crate::server::ops::metrics::Metrics;
use crate::server::stream::session::CloseReason;
use crate::server::stream::wire::Pass;

/// The token of the queue's waker; sockets have their key as token.
pub(super) const WAKER: Token = Token(usize::MAX);

/// How many sockets are looked at at once.
const EVENTS: usize = 1_024;

/// The shortest time between two rounds in which readers are sent the number of consumers, or who is present.
const COUNT_INTERVAL: Duration = Duration::from_millis(50);

/// How many readers of a topic a publisher's thread writes to by itself. More would let the publisher wait for them, and keep
/// two threads busy with the same sockets.
const FEW: usize = 4;

/// How soon after the publisher's thread has written another event counts as one of many. The writer then sends what comes
/// together, while the publisher goes on.
const BURST_INTERVAL: Duration = Duration::from_micros(5);

/// The streams of one writer.
pub(super) struct Shard {
    registry: Registry,
    handle: Arc<ShardHandle>,
    metrics: Metrics,
    runtime: Handle,
    connections: Slab<Box<Member>>,
    groups: HashMap<ChannelId, Group>,
    timers: BinaryHeap<Reverse<Timer>>,
    /// Connections with more to be written than one turn allows.
    unfinished: Vec<usize>,
    /// Topics whose number of subscribers has changed, and when the readers that want to know are looked at.
    recounted: BTreeSet<ChannelId>,
    recount_at: Option<Instant>,
    pass: Pass,
    next_id: u64,
    /// When a publisher's thread last wrote in the writer's place.
    lent_until: Option<Instant>,
    /// When the thread ends, whatever is still open.
    stops_at: Option<Instant>,
    /// The thread ends as soon as no connection is left.
    ends_when_empty: bool,
}

/// A connection of this shard.
struct Member {
    connection: Connection,
    /// Unlike its key, no other connection ever has it.
    id: u64,
    topics: Box<[ChannelId]>,
    /// When its earliest timer fires.
    timer: Option<Instant>,
}

/// All connections that read one topic.
struct Group {
    members: BTreeSet<usize>,
    /// Those that want to know the number of consumers, or who is present.
    counting: BTreeSet<usize>,
    listening: WatchGuard,
}

/// A time at which a connection is looked at, if it is still there.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    at: Instant,
    key: usize,
    id: u64,
}

/// What became of a publisher's offer to write by itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lent {
    /// It has written to all readers of the topic.
    Done,
    /// It has, and the writer has to look again earlier than it knows.
    ChangedTimers,
    /// The writer does it better: there are many readers, or many events.
    Declined,
}

/// Writes a shard's streams until it is to stop.
pub(super) fn run(handle: &ShardHandle, mut poll: Poll) {
    let mut events = Events::with_capacity(EVENTS);
    let mut timeout = Some(Duration::ZERO);
    loop {
        handle.is_idle.store(true, Ordering::Relaxed);
        let polled = poll.poll(&mut events, timeout);
        handle.is_idle.store(false, Ordering::Relaxed);
        match polled {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::error!("event streams cannot be written any more: {error}");
                return;
            }
        }
        // It is poisoned if a publisher's thread panicked while it wrote: then this thread ends, and the server with it.
        let Ok(mut slot) = handle.shard.lock() else {
            return;
        };
        let Some(shard) = slot.as_mut() else {
            return;
        };
        shard.turn(&events, handle.commands.take());
        if shard.is_over() {
            *slot = None;
            return;
        }
        timeout = shard.poll_timeout();
    }
}

impl Shard {
    pub(super) fn new(
        registry: Registry,
        handle: Arc<ShardHandle>,
        metrics: Metrics,
        runtime: Handle,
    ) -> Self {
        Self {
            registry,
            handle,
            metrics,
            runtime,
            connections: Slab::new(),
            groups: HashMap::new(),
            timers: BinaryHeap::new(),
            unfinished: Vec::new(),
            recounted: BTreeSet::new(),
            recount_at: None,
            pass: Pass::default(),
            next_id: 0,
            lent_until: None,
            stops_at: None,
            ends_when_empty: false,
        }
    }

    /// Does what there is to do now.
    fn turn(&mut self, events: &Events, commands: Commands) {
        // Socket events come before new streams: a freed key could be reused and receive a stale event.
        for event in events.iter().filter(|event| event.token() != WAKER) {
            self.on_ready(event);
        }
        self.apply_commands(commands);
        self.recount();
        self.fire_timers();
        for key in std::mem::take(&mut self.unfinished) {
            self.advance(key);
        }
        self.end_pass();
    }

    fn end_pass(&mut self) {
        self.pass.end();
        self.metrics.count(&mut self.pass.stats);
    }

    /// Writes to all readers of a topic on the thread of a publisher, if they are few.
    pub(super) fn write_to_few(&mut self, topic: ChannelId) -> Lent {
        let Some(group) = self.groups.get(&topic) else {
            return Lent::Done;
        };
        let is_burst = |at: Instant| at.elapsed() < BURST_INTERVAL;
        if group.members.len() > FEW || self.lent_until.is_some_and(is_burst) {
            return Lent::Declined;
        }
        let before = self.poll_timeout_at();
        let members: Vec<_> = group.members.iter().copied().collect();
        self.advance_unless_blocked(members);
        self.end_pass();
        self.lent_until = Some(Instant::now());
        let is_earlier = match (self.poll_timeout_at(), before) {
            (Some(now), Some(before)) => now < before,
            (now, before) => now.is_some() && before.is_none(),
        };
        if is_earlier || !self.unfinished.is_empty() {
            Lent::ChangedTimers
        } else {
            Lent::Done
        }
    }

    fn is_over(&self) -> bool {
        let is_done = self.ends_when_empty && self.connections.is_empty();
        is_done || self.stops_at.is_some_and(|at| Instant::now() >= at)
    }

    /// How long nothing need be done unless something happens.
    fn poll_timeout(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = self.poll_timeout_at()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn poll_timeout_at(&self) -> Option<Instant> {
        let timer = self.timers.peek().map(|Reverse(timer)| timer.at);
        let next = [timer, self.recount_at, self.stops_at];
        next.into_iter().flatten().min()
    }

    /// A socket can be read or written.
    fn on_ready(&mut self, event: &Event) {
        let key = event.token().0;
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.receive(key);
        }
        // It may have gone by now.
        if event.is_writable() && self.is_blocked(key) {
            self.advance(key);
        }
    }

    fn receive(&mut self, key: usize) {
        let Some(member) = self.connections.get_mut(key) else {
            return;
        };
        match member.connection.receive(&mut self.pass) {
            Received::Nothing => self.set_timer(key),
            Received::Answered if member.connection.is_blocked() => self.set_timer(key),
            Received::Answered => self.advance(key),
            Received::ToPublish(publisher, text) => {
                let (id, handle) = (member.id, Arc::clone(&self.handle));
                self.runtime.spawn(async move {
                    let text = publisher.publish(text).await;
                    let answer = Answer { key, id, text };
                    handle
                        .commands
                        .put(|commands| commands.answers.push(answer));
                });
                self.set_timer(key);
            }
            Received::Closes(progress) => self.apply(key, progress),
        }
    }

    fn apply_commands(&mut self, commands: Commands) {
        for stream in commands.new_streams {
            self.register(stream);
        }
        for answer in commands.answers {
            self.reply(&answer);
        }
        for (topic, news) in commands.news {
            match (news, self.groups.get(&topic)) {
                (TopicChange::Events, Some(group)) => {
                    let members: Vec<_> = group.members.iter().copied().collect();
                    self.advance_unless_blocked(members);
                }
                (TopicChange::Subscribers, Some(group)) if !group.counting.is_empty() => {
                    self.recounted.insert(topic);
                    let at = || Instant::now() + COUNT_INTERVAL;
                    self.recount_at.get_or_insert_with(at);
                }
                _ => {}
            }
        }
        if commands.is_closing {
            self.end_closed_streams();
        }
        if let Some(stops_at) = commands.stops_at {
            self.stops_at = Some(stops_at);
        }
        self.ends_when_empty |= commands.is_last;
    }

    /// A full socket says when it takes more, and then gets everything at once.
    fn advance_unless_blocked(&mut self, members: Vec<usize>) {
        for key in members {
            if !self.is_blocked(key) {
                self.advance(key);
            }
        }
    }

    fn is_blocked(&self, key: usize) -> bool {
        let member = self.connections.get(key);
        member.is_some_and(|member| member.connection.is_blocked())
    }

    /// Goes on with a new stream.
    fn register(&mut self, stream: NewStream) {
        let mut connection = Connection::new(stream);
        if connection.session().is_present() {
            connection.close_if_vanished();
        }
        let vacant = self.connections.vacant_entry();
        let key = vacant.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let socket = connection.transport().socket();
        if let Err(error) = self.registry.register(socket, Token(key), interest) {
            tracing::warn!("a stream cannot be written: {error}");
            return;
        }
        let session = connection.session();
        let subscriber = session.subscriber();
        let topics: Box<[_]> = subscriber.topics().collect();
        for topic in &topics {
            let group = match self.groups.entry(*topic) {
                std::collections::hash_map::Entry::Occupied(group) => group.into_mut(),
                std::collections::hash_map::Entry::Vacant(vacant) => {
                    let listener: Arc<dyn Watcher> = Arc::<ShardHandle>::clone(&self.handle);
                    let Some(listening) = subscriber.listen(*topic, listener) else {
                        continue;
                    };
                    vacant.insert(Group {
                        members: BTreeSet::new(),
                        counting: BTreeSet::new(),
                        listening,
                    })
                }
            };
            group.members.insert(key);
            if session.watches_subscribers() {
                group.counting.insert(key);
                group.listening.count_subscribers();
            }
        }
        let is_closed = session.is_closed();
        vacant.insert(Box::new(Member {
            connection,
            id: self.next_id,
            topics,
            timer: None,
        }));
        self.next_id += 1;
        // Events published during the handoff were not notified to this thread; poll once now.
        if is_closed {
            self.end(key, CloseReason::Closed);
        } else {
            self.advance(key);
        }
        self.receive_waiting(key);
    }

    /// A frame of a client's has been published.
    fn reply(&mut self, answer: &Answer) {
        let Some(member) = self.connections.get_mut(answer.key) else {
            return;
        };
        if member.id != answer.id {
            return;
        }
        member.connection.reply(&answer.text);
        if !member.connection.is_blocked() {
            self.advance(answer.key);
        }
        self.receive_waiting(answer.key);
    }

    /// Reads what a client has sent while it was not read.
    fn receive_waiting(&mut self, key: usize) {
        let member = self.connections.get(key);
        if member.is_some_and(|member| member.connection.can_receive()) {
            self.receive(key);
        }
    }

    /// Sends the number of consumers, and who is present, to the readers that want to know it.
    fn recount(&mut self) {
        if self.recount_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.recount_at = None;
        let mut readers = Vec::new();
        for topic in std::mem::take(&mut self.recounted) {
            if let Some(group) = self.groups.get(&topic) {
                readers.extend(&group.counting);
            }
        }
        for key in readers {
            self.advance(key);
        }
    }

    fn fire_timers(&mut self) {
        let now = Instant::now();
        while self
            .timers
            .peek()
            .is_some_and(|Reverse(timer)| timer.at <= now)
        {
            let Some(Reverse(timer)) = self.timers.pop() else {
                break;
            };
            let Some(member) = self.connections.get_mut(timer.key) else {
                continue;
            };
            // Of several timers of one connection only the earliest counts; of one that has gone, none.
            if member.id != timer.id || member.timer != Some(timer.at) {
                continue;
            }
            member.timer = None;
            if member.connection.due() <= now {
                let progress = member.connection.expire(now, &mut self.pass);
                self.apply(timer.key, progress);
            } else {
                // It has been written to since.
                self.set_timer(timer.key);
            }
        }
    }

    /// Ends the streams that were open when all were ended.
    fn end_closed_streams(&mut self) {
        let closed = self
            .connections
            .iter()
            .filter(|(_, member)| member.connection.session().is_closed());
        let closed: Vec<_> = closed.map(|(key, _)| key).collect();
        for key in closed {
            self.end(key, CloseReason::Closed);
        }
    }

    fn end(&mut self, key: usize, reason: CloseReason) {
        if let Some(member) = self.connections.get_mut(key) {
            let progress = member.connection.end(reason, &mut self.pass);
            self.apply(key, progress);
        }
    }

    fn advance(&mut self, key: usize) {
        if let Some(member) = self.connections.get_mut(key) {
            let progress = member.connection.advance(&mut self.pass);
            self.apply(key, progress);
        }
    }

    fn apply(&mut self, key: usize, progress: Progress) {
        match progress {
            Progress::Waits => self.set_timer(key),
            Progress::HasMore => self.unfinished.push(key),
            Progress::HasEnded => self.remove(key),
        }
    }

    /// Sees to it that a connection is looked at when it is due. A timer that fires too early is set again then, so that
    /// an event which puts a heartbeat off costs nothing here.
    fn set_timer(&mut self, key: usize) {
        let Some(member) = self.connections.get_mut(key) else {
            return;
        };
        // Most events only put off what is due; then the timer that there is does.
        if member.timer.is_some() && member.connection.is_due_later_than_before() {
            return;
        }
        let at = member.connection.due();
        if member.timer.is_none_or(|timer| at < timer) {
            member.timer = Some(at);
            let id = member.id;
            self.timers.push(Reverse(Timer { at, key, id }));
        }
    }

    fn remove(&mut self, key: usize) {
        let Some(mut member) = self.connections.try_remove(key) else {
            return;
        };
        // Closing it does the same; a failure means that it is gone.
        let _ = self
            .registry
            .deregister(member.connection.transport().socket());
        for topic in &member.topics {
            if let Some(group) = self.groups.get_mut(topic) {
                group.members.remove(&key);
                group.counting.remove(&key);
                if group.members.is_empty() {
                    self.groups.remove(topic);
                }
            }
        }
        self.forget_old_timers();
    }

    /// Lets go of timers of connections that are gone, when they are most of all.
    fn forget_old_timers(&mut self) {
        if self.timers.len() > 2 * self.connections.len() + EVENTS {
            let connections = &self.connections;
            self.timers.retain(|Reverse(timer)| {
                let member = connections.get(timer.key);
                member.is_some_and(|member| member.id == timer.id && member.timer == Some(timer.at))
            });
        }
    }
}
