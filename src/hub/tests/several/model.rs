//! Two hubs over one log against a plain list: what the log has placed, and what has been acknowledged. Publishers and
//! readers use either hub, each hub lags as it likes, and the log drops proposals and loses events.
//!
//! An observer at each hub reads everything as soon as that hub has applied it. What it has seen is what that hub owes its
//! readers.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::hub::entry::StoredEvent;
use crate::hub::visibility::Visibility;

const TOPICS: [&str; 3] = ["a", "b", "c"];
const OWN_IDS: [&str; 3] = ["x", "y", "z"];
const KEYS: [&str; 2] = ["k", "l"];
const HUBS: usize = 2;

type Checked<T = ()> = Result<T, TestCaseError>;

#[derive(Debug, Clone)]
enum Action {
    Publish(Request),
    End {
        hub: usize,
        topic: usize,
    },
    /// The log gives places.
    Order,
    Apply {
        hub: usize,
        count: usize,
    },
    Settle,
    DropProposals,
    /// The log loses the newest events that it has placed.
    Lose {
        count: usize,
    },
    Subscribe {
        hub: usize,
        topics: Vec<usize>,
        with_private: bool,
        skips: bool,
        is_from_start: bool,
    },
    Read {
        client: usize,
        bytes: usize,
    },
    /// A client leaves its hub, if it is at one, and goes on at this one.
    Move {
        client: usize,
        hub: usize,
    },
}

#[derive(Debug, Clone)]
struct Request {
    hub: usize,
    topic: usize,
    also_in: Option<usize>,
    own_id: Option<usize>,
    is_private: bool,
    is_kept: bool,
    condition: Option<Condition>,
    /// A key, and whether the request is one that was made under it before.
    key: Option<(usize, bool)>,
}

/// What the publisher says of the topic's newest event.
#[derive(Debug, Clone)]
struct Condition {
    with_private: bool,
    /// Where the publisher has read which event is the newest; any will do otherwise.
    shown_by: Option<usize>,
    by_log_id: bool,
}

fn action() -> impl Strategy<Value = Action> {
    let hub = 0..HUBS;
    let topics = prop::sample::subsequence(vec![0, 1, 2], 1..=3);
    prop_oneof![
        24 => request().prop_map(Action::Publish),
        2 => (hub.clone(), 0..3_usize).prop_map(|(hub, topic)| Action::End { hub, topic }),
        10 => Just(Action::Order),
        14 => (hub.clone(), 1..4_usize).prop_map(|(hub, count)| Action::Apply { hub, count }),
        4 => Just(Action::Settle),
        1 => Just(Action::DropProposals),
        1 => (0..4_usize).prop_map(|count| Action::Lose { count }),
        6 => (hub.clone(), topics, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(hub, topics, with_private, skips, is_from_start)| {
                Action::Subscribe { hub, topics, with_private, skips, is_from_start }
            },
        ),
        16 => (0..4_usize, prop::sample::select(vec![1, 60, 10_000]))
            .prop_map(|(client, bytes)| Action::Read { client, bytes }),
        10 => (0..4_usize, hub).prop_map(|(client, hub)| Action::Move { client, hub }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let condition = (
        any::<bool>(),
        prop::option::weighted(0.8, 0..HUBS),
        any::<bool>(),
    )
        .prop_map(|(with_private, shown_by, by_log_id)| Condition {
            with_private,
            shown_by,
            by_log_id,
        });
    let event = (
        prop::option::weighted(0.2, 0..3_usize),
        prop::option::weighted(0.25, 0..OWN_IDS.len()),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.8),
    );
    let conditions = (
        prop::option::weighted(0.3, condition),
        prop::option::weighted(0.25, (0..KEYS.len(), prop::bool::weighted(0.8))),
    );
    (0..HUBS, 0..3_usize, event, conditions).prop_map(
        |(hub, topic, (also_in, own_id, is_private, is_kept), (condition, key))| Request {
            hub,
            topic,
            also_in,
            own_id,
            is_private,
            is_kept,
            condition,
            key,
        },
    )
}

/// A request that has not been answered.
struct Asked {
    hub: usize,
    topic: Topic,
    publication: PublishRequest,
    conditions: Preconditions,
    answer: Pending<'static, Receipt>,
}

/// Reads everything at one hub.
struct Observer {
    reader: Subscriber,
    seen: Vec<Arc<Entry>>,
    /// The log has said that events up to here may be missing.
    excused: Offset,
}

/// A client that reads, now at one hub, now at another.
struct Client {
    topics: Vec<Topic>,
    with_private: bool,
    policy: LagPolicy,
    /// Where it reads, and the newest offset of that hub when it came.
    at: Option<(usize, Subscriber, Offset)>,
    last_id: EventId,
    /// The newest event that it has got.
    delivered: Offset,
    /// Up to here it has got what it may see.
    checked: Offset,
    /// It has been told that events up to here may be missing.
    excused: Offset,
    /// The topics whose end it has got.
    ended: Vec<Topic>,
}

struct World {
    log: SimulatedLog,
    hubs: [Hub; HUBS],
    observers: [Observer; HUBS],
    clients: Vec<Client>,
    asked: Vec<Asked>,
    ends: Vec<(Topic, Pending<'static, Result<(), EndError>>)>,
    /// What has been acknowledged, and the event's data.
    acknowledged: Vec<(PublishReceipt, String)>,
    /// What has been published under each key.
    under_keys: HashMap<(usize, usize), Vec<PublishRequest>>,
    /// The ids of the first answers.
    firsts: HashMap<(Topic, String), EventId>,
    /// The event of each of the log's ids.
    events_by_id: HashMap<EventId, String>,
    ended: Vec<Topic>,
    losses: usize,
    has_dropped: bool,
    is_bounded: bool,
    requests: usize,
}

fn topics_of(event: &StoredEvent) -> impl Iterator<Item = &Topic> {
    std::iter::once(&event.topic).chain(&event.publication.also_in)
}

impl Client {
    fn may_see(&self, entry: &Entry) -> bool {
        entry.topics().any(|topic| self.topics.contains(topic))
            && (self.with_private || !entry.is_private)
    }

    /// Whether it has to be sent an event of a hub that it reads at.
    fn is_owed(&self, entry: &Entry, since: Offset) -> bool {
        let goes_on = entry
            .topics()
            .any(|topic| self.topics.contains(topic) && !self.ended.contains(topic));
        self.may_see(entry)
            && goes_on
            && entry.offset > self.checked.max(self.excused)
            && (!entry.is_ephemeral || entry.offset > since)
    }

    /// It has been sent everything up to an offset.
    fn check_through(&mut self, observer: &Observer, since: Offset, through: Offset) -> Checked {
        let missing = observer
            .seen
            .iter()
            .find(|entry| entry.offset <= through && self.is_owed(entry, since));
        prop_assert!(
            missing.is_none(),
            "{:?} is missing without a gap",
            missing.map(|entry| (entry.offset, entry.event.clone()))
        );
        self.checked = self.checked.max(through);
        Ok(())
    }
}

impl World {
    fn new(holes: u64, is_bounded: bool) -> Self {
        let log = SimulatedLog::new(holes, 1 << 20);
        let defaults = Limits::default();
        let hubs = log.join_all(Limits {
            events: if is_bounded { 4 } else { defaults.events },
            ..defaults
        });
        let observers = hubs.each_ref().map(|hub| {
            let mut subscription = of_pattern("*", Start::Now);
            subscription.slow_reader = LagPolicy::Skip;
            subscription.patterns[0].visibility = Visibility::Private;
            Observer {
                reader: hub.subscribe(&subscription).expect("a subscriber"),
                seen: Vec::new(),
                excused: Offset::START,
            }
        });
        Self {
            log,
            hubs,
            observers,
            clients: Vec::new(),
            asked: Vec::new(),
            ends: Vec::new(),
            acknowledged: Vec::new(),
            under_keys: HashMap::new(),
            firsts: HashMap::new(),
            events_by_id: HashMap::new(),
            ended: Vec::new(),
            losses: 0,
            has_dropped: false,
            is_bounded,
            requests: 0,
        }
    }

    fn act(&mut self, action: Action) -> Checked {
        match action {
            Action::Publish(request) => self.publish(&request),
            Action::End { hub, topic } => {
                let topic = super::topic(TOPICS[topic]);
                let (hub, of) = (self.hubs[hub].clone(), topic.clone());
                self.ended.push(topic.clone());
                let answer = Box::pin(async move { hub.end(&of).await });
                self.ends.push((topic, answer));
            }
            Action::Order => self.log.order(),
            Action::Apply { hub, count } => {
                self.log.apply(hub, count);
            }
            Action::Settle => self.settle()?,
            Action::DropProposals => {
                self.has_dropped = true;
                self.log.drop_proposals();
            }
            Action::Lose { count } => {
                self.losses += 1;
                let offsets = self.log.offsets();
                let kept = offsets.iter().rev().nth(count).copied();
                let epoch = format!("epoch{}", self.losses);
                self.log.lose_after(kept.unwrap_or_default(), &epoch);
            }
            Action::Subscribe {
                hub,
                topics,
                with_private,
                skips,
                is_from_start,
            } => self.subscribe(hub, &topics, with_private, skips, is_from_start)?,
            Action::Read { client, bytes } => self.read(client, bytes)?,
            Action::Move { client, hub } => self.move_to(client, hub)?,
        }
        self.observe()?;
        self.take_answers()
    }

    /// Everything is ordered and applied. The observers read at once, so that they miss nothing but what is lost.
    fn settle(&mut self) -> Checked {
        loop {
            for hub in 0..HUBS {
                while self.log.apply(hub, usize::MAX) {
                    self.observe()?;
                }
            }
            if self.log.proposals() == 0 {
                return Ok(());
            }
            self.log.order();
        }
    }

    fn publish(&mut self, request: &Request) {
        self.requests += 1;
        let mut publication = PublishRequest {
            id: request
                .own_id
                .map(|number| EventId::new(OWN_IDS[number]).expect("an id")),
            is_private: request.is_private,
            is_ephemeral: !request.is_kept,
            also_in: Vec::from_iter(request.also_in.map(|number| topic(TOPICS[number]))),
            // No two requests have the same data but those that repeat one.
            ..text(&format!("event {}", self.requests))
        };
        let mut conditions = Preconditions::default();
        if let Some((key, is_repeat)) = request.key {
            let used = self.under_keys.entry((request.topic, key)).or_default();
            if let Some(first) = used.first()
                && is_repeat
            {
                publication = first.clone();
            }
            used.push(publication.clone());
            conditions = keyed(KEYS[key]);
        }
        let topic = topic(TOPICS[request.topic]);
        conditions.newest = request.condition.as_ref().map(|condition| {
            let shown_by = condition.shown_by.map(|hub| {
                let shown = HistoryQuery {
                    count: 1,
                    with_private: condition.with_private,
                    ..page()
                };
                let hub = &self.hubs[hub];
                let newest = hub.snapshot(&topic, &shown).events.pop();
                Vec::from_iter(newest.map(|newest| {
                    if condition.by_log_id {
                        hub.id(newest.offset)
                    } else {
                        newest.event.id.clone()
                    }
                }))
            });
            ExpectedNewest {
                with_private: condition.with_private,
                one_of: shown_by,
            }
        });
        let hub = self.hubs[request.hub].clone();
        let (of, what, on) = (topic.clone(), publication.clone(), conditions.clone());
        self.asked.push(Asked {
            hub: request.hub,
            topic,
            publication,
            conditions,
            answer: Box::pin(async move { hub.publish(&of, what, on).await }),
        });
    }

    fn subscribe(
        &mut self,
        hub: usize,
        topics: &[usize],
        with_private: bool,
        skips: bool,
        is_from_start: bool,
    ) -> Checked {
        let start = if is_from_start {
            Start::Earliest
        } else {
            Start::Now
        };
        let mut client = Client {
            topics: topics.iter().map(|number| topic(TOPICS[*number])).collect(),
            with_private,
            policy: if skips {
                LagPolicy::Skip
            } else {
                LagPolicy::Disconnect
            },
            at: None,
            last_id: self.hubs[hub].id(Offset::START),
            delivered: Offset::START,
            checked: Offset::START,
            excused: Offset::START,
            ended: Vec::new(),
        };
        let since = self.hubs[hub].committed();
        let subscription = subscription_of(&client, start.clone());
        let Ok(subscriber) = self.hubs[hub].subscribe(&subscription) else {
            return self.check_ended(&client);
        };
        client.last_id = subscriber.position();
        let position = self.hubs[hub].offset(&client.last_id);
        let position = position.ok_or_else(|| TestCaseError::fail("a position nowhere"))?;
        if start == Start::Now {
            prop_assert_eq!(position, since);
        } else if !self.may_miss() {
            prop_assert_eq!(position, Offset::START);
        }
        client.delivered = position;
        client.checked = position;
        client.ended = self.ended_before(hub, &client.topics, position);
        // What is gone when a client comes that has asked for no event in particular is not missing.
        let topics = client.topics.iter();
        let evicted = topics.map(|topic| self.evicted_through(hub, topic));
        client.excused = evicted.max().unwrap_or_default();
        client.at = Some((hub, subscriber, since));
        self.clients.push(client);
        if self.clients.len() > 4 {
            self.clients.remove(0);
        }
        Ok(())
    }

    fn evicted_through(&self, hub: usize, topic: &Topic) -> Offset {
        let state = self.hubs[hub].0.state.lock();
        let channel = state.topics.get(topic);
        channel.map_or(Offset::START, |channel| {
            channel.log().history.evicted_through()
        })
    }

    /// Whether events that have been published may be missing at a hub.
    fn may_miss(&self) -> bool {
        self.losses > 0 || self.is_bounded
    }

    /// A client whose subscription is refused has topics that have ended.
    fn check_ended(&self, client: &Client) -> Checked {
        let has_ended = |topic| self.ended.contains(topic);
        prop_assert!(client.topics.iter().all(has_ended), "no topic goes on");
        Ok(())
    }

    fn read(&mut self, number: usize, bytes: usize) -> Checked {
        let may_miss = self.may_miss();
        let Some(client) = self.clients.get_mut(number) else {
            return Ok(());
        };
        let Some((hub, mut subscriber, since)) = client.at.take() else {
            return Ok(());
        };
        let observer = &self.observers[hub];
        let is_ready = subscriber.is_ready();
        let read = subscriber.read(bytes);
        prop_assert!(is_ready || matches!(read, ReadOutcome::Nothing));
        match read {
            ReadOutcome::Batch(batch) => {
                for entry in batch.entries() {
                    prop_assert!(
                        entry.offset > client.delivered,
                        "{:?} came twice",
                        entry.offset
                    );
                    prop_assert!(client.may_see(entry));
                    client.check_through(observer, since, entry.offset.previous())?;
                    client.delivered = entry.offset;
                    client.checked = client.checked.max(entry.offset);
                    client.last_id = subscriber.id_of(entry);
                    if entry.is_end {
                        client.ended.push(entry.topic.clone());
                    }
                }
            }
            ReadOutcome::Nothing => {
                client.check_through(observer, since, self.hubs[hub].committed())?;
            }
            ReadOutcome::Gap(gap) => {
                prop_assert!(may_miss, "nothing can be missing");
                prop_assert_eq!(client.policy, LagPolicy::Skip);
                // An id from before the first event belongs to whichever epoch is the first now.
                let is_known = self.hubs[hub].offset(&client.last_id).is_some();
                prop_assert!(!is_known || gap.requested == client.last_id);
                let end = self.hubs[hub].offset(&gap.resumed_from);
                let end = end.ok_or_else(|| TestCaseError::fail("a gap that ends nowhere"))?;
                client.excused = client.excused.max(end);
                client.last_id = gap.resumed_from;
            }
            ReadOutcome::TooSlow => {
                prop_assert!(may_miss, "nothing can be missing");
                prop_assert_eq!(client.policy, LagPolicy::Disconnect);
                return Ok(());
            }
            ReadOutcome::End => {
                client.check_through(observer, since, self.hubs[hub].committed())?;
                let client = self.clients.remove(number);
                return self.check_ended(&client);
            }
        }
        client.at = Some((hub, subscriber, since));
        Ok(())
    }

    fn move_to(&mut self, number: usize, hub: usize) -> Checked {
        if number >= self.clients.len() {
            return Ok(());
        }
        let mut client = self.clients.remove(number);
        client.at = None;
        let is_log_id = client.last_id.as_str().starts_with('#');
        if !is_log_id && self.uses_of(&client.last_id) > 1 {
            // Its publisher has used the id again, so that it stands for another event now.
            return Ok(());
        }
        let since = self.hubs[hub].committed();
        let subscription = subscription_of(&client, Start::After(client.last_id.clone()));
        let Ok(mut subscriber) = self.hubs[hub].subscribe(&subscription) else {
            return self.check_ended(&client);
        };
        let asked_for = self.hubs[hub].offset(&client.last_id);
        if let Some(gap) = subscriber.take_gap() {
            prop_assert!(self.may_miss() || !is_log_id, "nothing is missing");
            prop_assert_eq!(&gap.requested, &client.last_id);
            prop_assert_eq!(&gap.resumed_from, &subscriber.position());
            let end = self.hubs[hub].offset(&gap.resumed_from);
            let end = end.ok_or_else(|| TestCaseError::fail("a gap that ends nowhere"))?;
            client.excused = client.excused.max(end);
            if self.hubs[hub].offset(&client.last_id).is_none() {
                // It begins again with what is kept.
                client.delivered = Offset::START;
                client.checked = Offset::START;
            }
            client.last_id = gap.resumed_from;
        } else {
            prop_assert_eq!(subscriber.position(), client.last_id.clone());
        }
        let position = asked_for.unwrap_or_default().max(client.delivered);
        client.ended = self.ended_before(hub, &client.topics, position);
        client.at = Some((hub, subscriber, since));
        self.clients.insert(number, client);
        Ok(())
    }

    /// The topics whose end, as a hub knows it now, a reader at an offset has got: it does not wait for more of them, although
    /// the hub may be told later that the end is lost.
    fn ended_before(&self, hub: usize, topics: &[Topic], position: Offset) -> Vec<Topic> {
        let has_ended = |topic: &&Topic| {
            let shown = snapshot(&self.hubs[hub], topic.as_str());
            let newest = shown.events.last();
            shown.has_ended && newest.is_none_or(|newest| newest.offset <= position)
        };
        topics.iter().filter(has_ended).cloned().collect()
    }

    /// How many events have had an id of their publishers'.
    fn uses_of(&self, id: &EventId) -> usize {
        let seen = self.observers.iter().flat_map(|observer| &observer.seen);
        let of_id = seen.filter(|entry| entry.event.id == *id);
        let mut offsets: Vec<_> = of_id.map(|entry| entry.offset).collect();
        offsets.sort();
        offsets.dedup();
        offsets.len()
    }

    /// The observers read what their hubs have applied.
    fn observe(&mut self) -> Checked {
        let placed = self.log.placed();
        for (hub, observer) in self.hubs.iter().zip(&mut self.observers) {
            loop {
                match observer.reader.read(usize::MAX) {
                    ReadOutcome::Batch(batch) => {
                        for entry in batch.entries() {
                            let last = observer.seen.last();
                            prop_assert!(last.is_none_or(|last| last.offset < entry.offset));
                            let id = hub.id(entry.offset);
                            prop_assert!(entry.has_own_id || entry.event.id == id);
                            let data = entry.event.data.clone();
                            let known = self.events_by_id.entry(id).or_insert(data);
                            prop_assert_eq!(&*known, &entry.event.data, "an id of two events");
                            observer.seen.push(Arc::clone(entry));
                        }
                    }
                    ReadOutcome::Gap(gap) => {
                        prop_assert!(self.losses > 0, "nothing has been lost");
                        let end = hub.offset(&gap.resumed_from);
                        observer.excused = observer.excused.max(end.unwrap_or_default());
                    }
                    ReadOutcome::Nothing => break,
                    other => prop_assert!(false, "expected events, got {other:?}"),
                }
            }
            let committed = hub.committed();
            let applied = placed.iter().filter(|event| event.offset <= committed);
            for event in applied.filter(|event| event.offset > observer.excused) {
                let is_seen = |entry: &Arc<Entry>| entry.offset == event.offset;
                prop_assert!(observer.seen.iter().any(is_seen), "{event:?} is missing");
            }
        }
        Ok(())
    }

    fn take_answers(&mut self) -> Checked {
        let mut open = Vec::new();
        for mut asked in std::mem::take(&mut self.asked) {
            match asked.answer.as_mut().now_or_never() {
                Some(Ok(receipt)) => self.accept(&asked, receipt)?,
                Some(Err(error)) => self.check_refusal(&asked, &error)?,
                None => open.push(asked),
            }
        }
        self.asked = open;
        let mut open = Vec::new();
        for (topic, mut answer) in std::mem::take(&mut self.ends) {
            match answer.as_mut().now_or_never() {
                Some(Err(EndError::Unavailable(failure))) => {
                    prop_assert!(failure.fate_unknown && (self.has_dropped || self.losses > 0));
                }
                Some(_) => {}
                None => open.push((topic, answer)),
            }
        }
        self.ends = open;
        Ok(())
    }

    fn accept(&mut self, asked: &Asked, receipt: PublishReceipt) -> Checked {
        prop_assert_eq!(&receipt.topic, &asked.topic);
        // After a loss, the hubs that had applied the event still know its key, and the others do not.
        if let Some(key) = &asked.conditions.idempotency
            && self.losses == 0
        {
            let of_key = (asked.topic.clone(), key.key.clone());
            let first = self.firsts.entry(of_key);
            let first = first.or_insert_with(|| receipt.id.clone());
            prop_assert_eq!(&*first, &receipt.id, "the first answer");
        }
        let data = &asked.publication.data;
        if !receipt.is_repeat {
            let seen = &self.observers[asked.hub].seen;
            let is_it =
                |entry: &&Arc<Entry>| entry.event.data == *data && entry.event.id == receipt.id;
            prop_assert!(
                self.losses > 0 || seen.iter().any(|entry| is_it(&entry)),
                "its own hub does not show it"
            );
            self.check_condition(asked)?;
        }
        self.acknowledged.push((receipt, data.clone()));
        Ok(())
    }

    /// What the publisher took for the newest event was the newest in the log's order.
    fn check_condition(&self, asked: &Asked) -> Checked {
        let placed = self.log.placed();
        let lost_through = self.log.lost_through();
        let is_it = |event: &StoredEvent| event.publication.data == asked.publication.data;
        let (Some(expected), Some(place)) =
            (&asked.conditions.newest, placed.iter().position(is_it))
        else {
            return Ok(());
        };
        if placed[place].offset <= lost_through {
            return Ok(());
        }
        let newest = placed[..place].iter().rfind(|event| {
            topics_of(event).any(|topic| *topic == asked.topic)
                && !event.publication.is_ephemeral
                && (expected.with_private || !event.publication.is_private)
                && event.offset > lost_through
        });
        let Some(newest) = newest else {
            return Err(TestCaseError::fail("there was no event before it"));
        };
        let log_id = self.hubs[asked.hub].id(newest.offset);
        let ids = [newest.publication.id.clone(), Some(log_id)];
        let is_expected =
            |one_of: &Vec<EventId>| ids.iter().flatten().any(|id| one_of.contains(id));
        prop_assert!(expected.one_of.as_ref().is_none_or(is_expected));
        Ok(())
    }

    fn check_refusal(&self, asked: &Asked, error: &PublishError) -> Checked {
        let is_fair = match error {
            PublishError::Ended => {
                let also_in = &asked.publication.also_in;
                let mut topics = std::iter::once(&asked.topic).chain(also_in);
                topics.any(|topic| self.ended.contains(topic))
            }
            PublishError::Moved(_) => asked.conditions.newest.is_some(),
            PublishError::DuplicateId(id) => {
                asked.publication.id.as_ref() == Some(id) && self.requests > 1
            }
            PublishError::KeyReused => {
                let mut used = self.under_keys.values().flatten();
                let is_other = |other: &PublishRequest| *other != asked.publication;
                asked.conditions.idempotency.is_some() && used.any(is_other)
            }
            PublishError::Unavailable(failure) => {
                failure.fate_unknown && (self.has_dropped || self.losses > 0)
            }
            PublishError::TooManyKeys(_)
            | PublishError::TooManyTopics
            | PublishError::TooLarge(_) => false,
        };
        prop_assert!(is_fair, "{error} was no answer to {:?}", asked.publication);
        Ok(())
    }

    /// Everything is ordered and applied.
    fn finish(&mut self) -> Checked {
        self.settle()?;
        self.take_answers()?;
        prop_assert!(self.asked.is_empty() && self.ends.is_empty(), "no answer");
        let placed = self.log.placed();
        let lost_through = self.log.lost_through();
        let is_left = |offset: Offset| offset > lost_through;
        let left: Vec<_> = placed
            .iter()
            .filter(|event| is_left(event.offset))
            .collect();
        for observer in &self.observers {
            let seen = observer.seen.iter().filter(|entry| is_left(entry.offset));
            let seen = seen.map(|entry| (entry.offset, entry.event.data.as_str()));
            let expected = left
                .iter()
                .map(|event| (event.offset, event.publication.data.as_str()));
            prop_assert!(seen.eq(expected), "each hub has the list");
        }
        for (receipt, data) in &self.acknowledged {
            let of_data = placed
                .iter()
                .filter(|event| event.publication.data == *data);
            let count = of_data.count();
            prop_assert!(count <= 1, "{data} was published twice");
            prop_assert!(count == 1 || self.losses > 0, "{receipt:?} is nowhere");
        }
        self.check_topics(&left)?;
        for name in TOPICS {
            let [first, second] = self.hubs.each_ref().map(|hub| snapshot(hub, name));
            let ids = |snapshot: &Snapshot| -> Vec<_> {
                let events = snapshot.events.iter();
                events.map(|entry| entry.event.id.clone()).collect()
            };
            prop_assert_eq!(ids(&first), ids(&second));
            prop_assert_eq!(first.has_ended, second.has_ended);
            prop_assert_eq!(first.last_event_id, second.last_event_id);
        }
        for number in (0..self.clients.len()).rev() {
            self.read_all(number)?;
        }
        Ok(())
    }

    /// What is left of each topic stops with its end, and no two events of it have one own id.
    fn check_topics(&self, left: &[&StoredEvent]) -> Checked {
        for name in TOPICS.map(topic) {
            let of_topic = left
                .iter()
                .filter(|event| topics_of(event).any(|topic| *topic == name));
            let of_topic: Vec<_> = of_topic.collect();
            let end = of_topic.iter().position(|event| event.is_end);
            prop_assert!(end.is_none_or(|end| end + 1 == of_topic.len()));
            if self.is_bounded {
                continue;
            }
            let kept = of_topic
                .iter()
                .filter(|event| !event.publication.is_ephemeral);
            let ids = kept.filter_map(|event| event.publication.id.as_ref());
            let mut ids: Vec<_> = ids.map(EventId::as_str).collect();
            let count = ids.len();
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(ids.len(), count, "an own id of two events");
        }
        Ok(())
    }

    /// A client reads until there is nothing left.
    fn read_all(&mut self, number: usize) -> Checked {
        let count = self.clients.len();
        while self.clients.len() == count
            && let Some((_, subscriber, _)) = &self.clients[number].at
            && subscriber.is_ready()
        {
            self.read(number, 1)?;
        }
        if self.clients.len() == count {
            self.read(number, 1)?;
        }
        Ok(())
    }
}

fn subscription_of(client: &Client, start: Start) -> Subscription {
    let topics = client.topics.iter().map(|topic| WantedTopic {
        topic: topic.clone(),
        with_private: client.with_private,
    });
    Subscription {
        topics: topics.collect(),
        patterns: Vec::new(),
        start,
        slow_reader: client.policy,
    }
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn two_hubs_over_one_log_have_one_list_of_what_was_acknowledged(
        holes in 0..3_u64,
        is_bounded in prop::bool::weighted(0.3),
        actions in prop::collection::vec(action(), 1..80),
    ) {
        let mut world = World::new(holes, is_bounded);
        for action in actions {
            world.act(action)?;
        }
        world.finish()?;
    }
}
