//! The tables of the part `durable`. Its rows are not the servers but ways to run them.

use std::fmt::Write;

use super::{NONE, Report, cell, number, thousands};
use crate::scenarios::durable::{DISK, FAIRWIND, NATS, POSTERS, RATE};

/// The row that others are compared with.
const IN_MEMORY: &str = FAIRWIND[0].0;

impl Report<'_> {
    pub(super) fn durable(&self, text: &mut String) -> std::fmt::Result {
        let names = FAIRWIND
            .iter()
            .map(|(name, _)| *name)
            .chain(NATS.iter().map(|(name, _)| *name));
        let names: Vec<&str> = names
            .filter(|name| {
                self.get(name, "durable.posts").is_some()
                    || self
                        .broken_durable(name, &["publish", "streamed", "posts"])
                        .is_some()
            })
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        writeln!(text, "### A log on disk: publishing\n")?;
        let append = |what: &str| self.value(DISK, &format!("durable.append.{what}"));
        writeln!(
            text,
            "An append of 256 bytes and its `fdatasync` took {} µs (p50), {} µs (p99), without any server.\n",
            append("p50"),
            append("p99"),
        )?;
        writeln!(
            text,
            "| | streamed events a second | to memory | processor time per event, µs | p50 at {rate} a second, ms | p99, ms | \
             {POSTERS} publishers, events a second | to one `fdatasync` each | to memory | processor time per event, µs |",
            rate = thousands(RATE as usize),
        )?;
        writeln!(text, "| --- |{}", " ---: |".repeat(9))?;
        for &name in &names {
            let value = |key: &str| self.value(name, &format!("durable.{key}"));
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                self.durable_name(name, &["publish", "streamed", "posts"]),
                value("streamed.rate"),
                self.to_memory(name, "durable.streamed.rate"),
                value("streamed.cpu"),
                value("streamed.p50"),
                value("streamed.p99"),
                value("posts"),
                self.to_sync(name, "durable.posts"),
                self.to_memory(name, "durable.posts"),
                value("posts.cpu"),
            )?;
        }
        writeln!(text)?;
        if !names.contains(&IN_MEMORY) {
            return Ok(());
        }
        self.durable_delivery(text)?;
        self.durable_history(text)
    }

    fn durable_delivery(&self, text: &mut String) -> std::fmt::Result {
        let (Some(&(count, rate)), Some(idle)) = (self.plan.crowds.first(), self.plan.idle.last())
        else {
            return Ok(());
        };
        let memory = format!("durable.memory.{idle}");
        writeln!(text, "### A log on disk: delivering\n")?;
        writeln!(
            text,
            "{} subscribers and {rate} events a second; {} idle connections; one publish at a time to one subscriber.\n",
            thousands(count),
            thousands(*idle),
        )?;
        writeln!(
            text,
            "| | processor time per delivery, µs | to memory | p99, ms | KiB per idle connection | to memory | echo p50, µs | p99, µs |"
        )?;
        writeln!(text, "| --- |{}", " ---: |".repeat(7))?;
        for (name, _) in FAIRWIND {
            let value = |key: &str| self.value(name, key);
            writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                self.durable_name(name, &["steady", "echo", "memory"]),
                value("durable.steady.cpu"),
                self.to_memory(name, "durable.steady.cpu"),
                value("durable.steady.p99"),
                value(&memory),
                self.to_memory(name, &memory),
                value("echo.p50"),
                value("echo.p99"),
            )?;
        }
        writeln!(text)
    }

    fn durable_history(&self, text: &mut String) -> std::fmt::Result {
        let on_disk = FAIRWIND[1].0;
        writeln!(
            text,
            "### A log on disk: reading back, and starting again\n"
        )?;
        writeln!(
            text,
            "| {} events to one reader | events a second | to memory |",
            thousands(self.plan.durable.replayed as usize)
        )?;
        writeln!(text, "| --- | ---: | ---: |")?;
        for (what, name) in [("from memory", IN_MEMORY), ("from disk", on_disk)] {
            writeln!(
                text,
                "| {} | {} | {} |",
                match self.broken_durable(name, &["replay"]) {
                    Some(broken) => format!("{what}, **broken**: {broken}"),
                    None => what.to_owned(),
                },
                self.value(name, "durable.replay"),
                self.to_memory(name, "durable.replay"),
            )?;
        }
        writeln!(text)?;
        let topics = self.plan.durable.topics;
        writeln!(
            text,
            "| start to `listening on`, {} events of {} topics | ms |",
            thousands(topics * 10),
            thousands(topics)
        )?;
        writeln!(text, "| --- | ---: |")?;
        for what in ["stopped", "killed"] {
            let value = self.value(on_disk, &format!("durable.reopen.{what}"));
            let broken = self.broken_durable(on_disk, &["reopen"]);
            let broken = broken.map_or_else(String::new, |why| format!(", **broken**: {why}"));
            let signal = match what {
                "stopped" => "after SIGTERM",
                _ => "after `kill -9`",
            };
            writeln!(text, "| {signal}{broken} | {value} |")?;
        }
        writeln!(text)
    }

    fn value(&self, name: &str, key: &str) -> String {
        cell(self.get(name, key))
    }

    fn to_memory(&self, name: &str, key: &str) -> String {
        match (self.get(name, key), self.get(IN_MEMORY, key)) {
            (Some(value), Some(memory)) if memory.median > 0.0 => {
                format!("{} ×", number(value.median / memory.median))
            }
            _ => NONE.to_owned(),
        }
    }

    /// Against one `fdatasync` for each event, as long as an append took.
    fn to_sync(&self, name: &str, key: &str) -> String {
        match (self.get(name, key), self.get(DISK, "durable.append.p50")) {
            (Some(value), Some(append)) => {
                format!("{} ×", number(value.median * append.median / 1e6))
            }
            _ => NONE.to_owned(),
        }
    }

    fn durable_name(&self, name: &str, measurements: &[&str]) -> String {
        match self.broken_durable(name, measurements) {
            Some(broken) => format!("{name}, **broken**: {broken}"),
            None => name.to_owned(),
        }
    }

    fn broken_durable(&self, name: &str, measurements: &[&str]) -> Option<String> {
        let broken: Vec<String> = measurements
            .iter()
            .filter_map(|what| self.results.broken(name, &format!("durable.{what}")))
            .collect();
        (!broken.is_empty()).then(|| broken.join("; ").replace('|', "/"))
    }
}
