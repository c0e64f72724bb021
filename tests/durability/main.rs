//! The promises of `docs/durability.md` about the binary with `--data`, over TCP and on a real file system: it is killed
//! under load, its disk fails or is full, and other servers use the same folder.
//!
//! `KILL_ROUNDS=1000 cargo test --release --test durability kills -- --nocapture` kills it more often. Every run prints its
//! seed; `KILL_SEED` repeats what was chosen by it, though not which thread was how far.
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

mod faults;
mod kills;
mod restarts;
mod scheduled;
