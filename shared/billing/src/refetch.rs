//! What Stripe answers when it is asked for an object: after a tie, for reconciliation and for a backfill.

use domain::{Plans, UserId};
use serde_json::Value;

use crate::decide::{CustomerWrites, Found, Quarantine};
use crate::event::Malformed;
use crate::guard::{Guarded, Rank, Stored, settle};
use crate::json;
use crate::mirror::{Customer, Invoice, Item, ItemId, Meta, PaymentMethod, Subscription};

/// Stripe's answer.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// The object.
    Object(&'a Value),
    /// There is no such object (any more).
    Missing,
}

impl Answer<'_> {
    /// Stripe still answers for deleted customers, products and prices, with little but `deleted`.
    pub(crate) fn or_missing(self) -> Self {
        match self {
            Self::Object(object) if json::flag(object, &["deleted"]) => Self::Missing,
            answer => answer,
        }
    }
}

/// An object of a customer that Stripe is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum CustomerItem {
    /// The customer itself.
    Customer,
    /// One of its objects.
    Item(ItemId),
}

impl CustomerItem {
    /// The place of an object that Stripe lists or shows, with its customer; none for objects that are not mirrored under one.
    #[must_use]
    pub fn of(object: &Value) -> Option<(String, Self)> {
        let (id, customer) = (json::id(object, &["id"])?, json::id(object, &["customer"]));
        let item = match json::text(object, &["object"])? {
            "customer" => return Some((id, Self::Customer)),
            "subscription" => ItemId::Subscription(id),
            "invoice" => ItemId::Invoice { created: json::seconds(object, &["created"]).unwrap_or_default(), id },
            "payment_method" => ItemId::PaymentMethod(id),
            _ => return None,
        };
        Some((customer?, Self::Item(item)))
    }

    /// Decides what Stripe's answer changes; none when the mirror says the same and has no mark.
    ///
    /// `found` is what was read *before* Stripe was asked, at `asked_at` (Unix seconds). The transaction has the condition that the head
    /// still has that revision: else an event came in between, and all of it starts over.
    ///
    /// # Errors
    /// [`Quarantine`] when the answer is no such object, or the user has too many customers.
    pub fn refetched(
        &self,
        customer: &str,
        found: &Found,
        answer: Answer<'_>,
        asked_at: i64,
        plans: &Plans,
    ) -> Result<Option<CustomerWrites>, Quarantine> {
        let answer = answer.or_missing();
        self.check(customer, answer)?;
        let mut meta = found.meta.clone().unwrap_or_else(|| Meta::new(customer, None));
        let claim = self.claim(answer).filter(|_| meta.user.is_none());
        let is_new_link = claim.is_some();
        meta.user = claim.or(meta.user);
        let stored = found.item.as_ref();
        let (mut object, mut item) = (None, None);
        match self {
            Self::Customer => object = settled(meta.object.as_ref(), customer_of(answer), asked_at, gone_customer),
            Self::Item(ItemId::Subscription(_)) => {
                let seen = shown(answer, |object| Subscription::from_object(object, Rank::Updated))?;
                item = settled(stored.and_then(Item::subscription), seen, asked_at, gone_subscription).map(Item::Subscription);
            }
            Self::Item(ItemId::Invoice { .. }) => {
                let seen = shown(answer, |object| Invoice::from_object(object, Rank::Updated))?;
                item = settled(stored.and_then(Item::invoice), seen, asked_at, gone_invoice).map(Item::Invoice);
            }
            Self::Item(ItemId::PaymentMethod(_)) => {
                let is_attached = |object: &Value| json::id(object, &["customer"]).is_some_and(|owner| owner == customer);
                let seen = shown(answer, |object| PaymentMethod::from_object(object, is_attached(object)))?;
                item = settled(stored.and_then(Item::payment_method), seen, asked_at, gone_payment_method).map(Item::PaymentMethod);
            }
        }
        if object.is_none() && item.is_none() && !is_new_link {
            return Ok(None);
        }
        meta.object = object.or(meta.object);
        CustomerWrites::new(meta, item, found, plans).map(Some)
    }

    /// Whether the mirror shows what Stripe lists: the same object, unmarked, of a customer whose user is known as far as Stripe names one.
    #[must_use]
    pub fn is_shown_by(&self, found: &Found, listed: &Value) -> bool {
        let is_linked = found.meta.as_ref().is_some_and(|meta| meta.user.is_some());
        let names_user = self.claim(Answer::Object(listed)).is_some();
        let stored = found.item.as_ref();
        let is_same = match self {
            Self::Customer => found
                .meta
                .as_ref()
                .and_then(|meta| meta.object.as_ref())
                .is_some_and(|stored| !stored.needs_refresh && stored.value == Customer::from_object(listed, Rank::Updated)),
            Self::Item(ItemId::Subscription(_)) => {
                shows(stored.and_then(Item::subscription), Subscription::from_object(listed, Rank::Updated))
            }
            Self::Item(ItemId::Invoice { .. }) => shows(stored.and_then(Item::invoice), Invoice::from_object(listed, Rank::Updated)),
            Self::Item(ItemId::PaymentMethod(_)) => shows(stored.and_then(Item::payment_method), PaymentMethod::from_object(listed, true)),
        };
        is_same && (is_linked || !names_user)
    }

    /// The user whose root and sources have to be read for [`Found::user`]: the stored link, else the one that the answer names.
    #[must_use]
    pub fn user(&self, meta: Option<&Meta>, answer: Answer<'_>) -> Option<UserId> {
        meta.and_then(|meta| meta.user.clone()).or_else(|| self.claim(answer.or_missing()))
    }

    /// Refuses an answer about something else.
    fn check(&self, customer: &str, answer: Answer<'_>) -> Result<(), Malformed> {
        let Answer::Object(object) = answer else {
            return Ok(());
        };
        let asked = match self {
            Self::Customer => customer,
            Self::Item(ItemId::Subscription(id) | ItemId::PaymentMethod(id) | ItemId::Invoice { id, .. }) => id,
        };
        if json::id(object, &["id"]).as_deref() != Some(asked) {
            return Err(Malformed("Stripe answered with another object"));
        }
        match json::id(object, &["customer"]) {
            Some(owner) if owner != customer => Err(Malformed("Stripe answered with another customer's object")),
            _ => Ok(()),
        }
    }

    /// The user that the object names. It links only a customer that has none; a conflict was the event's to report.
    fn claim(&self, answer: Answer<'_>) -> Option<UserId> {
        match (self, answer) {
            (Self::Customer | Self::Item(ItemId::Subscription(_)), Answer::Object(object)) => user_named(object),
            _ => None,
        }
    }
}

/// The user that a customer or a subscription names.
pub(crate) fn user_named(object: &Value) -> Option<UserId> {
    UserId::parse(json::text(object, &["metadata", "userId"])?).ok()
}

fn shows<T: Guarded>(stored: Option<&Stored<T>>, listed: Result<T, Malformed>) -> bool {
    stored.zip(listed.ok()).is_some_and(|(stored, listed)| !stored.needs_refresh && stored.value == listed)
}

fn shown<T>(answer: Answer<'_>, read: impl FnOnce(&Value) -> Result<T, Malformed>) -> Result<Option<T>, Malformed> {
    match answer {
        Answer::Object(object) => read(object).map(Some),
        Answer::Missing => Ok(None),
    }
}

fn customer_of(answer: Answer<'_>) -> Option<Customer> {
    match answer {
        Answer::Object(object) => Some(Customer::from_object(object, Rank::Updated)),
        Answer::Missing => None,
    }
}

/// The object as it is to be stored, if that is something else than what is stored.
pub(crate) fn settled<T: Guarded>(current: Option<&Stored<T>>, seen: Option<T>, asked_at: i64, gone: fn(&T) -> T) -> Option<Stored<T>> {
    let value = seen.or_else(|| current.map(|current| gone(&current.value)))?;
    if current.is_some_and(|current| !current.needs_refresh && current.value == value) {
        return None;
    }
    Some(settle(current, value, asked_at))
}

pub(crate) fn gone_customer(_: &Customer) -> Customer {
    Customer::gone()
}

pub(crate) fn gone_subscription(subscription: &Subscription) -> Subscription {
    Subscription { status: "canceled".to_owned(), ..subscription.clone() }
}

pub(crate) fn gone_invoice(invoice: &Invoice) -> Invoice {
    Invoice { deleted: true, ..invoice.clone() }
}

pub(crate) fn gone_payment_method(method: &PaymentMethod) -> PaymentMethod {
    PaymentMethod { attached: false, ..method.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_of_a_customer_are_found_from_what_stripe_lists() {
        let of = |object: Value| CustomerItem::of(&object);
        let at = |item| Some(("cus_1".to_owned(), CustomerItem::Item(item)));
        assert_eq!(of(json!({"id": "cus_1", "object": "customer"})), Some(("cus_1".into(), CustomerItem::Customer)));
        assert_eq!(of(json!({"id": "sub_1", "object": "subscription", "customer": "cus_1"})), at(ItemId::Subscription("sub_1".into())));
        let invoice = ItemId::Invoice { created: 5, id: "in_1".into() };
        assert_eq!(of(json!({"id": "in_1", "object": "invoice", "customer": {"id": "cus_1"}, "created": 5})), at(invoice));
        assert_eq!(of(json!({"id": "pm_1", "object": "payment_method", "customer": null})), None);
        assert_eq!(of(json!({"id": "ch_1", "object": "charge", "customer": "cus_1"})), None);
    }
}
