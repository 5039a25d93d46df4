//! Single stories: what a user has after a few events.

use billing::guard::Version;
use billing::{Answer, CustomerItem, Event, Found, FoundUser, Item, ItemId, Meta, Outcome, Quarantine, Sources, Work};
use domain::{Billing, Customer, PlanId, Plans, Subscription, SubscriptionStatus, Timestamp, UserId};
use serde_json::{Value, json};

use super::table::{Delivered, Table};

const APPLIED: Delivered = Delivered::Outcome(Outcome::Applied);

fn event(id: &str, event_type: &str, created: i64, object: Value) -> String {
    json!({"id": id, "type": event_type, "created": created, "data": {"object": object}}).to_string()
}

fn subscription(id: &str, customer: &str, status: &str, created: i64) -> Value {
    json!({"id": id, "customer": customer, "status": status, "created": created, "current_period_start": 10, "current_period_end": 100,
        "items": {"data": [{"price": {"id": "price_starter_monthly"}}]}, "metadata": {"userId": "user|a"}})
}

fn linked(customer: &str, user: &str) -> Value {
    json!({"id": "cs_1", "customer": customer, "client_reference_id": user, "payment_status": "unpaid"})
}

fn plan(billing: &Billing) -> PlanId {
    Plans::built_in().granted(billing).id
}

#[test]
fn deleting_an_old_subscription_leaves_the_new_one() {
    let mut table = Table::default();
    table.deliver(&event("evt_1", "customer.subscription.created", 1, subscription("sub_old", "cus_1", "active", 1)));
    table.deliver(&event("evt_2", "customer.subscription.created", 9, subscription("sub_new", "cus_1", "active", 9)));
    assert_eq!(
        table.deliver(&event("evt_3", "customer.subscription.deleted", 10, subscription("sub_old", "cus_1", "canceled", 1))),
        APPLIED
    );
    let billing = table.billing("user|a");
    assert_eq!(billing.subscription.as_ref().unwrap().stripe_subscription_id.as_deref(), Some("sub_new"));
    assert_eq!(plan(&billing), PlanId::Starter);
}

#[test]
fn a_subscription_of_nobody_counts_as_soon_as_its_customer_is_linked() {
    let mut table = Table::default();
    let mut object = subscription("sub_1", "cus_1", "active", 1);
    object["metadata"] = json!({"userId": "not a user!"});
    assert_eq!(table.deliver(&event("evt_1", "customer.subscription.created", 1, object)), Delivered::Outcome(Outcome::Unlinked));
    assert_eq!(plan(&table.billing("user|a")), PlanId::Free);
    assert_eq!(table.deliver(&event("evt_2", "checkout.session.completed", 1, linked("cus_1", "user|a"))), APPLIED);
    assert_eq!(plan(&table.billing("user|a")), PlanId::Starter);
    assert_eq!(plan(&table.billing("user|b")), PlanId::Free);
}

#[test]
fn an_unpaid_checkout_links_and_grants_nothing() {
    let mut table = Table::default();
    assert_eq!(table.deliver(&event("evt_1", "checkout.session.completed", 1, linked("cus_1", "user|a"))), APPLIED);
    let billing = table.billing("user|a");
    assert_eq!((billing.customer.map(|customer| customer.id), billing.subscription), (Some("cus_1".into()), None));
}

#[test]
fn a_customer_is_never_linked_to_a_second_user() {
    let mut table = Table::default();
    table.deliver(&event("evt_1", "customer.subscription.created", 1, subscription("sub_1", "cus_1", "active", 1)));
    let before = table.clone();
    for (n, body) in [
        event("evt_2", "checkout.session.completed", 2, linked("cus_1", "user|b")),
        event("evt_3", "customer.updated", 2, json!({"id": "cus_1", "metadata": {"userId": "user|b"}})),
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(table.deliver(body), Delivered::Quarantined(Quarantine::LinkedToAnother), "{n}");
    }
    assert_eq!(table, before);
}

#[test]
fn a_repeated_event_is_a_duplicate_and_an_altered_one_raises_an_alarm() {
    let mut table = Table::default();
    let body = |status| event("evt_1", "customer.subscription.updated", 1, subscription("sub_1", "cus_1", status, 1));
    assert_eq!(table.deliver(&body("active")), APPLIED);
    assert_eq!(table.deliver(&body("active")), Delivered::Outcome(Outcome::Duplicate));
    assert_eq!(table.deliver(&body("canceled")), Delivered::Altered);
    assert_eq!(plan(&table.billing("user|a")), PlanId::Starter);
}

#[test]
fn an_older_event_is_stale_but_its_link_is_taken() {
    let mut table = Table::default();
    let mut newer = subscription("sub_1", "cus_1", "past_due", 1);
    newer["metadata"] = json!({});
    assert_eq!(table.deliver(&event("evt_2", "customer.subscription.updated", 2, newer)), Delivered::Outcome(Outcome::Unlinked));
    let older = subscription("sub_1", "cus_1", "active", 1);
    assert_eq!(table.deliver(&event("evt_1", "customer.subscription.created", 1, older.clone())), APPLIED);
    assert_eq!(table.billing("user|a").subscription.unwrap().status, SubscriptionStatus::PastDue);
    assert_eq!(table.deliver(&event("evt_0", "customer.subscription.created", 1, older)), Delivered::Outcome(Outcome::Stale));
}

#[test]
fn the_better_of_two_customers_counts() {
    let mut table = Table::default();
    table.deliver(&event("evt_1", "customer.subscription.created", 1, subscription("sub_1", "cus_1", "active", 1)));
    table.deliver(&event("evt_2", "customer.subscription.created", 9, subscription("sub_2", "cus_2", "incomplete", 9)));
    let billing = table.billing("user|a");
    assert_eq!((billing.customer.unwrap().id.as_str(), billing.subscription.unwrap().status), ("cus_1", SubscriptionStatus::Active));
}

#[test]
fn a_deleted_customer_is_forgotten_and_pays_for_nothing() {
    let mut table = Table::default();
    let customer = json!({"id": "cus_1", "email": "ines@example.test", "name": "Ines", "created": 1, "metadata": {"userId": "user|a"}});
    table.deliver(&event("evt_1", "customer.created", 1, customer.clone()));
    table.deliver(&event("evt_2", "customer.subscription.created", 2, subscription("sub_1", "cus_1", "active", 2)));
    assert_eq!(table.billing("user|a").customer.unwrap().name.as_deref(), Some("Ines"));
    table.deliver(&event("evt_3", "customer.deleted", 3, customer));
    let billing = table.billing("user|a");
    assert_eq!((plan(&billing), billing.customer), (PlanId::Free, None));
    assert!(!table.shown().to_string().contains("ines@"));
}

fn imported(stripe_id: Option<&str>) -> FoundUser {
    let at = Timestamp::from_ms(1_000);
    let row = Subscription {
        id: "0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01".into(),
        stripe_subscription_id: stripe_id.map(str::to_owned),
        status: SubscriptionStatus::Active,
        price_id: "starter".into(),
        current_period_start: at,
        current_period_end: at,
        cancel_at_period_end: false,
        cancels_at: None,
        created_at: at,
    };
    let customer = Customer { id: "cus_1".into(), email: Some("ines@example.test".into()), name: None };
    FoundUser { billing: Billing { customer: Some(customer), subscription: Some(row) }, sources: None }
}

/// The billing state of an imported user after one event of a subscription.
fn after_import(stripe_id: Option<&str>, object: Value) -> (Billing, Sources) {
    let body = event("evt_1", "customer.subscription.updated", 9, object);
    let Ok(Work::Customer(work)) = Event::parse(body.as_bytes()).unwrap().work(false) else { panic!("no customer's event") };
    let meta = Some(Meta::new("cus_1", Some(UserId::parse("user|a").unwrap())));
    let billing::Decision::Write(writes) = work.decide(&Found { meta, user: imported(stripe_id), ..Found::default() }, &Plans::built_in())
    else {
        panic!("nothing to write")
    };
    let user = writes.customer.unwrap().user.unwrap();
    (user.billing, user.sources)
}

#[test]
fn an_imported_subscription_counts_until_the_mirror_speaks_for_it() {
    let (billing, _) = after_import(Some("sub_1"), subscription("sub_0", "cus_1", "canceled", 0));
    assert_eq!(plan(&billing), PlanId::Starter, "the end of another subscription does not take the plan away");
    assert_eq!(billing.customer.unwrap().email.as_deref(), Some("ines@example.test"));

    let (billing, _) = after_import(Some("sub_1"), subscription("sub_1", "cus_1", "canceled", 0));
    assert_eq!(plan(&billing), PlanId::Free);
    assert_eq!(billing.subscription.unwrap().id, "0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01", "the row keeps its id");

    let (billing, _) = after_import(None, subscription("sub_1", "cus_1", "past_due", 0));
    assert_eq!(billing.subscribed().unwrap().1, "sub_1", "a row that Stripe does not know hides none that it knows");
}

#[test]
fn a_user_with_countless_customers_is_quarantined() {
    let mut table = Table::default();
    let deliver = |table: &mut Table, n: u32| {
        table.deliver(&event(&format!("evt_{n}"), "checkout.session.completed", 1, linked(&format!("cus_{n}"), "user|a")))
    };
    assert!((0..20).all(|n| deliver(&mut table, n) == APPLIED));
    assert_eq!(deliver(&mut table, 20), Delivered::Quarantined(Quarantine::TooManyCustomers));
}

#[test]
fn stripes_answer_is_refused_when_it_is_about_something_else() {
    let item = CustomerItem::Item(ItemId::Subscription("sub_1".into()));
    let ask = |object: Value| item.refetched("cus_1", &Found::default(), Answer::Object(&object), 100, &Plans::built_in());
    assert!(ask(subscription("sub_2", "cus_1", "active", 1)).is_err());
    assert!(ask(subscription("sub_1", "cus_2", "active", 1)).is_err());
    let writes = ask(subscription("sub_1", "cus_1", "active", 1)).unwrap().unwrap();
    let Some(Item::Subscription(stored)) = writes.item else { panic!("no subscription") };
    assert_eq!(stored.version, Version::fetched(100));
    assert_eq!(writes.user.unwrap().user.as_str(), "user|a", "a backfilled subscription links its customer");
    assert_eq!(item.refetched("cus_1", &Found::default(), Answer::Missing, 100, &Plans::built_in()), Ok(None));
}

#[test]
fn reconciling_what_is_the_same_writes_nothing() {
    let mut table = Table::default();
    let object = subscription("sub_1", "cus_1", "active", 1);
    table.deliver(&event("evt_1", "customer.subscription.created", 1, object.clone()));
    let item = CustomerItem::Item(ItemId::Subscription("sub_1".into()));
    let mut stripe = std::collections::BTreeMap::from([("sub_1".to_owned(), object)]);
    assert!(!table.refetch("cus_1", &item, &stripe, 100));
    stripe.get_mut("sub_1").unwrap()["status"] = json!("unpaid");
    assert!(table.refetch("cus_1", &item, &stripe, 100), "drift is repaired");
    assert_eq!(table.billing("user|a").subscription.unwrap().status, SubscriptionStatus::Unpaid);
}
