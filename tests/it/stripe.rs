//! Stripe's webhook: a signed event changes what the user may do on the next request, once, and nothing else does.

use billing::signature::Secrets;
use domain::UserId;
use futures::future::join_all;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use testkit::{Fault, OLD_WEBHOOK_SECRET, Reply, World, seed};

pub(crate) const PATH: &str = "/api/stripe/webhook";
pub(crate) const CUSTOMER: &str = "/api/billing/customer";
/// Unix seconds of the worlds' clock.
pub(crate) const NOW: i64 = 1_772_703_000;

/// An event about an object.
pub(crate) fn event(id: &str, kind: &str, created: i64, object: Value) -> Value {
    json!({"id": id, "object": "event", "type": kind, "created": created, "livemode": false, "pending_webhooks": 1,
        "data": {"object": object}})
}

/// A subscription of customer `cus_1`; `user` is what its metadata name.
pub(crate) fn subscription(id: &str, price: &str, status: &str, created: i64, user: Option<&str>) -> Value {
    json!({"id": id, "object": "subscription", "customer": "cus_1", "status": status, "created": created, "cancel_at_period_end": false,
        "metadata": user.map_or(json!({}), |user| json!({"userId": user})),
        "items": {"data": [{"price": {"id": price}, "current_period_start": created, "current_period_end": created + 2_678_400}]}})
}

pub(crate) fn pro(event_id: &str, created: i64) -> Value {
    let object = subscription("sub_1", "price_professional_monthly", "active", NOW - 500, Some("u1"));
    event(event_id, "customer.subscription.updated", created, object)
}

pub(crate) async fn send(world: &World, path: &str, body: &[u8], signature: &str) -> Reply {
    let headers = [("stripe-signature", signature), ("content-type", "application/json; charset=utf-8")];
    world.anonymous().send("POST", path, &headers, body).await
}

pub(crate) fn signed(secret: &str, body: &[u8], at: i64) -> String {
    Secrets::parse(secret).unwrap().sign(body, at)
}

/// Delivers an event once, as Stripe signs it now.
pub(crate) async fn deliver(world: &World, event: &Value) -> Reply {
    let body = serde_json::to_vec(event).unwrap();
    send(world, PATH, &body, &signed(local::DEVELOPMENT_WEBHOOK_SECRET, &body, NOW)).await
}

/// Delivers an event until it is taken, as Stripe does for three days.
pub(crate) async fn deliver_surely(world: &World, event: &Value) -> Reply {
    for _ in 0..40 {
        let reply = deliver(world, event).await;
        if reply.status < 500 {
            return reply;
        }
    }
    panic!("forty deliveries were not taken");
}

pub(crate) async fn rev(world: &World) -> u64 {
    world.table().root(&user()).await.unwrap().map_or(0, |root| root.rev.0)
}

pub(crate) fn user() -> UserId {
    UserId::parse("u1").unwrap()
}

/// What a recount finds wrong.
pub(crate) async fn drift(world: &World) -> Vec<String> {
    world.table().rebuild(&user(), world.app().clock().now()).await.unwrap().differences
}

#[tokio::test]
async fn a_new_subscription_counts_on_the_next_request() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 12)]).await;
    world.get(CUSTOMER).await.expect_json("/plan", "free");
    world.get("/api/usage/limits").await.expect_json("/data/usage/uploadsLimit", 1);
    world.get("/api/dashboard/data").await.expect_json("/data/planInfo/id", "free");

    let reply = deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(200);

    reply.expect_json("/received", true).expect_json("/success", true).expect_json("/outcome", "applied");
    reply.expect_json("/message", "Webhook processed successfully").expect_json("/eventId", "evt_1").expect_absent("/duplicate");
    assert!(reply.json["processingTimeMs"].is_u64());
    let customer = world.get(CUSTOMER).await.expect_json("/hasSubscription", true).expect_json("/plan", "professional");
    customer.expect_json("/subscriptionId", "sub_1").expect_json("/customer/id", "cus_1").expect_header("x-rev", "2");
    world.get("/api/usage/limits").await.expect_json("/data/usage/uploadsLimit", 200);
    world.get("/api/dashboard/data").await.expect_json("/data/planInfo/id", "professional").expect_json("/data/metrics/totalContacts", 12);
    assert_eq!(drift(&world).await, [""; 0]);
}

#[tokio::test]
async fn a_user_without_an_account_gets_one_by_subscribing() {
    let world = World::new().await;
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(200).expect_json("/outcome", "applied");
    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_header("x-rev", "1");
    assert_eq!(drift(&world).await, [""; 0]);
}

#[tokio::test]
async fn an_event_that_comes_again_changes_nothing() {
    let world = World::with(&[seed("u1")]).await;
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(200).expect_json("/outcome", "applied");
    let body = serde_json::to_vec(&pro("evt_1", NOW - 10)).unwrap();
    let again = send(&world, "/api/billing/webhook", &body, &signed(local::DEVELOPMENT_WEBHOOK_SECRET, &body, NOW)).await;
    again.expect_status(200).expect_json("/outcome", "duplicate").expect_json("/duplicate", true);
    assert_eq!(rev(&world).await, 2, "applied once over both paths");
}

#[tokio::test]
async fn an_older_event_does_not_undo_a_newer_one() {
    let world = World::with(&[seed("u1")]).await;
    deliver(&world, &pro("evt_2", NOW - 10)).await.expect_json("/outcome", "applied");
    let older = subscription("sub_1", "price_starter_monthly", "active", NOW - 500, Some("u1"));
    let older = event("evt_1", "customer.subscription.updated", NOW - 20, older);
    deliver(&world, &older).await.expect_status(200).expect_json("/outcome", "stale");
    deliver(&world, &older).await.expect_status(200).expect_json("/outcome", "duplicate");
    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_header("x-rev", "2");
}

#[tokio::test]
async fn a_subscription_of_nobody_counts_once_a_checkout_names_the_user() {
    let world = World::with(&[seed("u1")]).await;
    let unknown = subscription("sub_1", "price_professional_monthly", "active", NOW - 500, None);
    let unknown = event("evt_1", "customer.subscription.created", NOW - 10, unknown);
    deliver(&world, &unknown).await.expect_status(200).expect_json("/outcome", "unlinked");
    world.get(CUSTOMER).await.expect_json("/plan", "free");

    let session = json!({"id": "cs_1", "object": "checkout.session", "customer": "cus_1", "client_reference_id": "u1", "metadata": {}});
    deliver(&world, &event("evt_2", "checkout.session.completed", NOW - 9, session)).await.expect_json("/outcome", "applied");

    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_json("/subscriptionId", "sub_1");
    assert_eq!((rev(&world).await, drift(&world).await), (2, vec![]));
}

#[tokio::test]
async fn the_end_of_an_old_subscription_leaves_the_new_one() {
    let world = World::with(&[seed("u1")]).await;
    let old = |status| subscription("sub_0", "price_starter_monthly", status, NOW - 9_000, Some("u1"));
    deliver(&world, &event("evt_1", "customer.subscription.created", NOW - 9_000, old("active"))).await.expect_json("/outcome", "applied");
    world.get(CUSTOMER).await.expect_json("/plan", "starter");
    deliver(&world, &pro("evt_2", NOW - 10)).await.expect_json("/outcome", "applied");
    deliver(&world, &event("evt_3", "customer.subscription.deleted", NOW - 5, old("canceled"))).await.expect_json("/outcome", "applied");
    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_json("/subscriptionId", "sub_1").expect_header("x-rev", "4");

    let ended = subscription("sub_1", "price_professional_monthly", "canceled", NOW - 500, Some("u1"));
    deliver(&world, &event("evt_4", "customer.subscription.deleted", NOW - 4, ended)).await.expect_json("/outcome", "applied");
    world.get(CUSTOMER).await.expect_json("/hasSubscription", false);
    assert_eq!(drift(&world).await, [""; 0]);
}

#[tokio::test]
async fn an_imported_subscription_is_spoken_for_by_stripe_from_its_first_event_on() {
    let world = World::with(&[seed("u1").subscription("price_starter_monthly", "active")]).await;
    world.get(CUSTOMER).await.expect_json("/plan", "starter");
    let of = |status| {
        let mut object = subscription("sub_u1", "price_professional_monthly", status, NOW - 500, None);
        object["customer"] = json!("cus_u1");
        object
    };
    deliver(&world, &event("evt_1", "customer.subscription.updated", NOW - 10, of("active"))).await.expect_json("/outcome", "applied");
    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_json("/subscriptionId", "sub_u1").expect_header("x-rev", "2");
    deliver(&world, &event("evt_2", "customer.subscription.deleted", NOW - 5, of("canceled"))).await.expect_json("/outcome", "applied");
    world.get(CUSTOMER).await.expect_json("/hasSubscription", false).expect_header("x-rev", "3");

    // The old product's file again: it is older than what Stripe said.
    world.import(&seed("u1").subscription("price_starter_monthly", "active")).await;
    world.get(CUSTOMER).await.expect_json("/hasSubscription", false).expect_header("x-rev", "3");
}

#[tokio::test]
async fn the_history_is_kept_without_changing_the_plan() {
    let world = World::with(&[seed("u1")]).await;
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_json("/outcome", "applied");
    let invoice = json!({"id": "in_1", "object": "invoice", "customer": "cus_1", "status": "open", "created": NOW - 8});
    let method = json!({"id": "pm_1", "object": "payment_method", "customer": "cus_1", "type": "card", "card": {"last4": "4242"}});
    let owner = json!({"id": "cus_1", "object": "customer", "email": "ines@example.test", "name": "Ines Demo", "created": NOW - 900});
    let events = [("invoice.payment_failed", invoice), ("payment_method.attached", method), ("customer.updated", owner)];
    for (n, (kind, object)) in (2..).zip(events) {
        deliver(&world, &event(&format!("evt_{n}"), kind, NOW - 8, object)).await.expect_json("/outcome", "applied");
        assert_eq!(rev(&world).await, n + 1, "{kind}: one revision an event");
    }
    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_json("/customer/email", "ines@example.test");
    assert_eq!(drift(&world).await, [""; 0]);
}

#[tokio::test]
async fn an_event_while_the_table_is_down_is_refused_and_its_redelivery_applies() {
    let world = World::with(&[seed("u1")]).await;
    world.table_down(true);
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(503).expect_json("/success", false);
    world.table_down(false);
    assert_eq!(rev(&world).await, 1);
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(200).expect_json("/outcome", "applied");
    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_header("x-rev", "2");
}

#[tokio::test]
async fn an_event_goes_through_throttling_conflicts_and_lost_answers_once() {
    for fault in [Fault::Throttled, Fault::Conflict, Fault::AnswerLost, Fault::Unreachable] {
        let world = World::with(&[seed("u1")]).await;
        let mut left = 2;
        world.faults().plan(move |call| {
            let hit = left > 0 && call.operation == "TransactWriteItems";
            left -= i32::from(hit);
            hit.then_some(fault)
        });
        deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(200);
        world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_header("x-rev", "2");
    }
}

#[tokio::test]
async fn a_process_that_dies_in_an_event_leaves_all_of_it_or_nothing() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let world = World::with(&[seed("u1")]).await;
        world.get(CUSTOMER).await.expect_json("/plan", "free");
        world.faults().plan(move |call| (call.operation == "TransactWriteItems").then_some(fault));
        assert!(world.faults().unless_crashed(deliver(&world, &pro("evt_1", NOW - 10))).await.is_none());
        world.faults().clear();
        let expected = if fault == Fault::CrashBefore { "applied" } else { "duplicate" };
        deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(200).expect_json("/outcome", expected);
        world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_header("x-rev", "2");
    }
}

#[tokio::test]
async fn a_process_that_dies_anywhere_in_an_event_loses_and_doubles_nothing() {
    // What links the customer, what changes the plan, and what is history: each with what it takes in reads and writes.
    let told = story();
    let events = [&told[1], &told[7], &told[5]];
    let state = async |world: &World| {
        world.settled().await;
        let history = world.get("/api/billing/billing-history/cus_1").await.json.clone();
        let billing = world.table().root(&user()).await.unwrap().unwrap().billing;
        (billing, history, world.get(CUSTOMER).await.json.clone(), rev(world).await, drift(world).await)
    };
    let world = World::with(&[seed("u1")]).await;
    for event in events {
        deliver(&world, event).await.expect_json("/outcome", "applied");
    }
    let expected = state(&world).await;
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        for call in 0.. {
            let world = World::with(&[seed("u1")]).await;
            // Somebody looks meanwhile: what the cache holds then must not outlive the event.
            world.get(CUSTOMER).await.expect_json("/plan", "free");
            let mut left = call;
            world.faults().plan(move |_| {
                left -= 1;
                (left == -1).then_some(fault)
            });
            let mut crashed = false;
            for event in events {
                if world.faults().unless_crashed(deliver(&world, event)).await.is_none() {
                    crashed = true;
                    world.get(CUSTOMER).await.expect_status(200);
                    deliver(&world, event).await.expect_status(200);
                }
            }
            world.faults().clear();
            assert_eq!(state(&world).await, expected, "{fault:?} in call {call}");
            if !crashed {
                assert!(call > 9, "three events are more than {call} calls");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_status_that_nobody_knows_is_stored_and_grants_nothing() {
    let world = World::with(&[seed("u1")]).await;
    let of = |status| subscription("sub_1", "price_professional_monthly", status, NOW - 500, Some("u1"));
    for (n, (status, plan, subscribed)) in
        [("active", "professional", true), ("hibernating", "free", false), ("active", "professional", true)].into_iter().enumerate()
    {
        let told = event(&format!("evt_{n}"), "customer.subscription.updated", NOW - 10 + n as i64, of(status));
        deliver(&world, &told).await.expect_status(200).expect_json("/outcome", "applied");
        world.get(CUSTOMER).await.expect_json("/plan", plan).expect_json("/hasSubscription", subscribed);
        world.get("/api/usage/limits").await.expect_json("/data/usage/uploadsLimit", if subscribed { 200 } else { 1 });
    }
}

#[tokio::test]
async fn in_live_mode_only_live_events_count() {
    let world = World::with_live_stripe(&[seed("u1")]).await;
    for _ in 0..2 {
        deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(200).expect_json("/outcome", "ignored");
    }
    world.get(CUSTOMER).await.expect_json("/plan", "free").expect_header("x-rev", "1");
    let mut live = pro("evt_1", NOW - 10);
    live["livemode"] = json!(true);
    let mut connect = live.clone();
    (connect["id"], connect["account"]) = (json!("evt_2"), json!("acct_1"));
    deliver(&world, &connect).await.expect_status(200).expect_json("/outcome", "ignored");
    deliver(&world, &live).await.expect_status(200).expect_json("/outcome", "applied");
    world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_header("x-rev", "2");
}

#[tokio::test]
async fn what_is_not_signed_is_refused_and_leaves_nothing() {
    let world = World::with(&[seed("u1")]).await;
    let body = serde_json::to_vec(&pro("evt_1", NOW - 10)).unwrap();
    let missing = world.anonymous().send("POST", PATH, &[("content-type", "application/json")], &body).await;
    missing.expect_status(400).expect_json("", json!({"success": false, "error": "Missing stripe-signature header"}));
    let good = signed(local::DEVELOPMENT_WEBHOOK_SECRET, &body, NOW);
    let mut altered = body.clone();
    altered.push(b' ');
    for (what, body, signature) in [
        ("another secret", &body, signed("whsec_of_somebody", &body, NOW)),
        ("another body", &altered, good.clone()),
        ("too old", &body, signed(local::DEVELOPMENT_WEBHOOK_SECRET, &body, NOW - 301)),
        ("too far ahead", &body, signed(local::DEVELOPMENT_WEBHOOK_SECRET, &body, NOW + 301)),
        ("an old scheme", &body, good.replace("v1=", "v0=")),
        ("no header at all", &body, String::new()),
        ("no event", &b"[]".to_vec(), signed(local::DEVELOPMENT_WEBHOOK_SECRET, b"[]", NOW)),
    ] {
        let reply = send(&world, PATH, body, &signature).await;
        assert_eq!((reply.status, &reply.json["error"]), (400, &json!("Invalid webhook signature")), "{what}");
    }
    assert_eq!(rev(&world).await, 1);
    let edge_of_time = signed(local::DEVELOPMENT_WEBHOOK_SECRET, &body, NOW - 300);
    send(&world, PATH, &body, &edge_of_time).await.expect_status(200).expect_json("/outcome", "applied");
}

#[tokio::test]
async fn both_secrets_of_a_rotation_hold() {
    let world = World::with(&[seed("u1")]).await;
    for (n, secret) in [OLD_WEBHOOK_SECRET, local::DEVELOPMENT_WEBHOOK_SECRET].into_iter().enumerate() {
        let body = serde_json::to_vec(&pro(&format!("evt_{n}"), NOW - 10 + n as i64)).unwrap();
        send(&world, PATH, &body, &signed(secret, &body, NOW)).await.expect_status(200).expect_json("/outcome", "applied");
    }
}

#[tokio::test]
async fn the_bytes_that_count_are_those_that_were_sent() {
    let world = World::with(&[seed("u1")]).await;
    // Spaced as Stripe writes it, in an envelope that the gateway encodes as base64 because of the type.
    let body = serde_json::to_string_pretty(&pro("evt_1", NOW - 10)).unwrap().into_bytes();
    let signature = signed(local::DEVELOPMENT_WEBHOOK_SECRET, &body, NOW);
    let headers = [("stripe-signature", signature.as_str()), ("content-type", "application/octet-stream")];
    world.anonymous().send("POST", PATH, &headers, &body).await.expect_status(200).expect_json("/outcome", "applied");
}

#[tokio::test]
async fn a_body_over_a_mebibyte_is_refused_before_its_signature_is_looked_at() {
    let world = World::with(&[seed("u1")]).await;
    for (bytes, status) in [(1_048_576, 400), (1_048_577, 413)] {
        send(&world, PATH, &vec![b'x'; bytes], "t=1,v1=00").await.expect_status(status);
    }
    world.anonymous().get(PATH).await.expect_status(405).expect_header("allow", "OPTIONS, POST");
}

#[tokio::test]
async fn events_that_are_not_for_us_are_acknowledged_and_not_stored() {
    let world = World::with(&[seed("u1")]).await;
    let (mut live, mut connect) = (pro("evt_1", NOW - 10), pro("evt_2", NOW - 10));
    live["livemode"] = json!(true);
    connect["account"] = json!("acct_1");
    for ignored in [live, connect, event("evt_3", "treasury.of.the.future", NOW, json!({}))] {
        for _ in 0..2 {
            deliver(&world, &ignored).await.expect_status(200).expect_json("/outcome", "ignored");
        }
    }
    assert_eq!(rev(&world).await, 1);
}

#[tokio::test]
async fn what_cannot_be_applied_is_kept_and_not_retried() {
    let world = World::with(&[seed("u1"), seed("u2")]).await;
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_json("/outcome", "applied");
    let stolen = subscription("sub_2", "price_starter_monthly", "active", NOW - 5, Some("u2"));
    let shapeless = json!({"id": 7, "object": "subscription"});
    let thin = json!({"id": "evt_4", "object": "v2.core.event", "type": "v1.billing.meter.error", "created": "2026-03-05T09:29:00.000Z",
        "related_object": {"id": "mtr_1", "type": "billing.meter"}, "padding": "x".repeat(900_000)});
    for kept in [
        event("evt_2", "customer.subscription.created", NOW - 5, stolen),
        event("evt_3", "customer.subscription.updated", NOW - 5, shapeless),
        thin,
    ] {
        deliver(&world, &kept).await.expect_status(200).expect_json("/outcome", "parked");
        deliver(&world, &kept).await.expect_status(200).expect_json("/outcome", "duplicate");
    }
    world.get(CUSTOMER).await.expect_json("/subscriptionId", "sub_1").expect_header("x-rev", "2");
    world.as_user("u2").get(CUSTOMER).await.expect_json("/plan", "free");
}

#[tokio::test]
async fn a_price_of_stripe_becomes_the_plans_price() {
    let world = World::new().await;
    world.get("/api/billing/plans").await.expect_json("/plans/1/stripePriceId", "price_starter_monthly");
    let price = json!({"id": "price_new", "object": "price", "active": true, "currency": "usd", "unit_amount": 2900, "created": NOW - 10,
        "lookup_key": "starter_monthly", "recurring": {"interval": "month", "interval_count": 1}});
    deliver(&world, &event("evt_1", "price.created", NOW - 10, price.clone())).await.expect_json("/outcome", "applied");
    deliver(&world, &event("evt_1", "price.created", NOW - 10, price)).await.expect_json("/outcome", "duplicate");
    let plans = world.table().plans().await.unwrap().expect("a stored catalogue");
    let starter = plans.of_price("price_starter_monthly");
    assert_eq!(starter.stripe_price_id.as_deref(), Some("price_new"), "and the former price still means the plan");
    world.get("/api/billing/plans").await.expect_json("/plans/1/stripePriceId", "price_new");
}

#[tokio::test]
async fn twenty_deliveries_of_one_event_at_once_apply_once() {
    let world = World::with(&[seed("u1")]).await;
    let event = pro("evt_1", NOW - 10);
    let replies = join_all((0..20).map(|_| deliver_surely(&world, &event))).await;
    let applied = replies.iter().filter(|reply| reply.expect_status(200).json["outcome"] == "applied").count();
    assert_eq!((applied, rev(&world).await), (1, 2));
    world.get(CUSTOMER).await.expect_json("/plan", "professional");
}

#[tokio::test]
async fn twenty_events_of_one_customer_at_once_lose_nothing() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    let of = |n: i64, status| subscription(&format!("sub_{n:02}"), "price_professional_monthly", status, NOW - 500 + n, Some("u1"));
    let events: Vec<_> = (0..20).map(|n| event(&format!("evt_{n}"), "customer.subscription.created", NOW - 10, of(n, "active"))).collect();
    for reply in join_all(events.iter().map(|event| deliver_surely(&world, event))).await {
        reply.expect_status(200).expect_json("/outcome", "applied");
    }
    assert_eq!(rev(&world).await, 21, "one revision an event");
    // Each is there: they end one after the other, newest first, and the next newest counts.
    for n in (1..20).rev() {
        world.get(CUSTOMER).await.expect_json("/subscriptionId", format!("sub_{n:02}"));
        let ended = event(&format!("evt_end_{n}"), "customer.subscription.deleted", NOW - 5, of(n, "canceled"));
        deliver(&world, &ended).await.expect_json("/outcome", "applied");
    }
    world.get(CUSTOMER).await.expect_json("/subscriptionId", "sub_00").expect_header("x-rev", "40");
    assert_eq!(drift(&world).await, [""; 0]);
}

/// What Stripe may tell of one customer within a few seconds, some of it within the same.
pub(crate) fn story() -> Vec<Value> {
    let of = |id: &str, price: &str, status: &str| subscription(id, price, status, NOW - 500, Some("u1"));
    let session = json!({"id": "cs_1", "object": "checkout.session", "customer": "cus_1", "client_reference_id": "u1"});
    let customer =
        |name: &str| json!({"id": "cus_1", "object": "customer", "email": "ines@example.test", "name": name, "created": NOW - 900});
    let invoice = |status: &str| json!({"id": "in_1", "object": "invoice", "customer": "cus_1", "status": status, "created": NOW - 90});
    let told = [
        ("customer.created", NOW - 90, customer("Ines")),
        ("checkout.session.completed", NOW - 90, session),
        ("customer.subscription.created", NOW - 90, of("sub_1", "price_starter_monthly", "incomplete")),
        ("invoice.finalized", NOW - 90, invoice("open")),
        ("customer.subscription.updated", NOW - 89, of("sub_1", "price_starter_monthly", "active")),
        ("invoice.paid", NOW - 89, invoice("paid")),
        ("customer.updated", NOW - 80, customer("Ines Demo")),
        ("customer.subscription.created", NOW - 60, of("sub_2", "price_professional_monthly", "trialing")),
        ("customer.subscription.deleted", NOW - 50, of("sub_1", "price_starter_monthly", "canceled")),
        ("customer.subscription.updated", NOW - 40, of("sub_2", "price_professional_monthly", "active")),
        ("customer.subscription.updated", NOW - 30, of("sub_2", "price_professional_monthly", "past_due")),
    ];
    told.into_iter().enumerate().map(|(n, (kind, created, object))| event(&format!("evt_{n:02}"), kind, created, object)).collect()
}

#[tokio::test]
async fn each_order_with_repetitions_and_faults_ends_in_the_same_state() {
    let seed_number: u64 = rand::random();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed_number);
    let world = World::with(&[seed("u1")]).await;
    for event in story() {
        deliver(&world, &event).await.expect_status(200);
    }
    let expected = world.table().root(&user()).await.unwrap().unwrap().billing;
    assert_eq!(expected.subscription.as_ref().unwrap().stripe_subscription_id.as_deref(), Some("sub_2"));
    for round in 0..6 {
        let mut events = story();
        events.extend(story().into_iter().filter(|_| random.random_bool(0.3)));
        events.shuffle(&mut random);
        let world = World::with(&[seed("u1")]).await;
        let faults = [Fault::Throttled, Fault::Conflict, Fault::AnswerLost, Fault::Unreachable];
        let mut of_calls = rand::rngs::StdRng::seed_from_u64(random.random());
        world.faults().plan(move |_| of_calls.random_bool(0.1).then(|| faults[of_calls.random_range(0..faults.len())]));
        let parts = events.chunks(events.len() / 3 + 1);
        let world = &world;
        join_all(parts.map(|part| async move {
            for event in part {
                deliver_surely(world, event).await.expect_status(200);
            }
        }))
        .await;
        world.faults().clear();
        let found = world.table().root(&user()).await.unwrap().unwrap().billing;
        assert_eq!(found, expected, "seed {seed_number}, round {round}");
        assert_eq!(drift(world).await, [""; 0], "seed {seed_number}, round {round}");
    }
}

#[tokio::test]
async fn a_checkout_and_its_subscription_find_each_other_when_they_come_at_once() {
    let session = json!({"id": "cs_1", "object": "checkout.session", "customer": "cus_1", "client_reference_id": "u1"});
    let linked = event("evt_0", "checkout.session.completed", NOW - 9, session);
    let of = |n: i64| subscription(&format!("sub_{n}"), "price_professional_monthly", "active", NOW - 500 + n, None);
    let created: Vec<_> = (1..4).map(|n| event(&format!("evt_{n}"), "customer.subscription.created", NOW - 10, of(n))).collect();
    for _ in 0..5 {
        let world = World::with(&[seed("u1")]).await;
        let (subscriptions, link) = (created.iter().map(|event| deliver_surely(&world, event)), deliver_surely(&world, &linked));
        futures::join!(join_all(subscriptions), link);
        world.get(CUSTOMER).await.expect_json("/plan", "professional").expect_json("/subscriptionId", "sub_3");
        assert_eq!(drift(&world).await, [""; 0]);
    }
}

#[tokio::test]
async fn an_item_that_does_not_decode_fails_the_event_by_its_name_and_it_comes_again() {
    let world = World::with(&[seed("u1")]).await;
    world.damage("CUS#cus_1", "META").await;
    let reply = deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(500);
    reply.expect_json("", json!({"success": false, "error": "Webhook processing failed", "eventId": "evt_1"}));
    reply.expect_header("cache-control", "no-store");
    assert_eq!(rev(&world).await, 1);
}

#[tokio::test]
async fn an_event_of_a_known_user_is_four_calls_and_a_repetition_two() {
    let world = World::with(&[seed("u1")]).await;
    for calls in [4, 2] {
        let before = world.meter();
        deliver(&world, &pro("evt_1", NOW - 10)).await.expect_status(200);
        assert_eq!(world.meter().since(&before).calls(), calls);
    }
}
