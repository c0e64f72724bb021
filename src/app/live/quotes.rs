//! The seam between the page of quotes and the browser: signals to show and controls to call. In the browser `fairwind.js` is
//! behind them; on the server they keep what the page is rendered with.

use leptos::ev::{Event, MouseEvent};
use leptos::prelude::*;

use super::{ConnectionSignals, Controls, connect_quotes};
use crate::app::connection::{Connection, ReadyState};
use crate::app::quotes::{Board, ChartShown, RowShown};
use crate::app::texts::Texts;
use crate::protocol::quotes::QuotesPage;

/// The prices as their page sees them. A cheap handle; copy it around.
#[derive(Clone, Copy)]
pub struct Quotes {
    /// What the page says.
    pub texts: &'static Texts,
    /// Buttons, forms and fields.
    pub controls: Controls<QuotesAction>,
    /// The connection.
    pub connection: ConnectionSignals,
    /// The rows of the table, in its order.
    pub rows: RwSignal<Vec<RowSignals>>,
    /// The chart.
    pub chart: RwSignal<ChartShown>,
    /// How many prices have arrived.
    pub received: RwSignal<u64>,
    /// Whether prices stand still.
    pub is_paused: RwSignal<bool>,
    /// What the newest choice or run has come to, for screen readers as well.
    pub said: RwSignal<String>,
    /// What slow readers saw.
    pub slow: RwSignal<SlowShown>,
}

/// A row of the table.
#[derive(Clone)]
pub struct RowSignals {
    /// Whose prices it shows.
    pub symbol: String,
    /// Changes once per animation frame at most.
    pub shown: RwSignal<RowShown>,
}

/// What is known of slow readers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlowShown {
    /// The server lets them read.
    pub is_running: bool,
    /// What each saw, in the order of the policies; empty before a run.
    pub readers: Vec<SlowReader>,
}

/// What a slow reader saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlowReader {
    /// How many prices were published.
    pub published: u64,
    /// How many it has read.
    pub received: u64,
    /// How many it has not.
    pub missed: u64,
    /// How many it read more than a second late.
    pub late: u64,
    /// How old the first price was after the pause, in milliseconds.
    pub first_after: u64,
}

/// What a reader does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotesAction {
    /// Hold the prices, or let them go on.
    TogglePause,
    /// Take a symbol into the table, or out of it.
    Choose(String, bool),
    /// Show a symbol's chart.
    Chart(String),
    /// Let the server show what slow readers see.
    WatchSlow,
    /// Open a lost stream without waiting any longer.
    TryNow,
}

/// Shows prices as the server rendered them, and, once it runs in a browser, subscribes to the chosen ones until the calling
/// component goes.
pub fn use_quotes(page: &QuotesPage, texts: &'static Texts) -> Quotes {
    let board = Board::from_page(page);
    let rows = board.symbols().into_iter().map(|symbol| RowSignals {
        shown: RwSignal::new(board.shown(&symbol)),
        symbol,
    });
    let quotes = Quotes {
        texts,
        controls: Controls::disabled(),
        connection: ConnectionSignals {
            state: RwSignal::new(Connection::Snapshot),
            ready_state: RwSignal::new(ReadyState::Closed),
            seconds_left: RwSignal::new(0),
        },
        rows: RwSignal::new(rows.collect()),
        chart: RwSignal::new(board.chart_shown()),
        received: RwSignal::new(0),
        is_paused: RwSignal::new(false),
        said: RwSignal::new(texts.quotes.hint().to_owned()),
        slow: RwSignal::new(SlowShown::default()),
    };
    connect_quotes(quotes, page);
    quotes
}

impl Quotes {
    /// Performs what the reader does. Before the page is hydrated nothing happens; returns whether it was performed.
    pub fn perform(self, action: QuotesAction) -> bool {
        self.controls.perform(action)
    }

    /// The handler of a button.
    pub fn on_press(self, action: QuotesAction) -> impl Fn(MouseEvent) + Clone {
        move |_| {
            self.perform(action.clone());
        }
    }

    /// The handler of a link that the page follows by itself, unless the reader wants another tab or window of it.
    pub fn on_follow(self, action: QuotesAction) -> impl Fn(MouseEvent) + Clone {
        move |event| {
            let is_elsewhere =
                event.ctrl_key() || event.meta_key() || event.shift_key() || event.alt_key();
            if !is_elsewhere && self.perform(action.clone()) {
                event.prevent_default();
            }
        }
    }

    /// The handler of a checkbox.
    pub fn on_check(self, symbol: String) -> impl Fn(Event) + Clone {
        move |event| {
            self.perform(QuotesAction::Choose(
                symbol.clone(),
                event_target_checked(&event),
            ));
        }
    }

    /// A text that follows from the chart.
    pub fn chart_text(
        self,
        text: impl Fn(&ChartShown) -> String + Send + Sync + 'static,
    ) -> Signal<String> {
        let text: Box<dyn Fn(&ChartShown) -> String + Send + Sync> = Box::new(text);
        Signal::derive(move || self.chart.with(&text))
    }

    /// A text that follows from what slow readers saw.
    pub fn slow_text(
        self,
        text: impl Fn(&SlowShown) -> String + Send + Sync + 'static,
    ) -> Signal<String> {
        let text: Box<dyn Fn(&SlowShown) -> String + Send + Sync> = Box::new(text);
        Signal::derive(move || self.slow.with(&text))
    }
}

impl RowSignals {
    /// A text that follows from the row.
    pub fn text(&self, text: fn(&RowShown) -> &str) -> Signal<String> {
        let shown = self.shown;
        Signal::derive(move || shown.with(|shown| text(shown).to_owned()))
    }
}
