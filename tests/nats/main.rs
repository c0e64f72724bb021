//! The promises of `docs/durability.md` about `--nats`, with real nats-servers and several servers, all of which are killed,
//! paused, cut off and restarted.
//!
//! A nats-server is looked for where `FAIRWIND_NATS_SERVER` says, on the `PATH`, and where `scripts/setup.sh` puts it. Without
//! one every test is skipped, with a line; where the variable `CI` is set, it fails.
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, unreachable_pub)]

#[path = "../shared/binary.rs"]
mod binary;
#[path = "../shared/connection.rs"]
mod connection;
#[path = "../shared/folder.rs"]
mod folder;
#[path = "../shared/load.rs"]
mod load;
#[path = "../shared/oracle.rs"]
mod oracle;
#[path = "../server/parser.rs"]
mod parser;
#[path = "../shared/readers.rs"]
mod readers;

mod engine;
mod node;
mod proxy;
mod trial;
mod wire;

mod away;
mod cluster;
mod fence;
mod foreign;
mod partition;
mod quotes;
mod restarts;
mod setups;
mod two_nodes;
