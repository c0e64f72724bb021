//! HTTP as routes see it: what a request says and who sends it, how its body is read, and how a problem is reported
//! (RFC 9457).
//!
//! * `answers`: what many answers have in common
//! * `client_address`: which address a client has, with and without reverse proxies
//! * `cookies`: the cookies that a request carries
//! * `request_head`, `request_body`, `query`: what a request says
//! * `language`: which language a page has, and how a reader chooses it
//! * `media_type`: the names of media types, and what kind of body a request has
//! * `negotiation`: which representation it accepts (RFC 9110, section 12)
//! * `pieces`: bodies that are written piece by piece
//! * `problem`: problem documents
//! * `referer`: the page that it comes from

pub(crate) mod answers;
pub(crate) mod client_address;
pub(crate) mod cookies;
pub(crate) mod language;
pub(crate) mod media_type;
pub(crate) mod negotiation;
pub(crate) mod pieces;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod referer;
pub(crate) mod request_body;
pub(crate) mod request_head;
