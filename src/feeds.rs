//! What publishes by itself. A feed uses the hub like any other publisher.

pub mod clock;
pub mod compare;
