//! Tokens, routes, methods and headers: what every endpoint has in common.

use serde_json::json;
use testkit::{World, claims, seed, sign};

const READS: [&str; 14] = [
    "/api/dashboard/data",
    "/api/dashboard/summary",
    "/api/dashboard/warnings",
    "/api/dashboard/activity",
    "/api/dashboard/metrics",
    "/api/contacts/stats",
    "/api/contacts",
    "/api/contacts?page=1",
    "/api/billing/customer",
    "/api/usage/current",
    "/api/usage/limits",
    "/api/usage/can-upload",
    "/api/jobs",
    "/api/contacts/00000002-0000-7000-8000-000000000001",
];

#[tokio::test]
async fn every_private_endpoint_wants_a_token() {
    let world = World::new().await;
    for path in READS {
        world.anonymous().get(path).await.expect_status(401).expect_json("", json!({"success": false, "error": "Access token required"}));
        world.with_token("nonsense").get(path).await.expect_status(401).expect_json("/error", "Invalid or expired token");
    }
    for (method, path) in [
        ("DELETE", "/api/contacts/x"),
        ("DELETE", "/api/extraction/job/x"),
        ("POST", "/api/extraction/save-contacts"),
        ("POST", "/api/session/warm"),
    ] {
        world.anonymous().send(method, path, &[], b"").await.expect_status(401).expect_json("/error", "Access token required");
    }
}

#[tokio::test]
async fn forged_and_expired_tokens_are_refused() {
    let world = World::new().await;
    let good = claims("u1");
    let cases = [
        ("expired", sign(&json!({"userId": "u1", "exp": 1}))),
        ("at its end", sign(&json!({"userId": "u1", "exp": 1_772_703_000}))),
        ("without exp", sign(&json!({"userId": "u1"}))),
        ("without user", sign(&json!({"exp": good["exp"]}))),
        ("bad user id", sign(&json!({"userId": "a b", "exp": good["exp"]}))),
        ("user id of a wrong type", sign(&json!({"userId": 7, "exp": good["exp"]}))),
        ("other secret", testkit::sign_with("another secret that has at least 32 bytes", &good)),
        ("alg none", testkit::unsigned(&good)),
        ("cut", sign(&good)[..40].to_owned()),
    ];
    for (what, token) in cases {
        let reply = world.with_token(&token).get("/api/dashboard/data").await;
        assert_eq!((reply.status, reply.json["error"].as_str()), (401, Some("Invalid or expired token")), "{what}");
    }
    world.with_token(&sign(&json!({"sub": "u1", "exp": good["exp"]}))).get("/api/dashboard/data").await.expect_status(200);
    let basic = world.anonymous().send("GET", "/api/jobs", &[("authorization", "Basic dTE6eA==")], b"").await;
    basic.expect_status(401).expect_json("/error", "Access token required");
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_told_apart() {
    let world = World::new().await;
    for path in ["/nowhere", "/api", "/api/dashboard", "/api/dashboard/data/x", "/api/auth/login", "/api/dashboard/all", "/api//jobs"] {
        world.get(path).await.expect_status(404).expect_json("", json!({"success": false, "error": "Not found"}));
    }
    for (method, path, allow) in [
        ("POST", "/api/dashboard/data", "GET, HEAD"),
        ("PUT", "/api/contacts/x", "DELETE, GET, HEAD, PATCH"),
        ("GET", "/api/extraction/save-contacts", "POST"),
        ("PATCH", "/", "GET, HEAD"),
    ] {
        let reply = world.send(method, path, &[], b"").await.expect_status(405).expect_json("/error", "Method not allowed");
        let mut allowed: Vec<_> = reply.header("allow").expect("Allow").split(", ").filter(|m| *m != "OPTIONS").collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(", "), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:15:00.000Z", 2)]).await;
    for path in READS {
        let get = world.get(path).await.expect_status(200);
        let head = world.send("HEAD", path, &[], b"").await.expect_status(200);
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(head.header("etag"), get.header("etag"), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
    }
}

#[tokio::test]
async fn a_copy_that_is_current_is_304() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:15:00.000Z", 2)]).await;
    for path in READS {
        let etag = world.get(path).await.header("etag").expect("an ETag").to_owned();
        let reply = world.send("GET", path, &[("if-none-match", &etag)], b"").await.expect_status(304);
        assert!(reply.body.is_empty(), "{path}");
        assert_eq!(reply.header("etag"), Some(etag.as_str()));
        world.send("GET", path, &[("if-none-match", "W/\"0\"")], b"").await.expect_status(200);
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers_and_a_request_id() {
    let world = World::new().await;
    for (path, status) in [("/api/dashboard/data", 200), ("/nowhere", 404), ("/api/contacts?page=0", 400), ("/api/health", 200)] {
        let reply = world.send("GET", path, &[("x-request-id", "req-1")], b"").await.expect_status(status);
        assert_eq!(reply.header("x-request-id"), Some("req-1"), "{path}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert!(reply.header("strict-transport-security").is_some(), "{path}");
        assert!(reply.header("server").is_none(), "{path}");
    }
    assert_eq!(world.get("/api/jobs").await.header("cache-control"), Some("private, no-cache"));
    let fresh = world.get("/").await;
    assert_eq!(fresh.header("x-request-id").expect("an id").len(), 36);
}

#[tokio::test]
async fn preflights_are_answered_for_allowed_origins() {
    let world = World::new().await;
    let ask = [("origin", "http://localhost:5173"), ("access-control-request-method", "DELETE")];
    let reply = world.anonymous().send("OPTIONS", "/api/contacts/x", &ask, b"").await.expect_status(204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("http://localhost:5173"));
    assert_eq!(reply.header("access-control-max-age"), Some("86400"));
    let foreign = [("origin", "https://evil.example"), ("access-control-request-method", "DELETE")];
    let refused = world.anonymous().send("OPTIONS", "/api/contacts/x", &foreign, b"").await;
    assert!(refused.header("access-control-allow-origin").is_none());
}

#[tokio::test]
async fn large_answers_travel_compressed_when_asked_for() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:15:00.000Z", 60)]).await;
    let plain = world.get("/api/contacts?limit=60").await.expect_status(200);
    assert!(plain.header("content-encoding").is_none());
    for round in 0..2 {
        let reply = world.send("GET", "/api/contacts?limit=60", &[("accept-encoding", "gzip")], b"").await.expect_status(200);
        assert_eq!(reply.header("content-encoding"), Some("gzip"), "round {round}");
        assert!(reply.body.len() * 4 < plain.body.len(), "{} of {}", reply.body.len(), plain.body.len());
        assert_eq!(reply.json, plain.json);
    }
}

#[tokio::test]
async fn nothing_is_read_for_a_deleted_account_and_nothing_written() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:15:00.000Z", 2).deleted()]).await;
    let rows = json!({"contacts": [{"name": "Mara"}]});
    world.post("/api/extraction/save-contacts", &rows).await.expect_status(401).expect_json("/error", "User not found");
    for path in ["/api/contacts/00000002-0000-7000-8000-000000000001", "/api/extraction/job/00000001-0000-7000-8000-000000000001"] {
        world.delete(path).await.expect_status(401).expect_json("/error", "User not found");
    }
}

#[tokio::test]
async fn odd_paths_and_parameters_never_become_an_internal_error() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:15:00.000Z", 2)]).await;
    let long = "x".repeat(9_000);
    for path in [
        "/api/contacts/%00",
        "/api/contacts/%ff%fe",
        "/api/contacts/%2e%2e",
        "/api/contacts/a%2Fb",
        "/api/contacts/'%20OR%201=1",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//evil.example/api/jobs",
        "/api/contacts?%ff=%ff",
        "/api/contacts?page=%00",
        "/api/contacts?page=1&page=x",
        "/api/contacts?limit=1e3",
        "/api/contacts?&&=&",
        "/api/jobs?cursor=%F0%9F%98%80",
        "/api/contacts/stats?jobId=%20",
        "/api/contacts?sortBy=%24where",
    ] {
        let reply = world.get(path).await;
        assert!([200, 400, 404].contains(&reply.status), "{path}: {}", reply.status);
        assert!(reply.json["success"].is_boolean(), "{path}: {}", reply.json);
    }
    for path in [format!("/api/contacts/{long}"), format!("/{long}")] {
        world.get(&path).await.expect_status(404);
    }
    for path in [format!("/api/contacts?cursor={long}"), format!("/api/contacts?role={long}"), format!("/api/contacts/stats?jobId={long}")]
    {
        world.get(&path).await.expect_status(400);
    }
}

#[tokio::test]
async fn a_revision_that_nobody_gave_out_asks_for_nothing() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:15:00.000Z", 2)]).await;
    for rev in ["x", "-1", "99999999999999999999", "999", ""] {
        world.send("GET", "/api/dashboard/data", &[("x-rev", rev)], b"").await.expect_status(200).expect_header("x-rev", "1");
    }
    let foreign = [("cookie", "rev=7.00000000; rev=x; rev=")];
    world.send("GET", "/api/dashboard/data", &foreign, b"").await.expect_status(200).expect_header("x-rev", "1");
}
