//! Reading what memory no longer has from the log; see [`OlderEvents`](crate::hub::log::older::OlderEvents).
//!
//! A read that finds events missing in memory starts a read of the log and returns nothing. The subscriber is not ready until
//! the log answers, which wakes it. The page is then merged with what memory has in the same range: newer events of the same
//! topics, ephemeral events, and topics that memory has completely. A read that fails is lag: the subscriber's policy says
//! what happens.

use std::sync::Arc;

use super::{Source, Subscriber};
use crate::hub::channel::{Channel, LogRead, Matcher};
use crate::hub::entry::Entry;
use crate::hub::log::older::{OlderAnswer, OlderPage, OlderRange, OlderRead};
use crate::hub::position::Offset;
use crate::hub::watch::ChannelId;

/// Most bytes that a subscriber asks for at once, and so what it holds while it stalls. One event may take more.
pub(in crate::hub) const PAGE_BYTES: usize = 64 * 1_024;

/// What a subscriber reads from the log rather than from memory.
pub(super) struct Older {
    /// The topics and patterns that it is read for.
    of: Vec<ChannelId>,
    state: State,
}

enum State {
    Awaited(Arc<OlderRead>),
    Here(OlderPage),
}

impl Older {
    /// Whether there may be something to read.
    pub(super) fn is_ready(&self) -> bool {
        match &self.state {
            State::Awaited(read) => read.is_done(),
            State::Here(_) => true,
        }
    }

    /// Whether the page has every retained event of a topic or pattern.
    pub(super) fn covers(&self, channel: &Channel) -> bool {
        self.of.contains(&channel.id)
    }

    /// Up to where the page is complete.
    pub(super) fn through(&self) -> Offset {
        match &self.state {
            State::Awaited(_) => Offset::START,
            State::Here(page) => page.through,
        }
    }

    /// The page's events after a cursor and up to an offset.
    pub(super) fn entries(&self, cursor: Offset, through: Offset) -> &[Arc<Entry>] {
        let State::Here(page) = &self.state else {
            return &[];
        };
        let at = |offset| page.entries.partition_point(|entry| entry.offset <= offset);
        page.entries.get(at(cursor)..at(through)).unwrap_or(&[])
    }
}

impl Subscriber {
    /// As [`Self::find`], while the log reads or a page of it is in hand.
    pub(super) fn find_older(&mut self, max_bytes: usize) -> LogRead {
        if let Some(Older { state, .. }) = self.older.as_deref_mut()
            && let State::Awaited(read) = state
        {
            if !read.is_done() {
                return LogRead::Later;
            }
            // A page that does not lead on would be asked for again and again.
            let Some(page) = read.take().filter(|page| page.through > self.cursor) else {
                self.older = None;
                return LogRead::Lost;
            };
            *state = State::Here(page);
            self.narrow_page();
        }
        let is_used_up = |older: &Older| older.through() <= self.cursor;
        if self.older.as_deref().is_none_or(is_used_up) {
            self.older = None;
            return self.find(max_bytes);
        }
        self.merge(self.hub.committed(), max_bytes)
    }

    /// Leaves out of the page in hand what is not for this reader, or no more since it has left a topic.
    pub(super) fn narrow_page(&mut self) {
        let sources = &self.sources;
        if let Some(Older { state, .. }) = self.older.as_deref_mut()
            && let State::Here(page) = state
        {
            page.entries
                .retain(|entry| sources.iter().any(|source| source.shows(entry)));
        }
    }

    /// Asks the log for events that memory does not have. Returns whether it has been asked: otherwise events are lost.
    pub(super) fn ask_for_older(&mut self, max_bytes: usize) -> bool {
        self.older = None;
        let Some(log) = &self.hub.0.older else {
            return false;
        };
        let mut of = Vec::new();
        let mut range = OlderRange {
            sources: Vec::new(),
            through: Offset::START,
            max_bytes: max_bytes.min(PAGE_BYTES),
        };
        for source in &self.sources {
            let Some(missing_through) = self.missing_through(source) else {
                return false;
            };
            let known = self.standpoint(source).known();
            if known < missing_through {
                of.push(source.channel.id);
                range.sources.push((source.channel.matcher.clone(), known));
                range.through = range.through.max(missing_through);
            }
        }
        let is_lost = |(of, known): &(Matcher, Offset)| log.lost_through(of) > *known;
        if range.sources.is_empty() || range.sources.iter().any(is_lost) {
            return false;
        }
        // All listeners of a channel are notified, so the quietest one of them costs least.
        let channels = self.sources.iter().map(|source| &source.channel);
        let Some(channel) = channels.min_by_key(|channel| channel.subscribers()) else {
            return false;
        };
        let read = Arc::new(OlderRead::default());
        log.read(range, OlderAnswer::new(&read, Arc::clone(channel)));
        let state = State::Awaited(read);
        self.older = Some(Box::new(Older { of, state }));
        true
    }

    /// Memory has every retained event of a source after this offset; nothing if ephemeral events are missing, which no log
    /// has.
    fn missing_through(&self, source: &Source) -> Option<Offset> {
        let log = source.channel.log();
        if log.has_lost_ephemeral(self.standpoint(source)) {
            return None;
        }
        let Some(pattern) = source.channel.pattern() else {
            return Some(log.lost_retained());
        };
        let tail_start = log.tail_start();
        drop(log);
        if self.cursor >= tail_start {
            return Some(Offset::START);
        }
        let (topics, lost) = self.hub.matching(pattern, self.cursor);
        let lost_retained = topics.iter().map(|topic| topic.log().lost_retained());
        // The pattern's own tail has what comes after its start.
        Some(lost_retained.fold(lost, Offset::max).min(tail_start))
    }
}

impl Source {
    /// Whether this source shows a retained event.
    fn shows(&self, entry: &Entry) -> bool {
        let has_it = match &self.channel.matcher {
            Matcher::Topic(topic) => entry.topics().any(|of_entry| of_entry == topic),
            Matcher::Pattern(pattern) => entry.topics().any(|topic| pattern.matches(topic)),
        };
        has_it && self.visibility.shows(entry)
    }
}
