//! From a subscription's start to a cursor. Each log is locked by itself and shortly, so that no publisher waits for all of
//! them; what is evicted meanwhile is found to be missing with the first read.
//!
//! If the log can be read behind the memory, "earliest" and "after" take it into account: a resumed reader has a gap only if
//! the log itself has lost events. "Last" and "since" stay within memory, because a subscription does not wait for storage,
//! and only a search of the log could find where they start.
//!
//! A reader may come from another hub that shares the log, and have read what this hub has not applied yet. Its id is known
//! all the same, since the log has given it: the reader goes on after that event as soon as there is one.

use std::sync::Arc;
use std::time::SystemTime;

use super::{Position, Source, Start, Subscriber};
use crate::hub::channel::Channel;
use crate::hub::position::Offset;
use crate::hub::visibility::View;
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;

/// What the topics of a subscriber have.
#[derive(Clone, Copy)]
struct Extent {
    /// Every event that can be read comes after this offset.
    earliest: Offset,
    /// The newest event that is missing.
    lost_through: Offset,
}

impl Subscriber {
    /// Goes to where a subscription starts.
    pub(super) fn go_to(&mut self, start: &Start) {
        // New events only: what the topics have does not matter.
        if *start == Start::Now {
            return;
        }
        let topics = self.existing_topics();
        let reads_log = !matches!(start, Start::Last(_) | Start::Since(_));
        let extent = self.extent(&topics, reads_log);
        let target = match start {
            Start::Now => self.replayed_through,
            Start::Earliest => extent.earliest,
            Start::Last(count) => self
                .before_the_newest(&topics, *count)
                .unwrap_or(self.replayed_through),
            Start::Since(moment) => {
                Self::first_since(&topics, *moment).map_or(self.replayed_through, Offset::previous)
            }
            Start::After(id) => return self.go_after(Some(id), id, &extent),
            Start::AfterUnknown(id) => return self.go_after(None, id, &extent),
        };
        self.cursor = target;
        self.position = Position::At(target);
    }

    /// Goes to the event that a reader has seen last, `known` if it can be an event's id.
    fn go_after(&mut self, known: Option<&EventId>, requested: &EventId, extent: &Extent) {
        // If events of several topics have this id, the reader may have seen any of them, and after the oldest nothing is
        // missing.
        let by_own_id = |id| {
            let found = self
                .sources
                .iter()
                .filter_map(|source: &Source| source.channel.log().find(id, &source.visibility));
            found.min()
        };
        let found = known.and_then(|id| self.hub.offset(id).or_else(|| by_own_id(id)));
        let may_be_ahead = self.hub.shares_its_log();
        let found = found.filter(|offset| may_be_ahead || *offset <= self.replayed_through);
        self.is_ahead = found.is_some_and(|offset| offset > self.replayed_through);
        self.cursor = found.unwrap_or(extent.earliest);
        if found.is_none_or(|offset| offset < extent.lost_through) {
            // After the newest loss of any topic nothing is missing.
            self.position = Position::At(extent.lost_through);
            self.gap = Some(Box::new(Gap {
                requested: requested.clone(),
                resumed_from: self.hub.id(extent.lost_through),
            }));
            return;
        }
        self.position = match known {
            // The publisher's own id stays what the reader knows.
            Some(id) if !self.uses_log_ids && self.hub.offset(id).is_none() => {
                Position::Own(id.clone())
            }
            _ => Position::At(self.cursor),
        };
    }

    /// The topics that there are to read, each with the source that it comes through.
    fn existing_topics(&self) -> Vec<(Arc<Channel>, usize)> {
        let mut topics = Vec::with_capacity(self.sources.len());
        for (number, source) in self.sources.iter().enumerate() {
            match source.channel.pattern() {
                None => topics.push((Arc::clone(&source.channel), number)),
                Some(pattern) => {
                    let (matching, _) = self.hub.matching(pattern, Offset::START);
                    topics.extend(matching.into_iter().map(|topic| (topic, number)));
                }
            }
        }
        topics
    }

    /// What the topics have, in memory or also in the log. What is missing now predates the subscription.
    fn extent(&mut self, topics: &[(Arc<Channel>, usize)], reads_log: bool) -> Extent {
        let nothing = Extent {
            earliest: Offset::END,
            lost_through: Offset::START,
        };
        let mut of_sources: Vec<_> = self.sources.iter().map(|_| nothing).collect();
        let mut extent = nothing;
        for (topic, source) in topics {
            let of_source = &mut of_sources[*source];
            let log = topic.log();
            let evicted_through = log.history.evicted_through();
            of_source.earliest = of_source.earliest.min(evicted_through);
            of_source.lost_through = of_source.lost_through.max(log.lost_retained());
        }
        for (source, mut of_source) in self.sources.iter_mut().zip(of_sources) {
            if source.is_pattern() {
                let forgotten = self.hub.lost_with_forgotten_topics();
                of_source.lost_through = of_source.lost_through.max(forgotten);
            }
            if let Some(older) = &self.hub.0.older
                && reads_log
            {
                let lost_through = older.lost_through(&source.channel.matcher);
                of_source.earliest = of_source.earliest.min(lost_through);
                of_source.lost_through = of_source.lost_through.min(lost_through);
            }
            source.acknowledged = of_source.lost_through;
            extent.earliest = extent.earliest.min(of_source.earliest);
            extent.lost_through = extent.lost_through.max(of_source.lost_through);
        }
        // Without any topic, the reader starts with new events.
        extent.earliest = extent.earliest.min(self.replayed_through);
        extent
    }

    /// The offset before the `count` newest events of all topics together, or none if they have no events.
    fn before_the_newest(&self, topics: &[(Arc<Channel>, usize)], count: usize) -> Option<Offset> {
        let mut topics: Vec<_> = topics.iter().collect();
        topics.sort_by_key(|(topic, _)| std::cmp::Reverse(topic.newest()));
        let mut newest: Vec<Offset> = Vec::new();
        for (topic, source) in topics {
            // No older topic has one of the newest.
            if newest.len() == count && newest.last().is_some_and(|least| topic.newest() < *least) {
                break;
            }
            let view = View::of_the_past(&self.sources[*source].visibility);
            let log = topic.log();
            let retained = log.history.newest_first(Offset::END);
            let shown = retained.filter(|entry| view.shows(entry)).take(count);
            newest.extend(shown.map(|entry| entry.offset));
            drop(log);
            newest.sort_unstable_by(|a, b| b.cmp(a));
            newest.dedup();
            newest.truncate(count);
        }
        newest.last().map(|offset| offset.previous())
    }

    /// The first event that was published at or after a moment.
    fn first_since(topics: &[(Arc<Channel>, usize)], moment: SystemTime) -> Option<Offset> {
        let firsts = topics
            .iter()
            .filter_map(|(topic, _)| topic.log().history.first_since(moment));
        firsts.min()
    }
}
