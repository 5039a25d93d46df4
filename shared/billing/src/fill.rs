//! All that Stripe shows of a customer: when the customer is first known, and for a backfill.

use std::collections::BTreeMap;

use domain::{Plans, UserId};
use serde_json::Value;

use crate::decide::{CustomerWrites, Found, FoundUser, Quarantine};
use crate::event::Malformed;
use crate::guard::{Rank, Stored};
use crate::json;
use crate::mirror::{Customer, Invoice, Item, ItemId, Meta, PaymentMethod, Subscription};
use crate::refetch::{CustomerItem, gone_customer, gone_invoice, gone_payment_method, gone_subscription, settled, user_named};

/// Objects of one transaction, which also writes the head and the user's aggregates.
const OBJECTS_MAX: usize = 80;

/// What Stripe shows of a customer, all of it asked for at one moment or later.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown<'a> {
    /// The customer; nothing when Stripe knows no such one.
    pub customer: Option<&'a Value>,
    /// All its subscriptions, invoices and payment methods.
    pub objects: &'a [Value],
}

/// What is stored of a customer, all of it read before Stripe was asked.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The head.
    pub meta: Option<Meta>,
    /// All objects.
    pub items: Vec<Item>,
    /// What is stored of [`Known::user`].
    pub user: FoundUser,
}

/// One transaction of a fill. Each has the condition that the head is the one that the transaction before it left.
#[derive(Debug, Clone, PartialEq)]
pub struct FillWrites {
    /// Head and user.
    pub customer: CustomerWrites,
    /// The objects that changed.
    pub items: Vec<Item>,
}

impl Known {
    /// Decides what Stripe's answers, asked for at `asked_at` (Unix seconds), change: transactions to be committed in order, none when nothing
    /// changes.
    ///
    /// Of a customer that Stripe does not know nothing is changed but that it was asked: another account's key must end no subscription.
    ///
    /// # Errors
    /// [`Quarantine`] when an answer is no such object, or the user has too many customers.
    pub fn fill(&self, id: &str, shown: Shown<'_>, asked_at: i64, plans: &Plans) -> Result<Vec<FillWrites>, Quarantine> {
        let mut meta = self.meta.clone().unwrap_or_else(|| Meta::new(id, None));
        let mut changed = Vec::new();
        if let Some(customer) = shown.customer {
            meta.user = self.user(shown);
            let is_gone = json::flag(customer, &["deleted"]);
            let seen = (!is_gone).then(|| Customer::from_object(customer, Rank::Updated));
            meta.object = settled(meta.object.as_ref(), seen, asked_at, gone_customer).or(meta.object);
            changed = self.changed(id, shown.objects, asked_at)?;
        }
        meta.filled = meta.filled.or(Some(asked_at));
        if changed.is_empty() && self.meta.as_ref() == Some(&meta) {
            return Ok(Vec::new());
        }
        self.transactions(&meta, &changed, plans)
    }

    /// The user whose root and sources have to be read for [`Known::user`]: the stored link, else the one that Stripe's objects name.
    #[must_use]
    pub fn user(&self, shown: Shown<'_>) -> Option<UserId> {
        let linked = self.meta.as_ref().and_then(|meta| meta.user.clone());
        linked.or_else(|| shown.customer.into_iter().chain(shown.objects).find_map(user_named))
    }

    /// The objects that are stored in another form than Stripe shows, subscriptions first.
    fn changed(&self, customer: &str, objects: &[Value], asked_at: i64) -> Result<Vec<Item>, Malformed> {
        let mut stored: BTreeMap<ItemId, &Item> = self.items.iter().map(|item| (item.id(), item)).collect();
        let mut changed = Vec::new();
        for object in objects {
            let id = match CustomerItem::of(object) {
                Some((owner, CustomerItem::Item(id))) if owner == customer => id,
                _ => return Err(Malformed("Stripe listed another object than a customer's")),
            };
            changed.extend(seen(stored.remove(&id), &id, object, asked_at)?);
        }
        changed.extend(stored.into_values().filter_map(|item| unseen(item, asked_at)));
        changed.sort_by_key(Item::id);
        Ok(changed)
    }

    fn transactions(&self, meta: &Meta, changed: &[Item], plans: &Plans) -> Result<Vec<FillWrites>, Quarantine> {
        let before = self.items.iter().filter_map(Item::subscription).map(|stored| (stored.value.id.clone(), stored.clone()));
        let mut subscriptions: BTreeMap<String, Stored<Subscription>> = before.collect();
        let mut found = Found { user: self.user.clone(), ..Found::default() };
        let mut head = Meta { filled: self.meta.as_ref().and_then(|known| known.filled), ..meta.clone() };
        let count = changed.len().div_ceil(OBJECTS_MAX).max(1);
        let mut transactions = Vec::with_capacity(count);
        for number in 0..count {
            let items = changed.chunks(OBJECTS_MAX).nth(number).unwrap_or_default().to_vec();
            let now = items.iter().filter_map(Item::subscription).map(|stored| (stored.value.id.clone(), stored.clone()));
            subscriptions.extend(now);
            found.subscriptions = subscriptions.values().cloned().collect();
            if number + 1 == count {
                head.filled = meta.filled;
            }
            let customer = CustomerWrites::new(head, None, &found, plans)?;
            head = customer.meta.clone();
            if let Some(user) = &customer.user {
                found.user = FoundUser { billing: user.billing.clone(), sources: Some(user.sources.clone()) };
            }
            transactions.push(FillWrites { customer, items });
        }
        Ok(transactions)
    }
}

/// An object that Stripe lists, if it is to be stored in another form.
fn seen(stored: Option<&Item>, id: &ItemId, object: &Value, asked_at: i64) -> Result<Option<Item>, Malformed> {
    Ok(match id {
        ItemId::Subscription(_) => {
            let value = Subscription::from_object(object, Rank::Updated)?;
            settled(stored.and_then(Item::subscription), Some(value), asked_at, gone_subscription).map(Item::Subscription)
        }
        ItemId::Invoice { .. } => {
            let value = Invoice::from_object(object, Rank::Updated)?;
            settled(stored.and_then(Item::invoice), Some(value), asked_at, gone_invoice).map(Item::Invoice)
        }
        ItemId::PaymentMethod(_) => {
            let value = PaymentMethod::from_object(object, true)?;
            settled(stored.and_then(Item::payment_method), Some(value), asked_at, gone_payment_method).map(Item::PaymentMethod)
        }
    })
}

/// An object that Stripe does not list any more: a card was detached, a draft was thrown away. Subscriptions are listed for ever.
fn unseen(item: &Item, asked_at: i64) -> Option<Item> {
    match item {
        Item::Subscription(_) => None,
        Item::Invoice(stored) => {
            let is_draft = stored.value.status.as_deref() == Some("draft");
            is_draft.then(|| settled(Some(stored), None, asked_at, gone_invoice).map(Item::Invoice)).flatten()
        }
        Item::PaymentMethod(stored) => {
            let is_card = stored.value.method == "card";
            is_card.then(|| settled(Some(stored), None, asked_at, gone_payment_method).map(Item::PaymentMethod)).flatten()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: i64 = 1_772_703_000;

    fn subscription(n: usize, status: &str) -> Value {
        json!({"id": format!("sub_{n:03}"), "object": "subscription", "customer": "cus_1", "status": status, "created": n,
            "items": {"data": [{"price": {"id": "price_starter_monthly"}, "current_period_start": 1, "current_period_end": 9}]}})
    }

    fn customer() -> Value {
        json!({"id": "cus_1", "object": "customer", "email": "ines@example.test", "created": 5, "metadata": {"userId": "u1"}})
    }

    fn invoice(id: &str, status: &str) -> Value {
        json!({"id": id, "object": "invoice", "customer": "cus_1", "status": status, "created": 7})
    }

    fn card(id: &str) -> Value {
        json!({"id": id, "object": "payment_method", "customer": "cus_1", "type": "card", "card": {"last4": "4242"}})
    }

    /// What is known after the transactions.
    fn after(known: &Known, writes: &[FillWrites]) -> Known {
        let mut known = known.clone();
        for write in writes {
            let expected = known.meta.as_ref().map_or(0, |meta| meta.rev) + 1;
            assert_eq!(write.customer.meta.rev, expected, "each transaction raises the revision by one");
            known.meta = Some(write.customer.meta.clone());
            for item in &write.items {
                known.items.retain(|old| old.id() != item.id());
                known.items.push(item.clone());
            }
            if let Some(user) = &write.customer.user {
                known.user = FoundUser { billing: user.billing.clone(), sources: Some(user.sources.clone()) };
            }
        }
        known
    }

    fn filled(known: &Known, customer: Option<&Value>, objects: &[Value]) -> Known {
        let shown = Shown { customer, objects };
        let writes = known.fill("cus_1", shown, AT, &Plans::built_in()).unwrap();
        let known = after(known, &writes);
        let again = known.fill("cus_1", shown, AT + 100, &Plans::built_in()).unwrap();
        assert_eq!(again, [], "the same again changes nothing");
        known
    }

    #[test]
    fn everything_that_stripe_shows_is_stored_and_counts() {
        let known = filled(&Known::default(), Some(&customer()), &[subscription(1, "active"), invoice("in_1", "paid"), card("pm_1")]);
        let meta = known.meta.unwrap();
        assert_eq!((meta.user.unwrap().as_str(), meta.filled, known.items.len()), ("u1", Some(AT), 3));
        assert_eq!(known.user.billing.subscription.unwrap().stripe_subscription_id.as_deref(), Some("sub_001"));
        assert_eq!(known.user.billing.customer.unwrap().email.as_deref(), Some("ines@example.test"));
    }

    #[test]
    fn more_objects_than_a_transaction_holds_go_in_several_and_the_last_says_that_it_is_done() {
        let mut objects: Vec<Value> = (0..90).map(|n| subscription(n, if n == 89 { "active" } else { "canceled" })).collect();
        objects.extend((0..90).map(|n| invoice(&format!("in_{n}"), "paid")));
        let writes =
            Known::default().fill("cus_1", Shown { customer: Some(&customer()), objects: &objects }, AT, &Plans::built_in()).unwrap();
        assert_eq!(writes.iter().map(|write| write.items.len()).collect::<Vec<_>>(), [80, 80, 20]);
        assert_eq!(writes.iter().map(|write| write.customer.meta.filled).collect::<Vec<_>>(), [None, None, Some(AT)]);
        let known = filled(&Known::default(), Some(&customer()), &objects);
        assert_eq!((known.items.len(), known.user.billing.subscription.unwrap().stripe_subscription_id.as_deref()), (180, Some("sub_089")));
    }

    #[test]
    fn an_unknown_customer_is_asked_for_once_and_ends_nothing() {
        let known = filled(&Known::default(), Some(&customer()), &[subscription(1, "active"), card("pm_1")]);
        let unknown = filled(&known, None, &[]);
        assert_eq!((&unknown.items, &unknown.user.billing), (&known.items, &known.user.billing));
        let fresh = filled(&Known { meta: Some(Meta::new("cus_1", None)), ..Known::default() }, None, &[]);
        assert_eq!(fresh.meta.unwrap().filled, Some(AT));
    }

    #[test]
    fn what_stripe_no_longer_lists_is_gone_but_no_subscription_is() {
        let objects = [subscription(1, "active"), invoice("in_1", "draft"), invoice("in_2", "paid"), card("pm_1")];
        let known = filled(&Known::default(), Some(&customer()), &objects);
        let later = filled(&known, Some(&customer()), &[]);
        let value = serde_json::to_value(&later.items).unwrap();
        let of =
            |kind: &str, id: &str| value.as_array().unwrap().iter().find(|item| item[kind]["value"]["id"] == id).unwrap()[kind].clone();
        assert_eq!(of("invoice", "in_1")["value"]["deleted"], true);
        assert_eq!(of("invoice", "in_2")["value"]["deleted"], false);
        assert_eq!(of("paymentMethod", "pm_1")["value"]["attached"], false);
        assert_eq!(later.user.billing.subscription.unwrap().status, domain::SubscriptionStatus::Active);
    }

    #[test]
    fn objects_of_another_customer_are_refused() {
        let mut alien = subscription(1, "active");
        alien["customer"] = json!("cus_2");
        let shown = Shown { customer: Some(&customer()), objects: &[alien] };
        assert!(Known::default().fill("cus_1", shown, AT, &Plans::built_in()).is_err());
    }
}
