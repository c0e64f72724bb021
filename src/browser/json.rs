//! Writes JSON with the browser's own means: a second writer would weigh more.

use wasm_bindgen::JsValue;

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    let json = js_sys::JSON::stringify(&JsValue::from_str(text));
    json.ok()
        .and_then(|json| json.as_string())
        .unwrap_or_default()
}
