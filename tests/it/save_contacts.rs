//! `POST /api/extraction/save-contacts` (D20, D21).

use serde_json::{Value, json};
use testkit::{World, seed, uuid};

fn rows(count: usize) -> Value {
    (0..count).map(|n| json!({"name": format!("Crew {n}"), "email": format!("c{n}@example.test"), "role": "Grip"})).collect()
}

const PATH: &str = "/api/extraction/save-contacts";

#[tokio::test]
async fn rows_are_cleaned_and_nameless_ones_dropped() {
    let world = World::new().await;
    let body = json!({"fileName": "day3.pdf", "contacts": [
        {"name": "  Mara   Quill ", "email": " Mara@Example.TEST ", "phone": "", "role": " Best Boy ", "department": "Grip", "confidence": 0.9},
        {"name": " "}, {"name": "Tom", "email": "not an address", "phone": " 555 "},
    ]});
    let reply = world.post(PATH, &body).await.expect_status(200).expect_json("/contactsSaved", 2);
    let job = reply.json["jobId"].as_str().expect("a job id").to_owned();
    let list = world.get("/api/contacts?page=1").await.expect_json("/data/pagination/total", 2);
    let find =
        |name: &str| list.json["data"]["contacts"].as_array().unwrap().iter().find(|row| row["name"] == name).expect("the row").clone();
    let mara = find("Mara Quill");
    assert_eq!((&mara["email"], &mara["phone"], &mara["role"]), (&json!("mara@example.test"), &Value::Null, &json!("Best Boy")));
    let tom = find("Tom");
    assert_eq!((&tom["email"], &tom["phone"], &tom["jobId"]), (&Value::Null, &json!("555"), &json!(job)));
    assert_eq!(mara["job"]["title"], "Extraction - day3.pdf");
    world
        .get("/api/dashboard/data")
        .await
        .expect_json("/data/metrics/successfulExtractions", 1)
        .expect_json("/data/usage/uploadsUsed", 0)
        .expect_json("/data/metrics/totalContacts", 2);
}

#[tokio::test]
async fn an_owned_job_gets_its_contacts_replaced() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 30)]).await;
    let job = uuid(1, 1);
    world.post(PATH, &json!({"jobId": job, "contacts": rows(20)})).await.expect_status(200).expect_json("/jobId", job.clone());
    world.get("/api/dashboard/data").await.expect_json("/data/metrics/totalContacts", 20).expect_json("/data/metrics/totalJobs", 1);
    world.post(PATH, &json!({"jobId": job, "contacts": rows(300)})).await.expect_status(200).expect_json("/contactsSaved", 300);
    world
        .get("/api/dashboard/data")
        .await
        .expect_json("/data/metrics/totalContacts", 300)
        .expect_json("/data/metrics/successfulExtractions", 1);
    world.get("/api/jobs").await.expect_json("/data/0/status", "COMPLETED");
    world.post(PATH, &json!({"jobId": job, "contacts": rows(1)})).await.expect_status(200);
    world.get("/api/contacts/stats").await.expect_json("/data/totalContacts", 1);
}

#[tokio::test]
async fn any_other_job_id_means_a_new_job() {
    let world = World::with(&[seed("u2").job("COMPLETED", "2026-03-01T10:00:00.000Z", 1)]).await;
    for other in [json!("nonsense"), json!(""), json!(uuid(1, 1)), json!(uuid(1, 55))] {
        let reply = world.post(PATH, &json!({"jobId": other, "contacts": rows(1)})).await.expect_status(200);
        assert_ne!(reply.json["jobId"], other);
    }
    world.as_user("u2").get("/api/contacts/stats").await.expect_json("/data/totalContacts", 1);
}

#[tokio::test]
async fn a_thousand_rows_are_saved_and_one_more_refused() {
    let world = World::new().await;
    world.post(PATH, &json!({"contacts": rows(1_000)})).await.expect_status(200).expect_json("/contactsSaved", 1_000);
    world.get("/api/contacts?page=40").await.expect_json("/data/pagination/total", 1_000);
    world.post(PATH, &json!({"contacts": rows(1_001)})).await.expect_status(400).expect_json("/error", "contacts: at most 1000");
}

#[tokio::test]
async fn bad_bodies_are_refused_and_write_nothing() {
    let world = World::new().await;
    let none = "Contacts array is required and must not be empty";
    for body in [json!({}), json!({"contacts": []}), json!({"contacts": null}), json!({"contacts": "x"})] {
        world.post(PATH, &body).await.expect_status(400).expect_json("/error", none);
    }
    world.post(PATH, &json!({"contacts": [{"name": " "}]})).await.expect_status(400).expect_json("/error", "contacts: none has a name");
    for body in [
        json!([]),
        json!({"contacts": [1]}),
        json!({"contacts": [{"name": 1}]}),
        json!({"contacts": [{"email": "a@b.c"}]}),
        json!({"contacts": rows(1), "fileName": 7}),
        json!({"contacts": rows(1), "fileName": "x".repeat(256)}),
        json!({"contacts": rows(1), "jobId": {}}),
    ] {
        world.post(PATH, &body).await.expect_status(400);
    }
    world.post_raw(PATH, "application/json", b"{\"contacts\": [").await.expect_status(400);
    world.post_raw(PATH, "application/json", b"\xff\xfe").await.expect_status(400);
    world.post_raw(PATH, "text/plain", b"{}").await.expect_status(415);
    world.post_raw(PATH, "application/json", &vec![b' '; 1_048_577]).await.expect_status(413);
    world.get("/api/jobs").await.expect_json("/data", json!([]));
}
