//! Buckets of contacts: what lies under a name never changes, and rows that were read too late are not taken for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{Contact, ContactId, Job, JobId, JobStatus, ProductionId, Timestamp, UserId};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use store::{Buckets, Edit, Found, Record, StoreError, Table};
use uuid::Uuid;

use crate::server::Server;

const NOW: Timestamp = Timestamp::from_ms(1_772_703_000_000);
const ROUNDS: usize = 5;
const ROWS_MAX: u64 = 200_000;

fn user() -> UserId {
    UserId::parse("u").unwrap()
}

fn job(n: u128, production: Option<u128>) -> Job {
    Job {
        id: JobId(Uuid::from_u128(n)),
        title: "Extraction - day3.pdf".into(),
        file_name: None,
        file_url: None,
        status: JobStatus::Completed,
        production_id: production.map(|n| ProductionId(Uuid::from_u128(n))),
        file_hash: None,
        file_size: None,
        created_at: NOW,
        updated_at: NOW,
        completed_at: None,
        saving: None,
        counts: domain::Counts::default(),
    }
}

fn contact(rng: &mut StdRng) -> Contact {
    Contact {
        id: ContactId(Uuid::from_u128(rng.random())),
        job_id: JobId(Uuid::from_u128(rng.random_range(0..3))),
        name: format!("Crew {}", rng.random_range(0..1000)),
        email: rng.random_bool(0.5).then(|| "m@q.test".into()),
        phone: rng.random_bool(0.3).then(|| "1".into()),
        role: None,
        company: None,
        is_selected: true,
        created_at: NOW.plus_ms(-rng.random_range(0..100_000)),
        updated_at: NOW,
        cv: 1,
    }
}

struct Account {
    table: Table,
    rows: BTreeMap<(Timestamp, ContactId), Contact>,
    rng: StdRng,
    /// Everything that was ever under a name.
    seen: HashMap<String, Vec<Contact>>,
}

impl Account {
    async fn start(server: &Server, seed: u64) -> Self {
        let table = server.table("buckets").await;
        let jobs: Vec<Edit> = (0..3).map(|n| Edit::Put(Record::Job(job(n, None)))).collect();
        table.apply(&user(), &jobs, NOW).await.unwrap();
        Self { table, rows: BTreeMap::new(), rng: StdRng::seed_from_u64(seed), seen: HashMap::new() }
    }

    async fn put(&mut self, contacts: Vec<Contact>) {
        let edits: Vec<Edit> = contacts.iter().cloned().map(|contact| Edit::Put(Record::Contact(contact))).collect();
        self.table.apply(&user(), &edits, NOW).await.unwrap();
        for contact in contacts {
            self.rows.retain(|_, old| old.id != contact.id);
            self.rows.insert((contact.created_at, contact.id), contact);
        }
    }

    fn some(&mut self, count: usize) -> Vec<Contact> {
        self.rows.values().cloned().choose_multiple(&mut self.rng, count)
    }

    async fn delete(&mut self, contacts: &[Contact]) {
        for contact in contacts {
            self.rows.remove(&(contact.created_at, contact.id));
            self.table.delete_contact(&user(), contact.id, NOW).await.unwrap().unwrap();
        }
    }

    async fn buckets(&self) -> Found<Buckets> {
        self.table.buckets(&user(), ROWS_MAX).await.unwrap()
    }

    /// All buckets together are the sorted list, and none has changed under its name.
    async fn check(&mut self) -> Found<Buckets> {
        let found = self.buckets().await;
        let mut all = Vec::new();
        for bucket in &found.value.buckets {
            let rows = self.table.bucket_rows(&user(), bucket, found.rev).await.unwrap();
            assert!(rows.whole && rows.contacts.len() == bucket.count as usize);
            let reachable = rows.contacts.iter().filter(|contact| contact.flags().reachable()).count();
            assert_eq!(reachable, bucket.reachable as usize);
            let before = self.seen.entry(bucket.name()).or_insert_with(|| rows.contacts.clone());
            assert_eq!(before, &rows.contacts, "the content of {} changed", bucket.name());
            all.extend(rows.contacts);
        }
        assert_eq!(all, self.rows.values().cloned().collect::<Vec<_>>());
        assert_eq!(found.value.counts.all, self.rows.len() as u64);
        found
    }
}

#[tokio::test]
async fn buckets_together_are_the_list_and_never_change_under_their_name() {
    let seed = std::env::var("BUCKETS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("BUCKETS_SEED={seed}");
    let server = Server::start();
    let mut account = Account::start(&server, seed).await;
    for round in 0..ROUNDS {
        let new = (0..account.rng.random_range(1..400)).map(|_| contact(&mut account.rng)).collect();
        account.put(new).await;
        account.check().await;
        let changed = account.some(20).into_iter().map(|old| Contact { id: old.id, ..contact(&mut account.rng) }).collect();
        account.put(changed).await;
        account.check().await;
        let count = if round == 2 { account.rows.len() * 3 / 4 } else { 15 };
        let gone = account.some(count);
        account.delete(&gone).await;
        account.check().await;
        if round == ROUNDS / 2 {
            assert_eq!(account.table.rebuild(&user(), NOW).await.unwrap().differences, Vec::<String>::new());
        }
    }
}

/// A change of one contact of a bucket.
type Change = fn(Contact, &mut StdRng) -> Contact;

#[tokio::test]
async fn rows_that_changed_after_the_directory_was_read_are_not_whole() {
    let server = Server::start();
    let mut account = Account::start(&server, 1).await;
    let first = (0..600).map(|_| contact(&mut account.rng)).collect();
    account.put(first).await;
    let changes: [Change; 3] = [
        |old, _| Contact { name: "Mara Quill".into(), cv: 2, ..old },
        |old, rng| Contact { created_at: contact(rng).created_at, cv: 3, ..old },
        // One that goes and another that comes leave the count as it was.
        |old, rng| Contact { created_at: old.created_at, ..contact(rng) },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let before = account.check().await;
        let old = account.some(1).remove(0);
        let new = change(old.clone(), &mut account.rng);
        if new.id != old.id {
            account.delete(std::slice::from_ref(&old)).await;
        }
        account.put(vec![new.clone()]).await;
        let mut torn = 0;
        for bucket in &before.value.buckets {
            let rows = account.table.bucket_rows(&user(), bucket, before.rev).await.unwrap();
            let there = account.seen[&bucket.name()].iter().any(|contact| contact.id == old.id);
            assert!(!there || !rows.whole, "change {number}: late rows were taken for those of {}", bucket.name());
            if rows.whole {
                assert_eq!(rows.contacts, account.seen[&bucket.name()]);
            }
            torn += usize::from(!rows.whole);
        }
        assert!((1..=2).contains(&torn), "change {number}: {torn} buckets");
        account.check().await;
    }
}

#[tokio::test]
async fn a_directory_that_changes_while_it_is_read_is_a_conflict() {
    let server = Server::start();
    let mut account = Account::start(&server, 2).await;
    let first = (0..300).map(|_| contact(&mut account.rng)).collect();
    account.put(first).await;
    let (owner, table, mut conflicts, mut reads) = (user(), server.table("buckets").await, 0, 0);
    let writer = async move {
        for _ in 0..60 {
            let new = vec![contact(&mut account.rng)];
            account.put(new).await;
        }
        account
    };
    let mut writer = Box::pin(writer);
    let account = loop {
        tokio::select! {
            account = &mut writer => break account,
            found = table.buckets(&owner, ROWS_MAX) => match found {
                Err(StoreError::Conflict { .. }) => conflicts += 1,
                found => {
                    let found = found.unwrap().value;
                    let rows: u64 = found.buckets.iter().map(|bucket| u64::from(bucket.count)).sum();
                    assert_eq!(rows, found.counts.all, "buckets of two revisions");
                    reads += 1;
                }
            },
        }
    };
    println!("{reads} reads, {conflicts} conflicts");
    assert!(reads + conflicts > 5);
    assert_eq!(account.buckets().await.value.counts.all, 360);
}

#[tokio::test]
async fn too_many_rows_have_no_buckets_and_an_unknown_user_has_none_either() {
    let server = Server::start();
    let mut account = Account::start(&server, 3).await;
    let first = (0..10).map(|_| contact(&mut account.rng)).collect();
    account.put(first).await;
    for (most, buckets) in [(9, 0), (10, 1)] {
        let found = account.table.buckets(&user(), most).await.unwrap().value;
        assert_eq!((found.counts.all, found.buckets.len()), (10, buckets));
    }
    let nobody = account.table.buckets(&UserId::parse("nobody").unwrap(), 10).await.unwrap();
    assert_eq!((nobody.value, nobody.rev.0), (Buckets::default(), 0));
}

#[tokio::test]
async fn jobs_of_a_production_are_those_with_contacts() {
    let server = Server::start();
    let mut account = Account::start(&server, 4).await;
    let jobs: Vec<Edit> = [(0, Some(7)), (1, Some(8)), (5, Some(7))].map(|(n, of)| Edit::Put(Record::Job(job(n, of)))).into();
    account.table.apply(&user(), &jobs, NOW).await.unwrap();
    let first = (0..40).map(|_| contact(&mut account.rng)).collect();
    account.put(first).await;
    let production = |n| ProductionId(Uuid::from_u128(n));
    let id = |n| JobId(Uuid::from_u128(n));
    assert_eq!(account.table.jobs_of_production(&user(), production(7)).await.unwrap(), [id(0)].into());
    assert_eq!(account.table.jobs_of_production(&user(), production(9)).await.unwrap(), [].into());
    let rev = account.buckets().await.rev;
    let ids: BTreeSet<JobId> = [id(0), id(1), id(99)].into();
    let (found, settled) = account.table.jobs_at(&user(), &ids, rev).await.unwrap();
    assert_eq!((found.keys().copied().collect::<Vec<_>>(), settled), (vec![id(0), id(1)], true));
    let new = vec![contact(&mut account.rng)];
    account.put(new).await;
    for ids in [ids, BTreeSet::new()] {
        assert!(!account.table.jobs_at(&user(), &ids, rev).await.unwrap().1, "another revision is noticed");
    }
}
