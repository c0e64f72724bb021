//! Owns an `EventSource` and the callback of its events. Leaves what to do about a lost stream to the caller.

use js_sys::Function;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Event, MessageEvent};

/// An open, or opening, event stream. Dropping it closes it, and no callback runs afterwards.
pub(crate) struct EventSource {
    source: web_sys::EventSource,
    callback: Closure<dyn FnMut(Event)>,
    types: &'static [&'static str],
}

/// What an event source reports.
pub(crate) enum SourceEvent {
    /// The stream is open.
    Opened,
    /// The stream is not, or no longer, open. [`EventSource::ready_state`] says whether the browser tries again.
    Failed,
    /// An event, of one of the types that were asked for.
    Event {
        /// The event's data.
        data: String,
    },
}

const OPEN: &str = "open";
const ERROR: &str = "error";

impl EventSource {
    /// Opens a stream and listens for events of these types. `None` if the URL is none.
    pub(crate) fn open(
        url: &str,
        types: &'static [&'static str],
        mut on_event: impl FnMut(SourceEvent) + 'static,
    ) -> Option<Self> {
        let source = web_sys::EventSource::new(url).ok()?;
        // One callback for all: an event knows its type.
        let callback = Closure::new(move |event: Event| {
            if let Some(event) = read(&event) {
                on_event(event);
            }
        });
        let this = Self {
            source,
            callback,
            types,
        };
        for event_type in this.all_types() {
            // Fails for no type: any text is one.
            let _ = this
                .source
                .add_event_listener_with_callback(event_type, this.listener());
        }
        Some(this)
    }

    /// The standard's `readyState`.
    pub(crate) fn ready_state(&self) -> u16 {
        self.source.ready_state()
    }

    fn all_types(&self) -> impl Iterator<Item = &'static str> + use<> {
        [OPEN, ERROR].into_iter().chain(self.types.iter().copied())
    }

    fn listener(&self) -> &Function {
        self.callback.as_ref().unchecked_ref()
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        // An event that is already on its way would otherwise call a callback that is gone.
        for event_type in self.all_types() {
            let _ = self
                .source
                .remove_event_listener_with_callback(event_type, self.listener());
        }
        self.source.close();
    }
}

fn read(event: &Event) -> Option<SourceEvent> {
    let event_type = event.type_();
    let message = event.dyn_ref::<MessageEvent>();
    match (event_type.as_str(), message) {
        (OPEN, None) => Some(SourceEvent::Opened),
        (ERROR, None) => Some(SourceEvent::Failed),
        // A publisher may name its events so; they are neither news of the connection nor asked for.
        (OPEN | ERROR, Some(_)) | (_, None) => None,
        (_, Some(message)) => Some(SourceEvent::Event {
            data: message.data().as_string().unwrap_or_default(),
        }),
    }
}
