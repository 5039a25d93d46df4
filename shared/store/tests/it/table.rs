//! The table against the embedded server: what is written is read, page by page, and the aggregates agree with a recount.

use domain::{ContactId, ContactInput, JobId, Timestamp, UserId};
use store::import::{OnError, Silent, import};
use store::{Save, Saved, Slice, Table};

use crate::server::Server;

const NOW: Timestamp = Timestamp::from_ms(1_772_703_000_000);

fn user() -> UserId {
    UserId::parse("u1").unwrap()
}

fn id(kind: u8, n: u64) -> String {
    format!("{kind:08x}-0000-7000-8000-{n:012x}")
}

/// Lines of one user: `jobs` jobs an hour apart with `each` contacts.
fn lines(jobs: u64, each: u64) -> String {
    let mut text = String::from("{\"type\":\"user\",\"id\":\"u1\"}\n");
    for job in 0..jobs {
        let at = Timestamp::from_ms(1_770_000_000_000 + i64::try_from(job).unwrap() * 3_600_000);
        let job_id = id(1, job);
        text += &format!("{{\"type\":\"job\",\"id\":\"{job_id}\",\"userId\":\"u1\",\"status\":\"COMPLETED\",\"createdAt\":\"{at}\"}}\n");
        for n in 0..each {
            let contact = id(2, job * each + n);
            text += &format!(
                "{{\"type\":\"contact\",\"id\":\"{contact}\",\"userId\":\"u1\",\"jobId\":\"{job_id}\",\"name\":\"Crew {n}\",\"email\":\"c{n}@example.test\",\"createdAt\":\"{at}\"}}\n"
            );
        }
    }
    text
}

async fn imported(server: &Server, jobs: u64, each: u64) -> Table {
    let table = server.table("store-test").await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines(jobs, each)).unwrap();
    let report = import(&table, file.path(), OnError::Stop, NOW, &mut Silent).await.unwrap();
    assert_eq!((report.rejected, report.written.total()), (0, 1 + jobs + jobs * each));
    table
}

async fn no_drift(table: &Table) {
    let rebuilt = table.rebuild(&user(), NOW).await.unwrap();
    assert_eq!(rebuilt.differences, Vec::<String>::new());
}

/// All ids of the list by one way of paging.
async fn all(table: &Table, job: Option<JobId>, limit: u32, by_cursor: bool) -> Vec<ContactId> {
    let mut ids = Vec::new();
    let mut slice = Slice::Page(1);
    for number in 2.. {
        let found = table.contact_page(&user(), job, slice, limit).await.unwrap();
        assert!(found.settled);
        let page = found.value.unwrap();
        ids.extend(page.contacts.iter().map(|contact| contact.id));
        slice = match page.next {
            None => break,
            Some((at, id)) if by_cursor => Slice::After(at, id),
            Some(_) => Slice::Page(number),
        };
    }
    ids
}

#[tokio::test]
async fn every_way_of_paging_gives_the_same_list() {
    let server = Server::start();
    let table = imported(&server, 60, 50).await;
    no_drift(&table).await;
    let expected: Vec<String> = (0..3_000).rev().map(|n| id(2, n)).collect();
    for (limit, by_cursor) in [(25, false), (100, false), (97, true)] {
        let got: Vec<String> = all(&table, None, limit, by_cursor).await.iter().map(ToString::to_string).collect();
        assert_eq!(got.len(), expected.len());
        let wrong = got.iter().zip(&expected).position(|(got, expected)| got != expected);
        assert_eq!(wrong, None, "limit {limit}, cursor {by_cursor}");
    }
    let job: JobId = id(1, 7).parse().unwrap();
    let of_job: Vec<String> = (350..400).rev().map(|n| id(2, n)).collect();
    for by_cursor in [false, true] {
        let got: Vec<String> = all(&table, Some(job), 7, by_cursor).await.iter().map(ToString::to_string).collect();
        assert_eq!(got, of_job);
    }
    let past = table.contact_page(&user(), None, Slice::Page(10_000), 100).await.unwrap().value.unwrap();
    assert_eq!((past.contacts.len(), past.total, past.next), (0, 3_000, None));
}

#[tokio::test]
async fn a_page_takes_at_most_four_trips_wherever_it_lies() {
    let server = Server::start();
    let table = imported(&server, 60, 50).await;
    for page in 1..=30 {
        let before = table.meter().read();
        table.contact_page(&user(), None, Slice::Page(page), 100).await.unwrap();
        let cost = table.meter().read().since(&before);
        assert!(cost.calls() <= 4, "page {page}: {cost:?}");
        assert!(cost.read_units() <= 40.0, "page {page}: {} units", cost.read_units());
    }
}

#[tokio::test]
async fn deletions_and_saves_keep_the_aggregates() {
    let server = Server::start();
    let table = imported(&server, 12, 90).await;
    let contact: ContactId = id(2, 95).parse().unwrap();
    assert_eq!(table.delete_contact(&user(), contact, NOW).await.unwrap().unwrap().0, 2);
    assert_eq!(table.delete_contact(&user(), contact, NOW).await.unwrap(), None);
    no_drift(&table).await;
    let job: JobId = id(1, 11).parse().unwrap();
    assert_eq!(table.delete_job(&user(), job, NOW).await.unwrap().unwrap().0, 4);
    assert_eq!(table.delete_job(&user(), job, NOW).await.unwrap(), None);
    no_drift(&table).await;
    let row = |n: usize| ContactInput { name: format!("Crew {n}"), phone: Some(format!("+1 555 {n:04}")), ..ContactInput::default() };
    for (job, rows) in [(None, 3), (None, 300), (Some(id(1, 5)), 200), (Some(id(1, 5)), 10), (Some(id(1, 5)), 20)] {
        let save =
            Save { job: job.map(|job| job.parse().unwrap()), file_name: Some("day3.pdf".into()), rows: (0..rows).map(row).collect() };
        let Saved::Done { job, .. } = table.save_contacts(&user(), &save, NOW).await.unwrap() else { panic!("superseded") };
        let (stored, contacts) = table.job_contacts(&user(), job).await.unwrap().value.unwrap();
        assert_eq!((contacts.len(), stored.counts.all, stored.status), (rows, rows as u64, domain::JobStatus::Completed));
        no_drift(&table).await;
    }
    assert_eq!(table.root(&user()).await.unwrap().unwrap().usage_at(NOW).contacts_extracted, 533);
}
