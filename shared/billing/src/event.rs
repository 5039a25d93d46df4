//! A webhook's envelope: the few fields that count, read from the verified bytes.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json;

/// Bytes of an event type that are kept.
const TYPE_BYTES_MAX: usize = 128;

/// Why a signed event can never be applied as it is. Not a retry, not a refusal: it is kept for us to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event is malformed: {0}")]
pub struct Malformed(pub &'static str);

/// The object that a thin event is about; its content has to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Stripe's id.
    pub id: String,
    /// Stripe's word for what it is.
    pub object: String,
}

impl Related {
    /// Whether it is an object that the mirror or the catalogue holds.
    #[must_use]
    pub fn is_mirrored(&self) -> bool {
        matches!(self.object.as_str(), "subscription" | "customer" | "invoice" | "payment_method" | "price" | "product")
    }
}

/// One event of Stripe.
#[derive(Debug, Clone)]
pub struct Event {
    /// Stripe's id: names one effect.
    pub id: String,
    /// `customer.subscription.updated`; at most 128 bytes.
    pub event_type: String,
    /// Unix seconds. An event without a time is the oldest: it never replaces anything.
    pub created: i64,
    /// SHA-256 in hex over what Stripe repeats with each delivery. `pending_webhooks` changes from one to the next, so the bytes do not count.
    pub fingerprint: String,
    pub(crate) livemode: Option<bool>,
    pub(crate) is_connect: bool,
    pub(crate) is_thin: bool,
    pub(crate) related: Option<Related>,
    pub(crate) object: Value,
    pub(crate) previous_customer: Option<String>,
}

impl Event {
    /// The object that a thin event is about.
    #[must_use]
    pub fn related(&self) -> Option<&Related> {
        self.related.as_ref()
    }

    /// Reads the verified bytes. Fields that are not needed may have any shape.
    ///
    /// # Errors
    /// [`Malformed`] when they are no JSON object with an id and a type.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut value: Value = serde_json::from_slice(body).map_err(|_| Malformed("not JSON"))?;
        let id = json::text(&value, &["id"]).filter(|id| json::is_id(id)).ok_or(Malformed("no id"))?.to_owned();
        let event_type = json::clipped(&value, &["type"], TYPE_BYTES_MAX).ok_or(Malformed("no type"))?;
        let object = value.pointer_mut("/data/object").map(Value::take).unwrap_or_default();
        let created = json::seconds(&value, &["created"]).or_else(|| written_time(&value)).unwrap_or_default();
        let related = json::id(&value, &["related_object"])
            .map(|id| Related { id, object: json::clipped(&value, &["related_object", "type"], TYPE_BYTES_MAX).unwrap_or_default() });
        Ok(Self {
            fingerprint: fingerprint(&event_type, created, &object, related.as_ref()),
            livemode: json::at(&value, &["livemode"]).and_then(Value::as_bool),
            is_connect: json::at(&value, &["account"]).is_some(),
            is_thin: json::text(&value, &["object"]) == Some("v2.core.event"),
            previous_customer: json::id(&value, &["data", "previous_attributes", "customer"]),
            id,
            event_type,
            created,
            related,
            object,
        })
    }
}

/// Thin events write their time as a text.
fn written_time(value: &Value) -> Option<i64> {
    json::text(value, &["created"])?.parse::<domain::Timestamp>().ok().map(domain::Timestamp::unix_seconds)
}

fn fingerprint(event_type: &str, created: i64, object: &Value, related: Option<&Related>) -> String {
    let mut hash = Sha256::new();
    for part in [event_type, &created.to_string(), &object.to_string(), related.map_or("", |related| &related.id)] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    crate::signature::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_id_and_type_are_required() {
        let event = Event::parse(br#"{"id":"evt_1","type":"x","created":"soon","livemode":3,"data":[],"more":{"a":1}}"#).unwrap();
        assert_eq!((event.id.as_str(), event.event_type.as_str(), event.created, event.livemode), ("evt_1", "x", 0, None));
        for bad in
            ["", "{", "[]", "7", "{}", r#"{"id":"evt_1"}"#, r#"{"type":"x"}"#, r#"{"id":1,"type":"x"}"#, r#"{"id":"a#b","type":"x"}"#]
        {
            assert!(Event::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(Event::parse(&[0xff, 0xfe]).is_err());
        assert!(Event::parse("[".repeat(100_000).as_bytes()).is_err(), "deep nesting is refused, not followed");
    }

    #[test]
    fn a_redelivery_has_the_same_fingerprint_and_an_altered_event_another() {
        let body = |waiting: u8, status: &str| {
            let text = format!(r#"{{"id":"evt_1","type":"x","pending_webhooks":{waiting},"data":{{"object":{{"status":"{status}"}}}}}}"#);
            Event::parse(text.as_bytes()).unwrap().fingerprint
        };
        assert_eq!(body(1, "active"), body(2, "active"));
        assert_ne!(body(1, "active"), body(1, "canceled"));
    }

    #[test]
    fn thin_events_name_their_object_and_write_their_time() {
        let text = br#"{"id":"evt_1","object":"v2.core.event","type":"v1.billing.x","created":"2026-03-01T00:00:00.000Z",
            "related_object":{"id":"sub_1","type":"subscription","url":"/v1/subscriptions/sub_1"}}"#;
        let event = Event::parse(text).unwrap();
        assert!(event.is_thin);
        assert_eq!(event.created, 1_772_323_200);
        assert_eq!(event.related, Some(Related { id: "sub_1".into(), object: "subscription".into() }));
    }
}
