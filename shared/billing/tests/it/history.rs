//! Histories as Stripe makes them: objects change, time passes, each change is an event with the object as it was then.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

/// First second of every history.
pub const START: i64 = 1_772_352_000;
const PERIOD: i64 = 2_592_000;

/// One step of a history; steps that make no sense at that point do nothing.
#[derive(Debug, Clone)]
pub struct Step {
    what: u8,
    target: u8,
    argument: u8,
    /// Seconds since the step before. Mostly none: ties are what we look for.
    seconds: u8,
    /// Whether objects have the shape from before 2025-03-31.
    old_shape: bool,
}

pub fn steps(count_max: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (0..16_u8, 0..6_u8, any::<u8>(), prop_oneof![3 => Just(0_u8), 2 => 1..4_u8], any::<bool>());
    let step = step.prop_map(|(what, target, argument, seconds, old_shape)| Step { what, target, argument, seconds, old_shape });
    proptest::collection::vec(step, 1..count_max)
}

/// Stripe's side of a history.
#[derive(Debug, Clone, Default)]
pub struct Stripe {
    /// What a request for an id shows now.
    pub objects: BTreeMap<String, Value>,
    /// The bodies that are delivered, in the order in which things happened.
    pub events: Vec<String>,
    pub now: i64,
    ended: BTreeMap<String, i64>,
}

/// The user that a customer is of: the first two are of one user.
pub fn user_of(customer: &str) -> &'static str {
    if customer == "cus_2" { "user|b" } else { "user|a" }
}

impl Stripe {
    pub fn live(steps: &[Step]) -> Self {
        let mut stripe = Self { now: START, ..Self::default() };
        for step in steps {
            stripe.now += i64::from(step.seconds);
            stripe.step(step);
        }
        stripe
    }

    fn step(&mut self, step: &Step) {
        let customer = format!("cus_{}", step.target % 3);
        let subscription = format!("sub_{}", step.target);
        let invoice = format!("in_{}", step.target);
        let method = format!("pm_{}", step.target);
        match step.what {
            0 | 1 => self.create_customer(&customer, step.argument),
            2 => self.rename(&customer, step.argument),
            3 if step.argument < 64 => self.delete_customer(&customer),
            4 | 5 => self.create_subscription(&subscription, &customer, step),
            6..=8 => self.update_subscription(&subscription, step),
            9 => self.end_subscription(&subscription, step),
            10 => self.checkout(&customer),
            11 | 12 => self.invoice(&invoice, &customer, step),
            13 => self.create_invoice(&invoice, &customer, step),
            14 => self.attach(&method, &customer),
            15 => self.change_method(&method, step.argument),
            _ => {}
        }
    }

    fn emit(&mut self, event_type: &str, object: &Value) {
        let n = self.events.len() as u64;
        // Ids say nothing about time, as Stripe's do.
        let id = format!("evt_{:016x}", (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let event = json!({"id": id, "object": "event", "type": event_type, "created": self.now, "livemode": false,
            "data": {"object": object}});
        self.events.push(event.to_string());
    }

    fn create_customer(&mut self, id: &str, argument: u8) {
        if self.objects.contains_key(id) {
            return;
        }
        let metadata = if argument.is_multiple_of(2) { json!({"userId": user_of(id)}) } else { json!({}) };
        let object = json!({"id": id, "object": "customer", "email": format!("{id}@example.test"), "name": "Ines", "created": self.now,
            "metadata": metadata});
        self.objects.insert(id.to_owned(), object.clone());
        self.emit("customer.created", &object);
    }

    fn is_alive(&self, customer: &str) -> bool {
        self.objects.get(customer).is_some_and(|object| object["deleted"] != true)
    }

    fn rename(&mut self, id: &str, argument: u8) {
        if !self.is_alive(id) {
            return;
        }
        let object = self.objects.get_mut(id).unwrap();
        object["name"] = json!(format!("Name {argument}"));
        let object = object.clone();
        self.emit("customer.updated", &object);
    }

    fn delete_customer(&mut self, id: &str) {
        if !self.is_alive(id) {
            return;
        }
        let last = self.objects.insert(id.to_owned(), json!({"id": id, "object": "customer", "deleted": true})).unwrap();
        let ids: Vec<String> = self.objects.iter().filter(|(_, object)| object["customer"] == id).map(|(id, _)| id.clone()).collect();
        for subscription in ids.iter().filter(|id| id.starts_with("sub_")) {
            if !self.ended.contains_key(subscription) {
                self.cancel(subscription, true);
            }
        }
        self.emit("customer.deleted", &last);
    }

    fn create_subscription(&mut self, id: &str, customer: &str, step: &Step) {
        if self.objects.contains_key(id) || !self.is_alive(customer) {
            return;
        }
        let metadata = if step.argument.is_multiple_of(3) { json!({"userId": user_of(customer)}) } else { json!({}) };
        let price = if step.argument.is_multiple_of(2) { "price_starter_monthly" } else { "price_professional_monthly" };
        let object = json!({"id": id, "object": "subscription", "customer": customer, "status": "incomplete", "created": self.now,
            "cancel_at": null, "cancel_at_period_end": false, "metadata": metadata,
            "items": {"data": [{"id": "si_1", "price": {"id": price}}]}});
        let object = with_period(object, self.now, step.old_shape);
        self.objects.insert(id.to_owned(), object.clone());
        self.emit("customer.subscription.created", &object);
    }

    fn update_subscription(&mut self, id: &str, step: &Step) {
        let Some(object) = self.objects.get_mut(id) else {
            return;
        };
        if let Some(ended) = self.ended.get(id) {
            if *ended == self.now {
                return;
            }
            object["cancel_at"] = json!(self.now);
        } else {
            let statuses = ["active", "trialing", "past_due", "unpaid", "paused", "incomplete", "suspended"];
            object["status"] = json!(statuses[usize::from(step.argument) % statuses.len()]);
            object["cancel_at_period_end"] = json!(step.argument > 128);
        }
        *object = with_period(object.take(), START + i64::from(step.argument), step.old_shape);
        let object = object.clone();
        let kinds = ["updated", "paused", "resumed", "trial_will_end", "pending_update_applied", "pending_update_expired"];
        self.emit(&format!("customer.subscription.{}", kinds[usize::from(step.argument) % kinds.len()]), &object);
    }

    fn end_subscription(&mut self, id: &str, step: &Step) {
        if self.objects.contains_key(id) && !self.ended.contains_key(id) {
            self.cancel(id, step.argument.is_multiple_of(2));
        }
    }

    fn cancel(&mut self, id: &str, canceled: bool) {
        let object = self.objects.get_mut(id).unwrap();
        object["status"] = json!(if canceled { "canceled" } else { "incomplete_expired" });
        let object = object.clone();
        self.ended.insert(id.to_owned(), self.now);
        self.emit(if canceled { "customer.subscription.deleted" } else { "customer.subscription.updated" }, &object);
    }

    fn checkout(&mut self, customer: &str) {
        if self.is_alive(customer) {
            let session = json!({"id": "cs_1", "object": "checkout.session", "customer": customer, "payment_status": "unpaid",
                "client_reference_id": user_of(customer)});
            self.emit("checkout.session.completed", &session);
        }
    }

    fn create_invoice(&mut self, id: &str, customer: &str, step: &Step) {
        if self.objects.contains_key(id) || !self.is_alive(customer) {
            return;
        }
        let mut object = json!({"id": id, "object": "invoice", "customer": customer, "status": "draft", "created": self.now,
            "currency": "usd", "amount_due": 2900, "amount_paid": 0, "total": 2900});
        if step.old_shape {
            object["subscription"] = json!("sub_0");
        } else {
            object["parent"] = json!({"subscription_details": {"subscription": "sub_0"}});
        }
        self.objects.insert(id.to_owned(), object.clone());
        self.emit("invoice.created", &object);
    }

    fn invoice(&mut self, id: &str, customer: &str, step: &Step) {
        let Some(object) = self.objects.get_mut(id) else {
            return self.create_invoice(id, customer, step);
        };
        let (status, events): (&str, &[&str]) = match (object["status"].as_str().unwrap(), step.argument % 5) {
            ("draft", 0) => {
                let object = self.objects.remove(id).unwrap();
                // The id is used up.
                self.objects.insert(id.to_owned(), json!({"id": id, "status": "gone"}));
                return self.emit("invoice.deleted", &object);
            }
            ("draft", 1 | 2) => ("open", &["invoice.finalized", "invoice.updated"]),
            ("open", 0) => ("void", &["invoice.voided"]),
            ("open", 1) => ("uncollectible", &["invoice.marked_uncollectible"]),
            ("open" | "uncollectible", 2) => ("paid", &["invoice.paid", "invoice.payment_succeeded", "invoice.updated"]),
            ("gone", _) => return,
            _ => ("", &["invoice.updated"]),
        };
        if status.is_empty() {
            object["description"] = json!(format!("Text {}", step.argument));
        } else {
            object["status"] = json!(status);
            object["amount_paid"] = json!(if status == "paid" { 2900 } else { 0 });
        }
        let object = object.clone();
        events.iter().for_each(|event| self.emit(event, &object));
    }

    fn attach(&mut self, id: &str, customer: &str) {
        if self.objects.contains_key(id) || !self.is_alive(customer) {
            return;
        }
        let object = json!({"id": id, "object": "payment_method", "type": "card", "customer": customer, "created": self.now,
            "card": {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030}});
        self.objects.insert(id.to_owned(), object.clone());
        self.emit("payment_method.attached", &object);
    }

    fn change_method(&mut self, id: &str, argument: u8) {
        let Some(object) = self.objects.get_mut(id).filter(|object| !object["customer"].is_null()) else {
            return;
        };
        if argument < 64 {
            let customer = object["customer"].take();
            let object = object.clone();
            self.emit("payment_method.detached", &object);
            let mut event: Value = serde_json::from_str(&self.events.pop().unwrap()).unwrap();
            event["data"]["previous_attributes"] = json!({"customer": customer});
            self.events.push(event.to_string());
        } else {
            object["card"]["exp_year"] = json!(2000 + i64::from(argument));
            let object = object.clone();
            self.emit("payment_method.automatically_updated", &object);
        }
    }

    /// What a request shows; deleted drafts answer 404.
    pub fn answers(&self) -> BTreeMap<String, Value> {
        self.objects.iter().filter(|(_, object)| object["status"] != "gone").map(|(id, object)| (id.clone(), object.clone())).collect()
    }
}

/// Puts the period where Stripe had it before 2025-03-31, or where it has it since.
pub fn with_period(mut object: Value, start: i64, old_shape: bool) -> Value {
    let (old, new) = if old_shape { (json!(start), Value::Null) } else { (Value::Null, json!(start)) };
    let end = |start: &Value| start.as_i64().map_or(Value::Null, |start| json!(start + PERIOD));
    (object["current_period_end"], object["items"]["data"][0]["current_period_end"]) = (end(&old), end(&new));
    (object["current_period_start"], object["items"]["data"][0]["current_period_start"]) = (old, new);
    object
}
