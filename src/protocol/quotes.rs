//! What server and browser must agree on for quotes: the topics of the feed, and the data of its events.

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

/// The topic of a symbol.
pub fn quote_topic(symbol: &str) -> String {
    format!("{QUOTE_TOPICS}{symbol}")
}
