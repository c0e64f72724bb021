//! A log that several hubs share, simulated. It keeps what is proposed until a test has it ordered, and each hub applies
//! what has been ordered when the test says so: until then, that hub lags.
//!
//! What a hub had applied when it checked a proposal is that hub's concern. The log looks at what it has placed since.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;

use super::super::entry::StoredEvent;
use super::super::log::shared::{OrderedEvent, Proposal, SharedLog, Unique};
use super::super::position::Epoch;
use super::*;

/// How many offsets stay without an event after each event, if a test does not say otherwise.
const HOLES: u64 = 2;

/// How much room there is for proposals, if a test does not say otherwise.
const ROOM: usize = 1 << 20;

/// The log, as a test sees it; clones share it.
#[derive(Clone)]
pub(super) struct SimulatedLog(Arc<Mutex<Ordered>>);

/// What the hubs share.
struct Ordered {
    epochs: Epochs,
    /// The newest offset that has been used, be it for an event or not.
    newest: Offset,
    /// The newest offset that has been lost.
    lost_through: Offset,
    holes: u64,
    room: usize,
    /// The events that the log has, in order.
    placed: Vec<Placed>,
    /// What is proposed and has no place yet, with the hub that proposes it, in order.
    proposed: VecDeque<(usize, Proposal)>,
    members: Vec<Member>,
}

/// An event that has its place.
#[derive(Clone)]
struct Placed {
    event: StoredEvent,
    key: Option<(IdempotencyKey, usize)>,
}

/// A hub, as the log sees it.
#[derive(Default)]
struct Member {
    follower: Option<Follower>,
    /// What it has not applied yet.
    feed: VecDeque<News>,
    /// What it has proposed, and not applied yet.
    own: BTreeMap<Offset, Proposal>,
    /// What the log has refused on account of an event that the hub has not applied yet.
    refused: Vec<(Offset, Proposal, Refusal)>,
}

/// What a hub is told next.
enum News {
    Event(Placed),
    /// Everything up to here is lost, and these are the epochs from now on.
    Loss(Offset, Epochs),
}

/// Why the log does not take a proposal.
enum Refusal {
    Ended,
    DuplicateId(EventId),
    Repeat,
}

/// What becomes of a proposal when it is its turn.
enum Turn {
    /// It gets a place.
    Place,
    /// Its hub has to apply something first.
    Wait,
    /// It is refused on account of the event at an offset.
    Refuse(Offset, Refusal),
    /// Its hub has refused it.
    Fails(PublishError),
}

impl Placed {
    fn topics(&self) -> impl Iterator<Item = &Topic> {
        std::iter::once(&self.event.topic).chain(&self.event.publication.also_in)
    }

    /// Whether it belongs to one of a proposal's topics.
    fn concerns(&self, proposal: &Proposal) -> bool {
        self.topics()
            .any(|topic| proposal.topics().any(|other| other == topic))
    }
}

impl Member {
    fn follower(&self) -> &Follower {
        self.follower.as_ref().expect("an open log")
    }

    /// Applies the oldest of what it has not applied yet: so many events at most, or a loss. Returns whether there was any.
    fn apply(&mut self, count: usize, holes: u64) -> bool {
        let mut events = Vec::new();
        while events.len() < count
            && let Some(news) = self.feed.pop_front()
        {
            match news {
                News::Event(Placed { event, key }) => {
                    let proposal = self.own.remove(&event.offset);
                    events.push(OrderedEvent {
                        event,
                        key,
                        proposal,
                    });
                }
                News::Loss(..) if !events.is_empty() => {
                    self.feed.push_front(news);
                    break;
                }
                News::Loss(through, epochs) => {
                    self.follower().lose_through(through);
                    self.follower().begin(epochs);
                    self.answer_refused();
                    return true;
                }
            }
        }
        let Some(last) = events.last() else {
            return false;
        };
        let through = Offset::from_number(last.event.offset.number() + holes);
        self.follower().apply(events, through);
        self.answer_refused();
        true
    }

    fn answer_refused(&mut self) {
        let applied = self.follower().applied();
        let is_due = |(offset, ..): &mut (Offset, Proposal, Refusal)| *offset <= applied;
        let due: Vec<_> = self.refused.extract_if(.., is_due).collect();
        for (_, proposal, refusal) in due {
            match refusal {
                Refusal::Ended => proposal.refuse(PublishError::Ended),
                Refusal::DuplicateId(id) => proposal.refuse(PublishError::DuplicateId(id)),
                Refusal::Repeat => self.follower().repeat(proposal),
            }
        }
    }
}

impl Ordered {
    /// Gives every proposal a place or an answer, unless its hub has to apply something first.
    fn order(&mut self) {
        for (hub, proposal) in std::mem::take(&mut self.proposed) {
            match self.turn(hub, &proposal) {
                Turn::Place => self.place(hub, proposal),
                Turn::Wait => self.proposed.push_back((hub, proposal)),
                Turn::Refuse(offset, refusal) => {
                    let member = &mut self.members[hub];
                    member.refused.push((offset, proposal, refusal));
                    member.answer_refused();
                }
                Turn::Fails(error) => proposal.refuse(error),
            }
        }
    }

    fn turn(&self, hub: usize, proposal: &Proposal) -> Turn {
        let since = proposal.checked_through;
        let is_later = |placed: &&Placed| placed.event.offset > since && placed.concerns(proposal);
        let later: Vec<_> = self.placed.iter().filter(is_later).collect();
        let refuse = |first: &Placed, refusal| Turn::Refuse(first.event.offset, refusal);
        if proposal.is_strict() {
            let member = &self.members[hub];
            let newest = later.last().map_or(since, |placed| placed.event.offset);
            let knows_losses = !member
                .feed
                .iter()
                .any(|news| matches!(news, News::Loss(..)));
            // The offset of a loss may be that of an event which the hub had applied when it checked.
            let is_checked = proposal.holds && newest == since && self.lost_through < since;
            if newest > member.follower().applied() || !knows_losses {
                return Turn::Wait;
            }
            if !is_checked && let Err(error) = member.follower().check(proposal) {
                return Turn::Fails(error);
            }
        }
        if let Some(Unique::Key(key)) = proposal.unique() {
            let first = later.iter().find(|placed| {
                let of_placed = placed.key.as_ref().map(|(key, _)| key.key.as_str());
                placed.event.topic == proposal.topic && of_placed == Some(key)
            });
            if let Some(first) = first {
                return refuse(first, Refusal::Repeat);
            }
        }
        if let Some(end) = later.iter().find(|placed| placed.event.is_end) {
            return refuse(end, Refusal::Ended);
        }
        if let Some(Unique::OwnId(id)) = proposal.unique() {
            let own_id = |placed: &Placed| placed.event.publication.id.clone();
            let has_it = |placed: &&&Placed| own_id(placed).is_some_and(|own| own.as_str() == id);
            if let Some(first) = later.iter().find(has_it)
                && let Some(id) = own_id(first)
            {
                return refuse(first, Refusal::DuplicateId(id));
            }
        }
        Turn::Place
    }

    fn place(&mut self, hub: usize, proposal: Proposal) {
        let offset = self.newest.next();
        self.newest = Offset::from_number(offset.number() + self.holes);
        let key = proposal.key.clone();
        let placed = Placed {
            event: StoredEvent {
                offset,
                topic: proposal.topic.clone(),
                publication: proposal.publication.clone(),
                is_end: proposal.is_end,
                published_at: SystemTime::now(),
            },
            key: key.map(|key| (key, proposal.subscribers)),
        };
        for member in &mut self.members {
            member.feed.push_back(News::Event(placed.clone()));
        }
        self.placed.push(placed);
        self.members[hub].own.insert(offset, proposal);
    }

    fn apply(&mut self, hub: usize, count: usize) -> bool {
        self.members[hub].apply(count, self.holes)
    }

    fn apply_all(&mut self) {
        for hub in 0..self.members.len() {
            while self.apply(hub, usize::MAX) {}
        }
    }

    /// Loses what it has placed after an offset, be it applied or not, and begins an epoch.
    fn lose_after(&mut self, kept: Offset, epoch: Epoch) {
        self.placed.retain(|placed| placed.event.offset <= kept);
        let through = self.newest;
        self.lost_through = through;
        self.epochs
            .begin(epoch, through.next())
            .expect("a name of its own");
        for member in &mut self.members {
            let is_kept = |news: &News| match news {
                News::Event(placed) => placed.event.offset <= kept,
                News::Loss(..) => true,
            };
            member.feed.retain(is_kept);
            // Their publishers do not learn what has become of them.
            member.own.retain(|offset, _| *offset <= kept);
            member.refused.retain(|(offset, ..)| *offset <= kept);
            let loss = News::Loss(through, self.epochs.clone());
            member.feed.push_back(loss);
        }
    }
}

impl Default for SimulatedLog {
    fn default() -> Self {
        Self::new(HOLES, ROOM)
    }
}

impl SimulatedLog {
    /// An empty log with so much room for proposals of each hub, that leaves so many offsets without an event after each.
    pub(super) fn new(holes: u64, room: usize) -> Self {
        Self(Arc::new(Mutex::new(Ordered {
            epochs: Epochs::new(Epoch::new("first").expect("a name")),
            newest: Offset::START,
            lost_through: Offset::START,
            holes,
            room,
            placed: Vec::new(),
            proposed: VecDeque::new(),
            members: Vec::new(),
        })))
    }

    /// One more hub, which has not applied anything of what the log has.
    pub(super) fn join(&self, limits: Limits) -> Hub {
        let membership = {
            let mut ordered = self.0.lock();
            let feed = ordered.placed.iter().cloned().map(News::Event).collect();
            ordered.members.push(Member {
                feed,
                ..Member::default()
            });
            Membership {
                log: self.clone(),
                number: ordered.members.len() - 1,
                room: Arc::new(Semaphore::new(ordered.room)),
                room_bytes: ordered.room,
                is_closed: AtomicBool::new(false),
            }
        };
        Hub::follow(limits, membership)
    }

    /// So many hubs.
    pub(super) fn join_all<const HUBS: usize>(&self, limits: Limits) -> [Hub; HUBS] {
        std::array::from_fn(|_| self.join(limits))
    }

    /// Gives every proposal a place or an answer, unless its hub has to apply something first.
    pub(super) fn order(&self) {
        self.0.lock().order();
    }

    /// A hub applies the oldest of what it has not applied yet: so many events at most, or a loss. Returns whether there was
    /// any.
    pub(super) fn apply(&self, hub: usize, count: usize) -> bool {
        self.0.lock().apply(hub, count)
    }

    /// A hub applies everything that has been ordered.
    pub(super) fn catch_up(&self, hub: usize) {
        while self.apply(hub, usize::MAX) {}
    }

    /// Orders everything that is proposed, and has every hub apply it.
    pub(super) fn settle_all(&self) {
        let mut ordered = self.0.lock();
        ordered.apply_all();
        while !ordered.proposed.is_empty() {
            ordered.order();
            ordered.apply_all();
        }
    }

    /// Drops what is proposed and has no place yet.
    pub(super) fn drop_proposals(&self) {
        self.0.lock().proposed.clear();
    }

    /// How many proposals have no place yet.
    pub(super) fn proposals(&self) -> usize {
        self.0.lock().proposed.len()
    }

    /// Loses what it has placed after an offset, and begins an epoch. Each hub is told when it comes to that.
    pub(super) fn lose_after(&self, kept: Offset, epoch: &str) {
        let epoch = Epoch::new(epoch).expect("a name");
        self.0.lock().lose_after(kept, epoch);
    }

    /// The log's handle to a hub.
    pub(super) fn follower(&self, hub: usize) -> Follower {
        self.0.lock().members[hub].follower().clone()
    }

    /// The events that the log has, in order.
    pub(super) fn placed(&self) -> Vec<StoredEvent> {
        let ordered = self.0.lock();
        let placed = ordered.placed.iter();
        placed.map(|placed| placed.event.clone()).collect()
    }

    /// Their offsets.
    pub(super) fn offsets(&self) -> Vec<Offset> {
        self.placed().iter().map(|event| event.offset).collect()
    }

    /// The newest offset that has been lost.
    pub(super) fn lost_through(&self) -> Offset {
        self.0.lock().lost_through
    }

    /// Tells each hub how many subscribers the others have.
    pub(super) fn tell_subscribers(&self) {
        let followers: Vec<_> = {
            let ordered = self.0.lock();
            let members = ordered.members.iter();
            members.map(|member| member.follower().clone()).collect()
        };
        for (hub, follower) in followers.iter().enumerate() {
            let mut elsewhere = HashMap::new();
            let others = followers
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != hub);
            for (_, other) in others {
                for (matcher, count) in other.subscribers() {
                    *elsewhere.entry(matcher).or_default() += count;
                }
            }
            follower.set_subscribers_elsewhere(&elsewhere);
        }
    }
}

/// The log, as one hub sees it.
struct Membership {
    log: SimulatedLog,
    number: usize,
    room: Arc<Semaphore>,
    room_bytes: usize,
    is_closed: AtomicBool,
}

fn log_is_closed() -> Unavailable {
    Unavailable {
        reason: "the log has been closed".to_owned(),
        kind: UnavailableKind::Temporary,
        fate_unknown: false,
    }
}

impl AnyLog for Membership {
    fn health(&self) -> Result<(), Unavailable> {
        // The hub may ask while it is locked, so that no lock is taken here under which the log calls the hub.
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(log_is_closed());
        }
        Ok(())
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
        let mut ordered = self.log.0.lock();
        let (own, others) = std::mem::take(&mut ordered.proposed)
            .into_iter()
            .partition::<Vec<_>, _>(|proposed| proposed.0 == self.number);
        ordered.proposed = others.into();
        drop(ordered);
        for (_, proposal) in own {
            proposal.fail(log_is_closed());
        }
    }
}

impl SharedLog for Membership {
    fn open(&self, follower: Follower) {
        let mut ordered = self.log.0.lock();
        follower.begin(ordered.epochs.clone());
        ordered.members[self.number].follower = Some(follower);
    }

    fn room(&self) -> &Arc<Semaphore> {
        &self.room
    }

    fn room_bytes(&self) -> usize {
        self.room_bytes
    }

    fn propose(&self, proposal: Proposal) {
        if self.is_closed.load(Ordering::Relaxed) {
            return proposal.fail(log_is_closed());
        }
        let mut ordered = self.log.0.lock();
        ordered.proposed.push_back((self.number, proposal));
    }
}

/// One hub over a log that it could share.
impl Store for SimulatedLog {
    const STRIDE: u64 = 1 + HOLES;
    const IS_SHARED: bool = true;

    fn open(limits: Limits) -> (Hub, Self) {
        let log = Self::default();
        (log.join(limits), log)
    }

    fn settle(&self) {
        self.settle_all();
    }
}
