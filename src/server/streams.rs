//! All open event streams together: how many there may be, and ending them all.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::metrics::Metrics;
use super::supervision::Supervisor;

/// A handle to all event streams; clones share it.
#[derive(Clone)]
pub struct Streams {
    shutdown: CancellationToken,
    /// Ends the streams that are open now; replaced when it has been used.
    current: Arc<Mutex<CancellationToken>>,
    places: Arc<Semaphore>,
    limit: usize,
    metrics: Metrics,
    supervisor: Supervisor,
}

/// The right of one stream to be open; given back when it is dropped.
pub(super) struct Admission {
    /// Cancelled when the stream is to end.
    pub(super) ended: CancellationToken,
    /// Where the stream counts what it does.
    pub(super) metrics: Metrics,
    _place: OwnedSemaphorePermit,
}

impl Streams {
    /// At most `limit` streams at once, until `shutdown` is cancelled.
    pub fn new(limit: usize, shutdown: CancellationToken) -> Self {
        let current = Arc::new(Mutex::new(shutdown.child_token()));
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(limit));
        Self {
            supervisor: Supervisor::new(shutdown.clone()),
            shutdown,
            current,
            places,
            limit,
            metrics: Metrics::default(),
        }
    }

    /// How many streams are open.
    pub(super) fn open(&self) -> usize {
        self.limit - self.places.available_permits()
    }

    /// What is counted.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Watches over the tasks and threads that streams depend on.
    pub(super) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Cancelled when the server stops; cancel it to stop the server.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Ends every open stream. Their readers come back after the retry delay and resume.
    pub fn close_all(&self) {
        let next = self.shutdown.child_token();
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, next).cancel();
    }

    /// Cancelled when the streams that are open now are ended.
    pub(super) fn current(&self) -> CancellationToken {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Lets one more stream be open, or none if there are enough or the server is stopping.
    pub(super) fn admit(&self) -> Option<Admission> {
        if self.shutdown.is_cancelled() {
            return None;
        }
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Admission {
            ended: self.current(),
            metrics: self.metrics.clone(),
            _place: place,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_stream_has_ended() {
        let streams = Streams::new(1, CancellationToken::new());
        let first = streams.admit().expect("a place");
        assert!(streams.admit().is_none());
        drop(first);
        assert!(streams.admit().is_some());
    }

    #[test]
    fn closing_all_ends_the_open_streams_and_not_the_next() {
        let streams = Streams::new(2, CancellationToken::new());
        let before = streams.admit().expect("a place");
        streams.close_all();
        let after = streams.admit().expect("a place");
        assert!(before.ended.is_cancelled() && !after.ended.is_cancelled());
        streams.shutdown().cancel();
        assert!(after.ended.is_cancelled());
        assert!(streams.admit().is_none());
    }
}
