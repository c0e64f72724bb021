//! What everything costs: constants, each with where it comes from. All of them can be given by hand.
//!
//! "docs/benchmarks.md" is its run of 2026-11-26, on a virtual machine with 2 cores, with events of 100 bytes. "By hand" is what
//! was measured with nats-server 2.15 on such a machine with its 2 cores shared by the server and its clients. An operator with
//! other machines measures these anew: what the simulation adds is how they add up.

use clap::{Args, ValueEnum};

/// Processor time of a node for each event that it reads and applies, µs: by hand, a node that follows 200,000 events of 100
/// bytes, which another node is given as one stream.
const APPLY_US: f64 = 10.0;

/// Processor time of a node for each delivery, µs: docs/benchmarks.md, 1,000 subscribers and 20 events a second, which come one
/// by one. Where many come at once it is less, down to 0.14 µs (7,190,000 deliveries a second of one core).
const DELIVERY_US: f64 = 5.63;

/// Processor time of a node for each publish, µs, beside applying it: docs/benchmarks.md, 64 publishers with one `POST` each and
/// the log on a nats-server (29.7), less what applying takes.
const PUBLISH_US: f64 = 20.0;

/// Processor time of the stream's leader for each message that it stores, µs: by hand, in atomic batches of 500 with the
/// headers of Fairwind, on a busy machine (18.2 and 20.4). docs/benchmarks.md has 7.4 for messages without headers or batches.
const STORED_US: f64 = 18.0;

/// Processor time of a nats-server for each message that it sends to a node, µs: by hand, as what each further consumer (up to
/// 8) adds to a message, on a busy machine (4.3 to 6.2).
const SENT_US: f64 = 5.0;

/// Bytes of an event's data.
const PAYLOAD: f64 = 100.0;

/// What a message has beside the event's data on its way from the node to the stream, in bytes: the line of `HPUB`, the
/// subject, and the headers of Fairwind, of its id and of its batch. By hand: 298 bytes for 100.
const PUBLISHED_BYTES: f64 = 198.0;

/// The same from the stream to a node: the stream keeps the headers, and adds a subject for the answer that says where the
/// message stands. By hand: 355 bytes for 100.
const READ_BYTES: f64 = 255.0;

/// The same from a node to a reader: docs/benchmarks.md, 131 bytes for 100.
const DELIVERY_BYTES: f64 = 31.0;

/// Memory of a reader, KiB: docs/benchmarks.md, 0.972 in the server (10,000 idle connections) and 4 in the kernel ("On one big
/// machine").
const READER_KIB: f64 = 4.972;

/// How many messages a stream takes and gives, and on how many servers it is. By hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Storage {
    /// One server, which syncs each atomic batch of 500
    R1Always,
    /// Three servers, which sync each atomic batch of 500
    R3Always,
    /// One server that syncs now and then; single messages, 1,000 of which are not acknowledged
    R1Default,
    /// Three servers that sync now and then; single messages, 1,000 of which are not acknowledged
    R3Default,
}

impl Storage {
    /// Messages that the stream stores in a second.
    pub(crate) fn stored_rate(self) -> f64 {
        match self {
            Self::R1Always => 60_000.0,
            Self::R3Always => 56_000.0,
            Self::R1Default => 157_000.0,
            Self::R3Default => 57_000.0,
        }
    }

    /// Messages that one ordered consumer gets in a second.
    pub(crate) fn consumer_rate(self) -> f64 {
        match self {
            Self::R1Always | Self::R1Default => 371_000.0,
            Self::R3Always | Self::R3Default => 176_000.0,
        }
    }

    /// On how many servers each message is.
    pub(crate) fn replicas(self) -> usize {
        match self {
            Self::R1Always | Self::R1Default => 1,
            Self::R3Always | Self::R3Default => 3,
        }
    }
}

/// What everything costs.
#[derive(Debug, Clone, Args)]
pub(crate) struct Costs {
    /// Processor time of a node for each event that it applies, µs
    #[arg(long, value_name = "US", default_value_t = APPLY_US, help_heading = "Costs")]
    pub(crate) apply_us: f64,

    /// Processor time of a node for each delivery, µs
    #[arg(long, value_name = "US", default_value_t = DELIVERY_US, help_heading = "Costs")]
    pub(crate) delivery_us: f64,

    /// Processor time of a node for each publish, µs
    #[arg(long, value_name = "US", default_value_t = PUBLISH_US, help_heading = "Costs")]
    pub(crate) publish_us: f64,

    /// Processor time of a stream's leader for each message that it stores, µs
    #[arg(long, value_name = "US", default_value_t = STORED_US, help_heading = "Costs")]
    pub(crate) stored_us: f64,

    /// Processor time of a nats-server for each message that it sends, µs
    #[arg(long, value_name = "US", default_value_t = SENT_US, help_heading = "Costs")]
    pub(crate) sent_us: f64,

    /// Bytes of an event's data
    #[arg(long, value_name = "BYTES", default_value_t = PAYLOAD, help_heading = "Costs")]
    pub(crate) payload: f64,

    /// Memory of a reader, KiB, the kernel's included
    #[arg(long, value_name = "KIB", default_value_t = READER_KIB, help_heading = "Costs")]
    pub(crate) reader_kib: f64,

    /// Cores of a node that applying may take; one task applies what one stream has
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 1.0,
        help_heading = "Costs"
    )]
    pub(crate) apply_cores: f64,

    /// Cores of a nats-server
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 4.0,
        help_heading = "Costs"
    )]
    pub(crate) server_cores: f64,

    /// Network of a nats-server, Gbit/s
    #[arg(
        long,
        value_name = "GBIT",
        default_value_t = 10.0,
        help_heading = "Costs"
    )]
    pub(crate) server_gbit: f64,

    /// How a stream is stored
    #[arg(
        long,
        value_name = "HOW",
        default_value = "r3-always",
        help_heading = "Costs"
    )]
    pub(crate) storage: Storage,
}

impl Costs {
    /// Bytes of an event from its node to the stream.
    pub(crate) fn published_bytes(&self) -> f64 {
        self.payload + PUBLISHED_BYTES
    }

    /// Bytes of an event from the stream to one node.
    pub(crate) fn read_bytes(&self) -> f64 {
        self.payload + READ_BYTES
    }

    /// Bytes of an event from a node to one reader.
    pub(crate) fn delivery_bytes(&self) -> f64 {
        self.payload + DELIVERY_BYTES
    }

    /// How often the busiest server of a stream sends each message to nodes, if so many follow the stream. A server picks one of
    /// the stream's servers for each consumer, by chance (nats-server, `createGroupForConsumer`), so that the replicas share the
    /// nodes; a node whose connection is to another server gets its messages through that one, which sends them once more.
    pub(crate) fn sends(&self, nodes: usize) -> f64 {
        let replicas = self.storage.replicas();
        let hops = 2.0 - 1.0 / replicas as f64;
        nodes.div_ceil(replicas) as f64 * hops
    }

    /// Processor time of the busiest server of a stream for each message, µs.
    pub(crate) fn server_us(&self, nodes: usize) -> f64 {
        self.stored_us + self.sent_us * self.sends(nodes)
    }

    /// Bytes that the busiest server of a stream sends for each message: to nodes, and to the other replicas.
    pub(crate) fn server_bytes(&self, nodes: usize) -> f64 {
        let copies = (self.storage.replicas() - 1) as f64;
        self.read_bytes() * self.sends(nodes) + self.published_bytes() * copies
    }
}

#[cfg(test)]
impl Costs {
    /// The default costs with everything round, on one server.
    pub(crate) fn round() -> Self {
        Self {
            apply_us: 10.0,
            delivery_us: 5.0,
            publish_us: 20.0,
            stored_us: 10.0,
            sent_us: 5.0,
            payload: 100.0,
            reader_kib: 4.0,
            apply_cores: 1.0,
            server_cores: 2.0,
            server_gbit: 8.0,
            storage: Storage::R1Always,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_sends_each_message_to_every_node() {
        let costs = Costs::round();
        assert_eq!(costs.sends(7), 7.0);
        assert_eq!(costs.server_us(7), 45.0);
        assert_eq!(costs.server_bytes(7), 7.0 * 355.0);
    }

    #[test]
    fn three_servers_share_the_nodes_and_pass_messages_on() {
        let costs = Costs {
            storage: Storage::R3Always,
            ..Costs::round()
        };
        // Of nine nodes each server has three, and passes on two thirds of what as many others get.
        assert!((costs.sends(9) - 5.0).abs() < 1e-9);
        assert!((costs.server_bytes(9) - (5.0 * 355.0 + 2.0 * 298.0)).abs() < 1e-9);
    }
}
