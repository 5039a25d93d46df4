//! What lists of contacts cost at any size, counted at the table.

use std::fmt::Write as _;

use domain::{Contact, UserId};
use serde_json::{Value, json};
use store::meter::Reading;
use store::{Edit, Record};
use testkit::{Client, World, sign, uuid};

use crate::servers::{self, Process};

const SIZES: [u64; 3] = [10, 1_000, 100_000];
/// The account of 1,000 has a full activity feed too.
const CONTACTS_PER_JOB: u64 = 50;
const LIMIT: u64 = 100;
/// Contacts that are not gone over any more.
const TOO_MANY: u64 = 200_001;
/// Bytes of a strongly consistent read unit.
const UNIT_KB: f64 = 4.0;
/// Megabytes of a process, whatever is asked of it.
const MEMORY_MB_MAX: u64 = 160;
/// Write units at 100,000 contacts to those at 1,000.
const WRITE_GROWTH_MAX: f64 = 1.2;

/// An account of contacts `Crew 0`, `Crew 1` and so on.
async fn import(world: &World, contacts: u64) -> String {
    let user = format!("user-{contacts}");
    let mut lines = format!("{}\n", json!({"type": "user", "id": user}));
    for job in 0..contacts.div_ceil(CONTACTS_PER_JOB) {
        let id = uuid(1, job);
        writeln!(
            lines,
            "{}",
            json!({"type": "job", "id": id, "userId": user, "status": "COMPLETED", "fileName": "Call sheet.pdf",
            "createdAt": "2026-02-01T00:00:00.000Z"})
        )
        .unwrap();
        for n in job * CONTACTS_PER_JOB..((job + 1) * CONTACTS_PER_JOB).min(contacts) {
            let at = format!("2026-02-{:02}T{:02}:{:02}:{:02}.000Z", 1 + n / 4_000, n / 400 % 24, n / 60 % 60, n % 60);
            let line = json!({"type": "contact", "id": uuid(2, n), "userId": user, "jobId": id, "name": format!("Crew {n}"),
                "email": format!("crew{n}@example.test"), "phone": format!("+49 170 {n:07}"), "role": "Gaffer", "createdAt": at});
            writeln!(lines, "{line}").unwrap();
        }
    }
    world.import_lines(&lines).await;
    user
}

/// What one request costs.
async fn cost(world: &World, client: &Client<'_>, path: &str) -> (Reading, Value) {
    let before = world.meter();
    let reply = client.get(path).await.expect_status(200);
    (world.meter().since(&before), reply.json.clone())
}

async fn default_pages(world: &World, client: &Client<'_>, contacts: u64) {
    let pages = contacts.div_ceil(LIMIT);
    for page in [1, pages.div_ceil(2), pages] {
        let path = format!("/api/contacts?page={page}&limit={LIMIT}");
        let (cold, body) = cost(world, client, &path).await;
        let (warm, again) = cost(world, client, &path).await;
        println!("{contacts} contacts, page {page}: {} trips, {} read units, then {}", cold.calls(), cold.read_units(), warm.calls());
        assert!(cold.calls() <= 4 && cold.read_units() * UNIT_KB <= 160.0, "page {page} of {contacts}: {cold:?}");
        // The one trip left is to the cache.
        assert_eq!((warm.calls(), &again), (0, &body), "page {page} of {contacts}");
        assert_eq!(body["data"]["contacts"].as_array().unwrap().len() as u64, contacts.min(LIMIT));
    }
}

async fn searches(world: &World, client: &Client<'_>, contacts: u64) {
    let buckets = contacts.div_ceil(256);
    let last = contacts - 1;
    let (cold, body) = cost(world, client, &format!("/api/contacts?search=crew{last}%40")).await;
    assert_eq!(body["data"]["pagination"]["total"], 1);
    assert_eq!(body["data"]["contacts"][0]["name"], format!("Crew {last}"));
    // Each bucket is read once.
    assert!(cold.calls() <= 3 + buckets + contacts / 20_000, "cold search over {contacts}: {cold:?}");
    let (repeated, _) = cost(world, client, &format!("/api/contacts?search=crew{last}%40")).await;
    assert_eq!(repeated.calls(), 0, "a repeated search is one trip to the cache");
    for (query, total) in [("search=nobody", 0), ("sortBy=name&sortOrder=asc", contacts), ("search=49170000000&requireContact=true", 10)] {
        for new_process in [false, true] {
            if new_process {
                world.app().forget_buckets();
            }
            let (warm, body) = cost(world, client, &format!("/api/contacts?{query}&limit={}", 20 + u8::from(new_process))).await;
            assert_eq!(body["data"]["pagination"]["total"], total, "{query} over {contacts}");
            assert!(warm.calls() <= 3, "{query} over {contacts}, new process {new_process}: {warm:?}");
        }
    }
}

/// Read units of the dashboard, and write units of adding a contact to the newest job and of taking it away again.
async fn writes(world: &World, user: &str) -> [f64; 2] {
    let user = UserId::parse(user).unwrap();
    let start = world.meter();
    let root = world.table().root(&user).await.unwrap().unwrap();
    assert_eq!(world.meter().since(&start).read_units(), 1.0, "the dashboard's item");
    let id = uuid(2, 2 * SIZES[2]).parse().unwrap();
    let (like, _) = world.table().contact(&user, uuid(2, 1).parse().unwrap()).await.unwrap().value.unwrap();
    let job_id = root.feed[0].key.1;
    let (start, new) = (world.meter(), Contact { id, job_id, created_at: world.app().clock().now(), ..like });
    world.table().apply(&user, &[Edit::Put(Record::Contact(new))], world.app().clock().now()).await.unwrap();
    let added = world.meter();
    world.as_user(user.as_str()).delete(&format!("/api/contacts/{id}")).await.expect_status(200);
    let units = [added.since(&start).write_units(), world.meter().since(&added).write_units()];
    println!("{user}: {} write units to add a contact, {} to delete it", units[0], units[1]);
    units
}

/// The memory of a process that lists, searches, sorts and exports all of it. `bench` looks at 200,000 contacts, and at every format.
async fn memory(world: &World, user: &str) {
    let process = Process::start(&["--port", "0", "--no-demo", "--dynamodb", world.endpoint()]);
    let token = sign(&json!({"userId": user, "exp": 4_102_444_800_u64}));
    let start = process.memory_peak_mb();
    for (query, status) in [
        ("?page=500&limit=100", 200),
        ("?search=crew1&limit=100", 200),
        ("?sortBy=name&sortOrder=asc&page=900&limit=100", 200),
        ("?search=nobody", 200),
        ("/export?format=csv", 303),
    ] {
        let url = format!("http://{}/api/contacts{query}", process.host);
        servers::send_as(Some(&token), "GET", &url).await.expect_status(status);
        println!("{user}: peak of {} MB after {query}, {start} MB before", process.memory_peak_mb());
    }
    assert!(process.memory_peak_mb() < MEMORY_MB_MAX, "{} MB", process.memory_peak_mb());
}

/// An account above 200,000 contacts is refused what would go over all of them, and has its pages as before.
async fn above_the_bound(world: &World, client: &Client<'_>, contacts: u64) {
    let counted = |n: u64| format!("\"contacts\":{{\"n\":{n},");
    world.rewrite(&format!("USER#user-{contacts}"), "ROOT", &counted(contacts), &counted(TOO_MANY)).await;
    for query in ["search=crew", "requireContact=true", "sortBy=name", "search=crew&sortBy=email&page=7"] {
        let before = world.meter();
        client.get(&format!("/api/contacts?{query}")).await.expect_status(422).expect_json("/error", "Too many contacts for search");
        assert!(world.meter().since(&before).calls() <= 2, "{query}: nothing is gone over first");
    }
    client.get("/api/contacts/export").await.expect_status(422);
    for page in [1, 2, TOO_MANY.div_ceil(LIMIT)] {
        let (cold, body) = cost(world, client, &format!("/api/contacts?limit={LIMIT}&page={page}")).await;
        assert!(cold.calls() <= 4 && cold.read_units() * UNIT_KB <= 160.0, "page {page}: {cold:?}");
        assert_eq!(body["data"]["pagination"]["total"], TOO_MANY);
    }
}

#[tokio::test]
async fn pages_searches_and_writes_cost_the_same_at_any_size() {
    let _alone = servers::MACHINE.lock().await;
    let world = World::new().await;
    let mut units = Vec::new();
    for contacts in SIZES {
        let user = import(&world, contacts).await;
        let client = world.as_user(&user);
        default_pages(&world, &client, contacts).await;
        searches(&world, &client, contacts).await;
        units.push(writes(&world, &user).await);
    }
    let grown = |n: usize| units[2][n] / units[1][n];
    assert!(grown(0) <= WRITE_GROWTH_MAX && grown(1) <= WRITE_GROWTH_MAX, "adding and deleting: {units:?}");
    memory(&world, &format!("user-{}", SIZES[2])).await;
    above_the_bound(&world, &world.as_user(&format!("user-{}", SIZES[2])), SIZES[2]).await;
}
