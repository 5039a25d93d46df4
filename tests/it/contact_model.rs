//! Every list of contacts against a plain list in memory: filter, sort, slice; with changes between the pages.
//!
//! A failing run prints its seed; `CONTACTS_SEED=n` starts from it again.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Contact, ContactId, Job, JobId, JobStatus, ProductionId, Timestamp, UserId};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use store::{Edit, Record};
use testkit::{NOW, World, uuid};

const JOBS: u64 = 5;
const ROUNDS: usize = 6;
const QUERIES: usize = 8;
/// Accents, other scripts, signs, equal keys, blanks.
const NAMES: [&str; 15] = [
    "Łukasz Søgård",
    "Sören Lindqvist",
    "SOREN LINDQVIST",
    "So\u{308}ren Lindqvist",
    "amélie",
    "Amelie",
    "José",
    "שלום",
    "مرحبا",
    "🎬 Crew",
    "🎬",
    "100%_x",
    "a",
    "Ab",
    "Mara Quill",
];
const TEXTS: [&str; 8] = ["", " ", "Gaffer", "gáffer", "Key Grip", "%", "🎬 Works", "مرحبا"];
const EMAILS: [&str; 5] = ["", "no address", "mara@quill.test", "soren@a.test", "@"];
const PHONES: [&str; 5] = ["", " ", "+49 (170) 12-34", "49170 1234", "12 34"];
const SEARCHES: [&str; 15] = ["", "lukasz sogard", "SOREN", "ö", "amé", "%", "_", "🎬", "של", "مر", "a", "@", "1234", "170 12", "nobody"];
const KEYS: [&str; 7] = ["created_at", "updated_at", "name", "email", "phone", "role", "company"];

/// Without case and without the accents that the texts above have.
fn plain(text: &str) -> String {
    let lower = text.to_lowercase().replace('\u{308}', "");
    lower.chars().map(|c| "öo áa ée łl øo åa".split(' ').find_map(|pair| pair.strip_prefix(c)?.chars().next()).unwrap_or(c)).collect()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// A query, and what it means for a plain list.
#[derive(Debug, Clone)]
struct Query {
    search: &'static str,
    role: &'static str,
    job: Option<JobId>,
    production: Option<ProductionId>,
    reachable: bool,
    by: &'static str,
    descending: bool,
    limit: usize,
}

type SortKey = (i64, String, ContactId);

impl Query {
    fn random(rng: &mut StdRng) -> Self {
        let mut any = |texts: &[&'static str]| *texts.choose(rng).unwrap();
        let (search, role, by) = (any(&SEARCHES), any(&["", "", "all", "GAFFER", "g", "%"]), any(&KEYS));
        Self {
            search,
            role,
            job: rng.random_bool(0.2).then(|| job_id(rng.random_range(0..JOBS))),
            production: rng.random_bool(0.2).then(|| production(rng.random_range(0..3))),
            reachable: rng.random_bool(0.3),
            by,
            descending: rng.random(),
            limit: rng.random_range(1..=100),
        }
    }

    /// The list that nobody narrowed or put in another order, or a job's: it has an index of its own.
    fn newest_first(job: Option<JobId>, rng: &mut StdRng) -> Self {
        let limit = rng.random_range(1..=100);
        Self { search: "", role: "", job, production: None, reachable: false, by: "created_at", descending: true, limit }
    }

    fn path(&self) -> String {
        let text = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut path = format!("/api/contacts?limit={}&search={}&role={}", self.limit, text(self.search), text(self.role));
        path += &format!("&sortBy={}&sortOrder={}", self.by, if self.descending { "desc" } else { "asc" });
        path += &format!("&requireContact={}", self.reachable);
        path += &self.job.map(|job| format!("&jobId={job}")).unwrap_or_default();
        path + &self.production.map(|production| format!("&productionId={production}")).unwrap_or_default()
    }

    fn passes(&self, contact: &Contact, jobs: &[Job]) -> bool {
        let texts = [Some(&contact.name), contact.email.as_ref(), contact.phone.as_ref(), contact.role.as_ref(), contact.company.as_ref()];
        let found = texts.into_iter().flatten().any(|text| plain(text).contains(&plain(self.search)));
        let number = self.search.chars().all(|c| c.is_ascii_digit() || c == ' ') && !self.search.is_empty();
        let dialled = number && digits(contact.phone.as_deref().unwrap_or_default()).contains(&digits(self.search));
        let role = self.role == "all" || plain(contact.role.as_deref().unwrap_or_default()).contains(&plain(self.role));
        let of_job = self.job.is_none_or(|job| contact.job_id == job);
        let of = |job: &Job| job.id == contact.job_id && job.production_id == self.production;
        (found || dialled) && role && of_job && (self.production.is_none() || jobs.iter().any(of))
    }

    fn key(&self, contact: &Contact) -> SortKey {
        let text = |text: &Option<String>| (0, plain(text.as_deref().unwrap_or_default()), contact.id);
        match self.by {
            "created_at" => (contact.created_at.ms(), String::new(), contact.id),
            "updated_at" => (contact.updated_at.ms(), String::new(), contact.id),
            "name" => (0, plain(&contact.name), contact.id),
            "email" => text(&contact.email),
            "phone" => text(&contact.phone),
            "role" => text(&contact.role),
            _ => text(&contact.company),
        }
    }

    /// The list in order.
    fn list(&self, book: &Book) -> Vec<Contact> {
        let listed = |contact: &&Contact| self.passes(contact, &book.jobs) && (!self.reachable || contact.flags().reachable());
        let mut list: Vec<Contact> = book.rows.values().filter(listed).cloned().collect();
        list.sort_by_key(|contact| self.key(contact));
        if self.descending {
            list.reverse();
        }
        list
    }

    fn follows(&self, contact: &Contact, place: &SortKey) -> bool {
        if self.descending { self.key(contact) < *place } else { self.key(contact) > *place }
    }
}

fn job_id(n: u64) -> JobId {
    uuid(1, n).parse().unwrap()
}

fn production(n: u64) -> ProductionId {
    uuid(3, n).parse().unwrap()
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn user() -> UserId {
    UserId::parse("u1").unwrap()
}

fn job(n: u64) -> Job {
    Job {
        id: job_id(n),
        title: "Extraction - day3.pdf".into(),
        file_name: None,
        file_url: None,
        status: JobStatus::Completed,
        production_id: (n > 0).then(|| production(n % 2)),
        file_hash: None,
        file_size: None,
        created_at: now(),
        updated_at: now(),
        completed_at: None,
        saving: None,
        counts: domain::Counts::default(),
    }
}

/// The account and what it must show.
struct Book {
    world: World,
    jobs: Vec<Job>,
    rows: BTreeMap<ContactId, Contact>,
    rng: StdRng,
    made: u64,
}

impl Book {
    async fn apply(&self, edits: Vec<Edit>) {
        self.world.table().apply(&user(), &edits, now()).await.unwrap();
        self.world.settled().await;
    }

    fn text(&mut self, texts: &[&str]) -> Option<String> {
        self.rng.random_bool(0.8).then(|| (*texts.choose(&mut self.rng).unwrap()).to_owned())
    }

    fn contact(&mut self, id: ContactId) -> Contact {
        let name = if self.rng.random() { (*NAMES.choose(&mut self.rng).unwrap()).to_owned() } else { format!("Crew {}", self.made % 90) };
        Contact {
            id,
            job_id: job_id(self.rng.random_range(0..JOBS)),
            name,
            email: self.text(&EMAILS),
            phone: self.text(&PHONES),
            role: self.text(&TEXTS),
            company: self.text(&TEXTS),
            is_selected: self.rng.random(),
            // Many of the same moment.
            created_at: now().plus_ms(-1000 * self.rng.random_range(0..300)),
            updated_at: now().plus_ms(-self.rng.random_range(0..200)),
            cv: 1,
        }
    }

    async fn add(&mut self, count: usize) {
        let mut edits = Vec::new();
        for _ in 0..count {
            self.made += 1;
            let contact = self.contact(uuid(2, self.made).parse().unwrap());
            self.rows.insert(contact.id, contact.clone());
            edits.push(Edit::Put(Record::Contact(contact)));
        }
        self.apply(edits).await;
    }

    /// Other texts, and now and then another job or moment.
    async fn edit(&mut self, count: usize) {
        let ids: Vec<ContactId> = self.rows.keys().copied().collect();
        let mut edits = Vec::new();
        for id in ids.choose_multiple(&mut self.rng.clone(), count) {
            let (old, mut new) = (self.rows[id].clone(), self.contact(*id));
            new.cv = old.cv + 1;
            if self.rng.random_bool(0.7) {
                (new.job_id, new.created_at) = (old.job_id, old.created_at);
            }
            self.rows.insert(*id, new.clone());
            edits.push(Edit::Put(Record::Contact(new)));
        }
        self.apply(edits).await;
    }

    async fn delete(&mut self, count: usize) {
        let ids: Vec<ContactId> = self.rows.keys().copied().collect();
        for id in ids.choose_multiple(&mut self.rng.clone(), count) {
            self.rows.remove(id);
            self.world.table().delete_contact(&user(), *id, now()).await.unwrap().unwrap();
        }
        self.world.settled().await;
    }

    /// Other texts for one contact, as its owner sends them.
    async fn patch(&mut self) {
        let Some((id, old)) = self.rows.iter().map(|(id, old)| (*id, old.clone())).choose(&mut self.rng) else { return };
        let (name, role) = (*NAMES.choose(&mut self.rng).unwrap(), *TEXTS.choose(&mut self.rng).unwrap());
        let body = json!({"name": name, "role": role, "phone": null, "isSelected": !old.is_selected}).to_string();
        let headers = [("content-type", "application/json"), ("if-match", &format!("\"{}\"", old.cv))];
        self.world.send("PATCH", &format!("/api/contacts/{id}"), &headers, body.as_bytes()).await.expect_status(200);
        let (stored, _) = self.world.table().contact(&user(), id).await.unwrap().value.unwrap();
        let role = Some(role.trim()).filter(|role| !role.is_empty()).map(str::to_owned);
        let expected = Contact { phone: None, is_selected: !old.is_selected, name: name.to_owned(), role, ..old.clone() };
        assert_eq!(stored, Contact { cv: old.cv + 1, updated_at: now(), ..expected });
        self.rows.insert(id, stored);
        self.world.settled().await;
    }

    /// Some contacts at once, as their owner selects them, and one that is not there.
    async fn delete_selection(&mut self) {
        let mut ids: Vec<ContactId> = self.rows.keys().copied().choose_multiple(&mut self.rng, 6);
        self.rows.retain(|id, _| !ids.contains(id));
        let deleted = ids.len();
        ids.push(uuid(2, 1_000_000).parse().unwrap());
        let reply = self.world.post("/api/contacts/delete", &json!({"ids": ids})).await;
        reply.expect_status(200).expect_json("/data/deleted", deleted);
        self.world.settled().await;
    }

    async fn change(&mut self) {
        match self.rng.random_range(0..6) {
            0 => self.add(9).await,
            1 => self.edit(9).await,
            2 => self.delete(4).await,
            3 => self.patch().await,
            4 => self.delete_selection().await,
            _ => {
                let n = self.rng.random_range(0..JOBS);
                let production_id = Some(production(self.rng.random_range(0..3)));
                let at = usize::try_from(n).unwrap();
                self.jobs[at].production_id = production_id;
                self.apply(vec![Edit::Put(Record::Job(self.jobs[at].clone()))]).await;
            }
        }
    }

    /// Compares an answer with the rows that it must have.
    fn compare(&self, query: &Query, data: &Value, list: &[Contact], rows: &[Contact]) {
        let got: Vec<&str> = data["contacts"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
        let expected: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
        assert_eq!(got, expected, "{query:?}");
        for (row, expected) in data["contacts"].as_array().unwrap().iter().zip(rows) {
            let texts = [&expected.email, &expected.phone, &expected.role, &expected.company];
            for (name, text) in ["email", "phone", "role", "company"].into_iter().zip(texts) {
                assert_eq!(row[name].as_str(), text.as_deref(), "{name} of {query:?}");
            }
            assert_eq!((row["name"].as_str(), row["isSelected"].as_bool()), (Some(expected.name.as_str()), Some(expected.is_selected)));
            assert_eq!(row["job"]["id"], expected.job_id.to_string());
        }
        let passing = || self.rows.values().filter(|contact| query.passes(contact, &self.jobs));
        let count = |of: fn(&Contact) -> bool| passing().filter(|contact| of(contact)).count();
        let jobs: BTreeSet<JobId> = self.rows.values().map(|contact| contact.job_id).collect();
        let (pages, total) = (list.len().div_ceil(query.limit), list.len());
        assert_eq!((data["pagination"]["total"].as_u64(), data["pagination"]["pages"].as_u64()), (Some(total as u64), Some(pages as u64)));
        assert_eq!(data["stats"]["totalContacts"], total);
        assert_eq!(data["stats"]["withEmail"], count(|contact| contact.flags().email_with_at), "{query:?}");
        assert_eq!(data["stats"]["withPhone"], count(|contact| contact.flags().phone_not_empty), "{query:?}");
        let total_jobs = query.job.map_or(jobs.len(), |job| usize::from(jobs.contains(&job)));
        assert_eq!(data["stats"]["totalJobs"], total_jobs, "{query:?}");
    }

    async fn get(&self, path: &str) -> Value {
        self.world.get(path).await.expect_status(200).json["data"].clone()
    }

    /// All pages by their numbers while nothing changes.
    async fn by_number(&self, query: &Query) {
        let list = query.list(self);
        let pages = list.len().div_ceil(query.limit);
        for page in [1, 2, pages / 2, pages.saturating_sub(1), pages, pages + 1].into_iter().filter(|page| *page > 0) {
            let data = self.get(&format!("{}&page={page}", query.path())).await;
            let from = ((page - 1) * query.limit).min(list.len());
            let rows = &list[from..(from + query.limit).min(list.len())];
            self.compare(query, &data, &list, rows);
            assert_eq!(data["pagination"]["hasMore"], page < pages, "page {page} of {query:?}");
        }
    }

    /// From page to page by cursor, with changes in between.
    async fn by_cursor(&mut self, query: &Query) {
        let (mut place, mut cursor): (Option<SortKey>, String) = (None, String::new());
        for _ in 0..8 {
            let list = query.list(self);
            let rest: Vec<Contact> =
                list.iter().filter(|row| place.as_ref().is_none_or(|place| query.follows(row, place))).cloned().collect();
            let rows = &rest[..rest.len().min(query.limit)];
            let data = self.get(&format!("{}{cursor}", query.path())).await;
            self.compare(query, &data, &list, rows);
            let next = data["pagination"]["nextCursor"].as_str();
            assert_eq!(next.is_some(), rest.len() > query.limit, "{query:?}");
            let Some(next) = next else { return };
            cursor = format!("&cursor={next}");
            place = rows.last().map(|row| query.key(row));
            self.change().await;
        }
    }
}

#[tokio::test]
async fn every_list_is_the_plain_list_filtered_sorted_and_sliced() {
    let seed = std::env::var("CONTACTS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("CONTACTS_SEED={seed}");
    let jobs: Vec<Job> = (0..JOBS).map(job).collect();
    let mut book = Book { world: World::new().await, jobs: jobs.clone(), rows: BTreeMap::new(), rng: StdRng::seed_from_u64(seed), made: 0 };
    book.apply(jobs.into_iter().map(|job| Edit::Put(Record::Job(job))).collect()).await;
    for round in 0..ROUNDS {
        book.add(90).await;
        book.edit(15).await;
        book.delete(if round % 3 == 2 { 100 } else { 10 }).await;
        if round % 2 == 0 {
            book.world.app().forget_buckets();
        }
        for _ in 0..QUERIES {
            let query = Query::random(&mut book.rng);
            book.by_number(&query).await;
        }
        for _ in 0..2 {
            let query = Query::random(&mut book.rng);
            book.by_cursor(&query).await;
        }
        for job in [None, Some(job_id(book.rng.random_range(0..JOBS)))] {
            let query = Query::newest_first(job, &mut book.rng);
            book.by_number(&query).await;
            book.by_cursor(&query).await;
        }
    }
    assert_eq!(book.world.table().rebuild(&user(), now()).await.unwrap().differences, [""; 0]);
}

#[tokio::test]
async fn bytes_in_the_cache_that_are_not_the_bucket_are_as_good_as_none() {
    let world = World::with(&[testkit::seed("u1").job("COMPLETED", NOW, 300), testkit::seed("u2").job("COMPLETED", NOW, 300)]).await;
    let names: Vec<String> =
        world.table().buckets(&user(), 1_000).await.unwrap().value.buckets.iter().map(store::BucketRef::name).collect();
    // Another user's bucket of the same name, a part of the right one, and noise.
    world.as_user("u2").get("/api/contacts?search=crew").await.expect_status(200);
    let foreign = world.app().cache().blobs("u2", &names).await.unwrap();
    assert!(foreign.iter().all(Option::is_some));
    world.get("/api/contacts?search=crew").await.expect_status(200);
    let own = world.app().cache().blobs("u1", &names).await.unwrap();
    for (number, poison) in
        [foreign[0].clone().unwrap(), own[1].clone().unwrap(), own[0].clone().unwrap().slice(..90), "noise".into()].into_iter().enumerate()
    {
        world.app().cache().keep_blobs("u1", vec![(names[0].clone(), poison)]).await.unwrap();
        world.app().forget_buckets();
        let data = world.get(&format!("/api/contacts?search=crew&limit={}", number + 1)).await.expect_status(200);
        data.expect_json("/data/pagination/total", 300).expect_json("/data/contacts/0/userId", "u1");
        let mended = world.app().cache().blobs("u1", &names[..1]).await.unwrap();
        assert_eq!(mended[0], own[0], "what the table gave takes the place of the poison");
    }
}
