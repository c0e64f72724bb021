//! Does a piece of work once per animation frame, however often it is asked for: a burst of events becomes one change
//! of the document.

use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

/// A piece of work and whether it is due.
pub(crate) struct FrameTask {
    work: Rc<dyn Fn()>,
    callback: Closure<dyn FnMut()>,
    /// The frame that was asked for and has not come.
    requested: Rc<Cell<Option<i32>>>,
}

impl FrameTask {
    /// Takes the work; does not do it yet.
    pub(crate) fn new(work: impl Fn() + 'static) -> Self {
        let work: Rc<dyn Fn()> = Rc::new(work);
        let requested = Rc::new(Cell::new(None));
        let callback = Closure::new({
            let work = Rc::clone(&work);
            let requested = Rc::clone(&requested);
            move || {
                requested.set(None);
                work();
            }
        });
        Self {
            work,
            callback,
            requested,
        }
    }

    /// Asks for the work to be done with the next frame. A hidden page has none until it is visible again.
    pub(crate) fn request(&self) {
        if let Some(window) = web_sys::window()
            && !self.is_requested()
        {
            let frame = window.request_animation_frame(self.callback.as_ref().unchecked_ref());
            self.requested.set(frame.ok());
        }
    }

    /// Whether the work waits for its frame.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.get().is_some()
    }

    /// Does the work now if it is due.
    pub(crate) fn finish(&self) {
        if self.cancel() {
            (self.work)();
        }
    }

    /// Withdraws the request. Returns whether there was one.
    fn cancel(&self) -> bool {
        let Some(frame) = self.requested.take() else {
            return false;
        };
        if let Some(window) = web_sys::window() {
            // Fails only for a window that is gone, where no frame will come anyway.
            let _ = window.cancel_animation_frame(frame);
        }
        true
    }
}

impl Drop for FrameTask {
    fn drop(&mut self) {
        self.cancel();
    }
}
