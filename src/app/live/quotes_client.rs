//! The page of quotes, in the browser: subscribes to the chosen symbols, shows what arrives once per animation frame, and performs
//! what the reader does. Leaves what is shown to [`crate::app::quotes`], and the stream to `fairwind.js`.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use leptos::prelude::*;

use super::client::{Client, ClientEvent};
use super::quotes::{Quotes, QuotesAction, RowSignals, SlowReader, SlowShown};
use super::start::{performer, when_hydrated};
use super::{refusal, set_if_changed};
use crate::app::quotes::{Board, Tick, seconds_since_1970};
use crate::browser::animation_frame::FrameTask;
use crate::browser::fairwind::Wanted;
use crate::browser::json::Object;
use crate::browser::location;
use crate::browser::request::{self, TextResponse};
use crate::browser::timer::Interval;
use crate::protocol::quotes::{
    CHART, QUOTE_TOPICS, QuotesPage, SLOW_PATH, SYMBOL, quote_topic, ten_thousandths,
};
use crate::protocol::topic_path;

/// How often countdowns are looked at.
const TICK: Duration = Duration::from_secs(1);

/// The most of a symbol's prices that are asked for: one in four seconds is more than an hour.
const MAX_TICKS: usize = 1_000;

/// Subscribes once the page is hydrated.
pub(super) fn connect(quotes: Quotes, page: &QuotesPage) {
    let page = page.clone();
    when_hydrated(move || QuotesClient::start(quotes, &page));
}

/// Everything that lives as long as the page does. Callbacks hold it weakly.
struct QuotesClient {
    this: Weak<QuotesClient>,
    quotes: Quotes,
    /// All symbols, in the order of the table.
    symbols: Vec<String>,
    board: RefCell<Board>,
    client: Rc<Client>,
    frame: FrameTask,
    is_paused: Cell<bool>,
    ticker: RefCell<Option<Interval>>,
}

impl QuotesClient {
    fn start(quotes: Quotes, page: &QuotesPage) -> Rc<Self> {
        let this = Rc::new_cyclic(|this: &Weak<Self>| {
            let board = Board::from_page(page);
            let on_event = {
                let this = Weak::clone(this);
                move |event: ClientEvent<'_>| {
                    if let (Some(client), ClientEvent::News("event", news)) =
                        (this.upgrade(), event)
                    {
                        client.on_price(news);
                    }
                }
            };
            let frame = Weak::clone(this);
            Self {
                this: Weak::clone(this),
                quotes,
                symbols: page.symbols.clone(),
                client: Client::new(
                    quotes.connection,
                    wanted(&board),
                    page.last_event_id.clone(),
                    Box::new(on_event),
                ),
                board: RefCell::new(board),
                frame: FrameTask::new(move || {
                    if let Some(client) = frame.upgrade() {
                        client.show();
                    }
                }),
                is_paused: Cell::new(false),
                ticker: RefCell::new(None),
            }
        });
        let perform = performer(&this, Self::perform);
        quotes.controls.enable(perform);
        this.ticker.replace(Interval::every(TICK, {
            let client = Weak::clone(&this.this);
            move || {
                if let Some(client) = client.upgrade() {
                    client.client.tick();
                }
            }
        }));
        this.client.connect();
        this
    }

    fn on_price(&self, news: &Object) {
        let topic = news.text("topic").unwrap_or_default();
        let quote = news.text("data").and_then(|data| Object::read(&data));
        let Some((symbol, quote)) = topic.strip_prefix(QUOTE_TOPICS).zip(quote) else {
            return;
        };
        if let Some(tick) = tick_of(&quote) {
            self.board.borrow_mut().take(symbol, tick);
            self.frame.request();
        }
    }

    fn perform(&self, action: QuotesAction) {
        match action {
            QuotesAction::TogglePause => {
                let is_paused = !self.is_paused.get();
                self.is_paused.set(is_paused);
                self.quotes.is_paused.set(is_paused);
                self.frame.request();
            }
            QuotesAction::Choose(symbol, is_chosen) => self.choose(&symbol, is_chosen),
            QuotesAction::Chart(symbol) => {
                self.board.borrow_mut().chart(&symbol);
                let said = self.quotes.texts.quotes.charted(&symbol);
                self.quotes.said.set(said);
                location::replace_parameters(CHART, std::slice::from_ref(&symbol));
                self.subscribe();
                self.read_past(symbol);
                self.frame.request();
            }
            QuotesAction::WatchSlow => self.watch_slow(),
            QuotesAction::TryNow => self.client.retry(),
        }
    }

    fn choose(&self, symbol: &str, is_chosen: bool) {
        let before = self.board.borrow().symbols();
        let is_in = |known: &&String| {
            if *known == symbol {
                is_chosen
            } else {
                before.contains(*known)
            }
        };
        let chosen: Vec<String> = self.symbols.iter().filter(is_in).cloned().collect();
        let added = self.board.borrow_mut().choose(&chosen);
        let shown = self.quotes.rows.get_untracked();
        let board = self.board.borrow();
        let rows = chosen.iter().map(|symbol| {
            let known = shown.iter().find(|row| row.symbol == *symbol);
            known.cloned().unwrap_or_else(|| RowSignals {
                symbol: symbol.clone(),
                shown: RwSignal::new(board.shown(symbol)),
            })
        });
        let rows = rows.collect();
        drop(board);
        self.quotes.rows.set(rows);
        let texts = self.quotes.texts.quotes;
        let said = if is_chosen {
            texts.added(symbol)
        } else {
            texts.removed(symbol)
        };
        self.quotes.said.set(said);
        location::replace_parameters(SYMBOL, &chosen);
        self.subscribe();
        for symbol in added {
            self.read_past(symbol);
        }
    }

    /// Subscribes to what is shown now. What stays is neither lost nor repeated.
    fn subscribe(&self) {
        let wanted = wanted(&self.board.borrow());
        self.client.want(wanted);
    }

    /// Asks for the prices of a symbol that the server has kept.
    fn read_past(&self, symbol: String) {
        let path = format!("{}?limit={MAX_TICKS}", topic_path(&quote_topic(&symbol)));
        let this = Weak::clone(&self.this);
        request::get(&path, move |response| {
            let Some((client, TextResponse { status: 200, text })) = this.upgrade().zip(response)
            else {
                return;
            };
            let events = Object::read(&text).map(|snapshot| snapshot.objects("events"));
            let quotes = events.into_iter().flatten();
            let quotes = quotes.filter_map(|event| Object::read(&event.text("data")?));
            let past: Vec<Tick> = quotes.filter_map(|quote| tick_of(&quote)).collect();
            client.board.borrow_mut().put_before(&symbol, &past);
            client.frame.request();
        });
    }

    /// Lets the server show what slow readers see, which takes it some seconds.
    fn watch_slow(&self) {
        let texts = self.quotes.texts;
        if self.quotes.slow.with_untracked(|slow| slow.is_running) {
            return;
        }
        self.quotes.slow.update(|slow| slow.is_running = true);
        self.quotes.said.set(texts.quotes.slow_begun().to_owned());
        let this = Weak::clone(&self.this);
        request::get(SLOW_PATH, move |response| {
            let Some(client) = this.upgrade() else {
                return;
            };
            let quotes = client.quotes;
            let said = match response {
                Some(TextResponse { status: 200, text }) => {
                    let readers = Object::read(&text).map(|seen| slow_readers(&seen));
                    quotes.slow.try_set(SlowShown {
                        is_running: false,
                        readers: readers.unwrap_or_default(),
                    });
                    texts.quotes.slow_done().to_owned()
                }
                response => {
                    quotes.slow.try_update(|slow| slow.is_running = false);
                    match response {
                        Some(response) => {
                            let problem = Object::read(&response.text).unwrap_or_default();
                            let refusal = refusal(response.status.into(), &problem);
                            texts.quotes.slow_refused(&texts.refusal(&refusal))
                        }
                        None => texts.quotes.slow_unanswered().to_owned(),
                    }
                }
            };
            quotes.said.try_set(said);
        });
    }

    /// Brings the page up to date with all that has arrived since the last frame.
    fn show(&self) {
        if self.is_paused.get() {
            return;
        }
        let mut board = self.board.borrow_mut();
        let changed = board.take_changed();
        let chart = board.take_changed_chart();
        let received = board.received();
        drop(board);
        self.quotes.rows.with_untracked(|rows| {
            for (symbol, shown) in changed {
                if let Some(row) = rows.iter().find(|row| row.symbol == symbol) {
                    set_if_changed(row.shown, shown);
                }
            }
        });
        if let Some(chart) = chart {
            set_if_changed(self.quotes.chart, chart);
        }
        set_if_changed(self.quotes.received, received);
    }
}

/// The topics of what a board shows.
fn wanted(board: &Board) -> Wanted {
    let mut symbols = board.symbols();
    if !symbols.iter().any(|symbol| symbol == board.charted()) {
        symbols.push(board.charted().to_owned());
    }
    Wanted::newest_of(symbols.iter().map(|symbol| quote_topic(symbol)).collect())
}

fn tick_of(quote: &Object) -> Option<Tick> {
    Some(Tick {
        at: seconds_since_1970(&quote.text("time")?)?,
        price: ten_thousandths(quote.number("price")?),
        change: ten_thousandths(quote.number("change")?),
    })
}

fn slow_readers(seen: &Object) -> Vec<SlowReader> {
    let published = seen.count("published");
    let readers = seen.objects("readers").into_iter();
    let readers = readers.map(|reader| SlowReader {
        published,
        received: reader.count("received"),
        missed: reader.count("missed"),
        late: reader.count("late"),
        first_after: reader.count("first_after_ms"),
    });
    readers.collect()
}
