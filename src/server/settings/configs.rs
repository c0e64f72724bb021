//! What each part of the server is given of the settings: one small structure for each, so that no part knows of flags.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytesize::ByteSize;
use leptos::config::LeptosOptions;

use super::Settings;
use super::values::{ClockInterval, StreamCompression, Switch};
use crate::feeds::answers::{AnswerLimits, Answers, Upstream};
use crate::feeds::clock::Clock;
use crate::feeds::quotes::Quotes;
use crate::feeds::{Feed, TopicOwners};
use crate::hub::Limits;
use crate::hub::log::disk::DiskConfig;
use crate::hub::log::nats::{NatsConfig, NatsCredentials};
use crate::hub::schedule::ScheduleLimits;
use crate::server::auth::{AccessConfig, Keys};
use crate::server::http::client_address::TrustedProxies;
use crate::server::http::request_body::BodyTimes;
use crate::server::limits::connections::ConnectionLimits;
use crate::server::limits::request_rate::RateLimits;
use crate::server::limits::shares::Shares;
use crate::server::limits::streams::StreamLimits;
use crate::server::net::connections::ConnectionConfig;
use crate::server::router::RouterConfig;
use crate::server::state::{AnswerPlaces, PublishConfig, SiteConfig};
use crate::server::stream::config::StreamConfig;

impl Settings {
    pub(in crate::server) fn hub_limits(&self) -> Limits {
        Limits {
            events: self.history_events,
            age: self.history_age,
            bytes: bytes(self.history_bytes),
            tail_bytes: bytes(self.live_bytes),
            topics: self.max_topics,
            subscriptions: self.max_subscriptions,
        }
    }

    /// How the log on disk is used, if there is one.
    pub(in crate::server) fn disk_config(&self) -> DiskConfig {
        let history_bytes = self.history_disk.as_u64();
        DiskConfig {
            sync: self.sync,
            history_bytes,
            history_age: self.history_age,
            on_damage: self.on_damage,
            segment_bytes: DiskConfig::segment_bytes_for(history_bytes),
        }
    }

    /// How the nats-servers are used, if there are any.
    pub(in crate::server) fn nats_config(&self) -> NatsConfig {
        NatsConfig {
            servers: self.nats.clone(),
            credentials: NatsCredentials {
                credentials: self.nats_credentials.clone(),
                nkey: self.nats_nkey.clone(),
                ca: self.nats_ca.clone(),
                certificate: self.nats_cert.clone().zip(self.nats_key.clone()),
            },
            stream: self.nats_stream.clone(),
            replicas: self.nats_replicas,
            history_age: self.history_age,
            history_bytes: self.history_disk.as_u64(),
        }
    }

    pub(in crate::server) fn connection_limits(&self) -> ConnectionLimits {
        ConnectionLimits {
            in_all: self.max_connections,
            of_client: self.max_connections_per_address,
            trusted_proxies: self.trusted_proxies(),
        }
    }

    pub(in crate::server) fn stream_limits(&self) -> StreamLimits {
        StreamLimits {
            streams: [self.max_streams, self.max_streams_per_address],
            subscriptions: [self.max_subscriptions, self.max_subscriptions_per_address],
            held_bytes: [
                bytes(self.max_held_bytes),
                bytes(self.max_held_bytes_per_address),
            ],
        }
    }

    pub(in crate::server) fn rate_limits(&self) -> RateLimits {
        RateLimits {
            publish: self.publish_rate,
            streams: self.stream_rate,
        }
    }

    /// The keys of the files that are named.
    pub(in crate::server) fn keys(&self) -> Keys {
        let secrets = self.jwt_secret_file.iter();
        Keys::new(secrets.chain(&self.jwt_public_key).cloned().collect())
    }

    /// The feed of quotes, unless it is off.
    ///
    /// # Errors
    ///
    /// If the file of ticks cannot be used.
    pub(in crate::server) fn quotes(&self) -> io::Result<Option<Arc<Quotes>>> {
        if self.quotes == Switch::Off {
            return Ok(None);
        }
        let quotes = match &self.quotes_from {
            Some(path) => Quotes::from_file(path),
            None => Quotes::simulated(self.quotes_seed),
        };
        let quotes = quotes.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Some(Arc::new(quotes)))
    }

    /// The feed of answers, unless it is off.
    ///
    /// # Errors
    ///
    /// If the model's server or its key cannot be used.
    pub(in crate::server) fn answers(&self) -> io::Result<Option<Arc<Answers>>> {
        if self.answers == Switch::Off {
            return Ok(None);
        }
        let limits = AnswerLimits {
            bytes: bytes(self.answers_bytes),
            time: self.answers_time,
            silence: self.answers_silence,
        };
        let Some(upstream) = &self.answers_upstream else {
            return Ok(Some(Arc::new(Answers::of_documentation(limits))));
        };
        let key = match (&self.answers_key_file, &self.answers_key) {
            (Some(file), _) => Some(std::fs::read_to_string(file).map_err(|error| {
                let message = format!("cannot read {} for the key: {error}", file.display());
                io::Error::new(error.kind(), message)
            })?),
            (None, key) => key.as_ref().map(|key| key.reveal().to_owned()),
        };
        let key = key.as_deref().map(str::trim).filter(|key| !key.is_empty());
        let model = self.answers_model.as_deref().unwrap_or_default();
        let upstream = Upstream::new(upstream, model, key)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Some(Arc::new(Answers::of_model(upstream, limits))))
    }

    /// How many answers are under way, and how many are kept, in all and for one client.
    pub(in crate::server) fn answer_places(&self) -> AnswerPlaces {
        let kept = self.max_kept_answers;
        AnswerPlaces {
            running: Shares::new(self.max_answers, self.max_answers_per_address),
            kept: Shares::new(kept, (kept / 10).max(1)),
            max_kept: kept,
        }
    }

    /// The feeds of the server, of which those of quotes and answers are some.
    pub(in crate::server) fn feeds(
        &self,
        quotes: Option<&Arc<Quotes>>,
        answers: Option<&Arc<Answers>>,
    ) -> Vec<Arc<dyn Feed>> {
        let mut feeds: Vec<Arc<dyn Feed>> = Vec::new();
        if let ClockInterval::Every(interval) = self.clock_interval {
            feeds.push(Arc::new(Clock::new(interval)));
        }
        if let Some(quotes) = quotes {
            feeds.push(Arc::<Quotes>::clone(quotes));
        }
        if let Some(answers) = answers {
            feeds.push(Arc::<Answers>::clone(answers));
        }
        feeds
    }

    /// The rules of a server that listens on `address`, with feeds that own these topics.
    pub(in crate::server) fn access_config(
        &self,
        address: SocketAddr,
        owners: TopicOwners,
    ) -> AccessConfig {
        AccessConfig {
            anonymous_publish: self.anonymous_publish,
            read: self.read,
            ask: self.ask,
            has_model: self.answers_upstream.is_some(),
            list_topics: self.list_topics,
            metrics: self.metrics,
            is_on_loopback: address.ip().to_canonical().is_loopback(),
            trusted_proxies: self.trusted_proxies(),
            allowed_origins: self.allow_origin.clone(),
            owners,
        }
    }

    pub(in crate::server) fn stream_config(&self) -> StreamConfig {
        StreamConfig {
            retry: self.retry,
            heartbeat: self.heartbeat,
            lifetime: self.stream_lifetime,
            idle_timeout: self.idle_timeout,
            write_timeout: self.write_timeout,
            slow_reader: self.slow_reader,
            is_gzip_offered: self.stream_compression == StreamCompression::Gzip,
            headers: self.stream_header.clone(),
        }
    }

    pub(in crate::server) fn publish_config(&self) -> PublishConfig {
        PublishConfig {
            max_bytes: bytes(self.max_body),
            frame_timeout: self.request_timeout,
        }
    }

    pub(in crate::server) fn schedule_limits(&self) -> ScheduleLimits {
        let bytes = bytes(self.max_scheduled_bytes);
        ScheduleLimits {
            in_all: self.max_scheduled,
            of_publisher: self.max_scheduled_per_address,
            bytes,
            bytes_of_publisher: bytes / 4,
            ..ScheduleLimits::default()
        }
    }

    pub(in crate::server) fn site_config(&self, leptos_options: LeptosOptions) -> SiteConfig {
        SiteConfig {
            leptos_options,
            is_https: self.tls_cert.is_some(),
            trusted_proxies: self.trusted_proxies(),
        }
    }

    pub(in crate::server) fn router_config(&self) -> RouterConfig {
        RouterConfig {
            trusted_proxies: self.trusted_proxies(),
            allowed_origins: self.allow_origin.clone(),
            body_times: BodyTimes {
                whole: self.request_timeout,
                silence: self.idle_timeout,
            },
        }
    }

    pub(in crate::server) fn connection_config(&self) -> ConnectionConfig {
        ConnectionConfig {
            request_timeout: self.request_timeout,
            socket_timeout: self.stream_config().socket_timeout(self.slow_reader),
            trusted_proxies: self.trusted_proxies(),
        }
    }

    pub(in crate::server) fn has_clock(&self) -> bool {
        self.clock_interval != ClockInterval::Off
    }

    pub(in crate::server) fn has_chat(&self) -> bool {
        self.chat == Switch::On
    }

    pub(in crate::server) fn has_notifications(&self) -> bool {
        self.notifications == Switch::On
    }

    pub(in crate::server) fn has_comparisons(&self) -> bool {
        self.compare == Switch::On
    }

    fn trusted_proxies(&self) -> TrustedProxies {
        self.trusted_proxy.as_slice().into()
    }
}

fn bytes(size: ByteSize) -> usize {
    usize::try_from(size.as_u64()).unwrap_or(usize::MAX)
}
