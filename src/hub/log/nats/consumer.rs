//! Reads the stream in order, and hands its events to the hub.
//!
//! The server's consumer is made anew whenever it, the connection or a server fails. Before that, the node makes sure that the
//! stream still is what it has read: the newest messages that it has read must be there, as they were, unless they have
//! expired. If they are not, the stream has lost events, or another one has its name. Then the node begins an epoch with a
//! marker, behind which offsets go on beyond every one that readers have been shown, and counts everything before it as lost;
//! so do the other nodes when they read the marker.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{Info, RawMessageErrorKind};
use async_nats::jetstream::{self};
use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep};

use super::message::{self, ReadMessage};
use super::places::{Marker, Places};
use super::subjects::Meaning;
use super::{Node, stream, upkeep};
use crate::hub::log::shared::{Follower, OrderedEvent};
use crate::hub::position::Offset;
use crate::hub::publish::PublishError;

/// Most messages that the hub applies at once.
const BATCH: usize = 1_024;

/// How many messages are asked for at once.
const REQUESTED: usize = 2_048;

/// How often the server shows that the consumer lives. One that is silent for twice as long is made anew.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// When the server forgets a consumer that nobody reads any more.
const ABANDONED: Duration = Duration::from_secs(30);

/// For how long the stream may lack what has been read before it counts as lost. Publishers get 503 meanwhile.
const BENEFIT_OF_DOUBT: Duration = Duration::from_secs(5);

/// Most bytes that are asked for at once, unless a message may be as large.
const REQUESTED_BYTES: usize = 16 * 1_024 * 1_024;

/// The pause before another attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// How many messages are remembered, to be compared with what the stream says later.
const REMEMBERED: usize = 64;

/// What has been read of the stream.
pub(super) struct Seen {
    /// When the stream was made.
    created: SystemTime,
    /// The newest message that has been read, or that was gone before.
    sequence: u64,
    /// How many messages the server's consumer has sent, by its own count: it leaves none out.
    delivery: u64,
    /// The newest messages, oldest first, with the times that the stream has given them.
    newest: VecDeque<(u64, SystemTime)>,
    /// The newest of those that do not vanish before others, which ephemeral events do.
    kept: Option<(u64, SystemTime)>,
    /// Whether a marker gives events offsets that readers have been shown for others.
    has_diverged: bool,
    /// Since when the stream seems to lack what has been read.
    lacks_since: Option<Instant>,
}

/// Why reading has to begin anew.
#[derive(Debug, thiserror::Error)]
enum Interruption {
    #[error("the connection is lost")]
    Disconnected,
    #[error("the log is closed")]
    Closed,
    #[error("messages were skipped")]
    Skipped,
    #[error("the stream is not what it was")]
    Diverged,
    #[error("{0}")]
    Nats(String),
}

impl Seen {
    /// Nothing has been read of a stream.
    pub(super) fn before(info: &Info) -> Self {
        let gone = info.state.first_sequence.saturating_sub(1);
        Self::through(gone, info.created.into())
    }

    /// Nothing of a stream matters up to a message.
    fn through(sequence: u64, created: SystemTime) -> Self {
        Self {
            created,
            sequence,
            delivery: 0,
            newest: VecDeque::new(),
            kept: None,
            has_diverged: false,
            lacks_since: None,
        }
    }

    fn read(&mut self, sequence: u64, at: SystemTime, is_ephemeral: bool) {
        self.sequence = sequence;
        if !is_ephemeral {
            self.kept = Some((sequence, at));
        }
        if self.newest.len() == REMEMBERED {
            self.newest.pop_front();
        }
        self.newest.push_back((sequence, at));
    }
}

/// Follows the stream until the log is closed.
pub(super) async fn run(node: Arc<Node>, follower: Follower, mut seen: Seen) {
    let mut is_connected = node.is_connected.clone();
    loop {
        let connected = is_connected.wait_for(|is_connected| *is_connected);
        if node.run_until_over(connected).await.is_none() {
            return;
        }
        let interruption = follow(&node, &follower, &mut seen).await;
        node.paused_since.lock().get_or_insert_with(Instant::now);
        match interruption {
            Interruption::Closed => return,
            interruption => tracing::debug!("the stream is read anew: {interruption}"),
        }
        sleep(PAUSE).await;
    }
}

/// Reads until something fails.
async fn follow(node: &Node, follower: &Follower, seen: &mut Seen) -> Interruption {
    match read(node, follower, seen).await {
        Ok(never) => match never {},
        Err(interruption) => interruption,
    }
}

async fn read(
    node: &Node,
    follower: &Follower,
    seen: &mut Seen,
) -> Result<std::convert::Infallible, Interruption> {
    verify(node, follower, seen).await?;
    let consumer = node.stream.create_consumer(pull::Config {
        deliver_policy: DeliverPolicy::ByStartSequence {
            start_sequence: seen.sequence + 1,
        },
        ack_policy: AckPolicy::None,
        memory_storage: true,
        num_replicas: 1,
        inactive_threshold: ABANDONED,
        ..pull::Config::default()
    });
    let consumer = consumer.await.map_err(nats)?;
    let messages = consumer
        .stream()
        .max_messages_per_batch(REQUESTED)
        .max_bytes_per_batch(REQUESTED_BYTES.max(4 * node.client.max_payload()))
        .heartbeat(HEARTBEAT)
        .messages();
    let mut messages = messages.await.map_err(nats)?;
    *node.paused_since.lock() = None;
    let mut is_connected = node.is_connected.clone();
    seen.delivery = 0;
    loop {
        let first = tokio::select! {
            message = messages.next() => message,
            _ = is_connected.wait_for(|is_connected| !is_connected) => return Err(Interruption::Disconnected),
            () = node.is_over() => return Err(Interruption::Closed),
        };
        let mut batch = vec![first.ok_or(Interruption::Skipped)?.map_err(nats)?];
        let mut failure = None;
        while batch.len() < BATCH
            && let Some(message) = messages.next().now_or_never()
        {
            match message {
                Some(Ok(message)) => batch.push(message),
                Some(Err(error)) => failure = Some(nats(error)),
                None => failure = Some(Interruption::Skipped),
            }
            if failure.is_some() {
                break;
            }
        }
        apply(node, follower, seen, batch).await?;
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
}

/// Applies messages that follow what has been read. What comes before a failure is applied too.
async fn apply(
    node: &Node,
    follower: &Follower,
    seen: &mut Seen,
    messages: Vec<jetstream::Message>,
) -> Result<(), Interruption> {
    let mut events = Vec::with_capacity(messages.len());
    let mut first_in_stream = None;
    let mut applied = Ok(());
    for message in messages {
        applied = take(
            node,
            follower,
            seen,
            &mut events,
            &mut first_in_stream,
            &message,
        )
        .await;
        if applied.is_err() {
            break;
        }
    }
    hand_over(node, follower, &mut events, seen.sequence);
    applied
}

/// Takes one message.
async fn take(
    node: &Node,
    follower: &Follower,
    seen: &mut Seen,
    events: &mut Vec<OrderedEvent>,
    first_in_stream: &mut Option<u64>,
    message: &jetstream::Message,
) -> Result<(), Interruption> {
    let info = message.info().map_err(nats)?;
    let (sequence, at) = (info.stream_sequence, SystemTime::from(info.published));
    if info.consumer_sequence != seen.delivery + 1 {
        return Err(Interruption::Skipped);
    }
    seen.delivery += 1;
    if sequence <= seen.sequence {
        return Err(Interruption::Diverged);
    }
    if sequence > seen.sequence + 1 {
        // An ephemeral event has expired, as a rule. The beginning of the stream may have gone as well.
        let first = match *first_in_stream {
            Some(first) => first,
            None => first_sequence(node).await?,
        };
        *first_in_stream = Some(first);
        if first > seen.sequence + 1 {
            hand_over(node, follower, events, seen.sequence);
            lose_before(node, follower, seen, first.min(sequence));
        }
    }
    let mut may_vanish = false;
    match node.subjects.meaning(&message.subject) {
        Meaning::Event {
            topic,
            is_ephemeral,
        } => {
            may_vanish = is_ephemeral;
            let offset = node.places.read().offset(sequence);
            let headers = message.headers.as_ref();
            let read = message::read(topic, is_ephemeral, headers, &message.payload, offset, at);
            events.extend(let_pass(node, seen, read, at));
        }
        Meaning::Marker => {
            hand_over(node, follower, events, seen.sequence);
            mark(node, follower, seen, sequence, at, &message.payload)?;
        }
        Meaning::Nothing => {
            tracing::debug!("no topic has the subject {}", message.subject);
        }
    }
    seen.read(sequence, at, may_vanish);
    Ok(())
}

/// The stream has nothing before a message any more, and this node has not read all that was there.
fn lose_before(node: &Node, follower: &Follower, seen: &mut Seen, first: u64) {
    tracing::warn!(
        "the stream has dropped messages {} to {} before this node has read them: readers get a gap",
        seen.sequence + 1,
        first - 1
    );
    node.begins_with(first);
    seen.sequence = first - 1;
    follower.lose_through(node.places.read().offset(seen.sequence));
    node.has_applied(follower, seen.sequence);
}

/// Hands events to the hub; it then has everything up to a message.
fn hand_over(node: &Node, follower: &Follower, events: &mut Vec<OrderedEvent>, through: u64) {
    if *node.applied.borrow() == through && events.is_empty() {
        return;
    }
    // A node that starts reads what counts as lost as well, and has committed to the loss.
    let offset = node.places.read().offset(through).max(follower.applied());
    follower.apply(std::mem::take(events), offset);
    node.has_applied(follower, through);
}

impl Node {
    /// The hub has everything up to a message.
    fn has_applied(&self, follower: &Follower, through: u64) {
        self.applied.send_replace(through);
        self.waiting.answer_repeats(through, follower);
    }
}

/// The event of a message, unless it came too late, or after the end of its topic, or stands elsewhere already. The same
/// messages pass at every node.
fn let_pass(node: &Node, seen: &Seen, read: ReadMessage, at: SystemTime) -> Option<OrderedEvent> {
    // The event itself has come, just before or, if a foreign client has written this, at any time.
    if read.is_copy && read.event.offset <= node.places.read().offset(seen.sequence) {
        return None;
    }
    // The nodes that run have forgotten it.
    if read.event.offset <= node.places.read().lost_through() {
        return None;
    }
    let request = read.request.as_ref();
    let number = request.filter(|request| request.node == node.name);
    let number = number.map(|request| request.number);
    if read.is_late(at) {
        if let Some(number) = number {
            node.waiting
                .fail(number, "the event came to the stream too late");
        }
        return None;
    }
    let proposal = number.and_then(|number| node.waiting.take(number));
    if proposal.is_some() {
        // Its publisher still waits, so the message is fresh.
        node.heard_at(at);
        node.waiting.accepted();
    }
    let ReadMessage { event, key, .. } = read;
    let mut ended = node.ended.lock();
    if ended.forbid(&event, at) {
        if let Some(proposal) = proposal {
            proposal.refuse(PublishError::Ended);
        }
        return None;
    }
    if event.is_end {
        ended.end(&event.topic, event.offset, at);
    }
    Some(OrderedEvent {
        event,
        key,
        proposal,
    })
}

/// Takes what a marker says.
fn mark(
    node: &Node,
    follower: &Follower,
    seen: &mut Seen,
    sequence: u64,
    at: SystemTime,
    payload: &[u8],
) -> Result<(), Interruption> {
    if sequence < node.places.read().marker {
        return Ok(());
    }
    let marker: Option<Marker> = serde_json::from_slice(payload).ok();
    let Some(places) = marker.and_then(|marker| Places::of(marker, sequence)) else {
        tracing::error!(
            "message {sequence} is no marker that this version understands; it is left out of account"
        );
        return Ok(());
    };
    // The node has shown an event with an offset that another message has in the stream.
    let shown = node.places.read().offset(seen.sequence);
    if places.offset(sequence) <= shown {
        seen.has_diverged = true;
        return Err(Interruption::Diverged);
    }
    *node.marker_at.lock() = at;
    let former_loss = node.places.read().lost_through();
    take_places(node, follower, places, former_loss);
    Ok(())
}

/// Messages have these places from now on.
fn take_places(node: &Node, follower: &Follower, places: Places, former_loss: Offset) {
    if let Some(epochs) = places.epochs() {
        follower.begin(epochs);
    }
    let loss = places.lost_through();
    *node.places.write() = places;
    if loss > former_loss {
        node.ended.lock().forget();
        follower.lose_through(loss);
    }
}

/// Makes sure that the stream still is what has been read.
async fn verify(node: &Node, follower: &Follower, seen: &mut Seen) -> Result<(), Interruption> {
    // There may be none any more. Then this node makes one, unless another is quicker.
    let stream = stream::open_once(&node.context, &node.config, &node.subjects).await;
    let stream = stream.map_err(nats)?;
    let info = stream.cached_info().clone();
    let state = &info.state;
    let created = SystemTime::from(info.created);
    let likeness = if created != seen.created || seen.has_diverged {
        Likeness::Another
    } else if state.last_sequence < seen.sequence {
        Likeness::Lacking
    } else {
        likeness(node, seen, &info).await?
    };
    match likeness {
        Likeness::Same => seen.lacks_since = None,
        // A server that has just become the leader may not have taken in everything that it has.
        Likeness::Lacking
            if seen.lacks_since.get_or_insert_with(Instant::now).elapsed() < BENEFIT_OF_DOUBT =>
        {
            return Err(Interruption::Diverged);
        }
        Likeness::Lacking | Likeness::Another => {
            return begin_after_loss(node, follower, seen, &info).await;
        }
    }
    node.begins_with(state.first_sequence);
    if state.first_sequence > seen.sequence + 1 {
        lose_before(node, follower, seen, state.first_sequence);
    }
    Ok(())
}

/// Whether the stream is the one that has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Likeness {
    /// It has what has been read, or that has expired.
    Same,
    /// It lacks what has been read.
    Lacking,
    /// It has something else in its place.
    Another,
}

/// Compares the newest messages that have been read with what the stream has.
async fn likeness(node: &Node, seen: &Seen, info: &Info) -> Result<Likeness, Interruption> {
    for (sequence, at) in seen.newest.iter().rev().chain(&seen.kept) {
        match node.stream.get_raw_message(*sequence).await {
            Ok(message) if SystemTime::from(message.time) == *at => {
                return Ok(match has_other_after(node, seen, *sequence).await? {
                    true => Likeness::Another,
                    false => Likeness::Same,
                });
            }
            Ok(_) => return Ok(Likeness::Another),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                if *sequence < info.state.first_sequence {
                    return Ok(Likeness::Same);
                }
                // An ephemeral event, which expires before others.
            }
            Err(error) => return Err(nats(error)),
        }
    }
    Ok(if seen.newest.is_empty() {
        Likeness::Same
    } else {
        Likeness::Lacking
    })
}

/// Whether the stream has another message in the place of those that were read after one, and have expired.
async fn has_other_after(node: &Node, seen: &Seen, sequence: u64) -> Result<bool, Interruption> {
    if sequence == seen.sequence {
        return Ok(false);
    }
    let next = node.stream.raw_message_builder();
    match next
        .sequence(sequence + 1)
        .next_by_subject(">")
        .send()
        .await
    {
        Ok(next) => Ok(next.sequence <= seen.sequence),
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(false),
        Err(error) => Err(nats(error)),
    }
}

/// The stream has lost events that have been read, or is another one.
async fn begin_after_loss(
    node: &Node,
    follower: &Follower,
    seen: &mut Seen,
    info: &Info,
) -> Result<(), Interruption> {
    let shown = follower.applied();
    let created = SystemTime::from(info.created);
    let found = upkeep::newest_marker(&node.stream, &node.subjects).await;
    let found = found.map_err(|_| Interruption::Disconnected)?;
    // A marker that makes no sense is followed by one that does.
    let known = found.and_then(Result::ok).map(|found| found.places);
    let Some(places) = known.clone().filter(|places| places.lost_through() > shown) else {
        // It is this node's turn, unless another is quicker. What became of it is found out in the next round.
        tracing::error!(
            "the stream on the nats-server is not the one that this node has read (its newest message is {}; {} was read): \
             it has lost events. A new epoch begins, and readers get a gap",
            info.state.last_sequence,
            seen.sequence
        );
        let first = info.state.first_sequence;
        let marker = Places::next_marker(known.as_ref(), upkeep::epoch_name(), first);
        let marker = marker.after_loss(info.state.last_sequence, shown);
        let expected = known.map_or(0, |known| known.marker);
        upkeep::publish(&node.client, &node.subjects, &marker, expected).await;
        return Err(Interruption::Diverged);
    };
    let Some(first) = places.newest_loss() else {
        return Err(Interruption::Diverged);
    };
    if created != seen.created {
        *node.ended.lock() = super::EndedTopics::new(stream::age(info));
    }
    node.first_sequence
        .store(info.state.first_sequence, Ordering::Relaxed);
    *seen = Seen::through(first.saturating_sub(1), created);
    take_places(node, follower, places, Offset::START);
    node.has_applied(follower, seen.sequence);
    Ok(())
}

/// The oldest message that the stream has.
async fn first_sequence(node: &Node) -> Result<u64, Interruption> {
    let info = node.stream.get_info().await.map_err(nats)?;
    node.begins_with(info.state.first_sequence);
    Ok(info.state.first_sequence)
}

fn nats(error: impl std::fmt::Display) -> Interruption {
    Interruption::Nats(error.to_string())
}
