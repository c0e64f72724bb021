//! Which events a subscriber sees: public ones, private ones too, or what its rights say of each topic.

use std::fmt;
use std::sync::Arc;

use super::entry::Entry;
use super::position::Offset;
use super::topic::Topic;

/// Which events of a topic, or of the topics that a pattern matches, a subscriber may see.
#[derive(Clone)]
pub enum Visibility {
    /// Public events.
    Public,
    /// Public and private events.
    Private,
    /// What a rule says of each topic, for a pattern that matches topics with other rights. Readers with such a rule do not
    /// share what they read with others.
    PerTopic(Arc<dyn TopicRights>),
}

/// The rights of one client, topic by topic.
pub trait TopicRights: Send + Sync {
    /// What the client sees of a topic. It is asked for every event, so it must be quick.
    fn of(&self, topic: &Topic) -> Rights;
}

/// What a client sees of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Nothing.
    Nothing,
    /// Public events.
    Public,
    /// Public and private events.
    Private,
}

impl Visibility {
    /// Public events, and private ones if `with_private`.
    pub fn with_private(with_private: bool) -> Self {
        if with_private {
            Self::Private
        } else {
            Self::Public
        }
    }

    /// Whether two subscribers certainly see the same: then what one has read serves the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        matches!(
            (self, other),
            (Self::Public, Self::Public) | (Self::Private, Self::Private)
        )
    }

    /// Whether private events of some topic may be visible. Where only a loss counts, this errs on the side of a gap.
    pub(super) fn may_show_private(&self) -> bool {
        !matches!(self, Self::Public)
    }

    /// Whether an event is visible that the subscriber's channel has.
    pub(super) fn shows(&self, entry: &Entry) -> bool {
        match self {
            Self::Public => !entry.is_private,
            Self::Private => true,
            Self::PerTopic(rights) => entry.topics().any(|topic| match rights.of(topic) {
                Rights::Nothing => false,
                Rights::Public => !entry.is_private,
                Rights::Private => true,
            }),
        }
    }
}

impl fmt::Debug for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "Public",
            Self::Private => "Private",
            Self::PerTopic(_) => "PerTopic",
        })
    }
}

/// Which part of a log one reader sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) visibility: &'a Visibility,
    /// Up to here the reader sees retained events only: ephemeral ones were published before it came.
    pub(super) replayed_through: Offset,
}

impl<'a> View<'a> {
    /// The view of a reader that comes now: no ephemeral event.
    pub(super) fn of_the_past(visibility: &'a Visibility) -> Self {
        Self {
            visibility,
            replayed_through: Offset::END,
        }
    }

    pub(super) fn shows(self, entry: &Entry) -> bool {
        (entry.is_kept || entry.offset > self.replayed_through) && self.visibility.shows(entry)
    }
}
