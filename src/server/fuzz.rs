//! Every parser of input, called with anything: what must hold for it whatever it is given. The fuzz targets in `fuzz/`
//! and the property tests below call the same functions, so that a seed of one is a test of the other.

use axum::http::Uri;

use super::access::Claims;
use super::routes::incoming::Incoming;
use super::routes::subscribe::StreamQuery;
use crate::hub::topic::{MAX_TOPIC_BYTES, Topic};
use crate::protocol::event::{EventId, EventType, MAX_NAME_BYTES};
use crate::protocol::event_stream::{as_read, push_fields, push_id_and_dispatch};
use crate::protocol::event_stream_parser::EventStreamParser;
use crate::protocol::topic_path;

/// The largest event that the stream parsers are given leave to take here, in bytes.
const MAX_EVENT_BYTES: usize = 1_000;

/// A topic's name from a URL: what is taken leads to a URL that leads back to it.
pub fn topic(bytes: &[u8]) {
    let Ok(topic) = Topic::new(&String::from_utf8_lossy(bytes)) else {
        return;
    };
    assert!((1..=MAX_TOPIC_BYTES).contains(&topic.as_str().len()));
    let path = topic_path(topic.as_str());
    assert!(path.parse::<Uri>().is_ok(), "{path}");
    let name = path.strip_prefix("/topics/").unwrap_or_default();
    assert_eq!(
        percent_encoding::percent_decode_str(name).decode_utf8_lossy(),
        topic.as_str()
    );
}

/// The query of a stream's URL: it is read or refused.
pub fn query(bytes: &[u8]) {
    let query = String::from_utf8_lossy(bytes);
    if let Ok(uri) = format!("/topics/a?{query}").parse::<Uri>()
        && let Ok(query) = StreamQuery::read(&uri)
    {
        let _ = query.start(&Default::default());
    }
}

/// A body in the event stream format, cut into pieces of every size: the cuts change nothing, no event is over the
/// limit, and what has been read can be written and read again.
pub fn event_stream(bytes: &[u8]) {
    let whole = parse(bytes, bytes.len().max(1));
    for size in [1, 2, 7] {
        assert_eq!(parse(bytes, size).0, whole.0);
    }
    for event in whole.0 {
        assert!(event.data.len() <= MAX_EVENT_BYTES);
        let (Ok(id), Ok(event_type)) = (EventId::new("x"), EventType::new(event.event_type)) else {
            continue;
        };
        let mut written = String::new();
        push_fields(&mut written, &event_type, &event.data);
        push_id_and_dispatch(&mut written, &id);
        let (again, _) = parse(written.as_bytes(), written.len());
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].data, as_read(event.data));
    }
    published(Incoming::event_stream(MAX_EVENT_BYTES), bytes);
}

/// A body of JSON lines: whatever is published could have been published alone.
pub fn ndjson(bytes: &[u8]) {
    published(Incoming::ndjson(MAX_EVENT_BYTES), bytes);
}

/// The claims of a token: they are read or refused, and grant no topic that they do not name at least the beginning of.
pub fn claims(bytes: &[u8]) {
    let Ok(claims) = serde_json::from_slice::<Claims>(bytes) else {
        return;
    };
    assert!(!claims.exp.is_nan());
    let Ok(topic) = Topic::new("a topic that no claim of these names") else {
        return;
    };
    let names_it =
        |text: &str| text.contains('*') || text.contains('\\') || text.contains(topic.as_str());
    if claims.publish.cover(&topic) || claims.subscribe.cover(&topic) {
        assert!(names_it(&String::from_utf8_lossy(bytes)));
    }
}

fn parse(
    bytes: &[u8],
    size: usize,
) -> (Vec<crate::protocol::event_stream_parser::ParsedEvent>, bool) {
    let mut parser = EventStreamParser::new(MAX_EVENT_BYTES);
    let mut events = Vec::new();
    let is_whole = bytes
        .chunks(size)
        .all(|piece| parser.feed(piece, &mut events).is_ok());
    (events, is_whole)
}

fn published(mut incoming: Incoming, bytes: &[u8]) {
    for piece in bytes.chunks(5) {
        if incoming.feed(piece).is_err() {
            break;
        }
    }
    let _ = incoming.finish();
    for publication in incoming.take().into_iter().flatten() {
        assert!(publication.event_type.as_str().len() <= MAX_NAME_BYTES);
        assert!(
            publication
                .id
                .is_none_or(|id| !id.as_str().starts_with('#'))
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// A target's name, and what it does with its input.
    type Target = (&'static str, fn(&[u8]));

    const TARGETS: [Target; 5] = [
        ("topic", topic),
        ("query", query),
        ("event_stream", event_stream),
        ("ndjson", ndjson),
        ("claims", claims),
    ];

    /// Bytes that are rich in what the formats are made of.
    fn input() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "data:",
                "data: ",
                "event:",
                "id:",
                "id: #x-1",
                "retry: 12",
                ":",
                "\n",
                "\r",
                "\r\n",
                "\n\n",
                "\u{feff}",
                "\0",
                "{\"data\":",
                "\"x\"",
                "}",
                ",\"type\":\"end\"",
                ",\"id\":\"a\"",
                "{\"data\":1}\n",
                "{\"exp\":1,\"publish\":[\"",
                "*",
                "\"]}",
                "last=",
                "since=1h",
                "&",
                "=",
                "%ff",
                "%0A",
                "topic=a",
                "last_event_id=",
                "+",
                "#",
                "上",
            ])
            .prop_map(|piece| piece.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..6),
        ];
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_input_breaks_a_parser(input in input()) {
            for (_, target) in TARGETS {
                target(&input);
            }
        }
    }

    #[test]
    fn the_seeds_of_the_fuzz_targets_break_no_parser() {
        for (name, target) in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("fuzz/seeds")
                .join(name);
            let seeds: Vec<_> = std::fs::read_dir(&folder)
                .expect("a folder of seeds")
                .collect();
            assert!(!seeds.is_empty(), "{name} has no seeds");
            for seed in seeds {
                target(&std::fs::read(seed.expect("a seed").path()).expect("a readable seed"));
            }
        }
    }
}
