//! What every connection holds for as long as it is open, on HTTP, in a writer thread, or as a WebSocket.

use std::sync::Arc;

use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::server::limits::connections::ConnectionPermit;

/// Counts a connection as open, and makes the server wait for it at a stop. It stands in the extensions of every request, so
/// that a connection which leaves HTTP takes it along; clones share it.
#[derive(Clone)]
pub(crate) struct ConnectionGuard {
    _permit: Arc<ConnectionPermit>,
    _is_waited_for: TaskTrackerToken,
}

impl ConnectionGuard {
    pub(super) fn new(permit: ConnectionPermit, is_waited_for: TaskTrackerToken) -> Self {
        Self {
            _permit: Arc::new(permit),
            _is_waited_for: is_waited_for,
        }
    }
}
