//! Stripe is asked for what its events leave open, outside the webhook, and what it shows counts.

use std::collections::BTreeMap;

use app::Clock;
use billing::{Answer, CustomerItem, ItemId};
use domain::{Plans, UserId};
use local::fake_stripe::{FakeStripe, Fault as StripeFault};
use serde_json::{Value, json};
use store::{Answered, Question};
use stripe_client::{Client, Config};
use testkit::policies::acting_as;
use testkit::{Fault, World, seed};

use super::stripe::{CUSTOMER, NOW, deliver, drift, event, rev, subscription};

pub(crate) async fn fake() -> FakeStripe {
    FakeStripe::start(Clock::frozen(testkit::NOW.parse().unwrap())).await.unwrap()
}

pub(crate) fn client(fake: &FakeStripe) -> Client {
    let lookup = |variable: &str| match variable {
        "STRIPE_SECRET_KEY" => Some("sk_test_of_the_tests".to_owned()),
        "STRIPE_API_URL" => Some(fake.url()),
        "STAGE" => Some("test".to_owned()),
        _ => None,
    };
    let (attempt, pause) = (std::time::Duration::from_millis(500), std::time::Duration::from_millis(5));
    Client::new(&Config::from_lookup(&lookup).unwrap().with_times(attempt, pause))
}

pub(crate) fn customer(id: &str, user: Option<&str>) -> Value {
    json!({"id": id, "object": "customer", "email": "ines@example.test", "name": "Ines Demo", "created": NOW - 900,
        "metadata": user.map_or(json!({}), |user| json!({"userId": user}))})
}

/// An account at Stripe of which nobody has told: a customer of `u1` with a plan, an invoice and a card.
async fn untold() -> FakeStripe {
    let stripe = fake().await;
    stripe.put(customer("cus_1", Some("u1")));
    stripe.put(subscription("sub_1", "price_professional_monthly", "active", NOW - 500, Some("u1")));
    stripe.put(json!({"id": "in_1", "object": "invoice", "customer": "cus_1", "status": "paid", "created": NOW - 500, "amount_paid": 9900,
        "currency": "usd"}));
    stripe.put(json!({"id": "pm_1", "object": "payment_method", "customer": "cus_1", "type": "card", "created": NOW - 500,
        "card": {"brand": "visa", "last4": "4242"}}));
    stripe
}

fn user() -> UserId {
    UserId::parse("u1").unwrap()
}

fn of_one_second(id: &str, status: &str) -> Value {
    event(id, "customer.subscription.updated", NOW - 20, subscription("sub_1", "price_professional_monthly", status, NOW - 500, Some("u1")))
}

/// A record of the table's stream about a marked item.
pub(crate) fn marked(pk: &str, sk: &str) -> Value {
    let keys = json!({"pk": {"S": pk}, "sk": {"S": sk}});
    let mut image = keys.clone();
    image["needs_refresh"] = json!({"S": "yes"});
    json!({"eventID": "1", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "dynamodb": {"Keys": keys, "NewImage": image, "SequenceNumber": "100000000000000000007", "SizeBytes": 9,
            "ApproximateCreationDateTime": 1_772_703_001, "StreamViewType": "NEW_AND_OLD_IMAGES"}})
}

/// Gives a record to the consumer: the numbers that come again.
async fn refetch(world: &World, record: &Value) -> Vec<String> {
    let batch = serde_json::from_value(json!({"Records": [record]})).unwrap();
    let response = acting_as("on-stripe-refetch", local::functions::ON_STRIPE_REFETCH(world.app(), batch)).await.unwrap();
    response.batch_item_failures.into_iter().filter_map(|failure| failure.item_identifier).collect()
}

#[tokio::test]
async fn a_customer_that_is_new_is_asked_for_as_a_whole_once() {
    let stripe = untold().await;
    let world = World::with_stripe(&[seed("u1")], client(&stripe)).await;
    deliver(&world, &event("evt_1", "customer.created", NOW - 900, customer("cus_1", Some("u1")))).await.expect_json("/outcome", "applied");
    world.settled().await;

    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_json("/subscriptionId", "sub_1");
    let shown = world.get("/api/billing/customer/cus_1").await.expect_absent("/stale");
    shown.expect_json("/customer/name", "Ines Demo");
    world.get("/api/billing/billing-history/cus_1").await.expect_json("/history/0/id", "in_1").expect_absent("/stale");
    world.get("/api/billing/payment-methods/cus_1").await.expect_json("/methods/0/card/last4", "4242");
    assert_eq!(stripe.calls(), 4, "{:?}", stripe.requests());

    deliver(&world, &event("evt_2", "customer.updated", NOW - 9, customer("cus_1", Some("u1")))).await.expect_json("/outcome", "applied");
    world.settled().await;
    assert_eq!((stripe.calls(), drift(&world).await), (4, vec![]), "once is enough");
}

#[tokio::test]
async fn an_imported_customer_is_asked_for_and_one_that_stripe_does_not_know_is_left_as_it_was() {
    let stripe = fake().await;
    stripe.put(customer("cus_u1", None));
    let mut theirs = subscription("sub_u1", "price_professional_monthly", "past_due", NOW - 500, None);
    theirs["customer"] = json!("cus_u1");
    stripe.put(theirs);
    let imported = |user| seed(user).subscription("price_starter_monthly", "active");
    let world = World::with_stripe(&[imported("u1"), imported("u2")], client(&stripe)).await;
    world.settled().await;
    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_json("/status", "past_due");
    let unknown = world.as_user("u2").get(CUSTOMER).await.expect_json("/plan", "starter");
    unknown.expect_json("/customer/email", "ines@example.test");
    world.as_user("u2").get("/api/billing/customer/cus_u2").await.expect_absent("/stale");
}

#[tokio::test]
async fn two_events_of_one_second_are_settled_by_what_stripe_shows() {
    for (first, second) in [("unpaid", "past_due"), ("past_due", "unpaid")] {
        let stripe = untold().await;
        let world = World::with_stripe(&[seed("u1")], client(&stripe)).await;
        for (id, status) in [("evt_a", first), ("evt_b", second)] {
            // Applied, or stale if Stripe was asked already.
            deliver(&world, &of_one_second(id, status)).await.expect_status(200);
        }
        world.settled().await;
        world.get(CUSTOMER).await.expect_json("/status", "active");
        let mark = world.table().before("cus_1", &CustomerItem::Item(ItemId::Subscription("sub_1".into()))).await.unwrap();
        assert!(!mark.needs_refresh && !mark.needs_fill);
    }
}

#[tokio::test]
async fn a_subscription_that_stripe_has_no_more_has_ended() {
    let stripe = untold().await;
    let world = World::with_stripe(&[seed("u1")], client(&stripe)).await;
    deliver(&world, &event("evt_0", "customer.created", NOW - 900, customer("cus_1", Some("u1")))).await.expect_json("/outcome", "applied");
    world.settled().await;
    world.get(CUSTOMER).await.expect_json("/plan", "professional");
    stripe.remove("sub_1");
    // Stripe was asked at the world's time: only what happens later is news.
    for id in ["evt_a", "evt_b"] {
        let mut news = of_one_second(id, if id == "evt_a" { "unpaid" } else { "past_due" });
        news["created"] = json!(NOW + 5);
        deliver(&world, &news).await.expect_json("/outcome", "applied");
    }
    world.settled().await;
    world.get(CUSTOMER).await.expect_json("/hasSubscription", false);
    assert_eq!(drift(&world).await, [""; 0]);
}

#[tokio::test]
async fn while_stripe_is_down_events_and_reads_go_on_and_the_question_comes_again() {
    let stripe = untold().await;
    let world = World::with_idle_stripe(&[seed("u1")], client(&stripe)).await;
    stripe.refuse(true);
    deliver(&world, &of_one_second("evt_a", "active")).await.expect_json("/outcome", "applied");
    let record = marked("CUS#cus_1", "META");
    assert_eq!(refetch(&world, &record).await, ["100000000000000000007"]);
    world.get(CUSTOMER).await.expect_status(200).expect_json("/plan", "professional");
    world.get("/api/billing/billing-history/cus_1").await.expect_status(200).expect_json("/stale", true);
    stripe.refuse(false);
    let mut again = 0;
    while !refetch(&world, &record).await.is_empty() {
        again += 1;
        assert!(again < 100, "the breaker closes again");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    world.get("/api/billing/billing-history/cus_1").await.expect_json("/history/0/id", "in_1").expect_absent("/stale");
    assert!(world.letters().all().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_not_stripes_comes_again_and_a_record_of_nothing_is_put_aside() {
    let stripe = untold().await;
    let world = World::with_idle_stripe(&[seed("u1")], client(&stripe)).await;
    deliver(&world, &of_one_second("evt_a", "active")).await.expect_json("/outcome", "applied");
    stripe.fault(StripeFault::Garbage, 3);
    assert_eq!(refetch(&world, &marked("CUS#cus_1", "META")).await.len(), 1);
    assert_eq!(refetch(&world, &marked("USER#u1", "ROOT")).await.len(), 0);
    assert_eq!(world.letters().all().len(), 1);
}

#[tokio::test]
async fn a_thin_event_is_completed_by_stripe() {
    let stripe = untold().await;
    let world = World::with_stripe(&[seed("u1")], client(&stripe)).await;
    let thin = |id: &str, related: &str, kind: &str| {
        json!({"id": id, "object": "v2.core.event", "type": format!("v1.{kind}.updated"), "created": "2026-03-05T09:29:00.000Z",
            "livemode": false, "related_object": {"id": related, "type": kind}})
    };
    for event in
        [thin("evt_1", "sub_1", "subscription"), thin("evt_2", "sub_gone", "subscription"), thin("evt_3", "mtr_1", "billing.meter")]
    {
        deliver(&world, &event).await.expect_status(200).expect_json("/outcome", "parked");
        world.settled().await;
        deliver(&world, &event).await.expect_json("/outcome", "duplicate");
    }
    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_json("/subscriptionId", "sub_1");
    for (event, waits) in [("evt_1", false), ("evt_2", false)] {
        assert_eq!(world.table().parked(event).await.unwrap().is_some(), waits, "{event}");
    }
}

#[tokio::test]
async fn prices_of_one_second_are_settled_by_what_stripe_shows() {
    let stripe = fake().await;
    let price = |active: bool| {
        json!({"id": "price_new", "object": "price", "active": active, "currency": "usd", "unit_amount": 2900, "created": NOW - 10,
            "lookup_key": "starter_monthly", "recurring": {"interval": "month", "interval_count": 1}})
    };
    stripe.put(price(true));
    let world = World::with_stripe(&[], client(&stripe)).await;
    for (id, active) in [("evt_1", true), ("evt_2", false)] {
        deliver(&world, &event(id, "price.updated", NOW - 10, price(active))).await.expect_json("/outcome", "applied");
    }
    world.settled().await;
    world.get("/api/billing/plans").await.expect_json("/plans/1/stripePriceId", "price_new");
}

#[tokio::test]
async fn an_event_between_question_and_answer_is_not_lost() {
    let world = World::with(&[seed("u1")]).await;
    deliver(&world, &of_one_second("evt_a", "active")).await.expect_json("/outcome", "applied");
    let object = CustomerItem::Item(ItemId::Subscription("sub_1".into()));
    let before = world.table().before("cus_1", &object).await.unwrap();
    let question = Question { customer: "cus_1", object: &object, before, asked_at: testkit::NOW.parse().unwrap() };
    let answer = subscription("sub_1", "price_professional_monthly", "unpaid", NOW - 500, Some("u1"));

    let ended = subscription("sub_1", "price_professional_monthly", "canceled", NOW - 500, Some("u1"));
    deliver(&world, &event("evt_z", "customer.subscription.deleted", NOW - 5, ended)).await.expect_json("/outcome", "applied");
    let answered = world.table().answered(question, Answer::Object(&answer), &Plans::built_in()).await.unwrap();
    assert_eq!(answered, Answered::Moved);
    world.get(CUSTOMER).await.expect_json("/hasSubscription", false);

    let question = Question { before: world.table().before("cus_1", &object).await.unwrap(), ..question };
    let alien = json!({"id": "sub_2", "object": "subscription", "customer": "cus_1", "status": "active"});
    let answered = world.table().answered(question, Answer::Object(&alien), &Plans::built_in()).await.unwrap();
    assert!(matches!(answered, Answered::Refused(_)), "{answered:?}");
}

/// What of a user's state must not depend on where a process died.
async fn state(world: &World) -> (domain::Billing, Value, Vec<String>) {
    let history = world.get("/api/billing/billing-history/cus_1").await.expect_status(200).json.clone();
    let billing = world.table().root(&user()).await.unwrap().unwrap().billing;
    (billing, history, drift(world).await)
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_a_fill_loses_and_doubles_nothing() {
    let record = marked("CUS#cus_1", "META");
    let begun = async || {
        let stripe = untold().await;
        let world = World::with_idle_stripe(&[seed("u1")], client(&stripe)).await;
        deliver(&world, &of_one_second("evt_a", "past_due")).await.expect_json("/outcome", "applied");
        (stripe, world)
    };
    let (_stripe, world) = begun().await;
    assert!(refetch(&world, &record).await.is_empty());
    let (expected, revs) = (state(&world).await, rev(&world).await);
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        for call in 0.. {
            let (_stripe, world) = begun().await;
            let mut left = call;
            world.faults().plan(move |_| {
                left -= 1;
                (left == -1).then_some(fault)
            });
            let crashed = world.faults().unless_crashed(refetch(&world, &record)).await.is_none();
            world.faults().clear();
            assert!(refetch(&world, &record).await.is_empty());
            world.settled().await;
            assert_eq!((state(&world).await, rev(&world).await), (expected.clone(), revs), "{fault:?} in call {call}");
            if !crashed {
                assert!(call > 4, "a fill is more than {call} calls");
                break;
            }
        }
    }
}

#[tokio::test]
async fn all_that_happens_at_stripe_in_any_order_ends_in_what_stripe_shows() {
    use local::fake_stripe::Action;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};
    let seed_number: u64 = rand::random();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed_number);
    for round in 0..4 {
        let stripe = untold().await;
        for _ in 0..12 {
            // Most of it within one second: the clock stands still.
            let _ = match random.random_range(0..6) {
                0 => stripe.act(Action::Pause("sub_1")),
                1 => stripe.act(Action::Resume("sub_1")),
                2 => stripe.act(Action::FailPayment("sub_1")),
                3 => stripe.act(Action::ChangePrice("sub_1", "price_starter_monthly")),
                4 => stripe.act(Action::Renew("sub_1")),
                _ => stripe.act(Action::Detach("pm_1")),
            };
        }
        let mut events = stripe.events();
        events.extend(stripe.events().into_iter().filter(|_| random.random_bool(0.3)));
        events.shuffle(&mut random);
        let world = World::with_stripe(&[seed("u1")], client(&stripe)).await;
        for event in &events {
            deliver(&world, event).await.expect_status(200);
        }
        world.settled().await;
        let filled = world.app().backfill(app::Backfill::Known).await.unwrap();
        assert_eq!((filled.changed, filled.failed), (0, vec![]), "seed {seed_number}, round {round}: the mirror is what Stripe shows");
        assert_eq!(drift(&world).await, [""; 0]);
        let of_kinds: BTreeMap<_, _> = stripe.requests();
        assert!(of_kinds.keys().all(|request| request.starts_with("GET ")), "{of_kinds:?}");
    }
}
