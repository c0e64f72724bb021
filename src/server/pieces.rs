//! An answer that is written piece by piece, as its client takes it, from what is shared anyway: however long it is, the
//! server holds one piece of it.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use futures_util::stream;

use super::shares::Share;

/// How much is put together before it is sent, in bytes. One text may be longer.
const PIECE_BYTES: usize = 16 * 1_024;

/// Texts put together to pieces of a body.
struct Pieces<Texts> {
    texts: Texts,
    /// What the texts are made from counts as held until the client has taken all, or has gone.
    _share: Share,
}

impl<Texts: Iterator<Item = String>> Iterator for Pieces<Texts> {
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

/// A body of texts. A short one is sent at once, with its length.
pub(super) fn body(texts: impl Iterator<Item = String> + Send + 'static, share: Share) -> Body {
    let mut pieces = Pieces {
        texts,
        _share: share,
    };
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
