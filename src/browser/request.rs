//! Requests to the page's own server whose whole response is wanted: as a text, whatever its status.

use std::pin::Pin;

use gloo_net::http::Request;
use wasm_bindgen_futures::spawn_local;

/// A response.
pub(crate) struct TextResponse {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body.
    pub(crate) text: String,
}

/// Gets what is at a path. `on_response` gets `None` if there was no response at all.
pub(crate) fn get(path: &str, on_response: impl FnOnce(Option<TextResponse>) + 'static) {
    let request = Request::get(path)
        .header("Accept", "application/json")
        .build();
    perform(request, on_response);
}

/// Posts a text. `on_response` gets `None` if there was no response at all.
pub(crate) fn post(
    path: &str,
    text: &str,
    on_response: impl FnOnce(Option<TextResponse>) + 'static,
) {
    let request = Request::post(path)
        .header("Accept", "application/json")
        .header("Content-Type", "text/plain;charset=UTF-8")
        .body(text);
    perform(request, on_response);
}

/// Posts JSON. `on_response` gets `None` if there was no response at all.
pub(crate) fn post_json(
    path: &str,
    json: &str,
    on_response: impl FnOnce(Option<TextResponse>) + 'static,
) {
    let request = Request::post(path)
        .header("Accept", "application/json")
        .header("Content-Type", "application/json")
        .body(json);
    perform(request, on_response);
}

fn perform(
    request: Result<Request, gloo_net::Error>,
    on_response: impl FnOnce(Option<TextResponse>) + 'static,
) {
    // Boxed as Leptos boxes its own: the code that runs a task is there once.
    let task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        on_response(match request {
            Ok(request) => send(request).await,
            Err(_) => None,
        });
    });
    spawn_local(task);
}

async fn send(request: Request) -> Option<TextResponse> {
    let response = request.send().await.ok()?;
    Some(TextResponse {
        status: response.status(),
        text: response.text().await.unwrap_or_default(),
    })
}
