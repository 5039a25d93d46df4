//! The fake's pages: checkout, portal, and one to play Stripe on. Each button is a command of `POST /control/{name}`.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, LOCATION, ORIGIN};
use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::account::Account;
use super::server::{Answer, json as json_answer, text};
use super::shape::Shape;
use super::{Shared, commands, form};

const STYLE: &str = "<style>body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse}\
    td,th{padding:.3rem .8rem .3rem 0;text-align:left;vertical-align:top}form{display:inline}code{font-size:.9em}</style>";

pub(super) fn answer(shared: &Shared, parts: &Parts, body: &Bytes) -> Answer {
    let path = parts.uri.path();
    match (&parts.method, path) {
        (&Method::GET, "/") => text(StatusCode::OK, &overview(&shared.account())),
        (&Method::GET, "/control/state") => json_answer((200, state(&shared.account()))),
        (&Method::GET, _) => {
            let account = shared.account();
            let page = path.strip_prefix("/checkout/").and_then(|id| checkout(&account, id));
            match page.or_else(|| path.strip_prefix("/portal/").and_then(|id| portal(&account, id))) {
                Some(page) => text(StatusCode::OK, &page),
                None => text(StatusCode::NOT_FOUND, "<p>The fake Stripe has no such page.</p>"),
            }
        }
        (&Method::POST, _) => match path.strip_prefix("/control/") {
            Some(name) if is_own(parts) => command(shared, parts, name, body),
            Some(_) => json_answer((403, json!({"error": "another page's request"}))),
            None => text(StatusCode::NOT_FOUND, "<p>The fake Stripe has no such command.</p>"),
        },
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "<p>Method not allowed.</p>"),
    }
}

/// Whether a request is not that of a page elsewhere, which a browser would send here too.
fn is_own(parts: &Parts) -> bool {
    let word = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    word(ORIGIN).is_none_or(|origin| word(HOST).is_some_and(|host| origin == format!("http://{host}")))
}

/// Runs a command. A browser goes on to where the form says, a script gets JSON.
fn command(shared: &Shared, parts: &Parts, name: &str, body: &Bytes) -> Answer {
    let is = |header, word: &str| {
        parts.headers.get(header).and_then(|value: &http::HeaderValue| value.to_str().ok()).is_some_and(|value| value.contains(word))
    };
    let fields: Map<String, Value> = if is(CONTENT_TYPE, "application/json") {
        serde_json::from_slice(body).unwrap_or_default()
    } else {
        form::parse(&String::from_utf8_lossy(body))
    };
    let (shape, _) = Shape::of_query(parts.uri.query().unwrap_or_default());
    let done = commands::run(shared, name, shape, &fields);
    if is(ACCEPT, "text/html") && done.is_ok() {
        let mut answer = text(StatusCode::SEE_OTHER, "");
        let next = form::text(&fields, &["next"]).and_then(|next| next.parse().ok());
        answer.headers_mut().insert(LOCATION, next.unwrap_or(http::HeaderValue::from_static("/")));
        return answer;
    }
    match done {
        Ok(object) => json_answer((200, object)),
        Err(reason) => json_answer((400, json!({"error": reason}))),
    }
}

fn state(account: &Account) -> Value {
    let of = |kind| account.of_kind(kind).collect::<Vec<_>>();
    let events: Vec<_> = account.told.iter().map(|told| json!({"event": told.event, "delivered": told.delivered})).collect();
    json!({"requests": account.requests, "customers": of("customer"), "sessions": of("checkout.session"),
        "subscriptions": of("subscription"), "invoices": of("invoice"), "events": events})
}

fn overview(account: &Account) -> String {
    let sessions = account.of_kind("checkout.session").map(|session| {
        let open = session["status"] == "open";
        let buttons = [("complete-checkout", "Pay"), ("expire-checkout", "Let it expire")];
        row(session, &["client_reference_id", "status"], buttons.iter().filter(|_| open), "/")
    });
    let subscriptions = account.of_kind("subscription").map(|subscription| subscription_row(subscription, "/"));
    let events = account.told.iter().rev().take(30).map(|told| {
        let delivered = if told.delivered { "taken" } else { "not taken yet" };
        format!("<tr><td><code>{}</code><td>{}<td>{delivered}", shown(&told.event["id"]), shown(&told.event["type"]))
    });
    format!(
        "<!doctype html><title>Fake Stripe</title>{STYLE}<h1>Fake Stripe</h1><p>No money moves here. Everything on this page is also \
         <code>POST /control/NAME</code> with <code>id=..</code>; <a href=/control/state>state as JSON</a>.</p>\
         <h2>Checkout sessions</h2><table>{}</table><h2>Subscriptions</h2><table>{}</table><h2>Events</h2><table>{}</table>",
        sessions.collect::<String>(),
        subscriptions.collect::<String>(),
        events.collect::<String>()
    )
}

fn checkout(account: &Account, id: &str) -> Option<String> {
    let session = account.get(id).filter(|found| found["object"] == "checkout.session")?;
    if session["status"] != "open" {
        return Some(format!("<!doctype html><title>Checkout</title>{STYLE}<h1>This checkout is {}</h1>", shown(&session["status"])));
    }
    let amount = session["amount_total"].as_i64().unwrap_or_default();
    let back = shown(&session["cancel_url"]);
    Some(format!(
        "<!doctype html><title>Checkout</title>{STYLE}<h1>{}.{:02} USD a month</h1><p>The fake Stripe's checkout: no card is asked for.</p>\
         {} <a href=\"{back}\">Go back</a>",
        amount / 100,
        amount % 100,
        button("complete-checkout", "Pay", id, &shown(&session["success_url"]))
    ))
}

fn portal(account: &Account, id: &str) -> Option<String> {
    let session = account.get(id).filter(|found| found["object"] == "billing_portal.session")?;
    if session["flow"].is_object() {
        return Some(confirmation(account, id, session));
    }
    let here = format!("/portal/{id}");
    let theirs = account.of_kind("subscription").filter(|object| object["customer"] == session["customer"]);
    let rows: String = theirs.map(|subscription| subscription_row(subscription, &here)).collect();
    Some(format!(
        "<!doctype html><title>Billing portal</title>{STYLE}<h1>Billing portal</h1><table>{rows}</table><a href=\"{}\">Back</a>",
        shown(&session["return_url"])
    ))
}

/// What the portal asks to confirm.
fn confirmation(account: &Account, id: &str, session: &Value) -> String {
    let price = session["flow"]["subscription_update_confirm"]["items"]["0"]["price"].as_str().unwrap_or_default();
    let amount = account.get(price).and_then(|price| price["unit_amount"].as_i64()).unwrap_or_default();
    format!(
        "<!doctype html><title>Billing portal</title>{STYLE}<h1>Change to {}.{:02} USD a month</h1><p>The fake Stripe's portal: the \
         subscription moves to another price.</p>{} <a href=\"{}\">Go back</a>",
        amount / 100,
        amount % 100,
        button("complete-checkout", "Confirm", id, &shown(&session["flow"]["after_completion"]["redirect"]["return_url"])),
        shown(&session["return_url"])
    )
}

fn subscription_row(subscription: &Value, next: &str) -> String {
    const BUTTONS: [(&str, &str); 6] = [
        ("renew", "Renew"),
        ("fail-payment", "Fail a payment"),
        ("pause", "Pause"),
        ("resume", "Resume"),
        ("cancel-at-period-end", "Cancel at period end"),
        ("cancel", "Cancel now"),
    ];
    let alive = subscription["status"] != "canceled";
    row(subscription, &["customer", "status"], BUTTONS.iter().filter(|_| alive), next)
}

fn row<'a>(object: &Value, fields: &[&str], buttons: impl Iterator<Item = &'a (&'a str, &'a str)>, next: &str) -> String {
    let id = shown(&object["id"]);
    let cells: String = fields.iter().map(|field| format!("<td>{}", shown(&object[*field]))).collect();
    let buttons: String = buttons.map(|(name, label)| button(name, label, &id, next)).collect();
    format!("<tr><td><code>{id}</code>{cells}<td>{buttons}")
}

fn button(name: &str, label: &str, id: &str, next: &str) -> String {
    format!(
        "<form method=post action=\"/control/{name}\"><input type=hidden name=id value=\"{id}\"><input type=hidden name=next \
         value=\"{next}\"><button>{label}</button></form> "
    )
}

/// A text as HTML.
fn shown(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
