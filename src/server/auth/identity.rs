//! What a request proves about its sender. `policy` decides what follows from it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde::Deserialize;
use serde_json::Value;

use super::expiry::Expiry;
use super::grants::Grants;
use super::keys::Keys;
use super::token::{token_of, verify};
use crate::hub::pattern::Pattern;
use crate::hub::topic::Topic;
use crate::server::http::problem::Problem;

/// The sender of a request.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Caller<'a> {
    pub(in crate::server) headers: &'a HeaderMap,
    /// The other end of the connection.
    pub(in crate::server) peer: Option<IpAddr>,
}

/// What a request proves about its sender by a token.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Identity {
    claims: Option<Claims>,
    /// Whether the browser sent the token by itself, whichever page made it send the request.
    pub(super) is_from_cookie: bool,
}

/// What a token says: `{"exp": 1793000000, "publish": ["kitchen", "orders/*"], "subscribe": ["*"]}`.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::server) struct Claims {
    /// Its end, in seconds since 1970.
    pub(in crate::server) exp: f64,
    /// The topics that may be published to.
    #[serde(default)]
    pub(in crate::server) publish: Grants,
    /// The topics whose private events may be read.
    #[serde(default)]
    pub(in crate::server) subscribe: Grants,
    /// Its subject: the name under which its bearer is present in a topic, if it is a text.
    #[serde(default)]
    pub(in crate::server) sub: Value,
}

/// How many of the topics that a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    All,
    Some,
    None,
}

impl<'a> Caller<'a> {
    /// The caller of a request.
    pub(in crate::server) fn of(parts: &'a Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            headers: &parts.headers,
            peer: peer.map(|ConnectInfo(peer)| peer.ip()),
        }
    }
}

impl Identity {
    /// Reads and verifies the token of a request. Without keys, tokens are ignored.
    ///
    /// # Errors
    ///
    /// A problem if the token does not hold.
    pub(super) fn of(headers: &HeaderMap, keys: &Keys) -> Result<Self, Problem> {
        if keys.is_empty() {
            return Ok(Self::default());
        }
        let Some(token) = token_of(headers) else {
            return Ok(Self::default());
        };
        let claims = verify(&token.text, &keys.current())
            .map_err(|error| Problem::invalid_token(error.to_string()))?;
        Ok(Self {
            claims: Some(claims),
            is_from_cookie: token.is_from_cookie,
        })
    }

    /// Whether there is a token.
    pub(super) fn has_token(&self) -> bool {
        self.claims.is_some()
    }

    /// Whether the token allows to publish to a topic.
    pub(super) fn may_publish(&self, topic: &Topic) -> bool {
        self.claims
            .as_ref()
            .is_some_and(|claims| claims.publish.cover(topic))
    }

    /// Whether the token allows to read a topic's private events.
    pub(super) fn may_read_private(&self, topic: &Topic) -> bool {
        self.claims
            .as_ref()
            .is_some_and(|claims| claims.subscribe.cover(topic))
    }

    /// Whether the token allows to read the private events of every topic.
    pub(super) fn may_read_everything(&self) -> bool {
        self.claims
            .as_ref()
            .is_some_and(|claims| claims.subscribe.cover_everything())
    }

    /// Whether the token allows to read the private events of every topic that a pattern matches, of some, or of none.
    pub(super) fn may_read_private_of(&self, pattern: &Pattern) -> Share {
        match &self.claims {
            Some(claims) if claims.subscribe.cover_all_of(pattern) => Share::All,
            Some(claims) if claims.subscribe.cover_some_of(pattern) => Share::Some,
            _ => Share::None,
        }
    }

    /// Whom the token is about, if it says so.
    pub(super) fn subject(&self) -> Option<&str> {
        self.claims.as_ref()?.sub.as_str()
    }

    /// When the token ends.
    pub(super) fn expires_at(&self) -> Option<Expiry> {
        Expiry::from_seconds(self.claims.as_ref()?.exp)
    }
}
