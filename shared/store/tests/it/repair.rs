//! Rebuilding: whatever was damaged is named, repaired, and right by an independent recount.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Contact, ContactId, Job, JobId, JobStatus, Timestamp, UserId};
use serde_json::{Value, json};
use store::{Edit, Record, Table};
use uuid::Uuid;

use crate::recount::{Item, Raw, body};
use crate::server::Server;

const TABLE: &str = "repair";
const NOW: Timestamp = Timestamp::from_ms(1_772_703_000_000);
const PK: &str = "USER#u";

fn user() -> UserId {
    UserId::parse("u").unwrap()
}

fn job(n: u128) -> Job {
    Job {
        id: JobId(Uuid::from_u128(n)),
        title: "Extraction - day3.pdf".into(),
        file_name: Some("day3.pdf".into()),
        file_url: None,
        status: JobStatus::Completed,
        production_id: None,
        file_hash: None,
        file_size: None,
        created_at: NOW.plus_ms(-1000 * i64::try_from(n).unwrap()),
        updated_at: NOW,
        completed_at: Some(NOW),
        saving: None,
        counts: domain::Counts::default(),
    }
}

/// A contact with a role of its own, too many of which do not fit into the stats.
fn contact(n: u128) -> Contact {
    Contact {
        id: ContactId(Uuid::from_u128(1000 + n)),
        job_id: job(n % 3).id,
        name: format!("Crew {n}"),
        email: n.is_multiple_of(2).then(|| "a@b.test".into()),
        phone: None,
        role: Some(format!("{n:03}{}", "é".repeat(90))),
        company: None,
        is_selected: true,
        created_at: NOW.plus_ms(i64::try_from(n).unwrap()),
        updated_at: NOW,
        cv: 1,
    }
}

/// An account with contacts in more than one bucket and groups in items of their own.
struct Account {
    client: Client,
    table: Table,
    raw: Raw,
    _server: Server,
}

impl Account {
    async fn new() -> Self {
        let server = Server::start();
        let table = server.table(TABLE).await;
        let jobs = (0..3).map(|n| Edit::Put(Record::Job(job(n))));
        let contacts = (0..300).map(|n| Edit::Put(Record::Contact(contact(n))));
        table.apply(&user(), &jobs.chain(contacts).collect::<Vec<_>>(), NOW).await.unwrap();
        let client = Client::from_conf(server.config(TABLE).client_config().build());
        let raw = Raw::read(&client, TABLE, PK).await;
        assert_eq!(raw.differences(NOW), Vec::<String>::new());
        Self { client, table, raw, _server: server }
    }

    async fn put(&self, item: Item) {
        self.client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    }

    async fn delete(&self, sk: &str) {
        let key = ["pk", "sk"].map(|name| (name.to_owned(), self.raw.items[sk][name].clone())).into();
        self.client.delete_item().table_name(TABLE).set_key(Some(key)).send().await.unwrap();
    }

    /// Changes an item's JSON.
    async fn edit(&self, sk: &str, edit: impl FnOnce(&mut Value)) {
        let mut item = self.raw.items[sk].clone();
        let mut json = body(&item);
        edit(&mut json);
        item.insert("body".into(), AttributeValue::S(json.to_string()));
        self.put(item).await;
    }

    async fn set(&self, sk: &str, attribute: &str, value: AttributeValue) {
        let mut item = self.raw.items[sk].clone();
        item.insert(attribute.into(), value);
        self.put(item).await;
    }

    /// Rebuilds: the damage is named, then everything is right and nothing is left to do.
    async fn expect_repair(&self, named: &str) {
        let damaged = Raw::read(&self.client, TABLE, PK).await;
        assert_ne!(damaged.differences(NOW), Vec::<String>::new(), "{named}: the recount notices the damage");
        let rebuilt = self.table.rebuild(&user(), NOW).await.unwrap();
        assert!(rebuilt.differences.iter().any(|difference| difference.contains(named)), "{named}: {:?}", rebuilt.differences);
        let repaired = Raw::read(&self.client, TABLE, PK).await;
        assert_eq!(repaired.differences(NOW), Vec::<String>::new(), "{named}");
        assert_eq!(repaired.rev(), rebuilt.rev.0, "{named}");
        assert_eq!(self.table.rebuild(&user(), NOW).await.unwrap().differences, Vec::<String>::new(), "{named}");
        // What the repair wrote stays in the way of the next damage otherwise.
        for sk in repaired.items.keys().filter(|sk| !self.raw.items.contains_key(*sk)) {
            let key = [("pk".to_owned(), AttributeValue::S(PK.into())), ("sk".to_owned(), AttributeValue::S(sk.clone()))].into();
            self.client.delete_item().table_name(TABLE).set_key(Some(key)).send().await.unwrap();
        }
        for item in self.raw.items.values() {
            self.put(item.clone()).await;
        }
    }

    fn any(&self, prefix: &str) -> String {
        let id = self.raw.ids(prefix).into_iter().next().unwrap();
        format!("{prefix}{id}")
    }
}

fn number(n: u64) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

#[tokio::test]
async fn wrong_counters_are_named_and_repaired() {
    let account = Account::new().await;
    account.edit("ROOT", |root| root["contacts"]["a"] = json!(7)).await;
    account.expect_repair("contact counters").await;
    account.edit("ROOT", |root| root["jobs"]["ms"] = json!(7)).await;
    account.expect_repair("job counters").await;
    account.edit("ROOT", |root| root["feed"][1]["n"] = json!(7)).await;
    account.expect_repair("newest jobs").await;
    account.edit("ROOT", |root| root["last_extraction"] = Value::Null).await;
    account.expect_repair("newest job with contacts").await;
    account.edit("ROOT", |root| root["usage"] = json!({"2026-03": [1, 2, 3]})).await;
    account.expect_repair("usage").await;
    account.edit("ROOT", |root| root["billing"] = json!({"customer": {"id": "cus_1"}})).await;
    account.expect_repair("billing").await;
    account.edit("STATS", |stats| stats["contacts"]["n"] = json!(7)).await;
    account.expect_repair("contact counters of the stats").await;
    account.edit("STATS", |stats| stats["rev"] = json!(1)).await;
    account.expect_repair("revision of the stats").await;
    account.edit("STATS", |stats| stats["productions"]["g"]["unknown"] = json!(7)).await;
    account.expect_repair("contacts by production").await;
    account.edit("STATS", |stats| stats["hours"] = json!([])).await;
    account.expect_repair("contacts by hour").await;
    account.delete("STATS").await;
    account.expect_repair("revision of the stats").await;
    let job = account.any("JOB#");
    account.edit(&job, |job| job["counts"]["n"] = json!(7)).await;
    account.expect_repair(&format!("contact counters of job {}", &job[4..])).await;
}

#[tokio::test]
async fn wrong_groups_and_directories_are_named_and_repaired() {
    let account = Account::new().await;
    let group = account.any("STATS#R#");
    account.set(&group, "n", number(7)).await;
    account.expect_repair("contacts by role").await;
    account.delete(&group).await;
    account.expect_repair("contacts by role").await;
    let chunk = account.any("DIRECTORY#");
    account.delete(&chunk).await;
    account.expect_repair("directory").await;
    let packed = account.raw.items[&chunk]["packed"].as_b().unwrap().clone().into_inner();
    let mut other = packed.clone();
    // Format, lengths of the first start, then the count of the first bucket.
    other[2] ^= 1;
    account.set(&chunk, "packed", AttributeValue::B(Blob::new(other))).await;
    account.expect_repair("directory").await;
    account.delete("DIRECTORY").await;
    account.expect_repair("directory").await;
}

#[tokio::test]
async fn an_unreadable_chunk_is_repaired_too() {
    let account = Account::new().await;
    let chunk = account.any("DIRECTORY#");
    account.set(&chunk, "packed", AttributeValue::B(Blob::new([9, 9, 9]))).await;
    let rebuilt = account.table.rebuild(&user(), NOW).await.unwrap();
    assert_eq!(rebuilt.differences, ["directory of contacts"]);
    assert_eq!(Raw::read(&account.client, TABLE, PK).await.differences(NOW), Vec::<String>::new());
}

#[tokio::test]
async fn rows_that_came_or_went_without_a_transaction_are_counted() {
    let account = Account::new().await;
    account.delete(&account.any("CONTACT#")).await;
    account.expect_repair("contact counters").await;
    let mut item = account.raw.items[&account.any("CONTACT#")].clone();
    let l2 = item["l2"].as_s().unwrap();
    let orphan = format!("{}{}", Uuid::from_u128(999), &l2[36..]);
    item.insert("l2".into(), AttributeValue::S(orphan));
    account.put(item).await;
    account.expect_repair("1 contacts without a job").await;
}
