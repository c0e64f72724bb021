//! The event stream format, `text/event-stream`, as written by a server: WHATWG HTML, "Server-sent events". Leaves
//! sending to the owner of the connection.
//!
//! A field's value can never become a second line: ids and types have no line breaks (see [`super::event`]), and data
//! is cut into one `data` field a line, where a line ends as the standard's parser reads it: at LF, CR or CRLF.

use memchr::memchr2;

use super::event::{EventId, EventType};

/// The type of the stream's content.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// Appends the `event` and `data` fields of an event: everything but its id and the blank line that dispatches it, so
/// that the work which grows with the event is done before its id is known.
pub fn push_fields(out: &mut String, event_type: &EventType, data: &str) {
    if !event_type.is_message() {
        push_field(out, "event", event_type.as_str());
    }
    for line in lines(data) {
        push_field(out, "data", line);
    }
}

/// Appends an `id` field and the blank line. After [`push_fields`] it completes an event; alone it moves the reader's
/// last event ID on without dispatching anything.
pub fn push_id_and_dispatch(out: &mut String, id: &EventId) {
    push_field(out, "id", id.as_str());
    out.push('\n');
}

/// Appends a whole event that does not touch the reader's last event ID.
pub fn push_event_without_id(out: &mut String, event_type: &EventType, data: &str) {
    push_fields(out, event_type, data);
    out.push('\n');
}

/// Appends a `retry` field: how long the reader waits before it connects again, in milliseconds.
pub fn push_retry(out: &mut String, milliseconds: u128) {
    push_field(out, "retry", &milliseconds.to_string());
}

/// Appends a comment, which readers ignore. Line breaks in it start further comments.
pub fn push_comment(out: &mut String, comment: &str) {
    for line in lines(comment) {
        out.push(':');
        if !line.is_empty() {
            out.push(' ');
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// The data as a reader will see it: every line break is a LF.
pub fn as_read(data: String) -> String {
    if data.contains('\r') {
        lines(&data).collect::<Vec<_>>().join("\n")
    } else {
        data
    }
}

/// The lines of a text, of which there is always at least one: `"a\n"` is `"a"` and `""`, so that joining them with LF
/// gives the text back.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr2(b'\r', b'\n', text.as_bytes()) else {
            rest = None;
            return Some(text);
        };
        let line_break = if text[end..].starts_with("\r\n") {
            2
        } else {
            1
        };
        rest = Some(&text[end + line_break..]);
        Some(&text[..end])
    })
}

/// The space after the colon is always written: readers take one away, so a value that begins with a space keeps it.
fn push_field(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str(": ");
    out.push_str(value);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(event_type: &str, data: &str) -> String {
        let mut out = String::new();
        let event_type = EventType::new(event_type).expect("a type");
        push_fields(&mut out, &event_type, data);
        push_id_and_dispatch(&mut out, &EventId::new("#e-1").expect("an id"));
        out
    }

    #[test]
    fn a_message_has_no_event_field() {
        assert_eq!(frame("message", "hello"), "data: hello\nid: #e-1\n\n");
        assert_eq!(
            frame("gap", "hello"),
            "event: gap\ndata: hello\nid: #e-1\n\n"
        );
    }

    #[test]
    fn every_line_break_starts_a_new_data_field() {
        assert_eq!(
            frame("message", "a\nb\rc\r\nd\n"),
            "data: a\ndata: b\ndata: c\ndata: d\ndata: \nid: #e-1\n\n"
        );
    }

    #[test]
    fn empty_data_is_still_dispatched() {
        assert_eq!(frame("message", ""), "data: \nid: #e-1\n\n");
    }

    #[test]
    fn data_is_kept_as_a_reader_sees_it() {
        assert_eq!(as_read("a\r\nb\rc\n\rd".to_owned()), "a\nb\nc\n\nd");
    }

    #[test]
    fn a_comment_cannot_become_a_field() {
        let mut out = String::new();
        push_comment(&mut out, "hi\ndata: x");
        push_comment(&mut out, "");
        assert_eq!(out, ": hi\n: data: x\n:\n");
    }

    #[test]
    fn an_event_without_an_id_leaves_the_readers_last_event_id_alone() {
        let mut out = String::new();
        push_event_without_id(&mut out, &EventType::constant("gap"), "x");
        assert_eq!(out, "event: gap\ndata: x\n\n");
    }

    #[test]
    fn a_retry_field_has_milliseconds() {
        let mut out = String::new();
        push_retry(&mut out, 1_500);
        assert_eq!(out, "retry: 1500\n");
    }
}
