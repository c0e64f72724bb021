//! The clock: tells everyone the time.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local, SecondsFormat};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::hub::publish::{Preconditions, PublishRequest};
use crate::hub::topic::Topic;
use crate::hub::{HistoryQuery, Hub};
use crate::protocol::event::EventId;

/// Publishes the time to the clock's topic at once and then at every interval, until it is cancelled. Several servers that
/// share a log have one clock: each leaves out a tick if another has told the time lately.
pub async fn run(hub: Hub, interval: Duration, cancelled: CancellationToken) {
    let topic = Topic::clock();
    let mut ticks = tokio::time::interval(interval);
    // After a suspended machine wakes, one tick tells the time as well as a thousand.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut is_first = true;
    let mut is_silent = false;
    let mut last = None;
    while cancelled.run_until_cancelled(ticks.tick()).await.is_some() {
        if is_told_elsewhere(&hub, &topic, last.as_ref(), interval) {
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
                last = Some(published.id);
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

/// Whether another server has told the time so lately that the next tick is its matter as well.
fn is_told_elsewhere(hub: &Hub, topic: &Topic, last: Option<&EventId>, interval: Duration) -> bool {
    let newest = hub.snapshot(
        topic,
        &HistoryQuery {
            count: 1,
            max_bytes: usize::MAX,
            before: None,
            with_private: false,
        },
    );
    newest.events.last().is_some_and(|newest| {
        let age = SystemTime::now().duration_since(newest.published_at);
        last != Some(&newest.event.id) && age.unwrap_or_default() < interval.mul_f64(0.75)
    })
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
        assert!(is_told_elsewhere(&hub, &topic, None, interval));
        let clock = tokio::spawn(run(hub.clone(), interval, cancelled.clone()));
        tokio::time::sleep(3 * interval).await;
        assert_eq!(newest(), 1, "it was told a moment ago, by the wall clock");
        cancelled.cancel();
        clock.await.expect("the end");
        let own = hub.publish(&topic, tick(Local::now()), Preconditions::default());
        let own = own.await.expect("published").id;
        assert!(!is_told_elsewhere(&hub, &topic, Some(&own), interval));
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
