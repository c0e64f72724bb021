//! Publishers that go on through every death of the server, each in its own way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::connection::{Answer, Connection};
use crate::oracle::{Number, Oracle};
use crate::readers::{World, address};

pub const PLAIN: &str = "load/plain";
pub const KEYED: &str = "load/keyed";
pub const OWN_IDS: &str = "load/own-ids";
pub const STREAMED: &str = "load/streamed";
/// Two publishers compete for the next event of this topic.
pub const RACE: &str = "load/race";
/// One publisher has this topic for itself.
pub const CHAIN: &str = "load/chain";
pub const MARKERS: &str = "load/markers";
/// Topics that begin with this are ended.
pub const ENDING: &str = "load/ending/";

/// How many events of a topic the server has in memory. A reader that is further behind needs the disk.
pub const HISTORY_EVENTS: usize = 20;

/// The server remembers 50,000 keys of one publisher.
const MAX_KEYS: usize = 40_000;

/// What an answer says of an event that the log may have.
pub const MAY_BE_PUBLISHED: &str = "may have been published all the same";

/// What a publisher does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Events that are sent once.
    Plain,
    /// Events that are not kept, now and then, among plain ones.
    Ephemeral,
    /// Events that are repeated under their key until they are answered.
    Keyed,
    /// Events that are repeated under their own id until they are answered.
    OwnIds,
    /// Streams of lines.
    Streamed,
    /// Each event names the one before it, in `If-Match` and in its data. Others do the same in this topic.
    Race,
    /// The same in a topic without other publishers.
    Chain,
    /// Topics with some events and an end.
    Ending,
}

/// A publisher.
pub struct Publisher {
    oracle: Arc<Mutex<Oracle>>,
    world: watch::Receiver<World>,
    random: Rng,
    /// Whether the log keeps everything. Otherwise it forgets keys with their events.
    keeps_all: bool,
    connection: Option<Connection>,
    /// Whether it has been told to come back later.
    is_told_to_wait: bool,
}

/// What a server says about one event.
enum Outcome {
    Answered(Answer),
    /// The connection broke off.
    Unanswered,
    /// The server is stopping, or its log cannot take events, and it has not published it.
    Refused,
}

impl Publisher {
    pub fn new(
        oracle: &Arc<Mutex<Oracle>>,
        world: watch::Receiver<World>,
        random: Rng,
        keeps_all: bool,
    ) -> Self {
        Self {
            keeps_all,
            oracle: Arc::clone(oracle),
            world,
            random,
            connection: None,
            is_told_to_wait: false,
        }
    }

    /// Publishes until the load is over.
    pub async fn run(mut self, way: Way) {
        let mut first_answers = Vec::new();
        let mut newest = None;
        let mut keys = 0;
        while !self.is_over() {
            match way {
                Way::Plain => self.plain(PLAIN).await,
                Way::Ephemeral => match self.random.u8(..4) {
                    0 => self.ephemeral(PLAIN).await,
                    _ => self.plain(PLAIN).await,
                },
                Way::Keyed if keys < MAX_KEYS => {
                    keys += 1;
                    self.keyed(&mut first_answers).await;
                }
                Way::Keyed => sleep(Duration::from_millis(100)).await,
                Way::OwnIds => self.own_id().await,
                Way::Streamed => self.streamed().await,
                Way::Race => self.chain(RACE, &mut newest).await,
                Way::Chain => self.chain(CHAIN, &mut newest).await,
                Way::Ending => self.ending().await,
            }
            if self.has_several_servers() && self.random.u8(..16) == 0 {
                // On to any server, as behind a load balancer.
                self.connection = None;
            }
            if self.random.u8(..8) == 0 {
                sleep(Duration::from_millis(self.random.u64(..20))).await;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.world.borrow().is_over
    }

    fn oracle(&self) -> MutexGuard<'_, Oracle> {
        self.oracle.lock()
    }

    /// What stands behind an event's number.
    fn rest(&mut self) -> String {
        let length = match self.random.u8(..40) {
            0 => 20_000,
            _ => self.random.usize(..800),
        };
        let letter = self.random.lowercase();
        let mut rest: String = std::iter::repeat_n(letter, length).collect();
        if self.random.u8(..8) == 0 {
            rest += "\nnext line: ü\n";
            rest.push(letter);
        }
        rest
    }

    async fn connection(&mut self) -> &mut Connection {
        if std::mem::take(&mut self.is_told_to_wait) {
            // Not for as long as it is told: it is to hit the moment in which the server begins to take events again.
            sleep(Duration::from_millis(self.random.u64(5..40))).await;
        }
        while self.connection.is_none() {
            let address = address(&mut self.world, None, &mut self.random).await;
            match Connection::open(address).await {
                Ok(connection) => self.connection = Some(connection),
                Err(_) => sleep(Duration::from_millis(2)).await,
            }
        }
        self.connection.as_mut().expect("a connection")
    }

    async fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[&str],
        body: &str,
    ) -> Outcome {
        let connection = self.connection().await;
        let answer = connection
            .request(method, target, headers, body.as_bytes())
            .await;
        self.outcome(answer)
    }

    fn outcome(&mut self, answer: io::Result<Answer>) -> Outcome {
        let Ok(answer) = answer else {
            self.connection = None;
            return Outcome::Unanswered;
        };
        if answer.status == 503 && answer.code() == "stopping" {
            self.connection = None;
            return Outcome::Refused;
        }
        if self.is_unavailable(&answer) {
            // Another server may be able to.
            self.connection = None;
            self.is_told_to_wait = true;
            return match answer.text().contains(MAY_BE_PUBLISHED) {
                true => Outcome::Unanswered,
                false => Outcome::Refused,
            };
        }
        Outcome::Answered(answer)
    }

    /// Whether the log cannot take events, where that may happen. The publisher is told when to come back.
    fn is_unavailable(&self, answer: &Answer) -> bool {
        let may_be = self.world.borrow().may_be_unavailable;
        let is = may_be && answer.status == 503 && answer.code() == "unavailable";
        assert!(!is || answer.headers.contains_key("retry-after"));
        is
    }

    /// Sends a request until it is answered.
    async fn until_answered(&mut self, method: &str, target: &str) -> Answer {
        loop {
            let json = ["Accept: application/json"];
            if let Outcome::Answered(answer) = self.request(method, target, &json, "").await {
                return answer;
            }
        }
    }

    /// Sends one event once. Returns its number, and its id if it was answered.
    pub async fn publish(&mut self, topic: &str) -> (Number, Option<String>) {
        let rest = self.rest();
        let (number, data) = self.oracle().send(topic, &rest);
        let outcome = self
            .request("POST", &format!("/topics/{topic}"), &[], &data)
            .await;
        (number, self.note(number, outcome))
    }

    /// Notes an outcome that can only be that an event is published.
    fn note(&self, number: Number, outcome: Outcome) -> Option<String> {
        match outcome {
            Outcome::Answered(answer) => {
                assert_eq!(answer.status, 200, "{}", answer.text());
                let id = id_of(&answer.json());
                self.oracle().is_published(number, Some(&id));
                Some(id)
            }
            Outcome::Unanswered => None,
            Outcome::Refused => {
                self.oracle().is_refused(number);
                None
            }
        }
    }

    async fn plain(&mut self, topic: &str) {
        self.publish(topic).await;
    }

    async fn ephemeral(&mut self, topic: &str) {
        let rest = self.rest();
        let (number, data) = self.oracle().send(topic, &rest);
        self.oracle().is_ephemeral(number);
        let target = format!("/topics/{topic}?keep=false");
        let outcome = self.request("POST", &target, &[], &data).await;
        self.note(number, outcome);
    }

    /// Repeats an event until it is answered, and some answered ones afterwards.
    async fn keyed(&mut self, first_answers: &mut Vec<(Number, String, Value)>) {
        let rest = self.rest();
        let (number, data) = self.oracle().send(KEYED, &rest);
        let (answer, may_be_there) = self.keyed_answer(number, &data).await;
        let was_repeated = answer["repeated"] == true;
        assert!(
            may_be_there || !was_repeated,
            "the key of event {number} is new: {answer}"
        );
        self.oracle().is_published(number, Some(&id_of(&answer)));
        first_answers.push((number, data, answer));
        if self.random.u8(..4) == 0 {
            let oldest = match self.keeps_all {
                true => 0,
                false => first_answers.len().saturating_sub(5),
            };
            let known = self.random.usize(oldest..first_answers.len());
            let (number, data, first) = first_answers[known].clone();
            let (again, _) = self.keyed_answer(number, &data).await;
            assert_eq!(
                again["repeated"], true,
                "event {number}: {again}, and first {first}"
            );
            for member in ["id", "topic", "subscribers"] {
                assert_eq!(
                    again[member], first[member],
                    "event {number}: {again}, and first {first}"
                );
            }
            self.oracle().repeated += 1;
        }
    }

    async fn keyed_answer(&mut self, number: Number, data: &str) -> (Value, bool) {
        let key = format!("Idempotency-Key: key-{number}");
        let mut may_be_there = false;
        loop {
            let target = format!("/topics/{KEYED}");
            match self.request("POST", &target, &[&key], data).await {
                Outcome::Answered(answer) => {
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    return (answer.json(), may_be_there);
                }
                Outcome::Unanswered => may_be_there = true,
                Outcome::Refused => {}
            }
        }
    }

    /// Repeats an event with an id of its own until it is there.
    async fn own_id(&mut self) {
        let rest = self.rest();
        let (number, data) = self.oracle().send(OWN_IDS, &rest);
        let id = format!("own-{number}");
        self.oracle().has_own_id(number, &id);
        let mut may_be_there = false;
        loop {
            let header = format!("Event-Id: {id}");
            let target = format!("/topics/{OWN_IDS}");
            match self.request("POST", &target, &[&header], &data).await {
                Outcome::Answered(answer) if answer.status == 409 => {
                    assert_eq!(answer.code(), "duplicate-id");
                    assert!(may_be_there, "event {number} is there before it was sent");
                    break;
                }
                Outcome::Answered(answer) => {
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert_eq!(id_of(&answer.json()), id);
                    break;
                }
                Outcome::Unanswered => may_be_there = true,
                Outcome::Refused => {}
            }
        }
        self.oracle().is_published(number, Some(&id));
    }

    /// One stream of lines, in pieces.
    async fn streamed(&mut self) {
        let mut numbers = Vec::new();
        let answer = self.streamed_answer(&mut numbers).await;
        self.oracle().are_streamed(numbers.clone());
        let answer = match answer {
            Ok(answer) => answer,
            Err(_) => {
                self.connection = None;
                return;
            }
        };
        let receipt = answer.json();
        let count = receipt["published"].as_u64().expect("a number") as usize;
        let mut may_be_more = false;
        if answer.status == 200 {
            assert_eq!(count, numbers.len(), "{receipt}");
        } else {
            let code = receipt["code"].as_str();
            let is_unavailable = self.is_unavailable(&answer);
            assert!(
                is_unavailable || (answer.status, code) == (503, Some("stopping")),
                "{receipt}"
            );
            self.connection = None;
            self.is_told_to_wait = is_unavailable;
            // What follows the last that is published may be as well.
            may_be_more = is_unavailable;
        }
        let (published, refused) = numbers.split_at(count);
        for (place, number) in published.iter().enumerate() {
            let id = match place {
                0 => receipt["first_id"].as_str(),
                _ if place + 1 == count => receipt["last_id"].as_str(),
                _ => None,
            };
            self.oracle().is_published(*number, id);
        }
        for number in refused {
            if !may_be_more {
                self.oracle().is_refused(*number);
            }
        }
    }

    async fn streamed_answer(&mut self, numbers: &mut Vec<Number>) -> io::Result<Answer> {
        let ndjson = ["Content-Type: application/x-ndjson"];
        let target = format!("/topics/{STREAMED}");
        self.connection()
            .await
            .begin("POST", &target, &ndjson)
            .await?;
        for _ in 0..self.random.u8(1..12) {
            let mut lines = String::new();
            for _ in 0..self.random.u8(1..20) {
                let rest = self.rest();
                let (number, data) = self.oracle().send(STREAMED, &rest);
                numbers.push(number);
                lines += &json!({ "data": data }).to_string();
                lines.push('\n');
            }
            if self
                .connection()
                .await
                .send(lines.as_bytes())
                .await
                .is_err()
            {
                // It may have been answered.
                break;
            }
            sleep(Duration::from_millis(self.random.u64(..6))).await;
        }
        self.connection().await.finish().await
    }

    /// The next event of a topic whose events name each other.
    async fn chain(&mut self, topic: &str, newest: &mut Option<String>) {
        let target = format!("/topics/{topic}");
        let known = newest.take();
        let is_known = known.is_some();
        let id = match known {
            Some(id) => id,
            None => {
                let answer = self
                    .until_answered("GET", &format!("{target}?limit=1"))
                    .await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                let snapshot = answer.json();
                let Some(id) = snapshot["last_id"].as_str() else {
                    assert!(self.has_several_servers(), "{topic} has no event");
                    // The server has not read yet what another has published.
                    return;
                };
                id.to_owned()
            }
        };
        let rest = format!("{id} {}", self.rest());
        let (number, data) = self.oracle().send(topic, &rest);
        self.oracle().follows(number, &id);
        let condition = format!("If-Match: \"{id}\"");
        match self.request("POST", &target, &[&condition], &data).await {
            Outcome::Answered(answer) if answer.status == 412 => {
                // An answer that did not come may have been about a newer event.
                let may_be_newer = !is_known && self.world.borrow().may_be_unavailable;
                assert!(
                    topic == RACE || may_be_newer,
                    "the only publisher of {topic} got 412 for {id}: {}",
                    answer.text()
                );
                self.oracle().is_refused(number);
            }
            outcome => *newest = self.note(number, outcome),
        }
    }

    /// Publishes some events to a new topic, and ends it.
    async fn ending(&mut self) {
        let topic = format!("{ENDING}{:x}", self.random.u64(..));
        let mut has_events = false;
        for _ in 0..self.random.u8(1..4) {
            has_events |= self.publish(&topic).await.1.is_some();
        }
        if has_events {
            self.oracle().may_have_ended(&topic);
            let mut answer = self.end(&topic).await;
            while answer.status == 404 && self.has_several_servers() {
                // The server has not read yet what another has published.
                answer = self.end(&topic).await;
            }
            assert_eq!(answer.status, 204, "{}", answer.text());
            self.oracle().has_ended(&topic);
        }
        sleep(Duration::from_millis(self.random.u64(20..300))).await;
    }

    async fn end(&mut self, topic: &str) -> Answer {
        self.until_answered("DELETE", &format!("/topics/{topic}"))
            .await
    }

    fn has_several_servers(&self) -> bool {
        self.world.borrow().addresses.len() > 1
    }

    /// Publishes an event as often as it takes until one is answered.
    pub async fn publish_surely(&mut self, topic: &str) -> Number {
        loop {
            if let (number, Some(_)) = self.publish(topic).await {
                return number;
            }
        }
    }
}

fn id_of(receipt: &Value) -> String {
    receipt["id"].as_str().expect("an id").to_owned()
}
