//! Quotes: the price of each symbol on a topic of its own, such as `quotes/AAPL`. They come from a simulated market, or from a
//! file of real ticks with their own timing.
//!
//! The feed publishes while its prices are wanted: while a topic below `quotes/` has a subscriber, and for a minute after that or
//! after the page was rendered. Otherwise it sleeps, and neither the log nor the processor has anything of it. When a
//! simulated market wakes, it first publishes a price a minute for the time that it has slept, of at most the last hour.
//!
//! Of each symbol, one price in four seconds is retained, so that a topic's 1,000 events are more than an hour; those between are
//! ephemeral.
//!
//! * `market`: the simulated prices
//! * `ticks`: those of a file

mod market;
mod ticks;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::market::{LISTING, Market};
use self::ticks::Ticks;
pub use self::ticks::TicksError;
use super::turn::Turn;
use super::{Feed, FeedTask, FeedTopics};
use crate::hub::pattern::Pattern;
use crate::hub::publish::{Preconditions, PublishError, PublishRequest};
use crate::hub::topic::Topic;
use crate::hub::{HistoryQuery, Hub, Submitted};
use crate::protocol::event::EventId;
use crate::protocol::quotes::{CHART_SECONDS, QUOTE_TOPICS, Quote, quote_topic};

/// The time between two prices of the simulated market: 100 a second.
const PACE: Duration = Duration::from_millis(10);

/// How long a price is retained alone of its symbol.
const KEEP_INTERVAL: Duration = Duration::from_secs(4);

/// How often a feed looks whether its prices are wanted, and whether another server publishes them.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long prices are wanted after the last subscriber has gone, or the page was rendered.
const LINGER: Duration = Duration::from_secs(60);

/// A server that has published nothing for this long does so no more, and another may.
const LEASE: Duration = Duration::from_secs(10);

/// How late the feed may be before it leaves out the time that it is behind, as after a suspended machine wakes.
const MAX_LATE: Duration = Duration::from_secs(1);

/// How long the page waits for a feed that wakes up.
const WAKING: Duration = Duration::from_millis(500);

/// The time between two prices that stand for what a market did while it slept.
const BACKFILL_INTERVAL: Duration = Duration::from_secs(60);

/// How many steps a price makes in that time.
const STEPS_OF_BACKFILL: u128 =
    BACKFILL_INTERVAL.as_millis() / (PACE.as_millis() * LISTING.len() as u128);

/// How many events are submitted before the receipt of the first is awaited.
const AT_ONCE: usize = 64;

/// The feed of quotes.
pub struct Quotes {
    symbols: Vec<Symbol>,
    pattern: Pattern,
    origin: Origin,
    /// Until when the page that was rendered last wants prices.
    wanted_until: Mutex<Option<Instant>>,
    /// Counts what the page has asked for.
    asked: watch::Sender<u64>,
    /// Whether the feed publishes, or has found that another server does.
    is_awake: watch::Sender<bool>,
}

/// Where prices come from.
#[derive(Debug)]
enum Origin {
    /// A simulated market with this seed.
    Simulation(u64),
    /// A file.
    File(Ticks),
}

/// A symbol, and what it is compared with.
#[derive(Debug)]
struct Symbol {
    name: String,
    topic: Topic,
    /// The price at the opening.
    opening: f64,
}

/// A price that is to be published.
struct Step {
    symbol: usize,
    price: f64,
}

/// Where the next price comes from.
enum Source<'a> {
    Market(Market),
    Ticks { ticks: &'a Ticks, next: usize },
}

/// A seed that gives a market, or a file that gives ticks, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QuotesError {
    /// The file is wrong.
    #[error(transparent)]
    Ticks(#[from] TicksError),
    /// A symbol names no topic.
    #[error("a symbol of the quotes names no topic: {0}")]
    Symbol(String),
}

/// Takes a text as a symbol: it is a part of a URL and of a query, and stands in a narrow column.
fn check_symbol(symbol: &str) -> Result<(), String> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '^' | '=');
    let is_symbol = (1..=16).contains(&symbol.len())
        && symbol.chars().all(is_taken)
        && !symbol.trim_matches('.').is_empty();
    if is_symbol {
        return Ok(());
    }
    Err("a symbol has 1 to 16 letters and digits of ASCII, with . - _ ^ = between".to_owned())
}

impl Quotes {
    /// A simulated market of 50 symbols. Equal seeds give equal prices.
    ///
    /// # Errors
    ///
    /// [`QuotesError`] if a symbol names no topic.
    pub fn simulated(seed: u64) -> Result<Self, QuotesError> {
        let symbols = LISTING.map(|(name, cents)| (name.to_owned(), f64::from(cents) / 100.0));
        Self::new(symbols.into(), Origin::Simulation(seed))
    }

    /// The ticks of a file, again and again.
    ///
    /// # Errors
    ///
    /// [`QuotesError`] if the file cannot be read, or a line of it is wrong.
    pub fn from_file(path: &Path) -> Result<Self, QuotesError> {
        let ticks = Ticks::read(path)?;
        let opening = |index| {
            let mut all = ticks.all.iter();
            all.find(|tick| tick.symbol == index)
                .map_or(0.0, |tick| tick.price)
        };
        let symbols = ticks.symbols.iter().enumerate();
        let symbols = symbols.map(|(index, name)| (name.clone(), opening(index)));
        Self::new(symbols.collect(), Origin::File(ticks))
    }

    fn new(symbols: Vec<(String, f64)>, origin: Origin) -> Result<Self, QuotesError> {
        let wrong = |error: &dyn std::fmt::Display| QuotesError::Symbol(error.to_string());
        let symbols = symbols.into_iter().map(|(name, opening)| {
            let topic = Topic::new(&quote_topic(&name)).map_err(|error| wrong(&error))?;
            Ok(Symbol {
                name,
                topic,
                opening,
            })
        });
        let pattern = Pattern::new(&format!("{QUOTE_TOPICS}*")).map_err(|error| wrong(&error))?;
        Ok(Self {
            symbols: symbols.collect::<Result<_, QuotesError>>()?,
            pattern,
            origin,
            wanted_until: Mutex::default(),
            asked: watch::Sender::default(),
            is_awake: watch::Sender::default(),
        })
    }

    /// The symbols, in the order in which a page lists them.
    pub fn symbols(&self) -> impl Iterator<Item = &str> {
        self.symbols.iter().map(|symbol| symbol.name.as_str())
    }

    /// The topic of a symbol; `None` if there is none.
    pub fn topic(&self, symbol: &str) -> Option<&Topic> {
        let mut symbols = self.symbols.iter();
        let symbol = symbols.find(|known| known.name == symbol)?;
        Some(&symbol.topic)
    }

    /// Whether the prices are those of a simulated market.
    pub fn is_simulated(&self) -> bool {
        matches!(self.origin, Origin::Simulation(_))
    }

    /// A page wants prices, now and for the next minute. Waits a moment for a feed that wakes up.
    pub async fn wake(&self) {
        *self.wanted_until.lock() = Some(Instant::now() + LINGER);
        self.asked.send_modify(|count| *count += 1);
        let mut is_awake = self.is_awake.subscribe();
        // A page without prices is better than none.
        let _ = timeout(WAKING, is_awake.wait_for(|is_awake| *is_awake)).await;
    }

    /// Returns when prices are wanted.
    async fn wanted(&self, hub: &Hub) {
        let mut asked = self.asked.subscribe();
        while !self.is_wanted(hub) {
            tokio::select! {
                () = sleep(LOOK_INTERVAL) => {}
                _ = asked.changed() => {}
            }
        }
    }

    fn is_wanted(&self, hub: &Hub) -> bool {
        let now = Instant::now();
        let mut until = self.wanted_until.lock();
        if hub.has_subscribers_within(&self.pattern) {
            *until = Some(now + LINGER);
        }
        until.is_some_and(|until| now < until)
    }

    /// Publishes while prices are wanted.
    async fn publish(&self, hub: &Hub, source: &mut Source<'_>, turn: &mut Turn) {
        let mut publisher = Publisher {
            quotes: self,
            hub,
            turn,
            kept_at: vec![None; self.symbols.len()],
            submitted: Vec::new(),
            is_silent: false,
        };
        let mut has_turn = false;
        // When the next price is due, and when the feed looks whether it goes on.
        let mut due = Instant::now();
        let mut look_at = due;
        loop {
            if Instant::now() >= look_at {
                publisher.settle().await;
                if !self.is_wanted(hub) {
                    return;
                }
                let had_turn = has_turn;
                has_turn = !publisher.is_turn_of_another();
                if has_turn && !had_turn {
                    publisher.catch_up(source).await;
                    due = Instant::now();
                }
                look_at = Instant::now() + LOOK_INTERVAL;
                self.is_awake.send_replace(true);
            }
            if !has_turn || due > look_at {
                sleep_until(look_at).await;
                continue;
            }
            sleep_until(due).await;
            let step = source.step();
            publisher.publish(&step, SystemTime::now(), None).await;
            due += source.delay();
            let now = Instant::now();
            if now > due + MAX_LATE {
                due = now;
            }
        }
    }
}

impl Feed for Quotes {
    fn name(&self) -> &'static str {
        "the feed of quotes"
    }

    fn topics(&self) -> FeedTopics {
        FeedTopics::Matching(self.pattern.clone())
    }

    fn run(self: Arc<Self>, hub: Hub, cancelled: CancellationToken) -> FeedTask {
        Box::pin(async move {
            let mut source = Source::of(&self.origin);
            let topics = self.symbols.iter().map(|symbol| symbol.topic.clone());
            let mut turn = Turn::new(topics.collect());
            let publishing = async {
                loop {
                    self.wanted(&hub).await;
                    tracing::debug!("the feed of quotes publishes");
                    self.publish(&hub, &mut source, &mut turn).await;
                    self.is_awake.send_replace(false);
                    tracing::debug!("the feed of quotes sleeps");
                }
            };
            // What was submitted is published, whether its receipt is awaited or not.
            let _: Option<()> = cancelled.run_until_cancelled(publishing).await;
        })
    }
}

impl<'a> Source<'a> {
    fn of(origin: &'a Origin) -> Self {
        match origin {
            Origin::Simulation(seed) => Self::Market(Market::new(*seed)),
            Origin::File(ticks) => Self::Ticks { ticks, next: 0 },
        }
    }

    /// How long after the last step the next one comes.
    fn delay(&self) -> Duration {
        match self {
            Self::Market(_) => PACE,
            Self::Ticks { ticks, next } => ticks.delay(*next),
        }
    }

    fn step(&mut self) -> Step {
        match self {
            Self::Market(market) => {
                let symbol = market.step();
                Step {
                    symbol,
                    price: market.price(symbol),
                }
            }
            Self::Ticks { ticks, next } => {
                let tick = ticks.all[*next];
                *next = (*next + 1) % ticks.all.len();
                Step {
                    symbol: tick.symbol,
                    price: tick.price,
                }
            }
        }
    }
}

/// What publishes while the feed is awake.
struct Publisher<'a> {
    quotes: &'a Quotes,
    hub: &'a Hub,
    turn: &'a mut Turn,
    /// When a price of each symbol was retained last.
    kept_at: Vec<Option<Instant>>,
    /// What has no receipt yet, and whether it is retained.
    submitted: Vec<(Submitted, bool)>,
    /// The last receipt was a refusal.
    is_silent: bool,
}

impl Publisher<'_> {
    /// Whether another server that shares the log publishes the prices.
    fn is_turn_of_another(&self) -> bool {
        self.hub.shares_its_log() && self.turn.is_of_another(self.hub, LEASE)
    }

    /// Submits a price; one with an id is retained in any case.
    async fn publish(&mut self, step: &Step, time: SystemTime, id: Option<EventId>) {
        let symbol = &self.quotes.symbols[step.symbol];
        let now = Instant::now();
        let kept_at = &mut self.kept_at[step.symbol];
        let is_kept = id.is_some() || kept_at.is_none_or(|at| now >= at + KEEP_INTERVAL);
        if is_kept && id.is_none() {
            *kept_at = Some(now);
        }
        let quote = Quote {
            symbol: symbol.name.clone(),
            price: step.price,
            change: rounded(step.price - symbol.opening),
            time: rfc_3339(time),
        };
        let data = match serde_json::to_string(&quote) {
            Ok(data) => data,
            // A price of a file is finite, and so is one of the market.
            Err(error) => {
                tracing::debug!("a quote is no JSON: {error}");
                return;
            }
        };
        let request = PublishRequest {
            id,
            is_ephemeral: !is_kept,
            ..PublishRequest::text(data)
        };
        let submitted = self
            .hub
            .submit(&symbol.topic, request, Preconditions::default());
        self.submitted.push((submitted.await, is_kept));
        if self.submitted.len() >= AT_ONCE {
            self.settle().await;
        }
    }

    /// Awaits the receipts of what was submitted.
    async fn settle(&mut self) {
        for (submitted, is_kept) in self.submitted.drain(..) {
            match submitted.receipt().await {
                Ok(receipt) => {
                    self.is_silent = false;
                    if is_kept {
                        self.turn.published(receipt.id);
                    }
                }
                // Another server has published the price of this minute.
                Err(PublishError::DuplicateId(_)) => {}
                // The first shows that prices are missing; the others would fill the log of the process.
                Err(error) if !std::mem::replace(&mut self.is_silent, true) => {
                    tracing::warn!("a quote could not be published: {error}");
                }
                Err(error) => tracing::debug!("a quote could not be published: {error}"),
            }
        }
    }

    /// Takes over the prices that were published last, by an earlier run or another server; and publishes what a simulated market
    /// did since then, a price a minute. Each has the minute as its id, so that two servers that wake at one moment publish
    /// it once.
    async fn catch_up(&mut self, source: &mut Source<'_>) {
        let Source::Market(market) = source else {
            return;
        };
        let now = SystemTime::now();
        let begin = now - Duration::from_secs(CHART_SECONDS);
        let mut since = Vec::with_capacity(self.quotes.symbols.len());
        for (index, symbol) in self.quotes.symbols.iter().enumerate() {
            let newest = self.hub.snapshot(&symbol.topic, &HistoryQuery::newest());
            let newest = newest.events.last();
            let quote =
                newest.and_then(|newest| serde_json::from_str::<Quote>(&newest.event.data).ok());
            if let Some(quote) = quote {
                market.set_price(index, quote.price);
            }
            since.push(newest.map_or(begin, |newest| newest.published_at.max(begin)));
        }
        let mut minute = next_minute(since.iter().copied().min().unwrap_or(now));
        while minute < now {
            for (symbol, since) in since.iter().enumerate() {
                let is_missing = minute >= *since + BACKFILL_INTERVAL;
                let Some(id) = EventId::new(rfc_3339(minute)).ok().filter(|_| is_missing) else {
                    continue;
                };
                for _ in 0..STEPS_OF_BACKFILL {
                    market.move_price(symbol);
                }
                let price = market.price(symbol);
                self.publish(&Step { symbol, price }, minute, Some(id))
                    .await;
            }
            minute += BACKFILL_INTERVAL;
            // Other tasks of this thread get their turn.
            tokio::task::yield_now().await;
        }
        self.settle().await;
    }
}

/// The first full minute after a moment.
fn next_minute(moment: SystemTime) -> SystemTime {
    let since_1970 = moment
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let minutes = since_1970.as_secs() / BACKFILL_INTERVAL.as_secs() + 1;
    SystemTime::UNIX_EPOCH + Duration::from_secs(minutes * BACKFILL_INTERVAL.as_secs())
}

/// A difference of prices without what floating point adds to it.
fn rounded(change: f64) -> f64 {
    (change * 1e6).round() / 1e6
}

fn rfc_3339(moment: SystemTime) -> String {
    DateTime::<Utc>::from(moment).to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests;
