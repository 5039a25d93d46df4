//! The records against the embedded server's own stream, and their delivery.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use app::{KeptLetters, Parts};
use aws_lambda_events::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use cache::Coherent;
use domain::{ContactId, JobId, Timestamp, UserId};
use store::import::{OnError, Silent};
use store::{Table, TableConfig};

use super::*;
use crate::embedded::Embedded;
use crate::{settings, table};

const NAME: &str = "callsheets";
const JOB: &str = "0197a3c1-02d4-7e0b-9a3a-2b8f2f1c0a01";
const CONTACTS: [&str; 2] = ["5d2d9b0c-7f0a-4c2e-8a51-0c5b6a0d9f11", "5d2d9b0c-7f0a-4c2e-8a51-0c5b6a0d9f12"];

fn now() -> Timestamp {
    "2026-03-05T09:30:00.000Z".parse().unwrap()
}

async fn observed() -> (Embedded, Table, Feed, Delivery) {
    let embedded = Embedded::memory().unwrap();
    let (feed, mut deliveries) = stream(NAME, Some(embedded.database().clone()), Clock::frozen(now()), &["on-table-stream"]);
    let config = TableConfig::local(NAME, embedded.endpoint());
    let client = config.client_config().http_client(feed.observe(table::http_client())).build();
    let table = Table::with_client(aws_sdk_dynamodb::Client::from_conf(client), NAME.to_owned());
    table.create_if_absent().await.unwrap();
    (embedded, table, feed, deliveries.remove(0))
}

/// Imports two accounts, and deletes both contacts of one and then its job.
async fn changes(table: &Table) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for user in ["u1", "u2"] {
        writeln!(file, "{}", json!({"type": "user", "id": user})).unwrap();
    }
    let at = "2026-03-01T10:00:00Z";
    writeln!(file, "{}", json!({"type": "job", "id": JOB, "userId": "u1", "status": "COMPLETED", "createdAt": at})).unwrap();
    for id in CONTACTS {
        writeln!(file, "{}", json!({"type": "contact", "id": id, "userId": "u1", "jobId": JOB, "name": "Mara", "createdAt": at})).unwrap();
    }
    store::import::import(table, file.path(), OnError::Stop, now(), &mut Silent).await.unwrap();
    let user = UserId::parse("u1").unwrap();
    for id in CONTACTS {
        table.delete_contact(&user, id.parse::<ContactId>().unwrap(), now()).await.unwrap().unwrap();
    }
    table.delete_job(&user, JOB.parse::<JobId>().unwrap(), now()).await.unwrap().unwrap();
}

fn ask<T: serde::de::DeserializeOwned>(request: Value) -> T {
    serde_json::from_value(request).unwrap()
}

/// What the embedded server's own stream has of the items that the template's filter admits.
fn their_records(database: &Database) -> Vec<Value> {
    let streams = serde_json::to_value(database.list_streams(ask(json!({"TableName": NAME}))).unwrap()).unwrap();
    let arn = &streams["Streams"][0]["StreamArn"];
    let described = serde_json::to_value(database.describe_stream(ask(json!({"StreamArn": arn}))).unwrap()).unwrap();
    let shard = &described["StreamDescription"]["Shards"][0]["ShardId"];
    let start = json!({"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
    let mut iterator = serde_json::to_value(database.get_shard_iterator(ask(start)).unwrap()).unwrap()["ShardIterator"].clone();
    let mut records = Vec::new();
    loop {
        let page = serde_json::to_value(database.get_records(ask(json!({"ShardIterator": iterator}))).unwrap()).unwrap();
        let found = page["Records"].as_array().unwrap();
        if found.is_empty() {
            return records.into_iter().filter(|record: &Value| record["dynamodb"]["Keys"]["sk"]["S"] == "ROOT").collect();
        }
        records.extend(found.iter().cloned());
        iterator = page["NextShardIterator"].clone();
    }
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn records_have_the_shape_and_order_of_a_real_stream() {
    let (embedded, table, _feed, mut delivery) = observed().await;
    let on = json!({"TableName": NAME, "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"}});
    embedded.database().update_table(ask(on)).unwrap();
    changes(&table).await;

    let mut ours = Vec::new();
    while let Ok(record) = delivery.records.try_recv() {
        ours.push(record);
    }
    let theirs = their_records(embedded.database());
    assert_eq!(
        ours.iter().map(|record| record["eventName"].clone()).collect::<Vec<_>>(),
        ["INSERT", "INSERT", "MODIFY", "MODIFY", "MODIFY"]
    );
    assert_eq!(ours.len(), theirs.len());
    for (our, their) in ours.iter().zip(&theirs) {
        for pointer in [
            "/eventName",
            "/eventVersion",
            "/eventSource",
            "/dynamodb/Keys",
            "/dynamodb/NewImage",
            "/dynamodb/OldImage",
            "/dynamodb/StreamViewType",
        ] {
            assert_eq!(our.pointer(pointer), their.pointer(pointer), "{pointer}");
        }
        assert_eq!(names(&our["dynamodb"]), names(&their["dynamodb"]));
        // Lambda adds the stream's name to what it reads.
        assert_eq!(names(our), names(their).into_iter().chain(["eventSourceARN"]).collect());
        let number = |record: &Value| record["dynamodb"]["SequenceNumber"].as_str().unwrap().parse::<u128>().unwrap();
        assert_eq!(number(our).to_string().len(), number(their).to_string().len());
    }
    assert!(ours.is_sorted_by_key(|record| record["dynamodb"]["SequenceNumber"].as_str().unwrap().to_owned()));
    assert!(ours.iter().all(|record| serde_json::from_value::<aws_lambda_events::event::dynamodb::EventRecord>(record.clone()).is_ok()));
}

static CALLS: AtomicUsize = AtomicUsize::new(0);
static RECORDS: AtomicUsize = AtomicUsize::new(0);

/// Fails once as a whole, then refuses the third record once, then takes everything.
const STUBBORN: StreamHandler = |_, batch| {
    let records = format!("{batch:?}").matches("SequenceNumber").count();
    let failures = match CALLS.fetch_add(1, Ordering::SeqCst) {
        0 => return Box::pin(std::future::ready(Err("not now".into()))),
        1 => {
            RECORDS.fetch_add(2, Ordering::SeqCst);
            vec!["100000000000000000002".to_owned()]
        }
        _ => {
            RECORDS.fetch_add(records, Ordering::SeqCst);
            Vec::new()
        }
    };
    let mut response = DynamoDbEventResponse::default();
    response.batch_item_failures = failures
        .into_iter()
        .map(|number| {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(number);
            failure
        })
        .collect();
    Box::pin(std::future::ready(Ok(response)))
};

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_and_nothing_else() {
    let (_embedded, table, feed, delivery) = observed().await;
    changes(&table).await;
    let parts = Parts {
        table,
        cache: Coherent::off(),
        edge: settings::edge().unwrap(),
        clock: Clock::frozen(now()),
        dead_letters: Arc::new(KeptLetters::default()),
    };
    let delivering = tokio::spawn(delivery.run(Arc::new(App::from_parts(parts)), "stubborn", STUBBORN));
    feed.settled().await;
    assert_eq!((CALLS.load(Ordering::SeqCst), RECORDS.load(Ordering::SeqCst)), (3, 5));
    delivering.abort();
}

#[tokio::test]
async fn a_commit_of_an_impatient_caller_is_told_all_the_same() {
    let (_embedded, table, feed, mut delivery) = observed().await;
    changes(&table).await;
    while delivery.records.try_recv().is_ok() {}
    let user = UserId::parse("u2").unwrap();
    let edit = [store::Edit::DeletedAt(Some(now()))];
    // Held back until the caller is gone.
    let held = feed.0.next.lock().await;
    let gone = tokio::time::timeout(Duration::from_millis(300), table.apply(&user, &edit, now())).await;
    assert!(gone.is_err());
    drop(held);
    let record = tokio::time::timeout(Duration::from_secs(5), delivery.records.recv()).await.unwrap().unwrap();
    assert_eq!((&record["eventName"], &record["dynamodb"]["Keys"]["pk"]["S"]), (&json!("MODIFY"), &json!("USER#u2")));
}
