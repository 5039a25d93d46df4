//! The files in events/, through the functions that they are for.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use store::import::{OnError, Silent};
use testkit::World;

use crate::expected::{described, differences, resolved};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the root").join("events")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(folder().join(path)).unwrap_or_else(|error| panic!("events/{path}: {error}"))
}

fn json_of(path: &str, world: &World) -> Value {
    resolved(serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("events/{path}: {error}")), world.app().clock().now())
}

/// Names of the files below `events/` that end in `.json`, without that.
fn names(below: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder().join(below)).expect("the folder is there").flatten();
    files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".json").map(str::to_owned)).collect()
}

/// `stripe-webhook.unsigned` is an event of `stripe-webhook`.
fn function_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// A world with the account of events/seed.ndjson.
async fn world() -> World {
    let world = World::new().await;
    let now = world.app().clock().now();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for line in read("seed.ndjson").lines() {
        writeln!(file, "{}", resolved(serde_json::from_str(line).unwrap(), now)).unwrap();
    }
    let report = store::import::import(world.table(), file.path(), OnError::Stop, now, &mut Silent).await.unwrap();
    assert!(!report.stopped, "bad seed: {:?}", report.bad_lines);
    world.stripe().subscribe("cus_demo", "sub_demo", "demo", "price_starter_monthly");
    world.settled().await;
    world
}

#[tokio::test]
async fn each_event_gets_the_answer_that_is_stored_beside_it() {
    let wired = local::functions::names();
    let mut wrong = Vec::new();
    for name in names("").iter().filter(|name| wired.contains(&function_of(name))) {
        let world = world().await;
        let expected = json_of(&format!("expected/{name}.json"), &world);
        let reply = world.invoke(function_of(name), &json_of(&format!("{name}.json"), &world).to_string()).await;
        let listed = differences(&expected, &described(&reply, &expected), "");
        if !listed.is_empty() {
            wrong.push(format!("{name}:\n  {}\n  answer: {}", listed.join("\n  "), described(&reply, &expected)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_event_has_an_expectation_and_a_function() {
    assert_eq!(names(""), names("expected"));
    let folders = folder().with_file_name("functions");
    for name in names("") {
        assert!(folders.join(function_of(&name)).is_dir(), "events/{name}.json is of no function");
    }
}

#[tokio::test]
async fn the_stream_batch_is_acknowledged_whole() {
    let world = world().await;
    let batch = serde_json::from_str(&read("on-table-stream.json")).unwrap();
    let response = local::functions::ON_TABLE_STREAM(world.app(), batch).await.unwrap();
    assert!(response.batch_item_failures.is_empty());
    assert!(world.letters().all().is_empty());
}

#[tokio::test]
async fn what_a_schedule_a_person_or_the_stream_invokes_gets_the_answer_that_is_stored_beside_it() {
    let stripe = super::refetch::fake().await;
    let world = World::with_idle_stripe(&[testkit::seed("demo")], super::refetch::client(&stripe)).await;
    let mut answered = 0;
    for name in names("") {
        let Some((_, handler)) = local::functions::JOBS.iter().find(|(job, _)| *job == function_of(&name)) else { continue };
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let answer = handler(world.app(), json_of(&format!("{name}.json"), &world), until).await.unwrap();
        let expected = json_of(&format!("expected/{name}.json"), &world);
        assert_eq!(differences(&expected["result"], &answer, ""), [""; 0], "{name}: {answer}");
        answered += 1;
    }
    assert_eq!(answered, 3);
    let batch = serde_json::from_str(&read("on-stripe-refetch.json")).unwrap();
    let response = local::functions::ON_STRIPE_REFETCH(world.app(), batch).await.unwrap();
    assert!(response.batch_item_failures.is_empty() && world.letters().all().is_empty());
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_put_aside_and_the_others_count() {
    let world = world().await;
    let mut batch: Value = serde_json::from_str(&read("on-table-stream.json")).unwrap();
    batch["Records"][0]["dynamodb"]["NewImage"]["rev"] = json!({"S": "x"});
    let response = local::functions::ON_TABLE_STREAM(world.app(), serde_json::from_value(batch).unwrap()).await.unwrap();
    assert!(response.batch_item_failures.is_empty());
    let letters = world.letters().all();
    assert_eq!((letters.len(), letters[0].sequence_number.as_str()), (1, "100000000000000000001"));
}
