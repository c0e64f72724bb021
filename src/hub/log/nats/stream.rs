//! The stream that stores the events: it is made if there is none, and checked if there is one, since readers rest on some of
//! its settings.

use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, Context, ErrorCode};
use tokio::time::{Instant, sleep};

use super::subjects::Subjects;
use super::{NatsConfig, OpenError};

/// For how long the stream knows which messages it has. A message is repeated, or repeated by another node, well within it.
pub(super) const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// How long an ephemeral event stays in the stream: for nodes that are a little late.
pub(super) const EPHEMERAL_AGE: Duration = Duration::from_secs(5);

/// How long the stream may be without a leader before a node that starts says so.
const PATIENCE: Duration = Duration::from_secs(3);

/// The stream, made if there is none. Waits for as long as the servers do not answer.
///
/// # Errors
///
/// [`OpenError`] if the account or the servers do not allow it, or the stream has settings that cost events.
pub(super) async fn open(
    context: &Context,
    config: &NatsConfig,
    subjects: &Subjects,
) -> Result<Stream, OpenError> {
    let mut told_at = Instant::now();
    loop {
        match open_once(context, config, subjects).await {
            Ok(stream) => {
                tell_differences(&stream.cached_info().config, config, subjects);
                return Ok(stream);
            }
            Err(OpenError::NoAnswer(error)) => {
                if told_at.elapsed() > PATIENCE {
                    told_at = Instant::now();
                    tracing::warn!(
                        "the stream {} does not answer yet ({error}); the server listens as soon as it does",
                        config.stream
                    );
                }
                sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// The same, without waiting.
///
/// # Errors
///
/// As [`open`], and [`OpenError::NoAnswer`] if another attempt may help.
pub(super) async fn open_once(
    context: &Context,
    config: &NatsConfig,
    subjects: &Subjects,
) -> Result<Stream, OpenError> {
    let error = match context.get_stream(&config.stream).await {
        Ok(stream) => {
            check(&stream.cached_info().config, config, subjects)?;
            return Ok(stream);
        }
        Err(error) => error,
    };
    match error.kind() {
        GetStreamErrorKind::JetStream(refusal)
            if refusal.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
        GetStreamErrorKind::JetStream(refusal) if is_final(&refusal) => {
            return Err(OpenError::Stream(refusal.to_string()));
        }
        _ => return Err(OpenError::NoAnswer(error.to_string())),
    }
    match context.create_stream(wanted(config, subjects)).await {
        Ok(stream) => {
            tracing::info!("the stream {} is made", config.stream);
            Ok(stream)
        }
        Err(error) => match error.kind() {
            CreateStreamErrorKind::JetStream(refusal)
                // Otherwise another node has been quicker.
                if refusal.error_code() != ErrorCode::STREAM_NAME_EXIST && is_final(&refusal) =>
            {
                Err(OpenError::Stream(refusal.to_string()))
            }
            _ => Err(OpenError::NoAnswer(error.to_string())),
        },
    }
}

/// Whether another attempt cannot help.
fn is_final(refusal: &jetstream::Error) -> bool {
    let lacks_jetstream = [
        ErrorCode::JETSTREAM_NOT_ENABLED,
        ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT,
    ];
    refusal.code() < 500 || lacks_jetstream.contains(&refusal.error_code())
}

/// The settings of a stream that is made.
fn wanted(config: &NatsConfig, subjects: &Subjects) -> Config {
    Config {
        name: config.stream.clone(),
        description: Some("events of Fairwind".to_owned()),
        subjects: subjects.stored(),
        storage: StorageType::File,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_age: config.history_age,
        max_bytes: i64::try_from(config.history_bytes).unwrap_or(i64::MAX),
        duplicate_window: DUPLICATE_WINDOW.min(config.history_age),
        num_replicas: config.replicas,
        allow_direct: true,
        allow_atomic_publish: true,
        allow_message_ttl: true,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    }
}

/// Refuses what would cost events or answers in silence.
fn check(found: &Config, config: &NatsConfig, subjects: &Subjects) -> Result<(), OpenError> {
    let wanted = wanted(config, subjects);
    let mut wrong = Vec::new();
    let mut must = |holds: bool, rule: &'static str| {
        if !holds {
            wrong.push(rule);
        }
    };
    let has_subject = |subject: &String| found.subjects.contains(subject);
    must(
        wanted.subjects.iter().all(has_subject),
        "its subjects include those of Fairwind",
    );
    must(
        found.retention == RetentionPolicy::Limits,
        "retention is 'limits'",
    );
    must(found.discard == DiscardPolicy::Old, "discard is 'old'");
    must(
        found.max_messages_per_subject < 1 && found.max_messages < 1,
        "there is no maximum number of messages, in all or per subject (events would vanish from the middle)",
    );
    must(
        !found.allow_rollup,
        "rollups are not allowed (a message could remove events)",
    );
    must(found.allow_atomic_publish, "atomic batches are allowed");
    must(found.allow_message_ttl, "messages may have a TTL");
    must(found.allow_direct, "direct get is allowed");
    must(!found.no_ack && !found.sealed, "it can be published to");
    must(
        found.duplicate_window >= DUPLICATE_WINDOW.min(config.history_age),
        "its duplicate window is at least 2 minutes",
    );
    if !wrong.is_empty() {
        return Err(OpenError::Unfit {
            stream: config.stream.clone(),
            rules: wrong.join("; "),
        });
    }
    Ok(())
}

/// Tells the operator of settings that are not those of a stream that would be made now.
fn tell_differences(found: &Config, config: &NatsConfig, subjects: &Subjects) {
    let wanted = wanted(config, subjects);
    if !found.deny_delete || !found.deny_purge {
        tracing::warn!(
            "the stream {} lets clients delete or purge messages, of which readers would not be told",
            config.stream
        );
    }
    for (differs, what) in [
        (
            found.max_age != wanted.max_age,
            "its maximum age is not --history-age",
        ),
        (
            found.max_bytes != wanted.max_bytes,
            "its maximum size is not --history-disk",
        ),
        (
            found.num_replicas != wanted.num_replicas,
            "its number of replicas is not --nats-replicas",
        ),
        (
            found.storage != StorageType::File,
            "it is in the servers' memory",
        ),
    ] {
        if differs {
            tracing::warn!(
                "the stream {} exists, and stays as it is: {what}",
                config.stream
            );
        }
    }
}

/// For how long the stream keeps events; for ever without an age.
pub(super) fn age(info: &Info) -> Option<Duration> {
    let age = info.config.max_age;
    (!age.is_zero()).then_some(age)
}
