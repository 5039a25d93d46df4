//! CloudWatch's embedded metric format: a log line from which CloudWatch takes metrics.
//!
//! Source: "Specification: Embedded metric format", Amazon CloudWatch user guide.

use domain::Timestamp;
use serde_json::{Map, Value, json};

use super::names::Metric;

/// Namespace of all metrics.
const NAMESPACE: &str = "Callsheets";
/// Values that one metric may have in one line.
pub(super) const VALUES_MAX: usize = 100;

/// One line: members of its root, and which of them are metrics with which dimensions.
#[derive(Debug)]
pub(super) struct Line {
    at: Timestamp,
    members: Map<String, Value>,
    directives: Vec<Value>,
}

impl Line {
    /// A line with properties, which dimensions may name.
    pub(super) fn new(at: Timestamp, properties: &[(&str, &str)]) -> Self {
        let members = properties.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        Self { at, members, directives: Vec::new() }
    }

    /// Adds metrics under each set of dimensions.
    pub(super) fn add(&mut self, dimensions: &[&[&str]], metrics: &[(Metric, Value)]) {
        if metrics.is_empty() {
            return;
        }
        let named: Vec<Value> = metrics.iter().map(|(metric, _)| json!({"Name": metric.name, "Unit": metric.unit.name()})).collect();
        self.directives.push(json!({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": named}));
        self.members.extend(metrics.iter().map(|(metric, value)| (metric.name.to_owned(), value.clone())));
    }

    /// The line, without its end.
    pub(super) fn text(mut self) -> String {
        self.members.insert("_aws".to_owned(), json!({"Timestamp": self.at.ms(), "CloudWatchMetrics": self.directives}));
        Value::Object(self.members).to_string()
    }
}
