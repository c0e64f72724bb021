//! Which of several streams has a topic: rendezvous hashing. Every pair of a topic and a stream has a number, and the stream
//! with the highest has the topic. A node that knows the streams' names knows where every topic is, without a table; and a stream
//! that is added takes topics from the others, and moves none between them.

use crate::random::mix;

/// The names of streams, as far as they decide: `of(1)` has one stream.
#[derive(Debug, Clone)]
pub(crate) struct Streams(Vec<u64>);

impl Streams {
    /// So many streams. More of them have the names of fewer, and further ones.
    pub(crate) fn of(count: usize) -> Self {
        let hashes = (0..count).map(|number| hash(&format!("FAIRWIND-{number}")));
        Self(hashes.collect())
    }

    /// The number of the stream that has a topic, from 0 on.
    pub(crate) fn of_topic(&self, topic: &str) -> usize {
        let topic = hash(topic);
        let score = |(number, stream): (usize, &u64)| (mix(topic ^ stream), number);
        let scores = self.0.iter().enumerate().map(score);
        scores.max().map_or(0, |(_, number)| number)
    }
}

/// FNV-1a, mixed: names that differ in their last letter are far from each other.
fn hash(text: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325;
    mix(text.bytes().fold(start, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

/// The share of so many topics that has another stream once a stream is added to so many.
pub(crate) fn moved(streams: usize, topics: usize) -> f64 {
    let (before, after) = (Streams::of(streams), Streams::of(streams + 1));
    let moves = |number: &usize| {
        let topic = format!("topic-{number}");
        before.of_topic(&topic) != after.of_topic(&topic)
    };
    (0..topics).filter(moves).count() as f64 / topics as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPICS: usize = 40_000;

    #[test]
    fn every_stream_has_as_many_topics_as_any_other() {
        for count in [2, 3, 8, 16] {
            let streams = Streams::of(count);
            let mut topics = vec![0.0; count];
            for number in 0..TOPICS {
                topics[streams.of_topic(&format!("orders/{number}"))] += 1.0;
            }
            let mean = TOPICS as f64 / count as f64;
            // Six times the deviation that chance makes.
            let tolerated = 6.0 * mean.sqrt();
            for topics in topics {
                assert!(
                    f64::abs(topics - mean) < tolerated,
                    "{topics} topics of {mean}"
                );
            }
        }
    }

    #[test]
    fn a_stream_that_is_added_takes_its_share_and_moves_nothing_else() {
        for count in [1, 2, 4, 15] {
            let expected = 1.0 / (count + 1) as f64;
            let share = moved(count, TOPICS);
            assert!((share - expected).abs() < 0.01, "{share} of {expected}");
            let (before, after) = (Streams::of(count), Streams::of(count + 1));
            for number in 0..TOPICS {
                let topic = format!("topic-{number}");
                let (old, new) = (before.of_topic(&topic), after.of_topic(&topic));
                assert!(new == old || new == count, "{topic}: {old} to {new}");
            }
        }
    }

    #[test]
    fn one_stream_has_every_topic() {
        assert_eq!(Streams::of(1).of_topic("anything"), 0);
    }
}
