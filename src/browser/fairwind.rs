//! `public/fairwind.js`: the stream that all pages of a browser share, and publishing. Owns a subscription and the callback that
//! hears of it; leaves what the news mean to the caller.

use std::pin::Pin;

use js_sys::{Promise, Reflect};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::json::Object;

#[wasm_bindgen(raw_module = "/fairwind.js")]
extern "C" {
    type Handle;

    fn subscribe(topic: &str, listener: &js_sys::Object, options: &js_sys::Object) -> Handle;

    #[wasm_bindgen(method)]
    fn close(this: &Handle);

    #[wasm_bindgen(method)]
    fn retry(this: &Handle);

    fn publish(topic: &str, data: &str, options: &js_sys::Object) -> Promise;
}

/// A subscription to a topic. Dropping it ends it, and no callback runs afterwards.
pub(crate) struct Subscription {
    handle: Handle,
    listener: js_sys::Object,
    _callback: Closure<dyn FnMut(JsValue)>,
}

/// The member of a listener that hears everything.
const NEWS: &str = "news";

impl Subscription {
    /// Subscribes to a topic and the number of its subscribers, from an id on. What is reported are objects of the script's:
    /// `news`, as `fairwind.d.ts` describes it.
    pub(crate) fn open(
        topic: &str,
        from: &str,
        mut on_news: impl FnMut(&Object) + 'static,
    ) -> Self {
        let callback = Closure::new(move |news: JsValue| on_news(&news.into()));
        let listener = object([(NEWS, callback.as_ref())]);
        let options = object([
            ("from", &JsValue::from_str(from)),
            ("consumers", &JsValue::TRUE),
        ]);
        Self {
            handle: subscribe(topic, &listener, &options),
            listener,
            _callback: callback,
        }
    }

    /// Tries again at once, where the stream is lost.
    pub(crate) fn retry(&self) {
        self.handle.retry();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // What closing reports is no news to who closes it.
        let _ = Reflect::set(
            &self.listener,
            &JsValue::from_str(NEWS),
            &JsValue::UNDEFINED,
        );
        self.handle.close();
    }
}

/// Publishes a text to a topic, again until the server has it. What it answers, or the error, is as `fairwind.d.ts` says.
pub(crate) fn send(
    topic: &str,
    data: &str,
    event_type: Option<&str>,
    on_answer: impl FnOnce(Result<Object, Object>) + 'static,
) {
    let options = object([
        (
            "type",
            &event_type.map_or(JsValue::UNDEFINED, JsValue::from_str),
        ),
        ("tries", &JsValue::from(TRIES)),
    ]);
    let answer = JsFuture::from(publish(topic, data, &options));
    // Boxed as Leptos boxes its own: the code that runs a task is there once.
    let task: Pin<Box<dyn Future<Output = ()>>> =
        Box::pin(async move { on_answer(answer.await.map(Object::from).map_err(Object::from)) });
    spawn_local(task);
}

/// How often an event is sent: a reader who waits wants to hear soon that nothing answers.
const TRIES: u32 = 3;

fn object<const N: usize>(members: [(&str, &JsValue); N]) -> js_sys::Object {
    let object = js_sys::Object::new();
    for (name, value) in members {
        // Fails for no object of one's own.
        let _ = Reflect::set(&object, &JsValue::from_str(name), value);
    }
    object
}
