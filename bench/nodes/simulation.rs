//! Topics, their publishers and readers, placed on nodes and streams, and what each node and stream gets to do.

use clap::{Args, ValueEnum};

use crate::costs::Costs;
use crate::random::{Random, zipf};
use crate::spread::Streams;

/// Which node a reader or publisher is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Placement {
    /// Any
    Random,
    /// One of those that the stream of its (first) topic is meant for: the load balancer knows the topic by its path
    ByStream,
}

/// What is simulated.
#[derive(Debug, Clone, PartialEq, Args)]
pub(crate) struct Setup {
    /// Nodes
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(crate) nodes: usize,

    /// Topics
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    pub(crate) topics: usize,

    /// Events a second, over all topics
    #[arg(long, value_name = "RATE", default_value_t = 10_000.0)]
    pub(crate) events: f64,

    /// Zipf's exponent: how unequal the topics' rates are; 0 if they are equal
    #[arg(long, value_name = "EXPONENT", default_value_t = 1.0)]
    pub(crate) zipf: f64,

    /// Readers, over all nodes
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    pub(crate) readers: usize,

    /// Topics that each reader reads, each of them as likely as any other
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) reads: usize,

    /// Publishers of each topic, each at one node; with 0 something else publishes to the streams
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) publishers: usize,

    /// Streams
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) streams: usize,

    /// Which node readers and publishers are connected to
    #[arg(long, value_name = "HOW", default_value = "random")]
    pub(crate) placement: Placement,

    /// The same seed gives the same results
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// What one node does in a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct NodeLoad {
    pub(crate) readers: usize,
    /// How many streams it follows.
    pub(crate) follows: usize,
    /// Events of the streams that it follows.
    pub(crate) applied: f64,
    pub(crate) delivered: f64,
    pub(crate) published: f64,
}

/// What one stream does in a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct StreamLoad {
    pub(crate) topics: usize,
    pub(crate) events: f64,
    /// How many nodes follow it.
    pub(crate) followers: usize,
}

/// What all of them do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Load {
    pub(crate) nodes: Vec<NodeLoad>,
    pub(crate) streams: Vec<StreamLoad>,
}

impl NodeLoad {
    /// Cores that applying takes.
    pub(crate) fn apply_cores(&self, costs: &Costs) -> f64 {
        self.applied * costs.apply_us / 1e6
    }

    /// Cores that delivering takes.
    pub(crate) fn delivery_cores(&self, costs: &Costs) -> f64 {
        self.delivered * costs.delivery_us / 1e6
    }

    /// Cores that publishing takes.
    pub(crate) fn publish_cores(&self, costs: &Costs) -> f64 {
        self.published * costs.publish_us / 1e6
    }
}

impl Setup {
    /// Places everything.
    pub(crate) fn simulate(&self) -> Load {
        let mut random = Random::new(self.seed);
        let streams = Streams::of(self.streams);
        let topics: Vec<(usize, f64)> = zipf(self.topics, self.zipf)
            .into_iter()
            .enumerate()
            .map(|(rank, share)| {
                // The seed's topics have names of their own, and so other streams.
                let name = format!("topic-{}-{rank}", self.seed);
                (streams.of_topic(&name), share * self.events)
            })
            .collect();

        let mut load = Load {
            nodes: vec![NodeLoad::default(); self.nodes],
            streams: vec![StreamLoad::default(); self.streams],
        };
        let mut follows = vec![false; self.nodes * self.streams];
        for &(stream, rate) in &topics {
            load.streams[stream].topics += 1;
            load.streams[stream].events += rate;
            for _ in 0..self.publishers {
                let node = self.place(stream, &mut random);
                load.nodes[node].published += rate / self.publishers as f64;
                follows[node * self.streams + stream] = true;
            }
        }
        let mut read = Vec::with_capacity(self.reads);
        for _ in 0..self.readers {
            read.clear();
            while read.len() < self.reads.min(self.topics) {
                let topic = random.below(self.topics);
                if !read.contains(&topic) {
                    read.push(topic);
                }
            }
            let Some(first) = read.first() else { break };
            let node = self.place(topics[*first].0, &mut random);
            load.nodes[node].readers += 1;
            for &topic in &read {
                let (stream, rate) = topics[topic];
                load.nodes[node].delivered += rate;
                follows[node * self.streams + stream] = true;
            }
        }
        for (number, _) in follows.iter().enumerate().filter(|(_, follows)| **follows) {
            let (node, stream) = (number / self.streams, number % self.streams);
            load.nodes[node].follows += 1;
            load.nodes[node].applied += load.streams[stream].events;
            load.streams[stream].followers += 1;
        }
        load
    }

    /// The node of a reader or publisher whose topic is in a stream.
    fn place(&self, stream: usize, random: &mut Random) -> usize {
        match self.placement {
            Placement::Random => random.below(self.nodes),
            // Several streams have one node, or several nodes one stream.
            Placement::ByStream if self.nodes <= self.streams => stream % self.nodes,
            Placement::ByStream => {
                let nodes = (self.nodes - stream).div_ceil(self.streams);
                stream + self.streams * random.below(nodes)
            }
        }
    }
}

impl Load {
    /// The mean over the nodes.
    pub(crate) fn mean(&self, of: impl Fn(&NodeLoad) -> f64) -> f64 {
        self.nodes.iter().map(of).sum::<f64>() / self.nodes.len() as f64
    }

    /// The highest of the nodes.
    pub(crate) fn max(&self, of: impl Fn(&NodeLoad) -> f64) -> f64 {
        self.nodes.iter().map(of).fold(0.0, f64::max)
    }

    /// The stream with the most events.
    pub(crate) fn busiest(&self) -> &StreamLoad {
        let by_events =
            |one: &&StreamLoad, other: &&StreamLoad| one.events.total_cmp(&other.events);
        let busiest = self.streams.iter().max_by(by_events);
        busiest.unwrap_or(&StreamLoad {
            topics: 0,
            events: 0.0,
            followers: 0,
        })
    }

    /// How many times the mean the stream with the most events has.
    pub(crate) fn imbalance(&self) -> f64 {
        let sum: f64 = self.streams.iter().map(|stream| stream.events).sum();
        self.busiest().events / (sum / self.streams.len() as f64)
    }

    /// The share of the streams that a node follows, in the mean.
    pub(crate) fn followed(&self) -> f64 {
        self.mean(|node| node.follows as f64) / self.streams.len() as f64
    }
}

#[cfg(test)]
impl Setup {
    /// Two nodes, two topics that are alike, four readers of both, 100 events a second in one stream.
    pub(crate) fn small() -> Self {
        Self {
            nodes: 2,
            topics: 2,
            events: 100.0,
            zipf: 0.0,
            readers: 4,
            reads: 2,
            publishers: 1,
            streams: 1,
            placement: Placement::Random,
            seed: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_case_gives_the_rates_that_a_hand_computes() {
        let one = Setup {
            nodes: 1,
            ..Setup::small()
        };
        let load = one.simulate();
        let node = NodeLoad {
            readers: 4,
            follows: 1,
            applied: 100.0,
            delivered: 400.0,
            published: 100.0,
        };
        assert_eq!(load.nodes, [node]);
        let stream = StreamLoad {
            topics: 2,
            events: 100.0,
            followers: 1,
        };
        assert_eq!(load.streams, [stream]);
        let costs = Costs::round();
        assert!((load.nodes[0].apply_cores(&costs) - 0.001).abs() < 1e-12);
        assert!((load.nodes[0].delivery_cores(&costs) - 0.002).abs() < 1e-12);
        assert!((load.nodes[0].publish_cores(&costs) - 0.002).abs() < 1e-12);
    }

    #[test]
    fn every_node_applies_every_event_and_readers_are_shared() {
        let setup = Setup {
            nodes: 4,
            topics: 100,
            readers: 1_000,
            ..Setup::small()
        };
        let load = setup.simulate();
        assert!(
            load.nodes
                .iter()
                .all(|node| (node.applied - 100.0).abs() < 1e-9)
        );
        let sum = |of: fn(&NodeLoad) -> f64| load.nodes.iter().map(of).sum::<f64>();
        // Each reader reads 2 of 100 topics, each with 1 event a second.
        assert!((sum(|node| node.delivered) - 2_000.0).abs() < 1e-6);
        assert!((sum(|node| node.published) - 100.0).abs() < 1e-9);
        assert_eq!(sum(|node| node.readers as f64), 1_000.0);
        assert_eq!(load.busiest().followers, 4);
        assert_eq!(load.imbalance(), 1.0);
    }

    #[test]
    fn a_node_follows_what_few_readers_need() {
        let setup = Setup {
            nodes: 1_000,
            topics: 10_000,
            readers: 3_000,
            reads: 1,
            publishers: 0,
            streams: 8,
            ..Setup::small()
        };
        // With a binomial number of readers of each node: 1 - (1 - 1 / (8 × 1000))^3000.
        let expected = 1.0 - (1.0 - 1.0 / 8_000.0_f64).powi(3_000);
        let followed = setup.simulate().followed();
        assert!(
            (followed - expected).abs() < 0.015,
            "{followed} of {expected}"
        );
    }

    #[test]
    fn placed_by_stream_a_node_follows_its_own_streams_only() {
        for (nodes, streams, follows) in [(8, 4, 1), (4, 4, 1), (2, 4, 2), (6, 4, 1)] {
            let setup = Setup {
                nodes,
                streams,
                topics: 1_000,
                readers: 10_000,
                reads: 1,
                placement: Placement::ByStream,
                ..Setup::small()
            };
            let load = setup.simulate();
            assert!(load.nodes.iter().all(|node| node.follows == follows));
            let followers: usize = load.streams.iter().map(|stream| stream.followers).sum();
            assert_eq!(followers, nodes * follows);
        }
    }

    #[test]
    fn a_seed_gives_the_same_and_another_something_else() {
        let setup = Setup {
            nodes: 5,
            topics: 500,
            zipf: 1.0,
            readers: 2_000,
            streams: 3,
            ..Setup::small()
        };
        let load = setup.simulate();
        assert_eq!(load, setup.simulate());
        assert_ne!(load, Setup { seed: 2, ..setup }.simulate());
    }
}
