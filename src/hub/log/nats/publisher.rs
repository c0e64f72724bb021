//! Sends what the hub proposes to the stream.
//!
//! While one group is on its way, the next gathers; a group goes as one atomic batch, which the servers store with one write.
//! Every message has an id, so that one whose fate is unknown is sent again without harm. The publisher is not answered from
//! here but by the consumer, when the hub has applied the event, or by time.
//!
//! A strict proposal goes by itself, on the condition that nothing has reached its topics since the hub checked it. If
//! something has, it is checked again.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::RawMessageErrorKind;
use async_nats::{HeaderMap, Request, RequestErrorKind};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::{Node, message};
use crate::hub::log::shared::{Proposal, Unique};
use crate::hub::publish::PublishError;

/// Most messages of a batch; the servers take 1,000.
const BATCH: usize = 500;

/// Most bytes of a batch, after which no further message is taken.
const BATCH_BYTES: usize = 1_024 * 1_024;

/// How long the acknowledgement of one attempt may take.
const ATTEMPT: Duration = Duration::from_millis(900);

/// The pause before another attempt.
const PAUSE: Duration = Duration::from_millis(20);

/// How many strict proposals are on their way at once.
const STRICT: usize = 64;

const MESSAGE_ID: &str = "Nats-Msg-Id";
const TTL: &str = "Nats-TTL";
pub(super) const EXPECTED_LAST: &str = "Nats-Expected-Last-Subject-Sequence";
const EXPECTED_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
const BATCH_ID: &str = "Nats-Batch-Id";
const BATCH_NUMBER: &str = "Nats-Batch-Sequence";
const BATCH_COMMIT: &str = "Nats-Batch-Commit";

/// What JetStream says of a message that stands in the way of a condition, and of one that a batch repeats.
const WRONG_LAST_SEQUENCE: [u64; 2] = [10_071, 10_164];
const DUPLICATE_IN_BATCH: u64 = 10_201;
const TOO_LARGE: u64 = 10_054;

/// A proposal as messages: one for its topic, and a copy for each other topic.
pub(super) struct Outgoing {
    number: u64,
    messages: Vec<OutgoingMessage>,
    payload: Bytes,
}

struct OutgoingMessage {
    subject: String,
    /// Where the topic's retained events are: what a condition looks at.
    condition_subject: String,
    headers: HeaderMap,
}

/// What the stream has made of an attempt.
enum Attempt {
    /// It has the messages; the last one's sequence is given, and whether it had them before.
    Stored { sequence: u64, is_duplicate: bool },
    /// It has refused them.
    Refused { code: u64, text: String },
    /// It may have them.
    Unknown,
    /// It does not have them, and nobody is there to take them.
    Nobody,
}

/// The acknowledgement of a message or a batch.
#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    #[serde(default)]
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

/// Takes a proposal of the hub.
pub(super) fn take(node: &Arc<Node>, proposal: Proposal) {
    let number = node.waiting.number();
    let outgoing = Outgoing::new(node, number, &proposal);
    let largest = node.client.max_payload();
    if outgoing.largest() > largest {
        proposal.refuse(PublishError::TooLarge(largest));
        return;
    }
    let is_strict = proposal.is_strict();
    node.waiting.add(number, proposal);
    if is_strict {
        let sending = send_strict(Arc::clone(node), outgoing);
        node.tasks.spawn_on(sending, &node.runtime);
    } else if node.outbox.send(outgoing).is_err() {
        node.waiting.fail(number, "the server is stopping");
    }
}

/// Sends proposals in groups, until the log is dropped.
pub(super) async fn run(node: Arc<Node>, mut proposals: mpsc::UnboundedReceiver<Outgoing>) {
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(first) => Some(first),
            None => tokio::select! {
                first = proposals.recv() => first,
                () = node.is_over() => None,
            },
        };
        let Some(first) = first else {
            return;
        };
        let (mut messages, mut bytes) = (first.messages.len(), first.bytes());
        let mut group = vec![first];
        while messages < BATCH
            && bytes < BATCH_BYTES
            && let Ok(another) = proposals.try_recv()
        {
            messages += another.messages.len();
            bytes += another.bytes();
            if messages > BATCH {
                next = Some(another);
                break;
            }
            group.push(another);
        }
        send(&node, group).await;
    }
}

/// Sends a group, as one batch at first, and what is not acknowledged then one by one, in order.
async fn send(node: &Node, mut group: Vec<Outgoing>) {
    // A publisher may have been told meanwhile that its event is not published.
    group.retain(|outgoing| node.waiting.send(outgoing.number).is_some());
    if group.len() > 1 {
        match attempt(node, &group, None).await {
            Attempt::Stored { .. } => return,
            // Another publisher's message is among them, or one of these is repeated.
            Attempt::Refused { code, text } if code != DUPLICATE_IN_BATCH => {
                tracing::debug!("a batch was refused ({code}): {text}");
            }
            _ => {}
        }
    }
    for outgoing in group {
        send_one(node, &outgoing).await;
    }
}

/// Sends one proposal until there is an answer.
async fn send_one(node: &Node, outgoing: &Outgoing) {
    while let Some(left) = node.waiting.send(outgoing.number) {
        let made = attempt(node, std::slice::from_ref(outgoing), None).await;
        if is_settled(node, outgoing, made).await {
            return;
        }
        sleep(PAUSE.min(left)).await;
    }
}

/// Takes what the stream has made of an attempt to send one proposal. Returns whether there is nothing more to send.
async fn is_settled(node: &Node, outgoing: &Outgoing, made: Attempt) -> bool {
    let number = outgoing.number;
    match made {
        Attempt::Stored {
            sequence,
            is_duplicate,
        } => {
            if is_duplicate {
                node.has_stored_before(number, sequence);
            }
            true
        }
        // A batch of its own repeats a message: only the single messages say which.
        Attempt::Refused {
            code: DUPLICATE_IN_BATCH,
            ..
        } => match outgoing.stored_at(node).await {
            Some(sequence) => {
                node.has_stored_before(number, sequence);
                true
            }
            None => false,
        },
        Attempt::Refused {
            code: TOO_LARGE, ..
        } => {
            if let Some(proposal) = node.waiting.take(number) {
                proposal.refuse(PublishError::TooLarge(node.client.max_payload()));
            }
            true
        }
        Attempt::Refused { code, text } => {
            node.waiting
                .refused(format!("the nats-server takes no events: {text} ({code})"));
            false
        }
        Attempt::Unknown | Attempt::Nobody => false,
    }
}

/// Sends a strict proposal until there is an answer.
async fn send_strict(node: Arc<Node>, outgoing: Outgoing) {
    static AT_ONCE: Semaphore = Semaphore::const_new(STRICT);
    let number = outgoing.number;
    // It is never closed.
    let Ok(_permit) = AT_ONCE.acquire().await else {
        return;
    };
    while node.waiting.has(number) {
        let Some(last) = last_sequences(&node, &outgoing).await else {
            sleep(PAUSE).await;
            continue;
        };
        let newest = last.iter().copied().max().unwrap_or_default();
        let mut applied = node.applied.subscribe();
        let is_applied = applied.wait_for(|applied| *applied >= newest);
        if timeout(ATTEMPT, is_applied).await.is_err() {
            continue;
        }
        let Some(follower) = node.follower() else {
            return;
        };
        match node
            .waiting
            .with(number, |proposal| follower.check(proposal))
        {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                match node.waiting.take(number) {
                    // It may stand in its own way, if it was published under its key before.
                    Some(proposal) if proposal.key.is_some() => follower.repeat(proposal),
                    Some(proposal) => proposal.refuse(error),
                    None => {}
                }
                return;
            }
            None => return,
        }
        node.waiting.send(number);
        match attempt(&node, std::slice::from_ref(&outgoing), Some(&last)).await {
            Attempt::Refused { code, .. } if WRONG_LAST_SEQUENCE.contains(&code) => {
                // The first attempt may have come through: then this one stands in its own way.
                sleep(Duration::from_millis(fastrand::u64(0..3))).await;
            }
            made => {
                if is_settled(&node, &outgoing, made).await {
                    return;
                }
                sleep(PAUSE).await;
            }
        }
    }
}

/// The newest sequence of each subject that a condition looks at, by the stream's leader; 0 if it has none.
async fn last_sequences(node: &Node, outgoing: &Outgoing) -> Option<Vec<u64>> {
    let mut last = Vec::with_capacity(outgoing.messages.len());
    for message in &outgoing.messages {
        let newest = node
            .stream
            .get_last_raw_message_by_subject(&message.condition_subject);
        match newest.await {
            Ok(message) => last.push(message.sequence),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => last.push(0),
            Err(_) => return None,
        }
    }
    Some(last)
}

/// Sends messages once, as a batch if there are several, and awaits the acknowledgement.
async fn attempt(node: &Node, group: &[Outgoing], last: Option<&[u64]>) -> Attempt {
    let mut messages = Vec::new();
    for outgoing in group {
        for message in &outgoing.messages {
            messages.push((message, &outgoing.payload));
        }
    }
    let count = messages.len();
    let batch = (count > 1).then(super::random_name);
    for (number, (message, payload)) in messages.into_iter().enumerate() {
        let mut headers = message.headers.clone();
        if let Some(last) = last.and_then(|last| last.get(number)) {
            headers.insert(EXPECTED_LAST, last.to_string());
            if message.condition_subject != message.subject {
                headers.insert(EXPECTED_SUBJECT, message.condition_subject.as_str());
            }
        }
        let is_last = number + 1 == count;
        if let Some(batch) = &batch {
            headers.insert(BATCH_ID, batch.as_str());
            headers.insert(BATCH_NUMBER, (number + 1).to_string());
            if is_last {
                headers.insert(BATCH_COMMIT, "1");
            }
        }
        let subject = message.subject.clone();
        if !is_last {
            let sent = node
                .client
                .publish_with_headers(subject, headers, payload.clone());
            match timeout(ATTEMPT, sent).await {
                Ok(Ok(())) => continue,
                // The servers drop a batch that is not committed.
                _ => return Attempt::Unknown,
            }
        }
        let request = Request::new()
            .headers(headers)
            .payload(payload.clone())
            .timeout(Some(ATTEMPT));
        let answer = match timeout(ATTEMPT, node.client.send_request(subject, request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                return Attempt::Nobody;
            }
            _ => return Attempt::Unknown,
        };
        return match serde_json::from_slice(&answer.payload) {
            Ok(Acknowledgement {
                error: Some(refusal),
                ..
            }) => Attempt::Refused {
                code: refusal.err_code,
                text: refusal.description,
            },
            Ok(stored) => Attempt::Stored {
                sequence: stored.seq,
                is_duplicate: stored.duplicate,
            },
            Err(_) => Attempt::Unknown,
        };
    }
    Attempt::Unknown
}

impl Node {
    /// The stream had a message with the same id.
    fn has_stored_before(&self, number: u64, sequence: u64) {
        self.waiting.is_repeat_of(number, sequence);
        // The hub may have applied that message long ago.
        if let Some(follower) = self.follower() {
            self.waiting
                .answer_repeats(*self.applied.borrow(), follower);
        }
    }
}

impl Outgoing {
    fn new(node: &Node, number: u64, proposal: &Proposal) -> Self {
        let is_ephemeral = proposal.publication.is_ephemeral;
        let request = node.request(number);
        let mut headers = message::headers(proposal, &request);
        if is_ephemeral {
            headers.insert(TTL, format!("{}s", super::stream::EPHEMERAL_AGE.as_secs()));
        }
        let topics = proposal.topics().enumerate();
        let messages = topics.map(|(copy, topic)| {
            let mut headers = match copy {
                0 => headers.clone(),
                copy => message::copy(&headers, &proposal.topic, copy),
            };
            let subject = node.subjects.of(topic, is_ephemeral);
            let condition_subject = node.subjects.of(topic, false);
            let id = match (copy, proposal.unique()) {
                (0, Some(Unique::Key(key))) => unique("key", &condition_subject, key),
                (0, Some(Unique::OwnId(id))) => unique("id", &condition_subject, id),
                (copy, _) => format!("{}:{number}:{copy}", node.name),
            };
            headers.insert(MESSAGE_ID, id);
            OutgoingMessage {
                subject,
                condition_subject,
                headers,
            }
        });
        Self {
            number,
            messages: messages.collect(),
            payload: Bytes::from(proposal.publication.data.clone()),
        }
    }

    fn bytes(&self) -> usize {
        self.messages.len() * self.payload.len()
    }

    /// The size of its largest message, about.
    fn largest(&self) -> usize {
        let size = |message: &OutgoingMessage| {
            let headers = message.headers.iter();
            let headers = headers.map(|(name, values)| {
                let values: usize = values.iter().map(|value| value.as_str().len() + 4).sum();
                let name: &str = name.as_ref();
                name.len() + values
            });
            headers.sum::<usize>() + 128
        };
        let headers = self.messages.iter().map(size).max().unwrap_or_default();
        headers + self.payload.len()
    }

    /// Where the stream has a message with the id of the first one: a batch that repeats a message is refused without a word
    /// of where it is, so the stream is sent that message alone, which changes nothing.
    async fn stored_at(&self, node: &Node) -> Option<u64> {
        let first = Self {
            number: self.number,
            messages: vec![OutgoingMessage {
                subject: self.messages.first()?.subject.clone(),
                condition_subject: self.messages.first()?.condition_subject.clone(),
                headers: self.messages.first()?.headers.clone(),
            }],
            payload: self.payload.clone(),
        };
        match attempt(node, std::slice::from_ref(&first), None).await {
            Attempt::Stored {
                sequence,
                is_duplicate: true,
            } => Some(sequence),
            _ => None,
        }
    }
}

/// The id of a message that has something no other message of its topic may have.
fn unique(kind: &str, subject: &str, text: &str) -> String {
    let text = utf8_percent_encode(text, NON_ALPHANUMERIC);
    format!("{kind}:{subject}:{text}")
}
