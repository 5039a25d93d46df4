//! Contacts changed and deleted by their ids.

use serde_json::{Value, json};
use testkit::{Reply, World, seed, uuid};

fn path(n: u64) -> String {
    format!("/api/contacts/{}", uuid(2, n))
}

async fn world() -> World {
    World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:00:00.000Z", 3), seed("u2")]).await
}

async fn patch(world: &World, path: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
    let headers: Vec<_> = [("content-type", "application/json")].into_iter().chain(headers.iter().copied()).collect();
    world.send("PATCH", path, &headers, body.to_string().as_bytes()).await
}

#[tokio::test]
async fn a_changed_contact_shows_everywhere_on_the_next_read() {
    let world = world().await;
    world.get("/api/dashboard/summary").await.expect_json("/data/metrics/totalContacts", 3);
    world.get("/api/contacts/stats").await.expect_json("/data/contactsByRole/0", json!({"role": "Best Boy", "count": 2}));
    world.get("/api/contacts?page=1").await.expect_json("/data/stats/withEmail", 3);

    let body = json!({"name": " Mara  Quill ", "email": null, "phone": " ", "role": "Grip", "company": "Westbeam", "isSelected": false});
    let reply = patch(&world, &path(1), &[], &body).await.expect_status(200);
    reply
        .expect_json("/success", true)
        .expect_json("/data/name", "Mara Quill")
        .expect_json("/data/email", Value::Null)
        .expect_json("/data/phone", Value::Null)
        .expect_json("/data/company", "Westbeam")
        .expect_json("/data/isSelected", false)
        .expect_json("/data/createdAt", "2026-03-04T10:00:00.000Z")
        .expect_json("/data/updatedAt", testkit::NOW)
        .expect_json("/data/job/productionId", Value::Null)
        .expect_header("etag", "\"2\"")
        .expect_header("cache-control", "no-store")
        .expect_header("x-rev", "2");
    assert!(reply.header("set-cookie").expect("a cookie").starts_with("rev=2."));

    world.get(&path(1)).await.expect_json("", reply.json.clone()).expect_header("etag", "\"2\"");
    world.get("/api/contacts?page=1").await.expect_json("/data/stats/withEmail", 2).expect_json("/data/stats/withPhone", 0);
    let roles = json!([{"role": "Best Boy", "count": 1}, {"role": "Grip", "count": 1}, {"role": "Stylist", "count": 1}]);
    world.get("/api/contacts/stats").await.expect_json("/data/contactsByRole", roles).expect_json("/data/withEmail", 2);
    world.get("/api/dashboard/summary").await.expect_json("/data/metrics/totalContacts", 3);
}

#[tokio::test]
async fn what_is_so_already_raises_nothing() {
    let world = world().await;
    let reply = patch(&world, &path(1), &[], &json!({"name": "Crew 0", "email": "CREW0@example.test"})).await.expect_status(200);
    reply.expect_header("x-rev", "1").expect_header("etag", "\"1\"").expect_json("/data/updatedAt", "2026-03-04T10:00:00.000Z");
    assert!(reply.header("set-cookie").is_none());
}

#[tokio::test]
async fn a_stale_version_changes_nothing() {
    let world = world().await;
    let seen = world.get(&path(1)).await.header("etag").expect("a version").to_owned();
    patch(&world, &path(1), &[("if-match", &seen)], &json!({"role": "Grip"})).await.expect_status(200).expect_header("etag", "\"2\"");
    for stale in [seen.as_str(), "W/\"2\"", "2", "\"1\", \"3\"", ""] {
        let reply = patch(&world, &path(1), &[("if-match", stale)], &json!({"role": "Gaffer"})).await.expect_status(412);
        reply.expect_json("", json!({"success": false, "error": "Contact was changed meanwhile"}));
    }
    for current in ["*", "\"1\", \"2\""] {
        patch(&world, &path(1), &[("if-match", current)], &json!({"role": "Grip"})).await.expect_status(200).expect_header("etag", "\"2\"");
    }
    // What would fail without the precondition fails as it would without it.
    patch(&world, &path(99), &[("if-match", "*")], &json!({"role": "Grip"})).await.expect_status(404);
    patch(&world, &path(1), &[("if-match", "\"1\"")], &json!({"role": 1})).await.expect_status(400);
}

#[tokio::test]
async fn of_two_who_change_the_same_version_one_is_told() {
    let world = world().await;
    let bodies = ["Grip", "Gaffer"].map(|role| json!({"role": role}));
    let (path, headers) = (path(1), [("if-match", "\"1\"")]);
    let (a, b) = tokio::join!(patch(&world, &path, &headers, &bodies[0]), patch(&world, &path, &headers, &bodies[1]),);
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    world.get(&path).await.expect_header("etag", "\"2\"").expect_header("x-rev", "2");
}

#[tokio::test]
async fn other_peoples_contacts_and_bad_changes_are_refused() {
    let world = world().await;
    for missing in [path(99), "/api/contacts/nonsense".to_owned()] {
        patch(&world, &missing, &[], &json!({"role": "Grip"})).await.expect_status(404).expect_json("/error", "Contact not found");
    }
    let body = json!({"role": "Grip"}).to_string();
    let json_type = [("content-type", "application/json")];
    world.as_user("u2").send("PATCH", &path(1), &json_type, body.as_bytes()).await.expect_status(404);
    world.anonymous().send("PATCH", &path(1), &json_type, body.as_bytes()).await.expect_status(401);
    world.send("PATCH", &path(1), &[("content-type", "text/plain")], body.as_bytes()).await.expect_status(415);
    world.send("PATCH", &path(1), &[], b"").await.expect_status(400).expect_json("/error", "body: required");
    world.send("PATCH", &path(1), &json_type, b"{").await.expect_status(400).expect_json("/error", "Invalid JSON");
    world.send("PATCH", &path(1), &json_type, &vec![b' '; 1_048_577]).await.expect_status(413);
    let long = "x".repeat(256);
    for (body, error) in [
        (json!({}), "body: names no field"),
        (json!([]), "body: must be an object"),
        (json!({"id": uuid(2, 9)}), "body: only name, email, phone, role, company and isSelected can be changed"),
        (json!({"role": "Grip", "cv": 7}), "body: only name, email, phone, role, company and isSelected can be changed"),
        (json!({"name": null}), "name: must be text"),
        (json!({"name": "  "}), "name: must not be blank"),
        (json!({"name": long}), "name: at most 255 characters"),
        (json!({"email": "mara"}), "email: must look like name@host.tld, in at most 255 characters"),
        (json!({"phone": 7}), "phone: must be text or null"),
        (json!({"phone": "1".repeat(51)}), "phone: at most 50 characters"),
        (json!({"role": "x".repeat(101)}), "role: at most 100 characters"),
        (json!({"company": long}), "company: at most 255 characters"),
        (json!({"isSelected": null}), "isSelected: must be true or false"),
        (json!({"isSelected": "true"}), "isSelected: must be true or false"),
    ] {
        patch(&world, &path(1), &[], &body).await.expect_status(400).expect_json("/error", error);
    }
    world.get(&path(1)).await.expect_header("etag", "\"1\"").expect_header("x-rev", "1");
}

fn ids(range: impl Iterator<Item = u64>) -> Vec<String> {
    range.map(|n| uuid(2, n)).collect()
}

#[tokio::test]
async fn a_selection_is_deleted_once_and_a_repeat_finds_nothing() {
    let world = world().await;
    let mut selection = ids(1..=2);
    selection.extend([uuid(2, 1).to_uppercase(), uuid(2, 77)]);
    let body = json!({"ids": selection});

    let foreign = world.as_user("u2").post("/api/contacts/delete", &body).await.expect_status(200);
    foreign.expect_json("", json!({"success": true, "data": {"deleted": 0}}));

    let reply = world.post("/api/contacts/delete", &body).await.expect_status(200);
    reply.expect_json("", json!({"success": true, "data": {"deleted": 2}})).expect_header("x-rev", "2");
    assert!(reply.header("set-cookie").expect("a cookie").starts_with("rev=2."));
    world.get("/api/contacts?page=1").await.expect_json("/data/pagination/total", 1);
    world.get("/api/dashboard/activity").await.expect_json("/data/0/contactsCount", 1);

    let again = world.post("/api/contacts/delete", &body).await.expect_status(200);
    again.expect_json("/data/deleted", 0).expect_header("x-rev", "2");
    assert!(again.header("set-cookie").is_none());
}

#[tokio::test]
async fn bad_selections_delete_nothing() {
    let world = world().await;
    for body in [json!({}), json!({"ids": []}), json!({"ids": "x"}), json!({"ids": null}), json!({"ids": vec![uuid(2, 1); 501]})] {
        let reply = world.post("/api/contacts/delete", &body).await.expect_status(400);
        reply.expect_json("/error", "ids: must be 1 to 500 contact ids");
    }
    for bad in [json!("x"), json!(1), json!(null), json!(uuid(2, 1).replace('-', ""))] {
        let reply = world.post("/api/contacts/delete", &json!({"ids": [uuid(2, 1), bad]})).await.expect_status(400);
        reply.expect_json("/error", "ids: each must be a valid UUID");
    }
    world.post("/api/contacts/delete", &json!([])).await.expect_status(400).expect_json("/error", "body: must be an object");
    world.send("POST", "/api/contacts/delete", &[], b"").await.expect_status(400).expect_json("/error", "body: required");
    world.post_raw("/api/contacts/delete", "text/plain", b"{}").await.expect_status(415);
    world.anonymous().post("/api/contacts/delete", &json!({"ids": [uuid(2, 1)]})).await.expect_status(401);
    world.get("/api/contacts?page=1").await.expect_json("/data/pagination/total", 3);
}

#[tokio::test]
async fn a_large_selection_that_is_cut_off_is_finished_by_a_repeat() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-04T10:00:00.000Z", 510)]).await;
    let body = json!({"ids": ids(1..=500)});
    let mut transactions = 0;
    world.faults().plan(move |call| {
        transactions += u32::from(call.operation == "TransactWriteItems");
        (call.operation == "TransactWriteItems" && transactions == 5).then_some(testkit::Fault::CrashAfter)
    });
    assert!(world.faults().unless_crashed(world.post("/api/contacts/delete", &body)).await.is_none());
    world.faults().clear();
    // Five transactions of 40 were applied.
    let user = domain::UserId::parse("u1").unwrap();
    assert_eq!(world.table().root(&user).await.unwrap().unwrap().contacts.all, 310);

    let before = world.meter();
    world.post("/api/contacts/delete", &body).await.expect_status(200).expect_json("/data/deleted", 300);
    let writes = world.meter().since(&before).of(store::meter::Operation::TransactWrite);
    assert_eq!(writes, 8, "300 contacts, at most 40 in a transaction");
    world.get("/api/contacts?page=1").await.expect_json("/data/pagination/total", 10);
    let rebuilt = world.table().rebuild(&user, testkit::NOW.parse().unwrap()).await.unwrap();
    assert_eq!(rebuilt.differences, Vec::<String>::new());
}

#[tokio::test]
async fn roles_that_do_not_fit_into_the_stats_are_counted_too() {
    let role = |n: u64| format!("{n:03} {}", "é".repeat(90));
    let data = (1..=400).fold(seed("u1").job("COMPLETED", "2026-03-04T10:00:00.000Z", 0), |data, n| data.contact(json!({"role": role(n)})));
    let world = World::with(&[data]).await;
    for n in 391..=400 {
        patch(&world, &path(n), &[], &json!({"role": role(n - 300)})).await.expect_status(200);
    }
    world.delete(&path(390)).await.expect_status(200);
    world.post("/api/contacts/delete", &json!({"ids": ids(290..=389)})).await.expect_status(200).expect_json("/data/deleted", 100);
    let stats = world.get("/api/contacts/stats").await.expect_status(200);
    let groups = stats.json["data"]["contactsByRole"].as_array().unwrap();
    assert_eq!((groups.len(), groups.iter().filter(|group| group["count"] == 2).count()), (289, 10));
}
