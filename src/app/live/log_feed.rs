//! What arrives becomes rows of a list, at the pace that the browser can take: at most one update of the document per
//! animation frame, each followed by a rest in proportion to what it took. Used by any page that has a list; leaves the
//! list to [`LogBuffer`] and the pace to [`UpdateMeter`].
//!
//! A hidden page has no frames, and needs none: what arrives goes into the list, which is bounded, and is shown with the
//! first frame after the page is visible again.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use leptos::prelude::*;

use super::{LogSignals, newest_text, set_if_changed, whole_seconds};
use crate::app::log_buffer::{Content, Growth, LogBuffer, Pushed};
use crate::app::pace::UpdateMeter;
use crate::browser::animation_frame::FrameTask;
use crate::browser::clock;
use crate::browser::timer::Timeout;

/// The feed of one list.
pub(super) struct LogFeed {
    this: Weak<LogFeed>,
    signals: LogSignals,
    frame: FrameTask,
    meter: RefCell<UpdateMeter>,
    /// Runs when the update that is under way is painted.
    painted: RefCell<Option<Timeout>>,
    /// Runs when the rest after an update is over, if another update waits for that.
    rest: RefCell<Option<Timeout>>,
    /// Rows that have been pushed since the last update.
    pushed: Cell<usize>,
    received: Cell<u64>,
    /// Whether rows of the list are not in the document.
    growth: Cell<Growth>,
    /// When the newest message came, in milliseconds.
    last_message: Cell<Option<f64>>,
}

impl LogFeed {
    /// The feed of a list that has what the page was rendered with.
    pub(super) fn new(signals: LogSignals) -> Rc<Self> {
        Rc::new_cyclic(|this: &Weak<Self>| {
            let feed = Weak::clone(this);
            Self {
                this: Weak::clone(this),
                signals,
                frame: FrameTask::new(move || {
                    if let Some(feed) = feed.upgrade() {
                        feed.update();
                    }
                }),
                meter: RefCell::default(),
                painted: RefCell::new(None),
                rest: RefCell::new(None),
                pushed: Cell::new(0),
                received: Cell::new(0),
                growth: Cell::new(Growth::Complete),
                last_message: Cell::new(None),
            }
        })
    }

    /// Appends a row, which is in the document with the next update.
    pub(super) fn push(&self, content: Content) {
        let is_message = content.data().is_some();
        let pushed = self
            .signals
            .buffer
            .try_update_untracked(|log| log.push(content));
        if pushed != Some(Pushed::New) {
            return;
        }
        self.pushed.set(self.pushed.get() + 1);
        if is_message {
            self.received.set(self.received.get() + 1);
            self.last_message.set(Some(clock::now()));
        }
        self.request_update();
    }

    /// Shows at once what waits for the next update.
    pub(super) fn finish(&self) {
        self.frame.finish();
    }

    /// Brings the document up to date, after the list was changed.
    pub(super) fn update(&self) {
        let began = clock::now();
        let pushed = self.pushed.take();
        let pace = self.meter.borrow_mut().begin(began, pushed);
        let growth = self.signals.buffer.try_update(|log| log.fit_window(pace));
        self.growth.set(growth.unwrap_or(Growth::Complete));
        let revision = self.signals.buffer.try_with_untracked(LogBuffer::revision);
        set_if_changed(self.signals.revision, revision.unwrap_or_default());
        if !self.is_paused() {
            if pushed > 0 {
                self.show_newest();
            }
            self.show_counts();
        }
        // The next task begins after the effects of the signals, layout and paint.
        let this = Weak::clone(&self.this);
        self.painted
            .replace(Timeout::after(Duration::ZERO, move || {
                if let Some(feed) = this.upgrade() {
                    feed.meter.borrow_mut().end(began, clock::now());
                    if feed.growth.get() == Growth::Continues {
                        // Older rows are added without a rest: each update is short, and reading goes on meanwhile.
                        feed.frame.request();
                    }
                }
            }));
    }

    /// Once a second: ages grow, and so does the window when a busy topic has become calm.
    pub(super) fn tick(&self) {
        if self.growth.get() == Growth::Waits {
            self.request_update();
        }
        if !self.is_paused() {
            self.show_counts();
        }
    }

    /// Whether the reader has paused the list.
    pub(super) fn is_paused(&self) -> bool {
        self.signals
            .buffer
            .try_with_untracked(LogBuffer::is_paused)
            .unwrap_or_default()
    }

    /// Shows the newest message where it stands large.
    pub(super) fn show_newest(&self) {
        let newest = self
            .signals
            .buffer
            .try_with_untracked(|log| log.newest().map(|message| newest_text(&message.data)));
        if let Some(newest) = newest.flatten() {
            set_if_changed(self.signals.newest, newest);
        }
    }

    fn request_update(&self) {
        if self.frame.is_requested() || self.rest.borrow().is_some() {
            return;
        }
        let rest = self.meter.borrow().rest(clock::now());
        if rest <= 0.0 {
            self.frame.request();
            return;
        }
        let this = Weak::clone(&self.this);
        // Positive and small, so that only a fraction gets lost.
        let rest = Duration::from_millis(rest as u64);
        self.rest.replace(Timeout::after(rest, move || {
            if let Some(feed) = this.upgrade() {
                feed.rest.take();
                feed.frame.request();
            }
        }));
    }

    fn show_counts(&self) {
        if let Some(at) = self.last_message.get() {
            let age = whole_seconds(clock::now() - at, f64::floor);
            set_if_changed(self.signals.age, age);
        }
        set_if_changed(self.signals.received, self.received.get());
    }
}
