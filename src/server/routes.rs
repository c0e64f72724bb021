//! One file for each resource; which URL leads to it stands in the router. `subscribe`, `websocket`, `event_fields` and
//! `publish_service` are what several of them share.

pub(super) mod answers;
pub(super) mod chat;
pub(super) mod clock;
pub(super) mod compare;
pub(super) mod health;
pub(super) mod language;
pub(super) mod metrics;
pub(super) mod notifications;
pub(super) mod quotes;
pub(super) mod scheduled;
pub(super) mod topic;
pub(super) mod topics;

mod event_fields;
mod publish_service;
pub(super) mod subscribe;
mod websocket;
