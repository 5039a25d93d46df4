//! What a user's billing state is computed from: each customer that is the user's, and what was imported.

use std::collections::BTreeMap;

use domain::{Billing, Plans, UserId};
use serde::{Deserialize, Serialize};

use crate::guard::Stored;
use crate::mirror::{Meta, Subscription};

/// Customers of one user; more than a few mean that something creates them in a loop.
const CUSTOMERS_MAX: usize = 20;

/// What one customer contributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomerBilling {
    /// As the views show it; none when Stripe deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<domain::Customer>,
    /// Unix seconds; 0 while unknown.
    pub created: i64,
    /// The subscription that counts among those of this customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<domain::Subscription>,
    /// Whether the imported subscription is one of this customer: the mirror then speaks for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_imported: bool,
}

/// A user's sources, in an item of the user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// By Stripe's customer id.
    pub customers: BTreeMap<String, CustomerBilling>,
    /// The billing state from before the first event.
    pub imported: Billing,
}

impl Sources {
    /// The sources of a user of whom no event has come yet.
    #[must_use]
    pub fn imported(billing: Billing) -> Self {
        Self { customers: BTreeMap::new(), imported: billing }
    }

    /// The billing state: the best subscription of all, and its customer.
    #[must_use]
    pub fn billing(&self) -> Billing {
        let mirrored: Vec<_> = self.customers.values().filter_map(|entry| entry.subscription.as_ref()).collect();
        let is_mirrored = self.customers.values().any(|entry| entry.has_imported);
        // A row without Stripe's id reads as not subscribed: it must not hide one that Stripe knows.
        let counts = |row: &&domain::Subscription| !is_mirrored && (row.stripe_subscription_id.is_some() || mirrored.is_empty());
        let imported = self.imported.subscription.as_ref().filter(counts);
        let subscription = Billing::choose(mirrored.iter().copied().chain(imported).cloned());
        let customer = self.customer_of(subscription.as_ref());
        Billing { customer, subscription }
    }

    /// The customer that the subscription is of, else the newest that Stripe has not deleted, else the imported one.
    fn customer_of(&self, subscription: Option<&domain::Subscription>) -> Option<domain::Customer> {
        let of_chosen = self.customers.values().find(|entry| subscription.is_some() && entry.subscription.as_ref() == subscription);
        let newest = || {
            let alive = self.customers.values().filter_map(|entry| Some((entry.created, entry.customer.as_ref()?)));
            alive.max_by_key(|(created, customer)| (*created, customer.id.as_str())).map(|(_, customer)| customer.clone())
        };
        let imported = || {
            let customer = self.imported.customer.as_ref()?;
            self.customers.get(&customer.id).map_or_else(|| Some(customer.clone()), |entry| entry.customer.clone())
        };
        match of_chosen {
            Some(entry) if entry.customer.is_some() => entry.customer.clone(),
            None if subscription.is_some() => imported().or_else(newest),
            _ => newest().or_else(imported),
        }
    }

    /// The sources with a customer's present state; none when there are too many customers.
    pub(crate) fn with(mut self, meta: &Meta, subscriptions: &[Stored<Subscription>], plans: &Plans) -> Option<Self> {
        let entry = self.entry(meta, subscriptions, plans);
        self.customers.insert(meta.customer.clone(), entry);
        (self.customers.len() <= CUSTOMERS_MAX).then_some(self)
    }

    fn entry(&self, meta: &Meta, subscriptions: &[Stored<Subscription>], plans: &Plans) -> CustomerBilling {
        let object = meta.object.as_ref().map(|object| &object.value);
        let deleted = object.is_some_and(|object| object.deleted);
        let known = self.imported.customer.as_ref().filter(|customer| customer.id == meta.customer);
        let named = domain::Customer {
            id: meta.customer.clone(),
            email: object.map_or_else(|| known.and_then(|known| known.email.clone()), |object| object.email.clone()),
            name: object.map_or_else(|| known.and_then(|known| known.name.clone()), |object| object.name.clone()),
        };
        let imported = self.imported.subscription.as_ref();
        let is_imported = |row: &domain::Subscription| {
            imported.is_some_and(|imported| {
                imported.stripe_subscription_id.is_some() && imported.stripe_subscription_id == row.stripe_subscription_id
            })
        };
        let rows: Vec<_> = subscriptions.iter().map(|stored| stored.value.row(plans)).collect();
        let has_imported = rows.iter().any(&is_imported);
        let shown = |mut row: domain::Subscription| {
            if let Some(imported) = imported.filter(|_| is_imported(&row)) {
                row.id.clone_from(&imported.id);
            }
            if deleted {
                row.status = domain::SubscriptionStatus::Canceled;
            }
            row
        };
        CustomerBilling {
            customer: (!deleted).then_some(named),
            created: object.map(|object| object.created).unwrap_or_default(),
            subscription: Billing::choose(rows.into_iter().map(shown)),
            has_imported,
        }
    }
}

/// The user of a customer: the stored link, else the one that the event names.
pub(crate) fn user_of<'a>(meta: Option<&'a Meta>, claim: Option<&'a UserId>) -> Option<&'a UserId> {
    meta.and_then(|meta| meta.user.as_ref()).or(claim)
}
