//! What the stream needs beside events: the marker with which a node begins its epoch, and a look now and then at how much the
//! stream keeps.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::stream::{Info, RawMessageErrorKind, Stream};
use async_nats::{Client, HeaderMap, Request};
use tokio::time::{interval, sleep};

use super::places::{Marker, Places};
use super::publisher::EXPECTED_LAST;
use super::subjects::Subjects;
use super::{Node, OpenError, stream};
use crate::hub::position::Epoch;

/// How often the stream is looked at.
const PAUSE: Duration = Duration::from_secs(10);

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(2);

/// A marker is repeated when this part of its life is over, so that nodes that start later find one.
const MARKER_SHARE: u32 = 4;

/// What a node that starts has found and done.
pub(super) struct Begun {
    /// The stream, its newest message being the node's marker or a later one.
    pub(super) info: Info,
    pub(super) places: Places,
    /// When the stream has stored the marker, by its own clock.
    pub(super) at: SystemTime,
}

/// A marker of the stream.
pub(super) struct Found {
    pub(super) places: Places,
    /// When the stream has stored it.
    pub(super) at: SystemTime,
}

/// Begins an epoch.
///
/// # Errors
///
/// [`OpenError`] if there is a marker that makes no sense.
pub(super) async fn begin(
    client: &Client,
    stream: &Stream,
    subjects: &Subjects,
) -> Result<Begun, OpenError> {
    let mut epoch = epoch_name();
    loop {
        let known = match newest_marker(stream, subjects).await {
            Ok(Some(newest)) => Some(newest?),
            Ok(None) => None,
            Err(Unreachable) => {
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(info) = stream.get_info().await else {
            continue;
        };
        match known {
            Some(Found { places, at }) if places.epoch() == epoch => {
                return Ok(Begun { info, places, at });
            }
            known => {
                let known = known.map(|known| known.places);
                // The answer to the marker was lost, and another node has begun an epoch since: a name is for one epoch.
                if known.as_ref().is_some_and(|known| known.has(&epoch)) {
                    epoch = epoch_name();
                }
                let first = info.state.first_sequence;
                let marker = Places::next_marker(known.as_ref(), epoch.clone(), first);
                let expected = known.map_or(0, |known| known.marker);
                // Whether it has come through is found out in the next round.
                publish(client, subjects, &marker, expected).await;
            }
        }
    }
}

/// The servers do not answer.
pub(super) struct Unreachable;

/// What the stream's newest marker says.
pub(super) async fn newest_marker(
    stream: &Stream,
    subjects: &Subjects,
) -> Result<Option<Result<Found, OpenError>>, Unreachable> {
    let message = match stream
        .get_last_raw_message_by_subject(subjects.marker())
        .await
    {
        Ok(message) => message,
        Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => return Ok(None),
        Err(_) => return Err(Unreachable),
    };
    let (sequence, at) = (message.sequence, message.time.into());
    let marker: Option<Marker> = serde_json::from_slice(&message.payload).ok();
    let places = marker.and_then(|marker| Places::of(marker, sequence));
    let found = places.map(|places| Found { places, at });
    Ok(Some(found.ok_or(OpenError::Marker(sequence))))
}

/// Publishes a marker, if the newest one still has the expected sequence; 0 if there must be none. Whether it has come through is
/// seen when the newest marker is read again.
pub(super) async fn publish(client: &Client, subjects: &Subjects, marker: &Marker, expected: u64) {
    // It is made of texts and numbers.
    let Ok(payload) = serde_json::to_vec(marker) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert(EXPECTED_LAST, expected.to_string());
    let request = Request::new()
        .headers(headers)
        .payload(payload.into())
        .timeout(Some(REQUEST));
    // A refusal means that another node has been quicker.
    let _ = client
        .send_request(subjects.marker().to_owned(), request)
        .await;
}

/// A name that no other epoch of the stream has: the time, as every epoch's, and some letters, since two nodes may start at
/// one moment.
pub(super) fn epoch_name() -> String {
    let letters = std::iter::repeat_with(fastrand::lowercase).take(3);
    let mut name = Epoch::now().as_str().to_owned();
    name.extend(letters);
    name
}

/// Looks at the stream now and then, until the log is closed.
pub(super) async fn run(node: Arc<Node>) {
    let mut ticks = interval(PAUSE);
    while node
        .closed
        .run_until_cancelled(ticks.tick())
        .await
        .is_some()
    {
        let is_connected = *node.is_connected.borrow();
        if is_connected && let Ok(info) = node.stream.get_info().await {
            node.stored_bytes.store(info.state.bytes, Ordering::Relaxed);
            repeat_marker(&node, &info).await;
        }
    }
}

/// Repeats the marker before the stream drops it.
async fn repeat_marker(node: &Node, info: &Info) {
    let places = node.places.read().clone();
    let first = info.state.first_sequence;
    let age = SystemTime::now().duration_since(*node.marker_at.lock());
    let is_old =
        stream::age(info).is_some_and(|life| age.unwrap_or_default() > life / MARKER_SHARE);
    if is_old || places.marker < first {
        // Another node may be quicker.
        publish(
            &node.client,
            &node.subjects,
            &places.repeated(first),
            places.marker,
        )
        .await;
    }
}
