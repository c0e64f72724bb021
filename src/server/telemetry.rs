//! Logging: everything goes to standard error, so that standard output keeps to the one line that scripts read.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::settings::LogFilter;

/// Starts logging what the filter lets through.
pub(super) fn start(filter: &LogFilter) {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter.as_str()))
        .with_writer(io::stderr)
        // Colours are for people: a journal or a file would keep their codes.
        .with_ansi(io::stderr().is_terminal())
        .init();
}
