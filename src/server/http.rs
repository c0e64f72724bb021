//! HTTP as routes see it: what a request says and who sends it, how its body is read, and how a problem is reported
//! (RFC 9457).
//!
//! * `client_address`: which address a client has, with and without reverse proxies
//! * `request_head`, `request_body`, `query`: what a request says
//! * `negotiation`: which representation it accepts (RFC 9110, section 12)
//! * `pieces`: bodies that are written piece by piece
//! * `problem`: problem documents

pub(crate) mod client_address;
pub(crate) mod negotiation;
pub(crate) mod pieces;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod request_body;
pub(crate) mod request_head;
