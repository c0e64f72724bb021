//! Logging: everything goes to standard error, so that standard output keeps to the one line that scripts read. A log that
//! cannot be written stops nothing; see [`log_writer`].

mod log_writer;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use self::log_writer::LogWriter;

/// How long the end of the process waits for the log's last lines.
const FINISH_WITHIN: Duration = Duration::from_millis(200);

/// The log of the process.
static LOG: OnceLock<LogWriter> = OnceLock::new();

/// Writes the log's last lines when it is dropped.
pub(crate) struct Logging(());

/// Starts logging what the filter lets through, such as `info,fairwind=debug`.
///
/// # Errors
///
/// When the system has no thread to give.
pub(crate) fn start(filter: &str) -> io::Result<Logging> {
    let log = LogWriter::start(io::stderr())?;
    let log = LOG.get_or_init(|| log).clone();
    // Panics are logged in the same way: the usual report goes straight to standard error, and waits for it.
    let for_panics = log.clone();
    panic::set_hook(Box::new(move |panic| {
        for_panics.put(report(panic).as_bytes());
    }));
    tracing_subscriber::fmt()
        // The client of nats-servers tells at length what the log on them tells as well.
        .with_env_filter(EnvFilter::new(format!("async_nats=warn,{filter}")))
        .with_writer(move || log.clone())
        .log_internal_errors(false)
        // Colours are for people: a journal or a file would keep their codes.
        .with_ansi(io::stderr().is_terminal())
        .init();
    Ok(Logging(()))
}

/// How many lines of the log have been dropped because they could not be written.
pub(crate) fn dropped_lines() -> u64 {
    LOG.get().map_or(0, LogWriter::dropped)
}

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(log) = LOG.get() {
            log.finish(FINISH_WITHIN);
        }
    }
}

fn report(panic: &PanicHookInfo<'_>) -> String {
    let thread = thread::current();
    let name = thread.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => format!("thread '{name}' {panic}\n{backtrace}\n"),
        _ => format!("thread '{name}' {panic}\n"),
    }
}
