//! The event stream format as read: WHATWG HTML, "Server-sent events", section "Interpreting an event stream". It takes
//! bytes as they come, cut anywhere, and gives events. Leaves what to do with them to the caller.

/// An event that has been read. Nothing in it has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedEvent {
    /// The `event` field; empty means `message`.
    pub event_type: String,
    /// The `data` fields, joined by LF.
    pub data: String,
    /// The `id` field of this very event; none if it had none, or one with a NUL.
    pub id: Option<String>,
    /// The `retry` field of this very event, in milliseconds.
    pub retry: Option<u64>,
}

/// An event, or a line, is larger than the parser takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge(pub usize);

/// The state between two pieces of a stream.
#[derive(Debug)]
pub struct EventStreamParser {
    max_bytes: usize,
    line: Vec<u8>,
    /// The last byte was a CR, so a LF now belongs to it.
    follows_cr: bool,
    is_first_line: bool,
    event: ParsedEvent,
    has_data: bool,
}

impl EventStreamParser {
    /// A parser at the beginning of a stream, for events of at most `max_bytes` of data.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            line: Vec::new(),
            follows_cr: false,
            is_first_line: true,
            event: empty(),
            has_data: false,
        }
    }

    /// Reads on. What it gives has ended with a blank line; an event that has not is given up at the stream's end, as
    /// the standard says.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] if an event has more than the most bytes. The events before it are in `events`; the parser is of no
    /// use any more.
    pub fn feed(&mut self, bytes: &[u8], events: &mut Vec<ParsedEvent>) -> Result<(), TooLarge> {
        let mut rest = bytes;
        if std::mem::take(&mut self.follows_cr) && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            self.extend_line(&rest[..end])?;
            let is_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if is_cr {
                match rest.first() {
                    Some(b'\n') => rest = &rest[1..],
                    Some(_) => {}
                    None => self.follows_cr = true,
                }
            }
            self.end_line(events)?;
        }
        self.extend_line(rest)
    }

    /// Whether an event has begun that has not ended with a blank line.
    pub fn is_in_event(&self) -> bool {
        self.has_data || self.line.starts_with(b"data")
    }

    /// How many bytes of an event that has not ended are held.
    pub fn buffered_bytes(&self) -> usize {
        self.line.len() + self.event.data.len()
    }

    fn extend_line(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        // A field's name and the space after it are not data, so a line may be a little longer.
        if self.line.len() + bytes.len() > self.max_bytes + 16 {
            return Err(TooLarge(self.max_bytes));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<ParsedEvent>) -> Result<(), TooLarge> {
        let line = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&line);
        if std::mem::take(&mut self.is_first_line)
            && let Some(rest) = line.strip_prefix('\u{feff}')
        {
            line = rest.to_owned().into();
        }
        if line.is_empty() {
            let event = std::mem::replace(&mut self.event, empty());
            if std::mem::take(&mut self.has_data) {
                events.push(event);
            }
            return Ok(());
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        self.take_field(name, value.strip_prefix(' ').unwrap_or(value))
    }

    fn take_field(&mut self, name: &str, value: &str) -> Result<(), TooLarge> {
        match name {
            "event" => value.clone_into(&mut self.event.event_type),
            "data" => {
                let line_break = usize::from(self.has_data);
                if self.event.data.len() + line_break + value.len() > self.max_bytes {
                    return Err(TooLarge(self.max_bytes));
                }
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.event.retry = value.parse().ok();
            }
            // A comment has an empty name.
            _ => {}
        }
        Ok(())
    }
}

fn empty() -> ParsedEvent {
    ParsedEvent {
        event_type: String::new(),
        data: String::new(),
        id: None,
        retry: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pieces: &[&str]) -> Vec<ParsedEvent> {
        let mut parser = EventStreamParser::new(100);
        let mut events = Vec::new();
        for piece in pieces {
            parser
                .feed(piece.as_bytes(), &mut events)
                .expect("small events");
        }
        events
    }

    fn data(pieces: &[&str]) -> Vec<String> {
        parse(pieces).into_iter().map(|event| event.data).collect()
    }

    #[test]
    fn all_fields_are_read_and_others_ignored() {
        let events = parse(&[
            ": hi\nevent: news\nid: 7\nretry: 1500\ndata: a\ndata:  b\ntopic: x\nDATA: y\n\n",
        ]);
        let expected = ParsedEvent {
            event_type: "news".into(),
            data: "a\n b".into(),
            id: Some("7".into()),
            retry: Some(1_500),
        };
        assert_eq!(events, [expected]);
    }

    #[test]
    fn every_line_break_ends_a_line_however_it_is_cut() {
        assert_eq!(
            data(&["data: a\r\rdata: b\r\n\r\ndata: c\n\n"]),
            ["a", "b", "c"]
        );
        assert_eq!(data(&["data: a\r", "\n\r", "\ndata: b\n\r\n"]), ["a", "b"]);
        assert_eq!(data(&["data: a\r", "\rdata: b\n", "\n"]), ["a", "b"]);
    }

    #[test]
    fn what_has_no_data_or_no_end_is_no_event() {
        assert_eq!(data(&["id: 1\n\ndata\n\ndata: cut off\n"]), [""]);
    }

    #[test]
    fn one_byte_order_mark_is_dropped() {
        assert_eq!(data(&["\u{feff}data: a\n\n"]), ["a"]);
        assert_eq!(data(&["\u{feff}\u{feff}data: a\n\n"]), [""; 0]);
    }

    #[test]
    fn an_event_that_is_too_large_is_refused_and_those_before_it_are_not() {
        let mut parser = EventStreamParser::new(10);
        let mut events = Vec::new();
        assert_eq!(
            parser.feed(
                b"data: 1234567890\n\ndata: 12345\ndata: 67890\n\n",
                &mut events
            ),
            Err(TooLarge(10))
        );
        assert_eq!(events.len(), 1);
        let mut parser = EventStreamParser::new(10);
        assert_eq!(
            parser.feed(&[b'x'; 100], &mut Vec::new()),
            Err(TooLarge(10)),
            "a line without an end"
        );
    }

    #[test]
    fn a_parser_knows_what_it_holds_of_an_event_that_has_not_ended() {
        let mut parser = EventStreamParser::new(100);
        let mut events = Vec::new();
        let mut state = |text: &str| {
            parser
                .feed(text.as_bytes(), &mut events)
                .expect("a small event");
            (parser.is_in_event(), parser.buffered_bytes())
        };
        assert_eq!(state(""), (false, 0));
        assert_eq!(state(": hi"), (false, 4));
        assert_eq!(state("\ndata"), (true, 4));
        assert_eq!(state(": 12345"), (true, 11));
        assert_eq!(state("\n"), (true, 5));
        assert_eq!(state("da"), (true, 7));
        assert_eq!(state("ta:\n\n"), (false, 0));
    }

    #[test]
    fn an_id_with_a_nul_and_a_retry_that_is_no_number_are_ignored() {
        let event = |text: &str| parse(&[text]).remove(0);
        assert_eq!(event("id: a\0b\ndata\n\n").id, None);
        assert_eq!(event("id\ndata\n\n").id, Some(String::new()));
        for retry in ["", " ", "1 ", "+1", "-1", "1.5", "99999999999999999999"] {
            assert_eq!(
                event(&format!("retry:{retry}\ndata\n\n")).retry,
                None,
                "{retry}"
            );
        }
        assert_eq!(event("retry:7\ndata\n\n").retry, Some(7));
    }

    #[test]
    fn an_event_and_a_line_may_be_just_as_large_as_allowed() {
        let feed = |text: &str| EventStreamParser::new(10).feed(text.as_bytes(), &mut Vec::new());
        assert_eq!(feed("data: 1234\ndata: 56789\n\n"), Ok(()));
        assert_eq!(feed("data: 1234\ndata: 567890\n\n"), Err(TooLarge(10)));
        assert_eq!(feed("data: 12345\ndata: 5678\n\n"), Ok(()));
        assert_eq!(feed(&"x".repeat(26)), Ok(()));
        assert_eq!(feed(&"x".repeat(27)), Err(TooLarge(10)));
        let mut parser = EventStreamParser::new(10);
        assert_eq!(parser.feed(&[b'x'; 20], &mut Vec::new()), Ok(()));
        assert_eq!(parser.feed(&[b'x'; 6], &mut Vec::new()), Ok(()));
        assert_eq!(parser.feed(b"x", &mut Vec::new()), Err(TooLarge(10)));
    }
}
