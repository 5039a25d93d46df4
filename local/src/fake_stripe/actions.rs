//! What happens at Stripe, with the events that it tells of it.

use serde_json::{Value, json};

use super::account::Account;
use super::objects::{self, PERIOD_S};

/// Why something cannot happen.
pub(super) type Refused = &'static str;

impl Account {
    /// The user pays: card, subscription, first invoice. Or confirms what a visit to the portal asks for.
    pub(super) fn complete_checkout(&mut self, session: &str) -> Result<Value, Refused> {
        if let Some(flow) = self.get(session).map(|visit| visit["flow"].clone()).filter(Value::is_object) {
            let change = &flow["subscription_update_confirm"];
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            return self.change_price(&word(&change["subscription"]), &word(&change["items"]["0"]["price"]));
        }
        let open = self.get(session).filter(|found| found["status"] == "open").cloned().ok_or("no open checkout session has this id")?;
        let basket = self.baskets.get(session).cloned().ok_or("no open checkout session has this id")?;
        let customer = open["customer"].as_str().unwrap_or_default().to_owned();
        let price = self.get(&basket.price).cloned().ok_or("the price is gone")?;
        let now = self.now();
        let card = self.id("pm");
        self.put(objects::card(&card, &customer, now));
        self.tell("payment_method.attached", &card, None);
        let (id, item) = (self.id("sub"), self.id("si"));
        self.put(objects::subscription(&id, &item, &customer, &price, &basket.metadata, now));
        self.change(&id, &json!({"default_payment_method": card}));
        self.tell("customer.subscription.created", &id, None);
        let invoice = self.invoice(&id, true);
        let before = self.change(&id, &json!({"status": "active", "latest_invoice": invoice}));
        self.tell("customer.subscription.updated", &id, before);
        self.change(session, &json!({"status": "complete", "payment_status": "paid", "subscription": id, "invoice": invoice, "url": null}));
        self.tell("checkout.session.completed", session, None);
        Ok(self.get(&id).cloned().unwrap_or_default())
    }

    /// Makes a customer, unless there is one, and an active subscription, under ids of before this fake, without telling anybody.
    pub(super) fn subscribe(&mut self, customer: &str, subscription: &str, user: &str, price: &str) -> Result<Value, Refused> {
        let (now, item) = (self.now(), self.id("si"));
        let price = self.get(price).cloned().ok_or("no price has this id")?;
        let metadata = json!({"userId": user});
        if self.get(customer).is_none() {
            self.put(objects::customer(customer, None, &metadata, now));
        }
        self.put(objects::subscription(subscription, &item, customer, &price, &metadata, now));
        self.change(subscription, &json!({"status": "active"}));
        Ok(self.get(subscription).cloned().unwrap_or_default())
    }

    /// The user never pays.
    pub(super) fn expire_checkout(&mut self, session: &str) -> Result<Value, Refused> {
        self.get(session).filter(|found| found["status"] == "open").ok_or("no open checkout session has this id")?;
        self.change(session, &json!({"status": "expired", "url": null}));
        self.tell("checkout.session.expired", session, None);
        Ok(self.get(session).cloned().unwrap_or_default())
    }

    /// A period ends and the next one is paid, or not.
    pub(super) fn renew(&mut self, subscription: &str, paid: bool) -> Result<Value, Refused> {
        let mut items = self.living(subscription)?["items"].clone();
        let start = items["data"][0]["current_period_end"].as_i64().unwrap_or_else(|| self.now());
        items["data"][0]["current_period_start"] = json!(start);
        items["data"][0]["current_period_end"] = json!(start + PERIOD_S);
        let status = if paid { "active" } else { "past_due" };
        let mut before = self.change(subscription, &json!({"items": items})).unwrap_or_default();
        let invoice = self.invoice(subscription, paid);
        let more = self.change(subscription, &json!({"status": status, "latest_invoice": invoice})).unwrap_or_default();
        if let (Value::Object(before), Value::Object(more)) = (&mut before, more) {
            before.extend(more);
        }
        self.tell("customer.subscription.updated", subscription, Some(before));
        Ok(self.get(subscription).cloned().unwrap_or_default())
    }

    /// The subscription ends now, or with its period.
    pub(super) fn cancel(&mut self, subscription: &str, at_period_end: bool) -> Result<Value, Refused> {
        let now = self.now();
        let found = self.living(subscription)?;
        if at_period_end {
            // Since 2025-09-30 the portal sets the moment alone.
            let ends = found["items"]["data"][0]["current_period_end"].clone();
            return self.update(subscription, &json!({"cancel_at": ends, "canceled_at": now}));
        }
        self.change(subscription, &json!({"status": "canceled", "canceled_at": now, "ended_at": now}));
        self.tell("customer.subscription.deleted", subscription, None);
        Ok(self.get(subscription).cloned().unwrap_or_default())
    }

    /// The trial ended without a card: the subscription stands still.
    pub(super) fn pause(&mut self, subscription: &str) -> Result<Value, Refused> {
        self.living(subscription)?;
        let paused = self.update(subscription, &json!({"status": "paused"}));
        self.tell("customer.subscription.paused", subscription, None);
        paused
    }

    /// It goes on: it is paid again, and is not to end.
    pub(super) fn resume(&mut self, subscription: &str) -> Result<Value, Refused> {
        let was_paused = self.living(subscription)?["status"] == "paused";
        let fields = json!({"status": "active", "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null});
        let resumed = self.update(subscription, &fields);
        if was_paused {
            self.tell("customer.subscription.resumed", subscription, None);
        }
        resumed
    }

    /// The subscription moves to another price.
    pub(super) fn change_price(&mut self, subscription: &str, price: &str) -> Result<Value, Refused> {
        let price = self.get(price).filter(|price| price["object"] == "price").cloned().ok_or("no price has this id")?;
        let mut items = self.living(subscription)?["items"].clone();
        items["data"][0]["price"] = price;
        self.update(subscription, &json!({"items": items}))
    }

    /// The customer goes, and its subscriptions with it.
    pub(super) fn delete_customer(&mut self, customer: &str) -> Result<Value, Refused> {
        let found = self.get(customer).filter(|found| found["object"] == "customer" && found["deleted"].is_null());
        let found = found.cloned().ok_or("no customer has this id")?;
        let theirs = |object: &&Value| object["customer"] == customer && object["status"] != "canceled";
        let ids: Vec<_> =
            self.of_kind("subscription").filter(theirs).filter_map(|object| object["id"].as_str()).map(str::to_owned).collect();
        for id in ids {
            self.cancel(&id, false)?;
        }
        self.put(json!({"id": customer, "object": "customer", "deleted": true}));
        self.tell_of("customer.deleted", &found, None);
        Ok(json!({"id": customer, "object": "customer", "deleted": true}))
    }

    /// The card is taken off its customer.
    pub(super) fn detach(&mut self, card: &str) -> Result<Value, Refused> {
        let owner = self.get(card).filter(|found| found["object"] == "payment_method").ok_or("no payment method has this id")?;
        let previous = json!({"customer": owner["customer"]});
        self.change(card, &json!({"customer": null}));
        self.tell("payment_method.detached", card, Some(previous));
        Ok(self.get(card).cloned().unwrap_or_default())
    }

    /// Changes fields of a subscription and tells of it.
    pub(super) fn update(&mut self, subscription: &str, fields: &Value) -> Result<Value, Refused> {
        let before = self.change(subscription, fields).ok_or("no subscription has this id")?;
        if before.as_object().is_some_and(|before| !before.is_empty()) {
            self.tell("customer.subscription.updated", subscription, Some(before));
        }
        Ok(self.get(subscription).cloned().unwrap_or_default())
    }

    /// A subscription that has not ended.
    pub(super) fn living(&self, id: &str) -> Result<&Value, Refused> {
        let is_living = |found: &&Value| found["object"] == "subscription" && found["status"] != "canceled";
        self.get(id).filter(is_living).ok_or("no subscription that has not ended has this id")
    }

    /// Draws the invoice of a subscription's period, and takes the money or fails to.
    fn invoice(&mut self, subscription: &str, paid: bool) -> String {
        let id = self.id("in");
        let number = self.number();
        let of = self.get(subscription).cloned().unwrap_or_default();
        let drawn = objects::invoice(&id, number, &of, self.now());
        let amount = drawn["total"].clone();
        self.put(drawn);
        self.tell("invoice.created", &id, None);
        let page = format!("{}/invoices/{id}", self.url);
        let number = format!("FAKE-{number:04}");
        self.change(&id, &json!({"status": "open", "number": number, "hosted_invoice_url": page, "invoice_pdf": format!("{page}.pdf")}));
        self.tell("invoice.finalized", &id, None);
        self.change(&id, &json!({"attempted": true, "attempt_count": 1}));
        if paid {
            self.change(&id, &json!({"status": "paid", "amount_paid": amount, "amount_remaining": 0}));
            self.tell("invoice.paid", &id, None);
            self.tell("invoice.payment_succeeded", &id, None);
        } else {
            self.tell("invoice.payment_failed", &id, None);
        }
        id
    }
}
