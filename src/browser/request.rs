//! Requests to the page's own server whose whole response is wanted: as a text, whatever its status.

use gloo_net::http::Request;

use super::probe::send;

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

fn perform(
    request: Result<Request, gloo_net::Error>,
    on_response: impl FnOnce(Option<TextResponse>) + 'static,
) {
    // One type of closure, so that the WebAssembly has the code around it once.
    let on_response: Box<dyn FnOnce(Option<TextResponse>)> = Box::new(on_response);
    send(
        request,
        |_| true,
        move |response| {
            on_response(response.map(|response| TextResponse {
                status: response.status,
                text: response.text,
            }));
        },
    );
}
