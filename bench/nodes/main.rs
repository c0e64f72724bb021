//! A simulation of several servers that share one hub (`fairwind --nats`): what a node and a nats-server have to do as nodes,
//! topics, events and readers grow, where one stream ends, and what several would give.
//!
//! ```sh
//! cargo run --release --manifest-path bench/Cargo.toml --bin nodes -- --nodes 20 --events 5000
//! ```
//!
//! It measures nothing: `costs` has what was measured, `simulation` places topics and readers, `limits` finds what ends first,
//! `spread` is how topics would be spread over streams. Rates are means: there are no queues in it, so nothing here says how
//! long an event takes. It is pessimistic in deliveries, each of which counts as a write of its own, and optimistic in that
//! nodes publish in full batches when a stream is at its limit.
//!
//! # Before several streams
//!
//! * Fewer and bigger nodes: what a nats-server sends grows with the nodes, and 1,000,000 readers take 5 GB of one
//!   node's memory.
//! * Mirrors of the stream, which nodes would read in place of the stream itself. A mirror keeps the sequences, so ids and order
//!   stay as they are, and the stream's servers send each message once for each mirror. Not built. It helps with sending and
//!   network, and not with storing or applying.
//! * Several hubs, each with its own `--nats-stream`, behind a proxy that chooses the hub by the topic's first part. That works
//!   today, and is what several streams with readers placed by stream would give, but for readers and events of topics of two
//!   hubs.
//!
//! # What several streams of one hub would need
//!
//! None of this is built. One stream gives all of it for nothing, which is why there is one.
//!
//! **Order and ids.** There is one order within a stream, and none between two. An id becomes a pair of a stream and a sequence.
//! It is `#<epoch>-<offset>` today, so it could stay as it is and name its stream by its epoch, if no two streams have epochs of
//! one name. What is lost is the comparison: of two events of different streams a node cannot say which is earlier, and two readers
//! may see them in different orders. Each topic has its order still, since it is in one stream.
//!
//! **Cursors.** A reader of one topic has one cursor, as today. A reader of several topics or of a pattern needs one for each
//! stream that it reads from. A browser sends back the newest `id:` only, so every event that such a reader gets must carry the
//! whole vector: some 30 bytes for each stream, 480 for 16, which is more than the event of 100 bytes. A vector of the streams
//! that the reader's topics are in is enough, but a pattern is in all of them. A replay merges the streams by time of
//! publishing, which is a matter of taste and not of order; the cursor advances in one part at a time. A loss in one stream is a
//! gap in one part of the vector. An id that a publisher has chosen names a place in one stream: resuming several topics from
//! it is no longer possible.
//!
//! **Events of several topics.** `also_in` writes one message for each topic, in one atomic batch, and a batch is of one stream.
//! Either all topics of an event are in one stream, or it is several events, which can be published in part and of which a reader
//! of both topics gets two. Topics could be kept together by hashing only a part of the name (`orders` of `orders/7`); then an
//! event of several topics is refused unless they agree in it, and patterns below that part stay in one stream, with one
//! cursor. That part must be fixed before the first event.
//!
//! **What stays as it is**, since it belongs to one topic: the end of a topic, preconditions, idempotency keys, own ids, receipts.
//! Presence is unaffected: nodes tell each other their subscribers outside of the stream, on one subject. What becomes partial:
//! a node's health (one stream without a leader stops its topics only), catching up at the start, the list of topics (a node
//! knows those of the streams that it follows, and has to ask for others), and every limit that is counted over all topics.
//!
//! **Moving a topic.** Every node has to change at the same place. The old stream gets a mark for the topic: everything after it is
//! passed over, as events after a topic's end are today, by the same rule at every node; its publisher sends it again to the
//! new stream. The new stream gets a mark that names the old one and the mark's place there, and events of the topic count from
//! there on. A node that reads the new mark first holds the topic's events back until it has read the old one. A cursor into
//! the old stream stays valid: it reads on to the mark, and goes over. History stays where it is until it expires, so for as long
//! as `--history-age` the topic needs both streams. Idempotency keys, own ids and "the newest event" are checked by the new stream
//! only from its mark on, so a node must have the old part in memory to check them; the stream's own window of duplicates
//! does not reach over.
//!
//! **Adding a stream.** With rendezvous hashing it takes 1 / (S + 1) of the topics from S streams, and moves none between those.
//! The names of the streams are numbered as generations of the spread. A generation begins with a mark in every old stream and
//! in the new one; each message says by which generation its node chose the stream, and one that a stream gets after the mark of
//! a newer generation is passed over if its topic is elsewhere by that, and sent again. So nodes need not agree at one moment.
//! Since places in a stream are all that a mark has, each stream keeps an epoch and markers of its own (`places`), as one stream
//! does today. Taking a stream away is the same, and 1 / S of the topics move.
//!
//! **Which streams a node follows.** Those that its readers' and publishers' topics are in. Placed at random, a few dozen readers
//! need all of them (see the table), and one reader of a pattern does at once: then further streams relieve the nats-servers and no node.
//! Nodes have less to do only if readers come to the node by their topic, which the balancer in front can do by the path.

mod costs;
mod limits;
mod random;
mod simulation;
mod spread;
mod tables;

use std::process::ExitCode;

use clap::Parser;

use crate::costs::Costs;
use crate::simulation::Setup;

/// Simulates what several servers of Fairwind that share one hub cost, and where one stream of NATS ends.
#[derive(Debug, Parser)]
#[command(bin_name = "nodes", max_term_width = 110)]
struct Options {
    #[command(flatten)]
    setup: Setup,

    #[command(flatten)]
    costs: Costs,
}

impl Options {
    /// What could not be simulated.
    fn check(&self) -> Result<(), &'static str> {
        let Self { setup, costs } = self;
        let positive = [
            setup.events,
            costs.apply_us,
            costs.delivery_us,
            costs.publish_us,
            costs.stored_us,
            costs.sent_us,
            costs.payload,
            costs.reader_kib,
            costs.apply_cores,
            costs.server_cores,
            costs.server_gbit,
        ];
        if [setup.nodes, setup.topics, setup.streams, setup.reads].contains(&0) {
            return Err("there must be a node, a topic, a stream, and a topic of each reader");
        }
        if !positive
            .iter()
            .all(|value| value.is_finite() && *value > 0.0)
        {
            return Err("rates and costs must be above 0");
        }
        if !(0.0..=10.0).contains(&setup.zipf) {
            return Err("the exponent must be from 0 to 10");
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Err(error) = options.check() {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = tables::write(&mut text, &options.setup, &options.costs);
    println!("{options:#?}\n{text}");
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_simulated_and_nothing_is_not() {
        let parse = |arguments: &[&str]| {
            let arguments = std::iter::once(&"nodes").chain(arguments);
            Options::try_parse_from(arguments).expect("options").check()
        };
        assert_eq!(parse(&[]), Ok(()));
        assert!(parse(&["--nodes", "0"]).is_err());
        assert!(parse(&["--apply-us", "0"]).is_err());
        assert!(parse(&["--zipf", "11"]).is_err());
    }
}
