//! Puts text into the clipboard.

use std::pin::Pin;

use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// Writes the text and says whether the browser allowed it. Call it while a click is handled: browsers ask for that.
pub(crate) fn write(text: &str, done: impl FnOnce(bool) + 'static) {
    let promise = web_sys::window()
        .map(|window| window.navigator())
        .filter(has_clipboard)
        .map(|navigator| {
            let written = navigator.clipboard().write_text(text);
            JsFuture::from(written)
        });
    // Boxed as Leptos boxes its own: the code that runs a task is there once.
    let task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        done(match promise {
            Some(promise) => promise.await.is_ok(),
            None => false,
        });
    });
    spawn_local(task);
}

/// On a page that came over plain HTTP from another host there is no clipboard, which the type does not tell.
fn has_clipboard(navigator: &web_sys::Navigator) -> bool {
    js_sys::Reflect::get(navigator, &JsValue::from_str("clipboard"))
        .is_ok_and(|clipboard| clipboard.is_object())
}
