//! The files in events/, through the functions that they are for.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{World, seed};

const JOB: &str = "0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01";
const CONTACT: &str = "5d2d9b0c-7f0a-4c2e-8a51-0c5b6a0d9f11";

fn event(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").join(format!("events/{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn world() -> World {
    let job = json!({"id": JOB, "createdAt": "2026-03-04T10:15:00.000Z", "fileName": "day3.pdf"});
    World::with(&[seed("demo").job_with(job, 0).contact(json!({"id": CONTACT, "jobId": JOB, "email": "mara@example.test"}))]).await
}

#[tokio::test]
async fn each_event_gets_its_functions_answer() {
    for function in local::functions::names() {
        let world = world().await;
        let reply = world.invoke(function, &event(function)).await;
        let expected = match function {
            "fallback" => 405,
            "warm-session" => 202,
            _ => 200,
        };
        reply.expect_status(expected);
        assert!(reply.json["success"] == (expected < 300) || reply.json["status"] == "OK", "{function}: {}", reply.json);
    }
}

#[tokio::test]
async fn the_stream_batch_is_acknowledged_whole() {
    let world = world().await;
    let batch = serde_json::from_str(&event("on-table-stream")).unwrap();
    let response = local::functions::ON_TABLE_STREAM(world.app(), batch).await.unwrap();
    assert!(response.batch_item_failures.is_empty());
    assert!(world.letters().all().is_empty());
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_put_aside_and_the_others_count() {
    let world = world().await;
    let mut batch: Value = serde_json::from_str(&event("on-table-stream")).unwrap();
    batch["Records"][0]["dynamodb"]["NewImage"]["rev"] = json!({"S": "x"});
    let response = local::functions::ON_TABLE_STREAM(world.app(), serde_json::from_value(batch).unwrap()).await.unwrap();
    assert!(response.batch_item_failures.is_empty());
    let letters = world.letters().all();
    assert_eq!((letters.len(), letters[0].sequence_number.as_str()), (1, "100000000000000000001"));
}
