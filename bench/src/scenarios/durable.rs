//! A log on disk: what it costs to publish durably, to deliver beside it, to read back and to start again. The rows of
//! Fairwind are one server with its log in memory, with its log in a folder, and with its log on a nats-server, which shares
//! the core that the server has.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Outcome, Pair, REPLAY, Runner};
use crate::client::{Client, Kind};
use crate::nats::Nats;
use crate::peers::{Peer, TOPIC, Variant};
use crate::server::{Server, free_port};
use crate::statistics::percentile;

/// The name under which the disk's own numbers are kept.
pub(crate) const DISK: &str = "disk";

/// Events a second that are offered in all when latency is measured.
pub(crate) const RATE: f64 = 100_000.0;

/// How many publishers stream.
const STREAMS: usize = 4;

/// How many publishers wait for the answer to each event.
pub(crate) const POSTERS: usize = 64;

/// How many events of a NATS publisher may be without an acknowledgement: those that stream, and those that wait for each.
const NATS_WINDOW: usize = 4_096;

/// What one append has, in bytes, and how many are timed.
const APPEND: usize = 256;
const APPENDS: usize = 500;

/// The events of each topic in a folder that is opened again.
const EVENTS_OF_A_TOPIC: u32 = 10;

/// The memory's part of the history when it is read from the disk.
const SMALL_MEMORY: &str = "--history-bytes=1MiB";

/// Where a server of Fairwind has its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    Memory,
    /// In a folder, with this `--sync`.
    Folder(&'static str),
    /// On a nats-server with this `sync_interval`.
    Nats(&'static str),
}

/// Fairwind's rows, and where each has its log.
pub(crate) const FAIRWIND: [(&str, Log); 5] = [
    ("fairwind, in memory", Log::Memory),
    ("fairwind, --sync always", Log::Folder("always")),
    ("fairwind, --sync 1s", Log::Folder("1s")),
    (
        "fairwind, --nats, sync_interval always",
        Log::Nats("always"),
    ),
    ("fairwind, --nats, sync_interval 1s", Log::Nats("1s")),
];

/// The rows of nats-server.
pub(crate) const NATS: [(&str, &str); 2] = [
    ("nats-server, sync_interval always", "always"),
    ("nats-server, sync_interval 1s", "1s"),
];

/// How much of it is measured.
pub(crate) struct Sizes {
    /// Events that are streamed as quickly as they are taken.
    pub(crate) streamed: u32,
    pub(crate) replayed: u32,
    /// Topics of a folder that is opened again.
    pub(crate) topics: usize,
}

impl Sizes {
    pub(crate) const FULL: Self = Self {
        streamed: 1_000_000,
        replayed: 1_000_000,
        topics: 100_000,
    };
    pub(crate) const QUICK: Self = Self {
        streamed: 200_000,
        replayed: 200_000,
        topics: 20_000,
    };
}

/// Measures something of one row.
type Measure<Runner> = fn(&mut Runner, &Peer) -> Result<(), String>;

/// A folder on the disk, for one server; removed afterwards.
struct DataFolder(PathBuf);

/// What a row of Fairwind rests on. The server ends before its folder goes.
#[derive(Default)]
struct Backing {
    _nats_server: Option<Server>,
    _folder: Option<DataFolder>,
}

impl DataFolder {
    fn create(path: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Runner<'_> {
    pub(super) fn durable(&mut self, peer: &Peer) -> Outcome {
        if !peer.has_disk() {
            return Ok(());
        }
        self.appends()
            .map_err(|error| ("durable.append".to_owned(), error))?;
        if peer.is_nats() {
            for (name, sync) in NATS {
                self.attempt(name, "durable.publish", |runner| {
                    runner.nats(peer, name, sync)
                });
            }
            return Ok(());
        }
        let measure: [(&str, Measure<Self>); 5] = [
            ("streamed", Self::streamed),
            ("posts", Self::posts),
            ("steady", Self::durable_steady),
            ("echo", Self::durable_echo),
            ("memory", Self::durable_memory),
        ];
        // The rows take turns in each measurement: what else the machine does meets them alike.
        for (what, measure) in measure {
            for (name, log) in FAIRWIND {
                if matches!(log, Log::Nats(_)) && self.nats_server.is_none() {
                    continue;
                }
                self.attempt(name, &format!("durable.{what}"), |runner| {
                    let (backing, row) = runner.row(peer, name, log, &[])?;
                    let measured = measure(runner, &row);
                    drop(backing);
                    measured
                });
            }
        }
        for (name, log) in [FAIRWIND[0], FAIRWIND[1]] {
            self.attempt(name, "durable.replay", |runner| {
                runner.durable_replay(peer, name, log != Log::Memory)
            });
        }
        let name = FAIRWIND[1].0;
        self.attempt(name, "durable.reopen", |runner| runner.reopen(peer, name));
        Ok(())
    }

    /// What fails is noted under its row and does not keep the rest from being measured.
    fn attempt(
        &mut self,
        name: &str,
        measurement: &str,
        measure: impl FnOnce(&mut Self) -> Result<(), String>,
    ) {
        let begun = Instant::now();
        if let Err(error) = measure(self) {
            eprintln!("    {name}: {measurement}: {error}");
            self.results.add_broken(name, measurement, error);
        }
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!("    {name}: {measurement} {seconds:.1} s");
    }

    /// A row of Fairwind, and what it rests on: a new folder, or a new nats-server.
    fn row(
        &self,
        peer: &Peer,
        name: &str,
        log: Log,
        more: &[&str],
    ) -> Result<(Backing, Peer), String> {
        let mut flags: Vec<String> = more.iter().map(|&flag| flag.to_owned()).collect();
        let mut backing = Backing::default();
        match log {
            Log::Memory => {}
            Log::Folder(sync) => {
                let folder = self.data_folder()?;
                flags.push(format!("--data={}", folder.0.display()));
                flags.push(format!("--sync={sync}"));
                backing._folder = Some(folder);
            }
            Log::Nats(sync) => {
                let nats = self.nats_server.ok_or("there is no nats-server")?;
                let folder = self.data_folder()?;
                let configuration = configuration(&folder.0, sync)?;
                let own = vec!["-c".to_owned(), configuration.display().to_string()];
                let port = free_port()?;
                let nats = nats.with_flags(name, own);
                let command = nats.command(port, &folder.0, self.machine, Variant::Plain)?;
                let log = self.folder.join("nats-server.log");
                let server = Server::start(&command, port, &log, self.machine)?;
                flags.push(format!("--nats=nats://{}", server.address));
                backing._nats_server = Some(server);
                backing._folder = Some(folder);
            }
        }
        Ok((backing, peer.with_flags(name, flags)))
    }

    fn data_folder(&self) -> Result<DataFolder, String> {
        let name = format!("data-{}", free_port()?);
        DataFolder::create(self.disk.join(name))
    }

    /// One append after another to a file, each made durable.
    fn appends(&mut self) -> Result<(), String> {
        let folder = self.data_folder()?;
        let of = |error: std::io::Error| format!("{}: {error}", folder.0.display());
        let mut file = File::create(folder.0.join("append")).map_err(of)?;
        let mut samples = Vec::with_capacity(APPENDS);
        for _ in 0..APPENDS {
            let begun = Instant::now();
            file.write_all(&[b'.'; APPEND]).map_err(of)?;
            file.sync_data().map_err(of)?;
            samples.push(begun.elapsed().as_nanos() as u64);
        }
        for (what, share) in [("p50", 0.5), ("p99", 0.99)] {
            let micros = percentile(&mut samples, share) as f64 / 1e3;
            self.results
                .add(DISK, format!("durable.append.{what}"), micros);
        }
        Ok(())
    }

    /// Publishers that stream, each to its topic, and a subscriber of each topic: as quickly as it goes, then at a rate.
    fn streamed(&mut self, row: &Peer) -> Result<(), String> {
        let topics: Vec<String> = (0..STREAMS)
            .map(|index| format!("stream-{index}"))
            .collect();
        let paths: Vec<String> = topics.iter().map(|topic| row.publish(topic)).collect();
        let mut pair = self.start(row)?;
        pair.client
            .subscribe(Kind::Stream, STREAMS, |index| row.stream(&topics[index]))?;
        // A nats-server on the same core takes a tenth of what a folder does.
        let events = self.plan.durable.streamed / if row.is_over_nats() { 8 } else { 1 };
        pair.client.streamed(&paths, events / 40, None)?;
        let each = events / STREAMS as u32;
        let before = pair.server.cpu();
        let fastest = pair.client.streamed(&paths, each, None)?;
        let cpu = pair.server.cpu().since(before);
        let all = f64::from(each) * STREAMS as f64;
        let name = &row.name;
        self.results.add(
            name,
            "durable.streamed.rate",
            all / fastest.took.as_secs_f64(),
        );
        self.results
            .add(name, "durable.streamed.cpu", cpu * 1e6 / all);
        if all / fastest.took.as_secs_f64() < RATE {
            // A rate that it does not take would only measure how long it is behind.
            return Ok(());
        }
        let each = (RATE * self.plan.steady.as_secs_f64() / STREAMS as f64) as u32;
        let paced = pair.client.streamed(&paths, each, Some(RATE))?;
        for (what, share) in [("p50", 0.5), ("p99", 0.99)] {
            let millis = paced.latency.value_at_quantile(share) as f64 / 1e6;
            self.results
                .add(name, format!("durable.streamed.{what}"), millis);
        }
        Ok(())
    }

    fn posts(&mut self, row: &Peer) -> Result<(), String> {
        let mut pair = self.start(row)?;
        let path = row.publish(TOPIC);
        pair.client
            .posts(&path, POSTERS, Duration::from_millis(300))?;
        let before = pair.server.cpu();
        let begun = Instant::now();
        let rate = pair.client.posts(&path, POSTERS, self.plan.steady)?;
        let events = rate * begun.elapsed().as_secs_f64();
        let cpu = pair.server.cpu().since(before) * 1e6 / events;
        self.results.add(&row.name, "durable.posts", rate);
        self.results.add(&row.name, "durable.posts.cpu", cpu);
        Ok(())
    }

    fn durable_steady(&mut self, row: &Peer) -> Result<(), String> {
        let Some(&(count, rate)) = self.plan.crowds.first() else {
            return Ok(());
        };
        let pair = self.crowd(row, Kind::Stream, &row.stream(TOPIC), count)?;
        self.steady_load(pair, row, "durable.steady", rate)
    }

    fn durable_echo(&mut self, row: &Peer) -> Result<(), String> {
        self.echo(row).map_err(|(_, error)| error)
    }

    fn durable_memory(&mut self, row: &Peer) -> Result<(), String> {
        let Some(&count) = self.plan.idle.last() else {
            return Ok(());
        };
        self.idle(
            row,
            Variant::Plain,
            Kind::Stream,
            "durable.memory",
            &[count],
        )
    }

    /// Many events to one reader that asks for all. With a folder, nearly all of them come from there: the system still has
    /// the file in memory, since they have just been written.
    fn durable_replay(&mut self, peer: &Peer, name: &str, from_disk: bool) -> Result<(), String> {
        let count = self.plan.durable.replayed;
        let events = format!("--history-events={count}");
        let more: &[&str] = if from_disk {
            &[&events, SMALL_MEMORY]
        } else {
            &[&events]
        };
        let log = if from_disk {
            Log::Folder("never")
        } else {
            Log::Memory
        };
        let (_backing, row) = self.row(peer, name, log, more)?;
        let path = row.replay().ok_or("it has no replay")?;
        let mut pair = self.start(&row)?;
        pair.client.fill_by_stream(count, &row.publish(TOPIC))?;
        let mut rates = Vec::new();
        for _ in 0..3 {
            let (came, took) = pair.client.replay(u64::from(count), &path, REPLAY)?;
            rates.push(came as f64 / took.as_secs_f64());
            pair.client.forget_delivered()?;
        }
        rates.sort_by(f64::total_cmp);
        self.results.add(name, "durable.replay", rates[1]);
        Ok(())
    }

    /// A folder with many topics is opened again after a server that was stopped, and after one that was killed.
    fn reopen(&mut self, peer: &Peer, name: &str) -> Result<(), String> {
        // What a server keeps in memory by default; the topics are many.
        let usual = ["--history-events=1000", "--history-bytes=64MiB"];
        let folder = self.data_folder()?;
        let with_sync = |sync: &str| {
            let mut flags = usual.map(str::to_owned).to_vec();
            flags.push(format!("--data={}", folder.0.display()));
            flags.push(format!("--sync={sync}"));
            peer.with_flags(name, flags)
        };
        let row = with_sync("always");
        let topic = |number: usize| format!("topic-{number}");
        let topics = self.plan.durable.topics;
        // Each connection's requests are answered one after another: a sync for each would take minutes.
        let mut pair = self.start(&with_sync("never"))?;
        pair.client
            .fill_topics(topics, EVENTS_OF_A_TOPIC, |number| {
                row.publish(&topic(number))
            })?;
        drop(pair);
        for (what, end) in [("stopped", Server::kill as fn(Server)), ("killed", drop)] {
            let (pair, took) = self.start_again(&row)?;
            let millis = took.as_secs_f64() * 1e3;
            self.results
                .add(name, format!("durable.reopen.{what}"), millis);
            let Pair { mut client, server } = pair;
            client.begin(1)?;
            for number in [0, topics / 2, topics - 1] {
                let path = row.stream(&topic(number)) + "?last_event_id=earliest";
                let wanted = u64::from(EVENTS_OF_A_TOPIC);
                let (came, _) = client.replay(wanted, &path, Duration::from_secs(5))?;
                if came != wanted {
                    return Err(format!("a topic has {came} events after a restart"));
                }
                client.forget_delivered()?;
            }
            drop(client);
            end(server);
        }
        Ok(())
    }

    fn start_again(&self, row: &Peer) -> Result<(Pair, Duration), String> {
        let port = free_port()?;
        let command = row.command(port, &self.folder, self.machine, Variant::Plain)?;
        let log = self.folder.join(format!("{}.log", row.name));
        let (server, took) =
            Server::start_until("listening on", &command, port, &log, self.machine)?;
        let client = Client::new(server.address, None, Arc::clone(&self.stop))?;
        Ok((Pair { client, server }, took))
    }

    /// The same loads of publishers on a JetStream with a file store, each event acknowledged.
    fn nats(&mut self, peer: &Peer, name: &str, sync: &str) -> Result<(), String> {
        let folder = self.data_folder()?;
        let configuration = configuration(&folder.0, sync)?;
        let flags = vec!["-c".to_owned(), configuration.display().to_string()];
        let row = peer.with_flags(name, flags);
        let pair = self.start(&row)?;
        let mut nats = Nats::new(pair.server.address, Arc::clone(&self.stop))?;
        nats.create_stream()?;
        let streamed = |nats: &mut Nats, each, rate| {
            let time = match rate {
                // At the rate that it takes, a million events last too long for some.
                None => Some(self.plan.steady),
                Some(_) => None,
            };
            nats.publish(STREAMS, each, NATS_WINDOW, rate, time)
        };
        let before = pair.server.cpu();
        let fastest = streamed(&mut nats, u32::MAX, None)?;
        let cpu = pair.server.cpu().since(before);
        let rate = fastest.events as f64 / fastest.took.as_secs_f64();
        let each = (RATE * self.plan.steady.as_secs_f64() / STREAMS as f64) as u32;
        // A rate that it does not take would only measure how long it is behind.
        let paced = (rate > RATE)
            .then(|| streamed(&mut nats, each, Some(RATE)))
            .transpose()?;
        let before = pair.server.cpu();
        let posts = nats.publish(POSTERS, u32::MAX, 1, None, Some(self.plan.steady))?;
        let posts_cpu = pair.server.cpu().since(before) * 1e6 / posts.events.max(1) as f64;
        self.results.add(name, "durable.streamed.rate", rate);
        let cpu = cpu * 1e6 / fastest.events.max(1) as f64;
        self.results.add(name, "durable.streamed.cpu", cpu);
        if let Some(paced) = paced {
            for (what, share) in [("p50", 0.5), ("p99", 0.99)] {
                let millis = paced.latency.value_at_quantile(share) as f64 / 1e6;
                self.results
                    .add(name, format!("durable.streamed.{what}"), millis);
            }
        }
        let posts = posts.events as f64 / posts.took.as_secs_f64();
        self.results.add(name, "durable.posts", posts);
        self.results.add(name, "durable.posts.cpu", posts_cpu);
        Ok(())
    }
}

fn configuration(folder: &Path, sync: &str) -> Result<PathBuf, String> {
    let path = folder.join("nats.conf");
    let text = format!(
        "jetstream {{ store_dir: \"{}\", sync_interval: {sync}, max_file_store: 8GB }}\n",
        folder.display()
    );
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}
