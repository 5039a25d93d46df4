//! Buying on a laptop: the server, the fake Stripe beside it, and single events from the command line.

use serde_json::{Value, json};

use crate::run::{Serving, bearer, command, form, local, page_of, text};

const CUSTOMER: &str = "/api/billing/customer";

fn fake_of(server: &Serving) -> String {
    let line = server.announced.lines().find_map(|line| line.strip_prefix("fake Stripe on http://"));
    line.expect("the fake's address").to_owned()
}

/// Waits until an event has told of a plan: the customer as it is shown then.
fn becomes(server: &Serving, token: &str, plan: &str, status: &str) {
    let mut shown = Value::Null;
    for _ in 0..400 {
        shown = server.get(CUSTOMER, token).1;
        if shown["plan"] == plan && shown["status"] == status {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("never {plan}, {status}: {shown}");
}

#[test]
fn the_buttons_of_the_fake_stripes_pages_change_what_the_api_shows() {
    // Without a clock that stands still: steps within one second are settled by asking the fake.
    let server = Serving::start(&[]);
    let (fake, token) = (fake_of(&server), text(&local(&["token", "--user", "demo"]).stdout).trim().to_owned());
    let subscription = server.get(CUSTOMER, &token).1["subscriptionId"].as_str().expect("the demo account is subscribed").to_owned();
    let page = page_of(&fake, "/");
    assert!(page.contains(&subscription) && page.contains("Fail a payment"), "{page}");
    for (button, plan, status) in [
        ("fail-payment", "starter", "past_due"),
        ("renew", "starter", "active"),
        ("pause", "free", "paused"),
        ("resume", "starter", "active"),
    ] {
        assert!(page.contains(&format!("action=\"/control/{button}\"")), "{button}");
        let answer = form(&fake, &format!("/control/{button}"), &format!("id={subscription}&next=%2F"));
        assert!(answer.starts_with("HTTP/1.1 303 ") && answer.to_ascii_lowercase().contains("\r\nlocation: /\r\n"), "{answer}");
        becomes(&server, &token, plan, status);
    }
    // The demo account is subscribed: what its checkout opens asks to confirm the change.
    let wish = json!({"priceId": "price_professional_monthly"});
    let (status, session) = server.post(&server.address, "/api/billing/create-checkout-session", &token, &wish);
    assert_eq!(status, 200, "{session}");
    let url = session["url"].as_str().expect("a page").trim_start_matches(&format!("http://{fake}")).to_owned();
    let page = page_of(&fake, &url);
    assert!(page.contains("Change to 99.00 USD a month") && page.contains(">Confirm<"), "{page}");
    let id = session["sessionId"].as_str().expect("an id");
    assert!(form(&fake, "/control/complete-checkout", &format!("id={id}&next=%2F")).starts_with("HTTP/1.1 303 "));
    becomes(&server, &token, "professional", "active");
    assert!(form(&fake, "/control/cancel", &format!("id={subscription}&next=%2F")).starts_with("HTTP/1.1 303 "));
    becomes(&server, &token, "free", "inactive");
}

#[test]
fn a_plan_that_is_paid_at_the_fake_stripe_counts() {
    let server = Serving::start(&["--no-demo"]);
    let (fake, token) = (fake_of(&server), bearer(&[]));
    let wish = json!({"priceId": "price_professional_monthly"});
    let (status, session) = server.post(&server.address, "/api/billing/create-checkout-session", &token, &wish);
    assert_eq!(status, 200, "{session}");
    let url = session["url"].as_str().expect("a page");
    assert!(url.starts_with(&format!("http://{fake}/checkout/")), "{url}");
    for (path, words) in [("/", "Checkout sessions"), (url.trim_start_matches(&format!("http://{fake}")), "99.00 USD a month")] {
        let page = page_of(&fake, path);
        assert!(page.starts_with("HTTP/1.1 200 ") && page.contains(words), "{path}: {page}");
    }
    let (status, subscription) = server.post(&fake, "/control/complete-checkout", "", &json!({"id": session["sessionId"]}));
    assert_eq!((status, &subscription["status"]), (200, &json!("active")));
    becomes(&server, &token, "professional", "active");
    let (status, canceled) =
        server.post(&server.address, "/api/billing/cancel-subscription", &token, &json!({"subscriptionId": subscription["id"]}));
    assert_eq!((status, &canceled["subscription"]["status"]), (200, &json!("canceled")));
    assert_eq!(server.get(CUSTOMER, &token).1["hasSubscription"], false);
    assert_eq!(server.post(&fake, "/control/frobnicate", "", &json!({})).0, 400);
}

#[test]
fn single_events_are_sent_from_the_command_line() {
    let server = Serving::start(&["--no-demo"]);
    let (url, token) = (format!("http://{}", server.address), bearer(&[]));
    let trigger = |event: &str| local(&["stripe-trigger", event, "--user", "u1", "--url", &url]);
    for (event, subscribed) in [("customer.subscription.created", true), ("customer.subscription.deleted", false)] {
        let output = trigger(event);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let answer: Value = serde_json::from_str(text(&output.stdout).trim_start_matches("200 OK ")).expect("JSON");
        assert_eq!(answer["outcome"], "applied", "{event}");
        assert_eq!(server.get(CUSTOMER, &token).1["hasSubscription"], subscribed, "{event}");
    }
    let refused = local(&["stripe-trigger", "price.created", "--user", "u1", "--url", "http://127.0.0.1:1"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("no server answers there"), "{}", text(&refused.stderr));
}

#[test]
fn each_event_that_is_handled_can_be_sent() {
    let server = Serving::start(&["--no-demo"]);
    let url = format!("http://{}", server.address);
    for event in local::fake_stripe::triggers::EVENTS {
        let output = local(&["stripe-trigger", event, "--user", "u1", "--url", &url]);
        assert!(output.status.success(), "{event}: {}", text(&output.stderr));
        let answer: Value = serde_json::from_str(text(&output.stdout).trim_start_matches("200 OK ")).expect("JSON");
        // Some tell what another has told already, and one is a preview of nothing; none is refused or put aside.
        let outcome = answer["outcome"].as_str().expect("an outcome");
        let possible: &[&str] = if event == "invoice.upcoming" { &["ignored"] } else { &["applied", "stale"] };
        assert!(possible.contains(&outcome), "{event}: {answer}");
    }
}

#[test]
fn the_secrets_of_the_webhook_are_those_of_the_environment() {
    const BOTH: (&str, &str) = ("STRIPE_WEBHOOK_SECRETS", "whsec_new, whsec_old");
    let server = Serving::start_with(&[BOTH], &["--no-demo"]);
    let url = format!("http://{}", server.address);
    let signed_with = |secret: &str| {
        let mut trigger = command(&["stripe-trigger", "customer.subscription.updated", "--user", "u2", "--url", &url]);
        let output = trigger.env("STRIPE_WEBHOOK_SECRETS", secret).output().expect("the binary runs");
        (output.status.code(), text(&output.stdout))
    };
    for (secret, code, said) in [
        ("whsec_new", 0, "200 OK "),
        ("whsec_old", 0, "200 OK "),
        (local::DEVELOPMENT_WEBHOOK_SECRET, 1, "400 Bad Request "),
        ("whsec_other", 1, "400 Bad Request "),
    ] {
        let (exit, output) = signed_with(secret);
        assert_eq!((exit, output.starts_with(said)), (Some(code), true), "{secret}: {output}");
    }
    // The fake signs with them as well.
    let (fake, token) = (fake_of(&server), bearer(&[]));
    let wish = json!({"priceId": "price_professional_monthly"});
    let (status, session) = server.post(&server.address, "/api/billing/create-checkout-session", &token, &wish);
    assert_eq!(status, 200, "{session}");
    assert_eq!(server.post(&fake, "/control/complete-checkout", "", &json!({"id": session["sessionId"]})).0, 200);
    becomes(&server, &token, "professional", "active");
}

#[test]
fn with_a_key_the_stripe_of_that_key_is_called() {
    let elsewhere = Serving::start(&["--no-demo"]);
    let stripe = fake_of(&elsewhere);
    let url = format!("http://{stripe}");
    let server = Serving::start_with(&[("STRIPE_SECRET_KEY", "sk_test_of_the_tests"), ("STRIPE_API_URL", &url)], &["--no-demo"]);
    assert!(!server.announced.contains("fake Stripe"), "{}", server.announced);
    let wish = json!({"priceId": "price_starter_monthly"});
    let (status, session) = server.post(&server.address, "/api/billing/create-checkout-session", &bearer(&[]), &wish);
    assert_eq!(status, 200, "{session}");
    let page = page_of(&stripe, "/");
    assert!(page.contains(session["sessionId"].as_str().expect("an id")), "{page}");
}
