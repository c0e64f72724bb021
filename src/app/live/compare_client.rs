//! The page that compares, in the browser: opens both connections, performs what the reader tries, and asks the server what it
//! has counted. Leaves what follows from what arrives to [`crate::app::comparison`].
//!
//! The EventSource is the browser's own, with its own reconnection: that is what is shown.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use leptos::prelude::*;

use super::compare::{CompareAction, Comparison};
use super::refusal;
use super::start::{performer, when_hydrated};
use crate::app::comparison::{Attempt, Counted, Link, Model, Outcome, Side};
use crate::browser::animation_frame::FrameTask;
use crate::browser::event_source::{EventSource, SourceEvent};
use crate::browser::json::Object;
use crate::browser::request::{self, TextResponse};
use crate::browser::timer::Interval;
use crate::browser::web_socket::{SocketEvent, WebSocket};
use crate::browser::{clock, document};
use crate::protocol::compare::{EVENTS, NUMBERS, SEND, SOCKET, path};
use crate::protocol::page::Refusal;

/// What the EventSource listens for. An event without a type has this one.
const EVENT_TYPES: [&str; 1] = ["message"];

/// The `readyState` of an EventSource that the browser opens again.
const CONNECTING: u16 = 0;

/// How often the server is asked what it has counted.
const TICK: Duration = Duration::from_secs(1);

/// What is sent to the server.
const TEXT: &str = "hello";

/// What a client's frame has beside a short text, in bytes: its head and its mask; RFC 6455, section 5.2.
const FRAME_HEAD: u64 = 2 + 4;

/// How the frame begins that answers one of the page's.
const ANSWER: &str = "{\"received\"";

/// Connects once the page is hydrated.
pub(super) fn connect(comparison: Comparison, id: &str) {
    let id = id.to_owned();
    when_hydrated(move || CompareClient::start(comparison, &id));
}

/// Everything that lives as long as the page does. Callbacks hold it weakly.
struct CompareClient {
    this: Weak<CompareClient>,
    comparison: Comparison,
    id: String,
    model: RefCell<Model>,
    is_paused: Cell<bool>,
    source: RefCell<Option<EventSource>>,
    socket: RefCell<Option<WebSocket>>,
    frame: FrameTask,
    ticker: RefCell<Option<Interval>>,
    /// The server has been asked, and has not answered.
    is_asking: Cell<bool>,
    /// When a frame was sent that has not been answered.
    sent_at: Cell<Option<f64>>,
}

impl CompareClient {
    fn start(comparison: Comparison, id: &str) -> Rc<Self> {
        let client = Rc::new_cyclic(|this: &Weak<Self>| {
            let client = Weak::clone(this);
            Self {
                this: Weak::clone(this),
                comparison,
                id: id.to_owned(),
                model: RefCell::default(),
                is_paused: Cell::new(false),
                source: RefCell::new(None),
                socket: RefCell::new(None),
                frame: FrameTask::new(move || {
                    if let Some(client) = client.upgrade() {
                        client.show();
                    }
                }),
                ticker: RefCell::new(None),
                is_asking: Cell::new(false),
                sent_at: Cell::new(None),
            }
        });
        let perform = performer(&client, Self::perform);
        comparison.controls.enable(perform);
        client.ticker.replace(Interval::every(TICK, {
            let this = Weak::clone(&client.this);
            move || {
                if let Some(client) = this.upgrade()
                    && !client.is_paused.get()
                    && !document::is_hidden()
                    // The server forgets a comparison that has had no connection for a while, or is started again.
                    && client.model.borrow().has_open()
                {
                    client.ask();
                }
            }
        }));
        client.open(Side::EventSource);
        client.open(Side::WebSocket);
        client
    }

    fn perform(&self, action: CompareAction) {
        match action {
            CompareAction::TogglePause => {
                self.is_paused.set(!self.is_paused.get());
                self.frame.request();
            }
            CompareAction::Toggle(side) => {
                let link = self.model.borrow().link(side);
                if link.is_on() {
                    if link == Link::Open {
                        // If it is the last one, the page asks no more.
                        self.ask();
                    }
                    self.close(side);
                    self.model.borrow_mut().closed(side);
                    self.frame.request();
                } else {
                    self.open(side);
                }
            }
            CompareAction::Attempt(attempt) => self.attempt(attempt),
        }
    }

    fn open(&self, side: Side) {
        self.close(side);
        self.model.borrow_mut().connecting(side);
        let this = Weak::clone(&self.this);
        match side {
            Side::EventSource => {
                let source =
                    EventSource::open(&path(&self.id, EVENTS), &EVENT_TYPES, move |event| {
                        if let Some(client) = this.upgrade() {
                            client.on_source_event(event);
                        }
                    });
                self.source.replace(source);
            }
            Side::WebSocket => {
                let socket = WebSocket::open(&path(&self.id, SOCKET), move |event| {
                    if let Some(client) = this.upgrade() {
                        client.on_socket_event(event);
                    }
                });
                self.socket.replace(socket);
            }
        }
        self.frame.request();
    }

    fn close(&self, side: Side) {
        match side {
            Side::EventSource => drop(self.source.take()),
            Side::WebSocket => drop(self.socket.take()),
        }
    }

    fn on_source_event(&self, event: SourceEvent) {
        let now = clock::now();
        let side = Side::EventSource;
        let outcome = match event {
            SourceEvent::Opened => self.opened(side, now),
            SourceEvent::Failed => {
                let ready_state = self.source.borrow().as_ref().map(EventSource::ready_state);
                let reconnects = ready_state == Some(CONNECTING);
                if !reconnects {
                    // The server has refused it, and may say why, which an EventSource does not show.
                    self.ask();
                }
                self.model.borrow_mut().lost(side, reconnects, now)
            }
            SourceEvent::Event { data, .. } => self.model.borrow_mut().arrived(side, &data, now),
        };
        self.follow(outcome);
    }

    fn on_socket_event(&self, event: SocketEvent) {
        let now = clock::now();
        let side = Side::WebSocket;
        let outcome = match event {
            SocketEvent::Opened => self.opened(side, now),
            SocketEvent::Closed => {
                if self.model.borrow().link(side) == Link::Connecting {
                    // The same for a WebSocket that has never been open.
                    self.ask();
                }
                self.model.borrow_mut().lost(side, false, now)
            }
            SocketEvent::Text(text) => self.on_frame(&text, now),
        };
        self.follow(outcome);
    }

    fn opened(&self, side: Side, now: f64) -> Option<Outcome> {
        self.model.borrow_mut().opened(side, now);
        self.ask();
        None
    }

    fn on_frame(&self, text: &str, now: f64) -> Option<Outcome> {
        let side = Side::WebSocket;
        if !text.starts_with(ANSWER) {
            // Of the server's own frames, those that say where the reader is have no data.
            let data = Object::read(text)?.text("data").unwrap_or_default();
            return self.model.borrow_mut().arrived(side, &data, now);
        }
        let sent_at = self.sent_at.take()?;
        let bytes = FRAME_HEAD + TEXT.len() as u64;
        self.model.borrow_mut().answered(side, now - sent_at, bytes)
    }

    fn attempt(&self, attempt: Attempt) {
        let begun = self.model.borrow_mut().begin(attempt);
        let has_begun = matches!(begun, Outcome::Begun(_));
        self.follow(Some(begun));
        if !has_begun {
            return;
        }
        let now = clock::now();
        let (segment, text) = match attempt {
            Attempt::Experiment(experiment) => (experiment.segment(), ""),
            Attempt::Send => {
                // One that is closing would complain in the console.
                let is_open = self.model.borrow().link(Side::WebSocket) == Link::Open;
                let socket = self.socket.borrow();
                let socket = socket.as_ref().filter(|_| is_open);
                let is_sent = socket.is_some_and(|socket| socket.send(TEXT));
                self.sent_at.set(is_sent.then_some(now));
                (SEND, TEXT)
            }
        };
        let this = Weak::clone(&self.this);
        request::post(&path(&self.id, segment), text, move |response| {
            if let Some(client) = this.upgrade() {
                client.on_answer(attempt, clock::now() - now, response);
            }
        });
    }

    /// The server has answered to what the reader tries, after so many milliseconds.
    fn on_answer(&self, attempt: Attempt, time: f64, response: Option<TextResponse>) {
        let mut model = self.model.borrow_mut();
        let outcome = match response {
            Some(TextResponse { status: 200, text }) if attempt == Attempt::Send => {
                let bytes = Object::read(&text).map(|answer| answer.count("request_bytes"));
                model.answered(Side::EventSource, time, bytes.unwrap_or_default())
            }
            Some(TextResponse { status: 200, .. }) => None,
            response => Some(model.refused(refusal_of(response))),
        };
        drop(model);
        self.follow(outcome);
    }

    /// Asks the server what it has counted.
    fn ask(&self) {
        if self.is_asking.replace(true) {
            return;
        }
        let this = Weak::clone(&self.this);
        request::get(&path(&self.id, NUMBERS), move |response| {
            if let Some(client) = this.upgrade() {
                client.is_asking.set(false);
                client.on_numbers(response);
            }
        });
    }

    fn on_numbers(&self, response: Option<TextResponse>) {
        match response {
            Some(TextResponse { status: 200, text }) => {
                let Some(numbers) = Object::read(&text) else {
                    return;
                };
                let mut model = self.model.borrow_mut();
                model.published(
                    numbers.count("published"),
                    &numbers.text("run").unwrap_or_default(),
                );
                model.counted(Side::EventSource, counted(&numbers.object("event_source")));
                model.counted(Side::WebSocket, counted(&numbers.object("web_socket")));
                drop(model);
                self.frame.request();
            }
            // There are as many comparisons as there may be.
            Some(TextResponse { status: 503, text }) => {
                let response = TextResponse { status: 503, text };
                self.follow(Some(Outcome::NotDone(refusal_of(Some(response)))));
            }
            _ => {}
        }
    }

    /// Says how an attempt goes, and shows what has changed.
    fn follow(&self, outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            let said = self.comparison.texts.outcome(&outcome);
            self.comparison.said.try_set(said);
        }
        self.frame.request();
    }

    /// Brings the page up to date. While it is paused, only what the connections do.
    fn show(&self) {
        let is_paused = self.is_paused.get();
        let now = self.model.borrow().shown(is_paused);
        self.comparison.shown.try_update(|shown| {
            if is_paused {
                shown.is_paused = true;
                for (shown, now) in shown.sides.iter_mut().zip(now.sides) {
                    shown.link = now.link;
                }
            } else {
                *shown = now;
            }
        });
    }
}

fn counted(object: &Object) -> Counted {
    let text = |member| object.text(member).unwrap_or_default();
    Counted {
        opened: object.count("opened"),
        messages: object.count("messages"),
        message_bytes: object.count("message_bytes"),
        data_bytes: object.count("data_bytes"),
        other_bytes: object.count("other_bytes"),
        http: text("http"),
        // Below 600.
        status: object.count("status") as u16,
        request: text("request"),
        request_bytes: object.count("request_bytes"),
        response: text("response"),
        response_bytes: object.count("response_bytes"),
    }
}

/// Why the server has refused something; `None` if there was no answer.
fn refusal_of(response: Option<TextResponse>) -> Option<Refusal> {
    let response = response?;
    let problem = Object::read(&response.text).unwrap_or_default();
    Some(refusal(response.status.into(), &problem))
}
