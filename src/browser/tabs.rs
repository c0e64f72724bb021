//! How many pages of this server this browser has open over HTTP/1.1, where they share six connections. They tell each
//! other over a BroadcastChannel, which works on pages without HTTPS, too: those are the ones it is about.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Function, Reflect};
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, Event, MessageEvent};

/// The channel's name.
const CHANNEL: &str = "fairwind-tabs";

/// What a page says: that it has come, that it is here (in answer to that), or that it goes. Its own name follows.
const HELLO: &str = "hello";
const HERE: &str = "here";
const BYE: &str = "bye";

const PAGE_HIDE: &str = "pagehide";

/// A page that counts and is counted. Dropping it ends both.
pub(crate) struct Tabs {
    channel: BroadcastChannel,
    name: String,
    callback: Closure<dyn FnMut(Event)>,
}

impl Tabs {
    /// Counts the open pages, this one included, and calls back whenever their number changes. `None` where connections are
    /// no matter: the page has come over something newer than HTTP/1.1.
    pub(crate) fn count(on_change: impl Fn(u32) + 'static) -> Option<Self> {
        if !is_over_http_1() {
            return None;
        }
        let channel = BroadcastChannel::new(CHANNEL).ok()?;
        // A whole number: writing a fraction takes more code than all of this.
        let name = ((super::clock::chance() * f64::from(u32::MAX)) as u32).to_string();
        let others: Rc<RefCell<Vec<String>>> = Rc::default();
        let callback = Closure::new({
            let (channel, name) = (channel.clone(), name.clone());
            move |event: Event| {
                let Some(text) = event
                    .dyn_ref::<MessageEvent>()
                    .and_then(|message| message.data().as_string())
                else {
                    // The page goes, into the browser's memory perhaps.
                    say(&channel, BYE, &name);
                    return;
                };
                let Some((what, other)) = text.split_once(' ') else {
                    return;
                };
                others.borrow_mut().retain(|known| known != other);
                if what != BYE {
                    others.borrow_mut().push(other.to_owned());
                }
                if what == HELLO {
                    say(&channel, HERE, &name);
                }
                let count = others.borrow().len() + 1;
                on_change(u32::try_from(count).unwrap_or(u32::MAX));
            }
        });
        let this = Self {
            channel,
            name,
            callback,
        };
        this.channel.set_onmessage(Some(this.listener()));
        if let Some(window) = web_sys::window() {
            let _ = window.add_event_listener_with_callback(PAGE_HIDE, this.listener());
        }
        say(&this.channel, HELLO, &this.name);
        Some(this)
    }

    fn listener(&self) -> &Function {
        self.callback.as_ref().unchecked_ref()
    }
}

impl Drop for Tabs {
    fn drop(&mut self) {
        if let Some(window) = web_sys::window() {
            let _ = window.remove_event_listener_with_callback(PAGE_HIDE, self.listener());
        }
        say(&self.channel, BYE, &self.name);
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}

fn say(channel: &BroadcastChannel, what: &str, name: &str) {
    // Fails only for a channel that is closed.
    let _ = channel.post_message(&JsValue::from_str(&format!("{what} {name}")));
}

fn is_over_http_1() -> bool {
    let navigation = web_sys::window()
        .and_then(|window| window.performance())
        .map(|performance| performance.get_entries_by_type("navigation").get(0));
    navigation
        .and_then(|entry| Reflect::get(&entry, &JsValue::from_str("nextHopProtocol")).ok())
        .is_some_and(|protocol| protocol == "http/1.1")
}
