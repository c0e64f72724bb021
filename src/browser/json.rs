//! Reads JSON with the browser's own parser: a second one would weigh more than all the rest that reads it.

use wasm_bindgen::JsValue;

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    let json = js_sys::JSON::stringify(&JsValue::from_str(text));
    json.ok()
        .and_then(|json| json.as_string())
        .unwrap_or_default()
}

/// The number in this field of a JSON object; `None` if it is missing or no number.
pub(crate) fn number(json: &str, field: &str) -> Option<f64> {
    let object = js_sys::JSON::parse(json).ok()?;
    js_sys::Reflect::get(&object, &JsValue::from_str(field))
        .ok()?
        .as_f64()
}

/// The texts of these fields of a JSON object; `None` for each that is missing or no text.
pub(crate) fn texts<const N: usize>(json: &str, fields: [&str; N]) -> [Option<String>; N] {
    let object = js_sys::JSON::parse(json).unwrap_or(JsValue::NULL);
    fields.map(|field| {
        js_sys::Reflect::get(&object, &JsValue::from_str(field))
            .ok()?
            .as_string()
    })
}
