//! What lists of contacts cost at any size, counted at the table.

use std::fmt::Write as _;

use serde_json::{Value, json};
use store::meter::Reading;
use testkit::{Client, World, uuid};

const SIZES: [u64; 3] = [10, 1_000, 100_000];
const CONTACTS_PER_JOB: u64 = 200;
const LIMIT: u64 = 100;
/// Bytes of a strongly consistent read unit.
const UNIT_KB: f64 = 4.0;

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

#[tokio::test]
async fn pages_and_searches_cost_the_same_trips_at_any_size() {
    let _alone = crate::servers::MACHINE.lock().await;
    let world = World::new().await;
    for contacts in SIZES {
        let user = import(&world, contacts).await;
        let client = world.as_user(&user);
        default_pages(&world, &client, contacts).await;
        searches(&world, &client, contacts).await;
    }
}
