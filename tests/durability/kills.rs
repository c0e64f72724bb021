//! A server that is killed again and again while publishers and readers go on.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use parking_lot::Mutex;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::binary::Binary;
use crate::connection::{PATIENCE, Stream, ask};
use crate::folder::Folder;
use crate::load::{
    CHAIN, ENDING, HISTORY_EVENTS, KEYED, MARKERS, OWN_IDS, PLAIN, Publisher, RACE, STREAMED, Way,
};
use crate::oracle::{Content, Item, Oracle};
use crate::readers::{Habit, Reader, Topics, World};

/// One way to run the server.
struct Plan {
    name: &'static str,
    /// An address of this plan alone: a port that a killed server has left may be another plan's next one.
    host: Ipv4Addr,
    rounds: usize,
    flags: &'static [&'static str],
    /// The log on disk has room for everything, so that there is no gap.
    keeps_all: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_that_was_answered() {
    let plan = Plan {
        name: "always",
        host: Ipv4Addr::new(127, 0, 1, 1),
        rounds: 30,
        flags: &["--history-bytes=8MiB", "--history-disk=8GiB"],
        keeps_all: true,
    };
    plan.run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_that_was_answered_before_it_was_synced() {
    let plan = Plan {
        name: "interval",
        host: Ipv4Addr::new(127, 0, 1, 2),
        rounds: 15,
        flags: &["--sync=50ms", "--history-bytes=8MiB", "--history-disk=8GiB"],
        keeps_all: true,
    };
    plan.run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_while_old_segments_are_removed() {
    let plan = Plan {
        name: "small",
        host: Ipv4Addr::new(127, 0, 1, 3),
        rounds: 15,
        flags: &["--history-bytes=1MiB", "--history-disk=1MiB"],
        keeps_all: false,
    };
    plan.run().await;
}

fn number_from(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

/// A plan that is carried out.
struct Run {
    plan: Plan,
    folder: Folder,
    random: Rng,
    oracle: Arc<Mutex<Oracle>>,
    world: watch::Sender<World>,
}

impl Plan {
    async fn run(mut self) {
        let seed = number_from("KILL_SEED").unwrap_or_else(|| fastrand::u64(..));
        if let Some(rounds) = number_from("KILL_ROUNDS") {
            self.rounds = rounds as usize;
        }
        println!("{}: KILL_SEED={seed}", self.name);
        let run = Run {
            folder: Folder::new(self.name),
            plan: self,
            random: Rng::with_seed(seed),
            oracle: Arc::default(),
            world: watch::Sender::new(World::of(1)),
        };
        run.run().await;
    }
}

impl Run {
    async fn run(mut self) {
        let started = Instant::now();
        let server = self.start().await;
        // A publisher with If-Match looks for the topic's newest event first.
        for topic in [RACE, CHAIN] {
            self.publisher().publish_surely(topic).await;
        }
        let readers = self.readers();
        let publishers = self.publishers();
        let mut server = Some(server);
        let mut ways = [0; 3];
        for round in 0..self.plan.rounds {
            let running = match server.take() {
                Some(running) => running,
                None => self.start().await,
            };
            self.check_panics(&readers, &publishers);
            if self.random.bool() {
                self.check_what_was_answered(round).await;
            }
            sleep(Duration::from_millis(self.random.u64(..=300))).await;
            let way = match self.random.u8(..6) {
                0 => 1,
                1 => 2,
                _ => 0,
            };
            ways[way] += 1;
            self.stop(running, way == 1).await;
            if way == 2 {
                self.kill_while_it_starts().await;
            }
        }
        let server = self.start().await;
        self.world.send_modify(|world| world.is_over = true);
        for publisher in publishers {
            let publishing = timeout(PATIENCE, publisher).await;
            publishing
                .expect("in time")
                .expect("what was promised to a publisher");
        }
        let log = self.settle(readers).await;
        self.check_fresh_reader(&log).await;
        self.check_ended_topics(server.address, &log).await;
        server.stop().await;
        let oracle = self.oracle.lock();
        println!(
            "{}: {} rounds in {:.1} s ({} SIGKILL, {} SIGTERM, {} SIGKILL and another while it starts): {} events in the \
             log, {} answers, {} repeated answers, {} topics ended",
            self.plan.name,
            self.plan.rounds,
            started.elapsed().as_secs_f64(),
            ways[0],
            ways[1],
            ways[2],
            log.len(),
            oracle.answered,
            oracle.repeated,
            oracle.ended().len(),
        );
        assert!(
            oracle.answered > 10 * self.plan.rounds,
            "hardly anything was published"
        );
    }

    fn flags(&self) -> Vec<String> {
        let mut flags = vec![
            self.folder.flag(),
            format!("--history-events={HISTORY_EVENTS}"),
        ];
        let own = [
            "--anonymous-publish=on",
            "--publish-rate=off",
            "--stream-rate=off",
        ];
        let own = own.iter().chain(self.plan.flags);
        flags.extend(own.map(|flag| (*flag).to_owned()));
        flags
    }

    async fn start(&self) -> Binary {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let any_port = SocketAddr::from((self.plan.host, 0));
        let server = Binary::start_at(any_port, &flags, &[]).await;
        let address = server.address;
        self.world
            .send_modify(|world| world.addresses[0] = Some(address));
        server
    }

    async fn stop(&self, server: Binary, is_orderly: bool) {
        let logged = server.logged();
        for bad in ["panicked", "damaged", "ERROR"] {
            assert!(!logged.contains(bad), "{logged}");
        }
        if is_orderly {
            server.stop().await;
        } else {
            server.kill().await;
        }
        self.world.send_modify(|world| world.addresses[0] = None);
    }

    /// Kills a server that is just opening its folder.
    async fn kill_while_it_starts(&mut self) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fairwind"))
            .arg(format!("--addr={}:0", self.plan.host))
            .args(self.flags())
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        sleep(Duration::from_millis(self.random.u64(..60))).await;
        child.kill().await.expect("a running process");
    }

    fn publisher(&mut self) -> Publisher {
        Publisher::new(
            &self.oracle,
            self.world.subscribe(),
            self.random.fork(),
            self.plan.keeps_all,
        )
    }

    fn publishers(&mut self) -> Vec<JoinHandle<()>> {
        let ways = [
            Way::Plain,
            Way::Plain,
            Way::Ephemeral,
            Way::Keyed,
            Way::Keyed,
            Way::OwnIds,
            Way::Streamed,
            Way::Streamed,
            Way::Race,
            Way::Race,
            Way::Chain,
            Way::Ending,
        ];
        let mut publishers = Vec::new();
        for way in ways {
            publishers.push(tokio::spawn(self.publisher().run(way)));
        }
        publishers
    }

    /// Readers of each kind. The first is the witness.
    fn readers(&mut self) -> Vec<JoinHandle<Reader>> {
        let everything = Topics::Prefix("load/");
        let mut habits = vec![Habit {
            is_witness: true,
            ..Habit::of(everything.clone())
        }];
        for topic in [PLAIN, KEYED, OWN_IDS, STREAMED, RACE] {
            habits.push(Habit::of(Topics::One(topic)));
        }
        habits.push(Habit::of(Topics::Several(&[PLAIN, CHAIN, OWN_IDS])));
        let far_behind = Habit {
            stays: Some(20..200),
            is_away: 500..3_000,
            may_see_gaps: !self.plan.keeps_all,
            ..Habit::of(everything)
        };
        for topics in [
            Topics::One(STREAMED),
            Topics::One(OWN_IDS),
            Topics::Several(&[KEYED, RACE]),
            Topics::Prefix("load/"),
        ] {
            habits.push(Habit {
                topics,
                ..far_behind.clone()
            });
        }
        for topics in [Topics::One(PLAIN), Topics::Prefix("load/r")] {
            habits.push(Habit {
                topics,
                forgets: true,
                ..far_behind.clone()
            });
        }
        let mut readers = Vec::new();
        for habit in habits {
            let reader = Reader::new(habit, &self.oracle);
            readers.push(tokio::spawn(
                reader.run(self.world.subscribe(), self.random.fork()),
            ));
        }
        readers
    }

    /// A task that has ended has found something wrong; the test says so at once.
    fn check_panics(&self, readers: &[JoinHandle<Reader>], publishers: &[JoinHandle<()>]) {
        let ended = readers.iter().any(JoinHandle::is_finished)
            || publishers.iter().any(JoinHandle::is_finished);
        assert!(!ended, "a reader or a publisher has found something wrong");
    }

    /// Everything that was answered by now is in the log.
    async fn check_what_was_answered(&mut self, round: usize) {
        let marker = self.publisher().publish_surely(MARKERS).await;
        let seen = async {
            while !self.oracle.lock().has_seen(marker) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        let is_seen = timeout(PATIENCE, seen).await.is_ok();
        assert!(
            is_seen,
            "the witness does not see event {marker} in round {round}"
        );
        self.oracle.lock().check_seen(marker);
    }

    /// Publishes a last event to each topic, lets the readers read on to the end, and checks what they have. Returns the
    /// log as the witness has read it.
    async fn settle(&mut self, readers: Vec<JoinHandle<Reader>>) -> Vec<Item> {
        let mut finals = HashMap::new();
        for topic in [PLAIN, KEYED, STREAMED, RACE, CHAIN, OWN_IDS, MARKERS] {
            let number = self.publisher().publish_surely(topic).await;
            finals.insert(topic.to_owned(), number);
        }
        self.world
            .send_modify(|world| world.finals = Some(Arc::new(finals)));
        let mut log = Vec::new();
        let oracle = Arc::clone(&self.oracle);
        for reader in readers {
            let reader = timeout(PATIENCE, reader).await.expect("in time");
            let mut reader = reader.expect("a reader that missed nothing");
            if reader.habit.is_witness {
                assert_eq!(reader.read.len(), 1);
                log = reader.read.pop().expect("what it has read");
                oracle.lock().check_log(&log);
                continue;
            }
            let oracle = oracle.lock();
            let name = format!("the reader of {:?}", reader.habit.topics);
            for read in &reader.read {
                oracle.check_reader(&name, read, &log, |topic| {
                    reader.habit.topics.contain(topic)
                });
            }
            if self.plan.keeps_all {
                let own = log
                    .iter()
                    .find(|item| reader.habit.topics.contain(&item.topic));
                for read in reader.read.iter().filter(|read| !read.is_empty()) {
                    let first = own.map(|item| &item.content);
                    assert_eq!(read.first().map(|item| &item.content), first, "{name}");
                }
            }
            println!(
                "{}: {name}: {} connections, {} gaps, {} events",
                self.plan.name,
                reader.connections,
                reader.gaps,
                reader.read.iter().map(Vec::len).sum::<usize>()
            );
        }
        log
    }

    /// A reader that comes now gets what the disk has: everything, or the newest.
    async fn check_fresh_reader(&self, log: &[Item]) {
        let habit = Habit {
            may_see_gaps: !self.plan.keeps_all,
            ..Habit::of(Topics::Prefix("load/"))
        };
        let reader = Reader::new(habit, &self.oracle);
        let reading = reader.run(self.world.subscribe(), Rng::new());
        let reader = timeout(PATIENCE * 2, reading).await.expect("in time");
        let read = reader.read.last().expect("what it has read");
        let kept = &log[log.len() - read.len()..];
        assert_eq!(read, kept);
        assert!(!self.plan.keeps_all || kept.len() == log.len());
    }

    /// A reader of a topic that has ended gets its end, and then nothing; its publishers are refused.
    async fn check_ended_topics(&self, address: SocketAddr, log: &[Item]) {
        if !self.plan.keeps_all {
            return;
        }
        let ended = self.oracle.lock().ended();
        for topic in ended {
            assert!(topic.starts_with(ENDING));
            let target = format!("/topics/{topic}");
            let opened = Stream::open(address, &target, Some("earliest")).await;
            let Some(mut stream) = opened.expect("a running server") else {
                panic!("the events of {topic} are lost");
            };
            let mut count = 0;
            let mut last_type = String::new();
            while let Some(messages) = stream.next().await.expect("a proper end") {
                count += messages.len();
                last_type = messages
                    .last()
                    .map_or(last_type, |last| last.event_type.clone());
            }
            let own = log.iter().filter(|item| item.topic == topic);
            assert_eq!((last_type.as_str(), count), ("end", own.count()), "{topic}");
            let again = Stream::open(address, &target, stream.last_event_id()).await;
            assert!(matches!(again, Ok(None)), "{topic}");
            let answer = ask(address, "POST", &target, "too late").await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (409, "topic-ended")
            );
        }
        assert!(log.iter().any(|item| item.content == Content::End));
    }
}
