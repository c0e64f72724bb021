//! The browser's monotonic clock, and chance.

/// Milliseconds since the page was opened. Goes on while the page is hidden and never goes back.
pub(crate) fn now() -> f64 {
    web_sys::window()
        .and_then(|window| window.performance())
        .map_or(0.0, |performance| performance.now())
}

/// A random number from 0 to 1.
pub(crate) fn chance() -> f64 {
    js_sys::Math::random()
}
