//! The rest of a request's body, when the request is answered before all of it has been read, as a refusal is. While some of it
//! has not arrived, the connection cannot be used again. A short rest is read, so that it can; for a long one, or one that does
//! not come, the answer says that the connection closes. Otherwise a proxy sends the next request on the connection while the
//! server closes it, and answers its client with 502.

use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use tokio::time::timeout;

/// The longest rest that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1_024;

/// How long it may take.
const MAX_TIME: Duration = Duration::from_millis(500);

/// Reads the rest of a body, if it says that it is short. Returns whether it has been read.
pub(super) async fn read(mut rest: Body) -> bool {
    if rest
        .size_hint()
        .exact()
        .is_none_or(|bytes| bytes > MAX_BYTES)
    {
        return false;
    }
    let to_the_end = std::future::poll_fn(|context| {
        loop {
            match std::task::ready!(Pin::new(&mut rest).poll_frame(context)) {
                Some(Ok(_)) => {}
                Some(Err(_)) => return std::task::Poll::Ready(false),
                None => return std::task::Poll::Ready(true),
            }
        }
    });
    timeout(MAX_TIME, to_the_end).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_short_rest_is_read_and_a_long_or_endless_one_is_not() {
        assert!(read(Body::from("x".repeat(64 * 1_024))).await);
        assert!(!read(Body::from("x".repeat(64 * 1_024 + 1))).await);
        // Its length is unknown.
        let endless = stream::pending::<Result<&str, std::io::Error>>();
        assert!(!read(Body::from_stream(endless)).await);
    }
}
