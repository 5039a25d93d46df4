//! Buying, moving and ending a subscription, with a Stripe that answers, one that does not, and one that is asked twice at once.

use futures::future::join_all;
use http::Method;
use local::fake_stripe::{Action, Fault, Manner, Order, Shape};
use serde_json::{Value, json};
use testkit::servers::Valkey;
use testkit::{Online, Reply, World, seed};

const CHECKOUT: &str = "/api/billing/create-checkout-session";
const PORTAL: &str = "/api/billing/create-portal-session";
const CANCEL: &str = "/api/billing/cancel-subscription";
const UPDATE: &str = "/api/billing/update-subscription";
const CUSTOMER: &str = "/api/billing/customer";
const STARTER: &str = "price_starter_monthly";
const PROFESSIONAL: &str = "price_professional_monthly";

fn price(id: &str) -> Value {
    json!({"priceId": id})
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

async fn checkout(online: &Online<'_>, price_id: &str) -> String {
    let reply = online.send(Method::POST, "u1", CHECKOUT, Some(&price(price_id))).await.expect_status(200);
    text(&reply.json["sessionId"])
}

/// Buys a plan as `u1`: the id of the subscription, once the webhook has taken everything.
async fn buy(online: &Online<'_>, price_id: &str) -> String {
    let session = checkout(online, price_id).await;
    let bought = online.stripe().act(Action::CompleteCheckout(&session)).unwrap();
    online.stripe().settled().await;
    text(&bought["id"])
}

/// What every page says of `u1` on the very next request.
async fn expect_plan(online: &Online<'_>, plan: &str, status: &str) {
    let limit = match plan {
        "starter" => 50,
        "professional" => 200,
        _ => 1,
    };
    let customer = online.get("u1", CUSTOMER).await.expect_status(200);
    customer.expect_json("/plan", plan).expect_json("/status", status);
    online.get("u1", "/api/usage/limits").await.expect_json("/data/usage/uploadsLimit", limit);
    let dashboard = online.get("u1", "/api/dashboard/data").await.expect_status(200);
    dashboard.expect_json("/data/planInfo/id", plan).expect_json("/data/metrics/totalContacts", 3);
}

async fn over_valkey(valkey: &Valkey) -> World {
    let seed = seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3);
    World::with_cache(valkey.cache().await, &[seed, testkit::seed("u2")]).await
}

#[tokio::test]
async fn what_happens_at_stripe_shows_on_the_very_next_request() {
    let valkey = Valkey::start();
    let world = over_valkey(&valkey).await;
    for (minute, shape) in [(31, Shape::Current), (32, Shape::Old)] {
        world.stripe().set_shape(shape);
        let online = world.online().await;
        expect_plan(&online, "free", "inactive").await;
        let subscription = buy(&online, STARTER).await;
        expect_plan(&online, "starter", "active").await;
        online.get("u1", CUSTOMER).await.expect_json("/subscriptionId", subscription.as_str());
        let happens = async |action: Action<'_>, plan: &str, status: &str| {
            online.stripe().act(action).unwrap();
            online.stripe().settled().await;
            expect_plan(&online, plan, status).await;
        };
        let id = subscription.as_str();
        // Steps a second apart, as they are at Stripe at the least.
        for (second, (action, plan, status)) in (1..).zip([
            (Action::FailPayment(id), "starter", "past_due"),
            (Action::Renew(id), "starter", "active"),
            (Action::Pause(id), "free", "paused"),
            (Action::Resume(id), "starter", "active"),
            (Action::CancelAtPeriodEnd(id), "starter", "active"),
            (Action::Resume(id), "starter", "active"),
            (Action::ChangePrice(id, PROFESSIONAL), "professional", "active"),
            (Action::Cancel(id), "free", "inactive"),
        ]) {
            world.set_now(&format!("2026-03-05T09:{minute}:{second:02}.000Z"));
            happens(action, plan, status).await;
        }
    }
    let told = world.stripe().events().len();
    assert!(told > 30 && world.stripe().undelivered().is_empty());
}

#[tokio::test]
async fn the_same_wish_twice_is_one_session_until_it_is_used_up() {
    let world = World::with(&[seed("u1")]).await;
    let online = world.online().await;
    let sessions = join_all((0..10).map(|_| checkout(&online, STARTER))).await;
    assert!(sessions.iter().all(|session| *session == sessions[0]), "{sessions:?}");
    assert_eq!((world.stripe().objects("customer").len(), world.stripe().objects("checkout.session").len()), (1, 1));
    assert_ne!(checkout(&online, PROFESSIONAL).await, sessions[0], "another price is another wish");

    let customer = world.stripe().objects("customer").remove(0);
    assert_eq!((&customer["metadata"]["userId"], &customer["email"]), (&json!("u1"), &json!("u1@example.test")));
    let session = world.stripe().object(&sessions[0]).unwrap();
    assert_eq!((&session["client_reference_id"], &session["customer"]), (&json!("u1"), &customer["id"]));

    world.stripe().act(Action::ExpireCheckout(&sessions[0])).unwrap();
    let second = checkout(&online, STARTER).await;
    assert_eq!((second != sessions[0], checkout(&online, STARTER).await == second), (true, true));
    let bought = world.stripe().act(Action::CompleteCheckout(&second)).unwrap();
    world.stripe().act(Action::Cancel(&text(&bought["id"]))).unwrap();
    world.stripe().settled().await;
    let third = checkout(&online, STARTER).await;
    assert!(third != second && world.stripe().object(&third).unwrap()["status"] == "open", "nobody is sent to a paid session");
    let wish = price(STARTER);
    let keyed = async |key: &str| online.send_with(Method::POST, "u1", CHECKOUT, Some(&wish), &[("idempotency-key", key)]).await;
    let (one, again, other) = (keyed("a").await, keyed("a").await, keyed("b").await);
    assert_eq!(one.expect_status(200).json, again.json);
    assert_ne!(one.json, other.json, "the client's own key tells wishes apart");
    assert_eq!(world.stripe().objects("customer").len(), 1);
}

#[tokio::test]
async fn who_is_subscribed_is_asked_to_confirm_the_change_and_never_pays_twice() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    let online = world.online().await;
    let subscription = buy(&online, STARTER).await;
    let visits = join_all((0..5).map(|_| checkout(&online, PROFESSIONAL))).await;
    assert!(visits.iter().all(|visit| *visit == visits[0]), "{visits:?}");
    let visit = world.stripe().object(&visits[0]).unwrap();
    let change = &visit["flow"]["subscription_update_confirm"];
    assert_eq!((&visit["object"], &change["subscription"]), (&json!("billing_portal.session"), &json!(subscription)));
    assert_eq!(visit["flow"]["after_completion"]["redirect"]["return_url"], "https://app.example.test/billing?checkout=success");
    expect_plan(&online, "starter", "active").await;

    world.set_now("2026-03-05T09:31:00.000Z");
    world.stripe().act(Action::CompleteCheckout(&visits[0])).unwrap();
    world.stripe().settled().await;
    expect_plan(&online, "professional", "active").await;
    assert_eq!(world.stripe().objects("subscription").len(), 1);

    // The same price again: there is nothing to confirm, and nothing is sold.
    let visit = world.stripe().object(&checkout(&online, PROFESSIONAL).await).unwrap();
    assert!(visit["object"] == "billing_portal.session" && visit["flow"].is_null());
    for (second, status) in ["past_due", "unpaid", "paused"].into_iter().enumerate() {
        let mut object = world.stripe().object(&subscription).unwrap();
        object["status"] = json!(status);
        world.stripe().put(object.clone());
        world.set_now(&format!("2026-03-05T09:32:{second:02}.000Z"));
        world.stripe().tell("customer.subscription.updated", &object);
        world.stripe().settled().await;
        assert!(checkout(&online, STARTER).await.starts_with("bps_"), "{status}");
    }
    // Stripe knows that it has ended, and nobody has told yet.
    let mut object = world.stripe().object(&subscription).unwrap();
    object["status"] = json!("canceled");
    world.stripe().put(object);
    assert!(checkout(&online, STARTER).await.starts_with("cs_"));
    world.stripe().remove(&subscription);
    assert!(checkout(&online, STARTER).await.starts_with("cs_"));
}

#[tokio::test]
async fn a_key_that_stripe_does_not_take_stops_purchases_until_it_is_changed_and_nothing_else() {
    let world = World::with(&[seed("u1").subscription(STARTER, "active").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    world.stripe().subscribe("cus_u1", "sub_u1", "u1", STARTER);
    let body = json!({"priceId": PROFESSIONAL, "subscriptionId": "sub_u1"});
    for status in [401, 403] {
        for path in [CHECKOUT, PORTAL, CANCEL, UPDATE] {
            let before = world.stripe().calls();
            world.stripe().fault(Fault::Status(status), 1);
            let reply = world.post(path, &body).await.expect_status(503).expect_header("retry-after", "60");
            reply.expect_json("", json!({"success": false, "error": "Service unavailable"}));
            assert_eq!(world.stripe().calls(), before + 1, "{path}: another try would not help");
        }
        world.get(CUSTOMER).await.expect_status(200).expect_json("/plan", "starter");
    }
    world.post(CHECKOUT, &body).await.expect_status(200);
}

#[tokio::test]
async fn a_customer_that_stripe_deleted_is_followed_by_one_other() {
    let world = World::with(&[seed("u1")]).await;
    let online = world.online().await;
    buy(&online, STARTER).await;
    let first = text(&world.stripe().objects("customer")[0]["id"]);
    for (told, price_id) in [(true, PROFESSIONAL), (false, STARTER)] {
        let customer = text(&world.stripe().objects("customer")[0]["id"]);
        if told {
            world.stripe().act(Action::DeleteCustomer(&customer)).unwrap();
            world.stripe().settled().await;
        } else {
            world.stripe().remove(&customer);
        }
        let sessions = join_all((0..5).map(|_| checkout(&online, price_id))).await;
        assert!(sessions.iter().all(|session| *session == sessions[0]), "{sessions:?}");
        let chosen = text(&world.stripe().object(&sessions[0]).unwrap()["customer"]);
        assert!(chosen != first && chosen != customer);
    }
}

#[tokio::test]
async fn browsers_come_back_to_the_page_they_came_from_if_it_may_call() {
    let world = World::with(&[seed("u1")]).await;
    let online = world.online().await;
    for (origin, back) in [
        ("http://localhost:5173", "http://localhost:5173"),
        ("https://evil.example.test", "https://app.example.test"),
        ("", "https://app.example.test"),
    ] {
        let headers = [("origin", origin)];
        let headers = if origin.is_empty() { &headers[..0] } else { &headers[..] };
        let reply = online.send_with(Method::POST, "u1", CHECKOUT, Some(&price(STARTER)), headers).await.expect_status(200);
        let session = world.stripe().object(&text(&reply.json["sessionId"])).unwrap();
        assert_eq!(session["success_url"], format!("{back}/billing?checkout=success&session_id={{CHECKOUT_SESSION_ID}}"));
        assert_eq!(session["cancel_url"], format!("{back}/billing?checkout=canceled"));
    }
}

#[tokio::test]
async fn the_portal_is_the_callers_own() {
    let world = World::with(&[seed("u1"), seed("u2")]).await;
    let online = world.online().await;
    let none = online.send(Method::POST, "u1", PORTAL, None).await.expect_status(400);
    none.expect_json("/error", "No active subscription found");
    checkout(&online, STARTER).await;
    online.send(Method::POST, "u1", PORTAL, None).await.expect_status(400);
    buy(&online, STARTER).await;
    let reply = online.send(Method::POST, "u1", PORTAL, None).await.expect_status(200).expect_json("/success", true);
    let id = text(&reply.json["url"]).rsplit('/').next().unwrap().to_owned();
    let visit = world.stripe().object(&id).unwrap();
    assert_eq!(
        (&visit["customer"], &visit["return_url"]),
        (&world.stripe().objects("subscription")[0]["customer"], &json!("https://app.example.test/billing"))
    );
    online.send(Method::POST, "u2", PORTAL, Some(&json!({"customerId": visit["customer"]}))).await.expect_status(400);
}

#[tokio::test]
async fn a_canceled_subscription_is_gone_from_the_answer_on() {
    let valkey = Valkey::start();
    let world = over_valkey(&valkey).await;
    let online = world.online().await;
    let id = buy(&online, STARTER).await;
    expect_plan(&online, "starter", "active").await;
    // Stripe's own event comes later: the answer does not wait for it.
    world.stripe().deliver(Manner::Held);
    let body = json!({"subscriptionId": id});
    let reply = online.send(Method::POST, "u1", CANCEL, Some(&body)).await.expect_status(200);
    reply.expect_json("/subscription/id", id.as_str()).expect_json("/subscription/status", "canceled");
    assert!(reply.header("x-rev").is_some() && reply.header("set-cookie").is_some());
    expect_plan(&online, "free", "inactive").await;
    let again = online.send(Method::POST, "u1", CANCEL, Some(&body)).await.expect_status(409);
    again.expect_json("/error", "Subscription is already canceled");
    world.stripe().deliver(Manner::InOrder);
    world.stripe().settled().await;
    expect_plan(&online, "free", "inactive").await;
    assert_eq!(world.drift("u1").await, [""; 0]);
}

#[tokio::test]
async fn a_lost_answer_of_stripe_is_found_out_by_the_repetition() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    let online = world.online().await;
    let id = buy(&online, STARTER).await;
    world.stripe().deliver(Manner::Held);
    world.stripe().fault(Fault::AnswerLost, 1);
    let reply = online.send(Method::POST, "u1", CANCEL, Some(&json!({"subscriptionId": id}))).await;
    reply.expect_status(200).expect_json("/subscription/status", "canceled");
    expect_plan(&online, "free", "inactive").await;

    world.stripe().deliver(Manner::InOrder);
    let id = buy(&online, STARTER).await;
    world.stripe().remove(&id);
    // Stripe knows nothing of it any more: so it counts no more here either.
    online.send(Method::POST, "u1", CANCEL, Some(&json!({"subscriptionId": id}))).await.expect_status(404);
    expect_plan(&online, "free", "inactive").await;
}

#[tokio::test]
async fn a_subscription_moves_to_another_price_and_back_and_there_again() {
    let world = World::with(&[seed("u1").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    let online = world.online().await;
    let id = buy(&online, STARTER).await;
    for (n, (plan, to)) in [("professional", PROFESSIONAL), ("starter", STARTER), ("professional", PROFESSIONAL)].into_iter().enumerate() {
        world.set_now(&format!("2026-03-05T09:31:{n:02}.000Z"));
        let body = json!({"subscriptionId": id, "priceId": to});
        let replies = join_all((0..4).map(|_| online.send(Method::POST, "u1", UPDATE, Some(&body)))).await;
        for reply in replies {
            reply.expect_status(200).expect_json("/subscription/items/data/0/price/id", to);
        }
        expect_plan(&online, plan, "active").await;
        world.stripe().settled().await;
        expect_plan(&online, plan, "active").await;
    }
    let moved = world.stripe().events().iter().filter(|event| event["data"]["previous_attributes"]["items"].is_object()).count();
    assert_eq!(moved, 3, "four submits at once move it once");
    assert_eq!(world.drift("u1").await, [""; 0]);
}

#[tokio::test]
async fn an_imported_subscription_can_be_moved_and_canceled() {
    for (path, more, plan) in [(UPDATE, json!(PROFESSIONAL), "professional"), (CANCEL, Value::Null, "free")] {
        let seed = seed("u1").subscription(STARTER, "active").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3);
        let world = World::with(&[seed]).await;
        world.stripe().subscribe("cus_u1", "sub_u1", "u1", STARTER);
        let online = world.online().await;
        online.send(Method::POST, "u1", path, Some(&json!({"subscriptionId": "sub_u1", "priceId": more}))).await.expect_status(200);
        expect_plan(&online, plan, if plan == "free" { "inactive" } else { "active" }).await;
    }
}

#[tokio::test]
async fn nobody_touches_what_is_not_theirs() {
    let world = World::with(&[seed("u1"), seed("u2").subscription(STARTER, "active")]).await;
    world.stripe().subscribe("cus_u2", "sub_u2", "u2", STARTER);
    let online = world.online().await;
    let mine = buy(&online, STARTER).await;
    let calls = world.stripe().calls();
    for (user, id) in [("u1", "sub_u2"), ("u2", mine.as_str()), ("u1", "sub_none"), ("u1", "../customers/cus_u2"), ("u1", "sub_u2 ")] {
        let body = json!({"subscriptionId": id, "priceId": PROFESSIONAL});
        for path in [CANCEL, UPDATE] {
            let reply = online.send(Method::POST, user, path, Some(&body)).await.expect_status(404);
            reply.expect_json("/error", "Subscription not found");
        }
    }
    assert_eq!(world.stripe().calls(), calls, "Stripe is not asked about what is not theirs");
    assert!(world.stripe().objects("subscription").iter().all(|subscription| subscription["status"] == "active"));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_before_anybody_is_asked() {
    let world = World::with(&[seed("u1"), seed("gone").deleted()]).await;
    for (path, body, error) in [
        (CHECKOUT, json!({}), "priceId: required"),
        (CHECKOUT, json!({"priceId": null}), "priceId: required"),
        (CHECKOUT, json!({"priceId": ""}), "priceId: required"),
        (CHECKOUT, json!({"priceId": 7}), "priceId: must be text"),
        (CHECKOUT, json!({"priceId": "x".repeat(256)}), "priceId: at most 255 characters"),
        (CHECKOUT, json!([]), "body: must be an object"),
        (CHECKOUT, price("price_of_somebody"), "priceId: not offered"),
        (CHECKOUT, price("price_demo_starter"), "priceId: not offered"),
        (CHECKOUT, price("starter"), "priceId: not offered"),
        (CHECKOUT, price("free"), "priceId: not offered"),
        (CANCEL, json!({}), "Subscription ID required"),
        (CANCEL, json!({"subscriptionId": ""}), "Subscription ID required"),
        (CANCEL, json!({"subscriptionId": {}}), "subscriptionId: must be text"),
        (UPDATE, json!({"priceId": STARTER}), "Subscription ID required"),
        (UPDATE, json!({"subscriptionId": "sub_1"}), "priceId: required"),
        (UPDATE, json!({"subscriptionId": "sub_1", "priceId": "x"}), "priceId: not offered"),
    ] {
        world.post(path, &body).await.expect_status(400).expect_json("", json!({"success": false, "error": error}));
    }
    for path in [CHECKOUT, CANCEL, UPDATE] {
        world.post_raw(path, "text/plain", b"x").await.expect_status(415);
        world.post_raw(path, "application/json", b"{").await.expect_status(400);
    }
    for path in [CHECKOUT, CANCEL, UPDATE, PORTAL] {
        world.anonymous().post(path, &json!({})).await.expect_status(401);
        world.get(path).await.expect_status(405).expect_header("allow", "OPTIONS, POST");
        let body = json!({"priceId": STARTER, "subscriptionId": "sub_1"});
        world.as_user("gone").post(path, &body).await.expect_status(401).expect_json("/error", "User not found");
    }
    let key = "k".repeat(256);
    let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
    world.send("POST", CHECKOUT, &headers, price(STARTER).to_string().as_bytes()).await.expect_status(400);
    assert_eq!(world.stripe().calls(), 0);
}

#[tokio::test]
async fn a_stripe_that_is_down_stops_purchases_and_nothing_else() {
    let world = World::with(&[seed("u1").subscription(STARTER, "active").job("COMPLETED", "2026-03-01T10:00:00.000Z", 3)]).await;
    world.stripe().subscribe("cus_u1", "sub_u1", "u1", STARTER);
    world.stripe().refuse(true);
    let before = world.table().root(&"u1".parse_user()).await.unwrap();
    let body = json!({"priceId": PROFESSIONAL, "subscriptionId": "sub_u1"});
    for path in [CHECKOUT, PORTAL, CANCEL, UPDATE] {
        let reply = world.post(path, &body).await.expect_status(503).expect_json("/error", "Service unavailable");
        assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1, "{path}");
    }
    for path in
        ["/api/dashboard/data", "/api/dashboard/summary", "/api/usage/limits", CUSTOMER, "/api/billing/plans", "/api/contacts", "/api/jobs"]
    {
        world.get(path).await.expect_status(200);
    }
    world.get(CUSTOMER).await.expect_json("/plan", "starter");
    assert_eq!(world.table().root(&"u1".parse_user()).await.unwrap(), before, "nothing is half-written");
    assert_eq!(world.stripe().calls(), 0);
    world.stripe().refuse(false);
    tokio::time::sleep(std::time::Duration::from_millis(5_100)).await;
    world.post(CHECKOUT, &body).await.expect_status(200);
}

#[tokio::test]
async fn fifty_deliveries_of_one_event_at_once_apply_once_and_fifty_events_lose_nothing() {
    let valkey = Valkey::start();
    let world = over_valkey(&valkey).await;
    let online = world.online().await;
    let first = buy(&online, STARTER).await;
    let rev = |reply: Reply| reply.header("x-rev").unwrap().parse::<u64>().unwrap();
    let before = rev(online.get("u1", CUSTOMER).await);
    world.stripe().deliver(Manner::AtOnce);
    world.stripe().copies(50);
    world.set_now("2026-03-05T09:31:00.000Z");
    world.stripe().act(Action::ChangePrice(&first, PROFESSIONAL)).unwrap();
    world.stripe().settled().await;
    expect_plan(&online, "professional", "active").await;
    assert_eq!(rev(online.get("u1", CUSTOMER).await), before + 1);

    // What gets a 5xx is sent again, so that all fifty end up here.
    world.stripe().copies(1);
    let customer = text(&world.stripe().object(&first).unwrap()["customer"]);
    for n in 0..50 {
        let subscription = format!("sub_many{n:02}");
        world.stripe().subscribe(&customer, &subscription, "u1", STARTER);
        let object = world.stripe().object(&subscription).unwrap();
        world.stripe().tell("customer.subscription.created", &object);
    }
    world.stripe().settled().await;
    assert!(world.stripe().undelivered().is_empty());
    assert_eq!(rev(online.get("u1", CUSTOMER).await), before + 51, "one revision an event");
    assert_eq!(world.drift("u1").await, [""; 0]);
}

#[tokio::test]
async fn late_reordered_and_repeated_events_end_as_stripe_has_it() {
    for order in [Order::Reversed, Order::Shuffled] {
        let valkey = Valkey::start();
        let world = over_valkey(&valkey).await;
        let online = world.online().await;
        world.stripe().deliver(Manner::Held);
        let old = world.stripe().act(Action::CompleteCheckout(&checkout(&online, STARTER).await)).unwrap();
        world.set_now("2026-03-05T09:30:10.000Z");
        let new = world.stripe().act(Action::CompleteCheckout(&checkout(&online, PROFESSIONAL).await)).unwrap();
        world.set_now("2026-03-05T09:30:20.000Z");
        world.stripe().act(Action::Cancel(&text(&old["id"]))).unwrap();
        world.stripe().copies(2);
        world.stripe().release(order);
        world.stripe().settled().await;
        expect_plan(&online, "professional", "active").await;
        online.get("u1", CUSTOMER).await.expect_json("/subscriptionId", text(&new["id"]));
        assert_eq!(world.drift("u1").await, [""; 0]);
    }
}

#[tokio::test]
async fn events_wait_out_a_table_that_is_down() {
    let valkey = Valkey::start();
    let world = over_valkey(&valkey).await;
    let online = world.online().await;
    let session = checkout(&online, STARTER).await;
    world.stripe().settled().await;
    world.table_down(true);
    world.stripe().act(Action::CompleteCheckout(&session)).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let waiting = world.stripe().undelivered();
    assert!(waiting.len() > 3, "each is refused: {waiting:?}");
    world.table_down(false);
    world.stripe().settled().await;
    assert!(world.stripe().undelivered().is_empty());
    expect_plan(&online, "starter", "active").await;
    assert_eq!(world.drift("u1").await, [""; 0]);
}

#[tokio::test]
async fn the_end_of_an_old_subscription_leaves_the_new_one_that_was_bought() {
    let valkey = Valkey::start();
    let world = over_valkey(&valkey).await;
    let online = world.online().await;
    // Two checkouts that were open at once.
    let sessions = [checkout(&online, STARTER).await, checkout(&online, PROFESSIONAL).await];
    let mut bought = Vec::new();
    for (second, session) in sessions.iter().enumerate() {
        world.set_now(&format!("2026-03-05T09:31:{second:02}.000Z"));
        bought.push(text(&world.stripe().act(Action::CompleteCheckout(session)).unwrap()["id"]));
        world.stripe().settled().await;
    }
    expect_plan(&online, "professional", "active").await;
    world.set_now("2026-03-05T09:31:30.000Z");
    world.stripe().act(Action::Cancel(&bought[0])).unwrap();
    world.stripe().settled().await;
    expect_plan(&online, "professional", "active").await;
    online.get("u1", CUSTOMER).await.expect_json("/subscriptionId", bought[1].as_str());
}

/// Users by their ids.
trait ParseUser {
    fn parse_user(&self) -> domain::UserId;
}

impl ParseUser for str {
    fn parse_user(&self) -> domain::UserId {
        domain::UserId::parse(self).unwrap()
    }
}
