//! Who may publish and who may read what: the one place where it is decided, for every door.
//!
//! * `token`: bearer tokens and how they are checked
//! * `keys`: the keys that they are checked with
//! * `signing`: keys that make them
//! * `grants`: which topics a token allows
//! * `origin`: which pages a browser may publish from

mod grants;
mod keys;
mod origin;
mod signing;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;

use self::grants::Grants;
pub(super) use self::keys::Keys;
pub(super) use self::signing::SigningKey;
pub(super) use self::token::VerificationKey;
use self::token::{TOKEN_COOKIE, TokenError, token_of, verify};
use super::expiry::Expiry;
use super::problem::Problem;
use super::settings::{AnonymousPublish, Settings};
use crate::hub::topic::Topic;

/// The rules; cheap to clone.
#[derive(Clone)]
pub(super) struct Access(Arc<Rules>);

struct Rules {
    keys: Keys,
    anonymous_publish: AnonymousPublish,
    is_on_loopback: bool,
    allowed_origins: Vec<HeaderValue>,
}

/// What a reader may see.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader {
    grants: Grants,
    expires_at: Option<Expiry>,
}

/// What a token says: `{"exp": 1793000000, "publish": ["kitchen", "orders/*"], "subscribe": ["*"]}`.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    /// Its end, in seconds since 1970.
    pub(super) exp: f64,
    /// The topics that may be published to.
    #[serde(default)]
    pub(super) publish: Grants,
    /// The topics whose private events may be read.
    #[serde(default)]
    pub(super) subscribe: Grants,
}

/// Headers that a proxy adds: a request that has one comes from further away than its connection.
const PROXY_HEADERS: [HeaderName; 4] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

impl Access {
    /// The rules that the settings, their keys and the address that is listened on give.
    pub(super) fn new(settings: &Settings, keys: Keys, address: SocketAddr) -> Self {
        Self(Arc::new(Rules {
            keys,
            anonymous_publish: settings.anonymous_publish,
            is_on_loopback: address.ip().to_canonical().is_loopback(),
            allowed_origins: settings.allow_origin.clone(),
        }))
    }

    /// Who reads, as far as the request says. Without keys nobody can be told from anybody else, and a token is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// A problem if it has a token that does not hold: reading on without would hide events in silence. Also if a page
    /// of another origin has the browser send a cookie: on a WebSocket, no CORS keeps it from what it may not see.
    pub(super) fn reader(&self, headers: &HeaderMap) -> Result<Reader, Problem> {
        let is_ambient = !self.0.keys.is_empty()
            && headers.contains_key(header::ORIGIN)
            && token_of(headers).is_some_and(|token| token.is_from_cookie);
        if is_ambient {
            origin::check(headers, &self.0.allowed_origins)?;
        }
        Ok(match self.claims(headers)? {
            None => Reader::default(),
            Some(claims) => Reader {
                expires_at: Expiry::from_seconds(claims.exp),
                grants: claims.subscribe,
            },
        })
    }

    /// Whether there is anybody who could read a private event: readers show by a token that they may, which needs a
    /// key.
    pub(super) fn can_be_private(&self) -> bool {
        !self.0.keys.is_empty()
    }

    /// Whether a request may publish to a topic, or end it.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(super) fn check_publish(&self, headers: &HeaderMap, topic: &Topic) -> Result<(), Problem> {
        if *topic == Topic::clock() {
            return Err(forbidden(
                "only the clock publishes to its topic; choose another",
            ));
        }
        origin::check(headers, &self.0.allowed_origins)?;
        match self.claims(headers)? {
            Some(claims) if claims.publish.cover(topic) => Ok(()),
            claims if self.may_anybody_publish(headers) => {
                drop(claims);
                Ok(())
            }
            Some(_) => Err(forbidden(format!(
                "the token does not allow publishing to the topic {topic}; its claim publish must name it, or a beginning of it with * behind"
            ))
            .with_header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"fairwind\", error=\"insufficient_scope\""),
            )),
            None if self.0.keys.is_empty() => Err(forbidden(
                "publishing from anywhere but this machine needs a token, and the server has no key to check one with; configure --jwt-secret-file or --jwt-public-key, or --anonymous-publish=on to let everybody publish",
            )),
            None => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                format!(
                    "publishing needs a token; send it as 'Authorization: Bearer TOKEN' or in the cookie {TOKEN_COOKIE}"
                ),
            )
            .with_header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"fairwind\""),
            )),
        }
    }

    /// What the request's token says, if there is one and it can be checked.
    fn claims(&self, headers: &HeaderMap) -> Result<Option<Claims>, Problem> {
        match token_of(headers) {
            Some(token) if !self.0.keys.is_empty() => verify(&token.text, &self.0.keys.current())
                .map(Some)
                .map_err(invalid),
            _ => Ok(None),
        }
    }

    fn may_anybody_publish(&self, headers: &HeaderMap) -> bool {
        match self.0.anonymous_publish {
            AnonymousPublish::On => true,
            AnonymousPublish::Off => false,
            // On loopback are the programs of this machine: but not what a proxy passes on from elsewhere, and not a
            // page whose own name was made to lead here (DNS rebinding).
            AnonymousPublish::Auto => {
                self.0.keys.is_empty()
                    && self.0.is_on_loopback
                    && !PROXY_HEADERS.iter().any(|name| headers.contains_key(name))
                    && (!origin::is_from_browser(headers)
                        || origin::is_allowed(headers, &self.0.allowed_origins)
                        || origin::is_host_local(headers))
            }
        }
    }
}

impl Reader {
    /// Whether the reader may see a topic's private events.
    pub(super) fn may_read_private(&self, topic: &Topic) -> bool {
        self.grants.cover(topic)
    }

    /// When the reader's right to read ends.
    pub(super) fn expires_at(&self) -> Option<Expiry> {
        self.expires_at
    }
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

fn invalid(error: TokenError) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, error.to_string()).with_header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"fairwind\", error=\"invalid_token\""),
    )
}

#[cfg(test)]
mod tests;
