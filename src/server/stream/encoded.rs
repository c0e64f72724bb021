//! The wire forms of batches: made once, written to every reader that stands at the same cursor and asked for the same.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;

use super::gzip::Checksum;
use crate::hub::batch::{Batch, Format};

/// Room for the head of a chunk: its size in hexadecimal digits, and a line break.
const HEAD_BYTES: usize = 16 + 2;

/// What ends a chunk.
const CHUNK_END: &[u8] = b"\r\n";

/// A batch in one format, as a chunk of HTTP/1.1 (RFC 9112, section 7.1) around the bytes that any other body has.
#[derive(Debug)]
pub(crate) struct Encoded {
    chunk: Bytes,
    head_bytes: usize,
    /// Of the bytes before they were compressed, if they are.
    pub(super) checksum: Option<Checksum>,
}

impl Encoded {
    /// What `push` appends, which is some `capacity` bytes long and not empty.
    pub(super) fn new(capacity: usize, push: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut chunk = Vec::with_capacity(HEAD_BYTES + capacity + CHUNK_END.len());
        chunk.resize(HEAD_BYTES, 0);
        push(&mut chunk);
        let mut rest = chunk.len() - HEAD_BYTES;
        chunk.extend_from_slice(CHUNK_END);
        // The size in hexadecimal digits, from the last one on: `format!` takes ten times as long.
        let mut start = HEAD_BYTES - CHUNK_END.len();
        chunk[start..HEAD_BYTES].copy_from_slice(CHUNK_END);
        while rest > 0 {
            start -= 1;
            chunk[start] = b"0123456789abcdef"[rest % 16];
            rest /= 16;
        }
        Self {
            chunk: Bytes::from(chunk).slice(start..),
            head_bytes: HEAD_BYTES - start,
            checksum: None,
        }
    }

    /// As a chunk of HTTP/1.1.
    pub(crate) fn http1_chunk(&self) -> &Bytes {
        &self.chunk
    }

    /// Without the chunk around it.
    pub(crate) fn bytes(&self) -> Bytes {
        let end = self.chunk.len() - CHUNK_END.len();
        self.chunk.slice(self.head_bytes..end)
    }
}

/// Bytes as a chunk of HTTP/1.1.
pub(super) fn http1_chunk(bytes: &[u8]) -> Bytes {
    let mut chunk = Vec::with_capacity(HEAD_BYTES + bytes.len() + CHUNK_END.len());
    // Writing into a vector cannot fail.
    let _ = write!(chunk, "{:x}\r\n", bytes.len());
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(CHUNK_END);
    chunk.into()
}

/// Wire forms that a thread has used lately. It holds them for the readers that come next; batches themselves keep them
/// weakly.
#[derive(Default)]
pub(crate) struct RecentlyEncoded {
    used: [Option<Used>; 4],
    next: usize,
}

struct Used {
    batch: Arc<Batch>,
    format: Format,
    encoded: Arc<Encoded>,
}

impl RecentlyEncoded {
    /// The batch in a format.
    pub(super) fn encoded(
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

/// Batches with more text are encoded for each task: a thread holds on to what its tasks have used.
const MAX_TEXT_BYTES: usize = 64 * 1_024;

thread_local! {
    static OF_TASKS: RefCell<RecentlyEncoded> = RefCell::default();
}

/// The batch in a format, for a task that writes one stream: a thousand of them that one event wakes encode it once.
pub(super) fn encoded_for_task(
    batch: &Arc<Batch>,
    format: Format,
    encode: impl FnOnce() -> Encoded,
) -> Arc<Encoded> {
    if batch.text_bytes() > MAX_TEXT_BYTES {
        return batch.encoded(format, encode);
    }
    OF_TASKS.with_borrow_mut(|recent| recent.encoded(batch, format, encode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_a_chunk_around_the_bytes() {
        for bytes in [1, 15, 16, 255, 256, 65_535, 65_536] {
            let text = "x".repeat(bytes);
            let encoded = Encoded::new(0, |out| out.extend_from_slice(text.as_bytes()));
            assert_eq!(encoded.bytes(), text);
            assert_eq!(*encoded.http1_chunk(), http1_chunk(text.as_bytes()));
            assert_eq!(
                *encoded.http1_chunk(),
                format!("{bytes:x}\r\n{text}\r\n").as_bytes()
            );
        }
    }
}
