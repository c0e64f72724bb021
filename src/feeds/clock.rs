//! The clock: tells everyone the time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local, SecondsFormat};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::turn::Turn;
use super::{Feed, FeedTask, FeedTopics};
use crate::hub::Hub;
use crate::hub::publish::{Preconditions, PublishRequest};
use crate::hub::topic::Topic;

/// Publishes the time to its topic at once and then at every interval. Several servers that share a log have one clock: each
/// leaves out a tick if another has told the time lately.
#[derive(Debug)]
pub struct Clock {
    interval: Duration,
}

impl Clock {
    /// A clock that ticks at this interval.
    pub fn new(interval: Duration) -> Self {
        Self { interval }
    }

    /// Whether another server has told the time so lately that the next tick is its matter as well.
    fn is_told_elsewhere(&self, turn: &Turn, hub: &Hub) -> bool {
        turn.is_of_another(hub, self.interval.mul_f64(0.75))
    }

    async fn tick_until(&self, hub: &Hub, cancelled: &CancellationToken) {
        let topic = Topic::clock();
        let mut turn = Turn::new(vec![topic.clone()]);
        let mut ticks = tokio::time::interval(self.interval);
        // After a suspended machine wakes, one tick tells the time as well as a thousand.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut is_first = true;
        let mut is_silent = false;
        while cancelled.run_until_cancelled(ticks.tick()).await.is_some() {
            if self.is_told_elsewhere(&turn, hub) {
                continue;
            }
            // Unlike `Local::now`, this takes a clock that stands before 1970.
            let now = DateTime::<Local>::from(SystemTime::now());
            match hub
                .publish(&topic, tick(now), Preconditions::default())
                .await
            {
                Ok(published) => {
                    let consumers = published.subscribers;
                    turn.published(published.id);
                    is_silent = false;
                    // The first shows that the clock runs; the others would fill the log.
                    if std::mem::take(&mut is_first) {
                        tracing::info!("hello has been sent (consumers: {consumers})");
                    } else {
                        tracing::debug!("hello has been sent (consumers: {consumers})");
                    }
                }
                // The first shows that the log is away; the others would fill the log of the process.
                Err(error) if !std::mem::replace(&mut is_silent, true) => {
                    tracing::warn!("hello could not be sent: {error}");
                }
                Err(error) => tracing::debug!("hello could not be sent: {error}"),
            }
        }
    }
}

impl Feed for Clock {
    fn name(&self) -> &'static str {
        "the clock"
    }

    fn topics(&self) -> FeedTopics {
        FeedTopics::One(Topic::clock())
    }

    fn run(self: Arc<Self>, hub: Hub, cancelled: CancellationToken) -> FeedTask {
        Box::pin(async move { self.tick_until(&hub, &cancelled).await })
    }
}

fn tick(now: DateTime<Local>) -> PublishRequest {
    let now = now.to_rfc3339_opts(SecondsFormat::Millis, false);
    PublishRequest::text(format!("hello, now is: {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Limits;

    #[tokio::test(start_paused = true)]
    async fn a_clock_leaves_out_the_ticks_that_another_server_tells() {
        let (hub, topic) = (Hub::new(Limits::default()), Topic::clock());
        let newest = || hub.totals().published;
        let interval = Duration::from_secs(600);
        let cancelled = CancellationToken::new();
        let elsewhere = PublishRequest::text("told elsewhere");
        let published = hub.publish(&topic, elsewhere, Preconditions::default());
        published.await.expect("published");
        let clock = Arc::new(Clock::new(interval));
        let clock = tokio::spawn(clock.run(hub.clone(), cancelled.clone()));
        tokio::time::sleep(3 * interval).await;
        assert_eq!(newest(), 1, "it was told a moment ago, by the wall clock");
        cancelled.cancel();
        clock.await.expect("the end");
    }

    #[test]
    fn a_tick_says_the_time_with_milliseconds_and_offset() {
        let time = DateTime::parse_from_rfc3339("2026-11-22T16:12:37.12Z").expect("a time");
        let data = tick(time.with_timezone(&Local)).data;
        let said = data.strip_prefix("hello, now is: ").expect("the greeting");
        assert_eq!(DateTime::parse_from_rfc3339(said).expect("RFC 3339"), time);
        assert!(
            regex::Regex::new(r"\.120[+-]\d\d:\d\d$")
                .expect("a pattern")
                .is_match(said),
            "{said}"
        );
    }
}
