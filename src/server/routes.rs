//! One file for each resource; which URL leads to it stands in the router.

pub(super) mod clock;
pub(super) mod health;
