//! Bounds per client and in total: how many connections, streams and subscriptions there may be, how many bytes are held,
//! and how often a client may publish or open a stream.
//!
//! * `shares`: a bounded amount, per client and in total
//! * `held_bytes`: what is held of a request that is arriving
//! * `connections`, `streams`: permits for both
//! * `request_rate`: requests over time

pub(crate) mod connections;
pub(crate) mod held_bytes;
pub(crate) mod request_rate;
pub(crate) mod shares;
pub(crate) mod streams;
