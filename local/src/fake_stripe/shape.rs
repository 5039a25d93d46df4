//! The shape of objects before 2025-03-31, made from the present one.

use serde_json::{Map, Value, json};

/// Which version of the API an account has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// The one that the client pins.
    #[default]
    Current,
    /// That of 2024-06-20: periods on the subscription, the subscription on the invoice, prices on its lines.
    Old,
}

impl Shape {
    /// The shape of a word.
    pub(super) fn named(word: &str) -> Option<Self> {
        match word {
            "current" => Some(Self::Current),
            "old" => Some(Self::Old),
            _ => None,
        }
    }

    /// What a query asks for with `shape=old` or `shape=current`, and the rest of the query, which Stripe's own parameters are.
    pub(super) fn of_query(query: &str) -> (Option<Self>, String) {
        let (own, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| pair.starts_with("shape="));
        (own.first().and_then(|pair| Self::named(pair.trim_start_matches("shape="))), rest.join("&"))
    }

    /// What the account calls its version.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Current => "2026-09-30.endive",
            Self::Old => "2024-06-20",
        }
    }

    /// An object, or a list of objects, as this version shows it.
    pub(super) fn show(self, object: &Value) -> Value {
        let mut shown = object.clone();
        if self == Self::Old {
            make_old(&mut shown);
        }
        shown
    }
}

fn make_old(value: &mut Value) {
    match value.get("object").and_then(Value::as_str) {
        Some("list") => {
            value.get_mut("data").and_then(Value::as_array_mut).into_iter().flatten().for_each(make_old);
        }
        Some("subscription") => subscription(value),
        Some("invoice") => invoice(value),
        _ => {}
    }
}

fn subscription(value: &mut Value) {
    let mut period = json!({});
    for item in items(value, "items") {
        let price = item.get("price").cloned().unwrap_or_default();
        item.insert("plan".to_owned(), plan(&price));
        for field in ["current_period_start", "current_period_end"] {
            if let Some(at) = item.remove(field) {
                period[field] = at;
            }
        }
        period["plan"] = plan(&price);
    }
    if let (Value::Object(value), Value::Object(period)) = (value, period) {
        value.extend(period);
    }
}

fn invoice(value: &mut Value) {
    let of = value["parent"]["subscription_details"]["subscription"].clone();
    for line in items(value, "lines") {
        let price = line.remove("pricing").unwrap_or_default();
        line.remove("parent");
        line.insert("price".to_owned(), json!({"id": price["price_details"]["price"], "object": "price"}));
        line.insert("subscription".to_owned(), of.clone());
    }
    let paid = value["status"] == "paid";
    if let Value::Object(value) = value {
        value.remove("parent");
        value.insert("subscription".to_owned(), of);
        value.insert("paid".to_owned(), json!(paid));
    }
}

fn items<'a>(value: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    value.get_mut(field).and_then(|list| list.get_mut("data")?.as_array_mut()).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn plan(price: &Value) -> Value {
    json!({"id": price["id"], "object": "plan", "amount": price["unit_amount"], "currency": price["currency"], "interval": "month"})
}
