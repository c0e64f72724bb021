//! Where it ends: the highest rate of events that everything allows, if topics keep their shares of it. Deliveries and publishes
//! are no limit of a stream: a further node relieves the others of them.

use std::fmt;

use crate::costs::Costs;
use crate::simulation::{Load, NodeLoad, StreamLoad};

/// What can end first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    /// A stream stores no more messages.
    Storing,
    /// A consumer of the stream gets no more of them.
    Reading,
    /// A node applies no more events.
    Applying,
    /// A nats-server has no more processor time to store messages and send them to nodes; with many nodes it is the sending.
    Sending,
    /// A nats-server has no more network.
    Network,
}

/// A limit and the events a second, over all streams, at which it is met.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct End {
    pub(crate) limit: Limit,
    pub(crate) events: f64,
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Storing => "storing",
            Self::Reading => "reading",
            Self::Applying => "applying",
            Self::Sending => "sending",
            Self::Network => "network",
        })
    }
}

/// What one stream with this many nodes does, if each follows it: one event a second.
pub(crate) fn one_stream(nodes: usize) -> Load {
    let node = NodeLoad {
        follows: 1,
        applied: 1.0,
        ..NodeLoad::default()
    };
    Load {
        nodes: vec![node; nodes],
        streams: vec![StreamLoad {
            topics: 1,
            events: 1.0,
            followers: nodes,
        }],
    }
}

/// Where each limit is, of what a load is like. Its streams have servers of their own.
pub(crate) fn all(load: &Load, costs: &Costs) -> [End; 5] {
    let events: f64 = load.streams.iter().map(|stream| stream.events).sum();
    let highest = |of: &dyn Fn(&StreamLoad) -> f64| load.streams.iter().map(of).fold(0.0, f64::max);
    let busiest = load.busiest().events;
    let storage = costs.storage;
    let applying = load.max(|node| node.applied * costs.apply_us);
    let sending = highest(&|stream| stream.events * costs.server_us(stream.followers));
    let network = highest(&|stream| stream.events * costs.server_bytes(stream.followers));
    [
        (Limit::Storing, storage.stored_rate(), busiest),
        (Limit::Reading, storage.consumer_rate(), busiest),
        (Limit::Applying, costs.apply_cores * 1e6, applying),
        (Limit::Sending, costs.server_cores * 1e6, sending),
        (Limit::Network, costs.server_gbit * 1e9 / 8.0, network),
    ]
    // What a load of so many events uses of a limit tells how many events use all of it.
    .map(|(limit, most, used)| End {
        limit,
        events: events * most / used,
    })
}

/// The limit that is met first.
pub(crate) fn first(load: &Load, costs: &Costs) -> End {
    let ends = all(load, costs);
    let sooner = |one: End, other: End| {
        if other.events < one.events {
            other
        } else {
            one
        }
    };
    ends.into_iter().fold(ends[0], sooner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::Storage;

    fn ends(nodes: usize, costs: &Costs) -> Vec<f64> {
        all(&one_stream(nodes), costs)
            .iter()
            .map(|end| end.events)
            .collect()
    }

    #[test]
    fn limits_are_where_a_hand_computes_them() {
        // 2 cores ÷ (10 + 10 × 5 µs), 1 GB/s ÷ (10 × 355 bytes).
        let expected = [60_000.0, 371_000.0, 100_000.0, 2e6 / 60.0, 1e9 / 3_550.0];
        for (found, expected) in ends(10, &Costs::round()).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} of {expected}");
        }
    }

    #[test]
    fn the_first_limit_depends_on_the_nodes_and_the_costs() {
        let costs = Costs::round();
        // Sending takes over where 2,000,000 µs ÷ (10 + 5 × nodes) falls below 60,000: beyond 4.67 nodes.
        let at = |nodes| first(&one_stream(nodes), &costs);
        assert_eq!((at(4).limit, at(4).events), (Limit::Storing, 60_000.0));
        assert_eq!(at(5).limit, Limit::Sending);
        assert!((at(5).events - 2e6 / 35.0).abs() < 1e-6);
        let slow = Costs {
            apply_us: 50.0,
            ..costs.clone()
        };
        let end = first(&one_stream(1), &slow);
        assert_eq!((end.limit, end.events), (Limit::Applying, 20_000.0));
        let quick = Costs {
            apply_us: 1.0,
            stored_us: 0.1,
            sent_us: 0.1,
            server_gbit: 1.0,
            storage: Storage::R1Default,
            ..costs
        };
        let end = first(&one_stream(5), &quick);
        assert_eq!(end.limit, Limit::Network);
        assert!((end.events - 125e6 / (5.0 * 355.0)).abs() < 1e-6);
    }

    #[test]
    fn the_busiest_stream_ends_first() {
        let costs = Costs::round();
        let stream = |events, followers| StreamLoad {
            topics: 1,
            events,
            followers,
        };
        let load = Load {
            nodes: vec![NodeLoad {
                follows: 2,
                applied: 4.0,
                ..NodeLoad::default()
            }],
            streams: vec![stream(3.0, 1), stream(1.0, 1)],
        };
        // Three of four events are in one stream, which stores 60,000; a node applies all of them.
        let ends = all(&load, &costs).map(|end| end.events);
        assert_eq!(ends[0], 80_000.0);
        assert_eq!(ends[2], 100_000.0);
    }
}
