//! Asks the server for a stream once more with `fetch`, which, unlike an EventSource, shows the answer. Leaves what the
//! answer means to [`crate::app::connection`].

use gloo_net::http::{Request, Response};
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

use super::json;

/// A question on its way. Dropping it takes it back, and an answer that is a stream with it.
pub(crate) struct Probe {
    abort: Option<AbortController>,
}

/// What the server answered.
pub(crate) struct Found {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Whether the answer is an event stream.
    pub(crate) is_event_stream: bool,
    /// What is wrong, in the words of the problem document.
    pub(crate) detail: Option<String>,
}

impl Probe {
    /// Asks. `on_answer` gets `None` if there was no answer at all.
    pub(crate) fn ask(url: &str, on_answer: impl FnOnce(Option<Found>) + 'static) -> Self {
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
                on_answer(found);
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

async fn read(response: Response) -> Found {
    let content_type = response.headers().get("content-type").unwrap_or_default();
    let detail = if content_type.starts_with("application/problem+json") {
        let problem = response.text().await.unwrap_or_default();
        let [detail, title] = json::texts(&problem, ["detail", "title"]);
        detail.or(title)
    } else {
        None
    };
    Found {
        status: response.status(),
        is_event_stream: content_type.starts_with("text/event-stream"),
        detail,
    }
}
