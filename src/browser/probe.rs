//! Requests with `fetch`: the stream's once more, since an EventSource does not show the response, and one that publishes.
//! Leaves what the response means to [`crate::app::connection`] and to the form that publishes.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, Headers, RequestInit, Response};

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
        let init = RequestInit::new();
        init.set_signal(signal.as_ref());
        set_header(&init, "Accept", "text/event-stream");
        let response = fetch(url, init);
        spawn_local(async move {
            let response = match response.await {
                Some(response) => Some(read(&response).await),
                None => None,
            };
            if signal.is_none_or(|signal| !signal.aborted()) {
                on_response(response);
            }
        });
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
    /// How many subscribers the event went to.
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
    let init = RequestInit::new();
    init.set_method("POST");
    // A text is sent as text/plain.
    init.set_body(&JsValue::from_str(text));
    let response = fetch(url, init);
    spawn_local(async move {
        let Some(response) = response.await else {
            return on_response(None);
        };
        let document = text_of(&response).await;
        on_response(Some(PublishResponse {
            status: response.status(),
            // A count, which is far below what a number loses.
            subscribers: json::number(&document, "subscribers").map(|count| count as u64),
            detail: problem(&document),
        }));
    });
}

fn set_header(init: &RequestInit, name: &str, value: &str) {
    if let Ok(headers) = Headers::new() {
        // Fails for no name and value that are used here.
        let _ = headers.set(name, value);
        init.set_headers(&headers);
    }
}

/// Sends a request at once; `None` if there is no response.
fn fetch(url: &str, init: RequestInit) -> impl Future<Output = Option<Response>> + use<> {
    let promise = web_sys::window().map(|window| window.fetch_with_str_and_init(url, &init));
    async move { JsFuture::from(promise?).await.ok()?.dyn_into().ok() }
}

async fn text_of(response: &Response) -> String {
    let text = match response.text() {
        Ok(promise) => JsFuture::from(promise).await.ok(),
        Err(_) => None,
    };
    text.and_then(|text| text.as_string()).unwrap_or_default()
}

fn problem(document: &str) -> Option<String> {
    let [detail, title] = json::texts(document, ["detail", "title"]);
    detail.or(title)
}

async fn read(response: &Response) -> ProbeResponse {
    let content_type = response.headers().get("content-type");
    let content_type = content_type.ok().flatten().unwrap_or_default();
    let detail = if content_type.starts_with("application/problem+json") {
        problem(&text_of(response).await)
    } else {
        None
    };
    ProbeResponse {
        status: response.status(),
        is_event_stream: content_type.starts_with("text/event-stream"),
        detail,
    }
}
