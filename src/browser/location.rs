//! The page's URL, changed without loading anything.

use wasm_bindgen::JsValue;

/// Sets a parameter of the query, or takes it away if its value is empty. The reader's history gets no new entry.
pub(crate) fn replace_parameter(name: &str, value: &str) {
    // Fails where a page has no URL of its own, and when it is changed far too often: the page works without.
    let _ = replace(name, value);
}

fn replace(name: &str, value: &str) -> Result<(), JsValue> {
    let Some(window) = web_sys::window() else {
        return Ok(());
    };
    let url = web_sys::Url::new(&window.location().href()?)?;
    match value {
        "" => url.search_params().delete(name),
        _ => url.search_params().set(name, value),
    }
    let state = JsValue::NULL;
    window
        .history()?
        .replace_state_with_url(&state, "", Some(&url.href()))
}
