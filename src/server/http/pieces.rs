//! Answers whose memory is accounted for until their clients have taken them. A long one is written piece by piece from what
//! is shared anyway, so that the server holds one piece of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use futures_util::stream;
use hyper::body::{Frame, SizeHint};

/// How much is put together before it is sent, in bytes. One text may be longer.
const PIECE_BYTES: usize = 16 * 1_024;

/// Texts put together to pieces of a body.
struct Pieces<Texts, Held> {
    texts: Texts,
    /// Kept until the client has taken all, or has gone.
    _held: Held,
}

impl<Texts: Iterator<Item = String>, Held> Iterator for Pieces<Texts, Held> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut piece = self.texts.next()?;
        while piece.len() < PIECE_BYTES
            && let Some(text) = self.texts.next()
        {
            piece.push_str(&text);
        }
        Some(piece.into())
    }
}

/// A body of texts. A short one is sent at once, with its length. `held` is what the texts take in memory; it is dropped when
/// the client has taken all, or has gone.
pub(crate) fn body(
    texts: impl Iterator<Item = String> + Send + 'static,
    held: impl Send + 'static,
) -> Body {
    let mut pieces = Pieces { texts, _held: held };
    let Some(first) = pieces.next() else {
        return Body::empty();
    };
    match pieces.next() {
        None => Body::from(first),
        Some(second) => {
            let all = [first, second].into_iter().chain(pieces);
            Body::from_stream(stream::iter(all.map(Ok::<_, Infallible>)))
        }
    }
}

/// A body, and what is held until the client has taken it.
struct With<T> {
    body: Body,
    _held: T,
}

/// Holds something until the client has taken a body, or has gone.
pub(crate) fn with<T: Send + Unpin + 'static>(body: Body, held: T) -> Body {
    Body::new(With { body, _held: held })
}

impl<T: Unpin> HttpBody for With<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
