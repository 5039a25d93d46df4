//! Reading many contacts page by page: in order, whole, and never of two states.

use std::io::Write;

use domain::{ContactChange, ContactId, JobId, Timestamp, UserId};
use store::import::{OnError, Silent, import};
use store::{ContactReader, Selection, StoreError, Table};
use uuid::Uuid;

use crate::server::Server;

const NOW: Timestamp = Timestamp::from_ms(1_772_703_000_000);
const JOBS: u128 = 2_100;

fn user() -> UserId {
    UserId::parse("u1").unwrap()
}

fn contact_id(n: u128) -> ContactId {
    ContactId(Uuid::from_u128(n))
}

/// More jobs than are remembered, of one contact each, and rows long enough for several pages.
async fn imported(server: &Server) -> Table {
    let table = server.table("store-export").await;
    let mut file = std::env::temp_dir();
    file.push(format!("store-export-{}.ndjson", Uuid::new_v4()));
    let mut out = std::fs::File::create(&file).unwrap();
    writeln!(out, "{{\"type\":\"user\",\"id\":\"u1\"}}").unwrap();
    let company = "é".repeat(255);
    for n in 0..JOBS {
        let at = NOW.plus_ms(i64::try_from(n % 7).unwrap());
        let (job, contact) = (JobId(Uuid::from_u128(n)), contact_id(n));
        writeln!(
            out,
            "{{\"type\":\"job\",\"id\":\"{job}\",\"userId\":\"u1\",\"status\":\"COMPLETED\",\"title\":\"Job {n}\",\"createdAt\":\"{at}\"}}"
        )
        .unwrap();
        writeln!(
            out,
            "{{\"type\":\"contact\",\"id\":\"{contact}\",\"userId\":\"u1\",\"jobId\":\"{job}\",\"name\":\"Crew {n}\",\"company\":\"{company}\",\"createdAt\":\"{at}\"}}"
        )
        .unwrap();
    }
    let report = import(&table, &file, OnError::Stop, NOW, &mut Silent).await.unwrap();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(report.rejected, 0, "{:?}", report.bad_lines.first());
    table
}

/// All that is left, each contact with the title of its job, and the number of pages.
async fn rest(reader: &mut ContactReader<'_>) -> Result<(Vec<(ContactId, String)>, usize), StoreError> {
    let (mut rows, mut pages) = (Vec::new(), 0);
    while let Some(page) = reader.next().await? {
        pages += 1;
        rows.extend(page.iter().map(|(contact, job)| (contact.id, job.title.clone())));
    }
    Ok((rows, pages))
}

fn expected(ids: impl Iterator<Item = u128>) -> Vec<(ContactId, String)> {
    let mut ids: Vec<u128> = ids.collect();
    ids.sort_unstable_by_key(|n| std::cmp::Reverse((n % 7, *n)));
    ids.into_iter().map(|n| (contact_id(n), format!("Job {n}"))).collect()
}

#[tokio::test]
async fn pages_are_whole_and_of_one_state_or_refused() {
    let server = Server::start();
    let (table, user) = (imported(&server).await, user());

    let mut reader = table.read_contacts(&user, &Selection::All).await.unwrap();
    assert_eq!(reader.total(), JOBS as u64);
    let (rows, pages) = rest(&mut reader).await.unwrap();
    assert_eq!(rows, expected(0..JOBS));
    assert!(pages >= 2, "{pages} pages");
    reader.finish().await.unwrap();

    let of_job = Selection::Job(JobId(Uuid::from_u128(7)));
    let of_ids = Selection::Ids([9, 3, 9, 99_999].map(contact_id).to_vec(), None);
    let of_both = Selection::Ids([9, 3].map(contact_id).to_vec(), Some(JobId(Uuid::from_u128(3))));
    let of_none = Selection::Job(JobId(Uuid::from_u128(99_999)));
    for (selection, ids) in [(of_job, &[7][..]), (of_ids, &[3, 9]), (of_both, &[3]), (of_none, &[])] {
        let mut reader = table.read_contacts(&user, &selection).await.unwrap();
        assert_eq!(rest(&mut reader).await.unwrap().0, expected(ids.iter().copied()), "{selection:?}");
        reader.finish().await.unwrap();
    }

    // A row that was changed shows as soon as it is read, one that went away at the end. A change behind the reader changes nothing of what it
    // read, but ids that were not found may have come since.
    let change = ContactChange { role: Some(Some("Grip".into())), ..ContactChange::default() };
    let mut reader = table.read_contacts(&user, &Selection::All).await.unwrap();
    reader.next().await.unwrap();
    table.update_contact(&user, contact_id(0), &change, &|_| true, NOW).await.unwrap();
    assert!(matches!(rest(&mut reader).await, Err(StoreError::Conflict { .. })));

    let mut reader = table.read_contacts(&user, &Selection::All).await.unwrap();
    reader.next().await.unwrap();
    table.delete_contact(&user, contact_id(0), NOW).await.unwrap();
    rest(&mut reader).await.unwrap();
    assert!(matches!(reader.finish().await, Err(StoreError::Conflict { .. })));

    let mut reader = table.read_contacts(&user, &Selection::All).await.unwrap();
    reader.next().await.unwrap();
    table.update_contact(&user, contact_id(2_092), &change, &|_| true, NOW).await.unwrap();
    assert!(rest(&mut reader).await.is_ok());
    reader.finish().await.unwrap();

    let mut reader = table.read_contacts(&user, &Selection::Ids(vec![contact_id(3), contact_id(99_999)], None)).await.unwrap();
    rest(&mut reader).await.unwrap();
    table.update_contact(&user, contact_id(2_091), &change, &|_| true, NOW).await.unwrap();
    assert!(matches!(reader.finish().await, Err(StoreError::Conflict { .. })));
}
