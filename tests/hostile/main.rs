//! Attacks on the binary: clients that hold what they can, from one address or from many, while a client at another
//! address has to be served as ever. Each test prints what it measures: `cargo test --test hostile -- --nocapture`.
//!
//! Memory is what the system says that the process has in use. Its bounds follow `docs/access.md`, "Memory".
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, unreachable_pub)]

#[path = "../shared/binary.rs"]
mod binary;
mod client;
mod history;

mod mutated_requests;
mod places;
mod slow_heads;
mod stalled_readers;
mod unread_answers;
mod websocket_frames;

const KIB: usize = 1_024;
const MIB: usize = 1_024 * KIB;

/// The idle process: threads, the site, and the allocator's slack.
const PROCESS: usize = 48 * MIB;

/// `--history-bytes` by default; what is counted may be a quarter less than what is held.
const HISTORY: usize = 64 * MIB * 5 / 4;

/// `--max-held-bytes-per-address` and `--max-held-bytes` by default.
const HELD_FOR_ONE_ADDRESS: usize = 64 * MIB;
const HELD_IN_ALL: usize = 256 * MIB;

/// What any connection takes: buffers for reading and writing, a task, its stream.
const CONNECTION: usize = 32 * KIB;

/// The most memory that the process may have in use while one address attacks by so many connections.
const fn bound_for_one_address(connections: usize) -> usize {
    PROCESS + HISTORY + HELD_FOR_ONE_ADDRESS + connections * CONNECTION
}

/// The same while many addresses do.
const fn bound_for_all(connections: usize) -> usize {
    PROCESS + HISTORY + HELD_IN_ALL + connections * CONNECTION
}
