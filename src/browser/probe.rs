//! Requests with `fetch`: the stream's once more, since an EventSource does not show the response, and one that publishes.
//! Leaves what the response means to [`crate::app::connection`] and to the form that publishes.

use gloo_net::http::{Request, Response};
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

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
        let request = Request::get(url)
            .header("Accept", "text/event-stream")
            .abort_signal(signal.as_ref());
        spawn_local(async move {
            let found = match request.send().await {
                Ok(response) => Some(read(response).await),
                Err(_) => None,
            };
            if signal.is_none_or(|signal| !signal.aborted()) {
                on_response(found);
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
    let request = Request::post(url)
        .header("Content-Type", "text/plain;charset=UTF-8")
        .body(text);
    spawn_local(async move {
        let response = match request {
            Ok(request) => request.send().await,
            Err(error) => Err(error),
        };
        let Ok(response) = response else {
            return on_response(None);
        };
        let text = response.text().await.unwrap_or_default();
        on_response(Some(PublishResponse {
            status: response.status(),
            // A count, which is far below what a number loses.
            subscribers: json::number(&text, "subscribers").map(|count| count as u64),
            detail: problem(&text),
        }));
    });
}

fn problem(document: &str) -> Option<String> {
    let [detail, title] = json::texts(document, ["detail", "title"]);
    detail.or(title)
}

async fn read(response: Response) -> ProbeResponse {
    let content_type = response.headers().get("content-type").unwrap_or_default();
    let detail = if content_type.starts_with("application/problem+json") {
        problem(&response.text().await.unwrap_or_default())
    } else {
        None
    };
    ProbeResponse {
        status: response.status(),
        is_event_stream: content_type.starts_with("text/event-stream"),
        detail,
    }
}
