//! Events that a log has and the hub's memory no longer has: how readers get them. See [`OlderEvents`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::hub::channel::Channel;
pub use crate::hub::channel::Matcher;
use crate::hub::entry::Entry;
use crate::hub::position::Offset;
use crate::hub::watch::TopicChange;

/// A log's ability to read events that have left the hub's memory.
///
/// A subscriber that stands before what memory has asks for the events in between, page by page, and continues in memory
/// after the last page. Each subscriber has at most one read under way and one page in hand, whatever number of topics it
/// reads: a log has one order, so it merges topics and patterns itself.
///
/// Both methods are called by the threads that serve readers, while no lock of the hub is held. They must not wait for
/// storage.
pub trait OlderEvents: Send + Sync + 'static {
    /// The newest retained event of a topic, or of any topic that matches a pattern, that the log no longer has. It never
    /// goes back. [`Offset::START`] if the log has them all.
    fn lost_through(&self, of: &Matcher) -> Offset;

    /// Reads on a thread of the log, and answers once, with none of the log's locks held: the thread that answers may go on to
    /// serve the reader. An answer that is dropped counts as a failure.
    fn read(&self, range: OlderRange, answer: OlderAnswer);
}

/// Which events a reader needs: those that were committed and retained, of several topics and patterns.
#[derive(Debug, Clone)]
pub struct OlderRange {
    /// The topics and patterns; of each the events after an offset.
    pub sources: Vec<(Matcher, Offset)>,
    /// No events after this offset.
    pub through: Offset,
    /// Most bytes of events, counted as [`Entry::text_bytes`]; one event may take more.
    pub max_bytes: usize,
}

/// What a log has read: every event of the range up to an offset.
#[derive(Debug)]
pub struct OlderPage {
    /// The events, in the order of publication, each once.
    pub entries: Vec<Arc<Entry>>,
    /// The events are complete up to here: the end of the range, or the last event if there was no room for more.
    pub through: Offset,
}

/// Takes the answer to one read, and wakes the reader.
pub struct OlderAnswer {
    read: Weak<OlderRead>,
    /// A channel of the reader. The reader's listener is registered there.
    channel: Arc<Channel>,
}

/// A read that is under way or done, as its reader sees it.
#[derive(Debug, Default)]
pub(in crate::hub) struct OlderRead {
    is_done: AtomicBool,
    /// Nothing if the read is under way or has failed.
    page: Mutex<Option<OlderPage>>,
}

impl OlderAnswer {
    pub(in crate::hub) fn new(read: &Arc<OlderRead>, channel: Arc<Channel>) -> Self {
        Self {
            read: Arc::downgrade(read),
            channel,
        }
    }

    /// Whether the reader still waits. If it has gone, the log need not read.
    pub fn is_wanted(&self) -> bool {
        self.read.strong_count() > 0
    }

    /// The events have been read.
    pub fn found(self, page: OlderPage) {
        if let Some(read) = self.read.upgrade() {
            *read.page.lock() = Some(page);
        }
    }

    /// The log cannot read the events now, or does not have all of them any more.
    pub fn failed(self) {}
}

impl Drop for OlderAnswer {
    fn drop(&mut self) {
        if let Some(read) = self.read.upgrade() {
            read.is_done.store(true, Ordering::Release);
            self.channel.notify(TopicChange::Events);
        }
    }
}

impl OlderRead {
    /// Whether there is an answer. It takes no lock.
    pub(in crate::hub) fn is_done(&self) -> bool {
        self.is_done.load(Ordering::Acquire)
    }

    /// What has been read, once; nothing if the read has failed.
    pub(in crate::hub) fn take(&self) -> Option<OlderPage> {
        self.page.lock().take()
    }
}
