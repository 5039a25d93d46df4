//! Requests while the table throttles, conflicts, loses answers or goes away, and processes that die in the middle of one.

use domain::UserId;
use serde_json::{Value, json};
use testkit::{Fault, World, seed, uuid};

const SAVE: &str = "/api/extraction/save-contacts";

fn rows(count: usize) -> Value {
    (0..count).map(|n| json!({"name": format!("Crew {n}"), "email": format!("c{n}@example.test"), "role": "Grip"})).collect()
}

async fn world_of(contacts: u64) -> World {
    World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", contacts).job("COMPLETED", "2026-03-02T10:00:00.000Z", 2)]).await
}

/// What a recount of the rows finds wrong.
async fn drift(world: &World) -> Vec<String> {
    let now = world.app().clock().now();
    world.table().rebuild(&UserId::parse("u1").unwrap(), now).await.unwrap().differences
}

#[tokio::test]
async fn writes_while_the_table_is_down_are_503_and_change_nothing() {
    let world = world_of(3).await;
    world.table_down(true);
    let (contact, job) = (format!("/api/contacts/{}", uuid(2, 1)), format!("/api/extraction/job/{}", uuid(1, 1)));
    let body = json!({"contacts": rows(2)});
    let replies = tokio::join!(world.delete(&contact), world.delete(&job), world.post(SAVE, &body));
    for reply in [replies.0, replies.1, replies.2] {
        let reply = reply.expect_status(503).expect_json("", json!({"success": false, "error": "Service unavailable"}));
        assert!(reply.header("retry-after").is_some());
        assert!(reply.header("set-cookie").is_none());
    }
    world.table_down(false);
    world.get("/api/contacts/stats").await.expect_json("/data/totalContacts", 5).expect_json("/data/totalJobs", 2);
}

#[tokio::test]
async fn a_write_goes_through_throttling_conflicts_and_lost_answers() {
    for fault in [Fault::Throttled, Fault::Conflict, Fault::AnswerLost, Fault::Unreachable] {
        let world = world_of(3).await;
        let mut left = 2;
        world.faults().plan(move |call| {
            let hit = left > 0 && call.operation == "TransactWriteItems";
            left -= i32::from(hit);
            hit.then_some(fault)
        });
        let reply = world.delete(&format!("/api/contacts/{}", uuid(2, 1))).await.expect_status(200);
        assert_eq!(reply.header("x-rev"), Some("2"), "{fault:?}: once and no more");
        world.get("/api/contacts/stats").await.expect_json("/data/totalContacts", 4);
        assert_eq!(drift(&world).await, [""; 0], "{fault:?}");
    }
}

#[tokio::test]
async fn a_commit_whose_process_died_shows_on_the_next_read() {
    let world = world_of(3).await;
    world.get("/api/dashboard/data").await.expect_json("/data/metrics/totalContacts", 5);
    world.faults().plan(|call| (call.operation == "TransactWriteItems").then_some(Fault::CrashAfter));
    let path = format!("/api/contacts/{}", uuid(2, 1));
    assert!(world.faults().unless_crashed(world.delete(&path)).await.is_none());
    world.faults().clear();
    // Nobody bumped the cache inline: the stream does.
    world.settled().await;
    world.get("/api/dashboard/data").await.expect_json("/data/metrics/totalContacts", 4);
    world.delete(&path).await.expect_status(404);
}

/// Repeats a request whose process dies before or after its nth call, for every n, until it gets through; the account is right each time.
async fn through_crashes(world: &World, fault: Fault, request: impl AsyncFn() -> testkit::Reply) -> (testkit::Reply, usize) {
    for crashes in 0..200 {
        let mut calls = 0;
        world.faults().plan(move |_| {
            calls += 1;
            (calls == crashes % 12 + 1).then_some(fault)
        });
        let reply = world.faults().unless_crashed(request()).await;
        world.faults().clear();
        assert_eq!(drift(world).await, [""; 0], "{fault:?} at call {}", crashes % 12 + 1);
        if let Some(reply) = reply {
            return (reply, crashes);
        }
    }
    panic!("it never gets through");
}

#[tokio::test]
async fn a_job_is_deleted_through_any_crashes() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let world = world_of(200).await;
        let path = format!("/api/extraction/job/{}", uuid(1, 1));
        let (reply, crashes) = through_crashes(&world, fault, async || world.delete(&path).await).await;
        assert!(crashes >= 4, "{crashes} crashes");
        // The last commit may have been the one whose process died: then nothing is left to delete.
        assert!([200, 404].contains(&reply.status), "{}", reply.status);
        world.settled().await;
        world.get("/api/contacts/stats").await.expect_json("/data/totalContacts", 2).expect_json("/data/totalJobs", 1);
        world.get(&format!("/api/contacts/{}", uuid(2, 1))).await.expect_status(404);
    }
}

#[tokio::test]
async fn contacts_are_replaced_through_any_crashes() {
    for fault in [Fault::CrashBefore, Fault::CrashAfter] {
        let world = world_of(120).await;
        let body = json!({"jobId": uuid(1, 1), "contacts": rows(150)});
        let (reply, crashes) = through_crashes(&world, fault, async || world.post(SAVE, &body).await).await;
        reply.expect_status(200).expect_json("/contactsSaved", 150);
        assert!(crashes >= 4, "{crashes} crashes");
        world.settled().await;
        world.get("/api/contacts/stats").await.expect_json("/data/totalContacts", 152).expect_json("/data/totalJobs", 2);
        world.get("/api/jobs").await.expect_json("/data/1/status", "COMPLETED");
    }
}

#[tokio::test]
async fn concurrent_writes_of_one_account_all_count() {
    let world = world_of(20).await;
    let paths: Vec<String> = (1..=12).map(|n| format!("/api/contacts/{}", uuid(2, n))).collect();
    let replies = futures::future::join_all(paths.iter().map(|path| world.delete(path))).await;
    let revs: std::collections::BTreeSet<String> =
        replies.iter().map(|r| r.expect_status(200).header("x-rev").unwrap().to_owned()).collect();
    assert_eq!(revs.len(), 12, "each has a revision of its own");
    world.get("/api/contacts/stats").await.expect_json("/data/totalContacts", 10).expect_header("x-rev", "13");
    assert_eq!(drift(&world).await, [""; 0]);
}
