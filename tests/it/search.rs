//! Lists of contacts that are searched, filtered and sorted, over HTTP.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{Reply, Seed, World, seed, uuid};

const CREATED: &str = "2026-03-01T10:00:00.000Z";

fn crew() -> Seed {
    seed("u1")
        .job("COMPLETED", "2026-02-01T10:00:00.000Z", 0)
        .contact(json!({"name": "Sören Lindqvist", "email": "soren@nordlicht.test", "phone": "+49 (170) 123-4567", "role": "Gaffer",
            "company": "Nordlicht Film", "createdAt": CREATED}))
        .contact(json!({"name": "amélie Moreau", "email": "no address", "role": "Key Grip", "createdAt": CREATED}))
        .contact(json!({"name": "Zoë 100%_x", "role": "GRIP", "createdAt": "2026-03-02T10:00:00.000Z"}))
        .job("COMPLETED", "2026-02-02T10:00:00.000Z", 0)
        .contact(json!({"name": "Ada", "phone": "030 5550100", "createdAt": "2026-03-03T10:00:00.000Z"}))
        .contact(json!({"name": "אורי", "email": "uri@example.test", "company": "🎬 Works", "createdAt": "2026-03-04T10:00:00.000Z"}))
}

async fn names(world: &World, query: &str) -> Vec<String> {
    let reply = world.get(&format!("/api/contacts?{query}")).await.expect_status(200);
    column(&reply, "name")
}

fn column(reply: &Reply, field: &str) -> Vec<String> {
    let rows = reply.json["data"]["contacts"].as_array().expect("a page");
    rows.iter().map(|row| row[field].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn search_looks_into_every_text_without_case_and_accents() {
    let world = World::with(&[crew()]).await;
    for (query, expected) in [
        ("search=SOREN", vec!["Sören Lindqvist"]),
        ("search=S%C3%96REN", vec!["Sören Lindqvist"]),
        ("search=AMELIE", vec!["amélie Moreau"]),
        ("search=NORDLICHT.TEST", vec!["Sören Lindqvist"]),
        ("search=film", vec!["Sören Lindqvist"]),
        ("search=grip", vec!["Zoë 100%_x", "amélie Moreau"]),
        ("search=%D7%90%D7%95", vec!["אורי"]),
        ("search=%F0%9F%8E%AC", vec!["אורי"]),
        ("search=nobody", vec![]),
        ("search=film%20ada", vec![]),
    ] {
        assert_eq!(names(&world, query).await, expected, "{query}");
    }
    assert_eq!(names(&world, "search=").await.len(), 5);
}

#[tokio::test]
async fn signs_of_other_query_languages_are_ordinary_characters() {
    let world = World::with(&[crew()]).await;
    for query in ["search=%25", "search=_", "search=100%25_x"] {
        assert_eq!(names(&world, query).await, ["Zoë 100%_x"], "{query}");
    }
    for query in ["search=s%25n", "search=.*", "role=g_ip", "search=%5C"] {
        assert_eq!(names(&world, query).await, [""; 0], "{query}");
    }
}

#[tokio::test]
async fn a_phone_is_found_by_its_digits() {
    let world = World::with(&[crew()]).await;
    for query in ["search=491701234567", "search=%2B49%20170", "search=(170)%20123", "search=1701234", "search=170-123-4567"] {
        assert_eq!(names(&world, query).await, ["Sören Lindqvist"], "{query}");
    }
    assert_eq!(names(&world, "search=5550100").await, ["Ada"]);
    assert_eq!(names(&world, "search=x1701").await, [""; 0]);
}

#[tokio::test]
async fn filters_narrow_together_and_stats_leave_out_only_require_contact() {
    let world = World::with(&[crew()]).await;
    assert_eq!(names(&world, "role=grip").await, ["Zoë 100%_x", "amélie Moreau"]);
    assert_eq!(names(&world, "role=all").await.len(), 5);
    assert_eq!(names(&world, "role=grip&search=zoe").await, ["Zoë 100%_x"]);
    assert_eq!(names(&world, "requireContact=true").await, ["אורי", "Ada", "Sören Lindqvist"]);
    for other in ["requireContact=false", "requireContact=1", "requireContact=TRUE", "requireContact="] {
        assert_eq!(names(&world, other).await.len(), 5, "{other}");
    }
    let (first, second) = (uuid(1, 1), uuid(1, 2));
    assert_eq!(names(&world, &format!("jobId={second}&search=AD")).await, ["Ada"]);
    assert_eq!(names(&world, &format!("jobId={first}&requireContact=true")).await, ["Sören Lindqvist"]);
    world
        .get("/api/contacts?search=e&requireContact=true&limit=1")
        .await
        .expect_json("/data/pagination/total", 2)
        .expect_json("/data/stats", json!({"totalContacts": 2, "withEmail": 2, "withPhone": 1, "totalJobs": 2}));
    world
        .get(&format!("/api/contacts?jobId={first}&role=grip&requireContact=true"))
        .await
        .expect_json("/data/pagination/total", 0)
        .expect_json("/data/stats", json!({"totalContacts": 0, "withEmail": 0, "withPhone": 0, "totalJobs": 1}));
    world.get(&format!("/api/contacts?jobId={}&search=a", uuid(1, 9))).await.expect_status(404).expect_json("/error", "Job not found");
}

#[tokio::test]
async fn every_key_sorts_both_ways_and_ties_go_by_id() {
    let world = World::with(&[crew()]).await;
    let by_name = ["Ada", "amélie Moreau", "Sören Lindqvist", "Zoë 100%_x", "אורי"];
    assert_eq!(names(&world, "sortBy=name&sortOrder=asc").await, by_name);
    let reversed: Vec<&str> = by_name.iter().rev().copied().collect();
    assert_eq!(names(&world, "sortBy=name").await, reversed);
    assert_eq!(names(&world, "sortBy=created_at&sortOrder=asc").await, ["Sören Lindqvist", "amélie Moreau", "Zoë 100%_x", "Ada", "אורי"]);
    for by in ["updated_at", "email", "phone", "role", "company"] {
        let up = world.get(&format!("/api/contacts?sortBy={by}&sortOrder=asc")).await.expect_status(200);
        let mut down = column(&world.get(&format!("/api/contacts?sortBy={by}&sortOrder=desc")).await, "id");
        down.reverse();
        assert_eq!(column(&up, "id"), down, "{by}");
    }
    // Two of five have no role: the same key, so their ids decide.
    let roles = world.get("/api/contacts?sortBy=role&sortOrder=asc").await;
    assert_eq!(column(&roles, "id")[..2], [uuid(2, 4), uuid(2, 5)]);
    assert_eq!(column(&roles, "role")[2..], ["Gaffer", "GRIP", "Key Grip"]);
}

#[tokio::test]
async fn a_production_is_that_of_the_job_and_follows_it() {
    let production = uuid(3, 1);
    let data = seed("u1")
        .production(&production)
        .job_with(json!({"createdAt": CREATED, "productionId": production}), 3)
        .job_with(json!({"createdAt": CREATED, "productionId": null}), 2);
    let world = World::with(&[data]).await;
    let total = async |query: &str, total: u64| {
        world.get(&format!("/api/contacts?{query}")).await.expect_status(200).expect_json("/data/pagination/total", total);
    };
    total(&format!("productionId={production}"), 3).await;
    total("productionId=all", 5).await;
    total("productionId=", 5).await;
    total(&format!("productionId={}", uuid(3, 2)), 0).await;
    total(&format!("productionId={production}&jobId={}", uuid(1, 1)), 3).await;
    total(&format!("productionId={production}&jobId={}", uuid(1, 2)), 0).await;
    world.delete(&format!("/api/extraction/job/{}", uuid(1, 1))).await.expect_status(200);
    total(&format!("productionId={production}"), 0).await;
}

#[tokio::test]
async fn a_cursor_goes_on_with_its_own_list_only() {
    let world = World::with(&[crew()]).await;
    let first = world.get("/api/contacts?sortBy=name&sortOrder=asc&limit=2").await.expect_status(200);
    let cursor = first.json["data"]["pagination"]["nextCursor"].as_str().expect("more follow").to_owned();
    assert!(cursor.len() <= 512);
    let rest = world.get(&format!("/api/contacts?sortBy=name&sortOrder=asc&limit=10&page=7&cursor={cursor}")).await.expect_status(200);
    assert_eq!(column(&rest, "name"), ["Sören Lindqvist", "Zoë 100%_x", "אורי"]);
    rest.expect_json("/data/pagination/page", 1)
        .expect_json("/data/pagination/total", 5)
        .expect_json("/data/pagination/hasMore", false)
        .expect_json("/data/pagination/nextCursor", Value::Null);
    let mut damaged = cursor.clone().into_bytes();
    damaged[20] = if damaged[20] == b'A' { b'B' } else { b'A' };
    let damaged = String::from_utf8(damaged).unwrap();
    for query in [
        format!("cursor={cursor}"),
        format!("sortBy=name&cursor={cursor}"),
        format!("sortBy=name&sortOrder=asc&search=a&cursor={cursor}"),
        format!("sortBy=name&sortOrder=asc&requireContact=true&cursor={cursor}"),
        format!("sortBy=name&sortOrder=asc&jobId={}&cursor={cursor}", uuid(1, 1)),
        format!("sortBy=name&sortOrder=asc&cursor={damaged}"),
        format!("sortBy=name&sortOrder=asc&cursor={}", &cursor[1..]),
        "sortBy=name&sortOrder=asc&cursor=".to_owned(),
    ] {
        world.get(&format!("/api/contacts?{query}")).await.expect_status(400).expect_json("/error", "Invalid cursor");
    }
}

#[tokio::test]
async fn the_longest_names_still_have_a_cursor_that_fits() {
    let mut data = seed("u1").job("COMPLETED", CREATED, 0);
    for n in 0..6 {
        data = data.contact(json!({"name": format!("{}{n}", "🎬".repeat(254)), "createdAt": CREATED}));
    }
    let world = World::with(&[data]).await;
    let (mut seen, mut path) = (BTreeSet::new(), "/api/contacts?sortBy=name&limit=2".to_owned());
    loop {
        let reply = world.get(&path).await.expect_status(200);
        seen.extend(column(&reply, "id"));
        let Some(cursor) = reply.json["data"]["pagination"]["nextCursor"].as_str() else { break };
        assert!(cursor.len() <= 512);
        path = format!("/api/contacts?sortBy=name&limit=2&cursor={cursor}");
    }
    assert_eq!(seen.len(), 6);
}

#[tokio::test]
async fn what_no_list_has_is_refused() {
    let world = World::with(&[crew()]).await;
    for (query, text) in [
        ("sortBy=password", "Invalid sortBy"),
        ("sortBy=", "Invalid sortBy"),
        ("sortBy=Name", "Invalid sortBy"),
        ("sortOrder=up", "Invalid sortOrder"),
        ("sortOrder=DESC", "Invalid sortOrder"),
        ("productionId=x", "Invalid productionId format. Must be a valid UUID."),
    ] {
        world.get(&format!("/api/contacts?{query}")).await.expect_status(400).expect_json("/error", text);
    }
    let long = "x".repeat(201);
    for name in ["search", "role"] {
        let text = format!("{name}: at most 200 characters");
        world.get(&format!("/api/contacts?{name}={long}")).await.expect_status(400).expect_json("/error", text);
        world.get(&format!("/api/contacts?{name}={}", &long[1..])).await.expect_status(200);
    }
}

#[tokio::test]
async fn a_write_shows_in_the_next_search_and_users_do_not_see_each_other() {
    let world = World::with(&[crew(), seed("u2").job("COMPLETED", CREATED, 2)]).await;
    assert_eq!(names(&world, "search=ada").await, ["Ada"]);
    world.delete(&format!("/api/contacts/{}", uuid(2, 4))).await.expect_status(200);
    assert_eq!(names(&world, "search=ada").await, [""; 0]);
    let body = json!({"contacts": [{"name": "Ada Second", "email": "ada@example.test"}]});
    world.post("/api/extraction/save-contacts", &body).await.expect_status(200);
    assert_eq!(names(&world, "search=ada").await, ["Ada Second"]);
    world.as_user("u2").get("/api/contacts?search=ada").await.expect_status(200).expect_json("/data/pagination/total", 0);
    world.as_user("u2").get("/api/contacts?search=crew").await.expect_json("/data/pagination/total", 2);
    world.as_user("u3").get("/api/contacts?search=crew").await.expect_status(200).expect_json("/data/pagination/total", 0);
}

#[tokio::test]
async fn too_many_contacts_refuse_all_but_the_default_pages() {
    let world = World::with(&[crew()]).await;
    world.rewrite("USER#u1", "ROOT", "\"n\":5", "\"n\":200001").await;
    let of_job = format!("jobId={}&search=a", uuid(1, 1));
    for query in ["search=a", "role=grip", "requireContact=true", "sortBy=name", "sortOrder=asc", &of_job] {
        let reply = world.get(&format!("/api/contacts?{query}")).await;
        reply.expect_status(422).expect_json("", json!({"success": false, "error": "Too many contacts for search"}));
    }
    world.get("/api/contacts?page=1").await.expect_status(200).expect_json("/data/pagination/total", 200_001);
    world.get("/api/contacts").await.expect_status(200);
    world.get(&format!("/api/contacts?jobId={}", uuid(1, 1))).await.expect_status(200);
}

#[tokio::test]
async fn a_job_of_more_than_5_000_contacts_is_searched_as_a_part_of_its_account() {
    let (large, small) = (uuid(1, 1), uuid(1, 2));
    let world = World::with(&[seed("u1").job("COMPLETED", CREATED, 5_001).job("COMPLETED", CREATED, 3)]).await;
    let found = world.get(&format!("/api/contacts?jobId={large}&search=crew&limit=1")).await.expect_status(200);
    found.expect_json("/data/pagination/total", 5_001).expect_json("/data/stats/totalJobs", 1);
    assert_eq!(names(&world, &format!("jobId={large}&search=crew%205000")).await, ["Crew 5000"]);
    assert_eq!(names(&world, &format!("jobId={large}&sortBy=name&sortOrder=asc&limit=3")).await, ["Crew 0", "Crew 1", "Crew 10"]);
    assert_eq!(names(&world, &format!("jobId={small}&search=crew&sortBy=name")).await, ["Crew 2", "Crew 1", "Crew 0"]);
    assert_eq!(names(&world, &format!("jobId={large}&productionId={}", uuid(3, 1))).await, [""; 0]);
    world.get(&format!("/api/contacts/stats?jobId={large}")).await.expect_json("/data/totalContacts", 5_001);
    let before = world.meter();
    let middle = world.get(&format!("/api/contacts?jobId={large}&limit=50&page=51")).await.expect_status(200);
    assert!(world.meter().since(&before).calls() <= 4, "the page that is farthest from both ends");
    assert_eq!(column(&middle, "id").len(), 50);
}

#[tokio::test]
async fn a_deleted_account_is_told_so() {
    let world = World::with(&[crew().deleted()]).await;
    for query in ["search=a".to_owned(), format!("jobId={}&search=a", uuid(1, 1))] {
        world.get(&format!("/api/contacts?{query}")).await.expect_status(401).expect_json("/error", "User not found");
    }
}

#[tokio::test]
async fn a_search_is_503_while_the_table_is_down_and_one_that_is_cached_is_not() {
    let world = World::with(&[crew()]).await;
    assert_eq!(names(&world, "search=ada").await, ["Ada"]);
    world.table_down(true);
    assert_eq!(names(&world, "search=ada").await, ["Ada"]);
    world.get("/api/contacts?search=zoe").await.expect_status(503);
}
