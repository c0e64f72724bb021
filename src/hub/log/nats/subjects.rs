//! Topics as NATS subjects: `orders/7` is `fairwind.orders.7`. The mapping leads back, so that what any NATS client publishes to
//! such a subject reaches the topic's readers, and it is the same for every topic that a client can name.
//!
//! `/` becomes `.`, which parts a subject; what a subject cannot have (`.`, `*`, `>`, a space) and `%` itself are
//! percent-encoded, and a part without a character is a lone `%`.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::hub::topic::Topic;

/// What a part of a subject cannot have.
const NOT_IN_A_PART: &AsciiSet = &CONTROLS.add(b'.').add(b'*').add(b'>').add(b' ').add(b'%');

/// A part without a character.
const EMPTY: &str = "%";

/// The subjects of one stream.
#[derive(Debug, Clone)]
pub(super) struct Subjects {
    /// What the subjects of retained events begin with, the dot included.
    retained: String,
    /// The same for ephemeral events. They have subjects of their own, so that a client that reads the others gets none.
    ephemeral: String,
    marker: String,
    subscribers: String,
}

/// What a message of the stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An event of a topic.
    Event { topic: Topic, is_ephemeral: bool },
    /// A marker of epochs.
    Marker,
    /// Nothing that a reader could be sent: no topic has this subject.
    Nothing,
}

impl Subjects {
    /// The subjects of a stream with this name: they begin with it, in lower case.
    pub(super) fn of_stream(name: &str) -> Self {
        let prefix = name.to_ascii_lowercase();
        Self {
            retained: format!("{prefix}."),
            ephemeral: format!("{prefix}-live."),
            marker: format!("{prefix}-epoch"),
            subscribers: format!("{prefix}-subscribers"),
        }
    }

    /// All subjects that the stream stores.
    pub(super) fn stored(&self) -> Vec<String> {
        vec![
            self.all_retained(),
            format!("{}>", self.ephemeral),
            self.marker.clone(),
        ]
    }

    /// Every subject of retained events.
    pub(super) fn all_retained(&self) -> String {
        format!("{}>", self.retained)
    }

    /// Every subject of retained events below some parts.
    pub(super) fn below(&self, parts: &str) -> String {
        format!("{}{parts}.>", self.retained)
    }

    /// The subject of markers.
    pub(super) fn marker(&self) -> &str {
        &self.marker
    }

    /// The subject on which nodes tell each other how many subscribers they have. The stream does not store it.
    pub(super) fn subscribers(&self) -> &str {
        &self.subscribers
    }

    /// The subject of a topic's events.
    pub(super) fn of(&self, topic: &Topic, is_ephemeral: bool) -> String {
        let prefix = if is_ephemeral {
            &self.ephemeral
        } else {
            &self.retained
        };
        let parts = encode(topic.as_str());
        format!("{prefix}{parts}")
    }

    /// What a message with this subject is.
    pub(super) fn meaning(&self, subject: &str) -> Meaning {
        let event = |parts: &str, is_ephemeral| match decode(parts) {
            Some(topic) => Meaning::Event {
                topic,
                is_ephemeral,
            },
            None => Meaning::Nothing,
        };
        if let Some(parts) = subject.strip_prefix(&self.retained) {
            event(parts, false)
        } else if let Some(parts) = subject.strip_prefix(&self.ephemeral) {
            event(parts, true)
        } else if subject == self.marker {
            Meaning::Marker
        } else {
            Meaning::Nothing
        }
    }
}

/// A topic's name as parts of a subject.
pub(super) fn encode(name: &str) -> String {
    let parts = name.split('/').map(|part| match part {
        "" => Cow::Borrowed(EMPTY),
        part => Cow::from(utf8_percent_encode(part, NOT_IN_A_PART)),
    });
    parts.collect::<Vec<_>>().join(".")
}

/// The topic that parts of a subject stand for, if there is one.
pub(super) fn decode(parts: &str) -> Option<Topic> {
    let mut name = String::with_capacity(parts.len());
    for (number, part) in parts.split('.').enumerate() {
        if number > 0 {
            name.push('/');
        }
        if part != EMPTY {
            name.push_str(&percent_decode_str(part).decode_utf8().ok()?);
        }
    }
    Topic::new(&name).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subjects() -> Subjects {
        Subjects::of_stream("FAIRWIND")
    }

    fn topic(name: &str) -> Topic {
        Topic::new(name).expect("a topic")
    }

    #[test]
    fn a_topic_is_a_subject_that_one_can_read() {
        let cases = [
            ("orders/7", "fairwind.orders.7"),
            ("a.b*c>d e%f", "fairwind.a%2Eb%2Ac%3Ed%20e%25f"),
            ("/a//b/", "fairwind.%.a.%.b.%"),
            ("größe", "fairwind.größe"),
        ];
        for (name, subject) in cases {
            let encoded = subjects().of(&topic(name), false);
            // Letters outside ASCII may be encoded or not; the mapping back takes both.
            if name.is_ascii() {
                assert_eq!(encoded, subject);
            }
            for subject in [subject, &encoded] {
                let event = Meaning::Event {
                    topic: topic(name),
                    is_ephemeral: false,
                };
                assert_eq!(subjects().meaning(subject), event, "{subject}");
            }
        }
    }

    #[test]
    fn retained_and_ephemeral_events_and_markers_have_subjects_of_their_own() {
        let subjects = subjects();
        assert_eq!(subjects.of(&topic("a"), true), "fairwind-live.a");
        assert_eq!(
            subjects.stored(),
            ["fairwind.>", "fairwind-live.>", "fairwind-epoch"]
        );
        let ephemeral = Meaning::Event {
            topic: topic("a"),
            is_ephemeral: true,
        };
        assert_eq!(subjects.meaning("fairwind-live.a"), ephemeral);
        assert_eq!(subjects.meaning("fairwind-epoch"), Meaning::Marker);
        for nothing in ["fairwind", "other.a", "fairwind.%FF", "fairwind.a.%2E%2E"] {
            assert_eq!(subjects.meaning(nothing), Meaning::Nothing, "{nothing}");
        }
    }

    #[test]
    fn the_longest_topic_fits_into_a_control_line() {
        let longest = topic(&"*".repeat(crate::hub::topic::MAX_TOPIC_BYTES));
        // nats-server's limit of a line is 4,096 bytes, numbers and a reply's subject included.
        assert!(subjects().of(&longest, false).len() < 3_500);
    }

    proptest! {
        #[test]
        fn every_topic_has_a_subject_of_its_own_that_leads_back(name in "[a-c./*>% é]{1,12}", other in "[a-c./*>% é]{1,12}") {
            let (Ok(topic), Ok(other)) = (Topic::new(&name), Topic::new(&other)) else {
                return Ok(());
            };
            let subject = subjects().of(&topic, false);
            let event = Meaning::Event { topic: topic.clone(), is_ephemeral: false };
            prop_assert_eq!(subjects().meaning(&subject), event);
            prop_assert_eq!(subject == subjects().of(&other, false), topic == other);
            let is_subject = subject.split('.').all(|part| !part.is_empty())
                && !subject.contains([' ', '*', '>']);
            prop_assert!(is_subject, "{}", subject);
        }
    }
}
