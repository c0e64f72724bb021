//! The one seam between the pages and the browser: [`use_event_stream`] gives signals that change and controls that can
//! be called. In the browser an EventSource is behind them; on the server they stand still. Components know no sockets.
//!
//! Leaves what follows from what to [`super::connection`], the list to [`super::log_buffer`], and every browser API to
//! `browser`.

use leptos::ev::{MouseEvent, SubmitEvent};
use leptos::prelude::*;

use super::connection::{Connection, ReadyState};
use super::filter::Filter;
use super::log_buffer::{LogBuffer, Row};
use super::snippets::Language;
use crate::protocol::page::{TopicPage, start_of};
use crate::protocol::{AS_EVENT, CONSUMERS, END_EVENT, HEARTBEAT, TYPES};

/// A topic's event stream as a page sees it: signals to show and controls to call. A cheap handle; copy it around.
#[derive(Clone, Copy)]
pub struct EventStream {
    /// Whether the page is not alive yet: then, and without JavaScript for ever, controls do nothing.
    pub is_disabled: RwSignal<bool>,
    /// The connection as it is shown: a loss that is over in a moment does not appear here.
    pub connection: RwSignal<Connection>,
    /// The EventSource's own state.
    pub ready_state: RwSignal<ReadyState>,
    /// Seconds until the page tries again by itself, while it waits for that.
    pub seconds_left: RwSignal<u32>,
    /// The newest message's data, or its beginning; stands still while paused.
    pub newest: RwSignal<String>,
    /// Whether the page came with a message.
    pub had_message: bool,
    /// Seconds since the newest message came over the stream; stands still while paused.
    pub age: RwSignal<Option<u32>>,
    /// How many messages came over the stream; stands still while paused.
    pub received: RwSignal<u64>,
    /// How many consumers the topic has right now.
    pub consumers: RwSignal<u64>,
    /// The list of messages.
    pub log: RwSignal<LogBuffer>,
    /// Changes whenever the rows of the list do.
    revision: RwSignal<u64>,
    /// Counts how often the list shall go to its newest row, wherever the reader is.
    pub jumps: RwSignal<u32>,
    /// What is said politely to a screen reader, and quietly to everybody else.
    pub announcement: RwSignal<String>,
    /// The command for this stream, where the clipboard could not take it.
    pub uncopied_command: RwSignal<Option<String>>,
    /// Which of the messages the list shows.
    pub filter: RwSignal<Filter>,
    /// What became of the last attempt to publish.
    pub publishing: RwSignal<Publishing>,
    /// How many pages of this server share the few connections that HTTP/1.1 has; 0 if they do not.
    pub crowded_tabs: RwSignal<u32>,
    /// Who hears the controls.
    on_action: StoredValue<Option<Callback<Action>>>,
}

/// The element whose text is [`EventStream::uncopied_command`] when there is one: it gets selected.
pub const COMMAND_ELEMENT_ID: &str = "command";

/// The element that has the program in this language, on pages that offer one.
pub fn program_element_id(language: Language) -> &'static str {
    match language {
        Language::Curl => COMMAND_ELEMENT_ID,
        Language::JavaScript => "program-javascript",
        Language::Python => "program-python",
    }
}

/// The element of a row's data, which gets selected when the clipboard could not take it.
pub fn data_element_id(sequence: u64) -> String {
    format!("data-{sequence}")
}

/// The field of the filter.
pub const FILTER_ELEMENT_ID: &str = "filter";

/// The field of what is to be published.
pub const DATA_ELEMENT_ID: &str = "publish-data";

/// The field of its type.
pub const TYPE_ELEMENT_ID: &str = "publish-type";

/// The most that is shown of the newest message where it stands large, in bytes.
const MAX_NEWEST_BYTES: usize = 600;

/// What becomes of an attempt to publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Publishing {
    /// Nothing has been published from here.
    #[default]
    Idle,
    /// The server has been asked.
    UnderWay,
    /// It went to so many subscribers.
    Done(u64),
    /// The server did not take it, with these words.
    Refused(String),
    /// There was no answer.
    Unreachable,
}

/// What the reader wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Hold the list and everything else that ticks, or let it go on with all that waited.
    TogglePause,
    /// Empty the list.
    Clear,
    /// Close the stream, or open it from the last id.
    ToggleConnection,
    /// Open a lost stream without waiting any longer.
    TryNow,
    /// Put the command or program that reads this stream into the clipboard.
    CopyAs(Language),
    /// Put the data of the event in the row of this number into the clipboard.
    CopyMessage(u64),
    /// Save the events that are listed as JSON lines.
    Download,
    /// List only what passes the filter in its field, and keep that in the page's URL.
    Filter,
    /// Publish what is in the form; [`EventStream::publishing`] tells what becomes of it.
    Publish,
    /// The reader has scrolled away from the newest row.
    LeaveEnd,
    /// The reader has scrolled back to the newest row.
    ReachEnd,
    /// Show what waits because the reader had scrolled away, and go there.
    Jump,
}

/// Shows a topic's page as the server rendered it, and, once it runs in a browser, subscribes from where the page ends
/// until the calling component goes.
pub fn use_event_stream(page: &TopicPage) -> EventStream {
    let log = LogBuffer::from_page(page);
    let newest = page
        .events
        .iter()
        .rev()
        .map(|shown| &shown.event)
        .find(|event| event.event_type.as_str() != END_EVENT);
    let connection = match page.has_ended {
        true => Connection::Ended,
        false => Connection::Snapshot,
    };
    let stream = EventStream {
        is_disabled: RwSignal::new(true),
        connection: RwSignal::new(connection),
        ready_state: RwSignal::new(ReadyState::Closed),
        seconds_left: RwSignal::new(0),
        newest: RwSignal::new(newest_text(newest.map_or("", |event| &event.data))),
        had_message: newest.is_some(),
        age: RwSignal::new(None),
        received: RwSignal::new(0),
        consumers: RwSignal::new(u64::try_from(page.consumers).unwrap_or(u64::MAX)),
        revision: RwSignal::new(log.revision()),
        log: RwSignal::new(log),
        jumps: RwSignal::new(0),
        announcement: RwSignal::new(String::new()),
        uncopied_command: RwSignal::new(None),
        filter: RwSignal::new(Filter::read(&page.filter)),
        publishing: RwSignal::new(Publishing::default()),
        crowded_tabs: RwSignal::new(0),
        on_action: StoredValue::new(None),
    };
    connect(stream, page);
    stream
}

/// The path and query of the stream that a page reads, without the id that it goes on from.
pub fn stream_url(stream_path: &str) -> String {
    format!("{stream_path}?{CONSUMERS}={AS_EVENT}&{HEARTBEAT}={AS_EVENT}&{TYPES}={AS_EVENT}")
}

fn newest_text(data: &str) -> String {
    start_of(data, MAX_NEWEST_BYTES).0.to_owned()
}

impl EventStream {
    /// The rows that the list shows. Whoever calls it in a reactive place is called again when they change, which is less
    /// often than [`Self::log`] does.
    pub fn rows(self) -> Vec<Row> {
        let _ = self.revision.get();
        self.filter
            .with(|filter| self.log.with_untracked(|log| log.rows_passing(filter)))
    }

    /// Says what the reader wants. Before the page is alive nobody hears it.
    pub fn perform(self, action: Action) {
        if let Some(on_action) = self.on_action.try_get_value().flatten() {
            on_action.run(action);
        }
    }

    /// What a button does.
    pub fn on_press(self, action: Action) -> impl Fn(MouseEvent) + Copy {
        move |_| self.perform(action)
    }

    /// What a form does in place of being sent.
    pub fn on_submit(self, action: Action) -> impl Fn(SubmitEvent) + Copy {
        move |event| {
            event.prevent_default();
            self.perform(action);
        }
    }
}

/// On the server nothing happens after rendering.
#[cfg(not(feature = "hydrate"))]
fn connect(_stream: EventStream, _page: &TopicPage) {}

#[cfg(feature = "hydrate")]
use in_browser::connect;

#[cfg(feature = "hydrate")]
mod in_browser {
    //! The EventSource behind the signals.

    use std::cell::{Cell, RefCell};
    use std::rc::{Rc, Weak};
    use std::time::Duration;

    use send_wrapper::SendWrapper;

    use super::*;
    use crate::app::backoff;
    use crate::app::connection::{ConnectionEffect, ConnectionEvent, ProbeResult};
    use crate::app::curl;
    use crate::app::log_buffer::{Content, Message};
    use crate::app::messages;
    use crate::browser::animation_frame::FrameTask;
    use crate::browser::clipboard;
    use crate::browser::clock;
    use crate::browser::document;
    use crate::browser::download;
    use crate::browser::event_source::{EventSource, SourceEvent};
    use crate::browser::json;
    use crate::browser::location;
    use crate::browser::probe::{self, Probe};
    use crate::browser::tabs::Tabs;
    use crate::browser::timer::{Interval, Timeout};
    use crate::protocol::event::EventId;
    use crate::protocol::gap::Gap;
    use crate::protocol::{
        CONSUMERS_EVENT, FILTER, GAP_EVENT, HEARTBEAT_EVENT, LAST_EVENT_ID, TYPE_EVENT,
    };

    /// What `onmessage` hears.
    const MESSAGE_EVENT: &str = "message";

    /// What the page listens for.
    const EVENT_TYPES: [&str; 6] = [
        MESSAGE_EVENT,
        TYPE_EVENT,
        CONSUMERS_EVENT,
        HEARTBEAT_EVENT,
        GAP_EVENT,
        END_EVENT,
    ];

    /// A loss that is over sooner is not shown: it would only flash.
    const GRACE: Duration = Duration::from_secs(1);

    /// How often ages and countdowns are looked at.
    const TICK: Duration = Duration::from_secs(1);

    /// The longest silence to expect, in milliseconds, until the server has announced its own.
    const UNANNOUNCED_HEARTBEAT: f64 = 20_000.0;

    /// A silence of this many heartbeats means that the stream is dead: one may be late, two are not late together.
    const HEARTBEATS_MISSED: f64 = 2.5;

    /// Subscribes once the page is hydrated. An effect, because what it makes belongs to the browser's one thread.
    pub(super) fn connect(stream: EventStream, page: &TopicPage) {
        let page = page.clone();
        Effect::new(move |_| {
            let subscription = SendWrapper::new(Subscription::start(stream, &page));
            on_cleanup(move || drop(subscription));
            document::mark_hydrated();
        });
    }

    /// Everything that lives as long as the page does. Callbacks hold it weakly: when it goes, they find nothing.
    struct Subscription {
        this: Weak<Subscription>,
        stream: EventStream,
        origin: String,
        topic: String,
        stream_path: String,
        url: String,
        /// Where the stream goes on from.
        last_event_id: RefCell<String>,
        /// The connection as it is, where [`EventStream::connection`] is what is shown of it.
        connection: RefCell<Connection>,
        /// What the stream has said of the next message.
        next_type: RefCell<Option<String>>,
        /// Who else shares this browser's connections.
        tabs: RefCell<Option<Tabs>>,
        /// Failed attempts since the stream was last open.
        failures: Cell<u32>,

        // What is under way, each until it is replaced.
        source: RefCell<Option<EventSource>>,
        probe: RefCell<Option<Probe>>,
        wait: RefCell<Option<Timeout>>,
        grace: RefCell<Option<Timeout>>,
        ticker: RefCell<Option<Interval>>,
        frame: RefCell<Option<FrameTask>>,

        // What has come and is not in the signals yet.
        arrived: RefCell<Vec<Content>>,
        received: Cell<u64>,

        // Moments and times in milliseconds.
        heartbeat: Cell<f64>,
        last_sign_of_life: Cell<f64>,
        last_message: Cell<Option<f64>>,
        wait_until: Cell<f64>,
    }

    impl Subscription {
        fn start(stream: EventStream, page: &TopicPage) -> Rc<Self> {
            let subscription = Rc::new_cyclic(|this| Self {
                this: Weak::clone(this),
                stream,
                origin: page.origin.clone(),
                topic: page.topic.clone(),
                stream_path: page.stream_path.clone(),
                url: stream_url(&page.stream_path),
                last_event_id: RefCell::new(page.last_event_id.as_str().to_owned()),
                connection: RefCell::new(stream.connection.get_untracked()),
                next_type: RefCell::new(None),
                tabs: RefCell::new(None),
                failures: Cell::new(0),
                source: RefCell::new(None),
                probe: RefCell::new(None),
                wait: RefCell::new(None),
                grace: RefCell::new(None),
                ticker: RefCell::new(None),
                frame: RefCell::new(None),
                arrived: RefCell::new(Vec::new()),
                received: Cell::new(0),
                heartbeat: Cell::new(UNANNOUNCED_HEARTBEAT),
                last_sign_of_life: Cell::new(clock::now()),
                last_message: Cell::new(None),
                wait_until: Cell::new(0.0),
            });
            let (on_frame, on_tick) = (
                subscription.calling(Self::show_arrived),
                subscription.calling(Self::tick),
            );
            subscription.frame.replace(Some(FrameTask::new(on_frame)));
            subscription.ticker.replace(Interval::every(TICK, on_tick));

            let hearer = SendWrapper::new(Weak::clone(&subscription.this));
            let on_action = Callback::new(move |action| {
                if let Some(subscription) = hearer.upgrade() {
                    subscription.handle(action);
                    subscription.show_revision();
                }
            });
            stream.on_action.set_value(Some(on_action));
            stream.is_disabled.set(false);
            let on_tabs = Weak::clone(&subscription.this);
            subscription.tabs.replace(Tabs::count(move |tabs| {
                if let Some(subscription) = on_tabs.upgrade() {
                    let crowded = if tabs > 1 { tabs } else { 0 };
                    set_if_changed(subscription.stream.crowded_tabs, crowded);
                }
            }));
            // What was typed before the page was alive counts.
            subscription.filter();
            if !page.has_ended {
                subscription.transition(ConnectionEvent::Connect);
            }
            subscription
        }

        /// A callback that does nothing once the subscription is gone.
        fn calling(&self, method: fn(&Self)) -> impl Fn() + 'static {
            let this = Weak::clone(&self.this);
            move || {
                if let Some(subscription) = this.upgrade() {
                    method(&subscription);
                }
            }
        }

        // The connection.

        fn transition(&self, event: ConnectionEvent) {
            if event == ConnectionEvent::Opened {
                self.failures.set(0);
            }
            let (next, step) = self.connection.borrow().after(event);
            let has_changed = self.connection.replace(next) != *self.connection.borrow();
            match step {
                ConnectionEffect::None => {}
                ConnectionEffect::Open => {
                    self.close();
                    self.open();
                }
                ConnectionEffect::Close => self.close(),
                ConnectionEffect::Probe => {
                    self.close();
                    self.ask();
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

        fn open(&self) {
            self.last_sign_of_life.set(clock::now());
            let this = Weak::clone(&self.this);
            let source = EventSource::open(&self.url_from_here(), &EVENT_TYPES, move |event| {
                if let Some(subscription) = this.upgrade() {
                    subscription.on_event(event);
                }
            });
            self.source.replace(source);
        }

        /// Ends everything that is under way.
        fn close(&self) {
            self.source.take();
            self.probe.take();
            self.wait.take();
            if let Some(frame) = &*self.frame.borrow() {
                frame.finish();
            }
        }

        fn ask(&self) {
            let this = Weak::clone(&self.this);
            let probe = Probe::ask(&self.url_from_here(), move |found| {
                let answer = found.map_or(ProbeResult::NotNow, |found| {
                    ProbeResult::from_response(found.status, found.is_event_stream, found.detail)
                });
                if let Some(subscription) = this.upgrade() {
                    subscription.transition(ConnectionEvent::Probed(answer));
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
                self.calling(|this| this.transition(ConnectionEvent::WaitOver)),
            ));
        }

        fn url_from_here(&self) -> String {
            let id = js_sys::encode_uri_component(&self.last_event_id.borrow());
            format!("{}&{LAST_EVENT_ID}={id}", self.url)
        }

        /// Whether the EventSource is there and has not given up.
        fn ready_state(&self) -> ReadyState {
            let source = self.source.borrow();
            source.as_ref().map_or(ReadyState::Closed, |source| {
                ReadyState::from_number(source.ready_state())
            })
        }

        // What the stream says.

        fn on_event(&self, event: SourceEvent) {
            self.last_sign_of_life.set(clock::now());
            match event {
                SourceEvent::Opened => {
                    self.next_type.take();
                    self.transition(ConnectionEvent::Opened);
                }
                SourceEvent::Failed if self.ready_state() == ReadyState::Closed => {
                    self.transition(ConnectionEvent::GivenUp)
                }
                SourceEvent::Failed => self.transition(ConnectionEvent::Lost),
                SourceEvent::Event {
                    event_type,
                    data,
                    last_event_id,
                } => {
                    if !last_event_id.is_empty() {
                        self.last_event_id.replace(last_event_id.clone());
                    }
                    match event_type.as_str() {
                        TYPE_EVENT => {
                            self.next_type.replace(Some(data));
                        }
                        MESSAGE_EVENT => {
                            let event_type = self.next_type.take().unwrap_or(event_type);
                            self.arrive(Content::message(last_event_id, event_type, data))
                        }
                        END_EVENT => {
                            self.arrive(Content::End);
                            self.transition(ConnectionEvent::Ended);
                        }
                        GAP_EVENT => {
                            if let Some(gap) = read_gap(&data) {
                                self.arrive(Content::gap(gap));
                            }
                        }
                        CONSUMERS_EVENT => {
                            if let Ok(count) = data.parse() {
                                self.stream.consumers.try_set(count);
                            }
                        }
                        HEARTBEAT_EVENT => {
                            if let Ok(milliseconds) = data.parse::<u32>() {
                                self.heartbeat.set(f64::from(milliseconds));
                            }
                        }
                        _ => {}
                    }
                }
            }
        }

        fn arrive(&self, content: Content) {
            self.arrived.borrow_mut().push(content);
            if let Some(frame) = &*self.frame.borrow() {
                frame.request();
            }
        }

        // What is shown.

        /// Once per frame: everything that has come goes into the signals, each of which changes once.
        fn show_arrived(&self) {
            let arrived = self.arrived.take();
            let mut newest = None;
            self.stream.log.try_update(|log| {
                for content in arrived {
                    let data = content.data().map(newest_text);
                    if log.push(content) && data.is_some() {
                        self.received.set(self.received.get() + 1);
                        newest = data;
                    }
                }
            });
            if newest.is_some() {
                self.last_message.set(Some(clock::now()));
            }
            self.show_revision();
            if !self.is_paused() {
                if let Some(newest) = newest {
                    self.stream.newest.try_set(newest);
                }
                self.show_counts();
            }
        }

        fn show_revision(&self) {
            let revision = self.stream.log.try_with_untracked(LogBuffer::revision);
            set_if_changed(self.stream.revision, revision.unwrap_or_default());
        }

        fn is_paused(&self) -> bool {
            self.stream
                .log
                .try_with_untracked(LogBuffer::is_paused)
                .unwrap_or_default()
        }

        /// The facts that tick, except while they are paused.
        fn show_counts(&self) {
            let age = self
                .last_message
                .get()
                .map(|at| whole_seconds(clock::now() - at, f64::floor));
            set_if_changed(self.stream.age, age);
            set_if_changed(self.stream.received, self.received.get());
        }

        fn show_countdown(&self) {
            let left = whole_seconds(self.wait_until.get() - clock::now(), f64::ceil);
            set_if_changed(self.stream.seconds_left, left);
        }

        fn show_ready_state(&self) {
            set_if_changed(self.stream.ready_state, self.ready_state());
        }

        /// Shows the connection: at once, unless a live stream has only just been lost.
        fn show_connection_soon(&self) {
            let is_loss = matches!(*self.connection.borrow(), Connection::Reconnecting(_));
            let was_live = self
                .stream
                .connection
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
            let shown = self.stream.connection.get_untracked();
            if shown == connection {
                return;
            }
            // Not for each turn of one loss: a screen reader announced it when it began.
            if shown.name() != connection.name()
                && let Some(words) = messages::connection_said(&connection)
            {
                self.say(words);
            }
            self.stream.connection.set(connection);
        }

        fn say(&self, words: impl Into<String>) {
            self.stream.announcement.set(words.into());
        }

        /// Once a second.
        fn tick(&self) {
            let silence = clock::now() - self.last_sign_of_life.get();
            if self.source.borrow().is_some() && silence > self.heartbeat.get() * HEARTBEATS_MISSED
            {
                self.transition(ConnectionEvent::Silent);
            }
            self.show_ready_state();
            self.show_countdown();
            if !self.is_paused() {
                self.show_counts();
            }
        }

        // What the reader wants.

        fn handle(&self, action: Action) {
            let log = self.stream.log;
            match action {
                Action::TogglePause if self.is_paused() => {
                    let waiting = log.with_untracked(LogBuffer::waiting);
                    log.update(LogBuffer::resume);
                    if let Some(newest) =
                        log.with_untracked(|log| log.newest_data().map(newest_text))
                    {
                        self.stream.newest.set(newest);
                    }
                    self.show_counts();
                    self.stream.jumps.update(|jumps| *jumps += 1);
                    self.say(messages::said_resumed(waiting));
                }
                Action::TogglePause => {
                    log.update(LogBuffer::pause);
                    self.say(messages::SAID_PAUSED);
                }
                Action::Clear => {
                    log.update(LogBuffer::clear);
                    let said = if self.is_paused() {
                        messages::SAID_CLEARED_PAUSED
                    } else {
                        messages::SAID_CLEARED
                    };
                    self.say(said);
                }
                Action::ToggleConnection => {
                    let is_over = self.connection.borrow().is_over();
                    self.transition(if is_over {
                        ConnectionEvent::Connect
                    } else {
                        ConnectionEvent::Disconnect
                    });
                }
                Action::TryNow => self.transition(ConnectionEvent::TryNow),
                Action::CopyAs(language) => self.copy_as(language),
                Action::CopyMessage(sequence) => self.copy_message(sequence),
                Action::Download => self.download(),
                Action::Filter => self.filter(),
                Action::Publish => self.publish(),
                Action::LeaveEnd => log.update_untracked(LogBuffer::leave_end),
                Action::ReachEnd => log.update(LogBuffer::reach_end),
                Action::Jump => {
                    log.update(LogBuffer::reach_end);
                    self.stream.jumps.update(|jumps| *jumps += 1);
                }
            }
        }

        fn copy_as(&self, language: Language) {
            let element = program_element_id(language);
            let program = match language {
                Language::Curl => Some(curl::plain(&self.origin, &self.stream_path)),
                Language::JavaScript | Language::Python => document::text_of(element),
            };
            let Some(command) = program else { return };
            let this = Weak::clone(&self.this);
            clipboard::write(&command.clone(), move |is_written| {
                let Some(subscription) = this.upgrade() else {
                    return;
                };
                if is_written {
                    subscription.stream.uncopied_command.set(None);
                    subscription.say(messages::said_copied(language));
                } else {
                    subscription.stream.uncopied_command.set(Some(command));
                    subscription.say(messages::SAID_NOT_COPIED);
                    // After the text has been rendered, which follows the signal in its own turn.
                    queue_microtask(|| document::select_text_of(COMMAND_ELEMENT_ID));
                }
            });
        }
    }

    impl Subscription {
        fn copy_message(&self, sequence: u64) {
            let message = self.stream.log.with_untracked(|log| log.message(sequence));
            let Some(message) = message else { return };
            let this = Weak::clone(&self.this);
            clipboard::write(&message.data, move |is_written| {
                let Some(subscription) = this.upgrade() else {
                    return;
                };
                if is_written {
                    subscription.say(messages::SAID_COPIED_EVENT);
                } else {
                    document::select_text_of(&data_element_id(sequence));
                    subscription.say(messages::SAID_EVENT_NOT_COPIED);
                }
            });
        }

        fn download(&self) {
            let filter = self.stream.filter.get_untracked();
            let rows = self
                .stream
                .log
                .with_untracked(|log| log.rows_passing(&filter));
            let mut count = 0;
            let mut lines = String::new();
            for row in rows {
                if let Content::Message(message) = &row.content {
                    lines.push_str(&json_line(message));
                    count += 1;
                }
            }
            let name = format!("{}.jsonl", self.topic.replace(['/', '\\'], "-"));
            download::text(&name, "application/x-ndjson", &lines);
            self.say(messages::said_downloaded(count));
        }

        /// Takes over what is in the field of the filter, if there is one and it has changed.
        fn filter(&self) {
            let filter = self.stream.filter;
            if let Some(text) = document::value_of(FILTER_ELEMENT_ID)
                && filter.with_untracked(|filter| filter.text() != text)
            {
                location::replace_parameter(FILTER, &text);
                filter.set(Filter::read(&text));
            }
        }

        fn publish(&self) {
            let publishing = self.stream.publishing;
            let is_under_way = publishing.with_untracked(|now| *now == Publishing::UnderWay);
            let Some(data) = document::value_of(DATA_ELEMENT_ID).filter(|_| !is_under_way) else {
                return;
            };
            let event_type = document::value_of(TYPE_ELEMENT_ID).unwrap_or_default();
            let mut url = self.stream_path.clone();
            if !event_type.is_empty() {
                url.push_str("?type=");
                url.extend(js_sys::encode_uri_component(&event_type).as_string());
            }
            publishing.set(Publishing::UnderWay);
            let this = Weak::clone(&self.this);
            probe::post(&url, &data.clone(), move |posted| {
                let outcome = match posted {
                    None => Publishing::Unreachable,
                    Some(posted) if posted.status == 200 => {
                        Publishing::Done(posted.subscribers.unwrap_or_default())
                    }
                    Some(posted) => {
                        let detail = posted
                            .detail
                            .unwrap_or_else(|| messages::refused_with_status(posted.status));
                        Publishing::Refused(messages::refused(posted.status, &detail))
                    }
                };
                let Some(subscription) = this.upgrade() else {
                    return;
                };
                // What has been typed meanwhile stays.
                let is_same = document::value_of(DATA_ELEMENT_ID).as_ref() == Some(&data);
                if is_same && matches!(outcome, Publishing::Done(_)) {
                    document::empty(DATA_ELEMENT_ID);
                }
                subscription.stream.publishing.try_set(outcome);
            });
        }
    }

    fn json_line(message: &Message) -> String {
        let cut = match message.cut {
            Some(_) => ",\"cut\":true",
            None => "",
        };
        let [id, event_type, data] =
            [&message.id, &message.event_type, &message.data].map(|text| json::quoted(text));
        format!("{{\"id\":{id},\"type\":{event_type},\"data\":{data}{cut}}}\n")
    }

    impl Drop for Subscription {
        fn drop(&mut self) {
            self.stream.on_action.try_set_value(None);
        }
    }

    fn read_gap(data: &str) -> Option<Gap> {
        let [requested, resumed_from] = json::texts(data, ["requested", "resumed_from"]);
        Some(Gap {
            requested: EventId::new(requested?).ok()?,
            resumed_from: EventId::new(resumed_from?).ok()?,
        })
    }

    /// Milliseconds as whole seconds, at least 0.
    fn whole_seconds(milliseconds: f64, round: fn(f64) -> f64) -> u32 {
        let seconds = round(milliseconds / 1_000.0).clamp(0.0, f64::from(u32::MAX));
        // In range and whole, so the conversion changes nothing.
        seconds as u32
    }

    /// Leaves a signal alone that would get the value it has: whoever reads it would do work for nothing.
    fn set_if_changed<T: PartialEq + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
        if signal
            .try_with_untracked(|old| *old != value)
            .unwrap_or_default()
        {
            signal.try_set(value);
        }
    }
}
