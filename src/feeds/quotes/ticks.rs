//! Real ticks from a file: CSV whose first line is `time,symbol,price`, or NDJSON with the same members. Every line is read and
//! checked when the server starts, so that a wrong one stops the start with a message that names it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::Duration;

use chrono::DateTime;
use serde::Deserialize;

use super::check_symbol;

/// The most symbols of a file: one stream takes as many topics.
pub(super) const MAX_SYMBOLS: usize = 100;

/// The most ticks of a file. They are in memory, 24 bytes each.
pub(super) const MAX_TICKS: usize = 1_000_000;

/// How long a replay pauses before it begins again. A file whose ticks all have one time would be published without end
/// otherwise.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest line of NDJSON, in bytes.
const MAX_LINE: u64 = 4_096;

/// The ticks of a file, in the order of their times.
#[derive(Debug, PartialEq)]
pub(super) struct Ticks {
    /// The symbols in the order of their first ticks.
    pub(super) symbols: Vec<String>,
    /// At least one.
    pub(super) all: Vec<Tick>,
}

/// One tick.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tick {
    /// When, as milliseconds since 1970.
    at: i64,
    /// The symbol's place.
    pub(super) symbol: usize,
    /// What it costs from then on.
    pub(super) price: f64,
}

/// A file that cannot be replayed. The message names the file, the line, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum TicksError {
    /// The file cannot be read.
    #[error("--quotes-from: cannot read {file}: {error}")]
    File {
        /// Its path.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A line is wrong.
    #[error("--quotes-from: {file}, line {line}: {problem}")]
    Line {
        /// The file's path.
        file: String,
        /// The line's number, from 1 on.
        line: u64,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// There is nothing to replay.
    #[error(
        "--quotes-from: {0} has no ticks; write lines of CSV below the line time,symbol,price, or NDJSON such as {{\"time\":\"2026-11-26T14:30:00.120Z\",\"symbol\":\"AAPL\",\"price\":227.5}}"
    )]
    Empty(String),
}

/// A line of the file.
#[derive(Deserialize)]
struct Line {
    time: Time,
    symbol: String,
    price: f64,
}

/// RFC 3339, or milliseconds since 1970.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Milliseconds(i64),
    Text(String),
}

impl Ticks {
    /// Reads a file; its name says in which form it is: NDJSON if it ends with `.ndjson`, `.jsonl` or `.json`, otherwise CSV.
    pub(super) fn read(path: &Path) -> Result<Self, TicksError> {
        let file = path.display().to_string();
        let opened = File::open(path).map_err(|error| TicksError::File {
            file: file.clone(),
            error,
        })?;
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_ndjson = matches!(extension, Some("ndjson" | "jsonl" | "json"));
        let mut reader = TickReader {
            file,
            ticks: Self {
                symbols: Vec::new(),
                all: Vec::new(),
            },
            places: HashMap::new(),
        };
        if is_ndjson {
            reader.ndjson(BufReader::new(opened))?;
        } else {
            reader.csv(opened)?;
        }
        if reader.ticks.all.is_empty() {
            return Err(TicksError::Empty(reader.file));
        }
        Ok(reader.ticks)
    }

    /// How long after the tick before it a tick comes; before the first one is the last, and a pause.
    pub(super) fn delay(&self, index: usize) -> Duration {
        let Some(before) = index.checked_sub(1) else {
            return PAUSE;
        };
        let delay = self.all[index].at.saturating_sub(self.all[before].at);
        Duration::from_millis(u64::try_from(delay).unwrap_or_default())
    }
}

struct TickReader {
    file: String,
    ticks: Ticks,
    places: HashMap<String, usize>,
}

impl TickReader {
    fn csv(&mut self, input: impl Read) -> Result<(), TicksError> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(input);
        let mut line = 1;
        let mut rows = reader.deserialize();
        while let Some(row) = rows.next() {
            let row: Line = row.map_err(|error| {
                let at = error.position().map_or(line, csv::Position::line);
                let what = match error.kind() {
                    csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
                    _ => error.to_string(),
                };
                self.wrong(
                    at,
                    format!("{what}; a line is time,symbol,price as the first line names them"),
                )
            })?;
            line = rows.reader().position().line().saturating_sub(1);
            self.add(line, row)?;
        }
        Ok(())
    }

    fn ndjson(&mut self, mut input: impl BufRead) -> Result<(), TicksError> {
        let mut text = String::new();
        for line in 1.. {
            text.clear();
            let read = input.by_ref().take(MAX_LINE).read_line(&mut text);
            match read {
                Ok(0) => break,
                Ok(_) if text.trim().is_empty() => continue,
                Ok(_) => {}
                Err(error) => return Err(self.wrong(line, error.to_string())),
            }
            let row: Line = serde_json::from_str(&text).map_err(|error| {
                self.wrong(
                    line,
                    format!("{error}; a line is an object with time, symbol and price"),
                )
            })?;
            self.add(line, row)?;
        }
        Ok(())
    }

    fn add(&mut self, line: u64, row: Line) -> Result<(), TicksError> {
        let at = match &row.time {
            Time::Milliseconds(at) => *at,
            Time::Text(text) => milliseconds(text).ok_or_else(|| {
                self.wrong(line, format!("the time '{text}' is none; write RFC 3339 such as 2026-11-26T14:30:00.120Z, or milliseconds since 1970"))
            })?,
        };
        if let Some(before) = self.ticks.all.last()
            && at < before.at
        {
            return Err(self.wrong(
                line,
                "its time is before that of the line above; sort the lines by time",
            ));
        }
        if !row.price.is_finite() || row.price <= 0.0 {
            return Err(self.wrong(
                line,
                format!("the price {} is none; it is above 0", row.price),
            ));
        }
        let symbol = match self.places.get(&row.symbol) {
            Some(place) => *place,
            None => {
                check_symbol(&row.symbol).map_err(|problem| self.wrong(line, problem))?;
                let place = self.ticks.symbols.len();
                if place >= MAX_SYMBOLS {
                    return Err(self.wrong(
                        line,
                        format!("this is one symbol more than the {MAX_SYMBOLS} that a file may have; leave some out"),
                    ));
                }
                self.ticks.symbols.push(row.symbol.clone());
                self.places.insert(row.symbol, place);
                place
            }
        };
        if self.ticks.all.len() >= MAX_TICKS {
            return Err(self.wrong(
                line,
                format!("a file may have {MAX_TICKS} ticks; cut it here"),
            ));
        }
        self.ticks.all.push(Tick {
            at,
            symbol,
            price: row.price,
        });
        Ok(())
    }

    fn wrong(&self, line: u64, problem: impl Into<String>) -> TicksError {
        TicksError::Line {
            file: self.file.clone(),
            line,
            problem: problem.into(),
        }
    }
}

fn milliseconds(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    Some(time.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file of this name with this content.
    fn read(name: &str, content: &str) -> Result<Ticks, String> {
        let folder = std::env::temp_dir().join(format!(
            "fairwind-ticks-{}-{}",
            std::process::id(),
            fastrand::u64(..)
        ));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.join(name);
        std::fs::write(&path, content).expect("a file");
        let read = Ticks::read(&path).map_err(|error| error.to_string());
        std::fs::remove_dir_all(&folder).expect("no folder");
        read
    }

    const CSV: &str = "time,symbol,price\n2026-11-26T14:30:00.000Z,AAPL,227.5\n2026-11-26T14:30:00.120Z,EUR-USD,1.08345\n1795703400500, AAPL ,227.51\n";

    const NDJSON: &str = r#"{"time":"2026-11-26T14:30:00Z","symbol":"AAPL","price":227.5}

{"time":"2026-11-26T14:30:00.120Z","symbol":"EUR-USD","price":1.08345,"venue":"X"}
{"time":1795703400500,"symbol":"AAPL","price":227.51}"#;

    #[test]
    fn both_forms_give_the_same_ticks_with_their_own_timing() {
        let ticks = read("ticks.csv", CSV).expect("ticks");
        assert_eq!(ticks.symbols, ["AAPL", "EUR-USD"]);
        let places: Vec<usize> = ticks.all.iter().map(|tick| tick.symbol).collect();
        assert_eq!(places, [0, 1, 0]);
        assert_eq!(ticks.all[1].price, 1.08345);
        let delays: Vec<u128> = (0..3).map(|index| ticks.delay(index).as_millis()).collect();
        assert_eq!(delays, [1_000, 120, 380]);
        assert_eq!(read("ticks.ndjson", NDJSON), Ok(ticks));
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let text = "venue,price,time,symbol\nX,2.5,1795703400000,A\n";
        let ticks = read("ticks.csv", text).expect("ticks");
        assert_eq!((ticks.symbols[0].as_str(), ticks.all[0].price), ("A", 2.5));
    }

    #[test]
    fn a_wrong_line_is_named_with_its_file_and_what_would_be_right() {
        let head = "time,symbol,price\n2026-11-26T14:30:00Z,A,1\n";
        for (line, problem) in [
            ("2026-11-26T14:30:00Z,A,x", "line 3: field 2: invalid float"),
            ("2026-11-26T14:30:00Z,A", "line 3: CSV error"),
            ("yesterday,A,1", "line 3: the time 'yesterday' is none"),
            ("2026-11-26T14:29:59Z,A,1", "line 3: its time is before"),
            ("2026-11-26T14:30:00Z,A,-1", "line 3: the price -1 is none"),
            (
                "2026-11-26T14:30:00Z,A,inf",
                "line 3: the price inf is none",
            ),
            ("2026-11-26T14:30:00Z,A/../B,1", "line 3: a symbol has"),
            ("2026-11-26T14:30:00Z,,1", "line 3: a symbol has"),
        ] {
            let error = read("ticks.csv", &format!("{head}{line}\n")).expect_err(line);
            assert!(
                error.contains("ticks.csv, ") && error.contains(problem),
                "{error}"
            );
        }
        let error = read("ticks.jsonl", &format!("{NDJSON}\n{{}}")).expect_err("no tick");
        assert!(
            error.contains("ticks.jsonl, line 5: missing field"),
            "{error}"
        );
        let error = read("ticks.csv", "symbol,price\nA,1\n").expect_err("no time");
        assert!(error.contains("line 2: missing field `time`"), "{error}");
    }

    #[test]
    fn a_file_without_ticks_or_that_is_not_there_is_refused() {
        for (name, content) in [
            ("a.csv", ""),
            ("a.csv", "time,symbol,price\n"),
            ("a.ndjson", "\n"),
        ] {
            let error = read(name, content).expect_err("no ticks");
            assert!(error.contains(" has no ticks"), "{error}");
        }
        let error = Ticks::read(Path::new("/nowhere/ticks.csv")).expect_err("no file");
        assert!(error.to_string().contains("cannot read /nowhere/ticks.csv"));
    }

    #[test]
    fn a_file_has_a_bounded_number_of_symbols() {
        let lines = |count: usize| {
            let lines = (0..count).map(|number| format!("{number},S{number},1\n"));
            format!("time,symbol,price\n{}", lines.collect::<String>())
        };
        assert!(read("ticks.csv", &lines(MAX_SYMBOLS)).is_ok());
        let error = read("ticks.csv", &lines(MAX_SYMBOLS + 1)).expect_err("one more");
        assert!(
            error.contains("line 102: this is one symbol more"),
            "{error}"
        );
    }

    #[test]
    fn a_file_has_a_bounded_number_of_ticks_and_a_bounded_line() {
        let lines = format!("time,symbol,price\n{}", "1,A,1\n".repeat(MAX_TICKS + 1));
        let error = read("ticks.csv", &lines).expect_err("one more");
        assert!(error.contains("line 1000002: a file may have"), "{error}");
        let long = format!(r#"{{"symbol":"{}"}}"#, "x".repeat(10_000));
        let error = read("ticks.ndjson", &long).expect_err("a long line");
        assert!(error.contains("line 1: EOF"), "{error}");
    }
}
