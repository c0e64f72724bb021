//! The wire forms of batches: made once, written to every reader that stands at the same cursor and asked for the same.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;

use crate::hub::batch::{Batch, Format};

/// Room for the head of a chunk: its size in hexadecimal digits, and a line break.
const HEAD_BYTES: usize = 16 + 2;

/// What ends a chunk.
const CHUNK_END: &str = "\r\n";

/// A batch in one format, ready to be written as a chunk of HTTP/1.1 (RFC 9112, section 7.1) or as part of any other body.
#[derive(Debug)]
pub(crate) struct Encoded {
    chunk: Bytes,
    head_bytes: usize,
}

impl Encoded {
    /// What `push` appends, which is some `capacity` bytes long and not empty.
    pub(crate) fn new(capacity: usize, push: impl FnOnce(&mut String)) -> Self {
        let mut text = String::with_capacity(HEAD_BYTES + capacity + CHUNK_END.len());
        text.extend(std::iter::repeat_n(' ', HEAD_BYTES));
        push(&mut text);
        let bytes = text.len() - HEAD_BYTES;
        text.push_str(CHUNK_END);
        let mut chunk = text.into_bytes();
        let head = format!("{bytes:x}\r\n");
        let unused = HEAD_BYTES - head.len();
        chunk[unused..HEAD_BYTES].copy_from_slice(head.as_bytes());
        Self {
            chunk: Bytes::from(chunk).slice(unused..),
            head_bytes: head.len(),
        }
    }

    /// As a chunk of HTTP/1.1.
    pub(crate) fn http1_chunk(&self) -> &Bytes {
        &self.chunk
    }

    /// As part of any other body.
    pub(crate) fn bytes(&self) -> Bytes {
        let end = self.chunk.len() - CHUNK_END.len();
        self.chunk.slice(self.head_bytes..end)
    }
}

/// Bytes as a chunk of HTTP/1.1.
pub(crate) fn http1_chunk(bytes: &[u8]) -> Bytes {
    let mut chunk = Vec::with_capacity(HEAD_BYTES + bytes.len() + CHUNK_END.len());
    // Writing into a vector cannot fail.
    let _ = write!(chunk, "{:x}\r\n", bytes.len());
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(CHUNK_END.as_bytes());
    chunk.into()
}

/// Wire forms that a writer has used lately. It holds them for the readers that come next; batches themselves keep them
/// weakly.
#[derive(Default)]
pub(crate) struct Recent {
    used: [Option<Used>; 4],
    next: usize,
}

struct Used {
    batch: Arc<Batch>,
    format: Format,
    encoded: Arc<Encoded>,
}

impl Recent {
    /// The batch in a format.
    pub(crate) fn encoded(
        &mut self,
        batch: &Arc<Batch>,
        format: Format,
        encode: impl FnOnce() -> Encoded,
    ) -> Arc<Encoded> {
        let is_same = |used: &&Used| used.format == format && Arc::ptr_eq(&used.batch, batch);
        if let Some(used) = self.used.iter().flatten().find(is_same) {
            return Arc::clone(&used.encoded);
        }
        let encoded = batch.encoded(format, encode);
        self.used[self.next] = Some(Used {
            batch: Arc::clone(batch),
            format,
            encoded: Arc::clone(&encoded),
        });
        self.next = (self.next + 1) % self.used.len();
        encoded
    }

    /// Lets go of all.
    pub(crate) fn clear(&mut self) {
        self.used = Default::default();
    }
}

/// For tasks that write one stream each: what the tasks of a thread have used lately, so that a thousand of them that are
/// woken by one event encode it once.
pub(crate) mod recent {
    use std::cell::RefCell;

    use super::{Arc, Batch, Encoded, Format, Recent};

    /// Batches with more text are encoded for each task: a thread holds on to what its tasks have used.
    const MAX_TEXT_BYTES: usize = 64 * 1_024;

    thread_local! {
        static RECENT: RefCell<Recent> = RefCell::default();
    }

    /// The batch in a format.
    pub(crate) fn encoded(
        batch: &Arc<Batch>,
        format: Format,
        encode: impl FnOnce() -> Encoded,
    ) -> Arc<Encoded> {
        if batch.text_bytes() > MAX_TEXT_BYTES {
            return batch.encoded(format, encode);
        }
        RECENT.with_borrow_mut(|recent| recent.encoded(batch, format, encode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_a_chunk_around_the_bytes() {
        for bytes in [1, 15, 16, 255, 256, 65_535, 65_536] {
            let text = "x".repeat(bytes);
            let encoded = Encoded::new(0, |out| out.push_str(&text));
            assert_eq!(encoded.bytes(), text);
            assert_eq!(*encoded.http1_chunk(), http1_chunk(text.as_bytes()));
            assert_eq!(
                *encoded.http1_chunk(),
                format!("{bytes:x}\r\n{text}\r\n").as_bytes()
            );
        }
    }
}
