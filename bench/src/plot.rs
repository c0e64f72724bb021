//! The plot: three of the measurements as bars, with their spread. Its colours follow the reader's, light or dark.

use svg::Document;
use svg::node::element::{Group, Line, Rectangle, Style, Text, Title};

use crate::report::{FLOOR, OWN, Report, number, thousands};

const WIDTH: f64 = 800.0;
const ROW: f64 = 24.0;
const BAR: f64 = 14.0;
/// Where the bars begin, right of the servers' names, and how long the longest may be, left of its number.
const LEFT: f64 = 150.0;
const LONGEST: f64 = 520.0;
const PANEL_HEAD: f64 = 40.0;
const PANEL_GAP: f64 = 20.0;

const STYLE: &str = "
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328; }
.head { font-weight: 600; font-size: 14px; }
.name { text-anchor: end; }
.bar { fill: #8c959f; }
.floor { fill: #c9d1d9; }
.own { fill: #0969da; }
.spread { stroke: #1f2328; stroke-width: 1.5; }
.axis { stroke: #8c959f; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .bar { fill: #7d8590; }
  .floor { fill: #484f58; }
  .own { fill: #4493f8; }
  .spread { stroke: #e6edf3; }
  .axis { stroke: #7d8590; }
}
";

struct Panel {
    title: String,
    key: String,
}

pub(crate) fn svg(report: &Report) -> String {
    let mut panels = Vec::new();
    if let Some((count, rate)) = report.plan.crowds.first() {
        panels.push(Panel {
            title: format!(
                "Processor time per delivery in µs, {} subscribers, {rate} events a second: less is better",
                thousands(*count)
            ),
            key: format!("steady.{count}.cpu"),
        });
    }
    if let Some(count) = report.plan.most.first() {
        panels.push(Panel {
            title: format!(
                "Most deliveries a second, {} subscribers: more is better",
                thousands(*count)
            ),
            key: format!("most.{count}.rate"),
        });
    }
    if let Some(count) = report.plan.idle.first() {
        panels.push(Panel {
            title: format!(
                "Memory per idle connection in KiB, of {}: less is better",
                thousands(*count)
            ),
            key: format!("memory.{count}"),
        });
    }
    let mut document = Document::new();
    let mut top = 0.0;
    for Panel { title, key } in panels {
        let (group, height) = panel(report, &title, &key, top);
        if height > 0.0 {
            document = document.add(group);
            top += height + PANEL_GAP;
        }
    }
    let height = (top - PANEL_GAP + 8.0).max(1.0);
    document
        .set("viewBox", (0.0, 0.0, WIDTH, height))
        .set("width", WIDTH)
        .set("height", height)
        .set("role", "img")
        .add(Title::new("Fairwind compared with other servers of events"))
        .add(Style::new(STYLE))
        .to_string()
}

/// One measurement of every server that has it, and its height, which is 0 without any.
fn panel(report: &Report, title: &str, key: &str, top: f64) -> (Group, f64) {
    let rows: Vec<_> = report
        .peers
        .iter()
        .filter_map(|peer| Some((peer.name.as_str(), report.results.get(&peer.name, key)?)))
        .collect();
    let largest = rows.iter().map(|(_, value)| value.max).fold(0.0, f64::max);
    if largest <= 0.0 {
        return (Group::new(), 0.0);
    }
    let x = |value: f64| LEFT + value.max(0.0) / largest * LONGEST;
    let mut group = Group::new().add(
        Text::new(title)
            .set("class", "head")
            .set("x", 8)
            .set("y", top + 22.0),
    );
    let first = top + PANEL_HEAD;
    for (at, (name, value)) in rows.iter().enumerate() {
        let y = first + ROW * at as f64;
        let middle = y + BAR / 2.0;
        let class = match *name {
            OWN => "own",
            name if name.starts_with(FLOOR) => "floor",
            _ => "bar",
        };
        group = group
            .add(
                Text::new(*name)
                    .set("class", "name")
                    .set("x", LEFT - 10.0)
                    .set("y", middle + 4.5),
            )
            .add(
                Rectangle::new()
                    .set("class", class)
                    .set("x", LEFT)
                    .set("y", y)
                    .set("width", (x(value.median) - LEFT).max(1.0))
                    .set("height", BAR),
            )
            .add(
                Text::new(number(value.median))
                    .set("x", x(value.max) + 8.0)
                    .set("y", middle + 4.5),
            );
        if value.max > value.min {
            let spread = Line::new()
                .set("class", "spread")
                .set("x1", x(value.min))
                .set("x2", x(value.max))
                .set("y1", middle)
                .set("y2", middle);
            group = group.add(spread);
        }
    }
    let bottom = first + ROW * rows.len() as f64 - (ROW - BAR);
    let axis = Line::new()
        .set("class", "axis")
        .set("x1", LEFT)
        .set("x2", LEFT)
        .set("y1", first - 4.0)
        .set("y2", bottom + 4.0);
    (group.add(axis), bottom + 4.0 - top)
}
