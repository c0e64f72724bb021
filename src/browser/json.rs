//! Reads and writes JSON with the browser's own means: others would weigh more than all that they read.

use wasm_bindgen::JsValue;

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    let json = js_sys::JSON::stringify(&JsValue::from_str(text));
    json.ok()
        .and_then(|json| json.as_string())
        .unwrap_or_default()
}

/// An object of JavaScript's, such as one that JSON was read into; read member by member.
#[derive(Default)]
pub(crate) struct Object(JsValue);

impl Object {
    /// Reads a text; `None` if it is no JSON.
    pub(crate) fn read(json: &str) -> Option<Self> {
        js_sys::JSON::parse(json).ok().map(Self)
    }

    /// A member that is an object; what it has is missing if the member is.
    pub(crate) fn object(&self, member: &str) -> Self {
        Self(self.member(member))
    }

    /// The objects of a member that is a list; none if it is no list.
    pub(crate) fn objects(&self, member: &str) -> Vec<Self> {
        let list = self.member(member);
        js_sys::Array::from(&list).iter().map(Self).collect()
    }

    /// The text of a member; `None` if it is missing or no text.
    pub(crate) fn text(&self, member: &str) -> Option<String> {
        self.member(member).as_string()
    }

    /// The number of a member; `None` if it is missing or no number.
    pub(crate) fn number(&self, member: &str) -> Option<f64> {
        self.member(member).as_f64()
    }

    /// The number of a member, as a count; 0 if it is missing or no number.
    pub(crate) fn count(&self, member: &str) -> u64 {
        // Far below what a number loses.
        self.number(member).unwrap_or_default() as u64
    }

    fn member(&self, name: &str) -> JsValue {
        // Fails for what is no object.
        js_sys::Reflect::get(&self.0, &JsValue::from_str(name)).unwrap_or_default()
    }
}

impl From<JsValue> for Object {
    fn from(value: JsValue) -> Self {
        Self(value)
    }
}
