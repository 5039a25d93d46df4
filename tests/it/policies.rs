//! The functions' permissions in template.yaml: worlds refuse what they do not grant (`testkit::policies`), so every scenario proves that they
//! grant enough; here is that they grant no more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testkit::policies::{Asked, Policies, acting_as, fits};
use testkit::{Seed, World, seed, uuid};

use super::quarantine::reprocess;
use super::stripe::{NOW, deliver, event, subscription};

/// What a function may do and nothing asked for: `function: action`, `function: resource` or `function: key`.
fn unused(policies: &Policies) -> BTreeSet<String> {
    let used = policies.used();
    let mut unused = BTreeSet::new();
    for (function, statements) in policies.statements().iter().filter(|(function, _)| !ELSEWHERE.contains(&function.as_str())) {
        for statement in statements {
            let asked = used.iter().filter(|(by, asked)| by == function && statement.allows(asked)).map(|(_, asked)| asked);
            let asked: Vec<&Asked> = asked.collect();
            let idle = |what: &&String, place: fn(&str, &Asked) -> bool| !asked.iter().any(|asked| place(what, asked));
            let actions = statement.actions.iter().filter(|what| idle(what, |action, asked| asked.action == action));
            let resources = statement.resources.iter().filter(|what| idle(what, |resource, asked| asked.resource == resource));
            let keys = statement.keys.iter().filter(|what| idle(what, |pattern, asked| fits(pattern, &asked.key)));
            unused.extend(actions.chain(resources).chain(keys).map(|what| format!("{function}: {what}")));
        }
    }
    unused
}

/// An account of which every part is large enough to need what is rare: groups of their own, several buckets and chunks, more jobs than the
/// feed shows, a file name that the root leaves out.
fn large(user: &str) -> Seed {
    let mut data = seed(user).subscription("price_starter_monthly", "active");
    for n in 1..=10 {
        data = data.job("COMPLETED", &format!("2026-02-{n:02}T10:00:00.000Z"), 10);
    }
    data = data.job("COMPLETED", "2026-02-20T10:00:00.000Z", 600);
    for n in 0..260 {
        data = data.contact(json!({"role": format!("{n:0100}"), "createdAt": "2026-02-20T11:00:00.000Z"}));
    }
    let long = json!({"createdAt": "2026-03-01T10:00:00.000Z", "fileName": format!("{}.pdf", "x".repeat(120))});
    data.job("COMPLETED", "2026-02-28T10:00:00.000Z", 1).job_with(long, 1)
}

/// Reads everything of an account that can be read.
async fn read_all(world: &World) {
    let job = uuid(1, 1);
    for endpoint in web::endpoints::ENDPOINTS.iter().filter(|endpoint| endpoint.method == "GET") {
        let path = endpoint.path.replace("{id}", &uuid(2, 1)).replace("{customerId}", "cus_u1");
        world.get(&path).await.expect_status(200);
    }
    for path in [
        format!("/api/contacts/export?jobId={job}"),
        format!("/api/contacts/stats?jobId={job}"),
        format!("/api/contacts?jobId={job}"),
        "/api/contacts?page=5&limit=100".into(),
    ] {
        world.get(&path).await.expect_status(200);
    }
    world.post("/api/session/warm", &json!({})).await.expect_status(202);
    world.get("/api/nothing").await.expect_status(404);
}

/// Changes an account in every way that touches other items.
async fn change_all(world: &World) {
    // Of roles with an item of their own, and the only ones of the two newest jobs with contacts.
    let change = json!({"role": "Stylist"}).to_string();
    let json_type = [("content-type", "application/json")];
    world.send("PATCH", &format!("/api/contacts/{}", uuid(2, 950)), &json_type, change.as_bytes()).await.expect_status(200);
    world.post("/api/contacts/delete", &json!({"ids": [uuid(2, 940), uuid(2, 962)]})).await.expect_status(200);
    for contact in [uuid(2, 930), uuid(2, 961)] {
        world.delete(&format!("/api/contacts/{contact}")).await.expect_status(200);
    }
    let rows: Value = (0..90).map(|n| json!({"name": format!("Crew {n}"), "role": format!("{n:0100}")})).collect();
    world.post("/api/extraction/save-contacts", &json!({"jobId": uuid(1, 11), "contacts": rows})).await.expect_status(200);
    // More than a bucket holds.
    let rows: Value = (0..300).map(|n| json!({"name": format!("Crew {n}")})).collect();
    world.post("/api/extraction/save-contacts", &json!({"contacts": rows})).await.expect_status(200);
    world.as_user("new").post("/api/extraction/save-contacts", &json!({"contacts": [{"name": "Mara"}]})).await.expect_status(200);
    for job in [11, 12, 3] {
        world.delete(&format!("/api/extraction/job/{}", uuid(1, job))).await.expect_status(200);
    }
}

/// Buys as a user without a customer, and moves and ends the subscription of another.
async fn buy(world: &World) {
    world.stripe().subscribe("cus_u1", "sub_u1", "u1", "price_starter_monthly");
    let wish = json!({"priceId": "price_professional_monthly", "subscriptionId": "sub_u1"});
    world.as_user("buyer").post("/api/billing/create-checkout-session", &wish).await.expect_status(200);
    for path in ["create-portal-session", "update-subscription", "cancel-subscription"] {
        world.post(&format!("/api/billing/{path}"), &wish).await.expect_status(200);
    }
}

/// Events of each kind that Stripe's webhook tells apart, and a quarantined one that runs again.
async fn bill(world: &World) {
    let theirs = subscription("sub_0", "price_starter_monthly", "canceled", NOW - 900, Some("u2"));
    deliver(world, &event("evt_0", "customer.subscription.deleted", NOW - 900, theirs)).await.expect_json("/outcome", "applied");
    // Of a user that has no account yet.
    let stolen = subscription("sub_1", "price_professional_monthly", "active", NOW - 500, Some("u3"));
    deliver(world, &event("evt_1", "customer.subscription.updated", NOW - 10, stolen)).await.expect_json("/outcome", "parked");
    assert_eq!(reprocess(world, "evt_1").await["result"], "kept");
    world.remove("CUS#cus_1", "META").await;
    assert_eq!(reprocess(world, "evt_1").await["result"], "done");
    let price =
        json!({"id": "price_new", "object": "price", "product": "prod_starter", "active": true, "unit_amount": 2900, "currency": "usd"});
    deliver(world, &event("evt_2", "price.created", NOW - 10, price)).await.expect_status(200);
}

/// Starts every function: what init reads.
async fn start_all(world: &World) {
    for (n, function) in world.policies().statements().keys().enumerate() {
        // The catalogue is kept for a minute: two minutes later it is read again.
        world.set_now(&format!("2026-03-06T{:02}:{:02}:00.000Z", 2 * n / 60, 2 * n % 60));
        acting_as(function, world.app().load()).await;
    }
}

/// Permissions that no scenario needs, and why they are there.
const EXPLAINED: &[(&str, &str)] =
    &[("reprocess-event: CATALOG", "an event of the catalogue can be in quarantine when a version could not read it; the next one can")];

/// Functions that ask another server besides the table: their own scenarios run under their policies, but not here.
const ELSEWHERE: &[&str] = &[
    "cancel-subscription",
    "create-checkout-session",
    "create-portal-session",
    "on-stripe-refetch",
    "reconcile-stripe",
    "refresh-jwks",
    "update-subscription",
];

#[tokio::test]
async fn no_function_may_do_what_it_never_does() {
    let world = World::with_cache_off(&[large("u1")]).await;
    read_all(&world).await;
    change_all(&world).await;
    buy(&world).await;
    bill(&world).await;
    start_all(&world).await;
    let explained: BTreeMap<&str, &str> = EXPLAINED.iter().copied().collect();
    let unused = unused(world.policies());
    let unexplained: Vec<&String> = unused.iter().filter(|what| !explained.contains_key(what.as_str())).collect();
    assert!(unexplained.is_empty(), "template.yaml grants more than is used: {unexplained:#?}");
    for what in explained.keys() {
        assert!(unused.contains(*what), "{what} is used: it needs no explanation");
    }
}

/// A template with one function that may read users.
fn small(statement: &str) -> Policies {
    Policies::of_template(&format!(
        "Resources: {{F: {{Properties: {{CodeUri: target/lambda/f/, Policies: [{{Statement: [{{Effect: Allow, {statement}}}]}}]}}}}}}"
    ))
}

#[test]
fn a_statement_allows_its_actions_on_its_places_for_its_keys_and_no_other() {
    let policies = small(
        "Action: dynamodb:Query, Resource: [!Sub '${Table.Arn}/index/lsi1'], Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': ['USER#*', CATALOG]}}",
    );
    let statement = &policies.statements()["f"][0];
    let allows = |action: &str, resource: &str, key: &str| {
        statement.allows(&Asked { action: action.into(), resource: resource.into(), key: key.into() })
    };
    assert!(allows("Query", "lsi1", "USER#u1") && allows("Query", "lsi1", "CATALOG"));
    assert!(!allows("GetItem", "lsi1", "USER#u1") && !allows("Query", "table", "USER#u1"));
    assert!(!allows("Query", "lsi1", "CUS#c") && !allows("Query", "lsi1", "CATALOGUE"));
}

#[test]
#[should_panic(expected = "names no keys")]
fn a_statement_that_names_no_keys_is_refused() {
    small("Action: [dynamodb:GetItem], Resource: !GetAtt Table.Arn");
}
