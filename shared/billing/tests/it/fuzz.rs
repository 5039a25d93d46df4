//! Nothing that a body may contain makes the decision panic.

use std::collections::BTreeMap;

use billing::signature::{Secrets, verify};
use billing::{Answer, CustomerItem, Event, Found, ItemId, Work};
use domain::Plans;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::table::Table;

/// Names that the parser looks at, so that arbitrary values get where they could hurt.
const NAMES: [&str; 34] = [
    "id",
    "object",
    "type",
    "created",
    "customer",
    "status",
    "items",
    "data",
    "price",
    "plan",
    "current_period_start",
    "current_period_end",
    "cancel_at",
    "cancel_at_period_end",
    "metadata",
    "userId",
    "email",
    "name",
    "deleted",
    "lines",
    "parent",
    "subscription_details",
    "subscription",
    "pricing",
    "price_details",
    "card",
    "last4",
    "client_reference_id",
    "active",
    "unit_amount",
    "recurring",
    "interval",
    "product",
    "lookup_key",
];

const TYPES: [&str; 12] = [
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "checkout.session.completed",
    "invoice.created",
    "invoice.paid",
    "invoice.deleted",
    "customer.updated",
    "customer.deleted",
    "payment_method.attached",
    "payment_method.detached",
    "charge.failed",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        proptest::sample::select(vec!["cus_1", "sub_1", "active", "canceled", "paid", "user|a", "price_starter_monthly"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        let name = proptest::sample::select(NAMES.to_vec()).prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..8)
                .prop_map(|map: BTreeMap<String, Value>| Value::from(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// An object that looks right but for a few fields.
fn object() -> impl Strategy<Value = Value> {
    (value(), any::<[bool; 3]>()).prop_map(|(mut object, keep)| {
        if !object.is_object() {
            object = json!({ "items": object });
        }
        for (n, (name, right)) in [("id", "sub_1"), ("customer", "cus_1"), ("status", "active")].into_iter().enumerate() {
            if keep[n] {
                object[name] = json!(right);
            }
        }
        object.as_object_mut().unwrap().remove("object");
        object
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_and_headers_are_refused_quietly(body in proptest::collection::vec(any::<u8>(), 0..200), header in "\\PC{0,60}", now in any::<i64>()) {
        let _ = Event::parse(&body).map(|event| event.work(true));
        let secrets = Secrets::parse("whsec_1").unwrap();
        prop_assert!(verify(&secrets, &header, &body, now).is_err());
        let unsigned = format!("t={now},v1=00");
        prop_assert!(verify(&secrets, &unsigned, &body, now).is_err());
    }

    #[test]
    fn arbitrary_json_is_decided_quietly(envelope in value()) {
        let _ = Event::parse(envelope.to_string().as_bytes()).map(|event| event.work(false));
    }

    #[test]
    fn arbitrary_objects_of_known_types_are_decided_quietly(
        events in proptest::collection::vec((proptest::sample::select(TYPES.to_vec()), object(), any::<i64>()), 1..6)
    ) {
        let mut table = Table::default();
        for (n, (event_type, object, created)) in events.into_iter().enumerate() {
            let body = json!({"id": format!("evt_{n}"), "type": event_type, "created": created, "data": {"object": object}});
            table.deliver(&body.to_string());
            for id in [ItemId::Subscription("sub_1".into()), ItemId::Invoice { created, id: "sub_1".into() }, ItemId::PaymentMethod("sub_1".into())] {
                let _ = CustomerItem::Item(id).refetched("cus_1", &Found::default(), Answer::Object(&object), created, &Plans::built_in());
            }
            for event_type in ["price.created", "product.updated"] {
                let body = json!({"id": "evt_1", "type": event_type, "created": created, "data": {"object": object}});
                if let Ok(Work::Catalogue(work)) = Event::parse(body.to_string().as_bytes()).unwrap().work(false) {
                    let _ = work.decide(None, None, &Plans::built_in());
                }
            }
        }
    }
}
