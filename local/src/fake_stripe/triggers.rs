//! Single events for a user, as Stripe would send them: to try what the webhook makes of each.

use domain::Timestamp;
use serde_json::{Value, json};

use super::objects;
use super::shape::Shape;

/// Every event that is handled.
pub const EVENTS: [&str; 37] = [
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.created",
    "invoice.deleted",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.upcoming",
    "invoice.updated",
    "invoice.voided",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "price.created",
    "price.deleted",
    "price.updated",
    "product.created",
    "product.deleted",
    "product.updated",
];

/// Whom an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About<'a> {
    /// The user.
    pub user: &'a str,
    /// Stripe's id of the customer.
    pub customer: &'a str,
    /// Stripe's id of the subscription.
    pub subscription: &'a str,
    /// Its price.
    pub price: &'a str,
}

/// An event under an id; nothing for a name that is not in [`EVENTS`].
#[must_use]
pub fn event(id: &str, name: &str, about: &About<'_>, now: Timestamp) -> Option<Value> {
    if !EVENTS.contains(&name) {
        return None;
    }
    let now = now.unix_seconds();
    let previous = (name == "payment_method.detached").then(|| json!({"customer": about.customer}));
    let object = object(name, about, now)?;
    Some(objects::event(id, name, Shape::Current.version(), &object, previous, now))
}

fn object(name: &str, about: &About<'_>, now: i64) -> Option<Value> {
    let (family, what) = name.split_once('.')?;
    Some(match family {
        "checkout" => checkout(what, about, now),
        "invoice" => invoice(what, about, now),
        "payment_method" => {
            let mut card = objects::card(&format!("pm_of_{}", about.customer), about.customer, now);
            if what == "detached" {
                card["customer"] = Value::Null;
            }
            card
        }
        "customer" => match what.strip_prefix("subscription.") {
            Some(what) => subscription(what, about, now),
            None => objects::customer(about.customer, None, &json!({"userId": about.user}), now),
        },
        _ => objects::catalogue(now).into_iter().find(|object| object["object"] == family && object["active"] == true)?,
    })
}

fn subscription(what: &str, about: &About<'_>, now: i64) -> Value {
    let price = objects::catalogue(now).into_iter().find(|object| object["id"] == about.price);
    let item = format!("si_of_{}", about.subscription);
    let metadata = json!({"userId": about.user});
    let price = price.unwrap_or_else(|| json!({"id": about.price}));
    let mut subscription = objects::subscription(about.subscription, &item, about.customer, &price, &metadata, now);
    subscription["status"] = json!(match what {
        "deleted" => "canceled",
        "paused" => "paused",
        "trial_will_end" => "trialing",
        _ => "active",
    });
    subscription
}

fn checkout(what: &str, about: &About<'_>, now: i64) -> Value {
    let form = json!({"customer": about.customer, "client_reference_id": about.user, "metadata": {"userId": about.user}});
    let mut session = objects::checkout(&format!("cs_of_{}", about.customer), "", &form, &json!({"unit_amount": 2_900}), now);
    let is_paid = matches!(what, "session.completed" | "session.async_payment_succeeded");
    session["url"] = Value::Null;
    session["subscription"] = if is_paid { json!(about.subscription) } else { Value::Null };
    session["status"] = json!(if what == "session.expired" { "expired" } else { "complete" });
    session["payment_status"] = json!(if is_paid { "paid" } else { "unpaid" });
    session
}

fn invoice(what: &str, about: &About<'_>, now: i64) -> Value {
    let of = subscription("updated", about, now);
    let mut invoice = objects::invoice(&format!("in_of_{}", about.subscription), 1, &of, now);
    let status = match what {
        "paid" | "payment_succeeded" => "paid",
        "voided" => "void",
        "marked_uncollectible" => "uncollectible",
        "created" | "deleted" | "finalization_failed" | "upcoming" => "draft",
        _ => "open",
    };
    invoice["status"] = json!(status);
    if status == "paid" {
        invoice["amount_paid"] = invoice["total"].clone();
        invoice["amount_remaining"] = json!(0);
    }
    if what == "upcoming" {
        // A preview has no id.
        invoice.as_object_mut().map(|invoice| invoice.remove("id"));
    }
    invoice
}

#[cfg(test)]
mod tests {
    use billing::{Event, Work};

    use super::*;

    #[test]
    fn every_event_is_one_that_the_webhook_does_something_about() {
        let about = About { user: "u1", customer: "cus_1", subscription: "sub_1", price: "price_starter_monthly" };
        for name in EVENTS {
            let event = event("evt_1", name, &about, Timestamp::from_ms(1_772_703_000_000)).unwrap();
            let read = Event::parse(event.to_string().as_bytes()).unwrap();
            let work = read.work(false).unwrap();
            assert_eq!(matches!(work, Work::Ignore(_)), name == "invoice.upcoming", "{name}: {work:?}");
        }
        assert!(event("evt_1", "customer.invented", &about, Timestamp::from_ms(0)).is_none());
    }
}
