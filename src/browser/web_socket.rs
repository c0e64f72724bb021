//! Owns a `WebSocket` and the callback of its events. Leaves what to do about a lost connection to the caller.

use js_sys::Function;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{Event, MessageEvent};

/// An open, or opening, WebSocket. Dropping it closes it, and no callback runs afterwards.
pub(crate) struct WebSocket {
    socket: web_sys::WebSocket,
    callback: Closure<dyn FnMut(Event)>,
}

/// What a WebSocket reports.
pub(crate) enum SocketEvent {
    /// It is open.
    Opened,
    /// It is not, or no longer, open.
    Closed,
    /// A text frame.
    Text(String),
}

const OPEN: &str = "open";
const CLOSE: &str = "close";
const MESSAGE: &str = "message";

impl WebSocket {
    /// Opens a connection to a path of the page's own server. `None` if the URL is none.
    pub(crate) fn open(
        path: &str,
        mut on_event: impl FnMut(SocketEvent) + 'static,
    ) -> Option<Self> {
        let origin = web_sys::window()?.location().origin().ok()?;
        // http becomes ws, and https wss.
        let url = format!("ws{}{path}", origin.strip_prefix("http")?);
        let socket = web_sys::WebSocket::new(&url).ok()?;
        let callback = Closure::new(move |event: Event| {
            if let Some(event) = read(&event) {
                on_event(event);
            }
        });
        let this = Self { socket, callback };
        for event_type in [OPEN, CLOSE, MESSAGE] {
            // Fails for no type: any text is one.
            let _ = this
                .socket
                .add_event_listener_with_callback(event_type, this.listener());
        }
        Some(this)
    }

    /// Sends a text frame. Returns whether the browser has taken it.
    pub(crate) fn send(&self, text: &str) -> bool {
        self.socket.send_with_str(text).is_ok()
    }

    fn listener(&self) -> &Function {
        self.callback.as_ref().unchecked_ref()
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        // An event that is already on its way would otherwise call a callback that is gone.
        for event_type in [OPEN, CLOSE, MESSAGE] {
            let _ = self
                .socket
                .remove_event_listener_with_callback(event_type, self.listener());
        }
        // Fails for no socket: there is no code that could be wrong.
        let _ = self.socket.close();
    }
}

fn read(event: &Event) -> Option<SocketEvent> {
    match event.type_().as_str() {
        OPEN => Some(SocketEvent::Opened),
        CLOSE => Some(SocketEvent::Closed),
        MESSAGE => {
            let message = event.dyn_ref::<MessageEvent>()?;
            message.data().as_string().map(SocketEvent::Text)
        }
        _ => None,
    }
}
