//! Reads events from a WebSocket as they come: the head of the answer, frames, the data in them. A frame is the event's
//! data itself, or JSON with the data in its member `data`.

use memchr::memmem;

use crate::event::{LENGTH, Stamp};

/// The head, or a frame, may not be longer.
const MAX_FRAME: usize = 64 << 10;

const PING: u8 = 9;
const CLOSE: u8 = 8;

#[derive(Debug)]
pub(crate) struct SocketReader {
    open: bool,
    /// The head, or the frame, that has begun.
    begun: Vec<u8>,
    /// What is to be sent back: answers to pings.
    pub(crate) answers: Vec<u8>,
}

impl SocketReader {
    pub(crate) fn new() -> Self {
        Self {
            open: false,
            begun: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Whether the server has accepted.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Takes what was read, and passes on each complete event. An error says what is wrong with the answer.
    pub(crate) fn feed(&mut self, bytes: &[u8], got: &mut impl FnMut(Stamp)) -> Result<(), String> {
        if self.begun.is_empty() {
            let taken = self.take(bytes, got)?;
            self.begun.extend_from_slice(&bytes[taken..]);
        } else {
            let mut begun = std::mem::take(&mut self.begun);
            begun.extend_from_slice(bytes);
            let taken = self.take(&begun, got)?;
            begun.drain(..taken);
            self.begun = begun;
        }
        if self.begun.len() > MAX_FRAME {
            return Err("a frame is too long".to_owned());
        }
        Ok(())
    }

    /// How much of this was complete.
    fn take(&mut self, bytes: &[u8], got: &mut impl FnMut(Stamp)) -> Result<usize, String> {
        let mut taken = 0;
        if !self.open {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            taken = match response.parse(bytes) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) => return Ok(0),
                Err(error) => return Err(format!("the answer's head cannot be read: {error}")),
            };
            match response.code {
                Some(101) => self.open = true,
                code => {
                    return Err(format!(
                        "the WebSocket was answered with {}",
                        code.unwrap_or(0)
                    ));
                }
            }
        }
        while let Some((kind, payload, length)) = frame(&bytes[taken..])? {
            taken += length;
            match kind {
                PING => self.answer(payload),
                CLOSE => return Err("the server closed the WebSocket".to_owned()),
                _ => {
                    if let Some(stamp) = data(payload).and_then(Stamp::read) {
                        got(stamp);
                    }
                }
            }
        }
        Ok(taken)
    }

    fn answer(&mut self, payload: &[u8]) {
        // A pong, masked with zeros. The payload of a control frame has at most 125 bytes.
        self.answers
            .extend_from_slice(&[0x8a, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
        self.answers.extend_from_slice(payload);
    }
}

/// A frame's kind, its payload and its whole length.
type Frame<'a> = (u8, &'a [u8], usize);

/// The first frame, if it is complete.
#[inline]
fn frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, String> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    let (start, length) = match (second, rest) {
        (0..126, _) => (2, usize::from(second)),
        (126, &[high, low, ..]) => (4, usize::from(high) << 8 | usize::from(low)),
        (126, _) => return Ok(None),
        (127, _) => return Err("a frame is too long".to_owned()),
        _ => return Err("the server masked a frame".to_owned()),
    };
    let payload = bytes.get(start..start + length);
    Ok(payload.map(|payload| (first & 0x0f, payload, start + length)))
}

#[inline]
fn data(payload: &[u8]) -> Option<&[u8]> {
    if payload.first() != Some(&b'{') {
        return Some(payload);
    }
    const MEMBER: &[u8] = br#""data":""#;
    let at = memmem::find(payload, MEMBER)? + MEMBER.len();
    payload.get(at..at + LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_in_parts_of_any_size() {
        let mut text = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        let mut plain = Vec::new();
        Stamp {
            run: 7,
            publisher: 0,
            number: 1,
            due: 2,
        }
        .write(&mut plain);
        text.extend_from_slice(&[0x81, plain.len() as u8]);
        text.extend_from_slice(&plain);
        text.extend_from_slice(&[0x89, 2, b'h', b'i']);
        let json = [
            br#"{"id":"1","topic":"a","data":""#,
            plain.as_slice(),
            br#""}"#,
        ]
        .concat();
        text.extend_from_slice(&[0x81, 126, 0, json.len() as u8]);
        text.extend_from_slice(&json);
        for size in 1..=text.len() {
            let mut reader = SocketReader::new();
            let mut got = 0;
            for part in text.chunks(size) {
                assert_eq!(reader.feed(part, &mut |stamp| got += stamp.number), Ok(()));
            }
            assert_eq!(got, 2, "in parts of {size}");
            assert_eq!(reader.answers, [0x8a, 0x82, 0, 0, 0, 0, b'h', b'i']);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let refused = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        assert!(SocketReader::new().feed(refused, &mut |_| {}).is_err());
        assert!(frame(&[0x81, 127, 0, 0]).is_err());
        assert!(frame(&[0x81, 0x80]).is_err());
    }
}
