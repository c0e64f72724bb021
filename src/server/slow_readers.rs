//! What a slow reader sees under each policy. Ten prices a second are published for eight seconds to a topic in a hub of its own; three
//! readers, one for each policy, read for two seconds, take nothing for four, and read again. Their streams are those of
//! any topic, with a write timeout of one second; only the socket is missing, in whose place the reader itself waits.

use std::time::Duration;

use clap::ValueEnum;
use futures_util::future::try_join3;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout_at};

use super::http::client_address::ClientAddress;
use super::http::problem::Problem;
use super::limits::shares::Shares;
use super::ops::metrics::DeliveryStats;
use super::state::AppState;
use super::stream::session::{CloseReason, StreamItem, StreamSession, StreamTimings};
use crate::hub::publish::{Preconditions, PublishRequest};
use crate::hub::subscriber::{LagPolicy, Start, Subscription};
use crate::hub::topic::Topic;
use crate::hub::{Hub, Limits};
use crate::protocol::problem::ProblemCode;

/// How many of these run at once, in all and for one client.
const MAX_RUNS: [usize; 2] = [16, 2];

/// The time between two prices.
const PACE: Duration = Duration::from_millis(100);

/// How many prices there are.
const PRICES: usize = 80;

/// When the readers stop to read, and when they go on.
const STALL: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(6)];

/// When everything is over.
const END: Duration = Duration::from_millis(8_500);

/// After how long a reader that takes nothing is too slow.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a reader waits that was disconnected.
const RETRY: Duration = Duration::from_millis(500);

/// A price that is older when it is read is late.
const LATE: Duration = Duration::from_secs(1);

/// More than is published.
const LIMITS: Limits = Limits {
    events: 1_000,
    age: Duration::from_secs(60),
    bytes: 256 * 1_024,
    tail_bytes: 256 * 1_024,
    topics: 1,
    // A reader that comes back has two for a moment.
    subscriptions: 6,
};

/// What the three readers saw.
#[derive(Debug, Serialize)]
pub(in crate::server) struct SlowReaders {
    /// How many prices were published.
    published: usize,
    readers: [Seen; 3],
}

/// What one reader saw.
#[derive(Debug, Serialize)]
struct Seen {
    /// Its policy, as a query names it.
    policy: String,
    /// How many prices it has read.
    received: usize,
    /// How many it has not.
    missed: usize,
    /// How many it read more than a second after they were published.
    late: usize,
    /// How old the first price was after the pause.
    first_after_ms: u64,
    /// How often it got a `gap`.
    gaps: usize,
    /// How often it was disconnected, and came back.
    reconnects: usize,
}

/// As many places as there are runs.
pub(in crate::server) fn places() -> Shares {
    let [in_all, of_one] = MAX_RUNS;
    Shares::new(in_all, of_one)
}

/// Lets three readers be slow.
///
/// # Errors
///
/// A problem if there are as many runs as there may be, or as many streams.
pub(in crate::server) async fn run(
    state: &AppState,
    client: Option<ClientAddress>,
) -> Result<SlowReaders, Problem> {
    let _place = state.slow_readers.take(client, 1).map_err(|_| {
        let detail = format!(
            "slow readers are being watched already: wait {} s and try again",
            END.as_secs() + 1
        );
        Problem::new(ProblemCode::RateLimited, detail).with_retry_after(END.mul_f64(1.1))
    })?;
    let topic = Topic::new("prices")
        .map_err(|error| Problem::new(ProblemCode::InvalidTopic, error.to_string()))?;
    let run = Run {
        state,
        client,
        hub: Hub::new(LIMITS),
        topic,
        began: Instant::now(),
    };
    let reading = try_join3(
        run.read(LagPolicy::Disconnect),
        run.read(LagPolicy::Skip),
        run.read(LagPolicy::Latest),
    );
    let (seen, ()) = tokio::join!(reading, run.publish());
    let (disconnected, skipped, latest) = seen?;
    Ok(SlowReaders {
        published: PRICES,
        readers: [disconnected, skipped, latest],
    })
}

struct Run<'a> {
    state: &'a AppState,
    client: Option<ClientAddress>,
    hub: Hub,
    topic: Topic,
    began: Instant,
}

impl Run<'_> {
    async fn publish(&self) {
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0..PRICES {
            ticks.tick().await;
            let event = PublishRequest::text(number.to_string());
            let published = self
                .hub
                .publish(&self.topic, event, Preconditions::default());
            if let Err(error) = published.await {
                tracing::debug!("a price for slow readers could not be published: {error}");
            }
        }
    }

    fn open(&self, policy: LagPolicy, start: Start) -> Result<StreamSession, Problem> {
        let permit = self.state.admit(self.client, 1);
        let permit = permit.ok_or_else(Problem::too_many_streams)?;
        let subscription = Subscription::public(self.topic.clone(), start, policy);
        let subscriber = self.hub.subscribe(&subscription);
        // The topic never ends, so there are too many subscriptions.
        let subscriber = subscriber.map_err(|_| Problem::too_many_streams())?;
        let timings = StreamTimings {
            write_timeout: WRITE_TIMEOUT,
            ..self.state.stream_config.timings(policy)
        };
        Ok(StreamSession::new(subscriber, permit, timings, false))
    }

    async fn read(&self, policy: LagPolicy) -> Result<Seen, Problem> {
        let [stall, goes_on] = STALL.map(|at| self.began + at);
        let end = self.began + END;
        let mut seen = Seen {
            policy: policy
                .to_possible_value()
                .map(|value| value.get_name().to_owned())
                .unwrap_or_default(),
            received: 0,
            missed: 0,
            late: 0,
            first_after_ms: 0,
            gaps: 0,
            reconnects: 0,
        };
        let mut session = self.open(policy, Start::Now)?;
        let mut stats = DeliveryStats::default();
        let mut has_stalled = false;
        let mut is_back = false;
        let mut last = None;
        while let Ok(next) = timeout_at(end, session.next()).await {
            match next {
                Ok(StreamItem::Batch(batch)) => {
                    let now = Instant::now();
                    session.begin_sending(0, Some(&batch), now, &mut stats);
                    for entry in batch.entries() {
                        let age = now.saturating_duration_since(entry.appended_at());
                        if has_stalled && !is_back {
                            is_back = true;
                            seen.first_after_ms =
                                u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
                        }
                        seen.received += 1;
                        seen.late += usize::from(age > LATE);
                        last = Some(entry.event.id.clone());
                    }
                    if now >= stall && !has_stalled {
                        has_stalled = true;
                        sleep_until(goes_on).await;
                    }
                    session.done(Instant::now());
                }
                Ok(StreamItem::Gap(..)) => seen.gaps += 1,
                Ok(StreamItem::Consumers(_) | StreamItem::Presence(_) | StreamItem::Heartbeat) => {}
                Err(CloseReason::TooSlow) => {
                    seen.reconnects += 1;
                    sleep(RETRY).await;
                    let start = last.clone().map_or(Start::Now, Start::after);
                    session = self.open(policy, start)?;
                }
                // All streams end: the server stops, or was asked to.
                Err(_) => break,
            }
        }
        seen.missed = PRICES.saturating_sub(seen.received);
        Ok(seen)
    }
}
