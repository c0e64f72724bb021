//! One file for each resource; which URL leads to it stands in the router. `subscribe`, `publish` and `incoming` are
//! what several of them share.

pub(super) mod clock;
pub(super) mod health;
pub(super) mod metrics;
pub(super) mod topic;
pub(super) mod topics;

mod event_fields;
pub(super) mod incoming;
mod publish;
mod snapshot;
pub(super) mod subscribe;
mod websocket;
