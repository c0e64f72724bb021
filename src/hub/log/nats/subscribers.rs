//! How many subscribers the other nodes have. Every node says how many it has, by topic and pattern: what has changed at most
//! once a second, and everything every ten seconds. It goes from node to node and is not stored. A node that is silent for
//! half a minute has none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::Node;
use crate::hub::log::shared::{Follower, Matcher};
use crate::hub::pattern::Pattern;
use crate::hub::topic::Topic;

/// How often a node says what has changed.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it says everything.
const WHOLE: Duration = Duration::from_secs(10);

/// When a silent node has no subscribers any more.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Most topics and patterns in one message, which then has some 500 kB at most.
const OF_MESSAGE: usize = 400;

/// Most topics and patterns that are remembered of one node.
const OF_NODE: usize = 200_000;

/// What a node says.
#[derive(Debug, Serialize, Deserialize)]
struct Report {
    node: String,
    /// Which of its reports it is. One that does not follow the last is useless, unless it is the first of a whole.
    number: u64,
    /// Whether everything follows, and what was said before does not count.
    #[serde(default)]
    is_whole: bool,
    /// Whether another report belongs to this one.
    #[serde(default)]
    goes_on: bool,
    /// By topic. Patterns end with `*`.
    #[serde(default)]
    topics: Vec<(String, usize)>,
    #[serde(default)]
    patterns: Vec<(String, usize)>,
}

/// What this node says.
struct Reporter {
    node: String,
    number: u64,
    said: HashMap<Matcher, usize>,
    whole_at: Option<Instant>,
}

/// What one other node has said.
struct Other {
    number: u64,
    at: Instant,
    counts: HashMap<Matcher, usize>,
}

/// What all others have said.
#[derive(Default)]
struct Others(HashMap<String, Other>);

/// Tells and listens until the log is closed.
pub(super) async fn run(node: Arc<Node>, follower: Follower) {
    let mut reporter = Reporter {
        node: node.name.clone(),
        number: 0,
        said: HashMap::new(),
        whole_at: None,
    };
    let mut others = Others::default();
    let subject = node.subjects.subscribers().to_owned();
    let subscription = loop {
        if let Some(Ok(subscription)) = node
            .closed
            .run_until_cancelled(node.client.subscribe(subject.clone()))
            .await
        {
            break subscription;
        }
        if node.closed.is_cancelled() {
            return;
        }
        sleep(PAUSE).await;
    };
    let mut reports = subscription;
    let mut ticks = interval(PAUSE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            report = reports.next() => {
                let Some(report) = report else { return };
                let report: Option<Report> = serde_json::from_slice(&report.payload).ok();
                if let Some(report) = report
                    && report.node != node.name
                {
                    if !others.0.contains_key(&report.node) {
                        // It does not know of this node either.
                        reporter.whole_at = None;
                    }
                    if others.hear(report) {
                        follower.set_subscribers_elsewhere(&others.sum());
                    }
                }
            }
            _ = ticks.tick() => {
                if others.forget() {
                    follower.set_subscribers_elsewhere(&others.sum());
                }
                if *node.is_connected.borrow() {
                    for report in reporter.reports(follower.subscribers()) {
                        send(&node, &report).await;
                    }
                }
            }
            () = node.closed.cancelled() => {
                for report in reporter.farewell() {
                    send(&node, &report).await;
                }
                return;
            }
        }
    }
}

async fn send(node: &Node, report: &Report) {
    let Ok(payload) = serde_json::to_vec(report) else {
        return;
    };
    // Another follows within a second.
    let _ = node
        .client
        .publish(node.subjects.subscribers().to_owned(), payload.into())
        .await;
}

impl Reporter {
    /// What is to be said now.
    fn reports(&mut self, counts: HashMap<Matcher, usize>) -> Vec<Report> {
        let is_whole = self.whole_at.is_none_or(|at| at.elapsed() >= WHOLE);
        let mut changes: Vec<_> = counts
            .iter()
            .filter(|(of, count)| is_whole || self.said.get(*of) != Some(*count))
            .map(|(of, count)| (of.clone(), *count))
            .collect();
        if !is_whole {
            let gone = self.said.keys().filter(|of| !counts.contains_key(*of));
            changes.extend(gone.map(|of| (of.clone(), 0)));
            if changes.is_empty() {
                return Vec::new();
            }
        } else {
            self.whole_at = Some(Instant::now());
        }
        self.said = counts;
        self.say(is_whole, &changes)
    }

    /// There are none here any more.
    fn farewell(&mut self) -> Vec<Report> {
        self.said.clear();
        self.say(true, &[])
    }

    fn say(&mut self, is_whole: bool, counts: &[(Matcher, usize)]) -> Vec<Report> {
        let mut parts: Vec<_> = counts.chunks(OF_MESSAGE).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        let last = parts.len() - 1;
        let reports = parts.into_iter().enumerate().map(|(part, counts)| {
            self.number += 1;
            let mut report = Report {
                node: self.node.clone(),
                number: self.number,
                is_whole: is_whole && part == 0,
                goes_on: part < last,
                topics: Vec::new(),
                patterns: Vec::new(),
            };
            for (of, count) in counts {
                match of {
                    Matcher::Topic(topic) => report.topics.push((topic.to_string(), *count)),
                    Matcher::Pattern(pattern) => {
                        report.patterns.push((pattern.to_string(), *count))
                    }
                }
            }
            report
        });
        reports.collect()
    }
}

impl Others {
    /// Takes what a node says. Returns whether it makes a difference now.
    fn hear(&mut self, report: Report) -> bool {
        let follows = |other: &Other| other.number + 1 == report.number;
        if !report.is_whole && !self.0.get(&report.node).is_some_and(follows) {
            return false;
        }
        let other = self.0.entry(report.node).or_insert_with(|| Other {
            number: 0,
            at: Instant::now(),
            counts: HashMap::new(),
        });
        other.number = report.number;
        other.at = Instant::now();
        if report.is_whole {
            other.counts.clear();
        }
        let topics = report.topics.into_iter();
        let topics = topics
            .filter_map(|(topic, count)| Some((Matcher::Topic(Topic::new(&topic).ok()?), count)));
        let patterns = report.patterns.into_iter();
        let patterns = patterns
            .filter_map(|(text, count)| Some((Matcher::Pattern(Pattern::new(&text).ok()?), count)));
        for (of, count) in topics.chain(patterns) {
            if count == 0 {
                other.counts.remove(&of);
            } else if other.counts.len() < OF_NODE {
                other.counts.insert(of, count);
            }
        }
        !report.goes_on
    }

    /// Forgets nodes that are silent. Returns whether there was one.
    fn forget(&mut self) -> bool {
        let before = self.0.len();
        self.0.retain(|_, other| other.at.elapsed() < FORGOTTEN);
        self.0.len() != before
    }

    fn sum(&self) -> HashMap<Matcher, usize> {
        let mut sum: HashMap<Matcher, usize> = HashMap::new();
        for (of, count) in self.0.values().flat_map(|other| &other.counts) {
            let known = sum.entry(of.clone()).or_default();
            *known = known.saturating_add(*count);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Matcher {
        Matcher::Topic(Topic::new(name).expect("a topic"))
    }

    fn reporter() -> Reporter {
        Reporter {
            node: "a".to_owned(),
            number: 0,
            said: HashMap::new(),
            whole_at: None,
        }
    }

    fn travelled(report: &Report) -> Report {
        let json = serde_json::to_vec(report).expect("JSON");
        serde_json::from_slice(&json).expect("a report")
    }

    fn hear_all(others: &mut Others, reports: &[Report]) -> Vec<bool> {
        reports
            .iter()
            .map(|report| others.hear(travelled(report)))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_says_what_changes_and_now_and_then_everything() {
        let (mut reporter, mut others) = (reporter(), Others::default());
        let orders = Matcher::Pattern(Pattern::new("orders/*").expect("a pattern"));
        let first = HashMap::from([(topic("a"), 1), (orders, 2)]);
        let said = reporter.reports(first.clone());
        assert_eq!(hear_all(&mut others, &said), [true]);
        assert_eq!(others.sum(), first);
        assert!(reporter.reports(first).is_empty(), "nothing has changed");
        let second = HashMap::from([(topic("a"), 3)]);
        let said = reporter.reports(second.clone());
        assert_eq!(said[0].topics.len() + said[0].patterns.len(), 2);
        hear_all(&mut others, &said);
        assert_eq!(others.sum(), second);
        tokio::time::advance(WHOLE).await;
        assert!(reporter.reports(second)[0].is_whole);
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_of_many_parts_counts_when_it_is_whole() {
        let (mut reporter, mut others) = (reporter(), Others::default());
        let many: HashMap<_, _> = (0..=2 * OF_MESSAGE)
            .map(|number| (topic(&number.to_string()), 1))
            .collect();
        let said = reporter.reports(many.clone());
        assert_eq!(hear_all(&mut others, &said), [false, false, true]);
        assert_eq!(others.sum(), many);
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_after_a_lost_one_is_useless_until_the_next_whole() {
        let (mut reporter, mut others) = (reporter(), Others::default());
        let counts = |count| HashMap::from([(topic("a"), count)]);
        hear_all(&mut others, &reporter.reports(counts(1)));
        let _lost = reporter.reports(counts(2));
        assert_eq!(hear_all(&mut others, &reporter.reports(counts(3))), [false]);
        assert_eq!(others.sum(), counts(1));
        tokio::time::advance(WHOLE).await;
        hear_all(&mut others, &reporter.reports(counts(3)));
        assert_eq!(others.sum(), counts(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_silent_or_has_taken_leave_has_no_subscribers() {
        let (mut reporter, mut others) = (reporter(), Others::default());
        let counts = HashMap::from([(topic("a"), 1)]);
        hear_all(&mut others, &reporter.reports(counts.clone()));
        tokio::time::advance(FORGOTTEN - Duration::from_millis(1)).await;
        assert!(!others.forget());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(others.forget());
        assert!(others.sum().is_empty());
        reporter.whole_at = None;
        hear_all(&mut others, &reporter.reports(counts));
        hear_all(&mut others, &reporter.farewell());
        assert!(others.sum().is_empty());
    }
}
