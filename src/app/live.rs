//! The one seam between the pages and the browser: [`use_event_stream`] gives signals to show and controls to call. In the
//! browser `public/fairwind.js` is behind them, which has one EventSource for all pages; on the server they keep the values
//! that the page is rendered with. Components know no sockets.
//!
//! Signals of few types: what Leptos does with a type is in the WebAssembly once for each. What a page's buttons, forms and fields
//! do, and whether they do anything yet, is [`Controls`].
//!
//! In the browser it is composed of parts that a page of another kind can use singly:
//!
//! * `client`: one subscription that is kept up, and its [`ConnectionSignals`]
//! * `log_feed`: what arrives becomes rows, at the pace that the browser can take: [`LogSignals`]
//! * `publisher`: the form that publishes, and its [`Publishing`]
//! * `export`: the clipboard and the download
//! * `start`: how a page's client starts, and how long it lives
//!
//! The page that compares an EventSource with a WebSocket has a seam of its own: [`compare`], and behind it `compare_client`.
//!
//! The pages of quotes and of answers have one too: [`quotes`] and [`answers`], and behind them `quotes_client` and
//! `answers_client`, which use `client`.
//!
//! Leaves the states to [`super::connection`], the list to [`super::log_buffer`], how often it is rendered to
//! [`super::pace`], and every browser API to `browser`.

use leptos::ev::{MouseEvent, SubmitEvent};
use leptos::prelude::*;

#[cfg(not(feature = "hydrate"))]
use super::components::masthead::SiteLinks;
use super::connection::{Connection, ReadyState};
use super::curl;
use super::log_buffer::{LogBuffer, MessageTime, Row};
#[cfg(not(feature = "hydrate"))]
use super::markdown::Document;
use super::publishing::Publishing;
use super::snippets::Language;
use super::texts::Texts;
#[cfg(feature = "hydrate")]
use crate::browser::json::Object;
#[cfg(not(feature = "hydrate"))]
use crate::protocol::answers::AnswersPage;
#[cfg(feature = "hydrate")]
use crate::protocol::page::Refusal;
use crate::protocol::page::{TopicPage, start_of};
#[cfg(not(feature = "hydrate"))]
use crate::protocol::quotes::QuotesPage;

pub mod answers;
pub mod compare;
mod controls;
pub mod quotes;

#[cfg(feature = "hydrate")]
mod answers_client;
#[cfg(feature = "hydrate")]
mod client;
#[cfg(feature = "hydrate")]
mod compare_client;
#[cfg(feature = "hydrate")]
mod export;
#[cfg(feature = "hydrate")]
mod log_feed;
#[cfg(feature = "hydrate")]
mod publisher;
#[cfg(feature = "hydrate")]
mod quotes_client;
#[cfg(feature = "hydrate")]
mod start;
#[cfg(feature = "hydrate")]
mod subscription;

#[cfg(feature = "hydrate")]
use answers_client::connect as connect_answers;
#[cfg(feature = "hydrate")]
use compare_client::connect as connect_comparison;
#[cfg(feature = "hydrate")]
use quotes_client::connect as connect_quotes;
#[cfg(feature = "hydrate")]
use subscription::connect;

pub use controls::Controls;

/// A topic's event stream as a page sees it: signals to show and controls to call. A cheap handle; copy it around.
#[derive(Clone, Copy)]
pub struct EventStream {
    /// What its page says.
    pub texts: &'static Texts,
    /// Buttons, forms and fields.
    pub controls: Controls<Action>,
    /// The connection.
    pub connection: ConnectionSignals,
    /// The messages.
    pub log: LogSignals,
    /// How many consumers the topic has right now.
    pub consumers: RwSignal<u64>,
    /// The polite announcement for screen readers, which everybody can read as well.
    pub announcement: RwSignal<String>,
    /// The command that shows the stream in a terminal, or the program that the clipboard could not take.
    pub command: RwSignal<String>,
    /// The last attempt to publish.
    pub publishing: RwSignal<Publishing>,
}

/// What a page shows of its connection.
#[derive(Clone, Copy)]
pub struct ConnectionSignals {
    /// The state as it is shown: a loss that is over in a moment does not appear here.
    pub state: RwSignal<Connection>,
    /// The EventSource's own state.
    pub ready_state: RwSignal<ReadyState>,
    /// Seconds until the page tries again by itself, while it waits for that.
    pub seconds_left: RwSignal<u64>,
}

/// What a page shows of its messages.
#[derive(Clone, Copy)]
pub struct LogSignals {
    /// The list.
    pub buffer: RwSignal<LogBuffer>,
    /// Changes whenever the rows of the document do.
    pub revision: RwSignal<u64>,
    /// Counts the requests to scroll the list to its newest row, wherever the reader is.
    pub jumps: RwSignal<u64>,
    /// The newest message's data, or its beginning; stands still while paused.
    pub newest: RwSignal<String>,
    /// Seconds since the newest message came over the stream, if any was received; stands still while paused.
    pub age: RwSignal<u64>,
    /// How many messages came over the stream; stands still while paused.
    pub received: RwSignal<u64>,
    /// When the newest message was published that the page came with.
    pub newest_rendered: StoredValue<Option<MessageTime>>,
}

/// The element whose text is [`EventStream::command`]: it gets selected when the clipboard could not take it.
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

/// What a reader does.
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
    /// Publish what is in the form; [`EventStream::publishing`] has the outcome.
    Publish,
    /// Scroll away from the newest row.
    LeaveEnd,
    /// Scroll back to the newest row.
    ReachEnd,
    /// Show what waits because the reader had scrolled away, and go there.
    Jump,
}

/// Shows a topic's page as the server rendered it, and, once it runs in a browser, subscribes from where the page ends
/// until the calling component goes.
pub fn use_event_stream(page: &TopicPage, texts: &'static Texts) -> EventStream {
    let buffer = LogBuffer::from_page(page);
    let newest = buffer.newest();
    let newest_rendered = StoredValue::new(newest.map(|message| message.time.clone()));
    let newest = newest_text(newest.map_or("", |message| &message.data));
    let state = if page.has_ended {
        Connection::Ended
    } else {
        Connection::Snapshot
    };
    let stream = EventStream {
        texts,
        controls: Controls::disabled(),
        connection: ConnectionSignals {
            state: RwSignal::new(state),
            ready_state: RwSignal::new(ReadyState::Closed),
            seconds_left: RwSignal::new(0),
        },
        log: LogSignals {
            revision: RwSignal::new(buffer.revision()),
            buffer: RwSignal::new(buffer),
            jumps: RwSignal::new(0),
            newest: RwSignal::new(newest),
            age: RwSignal::new(0),
            received: RwSignal::new(0),
            newest_rendered,
        },
        consumers: RwSignal::new(u64::try_from(page.consumers).unwrap_or(u64::MAX)),
        announcement: RwSignal::new(String::new()),
        command: RwSignal::new(curl::plain(&page.origin, &page.stream_path)),
        publishing: RwSignal::new(Publishing::default()),
    };
    connect(stream, page);
    stream
}

fn newest_text(data: &str) -> String {
    start_of(data, MAX_NEWEST_BYTES).0.to_owned()
}

impl LogSignals {
    /// The rows of the document. A reactive caller runs again when they change, which is less often than
    /// [`Self::buffer`] does.
    pub fn rows(self) -> Vec<Row> {
        let _ = self.revision.get();
        self.buffer.with_untracked(LogBuffer::window)
    }
}

impl EventStream {
    /// Performs what the reader does. Before the page is hydrated nothing happens.
    pub fn perform(self, action: Action) {
        self.controls.perform(action);
    }

    /// The handler of a button.
    pub fn on_press(self, action: Action) -> impl Fn(MouseEvent) + Copy {
        move |_| self.perform(action)
    }

    /// The handler of a form, which is not sent.
    pub fn on_submit(self, action: Action) -> impl Fn(SubmitEvent) + Copy {
        move |event| {
            event.prevent_default();
            self.perform(action);
        }
    }
}

/// Does `work` in the browser, once the page is hydrated and again whenever a signal changes that it reads. All of these
/// effects are of one type, so that the WebAssembly has the code around them once.
pub fn on_change(mut work: Box<dyn FnMut()>) {
    Effect::new(move |_| work());
}

/// The links to the other pages, as HTML: the server's. In the browser they are in the document already.
#[cfg(not(feature = "hydrate"))]
pub fn site_links() -> String {
    use_context::<SiteLinks>().map_or_else(String::new, |links| links.0)
}

/// The links to the other pages, as HTML: none. The server has written them into the document, and they stay as they are.
#[cfg(feature = "hydrate")]
pub fn site_links() -> String {
    String::new()
}

/// On the server nothing happens after rendering.
#[cfg(not(feature = "hydrate"))]
fn connect_answers(_answers: answers::Answers, _page: &AnswersPage, _document: Document) {}

/// On the server nothing happens after rendering.
#[cfg(not(feature = "hydrate"))]
fn connect_comparison(_comparison: compare::Comparison, _id: &str) {}

/// On the server nothing happens after rendering.
#[cfg(not(feature = "hydrate"))]
fn connect_quotes(_quotes: quotes::Quotes, _page: &QuotesPage) {}

/// On the server nothing happens after rendering.
#[cfg(not(feature = "hydrate"))]
fn connect(_stream: EventStream, _page: &TopicPage) {}

/// Leaves a signal alone that would get the value that it has: its effects would run for nothing.
#[cfg(feature = "hydrate")]
fn set_if_changed<T: PartialEq + Send + Sync + 'static>(signal: RwSignal<T>, value: T) {
    if signal
        .try_with_untracked(|old| *old != value)
        .unwrap_or_default()
    {
        signal.try_set(value);
    }
}

/// A refusal with this status, of which the problem says more.
#[cfg(feature = "hydrate")]
fn refusal(status: u64, problem: &Object) -> Refusal {
    Refusal {
        // A status has three digits.
        status: status as u16,
        code: problem.text("code").unwrap_or_default(),
        detail: problem.text("detail").unwrap_or_default(),
    }
}

/// Milliseconds as whole seconds, at least 0.
#[cfg(feature = "hydrate")]
fn whole_seconds(milliseconds: f64, round: fn(f64) -> f64) -> u64 {
    let seconds = round(milliseconds / 1_000.0).clamp(0.0, f64::from(u32::MAX));
    // In range and whole, so the conversion changes nothing.
    seconds as u64
}
