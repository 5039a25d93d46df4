//! What is told about Stripe: how often it was asked and how long that took, and what a person has to look at.

use std::time::{Duration, Instant};

use local::fake_stripe::{FakeStripe, Fault};
use serde_json::{Value, json};
use testkit::{World, seed};

use super::refetch::{client, customer, fake, marked};
use super::stripe::{NOW, deliver, event, pro, subscription};

const CHECKOUT: &str = "/api/billing/create-checkout-session";

fn lines(world: &World) -> Vec<Value> {
    world.metrics().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn last(world: &World, function: &str) -> Value {
    lines(world).into_iter().rfind(|line| line["Function"] == function).unwrap_or_else(|| panic!("no line of {function}"))
}

/// A price that can be bought, of an amount that is not its plan's.
fn mispriced() -> Value {
    json!({"id": "price_new", "object": "price", "active": true, "currency": "usd", "unit_amount": 100, "created": NOW - 10,
        "lookup_key": "starter_monthly", "recurring": {"interval": "month", "interval_count": 1}})
}

async fn run(world: &World, job: &str) -> Result<Value, app::BoxError> {
    let (name, handler) = local::functions::JOBS.iter().find(|(name, _)| *name == "reconcile-stripe").unwrap();
    world.app().measured(name, handler(world.app(), json!({"job": job}), Instant::now() + Duration::from_secs(60))).await
}

/// Gives the customer's record to the consumer that asks Stripe.
async fn refetch(world: &World) {
    let batch = serde_json::from_value(json!({"Records": [marked("CUS#cus_1", "META")]})).unwrap();
    app::take_stream(world.app(), "on-stripe-refetch", batch, local::functions::ON_STRIPE_REFETCH).await.unwrap();
}

async fn troubled() -> (FakeStripe, World) {
    let stripe = fake().await;
    stripe.put(customer("cus_1", Some("u1")));
    let world = World::with_idle_stripe(&[seed("u1"), seed("u2")], client(&stripe)).await;
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_json("/outcome", "applied");
    (stripe, world)
}

/// Brings about everything that is counted about events and answers, each once: the metric, and the function whose line has it.
async fn brought_about(world: &World, stripe: &FakeStripe) -> [(&'static str, &'static str, Value); 8] {
    let told = async |event: Value, metric| {
        deliver(world, &event).await.expect_status(200);
        (metric, "stripe-webhook", last(world, "stripe-webhook"))
    };
    let shapeless = json!({"id": 7, "object": "subscription"});
    let stolen = subscription("sub_2", "price_starter_monthly", "active", NOW - 5, Some("u2"));
    let ignored = told(event("evt_5", "treasury.of.the.future", NOW, json!({})), "StripeIgnored").await;
    let quarantined = told(event("evt_2", "customer.subscription.updated", NOW - 5, shapeless), "StripeQuarantined").await;
    let conflict = told(event("evt_3", "customer.subscription.created", NOW - 5, stolen), "StripeLinkConflict").await;
    let altered = told(pro("evt_1", NOW - 9), "StripeEventAltered").await;
    let amount = told(event("evt_4", "price.updated", NOW - 5, mispriced()), "StripeAmountDiffers").await;

    stripe.fault(Fault::Status(402), 1);
    refetch(world).await;
    let rejected = ("StripeAnswerRejected", "on-stripe-refetch", last(world, "on-stripe-refetch"));
    stripe.put(subscription("sub_1", "price_professional_monthly", "unpaid", NOW - 500, Some("u1")));
    run(world, "subscriptions").await.unwrap();
    let drift = ("StripeDrift", "reconcile-stripe", last(world, "reconcile-stripe"));
    stripe.fault(Fault::Status(500), 3);
    refetch(world).await;
    let failed = ("StripeRefetchFailed", "on-stripe-refetch", last(world, "on-stripe-refetch"));
    [ignored, quarantined, conflict, altered, amount, rejected, drift, failed]
}

/// Lines with every metric about Stripe, and of an event that failed.
pub(super) async fn all_lines() -> Vec<String> {
    let (stripe, world) = troubled().await;
    brought_about(&world, &stripe).await;
    stripe.refuse(true);
    run(&world, "events").await.unwrap_err();
    world.metrics()
}

#[tokio::test]
async fn what_becomes_of_events_and_answers_is_counted_where_it_happened() {
    let (stripe, world) = troubled().await;
    let told = brought_about(&world, &stripe).await;
    let names: Vec<_> = told.iter().map(|(name, _, _)| *name).collect();
    for (name, function, line) in &told {
        assert_eq!(line[*name], 1.0, "{name} in {function}: {line}");
        let of = line["_aws"]["CloudWatchMetrics"]
            .as_array()
            .unwrap()
            .iter()
            .find(|directive| directive["Metrics"].as_array().unwrap().iter().any(|metric| metric["Name"] == *name));
        assert_eq!(of.unwrap()["Dimensions"], json!([["Stage"]]), "{name}: where the alarm looks");
        for other in names.iter().filter(|other| *other != name) {
            assert!(line.get(*other).is_none(), "{name} is told without {other}: {line}");
        }
    }
    let sum: f64 = names.iter().flat_map(|name| lines(&world).into_iter().filter_map(|line| line[*name].as_f64())).sum();
    assert_eq!(sum, 8.0, "each once");
}

#[tokio::test]
async fn a_request_tells_how_often_it_asked_stripe_and_how_long_that_took() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    let wish = json!({"priceId": "price_starter_monthly"});
    // A customer and a session; then the same session again, and how it stands; then that with a failure between.
    for (failures, calls) in [(0, 2), (0, 2), (1, 3)] {
        world.stripe().fault(Fault::Status(500), failures);
        let before = world.stripe().calls();
        world.post(CHECKOUT, &wish).await.expect_status(200);
        let line = last(&world, "create-checkout-session");
        assert_eq!((&line["StripeCalls"], world.stripe().calls() - before), (&json!(calls), calls), "{line}");
        let took = line["StripeLatency"].as_f64().unwrap();
        assert!(took > 0.0 && took <= line["Latency"].as_f64().unwrap(), "{line}");
    }
    for path in ["/api/billing/customer", "/api/billing/plans", "/api/billing/summary", "/api/dashboard/data"] {
        let before = lines(&world).len();
        world.get(path).await.expect_status(200);
        let told = lines(&world).split_off(before);
        assert!(!told.is_empty() && told.iter().all(|line| line.get("StripeCalls").is_none() && line.get("StripeLatency").is_none()));
    }
}
