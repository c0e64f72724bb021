//! Results of publications by the key that the publisher gave them, so that repeating one changes nothing.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::publication::Published;
use super::topic::Topic;

/// How long a result is remembered: longer than any publisher goes on trying.
const MAX_AGE: Duration = Duration::from_secs(3_600);

/// How many results are remembered over all topics, so that keys do not fill the memory.
const MAX_RESULTS: usize = 10_000;

type Key = (Topic, String);

#[derive(Debug, Default)]
pub(super) struct Idempotency {
    results: HashMap<Key, Published>,
    oldest_first: VecDeque<(Instant, Key)>,
}

impl Idempotency {
    /// The result of what was published first under a key.
    pub(super) fn first_result(&self, topic: &Topic, key: &str) -> Option<Published> {
        let first = self.results.get(&(topic.clone(), key.to_owned()))?;
        Some(Published {
            is_repeat: true,
            ..first.clone()
        })
    }

    /// Remembers the result of a first publication.
    pub(super) fn remember(&mut self, key: String, published: &Published) {
        let now = Instant::now();
        while let Some((at, _)) = self.oldest_first.front()
            && (now.duration_since(*at) > MAX_AGE || self.oldest_first.len() >= MAX_RESULTS)
        {
            if let Some((_, key)) = self.oldest_first.pop_front() {
                self.results.remove(&key);
            }
        }
        let key = (published.topic.clone(), key);
        self.oldest_first.push_back((now, key.clone()));
        self.results.insert(key, published.clone());
    }
}
