//! CloudWatch's embedded metric format: a log line from which CloudWatch takes metrics.
//!
//! Source: "Specification: Embedded metric format", Amazon CloudWatch user guide.

use domain::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::names::Metric;

/// Namespace of all metrics.
const NAMESPACE: &str = "Callsheets";
/// Values that one metric may have in one line.
pub(super) const VALUES_MAX: usize = 100;

/// Sets of properties, under each of which CloudWatch keeps a metric.
pub(super) type Dimensions = &'static [&'static [&'static str]];

/// What a metric says.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Measured {
    Whole(u64),
    Fraction(f64),
    Several(Vec<f64>),
}

/// One line. It is written without a tree of values in between: every request writes one.
#[derive(Debug)]
pub(super) struct Line<'a> {
    about: About,
    properties: Vec<(&'static str, &'a str)>,
    values: Vec<(&'static str, Measured)>,
}

/// What CloudWatch reads of a line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct About {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

/// Which values of a line are metrics, and under which dimensions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: Dimensions,
    metrics: Vec<Metric>,
}

impl<'a> Line<'a> {
    /// A line with properties, which dimensions may name.
    pub(super) fn new(at: Timestamp, properties: Vec<(&'static str, &'a str)>) -> Self {
        Self { about: About { timestamp: at.ms(), cloud_watch_metrics: Vec::new() }, properties, values: Vec::new() }
    }

    /// Adds metrics under each set of dimensions. A line has each metric once.
    pub(super) fn add(&mut self, dimensions: Dimensions, measured: Vec<(Metric, Measured)>) {
        if !measured.is_empty() {
            let metrics = measured.iter().map(|(metric, _)| *metric).collect();
            self.about.cloud_watch_metrics.push(Directive { namespace: NAMESPACE, dimensions, metrics });
            self.values.extend(measured.into_iter().map(|(metric, measured)| (metric.name, measured)));
        }
    }

    /// The line, without its end.
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers can always be written")
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut root = serializer.serialize_map(None)?;
        root.serialize_entry("_aws", &self.about)?;
        for (name, text) in &self.properties {
            root.serialize_entry(name, text)?;
        }
        for (name, measured) in &self.values {
            root.serialize_entry(name, measured)?;
        }
        root.end()
    }
}
