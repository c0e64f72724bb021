//! The comparison: starts each server in turn, loads it, and writes what it measured to docs/benchmarks.md.
//! `bash bench/run.sh` prepares the servers and runs this from the repository's root.

mod client;
mod event;
mod http2;
mod machine;
mod nats;
mod order;
mod peers;
mod plot;
mod report;
mod results;
mod scenarios;
mod server;
mod socket;
mod statistics;
mod stream;
mod transport;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::machine::Machine;
use crate::peers::Peer;
use crate::report::Report;
use crate::results::Results;
use crate::scenarios::{Part, Plan, Runner};
use crate::transport::Certificate;

/// Compares Fairwind with other servers of events on this machine.
#[derive(Debug, Parser)]
#[command(bin_name = "bench/run.sh", max_term_width = 110)]
struct Options {
    /// Fewer and shorter measurements, for a look, in one round
    #[arg(long)]
    quick: bool,

    /// Only these servers
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,

    /// Only these parts
    #[arg(long, value_name = "PARTS", value_delimiter = ',', value_enum)]
    parts: Vec<Part>,

    /// How often everything is measured [default: 3, with --quick 1]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: Option<u32>,

    /// File that the tables are written to, between its markers; the plot goes beside it [default: docs/benchmarks.md for
    /// a full comparison, bench/results/benchmarks.md for a quick or partial one]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|error| error.to_string())?;
    }
    let machine = Machine::take()?;
    let folder = PathBuf::from("bench/results");
    let peers = Peer::read_all(&folder.join("peers.tsv"))?;
    let selected = |peer: &&Peer| options.only.is_empty() || options.only.contains(&peer.name);
    let parts = match options.parts.as_slice() {
        [] => Part::value_variants().to_vec(),
        parts => parts.to_vec(),
    };
    let partial = options.quick || !options.only.is_empty() || !options.parts.is_empty();
    let plan = if options.quick {
        Plan::quick(parts)
    } else {
        Plan::full(parts)
    };
    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 3 });

    let begun = Instant::now();
    let mut results = Results::default();
    let temporary = std::env::temp_dir().join(format!("fairwind-bench-{}", std::process::id()));
    fs::create_dir_all(&temporary).map_err(|error| format!("{}: {error}", temporary.display()))?;
    // The temporary folder may be in memory.
    let disk = std::env::current_dir().map_err(|error| error.to_string())?;
    let disk = disk.join(format!("bench/target/durable-{}", std::process::id()));
    let certificate = Certificate::make(&temporary)?;
    let mut done = Ok(());
    'rounds: for round in 1..=rounds {
        for peer in peers
            .iter()
            .filter(selected)
            .filter(|peer| peer.skipped.is_none())
        {
            eprintln!("==> round {round} of {rounds}: {}", peer.name);
            let mut runner = Runner {
                machine: &machine,
                plan: &plan,
                results: &mut results,
                folder: temporary.clone(),
                disk: disk.clone(),
                certificate: &certificate,
                nats_server: peers
                    .iter()
                    .find(|peer| peer.is_nats() && peer.skipped.is_none()),
                stop: Arc::clone(&stop),
            };
            done = runner.round(peer);
            if done.is_err() {
                break 'rounds;
            }
        }
    }
    // The logs stand beside the results.
    keep_logs(&temporary, &folder);
    let _ = fs::remove_dir_all(&temporary);
    let _ = fs::remove_dir_all(&disk);
    done?;

    let mut command = "bash bench/run.sh".to_owned();
    for argument in std::env::args().skip(1) {
        command = format!("{command} {argument}");
    }
    let peers: Vec<Peer> = peers.iter().filter(selected).cloned().collect();
    let report = Report {
        machine: &machine,
        peers: &peers,
        plan: &plan,
        results: &results,
        rounds,
        command: &command,
        took: begun.elapsed(),
    };
    let raw = folder.join("results.json");
    fs::write(&raw, report.json()?).map_err(|error| format!("{}: {error}", raw.display()))?;
    let output = options.output.clone().unwrap_or_else(|| {
        if partial {
            folder.join("benchmarks.md")
        } else {
            PathBuf::from("docs/benchmarks.md")
        }
    });
    report.write(&output)?;
    let picture = output.with_extension("svg");
    fs::write(&picture, plot::svg(&report))
        .map_err(|error| format!("{}: {error}", picture.display()))?;
    eprintln!(
        "==> {}, {} and {}",
        output.display(),
        picture.display(),
        raw.display()
    );
    Ok(())
}

fn keep_logs(from: &std::path::Path, to: &std::path::Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let _ = fs::copy(&path, to.join(entry.file_name()));
        }
    }
}
