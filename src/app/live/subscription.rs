//! A topic's page in the browser: composes the client, the feed, the form and the exports, and performs the reader's
//! actions. What a page of another kind would write anew.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;

use super::client::{Client, ClientEvent};
use super::log_feed::LogFeed;
use super::start::{performer, when_hydrated};
use super::{Action, EventStream, FILTER_ELEMENT_ID, export, publisher};
use crate::app::filter::Filter;
use crate::app::log_buffer::{Content, LogBuffer};
use crate::browser::fairwind::Wanted;
use crate::browser::json::Object;
use crate::browser::timer::Interval;
use crate::browser::{clock, document, location};
use crate::protocol::event::EventId;
use crate::protocol::gap::Gap;
use crate::protocol::page::TopicPage;
use crate::protocol::{CONSUMERS_EVENT, END_EVENT, FILTER, GAP_EVENT};

/// How often ages and countdowns are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Subscribes once the page is hydrated.
pub(super) fn connect(stream: EventStream, page: &TopicPage) {
    let page = page.clone();
    when_hydrated(move || Subscription::start(stream, &page));
}

/// Everything that lives as long as the page does. Callbacks hold it weakly.
struct Subscription {
    stream: EventStream,
    origin: String,
    topic: String,
    stream_path: String,
    client: Rc<Client>,
    feed: Rc<LogFeed>,
    /// When the last event arrived, as a number and as text.
    arrival: RefCell<(f64, Arc<str>)>,
    ticker: RefCell<Option<Interval>>,
}

impl Subscription {
    fn start(stream: EventStream, page: &TopicPage) -> Rc<Self> {
        let subscription = Rc::new_cyclic(|this: &Weak<Self>| {
            let on_event = {
                let this = Weak::clone(this);
                move |event: ClientEvent<'_>| {
                    if let Some(subscription) = this.upgrade() {
                        subscription.on_event(event);
                    }
                }
            };
            Self {
                stream,
                origin: page.origin.clone(),
                topic: page.topic.clone(),
                stream_path: page.stream_path.clone(),
                client: Client::new(
                    stream.connection,
                    Wanted::topic(&page.topic),
                    page.last_event_id.as_str().to_owned(),
                    Box::new(on_event),
                ),
                feed: LogFeed::new(stream.log),
                arrival: RefCell::new((0.0, "".into())),
                ticker: RefCell::new(None),
            }
        });
        let on_tick = {
            let this = Rc::downgrade(&subscription);
            move || {
                if let Some(subscription) = this.upgrade() {
                    subscription.client.tick();
                    subscription.feed.tick();
                }
            }
        };
        subscription.ticker.replace(Interval::every(TICK, on_tick));

        let perform = performer(&subscription, Self::handle);
        stream.controls.enable(perform);
        // What was typed before the page was hydrated counts.
        subscription.filter();
        if !page.has_ended {
            subscription.client.connect();
        }
        subscription
    }

    fn on_event(&self, event: ClientEvent<'_>) {
        match event {
            ClientEvent::Lost => self.feed.finish(),
            ClientEvent::Changing(connection) => {
                if let Some(words) = self.stream.texts.connection_said(&connection) {
                    self.announce(words);
                }
            }
            ClientEvent::News(kind, news) => self.hear(kind, news),
        }
    }

    fn hear(&self, kind: &str, news: &Object) {
        match kind {
            END_EVENT => self.feed.push(Content::End),
            GAP_EVENT => {
                if let Some(gap) = read_gap(news) {
                    self.feed.push(Content::gap(gap));
                }
            }
            CONSUMERS_EVENT => {
                self.stream.consumers.try_set(news.count("consumers"));
            }
            _ => {
                let [id, event_type, data] =
                    ["id", "type", "data"].map(|member| news.text(member).unwrap_or_default());
                let now = self.arrival_time();
                self.feed.push(Content::message(id, event_type, data, now));
            }
        }
    }

    /// The time of day. Events that arrive together share its text.
    fn arrival_time(&self) -> Arc<str> {
        let now = clock::time_of_day();
        let mut arrival = self.arrival.borrow_mut();
        if arrival.0 != now {
            *arrival = (now, clock::rfc_3339(now).into());
        }
        Arc::clone(&arrival.1)
    }

    fn announce(&self, words: impl Into<String>) {
        self.stream.announcement.set(words.into());
    }

    fn handle(&self, action: Action) {
        match action {
            Action::TogglePause if self.feed.is_paused() => self.resume(),
            Action::TogglePause => {
                self.change(LogBuffer::pause);
                self.announce(self.stream.texts.live.said_paused());
            }
            Action::Clear => {
                self.change(LogBuffer::clear);
                self.announce(if self.feed.is_paused() {
                    self.stream.texts.live.said_cleared_paused()
                } else {
                    self.stream.texts.live.said_cleared()
                });
            }
            Action::ToggleConnection => self.client.toggle(),
            Action::TryNow => self.client.retry(),
            Action::CopyAs(language) => {
                export::copy_stream(self.stream, language, &self.origin, &self.stream_path);
            }
            Action::CopyMessage(sequence) => export::copy_message(self.stream, sequence),
            Action::Download => export::download(self.stream, &self.topic),
            Action::Filter => self.filter(),
            Action::Publish => publisher::publish(&self.topic, self.stream.publishing),
            Action::LeaveEnd => self.change(LogBuffer::leave_end),
            Action::ReachEnd => self.change(LogBuffer::reach_end),
            Action::Jump => {
                self.change(LogBuffer::reach_end);
                self.jump();
            }
        }
    }

    /// Changes the list, and then the document.
    fn change(&self, change: fn(&mut LogBuffer)) {
        self.stream.log.buffer.update_untracked(change);
        self.feed.update();
    }

    fn jump(&self) {
        self.stream.log.jumps.update(|jumps| *jumps += 1);
    }

    fn resume(&self) {
        let waiting = self.stream.log.buffer.with_untracked(LogBuffer::waiting);
        self.change(LogBuffer::resume);
        self.feed.show_newest();
        self.jump();
        self.announce(self.stream.texts.said_resumed(waiting));
    }

    /// Takes over what is in the field of the filter, if there is one and it has changed.
    fn filter(&self) {
        let buffer = self.stream.log.buffer;
        if let Some(text) = document::value_of(FILTER_ELEMENT_ID)
            && buffer.with_untracked(|log| log.filter().text() != text)
        {
            location::replace_parameter(FILTER, &text);
            buffer.update_untracked(|log| log.set_filter(Filter::read(&text)));
            self.feed.update();
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.stream.controls.forget();
    }
}

fn read_gap(news: &Object) -> Option<Gap> {
    let id = |member| EventId::new(news.text(member)?).ok();
    Some(Gap {
        requested: id("requested")?,
        resumed_from: id("resumedFrom")?,
    })
}
