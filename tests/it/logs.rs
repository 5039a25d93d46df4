//! Logs: every line that the worlds of this suite write is looked at when it is written (`testkit::watch`), and what is found there ends
//! the process. Here it is shown that this works.

use std::process::Command;

use serde_json::json;
use testkit::{World, seed, watch};

/// Set in the process that plants a leak.
const PLANTED: &str = "TEST_PLANTED_LOG_LINE";
const THIS: &str = "logs::whatever_is_planted_in_a_log_fails_the_suite";

#[tokio::test]
async fn whatever_is_planted_in_a_log_fails_the_suite() {
    if let Ok(text) = std::env::var(PLANTED) {
        let _world = World::new().await;
        tracing::debug!(target: "app", text, "planted");
        return;
    }
    let good = testkit::sign(&testkit::claims("u1"));
    let runs = |text: &str| {
        let test = std::env::current_exe().unwrap();
        let output = Command::new(test).args(["--exact", THIS]).env(PLANTED, text).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (passes, output) = runs("nothing of anybody");
    assert!(passes, "{output}");
    for leak in [good.as_str(), "crew1@example.test", "+1 555 0101", local::DEVELOPMENT_WEBHOOK_SECRET, "{\"contacts\":[{}]}", "Mara Quill"]
    {
        let (passes, output) = runs(leak);
        assert!(!passes && output.contains("a leak"), "{leak} was not found: {output}");
    }
}

#[tokio::test]
async fn refusals_failures_and_bad_events_are_logged_without_what_was_sent() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    let before = watch::log_lines();
    let person = json!({"contacts": [{"name": "Mara Quill", "email": "mara@example.test", "phone": "+1 555 0101"}]});
    world.post("/api/extraction/save-contacts", &json!({"contacts": "mara@example.test"})).await.expect_status(400);
    world.with_token("eyJhbGciOiJIUzI1NiJ9.eyJ1c2VySWQiOiJ1MSJ9.c2ln").get("/api/jobs").await.expect_status(401);
    world.get("/api/contacts?page=mara@example.test").await.expect_status(400);
    world.get("/mara@example.test?phone=+15550101").await.expect_status(404);
    let bad = [("stripe-signature", "t=1,v1=00")];
    world.anonymous().send("POST", "/api/stripe/webhook", &bad, person.to_string().as_bytes()).await.expect_status(400);
    world.damage("USER#u1", "ROOT").await;
    world.get("/api/dashboard/data").await.expect_status(500);
    world.table_down(true);
    world.post("/api/extraction/save-contacts", &person).await.expect_status(503);
    assert!(watch::log_lines() >= before + 7, "each of them is logged");
}
