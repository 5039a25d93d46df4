//! Which customer of Stripe a user buys as, and whose a subscription is.

use std::collections::BTreeSet;
use std::time::Instant;

use billing::guard::{Guarded, Stored};
use billing::{Item as Mirrored, Sources};
use domain::{Root, UserId};
use serde::{Deserialize, Serialize};

use crate::item;
use crate::keys::{self, REV};
use crate::write_items::put_if_at;
use crate::{StoreError, Table};

/// A user who may buy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Buyer {
    /// The customer to buy as; nothing while there is none that Stripe has.
    pub customer: Option<String>,
    /// The customer that was chosen before and that Stripe has deleted since.
    pub former: Option<String>,
    /// The customer of the subscription that counts; nothing without one.
    pub subscribed_as: Option<String>,
    /// Stripe's id of that subscription.
    pub subscription: Option<String>,
    /// Revision of the choice.
    chosen_rev: Option<u64>,
}

impl Buyer {
    /// The same user after Stripe said that it has no such customer.
    #[must_use]
    pub fn without(self, customer: &str) -> Self {
        Self { customer: None, former: Some(customer.to_owned()), ..self }
    }
}

/// A subscription of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSubscription {
    /// Stripe's id of the customer.
    pub customer: String,
    /// Whether it has ended for good.
    pub ended: bool,
}

/// The choice as it is stored. One item a user, so two requests cannot choose differently.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Choice {
    rev: u64,
    customer: String,
}

/// What is read of a user before anything is bought.
struct Known {
    root: Root,
    sources: Sources,
    choice: Option<Choice>,
}

impl Known {
    /// Whether Stripe said that it deleted a customer.
    fn is_deleted(&self, customer: &str) -> bool {
        self.sources.customers.get(customer).is_some_and(|known| known.customer.is_none())
    }

    fn customers(&self) -> BTreeSet<&str> {
        let imported = [&self.root.billing.customer, &self.sources.imported.customer].into_iter().flatten().map(|known| known.id.as_str());
        let chosen = self.choice.as_ref().map(|choice| choice.customer.as_str());
        self.sources.customers.keys().map(String::as_str).chain(imported).chain(chosen).collect()
    }
}

impl Table {
    /// Access pattern 19: the customer that a user buys as: the one that was chosen, else the one that the views show.
    ///
    /// # Errors
    /// [`StoreError::AccountDeleted`] for a deleted account; else see [`StoreError`].
    pub async fn buyer(&self, user: &UserId) -> Result<Buyer, StoreError> {
        let known = self.known_buyer(user).await?;
        let subscription = known.root.billing.subscribed().map(|(_, id)| id.to_owned());
        let chosen_rev = known.choice.as_ref().map(|choice| choice.rev);
        let shown = known.root.billing.customer.as_ref().map(|shown| shown.id.clone());
        let subscribed_as = shown.clone().filter(|_| subscription.is_some());
        let (customer, former) = match known.choice.as_ref().map(|choice| choice.customer.clone()) {
            Some(chosen) if known.is_deleted(&chosen) => (shown.filter(|shown| *shown != chosen), Some(chosen)),
            Some(chosen) => (Some(chosen), None),
            None => (shown, None),
        };
        Ok(Buyer { customer, former, subscribed_as, subscription, chosen_rev })
    }

    /// Chooses the customer that a user buys as from now on, unless another request was first: the chosen one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn choose_customer(&self, user: &UserId, buyer: &Buyer, customer: &str) -> Result<String, StoreError> {
        let choice = Choice { rev: buyer.chosen_rev.map_or(1, |rev| rev + 1), customer: customer.to_owned() };
        let mut stored = item::with_body(user, keys::CHOSEN_CUSTOMER, &choice);
        stored.insert(REV.to_owned(), item::number(choice.rev));
        let until = Instant::now() + self.retry_for;
        match self.commit(vec![put_if_at(self, stored, buyer.chosen_rev)], until).await {
            Ok(()) => Ok(choice.customer),
            Err(conflict @ StoreError::Conflict { .. }) => {
                let winner = self.known_buyer(user).await?.choice.map(|choice| choice.customer);
                winner.ok_or(conflict)
            }
            Err(error) => Err(error),
        }
    }

    /// Access pattern 20: a subscription of a user; nothing when it is nobody's or somebody else's.
    ///
    /// # Errors
    /// [`StoreError::AccountDeleted`] for a deleted account; else see [`StoreError`].
    pub async fn own_subscription(&self, user: &UserId, id: &str) -> Result<Option<OwnSubscription>, StoreError> {
        let known = self.known_buyer(user).await?;
        let mirrored = keys::mirrored(&billing::ItemId::Subscription(id.to_owned()));
        let places = known.customers().into_iter().map(|customer| item::key_of(keys::customer(customer), &mirrored));
        for found in self.batch_get(places.collect()).await? {
            if let Mirrored::Subscription(Stored { value, .. }) = item::body(&found)? {
                let customer = keys::customer_of(&found).ok_or(StoreError::malformed(&mirrored, "it is under no customer"))?;
                return Ok(Some(OwnSubscription { customer, ended: value.weight() > 0 }));
            }
        }
        // An imported one that no event has told of yet.
        let billing = &known.root.billing;
        let imported = billing.subscription.as_ref().filter(|row| row.stripe_subscription_id.as_deref() == Some(id));
        let customer = billing.customer.as_ref().map(|customer| customer.id.clone());
        Ok(imported.zip(customer).map(|(row, customer)| OwnSubscription { customer, ended: !row.status.is_subscribed() }))
    }

    async fn known_buyer(&self, user: &UserId) -> Result<Known, StoreError> {
        let places = [keys::ROOT, keys::SOURCES, keys::CHOSEN_CUSTOMER].map(|sk| item::key(user, sk));
        let read = self.transact_get(&places).await?;
        let at = |place: usize| read.get(place).and_then(Option::as_ref);
        let root: Root = at(0).map(item::body).transpose()?.unwrap_or_default();
        if root.deleted_at.is_some() {
            return Err(StoreError::AccountDeleted);
        }
        let sources = at(1).map(item::body).transpose()?.unwrap_or_default();
        Ok(Known { root, sources, choice: at(2).map(item::body).transpose()? })
    }
}
