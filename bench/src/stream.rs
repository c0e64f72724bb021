//! Reads an event stream as it comes from the socket: the head of the answer, its chunks, its lines, its events. Nothing
//! is copied or allocated unless a line is split between two reads.
//!
//! Lines end in LF or CRLF; no server of the comparison ends them in a lone CR.

use std::io::Write;

use flate2::write::GzDecoder;
use memchr::memchr;

use crate::event::Stamp;

/// The head, or a line, may not be longer.
const MAX_LINE: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct StreamReader {
    framing: Framing,
    /// The head, or the line, that has begun.
    begun: Vec<u8>,
    /// The data of the event that has begun; it counts when the empty line comes.
    event: Option<Stamp>,
    /// Inflates the body of an answer that says that it is compressed.
    inflater: Option<Box<GzDecoder<Vec<u8>>>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Framing {
    /// The answer's head is not complete.
    Head,
    /// The body ends with the connection.
    Open,
    /// In the line that says how long the chunk is: so long as far as it was read; whether the digits have ended.
    Size(usize, bool),
    /// Inside a chunk: so much is left of it.
    Chunk(usize),
    /// In the end of line after a chunk.
    ChunkEnd,
    /// The last chunk has come.
    End,
}

impl StreamReader {
    pub(crate) fn new() -> Self {
        Self {
            framing: Framing::Head,
            begun: Vec::new(),
            event: None,
            inflater: None,
        }
    }

    /// For what is the body alone, of an answer whose head came in another way.
    pub(crate) fn of_body() -> Self {
        Self {
            framing: Framing::Open,
            ..Self::new()
        }
    }

    /// Whether the answer is compressed.
    pub(crate) fn is_compressed(&self) -> bool {
        self.inflater.is_some()
    }

    /// Whether the server has accepted.
    pub(crate) fn is_open(&self) -> bool {
        self.framing != Framing::Head
    }

    /// Takes what was read, and passes on each complete event. An error says what is wrong with the answer.
    #[inline]
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        got: &mut impl FnMut(Stamp),
    ) -> Result<(), String> {
        while !bytes.is_empty() {
            match self.framing {
                Framing::Head => {
                    bytes = self.head(bytes)?;
                }
                Framing::Open => {
                    self.content(bytes, got)?;
                    return Ok(());
                }
                Framing::Size(size, ended) => {
                    bytes = self.size(size, ended, bytes)?;
                }
                Framing::Chunk(left) => {
                    let (chunk, rest) = bytes.split_at(left.min(bytes.len()));
                    self.content(chunk, got)?;
                    bytes = rest;
                    self.framing = match left - chunk.len() {
                        0 => Framing::ChunkEnd,
                        left => Framing::Chunk(left),
                    };
                }
                Framing::ChunkEnd => {
                    if bytes[0] == b'\n' {
                        self.framing = Framing::Size(0, false);
                    } else if bytes[0] != b'\r' {
                        return Err("a chunk is longer than it says".to_owned());
                    }
                    bytes = &bytes[1..];
                }
                Framing::End => return Ok(()),
            }
        }
        Ok(())
    }

    /// Reads on in the head and gives back what comes after it.
    fn head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let before = self.begun.len();
        self.begun.extend_from_slice(bytes);
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(&self.begun) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if self.begun.len() < MAX_LINE => return Ok(&[]),
            Ok(httparse::Status::Partial) => return Err("the answer's head is too long".to_owned()),
            Err(error) => return Err(format!("the answer's head cannot be read: {error}")),
        };
        match response.code {
            Some(200) => {}
            code => {
                return Err(format!(
                    "the stream was answered with {}",
                    code.unwrap_or(0)
                ));
            }
        }
        let chunked = response.headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case("transfer-encoding")
                && header.value.eq_ignore_ascii_case(b"chunked")
        });
        let compressed = response.headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case("content-encoding")
                && header.value.eq_ignore_ascii_case(b"gzip")
        });
        self.inflater = compressed.then(|| Box::new(GzDecoder::new(Vec::new())));
        self.framing = if chunked {
            Framing::Size(0, false)
        } else {
            Framing::Open
        };
        self.begun.clear();
        Ok(&bytes[length - before..])
    }

    /// Reads on in a chunk's first line and gives back what comes after it.
    #[inline]
    fn size<'a>(
        &mut self,
        mut size: usize,
        mut ended: bool,
        bytes: &'a [u8],
    ) -> Result<&'a [u8], String> {
        for (at, &byte) in bytes.iter().enumerate() {
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                b'A'..=b'F' => byte - b'A' + 10,
                b'\n' => {
                    self.framing = if size == 0 {
                        Framing::End
                    } else {
                        Framing::Chunk(size)
                    };
                    return Ok(&bytes[at + 1..]);
                }
                _ => {
                    ended = true;
                    continue;
                }
            };
            if !ended {
                if size >= 1 << 40 {
                    return Err("a chunk's length is too large".to_owned());
                }
                size = size << 4 | usize::from(digit);
            }
        }
        self.framing = Framing::Size(size, ended);
        Ok(&[])
    }

    /// Takes a part of the body, and inflates it if it is compressed: whatever has been flushed comes out at once.
    #[inline]
    fn content(&mut self, bytes: &[u8], got: &mut impl FnMut(Stamp)) -> Result<(), String> {
        let Some(mut inflater) = self.inflater.take() else {
            return self.lines(bytes, got);
        };
        inflater
            .write_all(bytes)
            .and_then(|()| inflater.flush())
            .map_err(|error| format!("the stream cannot be inflated: {error}"))?;
        let mut text = std::mem::take(inflater.get_mut());
        self.lines(&text, got)?;
        text.clear();
        *inflater.get_mut() = text;
        self.inflater = Some(inflater);
        Ok(())
    }

    #[inline]
    fn lines(&mut self, mut bytes: &[u8], got: &mut impl FnMut(Stamp)) -> Result<(), String> {
        if !self.begun.is_empty() {
            let Some(end) = memchr(b'\n', bytes) else {
                return self.begin(bytes);
            };
            let mut line = std::mem::take(&mut self.begun);
            line.extend_from_slice(&bytes[..end]);
            self.line(&line, got);
            line.clear();
            self.begun = line;
            bytes = &bytes[end + 1..];
        }
        while let Some(end) = memchr(b'\n', bytes) {
            self.line(&bytes[..end], got);
            bytes = &bytes[end + 1..];
        }
        self.begin(bytes)
    }

    #[inline]
    fn begin(&mut self, part: &[u8]) -> Result<(), String> {
        if self.begun.len() + part.len() > MAX_LINE {
            return Err("a line is too long".to_owned());
        }
        self.begun.extend_from_slice(part);
        Ok(())
    }

    #[inline]
    fn line(&mut self, line: &[u8], got: &mut impl FnMut(Stamp)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            if let Some(stamp) = self.event.take() {
                got(stamp);
            }
        } else if let Some(data) = line.strip_prefix(b"data:") {
            self.event = Stamp::read(data.strip_prefix(b" ").unwrap_or(data));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";

    fn stamp(number: u32) -> Stamp {
        Stamp {
            run: 7,
            publisher: 1,
            number,
            due: 42,
        }
    }

    fn data(number: u32) -> String {
        let mut data = Vec::new();
        stamp(number).write(&mut data);
        String::from_utf8(data).unwrap_or_default()
    }

    /// The numbers of the events in what comes in parts of `size` bytes.
    fn numbers(text: &str, size: usize) -> Result<Vec<u32>, String> {
        let mut reader = StreamReader::new();
        let mut numbers = Vec::new();
        for part in text.as_bytes().chunks(size) {
            reader.feed(part, &mut |stamp| {
                assert_eq!((stamp.run, stamp.publisher, stamp.due), (7, 1, 42));
                numbers.push(stamp.number);
            })?;
        }
        Ok(numbers)
    }

    fn chunk(text: &str) -> String {
        format!("{:x}\r\n{text}\r\n", text.len())
    }

    #[test]
    fn plain_and_chunked_in_parts_of_any_size() {
        let events = format!(
            ": hi\n\nid: 1\ndata: {}\n\ndata:{}\nid: 2\n\nevent: gap\ndata: {{}}\n\nid: 3\r\ndata: {}\r\n\r\n",
            data(0),
            data(1),
            data(2),
        );
        let (first, second) = events.split_at(150);
        let plain = format!("{HEAD}\r\n{events}");
        let chunked = format!(
            "{HEAD}Transfer-Encoding: chunked\r\n\r\n{}{}",
            chunk(first),
            chunk(second)
        );
        let end = format!("{chunked}0\r\n\r\n");
        for text in [plain, chunked, end] {
            for size in 1..=text.len() {
                assert_eq!(
                    numbers(&text, size),
                    Ok(vec![0, 1, 2]),
                    "in parts of {size}"
                );
            }
        }
    }

    #[test]
    fn an_event_counts_only_when_it_is_complete() {
        let text = format!("{HEAD}\r\ndata: {}\n", data(0));
        assert_eq!(numbers(&text, 10), Ok(vec![]));
    }

    #[test]
    fn extensions_of_a_chunk_are_passed_over() {
        let event = format!("data: {}\n\n", data(5));
        let text = format!(
            "{HEAD}transfer-encoding: chunked\r\n\r\n{:X};a=b\r\n{event}\r\n",
            event.len()
        );
        assert_eq!(numbers(&text, 3), Ok(vec![5]));
    }

    #[test]
    fn a_compressed_stream_is_read_as_far_as_it_was_flushed() {
        let mut deflater = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut text = format!("{HEAD}content-encoding: gzip\r\n\r\n").into_bytes();
        for number in 0..3 {
            let event = format!("data: {}\n\n", data(number));
            deflater
                .write_all(event.as_bytes())
                .expect("a buffer takes all");
            deflater.flush().expect("a buffer takes all");
        }
        // Its end is missing, as in a stream that is alive.
        text.extend_from_slice(deflater.get_ref());
        for size in 1..=text.len() {
            let mut reader = StreamReader::new();
            let mut numbers = Vec::new();
            for part in text.chunks(size) {
                let fed = reader.feed(part, &mut |stamp| numbers.push(stamp.number));
                assert_eq!(fed, Ok(()));
            }
            assert!(reader.is_compressed());
            assert_eq!(numbers, [0, 1, 2], "in parts of {size}");
        }
        let mut broken = text.clone();
        let at = text.len() - 40;
        broken[at..].fill(0xff);
        let mut reader = StreamReader::new();
        assert!(reader.feed(&broken, &mut |_| ()).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(numbers("HTTP/1.1 503 No\r\n\r\n", 50).is_err());
        assert!(numbers("hello\r\n\r\n", 50).is_err());
        let text = format!("{HEAD}transfer-encoding: chunked\r\n\r\n2\r\nabcdef");
        assert!(numbers(&text, 50).is_err());
        assert!(numbers(&format!("{HEAD}\r\n{}", "a".repeat(MAX_LINE + 1)), 1000).is_err());
    }
}
