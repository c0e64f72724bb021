//! Attacks on the binary: clients that hold what they can, from one address or from many, and what everybody else
//! notices of it. Each prints what it has measured; `cargo test --test hostile -- --nocapture` shows it.
//!
//! Memory is what the system says that the process has in use. Its bounds follow `docs/access.md`, "Memory".
#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, unreachable_pub)]

#[path = "../shared/binary.rs"]
mod binary;
mod client;

mod mutated_requests;
mod places;
mod slow_heads;
mod stalled_readers;
mod unread_answers;
mod websocket_frames;

const KIB: usize = 1_024;
const MIB: usize = 1_024 * KIB;

/// The process before anybody comes, and what its parts keep for themselves: threads, the site, an allocator's slack.
const PROCESS: usize = 48 * MIB;

/// `--history-bytes` by default; what is counted may be a quarter less than what is held.
const HISTORY: usize = 64 * MIB * 5 / 4;

/// `--max-held-bytes-per-address` and `--max-held-bytes` by default.
const HELD_FOR_ONE_ADDRESS: usize = 64 * MIB;
const HELD_IN_ALL: usize = 256 * MIB;

/// What a connection takes whatever it does: buffers for reading and writing, a task, its stream.
const CONNECTION: usize = 32 * KIB;

/// The most memory that the process may have in use while one address attacks by so many connections.
const fn bound_for_one_address(connections: usize) -> usize {
    PROCESS + HISTORY + HELD_FOR_ONE_ADDRESS + connections * CONNECTION
}

/// The same while many addresses do.
const fn bound_for_all(connections: usize) -> usize {
    PROCESS + HISTORY + HELD_IN_ALL + connections * CONNECTION
}
