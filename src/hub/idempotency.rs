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
use super::publish::{IDEMPOTENCY_AGE, IdempotencyKey, PublishError, PublishRequest};
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
        publication: &PublishRequest,
    ) -> Result<Result<FirstResult, NewKey>, PublishError> {
        let now = Instant::now();
        self.forget_old(now);
        let new = self.new_key(topic, key, publication);
        if let Some(first) = self.results.get(&new.key) {
            if first.request == new.request {
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
        Ok(Err(new))
    }

    fn new_key(&self, topic: &Topic, key: &IdempotencyKey, publication: &PublishRequest) -> NewKey {
        let of_key = (topic.as_str(), &key.key);
        NewKey {
            key: self
                .hashers
                .each_ref()
                .map(|hasher| hasher.hash_one(of_key)),
            request: self.hashers[0].hash_one(RequestHash(publication)),
            publisher: key.publisher,
        }
    }

    /// Forgets a result, since the event was not committed. The publisher's share is free again after the hour.
    pub(super) fn forget(&mut self, key: &KeyHash) {
        self.results.remove(key);
    }

    /// Remembers the result of the first publication under a key.
    pub(super) fn remember(&mut self, key: NewKey, offset: Offset, subscribers: usize) {
        self.remember_since(key, offset, subscribers, Instant::now());
    }

    fn remember_since(&mut self, key: NewKey, offset: Offset, subscribers: usize, at: Instant) {
        let NewKey {
            key,
            request,
            publisher,
        } = key;
        self.oldest_first.push_back(Remembered {
            at,
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

    /// Remembers the result of a publication before a restart, or at another hub, `age` ago. It is in the log, so it is
    /// remembered whether there is room or not, and instead of an older one. Results are restored oldest first.
    pub(super) fn restore(
        &mut self,
        topic: &Topic,
        key: &IdempotencyKey,
        publication: &PublishRequest,
        first: (Offset, usize),
        age: Duration,
    ) {
        if age > IDEMPOTENCY_AGE {
            return;
        }
        let now = Instant::now();
        self.forget_old(now);
        // Some machines' monotonic clock begins when they start: then the key holds for longer than it has to.
        let at = now.checked_sub(age).unwrap_or(now);
        let new = self.new_key(topic, key, publication);
        let (offset, subscribers) = first;
        let known = self.results.get(&new.key);
        if known.is_none_or(|known| known.offset < offset) {
            self.remember_since(new, offset, subscribers, at);
        }
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
struct RequestHash<'a>(&'a PublishRequest);

impl Hash for RequestHash<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        let PublishRequest {
            id,
            event_type,
            data,
            retry,
            is_private,
            is_ephemeral,
            also_in,
        } = self.0;
        (
            id,
            event_type,
            data,
            retry,
            is_private,
            is_ephemeral,
            also_in,
        )
            .hash(state);
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
        let event = PublishRequest::text("x");
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

    #[tokio::test(start_paused = true)]
    async fn a_result_is_remembered_for_exactly_its_age() {
        let mut idempotency = Idempotency::default();
        let topic = Topic::clock();
        let event = PublishRequest::text("x");
        let new = look_up(&mut idempotency, &topic, &key("k", 1), &event).expect_err("a new key");
        idempotency.remember(new, Offset::from_number(7), 3);
        tokio::time::advance(IDEMPOTENCY_AGE).await;
        let first = look_up(&mut idempotency, &topic, &key("k", 1), &event);
        let first = first.expect("the first result");
        assert_eq!(
            (first.offset, first.subscribers),
            (Offset::from_number(7), 3)
        );
        tokio::time::advance(Duration::from_millis(1)).await;
        let later = look_up(&mut idempotency, &topic, &key("k", 1), &event);
        assert!(later.is_err(), "a new key");
    }

    fn look_up(
        idempotency: &mut Idempotency,
        topic: &Topic,
        key: &IdempotencyKey,
        event: &PublishRequest,
    ) -> Result<FirstResult, NewKey> {
        idempotency.look_up(topic, key, event).expect("room")
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_was_forgotten_and_used_again_outlives_the_first_use() {
        let mut idempotency = Idempotency::default();
        let topic = Topic::clock();
        let event = PublishRequest::text("x");
        let look_up = |idempotency: &mut Idempotency, text: &str| {
            self::look_up(idempotency, &topic, &key(text, 1), &event)
        };
        for (text, offset) in [("k", 1), ("other", 2)] {
            let new = look_up(&mut idempotency, text).expect_err("a new key");
            let hash = new.hash();
            idempotency.remember(new, Offset::from_number(offset), 0);
            if text == "k" {
                idempotency.forget(&hash);
            }
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        let again = look_up(&mut idempotency, "k").expect_err("a new key");
        idempotency.remember(again, Offset::from_number(3), 0);
        assert_eq!(idempotency.shares[&1], 3);
        tokio::time::advance(IDEMPOTENCY_AGE).await;
        let second = look_up(&mut idempotency, "k").expect("the second use");
        assert_eq!(second.offset, Offset::from_number(3));
        assert_eq!(idempotency.shares[&1], 1);
        assert!(
            look_up(&mut idempotency, "other").is_err(),
            "its hour is over"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_log_has_is_remembered_although_there_is_no_room_and_for_its_hour_only() {
        let mut idempotency = Idempotency::default();
        let topic = Topic::clock();
        let event = PublishRequest::text("x");
        let restore = |idempotency: &mut Idempotency, text: &str, offset, age| {
            let first = (Offset::from_number(offset), 0);
            idempotency.restore(&topic, &key(text, 1), &event, first, age);
        };
        let offset_of = |idempotency: &mut Idempotency, text: &str| {
            let found = idempotency.look_up(&topic, &key(text, 1), &event);
            found.ok()?.ok().map(|first| first.offset.number())
        };
        for number in 0..=MAX_OF_PUBLISHER as u64 {
            restore(
                &mut idempotency,
                &number.to_string(),
                number,
                Duration::ZERO,
            );
        }
        let last = MAX_OF_PUBLISHER as u64;
        let found = offset_of(&mut idempotency, &last.to_string());
        assert_eq!(found, Some(last));
        let mut idempotency = Idempotency::default();
        let old = IDEMPOTENCY_AGE + Duration::from_millis(1);
        restore(&mut idempotency, "old", 1, old);
        assert!(idempotency.oldest_first.is_empty());
        // Another hub had forgotten the key a moment before this one.
        restore(&mut idempotency, "k", 2, IDEMPOTENCY_AGE);
        restore(&mut idempotency, "k", 3, Duration::ZERO);
        restore(&mut idempotency, "k", 3, Duration::ZERO);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(offset_of(&mut idempotency, "k"), Some(3));
        assert_eq!(idempotency.shares[&1], 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_publisher_that_is_refused_learns_when_a_key_will_be_free() {
        let start = Instant::now();
        let mut idempotency = Idempotency::default();
        let topic = Topic::clock();
        let event = PublishRequest::text("x");
        for (seconds, publisher) in [(0, 2), (10, 1), (20, 2)] {
            idempotency.oldest_first.push_back(Remembered {
                at: start + Duration::from_secs(seconds),
                publisher,
                key: [seconds, 0],
                offset: Offset::START,
            });
        }
        tokio::time::advance(Duration::from_secs(30)).await;
        let wait = |idempotency: &mut Idempotency, publisher| match idempotency.look_up(
            &topic,
            &key("k", publisher),
            &event,
        ) {
            Err(PublishError::TooManyKeys(wait)) => Some(IDEMPOTENCY_AGE - wait),
            _ => None,
        };
        idempotency.shares.insert(1, MAX_OF_PUBLISHER - 1);
        assert_eq!(wait(&mut idempotency, 1), None);
        idempotency.shares.insert(1, MAX_OF_PUBLISHER);
        let its_own = Duration::from_secs(20);
        assert_eq!(
            wait(&mut idempotency, 1),
            Some(its_own),
            "the age of its oldest key"
        );
        assert_eq!(wait(&mut idempotency, 3), None);
        let first = FirstResult {
            request: 0,
            offset: Offset::START,
            subscribers: 0,
        };
        let results = (0..MAX_RESULTS as u64 - 1).map(|number| ([number, 1], first));
        idempotency.results.extend(results);
        assert_eq!(wait(&mut idempotency, 3), None);
        idempotency.results.insert([0, 2], first);
        let of_all = Duration::from_secs(30);
        assert_eq!(
            wait(&mut idempotency, 3),
            Some(of_all),
            "the age of the oldest key of all"
        );
        assert_eq!(wait(&mut idempotency, 1), Some(its_own));
    }

    #[test]
    fn a_request_is_the_same_if_all_that_the_publisher_says_is() {
        let mut idempotency = Idempotency::default();
        let first = PublishRequest::text("x");
        let new = look_up(&mut idempotency, &Topic::clock(), &key("k", 1), &first);
        idempotency.remember(new.expect_err("a new key"), Offset::START, 0);
        let others = [
            PublishRequest::text("y"),
            PublishRequest {
                is_private: true,
                ..first.clone()
            },
            PublishRequest {
                retry: Some(Duration::from_secs(1)),
                ..first.clone()
            },
        ];
        for other in &others {
            let reused = idempotency.look_up(&Topic::clock(), &key("k", 1), other);
            assert_eq!(reused.err(), Some(PublishError::KeyReused));
        }
        let repeat = look_up(&mut idempotency, &Topic::clock(), &key("k", 2), &first);
        assert!(repeat.is_ok(), "the publisher's share does not matter");
        let elsewhere = Topic::new("other").expect("a topic");
        assert!(look_up(&mut idempotency, &elsewhere, &key("k", 1), &first).is_err());
    }
}
