//! Contacts and jobs over HTTP.

use serde_json::{Value, json};
use testkit::{World, seed, uuid};

fn three_jobs() -> testkit::Seed {
    seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 40).job("COMPLETED", "2026-03-02T10:00:00.000Z", 30).job(
        "COMPLETED",
        "2026-03-03T10:00:00.000Z",
        10,
    )
}

#[tokio::test]
async fn without_parameters_the_list_is_the_bare_array_of_v1() {
    let world = World::with(&[three_jobs()]).await;
    let reply = world.get("/api/contacts").await.expect_status(200);
    let rows = reply.json["data"].as_array().expect("an array").clone();
    assert_eq!(rows.len(), 50);
    assert_eq!(rows[0]["createdAt"], "2026-03-03T10:00:00.000Z");
    assert_eq!(rows[0]["job"]["title"], "Extraction - day3.pdf");
    assert!(rows[0]["job"].get("fileName").is_none());
    assert_eq!(rows[1]["phone"], Value::Null);
    let ids = |rows: &[Value]| rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    let newest = world.get("/api/contacts?page=1&limit=50").await;
    assert_eq!(ids(&rows), ids(newest.json["data"]["contacts"].as_array().expect("an array")), "the newest, in order");
}

#[tokio::test]
async fn every_page_number_gives_its_rows_and_exact_totals() {
    let world = World::with(&[three_jobs()]).await;
    let mut seen = Vec::new();
    for page in 1..=4 {
        let reply = world.get(&format!("/api/contacts?page={page}&limit=25")).await.expect_status(200);
        reply
            .expect_json("/data/pagination/total", 80)
            .expect_json("/data/pagination/pages", 4)
            .expect_json("/data/pagination/totalPages", 4)
            .expect_json("/data/pagination/page", page)
            .expect_json("/data/pagination/hasMore", page < 4)
            .expect_json("/data/stats/totalJobs", 3)
            .expect_json("/data/stats/withEmail", 80)
            .expect_json("/data/contacts/0/job/fileName", "day3.pdf");
        seen.extend(reply.json["data"]["contacts"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
    }
    let unique: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!((seen.len(), unique.len()), (80, 80));
    world
        .get("/api/contacts?page=5")
        .await
        .expect_status(200)
        .expect_json("/data/contacts", json!([]))
        .expect_json("/data/pagination/nextCursor", json!(null));
}

#[tokio::test]
async fn cursors_walk_the_list_once() {
    let world = World::with(&[three_jobs()]).await;
    let mut seen = std::collections::BTreeSet::new();
    let mut path = "/api/contacts?limit=33".to_owned();
    loop {
        let reply = world.get(&path).await.expect_status(200).expect_json("/data/pagination/page", 1);
        seen.extend(reply.json["data"]["contacts"].as_array().unwrap().iter().map(|row| row["id"].to_string()));
        match reply.json["data"]["pagination"]["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/contacts?limit=33&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 80);
}

#[tokio::test]
async fn a_job_narrows_list_and_stats() {
    let world = World::with(&[three_jobs(), seed("u2").job("COMPLETED", "2026-03-01T10:00:00.000Z", 1)]).await;
    let job = uuid(1, 2);
    let reply = world.get(&format!("/api/contacts?jobId={job}&limit=20&page=2")).await.expect_status(200);
    reply.expect_json("/data/pagination/total", 30).expect_json("/data/stats/totalJobs", 1).expect_json("/data/stats/withPhone", 10);
    assert_eq!(reply.json["data"]["contacts"].as_array().unwrap().len(), 10);
    world
        .get(&format!("/api/contacts/stats?jobId={job}"))
        .await
        .expect_status(200)
        .expect_json("/data/totalContacts", 30)
        .expect_json("/data/totalJobs", 1)
        .expect_json("/data/contactsByProduction", json!([]))
        .expect_json("/data/contactsByRole/0", json!({"role": "Best Boy", "count": 15}));
    for path in ["/api/contacts/stats", "/api/contacts/stats?jobId=", "/api/contacts/stats?jobId=all"] {
        world.get(path).await.expect_status(200).expect_json("/data/totalContacts", 80);
    }
    for path in [format!("/api/contacts/stats?jobId={}", uuid(1, 77)), format!("/api/contacts?jobId={}", uuid(1, 77))] {
        world.get(&path).await.expect_status(404).expect_json("/error", "Job not found");
    }
    world.as_user("u2").get(&format!("/api/contacts?jobId={job}")).await.expect_status(404);
}

#[tokio::test]
async fn bad_list_parameters_are_refused() {
    let world = World::with(&[three_jobs()]).await;
    for (query, text) in [
        ("page=", "Invalid page number"),
        ("page=0", "Invalid page number"),
        ("page=-1", "Invalid page number"),
        ("page=x", "Invalid page number"),
        ("limit=", "Invalid limit (must be between 1 and 100)"),
        ("limit=0", "Invalid limit (must be between 1 and 100)"),
        ("limit=101", "Invalid limit (must be between 1 and 100)"),
        ("limit=99999999999999999999", "Invalid limit (must be between 1 and 100)"),
        ("cursor=nonsense", "Invalid cursor"),
        ("cursor=", "Invalid cursor"),
    ] {
        world.get(&format!("/api/contacts?{query}")).await.expect_status(400).expect_json("/error", text);
    }
    for query in ["jobId=1", "sortBy=password", "sortOrder=up", "productionId=x"] {
        world.get(&format!("/api/contacts?{query}")).await.expect_status(400);
    }
    let long = "x".repeat(201);
    world.get(&format!("/api/contacts?search={long}")).await.expect_status(400);
    world
        .get("/api/contacts?page=2x&limit=010")
        .await
        .expect_status(200)
        .expect_json("/data/pagination/page", 2)
        .expect_json("/data/pagination/limit", 10);
    let far = world.get("/api/contacts?page=99999999999999999999999").await.expect_status(200);
    far.expect_json("/data/contacts", json!([])).expect_json("/data/pagination/page", 9_007_199_254_740_991_u64);
    world.get("/api/contacts/stats?jobId=1").await.expect_status(400);
}

#[tokio::test]
async fn one_contact_shows_its_job_and_version() {
    let world = World::with(&[three_jobs(), seed("u2")]).await;
    let id = uuid(2, 1);
    let reply = world.get(&format!("/api/contacts/{id}")).await.expect_status(200);
    reply.expect_json("/data/id", id.clone()).expect_json("/data/job/productionId", json!(null)).expect_header("etag", "\"1\"");
    assert!(reply.json["data"]["job"].get("fileName").is_none());
    world.get(&format!("/api/contacts/{}", id.to_uppercase())).await.expect_status(200);
    for path in [format!("/api/contacts/{}", uuid(2, 999)), "/api/contacts/nonsense".into(), format!("/api/contacts/{id}x")] {
        world.get(&path).await.expect_status(404).expect_json("/error", "Contact not found");
    }
    world.as_user("u2").get(&format!("/api/contacts/{id}")).await.expect_status(404).expect_json("/error", "Contact not found");
}

#[tokio::test]
async fn deleting_a_contact_shows_everywhere_on_the_next_read() {
    let world = World::with(&[three_jobs(), seed("u2")]).await;
    world.get("/api/dashboard/data").await.expect_json("/data/metrics/totalContacts", 80);
    world.get("/api/contacts/stats").await.expect_json("/data/totalContacts", 80);
    let path = format!("/api/contacts/{}", uuid(2, 80));
    world.as_user("u2").delete(&path).await.expect_status(404);

    let reply =
        world.delete(&path).await.expect_status(200).expect_json("", json!({"success": true, "message": "Contact deleted successfully"}));
    assert_eq!(reply.header("x-rev"), Some("2"));
    assert!(reply.header("set-cookie").expect("a cookie").starts_with("rev=2."));

    world.get("/api/dashboard/data").await.expect_json("/data/metrics/totalContacts", 79);
    world.get("/api/contacts/stats").await.expect_json("/data/totalContacts", 79);
    world.get("/api/contacts?page=1").await.expect_json("/data/pagination/total", 79);
    world.get("/api/dashboard/activity").await.expect_json("/data/0/contactsCount", 9);
    world.get(&path).await.expect_status(404);
    world.delete(&path).await.expect_status(404).expect_json("/error", "Contact not found");
}

#[tokio::test]
async fn deleting_a_job_takes_its_contacts_along() {
    let world =
        World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3).job("COMPLETED", "2026-03-02T10:00:00.000Z", 200)]).await;
    let path = format!("/api/extraction/job/{}", uuid(1, 2));
    world.as_user("u2").delete(&path).await.expect_status(404).expect_json("/error", "Job not found");
    world.delete(&path).await.expect_status(200).expect_json("/message", "Job deleted successfully");
    world
        .get("/api/contacts/stats")
        .await
        .expect_json("/data/totalContacts", 3)
        .expect_json("/data/totalJobs", 1)
        .expect_json("/data/lastExtractionDate", "2026-03-01T10:00:00.000Z");
    world.get("/api/jobs").await.expect_json("/data/0/id", uuid(1, 1)).expect_absent("/data/1");
    world.delete(&path).await.expect_status(404);
    world.delete("/api/extraction/job/nonsense").await.expect_status(404).expect_json("/error", "Job not found");
}

#[tokio::test]
async fn jobs_are_listed_newest_first_with_both_spellings() {
    let data = seed("u1")
        .job("COMPLETED", "2026-03-01T10:00:00.000Z", 1)
        .job_with(json!({"status": "FAILED", "createdAt": "2026-03-02T10:00:00.000Z"}), 0);
    let world = World::with(&[data]).await;
    let reply = world.get("/api/jobs").await.expect_status(200);
    reply
        .expect_json("/data/0/status", "FAILED")
        .expect_absent("/data/0/fileName")
        .expect_absent("/data/0/file_name")
        .expect_json("/data/1/fileName", "day3.pdf")
        .expect_json("/data/1/file_name", "day3.pdf")
        .expect_json("/data/1/created_at", "2026-03-01T10:00:00.000Z");
    assert!(reply.header("x-next-cursor").is_none());
    world.get("/api/jobs?cursor=nonsense").await.expect_status(400).expect_json("/error", "Invalid cursor");
}

#[tokio::test]
async fn more_than_a_thousand_jobs_go_on_with_the_cursor() {
    let mut data = seed("u1");
    for n in 0..1_205 {
        data = data.job_with(json!({"createdAt": format!("2026-02-{:02}T{:02}:00:00.000Z", n % 28 + 1, n % 24)}), 0);
    }
    let world = World::with(&[data]).await;
    let first = world.get("/api/jobs").await.expect_status(200);
    let cursor = first.header("x-next-cursor").expect("a cursor").to_owned();
    let second = world.get(&format!("/api/jobs?cursor={cursor}")).await.expect_status(200);
    let ids = |reply: &testkit::Reply| reply.json["data"].as_array().unwrap().iter().map(|job| job["id"].to_string()).collect::<Vec<_>>();
    assert_eq!((ids(&first).len(), ids(&second).len()), (1_000, 205));
    assert!(second.header("x-next-cursor").is_none());
    let all: std::collections::BTreeSet<_> = ids(&first).into_iter().chain(ids(&second)).collect();
    assert_eq!(all.len(), 1_205);
}
