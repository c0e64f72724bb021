//! Does something later, or again and again.

use std::time::Duration;

use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;

/// Something that is done once. Dropping it before that prevents it.
pub(crate) struct Timeout {
    handle: i32,
    _callback: Closure<dyn FnMut()>,
}

/// Something that is done again and again. Dropping it ends that.
pub(crate) struct Interval {
    handle: i32,
    _callback: Closure<dyn FnMut()>,
}

impl Timeout {
    /// Does `work` once, after `delay`. `None` if there is no window any more.
    pub(crate) fn after(delay: Duration, work: impl FnOnce() + 'static) -> Option<Self> {
        let callback = Closure::once(work);
        let handle = web_sys::window()?
            .set_timeout_with_callback_and_timeout_and_arguments_0(
                callback.as_ref().unchecked_ref(),
                milliseconds(delay),
            )
            .ok()?;
        Some(Self {
            handle,
            _callback: callback,
        })
    }
}

impl Interval {
    /// Does `work` every `period`. `None` if there is no window any more.
    pub(crate) fn every(period: Duration, work: impl FnMut() + 'static) -> Option<Self> {
        let callback = Closure::new(work);
        let handle = web_sys::window()?
            .set_interval_with_callback_and_timeout_and_arguments_0(
                callback.as_ref().unchecked_ref(),
                milliseconds(period),
            )
            .ok()?;
        Some(Self {
            handle,
            _callback: callback,
        })
    }
}

impl Drop for Timeout {
    fn drop(&mut self) {
        if let Some(window) = web_sys::window() {
            window.clear_timeout_with_handle(self.handle);
        }
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        if let Some(window) = web_sys::window() {
            window.clear_interval_with_handle(self.handle);
        }
    }
}

/// As a browser counts, which is no further than some 24 days.
fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
