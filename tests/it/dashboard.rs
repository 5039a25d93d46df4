//! Dashboard endpoints: success, numbers at the edges, and nobody else's data.

use serde_json::json;
use testkit::{World, seed, uuid};

#[tokio::test]
async fn an_unknown_user_sees_an_empty_account() {
    let world = World::new().await;
    let reply = world.get("/api/dashboard/data").await.expect_status(200);
    reply
        .expect_json("/success", true)
        .expect_json("/data/metrics/totalContacts", 0)
        .expect_json("/data/metrics/averageContactsPerJob", 0)
        .expect_json("/data/billing", json!(null))
        .expect_json("/data/subscription/id", "sub_free_u1")
        .expect_json("/data/actions/canUpgrade", true)
        .expect_header("x-rev", "0");
}

#[tokio::test]
async fn a_deleted_account_is_told_so() {
    let world = World::with(&[seed("u1").deleted()]).await;
    for path in ["/api/dashboard/data", "/api/contacts/stats", "/api/contacts", "/api/jobs", "/api/usage/current", "/api/billing/customer"]
    {
        world.get(path).await.expect_status(401).expect_json("/error", "User not found");
    }
}

#[tokio::test]
async fn dashboard_numbers_are_those_of_the_rows() {
    let data = seed("u1")
        .usage("2026-03", 12)
        .subscription("price_starter_monthly", "active")
        .job("COMPLETED", "2026-03-04T10:15:00.000Z", 5)
        .job("COMPLETED", "2026-03-03T10:15:00.000Z", 0)
        .job("FAILED", "2026-03-02T10:15:00.000Z", 0);
    let world = World::with(&[data]).await;
    world
        .get("/api/dashboard/data")
        .await
        .expect_status(200)
        .expect_json("/data/metrics/totalContacts", 5)
        .expect_json("/data/metrics/totalJobs", 3)
        .expect_json("/data/metrics/successfulExtractions", 1)
        .expect_json("/data/metrics/failedExtractions", 1)
        .expect_json("/data/metrics/averageContactsPerJob", 1.67)
        .expect_json("/data/usage/uploadsUsed", 12)
        .expect_json("/data/usage/uploadsLimit", 50)
        .expect_json("/data/usage/planId", "starter")
        .expect_json("/data/billing/subscriptionId", "sub_u1")
        .expect_json("/data/planInfo/limits/maxContacts", 500);
    world.get("/api/dashboard/summary").await.expect_status(200).expect_json("/data/actions/canManageBilling", true);
    world
        .get("/api/dashboard/metrics")
        .await
        .expect_status(200)
        .expect_json("/data/successRate", 33.3)
        .expect_json("/data/totalTimeSaved", 25);
    world
        .get("/api/dashboard/activity")
        .await
        .expect_status(200)
        .expect_json("/data/0/message", "5 contacts extracted from day3.pdf")
        .expect_json("/data/1/message", "Call sheet processed but no contacts found")
        .expect_json("/data/2/message", "Extraction failed for day3.pdf")
        .expect_json("/data/0/id", uuid(1, 1));
}

#[tokio::test]
async fn activity_shows_a_file_name_that_is_too_long_for_the_root() {
    let name = format!("{}.pdf", "x".repeat(200));
    let data = seed("u1").job_with(json!({"fileName": name, "status": "FAILED", "createdAt": "2026-03-04T10:00:00.000Z"}), 0);
    let world = World::with(&[data]).await;
    world.get("/api/dashboard/activity").await.expect_status(200).expect_json("/data/0/message", format!("Extraction failed for {name}"));
}

#[tokio::test]
async fn warnings_and_limits_are_one_view() {
    let world = World::with(&[seed("u1").usage("2026-03", 46).subscription("price_starter_monthly", "active")]).await;
    let text = "You've used 46/50 uploads this month. Consider upgrading your plan.";
    for path in ["/api/dashboard/warnings", "/api/usage/limits"] {
        world.get(path).await.expect_status(200).expect_json("/data/warnings/0/message", text).expect_json("/data/canUpload", true);
    }
}

#[tokio::test]
async fn usage_and_the_upload_gate_follow_the_plan() {
    let world = World::with(&[seed("u1").usage("2026-03", 1).usage("2026-02", 9)]).await;
    world
        .get("/api/usage/current")
        .await
        .expect_status(200)
        .expect_json("/data/uploadsUsed", 1)
        .expect_json("/data/uploadsThisMonth", 1)
        .expect_json("/data/currentPlan", "free")
        .expect_json("/data/reason", "You have reached your 1 upload limit for this month");
    world.get("/api/usage/can-upload").await.expect_status(200).expect_json("", json!({"success": true, "canUpload": false}));
    world.set_now("2026-04-01T00:00:00.000Z");
    world.get("/api/usage/can-upload").await.expect_json("/canUpload", true);
}

#[tokio::test]
async fn the_billing_customer_is_the_callers_own() {
    let world = World::with(&[seed("u1").subscription("price_starter_monthly", "active"), seed("u2")]).await;
    world
        .get("/api/billing/customer")
        .await
        .expect_status(200)
        .expect_json("/plan", "starter")
        .expect_json("/customer", json!({"id": "cus_u1", "email": "ines@example.test", "name": "Ines Demo"}))
        .expect_json("/subscription/plan/amount", 2900)
        .expect_json("/currentPeriodEnd", 1_775_030_400);
    let none = json!({"success": true, "hasSubscription": false, "plan": "free", "status": "inactive"});
    world.as_user("u2").get("/api/billing/customer").await.expect_status(200).expect_json("", none);
}

#[tokio::test]
async fn plans_are_public_and_need_no_table() {
    let world = World::new().await;
    world.table_down(true);
    let reply = world.anonymous().get("/api/billing/plans").await.expect_status(200);
    reply
        .expect_json("/plans/0/id", "free")
        .expect_json("/plans/1/price", 2900)
        .expect_json("/plans/2/id", "professional")
        .expect_absent("/plans/3")
        .expect_absent("/plans/0/features")
        .expect_header("cache-control", "public, max-age=300, stale-while-revalidate=3600")
        .expect_header("cache-status", "callsheets; hit; ttl=60")
        .expect_header("age", "0");
    world.set_now("2026-03-05T09:30:45.000Z");
    world.anonymous().get("/api/billing/plans").await.expect_header("cache-status", "callsheets; hit; ttl=15").expect_header("age", "45");
    world.set_now("2026-03-05T09:31:00.000Z");
    let again = world.anonymous().get("/api/billing/plans").await.expect_status(200);
    assert!(again.header("cache-status").is_some_and(|status| status.starts_with("callsheets; fwd=miss")));
}

#[tokio::test]
async fn a_failing_table_is_503_and_never_zeros() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:15:00.000Z", 2)]).await;
    world.table_down(true);
    for path in ["/api/dashboard/data", "/api/contacts/stats", "/api/contacts?page=1", "/api/jobs", "/api/usage/limits"] {
        let reply = world.get(path).await.expect_status(503).expect_json("", json!({"success": false, "error": "Service unavailable"}));
        assert!(reply.header("retry-after").is_some(), "{path}");
    }
    world.get("/api/health").await.expect_status(503).expect_json("/status", "ERROR");
    world.get("/").await.expect_status(200).expect_json("/status", "OK");
    world.table_down(false);
    world.get("/api/health").await.expect_status(200).expect_json("", json!({"status": "OK"}));
    world.get("/api/dashboard/data").await.expect_status(200).expect_json("/data/metrics/totalContacts", 2);
}

#[tokio::test]
async fn activity_has_a_line_for_each_status() {
    let mut data = seed("u1").job("COMPLETED", "2026-03-04T10:05:00.000Z", 1);
    for (minute, status, name) in
        [(4, "PROCESSING", json!("a.pdf")), (3, "CANCELLED", json!(null)), (2, "FAILED", json!(null)), (1, "COMPLETED", json!(null))]
    {
        data = data.job_with(
            json!({"status": status, "fileName": name, "createdAt": format!("2026-03-04T10:0{minute}:00.000Z")}),
            2 * u64::from(minute == 1),
        );
    }
    let old = json!({"status": "FAILED", "createdAt": "2026-01-20T10:00:00.000Z"});
    let world = World::with(&[data.job_with(old, 0)]).await;
    let reply = world.get("/api/dashboard/activity").await.expect_status(200);
    let lines = [
        ("contacts", "success", "1 contact extracted from day3.pdf"),
        ("processing", "processing", "Processing a.pdf..."),
        ("upload", "success", "Call sheet uploaded: Unknown file"),
        ("error", "error", "Extraction failed for call sheet"),
        ("contacts", "success", "2 contacts extracted from call sheet"),
    ];
    for (at, (kind, status, message)) in lines.into_iter().enumerate() {
        reply
            .expect_json(&format!("/data/{at}/type"), kind)
            .expect_json(&format!("/data/{at}/status"), status)
            .expect_json(&format!("/data/{at}/message"), message);
    }
    reply.expect_json("/data/2/fileName", json!(null)).expect_json("/data/0/contactsCount", 1).expect_absent("/data/5");
}

#[tokio::test]
async fn an_unlimited_plan_has_no_limits_and_no_reason() {
    let world = World::with(&[seed("u1").usage("2026-03", 5_000).subscription("enterprise", "trialing")]).await;
    world
        .get("/api/dashboard/data")
        .await
        .expect_status(200)
        .expect_json("/data/usage/uploadsLimit", -1)
        .expect_json("/data/usage/canUpload", true)
        .expect_absent("/data/usage/reason")
        .expect_json("/data/actions/canUpgrade", false);
    world.get("/api/usage/limits").await.expect_json("/data/warnings", json!([]));
}

#[tokio::test]
async fn both_limits_are_warned_of_and_uploads_come_first() {
    let world = World::with(&[seed("u1").usage("2026-03", 1).job("COMPLETED", "2026-03-04T10:00:00.000Z", 10)]).await;
    let reply = world.get("/api/dashboard/warnings").await.expect_status(200);
    reply
        .expect_json(
            "/data/warnings/0",
            json!({"type": "error", "message": "You've reached your upload limit of 1 for this month.", "action": "upgrade"}),
        )
        .expect_json("/data/warnings/1/message", "You've reached your contact limit of 10. Consider upgrading your plan.")
        .expect_absent("/data/warnings/2")
        .expect_json("/data/canUpload", false);
}

#[tokio::test]
async fn missing_empty_and_blank_roles_are_one_group() {
    let mut data = seed("u1").job("COMPLETED", "2026-03-04T10:00:00.000Z", 0);
    for role in [json!(null), json!(""), json!("  "), json!("Grip"), json!("Gaffer"), json!("Gaffer")] {
        data = data.contact(json!({"role": role}));
    }
    let world = World::with(&[data]).await;
    let groups = json!([{"role": "Unknown", "count": 3}, {"role": "Gaffer", "count": 2}, {"role": "Grip", "count": 1}]);
    world
        .get("/api/contacts/stats")
        .await
        .expect_status(200)
        .expect_json("/data/contactsByRole", groups)
        .expect_json("/data/averageContactsPerJob", 6);
}

#[tokio::test]
async fn a_subscription_that_ended_gives_the_free_limits() {
    let world =
        World::with(&[seed("u1").subscription("price_professional_monthly", "canceled"), seed("u2").subscription("starter", "unpaid")])
            .await;
    world.get("/api/usage/current").await.expect_json("/data/uploadsLimit", 1);
    world
        .get("/api/billing/customer")
        .await
        .expect_json("/hasSubscription", false)
        .expect_json("/status", "inactive")
        .expect_absent("/customer");
    world.as_user("u2").get("/api/billing/customer").await.expect_json("/hasSubscription", true).expect_json("/status", "unpaid");
    world.as_user("u2").get("/api/usage/current").await.expect_json("/data/uploadsLimit", 1);
}
