//! Publishers and readers that go on while nodes and nats-servers fail, and the oracle that knows what may have become of it.

use std::collections::HashMap;
use std::sync::Arc;

use fastrand::Rng;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::connection::PATIENCE;
use crate::engine::LOOK;
use crate::load::{
    CHAIN, HISTORY_EVENTS, KEYED, MARKERS, OWN_IDS, PLAIN, Publisher, RACE, STREAMED, Way,
};
use crate::node::Node;
use crate::oracle::{Item, Oracle};
use crate::readers::{Habit, Reader, Topics, World};

/// What nodes under load are started with.
pub const FLAGS: [&str; 2] = ["--history-events=20", "--history-bytes=8MiB"];

/// A load on several nodes.
pub struct Trial {
    oracle: Arc<Mutex<Oracle>>,
    world: watch::Sender<World>,
    random: Rng,
    publishers: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<Reader>>,
    nodes: usize,
}

impl Drop for Trial {
    fn drop(&mut self) {
        for publisher in &self.publishers {
            publisher.abort();
        }
        for reader in &self.readers {
            reader.abort();
        }
    }
}

impl Trial {
    /// Begins with all nodes running.
    pub async fn begin(nodes: &[Node]) -> Self {
        assert!(FLAGS[0].ends_with(&format!("={HISTORY_EVENTS}")));
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut oracle = Oracle::default();
        oracle.has_epochs = true;
        let mut world = World::of(nodes.len());
        world.may_be_unavailable = true;
        let mut trial = Self {
            oracle: Arc::new(Mutex::new(oracle)),
            world: watch::Sender::new(world),
            random: Rng::with_seed(seed),
            publishers: Vec::new(),
            readers: Vec::new(),
            nodes: nodes.len(),
        };
        trial.tell(nodes);
        for topic in [RACE, CHAIN] {
            trial.publisher().publish_surely(topic).await;
        }
        trial.start_readers();
        trial.start_publishers();
        trial
    }

    /// Tells publishers and readers which nodes run.
    pub fn tell(&self, nodes: &[Node]) {
        self.world.send_modify(|world| {
            world.addresses = nodes.iter().map(Node::address_if_running).collect();
        });
    }

    fn publisher(&mut self) -> Publisher {
        Publisher::new(
            &self.oracle,
            self.world.subscribe(),
            self.random.fork(),
            true,
        )
    }

    fn start_publishers(&mut self) {
        for way in [
            Way::Plain,
            Way::Plain,
            Way::Ephemeral,
            Way::Keyed,
            Way::Keyed,
            Way::OwnIds,
            Way::Streamed,
            Way::Race,
            Way::Race,
            Way::Chain,
            Way::Ending,
        ] {
            let publisher = self.publisher();
            self.publishers.push(tokio::spawn(publisher.run(way)));
        }
    }

    fn start_readers(&mut self) {
        let everything = Topics::Prefix("load/");
        // One that moves, and one that stays, at each node.
        let mut habits = vec![Habit {
            is_witness: true,
            ..Habit::of(everything.clone())
        }];
        for node in 0..self.nodes {
            habits.push(Habit {
                server: Some(node),
                ..Habit::of(everything.clone())
            });
        }
        for topics in [
            Topics::One(PLAIN),
            Topics::One(STREAMED),
            Topics::Several(&[KEYED, RACE, CHAIN]),
        ] {
            habits.push(Habit {
                stays: Some(20..200),
                is_away: 100..2_000,
                ..Habit::of(topics)
            });
        }
        for habit in habits {
            let reader = Reader::new(habit, &self.oracle);
            let reading = reader.run(self.world.subscribe(), self.random.fork());
            self.readers.push(tokio::spawn(reading));
        }
    }

    /// A task that has ended has found something wrong; the test says so at once.
    pub fn check(&self) {
        let ended = self.readers.iter().any(JoinHandle::is_finished)
            || self.publishers.iter().any(JoinHandle::is_finished);
        assert!(!ended, "a reader or a publisher has found something wrong");
    }

    /// Waits until so many more events are published.
    pub async fn go_on(&self, events: usize) {
        let begun = Instant::now();
        let answered = || self.oracle.lock().answered;
        let wanted = answered() + events;
        while answered() < wanted {
            self.check();
            assert!(begun.elapsed() < PATIENCE, "nothing is published any more");
            sleep(LOOK).await;
        }
    }

    /// Everything that was answered by now is in the log.
    pub async fn check_answered(&mut self) {
        let marker = self.publisher().publish_surely(MARKERS).await;
        let begun = Instant::now();
        while !self.oracle.lock().has_seen(marker) {
            self.check();
            let waited = begun.elapsed();
            assert!(waited < PATIENCE, "the witness does not see event {marker}");
            sleep(LOOK).await;
        }
        self.oracle.lock().check_seen(marker);
    }

    /// Lets everybody finish, with all nodes running, and checks what they have.
    pub async fn end(mut self, nodes: &[Node]) {
        self.tell(nodes);
        self.check();
        self.world.send_modify(|world| world.is_over = true);
        for publisher in std::mem::take(&mut self.publishers) {
            let publishing = timeout(PATIENCE, publisher).await;
            publishing
                .expect("in time")
                .expect("what was promised to a publisher");
        }
        let mut finals = HashMap::new();
        for topic in [PLAIN, KEYED, STREAMED, RACE, CHAIN, OWN_IDS, MARKERS] {
            let number = self.publisher().publish_surely(topic).await;
            finals.insert(topic.to_owned(), number);
        }
        self.world
            .send_modify(|world| world.finals = Some(Arc::new(finals)));
        let mut log: Vec<Item> = Vec::new();
        for reader in std::mem::take(&mut self.readers) {
            let reader = timeout(PATIENCE, reader).await.expect("in time");
            let reader = reader.expect("a reader that missed nothing");
            let name = format!("the reader of {:?}", reader.habit.topics);
            let [read] = &reader.read[..] else {
                panic!("{name} got a gap");
            };
            if reader.habit.is_witness {
                self.oracle.lock().check_log(read);
                log.clone_from(read);
            } else if reader.habit.server.is_some() {
                assert_eq!(*read, log, "{name}");
            } else {
                let topics = |topic: &str| reader.habit.topics.contain(topic);
                let own = log.iter().find(|item| topics(&item.topic));
                let first = own.map(|item| &item.content);
                assert_eq!(read.first().map(|item| &item.content), first, "{name}");
                self.oracle.lock().check_reader(&name, read, &log, topics);
            }
        }
        // One that comes now gets the same, at every node.
        for node in 0..self.nodes {
            let habit = Habit {
                server: Some(node),
                ..Habit::of(Topics::Prefix("load/"))
            };
            let reader = Reader::new(habit, &self.oracle);
            let reading = reader.run(self.world.subscribe(), Rng::new());
            let reader = timeout(PATIENCE, reading).await.expect("in time");
            assert_eq!(reader.read[..], [log.clone()]);
        }
        for node in nodes {
            node.check_log();
        }
        let oracle = self.oracle.lock();
        println!(
            "{} events in the log, {} answers, {} repeated, {} topics ended",
            log.len(),
            oracle.answered,
            oracle.repeated,
            oracle.ended().len()
        );
    }
}
