//! The rules of CloudWatch's embedded metric format, for every line that the tests write.
//!
//! Source: "Specification: Embedded metric format", Amazon CloudWatch user guide: document structure and schema.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Largest log event.
const LINE_BYTES_MAX: usize = 256 * 1024;
const DIMENSIONS_MAX: usize = 30;
const METRICS_MAX: usize = 100;
const VALUES_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 1_024;
const DIMENSION_NAME_CHARS_MAX: usize = 250;
const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// Reads a line as CloudWatch does: the names and units of its metrics.
///
/// # Errors
/// The first rule that it breaks.
pub fn metrics_of(line: &str) -> Result<Vec<(String, String)>, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err("the line is too long".to_owned());
    }
    let root: Map<String, Value> = serde_json::from_str(line).map_err(|error| format!("no JSON object: {error}"))?;
    let about = root.get("_aws").and_then(Value::as_object).ok_or("no object _aws")?;
    only(about, &["Timestamp", "CloudWatchMetrics"])?;
    about.get("Timestamp").and_then(Value::as_u64).filter(|ms| *ms > 1_000_000_000_000).ok_or("Timestamp is no time in milliseconds")?;
    let directives = about.get("CloudWatchMetrics").and_then(Value::as_array).ok_or("no array CloudWatchMetrics")?;
    let mut metrics = Vec::new();
    for directive in directives {
        metrics.extend(directive_of(&root, directive.as_object().ok_or("a directive is no object")?)?);
    }
    if metrics.is_empty() { Err("no metric".to_owned()) } else { Ok(metrics) }
}

fn directive_of(root: &Map<String, Value>, directive: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    only(directive, &["Namespace", "Dimensions", "Metrics"])?;
    text(directive.get("Namespace"), NAME_CHARS_MAX).ok_or("Namespace is no name")?;
    let sets = directive.get("Dimensions").and_then(Value::as_array).filter(|sets| !sets.is_empty()).ok_or("no Dimensions")?;
    for set in sets {
        let set = set.as_array().filter(|set| set.len() <= DIMENSIONS_MAX).ok_or("a set of dimensions is no array, or too large")?;
        let names: Option<BTreeSet<&str>> = set.iter().map(|name| text(Some(name), DIMENSION_NAME_CHARS_MAX)).collect();
        let names = names.filter(|names| names.len() == set.len()).ok_or("a dimension has no name, or comes twice")?;
        for name in names {
            text(root.get(name), NAME_CHARS_MAX).ok_or_else(|| format!("the dimension {name} has no text"))?;
        }
    }
    let metrics = directive.get("Metrics").and_then(Value::as_array).ok_or("no Metrics")?;
    if metrics.is_empty() || metrics.len() > METRICS_MAX {
        return Err(format!("{} metrics in one directive", metrics.len()));
    }
    let found: Vec<_> = metrics.iter().map(|metric| metric_of(root, metric)).collect::<Result<_, _>>()?;
    let names: BTreeSet<_> = found.iter().map(|(name, _)| name).collect();
    if names.len() == found.len() { Ok(found) } else { Err("a metric comes twice in one directive".to_owned()) }
}

fn metric_of(root: &Map<String, Value>, metric: &Value) -> Result<(String, String), String> {
    let metric = metric.as_object().ok_or("a metric is no object")?;
    only(metric, &["Name", "Unit", "StorageResolution"])?;
    let name = text(metric.get("Name"), NAME_CHARS_MAX).ok_or("a metric has no name")?;
    let unit = metric.get("Unit").map_or(Some("None"), Value::as_str).filter(|unit| UNITS.contains(unit));
    let unit = unit.ok_or_else(|| format!("{name} has a unit that there is not"))?;
    if metric.get("StorageResolution").is_some_and(|resolution| ![Some(1), Some(60)].contains(&resolution.as_u64())) {
        return Err(format!("{name} has another resolution than 1 or 60 seconds"));
    }
    let has_values = match root.get(name) {
        Some(Value::Number(_)) => true,
        Some(Value::Array(values)) => (1..=VALUES_MAX).contains(&values.len()) && values.iter().all(Value::is_number),
        _ => false,
    };
    if has_values { Ok((name.to_owned(), unit.to_owned())) } else { Err(format!("{name} has no numbers")) }
}

fn only(object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    object.keys().find(|key| !known.contains(&key.as_str())).map_or(Ok(()), |key| Err(format!("a member {key} that there is not")))
}

fn text(value: Option<&Value>, chars_max: usize) -> Option<&str> {
    value?.as_str().filter(|text| !text.trim().is_empty() && text.chars().count() <= chars_max)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({"_aws": {"Timestamp": 1_772_703_000_000_u64, "CloudWatchMetrics": [{"Namespace": "N", "Dimensions": [["D"], []],
            "Metrics": [{"Name": "M", "Unit": "Count", "StorageResolution": 60}]}]}, "D": "d", "M": [1, 2.5], "other": {}})
    }

    #[test]
    fn a_line_by_the_rules_is_read() {
        assert_eq!(metrics_of(&good().to_string()).unwrap(), [("M".to_owned(), "Count".to_owned())]);
    }

    #[test]
    fn each_broken_rule_is_noticed() {
        let directive = "/_aws/CloudWatchMetrics/0";
        for (pointer, value) in [
            ("/_aws".to_owned(), json!(null)),
            ("/_aws/Timestamp".to_owned(), json!("2026")),
            ("/_aws/Timestamp".to_owned(), json!(1_772_703_000)),
            ("/_aws/CloudWatchMetrics".to_owned(), json!([])),
            (format!("{directive}/Namespace"), json!("")),
            (format!("{directive}/Dimensions"), json!([])),
            (format!("{directive}/Dimensions/0"), json!(["D", "D"])),
            (format!("{directive}/Dimensions/0"), json!(["absent"])),
            (format!("{directive}/Dimensions/0"), json!(["M"])),
            (format!("{directive}/Dimensions/0"), (0..31).map(|n| n.to_string()).collect()),
            (format!("{directive}/Metrics"), json!([])),
            (format!("{directive}/Metrics"), json!(vec![json!({"Name": "M"}); 2])),
            (format!("{directive}/Metrics"), json!(vec![json!({"Name": "M"}); 101])),
            (format!("{directive}/Metrics/0"), json!({"Name": "M", "Unit": "count"})),
            (format!("{directive}/Metrics/0"), json!({"Name": "M", "StorageResolution": 5})),
            (format!("{directive}/Metrics/0"), json!({"Name": "M", "Value": 5})),
            (format!("{directive}/Metrics/0"), json!({"Name": "D"})),
            ("/M".to_owned(), json!("1")),
            ("/M".to_owned(), json!([])),
            ("/M".to_owned(), json!(vec![1; 101])),
        ] {
            let mut line = good();
            *line.pointer_mut(&pointer).unwrap() = value.clone();
            assert!(metrics_of(&line.to_string()).is_err(), "{pointer} = {value}");
        }
        assert!(metrics_of("no line").is_err() && metrics_of(&format!("{} x", good())).is_err());
    }
}
