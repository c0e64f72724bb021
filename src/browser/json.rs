//! Reads JSON with the browser's own parser: a second one would weigh more than all the rest that reads it.

use wasm_bindgen::JsValue;

/// The texts of these fields of a JSON object; `None` for each that is missing or no text.
pub(crate) fn texts<const N: usize>(json: &str, fields: [&str; N]) -> [Option<String>; N] {
    let object = js_sys::JSON::parse(json).unwrap_or(JsValue::NULL);
    fields.map(|field| {
        js_sys::Reflect::get(&object, &JsValue::from_str(field))
            .ok()?
            .as_string()
    })
}
