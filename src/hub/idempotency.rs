//! Results of publications by the key that the publisher gave them, so that repeating a request changes nothing. A result
//! is remembered for [`IDEMPOTENCY_AGE`], never shorter: when a publisher's share or the whole table is full, a new key is
//! refused, since a key that was forgotten early would let a repeated request publish twice.
//!
//! A result takes some 100 bytes: keys and requests are kept as keyed hashes, which a publisher cannot foresee.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry as MapEntry, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use super::position::Offset;
use super::publication::{IDEMPOTENCY_AGE, IdempotencyKey, Publication, PublishError};
use super::topic::Topic;

/// How many results are remembered for one publisher.
const MAX_OF_PUBLISHER: usize = 50_000;

/// How many results are remembered in all.
const MAX_RESULTS: usize = 300_000;

/// The results of the last hour.
#[derive(Debug, Default)]
pub(super) struct Idempotency {
    results: HashMap<KeyHash, FirstResult>,
    oldest_first: VecDeque<Remembered>,
    /// How many results of each publisher are remembered.
    shares: HashMap<u64, usize>,
    hashers: [RandomState; 2],
}

/// Two hashes of topic and key with secrets of their own: 128 bits that only this process can compute.
pub(super) type KeyHash = [u64; 2];

/// What the first request under a key asked for, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FirstResult {
    request: u64,
    pub(super) offset: Offset,
    pub(super) subscribers: usize,
}

#[derive(Debug)]
struct Remembered {
    at: Instant,
    publisher: u64,
    key: KeyHash,
    offset: Offset,
}

/// A key for which nothing is remembered yet, and for which there is room.
#[derive(Debug)]
pub(super) struct NewKey {
    key: KeyHash,
    request: u64,
    publisher: u64,
}

impl NewKey {
    pub(super) fn hash(&self) -> KeyHash {
        self.key
    }
}

impl Idempotency {
    /// Looks a key up: the first result, or that the key is new.
    ///
    /// # Errors
    ///
    /// [`PublishError::KeyReused`] if the key was used for another event, [`PublishError::TooManyKeys`] if there is no room
    /// for a new key.
    pub(super) fn look_up(
        &mut self,
        topic: &Topic,
        key: &IdempotencyKey,
        publication: &Publication,
    ) -> Result<Result<FirstResult, NewKey>, PublishError> {
        let now = Instant::now();
        self.forget_old(now);
        let hash = self
            .hashers
            .each_ref()
            .map(|hasher| hasher.hash_one((topic.as_str(), &key.key)));
        let request = self.hashers[0].hash_one(RequestHash(publication));
        if let Some(first) = self.results.get(&hash) {
            if first.request == request {
                return Ok(Ok(*first));
            }
            return Err(PublishError::KeyReused);
        }
        let share = self.shares.get(&key.publisher).copied().unwrap_or_default();
        if share >= MAX_OF_PUBLISHER || self.results.len() >= MAX_RESULTS {
            let of_publisher = |remembered: &&Remembered| {
                share < MAX_OF_PUBLISHER || remembered.publisher == key.publisher
            };
            let oldest = self.oldest_first.iter().find(of_publisher);
            let wait = oldest.map_or(Duration::ZERO, |oldest| {
                IDEMPOTENCY_AGE.saturating_sub(now.duration_since(oldest.at))
            });
            return Err(PublishError::TooManyKeys(wait));
        }
        Ok(Err(NewKey {
            key: hash,
            request,
            publisher: key.publisher,
        }))
    }

    /// Forgets a result, since the event was not committed. The publisher's share is free again after the hour.
    pub(super) fn forget(&mut self, key: &KeyHash) {
        self.results.remove(key);
    }

    /// Remembers the result of the first publication under a key.
    pub(super) fn remember(&mut self, key: NewKey, offset: Offset, subscribers: usize) {
        let NewKey {
            key,
            request,
            publisher,
        } = key;
        self.oldest_first.push_back(Remembered {
            at: Instant::now(),
            publisher,
            key,
            offset,
        });
        *self.shares.entry(publisher).or_default() += 1;
        let first = FirstResult {
            request,
            offset,
            subscribers,
        };
        self.results.insert(key, first);
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some(oldest) = self.oldest_first.front()
            && now.duration_since(oldest.at) > IDEMPOTENCY_AGE
        {
            // The key may have been forgotten since, and used again.
            if let MapEntry::Occupied(result) = self.results.entry(oldest.key)
                && result.get().offset == oldest.offset
            {
                result.remove();
            }
            if let MapEntry::Occupied(mut share) = self.shares.entry(oldest.publisher) {
                *share.get_mut() -= 1;
                if *share.get() == 0 {
                    share.remove();
                }
            }
            self.oldest_first.pop_front();
        }
    }
}

/// Hashes everything that a publisher can say about an event.
struct RequestHash<'a>(&'a Publication);

impl Hash for RequestHash<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let Publication {
            id,
            event_type,
            data,
            retry,
            is_private,
            is_kept,
            also_in,
        } = self.0;
        (id, event_type, data, retry, is_private, is_kept, also_in).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str, publisher: u64) -> IdempotencyKey {
        IdempotencyKey {
            key: text.to_owned(),
            publisher,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_that_has_used_its_share_of_keys_is_refused_and_forgets_nothing() {
        let mut idempotency = Idempotency::default();
        let topic = Topic::new("a").expect("a topic");
        let event = Publication::text("x");
        for number in 0..MAX_OF_PUBLISHER {
            let new = idempotency
                .look_up(&topic, &key(&number.to_string(), 1), &event)
                .expect("room")
                .expect_err("a new key");
            idempotency.remember(new, Offset::from_number(number as u64), 0);
        }
        let refused = idempotency.look_up(&topic, &key("one more", 1), &event);
        assert!(
            matches!(&refused, Err(PublishError::TooManyKeys(wait)) if *wait <= IDEMPOTENCY_AGE),
            "{refused:?}"
        );
        let first = idempotency.look_up(&topic, &key("0", 1), &event);
        assert!(matches!(first, Ok(Ok(first)) if first.offset == Offset::START));
        let other = idempotency.look_up(&topic, &key("one more", 2), &event);
        assert!(
            matches!(other, Ok(Err(_))),
            "another publisher has a share of its own"
        );
        tokio::time::advance(IDEMPOTENCY_AGE + Duration::from_secs(1)).await;
        let later = idempotency.look_up(&topic, &key("0", 1), &event);
        assert!(
            matches!(later, Ok(Err(_))),
            "it is forgotten after its hour"
        );
        assert!(idempotency.shares.is_empty() && idempotency.results.is_empty());
    }
}
