//! Stripe's ids in JSON bodies.

use serde_json::{Map, Value};
use web::{ApiError, Request};

/// Characters of an id of Stripe.
const ID_CHARS_MAX: usize = 255;

/// The price that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceRequest {
    /// Stripe's id of the price.
    pub price: String,
}

/// The subscription that a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionRequest {
    /// Stripe's id of the subscription.
    pub subscription: String,
}

impl PriceRequest {
    /// Reads the JSON body.
    ///
    /// # Errors
    /// `400` without a usable `priceId`; `413`, `415`.
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        Ok(Self { price: id(&object(request)?, "priceId", "priceId: required")? })
    }
}

impl SubscriptionRequest {
    /// Reads the JSON body.
    ///
    /// # Errors
    /// `400` without a usable `subscriptionId`; `413`, `415`.
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        Ok(Self { subscription: id(&object(request)?, "subscriptionId", "Subscription ID required")? })
    }
}

fn object(request: &Request) -> Result<Map<String, Value>, ApiError> {
    match web::json_body(request)? {
        Value::Object(body) => Ok(body),
        _ => Err(ApiError::BadRequest("body: must be an object".to_owned())),
    }
}

fn id(body: &Map<String, Value>, name: &str, missing: &str) -> Result<String, ApiError> {
    let bad = |text: String| Err(ApiError::BadRequest(text));
    match body.get(name) {
        None | Some(Value::Null) => bad(missing.to_owned()),
        Some(Value::String(id)) if id.is_empty() => bad(missing.to_owned()),
        Some(Value::String(id)) if id.chars().count() <= ID_CHARS_MAX => Ok(id.clone()),
        Some(Value::String(_)) => bad(format!("{name}: at most {ID_CHARS_MAX} characters")),
        Some(_) => bad(format!("{name}: must be text")),
    }
}
