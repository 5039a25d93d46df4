//! The cache as a client sees it: what it costs, what it says, and that nobody reads what was invalidated.

use app::StreamBatch;
use cache::Coherent;
use futures::future::join_all;
use serde_json::{Value, json};
use testkit::{Fault, Reply, World, seed, uuid};

/// Without `/api/usage/limits`, which is the same view as the warnings.
const CACHED: [&str; 11] = [
    "/api/dashboard/data",
    "/api/dashboard/summary",
    "/api/dashboard/warnings",
    "/api/dashboard/activity",
    "/api/dashboard/metrics",
    "/api/contacts/stats",
    "/api/contacts?page=1",
    "/api/billing/customer",
    "/api/usage/current",
    "/api/usage/can-upload",
    "/api/jobs",
];

async fn world() -> World {
    World::with(&[seed("u1").subscription("price_starter_monthly", "active").job("COMPLETED", "2026-03-01T10:00:00.000Z", 80)]).await
}

fn cache_status(reply: &Reply) -> &str {
    reply.header("cache-status").expect("Cache-Status")
}

#[tokio::test]
async fn a_hit_asks_the_table_nothing_and_says_so() {
    let world = world().await;
    for path in CACHED {
        let miss = world.get(path).await.expect_status(200);
        assert!(
            cache_status(&miss).starts_with("callsheets; fwd=miss") && cache_status(&miss).ends_with("stored"),
            "{path}: {}",
            cache_status(&miss)
        );
        let before = world.meter();
        let hit = world.get(path).await.expect_status(200);
        assert_eq!(world.meter().since(&before).calls(), 0, "{path}");
        assert!(cache_status(&hit).starts_with("callsheets; hit; ttl="), "{path}: {}", cache_status(&hit));
        assert!(hit.header("age").is_some(), "{path}");
        assert_eq!((&hit.json, hit.header("etag"), hit.header("x-rev")), (&miss.json, miss.header("etag"), miss.header("x-rev")), "{path}");
    }
}

#[tokio::test]
async fn two_hundred_misses_at_once_ask_the_table_once() {
    let world = world().await;
    let before = world.meter();
    let replies = join_all((0..200).map(|_| world.get("/api/dashboard/data"))).await;
    assert_eq!(world.meter().since(&before).calls(), 1);
    assert!(replies.iter().all(|reply| reply.status == 200 && reply.json == replies[0].json));
}

#[tokio::test]
async fn what_is_not_there_is_remembered_until_something_changes() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 2)]).await;
    let path = format!("/api/contacts/{}", uuid(2, 999));
    world.get(&path).await.expect_status(404);
    let before = world.meter();
    world.get(&path).await.expect_status(404).expect_json("/error", "Contact not found");
    assert_eq!(world.meter().since(&before).calls(), 0);
    let there = format!("/api/contacts/{}", uuid(2, 1));
    world.get(&there).await.expect_status(200);
    world.delete(&there).await.expect_status(200);
    world.get(&there).await.expect_status(404);
}

#[tokio::test]
async fn billing_is_shown_stale_while_the_table_fails_and_nothing_else_is() {
    let world = world().await;
    for path in ["/api/billing/customer", "/api/dashboard/data"] {
        world.get(path).await.expect_status(200);
    }
    world.delete(&format!("/api/contacts/{}", uuid(2, 1))).await.expect_status(200);
    world.table_down(true);
    let stale = world.get("/api/billing/customer").await.expect_status(200).expect_json("/plan", "starter");
    assert_eq!(cache_status(&stale), "callsheets; hit; ttl=0; detail=stale");
    world.get("/api/dashboard/data").await.expect_status(503);
    let token = [("x-rev", "2")];
    world.send("GET", "/api/billing/customer", &token, b"").await.expect_status(503);
    world.table_down(false);
    world.get("/api/dashboard/data").await.expect_status(200).expect_json("/data/metrics/totalContacts", 79);
}

#[tokio::test]
async fn a_client_reads_its_own_write_though_the_cache_never_heard_of_it() {
    // Two environments that share a table and nothing else: each has a cache of its own, and the write bumps only one of them.
    let world = world().await;
    world.get("/api/dashboard/data").await.expect_json("/data/metrics/totalContacts", 80);
    let user = domain::UserId::parse("u1").unwrap();
    let contact = uuid(2, 1).parse().unwrap();
    let now = testkit::NOW.parse().unwrap();
    world.table().delete_contact(&user, contact, now).await.unwrap();
    let token = [("x-rev", "2")];
    world
        .send("GET", "/api/dashboard/data", &token, b"")
        .await
        .expect_status(200)
        .expect_json("/data/metrics/totalContacts", 79)
        .expect_header("x-rev", "2");
    let far = [("x-rev", "999")];
    world.send("GET", "/api/dashboard/data", &far, b"").await.expect_status(200).expect_header("x-rev", "2");
}

#[tokio::test]
async fn without_a_cache_everything_is_answered() {
    let world = World::with_cache_off(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 2)]).await;
    for path in CACHED {
        let reply = world.get(path).await.expect_status(200);
        assert_eq!(cache_status(&reply), "callsheets; fwd=bypass; detail=off", "{path}");
    }
}

#[tokio::test]
async fn a_warmed_session_finds_its_first_page_ready() {
    let world = world().await;
    world.post("/api/session/warm", &Value::Null).await.expect_status(202).expect_json("/success", true);
    let before = world.meter();
    world.get("/api/dashboard/data").await.expect_status(200);
    world.get("/api/contacts/stats").await.expect_status(200);
    assert_eq!(world.meter().since(&before).calls(), 0);
    world.table_down(true);
    world.as_user("u9").post("/api/session/warm", &Value::Null).await.expect_status(202);
}

fn record(number: u32, keys: Value, rev: Value) -> Value {
    json!({"eventID": format!("{number}"), "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "dynamodb": {"ApproximateCreationDateTime": 1_772_703_001, "Keys": keys, "NewImage": {"rev": rev}, "SequenceNumber": format!("{number}"),
            "SizeBytes": 80, "StreamViewType": "NEW_AND_OLD_IMAGES"}})
}

fn root(user: &str) -> Value {
    json!({"pk": {"S": format!("USER#{user}")}, "sk": {"S": "ROOT"}})
}

fn batch(records: &[Value]) -> StreamBatch {
    serde_json::from_value(json!({"Records": records})).unwrap()
}

#[tokio::test]
async fn the_stream_invalidates_and_rejects_what_it_cannot_read() {
    let world = world().await;
    world.get("/api/dashboard/data").await.expect_status(200);
    let poison =
        [record(1, json!({"pk": {"S": "USER#u1"}}), json!({"N": "3"})), record(2, root("a b"), json!({"N": "3"})), json!("no record")];
    let good = [record(4, root("u1"), json!({"N": "2"})), record(5, root("u1"), json!({"N": "2"}))];
    let response = world.app().invalidate_from_stream(batch(&[&poison[..], &good[..]].concat())).await;
    assert!(response.batch_item_failures.is_empty());
    let letters = world.letters().all();
    assert_eq!(letters.len(), 3);
    assert!(letters.iter().all(|letter| !letter.reason.is_empty()));
    let reply = world.get("/api/dashboard/data").await.expect_status(200);
    assert!(cache_status(&reply).starts_with("callsheets; fwd=miss"), "{}", cache_status(&reply));
}

#[tokio::test]
async fn a_bump_that_is_not_acknowledged_comes_again() {
    let lookup = |name: &str| (name == "CACHE_URL").then(|| "redis://127.0.0.1:1/".to_owned());
    let cache = Coherent::connect(cache::Config::from_lookup(&lookup).unwrap()).await;
    let world = World::with_cache(cache, &[]).await;
    let response = world
        .app()
        .invalidate_from_stream(batch(&[record(7, root("u1"), json!({"N": "2"})), record(8, root("u2"), json!({"N": "1"}))]))
        .await;
    let mut failed: Vec<_> = response.batch_item_failures.iter().filter_map(|failure| failure.item_identifier.clone()).collect();
    failed.sort();
    assert_eq!(failed, ["7", "8"]);
    let mut numberless = record(9, root("u1"), json!({"N": "2"}));
    numberless["dynamodb"].as_object_mut().unwrap().remove("SequenceNumber");
    let response = world.app().invalidate_from_stream(batch(&[numberless])).await;
    let failed: Vec<_> = response.batch_item_failures.iter().map(|failure| failure.item_identifier.as_deref()).collect();
    assert_eq!(failed, [Some("")], "an empty identifier fails the whole batch");
    let reply = world.get("/api/dashboard/data").await.expect_status(200).expect_json("/data/metrics/totalContacts", 0);
    assert_eq!(cache_status(&reply), "callsheets; fwd=bypass; detail=trouble");
}

#[tokio::test]
async fn a_throttled_table_is_asked_again_before_anybody_notices() {
    let world = world().await;
    let mut left = 2;
    world.faults().plan(move |call| {
        let fault = left > 0 && call.operation == "GetItem";
        left -= u32::from(fault);
        fault.then_some(Fault::Throttled)
    });
    world.get("/api/dashboard/data").await.expect_status(200).expect_json("/data/metrics/totalContacts", 80);
}
