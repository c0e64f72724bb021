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

    fn subscribe(
        topics: Vec<String>,
        listener: &js_sys::Object,
        options: &js_sys::Object,
    ) -> Handle;

    #[wasm_bindgen(method)]
    fn close(this: &Handle);

    #[wasm_bindgen(method)]
    fn retry(this: &Handle);

    fn publish(topic: &str, data: &str, options: &js_sys::Object) -> Promise;
}

/// What a subscription is to.
pub(crate) struct Wanted {
    topics: Vec<String>,
    /// Whether the number of subscribers is told.
    consumers: bool,
    /// What happens if the reader is too slow; undefined for the server's own policy.
    slow_reader: JsValue,
}

impl Wanted {
    /// A topic, and the number of its subscribers.
    pub(crate) fn topic(topic: &str) -> Self {
        Self {
            topics: vec![topic.to_owned()],
            consumers: true,
            slow_reader: JsValue::UNDEFINED,
        }
    }

    /// The events of a topic.
    pub(crate) fn events_of(topic: &str) -> Self {
        Self {
            consumers: false,
            ..Self::topic(topic)
        }
    }

    /// The newest events of topics: a reader that is too slow goes on with those.
    pub(crate) fn newest_of(topics: Vec<String>) -> Self {
        Self {
            topics,
            consumers: false,
            slow_reader: JsValue::from_str("latest"),
        }
    }
}

/// A subscription. Dropping it ends it, and no callback runs afterwards.
pub(crate) struct Subscription {
    handle: Handle,
    listener: js_sys::Object,
    _callback: Closure<dyn FnMut(JsValue)>,
}

/// The member of a listener that hears everything.
const NEWS: &str = "news";

impl Subscription {
    /// Subscribes, from an id on. What is reported are objects of the script's:
    /// `news`, as `fairwind.d.ts` describes it.
    pub(crate) fn open(
        wanted: &Wanted,
        from: &str,
        mut on_news: impl FnMut(&Object) + 'static,
    ) -> Self {
        let callback = Closure::new(move |news: JsValue| on_news(&news.into()));
        let listener = object([(NEWS, callback.as_ref())]);
        let options = object([
            ("from", &JsValue::from_str(from)),
            ("consumers", &JsValue::from_bool(wanted.consumers)),
            ("slowReader", &wanted.slow_reader),
        ]);
        Self {
            handle: subscribe(wanted.topics.clone(), &listener, &options),
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
