//! Pages of contacts after random changes: every way of paging gives the plain sorted list.

use std::collections::BTreeMap;

use domain::{Contact, ContactId, Job, JobId, JobStatus, Timestamp, UserId};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use store::{Edit, Page, Record, Slice, Table};
use uuid::Uuid;

use crate::server::Server;

const NOW: Timestamp = Timestamp::from_ms(1_772_703_000_000);
const JOBS: u128 = 6;
const ROUNDS: usize = 8;
const ADDED_PER_ROUND: usize = 300;

fn user() -> UserId {
    UserId::parse("u").unwrap()
}

fn job_id(n: u128) -> JobId {
    JobId(Uuid::from_u128(n))
}

fn job(n: u128) -> Job {
    Job {
        id: job_id(n),
        title: "Extraction - day3.pdf".into(),
        file_name: None,
        file_url: None,
        status: JobStatus::Completed,
        production_id: None,
        file_hash: None,
        file_size: None,
        created_at: NOW,
        updated_at: NOW,
        completed_at: None,
        saving: None,
        counts: domain::Counts::default(),
    }
}

/// New contacts, old ones, and many of the same moment.
fn moment(rng: &mut StdRng) -> Timestamp {
    match rng.random_range(0..3) {
        0 => NOW,
        1 => NOW.plus_ms(rng.random_range(0..5)),
        _ => NOW.plus_ms(-rng.random_range(0..1_000_000_000)),
    }
}

fn contact(rng: &mut StdRng) -> Contact {
    // Ids that differ in their last bytes only, and random ones.
    let id = if rng.random() { Uuid::from_u128(rng.random_range(0..1 << 20)) } else { Uuid::from_u128(rng.random()) };
    Contact {
        id: ContactId(id),
        job_id: job_id(rng.random_range(0..JOBS)),
        name: "Mara Quill".into(),
        email: rng.random_bool(0.5).then(|| "m@q.test".into()),
        phone: rng.random_bool(0.3).then(|| "1".into()),
        role: None,
        company: None,
        is_selected: true,
        created_at: moment(rng),
        updated_at: NOW,
        cv: 1,
    }
}

/// The account and the list that it must show.
struct Account {
    table: Table,
    rows: BTreeMap<ContactId, Contact>,
    rng: StdRng,
}

impl Account {
    async fn add(&mut self) {
        let new: BTreeMap<ContactId, Contact> = (0..ADDED_PER_ROUND)
            .map(|_| contact(&mut self.rng))
            .filter(|new| !self.rows.contains_key(&new.id))
            .map(|new| (new.id, new))
            .collect();
        self.put(new).await;
    }

    async fn put(&mut self, contacts: BTreeMap<ContactId, Contact>) {
        let edits: Vec<Edit> = contacts.values().cloned().map(|contact| Edit::Put(Record::Contact(contact))).collect();
        self.table.apply(&user(), &edits, NOW).await.unwrap();
        self.rows.extend(contacts);
    }

    /// Moves contacts in time or to another job.
    async fn move_some(&mut self) {
        let chosen = self.rows.values().cloned().choose_multiple(&mut self.rng, 40);
        let moved = chosen.into_iter().map(|old| {
            let new = contact(&mut self.rng);
            (old.id, Contact { job_id: new.job_id, created_at: if self.rng.random() { new.created_at } else { old.created_at }, ..old })
        });
        let moved = moved.collect();
        self.put(moved).await;
    }

    async fn delete_some(&mut self) {
        for id in self.rows.keys().copied().choose_multiple(&mut self.rng, 30) {
            self.table.delete_contact(&user(), id, NOW).await.unwrap().unwrap();
            self.rows.remove(&id);
        }
        if self.rng.random_bool(0.3) {
            let id = job_id(self.rng.random_range(0..JOBS));
            self.table.delete_job(&user(), id, NOW).await.unwrap().unwrap();
            self.rows.retain(|_, contact| contact.job_id != id);
            self.table.apply(&user(), &[Edit::Put(Record::Job(job(id.0.as_u128())))], NOW).await.unwrap();
        }
    }

    /// The rows as a page must have them: newest first.
    fn sorted(&self, job: Option<JobId>) -> Vec<Contact> {
        let mut rows: Vec<Contact> = self.rows.values().filter(|row| job.is_none_or(|job| row.job_id == job)).cloned().collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.created_at, row.id)));
        rows
    }

    async fn page(&self, job: Option<JobId>, slice: Slice, limit: u32) -> Page {
        let before = self.table.meter().read();
        let found = self.table.contact_page(&user(), job, slice, limit).await.unwrap();
        assert!(found.settled);
        assert!(self.table.meter().read().since(&before).calls() <= 4);
        found.value.unwrap()
    }

    async fn check(&self, job: Option<JobId>, limit: u32, by_cursor: bool) {
        let expected = self.sorted(job);
        let mut got = Vec::new();
        let mut slice = Slice::Page(1);
        for number in 2.. {
            let page = self.page(job, slice, limit).await;
            let with_email = expected.iter().filter(|row| row.email.is_some()).count() as u64;
            assert_eq!((page.total, page.with_email), (expected.len() as u64, with_email));
            assert!(page.contacts.iter().all(|row| page.jobs[&row.job_id].id == row.job_id));
            got.extend(page.contacts);
            slice = match page.next {
                None => break,
                Some((at, id)) if by_cursor => Slice::After(at, id),
                Some(_) => Slice::Page(number),
            };
        }
        let wrong = got.iter().zip(&expected).position(|(got, expected)| got != expected);
        assert_eq!((got.len(), wrong), (expected.len(), None), "job {job:?}, limit {limit}, by cursor {by_cursor}");
    }
}

#[tokio::test]
async fn every_way_of_paging_gives_the_sorted_list_after_random_changes() {
    let seed = std::env::var("PAGES_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("PAGES_SEED={seed}");
    let server = Server::start();
    let mut account = Account { table: server.table("pages").await, rows: BTreeMap::new(), rng: StdRng::seed_from_u64(seed) };
    let jobs: Vec<Edit> = (0..JOBS).map(|n| Edit::Put(Record::Job(job(n)))).collect();
    account.table.apply(&user(), &jobs, NOW).await.unwrap();
    for _ in 0..ROUNDS {
        account.add().await;
        account.move_some().await;
        account.delete_some().await;
        for by_cursor in [false, true] {
            let limit = account.rng.random_range(20..=100);
            account.check(None, limit, by_cursor).await;
            let (job, limit) = (job_id(account.rng.random_range(0..JOBS)), account.rng.random_range(5..=100));
            account.check(Some(job), limit, by_cursor).await;
        }
    }
    assert_eq!(account.table.rebuild(&user(), NOW).await.unwrap().differences, Vec::<String>::new());
}
