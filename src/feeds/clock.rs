//! The clock: tells everyone the time.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local, SecondsFormat};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::hub::publish::{Preconditions, PublishRequest};
use crate::hub::topic::Topic;

/// Publishes the time to the clock's topic at once and then at every interval, until it is cancelled.
pub async fn run(hub: Hub, interval: Duration, cancelled: CancellationToken) {
    let topic = Topic::clock();
    let mut ticks = tokio::time::interval(interval);
    // After a suspended machine wakes, one tick tells the time as well as a thousand.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut is_first = true;
    while cancelled.run_until_cancelled(ticks.tick()).await.is_some() {
        // Unlike `Local::now`, this takes a clock that stands before 1970.
        let now = DateTime::<Local>::from(SystemTime::now());
        match hub
            .publish(&topic, tick(now), Preconditions::default())
            .await
        {
            Ok(published) => {
                let consumers = published.subscribers;
                // The first shows that the clock runs; the others would fill the log.
                if std::mem::take(&mut is_first) {
                    tracing::info!("hello has been sent (consumers: {consumers})");
                } else {
                    tracing::debug!("hello has been sent (consumers: {consumers})");
                }
            }
            Err(error) => tracing::warn!("hello could not be sent: {error}"),
        }
    }
}

fn tick(now: DateTime<Local>) -> PublishRequest {
    let now = now.to_rfc3339_opts(SecondsFormat::Millis, false);
    PublishRequest::text(format!("hello, now is: {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
