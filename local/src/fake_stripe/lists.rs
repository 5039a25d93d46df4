//! Lists: newest first, page by page.

use serde_json::{Map, Value, json};

use super::account::Account;
use super::api::{Answer, error, known};
use super::form;

/// Objects of a page unless asked otherwise, and at most.
const LIMIT: usize = 10;
const LIMIT_MAX: usize = 100;

/// A page of objects of a kind.
pub(super) fn objects(account: &Account, kind: &str, parameters: &Map<String, Value>) -> Result<Value, Answer> {
    const EVERY: [&str; 3] = ["limit", "starting_after", "created"];
    let (filters, path): (&[&str], _) = match kind {
        "customer" => (&["email"], "customers"),
        "subscription" => (&["customer", "status"], "subscriptions"),
        "invoice" => (&["customer", "status"], "invoices"),
        "payment_method" => (&["customer", "type"], "payment_methods"),
        "product" => (&["active"], "products"),
        "price" => (&["active", "product"], "prices"),
        _ => return Err(error(404, "invalid_request_error", None, None)),
    };
    known(parameters, &[&EVERY[..], filters].concat())?;
    let asked = |name: &str| form::text(parameters, &[name]);
    let fits = |object: &&Value| {
        filters.iter().all(|name| match (asked(name), *name) {
            (None, "status") if kind == "subscription" => object["status"] != "canceled",
            (Some("all"), "status") | (None, _) => true,
            (Some(word), _) => object[*name] == word || object[*name].to_string().as_str() == word,
        }) && object["deleted"].is_null()
            && object["created"].as_i64().unwrap_or_default() >= since(parameters)
    };
    page(account.of_kind(kind).filter(fits), parameters, path)
}

/// A page of events. `delivery_success=false` shows those that are not delivered yet.
pub(super) fn events(account: &Account, parameters: &Map<String, Value>) -> Result<Value, Answer> {
    known(parameters, &["limit", "starting_after", "created", "type", "types", "delivery_success"])?;
    let kind = form::text(parameters, &["type"]);
    let delivered = form::text(parameters, &["delivery_success"]).map(|word| word == "true");
    let told =
        account.told.iter().rev().filter(|told| delivered.is_none_or(|delivered| told.delivered == delivered)).map(|told| &told.event);
    let fits = |event: &&Value| {
        kind.is_none_or(|kind| event["type"] == kind) && event["created"].as_i64().unwrap_or_default() >= since(parameters)
    };
    page(told.filter(fits), parameters, "events")
}

fn since(parameters: &Map<String, Value>) -> i64 {
    form::text(parameters, &["created", "gte"]).and_then(|text| text.parse().ok()).unwrap_or(i64::MIN)
}

fn page<'a>(rows: impl Iterator<Item = &'a Value>, parameters: &Map<String, Value>, path: &str) -> Result<Value, Answer> {
    let invalid = |name| error(400, "invalid_request_error", Some("parameter_invalid_integer"), Some(name));
    let limit = match form::text(parameters, &["limit"]) {
        None => LIMIT,
        Some(text) => text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| invalid("limit"))?,
    };
    let rows: Vec<&Value> = rows.collect();
    let from = match form::text(parameters, &["starting_after"]) {
        None => 0,
        Some(id) => {
            let place = rows.iter().position(|row| row["id"] == id);
            1 + place.ok_or_else(|| error(400, "invalid_request_error", Some("resource_missing"), Some("starting_after")))?
        }
    };
    let data: Vec<_> = rows.iter().skip(from).take(limit).collect();
    Ok(json!({"object": "list", "data": data, "has_more": from + limit < rows.len(), "url": format!("/v1/{path}")}))
}
