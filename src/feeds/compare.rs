//! The feed of one comparison of an EventSource with a WebSocket: numbered events, one each second and as many at once as
//! are asked for, for as long as its topic has readers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::hub::publish::{Preconditions, PublishRequest};
use crate::hub::topic::Topic;
use crate::protocol::compare::Tick;

/// The time between two events.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many events are published before other tasks of this thread get their turn.
const AT_ONCE: usize = 50;

/// How far a feed has come.
#[derive(Debug)]
pub struct FeedProgress {
    /// The run that the numbers of its events belong to.
    pub run: String,
    /// The number of the newest event.
    pub published: AtomicU64,
}

/// Publishes to a topic each second, and so many more events at once whenever `extra` says so, until the topic has had no
/// reader for `patience`, or the feed is cancelled.
pub async fn run(
    hub: Hub,
    topic: Topic,
    progress: Arc<FeedProgress>,
    mut extra: mpsc::Receiver<usize>,
    patience: Duration,
    cancelled: CancellationToken,
) {
    let mut ticks = tokio::time::interval_at(Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last_read = Instant::now();
    loop {
        let count = tokio::select! {
            () = cancelled.cancelled() => return,
            _ = ticks.tick() => 1,
            Some(count) = extra.recv() => count,
        };
        for done in 1..=count {
            let number = progress.published.load(Ordering::Relaxed) + 1;
            let event = PublishRequest::text(data(number, &progress.run));
            if let Err(error) = hub.publish(&topic, event, Preconditions::default()).await {
                tracing::debug!("an event of a comparison could not be published: {error}");
                return;
            }
            progress.published.store(number, Ordering::Relaxed);
            if done % AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        if hub.subscribers(&topic) > 0 {
            last_read = Instant::now();
        } else if last_read.elapsed() >= patience {
            return;
        }
    }
}

fn data(number: u64, run: &str) -> String {
    let time =
        DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Millis, true);
    let time = &time;
    Tick { number, time, run }.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::subscriber::{LagPolicy, ReadOutcome, Start, Subscriber, Subscription};
    use crate::hub::{HistoryQuery, Limits};

    const PATIENCE: Duration = Duration::from_secs(30);

    struct Feed {
        hub: Hub,
        topic: Topic,
        progress: Arc<FeedProgress>,
        extra: mpsc::Sender<usize>,
        task: tokio::task::JoinHandle<()>,
    }

    fn start() -> Feed {
        let (hub, topic) = (Hub::new(Limits::default()), Topic::clock());
        let progress = Arc::new(FeedProgress {
            run: "a".to_owned(),
            published: AtomicU64::new(0),
        });
        let (extra, asked) = mpsc::channel(1);
        let task = tokio::spawn(run(
            hub.clone(),
            topic.clone(),
            Arc::clone(&progress),
            asked,
            PATIENCE,
            CancellationToken::new(),
        ));
        Feed {
            hub,
            topic,
            progress,
            extra,
            task,
        }
    }

    async fn read(subscriber: &mut Subscriber) -> Vec<String> {
        subscriber.ready().await;
        let ReadOutcome::Batch(batch) = subscriber.read(1 << 20) else {
            panic!("events were published");
        };
        let entries = batch.entries().iter();
        entries.map(|entry| entry.event.data.clone()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_counts_each_second_and_in_a_burst_without_leaving_a_number_out() {
        let feed = start();
        let reader = Subscription::public(feed.topic.clone(), Start::Now, LagPolicy::Disconnect);
        let mut reader = feed.hub.subscribe(&reader).expect("a subscriber");
        let started = Instant::now();
        let first = read(&mut reader).await;
        assert_eq!(started.elapsed(), INTERVAL);
        assert_eq!(Tick::read(&first[0]).map(|tick| tick.number), Some(1));
        feed.extra.send(120).await.expect("the feed runs");
        let mut numbers = Vec::new();
        while numbers.len() < 120 {
            let data = read(&mut reader).await;
            numbers.extend(
                data.iter()
                    .filter_map(|data| Some(Tick::read(data)?.number)),
            );
        }
        assert_eq!(numbers, (2..=121).collect::<Vec<_>>());
        assert_eq!(feed.progress.published.load(Ordering::Relaxed), 121);
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_ends_when_its_topic_has_had_no_reader_for_long() {
        let feed = start();
        let reader = Subscription::public(feed.topic.clone(), Start::Now, LagPolicy::Disconnect);
        let reader = feed.hub.subscribe(&reader).expect("a subscriber");
        tokio::time::sleep(10 * PATIENCE).await;
        assert!(!feed.task.is_finished(), "the reader is there");
        drop(reader);
        let gone = Instant::now();
        feed.task.await.expect("the end");
        assert!((PATIENCE - INTERVAL..=PATIENCE + INTERVAL).contains(&gone.elapsed()));
        let kept = feed.hub.snapshot(
            &feed.topic,
            &HistoryQuery {
                count: 1,
                max_bytes: usize::MAX,
                before: None,
                with_private: false,
            },
        );
        assert!(!kept.has_ended, "a reader that comes back goes on");
    }
}
