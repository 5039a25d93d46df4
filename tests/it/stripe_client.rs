//! The contract between our Stripe client and Stripe, held against the fake: paging, keys, repetitions, limits of time, the breaker.

use std::time::{Duration, Instant};

use app::Clock;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use local::fake_stripe::{Action, FakeStripe, Fault, Shape};
use serde_json::{Value, json};
use stripe_client::{Client, Config, Intent, List, NewCheckout, NewCustomer, NewPortal, Object, PriceChange, StripeError};
use testkit::NOW;

const INTENT: Intent<'static> = Intent { user: "u1", once: "2026-03-05" };
/// Longest attempt of these clients.
const ATTEMPT: Duration = Duration::from_millis(500);

async fn fake() -> FakeStripe {
    FakeStripe::start(Clock::frozen(NOW.parse().unwrap())).await.unwrap()
}

fn client_with_key(fake: &FakeStripe, key: &str) -> Client {
    let lookup = |variable: &str| match variable {
        "STRIPE_SECRET_KEY" => Some(key.to_owned()),
        "STRIPE_API_URL" => Some(fake.url()),
        "STAGE" => Some("test".to_owned()),
        _ => None,
    };
    Client::new(&Config::from_lookup(&lookup).unwrap().with_times(ATTEMPT, Duration::from_millis(5)))
}

fn client(fake: &FakeStripe) -> Client {
    client_with_key(fake, "sk_test_of_the_tests")
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

async fn customer(client: &Client) -> String {
    let made = client.create_customer(&NewCustomer { email: Some("ines@example.test") }, &INTENT, soon()).await.unwrap();
    made.object["id"].as_str().unwrap().to_owned()
}

async fn open_checkout(client: &Client, customer: &str) -> Value {
    let new = NewCheckout {
        customer,
        price: "price_starter_monthly",
        success_url: "https://app.example.test/ok?a=b&c={CHECKOUT_SESSION_ID}",
        cancel_url: "https://app.example.test/back",
    };
    client.create_checkout(&new, &INTENT, soon()).await.unwrap().object
}

/// A subscription that was bought.
async fn bought(fake: &FakeStripe, client: &Client) -> (String, Value) {
    let customer = customer(client).await;
    let session = open_checkout(client, &customer).await;
    let subscription = fake.act(Action::CompleteCheckout(session["id"].as_str().unwrap())).unwrap();
    (customer, subscription)
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

#[tokio::test]
async fn what_is_created_carries_the_user_and_is_read_back() {
    let (fake, client) = {
        let fake = fake().await;
        let client = client(&fake);
        (fake, client)
    };
    let customer_id = customer(&client).await;
    let found = client.object(Object::Customer(&customer_id), soon()).await.unwrap();
    assert_eq!((&found["email"], &found["metadata"]["userId"]), (&json!("ines@example.test"), &json!("u1")));

    let session = open_checkout(&client, &customer_id).await;
    assert_eq!(
        (&session["client_reference_id"], &session["metadata"]["userId"], &session["customer"]),
        (&json!("u1"), &json!("u1"), &json!(customer_id))
    );
    assert_eq!(session["success_url"], "https://app.example.test/ok?a=b&c={CHECKOUT_SESSION_ID}", "nothing is lost on the way");
    assert!(session["url"].as_str().unwrap().starts_with(&fake.url()));
    assert_eq!(client.object(Object::Checkout(id(&session)), soon()).await.unwrap()["status"], "open");

    let subscription = fake.act(Action::CompleteCheckout(id(&session))).unwrap();
    assert_eq!(subscription["metadata"]["userId"], "u1");
    assert_eq!(client.object(Object::Checkout(id(&session)), soon()).await.unwrap()["status"], "complete");
    let read = client.object(Object::Subscription(id(&subscription)), soon()).await.unwrap();
    assert_eq!((&read["status"], &read["items"]["data"][0]["price"]["id"]), (&json!("active"), &json!("price_starter_monthly")));

    let portal = NewPortal { customer: &customer_id, return_url: "https://app.example.test/billing", confirm: None };
    let portal = client.create_portal(&portal, &INTENT, soon()).await.unwrap().object;
    assert!(portal["url"].as_str().unwrap().contains("/portal/"));
    assert_eq!(client.calls(), fake.calls(), "each call was one request");
}

#[tokio::test]
async fn a_subscription_changes_its_price_and_ends_once() {
    let fake = fake().await;
    let client = client(&fake);
    let (_, subscription) = bought(&fake, &client).await;
    let change =
        PriceChange { subscription: id(&subscription), item: id(&subscription["items"]["data"][0]), price: "price_professional_monthly" };
    let changed = client.change_price(&change, &INTENT, soon()).await.unwrap().object;
    assert_eq!(changed["items"]["data"][0]["price"]["id"], "price_professional_monthly");
    let ended = client.cancel_subscription(id(&subscription), soon()).await.unwrap();
    assert_eq!(ended["status"], "canceled");
    assert_eq!(client.cancel_subscription(id(&subscription), soon()).await, Err(StripeError::NotFound));
    let refused = client.change_price(&PriceChange { price: "price_starter_monthly", ..change }, &INTENT, soon()).await.unwrap_err();
    assert!(refused.is_missing("subscription"), "{refused}");
    let kinds: Vec<_> = fake.events().iter().rev().take(2).map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["customer.subscription.deleted", "customer.subscription.updated"]);
}

#[tokio::test]
async fn lists_are_followed_to_their_end_and_show_ended_subscriptions() {
    let fake = fake().await;
    let client = client(&fake);
    for n in 0..230 {
        let status = if n % 2 == 0 { "canceled" } else { "active" };
        fake.put(json!({"id": format!("sub_{n}"), "object": "subscription", "customer": format!("cus_{}", n % 10), "status": status, "created": n}));
    }
    let all = client.all(List::Subscriptions, soon()).await.unwrap();
    assert_eq!((all.len(), id(&all[0]), id(&all[229])), (230, "sub_229", "sub_0"), "newest first, each once");
    assert_eq!(client.all(List::SubscriptionsOf("cus_4"), soon()).await.unwrap().len(), 23);
    let first = client.page(List::Subscriptions, None, soon()).await.unwrap();
    assert_eq!((first.objects.len(), first.next.as_deref()), (100, Some("sub_130")));
    let last = client.page(List::Subscriptions, Some("sub_1"), soon()).await.unwrap();
    assert_eq!((last.objects.len(), last.next), (1, None));
    assert_eq!(fake.requests()["GET /v1/subscriptions"], 3 + 1 + 2);
    assert_eq!(client.all(List::Prices, soon()).await.unwrap().len(), 4);
    assert_eq!(client.all(List::Products, soon()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_customers_objects_and_the_events_are_listed() {
    let fake = fake().await;
    let client = client(&fake);
    let (customer, subscription) = bought(&fake, &client).await;
    fake.act(Action::FailPayment(id(&subscription))).unwrap();
    let invoices = client.all(List::InvoicesOf(&customer), soon()).await.unwrap();
    assert_eq!(invoices.iter().map(|invoice| invoice["status"].clone()).collect::<Vec<_>>(), ["open", "paid"]);
    let invoice = client.object(Object::Invoice(id(&invoices[1])), soon()).await.unwrap();
    assert_eq!((&invoice, &invoice["amount_paid"]), (&invoices[1], &json!(2_900)));
    let cards = client.all(List::PaymentMethodsOf(&customer), soon()).await.unwrap();
    assert_eq!((cards.len(), &cards[0]["card"]["last4"]), (1, &json!("4242")));
    assert_eq!(client.object(Object::PaymentMethod(id(&cards[0])), soon()).await.unwrap(), cards[0]);
    assert_eq!(client.all(List::Customers, soon()).await.unwrap().len(), 1);

    let now = NOW.parse::<domain::Timestamp>().unwrap().unix_seconds();
    let events = |since, undelivered| client.all(List::Events { since, undelivered }, soon());
    let told = fake.events().len();
    assert_eq!((events(now, false).await.unwrap().len(), events(now, true).await.unwrap().len()), (told, told));
    assert_eq!(events(now + 1, false).await.unwrap().len(), 0);
    let event = client.object(Object::Event(id(&fake.events()[0])), soon()).await.unwrap();
    assert_eq!(event["type"], "customer.created");
}

#[tokio::test]
async fn both_shapes_of_objects_pass_through_as_they_are() {
    let fake = fake().await;
    let client = client(&fake);
    let (customer, subscription) = bought(&fake, &client).await;
    let new = client.object(Object::Subscription(id(&subscription)), soon()).await.unwrap();
    fake.set_shape(Shape::Old);
    let old = client.object(Object::Subscription(id(&subscription)), soon()).await.unwrap();
    let end = new["items"]["data"][0]["current_period_end"].clone();
    assert!(end.is_i64() && new["current_period_end"].is_null());
    assert_eq!((&old["current_period_end"], &old["items"]["data"][0]["current_period_end"]), (&end, &Value::Null));
    let invoices = client.all(List::InvoicesOf(&customer), soon()).await.unwrap();
    assert_eq!((&invoices[0]["subscription"], &invoices[0]["paid"]), (&subscription["id"], &json!(true)));
}

#[tokio::test]
async fn a_single_request_can_ask_the_fake_for_either_shape() {
    let fake = fake().await;
    let client = client(&fake);
    let (customer, subscription) = bought(&fake, &client).await;
    let http = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let send = async |method: &str, path: String, body: String| -> (u16, Value) {
        let request =
            http::Request::builder().method(method).uri(format!("{}{path}", fake.url())).header("authorization", "Bearer sk_test_1");
        let answer = http.request(request.body(Full::<Bytes>::from(body)).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap())
    };
    let get = async |path: &str, query: &str| {
        let (status, object) = send("GET", format!("/v1/{path}{query}"), String::new()).await;
        assert_eq!(status, 200, "{path}{query}: {object}");
        object
    };
    let path = format!("subscriptions/{}", id(&subscription));
    let (old, current) = (get(&path, "?shape=old").await, get(&path, "").await);
    assert_eq!(current, get(&path, "?shape=current").await);
    assert_eq!(old["current_period_end"], current["items"]["data"][0]["current_period_end"]);
    assert!(old["items"]["data"][0]["current_period_end"].is_null() && current["current_period_end"].is_null());
    let invoices = get("invoices", &format!("?customer={customer}&shape=old&limit=1")).await;
    assert_eq!((&invoices["data"][0]["subscription"], invoices["data"][0].get("parent")), (&subscription["id"], None));

    // What happens on such a request is told in its shape, and the next one is not.
    for (query, version) in [("?shape=old", "2024-06-20"), ("", "2026-09-30.endive")] {
        assert_eq!(send("POST", format!("/control/renew{query}"), format!("id={}", id(&subscription))).await.0, 200);
        let told = fake.events().pop().unwrap();
        assert_eq!(told["api_version"], version);
        assert_eq!(told["data"]["object"]["current_period_end"].is_i64(), !query.is_empty(), "{told}");
    }
    assert_eq!(send("POST", "/control/shape".to_owned(), "shape=newest".to_owned()).await.0, 400);
}

#[tokio::test]
async fn one_intent_has_one_effect_and_another_one_another() {
    let fake = fake().await;
    let client = client(&fake);
    let new = NewCustomer { email: None };
    let first = client.create_customer(&new, &INTENT, soon()).await.unwrap();
    let again = client.create_customer(&new, &INTENT, soon()).await.unwrap();
    assert_eq!((first.replayed, again.replayed, &again.object), (false, true, &first.object));
    let other = client.create_customer(&new, &Intent { once: "2026-03-06", ..INTENT }, soon()).await.unwrap();
    let more = client.create_customer(&NewCustomer { email: Some("a@example.test") }, &INTENT, soon()).await.unwrap();
    let ids = [&first, &other, &more].map(|made| id(&made.object).to_owned());
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2], "another time and other parameters are another effect");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let fake = fake().await;
    let client = client(&fake);
    for fault in [Fault::AnswerLost, Fault::Closed, Fault::Status(500), Fault::Garbage, Fault::Status(409)] {
        fake.fault(fault, 1);
        let before = fake.objects("customer").len();
        let intent = Intent { once: &format!("{fault:?}"), ..INTENT };
        let made = client.create_customer(&NewCustomer { email: None }, &intent, soon()).await.unwrap();
        assert_eq!((fake.objects("customer").len(), made.replayed), (before + 1, fault == Fault::AnswerLost), "{fault:?}");
    }
    // The first answer to a cancellation is lost: what is canceled is no longer there to be canceled.
    let subscription = json!({"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "active", "created": 1});
    fake.put(subscription);
    fake.fault(Fault::AnswerLost, 1);
    assert_eq!(client.cancel_subscription("sub_1", soon()).await, Err(StripeError::NotFound));
    assert_eq!(fake.object("sub_1").unwrap()["status"], "canceled");
}

#[tokio::test]
async fn a_call_is_repeated_twice_and_no_more() {
    let fake = fake().await;
    fake.fault(Fault::Status(503), 2);
    assert!(client(&fake).all(List::Products, soon()).await.is_ok());
    fake.fault(Fault::Status(503), 3);
    let client = client(&fake);
    let error = client.all(List::Products, soon()).await.unwrap_err();
    assert!(matches!(error, StripeError::Unavailable { .. }) && error.is_transient(), "{error}");
    assert_eq!((client.calls(), fake.calls()), (3, 6));
}

#[tokio::test]
async fn what_cannot_be_mended_by_a_repetition_is_asked_once() {
    let fake = fake().await;
    let client = client(&fake);
    assert_eq!(client.object(Object::Customer("cus_none"), soon()).await, Err(StripeError::NotFound));
    fake.fault(Fault::Status(402), 1);
    let refused = client.object(Object::Customer("cus_none"), soon()).await.unwrap_err();
    assert!(matches!(refused, StripeError::Refused { status: 402, .. }) && !refused.is_transient(), "{refused}");
    let new = NewPortal { customer: "cus_none", return_url: "https://app.example.test/", confirm: None };
    assert!(client.create_portal(&new, &INTENT, soon()).await.unwrap_err().is_missing("customer"));
    fake.fault(Fault::Status(403), 1);
    let rejected = client.all(List::Products, soon()).await.unwrap_err();
    assert!(matches!(rejected, StripeError::KeyRejected { status: 403, .. }), "{rejected}");
    assert_eq!(fake.calls(), 4);
    let other = client_with_key(&fake, "rk_test_1");
    assert!(other.all(List::Products, soon()).await.is_ok());
    // What no id can be is no address either.
    for wrong in ["", "a/b", "../customers", "a?b", "ü", &"x".repeat(256)] {
        assert_eq!(client.object(Object::Subscription(wrong), soon()).await, Err(StripeError::NotFound), "{wrong}");
    }
    assert_eq!(fake.calls(), 5);
}

#[tokio::test]
async fn stripes_wish_for_a_pause_is_granted_if_the_time_is_there() {
    let fake = fake().await;
    let client = client(&fake);
    fake.fault(Fault::RateLimited { retry_after_s: Some(1) }, 1);
    let started = Instant::now();
    assert!(client.all(List::Products, soon()).await.is_ok());
    assert!(started.elapsed() >= Duration::from_secs(1));

    fake.fault(Fault::RateLimited { retry_after_s: Some(30) }, 1);
    let started = Instant::now();
    let busy = client.all(List::Products, soon()).await.unwrap_err();
    assert_eq!(busy, StripeError::Busy { status: 429, retry_after: Some(Duration::from_secs(30)) });
    assert!(started.elapsed() < Duration::from_secs(1), "and passed on at once if it is not");

    fake.fault(Fault::RateLimited { retry_after_s: None }, 2);
    assert!(client.all(List::Products, soon()).await.is_ok());
}

#[tokio::test]
async fn no_call_takes_longer_than_it_may() {
    let fake = fake().await;
    fake.fault(Fault::Hang, 100);
    let hanging = client(&fake);
    let started = Instant::now();
    let error = hanging.all(List::Products, soon()).await.unwrap_err();
    assert_eq!(error, StripeError::Unavailable { reason: "no answer in time", retry_after: None });
    assert!((ATTEMPT * 3..ATTEMPT * 4).contains(&started.elapsed()), "three attempts: {:?}", started.elapsed());

    let started = Instant::now();
    let until = started + Duration::from_millis(200);
    assert!(client(&fake).all(List::Products, until).await.is_err());
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
    let late = client(&fake);
    assert!(late.all(List::Products, Instant::now()).await.is_err());
    assert_eq!(late.calls(), 0, "without time nothing is asked");
}

#[tokio::test]
async fn a_stripe_that_is_down_is_left_alone_and_found_again() {
    let fake = fake().await;
    let client = client(&fake);
    assert!(client.all(List::Products, soon()).await.is_ok());
    fake.refuse(true);
    let mut reasons = Vec::new();
    for _ in 0..20 {
        let started = Instant::now();
        let error = client.all(List::Products, soon()).await.unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(2));
        reasons.push(error);
    }
    let StripeError::Unavailable { reason, retry_after: Some(wait) } = reasons[19].clone() else { panic!("{:?}", reasons[19]) };
    assert_eq!(reason, "it failed again and again");
    assert!(wait <= Duration::from_secs(5));
    let attempts = client.calls();
    assert!(attempts <= 6, "{attempts} attempts for 21 calls");
    fake.refuse(false);
    tokio::time::sleep(wait + Duration::from_millis(50)).await;
    assert!(client.all(List::Products, soon()).await.is_ok());
    assert_eq!(fake.calls(), 2);
}
