//! The few things the page does to its document besides rendering.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::HtmlElement;

/// The property of a field that has its content.
const VALUE: &str = "value";

/// The property of an element that has its text.
const TEXT: &str = "textContent";

/// Marks the document as alive, for the stylesheet and for tests.
pub(crate) fn mark_hydrated() {
    let root = web_sys::window()
        .and_then(|window| window.document())
        .and_then(|document| document.document_element());
    if let Some(root) = root {
        // Fails only for a name that is none.
        let _ = root.set_attribute("data-hydrated", "");
    }
}

/// What is in the field with this id.
pub(crate) fn value_of(id: &str) -> Option<String> {
    js_sys::Reflect::get(element(id)?.as_ref(), &JsValue::from_str(VALUE))
        .ok()?
        .as_string()
}

/// The text in the element with this id.
pub(crate) fn text_of(id: &str) -> Option<String> {
    js_sys::Reflect::get(element(id)?.as_ref(), &JsValue::from_str(TEXT))
        .ok()?
        .as_string()
}

/// Empties the field with this id.
pub(crate) fn empty(id: &str) {
    if let Some(element) = element(id) {
        // Fails for no field.
        let _ = js_sys::Reflect::set(&element, &JsValue::from_str(VALUE), &JsValue::from_str(""));
    }
}

fn element(id: &str) -> Option<web_sys::Element> {
    web_sys::window()?.document()?.get_element_by_id(id)
}

/// Whether the element with this id has the focus.
pub(crate) fn has_focus(id: &str) -> bool {
    let focused = web_sys::window()
        .and_then(|window| window.document())
        .and_then(|document| document.active_element());
    focused.is_some_and(|element| element.id() == id)
}

/// Gives the focus to the element with this id.
pub(crate) fn focus(id: &str) {
    if let Some(element) = element(id).and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
        // Fails for no element that is in the document.
        let _ = element.focus();
    }
}

/// Selects all the text in the element with this id.
pub(crate) fn select_text_of(id: &str) {
    let Some(window) = web_sys::window() else {
        return;
    };
    if let (Some(element), Ok(Some(selection))) = (element(id), window.get_selection()) {
        // Fails only for a node of another document.
        let _ = selection.select_all_children(&element);
    }
}

/// Whether the reader does not see the page.
pub(crate) fn is_hidden() -> bool {
    let document = web_sys::window().and_then(|window| window.document());
    document.is_some_and(|document| document.hidden())
}
