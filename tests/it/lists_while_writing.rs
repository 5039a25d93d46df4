//! Lists that are read while their account changes all the time: what is kept of them is of one committed state, page by page, and a walk by
//! cursor meets everything that stays exactly once.
//!
//! A failing run prints its seed; `LISTS_SEED=n` starts from it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{Contact, ContactId, Timestamp, UserId};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{Rng, SeedableRng};
use serde_json::json;
use store::{Edit, Record};
use testkit::{Fault, NOW, Reply, World, seed, uuid};

use testkit::servers::Valkey;

/// Several buckets, and several pages of each list.
const CONTACTS: u64 = 700;
/// Contacts with the role `Mark`, at any moment.
const MARKS: usize = 7;
const COMMITS: u64 = 24;
const READERS: u64 = 3;
/// Answers that readers wait for between two commits: some meet the commit, some find quiet.
const ANSWERS_BETWEEN: u64 = 6;
const WALK_LIMIT: usize = 100;

type State = BTreeMap<ContactId, Contact>;

/// A list, and what it is of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Newest,
    ByName,
    Search,
    Marked,
}

const LISTS: [List; 4] = [List::Newest, List::ByName, List::Search, List::Marked];

impl List {
    fn query(self) -> &'static str {
        match self {
            Self::Newest => "limit=100",
            Self::ByName => "limit=90&sortBy=name&sortOrder=asc",
            Self::Search => "limit=40&sortBy=name&sortOrder=asc&search=ANNA",
            Self::Marked => "limit=3&role=mark",
        }
    }

    fn limit(self) -> usize {
        self.query()["limit=".len()..].split('&').next().unwrap().parse().unwrap()
    }

    fn of(self, state: &State) -> Vec<ContactId> {
        let listed = |contact: &&Contact| match self {
            Self::Newest | Self::ByName => true,
            Self::Search => contact.name.contains("anna"),
            Self::Marked => contact.role.is_some(),
        };
        let mut rows: Vec<&Contact> = state.values().filter(listed).collect();
        match self {
            Self::Newest | Self::Marked => rows.sort_by_key(|contact| std::cmp::Reverse((contact.created_at, contact.id))),
            Self::ByName | Self::Search => rows.sort_by_key(|contact| (contact.name.clone(), contact.id)),
        }
        rows.into_iter().map(|contact| contact.id).collect()
    }
}

/// An answer.
#[derive(Debug)]
struct Seen {
    list: List,
    page: usize,
    rev: u64,
    ids: Vec<ContactId>,
    total: usize,
    /// Whether it was kept: one that a change came into is shown, but not kept.
    kept: bool,
}

struct Run {
    world: World,
    states: Mutex<BTreeMap<u64, State>>,
    seen: Mutex<Vec<Seen>>,
    answers: AtomicU64,
    over: AtomicBool,
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn user() -> UserId {
    UserId::parse("u1").unwrap()
}

fn name(rng: &mut StdRng) -> String {
    format!("{} {:04}", ["anna", "bela", "cora"].choose(rng).unwrap(), rng.random_range(0..500))
}

/// One of three contacts stays as it is.
fn stays(id: ContactId) -> bool {
    id.0.as_u128().is_multiple_of(3)
}

fn ids(reply: &Reply) -> Vec<ContactId> {
    let rows = reply.json["data"]["contacts"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_str().unwrap().parse().unwrap()).collect()
}

impl Run {
    async fn start(rng: &mut StdRng, valkey: &Valkey) -> Self {
        let mut data = seed("u1").job("COMPLETED", NOW, 0);
        for n in 0..CONTACTS {
            let at = now().plus_ms(-1000 * rng.random_range(0..2_000));
            let role = (n < MARKS as u64).then_some("Mark");
            data = data.contact(json!({"name": name(rng), "role": role, "createdAt": at}));
        }
        let world = World::with_cache(valkey.cache().await, &[data]).await;
        let mut state = State::new();
        for n in 1..=CONTACTS {
            let (contact, _) = world.table().contact(&user(), uuid(2, n).parse().unwrap()).await.unwrap().value.unwrap();
            state.insert(contact.id, contact);
        }
        let states = Mutex::new(BTreeMap::from([(1, state)]));
        Self { world, states, seen: Mutex::default(), answers: AtomicU64::new(0), over: AtomicBool::new(false) }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Commits changes, each one a state of its own.
    async fn keep_writing(&self, rng: &mut StdRng) {
        let mut state = self.states.lock().unwrap()[&1].clone();
        for turn in 0..COMMITS {
            let rev = match turn % 3 {
                0 => self.rename(&mut state, rng).await,
                1 => self.add(&mut state, rng, CONTACTS + 1 + turn).await,
                _ => self.delete(&mut state, rng).await,
            };
            // More than one revision when an answer was lost and the change was made again.
            {
                let mut states = self.states.lock().unwrap();
                let last = states.last_key_value().map_or(0, |(last, _)| *last);
                states.extend((last + 1..=rev).map(|rev| (rev, state.clone())));
            }
            let enough = self.answers.load(Ordering::SeqCst) + ANSWERS_BETWEEN;
            while self.answers.load(Ordering::SeqCst) < enough {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        }
        self.over.store(true, Ordering::SeqCst);
    }

    async fn put(&self, state: &mut State, contacts: Vec<Contact>) -> u64 {
        let edits: Vec<Edit> = contacts.iter().cloned().map(|contact| Edit::Put(Record::Contact(contact))).collect();
        state.extend(contacts.into_iter().map(|contact| (contact.id, contact)));
        loop {
            match self.world.table().apply(&user(), &edits, now()).await {
                Ok(rev) => return rev.0,
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        }
    }

    /// Other names for some, another place for one, and a mark goes from one contact to another.
    async fn rename(&self, state: &mut State, rng: &mut StdRng) -> u64 {
        let free = state.values().filter(|contact| !stays(contact.id) && contact.role.is_none());
        let mut changed: Vec<Contact> = free.cloned().choose_multiple(rng, 8);
        changed[0].role = Some("Mark".to_owned());
        changed[1].created_at = now().plus_ms(-1000 * rng.random_range(0..2_000));
        for contact in &mut changed {
            contact.name = name(rng);
        }
        let marked = state.values().filter(|contact| !stays(contact.id) && contact.role.is_some()).choose(rng).unwrap();
        changed.push(Contact { role: None, ..marked.clone() });
        for contact in &mut changed {
            contact.cv += 1;
        }
        self.put(state, changed).await
    }

    async fn add(&self, state: &mut State, rng: &mut StdRng, number: u64) -> u64 {
        let like = state.values().find(|contact| contact.role.is_none()).unwrap().clone();
        let new = |rng: &mut StdRng, n: u64| {
            let created_at = now().plus_ms(-1000 * rng.random_range(0..2_000));
            Contact { id: uuid(2, number * 1_000 + n).parse().unwrap(), name: name(rng), created_at, cv: 1, ..like.clone() }
        };
        let new = (0..5).map(|n| new(rng, n)).collect();
        self.put(state, new).await
    }

    async fn delete(&self, state: &mut State, rng: &mut StdRng) -> u64 {
        let free = state.values().filter(|contact| !stays(contact.id) && contact.role.is_none());
        let gone: Vec<ContactId> = free.map(|contact| contact.id).choose_multiple(rng, 5);
        state.retain(|id, _| !gone.contains(id));
        loop {
            match self.world.table().delete_contacts(&user(), &gone, now()).await {
                Ok(deleted) => return deleted.rev.0,
                Err(error) => assert!(error.is_transient(), "{error:?}"),
            }
        }
    }

    /// Asks until there is an answer: a list that changes under every try is refused for the moment.
    async fn get(&self, path: &str) -> Reply {
        loop {
            let reply = self.world.get(path).await;
            if reply.status != 503 {
                return reply.expect_status(200);
            }
            assert!(reply.header("retry-after").is_some());
            self.answers.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Asks for any page of any list, with the buckets of this process or, if they were forgotten, with those of the cache.
    async fn keep_reading(&self, seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        while !self.is_over() {
            let (list, page) = (*LISTS.choose(&mut rng).unwrap(), rng.random_range(1..=4_usize));
            let reply = self.get(&format!("/api/contacts?{}&page={page}", list.query())).await;
            let status = reply.header("cache-status").unwrap();
            let seen = Seen {
                list,
                page,
                rev: reply.header("x-rev").unwrap().parse().unwrap(),
                ids: ids(&reply),
                total: usize::try_from(reply.json["data"]["pagination"]["total"].as_u64().unwrap()).unwrap(),
                kept: status.contains("; stored") || status.contains("; hit"),
            };
            self.seen.lock().unwrap().push(seen);
            self.answers.fetch_add(1, Ordering::SeqCst);
            if rng.random_bool(0.2) {
                self.world.app().forget_buckets();
            }
        }
    }

    /// Walks the list by cursor again and again: the walks that came to an end.
    async fn keep_walking(&self) -> u64 {
        let mut walks = 0;
        let staying: BTreeSet<ContactId> = self.states.lock().unwrap()[&1].keys().copied().filter(|id| stays(*id)).collect();
        while !self.is_over() || walks == 0 {
            let (mut met, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/api/contacts?limit={WALK_LIMIT}&sortBy=name&sortOrder=asc{cursor}");
                let reply = self.get(&path).await;
                met.extend(ids(&reply).into_iter().filter(|id| staying.contains(id)));
                let Some(next) = reply.json["data"]["pagination"]["nextCursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!((met.len(), met.into_iter().collect::<BTreeSet<_>>()), (staying.len(), staying.clone()));
            walks += 1;
        }
        walks
    }

    /// What was kept is the list of its revision; of the rest no page has a row twice.
    fn check(&self) {
        let (states, seen) = (self.states.lock().unwrap(), self.seen.lock().unwrap());
        for seen in seen.iter() {
            assert_eq!(seen.ids.iter().collect::<BTreeSet<_>>().len(), seen.ids.len(), "a row twice: {seen:?}");
            if seen.kept {
                let list = seen.list.of(&states[&seen.rev]);
                let from = ((seen.page - 1) * seen.list.limit()).min(list.len());
                let rows = &list[from..(from + seen.list.limit()).min(list.len())];
                assert_eq!((seen.total, seen.ids.as_slice()), (list.len(), rows), "{:?} at {}", seen.list, seen.rev);
                assert!(seen.list != List::Marked || seen.total == MARKS);
            }
        }
        let kept = seen.iter().filter(|seen| seen.kept).count();
        let revs: BTreeSet<u64> = seen.iter().filter(|seen| seen.kept).map(|seen| seen.rev).collect();
        println!("{} answers, {kept} of them kept, of {} revisions of {}", seen.len(), revs.len(), states.len());
        assert!(2 * kept > seen.len() && 2 * revs.len() > states.len(), "hardly anything was kept: this shows nothing");
    }
}

#[tokio::test]
async fn lists_are_of_one_committed_state_while_a_writer_commits() {
    let seed = std::env::var("LISTS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("LISTS_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let valkey = Valkey::start();
    let run = Run::start(&mut rng, &valkey).await;
    let readers = (0..READERS).map(|number| run.keep_reading(seed ^ number));
    let (_, _, walks) = tokio::join!(run.keep_writing(&mut rng), futures::future::join_all(readers), run.keep_walking());
    run.check();
    println!("{walks} walks by cursor");
    assert_eq!(run.world.drift("u1").await, [""; 0]);
}

#[tokio::test]
async fn a_page_whose_rows_went_away_while_it_was_read_is_read_again() {
    let world = World::with(&[seed("u1").job("COMPLETED", NOW, 25)]).await;
    let asked = Arc::new(AtomicBool::new(false));
    let waits = Arc::clone(&asked);
    world.faults().plan(move |call| (call.operation == "Query" && !waits.swap(true, Ordering::SeqCst)).then_some(Fault::Waits));
    let page = world.get("/api/contacts?page=1");
    let deletion = async {
        while !asked.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.delete(&format!("/api/extraction/job/{}", uuid(1, 1))).await.expect_status(200);
        world.faults().go_on();
    };
    let (page, ()) = futures::join!(page, deletion);
    // The total of before and the rows of after would be a page that never was.
    page.expect_status(200).expect_json("/data/pagination/total", 0).expect_json("/data/contacts", json!([]));
    world.get("/api/contacts?page=1").await.expect_json("/data/pagination/total", 0);
}
