//! The browser's clocks.

/// Milliseconds since the page was opened. Goes on while the page is hidden and never goes back.
pub(crate) fn now() -> f64 {
    web_sys::window()
        .and_then(|window| window.performance())
        .map_or(0.0, |performance| performance.now())
}

/// The time of day, which may be wrong, and may go back: milliseconds since 1970.
pub(crate) fn time_of_day() -> f64 {
    js_sys::Date::now()
}

/// A time of day as RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc_3339(time_of_day: f64) -> String {
    js_sys::Date::new(&time_of_day.into())
        .to_iso_string()
        .into()
}
