//! What publishes by itself. A feed uses the hub like any other publisher. It owns its topics: no client publishes to them or
//! ends them, and every client may read them. A server has the feeds that its settings name:
//!
//! ```text
//! let feeds: Vec<Arc<dyn Feed>> = settings.feeds()?;
//! let owners = TopicOwners::of(&feeds);                    // what access rules ask
//! for feed in feeds { tokio::spawn(feed.run(hub.clone(), shutdown.clone())); }
//! ```
//!
//! * [`answers`]: answers to questions, from a model or the documentation
//! * [`clock`]: the time
//! * [`compare`]: the numbered events of one comparison; no [`Feed`], since it has a hub of its own
//! * [`quotes`]: the prices of a simulated market, or those of a file
//! * `turn`: which of several servers that share a log publishes

pub mod answers;
pub mod clock;
pub mod compare;
pub mod quotes;
mod turn;

use std::pin::Pin;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::hub::pattern::Pattern;
use crate::hub::topic::Topic;

/// A publisher that is part of the server.
pub trait Feed: Send + Sync + 'static {
    /// What the log and refusals call it, such as `the clock`.
    fn name(&self) -> &'static str;

    /// The topics that it owns.
    fn topics(&self) -> FeedTopics;

    /// Publishes until it is cancelled.
    fn run(self: Arc<Self>, hub: Hub, cancelled: CancellationToken) -> FeedTask;
}

/// The work of a feed.
pub type FeedTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The topics of one feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedTopics {
    /// A single one.
    One(Topic),
    /// All that a pattern matches.
    Matching(Pattern),
    /// All unlisted ones that begin with a text, which no pattern matches.
    Unlisted(&'static str),
}

/// Which topics belong to a feed of this server, and to which. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct TopicOwners(Arc<[Owner]>);

/// A feed as the owner of its topics.
#[derive(Debug)]
pub struct Owner {
    /// The feed's name.
    pub name: &'static str,
    /// Its topics.
    pub topics: FeedTopics,
}

impl FeedTopics {
    fn contains(&self, topic: &Topic) -> bool {
        match self {
            Self::One(own) => own == topic,
            Self::Matching(pattern) => pattern.matches(topic),
            Self::Unlisted(beginning) => topic.as_str().starts_with(beginning),
        }
    }

    /// Whether a pattern matches any of them.
    fn meet(&self, pattern: &Pattern) -> bool {
        match self {
            Self::One(own) => pattern.matches(own),
            Self::Matching(own) => own.covers(pattern) || pattern.covers(own),
            Self::Unlisted(_) => false,
        }
    }
}

impl TopicOwners {
    /// The owners of these feeds' topics.
    pub fn of(feeds: &[Arc<dyn Feed>]) -> Self {
        let owners = feeds.iter().map(|feed| Owner {
            name: feed.name(),
            topics: feed.topics(),
        });
        Self(owners.collect())
    }

    /// The feed that a topic belongs to.
    pub fn owner(&self, topic: &Topic) -> Option<&Owner> {
        self.0.iter().find(|owner| owner.topics.contains(topic))
    }

    /// Whether a topic belongs to a feed.
    pub fn own(&self, topic: &Topic) -> bool {
        self.owner(topic).is_some()
    }

    /// Whether a pattern matches a topic that belongs to a feed.
    pub fn own_any_of(&self, pattern: &Pattern) -> bool {
        self.0.iter().any(|owner| owner.topics.meet(pattern))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a topic")
    }

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).expect("a pattern")
    }

    struct Named(&'static str, FeedTopics);

    impl Feed for Named {
        fn name(&self) -> &'static str {
            self.0
        }

        fn topics(&self) -> FeedTopics {
            self.1.clone()
        }

        fn run(self: Arc<Self>, _: Hub, cancelled: CancellationToken) -> FeedTask {
            Box::pin(async move { cancelled.cancelled().await })
        }
    }

    #[test]
    fn a_topic_belongs_to_the_feed_that_names_it_or_whose_pattern_matches() {
        let owners = TopicOwners::of(&[
            Arc::new(Named("the clock", FeedTopics::One(topic("clock")))),
            Arc::new(Named("prices", FeedTopics::Matching(pattern("prices/*")))),
        ]);
        let owner = |name: &str| owners.owner(&topic(name)).map(|owner| owner.name);
        assert_eq!(owner("clock"), Some("the clock"));
        assert_eq!(owner("prices/a"), Some("prices"));
        for other in ["clocks", "clock/1", "prices", "a"] {
            assert_eq!(owner(other), None, "{other}");
            assert!(!owners.own(&topic(other)));
        }
        assert!(TopicOwners::default().owner(&topic("clock")).is_none());
    }

    #[test]
    fn a_pattern_meets_the_topics_that_it_shares_with_a_feed() {
        let owners = TopicOwners::of(&[
            Arc::new(Named("the clock", FeedTopics::One(topic("clock")))),
            Arc::new(Named("prices", FeedTopics::Matching(pattern("prices/*")))),
        ]);
        for text in ["*", "c*", "clock*", "pri*", "prices/*", "prices/a*"] {
            assert!(owners.own_any_of(&pattern(text)), "{text}");
        }
        for text in ["clock/*", "prices-*", "a*"] {
            assert!(!owners.own_any_of(&pattern(text)), "{text}");
        }
    }

    #[test]
    fn an_unlisted_topic_belongs_to_a_feed_and_no_pattern_meets_it() {
        let answers: Arc<dyn Feed> = Arc::new(Named("answers", FeedTopics::Unlisted("~answers/")));
        let owners = TopicOwners::of(&[answers]);
        assert!(owners.own(&topic("~answers/a")));
        assert!(!owners.own(&topic("~inbox/a")) && !owners.own(&topic("answers/a")));
        assert!(!owners.own_any_of(&pattern("*")) && !owners.own_any_of(&pattern("~answers/*")));
    }
}
