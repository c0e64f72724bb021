//! A request to publish an event, its preconditions, its receipt, and why it is refused.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::log::Unavailable;
use super::topic::Topic;
use crate::protocol::event::{EventId, EventType};
use crate::protocol::{EARLIEST, RESERVED_EVENTS};

/// An event to publish.
///
/// ```
/// use fairwind::hub::publish::PublishRequest;
///
/// let typing = PublishRequest {
///     is_ephemeral: true,
///     ..PublishRequest::text("typing")
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// The event's id, if the publisher has one of its own; the log's otherwise.
    pub id: Option<EventId>,
    /// The event's type.
    pub event_type: EventType,
    /// The event's data: any text.
    pub data: String,
    /// How long readers wait from now on before they connect again, if the publisher says so.
    pub retry: Option<Duration>,
    /// Whether only readers that may read the topic's private events get it.
    pub is_private: bool,
    /// Whether it goes to connected readers only. An ephemeral event is not retained, so readers that come later do not get it.
    pub is_ephemeral: bool,
    /// Other topics that the event belongs to as well: their readers get it too. Preconditions and idempotency keys are
    /// about the topic that it is published to.
    pub also_in: Vec<Topic>,
}

/// What must hold for an event to be published.
#[derive(Debug, Clone, Default)]
pub struct Preconditions {
    /// What the topic's newest event must be, so that two publishers do not overwrite each other.
    pub newest: Option<ExpectedNewest>,
    /// Publishing again under this key within [`IDEMPOTENCY_AGE`] gives the first result instead of a second event.
    pub idempotency: Option<IdempotencyKey>,
}

/// A precondition on the newest event of a topic: the newest that is retained, as the publisher sees the topic. A snapshot
/// shows the same event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedNewest {
    /// Whether the publisher sees private events.
    pub with_private: bool,
    /// The newest event must have one of these ids (its publisher's or the log's); with none of them, any event will do,
    /// but there must be one.
    pub one_of: Option<Vec<EventId>>,
}

/// Under which key a publisher repeats a request. Keys belong to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key, as the publisher chose it.
    pub key: String,
    /// Whose share of all remembered keys this one counts against, such as the hash of a client's address.
    pub publisher: u64,
}

/// How long the result under an idempotency key is remembered.
pub const IDEMPOTENCY_AGE: Duration = Duration::from_secs(3_600);

/// The receipt of a published event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishReceipt {
    /// The event's id.
    pub id: EventId,
    /// The topic that it was published to.
    pub topic: Topic,
    /// How many subscribers it reached: those of its topics and of the patterns that match them, when it was staged.
    pub subscribers: usize,
    /// Whether it had been published before under the same key, and this is the first result.
    pub is_repeat: bool,
}

/// Why an event was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The topic has ended.
    #[error("the topic has ended; publish to another, or wait until this one has been forgotten")]
    Ended,
    /// The condition on the newest event does not hold; the newest event is given, as the publisher sees the topic.
    #[error("the topic has moved on: its newest event is {}", newest_text(.0))]
    Moved(Option<EventId>),
    /// An event of the topic that is still kept has the id that the publisher chose.
    #[error(
        "the topic has an event with the id '{0}' already; give each event an id of its own, or repeat a request under an idempotency key"
    )]
    DuplicateId(EventId),
    /// The idempotency key was used for another event.
    #[error(
        "the idempotency key was used for another event within the last hour; use a new key for each event"
    )]
    KeyReused,
    /// The publisher has used as many idempotency keys as are remembered; the time until one is free is given.
    #[error(
        "too many idempotency keys were used within the last hour; publish without one, or wait {} s", .0.as_secs() + 1
    )]
    TooManyKeys(Duration),
    /// It would be one topic too many.
    #[error(
        "there are too many topics; publish to one that exists, or wait until others have been forgotten"
    )]
    TooManyTopics,
    /// The log takes no message of this size; the largest is given, in bytes.
    #[error(
        "the event is too large for the log, whose messages have at most {0} bytes; publish a smaller one"
    )]
    TooLarge(usize),
    /// The log cannot take events now.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl PublishRequest {
    /// A kept, public message with an id of the log's.
    pub fn text(data: impl Into<String>) -> Self {
        Self {
            id: None,
            event_type: EventType::default(),
            data: data.into(),
            retry: None,
            is_private: false,
            is_ephemeral: false,
            also_in: Vec::new(),
        }
    }
}

/// Takes a text as an id that a publisher chooses.
///
/// # Errors
///
/// A sentence that says why it cannot be one, and what would be right.
pub fn check_id(text: String) -> Result<EventId, String> {
    if text.starts_with('#') || text == EARLIEST {
        return Err(format!(
            "the id '{text}' could be taken for one of the server's own; choose one without # in front"
        ));
    }
    EventId::new(text).map_err(|error| format!("the id cannot be one: {error}"))
}

/// Takes a text as a type that a publisher chooses.
///
/// # Errors
///
/// As [`check_id`].
pub fn check_type(text: String) -> Result<EventType, String> {
    if RESERVED_EVENTS.contains(&text.as_str()) {
        return Err(format!(
            "events of type '{text}' come from the server alone or from the EventSource itself; choose another type"
        ));
    }
    EventType::new(text).map_err(|error| format!("the type cannot be one: {error}"))
}

/// The shortest and the longest time that a publisher may ask readers to wait before they connect again. Zero would make
/// every reader hammer the server, and a year would end its readers' streams for good.
pub const RETRY_BOUNDS: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(3_600);

/// Takes a number of milliseconds as the time that readers wait before they connect again.
///
/// # Errors
///
/// As [`check_id`].
pub fn check_retry(milliseconds: u64) -> Result<Duration, String> {
    let retry = Duration::from_millis(milliseconds);
    if RETRY_BOUNDS.contains(&retry) {
        return Ok(retry);
    }
    Err(format!(
        "retry is {milliseconds} ms; it takes {} to {} ms: how long readers wait before they come back",
        RETRY_BOUNDS.start().as_millis(),
        RETRY_BOUNDS.end().as_millis()
    ))
}

fn newest_text(newest: &Option<EventId>) -> &str {
    newest.as_ref().map_or("none", EventId::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_chooses_no_id_that_could_be_one_of_the_servers() {
        assert_eq!(check_id("7".to_owned()).expect("an id").as_str(), "7");
        assert_eq!(check_id("a#7".to_owned()).expect("an id").as_str(), "a#7");
        for text in ["#e-7", EARLIEST, "", "a\nb"] {
            let refusal = check_id(text.to_owned()).expect_err(text);
            assert!(refusal.starts_with("the id "), "{refusal}");
        }
    }

    #[test]
    fn a_publisher_chooses_no_type_of_the_servers_own_events() {
        assert_eq!(
            check_type("news".to_owned()).expect("a type").as_str(),
            "news"
        );
        for text in ["gap", "end", "open", "", "a\rb"] {
            assert!(check_type(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_publisher_chooses_a_retry_within_bounds() {
        for milliseconds in [100, 3_600_000] {
            assert_eq!(
                check_retry(milliseconds),
                Ok(Duration::from_millis(milliseconds))
            );
        }
        for milliseconds in [0, 99, 3_600_001, u64::MAX] {
            let refusal = check_retry(milliseconds).expect_err("out of bounds");
            assert!(refusal.contains("it takes 100 to 3600000 ms"), "{refusal}");
        }
    }

    #[test]
    fn a_publisher_learns_which_event_is_the_newest_and_how_long_to_wait() {
        let newest = EventId::new("#e-7").expect("an id");
        let moved = PublishError::Moved(Some(newest));
        assert!(moved.to_string().ends_with("its newest event is #e-7"));
        assert!(
            PublishError::Moved(None)
                .to_string()
                .ends_with("its newest event is none")
        );
        let wait = PublishError::TooManyKeys(Duration::from_millis(1_500));
        assert!(wait.to_string().ends_with("or wait 2 s"), "{wait}");
    }
}
