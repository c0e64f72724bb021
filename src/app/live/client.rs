//! One event stream that is kept open: the EventSource, and what follows when it is lost. Used by a page that passes the
//! types it listens for and a callback; leaves what events mean to that page, and the transitions to
//! [`crate::app::connection`].

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use leptos::prelude::*;

use super::{ConnectionSignals, set_if_changed, whole_seconds};
use crate::app::backoff;
use crate::app::connection::{
    Connection, ConnectionEffect, ConnectionEvent, ProbeResult, ReadyState,
};
use crate::browser::clock;
use crate::browser::event_source::{EventSource, SourceEvent};
use crate::browser::probe::Probe;
use crate::browser::timer::Timeout;
use crate::protocol::{HEARTBEAT_EVENT, LAST_EVENT_ID};

/// A loss that is over sooner is not shown: it would only flash.
const GRACE: Duration = Duration::from_secs(1);

/// The longest silence to expect, in milliseconds, until the server has announced its own.
const UNANNOUNCED_HEARTBEAT: f64 = 20_000.0;

/// A silence of this many heartbeats means that the stream is dead: one may be late, two are not late together.
const HEARTBEATS_MISSED: f64 = 2.5;

/// What a client reports to its page.
pub(super) enum ClientEvent {
    /// A stream has been opened.
    Opened,
    /// The stream is about to be closed.
    Closing,
    /// An event of one of the types that the page listens for.
    Event {
        /// Its type.
        event_type: String,
        /// Its data.
        data: String,
        /// Its id, or the last one that any event had; empty if none had.
        last_event_id: String,
    },
    /// The shown state is about to become this one, which is of another kind.
    Changing(Connection),
}

/// The client. Callbacks hold it weakly: dropping it closes the stream and ends everything that is under way.
pub(super) struct Client {
    this: Weak<Client>,
    signals: ConnectionSignals,
    /// Path and query of the stream, without the id that it goes on from.
    url: String,
    types: &'static [&'static str],
    on_event: Box<dyn Fn(ClientEvent)>,
    /// Where the stream goes on from.
    last_event_id: RefCell<String>,
    /// The connection as it is, where [`ConnectionSignals::state`] is what is shown of it.
    connection: RefCell<Connection>,
    /// Failed attempts since the stream was last open.
    failures: Cell<u32>,

    // What is under way, each until it is replaced.
    source: RefCell<Option<EventSource>>,
    probe: RefCell<Option<Probe>>,
    wait: RefCell<Option<Timeout>>,
    grace: RefCell<Option<Timeout>>,

    // Moments and times in milliseconds.
    heartbeat: Cell<f64>,
    last_activity: Cell<f64>,
    wait_until: Cell<f64>,
}

impl Client {
    /// A client that has not connected yet.
    pub(super) fn new(
        signals: ConnectionSignals,
        url: String,
        last_event_id: String,
        types: &'static [&'static str],
        on_event: Box<dyn Fn(ClientEvent)>,
    ) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            signals,
            url,
            types,
            on_event,
            last_event_id: RefCell::new(last_event_id),
            connection: RefCell::new(signals.state.get_untracked()),
            failures: Cell::new(0),
            source: RefCell::new(None),
            probe: RefCell::new(None),
            wait: RefCell::new(None),
            grace: RefCell::new(None),
            heartbeat: Cell::new(UNANNOUNCED_HEARTBEAT),
            last_activity: Cell::new(clock::now()),
            wait_until: Cell::new(0.0),
        })
    }

    /// Whether the reader can only reconnect, not disconnect.
    pub(super) fn is_over(&self) -> bool {
        self.connection.borrow().is_over()
    }

    /// Goes to the state that follows from an event, and does what that asks for.
    pub(super) fn transition(&self, event: ConnectionEvent) {
        if event == ConnectionEvent::Opened {
            self.failures.set(0);
        }
        let (next, effect) = self.connection.borrow().after(event);
        let has_changed = self.connection.replace(next) != *self.connection.borrow();
        match effect {
            ConnectionEffect::None => {}
            ConnectionEffect::Open => {
                self.close();
                self.open();
            }
            ConnectionEffect::Close => self.close(),
            ConnectionEffect::Probe => {
                self.close();
                self.probe();
            }
            ConnectionEffect::Wait => {
                self.close();
                self.wait();
            }
        }
        self.show_ready_state();
        if has_changed {
            self.show_connection_soon();
        }
    }

    /// Once a second: notices a stream that has gone dead, and counts down.
    pub(super) fn tick(&self) {
        let silence = clock::now() - self.last_activity.get();
        if self.source.borrow().is_some() && silence > self.heartbeat.get() * HEARTBEATS_MISSED {
            self.transition(ConnectionEvent::Silent);
        }
        self.show_ready_state();
        self.show_countdown();
    }

    /// A callback that does nothing once the client is gone.
    fn calling(&self, method: fn(&Self)) -> impl Fn() + 'static {
        let this = Weak::clone(&self.this);
        move || {
            if let Some(client) = this.upgrade() {
                method(&client);
            }
        }
    }

    fn open(&self) {
        self.last_activity.set(clock::now());
        let this = Weak::clone(&self.this);
        let source = EventSource::open(&self.url_from_here(), self.types, move |event| {
            if let Some(client) = this.upgrade() {
                client.on_source_event(event);
            }
        });
        self.source.replace(source);
    }

    /// Ends everything that is under way.
    fn close(&self) {
        self.source.take();
        self.probe.take();
        self.wait.take();
        (self.on_event)(ClientEvent::Closing);
    }

    fn probe(&self) {
        let this = Weak::clone(&self.this);
        let probe = Probe::ask(&self.url_from_here(), move |response| {
            let result = response.map_or(ProbeResult::NotNow, |response| {
                ProbeResult::from_response(
                    response.status,
                    response.is_event_stream,
                    response.code,
                    response.detail,
                )
            });
            if let Some(client) = this.upgrade() {
                client.transition(ConnectionEvent::Probed(result));
            }
        });
        self.probe.replace(Some(probe));
    }

    fn wait(&self) {
        let delay = backoff::delay(self.failures.get(), clock::chance());
        self.failures.set(self.failures.get().saturating_add(1));
        self.wait_until
            .set(clock::now() + delay.as_secs_f64() * 1_000.0);
        self.show_countdown();
        self.wait.replace(Timeout::after(
            delay,
            self.calling(|client| client.transition(ConnectionEvent::WaitOver)),
        ));
    }

    fn url_from_here(&self) -> String {
        let id = js_sys::encode_uri_component(&self.last_event_id.borrow());
        format!("{}&{LAST_EVENT_ID}={id}", self.url)
    }

    fn ready_state(&self) -> ReadyState {
        let source = self.source.borrow();
        source.as_ref().map_or(ReadyState::Closed, |source| {
            ReadyState::from_number(source.ready_state())
        })
    }

    fn on_source_event(&self, event: SourceEvent) {
        self.last_activity.set(clock::now());
        match event {
            SourceEvent::Opened => {
                (self.on_event)(ClientEvent::Opened);
                self.transition(ConnectionEvent::Opened);
            }
            SourceEvent::Failed if self.ready_state() == ReadyState::Closed => {
                self.transition(ConnectionEvent::GivenUp);
            }
            SourceEvent::Failed => self.transition(ConnectionEvent::Lost),
            SourceEvent::Event {
                event_type,
                data,
                last_event_id,
            } => {
                if !last_event_id.is_empty() {
                    self.last_event_id.borrow_mut().clone_from(&last_event_id);
                }
                if event_type == HEARTBEAT_EVENT {
                    if let Ok(milliseconds) = data.parse::<u32>() {
                        self.heartbeat.set(f64::from(milliseconds));
                    }
                    return;
                }
                (self.on_event)(ClientEvent::Event {
                    event_type,
                    data,
                    last_event_id,
                });
            }
        }
    }

    fn show_countdown(&self) {
        let left = whole_seconds(self.wait_until.get() - clock::now(), f64::ceil);
        set_if_changed(self.signals.seconds_left, left);
    }

    fn show_ready_state(&self) {
        set_if_changed(self.signals.ready_state, self.ready_state());
    }

    /// Shows the connection: at once, unless a live stream has only just been lost.
    fn show_connection_soon(&self) {
        let is_loss = matches!(*self.connection.borrow(), Connection::Reconnecting(_));
        let was_live = self
            .signals
            .state
            .with_untracked(|shown| *shown == Connection::Live);
        if is_loss && was_live {
            if self.grace.borrow().is_none() {
                self.grace
                    .replace(Timeout::after(GRACE, self.calling(Self::show_connection)));
            }
        } else {
            self.show_connection();
        }
    }

    fn show_connection(&self) {
        self.grace.take();
        let connection = self.connection.borrow().clone();
        let shown = self.signals.state.get_untracked();
        if shown == connection {
            return;
        }
        if shown.name() != connection.name() {
            (self.on_event)(ClientEvent::Changing(connection.clone()));
        }
        self.signals.state.set(connection);
    }
}
