//! Metrics: what each request and event tells CloudWatch. That every line keeps its rules is looked at whenever a world writes one.

use std::collections::BTreeSet;
use std::path::Path;

use app::metrics::METRICS;
use cache::{Coherent, Settings};
use serde_json::{Value, json};
use testkit::servers::Valkey;
use testkit::{World, seed, uuid, watch};

const READ: &str = "/api/dashboard/data";

fn account() -> testkit::Seed {
    seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)
}

fn parsed(world: &World) -> Vec<Value> {
    world.metrics().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The last line of a function.
fn last(world: &World, function: &str) -> Value {
    parsed(world).into_iter().rfind(|line| line["Function"] == function).unwrap_or_else(|| panic!("no line of {function}"))
}

#[tokio::test]
async fn a_request_tells_what_it_took_and_where_its_answer_came_from() {
    let world = World::with(&[account()]).await;
    world.get("/api/billing/plans").await.expect_status(200);
    let first = last(&world, "list-plans");
    assert_eq!((&first["View"], &first["Status2xx"]), (&json!("catalogue"), &json!(1)), "what init read comes with the first request");
    assert_eq!(parsed(&world).iter().filter(|line| line.get("ColdStart").is_some()).count(), 1, "of a request or of the stream's consumer");
    world.get(READ).await.expect_status(200);
    let miss = last(&world, "get-dashboard-data");
    assert_eq!((&miss["Stage"], &miss["View"], &miss["Tier"]), (&json!("test"), &json!("dashboard-data"), &json!("source")));
    for (name, value) in [("Status2xx", 1), ("CacheMiss", 1), ("CacheFillStored", 1), ("TableCalls", 1)] {
        assert_eq!(miss[name], value, "{name}: {miss}");
    }
    assert!(miss["Latency"].as_f64().unwrap() >= miss["TableLatency"].as_f64().unwrap());
    assert_eq!(miss["TableReadUnits"], 1.0);
    let etag = world.get(READ).await.expect_status(200).header("etag").unwrap().to_owned();
    let hit = last(&world, "get-dashboard-data");
    assert_eq!((&hit["Tier"], &hit["CacheHit"], hit.get("TableCalls"), hit.get("ColdStart")), (&json!("shared"), &json!(1), None, None));
    world.send("GET", READ, &[("if-none-match", &etag)], b"").await.expect_status(304);
    let unchanged = last(&world, "get-dashboard-data");
    assert_eq!((&unchanged["CacheNotModified"], &unchanged["Status3xx"]), (&json!(1), &json!(1)));
    for _ in 0..2 {
        world.get(&format!("/api/contacts/{}", uuid(2, 999))).await.expect_status(404);
    }
    let nothing = last(&world, "get-contact");
    assert_eq!((&nothing["View"], &nothing["CacheNegative"], &nothing["Status4xx"]), (&json!("contact"), &json!(1), &json!(1)));
    world.get("/nowhere").await.expect_status(404);
    assert_eq!(last(&world, "fallback")["Status4xx"], 1);
}

#[tokio::test]
async fn dimensions_are_the_stage_the_function_and_the_view_with_its_tier() {
    let world = World::with(&[account()]).await;
    world.get(READ).await.expect_status(200);
    world.get(READ).await.expect_status(200);
    let line = last(&world, "get-dashboard-data");
    let sets: Vec<&Value> =
        line["_aws"]["CloudWatchMetrics"].as_array().unwrap().iter().map(|directive| &directive["Dimensions"]).collect();
    assert_eq!(sets, [&json!([["Stage"], ["Stage", "Function"]]), &json!([["Stage"]]), &json!([["Stage"], ["Stage", "View", "Tier"]])]);
}

/// Drives what makes each metric appear: the names that were seen.
async fn seen() -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut take = |world: &World| seen.extend(world.metrics().iter().flat_map(|line| watch::metric_line(line)));
    let world = World::with_auditor(1, &[account()]).await;
    world.get(READ).await.expect_status(200);
    let etag = world.get(READ).await.expect_status(200).header("etag").unwrap().to_owned();
    world.send("GET", READ, &[("if-none-match", &etag)], b"").await.expect_status(304);
    for _ in 0..2 {
        world.get(&format!("/api/contacts/{}", uuid(2, 999))).await.expect_status(404);
    }
    world.get("/api/billing/customer").await.expect_status(200);
    world.delete(&format!("/api/contacts/{}", uuid(2, 1))).await.expect_status(200);
    world.settled().await;
    world.get(READ).await.expect_status(200);
    world.raise_unheard("u1", 9).await;
    world.set_now("2026-03-05T09:31:00.000Z");
    // On a busy machine the table may not answer within the auditor's budget.
    for _ in 0..100 {
        world.get(READ).await.expect_status(200);
        if world.metrics().iter().any(|line| line.contains("AuditViolation")) {
            break;
        }
    }
    world.table_down(true);
    world.get("/api/billing/customer").await.expect_status(200);
    world.get("/api/jobs").await.expect_status(503);
    take(&world);
    let limited = World::with_limits(Coherent::memory(Settings::default()), &[]).await;
    for _ in 0..101 {
        limited.get("/api/usage/limits").await;
    }
    take(&limited);
    let valkey = Valkey::start();
    let shared = World::with_limits(valkey.cache().await, &[account()]).await;
    for _ in 0..3 {
        shared.get(READ).await.expect_status(200);
    }
    drop(valkey);
    for _ in 0..5 {
        shared.get(READ).await.expect_status(200);
    }
    take(&shared);
    seen.extend(crate::stripe_metrics::all_lines().await.iter().flat_map(|line| watch::metric_line(line)));
    seen.extend(crate::cache_metrics::lines().await.iter().flat_map(|line| watch::metric_line(line)));
    seen
}

/// What must be seen from outside, whatever else there is.
const PROMISED: [&str; 23] = [
    "Latency",
    "ColdStart",
    "CacheHit",
    "CacheSoftStale",
    "CacheStaleOnError",
    "CacheMiss",
    "CacheNegative",
    "CacheNotModified",
    "CacheRoundTrip",
    "CacheFillRejected",
    "CacheFillRejectedIncarnation",
    "CacheFillRejectedFloor",
    "CacheFillRejectedEntry",
    "CacheBreakerOpen",
    "CacheProcessBytes",
    "InvalidationLag",
    "TableLatency",
    "TableReadUnits",
    "TableWriteUnits",
    "StripeCalls",
    "StripeLatency",
    "AuditChecked",
    "AuditViolation",
];

#[tokio::test]
async fn each_metric_is_written_when_its_time_comes() {
    let seen = seen().await;
    let missing: Vec<_> = PROMISED.iter().filter(|name| !seen.contains(**name)).collect();
    assert!(missing.is_empty(), "promised and never written: {missing:?}");
    let missing: Vec<_> = METRICS.iter().map(|metric| metric.name).filter(|name| !seen.contains(*name)).collect();
    assert!(missing.is_empty(), "never written: {missing:?}");
}

#[test]
fn the_document_names_each_metric_with_its_unit_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let rows = rows.map(|(name, rest)| (name, rest.split(" | ").next().unwrap_or_default()));
    let documented: Vec<(&str, &str)> = rows.filter(|(_, unit)| ["Count", "Milliseconds", "Bytes"].contains(unit)).collect();
    let known: Vec<(&str, &str)> = METRICS.iter().map(|metric| (metric.name, metric.unit.name())).collect();
    for row in &known {
        assert!(documented.contains(row), "docs/metrics.md does not name {row:?}");
    }
    for row in &documented {
        assert!(known.contains(row), "docs/metrics.md names {row:?}, which nothing writes");
    }
}
