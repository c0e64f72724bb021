//! One read over several logs, in the order of publication.
//!
//! A pattern is read from its tail, as far as that reaches back. What is older is read from the histories of the topics that
//! match: of those only that have got events after the cursor, each looked at once, and then once for every event that it
//! contributes. Topics without news cost a glance, without their lock. So a read costs as much as its result and the topics
//! with news, whatever else the hub holds.
//!
//! A page of [older events](super::older) stands in front: it has every retained event of the topics and patterns that it
//! covers, up to where it ends. Until it is used up, nothing after its end is read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Deref;
use std::sync::Arc;

use super::{Source, Subscriber};
use crate::hub::batch::{Batch, ends_before};
use crate::hub::channel::{Channel, LogRead, Standpoint};
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

/// Stands for the page among the numbers of the parts.
const PAGE: usize = usize::MAX;

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
    pub(super) fn merge(&self, committed: Offset, max_bytes: usize) -> LogRead {
        let older = self.older.as_deref();
        let readable = older.map_or(committed, |older| committed.min(older.through()));
        let Ok(mut parts) = self.parts(readable) else {
            return LogRead::Dropped;
        };
        let page = older.map_or(&[][..], |older| older.entries(self.cursor, readable));
        let mut page = page.iter().peekable();
        let mut heads = BinaryHeap::with_capacity(parts.len() + 1);
        heads.extend(page.peek().map(|first| Reverse((first.offset, PAGE))));
        for (number, part) in parts.iter_mut().enumerate() {
            match self.look(part) {
                Ok(Some(offset)) => heads.push(Reverse((offset, number))),
                Ok(None) => {}
                Err(Interrupted::Lost) => return LogRead::Dropped,
                // The next read finds them.
                Err(Interrupted::Trimmed) => return LogRead::Nothing(self.cursor),
            }
        }
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        let mut bytes = 0;
        let mut through = readable.max(self.cursor);
        let mut has_end = false;
        while let Some(Reverse((offset, number))) = heads.pop() {
            let next = match parts.get_mut(number) {
                Some(part) => part.next.take(),
                None => page.next().cloned(),
            };
            let Some(entry) = next else {
                continue;
            };
            // An event of several topics is read once.
            if entries.last().is_none_or(|last| last.offset < offset) {
                if bytes > 0 && bytes + entry.text_bytes() > max_bytes {
                    through = offset.previous();
                    break;
                }
                // A reader leaves a topic at its end, even if the name has been used again since.
                if has_end && ends_before(&entries, &entry) {
                    through = offset.previous();
                    break;
                }
                has_end |= entry.is_end;
                bytes += entry.text_bytes();
                entries.push(entry);
            }
            let next = match parts.get_mut(number) {
                Some(part) => {
                    part.cursor = offset;
                    self.look(part)
                }
                None => Ok(page.peek().map(|entry| entry.offset)),
            };
            match next {
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
            LogRead::Nothing(through)
        } else {
            LogRead::Batch(Arc::new(Batch::new(entries, through)))
        }
    }

    /// The logs to read from the cursor on, up to an offset.
    fn parts(&self, readable: Offset) -> Result<Vec<Part<'_>>, Interrupted> {
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
                    parts.push(part(source, own, Kind::Topic, readable));
                }
                continue;
            };
            let standpoint = self.standpoint(source);
            let (tail_start, has_lost) = {
                let log = source.channel.log();
                (log.tail_start(), log.has_lost(standpoint))
            };
            if has_lost {
                return Err(Interrupted::Lost);
            }
            if self.cursor < tail_start && !self.is_covered(source) {
                let (topics, lost) = self.hub.matching(pattern, self.cursor);
                if standpoint.known() < lost.min(tail_start) {
                    return Err(Interrupted::Lost);
                }
                let through = tail_start.min(readable);
                let topics = topics.into_iter();
                let part = |topic| part(source, Target::Matching(topic), Kind::Topic, through);
                parts.extend(topics.map(part));
            }
            if has_news {
                parts.push(Part {
                    cursor: self.cursor.max(tail_start),
                    ..part(source, own, Kind::PatternTail, readable)
                });
            }
        }
        Ok(parts)
    }

    /// Whether a page has what memory lacks of a source.
    fn is_covered(&self, source: &Source) -> bool {
        let older = self.older.as_deref();
        older.is_some_and(|older| older.covers(&source.channel))
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
                if standpoint.known() < log.lost_retained().min(part.through) {
                    return Err(Interrupted::Lost);
                }
            }
            Kind::Topic if self.is_covered(part.source) => {
                if log.has_lost_ephemeral(standpoint) {
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
