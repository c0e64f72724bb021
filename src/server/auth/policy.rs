//! What a client may do: publish to a topic, read it, list topics, read the server's metrics. Whether a browser may send the
//! request for the page that it shows is another question, which `origin` answers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use clap::ValueEnum;

use super::expiry::Expiry;
use super::identity::{Caller, Identity, Share};
use super::keys::Keys;
use super::origin;
use crate::feeds::{FeedTopics, Owner, TopicOwners};
use crate::hub::pattern::Pattern;
use crate::hub::presence::Name;
use crate::hub::topic::Topic;
use crate::hub::visibility::{Rights, TopicRights, Visibility};
use crate::protocol::problem::ProblemCode;
use crate::server::http::client_address::{TrustedProxies, is_trusted};
use crate::server::http::problem::Problem;

/// Clients that may publish without a token.
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

/// Clients that may read public events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadAccess {
    /// Every client if the server has no keys; with keys, clients with a token for the topic.
    Auto,
    /// Every client.
    Public,
    /// Clients with a token for the topic.
    Token,
}

/// Clients that may see what operators look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OperatorAccess {
    /// Programs of this machine if the server listens on loopback; and clients with a token that allows to read the topics.
    Auto,
    /// Every client.
    On,
    /// No client.
    Off,
}

/// Clients that may ask questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AskAccess {
    /// Every client where the documentation answers; where a model does, clients that may publish to the topics of answers, since
    /// each question costs something.
    Auto,
    /// Every client.
    On,
    /// Clients that may publish to the topics of answers.
    Publishers,
}

/// What the rules depend on.
#[derive(Debug, Clone)]
pub(in crate::server) struct AccessConfig {
    pub(in crate::server) anonymous_publish: AnonymousPublish,
    pub(in crate::server) read: ReadAccess,
    pub(in crate::server) ask: AskAccess,
    /// Whether a model answers.
    pub(in crate::server) has_model: bool,
    pub(in crate::server) list_topics: OperatorAccess,
    pub(in crate::server) metrics: OperatorAccess,
    /// Whether the server listens on a loopback address only.
    pub(in crate::server) is_on_loopback: bool,
    pub(in crate::server) trusted_proxies: TrustedProxies,
    /// Origins whose pages may publish, beside the server's own.
    pub(in crate::server) allowed_origins: Vec<HeaderValue>,
    /// The topics that belong to the server's feeds: every client reads them, and none publishes there.
    pub(in crate::server) owners: TopicOwners,
}

/// The rules; cheap to clone.
#[derive(Clone)]
pub(in crate::server) struct AccessPolicy(Arc<Rules>);

struct Rules {
    config: AccessConfig,
    keys: Keys,
}

/// What a client may read.
#[derive(Debug, Clone, Default)]
pub(in crate::server) struct Reader(Identity);

/// A client that may publish to a topic.
#[derive(Debug, Clone, Copy)]
pub(in crate::server) struct Publisher {
    /// When its right to publish ends.
    pub(in crate::server) expires_at: Option<Expiry>,
    /// Whether it may read the topic's private events.
    pub(in crate::server) sees_private: bool,
}

/// A client that may list topics.
pub(in crate::server) struct Lister {
    reader: Reader,
    /// Whether it sees only the topics that its token allows to read.
    is_limited_to_grants: bool,
    owners: TopicOwners,
}

/// Headers that a proxy adds, beside those that begin with [`FORWARDED_PREFIX`]: a request that has one comes from further
/// away than its connection.
const PROXY_HEADERS: [HeaderName; 3] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-real-ip"),
];

const FORWARDED_PREFIX: &str = "x-forwarded-";

impl AccessPolicy {
    pub(in crate::server) fn new(config: AccessConfig, keys: Keys) -> Self {
        Self(Arc::new(Rules { config, keys }))
    }

    /// Checks that the page which made a browser send a request may do so: authorization says nothing about it, since a
    /// browser sends its user's cookies for any page (CSRF). Requests that no browser sends pass.
    ///
    /// # Errors
    ///
    /// A problem that names the setting which allows an origin.
    pub(in crate::server) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        origin::check(headers, &self.0.config.allowed_origins)
    }

    /// Identifies a client that reads.
    ///
    /// # Errors
    ///
    /// A problem if its token does not hold: reading on without would hide events silently. Also if a page of another origin
    /// makes the browser send a cookie: on a WebSocket, CORS does not keep such a page from the answer.
    pub(in crate::server) fn reader(&self, caller: &Caller<'_>) -> Result<Reader, Problem> {
        let identity = self.identify(caller)?;
        if identity.is_from_cookie && caller.headers.contains_key(header::ORIGIN) {
            self.check_origin(caller.headers)?;
        }
        Ok(Reader(identity))
    }

    /// Authorizes a reader to read a topic's public events.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(in crate::server) fn authorize_read(
        &self,
        reader: &Reader,
        topic: &Topic,
    ) -> Result<(), Problem> {
        if !self.reading_needs_token()
            || self.0.config.owners.own(topic)
            || reader.may_read_private(topic)
        {
            return Ok(());
        }
        Err(self.may_not_read(reader, &format!("the topic {topic}")))
    }

    /// Authorizes a reader to read the topics that a pattern matches: all of them, or those that its token names.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing, if it may read none.
    pub(in crate::server) fn authorize_pattern(
        &self,
        reader: &Reader,
        pattern: &Pattern,
    ) -> Result<Visibility, Problem> {
        let needs_token = self.reading_needs_token();
        match reader.0.may_read_private_of(pattern) {
            Share::All => Ok(Visibility::Private),
            Share::None if !needs_token => Ok(Visibility::Public),
            Share::None if !self.0.config.owners.own_any_of(pattern) => {
                Err(self.may_not_read(reader, &format!("any topic of {pattern}")))
            }
            Share::Some | Share::None => Ok(Visibility::PerTopic(Arc::new(PatternRights {
                reader: reader.clone(),
                needs_token,
                owners: self.0.config.owners.clone(),
            }))),
        }
    }

    fn reading_needs_token(&self) -> bool {
        match self.0.config.read {
            ReadAccess::Public => false,
            ReadAccess::Auto => !self.0.keys.is_empty(),
            ReadAccess::Token => true,
        }
    }

    fn may_not_read(&self, reader: &Reader, what: &str) -> Problem {
        if reader.0.has_token() {
            return Problem::insufficient_scope(format!(
                "the token does not allow reading {what}; its claim subscribe must name it, or a beginning of it with * behind"
            ));
        }
        if self.0.keys.is_empty() {
            return Problem::forbidden(
                "reading needs a token, and the server has no key to check one with; configure --jwt-secret-file or --jwt-public-key, or --read=public",
            );
        }
        Problem::token_required("reading")
    }

    /// The name under which a reader is present that gives one: with keys, the subject of its token, which may be left empty in
    /// the query.
    ///
    /// # Errors
    ///
    /// A problem if the text cannot be a name, or is not that of the token.
    pub(in crate::server) fn presence_name(
        &self,
        reader: &Reader,
        given: &str,
    ) -> Result<Name, Problem> {
        if self.0.keys.is_empty() {
            return Name::new(given).map_err(|error| Problem::invalid_query(error.to_string()));
        }
        if !reader.0.has_token() {
            return Err(Problem::token_required("a name"));
        }
        let Some(subject) = reader.0.subject() else {
            return Err(Problem::insufficient_scope(
                "the token has no claim sub, which would be the reader's name; leave the name out of the query, or get a token with sub",
            ));
        };
        if !given.is_empty() && given != subject {
            return Err(Problem::insufficient_scope(
                "the name is not the claim sub of the token; leave it empty in the query (name=)",
            ));
        }
        Name::new(subject).map_err(|error| {
            Problem::insufficient_scope(format!("the token's claim sub cannot be a name: {error}"))
        })
    }

    /// Whether any client could read a private event: readers show by a token that they may, which needs a key.
    pub(in crate::server) fn can_be_private(&self) -> bool {
        !self.0.keys.is_empty()
    }

    /// Checks both that a request may come from the page that sent it, and that its client may publish to a topic, or end it.
    ///
    /// # Errors
    ///
    /// As [`Self::check_origin`] and [`Self::authorize_publish`].
    pub(in crate::server) fn check_publish(
        &self,
        caller: &Caller<'_>,
        topic: &Topic,
    ) -> Result<Publisher, Problem> {
        self.check_origin(caller.headers)?;
        self.authorize_publish(caller, topic)
    }

    /// Authorizes a client to publish to a topic, whichever page sent the request.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(in crate::server) fn authorize_publish(
        &self,
        caller: &Caller<'_>,
        topic: &Topic,
    ) -> Result<Publisher, Problem> {
        if let Some(owner) = self.0.config.owners.owner(topic) {
            return Err(reserved(owner));
        }
        self.authorize_write(caller, topic)
    }

    /// Authorizes a client to ask, whichever page sent the request. `topic` is that of the answer.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(in crate::server) fn authorize_ask(
        &self,
        caller: &Caller<'_>,
        topic: &Topic,
    ) -> Result<(), Problem> {
        let is_open = match self.0.config.ask {
            AskAccess::On => true,
            AskAccess::Auto => !self.0.config.has_model,
            AskAccess::Publishers => false,
        };
        if is_open {
            return Ok(());
        }
        self.authorize_write(caller, topic).map(|_| ())
    }

    /// As [`Self::authorize_publish`], also where a feed owns the topic.
    fn authorize_write(&self, caller: &Caller<'_>, topic: &Topic) -> Result<Publisher, Problem> {
        let identity = self.identify(caller)?;
        let has_grant = identity.may_publish(topic);
        if has_grant || self.may_publish_without_token(caller) {
            return Ok(Publisher {
                expires_at: identity.expires_at().filter(|_| has_grant),
                sees_private: identity.may_read_private(topic),
            });
        }
        if identity.has_token() {
            return Err(Problem::insufficient_scope(format!(
                "the token does not allow publishing to the topic {topic}; its claim publish must name it, or a beginning of it with * behind"
            )));
        }
        if !self.0.keys.is_empty() {
            return Err(Problem::token_required("publishing"));
        }
        Err(Problem::forbidden(match self.0.config.anonymous_publish {
            AnonymousPublish::Local => {
                "only programs of the server's own machine may publish without a token: ask for a local name such as 127.0.0.1 or localhost, with no proxy in between; or configure --jwt-secret-file or --jwt-public-key"
            }
            _ => {
                "publishing needs a token, and the server has no key to check one with: configure --jwt-secret-file or --jwt-public-key, start it with --anonymous-publish=local for programs of this machine (only where no reverse proxy leads to it), or with --anonymous-publish=on for every client"
            }
        }))
    }

    /// Authorizes a client to list topics.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(in crate::server) fn authorize_listing(
        &self,
        caller: &Caller<'_>,
    ) -> Result<Lister, Problem> {
        let reader = self.reader(caller)?;
        let is_limited_to_grants = match self.0.config.list_topics {
            OperatorAccess::On => false,
            OperatorAccess::Auto if self.is_of_this_machine(caller) => false,
            OperatorAccess::Auto if reader.0.has_token() => true,
            OperatorAccess::Auto => {
                return Err(self.not_public("the list of topics", "--list-topics"));
            }
            OperatorAccess::Off => {
                return Err(Problem::forbidden(
                    "the list of topics is closed: --list-topics is off",
                ));
            }
        };
        Ok(Lister {
            reader,
            is_limited_to_grants,
            owners: self.0.config.owners.clone(),
        })
    }

    /// Authorizes a client to read the server's metrics.
    ///
    /// # Errors
    ///
    /// A problem that says what is missing.
    pub(in crate::server) fn authorize_metrics(&self, caller: &Caller<'_>) -> Result<(), Problem> {
        match self.0.config.metrics {
            OperatorAccess::On => Ok(()),
            OperatorAccess::Auto if self.is_of_this_machine(caller) => Ok(()),
            OperatorAccess::Auto if self.reader(caller)?.0.may_read_everything() => Ok(()),
            OperatorAccess::Auto => Err(self.not_public("this page", "--metrics")),
            OperatorAccess::Off => Err(Problem::forbidden("this page is closed: --metrics is off")),
        }
    }

    fn not_public(&self, what: &str, setting: &str) -> Problem {
        if self.0.keys.is_empty() {
            return Problem::forbidden(format!(
                "{what} is open to programs of the server's own machine only; open it with {setting}=on"
            ));
        }
        Problem::token_required("seeing this")
    }

    fn identify(&self, caller: &Caller<'_>) -> Result<Identity, Problem> {
        Identity::of(caller.headers, &self.0.keys)
    }

    fn may_publish_without_token(&self, caller: &Caller<'_>) -> bool {
        match self.0.config.anonymous_publish {
            AnonymousPublish::On => true,
            AnonymousPublish::Off => false,
            AnonymousPublish::Local => self.0.keys.is_empty() && self.is_of_this_machine(caller),
        }
    }

    /// Whether a request seems to come from a program of this machine: not from elsewhere through a proxy, and not from a
    /// page whose own name was made to lead here (DNS rebinding). A proxy that adds no header and names itself `localhost`
    /// in `Host` looks like a program, so nothing that matters is granted by this alone without a setting.
    fn is_of_this_machine(&self, caller: &Caller<'_>) -> bool {
        let config = &self.0.config;
        let is_proxy_header = |name: &HeaderName| {
            PROXY_HEADERS.contains(name) || name.as_str().starts_with(FORWARDED_PREFIX)
        };
        let is_local = |peer: IpAddr| {
            peer.to_canonical().is_loopback() && !is_trusted(peer, &config.trusted_proxies)
        };
        config.is_on_loopback
            && caller.peer.is_some_and(is_local)
            && origin::is_host_local(caller.headers)
            && !caller.headers.keys().any(is_proxy_header)
    }
}

/// Refuses to publish to a feed's topic.
fn reserved(owner: &Owner) -> Problem {
    let name = owner.name;
    Problem::new(
        ProblemCode::ReservedTopic,
        match &owner.topics {
            FeedTopics::One(_) => format!("only {name} publishes to its topic; choose another"),
            FeedTopics::Unlisted(beginning) => {
                format!("only {name} publishes to the topics {beginning}NAME; choose another")
            }
            FeedTopics::Matching(pattern) => {
                format!("only {name} publishes to the topics {pattern}; choose another")
            }
        },
    )
}

/// What a reader of a pattern may see of each topic.
struct PatternRights {
    reader: Reader,
    needs_token: bool,
    owners: TopicOwners,
}

impl TopicRights for PatternRights {
    fn of(&self, topic: &Topic) -> Rights {
        if self.reader.may_read_private(topic) {
            Rights::Private
        } else if !self.needs_token || self.owners.own(topic) {
            Rights::Public
        } else {
            Rights::Nothing
        }
    }
}

impl Lister {
    /// Whether the client may know of a topic, and if so, whether it may see the topic's private events.
    pub(in crate::server) fn sees(&self, topic: &Topic) -> Option<bool> {
        let is_granted = self.reader.may_read_private(topic);
        let may_know = is_granted || !self.is_limited_to_grants || self.owners.own(topic);
        may_know.then_some(is_granted)
    }
}

impl Reader {
    /// Whether the reader may see a topic's private events.
    pub(in crate::server) fn may_read_private(&self, topic: &Topic) -> bool {
        self.0.may_read_private(topic)
    }

    /// When the reader's right to read ends.
    pub(in crate::server) fn expires_at(&self) -> Option<Expiry> {
        self.0.expires_at()
    }
}
