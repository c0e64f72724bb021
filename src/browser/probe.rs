//! Requests with `fetch`: the stream's once more, since an EventSource does not show the response, and one that publishes.
//! Leaves what the response means to [`crate::app::connection`] and to the form that publishes.

use std::pin::Pin;

use gloo_net::Error;
use gloo_net::http::Request;
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
            .abort_signal(signal.as_ref())
            .build();
        send(
            request,
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
    let request = Request::post(url)
        .header("Content-Type", "text/plain;charset=UTF-8")
        .body(text);
    send(
        request,
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

pub(super) struct Response {
    pub(super) status: u16,
    content_type: String,
    /// The body; empty if it was not wanted.
    pub(super) text: String,
}

/// Sends a request. The body of the response is awaited only if its type is one of those that are `wanted`.
pub(super) fn send(
    request: Result<Request, Error>,
    wanted: fn(&str) -> bool,
    on_response: impl FnOnce(Option<Response>) + 'static,
) {
    // Boxed as Leptos boxes its own: the code that runs a task is there once.
    let task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        on_response(match request {
            Ok(request) => read(request, wanted).await,
            Err(_) => None,
        });
    });
    spawn_local(task);
}

async fn read(request: Request, wanted: fn(&str) -> bool) -> Option<Response> {
    let response = request.send().await.ok()?;
    let content_type = response.headers().get("content-type").unwrap_or_default();
    let text = if wanted(&content_type) {
        response.text().await.unwrap_or_default()
    } else {
        String::new()
    };
    Some(Response {
        status: response.status(),
        content_type,
        text,
    })
}
