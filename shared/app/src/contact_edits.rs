//! Bodies of the endpoints that change or delete contacts by their ids.

use domain::{ContactChange, ContactId};
use serde_json::{Map, Value};
use web::{ApiError, Request};

/// Ids of one deletion.
const DELETE_IDS_MAX: usize = 500;

/// The change that a `PATCH` asks for, in the form in which it is stored.
///
/// # Errors
/// `400` for a body that is missing, empty or no object, for a field that no contact has, and for a value that cannot be stored; `413`, `415`.
pub fn contact_change(request: &Request) -> Result<ContactChange, ApiError> {
    let body = object(request)?;
    if body.is_empty() {
        return Err(bad("body: names no field"));
    }
    let mut change = ContactChange::default();
    for (field, value) in &body {
        match field.as_str() {
            "name" => change.name = Some(text(field, value)?.ok_or_else(|| bad("name: must be text"))?),
            "email" => change.email = Some(text(field, value)?),
            "phone" => change.phone = Some(text(field, value)?),
            "role" => change.role = Some(text(field, value)?),
            "company" => change.company = Some(text(field, value)?),
            "isSelected" => change.is_selected = Some(value.as_bool().ok_or_else(|| bad("isSelected: must be true or false"))?),
            _ => return Err(bad("body: only name, email, phone, role, company and isSelected can be changed")),
        }
    }
    change.cleaned().map_err(|error| ApiError::BadRequest(error.to_string()))
}

/// The ids of a deletion, as sent.
///
/// # Errors
/// `400` unless the body is an object whose `ids` are 1 to 500 ids; `413`, `415`.
pub fn contact_ids(request: &Request) -> Result<Vec<ContactId>, ApiError> {
    let body = object(request)?;
    let ids = match body.get("ids") {
        Some(Value::Array(ids)) if (1..=DELETE_IDS_MAX).contains(&ids.len()) => ids,
        _ => return Err(bad("ids: must be 1 to 500 contact ids")),
    };
    let id = |id: &Value| id.as_str().and_then(|id| id.parse().ok()).ok_or_else(|| bad("ids: each must be a valid UUID"));
    ids.iter().map(id).collect()
}

fn object(request: &Request) -> Result<Map<String, Value>, ApiError> {
    if request.body().is_empty() {
        return Err(bad("body: required"));
    }
    match web::json_body(request)? {
        Value::Object(body) => Ok(body),
        _ => Err(bad("body: must be an object")),
    }
}

fn text(field: &str, value: &Value) -> Result<Option<String>, ApiError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(ApiError::BadRequest(format!("{field}: must be text or null"))),
    }
}

fn bad(text: &str) -> ApiError {
    ApiError::BadRequest(text.to_owned())
}
