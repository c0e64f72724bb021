//! What is printed: tables in Markdown.

use std::fmt::{self, Write};

use clap::ValueEnum;

use crate::costs::{Costs, Storage};
use crate::limits::{self, Limit};
use crate::simulation::{Load, Placement, Setup};
use crate::spread;

const NODES: [usize; 8] = [1, 2, 3, 5, 10, 20, 50, 100];
const STREAMS: [usize; 5] = [1, 2, 4, 8, 16];

/// Seeds whose results a mean is taken of.
const SEEDS: u64 = 20;

/// Everything, for a setup and what varies of it.
pub(crate) fn write(text: &mut String, setup: &Setup, costs: &Costs) -> fmt::Result {
    sweeps(text, setup, costs)?;
    ends(text, setup, costs)?;
    ends_by_storage(text, costs)?;
    imbalance(text, setup)?;
    followed(text, setup)?;
    several_streams(text, setup, costs)?;
    moved(text)
}

/// A table's title, head and lines; the first column is to the left, numbers are to the right.
fn table(text: &mut String, title: &str, head: &[String], rows: &[Vec<String>]) -> fmt::Result {
    writeln!(text, "\n### {title}\n")?;
    writeln!(text, "| {} |", head.join(" | "))?;
    writeln!(text, "| ---{} |", " | ---:".repeat(head.len() - 1))?;
    for row in rows {
        writeln!(text, "| {} |", row.join(" | "))?;
    }
    Ok(())
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().copied().map(str::to_owned).collect()
}

/// A number with its thousands parted, in three digits or as an integer.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = match value.abs() {
        value if value >= 99.95 || value == 0.0 => 0,
        value if value >= 9.995 => 1,
        value if value >= 0.9995 => 2,
        _ => 3,
    };
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    parted(whole) + rest
}

/// A number of things.
fn count(count: usize) -> String {
    parted(&count.to_string())
}

/// The digits of a whole number, with its thousands parted.
fn parted(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A share as a percentage.
fn percent(share: f64) -> String {
    format!("{} %", number(100.0 * share))
}

/// What one thing costs that varies, while the others stay as they are.
fn sweeps(text: &mut String, setup: &Setup, costs: &Costs) -> fmt::Result {
    let by = |vary: &dyn Fn(&mut Setup, usize), values: &[usize]| {
        let row = |value: &usize| {
            let mut setup = setup.clone();
            vary(&mut setup, *value);
            (count(*value), setup)
        };
        values.iter().map(row).collect::<Vec<_>>()
    };
    let nodes = by(&|setup, value| setup.nodes = value, &NODES);
    sweep(text, "nodes", &nodes, costs)?;
    let rates = [100, 1_000, 10_000, 30_000, 100_000];
    let rates = by(&|setup, value| setup.events = value as f64, &rates);
    sweep(text, "events a second", &rates, costs)?;
    let topics = [10, 100, 1_000, 10_000, 100_000];
    let topics = by(&|setup, value| setup.topics = value, &topics);
    sweep(text, "topics", &topics, costs)?;
    let readers = [1_000, 10_000, 100_000, 1_000_000];
    let readers = by(&|setup, value| setup.readers = value, &readers);
    sweep(text, "readers", &readers, costs)?;
    let streams = by(&|setup, value| setup.streams = value, &STREAMS);
    sweep(text, "streams", &streams, costs)
}

fn sweep(text: &mut String, of: &str, setups: &[(String, Setup)], costs: &Costs) -> fmt::Result {
    let head = [
        of,
        "applied/s",
        "deliveries/s",
        "at the busiest node",
        "core applying",
        "core delivering",
        "core publishing",
        "in from streams, MB/s",
        "out to readers, MB/s",
        "readers' memory, MiB",
        "streams followed",
        "busiest stream to mean",
        "stream's messages/s",
        "of its limit",
        "its server sends, Mbit/s",
        "its server's cores",
        "first limit",
    ];
    let rows: Vec<_> = setups
        .iter()
        .map(|(value, setup)| {
            let load = setup.simulate();
            let mut row = vec![value.clone()];
            row.extend(costs_of(&load, costs));
            row
        })
        .collect();
    let title = format!("By {of}: a node in the mean, the busiest stream, and its busiest server");
    table(text, &title, &strings(&head), &rows)
}

/// What a load costs: the cells of a sweep.
fn costs_of(load: &Load, costs: &Costs) -> Vec<String> {
    let applied = load.mean(|node| node.applied);
    let delivered = load.mean(|node| node.delivered);
    let stream = load.busiest();
    let first = limits::first(load, costs);
    vec![
        number(applied),
        number(delivered),
        number(load.max(|node| node.delivered)),
        percent(load.mean(|node| node.apply_cores(costs))),
        percent(load.mean(|node| node.delivery_cores(costs))),
        percent(load.mean(|node| node.publish_cores(costs))),
        number(applied * costs.read_bytes() / 1e6),
        number(delivered * costs.delivery_bytes() / 1e6),
        number(load.mean(|node| node.readers as f64) * costs.reader_kib / 1_024.0),
        percent(load.followed()),
        format!("{:.2}", load.imbalance()),
        number(stream.events),
        percent(stream.events / costs.storage.stored_rate()),
        number(stream.events * costs.server_bytes(stream.followers) * 8.0 / 1e6),
        number(stream.events * costs.server_us(stream.followers) / 1e6),
        format!("{} at {}/s", first.limit, number(first.events)),
    ]
}

/// Where one stream ends, by events and nodes.
fn ends(text: &mut String, setup: &Setup, costs: &Costs) -> fmt::Result {
    let mut rates = vec![
        1_000.0, 3_000.0, 10_000.0, 20_000.0, 30_000.0, 50_000.0, 100_000.0, 200_000.0,
    ];
    if !rates.contains(&setup.events) {
        rates.push(setup.events);
        rates.sort_by(f64::total_cmp);
    }
    let mut head = vec!["events a second".to_owned()];
    head.extend(NODES.map(|nodes| counted(nodes, "node")));
    let row = |rate: &f64| {
        let mut row = vec![number(*rate)];
        row.extend(NODES.map(|nodes| {
            let first = limits::first(&limits::one_stream(nodes), costs);
            let (used, limit) = (rate / first.events, first.limit);
            if used > 1.0 {
                format!("**no: {limit}**")
            } else {
                format!("{}, {limit}", percent(used))
            }
        }));
        row
    };
    let mut rows: Vec<_> = rates.iter().map(row).collect();
    let mut most = vec!["**the most**".to_owned()];
    most.extend(NODES.map(|nodes| {
        let first = limits::first(&limits::one_stream(nodes), costs);
        number(first.events)
    }));
    rows.push(most);
    let title = format!(
        "Where one stream ends, stored as {}: how much of the nearest limit is used",
        name(costs.storage)
    );
    table(text, &title, &head, &rows)
}

/// Where one stream ends, by how it is stored.
fn ends_by_storage(text: &mut String, costs: &Costs) -> fmt::Result {
    let limits = [
        Limit::Storing,
        Limit::Reading,
        Limit::Applying,
        Limit::Sending,
        Limit::Network,
    ];
    let mut head = strings(&["stored", "nodes"]);
    head.extend(limits.map(|limit| limit.to_string()));
    head.push("first".to_owned());
    let mut rows = Vec::new();
    for storage in Storage::value_variants() {
        let costs = Costs {
            storage: *storage,
            ..costs.clone()
        };
        for nodes in [3, 10, 30, 100] {
            let load = limits::one_stream(nodes);
            let mut row = vec![name(*storage), nodes.to_string()];
            row.extend(limits::all(&load, &costs).map(|end| number(end.events)));
            row.push(limits::first(&load, &costs).limit.to_string());
            rows.push(row);
        }
    }
    let title = "Events a second at which each limit is met";
    table(text, title, &head, &rows)
}

fn name(storage: Storage) -> String {
    let value = storage.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

/// How much more than its share the busiest stream gets.
fn imbalance(text: &mut String, setup: &Setup) -> fmt::Result {
    let mut head = vec!["exponent".to_owned()];
    head.extend(STREAMS.map(|streams| counted(streams, "stream")));
    let rows = [0.0, 0.5, 0.8, 1.0, 1.2, 1.5].map(|zipf| {
        let mut row = vec![format!("{zipf:.1}")];
        row.extend(STREAMS.map(|streams| {
            let setup = Setup {
                streams,
                zipf,
                // Only topics and streams matter.
                readers: 0,
                ..setup.clone()
            };
            format!("{:.2}", over_seeds(&setup, Load::imbalance))
        }));
        row
    });
    let title = format!(
        "The busiest of several streams to their mean, by Zipf's exponent, {} topics",
        count(setup.topics)
    );
    table(text, &title, &head, &rows)
}

/// How many streams a node needs.
fn followed(text: &mut String, setup: &Setup) -> fmt::Result {
    let mut head = strings(&["readers of a node", "topics of a reader"]);
    let counts = &STREAMS[1..];
    head.extend(counts.iter().map(|streams| format!("{streams} streams")));
    let mut rows = Vec::new();
    for readers in [1, 3, 10, 30, 100, 1_000] {
        for reads in [1, 5] {
            let mut row = vec![count(readers), reads.to_string()];
            row.extend(counts.iter().map(|&streams| {
                let setup = Setup {
                    streams,
                    reads,
                    readers: readers * setup.nodes,
                    publishers: 0,
                    placement: Placement::Random,
                    ..setup.clone()
                };
                percent(over_seeds(&setup, Load::followed))
            }));
            rows.push(row);
        }
    }
    let title = "The share of streams that a node follows which only readers use, placed at random";
    table(text, title, &head, &rows)
}

/// What further streams give.
fn several_streams(text: &mut String, setup: &Setup, costs: &Costs) -> fmt::Result {
    let head = [
        "nodes",
        "streams",
        "at random: the most events/s",
        "first limit",
        "events that a node applies",
        "by stream: the most events/s",
        "first limit",
        "events that a node applies",
    ];
    let mut rows = Vec::new();
    for nodes in [10, 40] {
        for streams in STREAMS {
            let mut row = vec![nodes.to_string(), streams.to_string()];
            for placement in [Placement::Random, Placement::ByStream] {
                let setup = Setup {
                    nodes,
                    streams,
                    placement,
                    ..setup.clone()
                };
                let load = setup.simulate();
                let first = limits::first(&load, costs);
                row.push(number(first.events));
                row.push(first.limit.to_string());
                row.push(percent(load.mean(|node| node.applied) / setup.events));
            }
            rows.push(row);
        }
    }
    let title = "The most events a second over several streams, with readers placed at random and by stream";
    table(text, title, &strings(&head), &rows)
}

/// What moves when a stream is added.
fn moved(text: &mut String) -> fmt::Result {
    let rows = STREAMS.map(|streams| {
        vec![
            format!("{streams} to {}", streams + 1),
            percent(spread::moved(streams, 100_000)),
            percent(1.0 / (streams + 1) as f64),
        ]
    });
    let head = strings(&["streams", "topics that move", "1 / (streams + 1)"]);
    table(text, "What moves when a stream is added", &head, &rows)
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The mean over several seeds, the setup's own first.
fn over_seeds(setup: &Setup, of: impl Fn(&Load) -> f64) -> f64 {
    let one = |further: u64| {
        let setup = Setup {
            seed: setup.seed.wrapping_add(further),
            ..setup.clone()
        };
        of(&setup.simulate())
    };
    (0..SEEDS).map(one).sum::<f64>() / SEEDS as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (0.12345, "0.123"),
            (1.5, "1.50"),
            (56.78, "56.8"),
            (999.6, "1,000"),
            (123_456.7, "123,457"),
            (1_234_567.0, "1,234,567"),
            (f64::INFINITY, "–"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn a_setup_gives_the_same_tables_every_time() {
        let print = || {
            let mut text = String::new();
            let sweep = [("2".to_owned(), Setup::small())];
            super::sweep(&mut text, "nodes", &sweep, &Costs::round()).expect("a text");
            several_streams(&mut text, &Setup::small(), &Costs::round()).expect("a text");
            text
        };
        assert_eq!(print(), print());
    }

    #[test]
    fn a_line_says_what_a_node_and_a_stream_do() {
        let one = Setup {
            nodes: 1,
            events: 30_000.0,
            ..Setup::small()
        };
        let cells = costs_of(&one.simulate(), &Costs::round());
        let expected = [
            "30,000",
            "120,000",
            "120,000",
            "30.0 %",
            "60.0 %",
            "60.0 %",
            // 30,000 × 355 bytes, and 120,000 × 131.
            "10.7",
            "15.7",
            // Four readers of 4 KiB.
            "0.016",
            "100 %",
            "1.00",
            "30,000",
            "50.0 %",
            "85.2",
            "0.450",
            "storing at 60,000/s",
        ];
        assert_eq!(cells, expected);
    }
}
