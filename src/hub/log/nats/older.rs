//! Events that the hub's memory no longer has, read from the stream by direct gets, which any server that has the stream
//! answers: a page has at most what one reader asks for.
//!
//! A page must not lack an event, and two things could make it: a server that is a little behind, and the beginning of the
//! stream, which goes while it is read. So the end of a page is confirmed by the stream's leader, and its beginning is looked at
//! after it has been read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::stream::RawMessageErrorKind;
use async_nats::{Message, StatusCode};
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::message::{self, ReadMessage};
use super::subjects::Meaning;
use super::{Node, subjects};
use crate::hub::entry::{Entry, Moment};
use crate::hub::log::older::{Matcher, OlderAnswer, OlderEvents, OlderPage, OlderRange};
use crate::hub::position::Offset;

/// How many pages are read at once. Others wait.
const AT_ONCE: usize = 8;

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(2);

/// Most messages of one request.
const BATCH: usize = 256;

/// Most topics and patterns that are read by a request each; more are read together with everything else in the stream.
const SINGLE_SOURCES: usize = 8;

/// The status of the message that follows the last of a batch.
const END_OF_BATCH: u16 = 204;

/// Reads the stream for readers.
pub(super) struct Reader {
    node: Arc<Node>,
    at_once: Arc<Semaphore>,
}

/// The page cannot be read now.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Nats(String),
    #[error("the stream no longer has the beginning")]
    Lost,
    #[error("the server is behind")]
    Behind,
}

/// Messages of a subject, from a sequence on.
struct Piece {
    messages: Vec<ReadMessage>,
    /// Everything up to here is among them.
    through: Offset,
}

impl Reader {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl OlderEvents for Reader {
    fn lost_through(&self, _: &Matcher) -> Offset {
        self.node.lost_through()
    }

    fn read(&self, range: OlderRange, answer: OlderAnswer) {
        let (node, at_once) = (Arc::clone(&self.node), Arc::clone(&self.at_once));
        let reading = async move {
            // It is never closed.
            let Ok(_permit) = at_once.acquire().await else {
                return;
            };
            if !answer.is_wanted() {
                return;
            }
            match page(&node, &range).await {
                Ok(page) => answer.found(page),
                Err(failure) => {
                    tracing::debug!("older events cannot be read from the stream: {failure}");
                    answer.failed();
                }
            }
        };
        // The threads that serve readers are none of the runtime's.
        self.node.tasks.spawn_on(reading, &self.node.runtime);
    }
}

async fn page(node: &Node, range: &OlderRange) -> Result<OlderPage, Failure> {
    let subjects = subjects_of(node, &range.sources);
    let mut page = OlderPage {
        entries: Vec::new(),
        through: range.through,
    };
    let mut events = BTreeMap::new();
    let mut first = u64::MAX;
    for (subject, after) in subjects {
        let sequence = node.places.read().sequence_after(after);
        first = first.min(sequence);
        let piece = piece(node, &subject, sequence, range).await?;
        page.through = page.through.min(piece.through);
        for read in piece.messages {
            events.insert(read.event.offset, read);
        }
    }
    let info = node.stream.get_info().await.map_err(nats)?;
    node.begins_with(info.state.first_sequence);
    if info.state.first_sequence > first {
        return Err(Failure::Lost);
    }
    let epochs = node.places.read().epochs();
    let epochs = epochs.ok_or_else(|| Failure::Nats("there is no epoch".to_owned()))?;
    let moment = Moment::now();
    let mut bytes = 0;
    for (offset, read) in events {
        if offset > page.through {
            break;
        }
        let entry = read.event.restore(&epochs, moment);
        if !is_wanted(&entry, &range.sources) {
            continue;
        }
        bytes += entry.text_bytes();
        if bytes > range.max_bytes && !page.entries.is_empty() {
            page.through = offset.previous();
            break;
        }
        page.entries.push(Arc::new(entry));
    }
    Ok(page)
}

/// The subjects to read, each with the offset after which it is read.
fn subjects_of(node: &Node, sources: &[(Matcher, Offset)]) -> Vec<(String, Offset)> {
    if sources.len() > SINGLE_SOURCES {
        let after = sources.iter().map(|(_, after)| *after).min();
        return vec![(node.subjects.all_retained(), after.unwrap_or_default())];
    }
    let subject = |of: &Matcher| match of {
        Matcher::Topic(topic) => node.subjects.of(topic, false),
        Matcher::Pattern(pattern) => match pattern.prefix().rsplit_once('/') {
            Some((folder, _)) => node.subjects.below(&subjects::encode(folder)),
            None => node.subjects.all_retained(),
        },
    };
    let subjects = sources.iter().map(|(of, after)| (subject(of), *after));
    subjects.collect()
}

/// Whether a reader of these topics and patterns has yet to get an event.
fn is_wanted(entry: &Entry, sources: &[(Matcher, Offset)]) -> bool {
    sources.iter().any(|(of, after)| {
        entry.offset > *after
            && entry.topics().any(|topic| match of {
                Matcher::Topic(wanted) => topic == wanted,
                Matcher::Pattern(pattern) => pattern.matches(topic),
            })
    })
}

/// The messages of a subject from a sequence on, as far as they fit into a page.
async fn piece(
    node: &Node,
    subject: &str,
    sequence: u64,
    range: &OlderRange,
) -> Result<Piece, Failure> {
    let inbox = node.client.new_inbox();
    let mut answers = node.client.subscribe(inbox.clone()).await.map_err(nats)?;
    let request = serde_json::json!({
        "seq": sequence,
        "next_by_subj": subject,
        "batch": BATCH,
        "max_bytes": range.max_bytes,
    });
    let direct_get = format!(
        "$JS.API.DIRECT.GET.{}",
        node.stream.cached_info().config.name
    );
    let asked = node
        .client
        .publish_with_reply(direct_get, inbox, request.to_string().into());
    asked.await.map_err(nats)?;
    let mut messages = Vec::new();
    let mut last = None;
    let has_all = loop {
        let answer = timeout(REQUEST, answers.next()).await.map_err(nats)?;
        let answer = answer.ok_or_else(|| Failure::Nats("the connection is lost".to_owned()))?;
        match answer.status {
            None | Some(StatusCode::OK) => {
                let (sequence, read) = read(node, &answer)?;
                last = Some(sequence);
                messages.extend(read);
            }
            // Nothing comes after the sequence.
            Some(StatusCode::NOT_FOUND) => break true,
            Some(status) if status.as_u16() == END_OF_BATCH => break pending(&answer) == 0,
            Some(status) => return Err(Failure::Nats(format!("status {status}"))),
        }
    };
    let last_offset = last.map(|last| node.places.read().offset(last));
    if last_offset.is_some_and(|last| last >= range.through) {
        return Ok(Piece {
            messages,
            through: range.through,
        });
    }
    if has_all {
        let next = last.map_or(sequence, |last| last + 1);
        let by_leader = node
            .stream
            .raw_message_builder()
            .sequence(next)
            .next_by_subject(subject);
        let confirmed = match by_leader.send().await {
            Ok(message) => node.places.read().offset(message.sequence) > range.through,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => true,
            Err(error) => return Err(nats(error)),
        };
        if confirmed {
            return Ok(Piece {
                messages,
                through: range.through,
            });
        }
    }
    let through = last_offset.ok_or(Failure::Behind)?;
    Ok(Piece { messages, through })
}

/// How many messages the server has beyond those that it has sent.
fn pending(answer: &Message) -> u64 {
    let pending = header(answer, "Nats-Num-Pending").and_then(|text| text.parse().ok());
    pending.unwrap_or_default()
}

/// A message, as the server has sent it; nothing if there is no event in it that readers may see.
fn read(node: &Node, answer: &Message) -> Result<(u64, Option<ReadMessage>), Failure> {
    let missing = || Failure::Nats("an answer lacks its place".to_owned());
    let sequence = header(answer, "Nats-Sequence").and_then(|text| text.parse().ok());
    let sequence: u64 = sequence.ok_or_else(missing)?;
    let at = header(answer, "Nats-Time-Stamp").ok_or_else(missing)?;
    let at: SystemTime = humantime::parse_rfc3339(at).map_err(nats)?;
    let subject = header(answer, "Nats-Subject").ok_or_else(missing)?;
    let Meaning::Event {
        topic,
        is_ephemeral,
    } = node.subjects.meaning(subject)
    else {
        return Ok((sequence, None));
    };
    let offset = node.places.read().offset(sequence);
    let headers = answer.headers.as_ref();
    let read = message::read(topic, is_ephemeral, headers, &answer.payload, offset, at);
    Ok((sequence, Some(read).filter(|read| node.is_shown(read, at))))
}

fn header<'a>(answer: &'a Message, name: &str) -> Option<&'a str> {
    Some(answer.headers.as_ref()?.get(name)?.as_str())
}

fn nats(error: impl std::fmt::Display) -> Failure {
    Failure::Nats(error.to_string())
}
