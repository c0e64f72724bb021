//! One subscription that is kept up: what `fairwind.js` reports becomes signals and calls of the page. Used by a page that passes
//! a callback; leaves what events mean to that page, and everything about the stream to the script.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use leptos::prelude::*;

use super::{ConnectionSignals, refusal, set_if_changed, whole_seconds};
use crate::app::connection::{Cause, Connection, Reason, Retry};
use crate::browser::clock;
use crate::browser::fairwind::{Subscription, Wanted};
use crate::browser::json::Object;
use crate::browser::timer::Timeout;

/// A loss that is over sooner is not shown: it would only flash.
const GRACE: Duration = Duration::from_secs(1);

/// What a client reports to its page.
pub(super) enum ClientEvent<'a> {
    /// An event of the topic, its end, a gap, or the number of subscribers, as the kind says.
    News(&'a str, &'a Object),
    /// The shown state is about to become this one, which is of another kind.
    Changing(Connection),
    /// The stream is not live any more.
    Lost,
}

/// The client. Callbacks hold it weakly: dropping it ends the subscription.
pub(super) struct Client {
    this: Weak<Client>,
    signals: ConnectionSignals,
    wanted: RefCell<Wanted>,
    on_event: Box<dyn Fn(ClientEvent<'_>)>,
    /// Where a new subscription begins.
    position: RefCell<String>,
    /// The connection as it is, where [`ConnectionSignals::state`] is what is shown of it.
    connection: RefCell<Connection>,
    subscription: RefCell<Option<Subscription>>,
    grace: RefCell<Option<Timeout>>,
    /// When the page tries again: a time of day in milliseconds.
    wait_until: Cell<f64>,
}

impl Client {
    /// A client that has not subscribed yet.
    pub(super) fn new(
        signals: ConnectionSignals,
        wanted: Wanted,
        position: String,
        on_event: Box<dyn Fn(ClientEvent<'_>)>,
    ) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            signals,
            wanted: RefCell::new(wanted),
            on_event,
            position: RefCell::new(position),
            connection: RefCell::new(signals.state.get_untracked()),
            subscription: RefCell::new(None),
            grace: RefCell::new(None),
            wait_until: Cell::new(0.0),
        })
    }

    /// Subscribes, from where it was.
    pub(super) fn connect(&self) {
        self.go_to(Connection::Connecting);
        self.open();
    }

    /// Wants something else from now on. The subscription before it ends when the new one has begun, where it was.
    pub(super) fn want(&self, wanted: Wanted) {
        self.wanted.replace(wanted);
        if !self.connection.borrow().is_over() {
            self.open();
        }
    }

    /// Subscribes again, from another id.
    pub(super) fn go_on_from(&self, position: String) {
        self.position.replace(position);
        if self.connection.borrow().is_over() {
            self.connect();
        } else {
            self.open();
        }
    }

    fn open(&self) {
        let this = Weak::clone(&self.this);
        let subscription = Subscription::open(
            &self.wanted.borrow(),
            &self.position.borrow(),
            move |news| {
                if let Some(client) = this.upgrade() {
                    client.hear(news);
                }
            },
        );
        self.subscription.replace(Some(subscription));
    }

    /// Disconnects, or connects again.
    pub(super) fn toggle(&self) {
        if self.connection.borrow().is_over() {
            self.connect();
        } else {
            self.subscription.take();
            self.go_to(Connection::Closed(Reason::Reader));
        }
    }

    /// Does not wait any longer for a stream that is lost.
    pub(super) fn retry(&self) {
        if let Some(subscription) = &*self.subscription.borrow() {
            subscription.retry();
        }
    }

    /// Once a second: counts down.
    pub(super) fn tick(&self) {
        let left = whole_seconds(self.wait_until.get() - clock::time_of_day(), f64::ceil);
        set_if_changed(self.signals.seconds_left, left);
    }

    fn hear(&self, news: &Object) {
        let kind = news.text("kind").unwrap_or_default();
        if kind == "state" {
            self.wait_until
                .set(news.number("until").unwrap_or_default());
            self.tick();
            if let Some(connection) = connection_of(news) {
                self.go_to(connection);
            }
            return;
        }
        if let Some(position) = news.text("position") {
            self.position.replace(position);
        }
        (self.on_event)(ClientEvent::News(&kind, news));
    }

    fn go_to(&self, connection: Connection) {
        set_if_changed(self.signals.ready_state, connection.ready_state());
        if !connection.is_current() {
            (self.on_event)(ClientEvent::Lost);
        }
        self.connection.replace(connection);
        self.show_connection_soon();
    }

    /// Shows the connection: at once, unless a live stream has only just been lost.
    fn show_connection_soon(&self) {
        let is_loss = matches!(*self.connection.borrow(), Connection::Reconnecting(..));
        let was_live = self.signals.state.with_untracked(Connection::is_current);
        if !is_loss || !was_live {
            self.show_connection();
        } else if self.grace.borrow().is_none() {
            let this = Weak::clone(&self.this);
            self.grace.replace(Timeout::after(GRACE, move || {
                if let Some(client) = this.upgrade() {
                    client.show_connection();
                }
            }));
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

/// The state that the script names.
fn connection_of(news: &Object) -> Option<Connection> {
    let text = |member| news.text(member).unwrap_or_default();
    Some(match text("state").as_str() {
        "connecting" => Connection::Connecting,
        "live" => Connection::Live,
        "polling" => Connection::Polling,
        "reconnecting" => {
            let retry = match text("retry").as_str() {
                "opening" => Retry::Opening,
                "asking" => Retry::Asking,
                "waiting" => Retry::Waiting,
                _ => Retry::Browser,
            };
            let cause = match text("cause").as_str() {
                "offline" => Some(Cause::Offline),
                "sleep" => Some(Cause::Sleep),
                "silence" => Some(Cause::Silence),
                _ => None,
            };
            Connection::Reconnecting(retry, cause)
        }
        "ended" => Connection::Ended,
        "closed" => Connection::Closed(Reason::Refused(refusal(news.count("status"), news))),
        _ => return None,
    })
}
