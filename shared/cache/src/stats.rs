//! Counters of what the cache did, for whoever exports metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::limits::LABELS_MAX;
use crate::port::Filled;
use crate::types::{Answer, Outcome, Tier, Trouble};

/// Label of views beyond the number that the counters tell apart.
const OTHER: &str = "other";

/// What was counted since the last call. Every key is from a small set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Answers by view label, outcome and tier.
    pub answers: BTreeMap<(String, Outcome, Tier), u64>,
    /// Answers that were negative entries of a cache, by view label and tier.
    pub negative: BTreeMap<(String, Tier), u64>,
    /// Answers whose body the client held already, by view label and tier.
    pub not_modified: BTreeMap<(String, Tier), u64>,
    /// Entries offered to the cache, by what it decided.
    pub fills: BTreeMap<Filled, u64>,
    /// Commands that failed, by reason.
    pub troubles: BTreeMap<Trouble, u64>,
    /// Looks that found something that this program did not write.
    pub damaged: u64,
    /// Commands sent to a server, and the time that all and the slowest of them took, connecting included.
    pub round_trips: u64,
    /// See `round_trips`.
    pub round_trip_total: Duration,
    /// See `round_trips`.
    pub round_trip_max: Duration,
    /// Bytes of the in-process tier now.
    pub process_bytes: usize,
    /// Whether the server is left alone now.
    pub breaker_open: bool,
}

/// The running counters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counters {
    by_label: BTreeMap<String, Tally>,
    counted: Counted,
}

/// The answers of one label.
#[derive(Debug, Clone, Default)]
struct Tally {
    answers: BTreeMap<(Outcome, Tier), u64>,
    negative: BTreeMap<Tier, u64>,
    not_modified: BTreeMap<Tier, u64>,
}

impl Counters {
    pub(crate) fn answered(&mut self, label: &str, answer: &Answer) {
        let known = self.by_label.contains_key(label);
        let label = if known || self.by_label.len() < LABELS_MAX { label } else { OTHER };
        if !known && !self.by_label.contains_key(label) {
            self.by_label.insert(label.to_owned(), Tally::default());
        }
        let Some(tally) = self.by_label.get_mut(label) else { return };
        *tally.answers.entry((answer.outcome, answer.tier)).or_default() += 1;
        if answer.tier != Tier::Source && answer.entry.status != 200 {
            *tally.negative.entry(answer.tier).or_default() += 1;
        }
        if answer.not_modified {
            *tally.not_modified.entry(answer.tier).or_default() += 1;
        }
    }

    pub(crate) fn filled(&mut self, filled: Filled) {
        *self.counted.fills.entry(filled).or_default() += 1;
    }

    pub(crate) fn troubled(&mut self, trouble: Trouble) {
        *self.counted.troubles.entry(trouble).or_default() += 1;
    }

    pub(crate) fn round_trip(&mut self, took: Duration) {
        self.counted.round_trips += 1;
        self.counted.round_trip_total += took;
        self.counted.round_trip_max = self.counted.round_trip_max.max(took);
    }

    pub(crate) fn damaged(&mut self) {
        self.counted.damaged += 1;
    }

    pub(crate) fn take(&mut self, process_bytes: usize) -> Counted {
        let mut counted = std::mem::take(&mut self.counted);
        for (label, tally) in std::mem::take(&mut self.by_label) {
            let of =
                |counts: BTreeMap<Tier, u64>| counts.into_iter().map(|(tier, count)| ((label.clone(), tier), count)).collect::<Vec<_>>();
            counted.answers.extend(tally.answers.into_iter().map(|((outcome, tier), count)| ((label.clone(), outcome, tier), count)));
            counted.negative.extend(of(tally.negative));
            counted.not_modified.extend(of(tally.not_modified));
        }
        counted.process_bytes = process_bytes;
        counted
    }
}
