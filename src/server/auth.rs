//! Who may publish and who may read what: the one place where it is decided, for every door.
//!
//! * `token`: bearer tokens and how they are checked
//! * `keys`: the keys that they are checked with
//! * `signing`: keys that make them
//! * `grants`: which topics a token allows
//! * `origin`: which pages a browser may publish from

pub(crate) mod expiry;
mod grants;
mod keys;
mod origin;
mod signing;
mod token;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use clap::ValueEnum;
use serde::Deserialize;

use self::grants::Grants;
pub(super) use self::keys::Keys;
pub(super) use self::signing::SigningKey;
pub(super) use self::token::VerificationKey;
use self::token::{TOKEN_COOKIE, TokenError, token_of, verify};
use crate::hub::topic::Topic;
use crate::server::auth::expiry::Expiry;
use crate::server::http::client_address::{TrustedProxies, is_trusted};
use crate::server::http::problem::Problem;
use crate::server::settings::Settings;

/// Who may publish without a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AnonymousPublish {
    /// No client: publishing needs a token.
    Off,
    /// Programs of this machine, for development: the server listens on loopback, has no keys, and no reverse proxy leads
    /// to it.
    #[value(alias = "auto")]
    Local,
    /// Every client.
    On,
}

/// Who may read events that are not private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadAccess {
    /// Every client if the server has no keys; with keys, clients with a token for the topic.
    Auto,
    /// Every client.
    Public,
    /// Clients with a token for the topic.
    Token,
}

/// Who may see what operators look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OperatorAccess {
    /// Programs of this machine if the server listens on loopback; and clients with a token that allows to read the topics.
    Auto,
    /// Every client.
    On,
    /// No client.
    Off,
}

/// The rules; cheap to clone.
#[derive(Clone)]
pub(super) struct Access(Arc<Rules>);

struct Rules {
    keys: Keys,
    anonymous_publish: AnonymousPublish,
    read: ReadAccess,
    list_topics: OperatorAccess,
    metrics: OperatorAccess,
    is_on_loopback: bool,
    trusted_proxies: TrustedProxies,
    allowed_origins: Vec<HeaderValue>,
}

/// Where a request comes from, as far as rights depend on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) headers: &'a HeaderMap,
    /// The other end of the connection.
    pub(super) peer: Option<IpAddr>,
}

/// What a reader may see.
#[derive(Debug, Clone, Default)]
pub(super) struct Reader {
    grants: Grants,
    has_token: bool,
    expires_at: Option<Expiry>,
}

/// A client that may publish to a topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Publisher {
    /// When its right to publish ends.
    pub(super) expires_at: Option<Expiry>,
    /// Whether it may read the topic's private events.
    pub(super) sees_private: bool,
}

/// A client that may list topics.
pub(super) struct Lister {
    reader: Reader,
    /// Whether it sees the topics only that its token allows to read.
    is_limited_to_grants: bool,
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

/// Headers that a proxy adds, beside those that begin with [`FORWARDED_PREFIX`]: a request that has one comes from further
/// away than its connection.
const PROXY_HEADERS: [HeaderName; 3] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-real-ip"),
];

const FORWARDED_PREFIX: &str = "x-forwarded-";

impl<'a> Caller<'a> {
    /// The caller of a request.
    pub(super) fn of(parts: &'a Parts) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Self {
            headers: &parts.headers,
            peer: peer.map(|ConnectInfo(peer)| peer.ip()),
        }
    }
}

impl Access {
    /// The rules that the settings, their keys and the address that is listened on give.
    pub(super) fn new(settings: &Settings, keys: Keys, address: SocketAddr) -> Self {
        Self(Arc::new(Rules {
            keys,
            anonymous_publish: settings.anonymous_publish,
            read: settings.read,
            list_topics: settings.list_topics,
            metrics: settings.metrics,
            trusted_proxies: settings.trusted_proxy.clone().into(),
            is_on_loopback: address.ip().to_canonical().is_loopback(),
            allowed_origins: settings.allow_origin.clone(),
        }))
    }

    /// Who reads, as far as the request says. Without keys, one reader cannot be told from another, and a token is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// A problem if it has a token that does not hold: reading on without would hide events in silence. Also if a page
    /// of another origin has the browser send a cookie: on a WebSocket, no CORS keeps it from what it may not see.
    pub(super) fn reader(&self, caller: &Caller<'_>) -> Result<Reader, Problem> {
        let headers = caller.headers;
        let is_ambient = !self.0.keys.is_empty()
            && headers.contains_key(header::ORIGIN)
            && token_of(headers).is_some_and(|token| token.is_from_cookie);
        if is_ambient {
            origin::check(headers, &self.0.allowed_origins)?;
        }
        Ok(match self.claims(headers)? {
            None => Reader::default(),
            Some(claims) => Reader {
                has_token: true,
                expires_at: Expiry::from_seconds(claims.exp),
                grants: claims.subscribe,
            },
        })
    }

    /// Whether a reader may read a topic at all.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(super) fn check_read(&self, reader: &Reader, topic: &Topic) -> Result<(), Problem> {
        let needs_token = match self.0.read {
            ReadAccess::Public => false,
            ReadAccess::Auto => !self.0.keys.is_empty(),
            ReadAccess::Token => true,
        };
        if !needs_token || *topic == Topic::clock() || reader.grants.cover(topic) {
            return Ok(());
        }
        if reader.has_token {
            return Err(insufficient(format!(
                "the token does not allow reading the topic {topic}; its claim subscribe must name it, or a beginning of it with * behind"
            )));
        }
        if self.0.keys.is_empty() {
            return Err(forbidden(
                "reading needs a token, and the server has no key to check one with; configure --jwt-secret-file or --jwt-public-key, or --read=public",
            ));
        }
        Err(token_needed("reading"))
    }

    /// Whether some client could read a private event: readers show by a token that they may, which needs a key.
    pub(super) fn can_be_private(&self) -> bool {
        !self.0.keys.is_empty()
    }

    /// Whether a request may publish to a topic, or end it.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(super) fn check_publish(
        &self,
        caller: &Caller<'_>,
        topic: &Topic,
    ) -> Result<Publisher, Problem> {
        if *topic == Topic::clock() {
            return Err(only_the_clock());
        }
        origin::check(caller.headers, &self.0.allowed_origins)?;
        self.authorize_publish(caller, topic)
    }

    /// The same without regard to the page that has sent the request: whether a page that this server renders for the
    /// caller may offer to publish.
    ///
    /// # Errors
    ///
    /// As [`Self::check_publish`].
    pub(super) fn authorize_publish(
        &self,
        caller: &Caller<'_>,
        topic: &Topic,
    ) -> Result<Publisher, Problem> {
        if *topic == Topic::clock() {
            return Err(only_the_clock());
        }
        let claims = self.claims(caller.headers)?;
        let may_publish = |claims: &Claims| claims.publish.cover(topic);
        let has_grant = claims.as_ref().is_some_and(may_publish);
        if has_grant || self.may_publish_without_token(caller) {
            return Ok(Publisher {
                expires_at: claims
                    .as_ref()
                    .filter(|_| has_grant)
                    .and_then(|claims| Expiry::from_seconds(claims.exp)),
                sees_private: claims.is_some_and(|claims| claims.subscribe.cover(topic)),
            });
        }
        if claims.is_some() {
            return Err(insufficient(format!(
                "the token does not allow publishing to the topic {topic}; its claim publish must name it, or a beginning of it with * behind"
            )));
        }
        if !self.0.keys.is_empty() {
            return Err(token_needed("publishing"));
        }
        Err(forbidden(match self.0.anonymous_publish {
            AnonymousPublish::Local => {
                "only programs of the server's own machine may publish without a token: ask for a local name such as 127.0.0.1 or localhost, with no proxy in between; or configure --jwt-secret-file or --jwt-public-key"
            }
            _ => {
                "publishing needs a token, and the server has no key to check one with: configure --jwt-secret-file or --jwt-public-key, start it with --anonymous-publish=local for programs of this machine (only where no reverse proxy leads to it), or with --anonymous-publish=on for every client"
            }
        }))
    }

    /// Whether a request may list topics, and which.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(super) fn lister(&self, caller: &Caller<'_>) -> Result<Lister, Problem> {
        let reader = self.reader(caller)?;
        match self.0.list_topics {
            OperatorAccess::On => {}
            OperatorAccess::Auto if self.is_of_this_machine(caller) => {}
            OperatorAccess::Auto if reader.has_token => {
                return Ok(Lister {
                    reader,
                    is_limited_to_grants: true,
                });
            }
            OperatorAccess::Auto => return Err(self.closed("the list of topics", "--list-topics")),
            OperatorAccess::Off => {
                return Err(forbidden(
                    "the list of topics is closed: --list-topics is off",
                ));
            }
        }
        Ok(Lister {
            reader,
            is_limited_to_grants: false,
        })
    }

    /// Whether a request may read the server's numbers.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(super) fn check_metrics(&self, caller: &Caller<'_>) -> Result<(), Problem> {
        match self.0.metrics {
            OperatorAccess::On => Ok(()),
            OperatorAccess::Auto if self.is_of_this_machine(caller) => Ok(()),
            OperatorAccess::Auto if self.reader(caller)?.grants.cover_everything() => Ok(()),
            OperatorAccess::Auto => Err(self.closed("this page", "--metrics")),
            OperatorAccess::Off => Err(forbidden("this page is closed: --metrics is off")),
        }
    }

    fn closed(&self, what: &str, setting: &str) -> Problem {
        if self.0.keys.is_empty() {
            return forbidden(format!(
                "{what} is open to programs of the server's own machine only; open it with {setting}=on"
            ));
        }
        token_needed("seeing this")
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

    fn may_publish_without_token(&self, caller: &Caller<'_>) -> bool {
        match self.0.anonymous_publish {
            AnonymousPublish::On => true,
            AnonymousPublish::Off => false,
            AnonymousPublish::Local => self.0.keys.is_empty() && self.is_of_this_machine(caller),
        }
    }

    /// Whether a request seems to come from a program of this machine: not from elsewhere through a proxy, and not from a
    /// page whose own name was made to lead here (DNS rebinding). A proxy that adds no header and names itself `localhost`
    /// in `Host` cannot be told from a program, so nothing that matters is granted by this alone without a setting.
    fn is_of_this_machine(&self, caller: &Caller<'_>) -> bool {
        let is_proxy_header = |name: &HeaderName| {
            PROXY_HEADERS.contains(name) || name.as_str().starts_with(FORWARDED_PREFIX)
        };
        let is_peer_local = caller.peer.is_some_and(|peer| {
            peer.to_canonical().is_loopback() && !is_trusted(peer, &self.0.trusted_proxies)
        });
        self.0.is_on_loopback
            && is_peer_local
            && origin::is_host_local(caller.headers)
            && !caller.headers.keys().any(is_proxy_header)
    }
}

impl Lister {
    /// Whether the client may know of a topic, and if so, whether it may see the topic's private events.
    pub(super) fn sees(&self, topic: &Topic) -> Option<bool> {
        let is_granted = self.reader.may_read_private(topic);
        let may_know = is_granted || !self.is_limited_to_grants || *topic == Topic::clock();
        may_know.then_some(is_granted)
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

fn only_the_clock() -> Problem {
    forbidden("only the clock publishes to its topic; choose another")
}

fn insufficient(detail: String) -> Problem {
    let challenge = "Bearer realm=\"fairwind\", error=\"insufficient_scope\"";
    forbidden(detail).with_header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static(challenge),
    )
}

fn token_needed(what: &str) -> Problem {
    let detail = format!(
        "{what} needs a token; send it as 'Authorization: Bearer TOKEN' or in the cookie {TOKEN_COOKIE}"
    );
    Problem::new(StatusCode::UNAUTHORIZED, detail).with_header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"fairwind\""),
    )
}

fn invalid(error: TokenError) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, error.to_string()).with_header(
        header::WWW_AUTHENTICATE,
        HeaderValue::from_static("Bearer realm=\"fairwind\", error=\"invalid_token\""),
    )
}

#[cfg(test)]
mod tests;
