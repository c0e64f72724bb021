//! The tables: what was measured, as Markdown between two markers of a document whose prose stays.

mod durable;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::machine::Machine;
use crate::peers::{HISTORY, Peer};
use crate::results::Results;
use crate::scenarios::{HIGH_RATE, Plan, STREAMS_EACH};
use crate::statistics::Summary;

const BEGIN: &str = "<!-- results: begin -->";
const END: &str = "<!-- results: end -->";

/// The server that all others are compared with.
pub(crate) const FLOOR: &str = "floor";
pub(crate) const OWN: &str = "fairwind";

/// A load client with less time to spare than this may itself have been the limit.
const BUSY: f64 = 0.03;

pub(crate) struct Report<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) peers: &'a [Peer],
    pub(crate) plan: &'a Plan,
    pub(crate) results: &'a Results,
    pub(crate) rounds: u32,
    pub(crate) command: &'a str,
    pub(crate) took: Duration,
}

impl Report<'_> {
    pub(crate) fn json(&self) -> Result<String, String> {
        let all = json!({
            "date": date(),
            "command": self.command,
            "rounds": self.rounds,
            "machine": self.machine,
            "peers": self.peers,
            "results": self.results,
        });
        serde_json::to_string_pretty(&all).map_err(|error| error.to_string())
    }

    /// Puts the tables in place of what stands between the markers; a document without any becomes the tables alone.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let tables = self.tables();
        let document = match fs::read_to_string(path) {
            Ok(text) => match (text.split_once(BEGIN), text.split_once(END)) {
                (Some((before, _)), Some((_, after))) => {
                    format!("{before}{BEGIN}\n\n{tables}\n{END}{after}")
                }
                _ => return Err(format!("{} has no markers for the results", path.display())),
            },
            Err(_) => format!("# Benchmarks\n\n{BEGIN}\n\n{tables}\n{END}\n"),
        };
        fs::write(path, document).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn tables(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write_tables(&mut text);
        text
    }

    fn write_tables(&self, text: &mut String) -> std::fmt::Result {
        let Machine {
            cpu,
            cores,
            kernel,
            memory_gib,
            server_core,
            client_core,
            ..
        } = self.machine;
        writeln!(
            text,
            "{}, `{}`: {} of each measurement, in {}, on {cpu}, {cores} cores, {memory_gib:.0} GiB, Linux {kernel}. \
             The server ran on core {server_core}, the load on core {client_core}.\n",
            date(),
            self.command,
            match self.rounds {
                1 => "one round".to_owned(),
                rounds => format!("{rounds} rounds"),
            },
            match self.took.as_secs() {
                seconds @ 0..120 => format!("{seconds} seconds"),
                seconds => format!("{} minutes", seconds.div_ceil(60)),
            },
        )?;
        self.glance(text)?;
        for &(count, rate) in &self.plan.crowds {
            if !self.has(&format!("steady.{count}.cpu"), &format!("steady.{count}")) {
                continue;
            }
            writeln!(
                text,
                "### {} subscribers, {rate} events a second\n",
                thousands(count)
            )?;
            self.steady(text, &format!("steady.{count}"))?;
        }
        for &count in &self.plan.most {
            self.most(text, count)?;
        }
        self.memory(text)?;
        self.echo(text)?;
        for &rate in &self.plan.paces {
            self.paced(text, rate)?;
        }
        self.topics(text, "topics", &self.plan.topics, "topics")?;
        self.topics(
            text,
            "elsewhere",
            &self.plan.elsewhere,
            "subscribers of other topics",
        )?;
        self.replay(text)?;
        if let (true, Some((count, rate))) =
            (self.has("socket.cpu", "socket"), self.plan.crowds.first())
        {
            let count = thousands(*count);
            writeln!(
                text,
                "### WebSocket: {count} subscribers, {rate} events a second\n"
            )?;
            writeln!(
                text,
                "The ratio is to the floor's event stream; it has no WebSocket.\n"
            )?;
            self.steady(text, "socket")?;
        }
        self.gzip(text)?;
        self.tls(text)?;
        self.durable(text)?;
        self.versions(text)
    }

    fn get(&self, peer: &str, key: &str) -> Option<Summary> {
        self.results.get(peer, key)
    }

    fn has(&self, key: &str, measurement: &str) -> bool {
        self.peers.iter().any(|peer| {
            self.get(&peer.name, key).is_some()
                || self.results.broken(&peer.name, measurement).is_some()
        })
    }

    /// The server's name, and what was wrong in this measurement.
    fn name(&self, peer: &Peer, measurement: &str) -> String {
        match self.results.broken(&peer.name, measurement) {
            Some(broken) => format!("{}, **broken**: {}", peer.name, broken.replace('|', "/")),
            None => peer.name.clone(),
        }
    }

    fn ratio(&self, peer: &str, key: &str, floor_key: &str) -> String {
        match (self.get(peer, key), self.get(FLOOR, floor_key)) {
            (Some(value), Some(floor)) if floor.median > 0.0 => {
                format!("{} ×", number(value.median / floor.median))
            }
            _ => NONE.to_owned(),
        }
    }

    /// Every target in one table.
    fn glance(&self, text: &mut String) -> std::fmt::Result {
        if !self
            .peers
            .iter()
            .any(|peer| peer.name == OWN && peer.skipped.is_none())
        {
            return Ok(());
        }
        let mut rows = Vec::new();
        for &(count, _) in &self.plan.crowds {
            let crowd = thousands(count);
            rows.push((
                format!("processor time per delivery, {crowd} subscribers, µs"),
                format!("steady.{count}.cpu"),
                false,
            ));
            rows.push((
                format!("p99 latency, {crowd} subscribers, ms"),
                format!("steady.{count}.p99"),
                false,
            ));
        }
        for &count in &self.plan.most {
            let crowd = thousands(count);
            rows.push((
                format!("most deliveries a second, {crowd} subscribers"),
                format!("most.{count}.rate"),
                true,
            ));
        }
        if let Some(&count) = self
            .plan
            .idle
            .iter()
            .rfind(|count| self.get(OWN, &format!("memory.{count}")).is_some())
        {
            let crowd = thousands(count);
            rows.push((
                format!("memory per idle connection, {crowd}, KiB"),
                format!("memory.{count}"),
                false,
            ));
        }
        rows.push((
            "publish to one subscriber, p50, µs".to_owned(),
            "echo.p50".to_owned(),
            false,
        ));
        for rate in &self.plan.paces {
            for (what, key) in [("p50", "p50"), ("processor time per event", "cpu")] {
                rows.push((
                    format!(
                        "{} paced publishes a second to one subscriber, {what}, µs",
                        number(*rate)
                    ),
                    format!("paced.{rate}.{key}"),
                    false,
                ));
            }
        }
        rows.push((
            format!("replay of {}, events a second", thousands(HISTORY)),
            "replay".to_owned(),
            true,
        ));
        rows.push((
            "WebSocket: processor time per delivery, µs".to_owned(),
            "socket.cpu".to_owned(),
            false,
        ));

        for (what, key) in [
            ("compressed stream: processor time per delivery", "gzip.cpu"),
            (
                "HTTP/1.1 over TLS: processor time per delivery",
                "tls.http1.cpu",
            ),
            (
                "HTTP/2 over TLS: processor time per delivery",
                "tls.http2.cpu",
            ),
        ] {
            rows.push((format!("{what}, µs"), key.to_owned(), false));
        }
        if let Some(count) = self.plan.idle_tls.last() {
            for (what, key) in [("1.1", "http1"), ("2", "http2")] {
                rows.push((
                    format!(
                        "HTTP/{what} over TLS: memory per idle connection, {}, KiB",
                        thousands(*count)
                    ),
                    format!("tls.{key}.memory.{count}"),
                    false,
                ));
            }
        }

        writeln!(text, "### Fairwind at a glance\n")?;
        writeln!(
            text,
            "| | floor | floor-batch | Fairwind | to the floor | best of the other servers |"
        )?;
        writeln!(text, "| --- | ---: | ---: | ---: | ---: | --- |")?;
        for (title, key, more_is_better) in rows {
            if self.get(OWN, &key).is_none() {
                continue;
            }
            let others = self
                .peers
                .iter()
                .filter(|peer| !peer.name.starts_with(FLOOR) && peer.name != OWN);
            let best = others
                .filter_map(|peer| Some((self.get(&peer.name, &key)?.median, &peer.name)))
                .min_by(|(a, _), (b, _)| {
                    if more_is_better {
                        b.total_cmp(a)
                    } else {
                        a.total_cmp(b)
                    }
                })
                .map_or_else(
                    || NONE.to_owned(),
                    |(value, name)| format!("{}, {name}", number(value)),
                );
            let middle = |peer| {
                self.get(peer, &key)
                    .map_or_else(|| NONE.to_owned(), |value| number(value.median))
            };
            let (floor, batch, own) = (middle(FLOOR), middle("floor-batch"), middle(OWN));
            let ratio = self.ratio(OWN, &key, &key);
            writeln!(
                text,
                "| {title} | {floor} | {batch} | {own} | {ratio} | {best} |"
            )?;
        }
        writeln!(text)
    }

    fn steady(&self, text: &mut String, key: &str) -> std::fmt::Result {
        writeln!(
            text,
            "| server | processor time per delivery, µs | to the floor | p50, ms | p99, ms | longest, ms |"
        )?;
        writeln!(text, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
        let floor_key = match (key, self.plan.crowds.first()) {
            ("socket" | "tls.http1" | "tls.http2", Some((count, _))) => {
                format!("steady.{count}.cpu")
            }
            _ => format!("{key}.cpu"),
        };
        for peer in self.rows(&format!("{key}.cpu"), key) {
            let cell = |what: &str| self.cell(peer, &format!("{key}.{what}"));
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                self.name(peer, key),
                cell("cpu"),
                self.ratio(&peer.name, &format!("{key}.cpu"), &floor_key),
                cell("p50"),
                cell("p99"),
                cell("max"),
            )?;
        }
        writeln!(text)
    }

    fn most(&self, text: &mut String, count: usize) -> std::fmt::Result {
        let key = format!("most.{count}");
        if !self.has(&format!("{key}.rate"), &key) {
            return Ok(());
        }
        writeln!(
            text,
            "### The most deliveries a second, {} subscribers\n",
            thousands(count)
        )?;
        writeln!(
            text,
            "| server | deliveries a second held | to the floor | p99 there, ms | p99 at {} a second, ms | what ended it |",
            thousands(HIGH_RATE as usize),
        )?;
        writeln!(text, "| --- | ---: | ---: | ---: | ---: | --- |")?;
        let rate = format!("{key}.rate");
        for peer in self.rows(&rate, &key) {
            let mut why = self.results.note(&peer.name, &key).unwrap_or_default();
            if self
                .get(&peer.name, &format!("{key}.idle"))
                .is_some_and(|idle| idle.median < BUSY)
            {
                why.push_str(" (the load client had no time to spare)");
            }
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {why} |",
                self.name(peer, &key),
                self.cell(peer, &rate),
                self.ratio(&peer.name, &rate, &rate),
                self.cell(peer, &format!("{key}.p99")),
                self.cell(peer, &format!("{key}.high")),
            )?;
        }
        writeln!(text)
    }

    fn gzip(&self, text: &mut String) -> std::fmt::Result {
        let Some((count, rate)) = self.plan.crowds.first() else {
            return Ok(());
        };
        if !self.has("gzip.cpu", "gzip") {
            return Ok(());
        }
        let count = thousands(*count);
        writeln!(
            text,
            "### Compressed streams: {count} subscribers, {rate} events a second\n"
        )?;
        writeln!(
            text,
            "| server | processor time per delivery, µs | plain | to plain | bytes per delivery | plain | p50, ms | p99, ms |"
        )?;
        writeln!(
            text,
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )?;
        for peer in self.rows("gzip.cpu", "gzip") {
            let middle = |key: &str| self.get(&peer.name, key).map(|value| value.median);
            let ratio = match (middle("gzip.cpu"), middle("gzip.plain.cpu")) {
                (Some(gzip), Some(plain)) if plain > 0.0 => format!("{} ×", number(gzip / plain)),
                _ => NONE.to_owned(),
            };
            let cell = |key: &str| self.cell(peer, key);
            writeln!(
                text,
                "| {} | {} | {} | {ratio} | {} | {} | {} | {} |",
                self.name(peer, "gzip"),
                cell("gzip.cpu"),
                cell("gzip.plain.cpu"),
                cell("gzip.bytes"),
                cell("gzip.plain.bytes"),
                cell("gzip.p50"),
                cell("gzip.p99"),
            )?;
        }
        writeln!(text)
    }

    fn tls(&self, text: &mut String) -> std::fmt::Result {
        let Some((count, rate)) = self.plan.crowds.first() else {
            return Ok(());
        };
        let crowd = thousands(*count);
        for (key, what) in [
            ("tls.http1", "HTTP/1.1 over TLS".to_owned()),
            ("tls.http2", "HTTP/2 over TLS".to_owned()),
        ] {
            if !self.has(&format!("{key}.cpu"), key) {
                continue;
            }
            let how = match key {
                "tls.http2" => format!(", {STREAMS_EACH} streams on each connection"),
                _ => String::new(),
            };
            writeln!(
                text,
                "### {what}: {crowd} subscribers{how}, {rate} events a second\n"
            )?;
            writeln!(
                text,
                "The ratio is to the floor's event stream; it has no TLS.\n"
            )?;
            self.steady(text, key)?;
            let how = match key {
                "tls.http2" => ", one stream on each",
                _ => "",
            };
            let title = format!("{what}: memory per idle connection{how}, KiB");
            self.memory_of(
                text,
                &title,
                &format!("{key}.memory"),
                key,
                &self.plan.idle_tls,
            )?;
        }
        Ok(())
    }

    fn memory(&self, text: &mut String) -> std::fmt::Result {
        let title = "Memory per idle connection, KiB";
        self.memory_of(text, title, "memory", "memory", &self.plan.idle)
    }

    fn memory_of(
        &self,
        text: &mut String,
        title: &str,
        key: &str,
        measurement: &str,
        counts: &[usize],
    ) -> std::fmt::Result {
        let counts: Vec<usize> = counts
            .iter()
            .copied()
            .filter(|count| self.has(&format!("{key}.{count}"), measurement))
            .collect();
        let Some(last) = counts.last() else {
            return Ok(());
        };
        writeln!(text, "### {title}\n")?;
        let heads: Vec<String> = counts
            .iter()
            .map(|&count| format!("{} connections", thousands(count)))
            .collect();
        writeln!(text, "| server | {} | to the floor |", heads.join(" | "))?;
        writeln!(text, "| --- |{} ---: |", " ---: |".repeat(counts.len()))?;
        for peer in self.rows(&format!("{key}.{last}"), measurement) {
            write!(text, "| {} |", self.name(peer, measurement))?;
            for count in &counts {
                write!(text, " {} |", self.cell(peer, &format!("{key}.{count}")))?;
            }
            let ratio = self.ratio(
                &peer.name,
                &format!("{key}.{last}"),
                &format!("memory.{last}"),
            );
            writeln!(text, " {ratio} |")?;
        }
        writeln!(text)
    }

    fn echo(&self, text: &mut String) -> std::fmt::Result {
        if !self.has("echo.p50", "echo") {
            return Ok(());
        }
        writeln!(text, "### One publish at a time to one subscriber\n")?;
        writeln!(text, "| server | p50, µs | to the floor | p99, µs |")?;
        writeln!(text, "| --- | ---: | ---: | ---: |")?;
        for peer in self.rows("echo.p50", "echo") {
            let (p50, p99) = (self.cell(peer, "echo.p50"), self.cell(peer, "echo.p99"));
            let ratio = self.ratio(&peer.name, "echo.p50", "echo.p50");
            writeln!(
                text,
                "| {} | {p50} | {ratio} | {p99} |",
                self.name(peer, "echo")
            )?;
        }
        writeln!(text)
    }

    fn paced(&self, text: &mut String, rate: f64) -> std::fmt::Result {
        let key = format!("paced.{rate}");
        let [p50, p99, cpu] = ["p50", "p99", "cpu"].map(|what| format!("{key}.{what}"));
        if !self.has(&p50, &key) {
            return Ok(());
        }
        writeln!(
            text,
            "### One publish to one subscriber, {} a second\n",
            number(rate)
        )?;
        writeln!(
            text,
            "| server | p50, µs | to the floor | p99, µs | processor time per event, µs | to the floor |"
        )?;
        writeln!(text, "| --- | ---: | ---: | ---: | ---: | ---: |")?;
        for peer in self.rows(&p50, &key) {
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} |",
                self.name(peer, &key),
                self.cell(peer, &p50),
                self.ratio(&peer.name, &p50, &p50),
                self.cell(peer, &p99),
                self.cell(peer, &cpu),
                self.ratio(&peer.name, &cpu, &cpu),
            )?;
        }
        writeln!(text)
    }

    fn topics(
        &self,
        text: &mut String,
        key: &str,
        counts: &[usize],
        what: &str,
    ) -> std::fmt::Result {
        let Some(first) = counts.first() else {
            return Ok(());
        };
        let first_key = format!("{key}.{first}.cpu");
        if !self.has(&first_key, key) {
            return Ok(());
        }
        writeln!(text, "### What a publish costs, by the number of {what}\n")?;
        let heads: Vec<String> = counts.iter().map(|&count| thousands(count)).collect();
        writeln!(text, "| server | | {} |", heads.join(" | "))?;
        writeln!(text, "| --- | --- |{}", " ---: |".repeat(counts.len()))?;
        for peer in self.rows(&first_key, key) {
            for (what, title) in [("cpu", "processor time, µs"), ("p50", "answer, p50, µs")] {
                write!(text, "| {} | {title} |", self.name(peer, key))?;
                for count in counts {
                    write!(
                        text,
                        " {} |",
                        self.cell(peer, &format!("{key}.{count}.{what}"))
                    )?;
                }
                writeln!(text)?;
            }
        }
        writeln!(text)
    }

    fn replay(&self, text: &mut String) -> std::fmt::Result {
        if !self.has("replay", "replay") {
            return Ok(());
        }
        writeln!(
            text,
            "### Replay of {} events to one reader\n",
            thousands(HISTORY)
        )?;
        writeln!(text, "| server | events a second | to floor-batch | |")?;
        writeln!(text, "| --- | ---: | ---: | --- |")?;
        let floor = self.get("floor-batch", "replay");
        for peer in self.rows("replay", "replay") {
            let ratio = match (self.get(&peer.name, "replay"), floor) {
                (Some(value), Some(floor)) => format!("{} ×", number(value.median / floor.median)),
                _ => NONE.to_owned(),
            };
            let note = self.results.note(&peer.name, "replay");
            writeln!(
                text,
                "| {} | {} | {ratio} | {} |",
                self.name(peer, "replay"),
                self.cell(peer, "replay"),
                note.unwrap_or_default(),
            )?;
        }
        writeln!(text)
    }

    fn versions(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "### The servers\n")?;
        writeln!(text, "| server | version |")?;
        writeln!(text, "| --- | --- |")?;
        for peer in self.peers {
            match &peer.skipped {
                Some(why) => writeln!(text, "| {} | left out: {why} |", peer.name)?,
                None => writeln!(text, "| {} | {} |", peer.name, peer.version)?,
            }
        }
        Ok(())
    }

    /// The servers of which there is this number, or something to say about this measurement.
    fn rows(&self, key: &str, measurement: &str) -> impl Iterator<Item = &Peer> {
        self.peers
            .iter()
            .filter(move |peer| {
                self.get(&peer.name, key).is_some()
                    || self.results.broken(&peer.name, measurement).is_some()
                    || self.results.note(&peer.name, measurement).is_some()
            })
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn cell(&self, peer: &Peer, key: &str) -> String {
        cell(self.get(&peer.name, key))
    }
}

/// The median, and the spread if there is one.
fn cell(value: Option<Summary>) -> String {
    match value {
        None => NONE.to_owned(),
        Some(Summary { median, min, max }) if number(min) == number(max) => number(median),
        Some(Summary { median, min, max }) => {
            format!("{} ({}–{})", number(median), number(min), number(max))
        }
    }
}

const NONE: &str = "–";

/// Today, as 2026-11-22.
fn date() -> String {
    let printed = Command::new("date").args(["--utc", "+%F"]).output();
    printed.map_or_else(
        |_| "on a day that is not known".to_owned(),
        |printed| String::from_utf8_lossy(&printed.stdout).trim().to_owned(),
    )
}

/// Three digits that count, or all of a whole number's, in groups of three.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().max(1e-9).log10().floor() as i32;
    if magnitude < 3 {
        let decimals = (2 - magnitude).clamp(0, 6) as usize;
        return format!("{value:.decimals$}");
    }
    let unit = 10_f64.powi(magnitude - 2);
    thousands(((value / unit).round() * unit) as usize)
}

pub(crate) fn thousands(value: usize) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.1656, "0.166"),
            (1.0, "1.00"),
            (4.3302, "4.33"),
            (27.29, "27.3"),
            (999.4, "999"),
            (1909.8, "1,910"),
            (4_728_652.0, "4,730,000"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(thousands(100_000), "100,000");
        assert_eq!(thousands(999), "999");
    }
}
