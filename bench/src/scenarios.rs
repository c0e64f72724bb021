//! What is measured of one server in one round, each part against a server that has just been started.

pub(crate) mod durable;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use self::durable::Sizes;
use crate::client::{Client, Kind, Load};
use crate::machine::Machine;
use crate::peers::{HISTORY, Peer, TOPIC, Variant};
use crate::results::Results;
use crate::server::{Server, free_port};
use crate::statistics::percentile;
use crate::transport::{Certificate, Tls};

/// A load is held when at least this share of its events arrives before its time is over,
pub(crate) const HELD_SHARE: f64 = 0.97;
/// none is missing after this,
pub(crate) const DRAIN: Duration = Duration::from_secs(1);
/// and 99 of 100 arrive within this, in nanoseconds.
pub(crate) const HELD_P99: u64 = 100_000_000;

/// Deliveries a second at which those who hold more are asked for their latency too: a high load that is not the highest.
pub(crate) const HIGH_RATE: f64 = 2.5e6;

/// The search for the most that is held ends when what is held and what is not are so close.
const CLOSE_ENOUGH: f64 = 1.2;
const MOST_STEPS: usize = 20;

/// How far above what is not held the search looks once.
const LEAP: f64 = 4.0;

/// How quickly a history is published, a second: nchan counts the events of one second in 16 bits.
const FILL_RATE: f64 = 20_000.0;

/// How many streams share a connection of HTTP/2 under load; those of idle connections have one each.
pub(crate) const STREAMS_EACH: usize = 100;

/// A replay that takes longer is stopped, and counts as far as it came.
const REPLAY: Duration = Duration::from_secs(10);

/// How many descriptors the load client and a server need beside their connections.
const OTHER_FILES: u64 = 200;

/// A part of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Memory of idle connections
    Memory,
    /// One publish at a time to one subscriber
    Echo,
    /// One publish to one subscriber at a steady pace: latency and processor time
    Paced,
    /// Few events to many subscribers: processor time and latency
    Steady,
    /// The most deliveries a second
    Most,
    /// The steady load over WebSocket
    Socket,
    /// The steady load with compressed streams
    Gzip,
    /// Memory and the steady load over TLS, with HTTP/1.1 and HTTP/2
    Tls,
    /// What publishing costs when there are many other topics and subscribers
    Topics,
    /// History to one reader
    Replay,
    /// A log on disk: publishing, delivering, reading back, starting again
    Durable,
}

/// How long and how often.
pub(crate) struct Plan {
    pub(crate) parts: Vec<Part>,
    pub(crate) steady: Duration,
    pub(crate) step: Duration,
    pub(crate) samples: usize,
    /// Events a second of the paced publishes, and for how long each.
    pub(crate) paces: Vec<f64>,
    pub(crate) paced: Duration,
    pub(crate) idle: Vec<usize>,
    pub(crate) idle_tls: Vec<usize>,
    /// Subscribers and events a second of the steady load.
    pub(crate) crowds: Vec<(usize, f64)>,
    pub(crate) most: Vec<usize>,
    pub(crate) topics: Vec<usize>,
    pub(crate) elsewhere: Vec<usize>,
    pub(crate) durable: Sizes,
}

impl Plan {
    pub(crate) fn full(parts: Vec<Part>) -> Self {
        Self {
            parts,
            steady: Duration::from_secs(6),
            step: Duration::from_secs(2),
            samples: 2_000,
            paces: vec![100.0, 1_000.0],
            paced: Duration::from_secs(10),
            idle: vec![1_000, 5_000, 10_000],
            idle_tls: vec![1_000, 5_000],
            crowds: vec![(1_000, 20.0), (5_000, 5.0)],
            most: vec![1_000, 5_000],
            topics: vec![1, 100, 10_000, 100_000],
            elsewhere: vec![0, 1_000, 5_000],
            durable: Sizes::FULL,
        }
    }

    pub(crate) fn quick(parts: Vec<Part>) -> Self {
        Self {
            steady: Duration::from_secs(2),
            step: Duration::from_secs(1),
            paced: Duration::from_secs(4),
            idle_tls: vec![1_000],
            most: vec![1_000],
            topics: vec![1, 10_000],
            elsewhere: vec![0, 1_000],
            durable: Sizes::QUICK,
            ..Self::full(parts)
        }
    }
}

/// Runs the parts and keeps what they give.
pub(crate) struct Runner<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) plan: &'a Plan,
    pub(crate) results: &'a mut Results,
    /// Where the servers' logs and temporary files go.
    pub(crate) folder: PathBuf,
    /// Where logs on disk go: a folder that is on a disk.
    pub(crate) disk: PathBuf,
    pub(crate) certificate: &'a Certificate,
    /// What Fairwind's log on a nats-server rests on.
    pub(crate) nats_server: Option<&'a Peer>,
    pub(crate) stop: Arc<AtomicBool>,
}

/// A server and the client that loads it; the client goes first, so that the server has no streams to end.
struct Pair {
    client: Client,
    server: Server,
}

impl Runner<'_> {
    /// Everything of one server, once. What fails is noted and does not keep the rest from being measured.
    pub(crate) fn round(&mut self, peer: &Peer) -> Result<(), String> {
        for part in self.plan.parts.clone() {
            if part != Part::Durable && !peer.has_streams() {
                continue;
            }
            let begun = Instant::now();
            let done = match part {
                Part::Memory => self.memory(peer),
                Part::Echo => self.echo(peer),
                Part::Paced => self.paced(peer),
                Part::Steady => self.steady(peer),
                Part::Most => self.most(peer),
                Part::Socket => self.socket(peer),
                Part::Gzip => self.gzip(peer),
                Part::Tls => self.tls(peer),
                Part::Topics => self.topics(peer),
                Part::Replay => self.replay(peer),
                Part::Durable => self.durable(peer),
            };
            if self.stop.load(Ordering::Relaxed) {
                return Err("interrupted".to_owned());
            }
            let took = begun.elapsed().as_secs_f64();
            if let Err((measurement, error)) = done {
                eprintln!("    {measurement}: {error}");
                self.results.add_broken(&peer.name, &measurement, error);
            }
            if took > 0.1 {
                eprintln!("    {:8} {took:.1} s", format!("{part:?}").to_lowercase());
            }
        }
        Ok(())
    }

    fn start(&self, peer: &Peer) -> Result<Pair, String> {
        self.start_as(peer, Variant::Plain)
    }

    fn start_as(&self, peer: &Peer, variant: Variant<'_>) -> Result<Pair, String> {
        let port = free_port()?;
        let folder = self.folder.join(format!("{}-{port}", peer.name));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let command = peer.command(port, &folder, self.machine, variant)?;
        let log = self.folder.join(format!("{}.log", peer.name));
        let server = Server::start(&command, port, &log, self.machine)?;
        let tls = match variant {
            Variant::Tls(_) => Some(Tls::new()?),
            Variant::Plain | Variant::Gzip => None,
        };
        let client = Client::new(server.address, tls, Arc::clone(&self.stop))?;
        Ok(Pair { client, server })
    }

    /// A server with so many subscribers, all of whom get what is published.
    fn crowd(&self, peer: &Peer, kind: Kind, path: &str, count: usize) -> Result<Pair, String> {
        self.crowd_of(peer, Variant::Plain, kind, path, count)
    }

    fn crowd_of(
        &self,
        peer: &Peer,
        variant: Variant<'_>,
        kind: Kind,
        path: &str,
        count: usize,
    ) -> Result<Pair, String> {
        let mut pair = self.start_as(peer, variant)?;
        pair.client.subscribe(kind, count, |_| path.to_owned())?;
        pair.client.warm_up(&peer.publish(TOPIC))?;
        Ok(pair)
    }

    fn memory(&mut self, peer: &Peer) -> Outcome {
        let counts = &self.plan.idle;
        self.idle(peer, Variant::Plain, Kind::Stream, "memory", counts)
            .map_err(|error| ("memory".to_owned(), error))
    }

    fn idle(
        &mut self,
        peer: &Peer,
        variant: Variant<'_>,
        kind: Kind,
        key: &str,
        counts: &[usize],
    ) -> Result<(), String> {
        let mut pair = self.start_as(peer, variant)?;
        let before = pair.server.memory();
        for &count in counts {
            if count as u64 + OTHER_FILES > self.machine.open_files {
                break;
            }
            pair.client.subscribe(kind, count, |_| peer.stream(TOPIC))?;
            sleep(Duration::from_millis(500));
            let each = (pair.server.memory() - before) / count as f64;
            self.results
                .add(&peer.name, format!("{key}.{count}"), each / 1024.0);
        }
        Ok(())
    }

    fn echo(&mut self, peer: &Peer) -> Outcome {
        let of = |error| ("echo".to_owned(), error);
        let mut pair = self
            .crowd(peer, Kind::Stream, &peer.stream(TOPIC), 1)
            .map_err(of)?;
        let path = peer.publish(TOPIC);
        pair.client
            .echo(&path, self.plan.samples / 10)
            .map_err(of)?;
        let mut samples = pair.client.echo(&path, self.plan.samples).map_err(of)?;
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let value = percentile(&mut samples, share) as f64 / 1e3;
            self.results.add(&peer.name, format!("echo.{name}"), value);
        }
        Ok(())
    }

    fn paced(&mut self, peer: &Peer) -> Outcome {
        for rate in self.plan.paces.clone() {
            let key = format!("paced.{rate}");
            self.paced_at(peer, &key, rate)
                .map_err(|error| (key, error))?;
        }
        Ok(())
    }

    fn paced_at(&mut self, peer: &Peer, key: &str, rate: f64) -> Result<(), String> {
        let mut pair = self.crowd(peer, Kind::Stream, &peer.stream(TOPIC), 1)?;
        let path = peer.publish(TOPIC);
        let samples = (rate * self.plan.paced.as_secs_f64()) as usize;
        pair.client.begin(1)?;
        pair.client.paced(&path, rate, samples / 10)?;
        let before = pair.server.cpu();
        let mut latencies = pair.client.paced(&path, rate, samples)?;
        let cpu = pair.server.cpu().since(before) * 1e6 / samples as f64;
        self.results.add(&peer.name, format!("{key}.cpu"), cpu);
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let value = percentile(&mut latencies, share) as f64 / 1e3;
            self.results.add(&peer.name, format!("{key}.{name}"), value);
        }
        Ok(())
    }

    fn steady(&mut self, peer: &Peer) -> Outcome {
        for (count, rate) in self.plan.crowds.clone() {
            let key = format!("steady.{count}");
            let pair = self.crowd(peer, Kind::Stream, &peer.stream(TOPIC), count);
            let measured = pair.and_then(|pair| self.steady_load(pair, peer, &key, rate));
            measured.map_err(|error| (key, error))?;
        }
        Ok(())
    }

    fn socket(&mut self, peer: &Peer) -> Outcome {
        let (Some(path), Some(&(count, rate))) = (peer.socket(), self.plan.crowds.first()) else {
            return Ok(());
        };
        let pair = self.crowd(peer, Kind::Socket, &path, count);
        let measured = pair.and_then(|pair| self.steady_load(pair, peer, "socket", rate));
        measured.map_err(|error| ("socket".to_owned(), error))
    }

    /// Plain streams and compressed ones, of a server that compresses for those who accept it.
    fn gzip(&mut self, peer: &Peer) -> Outcome {
        let Some(&(count, rate)) = self.plan.crowds.first() else {
            return Ok(());
        };
        if !peer.has_gzip() {
            return Ok(());
        }
        for (key, kind) in [("gzip.plain", Kind::Stream), ("gzip", Kind::Gzip)] {
            let path = peer.stream(TOPIC);
            let pair = self.crowd_of(peer, Variant::Gzip, kind, &path, count);
            let measured = pair.and_then(|pair| {
                if (kind == Kind::Gzip) != pair.client.is_compressed() {
                    return Err(
                        "some streams are compressed, or not, against what was asked for"
                            .to_owned(),
                    );
                }
                self.steady_load(pair, peer, key, rate)
            });
            measured.map_err(|error| (key.to_owned(), error))?;
        }
        Ok(())
    }

    fn tls(&mut self, peer: &Peer) -> Outcome {
        let Some(&(count, rate)) = self.plan.crowds.first() else {
            return Ok(());
        };
        if !peer.has_tls() {
            return Ok(());
        }
        let (variant, path) = (Variant::Tls(self.certificate), peer.stream(TOPIC));
        let kinds = [
            ("tls.http1", Kind::Stream, Kind::Stream),
            ("tls.http2", Kind::Http2(1), Kind::Http2(STREAMS_EACH)),
        ];
        for (key, idle, loaded) in kinds {
            if matches!(idle, Kind::Http2(_)) && !peer.has_http2() {
                continue;
            }
            let counts = &self.plan.idle_tls;
            let measured = self
                .idle(peer, variant, idle, &format!("{key}.memory"), counts)
                .and_then(|()| self.crowd_of(peer, variant, loaded, &path, count))
                .and_then(|pair| self.steady_load(pair, peer, key, rate));
            measured.map_err(|error| (key.to_owned(), error))?;
        }
        Ok(())
    }

    fn steady_load(
        &mut self,
        mut pair: Pair,
        peer: &Peer,
        key: &str,
        rate: f64,
    ) -> Result<(), String> {
        let before = pair.server.cpu();
        let load = pair
            .client
            .load(&peer.publish(TOPIC), rate, self.plan.steady, DRAIN)?;
        let cpu = pair.server.cpu().since(before);
        if let Some(broken) = load.broken() {
            self.results.add_broken(&peer.name, key, broken);
        }
        let name = &peer.name;
        self.results.add(
            name,
            format!("{key}.cpu"),
            cpu * 1e6 / load.delivered.max(1) as f64,
        );
        self.results.add(
            name,
            format!("{key}.bytes"),
            load.bytes as f64 / load.delivered.max(1) as f64,
        );
        for (what, nanos) in [("p50", load.p50), ("p99", load.p99), ("max", load.max)] {
            self.results
                .add(name, format!("{key}.{what}"), nanos as f64 / 1e6);
        }
        Ok(())
    }

    fn most(&mut self, peer: &Peer) -> Outcome {
        for count in self.plan.most.clone() {
            let key = format!("most.{count}");
            self.most_of(peer, &key, count)
                .map_err(|error| (key, error))?;
        }
        Ok(())
    }

    /// Goes up, or down, until one rate is held and a slightly higher one is not.
    fn most_of(&mut self, peer: &Peer, key: &str, count: usize) -> Result<(), String> {
        let crowd = |runner: &Self| runner.crowd(peer, Kind::Stream, &peer.stream(TOPIC), count);
        let path = peer.publish(TOPIC);
        // Later rounds know where to look.
        let known = self.results.get(&peer.name, &format!("{key}.rate"));
        let cost = self.results.get(&peer.name, &format!("steady.{count}.cpu"));
        let (mut rate, factor): (f64, f64) = match (known, cost) {
            (Some(known), _) if known.median > 0.0 => (known.median * 0.9, 1.3),
            (_, Some(cost)) if cost.median > 0.0 => (0.7e6 / cost.median, 1.6),
            _ => (50_000.0, 2.0),
        };
        let mut held: Option<(f64, Load)> = None;
        let mut failed: Option<(f64, String)> = None;
        // Only the first round looks further than it has to.
        let (mut again, mut leaped) = (false, known.is_some());
        let mut pair = crowd(self)?;
        for _ in 0..MOST_STEPS {
            let load = pair
                .client
                .load(&path, rate / count as f64, self.plan.step, DRAIN);
            let mut up = factor;
            match load.and_then(is_held) {
                Ok(load) => {
                    if load.p99 < HELD_P99 / 4 {
                        up = up.max(2.0);
                    }
                    held = Some((rate, load));
                    failed = failed.filter(|(high, _)| *high > rate);
                    again = false;
                }
                Err(why) => {
                    // What it has not worked off shall not weigh on the next step.
                    drop(pair);
                    pair = crowd(self)?;
                    let leap = failed.as_ref().is_some_and(|(high, _)| rate > *high);
                    // Something else on the machine may have been in the way.
                    if !leap && !again {
                        again = true;
                        continue;
                    }
                    again = false;
                    if !leap {
                        failed = Some((rate, why));
                    }
                }
            }
            rate = match (&held, &failed) {
                // Where events begin to be written together, more may be easier.
                (Some(_), Some((high, _))) if !leaped => {
                    leaped = true;
                    high * LEAP
                }
                (Some((low, _)), Some((high, _))) if high / low <= CLOSE_ENOUGH => break,
                (Some((low, _)), Some((high, _))) => (low * high).sqrt(),
                (Some((low, _)), None) => low * up,
                (None, _) => rate / factor.max(1.6),
            };
            // One event a second to each is no load any more.
            if rate < count as f64 {
                break;
            }
        }
        let why = failed.map_or_else(|| "the search's end".to_owned(), |(_, why)| why);
        let Some((rate, load)) = held else {
            self.results
                .add_note(&peer.name, key, format!("nothing was held: {why}"));
            return Ok(());
        };
        let name = &peer.name;
        self.results.add(name, format!("{key}.rate"), rate);
        self.results
            .add(name, format!("{key}.p99"), load.p99 as f64 / 1e6);
        self.results.add(name, format!("{key}.idle"), load.idle);
        self.results.add_note(name, key, why);
        if rate < HIGH_RATE {
            return Ok(());
        }
        drop(pair);
        let mut pair = crowd(self)?;
        let load = pair
            .client
            .load(&path, HIGH_RATE / count as f64, self.plan.step, DRAIN);
        // That it holds more has been seen; here only how late events are counts.
        if let Ok(load) = load.and_then(is_held) {
            let p99 = load.p99 as f64 / 1e6;
            self.results.add(&peer.name, format!("{key}.high"), p99);
        }
        Ok(())
    }

    fn topics(&mut self, peer: &Peer) -> Outcome {
        if !peer.has_topics() {
            return Ok(());
        }
        let of = |error| ("topics".to_owned(), error);
        let mut pair = self.start(peer).map_err(of)?;
        let mut exist = 0;
        for &count in &self.plan.topics {
            let path = |number: usize| peer.publish(&format!("other-{}", exist + number));
            pair.client
                .fill(count - exist, f64::INFINITY, path)
                .map_err(of)?;
            exist = count;
            self.publish_cost(&mut pair, peer, &format!("topics.{count}"))
                .map_err(of)?;
        }
        drop(pair);
        let of = |error| ("elsewhere".to_owned(), error);
        let mut pair = self.start(peer).map_err(of)?;
        for &count in &self.plan.elsewhere {
            let path = |number: usize| peer.stream(&format!("other-{}", number % 100));
            pair.client
                .subscribe(Kind::Stream, count, path)
                .map_err(of)?;
            self.publish_cost(&mut pair, peer, &format!("elsewhere.{count}"))
                .map_err(of)?;
        }
        Ok(())
    }

    fn publish_cost(&mut self, pair: &mut Pair, peer: &Peer, key: &str) -> Result<(), String> {
        let path = peer.publish(TOPIC);
        pair.client.requests(&path, self.plan.samples / 10)?;
        let before = pair.server.cpu();
        let mut samples = pair.client.requests(&path, self.plan.samples)?;
        let cpu = pair.server.cpu().since(before) * 1e6 / samples.len() as f64;
        self.results.add(&peer.name, format!("{key}.cpu"), cpu);
        self.results.add(
            &peer.name,
            format!("{key}.p50"),
            percentile(&mut samples, 0.5) as f64 / 1e3,
        );
        Ok(())
    }

    fn replay(&mut self, peer: &Peer) -> Outcome {
        let Some(path) = peer.replay() else {
            return Ok(());
        };
        let of = |error| ("replay".to_owned(), error);
        let mut pair = self.start(peer).map_err(of)?;
        let publish = peer.publish(TOPIC);
        if peer.takes_streams() {
            pair.client
                .fill_by_stream(HISTORY as u32, &publish)
                .map_err(of)?;
        } else {
            pair.client
                .fill(HISTORY, FILL_RATE, |_| publish.clone())
                .map_err(of)?;
        }
        let (count, took) = pair
            .client
            .replay(HISTORY as u64, &path, REPLAY)
            .map_err(of)?;
        let seconds = took.as_secs_f64();
        self.results
            .add(&peer.name, "replay", count as f64 / seconds);
        if count < HISTORY as u64 {
            let note = format!("stopped after {seconds:.0} seconds, before its end");
            self.results.add_note(&peer.name, "replay", note);
        }
        Ok(())
    }
}

/// Done, or the measurement that failed and why.
type Outcome = Result<(), (String, String)>;

/// The load, if it was held, or why it was not.
fn is_held(load: Load) -> Result<Load, String> {
    if load.refused > 0 {
        return Err("publishes refused or not answered".to_owned());
    }
    if load.closed > 0 {
        return Err("streams closed".to_owned());
    }
    if load.faults.duplicate > 0 || load.faults.reordered > 0 {
        return Err("events duplicate or reordered".to_owned());
    }
    // What is late at a rate that is too high may be on its way.
    let late = (load.in_time as f64) < load.offered as f64 * HELD_SHARE;
    match (late, load.faults.missing > 0, load.p99 > HELD_P99) {
        (true, _, _) => Err("late".to_owned()),
        (_, true, _) => Err("events missing".to_owned()),
        (_, _, true) => Err("p99 over 100 ms".to_owned()),
        _ => Ok(load),
    }
}
