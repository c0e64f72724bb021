//! The comparisons of an EventSource with a WebSocket that pages show: each is a topic of its own, with a feed, and an
//! observer for the connections of either kind. A comparison begins with its first connection and is forgotten when it has
//! had none for a while; a page that comes back then begins it anew under the same id.
//!
//! They have a hub of their own, in memory: no other topic loses history or a place to them, no list or pattern shows them,
//! and no log on disk or on other servers keeps what they publish. The streams are those of any topic, and count for the
//! limits of streams.
//!
//! ```text
//! let comparison = comparisons.join(&id, client)?;   // begins it if it is new
//! comparison.events.counts();
//! comparison.experiment(Experiment::Cut).await?;
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::feeds::compare::{self, FeedProgress};
use crate::hub::position::Epoch;
use crate::hub::topic::Topic;
use crate::hub::{Hub, Limits};
use crate::protocol::compare::{BURST_EVENTS, Experiment, HOLD_SECONDS};
use crate::protocol::problem::ProblemCode;
use crate::server::http::client_address::ClientAddress;
use crate::server::http::problem::Problem;
use crate::server::limits::shares::{Exhausted, Share, Shares};
use crate::server::random_id;
use crate::server::stream::observer::{Counts, Handshake, Observer};

/// How many comparisons there are at once, in all and of one client.
const MAX_COMPARISONS: [usize; 2] = [100, 8];

/// How long a comparison without a connection goes on: as long as a browser may take to come back.
const PATIENCE: Duration = Duration::from_secs(30);

/// The shortest time between two experiments of a comparison, and between two bursts. An experiment that comes earlier waits for
/// its turn, one at most; a burst that comes too soon after the last burst is refused.
const EXPERIMENT_INTERVAL: Duration = Duration::from_millis(200);
const BURST_INTERVAL: Duration = Duration::from_secs(3);

/// What the hub of all comparisons holds. A connection that was lost for a minute, and a burst with it, gets all of it.
const LIMITS: Limits = Limits {
    events: BURST_EVENTS + 100,
    age: Duration::from_secs(120),
    bytes: 32 << 20,
    tail_bytes: 8 << 20,
    // Those that were forgotten are there until their events have expired.
    topics: 1_000,
    subscriptions: 1_000,
};

/// Names a comparison. A client that does not have the page cannot guess it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::server) struct ComparisonId(Arc<str>);

/// All comparisons; clones share them.
#[derive(Clone)]
pub(in crate::server) struct Comparisons(Arc<Shared>);

struct Shared {
    hub: Hub,
    places: Shares,
    open: Mutex<HashMap<ComparisonId, Arc<Comparison>>>,
    shutdown: CancellationToken,
}

/// One comparison.
pub(in crate::server) struct Comparison {
    pub(in crate::server) topic: Topic,
    /// Of its event streams.
    pub(in crate::server) events: Arc<Observer>,
    /// Of its WebSockets.
    pub(in crate::server) socket: Arc<Observer>,
    /// The next request for its event stream is answered with 204.
    refuses: AtomicBool,
    progress: Arc<FeedProgress>,
    extra: mpsc::Sender<usize>,
    last_experiment: Mutex<[Option<Instant>; 2]>,
    _place: Share,
}

/// What the server knows of a comparison, as JSON.
#[derive(Serialize)]
pub(in crate::server) struct Numbers {
    /// The number of the newest event.
    published: u64,
    /// The run that the number belongs to.
    run: String,
    event_source: OfConnection,
    web_socket: OfConnection,
}

#[derive(Serialize)]
struct OfConnection {
    #[serde(flatten)]
    counts: Counts,
    #[serde(flatten)]
    handshake: Handshake,
}

impl ComparisonId {
    /// An id that no client has.
    ///
    /// # Errors
    ///
    /// A problem if the system's random source fails.
    pub(in crate::server) fn random() -> Result<Self, Problem> {
        Ok(Self(random_id::new()?.into()))
    }

    /// Takes a text as an id; `None` if it cannot be one.
    pub(in crate::server) fn read(text: &str) -> Option<Self> {
        random_id::is_one(text).then(|| Self(text.into()))
    }

    pub(in crate::server) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Comparisons {
    pub(in crate::server) fn new(shutdown: CancellationToken) -> Self {
        let [in_all, of_one] = MAX_COMPARISONS;
        Self(Arc::new(Shared {
            hub: Hub::new(LIMITS),
            places: Shares::new(in_all, of_one),
            open: Mutex::default(),
            shutdown,
        }))
    }

    /// The hub that their streams read.
    pub(in crate::server) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// The comparison of this id; it begins if there is none.
    ///
    /// # Errors
    ///
    /// A problem if there are as many as there may be.
    pub(in crate::server) fn join(
        &self,
        id: &ComparisonId,
        client: Option<ClientAddress>,
    ) -> Result<Arc<Comparison>, Problem> {
        let mut open = self.0.open.lock();
        if let Some(comparison) = open.get(id) {
            return Ok(Arc::clone(comparison));
        }
        let place = self.0.places.take(client, 1).map_err(too_many)?;
        let topic = Topic::new(&format!("compare/{}", id.as_str()))
            .map_err(|error| Problem::new(ProblemCode::InvalidTopic, error.to_string()))?;
        let progress = Arc::new(FeedProgress {
            run: Epoch::now().as_str().to_owned(),
            published: AtomicU64::new(0),
        });
        let (extra, asked) = mpsc::channel(1);
        let comparison = Arc::new(Comparison {
            topic: topic.clone(),
            events: Arc::default(),
            socket: Arc::default(),
            refuses: AtomicBool::new(false),
            progress: Arc::clone(&progress),
            extra,
            last_experiment: Mutex::default(),
            _place: place,
        });
        open.insert(id.clone(), Arc::clone(&comparison));
        let forgotten = Forgotten {
            comparisons: self.clone(),
            id: id.clone(),
        };
        let (hub, shutdown) = (self.0.hub.clone(), self.0.shutdown.clone());
        tokio::spawn(async move {
            compare::run(hub, topic, progress, asked, PATIENCE, shutdown).await;
            drop(forgotten);
        });
        Ok(comparison)
    }

    /// The comparison of this id, if it has begun.
    ///
    /// # Errors
    ///
    /// A problem that says why a page finds none.
    pub(in crate::server) fn find(
        &self,
        id: &ComparisonId,
        client: Option<ClientAddress>,
    ) -> Result<Arc<Comparison>, Problem> {
        if let Some(comparison) = self.0.open.lock().get(id) {
            return Ok(Arc::clone(comparison));
        }
        // A page whose connections were refused asks why, which an EventSource does not show.
        self.0.places.take(client, 1).map_err(too_many)?;
        Err(Problem::new(
            ProblemCode::NoComparison,
            "this comparison has no connection: open its event stream or its WebSocket first",
        ))
    }
}

/// Forgets a comparison when its feed has ended, however that came.
struct Forgotten {
    comparisons: Comparisons,
    id: ComparisonId,
}

impl Drop for Forgotten {
    fn drop(&mut self) {
        self.comparisons.0.open.lock().remove(&self.id);
    }
}

fn too_many(exhausted: Exhausted) -> Problem {
    let [in_all, of_one] = MAX_COMPARISONS;
    let detail = match exhausted {
        Exhausted::OfClient => format!(
            "your address has {of_one} comparisons open, which is as many as it may have: close another page that compares, and reload this one after {} s",
            PATIENCE.as_secs()
        ),
        Exhausted::InAll => format!(
            "{in_all} comparisons are open, which is as many as there may be: reload the page later"
        ),
    };
    Problem::new(ProblemCode::TooManyComparisons, detail).with_retry_after(PATIENCE)
}

impl Comparison {
    /// What the server knows of it.
    pub(in crate::server) fn numbers(&self) -> Numbers {
        let of = |observer: &Observer| OfConnection {
            counts: observer.counts(),
            handshake: observer.handshake(),
        };
        Numbers {
            published: self.progress.published.load(Ordering::Relaxed),
            run: self.progress.run.clone(),
            event_source: of(&self.events),
            web_socket: of(&self.socket),
        }
    }

    /// Does an experiment, a moment later if the last one was a moment ago. Returns the number of the newest event before it.
    ///
    /// # Errors
    ///
    /// A problem if another one waits for its turn already, or a burst comes too soon after the last.
    pub(in crate::server) async fn experiment(
        &self,
        experiment: Experiment,
    ) -> Result<u64, Problem> {
        let turn = self.take_turn(experiment)?;
        tokio::time::sleep_until(turn).await;
        let published = self.progress.published.load(Ordering::Relaxed);
        match experiment {
            Experiment::Cut => {
                self.events.end();
                self.socket.end();
                self.publish(1)?;
            }
            Experiment::Refuse => {
                self.refuses.store(true, Ordering::Relaxed);
                self.events.end();
                self.publish(1)?;
            }
            Experiment::Hold => {
                let time = Duration::from_secs(HOLD_SECONDS);
                self.events.hold(time);
                self.socket.hold(time);
            }
            Experiment::Burst => self.publish(BURST_EVENTS)?,
        }
        Ok(published)
    }

    /// Whether the event stream is refused this time.
    pub(in crate::server) fn refuses_once(&self) -> bool {
        self.refuses.swap(false, Ordering::Relaxed)
    }

    /// Has the feed publish more at once. That wakes the streams, and those that are to end do so.
    fn publish(&self, count: usize) -> Result<(), Problem> {
        self.extra
            .try_send(count)
            .map_err(|_| too_often(BURST_INTERVAL))
    }

    /// When an experiment may be done: now, or [`EXPERIMENT_INTERVAL`] after the last. One waits; the next is refused.
    fn take_turn(&self, experiment: Experiment) -> Result<Instant, Problem> {
        let now = Instant::now();
        let mut last = self.last_experiment.lock();
        let [any, burst] = *last;
        let turn = any.map_or(now, |at| now.max(at + EXPERIMENT_INTERVAL));
        if turn > now + EXPERIMENT_INTERVAL {
            return Err(too_often(EXPERIMENT_INTERVAL));
        }
        let is_burst = experiment == Experiment::Burst;
        if is_burst && burst.is_some_and(|at| turn < at + BURST_INTERVAL) {
            return Err(too_often(BURST_INTERVAL));
        }
        *last = [Some(turn), if is_burst { Some(turn) } else { burst }];
        Ok(turn)
    }
}

fn too_often(interval: Duration) -> Problem {
    let wait = Duration::from_secs(interval.as_secs().max(1));
    let detail = format!(
        "a comparison does one experiment at a time: wait {} s and try again",
        wait.as_secs()
    );
    Problem::new(ProblemCode::RateLimited, detail).with_retry_after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(address: &str) -> Option<ClientAddress> {
        Some(ClientAddress::new(address.parse().expect("an address")))
    }

    #[test]
    fn an_id_is_22_characters_that_a_path_carries_as_they_are() {
        let id = ComparisonId::random().expect("an id");
        assert_eq!(ComparisonId::read(id.as_str()), Some(id.clone()));
        assert_ne!(ComparisonId::random().expect("another"), id);
        for other in ["", "a", &"a".repeat(23), &"é".repeat(11), &"/".repeat(22)] {
            assert_eq!(ComparisonId::read(other), None, "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn comparisons_are_bounded_for_one_client_and_in_all_and_come_back() {
        let comparisons = Comparisons::new(CancellationToken::new());
        let [in_all, of_one] = MAX_COMPARISONS;
        let begin = |address: &str| {
            let id = ComparisonId::random().expect("an id");
            comparisons.join(&id, client(address)).map(|_| id)
        };
        let first = begin("192.0.2.1").expect("a place");
        for _ in 1..of_one {
            begin("192.0.2.1").expect("a place");
        }
        let refused = begin("192.0.2.1").expect_err("as many as it may have");
        assert_eq!(refused.code, ProblemCode::TooManyComparisons);
        assert!(
            refused.detail.contains("your address"),
            "{}",
            refused.detail
        );
        comparisons
            .join(&first, client("192.0.2.1"))
            .expect("its own again");
        for number in of_one..in_all {
            begin(&format!("198.51.100.{number}")).expect("a place");
        }
        let refused = begin("203.0.113.1").expect_err("as many as there are");
        assert!(
            !refused.detail.contains("your address"),
            "{}",
            refused.detail
        );
        // None of them has a connection.
        tokio::time::sleep(2 * PATIENCE).await;
        assert!(comparisons.0.open.lock().is_empty());
        assert_eq!(comparisons.0.places.taken(), 0);
        begin("203.0.113.1").expect("a place again");
    }

    #[tokio::test(start_paused = true)]
    async fn experiments_come_one_after_the_other_and_one_at_most_waits_for_its_turn() {
        let comparisons = Comparisons::new(CancellationToken::new());
        let id = ComparisonId::random().expect("an id");
        let comparison = comparisons.join(&id, None).expect("a place");
        let code = async |experiment| {
            let done = comparison.experiment(experiment).await;
            done.map_err(|problem| problem.code)
        };
        let started = Instant::now();
        assert_eq!(code(Experiment::Burst).await, Ok(0));
        assert_eq!(started.elapsed(), Duration::ZERO);
        let (waits, is_refused) = tokio::join!(code(Experiment::Cut), code(Experiment::Cut));
        assert_eq!(waits, Ok(BURST_EVENTS as u64));
        assert_eq!(started.elapsed(), EXPERIMENT_INTERVAL);
        assert_eq!(is_refused, Err(ProblemCode::RateLimited));
        tokio::time::sleep(EXPERIMENT_INTERVAL).await;
        let refused = code(Experiment::Burst).await;
        assert_eq!(refused, Err(ProblemCode::RateLimited));
        assert_eq!(started.elapsed(), 2 * EXPERIMENT_INTERVAL, "at once");
        tokio::time::sleep(BURST_INTERVAL).await;
        assert!(code(Experiment::Burst).await.is_ok());
    }
}
