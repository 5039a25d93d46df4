//! The billing endpoints read the mirror: what events told, to its owner only, and at most twice from the table.

use domain::UserId;
use serde_json::{Value, json};
use testkit::servers::Valkey;
use testkit::{World, seed};

use super::stripe::{NOW, deliver, event, pro, rev};

const SUMMARY: &str = "/api/billing/summary";
const OF_CUSTOMER: [&str; 3] = ["/api/billing/customer/cus_1", "/api/billing/billing-history/cus_1", "/api/billing/payment-methods/cus_1"];
const HISTORY: &str = OF_CUSTOMER[1];
const METHODS: &str = OF_CUSTOMER[2];

fn customer() -> Value {
    json!({"id": "cus_1", "object": "customer", "email": "ines@example.test", "name": "Ines Demo", "created": NOW - 900})
}

fn invoice(id: &str, status: &str, created: i64) -> Value {
    json!({"id": id, "object": "invoice", "customer": "cus_1", "status": status, "created": created, "currency": "usd", "number": "A-1",
        "amount_due": 2900, "amount_paid": if status == "paid" { 2900 } else { 0 }, "total": 2900,
        "hosted_invoice_url": "https://invoice.example.test/1", "parent": {"subscription_details": {"subscription": "sub_1"}}})
}

fn card(id: &str, customer: Option<&str>, created: i64) -> Value {
    json!({"id": id, "object": "payment_method", "customer": customer, "type": "card", "created": created,
        "card": {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}})
}

/// A user with a plan, two invoices and a thrown-away draft, and a card of two.
async fn told() -> World {
    told_with(cache::Coherent::memory(cache::Settings::default())).await
}

async fn told_with(cache: cache::Coherent) -> World {
    let world =
        World::with_cache(cache, &[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 12).usage("2026-03", 3), seed("u2")]).await;
    deliver(&world, &pro("evt_1", NOW - 10)).await.expect_json("/outcome", "applied");
    let mut detached = event("evt_8", "payment_method.detached", NOW - 2, card("pm_2", None, NOW - 30));
    detached["data"]["previous_attributes"] = json!({"customer": "cus_1"});
    for event in [
        event("evt_2", "customer.updated", NOW - 9, customer()),
        event("evt_3", "invoice.paid", NOW - 8, invoice("in_1", "paid", NOW - 900)),
        event("evt_4", "invoice.finalized", NOW - 7, invoice("in_2", "open", NOW - 100)),
        event("evt_5", "invoice.deleted", NOW - 6, invoice("in_3", "draft", NOW - 90)),
        event("evt_6", "payment_method.attached", NOW - 5, card("pm_1", Some("cus_1"), NOW - 40)),
        event("evt_7", "payment_method.attached", NOW - 4, card("pm_2", Some("cus_1"), NOW - 30)),
        detached,
    ] {
        deliver(&world, &event).await.expect_json("/outcome", "applied");
    }
    world.settled().await;
    world
}

#[tokio::test]
async fn what_events_told_is_shown_in_stripes_words() {
    let world = told().await;
    let shown = world.get(OF_CUSTOMER[0]).await.expect_status(200).expect_json("/success", true);
    let expected = json!({"id": "cus_1", "object": "customer", "email": "ines@example.test", "name": "Ines Demo", "created": NOW - 900});
    shown.expect_json("/customer", expected).expect_header("x-rev", "9").expect_header("cache-control", "private, no-cache");

    let history = world.get(HISTORY).await.expect_status(200).expect_json("/history/0/id", "in_2").expect_json("/history/1/id", "in_1");
    history.expect_absent("/history/2").expect_json("/history/1/amount_paid", 2900).expect_json("/history/1/subscription", "sub_1");
    history.expect_json("/history/0/object", "invoice").expect_json("/history/0/status", "open");

    let methods = world.get(METHODS).await.expect_status(200).expect_json("/methods/0/id", "pm_1").expect_absent("/methods/1");
    methods.expect_json("/methods/0/type", "card").expect_json("/methods/0/card/last4", "4242");
}

#[tokio::test]
async fn the_summary_has_usage_subscription_invoices_and_cards() {
    let world = told().await;
    let summary = world.get(SUMMARY).await.expect_status(200).expect_header("x-rev", "9");
    summary
        .expect_json("/data/usage/uploadsUsed", 3)
        .expect_json("/data/usage/uploadsLimit", 200)
        .expect_json("/data/usage/totalContacts", 12);
    summary.expect_json("/data/usage/timeSaved", 60).expect_json("/data/usage/daysRemaining", 26);
    let subscription = json!({"hasSubscription": true, "plan": "professional", "planName": "Professional Plan", "status": "active",
        "subscriptionId": "sub_1", "currentPeriodStart": NOW - 500, "currentPeriodEnd": NOW - 500 + 2_678_400, "cancelAtPeriodEnd": false,
        "price": 9900, "interval": "month", "nextBillingDate": NOW - 500 + 2_678_400});
    summary.expect_json("/data/subscription", subscription);
    let paid = json!({"id": "in_1", "amount": 2900, "currency": "usd", "status": "paid", "created": NOW - 900,
        "description": "Subscription Payment", "invoice_pdf": null});
    summary
        .expect_json("/data/billingHistory/1", paid)
        .expect_json("/data/paymentMethods/0/id", "pm_1")
        .expect_absent("/data/paymentMethods/1");

    let free = world.as_user("u2").get(SUMMARY).await.expect_status(200).expect_json("/data/subscription/status", "inactive");
    free.expect_json("/data/billingHistory", json!([])).expect_json("/data/paymentMethods", json!([]));
}

#[tokio::test]
async fn nobody_sees_another_users_customer() {
    let world = told().await;
    for path in OF_CUSTOMER {
        let reply = world.as_user("u2").get(path).await.expect_status(404);
        reply.expect_json("", json!({"success": false, "error": "Customer not found"}));
        for unknown in ["cus_2", "a%23b", "..", "%20", &"x".repeat(256)] {
            let path = path.replace("cus_1", unknown);
            world.get(&path).await.expect_status(404);
        }
        world.anonymous().get(path).await.expect_status(401);
    }
}

#[tokio::test]
async fn a_customer_of_nobody_is_not_shown_until_somebody_is_known() {
    let world = World::with(&[seed("u1")]).await;
    deliver(&world, &event("evt_1", "customer.updated", NOW - 9, customer())).await.expect_json("/outcome", "unlinked");
    world.get(OF_CUSTOMER[0]).await.expect_status(404);
    deliver(&world, &pro("evt_2", NOW - 8)).await.expect_json("/outcome", "applied");
    world.get(OF_CUSTOMER[0]).await.expect_status(200).expect_json("/customer/email", "ines@example.test");
}

#[tokio::test]
async fn a_customer_that_stripe_was_never_asked_about_is_shown_as_far_as_it_is_known() {
    let world = World::with(&[seed("u1").subscription("price_starter_monthly", "active")]).await;
    let shown = world.get("/api/billing/customer/cus_u1").await.expect_status(200).expect_json("/stale", true);
    shown.expect_json("/customer/email", "ines@example.test").expect_json("/customer/id", "cus_u1");
    world.get("/api/billing/billing-history/cus_u1").await.expect_json("/history", json!([])).expect_json("/stale", true);
    world.get(SUMMARY).await.expect_json("/data/subscription/plan", "starter");
}

#[tokio::test]
async fn a_hit_reads_nothing_and_a_miss_at_most_twice() {
    let world = told().await;
    for (path, most) in OF_CUSTOMER.into_iter().zip([1, 2, 2]).chain([(SUMMARY, 2), ("/api/billing/customer", 1)]) {
        let before = world.meter();
        world.get(path).await.expect_status(200);
        let cost = world.meter().since(&before);
        assert!((1..=most).contains(&cost.calls()), "{path}: {cost:?}");
        let before = world.meter();
        let hit = world.get(path).await.expect_status(200);
        assert_eq!(world.meter().since(&before).calls(), 0, "{path}");
        let etag = hit.headers["etag"].to_str().unwrap();
        world.send("GET", path, &[("if-none-match", etag)], b"").await.expect_status(304);
    }
}

/// Every endpoint of the contract that reads billing state, of customer `cus_1`.
fn every_read() -> Vec<String> {
    let reads = web::endpoints::ENDPOINTS.iter().filter(|endpoint| endpoint.method == "GET" && endpoint.path.starts_with("/api/billing/"));
    let paths: Vec<String> = reads
        .map(|endpoint| {
            let (start, parameter) = endpoint.path.split_once('{').unwrap_or((endpoint.path, ""));
            if parameter.is_empty() { start.to_owned() } else { format!("{start}cus_1") }
        })
        .collect();
    assert!(paths.len() >= 6, "{paths:?}");
    paths
}

/// Calls to Stripe that the app tried to make, and those that Stripe has seen.
fn calls_to_stripe(world: &World) -> (u64, u64) {
    (world.app().stripe_client().unwrap().calls(), world.stripe().calls())
}

#[tokio::test]
async fn no_read_asks_stripe_whether_it_is_a_miss_a_hit_or_fails() {
    let world = told().await;
    assert_eq!(calls_to_stripe(&world), (0, 0));
    for path in every_read() {
        // The catalogue was read in init.
        let least = u64::from(path != "/api/billing/plans");
        let before = world.meter();
        world.get(&path).await.expect_status(200);
        let miss = world.meter().since(&before).calls();
        assert!((least..=2).contains(&miss), "{path}: {miss} reads of the table");
        let before = world.meter();
        world.get(&path).await.expect_status(200);
        assert_eq!(world.meter().since(&before).calls(), 0, "{path}");
        world.as_user("u2").get(&path).await;
        assert_eq!(calls_to_stripe(&world), (0, 0), "{path}");
    }
    world.table_down(true);
    for path in every_read() {
        world.get(&path).await;
        assert_eq!(calls_to_stripe(&world), (0, 0), "{path}");
    }
}

#[tokio::test]
async fn while_stripe_refuses_connections_every_read_answers_and_nobody_tries_to_connect() {
    for cold in [true, false] {
        let valkey = Valkey::start();
        let world = told_with(valkey.cache().await).await;
        if !cold {
            for path in every_read() {
                world.get(&path).await.expect_status(200);
            }
        }
        world.stripe().refuse(true);
        for path in every_read() {
            world.get(&path).await.expect_status(200).expect_json("/success", true);
        }
        for path in ["/api/dashboard/data", "/api/dashboard/summary", "/api/usage/current", "/api/usage/limits", "/api/usage/can-upload"] {
            world.get(path).await.expect_status(200);
        }
        // Also of a customer that Stripe was never asked about.
        world.as_user("u3").get("/api/billing/summary").await.expect_status(200);
        assert_eq!(calls_to_stripe(&world), (0, 0), "cold {cold}");
    }
}

#[tokio::test]
async fn what_an_event_changes_is_shown_by_the_next_read() {
    let world = told().await;
    for path in OF_CUSTOMER.into_iter().chain([SUMMARY]) {
        world.get(path).await.expect_status(200).expect_header("x-rev", "9");
    }
    deliver(&world, &event("evt_9", "invoice.paid", NOW - 1, invoice("in_2", "paid", NOW - 100))).await.expect_json("/outcome", "applied");
    world.get(HISTORY).await.expect_json("/history/0/status", "paid").expect_header("x-rev", "10");
    world.get(SUMMARY).await.expect_json("/data/billingHistory/0/amount", 2900);
}

#[tokio::test]
async fn while_the_table_is_down_the_last_known_state_is_shown_and_marked() {
    let world = told().await;
    let paths = || OF_CUSTOMER.into_iter().chain([SUMMARY, "/api/billing/customer"]);
    for path in paths() {
        let reply = world.get(path).await.expect_status(200);
        // Stripe was never asked about this customer: what is shown of it may be incomplete.
        assert_eq!(reply.json["stale"] == true, OF_CUSTOMER.contains(&path), "{path}");
    }
    deliver(&world, &event("evt_9", "customer.updated", NOW - 1, customer())).await.expect_json("/outcome", "applied");
    world.table_down(true);
    for path in paths() {
        let reply = world.get(path).await.expect_status(200).expect_json("/stale", true).expect_json("/success", true);
        reply.expect_header("x-rev", "9");
    }
    world.as_user("u2").get(SUMMARY).await.expect_status(503);
}

#[tokio::test]
async fn a_deleted_account_sees_nothing() {
    let world = World::with(&[seed("u1").subscription("price_starter_monthly", "active").deleted()]).await;
    for path in ["/api/billing/customer/cus_u1", "/api/billing/billing-history/cus_u1", SUMMARY] {
        world.get(path).await.expect_status(401).expect_json("/error", "User not found");
    }
}

#[tokio::test]
async fn an_import_links_a_customer_whose_events_came_before() {
    let world = World::new().await;
    let mut object = super::stripe::subscription("sub_u1", "price_professional_monthly", "active", NOW - 500, None);
    object["customer"] = json!("cus_u1");
    deliver(&world, &event("evt_1", "customer.subscription.created", NOW - 10, object)).await.expect_json("/outcome", "unlinked");
    world.import(&seed("u1").subscription("price_starter_monthly", "active")).await;
    world.settled().await;
    world.get("/api/billing/customer").await.expect_json("/plan", "professional").expect_json("/subscriptionId", "sub_u1");
    let linked = world.table().own_customer(&UserId::parse("u1").unwrap(), "cus_u1").await.unwrap().value.unwrap();
    assert_eq!(linked.meta.user.unwrap().as_str(), "u1");
    let before = rev(&world).await;
    world.import(&seed("u1").subscription("price_starter_monthly", "active")).await;
    assert_eq!(rev(&world).await, before, "the same import again changes nothing");
}

#[tokio::test]
async fn an_import_takes_no_customer_from_another_user() {
    let world = World::with(&[seed("u1")]).await;
    let mut object = super::stripe::subscription("sub_2", "price_professional_monthly", "active", NOW - 500, Some("u1"));
    object["customer"] = json!("cus_u2");
    deliver(&world, &event("evt_1", "customer.subscription.created", NOW - 10, object)).await.expect_json("/outcome", "applied");
    world.import(&seed("u2").subscription("price_starter_monthly", "active")).await;
    world.get("/api/billing/customer").await.expect_json("/plan", "professional");
    world.as_user("u2").get("/api/billing/customer/cus_u2").await.expect_status(404);
}

#[tokio::test]
async fn the_stream_repeats_that_the_catalogue_changed() {
    let world = World::new().await;
    world.get("/api/billing/plans").await.expect_status(200);
    // The process forgets after a minute; the shared cache would keep the catalogue for an hour.
    let calls_at = async |now: &str| {
        world.set_now(now);
        let before = world.meter();
        world.get("/api/billing/plans").await.expect_status(200);
        world.meter().since(&before).calls()
    };
    assert_eq!(calls_at("2026-03-05T09:31:05.000Z").await, 0);
    let keys = json!({"pk": {"S": "CATALOG"}, "sk": {"S": "PLANS"}});
    let record = json!({"eventID": "1", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb", "awsRegion": "us-east-1",
        "dynamodb": {"Keys": keys, "NewImage": keys, "SequenceNumber": "100000000000000000001", "SizeBytes": 9,
            "ApproximateCreationDateTime": 1_772_703_001, "StreamViewType": "NEW_AND_OLD_IMAGES"}});
    let batch = serde_json::from_value(json!({"Records": [record]})).unwrap();
    let response = local::functions::ON_TABLE_STREAM(world.app(), batch).await.unwrap();
    assert!(response.batch_item_failures.is_empty() && world.letters().all().is_empty());
    assert_eq!(calls_at("2026-03-05T09:32:10.000Z").await, 1);
}
