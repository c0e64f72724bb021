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
        (!entry.is_ephemeral || entry.offset > self.replayed_through)
            && self.visibility.shows(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::entry::UnsequencedEntry;
    use crate::hub::position::{Epoch, Epochs};
    use crate::hub::publish::PublishRequest;

    fn entry(is_private: bool, is_kept: bool) -> Entry {
        let publication = PublishRequest {
            is_private,
            is_ephemeral: !is_kept,
            also_in: vec![Topic::new("b").expect("a topic")],
            ..PublishRequest::text("x")
        };
        let topic = Topic::new("a").expect("a topic");
        let epochs = Epochs::new(Epoch::new("e").expect("a name"));
        UnsequencedEntry::new(publication).finish(&topic, &epochs, Offset::from_number(7))
    }

    struct Only(&'static str, Rights);

    impl TopicRights for Only {
        fn of(&self, topic: &Topic) -> Rights {
            if topic.as_str() == self.0 {
                self.1
            } else {
                Rights::Nothing
            }
        }
    }

    fn only(name: &'static str, rights: Rights) -> Visibility {
        Visibility::PerTopic(Arc::new(Only(name, rights)))
    }

    #[test]
    fn a_reader_sees_what_its_visibility_allows() {
        let [public, private] = [false, true].map(|is_private| entry(is_private, true));
        for (visibility, sees) in [
            (Visibility::Public, (true, false)),
            (Visibility::Private, (true, true)),
            (Visibility::with_private(false), (true, false)),
            (Visibility::with_private(true), (true, true)),
            (only("a", Rights::Public), (true, false)),
            (only("b", Rights::Private), (true, true)),
            (only("b", Rights::Nothing), (false, false)),
            (only("c", Rights::Private), (false, false)),
        ] {
            let shown = (visibility.shows(&public), visibility.shows(&private));
            assert_eq!(shown, sees, "{visibility:?}");
        }
    }

    #[test]
    fn readers_share_what_they_read_only_if_they_certainly_see_the_same() {
        let (public, private) = (Visibility::Public, Visibility::Private);
        let some = only("a", Rights::Public);
        assert!(public.is_same(&public) && private.is_same(&private));
        assert!(!public.is_same(&private) && !private.is_same(&public));
        assert!(!some.is_same(&some) && !some.is_same(&public));
        assert!(!public.may_show_private());
        assert!(private.may_show_private() && some.may_show_private());
        assert_eq!(
            format!("{public:?} {private:?} {some:?}"),
            "Public Private PerTopic"
        );
    }

    #[test]
    fn a_reader_sees_ephemeral_events_from_its_subscription_on() {
        let view = |replayed_through| View {
            visibility: &Visibility::Public,
            replayed_through: Offset::from_number(replayed_through),
        };
        let [kept, ephemeral] = [true, false].map(|is_kept| entry(false, is_kept));
        for (replayed_through, sees) in [(6, true), (7, false), (8, false)] {
            assert!(view(replayed_through).shows(&kept));
            assert_eq!(
                view(replayed_through).shows(&ephemeral),
                sees,
                "{replayed_through}"
            );
        }
        assert!(!view(6).shows(&entry(true, false)));
        let past = View::of_the_past(&Visibility::Public);
        assert!(past.shows(&kept) && !past.shows(&ephemeral));
    }
}
