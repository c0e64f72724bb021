//! What publishers have asked for and were answered, and what the log must be like after that.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

/// The name of an event: its data begins with this number.
pub type Number = u64;

/// An event, as a publisher sent it. It may have been sent several times under a key or an id of its own.
struct Sent {
    topic: String,
    data: u64,
    own_id: Option<String>,
    /// The id that its topic's newest event has to have.
    follows: Option<String>,
    is_ephemeral: bool,
    fate: Fate,
    /// The newest number when it was answered.
    answered_at: Number,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    /// No answer says what became of it.
    Unknown,
    /// It is published, under this id if the answer has named it.
    Published(Option<String>),
    /// The answer says that it is not published.
    Refused,
}

/// One item of the log, or of what a reader has read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Content {
    Event(Number),
    /// The end of its topic.
    End,
}

/// An item with its topic, and the id that its reader got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub topic: String,
    pub id: String,
    pub content: Content,
}

#[derive(Default)]
pub struct Oracle {
    sent: BTreeMap<Number, Sent>,
    newest: Number,
    /// What each id names. An id of a publisher's own is only unique in its topic.
    named: HashMap<(String, String), Number>,
    /// The numbers of each streamed publish, in its order.
    streams: Vec<Vec<Number>>,
    /// Topics whose end was answered, or asked for.
    ended: BTreeSet<String>,
    maybe_ended: BTreeSet<String>,
    /// Kept events that were answered and that the log's reader has not seen.
    unseen: BTreeSet<Number>,
    /// The same the other way around, since a reader may be quicker than a publisher.
    seen: BTreeSet<Number>,
    pub answered: usize,
    pub repeated: usize,
    /// Whether a server that starts begins an epoch, though ids from before stay valid.
    pub has_epochs: bool,
}

fn hash(data: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    hasher.finish()
}

/// The number that an event's data begins with.
fn number_of(data: &str) -> Number {
    let number = data.split_whitespace().next();
    let number = number.and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no publisher has sent {data:?}"))
}

/// The epoch and the offset that an id of the log names. Nothing for a publisher's own id.
pub fn position(id: &str) -> Option<(&str, u64)> {
    let (epoch, offset) = id.strip_prefix('#')?.rsplit_once('-')?;
    Some((epoch, offset.parse().ok()?))
}

impl Oracle {
    /// Notes an event before it is sent. Its data begins with its number, and has this behind it.
    pub fn send(&mut self, topic: &str, rest: &str) -> (Number, String) {
        self.newest += 1;
        let number = self.newest;
        let data = format!("{number} {rest}");
        let sent = Sent {
            topic: topic.to_owned(),
            data: hash(&data),
            own_id: None,
            follows: None,
            is_ephemeral: false,
            fate: Fate::Unknown,
            answered_at: Number::MAX,
        };
        self.sent.insert(number, sent);
        (number, data)
    }

    fn sent(&mut self, number: Number) -> &mut Sent {
        let sent = self.sent.get_mut(&number);
        sent.unwrap_or_else(|| panic!("event {number} was never sent"))
    }

    pub fn has_own_id(&mut self, number: Number, id: &str) {
        self.sent(number).own_id = Some(id.to_owned());
    }

    pub fn follows(&mut self, number: Number, id: &str) {
        self.sent(number).follows = Some(id.to_owned());
    }

    pub fn is_ephemeral(&mut self, number: Number) {
        self.sent(number).is_ephemeral = true;
    }

    /// The events of one streamed publish, before it is answered.
    pub fn are_streamed(&mut self, numbers: Vec<Number>) {
        self.streams.push(numbers);
    }

    pub fn is_published(&mut self, number: Number, id: Option<&str>) {
        let newest = self.newest;
        if let Some(id) = id {
            self.names(number, id);
        }
        let sent = self.sent(number);
        assert_ne!(sent.fate, Fate::Refused, "event {number}");
        if let (Fate::Published(Some(first)), Some(id)) = (&sent.fate, id) {
            assert_eq!(first, id, "event {number} has two ids");
        }
        sent.fate = Fate::Published(id.map(str::to_owned));
        sent.answered_at = sent.answered_at.min(newest);
        let is_ephemeral = sent.is_ephemeral;
        self.answered += 1;
        if !is_ephemeral && !self.seen.contains(&number) {
            self.unseen.insert(number);
        }
    }

    pub fn is_refused(&mut self, number: Number) {
        let sent = self.sent(number);
        assert_eq!(sent.fate, Fate::Unknown, "event {number}");
        sent.fate = Fate::Refused;
    }

    pub fn may_have_ended(&mut self, topic: &str) {
        self.maybe_ended.insert(topic.to_owned());
    }

    pub fn has_ended(&mut self, topic: &str) {
        self.ended.insert(topic.to_owned());
    }

    /// The topics whose end was answered.
    pub fn ended(&self) -> Vec<String> {
        self.ended.iter().cloned().collect()
    }

    /// An id never names two events.
    fn names(&mut self, number: Number, id: &str) {
        let topic = match id.starts_with('#') {
            true => String::new(),
            false => self.sent(number).topic.clone(),
        };
        let named = self.named.entry((topic, id.to_owned())).or_insert(number);
        assert_eq!(*named, number, "{id} names two events");
    }

    /// Checks an event that a reader has got, and gives its number. Nothing for one that only some readers get.
    pub fn read(
        &mut self,
        topic: &str,
        id: &str,
        data: &str,
        sees_own_ids: bool,
    ) -> Option<Number> {
        let number = number_of(data);
        self.names(number, id);
        let sent = self.sent(number);
        assert_eq!(sent.topic, topic, "event {number}");
        assert_eq!(
            sent.data,
            hash(data),
            "event {number} is not whole: {data:?}"
        );
        assert_ne!(
            sent.fate,
            Fate::Refused,
            "event {number} was refused, and read"
        );
        if let Some(own_id) = sent.own_id.as_ref().filter(|_| sees_own_ids) {
            assert_eq!(own_id, id, "event {number}");
        } else {
            assert!(position(id).is_some(), "{id} is not an id of the log");
        }
        (!sent.is_ephemeral).then_some(number)
    }

    /// How many events of a topic were sent after this one, answered or not.
    pub fn count_sent_after(&self, topic: &str, number: Number) -> usize {
        let later = self.sent.range(number + 1..);
        later.filter(|(_, sent)| sent.topic == topic).count()
    }

    /// The log's reader has seen an event.
    pub fn is_seen(&mut self, number: Number) {
        assert!(self.seen.insert(number), "event {number} is there twice");
        self.unseen.remove(&number);
    }

    pub fn has_seen(&self, number: Number) -> bool {
        self.seen.contains(&number)
    }

    /// When the log's reader has seen this event: all that were answered before this one was sent are there.
    pub fn check_seen(&self, marker: Number) {
        let missing = self.unseen.iter().find(|number| {
            self.sent
                .get(number)
                .is_some_and(|sent| sent.answered_at < marker)
        });
        assert!(
            missing.is_none(),
            "event {missing:?} was answered, and the log does not have it; all missing: {:?}",
            self.unseen
        );
    }

    /// Checks the whole log, when nothing is published any more.
    pub fn check_log(&self, log: &[Item]) {
        let mut places: HashMap<Number, usize> = HashMap::new();
        let mut newest = None;
        for (place, item) in log.iter().enumerate() {
            let (epoch, offset) = position(&item.id).expect("an id of the log");
            if let Some((newest_epoch, newest)) = newest.replace((epoch, offset)) {
                assert!(
                    newest_epoch == epoch || self.has_epochs,
                    "the restart at {} lost ids",
                    item.id
                );
                assert!(newest < offset, "{} is out of order", item.id);
            }
            if let Content::Event(number) = item.content {
                let before = places.insert(number, place);
                assert_eq!(before, None, "event {number} is there twice");
            }
        }
        for (number, sent) in &self.sent {
            match &sent.fate {
                _ if sent.is_ephemeral => assert!(!places.contains_key(number)),
                Fate::Published(id) => {
                    let place = places.get(number).copied();
                    let place = place.unwrap_or_else(|| {
                        panic!("event {number} was answered, and the log does not have it")
                    });
                    if sent.own_id.is_none() && id.is_some() {
                        assert_eq!(id.as_ref(), Some(&log[place].id), "event {number}");
                    }
                }
                Fate::Refused => assert!(!places.contains_key(number), "event {number}"),
                Fate::Unknown => {}
            }
        }
        self.check_order(log);
        self.check_streams(&places);
        self.check_chains(log);
        self.check_ends(log);
    }

    /// An event that was published with `If-Match` follows the one that it names: no chain has a fork.
    fn check_chains(&self, log: &[Item]) {
        let mut newest: HashMap<&str, &str> = HashMap::new();
        for item in log {
            let before = newest.insert(&item.topic, &item.id);
            if let Content::Event(number) = item.content
                && let Some(expected) = &self.sent[&number].follows
            {
                assert_eq!(
                    before,
                    Some(expected.as_str()),
                    "event {number} of {}",
                    item.topic
                );
            }
        }
    }

    /// An event that was answered before another was sent is before it in the log.
    fn check_order(&self, log: &[Item]) {
        let mut earliest_answer = Number::MAX;
        for item in log.iter().rev() {
            let Content::Event(number) = item.content else {
                continue;
            };
            assert!(
                earliest_answer >= number,
                "an event that was answered before event {number} was sent comes after it"
            );
            earliest_answer = earliest_answer.min(self.sent[&number].answered_at);
        }
    }

    /// Of each stream, the log has the first events without a hole, in their order.
    fn check_streams(&self, places: &HashMap<Number, usize>) {
        for stream in &self.streams {
            let found: Vec<_> = stream
                .iter()
                .map_while(|number| places.get(number))
                .collect();
            assert!(found.is_sorted(), "a stream from event {} on", stream[0]);
            let later = &stream[found.len()..];
            let hole = later.iter().find(|number| places.contains_key(number));
            assert!(
                hole.is_none(),
                "the log has event {hole:?} of a stream, and not {}",
                later[0]
            );
        }
    }

    /// Topics that were ended have one end, and nothing behind it. No other topic has one.
    fn check_ends(&self, log: &[Item]) {
        let mut ends: BTreeSet<&str> = BTreeSet::new();
        for item in log {
            let topic = item.topic.as_str();
            assert!(!ends.contains(topic), "{topic} goes on after its end");
            if item.content == Content::End {
                assert!(self.maybe_ended.contains(topic), "{topic} was never ended");
                ends.insert(topic);
            }
        }
        for topic in &self.ended {
            assert!(ends.contains(topic.as_str()), "{topic} has lost its end");
        }
    }

    /// What a reader has read of some topics, without a gap, is a stretch of the log: nothing is missing, and nothing is
    /// there twice.
    pub fn check_reader(
        &self,
        name: &str,
        read: &[Item],
        log: &[Item],
        topics: impl Fn(&str) -> bool,
    ) {
        let Some(first) = read.first() else {
            return;
        };
        let is_same = |a: &Item, b: &Item| a.topic == b.topic && a.content == b.content;
        let own = log.iter().filter(|item| topics(&item.topic));
        let own: Vec<_> = own.skip_while(|item| !is_same(item, first)).collect();
        for (place, item) in read.iter().enumerate() {
            let expected = own.get(place);
            assert!(
                expected.is_some_and(|expected| is_same(expected, item)),
                "{name} got {item:?} where the log has {expected:?}, as number {place} after {first:?}"
            );
        }
    }
}
