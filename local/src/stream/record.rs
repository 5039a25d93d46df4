//! Stream records of what a transaction wrote, in the JSON that DynamoDB streams send to a Lambda.
//!
//! Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html>

use domain::Timestamp;
use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;
use uuid::Uuid;

use crate::gateway::TEMPLATE;

/// The table's key attributes (docs/table.md).
const KEYS: [&str; 2] = ["pk", "sk"];
/// 21 digits, as DynamoDB's sequence numbers have.
const FIRST_SEQUENCE_NUMBER: u128 = 100_000_000_000_000_000_000;

/// An item that a transaction put or deleted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Write {
    pub(super) keys: Map<String, Value>,
    /// Nothing when it was deleted.
    pub(super) new_image: Option<Value>,
}

/// What was there before a write.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Before {
    /// Nobody can tell: the table is another server's.
    Unknown,
    /// Nothing.
    Nothing,
    /// This.
    Image(Value),
}

/// The filter of a function's stream event in template.yaml.
#[derive(Debug, Clone)]
pub(super) struct Filter(Vec<Value>);

impl Filter {
    /// Reads the patterns of the function's DynamoDB event; without any, everything is admitted.
    pub(super) fn of_template(function: &str) -> Self {
        let template: Yaml = serde_norway::from_str(TEMPLATE).expect("the gateway's routes come from the same text");
        let resources = template.get("Resources").and_then(Yaml::as_mapping).into_iter().flatten();
        let properties = resources.filter_map(|(_, resource)| resource.get("Properties"));
        let of_function = |properties: &&Yaml| {
            let folder = properties.get("CodeUri").and_then(Yaml::as_str).unwrap_or_default().trim_end_matches('/');
            folder.rsplit('/').next() == Some(function)
        };
        let events = properties.filter(of_function).filter_map(|properties| properties.get("Events")?.as_mapping()).flatten();
        let streams = events.filter(|(_, event)| event.get("Type").and_then(Yaml::as_str) == Some("DynamoDB"));
        let filters =
            streams.filter_map(|(_, event)| event.get("Properties")?.get("FilterCriteria")?.get("Filters")?.as_sequence()).flatten();
        let patterns = filters.filter_map(|filter| filter.get("Pattern")?.as_str());
        Self(patterns.filter_map(|pattern| serde_json::from_str(pattern).ok()).collect())
    }

    /// Whether a written item is delivered.
    pub(super) fn admits(&self, write: &Write) -> bool {
        let record = json!({"dynamodb": {"Keys": write.keys, "NewImage": write.new_image}});
        self.0.is_empty() || self.0.iter().any(|pattern| fits(pattern, Some(&record)))
    }
}

/// An object's every key fits; a list has the value. Source: the syntax of Lambda's event filters, as far as the template uses it.
fn fits(pattern: &Value, value: Option<&Value>) -> bool {
    match pattern {
        Value::Object(keys) => keys.iter().all(|(key, pattern)| fits(pattern, value.and_then(|value| value.get(key)))),
        Value::Array(any) => value.is_some_and(|value| any.contains(value)),
        other => value == Some(other),
    }
}

/// The items that a `TransactWriteItems` request puts and deletes. What it updates in place is left out: roots are always put whole.
pub(super) fn writes(request: &Value) -> Vec<Write> {
    let items = request["TransactItems"].as_array().into_iter().flatten();
    let writes = items.filter_map(|item| {
        let put = item.get("Put").map(|put| &put["Item"]);
        let key = put.or_else(|| item.get("Delete").map(|delete| &delete["Key"]))?;
        let keys = KEYS.iter().map(|name| ((*name).to_owned(), key[*name].clone())).collect();
        Some(Write { keys, new_image: put.cloned() })
    });
    writes.collect()
}

/// The record of a write, when it changed anything. `number` counts the records.
pub(super) fn record(table: &str, write: Write, before: Before, number: u64, at: Timestamp) -> Option<Value> {
    let name = match (&before, &write.new_image) {
        (Before::Image(old), Some(new)) if old == new => return None,
        (Before::Nothing, None) => return None,
        (Before::Nothing, Some(_)) => "INSERT",
        (Before::Unknown | Before::Image(_), Some(_)) => "MODIFY",
        (Before::Unknown | Before::Image(_), None) => "REMOVE",
    };
    let old_image = match before {
        Before::Image(image) => Some(image),
        Before::Unknown | Before::Nothing => None,
    };
    let images = [&old_image, &write.new_image].into_iter().flatten();
    let size = attributes_size(&write.keys) + images.filter_map(Value::as_object).map(attributes_size).sum::<usize>();
    let mut change = json!({
        "ApproximateCreationDateTime": at.unix_seconds(),
        "Keys": write.keys,
        "SequenceNumber": (FIRST_SEQUENCE_NUMBER + u128::from(number)).to_string(),
        "SizeBytes": size,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    });
    for (name, image) in [("NewImage", write.new_image), ("OldImage", old_image)] {
        if let Some(image) = image {
            change[name] = image;
        }
    }
    Some(json!({
        "eventID": Uuid::new_v4().simple().to_string(),
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": format!("arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/local"),
        "dynamodb": change,
    }))
}

/// Bytes of names and values, near to how DynamoDB counts them.
fn attributes_size(item: &Map<String, Value>) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value.as_object().into_iter().flatten().map(|(_, value)| value_size(value)).sum::<usize>())
        .sum()
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(value_size).sum(),
        Value::Object(item) => attributes_size(item),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction() -> Value {
        json!({"TransactItems": [
            {"Put": {"TableName": "t", "Item": {"pk": {"S": "USER#u"}, "sk": {"S": "ROOT"}, "rev": {"N": "2"}}}},
            {"Put": {"TableName": "t", "Item": {"pk": {"S": "USER#u"}, "sk": {"S": "STATS"}}}},
            {"Delete": {"TableName": "t", "Key": {"pk": {"S": "USER#v"}, "sk": {"S": "ROOT"}}}},
            {"ConditionCheck": {"TableName": "t", "Key": {"pk": {"S": "USER#w"}, "sk": {"S": "ROOT"}}}},
            {"Put": {"TableName": "t", "Item": {"pk": {"S": "CATALOG"}, "sk": {"S": "PLANS"}}}},
            {"Put": {"TableName": "t", "Item": {"pk": {"S": "CUS#c"}, "sk": {"S": "META"}, "needs_refresh": {"S": "yes"}}}},
            {"Put": {"TableName": "t", "Item": {"pk": {"S": "CUS#d"}, "sk": {"S": "META"}}}},
        ]})
    }

    #[test]
    fn the_templates_filters_admit_what_their_functions_are_for() {
        let admitted = |function: &str| -> Vec<Value> {
            let filter = Filter::of_template(function);
            assert_eq!(filter.0.len(), 1);
            writes(&transaction()).into_iter().filter(|w| filter.admits(w)).map(|w| w.keys["pk"]["S"].clone()).collect()
        };
        assert_eq!(admitted("on-table-stream"), vec![json!("USER#u"), json!("USER#v"), json!("CATALOG")]);
        assert_eq!(admitted("on-stripe-refetch"), vec![json!("CUS#c")]);
    }

    #[test]
    fn records_say_what_happened() {
        let name = |before: Before, index: usize| {
            let write = writes(&transaction()).remove(index);
            record("t", write, before, 7, Timestamp::from_ms(1_000)).map(|record| record["eventName"].clone())
        };
        let root = |rev: &str| Before::Image(json!({"pk": {"S": "USER#u"}, "sk": {"S": "ROOT"}, "rev": {"N": rev}}));
        assert_eq!(name(Before::Nothing, 0), Some(json!("INSERT")));
        assert_eq!(name(Before::Unknown, 0), Some(json!("MODIFY")));
        assert_eq!(name(root("1"), 0), Some(json!("MODIFY")));
        assert_eq!(name(root("2"), 0), None, "a repeated commit changes nothing");
        assert_eq!(name(root("1"), 2), Some(json!("REMOVE")));
        assert_eq!(name(Before::Unknown, 2), Some(json!("REMOVE")));
        assert_eq!(name(Before::Nothing, 2), None);
    }
}
