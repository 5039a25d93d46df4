//! Events in quarantine: run again when what was wrong is mended, once.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use testkit::policies::acting_as;
use testkit::{Fault, World, seed};

use super::stripe::{NOW, deliver, deliver_surely, drift, event, pro, rev, subscription};

/// What the ops function answers.
pub(super) async fn reprocess(world: &World, id: &str) -> Value {
    try_reprocess(world, id).await.unwrap()
}

async fn try_reprocess(world: &World, id: &str) -> Result<Value, app::BoxError> {
    let (_, handler) = local::functions::JOBS.iter().find(|(name, _)| *name == "reprocess-event").unwrap();
    acting_as("reprocess-event", handler(world.app(), json!({"eventId": id}), Instant::now() + Duration::from_secs(30))).await
}

/// A world in which an event of `u1` is in quarantine, as its customer is another user's; the link is gone since.
async fn quarantined() -> World {
    let world = World::with(&[seed("u1"), seed("u2")]).await;
    let theirs = subscription("sub_0", "price_starter_monthly", "canceled", NOW - 900, Some("u2"));
    deliver(&world, &event("evt_0", "customer.subscription.deleted", NOW - 900, theirs)).await.expect_json("/outcome", "applied");
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_json("/outcome", "parked");
    assert_eq!(reprocess(&world, "evt_1").await["result"], "kept", "it still names another user");
    world.remove("CUS#cus_1", "META").await;
    world
}

#[tokio::test]
async fn an_event_in_quarantine_counts_once_when_it_can() {
    let world = quarantined().await;
    world.get("/api/billing/customer").await.expect_json("/plan", "free");
    let done = reprocess(&world, "evt_1").await;
    assert_eq!(done, json!({"eventId": "evt_1", "result": "done", "outcome": "applied"}));
    world.get("/api/billing/customer").await.expect_json("/plan", "professional").expect_header("x-rev", "2");
    assert_eq!(reprocess(&world, "evt_1").await["result"], "notThere");
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_json("/outcome", "duplicate");
    assert_eq!((rev(&world).await, drift(&world).await), (2, vec![]));
}

#[tokio::test]
async fn in_the_other_mode_nothing_is_thrown_away() {
    let world = quarantined().await;
    let plans = domain::Plans::built_in();
    let now = testkit::NOW.parse().unwrap();
    let kept = world.table().reprocess("evt_1", true, &plans, now).await.unwrap();
    assert!(matches!(&kept, app::Reprocessed::Kept(reason) if reason.contains("STRIPE_LIVE")), "{kept:?}");
    assert_eq!(reprocess(&world, "evt_1").await["result"], "done");
}

#[tokio::test]
async fn ten_who_run_it_again_at_once_apply_it_once() {
    let world = quarantined().await;
    let results = join_all((0..10).map(|_| reprocess(&world, "evt_1"))).await;
    let done = results.iter().filter(|result| result["result"] == "done").count();
    assert_eq!((done, rev(&world).await), (1, 2));
}

#[tokio::test]
async fn a_process_that_dies_while_it_runs_an_event_again_leaves_all_or_nothing() {
    for (fault, expected) in [(Fault::CrashBefore, "done"), (Fault::CrashAfter, "notThere")] {
        let world = quarantined().await;
        world.faults().plan(move |call| (call.operation == "TransactWriteItems").then_some(fault));
        assert!(world.faults().unless_crashed(reprocess(&world, "evt_1")).await.is_none());
        world.faults().clear();
        assert_eq!(reprocess(&world, "evt_1").await["result"], expected);
        world.settled().await;
        world.get("/api/billing/customer").await.expect_json("/plan", "professional").expect_header("x-rev", "2");
    }
}

#[tokio::test]
async fn an_event_that_still_makes_no_sense_stays() {
    let world = World::with(&[seed("u1")]).await;
    let shapeless = event("evt_1", "customer.subscription.updated", NOW - 5, json!({"id": 7, "object": "subscription"}));
    deliver(&world, &shapeless).await.expect_json("/outcome", "parked");
    for _ in 0..2 {
        assert_eq!(reprocess(&world, "evt_1").await["result"], "kept");
    }
    assert_eq!(reprocess(&world, "evt_unknown").await["result"], "notThere");
    assert!(try_reprocess(&world, "").await.is_err(), "an event has to be named");
    deliver_surely(&world, &shapeless).await.expect_json("/outcome", "duplicate");
}

#[tokio::test]
async fn a_plan_that_was_paid_shows_although_the_process_died_before_it_told_the_cache() {
    let world = World::with(&[seed("u1")]).await;
    world.get("/api/billing/customer").await.expect_json("/plan", "free");
    world.faults().plan(|call| (call.operation == "TransactWriteItems").then_some(Fault::CrashAfter));
    assert!(world.faults().unless_crashed(deliver(&world, &pro("evt_1", NOW - 10))).await.is_none());
    world.faults().clear();
    world.settled().await;
    world.get("/api/billing/customer").await.expect_json("/plan", "professional").expect_header("x-rev", "2");
}
