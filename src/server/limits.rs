//! Bounds per client and in total: how many connections, streams and subscriptions there may be, how many bytes are held,
//! how often a client may publish or open a stream, and who counts as one client.
//!
//! * `client_address`: which address a client has, with and without reverse proxies
//! * `shares`: a bounded amount, per client and in total
//! * `connections`, `streams`: permits for both
//! * `request_rate`: requests over time

pub(crate) mod client_address;
pub(crate) mod connections;
pub(crate) mod request_rate;
pub(crate) mod shares;
pub(crate) mod streams;
