//! Reads and writes JSON with the browser's own means: others would weigh more than all that they read.

use wasm_bindgen::JsValue;

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    let json = js_sys::JSON::stringify(&JsValue::from_str(text));
    json.ok()
        .and_then(|json| json.as_string())
        .unwrap_or_default()
}

/// A JSON object, read field by field.
pub(crate) struct Object(JsValue);

impl Object {
    /// Reads a text; `None` if it is no JSON.
    pub(crate) fn read(json: &str) -> Option<Self> {
        js_sys::JSON::parse(json).ok().map(Self)
    }

    /// The object in this field.
    pub(crate) fn object(&self, field: &str) -> Self {
        Self(self.get(field))
    }

    /// The objects of the list in this field; none if it is no list.
    pub(crate) fn objects(&self, field: &str) -> Vec<Self> {
        let list = self.get(field);
        js_sys::Array::from(&list).iter().map(Self).collect()
    }

    /// The number in this field; `None` if it is none.
    pub(crate) fn number(&self, field: &str) -> Option<f64> {
        self.get(field).as_f64()
    }

    /// The number in this field, as a count; 0 if it is none.
    pub(crate) fn count(&self, field: &str) -> u64 {
        // A count, which is far below what a number loses.
        self.get(field).as_f64().unwrap_or_default() as u64
    }

    /// The text in this field; empty if it is none.
    pub(crate) fn text(&self, field: &str) -> String {
        self.get(field).as_string().unwrap_or_default()
    }

    fn get(&self, field: &str) -> JsValue {
        js_sys::Reflect::get(&self.0, &JsValue::from_str(field)).unwrap_or_default()
    }
}
