//! Objects before and since 2025-03-31 are stored alike; thin, foreign and unknown events do what they should.

use billing::{Event, Outcome, Quarantine, Related, Work};
use serde_json::{Value, json};

use super::history::with_period;
use super::table::{Delivered, Table};

fn event(id: &str, event_type: &str, created: i64, object: Value) -> String {
    json!({"id": id, "type": event_type, "created": created, "livemode": false, "data": {"object": object}}).to_string()
}

fn stored(body: &str) -> Value {
    let mut table = Table::default();
    assert_eq!(table.deliver(body), Delivered::Outcome(Outcome::Applied));
    table.shown()
}

#[test]
fn a_subscription_of_either_shape_is_stored_alike() {
    let object = |old| {
        let metadata = json!({"userId": "user|a"});
        let items = json!({"data": [{"id": "si_1", "price": {"id": "price_starter_monthly"}}]});
        with_period(
            json!({"id": "sub_1", "customer": "cus_1", "status": "active", "created": 5, "metadata": metadata, "items": items}),
            100,
            old,
        )
    };
    let [old, new] = [true, false].map(|old| stored(&event("evt_1", "customer.subscription.created", 7, object(old))));
    assert_eq!(old, new);
    let row = &old[2]["user|a"][0]["subscription"];
    assert_eq!((&row["currentPeriodStart"], &row["priceId"]), (&json!("1970-01-01T00:01:40.000Z"), &json!("price_starter_monthly")));
}

#[test]
fn an_invoice_of_either_shape_is_stored_alike() {
    let base = json!({"id": "in_1", "customer": {"id": "cus_1"}, "status": "paid", "created": 5, "amount_paid": 2900, "currency": "usd"});
    let (mut old, mut new) = (base.clone(), base);
    old["subscription"] = json!("sub_1");
    old["lines"] = json!({"data": [{"price": {"id": "price_1"}}]});
    new["parent"] = json!({"subscription_details": {"subscription": "sub_1"}});
    new["lines"] = json!({"data": [{"pricing": {"price_details": {"price": "price_1"}}}]});
    let [old, new] = [old, new].map(|object| {
        let mut table = Table::default();
        assert_eq!(table.deliver(&event("evt_1", "invoice.paid", 7, object)), Delivered::Outcome(Outcome::Unlinked));
        table.shown()
    });
    assert_eq!(old, new);
}

#[test]
fn events_that_are_not_ours_are_ignored() {
    let subscription = json!({"id": "sub_1", "customer": "cus_1", "status": "active"});
    for (field, value) in [("account", json!("acct_1")), ("livemode", json!(true))] {
        let mut body: Value = serde_json::from_str(&event("evt_1", "customer.subscription.updated", 1, subscription.clone())).unwrap();
        body[field] = value;
        let mut table = Table::default();
        assert_eq!(table.deliver(&body.to_string()), Delivered::Outcome(Outcome::Ignored), "{field}");
        assert_eq!(table, Table::default());
    }
    for (event_type, object) in [
        ("charge.succeeded", json!({"id": "ch_1"})),
        ("customer.subscription.invented", subscription),
        ("invoice.upcoming", json!({"object": "invoice", "customer": "cus_1"})),
        ("payment_method.updated", json!({"id": "pm_1", "customer": null})),
        ("checkout.session.completed", json!({"id": "cs_1", "customer": null, "client_reference_id": "user|a"})),
    ] {
        assert_eq!(Table::default().deliver(&event("evt_1", event_type, 1, object)), Delivered::Outcome(Outcome::Ignored), "{event_type}");
    }
}

#[test]
fn a_thin_event_is_parked_once_with_the_object_to_ask_for() {
    let body = json!({"id": "evt_1", "object": "v2.core.event", "type": "v1.customer.updated", "created": "2026-03-01T00:00:00Z",
        "livemode": false, "related_object": {"id": "cus_1", "type": "customer"}})
    .to_string();
    let mut table = Table::default();
    assert_eq!(table.deliver(&body), Delivered::Outcome(Outcome::Parked));
    assert_eq!(table.deliver(&body), Delivered::Outcome(Outcome::Duplicate));
    let Ok(Work::Park(related)) = Event::parse(body.as_bytes()).unwrap().work(false) else { panic!("not parked") };
    assert_eq!(related, Some(Related { id: "cus_1".into(), object: "customer".into() }));
}

#[test]
fn impossible_shapes_are_quarantined() {
    for (event_type, object) in [
        ("customer.subscription.updated", json!({"customer": "cus_1", "status": "active"})),
        ("customer.subscription.updated", json!({"id": "sub_1", "status": "active"})),
        ("customer.subscription.updated", json!({"id": "sub_1", "customer": "cus_1"})),
        ("customer.subscription.updated", json!({"object": "invoice", "id": "sub_1", "customer": "cus_1", "status": "active"})),
        ("customer.updated", json!({"email": "a@example.test"})),
        ("invoice.paid", json!({"customer": "cus_1"})),
        ("price.updated", json!({"active": true})),
        ("product.updated", json!("prod_1")),
    ] {
        let outcome = Table::default().deliver(&event("evt_1", event_type, 1, object.clone()));
        assert!(matches!(outcome, Delivered::Quarantined(Quarantine::Malformed(_))), "{event_type} {object}: {outcome:?}");
    }
}
