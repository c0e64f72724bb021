//! One read over several logs, in the order of publication.
//!
//! A pattern is read from its tail, as far as that reaches back. What is older is read from the histories of the topics that
//! match: of those only that have got events after the cursor, each looked at once, and then once for every event that it
//! contributes. Topics without news cost a glance, without their lock. So a read costs as much as its result and the topics
//! with news, whatever else the hub holds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Deref;
use std::sync::Arc;

use super::{Source, Subscriber};
use crate::hub::batch::Batch;
use crate::hub::channel::{Channel, Found, Standpoint};
use crate::hub::entry::Entry;
use crate::hub::position::Offset;

/// A log that is read, and the range of offsets that it is read for.
struct Part<'a> {
    source: &'a Source,
    channel: Target<'a>,
    kind: Kind,
    /// The newest event that has been taken from it.
    cursor: Offset,
    through: Offset,
    /// What comes next from it.
    next: Option<Arc<Entry>>,
}

/// A channel of the subscriber's, or one that a pattern has found.
enum Target<'a> {
    Own(&'a Channel),
    Matching(Arc<Channel>),
}

impl Deref for Target<'_> {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        match self {
            Self::Own(channel) => channel,
            Self::Matching(channel) => channel,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Everything that a topic has.
    Topic,
    /// The tail of a pattern.
    PatternTail,
}

/// Events are gone from a part that should be read next.
enum Interrupted {
    /// They are lost.
    Lost,
    /// They have left the tail of a pattern, and may be in the histories.
    Trimmed,
}

impl Subscriber {
    pub(super) fn merge(&self, committed: Offset, max_bytes: usize) -> Found {
        let Ok(mut parts) = self.parts(committed) else {
            return Found::Dropped;
        };
        let mut heads = BinaryHeap::with_capacity(parts.len());
        for (number, part) in parts.iter_mut().enumerate() {
            match self.look(part) {
                Ok(Some(offset)) => heads.push(Reverse((offset, number))),
                Ok(None) => {}
                Err(Interrupted::Lost) => return Found::Dropped,
                // The next read finds them.
                Err(Interrupted::Trimmed) => return Found::Nothing(self.cursor),
            }
        }
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        let mut bytes = 0;
        let mut through = committed.max(self.cursor);
        while let Some(Reverse((offset, number))) = heads.pop() {
            let part = &mut parts[number];
            let Some(entry) = part.next.take() else {
                continue;
            };
            // An event of several topics is read once.
            if entries.last().is_none_or(|last| last.offset < offset) {
                if bytes > 0 && bytes + entry.text_bytes() > max_bytes {
                    through = offset.previous();
                    break;
                }
                bytes += entry.text_bytes();
                entries.push(entry);
            }
            part.cursor = offset;
            match self.look(part) {
                Ok(Some(offset)) => heads.push(Reverse((offset, number))),
                Ok(None) => {}
                Err(_) => {
                    // What is missing from here on is the next read's concern.
                    through = offset;
                    break;
                }
            }
        }
        if entries.is_empty() {
            Found::Nothing(through)
        } else {
            Found::Batch(Arc::new(Batch::new(entries, through)))
        }
    }

    /// The logs to read from the cursor on.
    fn parts(&self, committed: Offset) -> Result<Vec<Part<'_>>, Interrupted> {
        let mut parts = Vec::new();
        let part = |source, channel, kind, through| Part {
            source,
            channel,
            kind,
            cursor: self.cursor,
            through,
            next: None,
        };
        for source in &self.sources {
            // Without an event after the cursor, nothing after it can be lost either.
            let has_news = source.channel.newest() > self.cursor;
            let own = Target::Own(&source.channel);
            let Some(pattern) = source.channel.pattern() else {
                if has_news {
                    parts.push(part(source, own, Kind::Topic, committed));
                }
                continue;
            };
            let (tail_start, has_lost) = {
                let log = source.channel.log();
                (log.tail_start(), log.has_lost(self.standpoint(source)))
            };
            if self.cursor < tail_start {
                let (topics, lost) = self.hub.matching(pattern, self.cursor);
                if has_lost || self.cursor.max(source.acknowledged) < lost {
                    return Err(Interrupted::Lost);
                }
                let through = tail_start.min(committed);
                let topics = topics.into_iter();
                let part = |topic| part(source, Target::Matching(topic), Kind::Topic, through);
                parts.extend(topics.map(part));
            }
            if has_news {
                parts.push(Part {
                    cursor: self.cursor.max(tail_start),
                    ..part(source, own, Kind::PatternTail, committed)
                });
            }
        }
        Ok(parts)
    }

    /// Looks for what comes next from a part.
    fn look(&self, part: &mut Part<'_>) -> Result<Option<Offset>, Interrupted> {
        let standpoint = Standpoint {
            cursor: part.cursor,
            ..self.standpoint(part.source)
        };
        let log = part.channel.log();
        match part.kind {
            Kind::Topic if part.source.is_pattern() => {
                // Ephemeral events of the topic are the business of the pattern's tail.
                let known = standpoint.cursor.max(standpoint.acknowledged);
                if known < log.lost_retained() {
                    return Err(Interrupted::Lost);
                }
            }
            Kind::Topic => {
                if log.has_lost(standpoint) {
                    return Err(Interrupted::Lost);
                }
            }
            Kind::PatternTail => {
                if part.cursor < log.tail_start() {
                    return Err(Interrupted::Trimmed);
                }
            }
        }
        let next = log.first_after(part.cursor, part.through, standpoint.view);
        part.next = next.cloned();
        Ok(part.next.as_ref().map(|entry| entry.offset))
    }
}
