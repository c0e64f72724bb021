//! One thread's share of the event streams: it waits for news of topics, sockets and the clock, and writes. A topic's
//! news reaches it once, however many of its streams read that topic.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use tokio::time::Instant;

use super::connection::{Connection, Pass, Progress};
use super::{Arrival, Inbox, Mail};
use crate::hub::listeners::{Listener, Listening, News, TopicId};
use crate::server::ops::metrics::Metrics;
use crate::server::stream::session::Ending;

/// The token of the mailbox's bell; sockets have their place as token.
pub(super) const BELL: Token = Token(usize::MAX);

/// How many sockets are heard at once.
const EVENTS: usize = 1_024;

/// The shortest time between two rounds in which readers are told of the number of consumers.
const COUNT_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct Shard {
    poll: Poll,
    inbox: Arc<Inbox>,
    metrics: Metrics,
    connections: Slab<Member>,
    groups: HashMap<TopicId, Group>,
    timers: BinaryHeap<Reverse<Timer>>,
    /// Who has more to be written than one turn allows.
    unfinished: Vec<usize>,
    /// Topics whose number of subscribers has changed, and when the readers who want to know are looked at.
    recounted: BTreeSet<TopicId>,
    recount_at: Option<Instant>,
    pass: Pass,
    next_id: u64,
    /// When the thread ends, whatever is still open.
    stops_at: Option<Instant>,
    /// The thread ends as soon as no connection is left.
    ends_when_empty: bool,
}

/// A connection of this shard.
struct Member {
    connection: Connection,
    /// Unlike its place, no other connection ever has it.
    id: u64,
    topics: Vec<TopicId>,
    /// When its earliest timer fires.
    timer: Option<Instant>,
}

/// All connections that read one topic.
struct Group {
    members: BTreeSet<usize>,
    /// Those that want to know the number of consumers.
    counting: BTreeSet<usize>,
    listening: Listening,
}

/// A time at which a connection is looked at, if it is still there.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    at: Instant,
    place: usize,
    id: u64,
}

impl Shard {
    pub(super) fn new(poll: Poll, inbox: Arc<Inbox>, metrics: Metrics) -> Self {
        Self {
            poll,
            inbox,
            metrics,
            connections: Slab::new(),
            groups: HashMap::new(),
            timers: BinaryHeap::new(),
            unfinished: Vec::new(),
            recounted: BTreeSet::new(),
            recount_at: None,
            pass: Pass::default(),
            next_id: 0,
            stops_at: None,
            ends_when_empty: false,
        }
    }

    /// Writes until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_over() {
            match self.poll.poll(&mut events, self.patience()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!("event streams cannot be written any more: {error}");
                    return;
                }
            }
            // Before anybody new comes, who might get the place of somebody that has gone.
            for event in events.iter().filter(|event| event.token() != BELL) {
                self.hear(event);
            }
            let mail = self.inbox.take();
            self.read_mail(mail);
            self.recount();
            self.fire_timers();
            for place in std::mem::take(&mut self.unfinished) {
                self.advance(place);
            }
            self.pass.end();
            self.metrics.count(&mut self.pass.tally);
        }
    }

    fn is_over(&self) -> bool {
        let is_done = self.ends_when_empty && self.connections.is_empty();
        is_done || self.stops_at.is_some_and(|at| Instant::now() >= at)
    }

    /// How long nothing need be done unless something happens.
    fn patience(&self) -> Option<Duration> {
        if !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let timer = self.timers.peek().map(|Reverse(timer)| timer.at);
        let next = [timer, self.recount_at, self.stops_at];
        let next = next.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// A socket has something to say.
    fn hear(&mut self, event: &Event) {
        let place = event.token().0;
        let Some(member) = self.connections.get_mut(place) else {
            return;
        };
        let is_readable = event.is_readable() || event.is_read_closed() || event.is_error();
        if is_readable && member.connection.read_input() == Progress::HasEnded {
            self.remove(place);
        } else if event.is_writable() && member.connection.is_blocked() {
            self.advance(place);
        }
    }

    fn read_mail(&mut self, mail: Mail) {
        for arrival in mail.arrivals {
            self.welcome(arrival);
        }
        let mut readers = Vec::new();
        for (topic, news) in mail.news {
            match (news, self.groups.get(&topic)) {
                (News::Events, Some(group)) => readers.extend(&group.members),
                (News::Subscribers, Some(group)) if !group.counting.is_empty() => {
                    self.recounted.insert(topic);
                    let at = || Instant::now() + COUNT_INTERVAL;
                    self.recount_at.get_or_insert_with(at);
                }
                _ => {}
            }
        }
        for place in readers {
            // A full socket says when it takes more, and then gets everything at once.
            let is_blocked = |member: &Member| member.connection.is_blocked();
            if !self.connections.get(place).is_some_and(is_blocked) {
                self.advance(place);
            }
        }
        if mail.is_closing {
            self.end_what_is_closed();
        }
        if let Some(stops_at) = mail.stops_at {
            self.stops_at = Some(stops_at);
        }
        self.ends_when_empty |= mail.is_last;
    }

    /// Takes over a connection.
    fn welcome(&mut self, arrival: Arrival) {
        let Arrival {
            socket,
            stream,
            guard,
        } = arrival;
        let mut socket = mio::net::TcpStream::from_std(socket);
        let vacant = self.connections.vacant_entry();
        let place = vacant.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .poll
            .registry()
            .register(&mut socket, Token(place), interest);
        if let Err(error) = registered {
            tracing::warn!("an event stream cannot be written: {error}");
            return;
        }
        let subscriber = stream.delivery().subscriber();
        let topics: Vec<_> = subscriber.topics().collect();
        for topic in &topics {
            let group = match self.groups.entry(*topic) {
                std::collections::hash_map::Entry::Occupied(group) => group.into_mut(),
                std::collections::hash_map::Entry::Vacant(vacant) => {
                    let listener: Arc<dyn Listener> = Arc::<Inbox>::clone(&self.inbox);
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
            group.members.insert(place);
            if stream.delivery().counts_consumers() {
                group.counting.insert(place);
                group.listening.count_subscribers();
            }
        }
        vacant.insert(Member {
            connection: Connection::new(socket, *stream, guard),
            id: self.next_id,
            topics,
            timer: None,
        });
        self.next_id += 1;
        // Whatever happened on its way here has been told to nobody.
        match self.connections[place].connection.delivery().is_closed() {
            true => self.end(place, Ending::Closed),
            false => self.advance(place),
        }
    }

    /// Tells the readers who want to know how many consumers there are.
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
        for place in readers {
            self.advance(place);
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
            let Some(member) = self.connections.get_mut(timer.place) else {
                continue;
            };
            // Of several timers of one connection only the earliest counts; of one that has gone, none.
            if member.id != timer.id || member.timer != Some(timer.at) {
                continue;
            }
            member.timer = None;
            let due = member.connection.due();
            match due <= now {
                true if member.connection.is_blocked() => self.remove(timer.place),
                true => self.advance(timer.place),
                // It has been written to since.
                false => self.set_timer(timer.place),
            }
        }
    }

    /// Ends the streams that were open when all were ended.
    fn end_what_is_closed(&mut self) {
        let closed = self
            .connections
            .iter()
            .filter(|(_, member)| member.connection.delivery().is_closed());
        let closed: Vec<_> = closed.map(|(place, _)| place).collect();
        for place in closed {
            self.end(place, Ending::Closed);
        }
    }

    fn end(&mut self, place: usize, ending: Ending) {
        if let Some(member) = self.connections.get_mut(place) {
            let progress = member.connection.end(ending, &mut self.pass);
            self.go_on(place, progress);
        }
    }

    fn advance(&mut self, place: usize) {
        if let Some(member) = self.connections.get_mut(place) {
            let progress = member.connection.advance(&mut self.pass);
            self.go_on(place, progress);
        }
    }

    fn go_on(&mut self, place: usize, progress: Progress) {
        match progress {
            Progress::Waits => self.set_timer(place),
            Progress::HasMore => self.unfinished.push(place),
            Progress::HasEnded => self.remove(place),
        }
    }

    /// Sees to it that a connection is looked at when it is due. A timer that fires too early is set again then, so that
    /// an event which puts a heartbeat off costs nothing here.
    fn set_timer(&mut self, place: usize) {
        let Some(member) = self.connections.get_mut(place) else {
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
            self.timers.push(Reverse(Timer { at, place, id }));
        }
    }

    fn remove(&mut self, place: usize) {
        let Some(mut member) = self.connections.try_remove(place) else {
            return;
        };
        // Closing it does the same; a failure means that it is gone.
        let _ = self
            .poll
            .registry()
            .deregister(&mut member.connection.socket);
        for topic in member.topics {
            if let Some(group) = self.groups.get_mut(&topic) {
                group.members.remove(&place);
                group.counting.remove(&place);
                if group.members.is_empty() {
                    self.groups.remove(&topic);
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
                let member = connections.get(timer.place);
                member.is_some_and(|member| member.id == timer.id && member.timer == Some(timer.at))
            });
        }
    }
}
