//! What server and browser must agree on for quotes: the topics of the feed, and the data of its events.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// The page.
pub const QUOTES_PATH: &str = "/quotes";

/// What the names of the feed's topics begin with; a symbol follows.
pub const QUOTE_TOPICS: &str = "quotes/";

/// How much of the past a chart shows, in seconds.
pub const CHART_SECONDS: u64 = 3_600;

/// The data of an event: the price of one symbol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quote {
    /// What is traded, such as `AAPL`.
    pub symbol: String,
    /// What it costs.
    pub price: f64,
    /// How much more than at the opening.
    pub change: f64,
    /// When it had this price, as RFC 3339 in UTC with milliseconds.
    pub time: String,
}

/// What the page is rendered with. Prices are ten-thousandths, times are seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotesPage {
    /// Scheme and authority under which the reader reached the server, such as `http://127.0.0.1:8080`.
    pub origin: String,
    /// Whether the market is simulated; its prices are those of a file otherwise.
    pub is_simulated: bool,
    /// Where the log stood.
    pub last_event_id: String,
    /// All symbols.
    pub symbols: Vec<String>,
    /// The chosen ones.
    pub rows: Vec<SymbolPage>,
    /// The symbol whose chart is shown.
    pub charted: String,
    /// Its prices of the last hour, oldest first.
    pub chart: Vec<(u64, i64)>,
}

/// A chosen symbol on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolPage {
    /// The symbol.
    pub symbol: String,
    /// How much its price has changed.
    pub change: i64,
    /// Its prices of the last hour, oldest first.
    pub history: Vec<(u64, i64)>,
}

/// A price as whole ten-thousandths.
pub fn ten_thousandths(price: f64) -> i64 {
    // A price is far below what the type holds; what is no number becomes 0.
    (price * 10_000.0).round() as i64
}

/// Query parameter of the page: a symbol that the reader has chosen. It may be repeated.
pub const SYMBOL: &str = "symbol";

/// Query parameter of the page: the symbol whose chart is shown.
pub const CHART: &str = "chart";

/// Where the server shows what a slow reader sees.
pub const SLOW_PATH: &str = "/quotes/slow";

/// The page with these symbols and this chart. A symbol has no character that a query escapes but `^` and `=`.
pub fn page_path(symbols: &[String], charted: &str) -> String {
    let mut path = format!("{QUOTES_PATH}?{CHART}={}", escaped(charted));
    for symbol in symbols {
        path.push('&');
        path.push_str(SYMBOL);
        path.push('=');
        path.push_str(&escaped(symbol));
    }
    path
}

fn escaped(symbol: &str) -> String {
    utf8_percent_encode(symbol, NON_ALPHANUMERIC).to_string()
}

/// The topic of a symbol.
pub fn quote_topic(symbol: &str) -> String {
    format!("{QUOTE_TOPICS}{symbol}")
}
