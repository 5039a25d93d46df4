//! Rate limits as a client meets them.

use std::path::Path;
use std::time::Duration;

use cache::{Coherent, Settings};
use serde_json::json;
use testkit::servers::Valkey;
use testkit::{Client, Reply, World, seed};

const READ: &str = "/api/dashboard/data";
const SAVE: &str = "/api/extraction/save-contacts";

async fn world() -> World {
    World::with_limits(Coherent::memory(Settings::default()), &[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await
}

fn number(reply: &Reply, header: &str) -> u64 {
    reply.header(header).unwrap_or_else(|| panic!("no {header}")).parse().unwrap()
}

/// Asks `limit` times, which is allowed, and once more, which is not.
async fn exhaust(client: &Client<'_>, path: &str, limit: u64, status: u16) -> Reply {
    for asked in 1..=limit {
        let reply = client.get(path).await.expect_status(status);
        assert_eq!((number(&reply, "ratelimit-limit"), number(&reply, "ratelimit-remaining")), (limit, limit - asked), "{path}");
    }
    client.get(path).await.expect_status(429)
}

#[tokio::test]
async fn an_address_has_a_hundred_answers_in_a_quarter_of_an_hour() {
    let world = world().await;
    let refused = exhaust(&world.as_user("u1").from("192.0.2.1"), READ, 100, 200).await;
    refused
        .expect_json("/success", false)
        .expect_json("/error", "Too many requests, please try again later.")
        .expect_json("/errorCode", "RATE_LIMIT_EXCEEDED")
        .expect_json("/limit", 100)
        .expect_json("/window", 900_000)
        .expect_header("ratelimit-limit", "100")
        .expect_header("ratelimit-remaining", "0")
        .expect_header("cache-control", "no-store");
    let (wait, reset) = (number(&refused, "retry-after"), number(&refused, "ratelimit-reset"));
    assert!((890..=900).contains(&wait) && wait == reset && refused.json["retryAfter"] == wait, "{wait} {reset}");
    assert!(refused.header("x-request-id").is_some() && refused.header("etag").is_none());
    // The same user from elsewhere, and another user from there: it is the address that counts.
    world.as_user("u1").from("192.0.2.2").get(READ).await.expect_status(200);
    world.as_user("u9").from("192.0.2.1").get(READ).await.expect_status(429);
}

#[tokio::test]
async fn every_answer_counts_and_an_address_beyond_its_limit_learns_nothing_else() {
    let world = world().await;
    let nobody = world.anonymous().from("192.0.2.1");
    for (at, (method, path, status)) in
        [("GET", READ, 401), ("GET", "/nowhere", 404), ("PUT", READ, 405), ("GET", "/", 200), ("GET", "/api/billing/plans", 200)]
            .into_iter()
            .enumerate()
    {
        let reply = nobody.send(method, path, &[], b"").await.expect_status(status);
        let expected = if path.contains("billing") { 39 } else { 99 - at as u64 };
        assert_eq!(number(&reply, "ratelimit-remaining"), expected, "{method} {path}");
    }
    let bad = world.as_user("u1").from("192.0.2.1").get("/api/contacts?page=x").await.expect_status(400);
    assert_eq!(number(&bad, "ratelimit-remaining"), 94);
    for _ in 0..94 {
        nobody.get(READ).await.expect_status(401);
    }
    for (method, path) in [("GET", READ), ("GET", "/nowhere"), ("PUT", READ), ("GET", "/"), ("POST", SAVE)] {
        nobody.send(method, path, &[], b"").await.expect_status(429);
    }
    // A preflight asks for nothing.
    let headers = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    nobody.send("OPTIONS", READ, &headers, b"").await.expect_status(204);
}

#[tokio::test]
async fn groups_and_users_have_limits_of_their_own() {
    let world = world().await;
    exhaust(&world.anonymous().from("192.0.2.1"), "/api/billing/plans", 40, 200).await.expect_json("/limit", 40);
    world.as_user("u1").from("192.0.2.1").get("/api/billing/customer").await.expect_status(429);
    world.as_user("u1").from("192.0.2.1").get(READ).await.expect_status(200);

    let body = json!({"contacts": [{"name": "Crew", "email": "crew@example.test"}]});
    for at in 0..20 {
        let saved = world.as_user("u1").from(&format!("192.0.2.{}", 10 + at % 2)).post(SAVE, &body).await.expect_status(200);
        assert_eq!(number(&saved, "ratelimit-remaining"), 19 - at);
    }
    let refused = world.as_user("u1").from("192.0.2.12").post(SAVE, &body).await.expect_status(429);
    refused.expect_json("/limit", 20).expect_json("/window", 60_000);
    let contacts = world.as_user("u1").from("192.0.2.13").get(READ).await;
    contacts.expect_json("/data/metrics/totalContacts", 23);
    world.as_user("u2").from("192.0.2.12").post(SAVE, &body).await.expect_status(200);
}

#[tokio::test]
async fn a_network_of_ipv6_is_one_address_and_no_header_is_believed() {
    let world = world().await;
    for at in 0..100 {
        let forwarded = format!("198.51.100.{at}");
        let client = world.as_user("u1").from(&format!("2001:db8:0:1::{at:x}"));
        client.send("GET", READ, &[("x-forwarded-for", &forwarded), ("forwarded", "for=198.51.100.1")], b"").await.expect_status(200);
    }
    world.as_user("u1").from("2001:db8:0:1:ffff::1").get(READ).await.expect_status(429);
    world.as_user("u1").from("2001:db8:0:2::1").get(READ).await.expect_status(200);
}

#[tokio::test]
async fn the_webhook_counts_what_it_refused_and_never_an_event_that_is_signed() {
    let world = world().await;
    // Where the signed event of events/ comes from.
    let address = "203.0.113.7";
    let stripe = world.anonymous().from(address);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("events/stripe-webhook.json");
    let event = std::fs::read_to_string(path).unwrap();
    assert!(event.contains(&format!("\"sourceIp\": \"{address}\"")));
    for _ in 0..100 {
        let refused = stripe.send("POST", "/api/stripe/webhook", &[("stripe-signature", "t=1,v1=00")], b"{}").await;
        refused.expect_status(400).expect_json("/error", "Invalid webhook signature");
    }
    let refused = stripe.send("POST", "/api/billing/webhook", &[("stripe-signature", "t=1,v1=00")], b"{}").await.expect_status(429);
    refused
        .expect_json("/error", "Too many webhook requests")
        .expect_json("/code", "RATE_LIMIT_EXCEEDED")
        .expect_json("/limit", 100)
        .expect_absent("/errorCode");
    for _ in 0..3 {
        let taken = world.invoke("stripe-webhook", &event).await.expect_status(200);
        assert_eq!(taken.header("ratelimit-limit"), None, "an event that is signed counts in no window");
    }
    world.as_user("u1").from(address).get(READ).await.expect_status(200).expect_header("ratelimit-remaining", "99");
}

#[tokio::test]
async fn a_cached_read_is_counted_in_its_own_round_trip() {
    let valkey = Valkey::start();
    let world = World::with_limits(valkey.cache().await, &[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    let trips = async |method: &str, path: &str| {
        for at in 0..=u8::MAX {
            let client = world.as_user("u1").from(&format!("192.0.2.{at}"));
            let reply = client.send(method, path, &[], b"").await;
            let line: serde_json::Value = serde_json::from_str(world.metrics().last().unwrap()).unwrap();
            let hit = method != "GET" || line.get("CacheHit").is_some();
            // A machine that stood still for 30 ms says nothing, and after the third time the cache is left alone for 5 s.
            if hit && line.get("CacheTrouble").is_none() && line.get("RateLimitWithin").is_some() {
                return (reply.status, line["CacheRoundTrips"].clone());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no answer within the cache's time");
    };
    assert_eq!(trips("GET", READ).await, (200, json!(1)), "the entry and the counts together");
    assert_eq!(trips("PUT", READ).await, (405, json!(1)), "the counts alone");
    world.as_user("u1").get(READ).await.expect_status(200);
}

#[tokio::test]
async fn without_a_cache_nothing_is_counted_and_everything_answered() {
    let world = World::with_limits(Coherent::off(), &[]).await;
    for _ in 0..101 {
        let reply = world.get("/api/usage/limits").await.expect_status(200);
        assert_eq!(reply.header("ratelimit-limit"), None);
    }
}
