//! Saves a text as a file.

use std::time::Duration;

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};

use super::timer::Timeout;

/// How long the browser may take to begin reading what it saves.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Hands a text to the browser to be saved under a name. Call it while a click is handled.
pub(crate) fn text(name: &str, content_type: &str, text: &str) {
    // Fails only where there is no memory or no document left.
    let _ = save(name, content_type, text);
}

fn save(name: &str, content_type: &str, text: &str) -> Result<(), JsValue> {
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(content_type);
    let parts = Array::of1(&JsValue::from_str(text));
    let blob = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options)?;
    let url = web_sys::Url::create_object_url_with_blob(&blob)?;
    let document = web_sys::window().and_then(|window| window.document());
    if let Some(document) = document {
        let link = document.create_element("a")?;
        link.set_attribute("href", &url)?;
        link.set_attribute("download", name)?;
        link.unchecked_ref::<web_sys::HtmlElement>().click();
    }
    let revoke = Timeout::after(KEPT_FOR, move || {
        let _ = web_sys::Url::revoke_object_url(&url);
    });
    // It is to happen whatever becomes of the page's parts.
    std::mem::forget(revoke);
    Ok(())
}
