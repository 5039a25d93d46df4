//! Words for moments in stored data, and the comparison of an answer with what is expected.
//!
//! events/README.md describes both.

use domain::Timestamp;
use serde_json::{Value, json};
use testkit::Reply;

const HOUR_MS: i64 = 3_600_000;

/// The value with every word for a moment replaced by that moment.
pub fn resolved(value: Value, now: Timestamp) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, resolved(value, now))).collect(),
        Value::Array(items) => items.into_iter().map(|value| resolved(value, now)).collect(),
        Value::String(text) => word(&text, now).unwrap_or(Value::String(text)),
        other => other,
    }
}

fn word(text: &str, now: Timestamp) -> Option<Value> {
    let word = text.strip_prefix('@')?;
    match word {
        "month" => return Some(json!(now.month().to_string())),
        "month+1" => return Some(json!(now.plus_days(now.days_left_in_month() + 1).month().to_string())),
        _ => {}
    }
    let (unix, shift) = word.strip_prefix("unix").map_or((false, word), |shift| (true, shift));
    let hours = match shift {
        "now" => 0,
        _ if shift.ends_with('d') => 24 * shift.strip_suffix('d')?.parse::<i64>().ok()?,
        _ => shift.strip_suffix('h')?.parse().ok()?,
    };
    let moment = now.plus_ms(hours * HOUR_MS);
    Some(if unix { json!(moment.unix_seconds()) } else { json!(moment) })
}

/// Where `found` is not what is expected. Objects and arrays are compared whole; `@any` is anything.
pub fn differences(expected: &Value, found: &Value, place: &str) -> Vec<String> {
    match (expected, found) {
        (Value::String(any), _) if any == "@any" => Vec::new(),
        (Value::Object(expected), Value::Object(found)) => {
            let unexpected = found.keys().filter(|key| !expected.contains_key(*key)).map(|key| format!("{place}/{key}: not expected"));
            let each = expected.iter().flat_map(|(key, value)| match found.get(key) {
                Some(found) => differences(value, found, &format!("{place}/{key}")),
                None => vec![format!("{place}/{key}: absent")],
            });
            unexpected.chain(each).collect()
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let pairs = expected.iter().zip(found).enumerate();
            pairs.flat_map(|(at, (expected, found))| differences(expected, found, &format!("{place}/{at}"))).collect()
        }
        _ if expected == found => Vec::new(),
        _ => vec![format!("{place}: expected {expected}, found {found}")],
    }
}

/// An HTTP answer as expectations describe it: of the headers only those that they name.
pub fn described(reply: &Reply, expected: &Value) -> Value {
    let named = expected["headers"].as_object().into_iter().flat_map(|headers| headers.keys());
    let headers: Value = named.map(|name| (name.clone(), json!(reply.header(name)))).collect();
    let mut found = json!({"status": reply.status});
    if headers.as_object().is_some_and(|headers| !headers.is_empty()) {
        found["headers"] = headers;
    }
    if reply.header("content-type").is_some_and(|kind| kind.contains("json")) {
        found["body"] = reply.json.clone();
    } else if !reply.body.is_empty() {
        found["text"] = json!(reply.text());
    }
    found
}
