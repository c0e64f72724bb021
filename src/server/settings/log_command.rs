//! `fairwind log`: looks at the folder of a log on disk, while a server uses it or offline. `check` says whether it is whole,
//! `dump` prints its events as JSON, `bench` measures the disk. The looking itself is [`inspect`]'s; this file has the
//! command line, the text, and the JSON.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};
use serde::Serialize;

use super::subcommand;
use crate::hub::log::disk::inspect::{self, LoggedEvent, Report, SyncTimes};
use crate::hub::topic::Topic;
use crate::server::http::answers::{rfc3339, to_json};

/// The name of the subcommand.
const NAME: &str = "log";

/// An fdatasync that takes less does not wait for a medium.
const QUICKEST_DISK: Duration = Duration::from_micros(20);

/// Checks, prints or measures the folder of a log
///
/// The folder is the one that the server has as --data. A server may use it meanwhile: nothing of the log is changed.
///
/// Exit codes: 0 if the log is whole, 1 if it is damaged or a file cannot be read, 2 if the command line is wrong.
#[derive(Debug, Parser)]
#[command(
    name = NAME,
    bin_name = "fairwind log",
    max_term_width = 110,
    after_help = "Examples:\n  fairwind log check /var/lib/fairwind\n  fairwind log dump /var/lib/fairwind --topic kitchen\n  fairwind log bench /var/lib/fairwind"
)]
struct LogCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Reads every byte of the log, and says whether it is whole
    ///
    /// Prints a line for each segment, then notes and damage with the file and the position, and in the last line 'whole' or
    /// what to do. A commit that was not finished at the end of the newest segment is no damage: the next start cuts it off.
    #[command(
        after_help = "Example:\n  fairwind log check /var/lib/fairwind && echo the backup can be used"
    )]
    Check {
        /// Folder of the log
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },

    /// Prints the log's events as JSON, one to a line, in order
    ///
    /// Where something is damaged, standard error names the place, and the events after it follow as far as their topics
    /// are still known.
    #[command(
        after_help = "Examples:\n  fairwind log dump /var/lib/fairwind | jq -c 'select(.private)'\n  fairwind log dump /var/lib/fairwind --topic kitchen --publishable |\n    curl -T - -H 'Content-Type: application/x-ndjson' http://127.0.0.1:8080/topics/kitchen"
    )]
    Dump {
        /// Folder of the log
        #[arg(value_name = "DIR")]
        folder: PathBuf,

        /// Only the events of this topic
        #[arg(long, value_name = "TOPIC", value_parser = topic)]
        topic: Option<Topic>,

        /// Only what publishing takes (data, id, type, retry, keep, private), so that the output can be published again; a
        /// topic's end is left out
        #[arg(long, requires = "topic")]
        publishable: bool,
    },

    /// Measures how long the disk takes to make an append durable
    ///
    /// Appends 256 bytes and 16 KiB in turn to a temporary file in the folder, with an fdatasync after each, and removes
    /// the file.
    #[command(after_help = "Example:\n  fairwind log bench /var/lib/fairwind --count 1000")]
    Bench {
        /// Folder on the disk to measure
        #[arg(value_name = "DIR")]
        folder: PathBuf,

        /// Number of appends
        #[arg(long, value_name = "NUMBER", default_value = "200", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        count: u32,
    },
}

/// The subcommand, for the help of the program.
pub(crate) fn command() -> clap::Command {
    LogCommand::command()
}

/// Runs the subcommand if the command line, whose first item is the program's name, asks for it.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let command: LogCommand = match subcommand::parse(NAME, arguments)? {
        Ok(command) => command,
        Err(code) => return Some(code),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let whole = match &command.action {
        Action::Check { folder } => check(folder, &mut out),
        Action::Dump {
            folder,
            topic,
            publishable,
        } => {
            let form = if *publishable {
                Form::Publishable
            } else {
                Form::Whole
            };
            dump(folder, topic.as_ref(), form, &mut out, &mut io::stderr())
        }
        Action::Bench { folder, count } => bench(folder, *count, &mut out),
    };
    let whole = whole.and_then(|is_whole| printed(out.flush()).map(|()| is_whole));
    Some(subcommand::exit_code(whole.map(|whole| match whole {
        Condition::Whole => ExitCode::SUCCESS,
        Condition::Damaged => ExitCode::FAILURE,
    })))
}

/// Whether the log has everything that it should have.
#[derive(Debug, PartialEq, Eq)]
enum Condition {
    Whole,
    Damaged,
}

/// Which members an event has in a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Publishable,
}

/// A text was printed, or its reader has gone, as `head` does.
fn printed(written: io::Result<()>) -> Result<(), String> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

fn cannot_read(folder: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}", folder.display())
}

fn check(folder: &Path, out: &mut dyn Write) -> Result<Condition, String> {
    let report = inspect::check(folder).map_err(|error| cannot_read(folder, &error))?;
    printed(print_report(&report, out))?;
    Ok(if report.is_whole() {
        Condition::Whole
    } else {
        Condition::Damaged
    })
}

fn print_report(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let titles = [
        "segment", "first", "last", "commits", "events", "topics", "bytes",
    ]
    .map(str::to_owned);
    let rows = report.segments.iter().map(|segment| {
        [
            segment.file.clone(),
            segment.first.number().to_string(),
            segment
                .last
                .map_or("-".to_owned(), |last| last.number().to_string()),
            segment.frames.to_string(),
            segment.events.to_string(),
            segment.topics.to_string(),
            segment.bytes.to_string(),
        ]
    });
    let rows: Vec<_> = std::iter::once(titles).chain(rows).collect();
    let widths: [usize; 7] = std::array::from_fn(|column| {
        let widths = rows.iter().map(|row| row[column].len());
        widths.max().unwrap_or_default()
    });
    for row in &rows {
        let [name, numbers @ ..] = row;
        write!(out, "{name:<0$}", widths[0])?;
        for (number, width) in numbers.iter().zip(&widths[1..]) {
            write!(out, "  {number:>width$}")?;
        }
        writeln!(out)?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for damage in &report.damage {
        writeln!(out, "damage: {damage}")?;
    }
    match report.damage.len() {
        0 => writeln!(out, "whole"),
        count => {
            let places = if count == 1 { "place" } else { "places" };
            writeln!(
                out,
                "damaged in {count} {places}: restore the folder from a copy, or start the server with --on-damage gap: what is lost becomes a gap for its readers. 'fairwind log dump' prints what can still be read. Copy the folder before such a start, which cuts the segment off at the damage"
            )
        }
    }
}

/// An event in a dump. The members that publishing takes too have the same names there.
#[derive(Serialize)]
struct EventLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also_in: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'a str>,
    data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published_at: Option<String>,
    /// The id that the log gives an event whose publisher has chosen another.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
}

impl<'a> EventLine<'a> {
    fn new(event: &'a LoggedEvent, form: Form) -> Self {
        let LoggedEvent { entry, log_id, key } = event;
        let is_whole = form == Form::Whole;
        let event_type = &entry.event.event_type;
        let retry = entry.retry.map(|retry| retry.as_millis());
        Self {
            id: (is_whole || entry.has_own_id).then(|| entry.event.id.as_str()),
            topic: is_whole.then(|| entry.topic.as_str()),
            also_in: if is_whole {
                entry.also_in.iter().map(Topic::as_str).collect()
            } else {
                Vec::new()
            },
            r#type: (!event_type.is_message()).then(|| event_type.as_str()),
            data: &entry.event.data,
            retry: retry.map(|retry| retry.try_into().unwrap_or(u64::MAX)),
            keep: entry.is_ephemeral.then_some(false),
            private: entry.is_private.then_some(true),
            end: entry.is_end.then_some(true),
            published_at: is_whole.then(|| rfc3339(entry.published_at)),
            log_id: (is_whole && entry.has_own_id).then(|| log_id.as_str()),
            idempotency_key: key
                .as_ref()
                .filter(|_| is_whole)
                .map(|key| key.key.as_str()),
        }
    }
}

fn dump(
    folder: &Path,
    topic: Option<&Topic>,
    form: Form,
    out: &mut dyn Write,
    remarks: &mut dyn Write,
) -> Result<Condition, String> {
    let mut condition = Condition::Whole;
    let mut written = Ok(());
    let read = inspect::read_events(folder, topic, |event| {
        let event = match event {
            Ok(event) => event,
            Err(damage) => {
                condition = Condition::Damaged;
                // The exit code says it too.
                let _ = writeln!(remarks, "damage: {damage}");
                return ControlFlow::Continue(());
            }
        };
        if form == Form::Publishable && event.entry.is_end {
            let topic = event.entry.topic.as_str();
            let _ = writeln!(
                remarks,
                "note: the end of the topic {topic} is left out: DELETE ends a topic"
            );
            return ControlFlow::Continue(());
        }
        written = writeln!(out, "{}", to_json(&EventLine::new(&event, form)));
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    read.map_err(|error| cannot_read(folder, &error))?;
    printed(written)?;
    Ok(condition)
}

fn bench(folder: &Path, count: u32, out: &mut dyn Write) -> Result<Condition, String> {
    let times = inspect::sync_times(folder, count as usize)
        .map_err(|error| format!("cannot write to {}: {error}", folder.display()))?;
    printed(print_times(count, &times, out))?;
    Ok(Condition::Whole)
}

fn print_times(count: u32, times: &SyncTimes, out: &mut dyn Write) -> io::Result<()> {
    let milliseconds = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 1_000.0);
    let [p50, p99, max] = [times.p50, times.p99, times.max].map(milliseconds);
    writeln!(
        out,
        "{count} appends with fdatasync, of 256 bytes and 16 KiB in turn: p50 {p50}, p99 {p99}, max {max}"
    )?;
    if times.p50 < QUICKEST_DISK {
        return writeln!(
            out,
            "No disk is as quick as {p50}: this folder is in memory, or something between here and the disk takes the bytes and only promises to store them, so that a power cut may lose what --sync always has committed."
        );
    }
    let commits = 1.0 / times.p50.as_secs_f64();
    writeln!(
        out,
        "With --sync always a publisher waits about {p50} for its commit, and one time in a hundred {p99} or more; there are about {commits:.0} commits a second, and all events that arrive during one share the next."
    )
}

fn topic(text: &str) -> Result<Topic, String> {
    Topic::new(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
