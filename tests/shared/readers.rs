//! Readers that come back to a server that is killed again and again, with the id of the last event that they have.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::connection::Stream;
use crate::load::{HISTORY_EVENTS, OWN_IDS};
use crate::oracle::{Content, Item, Number, Oracle, position};
use crate::parser::Message;

/// Where the servers are, and how far the load has come.
#[derive(Debug, Clone)]
pub struct World {
    /// One place for each server that shares the log; it has the server's address if it runs.
    pub addresses: Vec<Option<SocketAddr>>,
    /// Servers may be unable to take events for a time.
    pub may_be_unavailable: bool,
    /// Publishers finish what they have begun.
    pub is_over: bool,
    /// The last event of each topic, when nothing is published any more.
    pub finals: Option<Arc<HashMap<String, Number>>>,
}

impl World {
    /// So many servers, of which none runs yet.
    pub fn of(servers: usize) -> Self {
        Self {
            addresses: vec![None; servers],
            may_be_unavailable: false,
            is_over: false,
            finals: None,
        }
    }

    /// The server at this place, or any, as long as it runs.
    fn running(&self, place: Option<usize>, random: &mut Rng) -> Option<SocketAddr> {
        if let Some(place) = place {
            return self.addresses[place];
        }
        let running: Vec<SocketAddr> = self.addresses.iter().copied().flatten().collect();
        random.choice(running)
    }
}

/// Waits until a server runs: the one at this place, or any.
pub async fn address(
    world: &mut watch::Receiver<World>,
    place: Option<usize>,
    random: &mut Rng,
) -> SocketAddr {
    loop {
        if let Some(address) = world.borrow_and_update().running(place, random) {
            return address;
        }
        world.changed().await.expect("a test");
    }
}

/// What a reader reads.
#[derive(Debug, Clone)]
pub enum Topics {
    One(&'static str),
    Several(&'static [&'static str]),
    /// The topics whose names begin with this.
    Prefix(&'static str),
}

impl Topics {
    fn target(&self) -> String {
        match self {
            Self::One(topic) => format!("/topics/{topic}"),
            Self::Several(topics) => format!("/topics?topic={}", topics.join("&topic=")),
            Self::Prefix(prefix) => format!("/topics?match={prefix}*"),
        }
    }

    pub fn contain(&self, topic: &str) -> bool {
        match self {
            Self::One(own) => topic == *own,
            Self::Several(own) => own.contains(&topic),
            Self::Prefix(prefix) => topic.starts_with(prefix),
        }
    }
}

/// How a reader behaves.
#[derive(Debug, Clone)]
pub struct Habit {
    pub topics: Topics,
    /// The server that it reads from, if that is always the same.
    pub server: Option<usize>,
    /// How long it stays on a connection, in milliseconds, if it leaves by itself.
    pub stays: Option<Range<u64>>,
    /// How long it is away then.
    pub is_away: Range<u64>,
    /// Whether it sometimes forgets what it has, and begins with the first event.
    pub forgets: bool,
    /// Whether the log may have removed what it needs.
    pub may_see_gaps: bool,
    /// Whether it reads on behalf of the oracle.
    pub is_witness: bool,
}

impl Habit {
    /// A reader that stays.
    pub fn of(topics: Topics) -> Self {
        Self {
            topics,
            server: None,
            stays: None,
            is_away: 0..1,
            forgets: false,
            may_see_gaps: false,
            is_witness: false,
        }
    }
}

/// What a reader has read.
pub struct Reader {
    pub habit: Habit,
    /// Stretches without a gap.
    pub read: Vec<Vec<Item>>,
    pub connections: usize,
    pub gaps: usize,
    last_event_id: Option<String>,
    /// The offset after which the newest stretch has everything.
    complete_after: u64,
    oracle: Arc<Mutex<Oracle>>,
}

impl Reader {
    pub fn new(habit: Habit, oracle: &Arc<Mutex<Oracle>>) -> Self {
        Self {
            habit,
            read: vec![Vec::new()],
            connections: 0,
            gaps: 0,
            last_event_id: Some("earliest".to_owned()),
            complete_after: 0,
            oracle: Arc::clone(oracle),
        }
    }

    /// Reads until it has the last event of all its topics.
    pub async fn run(mut self, mut world: watch::Receiver<World>, mut random: Rng) -> Self {
        loop {
            let address = address(&mut world, self.habit.server, &mut random).await;
            let stays = match &self.habit.stays {
                Some(stays) if world.borrow().finals.is_none() => random.u64(stays.clone()),
                _ => u64::MAX / 2,
            };
            let session = self.session(address, &mut world);
            match timeout(Duration::from_millis(stays), session).await {
                Ok(Ok(true)) => return self,
                // The server is killed, or stopping; or the reader has been there for long enough.
                Ok(Ok(false) | Err(_)) => sleep(Duration::from_millis(2)).await,
                Err(_) => {
                    let away = Duration::from_millis(random.u64(self.habit.is_away.clone()));
                    let is_final = world.wait_for(|world| world.finals.is_some());
                    let _ = timeout(away, is_final).await;
                }
            }
            if self.habit.forgets && random.u8(..3) == 0 {
                self.read.push(Vec::new());
                self.last_event_id = Some("earliest".to_owned());
                self.complete_after = 0;
            }
        }
    }

    /// Reads on one connection; true if there is nothing more to come.
    async fn session(
        &mut self,
        address: SocketAddr,
        world: &mut watch::Receiver<World>,
    ) -> io::Result<bool> {
        let target = self.habit.topics.target();
        let stream = Stream::open(address, &target, self.last_event_id.as_deref()).await?;
        self.connections += 1;
        let Some(mut stream) = stream else {
            return Ok(true);
        };
        let mut topic = None;
        loop {
            if self.has_all(world) {
                return Ok(true);
            }
            // A change of the world is no reason to drop what has been read of a chunk.
            let messages = {
                let mut next = std::pin::pin!(stream.next());
                loop {
                    tokio::select! {
                        messages = &mut next => break messages?,
                        changed = world.changed() => {
                            changed.expect("a test");
                            if self.has_all(world) {
                                return Ok(true);
                            }
                        }
                    }
                }
            };
            let Some(messages) = messages else {
                return Ok(false);
            };
            for message in messages {
                self.take(message, &mut topic);
            }
            if let Some(id) = stream.last_event_id() {
                self.last_event_id = Some(id.to_owned());
            }
        }
    }

    fn take(&mut self, message: Message, named: &mut Option<String>) {
        let Message {
            event_type,
            data,
            last_event_id: id,
        } = message;
        match event_type.as_str() {
            "topic" => *named = Some(data),
            "gap" => {
                assert!(
                    self.habit.may_see_gaps || self.has_own_id_that_memory_forgot(),
                    "a reader of {:?} got a gap after {:?}: {data}",
                    self.habit.topics,
                    self.last_event_id
                );
                self.gaps += 1;
                self.read.push(Vec::new());
                let gap: Value = serde_json::from_str(&data).expect("JSON");
                let resumed_from = gap["resumed_from"].as_str().expect("an id");
                self.complete_after = position(resumed_from).map_or(0, |(_, offset)| offset);
            }
            "end" => {
                named.take();
                let item = Item {
                    topic: data,
                    id,
                    content: Content::End,
                };
                self.push(item);
            }
            "message" => {
                let (topic, sees_own_ids) = match &self.habit.topics {
                    Topics::One(topic) => ((*topic).to_owned(), true),
                    _ => (named.take().expect("its topic comes first"), false),
                };
                let mut oracle = self.oracle.lock();
                let number = oracle.read(&topic, &id, &data, sees_own_ids);
                if let Some(number) = number {
                    if self.habit.is_witness {
                        oracle.is_seen(number);
                    }
                    drop(oracle);
                    let content = Content::Event(number);
                    self.push(Item { topic, id, content });
                }
            }
            other => panic!("an unexpected event of type {other}"),
        }
    }

    /// Ids of publishers' own are known as long as memory has their events.
    fn has_own_id_that_memory_forgot(&self) -> bool {
        let own = self.last_event_id.as_deref();
        let number = own.and_then(|id| id.strip_prefix("own-")?.parse().ok());
        let oracle = self.oracle.lock();
        number.is_some_and(|number| oracle.count_sent_after(OWN_IDS, number) >= HISTORY_EVENTS)
    }

    fn push(&mut self, item: Item) {
        // Up to where a gap ends, one of several topics has lost events, and others still have theirs.
        if position(&item.id).is_some_and(|(_, offset)| offset <= self.complete_after) {
            return;
        }
        self.read.last_mut().expect("one at least").push(item);
    }

    /// Whether it has the last event of each of its topics.
    fn has_all(&self, world: &watch::Receiver<World>) -> bool {
        let world = world.borrow();
        let Some(finals) = &world.finals else {
            return false;
        };
        let own = finals
            .iter()
            .filter(|(topic, _)| self.habit.topics.contain(topic));
        let Some(last) = own.map(|(_, number)| *number).max() else {
            return true;
        };
        // They are published one after another, so the last of them is the last event.
        let newest = self.read.last().and_then(|read| read.last());
        newest.is_some_and(|item| item.content == Content::Event(last))
    }
}
