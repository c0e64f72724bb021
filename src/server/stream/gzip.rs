//! Compresses an event stream so that every event still leaves at once: the encoder is flushed after each chunk.

use std::convert::Infallible;
use std::io::{self, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{Stream, StreamExt, stream};

use crate::server::limits::shares::Share;

/// Compresses a stream of bytes chunk by chunk. It costs some 300 KiB of memory for as long as the stream is open, which the
/// share accounts for.
pub(crate) fn compress(
    chunks: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
    share: Share,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let chunks = Box::pin(chunks);
    stream::unfold(
        (chunks, Some(encoder), share),
        |(mut chunks, encoder, share)| async move {
            let mut encoder = encoder?;
            let Some(Ok(chunk)) = chunks.next().await else {
                // The trailer tells the reader that nothing has been cut off.
                return Some((encoder.finish().map(Bytes::from), (chunks, None, share)));
            };
            let compressed = encoder
                .write_all(&chunk)
                .and_then(|()| encoder.flush())
                .map(|()| Bytes::from(std::mem::take(encoder.get_mut())));
            Some((compressed, (chunks, Some(encoder), share)))
        },
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::{GzDecoder, MultiGzDecoder};

    use super::*;
    use crate::server::limits::shares::Shares;

    #[tokio::test]
    async fn every_chunk_can_be_read_before_the_next_is_written() {
        let chunks =
            stream::iter(["data: 1\n\n", "data: 2\n\n"]).map(|chunk| Ok(Bytes::from(chunk)));
        let share = Shares::new(1, 1).take(None, 1).expect("a share");
        let mut compressed = Box::pin(compress(chunks, share));
        let mut sent = Vec::new();
        for expected in ["data: 1\n\n", "data: 1\n\ndata: 2\n\n"] {
            sent.extend(
                compressed
                    .next()
                    .await
                    .expect("a chunk")
                    .expect("compressed"),
            );
            let mut read = vec![0; expected.len()];
            GzDecoder::new(sent.as_slice())
                .read_exact(&mut read)
                .expect("the chunk so far");
            assert_eq!(read, expected.as_bytes());
        }
        sent.extend(
            compressed
                .next()
                .await
                .expect("the trailer")
                .expect("compressed"),
        );
        assert!(compressed.next().await.is_none());
        let mut whole = String::new();
        MultiGzDecoder::new(sent.as_slice())
            .read_to_string(&mut whole)
            .expect("a whole gzip file");
        assert_eq!(whole, "data: 1\n\ndata: 2\n\n");
    }
}
