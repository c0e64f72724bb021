//! The page's URL, changed without loading anything.

use wasm_bindgen::JsValue;

/// Goes to another page of the site.
pub(crate) fn go_to(path: &str) {
    if let Some(window) = web_sys::window() {
        // Fails for what is no URL.
        let _ = window.location().set_href(path);
    }
}

/// Sets a parameter of the query, or takes it away if its value is empty. The reader's history gets no new entry.
pub(crate) fn replace_parameter(name: &str, value: &str) {
    // Fails where a page has no URL of its own, and when it is changed far too often: the page works without.
    let _ = replace(name, value);
}

/// Gives a parameter of the query these values, in place of those that it has.
pub(crate) fn replace_parameters(name: &str, values: &[String]) {
    // As above.
    let _ = change(|parameters| {
        parameters.delete(name);
        for value in values {
            parameters.append(name, value);
        }
    });
}

fn replace(name: &str, value: &str) -> Result<(), JsValue> {
    change(|parameters| match value {
        "" => parameters.delete(name),
        _ => parameters.set(name, value),
    })
}

fn change(change: impl FnOnce(&web_sys::UrlSearchParams)) -> Result<(), JsValue> {
    let Some(window) = web_sys::window() else {
        return Ok(());
    };
    let url = web_sys::Url::new(&window.location().href()?)?;
    change(&url.search_params());
    let state = JsValue::NULL;
    window
        .history()?
        .replace_state_with_url(&state, "", Some(&url.href()))
}
