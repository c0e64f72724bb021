//! Requests with `fetch`: the stream's once more, since an EventSource does not show the response, and one that publishes.
//! Leaves what the response means to [`crate::app::connection`] and to the form that publishes.

use std::pin::Pin;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, RequestInit};

use super::json;

/// A request on its way. Dropping it aborts it, and a response that is a stream with it.
pub(crate) struct Probe {
    abort: Option<AbortController>,
}

/// The response to a request for the stream.
pub(crate) struct ProbeResponse {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Whether the response is an event stream.
    pub(crate) is_event_stream: bool,
    /// What is wrong, in the words of the problem document.
    pub(crate) detail: Option<String>,
}

impl Probe {
    /// Requests a stream. `on_response` gets `None` if there was no response at all.
    pub(crate) fn ask(
        url: &str,
        on_response: impl FnOnce(Option<ProbeResponse>) + 'static,
    ) -> Self {
        let abort = AbortController::new().ok();
        let signal = abort.as_ref().map(AbortController::signal);
        let init = init("GET", "Accept", "text/event-stream");
        init.set_signal(signal.as_ref());
        request(
            url,
            init,
            |content_type| content_type.starts_with(PROBLEM_DOCUMENT),
            move |response| {
                if signal.is_none_or(|signal| !signal.aborted()) {
                    on_response(response.map(|response| ProbeResponse {
                        status: response.status,
                        is_event_stream: response.content_type.starts_with("text/event-stream"),
                        detail: problem(&response.text),
                    }));
                }
            },
        );
        Self { abort }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

/// The response to a request that publishes.
pub(crate) struct PublishResponse {
    /// The HTTP status.
    pub(crate) status: u16,
    /// How many subscribers it went to.
    pub(crate) subscribers: Option<u64>,
    /// What is wrong, in the words of the problem document.
    pub(crate) detail: Option<String>,
}

/// Publishes a text. `on_response` gets `None` if there was no response at all.
pub(crate) fn post(
    url: &str,
    text: &str,
    on_response: impl FnOnce(Option<PublishResponse>) + 'static,
) {
    let init = init("POST", "Content-Type", "text/plain;charset=UTF-8");
    init.set_body(&JsValue::from_str(text));
    request(
        url,
        init,
        |_| true,
        move |response| {
            on_response(response.map(|response| PublishResponse {
                status: response.status,
                // A count, which is far below what a number loses.
                subscribers: json::number(&response.text, "subscribers").map(|count| count as u64),
                detail: problem(&response.text),
            }));
        },
    );
}

/// The type of a response that explains a refusal.
const PROBLEM_DOCUMENT: &str = "application/problem+json";

fn problem(document: &str) -> Option<String> {
    let [detail, title] = json::texts(document, ["detail", "title"]);
    detail.or(title)
}

struct Response {
    status: u16,
    content_type: String,
    /// The body; empty if it was not wanted.
    text: String,
}

/// A request with this method and one header.
fn init(method: &str, header: &str, value: &str) -> RequestInit {
    let headers = js_sys::Object::new();
    // Fails for no object that is ours.
    let _ = js_sys::Reflect::set(
        &headers,
        &JsValue::from_str(header),
        &JsValue::from_str(value),
    );
    let init = RequestInit::new();
    init.set_method(method);
    init.set_headers(&headers);
    init
}

/// Sends a request. The body of the response is awaited only if its type is one of those that are `wanted`.
fn request(
    url: &str,
    init: RequestInit,
    wanted: fn(&str) -> bool,
    on_response: impl FnOnce(Option<Response>) + 'static,
) {
    let promise = web_sys::window().map(|window| window.fetch_with_str_and_init(url, &init));
    // Boxed as Leptos boxes its own: the code that runs a task is there once.
    let task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        on_response(match promise {
            Some(promise) => read(promise, wanted).await,
            None => None,
        });
    });
    spawn_local(task);
}

async fn read(promise: js_sys::Promise, wanted: fn(&str) -> bool) -> Option<Response> {
    let response: web_sys::Response = JsFuture::from(promise).await.ok()?.unchecked_into();
    let content_type = response
        .headers()
        .get("content-type")
        .ok()
        .flatten()
        .unwrap_or_default();
    let mut text = String::new();
    if wanted(&content_type)
        && let Ok(promise) = response.text()
        && let Ok(body) = JsFuture::from(promise).await
    {
        text = body.as_string().unwrap_or_default();
    }
    Some(Response {
        status: response.status(),
        content_type,
        text,
    })
}
