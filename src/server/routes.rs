//! One file for each resource; which URL leads to it stands in the router. `subscribe`, `websocket` and `event_fields` are
//! what several of them share.

pub(super) mod clock;
pub(super) mod health;
pub(super) mod metrics;
pub(super) mod topic;
pub(super) mod topics;

mod event_fields;
pub(super) mod subscribe;
mod websocket;
