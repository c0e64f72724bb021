//! What was measured, round by round, under one key for each number.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::statistics::Summary;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    /// Server, then key, then a value for each round.
    values: BTreeMap<String, BTreeMap<String, Vec<f64>>>,
    /// Server, then measurement, then what was wrong with it.
    broken: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// The same for what is worth knowing.
    notes: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Results {
    pub(crate) fn add(&mut self, peer: &str, key: impl Into<String>, value: f64) {
        let keys = self.values.entry(peer.to_owned()).or_default();
        keys.entry(key.into()).or_default().push(value);
    }

    pub(crate) fn add_broken(&mut self, peer: &str, measurement: &str, what: String) {
        add_text(&mut self.broken, peer, measurement, what);
    }

    pub(crate) fn add_note(&mut self, peer: &str, measurement: &str, what: String) {
        add_text(&mut self.notes, peer, measurement, what);
    }

    pub(crate) fn get(&self, peer: &str, key: &str) -> Option<Summary> {
        Summary::of(self.values.get(peer)?.get(key)?)
    }

    pub(crate) fn broken(&self, peer: &str, measurement: &str) -> Option<String> {
        texts(&self.broken, peer, measurement)
    }

    pub(crate) fn note(&self, peer: &str, measurement: &str) -> Option<String> {
        texts(&self.notes, peer, measurement)
    }
}

type Texts = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn add_text(texts: &mut Texts, peer: &str, measurement: &str, what: String) {
    let texts = texts
        .entry(peer.to_owned())
        .or_default()
        .entry(measurement.to_owned())
        .or_default();
    texts.push(what);
}

/// Each text once.
fn texts(texts: &Texts, peer: &str, measurement: &str) -> Option<String> {
    let mut texts = texts.get(peer)?.get(measurement)?.clone();
    texts.sort();
    texts.dedup();
    Some(texts.join("; "))
}
