//! What the table's items and calls cost at any size of the account: the counts that the design promises.

use std::fmt::Write as _;
use std::future::Future;

use aws_sdk_dynamodb::Client;
use domain::{
    Billing, Contact, ContactId, ContactInput, Customer, Job, JobId, JobStatus, Month, ProductionId, Subscription, SubscriptionStatus,
    Timestamp, Usage, UserId,
};
use serde_json::json;
use store::import::{OnError, Silent, import};
use store::{Edit, Record, Save, Slice, StoreError, Table};
use uuid::Uuid;

use crate::recount::{Item, Raw};
use crate::server::Server;

const TABLE: &str = "sizes";
const NOW: Timestamp = Timestamp::from_ms(1_772_703_000_000);
const HOUR_MS: i64 = 3_600_000;
/// The imported call sheets are spread over this time before now.
const SPAN_MS: i64 = 365 * 24 * HOUR_MS;
/// The smallest accounts have as many jobs, so that each one's activity feed is full.
const JOBS_MIN: u64 = 10;
const CONTACTS_PER_JOB: u64 = 50;
/// Contacts of the accounts that are compared: several chunks of the directory. The scenarios of `tests` have an account of 100,000.
const SIZES: [u64; 4] = [10, 100, 1_000, 10_000];
const PAGE: u32 = 100;

fn job(n: u128, created_at: Timestamp) -> Job {
    Job {
        id: JobId(Uuid::from_u128(n)),
        title: "Extraction - day3.pdf".into(),
        file_name: Some(format!("{n}{}", "\"\u{1}é🎬".repeat(60))),
        file_url: None,
        status: JobStatus::Processing,
        production_id: Some(ProductionId(Uuid::from_u128(n))),
        file_hash: None,
        file_size: None,
        created_at,
        updated_at: NOW,
        completed_at: None,
        saving: None,
        counts: domain::Counts::default(),
    }
}

fn contact(id: u128, job_id: JobId, role: Option<String>, created_at: Timestamp) -> Contact {
    Contact {
        id: ContactId(Uuid::from_u128(id)),
        job_id,
        name: "Mara Quill".into(),
        email: Some("mara.quill@example.test".into()),
        phone: Some("+49 170 0000000".into()),
        role,
        company: None,
        is_selected: true,
        created_at,
        updated_at: NOW,
        cv: 1,
    }
}

/// Bytes of an item: names and values.
fn bytes(item: &Item) -> usize {
    let value = |value: &aws_sdk_dynamodb::types::AttributeValue| {
        value.as_s().map(String::len).or(value.as_n().map(String::len)).or(value.as_b().map(|blob| blob.as_ref().len())).unwrap()
    };
    item.iter().map(|(name, of)| name.len() + value(of)).sum()
}

/// Customer and subscription with texts as long as they may be.
fn billing() -> Billing {
    let subscription = Subscription {
        id: Uuid::nil().to_string(),
        stripe_subscription_id: Some("s".repeat(60)),
        status: SubscriptionStatus::IncompleteExpired,
        price_id: "p".repeat(60),
        current_period_start: NOW,
        current_period_end: NOW,
        cancel_at_period_end: false,
        cancels_at: None,
        created_at: NOW,
    };
    let customer = Customer { id: "c".repeat(60), email: Some("e".repeat(255)), name: Some("🎬".repeat(255)) };
    Billing { customer: Some(customer), subscription: Some(subscription) }
}

#[tokio::test]
async fn root_and_stats_keep_to_their_sizes_with_the_longest_texts() {
    let server = Server::start();
    let table = server.table(TABLE).await;
    let user = UserId::parse(&"u".repeat(128)).unwrap();
    let mut edits = vec![Edit::Billing(billing())];
    let most = Usage { jobs_processed: 1 << 53, contacts_extracted: 1 << 53, api_calls: 1 << 53 };
    edits.extend((0..24).map(|n| Edit::Put(Record::Usage(Month::from_index(24_000 + n), most))));
    edits.extend((0..800).map(|n| Edit::Put(Record::Job(job(n, NOW.plus_ms(-i64::try_from(n).unwrap() * HOUR_MS))))));
    edits.extend((0..800).map(|n| {
        let role = format!("{n:03}{}", "\u{1}".repeat(97));
        Edit::Put(Record::Contact(contact(n, JobId(Uuid::from_u128(n)), Some(role), NOW.plus_ms(-i64::try_from(n).unwrap() * HOUR_MS))))
    }));
    table.apply(&user, &edits, NOW).await.unwrap();
    let client = Client::from_conf(server.config(TABLE).client_config().build());
    let raw = Raw::read(&client, TABLE, &format!("USER#{user}")).await;
    assert_eq!(raw.differences(NOW), Vec::<String>::new());
    let (root, stats) = (bytes(&raw.items["ROOT"]), bytes(&raw.items["STATS"]));
    println!("root {root} bytes, stats {stats} bytes, {} groups of their own", raw.ids("STATS#").len());
    assert!(root <= 4_096, "root: {root} bytes");
    assert!(stats <= 64 * 1024, "stats: {stats} bytes");
    assert!(raw.ids("STATS#R#").len() > 100, "rare roles live elsewhere");
    for number in raw.ids("DIRECTORY#") {
        assert!(bytes(&raw.items[&format!("DIRECTORY#{number}")]) <= 1_100);
    }
}

/// Lines of one account, its jobs evenly over a year.
fn lines(user: &str, contacts: u64) -> String {
    let mut text = format!("{}\n", json!({"type": "user", "id": user}));
    let jobs = (contacts / CONTACTS_PER_JOB).max(JOBS_MIN);
    for number in 0..jobs {
        let at = NOW.plus_ms(-SPAN_MS / i64::try_from(jobs).unwrap() * i64::try_from(jobs - number).unwrap());
        let job = Uuid::from_u128(u128::from(number) << 64 | u128::from(contacts));
        let line = json!({"type": "job", "id": job, "userId": user, "status": "COMPLETED", "fileName": "Call sheet.pdf", "createdAt": at});
        writeln!(text, "{line}").unwrap();
        for row in 0..contacts / jobs {
            let id = Uuid::from_u128(u128::from(number * 1000 + row) << 64 | u128::from(contacts) << 1);
            let role = format!("Role {}", row % 30);
            let line = json!({"type": "contact", "id": id, "userId": user, "jobId": job, "name": "Mara Quill", "role": role,
                "email": "mara.quill@example.test", "phone": "+49 170 0000000", "createdAt": at});
            writeln!(text, "{line}").unwrap();
        }
    }
    text
}

async fn import_account(table: &Table, contacts: u64) -> UserId {
    let user = format!("user-{contacts}");
    let path = std::env::temp_dir().join(format!("store-sizes-{}.ndjson", Uuid::new_v4()));
    std::fs::write(&path, lines(&user, contacts)).unwrap();
    let report = import(table, &path, OnError::Stop, NOW, &mut Silent).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(report.written.of(store::import::Kind::Contact), contacts);
    println!("{contacts} contacts imported in {:.1} s", report.duration.as_secs_f64());
    UserId::parse(&user).unwrap()
}

/// Calls, read units and write units of one operation.
async fn cost<T>(table: &Table, what: &str, operation: impl Future<Output = Result<T, StoreError>>) -> (u64, f64, f64) {
    let before = table.meter().read();
    operation.await.unwrap();
    let cost = table.meter().read().since(&before);
    println!("{what}: {} calls, {} read units, {} write units", cost.calls(), cost.read_units(), cost.write_units());
    (cost.calls(), cost.read_units(), cost.write_units())
}

/// Write units of adding one contact to the newest job, and of deleting it again.
async fn write_units(table: &Table, user: &UserId) -> (f64, f64) {
    let root = table.root(user).await.unwrap().unwrap();
    assert_eq!(root.feed.len(), 10, "the feed is full, so that roots are alike");
    let row = contact(7, root.feed[0].key.1, Some("Role 1".into()), NOW);
    let start = table.meter().read();
    table.apply(user, &[Edit::Put(Record::Contact(row.clone()))], NOW).await.unwrap();
    let added = table.meter().read();
    table.delete_contact(user, row.id, NOW).await.unwrap().unwrap();
    (added.since(&start).write_units(), table.meter().read().since(&added).write_units())
}

#[tokio::test]
async fn reads_and_writes_cost_the_same_at_any_size() {
    let server = Server::start();
    let table = server.table(TABLE).await;
    let mut writes = Vec::new();
    for contacts in SIZES {
        let user = import_account(&table, contacts).await;
        let before = table.meter().read();
        assert_eq!(table.root(&user).await.unwrap().unwrap().contacts.all, contacts);
        let cost = table.meter().read().since(&before);
        assert_eq!((cost.calls(), cost.read_units()), (1, 1.0), "dashboard at {contacts}");
        let pages = contacts.div_ceil(u64::from(PAGE));
        for page in [1, pages.div_ceil(2), pages] {
            let before = table.meter().read();
            let found = table.contact_page(&user, None, Slice::Page(page), PAGE).await.unwrap().value.unwrap();
            let cost = table.meter().read().since(&before);
            println!("{contacts} contacts, page {page}: {} calls, {} read units", cost.calls(), cost.read_units());
            assert_eq!(found.contacts.len() as u64, contacts.min(u64::from(PAGE)));
            assert!(cost.calls() <= 4 && cost.read_units() * 4.0 <= 160.0, "page {page} at {contacts}: {cost:?}");
        }
        let units = write_units(&table, &user).await;
        println!("{contacts} contacts: {} write units to add one, {} to delete it", units.0, units.1);
        writes.push(units);
    }
    let at_100 = writes[1];
    for (added, deleted) in &writes[2..] {
        assert!(added / at_100.0 <= 1.2 && deleted / at_100.1 <= 1.2, "adding and deleting: {writes:?}");
    }
}

#[tokio::test]
async fn each_read_takes_the_trips_that_the_documentation_says() {
    let server = Server::start();
    let table = server.table(TABLE).await;
    let user = import_account(&table, 1_000).await;
    let job = table.root(&user).await.unwrap().unwrap().feed[0].key.1;
    let page = |slice| table.contact_page(&user, None, slice, PAGE);
    let row = page(Slice::Page(1)).await.unwrap().value.unwrap().contacts[99].clone();
    let after = Slice::After(row.created_at, row.id);
    let trips = [
        (cost(&table, "1 root", table.root(&user)).await, 1),
        (cost(&table, "2 stats", table.stats(&user)).await, 1),
        (cost(&table, "3 contact", table.contact(&user, row.id)).await, 2),
        (cost(&table, "4 job with 50 contacts", table.job_contacts(&user, job)).await, 2),
        (cost(&table, "5 20 jobs", table.jobs(&user, None, 20)).await, 2),
        (cost(&table, "6 plans", table.plans()).await, 1),
        (cost(&table, "7 key set", table.jwks()).await, 1),
        (cost(&table, "8 first page", page(Slice::Page(1))).await, 3),
        (cost(&table, "8 page in the middle", page(Slice::Page(5))).await, 4),
        (cost(&table, "9 page after a place", page(after)).await, 3),
        (cost(&table, "10 page of a job", table.contact_page(&user, Some(job), Slice::Page(1), PAGE)).await, 3),
    ];
    for (at, ((calls, _, written), most)) in trips.into_iter().enumerate() {
        assert!(calls <= most && written == 0.0, "read {at}: {calls} calls");
    }
}

#[tokio::test]
async fn each_write_is_one_transaction_of_few_trips() {
    let server = Server::start();
    let table = server.table(TABLE).await;
    let user = import_account(&table, 1_000).await;
    let feed = table.root(&user).await.unwrap().unwrap().feed;
    let (newest, older) = (feed[0].key.1, feed[5].key.1);
    let of_newest = table.job_contacts(&user, newest).await.unwrap().value.unwrap().1;
    let delete = table.delete_contact(&user, of_newest[0].id, NOW);
    assert!(cost(&table, "delete a contact", delete).await.0 <= 4);
    let rows = |count: usize| {
        let row = |n| ContactInput { name: format!("Crew {n}"), phone: Some(format!("+49 170 {n}")), ..ContactInput::default() };
        Save { job: None, file_name: Some("Day 3.pdf".into()), rows: (0..count).map(row).collect() }
    };
    let (few, many) = (rows(50), rows(1_000));
    let save = table.save_contacts(&user, &few, NOW);
    assert!(cost(&table, "save 50 contacts", save).await.0 <= 6);
    let save = table.save_contacts(&user, &many, NOW);
    // 13 transactions of 80 rows, one that opens the job and one that completes it.
    assert!(cost(&table, "save 1,000 contacts", save).await.0 <= 15 * 6);
    let delete = table.delete_job(&user, older, NOW);
    assert!(cost(&table, "delete a job with 50 contacts", delete).await.0 <= 6);
    let usage = [Edit::Put(Record::Usage(NOW.month(), Usage::default()))];
    let edit = table.apply(&user, &usage, NOW);
    assert!(cost(&table, "set a month's usage", edit).await.0 <= 2);
    assert_eq!(table.rebuild(&user, NOW).await.unwrap().differences, Vec::<String>::new());
}
