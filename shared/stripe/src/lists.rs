//! Lists of Stripe's objects, page by page.

use serde::Serialize;
use serde_json::Value;

/// Objects of a page: the most that Stripe allows.
const PAGE_OBJECTS: u32 = 100;

/// Which objects, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List<'a> {
    /// All customers.
    Customers,
    /// All subscriptions of a customer, ended ones too.
    SubscriptionsOf(&'a str),
    /// All subscriptions, ended ones too.
    Subscriptions,
    /// All invoices of a customer.
    InvoicesOf(&'a str),
    /// The payment methods that are attached to a customer.
    PaymentMethodsOf(&'a str),
    /// Events; Stripe keeps them for 30 days.
    Events {
        /// Unix second of the oldest one.
        since: i64,
        /// Only those that some endpoint has not taken yet.
        undelivered: bool,
    },
    /// All products.
    Products,
    /// All prices.
    Prices,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The objects as Stripe shows them.
    pub objects: Vec<Value>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

/// The query string of a list.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Query<'a> {
    limit: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Since>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_success: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Since {
    gte: i64,
}

impl<'a> List<'a> {
    /// Path and query of the page that begins after an object.
    pub(crate) fn request(self, after: Option<&'a str>) -> (&'static str, Query<'a>) {
        let all = Query { limit: PAGE_OBJECTS, starting_after: after, ..Query::default() };
        let ended_too = Some("all");
        match self {
            Self::Customers => ("/customers", all),
            Self::SubscriptionsOf(customer) => ("/subscriptions", Query { customer: Some(customer), status: ended_too, ..all }),
            Self::Subscriptions => ("/subscriptions", Query { status: ended_too, ..all }),
            Self::InvoicesOf(customer) => ("/invoices", Query { customer: Some(customer), ..all }),
            Self::PaymentMethodsOf(customer) => ("/payment_methods", Query { customer: Some(customer), ..all }),
            Self::Events { since, undelivered } => {
                // The filter takes `false` only to mean what was not delivered; without it all events are listed.
                let delivery_success = undelivered.then_some(false);
                ("/events", Query { created: Some(Since { gte: since }), delivery_success, ..all })
            }
            Self::Products => ("/products", all),
            Self::Prices => ("/prices", all),
        }
    }
}

impl Page {
    /// Reads Stripe's answer; nothing when it is no list.
    pub(crate) fn of(mut answer: Value) -> Option<Self> {
        let has_more = answer.get("has_more").and_then(Value::as_bool)?;
        let Some(Value::Array(objects)) = answer.get_mut("data").map(Value::take) else { return None };
        let last = objects.last().and_then(|object| object.get("id")?.as_str()).map(str::to_owned);
        Some(Self { next: last.filter(|_| has_more), objects })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_next_page_begins_after_the_last_object_if_there_is_more() {
        let page = |has_more: bool| Page::of(json!({"object": "list", "data": [{"id": "a"}, {"id": "b"}], "has_more": has_more})).unwrap();
        assert_eq!((page(true).next.as_deref(), page(false).next), (Some("b"), None));
        assert_eq!(Page::of(json!({"data": [], "has_more": true})).unwrap().next, None, "an empty page ends the list");
        assert!(Page::of(json!({"data": {}, "has_more": true})).is_none() && Page::of(json!({"id": "cus_1"})).is_none());
    }
}
