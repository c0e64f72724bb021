//! Decides which client may publish and read which topic, for every way of publishing and reading.
//!
//! * `identity`: a client's identity, by the token that its request carries in a header or a cookie
//! * `policy`: what it may publish, read, list
//! * `origin`: pages of which origins may make a browser send requests (CSRF)
//! * `token`: bearer tokens and how they are checked
//! * `keys`: the keys that they are checked with
//! * `signing`: keys that make them
//! * `grants`: which topics a token allows
//! * `expiry`: when a right ends

pub(crate) mod expiry;
mod grants;
mod identity;
mod keys;
mod origin;
mod policy;
mod signing;
mod token;

pub(super) use self::identity::Caller;
#[cfg(any(test, fuzzing))]
pub(super) use self::identity::Claims;
pub(super) use self::keys::Keys;
pub(super) use self::policy::{AccessConfig, AccessPolicy, Publisher, Reader};
pub use self::policy::{AnonymousPublish, AskAccess, OperatorAccess, ReadAccess};
pub(super) use self::signing::SigningKey;
pub(super) use self::token::VerificationKey;

#[cfg(test)]
mod tests;
