//! Buying on a laptop: the server, the fake Stripe beside it, and single events from the command line.

use serde_json::{Value, json};

use crate::run::{Serving, bearer, local, page_of, text};

const CUSTOMER: &str = "/api/billing/customer";

fn fake_of(server: &Serving) -> String {
    let line = server.announced.lines().find_map(|line| line.strip_prefix("fake Stripe on http://"));
    line.expect("the fake's address").to_owned()
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
    let mut plan = Value::Null;
    for _ in 0..200 {
        plan = server.get(CUSTOMER, &token).1["plan"].clone();
        if plan == "professional" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(plan, "professional");
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
