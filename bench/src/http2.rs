//! Reads many event streams from one HTTP/2 connection: as much of RFC 9113 as a client needs that asks for streams and
//! reads them. Requests are made without a table of headers, and of an answer's head only the status is looked at.

use crate::event::Stamp;
use crate::stream::StreamReader;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// The largest window that there is: a server never waits for the client to grant it more.
const WINDOW: u32 = (1 << 31) - 1;
const FIRST_WINDOW: u32 = 65_535;

/// When so much of the connection's window is used, it is opened again.
const USED: u32 = 1 << 30;

/// The longest frame, with its head; nothing longer was allowed.
const HEAD: usize = 9;
const MAX_FRAME: usize = HEAD + (16 << 10);

/// `:status: 200` in the static table of RFC 7541.
const STATUS_200: u8 = 0x88;

#[derive(Debug)]
pub(crate) struct Http2Reader {
    /// The frame that has begun.
    begun: Vec<u8>,
    /// By number; stream `i` has the id `2 i + 1`. The second says whether it was answered.
    streams: Vec<(StreamReader, bool)>,
    /// Data that has come since the connection's window was opened.
    used: u32,
    /// What is to be sent: answers to settings and pings.
    pub(crate) answers: Vec<u8>,
}

impl Http2Reader {
    /// A reader, and what asks for this many streams.
    pub(crate) fn new(host: &str, paths: &[String]) -> (Self, Vec<u8>) {
        let mut request = PREFACE.to_vec();
        let mut settings = Vec::new();
        // No table of headers, no pushes, and the largest window for each stream.
        for (name, value) in [(1_u16, 0), (2, 0), (4, WINDOW)] {
            settings.extend_from_slice(&name.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        frame(&mut request, SETTINGS, 0, 0, &settings);
        window_update(&mut request, WINDOW - FIRST_WINDOW);
        for (number, path) in paths.iter().enumerate() {
            // From the static table: the method GET and the scheme https.
            let mut head = vec![0x82, 0x87];
            // Not indexed, with the names `:path`, `:authority` and `accept` of the static table.
            for (name, value) in [(4, path.as_str()), (1, host), (19, "text/event-stream")] {
                literal(&mut head, name, value);
            }
            let flags = END_STREAM | END_HEADERS;
            frame(&mut request, HEADERS, flags, 2 * number as u32 + 1, &head);
        }
        let reader = Self {
            begun: Vec::new(),
            streams: paths
                .iter()
                .map(|_| (StreamReader::of_body(), false))
                .collect(),
            used: 0,
            answers: Vec::new(),
        };
        (reader, request)
    }

    /// Whether the server has accepted all of them.
    pub(crate) fn is_open(&self) -> bool {
        self.streams.iter().all(|(_, is_open)| *is_open)
    }

    /// Takes what was read, and passes on each complete event with its stream's number.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        got: &mut impl FnMut(usize, Stamp),
    ) -> Result<(), String> {
        let mut begun = std::mem::take(&mut self.begun);
        let mut rest = bytes;
        if !begun.is_empty() {
            begun.extend_from_slice(bytes);
            rest = &begun;
        }
        while let Some((length, kind, flags, stream)) = head_of(rest)? {
            let Some(payload) = rest.get(HEAD..HEAD + length) else {
                break;
            };
            self.frame(kind, flags, stream, payload, got)?;
            rest = &rest[HEAD + length..];
        }
        self.begun = rest.to_vec();
        Ok(())
    }

    fn frame(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
        got: &mut impl FnMut(usize, Stamp),
    ) -> Result<(), String> {
        match kind {
            DATA => {
                self.used += payload.len() as u32;
                if self.used > USED {
                    window_update(&mut self.answers, self.used);
                    self.used = 0;
                }
                let number = (stream / 2) as usize;
                let (reader, _) = self
                    .streams
                    .get_mut(number)
                    .ok_or("data of a stream that was not asked for")?;
                reader.feed(unpadded(flags, payload)?, &mut |stamp| got(number, stamp))?;
            }
            HEADERS => {
                let mut block = unpadded(flags, payload)?;
                if flags & PRIORITY != 0 {
                    block = block.get(5..).ok_or("a frame is too short")?;
                }
                // The table's new size may stand before the first header, which is the status.
                while let [0x20..0x40, after @ ..] = block {
                    block = after;
                }
                if block.first() != Some(&STATUS_200) {
                    return Err("a stream was answered with another status than 200".to_owned());
                }
                let (_, is_open) = self
                    .streams
                    .get_mut((stream / 2) as usize)
                    .ok_or("an answer to nothing")?;
                *is_open = true;
            }
            SETTINGS if flags & ACK == 0 => frame(&mut self.answers, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => frame(&mut self.answers, PING, ACK, 0, payload),
            RST_STREAM => return Err("the server reset a stream".to_owned()),
            GOAWAY => return Err("the server ended the connection".to_owned()),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            return Err("the server ended a stream".to_owned());
        }
        Ok(())
    }
}

/// The first frame's length, kind, flags and stream, if its head is complete.
fn head_of(bytes: &[u8]) -> Result<Option<(usize, u8, u8, u32)>, String> {
    let &[a, b, c, kind, flags, e, f, g, h, ..] = bytes else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    if HEAD + length > MAX_FRAME {
        return Err("a frame is too long".to_owned());
    }
    let stream = u32::from_be_bytes([e, f, g, h]) & (WINDOW);
    Ok(Some((length, kind, flags, stream)))
}

fn unpadded(flags: u8, payload: &[u8]) -> Result<&[u8], String> {
    if flags & PADDED == 0 {
        return Ok(payload);
    }
    let (&padding, content) = payload.split_first().ok_or("a frame is too short")?;
    content
        .len()
        .checked_sub(usize::from(padding))
        .map(|length| &content[..length])
        .ok_or_else(|| "a frame's padding is too long".to_owned())
}

fn frame(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = (payload.len() as u32).to_be_bytes();
    out.extend_from_slice(&length[1..]);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

fn window_update(out: &mut Vec<u8>, by: u32) {
    frame(out, WINDOW_UPDATE, 0, 0, &by.to_be_bytes());
}

/// A header that is not indexed, with a name of the static table (RFC 7541, section 6.2.2). Names' and values' numbers are
/// small here: a path of more than 126 bytes does not occur.
fn literal(out: &mut Vec<u8>, name: u8, value: &str) {
    if name < 15 {
        out.push(name);
    } else {
        out.extend_from_slice(&[15, name - 15]);
    }
    out.push(value.len() as u8);
    out.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u32) -> Vec<u8> {
        let mut text = b"data: ".to_vec();
        Stamp {
            run: 7,
            publisher: 0,
            number,
            due: 2,
        }
        .write(&mut text);
        text.extend_from_slice(b"\n\n");
        text
    }

    fn numbers(text: &[u8], size: usize) -> Result<(Vec<(usize, u32)>, Http2Reader), String> {
        let paths = ["/a".to_owned(), "/b".to_owned()];
        let (mut reader, request) = Http2Reader::new("host", &paths);
        assert!(request.starts_with(PREFACE));
        let mut numbers = Vec::new();
        for part in text.chunks(size) {
            reader.feed(part, &mut |stream, stamp| {
                numbers.push((stream, stamp.number));
            })?;
        }
        Ok((numbers, reader))
    }

    #[test]
    fn two_streams_in_parts_of_any_size() {
        let mut text = Vec::new();
        frame(&mut text, SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]);
        frame(&mut text, HEADERS, END_HEADERS, 1, &[0x3f, STATUS_200]);
        frame(&mut text, HEADERS, END_HEADERS, 3, &[STATUS_200]);
        frame(&mut text, PING, 0, 0, b"12345678");
        let (first, second) = (event(0), event(1));
        let (begin, end) = first.split_at(30);
        frame(&mut text, DATA, 0, 1, begin);
        let mut padded = vec![4];
        padded.extend_from_slice(&second);
        padded.extend_from_slice(&[0; 4]);
        frame(&mut text, DATA, PADDED, 3, &padded);
        frame(&mut text, WINDOW_UPDATE, 0, 0, &[0, 0, 1, 0]);
        frame(&mut text, DATA, 0, 1, end);
        for size in 1..=text.len() {
            let (numbers, reader) = numbers(&text, size).expect("all is well");
            assert_eq!(numbers, [(1, 1), (0, 0)], "in parts of {size}");
            assert!(reader.is_open());
            let mut answers = Vec::new();
            frame(&mut answers, SETTINGS, ACK, 0, &[]);
            frame(&mut answers, PING, ACK, 0, b"12345678");
            assert_eq!(reader.answers, answers);
        }
    }

    #[test]
    fn what_ends_or_refuses_a_stream_is_an_error() {
        for (kind, flags, payload) in [
            (HEADERS, END_HEADERS, &[0x8d][..]),
            (HEADERS, END_HEADERS | END_STREAM, &[STATUS_200]),
            (DATA, END_STREAM, b""),
            (DATA, PADDED, &[9, 0]),
            (RST_STREAM, 0, &[0, 0, 0, 7]),
            (GOAWAY, 0, &[0; 8]),
        ] {
            let mut text = Vec::new();
            frame(&mut text, kind, flags, 1, payload);
            assert!(numbers(&text, 100).is_err(), "{kind} {flags}");
        }
        assert!(numbers(&[0xff; 9], 100).is_err());
    }

    #[test]
    fn a_large_window_is_opened_again_before_it_is_used_up() {
        let (mut reader, _) = Http2Reader::new("host", &["/".to_owned()]);
        reader.used = USED;
        let mut text = Vec::new();
        frame(&mut text, DATA, 0, 1, b":\n");
        assert_eq!(reader.feed(&text, &mut |_, _| ()), Ok(()));
        let mut answers = Vec::new();
        window_update(&mut answers, USED + 2);
        assert_eq!((reader.answers, reader.used), (answers, 0));
    }
}
