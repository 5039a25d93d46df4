//! What Stripe told and nobody heard is found: undelivered events, drifted subscriptions, customers of before.

use std::time::{Duration, Instant};

use app::Backfill;
use local::fake_stripe::{FakeStripe, Shape};
use serde_json::{Value, json};
use testkit::policies::acting_as;
use testkit::{World, seed};

use super::refetch::{client, customer, fake};
use super::stripe::{CUSTOMER, NOW, deliver, drift, event, rev, subscription};

/// Runs a job of the schedule with plenty of time.
async fn run(world: &World, job: &str) -> Value {
    try_run(world, json!({"job": job}), Duration::from_secs(300)).await.unwrap()
}

async fn try_run(world: &World, event: Value, time: Duration) -> Result<Value, app::BoxError> {
    let (_, handler) = local::functions::JOBS.iter().find(|(name, _)| *name == "reconcile-stripe").unwrap();
    acting_as("reconcile-stripe", handler(world.app(), event, Instant::now() + time)).await
}

async fn world(stripe: &FakeStripe) -> World {
    World::with_stripe(&[seed("u1")], client(stripe)).await
}

#[tokio::test]
async fn events_that_never_came_are_applied_once() {
    for shape in [Shape::Current, Shape::Old] {
        let stripe = fake().await;
        stripe.set_shape(shape);
        stripe.put(customer("cus_1", Some("u1")));
        let active = subscription("sub_1", "price_professional_monthly", "active", NOW - 500, Some("u1"));
        stripe.put(active.clone());
        let id = stripe.tell("customer.subscription.created", &active);
        let world = world(&stripe).await;
        assert_eq!(run(&world, "events").await, json!({"job": "events", "seen": 1, "mended": 1, "complete": true}));
        world.settled().await;
        world.get(CUSTOMER).await.expect_json("/plan", "professional");
        let revs = rev(&world).await;
        assert_eq!(run(&world, "events").await["mended"], 0, "nobody applies it twice");
        // Stripe tries once more after all, in whatever shape.
        let late = event(&id, "customer.subscription.created", NOW, active);
        deliver(&world, &late).await.expect_json("/outcome", "duplicate");
        assert_eq!((rev(&world).await, drift(&world).await), (revs, vec![]));
    }
}

#[tokio::test]
async fn subscriptions_that_changed_unheard_are_mended_and_counted() {
    let stripe = fake().await;
    stripe.put(customer("cus_1", Some("u1")));
    stripe.put(subscription("sub_1", "price_professional_monthly", "active", NOW - 500, Some("u1")));
    let mut long_ended = subscription("sub_0", "price_starter_monthly", "canceled", NOW - 90 * 86_400, Some("u1"));
    long_ended["ended_at"] = json!(NOW - 80 * 86_400);
    stripe.put(long_ended);
    let world = world(&stripe).await;
    assert_eq!(run(&world, "subscriptions").await, json!({"job": "subscriptions", "seen": 2, "mended": 1, "complete": true}));
    world.settled().await;
    world.get(CUSTOMER).await.expect_json("/plan", "professional");
    assert_eq!(run(&world, "subscriptions").await["mended"], 0);

    stripe.put(subscription("sub_1", "price_professional_monthly", "unpaid", NOW - 500, Some("u1")));
    assert_eq!(run(&world, "subscriptions").await["mended"], 1);
    world.get(CUSTOMER).await.expect_json("/status", "unpaid").expect_json("/plan", "free");
    assert_eq!(drift(&world).await, [""; 0]);
}

#[tokio::test]
async fn a_run_that_has_no_time_left_is_continued_by_the_next() {
    let stripe = fake().await;
    stripe.put(customer("cus_1", Some("u1")));
    for n in 0..120 {
        let mut of_nobody = subscription(&format!("sub_{n:03}"), "price_starter_monthly", "active", NOW - 500 + n, None);
        of_nobody["customer"] = json!(format!("cus_of_nobody_{n}"));
        stripe.put(of_nobody);
    }
    stripe.put(subscription("sub_200", "price_professional_monthly", "active", NOW, Some("u1")));
    let world = World::with_idle_stripe(&[seed("u1")], client(&stripe)).await;
    let first = try_run(&world, json!({"job": "subscriptions"}), Duration::from_secs(15)).await.unwrap();
    assert_eq!((&first["seen"], &first["complete"]), (&json!(100), &json!(false)));
    let second = run(&world, "subscriptions").await;
    assert_eq!((&second["seen"], &second["complete"]), (&json!(21), &json!(true)));
    assert_eq!(run(&world, "subscriptions").await, json!({"job": "subscriptions", "seen": 121, "mended": 0, "complete": true}));
    world.get(CUSTOMER).await.expect_json("/plan", "professional");
}

#[tokio::test]
async fn one_subscription_that_makes_no_sense_does_not_stop_the_others() {
    let stripe = fake().await;
    stripe.put(subscription("sub_1", "price_professional_monthly", "active", NOW - 500, Some("u1")));
    stripe.put(json!({"id": "sub_2", "object": "subscription", "customer": "cus_2", "created": NOW - 400}));
    let world = World::with_idle_stripe(&[seed("u1")], client(&stripe)).await;
    assert_eq!(run(&world, "subscriptions").await, json!({"job": "subscriptions", "seen": 2, "mended": 1, "complete": true}));
    world.get(CUSTOMER).await.expect_json("/plan", "professional");
}

#[tokio::test]
async fn a_job_that_nobody_knows_is_refused_and_one_without_stripe_fails() {
    let stripe = fake().await;
    let world = world(&stripe).await;
    for event in [json!({}), json!({"job": "everything"}), json!({"job": 7})] {
        assert!(try_run(&world, event, Duration::from_secs(9)).await.is_err());
    }
    stripe.refuse(true);
    assert!(try_run(&world, json!({"job": "events"}), Duration::from_secs(9)).await.is_err());
    let world = World::new().await;
    world.stripe().refuse(true);
    assert!(try_run(&world, json!({"job": "events"}), Duration::from_secs(9)).await.is_err());
}

#[tokio::test]
async fn a_backfill_fills_the_mirror_of_all_customers_and_a_second_one_changes_nothing() {
    let stripe = fake().await;
    for (customer_id, user) in [("cus_1", "u1"), ("cus_2", "u2")] {
        stripe.put(customer(customer_id, Some(user)));
        let mut theirs = subscription(&format!("sub_{user}"), "price_professional_monthly", "active", NOW - 500, Some(user));
        theirs["customer"] = json!(customer_id);
        stripe.put(theirs);
    }
    let world = World::with_idle_stripe(&[seed("u1"), seed("u2")], client(&stripe)).await;
    deliver(&world, &event("evt_1", "customer.created", NOW - 900, customer("cus_1", Some("u1")))).await.expect_json("/outcome", "applied");
    let known = world.app().backfill(Backfill::Known).await.unwrap();
    assert_eq!((known.customers, known.changed, known.failed.len()), (1, 1, 0));
    world.get(CUSTOMER).await.expect_json("/plan", "professional");
    world.as_user("u2").get(CUSTOMER).await.expect_json("/plan", "free");

    let all = world.app().backfill(Backfill::All).await.unwrap();
    assert_eq!((all.customers, all.changed), (2, 1));
    world.as_user("u2").get(CUSTOMER).await.expect_json("/plan", "professional");
    assert_eq!(world.app().backfill(Backfill::All).await.unwrap().changed, 0);
    let plans = world.table().plans().await.unwrap().expect("the catalogue was filled as well");
    assert!(plans.listed().count() >= 3);
}
