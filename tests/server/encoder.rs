//! The encoder against the standard's parsing rules: whatever is published comes back the same, however it is cut, or
//! is refused at the edge.

use fairwind::protocol::event::{EventId, EventType};
use fairwind::protocol::event_stream::{
    push_comment, push_event_without_id, push_fields, push_id_and_dispatch,
};
use proptest::prelude::*;

use crate::parser::{Message, Parser};

/// Texts that are rich in what could break a line.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\r".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\0".to_owned()),
        Just("\u{feff}".to_owned()),
        Just(" ".to_owned()),
        Just(":".to_owned()),
        Just("data: x".to_owned()),
        Just("id".to_owned()),
        Just("\u{2028}".to_owned()),
        "\\PC{0,8}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// How the standard reads line breaks, said in another way than the encoder does.
fn as_read(data: &str) -> String {
    data.replace("\r\n", "\n").replace('\r', "\n")
}

fn parse_in_pieces(bytes: &[u8], cuts: &[prop::sample::Index]) -> Parser {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    let mut parser = Parser::default();
    for pair in places.windows(2) {
        parser.feed(&bytes[pair[0]..pair[1]]);
    }
    parser
}

proptest! {
    #[test]
    fn any_event_comes_back_the_same_or_is_refused(
        id in text(), event_type in text(), data in text(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let (Ok(id), Ok(event_type)) = (EventId::new(id), EventType::new(event_type)) else {
            return Ok(());
        };
        let mut stream = String::new();
        push_fields(&mut stream, &event_type, &data);
        push_id_and_dispatch(&mut stream, &id);
        // A second, plain event shows that nothing of the first has leaked.
        push_event_without_id(&mut stream, &EventType::default(), "after");
        let parser = parse_in_pieces(stream.as_bytes(), &cuts);
        let last_event_id = id.to_string();
        prop_assert_eq!(parser.messages, vec![
            Message { event_type: event_type.to_string(), data: as_read(&data), last_event_id: last_event_id.clone() },
            Message { event_type: "message".to_owned(), data: "after".to_owned(), last_event_id },
        ]);
        prop_assert_eq!(parser.retry, None);
        prop_assert!(parser.comments.is_empty());
    }

    #[test]
    fn what_is_refused_would_not_have_come_back(text in text()) {
        if EventType::new(text.clone()).is_err() && !text.is_empty() {
            prop_assert!(text.len() > 256 || text.chars().any(char::is_control));
        }
        if EventId::new(text.clone()).is_err() && !text.is_empty() {
            prop_assert!(text.len() > 256 || text.chars().any(char::is_control) || text.trim() != text);
        }
    }

    #[test]
    fn a_comment_is_never_more_than_a_comment(comment in text()) {
        let mut stream = String::new();
        push_comment(&mut stream, &comment);
        stream.push('\n');
        push_event_without_id(&mut stream, &EventType::default(), "after");
        let parser = parse_in_pieces(stream.as_bytes(), &[]);
        prop_assert_eq!(parser.messages.len(), 1);
        prop_assert_eq!(parser.last_event_id, "");
        prop_assert_eq!(parser.retry, None);
    }
}

#[test]
fn a_priming_id_moves_the_last_event_id_and_dispatches_nothing() {
    let mut stream = String::new();
    push_id_and_dispatch(&mut stream, &EventId::new("#e-7").expect("an id"));
    let parser = parse_in_pieces(stream.as_bytes(), &[]);
    assert_eq!(
        (parser.last_event_id.as_str(), parser.messages.len()),
        ("#e-7", 0)
    );
}
