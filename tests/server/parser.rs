//! An event stream parser written from the HTML standard ("Interpreting an event stream"), independent of the server's
//! encoder.

use std::io::BufRead;

/// What a browser would dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub event_type: String,
    pub data: String,
    pub last_event_id: String,
}

/// The parser and everything it has seen.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    last_was_cr: bool,
    is_past_start: bool,
    event_type: String,
    data: String,
    id_buffer: String,
    pub last_event_id: String,
    pub retry: Option<u64>,
    pub comments: Vec<String>,
    pub messages: Vec<Message>,
}

impl Parser {
    /// Reads some bytes, which may end anywhere.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            // One line, as a rule, which is quick where a byte at a time is slow.
            let mut line = Vec::new();
            let _ = bytes.read_until(b'\n', &mut line);
            if self.last_was_cr || line.contains(&b'\r') {
                self.feed_bytes(&line);
            } else if line.ends_with(b"\n") {
                line.pop();
                self.line.append(&mut line);
                self.end_line();
            } else {
                self.line.append(&mut line);
            }
        }
    }

    fn feed_bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let follows_cr = std::mem::take(&mut self.last_was_cr);
            match byte {
                b'\n' if follows_cr => {}
                b'\n' => self.end_line(),
                b'\r' => {
                    self.last_was_cr = true;
                    self.end_line();
                }
                _ => self.line.push(byte),
            }
        }
    }

    fn end_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        if !self.is_past_start && line.starts_with("\u{feff}".as_bytes()) {
            line.drain(..3);
        }
        self.is_past_start = true;
        let line = String::from_utf8_lossy(&line);
        if line.is_empty() {
            self.dispatch();
        } else if let Some(comment) = line.strip_prefix(':') {
            self.comments.push(comment.trim_start().to_owned());
        } else {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            self.field(name, value.strip_prefix(' ').unwrap_or(value));
        }
    }

    fn field(&mut self, name: &str, value: &str) {
        match name {
            "event" => value.clone_into(&mut self.event_type),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.id_buffer),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok();
            }
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        self.id_buffer.clone_into(&mut self.last_event_id);
        let event_type = std::mem::take(&mut self.event_type);
        let mut data = std::mem::take(&mut self.data);
        if data.is_empty() {
            return;
        }
        data.pop();
        let event_type = if event_type.is_empty() {
            "message".to_owned()
        } else {
            event_type
        };
        self.messages.push(Message {
            event_type,
            data,
            last_event_id: self.last_event_id.clone(),
        });
    }
}
