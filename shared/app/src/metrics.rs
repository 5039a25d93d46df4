//! One CloudWatch EMF line a request: what the request took, where its answer came from and what the table was asked.
//!
//! Source: "Embedded metric format specification", Amazon CloudWatch user guide. Names and units are listed in docs/runbook.md.

use std::time::Duration;

use cache::{Counted, Outcome};
use domain::Timestamp;
use serde_json::{Map, Value, json};
use store::meter::Reading;

/// Namespace of the metrics.
const NAMESPACE: &str = "Callsheets";

/// What one request did.
#[derive(Debug)]
pub(crate) struct Observed {
    /// Name of the function.
    pub(crate) function: String,
    /// When it ended.
    pub(crate) at: Timestamp,
    /// HTTP status.
    pub(crate) status: u16,
    /// From the event to the answer.
    pub(crate) took: Duration,
    /// What the cache did.
    pub(crate) cache: Counted,
    /// What the table was asked.
    pub(crate) table: Reading,
    /// Whether it was the environment's first.
    pub(crate) cold: bool,
}

impl Observed {
    /// The line, without its end.
    pub(crate) fn line(&self) -> String {
        let mut metrics = Vec::new();
        let mut values = Map::new();
        let mut put = |name: &str, unit: &str, value: Value| {
            metrics.push(json!({"Name": name, "Unit": unit}));
            values.insert(name.to_owned(), value);
        };
        put("Latency", "Milliseconds", json!(self.took.as_secs_f64() * 1000.0));
        put(&format!("Status{}xx", self.status / 100), "Count", json!(1));
        if self.cold {
            put("ColdStart", "Count", json!(1));
        }
        for (name, count) in self.outcomes() {
            put(name, "Count", json!(count));
        }
        put("TableCalls", "Count", json!(self.table.calls()));
        put("TableReadUnits", "Count", json!(self.table.read_units()));
        put("TableWriteUnits", "Count", json!(self.table.write_units()));
        put("CacheProcessBytes", "Bytes", json!(self.cache.process_bytes));
        let about = json!({
            "Timestamp": self.at.ms(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [["Function"]], "Metrics": metrics}],
        });
        values.insert("_aws".to_owned(), about);
        values.insert("Function".to_owned(), json!(self.function));
        Value::Object(values).to_string()
    }

    /// Counts of what happened, without those that are zero.
    fn outcomes(&self) -> Vec<(&'static str, u64)> {
        let answers =
            |wanted: fn(Outcome) -> bool| self.cache.answers.iter().filter(|((_, found, _), _)| wanted(*found)).map(|(_, n)| n).sum();
        let fills = |stored: bool| {
            self.cache.fills.iter().filter(|(filled, _)| (**filled == cache::Filled::Stored) == stored).map(|(_, n)| n).sum()
        };
        let counts = [
            ("CacheHit", answers(|outcome| outcome == Outcome::Hit)),
            ("CacheSoftStale", answers(|outcome| outcome == Outcome::SoftStale)),
            ("CacheStaleOnError", answers(|outcome| outcome == Outcome::StaleOnError)),
            ("CacheMiss", answers(|outcome| matches!(outcome, Outcome::Miss | Outcome::Joined))),
            ("CacheBypass", answers(|outcome| matches!(outcome, Outcome::Bypass(_)))),
            ("CacheNotModified", self.cache.not_modified),
            ("CacheFillStored", fills(true)),
            ("CacheFillRejected", fills(false)),
            ("CacheTrouble", self.cache.troubles.values().sum()),
            ("CacheDamaged", self.cache.damaged),
        ];
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use cache::{Tier, Trouble};

    use super::*;

    #[test]
    fn a_bypass_and_its_reason_are_counted() {
        let mut cache = Counted::default();
        cache.answers.insert(("dashboard".into(), Outcome::Bypass(Trouble::Timeout), Tier::Source), 1);
        cache.troubles.insert(Trouble::Timeout, 2);
        let observed = Observed {
            function: "get-dashboard-data".into(),
            at: Timestamp::from_ms(1_772_700_000_000),
            status: 200,
            took: Duration::from_millis(12),
            cache,
            table: Reading::default(),
            cold: true,
        };
        let line: Value = serde_json::from_str(&observed.line()).unwrap();
        for (name, value) in [("CacheBypass", 1), ("CacheTrouble", 2), ("Status2xx", 1), ("ColdStart", 1)] {
            assert_eq!(line[name], value, "{name}");
        }
        assert_eq!((&line["Function"], line.get("CacheHit")), (&json!("get-dashboard-data"), None));
        let declared = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert!(declared.iter().all(|metric| line.get(metric["Name"].as_str().unwrap()).is_some()), "every declared metric has a value");
    }
}
